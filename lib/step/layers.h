/* layers.h (internal) - steps that read and write layer by layer, and the staleness of each: what an engine and a
 * worker keep of them. layers.c has the steps, layers_delay.c what their delays mean for policies. */
#ifndef HW__STEP_LAYERS_H
#define HW__STEP_LAYERS_H

#include "../base/counter.h"
#include "../optimizer/optimizer.h"
#include "../params/extent.h"
#include "hogwild/objective.h"

typedef struct hw__layer {
    _Alignas(HW_LINE) hw__base_counter landed; /* updates of it */
    /* in the housekeeping's hands */
    double share, delay; /* of the direction of the largest curvature; mean staleness of the last window */
    uint64_t updates;    /* and staleness in all, up to the end of that window */
    uint64_t sum;
} hw__layer;

typedef struct hw__layers {
    bool possible; /* by this configuration */
    bool on;       /* steps go layer by layer: a restored run's as they went before */
    uint32_t bins; /* of a layer's histogram: the last one is for all above */
    hw__layer *layer;
    hw__base_counter *counts, *sums; /* by recorder and layer: counts[bins], the sum of what they count */
} hw__layers;

/* Of a worker's step under way. */
typedef struct hw__layer_note {
    uint64_t clock; /* of the layer, when it was read */
    bool read, landed;
} hw__layer_note;

typedef struct hw__layer_step {
    hw__layer_note *note; /* one a layer; NULL: steps read and write all at once */
    bool open, landing;   /* a layer has been read; one has landed */
    bool landed, bad;     /* some of it has landed; a gradient was not finite */
    bool mixed;           /* it had read all at once before */
    hw__optimizer_write write;
    const float *whole; /* where all is read at once: the values */
} hw__layer_step;

/* No step is under way. */
static inline void hw__layers_forget(hw__layer_step *s, size_t layers)
{
    for (size_t l = 0; s->open && l < layers; l++) s->note[l] = (hw__layer_note){0, false, false};
    s->open = s->landing = s->landed = s->bad = s->mixed = false;
    s->whole = NULL;
}

/* range lives as long as the extent. */
static inline hw__extent hw__layers_extent(const hw_layer *layer, hw_range *range)
{
    *range = (hw_range){layer->first, layer->count};
    return hw__extent_ranges(range, 1, false);
}

#endif
