/* test_work.c - work that the configuration adds to steps of threads: how long they last at the least, whose draws they
 * are, that a run ends all the same, and what is refused. No bound from above: how late a thread goes on is the
 * machine's. */
#include "check.h"
#include <stdatomic.h>
#include <unistd.h>

enum { N = 4, MOST = 64, STEPS = 24, WORKERS = 4 };

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch;
    for (int j = 0; j < N; j++) g[j] = x[j] - 1;
    return b->count ? 1 : 0;
}

static hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("work", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    return o;
}

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = 8;
    c.epochs = 0;
    c.updates = STEPS;
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

/* Milliseconds of every worker's steps, in their order. */
typedef struct lasted {
    double ms[WORKERS][MOST];
    _Atomic unsigned n[WORKERS];
} lasted;

static void note(void *context, const hw_update_event *e)
{
    lasted *l = context;
    unsigned k = l->n[e->worker]++;
    if (k < MOST) l->ms[e->worker][k] = (double)(e->write_ns - e->read_ns) * 1e-6;
}

/* The draws of worker i: a stream of their own. */
static void draws(const hw_clock *law, uint64_t seed, unsigned i, double *ms)
{
    hw_rng rng;
    hw_rng_seed(&rng, seed, ((uint64_t)1 << 42) + i);
    for (int k = 0; k < MOST; k++) ms[k] = 1e3 * hw_clock_draw(law, &rng);
}

static void steps_last_as_long_as_their_law_says(void **state)
{
    (void)state;
    static const hw_clock laws[] = {{HW_CLOCK_CONSTANT, 0, 2e-3},
                                    {HW_CLOCK_EXPONENTIAL, 0, 2e-3},
                                    {HW_CLOCK_GAMMA, 0.5, 2e-3},
                                    {HW_CLOCK_LOGNORMAL, 1, 2e-3},
                                    {HW_CLOCK_PARETO, 3, 2e-3}};
    static const hw_scheduler schedulers[] = {HW_SEQUENTIAL, HW_ASYNC, HW_ROUND_ROBIN};
    for (unsigned law = 0; law < 5; law++)
        for (unsigned s = 0; s < 3; s++)
            for (int spin = 0; spin < 2; spin++) {
                lasted l = {.n = {0}};
                unsigned workers = schedulers[s] == HW_SEQUENTIAL ? 1 : WORKERS;
                hw_config c = config(schedulers[s], workers);
                hw_objective o = objective();
                hw_result r;
                double least[MOST], sum = 0, mean = 0;
                c.seed = 7 + law;
                c.work.law = laws[law];
                c.work.spin = spin;
                c.on_update = note;
                c.context = &l;
                assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
                assert_int_equal(r.updates, STEPS);
                unsigned all = 0;
                for (unsigned i = 0; i < workers; i++) {
                    draws(laws + law, c.seed, i, least);
                    for (unsigned k = 0; k < l.n[i]; k++, all++) {
                        /* The hook's times are read just outside of what was waited. */
                        if (!(l.ms[i][k] >= least[k] - 1e-3))
                            fail_msg("law %u, scheduler %u, worker %u: step %u took %g of %g ms", law, s, i, k,
                                     l.ms[i][k], least[k]);
                        sum += least[k];
                        mean += l.ms[i][k];
                    }
                }
                assert_int_equal(all, STEPS);
                assert_true(mean >= sum && r.work.mean_ns * 1e-6 * STEPS >= sum - 1e-2);
                assert_true(1e3 * r.seconds >= sum / workers - 1e-2);
            }
}

