/* check.c - everything that a start refuses, each with its sentence. */
#include "../config/config.h"
#include "../optimizer/age.h"
#include "../optimizer/optimizer.h"
#include "../schedulers/schedulers.h"
#include "../step/own_steps.h"
#include "../step/peers.h"
#include "engine.h"
#include <string.h>

/* What replicas and blocks go with. */
static hw_status check_exchange(const hw_config *c, const hw_objective *o, const hw__scheduler *s, char *why)
{
    const hw_optimizer *r = &c->optimizer;
    bool threads = (s->flags & HW__OWN_STEPS) != 0;
    if (o->blocks && !threads)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "the objective has blocks that no two workers share: they are handed out by schedulers async "
            "and sequential only");
    if (o->blocks && (c->batch != 1 || c->trace || c->with_replacement))
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "the objective's blocks are visited example by example: config.batch must be 1, without trace "
            "and with_replacement");
    if (c->exchange_interval == 1 && c->exchanged)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.exchanged is %zu, but config.exchange_interval is 1: nothing is exchanged",
                             c->exchanged);
    if (o->raw && (!(hw__rule_of(r)->flags & HW__RULE_PLAIN) || r->momentum > 0 || r->weight_decay > 0 ||
                   r->clip_norm > 0 || c->compensation.age != HW_AGE_NONE))
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "objective '%.40s' has a rule of its own: config takes rule sgd with momentum.target 0, without "
            "weight_decay, clip_norm and age",
            o->name ? o->name : "");
    if (!hw__config_exchanges(c, o)) return HW_OK;
    if (!threads || c->trace)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.exchange_interval is for schedulers async and sequential, without a trace");
    const char *option = hw__optimizer_no_sum(r, &c->compensation);
    if (!option) return HW_OK;
    char value[32] = "";
    (void)hw_config_get(c, option, value, sizeof value);
    return hw__base_fail(
        why, HW_E_UNSUPPORTED,
        "config.exchange_interval: what replicas add up are sums, but %s is %s; adagrad, sgd without "
        "momentum (compensation none or auto) and private velocities (compensation none, fixed or user) add up",
        option, value);
}

static hw_status check_age(const hw_config *c, char *why)
{
    hw_age age = c->compensation.age;
    char name[32] = "";
    (void)hw_config_get(c, "compensation.age", name, sizeof name);
    if (age != HW_AGE_NONE && c->clock_interval != 1)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.compensation.age is %s: the age of every update is needed, so config.clock_interval "
            "must be 1, not %u",
            name, c->clock_interval);
    if (!hw__age_measured(age)) return HW_OK;
    if (!c->record)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.compensation.age is %s: it goes by the recorded staleness, and config.record is off", name);
    if (c->trace || c->simulation.clock == HW_CLOCK_REPLAY)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.compensation.age is %s: what had been measured when is not in a recorded schedule",
                             name);
    if (age == HW_AGE_TAIL && c->compensation.age_gain > 1)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.compensation.age_gain is %g: with age tail it must be in [0, 1], or old gradients "
                             "would go backwards",
                             c->compensation.age_gain);
    if (age == HW_AGE_KERNEL && c->compensation.age_gain > HW__AGE_MOST)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.compensation.age_gain is %g: with age kernel it must be in [0, %d], which no step is "
            "multiplied by more than",
            c->compensation.age_gain, HW__AGE_MOST);
    return HW_OK;
}

static hw_status check_correction(const hw_config *c, const hw_objective *o, char *why)
{
    const char *refusal = NULL;
    if (c->read != HW_READ_ATOMIC || c->write == HW_WRITE_LOCKED)
        refusal = "it looks at the parameters while others write them, so atomic reads with write add, striped or racy "
                  "are needed";
    else if (hw__config_exchanges(c, o))
        refusal = "what replicas exchange are sums of updates, not gradients";
    else if (o->raw)
        refusal = "the objective writes steps of its own, not gradients";
    if (!(c->delay_correction > 0) || !refusal) return HW_OK;
    return hw__base_fail(why, HW_E_UNSUPPORTED, "config.delay_correction is %g: %s", c->delay_correction, refusal);
}

