/* layers.c - a step that reads a layer where its forward pass comes to it and lands its gradient as soon as its
 * backward pass has it: by Little's law what is held for a share f of the step by each of M workers is about f (M - 1)
 * updates old, where a whole step's parameters are M - 1. Every layer counts its own updates. Nobody parks within such
 * a step, since what an evaluation does would cost it its scratch; so whoever is parked has no step half landed, but
 * for one that went wrong. */
#include "../params/door.h"
#include "step.h"

static bool can_part(const hw_config *c)
{
    return c->read == HW_READ_ATOMIC && c->write != HW_WRITE_LOCKED && c->exchange_interval == 1 &&
           c->clock_interval == 1;
}

const char *hw__layers_refusal(const hw_config *c, const hw_objective *o, const hw__scheduler *s)
{
    hw__crew crew;
    if (!o->layers || !o->step) return "the objective names no layers, or has no step that could read them";
    if (!(s->flags & HW__LAYERS) || s->crew(c, &crew, NULL) != HW_OK || crew.share > 1 || crew.gather > 1)
        return "scheduler async has them, and simulated without groups and gathering";
    if (s->layers && !s->layers(c)) return "a clock that says how long work takes is needed";
    if (o->touched) return "a sparse step touches a part of the parameters only";
    if (!can_part(c)) return "atomic reads, write add, striped or racy, and intervals of 1 are needed";
    if (c->optimizer.clip_norm > 0) return "clipping needs the norm of the whole gradient";
    if (c->optimizer.velocity == HW_VELOCITY_PRIVATE) return "a velocity of each worker's moves as a whole";
    if (c->compensation.age != HW_AGE_NONE) return "an age is one of the whole gradient";
    if (c->trace) return "a recorded schedule knows whole steps only";
    return NULL;
}

hw_status hw__layers_plan(hw_engine *e, char *why)
{
    const hw_config *c = &e->config;
    hw__layers *y = &e->layers;
    size_t n = e->objective.layer_count;
    bool wanted =
        c->layers == HW_LAYERS_EACH ||
        (c->layers == HW_LAYERS_AUTO && (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_ADAPTS) != 0);
    y->on = y->possible = wanted && e->crew.slots > 1 && hw__params_has_parts(e->params) &&
                          !hw__layers_refusal(c, &e->objective, e->scheduler);
    if (!y->on) return HW_OK;
    y->bins = e->crew.slots < 64 ? 4 * e->crew.slots : 256;
    y->layer = hw__memory_zalloc(&e->memory, n, sizeof *y->layer);
    y->counts = hw__memory_zalloc(&e->memory, e->crew.recorders * n * y->bins, sizeof *y->counts);
    y->sums = hw__memory_zalloc(&e->memory, e->crew.recorders * n, sizeof *y->sums);
    return y->layer && y->counts && y->sums
               ? HW_OK
               : hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for the staleness of %zu layers", n);
}

void hw__layers_record(hw_worker *w, size_t layer, uint64_t staleness)
{
    hw_engine *e = w->engine;
    hw__layers *y = &e->layers;
    size_t at = w->recorder * e->objective.layer_count + layer;
    uint32_t bin = staleness < y->bins ? (uint32_t)staleness : y->bins - 1;
    if (!e->config.record) return;
    hw__counter_add(y->counts + at * y->bins + bin, 1);
    hw__counter_add(y->sums + at, staleness);
}

static void open_step(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__step_setting(w);
    w->parked_ns = 0;
    w->read_ns = hw_now();
    hw__params_parts_begin(e->params, w->slot, &w->note);
    w->seen = w->x;
    w->layers.mixed = w->has_read;
    w->has_read = w->layers.open = true;
}

