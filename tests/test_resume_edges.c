/* test_resume_edges.c - what is restored and what is refused: schedules that were shifted, gatherings and blocks that
 * were left over, settings and arrays that are not finite, clocks that ran away, other delays. */
#include "edge_run.h"

static void shifted_schedules_are_refused_or_run(void **state)
{
    (void)state;
    hw_histogram delays = delays_of((const uint64_t[]){0, 5, 17}, (const uint64_t[]){3, 5, 2}, 3, 256);
    unsigned refused = 0;
    for (unsigned threads = 1; threads <= 2; threads++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, HW_SIMULATED, 57);
        c.simulation.clock = HW_CLOCK_HISTOGRAM;
        c.simulation.delays = &delays;
        c.simulation.threads = threads;
        c.checkpoint_every = 9;
        assert_int_equal(run_of(&o, &c, NULL).status, HW_OK);
        assert_true(s.n >= 6);
        c.on_checkpoint = NULL;
        c.checkpoint_every = 0;
        c.updates = 400;
        for (unsigned k = 0; k < s.n; k++) {
            for (unsigned shift = 0; shift <= 19; shift++) {
                hw_state *bad = copy_of(s.kept[k]);
                hw_engine *e = engine_of(&o, &c);
                hw_result r;
                char why[HW_WHY] = "";
                for (int i = 0; i < 2; i++) {
                    const char *name = i ? "timeline.landed" : "timeline.version";
                    assert_int_equal(hw_state_put_number(bad, name, hw_state_number(bad, name, 0) + shift), HW_OK);
                }
                hw_status status = hw_engine_restore(e, bad, why);
                if (!shift) assert_int_equal(status, HW_OK);
                if (status == HW_OK) {
                    assert_int_equal(hw_engine_run(e, &r), HW_OK);
                    assert_int_equal(r.updates, 400);
                } else {
                    assert_text(why, "timeline");
                    refused++;
                }
                hw_engine_free(e);
                hw_state_free(bad);
            }
        }
        /* An update that the schedule has not seen. */
        hw_engine *e = engine_of(&o, &c);
        char why[HW_WHY];
        for (int i = 0; i < 2; i++) {
            const char *name = i ? "timeline.landed" : "timeline.version";
            assert_int_equal(hw_state_put_number(s.kept[1], name, 0), HW_OK);
        }
        assert_int_equal(hw_engine_restore(e, s.kept[1], why), HW_E_FORMAT);
        hw_engine_free(e);
        close_scene(&s);
    }
    hw_histogram_free(&delays);
    print_message("%u shifted schedules refused\n", refused);
    assert_true(refused > 100);
}

static void an_engine_that_has_not_run_is_captured(void **state)
{
    (void)state;
    hw_histogram delays = delays_of((const uint64_t[]){0, 5}, (const uint64_t[]){3, 5}, 2, 256);
    for (int clock = HW_CLOCK_ROUND_ROBIN; clock <= HW_CLOCK_ADVERSARY; clock++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, HW_SIMULATED, 57);
        c.simulation.clock = (hw_clock_kind)clock;
        c.simulation.delays = &delays;
        c.simulation.shape = 2;
        c.on_checkpoint = NULL;
        hw_engine *e = engine_of(&o, &c);
        hw_state *start = hw_state_create();
        assert_int_equal(hw_engine_capture(e, start), HW_OK);
        assert_int_equal(run_of(&o, &c, start).updates, 57);
        hw_engine_free(e);
        hw_state_free(start);
    }
    hw_histogram_free(&delays);
}

/* A run that was stopped while its last tickets' gradients gathered: with more tickets what has been gathered lands
 * before its last contributor reads again. */
