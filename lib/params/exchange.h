/* exchange.h (internal) - what one stretch of a replica has changed goes into the shared array, and what is shared then
 * comes back. */
#ifndef HW__PARAMS_EXCHANGE_H
#define HW__PARAMS_EXCHANGE_H

#include "params.h"

/* Floats of a line, and how far ahead lines that are going to be stored to are asked for: a dozen. */
enum { EXCHANGE_LINE = HW_LINE / sizeof(float), EXCHANGE_AHEAD = 12 * EXCHANGE_LINE };

/* One stretch of n floats: the shared array, the worker's copy, and what was shared when the copy was taken; aligned
 * alike. delta = scale * copy - base; shared += delta - pull * principal where delta is not 0; copy and base become
 * what is shared. principal NULL: delta as it is. Coordinates that the worker has not changed are not stored to. */
typedef struct hw__params_stretch {
    hw__params_float *shared, *copy, *base;
    const float *principal;
    float pull, scale;
    size_t n;
} hw__params_stretch;

typedef void (*hw__params_exchange_kernel)(const hw__params_stretch *s);
void hw__params_exchange_racy(const hw__params_stretch *s); /* another's addition to the same coordinate can be lost */
void hw__params_exchange_cas(const hw__params_stretch *s);  /* nothing is lost */
/* Racy, with vectors of so many floats (8 or 16): stretches begin at whole lines. NULL: the processor has none. */
hw__params_exchange_kernel hw__params_exchange_wide(unsigned lanes);

#endif
