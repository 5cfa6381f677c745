/* periodic.c - what is due after a landing: a new setting, a snapshot of good parameters, an epoch, an evaluation, a
 * capture.
 * One worker at a time does it (the latch's turn); the others go on. */
#include "engine.h"
#include <math.h>
#include <string.h>

/* The next multiple of `step` above n; never for step 0. */
static uint64_t after(uint64_t n, uint64_t step)
{
    return step ? (n / step + 1) * step : UINT64_MAX;
}

uint64_t hw__periodic_after(const hw_engine *e, uint64_t n, uint64_t every)
{
    return every ? e->first_update + after(n - e->first_update, every) : UINT64_MAX;
}

/* So many updates as there are in a number of epochs. */
static uint64_t updates_of(const hw_engine *e, double epochs)
{
    return (uint64_t)ceil(fmin(1e15, epochs * (double)e->updates_per_epoch));
}

uint64_t hw__evaluation_interval(const hw_engine *e)
{
    const hw_config *c = &e->config;
    return c->evaluate_every ? c->evaluate_every : updates_of(e, c->evaluate_epochs);
}

void hw__periodic_checkpoints(hw_engine *e, uint64_t n)
{
    const hw_config *c = &e->config;
    uint64_t a = hw__periodic_after(e, n, c->checkpoint_every),
             b = hw__periodic_after(e, n, updates_of(e, c->checkpoint_epochs));
    hw__counter_set(&e->next_checkpoint, !e->checkpoint ? UINT64_MAX : a < b ? a : b);
    bool timed = e->checkpoint && c->checkpoint_seconds > 0;
    hw__counter_set(&e->next_checkpoint_ns,
                    timed ? after(hw__trained_ns(e), (uint64_t)fmax(1, c->checkpoint_seconds * 1e9)) : UINT64_MAX);
}

/* A new setting in force: into the record, the trace, and before the workers' eyes. Under the mutex. */
static void put_in_force(hw_engine *e, const hw_setting *s)
{
    e->setting = *s;
    hw_setting *entry = hw__log_next(&e->settings);
    if (entry) *entry = *s;
    hw__trace_setting t = {s->rate, s->momentum, s->ahead, s->exact};
    if (e->trace) e->setting_number = hw__trace_setting_new(e->trace, &t);
    hw__flags_new_version(&e->latch);
}

void hw__periodic_setting(hw_engine *e, bool first)
{
    const hw_config *c = &e->config;
    hw_shape shape;
    hw_setting s;
    if (hw__simulated_setting(e, 0, &s)) { /* a replay's come with its events */
        (void)pthread_mutex_lock(&e->mutex);
        if (first) put_in_force(e, &s);
        (void)pthread_mutex_unlock(&e->mutex);
        return;
    }
    hw_policy_input in = {hw_params_clock(e->params),
                          e->slots,
                          c->optimizer.momentum,
                          hw_schedule_rate(&c->optimizer.schedule, hw__counter_get(&e->tickets)),
                          e->curvature,
                          NULL,
                          NULL};
    if (!first && c->record) {
        /* The window is the difference of two merged states: recorders are never reset. */
        hw_histogram_clear(&e->merged);
        hw_staleness_merge(e->staleness, e->exchanges ? HW_HISTOGRAM_SPREAD : HW_HISTOGRAM_STALENESS, &e->merged);
        hw_histogram_copy(&e->window, &e->merged);
        hw_histogram_subtract(&e->window, &e->before);
        hw_histogram_copy(&e->before, &e->merged);
        hw_shape_of(&e->window, &shape);
        in.staleness = &e->window;
        in.shape = &shape;
    }
    hw_compensate(&c->compensation, &in, &s);
    bool linear = c->optimizer.rule == HW_RULE_SGD || c->optimizer.rule == HW_RULE_NESTEROV;
    if (!linear && (s.policy == HW_POLICY_AUTO || s.policy == HW_POLICY_NONE)) {
        /* No velocity to look ahead along and no linear bound: auto leaves these rules as they are. */
        s.rate = 1;
        s.ahead = s.delay = 0;
        (void)snprintf(s.reason, sizeof s.reason, "none for this rule");
    }
    if (c->optimizer.rule == HW_RULE_ADAM && s.policy != HW_POLICY_USER)
        s.rate = 1; /* its gain is alpha at any beta 1 */
    /* Nesterov's parameters move by mu v: as far ahead are mu s velocities. */
    if (c->optimizer.rule == HW_RULE_NESTEROV && s.policy != HW_POLICY_USER) s.ahead *= c->optimizer.momentum;
    s.update = in.update; /* not the user's to say */
    if (!hw__base_finite_double(s.rate) || !hw__base_finite_double(s.momentum) || !hw__base_finite_double(s.ahead) ||
        !hw__base_finite_double(s.delay) || s.rate <= 0 || s.momentum <= -1 || s.momentum >= 1 ||
        !(s.exact >= 0 && s.exact < 1)) {
        hw__fail(e, HW_E_CALLBACK,
                 "a compensation policy asked for momentum %g, learning rate x %g, look-ahead %g, delay %g and pole "
                 "%g",
                 s.momentum, s.rate, s.ahead, s.delay, s.exact);
        return;
    }
    if (hw__optimizer_arrays(&c->optimizer, &c->compensation) == 0) s.ahead = 0;
    (void)pthread_mutex_lock(&e->mutex);
    /* Every change is recorded; a setting equal to the one in force is none. */
    bool changed = first || fabs(s.rate - e->setting.rate) > 1e-3 * e->setting.rate ||
                   fabs(s.momentum - e->setting.momentum) > 1e-3 || fabs(s.ahead - e->setting.ahead) > 1e-2 ||
                   fabs(s.exact - e->setting.exact) > 1e-3;
    if (changed) put_in_force(e, &s);
    (void)pthread_mutex_unlock(&e->mutex);
}

