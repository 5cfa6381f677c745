/* create.c - an engine: everything that a run will need, planned and allocated. */
#include "../config/config.h"
#include "../optimizer/optimizer.h"
#include "../params/door.h"
#include "../schedulers/schedulers.h"
#include "../staleness/staleness.h"
#include "../step/ages.h"
#include "../step/members.h"
#include "../step/own_steps.h"
#include "../step/peers.h"
#include "engine.h"
#include <unistd.h>

#define LOG_ENTRIES 4096

/* How many parts of `size` cover n, which may be all that 32 bits hold. */
static uint64_t parts_of(uint64_t n, uint64_t size)
{
    return (n + size - 1) / size;
}

static hw_status plan_rest(hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    const hw_config *c = &e->config;
    size_t stride = hw__whole_lines(o->parameters);
    bool linear = (hw__rule_of(&c->optimizer)->flags & HW__RULE_LINEAR) != 0;
    bool wanted = (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_CURVATURE) != 0;
    e->snapshot = hw__memory_alloc(&e->memory, 3 * stride, sizeof(float));
    if (!e->snapshot) return hw__no_memory(why, "snapshots");
    e->kept.x[0] = e->snapshot + stride;
    e->kept.x[1] = e->snapshot + 2 * stride;
    if (c->average_every) {
        e->average.mean = hw__memory_alloc(&e->memory, 2 * stride, sizeof(float));
        if (!e->average.mean) return hw__no_memory(why, "averaged parameters");
    }
    e->evaluation.chunk_size = o->evaluation_chunk ? o->evaluation_chunk : 500;
    e->evaluation.chunks = o->evaluate ? (uint32_t)parts_of(o->evaluation_examples, e->evaluation.chunk_size) : 0;
    e->evaluation.sums =
        hw__memory_zalloc(&e->memory, (size_t)e->evaluation.chunks * HW_METRICS + 1, sizeof *e->evaluation.sums);
    if (!e->evaluation.sums || hw__histogram_plan(&e->settings.merged, c->linear_bins, &e->memory) != HW_OK ||
        hw__histogram_plan(&e->settings.before, c->linear_bins, &e->memory) != HW_OK ||
        hw__histogram_plan(&e->settings.window, c->linear_bins, &e->memory) != HW_OK ||
        !hw__log_init(&e->evaluation.log, &e->memory, LOG_ENTRIES, sizeof(hw_evaluation)) ||
        !hw__log_init(&e->settings.log, &e->memory, LOG_ENTRIES, sizeof(hw_setting)))
        return hw__no_memory(why, "records");
    bool own = wanted && linear && e->crew.slots > 1, asked = c->peers && c->peers->probes;
    if (c->curvature == 0 && (own || asked) && o->examples && !o->touched) {
        /* 256 examples, in parts of the minibatch's size: one minibatch alone overestimates the curvature. */
        e->curvature.examples = c->batch < 256 ? 256 / c->batch * c->batch : c->batch;
        if (e->curvature.examples > o->examples) e->curvature.examples = o->examples;
        e->curvature.index = hw__memory_zalloc(&e->memory, e->curvature.examples, sizeof *e->curvature.index);
        if (own && c->optimizer.velocity == HW_VELOCITY_SHARED && hw__optimizer_arrays(&c->optimizer, &c->compensation))
            e->curvature.follow = hw__curvature_follow;
        return e->curvature.index ? hw__probe_create(&e->curvature.probe, &e->objective, c->allocator, why)
                                  : hw__no_memory(why, "a probe");
    }
    return HW_OK;
}

static hw_status plan_trace(hw_engine *e, char *why)
{
    const hw_config *c = &e->config;
    uint64_t room = c->trace_room ? c->trace_room : hw__tickets_limit(e);
    if (!c->trace) return HW_OK;
    if (room >= HW__NO_LIMIT)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.trace_room is 0, and no stop by updates or epochs says how many updates there may be");
    return hw__trace_recorder_create(&e->trace, e->crew.numbers, room, &e->memory, why);
}

/* Copying all parameters after few sparse updates would cost more than the updates. */
static uint64_t keep_interval(const hw_engine *e)
{
    const hw_objective *o = &e->objective;
    uint64_t least = o->touched ? 256 * (uint64_t)o->parameters / o->touched : 0;
    return e->config.keep_every && e->config.keep_every < least ? least : e->config.keep_every;
}

