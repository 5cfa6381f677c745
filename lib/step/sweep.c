/* sweep.c - runs of single-example updates through the objective's sweep: what the sparse path does instead of one step
 * at a time. It measures one step in ticket_block (or one exchange) and counts the rest. */
#include "../params/door.h"
#include "step.h"
#include "hogwild/advanced/sweep.h"
#include <math.h>

/* --- the objective's view of a sweep ------------------------------------------------------------------------------ */

float hw_sweep_rate(hw_worker *w, uint32_t i)
{
    const hw_schedule *s = &w->engine->config.optimizer.schedule;
    if (w->run_rate > 0) return w->run_rate;
    return (float)(hw_schedule_rate(s, hw__tickets_step(w->engine, w->ticket + i)) * w->setting.rate);
}

static bool sums_squares(const hw_optimizer *o)
{
    return (hw__rule_of(o)->flags & HW__RULE_SQUARES) != 0;
}

int hw_sweep_adagrad(const hw_worker *w)
{
    return sums_squares(&w->engine->config.optimizer);
}

float hw_sweep_dot_at(hw_worker *w, const uint32_t *indices, const float *values, size_t n)
{
    return hw_params_dot_at(w->engine->params, w->slot, indices, values, n);
}

void hw_sweep_axpy_at(hw_worker *w, uint32_t i, const uint32_t *indices, const float *values, size_t n, float slope,
                      const float *decay)
{
    const hw_optimizer *o = &w->engine->config.optimizer;
    hw_fused_rule rule = {hw_sweep_rate(w, i), (float)o->epsilon, decay, sums_squares(o)};
    hw_params_axpy_at(w->engine->params, w->slot, &rule, indices, values, n, slope);
}

void hw_sweep_prefetch_at(hw_worker *w, const uint32_t *indices, size_t n)
{
    hw_params_prefetch_at(w->engine->params, w->slot, indices, n);
}

double hw_sweep_linear(hw_worker *w, uint32_t i, const hw_linear_rows *form, const uint32_t *rows, size_t n)
{
    enum { PART = 64 };
    float rate[PART];
    double loss = 0;
    for (size_t at = 0, part; at < n; at += part) {
        part = n - at < PART ? n - at : PART;
        for (size_t k = 0; k < part; k++) rate[k] = hw_sweep_rate(w, (uint32_t)(i + at + k));
        loss += hw_params_linear(w->engine->params, w->slot, form, rows + at, rate, part);
        w->swept += (uint32_t)part;
    }
    return loss;
}

double hw_sweep_pairs(hw_worker *w, uint32_t i, const hw_pairs *form, const hw_rating *list, const uint32_t *index,
                      size_t n)
{
    w->swept += (uint32_t)n;
    return hw_params_pairs(w->engine->params, w->slot, form, list, index, n, hw_sweep_rate(w, i));
}

void hw_sweep_rows_dot(hw_worker *w, const uint32_t *first, size_t rows, size_t n, const float *x, float *out)
{
    hw_params_rows_dot(w->engine->params, w->slot, first, rows, n, x, out);
}

void hw_sweep_rows_add(hw_worker *w, const uint32_t *first, size_t rows, size_t n, const float *coefficient,
                       const float *x, float *sum)
{
    hw_params_rows_add(w->engine->params, w->slot, first, rows, n, coefficient, x, sum);
}

void hw_sweep_window_dot(hw_worker *w, const uint32_t *inputs, size_t k, const uint32_t *targets, size_t t, size_t n,
                         float *score)
{
    hw_params_window_dot(w->engine->params, w->slot, inputs, k, targets, t, n, score);
}

void hw_sweep_window_add(hw_worker *w, const uint32_t *inputs, size_t k, const uint32_t *targets, size_t t, size_t n,
                         const float *coefficient)
{
    hw_params_window_add(w->engine->params, w->slot, inputs, k, targets, t, n, coefficient);
}

void hw_sweep_row_read(hw_worker *w, size_t first, size_t n, float *values)
{
    hw_params_row_read(w->engine->params, w->slot, first, n, values);
}

