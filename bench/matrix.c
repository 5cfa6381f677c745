/* matrix.c - matrix factorisation, rank 32: nanoseconds per rating and the test error of HOGWILD!, of replicas and of
 * conflict-free blocks, on ml-latest-small and on a generated set that no cache holds. */
#include "cli.h"
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 20 };

typedef struct options {
    bool large;
    unsigned rounds, epochs, rank;
} options;

static const cli_option own[] = {
    {"--large", NULL, "10^6 users, 10^5 items, 2 * 10^7 generated ratings instead of MovieLens", CLI_SWITCH,
     offsetof(options, large), 0, 0},
    {"--rounds", "N", "repeats, which alternate (5)", CLI_WHOLE, offsetof(options, rounds), 1, MOST},
    {"--epochs", "N", "passes a run (20)", CLI_WHOLE, offsetof(options, epochs), 1, 10000},
    {"--rank", "N", "factors a row (32)", CLI_WHOLE, offsetof(options, rank), 1, 1024},
};

typedef struct way {
    const char *name;
    unsigned workers, grid, interval;
    hw_write_mode write;
    bool adagrad, steps, plain; /* plain: no biases, as LIBMF's model */
    double ns[MOST], rmse[MOST];
    hw_result last;
} way;

static bool open_ratings(const options *o, hw_ratings *train, hw_ratings *test, const char **name)
{
    char folder[600], path[700], why[HW_WHY];
    hw_ratings all;
    hw_data_folder(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/ml-latest-small/ratings.csv", folder);
    bool real = !o->large && folder[0] && access(path, R_OK) == 0;
    hw_status status;
    if (real) {
        *name = "ml-latest-small";
        status = hw_ratings_read(path, 0, &all, why);
    } else {
        hw_ratings_plan plan = o->large ? hw_ratings_plan_defaults(20000000, 1000000, 100000)
                                        : hw_ratings_plan_defaults(100000, 610, 9724);
        *name = o->large ? "generated, rank 8, noise 0.5" : "generated, of ml-latest-small's size";
        status = hw_ratings_generate(&plan, &all, why);
    }
    if (status == HW_OK) status = hw_ratings_split(&all, 0.1, 1, train, test, why);
    if (status == HW_OK) return true;
    return cli_error("matrix", 1, why) == 0;
}

static bool run(const hw_ratings *train, const hw_ratings *test, way *v, unsigned round, const options *o)
{
    char why[HW_WHY];
    hw_objective objective;
    hw_engine *e = NULL;
    hw_factorize m = hw_factorize_defaults(train, o->rank);
    m.test = test;
    m.l2 = 0.1;
    m.adagrad = v->adagrad;
    m.biases = !v->plain;
    m.grid = v->grid;
    m.seed = round + 1;
    float *x = NULL;
    hw_status status = hw_factorize_objective(&m, &objective, why);
    if (status == HW_OK) {
        x = malloc(objective.parameters * sizeof *x);
        status = x ? HW_OK : HW_E_MEMORY;
    }
    hw_config c = hw_config_defaults();
    c.scheduler = v->workers > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    c.workers = v->workers;
    c.batch = 1;
    c.write = v->write;
    c.clock_interval = v->write == HW_WRITE_LOCKED ? 1 : 1024; /* a measured step takes as long as 60 in place */
    c.exchange_interval = v->interval;
    c.shuffle_block = v->grid ? 1 : 1024;
    c.sweep = !v->steps;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = v->adagrad ? 0.1 : 0.01;
    c.compensation.policy = HW_POLICY_NONE;
    c.epochs = o->epochs;
    c.evaluate_epochs = 0;
    c.seed = round + 1;
    if (status == HW_OK) {
        hw_factorize_start(&m, 0, c.seed, x);
        status = hw_engine_create(&e, &objective, &c, x, why);
    }
    if (status == HW_OK) {
        status = hw_engine_run(e, &v->last);
        (void)snprintf(why, sizeof why, "%.250s", v->last.message);
    }
    hw_engine_free(e);
    hw_factorize_free(&m);
    free(x);
    if (status != HW_OK) return cli_error("matrix", 1, why) == 0;
    v->ns[round] = v->last.seconds * 1e9 / (double)v->last.examples;
    v->rmse[round] = sqrt(v->last.last.metric[0]);
    return true;
}

static bool skipped(const options *o, const way *v)
{
    return o->large && (v->interval > 1 || v->steps || v->write == HW_WRITE_ADD);
}

int main(int argc, char **argv)
{
    options o = {false, 5, 20, 32};
    hw_config config = hw_config_defaults();
    cli c = {"matrix", "matrix factorisation: speed, blocks against HOGWILD!, error after equal passes",
             own,      sizeof own / sizeof *own,
             NULL,     &o,
             NULL,     0,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    hw_ratings train, test;
    const char *name;
    bench_header("matrix");
    if (!open_ratings(&o, &train, &test, &name)) return 1;
    way ways[] = {
        {"1 worker, adagrad", 1, 0, 1, HW_WRITE_RACY, true, false, false, {0}, {0}, {0}},
        {"1 worker, sgd", 1, 0, 1, HW_WRITE_RACY, false, false, false, {0}, {0}, {0}},
        {"1 worker, adagrad, blocks of 4 x 4", 1, 4, 1, HW_WRITE_RACY, true, false, false, {0}, {0}, {0}},
        {"1 worker, adagrad, by steps", 1, 0, 1, HW_WRITE_RACY, true, true, false, {0}, {0}, {0}},
        {"1 worker, adagrad, no biases", 1, 0, 1, HW_WRITE_RACY, true, false, true, {0}, {0}, {0}},
        {"2 workers, adagrad, no biases, blocks", 2, 4, 1, HW_WRITE_RACY, true, false, true, {0}, {0}, {0}},
        {"2 workers, adagrad, racy", 2, 0, 1, HW_WRITE_RACY, true, false, false, {0}, {0}, {0}},
        {"2 workers, adagrad, add", 2, 0, 1, HW_WRITE_ADD, true, false, false, {0}, {0}, {0}},
        {"2 workers, adagrad, locked (by steps)", 2, 0, 1, HW_WRITE_LOCKED, true, true, false, {0}, {0}, {0}},
        {"2 workers, adagrad, replicas every 4096", 2, 0, 4096, HW_WRITE_STRIPED, true, false, false, {0}, {0}, {0}},
        {"2 workers, adagrad, blocks of 4 x 4", 2, 4, 1, HW_WRITE_RACY, true, false, false, {0}, {0}, {0}},
        {"2 workers, sgd, racy", 2, 0, 1, HW_WRITE_RACY, false, false, false, {0}, {0}, {0}},
        {"2 workers, sgd, blocks of 4 x 4", 2, 4, 1, HW_WRITE_RACY, false, false, false, {0}, {0}, {0}},
    };
    size_t n = sizeof ways / sizeof *ways;
    printf("\n%s: %u users, %u items, %u ratings to train on, %u to test; rank %u, biases, l2 0.1, %u passes\n", name,
           train.users, train.items, train.count, test.count, o.rank, o.epochs);
    double before = bench_latency();
    bool good = true;
    /* Replicas of a hundred million floats are exchanged for seconds, and steps one by one would take minutes. */
    for (unsigned r = 0; good && r < o.rounds; r++)
        for (size_t i = 0; good && i < n; i++)
            if (!skipped(&o, ways + i)) good = run(&train, &test, ways + i, r, &o);
    double alone = 0;
    printf("%-42s %-20s %6s %-22s %9s %10s\n", "", "ns per rating", "ratio", "test RMSE", "staleness", "collisions");
    for (size_t i = 0; good && i < n; i++) {
        way *v = ways + i;
        if (skipped(&o, v)) continue;
        bench_stat s = bench_of(v->ns, o.rounds), e = bench_of(v->rmse, o.rounds);
        char collisions[32] = "-";
        if (isfinite(v->last.collisions)) (void)snprintf(collisions, sizeof collisions, "%.5f", v->last.collisions);
        if (i == 0) alone = s.median;
        printf("%-42s %6.2f (%.2f-%.2f)  %5.2f  %.4f (%.4f-%.4f) %9.2f %10s\n", v->name, s.median, s.low, s.high,
               alone / s.median, e.median, e.low, e.high, v->last.staleness.mean, collisions);
    }
    printf("a line crosses the cores in %.0f ns before, %.0f ns after; ratio: against the first line\n", before,
           bench_latency());
    hw_ratings_free(&train);
    hw_ratings_free(&test);
    return good ? 0 : 1;
}
