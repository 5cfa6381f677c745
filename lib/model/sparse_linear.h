/* sparse_linear.h (internal) - what a sparse linear objective has planned, and a thread's memory for one step. */
#ifndef HW__MODEL_SPARSE_LINEAR_H
#define HW__MODEL_SPARSE_LINEAR_H

#include "../base/base.h"
#include "hogwild/model.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct hw__linear_plan {
    float *_Atomic decay; /* of each column; NULL without l2, and until it has been asked for */
    _Atomic bool all;     /* an engine's steps decay all columns: its sweeps ask for none */
    pthread_mutex_t mutex;
    size_t room; /* columns of one minibatch at most, with the intercept */
    unsigned width;
    bool wide;  /* a thousand rows touch less than there is to exchange */
    size_t hot; /* leading columns with nine tenths of the non-zeros, where replicas of all would take too long to
                   exchange; else 0 */
    double l1;
    hw_schedule schedule; /* of the rule for l1 */
} hw__linear_plan;

/* sparse_columns.c: what the columns of the training set say. false: no memory. */
bool hw__linear_plan_hot(const hw_sparse_linear *m, hw__linear_plan *p);
/* l2 over the share of the rows that a column is in, for steps that decay what they touch. NULL: no l2, or no memory.
 */
const float *hw__linear_decay(const hw_sparse_linear *m);
hw_status hw__linear_shrinks(void *self, int all);                                 /* hw_objective.shrinks */
hw_status hw__linear_principal(void *self, float *direction, double curvature[2]); /* hw_objective.principal */

typedef struct hw__linear_scratch {
    uint32_t *column, n;
    float *value, *gradient, *score;
    hw_range *range;
    const float *decay;
    float most_decay; /* 1 / learning rate */
} hw__linear_scratch;

/* Parameters a column. */
static inline unsigned hw__linear_width(const hw_sparse_linear *m)
{
    return m->loss == HW_SPARSE_SOFTMAX ? m->classes : 1;
}

static inline size_t hw__linear_lines(size_t count, size_t size)
{
    return hw__round_up(count * size, HW_LINE);
}

static inline size_t hw__linear_scratch_bytes(const hw__linear_plan *p)
{
    return hw__linear_lines(p->room, sizeof(uint32_t)) + 2 * hw__linear_lines(p->room * p->width, sizeof(float)) +
           hw__linear_lines(p->width, sizeof(float)) + (p->width > 1 ? hw__linear_lines(p->room, sizeof(hw_range)) : 0);
}

static inline hw__linear_scratch hw__linear_scratch_of(const hw__linear_plan *p, void *memory)
{
    hw__linear_scratch s = {0};
    char *at = memory;
    s.column = (uint32_t *)(void *)at;
    at += hw__linear_lines(p->room, sizeof(uint32_t));
    s.value = (float *)(void *)at;
    at += hw__linear_lines(p->room * p->width, sizeof(float));
    s.gradient = (float *)(void *)at;
    at += hw__linear_lines(p->room * p->width, sizeof(float));
    s.score = (float *)(void *)at;
    at += hw__linear_lines(p->width, sizeof(float));
    s.range = p->width > 1 ? (hw_range *)(void *)at : NULL;
    return s;
}

#endif
