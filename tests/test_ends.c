/* test_ends.c - how runs end: by a step or a callback that asks for it, during the preparation, and not at all; counts
 * of examples near 2^32. */
#if defined(__linux__)
#define _GNU_SOURCE 1 /* pthread_setattr_default_np */
#endif
#include "check.h"
#include <stdatomic.h>
#include <unistd.h>

enum { N = 8 };

static const struct {
    hw_scheduler scheduler;
    unsigned workers, groups;
} each[] = {{HW_SEQUENTIAL, 1, 1}, {HW_ASYNC, 3, 1},       {HW_SYNC, 3, 1},        {HW_GROUPS, 4, 2},
            {HW_SIMULATED, 4, 1},  {HW_ROUND_ROBIN, 3, 1}, {HW_ROUND_ROBIN, 1, 1}, {HW_GATHER, 4, 1}};
enum { EACH = sizeof each / sizeof *each };

static hw_config config(unsigned i)
{
    hw_config c = hw_config_defaults();
    c.scheduler = each[i].scheduler;
    c.workers = each[i].workers;
    c.groups = each[i].groups;
    if (c.scheduler == HW_GATHER) c.simulation.gather = 3, c.epochs = 4; /* of which three make an update */
    c.batch = 8;
    c.curvature = -1;
    return c;
}

/* Only the thread with the batch's first example asks: in a group the others have done their parts. */
static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    _Atomic unsigned *asked = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    for (int j = 0; j < N; j++) g[j] = x[j] - 1;
    if (b->step == 40 && b->offset == 0) {
        ++*asked;
        return HW_E_STOPPED;
    }
    return hw_write(w, 1);
}

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self;
    (void)scratch;
    for (int j = 0; j < N; j++) g[j] = x[j] - 1;
    return b->count ? 1 : 0;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self;
    (void)scratch;
    (void)first;
    sums[0] += (double)x[0] * 0 + count;
    return HW_OK;
}

static hw_status enough(void *context, const hw_evaluation *e)
{
    (void)context;
    return e->update >= 60 ? HW_E_STOPPED : HW_OK;
}

static void a_step_or_a_callback_ends_a_run_well(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EACH; i++)
        for (int by = 0; by < 2; by++) {
            _Atomic unsigned asked = 0;
            float x[N] = {0};
            hw_result r;
            hw_config c = config(i);
            hw_objective o = hw_objective_defaults("ends", N);
            o.examples = 1000;
            o.evaluate = evaluate;
            o.evaluation_examples = 10;
            o.self = &asked;
            if (by) {
                o.loss_gradient = gradient;
                c.evaluate_every = 20;
                c.on_evaluation = enough;
            } else {
                o.step = step;
            }
            hw_status status = hw_train(&o, &c, x, &r);
            if (status != HW_OK || r.reason != HW_STOP_CALLBACK || r.message[0])
                fail_msg("%u %d: status %d reason %d '%s'", i, by, status, (int)r.reason, r.message);
            assert_int_equal(asked, by ? 0 : 1);
            uint64_t least = by ? 60 : 40 - each[i].workers, most = by ? 79 : 40 + each[i].workers;
            if (each[i].scheduler == HW_GATHER && !by) least /= c.simulation.gather;
            /* One that asks may lose its processor before it is heard; who waits for nobody goes on meanwhile. */
            if (each[i].scheduler == HW_ASYNC || each[i].scheduler == HW_GROUPS) most = UINT64_MAX;
            if (r.updates < least || r.updates > most)
                fail_msg("%u %d: %llu updates", i, by, (unsigned long long)r.updates);
            assert_true(x[0] > 0.1F); /* the parameters are those of the end */
            assert_int_equal(r.good_update, r.updates);
            assert_int_equal(r.last.update, r.updates); /* and were evaluated */
        }
}

static volatile sig_atomic_t flag;

static double slow(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    _Atomic unsigned *calls = self;
    (void)scratch;
    if (++*calls == 1) flag = 1; /* in the thread that prepares, before there are others */
    for (int j = 0; j < N; j++) g[j] = x[j] - 1;
    return b->count ? 1 : 0;
}

/* The curvature alone would take 128 gradients. */
static void a_stop_during_the_preparation_is_heeded(void **state)
{
    (void)state;
    _Atomic unsigned calls = 0;
    hw_result r;
    hw_config c = hw_config_defaults();
    hw_objective o = hw_objective_defaults("slow", N);
    o.examples = 100000;
    o.loss_gradient = slow;
    o.self = &calls;
    c.workers = 2;
    c.stop_flag = &flag;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_ASKED);
    assert_true(calls <= 4);
    assert_true(r.updates <= 2);
}

