/* lanes.h (internal) - vectors of eight floats (AVX2) or, where LANES_AVX512 is defined, of sixteen, for kernels whose
 * one source is compiled for both; and the 8 x 8 transposition that both widths use. */
#ifndef HW__CONV_LANES_H
#define HW__CONV_LANES_H

#include <immintrin.h>
#include <stddef.h>

#ifdef LANES_AVX512
#define TARGET  "avx512f,avx2,fma"
#define LANES   16
#define V(name) _mm512_##name
typedef __m512 vector;
#else
#define TARGET  "avx2,fma"
#define LANES   8
#define V(name) _mm256_##name
typedef __m256 vector;
#endif

#define HOT    __attribute__((target(TARGET)))
#define INLINE __attribute__((target(TARGET), always_inline)) static inline

/* Columns become rows. */
INLINE void transpose8(__m256 x[8])
{
    __m256 y[8];
    for (int i = 0; i < 4; i++) {
        y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    __m256 z[8];
    for (int i = 0; i < 2; i++) {
        z[4 * i] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0x44);
        z[4 * i + 1] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0xee);
        z[4 * i + 2] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0x44);
        z[4 * i + 3] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x20);
        x[i + 4] = _mm256_permute2f128_ps(z[i], z[i + 4], 0x31);
    }
}

INLINE __m256i first_lanes(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n < 8 ? n : 8)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

#endif
