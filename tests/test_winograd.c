/* test_winograd.c - the Winograd convolution against a plain convolution in double precision: all three products, many
 * shapes, strided images, memory beyond the outputs, and the same bits twice. */
#include "check.h"
#include "../lib/conv/winograd.h"

/* The same once more without AVX-512, so that both forms are tested where the processor has both. */
static const winograd_steps *none(void)
{
    return NULL;
}
#define hw__conv_winograd   narrow_winograd
#define hw__winograd_avx512 none
#include "../lib/conv/winograd.c"
#undef hw__conv_winograd
#undef hw__winograd_avx512

enum { GUARD = 40 };
static const float UNTOUCHED = 12345.5f;

typedef struct setting {
    size_t c, h, w, f, k, pad, n, gap; /* gap: floats between images */
} setting;

static hw__conv_shape shape_of(const setting *t)
{
    size_t oh = t->h + 2 * t->pad - t->k + 1, ow = t->w + 2 * t->pad - t->k + 1;
    return (hw__conv_shape){
        t->c, t->h, t->w, t->f, oh, ow, t->k, 1, t->pad, t->c * t->h * t->w + t->gap, t->f * oh * ow + t->gap};
}

/* Numbers in (-1, 1) from a counter. */
static float noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 40) / 8388608.0 - 1.0);
}

static float *noisy(size_t n, uint64_t seed)
{
    float *x = check_floats(n);
    for (size_t i = 0; i < n; i++) x[i] = noise(&seed);
    return x;
}

/* An array of n floats with marks before and behind it, off the alignment of vectors. */
static float *guarded(size_t n)
{
    float *x = check_floats(n + 2 * GUARD + 1);
    for (size_t i = 0; i < n + 2 * GUARD + 1; i++) x[i] = UNTOUCHED;
    return x + GUARD + 1;
}

static void drop_guarded(float *x, size_t n)
{
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(x[n + i] == UNTOUCHED);
        assert_true(x[-1 - (ptrdiff_t)i] == UNTOUCHED);
    }
    free(x - GUARD - 1);
}

/* What lies between the images is untouched. */
static void check_gaps(const float *x, size_t n, size_t image, size_t stride)
{
    for (size_t i = 0; i + 1 < n; i++)
        for (size_t j = image; j < stride; j++) assert_true(x[i * stride + j] == UNTOUCHED);
}

typedef struct error {
    double rms, worst; /* over the root mean square of what is expected */
} error;

/* Images are `stride` apart in x. */
static error error_of(const float *x, const double *y, size_t n, size_t image, size_t stride)
{
    double worst = 0, sum = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < image; j++) {
            double expected = y[i * image + j];
            double difference = x[i * stride + j] - expected;
            if (isnan(difference)) return (error){INFINITY, INFINITY};
            worst = fmax(worst, fabs(difference));
            sum += difference * difference;
            square += expected * expected;
        }
    double scale = sqrt(square / (double)(n * image));
    return (error){sqrt(sum / square), worst / scale};
}

/* All three products of one image are added to y, dw and dx. */
static void reference(const hw__conv_shape *s, const float *in, const float *dout, const float *weights, double *y,
                      double *dw, double *dx)
{
    for (size_t f = 0; f < s->f; f++)
        for (size_t c = 0; c < s->c; c++)
            for (size_t ky = 0; ky < s->k; ky++)
                for (size_t kx = 0; kx < s->k; kx++) {
                    size_t at = ((f * s->c + c) * s->k + ky) * s->k + kx;
                    double w = weights[at], sum = 0;
                    for (size_t oy = 0; oy < s->oh; oy++) {
                        size_t iy = oy + ky - s->pad; /* wraps round to a large number above the image */
                        if (iy >= s->h) continue;
                        size_t from = kx < s->pad ? s->pad - kx : 0, to = s->w + s->pad > kx ? s->w + s->pad - kx : 0;
                        if (to > s->ow) to = s->ow;
                        size_t out = (f * s->oh + oy) * s->ow, x = (c * s->h + iy) * s->w + kx - s->pad;
                        for (size_t ox = from; ox < to; ox++) {
                            y[out + ox] += w * (double)in[x + ox];
                            dx[x + ox] += w * (double)dout[out + ox];
                            sum += (double)in[x + ox] * (double)dout[out + ox];
                        }
                    }
                    dw[at] += sum;
                }
}

