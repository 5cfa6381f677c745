/* conv.c - convolution: im2col of one image at a time, which stays in the L2 cache, and a matrix product; or the direct
 * AVX2 kernels of wide.c where they take the shape.
 *
 * in c x h x w, out f x oh x ow, weights f x (c k k), columns (c k k) x (oh ow). */
#include "net.h"
#include "wide.h"
#include <string.h>

static size_t column_rows(const net_layer *l)
{
    return (size_t)l->in.c * l->kernel * l->kernel;
}

static size_t pixels(const net_layer *l)
{
    return (size_t)l->out.h * l->out.w;
}

/* The range of output columns whose input column lies inside the image. */
static void inside(const net_layer *l, unsigned kx, size_t *from, size_t *to)
{
    size_t ow = l->out.w, s = l->stride;
    *from = kx < l->pad ? (l->pad - kx + s - 1) / s : 0;
    size_t last = (size_t)l->in.w + l->pad - kx; /* input x < in.w  <=>  ox s < last */
    *to = kx >= l->in.w + l->pad ? 0 : (last + s - 1) / s;
    if (*to > ow) *to = ow;
    if (*from > *to) *from = *to;
}

NET_HOT static void im2col(const net_layer *l, const float *in, float *col)
{
    size_t ow = l->out.w, s = l->stride;
    for (unsigned c = 0; c < l->in.c; c++)
        for (unsigned ky = 0; ky < l->kernel; ky++)
            for (unsigned kx = 0; kx < l->kernel; kx++) {
                size_t from, to;
                inside(l, kx, &from, &to);
                for (size_t oy = 0; oy < l->out.h; oy++, col += ow) {
                    size_t y = oy * s + ky; /* plus pad */
                    if (y < l->pad || y - l->pad >= l->in.h) {
                        memset(col, 0, ow * sizeof *col);
                        continue;
                    }
                    const float *row = in + ((size_t)c * l->in.h + (y - l->pad)) * l->in.w;
                    for (size_t x = 0; x < from; x++) col[x] = 0;
                    if (s == 1)
                        for (size_t x = from; x < to; x++) col[x] = row[x + kx - l->pad];
                    else
                        for (size_t x = from; x < to; x++) col[x] = row[x * s + kx - l->pad];
                    for (size_t x = to; x < ow; x++) col[x] = 0;
                }
            }
}

NET_HOT static void col2im(const net_layer *l, const float *col, float *in)
{
    size_t ow = l->out.w, s = l->stride;
    memset(in, 0, net_floats(l->in) * sizeof *in);
    for (unsigned c = 0; c < l->in.c; c++)
        for (unsigned ky = 0; ky < l->kernel; ky++)
            for (unsigned kx = 0; kx < l->kernel; kx++) {
                size_t from, to;
                inside(l, kx, &from, &to);
                for (size_t oy = 0; oy < l->out.h; oy++, col += ow) {
                    size_t y = oy * s + ky;
                    if (y < l->pad || y - l->pad >= l->in.h) continue;
                    float *row = in + ((size_t)c * l->in.h + (y - l->pad)) * l->in.w;
                    if (s == 1)
                        for (size_t x = from; x < to; x++) row[x + kx - l->pad] += col[x];
                    else
                        for (size_t x = from; x < to; x++) row[x * s + kx - l->pad] += col[x];
                }
            }
}

/* --- the direct path ---------------------------------------------------------------------------------------------- */

bool net_conv_fits_wide(const net_layer *l)
{
    return l->stride == 1 && l->out.w % 8 == 0;
}

static wide_shape shape_of(const net_layer *l)
{
    return (wide_shape){l->in.c, l->in.h + 2 * l->pad, l->in.w + 2 * l->pad, l->out.c, l->out.h, l->out.w, l->kernel};
}

static size_t padded(const net_layer *l)
{
    return (size_t)l->in.c * (l->in.h + 2 * l->pad) * (l->in.w + 2 * l->pad);
}

/* A layer's packed floats: weights for forward, weights for backward, the transposed gradient. */
static size_t sum_floats(const wide_shape *s)
{
    return s->c * s->k * s->k * wide_filters_padded(s);
}

static size_t packed(const net_layer *l)
{
    if (!l->wide) return 0;
    wide_shape s = shape_of(l);
    return wide_forward_floats(&s) + wide_backward_floats(&s) + sum_floats(&s);
}

static void pack(const net_call *c)
{
    wide_shape s = shape_of(c->layer);
    float *backward = c->packed + wide_forward_floats(&s), *sum = backward + wide_backward_floats(&s);
    wide_pack_forward(&s, c->params, c->packed);
    if (!c->g) return;
    wide_pack_backward(&s, c->params, backward);
    memset(sum, 0, sum_floats(&s) * sizeof *sum);
}

static void finish(const net_call *c)
{
    wide_shape s = shape_of(c->layer);
    wide_weights_finish(&s, c->packed + wide_forward_floats(&s) + wide_backward_floats(&s), c->g);
}

