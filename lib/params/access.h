/* access.h (internal) - one shared float: loaded, stored, or added to.
 *
 * Order: relaxed throughout. A coordinate carries no other data; what a reader may conclude from having seen an
 * update is carried by the clock (clock.c) or by the version head (versions.c). Stronger orders here would cost and
 * would order nothing that anybody relies on.
 *
 * Never `x += y` on an _Atomic float: it calls into libatomic and saves the floating-point environment. */
#ifndef HOGWILD_LIB_ACCESS_H
#define HOGWILD_LIB_ACCESS_H

#include "params.h"

static inline float params_get(const params_float *x)
{
    return atomic_load_explicit(x, memory_order_relaxed);
}

static inline void params_set(params_float *x, float value)
{
    atomic_store_explicit(x, value, memory_order_relaxed);
}

/* x += y, lost never, landed exactly once; the new value. Relaxed: additions commute. */
static inline float params_add_cas(params_float *x, float y)
{
    float old = params_get(x);
    while (!atomic_compare_exchange_weak_explicit(x, &old, old + y, memory_order_relaxed, memory_order_relaxed)) {
    }
    return old + y;
}

/* x = a x + y; returns the new value, which this call alone produced. */
static inline float params_scale_add_cas(params_float *x, float a, float y)
{
    float old = params_get(x), next = a * old + y;
    while (!atomic_compare_exchange_weak_explicit(x, &old, next, memory_order_relaxed, memory_order_relaxed))
        next = a * old + y;
    return next;
}

/* x += y: lossless, or a load and a store between which another's addition can be lost. The new value. */
static inline float params_add(params_float *x, float y, bool lossless)
{
    if (lossless) return params_add_cas(x, y);
    float next = params_get(x) + y;
    params_set(x, next);
    return next;
}

#endif
