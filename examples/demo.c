/* demo.c - the main job: LeNet with one worker, one per core, and twice the cores with and without compensation; then
 * 16 simulated ones; equal images, one seed; a table, the staleness, a verdict, and a report. A run that diverges ends
 * its row, not the demo. */
#include "support/cli.h"
#include "support/gnuplot.h"
#include "support/layers.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *data, *report;
    bool quiet;
    double target;
    unsigned images;
} options;

typedef struct row {
    char name[64];
    hw_result result;
    double target_seconds;  /* NaN: not reached */
    uint64_t returns, lost; /* of the default policy; lost: updates */
    unsigned workers;
    double at_work;   /* of those, on average */
    char layers[400]; /* staleness by layer; "" where steps were whole */
} row;

static const cli_option own[] = {
    {"--data", "FOLDER",
     "where the four MNIST files are (else $HOGWILD_DATA, the user's data folder, generated digits)", CLI_TEXT,
     offsetof(options, data), 0, 0},
    {"--images", "N", "train on the first N images; generated digits: how many (60000; 1000 to 60000)", CLI_WHOLE,
     offsetof(options, images), 1000, 60000},
    {"--target", "PERCENT", "accuracy of the column 'to ...' (97 for MNIST, 90 for generated digits; 1 to 100)",
     CLI_NUMBER, offsetof(options, target), 1, 100},
    {"--report", "FOLDER", "write an HTML report, CSV and JSON lines there", CLI_TEXT, offsetof(options, report), 0, 0},
    {"--quiet", NULL, "no progress", CLI_SWITCH, offsetof(options, quiet), 0, 0},
};

static const char *const engine_flags[] = {
    "--epochs=epochs",
    "--batch=batch",
    "--learning-rate=learning_rate",
    "--momentum=momentum.target",
    "--weight-decay=weight_decay",
    "--write=write",
    "--seed=seed",
    "--evaluate-epochs=evaluate_epochs",
    "--divergence=divergence",
    "--margin=compensation.margin",
};

static double reached(const hw_engine *engine, double target)
{
    size_t n;
    const hw_evaluation *ev = hw_engine_evaluations(engine, &n);
    for (size_t i = 0; i < n; i++)
        if (100 * ev[i].metric[1] >= target) return ev[i].seconds;
    return NAN;
}

typedef struct plan {
    unsigned workers;
    hw_policy policy;
    bool simulated;
    const char *what;
} plan;

static hw_status run_row(row *r, const hw_objective *objective, const hw_config *base, const plan *p,
                         const float *params, const options *o, hw_report *report, char *why)
{
    hw_config config = *base;
    hw_engine *engine;
    cli_progress progress;
    config.workers = p->workers;
    config.scheduler = p->simulated ? HW_SIMULATED : p->workers == 1 ? HW_SEQUENTIAL : HW_ASYNC;
    if (p->simulated) config.simulation.clock = HW_CLOCK_EXPONENTIAL;
    config.compensation.policy = p->policy;
    cli_progress_init(&progress, stdout, r->name, o->quiet, config.epochs);
    config.context = &progress;
    config.on_progress = cli_on_progress;
    hw_status status = hw_engine_create(&engine, objective, &config, params, why);
    if (status != HW_OK) return status;
    (void)hw_engine_run(engine, &r->result);
    cli_progress_done(&progress);
    r->target_seconds = reached(engine, o->target);
    r->returns = hw_engine_returns(engine, &r->lost);
    r->workers = config.workers;
    (void)hw_engine_at_work(engine, &r->at_work);
    layers_text(engine, r->layers, sizeof r->layers);
    const hw_result *x = &r->result;
    if (x->status == HW_OK)
        printf("%-34s %g epoch%s  %.0f img/s  loss %.3f  test %.2f %%\n", r->name, config.epochs,
               config.epochs == 1 ? "" : "s", (double)x->examples / x->seconds, x->train_loss, 100 * x->last.metric[1]);
    else
        printf("%-34s %s\n", r->name, x->message);
    (void)fflush(stdout);
    status = report ? cli_report_run(report, r->name, engine, 2, x) : HW_OK;
    if (status != HW_OK) (void)snprintf(why, HW_WHY, "the report could not be written: %s", hw_status_text(status));
    hw_engine_free(engine);
    return status;
}

enum { COLUMNS = 8, REAL = 4, ROWS = 6 };

static void cells_of(const row *r, double rate, char (*cell)[64])
{
    const hw_result *x = &r->result;
    (void)snprintf(cell[0], 64, "%.60s", r->name);
    for (int i = 1; i < COLUMNS; i++) cell[i][0] = 0;
    if (x->status != HW_OK) {
        (void)snprintf(cell[1], 64, x->status == HW_E_DIVERGED ? "diverged at update %llu" : "failed at update %llu",
                       (unsigned long long)x->updates);
        return;
    }
    (void)snprintf(cell[1], 64, "%.2f %%", 100 * x->last.metric[1]);
    (void)snprintf(cell[2], 64, "%.1f", x->seconds);
    if (isfinite(r->target_seconds))
        (void)snprintf(cell[3], 64, "%.1f s", r->target_seconds);
    else
        (void)snprintf(cell[3], 64, "not met");
    (void)snprintf(cell[4], 64, "%.0f", (double)x->examples / x->seconds);
    (void)snprintf(cell[5], 64, "%llu", (unsigned long long)x->updates);
    if (x->setting.ahead > 0)
        (void)snprintf(cell[6], 64, "look-ahead %.1f steps", x->setting.delay);
    else
        (void)snprintf(cell[6], 64, "-");
    (void)snprintf(cell[7], 64, "%.4f", rate * x->setting.rate);
}

