/* create.c - create, free and the handle's accessors. run.c is what happens between start and stop. */
#include "../step/engine.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define LOG_ENTRIES 4096

void *hw__log_next(hw__log *log)
{
    if (log->count == log->room) { /* full: every second entry stays, the newest among them */
        char *at = log->entries;
        for (size_t i = 0; i < log->room / 2; i++) memcpy(at + i * log->size, at + (2 * i + 1) * log->size, log->size);
        log->count = log->room / 2;
    }
    return (char *)log->entries + log->size * log->count++;
}

static bool log_init(hw__log *log, size_t size)
{
    *log = (hw__log){hw__base_zalloc(LOG_ENTRIES, size), 0, LOG_ENTRIES, size};
    return log->entries != NULL;
}

void hw__fail(hw_engine *e, hw_status code, const char *format, ...)
{
    char sentence[HW_WHY];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    (void)hw__flags_fail(&e->latch, code, sentence);
    /* Everybody who waits for a worker that will not come is let go. */
    for (unsigned g = 0; e->group && g < e->slots; g++) hw__barrier_poison(&e->group[g].barrier);
    hw__pause_poison(&e->gate);
    hw__barrier_poison(&e->start);
    hw__simulated_wake(e);
}

void hw__fail_worker(hw_worker *w, hw_status code)
{
    if (w->has_sentence)
        hw__fail(w->engine, code, "%s", w->sentence);
    else if (code >= HW_E_USER)
        hw__fail(w->engine, code, "the objective returned %d on worker %u at step %llu", code, w->id,
                 (unsigned long long)w->batch.step);
    else
        hw__fail(w->engine, code, "the objective returned %s on worker %u at step %llu", hw_status_name(code), w->id,
                 (unsigned long long)w->batch.step);
}

static uint64_t since_begin(const hw_engine *e, uint64_t now)
{
    /* A run that goes on begins in the past, and the pauses are looked at after the clock: never below 0. */
    int64_t ns = (int64_t)(now - hw__counter_get(&e->begin_ns) - hw__counter_get(&e->paused_ns));
    return ns > 0 ? (uint64_t)ns : 0;
}

uint64_t hw__trained_ns(const hw_engine *e)
{
    return since_begin(e, e->gate.open ? e->gate.opened_ns : e->end_ns ? e->end_ns : hw_now());
}

uint64_t hw__training_ns(const hw_engine *e)
{
    return since_begin(e, hw_now());
}

double hw__seconds(const hw_engine *e)
{
    return (double)hw__trained_ns(e) * 1e-9;
}

void hw__losses(const hw_engine *e, double *sum, uint64_t *count)
{
    *sum = 0;
    *count = 0;
    for (unsigned i = 0; i < e->members; i++) {
        *sum += hw__counter_get_double(&e->worker[i].loss);
        *count += hw__counter_get(&e->worker[i].losses);
    }
}

static hw_status no_memory(char *why, const char *what)
{
    return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for %s", what);
}

static hw_status plan_worker(hw_engine *e, unsigned i, char *why)
{
    hw_worker *w = e->worker + i;
    size_t n = e->objective.parameters, stride = (n + 15) / 16 * 16;
    bool grouped = e->config.scheduler == HW_SYNC || e->config.scheduler == HW_GROUPS;
    w->engine = e;
    w->objective = &e->objective;
    w->id = i;
    w->slot = w->member = w->recorder = grouped ? i / (e->threads / e->slots) : i;
    w->port = grouped ? &hw__groups_access : &hw__async_access;
    w->group = grouped ? e->group + w->slot : NULL;
    w->all.count = n;
    hw_rng_seed(&w->rng, e->config.seed, i + 1);
    bool own = e->config.optimizer.velocity == HW_VELOCITY_PRIVATE && (!grouped || w->id == w->group->first);
    uint32_t examples = e->ticket_block > e->config.batch ? e->ticket_block : e->config.batch;
    /* Sparse objectives fill the beginning of snapshot and gradient only: pages that nobody touches cost nothing. */
    w->x = own ? hw__base_zalloc(3 * stride, sizeof(float)) : hw__base_alloc(2 * stride, sizeof(float));
    e->bytes += (own ? 3 : 2) * stride * sizeof(float) + examples * sizeof(uint32_t) + e->objective.scratch_bytes;
    w->index = hw__base_zalloc(examples, sizeof(uint32_t));
    if (!w->x || !w->index) return no_memory(why, "a worker's snapshot and gradient");
    w->g = w->x + stride;
    w->velocity = own ? w->x + 2 * stride : NULL;
    if (e->objective.scratch_bytes) {
        w->scratch = hw__base_zalloc(e->objective.scratch_bytes, 1);
        if (!w->scratch) return no_memory(why, "the objective's scratch");
    }
    if (e->objective.scratch_init) {
        hw_status status = e->objective.scratch_init(e->objective.self, w->scratch);
        if (status != HW_OK)
            return hw__base_fail(why, status, "hw_engine_create: the objective's scratch_init returned %d", status);
    }
    w->scratch_ready = true;
    return HW_OK;
}

