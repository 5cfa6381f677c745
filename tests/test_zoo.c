/* test_zoo.c - the papers' networks: parameter counts, shapes, gradients through shortcuts, one step of each. */
#include "check.h"
#include "golden/zoo.h"
#include <cblas.h>

static hw_images pictures(unsigned side, unsigned count, unsigned classes)
{
    size_t pixels = (size_t)3 * side * side;
    hw_images images = {count, 3, side, side, classes, malloc(pixels * count), malloc(count)};
    hw_rng rng;
    hw_rng_seed(&rng, 8, 8);
    for (size_t i = 0; i < pixels * count; i++) images.pixels[i] = (unsigned char)hw_rng_below(&rng, 256);
    for (unsigned i = 0; i < count; i++) images.labels[i] = (unsigned char)((7 * i + 3) % classes);
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
    memset(scratch, 0xee, n); /* nothing may depend on what was there: these bytes are no number */
    return scratch;
}

/* The gradient against finite differences, and twice the same bits. */
static void check_net(hw_net *net, unsigned side, uint32_t batch, unsigned classes, double tolerance)
{
    char why[HW_WHY] = "";
    size_t n = hw_net_parameters(net);
    hw_images images = pictures(side, batch, classes);
    float *x = check_floats(n), *g[2] = {check_floats(n), check_floats(n)};
    hw_net_init(net, 3, x);
    hw_net_task task = {net, &images, &images, NULL};
    hw_objective o;
    hw_gradient_report r;
    uint32_t *index = malloc(batch * sizeof *index);
    for (uint32_t i = 0; i < batch; i++) index[i] = i;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
    if (hw_check_gradient(&o, x, index, batch, 60, tolerance, &r, why) != HW_OK) fail_msg("%s", why);
    void *scratch = scratch_of(net);
    hw_batch all = {NULL, batch, 0, batch, 0, 0, 1};
    double loss[2];
    for (int k = 0; k < 2; k++) loss[k] = hw_net_loss(net, scratch, &images, &all, x, g[k], NULL);
    assert_true(loss[0] == loss[1]);
    assert_memory_equal(g[0], g[1], n * sizeof **g);
    free(scratch);
    free(index);
    free(x);
    free(g[0]);
    free(g[1]);
    drop(&images);
}

static void cifar10_quick_is_caffes(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_net *net = hw_net_cifar10_quick(100, 10, NULL, why);
    assert_non_null(net);
    assert_int_equal(hw_net_parameters(net), 145578);
    assert_int_equal(hw_net_multiply_adds(net), 2457600 + 6553600 + 3276800 + 65536 + 640);
    const char *shapes[] = {"32 x 32 x 32", "32 x 16 x 16", "32 x 16 x 16", "32 x 16 x 16",
                            "32 x 16 x 16", "32 x 8 x 8",   "64 x 8 x 8",   "64 x 8 x 8",
                            "64 x 4 x 4",   "64 x 1 x 1",   "10 x 1 x 1"};
    assert_int_equal(hw_net_layers(net), 11);
    for (unsigned i = 0; i < 11; i++) {
        hw_layer_info l;
        assert_int_equal(hw_net_layer_info(net, NULL, i, &l), HW_OK);
        assert_string_equal(l.shape, shapes[i]);
    }
    float *x = check_floats(145578);
    hw_net_init(net, 1, x);
    double deviation[5] = {1e-4, 0.01, 0.01, 0.1, 0.1};
    for (unsigned i = 0, k = 0; i < 11; i++) {
        hw_range w, b;
        double sum = 0;
        if (!hw_net_layer(net, i, &w, &b)) continue;
        for (size_t j = 0; j < w.count; j++) sum += (double)x[w.first + j] * (double)x[w.first + j];
        assert_near(sqrt(sum / (double)w.count), deviation[k], 0.1 * deviation[k]);
        for (size_t j = 0; j < b.count; j++) assert_true(x[b.first + j] == 0);
        k++;
    }
    size_t tensors;
    const hw_tensor *t = hw_net_tensors(net, &tensors);
    assert_int_equal(tensors, 10);
    assert_string_equal(t[0].name, "conv1.weight");
    assert_int_equal(t[0].shape[3], 5);
    assert_string_equal(t[9].name, "fc2.bias");
    free(x);
    hw_net_free(net);
}

