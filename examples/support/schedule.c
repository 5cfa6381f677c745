/* schedule.c - what is known of a schedule before a run: files of recorded ones and of delays, and the advice on
 * what the asynchrony will do. */
#include "train.h"
#include <string.h>

/* Load a trace and turn the configuration into its replay. */
static int prepare_replay(const char *program, const char *path, hw_config *config, hw_trace **trace)
{
    char why[HW_WHY];
    hw_trace_info info;
    if (hw_trace_load(trace, path, why) != HW_OK) return cli_error(program, 1, why);
    hw_trace_describe(*trace, &info);
    config->scheduler = HW_SIMULATED;
    config->workers = info.workers * info.per_group;
    config->simulation.clock = HW_CLOCK_REPLAY;
    config->simulation.per_group = info.per_group;
    config->simulation.trace = *trace;
    return 0;
}

/* The sentence on options that do not go together, or NULL. */
static const char *contradiction(const train_options *o, const hw_config *config)
{
    if (o->delays && config->simulation.clock != HW_CLOCK_HISTOGRAM)
        return "--delays goes with --scheduler simulated --clock histogram (--help lists the options)";
    if (!o->checkpoint && (o->minutes > 0 || o->epochs > 0 || o->keep))
        return "--checkpoint-minutes, --checkpoint-epochs and --keep go with --checkpoint FOLDER";
    if ((o->checkpoint && !*o->checkpoint) || (o->resume && !*o->resume))
        return "--checkpoint and --resume need a name";
    if ((o->load != NULL) + (o->go_on != NULL) + (o->resume != NULL) > 1)
        return "--load, --continue and --resume: a run begins or goes on at one place";
    if (o->trace && (o->checkpoint || o->resume))
        return "--trace does not go with --checkpoint or --resume: a recorded schedule is of one whole run";
    return NULL;
}

int train_prepare(const char *program, const train_options *o, hw_config *config, train_schedule *schedule)
{
    char why[HW_WHY];
    memset(schedule, 0, sizeof *schedule);
    if (config->scheduler == HW_SEQUENTIAL) config->workers = 1;
    const char *wrong = contradiction(o, config);
    if (wrong) return cli_error(program, 2, wrong);
    if (!cli_can_write(program, o->save) || !cli_can_write(program, o->model) || !cli_can_write(program, o->trace))
        return 1;
    if (o->delays) {
        if (hw_histogram_load(&schedule->delays, config->exact, o->delays, why) != HW_OK)
            return cli_error(program, 1, why);
        config->simulation.delays = &schedule->delays;
    }
    return o->replay ? prepare_replay(program, o->replay, config, &schedule->trace) : 0;
}

void train_schedule_close(train_schedule *schedule)
{
    hw_trace_free(schedule->trace);
    hw_histogram_free(&schedule->delays);
}

int train_advise(const train_run *r, const hw_config *config)
{
    char why[HW_WHY];
    if (hw_config_check(config, r->objective, why) != HW_OK) return cli_error(r->program, 2, why);
    bool drawn = config->scheduler == HW_SIMULATED && config->simulation.clock == HW_CLOCK_HISTOGRAM;
    hw_policy_input in = {0,
                          hw_config_asynchronous(config),
                          config->optimizer.momentum,
                          config->optimizer.schedule.base,
                          config->curvature > 0 ? config->curvature : cli_curvature(r->objective, r->params),
                          drawn ? config->simulation.delays : NULL,
                          NULL};
    if (drawn)
        printf("delays drawn from the histogram, mean %.1f", in.staleness->sum / (double)in.staleness->total);
    else
        printf("%u workers, taken as a fixed delay of %u (round robin, and threads with steps of constant cost, are "
               "near it)",
               in.workers, in.workers - 1);
    printf(", curvature %.3g; bounds are linear, networks train at up to twice that\n", in.curvature);
    if (hw_advise_print(&config->compensation, &in, stdout) != HW_OK) return 1;
    double step = in.learning_rate * in.curvature;
    printf(
        "at this learning rate without compensation: at most %u workers for momentum %g, momentum at most %.3f for %u "
        "workers\n",
        hw_advise_workers(step, in.momentum, 0), in.momentum, hw_advise_momentum(step, in.workers, 0), in.workers);
    return 0;
}

int train_save_trace(const train_run *r, hw_engine *engine)
{
    char why[HW_WHY];
    hw_trace *trace;
    hw_trace_info info;
    const char *path = r->options->trace;
    hw_status status = hw_engine_trace(engine, &trace, why);
    if (status != HW_OK) return cli_error(r->program, 1, why);
    status = hw_trace_save(trace, path, why);
    hw_trace_describe(trace, &info);
    hw_trace_free(trace);
    if (status != HW_OK) return cli_error(r->program, 1, why);
    fprintf(stderr, "%s: %s: %llu updates, %.2f bytes each; a replay reproduces %s%s%s\n", r->program, path,
            (unsigned long long)info.updates, (double)info.bytes / (double)info.updates,
            info.bit_equal ? "the parameters bit for bit" : "the staleness (", info.why_not, info.bit_equal ? "" : ")");
    return 0;
}

void train_replay_verdict(const train_run *r, hw_engine *engine)
{
    hw_trace_info info;
    hw_trace_describe(r->schedule->trace, &info);
    (void)hw_engine_get(engine, r->params);
    if (hw_trace_matches(r->schedule->trace, r->params, hw_net_parameters(r->net)))
        fprintf(stderr, "%s: the replay ended with the recorded run's parameters, bit for bit\n", r->program);
    else
        fprintf(stderr, "%s: the replay reproduced the staleness, not the parameters: %s\n", r->program,
                info.bit_equal ? "they should have been equal: another processor, BLAS or library" : info.why_not);
}
