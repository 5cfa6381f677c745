/* virtual_layers.c - virtual workers that read layer by layer. A layer is held for a share f of the step's virtual
 * time, and its read stands that long before the landing: every layer's clock is moved by what is left of the step
 * after its own write, so that all of a step's gradient lands at one time. (Where steps take different times that move
 * is not the same for all: a layer's order is then right on average, not step by step.) The last layers are read just
 * before the landing, so the gradient is computed there, on one thread. */
#include "../params/door.h"
#include "simulated.h"
#include <string.h>

/* Clocks of order have no times between which a step could be. */
bool hw__virtual_clock_has_layers(const hw_config *c)
{
    hw_clock_kind k = c->simulation.clock;
    return k != HW_CLOCK_DELAY && k != HW_CLOCK_HISTOGRAM && k != HW_CLOCK_ADVERSARY && k != HW_CLOCK_REPLAY;
}

hw_status hw__virtual_layers_plan(hw_engine *e, char *why)
{
    size_t n = e->objective.layer_count;
    if (!e->layers.on) return HW_OK;
    uint64_t *clocks = hw__memory_zalloc(&e->memory, e->crew.members * n, sizeof *clocks);
    if (!clocks) return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for the clocks of layers");
    for (unsigned i = 0; i < e->crew.members; i++) hw__virtual_of(e->worker + i)->layer_clock = clocks + i * n;
    return HW_OK;
}

static void read_layer(hw_engine *e, hw_worker *w, size_t l)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw_range range = {e->objective.layers[l].first, e->objective.layers[l].count};
    hw__extent x = hw__extent_ranges(&range, 1, false);
    hw__params_read_part(e->params, &x, (float)w->setting.ahead, virtual->g + range.first);
    virtual->layer_clock[l] = hw_params_clock(e->params);
}

void hw__virtual_layers_begin(hw_engine *e, hw_worker *w, const hw__timeline_event *event)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    virtual->began = event->time;
    /* In turns they land in the order in which they have read, one a turn. */
    virtual->due = hw__simulated_of(e)->timeline->timed ? event->due : (event->due + 1) / e->crew.members;
    /* What waits to land is, until it is computed, what has been read: as a capture has it. */
    w->pending = (hw__pending){hw__extent_all(&w->all), virtual->g, 0, HW_OK, true, true, false};
    w->pairs = 1;
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        virtual->layer_clock[l] = HW__UNREAD;
        if (e->objective.layers[l].held >= 1) read_layer(e, w, l);
    }
    /* A capture holds it, and what lies there is another step's. */
    for (size_t l = 0; l < e->objective.layer_count; l++)
        if (virtual->layer_clock[l] == HW__UNREAD)
            memset(virtual->g + e->objective.layers[l].first, 0, e->objective.layers[l].count * sizeof *virtual->g);
}

/* Of virtual time, which is a sum: what is due at the time of a landing is read after it. */
#define ROUNDING 1e-9

/* Nothing has landed since, so that a read now is one at its own time. */
void hw__virtual_layers_read(hw_engine *e, double time)
{
    for (unsigned i = 0; i < e->crew.members; i++) {
        hw_worker *w = e->worker + i;
        const hw__virtual_worker *virtual = hw__virtual_of(w);
        if (!virtual->busy) continue;
        for (size_t l = 0; l < e->objective.layer_count; l++) {
            if (virtual->layer_clock[l] != HW__UNREAD) continue;
            double at = virtual->due - e->objective.layers[l].held * (virtual->due - virtual->began);
            if (at < time - ROUNDING) read_layer(e, w, l);
        }
    }
}

void hw__virtual_layers_record(hw_engine *e, hw_worker *w, uint64_t landed)
{
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        hw__layers_record(w, l, landed - hw__virtual_of(w)->layer_clock[l]);
        (void)hw__counter_take(&e->layers.layer[l].landed, 1);
    }
}
