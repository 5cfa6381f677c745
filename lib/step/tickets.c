/* tickets.c - who computes which minibatch: tickets are numbers of steps, taken at the read, so exactly as many land.
 */
#include "peers.h"
#include "step.h"
#include <math.h>

/* The stop by updates or epochs, as the first ticket that is not handed out. */
uint64_t hw__tickets_limit(const hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t limit = HW__NO_LIMIT;
    if (c->updates) limit = hw__peers_updates(e, c->updates);
    if (c->epochs > 0 && e->objective.examples) {
        double steps = ceil(c->epochs * (double)e->tickets.all_per_epoch);
        if (steps < (double)limit) limit = (uint64_t)steps;
    }
    return limit < HW__NO_LIMIT ? hw__peers_steps(e, limit) : limit;
}

bool hw__tickets_take(hw_worker *w, uint64_t *ticket)
{
    hw_engine *e = w->engine;
    uint64_t block = e->tickets.block, limit = hw__counter_get(&e->tickets.limit);
    if (w->ticket + 1 < w->ticket_end) {
        *ticket = w->ticket + 1;
    } else if (!hw__peers_await(w)) {
        return false;
    } else {
        /* A sampled clock hands out tickets in blocks too: one shared line less per step. */
        *ticket = hw__counter_take(&e->tickets.taken, block);
        w->ticket_end = *ticket >= limit ? 0 : *ticket + block < limit ? *ticket + block : limit;
    }
    return *ticket < limit;
}

uint64_t hw__tickets_step(const hw_engine *e, uint64_t ticket)
{
    const hw_peers *p = e->config.peers;
    if (!p || p->sharing == HW_SHARE_SPLIT) return ticket;
    ticket += (uint64_t)e->tickets.shift;
    if (p->sharing == HW_SHARE_OWN) return ticket * p->parts + p->part;
    return ticket / e->tickets.per_epoch * e->tickets.all_per_epoch + ticket % e->tickets.per_epoch * p->parts +
           p->part;
}

void hw__tickets_number(hw_worker *w, uint64_t ticket)
{
    w->ticket = ticket;
    w->batch.step = hw__tickets_step(w->engine, ticket);
}

uint64_t hw__tickets_epoch(const hw_engine *e, uint64_t ticket)
{
    return (ticket + (uint64_t)e->tickets.shift) / e->tickets.per_epoch;
}

uint64_t hw__tickets_position(const hw_engine *e, uint64_t ticket)
{
    return (ticket + (uint64_t)e->tickets.shift) % e->tickets.per_epoch + e->tickets.own_first;
}

void hw__tickets_batch(hw_worker *w, uint64_t ticket, uint32_t part, uint32_t parts)
{
    hw_engine *e = w->engine;
    const hw_config *c = &e->config;
    uint32_t n = e->objective.examples, whole = c->batch;
    hw_batch *b = &w->batch;
    uint64_t epoch = hw__tickets_epoch(e, ticket), first = hw__tickets_position(e, ticket) * c->batch;
    if (c->peers && c->peers->sharing == HW_SHARE_SPLIT) {
        part += c->peers->part * parts;
        parts *= c->peers->parts;
    }
    if (n && !c->with_replacement && n - first < whole) whole = (uint32_t)(n - first);
    uint32_t from = (uint32_t)((uint64_t)whole * part / parts), to = (uint32_t)((uint64_t)whole * (part + 1) / parts);
    w->ticket = ticket;
    *b = (hw_batch){n ? w->index : NULL, to - from, from, whole, hw__tickets_step(e, ticket), epoch, c->seed};
    if (!n) return;
    if (!c->with_replacement) {
        hw__sample_run(e, epoch, (uint32_t)first + from, to - from, w->index);
        return;
    }
    hw__sample_drawn(e, b->step, from, to, w->index);
}
