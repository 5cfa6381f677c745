/* test_gather.c - GATHER: an update is the mean of the first k gradients that threads bring. No example is lost or seen
 * twice, late gradients count in a later update, whatever stops, evaluates, captures or fails on the way. */
#include "check.h"
#include "kept.h"
#include <stdatomic.h>

enum { N = 24, EXAMPLES = 400, BATCH = 4, STEPS = EXAMPLES / BATCH };

typedef struct task {
    _Atomic uint32_t visits[EXAMPLES];
    _Atomic uint32_t gradients;
    uint32_t fails_at; /* the gradient that is no number, or whose step fails; 0: none */
    bool stops;
} task;

/* |x - 1|^2 / 2: the same for all examples. */
static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    task *t = self;
    double loss = 0;
    (void)scratch;
    for (uint32_t i = 0; i < b->count; i++) t->visits[b->index[i]]++;
    for (int j = 0; j < N; j++) {
        g[j] = x[j] - 1;
        loss += 0.5 * (double)g[j] * (double)g[j];
    }
    return ++t->gradients == t->fails_at ? (double)NAN : loss;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * (double)(1 - x[0]);
    return HW_OK;
}

static hw_objective objective(task *t)
{
    hw_objective o = hw_objective_defaults("gathered", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 8;
    o.self = t;
    return o;
}

static hw_config config(unsigned workers, unsigned k)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_GATHER;
    c.workers = workers;
    c.simulation.gather = k;
    c.batch = BATCH;
    c.epochs = 3;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.02;
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

static void each_example_counts_once_an_epoch(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 6; workers++)
        for (unsigned k = 2; k <= workers; k++) {
            task t = {.fails_at = 0};
            hw_objective o = objective(&t);
            hw_config c = config(workers, k);
            hw_engine *e;
            hw_result r;
            hw_histogram h;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%u, %u: %s", workers, k, r.message);
            for (int i = 0; i < EXAMPLES; i++) assert_int_equal(t.visits[i], 3);
            assert_int_equal(r.examples, 3 * EXAMPLES);
            /* The last updates may be of fewer: whoever is left cannot make k. */
            const uint64_t least = (3 * STEPS + k - 1) / k;
            assert_true(r.last.update >= least && r.last.update <= least + workers);
            assert_int_equal(hw_config_asynchronous(&c), (workers + k / 2) / k);
            /* Every gradient is a contribution of its own. */
            assert_int_equal(hw_histogram_init(&h, hw_staleness_linear_bins(hw_engine_staleness(e))), HW_OK);
            hw_staleness_merge(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, &h);
            assert_int_equal(h.total, 3 * STEPS);
            hw_histogram_free(&h);
            hw_engine_free(e);
        }
}

/* All of the workers: nobody is late, and an update is the gradient at its parameters. */
static void all_of_them_are_the_synchronous_step(void **state)
{
    (void)state;
    for (unsigned workers = 2; workers <= 5; workers++) {
        task t = {.fails_at = 0};
        hw_objective o = objective(&t);
        hw_config c = config(workers, workers);
        float x[N] = {0};
        hw_result r;
        c.epochs = 0;
        c.updates = 40 * workers; /* gradients */
        c.optimizer.momentum = 0.5;
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%u: %s", workers, r.message);
        double w = 0, v = 0;
        for (int i = 0; i < 40; i++) {
            v = 0.5 * v - 0.02 * (w - 1);
            w += v;
        }
        assert_int_equal(r.last.update, 40);
        assert_int_equal(r.staleness.largest, 0);
        for (int j = 0; j < N; j++) assert_near(x[j], w, 1e-5);
    }
}

/* One of four sleeps ten times as long: the others go on without it, and what it brings is old and counts. */
static void stragglers_come_late_and_count(void **state)
{
    (void)state;
    const hw_clock each[4] = {{HW_CLOCK_CONSTANT, 0, 1e-3},
                              {HW_CLOCK_CONSTANT, 0, 1e-3},
                              {HW_CLOCK_CONSTANT, 0, 1e-3},
                              {HW_CLOCK_CONSTANT, 0, 2e-2}};
    task t = {.fails_at = 0};
    hw_objective o = objective(&t);
    hw_config c = config(4, 2);
    hw_engine *e;
    hw_result r;
    c.epochs = 1;
    c.work.each = each;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
    for (int i = 0; i < EXAMPLES; i++) assert_int_equal(t.visits[i], 1);
    uint64_t count[4];
    for (unsigned i = 0; i < 4; i++) count[i] = hw_staleness_count(hw_engine_staleness(e), i);
    assert_true(count[3] >= 1 && count[3] < count[0] / 2);
    assert_int_equal(count[0] + count[1] + count[2] + count[3], STEPS);
    hw_histogram h;
    assert_int_equal(hw_histogram_init(&h, hw_staleness_linear_bins(hw_engine_staleness(e))), HW_OK);
    hw_staleness_worker(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, 3, &h);
    assert_true(h.largest >= 2);
    hw_histogram_free(&h);
    hw_engine_free(e);
}

