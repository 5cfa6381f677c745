/* schedule.c - what is known of a schedule before a run: files of recorded ones and of delays, steps of each one's own,
 * and the advice on what the asynchrony will do. */
#include "train.h"
#include <math.h>
#include <stdlib.h>
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
    if (o->delays && config->simulation.clock != HW_CLOCK_HISTOGRAM && config->simulation.clock != HW_CLOCK_RECORDED)
        return "--delays goes with --scheduler simulated and --clock histogram or recorded (--help lists the options)";
    if (!o->checkpoint && (o->minutes > 0 || o->epochs > 0 || o->keep))
        return "--checkpoint-minutes, --checkpoint-epochs and --keep go with --checkpoint FOLDER";
    if ((o->checkpoint && !*o->checkpoint) || (o->resume && !*o->resume))
        return "--checkpoint and --resume need a name";
    if ((o->load != NULL) + (o->go_on != NULL) + (o->resume != NULL) > 1)
        return "--load, --continue and --resume: a run begins or goes on at one place";
    if (o->advise && (o->own_rates || o->own_momenta))
        return "--advise is of steps that all take alike: without --own-rates and --own-momenta";
    if (o->trace && (o->checkpoint || o->resume))
        return "--trace does not go with --checkpoint or --resume: a recorded schedule is of one whole run";
    return NULL;
}

static int prepare_own(const char *program, const train_options *o, hw_config *config, hw_own_step **own)
{
    char why[HW_WHY];
    const size_t n = hw_config_asynchronous(config);
    const hw_simulation *s = &config->simulation;
    if ((!o->own_rates && !o->own_momenta) || !n) return 0; /* what is none to run is refused elsewhere */
    if (config->scheduler == HW_GATHER || s->gather > 1 || s->clock == HW_CLOCK_DELAY || s->clock == HW_CLOCK_HISTOGRAM)
        return cli_error(program, 2,
                         "--own-rates and --own-momenta are of workers that land on their own: not with gathering, or "
                         "clocks delay and histogram");
    *own = malloc(n * sizeof **own);
    double *x = malloc(n * sizeof *x);
    int code = *own && x ? 0 : cli_error(program, 1, "no memory");
    for (size_t i = 0; i < n && code == 0; i++) (*own)[i] = (hw_own_step){1, NAN};
    for (int momenta = 0; momenta < 2 && code == 0; momenta++) {
        const char *list = momenta ? o->own_momenta : o->own_rates, *flag = momenta ? "--own-momenta" : "--own-rates";
        const size_t count = list ? cli_numbers(list, x, n) : 0;
        if (list && count == 0)
            (void)snprintf(why, sizeof why, "%s %.60s: numbers with commas between them are needed", flag, list);
        else if (list && count != n)
            (void)snprintf(why, sizeof why, "%s: %zu given, but %zu land on their own: one number for each", flag,
                           count, n);
        if (list && count != n) code = cli_error(program, 2, why);
        for (size_t i = 0; i < n && list && code == 0; i++) *(momenta ? &(*own)[i].momentum : &(*own)[i].rate) = x[i];
    }
    free(x);
    if (code != 0) return code;
    config->own_steps = *own;
    config->n_own_steps = n;
    return 0;
}

int train_prepare(const char *program, const train_options *o, hw_config *config, train_schedule *schedule)
{
    char why[HW_WHY];
    memset(schedule, 0, sizeof *schedule);
    if (config->scheduler == HW_SEQUENTIAL) config->workers = 1;
    const char *wrong = contradiction(o, config);
    if (wrong) return cli_error(program, 2, wrong);
    if (!cli_can_write(program, o->save) || !cli_can_write(program, o->model) || !cli_can_write(program, o->trace) ||
        !cli_can_fill(program, o->report))
        return 1;
    if (o->delays) {
        if (hw_histogram_load(&schedule->delays, config->exact, o->delays, why) != HW_OK)
            return cli_error(program, 1, why);
        config->simulation.delays = &schedule->delays;
    }
    int code = o->replay ? prepare_replay(program, o->replay, config, &schedule->trace) : 0;
    return code == 0 ? prepare_own(program, o, config, &schedule->own) : code;
}

void train_schedule_close(train_schedule *schedule)
{
    hw_trace_free(schedule->trace);
    hw_histogram_free(&schedule->delays);
    free(schedule->own);
}

/* Of whole steps; layers: of those that go layer by layer, or the same. */
static void print_head(const hw_policy_input *in, const hw_policy_input *layers, double margin)
{
    const hw_histogram *h = in->staleness;
    printf("%u worker%s", in->workers, in->workers == 1 ? "" : "s");
    if (h && !in->shape)
        printf(", delays drawn from the histogram, mean %.1f", h->sum / (double)h->total);
    else if (!h && in->workers > 1)
        printf(", taken as a fixed delay of %u (round robin, and threads with steps of constant cost, are near it)",
               in->workers - 1);
    if (layers->shape)
        printf("%slayer by layer: delays of %.2f on average along the largest curvature", h ? ", " : "; under auto ",
               layers->staleness->sum / (double)layers->staleness->total);
    printf(", curvature %.3g; bounds are ", in->curvature);
    if (margin > 1)
        printf("%g times the linear ones\n", margin);
    else
        printf("linear\n");
}

