/* test_efficiency.c - survival estimates against published data, grids, and measured rows against recursions that are
 * written down here: simulated workers in turns, whose updates and virtual times are known. */
#include "check.h"
#include <hogwild/efficiency.h>
#include <unistd.h>

/* --- survival -------------------------------------------------------------------------------------------------------
 */

/* Freireich et al. (1963), 6-MP arm, as in every textbook: weeks of remission; 0: still in it when last seen. */
static const double weeks[] = {6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35};
static const int relapsed[] = {1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};

static void kaplan_and_meier(void **state)
{
    (void)state;
    double median, mean, area = 0, above = 1, since = 0;
    assert_int_equal(hw_survival(weeks, relapsed, 21, 35, &median, &mean), HW_OK);
    assert_near(median, 23, 0);
    /* The published curve. */
    const double at[] = {6, 7, 10, 13, 16, 22, 23}, s[] = {0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448};
    for (int i = 0; i < 7; i++) {
        area += above * (at[i] - since);
        above = s[i];
        since = at[i];
    }
    area += above * (35 - since);
    assert_near(mean, area, 0.02);
    /* Nobody missed it: the plain ones. */
    const double time[] = {4, 1, 3, 2};
    const int all[] = {1, 1, 1, 1}, half[] = {0, 1, 0, 1}, none[] = {0, 0, 0, 0};
    assert_int_equal(hw_survival(time, all, 4, 10, &median, &mean), HW_OK);
    assert_near(median, 2.5, 1e-12);
    assert_near(mean, 2.5, 1e-12);
    assert_int_equal(hw_survival(time, all, 3, 10, &median, &mean), HW_OK);
    assert_near(median, 3, 1e-12);
    /* Half of them, and none: no median; the mean says they took as long as the horizon. */
    assert_int_equal(hw_survival(time, half, 4, 4, &median, &mean), HW_OK);
    assert_true(isnan(median));
    assert_near(mean, (1 + 2 + 4 + 4) / 4.0, 1e-12);
    assert_int_equal(hw_survival(time, none, 4, 4, &median, &mean), HW_OK);
    assert_true(isnan(median));
    assert_near(mean, 4, 1e-12);
    assert_int_equal(hw_survival(time, all, 0, 4, &median, &mean), HW_E_ARGUMENT);
    assert_int_equal(hw_survival(time, all, 4, 0, &median, &mean), HW_E_ARGUMENT);
    const double wrong[] = {1, NAN};
    assert_int_equal(hw_survival(wrong, all, 2, 4, &median, &mean), HW_E_ARGUMENT);
}

/* 95 % intervals of the median hold the true one about as often as they say. */
static void intervals_cover(void **state)
{
    (void)state;
    enum { SETS = 300, N = 21 };
    unsigned covered = 0, open = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 5, 0);
    for (int k = 0; k < SETS; k++) {
        double time[N];
        int met[N];
        hw_estimate m;
        for (int i = 0; i < N; i++) {
            double t = -log(1 - hw_rng_uniform(&rng)), seen = 1.2; /* true median ln 2; 30 % are not seen to the end */
            met[i] = t <= seen;
            time[i] = t < seen ? t : seen;
        }
        assert_int_equal(hw_survival_median(time, met, N, 7, &m), HW_OK);
        if (isnan(m.value)) continue;
        assert_true(m.low <= m.value && m.value <= m.high);
        covered += m.low <= log(2) && log(2) <= m.high;
        open += isinf(m.high) != 0;
    }
    assert_in_range(covered, SETS * 88 / 100, SETS * 99 / 100);
    assert_true(open > 0); /* where draws do not meet it there is no upper end */
    hw_estimate a, b;
    assert_int_equal(hw_survival_median(weeks, relapsed, 21, 3, &a), HW_OK);
    assert_int_equal(hw_survival_median(weeks, relapsed, 21, 3, &b), HW_OK);
    assert_near(a.low, b.low, 0);
    assert_near(a.value, 23, 0);
    assert_int_equal(hw_survival_median(weeks, relapsed, 2, 3, &a), HW_OK);
    assert_true(isnan(a.low)); /* of two runs no interval */
}

/* --- a quadratic in turns ------------------------------------------------------------------------------------------
 */

enum { N = 4 };
#define CURVATURE 1.0

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < N; j++) {
        g[j] = (float)CURVATURE * x[j];
        loss += 0.5 * CURVATURE * (double)x[j] * (double)x[j];
    }
    return loss;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * (double)x[0];
    return HW_OK;
}

/* 1 + seed / 100: so that seeds differ. */
static double begins(uint64_t seed)
{
    return 1 + (double)seed / 100;
}

static void start(void *context, uint64_t seed, float *x)
{
    (void)context;
    for (int j = 0; j < N; j++) x[j] = (float)begins(seed);
}

static hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("turns", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 1;
    return o;
}

