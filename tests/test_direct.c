/* test_direct.c - hw__conv_direct against a convolution in double precision written here: many shapes, images that are
 * not aligned and lie apart, sums over two calls, memory beyond what is asked for, the same bits twice. */
#include "check.h"
#include "../lib/conv/direct.h"

/* hw__conv_direct once more with one of its widths hidden, so that each is tested where the processor has both. */
static const direct_steps *hidden;

static const direct_steps *shown_avx2(void)
{
    return hw__direct_avx2() == hidden ? NULL : hw__direct_avx2();
}

static const direct_steps *shown_avx512(void)
{
    return hw__direct_avx512() == hidden ? NULL : hw__direct_avx512();
}
#define hw__conv_direct   shown_direct
#define hw__direct_avx2   shown_avx2
#define hw__direct_avx512 shown_avx512
#include "../lib/conv/direct.c"
#undef hw__conv_direct
#undef hw__direct_avx2
#undef hw__direct_avx512

static uint32_t seed = 1;

static float drawn(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

static size_t below(size_t n)
{
    return (size_t)((double)(drawn() + 1) / 2 * (double)n) % n;
}

static hw__conv_shape shape(size_t c, size_t h, size_t w, size_t f, size_t k, size_t stride, size_t pad)
{
    hw__conv_shape s = {c,      h,   w, f, (h + 2 * pad - k) / stride + 1, (w + 2 * pad - k) / stride + 1, k,
                        stride, pad, 0, 0};
    s.in_stride = c * h * w;
    s.out_stride = f * s.oh * s.ow;
    return s;
}

/* --- the reference --------------------------------------------------------------------------------------------------
 */

typedef struct reference {
    double *out, *g, *din;
} reference;

/* The products of one tap of one output, in all three sums. */
static void products_of(const hw__conv_shape *s, const float *in, const float *weights, const float *dout, size_t o,
                        size_t w, reference *r, double *sum)
{
    size_t f = o / (s->oh * s->ow), y = o / s->ow % s->oh, x = o % s->ow;
    for (size_t ky = 0; ky < s->k; ky++)
        for (size_t kx = 0; kx < s->k; kx++) {
            size_t iy = y * s->stride + ky - s->pad, ix = x * s->stride + kx - s->pad;
            if (iy >= s->h || ix >= s->w) continue; /* before the first wraps around */
            size_t i = (w * s->h + iy) * s->w + ix, j = ((f * s->c + w) * s->k + ky) * s->k + kx;
            *sum += (double)in[i] * weights[j];
            r->g[j] += (double)in[i] * dout[o];
            r->din[i] += (double)weights[j] * dout[o];
        }
}

static void refer(const hw__conv_shape *s, size_t n, const float *in, const float *weights, const float *bias,
                  const float *dout, reference *r)
{
    for (size_t image = 0; image < n; image++)
        for (size_t o = 0; o < s->f * s->oh * s->ow; o++) {
            double sum = bias ? bias[o / (s->oh * s->ow)] : 0;
            reference here = {r->out, r->g, r->din + image * s->in_stride};
            for (size_t c = 0; c < s->c; c++)
                products_of(s, in + image * s->in_stride, weights, dout + image * s->out_stride, o, c, &here, &sum);
            r->out[image * s->out_stride + o] = sum;
        }
}

/* --- comparison -----------------------------------------------------------------------------------------------------
 */

static const float SENTINEL = 12345.5f;

/* n images of `size` floats, `stride` apart: the rms of the errors is at most 2e-6 of the reference's, none is five
 * times that, and not a float between images is written. */
static void compare(const char *what, const hw__conv_shape *s, const float *got, const double *expected, size_t n,
                    size_t size, size_t stride)
{
    double square = 0, errors = 0, worst = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < stride; j++) {
            size_t at = i * stride + j;
            if (j >= size) {
                if (got[at] != SENTINEL) fail_msg("%s: written beyond image %zu, at %zu", what, i, j - size);
                continue;
            }
            square += expected[at] * expected[at];
            double error = fabs((double)got[at] - expected[at]);
            errors += error * error;
            if (!(error <= worst)) worst = error; /* NaN counts */
        }
    if (!size) return;
    double rms = sqrt(square / (double)(n * size)), typical = sqrt(errors / (double)(n * size));
    if (typical <= 2e-6 * rms && worst <= 1e-5 * rms) return;
    fail_msg("%s of (%zu,%zu,%zu,%zu,%zu,%zu,%zu) x %zu: errors %.3g, at most %.3g, of rms %.3g", what, s->c, s->h,
             s->w, s->f, s->k, s->stride, s->pad, n, typical, worst, rms);
}

