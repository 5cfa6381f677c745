/* test_curvature.c - the curvature is followed during a run: a learning rate that the start called unstable rises where
 * the loss flattens; what a resumed run finds is what the whole one found. */
#include "check.h"

enum { N = 8, WORKERS = 4, UPDATES = 2000 };

/* x^4 / 4: the curvature 3 x^2 falls on the way to 0. */
static double flattening(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self;
    (void)scratch;
    for (int j = 0; j < N; j++) {
        g[j] = x[j] * x[j] * x[j];
        loss += 0.25 * (double)g[j] * (double)x[j];
    }
    return b->count ? loss : 0;
}

/* sqrt(1 + (k x)^2) / k: from a slope of 1 to a curvature of k at 0. */
static double sharpening(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0, k = *(const double *)self;
    (void)scratch;
    for (int j = 0; j < N; j++) {
        double y = k * (double)x[j], root = sqrt(1 + y * y);
        g[j] = (float)(y / root);
        loss += root / k;
    }
    return b->count ? loss : 0;
}

static hw_config config(void)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.workers = c.least_workers = WORKERS;
    c.batch = 4;
    c.epochs = 0;
    c.updates = UPDATES;
    c.simulation.clock = HW_CLOCK_ROUND_ROBIN;
    c.divergence = 0;
    return c;
}

static hw_objective objective(double (*of)(void *, void *, const hw_batch *, const float *, float *), double *k)
{
    hw_objective o = hw_objective_defaults("curved", N);
    o.examples = 1000;
    o.loss_gradient = of;
    o.self = k;
    return o;
}

static hw_engine *run(const hw_objective *o, const hw_config *c, float start, hw_result *r)
{
    char why[HW_WHY];
    float x[N];
    hw_engine *e;
    for (int j = 0; j < N; j++) x[j] = start;
    if (hw_engine_create(&e, o, c, x, why) != HW_OK) fail_msg("%s", why);
    if (hw_engine_run(e, r) != HW_OK) fail_msg("%s", r->message);
    return e;
}

static void a_rate_rises_where_the_loss_flattens(void **state)
{
    (void)state;
    hw_config c = config();
    hw_objective o = objective(flattening, NULL);
    hw_result r;
    size_t n;
    c.optimizer.schedule.base = 0.02; /* 3 * 3^2 * 0.02 = 0.54, where a delay of 3 takes 0.07 */
    hw_engine *e = run(&o, &c, 3, &r);
    const hw_setting *s = hw_engine_settings(e, &n);
    assert_true(n > 3);
    assert_true(s[0].rate < 0.15);
    assert_near(r.setting.rate, 1, 0);
    assert_true(r.curvature < 1 && r.curvature >= 0);
    assert_int_equal(hw_engine_returns(e, NULL), 0);
    /* Within the first window already, and never faster than fourfold. */
    size_t early = 0;
    while (early + 1 < n && s[early + 1].update <= 200) early++;
    assert_true(early >= 3 && s[early].rate > 2 * s[0].rate);
    for (size_t i = 1; i < n; i++) assert_true(s[i].rate >= s[i - 1].rate && s[i].rate <= 4.01 * s[i - 1].rate);
    hw_engine_free(e);
    /* A curvature of the caller's stays, and with it the rate. */
    c.curvature = 27;
    e = run(&o, &c, 3, &r);
    assert_near(r.curvature, 27, 0);
    assert_true(r.setting.rate < 0.15);
    hw_engine_free(e);
}

/* A curvature that rises keeps the rate from rising; what cuts it is a loss that rises, which this one's does not. */
static void a_sharpening_loss_keeps_the_rate(void **state)
{
    (void)state;
    double k = 60;
    hw_config c = config();
    hw_objective o = objective(sharpening, &k);
    hw_result r;
    float x[N];
    c.optimizer.schedule.base = 0.005; /* 60 * 0.005 = 0.3, four times what a delay of 3 takes */
    hw_engine *e = run(&o, &c, 5, &r);
    size_t n;
    const hw_setting *s = hw_engine_settings(e, &n);
    assert_near(s[0].rate, 1, 0);
    assert_true(r.curvature > 1);
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    for (int j = 0; j < N; j++) assert_true(fabsf(x[j]) < 0.1F);
    hw_engine_free(e);
}

