/* zoo.c - the papers' networks as short builders. */
#include "net.h"

static hw_net *finished(hw_net *net, uint32_t batch, char *why)
{
    if (!net) {
        hw__base_fail(why, HW_E_MEMORY, "no memory for a net");
        return NULL;
    }
    if (hw_net_finish(net, batch, why) == HW_OK) return net;
    hw_net_free(net);
    return NULL;
}

hw_net *hw_net_lenet(uint32_t batch, char *why)
{
    return hw_net_lenet_classes(10, batch, why);
}

hw_net *hw_net_lenet_classes(unsigned classes, uint32_t batch, char *why)
{
    if (classes < 2 || classes > 256) {
        hw__base_fail(why, HW_E_ARGUMENT, "hw_net_lenet_classes: %u classes: 2 to 256 are possible", classes);
        return NULL;
    }
    hw_net *net = hw_net_create(1, 28, 28);
    hw_net_conv(net, 20, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_conv(net, 50, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 500);
    hw_net_relu(net);
    hw_net_dense(net, classes);
    return finished(net, batch, why);
}

static void lecun(hw_net *net)
{
    hw_net_fill(net, HW_FILL_LECUN, 0, 0);
}

hw_net *hw_net_xu(uint32_t batch, int second_pool, double dropout, char *why)
{
    hw_net *net = hw_net_create(3, 32, 32);
    hw_net_input(net, 1 / 127.5f, 127.5f);
    hw_net_conv(net, 6, 5, 1, 0);
    lecun(net);
    hw_net_relu(net);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_conv(net, 16, 5, 1, 0);
    lecun(net);
    hw_net_relu(net);
    if (second_pool) hw_net_max_pool(net, 2, 2, 0);
    const unsigned widths[] = {120, 84};
    for (int i = 0; i < 2; i++) {
        hw_net_dense(net, widths[i]);
        lecun(net);
        hw_net_relu(net);
        if (dropout > 0 || !(dropout >= 0)) hw_net_dropout(net, dropout); /* which refuses what is no rate */
    }
    hw_net_dense(net, 10);
    lecun(net);
    return finished(net, batch, why);
}

hw_net *hw_net_perceptron(unsigned channels, unsigned height, unsigned width, unsigned hidden, unsigned classes,
                          uint32_t batch, char *why)
{
    hw_net *net = hw_net_create(channels, height, width);
    hw_net_dense(net, hidden);
    hw_net_relu(net);
    hw_net_dense(net, classes);
    return finished(net, batch, why);
}

static void gaussian(hw_net *net, double deviation, double bias)
{
    hw_net_fill(net, HW_FILL_GAUSSIAN, deviation, bias);
}

hw_net *hw_net_cifar10_quick(uint32_t batch, unsigned classes, const float *mean_image, char *why)
{
    hw_net *net = hw_net_create(3, 32, 32);
    hw_preparation p = hw_preparation_defaults();
    p.scale = 1;
    p.shift = 120;
    p.mean = mean_image;
    if (mean_image) p.normalize = HW_NORMALIZE_MEAN_IMAGE;
    hw_net_prepare(net, &p);
    hw_net_conv(net, 32, 5, 1, 2);
    gaussian(net, 1e-4, 0);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_relu(net);
    for (unsigned filters = 32; filters <= 64; filters += 32) {
        hw_net_conv(net, filters, 5, 1, 2);
        gaussian(net, 0.01, 0);
        hw_net_relu(net);
        hw_net_average_pool(net, 3, 2, 0);
    }
    hw_net_dense(net, 64);
    gaussian(net, 0.1, 0);
    hw_net_dense(net, classes);
    gaussian(net, 0.1, 0);
    return finished(net, batch, why);
}

/* --- residual nets -------------------------------------------------------------------------------------------------
 */

static void normed_conv(hw_net *net, bool hyper, unsigned filters, unsigned kernel, unsigned stride)
{
    if (hyper) {
        hw_net_hyper_conv(net, filters, kernel, stride, kernel / 2);
    } else {
        hw_net_conv(net, filters, kernel, stride, kernel / 2);
        hw_net_no_bias(net);
    }
    hw_net_fill(net, HW_FILL_HE, 0, 0);
    hw_net_batch_norm(net);
}

static void residual_unit(hw_net *net, bool hyper, unsigned filters, unsigned stride, bool widens)
{
    unsigned in = hw_net_here(net), shortcut = in;
    if (widens) {
        normed_conv(net, false, filters, 1, stride);
        shortcut = hw_net_here(net);
        hw_net_from(net, in);
    }
    normed_conv(net, hyper, filters, 3, stride);
    hw_net_relu(net);
    normed_conv(net, hyper, filters, 3, 1);
    hw_net_add(net, shortcut);
    hw_net_relu(net);
}

hw_residual_config hw_residual_defaults(void)
{
    return (hw_residual_config){
        .struct_size = sizeof(hw_residual_config), .n = 3, .width = 16, .classes = 10, .copies = 1};
}

hw_net *hw_net_residual(uint32_t batch, const hw_residual_config *c, const hw_preparation *preparation, char *why)
{
    if (!c || c->struct_size != sizeof *c) {
        hw__base_fail(why, HW_E_ARGUMENT, "hw_net_residual: a configuration of hw_residual_defaults() is needed");
        return NULL;
    }
    bool hyper = c->form == HW_RESIDUAL_HYPER;
    if (c->n < 1 || c->n > 18 || c->width < 1 || c->width > 1024 || (unsigned)c->form > HW_RESIDUAL_HYPER) {
        hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_net_residual: n %u, width %u, form %d: 1 to 18 units a stage, a width of 1 to 1024 and form 0 or "
            "1 are needed",
            c->n, c->width, (int)c->form);
        return NULL;
    }
    hw_net *net = hw_net_create(3, 32, 32);
    if (preparation) hw_net_prepare(net, preparation);
    hw_net_statistics(net, c->statistics, c->copies, 0.1, 1e-5);
    hw_net_label_smoothing(net, c->label_smoothing);
    normed_conv(net, hyper, c->width, 3, 1);
    hw_net_relu(net);
    for (unsigned stage = 0; stage < 3; stage++)
        for (unsigned i = 0; i < c->n; i++) {
            bool widens = stage > 0 && i == 0;
            residual_unit(net, hyper, c->width << stage, widens ? 2 : 1, widens);
        }
    hw_net_global_average(net);
    hw_net_dense(net, c->classes);
    hw_net_fill(net, HW_FILL_LECUN, 0, 0);
    return finished(net, batch, why);
}

