/* linear.c - logistic regression on sparse rows: nanoseconds per non-zero of every way to step, what the exchange
 * interval buys and costs, lost updates, what measuring costs, and seconds to within 1 % of the optimum. */
#include "cli.h"
#include "sparse.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 40 };

typedef struct options {
    const char *part;
    unsigned rounds, epochs;
} options;

static const cli_option own[] = {
    {"--part", "NAME", "speed, interval, lost, measuring or target; without: all", CLI_TEXT, offsetof(options, part), 0,
     0},
    {"--rounds", "N", "repeats, which alternate (5)", CLI_WHOLE, offsetof(options, rounds), 1, MOST},
    {"--epochs", "N", "passes a run (10)", CLI_WHOLE, offsetof(options, epochs), 1, 10000},
};

/* One way to run, and what came out in each round. */
typedef struct way {
    const char *name;
    unsigned workers, interval;
    hw_write_mode write;
    hw_rule_kind rule;
    double l2, rate;
    bool steps, unrecorded;
    double ns[MOST];
    hw_result last;
} way;

static hw_config configure(const bench_rows *rows, const way *v, unsigned epochs)
{
    hw_config c = hw_config_defaults();
    c.scheduler = v->workers > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    c.workers = v->workers;
    c.batch = 1;
    c.write = v->write;
    c.clock_interval = 0;
    c.exchange_interval = v->interval;
    c.shuffle_block = 64;
    c.sweep = !v->steps;
    c.record = !v->unrecorded;
    c.optimizer.rule = v->rule;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = v->rate * rows->rate;
    c.compensation.policy = HW_POLICY_NONE;
    c.epochs = epochs;
    c.evaluate_epochs = 0;
    return c;
}

static bool run(const bench_rows *rows, way *v, unsigned round, unsigned epochs)
{
    char why[HW_WHY];
    hw_objective o;
    hw_engine *e;
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &rows->train);
    m.l2 = v->l2;
    if (hw_sparse_linear_objective(&m, &o, why) != HW_OK) return cli_error("linear", 1, why) == 0;
    hw_config c = configure(rows, v, epochs);
    hw_status status = hw_engine_create(&e, &o, &c, NULL, why);
    if (status == HW_OK) {
        status = hw_engine_run(e, &v->last);
        (void)snprintf(why, sizeof why, "%.250s", v->last.message);
        hw_engine_free(e);
    }
    hw_sparse_linear_free(&m);
    if (status != HW_OK) return cli_error("linear", 1, why) == 0;
    v->ns[round] = v->last.seconds * 1e9 / (v->last.epochs * (double)rows->train.nonzeros);
    return true;
}

static bool alternate(const bench_rows *rows, way *ways, size_t n, const options *o)
{
    for (unsigned r = 0; r < o->rounds; r++)
        for (size_t i = 0; i < n; i++)
            if (!run(rows, ways + i, r, o->epochs)) return false;
    return true;
}

static void print_way(const way *v, double alone, unsigned rounds)
{
    double x[MOST];
    memcpy(x, v->ns, sizeof x);
    bench_stat s = bench_of(x, rounds);
    char collisions[32] = "-", interval[32] = "-";
    if (v->last.exchanges) (void)snprintf(interval, sizeof interval, "%u", v->last.exchange_interval);
    if (isfinite(v->last.collisions)) (void)snprintf(collisions, sizeof collisions, "%.4f", v->last.collisions);
    printf("%-42s %6.3f (%.3f-%.3f)  %5.2f  %8.4f %7.2f %9.1f %10s %8s\n", v->name, s.median, s.low, s.high,
           alone / s.median, v->last.last.metric[0], 100 * v->last.last.metric[1], v->last.staleness.mean, collisions,
           interval);
}

static void head(void)
{
    printf("%-42s %-20s %6s %9s %7s %9s %10s %8s\n", "", "ns per non-zero", "ratio", "loss", "acc %", "staleness",
           "collisions", "interval");
}

static double median_of(const way *v, unsigned rounds)
{
    double x[MOST];
    memcpy(x, v->ns, sizeof x);
    return bench_of(x, rounds).median;
}

