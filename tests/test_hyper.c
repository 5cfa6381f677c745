/* test_hyper.c - hyperspherical convolution: the layer by itself against PyTorch's values, the angles against double
 * precision, and in a net against differences. */
#include "layer.h"
#include "../lib/net/hyper.h"
#include "golden/norm.h"

static void hyper_bench(bench *b, const unsigned s[8], hw_path path)
{
    unsigned h = (s[2] + 2 * s[7] - s[5]) / s[6] + 1, w = (s[3] + 2 * s[7] - s[5]) / s[6] + 1;
    *b = (bench){.l = {.kind = &hw__net_hyper_conv,
                       .in = {s[1], s[2], s[3]},
                       .out = {s[4], h, w},
                       .window = s[5],
                       .stride = s[6],
                       .pad = s[7],
                       .groups = 1,
                       .fan_in = (size_t)s[1] * s[5] * s[5],
                       .weights = (size_t)s[4] * s[1] * s[5] * s[5],
                       .wide = path != HW_PATH_SCALAR && hw__cpu_avx2()}};
    hw__net_conv_choose(&b->l, path);
    open_bench(b, s[0]);
}

static void hyper_matches_pytorch(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2 * sizeof golden_hypers / sizeof *golden_hypers; k++) {
        const unsigned *s = golden_hypers[k / 2];
        const float *expected = golden_hyper[k / 2];
        bench b;
        hyper_bench(&b, s, k % 2 ? HW_PATH_AUTO : HW_PATH_SCALAR);
        size_t in = s[0] * hw__net_floats(b.l.in), out = s[0] * hw__net_floats(b.l.out);
        fill(b.in, in, 3, 1, 0);
        fill(b.params, b.l.weights, 4, 0.4, 0);
        fill(b.dout, out, 5, 1, 0);
        forward(&b);
        backward(&b);
        expected = compare("hyper: output", b.out, expected, out, 1e-6);
        expected = compare("hyper: input gradient", b.din, expected, in, 3e-6);
        (void)compare("hyper: weights' gradient", b.g, expected, b.l.weights, 3e-6);
        /* Image by image, in another order of sums; the input's gradient not wanted. */
        float *whole = malloc(b.l.weights * sizeof *whole);
        memcpy(whole, b.g, b.l.weights * sizeof *whole);
        memset(b.g, 0xee, b.l.weights * sizeof *b.g);
        b.l.kind->pack(&b.c);
        for (size_t i = 0; i < s[0]; i++) {
            hw__net_call c = b.c;
            c.n = 1;
            c.in += i * hw__net_floats(b.l.in);
            c.out += i * hw__net_floats(b.l.out);
            c.dout += i * hw__net_floats(b.l.out);
            c.aux += i * b.l.kind->aux(&b.l);
            c.din = NULL;
            c.first = i == 0;
            b.l.kind->forward(&c);
            b.l.kind->backward(&c);
        }
        b.l.kind->finish(&b.c);
        (void)compare("hyper: image by image", b.g, whole, b.l.weights, 1e-6);
        free(whole);
        close_bench(&b);
    }
}

/* More images than a kernel takes at once, by every kernel that is chosen for such shapes. */
static void paths_agree(void **state)
{
    (void)state;
    const unsigned shapes[][8] = {{11, 16, 16, 16, 16, 3, 1, 1},
                                  {11, 16, 16, 16, 32, 3, 2, 1},
                                  {19, 64, 8, 8, 64, 3, 1, 1},
                                  {9, 3, 16, 16, 7, 5, 1, 2}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        bench b[2];
        size_t in = 0, out = 0;
        for (int path = 0; path < 2; path++) {
            hw_rng rng;
            hw_rng_seed(&rng, 3, k);
            hyper_bench(&b[path], shapes[k], path ? HW_PATH_AUTO : HW_PATH_SCALAR);
            in = shapes[k][0] * hw__net_floats(b->l.in);
            out = shapes[k][0] * hw__net_floats(b->l.out);
            for (size_t i = 0; i < in; i++) b[path].in[i] = (float)hw_rng_normal(&rng);
            for (size_t i = 0; i < out; i++) b[path].dout[i] = (float)hw_rng_normal(&rng);
            for (size_t i = 0; i < b->l.weights; i++) b[path].params[i] = 0.1f * (float)hw_rng_normal(&rng);
            forward(&b[path]);
            backward(&b[path]);
        }
        (void)compare(b[1].l.kernel->name, b[1].out, b[0].out, out, 1e-5);
        (void)compare("its input gradient", b[1].din, b[0].din, in, 2e-5);
        (void)compare("its weights' gradient", b[1].g, b[0].g, b->l.weights, 2e-5);
        close_bench(&b[0]);
        close_bench(&b[1]);
    }
}

