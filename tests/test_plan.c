/* test_plan.c - curves and gains against what is written down here, candidates, and whole plans of an objective whose
 * steps take the time that they sleep, so that what is quickest is known on any machine. */
#include "check.h"
#include "../lib/plan/plan.h"
#include <time.h>

/* --- curves ---------------------------------------------------------------------------------------------------------
 */

static hw__plan_curve curve_of(size_t n, const double *loss)
{
    hw__plan_curve c = {.n = n};
    for (size_t i = 0; i < n; i++) {
        c.seconds[i] = (double)i;
        c.loss[i] = loss[i];
    }
    hw__plan_curve_fall(&c);
    return c;
}

static void curves_fall(void **state)
{
    (void)state;
    hw__plan_curve c = curve_of(6, (double[]){10, 6, 8, 3, 3.5, 4});
    const double fallen[] = {10, 7, 7, 3.5, 3.5, 3.5};
    for (int i = 0; i < 6; i++) assert_near(c.loss[i], fallen[i], 1e-12);
    assert_near(c.noise, sqrt((1 + 1 + 0.25 + 0 + 0.25) / 6), 1e-12);
    assert_near(hw__plan_curve_at(&c, 8.5), 0.5, 1e-12);
    assert_near(hw__plan_curve_at(&c, 7), 1, 1e-12);
    assert_near(hw__plan_curve_at(&c, 5.25), 2.5, 1e-12);
    assert_true(isinf(hw__plan_curve_at(&c, 3)));
    assert_near(hw__plan_curve_at(&c, 11), 0, 0);
    assert_true(hw__plan_curve_falls(&c, 2)); /* from 5.25 at half of the time to 3.5, and twice the noise is 1.29 */
}

static void curves_tell_beyond_their_noise(void **state)
{
    (void)state;
    hw__plan_curve flat = curve_of(6, (double[]){10, 10.01, 9.99, 10.02, 9.98, 10});
    hw__plan_curve clear = curve_of(6, (double[]){10, 8, 6, 5, 4, 3});
    hw__plan_curve early = curve_of(6, (double[]){10, 2, 1, 1, 1, 1});
    hw__plan_curve three = curve_of(3, (double[]){10, 8, 6});
    assert_false(hw__plan_curve_falls(&flat, 2));
    assert_true(hw__plan_curve_falls(&clear, 2));
    assert_false(hw__plan_curve_falls(&early, 2));
    assert_false(hw__plan_curve_falls(&three, 2));
    assert_true(hw__plan_curve_early(&early) && !hw__plan_curve_early(&clear) && !hw__plan_curve_early(&flat));
    assert_false(hw__plan_curve_early(&three));
}

static void gains_are_ratios_of_times(void **state)
{
    (void)state;
    hw__plan_curve slow = curve_of(6, (double[]){10, 9, 8, 7, 6, 5});
    hw__plan_curve quick = curve_of(6, (double[]){10, 8, 6, 4, 2, 0});
    hw__plan_curve early = curve_of(6, (double[]){10, 6, 5.5, 5.4, 5.2, 5});
    hw__plan_curve none = curve_of(6, (double[]){10, 10, 10, 10, 10, 10});
    for (int part = HW__PLAN_WHOLE; part <= HW__PLAN_KEPT; part++) {
        assert_near(hw__plan_curve_gain(&quick, &slow, (hw__plan_part)part), 2, 1e-12);
        assert_near(hw__plan_curve_gain(&slow, &quick, (hw__plan_part)part), 0.5, 1e-12);
        assert_true(hw__plan_curve_gain(&none, &slow, (hw__plan_part)part) == 0);
        assert_true(isinf(hw__plan_curve_gain(&slow, &none, (hw__plan_part)part)));
        assert_near(hw__plan_curve_gain(&slow, &slow, (hw__plan_part)part), 1, 1e-12);
    }
    /* Ahead at first, and overtaken. The losses 5, 5.625, 6.25, 6.875 are met at 5, 4.375, 3.75, 3.125 by the one and
     * at 5, 1.75, 0.9375, 0.78125 by the other, and 7.5 at 2.5 and 0.625. */
    assert_near(hw__plan_curve_gain(&early, &slow, HW__PLAN_WHOLE), pow(1 * 2.5 * 4 * 4, 0.25), 1e-12);
    assert_near(hw__plan_curve_gain(&early, &slow, HW__PLAN_LATE), cbrt(2.5 / 4.375 * 1.875 / 1.125 * 4), 1e-12);
    assert_near(hw__plan_curve_gain(&early, &slow, HW__PLAN_KEPT), 2.5 / 4.375, 1e-12);
    /* A head start that is kept: as steep as the other from 1 on. */
    hw__plan_curve ahead = curve_of(6, (double[]){10, 6, 5, 4, 3, 2});
    assert_near(hw__plan_curve_gain(&ahead, &slow, HW__PLAN_WHOLE), pow(2.5 * 4.375 / 1.375 * 4 * 4, 0.25), 1e-12);
    assert_near(hw__plan_curve_gain(&ahead, &slow, HW__PLAN_LATE), cbrt(2.5 / 1.375 * 2.5 * 4), 1e-12);
    assert_near(hw__plan_curve_gain(&ahead, &slow, HW__PLAN_KEPT), pow(2.5 * 4.375 / 1.375 * 4 * 4, 0.25), 1e-12);
}

