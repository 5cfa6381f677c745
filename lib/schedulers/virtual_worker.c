/* virtual_worker.c - a virtual worker's step: it reads when its event comes, is computed then or later on some real
 * thread, and lands when its virtual time has come. Nothing here depends on which thread computes. */
#include "../params/door.h"
#include "../step/ages.h"
#include "../step/own_steps.h"
#include "simulated.h"
#include <string.h>

static const float *sim_read(hw_worker *w, const hw__extent *a, float *values)
{
    hw_engine *e = w->engine;
    const hw__virtual_worker *virtual = hw__virtual_of(w);
    const float *x = virtual->snapshot ? virtual->snapshot->x : virtual->x;
    hw_read_note note;
    if (!values) values = w->x;
    w->has_read = true;
    if (x && a->all)
        values = (float *)x;
    else if (x)
        hw__access_gather(a, x, values);
    else
        values = (float *)hw__params_read(e->params, 0, a, (float)w->setting.ahead, values, &note);
    w->seen = values;
    return values;
}

/* What a write is refused for holds even where the objective ignores the status: it counts when the virtual worker
 * lands. */
static hw_status refuse(hw_worker *w, hw_status code, const char *sentence)
{
    hw__virtual_of(w)->refused = code;
    return hw_fail(w, code, sentence);
}

/* A part of a group's minibatch: its gradient, dense, into w->g. */
static hw_status write_part(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    size_t n = w->all.count;
    if (!a->all && g == w->g)
        return refuse(w, HW_E_UNSUPPORTED,
                      "in a simulated group a sparse write takes its gradient from the caller's memory, not from "
                      "hw_gradient()");
    if (!a->all)
        hw__access_scatter(a, g, w->g, n);
    else if (g != w->g)
        memcpy(w->g, g, n * sizeof *g);
    hw__virtual_of(w)->part_loss = loss;
    hw__virtual_of(w)->part_raw = a->raw;
    return HW_OK;
}

/* What is going to be corrected waits as the objective has it, beside what it was computed at: the rule changes it when
 * it lands. */
static void prepare(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    float *seen = hw__virtual_of(w)->seen;
    if (!seen) {
        hw__step_prepare(w, a, g, loss);
        return;
    }
    memcpy(seen, w->seen, a->total * sizeof *seen);
    w->pending =
        (hw__pending){*a, g, loss, HW_OK, hw__base_finite_double(loss), hw__base_all_finite(g, a->total), false};
}

/* What waits to land must not point into the objective's memory: gradient and lists are kept with the virtual worker,
 * ranges as pairs of 32-bit numbers (unpack makes ranges of them again). */
static hw_status keep(hw_worker *w)
{
    hw__pending *p = &w->pending;
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw__extent *a = &p->extent;
    if (p->g != virtual->g) memcpy(virtual->g, p->g, a->total * sizeof *p->g);
    p->g = virtual->g;
    if (a->all) return HW_OK;
    size_t words = a->n * (a->indices ? 1 : 2), room = virtual->lists_room;
    uint32_t *lists = virtual->lists;
    if (!lists) { /* a whole gradient's memory: the lists stand behind the values */
        lists = (uint32_t *)(void *)(virtual->g + a->total);
        room = virtual->room - a->total;
    }
    if (words > room)
        return refuse(w, HW_E_LIMIT,
                      virtual->lists ? "a sparse access has more ranges than objective.touched says"
                                     : "the lists of a sparse access are too long to be kept until it lands: say in "
                                       "objective.touched how many floats an access covers");
    for (size_t r = 0; r < a->n; r++) {
        if (a->indices) {
            lists[r] = a->indices[r];
        } else {
            lists[2 * r] = (uint32_t)a->ranges[r].first;
            lists[2 * r + 1] = (uint32_t)a->ranges[r].count;
        }
    }
    if (a->indices) a->indices = lists;
    virtual->packed = a->indices ? NULL : lists;
    return HW_OK;
}

/* The ranges of the virtual worker that is landing, in the memory that all landings share. */
static void unpack(hw_engine *e, hw_worker *w)
{
    hw__extent *a = &w->pending.extent;
    hw_range *ranges = hw__simulated_of(e)->ranges;
    if (a->all || a->indices) return;
    for (size_t r = 0; r < a->n; r++)
        ranges[r] = (hw_range){hw__virtual_of(w)->packed[2 * r], hw__virtual_of(w)->packed[2 * r + 1]};
    a->ranges = ranges;
}

