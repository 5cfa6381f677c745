/* config.c - the defaults, and everything that a start refuses, each with its sentence. */
#include "../step/engine.h"
#include "../base/blas.h"
#include <string.h>
#include <unistd.h>

hw_config hw_config_defaults(void)
{
    hw_config c;
    memset(&c, 0, sizeof c);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    hw_params_config p = hw_params_defaults(1, 1);
    c.struct_size = sizeof c;
    c.scheduler = HW_ASYNC;
    c.workers = cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
    c.groups = 1;
    c.batch = 32;
    c.simulation.shape = 2;
    c.simulation.per_group = c.simulation.gather = 1;
    c.simulation.straggler_factor = 5;
    c.flush_denormals = 1;
    c.read = p.read;
    c.write = p.write;
    c.path = p.path;
    c.stripe = p.stripe;
    c.clock_interval = p.clock_interval;
    c.exchange_interval = p.exchange_interval;
    c.fused = 1;
    c.shuffle_block = 1;
    c.optimizer.rule = HW_RULE_SGD;
    c.optimizer.momentum = 0.9;
    c.optimizer.beta2 = 0.999;
    c.optimizer.epsilon = 1e-8;
    c.optimizer.schedule.base = 0.01;
    c.optimizer.schedule.gamma = 1e-4;
    c.optimizer.schedule.power = 0.75;
    c.compensation.policy = HW_POLICY_AUTO;
    c.compensation.keep_gain = 1;
    c.compensation.floor = -0.5;
    c.compensation.shrinkage = 1;
    c.compensation.window = 200;
    c.compensation.age_gain = 1;
    c.compensation.age_base = 2;
    c.seed = 1;
    c.epochs = 1;
    c.target_metric = 1;
    c.evaluate_epochs = 1;
    c.divergence = 10;
    c.keep_every = 200;
    c.record = 1;
    c.exact = 256;
    c.on_update_every = 1;
    c.progress_ms = 250;
    return c;
}

hw_params_config hw__config_params(const hw_config *c, const hw_objective *o, unsigned slots)
{
    hw_params_config p = hw_params_defaults(o->parameters, slots);
    bool rule = c->optimizer.rule != HW_RULE_USER || c->optimizer.user_rule;
    p.arrays = rule ? hw__optimizer_arrays(&c->optimizer, &c->compensation) : 0;
    p.read = c->read;
    p.write = c->write;
    p.path = c->path;
    p.stripe = c->stripe;
    p.clock_interval = c->clock_interval;
    p.exchange_interval = !hw__config_exchanges(c) ? 1 : c->exchange_interval > 1 ? c->exchange_interval : 2;
    p.exchanged = c->exchanged;
    /* Chosen: the hot parameters in replicas, if the others can be written one by one. */
    if (c->exchange_interval == 0 && !c->exchanged && (c->write == HW_WRITE_RACY || c->write == HW_WRITE_ADD))
        p.exchanged = o->hot;
    return p;
}

bool hw__config_exchanges(const hw_config *c)
{
    /* Alone there is nobody to exchange with: chosen intervals are for more workers than one. */
    return c->exchange_interval == 0 ? c->workers > 1 : c->exchange_interval > 1;
}

unsigned hw__simulated_threads(const hw_config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned all = cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
    return c->simulation.threads ? c->simulation.threads : all;
}

