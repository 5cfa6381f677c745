/* median.h - an objective of one coordinate for wild losses: the median of the numbers in self, by the absolute error.
 * A step is never longer than the rate. */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <hogwild.h>
#include <math.h>

static inline double median(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    const float *of = self;
    double loss = 0;
    (void)scratch;
    g[0] = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        float d = x[0] - of[b->index[i]];
        loss += fabs((double)d) / b->count;
        g[0] += (d > 0 ? 1.0F : d < 0 ? -1.0F : 0) / (float)b->count;
    }
    return loss;
}

#endif
