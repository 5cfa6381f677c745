/* periodic.c - what is due after a landing: a new setting, a snapshot of good parameters, an epoch, an evaluation, a
 * capture. One worker at a time does it (it holds the housekeeping); the others go on. */
#include "../optimizer/optimizer.h"
#include "ages.h"
#include "step.h"
#include <math.h>

void hw__periodic_checkpoints(hw_engine *e, uint64_t n)
{
    const hw_config *c = &e->config;
    uint64_t by_updates = hw__due_after(e, n, c->checkpoint_every),
             by_epochs = hw__due_after(e, hw__due_steps(e, n), hw__due_updates(e, c->checkpoint_epochs));
    hw__counter_set(&e->due.checkpoint, e->captures.state ? by_updates : UINT64_MAX);
    hw__counter_set(&e->due.checkpoint_epoch, e->captures.state ? by_epochs : UINT64_MAX);
    bool timed = e->captures.state && c->checkpoint_seconds > 0;
    hw__counter_set(&e->due.checkpoint_ns,
                    timed ? hw__due_multiple(hw__times_trained(e), (uint64_t)fmax(1, c->checkpoint_seconds * 1e9))
                          : UINT64_MAX);
}

hw_policy_input hw__periodic_input(const hw_engine *e)
{
    const hw_optimizer *o = &e->config.optimizer;
    return (hw_policy_input){hw_params_clock(e->params),
                             e->rest.at_work,
                             o->momentum,
                             hw_schedule_rate(&o->schedule, hw__tickets_step(e, hw__counter_get(&e->tickets.taken))),
                             e->curvature.value,
                             NULL,
                             NULL};
}

void hw__periodic_setting(hw_engine *e, bool first)
{
    const hw_config *c = &e->config;
    hw_staleness_summary shape;
    hw_setting s;
    if (hw__engine_prescribed(e, 0, &s)) { /* a replay's come with its events */
        (void)pthread_mutex_lock(&e->settings.mutex);
        if (first) hw__settings_put(e, &s);
        (void)pthread_mutex_unlock(&e->settings.mutex);
        return;
    }
    uint64_t landed = hw_params_clock(e->params) - e->first_update;
    bool by_layer = (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_ADAPTS) && hw__layers_used(e, first);
    bool early = landed < hw__due_updates_of_window(e) || /* too few for a histogram */
                 hw_params_clock(e->params) < e->rest.measured_from;
    if (!first && e->curvature.follow) e->curvature.follow(e);
    hw_policy_input in = hw__periodic_input(e);
    if (!first && !early && c->record) {
        hw__window_merge(e);
        hw__ages_adopt(e, &e->settings.merged);
        const hw__policy *policy = hw__policy_of(c->compensation.policy);
        hw_histogram_copy(&e->settings.window, &e->settings.merged);
        if (!(policy->flags & HW__POLICY_WHOLE)) hw_histogram_subtract(&e->settings.window, &e->settings.before);
        hw_histogram_copy(&e->settings.before, &e->settings.merged);
        hw_staleness_summarize(&e->settings.window, &shape);
        if (policy->steady) policy->steady(&e->settings.now, &shape);
        in.staleness = &e->settings.window;
        in.shape = &shape;
        hw__layers_window(e, true);
    }
    unsigned workers = e->rest.at_work;
    do {
        in.workers = e->rest.at_work;
        if (in.workers != workers)
            in.staleness = NULL, in.shape = NULL; /* it was measured with more or fewer of them */
        if (e->scheduler->input) e->scheduler->input(e, &in);
        if (by_layer) { /* whether the delays are wide, and how far to look ahead, whole steps say */
            hw__layers_mix(e, &e->settings.window);
            in.staleness = &e->settings.window;
        }
        hw_compensate(&c->compensation, &in, &s);
        hw__optimizer_adjust(&c->optimizer, &s);
    } while (e->recovery.on && !hw__recovery_limit(e, &in, &s));
    s.update = in.update; /* not the user's to say */
    if (!hw__base_finite_double(s.rate) || !hw__base_finite_double(s.momentum) || !hw__base_finite_double(s.ahead) ||
        !hw__base_finite_double(s.delay) || s.rate <= 0 || s.momentum <= -1 || s.momentum >= 1 ||
        !(s.pole >= 0 && s.pole < 1)) {
        hw__fail(e, HW_E_CALLBACK,
                 "a compensation policy asked for momentum %g, learning rate x %g, look-ahead %g, delay %g and pole "
                 "%g",
                 s.momentum, s.rate, s.ahead, s.delay, s.pole);
        return;
    }
    if (hw__optimizer_arrays(&c->optimizer, &c->compensation) == 0) s.ahead = 0;
    /* Every change is recorded; a setting equal to the one in force is none. */
    const hw_setting *now = &e->settings.now;
    bool others = e->rest.at_work != e->rest.told;
    if (first || others || fabs(s.rate - now->rate) > 1e-3 * now->rate || fabs(s.momentum - now->momentum) > 1e-3 ||
        fabs(s.ahead - now->ahead) > 1e-2 || fabs(s.pole - now->pole) > 1e-3)
        hw__settings_adopt(e, &s);
}

/* A snapshot is a candidate until a loss that was computed on it or on something later turns out well: at three times
 * the run's first loss or below. Parameters alone do not show that they are about to diverge. */
