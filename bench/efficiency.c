/* efficiency.c - hardware against statistical efficiency on the mnist workload (Mitliagkas et al., Section 1): T_m mean
 * seconds per update, I_m updates to the target, for a list of workers and policies, over several seeds. */
#include "cli.h"
#include "bench.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 16, SEEDS = 32 };

typedef struct options {
    const char *data, *out;
    unsigned workers[MOST], n_workers;
    hw_policy policies[MOST];
    unsigned n_policies;
    unsigned seeds, images;
    double target;
    bool caffe, full;
} options;

typedef struct cell {
    unsigned workers;
    hw_policy policy;
    double update_seconds[SEEDS], updates[SEEDS], accuracy[SEEDS], rate[SEEDS];
    size_t runs, reached, finished;
} cell;

static const cli_option own[] = {
    {"--data", "FOLDER", "where the MNIST files are (else $HOGWILD_DATA, the user's data folder, generated digits)",
     CLI_TEXT, offsetof(options, data), 0, 0},
    {"--images", "N", "train on the first N images; generated digits: how many (60000; 1000 to 60000)", CLI_WHOLE,
     offsetof(options, images), 1000, 60000},
    {"--workers", "LIST", "numbers of workers, the first is the reference (1,2,4)", CLI_CALL, 0, 0, 0},
    {"--policies", "LIST", "compensation policies (auto,none)", CLI_CALL, 0, 0, 0},
    {"--seeds", "N", "runs of each (3; 1 to 32)", CLI_WHOLE, offsetof(options, seeds), 1, SEEDS},
    {"--target", "PERCENT", "test accuracy that counts as reached (97; 1 to 100)", CLI_NUMBER,
     offsetof(options, target), 1, 100},
    {"--full", NULL, "go on to the end instead of stopping at the target", CLI_SWITCH, offsetof(options, full), 0, 0},
    {"--caffe", NULL, "inv(1e-4, 0.75), biases at twice the rate", CLI_SWITCH, offsetof(options, caffe), 0, 0},
    {"--out", "FOLDER", "write efficiency.csv, efficiency.svg (gnuplot) and runs.jsonl there", CLI_TEXT,
     offsetof(options, out), 0, 0},
};

static const char *const engine_flags[] = {
    "--epochs=epochs",
    "--updates=updates",
    "--batch=batch",
    "--learning-rate=learning_rate",
    "--momentum=momentum.target",
    "--weight-decay=weight_decay",
    "--read=read",
    "--write=write",
    "--scheduler=scheduler",
    "--evaluate-epochs=evaluate_epochs",
    "--margin=compensation.margin",
    "--curvature=curvature",
};

static bool bad(const char *flag, const char *value, const char *wanted)
{
    char text[200];
    (void)snprintf(text, sizeof text, "%s %.60s: %s", flag, value, wanted);
    (void)cli_error("efficiency", 2, text);
    return false;
}

static bool lists(options *o, const char *flag, const char *value)
{
    char copy[200], *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", value);
    bool workers = strcmp(flag, "--workers") == 0;
    unsigned n = 0;
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save), n++) {
        double x = 0;
        if (n == MOST) return bad(flag, value, "at most 16 entries");
        if (workers) {
            if (!cli_number("efficiency", flag, word, 1, HW_MAX_WORKERS, &x)) return false;
            o->workers[n] = (unsigned)x;
            continue;
        }
        hw_config c = hw_config_defaults();
        char why[HW_WHY];
        if (hw_config_set(&c, "compensation", word, why) != HW_OK || c.compensation.policy == HW_POLICY_USER)
            return bad(flag, word, "auto, none, fixed, theory, measured, exact, mean-lag or look-ahead");
        o->policies[n] = c.compensation.policy;
    }
    if (!n) return bad(flag, value, "a list with commas is needed");
    *(workers ? &o->n_workers : &o->n_policies) = n;
    return true;
}

static bool set(void *context, const char *flag, const char *value)
{
    return lists(context, flag, value);
}