static void a_gathering_that_was_left_over_lands(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, HW_SIMULATED, 30);
        c.simulation.clock = HW_CLOCK_EXPONENTIAL;
        c.simulation.gather = 3;
        c.simulation.threads = threads;
        assert_int_equal(run_of(&o, &c, NULL).updates, 10);
        hw_state *left = s.kept[0];
        float *sum = hw_state_find(left, "sim.sum")->data;
        for (int i = 0; i < N; i++) sum[i] = i == 7 ? 1000 : 0; /* of one gradient */
        assert_int_equal(hw_state_number(left, "sim.exhausted", 0), 1);
        assert_int_equal(hw_state_put_number(left, "sim.gathered", 1), HW_OK);
        assert_int_equal(hw_state_put_number(left, "sim.gathered_examples", 1), HW_OK);
        ((uint32_t *)hw_state_find(left, "lane.waits")->data)[2] = 4;
        float was = ((float *)hw_state_find(left, "weights")->data)[7];
        hw_state *from = copy_of(left);
        c.updates = 60;
        c.checkpoint_every = 1;
        c.divergence = 0;
        unsigned before = s.n;
        hw_result r = run_of(&o, &c, from);
        assert_int_equal(r.status, HW_OK);
        assert_int_equal(r.updates, 21);
        assert_int_equal(r.examples, 61);
        float now = ((float *)hw_state_find(s.kept[before], "weights")->data)[7];
        assert_int_equal(hw_state_number(s.kept[before], "run.landed", 0), 11);
        assert_true(was - now > 5); /* at once, and once */
        for (unsigned i = before; i < s.n; i++) {
            hw_state *again = copy_of(s.kept[i]);
            assert_int_equal(run_of(&o, &c, again).updates, 21);
            hw_state_free(again);
        }
        hw_state_free(from);
        close_scene(&s);
    }
}

static void blocks_go_on_beyond_their_end(void **state)
{
    (void)state;
    static const hw_block block[4] = {{0, 25, {0, 1}}, {25, 25, {2, 3}}, {50, 25, {0, 3}}, {75, 25, {2, 1}}};
    for (unsigned workers = 1; workers <= 2; workers++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        o.step = sparse;
        o.touched = 2;
        o.blocks = o.block_groups = 4;
        o.block = block;
        hw_config c = config_of(&s, workers == 1 ? HW_SEQUENTIAL : HW_ASYNC, 110);
        c.workers = workers;
        c.clock_interval = 8;
        c.optimizer.momentum = 0;
        assert_int_equal(run_of(&o, &c, NULL).updates, 110);
        (void)alarm(30);                                         /* it used to wait for ever */
        const uint64_t ends[] = {113, 126, 200, 133, 340, 1000}; /* one of them below what has been */
        for (int i = 0; i < 6; i++) {
            uint64_t before = hw_state_number(s.kept[s.n - 1], "run.landed", 0);
            c.updates = ends[i];
            hw_result r = run_of(&o, &c, s.kept[s.n - 1]);
            assert_int_equal(r.status, HW_OK);
            assert_int_equal(r.updates, before > ends[i] ? before : ends[i]);
            assert_int_equal(r.tickets, r.updates);
        }
        (void)alarm(0);
        close_scene(&s);
    }
}

static void rule(void *self, const float *w, float *const *arrays, const float *g, float *d, size_t n,
                 const hw_rule_info *info)
{
    (void)self, (void)w;
    for (size_t i = 0; i < n; i++) {
        arrays[0][i] = info->update % 2 ? INFINITY : NAN;
        d[i] = -0.1f * g[i];
    }
}

static void policy(void *context, const hw_policy_input *in, hw_setting *setting)
{
    const scene *s = context;
    (void)in;
    setting->delay = s->setting.delay;
    setting->exact = s->setting.exact;
    setting->update = UINT64_MAX;
}

