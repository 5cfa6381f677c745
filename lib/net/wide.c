/* wide.c - direct convolution in AVX2: no im2col, register tiles of 5 x 2 vectors.
 *
 * All three products of a convolution have the same inner shape: two vectors of eight pixels (or filters) and five
 * broadcast scalars make ten accumulators, which is enough to keep both multiply-add units busy. */
#include "wide.h"
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2,fma")))
#define INLINE __attribute__((target("avx2,fma"), always_inline)) static inline
#define T      WIDE_FILTERS

bool wide_available(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

size_t wide_forward_floats(const wide_shape *s)
{
    return (s->f + T - 1) / T * T * s->c * s->k * s->k;
}

void wide_pack_forward(const wide_shape *s, const float *weights, float *packed)
{
    size_t kk = s->c * s->k * s->k;
    for (size_t f = 0; f < s->f; f += T)
        for (size_t i = 0; i < kk; i++)
            for (size_t t = 0; t < T; t++) *packed++ = f + t < s->f ? weights[(f + t) * kk + i] : 0;
}

/* The accumulators are local to this function, so that they stay in registers. out: two vectors of T filters. */
INLINE void forward_tile(const wide_shape *s, size_t k, const float *a, const float *b, const float *weights,
                         const float *bias, float *out)
{
    size_t plane = s->h * s->w, width = s->w, channels = s->c;
    __m256 acc[T][2];
    for (int t = 0; t < T; t++) acc[t][0] = acc[t][1] = _mm256_broadcast_ss(bias + t);
    for (size_t c = 0; c < channels; c++, a += plane, b += plane)
        for (size_t ky = 0; ky < k; ky++)
            for (size_t kx = 0; kx < k; kx++, weights += T) {
                __m256 x = _mm256_loadu_ps(a + ky * width + kx), y = _mm256_loadu_ps(b + ky * width + kx);
                for (int t = 0; t < T; t++) {
                    __m256 weight = _mm256_broadcast_ss(weights + t);
                    acc[t][0] = _mm256_fmadd_ps(weight, x, acc[t][0]);
                    acc[t][1] = _mm256_fmadd_ps(weight, y, acc[t][1]);
                }
            }
    for (int t = 0; t < T; t++) {
        _mm256_storeu_ps(out + 16 * t, acc[t][0]);
        _mm256_storeu_ps(out + 16 * t + 8, acc[t][1]);
    }
}

AVX2 void wide_forward(const wide_shape *s, const float *in, const float *packed, const float *bias, float *out)
{
    size_t row = s->ow / 8, vectors = s->oh * row, pixels = s->oh * s->ow, kk = s->c * s->k * s->k;
    for (size_t f = 0; f < s->f; f += T, packed += T * kk) {
        size_t filters = s->f - f < T ? s->f - f : T;
        float start[T] = {0}, tile[16 * T];
        if (bias) memcpy(start, bias + f, filters * sizeof *start);
        for (size_t v = 0; v < vectors; v += 2) {
            size_t u = v + 1 < vectors ? v + 1 : v; /* an odd last one is done twice */
            const float *a = in + v / row * s->w + v % row * 8, *b = in + u / row * s->w + u % row * 8;
            if (s->k == 5)
                forward_tile(s, 5, a, b, packed, start, tile);
            else if (s->k == 3)
                forward_tile(s, 3, a, b, packed, start, tile);
            else
                forward_tile(s, s->k, a, b, packed, start, tile);
            for (size_t t = 0; t < filters; t++) {
                float *to = out + (f + t) * pixels;
                _mm256_storeu_ps(to + v * 8, _mm256_loadu_ps(tile + 16 * t));
                _mm256_storeu_ps(to + u * 8, _mm256_loadu_ps(tile + 16 * t + 8));
            }
        }
    }
}

/* --- gradient of the weights ----------------------------------------------------------------------------------------
 */

size_t wide_filters_padded(const wide_shape *s)
{
    return (s->f + 7) / 8 * 8;
}

AVX2 static void transpose(const float *in, size_t rows, size_t columns, float *out, size_t stride)
{
    /* out[column][row], 8 x 8 blocks through registers; rows beyond are zero. */
    for (size_t r = 0; r < stride; r += 8)
        for (size_t c = 0; c < columns; c += 8) {
            __m256 x[8], y[8];
            for (size_t i = 0; i < 8; i++)
                x[i] = r + i < rows ? _mm256_loadu_ps(in + (r + i) * columns + c) : _mm256_setzero_ps();
            for (int i = 0; i < 4; i++) {
                y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
                y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
            }
            for (int i = 0; i < 2; i++) {
                x[4 * i] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0x44);
                x[4 * i + 1] = _mm256_shuffle_ps(y[4 * i], y[4 * i + 2], 0xee);
                x[4 * i + 2] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0x44);
                x[4 * i + 3] = _mm256_shuffle_ps(y[4 * i + 1], y[4 * i + 3], 0xee);
            }
            for (size_t i = 0; i < 4; i++) {
                _mm256_storeu_ps(out + (c + i) * stride + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
                _mm256_storeu_ps(out + (c + i + 4) * stride + r, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
            }
        }
}

/* n kernel columns (n <= T) x one or two vectors of filters, over all pixels. */
INLINE void weights_tile(const wide_shape *s, const float *in, const float *filters, size_t stride, size_t n, bool two,
                         float *sum)
{
    __m256 acc[T][2];
    for (size_t t = 0; t < n; t++) {
        acc[t][0] = _mm256_loadu_ps(sum + t * stride);
        if (two) acc[t][1] = _mm256_loadu_ps(sum + t * stride + 8);
    }
    for (size_t y = 0; y < s->oh; y++, in += s->w)
        for (size_t x = 0; x < s->ow; x++, filters += stride) {
            __m256 a = _mm256_loadu_ps(filters), b = two ? _mm256_loadu_ps(filters + 8) : a;
            for (size_t t = 0; t < n; t++) {
                __m256 pixel = _mm256_broadcast_ss(in + x + t);
                acc[t][0] = _mm256_fmadd_ps(pixel, a, acc[t][0]);
                if (two) acc[t][1] = _mm256_fmadd_ps(pixel, b, acc[t][1]);
            }
        }
    for (size_t t = 0; t < n; t++) {
        _mm256_storeu_ps(sum + t * stride, acc[t][0]);
        if (two) _mm256_storeu_ps(sum + t * stride + 8, acc[t][1]);
    }
}

INLINE void weights_columns(const wide_shape *s, const float *in, const float *filters, size_t stride, size_t n,
                            float *sum)
{
    size_t f = 0;
    for (; f + 16 <= stride; f += 16) weights_tile(s, in, filters + f, stride, n, true, sum + f);
    if (f < stride) weights_tile(s, in, filters + f, stride, n, false, sum + f);
}

AVX2 void wide_weights(const wide_shape *s, const float *in, const float *dout, float *work, float *sum)
{
    size_t stride = wide_filters_padded(s);
    transpose(dout, s->f, s->oh * s->ow, work, stride);
    for (size_t c = 0; c < s->c; c++)
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t kx = 0; kx < s->k; kx += T) {
                const float *from = in + (c * s->h + ky) * s->w + kx;
                float *to = sum + ((c * s->k + ky) * s->k + kx) * stride;
                size_t n = s->k - kx < T ? s->k - kx : T;
                if (n == 5)
                    weights_columns(s, from, work, stride, 5, to);
                else if (n == 3)
                    weights_columns(s, from, work, stride, 3, to);
                else
                    weights_columns(s, from, work, stride, n, to);
            }
}

