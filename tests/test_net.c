/* test_net.c - shapes, finite differences for every layer, golden values from PyTorch, the objective. */
#include "check.h"
#include "golden/golden.h"
#include <cblas.h>

enum { BATCH = 6, CLASSES = 5 };

static double weight(int layer, int i, int fan_in)
{
    return sqrt(2.0 / fan_in) * sin(0.37 * i + 1.3 * layer + 0.011 * i * i);
}

static hw_images pictures(unsigned channels, unsigned side, unsigned count)
{
    size_t pixels = (size_t)channels * side * side;
    hw_images images = {count, channels, side, side, CLASSES, malloc(pixels * count), malloc(count)};
    for (unsigned n = 0; n < count; n++) {
        images.labels[n] = (unsigned char)((3 * n + 1) % CLASSES);
        for (size_t i = 0; i < pixels; i++)
            images.pixels[n * pixels + i] =
                (unsigned char)(127.5 + 127.4 * sin(0.21 * (double)i + 2.1 * n + 0.003 * (double)i * n * (double)i));
    }
    return images;
}

static void drop(hw_images *images)
{
    free(images->pixels);
    free(images->labels);
}

static void *scratch_of(const hw_net *net)
{
    size_t n = (hw_net_scratch_bytes(net) + 63) / 64 * 64;
    void *scratch = aligned_alloc(64, n);
    assert_non_null(scratch);
    memset(scratch, 0xee, n); /* nothing may depend on what was there */
    return scratch;
}

static void golden(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_net *net = hw_net_create(1, 14, 14);
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_relu(net);
    hw_net_conv(net, 7, 3, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 16);
    hw_net_relu(net);
    hw_net_dense(net, CLASSES);
    assert_int_equal(hw_net_finish(net, BATCH, why), HW_OK);
    assert_int_equal(hw_net_parameters(net), GOLDEN_PARAMETERS);
    hw_images images = pictures(1, 14, BATCH);
    float *x = check_floats(GOLDEN_PARAMETERS), *g = check_floats(GOLDEN_PARAMETERS);
    void *scratch = scratch_of(net);
    const int fan_in[] = {9, 36, 63, 16};
    for (unsigned i = 0, layer = 0; i < 8; i++) {
        hw_range w, b;
        if (!hw_net_layer(net, i, &w, &b)) continue;
        for (size_t k = 0; k < w.count; k++) x[w.first + k] = (float)weight((int)layer, (int)k, fan_in[layer]);
        for (size_t k = 0; k < b.count; k++) x[b.first + k] = (float)(0.05 * cos((double)(k + layer)));
        layer++;
    }
    /* Ten steps through the engine's own parameters and rule: loss by loss, and the last weights. */
    hw_params_config c = hw_params_defaults(GOLDEN_PARAMETERS, 1);
    hw_params *p;
    c.arrays = 1;
    assert_int_equal(hw_params_create(&p, &c, NULL), HW_OK);
    hw_params_set(p, 0, x);
    hw_batch batch = {NULL, BATCH, 0, BATCH, 0, 0, 1};
    hw_range all = {0, GOLDEN_PARAMETERS};
    for (int step = 0; step < 10; step++) {
        hw_params_get(p, 0, x);
        double loss = hw_net_loss(net, scratch, &images, &batch, x, g, NULL);
        assert_near(loss, golden_losses[step], 2e-5 * golden_losses[step]);
        for (size_t i = 0; step == 0 && i < GOLDEN_PARAMETERS; i++)
            assert_near((double)g[i], (double)golden_gradient[i], 1e-5 + 1e-4 * fabs((double)golden_gradient[i]));
        for (size_t i = 0; i < GOLDEN_PARAMETERS; i++) g[i] += 5e-4f * x[i];
        hw_form form = {HW_FORM_MOMENTUM, 0.9f, -0.05f, 0, 1, 0, NULL, NULL};
        (void)hw_params_write(p, 0, &form, &all, 1, g, NULL);
    }
    hw_params_get(p, 0, x);
    for (size_t i = 0; i < GOLDEN_PARAMETERS; i++)
        assert_near((double)x[i], (double)golden_final[i], 2e-5 + 2e-4 * fabs((double)golden_final[i]));
    hw_params_free(p);
    free(x);
    free(g);
    free(scratch);
    drop(&images);
    hw_net_free(net);
}

