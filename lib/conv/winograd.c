/* winograd.c - convolutions of stride 1 with 3 x 3 or 5 x 5 kernels by Winograd's minimal filtering, F(4 x 4, 3 x 3)
 * and F(4 x 4, 5 x 5): 4 and 6.25 times fewer multiplications than the direct way. (Winograd, Arithmetic complexity of
 * computations, 1980; Lavin and Gray, Fast algorithms for convolutional neural networks, 2016.)
 *
 *     forward   Y = A^T [sum_c (G w G^T) . (B^T x B)] A
 *     weights   dw = G^T [sum_tiles (A dY A^T) . (B^T x B)] G
 *     input     dX = B [sum_f (G w G^T) . (A dY A^T)] B^T
 *
 * so the gradients are the exact adjoints of forward. The transforms and the products are in winograd_wide.c; here
 * stands what goes through memory in which order: chunks of tiles, which are transformed, multiplied and transformed
 * back while they are in the second cache. */
#include "winograd.h"
#include <string.h>

#define PANEL WINOGRAD_PANEL
#define OUT   WINOGRAD_OUT

typedef struct plan {
    const hw__conv_shape *shape;
    const winograd_steps *steps;
    size_t side, points;    /* of a tile */
    size_t columns, strips; /* tiles of a strip, strips of an image */
    size_t chunk, tiles;    /* strips and tiles of a chunk */
    size_t in_width, out_width, in_panels, out_panels;
    size_t in_stride, out_stride, weights_stride, transposed_stride; /* floats from point to point */
    float *in, *out, *rows, *patch;                                  /* in the scratch of a call */
} plan;

