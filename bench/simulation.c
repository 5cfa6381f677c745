/* simulation.c - the simulator's speed on the net of Xu et al. (batch 4) against the sequential run, on one and two
 * threads; its memory against the number of virtual workers; bit-equality; and what recording a trace costs. */
#include "cli.h"
#include "bench.h"
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, MOST = 16 };

typedef struct row {
    const char *name;
    hw_clock_kind clock;
    unsigned workers, threads; /* threads 0: the sequential engine */
    double rate[ROUNDS], megabytes;
} row;

typedef struct task {
    hw_images train;
    hw_net *net;
    hw_net_task task;
    hw_objective objective;
    float *start;
} task;

static bool open_task(task *t)
{
    char why[HW_WHY] = "no memory";
    memset(t, 0, sizeof *t);
    if (hw_textures_generate(4000, 10, 1, &t->train) != HW_OK) return cli_error("simulation", 1, why) == 0;
    t->net = hw_net_xu(4, 1, 0, why);
    if (!t->net) return cli_error("simulation", 1, why) == 0;
    t->task = (hw_net_task){t->net, &t->train, NULL, NULL};
    t->start = malloc(hw_net_parameters(t->net) * sizeof *t->start);
    if (!t->start || hw_net_objective(&t->task, &t->objective, why) != HW_OK)
        return cli_error("simulation", 1, why) == 0;
    hw_net_init(t->net, 1, t->start);
    return true;
}

static hw_config configure(const row *r, uint64_t updates)
{
    hw_config c = hw_config_defaults();
    c.scheduler = r->threads ? HW_SIMULATED : HW_SEQUENTIAL;
    c.workers = r->threads ? r->workers : 1;
    c.simulation.clock = r->clock;
    c.simulation.threads = r->threads;
    c.batch = 4;
    c.epochs = 0;
    c.updates = updates;
    c.optimizer.schedule.base = 1e-4;
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

static bool run(const task *t, row *r, int round, uint64_t updates)
{
    hw_engine *e;
    hw_result result;
    char why[HW_WHY];
    hw_config c = configure(r, updates);
    if (hw_engine_create(&e, &t->objective, &c, t->start, why) != HW_OK) return cli_error("simulation", 1, why) == 0;
    hw_status status = hw_engine_run(e, &result);
    r->rate[round] = (double)result.updates / result.seconds;
    r->megabytes = (double)hw_engine_bytes(e) / 1e6;
    hw_engine_free(e);
    return status == HW_OK || cli_error("simulation", 1, result.message) == 0;
}

/* The speed-up that M exponential workers allow on two threads: steps of equal length, at every turn the two that land
 * first among those whose worker has read; a worker reads when its last landing is over, and landings keep their order.
 */
static double schedule_limit(unsigned m)
{
    enum { N = 100000 };
    static unsigned who[N], next[N]; /* next: where the same worker lands again */
    unsigned due[64], last[64], landed = 0, turns = 0;
    bool done[64] = {false};
    hw_rng rng;
    hw_rng_seed(&rng, 1, m);
    for (unsigned i = 0; i < N; i++) who[i] = (unsigned)hw_rng_below(&rng, m); /* memoryless: any worker lands next */
    for (unsigned w = 0; w < m; w++) last[w] = N;
    for (unsigned i = N; i-- > 0;) {
        next[i] = last[who[i]];
        last[who[i]] = i;
    }
    for (unsigned w = 0; w < m; w++) due[w] = last[w];
    while (landed < N - m) {
        for (int thread = 0; thread < 2; thread++) {
            unsigned best = m;
            for (unsigned w = 0; w < m; w++)
                if (!done[w] && due[w] < N && (best == m || due[w] < due[best])) best = w;
            if (best < m) done[best] = true;
        }
        turns++;
        while (landed < N && done[who[landed]]) {
            done[who[landed]] = false;
            due[who[landed]] = next[landed];
            landed++;
        }
    }
    return (double)landed / turns;
}

static bool speed(const task *t)
{
    row rows[] = {{"sequential engine", HW_CLOCK_ROUND_ROBIN, 1, 0, {0}, 0},
                  {"round robin, m = 1", HW_CLOCK_ROUND_ROBIN, 1, 1, {0}, 0},
                  {"round robin, m = 10", HW_CLOCK_ROUND_ROBIN, 10, 1, {0}, 0},
                  {"round robin, m = 100", HW_CLOCK_ROUND_ROBIN, 100, 1, {0}, 0},
                  {"round robin, m = 1000", HW_CLOCK_ROUND_ROBIN, 1000, 1, {0}, 0},
                  {"round robin, m = 2", HW_CLOCK_ROUND_ROBIN, 2, 2, {0}, 0},
                  {"round robin, m = 4", HW_CLOCK_ROUND_ROBIN, 4, 2, {0}, 0},
                  {"round robin, m = 10", HW_CLOCK_ROUND_ROBIN, 10, 2, {0}, 0},
                  {"round robin, m = 100", HW_CLOCK_ROUND_ROBIN, 100, 2, {0}, 0},
                  {"round robin, m = 1000", HW_CLOCK_ROUND_ROBIN, 1000, 2, {0}, 0},
                  {"exponential, m = 2", HW_CLOCK_EXPONENTIAL, 2, 2, {0}, 0},
                  {"exponential, m = 4", HW_CLOCK_EXPONENTIAL, 4, 2, {0}, 0},
                  {"exponential, m = 16", HW_CLOCK_EXPONENTIAL, 16, 2, {0}, 0}};
    const unsigned n = sizeof rows / sizeof *rows;
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned k = 0; k < n; k++)
            if (!run(t, rows + k, round, 3000)) return false;
    printf("\nupdates a second, net of Xu et al., batch 4; median of %d alternating (low-high); against the sequential "
           "engine in the same round\n",
           ROUNDS);
    for (unsigned k = 0; k < n; k++) {
        double ratio[ROUNDS], limit = 0;
        for (int i = 0; i < ROUNDS; i++) ratio[i] = rows[k].rate[i] / rows[0].rate[i];
        bench_stat rate, relative = bench_of(ratio, ROUNDS);
        double copy[ROUNDS];
        memcpy(copy, rows[k].rate, sizeof copy);
        rate = bench_of(copy, ROUNDS);
        if (rows[k].clock == HW_CLOCK_EXPONENTIAL) limit = schedule_limit(rows[k].workers);
        printf("  %-24s %u thread%s  %6.0f (%.0f-%.0f)  %.2f x  %7.1f MB", rows[k].name,
               rows[k].threads ? rows[k].threads : 1, rows[k].threads > 1 ? "s" : " ", rate.median, rate.low, rate.high,
               relative.median, rows[k].megabytes);
        if (limit > 0) printf("  (the clock allows %.2f)", limit);
        printf("\n");
    }
    return true;
}

