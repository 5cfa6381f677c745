/* async.c - SEQUENTIAL and ASYNC: every thread takes tickets and steps on its own. */
#include "async.h"
#include "../step/members.h"

/* What goes by epochs counts steps. A step counts when it is over, as soon as it is known that steps may make several
 * updates: its landings are counted in `further` before they land, so that what is due by steps is never seen early. */
static hw_status write_of_several(hw_worker *w, const hw__extent *x, const float *g, double loss, uint32_t examples)
{
    hw__base_counter *further = &w->engine->tickets.further;
    bool first = w->pairs == 0;
    if (first && !hw__counter_get(further)) return hw__step_write(w, x, g, loss, examples);
    uint64_t before = hw__counter_get(&w->updates);
    (void)hw__counter_take(further, 1);
    hw_status status = hw__step_write(w, x, g, loss, examples);
    if (hw__counter_get(&w->updates) == before)
        (void)hw__counter_take(further, UINT64_MAX);
    else if (first)
        w->uncounted = true;
    return status;
}

static hw_status async_write(hw_worker *w, const hw__extent *x, const float *g, double loss)
{
    uint32_t examples = w->pairs == 0 ? w->batch.count : 0; /* with several pairs a call they are counted once */
    if (w->layers.open) {
        if (x->all && !x->raw) return hw__layers_end(w, g, loss, examples);
        hw__fail(
            w->engine, HW_E_CALLBACK,
            "the objective read layer by layer and wrote ranges, coordinates or deltas: hw_write ends such a step");
        return HW_E_STOPPED;
    }
    /* On a replica the update waits for the exchange anyway, and parks there. */
    if (!w->engine->steps.exchanges && !hw__park_before_write(w)) return HW_E_STOPPED;
    return write_of_several(w, x, g, loss, examples);
}

const hw__access hw__async_access = {hw__step_read, async_write, hw__layers_read, hw__layers_write};

/* A replica begins with what is shared now. */
void hw__async_begin(hw_worker *w)
{
    hw_engine *e = w->engine;
    if (e->steps.exchanges) w->read_clock = hw_params_exchange(e->params, w->slot, 0, &w->note);
    w->exchange_ns = hw_now();
}

/* False: the run failed. */
static bool rest(hw_worker *w)
{
    while (hw__rest_now(w))
        if (!hw__park(w, HW__PARK_REST)) return false;
    return true;
}

bool hw__async_between(hw_worker *w)
{
    hw_engine *e = w->engine;
    /* Park here too, with no gradient pending, rather than compute one that ages while the others evaluate. */
    if (hw__flags_paused(&e->flags)) {
        if (!hw__exchange(w, false) || !hw__park(w, HW__PARK_BETWEEN)) return false;
        w->exchange_ns = hw_now(); /* an evaluation is no work */
    }
    if (!rest(w)) return false;
    if (e->steps.exchanges) hw__times_check(e); /* between exchanges nothing is measured */
    hw__times_poll_stop(e);
    return true;
}

/* The step is over, and something may be due by it. */
static void count_step(hw_worker *w)
{
    hw_engine *e = w->engine;
    w->uncounted = false;
    (void)hw__counter_take(&e->tickets.further, UINT64_MAX);
    hw__step_due(w, hw_params_clock(e->params), w->pending.loss);
}

bool hw__async_step(hw_worker *w, uint64_t ticket, const uint32_t *example)
{
    hw__tickets_batch(w, ticket, 0, 1);
    if (example) w->index[0] = *example;
    bool goes_on = hw__step_whole(w);
    if (w->uncounted) count_step(w);
    return goes_on && hw__exchange(w, true);
}

void hw__async_end(hw_worker *w)
{
    (void)hw__exchange(w, false);
    hw_params_release(w->engine->params, w->slot);
}

/* The tickets in hand: one by the step, which is measured, and the rest as a run. On replicas the exchange is measured.
 */
static bool block_of_tickets(hw_worker *w, uint64_t ticket)
{
    hw_engine *e = w->engine;
    if (!e->steps.exchanges) {
        hw_params_measure(e->params, w->slot);
        if (!hw__async_step(w, ticket, NULL)) return false;
        ticket++;
    }
    return hw__sweep_tickets(w, ticket, (uint32_t)(w->ticket_end - ticket), NULL);
}

static void loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    hw__async_begin(w);
    if (!rest(w)) return;
    while (!hw__flags_stopped(&e->flags) && hw__tickets_take(w, &ticket)) {
        if (!(e->steps.sweeps ? block_of_tickets(w, ticket) : hw__async_step(w, ticket, NULL))) break;
        if (!hw__async_between(w)) break;
    }
    hw__async_end(w);
}

/* --- the rows -------------------------------------------------------------------------------------------------------
 */

static hw_status check_sequential(const hw_config *c, const hw_objective *o, char *why)
{
    (void)o;
    if (c->workers == 1) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT, "config.workers is %u: scheduler sequential runs exactly 1", c->workers);
}

hw_status hw__async_crew(const hw_config *c, hw__crew *crew, char *why)
{
    unsigned m = c->workers;
    (void)why;
    *crew = (hw__crew){m, m, m, m, m, m, 1, 1};
    return HW_OK;
}

const hw__scheduler hw__scheduler_sequential = {.flags = HW__OWN_STEPS | HW__DEALS,
                                                .access = &hw__async_access,
                                                .check = check_sequential,
                                                .crew = hw__async_crew,
                                                .plan = hw__members_plan,
                                                .loop = loop,
                                                .free = hw__members_free};
const hw__scheduler hw__scheduler_async = {.flags = HW__OWN_STEPS | HW__LAYERS | HW__RESTS | HW__DEALS,
                                           .access = &hw__async_access,
                                           .crew = hw__async_crew,
                                           .plan = hw__members_plan,
                                           .loop = loop,
                                           .rest = hw__park_changed,
                                           .free = hw__members_free};