/* Whether a run goes by the objective's sweep: where nothing needs to look at single updates. */
static bool can_sweep(const hw_engine *e)
{
    const hw_config *c = &e->config;
    const hw_objective *o = &e->objective;
    const hw_optimizer *r = &c->optimizer;
    bool shared = r->velocity == HW_VELOCITY_SHARED, plain = hw__rule_of(r)->flags & HW__RULE_PLAIN;
    bool rule = !hw__optimizer_no_sum(r, &c->compensation) && shared && (plain || !o->sweep_sgd);
    return o->sweep && c->sweep && c->batch == 1 && o->examples && e->scheduler->flags & HW__OWN_STEPS && rule &&
           !hw__config_single(c) && hw_params_fused(e->params) && (c->clock_interval > 1 || e->steps.exchanges);
}

/* How a run steps: by whole runs of single examples, on replicas. */
static void plan_steps(hw_engine *e)
{
    const hw_config *c = &e->config;
    e->steps.exchanges = hw__config_exchanges(c, &e->objective);
    e->steps.sweeps = can_sweep(e);
    e->kept.every = keep_interval(e);
    e->recovery.on = hw__recovery_plan(e);
    hw__rest_plan(e);
    e->kept.every = hw__recovery_interval(e, e->kept.every);
    e->tickets.block = c->clock_interval;
    /* Sweeps of some length, unless somebody beside the workers wants to see what they have made. */
    const unsigned least = c->peers && c->peers->often && c->peers->often < 64 ? c->peers->often : 64;
    if (e->steps.exchanges && e->steps.sweeps && e->tickets.block < least) e->tickets.block = least;
}

/* Single steps come where there is no sweep, or beside sweeps of the shared array, as what is measured. */
static hw_status plan_decay(const hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    bool all = e->steps.sweeps && hw__params_scales(e->params);
    hw_status status = o->shrinks ? o->shrinks(o->self, all) : HW_OK;
    return status == HW_OK ? status : hw__base_fail(why, status, "the objective's shrinks returned %d", status);
}

static bool plan_locks(hw_engine *e)
{
    e->settings.slowed = 1;
    e->settings.ready = pthread_mutex_init(&e->settings.mutex, NULL) == 0;
    e->run.asking_ready = pthread_mutex_init(&e->run.asking, NULL) == 0;
    if (!e->settings.ready || !e->run.asking_ready || pthread_mutex_init(&e->run.mutex, NULL) != 0) return false;
    pthread_condattr_t attr;
    bool good = pthread_condattr_init(&attr) == 0;
    if (good) {
#if !defined(__APPLE__)
        good = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0;
#endif
        e->run.ready = good && pthread_cond_init(&e->run.changed, &attr) == 0;
        (void)pthread_condattr_destroy(&attr);
    }
    if (!e->run.ready) {
        (void)pthread_mutex_destroy(&e->run.mutex);
        return false;
    }
    return hw__pause_init(&e->pause, e->crew.threads) && hw__barrier_init(&e->start, e->crew.threads, 0);
}

/* What a run will write to; a sparse objective fills the beginning of its workers' buffers only. Refused before it is
 * taken, since most systems promise more than they have and end the process later. A caller's allocator knows better.
 */
static hw_status check_memory(const hw_engine *e, char *why)
{
    const hw_config *c = &e->config;
    const hw_objective *o = &e->objective;
    double arrays = 1 + (double)hw__optimizer_arrays(&c->optimizer, &c->compensation) + 3 + (c->average_every ? 2 : 0);
    /* A virtual worker keeps its gradient only; the threads that compute for all have a snapshot each. */
    double a_member = e->scheduler->flags & HW__VIRTUAL ? 1 : 2;
    if (c->optimizer.velocity == HW_VELOCITY_PRIVATE) a_member++;
    if (c->delay_correction > 0) a_member++;
    if (!o->touched) arrays += a_member * e->crew.members + (e->scheduler->flags & HW__VIRTUAL ? e->crew.threads : 0);
    double need = (double)o->parameters * sizeof(float) * arrays;
    if (e->memory.by.allocate || need < 268435456) return HW_OK; /* not worth reading files for */
    double there = (double)hw_memory_available();
    if (need <= there) return HW_OK;
    return hw__base_fail(why, HW_E_MEMORY, "%zu parameters need %.1f GB of memory with %u workers: %.1f GB are there",
                         o->parameters, need * 1e-9, c->workers, there * 1e-9);
}

