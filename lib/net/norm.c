/* norm.c - batch normalisation: moments of every channel over the whole minibatch, and the running sets of them that
 * evaluation takes. Memory is what it waits for: each direction passes twice over the batch, in the order in which it
 * lies there (one channel at a time takes half as long again: its planes share a few sets of the cache), and the second
 * time backwards, beginning with what the first has read last. Sums are float over runs of a few thousand values,
 * double beyond, in an order that depends on the shape only.
 *
 * params: gamma c, beta c, then the sets: mean c, variance c, weight 1. A set's weight moves towards 1 as the others
 * move towards what was measured: it is how much of the set has been measured at all, and not the start. */
#include "net.h"
#include <math.h>
#include <string.h>

#define RUN       4096 /* floats summed in single precision */
#define GROUP     64   /* channels whose sums are kept at once */
#define UNTOUCHED 1e-3 /* sets of less weight together are taken for the start */

/* Eight floats, in whatever vectors the processor has. */
typedef float eight __attribute__((vector_size(32)));

/* Channels first .. first + channels - 1: `floats` in a plane, the next image's `stride` further. */
typedef struct planes {
    size_t n, first, channels, floats, stride;
} planes;

/* packed: what forward leaves to backward, c floats each. */
typedef struct moments {
    float *mean, *variance, *inverse; /* the unbiased variance; 1 / sqrt(biased variance + epsilon) */
} moments;

/* The group that begins with this channel. */
static planes planes_of(const hw__net_call *c, size_t first)
{
    const hw__net_layer *l = c->layer;
    size_t rest = l->in.c - first;
    return (planes){c->n, first, rest < GROUP ? rest : GROUP, (size_t)l->in.h * l->in.w, hw__net_floats(l->in)};
}

static moments moments_of(const hw__net_call *c)
{
    size_t channels = c->layer->in.c;
    return (moments){c->packed, c->packed + channels, c->packed + 2 * channels};
}

static size_t packed(const hw__net_layer *l)
{
    return 3 * (size_t)l->in.c;
}

/* --- sums --------------------------------------------------------------------------------------------------------- */

#define WAYS 4 /* vectors summed side by side, so that none waits for its last addition */

/* Of one channel. */
typedef struct lanes {
    eight value, product;
    float last_value, last_product; /* of the floats that fill no vector */
} lanes;

static inline void add_run(lanes *sum, const float *x, const float *y, size_t n, float from)
{
    eight value[WAYS] = {{0}}, product[WAYS] = {{0}}, d, s;
    size_t i = 0;
    for (; i + 8 * WAYS <= n; i += 8 * WAYS)
        for (int way = 0; way < WAYS; way++) {
            memcpy(&d, x + i + 8 * way, sizeof d);
            memcpy(&s, y + i + 8 * way, sizeof s);
            d -= from;
            s = y == x ? d : s;
            value[way] += s;
            product[way] += d * s;
        }
    for (; i + 8 <= n; i += 8) {
        memcpy(&d, x + i, sizeof d);
        memcpy(&s, y + i, sizeof s);
        d -= from;
        s = y == x ? d : s;
        value[0] += s;
        product[0] += d * s;
    }
    for (; i < n; i++) {
        float last = x[i] - from, factor = y == x ? last : y[i];
        sum->last_value += factor;
        sum->last_product += last * factor;
    }
    sum->value += (value[0] + value[1]) + (value[2] + value[3]);
    sum->product += (product[0] + product[1]) + (product[2] + product[3]);
}

static inline void flush(lanes *sum, double total[2])
{
    total[0] += (double)sum->last_value;
    total[1] += (double)sum->last_product;
    for (int i = 0; i < 8; i++) {
        total[0] += (double)sum->value[i];
        total[1] += (double)sum->product[i];
    }
    memset(sum, 0, sizeof *sum);
}

/* total[channel]: the sum of s, and of (x - from[channel]) s: s is y or, where y is x itself, x - from. */
HW__HOT static void add_planes(const float *x, const float *y, planes p, const float *from, double total[][2])
{
    lanes sum[GROUP];
    size_t held = 0;
    memset(sum, 0, p.channels * sizeof *sum);
    memset(total, 0, p.channels * sizeof *total);
    for (size_t i = 0; i < p.n; i++)
        for (size_t at = 0; at < p.floats; at += RUN) {
            size_t run = p.floats - at < RUN ? p.floats - at : RUN;
            for (size_t k = 0; k < p.channels; k++) {
                size_t begin = i * p.stride + k * p.floats + at;
                add_run(sum + k, x + begin, y + begin, run, from[k]);
            }
            held += run;
            if (held < RUN && i + 1 < p.n) continue;
            for (size_t k = 0; k < p.channels; k++) flush(sum + k, total[k]);
            held = 0;
        }
}

/* Distances are taken from the first image's mean: what the squares lose to the mean's own distance from it is a
 * factor of the images at the very most. */
