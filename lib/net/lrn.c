/* lrn.c - local response normalisation across channels, with size n and k = 1 (Krizhevsky et al. 2012, section 3.3, as
 * Caffe and PyTorch scale alpha):
 *
 *     s_c = 1 + alpha / n * sum of in_j^2 over the n channels j around c        out_c = in_c s_c^-beta
 *     din_c = dout_c s_c^-beta - 2 alpha beta / n in_c * sum of dout_j in_j s_j^(-beta - 1) over the same channels j
 *
 * Backward makes the scales again: to keep them would cost as much memory as the outputs. Channels are taken in strips
 * of pixels that stay in the first-level cache. */
#include "net.h"
#include <math.h>
#include <string.h>

#define STRIP 32 /* pixels of every channel */

/* Channels first .. end - 1. */
typedef struct around {
    size_t first, end;
} around;

static around around_of(const hw__net_layer *l, size_t c)
{
    size_t half = l->size / 2, end = c + half + 1;
    return (around){c < half ? 0 : c - half, end < l->in.c ? end : l->in.c};
}

/* Squares of a strip, channels x STRIP; pixels beyond `n` are 0. */
HW__HOT static void squares_of(const float *in, size_t channels, size_t plane, size_t n, float *squares)
{
    for (size_t c = 0; c < channels; c++, in += plane, squares += STRIP) {
        if (n < STRIP) memset(squares, 0, STRIP * sizeof *squares);
        for (size_t x = 0; x < n; x++) squares[x] = in[x] * in[x];
    }
}

HW__HOT static void add_up(const float *rows, around a, float *restrict sum)
{
    for (size_t x = 0; x < STRIP; x++) sum[x] = 0;
    for (size_t j = a.first; j < a.end; j++)
        for (size_t x = 0; x < STRIP; x++) sum[x] += rows[j * STRIP + x];
}

/* s of channel c, and s^-beta: for Caffe's beta, 0.75, by two roots. */
static void scales(const hw__net_layer *l, const float *squares, size_t c, float *s, float *power)
{
    float alpha = l->alpha / (float)l->size;
    add_up(squares, around_of(l, c), s);
    for (size_t x = 0; x < STRIP; x++) s[x] = 1 + alpha * s[x];
    for (size_t x = 0; x < STRIP; x++) power[x] = l->beta == 0.75f ? sqrtf(sqrtf(s[x])) / s[x] : powf(s[x], -l->beta);
}

#if HW__X86_64
#include <immintrin.h>

/* The same for beta 0.75, bit for bit; a compiler makes no vectors of sqrtf, which may set errno. */
__attribute__((target("avx2"))) static void scales_wide(const hw__net_layer *l, const float *squares, size_t c,
                                                        float *s, float *power)
{
    const __m256 alpha = _mm256_set1_ps(l->alpha / (float)l->size), one = _mm256_set1_ps(1);
    around a = around_of(l, c);
    for (size_t x = 0; x < STRIP; x += 8) {
        __m256 sum = _mm256_setzero_ps();
        for (size_t j = a.first; j < a.end; j++) sum = _mm256_add_ps(sum, _mm256_loadu_ps(squares + j * STRIP + x));
        sum = _mm256_add_ps(one, _mm256_mul_ps(alpha, sum));
        _mm256_storeu_ps(s + x, sum);
        _mm256_storeu_ps(power + x, _mm256_div_ps(_mm256_sqrt_ps(_mm256_sqrt_ps(sum)), sum));
    }
}
#else
#define scales_wide scales
#endif

HW__HOT static void multiply(const float *a, const float *b, float *to, size_t n)
{
    for (size_t x = 0; x < n; x++) to[x] = a[x] * b[x];
}

static void forward_strip(const hw__net_call *c, const float *in, float *out, size_t n)
{
    const hw__net_layer *l = c->layer;
    size_t plane = (size_t)l->in.h * l->in.w;
    float s[STRIP], power[STRIP];
    bool wide = l->wide && l->beta == 0.75f;
    squares_of(in, l->in.c, plane, n, c->work);
    for (size_t channel = 0; channel < l->in.c; channel++) {
        (wide ? scales_wide : scales)(l, c->work, channel, s, power);
        multiply(in + channel * plane, power, out + channel * plane, n);
    }
}

/* One channel's dout in s^(-beta - 1), from its scale. */
HW__HOT static void pull(const float *restrict in, const float *restrict dout, const float *restrict s,
                         const float *restrict power, float *restrict pulls, size_t n)
{
    for (size_t x = 0; x < n; x++) pulls[x] = dout[x] * in[x] * power[x] / s[x];
}

HW__HOT static void combine(const float *restrict in, const float *dout, const float *restrict power,
                            const float *restrict sum, float factor, float *din, size_t n)
{
    for (size_t x = 0; x < n; x++) din[x] = dout[x] * power[x] - factor * in[x] * sum[x];
}

static void backward_strip(const hw__net_call *c, const float *in, const float *dout, float *din, size_t n)
{
    const hw__net_layer *l = c->layer;
    size_t channels = l->in.c, plane = (size_t)l->in.h * l->in.w;
    float *squares = c->work, *power = squares + channels * STRIP, *pulls = power + channels * STRIP, sum[STRIP],
          s[STRIP], factor = 2 * l->alpha * l->beta / (float)l->size;
    bool wide = l->wide && l->beta == 0.75f;
    squares_of(in, channels, plane, n, squares);
    for (size_t i = 0; i < channels; i++) {
        (wide ? scales_wide : scales)(l, squares, i, s, power + i * STRIP);
        pull(in + i * plane, dout + i * plane, s, power + i * STRIP, pulls + i * STRIP, n);
    }
    for (size_t i = 0; i < channels; i++) {
        add_up(pulls, around_of(l, i), sum);
        combine(in + i * plane, dout + i * plane, power + i * STRIP, sum, factor, din + i * plane, n);
    }
}

static void forward(const hw__net_call *c)
{
    size_t plane = (size_t)c->layer->in.h * c->layer->in.w, floats = hw__net_floats(c->layer->in);
    for (size_t i = 0; i < c->n; i++)
        for (size_t x = 0; x < plane; x += STRIP)
            forward_strip(c, c->in + i * floats + x, c->out + i * floats + x, plane - x < STRIP ? plane - x : STRIP);
}

static void backward(const hw__net_call *c)
{
    size_t plane = (size_t)c->layer->in.h * c->layer->in.w, floats = hw__net_floats(c->layer->in);
    for (size_t i = 0; c->din && i < c->n; i++)
        for (size_t x = 0; x < plane; x += STRIP) {
            size_t at = i * floats + x;
            backward_strip(c, c->in + at, c->dout + at, c->din + at, plane - x < STRIP ? plane - x : STRIP);
        }
}

static size_t work(const hw__net_layer *l, size_t n)
{
    (void)n;
    return 3 * (size_t)l->in.c * STRIP;
}

const hw__net_kind hw__net_lrn = {.name = "response normalisation",
                                  .needs_input = true,
                                  .din_in_place = true,
                                  .work = work,
                                  .forward = forward,
                                  .backward = backward};
