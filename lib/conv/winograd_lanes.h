/* winograd_lanes.h (internal) - vectors of eight or sixteen channels, the transposition of planes into them, and the
 * one-dimensional transforms of the Winograd convolution. Included by winograd_wide.c only, which says which points.
 *
 * A transform reads and writes small arrays that stay in registers once it is inlined. */
#ifndef HW__CONV_WINOGRAD_LANES_H
#define HW__CONV_WINOGRAD_LANES_H

#include "winograd.h"
#include "lanes.h"

#define PANEL WINOGRAD_PANEL
#define SIDE  WINOGRAD_SIDE

/* --- planes to lanes and back ------------------------------------------------------------------------------------- */

HOT static void gather(const float *planes, size_t plane, size_t channels, size_t n, float *pixels)
{
    for (size_t g = 0; g < channels || g % LANES; g += 8) {
        size_t used = channels > g ? channels - g : 0;
        const float *from = planes + g * plane;
        for (size_t x = 0; x < n; x += 8) {
            size_t count = n - x < 8 ? n - x : 8;
            __m256i mask = first_lanes(count);
            __m256 v[8];
            if (count == 8 && used >= 8)
                for (size_t i = 0; i < 8; i++) v[i] = _mm256_loadu_ps(from + i * plane + x);
            else
                for (size_t i = 0; i < 8; i++)
                    v[i] = i < used ? _mm256_maskload_ps(from + i * plane + x, mask) : _mm256_setzero_ps();
            transpose8(v);
            float *to = pixels + x * PANEL + g;
            if (count == 8)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + i * PANEL, v[i]);
            else
                for (size_t i = 0; i < count; i++) _mm256_storeu_ps(to + i * PANEL, v[i]);
        }
    }
}

HOT static void scatter(const float *pixels, size_t channels, size_t n, float *planes, size_t plane, bool add)
{
    for (size_t g = 0; g < channels; g += 8) {
        size_t used = channels - g < 8 ? channels - g : 8;
        for (size_t x = 0; x < n; x += 8) {
            size_t count = n - x < 8 ? n - x : 8;
            __m256i mask = first_lanes(count);
            const float *from = pixels + x * PANEL + g;
            float *to = planes + g * plane + x;
            __m256 v[8];
            for (size_t i = 0; i < 8; i++) v[i] = i < count ? _mm256_loadu_ps(from + i * PANEL) : _mm256_setzero_ps();
            transpose8(v);
            if (count == 8 && used == 8 && !add)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + i * plane, v[i]);
            else
                for (size_t i = 0; i < 8 && i < used; i++) {
                    if (add) v[i] = _mm256_add_ps(v[i], _mm256_maskload_ps(to + i * plane, mask));
                    _mm256_maskstore_ps(to + i * plane, mask, v[i]);
                }
        }
    }
}

/* --- one-dimensional transforms ------------------------------------------------------------------------------------
 *
 * Points in the order 0, a, -a, b, -b, infinity; p = a^2, q = b^2. */

#define POINT_A   0.75f
#define POINT_B   1.5f
#define SQUARE_A  0.5625f
#define SQUARE_B  2.25f
#define PRODUCT   1.265625f /* pq */
#define SUM       2.8125f   /* p + q */
#define SLOPE_0   1.265625  /* of x (x^2 - p) (x^2 - q): pq at 0, 2p (p - q) at a and -a, 2q (q - p) at b and -b */
#define SLOPE_A   -1.8984375
#define SLOPE_B   7.59375
#define SHARE(x)  V(set1_ps)((float)(x))
#define ADD(x, y) V(add_ps)(x, y)
#define SUB(x, y) V(sub_ps)(x, y)
#define MUL(s, x) V(mul_ps)(SHARE(s), x)

/* s x + y and y - s x for a constant s. */
#define MORE(s, x, y) V(fmadd_ps)(SHARE(s), x, y)
#define LESS(s, x, y) V(fnmadd_ps)(SHARE(s), x, y)

/* B^T x */
INLINE void to_points(const vector x[SIDE], vector v[SIDE])
{
    vector even_a = LESS(SQUARE_B, x[2], x[4]), odd_a = LESS(SQUARE_B, x[1], x[3]), even_b = LESS(SQUARE_A, x[2], x[4]),
           odd_b = LESS(SQUARE_A, x[1], x[3]);
    v[0] = MORE(PRODUCT, x[0], LESS(SUM, x[2], x[4]));
    v[5] = MORE(PRODUCT, x[1], LESS(SUM, x[3], x[5]));
    v[1] = MORE(POINT_A, odd_a, even_a);
    v[2] = LESS(POINT_A, odd_a, even_a);
    v[3] = MORE(POINT_B, odd_b, even_b);
    v[4] = LESS(POINT_B, odd_b, even_b);
}