static bool speed(const bench_rows *rows, const options *o)
{
    double l2 = 1.0 / rows->train.rows;
    way ways[] = {
        {"1 worker", 1, 0, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, false, false, {0}, {0}},
        {"1 worker, l2 1/n", 1, 0, HW_WRITE_RACY, HW_RULE_SGD, l2, 1, false, false, {0}, {0}},
        {"1 worker, adagrad", 1, 1, HW_WRITE_RACY, HW_RULE_ADAGRAD, 0, 0.1, false, false, {0}, {0}},
        {"1 worker, by steps", 1, 1, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, true, false, {0}, {0}},
        {"2 workers, racy", 2, 1, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, false, false, {0}, {0}},
        {"2 workers, add", 2, 1, HW_WRITE_ADD, HW_RULE_SGD, 0, 1, false, false, {0}, {0}},
        {"2 workers, racy, by steps", 2, 1, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, true, false, {0}, {0}},
        {"2 workers, locked (by steps)", 2, 1, HW_WRITE_LOCKED, HW_RULE_SGD, 0, 1, true, false, {0}, {0}},
        {"2 workers, exchange, interval chosen", 2, 0, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, false, false, {0}, {0}},
        {"2 workers, exchange, l2 1/n", 2, 0, HW_WRITE_RACY, HW_RULE_SGD, l2, 1, false, false, {0}, {0}},
        {"2 workers, exchange, adagrad", 2, 0, HW_WRITE_RACY, HW_RULE_ADAGRAD, 0, 0.1, false, false, {0}, {0}},
    };
    size_t n = sizeof ways / sizeof *ways;
    printf("\n%s: %u rows, %u columns, %llu non-zeros; logistic loss, %u passes, median of %u rounds (low-high)\n",
           rows->name, rows->train.rows, rows->train.columns, (unsigned long long)rows->train.nonzeros, o->epochs,
           o->rounds);
    double before = bench_latency();
    if (!alternate(rows, ways, n, o)) return false;
    head();
    for (size_t i = 0; i < n; i++) print_way(ways + i, median_of(ways, o->rounds), o->rounds);
    printf("a line crosses the cores in %.0f ns before, %.0f ns after; ratio: against the first line\n", before,
           bench_latency());
    return true;
}

static bool interval(const bench_rows *rows, const options *o)
{
    static const unsigned k[] = {1, 8, 32, 128, 512, 2048, 8192, 0};
    way ways[9];
    char names[9][40];
    double l2 = 1.0 / rows->train.rows;
    memset(ways, 0, sizeof ways);
    ways[0] = (way){"1 worker", 1, 0, HW_WRITE_RACY, HW_RULE_SGD, l2, 1, false, false, {0}, {0}};
    for (int i = 0; i < 8; i++) {
        (void)snprintf(names[i], sizeof names[i], k[i] ? "2 workers, exchange every %u" : "2 workers, interval chosen",
                       k[i]);
        ways[1 + i] = (way){k[i] == 1 ? "2 workers, shared" : names[i],
                            2,
                            k[i],
                            k[i] > 1 ? HW_WRITE_STRIPED : HW_WRITE_RACY,
                            HW_RULE_SGD,
                            l2,
                            1,
                            false,
                            false,
                            {0},
                            {0}};
    }
    printf("\n%s: the exchange interval, l2 1/n, %u passes at the same learning rate\n", rows->name, o->epochs);
    double before = bench_latency();
    if (!alternate(rows, ways, 9, o)) return false;
    head();
    for (size_t i = 0; i < 9; i++) print_way(ways + i, median_of(ways, o->rounds), o->rounds);
    printf("a line crosses the cores in %.0f ns before, %.0f ns after\n", before, bench_latency());
    return true;
}

/* --- lost updates: every row adds 1 at its columns, so what is missing at the end was lost -------------------------
 */

typedef struct adder {
    const hw_sparse *rows;
    float *ones;
} adder;

static hw_status add_step(void *self, hw_worker *w, const hw_batch *batch)
{
    const adder *a = self;
    const hw_sparse *d = a->rows;
    uint64_t from = d->offset[batch->index[0]];
    size_t n = (size_t)(d->offset[batch->index[0] + 1] - from);
    hw_read_at(w, d->index + from, n, hw_scratch(w));
    return hw_add_at(w, d->index + from, n, a->ones, 1);
}

static hw_status add_sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    const adder *a = self;
    const hw_sparse *d = a->rows;
    for (uint32_t i = 0; i < run->count; i++) {
        uint64_t from = d->offset[run->index[i]];
        size_t n = (size_t)(d->offset[run->index[i] + 1] - from);
        /* As a real step does, read before writing. */
        float z = hw_sweep_dot_at(w, d->index + from, a->ones, n);
        hw_sweep_axpy_at(w, i, d->index + from, a->ones, n, z < 0 ? 0 : -1, NULL);
        hw_sweep_landed(w, 1);
    }
    *loss = run->count;
    return HW_OK;
}

