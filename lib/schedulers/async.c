/* async.c - SEQUENTIAL and ASYNC: every thread takes tickets and steps on its own. */
#include "../step/engine.h"

static const float *async_read(hw_worker *w, const hw__access *a, float *values)
{
    return hw__step_read(w, a, values);
}

static hw_status async_write(hw_worker *w, const hw__access *a, const float *g, double loss)
{
    /* With several pairs a call the examples are counted once. */
    return hw__step_write(w, a, g, loss, w->pairs == 0 ? w->batch.count : 0);
}

const hw__access_calls hw__async_access = {async_read, async_write};

/* A replica begins with what is shared now. */
void hw__async_begin(hw_worker *w)
{
    hw_engine *e = w->engine;
    if (e->exchanges) w->read_clock = hw_params_exchange(e->params, w->slot, 0, &w->note);
    w->exchange_ns = hw_now();
}

bool hw__async_between(hw_worker *w)
{
    hw_engine *e = w->engine;
    /* Park here too, with no gradient pending, rather than compute one that ages while the others evaluate. */
    if (hw__flags_paused(&e->latch)) {
        if (!hw__sweep_exchange(w, false) || !hw__pause_enter(w, PAUSE_BETWEEN)) return false;
        w->exchange_ns = hw_now(); /* an evaluation is no work */
    }
    if (e->exchanges) hw__step_over_time(w); /* between exchanges nothing is measured */
    if (e->config.stop_flag && *e->config.stop_flag) hw__flags_stop(&e->latch, HW_STOP_ASKED);
    return true;
}

bool hw__async_step(hw_worker *w, uint64_t ticket, const uint32_t *example)
{
    hw_engine *e = w->engine;
    hw__step_batch(w, ticket, 0, 1);
    if (example) w->index[0] = *example;
    hw_status status = hw__step_run(w);
    if (status != HW_OK) {
        if (status != HW_E_STOPPED) hw__fail_worker(w, status);
        return false;
    }
    if (w->pairs == 0) {
        hw__fail(e, HW_E_CALLBACK, "the objective's step returned without a write: every step ends in one");
        return false;
    }
    return hw__sweep_exchange(w, true);
}

/* The tickets in hand: one by the step, which is measured, and the rest as a run. On replicas the exchange is measured.
 */
static bool block_of_tickets(hw_worker *w, uint64_t ticket)
{
    hw_engine *e = w->engine;
    if (!e->exchanges) {
        hw_params_measure(e->params, w->slot);
        if (!hw__async_step(w, ticket, NULL)) return false;
        ticket++;
    }
    return hw__sweep_tickets(w, ticket, (uint32_t)(w->ticket_end - ticket), NULL);
}

void hw__async_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    hw__async_begin(w);
    while (!hw__flags_stopped(&e->latch) && hw__step_ticket(w, &ticket)) {
        if (!(e->sweeps ? block_of_tickets(w, ticket) : hw__async_step(w, ticket, NULL))) break;
        if (!hw__async_between(w)) break;
    }
    (void)hw__sweep_exchange(w, false);
}