/* Evaluations and captures in the middle of updates that are half there; a resumed run goes on with them. */
static void captured_halves_are_whole_after_a_resumption(void **state)
{
    (void)state;
    for (unsigned k = 2; k <= 4; k++) {
        task t = {.fails_at = 0};
        hw_objective o = objective(&t);
        hw_config c = config(4, k);
        hw_result r;
        hw_engine *e;
        kept states = {.n = 0};
        char why[HW_WHY];
        size_t n;
        c.evaluate_every = 7;
        c.checkpoint_every = 11;
        c.on_capture = keep;
        c.context = &states;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%u: %s", k, r.message);
        const hw_evaluation *x = hw_engine_evaluations(e, &n);
        assert_true(n >= 3 * STEPS / k / 7);
        for (size_t i = 1; i < n; i++)
            assert_true(x[i].update > x[i - 1].update && x[i].metric[0] <= x[i - 1].metric[0]);
        hw_engine_free(e);
        for (int i = 0; i < EXAMPLES; i++) assert_int_equal(t.visits[i], 3);
        assert_true(states.n >= 2);
        for (unsigned s = 0; s < states.n; s++) {
            /* What the state has not seen yet is seen once: all but its tickets. */
            uint64_t gradients = (uint64_t)hw_state_number(states.state[s], "run.tickets", 0);
            if (gradients > 3 * STEPS) gradients = 3 * STEPS /* who found none */;
            for (int i = 0; i < EXAMPLES; i++) t.visits[i] = 0;
            c.on_capture = NULL;
            c.checkpoint_every = 0;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_restore(e, states.state[s], why) != HW_OK) fail_msg("%s", why);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%u: %s", k, r.message);
            uint64_t visits = 0;
            for (int i = 0; i < EXAMPLES; i++) visits += t.visits[i];
            assert_int_equal(r.examples, 3 * EXAMPLES);
            assert_true(gradients > 0);
            assert_int_equal(visits, 3 * EXAMPLES - gradients * BATCH);
            hw_engine_free(e);
            hw_state_free(states.state[s]);
        }
    }
}

/* Steps of unlike length, so that states hold halves; and a run whose last update nobody is left to complete. */
static void a_captured_half_lands(void **state)
{
    (void)state;
    const hw_clock each[3] = {{HW_CLOCK_CONSTANT, 0, 1e-3}, {HW_CLOCK_CONSTANT, 0, 1e-3}, {HW_CLOCK_CONSTANT, 0, 8e-3}};
    unsigned halves = 0;
    for (uint64_t gradients = 3; gradients <= 45; gradients += 14) {
        task t = {.fails_at = 0};
        hw_objective o = objective(&t);
        hw_config c = config(3, 2);
        hw_result r;
        hw_engine *e;
        kept states = {.n = 0};
        char why[HW_WHY];
        float x[N] = {0};
        c.epochs = 0;
        c.updates = gradients;
        c.work.each = each;
        c.checkpoint_every = 1;
        c.on_capture = keep;
        c.context = &states;
        assert_int_equal(hw_engine_create(&e, &o, &c, x, NULL), HW_OK);
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.examples, gradients * BATCH);
        hw_engine_free(e);
        c.on_capture = NULL;
        c.checkpoint_every = 0;
        for (unsigned s = 0; s < states.n; s++) {
            halves += hw_state_number(states.state[s], "run.gather.gathered", 0) > 0;
            assert_int_equal(hw_engine_create(&e, &o, &c, x, NULL), HW_OK);
            if (hw_engine_restore(e, states.state[s], why) != HW_OK) fail_msg("%s", why);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
            assert_int_equal(r.examples, gradients * BATCH);
            hw_engine_free(e);
            hw_state_free(states.state[s]);
        }
    }
    assert_true(halves > 0);
}

/* Evaluations are of the updates that they are due at, but for the last one. */
static void evaluations_are_not_late(void **state)
{
    (void)state;
    for (unsigned k = 2; k <= 8; k += 3) {
        task t = {.fails_at = 0};
        hw_objective o = objective(&t);
        hw_config c = config(8, k);
        hw_engine *e;
        hw_result r;
        size_t n;
        c.evaluate_every = 5;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
        const hw_evaluation *x = hw_engine_evaluations(e, &n);
        assert_true(n >= 3 * STEPS / k / 5);
        for (size_t i = 0; i + 1 < n; i++) assert_int_equal(x[i].update, 5 * (i + 1));
        hw_engine_free(e);
    }
}

