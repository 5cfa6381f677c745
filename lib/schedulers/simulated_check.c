/* simulated_check.c - SIMULATED: what it refuses, who runs, and what a run that goes on must have in common with it. */
#include "../base/hash.h"
#include "../config/config.h"
#include "simulated.h"

static hw_status check_replay(const hw_config *c, const hw_objective *o, char *why)
{
    const hw_trace *t = c->simulation.trace;
    if (t->info.parameters != o->parameters)
        return hw__base_fail(why, HW_E_ARGUMENT, "the trace was recorded with %llu parameters, the objective has %zu",
                             (unsigned long long)t->info.parameters, o->parameters);
    if (t->info.batch != c->batch * (c->batch_per_worker ? c->simulation.per_group : 1))
        return hw__base_fail(why, HW_E_ARGUMENT, "the trace was recorded with a batch of %u examples an update, not %u",
                             t->info.batch, c->batch);
    if (t->info.seed != c->seed)
        return hw__base_fail(why, HW_E_ARGUMENT, "the trace was recorded with seed %llu, not %llu",
                             (unsigned long long)t->info.seed, (unsigned long long)c->seed);
    if (t->info.optimizer != hw__config_rule_checksum(c))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "the trace was recorded with another rule, momentum, schedule, weight decay, clipping, age, delay "
            "correction, sections, own_steps, read, write, path or flush_denormals, or another choice about policy "
            "pole-zero");
    return HW_OK;
}

/* What a rank's array, of which captures, traces and rules with a state know nothing, does not go with. */
static const char *not_over_ranks(const hw_config *c)
{
    const hw_simulation *s = &c->simulation;
    if (c->optimizer.rule != HW_RULE_SGD || c->optimizer.velocity != HW_VELOCITY_SHARED)
        return "the rule must be sgd, with a shared velocity";
    if (!(c->optimizer.momentum > 0) && hw__optimizer_arrays(&c->optimizer, &c->compensation) > 0)
        return "without momentum the policy must be none, auto or another that makes none";
    if (hw__optimizer_arrays(&c->optimizer, &c->compensation) > 1 || c->compensation.age != HW_AGE_NONE ||
        c->delay_correction > 0)
        return "no policy pole-zero, ages or delay_correction: what an exchange brings is of several gradients";
    if (c->own_steps) return "no own_steps: what an exchange brings is of several workers";
    if (s->gather > 1 || s->per_group > 1) return "no simulation.gather or simulation.per_group";
    if (c->on_capture || c->on_checkpoint || c->trace) return "no captures and no trace: a state does not hold ranks";
    return NULL;
}

static hw_status check_cluster(const hw_config *c, char *why)
{
    const hw_cluster *k = &c->cluster;
    const char *refusal;
    if (!k->ranks) return HW_OK;
    if (c->workers % k->ranks)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.cluster.ranks is %u: it must divide the %u workers", k->ranks,
                             c->workers);
    if (!c->simulation.each && c->simulation.clock != HW_CLOCK_RECORDED &&
        !hw__timeline_clock_of_work(c->simulation.clock))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.cluster.ranks is %u: config.clock must be one of work times: exponential, gamma, "
                             "lognormal, pareto, constant or recorded",
                             k->ranks);
    if (k->bandwidth > 0 && k->bandwidth < 1)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.cluster.bandwidth is %g: it must be 0, or at least 1 byte a second", k->bandwidth);
    if (k->bound && k->bound < k->interval)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.cluster.bound is %u: it must be 0, or at least the interval of %u", k->bound,
                             k->interval);
    if ((k->combine == HW_COMBINE_MEANS || k->combine == HW_COMBINE_AVERAGES) && c->optimizer.momentum > 0)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.cluster.combine %s: it goes without momentum, whose owners sum",
                             k->combine == HW_COMBINE_MEANS ? "means" : "averages");
    refusal = not_over_ranks(c);
    if (refusal) return hw__base_fail(why, HW_E_UNSUPPORTED, "config.cluster.ranks is %u: %s", k->ranks, refusal);
    /* Last: programs measure it where nothing else is wrong. */
    if (!(k->work >= 1e-12))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.cluster.work is %g: how many seconds a step works must be known, at least 1e-12",
                             k->work);
    return HW_OK;
}

