/* conv.c - a convolution as a layer: which kernel computes it, groups, biases. in c x h x w, out f x oh x ow, weights
 * f x (c / groups) x k x k. */
#include "net.h"
#include <string.h>

bool net_wide_available(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static size_t up(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* In order of preference; the last one takes everything. Which one takes a shape depends on the shape and the
 * processor only, so results repeat. */
void net_conv_choose(net_layer *l, hw_path path)
{
    static const conv_kernel *const ways[] = {&conv_winograd, &conv_direct, &conv_columns};
    size_t n = sizeof ways / sizeof *ways, i = path == HW_PATH_SCALAR ? n - 1 : 0;
    l->shape = (conv_shape){l->in.c / l->groups, l->in.h,   l->in.w, l->out.c / l->groups, l->out.h,          l->out.w,
                            l->kernel,           l->stride, l->pad,  net_floats(l->in),    net_floats(l->out)};
    while (!ways[i]->takes(&l->shape)) i++;
    l->way = ways[i];
    l->way_packed = up(l->way->packed(&l->shape));
    l->way_sum = up(l->way->sum(&l->shape));
    l->way_block = l->way->block(&l->shape);
}

/* Floats of one group: what the kernel packs, and behind it its sums. */
static size_t group_floats(const net_layer *l)
{
    return l->way_packed + l->way_sum;
}

static size_t packed(const net_layer *l)
{
    return l->groups * group_floats(l);
}

static float *sum_of(const net_call *c, size_t group)
{
    const net_layer *l = c->layer;
    return c->packed + group * group_floats(l) + l->way_packed;
}

static size_t group_weights(const net_layer *l)
{
    return l->weights / l->groups;
}

static void pack(const net_call *c)
{
    const net_layer *l = c->layer;
    for (size_t k = 0; k < l->groups; k++) {
        l->way->pack(&l->shape, c->params + k * group_weights(l), c->packed + k * group_floats(l), c->g != NULL);
        if (c->g) memset(sum_of(c, k), 0, l->way_sum * sizeof(float));
    }
}

static void finish(const net_call *c)
{
    const net_layer *l = c->layer;
    for (size_t k = 0; k < l->groups; k++) l->way->finish(&l->shape, sum_of(c, k), c->g + k * group_weights(l));
}

/* Blocks of as many images as the kernel takes at once. */
static size_t next_block(const net_layer *l, size_t done, size_t n)
{
    return n - done < l->way_block ? n - done : l->way_block;
}

static void forward(const net_call *c)
{
    const net_layer *l = c->layer;
    const conv_shape *s = &l->shape;
    size_t in = net_floats(l->in), out = net_floats(l->out);
    for (size_t i = 0, n; i < c->n; i += n) {
        n = next_block(l, i, c->n);
        for (size_t k = 0; k < l->groups; k++)
            l->way->forward(s, n, c->in + i * in + k * s->c * s->h * s->w, c->packed + k * group_floats(l),
                            l->biases ? c->params + l->weights + k * s->f : NULL,
                            c->out + i * out + k * s->f * s->oh * s->ow, c->work);
    }
}

NET_HOT static void bias_gradient(float *g, const float *dout, size_t f, size_t p, bool first)
{
    for (size_t j = 0; j < f; j++) {
        float lane[32] = {0};
        size_t x = 0;
        for (; x + 32 <= p; x += 32)
            for (int v = 0; v < 32; v++) lane[v] += dout[j * p + x + (size_t)v];
        for (int half = 16; half; half /= 2)
            for (int v = 0; v < half; v++) lane[v] += lane[v + half];
        float sum = lane[0];
        for (; x < p; x++) sum += dout[j * p + x];
        g[j] = first ? sum : g[j] + sum;
    }
}

static void backward(const net_call *c)
{
    const net_layer *l = c->layer;
    const conv_shape *s = &l->shape;
    size_t in = net_floats(l->in), out = net_floats(l->out);
    for (size_t i = 0; l->biases && i < c->n; i++)
        bias_gradient(c->g + l->weights, c->dout + i * out, l->out.c, s->oh * s->ow, c->first && i == 0);
    for (size_t i = 0, n; i < c->n; i += n) {
        n = next_block(l, i, c->n);
        for (size_t k = 0; k < l->groups; k++) {
            size_t from = i * in + k * s->c * s->h * s->w;
            l->way->backward(s, n, c->in + from, c->dout + i * out + k * s->f * s->oh * s->ow,
                             c->packed + k * group_floats(l), sum_of(c, k), c->din ? c->din + from : NULL, c->work);
        }
    }
}

static size_t work(const net_layer *l, size_t n)
{
    (void)n;
    return l->way->work(&l->shape);
}

static size_t block(const net_layer *l)
{
    return l->way_block;
}

static uint64_t multiply_adds(const net_layer *l)
{
    return (uint64_t)l->fan_in * net_floats(l->out);
}

const net_kind net_conv = {.name = "convolution",
                           .label = "conv",
                           .needs_input = true,
                           .packed = packed,
                           .pack = pack,
                           .finish = finish,
                           .work = work,
                           .block = block,
                           .multiply_adds = multiply_adds,
                           .forward = forward,
                           .backward = backward};
