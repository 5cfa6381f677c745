/* winograd_six.h (internal) - the one-dimensional transforms of F(4, 3), of six points. Included by winograd_wide.c
 * only.
 *
 * The six points are 0, 3/4, -3/4, 3/2, -3/2 and infinity, in this order. Their squares and products are exact, and of
 * the symmetric choices tried (1 and 2, 1 and 1/2, the square roots of 1/2 and 2, ...) they had the smallest error by
 * measurement: half that of the usual 0, 1, -1, 2, -2. Being symmetric, a pair of points costs one even and one odd
 * half. With
 *
 *     p = 9/16, q = 9/4 (squares of the points a and b),
 *
 * B^T has the coefficients of (x^2 - p) (x^2 - q) at 0, of x (x + a) (x^2 - q) at the point a and so on, and of
 * x (x^2 - p) (x^2 - q) at infinity; A has the powers of the points; G has them too, divided by the slope of the last
 * polynomial there. */
#ifndef HW__CONV_WINOGRAD_SIX_H
#define HW__CONV_WINOGRAD_SIX_H

#include "winograd_lanes.h"

#define SIX_POINT_A  0.75f
#define SIX_POINT_B  1.5f
#define SIX_SQUARE_A 0.5625f
#define SIX_SQUARE_B 2.25f
#define SIX_PRODUCT  1.265625f /* pq */
#define SIX_SUM      2.8125f   /* p + q */
#define SIX_SLOPE_0  1.265625  /* of x (x^2 - p) (x^2 - q): pq at 0, 2p (p - q) at a and -a, 2q (q - p) at b and -b */
#define SIX_SLOPE_A  -1.8984375
#define SIX_SLOPE_B  7.59375
/* B^T x */
INLINE void six_points(const vector x[6], vector v[6])
{
    vector even_a = LESS(SIX_SQUARE_B, x[2], x[4]), odd_a = LESS(SIX_SQUARE_B, x[1], x[3]),
           even_b = LESS(SIX_SQUARE_A, x[2], x[4]), odd_b = LESS(SIX_SQUARE_A, x[1], x[3]);
    v[0] = MORE(SIX_PRODUCT, x[0], LESS(SIX_SUM, x[2], x[4]));
    v[5] = MORE(SIX_PRODUCT, x[1], LESS(SIX_SUM, x[3], x[5]));
    v[1] = MORE(SIX_POINT_A, odd_a, even_a);
    v[2] = LESS(SIX_POINT_A, odd_a, even_a);
    v[3] = MORE(SIX_POINT_B, odd_b, even_b);
    v[4] = LESS(SIX_POINT_B, odd_b, even_b);
}

/* B v */
INLINE void six_points_adjoint(const vector v[6], vector x[6])
{
    vector even_a = ADD(v[1], v[2]), odd_a = MUL(SIX_POINT_A, SUB(v[1], v[2])), even_b = ADD(v[3], v[4]),
           odd_b = MUL(SIX_POINT_B, SUB(v[3], v[4]));
    x[0] = MUL(SIX_PRODUCT, v[0]);
    x[1] = LESS(SIX_SQUARE_B, odd_a, LESS(SIX_SQUARE_A, odd_b, MUL(SIX_PRODUCT, v[5])));
    x[2] = LESS(SIX_SUM, v[0], LESS(SIX_SQUARE_B, even_a, MUL(-SIX_SQUARE_A, even_b)));
    x[3] = LESS(SIX_SUM, v[5], ADD(odd_a, odd_b));
    x[4] = ADD(v[0], ADD(even_a, even_b));
    x[5] = v[5];
}

/* A^T v */
INLINE void six_outputs(const vector v[6], vector y[OUT])
{
    vector even_a = ADD(v[1], v[2]), odd_a = SUB(v[1], v[2]), even_b = ADD(v[3], v[4]), odd_b = SUB(v[3], v[4]);
    y[0] = ADD(v[0], ADD(even_a, even_b));
    y[1] = MORE(SIX_POINT_A, odd_a, MUL(SIX_POINT_B, odd_b));
    y[2] = MORE(SIX_SQUARE_A, even_a, MUL(SIX_SQUARE_B, even_b));
    y[3] = MORE(SIX_SQUARE_A * SIX_POINT_A, odd_a, MORE(SIX_SQUARE_B * SIX_POINT_B, odd_b, v[5]));
}

/* A y */
INLINE void six_outputs_adjoint(const vector y[OUT], vector v[6])
{
    vector even_a = MORE(SIX_SQUARE_A, y[2], y[0]), even_b = MORE(SIX_SQUARE_B, y[2], y[0]),
           odd_a = MORE(SIX_SQUARE_A, y[3], y[1]), odd_b = MORE(SIX_SQUARE_B, y[3], y[1]);
    v[0] = y[0];
    v[1] = MORE(SIX_POINT_A, odd_a, even_a);
    v[2] = LESS(SIX_POINT_A, odd_a, even_a);
    v[3] = MORE(SIX_POINT_B, odd_b, even_b);
    v[4] = LESS(SIX_POINT_B, odd_b, even_b);
    v[5] = y[3];
}

/* G w */
INLINE void six_weights(const vector w[3], vector u[6])
{
    vector even_a = MORE(SIX_SQUARE_A / SIX_SLOPE_A, w[2], MUL(1 / SIX_SLOPE_A, w[0])),
           even_b = MORE(SIX_SQUARE_B / SIX_SLOPE_B, w[2], MUL(1 / SIX_SLOPE_B, w[0])),
           odd_a = MUL(SIX_POINT_A / SIX_SLOPE_A, w[1]), odd_b = MUL(SIX_POINT_B / SIX_SLOPE_B, w[1]);
    u[0] = MUL(1 / SIX_SLOPE_0, w[0]);
    u[1] = ADD(even_a, odd_a);
    u[2] = SUB(even_a, odd_a);
    u[3] = ADD(even_b, odd_b);
    u[4] = SUB(even_b, odd_b);
    u[5] = w[2];
}

/* G^T u */
INLINE void six_weights_adjoint(const vector u[6], vector w[3])
{
    vector even_a = ADD(u[1], u[2]), odd_a = SUB(u[1], u[2]), even_b = ADD(u[3], u[4]), odd_b = SUB(u[3], u[4]);
    w[0] = MORE(1 / SIX_SLOPE_0, u[0], MORE(1 / SIX_SLOPE_A, even_a, MUL(1 / SIX_SLOPE_B, even_b)));
    w[1] = MORE(SIX_POINT_A / SIX_SLOPE_A, odd_a, MUL(SIX_POINT_B / SIX_SLOPE_B, odd_b));
    w[2] = ADD(MORE(SIX_SQUARE_A / SIX_SLOPE_A, even_a, MUL(SIX_SQUARE_B / SIX_SLOPE_B, even_b)), u[5]);
}

#endif
