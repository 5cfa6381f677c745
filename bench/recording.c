/* recording.c - what recording the staleness costs: the same run with it on and off, alternating, on every workload
 * that policies are judged on, at one and two workers. With --once it is one run of so many updates, for
 * bench/instructions to count. */
#include "cli.h"
#include "bench.h"
#include "workloads.h"
#include <stdlib.h>
#include <string.h>

enum { REPEATS_MOST = 101 };

typedef struct options {
    const char *workload;
    bool once;
    unsigned repeats, workers, updates, record;
    double seconds;
} options;

static const cli_option own[] = {
    {"--workload", "NAME", "one of those that policies are judged on (all)", CLI_TEXT, offsetof(options, workload), 0,
     0},
    {"--repeats", "N", "alternations (21)", CLI_WHOLE, offsetof(options, repeats), 1, REPEATS_MOST},
    {"--seconds", "X", "of each run (0.3)", CLI_NUMBER, offsetof(options, seconds), 0.01, 1000},
    {"--once", NULL, "one run of --updates, with --record, --workers and nothing to compare", CLI_SWITCH,
     offsetof(options, once), 0, 0},
    {"--updates", "N", "of --once (1000)", CLI_WHOLE, offsetof(options, updates), 1, 1000000000},
    {"--record", "N", "of --once: 0 or 1 (1)", CLI_WHOLE, offsetof(options, record), 0, 1},
    {"--workers", "N", "of --once (1)", CLI_WHOLE, offsetof(options, workers), 1, 8},
};

/* Updates a second; negative after a sentence. */
static double rate(const workload *w, const options *o, unsigned workers, unsigned record, float *x)
{
    hw_config c = w->config;
    hw_result r;
    c.workers = workers;
    c.scheduler = workers > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    c.record = (int)record;
    c.compensation.policy = HW_POLICY_NONE; /* the same run on both sides */
    c.clock_interval = w->objective.network ? 1 : 0;
    c.optimizer.schedule.base *= 1e-3; /* without compensation some would diverge; a step costs the same */
    c.keep_every = 0;
    c.average_every = 0;
    c.epochs = 0;
    c.curvature = -1;
    c.updates = o->once ? o->updates : 0;
    c.seconds = o->once ? 0 : o->seconds;
    w->start(w, 1, x);
    hw_objective quiet = w->objective;
    quiet.evaluate = NULL;
    quiet.evaluation_examples = 0;
    if (hw_train(&quiet, &c, x, &r) == HW_OK) return (double)r.updates / r.seconds;
    (void)cli_error("recording", 1, r.message);
    return -1;
}

static bool compare(const workload *w, const options *o, unsigned workers, float *x)
{
    double ratio[REPEATS_MOST], on[REPEATS_MOST];
    for (unsigned r = 0; r < o->repeats; r++) {
        /* The order turns every time, so that a drift of the machine favours neither side. */
        double first = rate(w, o, workers, r % 2, x), second = rate(w, o, workers, 1 - r % 2, x);
        if (first < 0 || second < 0) return false;
        on[r] = r % 2 ? first : second;
        ratio[r] = 100 * ((r % 2 ? second : first) / on[r] - 1);
    }
    bench_stat s = bench_of(ratio, o->repeats), n = bench_of(on, o->repeats);
    printf("  %-14s %7u %12.0f %9.2f %%   %6.2f to %.2f\n", w->name, workers, n.median, s.median, ratio[o->repeats / 4],
           ratio[o->repeats - 1 - o->repeats / 4]);
    (void)fflush(stdout);
    return true;
}

static bool measure(size_t i, const options *o)
{
    workload w;
    bool good = workload_open("recording", i, 2000, &w);
    float *x = good ? aligned_alloc(64, (w.objective.parameters * sizeof *x + 63) / 64 * 64) : NULL;
    if (good && !x) good = cli_error("recording", 1, "no memory") == 0;
    if (good && o->once)
        good = rate(&w, o, o->workers, o->record, x) >= 0;
    else
        for (unsigned workers = 1; good && workers <= 2; workers++) good = compare(&w, o, workers, x);
    free(x);
    workload_close(&w);
    return good;
}

int main(int argc, char **argv)
{
    options o = {.workload = "all", .repeats = 21, .workers = 1, .updates = 1000, .record = 1, .seconds = 0.3};
    cli c = {
        "recording", "throughput with staleness recording on and off", own, sizeof own / sizeof *own, NULL, &o, NULL, 0,
        NULL};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    bool found = false, all = strcmp(o.workload, "all") == 0;
    if (o.once && all) return cli_error("recording", 2, "--once: one --workload is needed");
    if (!o.once) bench_header("recording");
    if (!o.once)
        printf("\n  %-14s %7s %12s %11s   median of %u alternations; the middle half\n", "workload", "workers",
               "updates/s", "costs", o.repeats);
    for (size_t i = 0; i < workloads_count(); i++) {
        if (!all && strcmp(workloads_name(i), o.workload) != 0) continue;
        found = true;
        if (!measure(i, &o)) return 1;
    }
    if (!found) return cli_error("recording", 2, "--workload: 'all' or a name in bench/support/workloads.c is needed");
    char crossing[160] = "";
    if (o.once) return 0;
    bench_crossing(crossing, sizeof crossing);
    printf("%s\n", crossing);
    return 0;
}
