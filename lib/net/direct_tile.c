/* direct_tile.c - the inner loop of conv_direct where lanes are not pixels: up to twelve accumulators that stay
 * in registers, and the way between this layout and planes of pixels. */
#include "direct_transpose.h"

#ifdef DIRECT_HERE

/* One array for each vector of filters: compilers keep them in registers, which they do not with an array of arrays. */
INLINE void tile(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets, size_t taps,
                 const float *weights, float *to, size_t pitch)
{
    const float *at[10];
    __m256 a[10], b[10], c[10];
    for (size_t p = 0; p < pixels; p++) at[p] = x + p * step;
    for (size_t p = 0; p < pixels; p++) a[p] = b[p] = c[p] = _mm256_setzero_ps();
    for (size_t i = 0; i < taps; i++, weights += 8 * vectors) {
        size_t offset = offsets[i];
        __m256 first = _mm256_load_ps(weights), second = vectors > 1 ? _mm256_load_ps(weights + 8) : first;
        __m256 third = vectors > 2 ? _mm256_load_ps(weights + 16) : first;
        for (size_t p = 0; p < pixels; p++) {
            __m256 pixel = _mm256_broadcast_ss(at[p] + offset);
            a[p] = _mm256_fmadd_ps(first, pixel, a[p]);
            if (vectors > 1) b[p] = _mm256_fmadd_ps(second, pixel, b[p]);
            if (vectors > 2) c[p] = _mm256_fmadd_ps(third, pixel, c[p]);
        }
    }
    for (size_t p = 0; p < pixels; p++, to += pitch) {
        _mm256_storeu_ps(to, a[p]);
        if (vectors > 1) _mm256_storeu_ps(to + 8, b[p]);
        if (vectors > 2) _mm256_storeu_ps(to + 16, c[p]);
    }
}

#define TILE(v, p) \
    case 16 * (v) + (p): tile(v, p, x, step, offsets, taps, weights, to, pitch); break

AVX2 void direct_row(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets, size_t taps,
                     const float *weights, float *to, size_t pitch)
{
    size_t parts = direct_parts(pixels, vectors == 3 ? 4 : vectors == 2 ? 6 : 10);
    for (size_t i = 0; i < parts; i++) {
        size_t n = direct_part(pixels, parts, i);
        switch (16 * vectors + n) {
            TILE(1, 1);
            TILE(1, 2);
            TILE(1, 3);
            TILE(1, 4);
            TILE(1, 5);
            TILE(1, 6);
            TILE(1, 7);
            TILE(1, 8);
            TILE(1, 9);
            TILE(1, 10);
            TILE(2, 1);
            TILE(2, 2);
            TILE(2, 3);
            TILE(2, 4);
            TILE(2, 5);
            TILE(2, 6);
            TILE(3, 1);
            TILE(3, 2);
            TILE(3, 3);
            TILE(3, 4);
        }
        x += n * step;
        to += n * pitch;
    }
}

AVX2 void direct_transpose_out(const float *from, size_t pitch, size_t lanes, size_t pixels, const float *bias,
                               float *to, size_t plane)
{
    for (size_t lane = 0; lane < lanes; lane += 8) {
        size_t rows = lanes - lane < 8 ? lanes - lane : 8, columns = pixels < 8 ? pixels : 8;
        __m256 start = _mm256_loadu_ps(bias + lane), block[8];
        for (size_t done = 0; done < pixels; done += 8) {
            size_t x = direct_eight(pixels, done);
            for (size_t i = 0; i < 8; i++)
                block[i] = _mm256_add_ps(start, _mm256_loadu_ps(from + (x + i) * pitch + lane));
            direct_transpose(block);
            direct_store(block, rows, columns, to + lane * plane + x, plane);
        }
    }
}

/* The first n lanes, n <= 8. */
INLINE __m256i first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2 void direct_transpose_in(const float *from, size_t plane, size_t lanes, size_t pixels, float *to, size_t pitch)
{
    for (size_t lane = 0; lane < lanes; lane += 8) {
        size_t rows = lanes - lane < 8 ? lanes - lane : 8;
        for (size_t x = 0; x < pixels; x += 8) {
            size_t columns = pixels - x < 8 ? pixels - x : 8;
            __m256i mask = first(columns);
            const float *at = from + lane * plane + x;
            __m256 block[8];
            if (rows == 8 && columns == 8)
                for (size_t i = 0; i < 8; i++) block[i] = _mm256_loadu_ps(at + i * plane);
            else
                for (size_t i = 0; i < 8; i++)
                    block[i] = i < rows ? _mm256_maskload_ps(at + i * plane, mask) : _mm256_setzero_ps();
            direct_transpose(block);
            if (columns == 8)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + (x + i) * pitch + lane, block[i]);
            else
                for (size_t i = 0; i < 8; i++)
                    if (i < columns) _mm256_storeu_ps(to + (x + i) * pitch + lane, block[i]);
        }
    }
}

#else
typedef int direct_tile_is_elsewhere; /* a file is never empty */
#endif
