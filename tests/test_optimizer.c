/* test_optimizer.c - schedules, rules, policies and the advisor against tables and oracles made elsewhere. */
#include "check.h"
#include "check.h"
#include "../lib/optimizer/optimizer.h"

static void schedules(void **state)
{
    (void)state;
    hw_schedule s = {HW_SCHEDULE_INV, 0.01, 1e-4, 0.75, 0, 0};
    assert_near(hw_schedule_rate(&s, 0), 0.01, 1e-15);
    assert_near(hw_schedule_rate(&s, 10000), 0.01 * pow(2, -0.75), 1e-12);
    s = (hw_schedule){HW_SCHEDULE_STEP, 0.1, 0.5, 0, 100, 0};
    assert_near(hw_schedule_rate(&s, 99), 0.1, 1e-15);
    assert_near(hw_schedule_rate(&s, 200), 0.025, 1e-15);
    s = (hw_schedule){HW_SCHEDULE_EXPONENTIAL, 0.1, 0.99, 0, 0, 0};
    assert_near(hw_schedule_rate(&s, 10), 0.1 * pow(0.99, 10), 1e-15);
    s = (hw_schedule){HW_SCHEDULE_COSINE, 0.1, 0, 0, 100, 0};
    assert_near(hw_schedule_rate(&s, 50), 0.05, 1e-15);
    assert_near(hw_schedule_rate(&s, 1000), 0, 1e-15);
    s = (hw_schedule){HW_SCHEDULE_CONSTANT, 0.1, 0, 0, 0, 9};
    assert_near(hw_schedule_rate(&s, 0), 0.01, 1e-15);
    assert_near(hw_schedule_rate(&s, 4), 0.05, 1e-15);
    assert_near(hw_schedule_rate(&s, 9), 0.1, 1e-15);
}

/* From root finding in another program: largest alpha h at mu* = 0.9. */
static void advisor_table(void **state)
{
    (void)state;
    const struct {
        unsigned delay;
        double none, ahead, subtract;
    } rows[] = {{0, 3.80, 3.80, 3.80},       {1, 0.100, 0.253, 0.100},     {3, 0.0348, 0.0693, 0.0433},
                {7, 0.0158, 0.0243, 0.0208}, {15, 0.0079, 0.0103, 0.0102}, {31, 0.0042, 0.0050, 0.0050}};
    for (size_t r = 0; r < 6; r++) {
        unsigned d = rows[r].delay;
        assert_near(hw_advise_bound_delay(0.9, 0, d), rows[r].none, 0.006 * rows[r].none + 5e-5);
        assert_near(hw_advise_bound_delay(0.9, hw_look_ahead(0.9, d), d), rows[r].ahead, 0.006 * rows[r].ahead + 5e-5);
        double mu = 0.9 - (1 - 1.0 / (d + 1)), gain = (1 - mu) / 0.1;
        if (mu < -0.5) mu = -0.5;
        assert_near(hw_advise_bound_delay(mu, 0, d) / gain, rows[r].subtract, 0.02 * rows[r].subtract);
    }
    const double round_robin[][2] = {{9, 0.165}, {19, 0.080}, {29, 0.053}, {69, 0.0226}, {99, 0.0158}};
    for (size_t r = 0; r < 5; r++)
        assert_near(hw_advise_bound_delay(0, 0, (unsigned)round_robin[r][0]), round_robin[r][1],
                    0.01 * round_robin[r][1]);
    assert_true(hw_advise_workers(0.05, 0.9, 0) == 3 && hw_advise_workers(0.05, 0.9, 1) >= 4);
    assert_int_equal(hw_advise_workers(5, 0.9, 0), 0);
}

/* The bound against the recursion itself: just below it decays, just above it grows. */
static void advisor_against_the_recursion(void **state)
{
    (void)state;
    for (unsigned delay = 0; delay < 12; delay++)
        for (int above = 0; above < 2; above++) {
            double s = hw_look_ahead(0.9, delay), w[30] = {1}, v[30] = {0}, size = 0;
            double step = hw_advise_bound_delay(0.9, s, delay) * (above ? 1.03 : 0.97);
            for (int i = 0; i < 30; i++) w[i] = 1;
            for (int t = 0; t < 20000 && size < 1e6; t++) {
                double next = 0.9 * v[0] - step * (w[delay] + s * v[delay]);
                for (int i = 29; i > 0; i--) {
                    w[i] = w[i - 1];
                    v[i] = v[i - 1];
                }
                v[0] = next;
                w[0] = w[1] + next;
                size = fabs(w[0]);
            }
            assert_true(above ? size > 1e3 : size < 1e-3);
        }
}

