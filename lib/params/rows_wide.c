/* rows_wide.c - fused steps on rows (embeddings) on x86-64: several rows at once share the loads of x and of the sum.
 * Rows begin at multiples of 16 floats, so that their vectors are aligned and no lane tears; loads and stores of shared
 * floats are inline assembly, for the reasons given in wide.c. fused.c has the reference. */
#include "access.h"
#include "fused.h"
#include "wide.h"

#if PARAMS_WIDE

#define INLINE __attribute__((always_inline)) static inline

AVX2 INLINE float sum8(__m256 v)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

/* k is a constant in every copy, so that what belongs to a row stays in registers. */
AVX2 INLINE void dot_of(params_float *const *w, size_t n, const float *x, float *out, const unsigned k)
{
    __m256 sum[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) sum[r] = _mm256_setzero_ps();
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        for (unsigned r = 0; r < k; r++) sum[r] = _mm256_fmadd_ps(params_load(w[r] + i), v, sum[r]);
    }
    for (unsigned r = 0; r < k; r++) out[r] = sum8(sum[r]);
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) out[r] += params_get(w[r] + i) * x[i];
}

/* A row that comes twice is loaded again after it was stored. */
AVX2 INLINE void add_of(params_float *const *w, size_t n, const float *coefficient, const float *x, float *sum,
                        const unsigned k)
{
    __m256 scale[PARAMS_ROWS];
    size_t i = 0;
    for (unsigned r = 0; r < k; r++) scale[r] = _mm256_set1_ps(coefficient[r]);
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i), s = sum ? _mm256_loadu_ps(sum + i) : v;
        for (unsigned r = 0; r < k; r++) {
            __m256 old = params_load(w[r] + i);
            s = _mm256_fmadd_ps(scale[r], old, s);
            params_put(w[r] + i, _mm256_fmadd_ps(scale[r], v, old));
        }
        if (sum) _mm256_storeu_ps(sum + i, s);
    }
    for (; i < n; i++)
        for (unsigned r = 0; r < k; r++) {
            if (sum) sum[i] += coefficient[r] * params_get(w[r] + i);
            params_add(w[r] + i, coefficient[r] * x[i], false);
        }
}

AVX2 void params_rows_dot_wide(params_float *const *w, size_t k, size_t n, const float *x, float *out)
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

AVX2 void params_rows_add_wide(params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
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