static double *doubles(size_t n)
{
    double *x = calloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

typedef struct errors {
    error forward, weights, input;
} errors;

/* Two calls of n images each, the second adding to sum; the outputs are those of the second. */
static errors run(const setting *t, const hw__conv_kernel *kernel)
{
    hw__conv_shape s = shape_of(t);
    size_t image = s.c * s.h * s.w, result = s.f * s.oh * s.ow, kk = s.f * s.c * s.k * s.k, n = t->n;
    float *in = noisy(2 * n * s.in_stride + 1, 1), *dout = noisy(2 * n * s.out_stride + 1, 2), *w = noisy(kk, 3),
          *bias = noisy(s.f, 4);
    size_t sums = kernel->sum(&s), packs = kernel->packed(&s), works = kernel->work(&s);
    float *packed = check_floats(packs + 16), *sum = check_floats(sums + 16), *work = check_floats(works + 16);
    memset(packed, 0x4e, (packs + 16) * sizeof *packed); /* nothing may depend on what was there */
    memset(work, 0x4e, (works + 16) * sizeof *work);
    float mark = packed[packs], *g = guarded(kk), *out = guarded(n * s.out_stride), *din = guarded(n * s.in_stride);
    double *y = doubles(n * result), *dw = doubles(kk), *dx = doubles(n * image), *unused = doubles(result + image);

    kernel->pack(&s, w, packed, true);
    for (size_t call = 0; call < 2; call++) {
        const float *x = in + 1 + call * n * s.in_stride, *d = dout + 1 + call * n * s.out_stride; /* not aligned */
        kernel->forward(&s, n, x, packed, bias, out, work);
        kernel->backward(&s, n, x, d, packed, sum, call ? din : NULL, work);
        for (size_t i = 0; i < n; i++)
            reference(&s, x + i * s.in_stride, d + i * s.out_stride, w, call ? y + i * result : unused, dw,
                      call ? dx + i * image : unused + result);
    }
    kernel->finish(&s, sum, g);
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < s.f; f++)
            for (size_t p = 0; p < s.oh * s.ow; p++) y[i * result + f * s.oh * s.ow + p] += (double)bias[f];
    for (size_t i = 0; i < 16; i++) {
        assert_memory_equal(&packed[packs + i], &mark, sizeof mark);
        assert_memory_equal(&work[works + i], &mark, sizeof mark);
        assert_true(sum[sums + i] == 0);
    }
    check_gaps(out, n, result, s.out_stride);
    check_gaps(din, n, image, s.in_stride);
    errors e = {error_of(out, y, n, result, s.out_stride), error_of(g, dw, 1, kk, kk),
                error_of(din, dx, n, image, s.in_stride)};
    drop_guarded(g, kk);
    drop_guarded(out, n * s.out_stride);
    drop_guarded(din, n * s.in_stride);
    void *memory[] = {in, dout, w, bias, packed, sum, work, y, dw, dx, unused};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) free(memory[i]);
    return e;
}

/* Errors are sums of roundings, so the largest of n numbers is a few times their root mean square. */
static void check_error(const setting *t, const char *name, error e)
{
    double rms = t->k == 3 ? 2.5e-6 : 8e-6, worst = 12 * rms;
    if (getenv("HOGWILD_VERBOSE")) print_message("  %s %.1e (worst %.1e)", name, e.rms, e.worst);
    if (!(e.rms <= rms && e.worst <= worst)) {
        print_error("c %zu h %zu w %zu f %zu k %zu pad %zu n %zu: %s is %.2g off, at worst %.2g\n", t->c, t->h, t->w,
                    t->f, t->k, t->pad, t->n, name, e.rms, e.worst);
        fail();
    }
}

