/* sort.h (internal) - numbers in ascending order, in place: qsort may ask for memory, which a step must not. */
#ifndef HW__BASE_SORT_H
#define HW__BASE_SORT_H

#include "base.h"

static inline void hw__sort_sink(uint32_t *x, uint32_t root, uint32_t n)
{
    uint32_t value = x[root];
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && x[child + 1] > x[child]) child++;
        if (x[child] <= value) break;
        x[root] = x[child];
    }
    x[root] = value;
}

static inline void hw__sort_ascending(uint32_t *x, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;) hw__sort_sink(x, i, n);
    for (uint32_t end = n; end-- > 1;) {
        uint32_t largest = x[0];
        x[0] = x[end];
        x[end] = largest;
        hw__sort_sink(x, 0, end);
    }
}

#endif
