/* test_repeat.c - random simulations: whatever the objective, clock, rule, policy, errors and stops, 1, 2 and 5 real
 * threads give the same bits, in a first run and in one that goes on from it. */
#include "random_run.h"

enum { RUNS = 2 };

static hw_status noisy(hw_worker *w, const job *j, const hw_batch *b, const float *x, float *g, int n)
{
    float noise[4];
    for (int i = 0; i < 4; i++) noise[i] = (float)hw_rng_normal(hw_random(w));
    for (int i = 0; i < n; i++) g[i] = 0.1f * (x[i] - 0.5f) + 0.05f * noise[i % 4] * (float)b->count;
    job_linger(b, 2000);
    return j->fails_at && b->step == j->fails_at ? hw_fail(w, 1001, "broken") : HW_OK;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    return job_step(w, self, b, noisy);
}

static void on_update(void *context, const hw_update_event *e)
{
    const uint64_t all[] = {e->worker, e->update, e->staleness, e->read_ns, e->write_ns};
    const double real[] = {e->loss, e->learning_rate, e->momentum};
    fold(context, all, sizeof all);
    fold(context, real, sizeof real);
}

/* Everything that a run says, in one number; 0 where the configuration is refused. */
static uint64_t outcome(const hw_objective *o, hw_config c, unsigned threads, bool *well)
{
    hw_engine *e;
    hw_result r;
    hw_histogram h;
    float params[N];
    uint64_t hash = FOLD_START;
    size_t n;
    c.simulation.threads = threads;
    c.context = &hash;
    c.on_update = on_update;
    if (hw_engine_create(&e, o, &c, NULL, NULL) != HW_OK) return 0;
    for (int k = 0; k < RUNS; k++) {
        hw_status status = hw_engine_run(e, &r);
        *well = status == HW_OK;
        const uint64_t whole[] = {(uint64_t)status, r.reason,      r.updates, r.examples,
                                  r.tickets,        r.good_update, r.clipped, r.skipped};
        fold(&hash, whole, sizeof whole);
        fold(&hash, r.message, strlen(r.message));
        fold(&hash, &r.train_loss, sizeof r.train_loss);
        fold(&hash, &r.virtual_time, sizeof r.virtual_time);
        const hw_evaluation *ev = hw_engine_evaluations(e, &n);
        for (size_t i = 0; i < n; i++) {
            fold(&hash, ev[i].metric, sizeof ev[i].metric);
            fold(&hash, &ev[i].train_loss, sizeof(double));
        }
        const hw_setting *s = hw_engine_settings(e, &n);
        for (size_t i = 0; i < n; i++) fold(&hash, &s[i].rate, sizeof(double));
    }
    assert_int_equal(hw_engine_get(e, params), HW_OK);
    fold(&hash, params, sizeof params);
    assert_int_equal(hw_histogram_init(&h, c.exact), HW_OK);
    hw_staleness_merge(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, &h);
    fold(&hash, h.counts, h.bins * sizeof *h.counts);
    hw_histogram_free(&h);
    hw_engine_free(e);
    return hash;
}

static hw_config some_config(hw_rng *rng, const hw_histogram *delays, bool examples)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    some_clock(rng, &c.simulation, delays);
    c.workers = 2 * (1 + (unsigned)PICK(10));
    c.batch = 1 + (uint32_t)PICK(examples ? 8 : 4);
    c.epochs = 0;
    c.updates = 200 + (uint64_t)PICK(200);
    c.seed = (uint64_t)PICK(1000);
    some_memory(rng, &c);
    c.optimizer.rule = PICK(2) ? HW_RULE_SGD : (hw_rule_kind)PICK(4);
    c.optimizer.velocity = PICK(6) ? HW_VELOCITY_SHARED : HW_VELOCITY_PRIVATE;
    c.optimizer.momentum = 0.5;
    c.optimizer.weight_decay = PICK(2) ? 0 : 0.01;
    c.optimizer.clip_norm = PICK(3) ? 0 : 0.5;
    c.compensation.policy = (hw_policy)PICK(8);
    some_windows(rng, &c);
    c.evaluate_every = PICK(2) ? 20 + (uint64_t)PICK(90) : 0;
    c.with_replacement = PICK(2);
    c.keep_every = 40;
    return c;
}

static void threads_never_change_a_bit(void **state)
{
    (void)state;
    hw_histogram delays;
    hw_rng stream, *rng = &stream;
    unsigned compared = 0, well = 0, tries = check_full() ? 4000 : CHECK_SLOW ? 120 : 500;
    some_delays(&delays);
    hw_rng_seed(rng, 1, 9);
    for (unsigned i = 0; i < tries; i++) {
        job j = {PICK(3), PICK(3) == 0, PICK(6) ? 0 : 100 + (uint64_t)PICK(200)};
        hw_objective o = hw_objective_defaults("random", N);
        o.self = &j;
        o.step = step;
        o.examples = PICK(2) ? 120 : 0;
        if (PICK(2)) {
            o.evaluate = job_evaluate;
            o.evaluation_examples = 1700;
            o.metrics = 2;
        }
        if (j.kind && PICK(2)) o.touched = 16 + 16 * (size_t)PICK(2);
        hw_config c = some_config(rng, &delays, o.examples != 0);
        if (o.evaluate && PICK(3) == 0) {
            c.target_metric = 0;
            c.target = 0.08;
        }
        bool good = false, other;
        uint64_t one = outcome(&o, c, 1, &good);
        if (!one) continue; /* refused */
        compared++;
        well += good;
        for (unsigned threads = 2; threads <= 5; threads += 3)
            if (outcome(&o, c, threads, &other) != one)
                fail_msg("configuration %u: %u threads differ (kind %d, clock %d, policy %d)", i, threads, j.kind,
                         (int)c.simulation.clock, (int)c.compensation.policy);
    }
    hw_histogram_free(&delays);
    print_message("%u configurations compared, %u ended well\n", compared, well);
    assert_true(compared > tries / 3 && well > compared / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_never_change_a_bit)};
    return cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
}
