/* papers.c - one program for the experiments of the four papers: list them, run one, run all; reduced, or --full. */
#include "papers.h"
#include "gnuplot.h"
#include "bench.h"
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct experiment {
    const char *id, *paper, *what;
    bool (*run)(papers *p);
} experiment;

static const experiment experiments[] = {
    {"oracles", "Mitliagkas et al.", "Theorems 3 and 5, clocks and compensation against exact values", papers_oracles},
    {"theorem2", "Mitliagkas et al.", "Theorem 2 for arbitrary delay laws, by exact recursion", papers_theorem2},
    {"figure2", "Mitliagkas et al.", "Fig. 2: implicit and explicit momentum, formula and measured", papers_figure2},
    {"threads", "Mitliagkas et al.", "assumptions A2 and A3 on real threads: steps that sleep by a law",
     papers_threads},
    {"map", "Mitliagkas et al.", "when asynchrony is momentum and when it is delay, simulated and on threads",
     papers_map},
    {"map-momentum", "this library", "the same with explicit momentum, 2 to 32 workers, and the noise that is kept",
     papers_map_momentum},
    {"map-policies", "this library", "which policy reaches the target first, by the law of the work and by x",
     papers_map_policies},
    {"map-points", "this library", "where the bundled workloads stand on the map", papers_map_points},
    {"map-nets", "this library", "LeNet and cifar10_quick by the law of the work, simulated and on threads",
     papers_map_nets},
    {"closed-loop", "Mitliagkas et al.", "whether the total momentum can be measured from the iterates",
     papers_closed_loop},
    {"best-quadratic", "Mitliagkas et al.", "Fig. 3 on a quadratic: best explicit momentum, negative ones too",
     papers_best_quadratic},
    {"best-net", "Mitliagkas et al.", "Fig. 3 on a small net (generated digits), negative momentum too",
     papers_best_net},
    {"best-quick", "Mitliagkas et al.", "Fig. 3, right: cifar10_quick, on the queue's clock and on threads",
     papers_best_quick},
    {"best-caffenet", "Mitliagkas et al.", "Fig. 3, left: a net of CaffeNet's shape on eight classes",
     papers_best_caffenet},
    {"groups", "Mitliagkas et al.", "Fig. 1: efficiency of 1 to 8 compute groups from a warm start", papers_groups},
    {"irregular", "Mitliagkas et al.", "A2 and A3 where steps are of unlike cost: sparse examples on threads",
     papers_irregular},
    {"own-steps", "Mitliagkas et al.", "future work: rate and momentum of each group's own, two of eight slow",
     papers_own_steps},
    {"independence", "Mitliagkas et al.", "A1: is the staleness independent of the example? Sparse ones on threads",
     papers_independence},
    {"pca", "Liu et al.", "Fig. 1: streaming PCA, five momenta, delays 0 to 200, ODE, phases", papers_pca},
    {"liu-variance", "Liu et al.", "Theorem 5: what noise keeps at the optimum, with and without delay",
     papers_liu_variance},
    {"liu-step", "Liu et al.", "the tolerable delay against the step size: 1 / eta or its root", papers_liu_step},
    {"liu-net", "Liu et al.", "Fig. 2: best momentum of a residual net with one worker and with eight", papers_liu_net},
    {"liu-phases", "Liu et al.", "Props. 6, 8, 10: how long the three phases take; the ODE with delay; Remark 7",
     papers_liu_phases},
    {"xu-delay", "Xu et al.", "Figs. 1 and 2: round robin with 1 to 100 workers, with and without momentum",
     papers_xu_delay},
    {"xu-rate", "Xu et al.", "Fig. 2 again at equal alpha / (1 - mu), three rates", papers_xu_rate},
    {"xu-dropout", "Xu et al.", "Fig. 3: SGD with dropout beside delay", papers_xu_dropout},
    {"xu-batch", "Xu et al.", "their future work: batch x delay, full batch, accuracy over time, training against test",
     papers_xu_batch},
    {"wang-toy", "Wang et al.", "eqs. (4) and (5): the lagged gradient on x^2", papers_wang_toy},
    {"wang-stragglers", "Wang et al.", "stragglers: age-dependent steps, partial gathering, waiting",
     papers_wang_stragglers},
    {"wang-momentum", "Wang et al.", "Fig. 1: LeNet, batch 256, momentum 0 to 0.99", papers_wang_momentum},
    {"wang-late", "Wang et al.", "the late gradient added, with one worker and 8; Section 2's bound", papers_wang_late},
    {"wang-threads", "Wang et al.", "stragglers on real threads: waiting, the first 4 of 8, no waiting",
     papers_wang_threads},
    {"compensation", "this library", "policies under exponential and round-robin clocks on a small net",
     papers_compensation},
};
#define COUNT (sizeof experiments / sizeof *experiments)