void wide_weights_finish(const wide_shape *s, const float *sum, float *g)
{
    size_t stride = wide_filters_padded(s), kk = s->c * s->k * s->k;
    for (size_t f = 0; f < s->f; f++)
        for (size_t i = 0; i < kk; i++) g[f * kk + i] = sum[i * stride + f];
}

/* --- gradient of the input -------------------------------------------------------------------------------------------
 */

size_t wide_backward_floats(const wide_shape *s)
{
    return s->c * s->k * s->f * ((s->k + T - 1) / T * T);
}

void wide_pack_backward(const wide_shape *s, const float *weights, float *packed)
{
    for (size_t c = 0; c < s->c; c++)
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t kx = 0; kx < s->k; kx += T)
                for (size_t f = 0; f < s->f; f++)
                    for (size_t t = 0; t < T; t++)
                        *packed++ = kx + t < s->k ? weights[((f * s->c + c) * s->k + ky) * s->k + kx + t] : 0;
}

/* One buffer of h rows a kernel column; rows have room for the shifts on both sides. */
static size_t shifted_row(const wide_shape *s)
{
    return s->ow + 2 * (s->k - 1) + 16;
}

size_t wide_input_floats(const wide_shape *s)
{
    return (s->k + T - 1) / T * T * s->h * shifted_row(s);
}

