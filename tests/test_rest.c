/* test_rest.c - policy auto lets workers rest: the fewest begin and end, more join in where the bound allows it and
 * leave where a run fails, under every scheduler; every ticket is one update; nothing rests where that was not asked
 * for. */
#include "resting.h"

static const hw_scheduler each[] = {HW_ASYNC, HW_GROUPS, HW_ROUND_ROBIN, HW_SIMULATED};
enum { EACH = sizeof each / sizeof *each };

static unsigned distinct(const watch *s, uint64_t from, uint64_t to)
{
    uint32_t seen = 0;
    for (uint64_t n = from; n < to; n++) seen |= 1U << s->worker[n] % 32;
    return (unsigned)__builtin_popcount(seen);
}

static uint32_t oldest(const watch *s, uint64_t from, uint64_t to)
{
    uint32_t most = 0;
    for (uint64_t n = from; n < to; n++) most = s->staleness[n] > most ? s->staleness[n] : most;
    return most;
}

/* Two begin; four, then eight of them join in, a window each; and two end. When threads look at their losses
 * hangs on who got a processor when. */
static void few_begin_and_end_and_all_join_in(void **state)
{
    (void)state;
    for (int i = 0; i < EACH; i++) {
        static watch s;
        quadratic q = {.curvature = 1};
        hw_config c = config(each[i]);
        hw_objective o = objective(&q);
        hw_result r;
        s = (watch){.landed = 0};
        c.on_update = see;
        c.context = &s;
        assert_int_equal(hw_engine_create(&s.engine, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_at_work(s.engine, NULL), WORKERS);
        if (hw_engine_run(s.engine, &r) != HW_OK) fail_msg("%d: %s", i, r.message);
        assert_near(hw_engine_number(s.engine, "at_work"), hw_engine_at_work(s.engine, NULL), 0);
        assert_int_equal(r.updates, UPDATES);
        assert_int_equal(s.landed, UPDATES);
        size_t n;
        const hw_setting *set = hw_engine_settings(s.engine, &n);
        assert_text(set[0].reason, "2 of 8 at work");
        assert_near(set[0].delay, 1, 0);
        assert_true(distinct(&s, 0, 60) <= 2); /* before anybody looks */
        if (each[i] == HW_ROUND_ROBIN || each[i] == HW_SIMULATED) {
            bool four = false, full = false;
            uint64_t all = 0;
            for (size_t j = 1; j < n && !full; j++) {
                if (strstr(set[j].reason, "4 of 8 at work")) four = true;
                if (four && set[j].delay > 6.5) full = true, all = set[j].update;
            }
            if (!full) fail_msg("scheduler %d: nobody joined in", i);
            assert_int_equal(hw_engine_at_work(s.engine, NULL), 2);
            assert_int_equal(distinct(&s, 0, 90), 2);
            assert_int_equal(oldest(&s, 0, 90), 1);
            assert_int_equal(distinct(&s, all + 20, all + 60), WORKERS);
            for (uint64_t k = all + 20; k < all + 60; k++) assert_int_equal(s.staleness[k], WORKERS - 1);
            double mean;
            (void)hw_engine_at_work(s.engine, &mean);
            assert_true(mean > 4 && mean < WORKERS - 0.5);
            assert_near(hw_engine_number(s.engine, "mean_at_work"), mean, 1e-12);
            assert_int_equal(distinct(&s, UPDATES - 90, UPDATES), 2);
            assert_int_equal(oldest(&s, UPDATES - 90, UPDATES), 1);
        }
        hw_engine_free(s.engine);
    }
}

/* rate * curvature * workers / (1 - momentum) is what the map orders by: up to a half all eight step from the first to
 * the last update; above it so many begin as are within it. */
static void all_step_where_nobody_sees_the_delay(void **state)
{
    static const struct {
        double rate;
        unsigned begin;
    } cases[] = {{0.002, 8}, {0.006, 8}, {0.007, 4}, {0.012, 4}, {0.013, 2}, {0.05, 2}};
    (void)state;
    for (int i = 0; i < EACH; i++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            quadratic q = {.curvature = 1};
            hw_config c = config(each[i]);
            hw_objective o = objective(&q);
            hw_engine *e;
            hw_result r;
            char begin[40];
            size_t n;
            double mean;
            c.curvature = 1;
            c.optimizer.momentum = 0.9;
            c.optimizer.schedule.base = cases[k].rate;
            c.optimizer.schedule.warmup = k % 2 ? 0 : 400; /* it is of the rate that it rises to */
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%d, rate %g: %s", i, cases[k].rate, r.message);
            const hw_setting *set = hw_engine_settings(e, &n);
            (void)snprintf(begin, sizeof begin, "%u of 8 at work", cases[k].begin);
            if (!strstr(set[0].reason, begin)) fail_msg("%d, rate %g: %s", i, cases[k].rate, set[0].reason);
            (void)hw_engine_at_work(e, &mean);
            /* A thread that loses its core brings a gradient so old that others rest, whatever the rate. */
            bool halved = false;
            for (size_t s = 0; s < n; s++) halved = halved || strstr(set[s].reason, "half rest");
            bool late = (each[i] == HW_ASYNC || each[i] == HW_GROUPS) && r.staleness.largest > 4 * WORKERS;
            if (cases[k].begin == WORKERS && !(halved && late))
                assert_near(mean, WORKERS, 0);
            else if (cases[k].begin < WORKERS)
                assert_true(mean < WORKERS);
            hw_engine_free(e);
        }
}

/* 2 * 0.05 = 0.1 against 0.069 that a delay of three takes: stable with two workers only. The rate that was wanted
 * stays in force, where one that all eight could take would be a tenth of it. */
static void who_makes_it_fail_leaves(void **state)
{
    (void)state;
    for (int i = 2; i < EACH; i++) {
        quadratic q = {.curvature = 2};
        hw_config c = config(each[i]);
        hw_objective o = objective(&q);
        hw_result r;
        float x[N];
        c.optimizer.schedule.base = 0.05;
        c.optimizer.momentum = 0.9;
        for (int k = 0; k < 2; k++) {
            hw_engine *e;
            c.least_workers = k ? WORKERS : 0;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_run(e, &r) != HW_OK) fail_msg("%d: %s", i, r.message);
            assert_int_equal(hw_engine_at_work(e, NULL), k ? WORKERS : 2);
            if (k) {
                assert_true(r.setting.rate <= 0.5);
            } else {
                assert_true(r.setting.rate >= 0.95);
                assert_int_equal(hw_engine_get(e, x), HW_OK);
                for (int j = 0; j < N; j++) assert_true(fabsf(x[j] - 1) < 1e-3F);
            }
            hw_engine_free(e);
        }
    }
}