typedef struct options {
    papers p;
    const char *out;
    bool list, chosen[COUNT], any;
} options;

static const cli_option own[] = {
    {"--list", NULL, "the experiments, and nothing else", CLI_SWITCH, offsetof(options, list), 0, 0},
    {"--run", "LIST", "ids with commas, or all (all)", CLI_CALL, 0, 0, 0},
    {"--full", NULL, "the papers' own grids: hours instead of minutes", CLI_SWITCH, offsetof(options, p.full), 0, 0},
    {"--seeds", "N", "runs of each setting (3; full: 5; 1 to 20); best-quadratic takes 12, best-net twice as many",
     CLI_WHOLE, offsetof(options, p.seeds), 1, 20},
    {"--data", "FOLDER", "where MNIST and CIFAR-10 are (else $HOGWILD_DATA, the user's data folder, generated images)",
     CLI_TEXT, offsetof(options, p.data), 0, 0},
    {"--out", "FOLDER", "the page, CSV files and plots (papers-report)", CLI_TEXT, offsetof(options, out), 0, 0},
};

static bool choose(options *o, const char *list)
{
    char copy[400], *save = NULL, text[200];
    (void)snprintf(copy, sizeof copy, "%s", list);
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        bool found = false;
        for (size_t i = 0; i < COUNT; i++)
            if (strcmp(word, "all") == 0 || strcmp(word, experiments[i].id) == 0) found = o->chosen[i] = true;
        if (!found) {
            (void)snprintf(text, sizeof text, "--run %.60s: there is no such experiment (--list shows them)", word);
            return cli_error("papers", 2, text) == 0;
        }
        o->any = true;
    }
    return o->any || cli_error("papers", 2, "--run: an id is needed (--list shows them)") == 0;
}

static bool set(void *context, const char *flag, const char *value)
{
    (void)flag;
    return choose(context, value);
}

/* --- what the experiments share
 * ------------------------------------------------------------------------------------------ */

void papers_verdict(papers *p, papers_outcome outcome, const char *format, ...)
{
    static const char *const names[] = {"reproduced", "partly reproduced", "not reproduced", "measured"};
    char text[900], line[1000];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(line, sizeof line, "%s: %s", names[outcome], text);
    printf("%-16s %s\n", p->id, line);
    (void)fflush(stdout);
    (void)hw_report_text(p->report, line);
    for (char *c = text; *c; c++)
        if (*c == '"') *c = '\'';
    fprintf(p->verdicts, "%s,%s,\"%s\"\n", p->id, names[outcome], text);
    (void)fflush(p->verdicts);
}

bool papers_trouble(papers *p, const char *sentence)
{
    char text[400];
    (void)snprintf(text, sizeof text, "%s: %.300s", p->id, sentence);
    return cli_error("papers", 1, text) == 0;
}

bool papers_chart(papers *p, const hw_chart *chart, const hw_curve *curves, size_t n)
{
    char why[HW_WHY];
    return hw_report_chart(p->report, chart, curves, n, why) == HW_OK || papers_trouble(p, why);
}