const float *hw__layers_read(hw_worker *w, size_t l)
{
    hw_engine *e = w->engine;
    hw__layer *layer = e->layers.layer + l;
    hw__layer_note *note = w->layers.note + l;
    if (!w->layers.open) open_step(w);
    if (note->read) return w->x;
    hw_range range;
    hw__extent x = hw__layers_extent(w->objective->layers + l, &range);
    note->clock = hw__counter_get(&layer->landed);
    hw__params_read_part(e->params, &x, (float)w->setting.ahead, w->x + range.first);
    note->read = true;
    return w->x;
}

/* The first one to land: the reads are over, and what the rule makes of the gradient is the same for all layers. */
static void open_landing(hw_worker *w)
{
    hw_engine *e = w->engine;
    const hw_config *c = &e->config;
    hw__params_parts_read_end(e->params, w->slot, &w->note);
    uint64_t clock =
        hw__optimizer_needs_clock(&c->optimizer, &c->compensation) ? hw_params_clock(e->params) : w->note.clock;
    hw__optimizer_begin(&w->layers.write, &c->optimizer, &c->compensation, &w->setting, 1, w->batch.step, clock);
    w->layers.landing = true;
}

static void land(hw_worker *w, size_t l, const float *g)
{
    hw_engine *e = w->engine;
    hw__layer_note *note = w->layers.note + l;
    hw_range range;
    hw__extent x = hw__layers_extent(w->objective->layers + l, &range);
    bool clipped;
    if (!w->layers.landing) open_landing(w);
    note->landed = true;
    if (w->layers.bad || !hw__step_prepare_part(w, &x, range.first, &g, &clipped)) {
        w->layers.bad = true;
        return;
    }
    w->layers.landed = true;
    hw__params_write_part(e->params, &w->layers.write.form, &x, g);
    hw__layers_record(w, l, hw__counter_take(&e->layers.layer[l].landed, 1) - note->clock);
}

hw_status hw__layers_write(hw_worker *w, size_t l)
{
    if (hw__flags_failed(&w->engine->flags)) return HW_E_STOPPED;
    if (!w->layers.open || !w->layers.note[l].read) {
        hw__fail(w->engine, HW_E_CALLBACK,
                 "the objective wrote layer '%.47s' without a read before it: each write follows a read of its own",
                 w->objective->layers[l].name);
        return HW_E_STOPPED;
    }
    if (!w->layers.note[l].landed) land(w, l, w->g);
    return HW_OK;
}

hw_status hw__layers_end(hw_worker *w, const float *g, double loss, uint32_t examples)
{
    hw_engine *e = w->engine;
    if (hw__flags_failed(&e->flags)) return HW_E_STOPPED;
    for (size_t l = 0; l < w->objective->layer_count; l++) {
        if (w->layers.note[l].read && !w->layers.mixed) continue;
        hw__fail(e, HW_E_CALLBACK, "the objective's step read layer by layer and %s '%.47s'",
                 w->layers.mixed ? "beside that all at once; it read" : "left out layer", w->objective->layers[l].name);
        return HW_E_STOPPED;
    }
    bool of_loss = !w->layers.bad && !hw__base_finite_double(loss);
    w->layers.bad |= of_loss; /* what has not landed yet does not */
    for (size_t l = 0; l < w->objective->layer_count; l++)
        if (!w->layers.note[l].landed) land(w, l, g);
    bool bad = w->layers.bad, landed = w->layers.landed;
    w->has_read = false;
    hw__layers_forget(&w->layers, w->objective->layer_count);
    bool diverging = !bad && hw__step_diverging(w, loss, examples ? examples : 1);
    if (!bad && !diverging)
        return hw__step_landed(w, loss, examples, hw__params_parts_end(e->params, w->slot, &w->note), &w->layers.write);
    /* What has landed of it stays, so the parameters are others than before, and the clock says so. */
    if (landed) (void)hw__params_parts_end(e->params, w->slot, &w->note);
    return diverging ? hw__step_diverged(w) : hw__step_not_finite(w, of_loss ? "loss" : "gradient");
}
