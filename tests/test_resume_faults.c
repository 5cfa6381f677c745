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

int main(void)
{
    small_linear_fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_fails_everywhere),
        cmocka_unit_test(captured_runs_allocate_nothing),
    };
    return cmocka_run_group_tests_name("resume_faults", tests, NULL, NULL);
}