static void what_a_run_accepts_is_restored(void **state)
{
    (void)state;
    const hw_rule own = {"odd", 1, rule, NULL};
    for (int k = 0; k < 6; k++) {
        scene s = {.slope = k < 3 ? 1e20f : 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, HW_SEQUENTIAL, 100);
        c.checkpoint_every = 30;
        c.divergence = 0;
        if (k < 3) c.optimizer.rule = k == 0 ? HW_RULE_ADAGRAD : k == 1 ? HW_RULE_ADAM : HW_RULE_USER;
        if (k == 2) s.slope = 0, c.optimizer.user_rule = &own;
        if (k >= 3) {
            c.compensation.policy = HW_POLICY_USER;
            c.compensation.user = policy;
            c.compensation.context = &s;
            s.setting.delay = k == 3 ? (double)NAN : 0;
            s.setting.exact = k == 4 ? 1 : 0;
        }
        hw_result r = run_of(&o, &c, NULL);
        if (k == 3 || k == 4) {
            assert_int_equal(r.status, HW_E_CALLBACK);
            assert_text(r.message, k == 3 ? "delay" : "pole 1");
            assert_int_equal(s.n, 0);
        } else {
            assert_int_equal(r.status, HW_OK);
            assert_int_equal(s.n, 4);
            for (unsigned i = 0; i < s.n; i++) {
                hw_state *kept = copy_of(s.kept[i]);
                assert_int_equal(run_of(&o, &c, kept).updates, 100);
                hw_state_free(kept);
            }
            if (k < 3) assert_false(isfinite(*(float *)hw_state_find(s.kept[1], "velocity")->data) && k != 1);
        }
        close_scene(&s);
    }
    /* What no run goes on from is not handed out. */
    scene s = {.n = 0};
    hw_objective o = objective_of(&s);
    hw_config c = config_of(&s, HW_SEQUENTIAL, 100);
    float x[N] = {0};
    hw_state *out = hw_state_create();
    hw_engine *e = engine_of(&o, &c);
    x[5] = NAN;
    assert_int_equal(hw_engine_set(e, x), HW_OK);
    assert_int_equal(hw_engine_capture(e, out), HW_E_DIVERGED);
    assert_int_equal(hw_state_count(out), 0);
    hw_engine_free(e);
    hw_state_free(out);
}

static hw_status on_epoch(void *context, uint64_t epoch)
{
    (void)epoch;
    ((scene *)context)->epochs++;
    return HW_OK;
}

static void clocks_that_ran_away_are_refused(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        scene s = {.n = 0};
        char why[HW_WHY];
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, k ? HW_SIMULATED : HW_SEQUENTIAL, 50);
        c.batch = 10;
        c.on_epoch = on_epoch;
        assert_int_equal(run_of(&o, &c, NULL).status, HW_OK);
        assert_int_equal(s.epochs, 5);
        hw_state *bad = s.kept[s.n - 1];
        const uint64_t far = 1ull << 50;
        const char *const names[] = {"run.landed", "clock.landed", "timeline.landed"};
        for (int i = 0; i < 3; i++)
            if (hw_state_find(bad, names[i])) assert_int_equal(hw_state_put_number(bad, names[i], 50 + far), HW_OK);
        *(uint64_t *)hw_state_find(bad, "worker.updates")->data += far;
        hw_engine *e = engine_of(&o, &c);
        assert_int_equal(hw_engine_restore(e, bad, why), HW_E_FORMAT);
        assert_text(why, k ? "updates of" : "run.next_epoch");
        hw_engine_free(e);
        close_scene(&s);
    }
}

static void other_delays_of_the_same_bins_are_refused(void **state)
{
    (void)state;
    const uint64_t count[] = {50, 3, 1};
    hw_histogram a = delays_of((const uint64_t[]){0, 100, 127}, count, 3, 8);
    hw_histogram b = delays_of((const uint64_t[]){0, 101, 127}, count, 3, 8);
    assert_memory_equal(a.counts, b.counts, a.bins * sizeof *a.counts);
    scene s = {.n = 0};
    char why[HW_WHY] = "";
    hw_objective o = objective_of(&s);
    hw_config c = config_of(&s, HW_SIMULATED, 300);
    c.simulation.clock = HW_CLOCK_HISTOGRAM;
    c.simulation.delays = &a;
    assert_int_equal(run_of(&o, &c, NULL).status, HW_OK);
    c.simulation.delays = &b;
    hw_engine *e = engine_of(&o, &c);
    assert_int_equal(hw_engine_restore(e, s.kept[0], why), HW_E_FORMAT);
    assert_text(why, "delays");
    hw_engine_free(e);
    close_scene(&s);
    hw_histogram_free(&a);
    hw_histogram_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shifted_schedules_are_refused_or_run),
        cmocka_unit_test(an_engine_that_has_not_run_is_captured),
        cmocka_unit_test(a_gathering_that_was_left_over_lands),
        cmocka_unit_test(blocks_go_on_beyond_their_end),
        cmocka_unit_test(what_a_run_accepts_is_restored),
        cmocka_unit_test(clocks_that_ran_away_are_refused),
        cmocka_unit_test(other_delays_of_the_same_bins_are_refused),
    };
    return cmocka_run_group_tests_name("resume_edges", tests, NULL, NULL);
}