void hw__periodic_recorded(hw_engine *e, uint32_t number, hw_setting *setting)
{
    if (!hw__simulated_setting(e, number, setting)) return;
    (void)pthread_mutex_lock(&e->mutex);
    if (number > e->replayed_setting) {
        put_in_force(e, setting);
        e->replayed_setting = number;
    }
    (void)pthread_mutex_unlock(&e->mutex);
}

/* A snapshot is a candidate until a loss that was computed on it or on something later turns out well: at three times
 * the run's first loss or below. Parameters alone do not show that they are about to diverge. */
static void keep_good(hw_engine *e, double loss, uint64_t read)
{
    double first = hw__counter_get_double(&e->first_loss);
    bool well = !(first > 0 && loss > 3 * first);
    int other = e->good == 0 ? 1 : 0;
    if (e->candidate_update && read >= e->candidate_update) {
        if (well) {
            e->good = other;
            e->good_update = e->candidate_update;
            other = 1 - other;
        }
        e->candidate_update = 0;
    }
    /* One that still waits for its loss is not replaced. */
    if (!well || e->candidate_update) return;
    hw_params_get(e->params, 0, e->kept[other]);
    /* The clock after the copy: what landed during it is in it. */
    e->candidate_update = hw__base_all_finite(e->kept[other], e->objective.parameters) ? hw_params_clock(e->params) : 0;
}

void hw__periodic_epochs(hw_engine *e, uint64_t n)
{
    const hw_config *c = &e->config;
    while (n >= hw__counter_get(&e->next_epoch)) {
        uint64_t done = (hw__counter_get(&e->next_epoch) - e->first_update) / e->updates_per_epoch;
        hw__counter_set(&e->next_epoch, e->first_update + (done + 1) * e->updates_per_epoch);
        hw_status status = c->on_epoch(c->context, done);
        if (status != HW_OK) {
            hw__fail(e, status, "the epoch callback returned %d", status);
            return;
        }
    }
}

void hw__periodic_average(hw_engine *e, float *x)
{
    hw_params_get(e->params, 0, x);
    if (!hw__base_all_finite(x, e->objective.parameters)) return;
    float share = 1 / (float)++e->averaged;
    for (size_t i = 0; i < e->objective.parameters; i++) e->average[i] += share * (x[i] - e->average[i]);
}

static bool checkpoint_due(const hw_engine *e, uint64_t n)
{
    uint64_t ns = hw__counter_get(&e->next_checkpoint_ns);
    return n >= hw__counter_get(&e->next_checkpoint) || (ns != UINT64_MAX && hw__training_ns(e) >= ns);
}

static bool due(const hw_engine *e, uint64_t n)
{
    if (e->checkpoint && checkpoint_due(e, n)) return true;
    return n >= hw__counter_get(&e->next_window) || n >= hw__counter_get(&e->next_keep) ||
           n >= hw__counter_get(&e->next_epoch) || n >= hw__counter_get(&e->next_evaluation) ||
           n >= hw__counter_get(&e->next_average);
}

