/* coordinates_wide.h (internal) - dot product with, and update of, single coordinates on x86-64: for steps by
 * themselves (fused_wide.c) and inside a run of rows (linear_wide.c). */
#ifndef HW__PARAMS_COORDINATES_WIDE_H
#define HW__PARAMS_COORDINATES_WIDE_H

#include "wide.h"

#if PARAMS_WIDE

#define ALWAYS __attribute__((target("avx2,fma"), always_inline)) static inline

ALWAYS float hw__params_dot_coordinates(const hw__params_float *w, const uint32_t *indices, const float *values,
                                        size_t n)
{
    float a = 0, b = 0, c = 0, d = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a = __builtin_fmaf(values[i], hw__params_load_one(w + indices[i]), a);
        b = __builtin_fmaf(values[i + 1], hw__params_load_one(w + indices[i + 1]), b);
        c = __builtin_fmaf(values[i + 2], hw__params_load_one(w + indices[i + 2]), c);
        d = __builtin_fmaf(values[i + 3], hw__params_load_one(w + indices[i + 3]), d);
    }
    for (; i < n; i++) a = __builtin_fmaf(values[i], hw__params_load_one(w + indices[i]), a);
    return (a + b) + (c + d);
}

/* Indices are unique, so that the loads of the next coordinates need not wait for the stores of these. */
ALWAYS void hw__params_axpy_coordinates(hw__params_float *w, const uint32_t *indices, const float *values, size_t n,
                                        float step)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        hw__params_float *a = w + indices[i], *b = w + indices[i + 1], *c = w + indices[i + 2], *d = w + indices[i + 3];
        float x = hw__params_load_one(a), y = hw__params_load_one(b), z = hw__params_load_one(c),
              u = hw__params_load_one(d);
        hw__params_put_one(a, __builtin_fmaf(step, values[i], x));
        hw__params_put_one(b, __builtin_fmaf(step, values[i + 1], y));
        hw__params_put_one(c, __builtin_fmaf(step, values[i + 2], z));
        hw__params_put_one(d, __builtin_fmaf(step, values[i + 3], u));
    }
    for (; i < n; i++)
        hw__params_put_one(w + indices[i], __builtin_fmaf(step, values[i], hw__params_load_one(w + indices[i])));
}

/* 1 - share of the weight stays, at most one share of it goes. */
ALWAYS float hw__params_kept(float rate, float decay)
{
    __m128 share = _mm_min_ss(_mm_set_ss(rate * decay), _mm_set_ss(1));
    return 1 - _mm_cvtss_f32(share);
}

ALWAYS void hw__params_decay_coordinates(hw__params_float *w, const uint32_t *indices, const float *values, size_t n,
                                         float slope, float rate, const float *decay)
{
    float step = -rate * slope;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t a = indices[i], b = indices[i + 1], c = indices[i + 2], d = indices[i + 3];
        float x = hw__params_load_one(w + a), y = hw__params_load_one(w + b), z = hw__params_load_one(w + c),
              u = hw__params_load_one(w + d);
        hw__params_put_one(w + a, __builtin_fmaf(hw__params_kept(rate, decay[a]), x, step * values[i]));
        hw__params_put_one(w + b, __builtin_fmaf(hw__params_kept(rate, decay[b]), y, step * values[i + 1]));
        hw__params_put_one(w + c, __builtin_fmaf(hw__params_kept(rate, decay[c]), z, step * values[i + 2]));
        hw__params_put_one(w + d, __builtin_fmaf(hw__params_kept(rate, decay[d]), u, step * values[i + 3]));
    }
    for (; i < n; i++) {
        hw__params_float *x = w + indices[i];
        hw__params_put_one(
            x, __builtin_fmaf(hw__params_kept(rate, decay[indices[i]]), hw__params_load_one(x), step * values[i]));
    }
}

#endif

#endif
