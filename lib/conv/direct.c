/* direct.c - hw__conv_direct: a convolution without im2col for first layers, strides, small nets and odd sizes. Here
 * are the choice of layout and width for a shape, the memory, and the loop over images; direct.h names the parts. */
#include "direct.h"
#include <math.h>
#include <string.h>

/* --- the choice ----------------------------------------------------------------------------------------------------
 */

/* A layout's time is estimated as the products that it multiplies over those that are needed. Sixteen lanes take half
 * of the time of eight, and a little of what surrounds the products. */
static const double BY_WIDTH[] = {1, 0.53};

typedef struct direct_choice {
    const direct_forward *forward;
    const direct_weights *weights;
    const direct_input *input;
} direct_choice;

static size_t taps_of(const hw__conv_shape *s)
{
    return s->c * s->k * s->k;
}

/* Pixels: rows are rounded up to half vectors, and where an odd number of vectors makes a row, every row of the border
 * has a vector done twice. */
static double cost_of_pixels(const hw__conv_shape *s, size_t lanes)
{
    size_t half = lanes / 2, row = (s->ow + half - 1) / half * half;
    double lost = s->pad && row % (2 * lanes) ? 1.25 * (double)(lanes * s->pad) : 0;
    if (s->stride > 1 || s->ow < lanes) return HUGE_VAL;
    return ((double)(row * s->oh) + lost) / (double)(s->oh * s->ow);
}

/* Filters: lanes are rounded up to vectors, and each output has its share of a transpose, some five taps' time, or ten
 * of sixteen lanes. */
static double cost_of_filters(const hw__conv_shape *s, size_t lanes)
{
    double transpose = 0.625 * (double)lanes / (double)taps_of(s);
    return (double)((s->f + lanes - 1) / lanes * lanes) / (double)s->f * (1 + transpose);
}

/* In the weights' gradient, short rows cost pixels more, and so does what is not aligned: of sixteen lanes, nearly
 * every vector of the image lies across two lines. */
static double cost_of_pixels_weights(const hw__conv_shape *s, size_t lanes)
{
    return s->ow < 16 ? HUGE_VAL : (lanes == 16 ? 1.35 : 1.06) * cost_of_pixels(s, lanes);
}

static direct_choice choose(const hw__conv_shape *s)
{
    const direct_steps *widths[] = {hw__direct_avx2(), hw__direct_avx512()};
    direct_choice best = {NULL, NULL, NULL};
    double forward = HUGE_VAL, weights = HUGE_VAL;
    for (size_t i = 0; i < 2; i++) {
        const direct_steps *steps = widths[i];
        size_t lanes = i ? 16 : 8;
        if (!steps) continue;
        double filters = cost_of_filters(s, lanes), pixels = cost_of_pixels(s, lanes);
        double cost = BY_WIDTH[i] * fmin(filters, pixels);
        if (cost < forward) best.forward = &steps->forward[pixels < filters ? DIRECT_PIXELS : DIRECT_FILTERS];
        forward = fmin(forward, cost);
        pixels = cost_of_pixels_weights(s, lanes);
        cost = BY_WIDTH[i] * fmin(filters, pixels);
        if (cost < weights) best.weights = &steps->weights[pixels < filters ? DIRECT_PIXELS : DIRECT_FILTERS];
        weights = fmin(weights, cost);
        best.input = &steps->input;
    }
    return best;
}

/* --- the image ------------------------------------------------------------------------------------------------------
 */

static size_t image_floats(const hw__conv_shape *s)
{
    return s->pad ? s->c * s->h * (s->w + 2 * s->pad) : 0;
}

static direct_image view_of(const hw__conv_shape *s, const float *in, float *work)
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

static size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* In packed: forward's weights, the offsets of taps, the weights for the gradient of the input. */
static size_t offsets_at(const hw__conv_shape *s, const direct_choice *choice)
{
    return hw__whole_lines(choice->forward->packed(s));
}

static size_t backward_at(const hw__conv_shape *s, const direct_choice *choice)
{
    return offsets_at(s, choice) + hw__whole_lines(taps_of(s));
}

static size_t packed(const hw__conv_shape *s)
{
    direct_choice choice = choose(s);
    return backward_at(s, &choice) + hw__whole_lines(choice.input->packed(s));
}

static size_t sum(const hw__conv_shape *s)
{
    return choose(s).weights->sum(s);
}

static size_t work(const hw__conv_shape *s)
{
    direct_choice choice = choose(s);
    size_t forward = choice.forward->work(s), weights = choice.weights->work(s);
    return max(hw__whole_lines(image_floats(s)) + max(forward, weights), choice.input->work(s));
}

/* More would change nothing: the scratch is of one image. */
static size_t block(const hw__conv_shape *s)
{
    (void)s;
    return 8;
}

/* --- the products ---------------------------------------------------------------------------------------------------
 */

static void pack(const hw__conv_shape *s, const float *weights, float *to, bool backward)
{
    direct_choice choice = choose(s);
    uint32_t *offsets = (uint32_t *)(void *)(to + offsets_at(s, &choice));
    size_t row = s->w + 2 * s->pad, plane = s->h * row;
    choice.forward->pack(s, weights, to);
    for (size_t ky = 0; ky < s->k; ky++)
        for (size_t c = 0; c < s->c; c++)
            for (size_t kx = 0; kx < s->k; kx++) *offsets++ = (uint32_t)(c * plane + ky * row + kx);
    if (backward) choice.input->pack(s, weights, to + backward_at(s, &choice));
}

static void forward(const hw__conv_shape *s, size_t n, const float *in, const float *from, const float *bias,
                    float *out, float *scratch)
{
    direct_choice choice = choose(s);
    const uint32_t *offsets = (const uint32_t *)(const void *)(from + offsets_at(s, &choice));
    float *rest = scratch + hw__whole_lines(image_floats(s));
    for (size_t i = 0; i < n; i++, in += s->in_stride, out += s->out_stride) {
        direct_image image = view_of(s, in, scratch);
        choice.forward->run(s, &image, offsets, from, bias, out, rest);
    }
}

static void backward(const hw__conv_shape *s, size_t n, const float *in, const float *dout, const float *from,
                     float *sums, float *din, float *scratch)
{
    direct_choice choice = choose(s);
    float *rest = scratch + hw__whole_lines(image_floats(s));
    for (size_t i = 0; i < n; i++, in += s->in_stride, dout += s->out_stride) {
        direct_image image = view_of(s, in, scratch);
        choice.weights->run(s, &image, dout, sums, rest);
        if (din) choice.input->run(s, dout, from + backward_at(s, &choice), din + i * s->in_stride, scratch);
    }
}

static void finish(const hw__conv_shape *s, const float *sums, float *g)
{
    choose(s).weights->finish(s, sums, g);
}

/* Offsets are of 32 bits. On planes of a few outputs the packing of weights costs more than the products save. */
static bool takes(const hw__conv_shape *s)
{
    return (hw__direct_avx2() || hw__direct_avx512()) && s->pad < s->k && s->stride <= 4 && s->oh * s->ow >= 16 &&
           s->c * s->h * (s->w + 2 * s->pad) <= UINT32_MAX && s->f * s->oh * s->ow <= UINT32_MAX &&
           s->ow * s->k * s->c <= UINT32_MAX / 16;
}

const hw__conv_kernel hw__conv_direct = {"direct", takes, block, packed, sum, work, pack, forward, backward, finish};