static hw_setting setting_of(hw_policy policy, unsigned workers, const hw_staleness_summary *shape,
                             const hw_histogram *h, double alpha, double curvature)
{
    hw_config c = hw_config_defaults();
    c.compensation.policy = policy;
    c.compensation.fixed = 0.3;
    hw_policy_input in = {7, workers, 0.9, alpha, curvature, h, shape};
    hw_setting s;
    hw_compensate(&c.compensation, &in, &s);
    return s;
}

/* A user's function may write anything into the setting. */
static void scribble(void *context, const hw_policy_input *in, hw_setting *s)
{
    (void)context;
    s->momentum = in->momentum / 2;
    s->policy = (hw_policy)4711;
}

static void policies(void **state)
{
    (void)state;
    hw_setting s = setting_of(HW_POLICY_NONE, 8, NULL, NULL, 0.01, 0);
    assert_near(s.momentum, 0.9, 0);
    s = setting_of((hw_policy)77, 8, NULL, NULL, 0.01, 0); /* no policy, and a user's without a function: as none */
    assert_near(s.momentum, 0.9, 0);
    assert_text(s.reason, "no such policy");
    s = setting_of(HW_POLICY_USER, 8, NULL, NULL, 0.01, 0);
    assert_near(s.momentum, 0.9, 0);
    hw_compensation c = hw_config_defaults().compensation;
    c.policy = HW_POLICY_USER;
    c.user = scribble;
    hw_compensate(&c, &(hw_policy_input){.momentum = 0.8, .workers = 2}, &s);
    assert_int_equal(s.policy, HW_POLICY_USER);
    assert_near(s.momentum, 0.4, 1e-12);
    assert_near(s.rate, 1, 0);
    s = setting_of(HW_POLICY_THEORY, 4, NULL, NULL, 0.01, 0);
    assert_near(s.momentum, 0.15, 1e-12);
    assert_near(s.rate, 8.5, 1e-9);
    s = setting_of(HW_POLICY_THEORY, 10, NULL, NULL, 0.01, 0); /* mu_L = 0: Theorem 5's alpha = M alpha* */
    assert_near(s.momentum, 0, 1e-12);
    assert_near(s.rate, 10, 1e-9);
    s = setting_of(HW_POLICY_FIXED, 4, NULL, NULL, 0.01, 0);
    assert_near(s.momentum, 0.3, 1e-12);
    s = setting_of(HW_POLICY_MEAN_LAG, 4, NULL, NULL, 0.01, 0);
    assert_near(s.momentum / (1 - s.momentum), 9 - 3, 1e-9);
    s = setting_of(HW_POLICY_LOOK_AHEAD, 4, NULL, NULL, 0.01, 0);
    assert_near(s.ahead, 0.9 + 0.81 + 0.729, 1e-12);
    assert_near(s.momentum, 0.9, 0);
    s = setting_of(HW_POLICY_EXACT, 8, NULL, NULL, 0.01, 0);
    assert_near(s.exact, 0.875, 1e-12);
    /* auto: alone while stable, with the learning rate at margin * bound where it is not. */
    s = setting_of(HW_POLICY_AUTO, 4, NULL, NULL, 0.01, 1);
    assert_near(s.rate, 1, 0);
    s = setting_of(HW_POLICY_AUTO, 4, NULL, NULL, 0.01, 20);
    assert_near(s.rate * 0.01 * 20, 0.7 * hw_advise_bound_delay(0.9, s.ahead, 3), 1e-4);
    assert_text(s.reason, "learning rate x");
    s = setting_of(HW_POLICY_AUTO, 1, NULL, NULL, 0.01, 20);
    assert_true(s.rate == 1 && s.ahead == 0);
}

/* The rate that a margin allows; a run begins within the linear bound and rises to it (test_curvature). */
static void a_margin_is_times_the_bound(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults();
    for (int network = 0; network < 2; network++) {
        hw_policy_input in = {0, 4, 0.9, 0.05, 20, NULL, NULL};
        hw_setting s;
        c.compensation.margin = network ? 2 : 0.7;
        hw_compensate(&c.compensation, &in, &s);
        assert_near(s.rate * 0.05 * 20, c.compensation.margin * hw_advise_bound_delay(0.9, s.ahead, 3), 1e-4);
    }
}

