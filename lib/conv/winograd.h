/* winograd.h (internal) - what the files of the Winograd convolution share: the vocabulary of its data and the steps
 * that are compiled once for AVX2 and once for AVX-512.
 *
 * An output of 4 x 4 pixels is computed from a tile of side x side input pixels, side = k + 3. In the transformed
 * domain, a tile is as many numbers a channel, its points, and the convolution is a matrix product a point. The
 * channels of an image (or the filters) stand sixteen to a panel, and a vector holds channels of one pixel or of one
 * point:
 *
 *     pixels      [pixel][16]                 one panel of some rows of an image
 *     tiles       [point][panel][tile][16]    a transformed chunk of inputs, of outputs or of their gradients
 *     weights     [point][panel of f][c][16]  transformed, for forward; so is the sum of their gradients
 *     transposed  [point][panel of c][f][16]  transformed, for the gradient of the input
 *
 * The stride between points is odd in cache lines: as many stores a power of two apart would share one set of the
 * cache. */
#ifndef HW__CONV_WINOGRAD_H
#define HW__CONV_WINOGRAD_H

#include "kernel.h"

#define WINOGRAD_PANEL 16
#define WINOGRAD_OUT   4 /* side of a tile's outputs */
#define WINOGRAD_SIDE  8 /* of a tile, at most: 6 for 3 x 3 kernels, 8 for 5 x 5 */

/* One strip is a row of tiles of an image. Of a panel, `channels` (1 to 16) are used; the lanes beyond, up to a whole
 * vector, are zeros or come to nothing. `rows` is scratch: side x width x PANEL floats. */
typedef struct winograd_strip {
    size_t side, tiles, width; /* tiles in the strip; pixels from one row of the patch to the next */
    size_t channels;           /* that are used of this panel */
    size_t stride;             /* floats from one point of `points` to the next */
    float *points, *patch, *rows;
} winograd_strip;

/* a [k / 16][row][k % 16], panels a_panel apart; b [column / 16][k][column % 16], panels b_panel apart; the result
 * [column / 16][row][column % 16], panels out_panel apart. In accumulate a is [row / 16][k][row % 16]. */
typedef struct winograd_product {
    size_t rows, columns, k, a_panel, b_panel, out_panel;
} winograd_product;

typedef struct winograd_steps {
    /* n pixels of `channels` planes, `plane` floats apart, to [n][16] and back; `add`: to what is there. */
    void (*gather)(const float *planes, size_t plane, size_t channels, size_t n, float *pixels);
    void (*scatter)(const float *pixels, size_t channels, size_t n, float *planes, size_t plane, bool add);
    void (*input)(const winograd_strip *s);                     /* points = B^T patch B; side rows of the patch */
    void (*output)(const winograd_strip *s, const float *bias); /* patch = A^T points A + bias; 4 rows */
    void (*output_gradient)(const winograd_strip *s);           /* points = A patch A^T */
    /* patch = B points B^T, tiles overlap; `first`: no strip above has written the side - 4 rows shared with it. */
    void (*input_gradient)(const winograd_strip *s, bool first);
    void (*multiply)(const winograd_product *p, const float *a, const float *b, float *out);   /* out = a b */
    void (*accumulate)(const winograd_product *p, const float *a, const float *b, float *out); /* out += a^T b */
    /* n kernels of k x k pixels of 16 filters each to points [n][16] and back: G w G^T, G^T u G. */
    void (*weights)(size_t k, size_t n, const float *pixels, float *points, size_t stride);
    void (*weights_gradient)(size_t k, size_t n, const float *points, size_t stride, float *pixels);
} winograd_steps;

/* NULL where the processor (or the compiler's target) has not got it. */
const winograd_steps *hw__winograd_avx2(void), *hw__winograd_avx512(void);

#endif