/* Weights and images as golden/zoo.py has them; every tensor's gradient against PyTorch's in double precision. */
static void against_pytorch(hw_net *net, const char *name, double golden_loss, const double (*golden)[2], size_t count)
{
    enum { N = 7 };
    hw_images images = pictures(32, N, 10);
    for (unsigned n = 0; n < N; n++) {
        images.labels[n] = (unsigned char)((3 * n + 1) % 10);
        for (unsigned i = 0; i < 3072; i++)
            images.pixels[n * 3072 + i] =
                (unsigned char)(127.5 + 127.4 * sin(0.021 * i + 2.1 * n + 0.0003 * i * n * i));
    }
    size_t n = hw_net_parameters(net), tensors, k = 0;
    const hw_tensor *t = hw_net_tensors(net, &tensors);
    float *x = check_floats(n), *g = check_floats(n);
    for (size_t i = 0; i < tensors; i++) {
        size_t size = 1, fan_in = 1;
        for (unsigned d = 0; d < t[i].dims; d++) size *= t[i].shape[d];
        for (unsigned d = 1; d < t[i].dims; d++) fan_in *= t[i].shape[d];
        bool running = strstr(t[i].name, "mean") || strstr(t[i].name, "variance"),
             norm = strncmp(t[i].name, "norm", 4) == 0;
        for (size_t j = 0; j < size && !running; j++) {
            double w = sqrt(2.0 / (double)fan_in) *
                       sin(0.37 * (double)j + 1.3 * (double)k + 0.011 * (double)j * (double)(j % 97));
            if (t[i].dims == 1) w = (norm && strstr(t[i].name, "weight") ? 1 : 0) + 0.05 * cos((double)j + (double)k);
            x[t[i].first + j] = (float)w;
        }
        k += !running;
    }
    assert_int_equal(k, count);
    void *scratch = scratch_of(net);
    hw_batch all = {NULL, N, 0, N, 0, 0, 1};
    double loss = hw_net_loss(net, scratch, &images, &all, x, g, NULL);
    assert_near(loss, golden_loss, 2e-5 * fabs(golden_loss));
    k = 0;
    for (size_t i = 0; i < tensors; i++) {
        size_t size = 1;
        for (unsigned d = 0; d < t[i].dims; d++) size *= t[i].shape[d];
        if (strstr(t[i].name, "mean") || strstr(t[i].name, "variance")) continue;
        double squares = 0, sum = 0;
        for (size_t j = 0; j < size; j++) {
            double v = (double)g[t[i].first + j];
            squares += v * v;
            sum += v * cos(0.7 * (double)j);
        }
        if (fabs(squares - golden[k][0]) > 1e-3 * golden[k][0] ||
            fabs(sum - golden[k][1]) > 1e-3 * sqrt(golden[k][0] * (double)size))
            fail_msg("%s, %s: squares %.8g and sum %.8g, PyTorch has %.8g and %.8g", name, t[i].name, squares, sum,
                     golden[k][0], golden[k][1]);
        k++;
    }
    free(scratch);
    free(x);
    free(g);
    drop(&images);
}