void hw__periodic_keep(hw_engine *e, uint64_t n, double loss, uint64_t read)
{
    const hw_config *c = &e->config;
    /* Who finds the turn taken leaves; so the holder looks again, with the clock of then, after giving it up. */
    while (due(e, n) && !hw__flags_failed(&e->latch) && hw__flags_begin_housekeeping(&e->latch)) {
        if (n >= hw__counter_get(&e->next_window)) {
            hw__counter_set(&e->next_window, after(n, c->compensation.window * e->ticket_block));
            hw__periodic_setting(e, false);
        }
        if (n >= hw__counter_get(&e->next_keep)) {
            hw__counter_set(&e->next_keep, after(n, e->keep_every));
            keep_good(e, loss, read);
        }
        if (n >= hw__counter_get(&e->next_average)) {
            hw__counter_set(&e->next_average, after(n, c->average_every));
            hw__periodic_average(e, e->average + (e->objective.parameters + 15) / 16 * 16);
        }
        hw__periodic_epochs(e, n);
        if (n >= hw__counter_get(&e->next_evaluation)) {
            hw__counter_set(&e->next_evaluation, UINT64_MAX); /* set again when it has been done */
            hw__flags_pause(&e->latch, FLAGS_EVALUATE);
        }
        if (e->checkpoint && checkpoint_due(e, n)) {
            hw__counter_set(&e->next_checkpoint, UINT64_MAX); /* likewise */
            hw__counter_set(&e->next_checkpoint_ns, UINT64_MAX);
            hw__flags_pause(&e->latch, FLAGS_CAPTURE);
        }
        hw__flags_end_housekeeping(&e->latch);
        n = hw_params_clock(e->params);
    }
}

bool hw__evaluation_meets_target(const hw_engine *e, const hw_evaluation *ev)
{
    const hw_config *c = &e->config;
    double m = ev->metric[c->target_metric];
    return c->target != 0 && (c->target_metric == 0 ? m <= c->target : m >= c->target);
}

void hw__evaluation_target(hw_engine *e, const hw_evaluation *ev)
{
    if (!hw__base_finite_double(e->seconds_to_target)) {
        e->seconds_to_target = ev->seconds;
        e->updates_to_target = ev->update - e->first_update;
    }
    hw__flags_stop(&e->latch, HW_STOP_TARGET);
}

/* In the gate, everybody parked, sums complete. */
void hw__evaluation_end(hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t n = hw_params_clock(e->params), count;
    hw_evaluation ev;
    memset(&ev, 0, sizeof ev);
    ev.update = n;
    ev.epoch = (double)(n - e->first_update) / (double)e->updates_per_epoch;
    ev.seconds = hw__seconds(e);
    ev.virtual_time = hw__simulated_time(e);
    double sum;
    hw__losses(e, &sum, &count);
    ev.train_loss = count > e->losses_before ? (sum - e->loss_before) / (double)(count - e->losses_before) : NAN;
    e->loss_before = sum;
    e->losses_before = count;
    for (unsigned m = 0; m < e->objective.metrics; m++) {
        double total = 0;
        for (uint32_t i = 0; i < e->chunks; i++) total += e->sums[i * HW_METRICS + m];
        ev.metric[m] = total / (double)e->objective.evaluation_examples;
    }
    if (c->record) {
        hw_histogram_clear(&e->merged);
        hw_staleness_merge(e->staleness, HW_HISTOGRAM_STALENESS, &e->merged);
        ev.staleness = e->merged.total ? e->merged.sum / (double)e->merged.total : 0;
    }
    ev.momentum = e->setting.momentum;
    ev.ahead = e->setting.ahead;
    ev.learning_rate = e->setting.rate * hw_schedule_rate(&c->optimizer.schedule, hw__counter_get(&e->tickets));
    e->last = ev;
    e->has_last = true;
    if (c->on_nan == HW_NAN_STOP && !hw__base_finite_double(ev.metric[0]))
        hw__fail(e, HW_E_DIVERGED, "the evaluation's loss is not finite");
    hw_evaluation *entry = hw__log_next(&e->evaluations);
    if (entry) *entry = ev;
    if (hw__evaluation_meets_target(e, &ev)) hw__evaluation_target(e, &ev);
    hw__counter_set(&e->next_evaluation, hw__periodic_after(e, n, hw__evaluation_interval(e)));
    hw_status status = c->on_evaluation ? c->on_evaluation(c->context, &ev) : HW_OK;
    if (status != HW_OK) hw__fail(e, status, "the evaluation callback returned %d", status);
}