/* Whatever a histogram says or a schedule has come to, what a policy of ours asks for is something to step with. */
static void no_policy_asks_for_the_impossible(void **state)
{
    (void)state;
    hw_histogram h;
    hw_staleness_summary shape;
    hw_rng rng;
    hw_rng_seed(&rng, 5, 1);
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    const double rates[] = {0, 5e-324, 1e-310, 1e-200, 1e-15, 1e-3, 1e6};
    for (int k = 0; k < 300; k++) {
        hw_histogram_clear(&h);
        for (uint64_t i = hw_rng_below(&rng, 40); i > 0; i--)
            hw_histogram_add(&h, (uint64_t)(10 * hw_rng_uniform(&rng)) * hw_rng_below(&rng, 3), 1);
        if (k % 3 == 0) /* as a recorder that has counted values and not added them yet */
            h.sum = h.squares = 0;
        hw_staleness_summarize(&h, &shape);
        for (hw_policy p = HW_POLICY_AUTO; p < HW_POLICY_USER; p++) {
            hw_setting s = setting_of(p, 1 + (unsigned)(k % 9), k % 5 ? &shape : NULL, k % 5 ? &h : NULL, rates[k % 7],
                                      k % 2 ? 0 : 10.0);
            bool good = s.rate > 0 && s.rate <= 1e30 && s.momentum > -1 && s.momentum < 1 && isfinite(s.ahead) &&
                        isfinite(s.delay) && s.exact >= 0 && s.exact < 1;
            if (!good)
                print_error("%s: momentum %g, rate %g, ahead %g\n", hw_policy_name(p), s.momentum, s.rate, s.ahead);
            assert_true(good);
        }
    }
    hw_histogram_free(&h);
}

/* The default policy at the end of a steep schedule (a rate that has underflowed) and `measured` on short windows:
 * legal configurations, whose runs come to their end. */
static double to_one(void *self, void *scratch, const hw_batch *b, const float *w, float *g)
{
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < 8; j++) g[j] = 0.1f * (w[j] - 1);
    return 1;
}

static void no_policy_ends_a_run(void **state)
{
    (void)state;
    for (int k = 0; k < 12; k++) {
        hw_objective o = hw_objective_defaults("quadratic", 8);
        hw_config c = hw_config_defaults();
        hw_result r;
        float x[8] = {0};
        o.examples = 1000;
        o.loss_gradient = to_one;
        c.workers = k % 2 ? 4 : 2;
        c.batch = 1;
        c.epochs = 0;
        if (k < 4) {
            c.optimizer.schedule.kind = HW_SCHEDULE_EXPONENTIAL;
            c.optimizer.schedule.gamma = k < 2 ? 0.9 : 1e-4;
            c.updates = 20000;
        } else {
            c.compensation.policy = HW_POLICY_MEASURED;
            c.compensation.window = k < 8 ? 10 : 20;
            c.optimizer.momentum = k < 10 ? 0.9 : 0.99;
            c.optimizer.schedule.base = 1e-4;
            c.updates = CHECK_SLOW ? 20000 : 100000;
        }
        hw_status status = hw_train(&o, &c, x, &r);
        if (status != HW_OK) print_error("%d: %s\n", k, r.message);
        assert_int_equal(status, HW_OK);
    }
}

static void measured_hands_over_where_the_model_fails(void **state)
{
    (void)state;
    hw_histogram h;
    hw_staleness_summary shape;
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 20000; i++) {
        uint64_t l = 0;
        while (hw_rng_uniform(&rng) < 0.75) l++;
        hw_histogram_add(&h, l, 1);
    }
    hw_staleness_summarize(&h, &shape);
    hw_setting s = setting_of(HW_POLICY_MEASURED, 4, &shape, &h, 0.01, 1);
    assert_int_equal(s.policy, HW_POLICY_MEASURED);
    assert_near(s.momentum, 0.15, 0.02);
    hw_histogram_clear(&h);
    hw_histogram_add(&h, 3, 20000);
    hw_staleness_summarize(&h, &shape);
    s = setting_of(HW_POLICY_MEASURED, 4, &shape, &h, 0.01, 1);
    assert_int_equal(s.policy, HW_POLICY_AUTO);
    assert_near(s.momentum, 0.9, 0);
    assert_text(s.reason, "auto");
    hw_histogram_free(&h);
}