static void whole_nets_equal_pytorch(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    for (int wide = 0; wide < 2; wide++) {
        hw_net *net = hw_net_create(3, 32, 32);
        hw_net_use_path(net, wide ? HW_PATH_AUTO : HW_PATH_SCALAR);
        hw_net_input(net, 1.0f / 64, 120);
        hw_net_conv(net, 32, 5, 1, 2);
        hw_net_max_pool(net, 3, 2, 0);
        hw_net_relu(net);
        for (unsigned filters = 32; filters <= 64; filters += 32) {
            hw_net_conv(net, filters, 5, 1, 2);
            hw_net_relu(net);
            hw_net_average_pool(net, 3, 2, 0);
        }
        hw_net_dense(net, 64);
        hw_net_dense(net, 10);
        assert_int_equal(hw_net_finish(net, 7, why), HW_OK);
        against_pytorch(net, "quick", golden_quick_loss, golden_quick, sizeof golden_quick / sizeof *golden_quick);
        hw_net_free(net);
    }
    hw_residual_config c = hw_residual_defaults();
    c.n = 1;
    c.width = 8;
    c.label_smoothing = 0.1;
    hw_net *net = hw_net_residual(7, &c, NULL, why);
    assert_non_null(net);
    against_pytorch(net, "residual", golden_residual_loss, golden_residual,
                    sizeof golden_residual / sizeof *golden_residual);
    hw_net_free(net);
}

static void counts(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_net *net = hw_net_xu(4, 1, 0, why);
    assert_int_equal(hw_net_parameters(net), 62006);
    hw_net_free(net);
    net = hw_net_xu(4, 0, 0, why);
    assert_int_equal(hw_net_parameters(net), 206006);
    hw_net_free(net);
    net = hw_net_lenet(4, why);
    assert_int_equal(hw_net_parameters(net), 431080);
    hw_net_free(net);
    net = hw_net_lenet_classes(26, 4, why);
    assert_int_equal(hw_net_parameters(net), 431080 + 501 * 16);
    assert_int_equal(hw_net_outputs(net), 26);
    hw_net_free(net);
    assert_null(hw_net_lenet_classes(1, 4, why));
    assert_text(why, "1 classes");
    assert_null(hw_net_lenet_classes(257, 4, NULL));
    /* Weights, two a norm, and the running means' sets: 2 C + 1 a norm. */
    const unsigned channels[] = {16, 32, 64};
    for (unsigned n = 1; n <= 5; n += 2)
        for (unsigned copies = 1; copies <= 4; copies += 3) {
            hw_residual_config c = hw_residual_defaults();
            c.n = n;
            c.classes = 100;
            c.copies = copies;
            c.statistics = copies > 1 ? HW_STATISTICS_PER_WORKER : HW_STATISTICS_SHARED;
            size_t weights = 3 * 9 * 16, norms = 1, norm_channels = 16;
            for (unsigned s = 0; s < 3; s++)
                for (unsigned i = 0; i < n; i++) {
                    unsigned in = s && !i ? channels[s] / 2 : channels[s];
                    weights += 9 * channels[s] * in + 9 * channels[s] * channels[s] + (s && !i ? channels[s] * in : 0);
                    norms += s && !i ? 3 : 2;
                    norm_channels += channels[s] * (s && !i ? 3 : 2);
                }
            weights += 64 * 100 + 100 + 2 * norm_channels;
            net = hw_net_residual(2, &c, NULL, why);
            assert_non_null(net);
            assert_int_equal(hw_net_parameters(net), weights + copies * (2 * norm_channels + norms));
            hw_net_free(net);
        }
    hw_residual_config liu = hw_residual_defaults();
    liu.n = 5;
    liu.width = 96;
    liu.classes = 100;
    net = hw_net_residual(1, &liu, NULL, why);
    assert_non_null(net);
    size_t trained = hw_net_parameters(net);
    hw_net_free(net);
    liu.form = HW_RESIDUAL_HYPER;
    net = hw_net_residual(1, &liu, NULL, why);
    assert_int_equal(hw_net_parameters(net), trained);
    hw_net_free(net);
    liu.n = 0;
    assert_null(hw_net_residual(1, &liu, NULL, why));
    assert_non_null(strstr(why, "n 0"));
}

