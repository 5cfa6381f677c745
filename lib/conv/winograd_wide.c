/* winograd_wide.c - the steps of the Winograd convolution in vectors of eight or, where LANES_AVX512 is defined, of
 * sixteen; it is compiled for both. Every sum is made in the same order in both, so they agree to the bit.
 *
 * The six points are 0, 3/4, -3/4, 3/2, -3/2 and infinity. Their squares and products are exact, and of the symmetric
 * choices tried (1 and 2, 1 and 1/2, the square roots of 1/2 and 2, ...) they had the smallest error by measurement:
 * half that of the usual 0, 1, -1, 2, -2. Being symmetric, a pair of points costs one even and one odd half. With
 *
 *     p = 9/16, q = 9/4 (squares of the points),
 *
 * B^T has the coefficients of (x^2 - p) (x^2 - q) at 0, of x (x + a) (x^2 - q) at the point a and so on, and of
 * x (x^2 - p) (x^2 - q) at infinity; A has the powers of the points; G has them too, divided by the slope of the last
 * polynomial there.
 *
 * Transforms of a tile are made down the columns first, which neighbouring tiles of a strip share, then along the rows;
 * the adjoint goes the other way and adds up the shared columns in registers. */
#include "winograd.h"
#include "../base/cpu.h"

#if HW__X86_64
#include "winograd_lanes.h"

/* --- a strip of tiles ----------------------------------------------------------------------------------------------
 */

#define ROW (SIDE * PANEL) /* floats of `rows` a pixel column */

INLINE void load(size_t n, const float *from, size_t stride, vector x[])
{
    for (size_t i = 0; i < n; i++) x[i] = V(loadu_ps)(from + i * stride);
}

INLINE void store(size_t n, const vector x[], float *to, size_t stride)
{
    for (size_t i = 0; i < n; i++) V(storeu_ps)(to + i * stride, x[i]);
}

INLINE void input_lanes(const winograd_strip *s, size_t m, size_t lane)
{
    const float *patch = s->patch + lane;
    float *rows = s->rows + lane, *points = s->points + lane;
    size_t width = s->width, stride = s->stride;
    for (size_t x = 0; x < width; x++) {
        vector in[SIDE], out[SIDE];
        load(SIDE, patch + x * PANEL, width * PANEL, in);
        to_points(in, out);
        store(SIDE, out, rows + x * ROW, PANEL);
    }
    for (size_t t = 0; t < s->tiles; t++)
        for (size_t i = 0; i < SIDE; i++) {
            vector in[SIDE], out[SIDE];
            load(SIDE, rows + t * m * ROW + i * PANEL, ROW, in);
            to_points(in, out);
            store(SIDE, out, points + t * PANEL + i * SIDE * stride, stride);
        }
}

HOT static void input(const winograd_strip *s)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->m == 4)
            input_lanes(s, 4, lane);
        else
            input_lanes(s, 2, lane);
}

INLINE void output_lanes(const winograd_strip *s, size_t m, size_t lane, const float *bias)
{
    const float *points = s->points + lane;
    float *patch = s->patch + lane;
    size_t width = s->width, stride = s->stride;
    vector start = V(loadu_ps)(bias + lane);
    for (size_t t = 0; t < s->tiles; t++) {
        vector half[4][SIDE], in[SIDE], out[4];
        for (size_t j = 0; j < SIDE; j++) {
            load(SIDE, points + t * PANEL + j * stride, SIDE * stride, in);
            to_outputs(m, in, out);
            for (size_t i = 0; i < m; i++) half[i][j] = out[i];
        }
        for (size_t i = 0; i < m; i++) {
            to_outputs(m, half[i], out);
            for (size_t j = 0; j < m; j++) V(storeu_ps)(patch + (i * width + t * m + j) * PANEL, ADD(out[j], start));
        }
    }
}

HOT static void output(const winograd_strip *s, const float *bias)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->m == 4)
            output_lanes(s, 4, lane, bias);
        else
            output_lanes(s, 2, lane, bias);
}

INLINE void output_gradient_lanes(const winograd_strip *s, size_t m, size_t lane)
{
    const float *patch = s->patch + lane;
    float *points = s->points + lane;
    size_t width = s->width, stride = s->stride;
    for (size_t t = 0; t < s->tiles; t++) {
        vector half[SIDE][4], in[4], out[SIDE];
        for (size_t j = 0; j < m; j++) {
            load(m, patch + (t * m + j) * PANEL, width * PANEL, in);
            to_outputs_adjoint(m, in, out);
            for (size_t i = 0; i < SIDE; i++) half[i][j] = out[i];
        }
        for (size_t i = 0; i < SIDE; i++) {
            to_outputs_adjoint(m, half[i], out);
            store(SIDE, out, points + t * PANEL + i * SIDE * stride, stride);
        }
    }
}

