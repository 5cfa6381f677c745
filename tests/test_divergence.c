/* test_divergence.c - the check of divergence: a lasting rise of the loss ends a run, single large losses do not,
 * whatever law they follow; over laws, seeds, schedulers, dense and sparse steps. */
#include "check.h"
#include "median.h"
#include <sched.h>
#include <stdatomic.h>

enum { ROWS = 20000, LAWS = 6, SEEDS = 10, EACH = 3 };

static float target[ROWS];

/* Zeros with a rare one, Pareto, lognormal, counts, a few gross errors, and a tame law beside them. */
static void draw(int law, uint64_t seed)
{
    hw_rng rng;
    hw_rng_seed(&rng, seed, (uint64_t)law);
    for (int i = 0; i < ROWS; i++) {
        double u = hw_rng_uniform(&rng), n = hw_rng_normal(&rng);
        target[i] = (float)(law == 0   ? u < 1.0 / 400
                            : law == 1 ? pow(1 - u, -1 / 1.5)
                            : law == 2 ? exp(2.5 * n)
                            : law == 3 ? (u < 0.9 ? 0 : floor(10 * (u - 0.9) * 10))
                            : law == 4 ? n + (u < 0.002 ? 1e5 : 0)
                                       : n);
    }
}

/* A loss of one coordinate as a sparse step. */
static hw_status at_one(hw_worker *w, const hw_batch *b, void *self,
                        double (*of)(void *, void *, const hw_batch *, const float *, float *))
{
    const uint32_t at[1] = {0};
    float x[1], g[1];
    hw_read_at(w, at, 1, x);
    double loss = of(self, NULL, b, x, g);
    return hw_write_at(w, at, 1, g, loss);
}

static hw_status sparse_median(void *self, hw_worker *w, const hw_batch *b)
{
    return at_one(w, b, self, median);
}

static hw_config config(unsigned i, uint64_t seed)
{
    hw_config c = hw_config_defaults();
    c.scheduler = (hw_scheduler[]){HW_SEQUENTIAL, HW_ASYNC, HW_SIMULATED}[i];
    c.workers = i ? 2 + i : 1;
    c.batch = 1;
    c.seed = seed;
    c.curvature = -1;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.01;
    return c;
}

static hw_objective objective(bool sparse)
{
    hw_objective o = hw_objective_defaults("median", 1);
    o.examples = ROWS;
    o.self = target;
    if (sparse) {
        o.step = sparse_median;
        o.touched = 1;
    } else {
        o.loss_gradient = median;
    }
    return o;
}

static void single_losses_end_nothing(void **state)
{
    (void)state;
    for (int law = 0; law < LAWS; law++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            draw(law, seed);
            for (unsigned i = 0; i < 2 * EACH; i++) {
                hw_result r;
                float x[1] = {0};
                hw_objective o = objective(i >= EACH);
                hw_config c = config(i % EACH, seed);
                if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("law %d seed %d, %u: %s", law, (int)seed, i, r.message);
            }
        }
}

/* Worker 1 comes to its first losses when worker 0 has just met a large one, and only they make a limit. */
typedef struct late {
    _Atomic unsigned steps[2];
} late;

static hw_status late_step(void *self, hw_worker *w, const hw_batch *b)
{
    late *s = self;
    unsigned id = hw_worker_id(w), step = ++s->steps[id];
    (void)b;
    while (id == 1 && s->steps[0] < 501) (void)sched_yield();
    while (id == 0 && step == 501 && s->steps[1] < 20) (void)sched_yield();
    (void)hw_read(w);
    hw_gradient(w)[0] = 0;
    return hw_write(w, id == 1 ? 0.01 : step == 500 ? 1 : 0);
}

static void a_late_worker_makes_no_past_loss_too_large(void **state)
{
    (void)state;
    late s = {0};
    float x[1] = {0};
    hw_result r;
    hw_config c = config(1, 1);
    hw_objective o = hw_objective_defaults("late", 1);
    c.workers = 2;
    c.compensation.policy = HW_POLICY_NONE; /* these workers wait for each other, so none may park */
    c.updates = 1000;
    o.step = late_step;
    o.self = &s;
    o.examples = ROWS;
    assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
    assert_int_equal(r.updates, 1000);
}

/* A run that grows by a few percent a step. */
static double growing(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    const float *curvature = self;
    (void)scratch;
    g[0] = *curvature * x[0];
    return 0.5 * (double)*curvature * (double)x[0] * (double)x[0] + 0.01 * (b->index[0] % 7);
}

static hw_status sparse_growing(void *self, hw_worker *w, const hw_batch *b)
{
    return at_one(w, b, self, growing);
}

static void a_lasting_rise_ends_a_run(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * EACH; i++)
        for (int k = 0; k < 3; k++) {
            float curvature = (float[]){203, 210, 250}[k], x[1] = {1}; /* rate 0.01: |x| grows by 3, 10, 50 % a step */
            hw_result r;
            hw_config c = config(i % EACH, 1);
            hw_objective o = objective(i >= EACH);
            c.compensation.policy = HW_POLICY_NONE; /* auto would lower the rate (test_recovery) */
            if (i >= EACH)
                o.step = sparse_growing;
            else
                o.loss_gradient = growing;
            o.self = &curvature;
            assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
            /* Long before it overflows; sixteen sparse examples count as one, so those may come to that first. */
            if (k < 2 && i < EACH) assert_text(r.message, "the loss rose from");
            assert_true(r.updates < 1000);
            assert_true(fabsf(x[0]) < 1e6F); /* good ones are kept */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_losses_end_nothing),
                                       cmocka_unit_test(a_late_worker_makes_no_past_loss_too_large),
                                       cmocka_unit_test(a_lasting_rise_ends_a_run)};
    return cmocka_run_group_tests_name("divergence", tests, NULL, NULL);
}
