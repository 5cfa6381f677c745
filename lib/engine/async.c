/* async.c - SEQUENTIAL and ASYNC: every thread takes tickets and steps on its own. */
#include "engine.h"

static const float *async_read(hw_worker *w, const engine_access *a, float *values)
{
    return step_read(w, a, values);
}

static hw_status async_write(hw_worker *w, const engine_access *a, const float *g, double loss)
{
    /* With several pairs a call the examples are counted once. */
    return step_write(w, a, g, loss, w->pairs == 0 ? w->batch.count : 0);
}

const engine_port async_port = {async_read, async_write};

/* A replica begins with what is shared now. */
void async_begin(hw_worker *w)
{
    hw_engine *e = w->engine;
    if (e->exchanges) w->read_clock = hw_params_exchange(e->params, w->slot, 0, &w->note);
    w->exchange_ns = hw_now();
}

bool async_between(hw_worker *w)
{
    hw_engine *e = w->engine;
    /* Park here too, with no gradient pending, rather than compute one that ages while the others evaluate. */
    if (latch_paused(&e->latch)) {
        if (!sweep_exchange(w, false) || !gate_enter(w, GATE_BETWEEN)) return false;
        w->exchange_ns = hw_now(); /* an evaluation is no work */
    }
    if (e->exchanges) step_over_time(w); /* between exchanges nothing is measured */
    if (e->config.stop_flag && *e->config.stop_flag) latch_stop(&e->latch, HW_STOP_ASKED);
    return true;
}

bool async_step(hw_worker *w, uint64_t ticket, const uint32_t *example)
{
    hw_engine *e = w->engine;
    step_batch(w, ticket, 0, 1);
    if (example) w->index[0] = *example;
    hw_status status = step_run(w);
    if (status != HW_OK) {
        if (status != HW_E_STOPPED) engine_fail_worker(w, status);
        return false;
    }
    if (w->pairs == 0) {
        engine_fail(e, HW_E_CALLBACK, "the objective's step returned without a write: every step ends in one");
        return false;
    }
    return sweep_exchange(w, true);
}

/* The tickets in hand: one by the step, which is measured, and the rest as a run. On replicas the exchange is measured.
 */
static bool block_of_tickets(hw_worker *w, uint64_t ticket)
{
    hw_engine *e = w->engine;
    if (!e->exchanges) {
        hw_params_measure(e->params, w->slot);
        if (!async_step(w, ticket, NULL)) return false;
        ticket++;
    }
    return sweep_tickets(w, ticket, (uint32_t)(w->ticket_end - ticket), NULL);
}

void async_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    async_begin(w);
    while (!latch_stopped(&e->latch) && step_ticket(w, &ticket)) {
        if (!(e->sweeps ? block_of_tickets(w, ticket) : async_step(w, ticket, NULL))) break;
        if (!async_between(w)) break;
    }
    (void)sweep_exchange(w, false);
}