/* Threads of a group work side by side, each its own, and the group waits for the slowest. */
static void groups_wait_for_the_last(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups;
    } each[] = {{HW_SYNC, 3, 1}, {HW_GROUPS, 4, 2}};
    for (int k = 0; k < 2; k++) {
        const hw_clock laws[] = {{HW_CLOCK_CONSTANT, 0, 1e-3},
                                 {HW_CLOCK_CONSTANT, 0, 1e-3},
                                 {HW_CLOCK_CONSTANT, 0, 8e-3},
                                 {HW_CLOCK_CONSTANT, 0, 1e-3}};
        hw_config c = config(each[k].scheduler, each[k].workers);
        hw_objective o = objective();
        hw_result r;
        lasted l = {.n = {0}};
        c.groups = each[k].groups;
        c.work.each = laws;
        c.on_update = note;
        c.context = &l;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        unsigned slow = (unsigned)k; /* of SYNC the only one; of two groups the one with the third thread */
        if (!k) assert_int_equal(l.n[0], STEPS);
        for (unsigned i = 0; i < l.n[slow]; i++) assert_true(l.ms[slow][i] >= 8);
        if (k) assert_true(r.seconds * 1e3 >= 8 * l.n[1] && r.seconds * 1e3 >= l.n[0]);
    }
}

/* --- waiting
 * ----------------------------------------------------------------------------------------------------------
 */

/* A quick worker and one that takes twenty times as long; how long each has been in its steps. */
typedef struct unlike {
    double busy[2];
    unsigned evaluations;
} unlike;

static hw_status unlike_step(void *self, hw_worker *w, const hw_batch *b)
{
    unlike *u = self;
    const unsigned i = hw_worker_id(w);
    const uint64_t from = hw_now();
    (void)b;
    (void)hw_read(w);
    (void)usleep(i ? 40000 : 2000);
    for (int j = 0; j < N; j++) hw_gradient(w)[j] = 0;
    u->busy[i] += (double)(hw_now() - from) * 1e-9;
    return hw_write(w, 1);
}

static hw_status unlike_evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count,
                                 double *sums)
{
    unlike *u = self;
    (void)scratch, (void)x, (void)first;
    u->evaluations++;
    sums[0] += count;
    return HW_OK;
}

static hw_status no_capture(void *context, uint64_t update, const hw_state *state)
{
    (void)context, (void)update, (void)state;
    return HW_OK;
}

/* An evaluation or a capture waits for the slow one's step. The quick one, who makes nearly all updates, trains no
 * longer than it is in its steps; the wait counted as training would make that twice as much. */
static void waiting_for_an_evaluation_is_no_training(void **state)
{
    (void)state;
    for (int captures = 0; captures < 2; captures++) {
        unlike u = {{0}, 0};
        hw_objective o = hw_objective_defaults("unlike", N);
        hw_config c = config(HW_ASYNC, 2);
        hw_result r;
        o.self = &u;
        o.examples = 1000;
        o.step = unlike_step;
        o.evaluate = unlike_evaluate;
        o.evaluation_examples = 1;
        c.updates = 160;
        if (captures) {
            c.evaluate_epochs = 0;
            c.on_capture = no_capture;
            c.checkpoint_every = 10;
        } else {
            c.evaluate_every = 10;
        }
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.updates, 160);
        assert_true(captures || u.evaluations >= 10);
        assert_true(r.seconds > 0.9 * u.busy[0]);
        assert_true(r.seconds < 1.5 * u.busy[0]);
    }
}

/* A limit in seconds is one of training: what the quick one waits for evaluations does not end the run before,
 * though the slow one looks at the time in its sleep. */
static void a_limit_is_of_training(void **state)
{
    (void)state;
    unlike u = {{0}, 0};
    const hw_clock laws[] = {{HW_CLOCK_CONSTANT, 0, 2e-3}, {HW_CLOCK_CONSTANT, 0, 60e-3}};
    hw_objective o = objective();
    hw_config c = config(HW_ASYNC, 2);
    hw_result r;
    o.self = &u;
    o.evaluate = unlike_evaluate;
    o.evaluation_examples = 1;
    c.updates = 0;
    c.seconds = 0.2;
    c.evaluate_every = 5;
    c.work.each = laws;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_SECONDS);
    assert_true(r.seconds >= 0.2);
}

/* --- layer by layer -------------------------------------------------------------------------------------------------
 */

typedef struct steps {
    _Atomic unsigned held, not_held, late;
} steps;