static void print_table(const row *rows, size_t n, const options *o, double rate, hw_report *report)
{
    static char cell[ROWS + 1][COLUMNS][64];
    const char *pointers[(ROWS + 1) * COLUMNS];
    char target[32];
    (void)snprintf(target, sizeof target, "to %g %%", o->target);
    const char *const head[COLUMNS] = {"",      "test",    "seconds",         target,
                                       "img/s", "updates", "policy in force", "learning rate"};
    for (int j = 0; j < COLUMNS; j++) (void)snprintf(cell[0][j], 64, "%s", head[j]);
    for (size_t i = 0; i < n; i++) cells_of(rows + i, rate, cell[i + 1]);
    printf("\n");
    for (size_t i = 0; i <= n; i++) {
        for (int j = 0; j < COLUMNS; j++) pointers[i * COLUMNS + (size_t)j] = cell[i][j];
        if (i && rows[i - 1].result.status != HW_OK) {
            printf("%-34s %s\n", cell[i][0], cell[i][1]);
            continue;
        }
        printf("%-34s %-9s %-9s %-9s %-8s %-9s %-22s %s\n", cell[i][0], cell[i][1], cell[i][2], cell[i][3], cell[i][4],
               cell[i][5], cell[i][6], cell[i][7]);
    }
    if (report) (void)hw_report_table(report, pointers, n + 1, COLUMNS);
}

static void outcome(const row *r, char *text, size_t size)
{
    if (r->result.status == HW_OK)
        (void)snprintf(text, size, "reached %.2f %%", 100 * r->result.last.metric[1]);
    else
        (void)snprintf(text, size, "%s", r->result.status == HW_E_DIVERGED ? "diverged" : "failed");
}

static void say(hw_report *report, const char *text)
{
    printf("%s\n", text);
    if (report) (void)hw_report_text(report, text);
}

/* What the default policy did in one run. */
static void print_default(const row *r, hw_report *report)
{
    char text[512];
    const hw_result *x = &r->result;
    if (x->status != HW_OK) return;
    (void)snprintf(
        text, sizeof text,
        "what the default did, %s: read and wrote %s, let %.1f of %u step on average, ended at %.2f of the learning "
        "rate, went back to good parameters %llu time%s (%llu updates lost)",
        r->name, *r->layers ? "layer by layer" : "whole steps", r->at_work, r->workers, x->setting.rate,
        (unsigned long long)r->returns, r->returns == 1 ? "" : "s", (unsigned long long)r->lost);
    say(report, text);
}

static void print_end(const row *rows, hw_report *report)
{
    const size_t n = REAL;
    const hw_result *last = &rows[n - 1].result;
    char text[512], verdict[256], speed[160] = "the cores could not be compared", without[64], with[64];
    hw_staleness_verdict(&last->staleness, verdict, sizeof verdict);
    (void)snprintf(
        text, sizeof text,
        "staleness of the last run on threads: mean %.2f, variance %.2f, dispersion %.2f (1 would be the queue "
        "model, 0 a fixed delay)",
        last->staleness.mean, last->staleness.variance, last->staleness.dispersion);
    printf("\n");
    say(report, text);
    if (*rows[n - 1].layers) say(report, rows[n - 1].layers);
    (void)snprintf(text, sizeof text, "verdict%s: %s", *rows[n - 1].layers ? " on whole steps" : "", verdict);
    say(report, text);
    if (rows[0].result.status == HW_OK && rows[1].result.status == HW_OK)
        (void)snprintf(speed, sizeof speed, "%.60s gave %.2f times the speed of one", rows[1].name,
                       rows[0].result.seconds / rows[1].result.seconds);
    print_default(rows + 1, report);
    print_default(rows + n - 1, report);
    print_default(rows + ROWS - 1, report);
    outcome(rows + n - 2, without, sizeof without);
    outcome(rows + n - 1, with, sizeof with);
    (void)snprintf(text, sizeof text, "in short: %s; %s: %s; %s: %s", speed, rows[n - 2].name, without,
                   rows[n - 1].name, with);
    say(report, text);
    outcome(rows + REAL, without, sizeof without);
    outcome(rows + REAL + 1, with, sizeof with);
    (void)snprintf(
        text, sizeof text,
        "beyond this machine's cores: %s (exponential work, staleness %.1f, dispersion %.2f): %s; compensated: "
        "%s, at %.2f of the learning rate. The same seed gives the same bits again",
        rows[REAL].name, rows[REAL + 1].result.staleness.mean, rows[REAL + 1].result.staleness.dispersion, without,
        with, rows[REAL + 1].result.setting.rate);
    say(report, text);
}