static void measure(const hw__net_call *c, planes p)
{
    planes one = p;
    const float *in = c->in + p.first * p.floats;
    moments m = moments_of(c);
    float from[GROUP] = {0};
    double total[GROUP][2], count = (double)(p.n * p.floats);
    one.n = 1;
    add_planes(in, in, one, from, total);
    for (size_t k = 0; k < p.channels; k++) from[k] = (float)(total[k][0] / (double)p.floats);
    add_planes(in, in, p, from, total);
    for (size_t k = 0; k < p.channels; k++) {
        double shift = total[k][0] / count, variance = total[k][1] / count - shift * shift;
        if (variance < 0) variance = 0;
        m.mean[p.first + k] = (float)((double)from[k] + shift);
        m.variance[p.first + k] = (float)(count > 1 ? variance * count / (count - 1) : variance);
        m.inverse[p.first + k] = (float)(1 / sqrt(variance + (double)c->layer->epsilon));
    }
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

static inline void normalise_plane(const float *in, float *out, size_t n, float mean, float scale, float shift)
{
    for (size_t i = 0; i < n; i++) out[i] = (in[i] - mean) * scale + shift;
}

HW__HOT static void normalise(const float *in, float *out, planes p, const float *mean, const float *scale,
                              const float *shift)
{
    for (size_t i = p.n; i-- > 0;)
        for (size_t k = 0; k < p.channels; k++) {
            size_t at = i * p.stride + k * p.floats;
            normalise_plane(in + at, out + at, p.floats, mean[k], scale[k], shift[k]);
        }
}

static const float *sets_of(const hw__net_call *c)
{
    return c->params + c->layer->weights + c->layer->biases;
}

/* Evaluation: the mean of all sets, each of them as far as it has been measured. */
static void recall(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    size_t channels = l->in.c, size = 2 * channels + 1;
    const float *sets = sets_of(c);
    moments m = moments_of(c);
    double weight = 0;
    for (size_t i = 0; i < l->copies; i++) weight += (double)sets[i * size + 2 * channels];
    for (size_t k = 0; k < channels; k++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < l->copies; i++) {
            mean += (double)sets[i * size + k];
            variance += (double)sets[i * size + channels + k];
        }
        mean = weight > UNTOUCHED ? mean / weight : 0;
        variance = weight > UNTOUCHED ? variance / weight : 1;
        if (variance < 0) variance = 0; /* NaN stays */
        m.mean[k] = (float)mean;
        m.variance[k] = (float)variance;
        m.inverse[k] = (float)(1 / sqrt(variance + (double)l->epsilon));
    }
}

static void pack(const hw__net_call *c)
{
    if (!c->train) recall(c);
}

static void forward(const hw__net_call *c)
{
    const float *gamma = c->params, *beta = c->params + c->layer->weights;
    moments m = moments_of(c);
    planes p;
    for (size_t first = 0; first < c->layer->in.c; first += p.channels) {
        float scale[GROUP];
        p = planes_of(c, first);
        if (c->train) measure(c, p);
        for (size_t k = 0; k < p.channels; k++) scale[k] = gamma[first + k] * m.inverse[first + k];
        normalise(c->in + first * p.floats, c->out + first * p.floats, p, m.mean + first, scale, beta + first);
    }
}

/* --- backward ----------------------------------------------------------------------------------------------------- */

/* din = scale (dout - constant - (in - mean) slope): what is left of dout when its parts along the constant and along
 * the normalised input are taken out, which the normalisation does not let through. */
typedef struct rest {
    float scale, constant, slope;
} rest;

static inline void project_plane(const float *in, const float *dout, float *din, size_t n, float mean, rest r)
{
    for (size_t i = 0; i < n; i++) din[i] = r.scale * ((dout[i] - r.constant) - (in[i] - mean) * r.slope);
}

HW__HOT static void project(const float *in, const float *dout, float *din, planes p, const float *mean, const rest *r)
{
    for (size_t i = p.n; i-- > 0;)
        for (size_t k = 0; k < p.channels; k++) {
            size_t at = i * p.stride + k * p.floats;
            project_plane(in + at, dout + at, din + at, p.floats, mean[k], r[k]);
        }
}

/* The sets as parameters: this worker's gets gain (r - measured), for which the rule moves it by `share` of the way. */
static void move_sets(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    size_t channels = l->in.c, at = c->copy % l->copies * (2 * channels + 1);
    const float *r = sets_of(c) + at;
    float *g = c->g + l->weights + l->biases;
    moments m = moments_of(c);
    memset(g, 0, l->running * sizeof *g);
    if (c->gain == 0) return;
    g += at;
    for (size_t k = 0; k < channels; k++) {
        g[k] = c->gain * (r[k] - m.mean[k]);
        g[channels + k] = c->gain * (r[channels + k] - m.variance[k]);
    }
    g[2 * channels] = c->gain * (r[2 * channels] - 1);
}

static void backward_group(const hw__net_call *c, planes p)
{
    const float *gamma = c->params, *in = c->in + p.first * p.floats, *dout = c->dout + p.first * p.floats;
    float *dgamma = c->g, *dbeta = c->g + c->layer->weights;
    moments m = moments_of(c);
    double total[GROUP][2], count = (double)(p.n * p.floats);
    rest r[GROUP];
    add_planes(in, dout, p, m.mean + p.first, total);
    for (size_t k = 0; k < p.channels; k++) {
        size_t channel = p.first + k;
        double inverse = (double)m.inverse[channel];
        dgamma[channel] = (float)(inverse * total[k][1]);
        dbeta[channel] = (float)total[k][0];
        r[k].scale = gamma[channel] * m.inverse[channel];
        r[k].constant = (float)(total[k][0] / count);
        r[k].slope = (float)(inverse * inverse * total[k][1] / count);
    }
    if (c->din) project(in, dout, c->din + p.first * p.floats, p, m.mean + p.first, r);
}

static void backward(const hw__net_call *c)
{
    planes p;
    for (size_t first = 0; first < c->layer->in.c; first += p.channels) {
        p = planes_of(c, first);
        backward_group(c, p);
    }
    move_sets(c);
}

const hw__net_kind hw__net_batch_norm = {
    .name = "batch norm",
    .label = "norm",
    .whole = true,
    .needs_input = true,
    .din_in_place = true,
    .packed = packed,
    .pack = pack,
    .forward = forward,
    .backward = backward,
};