static uint64_t mix(uint64_t hash, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        union {
            double x;
            uint64_t bits;
        } u = {x[i]};
        hash = (hash ^ u.bits) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* What a replay's step rule must have in common with the recorded run's. */
uint32_t hw__config_rule_checksum(const hw_config *c)
{
    const hw_optimizer *o = &c->optimizer;
    const hw_schedule *s = &o->schedule;
    double all[] = {o->rule,
                    o->velocity,
                    o->momentum,
                    o->weight_decay,
                    o->clip_norm,
                    o->beta2,
                    o->epsilon,
                    s->kind,
                    s->base,
                    s->gamma,
                    s->power,
                    (double)s->interval,
                    (double)s->warmup,
                    c->compensation.policy == HW_POLICY_EXACT,
                    c->compensation.age,
                    c->compensation.age_gain,
                    c->compensation.age_base,
                    c->with_replacement,
                    (double)o->n_sections};
    uint64_t hash = 1469598103934665603u ^ (uint64_t)c->read << 8 ^ (uint64_t)c->write << 16 ^ (uint64_t)c->path << 24 ^
                    (uint64_t)(c->flush_denormals != 0) << 32 ^ (uint64_t)c->stripe << 40;
    for (const char *n = o->rule == HW_RULE_USER && o->user_rule && o->user_rule->name ? o->user_rule->name : ""; *n;
         n++)
        hash = (hash ^ (unsigned char)*n) * 1099511628211u;
    for (size_t i = 0; i < o->n_sections; i++) {
        const hw_section *x = o->sections + i;
        const double part[] = {(double)x->first, (double)x->count, (double)x->rate, (double)x->decay};
        hash = mix(hash, part, 4);
    }
    hash = mix(hash, all, sizeof all / sizeof *all);
    return (uint32_t)(hash ^ hash >> 32);
}

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
            "the trace was recorded with another rule, momentum, schedule, weight decay, clipping, age, sections, "
            "read, write, path or flush_denormals, or another choice about policy exact");
    return HW_OK;
}

static hw_status check_simulation(const hw_config *c, const hw_objective *o, char *why)
{
    hw__timeline_plan plan;
    const hw_simulation *s = &c->simulation;
    if (c->scheduler != HW_SIMULATED) {
        if (s->clock == HW_CLOCK_ROUND_ROBIN && s->gather <= 1 && s->per_group <= 1 && !s->stragglers && !s->delay)
            return HW_OK;
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.simulation says how simulated workers behave (clock, delay, stragglers, per_group, "
            "gather): it goes with scheduler simulated");
    }
    if (o->touched && o->loss_gradient)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "objective.touched is %zu, but loss_gradient fills a whole gradient: a sparse objective has a "
            "step",
            o->touched);
    bool owned = s->gather <= 1 && s->clock != HW_CLOCK_DELAY && s->clock != HW_CLOCK_HISTOGRAM;
    if (c->optimizer.velocity == HW_VELOCITY_PRIVATE && !owned)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "velocity private needs workers of one's own: not with gathering, or with drawn or fixed delays");
    hw_status status = hw__timeline_plan_of(&c->simulation, c->workers, &plan, why);
    if (status != HW_OK) return status;
    if (c->clock_interval != 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.clock_interval is %u: a simulation's clock is exact: 1",
                             c->clock_interval);
    if (c->trace && (c->simulation.gather > 1 || plan.lanes > HW_MAX_WORKERS))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.trace: a simulation that gathers, or has more than %d gradients under way, is not "
                             "recorded; its seed repeats it",
                             HW_MAX_WORKERS);
    return c->simulation.clock == HW_CLOCK_REPLAY ? check_replay(c, o, why) : HW_OK;
}

/* What replicas and blocks go with. */
static hw_status check_exchange(const hw_config *c, const hw_objective *o, char *why)
{
    const hw_optimizer *r = &c->optimizer;
    bool threads = c->scheduler == HW_ASYNC || c->scheduler == HW_SEQUENTIAL;
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
    if (o->raw && (r->rule != HW_RULE_SGD || r->momentum > 0 || r->weight_decay > 0 || r->clip_norm > 0 ||
                   c->compensation.age != HW_AGE_NONE))
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "objective '%.40s' has a rule of its own: config takes rule sgd with momentum.target 0, without "
            "weight_decay, clip_norm and age",
            o->name ? o->name : "");
    if (!hw__config_exchanges(c)) return HW_OK;
    if (!threads || c->trace)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.exchange_interval is for schedulers async and sequential, without a trace");
    bool plain = r->rule == HW_RULE_ADAGRAD ||
                 (r->rule == HW_RULE_SGD && (r->momentum == 0 || r->velocity == HW_VELOCITY_PRIVATE) &&
                  (c->compensation.policy == HW_POLICY_AUTO || c->compensation.policy == HW_POLICY_NONE ||
                   (r->velocity == HW_VELOCITY_PRIVATE && c->compensation.policy == HW_POLICY_FIXED)));
    if (!plain || c->compensation.age != HW_AGE_NONE)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.exchange_interval: what replicas add up are sums, so the rule must be adagrad, or sgd "
            "without momentum or with velocity private and compensation none, and no age");
    return HW_OK;
}

