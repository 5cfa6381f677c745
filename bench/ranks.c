/* ranks.c - what the simulated cluster predicts against what ranks do: time of an update, the workers' wait, staleness
 * and loss, of a quadratic whose steps sleep, so that ranks beyond the cores can be had. mpirun -n N build/.../ranks
 * --threads 2 --interval 4 ...; the network is what it is (tests/mpi/hosts makes one of namespaces), and what it
 * is said to be is --latency and --bandwidth. The work of a step is measured before, by one worker. */
#include "cli.h"
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if !defined(HW_MPI)
int main(void)
{
    return cli_error("ranks", 2, "built without an MPI: make MPICC=mpicc.openmpi bench");
}
#else
#include <hogwild/mpi.h>

enum { MOST = 25 };

typedef struct options {
    unsigned parameters, threads, interval, updates, rounds;
    double work, latency, bandwidth, per_float, momentum;
    const char *law;
    bool bare;
} options;

static const cli_option own[] = {
    {"--parameters", "N", "floats that are exchanged (100000)", CLI_WHOLE, offsetof(options, parameters), 1, 1e8},
    {"--threads", "N", "workers of a rank (1)", CLI_WHOLE, offsetof(options, threads), 1, 64},
    {"--interval", "K", "updates of a rank between exchanges (1)", CLI_WHOLE, offsetof(options, interval), 1, 1e6},
    {"--updates", "N", "updates of each worker in a run (400)", CLI_WHOLE, offsetof(options, updates), 10, 1e7},
    {"--rounds", "N", "runs (5)", CLI_WHOLE, offsetof(options, rounds), 1, MOST},
    {"--work", "MS", "mean sleep of a step, milliseconds (4)", CLI_NUMBER, offsetof(options, work), 0.01, 1e4},
    {"--law", "LAW", "of the sleep: a clock of work (gamma, of shape 25)", CLI_TEXT, offsetof(options, law), 0, 0},
    {"--latency", "US", "of a message, microseconds (0)", CLI_NUMBER, offsetof(options, latency), 0, 1e9},
    {"--bandwidth", "MB", "of a link, megabytes a second (0: no limit)", CLI_NUMBER, offsetof(options, bandwidth), 0,
     1e9},
    {"--per-float", "NS", "of an end of an exchange, nanoseconds (1)", CLI_NUMBER, offsetof(options, per_float), 0,
     1e6},
    {"--momentum", "X", "the owners' (0.5)", CLI_NUMBER, offsetof(options, momentum), 0, 0.99},
    {"--bare", NULL, "one line of numbers", CLI_SWITCH, offsetof(options, bare), 0, 0},
};

/* (w - 1)^2 / 2 in every coordinate, and noise that step and coordinate make. */
static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    const unsigned n = *(const unsigned *)self;
    uint64_t state = (b->step + 1) * 0x9E3779B97F4A7C15u;
    double sum = 0;
    (void)scratch;
    for (unsigned i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const float away = x[i] - 1;
        g[i] = away + ((float)(uint32_t)(state >> 40) / 8388608.0f - 1);
        sum += (double)(away * away);
    }
    return sum / n / 2;
}

static hw_config configure(const options *o, char *why)
{
    hw_config c = hw_config_defaults();
    c.epochs = 0;
    c.batch = 1;
    c.record = 1;
    c.optimizer.momentum = o->momentum;
    c.optimizer.schedule.base = 0.002;
    c.compensation.policy = HW_POLICY_NONE;
    c.work.law.mean = o->work * 1e-3;
    c.work.law.shape = 25;
    (void)hw_config_set(&c, "work", o->law, why);
    return c;
}

typedef struct outcome {
    double seconds, staleness, waited, loss; /* seconds: an update */
} outcome;

static double loss_of(const float *x, unsigned n)
{
    double sum = 0;
    for (unsigned i = 0; i < n; i++) sum += (double)((x[i] - 1) * (x[i] - 1)) / 2;
    return sum / n;
}

static hw_objective objective_of(options *o)
{
    hw_objective q = hw_objective_defaults("ranks", o->parameters);
    q.self = &o->parameters;
    q.loss_gradient = gradient;
    return q;
}

static bool alone(options *o, float *x, double *work, char *why)
{
    hw_config c = configure(o, why);
    hw_objective q = objective_of(o);
    hw_result r = {.message = ""};
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.updates = o->updates;
    memset(x, 0, o->parameters * sizeof *x);
    if (*why || hw_train(&q, &c, x, &r) != HW_OK) {
        if (!*why) (void)snprintf(why, HW_WHY, "%.200s", r.message);
        return false;
    }
    *work = r.seconds / (double)r.updates;
    return true;
}

