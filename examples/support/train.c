/* train.c - one run of a net on images, as mnist and cifar offer it: advice, training with checkpoints, results,
 * the report. */
#include "train.h"
#include "gnuplot.h"
#include "layers.h"
#include "checkpoint.h"
#include "classes.h"
#include "cluster.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(train_options, member)

static const cli_option rows[] = {
    {"", NULL, "results", CLI_HEADING, 0, 0, 0},
    {"--report", "FOLDER", "write an HTML report, CSV and JSON lines there", CLI_TEXT, AT(report), 0, 0},
    {"--save", "FILE", "write the weights there", CLI_TEXT, AT(save), 0, 0},
    {"--model", "FILE", "write the net with its weights there (safetensors): it predicts without this program",
     CLI_TEXT, AT(model), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, AT(json), 0, 0},
    {"--summary", NULL, "print the network's layers", CLI_SWITCH, AT(summary), 0, 0},
    {"--quiet", NULL, "no progress, no histogram", CLI_SWITCH, AT(quiet), 0, 0},
    {"", NULL, "checkpoints", CLI_HEADING, 0, 0, 0},
    {"--checkpoint", "FOLDER", "write checkpoints there, also when stopped by Ctrl-C", CLI_TEXT, AT(checkpoint), 0, 0},
    {"--checkpoint-minutes", "X", "minutes between them (10, unless epochs are given; above 0 to 100000)", CLI_NUMBER,
     AT(minutes), 1e-6, 1e5},
    {"--checkpoint-epochs", "X", "epochs between them (above 0 to 100000)", CLI_NUMBER, AT(epochs), 1e-6, 1e5},
    {"--keep", "K", "keep the newest K (3; 2 to 1000)", CLI_WHOLE, AT(keep), 2, 1000},
    {"--resume", "FOLDER|FILE", "go on from the newest whole checkpoint of a folder, or from a file: the same options",
     CLI_TEXT, AT(resume), 0, 0},
    {"", NULL, "where a new run begins", CLI_HEADING, 0, 0, 0},
    {"--load", "FILE", "at these weights, written by --save or --model", CLI_TEXT, AT(load), 0, 0},
    {"--continue", "FOLDER|FILE", "at a checkpoint's weights and (of the same rule) velocity: all else is new",
     CLI_TEXT, AT(go_on), 0, 0},
    {"", NULL, "schedules and advice", CLI_HEADING, 0, 0, 0},
    {"--trace", "FILE", "record the schedule (who read and landed when) there", CLI_TEXT, AT(trace), 0, 0},
    {"--replay", "FILE", "replay a recorded schedule: the same options as the recorded run, but for the scheduler",
     CLI_TEXT, AT(replay), 0, 0},
    {"--delays", "FILE",
     "clock histogram: delays from this CSV of a report (run-1-staleness.csv); clock recorded: work times "
     "(run-1-work.csv)",
     CLI_TEXT, AT(delays), 0, 0},
    {"--own-rates", "A,B,..", "times the learning rate, one for each worker (of --scheduler groups: group)", CLI_TEXT,
     AT(own_rates), 0, 0},
    {"--own-momenta", "A,B,..", "explicit momentum of each, with --compensation none or fixed", CLI_TEXT,
     AT(own_momenta), 0, 0},
    {"--advise", NULL, "print how every policy would set this run up, and whether that is stable; train nothing",
     CLI_SWITCH, AT(advise), 0, 0},
    RANKS_ROWS(offsetof(train_options, ranks)),
};
_Static_assert(sizeof rows / sizeof *rows == TRAIN_ROWS, "programs have room for as many rows");

const char *const train_engine_flags[] = {
    "--scheduler=scheduler",
    "--workers=workers",
    "--groups=groups",
    "--clock=clock",
    "--clock-shape=clock.shape",
    "--clock-delay=clock.delay",
    "--stragglers=clock.stragglers",
    "--straggler-factor=clock.straggler_factor",
    "--per-group=simulation.per_group",
    "--gather=simulation.gather",
    "--threads=simulation.threads",
    "--batch=batch",
    "--epochs=epochs",
    "--updates=updates",
    "--seconds=seconds",
    "--target=target",
    "--seed=seed",
    "--read=read",
    "--write=write",
    "--layers=layers",
    "--rule=rule",
    "--learning-rate=learning_rate",
    "--momentum=momentum.target",
    "--weight-decay=weight_decay",
    "--velocity=velocity",
    "--clip=clip_norm",
    "--schedule=schedule",
    "--gamma=schedule.gamma",
    "--power=schedule.power",
    "--interval=schedule.interval",
    "--warmup=schedule.warmup",
    "--compensation=compensation",
    "--keep-gain=compensation.keep_gain",
    "--fixed=compensation.fixed",
    "--floor=compensation.floor",
    "--shrinkage=compensation.shrinkage",
    "--margin=compensation.margin",
    "--window=compensation.window",
    "--age=compensation.age",
    "--age-gain=compensation.age_gain",
    "--age-base=compensation.age_base",
    "--delay-correction=delay_correction",
    "--least-workers=least_workers",
    "--work=work",
    "--work-mean=work.mean",
    "--work-shape=work.shape",
    "--work-spin=work.spin",
    "--curvature=curvature",
    "--evaluate-epochs=evaluate_epochs",
    "--on-nan=on_nan",
    "--divergence=divergence",
    "--pin=pin",
    "--path=path",
    "--with-replacement=with_replacement",
};
const size_t train_engine_flag_count = sizeof train_engine_flags / sizeof *train_engine_flags;

