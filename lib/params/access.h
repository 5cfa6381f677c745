/* access.h (internal) - one shared float: loaded, stored, or added to.
 *
 * Order: relaxed throughout. A coordinate carries no other data; what a reader may conclude from having seen an
 * update is carried by the clock (clock.c) or by the version head (versions.c). Stronger orders here would cost and
 * would order nothing that anybody relies on.
 *
 * Never `x += y` on an _Atomic float: it calls into libatomic and saves the floating-point environment. */
#ifndef HW__PARAMS_ACCESS_H
#define HW__PARAMS_ACCESS_H

#include "params.h"

static inline float hw__params_get(const hw__params_float *x)
{
    return atomic_load_explicit(x, memory_order_relaxed);
}

static inline void hw__params_set(hw__params_float *x, float value)
{
    atomic_store_explicit(x, value, memory_order_relaxed);
}

/* x += y, lost never, landed exactly once; the new value. Relaxed: additions commute. */
static inline float hw__params_add_cas(hw__params_float *x, float y)
{
    float old = hw__params_get(x);
    while (!atomic_compare_exchange_weak_explicit(x, &old, old + y, memory_order_relaxed, memory_order_relaxed)) {
    }
    return old + y;
}

/* x = a x + y; returns the new value, which this call alone produced. */
static inline float hw__params_scale_add_cas(hw__params_float *x, float a, float y)
{
    float old = hw__params_get(x), next = a * old + y;
    while (!atomic_compare_exchange_weak_explicit(x, &old, next, memory_order_relaxed, memory_order_relaxed))
        next = a * old + y;
    return next;
}

/* x += y: lossless, or a load and a store between which another's addition can be lost. The new value. */
static inline float hw__params_add(hw__params_float *x, float y, bool lossless)
{
    if (lossless) return hw__params_add_cas(x, y);
    float next = hw__params_get(x) + y;
    hw__params_set(x, next);
    return next;
}

#endif
