/* step.c - the one place where a step happens: ticket, batch, read, gradient, write, record. */
#include "../base/blas.h"
#include "../params/door.h"
#include "ages.h"
#include "correct.h"
#include "own_steps.h"
#include "step.h"
#include <math.h>

hw_status hw__step_run(hw_worker *w)
{
    const hw_objective *o = w->objective;
    w->pairs = 0;
    w->worked = false;
    w->has_sentence = false;
    if (o->blas) hw__blas_keep();
    hw__layers_forget(&w->layers, o->layer_count); /* of a step that failed on its way */
    if (o->step) return o->step(o->self, w, &w->batch);
    const float *x = hw_read(w);
    double loss = o->loss_gradient(o->self, w->scratch, &w->batch, x, w->g);
    return hw_write(w, loss);
}

bool hw__step_whole(hw_worker *w)
{
    hw_status status = hw__step_run(w);
    if (status != HW_OK) {
        hw__fail_worker(w, status);
        return false;
    }
    if (w->pairs) return true;
    hw__fail(w->engine, HW_E_CALLBACK, "the objective's step returned without a write: every step ends in one");
    return false;
}

void hw__step_setting(hw_worker *w)
{
    hw_engine *e = w->engine;
    if (hw__flags_version(&e->flags) == w->version) return;
    (void)pthread_mutex_lock(&e->settings.mutex);
    w->setting = e->settings.now;
    w->setting.rate *= e->settings.slowed;
    w->setting_number = e->settings.number;
    w->version = hw__flags_version(&e->flags);
    (void)pthread_mutex_unlock(&e->settings.mutex);
    hw__own_steps_apply(w);
}

const float *hw__step_read(hw_worker *w, const hw__extent *a, float *values)
{
    hw_engine *e = w->engine;
    if (!values) values = w->x;
    hw__step_setting(w);
    float ahead = (float)w->setting.ahead;
    w->parked_ns = 0;
    if (e->config.clock_interval == 1 && !e->steps.exchanges) w->read_ns = hw_now();
    const float *x = hw__params_read(e->params, w->slot, a, ahead, values, &w->note);
    if (e->config.clock_interval > 1 && w->note.measured) {
        w->read_ns = hw_now();
        w->read_clock =
            w->note.clock + w->landed_before + hw__counter_get(&w->updates); /* the note counts the others only */
    }
    w->seen = x;
    w->has_read = true;
    return x;
}

hw_status hw__step_not_finite(hw_worker *w, const char *what)
{
    hw_engine *e = w->engine;
    hw_params_release(e->params, w->slot);
    /* Single ones are skipped where that is asked for; where nothing else comes any more, parameters are wrong. */
    bool skips = e->config.on_nan == HW_NAN_SKIP, single = skips && ++w->in_row < 8;
    if (single || hw__recovery_ask(e) || skips) {
        hw__counter_add(&w->skipped, 1);
        hw__times_check(w->engine); /* where nothing lands any more, time still ends the run */
        return HW_OK;
    }
    hw__fail(e, HW_E_DIVERGED, "the %s stopped being finite on worker %u at step %llu", what, w->id,
             (unsigned long long)w->batch.step);
    return HW_E_STOPPED;
}

/* Smoothed loss against the run's first losses (about the first 20 updates, from every worker's first few): divergence
 * that never reaches NaN is noticed too. A single loss counts for at most 1.25 times the limit, so that it takes eight
 * in a row and no outlier: losses of rare classes, of counts that are mostly zero, of heavy tails have those. Twenty
 * losses of such a law say little of its mean, so the mean of all so far counts where it is larger, up to ten thousand
 * times: a loss that grows takes its own mean along. The limit can fall while a run goes on, when a worker that started
 * late adds its first losses: what was smoothed under the old limit then counts for no more than the new one, so that
 * only a loss above it ends the run. Who rests when a run begins adds none: it would tell of a much later time. The
 * loss of a few examples of a sparse model says little (a rating can be off by four without anything being wrong), so
 * those are taken sixteen together. */
