/* winograd_wide.c - the steps of the Winograd convolution in vectors of eight or, where LANES_AVX512 is defined, of
 * sixteen; it is compiled for both. Every sum is made in the same order in both, so they agree to the bit.
 *
 * Transforms of a tile are made down the columns first, which neighbouring tiles of a strip share, then along the rows;
 * the adjoint goes the other way and adds up the shared columns in registers. */
#include "winograd.h"
#include "../base/cpu.h"

#if HW__X86_64
#include "winograd_eight.h"
#include "winograd_six.h"

/* By the side of a tile, which is a constant once all is inlined. */
#define TRANSFORM(name, from, to) (side == 6 ? six_##name(from, to) : eight_##name(from, to))

/* --- a strip of tiles ----------------------------------------------------------------------------------------------
 */

#define ROW (side * PANEL) /* floats of `rows` a pixel column */

INLINE void load(size_t n, const float *from, size_t stride, vector x[])
{
    for (size_t i = 0; i < n; i++) x[i] = V(loadu_ps)(from + i * stride);
}

INLINE void store(size_t n, const vector x[], float *to, size_t stride)
{
    for (size_t i = 0; i < n; i++) V(storeu_ps)(to + i * stride, x[i]);
}

INLINE void input_lanes(const winograd_strip *s, size_t side, size_t lane)
{
    const float *patch = s->patch + lane;
    float *rows = s->rows + lane, *points = s->points + lane;
    size_t width = s->width, stride = s->stride;
    for (size_t x = 0; x < width; x++) {
        vector in[SIDE], out[SIDE];
        load(side, patch + x * PANEL, width * PANEL, in);
        TRANSFORM(points, in, out);
        store(side, out, rows + x * ROW, PANEL);
    }
    for (size_t t = 0; t < s->tiles; t++)
        for (size_t i = 0; i < side; i++) {
            vector in[SIDE], out[SIDE];
            load(side, rows + t * OUT * ROW + i * PANEL, ROW, in);
            TRANSFORM(points, in, out);
            store(side, out, points + t * PANEL + i * side * stride, stride);
        }
}

HOT static void input(const winograd_strip *s)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->side == 6)
            input_lanes(s, 6, lane);
        else
            input_lanes(s, 8, lane);
}

INLINE void output_lanes(const winograd_strip *s, size_t side, size_t lane, const float *bias)
{
    const float *points = s->points + lane;
    float *patch = s->patch + lane;
    size_t width = s->width, stride = s->stride;
    vector start = V(loadu_ps)(bias + lane);
    for (size_t t = 0; t < s->tiles; t++) {
        vector half[OUT][SIDE], in[SIDE], out[OUT];
        for (size_t j = 0; j < side; j++) {
            load(side, points + t * PANEL + j * stride, side * stride, in);
            TRANSFORM(outputs, in, out);
            for (size_t i = 0; i < OUT; i++) half[i][j] = out[i];
        }
        for (size_t i = 0; i < OUT; i++) {
            TRANSFORM(outputs, half[i], out);
            for (size_t j = 0; j < OUT; j++)
                V(storeu_ps)(patch + (i * width + t * OUT + j) * PANEL, ADD(out[j], start));
        }
    }
}

HOT static void output(const winograd_strip *s, const float *bias)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->side == 6)
            output_lanes(s, 6, lane, bias);
        else
            output_lanes(s, 8, lane, bias);
}

INLINE void output_gradient_lanes(const winograd_strip *s, size_t side, size_t lane)
{
    const float *patch = s->patch + lane;
    float *points = s->points + lane;
    size_t width = s->width, stride = s->stride;
    for (size_t t = 0; t < s->tiles; t++) {
        vector half[SIDE][OUT], in[OUT], out[SIDE];
        for (size_t j = 0; j < OUT; j++) {
            load(OUT, patch + (t * OUT + j) * PANEL, width * PANEL, in);
            TRANSFORM(outputs_adjoint, in, out);
            for (size_t i = 0; i < side; i++) half[i][j] = out[i];
        }
        for (size_t i = 0; i < side; i++) {
            TRANSFORM(outputs_adjoint, half[i], out);
            store(side, out, points + t * PANEL + i * side * stride, stride);
        }
    }
}

HOT static void output_gradient(const winograd_strip *s)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->side == 6)
            output_gradient_lanes(s, 6, lane);
        else
            output_gradient_lanes(s, 8, lane);
}

INLINE void input_gradient_lanes(const winograd_strip *s, size_t side, size_t lane, bool first)
{
    const float *points = s->points + lane;
    float *patch = s->patch + lane, *rows = s->rows + lane;
    size_t width = s->width, stride = s->stride, shared = side - OUT;
    for (size_t i = 0; i < side; i++) {
        vector in[SIDE], out[SIDE], carry[SIDE - OUT];
        for (size_t j = 0; j < shared; j++) carry[j] = V(setzero_ps)();
        for (size_t t = 0; t < s->tiles; t++) {
            load(side, points + t * PANEL + i * side * stride, stride, in);
            TRANSFORM(points_adjoint, in, out);
            for (size_t j = 0; j < shared; j++) out[j] = ADD(carry[j], out[j]);
            store(OUT, out, rows + t * OUT * ROW + i * PANEL, ROW);
            for (size_t j = 0; j < shared; j++) carry[j] = out[OUT + j];
        }
        store(shared, carry, rows + s->tiles * OUT * ROW + i * PANEL, ROW);
    }
    for (size_t x = 0; x < width; x++) {
        vector in[SIDE], out[SIDE];
        load(side, rows + x * ROW, PANEL, in);
        TRANSFORM(points_adjoint, in, out);
        if (!first)
            for (size_t j = 0; j < shared; j++) out[j] = ADD(out[j], V(loadu_ps)(patch + (j * width + x) * PANEL));
        store(side, out, patch + x * PANEL, width * PANEL);
    }
}

HOT static void input_gradient(const winograd_strip *s, bool first)
{
    for (size_t lane = 0; lane < s->channels; lane += LANES)
        if (s->side == 6)
            input_gradient_lanes(s, 6, lane, first);
        else
            input_gradient_lanes(s, 8, lane, first);
}

/* --- weights --------------------------------------------------------------------------------------------------------
 */

INLINE void weights_lanes(size_t k, const float *pixels, float *points, size_t stride)
{
    const size_t side = k + OUT - 1;
    vector half[SIDE][5], in[5], out[SIDE];
    for (size_t j = 0; j < k; j++) {
        load(k, pixels + j * PANEL, k * PANEL, in);
        TRANSFORM(weights, in, out);
        for (size_t i = 0; i < side; i++) half[i][j] = out[i];
    }
    for (size_t i = 0; i < side; i++) {
        TRANSFORM(weights, half[i], out);
        store(side, out, points + i * side * stride, stride);
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
    const size_t side = k + OUT - 1;
    vector half[5][SIDE], in[SIDE], out[5];
    for (size_t j = 0; j < side; j++) {
        load(side, points + j * stride, side * stride, in);
        TRANSFORM(weights_adjoint, in, out);
        for (size_t i = 0; i < k; i++) half[i][j] = out[i];
    }
    for (size_t i = 0; i < k; i++) {
        TRANSFORM(weights_adjoint, half[i], out);
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
