/* test_resume_ends.c - runs that had met their target, had failed or had been cut short, and go on. */
#include "edge_run.h"

static void a_target_that_was_met_ends_the_resumed_run(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, k % 2 ? HW_SIMULATED : HW_SEQUENTIAL, 40);
        bool at_the_end = k % 4 > 1;
        evaluated(&o);
        c.simulation.threads = k >= 4 ? 2 : 1;
        c.evaluate_every = at_the_end ? 0 : 10;
        c.evaluate_epochs = 0;
        c.target_metric = 0;
        c.optimizer.schedule.base = 0.1;
        c.target = 0.25;
        hw_result r = run_of(&o, &c, NULL), again;
        assert_int_equal(r.reason, HW_STOP_TARGET);
        assert_true(at_the_end ? r.updates == 40 : r.updates < 40);
        hw_state *met = copy_of(s.kept[s.n - 1]);
        c.updates = 300;
        again = run_of(&o, &c, met);
        assert_int_equal(again.status, HW_OK);
        assert_int_equal(again.reason, HW_STOP_TARGET);
        assert_int_equal(again.updates, r.updates);
        assert_int_equal(again.tickets, r.tickets);
        assert_int_equal(again.last.update, r.last.update);
        assert_int_equal(again.updates_to_target, r.updates_to_target);
        assert_true(again.seconds_to_target >= r.seconds_to_target && again.seconds_to_target <= r.seconds_to_target);
        c.target = 0.26; /* met as well */
        again = run_of(&o, &c, met);
        assert_true(again.reason == HW_STOP_TARGET && again.updates == r.updates);
        c.target = 0.01; /* not yet */
        c.evaluate_every = 10;
        again = run_of(&o, &c, met);
        assert_int_equal(again.reason, HW_STOP_TARGET);
        assert_true(again.updates > r.updates && again.updates_to_target > r.updates_to_target);
        c.target = 0;
        assert_int_equal(run_of(&o, &c, met).updates, 300);
        hw_state_free(met);
        close_scene(&s);
    }
}

static void a_failed_engine_is_as_good_as_new(void **state)
{
    (void)state;
    for (int fails_at = 1; fails_at < 12; fails_at += 2) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, fails_at % 4 == 1 ? HW_SEQUENTIAL : HW_SIMULATED, 200);
        evaluated(&o);
        o.evaluation_chunk = 2;
        c.evaluate_every = 30;
        hw_result r, now;
        assert_int_equal(run_of(&o, &c, NULL).status, HW_OK);
        s.fails_at = fails_at;
        hw_engine *e = engine_of(&o, &c);
        hw_state *again = hw_state_create();
        assert_int_equal(hw_engine_run(e, &r), 1001);
        s.fails_at = 0;
        assert_int_equal(hw_engine_restore(e, s.kept[0], NULL), HW_OK);
        hw_engine_result(e, &now);
        assert_int_equal(now.status, HW_OK);
        assert_string_equal(now.message, "");
        assert_int_equal(now.updates, 200);
        uint64_t ns = hw_state_number(s.kept[0], "run.trained_ns", 0);
        assert_near(now.seconds, (double)ns * 1e-9, 1e-12);
        assert_int_equal(hw_engine_capture(e, again), HW_OK);
        assert_int_equal(hw_state_number(again, "run.trained_ns", 0), ns);
        hw_engine_free(e);
        hw_state_free(again);
        close_scene(&s);
    }
}

static void on_update(void *context, const hw_update_event *event)
{
    scene *s = context;
    if (s->stop_at && event->update == s->stop_at) s->flag = 1;
}

/* The evaluation at the stop is none of the whole run's. */
static void a_run_cut_short_is_captured_without_its_last_evaluation(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        scene s = {.n = 0};
        hw_objective o = objective_of(&s);
        hw_config c = config_of(&s, k ? HW_SIMULATED : HW_SEQUENTIAL, 100);
        evaluated(&o);
        c.evaluate_every = 30;
        c.on_checkpoint = NULL;
        c.on_update = on_update;
        c.stop_flag = &s.flag;
        hw_engine *whole = engine_of(&o, &c), *cut = engine_of(&o, &c), *next = engine_of(&o, &c);
        hw_state *held = hw_state_create();
        hw_result r;
        size_t n[3];
        assert_int_equal(hw_engine_run(whole, NULL), HW_OK);
        s.stop_at = 44;
        assert_int_equal(hw_engine_run(cut, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_ASKED);
        assert_true(r.last.update == r.updates && r.updates >= 44 && r.updates < 60);
        assert_int_equal(hw_engine_capture(cut, held), HW_OK);
        assert_int_equal(hw_state_number(held, "evaluations.count", 0), 1);
        assert_int_equal(hw_state_number(held, "run.last.update", 0), 30);
        const hw_evaluation *was = hw_engine_evaluations(cut, n); /* the engine itself keeps it */
        assert_true(n[0] == 2 && was[1].update == r.updates);
        s.stop_at = 0;
        s.flag = 0;
        assert_int_equal(hw_engine_restore(next, held, NULL), HW_OK);
        assert_int_equal(hw_engine_run(next, NULL), HW_OK);
        const hw_evaluation *a = hw_engine_evaluations(whole, n + 1), *b = hw_engine_evaluations(next, n + 2);
        assert_true(n[1] == 4 && n[2] == 4);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(a[i].update, b[i].update);
            assert_memory_equal(&a[i].train_loss, &b[i].train_loss, sizeof a[i].train_loss);
            assert_memory_equal(a[i].metric, b[i].metric, sizeof a[i].metric);
        }
        hw_engine_free(whole);
        hw_engine_free(cut);
        hw_engine_free(next);
        hw_state_free(held);
    }
}

