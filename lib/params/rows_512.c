/* rows_512.c - rows_wide.c with vectors of 16 floats: a row of 100 floats, padded to 112, is seven of them. An aligned
 * 64-byte load or store never tears inside a lane, as in wide.c. */
#include "access.h"
#include "fused.h"
#include "wide.h"

#if PARAMS_WIDE

#define INLINE __attribute__((always_inline)) static inline
#define AVX512 __attribute__((target("avx512f")))

AVX512 INLINE __m512 load(const params_float *x)
{
    __m512 v;
    __asm__ volatile("vmovaps %1, %0" : "=v"(v) : "m"(*(const __m512 *)(const void *)x));
    return v;
}

AVX512 INLINE void put(params_float *x, __m512 v)
{
    __asm__ volatile("vmovaps %1, %0" : "=m"(*(__m512 *)(void *)x) : "v"(v));
}

/* k is a constant in every copy, so that what belongs to a row stays in registers. */
AVX512 INLINE void dot_of(params_float *const *w, size_t n, const float *x, float *out, const unsigned k)
{
    __m512 sum[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) sum[r] = _mm512_setzero_ps();
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        for (unsigned r = 0; r < k; r++) sum[r] = _mm512_fmadd_ps(load(w[r] + i), v, sum[r]);
    }
    for (unsigned r = 0; r < k; r++) out[r] = _mm512_reduce_add_ps(sum[r]);
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) out[r] += params_get(w[r] + i) * x[i];
}

/* A row that comes twice is loaded again after it was stored. */
AVX512 INLINE void add_of(params_float *const *w, size_t n, const float *coefficient, const float *x, float *sum,
                          const unsigned k)
{
    __m512 scale[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) scale[r] = _mm512_set1_ps(coefficient[r]);
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i), s = sum ? _mm512_loadu_ps(sum + i) : v;
        for (unsigned r = 0; r < k; r++) {
            __m512 old = load(w[r] + i);
            s = _mm512_fmadd_ps(scale[r], old, s);
            put(w[r] + i, _mm512_fmadd_ps(scale[r], v, old));
        }
        if (sum) _mm512_storeu_ps(sum + i, s);
    }
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) {
            if (sum) sum[i] += coefficient[r] * params_get(w[r] + i);
            params_add(w[r] + i, coefficient[r] * x[i], false);
        }
}

AVX512 void params_rows_dot_512(params_float *const *w, size_t k, size_t n, const float *x, float *out)
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

AVX512 void params_rows_add_512(params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
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

#endif
