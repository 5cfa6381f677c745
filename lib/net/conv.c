/* conv.c - convolution: im2col of one image at a time, which stays in the L2 cache, and a matrix product.
 *
 * in c x h x w, out f x oh x ow, weights f x (c k k), columns (c k k) x (oh ow). */
#include "net.h"
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
                    const float *row = in + ((size_t)c * l->in.h + (y - l->pad)) * l->in.w + kx;
                    for (size_t x = 0; x < from; x++) col[x] = 0;
                    if (s == 1)
                        for (size_t x = from; x < to; x++) col[x] = row[x - l->pad];
                    else
                        for (size_t x = from; x < to; x++) col[x] = row[x * s - l->pad];
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
                    float *row = in + ((size_t)c * l->in.h + (y - l->pad)) * l->in.w + kx;
                    if (s == 1)
                        for (size_t x = from; x < to; x++) row[x - l->pad] += col[x];
                    else
                        for (size_t x = from; x < to; x++) row[x * s - l->pad] += col[x];
                }
            }
}

static void forward(const net_call *c)
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

static void backward(const net_call *c)
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

static size_t work(const net_layer *l)
{
    return column_rows(l) * pixels(l);
}

static uint64_t multiply_adds(const net_layer *l)
{
    return (uint64_t)column_rows(l) * net_floats(l->out);
}

const net_kind net_conv = {"convolution", false, true, false, NULL, work, multiply_adds, forward, backward};