size_t train_rows(cli_option *out, size_t at)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        out[i] = rows[i];
        out[i].at += at;
    }
    return sizeof rows / sizeof *rows;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

static void print_staleness(hw_engine *engine, const hw_result *r)
{
    char verdict[256];
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(engine);
    if (hw_histogram_init(&h, hw_staleness_exact(s)) != HW_OK) return;
    hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
    double low, high, error, momentum = hw_staleness_momentum(&h, &error);
    hw_staleness_dispersion(&r->staleness, &low, &high);
    printf("staleness: mean %.2f, variance %.2f, dispersion %.2f (%.2f to %.2f with 95 %%; 1 would be the queue model, "
           "0 a "
           "fixed delay)\n",
           r->staleness.mean, r->staleness.variance, r->staleness.dispersion, low, high);
    printf("as momentum: %.3f, with a mean square error of %.2f of the kernel%s\n", momentum, error,
           error > 0.1 ? ": it is none" : "");
    (void)hw_histogram_text(&h, stdout, 12, 1);
    layers_print(engine, stdout);
    hw_histogram_free(&h);
    hw_staleness_verdict(&r->staleness, verdict, sizeof verdict);
    printf("verdict: %s\n", verdict);
}

/* The run in a line. start: what had been done before this part of a resumed run. */
static void outcome(const hw_result *r, const hw_result *start, char *text, size_t size)
{
    char now[48] = "";
    double seconds = r->seconds - start->seconds;
    if (start->updates)
        (void)snprintf(now, sizeof now, ", %llu of them now,", (unsigned long long)(r->updates - start->updates));
    (void)snprintf(text, size, "test %.2f %%  loss %.4f  %llu updates%s in %.1f s  %.0f img/s  policy in force: %s",
                   100 * r->last.metric[1], r->last.metric[0], (unsigned long long)r->updates, now, seconds,
                   seconds > 0 ? (double)(r->examples - start->examples) / seconds : 0, r->setting.reason);
}

/* most: as many workers or groups as there are. False: all stepped all the time. */
static bool rest_text(const hw_engine *engine, unsigned most, char *text, size_t size)
{
    double mean;
    unsigned at_work = hw_engine_at_work(engine, &mean);
    (void)snprintf(text, size,
                   "%.1f of %u stepped on average, %u at the end: policy auto begins with few, lets more join in while "
                   "that is stable, and ends with few (--least-workers %u: all do)",
                   mean, most, at_work, most);
    return mean < most - 0.05;
}

static void print_result(const train_run *t, const hw_config *config, hw_engine *engine, const hw_result *r,
                         const hw_result *start, unsigned most, const class_table *classes)
{
    char text[400];
    outcome(r, start, text, sizeof text);
    printf("%s\n", text);
    if (start->updates && r->updates == start->updates && !cli_interrupted)
        printf("the run had come to its end before: --epochs, --updates, --seconds or --target set another\n");
    uint64_t lost, returns = hw_engine_returns(engine, &lost);
    if (returns)
        printf("the loss rose: back to earlier parameters, at a lower learning rate, %llu time%s (%llu updates lost)\n",
               (unsigned long long)returns, returns == 1 ? "" : "s", (unsigned long long)lost);
    if (rest_text(engine, most, text, sizeof text)) printf("%s\n", text);
    if (classes->count) class_table_print(classes, stdout);
    if (isfinite(r->seconds_to_target))
        printf("target met after %.1f s, %llu updates\n", r->seconds_to_target,
               (unsigned long long)r->updates_to_target);
    cluster_print(engine, config, r, stdout);
    if (r->staleness.largest > 0 && !t->options->quiet) print_staleness(engine, r);
}