/* Evaluations, captures, averages and returns while some rest, over and over: each example is visited as often as the
 * epochs say, and nobody waits for ever. */
static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self;
    (void)scratch;
    (void)first;
    sums[0] += (double)count * ((double)x[0] - 1) * ((double)x[0] - 1);
    return HW_OK;
}

static hw_status no_capture(void *context, uint64_t update, const hw_state *state)
{
    (void)context;
    (void)update;
    (void)state;
    return HW_OK;
}

static void every_ticket_is_somebodys(void **state)
{
    (void)state;
    static _Atomic uint32_t visits[1000];
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 6; k++) {
            quadratic q = {k % 2 ? 2 : 1, visits};
            hw_config c = config(each[i]);
            hw_objective o = objective(&q);
            hw_result r;
            o.evaluate = evaluate;
            o.evaluation_examples = 16;
            for (int j = 0; j < 1000; j++) visits[j] = 0;
            c.updates = 0;
            c.epochs = 12;
            c.compensation.window = 10 + 7 * (unsigned)k;
            c.optimizer.schedule.base = k % 2 ? 0.05 : 0.002;
            c.evaluate_every = k > 1 ? 13 : 0;
            c.on_capture = k > 2 ? no_capture : NULL;
            c.checkpoint_every = k > 2 ? 17 : 0;
            c.average_every = k > 3 ? 10 : 0;
            c.clock_interval = k == 5 && each[i] == HW_ASYNC ? 4 : 1;
            c.least_workers = k == 4 ? 1 : 0;
            if (hw_train(&o, &c, NULL, &r) != HW_OK) fail_msg("%d, %d: %s", i, k, r.message);
            assert_int_equal(r.updates + r.skipped, 12 * 125);
            for (int j = 0; j < 1000; j++)
                if (visits[j] != 12) fail_msg("%d, %d: example %d was visited %u times", i, k, j, visits[j]);
        }
}

