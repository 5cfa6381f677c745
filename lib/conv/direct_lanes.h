/* direct_lanes.h (internal) - vectors of eight or sixteen floats for the parts of hw__conv_direct, their halves and
 * masks, and 8 x 8 transposes in registers. Included by direct_wide.c only, through the parts. */
#ifndef HW__CONV_DIRECT_LANES_H
#define HW__CONV_DIRECT_LANES_H

#include "direct.h"
#include "lanes.h"
#include <string.h>

#ifdef LANES_AVX512
typedef __mmask16 lane_mask;
#else
typedef __m256i lane_mask;
#endif

#define HALF (LANES / 2)

/* --- numbers --------------------------------------------------------------------------------------------------------
 */

static inline size_t taps_of(const hw__conv_shape *s)
{
    return s->c * s->k * s->k;
}

static inline size_t vectors_of(size_t lanes)
{
    return (lanes + LANES - 1) / LANES;
}

/* Part i of n things cut into the fewest parts of at most `most`, their sizes at most one apart. */
static inline size_t parts_of(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

static inline size_t part_of(size_t n, size_t parts, size_t i)
{
    return n / parts + (i < n % parts);
}

/* --- halves and masks -----------------------------------------------------------------------------------------------
 */

INLINE void add_to(float *sum, vector x)
{
    V(storeu_ps)(sum, V(add_ps)(V(loadu_ps)(sum), x));
}

#ifdef LANES_AVX512
INLINE vector load_halves(const float *low, const float *high)
{
    return _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(_mm256_loadu_ps(low))),
                                               _mm256_castps_pd(_mm256_loadu_ps(high)), 1));
}

INLINE void store_halves(vector x, float *low, float *high)
{
    _mm256_storeu_ps(low, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(high, _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1)));
}

/* Lane i is kept if bit i is set. */
INLINE lane_mask mask_of(unsigned bits)
{
    return (lane_mask)bits;
}

INLINE vector masked(vector x, lane_mask mask)
{
    return _mm512_maskz_mov_ps(mask, x);
}
#else
INLINE vector load_halves(const float *low, const float *high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

INLINE void store_halves(vector x, float *low, float *high)
{
    _mm_storeu_ps(low, _mm256_castps256_ps128(x));
    _mm_storeu_ps(high, _mm256_extractf128_ps(x, 1));
}

/* Lane i is kept if bit i is set. */
INLINE lane_mask mask_of(unsigned bits)
{
    __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), bit), bit);
}

INLINE vector masked(vector x, lane_mask mask)
{
    return _mm256_and_ps(x, _mm256_castsi256_ps(mask));
}
#endif

/* --- transposes, of eight in both widths ----------------------------------------------------------------------------
 */

/* The first `columns` floats of the first `rows` vectors, to rows `plane` apart. */
INLINE void store_block(const __m256 x[8], size_t rows, size_t columns, float *to, size_t plane)
{
    if (rows == 8 && columns == 8) {
        for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + i * plane, x[i]);
        return;
    }
    float block[8][8];
    for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(block[i], x[i]);
    if (columns == 8)
        for (size_t i = 0; i < rows; i++) _mm256_storeu_ps(to + i * plane, _mm256_loadu_ps(block[i]));
    else
        for (size_t i = 0; i < rows; i++) memcpy(to + i * plane, block[i], columns * sizeof *to);
}

/* Where the block of eight after `done` of n begins: the last one overlaps the one before rather than being cut. */
static inline size_t block_at(size_t n, size_t done)
{
    return done + 8 <= n || n < 8 ? done : n - 8;
}

#endif
