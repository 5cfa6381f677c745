/* product_wide.c - small matrix products in vectors of eight or, where LANES_AVX512 is defined, of sixteen; it is
 * compiled for both.
 *
 * Nothing is packed: rows are read where they lie, in tiles whose sums fill the registers. A tile of dots is some rows
 * of a times some rows of b, vectors along both; a tile of sums is some rows of the output times three vectors of
 * columns, with one float of A a row for all of them. */
#include "product.h"
#include "../base/cpu.h"

#if HW__X86_64
#include "lanes.h"

/* As many as sums fit in the registers beside what they are made of. */
#ifdef LANES_AVX512
#define DOTS_A 3
#define DOTS_B 8
#define SUMS   8
#else
#define DOTS_A 3
#define DOTS_B 4
#define SUMS   4
#endif
#define VECTORS 3

/* The first n lanes, n below LANES; zeros in the others. */
#ifdef LANES_AVX512
INLINE vector load_first(const float *x, size_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1U << n) - 1), x);
}

INLINE void store_first(float *x, size_t n, vector v)
{
    _mm512_mask_storeu_ps(x, (__mmask16)((1U << n) - 1), v);
}

/* The lanes of each of eight vectors, summed. */
INLINE __m256 totals8(const vector x[8])
{
    __m256 half[8];
    for (int i = 0; i < 8; i++)
        half[i] = _mm256_add_ps(_mm512_castps512_ps256(x[i]),
                                _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x[i]), 1)));
    transpose8(half);
    for (int i = 0; i < 4; i++) half[i] = _mm256_add_ps(half[i], half[i + 4]);
    return _mm256_add_ps(_mm256_add_ps(half[0], half[1]), _mm256_add_ps(half[2], half[3]));
}

INLINE void store_totals(const vector *sums, size_t n, const float *bias, float *out)
{
    __m256 totals = totals8(sums);
    __m256i lanes = first_lanes(n);
    if (bias) totals = _mm256_add_ps(totals, _mm256_maskload_ps(bias, lanes));
    _mm256_maskstore_ps(out, lanes, totals);
}
#else
INLINE vector load_first(const float *x, size_t n)
{
    return _mm256_maskload_ps(x, first_lanes(n));
}

INLINE void store_first(float *x, size_t n, vector v)
{
    _mm256_maskstore_ps(x, first_lanes(n), v);
}

INLINE void store_totals(const vector *sums, size_t n, const float *bias, float *out)
{
    __m256 x = _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
    __m128 totals = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128i lanes = _mm256_castsi256_si128(first_lanes(n));
    if (bias) totals = _mm_add_ps(totals, _mm_maskload_ps(bias, lanes));
    _mm_maskstore_ps(out, lanes, totals);
}
#endif

/* A vector that stays in its register: loaded once, not again by every product that it is in. */
#define HELD(x) __asm__("" : "+v"(x))

/* rows of a (1 .. DOTS_A) times columns of b (1 .. DOTS_B): out and bias are at the first. What is more than whole
 * vectors comes first, so that the sums stay in their registers to the end. */
INLINE void dots_tile(size_t rows, size_t columns, size_t k, const float *a, const float *b, const float *bias,
                      float *out, size_t n)
{
    vector sum[DOTS_A][DOTS_B], x[DOTS_A];
    size_t t = k % LANES;
    for (size_t i = 0; i < rows; i++) x[i] = load_first(a + i * k, t);
    for (size_t j = 0; j < DOTS_B; j++) {
        vector y = j < columns ? load_first(b + j * k, t) : V(setzero_ps)();
        for (size_t i = 0; i < rows; i++) sum[i][j] = V(mul_ps)(x[i], y);
    }
    for (; t < k; t += LANES) {
        for (size_t i = 0; i < rows; i++) x[i] = V(loadu_ps)(a + i * k + t);
        for (size_t j = 0; j < columns; j++) {
            vector y = V(loadu_ps)(b + j * k + t);
            HELD(y);
            for (size_t i = 0; i < rows; i++) sum[i][j] = V(fmadd_ps)(x[i], y, sum[i][j]);
        }
    }
    for (size_t i = 0; i < rows; i++) store_totals(sum[i], columns, bias, out + i * n);
}