static hw_status sim_write(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    if (w->pairs)
        return refuse(w, HW_E_UNSUPPORTED,
                      "the objective's step made more than one pair of read and write: SIMULATED takes exactly one");
    if (!w->has_read)
        return refuse(w, HW_E_CALLBACK,
                      "the objective wrote without a read before it: each write follows a read of its own");
    w->has_read = false;
    if (w->engine->crew.share > 1) return write_part(w, a, g, loss);
    if (a->total > virtual->room)
        return refuse(w, HW_E_LIMIT, "a sparse access covers more floats than objective.touched says");
    prepare(w, a, g, loss);
    return keep(w);
}

const hw__access hw__virtual_access = {sim_read, sim_write, NULL, NULL};

static hw_status one_step(hw_worker *w)
{
    hw__virtual_of(w)->refused = HW_OK;
    w->has_read = false;
    hw_status status = hw__step_run(w);
    if (status == HW_OK) status = hw__virtual_of(w)->refused;
    if (status != HW_OK || w->pairs) return status;
    return hw_fail(w, HW_E_CALLBACK, "the objective's step returned without a write: every step ends in one");
}

static hw_status group_step(hw_engine *e, hw__runner *runner, hw_worker *w)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw__extent all = hw__extent_all(&w->all);
    uint64_t ticket = w->ticket;
    unsigned number = w->member, parts = e->crew.share;
    double loss = 0;
    hw_status status = HW_OK;
    bool first = true;
    for (unsigned k = 0; k < parts && status == HW_OK; k++) {
        hw__tickets_batch(w, ticket, k, parts);
        if (w->batch.count == 0) continue;
        w->id = number * parts + k;
        w->rng = s->rng[w->id];
        w->g = first ? virtual->g : runner->g;
        status = one_step(w);
        s->rng[w->id] = w->rng;
        float share = (float)w->batch.count / (float)w->batch.whole;
        loss += virtual->part_loss * w->batch.count;
        if (!first && virtual->part_raw != all.raw)
            status = hw_fail(w, HW_E_CALLBACK, "in one update some workers wrote gradients and others raw deltas");
        all.raw = virtual->part_raw;
        for (size_t i = 0; i < w->all.count; i++)
            virtual->g[i] = first ? virtual->g[i] * share : virtual->g[i] + share * runner->g[i];
        first = false;
    }
    w->id = number;
    w->g = virtual->g;
    w->seen = virtual->snapshot ? virtual->snapshot->x : virtual->x;
    if (status == HW_OK) prepare(w, &all, virtual->g, loss / w->batch.whole);
    return status;
}

void hw__virtual_compute(hw_engine *e, hw__runner *runner, hw_worker *w)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw_read_note note;
    w->scratch = runner->worker.scratch;
    w->x = runner->x;
    w->index = runner->index;
    /* A sparse virtual worker keeps what was touched only, one that reads layer by layer what it has read. */
    w->g = s->sparse || e->layers.on ? runner->g : virtual->g;
    w->pending.status = HW_OK;
    /* Dense objectives read the whole state wherever they run, so that every access sees the same bits of it. */
    virtual->x = e->layers.on        ? virtual->g
                 : virtual->snapshot ? NULL
                 : s->cluster        ? hw__cluster_values(w, NULL)
                 : s->sparse         ? NULL
                                     : hw_params_read(e->params, 0, (float)w->setting.ahead, runner->x, &note);
    hw_status status;
    if (e->crew.share > 1) {
        status = group_step(e, runner, w);
    } else {
        hw__tickets_batch(w, w->ticket, 0, 1);
        status = one_step(w);
    }
    w->pending.status = status; /* it counts when its time comes */
    w->g = virtual->g;
    if (!virtual->snapshot) hw_params_release(e->params, 0);
    virtual->x = NULL;
}