/* Smooth nets, so that differences can be held tightly: shortcuts from the input, over one and several layers, an
 * output taken three times, two additions in a row. */
static void shortcuts_against_differences(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    for (int wide = 0; wide < 2; wide++) {
        hw_net *net = hw_net_create(3, 8, 8);
        hw_net_use_path(net, wide ? HW_PATH_AUTO : HW_PATH_SCALAR);
        unsigned input = hw_net_here(net);
        hw_net_conv(net, 3, 3, 1, 1);
        hw_net_add(net, input);
        unsigned a = hw_net_here(net);
        hw_net_conv(net, 5, 3, 1, 1);
        hw_net_average_pool(net, 2, 2, 0);
        unsigned b = hw_net_here(net);
        hw_net_from(net, a);
        hw_net_conv(net, 5, 1, 2, 0);
        hw_net_add(net, b);
        unsigned c = hw_net_here(net);
        hw_net_add(net, b);
        hw_net_conv(net, 5, 3, 1, 1);
        hw_net_lrn(net, 3, 0.5, 0.75);
        hw_net_add(net, c);
        hw_net_batch_norm(net);
        hw_net_add(net, c);
        hw_net_global_average(net);
        hw_net_dense(net, 7);
        assert_int_equal(hw_net_finish(net, 9, why), HW_OK);
        check_net(net, 8, 9, 7, 2e-3);
        hw_net_free(net);
    }
}

static void mistakes(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
#define REFUSED(code, words)                                                      \
    do {                                                                          \
        hw_net *net = hw_net_create(3, 8, 8);                                     \
        code;                                                                     \
        hw_net_dense(net, 2);                                                     \
        assert_int_equal(hw_net_finish(net, 1, why), HW_E_ARGUMENT);              \
        if (!strstr(why, words)) fail_msg("'%s' does not name '%s'", why, words); \
        hw_net_free(net);                                                         \
    } while (0)
    REFUSED(hw_net_add(net, 0), "an output and itself");
    REFUSED(hw_net_add(net, 3), "no place 3");
    REFUSED(hw_net_from(net, 9), "no place 9");
    REFUSED((hw_net_conv(net, 4, 3, 1, 1), hw_net_add(net, 0)), "4 x 8 x 8 and 3 x 8 x 8");
    REFUSED((hw_net_conv(net, 4, 3, 1, 1), hw_net_groups(net, 2)), "2 groups must divide its 3 channels");
    REFUSED((hw_net_relu(net), hw_net_groups(net, 2)), "the last layer is no convolution");
    REFUSED(hw_net_no_bias(net), "the last layer is no convolution");
    REFUSED(hw_net_lrn(net, 4, 1, 1), "odd size");
    REFUSED(hw_net_statistics(net, HW_STATISTICS_PER_WORKER, 0, 0.1, 1e-5), "0 sets");
    REFUSED(hw_net_statistics(net, HW_STATISTICS_SHARED, 1, 1e-60, 1e-5), "share 1e-60");
    REFUSED(hw_net_statistics(net, (hw_statistics)7, 1, 0.1, 1e-5), "no way 7");
    REFUSED(hw_net_label_smoothing(net, 1), "must be in [0, 1)");
    REFUSED((hw_net_conv(net, 2, 3, 1, 1), hw_net_fill(net, (hw_filler)9, 0, 0)), "filler 9");
    REFUSED((hw_net_conv(net, 2, 3, 1, 1), hw_net_fill(net, HW_FILL_GAUSSIAN, NAN, 0)), "finite");
    REFUSED(hw_net_use_path(net, (hw_path)5), "no path 5");
    hw_preparation bad = hw_preparation_defaults();
    bad.normalize = HW_NORMALIZE_MEAN_IMAGE;
    REFUSED(hw_net_prepare(net, &bad), "mean");
    REFUSED((hw_net_relu(net), hw_net_from(net, 0)), "nothing takes the output of layer 1 (ReLU)");
    hw_net *net = hw_net_create(3, 8, 8);
    hw_net_dense(net, 2);
    hw_net_from(net, 0);
    assert_int_equal(hw_net_finish(net, 1, why), HW_E_ARGUMENT);
    assert_non_null(strstr(why, "no layer follows"));
    hw_net_free(net);
}

