/* handle.c - what a handle answers outside a run: parameters, what was measured, the result. */
#include "../base/sized.h"
#include "../optimizer/optimizer.h"
#include "engine.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

hw_status hw__handle_usable(hw_engine *e, const char *call)
{
    if (!e) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK; /* nothing is written there: locks may be held */
    e->sentence[0] = 0;
    if (e->run.running) return hw__base_fail(e->sentence, HW_E_STATE, "%s: the engine is running", call);
    return HW_OK;
}

bool hw__handle_running(hw_engine *e)
{
    (void)pthread_mutex_lock(&e->run.asking);
    bool now = e->run.running;
    (void)pthread_mutex_unlock(&e->run.asking);
    return now;
}

static hw_status usable_with(hw_engine *e, const float *values, const char *call)
{
    hw_status status = hw__handle_usable(e, call);
    if (status != HW_OK || values) return status;
    return hw__base_fail(e->sentence, HW_E_ARGUMENT, "%s: where the values are is NULL", call);
}

const char *hw_engine_sentence(const hw_engine *e)
{
    return e ? e->sentence : "the engine is NULL";
}

hw_status hw_engine_get(hw_engine *e, float *params)
{
    hw_status status = usable_with(e, params, "hw_engine_get");
    if (status == HW_OK) hw_params_get(e->params, 0, params);
    return status;
}

hw_status hw_engine_average(hw_engine *e, float *params)
{
    hw_status status = usable_with(e, params, "hw_engine_average");
    if (status != HW_OK) return status;
    if (!e->average.mean || !hw__counter_get(&e->average.count) || e->run.status != HW_OK)
        return hw__base_fail(e->sentence, HW_E_STATE, "hw_engine_average: %s",
                             e->average.mean ? "nothing has entered the mean yet, or the run failed"
                                             : "config.average_every is 0");
    memcpy(params, e->average.mean, e->objective.parameters * sizeof *params);
    return HW_OK;
}

hw_status hw_engine_set(hw_engine *e, const float *params)
{
    hw_status status = usable_with(e, params, "hw_engine_set");
    if (status == HW_OK) hw_params_set(e->params, 0, params);
    return status;
}

hw_status hw_engine_get_velocity(hw_engine *e, float *velocity)
{
    hw_status status = usable_with(e, velocity, "hw_engine_get_velocity");
    if (status != HW_OK) return status;
    const hw_optimizer *o = &e->config.optimizer;
    bool linear = (hw__rule_of(o)->flags & HW__RULE_LINEAR) != 0;
    if (!linear || hw__optimizer_arrays(o, &e->config.compensation) == 0)
        return hw__base_fail(e->sentence, HW_E_STATE, "hw_engine_get_velocity: this rule keeps no shared velocity");
    hw_params_get(e->params, 1, velocity);
    return HW_OK;
}

size_t hw_engine_bytes(const hw_engine *e)
{
    return e->bytes;
}

unsigned hw_engine_threads(const hw_engine *e)
{
    return e->crew.threads;
}

const hw_evaluation *hw_engine_evaluations(const hw_engine *e, size_t *count)
{
    *count = e->evaluation.log.count;
    return e->evaluation.log.entries;
}

const hw_setting *hw_engine_settings(const hw_engine *e, size_t *count)
{
    *count = e->settings.log.count;
    return e->settings.log.entries;
}

const hw_staleness *hw_engine_staleness(const hw_engine *e)
{
    return e->staleness;
}

size_t hw_engine_layers(const hw_engine *e, const hw_layer **layers)
{
    if (layers) *layers = e ? e->objective.layers : NULL;
    return e && e->layers.on ? e->objective.layer_count : 0;
}

hw_status hw_engine_layer_staleness(const hw_engine *e, size_t layer, hw_histogram *h)
{
    if (layer >= hw_engine_layers(e, NULL) || !h || !h->counts) return HW_E_ARGUMENT;
    hw_histogram_clear(h);
    hw__layers_histogram(e, layer, h);
    return HW_OK;
}

uint64_t hw_engine_returns(const hw_engine *e, uint64_t *lost)
{
    if (lost) *lost = e ? hw__counter_get(&e->recovery.lost) : 0;
    return e ? hw__counter_get(&e->recovery.returns) : 0;
}

unsigned hw_engine_at_work(const hw_engine *e, double *mean)
{
    if (mean) *mean = e ? hw__rest_mean(e) : 0;
    return e ? hw__flags_at_work(&e->flags) : 0;
}

