/* test_schedulers.c - ROUND_ROBIN, whose delay is fixed; and a scheduler of the test's own, registered through the
 * library's internal interface: what a new one needs is its row. */
#include "rows_linear.h"
#include "../lib/engine/engine.h"
#include "../lib/schedulers/async.h"
#include "../lib/step/members.h"
#include <signal.h>
#include <sched.h>

enum { UPDATES = 3 * ROWS / 8 };

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = c.least_workers = workers;
    c.batch = 8;
    c.epochs = 3;
    c.optimizer.schedule.base = 0.003;
    c.curvature = 8;
    return c;
}

static void train(const hw_config *c, float *x, hw_result *r)
{
    hw_objective o = objective();
    memset(x, 0, (FEATURES + 1) * sizeof *x);
    hw_status status = hw_train(&o, c, x, r);
    if (status != HW_OK) fail_msg("%s", r->message);
}

/* The same tickets to the same workers, reads and landings in the same order: the bits of the simulation's round robin,
 * whatever policy, rule and mode. */
static void round_robin_is_the_simulated_one(void **state)
{
    (void)state;
    const hw_policy policies[] = {HW_POLICY_NONE, HW_POLICY_AUTO, HW_POLICY_LOOK_AHEAD, HW_POLICY_EXACT};
    for (int k = 0; k < 24; k++) {
        hw_config c = config(HW_ROUND_ROBIN, 1 + (unsigned)k % 6);
        float x[2][FEATURES + 1];
        hw_result r[2];
        c.compensation.policy = policies[k % 4];
        c.compensation.window = 20;
        c.optimizer.schedule.base = 0.001;
        if (k % 5 == 1) c.optimizer.rule = HW_RULE_ADAM, c.compensation.policy = HW_POLICY_AUTO;
        if (k % 5 == 2) c.optimizer.rule = HW_RULE_ADAGRAD, c.compensation.policy = HW_POLICY_NONE;
        if (k % 7 == 3) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
        if (k % 7 == 4) c.write = HW_WRITE_LOCKED;
        if (k % 3 == 1) c.average_every = 5;
        train(&c, x[0], &r[0]);
        c.scheduler = HW_SIMULATED;
        train(&c, x[1], &r[1]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_int_equal(r[0].updates, r[1].updates);
        assert_memory_equal(&r[0].staleness, &r[1].staleness, offsetof(hw_staleness_summary, fit));
        assert_near(r[0].last.metric[0], r[1].last.metric[0], 0);
    }
}

static void its_delay_is_fixed(void **state)
{
    (void)state;
    for (unsigned m = 1; m <= 8; m++) {
        hw_config c = config(HW_ROUND_ROBIN, m);
        hw_objective o = objective();
        hw_engine *e;
        hw_result r;
        hw_histogram h;
        c.optimizer.schedule.base = 0.0005;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(hw_histogram_init(&h, c.exact), HW_OK);
        hw_staleness_merge(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, &h);
        assert_int_equal(h.total, UPDATES);
        for (unsigned l = 0; l + 1 < m; l++) assert_int_equal(h.counts[l], 1); /* of the first round */
        assert_int_equal(h.counts[m - 1], UPDATES - (m - 1));
        hw_histogram_free(&h);
        hw_engine_free(e);
    }
}

/* --- captures, stops and failures ----------------------------------------------------------------------------------
 */

typedef struct shelf {
    hw_state *state;
    int wanted, made;
} shelf;

static hw_status put_away(void *context, const hw_state *state)
{
    shelf *s = context;
    if (s->made++ != s->wanted) return HW_OK;
    return hw_state_copy(s->state, state);
}

/* A run that goes on from any of its captures ends as the run that made them. */
static void round_robin_goes_on(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (unsigned m = 1; m <= 4; m++)
        for (int wanted = 0; wanted < 4; wanted++) {
            hw_config c = config(HW_ROUND_ROBIN, m);
            shelf s = {hw_state_create(), wanted, 0};
            hw_engine *e;
            hw_result r;
            char why[HW_WHY];
            float whole[FEATURES + 1], parts[FEATURES + 1];
            c.checkpoint_every = 31;
            c.evaluate_every = 31; /* both at once */
            c.on_checkpoint = put_away;
            c.context = &s;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
            assert_int_equal(hw_engine_run(e, &r), HW_OK);
            assert_int_equal(hw_engine_get(e, whole), HW_OK);
            hw_engine_free(e);
            assert_true(s.made > wanted);
            s.wanted = -1;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
            if (hw_engine_restore(e, s.state, why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(hw_engine_run(e, &r), HW_OK);
            assert_int_equal(hw_engine_get(e, parts), HW_OK);
            assert_int_equal(r.updates, UPDATES);
            assert_memory_equal(whole, parts, sizeof whole);
            assert_int_equal(hw_state_put_number(s.state, "ring.turn", m), HW_OK);
            assert_int_equal(hw_engine_restore(e, s.state, why), HW_E_FORMAT);
            assert_text(why, "ring.turn");
            hw_engine_free(e);
            hw_state_free(s.state);
        }
}

static hw_status fail_late(void *self, hw_worker *w, const hw_batch *b)
{
    const uint64_t *step = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    for (int j = 0; j < FEATURES; j++) g[j] = x[j] - 1;
    if (b->step == *step) return hw_fail(w, HW_E_USER + 7, "no more");
    return hw_write(w, 1);
}

static void what_goes_wrong_ends_it(void **state)
{
    (void)state;
    for (unsigned m = 1; m <= 5; m++)
        for (uint64_t step = 0; step < 12; step++) {
            hw_objective o = hw_objective_defaults("fails", FEATURES);
            hw_config c = config(HW_ROUND_ROBIN, m);
            float x[FEATURES] = {0};
            hw_result r;
            o.step = fail_late;
            o.self = &step;
            c.epochs = 0;
            c.updates = 40;
            assert_int_equal(hw_train(&o, &c, x, &r), HW_E_USER + 7);
            assert_text(r.message, "no more");
        }
}

static hw_status twice(void *self, hw_worker *w, const hw_batch *b)
{
    const int *pairs = self;
    (void)b;
    if (*pairs == 0) (void)hw_read(w);
    hw_status status = HW_OK;
    for (int k = 0; k <= *pairs && status == HW_OK; k++) {
        const float *x = hw_read(w);
        for (int j = 0; j < FEATURES; j++) hw_gradient(w)[j] = x[j];
        status = hw_write(w, 1);
    }
    return status;
}

static void what_it_refuses(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config(HW_ROUND_ROBIN, 2);
    c.clock_interval = 4;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "round-robin");
    c = config(HW_ROUND_ROBIN, 2);
    c.exchange_interval = 8;
    c.optimizer.momentum = 0;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    c = config(HW_ROUND_ROBIN, 2);
    c.simulation.clock = HW_CLOCK_EXPONENTIAL;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    c = config(HW_ROUND_ROBIN, HW_MAX_WORKERS + 1);
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    for (int pairs = 0; pairs < 2; pairs++) {
        hw_objective two = hw_objective_defaults("twice", FEATURES);
        float x[FEATURES] = {0};
        hw_result r;
        c = config(HW_ROUND_ROBIN, 3);
        c.epochs = 0;
        c.updates = 10;
        two.step = twice;
        two.self = &pairs;
        assert_int_equal(hw_train(&two, &c, x, &r), HW_E_UNSUPPORTED);
        assert_text(r.message, "ROUND_ROBIN");
    }
}

typedef struct stopper {
    hw_engine *engine;
    uint64_t at;
} stopper;

static void stop_at(void *context, const hw_update_event *event)
{
    const stopper *s = context;
    if (event->update == s->at) hw_engine_stop(s->engine);
}

static void stops_are_clean(void **state)
{
    (void)state;
    for (unsigned m = 1; m <= 4; m++) {
        hw_objective o = objective();
        hw_config c = config(HW_ROUND_ROBIN, m);
        stopper s = {NULL, 50};
        hw_result r;
        c.on_update = stop_at;
        c.context = &s;
        assert_int_equal(hw_engine_create(&s.engine, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(s.engine, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_ASKED);
        assert_int_equal(r.updates, 51 + m - 1);              /* what had been read lands */
        assert_int_equal(hw_engine_run(s.engine, &r), HW_OK); /* and it goes on */
        hw_engine_free(s.engine);
    }
}

/* --- a scheduler of one's own: any thread, one step at a time -------------------------------------------------------
 */

static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER; /* of this test: the library has no state of its own */

static const float *toy_read(hw_worker *w, const hw__extent *x, float *values)
{
    return hw__step_read(w, x, values);
}

static hw_status toy_write(hw_worker *w, const hw__extent *x, const float *g, double loss)
{
    return hw__step_write(w, x, g, loss, w->batch.count);
}

static const hw__access toy_access = {toy_read, toy_write, NULL, NULL};

static void toy_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    for (bool going = true; going;) {
        if (hw__flags_paused(&e->flags) && !hw__park(w, HW__PARK_BETWEEN)) return;
        pthread_mutex_lock(&baton);
        going = !hw__flags_paused(&e->flags);
        if (going) {
            going = !hw__flags_stopped(&e->flags) && hw__tickets_take(w, &ticket);
            if (going) hw__tickets_batch(w, ticket, 0, 1);
            hw_status status = going ? hw__step_run(w) : HW_OK;
            if (status != HW_OK && status != HW_E_STOPPED) hw__fail_worker(w, status);
            going = going && status == HW_OK;
        } else {
            going = true;
        }
        pthread_mutex_unlock(&baton);
        sched_yield();
    }
}

static const hw__scheduler toy = {.flags = HW__ONE_PAIR,
                                  .access = &toy_access,
                                  .crew = hw__async_crew,
                                  .plan = hw__members_plan,
                                  .loop = toy_loop,
                                  .free = hw__members_free};

static void a_scheduler_is_its_row(void **state)
{
    (void)state;
    for (unsigned m = 1; m <= 4; m++) {
        hw_objective filled = objective(), o; /* a model fills what 0.1 had of it */
        hw_config c = config(HW_ASYNC, m);
        hw_engine *e;
        hw_result r;
        float x[FEATURES + 1], reference[FEATURES + 1];
        char why[HW_WHY];
        assert_int_equal(hw__objective_adopt(&filled, &o, why), HW_OK);
        assert_int_equal(hw__engine_check(&c, &o, &toy, why), HW_OK);
        assert_int_equal(hw__engine_create(&e, &o, &c, &toy, NULL, why), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(r.updates, UPDATES);
        assert_int_equal(r.staleness.largest, 0);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        size_t evaluations;
        (void)hw_engine_evaluations(e, &evaluations);
        assert_int_equal(evaluations, 3);
        hw_engine_free(e);
        if (m > 1) continue; /* with more, look-ahead expects a delay */
        c = config(HW_SEQUENTIAL, 1);
        train(&c, reference, &r);
        assert_memory_equal(x, reference, sizeof x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_is_the_simulated_one),
        cmocka_unit_test(its_delay_is_fixed),
        cmocka_unit_test(round_robin_goes_on),
        cmocka_unit_test(what_goes_wrong_ends_it),
        cmocka_unit_test(what_it_refuses),
        cmocka_unit_test(stops_are_clean),
        cmocka_unit_test(a_scheduler_is_its_row),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