hw_status hw__simulated_check(const hw_config *c, const hw_objective *o, char *why)
{
    hw__timeline_plan plan;
    const hw_simulation *s = &c->simulation;
    if (o->touched && o->loss_gradient)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "objective.touched is %zu, but loss_gradient fills a whole gradient: a sparse objective has a "
            "step",
            o->touched);
    if (c->optimizer.velocity == HW_VELOCITY_PRIVATE && !hw__timeline_owned(s))
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "velocity private needs workers of one's own: not with gathering, or with drawn or fixed delays");
    hw_status status = hw__timeline_plan_of(&c->simulation, c->workers, &plan, why);
    if (status == HW_OK) status = check_cluster(c, why);
    if (status != HW_OK) return status;
    if (c->clock_interval != 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.clock_interval is %u: a simulation's clock is exact: 1",
                             c->clock_interval);
    if (c->trace && (c->simulation.gather > 1 || plan.members > HW_MAX_WORKERS))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.trace: a simulation that gathers, or has more than %d gradients under way, is not "
                             "recorded; its seed repeats it",
                             HW_MAX_WORKERS);
    return c->simulation.clock == HW_CLOCK_REPLAY ? check_replay(c, o, why) : HW_OK;
}

/* --- who runs ------------------------------------------------------------------------------------------------------
 */

static unsigned threads_of(const hw_config *c)
{
    unsigned all = hw_processors();
    return c->simulation.threads ? c->simulation.threads : all > 64 ? 64 : all;
}

hw_status hw__simulated_crew(const hw_config *c, hw__crew *crew, char *why)
{
    hw__timeline_plan plan;
    hw_status status = hw__timeline_plan_of(&c->simulation, c->workers, &plan, why);
    if (status != HW_OK) return status;
    uint32_t recorders = plan.members < HW__SIMULATED_RECORDERS ? plan.members : HW__SIMULATED_RECORDERS;
    unsigned gather = c->simulation.gather ? c->simulation.gather : 1;
    unsigned m = c->cluster.ranks ? c->cluster.ranks : plan.m;
    *crew = (hw__crew){threads_of(c), m, plan.members, recorders, 1, plan.members, c->simulation.per_group, gather};
    return HW_OK;
}

/* Clocks of single workers, delays, the trace: below 2^53, so that any format keeps it. */
uint64_t hw__simulated_identity(const hw_config *c)
{
    const hw_simulation *s = &c->simulation;
    uint64_t hash = HW__HASH_START;
    for (unsigned i = 0; s->each && i < c->workers; i++) {
        const double each[] = {(double)s->each[i].kind, s->each[i].shape, s->each[i].mean};
        hash = hw__hash(hash, each, sizeof each);
    }
    if (s->clock == HW_CLOCK_HISTOGRAM || s->clock == HW_CLOCK_RECORDED) {
        const hw_histogram *h = s->delays; /* the mean is M, the largest delay the workers */
        const uint64_t size[] = {h->linear_bins, h->total, h->largest};
        hash = hw__hash(hash, size, sizeof size);
        hash = hw__hash(hash, &h->sum, sizeof h->sum);
        hash = hw__hash(hash, s->delays->counts, s->delays->bins * sizeof *s->delays->counts);
    }
    for (uint64_t i = 0; s->clock == HW_CLOCK_REPLAY && i < s->trace->info.updates; i++) {
        const hw_trace_entry *x = s->trace->entry + i;
        const uint64_t entry[] = {x->worker, x->setting, x->read, x->ticket};
        hash = hw__hash(hash, entry, sizeof entry);
    }
    for (uint32_t i = 0; s->clock == HW_CLOCK_REPLAY && i < s->trace->info.settings; i++)
        hash = hw__hash(hash, s->trace->setting + i, sizeof *s->trace->setting);
    return (hash ^ hash >> 40) & (WALK_MOST - 1);
}
