/* direct_filters_weights.h (internal) - the weights' gradient of hw__conv_direct with filters in the lanes: a few rows
 * of the output's gradient at a time are transposed, pixel by pixel, and each tile sums a few taps of one kernel row
 * over those of them that are inside the image. */
#ifndef HW__CONV_DIRECT_FILTERS_WEIGHTS_H
#define HW__CONV_DIRECT_FILTERS_WEIGHTS_H

#include "direct_tile.h"

/* Pixels that are summed at a time: their gradients stay in the first cache, and sums of sums are more exact than one
 * long sum. */
enum { CHUNK = 128 };

static size_t chunk_rows(const hw__conv_shape *s)
{
    size_t rows = s->ow < CHUNK ? CHUNK / s->ow : 1;
    return rows < s->oh ? rows : s->oh;
}

/* Taps of a tile, times 1, 2 or 3 vectors. Each has an address in a register. */
#ifdef LANES_AVX512
enum { TAPS_1 = 10, TAPS_2 = 8, TAPS_3 = 8, MOST_TAPS = 10 };
#else
enum { TAPS_1 = 6, TAPS_2 = 6, TAPS_3 = 4, MOST_TAPS = 6 };
#endif

static size_t filters_weights_work(const hw__conv_shape *s)
{
    return chunk_rows(s) * s->ow * 3 * LANES;
}

/* Rows of outputs, `d` their gradients; x: what the first tap reads for the first of them. */
typedef struct filters_span {
    const float *x, *d;
    size_t rows, columns, row, step; /* row: of the image times the stride */
} filters_span;

INLINE void sum_pixels(size_t vectors, size_t taps, const filters_span *s, const size_t *offset, float *sum)
{
    const float *at[MOST_TAPS], *d = s->d;
    vector a[MOST_TAPS], b[MOST_TAPS], c[MOST_TAPS];
    for (size_t t = 0; t < taps; t++) at[t] = s->x + offset[t];
    for (size_t t = 0; t < taps; t++) a[t] = b[t] = c[t] = V(setzero_ps)();
    for (size_t y = 0; y < s->rows; y++) {
        size_t i = y * s->row;
        for (const float *end = d + s->columns * LANES * vectors; d < end; d += LANES * vectors, i += s->step) {
            vector first = V(loadu_ps)(d), second = vectors > 1 ? V(loadu_ps)(d + LANES) : first;
            vector third = vectors > 2 ? V(loadu_ps)(d + 2 * LANES) : first;
            for (size_t t = 0; t < taps; t++) {
                vector pixel = V(set1_ps)(at[t][i]);
                a[t] = V(fmadd_ps)(first, pixel, a[t]);
                if (vectors > 1) b[t] = V(fmadd_ps)(second, pixel, b[t]);
                if (vectors > 2) c[t] = V(fmadd_ps)(third, pixel, c[t]);
            }
        }
    }
    for (size_t t = 0; t < taps; t++, sum += LANES * vectors) {
        add_to(sum, a[t]);
        if (vectors > 1) add_to(sum + LANES, b[t]);
        if (vectors > 2) add_to(sum + 2 * LANES, c[t]);
    }
}

#define SUM_PIXELS(v, t) \
    case 32 * (v) + (t): sum_pixels(v, t, s, offset, sum); break

/* The taps of one kernel row over a span of rows. */
HOT static void kernel_row(const hw__conv_shape *shape, size_t plane, const filters_span *s, size_t vectors, float *sum)
{
    size_t all = shape->c * shape->k, parts = parts_of(all, vectors == 3 ? TAPS_3 : vectors == 2 ? TAPS_2 : TAPS_1);
    for (size_t i = 0, tap = 0, n; i < parts; i++, tap += n, sum += n * LANES * vectors) {
        size_t offset[MOST_TAPS];
        n = part_of(all, parts, i);
        for (size_t t = 0; t < n; t++) offset[t] = (tap + t) / shape->k * plane + (tap + t) % shape->k;
        switch (32 * vectors + n) {
            SUM_PIXELS(1, 1);
            SUM_PIXELS(1, 2);
            SUM_PIXELS(1, 3);
            SUM_PIXELS(1, 4);
            SUM_PIXELS(1, 5);
            SUM_PIXELS(1, 6);
            SUM_PIXELS(2, 1);
            SUM_PIXELS(2, 2);
            SUM_PIXELS(2, 3);
            SUM_PIXELS(2, 4);
            SUM_PIXELS(2, 5);
            SUM_PIXELS(2, 6);
            SUM_PIXELS(3, 1);
            SUM_PIXELS(3, 2);
            SUM_PIXELS(3, 3);
            SUM_PIXELS(3, 4);
#ifdef LANES_AVX512
            SUM_PIXELS(1, 7);
            SUM_PIXELS(1, 8);
            SUM_PIXELS(1, 9);
            SUM_PIXELS(1, 10);
            SUM_PIXELS(2, 7);
            SUM_PIXELS(2, 8);
            SUM_PIXELS(3, 5);
            SUM_PIXELS(3, 6);
            SUM_PIXELS(3, 7);
            SUM_PIXELS(3, 8);
#endif
        }
    }
}

/* All taps over the rows from .. to - 1 of outputs, the first of them at d, as far as they are inside the image. */
static void filters_rows(const hw__conv_shape *s, const direct_image *image, size_t from, size_t to, const float *d,
                         size_t vectors, float *sum)
{
    for (size_t ky = 0; ky < s->k; ky++) {
        direct_range rows = direct_output_rows(s, ky);
        size_t first = rows.from > from ? rows.from : from, end = rows.to < to ? rows.to : to;
        if (first >= end) continue;
        filters_span a = {image->at + (first * s->stride + ky - s->pad) * image->row,
                          d + (first - from) * s->ow * LANES * vectors,
                          end - first,
                          s->ow,
                          s->stride * image->row,
                          s->stride};
        kernel_row(s, image->plane, &a, vectors, sum + ky * s->c * s->k * LANES * vectors);
    }
}

static void filters_weights(const hw__conv_shape *s, const direct_image *image, const float *dout, float *sum,
                            float *work)
{
    size_t plane = s->oh * s->ow, all = vectors_of(s->f), chunk = chunk_rows(s);
    for (size_t v = 0, n; v < all; v += n, dout += LANES * n * plane, sum += LANES * n * taps_of(s)) {
        n = block_of(all - v, false);
        size_t lanes = s->f - LANES * v < LANES * n ? s->f - LANES * v : LANES * n;
        for (size_t y = 0; y < s->oh; y += chunk) {
            size_t end = s->oh - y < chunk ? s->oh : y + chunk;
            transpose_in(dout + y * s->ow, plane, lanes, (end - y) * s->ow, work, LANES * n);
            filters_rows(s, image, y, end, work, n, sum);
        }
    }
}

static size_t filters_sum(const hw__conv_shape *s)
{
    return taps_of(s) * LANES * vectors_of(s->f);
}

static void filters_finish(const hw__conv_shape *s, const float *sum, float *g)
{
    size_t taps = taps_of(s), all = vectors_of(s->f);
    for (size_t v = 0, n; v < all; v += n) {
        n = block_of(all - v, false);
        size_t lanes = s->f - LANES * v < LANES * n ? s->f - LANES * v : LANES * n;
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t c = 0; c < s->c; c++)
                for (size_t kx = 0; kx < s->k; kx++, sum += LANES * n)
                    for (size_t i = 0; i < lanes; i++) g[(LANES * v + i) * taps + (c * s->k + ky) * s->k + kx] = sum[i];
    }
}

#endif
