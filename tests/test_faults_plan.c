/* test_faults_plan.c - allocations that fail in files of options, jansson's among them, and in plans. */
#include "faults.h"
#include <hogwild/plan.h>
#include <jansson.h>
#include <unistd.h>

static hw_status use_file(int i)
{
    hw_config c = hw_config_defaults();
    char why[HW_WHY] = "";
    hw_status status = HW_OK;
    c.workers = 3;
    if (i == 0) {
        status = hw_config_save(&c, "faults-options", why);
        if (status != HW_OK && access("faults-options", F_OK) == 0) return HW_E_STATE;
        if (status == HW_OK) assert_int_equal(unlink("faults-options"), 0);
        return status;
    }
    status = hw_config_load(&c, "options", why);
    if (status == HW_OK && c.workers != 2) return HW_E_STATE;
    if (status != HW_OK && (c.workers != 3 || !strstr(why, "memory"))) return HW_E_STATE;
    return status;
}

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b;
    g[0] = x[0] - 1;
    return 0.5 * (double)g[0] * (double)g[0];
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * 0.5 * ((double)x[0] - 1) * ((double)x[0] - 1);
    return HW_OK;
}

/* Enough has been seen. */
static hw_status enough(void *context, const hw_plan_probe *p)
{
    unsigned *probes = context;
    (void)p;
    return ++*probes == 2 ? HW_E_USER + 1 : HW_OK;
}

static hw_status use_plan(int i)
{
    hw_objective o = hw_objective_defaults("faults", 1);
    hw_config c = hw_config_defaults(), chosen = hw_config_defaults();
    hw_plan_request r;
    hw_planned planned;
    unsigned probes = 0;
    (void)i;
    o.examples = 1000;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 1;
    o.scratch_bytes = 100;
    c.batch = 8;
    c.updates = 1000000;
    c.optimizer.schedule.base = 1e-5;
    c.workers = 1;
    assert_int_equal(hw_plan_request_init(&r, sizeof r), HW_OK);
    r.objective = &o;
    r.config = &c;
    r.threads = 2;
    r.on_probe = enough;
    r.context = &probes;
    hw_status status = hw_plan(&r, &chosen, &planned, NULL);
    return status == HW_E_USER + 1 ? HW_OK : status;
}

static void memory_fails_everywhere(void **state)
{
    (void)state;
    const fault_call list[] = {{"file", use_file, 2, false}, {"plan", use_plan, 1, true}};
    hw_config c = hw_config_defaults();
    c.workers = 2;
    assert_int_equal(hw_config_save(&c, "options", NULL), HW_OK);
    assert_true(faults_everywhere(list, sizeof list / sizeof *list) > 100);
    assert_int_equal(unlink("options"), 0);
}

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_fails_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