static hw_status plan_groups(hw_engine *e, char *why)
{
    if (e->config.scheduler != HW_SYNC && e->config.scheduler != HW_GROUPS) return HW_OK;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    e->group = hw__base_zalloc(e->slots, sizeof *e->group);
    if (!e->group) return no_memory(why, "groups");
    for (unsigned g = 0; g < e->slots; g++) {
        e->group[g].count = e->threads / e->slots;
        e->group[g].first = g * e->group[g].count;
        if (!hw__barrier_init(&e->group[g].barrier, e->group[g].count, (long)e->threads <= cores ? 4000 : 0))
            return no_memory(why, "a barrier");
    }
    return HW_OK;
}

static hw_status plan_rest(hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    const hw_config *c = &e->config;
    size_t stride = (o->parameters + 15) / 16 * 16;
    bool linear = c->optimizer.rule == HW_RULE_SGD || c->optimizer.rule == HW_RULE_NESTEROV;
    bool automatic = c->compensation.policy == HW_POLICY_AUTO || c->compensation.policy == HW_POLICY_MEASURED;
    e->snapshot = hw__base_alloc(3 * stride, sizeof(float));
    if (!e->snapshot) return no_memory(why, "snapshots");
    e->kept[0] = e->snapshot + stride;
    e->kept[1] = e->snapshot + 2 * stride;
    if (c->average_every) {
        e->average = hw__base_alloc(2 * stride, sizeof(float));
        e->bytes += 2 * stride * sizeof(float);
        if (!e->average) return no_memory(why, "averaged parameters");
    }
    e->chunk_size = o->evaluation_chunk ? o->evaluation_chunk : 500;
    e->chunks = o->evaluate ? (o->evaluation_examples + e->chunk_size - 1) / e->chunk_size : 0;
    e->sums = hw__base_zalloc((size_t)e->chunks * HW_METRICS + 1, sizeof *e->sums);
    e->bytes += 3 * stride * sizeof(float);
    if (!e->sums || hw_histogram_init(&e->merged, c->exact) != HW_OK ||
        hw_histogram_init(&e->before, c->exact) != HW_OK || hw_histogram_init(&e->window, c->exact) != HW_OK ||
        !log_init(&e->evaluations, sizeof(hw_evaluation)) || !log_init(&e->settings, sizeof(hw_setting)))
        return no_memory(why, "records");
    e->bytes += LOG_ENTRIES * (sizeof(hw_evaluation) + sizeof(hw_setting));
    if (c->curvature == 0 && automatic && linear && e->slots > 1 && o->examples && !o->touched) {
        /* 256 examples, in parts of the minibatch's size: one minibatch alone overestimates the curvature. */
        e->probe_examples = c->batch < 256 ? 256 / c->batch * c->batch : c->batch;
        if (e->probe_examples > o->examples) e->probe_examples = o->examples;
        e->probe_index = hw__base_zalloc(e->probe_examples, sizeof *e->probe_index);
        e->bytes += 6 * stride * sizeof(float) + o->scratch_bytes + e->probe_examples * sizeof *e->probe_index;
        return e->probe_index ? hw__probe_create(&e->probe, &e->objective, why) : no_memory(why, "a probe");
    }
    return HW_OK;
}

static hw_status plan_members(hw_engine *e, char *why)
{
    if (e->config.scheduler == HW_SIMULATED) return hw__simulated_plan(e, why);
    hw_status status = plan_groups(e, why);
    if (status != HW_OK) return status;
    e->worker = hw__base_zalloc(e->threads, sizeof *e->worker);
    if (!e->worker) return no_memory(why, "workers");
    e->bytes += e->threads * sizeof *e->worker;
    for (unsigned i = 0; i < e->threads && status == HW_OK; i++) status = plan_worker(e, i, why);
    return status;
}

