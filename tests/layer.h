/* layer.h - one layer of a net by itself, with parameters, images and gradients of its own. */
#ifndef LAYER_H
#define LAYER_H

#include "check.h"
#include "../lib/net/net.h"
#include "../lib/net/net.h"

typedef struct bench {
    hw__net_layer l;
    hw__net_call c;
    float *params, *g, *in, *out, *dout, *din;
} bench;

static inline float wave(int kind, size_t i, double scale, double shift)
{
    return (float)(shift + scale * sin(0.37 * (double)i + 1.3 * kind + 0.011 * (double)i * (double)i));
}

static inline void fill(float *x, size_t n, int kind, double scale, double shift)
{
    for (size_t i = 0; i < n; i++) x[i] = wave(kind, i, scale, shift);
}

/* Gradients, packed floats and scratch begin as huge numbers: nothing may depend on what was there. */
static inline void *dirty(size_t floats)
{
    void *x = check_floats(floats);
    memset(x, 0xee, floats * sizeof(float));
    return x;
}

static inline void open_bench(bench *b, size_t n)
{
    hw__net_layer *l = &b->l;
    size_t parameters = l->weights + l->biases + l->running;
    b->params = check_floats(parameters);
    b->g = dirty(parameters);
    b->in = check_floats(n * hw__net_floats(l->in));
    b->din = dirty(n * hw__net_floats(l->in));
    b->out = dirty(n * hw__net_floats(l->out));
    b->dout = check_floats(n * hw__net_floats(l->out));
    b->c = (hw__net_call){.layer = l,
                          .params = b->params,
                          .g = b->g,
                          .in = b->in,
                          .out = b->out,
                          .dout = b->dout,
                          .din = b->din,
                          .packed = dirty(l->kind->packed(l)),
                          .work = l->kind->work ? dirty(l->kind->work(l, n)) : NULL,
                          .aux = l->kind->aux ? dirty(n * l->kind->aux(l) / sizeof(float) + 1) : NULL,
                          .first = true,
                          .n = n,
                          .train = true};
}

static inline void close_bench(bench *b)
{
    float *all[] = {b->params, b->g, b->in, b->out, b->dout, b->din, b->c.packed, b->c.work};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    free(b->c.aux);
}

static inline void forward(bench *b)
{
    b->l.kind->pack(&b->c);
    b->l.kind->forward(&b->c);
}

static inline void backward(bench *b)
{
    b->l.kind->backward(&b->c);
    if (b->l.kind->finish) b->l.kind->finish(&b->c);
}

/* Compares n floats and returns where the next ones stand. */
static inline const float *compare(const char *what, const float *x, const float *expected, size_t n, double tolerance)
{
    double worst = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)x[i] - (double)expected[i]);
        scale = fmax(scale, fabs((double)expected[i]));
        if (!(error <= worst)) worst = error; /* what is no number is the worst */
    }
    if (getenv("HOGWILD_SHOW")) printf("    %-24s worst error %.2g at values up to %.3g\n", what, worst, scale);
    if (!(worst <= tolerance * scale)) fail_msg("%s: an error of %g at values up to %g", what, worst, scale);
    return expected + n;
}

#endif