/* The rows of b stay in the first cache while those of a pass. The numbers are constants in each case, so that the sums
 * are in registers. */
INLINE void dots_columns(size_t columns, size_t m, size_t n, size_t k, const float *a, const float *b,
                         const float *bias, float *out)
{
    size_t i = 0;
    for (; i + DOTS_A <= m; i += DOTS_A) dots_tile(DOTS_A, columns, k, a + i * k, b, bias, out + i * n, n);
    if (m - i == 2) dots_tile(2, columns, k, a + i * k, b, bias, out + i * n, n);
    if (m - i == 1) dots_tile(1, columns, k, a + i * k, b, bias, out + i * n, n);
}

HOT static void dots(size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias, float *out)
{
    size_t j = 0;
    for (; j + DOTS_B <= n; j += DOTS_B) dots_columns(DOTS_B, m, n, k, a, b + j * k, bias ? bias + j : NULL, out + j);
    for (; j < n; j += 2) { /* what is left: pairs, and one */
        if (n - j >= 2)
            dots_columns(2, m, n, k, a, b + j * k, bias ? bias + j : NULL, out + j);
        else
            dots_columns(1, m, n, k, a, b + j * k, bias ? bias + j : NULL, out + j);
    }
}

/* rows of the output (1 .. SUMS) times `vectors` of columns, the last of which has `last` lanes. */
INLINE void sums_tile(size_t rows, size_t vectors, size_t last, size_t n, size_t k, const float *a, size_t row,
                      size_t column, const float *b, float *out)
{
    vector sum[SUMS][VECTORS], y[VECTORS];
    for (size_t i = 0; i < SUMS; i++)
        for (size_t v = 0; v < VECTORS; v++) sum[i][v] = V(setzero_ps)();
    for (size_t t = 0; t < k; t++, a += column, b += n) {
        for (size_t v = 0; v < vectors; v++)
            y[v] = v + 1 < vectors || last == LANES ? V(loadu_ps)(b + v * LANES) : load_first(b + v * LANES, last);
        for (size_t i = 0; i < rows; i++) {
            vector x = V(set1_ps)(a[i * row]);
            for (size_t v = 0; v < vectors; v++) sum[i][v] = V(fmadd_ps)(x, y[v], sum[i][v]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++) {
            float *to = out + i * n + v * LANES;
            if (v + 1 < vectors || last == LANES)
                V(storeu_ps)(to, sum[i][v]);
            else
                store_first(to, last, sum[i][v]);
        }
}

INLINE void sums_columns(size_t vectors, size_t last, size_t m, size_t n, size_t k, const float *a, size_t row,
                         size_t column, const float *b, float *out)
{
    size_t i = 0;
    for (; i + SUMS <= m; i += SUMS) sums_tile(SUMS, vectors, last, n, k, a + i * row, row, column, b, out + i * n);
    for (; i + 2 <= m; i += 2) sums_tile(2, vectors, last, n, k, a + i * row, row, column, b, out + i * n);
    if (i < m) sums_tile(1, vectors, last, n, k, a + i * row, row, column, b, out + i * n);
}

/* The panel of b stays in a cache while the rows of the output pass. */
HOT static void sums(size_t m, size_t n, size_t k, const float *a, size_t row, size_t column, const float *b,
                     float *out)
{
    size_t j = 0;
    for (; j + VECTORS * LANES <= n; j += VECTORS * LANES)
        sums_columns(VECTORS, LANES, m, n, k, a, row, column, b + j, out + j);
    for (; j + LANES <= n; j += LANES) sums_columns(1, LANES, m, n, k, a, row, column, b + j, out + j);
    if (j < n) sums_columns(1, n - j, m, n, k, a, row, column, b + j, out + j);
}

static const hw__product_steps steps = {dots, sums};

#ifdef LANES_AVX512
const hw__product_steps *hw__product_avx512(void)
{
    return hw__cpu_avx512() ? &steps : NULL;
}
#else
const hw__product_steps *hw__product_avx2(void)
{
    return hw__cpu_avx2() ? &steps : NULL;
}
#endif

#elif defined(LANES_AVX512)

const hw__product_steps *hw__product_avx512(void)
{
    return NULL;
}

#else

const hw__product_steps *hw__product_avx2(void)
{
    return NULL;
}

#endif
