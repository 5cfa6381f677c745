/* dense.c - fully connected: out n x o = in n x i times weights (o x i) transposed, plus biases; the whole batch. */
#include "../conv/product.h"
#include "net.h"

static void forward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    size_t in = hw__net_floats(l->in), out = l->out.c;
    hw__product_dots(l->wide, c->n, out, in, c->in, c->params, l->biases ? c->params + l->weights : NULL, c->out);
}

/* Sums of columns, as many at once as stay in registers. */
HW__HOT static void bias_gradient(float *restrict g, const float *restrict dout, size_t n, size_t out)
{
    enum { AT_ONCE = 32 };
    size_t j = 0;
    for (; j + AT_ONCE <= out; j += AT_ONCE) {
        float sum[AT_ONCE] = {0};
        for (size_t i = 0; i < n; i++)
            for (size_t l = 0; l < AT_ONCE; l++) sum[l] += dout[i * out + j + l];
        for (size_t l = 0; l < AT_ONCE; l++) g[j + l] = sum[l];
    }
    for (; j < out; j++) {
        float sum = 0;
        for (size_t i = 0; i < n; i++) sum += dout[i * out + j];
        g[j] = sum;
    }
}

static void backward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    size_t in = hw__net_floats(l->in), out = l->out.c;
    hw__product_sums(l->wide, true, out, in, c->n, c->dout, c->in, c->g);
    if (l->biases) bias_gradient(c->g + l->weights, c->dout, c->n, out);
    if (c->din) hw__product_sums(l->wide, false, c->n, in, out, c->dout, c->params, c->din);
}

static uint64_t multiply_adds(const hw__net_layer *l)
{
    return (uint64_t)hw__net_floats(l->in) * l->out.c;
}

const hw__net_kind hw__net_dense = {.name = "dense",
                                    .label = "fc",
                                    .whole = true,
                                    .needs_input = true,
                                    .multiply_adds = multiply_adds,
                                    .forward = forward,
                                    .backward = backward};
