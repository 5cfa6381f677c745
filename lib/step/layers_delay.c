/* layers_delay.c - what the layers' own delays mean for policies.
 *
 * Close to an optimum the direction u of the largest curvature h moves by x' = x - a h sum_l |u_l|^2 x_l(t - d_l), so
 * what its stability sees is a mixture of the layers' delays, each with the share |u_l|^2 of that direction. Look-ahead
 * stays that of a whole step for all layers: a fresh layer that looks farther than its own delay is damped, as by
 * Nesterov's momentum, and is stable at higher rates than with a look-ahead of its own (docs/science.md has the
 * figures). */
#include "step.h"
#include <math.h>

enum { WEIGHT = 1 << 20 }; /* of a mixture, in all */

void hw__layers_begin(hw_engine *e)
{
    const hw_objective *o = &e->objective;
    hw__layers *y = &e->layers;
    y->on = y->possible;
    if (!y->on) return;
    for (size_t l = 0; l < o->layer_count; l++) {
        hw__layer *layer = y->layer + l;
        hw__counter_set(&layer->landed, 0);
        layer->delay = o->layers[l].held * (e->crew.slots - 1);
        layer->share = (double)o->layers[l].count / (double)o->parameters; /* until a curvature is known */
        layer->updates = layer->sum = 0;
    }
    size_t rows = e->crew.recorders * o->layer_count;
    for (size_t i = 0; i < rows * y->bins; i++) hw__counter_set(y->counts + i, 0);
    for (size_t i = 0; i < rows; i++) hw__counter_set(y->sums + i, 0);
}

void hw__layers_weigh(hw_engine *e, const float *direction)
{
    const hw_objective *o = &e->objective;
    double all = 0;
    if (!e->layers.on) return;
    for (size_t i = 0; i < o->parameters; i++) all += (double)direction[i] * (double)direction[i];
    if (!(all > 0) || !hw__base_finite_double(all)) return;
    for (size_t l = 0; l < o->layer_count; l++) {
        double own = 0;
        for (size_t i = 0; i < o->layers[l].count; i++) {
            double x = (double)direction[o->layers[l].first + i];
            own += x * x;
        }
        e->layers.layer[l].share = own / all;
    }
}

/* What all recorders have of a layer. */
void hw__layers_total(const hw_engine *e, size_t l, uint64_t *updates, uint64_t *sum)
{
    const hw__layers *y = &e->layers;
    *updates = *sum = 0;
    for (unsigned r = 0; r < e->crew.recorders; r++) {
        size_t at = r * e->objective.layer_count + l;
        for (uint32_t b = 0; b < y->bins; b++) *updates += hw__counter_get(y->counts + at * y->bins + b);
        *sum += hw__counter_get(y->sums + at);
    }
}

bool hw__layers_of_state(const hw_engine *e, const hw__walk *v)
{
    return v->way == WALK_PUT ? e->layers.on : hw_state_number(v->from, "run.by_layer", 0) != 0;
}

bool hw__layers_used(const hw_engine *e, bool first)
{
    return e->layers.on && (first || hw__counter_get(&e->layers.layer[0].landed) > 0);
}

void hw__layers_window(hw_engine *e, bool measures)
{
    if (!e->layers.on) return;
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        hw__layer *layer = e->layers.layer + l;
        uint64_t updates, sum;
        hw__layers_total(e, l, &updates, &sum);
        if (measures && updates > layer->updates && sum >= layer->sum)
            layer->delay = (double)(sum - layer->sum) / (double)(updates - layer->updates);
        layer->updates = updates;
        layer->sum = sum;
    }
}

void hw__layers_mix(const hw_engine *e, hw_histogram *mixed)
{
    hw_histogram_clear(mixed);
    for (size_t l = 0; l < e->objective.layer_count; l++) {
        const hw__layer *layer = e->layers.layer + l;
        double weight = WEIGHT * layer->share, below = floor(layer->delay), part = layer->delay - below;
        /* A mean between two whole delays is some of each. */
        hw_histogram_add(mixed, (uint64_t)below, (uint64_t)llround(weight * (1 - part)));
        hw_histogram_add(mixed, (uint64_t)below + 1, (uint64_t)llround(weight * part));
    }
}

void hw__layers_histogram(const hw_engine *e, size_t l, hw_histogram *h)
{
    const hw__layers *y = &e->layers;
    for (unsigned r = 0; r < e->crew.recorders; r++) {
        size_t at = r * e->objective.layer_count + l;
        double sum = h->sum + (double)hw__counter_get(y->sums + at);
        for (uint32_t b = 0; b < y->bins; b++) {
            uint64_t n = hw__counter_get(y->counts + at * y->bins + b);
            if (n) hw_histogram_add(h, b, n);
        }
        h->sum = sum; /* exact, where the last bin is not */
    }
}