/* The AVX2 kernels against the portable reference: loss and gradient to rounding, for shapes at their edges. */
static void wide_equals_the_reference(void **state)
{
    (void)state;
    const unsigned shapes[][7] = {/* channels, side, filters, kernel, pad, then pool 2x2, second filters */
                                  {1, 28, 20, 5, 0, 1, 50}, {3, 16, 7, 3, 1, 1, 6}, {2, 12, 5, 5, 0, 0, 11},
                                  {1, 15, 4, 8, 0, 1, 3},   {2, 8, 9, 1, 0, 1, 5},  {3, 17, 6, 2, 0, 1, 1},
                                  {1, 9, 3, 7, 3, 0, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const unsigned *s = shapes[i];
        double loss[2] = {0, 0};
        float *g[2] = {NULL, NULL};
        size_t n = 0;
        for (int path = 0; path < 2; path++) {
            hw_net *net = hw_net_create(s[0], s[1], s[1]);
            char why[HW_WHY] = "";
            hw_net_use_path(net, path ? HW_PATH_AUTO : HW_PATH_SCALAR);
            hw_net_conv(net, s[2], s[3], 1, s[4]);
            if (s[5]) hw_net_max_pool(net, 2, 2, 0);
            hw_net_conv(net, s[6], 3, 1, 1); /* its input gradient */
            if (s[5]) hw_net_max_pool(net, 2, 2, 0);
            hw_net_relu(net);
            hw_net_dense(net, CLASSES);
            assert_int_equal(hw_net_finish(net, BATCH, why), HW_OK);
            n = hw_net_parameters(net);
            float *x = check_floats(n);
            g[path] = check_floats(n);
            hw_net_init(net, 5, x);
            hw_images images = pictures(s[0], s[1], BATCH);
            hw_rng rng;
            hw_rng_seed(&rng, 4, 4);
            for (size_t k = 0; k < (size_t)BATCH * s[0] * s[1] * s[1]; k++)
                images.pixels[k] = (unsigned char)hw_rng_below(&rng, 256);
            void *scratch = scratch_of(net);
            hw_batch batch = {NULL, BATCH, 0, BATCH, 0, 0, 1};
            for (int twice = 0; twice < 2; twice++)
                loss[path] = hw_net_loss(net, scratch, &images, &batch, x, g[path], NULL);
            free(scratch);
            free(x);
            drop(&images);
            hw_net_free(net);
        }
        assert_near(loss[0], loss[1], 1e-5);
        double scale = 0;
        for (size_t k = 0; k < n; k++) scale = fmax(scale, fabs((double)g[0][k]));
        for (size_t k = 0; k < n; k++) assert_near((double)g[1][k], (double)g[0][k], 2e-5 * scale);
        free(g[0]);
        free(g[1]);
    }
}

/* The gradient of a net against finite differences through the library's own check, on all or 200 parameters. */
static void differences(hw_net *net, const char *name, unsigned channels, unsigned side)
{
    char why[HW_WHY] = "";
    if (hw_net_finish(net, BATCH, why) != HW_OK) fail_msg("%s: %s", name, why);
    hw_images images = pictures(channels, side, BATCH);
    hw_rng rng;
    hw_rng_seed(&rng, 4,
                4); /* noise: two equal windows would be a tie in max pooling, where differences mean nothing */
    for (size_t i = 0; i < (size_t)BATCH * channels * side * side; i++)
        images.pixels[i] = (unsigned char)hw_rng_below(&rng, 256);
    float *x = check_floats(hw_net_parameters(net));
    hw_net_init(net, 11, x);
    for (size_t i = 0; i < hw_net_parameters(net); i++) x[i] += 0.02f * sinf((float)i * 3.1f); /* biases too */
    hw_net_task task = {net, &images, &images, NULL};
    hw_objective o;
    hw_gradient_report r;
    uint32_t index[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) index[i] = BATCH - 1 - i;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
    hw_status status = hw_check_gradient(&o, x, index, BATCH, 200, 1e-3, &r, why);
    if (status != HW_OK) fail_msg("%s: %s", name, why);
    free(x);
    drop(&images);
    hw_net_free(net);
}

static void every_layer_against_differences(void **state)
{
    (void)state;
    hw_net *net = hw_net_create(2, 9, 9);
    hw_net_dense(net, CLASSES);
    differences(net, "dense", 2, 9);

    net = hw_net_create(2, 9, 9);
    hw_net_conv(net, 3, 3, 1, 1);
    hw_net_dense(net, CLASSES);
    differences(net, "convolution, padded", 2, 9);

    net = hw_net_create(2, 9, 9);
    hw_net_conv(net, 3, 4, 2, 2);
    hw_net_conv(net, 4, 3, 2, 0);
    hw_net_dense(net, CLASSES);
    differences(net, "convolution, strided, and its input gradient", 2, 9);

    net = hw_net_create(1, 20, 20); /* 16 and 8 wide outputs, as LeNet's */
    hw_net_conv(net, 7, 5, 1, 0);
    hw_net_conv(net, 6, 9, 1, 0);
    hw_net_dense(net, CLASSES);
    differences(net, "convolution, wide rows", 1, 20);

    /* A 1x1 convolution of one channel scales every window alike, so no difference step moves a maximum. */
    const unsigned windows[][3] = {{2, 2, 0}, {3, 2, 1}, {3, 2, 0}, {3, 1, 2}};
    for (int i = 0; i < 4; i++) {
        net = hw_net_create(1, 10, 10);
        hw_net_conv(net, 3, 1, 1, 0);
        hw_net_max_pool(net, windows[i][0], windows[i][1], windows[i][2]);
        hw_net_dense(net, CLASSES);
        differences(net, "max pooling", 1, 10);
    }

    net = hw_net_create(2, 9, 9);
    hw_net_dense(net, 12);
    hw_net_relu(net);
    hw_net_dropout(net, 0.4);
    hw_net_dense(net, CLASSES);
    differences(net, "ReLU and dropout", 2, 9);
}

static void shapes_and_counts(void **state)
{
    (void)state;
    char why[HW_WHY], *text = NULL;
    size_t size;
    hw_net *net = hw_net_lenet(64, why);
    assert_non_null(net);
    assert_int_equal(hw_net_parameters(net), 431080);
    assert_int_equal(hw_net_multiply_adds(net), 288000 + 1600000 + 400000 + 5000);
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(hw_net_summary(net, f), HW_OK);
    fclose(f);
    assert_text(text, "50 x 4 x 4");
    assert_text(text, "431080");
    free(text);
    hw_section s[8];
    assert_int_equal(hw_net_bias_sections(net, 2, 0, s, 8), 4);
    assert_int_equal(s[0].first, 500);
    assert_int_equal(s[0].count, 20);
    hw_net_free(net);
    /* Rounding up: 32 -> 16 -> 8 -> 4 with 3x3 windows at stride 2 (cifar10_quick). */
    net = hw_net_create(3, 32, 32);
    for (int i = 0; i < 3; i++) hw_net_max_pool(net, 3, 2, 0);
    hw_net_dense(net, 7);
    assert_int_equal(hw_net_finish(net, 1, why), HW_OK);
    assert_int_equal(hw_net_parameters(net), (3 * 4 * 4 + 1) * 7);
    hw_net_free(net);
}

static void mistakes_name_the_layer(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_net *net = hw_net_create(1, 8, 8);
    hw_net_relu(net);
    hw_net_conv(net, 3, 9, 1, 0);
    hw_net_dense(net, 2);
    assert_int_equal(hw_net_finish(net, 4, why), HW_E_ARGUMENT);
    assert_text(why, "layer 2 (convolution): kernel 9");
    hw_net_free(net);
    net = hw_net_create(1, 8, 8);
    hw_net_conv(net, 3, 3, 1, 0);
    assert_int_equal(hw_net_finish(net, 4, why), HW_E_ARGUMENT);
    assert_text(why, "end with a dense layer");
    hw_net_free(net);
    net = hw_net_create(1, 8, 8);
    hw_net_dropout(net, 1.0);
    hw_net_dense(net, 3);
    assert_int_equal(hw_net_finish(net, 4, why), HW_E_ARGUMENT);
    assert_text(why, "rate 1");
    hw_net_free(net);
    net = hw_net_create(0, 8, 8);
    hw_net_dense(net, 3);
    assert_int_equal(hw_net_finish(net, 4, why), HW_E_ARGUMENT);
    hw_net_free(net);
    hw_net_free(NULL);
    assert_int_equal(hw_net_finish(NULL, 4, why), HW_E_MEMORY);
    net = hw_net_create(1, 8, 8);
    hw_net_dense(net, 3);
    assert_int_equal(hw_net_finish(net, 4, why), HW_OK);
    hw_images images = pictures(1, 9, 4);
    hw_net_task task = {net, &images, NULL, NULL};
    hw_objective o;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_E_ARGUMENT);
    assert_text(why, "1 x 9 x 9");
    drop(&images);
    hw_net_free(net);
}