static void run_one(cell *c, cli_lenet *l, hw_config config, unsigned seed, const options *o, FILE *lines)
{
    hw_engine *engine;
    hw_result r;
    char why[HW_WHY], name[64];
    config.workers = c->workers;
    if (c->workers == 1 && config.scheduler == HW_ASYNC) config.scheduler = HW_SEQUENTIAL;
    config.compensation.policy = c->policy;
    config.seed = seed;
    config.target = !o->full ? o->target / 100 : 0;
    config.stop_flag = &cli_interrupted;
    hw_net_init(l->net, seed, l->params);
    if (hw_engine_create(&engine, &l->objective, &config, l->params, why) != HW_OK) {
        (void)cli_error("efficiency", 1, why);
        return;
    }
    hw_status status = hw_engine_run(engine, &r);
    size_t n, k = c->runs++;
    const hw_evaluation *ev = hw_engine_evaluations(engine, &n);
    c->update_seconds[k] = r.updates ? r.seconds / (double)r.updates : NAN;
    c->updates[k] = NAN;
    for (size_t i = 0; i < n && isnan(c->updates[k]); i++)
        if (100 * ev[i].metric[1] >= o->target) c->updates[k] = (double)ev[i].update;
    c->accuracy[k] = status == HW_OK ? 100 * r.last.metric[1] : NAN;
    c->rate[k] = r.setting.rate;
    c->reached += isnan(c->updates[k]) ? 0 : 1;
    c->finished += status == HW_OK ? 1 : 0;
    (void)snprintf(name, sizeof name, "%u workers, %s, seed %u", c->workers, hw_policy_name(c->policy), seed);
    fprintf(stderr, "  %-34s %s  %.2f %%  %.0f img/s  staleness %.2f  rate x %.2f\n", name,
            status == HW_OK ? "finished" : "diverged", 100 * r.last.metric[1], (double)r.examples / r.seconds,
            r.staleness.mean, r.setting.rate);
    if (lines) {
        (void)hw_run_json(engine, name, &r, lines);
        fputc('\n', lines);
    }
    hw_engine_free(engine);
}

static size_t finite(const double *x, size_t n, double *out)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) out[m++] = x[i];
    return m;
}

static void print(const cell *cells, size_t n, const options *o, FILE *csv)
{
    double copy[SEEDS];
    printf("\n%-8s %-11s %-9s %-22s %-24s %-9s %-9s %-9s %-18s %s\n", "workers", "policy", "reached",
           "ms/update (low-high)", "updates to target +-95%", "hardware", "statist.", "product", "accuracy (sd)",
           "rate");
    if (csv)
        fprintf(csv, "workers,policy,runs,reached,finished,seconds_per_update,low,high,updates_to_target,interval,"
                     "hardware_efficiency,statistical_efficiency,product,accuracy,accuracy_sd,rate\n");
    double t1 = NAN, i1 = NAN;
    for (size_t k = 0; k < n; k++) {
        const cell *c = cells + k;
        bench_stat t = bench_of(copy, finite(c->update_seconds, c->runs, copy));
        double missed = (double)(c->runs - c->reached);
        bench_stat i = bench_of(copy, finite(c->updates, c->runs, copy)),
                   a = bench_of(copy, finite(c->accuracy, c->runs, copy)),
                   rate = bench_of(copy, finite(c->rate, c->runs, copy));
        if (k == 0) t1 = t.median, i1 = i.mean;
        char updates[40] = "-", accuracy[40] = "-", span[40];
        if (i.n)
            (void)snprintf(updates, sizeof updates, "%.0f +- %.0f%s", i.mean, bench_interval(&i),
                           missed > 0 ? " of those" : "");
        if (a.n) (void)snprintf(accuracy, sizeof accuracy, "%.2f (%.2f)", a.mean, a.deviation);
        (void)snprintf(span, sizeof span, "%.3f (%.3f-%.3f)", 1e3 * t.median, 1e3 * t.low, 1e3 * t.high);
        char reached[16];
        (void)snprintf(reached, sizeof reached, "%zu of %zu", c->reached, c->runs);
        printf("%-8u %-11s %-9s %-22s %-24s %-9.3f %-9.3f %-9.3f %-18s %.2f\n", c->workers, hw_policy_name(c->policy),
               reached, span, updates, t.median / t1, i.mean / i1, t.median / t1 * i.mean / i1, accuracy, rate.mean);
        if (csv)
            fprintf(csv, "%u,%s,%zu,%zu,%zu,%.6g,%.6g,%.6g,%.6g,%.6g,%.5g,%.5g,%.5g,%.5g,%.5g,%.4g\n", c->workers,
                    hw_policy_name(c->policy), c->runs, c->reached, c->finished, t.median, t.low, t.high, i.mean,
                    bench_interval(&i), t.median / t1, i.mean / i1, t.median / t1 * i.mean / i1, a.mean, a.deviation,
                    rate.mean);
    }
    printf("target %.2f %%; updates and accuracy are means over the runs that got there; runs that missed are in "
           "'reached'\n",
           o->target);
}