AVX2 static void input_tile(const float *a, const float *b, size_t plane, size_t filters, const float *weights,
                            float *to_a, float *to_b, size_t column)
{
    __m256 acc[T][2];
    for (int t = 0; t < T; t++) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
    for (size_t f = 0; f < filters; f++, a += plane, b += plane, weights += T) {
        __m256 x = _mm256_loadu_ps(a), y = _mm256_loadu_ps(b);
        for (int t = 0; t < T; t++) {
            __m256 weight = _mm256_broadcast_ss(weights + t);
            acc[t][0] = _mm256_fmadd_ps(weight, x, acc[t][0]);
            acc[t][1] = _mm256_fmadd_ps(weight, y, acc[t][1]);
        }
    }
    for (size_t t = 0; t < T; t++) {
        _mm256_storeu_ps(to_a + t * column, _mm256_add_ps(_mm256_loadu_ps(to_a + t * column), acc[t][0]));
        if (to_b) _mm256_storeu_ps(to_b + t * column, _mm256_add_ps(_mm256_loadu_ps(to_b + t * column), acc[t][1]));
    }
}

AVX2 void wide_input(const wide_shape *s, const float *dout, const float *packed, float *work, float *din)
{
    size_t row = s->ow / 8, vectors = s->oh * row, pixels = s->oh * s->ow, stride = shifted_row(s),
           column = s->h * stride, lead = s->k - 1;
    for (size_t c = 0; c < s->c; c++) {
        memset(work, 0, wide_input_floats(s) * sizeof *work);
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t kx = 0; kx < s->k; kx += T, packed += s->f * T)
                for (size_t v = 0; v < vectors; v += 2) {
                    /* Sums of kernel column kx stay unshifted in a buffer of their own: no store overlaps a later load.
                     */
                    bool pair = v + 1 < vectors;
                    size_t u = pair ? v + 1 : v;
                    float *to = work + kx * column + ky * stride + lead;
                    input_tile(dout + v * 8, dout + u * 8, pixels, s->f, packed, to + v / row * stride + v % row * 8,
                               pair ? to + u / row * stride + u % row * 8 : NULL, column);
                }
        for (size_t y = 0; y < s->h; y++) {
            float *out = din + (c * s->h + y) * s->w;
            size_t x = 0;
            for (; x < s->w; x += 8) {
                __m256 sum = _mm256_setzero_ps();
                for (size_t kx = 0; kx < s->k; kx++)
                    sum = _mm256_add_ps(sum, _mm256_loadu_ps(work + kx * column + y * stride + lead + x - kx));
                if (x + 8 <= s->w) {
                    _mm256_storeu_ps(out + x, sum);
                } else {
                    float rest[8];
                    _mm256_storeu_ps(rest, sum);
                    memcpy(out + x, rest, (s->w - x) * sizeof *rest);
                }
            }
        }
    }
}

/* --- as a kernel ----------------------------------------------------------------------------------------------------
 */