/* Cosines all over [-1, 1], and beyond, where rounding may put them: what the angle is, and that slopes stay finite. */
static void angles(const hw__hyper_kernel *kernel)
{
    enum { P = 997, F = 4, N = P * F };
    float *z = check_floats(N), *dz = check_floats(N), *dout = check_floats(N), *patch = check_floats(P),
          *patch_sum = check_floats(P), filter[F] = {1, 1, 0.5f, 2}, filter_sum[F] = {0};
    double worst = 0, slope = 0;
    for (size_t i = 0; i < P; i++) patch[i] = 1;
    for (size_t i = 0; i < N; i++) {
        double cosine = sin(1.6 * ((double)i / (N - 1) * 2 - 1));
        if (i < 2) cosine = i ? 1.00001 : -1.00001;
        z[i] = (float)(cosine / (double)filter[i / P]);
        dout[i] = 1;
    }
    float *cosines = malloc(N * sizeof *cosines);
    for (size_t i = 0; i < N; i++) cosines[i] = z[i] * filter[i / P];
    kernel->forward(z, F, P, filter, patch);
    kernel->backward(z, dout, dz, F, P, filter, patch, filter_sum, patch_sum);
    for (size_t i = 0; i < N; i++) {
        double most = (double)(1 - HYPER_CLOSE), c = fmin(fmax((double)cosines[i], -most), most);
        worst = fmax(worst, fabs((double)z[i] - (1 - acos(c) * 0.63661977236758134)));
        double expected = 0.63661977236758134 / sqrt(1 - c * c) * (double)filter[i / P];
        /* 1 - cosine keeps few digits close to 1 */
        slope = fmax(slope, fabs((double)dz[i] / expected - 1) * (1 - fabs(c) + 2e-5));
        assert_true(isfinite(dz[i]));
    }
    if (getenv("HOGWILD_SHOW")) printf("    angle: worst error %.2g, of a slope (weighted) %.2g\n", worst, slope);
    assert_true(worst < 3e-7);
    assert_true(slope < 2e-6);
    assert_near((double)z[0], -(double)z[1], 1e-6);
    assert_true(fabsf(dz[0]) > 400 && fabsf(dz[0]) < 500);
    /* The sums: patch i over filters, filter k over patches. */
    double sum = 0, patch_total = 0;
    for (size_t k = 0; k < F; k++) sum += (double)filter_sum[k];
    for (size_t i = 0; i < P; i++) patch_total += (double)patch_sum[i];
    assert_near(sum, patch_total, 0.05);
    z[5] = NAN;
    z[P - 1] = NAN; /* in the part of a vector at the end of a row */
    kernel->forward(z, 1, P, filter, patch);
    assert_true(isnan(z[5]) && isnan(z[P - 1]) && !isnan(z[6]) && !isnan(z[P - 2]));
    float *all[] = {z, dz, dout, patch, patch_sum, cosines};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void angles_are_accurate(void **state)
{
    (void)state;
    angles(&hw__hyper_plain);
    if (hw__cpu_avx2()) angles(&hw__hyper_wide);
}

static void net_against_differences(void **state)
{
    (void)state;
    enum { BATCH = 6, CLASSES = 4 };
    hw_images images;
    assert_int_equal(hw_textures_generate(BATCH, CLASSES, 3, &images), HW_OK);
    for (int path = 0; path < 2; path++) {
        char why[HW_WHY] = "";
        hw_net *net = hw_net_create(3, 32, 32);
        hw_net_use_path(net, path ? HW_PATH_AUTO : HW_PATH_SCALAR);
        hw_net_hyper_conv(net, 6, 5, 3, 1);
        hw_net_hyper_conv(net, 12, 3, 1, 1);
        hw_net_dense(net, CLASSES);
        if (hw_net_finish(net, BATCH, why) != HW_OK) fail_msg("%s", why);
        hw_net_task task = {net, &images, NULL, NULL};
        hw_objective o;
        hw_gradient_report r;
        float *x = check_floats(hw_net_parameters(net));
        uint32_t index[BATCH];
        for (uint32_t i = 0; i < BATCH; i++) index[i] = BATCH - 1 - i;
        hw_net_init(net, 5, x);
        assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
        if (hw_check_gradient(&o, x, index, BATCH, CHECK_SLOW ? 20 : 150, 2e-3, &r, why) != HW_OK)
            fail_msg("path %d: %s", path, why);
        free(x);
        hw_net_free(net);
    }
    hw_images_free(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hyper_matches_pytorch),
        cmocka_unit_test(paths_agree),
        cmocka_unit_test(angles_are_accurate),
        cmocka_unit_test(net_against_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
