/* direct.h (internal) - the parts of hw__conv_direct (direct.c): vectors, and no im2col.
 *
 * Two layouts of registers take turns. Lanes = filters: vectors of filters times broadcast pixels, any stride and any
 * width. Lanes = pixels: vectors of outputs of a row times broadcast weights, stride 1, which wastes nothing when there
 * are few filters. Both exist in vectors of eight and of sixteen. Taps are counted in the order [ky][c][kx] everywhere,
 * so that the kernel's rows inside the image are one run of taps, and no row of the zero border is multiplied. */
#ifndef HW__CONV_DIRECT_H
#define HW__CONV_DIRECT_H

#include "kernel.h"

/* An image as the kernels read it: with zero columns at both sides if the shape has a border, but no zero rows. */
typedef struct direct_image {
    const float *at;
    size_t row, plane;
} direct_image;

/* Rows [from, to). */
typedef struct direct_range {
    size_t from, to;
} direct_range;

/* The kernel's rows that are inside the image for output row y. */
static inline direct_range direct_kernel_rows(const hw__conv_shape *s, size_t y)
{
    size_t top = y * s->stride, bottom = s->h + s->pad; /* both counted from the border's first row */
    direct_range r = {top < s->pad ? s->pad - top : 0, bottom > top ? bottom - top : 0};
    if (r.to > s->k) r.to = s->k;
    if (r.from > r.to) r.from = r.to;
    return r;
}

/* The output rows that kernel row ky reads the image in. */
static inline direct_range direct_output_rows(const hw__conv_shape *s, size_t ky)
{
    size_t bottom = s->h + s->pad;
    direct_range r = {s->pad > ky ? (s->pad - ky + s->stride - 1) / s->stride : 0,
                      bottom > ky ? (bottom - ky + s->stride - 1) / s->stride : 0};
    if (r.to > s->oh) r.to = s->oh;
    if (r.from > r.to) r.from = r.to;
    return r;
}

/* The three products, of one image. packed, work and sum count floats. */
typedef struct direct_forward {
    size_t (*packed)(const hw__conv_shape *s), (*work)(const hw__conv_shape *s);
    void (*pack)(const hw__conv_shape *s, const float *weights, float *packed);
    /* offsets: of taps in the image, [ky][c][kx]; bias NULL: none */
    void (*run)(const hw__conv_shape *s, const direct_image *image, const uint32_t *offsets, const float *packed,
                const float *bias, float *out, float *work);
} direct_forward;

typedef struct direct_weights {
    size_t (*sum)(const hw__conv_shape *s), (*work)(const hw__conv_shape *s);
    void (*run)(const hw__conv_shape *s, const direct_image *image, const float *dout, float *sum, float *work);
    void (*finish)(const hw__conv_shape *s, const float *sum, float *g);
} direct_weights;

typedef struct direct_input {
    size_t (*packed)(const hw__conv_shape *s), (*work)(const hw__conv_shape *s);
    void (*pack)(const hw__conv_shape *s, const float *weights, float *packed);
    void (*run)(const hw__conv_shape *s, const float *dout, const float *packed, float *din, float *work);
} direct_input;

enum { DIRECT_FILTERS, DIRECT_PIXELS, DIRECT_LAYOUTS };

typedef struct direct_steps {
    direct_forward forward[DIRECT_LAYOUTS];
    direct_weights weights[DIRECT_LAYOUTS];
    direct_input input;
} direct_steps;

/* NULL where the processor has not got the instructions. */
const direct_steps *hw__direct_avx2(void), *hw__direct_avx512(void);

#endif