static void fillers(void **state)
{
    (void)state;
    const struct {
        hw_filler filler;
        double value, mean, variance;
    } rows[] = {{HW_FILL_XAVIER, 0, 0, 1.0 / 400},
                {HW_FILL_HE, 0, 0, 2.0 / 400},
                {HW_FILL_GAUSSIAN, 0.3, 0, 0.09},
                {HW_FILL_CONSTANT, 0.7, 0.7, 0}};
    for (size_t r = 0; r < 4; r++) {
        hw_net *net = hw_net_create(1, 20, 20);
        hw_net_dense(net, 50);
        hw_net_fill(net, rows[r].filler, rows[r].value, 0.25);
        assert_int_equal(hw_net_finish(net, 1, NULL), HW_OK);
        float *x = check_floats(hw_net_parameters(net));
        hw_net_init(net, 3, x);
        double mean = 0, square = 0;
        for (int i = 0; i < 20000; i++) {
            mean += (double)x[i] / 20000;
            square += (double)x[i] * (double)x[i] / 20000;
        }
        assert_near(mean, rows[r].mean, 0.01);
        assert_near(square - mean * mean, rows[r].variance, 0.03 * rows[r].variance + 1e-6);
        for (int i = 0; i < 50; i++) assert_true(x[20000 + i] == 0.25f);
        free(x);
        hw_net_free(net);
    }
}

