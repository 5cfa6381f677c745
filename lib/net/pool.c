/* pool.c - max pooling with Caffe's rounding up; aux keeps which cell of the window won, one byte an output. */
#include "net.h"
#include "wide.h"
#include <string.h>

#define NONE 255 /* a window that lies in the padding only */

/* 2x2 windows at stride 2 that all lie inside: two rows at a time, without branches. */
NET_HOT static void forward_2x2(const float *in, size_t w, float *out, unsigned char *won, size_t oh, size_t ow)
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

NET_HOT static void backward_2x2(const float *dout, const unsigned char *won, size_t oh, size_t ow, float *din,
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

static bool plain(const net_layer *l)
{
    return l->kernel == 2 && l->stride == 2 && l->pad == 0 && l->in.h == 2 * l->out.h && l->in.w == 2 * l->out.w;
}

static void pool_plane(const net_layer *l, const float *in, float *out, unsigned char *won)
{
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++, out++, won++) {
            float best = 0;
            *won = NONE;
            for (unsigned ky = 0; ky < l->kernel; ky++)
                for (unsigned kx = 0; kx < l->kernel; kx++) {
                    unsigned y = oy * l->stride + ky, x = ox * l->stride + kx;
                    if (y < l->pad || y - l->pad >= l->in.h || x < l->pad || x - l->pad >= l->in.w) continue;
                    float v = in[(size_t)(y - l->pad) * l->in.w + (x - l->pad)];
                    if (*won == NONE || v > best) {
                        best = v;
                        *won = (unsigned char)(ky * l->kernel + kx);
                    }
                }
            *out = best;
        }
}

static void unpool_plane(const net_layer *l, const float *dout, const unsigned char *won, float *din)
{
    memset(din, 0, (size_t)l->in.h * l->in.w * sizeof *din);
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++, dout++, won++) {
            if (*won == NONE) continue;
            unsigned y = oy * l->stride + *won / l->kernel - l->pad, x = ox * l->stride + *won % l->kernel - l->pad;
            din[(size_t)y * l->in.w + x] += *dout;
        }
}

static void forward(const net_call *c)
{
    const net_layer *l = c->layer;
    size_t in = (size_t)l->in.h * l->in.w, out = (size_t)l->out.h * l->out.w;
    for (size_t i = 0; i < c->n * l->in.c; i++) {
        if (l->wide)
            wide_pool(c->in + i * in, l->in.w, c->out + i * out, c->aux + i * out, l->out.h, l->out.w);
        else if (plain(l))
            forward_2x2(c->in + i * in, l->in.w, c->out + i * out, c->aux + i * out, l->out.h, l->out.w);
        else
            pool_plane(l, c->in + i * in, c->out + i * out, c->aux + i * out);
    }
}

static void backward(const net_call *c)
{
    const net_layer *l = c->layer;
    size_t in = (size_t)l->in.h * l->in.w, out = (size_t)l->out.h * l->out.w;
    if (!c->din) return;
    for (size_t i = 0; i < c->n * l->in.c; i++) {
        if (l->wide)
            wide_unpool(c->dout + i * out, c->aux + i * out, l->out.h, l->out.w, c->din + i * in, l->in.w);
        else if (plain(l))
            backward_2x2(c->dout + i * out, c->aux + i * out, l->out.h, l->out.w, c->din + i * in, l->in.w);
        else
            unpool_plane(l, c->dout + i * out, c->aux + i * out, c->din + i * in);
    }
}

bool net_pool_fits_wide(const net_layer *l)
{
    return plain(l) && l->out.w % 4 == 0 && l->out.h * l->out.w % 8 == 0;
}

static size_t aux(const net_layer *l)
{
    return net_floats(l->out);
}

const net_kind net_max_pool = {"max pooling", false, false, false, NULL,    NULL,
                               NULL,          aux,   NULL,  NULL,  forward, backward};
