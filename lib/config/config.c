/* config.c - the defaults, and what follows from a configuration. */
#include "../base/hash.h"
#include "../base/sized.h"
#include "../optimizer/optimizer.h"
#include "config.h"
#include <math.h>
#include <string.h>

static hw_config defaults(void)
{
    hw_config c;
    memset(&c, 0, sizeof c);
    unsigned processors = hw_processors();
    hw_params_config p = hw_params_defaults(1, 1);
    c.struct_size = sizeof c;
    c.scheduler = HW_ASYNC;
    c.workers = processors > 64 ? 64 : processors;
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
    c.sweep = 1;
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
    c.least_workers = 2;
    c.compensation.window = 200;
    c.compensation.age_gain = 1;
    c.compensation.age_base = 2;
    c.work.law.shape = 2;
    c.cluster.interval = 1;
    c.seed = 1;
    c.epochs = 1;
    c.target_metric = 1;
    c.evaluate_epochs = 1;
    c.divergence = 10;
    c.keep_every = 200;
    c.record = 1;
    c.linear_bins = 256;
    c.on_update_every = 1;
    c.progress_ms = 250;
    return c;
}

hw_status hw_config_init(hw_config *config, size_t size)
{
    const hw_config all = defaults();
    return hw__sized_fill(config, size, &all, sizeof all, HW__CONFIG_LEAST);
}

hw_status hw__config_adopt(const hw_config *from, hw_config *to, char *why)
{
    *to = defaults();
    return hw__sized_adopt(to, sizeof *to, from, HW__CONFIG_LEAST, "the configuration", "hw_config_defaults()", why);
}

void hw__config_give(const hw_config *from, hw_config *to)
{
    size_t size = to->struct_size;
    memcpy(to, from, size < sizeof *from ? size : sizeof *from);
    to->struct_size = size;
}

/* Plain SGD, at one rate for all parameters. */
static bool plain(const hw_config *c)
{
    const hw_optimizer *r = &c->optimizer;
    for (size_t i = 0; c->own_steps && i < c->n_own_steps; i++)
        if (!isnan(c->own_steps[i].momentum)) return false;
    return hw__rule_of(r)->flags & HW__RULE_PLAIN && r->momentum == 0 && r->n_sections == 0 &&
           hw__optimizer_arrays(r, &c->compensation) == 0;
}

bool hw__config_single(const hw_config *c)
{
    const hw_optimizer *r = &c->optimizer;
    return c->on_update || c->trace || r->clip_norm > 0 || r->weight_decay > 0 || r->n_sections ||
           c->on_nan == HW_NAN_SKIP || c->delay_correction > 0 || c->work.law.kind != HW_CLOCK_ROUND_ROBIN ||
           c->work.each;
}

/* Whether one worker goes by sweeps of an objective whose decay is quick on a replica, and nothing looks at single
 * updates. */
static bool alone_on_replica(const hw_config *c, const hw_objective *o)
{
    bool threads = c->scheduler == HW_SEQUENTIAL || c->scheduler == HW_ASYNC;
    return o->shrinks && c->sweep && c->batch == 1 && threads && !hw__config_single(c) && plain(c) &&
           c->exchanged == 0 && c->read == HW_READ_ATOMIC && !hw__optimizer_no_sum(&c->optimizer, &c->compensation);
}

hw_params_config hw__config_params(const hw_config *c, const hw_objective *o, unsigned writers)
{
    hw_params_config p = hw_params_defaults(o->parameters, writers);
    p.arrays = hw__optimizer_arrays(&c->optimizer, &c->compensation);
    p.read = c->read;
    p.write = c->write;
    p.path = c->path;
    p.stripe = c->stripe;
    p.clock_interval = c->clock_interval;
    p.exchange_interval = !hw__config_exchanges(c, o) ? 1 : c->exchange_interval > 1 ? c->exchange_interval : 2;
    p.exchanged = c->exchanged;
    /* Chosen: the hot parameters in replicas, if the others can be written one by one. */
    bool chosen = c->exchange_interval == 0 && !c->exchanged;
    bool whole = hw__config_principal(c, o) || (c->workers == 1 && alone_on_replica(c, o));
    if (chosen && (c->write == HW_WRITE_RACY || c->write == HW_WRITE_ADD) && !whole) p.exchanged = o->hot;
    return p;
}

bool hw__config_exchanges(const hw_config *c, const hw_objective *o)
{
    /* Alone there is nobody to exchange with. */
    if (c->exchange_interval == 0) return c->workers > 1 || alone_on_replica(c, o);
    return c->exchange_interval > 1;
}

bool hw__config_principal(const hw_config *c, const hw_objective *o)
{
    return o->principal && c->workers > 1 && c->exchanged == 0 && hw__config_exchanges(c, o) && plain(c);
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
                    (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_CLOCK) != 0,
                    c->compensation.age,
                    c->compensation.age_gain,
                    c->compensation.age_base,
                    c->with_replacement,
                    (double)o->n_sections};
    uint64_t hash = HW__HASH_START ^ (uint64_t)c->read << 8 ^ (uint64_t)c->write << 16 ^ (uint64_t)c->path << 24 ^
                    (uint64_t)(c->flush_denormals != 0) << 32 ^ (uint64_t)c->stripe << 40;
    bool named = o->rule == HW_RULE_USER && o->user_rule && o->user_rule->name;
    if (named) hash = hw__hash(hash, o->user_rule->name, strlen(o->user_rule->name));
    for (size_t i = 0; o->sections && i < o->n_sections; i++) {
        const hw_section *x = o->sections + i;
        const double part[] = {(double)x->first, (double)x->count, (double)x->rate, (double)x->decay};
        hash = mix(hash, part, 4);
    }
    hash = mix(hash, all, sizeof all / sizeof *all);
    if (c->delay_correction > 0) hash = mix(hash, &c->delay_correction, 1); /* traces of 0.1 know none */
    for (size_t i = 0; c->own_steps && i < c->n_own_steps; i++) {           /* without, it is refused elsewhere */
        const hw_own_step *x = c->own_steps + i;
        const double own[] = {x->rate, isnan(x->momentum) ? 2 : x->momentum};
        hash = mix(hash, own, 2);
    }
    return (uint32_t)(hash ^ hash >> 32);
}