static void dropout_depends_on_the_ticket_only(void **state)
{
    (void)state;
    hw_net *net = hw_net_create(1, 10, 10);
    hw_net_dense(net, 300);
    hw_net_dropout(net, 0.5);
    hw_net_dense(net, CLASSES);
    assert_int_equal(hw_net_finish(net, BATCH, NULL), HW_OK);
    hw_images images = pictures(1, 10, BATCH);
    float *x = check_floats(hw_net_parameters(net)), *g = check_floats(hw_net_parameters(net));
    void *scratch = scratch_of(net);
    hw_net_init(net, 1, x);
    hw_batch a = {NULL, BATCH, 0, BATCH, 5, 0, 1}, b = a, half = {NULL, BATCH / 2, 0, BATCH, 5, 0, 1};
    b.step = 6;
    double first = hw_net_loss(net, scratch, &images, &a, x, g, NULL);
    assert_true(hw_net_loss(net, scratch, &images, &a, x, g, NULL) == first);
    assert_true(hw_net_loss(net, scratch, &images, &b, x, g, NULL) != first);
    /* Two halves of a minibatch on two threads see the masks of the whole. */
    double low = hw_net_loss(net, scratch, &images, &half, x, g, NULL);
    hw_images rest = images;
    rest.pixels += 100 * BATCH / 2;
    rest.labels += BATCH / 2;
    half.offset = BATCH / 2;
    double high = hw_net_loss(net, scratch, &rest, &half, x, g, NULL);
    assert_near((low + high) / 2, first, 1e-6);
    float out[BATCH * CLASSES], again[BATCH * CLASSES];
    hw_net_predict(net, scratch, &images, 0, BATCH, x, out);
    hw_net_predict(net, scratch, &images, 0, BATCH, x, again);
    assert_memory_equal(out, again, sizeof out);
    free(x);
    free(g);
    free(scratch);
    drop(&images);
    hw_net_free(net);
}

int main(void)
{
    openblas_set_num_threads(1); /* the engine does this; here nets are called without one */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(wide_equals_the_reference),
        cmocka_unit_test(every_layer_against_differences),
        cmocka_unit_test(shapes_and_counts),
        cmocka_unit_test(mistakes_name_the_layer),
        cmocka_unit_test(fillers),
        cmocka_unit_test(dropout_depends_on_the_ticket_only),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