bool hw__step_diverging(hw_worker *w, double loss, uint32_t examples)
{
    hw_engine *e = w->engine;
    unsigned few = e->objective.touched && examples < 16 ? 16 / examples : 1;
    /* Whoever may land one: every number that events know a worker by. */
    unsigned begin = e->rest.possible ? e->rest.fewest : e->crew.numbers;
    unsigned first = (begin >= 10 ? 2 : 20 / begin) * few;
    if (w->loss_steps == 0 && w->member >= begin) {
        w->smooth_loss = loss;
        w->loss_steps = first;
    }
    if (w->loss_steps < first) {
        w->smooth_loss = w->loss_steps ? w->smooth_loss + 0.2 / few * (loss - w->smooth_loss) : loss;
        w->first_loss += loss;
        if (++w->loss_steps == first) {
            (void)pthread_mutex_lock(&e->settings.mutex);
            hw__counter_add_double(&e->losses.first_sum, w->first_loss);
            hw__counter_add(&e->losses.first_count, first);
            (void)pthread_mutex_unlock(&e->settings.mutex);
            if (few > 1) w->smooth_loss = w->first_loss / first;
        }
        return false;
    }
    double baseline = hw__losses_first(e);
    /* First losses of 0 say nothing: there is no limit. */
    double limit = e->config.divergence > 0 && baseline > 0 ? e->config.divergence * baseline : INFINITY;
    if (loss > limit || w->smooth_loss > limit) { /* rare: only then does the mean of all so far matter */
        uint64_t losses = hw__counter_get(&w->losses);
        double mean = losses ? hw__counter_get_double(&w->loss) / (double)losses : 0;
        limit = fmax(limit, e->config.divergence * fmin(mean, 1e4 * baseline));
        if (loss > 1.25 * limit) loss = 1.25 * limit;
        if (w->smooth_loss > limit) w->smooth_loss = limit;
    }
    w->smooth_loss += 0.2 / few * (loss - w->smooth_loss);
    return w->smooth_loss > limit;
}

bool hw__step_prepare_part(hw_worker *w, const hw__extent *a, size_t at, const float **g, bool *clipped)
{
    const hw_optimizer *o = &w->engine->config.optimizer;
    *g += at;
    hw__correct(w, a, at, g);
    if (a->raw || !(o->clip_norm > 0 || o->weight_decay != 0 || o->n_sections))
        return hw__base_all_finite(*g, a->total);
    /* The rule changes it first: in the worker's buffer. */
    if (*g != w->g + at)
        for (size_t i = 0; i < a->total; i++) w->g[at + i] = (*g)[i];
    *g = w->g + at;
    return hw__optimizer_prepare(o, w->g + at, w->seen + at, a->ranges, a->indices, a->n, clipped);
}

void hw__step_prepare(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    w->pending = (hw__pending){*a, g, loss, HW_OK, hw__base_finite_double(loss), false, false};
    if (w->pending.loss_finite) w->pending.finite = hw__step_prepare_part(w, a, 0, &w->pending.g, &w->pending.clipped);
}