static hw_status plan_trace(hw_engine *e, char *why)
{
    const hw_config *c = &e->config;
    uint64_t room = c->trace_room ? c->trace_room : hw__ticket_limit(e);
    if (!c->trace) return HW_OK;
    if (room >= NO_TICKET_LIMIT)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.trace_room is 0, and no stop by updates or epochs says how many updates there may be");
    return hw__trace_recorder_create(&e->trace, e->config.scheduler == HW_SIMULATED ? e->members : e->slots, room,
                                     &e->bytes, why);
}

/* Who runs: threads, M of the formulas, and gradients that may be under way. */
static hw_status count_workers(hw_engine *e, char *why)
{
    const hw_config *c = &e->config;
    e->threads = e->members = c->workers;
    e->slots = c->scheduler == HW_SYNC ? 1 : c->scheduler == HW_GROUPS ? c->groups : c->workers;
    unsigned share = e->threads / e->slots;
    if (c->scheduler == HW_SIMULATED) {
        hw__timeline_plan plan;
        hw_status status = hw__timeline_plan_of(&c->simulation, c->workers, &plan, why);
        if (status != HW_OK) return status;
        e->threads = hw__simulated_threads(c);
        e->members = plan.lanes;
        e->slots = plan.m;
        share = c->simulation.per_group;
    }
    if (c->batch_per_worker) e->config.batch *= share;
    return HW_OK;
}

/* Copying all parameters after few sparse updates would cost more than the updates. */
static uint64_t keep_interval(const hw_engine *e)
{
    const hw_objective *o = &e->objective;
    uint64_t least = o->touched ? 256 * (uint64_t)o->parameters / o->touched : 0;
    return e->config.keep_every && e->config.keep_every < least ? least : e->config.keep_every;
}

/* How a run steps: by whole runs of single examples, on replicas, in blocks of the objective's. */
static void plan_steps(hw_engine *e)
{
    const hw_config *c = &e->config;
    e->exchanges = hw__config_exchanges(c);
    e->sweeps = hw__sweep_possible(c, &e->objective, e->params);
    e->keep_every = keep_interval(e);
    e->ticket_block = c->clock_interval;
    if (e->exchanges && e->sweeps && e->ticket_block < 64) e->ticket_block = 64;
}

static bool plan_locks(hw_engine *e)
{
    e->mutex_ready = pthread_mutex_init(&e->mutex, NULL) == 0;
    if (!e->mutex_ready || pthread_mutex_init(&e->done_mutex, NULL) != 0) return false;
    pthread_condattr_t attr;
    bool good = pthread_condattr_init(&attr) == 0;
    if (good) {
#if !defined(__APPLE__)
        good = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0;
#endif
        e->done_ready = good && pthread_cond_init(&e->done_changed, &attr) == 0;
        (void)pthread_condattr_destroy(&attr);
    }
    if (!e->done_ready) {
        (void)pthread_mutex_destroy(&e->done_mutex);
        return false;
    }
    return hw__pause_init(&e->gate, e->threads) && hw__barrier_init(&e->start, e->threads, 0);
}

hw_status hw_engine_create(hw_engine **out, const hw_objective *objective, const hw_config *config, const float *params,
                           char *why)
{
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_engine_create: the address for the handle is NULL");
    *out = NULL;
    hw_status status = hw_config_check(config, objective, why);
    if (status != HW_OK) return status;
    hw_engine *e = hw__base_zalloc(1, sizeof *e);
    if (!e) return no_memory(why, "the engine");
    e->config = *config;
    e->objective = *objective;
    if (e->config.compensation.margin == 0) e->config.compensation.margin = objective->network ? 2 : 0.7;
    e->process = getpid();
    status = count_workers(e, why);
    e->steps_per_epoch =
        objective->examples ? (objective->examples + e->config.batch - 1) / e->config.batch : UINT64_MAX / 2;
    unsigned gather = config->scheduler == HW_SIMULATED && config->simulation.gather ? config->simulation.gather : 1;
    e->updates_per_epoch = (e->steps_per_epoch + gather - 1) / gather;
    e->bytes = sizeof *e;
    e->good = -1;
    if (status == HW_OK && !plan_locks(e)) status = no_memory(why, "locks");
    if (status == HW_OK) {
        hw_params_config p =
            hw__config_params(&e->config, &e->objective, config->scheduler == HW_SIMULATED ? 1 : e->slots);
        status = hw_params_create(&e->params, &p, why);
    }
    if (status == HW_OK) {
        unsigned recorders = config->scheduler != HW_SIMULATED ? e->slots
                             : e->members < SIM_RECORDERS      ? e->members
                                                               : SIM_RECORDERS;
        status = hw_staleness_create(&e->staleness, recorders, config->exact, why);
    }
    if (status == HW_OK) {
        plan_steps(e);
        status = hw__blocks_create(e, why);
    }
    if (status == HW_OK) status = plan_members(e, why);
    if (status == HW_OK) status = plan_trace(e, why);
    if (status == HW_OK) status = plan_rest(e, why);
    if (status != HW_OK) {
        hw_engine_free(e);
        return status;
    }
    e->bytes += hw_params_bytes(e->params) + hw_staleness_bytes(e->staleness);
    if (params) hw_params_set(e->params, 0, params);
    status = hw__capture_plan(e, why);
    if (status != HW_OK) {
        hw_engine_free(e);
        return status;
    }
    *out = e;
    return HW_OK;
}

