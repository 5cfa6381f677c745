/* test_efficiency.c - grids, and measured rows against recursions that are written down here: simulated workers in
 * turns, whose updates and virtual times are known. */
#include "turns.h"

/* Seeds 1 to 5: the middle one is seed 3. */
static void rows_are_the_recursions(void **state)
{
    (void)state;
    static const unsigned workers[] = {1, 2, 4, 8};
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    hw_efficiency *e = made(&p, "1,2,4,8");
    assert_int_equal(hw_efficiency_rows(e), 4);
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    double one = recursion(begins(3), 0, 0.1, 0, 0.1, 400), first = recursion(begins(1), 0, 0.1, 0, 0.1, 400);
    for (size_t i = 0; i < 4; i++) {
        hw_efficiency_row r = row_of(e, i);
        double expected = recursion(begins(3), workers[i] - 1, 0.1, 0, 0.1, 400);
        assert_int_equal(r.runs, 5);
        assert_int_equal(r.met, 5);
        assert_near(r.updates.value, expected, 1e-3);
        assert_near(r.statistical.value, expected / one, 1e-4);
        assert_near(r.hardware.value, 1.0 / workers[i], 0.02);
        assert_near(r.product.value, r.statistical.value * r.hardware.value, 1e-9);
        assert_near(r.staleness, workers[i] - 1, workers[i] * workers[i] / 20.0);
        assert_true(r.simulated && !r.refused);
        /* Draws of five runs hold the first and the last seed alone now and then. */
        assert_true(r.updates.low <= r.updates.value && r.updates.high >= r.updates.value);
        if (i == 0) assert_true(r.updates.low >= first - 1e-3 && r.updates.low < one);
        /* Seeds are paired, and updates grow with the seed: a draw's ratio is that of the seed in its middle. */
        double least = INFINITY, most = 0;
        for (unsigned s = 1; s <= 5; s++) {
            double ratio =
                recursion(begins(s), workers[i] - 1, 0.1, 0, 0.1, 400) / recursion(begins(s), 0, 0.1, 0, 0.1, 400);
            least = fmin(least, ratio);
            most = fmax(most, ratio);
        }
        assert_true(r.statistical.low >= least - 1e-4 && r.statistical.high <= most + 1e-4);
    }
    hw_efficiency_free(e);
}

/* A row that diverges, one that cannot be, one that is too slow. */
static void rows_that_miss_have_no_figure(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    c.target = -1e9;
    c.optimizer.schedule.base = 0.4;
    c.updates = 300;
    c.divergence = 10;
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,16");
    assert_int_equal(hw_efficiency_axis(e, "exchange_interval", "1,4", why), HW_OK);
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_efficiency_rows(e), 4);
    hw_efficiency_row late = row_of(e, 2), never = row_of(e, 3);
    assert_string_equal(late.label, "workers 16, exchange_interval 1");
    assert_int_equal(row_of(e, 0).met, 0);
    assert_int_equal(row_of(e, 0).diverged, 0);
    assert_int_equal(late.diverged, 3);
    assert_true(isnan(late.updates.value) && late.mean_updates.value >= 300);
    assert_true(never.refused && never.runs == 0);
    assert_text(never.why, "exchange_interval");
    hw_efficiency_free(e);

    c.target = -1; /* nobody overshoots as far without a delay */
    c.updates = 60;
    c.optimizer.schedule.base = 0.05;
    e = made(&p, "1");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    hw_efficiency_row slow = row_of(e, 0);
    assert_int_equal(slow.met, 0);
    assert_int_equal(slow.runs, 3);
    assert_true(isnan(slow.updates.value) && isnan(slow.statistical.value) && isnan(slow.product.value));
    assert_near(slow.mean_updates.value, 60, 1e-9);
    char *text = printed(e, hw_efficiency_print), *json = printed(e, hw_efficiency_json);
    assert_text(text, "not reached");
    assert_text(text, "0 of 3");
    assert_null(strstr(text, "nan"));
    assert_null(strstr(json, "nan"));
    assert_text(json, "\"updates_to_target\": [null, null, null]");
    free(text);
    free(json);
    hw_efficiency_free(e);
}