/* What is of ranks, where there are none. */
static hw_status check_no_cluster(const hw_config *c, char *why)
{
    const hw_cluster *k = &c->cluster;
    const char *given = k->interval > 1        ? "interval"
                        : k->bound             ? "bound"
                        : k->latency > 0       ? "latency"
                        : k->bandwidth > 0     ? "bandwidth"
                        : k->work > 0          ? "work"
                        : k->per_float > 0     ? "per_float"
                        : (unsigned)k->combine ? "combine"
                                               : NULL;
    if (k->ranks || !given) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT,
                         "config.cluster.%s is given, but config.cluster.ranks is 0: it is of simulated ranks", given);
}

/* config.simulation is for schedulers of virtual time only, but for `gather` where threads do. */
static hw_status check_clock(const hw_config *c, const hw__scheduler *scheduler, char *why)
{
    const hw_simulation *s = &c->simulation;
    hw__crew crew;
    if (c->cluster.ranks)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.cluster.ranks is %u: a cluster is simulated, with scheduler simulated",
                             c->cluster.ranks);
    bool gathers = s->gather > 1 && scheduler->crew(c, &crew, NULL) == HW_OK && crew.gather == s->gather;
    if (s->clock == HW_CLOCK_ROUND_ROBIN && (s->gather <= 1 || gathers) && s->per_group <= 1 && !s->stragglers &&
        !s->delay)
        return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT,
                         "config.simulation says how simulated workers behave (clock, delay, stragglers, per_group, "
                         "gather): it goes with scheduler simulated (gather with scheduler gather, too)");
}

static hw_status check_work(const hw_config *c, const hw__scheduler *s, char *why)
{
    const hw_work *x = &c->work;
    bool law = x->law.kind != HW_CLOCK_ROUND_ROBIN;
    if (!law && !x->each && x->law.mean > 0)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.work.mean is %g, but config.work is none: there is no law of that mean",
                             x->law.mean);
    if ((law || x->each) && s->flags & HW__VIRTUAL)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.work is for threads: simulated workers have a clock of their own (config.clock)");
    for (unsigned i = 0; i < (x->each ? c->workers : law); i++) {
        const hw_clock *k = x->each ? x->each + i : &x->law;
        if (!hw__timeline_clock_of_work(k->kind))
            return hw__base_fail(why, HW_E_ARGUMENT, "config.work.each[%u] is no law of work times", i);
        hw_status status = hw__timeline_check_clock(k, x->each ? "work.each " : "work of worker ", i, why);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static hw_status check_workers(const hw_config *c, const hw_objective *o, const hw__scheduler *s, unsigned threads,
                               char *why)
{
    if (!(s->flags & HW__VIRTUAL) && c->workers > HW_MAX_WORKERS)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.workers is %u: at most %d threads; more are for scheduler simulated", c->workers,
                             HW_MAX_WORKERS);
    if (o->blas && threads > hw__blas_limit())
        return hw__base_fail(why, HW_E_LIMIT,
                             "config.workers asks for %u threads: this OpenBLAS was built for %u at once and crashes "
                             "beyond them",
                             threads, hw__blas_limit());
    if (c->pin && !hw__pin_possible())
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.pin is on, but this build cannot pin: it has no hwloc, or this is not Linux");
    return HW_OK;
}