/* Who rests when a run is stopped, or fails, is let go. */
static double fails(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = gradient(self, scratch, b, x, g);
    return b->step >= 40 ? (g[0] = NAN) : loss;
}

static void a_stop_and_a_failure_reach_those_at_rest(void **state)
{
    (void)state;
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < 3; k++) {
            static watch s;
            quadratic q = {.curvature = 1};
            hw_config c = config(each[i]);
            hw_objective o = objective(&q);
            hw_result r;
            s = (watch){.stop_at = k == 0 ? 50 : 0};
            c.updates = k == 1 ? 0 : UPDATES;
            c.seconds = k == 1 ? 0.01 : 0;
            if (k == 2) o.loss_gradient = fails;
            c.on_update = see;
            c.context = &s;
            assert_int_equal(hw_engine_create(&s.engine, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_run(s.engine, &r) != (k == 2 ? HW_E_DIVERGED : HW_OK))
                fail_msg("%d, %d: %s", i, k, r.message);
            assert_int_equal(r.reason, k == 0 ? HW_STOP_ASKED : k == 1 ? HW_STOP_SECONDS : HW_STOP_ERROR);
            if (k < 2 && hw_engine_run(s.engine, &r) != HW_OK) fail_msg("%d, %d, on: %s", i, k, r.message);
            hw_engine_free(s.engine);
        }
}

static hw_status sparse(void *self, hw_worker *w, const hw_batch *b)
{
    const hw_range all = {0, N};
    float x[N], g[N];
    hw_read_ranges(w, &all, 1, x);
    double loss = gradient(self, NULL, b, x, g);
    return hw_write_ranges(w, &all, 1, g, loss);
}

/* As many as there are; other policies; one worker, sparse steps, clocks that say what the delay is. */
static void nobody_rests_where_it_was_not_asked_for(void **state)
{
    (void)state;
    for (int k = 0; k < 7; k++) {
        quadratic q = {.curvature = 1};
        hw_config c = config(HW_SIMULATED);
        hw_objective o = objective(&q);
        hw_engine *e;
        if (k == 0) c.least_workers = WORKERS;
        if (k == 1) c.least_workers = 100;
        if (k == 2) c.compensation.policy = HW_POLICY_LOOK_AHEAD;
        if (k == 3) c.simulation.clock = HW_CLOCK_DELAY, c.simulation.delay = WORKERS - 1;
        if (k == 4) c.simulation.clock = HW_CLOCK_ADVERSARY, c.simulation.delay = 3;
        if (k == 5) o.step = sparse, o.loss_gradient = NULL, o.touched = N;
        if (k == 6) c.keep_every = 0;
        c.updates = 300;
        char why[HW_WHY];
        hw_result r;
        if (hw_engine_create(&e, &o, &c, NULL, why) != HW_OK) fail_msg("%d: %s", k, why);
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%d: %s", k, r.message);
        assert_int_equal(hw_engine_at_work(e, NULL), WORKERS);
        size_t n;
        const hw_setting *s = hw_engine_settings(e, &n);
        for (size_t j = 0; j < n; j++) assert_null(strstr(s[j].reason, "at work"));
        hw_engine_free(e);
    }
    assert_int_equal(hw_engine_at_work(NULL, NULL), 0);
}

