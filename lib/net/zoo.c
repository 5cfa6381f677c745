/* zoo.c - the papers' networks as short builders. */
#include "net.h"

static hw_net *finished(hw_net *net, uint32_t batch, char *why)
{
    if (!net) {
        base_fail(why, HW_E_MEMORY, "no memory for a net");
        return NULL;
    }
    if (hw_net_finish(net, batch, why) == HW_OK) return net;
    hw_net_free(net);
    return NULL;
}

hw_net *hw_net_lenet(uint32_t batch, char *why)
{
    hw_net *net = hw_net_create(1, 28, 28);
    hw_net_conv(net, 20, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_conv(net, 50, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 500);
    hw_net_relu(net);
    hw_net_dense(net, 10);
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
