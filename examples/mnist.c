/* mnist.c - trains LeNet on MNIST (or generated digits) with any scheduler, policy and rule of the library. */
#include "common_cli.h"
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *data, *report, *save, *trace, *replay, *delays;
    bool quiet, json, summary, caffe, advise;
    unsigned images;
} options;

static const cli_option own[] = {
    {"--data", "FOLDER",
     "where the four MNIST files are (else $HOGWILD_DATA, the user's data folder, generated digits)", CLI_TEXT,
     offsetof(options, data), 0, 0},
    {"--images", "N", "train on the first N images; generated digits: how many (60000; 1000 to 60000)", CLI_WHOLE,
     offsetof(options, images), 1000, 60000},
    {"--report", "FOLDER", "write an HTML report, CSV and JSON lines there", CLI_TEXT, offsetof(options, report), 0, 0},
    {"--save", "FILE", "write the weights there", CLI_TEXT, offsetof(options, save), 0, 0},
    {"--trace", "FILE", "record the schedule (who read and landed when) there", CLI_TEXT, offsetof(options, trace), 0,
     0},
    {"--replay", "FILE", "replay a recorded schedule: the same options as the recorded run, but for the scheduler",
     CLI_TEXT, offsetof(options, replay), 0, 0},
    {"--delays", "FILE", "clock histogram: draw the delays from this CSV (low,high,count), as reports write it",
     CLI_TEXT, offsetof(options, delays), 0, 0},
    {"--advise", NULL, "print how every policy would set this run up, and whether that is stable; train nothing",
     CLI_SWITCH, offsetof(options, advise), 0, 0},
    {"--caffe", NULL, "Caffe's solver: batch 64, inv(1e-4, 0.75), weight decay 5e-4, biases at twice the rate",
     CLI_SWITCH, offsetof(options, caffe), 0, 0},
    {"--summary", NULL, "print the network's layers", CLI_SWITCH, offsetof(options, summary), 0, 0},
    {"--quiet", NULL, "no progress, no histogram", CLI_SWITCH, offsetof(options, quiet), 0, 0},
    {"--json", NULL, "print the run as one JSON object and nothing else", CLI_SWITCH, offsetof(options, json), 0, 0},
};

static const char *const engine_flags[] = {
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
    "--curvature=curvature",
    "--evaluate-epochs=evaluate_epochs",
    "--on-nan=on_nan",
    "--divergence=divergence",
    "--pin=pin",
    "--path=path",
    "--with-replacement=with_replacement",
};

static void print_result(hw_engine *engine, const hw_result *r, const options *o)
{
    char verdict[256];
    printf("test %.2f %%  loss %.4f  %llu updates in %.1f s  %.0f img/s  policy in force: %s\n",
           100 * r->last.metric[1], r->last.metric[0], (unsigned long long)r->updates, r->seconds,
           (double)r->examples / r->seconds, r->setting.reason);
    if (isfinite(r->seconds_to_target))
        printf("target met after %.1f s, %llu updates\n", r->seconds_to_target,
               (unsigned long long)r->updates_to_target);
    if (r->shape.largest == 0 || o->quiet) return;
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(engine);
    if (hw_histogram_init(&h, hw_staleness_exact(s)) != HW_OK) return;
    hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
    printf("staleness: mean %.2f, variance %.2f, dispersion %.2f (1 would be the queue model, 0 a fixed delay)\n",
           r->shape.mean, r->shape.variance, r->shape.dispersion);
    (void)hw_histogram_text(&h, stdout, 12, 1);
    hw_histogram_free(&h);
    hw_shape_verdict(&r->shape, verdict, sizeof verdict);
    printf("verdict: %s\n", verdict);
}

static int write_report(const options *o, hw_engine *engine, const hw_result *r, const cli_digits *digits)
{
    hw_report *report;
    char why[HW_WHY], path[1024], machine[160];
    if (hw_report_open(&report, o->report, "mnist: one run", why) != HW_OK) return cli_error("mnist", 1, why);
    cli_machine(machine, sizeof machine);
    (void)hw_report_note(report, "data", digits->source);
    (void)hw_report_note(report, "machine", machine);
    (void)hw_report_note(report, "commit", hw_commit());
    if (r->message[0]) (void)hw_report_text(report, r->message);
    hw_status status = cli_report_run(report, "run", engine, 2, r);
    hw_status closed = hw_report_close(report, path, sizeof path, why);
    if (status != HW_OK || closed != HW_OK)
        return cli_error("mnist", 1, closed != HW_OK ? why : hw_status_text(status));
    if (!o->json) printf("report: %s\n", path);
    return 0;
}