static void tuning_finds_the_best_of_the_grid(void **state)
{
    (void)state;
    static const double rates[] = {0.02, 0.05, 0.1, 0.3}, momenta[] = {0, 0.5, 0.8};
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_TUNED);
    p.rates = rates;
    p.momenta = momenta;
    p.n_rates = 4;
    p.n_momenta = 3;
    p.tuning_seeds = 2;
    p.seeds = 3;
    unsigned all = 0;
    hw_efficiency *e = made(&p, "1,4");
    assert_int_equal(hw_efficiency_axis(e, "learning_rate", "1", why), HW_E_ARGUMENT);
    assert_text(why, "tuned chooses");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    for (size_t i = 0; i < 2; i++) {
        double best = INFINITY, rate = 0, momentum = 0, spent = 0;
        unsigned runs = 0;
        for (int k = 0; k < 12; k++) {
            unsigned limit = best < 400 ? (unsigned)ceil(best) : 400;
            double worst = 0;
            for (unsigned s = 0; s < 2 && worst < limit; s++, runs++) {
                double took = recursion(begins(1 + 1000003 + s), i ? 3 : 0, rates[k / 3], momenta[k % 3], 0.1, limit);
                spent += ceil(took);
                worst = fmax(worst, took);
            }
            if (worst < best && worst < limit) best = worst, rate = rates[k / 3], momentum = momenta[k % 3];
        }
        hw_efficiency_row r = row_of(e, i);
        assert_near(r.learning_rate, rate, 0);
        assert_near(r.momentum, momentum, 0);
        assert_int_equal(r.tuning_runs, runs);
        all += runs;
        assert_near(r.tuning_updates, spent, 1); /* what a run takes to its target is between two updates */
        assert_near(r.updates.value, recursion(begins(2), i ? 3 : 0, rate, momentum, 0.1, 400), 1e-2);
    }
    char *text = printed(e, hw_efficiency_print), cost[40];
    (void)snprintf(cost, sizeof cost, "tuning: %u runs", all);
    assert_text(text, "tuned");
    assert_text(text, cost);
    free(text);
    hw_efficiency_free(e);
}

static void a_compensated_row_has_the_policy(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_COMPENSATED);
    hw_efficiency *e = made(&p, "1,4");
    assert_int_equal(row_of(e, 1).config->compensation.policy, HW_POLICY_AUTO);
    assert_int_equal(hw_efficiency_axis(e, "compensation", "none,auto", why), HW_E_ARGUMENT);
    assert_text(why, "has its compensation");
    hw_efficiency_free(e);
    p.question = HW_QUESTION_FIXED;
    e = made(&p, "1,4");
    assert_int_equal(row_of(e, 1).config->compensation.policy, HW_POLICY_NONE);
    assert_int_equal(hw_efficiency_axis(e, "compensation", "none,auto", why), HW_OK);
    assert_int_equal(row_of(e, 3).config->compensation.policy, HW_POLICY_AUTO);
    hw_efficiency_free(e);
}

/* Every second seed of the reference misses the target: what it is relative to may as well be infinite. */
static hw_status evaluate_odd(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * (double)x[1];
    return HW_OK;
}

static void start_odd(void *context, uint64_t seed, float *x)
{
    (void)context;
    for (int j = 0; j < N; j++) x[j] = seed % 3 ? 1 : 1e6F;
}

static void a_reference_that_misses_leaves_the_low_end_open(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    o.evaluate = evaluate_odd;
    c.updates = 60;
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.start = start_odd;
    p.seeds = 6;
    hw_efficiency *e = made(&p, "1");
    assert_int_equal(hw_efficiency_axis(e, "learning_rate", "0.1,0.5", why), HW_OK);
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    hw_efficiency_row slow = row_of(e, 0), fast = row_of(e, 1);
    assert_int_equal(slow.met, 4);
    assert_int_equal(fast.met, 6);
    assert_true(isinf(slow.updates.high));
    assert_true(fast.statistical.value < 1 && fast.statistical.low <= 0 && fast.statistical.high < 1);
    assert_true(isinf(fast.updates.high) == 0);
    hw_efficiency_free(e);
}