/* Memory of a test: every array has `slack` floats beyond its end, and images begin `shift` floats off a line. */
enum { SLACK = 16 };

static float *floats(size_t n, float value, bool random)
{
    float *x = check_floats(n + 2 * SLACK);
    for (size_t i = 0; i < n + 2 * SLACK; i++) x[i] = random ? drawn() : value;
    return x;
}

static void unwritten(const char *what, const float *x, size_t n)
{
    for (size_t i = 0; i < SLACK; i++)
        if (x[n + i] != SENTINEL) fail_msg("%s: written %zu floats beyond the end", what, i);
}

typedef struct results {
    float *out, *g, *din, *sum;
} results;

/* What the caller of a kernel does in a pass: pack, forward, backward `calls` times, finish. */
static void run(const hw__conv_kernel *kernel, const hw__conv_shape *s, size_t n, const float *in, const float *weights,
                const float *bias, const float *dout, bool wants_din, size_t calls, const results *r)
{
    size_t packed_floats = kernel->packed(s), sum_floats = kernel->sum(s), work_floats = kernel->work(s);
    float *packed = floats(packed_floats, SENTINEL, false), *work = floats(work_floats, SENTINEL, false);
    for (size_t i = 0; i < sum_floats; i++) r->sum[i] = 0;
    kernel->pack(s, weights, packed, true);
    unwritten("packed", packed, packed_floats);
    kernel->forward(s, n, in, packed, bias, r->out, work);
    unwritten("work of forward", work, work_floats);
    for (size_t i = 0; i < calls; i++)
        kernel->backward(s, n, in, dout, packed, r->sum, wants_din ? r->din : NULL, work);
    unwritten("work of backward", work, work_floats);
    unwritten("sum", r->sum, sum_floats);
    kernel->finish(s, r->sum, r->g);
    free(packed);
    free(work);
}

/* Twice the same, and right. wants_din: floats of an image of din that are wanted. */
static void check_kernel(const hw__conv_kernel *kernel, const hw__conv_shape *s, size_t n, size_t shift,
                         const float *in, const float *weights, const float *bias, const float *dout, size_t wants_din,
                         const reference *r)
{
    size_t taps = s->f * s->c * s->k * s->k, out_size = s->f * s->oh * s->ow;
    size_t in_floats = n * s->in_stride, out_floats = n * s->out_stride;
    results got[2];
    for (size_t twice = 0; twice < 2; twice++) {
        got[twice] = (results){floats(out_floats, SENTINEL, false) + shift, floats(taps, SENTINEL, false),
                               floats(in_floats, SENTINEL, false) + shift, floats(kernel->sum(s), SENTINEL, false)};
        run(kernel, s, n, in, weights, bias, dout, wants_din != 0, 2, &got[twice]);
        unwritten("out", got[twice].out, out_floats);
        unwritten("g", got[twice].g, taps);
        unwritten("din", got[twice].din, in_floats);
    }
    compare("out", s, got[0].out, r->out, n, out_size, s->out_stride);
    compare("g", s, got[0].g, r->g, 1, taps, taps);
    compare("din", s, got[0].din, r->din, n, wants_din, s->in_stride);
    assert_memory_equal(got[0].out, got[1].out, out_floats * sizeof(float));
    assert_memory_equal(got[0].g, got[1].g, taps * sizeof(float));
    assert_memory_equal(got[0].din, got[1].din, in_floats * sizeof(float));
    for (size_t twice = 0; twice < 2; twice++) {
        free(got[twice].out - shift);
        free(got[twice].din - shift);
        free(got[twice].g);
        free(got[twice].sum);
    }
}

static void check_shape(hw__conv_shape s, size_t n, size_t apart, size_t shift, bool has_bias, bool wants_din)
{
    size_t in_size = s.in_stride, taps = s.f * s.c * s.k * s.k;
    s.in_stride += apart;
    s.out_stride += 2 * apart;
    size_t in_floats = n * s.in_stride, out_floats = n * s.out_stride;
    float *in = floats(in_floats, 0, true) + shift, *dout = floats(out_floats, 0, true) + shift;
    float *weights = floats(taps, 0, true), *bias = floats(s.f, 0, true);
    reference r = {calloc(out_floats, sizeof(double)), calloc(taps, sizeof(double)), calloc(in_floats, sizeof(double))};
    refer(&s, n, in, weights, has_bias ? bias : NULL, dout, &r);
    for (size_t i = 0; i < taps; i++) r.g[i] *= 2;
    check_kernel(&hw__conv_direct, &s, n, shift, in, weights, has_bias ? bias : NULL, dout, wants_din ? in_size : 0,
                 &r);
    const direct_steps *hide[] = {hw__direct_avx512(), hw__direct_avx2()};
    for (size_t i = 0; i < 2 && hide[0] && hide[1]; i++) {
        hidden = hide[i];
        check_kernel(&shown_direct, &s, n, shift, in, weights, has_bias ? bias : NULL, dout, wants_din ? in_size : 0,
                     &r);
    }
    free(in - shift);
    free(dout - shift);
    free(weights);
    free(bias);
    free(r.out);
    free(r.g);
    free(r.din);
}