/* The image with its border of zeros, in `to`; the image itself where there is none. */
static const float *with_border(const net_layer *l, const float *in, float *to)
{
    if (!l->pad) return in;
    size_t w = l->in.w + 2 * l->pad, h = l->in.h + 2 * l->pad;
    memset(to, 0, padded(l) * sizeof *to);
    for (size_t ch = 0; ch < l->in.c; ch++)
        for (size_t y = 0; y < l->in.h; y++)
            memcpy(to + (ch * h + y + l->pad) * w + l->pad, in + (ch * l->in.h + y) * l->in.w, l->in.w * sizeof *to);
    return to;
}

static void without_border(const net_layer *l, const float *from, float *in)
{
    size_t w = l->in.w + 2 * l->pad, h = l->in.h + 2 * l->pad;
    for (size_t ch = 0; ch < l->in.c; ch++)
        for (size_t y = 0; y < l->in.h; y++)
            memcpy(in + (ch * l->in.h + y) * l->in.w, from + (ch * h + y + l->pad) * w + l->pad, l->in.w * sizeof *in);
}

static void forward_direct(const net_call *c)
{
    const net_layer *l = c->layer;
    wide_shape s = shape_of(l);
    for (size_t i = 0; i < c->n; i++)
        wide_forward(&s, with_border(l, c->in + i * net_floats(l->in), c->work), c->packed, c->params + l->weights,
                     c->out + i * net_floats(l->out));
}

static void forward_columns(const net_call *c)
{
    const net_layer *l = c->layer;
    size_t p = pixels(l), k = column_rows(l), f = l->out.c;
    const float *bias = c->params + l->weights;
    for (size_t i = 0; i < c->n; i++) {
        const float *in = c->in + i * net_floats(l->in);
        float *out = c->out + i * net_floats(l->out);
        im2col(l, in, c->work);
        for (size_t j = 0; j < f; j++)
            for (size_t x = 0; x < p; x++) out[j * p + x] = bias[j];
        blas_gemm(false, false, f, p, k, 1, c->params, k, c->work, p, 1, out, p);
    }
}

NET_HOT static void bias_gradient(float *g, const float *dout, size_t f, size_t p, bool first)
{
    for (size_t j = 0; j < f; j++) {
        float lane[8] = {0};
        size_t x = 0;
        for (; x + 8 <= p; x += 8)
            for (int v = 0; v < 8; v++) lane[v] += dout[j * p + x + (size_t)v];
        float sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
        for (; x < p; x++) sum += dout[j * p + x];
        g[j] = first ? sum : g[j] + sum;
    }
}

static void backward_direct(const net_call *c)
{
    const net_layer *l = c->layer;
    wide_shape s = shape_of(l);
    const float *backward = c->packed + wide_forward_floats(&s);
    float *sum = c->packed + wide_forward_floats(&s) + wide_backward_floats(&s), *rest = c->work + padded(l);
    for (size_t i = 0; i < c->n; i++) {
        const float *dout = c->dout + i * net_floats(l->out);
        wide_weights(&s, with_border(l, c->in + i * net_floats(l->in), c->work), dout, rest, sum);
        bias_gradient(c->g + l->weights, dout, l->out.c, pixels(l), c->first && i == 0);
        if (!c->din) continue;
        float *din = c->din + i * net_floats(l->in);
        wide_input(&s, dout, backward, rest, l->pad ? c->work : din);
        if (l->pad) without_border(l, c->work, din);
    }
}

static void backward_columns(const net_call *c)
{
    const net_layer *l = c->layer;
    size_t p = pixels(l), k = column_rows(l), f = l->out.c;
    for (size_t i = 0; i < c->n; i++) {
        const float *dout = c->dout + i * net_floats(l->out);
        im2col(l, c->in + i * net_floats(l->in), c->work);
        blas_gemm(false, true, f, k, p, 1, dout, p, c->work, p, c->first && i == 0 ? 0 : 1, c->g, k);
        bias_gradient(c->g + l->weights, dout, f, p, c->first && i == 0);
        if (!c->din) continue;
        blas_gemm(true, false, k, p, f, 1, c->params, k, dout, p, 0, c->work, p);
        col2im(l, c->work, c->din + i * net_floats(l->in));
    }
}

static void forward(const net_call *c)
{
    if (c->layer->wide)
        forward_direct(c);
    else
        forward_columns(c);
}

static void backward(const net_call *c)
{
    if (c->layer->wide)
        backward_direct(c);
    else
        backward_columns(c);
}

static size_t work(const net_layer *l)
{
    if (!l->wide) return column_rows(l) * pixels(l);
    wide_shape s = shape_of(l);
    size_t transposed = pixels(l) * wide_filters_padded(&s), input = wide_input_floats(&s);
    return padded(l) + (transposed > input ? transposed : input);
}

static uint64_t multiply_adds(const net_layer *l)
{
    return (uint64_t)column_rows(l) * net_floats(l->out);
}

const net_kind net_conv = {"convolution", false, true, false,         packed,  pack,
                           finish,        NULL,  work, multiply_adds, forward, backward};