bool papers_table(papers *p, const char (*cells)[64], size_t rows, size_t columns)
{
    const char **at = malloc(rows * columns * sizeof *at);
    if (!at) return papers_trouble(p, "no memory");
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            at[i * columns + j] = cells[i * columns + j];
            printf("%s%-*s", j ? "  " : "    ", j ? 14 : 26, at[i * columns + j]);
        }
        printf("\n");
    }
    hw_status status = hw_report_table(p->report, at, rows, columns);
    free(at);
    return status == HW_OK || papers_trouble(p, hw_status_text(status));
}

void papers_mean(const double *x, size_t n, double *mean, double *interval)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = n ? sum / (double)n : NAN;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *interval = n > 1 ? bench_half_width(sqrt(squares / (double)(n - 1)), n) : NAN;
}

hw_config papers_config(hw_clock_kind clock, unsigned workers, uint64_t updates)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.simulation.clock = clock;
    c.simulation.threads = 1;
    c.workers = workers;
    c.epochs = 0;
    c.updates = updates;
    c.compensation.policy = HW_POLICY_NONE;
    c.stop_flag = &cli_interrupted;
    return c;
}

hw_config papers_on_threads(const hw_config *workload, unsigned workers, uint64_t updates)
{
    hw_config c = *workload;
    c.workers = workers;
    c.compensation.policy = HW_POLICY_NONE;
    c.curvature = -1;
    c.layers = 0;
    c.clock_interval = c.exchange_interval = 1;
    c.sweep = 0;
    c.average_every = 0;
    c.target = 0;
    c.epochs = 0;
    c.updates = updates;
    c.stop_flag = &cli_interrupted;
    return c;
}

papers_run_result papers_run(const hw_objective *o, const hw_config *from, const float *start, int metric,
                             double target)
{
    papers_run_result out = {NAN, NAN, NAN, NAN, false};
    hw_engine *engine;
    hw_result r;
    char why[HW_WHY];
    hw_config c = *from;
    c.target_metric = metric;
    c.target = target;
    if (hw_engine_create(&engine, o, &c, start, why) != HW_OK) {
        (void)cli_error("papers", 1, why);
        return out;
    }
    hw_status status = hw_engine_run(engine, &r);
    out.diverged = status == HW_E_DIVERGED;
    out.last = r.last.metric[metric];
    out.loss = r.last.metric[0];
    if (!out.diverged && isfinite(r.seconds_to_target)) {
        out.steps = (double)r.updates_to_target;
        out.virtual_time = r.virtual_time;
    }
    hw_engine_free(engine);
    return out;
}

bool papers_digits_open(papers *p, papers_digits *d, unsigned hidden, uint32_t batch, bool real)
{
    char why[HW_WHY] = "no memory";
    memset(d, 0, sizeof *d);
    if (real) {
        if (!cli_digits_load("papers", p->data, p->data != NULL, 8000, &d->digits)) return false;
    } else if (hw_digits_generate(8000, 1, &d->digits.train) != HW_OK ||
               hw_digits_generate(1000, 2, &d->digits.test) != HW_OK) {
        return papers_trouble(p, why);
    }
    if (!p->full && d->digits.test.count > 2000) d->digits.test.count = 2000;
    d->net = hw_net_perceptron(1, 28, 28, hidden, 10, batch, why);
    if (!d->net) {
        papers_digits_close(d);
        return papers_trouble(p, why);
    }
    d->task = (hw_net_task){d->net, &d->digits.train, &d->digits.test, NULL};
    hw_status status = hw_net_objective(&d->task, &d->objective, why);
    d->start = malloc(hw_net_parameters(d->net) * sizeof *d->start);
    if (status != HW_OK || !d->start) {
        papers_digits_close(d);
        return papers_trouble(p, why);
    }
    hw_net_init(d->net, 1, d->start);
    return true;
}

void papers_digits_close(papers_digits *d)
{
    free(d->start);
    hw_net_free(d->net);
    cli_digits_free(&d->digits);
}