static hw_status plan(hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    hw_status status = e->scheduler->crew(&e->config, &e->crew, why);
    if (status == HW_OK) status = check_memory(e, why);
    if (status == HW_OK) status = hw__own_steps_plan(e, why);
    if (status == HW_OK) status = hw__peers_plan(e, why);
    if (status != HW_OK) return status;
    if (e->config.batch_per_worker) e->config.batch *= e->crew.share * hw__peers_splitting(&e->config);
    uint32_t batch = e->config.batch;
    e->tickets.all_per_epoch = o->examples ? parts_of(o->examples, batch) : UINT64_MAX / 2;
    e->tickets.per_epoch = hw__peers_share(e, e->tickets.all_per_epoch);
    e->tickets.own_first = hw__peers_first(e, e->tickets.all_per_epoch);
    e->tickets.updates_per_epoch = parts_of(e->tickets.per_epoch, e->crew.gather);
    if (!plan_locks(e)) return hw__no_memory(why, "locks");
    hw_params_config p = hw__config_params(&e->config, o, e->crew.writers);
    status = hw_params_create_in(&e->params, &p, e->config.allocator, why);
    if (status == HW_OK)
        status =
            hw__staleness_create(&e->staleness, e->crew.recorders, e->config.linear_bins, e->config.allocator, why);
    if (status == HW_OK && e->config.peers && e->config.peers->marks && !hw__params_mark(e->params))
        status = hw__no_memory(why, "marks of what has been written to");
    if (status != HW_OK) return status;
    plan_steps(e);
    status = plan_decay(e, why);
    if (status == HW_OK) status = hw__principal_plan(e, why);
    if (status == HW_OK) status = hw__layers_plan(e, why);
    if (status == HW_OK) status = hw__ages_plan(e, why);
    if (status == HW_OK) status = e->scheduler->plan(e, why);
    if (status == HW_OK) status = plan_trace(e, why);
    if (status == HW_OK) status = hw__pin_plan(e, why);
    return status == HW_OK ? plan_rest(e, why) : status;
}

hw_status hw__engine_create(hw_engine **out, const hw_objective *objective, const hw_config *config,
                            const hw__scheduler *scheduler, const float *params, char *why)
{
    hw_engine *e = hw__memory_handle(config->allocator, sizeof *e, offsetof(hw_engine, memory));
    if (!e) return hw__no_memory(why, "the engine");
    e->config = *config;
    e->config.allocator = &e->memory.by; /* the caller's struct need not outlive this call */
    e->objective = *objective;
    if (objective->name) {
        (void)snprintf(e->name, sizeof e->name, "%s", objective->name);
        e->objective.name = e->name;
    }
    e->scheduler = scheduler;
    e->config.compensation = hw_config_compensation(config, objective);
    e->process = getpid();
    e->kept.good = -1;
    hw_status status = plan(e, why);
    if (status == HW_OK) {
        e->bytes = e->memory.bytes + hw_params_bytes(e->params) + hw_staleness_bytes(e->staleness) +
                   hw__probe_bytes(e->curvature.probe);
        if (params) hw_params_set(e->params, 0, params);
        status = hw__capture_plan(e, why);
    }
    if (status != HW_OK) {
        hw_engine_free(e);
        return status;
    }
    *out = e;
    return HW_OK;
}

hw_status hw_engine_create(hw_engine **out, const hw_objective *objective, const hw_config *config, const float *params,
                           char *why)
{
    hw_config c;
    hw_objective o;
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_engine_create: the address for the handle is NULL");
    *out = NULL;
    hw_status status = hw__engine_adopt(config, objective, &c, &o, why);
    return status == HW_OK ? hw__engine_create(out, &o, &c, hw__scheduler_of(&c, &o), params, why) : status;
}

void hw_engine_free(hw_engine *e)
{
    if (!e || e->process != getpid())
        return; /* in a forked child locks may be held by threads that do not exist there */
    e->scheduler->free(e);
    hw__probe_free(e->curvature.probe);
    hw_params_free(e->params);
    hw_staleness_free(e->staleness);
    hw_state_free(e->captures.state);
    hw__pause_free(&e->pause);
    hw__barrier_free(&e->start);
    if (e->settings.ready) (void)pthread_mutex_destroy(&e->settings.mutex);
    if (e->run.asking_ready) (void)pthread_mutex_destroy(&e->run.asking);
    if (e->run.ready) {
        (void)pthread_cond_destroy(&e->run.changed);
        (void)pthread_mutex_destroy(&e->run.mutex);
    }
    hw__memory_release(&e->memory);
}
