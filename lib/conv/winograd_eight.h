/* winograd_eight.h (internal) - the one-dimensional transforms of F(4, 5), of eight points. Included by winograd_wide.c
 * only.
 *
 * The points are 0, 1/2, -1/2, 1, -1, 2, -2 and infinity, in this order; of 165 symmetric choices from 3/8 to 2 they
 * had the smallest error by measurement. It is 3.5 times that of F(2, 5) on six points and that of the F(6, 3) in wide
 * use. With
 *
 *     p = 1/4, q = 1, r = 4 (squares of the points a, b and c),
 *
 * B^T has the coefficients of the product of all x - t but the point's own: (x^2 - p) (x^2 - q) (x^2 - r) at 0, its
 * sign turned; x (x + a) (x^2 - q) (x^2 - r) at a; x times the first at infinity. A has the powers of the points; G has
 * them too, divided by the slope of the last polynomial there. */
#ifndef HW__CONV_WINOGRAD_EIGHT_H
#define HW__CONV_WINOGRAD_EIGHT_H

#include "winograd_lanes.h"

#define EIGHT_A       0.5f
#define EIGHT_C       2.0f /* b is 1 */
#define EIGHT_P       0.25f
#define EIGHT_R       4.0f
#define EIGHT_SUM     5.25f   /* p + q + r, and pq + pr + qr; pqr is 1 */
#define EIGHT_SLOPE_A 1.40625 /* 2p (p - q) (p - r) at a and -a, and so on; -1 at 0 */
#define EIGHT_SLOPE_B -4.5
#define EIGHT_SLOPE_C 90.0

/* Even and odd halves of the points a, b and c. */
typedef struct halves {
    vector even[3], odd[3];
} halves;

INLINE halves halves_of(const vector v[8])
{
    halves h;
    for (size_t i = 0; i < 3; i++) {
        h.even[i] = ADD(v[1 + 2 * i], v[2 + 2 * i]);
        h.odd[i] = SUB(v[1 + 2 * i], v[2 + 2 * i]);
    }
    return h;
}

/* even + point odd and even - point odd, of all three. */
INLINE void both_halves(const halves *h, vector v[8])
{
    v[1] = MORE(EIGHT_A, h->odd[0], h->even[0]);
    v[2] = LESS(EIGHT_A, h->odd[0], h->even[0]);
    v[3] = ADD(h->even[1], h->odd[1]);
    v[4] = SUB(h->even[1], h->odd[1]);
    v[5] = MORE(EIGHT_C, h->odd[2], h->even[2]);
    v[6] = LESS(EIGHT_C, h->odd[2], h->even[2]);
}

/* B^T x: q + r and qr are 5 and 4, p + r and pr 4.25 and 1, p + q and pq 1.25 and 0.25. */
INLINE void eight_points(const vector x[8], vector v[8])
{
    halves h = {{MORE(4.0f, x[2], LESS(5.0f, x[4], x[6])), ADD(x[2], LESS(4.25f, x[4], x[6])),
                 MORE(0.25f, x[2], LESS(1.25f, x[4], x[6]))},
                {MORE(4.0f, x[1], LESS(5.0f, x[3], x[5])), ADD(x[1], LESS(4.25f, x[3], x[5])),
                 MORE(0.25f, x[1], LESS(1.25f, x[3], x[5]))}};
    v[0] = MORE(EIGHT_SUM, SUB(x[4], x[2]), SUB(x[0], x[6]));
    both_halves(&h, v);
    v[7] = MORE(EIGHT_SUM, SUB(x[3], x[5]), SUB(x[7], x[1]));
}