/* All of it before the first write, where every layer has been read and none has landed. */
static hw_status by_layers(void *self, hw_worker *w, const hw_batch *b)
{
    steps *s = self;
    float *g = hw_gradient(w);
    const float *x = NULL;
    (void)b;
    for (size_t layer = 0; layer < 2; layer++) x = hw_read_layer(w, layer);
    for (int j = 0; j < N; j++) g[j] = x[j] - 1;
    uint64_t from = hw_now();
    hw_status status = hw_write_layer(w, 1);
    uint64_t first = hw_now();
    if (status == HW_OK) status = hw_write_layer(w, 0);
    if (status == HW_OK) status = hw_write(w, 1);
    if (first - from >= 3000000)
        s->held++;
    else
        s->not_held++;
    if (hw_now() - first >= 3000000) s->late++;
    return status;
}

static void layers_are_held_while_it_lasts(void **state)
{
    (void)state;
    static const hw_layer layers[] = {{"a", 0, 2, 1}, {"b", 2, 2, 0.5}};
    steps s = {0, 0, 0};
    hw_config c = config(HW_ASYNC, 2);
    hw_objective o = objective();
    hw_result r;
    o.loss_gradient = NULL;
    o.step = by_layers;
    o.self = &s;
    o.layers = layers;
    o.layer_count = 2;
    c.layers = HW_LAYERS_EACH;
    c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 3e-3};
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(s.held, STEPS);
    assert_int_equal(s.not_held, 0);
    assert_true(s.late < STEPS); /* once a step: a single one may have lost its core in between */
}

/* --- ends -----------------------------------------------------------------------------------------------------------
 */

static void *stop_soon(void *engine)
{
    (void)usleep(20000);
    hw_stop(engine);
    return NULL;
}

static void nobody_sleeps_through_the_end(void **state)
{
    (void)state;
    for (int way = 0; way < 6; way++) {
        char why[HW_WHY];
        hw_engine *e;
        hw_result r;
        pthread_t thread;
        hw_config c = config(way % 3 == 0 ? HW_ASYNC : way % 3 == 1 ? HW_SYNC : HW_ROUND_ROBIN, 3);
        hw_objective o = objective();
        c.updates = 1000000;
        c.seconds = way < 3 ? 0.02 : 0;
        c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 1e5}; /* a day */
        c.work.spin = way % 2;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
        if (way >= 3) assert_int_equal(pthread_create(&thread, NULL, stop_soon, e), 0);
        hw_status status = hw_engine_run(e, &r);
        if (way >= 3) (void)pthread_join(thread, NULL);
        assert_int_equal(status, HW_OK);
        assert_int_equal(r.reason, way < 3 ? HW_STOP_SECONDS : HW_STOP_ASKED);
        assert_true(r.updates <= 3);
        hw_engine_free(e);
    }
}

/* --- what it goes with ----------------------------------------------------------------------------------------------
 */

static double sweep_loss;
static hw_status sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    (void)self, (void)w, (void)run;
    *loss = sweep_loss;
    return HW_OK;
}