bool hw__virtual_read(hw_engine *e, const hw__timeline_event *event)
{
    hw_worker *w = e->worker + event->member;
    uint64_t ticket = event->ticket;
    if (event->recorded) {
        hw__counter_set(&e->tickets.taken, ticket + 1 > hw__counter_get(&e->tickets.taken)
                                               ? ticket + 1
                                               : hw__counter_get(&e->tickets.taken));
        if (w->version == UINT32_MAX || w->setting_number != event->setting) {
            hw__settings_recorded(e, event->setting, &w->setting);
            hw__own_steps_apply(w);
            w->setting_number = event->setting;
            w->version = 0;
        }
    } else {
        ticket = hw__counter_take(&e->tickets.taken, 1);
        if (ticket >= hw__counter_get(&e->tickets.limit)) return false;
        hw__step_setting(w);
    }
    hw__tickets_number(w, ticket);
    w->note = (hw_read_note){hw_params_clock(e->params), 0, 0, 1};
    if (hw__simulated_of(e)->cluster) hw__cluster_note(w);
    w->read_ns = hw__engine_now(e);
    hw__simulated_of(e)->due[event->member] = event->due;
    hw__virtual_of(w)->busy = true;
    hw__virtual_of(w)->done = false;
    if (e->layers.on) hw__virtual_layers_begin(e, w, event);
    return true;
}

/* --- landing --------------------------------------------------------------------------------------------------------
 */

void hw__virtual_flush(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    hw_worker *w = s->closing;
    if (!s->gathered) return;
    float share = 1 / (float)s->gathered;
    for (size_t i = 0; i < w->all.count; i++) s->sum[i] *= share;
    w->pending.g = s->sum;
    w->pending.loss = s->gathered_loss / s->gathered;
    w->pending.clipped = false; /* counted with the single gradients */
    s->gathered = 0;
    (void)hw__step_land(w, s->gathered_examples, 1);
}

/* One of the gradients whose mean is the next update. Each is a contribution of its own in the histograms. */
static void gather(hw_engine *e, hw_worker *w)
{
    hw__simulated *s = hw__simulated_of(e);
    const hw__pending *p = &w->pending;
    uint64_t clock = hw_params_clock(e->params);
    if (!p->loss_finite || !p->finite) {
        (void)hw__step_land(w, 0, 1); /* says what is wrong with it, and leaves it out */
        return;
    }
    if (!p->extent.all) {
        hw__fail(e, HW_E_UNSUPPORTED, "config.simulation.gather takes dense gradients only");
        return;
    }
    if (p->clipped) hw__counter_add(&w->clipped, 1);
    float weight = (float)hw__ages_factor(e, clock - w->note.clock);
    for (size_t i = 0; i < w->all.count; i++) s->sum[i] = (s->gathered ? s->sum[i] : 0) + weight * p->g[i];
    s->gathered_loss = (s->gathered ? s->gathered_loss : 0) + p->loss;
    s->gathered_examples = (s->gathered ? s->gathered_examples : 0) + w->batch.whole;
    if (s->gathered) hw__step_observe(s->closing, clock);
    s->closing = w;
    s->gathered++;
}

void hw__virtual_land(hw_engine *e, hw__runner *runner, const hw__timeline_event *event)
{
    hw__simulated *s = hw__simulated_of(e);
    hw_worker *w = e->worker + event->member;
    if (e->layers.on) hw__virtual_layers_read(e, w, event->time);
    if (hw__virtual_of(w)->busy) {
        hw__virtual_of(w)->busy = false;
        if (e->layers.on && w->pending.status == HW_OK) hw__virtual_compute(e, runner, w);
        if (w->pending.status == HW__DROPPED) {
            hw__counter_add(&w->skipped, 1);
            return;
        }
        if (w->pending.status != HW_OK) {
            hw__fail_worker(w, w->pending.status);
            return;
        }
        unpack(e, w);
        if (hw__virtual_of(w)->seen && w->pending.loss_finite && w->pending.finite) {
            const hw__pending p = w->pending;
            w->seen = hw__virtual_of(w)->seen;
            hw__step_prepare(w, &p.extent, p.g, p.loss);
        }
        uint64_t landed = hw_params_clock(e->params);
        if (e->crew.gather > 1)
            gather(e, w);
        else if (s->cluster)
            (void)hw__cluster_step(w);
        else if (hw__step_land(w, w->batch.whole, -1) == HW_OK && e->layers.on && hw_params_clock(e->params) > landed)
            hw__virtual_layers_record(e, w, landed);
    }
    if (e->crew.gather < 2 || hw__flags_failed(&e->flags)) return;
    /* At the end of the run workers without a ticket come by empty-handed: then only the count tells. */
    if (s->gathered == e->crew.gather || (!event->more && !s->exhausted)) hw__virtual_flush(e);
}