/* All parameters, in their order. */
static hw_status check_layers(const hw_config *c, const hw_objective *o, const hw__scheduler *s, char *why)
{
    size_t at = 0;
    if (!o->layers && o->layer_count)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective: layer_count is %zu, but layers is NULL", o->layer_count);
    for (size_t l = 0; o->layers && l < o->layer_count; at += o->layers[l++].count)
        if (o->layers[l].first != at || o->layers[l].count < 1 || o->layers[l].count > o->parameters - at ||
            !(o->layers[l].held > 0 && o->layers[l].held <= 1) ||
            !memchr(o->layers[l].name, 0, sizeof o->layers[l].name))
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "objective: layer %zu ('%.40s') is %zu parameters from %zu on, held for %g of a step: "
                                 "layers follow each other from 0 on, each with a share in (0, 1] and a name that ends",
                                 l, o->layers[l].name, o->layers[l].count, o->layers[l].first, o->layers[l].held);
    for (size_t l = 1; l < o->layer_count; l++)
        for (size_t k = 0; k < l; k++)
            if (strcmp(o->layers[l].name, o->layers[k].name) == 0)
                return hw__base_fail(why, HW_E_ARGUMENT, "objective: layers %zu and %zu are both called '%.47s'", k, l,
                                     o->layers[l].name);
    if (o->layers && at != o->parameters)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective: the layers have %zu of %zu parameters", at, o->parameters);
    const char *refusal = c->layers == HW_LAYERS_EACH ? hw__layers_refusal(c, o, s) : NULL;
    if (!refusal) return HW_OK;
    return hw__base_fail(why, HW_E_UNSUPPORTED, "config.layers is each: %s", refusal);
}

hw_status hw__engine_check(const hw_config *c, const hw_objective *o, const hw__scheduler *s, char *why)
{
    hw_status status = hw__options_check(c, why);
    if (status != HW_OK) return status;
    hw__crew crew;
    status = check_no_cluster(c, why);
    if (status == HW_OK && !(s->flags & HW__VIRTUAL)) status = check_clock(c, s, why);
    if (status == HW_OK) status = check_work(c, s, why);
    if (status == HW_OK && s->check) status = s->check(c, o, why);
    if (status == HW_OK) status = s->crew(c, &crew, why);
    if (status == HW_OK) status = check_workers(c, o, s, crew.threads, why);
    if (status == HW_OK) status = hw__own_steps_check(c, o, &crew, why);
    if (status == HW_OK) status = hw__peers_check(c, o, s, crew.share, why);
    if (status != HW_OK) return status;
    if ((o->step == NULL) == (o->loss_gradient == NULL))
        return hw__base_fail(why, HW_E_ARGUMENT, "objective '%.40s': exactly one of step and loss_gradient must be set",
                             o->name ? o->name : "");
    if (o->parameters < 1 || o->parameters > UINT32_MAX)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective '%.40s': parameters is %zu: it must be in [1, 2^32)",
                             o->name ? o->name : "", o->parameters);
    if (o->metrics < 1 || o->metrics > HW_METRICS)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective: metrics is %u: it must be in [1, %d]", o->metrics,
                             HW_METRICS);
    if (o->evaluate && o->evaluation_examples < 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective: evaluate is set, but evaluation_examples is 0");
    if (o->examples == 0 && c->updates == 0 && c->epochs > 0)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.epochs is %g: a stream (objective.examples = 0) has no epochs; set "
                             "config.epochs to 0 and stop by updates, seconds or target",
                             c->epochs);
    status = check_exchange(c, o, s, why);
    if (status != HW_OK) return status;
    status = check_age(c, why);
    if (status == HW_OK) status = check_correction(c, o, why);
    if (status != HW_OK) return status;
    if (c->trace && c->clock_interval != 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.trace needs the exact clock: config.clock_interval 1");
    const unsigned share = crew.share * hw__peers_splitting(c);
    uint64_t batch = (uint64_t)c->batch * (c->batch_per_worker ? share : 1), part = (batch + share - 1) / share;
    if (batch > UINT32_MAX || (o->examples && batch > o->examples))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.batch asks for %llu examples an update, but the objective has %u",
                             (unsigned long long)batch, o->examples);
    if (o->batch_limit && part > o->batch_limit)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.batch gives a thread %llu examples at once, but the objective's scratch "
                             "is planned for %u",
                             (unsigned long long)part, o->batch_limit);
    if (c->target != 0 && (!o->evaluate || (unsigned)c->target_metric >= o->metrics))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.target_metric is %d: the objective evaluates %u metrics",
                             c->target_metric, o->evaluate ? o->metrics : 0);
    if (c->linear_bins & (c->linear_bins - 1))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.linear_bins is %u: it must be a power of two", c->linear_bins);
    if (!hw__allocator_whole(c->allocator))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.allocator: allocate and release are both needed");
    if (c->on_update && c->on_update_every < 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.on_update_every is 0: it must be at least 1");
    bool captures = c->on_checkpoint || c->on_capture;
    if (c->on_checkpoint && c->on_capture)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.on_checkpoint and config.on_capture are both set: one is enough");
    if (!captures && (c->checkpoint_every || c->checkpoint_epochs > 0 || c->checkpoint_seconds > 0))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.checkpoint_%s is set, but config.on_checkpoint is NULL, and so is on_capture: "
                             "there is nobody to take the state",
                             c->checkpoint_every        ? "every"
                             : c->checkpoint_epochs > 0 ? "epochs"
                                                        : "seconds");
    if (captures && c->trace)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.trace and config.on_checkpoint: a recorded schedule is of one whole run and is not in a "
            "state");
    status = hw__tensors_check(o, why);
    if (status == HW_OK) status = check_layers(c, o, s, why);
    if (status != HW_OK) return status;
    hw_params_config params = hw__config_params(c, o, crew.writers);
    status = hw_params_check(&params, why);
    return status == HW_OK ? hw__optimizer_check(&c->optimizer, &c->compensation, o->parameters, why) : status;
}