/* A filler after a normalisation is its convolution's; more scratch than there can be is refused. */
static void fillers_and_limits(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_net *net = hw_net_create(3, 8, 8);
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_batch_norm(net);
    hw_net_fill(net, HW_FILL_CONSTANT, 0.25, 0.5);
    hw_net_dense(net, 2);
    assert_int_equal(hw_net_finish(net, 1, why), HW_OK);
    float *x = check_floats(hw_net_parameters(net));
    hw_net_init(net, 1, x);
    hw_range w, b;
    assert_int_equal(hw_net_layer(net, 0, &w, &b), 1);
    assert_true(x[w.first] == 0.25f && x[b.first] == 0.5f);
    assert_int_equal(hw_net_layer(net, 1, &w, &b), 1);
    assert_true(x[w.first] == 1 && x[b.first] == 0);
    free(x);
    hw_net_free(net);
    net = hw_net_create(1, 4096, 4096);
    hw_net_conv(net, 65536, 1, 1, 0);
    for (int i = 0; i < 128; i++) hw_net_lrn(net, 1, 1, 1);
    hw_net_global_average(net);
    assert_int_equal(hw_net_finish(net, 65536, why), HW_E_LIMIT);
    assert_non_null(strstr(why, "smaller minibatch"));
    assert_int_equal(hw_net_finish(net, 1, why), HW_E_LIMIT);
    hw_net_free(net);
    assert_null(hw_net_residual(1, NULL, NULL, why));
}

/* The full definition: its size, its shapes, one training step. A gigabyte; not under sanitizers. */
static void caffenet(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_net *net = hw_net_caffenet(1, 227, 256, 1000, why);
    assert_non_null(net);
    size_t n = hw_net_parameters(net);
    assert_int_equal(n, 60965224);
    assert_int_equal(hw_net_multiply_adds(net), 724406816);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    hw_images images = pictures(227, 2, 200);
    float *x = check_floats(n), *g = check_floats(n);
    hw_net_init(net, 1, x);
    void *scratch = scratch_of(net);
    hw_batch one = {NULL, 1, 0, 1, 0, 0, 1};
    double before = hw_net_loss(net, scratch, &images, &one, x, g, NULL);
    assert_near(before, log(1000), 1.5);
    for (size_t i = 0; i < n; i++) x[i] -= 1e-3f * g[i];
    double after = hw_net_loss(net, scratch, &images, &one, x, g, NULL);
    assert_true(after < before);
    free(x);
    free(g);
    free(scratch);
    drop(&images);
#endif
    hw_net_free(net);
    /* The scaled-down one for eight classes. */
    net = hw_net_caffenet(2, 67, 32, 8, why);
    assert_non_null(net);
    hw_images small = pictures(67, 2, 8);
    float *y = check_floats(hw_net_parameters(net));
    hw_net_init(net, 1, y);
    void *room = scratch_of(net);
    hw_batch two = {NULL, 2, 0, 2, 0, 0, 1};
    assert_near(hw_net_loss(net, room, &small, &two, y, NULL, NULL), log(8), 1);
    free(y);
    free(room);
    drop(&small);
    hw_net_free(net);
}

int main(void)
{
    openblas_set_num_threads(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar10_quick_is_caffes),
        cmocka_unit_test(counts),
        cmocka_unit_test(whole_nets_equal_pytorch),
        cmocka_unit_test(shortcuts_against_differences),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(fillers_and_limits),
        cmocka_unit_test(caffenet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
