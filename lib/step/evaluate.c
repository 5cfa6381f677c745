/* evaluate.c - evaluations: their chunks, what is made of the sums, and the target. */
#include "../base/blas.h"
#include "hogwild/advanced/peers.h"
#include "peers.h"
#include "step.h"
#include <math.h>
#include <string.h>

/* By epochs of what the engine has made of its share, whatever number it goes by itself (peers). */
uint64_t hw__evaluate_next(const hw_engine *e, uint64_t n)
{
    const hw_config *c = &e->config;
    if (c->evaluate_every) return hw__due_after(e, n, c->evaluate_every);
    const uint64_t steps = hw__due_steps(e, n), every = hw__due_updates(e, c->evaluate_epochs);
    const int64_t at = (int64_t)(steps - e->first_update) + e->tickets.shift / (int64_t)e->crew.gather;
    const uint64_t made = at > 0 ? (uint64_t)at : 0; /* it may have skipped some that the other had made */
    return every ? steps + (hw__due_multiple(made, every) - made) : UINT64_MAX;
}

uint64_t hw_engine_until_evaluation(const hw_engine *e)
{
    const uint64_t due = e ? hw__counter_get(&e->due.evaluation) : UINT64_MAX;
    if (due == UINT64_MAX) return due;
    const uint64_t n = hw_params_clock(e->params), now = e->config.evaluate_every ? n : hw__due_steps(e, n);
    return due > now ? due - now : 0;
}

void hw__evaluate_chunks(hw_worker *w)
{
    hw_engine *e = w->engine;
    const hw_objective *o = &e->objective;
    for (;;) {
        uint32_t i = (uint32_t)hw__counter_take(&e->pause.chunk, 1);
        if (i >= e->evaluation.chunks || hw__flags_failed(&e->flags)) return;
        uint32_t first = i * e->evaluation.chunk_size, n = o->evaluation_examples - first;
        double *sums = e->evaluation.sums + (size_t)i * HW_METRICS;
        for (int m = 0; m < HW_METRICS; m++) sums[m] = 0;
        if (!hw__peers_evaluates(e, i)) continue;
        w->has_sentence = false;
        if (o->blas) hw__blas_keep();
        hw_status status = o->evaluate(o->self, w->scratch, e->snapshot, first,
                                       n < e->evaluation.chunk_size ? n : e->evaluation.chunk_size, sums);
        if (status != HW_OK) hw__fail_worker(w, status);
    }
}

bool hw__evaluate_meets_target(const hw_engine *e, const hw_evaluation *ev)
{
    const hw_config *c = &e->config;
    double m = ev->metric[c->target_metric];
    return c->target != 0 && (c->target_metric == 0 ? m <= c->target : m >= c->target);
}

void hw__evaluate_target(hw_engine *e, const hw_evaluation *ev)
{
    if (!hw__base_finite_double(e->evaluation.mark.seconds_to_target)) {
        e->evaluation.mark.seconds_to_target = ev->seconds;
        e->evaluation.mark.updates_to_target = ev->update - e->first_update;
    }
    hw__flags_stop(&e->flags, HW_STOP_TARGET);
}

/* Everybody parked, sums complete. */
void hw__evaluate_end(hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t n = hw_params_clock(e->params), count;
    hw_evaluation ev;
    if (!hw__peers_sums(e)) return;
    memset(&ev, 0, sizeof ev);
    ev.update = n;
    ev.epoch = (double)(hw__due_steps(e, n) - e->first_update) / (double)e->tickets.updates_per_epoch;
    ev.seconds = hw__times_seconds(e);
    ev.virtual_time = hw__engine_time(e);
    double sum;
    hw__losses_sum(e, &sum, &count);
    ev.train_loss = count > e->evaluation.mark.losses_before
                        ? (sum - e->evaluation.mark.loss_before) / (double)(count - e->evaluation.mark.losses_before)
                        : NAN;
    e->evaluation.mark.loss_before = sum;
    e->evaluation.mark.losses_before = count;
    for (unsigned m = 0; m < e->objective.metrics; m++) {
        double total = 0;
        for (uint32_t i = 0; i < e->evaluation.chunks; i++) total += e->evaluation.sums[i * HW_METRICS + m];
        ev.metric[m] = total / (double)e->objective.evaluation_examples;
    }
    if (c->record) {
        hw_histogram_clear(&e->settings.merged);
        hw_staleness_merge(e->staleness, HW_HISTOGRAM_STALENESS, &e->settings.merged);
        ev.staleness = e->settings.merged.total ? e->settings.merged.sum / (double)e->settings.merged.total : 0;
    }
    ev.momentum = e->settings.now.momentum;
    ev.ahead = e->settings.now.ahead;
    ev.learning_rate = e->settings.now.rate * hw_schedule_rate(&c->optimizer.schedule,
                                                               hw__tickets_step(e, hw__counter_get(&e->tickets.taken)));
    (void)pthread_mutex_lock(&e->pause.mutex); /* others may ask for it */
    e->evaluation.mark.last = ev;
    e->evaluation.mark.has_last = true;
    (void)pthread_mutex_unlock(&e->pause.mutex);
    if (c->on_nan == HW_NAN_STOP && !hw__base_finite_double(ev.metric[0]) && !hw__recovery_ask(e))
        hw__fail(e, HW_E_DIVERGED, "the evaluation's loss is not finite");
    hw__peers_tell(e, &ev);
    *(hw_evaluation *)hw__log_next(&e->evaluation.log) = ev;
    if (hw__evaluate_meets_target(e, &ev)) hw__evaluate_target(e, &ev);
    hw__counter_set(&e->due.evaluation, hw__evaluate_next(e, n));
    hw_status status = c->on_evaluation ? c->on_evaluation(c->context, &ev) : HW_OK;
    if (status != HW_OK) hw__fail(e, status, "the evaluation callback returned %d", status);
}

void hw__evaluate_leave_out(hw_engine *e)
{
    e->evaluation.leaves_out = true;
    e->evaluation.before_last = e->evaluation.mark;
}
