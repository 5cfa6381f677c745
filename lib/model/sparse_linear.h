/* sparse_linear.h (internal) - what a sparse linear objective has planned, and a thread's memory for one step. */
#ifndef HOGWILD_LIB_SPARSE_LINEAR_H
#define HOGWILD_LIB_SPARSE_LINEAR_H

#include "../base/base.h"
#include "hogwild/model.h"

typedef struct linear_plan {
    float *decay; /* of each column; NULL without l2 */
    size_t room;  /* columns of one minibatch at most, with the intercept */
    unsigned width;
    size_t hot; /* leading columns with nine tenths of the non-zeros */
    double l1;
    hw_schedule schedule; /* of the rule for l1 */
} linear_plan;

typedef struct linear_scratch {
    uint32_t *column, n;
    float *value, *gradient, *score;
    hw_range *range;
    float most_decay; /* 1 / learning rate */
} linear_scratch;

/* Parameters a column. */
static inline unsigned linear_width(const hw_sparse_linear *m)
{
    return m->loss == HW_SPARSE_SOFTMAX ? m->classes : 1;
}

static inline size_t linear_lines(size_t count, size_t size)
{
    return (count * size + HW_LINE - 1) / HW_LINE * HW_LINE;
}

static inline size_t linear_scratch_bytes(const linear_plan *p)
{
    return linear_lines(p->room, sizeof(uint32_t)) + 2 * linear_lines(p->room * p->width, sizeof(float)) +
           linear_lines(p->width, sizeof(float)) + (p->width > 1 ? linear_lines(p->room, sizeof(hw_range)) : 0);
}

static inline linear_scratch linear_scratch_of(const linear_plan *p, void *memory)
{
    linear_scratch s = {0};
    char *at = memory;
    s.column = (uint32_t *)(void *)at;
    at += linear_lines(p->room, sizeof(uint32_t));
    s.value = (float *)(void *)at;
    at += linear_lines(p->room * p->width, sizeof(float));
    s.gradient = (float *)(void *)at;
    at += linear_lines(p->room * p->width, sizeof(float));
    s.score = (float *)(void *)at;
    at += linear_lines(p->width, sizeof(float));
    s.range = p->width > 1 ? (hw_range *)(void *)at : NULL;
    return s;
}

#endif