/* B v */
INLINE void to_points_adjoint(const vector v[SIDE], vector x[SIDE])
{
    vector even_a = ADD(v[1], v[2]), odd_a = MUL(POINT_A, SUB(v[1], v[2])), even_b = ADD(v[3], v[4]),
           odd_b = MUL(POINT_B, SUB(v[3], v[4]));
    x[0] = MUL(PRODUCT, v[0]);
    x[1] = LESS(SQUARE_B, odd_a, LESS(SQUARE_A, odd_b, MUL(PRODUCT, v[5])));
    x[2] = LESS(SUM, v[0], LESS(SQUARE_B, even_a, MUL(-SQUARE_A, even_b)));
    x[3] = LESS(SUM, v[5], ADD(odd_a, odd_b));
    x[4] = ADD(v[0], ADD(even_a, even_b));
    x[5] = v[5];
}

/* A^T v, m = 2 or 4 */
INLINE void to_outputs(size_t m, const vector v[SIDE], vector y[])
{
    vector even_a = ADD(v[1], v[2]), odd_a = SUB(v[1], v[2]), even_b = ADD(v[3], v[4]), odd_b = SUB(v[3], v[4]);
    y[0] = ADD(v[0], ADD(even_a, even_b));
    if (m == 2) {
        y[1] = MORE(POINT_A, odd_a, MORE(POINT_B, odd_b, v[5]));
    } else {
        y[1] = MORE(POINT_A, odd_a, MUL(POINT_B, odd_b));
        y[2] = MORE(SQUARE_A, even_a, MUL(SQUARE_B, even_b));
        y[3] = MORE(SQUARE_A * POINT_A, odd_a, MORE(SQUARE_B * POINT_B, odd_b, v[5]));
    }
}

/* A y */
INLINE void to_outputs_adjoint(size_t m, const vector y[], vector v[SIDE])
{
    vector even_a = m == 2 ? y[0] : MORE(SQUARE_A, y[2], y[0]), even_b = m == 2 ? y[0] : MORE(SQUARE_B, y[2], y[0]),
           odd_a = m == 2 ? y[1] : MORE(SQUARE_A, y[3], y[1]), odd_b = m == 2 ? y[1] : MORE(SQUARE_B, y[3], y[1]);
    v[0] = y[0];
    v[1] = MORE(POINT_A, odd_a, even_a);
    v[2] = LESS(POINT_A, odd_a, even_a);
    v[3] = MORE(POINT_B, odd_b, even_b);
    v[4] = LESS(POINT_B, odd_b, even_b);
    v[5] = y[m - 1];
}

/* G w, k = 3 or 5 */
INLINE void to_weights(size_t k, const vector w[], vector u[SIDE])
{
    vector even_a = MORE(SQUARE_A / SLOPE_A, w[2], MUL(1 / SLOPE_A, w[0])),
           even_b = MORE(SQUARE_B / SLOPE_B, w[2], MUL(1 / SLOPE_B, w[0])), odd_a = MUL(POINT_A / SLOPE_A, w[1]),
           odd_b = MUL(POINT_B / SLOPE_B, w[1]);
    if (k == 5) {
        even_a = MORE(SQUARE_A * SQUARE_A / SLOPE_A, w[4], even_a);
        even_b = MORE(SQUARE_B * SQUARE_B / SLOPE_B, w[4], even_b);
        odd_a = MORE(POINT_A * SQUARE_A / SLOPE_A, w[3], odd_a);
        odd_b = MORE(POINT_B * SQUARE_B / SLOPE_B, w[3], odd_b);
    }
    u[0] = MUL(1 / SLOPE_0, w[0]);
    u[1] = ADD(even_a, odd_a);
    u[2] = SUB(even_a, odd_a);
    u[3] = ADD(even_b, odd_b);
    u[4] = SUB(even_b, odd_b);
    u[5] = w[k - 1];
}

/* G^T u */
INLINE void to_weights_adjoint(size_t k, const vector u[SIDE], vector w[])
{
    vector even_a = ADD(u[1], u[2]), odd_a = SUB(u[1], u[2]), even_b = ADD(u[3], u[4]), odd_b = SUB(u[3], u[4]);
    w[0] = MORE(1 / SLOPE_0, u[0], MORE(1 / SLOPE_A, even_a, MUL(1 / SLOPE_B, even_b)));
    w[1] = MORE(POINT_A / SLOPE_A, odd_a, MUL(POINT_B / SLOPE_B, odd_b));
    w[2] = MORE(SQUARE_A / SLOPE_A, even_a, MUL(SQUARE_B / SLOPE_B, even_b));
    if (k == 5) {
        w[3] = MORE(POINT_A * SQUARE_A / SLOPE_A, odd_a, MUL(POINT_B * SQUARE_B / SLOPE_B, odd_b));
        w[4] = MORE(SQUARE_A * SQUARE_A / SLOPE_A, even_a, MUL(SQUARE_B * SQUARE_B / SLOPE_B, even_b));
    }
    w[k - 1] = ADD(w[k - 1], u[5]);
}

#endif
