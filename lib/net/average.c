/* average.c - average pooling with Caffe's rounding up, and the mean of whole channels.
 *
 * A window is clipped to the padded image, and its sum, over what lies inside the image, divided by what is left of it:
 * cells of the padding count as zeros, cells beyond it do not count. */
#include "wide_pool.h"
#include <string.h>

/* Of one axis: the window's cells in the padded image, and those inside it, from .. to - 1. */
typedef struct span {
    unsigned cells, from, to;
} span;

static unsigned at_most(unsigned x, unsigned limit)
{
    return x < limit ? x : limit;
}

static span span_of(const hw__net_layer *l, unsigned at, unsigned in)
{
    unsigned pad = l->pad, end = in + 2 * pad; /* from, to and end are `pad` further than the image */
    unsigned from = at_most(at * l->stride, end), to = at_most(from + l->window, end);
    return (span){to - from, at_most(from < pad ? 0 : from - pad, in), at_most(to < pad ? 0 : to - pad, in)};
}

static float share_of(span y, span x)
{
    unsigned cells = y.cells * x.cells;
    return cells ? 1.0f / (float)cells : 0;
}

static void pool_plane(const hw__net_layer *l, const float *in, float *out)
{
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++) {
            span y = span_of(l, oy, l->in.h), x = span_of(l, ox, l->in.w);
            float sum = 0;
            for (size_t i = y.from; i < y.to; i++) {
                float row = 0;
                for (size_t j = x.from; j < x.to; j++) row += in[i * l->in.w + j];
                sum += row;
            }
            *out++ = sum * share_of(y, x);
        }
}

static void unpool_plane(const hw__net_layer *l, const float *dout, float *din)
{
    memset(din, 0, (size_t)l->in.h * l->in.w * sizeof *din);
    for (unsigned oy = 0; oy < l->out.h; oy++)
        for (unsigned ox = 0; ox < l->out.w; ox++) {
            span y = span_of(l, oy, l->in.h), x = span_of(l, ox, l->in.w);
            float d = *dout++ * share_of(y, x);
            for (size_t i = y.from; i < y.to; i++)
                for (size_t j = x.from; j < x.to; j++) din[i * l->in.w + j] += d;
        }
}

static void forward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__pool_kernel *wide = l->wide ? hw__wide_pool_kernel(l, true) : NULL;
    const hw__pool_shape s = hw__wide_pool_shape(l, c->n);
    if (wide) {
        wide->forward(&s, c->in, c->out, NULL);
        return;
    }
    for (size_t i = 0; i < s.planes; i++) pool_plane(l, c->in + i * s.h * s.w, c->out + i * s.oh * s.ow);
}

static void backward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__pool_kernel *wide = l->wide ? hw__wide_pool_kernel(l, true) : NULL;
    const hw__pool_shape s = hw__wide_pool_shape(l, c->n);
    if (!c->din) return;
    if (wide) {
        wide->backward(&s, c->dout, NULL, c->din);
        return;
    }
    for (size_t i = 0; i < s.planes; i++) unpool_plane(l, c->dout + i * s.oh * s.ow, c->din + i * s.h * s.w);
}

const hw__net_kind hw__net_average_pool = {.name = "average pooling", .forward = forward, .backward = backward};

/* --- the mean of every channel ------------------------------------------------------------------------------------ */

/* Sixteen sums side by side, so that the loop vectorises and rounding grows slowly. */
HW__HOT static float sum_of(const float *x, size_t n)
{
    float part[16] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t k = 0; k < 16; k++) part[k] += x[i + k];
    for (; i < n; i++) part[i % 16] += x[i];
    for (size_t k = 0; k < 16; k++) sum += part[k];
    return sum;
}

static void global_forward(const hw__net_call *c)
{
    size_t plane = (size_t)c->layer->in.h * c->layer->in.w, planes = c->n * c->layer->in.c;
    for (size_t i = 0; i < planes; i++) c->out[i] = sum_of(c->in + i * plane, plane) / (float)plane;
}

HW__HOT static void spread(const float *dout, float *din, size_t planes, size_t plane)
{
    for (size_t i = 0; i < planes; i++, din += plane) {
        float d = dout[i] / (float)plane;
        for (size_t k = 0; k < plane; k++) din[k] = d;
    }
}

static void global_backward(const hw__net_call *c)
{
    size_t plane = (size_t)c->layer->in.h * c->layer->in.w;
    if (c->din) spread(c->dout, c->din, c->n * c->layer->in.c, plane);
}

const hw__net_kind hw__net_global_average = {
    .name = "global average", .forward = global_forward, .backward = global_backward};