static void check(const setting *t)
{
    const hw__conv_kernel *kernels[] = {&hw__conv_winograd, &narrow_winograd};
    for (size_t i = 0; i < (hw__winograd_avx512() ? 2 : 1); i++) {
        errors e = run(t, kernels[i]);
        if (getenv("HOGWILD_VERBOSE"))
            print_message("\n(%zu, %zu, %zu, %zu, %zu, %zu) x %zu:", t->c, t->h, t->w, t->f, t->k, t->pad, t->n);
        check_error(t, "forward", e.forward);
        check_error(t, "weights", e.weights);
        check_error(t, "input", e.input);
    }
}

static void need_processor(void)
{
    if (!hw__winograd_avx2()) skip();
}

static void small_shapes(void **state)
{
    (void)state;
    need_processor();
    static const size_t sides[][2] = {{5, 5}, {6, 9}, {7, 5}, {8, 8}, {11, 13}, {10, 17}};
    static const size_t channels[][2] = {{1, 1}, {1, 9}, {3, 16}, {17, 2}, {8, 8}, {20, 33}, {16, 49}};
    for (size_t k = 3; k <= 5; k += 2)
        for (size_t pad = 0; pad < k; pad++)
            for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
                for (size_t j = 0; j < sizeof channels / sizeof *channels; j++) {
                    size_t turn = i + j + pad;
                    if (check_slow() && turn % 4) continue;
                    check(&(setting){channels[j][0], sides[i][0], sides[i][1], channels[j][1], k, pad, 1 + turn % 3,
                                     turn % 2 * 7});
                }
}

/* Images as small as the kernel, or smaller: only the border makes outputs. */
static void tiny_images(void **state)
{
    (void)state;
    need_processor();
    check(&(setting){5, 3, 3, 4, 3, 0, 2, 0});
    check(&(setting){5, 1, 1, 4, 3, 1, 2, 3});
    check(&(setting){5, 1, 2, 4, 3, 2, 2, 0});
    check(&(setting){5, 1, 1, 4, 5, 2, 1, 0});
    check(&(setting){2, 3, 1, 21, 5, 4, 3, 1});
}

/* An image of more tiles than a chunk, rows longer than one, and blocks of images. */
static void chunks(void **state)
{
    (void)state;
    need_processor();
    check(&(setting){3, 61, 50, 5, 3, 1, 1, 0});
    check(&(setting){5, 50, 39, 3, 5, 2, 2, 9});
    check(&(setting){2, 9, 700, 3, 3, 1, 1, 0});
    check(&(setting){2, 9, 500, 3, 5, 2, 1, 0});
    for (size_t side = 6; side <= 14; side += 4)
        for (size_t k = 3; k <= 5; k += 2) {
            setting t = {6, side, side, 7, k, k / 2, 1, 0};
            hw__conv_shape s = shape_of(&t);
            t.n = hw__conv_winograd.block(&s);
            assert_true(t.n >= 1);
            check(&t);
            t.n = t.n / 2 + 1;
            check(&t);
        }
}