static hw_status on_progress(void *context, const hw_progress *p)
{
    scene *s = context;
    if (isfinite(p->train_loss) && s->reports++ == 0) s->first_report = p->train_loss;
    return HW_OK;
}

static void progress_after_a_resume_counts_from_there(void **state)
{
    (void)state;
    scene s = {.jump = 100};
    hw_objective o = objective_of(&s);
    hw_config c = config_of(&s, HW_SEQUENTIAL, 100);
    c.divergence = 0;
    assert_int_equal(run_of(&o, &c, NULL).status, HW_OK);
    s.lingers = true;
    c.updates = 500;
    c.on_progress = on_progress;
    c.progress_ms = 10;
    hw_state *from = copy_of(s.kept[0]);
    assert_int_equal(run_of(&o, &c, from).updates, 500);
    assert_true(s.reports > 0);
    assert_near(s.first_report, 1, 1e-9);
    hw_state_free(from);
    close_scene(&s);
}

/* --- a new run from where another one stood ------------------------------------------------------------------------
 */

static double bowl(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b;
    double loss = 0;
    for (int i = 0; i < 40; i++) {
        g[i] = x[i] - 1 - (float)i;
        loss += 0.5 * (double)g[i] * (double)g[i];
    }
    return loss;
}

static void a_new_run_begins_from_a_state(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    float x[40], y[40], v[40], u[40], before[40];
    hw_result r;
    int velocity = -1;
    hw_objective o = hw_objective_defaults("bowl", 40);
    o.loss_gradient = bowl;
    o.examples = 320;
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.epochs = 3;
    c.optimizer.schedule.base = 0.01;
    c.curvature = -1;
    hw_engine *a, *b;
    hw_state *s = hw_state_create();
    assert_int_equal(hw_engine_create(&a, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(a, NULL), HW_OK);
    assert_int_equal(hw_engine_capture(a, s), HW_OK);
    assert_int_equal(hw_engine_get(a, x), HW_OK);
    assert_int_equal(hw_engine_get_velocity(a, v), HW_OK);
    /* Other workers, rate, schedule, batch, length: all that restore refuses. */
    c.scheduler = HW_ASYNC;
    c.workers = 3;
    c.batch = 8;
    c.epochs = 2;
    c.optimizer.schedule.base = 0.001;
    assert_int_equal(hw_engine_create(&b, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_restore(b, s, why), HW_E_FORMAT);
    assert_int_equal(hw_engine_begin_from(b, s, &velocity, why), HW_OK);
    assert_int_equal(velocity, 1);
    assert_int_equal(hw_engine_get(b, y), HW_OK);
    assert_int_equal(hw_engine_get_velocity(b, u), HW_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_memory_equal(v, u, sizeof v);
    double moved = 0;
    for (int i = 0; i < 40; i++) moved = fmax(moved, fabs((double)v[i]));
    assert_true(moved > 1e-6);
    assert_int_equal(hw_engine_run(b, &r), HW_OK);
    assert_int_equal(r.updates, 80); /* counted from 0 */
    hw_engine_free(b);
    /* Another rule begins with what it keeps at its start. */
    c.optimizer.rule = HW_RULE_ADAM;
    c.compensation.policy = HW_POLICY_NONE;
    assert_int_equal(hw_engine_create(&b, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_begin_from(b, s, &velocity, why), HW_OK);
    assert_int_equal(velocity, 0);
    assert_int_equal(hw_engine_get(b, y), HW_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(hw_engine_run(b, &r), HW_OK);
    /* Adam's moments are not taken: their correction would begin anew. */
    hw_state *adams = hw_state_create();
    hw_engine *d;
    assert_int_equal(hw_engine_capture(b, adams), HW_OK);
    assert_int_equal(hw_engine_create(&d, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_begin_from(d, adams, &velocity, why), HW_OK);
    assert_int_equal(velocity, 0);
    hw_engine_free(d);
    hw_state_free(adams);
    /* An engine that has run counts on; what does not fit changes nothing. */
    assert_int_equal(hw_engine_begin_from(b, s, NULL, why), HW_E_STATE);
    assert_text(why, "a new engine");
    hw_engine_free(b);
    assert_int_equal(hw_engine_create(&b, &o, &c, x, NULL), HW_OK);
    assert_int_equal(hw_engine_get(b, before), HW_OK);
    hw_state_clear(s);
    assert_int_equal(hw_engine_begin_from(b, s, NULL, why), HW_E_FORMAT);
    assert_text(why, "weights");
    y[39] = NAN;
    assert_int_equal(hw_state_put(s, "weights", HW_F32, 1, (uint64_t[]){40}, y), HW_OK);
    assert_int_equal(hw_engine_begin_from(b, s, NULL, why), HW_E_FORMAT);
    assert_text(why, "not finite");
    assert_int_equal(hw_engine_get(b, y), HW_OK);
    assert_memory_equal(before, y, sizeof y);
    assert_int_equal(hw_engine_begin_from(NULL, s, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_engine_begin_from(b, NULL, NULL, NULL), HW_E_ARGUMENT);
    hw_state_free(s);
    hw_engine_free(a);
    hw_engine_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_that_was_met_ends_the_resumed_run),
        cmocka_unit_test(a_failed_engine_is_as_good_as_new),
        cmocka_unit_test(a_run_cut_short_is_captured_without_its_last_evaluation),
        cmocka_unit_test(progress_after_a_resume_counts_from_there),
        cmocka_unit_test(a_new_run_begins_from_a_state),
    };
    return cmocka_run_group_tests_name("resume_ends", tests, NULL, NULL);
}