static bool measured(options *o, int ranks, float *x, outcome *out, char *why)
{
    hw_config c = configure(o, why);
    hw_objective q = objective_of(o);
    hw_mpi m;
    hw_mpi_job *job = NULL;
    hw_engine *e = NULL;
    hw_result r = {.message = ""};
    c.scheduler = o->threads > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    c.workers = o->threads;
    c.updates = (uint64_t)o->updates * o->threads * (unsigned)ranks;
    (void)hw_mpi_init(&m, sizeof m);
    m.interval = o->interval;
    memset(x, 0, o->parameters * sizeof *x);
    bool good = hw_mpi_create(&job, &q, &c, &m, why) == HW_OK && hw_engine_create(&e, &q, &c, x, why) == HW_OK &&
                hw_mpi_run(job, e, &r) == HW_OK && hw_engine_get(e, x) == HW_OK;
    const double awaited = e ? hw_engine_awaited(e) : 0;
    double share = awaited / (r.seconds > 0 ? r.seconds * o->threads : 1), sum = 0;
    MPI_Allreduce(&share, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    *out = (outcome){r.seconds / (double)r.updates, r.staleness.mean, sum / ranks, loss_of(x, o->parameters)};
    if (!good && !*why) (void)snprintf(why, HW_WHY, "%.200s", r.message);
    hw_engine_free(e);
    hw_mpi_free(job);
    return good;
}

static bool predicted(options *o, int ranks, double work, float *x, outcome *out, char *why)
{
    hw_config c = configure(o, why);
    hw_objective q = objective_of(o);
    hw_engine *e = NULL;
    hw_result r = {.message = ""};
    hw_cluster_result k = {.struct_size = sizeof k};
    c.scheduler = HW_SIMULATED;
    c.simulation.clock = c.work.law.kind;
    c.simulation.shape = c.work.law.shape;
    memset(&c.work, 0, sizeof c.work);
    c.workers = o->threads * (unsigned)ranks;
    c.updates = (uint64_t)o->updates * c.workers;
    c.cluster = (hw_cluster){.ranks = (unsigned)ranks,
                             .interval = o->interval,
                             .latency = o->latency * 1e-6,
                             .bandwidth = o->bandwidth * 1e6,
                             .work = work,
                             .per_float = o->per_float * 1e-9};
    memset(x, 0, o->parameters * sizeof *x);
    bool good = hw_engine_create(&e, &q, &c, x, why) == HW_OK && hw_engine_run(e, &r) == HW_OK &&
                hw_engine_get(e, x) == HW_OK && hw_engine_cluster(e, &k) == HW_OK;
    *out = (outcome){k.seconds / (double)r.updates, r.staleness.mean, k.waited, loss_of(x, o->parameters)};
    if (!good && !*why) (void)snprintf(why, HW_WHY, "%.200s", r.message);
    hw_engine_free(e);
    return good;
}

static void print(const options *o, int ranks, double work, outcome *run, const outcome *p)
{
    double x[4][MOST];
    for (unsigned i = 0; i < o->rounds; i++) {
        x[0][i] = 1e3 * run[i].seconds;
        x[1][i] = 100 * run[i].waited;
        x[2][i] = run[i].staleness;
        x[3][i] = run[i].loss;
    }
    const double expected[] = {1e3 * p->seconds, 100 * p->waited, p->staleness, p->loss};
    static const char *const names[] = {"ms an update", "% waited", "staleness", "loss"};
    if (!o->bare)
        printf("%d ranks of %u thread%s, %u parameters, interval %u; a step works %.3f ms\n\n"
               "  %-13s %10s   %-21s %10s %8s\n",
               ranks, o->threads, o->threads == 1 ? "" : "s", o->parameters, o->interval, 1e3 * work, "", "measured",
               "(lowest to highest)", "predicted", "error");
    else
        printf("%d %u %u %u", ranks, o->threads, o->parameters, o->interval);
    for (int k = 0; k < 4; k++) {
        const bench_stat s = bench_of(x[k], o->rounds);
        const double error = k == 1 ? expected[k] - s.median : 100 * (expected[k] / s.median - 1);
        if (o->bare)
            printf("   %.4g %.4g", s.median, expected[k]);
        else
            printf("  %-13s %10.4g   (%.4g to %.4g)%*s %10.4g %+7.1f%s\n", names[k], s.median, s.low, s.high, 2, "",
                   expected[k], error, k == 1 ? "" : " %");
    }
    if (o->bare) printf("\n");
}

int main(int argc, char **argv)
{
    options o = {.parameters = 100000,
                 .threads = 1,
                 .interval = 1,
                 .updates = 400,
                 .rounds = 5,
                 .work = 4,
                 .law = "gamma",
                 .per_float = 1,
                 .momentum = 0.5};
    cli c = {"ranks", "what the simulated cluster predicts, and what ranks do: mpirun -n N ranks ...",
             own,     sizeof own / sizeof *own,
             NULL,    &o,
             NULL,    0,
             NULL};
    char why[HW_WHY] = "";
    int rank = 0, ranks = 1, code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (hw_mpi_start(&argc, &argv, why) != HW_OK) return cli_error("ranks", 1, why);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    outcome run[MOST], expected = {0};
    double work = 0;
    float *x = malloc(o.parameters * sizeof *x);
    bool good = x && alone(&o, x, &work, why);
    int all = good;
    MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (!all && good) (void)snprintf(why, sizeof why, "another rank could not begin");
    good = all;
    MPI_Allreduce(MPI_IN_PLACE, &work, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    work /= ranks;
    for (unsigned i = 0; good && i < o.rounds; i++) good = measured(&o, ranks, x, run + i, why);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0 && !o.bare) bench_header("ranks");
    if (good && rank == 0) good = predicted(&o, ranks, work, x, &expected, why);
    if (good && rank == 0) print(&o, ranks, work, run, &expected);
    if (!good) return cli_error("ranks", 1, *why ? why : "no memory");
    free(x);
    hw_mpi_end();
    return 0;
}
#endif
