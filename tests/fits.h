/* fits.h - least squares to thirteen targets, whose gradients are sums of odd numbers of examples, so that rounding
 * shows another order of adding them up. */
#ifndef FITS_H
#define FITS_H

#include <hogwild.h>

/* n parameters; example i wants parameter j at (0.3 + 0.07 (i mod 13)) (j + 1). Curvature 0.1. */
static inline double fits_gradient(const hw_batch *b, const float *x, float *g, int n)
{
    double loss = 0;
    for (int j = 0; j < n; j++) g[j] = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        float a = 0.3f + 0.07f * (float)(b->index[i] % 13);
        for (int j = 0; j < n; j++) {
            float e = x[j] - a * (float)(j + 1);
            g[j] += 0.1f * e / (float)b->count;
            loss += 0.05 * (double)e * (double)e / b->count;
        }
    }
    return loss;
}

#endif