void hw_sweep_row_add(hw_worker *w, size_t first, size_t n, const float *delta)
{
    hw_params_row_add(w->engine->params, w->slot, first, n, delta);
}

void hw_sweep_prefetch_row(hw_worker *w, size_t first, size_t n)
{
    hw_params_prefetch_row(w->engine->params, w->slot, first, n);
}

void hw_sweep_landed(hw_worker *w, uint32_t examples)
{
    w->swept += examples;
    if (!w->engine->steps.exchanges && examples) hw_params_landed(w->engine->params, w->slot, examples);
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static bool run_sweep(hw_worker *w, uint64_t ticket, uint32_t count, const uint32_t *first)
{
    hw_engine *e = w->engine;
    const hw_schedule *s = &e->config.optimizer.schedule;
    uint64_t n = e->tickets.per_epoch, epoch = hw__tickets_epoch(e, ticket);
    hw__step_setting(w);
    hw__tickets_number(w, ticket);
    w->batch = (hw_batch){w->index, count, 0, count, w->batch.step, epoch, e->config.seed};
    if (first)
        for (uint32_t i = 0; i < count; i++) w->index[i] = *first + i;
    else if (e->config.with_replacement)
        for (uint32_t i = 0; i < count; i++) hw__sample_drawn(e, hw__tickets_step(e, ticket + i), 0, 1, w->index + i);
    else
        hw__sample_run(e, epoch, (uint32_t)hw__tickets_position(e, ticket), count, w->index);
    bool constant = s->kind == HW_SCHEDULE_CONSTANT && w->batch.step >= s->warmup;
    w->run_rate = constant ? (float)(hw_schedule_rate(s, w->batch.step) * w->setting.rate) : 0;
    w->has_sentence = false;
    double loss = 0;
    w->swept = 0;
    hw_status status = e->objective.sweep(e->objective.self, w, &w->batch, &loss);
    uint32_t landed = status == HW_OK ? count : w->swept; /* one that failed landed what it said it had */
    if (e->steps.exchanges) w->since += landed;
    if (landed && hw__step_account(w, loss / landed, landed, status == HW_OK) != HW_OK && status == HW_OK)
        status = HW_E_STOPPED;
    hw__tickets_number(w, ticket + count - 1); /* the last ticket that is done */
    /* What is due with an epoch would come late for one worker, whose exchanges are rare. */
    bool ends = e->crew.slots == 1 && (ticket + count + (uint64_t)e->tickets.shift) % n == 0;
    if (status == HW_OK) return hw__exchange(w, !ends);
    hw__fail_worker(w, status);
    return false;
}

/* So many steps of a part at once that the run ends where an exchange is due, or a little before, where the lines that
 * it begins with are asked for. */
static uint32_t until_exchange(hw_worker *w, uint32_t part)
{
    enum { SOON = 16 };
    uint32_t every = hw__exchange_interval(w), left = every > w->since ? every - w->since : 1;
    if (w->engine->crew.slots == 1 || part < left - (left > SOON ? SOON : 0)) return part < left ? part : left;
    if (left > SOON) return left - SOON;
    hw__params_exchange_soon(w->engine->params);
    return part < left ? part : left;
}

bool hw__sweep_tickets(hw_worker *w, uint64_t ticket, uint32_t count, const uint32_t *first)
{
    const hw_engine *e = w->engine;
    uint64_t n = e->tickets.per_epoch;
    uint32_t at = first ? *first : 0;
    while (count) {
        uint32_t part = count < e->tickets.block ? count : e->tickets.block;
        uint64_t left = n - (ticket + (uint64_t)e->tickets.shift) % n; /* an epoch's */
        if (part > left) part = (uint32_t)left;
        if (e->steps.exchanges) part = until_exchange(w, part);
        if (!run_sweep(w, ticket, part, first ? &at : NULL)) return false;
        ticket += part;
        count -= part;
        at += part;
    }
    return true;
}