static void print_limits(const hw_policy_input *in, double margin)
{
    double step = in->learning_rate * in->curvature / margin, momentum = hw_advise_momentum(step, in->workers, 0);
    unsigned most = hw_advise_workers(step, in->momentum, 0);
    printf("at this learning rate without compensation, whole steps: at most %u worker%s for momentum %g, ", most,
           most == 1 ? "" : "s", in->momentum);
    if (momentum >= 0)
        printf("momentum at most %.3f for %u workers\n", momentum, in->workers);
    else
        printf("not even momentum 0 for %u workers\n", in->workers);
}

static unsigned least_of(const hw_config *config)
{
    return config->least_workers ? config->least_workers : 2;
}

int train_advise(const train_run *r, const hw_config *config)
{
    char why[HW_WHY];
    hw_engine *engine;
    hw_policy_input in;
    hw_staleness_summary shape;
    hw_histogram delays;
    if (hw_engine_create(&engine, r->objective, config, r->params, why) != HW_OK) return cli_error(r->program, 2, why);
    int code = 1;
    if (hw_histogram_init(&delays, 256) == HW_OK && hw_engine_policy_input(engine, &in, &delays, &shape) == HW_OK) {
        in.learning_rate = config->optimizer.schedule.base;
        if (!(in.curvature > 0)) in.curvature = cli_curvature(r->objective, r->params);
        hw_policy_input whole = in;
        if (config->layers == HW_LAYERS_AUTO) {
            whole.staleness = NULL;
            whole.shape = NULL;
        }
        if (config->scheduler == HW_SIMULATED && config->simulation.clock == HW_CLOCK_HISTOGRAM) {
            whole.staleness = config->simulation.delays;
            whole.shape = NULL;
            in = whole;
        }
        const hw_compensation as_run = hw_config_compensation(config, r->objective);
        double margin = as_run.margin > 1 ? as_run.margin : 1;
        char rule[32];
        if (config->optimizer.rule != HW_RULE_SGD && hw_config_get(config, "rule", rule, sizeof rule) == HW_OK)
            printf("rule %s: what follows is of sgd with momentum, which is as near as the theory comes\n", rule);
        print_head(&whole, &in, margin);
        code = hw_advise_print_layers(&as_run, &whole, &in, stdout) == HW_OK ? 0 : 1;
        bool plain = !whole.staleness && config->compensation.age == HW_AGE_NONE && in.workers > 1;
        if (plain) print_limits(&whole, margin);
        bool rests = config->compensation.policy == HW_POLICY_AUTO && in.workers > least_of(config) &&
                     (config->optimizer.rule == HW_RULE_SGD || config->optimizer.rule == HW_RULE_NESTEROV);
        if (rests)
            printf("under auto a run begins and ends with %u of them, and more join in where that is stable: its row "
                   "is of all\n",
                   least_of(config));
        if (in.workers > 1 && config->batch >= 2 * in.workers)
            printf(
                "as many examples in flight as one worker has: --batch %u --learning-rate %g, the momentum as it is%s "
                "(a minibatch that is too small costs speed)\n",
                config->batch / in.workers, in.learning_rate / in.workers,
                config->updates || config->optimizer.schedule.kind != HW_SCHEDULE_CONSTANT
                    ? ", and what counts updates (--updates, the schedule's --interval; its --gamma is divided) times "
                      "the "
                      "number of workers"
                    : "");
    }
    if (code != 0) (void)cli_error(r->program, 1, "the advice could not be given");
    hw_histogram_free(&delays);
    hw_engine_free(engine);
    return code;
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
    hw_result result;
    hw_trace_describe(r->schedule->trace, &info);
    hw_engine_result(engine, &result);
    (void)hw_engine_get(engine, r->params);
    if (result.updates < info.updates)
        fprintf(stderr,
                "%s: the replay ended at update %llu of %llu that were recorded: there is nothing to compare with\n",
                r->program, (unsigned long long)result.updates, (unsigned long long)info.updates);
    else if (hw_trace_matches(r->schedule->trace, r->params, hw_net_parameters(r->net)))
        fprintf(stderr, "%s: the replay ended with the recorded run's parameters, bit for bit\n", r->program);
    else
        fprintf(stderr, "%s: the replay reproduced the staleness, not the parameters: %s\n", r->program,
                info.bit_equal ? "they should have been equal: other data, or another processor, BLAS or library"
                               : info.why_not);
}
