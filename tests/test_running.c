/* test_running.c - running means in every scheduler and under policies that change the explicit momentum: the weight of
 * each set says how far it has moved. */
#include "check.h"
#include <cblas.h>

enum { BATCH = 16, IMAGES = 512 };

/* Weights of the `copies` sets after a run. */
static void weights(hw_config *c, hw_statistics where, unsigned copies, float *weight)
{
    char why[HW_WHY] = "";
    hw_images images;
    assert_int_equal(hw_textures_generate(IMAGES, 5, 3, &images), HW_OK);
    hw_net *net = hw_net_create(3, 32, 32);
    hw_net_statistics(net, where, copies, 0.1, 1e-5);
    hw_net_conv(net, 4, 3, 4, 1);
    hw_net_batch_norm(net);
    hw_net_relu(net);
    hw_net_dense(net, 5);
    if (hw_net_finish(net, BATCH, why) != HW_OK) fail_msg("%s", why);
    hw_net_task task = {net, &images, NULL, NULL};
    hw_objective o;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
    float *x = check_floats(hw_net_parameters(net));
    hw_net_init(net, 1, x);
    c->batch = BATCH;
    c->curvature = -1;
    c->divergence = 0;
    hw_result r;
    if (hw_train(&o, c, x, &r) != HW_OK) fail_msg("%s", r.message);
    size_t tensors, k = 0;
    const hw_tensor *t = hw_net_tensors(net, &tensors);
    for (size_t i = 0; i < tensors; i++)
        if (strstr(t[i].name, "weight_of_mean")) weight[k++] = x[t[i].first];
    assert_int_equal(k, where == HW_STATISTICS_SHARED ? 1 : copies);
    free(x);
    hw_net_free(net);
    hw_images_free(&images);
}

static hw_config config(hw_scheduler scheduler, unsigned workers, uint64_t updates, double momentum)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.groups = 2;
    c.epochs = 0;
    c.updates = updates;
    c.optimizer.momentum = momentum;
    c.optimizer.schedule.base = 0.01;
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

/* Without momentum n steps of its own move a set to 1 - 0.9^n; in synchronous groups every thread's own set too. */
static void every_scheduler_moves_its_sets(void **state)
{
    (void)state;
    float w[4];
    hw_config c = config(HW_SEQUENTIAL, 1, 20, 0);
    weights(&c, HW_STATISTICS_SHARED, 1, w);
    assert_near((double)w[0], 1 - pow(0.9, 20), 1e-4);
    c = config(HW_SYNC, 4, 20, 0);
    weights(&c, HW_STATISTICS_SHARED, 1, w);
    assert_near((double)w[0], 1 - pow(0.9, 20), 1e-4);
    c = config(HW_SYNC, 4, 20, 0);
    weights(&c, HW_STATISTICS_PER_WORKER, 4, w);
    for (int k = 0; k < 4; k++) assert_near((double)w[k], 1 - pow(0.9, 20), 1e-4);
    /* In groups an update is of both threads of one group: their sets are alike, and all steps are somebody's. */
    c = config(HW_GROUPS, 4, 40, 0);
    weights(&c, HW_STATISTICS_PER_WORKER, 4, w);
    assert_near((double)w[0], (double)w[1], 1e-5);
    assert_near((double)w[2], (double)w[3], 1e-5);
    double steps = log(1 - (double)w[0]) / log(0.9) + log(1 - (double)w[2]) / log(0.9);
    assert_near(steps, 40, 0.1);
    c = config(HW_SIMULATED, 4, 40, 0);
    weights(&c, HW_STATISTICS_PER_WORKER, 4, w);
    steps = 0;
    for (int k = 0; k < 4; k++) steps += log(1 - (double)w[k]) / log(0.9);
    assert_near(steps, 40, 0.1);
    c = config(HW_ASYNC, 2, 40, 0);
    weights(&c, HW_STATISTICS_PER_WORKER, 2, w);
    steps = log(1 - (double)w[0]) / log(0.9) + log(1 - (double)w[1]) / log(0.9);
    assert_near(steps, 40, 0.1);
}

/* Momentum is a filter of gain 1, also where a policy lowers the explicit part and raises the rate for it. */
static void policies_leave_the_pace(void **state)
{
    (void)state;
    float w[1];
    for (int k = 0; k < 4; k++) {
        hw_config c = config(k < 2 ? HW_SEQUENTIAL : k == 2 ? HW_ASYNC : HW_SYNC, k < 2 ? 1 : 2, 150, 0.9);
        c.compensation.policy = k == 0 ? HW_POLICY_NONE : k == 2 ? HW_POLICY_THEORY : HW_POLICY_FIXED;
        c.compensation.fixed = 0.2;
        weights(&c, HW_STATISTICS_SHARED, 1, w);
        assert_near((double)w[0], 1, 0.03);
    }
}

int main(void)
{
    openblas_set_num_threads(1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_scheduler_moves_its_sets),
                                       cmocka_unit_test(policies_leave_the_pace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