static bool same_bits(const task *t, unsigned runs)
{
    size_t n = hw_net_parameters(t->net);
    float *first = malloc(n * sizeof *first), *again = malloc(n * sizeof *again);
    unsigned equal = 0;
    if (!first || !again) return cli_error("simulation", 1, "no memory") == 0;
    for (unsigned i = 0; i < runs; i++) {
        row r = {"", HW_CLOCK_EXPONENTIAL, 8, 1 + i % 2, {0}, 0};
        hw_config c = configure(&r, 300);
        float *to = i ? again : first;
        memcpy(to, t->start, n * sizeof *to);
        if (hw_train(&t->objective, &c, to, NULL) != HW_OK) return cli_error("simulation", 1, "a run failed") == 0;
        equal += i == 0 || memcmp(first, again, n * sizeof *first) == 0;
    }
    free(first);
    free(again);
    printf("\n%u of %u runs (8 exponential workers, 300 updates, 1 and 2 threads in turn) ended with the same bits\n",
           equal, runs);
    return equal == runs;
}

/* Two real workers, with and without a trace, in turn. */
static bool trace_cost(const task *t)
{
    double ratio[2 * ROUNDS], bytes = 0;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        double rate[2];
        for (int on = 0; on < 2; on++) {
            hw_config c = hw_config_defaults();
            hw_engine *e;
            hw_result result;
            char why[HW_WHY];
            c.workers = 2;
            c.batch = 4;
            c.epochs = 0;
            c.updates = 6000;
            c.optimizer.schedule.base = 1e-4;
            c.compensation.policy = HW_POLICY_NONE;
            c.trace = i % 2 ? on : !on;
            if (hw_engine_create(&e, &t->objective, &c, t->start, why) != HW_OK)
                return cli_error("simulation", 1, why) == 0;
            (void)hw_engine_run(e, &result);
            rate[c.trace] = (double)result.updates / result.seconds;
            if (c.trace) {
                hw_trace *trace;
                hw_trace_info info;
                if (hw_engine_trace(e, &trace, why) != HW_OK) return cli_error("simulation", 1, why) == 0;
                hw_trace_describe(trace, &info);
                bytes = (double)info.bytes / (double)info.updates;
                hw_trace_free(trace);
            }
            hw_engine_free(e);
        }
        ratio[i] = 100 * (rate[0] / rate[1] - 1);
    }
    bench_stat s = bench_of(ratio, 2 * ROUNDS);
    printf("\nrecording a trace, 2 threads: %.2f bytes an update; cost %.2f %% (median of %d pairs, %.1f to %.1f)\n",
           bytes, s.median, 2 * ROUNDS, s.low, s.high);
    return true;
}

int main(int argc, char **argv)
{
    hw_config config = hw_config_defaults();
    cli c = {"simulation", "speed, memory and repeatability of the simulator", NULL, 0, NULL, NULL, NULL, 0, &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    task t;
    bench_header("simulation");
    bool good = open_task(&t) && speed(&t) && same_bits(&t, 100) && trace_cost(&t);
    free(t.start);
    hw_net_free(t.net);
    hw_images_free(&t.train);
    return good ? 0 : 1;
}