void hw_engine_free(hw_engine *e)
{
    if (!e || e->process != getpid())
        return; /* in a forked child locks may be held by threads that do not exist there */
    for (unsigned i = 0; e->worker && !e->sim && i < e->threads; i++) {
        hw_worker *w = e->worker + i;
        if (w->scratch_ready && e->objective.scratch_free) e->objective.scratch_free(e->objective.self, w->scratch);
        hw__base_free(w->scratch);
        hw__base_free(w->x);
        hw__base_free(w->index);
    }
    hw__simulated_free(e);
    hw__trace_recorder_free(e->trace);
    hw__blocks_free(e);
    hw__base_free(e->worker);
    for (unsigned g = 0; e->group && g < e->slots; g++) hw__barrier_free(&e->group[g].barrier);
    hw__base_free(e->group);
    hw__probe_free(e->probe);
    hw__base_free(e->probe_index);
    hw_params_free(e->params);
    hw_staleness_free(e->staleness);
    hw_state_free(e->checkpoint);
    hw__base_free(e->snapshot);
    hw__base_free(e->average);
    hw__base_free(e->sums);
    hw_histogram_free(&e->merged);
    hw_histogram_free(&e->before);
    hw_histogram_free(&e->window);
    hw__base_free(e->evaluations.entries);
    hw__base_free(e->settings.entries);
    hw__pause_free(&e->gate);
    hw__barrier_free(&e->start);
    if (e->mutex_ready) (void)pthread_mutex_destroy(&e->mutex);
    if (e->done_ready) {
        (void)pthread_cond_destroy(&e->done_changed);
        (void)pthread_mutex_destroy(&e->done_mutex);
    }
    hw__base_free(e);
}

static hw_status usable(const hw_engine *e)
{
    if (!e) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    return e->running ? HW_E_STATE : HW_OK;
}

hw_status hw_engine_get(hw_engine *e, float *params)
{
    hw_status status = usable(e);
    if (status == HW_OK) hw_params_get(e->params, 0, params);
    return status;
}

hw_status hw_engine_average(hw_engine *e, float *params)
{
    hw_status status = usable(e);
    if (status != HW_OK) return status;
    if (!e->average || !e->averaged || e->run_status != HW_OK) return HW_E_STATE;
    memcpy(params, e->average, e->objective.parameters * sizeof *params);
    return HW_OK;
}

hw_status hw_engine_set(hw_engine *e, const float *params)
{
    hw_status status = usable(e);
    if (status == HW_OK) hw_params_set(e->params, 0, params);
    return status;
}

hw_status hw_engine_get_velocity(hw_engine *e, float *velocity)
{
    hw_status status = usable(e);
    const hw_optimizer *o = &e->config.optimizer;
    bool linear = o->rule == HW_RULE_SGD || o->rule == HW_RULE_NESTEROV;
    if (status != HW_OK) return status;
    if (!linear || hw__optimizer_arrays(o, &e->config.compensation) == 0) return HW_E_STATE;
    hw_params_get(e->params, 1, velocity);
    return HW_OK;
}

size_t hw_engine_bytes(const hw_engine *e)
{
    return e->bytes;
}

unsigned hw_engine_threads(const hw_engine *e)
{
    return e->threads;
}

const hw_evaluation *hw_engine_evaluations(const hw_engine *e, size_t *count)
{
    *count = e->evaluations.count;
    return e->evaluations.entries;
}

const hw_setting *hw_engine_settings(const hw_engine *e, size_t *count)
{
    *count = e->settings.count;
    return e->settings.entries;
}

const hw_staleness *hw_engine_staleness(const hw_engine *e)
{
    return e->staleness;
}

void hw_stop(hw_engine *e)
{
    hw__flags_stop(&e->latch, HW_STOP_ASKED);
}
