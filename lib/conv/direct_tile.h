/* direct_tile.h (internal) - the inner loop of hw__conv_direct where lanes are not pixels: up to 12 accumulators that
 * stay in registers, 24 in AVX-512, and the way between this layout and planes of pixels. */
#ifndef HW__CONV_DIRECT_TILE_H
#define HW__CONV_DIRECT_TILE_H

#include "direct_lanes.h"

/* Pixels of a tile, times 1, 2 or 3 vectors. */
#ifdef LANES_AVX512
enum { PIXELS_1 = 16, PIXELS_2 = 12, PIXELS_3 = 8, WIDEST = 16 };
#else
enum { PIXELS_1 = 10, PIXELS_2 = 6, PIXELS_3 = 4, WIDEST = 10 };
#endif

/* How many of the `rest` vectors the next block has: two or three, as `three` prefers and as no single one is left
 * over.
 */
static inline size_t block_of(size_t rest, bool three)
{
    if (rest <= 3) return rest;
    return three && rest != 4 ? 3 : 2;
}

/* Three vectors times few pixels fill the registers better than two times more on rows of, say, eight. */
static inline bool three_of(size_t width)
{
    return 3 * parts_of(width, PIXELS_2) > 2 * parts_of(width, PIXELS_3);
}

/* One array for each vector of filters: compilers keep them in registers, which they do not with an array of arrays. */
INLINE void tile(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets, size_t taps,
                 const float *weights, float *to, size_t pitch)
{
    const float *at[WIDEST];
    vector a[WIDEST], b[WIDEST], c[WIDEST];
    for (size_t p = 0; p < pixels; p++) at[p] = x + p * step;
    for (size_t p = 0; p < pixels; p++) a[p] = b[p] = c[p] = V(setzero_ps)();
    for (size_t i = 0; i < taps; i++, weights += LANES * vectors) {
        size_t offset = offsets[i];
        vector first = V(load_ps)(weights), second = vectors > 1 ? V(load_ps)(weights + LANES) : first;
        vector third = vectors > 2 ? V(load_ps)(weights + 2 * LANES) : first;
        for (size_t p = 0; p < pixels; p++) {
            vector pixel = V(set1_ps)(at[p][offset]);
            a[p] = V(fmadd_ps)(first, pixel, a[p]);
            if (vectors > 1) b[p] = V(fmadd_ps)(second, pixel, b[p]);
            if (vectors > 2) c[p] = V(fmadd_ps)(third, pixel, c[p]);
        }
    }
    for (size_t p = 0; p < pixels; p++, to += pitch) {
        V(storeu_ps)(to, a[p]);
        if (vectors > 1) V(storeu_ps)(to + LANES, b[p]);
        if (vectors > 2) V(storeu_ps)(to + 2 * LANES, c[p]);
    }
}

#define TILE(v, p)                                              \
    case 32 * (v) + (p):                                        \
        tile(v, p, x, step, offsets, taps, weights, to, pitch); \
        break
#define TILES_TO_4(v) \
    TILE(v, 1);       \
    TILE(v, 2);       \
    TILE(v, 3);       \
    TILE(v, 4)
#define TILES_TO_8(v) \
    TILE(v, 5);       \
    TILE(v, 6);       \
    TILE(v, 7);       \
    TILE(v, 8)
#define TILES_TO_12(v) \
    TILE(v, 9);        \
    TILE(v, 10);       \
    TILE(v, 11);       \
    TILE(v, 12)

INLINE void multiply_steps(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets,
                           size_t taps, const float *weights, float *to, size_t pitch)
{
    size_t parts = parts_of(pixels, vectors == 3 ? PIXELS_3 : vectors == 2 ? PIXELS_2 : PIXELS_1);
    for (size_t i = 0; i < parts; i++) {
        size_t n = part_of(pixels, parts, i);
        switch (32 * vectors + n) {
            TILES_TO_4(1);
            TILES_TO_4(2);
            TILES_TO_4(3);
            TILES_TO_8(1);
#ifdef LANES_AVX512
            TILES_TO_12(1);
            TILE(1, 13);
            TILE(1, 14);
            TILE(1, 15);
            TILE(1, 16);
            TILES_TO_8(2);
            TILES_TO_12(2);
            TILES_TO_8(3);
#else
            TILE(1, 9);
            TILE(1, 10);
            TILE(2, 5);
            TILE(2, 6);
#endif
        }
        x += n * step;
        to += n * pitch;
    }
}

/* Sums of a block of `vectors` (1 to 3) for a row of `pixels`, over taps: tap i reads x[offsets[i]], for the next
 * pixels `step`, 2 step ... further, and vectors x LANES weights. to[pixel x pitch + lane] = the sums. A constant step
 * needs one address for a whole tile. */
HOT static void multiply_row(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets,
                             size_t taps, const float *weights, float *to, size_t pitch)
{
    switch (step) {
    case 1: multiply_steps(vectors, pixels, x, 1, offsets, taps, weights, to, pitch); break;
    case 2: multiply_steps(vectors, pixels, x, 2, offsets, taps, weights, to, pitch); break;
    case 4: multiply_steps(vectors, pixels, x, 4, offsets, taps, weights, to, pitch); break;
    default: multiply_steps(vectors, pixels, x, step, offsets, taps, weights, to, pitch);
    }
}

/* to[i][x] = from[x][i] + bias[i] for `lanes` x `pixels`; from: rows of `pitch` floats, readable as whole vectors to
 * 7 rows beyond; to: rows `plane` apart. bias: lanes rounded up to 8. */
HOT static void transpose_out(const float *from, size_t pitch, size_t lanes, size_t pixels, const float *bias,
                              float *to, size_t plane)
{
    for (size_t lane = 0; lane < lanes; lane += 8) {
        size_t rows = lanes - lane < 8 ? lanes - lane : 8, columns = pixels < 8 ? pixels : 8;
        __m256 start = _mm256_loadu_ps(bias + lane), block[8];
        for (size_t done = 0; done < pixels; done += 8) {
            size_t x = block_at(pixels, done);
            for (size_t i = 0; i < 8; i++)
                block[i] = _mm256_add_ps(start, _mm256_loadu_ps(from + (x + i) * pitch + lane));
            transpose8(block);
            store_block(block, rows, columns, to + lane * plane + x, plane);
        }
    }
}

/* The first n lanes, n <= 8. */
/* The other way: to[x][i] = from[i][x], lanes rounded up to whole vectors with zeros, pitch floats a row. */
HOT static void transpose_in(const float *from, size_t plane, size_t lanes, size_t pixels, float *to, size_t pitch)
{
    for (size_t lane = 0; lane < lanes || lane % LANES; lane += 8) {
        size_t rows = lane >= lanes ? 0 : lanes - lane < 8 ? lanes - lane : 8;
        for (size_t x = 0; x < pixels; x += 8) {
            size_t columns = pixels - x < 8 ? pixels - x : 8;
            __m256i mask = first_lanes(columns);
            const float *at = from + lane * plane + x;
            __m256 block[8];
            if (rows == 8 && columns == 8)
                for (size_t i = 0; i < 8; i++) block[i] = _mm256_loadu_ps(at + i * plane);
            else
                for (size_t i = 0; i < 8; i++)
                    block[i] = i < rows ? _mm256_maskload_ps(at + i * plane, mask) : _mm256_setzero_ps();
            transpose8(block);
            if (columns == 8)
                for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(to + (x + i) * pitch + lane, block[i]);
            else
                for (size_t i = 0; i < 8; i++)
                    if (i < columns) _mm256_storeu_ps(to + (x + i) * pitch + lane, block[i]);
        }
    }
}

#endif
