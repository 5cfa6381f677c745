/* wide_pool.h (internal) - pooling in AVX2 for the windows that nets use: 3x3 at stride 2 and 2x2 at stride 2, no
 * padding. The loops in pool.c and average.c take every window and are the reference: both give the same numbers. */
#ifndef HW__NET_WIDE_POOL_H
#define HW__NET_WIDE_POOL_H

#include "net.h"

/* `planes` channels of h x w -> oh x ow, one behind the other. won: the cell of the window that won, one byte an
 * output; an average has none. */
typedef struct hw__pool_shape {
    size_t planes, h, w, oh, ow;
} hw__pool_shape;

typedef struct hw__pool_kernel {
    void (*forward)(const hw__pool_shape *s, const float *in, float *out, unsigned char *won);
    void (*backward)(const hw__pool_shape *s, const float *dout, const unsigned char *won, float *din);
} hw__pool_kernel;

/* The kernel for this layer of averages or largest values, or NULL where there is none for its window, its shape or
 * this processor. */
const hw__pool_kernel *hw__wide_pool_kernel(const hw__net_layer *l, bool average);

static inline hw__pool_shape hw__wide_pool_shape(const hw__net_layer *l, size_t images)
{
    return (hw__pool_shape){images * l->in.c, l->in.h, l->in.w, l->out.h, l->out.w};
}

#endif
