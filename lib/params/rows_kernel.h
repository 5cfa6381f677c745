/* rows_kernel.h (internal) - fused steps on a few rows at once, which share the loads of x and of the sum, for vectors
 * of one width. The file that includes it says which: TARGET, VECTOR, LANES, LOAD and PUT of shared floats, the
 * operations ZERO, SPREAD, GET, SET, FMA and TOTAL, and the names of the four functions. Rows begin at multiples of
 * LANES. */
#include "access.h"
#include "fused.h"

#define INLINE __attribute__((always_inline)) static inline

/* k is a constant in every copy, so that what belongs to a row stays in registers. */
TARGET INLINE void dot_of(hw__params_float *const *w, size_t n, const float *x, float *out, const unsigned k)
{
    VECTOR sum[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) sum[r] = ZERO();
    for (; i + LANES <= n; i += LANES) {
        VECTOR v = GET(x + i);
        for (unsigned r = 0; r < k; r++) sum[r] = FMA(LOAD(w[r] + i), v, sum[r]);
    }
    for (unsigned r = 0; r < k; r++) out[r] = TOTAL(sum[r]);
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) out[r] += hw__params_get(w[r] + i) * x[i];
}

/* A row that comes twice is loaded again after it was stored. */
TARGET INLINE void add_of(hw__params_float *const *w, size_t n, const float *coefficient, const float *x, float *sum,
                          const unsigned k)
{
    VECTOR scale[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) scale[r] = SPREAD(coefficient[r]);
    for (; i + LANES <= n; i += LANES) {
        VECTOR v = GET(x + i), s = sum ? GET(sum + i) : v;
        for (unsigned r = 0; r < k; r++) {
            VECTOR old = LOAD(w[r] + i);
            s = FMA(scale[r], old, s);
            PUT(w[r] + i, FMA(scale[r], v, old));
        }
        if (sum) SET(sum + i, s);
    }
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) {
            if (sum) sum[i] += coefficient[r] * hw__params_get(w[r] + i);
            hw__params_add(w[r] + i, coefficient[r] * x[i], false);
        }
}

/* Every input against every target, t of them. */
TARGET INLINE void window_dot_of(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t n,
                                 float *score, const unsigned t)
{
    for (size_t i = 0; i < k; i++, score += t) {
        VECTOR sum[PARAMS_ROWS];
        size_t v = 0;
        for (unsigned r = 0; r < t; r++) sum[r] = ZERO();
        for (; v + LANES <= n; v += LANES) {
            VECTOR x = LOAD(in[i] + v);
            for (unsigned r = 0; r < t; r++) sum[r] = FMA(LOAD(out[r] + v), x, sum[r]);
        }
        for (unsigned r = 0; r < t; r++) score[r] = TOTAL(sum[r]);
        for (; v < n; v++)
            for (unsigned r = 0; r < t; r++) score[r] += hw__params_get(out[r] + v) * hw__params_get(in[i] + v);
    }
}

/* Some lanes at a time, of all rows: what stood in the targets before, and what they become, stays in registers, and
 * every row is loaded and stored once. */
TARGET INLINE void window_add_of(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t n,
                                 const float *coefficient, const unsigned t)
{
    size_t v = 0;
    for (; v + LANES <= n; v += LANES) {
        VECTOR before[PARAMS_ROWS], after[PARAMS_ROWS];
        for (unsigned r = 0; r < t; r++) before[r] = after[r] = LOAD(out[r] + v);
        for (size_t i = 0; i < k; i++) {
            VECTOR x = LOAD(in[i] + v), next = x;
            for (unsigned r = 0; r < t; r++) {
                VECTOR c = SPREAD(coefficient[i * t + r]);
                next = FMA(c, before[r], next);
                after[r] = FMA(c, x, after[r]);
            }
            PUT(in[i] + v, next);
        }
        for (unsigned r = 0; r < t; r++) PUT(out[r] + v, after[r]);
    }
    for (; v < n; v++) {
        float before[PARAMS_ROWS], after[PARAMS_ROWS];
        for (unsigned r = 0; r < t; r++) before[r] = after[r] = hw__params_get(out[r] + v);
        for (size_t i = 0; i < k; i++) {
            float x = hw__params_get(in[i] + v), next = x;
            for (unsigned r = 0; r < t; r++) {
                next += coefficient[i * t + r] * before[r];
                after[r] += coefficient[i * t + r] * x;
            }
            hw__params_set(in[i] + v, next);
        }
        for (unsigned r = 0; r < t; r++) hw__params_set(out[r] + v, after[r]);
    }
}

TARGET void WINDOW_DOT(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       float *score)
{
    switch (t) {
    case 6: window_dot_of(in, k, out, n, score, 6); return;
    case 5: window_dot_of(in, k, out, n, score, 5); return;
    case 4: window_dot_of(in, k, out, n, score, 4); return;
    case 3: window_dot_of(in, k, out, n, score, 3); return;
    case 2: window_dot_of(in, k, out, n, score, 2); return;
    default: window_dot_of(in, k, out, n, score, 1); return;
    }
}

TARGET void WINDOW_ADD(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       const float *coefficient)
{
    switch (t) {
    case 6: window_add_of(in, k, out, n, coefficient, 6); return;
    case 5: window_add_of(in, k, out, n, coefficient, 5); return;
    case 4: window_add_of(in, k, out, n, coefficient, 4); return;
    case 3: window_add_of(in, k, out, n, coefficient, 3); return;
    case 2: window_add_of(in, k, out, n, coefficient, 2); return;
    default: window_add_of(in, k, out, n, coefficient, 1); return;
    }
}

TARGET void ROWS_DOT(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out)
{
    switch (k) {
    case 6: dot_of(w, n, x, out, 6); return;
    case 5: dot_of(w, n, x, out, 5); return;
    case 4: dot_of(w, n, x, out, 4); return;
    case 3: dot_of(w, n, x, out, 3); return;
    case 2: dot_of(w, n, x, out, 2); return;
    default: dot_of(w, n, x, out, 1); return;
    }
}

TARGET void ROWS_ADD(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
                     float *sum)
{
    if (!sum) {
        for (size_t r = 0; r < k; r++) add_of(w + r, n, coefficient + r, x, NULL, 1);
        return;
    }
    switch (k) {
    case 6: add_of(w, n, coefficient, x, sum, 6); return;
    case 5: add_of(w, n, coefficient, x, sum, 5); return;
    case 4: add_of(w, n, coefficient, x, sum, 4); return;
    case 3: add_of(w, n, coefficient, x, sum, 3); return;
    case 2: add_of(w, n, coefficient, x, sum, 2); return;
    default: add_of(w, n, coefficient, x, sum, 1); return;
    }
}
