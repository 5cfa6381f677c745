/* access.h (internal) - what reads and writes of a worker mean: a scheduler's two functions; and private copies of what
 * they cover. */
#ifndef HW__STEP_ACCESS_H
#define HW__STEP_ACCESS_H

#include "../params/extent.h"
#include "hogwild/objective.h"

/* To the shared array, into a group's reduction, into a virtual worker's pending gradient, or into a probe. */
typedef struct hw__access {
    /* values: where they go, or NULL: wherever this access has them (dense only). What it returns is valid and
     * unchanged until the write. */
    const float *(*read)(hw_worker *w, const hw__extent *x, float *values);
    hw_status (*write)(hw_worker *w, const hw__extent *x, const float *g, double loss);
    /* The same of one layer, where the engine's steps go layer by layer; NULL: all are read at once, and landed by the
     * write. */
    const float *(*read_layer)(hw_worker *w, size_t layer);
    hw_status (*write_layer)(hw_worker *w, size_t layer);
} hw__access;

/* A private sparse gradient into a dense one, and values of a private vector out of it. */
void hw__access_scatter(const hw__extent *x, const float *g, float *dense, size_t parameters);
void hw__access_gather(const hw__extent *x, const float *from, float *values);

#endif