/* A measured step takes as long as some ten of a sweep; but every worker takes so many tickets at once. */
static unsigned chosen_clock(const hw_config *c, const hw_objective *o, const hw__scheduler *s)
{
    enum { MOST = 512, LEAST = 16 };
    bool exact = c->trace || c->compensation.age != HW_AGE_NONE || c->delay_correction > 0;
    if (exact || !o->touched || !(s->flags & HW__OWN_STEPS) || c->write == HW_WRITE_LOCKED ||
        c->read == HW_READ_CONSISTENT)
        return 1;
    bool sweeps = o->sweep && c->sweep && c->batch == 1 && o->examples;
    unsigned interval = sweeps ? MOST : 64;
    /* What is due is looked at where a step is measured: so is what enters the mean. */
    while (sweeps && interval > LEAST && c->average_every && interval > c->average_every) interval /= 2;
    while (sweeps && interval > LEAST && (uint64_t)interval * 16 * c->workers > o->examples) interval /= 2;
    while (interval > 1 && c->peers && c->peers->often && interval > c->peers->often) interval /= 2;
    return interval;
}

hw_status hw__engine_adopt(const hw_config *config, const hw_objective *objective, hw_config *c, hw_objective *o,
                           char *why)
{
    hw_status status = hw__config_adopt(config, c, why);
    if (status == HW_OK && c->least_workers == 0) c->least_workers = 2;
    if (status == HW_OK) status = hw__objective_adopt(objective, o, why);
    if (status != HW_OK) return status;
    const hw__scheduler *s = hw__scheduler_of(c, o);
    if (c->clock_interval == 0 && s) c->clock_interval = chosen_clock(c, o, s);
    return hw__engine_check(c, o, s, why);
}

hw_status hw_config_check(const hw_config *config, const hw_objective *objective, char *why)
{
    hw_config c;
    hw_objective o;
    return hw__engine_adopt(config, objective, &c, &o, why);
}

unsigned hw_config_asynchronous(const hw_config *c)
{
    hw_objective none = {.struct_size = sizeof none};
    hw_config all;
    hw__crew crew;
    if (hw__config_adopt(c, &all, NULL) != HW_OK) return 0;
    const hw__scheduler *s = hw__scheduler_of(&all, &none);
    return s && s->crew(&all, &crew, NULL) == HW_OK ? crew.slots : 0;
}

hw_compensation hw_config_compensation(const hw_config *c, const hw_objective *o)
{
    hw_compensation all = c->compensation;
    if (all.margin == 0) all.margin = o->network ? 2 : 0.7;
    return all;
}