/* Two runs of the same solver, and one that is half as quick again, whose losses are off by a tenth at every look: few
 * of the first are told apart, most of the second. */
static void noise_is_no_gain(void **state)
{
    (void)state;
    enum { RUNS = 2000 };
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int quick = 0; quick < 2; quick++) {
        unsigned taken = 0;
        for (int i = 0; i < RUNS; i++) {
            hw__plan_curve c[2];
            for (int k = 0; k < 2; k++) {
                double speed = quick && k == 0 ? 1.5 : 1, loss[9];
                for (int t = 0; t <= 8; t++)
                    loss[t] = 2.3 * (0.05 + 0.95 * pow(1 + speed * t, -1.5)) * (t ? exp(0.1 * hw_rng_normal(&rng)) : 1);
                c[k] = curve_of(9, loss);
                hw__plan_curve_fall(c + k);
            }
            double gain = hw__plan_curve_gain(c, c + 1, HW__PLAN_KEPT), doubt = hw__plan_curve_doubt(c, c + 1);
            taken += hw__plan_beyond(gain, doubt) > PLAN_WORTH;
        }
        if (quick)
            assert_true(taken > 0.8 * RUNS);
        else
            assert_true(taken < 0.08 * RUNS);
    }
}

static void doubt_takes_gains_away(void **state)
{
    (void)state;
    assert_near(hw__plan_beyond(1.05, 0.1), 1, 0);
    assert_near(hw__plan_beyond(0.95, 0.1), 1, 0);
    assert_near(hw__plan_beyond(2, 0.1), 2 * exp(-0.1), 1e-12);
    assert_near(hw__plan_beyond(0.5, 0.1), 0.5 * exp(0.1), 1e-12);
    assert_true(hw__plan_beyond(0, 0.1) == 0);
    assert_true(hw__plan_beyond(7, INFINITY) == 1);
    hw__plan_curve a = curve_of(5, (double[]){10, 8, 6, 4, 2}), flat = curve_of(5, (double[]){10, 6, 6, 6, 6});
    assert_near(hw__plan_curve_doubt(&a, &a), 0.1, 1e-12);
    assert_true(isinf(hw__plan_curve_doubt(&a, &flat)));
    a.noise = 1; /* it falls by 4 in its second half */
    assert_near(hw__plan_curve_doubt(&a, &a), 0.35, 1e-12);
}

static double no_gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b;
    g[0] = x[0];
    return 0;
}

/* Where there is no time to see asynchronous workers for long, threads in step take their place, with the solver that
 * was found; where those are no gain, they stay. */