static hw_config config(void)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.batch = 10;
    c.updates = 400;
    c.epochs = 0;
    c.evaluate_every = 1;
    c.target_metric = 0;
    c.target = 0.1;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.1;
    c.curvature = -1;
    c.divergence = 0;
    c.simulation.threads = 1;
    return c;
}

/* The update at which x crosses the target when every gradient is `delay` updates old, or `limit`. */
static double recursion(double x, unsigned delay, double rate, double momentum, double target, unsigned limit)
{
    double old[512], v = 0;
    old[0] = x;
    for (unsigned t = 0; t < limit; t++) {
        double late = old[t > delay ? t - delay : 0], next;
        v = momentum * v - rate * CURVATURE * late;
        next = old[t] + v;
        old[t + 1] = next;
        if (next <= target) return t + (old[t] - target) / (old[t] - next);
    }
    return limit;
}

static hw_efficiency_plan plan(const hw_objective *o, const hw_config *c, hw_question question)
{
    hw_efficiency_plan p;
    assert_int_equal(hw_efficiency_plan_init(&p, sizeof p), HW_OK);
    p.name = "turns";
    p.objective = o;
    p.config = c;
    p.start = start;
    p.question = question;
    return p;
}

static hw_efficiency *made(const hw_efficiency_plan *p, const char *workers)
{
    char why[HW_WHY];
    hw_efficiency *e;
    if (hw_efficiency_create(&e, p, why) != HW_OK) fail_msg("%s", why);
    if (hw_efficiency_axis(e, "workers", workers, why) != HW_OK) fail_msg("%s", why);
    return e;
}

static hw_efficiency_row row_of(const hw_efficiency *e, size_t i)
{
    hw_efficiency_row r;
    assert_int_equal(hw_efficiency_row_of(e, i, &r), HW_OK);
    return r;
}

static char *printed(const hw_efficiency *e, hw_status (*how)(const hw_efficiency *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    assert_int_equal(how(e, f), HW_OK);
    assert_int_equal(fclose(f), 0);
    return text;
}

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

/* A row that is unstable, one that is too slow, one that cannot be. */
static void rows_that_miss_have_no_figure(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    c.optimizer.schedule.base = 0.4;
    c.updates = 60;
    c.divergence = 10;
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,16");
    assert_int_equal(hw_efficiency_axis(e, "exchange_interval", "1,4", why), HW_OK);
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_efficiency_rows(e), 4);
    hw_efficiency_row late = row_of(e, 2), never = row_of(e, 3);
    assert_string_equal(late.label, "workers 16, exchange_interval 1");
    assert_int_equal(row_of(e, 0).met, 3);
    assert_int_equal(late.met, late.runs - late.diverged - (late.runs - late.met - late.diverged));
    assert_true(never.refused && never.runs == 0);
    assert_text(never.why, "exchange_interval");
    hw_efficiency_free(e);

    c.target = -1; /* nobody overshoots as far without a delay */
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
                spent += took;
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
    assert_int_equal(row_of(e, 1).config.compensation.policy, HW_POLICY_AUTO);
    assert_int_equal(hw_efficiency_axis(e, "compensation", "none,auto", why), HW_E_ARGUMENT);
    assert_text(why, "has its compensation");
    hw_efficiency_free(e);
    p.question = HW_QUESTION_FIXED;
    e = made(&p, "1,4");
    assert_int_equal(row_of(e, 1).config.compensation.policy, HW_POLICY_NONE);
    assert_int_equal(hw_efficiency_axis(e, "compensation", "none,auto", why), HW_OK);
    assert_int_equal(row_of(e, 3).config.compensation.policy, HW_POLICY_AUTO);
    hw_efficiency_free(e);
}

/* --- records --------------------------------------------------------------------------------------------------------
 */

typedef struct watch {
    unsigned runs, stop_after;
    volatile sig_atomic_t flag;
} watch;

static hw_status count(void *context, const hw_efficiency_run *run, size_t done, size_t all)
{
    watch *w = context;
    if (done < 1 || done > all || run->seed < 1) return HW_E_CALLBACK;
    if (++w->runs == w->stop_after) w->flag = 1;
    return HW_OK;
}

static void counting_start(void *context, uint64_t seed, float *x)
{
    (void)context;
    start(NULL, seed, x);
}

