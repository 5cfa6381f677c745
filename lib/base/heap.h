/* heap.h (internal) - a binary heap of numbered things in an array: who is due first is on top, ties by number. */
#ifndef HW__BASE_HEAP_H
#define HW__BASE_HEAP_H

#include "base.h"

static inline bool hw__heap_before(const double *due, uint32_t a, uint32_t b)
{
    return due[a] < due[b] || (due[a] <= due[b] && a < b);
}

/* *count entries before; there is room for one more. due[entry] does not change while it is in. */
static inline void hw__heap_push(uint32_t *heap, uint32_t *count, const double *due, uint32_t entry)
{
    uint32_t i = (*count)++;
    for (; i > 0 && hw__heap_before(due, entry, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = entry;
}

/* *count is at least 1. */
static inline uint32_t hw__heap_pop(uint32_t *heap, uint32_t *count, const double *due)
{
    uint32_t top = heap[0], last = heap[--*count], i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= *count) break;
        if (child + 1 < *count && hw__heap_before(due, heap[child + 1], heap[child])) child++;
        if (!hw__heap_before(due, heap[child], last)) break;
        heap[i] = heap[child];
        i = child;
    }
    if (*count) heap[i] = last;
    return top;
}

#endif
