/* test_layers_nets.c - layers put together: groups, averages, response normalisation, additions and places in nets,
 * against differences, on both paths, and image by image. test_layers.c has each by itself. */
#include "check.h"
#include <cblas.h>

enum { BATCH = 6, CLASSES = 5 };

static void grouped_net(hw_net *net)
{
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_groups(net, 2);
    hw_net_conv(net, 6, 3, 2, 1);
    hw_net_groups(net, 2);
    hw_net_no_bias(net);
    hw_net_conv(net, 8, 3, 1, 0);
    hw_net_groups(net, 2);
}

static void averages_net(hw_net *net)
{
    hw_net_conv(net, 3, 3, 1, 1);
    hw_net_average_pool(net, 3, 2, 0);
    hw_net_conv(net, 4, 1, 1, 0);
    hw_net_average_pool(net, 2, 2, 1);
    hw_net_conv(net, 6, 1, 1, 0);
    hw_net_global_average(net);
}

static void response_net(hw_net *net)
{
    hw_net_conv(net, 6, 3, 1, 1);
    hw_net_lrn(net, 3, 2, 0.75);
    hw_net_conv(net, 5, 3, 2, 0);
    hw_net_lrn(net, 5, 1, 0.5);
}

static void smoothed_net(hw_net *net)
{
    hw_net_conv(net, 3, 5, 2, 2);
    hw_net_label_smoothing(net, 0.2);
}

/* Two units as a residual net's: the first with the input itself, the second with a 1x1 shortcut at stride 2. */
static void residual_net(hw_net *net)
{
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_conv(net, 2, 3, 1, 1);
    hw_net_add(net, 0);
    unsigned fork = hw_net_here(net);
    hw_net_conv(net, 4, 1, 2, 0);
    unsigned shortcut = hw_net_here(net);
    hw_net_from(net, fork);
    hw_net_conv(net, 4, 3, 2, 1);
    hw_net_lrn(net, 3, 1, 0.75);
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_add(net, shortcut);
    hw_net_global_average(net);
}

/* Outputs that three layers take, over segments of blocks and whole layers, an addition of additions. */
static void woven_net(hw_net *net)
{
    hw_net_conv(net, 4, 3, 1, 1);
    unsigned first = hw_net_here(net);
    hw_net_average_pool(net, 3, 1, 1);
    hw_net_add(net, first);
    unsigned second = hw_net_here(net);
    hw_net_lrn(net, 3, 1, 0.75);
    hw_net_add(net, first);
    hw_net_add(net, second);
    hw_net_global_average(net);
    hw_net_dense(net, 7);
    unsigned low = hw_net_here(net);
    hw_net_dense(net, 7);
    hw_net_add(net, low);
    unsigned middle = hw_net_here(net);
    hw_net_from(net, low);
    hw_net_dense(net, 7);
    hw_net_add(net, middle);
    hw_net_add(net, low);
}

/* Layers with kinks, which differences cannot look at: the two below can. */
static void kinked_net(hw_net *net)
{
    hw_net_conv(net, 5, 5, 1, 2);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_relu(net);
    unsigned fork = hw_net_here(net);
    hw_net_lrn(net, 3, 0.5, 0.75);
    hw_net_conv(net, 5, 3, 1, 1);
    hw_net_relu(net);
    hw_net_add(net, fork);
    hw_net_relu(net);
    hw_net_average_pool(net, 3, 2, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 9);
    hw_net_relu(net);
    hw_net_dropout(net, 0.4);
    unsigned top = hw_net_here(net);
    hw_net_dense(net, 9);
    hw_net_relu(net);
    hw_net_add(net, top);
}

static const struct {
    const char *name;
    void (*build)(hw_net *);
    bool smooth;
} nets[] = {{"groups", grouped_net, true},
            {"averages", averages_net, true},
            {"response normalisation", response_net, true},
            {"label smoothing", smoothed_net, true},
            {"residual units", residual_net, true},
            {"woven", woven_net, true},
            {"kinked", kinked_net, false}};
enum { NETS = sizeof nets / sizeof *nets };

/* A net on 2 x 17 x 16 images, noise as its data, and weights and biases for it. */
typedef struct plant {
    hw_net *net;
    hw_images images;
    size_t n, scratch_bytes;
    float *x, *g;
    void *scratch;
} plant;

