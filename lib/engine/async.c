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

void async_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    while (!latch_stopped(&e->latch) && step_ticket(w, &ticket)) {
        step_batch(w, ticket, 0, 1);
        hw_status status = step_run(w);
        if (status != HW_OK) {
            if (status != HW_E_STOPPED) engine_fail_worker(w, status);
            break;
        }
        if (w->pairs == 0) {
            engine_fail(e, HW_E_CALLBACK, "the objective's step returned without a write: every step ends in one");
            break;
        }
        /* Park here too, with no gradient pending, rather than compute one that ages while the others evaluate. */
        if (latch_paused(&e->latch) && !gate_enter(w, false)) break;
        if (e->config.stop_flag && *e->config.stop_flag) latch_stop(&e->latch, HW_STOP_ASKED);
    }
}