/* Work times as clock `recorded` reads them, in nanoseconds. */
static hw_status write_work(const char *folder, hw_engine *engine)
{
    char path[1024];
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(engine);
    hw_status status = hw_histogram_init(&h, hw_staleness_linear_bins(s));
    if (status != HW_OK) return status;
    hw_staleness_merge(s, HW_HISTOGRAM_WORK, &h);
    (void)snprintf(path, sizeof path, "%.1000s/run-1-work.csv", folder);
    FILE *out = h.total ? fopen(path, "w") : NULL;
    if (h.total) status = out && hw_histogram_csv(&h, out) == HW_OK ? HW_OK : HW_E_IO;
    if (out && fclose(out) != 0) status = HW_E_IO;
    hw_histogram_free(&h);
    return status;
}

static int write_report(const train_run *t, hw_engine *engine, const hw_result *r, const hw_result *start,
                        const ranks *over, unsigned most, const class_table *classes)
{
    hw_report *report;
    char why[HW_WHY], path[1024], machine[160], text[400];
    if (support_report_open(&report, t->options->report, t->title, why) != HW_OK) return cli_error(t->program, 1, why);
    cli_machine(machine, sizeof machine);
    (void)hw_report_note(report, "net", t->label);
    (void)hw_report_note(report, "data", t->source);
    (void)hw_report_note(report, "machine", machine);
    (void)hw_report_note(report, "commit", hw_commit());
    if (t->options->own_rates) (void)hw_report_note(report, "own rates", t->options->own_rates);
    if (t->options->own_momenta) (void)hw_report_note(report, "own momenta", t->options->own_momenta);
    outcome(r, start, text, sizeof text);
    (void)hw_report_text(report, r->status == HW_OK ? text : r->message);
    if (rest_text(engine, most, text, sizeof text)) (void)hw_report_text(report, text);
    hw_status status = cli_report_run(report, "run", engine, 2, r);
    if (status == HW_OK) status = write_work(t->options->report, engine);
    if (status == HW_OK) status = ranks_report(over, report);
    if (status == HW_OK) status = layers_report(engine, report);
    if (status == HW_OK && classes->count) status = class_table_report(classes, report);
    hw_status closed = hw_report_close(report, path, sizeof path, why);
    if (status != HW_OK || closed != HW_OK)
        return cli_error(t->program, 1, closed != HW_OK ? why : hw_status_text(status));
    if (!t->options->json) printf("report: %s\n", path);
    return 0;
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

/* What the engine's callbacks see. */
typedef struct context {
    cli_progress progress;
    train_folder checkpoints;
    hw_result start; /* what a resumed run had done before; zeros in a new one */
    unsigned most;   /* workers or groups that step on their own */
    ranks over;
} context;

/* Times and rates of this part of the run, from where it goes on. */
static hw_status on_progress(void *self, const hw_progress *now)
{
    context *c = self;
    const hw_result *s = &c->start;
    hw_progress part = *now;
    part.seconds -= s->seconds;
    if (s->updates && part.seconds > 0) part.examples_per_second = (double)(now->examples - s->examples) / part.seconds;
    if (s->updates && now->updates) {
        double before = now->fraction * (double)s->updates / (double)now->updates;
        part.fraction = before < 1 ? (now->fraction - before) / (1 - before) : 1;
    }
    return cli_on_progress(&c->progress, &part);
}

static hw_status on_capture(void *self, uint64_t update, const hw_state *state)
{
    train_folder_write(&((context *)self)->checkpoints, update, state);
    return HW_OK;
}

/* Advice before the run, which estimates the curvature by itself and follows it. */
static void give_advice(const train_run *t, const hw_config *config, hw_engine *engine)
{
    char text[HW_WHY];
    hw_policy_input in;
    hw_staleness_summary shape;
    hw_histogram delays;
    bool linear = config->optimizer.rule == HW_RULE_SGD || config->optimizer.rule == HW_RULE_NESTEROV;
    if (hw_config_asynchronous(config) <= 1 || !linear || config->curvature != 0 ||
        hw_histogram_init(&delays, 256) != HW_OK)
        return;
    hw_compensation network = hw_config_compensation(config, t->objective);
    if (hw_engine_policy_input(engine, &in, &delays, &shape) == HW_OK) {
        in.learning_rate = config->optimizer.schedule.base;
        if (!(in.curvature > 0)) in.curvature = cli_curvature(t->objective, t->params);
        bool known = in.curvature > 0, stable = hw_advise_input(&network, &in, text, sizeof text);
        if (known && !stable)
            fprintf(stderr, "%s: warning: %s\n", t->program, text);
        else if (known && !t->options->quiet && !t->options->json)
            printf("advice: %s\n", text);
    }
    hw_histogram_free(&delays);
}

static void configure(const train_run *t, hw_config *config, context *c)
{
    const train_options *o = t->options;
    memset(c, 0, sizeof *c);
    cli_progress_init(&c->progress, o->json ? stderr : stdout, t->label, o->quiet || o->json, config->epochs);
    c->checkpoints = (train_folder){.program = t->program,
                                    .folder = o->checkpoint,
                                    .keep = o->keep ? o->keep : 3,
                                    .announce = !o->quiet && !o->json && !c->progress.terminal};
    c->most = hw_config_asynchronous(config);
    config->context = c;
    config->on_progress = on_progress;
    config->stop_flag = &cli_interrupted;
    config->trace = o->trace != NULL;
    if (!o->checkpoint) return;
    config->on_capture = on_capture;
    config->checkpoint_epochs = o->epochs;
    config->checkpoint_seconds = 60 * (o->minutes > 0 ? o->minutes : o->epochs > 0 ? 0 : 10);
}

static void tell_interrupt(const train_run *t, const hw_result *r, const context *c)
{
    const train_options *o = t->options;
    fprintf(stderr, "%s: interrupted: stopped after %llu updates%s\n", t->program, (unsigned long long)r->updates,
            o->save         ? "; the weights are saved"
            : o->checkpoint ? ""
                            : "; with --save FILE the weights would be kept, with --checkpoint FOLDER the run");
    const char *from = c->checkpoints.any ? o->checkpoint : o->resume;
    if (!from || !o->checkpoint) return;
    fprintf(stderr, "%s: go on with%s: ", t->program, c->over.mpi ? ", over as many ranks" : "");
    train_folder_go_on(from, t->argc, t->argv);
}

/* After the run, whatever came of it. */
static int finish(const train_run *t, const hw_config *config, hw_engine *engine, const hw_result *result,
                  const context *c)
{
    const train_options *o = t->options;
    char why[HW_WHY];
    class_table classes = {0};
    int code = result->status == HW_OK ? 0 : 1;
    (void)hw_engine_get(engine, t->params);
    if (t->class_name && code == 0 && (!o->json || o->report))
        (void)class_table_make(&classes, t->net, t->test, t->params, t->class_name);
    if (o->json) {
        (void)ranks_json(&c->over, engine, t->program, result, stdout);
        printf("\n");
    } else if (code == 0) {
        print_result(t, config, engine, result, &c->start, c->most, &classes);
        ranks_print(&c->over, stdout);
    }
    if (code != 0) (void)cli_error(t->program, 1, result->message);
    if (o->trace && code == 0) code = train_save_trace(t, engine);
    if (o->replay && code == 0) train_replay_verdict(t, engine);
    if (cli_interrupted) tell_interrupt(t, result, c);
    if (o->report && write_report(t, engine, result, &c->start, &c->over, c->most, &classes) != 0) code = 1;
    if (o->save && hw_weights_save(o->save, t->params, hw_net_parameters(t->net), why) != HW_OK)
        code = cli_error(t->program, 1, why);
    if (o->model && hw_net_save(t->net, t->params, o->model, why) != HW_OK) code = cli_error(t->program, 1, why);
    class_table_free(&classes);
    return c->checkpoints.failed ? 1 : code;
}

/* The engine is put where the checkpoint was taken. */
static int go_on(const train_run *t, hw_engine *engine, const hw_state *state, const char *path, context *c)
{
    char why[HW_WHY], text[1024 + HW_WHY];
    hw_result *start = &c->start;
    if (ranks_restore(&c->over, engine, state, why) != HW_OK) { /* the file is whole, so it is the options */
        (void)snprintf(text, sizeof text, "%.1000s%s%.250s", path, *path ? ": " : "", why); /* rank 0 has read it */
        return cli_error(t->program, 2, text);
    }
    if (c->over.async) { /* its counts are of a share */
        fprintf(t->options->json ? stderr : stdout, "%s: goes on from %s\n", t->program, path);
        return 0;
    }
    hw_engine_result(engine, start);
    fprintf(t->options->json ? stderr : stdout, "%s: goes on from %s: update %llu, epoch %.2f\n", t->program, path,
            (unsigned long long)start->updates, start->epochs);
    return 0;
}

/* Weights from a file of --save, or of --model. */
static int load(const train_run *t)
{
    char why[HW_WHY], text[1024 + HW_WHY];
    const char *path = t->options->load;
    size_t n = hw_net_parameters(t->net);
    if (hw_weights_load(path, t->params, n, why) == HW_OK) return 0;
    hw_net *net;
    float *params;
    /* What is no file of --save may be one of --model; the first reason stands where it is neither. */
    if (hw_net_load(&net, &params, path, 1, NULL) != HW_OK) return cli_error(t->program, 1, why);
    bool same = hw_net_parameters(net) == n;
    if (same) memcpy(t->params, params, n * sizeof *params);
    (void)snprintf(text, sizeof text, "%.900s: it is of a net with %zu parameters, this one has %zu", path,
                   hw_net_parameters(net), n);
    free(params);
    hw_net_free(net);
    return same ? 0 : cli_error(t->program, 1, text);
}

/* A new run from a checkpoint's weights and velocity. */
static int continue_from(const train_run *t, hw_engine *engine)
{
    char why[HW_WHY] = "", path[1024], text[1024 + HW_WHY];
    int velocity = 0;
    hw_state *state = hw_state_create();
    hw_status status = state ? hw_checkpoint_load(t->options->go_on, state, path, sizeof path, why) : HW_E_MEMORY;
    int code = status == HW_OK ? 0 : cli_error(t->program, 1, *why ? why : "no memory for a checkpoint");
    if (code == 0 && hw_engine_begin_from(engine, state, &velocity, why) != HW_OK) {
        (void)snprintf(text, sizeof text, "%.1000s: %.250s", path, why);
        code = cli_error(t->program, 2, text);
    }
    if (code == 0)
        fprintf(t->options->json ? stderr : stdout, "%s: a new run from the weights of %s, %s\n", t->program, path,
                velocity ? "with its velocity" : "with no velocity: the rule keeps none, or another one");
    hw_state_free(state);
    return code;
}

/* A new engine, or one that goes on from state. */
static int begin(const train_run *t, hw_config *config, const hw_state *state, const char *path, context *c,
                 hw_engine **engine)
{
    char why[HW_WHY];
    bool speaks = ranks_number() == 0;
    if (ranks_create(&c->over, &t->options->ranks, t->objective, config, t->params, engine, why) != HW_OK)
        return speaks ? cli_error(t->program, 2, why) : 2;
    int code = t->options->resume ? go_on(t, *engine, state, path, c) : 0;
    if (t->options->go_on) {
        code = continue_from(t, *engine);
        if (code == 0) code = hw_engine_get(*engine, t->params) == HW_OK ? 0 : 1;
    }
    if (code == 0 && !t->options->resume && !c->over.mpi) give_advice(t, config, *engine);
    if (code == 0 && t->options->checkpoint && speaks)
        code = train_folder_open(&c->checkpoints, t->identity, t->options->resume, c->start.updates);
    if (code == 0) return 0;
    hw_engine_free(*engine);
    ranks_free(&c->over);
    return code;
}

int train(const train_run *t, hw_config *config)
{
    context c;
    hw_engine *engine;
    hw_result result;
    hw_state *state = NULL;
    char path[1024] = "";
    if (t->options->advise && t->options->json)
        return cli_error(t->program, 2, "--advise prints a table, and --json one run: one of them");
    int code = cluster_prepare(t->program, t->objective, t->params, config, t->options->json ? stderr : stdout);
    if (code != 0) return code;
    if (t->options->advise) return train_advise(t, config);
    cli_catch_interrupt();
    configure(t, config, &c);
    if (t->options->resume && ranks_number() == 0) {
        state = hw_state_create();
        code = state ? train_folder_read(t->program, t->options->resume, t->identity, state, path, sizeof path)
                     : cli_error(t->program, 1, "no memory for a checkpoint");
        /* The estimate of then: another processor's would not be the same to the last bit. */
        const bool alone = !t->options->ranks.mpi; /* other ranks have not read it */
        if (code == 0 && alone && config->curvature == 0)
            config->curvature = hw_state_real(state, "config.curvature", 0);
        uint64_t *interval = &config->optimizer.schedule.interval;
        if (code == 0 && alone && t->own_interval)
            *interval = hw_state_number(state, "config.schedule.interval", *interval);
    } else if (t->options->load && !t->options->resume) {
        code = load(t);
    }
    if (code == 0) code = begin(t, config, state, path, &c, &engine);
    hw_state_free(state);
    if (code != 0) return code;
    c.progress.engine = engine;
    c.progress.workers = c.most;
    (void)ranks_run(&c.over, engine, &result);
    cli_progress_done(&c.progress);
    code = ranks_number() == 0 ? finish(t, config, engine, &result, &c) : result.status == HW_OK ? 0 : 1;
    hw_engine_free(engine);
    ranks_free(&c.over);
    return code;
}
