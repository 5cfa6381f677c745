/* test_resume_faults.c - captures and restores without memory: the N-th allocation fails, then all after it. And a run
 * that is captured allocates nothing, and takes what hw_engine_bytes says. */
#include "faults.h"
#include "small_linear.h"

static long seen;

static hw_status on_checkpoint(void *context, const hw_state *state)
{
    (void)context;
    seen += hw_state_count(state) > 100;
    return HW_OK;
}

static hw_config config_of(int i)
{
    hw_config c = hw_config_defaults();
    c.scheduler = (hw_scheduler)(i % 5);
    c.workers = c.scheduler == HW_SEQUENTIAL ? 1 : 4;
    c.groups = c.scheduler == HW_GROUPS ? 2 : 1;
    c.simulation.threads = 1 + (unsigned)i / 5;
    if (c.scheduler == HW_SIMULATED) {
        c.simulation.clock = HW_CLOCK_EXPONENTIAL;
        c.simulation.gather = i >= 5 ? 2 : 1;
    }
    c.batch = 8;
    c.epochs = 6;
    c.average_every = 5;
    c.compensation.window = 10;
    c.keep_every = 7;
    c.on_checkpoint = on_checkpoint;
    c.checkpoint_every = 6;
    return c;
}

static hw_status use_resume(int i)
{
    hw_objective o;
    hw_engine *e = NULL, *next = NULL;
    hw_config c = config_of((int[]){HW_SEQUENTIAL, HW_GROUPS, HW_SIMULATED}[i]);
    c.epochs = 2;
    hw_state *state = hw_state_create();
    if (!state) return HW_E_MEMORY;
    hw_status status = hw_linear_objective(&linear, &o, NULL);
    if (status == HW_OK) status = hw_engine_create(&e, &o, &c, NULL, NULL);
    if (status == HW_OK) status = hw_engine_run(e, NULL);
    if (status == HW_OK) status = hw_engine_capture(e, state);
    c.epochs = 3;
    c.on_checkpoint = NULL;
    c.checkpoint_every = 0;
    if (status == HW_OK) status = hw_engine_create(&next, &o, &c, NULL, NULL);
    if (status == HW_OK) status = hw_engine_restore(next, state, NULL);
    if (status == HW_OK) status = hw_engine_run(next, NULL);
    hw_engine_free(e);
    hw_engine_free(next);
    hw_state_free(state);
    return status;
}

static void memory_fails_everywhere(void **state)
{
    (void)state;
    const fault_call list[] = {{"resume", use_resume, 3, false}};
    assert_true(faults_everywhere(list, 1) > 100);
}

static void captured_runs_allocate_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        hw_objective o;
        hw_engine *e, *next;
        hw_result r;
        hw_config c = config_of(i);
        hw_state *copy = hw_state_create();
        assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
        requested = 0;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_near((double)hw_engine_bytes(e), (double)requested, 0.1 * (double)requested);
        seen = 0;
        run_allocates_nothing(e, &r);
        assert_true(seen >= (c.workers == 1 ? 8 : 1)); /* 48 updates; on threads fewer may come */
        assert_int_equal(hw_engine_capture(e, copy), HW_OK);
        c.epochs = 9;
        assert_int_equal(hw_engine_create(&next, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_restore(next, copy, NULL), HW_OK);
        run_allocates_nothing(next, &r); /* with the lists of both parts */
        hw_engine_free(e);
        hw_engine_free(next);
        hw_state_free(copy);
    }
}

static hw_status three_pairs(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self;
    for (int k = 0; k < 3; k++) {
        const float *x = hw_read(w);
        float *g = hw_gradient(w);
        for (int i = 0; i < 3; i++) g[i] = 0.01f * (x[i] - (float)(b->step % 3));
        hw_status status = hw_write(w, 1);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

/* With several pairs a call there are more updates, and so evaluations, than tickets. */
static void long_lists_allocate_nothing(void **state)
{
    (void)state;
    hw_objective o;
    hw_engine *e;
    hw_result r;
    hw_config c = config_of(HW_SEQUENTIAL);
    assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
    o.loss_gradient = NULL;
    o.step = three_pairs;
    o.sweep = NULL;
    c.epochs = 0;
    c.updates = 2000;
    c.evaluate_every = 1;
    c.checkpoint_every = 500;
    c.on_update = NULL;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    run_allocates_nothing(e, &r);
    assert_int_equal(r.updates, 6000); /* more than the list holds */
    hw_engine_free(e);
}

/* A replay's settings are its trace's, however short its windows were. */
static void replayed_settings_allocate_nothing(void **state)
{
    (void)state;
    hw_objective o;
    hw_engine *e;
    hw_result r;
    hw_trace *trace;
    hw_config c = config_of(HW_SIMULATED);
    size_t settings;
    assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
    c.average_every = 0;
    c.epochs = 60;
    c.trace = 1;
    c.checkpoint_every = 0;
    c.on_checkpoint = NULL;
    c.compensation.policy = HW_POLICY_MEAN_LAG;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_trace(e, &trace, NULL), HW_OK);
    hw_engine_free(e);
    c.trace = 0;
    c.simulation.clock = HW_CLOCK_REPLAY;
    c.simulation.trace = trace;
    c.compensation.window = 100000;
    c.on_checkpoint = on_checkpoint;
    c.checkpoint_every = 50;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    run_allocates_nothing(e, &r);
    (void)hw_engine_settings(e, &settings);
    assert_true(settings > 3);
    hw_engine_free(e);
    hw_trace_free(trace);
}

int main(void)
{
    small_linear_fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_fails_everywhere),
        cmocka_unit_test(captured_runs_allocate_nothing),
        cmocka_unit_test(long_lists_allocate_nothing),
        cmocka_unit_test(replayed_settings_allocate_nothing),
    };
    return cmocka_run_group_tests_name("resume_faults", tests, NULL, NULL);
}