static bool available(void)
{
    hw__conv_shape s = shape(1, 8, 8, 1, 3, 1, 1);
    return hw__conv_direct.takes(&s);
}

/* --- tests ----------------------------------------------------------------------------------------------------------
 */

static void shapes_of_nets(void **state)
{
    (void)state;
    if (!available()) skip();
    static const size_t nets[][7] = {
        {3, 32, 32, 6, 5, 1, 0},   {6, 14, 14, 16, 5, 1, 0},  {3, 32, 32, 32, 5, 1, 2},  {32, 16, 16, 32, 5, 1, 2},
        {32, 8, 8, 64, 5, 1, 2},   {3, 32, 32, 16, 3, 1, 1},  {16, 32, 32, 32, 3, 2, 1}, {32, 16, 16, 64, 3, 2, 1},
        {16, 32, 32, 32, 1, 2, 0}, {32, 16, 16, 64, 1, 2, 0}, {1, 28, 28, 20, 5, 1, 0},  {20, 12, 12, 50, 5, 1, 0},
        {3, 67, 67, 96, 11, 4, 0},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        const size_t *a = nets[i];
        hw__conv_shape s = shape(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
        assert_true(hw__conv_direct.takes(&s));
        check_shape(s, 1, 0, 0, true, i % 2);
        if (!check_slow()) check_shape(s, 2, 5, 3, i % 2, true);
    }
}

/* Every kernel, stride and border, with channels, filters and sizes drawn. */
static void drawn_shapes(void **state)
{
    (void)state;
    if (!available()) skip();
    static const size_t kernels[] = {1, 2, 3, 5, 7, 11};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        for (size_t stride = 1; stride <= 4; stride++)
            for (size_t pad = 0; pad < kernels[i]; pad++)
                for (size_t round = 0; round < (check_slow() ? 2 : 6); round++) {
                    size_t k = kernels[i], least = k > 2 * pad ? k - 2 * pad : 1, most = k > 5 ? 5 : 15;
                    size_t c = 1 + below(most), f = 1 + below(34), h = least + below(13), w = least + below(30);
                    size_t n = 1 + below(2), apart = below(9), shift = below(16);
                    check_shape(shape(c, h, w, f, k, stride, pad), n, apart, shift, round % 2, round % 3);
                }
}

/* Every rest of a row after whole vectors, and every number of filters in a tile. */
static void every_width(void **state)
{
    (void)state;
    if (!available()) skip();
    for (size_t pad = 0; pad < 2; pad++)
        for (size_t width = 1; width <= 34; width++)
            for (size_t f = 1; f <= (check_slow() ? 5 : 17); f++)
                check_shape(shape(2, 3 + width % 3, width + 2, f + (check_slow() ? width % 12 : 0), 3, 1, pad), 1, 1,
                            width % 16, true, true);
}

static void blocks(void **state)
{
    (void)state;
    if (!available()) skip();
    hw__conv_shape small = shape(3, 9, 11, 6, 3, 1, 1), strided = shape(5, 9, 11, 18, 3, 2, 1);
    assert_true(hw__conv_direct.block(&small) >= 1);
    check_shape(small, hw__conv_direct.block(&small), 7, 1, true, true);
    check_shape(strided, hw__conv_direct.block(&strided), 0, 2, false, true);
}

/* Borders as wide as the kernel, larger strides and planes of a few outputs are left to others, yet computed rightly.
 */
static void refusals(void **state)
{
    (void)state;
    if (!available()) skip();
    hw__conv_shape wide_border = shape(2, 8, 8, 4, 3, 1, 3), stride = shape(2, 32, 32, 4, 3, 5, 1),
                   plane = shape(16, 5, 5, 12, 5, 1, 0);
    assert_false(hw__conv_direct.takes(&wide_border));
    assert_false(hw__conv_direct.takes(&stride));
    assert_false(hw__conv_direct.takes(&plane));
    check_shape(wide_border, 1, 0, 0, true, true);
    check_shape(stride, 1, 0, 0, true, true);
    check_shape(plane, 1, 0, 0, true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_nets), cmocka_unit_test(drawn_shapes), cmocka_unit_test(every_width),
        cmocka_unit_test(blocks),         cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
