/* columns.c - the reference convolution: im2col of one image at a time, which stays in the L2 cache, and a matrix
 * product of OpenBLAS. Takes every shape.
 *
 * columns (c k k) x (oh ow), a row every `row` floats: 16 modulo 32, since products slow down where rows are a power of
 * two apart. */
#include "../base/blas.h"
#include "../base/cpu.h"
#include "kernel.h"
#include <string.h>

static size_t taps(const hw__conv_shape *s)
{
    return s->c * s->k * s->k;
}

static size_t row_of(const hw__conv_shape *s)
{
    size_t lines = (s->oh * s->ow + 15) / 16;
    return 16 * (lines % 2 ? lines : lines + 1);
}

/* An image of which the columns are the image itself. */
static bool plain(const hw__conv_shape *s)
{
    return s->k == 1 && s->stride == 1 && s->pad == 0;
}

/* The range of output columns whose input column lies inside the image. */
static void inside(const hw__conv_shape *s, size_t kx, size_t *from, size_t *to)
{
    size_t step = s->stride, last = s->w + s->pad - kx; /* input x < w  <=>  ox step < last */
    *from = kx < s->pad ? (s->pad - kx + step - 1) / step : 0;
    *to = kx >= s->w + s->pad ? 0 : (last + step - 1) / step;
    if (*to > s->ow) *to = s->ow;
    if (*from > *to) *from = *to;
}

HW__HOT static void im2col(const hw__conv_shape *s, const float *in, float *columns)
{
    size_t ow = s->ow, step = s->stride, stride = row_of(s);
    for (size_t c = 0; c < s->c; c++)
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t kx = 0; kx < s->k; kx++, columns += stride) {
                size_t from, to;
                inside(s, kx, &from, &to);
                for (size_t oy = 0; oy < s->oh; oy++) {
                    size_t y = oy * step + ky; /* plus pad */
                    float *col = columns + oy * ow;
                    if (y < s->pad || y - s->pad >= s->h) {
                        memset(col, 0, ow * sizeof *col);
                        continue;
                    }
                    const float *row = in + (c * s->h + (y - s->pad)) * s->w;
                    for (size_t x = 0; x < from; x++) col[x] = 0;
                    if (step == 1)
                        for (size_t x = from; x < to; x++) col[x] = row[x + kx - s->pad];
                    else
                        for (size_t x = from; x < to; x++) col[x] = row[x * step + kx - s->pad];
                    for (size_t x = to; x < ow; x++) col[x] = 0;
                }
            }
}

HW__HOT static void col2im(const hw__conv_shape *s, const float *columns, float *in)
{
    size_t ow = s->ow, step = s->stride, stride = row_of(s);
    memset(in, 0, s->c * s->h * s->w * sizeof *in);
    for (size_t c = 0; c < s->c; c++)
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t kx = 0; kx < s->k; kx++, columns += stride) {
                size_t from, to;
                inside(s, kx, &from, &to);
                for (size_t oy = 0; oy < s->oh; oy++) {
                    size_t y = oy * step + ky;
                    const float *col = columns + oy * ow;
                    if (y < s->pad || y - s->pad >= s->h) continue;
                    float *row = in + (c * s->h + (y - s->pad)) * s->w;
                    if (step == 1)
                        for (size_t x = from; x < to; x++) row[x + kx - s->pad] += col[x];
                    else
                        for (size_t x = from; x < to; x++) row[x * step + kx - s->pad] += col[x];
                }
            }
}

static bool takes(const hw__conv_shape *s)
{
    (void)s;
    return true;
}

static size_t block(const hw__conv_shape *s)
{
    (void)s;
    return 1;
}

/* The weights as they are. */
static size_t packed(const hw__conv_shape *s)
{
    return s->f * taps(s);
}

static size_t work(const hw__conv_shape *s)
{
    return taps(s) * row_of(s);
}

static void pack(const hw__conv_shape *s, const float *weights, float *to, bool backward)
{
    (void)backward;
    memcpy(to, weights, packed(s) * sizeof *to);
}

/* The columns and how far their rows are apart. */
static const float *columns_of(const hw__conv_shape *s, const float *in, float *room, size_t *row)
{
    *row = plain(s) ? s->oh * s->ow : row_of(s);
    if (plain(s)) return in;
    im2col(s, in, room);
    return room;
}

static void forward(const hw__conv_shape *s, size_t n, const float *in, const float *weights, const float *bias,
                    float *out, float *room)
{
    size_t p = s->oh * s->ow, k = taps(s), row;
    for (size_t i = 0; i < n; i++, in += s->in_stride, out += s->out_stride) {
        const float *columns = columns_of(s, in, room, &row);
        for (size_t j = 0; bias && j < s->f; j++)
            for (size_t x = 0; x < p; x++) out[j * p + x] = bias[j];
        hw__blas_gemm(false, false, s->f, p, k, 1, weights, k, columns, row, bias ? 1 : 0, out, p);
    }
}

static void backward(const hw__conv_shape *s, size_t n, const float *in, const float *dout, const float *weights,
                     float *sum, float *din, float *room)
{
    size_t p = s->oh * s->ow, k = taps(s), row;
    for (size_t i = 0; i < n; i++, in += s->in_stride, dout += s->out_stride) {
        const float *columns = columns_of(s, in, room, &row);
        hw__blas_gemm(false, true, s->f, k, p, 1, dout, p, columns, row, 1, sum, k);
        if (!din) continue;
        float *to = plain(s) ? din + i * s->in_stride : room;
        hw__blas_gemm(true, false, k, p, s->f, 1, weights, k, dout, p, 0, to, row);
        if (!plain(s)) col2im(s, room, din + i * s->in_stride);
    }
}

static void finish(const hw__conv_shape *s, const float *sum, float *g)
{
    memcpy(g, sum, packed(s) * sizeof *g);
}

const hw__conv_kernel hw__conv_columns = {.name = "im2col",
                                          .takes = takes,
                                          .block = block,
                                          .packed = packed,
                                          .sum = packed,
                                          .work = work,
                                          .pack = pack,
                                          .forward = forward,
                                          .backward = backward,
                                          .finish = finish};
