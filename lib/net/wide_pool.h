/* wide_pool.h (internal) - pooling in AVX2 for the windows that nets use: 3x3 at stride 2 and 2x2 at stride 2, no
 * padding. The loops in pool.c and average.c take every window and are the reference: both give the same numbers. */
#ifndef HOGWILD_LIB_NET_WIDE_POOL_H
#define HOGWILD_LIB_NET_WIDE_POOL_H

#include "net.h"

/* `planes` channels of h x w -> oh x ow, one behind the other. won: the cell of the window that won, one byte an
 * output; an average has none. */
typedef struct pool_shape {
    size_t planes, h, w, oh, ow;
} pool_shape;

typedef struct pool_kernel {
    void (*forward)(const pool_shape *s, const float *in, float *out, unsigned char *won);
    void (*backward)(const pool_shape *s, const float *dout, const unsigned char *won, float *din);
} pool_kernel;

/* The kernel for this layer, or NULL where there is none for its window, its shape or this processor. */
const pool_kernel *wide_pool_kernel(const net_layer *l);

static inline pool_shape wide_pool_shape(const net_layer *l, size_t images)
{
    return (pool_shape){images * l->in.c, l->in.h, l->in.w, l->out.h, l->out.w};
}

#endif
