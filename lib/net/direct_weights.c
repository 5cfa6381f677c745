/* direct_weights.c - the weights' gradient of conv_direct with filters in the lanes: the gradient of the output is
 * transposed once, pixel by pixel, and each tile sums a few taps of one kernel row over the rows inside the image. */
#include "direct.h"

#ifdef DIRECT_HERE

/* Pixels that are summed at a time: their gradients stay in the first cache, and sums of sums are more exact than one
 * long sum. */
enum { CHUNK = 256 };

size_t direct_weights_work(const conv_shape *s)
{
    return s->oh * s->ow * direct_vectors(s->f) * 8;
}

/* Rows of outputs, `d` their gradients; x: what the first tap reads for the first of them. */
typedef struct span {
    const float *x, *d;
    size_t rows, columns, row, step; /* row: of the image times the stride */
} span;

INLINE void add_to(float *sum, __m256 x)
{
    _mm256_storeu_ps(sum, _mm256_add_ps(_mm256_loadu_ps(sum), x));
}

INLINE void tile(size_t vectors, size_t taps, const span *s, const size_t *offset, float *sum)
{
    const float *at[6], *d = s->d;
    __m256 a[6], b[6], c[6];
    for (size_t t = 0; t < taps; t++) at[t] = s->x + offset[t];
    for (size_t t = 0; t < taps; t++) a[t] = b[t] = c[t] = _mm256_setzero_ps();
    for (size_t y = 0; y < s->rows; y++) {
        size_t i = y * s->row;
        for (const float *end = d + s->columns * 8 * vectors; d < end; d += 8 * vectors, i += s->step) {
            __m256 first = _mm256_loadu_ps(d), second = vectors > 1 ? _mm256_loadu_ps(d + 8) : first;
            __m256 third = vectors > 2 ? _mm256_loadu_ps(d + 16) : first;
            for (size_t t = 0; t < taps; t++) {
                __m256 pixel = _mm256_broadcast_ss(at[t] + i);
                a[t] = _mm256_fmadd_ps(first, pixel, a[t]);
                if (vectors > 1) b[t] = _mm256_fmadd_ps(second, pixel, b[t]);
                if (vectors > 2) c[t] = _mm256_fmadd_ps(third, pixel, c[t]);
            }
        }
    }
    for (size_t t = 0; t < taps; t++, sum += 8 * vectors) {
        add_to(sum, a[t]);
        if (vectors > 1) add_to(sum + 8, b[t]);
        if (vectors > 2) add_to(sum + 16, c[t]);
    }
}

#define TILE(v, t) \
    case 8 * (v) + (t): tile(v, t, s, offset, sum); break

/* The taps of one kernel row over a span of rows. */
AVX2 static void kernel_row(const conv_shape *shape, size_t plane, const span *s, size_t vectors, float *sum)
{
    size_t all = shape->c * shape->k, parts = direct_parts(all, vectors == 3 ? 4 : 6);
    for (size_t i = 0, tap = 0, n; i < parts; i++, tap += n, sum += n * 8 * vectors) {
        size_t offset[6];
        n = direct_part(all, parts, i);
        for (size_t t = 0; t < n; t++) offset[t] = (tap + t) / shape->k * plane + (tap + t) % shape->k;
        switch (8 * vectors + n) {
            TILE(1, 1);
            TILE(1, 2);
            TILE(1, 3);
            TILE(1, 4);
            TILE(1, 5);
            TILE(1, 6);
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
    }
}

/* All taps over the rows from .. to - 1 of outputs, as far as they are inside the image. */
static void rows_of(const conv_shape *s, const direct_image *image, size_t from, size_t to, const float *d,
                    size_t vectors, float *sum)
{
    for (size_t ky = 0; ky < s->k; ky++) {
        direct_range rows = direct_output_rows(s, ky);
        size_t first = rows.from > from ? rows.from : from, end = rows.to < to ? rows.to : to;
        if (first >= end) continue;
        span a = {image->at + (first * s->stride + ky - s->pad) * image->row,
                  d + first * s->ow * 8 * vectors,
                  end - first,
                  s->ow,
                  s->stride * image->row,
                  s->stride};
        kernel_row(s, image->plane, &a, vectors, sum + ky * s->c * s->k * 8 * vectors);
    }
}

void direct_filters_weights(const conv_shape *s, const direct_image *image, const float *dout, float *sum, float *work)
{
    size_t plane = s->oh * s->ow, all = direct_vectors(s->f), chunk = s->ow < CHUNK ? CHUNK / s->ow : 1;
    for (size_t v = 0, n; v < all; v += n, work += 8 * n * plane, sum += 8 * n * direct_taps(s)) {
        n = direct_block(all - v, false);
        size_t lanes = s->f - 8 * v < 8 * n ? s->f - 8 * v : 8 * n;
        direct_transpose_in(dout + 8 * v * plane, plane, lanes, plane, work, 8 * n);
        for (size_t y = 0; y < s->oh; y += chunk) rows_of(s, image, y, y + chunk, work, n, sum);
    }
}

void direct_filters_finish(const conv_shape *s, const float *sum, float *g)
{
    size_t taps = direct_taps(s), all = direct_vectors(s->f);
    for (size_t v = 0, n; v < all; v += n) {
        n = direct_block(all - v, false);
        size_t lanes = s->f - 8 * v < 8 * n ? s->f - 8 * v : 8 * n;
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t c = 0; c < s->c; c++)
                for (size_t kx = 0; kx < s->k; kx++, sum += 8 * n)
                    for (size_t i = 0; i < lanes; i++) g[(8 * v + i) * taps + (c * s->k + ky) * s->k + kx] = sum[i];
    }
}

#else
typedef int direct_weights_is_elsewhere; /* a file is never empty */
#endif
