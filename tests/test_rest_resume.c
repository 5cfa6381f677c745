/* test_rest_resume.c - runs whose workers rest go on from a capture with the same bits, on any number of threads;
 * misshapen states of them are refused. */
#include "kept.h"
#include "resting.h"

/* Captured at every stage, with some at rest: the same bits, on one real thread or three. */
static void the_bits_are_the_same_resumed(void **state)
{
    (void)state;
    static const hw_clock_kind clock[] = {HW_CLOCK_ROUND_ROBIN, HW_CLOCK_EXPONENTIAL, HW_CLOCK_GAMMA};
    unsigned some = 0;
    for (int i = 0; i < 4; i++) {
        kept all = {.n = 0};
        float whole[N], other[N];
        quadratic q = {.curvature = 2};
        hw_config c = config(i < 3 ? HW_SIMULATED : HW_ROUND_ROBIN);
        hw_objective o = objective(&q);
        hw_engine *e;
        hw_result r;
        c.simulation.clock = clock[i % 3];
        c.simulation.shape = 4;
        c.compensation.window = 60;
        c.optimizer.schedule.base = 0.05;
        c.updates = 1000;
        c.checkpoint_every = 26;
        c.on_capture = keep;
        c.context = &all;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(hw_engine_get(e, whole), HW_OK);
        unsigned at_work = hw_engine_at_work(e, NULL);
        uint64_t returns = hw_engine_returns(e, NULL);
        hw_engine_free(e);
        c.on_capture = NULL;
        c.checkpoint_every = 0;
        for (unsigned k = 0; k < all.n; k++) {
            char why[HW_WHY];
            uint64_t then = hw_state_number(all.state[k], "run.rest.at_work", 0);
            some += then > 2 && then < WORKERS;
            if (i == 3 && k % 4) continue; /* real threads take longer */
            c.simulation.threads = k % 2 ? 3 : 1;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (hw_engine_restore(e, all.state[k], why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(hw_engine_run(e, &r), HW_OK);
            assert_int_equal(hw_engine_get(e, other), HW_OK);
            /* Threads in turns begin with an empty ring after a capture: it is the numbers that are the same there. */
            if (i < 3 && memcmp(whole, other, sizeof whole) != 0) fail_msg("clock %d: capture %u of %u", i, k, all.n);
            if (i < 3) assert_int_equal(hw_engine_at_work(e, NULL), at_work);
            if (i < 3) assert_int_equal(hw_engine_returns(e, NULL), returns);
            assert_int_equal(r.updates + r.skipped, c.updates);
            hw_engine_free(e);
        }
        for (unsigned k = 0; k < all.n; k++) hw_state_free(all.state[k]);
    }
    assert_true(some > 0);
}

/* A state that says who is at work, and means somebody else. */
static void misshapen_states_are_refused(void **state)
{
    (void)state;
    kept all = {.n = 0};
    quadratic q = {.curvature = 1};
    hw_config c = config(HW_SIMULATED);
    hw_objective o = objective(&q);
    hw_engine *e;
    char why[HW_WHY];
    c.updates = SLOW;
    c.checkpoint_every = 50;
    c.on_capture = keep;
    c.context = &all;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_state_number(all.state[0], "run.rest.at_work", 0), 2);
    static const uint64_t wrong[] = {0, 1, 9, 3, 8, UINT32_MAX};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        hw_state *bad = hw_state_create();
        assert_int_equal(hw_state_copy(bad, all.state[0]), HW_OK);
        assert_int_equal(hw_state_put_number(bad, "run.rest.at_work", wrong[k]), HW_OK);
        assert_int_equal(hw_engine_restore(e, bad, why), HW_E_FORMAT);
        assert_text(why, wrong[k] == 3 || wrong[k] == 8 ? "a worker is missing" : "run.rest.at_work");
        hw_state_free(bad);
    }
    static const struct {
        const char *name;
        uint64_t count;
        double real; /* NaN: the count */
    } others[] = {{"run.rest.since", 1ULL << 40, NAN}, {"run.rest.measured_from", 1ULL << 52, NAN},
                  {"run.rest.wait", 0, NAN},           {"run.rest.wait", 1ULL << 53, NAN},
                  {"run.rest.worked", 0, -1},          {"run.rest.worked", 0, 1e9},
                  {"run.rest.worked", 0, HUGE_VAL}};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        hw_state *bad = hw_state_create();
        assert_int_equal(hw_state_copy(bad, all.state[0]), HW_OK);
        if (isnan(others[k].real))
            assert_int_equal(hw_state_put_number(bad, others[k].name, others[k].count), HW_OK);
        else
            assert_int_equal(hw_state_put_real(bad, others[k].name, others[k].real), HW_OK);
        assert_int_equal(hw_engine_restore(e, bad, why), HW_E_FORMAT);
        assert_text(why, others[k].name);
        hw_state_free(bad);
    }
    assert_int_equal(hw_engine_restore(e, all.state[0], why), HW_OK);
    hw_engine_free(e);
    for (unsigned k = 0; k < all.n; k++) hw_state_free(all.state[k]);
}

/* A restored engine says so at once; a run after another one begins with the fewest again. */
static void what_is_told_of_another_run(void **state)
{
    (void)state;
    kept all = {.n = 0};
    quadratic q = {.curvature = 1};
    hw_config c = config(HW_SIMULATED);
    hw_objective o = objective(&q);
    hw_engine *e;
    double mean, again;
    char why[HW_WHY];
    c.updates = SLOW;
    c.checkpoint_every = 50;
    c.on_capture = keep;
    c.context = &all;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_at_work(e, &mean), 2);
    assert_true(mean > 2.2);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_at_work(e, &again), 2);
    assert_near(again, mean, 0.7); /* it begins near the optimum */
    hw_engine_free(e);
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_restore(e, all.state[0], why), HW_OK);
    assert_int_equal(hw_engine_at_work(e, &mean), 2);
    assert_near(mean, 2, 0);
    hw_engine_free(e);
    for (unsigned k = 0; k < all.n; k++) hw_state_free(all.state[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_the_same_resumed),
        cmocka_unit_test(misshapen_states_are_refused),
        cmocka_unit_test(what_is_told_of_another_run),
    };
    return cmocka_run_group_tests_name("rest resume", tests, NULL, NULL);
}
