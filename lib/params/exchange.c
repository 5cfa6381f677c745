/* exchange.c - one stretch of a replica against the shared array: the reference, and by compare-and-swap. */
#include "access.h"
#include "exchange.h"

/* What this worker adds to coordinate i: 0 where it has changed nothing. */
static inline float delta_of(const hw__params_stretch *s, size_t i)
{
    float delta = s->scale * hw__params_get(s->copy + i) - hw__params_get(s->base + i);
    return delta != 0 && s->principal ? delta - s->pull * s->principal[i] : delta;
}

void hw__params_exchange_racy(const hw__params_stretch *s)
{
    for (size_t i = 0; i < s->n; i++) {
        float delta = delta_of(s, i), next = hw__params_get(s->shared + i) + delta;
        if (delta != 0) hw__params_set(s->shared + i, next); /* a NaN too: it must be seen */
        hw__params_set(s->copy + i, next);
        hw__params_set(s->base + i, next);
    }
}

void hw__params_exchange_cas(const hw__params_stretch *s)
{
    for (size_t i = 0; i < s->n; i++) {
        float delta = delta_of(s, i);
        float next = delta != 0 ? hw__params_add_cas(s->shared + i, delta) : hw__params_get(s->shared + i);
        hw__params_set(s->copy + i, next);
        hw__params_set(s->base + i, next);
    }
}
