/* direct_forward.c - conv_direct forward with filters in the lanes: blocks of two or three vectors of filters, and a
 * few rows of outputs that lie pixel by pixel in scratch until they are transposed to their planes. */
#include "direct.h"
#include <string.h>

#ifdef DIRECT_HERE

/* The fewest rows whose pixels are whole vectors: their transposes leave no rest. */
static size_t band_rows(const conv_shape *s)
{
    return s->ow % 8 == 0 ? 1 : s->ow % 4 == 0 ? 2 : s->ow % 2 == 0 ? 4 : 8;
}

size_t direct_filters_work(const conv_shape *s)
{
    return (band_rows(s) * s->ow + 8) * 24;
}

/* [block of filters][tap][lanes of the block] */
void direct_filters_pack(const conv_shape *s, const float *weights, float *packed)
{
    size_t taps = direct_taps(s), all = direct_vectors(s->f);
    for (size_t v = 0, n; v < all; v += n) {
        n = direct_block(all - v, direct_three(s->ow));
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t c = 0; c < s->c; c++)
                for (size_t kx = 0; kx < s->k; kx++)
                    for (size_t f = 8 * v; f < 8 * (v + n); f++)
                        *packed++ = f < s->f ? weights[f * taps + (c * s->k + ky) * s->k + kx] : 0;
    }
}

static void row(const conv_shape *s, const direct_image *image, const uint32_t *offsets, const float *packed, size_t n,
                size_t y, float *to)
{
    direct_range rows = direct_kernel_rows(s, y);
    size_t run = s->c * s->k, taps = (rows.to - rows.from) * run;
    const float *x = taps ? image->at + (y * s->stride + rows.from - s->pad) * image->row : image->at;
    direct_row(n, s->ow, x, s->stride, offsets, taps, packed + rows.from * run * 8 * n, to, 8 * n);
}

void direct_filters_forward(const conv_shape *s, const direct_image *image, const uint32_t *offsets,
                            const float *packed, const float *bias, float *out, float *work)
{
    size_t taps = direct_taps(s), all = direct_vectors(s->f), plane = s->oh * s->ow, band = band_rows(s);
    for (size_t v = 0, n; v < all; v += n) {
        n = direct_block(all - v, direct_three(s->ow));
        size_t lanes = s->f - 8 * v < 8 * n ? s->f - 8 * v : 8 * n;
        float start[24] = {0};
        if (bias) memcpy(start, bias + 8 * v, lanes * sizeof *start);
        for (size_t y = 0; y < s->oh; y += band) {
            size_t rows = s->oh - y < band ? s->oh - y : band;
            for (size_t r = 0; r < rows; r++) row(s, image, offsets, packed, n, y + r, work + r * s->ow * 8 * n);
            direct_transpose_out(work, 8 * n, lanes, rows * s->ow, start, out + 8 * v * plane + y * s->ow, plane);
        }
        packed += taps * 8 * n;
    }
}

#else
typedef int direct_forward_is_elsewhere; /* a file is never empty */
#endif