/* Seconds of one epoch on one worker, from a few gradients. */
static double one_epoch(const hw_net *net, const cli_digits *d, uint32_t batch, const float *params)
{
    size_t bytes = (hw_net_scratch_bytes(net) + 63) / 64 * 64,
           n = (hw_net_parameters(net) * sizeof(float) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, bytes);
    float *g = aligned_alloc(64, n);
    hw_batch b = {NULL, batch, 0, batch, 0, 0, 1};
    double seconds = NAN;
    if (scratch && g) {
        memset(scratch, 0, bytes);
        (void)hw_net_loss(net, scratch, &d->train, &b, params, g, NULL);
        uint64_t from = hw_now();
        for (int i = 0; i < 4; i++) (void)hw_net_loss(net, scratch, &d->train, &b, params, g, NULL);
        seconds = (double)(hw_now() - from) * 1e-9 / 4 / batch * d->train.count;
    }
    free(scratch);
    free(g);
    return seconds;
}

static int demo(options *o, const hw_config *config, cli_lenet *l)
{
    char why[HW_WHY] = "", path[1024], machine[160];
    hw_report *report = NULL;
    row rows[ROWS];
    if (o->report && support_report_open(&report, o->report, "hogwild demo: LeNet, without locks", why) != HW_OK)
        return cli_error("demo", 1, why);
    unsigned processors = hw_processors(), m = processors > 64 ? 64 : processors, many = 2 * m < 4 ? 4 : 2 * m;
    const plan plans[ROWS] = {{1, HW_POLICY_AUTO, false, ""},
                              {m, HW_POLICY_AUTO, false, " (one per core)"},
                              {many, HW_POLICY_NONE, false, ", no compensation"},
                              {many, HW_POLICY_AUTO, false, ", compensated"},
                              {16, HW_POLICY_NONE, true, ", none"},
                              {16, HW_POLICY_AUTO, true, ", compensated"}};
    double epoch = one_epoch(l->net, &l->digits, config->batch, l->params), passes = 1 + 5.0 / m;
    printf("hogwild demo: LeNet on %s: about %.0f s on this machine\n", l->digits.source,
           1.25 * epoch * config->epochs * passes);
    (void)fflush(stdout);
    cli_machine(machine, sizeof machine);
    if (report) {
        (void)hw_report_note(report, "data", l->digits.source);
        (void)hw_report_note(report, "machine", machine);
        (void)hw_report_note(report, "commit", hw_commit());
    }
    double curvature = cli_curvature(&l->objective, l->params); /* the runs estimate it by themselves, and follow it */
    hw_compensation none = hw_config_compensation(config, &l->objective);
    none.policy = HW_POLICY_NONE;
    (void)hw_advise_run(&none, config->optimizer.momentum, config->optimizer.schedule.base, many, curvature, why,
                        sizeof why);
    printf("advice for %u workers without compensation: %s\n", many, why);
    if (report) (void)hw_report_note(report, "advice, no compensation", why);
    hw_status status = HW_OK;
    for (int i = 0; i < ROWS && status == HW_OK; i++) {
        memset(rows + i, 0, sizeof rows[i]);
        (void)snprintf(rows[i].name, sizeof rows[i].name, "%u %sworker%s%s", plans[i].workers,
                       plans[i].simulated ? "simulated " : "", plans[i].workers == 1 ? "" : "s", plans[i].what);
        status = run_row(rows + i, &l->objective, config, plans + i, l->params, o, report, why);
    }
    if (status == HW_OK) {
        print_table(rows, ROWS, o, config->optimizer.schedule.base, report);
        print_end(rows, report);
    }
    int code = status == HW_OK ? 0 : cli_error("demo", status == HW_E_ARGUMENT ? 2 : 1, why);
    if (report) {
        status = hw_report_close(report, path, sizeof path, why);
        if (status != HW_OK) return cli_error("demo", 1, why);
        printf("report: %s%s%s\n", path, *why ? "  note: " : "", why);
    }
    return code;
}

int main(int argc, char **argv)
{
    options o = {NULL, NULL, false, 0, 60000};
    hw_config config = hw_config_defaults();
    config.batch = 64;
    config.optimizer.weight_decay = 5e-4;
    config.evaluate_epochs = 0.1;
    config.keep_every = 20;
    cli c = {"demo",
             "LeNet with one worker, one per core, twice the cores with and without compensation, and 16 simulated",
             own,
             sizeof own / sizeof *own,
             NULL,
             &o,
             engine_flags,
             sizeof engine_flags / sizeof *engine_flags,
             &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    cli_lenet lenet;
    code = cli_lenet_open("demo", o.data, NULL, o.images, config.batch, &lenet);
    if (code != 0) return code;
    if (o.target == 0) o.target = lenet.digits.real ? 97 : 90;
    hw_net_init(lenet.net, config.seed, lenet.params);
    code = demo(&o, &config, &lenet);
    cli_lenet_close(&lenet);
    return code;
}
