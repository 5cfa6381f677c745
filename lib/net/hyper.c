/* hyper.c - hyperspherical convolution (Liu et al., "Deep Hyperspherical Learning", linear form): the angle between
 * every patch and every filter, on top of the kernel that computes the convolution's products.
 *
 *     cosine = <w, x> / (|w| |x|),  |v| = sqrt(sum of squares + 1e-4)
 *     out = 1 - 2 / pi acos(cosine)
 *
 * Backward, with d the gradient of the cosine, d = dout 2 / pi / sqrt(1 - cosine^2):
 *
 *     dw = sum over patches of  d / (|w| |x|) x  -  w (sum over patches of d cosine) / |w|^2
 *     dx = sum over filters of  d / (|w| |x|) w  -  x (sum over filters of d cosine) / |x|^2
 *
 * The first terms are a convolution's gradients for d / (|w| |x|) in the place of dout. Where patch and filter are
 * parallel the angle has a kink: 1 - |cosine| is kept at 1e-6, and the slope there is that of the edge, 450, not 0. The
 * cosine is recomputed from the output.
 *
 * packed: the kernel's packed weights, its sum, 1 / |w|, sums of d cosine. aux: 1 / |x| of every patch. */
#include "net.h"
#include "hyper.h"
#include <math.h>
#include <string.h>

static size_t patches(const hw__net_layer *l)
{
    return l->shape.oh * l->shape.ow;
}