static plant grow(size_t i, hw_path path, uint32_t batch)
{
    enum { PIXELS = 2 * 17 * 16 };
    plant p = {hw_net_create(2, 17, 16),
               {BATCH, 2, 17, 16, CLASSES, malloc(BATCH * PIXELS), malloc(BATCH)},
               0,
               0,
               NULL,
               NULL,
               NULL};
    char why[HW_WHY] = "";
    hw_rng rng;
    hw_net_use_path(p.net, path);
    nets[i].build(p.net);
    hw_net_dense(p.net, CLASSES);
    if (hw_net_finish(p.net, batch, why) != HW_OK) fail_msg("%s: %s", nets[i].name, why);
    hw_rng_seed(&rng, 4, i);
    for (size_t k = 0; k < BATCH * PIXELS; k++) p.images.pixels[k] = (unsigned char)hw_rng_below(&rng, 256);
    for (size_t k = 0; k < BATCH; k++) p.images.labels[k] = (unsigned char)(k * 3 % CLASSES);
    p.n = hw_net_parameters(p.net);
    p.x = check_floats(p.n);
    p.g = check_floats(p.n);
    hw_net_init(p.net, 11, p.x);
    for (size_t k = 0; k < p.n; k++) p.x[k] += 0.02f * sinf((float)k * 3.1f);
    p.scratch_bytes = (hw_net_scratch_bytes(p.net) + 63) / 64 * 64;
    p.scratch = aligned_alloc(64, p.scratch_bytes);
    assert_non_null(p.scratch);
    return p;
}

static void fell(plant *p)
{
    hw_net_free(p->net);
    free(p->images.pixels);
    free(p->images.labels);
    free(p->x);
    free(p->g);
    free(p->scratch);
}

/* Images first .. first + count - 1 of a minibatch of six; nothing may depend on what the scratch held. */
static double loss_of(plant *p, uint32_t first, uint32_t count)
{
    uint32_t index[BATCH];
    for (uint32_t i = 0; i < count; i++) index[i] = first + i;
    memset(p->scratch, 0xff, p->scratch_bytes);
    hw_batch batch = {index, count, first, BATCH, 3, 0, 1};
    return hw_net_loss(p->net, p->scratch, &p->images, &batch, p->x, p->g, NULL);
}

static void assert_all_near(const char *name, const float *x, const float *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)expected[i]) <= tolerance))
            fail_msg("%s: number %zu is %.8g, not %.8g", name, i, (double)x[i], (double)expected[i]);
}

static double largest_of(const float *g, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)g[i]));
    return most;
}

static void nets_against_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * NETS; i++) {
        plant p = grow(i / 2, i % 2 ? HW_PATH_AUTO : HW_PATH_SCALAR, BATCH);
        hw_net_task task = {.net = p.net, .train = &p.images, .test = &p.images};
        hw_objective o;
        hw_gradient_report report;
        char why[HW_WHY] = "";
        uint32_t index[BATCH];
        for (uint32_t k = 0; k < BATCH; k++) index[k] = BATCH - 1 - k;
        assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
        if (nets[i / 2].smooth &&
            hw_check_gradient(&o, p.x, index, BATCH, CHECK_SLOW ? 40 : 150, 2e-3, &report, why) != HW_OK)
            fail_msg("%s: %s", nets[i / 2].name, why);
        fell(&p);
    }
}

static void both_paths_agree_in_nets(void **state)
{
    (void)state;
    for (size_t i = 0; i < NETS; i++) {
        plant a = grow(i, HW_PATH_SCALAR, BATCH), b = grow(i, HW_PATH_AUTO, BATCH);
        assert_near(loss_of(&a, 0, BATCH), loss_of(&b, 0, BATCH), 1e-5);
        assert_int_equal(a.n, b.n);
        assert_all_near(nets[i].name, b.g, a.g, a.n, 5e-5 * largest_of(a.g, a.n));
        fell(&a);
        fell(&b);
    }
}

/* Blocks, memory in place, masks: a minibatch's loss and gradient are the means of its images', one by one. */
static void minibatches_are_means_of_images(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * NETS; i++) {
        hw_path path = i % 2 ? HW_PATH_AUTO : HW_PATH_SCALAR;
        plant p = grow(i / 2, path, BATCH), single = grow(i / 2, path, 1);
        float *mean = check_floats(p.n);
        double loss = 0;
        for (uint32_t k = 1; k < BATCH; k++) {
            loss += loss_of(&single, k, 1) / (BATCH - 1);
            for (size_t j = 0; j < p.n; j++) mean[j] += single.g[j] / (BATCH - 1);
        }
        assert_near(loss_of(&p, 1, BATCH - 1), loss, 1e-6);
        assert_all_near(nets[i / 2].name, p.g, mean, p.n, 2e-5 * largest_of(mean, p.n));
        free(mean);
        fell(&p);
        fell(&single);
    }
}

int main(void)
{
    openblas_set_num_threads(1); /* the engine does this; here nets are called without one */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_against_differences),
        cmocka_unit_test(both_paths_agree_in_nets),
        cmocka_unit_test(minibatches_are_means_of_images),
    };
    return cmocka_run_group_tests_name("layers in nets", tests, NULL, NULL);
}