static void what_cannot_be_seen_for_long_is_in_step(void **state)
{
    (void)state;
    hw_config one = hw_config_defaults();
    hw_objective o = hw_objective_defaults("ways", 1);
    o.examples = 1000;
    o.loss_gradient = no_gradient;
    one.scheduler = HW_SEQUENTIAL;
    one.workers = 1;
    for (int gains = 0; gains < 2; gains++) {
        hw__planner p = {.began = hw_now(), .structures = 3, .structure = 2, .best = 3, .n = 4, .structure_gain = 1.9};
        p.gain = 1.9; /* no budget: nothing is left */
        p.sampled.inner = o;
        p.list = calloc(PLAN_CANDIDATES, sizeof *p.list);
        assert_non_null(p.list);
        for (int i = 0; i < 4; i++) p.list[i].config = one;
        p.list[0].runs = 1;
        p.list[0].probe.seconds = 1;
        p.list[1].config.scheduler = HW_SYNC;
        p.list[2].config.scheduler = p.list[3].config.scheduler = HW_ASYNC;
        for (int i = 1; i < 4; i++) p.list[i].config.workers = 2;
        p.list[1].probe.gain = gains ? 1.7 : 1.02;
        p.list[3].config.optimizer.schedule.base = 0.5; /* the solver that was found for the two */
        p.list[3].probe.gain = 1.5;
        p.list[3].parent = 2;
        assert_int_equal(hw__plan_confirm(&p, NULL), HW_OK);
        const hw_config *c = &p.list[p.best].config;
        assert_int_equal(c->scheduler, gains ? HW_SYNC : HW_ASYNC);
        assert_int_equal(c->workers, 2);
        assert_near(c->optimizer.schedule.base, 0.5, 0);
        assert_near(p.gain, (gains ? 1.7 : 1.9) * 1.5, 1e-12);
        free(p.list);
    }
}

/* --- candidates -----------------------------------------------------------------------------------------------------
 */

static void ways_to_run_are_those_that_can(void **state)
{
    (void)state;
    hw__plan_candidate *list = calloc(PLAN_CANDIDATES, sizeof *list);
    assert_non_null(list);
    hw_objective o = hw_objective_defaults("ways", 1);
    hw_config c = hw_config_defaults();
    o.examples = 1000;
    o.loss_gradient = no_gradient;
    c.batch = 64;
    static const char *const eight[] = {"one worker",           "2 threads in step", "2 workers",
                                        "4 threads in step",    "4 workers",         "2 groups of 2 threads",
                                        "8 threads in step",    "8 workers",         "2 groups of 4 threads",
                                        "4 groups of 2 threads"};
    size_t n = hw__plan_structures(&c, &o, 8, list);
    assert_int_equal(n, sizeof eight / sizeof *eight);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(list[i].probe.label, eight[i]);
        assert_int_equal(hw_config_check(&list[i].config, &o, NULL), HW_OK);
    }
    assert_int_equal(list[0].config.scheduler, HW_SEQUENTIAL);
    assert_int_equal(list[9].config.groups, 4);
    n = hw__plan_structures(&c, &o, 3, list); /* two, and all three */
    assert_int_equal(list[n - 1].config.workers, 3);
    n = hw__plan_structures(&c, &o, 1, list);
    assert_int_equal(n, 1);
    c.batch = 1; /* one example is nothing to share */
    assert_int_equal(hw__plan_structures(&c, &o, 2, list), 2);
    c.batch = 64;
    c.read = HW_READ_CONSISTENT; /* whatever the library refuses is left out */
    c.delay_correction = 1;
    assert_int_equal(hw__plan_structures(&c, &o, 4, list), 0);
    free(list);
}

