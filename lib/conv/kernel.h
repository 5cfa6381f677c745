/* kernel.h (internal) - a way to compute a convolution: forward, and the gradients of its weights and its input. The
 * reference (columns.c: im2col and OpenBLAS) takes every shape; the others beat it where they take one. They agree to
 * rounding. None keeps anything between calls but what stands in `packed` and `sum`. */
#ifndef HW__CONV_KERNEL_H
#define HW__CONV_KERNEL_H

#include "../base/base.h"

/* in: n images of c x h x w, in_stride floats from one to the next; out: f x oh x ow, out_stride apart.
 * oh = (h + 2 pad - k) / stride + 1; weights f x c x k x k, biases f. Strides are at least c h w and f oh ow: a group
 * of a grouped convolution is such a shape inside larger images. */
typedef struct hw__conv_shape {
    size_t c, h, w, f, oh, ow, k, stride, pad, in_stride, out_stride;
} hw__conv_shape;

typedef struct hw__conv_kernel {
    const char *name;
    bool (*takes)(const hw__conv_shape *s);    /* the processor is looked at here too */
    size_t (*block)(const hw__conv_shape *s);  /* images that a call of forward or backward takes at most, >= 1 */
    size_t (*packed)(const hw__conv_shape *s); /* floats that pack fills at the beginning of a pass */
    size_t (*sum)(const hw__conv_shape *s);    /* floats: the gradient of the weights in the kernel's own form */
    size_t (*work)(const hw__conv_shape *s);   /* floats of scratch for one call */
    /* backward: a backward pass follows (packed holds what it needs too, and sum, which the caller has zeroed, is
     * going to be added to). All memory is 64-byte aligned, images need not be. */
    void (*pack)(const hw__conv_shape *s, const float *weights, float *packed, bool backward);
    /* bias NULL: none. */
    void (*forward)(const hw__conv_shape *s, size_t n, const float *in, const float *packed, const float *bias,
                    float *out, float *work);
    /* sum += the weights' gradient of these images; din (NULL: not wanted) = the input's. */
    void (*backward)(const hw__conv_shape *s, size_t n, const float *in, const float *dout, const float *packed,
                     float *sum, float *din, float *work);
    void (*finish)(const hw__conv_shape *s, const float *sum,
                   float *g); /* g = gradient of the weights, f x c x k x k */
} hw__conv_kernel;

extern const hw__conv_kernel hw__conv_columns, hw__conv_direct, hw__conv_winograd;

#endif