/* M of the formulas. */
static unsigned asynchronous(const hw_config *c)
{
    switch (c->scheduler) {
    case HW_SEQUENTIAL:
    case HW_SYNC: return 1;
    case HW_GROUPS: return c->groups;
    case HW_SIMULATED:
        if (c->simulation.clock == HW_CLOCK_HISTOGRAM && c->simulation.delays && c->simulation.delays->total)
            return 1 + (unsigned)(c->simulation.delays->sum / (double)c->simulation.delays->total + 0.5);
        return c->simulation.clock == HW_CLOCK_DELAY ? c->simulation.delay + 1 : c->workers / c->simulation.per_group;
    default: return c->workers;
    }
}

static int advise(const hw_config *config, const cli_lenet *l)
{
    char why[HW_WHY];
    if (hw_config_check(config, &l->objective, why) != HW_OK) return cli_error("mnist", 2, why);
    bool drawn = config->scheduler == HW_SIMULATED && config->simulation.clock == HW_CLOCK_HISTOGRAM;
    hw_policy_input in = {0,
                          asynchronous(config),
                          config->optimizer.momentum,
                          config->optimizer.schedule.base,
                          config->curvature > 0 ? config->curvature : cli_curvature(&l->objective, l->params),
                          drawn ? config->simulation.delays : NULL,
                          NULL};
    if (drawn)
        printf("delays drawn from the histogram, mean %.1f", in.staleness->sum / (double)in.staleness->total);
    else
        printf("%u workers, taken as a fixed delay of %u (threads and round robin are near it)", in.workers,
               in.workers - 1);
    printf(", curvature %.3g; bounds are linear, networks train at up to twice that\n", in.curvature);
    if (hw_advise_print(&config->compensation, &in, stdout) != HW_OK) return 1;
    double step = in.learning_rate * in.curvature;
    printf(
        "at this learning rate without compensation: at most %u workers for momentum %g, momentum at most %.3f for %u "
        "workers\n",
        hw_advise_workers(step, in.momentum, 0), in.momentum, hw_advise_momentum(step, in.workers, 0), in.workers);
    return 0;
}

/* The schedule of the run that has just ended, into a file. */
static int save_trace(hw_engine *engine, const char *path)
{
    char why[HW_WHY];
    hw_trace *trace;
    hw_trace_info info;
    hw_status status = hw_engine_trace(engine, &trace, why);
    if (status == HW_OK) status = hw_trace_save(trace, path, why);
    if (status != HW_OK) {
        hw_trace_free(trace);
        return cli_error("mnist", 1, why);
    }
    hw_trace_describe(trace, &info);
    fprintf(stderr, "mnist: %s: %llu updates, %.2f bytes each; a replay reproduces %s%s%s\n", path,
            (unsigned long long)info.updates, (double)info.bytes / (double)info.updates,
            info.bit_equal ? "the parameters bit for bit" : "the staleness (", info.why_not, info.bit_equal ? "" : ")");
    hw_trace_free(trace);
    return 0;
}

/* Load a trace and turn the configuration into its replay. */
static int prepare_replay(const char *path, hw_config *config, hw_trace **trace)
{
    char why[HW_WHY];
    hw_trace_info info;
    if (hw_trace_load(trace, path, why) != HW_OK) return cli_error("mnist", 1, why);
    hw_trace_describe(*trace, &info);
    config->scheduler = HW_SIMULATED;
    config->workers = info.workers * info.per_group;
    config->simulation.clock = HW_CLOCK_REPLAY;
    config->simulation.per_group = info.per_group;
    config->simulation.trace = *trace;
    return 0;
}

static void replay_verdict(const hw_trace *trace, hw_engine *engine, const cli_lenet *l)
{
    hw_trace_info info;
    hw_trace_describe(trace, &info);
    (void)hw_engine_get(engine, l->params);
    if (hw_trace_matches(trace, l->params, hw_net_parameters(l->net)))
        fprintf(stderr, "mnist: the replay ended with the recorded run's parameters, bit for bit\n");
    else
        fprintf(stderr, "mnist: the replay reproduced the staleness, not the parameters: %s\n",
                info.bit_equal ? "they should have been equal: another processor, BLAS or library" : info.why_not);
}