/* v' = mu v - alpha g in the worker's own memory, packed into w->g for the write. */
static void private_velocity(hw_worker *w, const hw__extent *a, const hw_form *form, const float *g, hw_form *out)
{
    float mu = (float)w->setting.momentum, alpha = -form->e;
    for (size_t r = 0, i = 0; r < a->n; r++) {
        size_t first, n = hw__extent_part(a, r, &first);
        for (size_t j = 0; j < n; j++, i++)
            w->g[i] = w->velocity[first + j] = mu * w->velocity[first + j] - alpha * g[i];
    }
    *out = (hw_form){HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
}

void hw__step_observe(hw_worker *w, uint64_t landed)
{
    hw_engine *e = w->engine;
    w->unmeasured++;
    if (!w->note.measured) return;
    uint64_t now = hw__engine_now(e);
    hw_observation o = {landed - w->note.clock, w->note.spread, w->note.overlap, now - w->read_ns - w->parked_ns};
    /* A measured update stands for those since the one before, so the histogram's sum is always the updates. */
    if (e->config.record) hw_staleness_record(e->staleness, w->recorder, &o, w->unmeasured);
    w->observed = o;
    w->unmeasured = 0;
    hw__times_check(w->engine);
}

static void tell(const hw_worker *w, uint64_t landed, double loss, const hw__optimizer_write *ow)
{
    const hw_engine *e = w->engine;
    const hw_config *c = &e->config;
    bool measured = w->note.measured;
    uint64_t number = c->clock_interval == 1 && !e->steps.exchanges ? landed : hw__counter_get(&w->updates);
    if (number % c->on_update_every) return;
    hw_update_event event = {w->member,
                             number,
                             measured ? landed - w->note.clock : 0,
                             w->note.spread,
                             loss,
                             ow->learning_rate,
                             ow->momentum,
                             measured ? w->read_ns : 0,
                             measured ? hw__engine_now(e) : 0,
                             measured};
    c->on_update(c->context, &event);
}

/* The update that lands: from what is pending, through the rule, into the shared array. Returns its number. */
static uint64_t apply(hw_worker *w, double factor, hw__optimizer_write *ow)
{
    hw_engine *e = w->engine;
    const hw_config *c = &e->config;
    const hw__extent *a = &w->pending.extent;
    const float *g = w->pending.g;
    bool aged = c->compensation.age != HW_AGE_NONE;
    bool needs_clock = hw__optimizer_needs_clock(&c->optimizer, &c->compensation);
    uint64_t clock = needs_clock ? hw_params_clock(e->params) : w->note.clock;
    if (aged && factor < 0) factor = hw__ages_factor(e, clock - w->note.clock);
    hw__optimizer_begin(ow, &c->optimizer, &c->compensation, &w->setting, aged ? factor : 1, w->batch.step, clock);
    hw_form form = ow->form;
    if (a->raw) {
        form = (hw_form){HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    } else if (w->velocity) {
        private_velocity(w, a, &ow->form, g, &form);
        g = w->g;
    }
    return hw__params_write(e->params, w->slot, &form, a, g, &w->note);
}

hw_status hw__step_diverged(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw_params_release(e->params, w->slot);
    if (hw__recovery_ask(e)) {
        hw__counter_add(&w->skipped, 1);
        return HW_OK;
    }
    hw__fail(e, HW_E_DIVERGED, "the loss rose from %.3g to %.3g on worker %u by step %llu", hw__losses_first(e),
             w->smooth_loss, w->id, (unsigned long long)w->batch.step);
    return HW_E_STOPPED;
}

hw_status hw__step_account(hw_worker *w, double loss, uint32_t count, bool judge)
{
    hw__counter_add(&w->updates, count);
    hw__counter_add(&w->examples, count);
    hw__counter_add(&w->by_sweep, count);
    w->unmeasured += count;
    if (!judge) return HW_OK;
    if (!hw__base_finite_double(loss)) return hw__step_not_finite(w, "loss");
    if (w->id == 0 && w->loss_steps == 0) hw__counter_add_double(&w->engine->losses.first, loss);
    hw__counter_add_double(&w->loss, loss * count);
    hw__counter_add(&w->losses, count);
    return hw__step_diverging(w, loss, count) ? hw__step_diverged(w) : HW_OK;
}

bool hw__step_accepts(hw_worker *w, uint32_t examples, hw_status *status)
{
    const hw__pending *p = &w->pending;
    if (p->loss_finite && p->clipped) hw__counter_add(&w->clipped, 1);
    if (!p->loss_finite || !p->finite) {
        *status = hw__step_not_finite(w, p->loss_finite ? "gradient" : "loss");
        return false;
    }
    /* Beside sweeps one example says less than the mean of a run, which hw__step_account looks at. */
    if (w->engine->steps.sweeps || !hw__step_diverging(w, p->loss, examples ? examples : 1)) return true;
    *status = hw__step_diverged(w);
    return false;
}

hw_status hw__step_land(hw_worker *w, uint32_t examples, double factor)
{
    hw_status status = HW_OK;
    hw__optimizer_write ow;
    if (!hw__step_accepts(w, examples, &status)) return status;
    uint64_t landed = apply(w, factor, &ow);
    return hw__step_landed(w, w->pending.loss, examples, landed, &ow);
}

void hw__step_due(hw_worker *w, uint64_t n, double loss)
{
    hw_engine *e = w->engine;
    bool exact = e->config.clock_interval == 1 && !e->steps.exchanges;
    if (w->note.measured)
        hw__periodic_keep(e, n, e->steps.sweeps ? w->smooth_loss : loss, exact ? w->note.clock : w->read_clock);
}

hw_status hw__step_landed(hw_worker *w, double loss, uint32_t examples, uint64_t landed, const hw__optimizer_write *ow)
{
    hw_engine *e = w->engine;
    const hw_config *c = &e->config;
    bool exact = c->clock_interval == 1 && !e->steps.exchanges;
    bool opens = exact ? landed == e->first_update : w->id == 0 && hw__counter_get(&w->updates) == 0;
    if (opens && !e->steps.sweeps) /* with sweeps the first run's mean, which says more */
        hw__counter_add_double(&e->losses.first, loss);
    hw__counter_add_double(&w->loss, loss);
    hw__counter_add(&w->losses, 1);
    if (e->recovery.on) {
        w->in_row = 0;
        hw__recovery_note(w, loss);
    }
    hw__counter_add(&w->updates, 1);
    if (e->steps.exchanges) w->since++;
    hw__counter_add(&w->examples, examples);
    if (e->trace)
        hw__trace_record(e->trace, w->member, landed - e->first_update, w->note.clock - e->first_update, w->batch.step,
                         w->setting_number);
    hw__step_observe(w, landed);
    if (c->on_update) tell(w, landed, loss, ow);
    hw__step_due(w, exact ? landed + 1 : hw_params_clock(e->params), loss);
    return HW_OK;
}

hw_status hw__step_write(hw_worker *w, const hw__extent *a, const float *g, double loss, uint32_t examples)
{
    hw_engine *e = w->engine;
    if (hw__flags_failed(&e->flags)) return HW_E_STOPPED;
    if (!w->has_read) {
        hw__fail(e, HW_E_CALLBACK,
                 "the objective wrote without a read before it: each write follows a read of its own");
        return HW_E_STOPPED;
    }
    w->has_read = false;
    if (w->note.measured && e->tickets.block > 1 && !a->all && w->setting.ahead == 0) {
        hw__counter_add(&w->collided, hw_params_changed(e->params, a->ranges, a->indices, a->n, w->seen));
        hw__counter_add(&w->looked_at, a->total);
    }
    hw__step_prepare(w, a, g, loss);
    return hw__step_land(w, examples, -1);
}