/* A resting group rises as one: with evaluations and captures at every update, ends and stops among them. */
static void a_group_is_never_in_two_places(void **state)
{
    (void)state;
    for (int run = 0; run < 240; run++) {
        static watch s;
        quadratic q = {.curvature = 1};
        hw_config c = config(HW_GROUPS);
        hw_objective o = objective(&q);
        hw_result r;
        o.evaluate = evaluate;
        o.evaluation_examples = 16;
        o.evaluation_chunk = 4;
        c.groups = 4;
        c.updates = 30;
        c.evaluate_every = run % 3 != 1;
        c.checkpoint_every = (uint64_t)run % 3;
        c.on_capture = run % 3 ? no_capture : NULL;
        s = (watch){.stop_at = run % 2 ? 12 : 0};
        c.on_update = see;
        c.context = &s;
        assert_int_equal(hw_engine_create(&s.engine, &o, &c, NULL, NULL), HW_OK);
        if (hw_engine_run(s.engine, &r) != HW_OK) fail_msg("%d: %s", run, r.message);
        if (run % 2 == 0) assert_int_equal(r.updates, 30);
        hw_engine_free(s.engine);
    }
}

/* A loss that falls to a thousandth while most rest, and rises to nine tenths of what it was at first. */
static double falls(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = b->step < 400 ? 100 : b->step < 3000 ? 0.1 : 90;
    (void)gradient(self, scratch, b, x, g);
    return loss * (1 + 0.01 * (double)(b->step * 2654435761u >> 16 & 7));
}

/* What is no divergence for eight that have stepped from the start is none where some come later: the first losses are
 * those of who began. */
static void who_comes_late_has_no_first_losses(void **state)
{
    (void)state;
    for (unsigned least = 0; least <= 32; least += 32) {
        quadratic q = {.curvature = 1};
        hw_config c = config(HW_SIMULATED);
        hw_objective o = objective(&q);
        hw_result r;
        o.loss_gradient = falls;
        c.workers = 32;
        c.least_workers = least;
        c.updates = 6000;
        c.optimizer.schedule.base = 0.0005;
        if (hw_train(&o, &c, NULL, &r) != HW_OK) fail_msg("at least %u: %s", least, r.message);
        assert_int_equal(r.updates + r.skipped, 6000);
    }
}

/* Momentum 1/2 looks no farther ahead for 31 updates than for 15: who joins in is told all the same. */
static void every_change_is_told(void **state)
{
    (void)state;
    quadratic q = {.curvature = 1};
    hw_config c = config(HW_SIMULATED);
    hw_objective o = objective(&q);
    hw_engine *e;
    size_t n;
    c.workers = 32;
    c.optimizer.momentum = 0.5;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    const hw_setting *s = hw_engine_settings(e, &n);
    unsigned found = 0;
    for (size_t j = 0; j < n; j++) {
        static const char *const told[] = {"2 of 32", "4 of 32", "8 of 32", "16 of 32"};
        static const double delay[] = {1, 3, 7, 15, 31};
        bool here = found < 4 ? strstr(s[j].reason, told[found]) != NULL : fabs(s[j].delay - 31) < 0.5;
        if (found < 5 && here) {
            assert_near(s[j].delay, delay[found], 0.5);
            assert_null(strstr(s[j].reason, "curvature")); /* nobody knows it */
            found++;
        }
    }
    assert_int_equal(found, 5);
    hw_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_begin_and_end_and_all_join_in),
        cmocka_unit_test(all_step_where_nobody_sees_the_delay),
        cmocka_unit_test(who_makes_it_fail_leaves),
        cmocka_unit_test(every_ticket_is_somebodys),
        cmocka_unit_test(a_stop_and_a_failure_reach_those_at_rest),
        cmocka_unit_test(nobody_rests_where_it_was_not_asked_for),
        cmocka_unit_test(a_group_is_never_in_two_places),
        cmocka_unit_test(who_comes_late_has_no_first_losses),
        cmocka_unit_test(every_change_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