/* One row fails when it is started; the others go on. */
static hw_status two_pairs(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self, (void)b;
    for (int k = 0; k < 2; k++) {
        const float *x = hw_read(w);
        float *g = hw_gradient(w);
        for (int j = 0; j < N; j++) g[j] = x[j];
        hw_status status = hw_write(w, 1);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static void rows_that_fail_are_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    o.loss_gradient = NULL;
    o.step = two_pairs;
    c.scheduler = HW_ASYNC;
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,2");
    assert_int_equal(hw_efficiency_axis(e, "scheduler", "sync,async", why), HW_OK);
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_true(row_of(e, 0).refused && row_of(e, 2).refused);
    assert_text(row_of(e, 0).why, "more than one pair");
    assert_int_equal(row_of(e, 1).met, 3);
    assert_int_equal(row_of(e, 3).met, 3);
    hw_efficiency_free(e);
}

/* A share of a minibatch each, epochs that are no whole number of steps, gradients that are gathered. */
static void limits_are_the_engines(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups, gather;
        int per_worker;
        double updates;
    } each[] = {{HW_ASYNC, 4, 1, 1, 1, 12},
                {HW_SYNC, 4, 1, 1, 1, 3},
                {HW_GROUPS, 4, 2, 1, 1, 6},
                {HW_SIMULATED, 4, 1, 1, 0, 12},
                {HW_SIMULATED, 4, 1, 2, 0, 6}};
    for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
        char why[HW_WHY];
        hw_objective o = objective();
        hw_config c = config();
        c.scheduler = each[k].scheduler;
        c.workers = each[k].workers;
        c.groups = each[k].groups;
        c.batch = 90; /* 1000 examples: 12 steps an epoch, 3 of four times as many */
        c.batch_per_worker = each[k].per_worker;
        if (each[k].gather > 1) c.simulation.clock = HW_CLOCK_CONSTANT, c.simulation.gather = each[k].gather;
        c.updates = 0;
        c.epochs = 1;
        c.target = -1;
        hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
        hw_efficiency *e;
        p.seeds = 3;
        if (hw_efficiency_create(&e, &p, why) != HW_OK) fail_msg("%s", why);
        if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
        hw_efficiency_row r = row_of(e, 0);
        if (r.refused) fail_msg("%zu: %s", k, r.why);
        assert_int_equal(r.met, 0);
        assert_near(r.mean_updates.value, each[k].updates, 1e-9);
        hw_efficiency_free(e);
    }
}