typedef struct kept {
    hw_state *state;
    uint64_t at;
} kept;

static hw_status keep(void *context, uint64_t update, const hw_state *state)
{
    kept *k = context;
    return update == k->at ? hw_state_copy(k->state, state) : HW_OK;
}

static void a_resumed_run_follows_the_same(void **state)
{
    (void)state;
    for (uint64_t at = 20; at <= 500; at += 160) {
        double k = 60;
        char why[HW_WHY];
        hw_config c = config();
        hw_objective o = objective(sharpening, &k);
        hw_result whole, rest;
        float x[N], y[N];
        kept saved = {hw_state_create(), at};
        c.optimizer.schedule.base = 0.005;
        c.on_capture = keep;
        c.context = &saved;
        c.checkpoint_every = 20;
        hw_engine *e = run(&o, &c, 5, &whole), *f;
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        assert_int_equal(hw_engine_create(&f, &o, &c, NULL, why), HW_OK);
        if (hw_engine_restore(f, saved.state, why) != HW_OK) fail_msg("%s", why);
        saved.at = UINT64_MAX;
        assert_int_equal(hw_engine_run(f, &rest), HW_OK);
        assert_int_equal(hw_engine_get(f, y), HW_OK);
        assert_memory_equal(x, y, sizeof x);
        assert_near(whole.curvature, rest.curvature, 0);
        assert_near(whole.setting.rate, rest.setting.rate, 0);
        hw_engine_free(e);
        hw_engine_free(f);
        hw_state_free(saved.state);
    }
}

/* Threads: the one that sees to the window computes gradients while the others go on; where it is not given a processor
 * meanwhile they may finish a short run without it, so a run is as long as it takes. */
static void threads_follow_it_too(void **state)
{
    (void)state;
    static const hw_scheduler schedulers[] = {HW_ASYNC, HW_GROUPS, HW_ROUND_ROBIN};
    for (unsigned i = 0; i < 3; i++) {
        hw_config c = config();
        hw_objective o = objective(flattening, NULL);
        hw_result r;
        c.scheduler = schedulers[i];
        c.groups = 2;
        c.optimizer.schedule.base = 0.02;
        do {
            hw_engine_free(run(&o, &c, 3, &r));
        } while (r.curvature >= 9 && schedulers[i] != HW_ROUND_ROBIN && (c.updates *= 4) < 10000000);
        assert_true(r.curvature < 9);
        /* Only turns have a delay that does not depend on who was given a processor when. */
        if (schedulers[i] == HW_ROUND_ROBIN) assert_true(r.setting.rate > 0.12);
    }
}

/* The noise of two gradients that are subtracted is the same noise: without that a thousand times the difference. */
static void noise_is_not_curvature(void **state)
{
    (void)state;
    const float curvature[N] = {0.1f, 0.2f, 0.3f, 2, 0.4f, 0.5f, 0.6f, 0.7f}, optimum[N] = {0}, x[N] = {1, 1, 1, 1};
    hw_quadratic q = {N, curvature, optimum, 10};
    hw_objective o;
    char why[HW_WHY];
    double found;
    assert_int_equal(hw_quadratic_objective(&q, &o, why), HW_OK);
    assert_int_equal(hw_curvature(&o, x, NULL, 16, 30, 1, &found, why), HW_OK);
    assert_near(found, 2, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_rises_where_the_loss_flattens),
        cmocka_unit_test(a_sharpening_loss_keeps_the_rate),
        cmocka_unit_test(a_resumed_run_follows_the_same),
        cmocka_unit_test(threads_follow_it_too),
        cmocka_unit_test(noise_is_not_curvature),
    };
    return cmocka_run_group_tests_name("curvature", tests, NULL, NULL);
}