static void minibatches_change_what_counts_updates(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults();
    c.batch = 64;
    c.updates = 1000;
    c.evaluate_every = 50;
    c.keep_every = 20;
    c.optimizer.schedule.kind = HW_SCHEDULE_INV;
    c.optimizer.schedule.base = 0.01;
    c.optimizer.schedule.gamma = 0.0001;
    c.optimizer.schedule.power = 0.75;
    hw_config d = hw__plan_batch(&c, 2, 192, true);
    assert_int_equal(d.batch, 128);
    assert_int_equal(d.updates, 500);
    assert_int_equal(d.evaluate_every, 25);
    assert_int_equal(d.keep_every, 10);
    /* 1 + 192 / 64 and 1 + 192 / 128: as far an update as the noise allows. */
    assert_near(d.optimizer.schedule.base, 0.01 * 4 / 2.5, 1e-12);
    /* At equal examples the schedule stands where it stood. */
    double shape = d.optimizer.schedule.base / 0.01;
    for (uint64_t t = 0; t <= 500; t += 100)
        assert_near(hw_schedule_rate(&d.optimizer.schedule, t), shape * hw_schedule_rate(&c.optimizer.schedule, 2 * t),
                    1e-9);
    c.optimizer.schedule.kind = HW_SCHEDULE_EXPONENTIAL;
    c.optimizer.schedule.gamma = 0.999;
    d = hw__plan_batch(&c, 0.5, 192, true);
    shape = d.optimizer.schedule.base / 0.01;
    for (uint64_t t = 0; t <= 500; t += 100)
        assert_near(hw_schedule_rate(&d.optimizer.schedule, 2 * t), shape * hw_schedule_rate(&c.optimizer.schedule, t),
                    1e-9);
    assert_near(hw__plan_rate(0.01, 0.9, 0.5), 0.05, 1e-12);
    hw_objective o = hw_objective_defaults("length", 1);
    o.examples = 1000;
    c.updates = 0;
    c.epochs = 2;
    assert_near(hw__plan_updates(&c, &o), 32, 0);
    c.updates = 7;
    assert_near(hw__plan_updates(&c, &o), 7, 0);
    c.updates = 0;
    c.epochs = 0;
    assert_near(hw__plan_updates(&c, &o), 0, 0);
}

/* --- the sample ------------------------------------------------------------------------------------------------------
 */

enum { SET = 1000 };

static hw_status mark(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    int *seen = self;
    (void)scratch, (void)x;
    for (uint32_t i = first; i < first + count; i++) seen[i]++;
    sums[0] += count;
    return HW_OK;
}

static void a_sample_is_of_all_the_set(void **state)
{
    (void)state;
    int seen[SET] = {0}, all = 0;
    double sums[HW_METRICS] = {0};
    float x = 0;
    hw_objective o = hw_objective_defaults("sample", 1);
    hw__plan_sampled s;
    o.self = seen;
    o.evaluate = mark;
    o.evaluation_examples = SET;
    hw__plan_sample(&s, &o, 80, 2);
    assert_int_equal(s.outer.evaluation_examples, 80);
    for (uint32_t i = 0; i < 80; i += s.outer.evaluation_chunk)
        assert_int_equal(s.outer.evaluate(s.outer.self, NULL, &x, i, s.outer.evaluation_chunk, sums), HW_OK);
    for (int i = 0; i < SET; i++) {
        assert_true(seen[i] <= 1);
        all += seen[i];
    }
    assert_int_equal(all, 80);
    assert_near(sums[0], 80, 0);
    assert_true(seen[0] == 0 && seen[SET - 1] == 0); /* with which some objectives add what is of the whole set */
    for (int part = 0; part < 4; part++) {
        int there = 0;
        for (int i = part * SET / 4; i < (part + 1) * SET / 4; i++) there += seen[i];
        assert_int_equal(there, 20);
    }
    hw__plan_sample(&s, &o, SET, 2); /* all of it is as its own evaluation goes */
    assert_int_equal(s.outer.evaluation_examples, SET);
    assert_int_equal(s.outer.evaluation_chunk, o.evaluation_chunk);
    assert_int_equal(s.outer.evaluate(s.outer.self, NULL, &x, 0, 1, sums), HW_OK);
    assert_int_equal(seen[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(curves_fall),
                                       cmocka_unit_test(curves_tell_beyond_their_noise),
                                       cmocka_unit_test(gains_are_ratios_of_times),
                                       cmocka_unit_test(noise_is_no_gain),
                                       cmocka_unit_test(what_cannot_be_seen_for_long_is_in_step),
                                       cmocka_unit_test(doubt_takes_gains_away),
                                       cmocka_unit_test(ways_to_run_are_those_that_can),
                                       cmocka_unit_test(minibatches_change_what_counts_updates),
                                       cmocka_unit_test(a_sample_is_of_all_the_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
