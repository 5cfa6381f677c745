/* extent.h (internal) - which part of the array one access covers: all of it, ranges, or single coordinates. It is
 * decided once, where the access begins, and every mode takes it. */
#ifndef HW__PARAMS_EXTENT_H
#define HW__PARAMS_EXTENT_H

#include "../base/base.h"
#include "hogwild/advanced/params.h"

typedef struct hw__extent {
    const hw_range *ranges;  /* in any order, apart from each other */
    const uint32_t *indices; /* or these: one float each */
    size_t n, total;         /* entries of the list; floats */
    bool all;                /* one range: the whole array */
    bool raw;                /* what is written are deltas: no rule */
} hw__extent;

/* all: of {0, size}, which lives as long as the extent. */
static inline hw__extent hw__extent_all(const hw_range *all)
{
    return (hw__extent){all, NULL, 1, all->count, true, false};
}

static inline hw__extent hw__extent_ranges(const hw_range *ranges, size_t n, bool raw)
{
    hw__extent x = {ranges, NULL, n, 0, false, raw};
    for (size_t r = 0; r < n; r++) x.total += ranges[r].count;
    return x;
}

static inline hw__extent hw__extent_indices(const uint32_t *indices, size_t n, bool raw)
{
    return (hw__extent){NULL, indices, n, n, false, raw};
}

/* Entry r: how many floats from *first on. */
static inline size_t hw__extent_part(const hw__extent *x, size_t r, size_t *first)
{
    *first = x->indices ? x->indices[r] : x->ranges[r].first;
    return x->indices ? 1 : x->ranges[r].count;
}

#endif