static bool lost(const bench_rows *rows, const options *o)
{
    static const hw_write_mode modes[] = {HW_WRITE_RACY, HW_WRITE_ADD, HW_WRITE_STRIPED};
    static const char *const names[] = {"racy", "add", "exchange (striped)"};
    const hw_sparse *d = &rows->train;
    float *sum = malloc(d->columns * sizeof *sum), *ones = malloc(d->columns * sizeof *ones);
    bool good = sum && ones;
    for (size_t i = 0; good && i < d->columns; i++) ones[i] = 1;
    adder a = {d, ones};
    hw_objective objective = hw_objective_defaults("adds", d->columns);
    objective.self = &a;
    objective.examples = d->rows;
    objective.touched = d->columns;
    objective.scratch_bytes = d->columns * sizeof *sum;
    objective.step = add_step;
    objective.sweep = add_sweep;
    printf("\n%s: lost updates, 2 workers, %u passes of adding 1 at each row's columns; a line crosses in %.0f ns\n",
           rows->name, o->epochs, bench_latency());
    for (int k = 0; good && k < 3; k++) {
        double share[MOST];
        for (unsigned r = 0; good && r < o->rounds; r++) {
            way v = {"", 2, k == 2 ? 0 : 1, modes[k], HW_RULE_SGD, 0, 1, false, false, {0}, {0}};
            hw_config c = configure(rows, &v, o->epochs);
            hw_result result;
            c.optimizer.schedule.base = 1;
            memset(sum, 0, d->columns * sizeof *sum);
            good = hw_train(&objective, &c, sum, &result) == HW_OK;
            if (!good) (void)cli_error("linear", 1, result.message);
            double total = 0;
            for (size_t i = 0; i < d->columns; i++) total += (double)sum[i];
            share[r] = 1 - total / ((double)d->nonzeros * o->epochs);
        }
        bench_stat s = bench_of(share, o->rounds);
        if (good)
            printf("  %-20s %.3e of the additions lost (median; %.2e to %.2e)\n", names[k], s.median, s.low, s.high);
    }
    free(sum);
    free(ones);
    return good;
}

static bool measuring(const bench_rows *rows, const options *o)
{
    printf("\n%s: what the histograms and collision counts cost (clock_interval chosen)\n", rows->name);
    for (unsigned workers = 1; workers <= 2; workers++) {
        way on = {"", workers, 1, HW_WRITE_RACY, HW_RULE_SGD, 0, 1, false, false, {0}, {0}}, off = on;
        double cost[MOST];
        off.unrecorded = true;
        for (unsigned r = 0; r < o->rounds; r++) {
            way *first = r % 2 ? &on : &off, *second = r % 2 ? &off : &on;
            if (!run(rows, first, r, o->epochs) || !run(rows, second, r, o->epochs)) return false;
            cost[r] = 100 * (on.ns[r] / off.ns[r] - 1);
        }
        bench_stat s = bench_of(cost, o->rounds);
        printf("  %u worker%s: %.2f %% (median of %u pairs; %.2f to %.2f)\n", workers, workers > 1 ? "s" : "", s.median,
               o->rounds, s.low, s.high);
    }
    return true;
}

/* --- seconds to within 1 % of the optimum: fixed passes that suffice for every seed ---------------------------------
 */

/* ms: from the rows in memory to the averaged weights, without the evaluation; training: of that, between start and
 * stop of the workers. */