static void a_run_without_an_end_is_refused(void **state)
{
    (void)state;
    hw_result r;
    char why[HW_WHY];
    hw_engine *e;
    hw_config c = hw_config_defaults();
    hw_objective o = hw_objective_defaults("endless", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    c.epochs = 0;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_E_ARGUMENT);
    assert_text(r.message, "would never end");
    /* With a handle somebody can stop it, and a callback can. */
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
    hw_engine_free(e);
    o.evaluate = evaluate;
    o.evaluation_examples = 10;
    c.on_evaluation = enough;
    c.evaluate_every = 20;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_CALLBACK);
}

static void counts_near_the_end_of_32_bits(void **state)
{
    (void)state;
    hw_result r;
    hw_config c = hw_config_defaults();
    hw_objective o = hw_objective_defaults("many", N);
    o.loss_gradient = gradient;
    o.examples = UINT32_MAX; /* a batch of 32 more would wrap */
    c.epochs = 0;
    c.updates = 100;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.updates, 100);
    assert_near(r.epochs, 3200.0 / UINT32_MAX, 1e-9);
    o.examples = 1000;
    o.evaluate = evaluate;
    o.evaluation_examples = 1000;
    o.evaluation_chunk = UINT32_MAX; /* all at once */
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.last.update, 100);
    assert_near(r.last.metric[0], 1, 0);
}

/* The record has a word for every reason to stop. */
static void a_callbacks_stop_is_in_the_record(void **state)
{
    (void)state;
    _Atomic unsigned asked = 0;
    char text[20000];
    hw_engine *e;
    hw_config c = config(0);
    hw_objective o = hw_objective_defaults("ends", N);
    o.examples = 1000;
    o.self = &asked;
    o.step = step;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_result_json(e, "ends", text, sizeof text, NULL), HW_OK);
    assert_text(text, "\"reason\":\"callback\"");
    assert_text(text, "\"returns\":0,\"updates_lost\":0");
    hw_engine_free(e);
}

static void sections_that_are_none_are_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_config c = hw_config_defaults();
    hw_objective o = hw_objective_defaults("sections", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    c.optimizer.n_sections = 1;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "config.optimizer.sections is NULL, but n_sections is 1");
    for (int k = 0; k < 2; k++) {
        hw_section bad = {0, 4, k ? 1 : NAN, k ? INFINITY : 1};
        c.optimizer.sections = &bad;
        assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
        assert_text(why, "config.optimizer.sections[0]: rate");
    }
}

static void *run_it(void *engine)
{
    return hw_engine_run(engine, NULL) == HW_OK ? engine : NULL;
}

static hw_status until_seen(void *context, const hw_evaluation *e)
{
    (void)e;
    while (!*(_Atomic int *)context) (void)usleep(100);
    return HW_OK;
}

static void nobody_joins_a_run_of_the_engines_own_threads(void **state)
{
    (void)state;
    _Atomic int seen = 0;
    hw_engine *e;
    hw_progress p;
    pthread_t thread;
    void *good = NULL;
    char why[HW_WHY];
    hw_config c = config(1);
    hw_objective o = hw_objective_defaults("own", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 10;
    c.on_evaluation = until_seen;
    c.context = &seen;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_it, e), 0);
    while (hw_engine_progress(e, &p, NULL) != HW_OK) (void)usleep(100);
    hw_status status = hw_engine_work(e, 0);
    seen = 1;
    (void)pthread_join(thread, &good);
    assert_int_equal(status, HW_E_STATE);
    assert_ptr_equal(good, e);
    hw_engine_free(e);
}

/* A process whose threads have 64 kB: the advisor's polynomials alone are longer. */
static void small_stacks_are_none_for_workers(void **state)
{
    (void)state;
#if defined(__GLIBC__)
    pthread_attr_t attributes;
    size_t before;
    hw_result r;
    hw_config c = hw_config_defaults();
    hw_objective o = hw_objective_defaults("stacks", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    c.workers = 4;
    c.epochs = 100;
    c.curvature = 1; /* so that the policy asks for the bounds in every window */
    c.optimizer.schedule.base = 0.05;
    assert_int_equal(pthread_getattr_default_np(&attributes), 0);
    assert_int_equal(pthread_attr_getstacksize(&attributes, &before), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 65536), 0);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    hw_status status = hw_train(&o, &c, NULL, &r);
    assert_int_equal(pthread_attr_setstacksize(&attributes, before), 0);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    assert_int_equal(status, HW_OK);
    assert_int_equal(r.updates, 100 * 32);
    (void)pthread_attr_destroy(&attributes);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_or_a_callback_ends_a_run_well),
        cmocka_unit_test(a_callbacks_stop_is_in_the_record),
        cmocka_unit_test(a_stop_during_the_preparation_is_heeded),
        cmocka_unit_test(a_run_without_an_end_is_refused),
        cmocka_unit_test(counts_near_the_end_of_32_bits),
        cmocka_unit_test(sections_that_are_none_are_refused),
        cmocka_unit_test(nobody_joins_a_run_of_the_engines_own_threads),
        cmocka_unit_test(small_stacks_are_none_for_workers),
    };
    return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
