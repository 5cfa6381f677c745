/* direct.h (internal) - the parts of conv_direct (direct.c), all of them AVX2 and without an im2col.
 *
 * Two layouts of registers take turns. Lanes = filters: vectors of eight filters times broadcast pixels, any stride and
 * any width. Lanes = pixels: vectors of eight outputs of a row times broadcast weights, stride 1, which wastes nothing
 * when there are few filters. Taps are counted in the order [ky][c][kx] everywhere, so that the kernel's rows inside
 * the image are one run of taps, and no row of the zero border is multiplied. */
#ifndef HOGWILD_LIB_NET_DIRECT_H
#define HOGWILD_LIB_NET_DIRECT_H

#include "kernel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define DIRECT_HERE 1
#include <immintrin.h>
#define AVX2   __attribute__((target("avx2,fma")))
#define INLINE __attribute__((target("avx2,fma"), always_inline)) static inline
#endif

enum {
    DIRECT_FILTERS = 6, /* lanes = pixels: filters of a tile at most, times two vectors */
    DIRECT_IMAGES = 8   /* images of a call: more would change nothing, the scratch is of one image */
};

/* Which layout serves a shape. */
bool direct_forward_by_pixels(const conv_shape *s);
bool direct_weights_by_pixels(const conv_shape *s);

static inline size_t direct_taps(const conv_shape *s)
{
    return s->c * s->k * s->k;
}

static inline size_t direct_vectors(size_t lanes)
{
    return (lanes + 7) / 8;
}

/* How many of the `rest` vectors the next block has: two (times six pixels) or three (times four), as `three` prefers
 * and as no single one is left over. */
static inline size_t direct_block(size_t rest, bool three)
{
    if (rest <= 3) return rest;
    return three && rest != 4 ? 3 : 2;
}

/* Three vectors times four pixels fill the registers better than two times six on rows of, say, eight. */
static inline bool direct_three(size_t width)
{
    return 3 * ((width + 5) / 6) > 2 * ((width + 3) / 4);
}

/* Part i of n things cut into the fewest parts of at most `most`, their sizes at most one apart. */
static inline size_t direct_parts(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

static inline size_t direct_part(size_t n, size_t parts, size_t i)
{
    return n / parts + (i < n % parts);
}

/* An image as the kernels read it: with zero columns at both sides if the shape has a border, but no zero rows. */
typedef struct direct_image {
    const float *at;
    size_t row, plane;
} direct_image;

/* The kernel's rows [from, to) that are inside the image for output row y. */
typedef struct direct_range {
    size_t from, to;
} direct_range;
direct_range direct_kernel_rows(const conv_shape *s, size_t y);
/* The output rows that kernel row ky reads the image in. */
direct_range direct_output_rows(const conv_shape *s, size_t ky);

size_t direct_image_floats(const conv_shape *s);
direct_image direct_view(const conv_shape *s, const float *in, float *work);

/* --- lanes = filters (direct_tile.c, direct_forward.c, direct_weights.c) -------------------------------------------
 */

/* Sums of a block of `vectors` (1 to 3) for a row of `pixels`, over taps: tap i reads x[offsets[i]], for the next
 * pixels `step`, 2 step ... further, and vectors x 8 weights. to[pixel x pitch + lane] = the sums. */
void direct_row(size_t vectors, size_t pixels, const float *x, size_t step, const uint32_t *offsets, size_t taps,
                const float *weights, float *to, size_t pitch);
/* to[i][x] = from[x][i] + bias[i] for `lanes` x `pixels`; from: rows of `pitch` floats, readable as whole vectors to
 * 7 rows beyond; to: rows `plane` apart. bias: lanes rounded up to 8. */
void direct_transpose_out(const float *from, size_t pitch, size_t lanes, size_t pixels, const float *bias, float *to,
                          size_t plane);
/* The other way: to[x][i] = from[i][x], lanes rounded up to whole vectors with zeros, pitch floats a row. */
void direct_transpose_in(const float *from, size_t plane, size_t lanes, size_t pixels, float *to, size_t pitch);

size_t direct_filters_work(const conv_shape *s);
void direct_filters_pack(const conv_shape *s, const float *weights, float *packed);
void direct_filters_forward(const conv_shape *s, const direct_image *image, const uint32_t *offsets,
                            const float *packed, const float *bias, float *out, float *work);
size_t direct_weights_work(const conv_shape *s);
void direct_filters_weights(const conv_shape *s, const direct_image *image, const float *dout, float *sum, float *work);
void direct_filters_finish(const conv_shape *s, const float *sum, float *g);

/* --- lanes = pixels (direct_pixels.c) ------------------------------------------------------------------------------
 */

void direct_pixels_pack(const conv_shape *s, const float *weights, float *packed);
void direct_pixels_forward(const conv_shape *s, const direct_image *image, const uint32_t *offsets, const float *packed,
                           const float *bias, float *out);
/* sum: [tap][filter][8 lanes] */
void direct_pixels_weights(const conv_shape *s, const direct_image *image, const float *dout, float *sum);
void direct_pixels_finish(const conv_shape *s, const float *sum, float *g);

/* --- gradient of the input (direct_input.c) ------------------------------------------------------------------------
 */

size_t direct_input_packed(const conv_shape *s);
size_t direct_input_work(const conv_shape *s);
void direct_input_pack(const conv_shape *s, const float *weights, float *packed);
void direct_input(const conv_shape *s, const float *dout, const float *packed, float *din, float *work);

#endif
