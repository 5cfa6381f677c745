/* direct.c - conv_direct: a convolution without im2col for first layers, strides, small nets and odd sizes. Here are
 * the choice of the layout for a shape, the memory, and the loop over images; direct.h names the parts. */
#include "direct.h"
#include <string.h>

#ifdef DIRECT_HERE

/* --- the choice ----------------------------------------------------------------------------------------------------
 */

/* What a layout multiplies over what is needed. Pixels: rows are rounded up to half vectors, and where an odd number of
 * vectors makes a row, every row of the border has a vector done twice. */
static double waste_of_pixels(const conv_shape *s)
{
    size_t rest = s->ow % 8, row = s->ow - rest + (rest > 4 ? 8 : rest ? 4 : 0);
    double lost = s->pad && row % 16 ? 10 * (double)s->pad : 0;
    return ((double)(row * s->oh) + lost) / (double)(s->oh * s->ow);
}

/* Filters: lanes are rounded up to vectors, and each output has its share of a transpose, some five taps' time. */
static double waste_of_filters(const conv_shape *s)
{
    return (double)(8 * direct_vectors(s->f)) / (double)s->f * (1 + 5 / (double)direct_taps(s));
}

#ifndef DIRECT_CHOICE
bool direct_forward_by_pixels(const conv_shape *s)
{
    return s->stride == 1 && s->ow >= 8 && waste_of_pixels(s) < waste_of_filters(s);
}

/* Short rows cost more here, and so does what is not aligned. */
bool direct_weights_by_pixels(const conv_shape *s)
{
    return s->stride == 1 && s->ow >= 16 && 1.06 * waste_of_pixels(s) < waste_of_filters(s);
}
#endif

/* --- the image ------------------------------------------------------------------------------------------------------
 */

direct_range direct_kernel_rows(const conv_shape *s, size_t y)
{
    size_t top = y * s->stride, bottom = s->h + s->pad; /* both counted from the border's first row */
    direct_range r = {top < s->pad ? s->pad - top : 0, bottom > top ? bottom - top : 0};
    if (r.to > s->k) r.to = s->k;
    if (r.from > r.to) r.from = r.to;
    return r;
}

direct_range direct_output_rows(const conv_shape *s, size_t ky)
{
    size_t bottom = s->h + s->pad;
    direct_range r = {s->pad > ky ? (s->pad - ky + s->stride - 1) / s->stride : 0,
                      bottom > ky ? (bottom - ky + s->stride - 1) / s->stride : 0};
    if (r.to > s->oh) r.to = s->oh;
    if (r.from > r.to) r.from = r.to;
    return r;
}

size_t direct_image_floats(const conv_shape *s)
{
    return s->pad ? s->c * s->h * (s->w + 2 * s->pad) : 0;
}

direct_image direct_view(const conv_shape *s, const float *in, float *work)
{
    if (!s->pad) return (direct_image){in, s->w, s->h * s->w};
    size_t row = s->w + 2 * s->pad;
    float *to = work;
    for (size_t i = 0; i < s->c * s->h; i++, to += row, in += s->w) {
        for (size_t x = 0; x < s->pad; x++) to[x] = to[s->pad + s->w + x] = 0;
        memcpy(to + s->pad, in, s->w * sizeof *to);
    }
    return (direct_image){work, row, s->h * row};
}

/* --- memory ---------------------------------------------------------------------------------------------------------
 */

/* Every part begins on a line. */
static size_t lines(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t offsets_at(const conv_shape *s)
{
    return lines(direct_taps(s) * (direct_forward_by_pixels(s) ? s->f : 8 * direct_vectors(s->f)));
}

static size_t backward_at(const conv_shape *s)
{
    return offsets_at(s) + lines(direct_taps(s));
}

static size_t packed(const conv_shape *s)
{
    return backward_at(s) + lines(direct_input_packed(s));
}

static size_t sum(const conv_shape *s)
{
    return direct_taps(s) * 8 * (direct_weights_by_pixels(s) ? s->f : direct_vectors(s->f));
}

static size_t work(const conv_shape *s)
{
    size_t weights = direct_weights_by_pixels(s) ? 0 : direct_weights_work(s);
    size_t forward = direct_forward_by_pixels(s) ? 0 : direct_filters_work(s);
    return max(lines(direct_image_floats(s)) + max(forward, weights), direct_input_work(s));
}

static size_t block(const conv_shape *s)
{
    (void)s;
    return DIRECT_IMAGES;
}

/* --- the products ---------------------------------------------------------------------------------------------------
 */

static void pack(const conv_shape *s, const float *weights, float *to, bool backward)
{
    uint32_t *offsets = (uint32_t *)(void *)(to + offsets_at(s));
    size_t row = s->w + 2 * s->pad, plane = s->h * row;
    if (direct_forward_by_pixels(s))
        direct_pixels_pack(s, weights, to);
    else
        direct_filters_pack(s, weights, to);
    for (size_t ky = 0; ky < s->k; ky++)
        for (size_t c = 0; c < s->c; c++)
            for (size_t kx = 0; kx < s->k; kx++) *offsets++ = (uint32_t)(c * plane + ky * row + kx);
    if (backward) direct_input_pack(s, weights, to + backward_at(s));
}

static void forward(const conv_shape *s, size_t n, const float *in, const float *from, const float *bias, float *out,
                    float *scratch)
{
    const uint32_t *offsets = (const uint32_t *)(const void *)(from + offsets_at(s));
    for (size_t i = 0; i < n; i++, in += s->in_stride, out += s->out_stride) {
        direct_image image = direct_view(s, in, scratch);
        if (direct_forward_by_pixels(s))
            direct_pixels_forward(s, &image, offsets, from, bias, out);
        else
            direct_filters_forward(s, &image, offsets, from, bias, out, scratch + lines(direct_image_floats(s)));
    }
}

static void backward(const conv_shape *s, size_t n, const float *in, const float *dout, const float *from, float *sums,
                     float *din, float *scratch)
{
    for (size_t i = 0; i < n; i++, in += s->in_stride, dout += s->out_stride) {
        direct_image image = direct_view(s, in, scratch);
        if (direct_weights_by_pixels(s))
            direct_pixels_weights(s, &image, dout, sums);
        else
            direct_filters_weights(s, &image, dout, sums, scratch + lines(direct_image_floats(s)));
        if (din) direct_input(s, dout, from + backward_at(s), din + i * s->in_stride, scratch);
    }
}

static void finish(const conv_shape *s, const float *sums, float *g)
{
    if (direct_weights_by_pixels(s))
        direct_pixels_finish(s, sums, g);
    else
        direct_filters_finish(s, sums, g);
}

/* Offsets are of 32 bits. On planes of a few outputs the packing of weights costs more than the products save. */
static bool takes(const conv_shape *s)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && s->pad < s->k && s->stride <= 4 &&
           s->oh * s->ow >= 16 && s->c * s->h * (s->w + 2 * s->pad) <= UINT32_MAX &&
           s->f * s->oh * s->ow <= UINT32_MAX && s->ow * s->k * s->c <= UINT32_MAX / 8;
}

const conv_kernel conv_direct = {"direct", takes, block, packed, sum, work, pack, forward, backward, finish};

#else

static bool takes(const conv_shape *s)
{
    (void)s;
    return false;
}

const conv_kernel conv_direct = {"direct", takes, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

#endif
