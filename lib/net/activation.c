/* activation.c - ReLU, dropout, the addition of two outputs, and the softmax cross-entropy at the end. */
#include "net.h"
#include <math.h>
#include <string.h>

/* Where a layer may work in place there are two loops: clang makes vectors of one only where it can tell the arrays
 * apart, or sees that there is one. */
HW__HOT static void rectify(const float *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = in[i] > 0 ? in[i] : 0;
}

HW__HOT static void rectify_over(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = x[i] > 0 ? x[i] : 0;
}

/* The gradient is loaded whether it is wanted or not: another reason for vectors. */
HW__HOT static void pass_where_positive(const float *out, const float *dout, float *din, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float d = dout[i];
        din[i] = out[i] > 0 ? d : 0;
    }
}

HW__HOT static void clear_elsewhere(const float *out, float *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float own = d[i];
        d[i] = out[i] > 0 ? own : 0;
    }
}

static void relu_forward(const hw__net_call *c)
{
    size_t n = c->n * hw__net_floats(c->layer->out);
    if (c->in == c->out)
        rectify_over(c->out, n);
    else
        rectify(c->in, c->out, n);
}

static void relu_backward(const hw__net_call *c)
{
    size_t n = c->n * hw__net_floats(c->layer->out);
    if (c->din == c->dout && c->din)
        clear_elsewhere(c->out, c->din, n);
    else if (c->din)
        pass_where_positive(c->out, c->dout, c->din, n);
}

const hw__net_kind hw__net_relu = {.name = "ReLU",
                                   .needs_output = true,
                                   .in_place = true,
                                   .din_in_place = true,
                                   .forward = relu_forward,
                                   .backward = relu_backward};

/* --- dropout ------------------------------------------------------------------------------------------------------ */

static size_t dropout_aux(const hw__net_layer *l)
{
    return hw__net_floats(l->out);
}

/* One image's mask: the same for every thread and every split of the minibatch. */
static void draw_mask(const hw__net_call *c, size_t image, unsigned char *keep, size_t n)
{
    hw_rng rng;
    hw_rng_seed(&rng, c->seed + 1000003u * (c->layer->number + 1), (c->step << 20) + c->position + image);
    for (size_t j = 0; j < n; j++) keep[j] = hw_rng_uniform(&rng) >= (double)c->layer->rate;
}

HW__HOT static void mask(const float *in, const unsigned char *keep, float scale, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float scaled = scale * in[i];
        out[i] = keep[i] ? scaled : 0;
    }
}

static void dropout_forward(const hw__net_call *c)
{
    size_t n = hw__net_floats(c->layer->out);
    if (!c->train) {
        if (c->out != c->in) memcpy(c->out, c->in, c->n * n * sizeof *c->out);
        return;
    }
    for (size_t i = 0; i < c->n; i++) draw_mask(c, i, c->aux + i * n, n);
    mask(c->in, c->aux, 1 / (1 - c->layer->rate), c->out, c->n * n);
}

static void dropout_backward(const hw__net_call *c)
{
    if (c->din) mask(c->dout, c->aux, 1 / (1 - c->layer->rate), c->din, c->n * hw__net_floats(c->layer->out));
}

const hw__net_kind hw__net_dropout = {.name = "dropout",
                                      .in_place = true,
                                      .din_in_place = true,
                                      .aux = dropout_aux,
                                      .forward = dropout_forward,
                                      .backward = dropout_backward};

/* --- addition ----------------------------------------------------------------------------------------------------- */

HW__HOT static void sum_of(const float *a, const float *b, float *sum, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] = a[i] + b[i];
}

HW__HOT static void add_to(float *sum, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] += x[i];
}

static void add_forward(const hw__net_call *c)
{
    size_t n = c->n * hw__net_floats(c->layer->out);
    if (c->in == c->out)
        add_to(c->out, c->also, n);
    else
        sum_of(c->in, c->also, c->out, n);
}

const hw__net_kind hw__net_add = {.name = "addition", .in_place = true, .passes = true, .forward = add_forward};

/* --- the loss ----------------------------------------------------------------------------------------------------- */

double hw__net_softmax(const float *out, const unsigned char *label, size_t n, unsigned classes, float smoothing,
                       float scale, float *dout, uint32_t *correct)
{
    float other = smoothing / (float)classes; /* target of every class; the label's is 1 - smoothing more */
    double loss = 0;
    for (size_t i = 0; i < n; i++, out += classes) {
        unsigned best = 0;
        for (unsigned j = 1; j < classes; j++)
            if (out[j] > out[best]) best = j;
        double sum = 0, all = 0;
        for (unsigned j = 0; j < classes; j++) sum += exp((double)(out[j] - out[best]));
        for (unsigned j = 0; smoothing > 0 && j < classes; j++) all += (double)(out[j] - out[best]);
        loss += log(sum) - (1 - (double)smoothing) * (double)(out[label[i]] - out[best]) - (double)other * all;
        if (correct) *correct += best == label[i];
        for (unsigned j = 0; dout && j < classes; j++) {
            float target = j == label[i] ? 1 - smoothing + other : other;
            *dout++ = scale * ((float)(exp((double)(out[j] - out[best])) / sum) - target);
        }
    }
    return loss;
}