static wide_shape shape_of(const conv_shape *s)
{
    return (wide_shape){s->c, s->h + 2 * s->pad, s->w + 2 * s->pad, s->f, s->oh, s->ow, s->k};
}

static size_t padded(const conv_shape *s)
{
    return (s->c * (s->h + 2 * s->pad) * (s->w + 2 * s->pad) + 15) / 16 * 16;
}

static bool takes(const conv_shape *s)
{
    return wide_available() && s->stride == 1 && s->ow % 8 == 0;
}

static size_t block(const conv_shape *s)
{
    (void)s;
    return 1;
}

static size_t packed(const conv_shape *s)
{
    wide_shape w = shape_of(s);
    return wide_forward_floats(&w) + wide_backward_floats(&w);
}

static size_t sum_floats(const conv_shape *s)
{
    wide_shape w = shape_of(s);
    return w.c * w.k * w.k * wide_filters_padded(&w);
}

static size_t work(const conv_shape *s)
{
    wide_shape w = shape_of(s);
    size_t transposed = s->oh * s->ow * wide_filters_padded(&w), input = wide_input_floats(&w);
    return padded(s) + (transposed > input ? transposed : input);
}

static void pack(const conv_shape *s, const float *weights, float *to, bool backward)
{
    wide_shape w = shape_of(s);
    wide_pack_forward(&w, weights, to);
    if (backward) wide_pack_backward(&w, weights, to + wide_forward_floats(&w));
}

/* The image with its border of zeros, in `to`; the image itself where there is none. */
static const float *with_border(const conv_shape *s, const float *in, float *to)
{
    if (!s->pad) return in;
    size_t w = s->w + 2 * s->pad, h = s->h + 2 * s->pad;
    memset(to, 0, s->c * h * w * sizeof *to);
    for (size_t ch = 0; ch < s->c; ch++)
        for (size_t y = 0; y < s->h; y++)
            memcpy(to + (ch * h + y + s->pad) * w + s->pad, in + (ch * s->h + y) * s->w, s->w * sizeof *to);
    return to;
}

static void without_border(const conv_shape *s, const float *from, float *in)
{
    size_t w = s->w + 2 * s->pad, h = s->h + 2 * s->pad;
    for (size_t ch = 0; ch < s->c; ch++)
        for (size_t y = 0; y < s->h; y++)
            memcpy(in + (ch * s->h + y) * s->w, from + (ch * h + y + s->pad) * w + s->pad, s->w * sizeof *in);
}

static void forward(const conv_shape *s, size_t n, const float *in, const float *weights, const float *bias, float *out,
                    float *room)
{
    wide_shape w = shape_of(s);
    for (size_t i = 0; i < n; i++)
        wide_forward(&w, with_border(s, in + i * s->in_stride, room), weights, bias, out + i * s->out_stride);
}

static void backward(const conv_shape *s, size_t n, const float *in, const float *dout, const float *weights,
                     float *sum, float *din, float *room)
{
    wide_shape w = shape_of(s);
    float *rest = room + padded(s);
    for (size_t i = 0; i < n; i++, dout += s->out_stride) {
        wide_weights(&w, with_border(s, in + i * s->in_stride, room), dout, rest, sum);
        if (!din) continue;
        float *to = din + i * s->in_stride;
        wide_input(&w, dout, weights + wide_forward_floats(&w), rest, s->pad ? room : to);
        if (s->pad) without_border(s, room, to);
    }
}

static void finish(const conv_shape *s, const float *sum, float *g)
{
    wide_shape w = shape_of(s);
    wide_weights_finish(&w, sum, g);
}

const conv_kernel conv_wide = {.name = "wide",
                               .takes = takes,
                               .block = block,
                               .packed = packed,
                               .sum = sum_floats,
                               .work = work,
                               .pack = pack,
                               .forward = forward,
                               .backward = backward,
                               .finish = finish};

#else

bool wide_available(void)
{
    return false;
}

static bool takes(const conv_shape *s)
{
    (void)s;
    return false;
}

const conv_kernel conv_wide = {.name = "wide", .takes = takes};

#endif
