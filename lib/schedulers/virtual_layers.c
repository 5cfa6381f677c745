/* virtual_layers.c - virtual workers that read layer by layer. A layer is held for a share f of the step's virtual
 * time, and its read stands that long before the landing: every layer's clock is moved by what is left of the step
 * after its own write, so that all of a step's gradient lands at one time. (Where steps take different times that move
 * is not the same for all: a layer's order is then right on average, not step by step.) The last layers are read just
 * before the landing, so the gradient is computed there, on one thread. */
#include "../base/heap.h"
#include "../params/door.h"
#include "simulated.h"
#include <math.h>
#include <string.h>

/* Clocks of order have no times between which a step could be; ranks exchange whole arrays. */
bool hw__virtual_clock_has_layers(const hw_config *c)
{
    hw_clock_kind k = c->simulation.clock;
    if (c->cluster.ranks) return false;
    return k != HW_CLOCK_DELAY && k != HW_CLOCK_HISTOGRAM && k != HW_CLOCK_ADVERSARY && k != HW_CLOCK_REPLAY;
}

hw_status hw__virtual_layers_plan(hw_engine *e, char *why)
{
    hw__simulated *s = hw__simulated_of(e);
    size_t n = e->objective.layer_count;
    if (!e->layers.on) return HW_OK;
    uint64_t *clocks = hw__memory_zalloc(&e->memory, e->crew.members * n, sizeof *clocks);
    s->next = hw__memory_zalloc(&e->memory, e->crew.members, sizeof *s->next);
    s->readers = hw__memory_zalloc(&e->memory, e->crew.members, sizeof *s->readers);
    if (!clocks || !s->next || !s->readers)
        return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for the clocks of layers");
    for (unsigned i = 0; i < e->crew.members; i++) hw__virtual_of(e->worker + i)->layer_clock = clocks + i * n;
    return HW_OK;
}

static void read_layer(hw_engine *e, hw_worker *w, size_t l)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw_range range;
    hw__extent x = hw__layers_extent(e->objective.layers + l, &range);
    hw__params_read_part(e->params, &x, (float)w->setting.ahead, virtual->g + range.first);
    virtual->layer_clock[l] = hw_params_clock(e->params);
}

/* Virtual time is a sum, and rounded: what is due at the time of a landing is read after it. */
static double just_before(double time)
{
    return time - 1e-9 * (1 + time);
}

/* When a layer is read: some time before the landing, however short the step and the share of it. */
static double due_at(const hw_engine *e, const hw__virtual_worker *virtual, size_t l)
{
    double at = virtual->due - e->objective.layers[l].held * (virtual->due - virtual->began);
    return fmin(at, just_before(just_before(virtual->due)));
}

/* What is due before `time`, and when the next one is; the worker then waits for that. */
static void read_due(hw_engine *e, hw_worker *w, double time)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__virtual_worker *virtual = hw__virtual_of(w);
    double next = INFINITY;
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        if (virtual->layer_clock[l] != HW__UNREAD) continue;
        double at = due_at(e, virtual, l);
        if (at < time)
            read_layer(e, w, l);
        else
            next = fmin(next, at);
    }
    if (next >= INFINITY || virtual->waits) return;
    virtual->waits = true;
    s->next[w->member] = next;
    hw__heap_push(s->readers, &s->reading, s->next, w->member);
}

void hw__virtual_layers_begin(hw_engine *e, hw_worker *w, const hw__timeline_event *event)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    virtual->began = event->time;
    /* In turns they land in the order in which they have read, one a turn. */
    const timeline *t = hw__simulated_of(e)->timeline;
    virtual->due = t->timed ? event->due : event->time + (double)(t->n_heap + 1) / t->at_work;
    /* What waits to land is, until it is computed, what has been read: as a capture has it. */
    w->pending = (hw__pending){hw__extent_all(&w->all), virtual->g, 0, HW_OK, true, true, false};
    w->pairs = 1;
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        virtual->layer_clock[l] = HW__UNREAD;
        if (e->objective.layers[l].held >= 1) read_layer(e, w, l);
    }
    read_due(e, w, just_before(virtual->began));
}

void hw__virtual_layers_read(hw_engine *e, hw_worker *lands, double time)
{
    hw__simulated *s = hw__simulated_of(e);
    while (s->reading && s->next[s->readers[0]] < just_before(time)) {
        hw_worker *w = e->worker + hw__heap_pop(s->readers, &s->reading, s->next);
        hw__virtual_of(w)->waits = false;
        if (hw__virtual_of(w)->busy) read_due(e, w, just_before(time));
    }
    if (hw__virtual_of(lands)->busy) read_due(e, lands, INFINITY); /* of a state whose times do not fit each other */
}

void hw__virtual_layers_clear(hw_engine *e)
{
    for (unsigned i = 0; e->layers.on && i < e->crew.members; i++) {
        const hw__virtual_worker *virtual = hw__virtual_of(e->worker + i);
        for (size_t l = 0; virtual->busy && l < e->objective.layer_count; l++)
            if (virtual->layer_clock[l] == HW__UNREAD)
                memset(virtual->g + e->objective.layers[l].first, 0, e->objective.layers[l].count * sizeof(float));
    }
}

void hw__virtual_layers_resume(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    s->reading = 0;
    for (unsigned i = 0; e->layers.on && i < e->crew.members; i++) {
        s->virtual[i].waits = false;
        if (s->virtual[i].busy) read_due(e, e->worker + i, -INFINITY);
    }
}

void hw__virtual_layers_record(hw_engine *e, hw_worker *w, uint64_t landed)
{
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        hw__layers_record(w, l, landed - hw__virtual_of(w)->layer_clock[l]);
        (void)hw__counter_take(&e->layers.layer[l].landed, 1);
    }
}
