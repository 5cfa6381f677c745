/* activation.c - ReLU, dropout, and the softmax cross-entropy at the end. */
#include "net.h"
#include <math.h>

NET_HOT static void relu_forward_n(const float *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) out[i] = in[i] > 0 ? in[i] : 0;
}

NET_HOT static void relu_backward_n(const float *out, const float *dout, float *din, size_t n)
{
    for (size_t i = 0; i < n; i++) din[i] = out[i] > 0 ? dout[i] : 0;
}

static void relu_forward(const net_call *c)
{
    relu_forward_n(c->in, c->out, c->n * net_floats(c->layer->out));
}

static void relu_backward(const net_call *c)
{
    if (c->din) relu_backward_n(c->out, c->dout, c->din, c->n * net_floats(c->layer->out));
}

const net_kind net_relu = {"ReLU", false, false, true, NULL, NULL, NULL, NULL, NULL, NULL, relu_forward, relu_backward};

static size_t dropout_aux(const net_layer *l)
{
    return net_floats(l->out);
}

static void dropout_forward(const net_call *c)
{
    const net_layer *l = c->layer;
    size_t n = net_floats(l->out);
    float scale = 1 / (1 - l->rate);
    for (size_t i = 0; i < c->n; i++) {
        hw_rng rng;
        hw_rng_seed(&rng, c->seed + 1000003u * (l->number + 1), (c->step << 20) + c->position + i);
        for (size_t j = 0; j < n; j++) {
            bool keep = !c->train || hw_rng_uniform(&rng) >= (double)l->rate;
            c->aux[i * n + j] = keep;
            c->out[i * n + j] = !c->train ? c->in[i * n + j] : keep ? scale * c->in[i * n + j] : 0;
        }
    }
}

static void dropout_backward(const net_call *c)
{
    size_t n = c->n * net_floats(c->layer->out);
    float scale = 1 / (1 - c->layer->rate);
    for (size_t i = 0; c->din && i < n; i++) c->din[i] = c->aux[i] ? scale * c->dout[i] : 0;
}

const net_kind net_dropout = {"dropout", false, false,           false,           NULL, NULL, NULL, dropout_aux,
                              NULL,      NULL,  dropout_forward, dropout_backward};

double net_softmax(const float *out, const unsigned char *label, size_t n, unsigned classes, float scale, float *dout,
                   uint32_t *correct)
{
    double loss = 0;
    for (size_t i = 0; i < n; i++, out += classes) {
        unsigned best = 0;
        for (unsigned j = 1; j < classes; j++)
            if (out[j] > out[best]) best = j;
        double sum = 0;
        for (unsigned j = 0; j < classes; j++) sum += exp((double)(out[j] - out[best]));
        loss += log(sum) - (double)(out[label[i]] - out[best]);
        if (correct) *correct += best == label[i];
        for (unsigned j = 0; dout && j < classes; j++)
            *dout++ = scale * ((float)(exp((double)(out[j] - out[best])) / sum) - (j == label[i]));
    }
    return loss;
}