static void advice_before_a_run(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults();
    char text[256];
    c.compensation.policy = HW_POLICY_NONE;
    assert_int_equal(hw_advise_run(&c.compensation, 0.9, 0.5, 8, 10, text, sizeof text), 0);
    assert_text(text, "above the stable");
    assert_int_equal(hw_advise_run(&c.compensation, 0.9, 1e-4, 8, 10, text, sizeof text), 1);
    assert_text(text, "within the stable");
    c.compensation.policy = HW_POLICY_AUTO;
    c.compensation.margin = 2; /* at the very bound, whatever the rounding */
    for (unsigned workers = 2; workers < 40; workers++)
        for (int i = 1; i < 20; i++)
            assert_int_equal(hw_advise_run(&c.compensation, 0.9, 0.013 * i, workers, 3 + i, text, sizeof text), 1);
    c.compensation.margin = 0;
    c.compensation.policy = HW_POLICY_AUTO; /* lowers the rate by itself */
    assert_int_equal(hw_advise_run(&c.compensation, 0.9, 0.5, 8, 10, text, sizeof text), 1);
    /* Measured delays: a mixture where whole steps are near a fixed delay, else a fixed delay of all others. */
    hw_histogram h;
    assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
    for (int k = 0; k < 4; k++) {
        hw_staleness_summary shape = {.updates = 1000, .mean = 7, .dispersion = k % 2 ? 1 : 0.05};
        hw_histogram_clear(&h);
        hw_histogram_add(&h, 0, 700);
        hw_histogram_add(&h, 7, 300);
        hw_policy_input in = {0, 8, 0.9, k < 2 ? 0.05 : 0.002, 10, &h, &shape};
        c.compensation.policy = HW_POLICY_AUTO;
        assert_int_equal(hw_advise_input(&c.compensation, &in, text, sizeof text), 1); /* its own bound, always */
        c.compensation.policy = HW_POLICY_NONE;
        const double kernel[8] = {0.7, 0, 0, 0, 0, 0, 0, 0.3};
        double bound = k % 2 ? hw_advise_bound_delay(0.9, 0, 7) : hw_advise_bound(0.9, 0, kernel, 8);
        int stable = in.learning_rate * in.curvature <= bound;
        assert_int_equal(hw_advise_input(&c.compensation, &in, text, sizeof text), stable);
        assert_text(text, k % 2 ? "delay 7" : "delays of 2.10 on average");
        if (!stable && k % 2 == 0) assert_text(text, "stay");
    }
    /* A margin above 1 is what bounds are times, in the table as in the sentence. */
    for (int k = 0; k < 2; k++) {
        hw_staleness_summary shape = {.updates = 1000, .mean = 7, .dispersion = 0.05};
        hw_policy_input in = {0, 8, 0.9, 0.01, 10, k ? &h : NULL, k ? &shape : NULL};
        hw_advice once, twice;
        c.compensation.margin = 0;
        hw_advise_policy(&c.compensation, &in, &once);
        c.compensation.margin = 2;
        hw_advise_policy(&c.compensation, &in, &twice);
        assert_near(twice.bound / once.bound, 2, 0.01);
        in.learning_rate = 1.5 * once.bound / in.curvature;
        hw_advise_policy(&c.compensation, &in, &twice);
        assert_true(twice.stable && hw_advise_input(&c.compensation, &in, text, sizeof text));
        c.compensation.margin = 0;
        hw_advise_policy(&c.compensation, &in, &once);
        assert_true(!once.stable && !hw_advise_input(&c.compensation, &in, text, sizeof text));
    }
    hw_histogram_free(&h);
}

static void sections_and_decay(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults();
    const hw_section sections[] = {{2, 3, 2, 0}, {6, 2, 0.5f, 1}};
    c.optimizer.sections = sections;
    c.optimizer.n_sections = 2;
    c.optimizer.weight_decay = 0.1;
    float g[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, x[9] = {10, 10, 10, 10, 10, 10, 10, 10, 10};
    hw_range all = {0, 9};
    bool clipped = false;
    assert_true(hw__optimizer_prepare(&c.optimizer, g, x, &all, NULL, 1, &clipped));
    const float want[9] = {2, 2, 2, 2, 2, 2, 1, 1, 2};
    for (int i = 0; i < 9; i++) assert_near((double)g[i], (double)want[i], 1e-6);
    float few[3] = {1, 1, 1};
    const uint32_t at[] = {7, 3, 0};
    assert_true(hw__optimizer_prepare(&c.optimizer, few, x, NULL, at, 3, &clipped));
    assert_near((double)few[0], 1, 1e-6);
    assert_near((double)few[1], 2, 1e-6);
    assert_near((double)few[2], 2, 1e-6);
    c.optimizer.n_sections = 0;
    c.optimizer.weight_decay = 0;
    c.optimizer.clip_norm = 1;
    float big[4] = {3, 0, 4, 0};
    hw_range four = {0, 4};
    assert_true(hw__optimizer_prepare(&c.optimizer, big, x, &four, NULL, 1, &clipped));
    assert_true(clipped);
    assert_near((double)big[2], 0.8, 1e-6);
    big[1] = NAN;
    assert_false(hw__optimizer_prepare(&c.optimizer, big, x, &four, NULL, 1, &clipped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules),
        cmocka_unit_test(advisor_table),
        cmocka_unit_test(advisor_against_the_recursion),
        cmocka_unit_test(policies),
        cmocka_unit_test(a_margin_is_times_the_bound),
        cmocka_unit_test(no_policy_asks_for_the_impossible),
        cmocka_unit_test(no_policy_ends_a_run),
        cmocka_unit_test(measured_hands_over_where_the_model_fails),
        cmocka_unit_test(advice_before_a_run),
        cmocka_unit_test(sections_and_decay),
    };
    return cmocka_run_group_tests_name("optimizer", tests, NULL, NULL);
}