static int run(const options *o, hw_config *config, cli_lenet *l, const hw_trace *trace)
{
    char why[HW_WHY];
    hw_engine *engine;
    hw_section sections[8];
    cli_progress progress;
    if (o->caffe) cli_caffe_solver(l->net, config, sections);
    cli_progress_init(&progress, o->json ? stderr : stdout, "LeNet", o->quiet || o->json, config->epochs);
    config->context = &progress;
    config->on_progress = cli_on_progress;
    config->stop_flag = &cli_interrupted;
    unsigned m = asynchronous(config);
    config->trace = o->trace != NULL;
    bool linear = config->optimizer.rule == HW_RULE_SGD || config->optimizer.rule == HW_RULE_NESTEROV;
    if (m > 1 && linear && config->curvature == 0 && hw_config_check(config, &l->objective, why) == HW_OK) {
        /* Advice before the run; policy auto uses the same estimate. */
        hw_compensation network = config->compensation;
        if (network.margin == 0) network.margin = 2;
        double curvature = cli_curvature(&l->objective, l->params);
        if (!config->optimizer.n_sections) config->curvature = curvature; /* else the engine weighs the sections */
        int stable = hw_advise_run(&network, config->optimizer.momentum, config->optimizer.schedule.base, m, curvature,
                                   why, sizeof why);
        if (!stable)
            fprintf(stderr, "mnist: warning: %s\n", why);
        else if (!o->quiet && !o->json)
            printf("advice: %s\n", why);
    }
    if (hw_engine_create(&engine, &l->objective, config, l->params, why) != HW_OK) return cli_error("mnist", 2, why);
    hw_result result;
    cli_catch_interrupt();
    hw_status status = hw_engine_run(engine, &result);
    cli_progress_done(&progress);
    if (o->json) {
        (void)hw_run_json(engine, "mnist", &result, stdout);
        printf("\n");
    } else if (status == HW_OK) {
        print_result(engine, &result, o);
    }
    int code = status == HW_OK ? 0 : cli_error("mnist", 1, result.message);
    if (o->trace && status == HW_OK) code = save_trace(engine, o->trace);
    if (trace && status == HW_OK) replay_verdict(trace, engine, l);
    if (cli_interrupted)
        fprintf(stderr, "mnist: interrupted: stopped after %llu updates%s\n", (unsigned long long)result.updates,
                o->save ? "; the weights are saved" : "; with --save FILE the weights would be kept");
    (void)hw_engine_get(engine, l->params);
    if (o->report && write_report(o, engine, &result, &l->digits) != 0) code = 1;
    if (o->save && hw_weights_save(o->save, l->params, hw_net_parameters(l->net), why) != HW_OK)
        code = cli_error("mnist", 1, why);
    hw_engine_free(engine);
    return code;
}

int main(int argc, char **argv)
{
    options o = {.images = 60000};
    hw_config config = hw_config_defaults();
    config.batch = 64;
    config.optimizer.weight_decay = 5e-4;
    config.keep_every = 20;
    cli c = {"mnist",      "LeNet on MNIST, HOGWILD! style",           own,    sizeof own / sizeof *own, NULL, &o,
             engine_flags, sizeof engine_flags / sizeof *engine_flags, &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (config.scheduler == HW_SEQUENTIAL) config.workers = 1;
    if (o.delays && config.simulation.clock != HW_CLOCK_HISTOGRAM)
        return cli_error("mnist", 2,
                         "--delays goes with --scheduler simulated --clock histogram (--help lists the options)");
    cli_lenet lenet;
    code = cli_lenet_open("mnist", o.data, o.images, config.batch, &lenet);
    if (code != 0) return code;
    if (!o.json) printf("mnist: LeNet on %s\n", lenet.digits.source);
    if (o.summary) (void)hw_net_summary(lenet.net, stdout);
    hw_net_init(lenet.net, config.seed, lenet.params);
    hw_trace *trace = NULL;
    hw_histogram delays = {0};
    if (o.delays) {
        char why[HW_WHY];
        if (hw_histogram_load(&delays, config.exact, o.delays, why) != HW_OK) code = cli_error("mnist", 1, why);
        config.simulation.delays = &delays;
    }
    if (code == 0 && o.replay) code = prepare_replay(o.replay, &config, &trace);
    if (code == 0) code = o.advise ? advise(&config, &lenet) : run(&o, &config, &lenet, trace);
    hw_trace_free(trace);
    hw_histogram_free(&delays);
    cli_lenet_close(&lenet);
    return code;
}