/* Those of known nets; the largest with fewer images, which the reference is slow at. */
static void known_shapes(void **state)
{
    (void)state;
    need_processor();
    static const setting known[] = {
        {32, 16, 16, 32, 5, 2, 1, 0}, {32, 8, 8, 64, 5, 2, 2, 0},   {3, 32, 32, 32, 5, 2, 1, 0},
        {20, 12, 12, 50, 5, 0, 2, 0}, {16, 32, 32, 16, 3, 1, 1, 0}, {32, 16, 16, 32, 3, 1, 1, 0},
        {64, 8, 8, 64, 3, 1, 2, 0},   {96, 32, 32, 96, 3, 1, 1, 0}, {192, 16, 16, 192, 3, 1, 1, 0},
        {384, 8, 8, 384, 3, 1, 1, 0}, {6, 14, 14, 16, 5, 0, 2, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!check_slow() || known[i].c < 96) check(&known[i]);
}

typedef struct results {
    float *out, *g, *din;
} results;

static results results_of(const hw__conv_kernel *kernel, const hw__conv_shape *s, size_t n, const float *in,
                          const float *dout, const float *weights)
{
    size_t kk = s->f * s->c * s->k * s->k;
    results r = {check_floats(n * s->out_stride), check_floats(kk), check_floats(n * s->in_stride)};
    float *packed = check_floats(kernel->packed(s)), *sum = check_floats(kernel->sum(s)),
          *work = check_floats(kernel->work(s));
    kernel->pack(s, weights, packed, true);
    kernel->forward(s, n, in, packed, NULL, r.out, work);
    kernel->backward(s, n, in, dout, packed, sum, r.din, work);
    kernel->finish(s, sum, r.g);
    float *forward_only = check_floats(kernel->packed(s)), *again = check_floats(n * s->out_stride);
    kernel->pack(s, weights, forward_only, false);
    kernel->forward(s, n, in, forward_only, NULL, again, work);
    assert_memory_equal(again, r.out, n * s->out_stride * sizeof *again);
    float *memory[] = {packed, sum, work, forward_only, again};
    for (size_t i = 0; i < 5; i++) free(memory[i]);
    return r;
}

/* Twice the same, whatever the vectors and whether a backward pass follows. */
static void same_bits(void **state)
{
    (void)state;
    need_processor();
    static const setting settings[] = {
        {19, 14, 17, 35, 3, 1, 3, 0}, {35, 9, 14, 19, 5, 2, 3, 0}, {5, 30, 31, 4, 3, 2, 1, 0}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const setting *t = settings + i;
        hw__conv_shape s = shape_of(t);
        size_t kk = s.f * s.c * s.k * s.k, n = t->n;
        float *in = noisy(n * s.in_stride, 5), *dout = noisy(n * s.out_stride, 6), *w = noisy(kk, 7);
        results first = results_of(&hw__conv_winograd, &s, n, in, dout, w);
        const hw__conv_kernel *kernels[] = {&hw__conv_winograd, &narrow_winograd};
        for (size_t j = 0; j < 2; j++) {
            results r = results_of(kernels[j], &s, n, in, dout, w);
            assert_memory_equal(r.out, first.out, n * s.out_stride * sizeof(float));
            assert_memory_equal(r.g, first.g, kk * sizeof(float));
            assert_memory_equal(r.din, first.din, n * s.in_stride * sizeof(float));
            float *memory[] = {r.out, r.g, r.din};
            for (size_t m = 0; m < 3; m++) free(memory[m]);
        }
        float *memory[] = {in, dout, w, first.out, first.g, first.din};
        for (size_t m = 0; m < 6; m++) free(memory[m]);
    }
}

static bool taken(setting t, size_t stride)
{
    hw__conv_shape s = shape_of(&t);
    s.oh = (s.oh - 1) / stride + 1;
    s.ow = (s.ow - 1) / stride + 1;
    s.stride = stride;
    return hw__conv_winograd.takes(&s);
}

static void what_it_takes(void **state)
{
    (void)state;
    need_processor();
    assert_true(taken((setting){32, 16, 16, 32, 5, 2, 1, 0}, 1));
    assert_true(taken((setting){16, 32, 32, 16, 3, 1, 1, 0}, 1));
    assert_true(taken((setting){6, 14, 14, 16, 5, 0, 1, 0}, 1));
    assert_false(taken((setting){32, 16, 16, 32, 5, 2, 1, 0}, 2)); /* stride */
    assert_false(taken((setting){32, 16, 16, 32, 1, 0, 1, 0}, 1)); /* kernels */
    assert_false(taken((setting){32, 16, 16, 32, 7, 3, 1, 0}, 1));
    assert_false(taken((setting){32, 16, 16, 32, 3, 3, 1, 0}, 1)); /* a border as wide as the kernel */
    assert_false(taken((setting){1, 28, 28, 20, 5, 0, 1, 0}, 1));  /* too little to multiply */
    assert_false(taken((setting){8, 5, 5, 4, 5, 0, 1, 0}, 1));     /* tiles nearly empty */
    assert_false(taken((setting){8, 32, 32, 8, 3, 1, 1, 0}, 1));   /* vectors half empty */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small_shapes), cmocka_unit_test(tiny_images),
                                       cmocka_unit_test(chunks),       cmocka_unit_test(known_shapes),
                                       cmocka_unit_test(same_bits),    cmocka_unit_test(what_it_takes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