HOT static void output_gradient(const winograd_strip *s)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->m == 4)
            output_gradient_lanes(s, 4, lane);
        else
            output_gradient_lanes(s, 2, lane);
}

INLINE void input_gradient_lanes(const winograd_strip *s, size_t m, size_t lane, bool first)
{
    const float *points = s->points + lane;
    float *patch = s->patch + lane, *rows = s->rows + lane;
    size_t width = s->width, stride = s->stride, shared = SIDE - m;
    for (size_t i = 0; i < SIDE; i++) {
        vector in[SIDE], out[SIDE], carry[4];
        for (size_t j = 0; j < shared; j++) carry[j] = V(setzero_ps)();
        for (size_t t = 0; t < s->tiles; t++) {
            load(SIDE, points + t * PANEL + i * SIDE * stride, stride, in);
            to_points_adjoint(in, out);
            for (size_t j = 0; j < shared; j++) out[j] = ADD(carry[j], out[j]);
            store(m, out, rows + t * m * ROW + i * PANEL, ROW);
            for (size_t j = 0; j < shared; j++) carry[j] = out[m + j];
        }
        store(shared, carry, rows + s->tiles * m * ROW + i * PANEL, ROW);
    }
    for (size_t x = 0; x < width; x++) {
        vector in[SIDE], out[SIDE];
        load(SIDE, rows + x * ROW, PANEL, in);
        to_points_adjoint(in, out);
        if (!first)
            for (size_t j = 0; j < shared; j++) out[j] = ADD(out[j], V(loadu_ps)(patch + (j * width + x) * PANEL));
        store(SIDE, out, patch + x * PANEL, width * PANEL);
    }
}

HOT static void input_gradient(const winograd_strip *s, bool first)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->m == 4)
            input_gradient_lanes(s, 4, lane, first);
        else
            input_gradient_lanes(s, 2, lane, first);
}

/* --- weights --------------------------------------------------------------------------------------------------------
 */

INLINE void weights_lanes(size_t k, const float *pixels, float *points, size_t stride)
{
    vector half[SIDE][5], in[5], out[SIDE];
    for (size_t j = 0; j < k; j++) {
        load(k, pixels + j * PANEL, k * PANEL, in);
        to_weights(k, in, out);
        for (size_t i = 0; i < SIDE; i++) half[i][j] = out[i];
    }
    for (size_t i = 0; i < SIDE; i++) {
        to_weights(k, half[i], out);
        store(SIDE, out, points + i * SIDE * stride, stride);
    }
}

HOT static void weights(size_t k, size_t n, const float *pixels, float *points, size_t stride)
{
    for (size_t i = 0; i < n; i++, pixels += k * k * PANEL, points += PANEL)
        for (size_t lane = 0; lane < PANEL; lane += LANES)
            if (k == 3)
                weights_lanes(3, pixels + lane, points + lane, stride);
            else
                weights_lanes(5, pixels + lane, points + lane, stride);
}

INLINE void weights_gradient_lanes(size_t k, const float *points, size_t stride, float *pixels)
{
    vector half[5][SIDE], in[SIDE], out[5];
    for (size_t j = 0; j < SIDE; j++) {
        load(SIDE, points + j * stride, SIDE * stride, in);
        to_weights_adjoint(k, in, out);
        for (size_t i = 0; i < k; i++) half[i][j] = out[i];
    }
    for (size_t i = 0; i < k; i++) {
        to_weights_adjoint(k, half[i], out);
        store(k, out, pixels + i * k * PANEL, PANEL);
    }
}

HOT static void weights_gradient(size_t k, size_t n, const float *points, size_t stride, float *pixels)
{
    for (size_t i = 0; i < n; i++, pixels += k * k * PANEL, points += PANEL)
        for (size_t lane = 0; lane < PANEL; lane += LANES)
            if (k == 3)
                weights_gradient_lanes(3, points + lane, stride, pixels + lane);
            else
                weights_gradient_lanes(5, points + lane, stride, pixels + lane);
}

/* --- the matrix product of a point ----------------------------------------------------------------------------------
 */

#include "winograd_product.h"

static const winograd_steps steps = {gather,         scatter,  input,      output,  output_gradient,
                                     input_gradient, multiply, accumulate, weights, weights_gradient};

#ifdef LANES_AVX512
const winograd_steps *hw__winograd_avx512(void)
{
    return hw__cpu_avx512() ? &steps : NULL;
}
#else
const winograd_steps *hw__winograd_avx2(void)
{
    return hw__cpu_avx2() ? &steps : NULL;
}
#endif

#elif defined(LANES_AVX512)

const winograd_steps *hw__winograd_avx512(void)
{
    return NULL;
}

#else

const winograd_steps *hw__winograd_avx2(void)
{
    return NULL;
}

#endif