bool papers_colours_open(papers *p, papers_colours *c, uint32_t train, uint32_t test)
{
    char folder[900], why[HW_WHY];
    memset(c, 0, sizeof *c);
    if (p->data)
        (void)snprintf(folder, sizeof folder, "%s", p->data);
    else
        hw_data_folder(folder, sizeof folder);
    hw_status status = *folder ? hw_cifar10_read(folder, HW_CIFAR_HOLDOUT, &c->train, &c->test, why) : HW_E_IO;
    if (status == HW_OK) {
        (void)snprintf(c->source, sizeof c->source, "CIFAR-10");
    } else if (status != HW_E_IO || p->data) { /* a named folder is meant; elsewhere its absence is no error */
        return papers_trouble(p, why);
    } else {
        (void)snprintf(c->source, sizeof c->source, "generated textures (no CIFAR-10 found)");
        if (hw_textures_generate(40000, 10, 1, &c->train) != HW_OK ||
            hw_textures_generate(10000, 10, 2, &c->test) != HW_OK)
            return papers_trouble(p, "no memory for textures");
    }
    if (!p->full) {
        c->train.count = c->train.count < train ? c->train.count : train;
        c->test.count = c->test.count < test ? c->test.count : test;
    }
    return true;
}

void papers_colours_close(papers_colours *c)
{
    hw_images_free(&c->train);
    hw_images_free(&c->test);
}

static bool run_one(papers *p, const experiment *e)
{
    char text[200];
    p->id = e->id;
    (void)snprintf(text, sizeof text, "%s: %s", e->paper, e->what);
    (void)hw_report_heading(p->report, text);
    printf("%-16s %s\n", e->id, text);
    uint64_t from = hw_now();
    bool good = e->run(p) && !cli_interrupted;
    (void)snprintf(text, sizeof text, "%.0f s", (double)(hw_now() - from) * 1e-9);
    (void)hw_report_note(p->report, "time", text);
    printf("%-16s %s\n\n", "", text);
    return good;
}

int main(int argc, char **argv)
{
    options o = {.p = {.data = NULL}, .out = "papers-report"};
    hw_config config = hw_config_defaults();
    cli c = {
        "papers", "the papers' experiments, simulated and on threads", own, sizeof own / sizeof *own, set, &o, NULL, 0,
        &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    for (size_t i = 0; o.list && i < COUNT; i++)
        printf("%-16s %-18s %s\n", experiments[i].id, experiments[i].paper, experiments[i].what);
    if (o.list) return 0;
    papers *p = &o.p;
    char why[HW_WHY], path[1024], machine[160], day[32], csv[1024];
    if (!p->seeds) p->seeds = p->full ? 5 : 3;
    if (support_report_open(&p->report, o.out, p->full ? "The papers' experiments" : "The papers' experiments, reduced",
                            why) != HW_OK)
        return cli_error("papers", 1, why);
    (void)snprintf(csv, sizeof csv, "%s/verdicts.csv", o.out);
    p->verdicts = fopen(csv, "w");
    if (!p->verdicts) return cli_error("papers", 1, "verdicts.csv could not be written");
    fputs("experiment,outcome,sentence\n", p->verdicts);
    time_t now = time(NULL);
    struct tm date;
    (void)strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &date));
    cli_machine(machine, sizeof machine);
    (void)hw_report_note(p->report, "date", day);
    (void)hw_report_note(p->report, "commit", hw_commit());
    (void)hw_report_note(p->report, "machine", machine);
    cli_catch_interrupt();
    bool good = true;
    for (size_t i = 0; i < COUNT && !cli_interrupted; i++)
        if (!o.any || o.chosen[i]) good = run_one(p, experiments + i) && good;
    good = fclose(p->verdicts) == 0 && good;
    if (hw_report_close(p->report, path, sizeof path, why) != HW_OK) return cli_error("papers", 1, why);
    printf("report: %s\n", path);
    return cli_interrupted ? cli_error("papers", 1, "interrupted: the report holds what was finished") : good ? 0 : 1;
}
