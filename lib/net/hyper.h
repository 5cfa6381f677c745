/* hyper.h (internal) - what hyperspherical convolution adds to the three products of a convolution: norms of patches,
 * and the angle between a patch and a filter. */
#ifndef HW__NET_HYPER_H
#define HW__NET_HYPER_H

#include "../conv/kernel.h"

#define HYPER_NORM  1e-4f /* in |v| = sqrt(sum of squares + 1e-4) */
#define HYPER_CLOSE 1e-6f /* |cosine| is at most 1 - this */
#define HYPER_2_PI  0.636619772f
#define HYPER_PI_2  1.57079633f

/* Of one image, f filters and p patches; filter and patch hold 1 / norm. */
typedef struct hw__hyper_kernel {
    void (*inverse_roots)(float *x, size_t n); /* x = 1 / sqrt(x + HYPER_NORM) */
    /* products f x p, which become 1 - 2 / pi acos(product / norms) */
    void (*forward)(float *product, size_t f, size_t p, const float *filter, const float *patch);
    /* dproduct is set; cosine times its gradient is added: over patches to filter_sum[f], over filters to patch_sum[p]
     */
    void (*backward)(const float *out, const float *dout, float *dproduct, size_t f, size_t p, const float *filter,
                     const float *patch, float *filter_sum, float *patch_sum);
} hw__hyper_kernel;

extern const hw__hyper_kernel hw__hyper_plain, hw__hyper_wide; /* wide: AVX2 */

/* hyper_box.c: sums over k x k patches of one image, and their gradient. work: hw__hyper_box_floats. */
size_t hw__hyper_box_floats(const hw__conv_shape *s);
/* sum[p]: of the squares of all floats of a patch. */
void hw__hyper_box(const hw__conv_shape *s, const float *in, float *sum, float *work);
/* din -= in * (sum of scale[p] over the patches that a pixel belongs to) */
void hw__hyper_unbox(const hw__conv_shape *s, const float *scale, const float *in, float *din, float *work);

#endif