static void interrupted_measuring_goes_on(void **state)
{
    (void)state;
    char why[HW_WHY], path[] = "/tmp/hogwild-efficiency-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    watch w = {0, 4, 0};
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.start = counting_start;
    p.on_run = count;
    p.context = &w;
    p.stop_flag = &w.flag;
    p.record = path;
    hw_efficiency *e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_STOPPED);
    assert_int_equal(w.runs, 4);
    assert_int_equal(row_of(e, 0).runs, 2); /* seed by seed: 1 2 4, 1 */
    assert_int_equal(row_of(e, 2).runs, 1);
    w.flag = 0;
    w.stop_after = 6;
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_STOPPED);
    assert_int_equal(w.runs, 6);
    hw_efficiency_free(e);
    /* Another process; the last line was cut when the first one was killed. */
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(ftruncate(fileno(f), ftell(f) - 9), 0);
    assert_int_equal(fclose(f), 0);
    w = (watch){0, 0, 0};
    e = made(&p, "1,2,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(w.runs, 15 - 5);
    hw_efficiency_row all = row_of(e, 2);
    assert_int_equal(all.runs, 5);
    hw_efficiency_free(e);
    e = made(&p, "1,2,4");
    w.runs = 0;
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_int_equal(w.runs, 0);
    assert_near(row_of(e, 2).product.value, all.product.value, 0);
    assert_near(row_of(e, 2).product.low, all.product.low, 0);
    hw_efficiency_free(e);
    c.optimizer.schedule.base = 0.11; /* other runs */
    e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_int_equal(w.runs, 15);
    hw_efficiency_free(e);
    /* What is no run, and no record. */
    f = fopen(path, "a");
    assert_non_null(f);
    fputs("0123456789abcdef,1,0,1,0,twelve\n", f);
    assert_int_equal(fclose(f), 0);
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_FORMAT);
    assert_text(why, "line 32 is no run");
    hw_efficiency_free(e);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("somebody's notes\n", f);
    assert_int_equal(fclose(f), 0);
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_FORMAT);
    assert_text(why, "line 1");
    hw_efficiency_free(e);
    f = fopen(path, "r");
    char line[64];
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "somebody's notes\n"); /* nothing is lost */
    assert_int_equal(fclose(f), 0);
    assert_int_equal(unlink(path), 0);
    p.record = "/nowhere/record.csv";
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_IO);
    assert_text(why, "/nowhere/record.csv");
    hw_efficiency_free(e);
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

/* How often a text stands in a file. */
static unsigned times(const char *folder, const char *name, const char *text)
{
    char path[300], line[512];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("there is no %s", path);
    while (fgets(line, sizeof line, f)) n += strstr(line, text) != NULL;
    (void)fclose(f);
    return n;
}

static void pages_have_gaps_where_there_is_no_figure(void **state)
{
    (void)state;
    char why[HW_WHY], folder[] = "/tmp/hogwild-page-XXXXXX", path[400], command[100];
    assert_non_null(mkdtemp(folder));
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    hw_report *r;
    c.updates = 60;
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,2,32");
    assert_int_equal(hw_efficiency_axis(e, "learning_rate", "0.1,1e-5", why), HW_OK); /* the second is far too slow */
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 5).met, 0);
    assert_int_equal(hw_report_open(&r, folder, "page", why), HW_OK);
    assert_int_equal(hw_efficiency_report(e, NULL, "x", why), HW_E_ARGUMENT);
    if (hw_efficiency_report(e, r, "turns", why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_report_close(r, path, sizeof path, why), HW_OK);
    /* Two curves of three workers each; of the second there is no figure, and its rows stand above as crosses. */
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 1e-5\",32,NaN,"), 1);
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 1e-5\""), 3);
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 0.1\",2,"), 1);
    assert_int_equal(times(folder, "turns-product.csv", "\"not reached\",32,"), 1);
    assert_int_equal(times(folder, "turns-hardware.csv", "not reached"), 0);
    assert_int_equal(times(folder, "turns-statistical.gp", "logscale x 2"), 1);
    assert_true(times(folder, "index.html", "not reached") > 0);
    assert_int_equal(times(folder, "index.html", "nan"), 0);
    hw_efficiency_free(e);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* Real threads, work that sleeps: two workers take half as long an update, and no longer than that by much. */
static void threads_with_added_work(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config();
    c.scheduler = HW_ASYNC;
    c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 2e-3};
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    hw_efficiency_row one = row_of(e, 0), four = row_of(e, 1);
    assert_int_equal(one.config.scheduler, HW_SEQUENTIAL);
    assert_int_equal(four.config.scheduler, HW_ASYNC);
    assert_false(four.simulated);
    assert_true(one.time.value >= 2e-3);
    assert_true(four.time.value > 0 && one.met == 3);
    assert_near(one.hardware.value, 1, 0);
    hw_efficiency_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kaplan_and_meier),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(rows_are_the_recursions),
        cmocka_unit_test(rows_that_miss_have_no_figure),
        cmocka_unit_test(tuning_finds_the_best_of_the_grid),
        cmocka_unit_test(a_compensated_row_has_the_policy),
        cmocka_unit_test(interrupted_measuring_goes_on),
        cmocka_unit_test(warm_rows_begin_there),
        cmocka_unit_test(what_is_no_grid_is_refused),
        cmocka_unit_test(pages_have_gaps_where_there_is_no_figure),
        cmocka_unit_test(threads_with_added_work),
    };
    return cmocka_run_group_tests_name("efficiency", tests, NULL, NULL);
}