/* B v */
INLINE void eight_points_adjoint(const vector v[8], vector x[8])
{
    halves h = halves_of(v);
    vector a = MUL(EIGHT_A, h.odd[0]), c = MUL(EIGHT_C, h.odd[2]);
    x[0] = v[0];
    x[1] = SUB(MORE(4.0f, a, MORE(0.25f, c, h.odd[1])), v[7]);
    x[2] = LESS(EIGHT_SUM, v[0], MORE(4.0f, h.even[0], MORE(0.25f, h.even[2], h.even[1])));
    x[3] = MORE(EIGHT_SUM, v[7], MORE(-5.0f, a, MORE(-1.25f, c, MUL(-4.25f, h.odd[1]))));
    x[4] = MORE(EIGHT_SUM, v[0], MORE(-5.0f, h.even[0], MORE(-1.25f, h.even[2], MUL(-4.25f, h.even[1]))));
    x[5] = LESS(EIGHT_SUM, v[7], ADD(a, ADD(c, h.odd[1])));
    x[6] = SUB(ADD(h.even[0], ADD(h.even[1], h.even[2])), v[0]);
    x[7] = v[7];
}

/* A^T v */
INLINE void eight_outputs(const vector v[8], vector y[OUT])
{
    halves h = halves_of(v);
    y[0] = ADD(ADD(v[0], h.even[0]), ADD(h.even[1], h.even[2]));
    y[1] = MORE(EIGHT_A, h.odd[0], MORE(EIGHT_C, h.odd[2], h.odd[1]));
    y[2] = MORE(EIGHT_P, h.even[0], MORE(EIGHT_R, h.even[2], h.even[1]));
    y[3] = ADD(MORE(EIGHT_P * EIGHT_A, h.odd[0], MORE(EIGHT_R * EIGHT_C, h.odd[2], h.odd[1])), v[7]);
}

/* A y */
INLINE void eight_outputs_adjoint(const vector y[OUT], vector v[8])
{
    halves h = {{MORE(EIGHT_P, y[2], y[0]), ADD(y[2], y[0]), MORE(EIGHT_R, y[2], y[0])},
                {MORE(EIGHT_P, y[3], y[1]), ADD(y[3], y[1]), MORE(EIGHT_R, y[3], y[1])}};
    v[0] = y[0];
    both_halves(&h, v);
    v[7] = y[3];
}

/* w0 + square w2 + square^2 w4 */
INLINE vector quartic(float square, vector w0, vector w2, vector w4)
{
    return MORE(square * square, w4, MORE(square, w2, w0));
}

/* G w */
INLINE void eight_weights(const vector w[5], vector u[8])
{
    halves h = {{MUL(1 / EIGHT_SLOPE_A, quartic(EIGHT_P, w[0], w[2], w[4])),
                 MUL(1 / EIGHT_SLOPE_B, quartic(1, w[0], w[2], w[4])),
                 MUL(1 / EIGHT_SLOPE_C, quartic(EIGHT_R, w[0], w[2], w[4]))},
                {MUL(1 / EIGHT_SLOPE_A, MORE(EIGHT_P, w[3], w[1])), MUL(1 / EIGHT_SLOPE_B, ADD(w[3], w[1])),
                 MUL(1 / EIGHT_SLOPE_C, MORE(EIGHT_R, w[3], w[1]))}};
    u[0] = w[0]; /* both this and the point's row of B^T have their sign turned */
    both_halves(&h, u);
    u[7] = w[4];
}

/* G^T u */
INLINE void eight_weights_adjoint(const vector u[8], vector w[5])
{
    halves h = halves_of(u);
    for (size_t i = 0; i < 3; i++) {
        const double slope[] = {EIGHT_SLOPE_A, EIGHT_SLOPE_B, EIGHT_SLOPE_C};
        h.even[i] = MUL(1 / slope[i], h.even[i]);
        h.odd[i] = MUL(1 / slope[i], h.odd[i]);
    }
    vector a = MUL(EIGHT_A, h.odd[0]), c = MUL(EIGHT_C, h.odd[2]);
    w[0] = ADD(ADD(u[0], h.even[0]), ADD(h.even[1], h.even[2]));
    w[1] = ADD(a, ADD(h.odd[1], c));
    w[2] = MORE(EIGHT_P, h.even[0], MORE(EIGHT_R, h.even[2], h.even[1]));
    w[3] = MORE(EIGHT_P, a, MORE(EIGHT_R, c, h.odd[1]));
    w[4] = ADD(MORE(EIGHT_P * EIGHT_P, h.even[0], MORE(EIGHT_R * EIGHT_R, h.even[2], h.even[1])), u[7]);
}

#endif
