/* direct_transpose.h (internal) - 8 x 8 transposes in registers, for the parts of conv_direct. */
#ifndef HOGWILD_LIB_NET_DIRECT_TRANSPOSE_H
#define HOGWILD_LIB_NET_DIRECT_TRANSPOSE_H

#include "direct.h"
#include <string.h>

#ifdef DIRECT_HERE

INLINE void direct_transpose(__m256 x[8])
{
    __m256 y[8];
    for (int i = 0; i < 4; i++) {
        y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        x[4 * i] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0x44);
        x[4 * i + 1] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0xee);
        x[4 * i + 2] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0x44);
        x[4 * i + 3] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
        y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) x[i] = y[i];
}

/* The first `columns` floats of the first `rows` vectors, to rows `plane` apart. */
INLINE void direct_store(const __m256 x[8], size_t rows, size_t columns, float *to, size_t plane)
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
static inline size_t direct_eight(size_t n, size_t done)
{
    return done + 8 <= n || n < 8 ? done : n - 8;
}

#endif
#endif
