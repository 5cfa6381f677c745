/* pool.c - max pooling with Caffe's rounding up; aux keeps which cell of the window won, one byte an output: the first
 * of the largest, row by row. */
#include "wide_pool.h"
#include <string.h>

#define NONE 255 /* a window that lies in the padding only */

/* 2x2 windows at stride 2 that all lie inside: two rows at a time, without branches. */
HW__HOT static void forward_2x2(const float *in, size_t w, float *out, unsigned char *won, size_t oh, size_t ow)
{
    for (size_t y = 0; y < oh; y++, in += 2 * w, out += ow, won += ow) {
        const float *a = in, *b = in + w;
        for (size_t x = 0; x < ow; x++) {
            float top = a[2 * x] < a[2 * x + 1] ? a[2 * x + 1] : a[2 * x];
            float low = b[2 * x] < b[2 * x + 1] ? b[2 * x + 1] : b[2 * x];
            int i = a[2 * x] < a[2 * x + 1], j = 2 + (b[2 * x] < b[2 * x + 1]);
            out[x] = top < low ? low : top;
            won[x] = (unsigned char)(top < low ? j : i);
        }
    }
}

HW__HOT static void backward_2x2(const float *dout, const unsigned char *won, size_t oh, size_t ow, float *din,
                                 size_t w)
{
    for (size_t y = 0; y < oh; y++, din += 2 * w, dout += ow, won += ow) {
        float *a = din, *b = din + w;
        for (size_t x = 0; x < ow; x++) {
            a[2 * x] = won[x] == 0 ? dout[x] : 0;
            a[2 * x + 1] = won[x] == 1 ? dout[x] : 0;
            b[2 * x] = won[x] == 2 ? dout[x] : 0;
            b[2 * x + 1] = won[x] == 3 ? dout[x] : 0;
        }
    }
}

static bool plain(const hw__net_layer *l)
{
    return l->window == 2 && l->stride == 2 && l->pad == 0 && l->in.h == 2 * l->out.h && l->in.w == 2 * l->out.w;
}

/* Of one axis: which rows (or columns) of window `at` lie inside the image, from .. to - 1. */
typedef struct cells {
    unsigned from, to;
} cells;

static cells inside(const hw__net_layer *l, unsigned at, unsigned in)
{
    unsigned start = at * l->stride, end = in + l->pad; /* both l->pad further than the image */
    unsigned to = end < start ? 0 : end - start;
    return (cells){start < l->pad ? l->pad - start : 0, to < l->window ? to : l->window};
}

/* in: the window's first cell inside. No branch hangs on the values: they are hard to guess. */
static unsigned char largest(const hw__net_layer *l, const float *in, cells y, cells x, float *out)
{
    unsigned won = y.from * l->window + x.from;
    float best = *in;
    for (unsigned ky = y.from; ky < y.to; ky++)
        for (unsigned kx = x.from; kx < x.to; kx++) {
            float v = in[(size_t)(ky - y.from) * l->in.w + (kx - x.from)];
            unsigned wins = -(unsigned)(v > best); /* all bits or none */
            best = v > best ? v : best;
            won = (won & ~wins) | ((ky * l->window + kx) & wins);
        }
    *out = best;
    return (unsigned char)won;
}

static void pool_plane(const hw__net_layer *l, const float *in, float *out, unsigned char *won)
{
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++, out++, won++) {
            cells y = inside(l, oy, l->in.h), x = inside(l, ox, l->in.w);
            *out = 0;
            *won = NONE;
            if (y.from >= y.to || x.from >= x.to) continue;
            size_t row = oy * l->stride + y.from - l->pad, column = ox * l->stride + x.from - l->pad;
            *won = largest(l, in + row * l->in.w + column, y, x, out);
        }
}

static void unpool_plane(const hw__net_layer *l, const float *dout, const unsigned char *won, float *din)
{
    memset(din, 0, (size_t)l->in.h * l->in.w * sizeof *din);
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++, dout++, won++) {
            if (*won == NONE) continue;
            unsigned y = oy * l->stride + *won / l->window - l->pad, x = ox * l->stride + *won % l->window - l->pad;
            din[(size_t)y * l->in.w + x] += *dout;
        }
}

static void forward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__pool_kernel *wide = l->wide ? hw__wide_pool_kernel(l, false) : NULL;
    const hw__pool_shape s = hw__wide_pool_shape(l, c->n);
    size_t in = s.h * s.w, out = s.oh * s.ow;
    if (wide) {
        wide->forward(&s, c->in, c->out, c->aux);
        return;
    }
    for (size_t i = 0; i < s.planes; i++)
        if (plain(l))
            forward_2x2(c->in + i * in, s.w, c->out + i * out, c->aux + i * out, s.oh, s.ow);
        else
            pool_plane(l, c->in + i * in, c->out + i * out, c->aux + i * out);
}

static void backward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__pool_kernel *wide = l->wide ? hw__wide_pool_kernel(l, false) : NULL;
    const hw__pool_shape s = hw__wide_pool_shape(l, c->n);
    size_t in = s.h * s.w, out = s.oh * s.ow;
    if (!c->din) return;
    if (wide) {
        wide->backward(&s, c->dout, c->aux, c->din);
        return;
    }
    for (size_t i = 0; i < s.planes; i++)
        if (plain(l))
            backward_2x2(c->dout + i * out, c->aux + i * out, s.oh, s.ow, c->din + i * in, s.w);
        else
            unpool_plane(l, c->dout + i * out, c->aux + i * out, c->din + i * in);
}

static size_t aux(const hw__net_layer *l)
{
    return hw__net_floats(l->out);
}

const hw__net_kind hw__net_max_pool = {.name = "max pooling", .aux = aux, .forward = forward, .backward = backward};
