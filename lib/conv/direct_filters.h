/* direct_filters.h (internal) - hw__conv_direct forward with filters in the lanes: blocks of two or three vectors of
 * filters, and a few rows of outputs that lie pixel by pixel in scratch until they are transposed to their planes. */
#ifndef HW__CONV_DIRECT_FILTERS_H
#define HW__CONV_DIRECT_FILTERS_H

#include "direct_tile.h"

/* The fewest rows whose pixels are whole vectors: their transposes leave no rest. */
static size_t band_rows(const hw__conv_shape *s)
{
    return s->ow % 8 == 0 ? 1 : s->ow % 4 == 0 ? 2 : s->ow % 2 == 0 ? 4 : 8;
}

static size_t filters_work(const hw__conv_shape *s)
{
    return (band_rows(s) * s->ow + 8) * 3 * LANES;
}

static size_t filters_packed(const hw__conv_shape *s)
{
    return taps_of(s) * LANES * vectors_of(s->f);
}

/* [block of filters][tap][lanes of the block] */
static void filters_pack(const hw__conv_shape *s, const float *weights, float *packed)
{
    size_t taps = taps_of(s), all = vectors_of(s->f);
    for (size_t v = 0, n; v < all; v += n) {
        n = block_of(all - v, three_of(s->ow));
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t c = 0; c < s->c; c++)
                for (size_t kx = 0; kx < s->k; kx++)
                    for (size_t f = LANES * v; f < LANES * (v + n); f++)
                        *packed++ = f < s->f ? weights[f * taps + (c * s->k + ky) * s->k + kx] : 0;
    }
}

static void filters_row(const hw__conv_shape *s, const direct_image *image, const uint32_t *offsets,
                        const float *packed, size_t n, size_t y, float *to)
{
    direct_range rows = direct_kernel_rows(s, y);
    size_t run = s->c * s->k, taps = (rows.to - rows.from) * run;
    const float *x = taps ? image->at + (y * s->stride + rows.from - s->pad) * image->row : image->at;
    multiply_row(n, s->ow, x, s->stride, offsets, taps, packed + rows.from * run * LANES * n, to, LANES * n);
}

static void filters_forward(const hw__conv_shape *s, const direct_image *image, const uint32_t *offsets,
                            const float *packed, const float *bias, float *out, float *work)
{
    size_t taps = taps_of(s), all = vectors_of(s->f), plane = s->oh * s->ow, band = band_rows(s);
    for (size_t v = 0, n; v < all; v += n) {
        n = block_of(all - v, three_of(s->ow));
        size_t lanes = s->f - LANES * v < LANES * n ? s->f - LANES * v : LANES * n;
        float start[3 * LANES] = {0};
        if (bias) memcpy(start, bias + LANES * v, lanes * sizeof *start);
        for (size_t y = 0; y < s->oh; y += band) {
            size_t rows = s->oh - y < band ? s->oh - y : band;
            for (size_t r = 0; r < rows; r++)
                filters_row(s, image, offsets, packed, n, y + r, work + r * s->ow * LANES * n);
            transpose_out(work, LANES * n, lanes, rows * s->ow, start, out + LANES * v * plane + y * s->ow, plane);
        }
        packed += taps * LANES * n;
    }
}

#endif