/* From where one worker stands after ten updates. */
static void warm_rows_begin_there(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.warm = 10;
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    double x = begins(1);
    for (int t = 0; t < 10; t++) x -= 0.1 * x;
    for (size_t i = 0; i < 2; i++) {
        hw_efficiency_row r = row_of(e, i);
        assert_near(r.updates.value, recursion(x, i ? 3 : 0, 0.1, 0, 0.1, 400), 1e-3);
        assert_near(r.updates.high - r.updates.low, 0, 1e-9); /* one start for all seeds */
    }
    hw_efficiency_free(e);
    c.simulation.clock = HW_CLOCK_EXPONENTIAL; /* which the warm start does not have */
    e = made(&p, "1,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 1).met, 3);
    hw_efficiency_free(e);
    const hw_own_step own[] = {{1, NAN}, {0.5, NAN}, {1, NAN}, {0.5, NAN}}; /* nor these, which one worker has not */
    c.own_steps = own;
    c.n_own_steps = 4;
    e = made(&p, "4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 0).met, 3);
    hw_efficiency_free(e);
    c.own_steps = NULL;
    c.n_own_steps = 0;
    p.warm = 100;
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_ARGUMENT);
    assert_text(why, "meets the target already");
    hw_efficiency_free(e);
}

static void what_is_no_grid_is_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective(), blind = objective();
    hw_config c = config(), aimless = config(), endless = config();
    hw_efficiency *e;
    blind.evaluate = NULL;
    aimless.target = 0;
    endless.updates = 0;
    hw_efficiency_plan p = plan(&blind, &c, HW_QUESTION_FIXED);
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "evaluates nothing");
    p = plan(&o, &aimless, HW_QUESTION_FIXED);
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "target is 0");
    p = plan(&o, &endless, HW_QUESTION_FIXED);
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "needs a limit");
    p = plan(&o, &c, HW_QUESTION_TUNED);
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "grid of question tuned");
    static const double rates[] = {0.1}, wrong[] = {0.5, 1};
    p.rates = rates;
    p.momenta = wrong;
    p.n_rates = 1;
    p.n_momenta = 2;
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "momentum.target");
    p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 0;
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    p.seeds = 2;
    e = made(&p, "1,2");
    static const char *const bad[][3] = {{"worker", "1", "worker"},
                                         {"batch", "8,many", "many"},
                                         {"batch", "8,,16", "batch"},
                                         {"workers", "4", "is an axis already"},
                                         {"seed", "1,2", "same for all rows"},
                                         {"updates", "9", "same for all rows"},
                                         {"evaluate_every", "9", "same for all rows"},
                                         {"batch", "", "list of values"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(hw_efficiency_axis(e, bad[i][0], bad[i][1], why), HW_E_ARGUMENT);
        assert_text(why, bad[i][2]);
        assert_int_equal(hw_efficiency_rows(e), 2); /* as before */
    }
    hw_efficiency_row r;
    assert_int_equal(hw_efficiency_row_of(e, 2, &r), HW_E_ARGUMENT);
    hw_efficiency_free(e);
    /* Groups without their number would be the synchronous scheduler. */
    c.scheduler = HW_GROUPS;
    c.simulation.threads = 0;
    e = made(&p, "1,4");
    assert_true(row_of(e, 1).refused);
    assert_text(row_of(e, 1).why, "scheduler sync");
    assert_int_equal(hw_efficiency_axis(e, "groups", "1,2", why), HW_OK);
    assert_false(row_of(e, 3).refused);
    hw_efficiency_free(e);
}

/* Real threads, work that sleeps: four workers make updates in less time than one. Where the machine keeps them waiting
 * they sleep longer, until that is what counts. */
static void threads_with_added_work(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_row one, four;
    double sleep = 10e-3;
    c.scheduler = HW_ASYNC;
    do {
        c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, sleep};
        hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
        p.seeds = 3;
        hw_efficiency *e = made(&p, "1,4");
        if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
        one = row_of(e, 0);
        four = row_of(e, 1);
        hw_efficiency_free(e);
        assert_false(four.simulated);
        assert_int_equal(one.met, 3);
        assert_true(one.time.value >= sleep);
        sleep *= 2;
    } while (!(four.hardware.value < 0.8) && sleep < 0.2);
    assert_true(four.hardware.value < 0.8);
}

/* The target is met at the first evaluation; what the other worker lands after that, in no time, is no window. */
static void the_end_of_a_run_is_no_window(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    c.scheduler = HW_ASYNC;
    c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 10e-3};
    c.evaluate_every = 20;
    c.target = 0.3;
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 3;
    hw_efficiency *e = made(&p, "2");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    hw_efficiency_row r = row_of(e, 0);
    assert_int_equal(r.met, 3);
    assert_true(r.coarse);
    assert_true(r.time.value >= 4.9e-3); /* twenty updates by two workers take ten sleeps */
    hw_efficiency_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_recursions),
        cmocka_unit_test(rows_that_miss_have_no_figure),
        cmocka_unit_test(tuning_finds_the_best_of_the_grid),
        cmocka_unit_test(a_compensated_row_has_the_policy),
        cmocka_unit_test(a_reference_that_misses_leaves_the_low_end_open),
        cmocka_unit_test(rows_that_fail_are_refused),
        cmocka_unit_test(limits_are_the_engines),
        cmocka_unit_test(warm_rows_begin_there),
        cmocka_unit_test(what_is_no_grid_is_refused),
        cmocka_unit_test(threads_with_added_work),
        cmocka_unit_test(the_end_of_a_run_is_no_window),
    };
    return cmocka_run_group_tests_name("efficiency", tests, NULL, NULL);
}
