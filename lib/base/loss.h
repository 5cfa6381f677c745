/* loss.h (internal) - what a score costs against a target, and the slope of that: one function for all who need either.
 */
#ifndef HW__BASE_LOSS_H
#define HW__BASE_LOSS_H

#include "hogwild/modes.h"
#include <math.h>

/* Loss at score z for target y, and its slope over z. Logistic: without log(1 + e^-|margin|), whose 1 + ... goes into
 * *factor, so that a run of scores takes one logarithm of their product. Not for SOFTMAX. */
__attribute__((always_inline)) static inline float hw__loss_slope(hw_sparse_loss kind, float z, float y, float *loss,
                                                                  float *factor)
{
    float m = y * z, e;
    *factor = 1;
    switch (kind) {
    case HW_SPARSE_SQUARED: *loss = 0.5f * (z - y) * (z - y); return z - y;
    case HW_SPARSE_HINGE: *loss = m >= 1 ? 0 : 1 - m; return m >= 1 ? 0 : -y;
    case HW_SPARSE_SQUARED_HINGE: *loss = m >= 1 ? 0 : (1 - m) * (1 - m); return m >= 1 ? 0 : -2 * y * (1 - m);
    default:
        e = expf(-fabsf(m));
        *loss = m > 0 ? 0 : -m;
        *factor = 1 + e;
        return -y * (m > 0 ? e : 1) / (1 + e);
    }
}

/* Their sum, and the product of the factors, whose logarithm is taken before it overflows. */
typedef struct hw__loss_sum {
    double total, product;
} hw__loss_sum;

__attribute__((always_inline)) static inline void hw__loss_add(hw__loss_sum *s, float weight, float loss, float factor)
{
    if (weight < 1 || weight > 1) { /* a weighted logarithm is no factor */
        loss = weight * (loss + logf(factor));
        factor = 1;
    }
    s->total += (double)loss;
    s->product *= (double)factor;
    if (s->product > 1e280) {
        s->total += log(s->product);
        s->product = 1;
    }
}

static inline double hw__loss_total(const hw__loss_sum *s)
{
    return s->total + log(s->product);
}

#endif