/* A loss that rises is seen whoever lands the updates. */
static double rising(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    task *t = self;
    (void)scratch, (void)b;
    for (int j = 0; j < N; j++) g[j] = 1e-3F * x[j];
    return ++t->gradients > 200 ? 1e6 : 1;
}

static void a_rise_of_the_loss_is_seen(void **state)
{
    (void)state;
    for (unsigned slow = 0; slow < 2; slow++) {
        const hw_clock each[2] = {{HW_CLOCK_CONSTANT, 0, slow == 0 ? 1e-3 : 1e-6},
                                  {HW_CLOCK_CONSTANT, 0, slow == 1 ? 1e-3 : 1e-6}};
        task t = {.fails_at = 0};
        hw_objective o = objective(&t);
        hw_config c = config(2, 2);
        hw_result r;
        float x[N] = {0};
        o.loss_gradient = rising;
        c.epochs = 0;
        c.updates = 600;
        c.work.each = each;
        assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
    }
}

/* A gradient that is no number ends the run, or is left out; a target, a stop and a limit in time end it well. */
static void it_ends_as_it_should(void **state)
{
    (void)state;
    for (unsigned k = 2; k <= 3; k++) {
        task t = {.fails_at = 50};
        hw_objective o = objective(&t);
        hw_config c = config(3, k);
        hw_result r;
        float x[N] = {0};
        assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
        assert_text(r.message, "stopped being finite");
        t.gradients = 0;
        c.on_nan = HW_NAN_SKIP;
        memset(x, 0, sizeof x);
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.skipped, 1);
        assert_int_equal(r.examples, 3 * EXAMPLES - BATCH);
        t.fails_at = 0;
        c.target_metric = 0;
        c.target = 0.5; /* of 1 - x, which begins at 1 */
        c.evaluate_every = 1;
        memset(x, 0, sizeof x);
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.reason, HW_STOP_TARGET);
        assert_true(x[0] > 0.49 && x[0] < 0.6);
        c.target = 0;
        c.epochs = 0;
        c.evaluate_every = 0;
        c.seconds = 0.05;
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.reason, HW_STOP_SECONDS);
    }
}

static void what_it_cannot_gather_is_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    task t = {.fails_at = 0};
    hw_objective o = objective(&t);
    hw_config c;
#define REFUSED(change, status, part)                           \
    do {                                                        \
        c = config(4, 2);                                       \
        change;                                                 \
        assert_int_equal(hw_config_check(&c, &o, why), status); \
        assert_text(why, part);                                 \
    } while (0)
    assert_int_equal(hw_config_check(&(hw_config){0}, &o, why) == HW_OK, 0);
    REFUSED(c.simulation.gather = 1, HW_E_ARGUMENT, "1 is scheduler async");
    REFUSED(c.simulation.gather = 5, HW_E_ARGUMENT, "gather is 5");
    REFUSED(c.optimizer.velocity = HW_VELOCITY_PRIVATE, HW_E_UNSUPPORTED, "velocity private");
    REFUSED(c.trace = 1, HW_E_UNSUPPORTED, "config.trace");
    REFUSED(c.clock_interval = 8, HW_E_UNSUPPORTED, "clock_interval");
    REFUSED(c.exchange_interval = 8, HW_E_UNSUPPORTED, "exchange_interval");
    REFUSED(c.layers = HW_LAYERS_EACH, HW_E_UNSUPPORTED, "config.layers");
    REFUSED(c.scheduler = HW_ASYNC, HW_E_ARGUMENT, "it goes with scheduler simulated");
    o.touched = 4;
    REFUSED((void)0, HW_E_UNSUPPORTED, "dense gradients");
    c = config(4, 2);
    o.touched = 0;
    assert_int_equal(hw_config_check(&c, &o, why), HW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_example_counts_once_an_epoch),
        cmocka_unit_test(all_of_them_are_the_synchronous_step),
        cmocka_unit_test(stragglers_come_late_and_count),
        cmocka_unit_test(captured_halves_are_whole_after_a_resumption),
        cmocka_unit_test(a_captured_half_lands),
        cmocka_unit_test(evaluations_are_not_late),
        cmocka_unit_test(a_rise_of_the_loss_is_seen),
        cmocka_unit_test(it_ends_as_it_should),
        cmocka_unit_test(what_it_cannot_gather_is_refused),
    };
    return cmocka_run_group_tests_name("gather", tests, NULL, NULL);
}