static bool target_of(const bench_rows *rows, unsigned workers, unsigned interval, uint64_t seed, double *ms,
                      double *training, double *gap, double *accuracy)
{
    char why[HW_WHY];
    hw_objective o;
    hw_engine *e = NULL;
    hw_result r;
    way v = {"", workers, interval, HW_WRITE_RACY, HW_RULE_SGD, 0, rows->target.rate, false, false, {0}, {0}};
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &rows->train);
    m.l2 = 1.0 / rows->train.rows;
    float *x = malloc(rows->train.columns * sizeof *x);
    uint64_t from = hw_now();
    hw_config c = configure(rows, &v, 0);
    c.seed = seed;
    c.optimizer.schedule.base = rows->target.rate;
    c.epochs = rows->target.passes;
    c.optimizer.schedule.kind = HW_SCHEDULE_INV;
    c.optimizer.schedule.gamma = rows->target.gamma;
    c.optimizer.schedule.power = 0.5;
    c.average_every = rows->target.average_every;
    c.average_from = rows->target.average_from;
    hw_status status = x ? hw_sparse_linear_objective(&m, &o, why) : HW_E_MEMORY;
    if (status == HW_OK) status = hw_engine_create(&e, &o, &c, NULL, why);
    if (status == HW_OK) status = hw_engine_run(e, &r);
    if (status == HW_OK) status = hw_engine_average(e, x);
    if (status == HW_OK) {
        *ms = (double)(hw_now() - from) * 1e-6 - r.evaluation_seconds * 1e3;
        *training = r.seconds * 1e3;
        *gap = 100 * (r.last.metric[0] / rows->optimum - 1);
        uint32_t right = 0;
        for (uint32_t i = 0; i < rows->test.rows; i++) {
            double score;
            hw_sparse_linear_scores(&m, x, &rows->test, i, &score);
            right += score * (double)rows->test.label[i] > 0;
        }
        *accuracy = 100.0 * right / rows->test.rows;
    }
    hw_engine_free(e);
    hw_sparse_linear_free(&m);
    free(x);
    return status == HW_OK || cli_error("linear", 1, "a run towards the optimum failed") == 0;
}

static bool target(const bench_rows *rows, const options *o)
{
    static const struct {
        const char *name;
        unsigned workers, interval;
    } ways[] = {{"1 worker", 1, 0}, {"2 workers, racy", 2, 1}, {"2 workers, exchange", 2, 0}};
    double ms[3][MOST], training[3][MOST], gap[3][MOST], accuracy[3][MOST];
    if (!isfinite(rows->optimum)) return true;
    printf("\n%s: milliseconds to within 1 %% of the optimum %.8f (l2 1/n): %.2f passes\n", rows->name, rows->optimum,
           rows->target.passes);
    double before = bench_latency();
    for (unsigned r = 0; r < o->rounds; r++)
        for (int k = 0; k < 3; k++)
            if (!target_of(rows, ways[k].workers, ways[k].interval, r + 1, &ms[k][r], &training[k][r], &gap[k][r],
                           &accuracy[k][r]))
                return false;
    for (int k = 0; k < 3; k++) {
        bench_stat s = bench_of(ms[k], o->rounds), g = bench_of(gap[k], o->rounds),
                   a = bench_of(accuracy[k], o->rounds), t = bench_of(training[k], o->rounds);
        printf("  %-20s %7.2f ms with setup (%.2f-%.2f), %.2f training  above the optimum %.2f %% (%.2f-%.2f)%s  test "
               "accuracy %.2f %%\n",
               ways[k].name, s.median, s.low, s.high, t.median, g.median, g.low, g.high,
               g.high <= 1 ? "" : ", not every seed inside", a.median);
    }
    printf("a line crosses the cores in %.0f ns before, %.0f ns after\n", before, bench_latency());
    return true;
}

int main(int argc, char **argv)
{
    options o = {NULL, 5, 10};
    hw_config config = hw_config_defaults();
    cli c = {"linear", "sparse logistic regression: speed, exchange interval, lost updates, time to the optimum",
             own,      sizeof own / sizeof *own,
             NULL,     &o,
             NULL,     0,
             &config};
    static const struct {
        const char *name;
        bool (*run)(const bench_rows *, const options *);
    } parts[] = {
        {"speed", speed}, {"interval", interval}, {"lost", lost}, {"measuring", measuring}, {"target", target}};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    bool known = !o.part;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) known = known || strcmp(o.part, parts[i].name) == 0;
    if (!known) return cli_error("linear", 2, "--part is speed, interval, lost, measuring or target");
    bench_header("linear");
    bench_rows sets[2];
    unsigned n = bench_reviews("linear", sets) ? 1 : 0;
    if (!n) return 1;
    if (bench_census("linear", sets + 1)) n = 2;
    bool good = true;
    for (unsigned s = 0; s < n; s++) {
        for (size_t i = 0; good && i < sizeof parts / sizeof *parts; i++)
            if (!o.part || strcmp(o.part, parts[i].name) == 0) good = parts[i].run(sets + s, &o);
        bench_rows_free(sets + s);
    }
    return good ? 0 : 1;
}