static void steps_go_one_by_one(void **state)
{
    (void)state;
    hw_config c = config(HW_ASYNC, 2);
    hw_objective o = objective();
    hw_result r;
    o.sweep = sweep;
    o.touched = N;
    c.batch = 1;
    c.write = HW_WRITE_RACY;
    c.clock_interval = 16;
    c.optimizer.momentum = 0;
    c.updates = 200;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_true(r.swept > 0);
    c.work.law = (hw_clock){HW_CLOCK_EXPONENTIAL, 0, 1e-5};
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.swept, 0);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        hw_clock law;
        hw_scheduler scheduler;
        bool each;
        const char *says;
    } bad[] = {
        {{HW_CLOCK_EXPONENTIAL, 0, 1e-3}, HW_SIMULATED, false, "config.work is for threads"},
        {{HW_CLOCK_EXPONENTIAL, 0, 1e-3}, HW_SIMULATED, true, "config.work is for threads"},
        {{HW_CLOCK_ROUND_ROBIN, 0, 1e-3}, HW_ASYNC, false, "config.work.mean is 0.001, but config.work is none"},
        {{HW_CLOCK_EXPONENTIAL, 0, 0}, HW_ASYNC, false, "config.work of worker 0: mean is 0"},
        {{HW_CLOCK_GAMMA, 0, 1}, HW_ASYNC, false, "config.work of worker 0: shape is 0"},
        {{HW_CLOCK_PARETO, 1, 1}, HW_ASYNC, true, "config.work.each 0: shape is 1: it must be above 1"},
        {{HW_CLOCK_DELAY, 1, 1}, HW_ASYNC, true, "config.work.each[0] is no law of work times"},
        {{HW_CLOCK_EXPONENTIAL, 0, NAN}, HW_ASYNC, true, "config.work.each 0: mean is nan"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[HW_WHY] = "";
        hw_config c = config(bad[i].scheduler, 2);
        hw_objective o = objective();
        const hw_clock each[2] = {bad[i].law, {HW_CLOCK_CONSTANT, 0, 1}};
        if (bad[i].each)
            c.work.each = each;
        else
            c.work.law = bad[i].law;
        assert_true(hw_config_check(&c, &o, why) != HW_OK);
        assert_text(why, bad[i].says);
    }
}

static void options_by_text(void **state)
{
    (void)state;
    char why[HW_WHY], text[64];
    hw_config c = hw_config_defaults();
    assert_int_equal(c.work.law.kind, HW_CLOCK_ROUND_ROBIN);
    assert_int_equal(hw_config_get(&c, "work", text, sizeof text), HW_OK);
    assert_string_equal(text, "none");
    assert_int_equal(hw_config_set(&c, "work", "pareto", why), HW_OK);
    assert_int_equal(hw_config_set(&c, "work.mean", "0.004", why), HW_OK);
    assert_int_equal(hw_config_set(&c, "work.shape", "2.5", why), HW_OK);
    assert_int_equal(hw_config_set(&c, "work.spin", "on", why), HW_OK);
    assert_int_equal(c.work.law.kind, HW_CLOCK_PARETO);
    assert_near(c.work.law.mean, 0.004, 0);
    assert_near(c.work.law.shape, 2.5, 0);
    assert_int_equal(c.work.spin, 1);
    assert_int_equal(hw_config_set(&c, "work", "delay", why), HW_E_ARGUMENT);
    assert_text(why, "none|exponential|gamma|lognormal|pareto|constant");
}

/* It is no part of what was trained: a run goes on with other work, or none. */
static void a_run_goes_on_with_other_work(void **state)
{
    (void)state;
    hw_state *kept = hw_state_create();
    for (int k = 0; k < 2; k++) {
        char why[HW_WHY];
        hw_engine *e;
        hw_result r;
        float x[N] = {0};
        hw_config c = config(HW_SEQUENTIAL, 1);
        hw_objective o = objective();
        c.updates = k ? 2 * STEPS : STEPS;
        if (!k) c.work.law = (hw_clock){HW_CLOCK_GAMMA, 4, 1e-4};
        if (hw_engine_create(&e, &o, &c, x, why) != HW_OK) fail_msg("%s", why);
        if (k && hw_engine_restore(e, kept, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(r.updates, (k + 1) * STEPS);
        if (!k) assert_int_equal(hw_engine_capture(e, kept), HW_OK);
        hw_engine_free(e);
    }
    hw_state_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_last_as_long_as_their_law_says),
        cmocka_unit_test(groups_wait_for_the_last),
        cmocka_unit_test(waiting_for_an_evaluation_is_no_training),
        cmocka_unit_test(a_limit_is_of_training),
        cmocka_unit_test(layers_are_held_while_it_lasts),
        cmocka_unit_test(nobody_sleeps_through_the_end),
        cmocka_unit_test(steps_go_one_by_one),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(options_by_text),
        cmocka_unit_test(a_run_goes_on_with_other_work),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