/* Each policy's points as a block of data in the script, so that its line is whole. */
static void plot(const char *folder, const cell *cells, size_t n)
{
    char path[1000], command[1100];
    double copy[SEEDS];
    (void)snprintf(path, sizeof path, "%s/efficiency.gp", folder);
    FILE *f = fopen(path, "w");
    if (!f) return;
    double t1 = bench_of(copy, finite(cells->update_seconds, cells->runs, copy)).median;
    double i1 = bench_of(copy, finite(cells->updates, cells->runs, copy)).mean;
    fputs("set terminal svg size 760,400 font 'sans-serif,13' background '#ffffff'\nset output 'efficiency.svg'\n"
          "set title 'Time to target against one worker'\nset xlabel 'workers'\nset logscale x 2\n"
          "set ylabel 'relative to one worker (lower is better)'\nset yrange [0:*]\nset key top left\n"
          "set grid lc rgb '#dddddd'\nset xrange [0.9:*]\n",
          f);
    const char *lead = "plot ";
    char lines[4000] = "";
    static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000"};
    unsigned drawn = 0;
    for (int policy = HW_POLICY_AUTO; policy < HW_POLICY_USER; policy++) {
        bool any = false;
        for (size_t k = 0; k < n; k++) any |= k > 0 && (int)cells[k].policy == policy && cells[k].reached;
        if (!any) continue;
        fprintf(f, "$p%d << EOD\n", policy);
        for (size_t k = 0; k < n; k++) {
            const cell *c = cells + k;
            if (k > 0 && ((int)c->policy != policy || !c->reached)) continue;
            double t = bench_of(copy, finite(c->update_seconds, c->runs, copy)).median;
            double u = bench_of(copy, finite(c->updates, c->runs, copy)).mean;
            fprintf(f, "%u %.5g %.5g %.5g\n", c->workers, t / t1, u / i1, t / t1 * u / i1);
        }
        fputs("EOD\n", f);
        static const char *const what[] = {"hardware", "statistical", "product"};
        for (int q = 0; q < 3; q++) {
            size_t used = strlen(lines);
            (void)snprintf(lines + used, sizeof lines - used,
                           "%s$p%d using 1:%d with linespoints lw 2 dt %d pt %u lc rgb '%s' title '%s, %s'", lead,
                           policy, q + 2, q + 1, 4 + drawn, colours[drawn % 6], what[q],
                           hw_policy_name((hw_policy)policy));
            lead = ", ";
        }
        drawn++;
    }
    fprintf(f, "%s\n", drawn ? lines : "plot NaN notitle");
    (void)fclose(f);
    (void)snprintf(command, sizeof command, "cd '%s' && gnuplot efficiency.gp 2>/dev/null", folder);
    if (system(command) != 0)
        fprintf(stderr, "efficiency: no plot (gnuplot is missing or failed); the CSV has the data\n");
}

int main(int argc, char **argv)
{
    options o = {NULL, NULL, {1, 2, 4}, 3, {HW_POLICY_AUTO, HW_POLICY_NONE}, 2, 3, 60000, 97, false, false};
    hw_config config = hw_config_defaults();
    config.batch = 64;
    config.epochs = 2;
    config.optimizer.weight_decay = 5e-4;
    config.evaluate_epochs = 0.1;
    cli c = {"efficiency", "hardware and statistical efficiency of asynchronous training",
             own,          sizeof own / sizeof *own,
             set,          &o,
             engine_flags, sizeof engine_flags / sizeof *engine_flags,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    cli_lenet lenet;
    char path[1000];
    hw_section sections[8];
    code = cli_lenet_open("efficiency", o.data, NULL, o.images, config.batch, &lenet);
    if (code != 0) return code;
    if (o.caffe) cli_caffe_solver(lenet.net, &config, sections);
    FILE *csv = NULL, *lines = NULL;
    if (o.out) {
        (void)snprintf(path, sizeof path, "%s/efficiency.csv", o.out);
        csv = fopen(path, "w");
        (void)snprintf(path, sizeof path, "%s/runs.jsonl", o.out);
        lines = csv ? fopen(path, "w") : NULL;
        if (!lines) return cli_error("efficiency", 1, "--out: the folder must exist and be writable");
    }
    bench_header("efficiency");
    printf("LeNet on %s\n", lenet.digits.source);
    (void)fflush(stdout);
    cli_catch_interrupt();
    static cell cells[MOST * MOST];
    size_t n = 0;
    for (unsigned w = 0; w < o.n_workers; w++)
        for (unsigned p = 0; p < o.n_policies; p++)
            if (o.workers[w] > 1 || p == 0) cells[n++] = (cell){.workers = o.workers[w], .policy = o.policies[p]};
    /* Seeds outside, so that a drift of the machine meets every cell alike. */
    for (unsigned seed = 1; seed <= o.seeds && !cli_interrupted; seed++)
        for (size_t k = 0; k < n && !cli_interrupted; k++) run_one(cells + k, &lenet, config, seed, &o, lines);
    print(cells, n, &o, csv);
    printf("a line crosses the cores in %.0f ns\n", bench_latency());
    if (csv) {
        (void)fclose(csv);
        (void)fclose(lines);
        plot(o.out, cells, n);
    }
    cli_lenet_close(&lenet);
    return 0;
}