/* --- CaffeNet ------------------------------------------------------------------------------------------------------
 */

static void caffe_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad, unsigned groups,
                       double bias)
{
    hw_net_conv(net, filters, kernel, stride, pad);
    if (groups > 1) hw_net_groups(net, groups);
    gaussian(net, 0.01, bias);
    hw_net_relu(net);
}

static void caffe_dense(hw_net *net, unsigned outputs)
{
    hw_net_dense(net, outputs);
    gaussian(net, 0.005, 1);
    hw_net_relu(net);
    hw_net_dropout(net, 0.5);
}

hw_net *hw_net_caffenet(uint32_t batch, unsigned side, unsigned width, unsigned classes, char *why)
{
    if (width < 16 || width > 1024 || width % 16) {
        hw__base_fail(why, HW_E_ARGUMENT, "hw_net_caffenet: width %u must be a multiple of 16 in [16, 1024]", width);
        return NULL;
    }
    hw_net *net = hw_net_create(3, side, side);
    hw_net_input(net, 1, 120);
    caffe_conv(net, 96 * width / 256, 11, 4, 0, 1, 0);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_lrn(net, 5, 1e-4, 0.75);
    caffe_conv(net, width, 5, 1, 2, 2, 1);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_lrn(net, 5, 1e-4, 0.75);
    caffe_conv(net, 384 * width / 256, 3, 1, 1, 1, 0);
    caffe_conv(net, 384 * width / 256, 3, 1, 1, 2, 1);
    caffe_conv(net, width, 3, 1, 1, 2, 1);
    hw_net_max_pool(net, 3, 2, 0);
    caffe_dense(net, 16 * width);
    caffe_dense(net, 16 * width);
    hw_net_dense(net, classes);
    gaussian(net, 0.01, 0);
    return finished(net, batch, why);
}