hw_status hw_engine_cluster(const hw_engine *e, hw_cluster_result *result)
{
    hw_cluster_result all = {0};
    if (!e || !result || result->struct_size < sizeof result->struct_size) return HW_E_ARGUMENT;
    if (!e->scheduler->cluster || !e->scheduler->cluster(e, &all)) return HW_E_UNSUPPORTED;
    return hw__sized_fill(result, result->struct_size, &all, sizeof all, sizeof result->struct_size);
}

void hw_engine_stop(hw_engine *e)
{
    hw__flags_stop(&e->flags, HW_STOP_ASKED);
}

void hw_stop(hw_engine *e)
{
    hw_engine_stop(e);
}

/* Where the learning rate was too high for the delays: that, and what would have done. */
static void advise(hw_engine *e, const hw_result *r, char *advice)
{
    hw_policy_input in = hw__periodic_input(e);
    in.learning_rate = e->config.optimizer.schedule.base;
    if (hw__layers_used(e, false) && r->staleness.updates) {
        hw__layers_mix(e, &e->settings.window);
        in.staleness = &e->settings.window;
        in.shape = &r->staleness;
    }
    if (hw_advise_input(&e->config.compensation, &in, advice, HW_WHY)) advice[0] = 0;
}

void hw_engine_result(hw_engine *e, hw_result *r)
{
    if (!r) return;
    memset(r, 0, sizeof *r);
    if (!e || e->run.running) { /* workers use what it would be made of */
        r->status = e ? HW_E_STATE : HW_E_ARGUMENT;
        (void)snprintf(r->message, sizeof r->message, "hw_engine_result: the engine is %s", e ? "running" : "NULL");
        return;
    }
    r->reason = (hw_stop_reason)hw__flags_stopped(&e->flags);
    r->updates = hw_params_clock(e->params) - e->first_update;
    r->good_update = e->kept.good_update - e->first_update;
    uint64_t looked_at = 0, collided = 0;
    for (unsigned i = 0; i < e->crew.members; i++) {
        r->examples += hw__counter_get(&e->worker[i].examples);
        r->clipped += hw__counter_get(&e->worker[i].clipped);
        r->skipped += hw__counter_get(&e->worker[i].skipped);
        r->swept += hw__counter_get(&e->worker[i].by_sweep);
        r->exchanges += hw__counter_get(&e->worker[i].exchanges);
        looked_at += hw__counter_get(&e->worker[i].looked_at);
        collided += hw__counter_get(&e->worker[i].collided);
    }
    unsigned chose = 0; /* the first worker that has come to choose an interval */
    while (chose + 1 < e->crew.members && !e->worker[chose].exchange_every) chose++;
    r->exchange_interval = e->steps.exchanges ? hw__exchange_interval(e->worker + chose) : 1;
    r->collisions = looked_at ? (double)collided / (double)looked_at : NAN;
    r->tickets = hw__tickets_handed(e) - e->tickets.first;
    r->epochs = e->objective.examples ? (double)r->examples / (double)e->objective.examples : 0;
    r->seconds = hw__times_seconds(e);
    r->evaluation_seconds = (double)e->times.evaluation * 1e-9;
    r->preparation_seconds = (double)e->times.preparation * 1e-9;
    r->curvature = e->curvature.value;
    double smooth = 0;
    unsigned with = 0;
    for (unsigned i = 0; i < e->crew.members; i++) {
        if (!e->worker[i].loss_steps) continue;
        smooth += e->worker[i].smooth_loss;
        with++;
    }
    r->train_loss = with ? smooth / with : NAN;
    if (e->evaluation.mark.has_last) r->last = e->evaluation.mark.last;
    r->seconds_to_target = e->evaluation.mark.seconds_to_target;
    r->updates_to_target = e->evaluation.mark.updates_to_target;
    hw_histogram_clear(&e->settings.merged);
    hw_staleness_merge(e->staleness, HW_HISTOGRAM_STALENESS, &e->settings.merged);
    hw_staleness_summarize(&e->settings.merged, &r->staleness);
    hw_staleness_work(e->staleness, &r->work);
    r->setting = e->settings.now;
    r->virtual_time = hw__engine_time(e);
    if (hw__flags_failed(&e->flags)) {
        r->status = e->flags.code;
        r->reason = HW_STOP_ERROR;
        char advice[HW_WHY] = "";
        if (r->status == HW_E_DIVERGED && e->crew.slots > 1 && e->curvature.value > 0) advise(e, r, advice);
        (void)snprintf(r->message, sizeof r->message, "training stopped at update %llu: %s%s%llu are kept%s%.200s",
                       (unsigned long long)r->updates, e->flags.sentence, "; the parameters of update ",
                       (unsigned long long)r->good_update, *advice ? "; " : "", advice);
    } else if (r->reason == HW_STOP_NONE) {
        r->reason = HW_STOP_UPDATES;
    }
}