static hw_status check_workers(const hw_config *c, const hw_objective *o, char *why)
{
    if (c->scheduler == HW_SEQUENTIAL && c->workers != 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.workers is %u: scheduler sequential runs exactly 1",
                             c->workers);
    if (c->scheduler == HW_GROUPS && (c->groups > c->workers || c->workers % c->groups))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.groups is %u: it must divide the %u workers", c->groups,
                             c->workers);
    unsigned threads = c->scheduler == HW_SIMULATED ? hw__simulated_threads(c) : c->workers;
    if (c->scheduler != HW_SIMULATED && c->workers > HW_MAX_WORKERS)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.workers is %u: at most %d threads; more are for scheduler simulated", c->workers,
                             HW_MAX_WORKERS);
    if (o->blas && threads > hw__blas_limit())
        return hw__base_fail(why, HW_E_LIMIT,
                             "config.workers asks for %u threads: this OpenBLAS was built for %u at once and crashes "
                             "beyond them",
                             threads, hw__blas_limit());
    if (c->pin && !hw__thread_can_pin())
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.pin is on, but this build has no hwloc");
    return HW_OK;
}

hw_status hw_config_check(const hw_config *c, const hw_objective *o, char *why)
{
    if (!c || c->struct_size != sizeof *c)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "the configuration is NULL or of another version: start from "
                             "hw_config_defaults()");
    if (!o || o->struct_size != sizeof *o)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "the objective is NULL or of another version: start from "
                             "hw_objective_defaults()");
    hw_status status = hw__options_check(c, why);
    if (status != HW_OK) return status;
    status = check_workers(c, o, why);
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
    status = check_simulation(c, o, why);
    if (status == HW_OK) status = check_exchange(c, o, why);
    if (status != HW_OK) return status;
    if (c->trace && c->clock_interval != 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.trace needs the exact clock: config.clock_interval 1");
    unsigned share = c->scheduler == HW_SYNC        ? c->workers
                     : c->scheduler == HW_GROUPS    ? c->workers / c->groups
                     : c->scheduler == HW_SIMULATED ? c->simulation.per_group
                                                    : 1;
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
    if (c->exact & (c->exact - 1))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.exact is %u: it must be a power of two", c->exact);
    if (c->on_update && c->on_update_every < 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.on_update_every is 0: it must be at least 1");
    if (!c->on_checkpoint && (c->checkpoint_every || c->checkpoint_epochs > 0 || c->checkpoint_seconds > 0))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.checkpoint_%s is set, but config.on_checkpoint is NULL: there is nobody to take the state",
            c->checkpoint_every        ? "every"
            : c->checkpoint_epochs > 0 ? "epochs"
                                       : "seconds");
    if (c->on_checkpoint && c->trace)
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.trace and config.on_checkpoint: a recorded schedule is of one whole run and is not in a "
            "state");
    status = hw__tensors_check(o, why);
    if (status != HW_OK) return status;
    hw_params_config params = hw__config_params(c, o, c->scheduler == HW_SIMULATED ? 1 : c->workers / share);
    status = hw_params_check(&params, why);
    return status == HW_OK ? hw__optimizer_check(&c->optimizer, &c->compensation, o->parameters, why) : status;
}