static size_t block(const hw__net_layer *l)
{
    return l->kernel_block;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static size_t packed(const hw__net_layer *l)
{
    return l->kernel_packed + l->kernel_sum + 2 * hw__whole_lines(l->shape.f);
}

typedef struct parts {
    float *packed, *sum, *inverse, *filter_sum;
} parts;

static parts parts_of(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    parts p = {.packed = c->packed};
    p.sum = p.packed + l->kernel_packed;
    p.inverse = p.sum + l->kernel_sum;
    p.filter_sum = p.inverse + hw__whole_lines(l->shape.f);
    return p;
}

static size_t aux(const hw__net_layer *l)
{
    return patches(l) * sizeof(float);
}

static float *patch_of(const hw__net_call *c, size_t image)
{
    return (float *)(void *)c->aux + image * patches(c->layer);
}

/* For one block of images: the kernel's own, the gradients of its products, sums of d cosine over filters. */
typedef struct room {
    float *product, *box, *dproduct, *patch_sum;
} room;

static size_t lay_out(const hw__net_layer *l, size_t images, float *work, room *r)
{
    const size_t product = hw__whole_lines(l->kernel->work(&l->shape)),
                 box = hw__whole_lines(hw__hyper_box_floats(&l->shape)),
                 dproduct = hw__whole_lines(images * hw__net_floats(l->out)),
                 patch_sum = hw__whole_lines(images * patches(l));
    if (r) *r = (room){work, work + product, work + product + box, work + product + box + dproduct};
    return product + box + dproduct + patch_sum;
}

static size_t work(const hw__net_layer *l, size_t n)
{
    return lay_out(l, n < block(l) ? n : block(l), NULL, NULL);
}

/* --- filters ------------------------------------------------------------------------------------------------------ */

static void pack(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    parts p = parts_of(c);
    size_t taps = l->weights / l->shape.f;
    l->kernel->pack(&l->shape, c->params, p.packed, c->g != NULL);
    for (size_t k = 0; k < l->shape.f; k++) {
        double square = 0;
        for (size_t i = 0; i < taps; i++) square += (double)c->params[k * taps + i] * (double)c->params[k * taps + i];
        p.inverse[k] = (float)(1 / sqrt(square + (double)HYPER_NORM));
    }
    if (!c->g) return;
    memset(p.sum, 0, l->kernel_sum * sizeof *p.sum);
    memset(p.filter_sum, 0, l->shape.f * sizeof *p.filter_sum);
}

static void finish(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    parts p = parts_of(c);
    size_t taps = l->weights / l->shape.f;
    l->kernel->finish(&l->shape, p.sum, c->g);
    for (size_t k = 0; k < l->shape.f; k++) {
        float share = p.filter_sum[k] * p.inverse[k] * p.inverse[k];
        for (size_t i = 0; i < taps; i++) c->g[k * taps + i] -= share * c->params[k * taps + i];
    }
}

/* --- the reference ------------------------------------------------------------------------------------------------ */

static void inverse_roots(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = 1 / sqrtf(x[i] + HYPER_NORM);
}

static void angles(float *product, size_t f, size_t p, const float *filter, const float *patch)
{
    const float most = 1 - HYPER_CLOSE;
    for (size_t k = 0; k < f; k++)
        for (size_t i = 0; i < p; i++, product++) {
            float cosine = *product * filter[k] * patch[i];
            cosine = cosine > most ? most : cosine < -most ? -most : cosine;
            *product = 1 - HYPER_2_PI * acosf(cosine);
        }
}

static void angles_backward(const float *out, const float *dout, float *dproduct, size_t f, size_t p,
                            const float *filter, const float *patch, float *filter_sum, float *patch_sum)
{
    for (size_t k = 0; k < f; k++) {
        float sum = 0;
        for (size_t i = 0; i < p; i++, out++, dout++, dproduct++) {
            float cosine = sinf(HYPER_PI_2 * *out), sine = sinf(HYPER_PI_2 * (1 - fabsf(*out)));
            float dcosine = HYPER_2_PI * *dout / sine;
            *dproduct = dcosine * filter[k] * patch[i];
            sum += dcosine * cosine;
            patch_sum[i] += dcosine * cosine;
        }
        filter_sum[k] += sum;
    }
}

const hw__hyper_kernel hw__hyper_plain = {
    .inverse_roots = inverse_roots, .forward = angles, .backward = angles_backward};

static const hw__hyper_kernel *kernel_of(const hw__net_layer *l)
{
    return l->wide ? &hw__hyper_wide : &hw__hyper_plain;
}

/* --- the layer ---------------------------------------------------------------------------------------------------- */

static void forward(const hw__net_call *c)
{
    const hw__net_layer *l = c->layer;
    const hw__conv_shape *s = &l->shape;
    const hw__hyper_kernel *kernel = kernel_of(l);
    size_t in = hw__net_floats(l->in), out = hw__net_floats(l->out), most = block(l);
    parts p = parts_of(c);
    room r;
    (void)lay_out(l, 0, c->work, &r);
    for (size_t i = 0; i < c->n; i++) {
        if (i % most == 0)
            l->kernel->forward(s, c->n - i < most ? c->n - i : most, c->in + i * in, p.packed, NULL, c->out + i * out,
                               r.product);
        hw__hyper_box(s, c->in + i * in, patch_of(c, i), r.box);
        kernel->inverse_roots(patch_of(c, i), patches(l));
        kernel->forward(c->out + i * out, s->f, patches(l), p.inverse, patch_of(c, i));
    }
}

/* Images first .. first + n - 1, which the kernel takes at once. */
static void backward_block(const hw__net_call *c, size_t first, size_t n)
{
    const hw__net_layer *l = c->layer;
    const hw__conv_shape *s = &l->shape;
    size_t in = hw__net_floats(l->in), out = hw__net_floats(l->out), m = patches(l);
    const float *from = c->in + first * in;
    float *din = c->din ? c->din + first * in : NULL;
    parts p = parts_of(c);
    room r;
    (void)lay_out(l, n, c->work, &r);
    memset(r.patch_sum, 0, n * m * sizeof *r.patch_sum);
    for (size_t i = 0; i < n; i++)
        kernel_of(l)->backward(c->out + (first + i) * out, c->dout + (first + i) * out, r.dproduct + i * out, s->f, m,
                               p.inverse, patch_of(c, first + i), p.filter_sum, r.patch_sum + i * m);
    l->kernel->backward(s, n, from, r.dproduct, p.packed, p.sum, din, r.product);
    for (size_t i = 0; din && i < n; i++) {
        const float *patch = patch_of(c, first + i);
        float *share = r.patch_sum + i * m;
        for (size_t k = 0; k < m; k++) share[k] *= patch[k] * patch[k];
        hw__hyper_unbox(s, share, from + i * in, din + i * in, r.box);
    }
}

static void backward(const hw__net_call *c)
{
    size_t most = block(c->layer);
    for (size_t i = 0; i < c->n; i += most) backward_block(c, i, c->n - i < most ? c->n - i : most);
}

static uint64_t multiply_adds(const hw__net_layer *l)
{
    return (uint64_t)l->fan_in * hw__net_floats(l->out);
}

const hw__net_kind hw__net_hyper_conv = {
    .name = "hyperspherical",
    .label = "conv",
    .needs_input = true,
    .needs_output = true,
    .packed = packed,
    .pack = pack,
    .finish = finish,
    .aux = aux,
    .work = work,
    .block = block,
    .multiply_adds = multiply_adds,
    .forward = forward,
    .backward = backward,
};
