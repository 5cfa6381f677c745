/* rows_kernel.h (internal) - fused steps on a few rows at once, which share the loads of x and of the sum, for vectors
 * of one width. The file that includes it says which: TARGET, VECTOR, LANES, LOAD and PUT of shared floats, the
 * operations ZERO, SPREAD, GET, SET, FMA and TOTAL, and the names of the two functions. Rows begin at multiples of
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