static size_t divided(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const winograd_steps *best_steps(void)
{
    const winograd_steps *wide = hw__winograd_avx512();
    return wide ? wide : hw__winograd_avx2();
}

/* An odd number of cache lines. */
static size_t stride_of(size_t panels_times_pixels)
{
    return (panels_times_pixels | 1) * PANEL;
}

/* Few enough that they stay in the second cache from one transform to the other; but where the weights do not, there
 * must be more, because all weights come by once a chunk. */
static size_t tiles_wanted(const plan *p)
{
    size_t few = p->side == 6 ? 48 : 24;
    return p->points * p->shape->c * p->shape->f < (size_t)36 * 128 * 128 ? few : 2 * few;
}

static plan plan_of(const hw__conv_shape *s)
{
    plan p = {.shape = s, .steps = best_steps(), .side = OUT - 1 + s->k};
    p.points = p.side * p.side;
    p.columns = divided(s->ow, OUT);
    p.strips = divided(s->oh, OUT);
    p.chunk = tiles_wanted(&p) / p.columns;
    if (p.chunk < 1) p.chunk = 1;
    if (p.chunk > p.strips) p.chunk -= p.chunk % p.strips; /* whole images */
    p.tiles = p.chunk * p.columns;
    p.out_width = p.columns * OUT;
    p.in_width = p.out_width + p.side - OUT;
    p.in_panels = divided(s->c, PANEL);
    p.out_panels = divided(s->f, PANEL);
    p.in_stride = stride_of(p.in_panels * p.tiles);
    p.out_stride = stride_of(p.out_panels * p.tiles);
    p.weights_stride = stride_of(p.out_panels * s->c);
    p.transposed_stride = stride_of(p.in_panels * s->f);
    return p;
}

static size_t patch_floats(const plan *p)
{
    return (smaller(p->chunk, p->strips) * OUT + p->side - OUT) * p->in_width * PANEL;
}

static plan plan_with(const hw__conv_shape *s, float *work)
{
    plan p = plan_of(s);
    p.in = work;
    p.out = p.in + p.points * p.in_stride;
    p.rows = p.out + p.points * p.out_stride;
    p.patch = p.rows + p.side * p.in_width * PANEL;
    return p;
}

/* --- the weights ---------------------------------------------------------------------------------------------------
 */

/* Sixteen filters of some channels at a time go through `pixels`: as many as a small stack has room for. */
#define PIXELS (PANEL * 100)

static size_t channels_at_once(size_t kk)
{
    size_t n = PIXELS / PANEL / kk;
    return n < 8 ? n : 8;
}

static void pack(const hw__conv_shape *s, const float *weights, float *packed, bool backward)
{
    plan p = plan_of(s);
    size_t kk = s->k * s->k, few = channels_at_once(kk);
    float pixels[PIXELS] __attribute__((aligned(64)));
    for (size_t f = 0; f < s->f; f += PANEL)
        for (size_t c = 0; c < s->c; c += PANEL) {
            size_t filters = smaller(PANEL, s->f - f), channels = smaller(PANEL, s->c - c);
            float *to = packed + (f * s->c + c * PANEL);
            for (size_t k = 0, n; k < channels; k += n) {
                n = smaller(few, channels - k);
                p.steps->gather(weights + (f * s->c + c + k) * kk, s->c * kk, filters, n * kk, pixels);
                if (filters < PANEL) /* gather leaves half a panel as it was; it is transformed too */
                    for (size_t i = 0; i < n * kk; i++)
                        memset(pixels + i * PANEL + filters, 0, (PANEL - filters) * sizeof *pixels);
                p.steps->weights(s->k, n, pixels, to + k * PANEL, p.weights_stride);
            }
            if (!backward) continue;
            float *transposed = packed + p.points * p.weights_stride + (c * s->f + f * PANEL);
            for (size_t i = 0; i < p.points; i++)
                p.steps->gather(to + i * p.weights_stride, PANEL, channels, filters,
                                transposed + i * p.transposed_stride);
        }
}

static void finish(const hw__conv_shape *s, const float *sum, float *g)
{
    plan p = plan_of(s);
    size_t kk = s->k * s->k, few = channels_at_once(kk);
    float pixels[PIXELS] __attribute__((aligned(64)));
    for (size_t f = 0; f < s->f; f += PANEL)
        for (size_t c = 0, n; c < s->c; c += n) {
            size_t filters = smaller(PANEL, s->f - f);
            n = smaller(few, s->c - c);
            p.steps->weights_gradient(s->k, n, sum + (f * s->c + c * PANEL), p.weights_stride, pixels);
            p.steps->scatter(pixels, filters, n * kk, g + (f * s->c + c) * kk, s->c * kk, false);
        }
}

/* --- parts of an image ---------------------------------------------------------------------------------------------
 */

/* Some strips of one image, and where their tiles stand in the chunk. */
typedef struct piece {
    size_t image, strip, strips, tile;
} piece;

/* The next part of a chunk that ends before strip `end`, all images' strips being counted through. */
static bool next_part(const plan *p, size_t *at, size_t end, size_t begin, piece *part)
{
    if (*at == end) return false;
    part->image = *at / p->strips;
    part->strip = *at % p->strips;
    part->strips = smaller(p->strips - part->strip, end - *at);
    part->tile = (*at - begin) * p->columns;
    *at += part->strips;
    return true;
}

/* Strip i of the part, of panel c of the inputs or the outputs. */
static winograd_strip strip_of(const plan *p, const piece *part, size_t i, size_t c, bool inputs)
{
    size_t channels = inputs ? p->shape->c : p->shape->f, width = inputs ? p->in_width : p->out_width;
    return (winograd_strip){.side = p->side,
                            .tiles = p->columns,
                            .width = width,
                            .channels = smaller(PANEL, channels - c * PANEL),
                            .stride = inputs ? p->in_stride : p->out_stride,
                            .points = (inputs ? p->in : p->out) + (c * p->tiles + part->tile + i * p->columns) * PANEL,
                            .patch = p->patch + (inputs ? i * OUT * width * PANEL : 0),
                            .rows = p->rows};
}

static void zero(float *pixels, size_t n)
{
    memset(pixels, 0, n * PANEL * sizeof *pixels);
}

/* A row of the patch: w pixels of the planes between zeros. in NULL: all zeros. */
static void gather_row(const plan *p, const float *in, size_t plane, size_t channels, size_t left, size_t w,
                       size_t width, float *to)
{
    if (!in) {
        zero(to, width);
        return;
    }
    zero(to, left);
    p->steps->gather(in, plane, channels, w, to + left * PANEL);
    zero(to + (left + w) * PANEL, width - left - w);
}

static void transform_input(const plan *p, const piece *part, const float *in)
{
    const hw__conv_shape *s = p->shape;
    size_t height = part->strips * OUT + p->side - OUT, plane = s->h * s->w, top = part->strip * OUT;
    for (size_t c = 0; c < p->in_panels; c++) {
        winograd_strip strip = strip_of(p, part, 0, c, true);
        const float *planes = in + part->image * s->in_stride + c * PANEL * plane;
        for (size_t y = 0; y < height; y++) {
            bool inside = top + y >= s->pad && top + y - s->pad < s->h;
            gather_row(p, inside ? planes + (top + y - s->pad) * s->w : NULL, plane, strip.channels, s->pad, s->w,
                       p->in_width, p->patch + y * p->in_width * PANEL);
        }
        for (size_t i = 0; i < part->strips; i++) {
            strip = strip_of(p, part, i, c, true);
            p->steps->input(&strip);
        }
    }
}

static void transform_output_gradient(const plan *p, const piece *part, const float *dout)
{
    const hw__conv_shape *s = p->shape;
    for (size_t f = 0; f < p->out_panels; f++)
        for (size_t i = 0; i < part->strips; i++) {
            winograd_strip strip = strip_of(p, part, i, f, false);
            const float *planes = dout + part->image * s->out_stride + f * PANEL * s->oh * s->ow;
            for (size_t y = 0; y < OUT; y++) {
                size_t row = (part->strip + i) * OUT + y;
                gather_row(p, row < s->oh ? planes + row * s->ow : NULL, s->oh * s->ow, strip.channels, 0, s->ow,
                           p->out_width, p->patch + y * p->out_width * PANEL);
            }
            p->steps->output_gradient(&strip);
        }
}

static void transform_output(const plan *p, const piece *part, const float *bias, float *out)
{
    const hw__conv_shape *s = p->shape;
    for (size_t f = 0; f < p->out_panels; f++) {
        float start[PANEL] = {0};
        if (bias) memcpy(start, bias + f * PANEL, smaller(PANEL, s->f - f * PANEL) * sizeof *start);
        float *planes = out + part->image * s->out_stride + f * PANEL * s->oh * s->ow;
        for (size_t i = 0; i < part->strips; i++) {
            winograd_strip strip = strip_of(p, part, i, f, false);
            p->steps->output(&strip, start);
            size_t row = (part->strip + i) * OUT;
            for (size_t y = 0; y < OUT && row + y < s->oh; y++)
                p->steps->scatter(p->patch + y * p->out_width * PANEL, strip.channels, s->ow,
                                  planes + (row + y) * s->ow, s->oh * s->ow, false);
        }
    }
}

static void transform_input_gradient(const plan *p, const piece *part, float *din)
{
    const hw__conv_shape *s = p->shape;
    size_t shared = p->side - OUT, height = part->strips * OUT + shared, plane = s->h * s->w, top = part->strip * OUT;
    for (size_t c = 0; c < p->in_panels; c++) {
        winograd_strip strip = {0};
        for (size_t i = 0; i < part->strips; i++) {
            strip = strip_of(p, part, i, c, true);
            p->steps->input_gradient(&strip, i == 0);
        }
        float *planes = din + part->image * s->in_stride + c * PANEL * plane;
        for (size_t y = 0; y < height; y++) {
            if (top + y < s->pad || top + y - s->pad >= s->h) continue;
            /* The chunk before has written the rows that its last strip shares with this one's first. */
            p->steps->scatter(p->patch + (y * p->in_width + s->pad) * PANEL, strip.channels, s->w,
                              planes + (top + y - s->pad) * s->w, plane, top > 0 && y < shared);
        }
    }
}

/* --- the kernel -----------------------------------------------------------------------------------------------------
 */

static void forward(const hw__conv_shape *s, size_t n, const float *in, const float *packed, const float *bias,
                    float *out, float *work)
{
    plan p = plan_with(s, work);
    for (size_t begin = 0, end; begin < n * p.strips; begin = end) {
        piece part;
        end = smaller(begin + p.chunk, n * p.strips);
        for (size_t at = begin; next_part(&p, &at, end, begin, &part);) transform_input(&p, &part, in);
        winograd_product product = {(end - begin) * p.columns, s->f,         s->c,
                                    p.tiles * PANEL,           s->c * PANEL, p.tiles * PANEL};
        for (size_t i = 0; i < p.points; i++)
            p.steps->multiply(&product, p.in + i * p.in_stride, packed + i * p.weights_stride,
                              p.out + i * p.out_stride);
        for (size_t at = begin; next_part(&p, &at, end, begin, &part);) transform_output(&p, &part, bias, out);
    }
}

static void backward(const hw__conv_shape *s, size_t n, const float *in, const float *dout, const float *packed,
                     float *sum, float *din, float *work)
{
    plan p = plan_with(s, work);
    const float *transposed = packed + p.points * p.weights_stride;
    for (size_t begin = 0, end; begin < n * p.strips; begin = end) {
        piece part;
        end = smaller(begin + p.chunk, n * p.strips);
        for (size_t at = begin; next_part(&p, &at, end, begin, &part);) {
            transform_input(&p, &part, in);
            transform_output_gradient(&p, &part, dout);
        }
        size_t tiles = (end - begin) * p.columns;
        winograd_product of_weights = {s->c, s->f, tiles, p.tiles * PANEL, p.tiles * PANEL, s->c * PANEL},
                         of_input = {tiles, s->c, s->f, p.tiles * PANEL, s->f * PANEL, p.tiles * PANEL};
        for (size_t i = 0; i < p.points; i++) {
            float *x = p.in + i * p.in_stride, *d = p.out + i * p.out_stride;
            p.steps->accumulate(&of_weights, x, d, sum + i * p.weights_stride);
            if (din) p.steps->multiply(&of_input, d, transposed + i * p.transposed_stride, x); /* x has been used */
        }
        for (size_t at = begin; din && next_part(&p, &at, end, begin, &part);) transform_input_gradient(&p, &part, din);
    }
}

/* Whole vectors of sixteen. */
static size_t lanes_of(size_t n)
{
    return divided(n, PANEL) * PANEL;
}

/* What the direct kernels would multiply, a vector's pixels at a time, must outweigh the transforms, a vector's
 * channels at a time. The bound is measured, on 170 shapes, where the two ways are about as fast. */
static bool takes(const hw__conv_shape *s)
{
    if (!best_steps() || s->stride != 1 || (s->k != 3 && s->k != 5) || s->pad >= s->k) return false;
    if (s->c < 4) return false; /* first layers: direct kernels waste no lanes on channels that are not there */
    plan p = plan_of(s);
    size_t direct = s->c * s->f * s->oh * lanes_of(s->ow) * s->k * s->k,
           transformed = p.columns * p.strips * p.points * (lanes_of(s->c) + lanes_of(s->f));
    return 2 * direct >= 23 * transformed;
}

static size_t block(const hw__conv_shape *s)
{
    plan p = plan_of(s);
    return divided(p.chunk, p.strips);
}

static size_t packed_floats(const hw__conv_shape *s)
{
    plan p = plan_of(s);
    return p.points * (p.weights_stride + p.transposed_stride);
}

static size_t sum_floats(const hw__conv_shape *s)
{
    plan p = plan_of(s);
    return p.points * p.weights_stride;
}

static size_t work_floats(const hw__conv_shape *s)
{
    plan p = plan_of(s);
    return p.points * (p.in_stride + p.out_stride) + p.side * p.in_width * PANEL + patch_floats(&p);
}

const hw__conv_kernel hw__conv_winograd = {"winograd",  takes, block,   packed_floats, sum_floats,
                                           work_floats, pack,  forward, backward,      finish};
