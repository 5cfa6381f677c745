/* conv.c - a convolution as a layer: which kernel computes it, groups, biases. in c x h x w, out f x oh x ow, weights
 * f x (c / groups) x k x k. */
#include "net.h"
#include <string.h>

/* In order of preference; the last one takes everything. Which one takes a shape depends on the shape and the
 * processor only, so results repeat. */
void hw__net_conv_choose(hw__net_layer *l, hw_path path)
{
    static const hw__conv_kernel *const kernels[] = {&hw__conv_winograd, &hw__conv_direct, &hw__conv_columns};
    size_t n = sizeof kernels / sizeof *kernels, i = path == HW_PATH_SCALAR ? n - 1 : 0;
    l->shape = (hw__conv_shape){l->in.c / l->groups,
                                l->in.h,
                                l->in.w,
                                l->out.c / l->groups,
                                l->out.h,
                                l->out.w,
                                l->window,
                                l->stride,
                                l->pad,
                                hw__net_floats(l->in),
                                hw__net_floats(l->out)};
    while (!kernels[i]->takes(&l->shape)) i++;
    l->kernel = kernels[i];
    l->kernel_packed = hw__whole_lines(l->kernel->packed(&l->shape));
    l->kernel_sum = hw__whole_lines(l->kernel->sum(&l->shape));
    l->kernel_block = l->kernel->block(&l->shape);
}

/* Floats of one group: what the kernel packs, and behind it its sums. */
static size_t group_floats(const hw__net_layer *l)
{
    return l->kernel_packed + l->kernel_sum;
}

static size_t packed(const hw__net_layer *l)
{
    return l->groups * group_floats(l);
}

static float *sum_of(const hw__net_call *c, size_t group)
{
    const hw__net_layer *l = c->layer;
    return c->packed + group * group_floats(l) + l->kernel_packed;
}

static size_t group_weights(const hw__net_layer *l)
{
    return l->weights / l->groups;
}

static void pack(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    for (size_t k = 0; k < l->groups; k++) {
        l->kernel->pack(&l->shape, c->params + k * group_weights(l), c->packed + k * group_floats(l), c->g != NULL);
        if (c->g) memset(sum_of(c, k), 0, l->kernel_sum * sizeof(float));
    }
}

static void finish(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    for (size_t k = 0; k < l->groups; k++) l->kernel->finish(&l->shape, sum_of(c, k), c->g + k * group_weights(l));
}

/* Blocks of as many images as the kernel takes at once. */
static size_t next_block(const hw__net_layer *l, size_t done, size_t n)
{
    return n - done < l->kernel_block ? n - done : l->kernel_block;
}

static void forward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__conv_shape *s = &l->shape;
    size_t in = hw__net_floats(l->in), out = hw__net_floats(l->out);
    for (size_t i = 0, n; i < c->n; i += n) {
        n = next_block(l, i, c->n);
        for (size_t k = 0; k < l->groups; k++)
            l->kernel->forward(s, n, c->in + i * in + k * s->c * s->h * s->w, c->packed + k * group_floats(l),
                               l->biases ? c->params + l->weights + k * s->f : NULL,
                               c->out + i * out + k * s->f * s->oh * s->ow, c->work);
    }
}

HW__HOT static void bias_gradient(float *g, const float *dout, size_t f, size_t p, bool first)
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

static void backward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__conv_shape *s = &l->shape;
    size_t in = hw__net_floats(l->in), out = hw__net_floats(l->out);
    for (size_t i = 0; l->biases && i < c->n; i++)
        bias_gradient(c->g + l->weights, c->dout + i * out, l->out.c, s->oh * s->ow, c->first && i == 0);
    for (size_t i = 0, n; i < c->n; i += n) {
        n = next_block(l, i, c->n);
        for (size_t k = 0; k < l->groups; k++) {
            size_t from = i * in + k * s->c * s->h * s->w;
            l->kernel->backward(s, n, c->in + from, c->dout + i * out + k * s->f * s->oh * s->ow,
                                c->packed + k * group_floats(l), sum_of(c, k), c->din ? c->din + from : NULL, c->work);
        }
    }
}

static size_t work(const hw__net_layer *l, size_t n)
{
    (void)n;
    return l->kernel->work(&l->shape);
}

static size_t block(const hw__net_layer *l)
{
    return l->kernel_block;
}

static uint64_t multiply_adds(const hw__net_layer *l)
{
    return (uint64_t)l->fan_in * hw__net_floats(l->out);
}

const hw__net_kind hw__net_conv = {.name = "convolution",
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
