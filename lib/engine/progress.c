/* progress.c - what a run has come to, asked by any thread. */
#include "engine.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

void hw__progress_of(hw_engine *e, hw_progress *to, hw_evaluation *last)
{
    const hw_config *c = &e->config;
    hw_progress p;
    memset(&p, 0, sizeof p);
    (void)pthread_mutex_lock(&e->settings.mutex);
    hw_setting s = e->settings.now;
    (void)pthread_mutex_unlock(&e->settings.mutex);
    double staleness = 0, sum;
    uint64_t count;
    for (unsigned i = 0; i < e->crew.members; i++) {
        p.updates += hw__counter_get(&e->worker[i].updates);
        p.examples += hw__counter_get(&e->worker[i].examples);
    }
    (void)pthread_mutex_lock(&e->pause.mutex); /* no evaluation is being written, and the clock of a pause stands */
    p.seconds = hw__times_seconds(e);
    bool has_last = e->evaluation.mark.has_last;
    if (has_last) *last = e->evaluation.mark.last;
    (void)pthread_mutex_unlock(&e->pause.mutex);
    hw__losses_sum(e, &sum, &count);
    p.train_loss = count ? sum / (double)count : NAN;
    /* In expectation M - 1 once all are busy; the exact mean is in the evaluation. */
    staleness = has_last ? last->staleness : hw__flags_at_work(&e->flags) - 1.0;
    uint64_t further = hw__counter_get(&e->tickets.further), steps = p.updates > further ? p.updates - further : 0;
    p.epoch = e->objective.examples ? (double)steps / (double)e->tickets.updates_per_epoch : 0;
    p.examples_per_second = p.seconds > 0 ? (double)p.examples / p.seconds : 0;
    p.staleness = staleness;
    p.momentum = s.momentum;
    p.ahead = s.ahead;
    p.learning_rate =
        s.rate * hw_schedule_rate(&c->optimizer.schedule, hw__tickets_step(e, hw__counter_get(&e->tickets.taken)));
    uint64_t total = hw__tickets_limit(e);
    if (total < HW__NO_LIMIT) total = (total + e->crew.gather - 1) / e->crew.gather;
    p.fraction = NAN;
    if (total < HW__NO_LIMIT) p.fraction = fmin(1, (double)steps / (double)total);
    if (c->seconds > 0)
        p.fraction = fmax(hw__base_finite_double(p.fraction) ? p.fraction : 0, fmin(1, p.seconds / c->seconds));
    p.last = has_last ? last : NULL;
    *to = p;
}

hw_status hw_engine_progress(hw_engine *e, hw_progress *progress, hw_evaluation *last)
{
    hw_evaluation unused;
    if (!e || !progress) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    (void)pthread_mutex_lock(&e->run.asking);
    bool begun = e->run.begun;
    (void)pthread_mutex_unlock(&e->run.asking);
    if (begun) hw__progress_of(e, progress, last ? last : &unused);
    if (begun && !last) progress->last = NULL;
    return begun ? HW_OK : HW_E_STATE;
}