static void keep_good(hw_engine *e, double loss, uint64_t read)
{
    double first = hw__counter_get_double(&e->losses.first);
    bool well = !(first > 0 && loss > 3 * first);
    if (e->recovery.on) {
        hw__recovery_sign sign = hw__recovery_look(e);
        if (sign == HW__RECOVERY_UNKNOWN || hw__flags_paused(&e->flags) & FLAGS_RETURN) return;
        well = sign == HW__RECOVERY_CALM;
    }
    int other = e->kept.good == 0 ? 1 : 0;
    if (e->kept.candidate && read >= e->kept.candidate) {
        if (well) {
            e->kept.good = other;
            e->kept.good_update = e->kept.candidate;
            other = 1 - other;
        }
        e->kept.candidate = 0;
    }
    /* One that still waits for its loss is not replaced. */
    if (!well || e->kept.candidate) return;
    hw_params_get(e->params, 0, e->kept.x[other]);
    /* The clock after the copy: what landed during it is in it. */
    e->kept.candidate = hw__base_all_finite(e->kept.x[other], e->objective.parameters) ? hw_params_clock(e->params) : 0;
}

void hw__periodic_epochs(hw_engine *e, uint64_t n)
{
    const hw_config *c = &e->config;
    while (hw__due_steps(e, n) >= hw__counter_get(&e->due.epoch)) {
        uint64_t done = (hw__counter_get(&e->due.epoch) - e->first_update) / e->tickets.updates_per_epoch;
        hw__counter_set(&e->due.epoch, e->first_update + (done + 1) * e->tickets.updates_per_epoch);
        hw_status status = c->on_epoch(c->context, done);
        if (status != HW_OK) {
            hw__fail(e, status, "the epoch callback returned %d", status);
            return;
        }
    }
}

static void enter_average(hw_engine *e, float *x)
{
    hw_params_get(e->params, 0, x);
    if (!hw__base_all_finite(x, e->objective.parameters)) return;
    uint64_t count = hw__counter_get(&e->average.count) + 1;
    hw__counter_set(&e->average.count, count);
    float share = 1 / (float)count;
    for (size_t i = 0; i < e->objective.parameters; i++) e->average.mean[i] += share * (x[i] - e->average.mean[i]);
}

/* steps: hw__due_steps of the clock n, here and below. */
static bool checkpoint_due(const hw_engine *e, uint64_t n, uint64_t steps)
{
    uint64_t ns = hw__counter_get(&e->due.checkpoint_ns);
    return n >= hw__counter_get(&e->due.checkpoint) || steps >= hw__counter_get(&e->due.checkpoint_epoch) ||
           (ns != UINT64_MAX && hw__times_training(e) >= ns);
}

/* due.average is an update; where steps make several of them, the share of the run is still one of steps. */
static bool average_due(const hw_engine *e, uint64_t n, uint64_t steps)
{
    return n >= hw__counter_get(&e->due.average) && (hw__counter_get(&e->average.count) || steps >= hw__due_average(e));
}

static bool due(const hw_engine *e, uint64_t n)
{
    uint64_t steps = hw__due_steps(e, n);
    if (e->captures.state && checkpoint_due(e, n, steps)) return true;
    return n >= hw__counter_get(&e->due.window) || n >= hw__counter_get(&e->due.keep) ||
           steps >= hw__counter_get(&e->due.epoch) ||
           (e->config.evaluate_every ? n : steps) >= hw__counter_get(&e->due.evaluation) || average_due(e, n, steps);
}

void hw__periodic_keep(hw_engine *e, uint64_t n, double loss, uint64_t read)
{
    const hw_config *c = &e->config;
    /* Who finds the turn taken leaves; so the holder looks again, with the clock of then, after giving it up. */
    while (due(e, n) && !hw__flags_failed(&e->flags) && hw__flags_begin_housekeeping(&e->flags)) {
        if (n >= hw__counter_get(&e->due.window)) {
            hw__counter_set(&e->due.window, hw__due_window(e, n));
            hw__periodic_setting(e, false);
        }
        if (n >= hw__counter_get(&e->due.keep)) {
            hw__counter_set(&e->due.keep, hw__due_multiple(n, e->kept.every));
            keep_good(e, loss, read);
        }
        uint64_t steps = hw__due_steps(e, n);
        if (average_due(e, n, steps)) {
            hw__counter_set(&e->due.average, hw__due_multiple(n, c->average_every));
            enter_average(e, e->average.mean + hw__whole_lines(e->objective.parameters));
        }
        hw__periodic_epochs(e, n);
        if ((c->evaluate_every ? n : steps) >= hw__counter_get(&e->due.evaluation)) {
            hw__counter_set(&e->due.evaluation, UINT64_MAX); /* set again when it has been done */
            hw__flags_pause(&e->flags, FLAGS_EVALUATE);
        }
        if (e->captures.state && checkpoint_due(e, n, steps)) {
            hw__counter_set(&e->due.checkpoint, UINT64_MAX); /* likewise */
            hw__counter_set(&e->due.checkpoint_epoch, UINT64_MAX);
            hw__counter_set(&e->due.checkpoint_ns, UINT64_MAX);
            hw__flags_pause(&e->flags, FLAGS_CAPTURE);
        }
        hw__flags_end_housekeeping(&e->flags);
        n = hw_params_clock(e->params);
    }
}
