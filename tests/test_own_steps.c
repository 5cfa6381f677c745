/* test_own_steps.c - a learning rate and a momentum of each one's own: every landing is the one that the recursion has
 * with the numbers of whoever lands, under every scheduler; nothing changes where they are those of all. */
#include "check.h"
#include "kept.h"
#include <stdatomic.h>

enum { N = 16, EXAMPLES = 256, BATCH = 4, UPDATES = 60, WORKERS = 3 };
#define BASE 0.25 /* powers of two, so that half of a rate is exactly that */

static const hw_own_step different[WORKERS] = {{1, NAN}, {0.5, 0.25}, {0.125, 0}};

typedef struct landing {
    unsigned worker;
    uint64_t staleness;
    double rate, momentum;
} landing;

typedef struct watch {
    landing at[4 * UPDATES];
    _Atomic uint32_t count;
} watch;

static double curvature(int j)
{
    return 0.1 + 0.9 * j / (N - 1);
}

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < N; j++) {
        g[j] = (float)curvature(j) * x[j];
        loss += 0.5 * (double)g[j] * (double)x[j];
    }
    return loss;
}

static void see(void *context, const hw_update_event *e)
{
    watch *w = context;
    w->count++;
    if (e->update < 4 * UPDATES) w->at[e->update] = (landing){e->worker, e->staleness, e->learning_rate, e->momentum};
}

static hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("own steps", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    return o;
}

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = BATCH;
    c.epochs = 0;
    c.updates = UPDATES;
    c.divergence = 0;
    c.curvature = -1;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = BASE;
    c.compensation.policy = HW_POLICY_NONE;
    c.simulation.threads = 1;
    return c;
}

static void train(const hw_config *c, float *x, watch *w)
{
    hw_objective o = objective();
    hw_config seen = *c;
    hw_result r;
    if (w) {
        w->count = 0;
        seen.on_update = see;
        seen.context = w;
    }
    for (int j = 0; j < N; j++) x[j] = 1;
    if (hw_train(&o, &seen, x, &r) != HW_OK) fail_msg("%s", r.message);
    assert_int_equal(r.updates, UPDATES);
}

/* What the landings that were seen come to, in order. A velocity of its own each, or one of all. */
static void recursion(const watch *w, bool private, double x[N])
{
    static double state[UPDATES + 1][N];
    double v[WORKERS][N] = {{0}};
    for (int j = 0; j < N; j++) state[0][j] = 1;
    for (unsigned t = 0; t < UPDATES; t++) {
        const landing *at = w->at + t;
        double *mine = v[private ? at->worker : 0];
        for (int j = 0; j < N; j++) {
            mine[j] = at->momentum * mine[j] - at->rate * curvature(j) * state[t - at->staleness][j];
            state[t + 1][j] = state[t][j] + mine[j];
        }
    }
    for (int j = 0; j < N; j++) x[j] = state[UPDATES][j];
}

/* --- what it does ---------------------------------------------------------------------------------------------------
 */

static void each_lands_by_its_own(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        hw_clock_kind clock;
        unsigned workers, groups, per_group;
        bool private;
    } run[] = {{HW_ROUND_ROBIN, HW_CLOCK_ROUND_ROBIN, 3, 1, 1, false},
               {HW_SIMULATED, HW_CLOCK_ROUND_ROBIN, 3, 1, 1, false},
               {HW_SIMULATED, HW_CLOCK_EXPONENTIAL, 3, 1, 1, false},
               {HW_SIMULATED, HW_CLOCK_EXPONENTIAL, 3, 1, 1, true},
               {HW_SIMULATED, HW_CLOCK_GAMMA, 6, 1, 2, false}};
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        watch w;
        float x[N];
        double expected[N];
        bool seen[WORKERS] = {false};
        hw_config c = config(run[i].scheduler, run[i].workers);
        c.simulation.clock = run[i].clock;
        c.simulation.per_group = run[i].per_group;
        c.simulation.shape = 2;
        if (run[i].private) c.optimizer.velocity = HW_VELOCITY_PRIVATE;
        c.own_steps = different;
        c.n_own_steps = WORKERS;
        train(&c, x, &w);
        assert_int_equal(w.count, UPDATES);
        for (unsigned t = 0; t < UPDATES; t++) {
            const hw_own_step *own = different + w.at[t].worker;
            seen[w.at[t].worker] = true;
            assert_near(w.at[t].rate, BASE * own->rate, 1e-12);
            assert_near(w.at[t].momentum, isnan(own->momentum) ? 0.5 : own->momentum, 1e-12);
        }
        for (int k = 0; k < WORKERS; k++) assert_true(seen[k]);
        recursion(&w, run[i].private, expected);
        for (int j = 0; j < N; j++) assert_near(x[j], expected[j], 2e-5);
    }
}

/* What each thread has before its eyes: its own rate, or that of its group. */
typedef struct eyes {
    unsigned share;
    _Atomic unsigned wrong;
} eyes;

static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    eyes *s = self;
    (void)b;
    (void)gradient(NULL, NULL, b, hw_read(w), hw_gradient(w));
    if (fabs(hw_learning_rate(w) - BASE * different[hw_worker_id(w) / s->share].rate) > 1e-9) s->wrong++;
    return hw_write(w, 1);
}

/* On threads: what every landing is made with; the order is the machine's. The work makes all of them come to one. */
static void threads_and_groups_go_by_it(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups;
    } run[] = {{HW_ASYNC, 3, 1}, {HW_GROUPS, 6, 3}};
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        eyes s = {.share = run[i].workers / WORKERS};
        watch w = {.count = 0};
        bool seen[WORKERS] = {false};
        hw_objective o = objective();
        hw_config c = config(run[i].scheduler, run[i].workers);
        hw_result r;
        float x[N] = {0};
        o.loss_gradient = NULL;
        o.step = step;
        o.self = &s;
        c.groups = run[i].groups;
        c.own_steps = different;
        c.n_own_steps = WORKERS;
        c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 1e-3};
        c.on_update = see;
        c.context = &w;
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(w.count, UPDATES);
        assert_int_equal(s.wrong, 0);
        for (unsigned t = 0; t < UPDATES; t++) {
            const hw_own_step *own = different + w.at[t].worker;
            seen[w.at[t].worker] = true;
            assert_near(w.at[t].rate, BASE * own->rate, 1e-12);
            assert_near(w.at[t].momentum, isnan(own->momentum) ? 0.5 : own->momentum, 1e-12);
        }
        for (int k = 0; k < WORKERS; k++) assert_true(seen[k]);
    }
}

/* Half of the rate of all is half of the rate: also in step, where there is one. */
static void one_of_them_is_a_rate(void **state)
{
    (void)state;
    static const hw_own_step half = {0.5, NAN}, same = {1, NAN}, slower = {1, 0.25};
    const hw_scheduler one[] = {HW_SEQUENTIAL, HW_SYNC};
    for (int i = 0; i < 2; i++) {
        float x[N], y[N];
        hw_config c = config(one[i], one[i] == HW_SYNC ? 2 : 1), plain = c;
        c.own_steps = &half;
        c.n_own_steps = 1;
        plain.optimizer.schedule.base = BASE / 2;
        train(&c, x, NULL);
        train(&plain, y, NULL);
        assert_memory_equal(x, y, sizeof x);
        c.own_steps = &same;
        plain.optimizer.schedule.base = BASE;
        train(&c, x, NULL);
        train(&plain, y, NULL);
        assert_memory_equal(x, y, sizeof x);
        c.own_steps = &slower;
        plain.optimizer.momentum = 0.25;
        train(&c, x, NULL);
        train(&plain, y, NULL);
        assert_memory_equal(x, y, sizeof x);
    }
}

/* Sweeps of sparse rows, with a decay that is made when a weight is met. */
static void sweeps_go_by_it(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse rows;
    hw_sparse_plan p = hw_sparse_plan_defaults(600, 40);
    p.nonzeros = 6;
    assert_int_equal(hw_sparse_generate(&p, NULL, &rows, why), HW_OK);
    hw_sparse_linear l = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &rows);
    l.l2 = 0.01;
    hw_objective o;
    assert_int_equal(hw_sparse_linear_objective(&l, &o, why), HW_OK);
    static const hw_own_step half = {0.5, NAN};
    for (unsigned exchange = 0; exchange < 2; exchange++) {
        hw_config c = config(HW_SEQUENTIAL, 1);
        hw_result r;
        float *x = check_floats(o.parameters), *y = check_floats(o.parameters);
        c.batch = 1;
        c.write = HW_WRITE_RACY;
        c.clock_interval = 64;
        c.exchange_interval = exchange;
        c.updates = 1200;
        c.optimizer.momentum = 0;
        c.optimizer.schedule.base = 0.125;
        if (hw_train(&o, &c, y, &r) != HW_OK) fail_msg("%s", r.message);
        c.optimizer.schedule.base = 0.25;
        c.own_steps = &half;
        c.n_own_steps = 1;
        if (hw_train(&o, &c, x, &r) != HW_OK) fail_msg("%s", r.message);
        assert_memory_equal(x, y, o.parameters * sizeof *x);
        free(x);
        free(y);
    }
    hw_sparse_linear_free(&l);
    hw_sparse_free(&rows);
}

/* --- going on, replaying --------------------------------------------------------------------------------------------
 */

static void a_resumed_run_has_the_same(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config(HW_SIMULATED, WORKERS);
    kept k = {.n = 0};
    float x[N], y[N], ones[N];
    hw_engine *e;
    hw_result r;
    c.simulation.clock = HW_CLOCK_EXPONENTIAL;
    c.own_steps = different;
    c.n_own_steps = WORKERS;
    train(&c, x, NULL);
    hw_config half = c;
    half.on_capture = keep;
    half.context = &k;
    half.checkpoint_every = UPDATES / 2;
    for (int j = 0; j < N; j++) ones[j] = 1;
    memcpy(y, ones, sizeof y);
    if (hw_train(&o, &half, y, &r) != HW_OK) fail_msg("%s", r.message);
    assert_memory_equal(x, y, sizeof x);
    assert_true(k.n >= 2);
    assert_int_equal(hw_engine_create(&e, &o, &c, ones, why), HW_OK);
    if (hw_engine_restore(e, k.state[0], why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(hw_engine_get(e, y), HW_OK);
    hw_engine_free(e);
    assert_memory_equal(x, y, sizeof x);
    /* Others, or none, are another run. */
    const hw_own_step others[WORKERS] = {{1, NAN}, {0.5, 0.25}, {0.125, NAN}};
    for (int i = 0; i < 2; i++) {
        c.own_steps = i ? NULL : others;
        c.n_own_steps = i ? 0 : WORKERS;
        assert_int_equal(hw_engine_create(&e, &o, &c, ones, why), HW_OK);
        assert_int_not_equal(hw_engine_restore(e, k.state[0], why), HW_OK);
        assert_text(why, "own_steps");
        hw_engine_free(e);
    }
    for (unsigned i = 0; i < k.n; i++) hw_state_free(k.state[i]);
}

static void a_replay_has_the_same(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = config(HW_SIMULATED, WORKERS);
    hw_engine *e;
    hw_result r;
    hw_trace *trace;
    float x[N], y[N], ones[N];
    for (int j = 0; j < N; j++) ones[j] = 1;
    c.simulation.clock = HW_CLOCK_EXPONENTIAL;
    c.own_steps = different;
    c.n_own_steps = WORKERS;
    c.trace = 1;
    assert_int_equal(hw_engine_create(&e, &o, &c, ones, why), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    assert_int_equal(hw_engine_trace(e, &trace, why), HW_OK);
    hw_engine_free(e);
    c.trace = 0;
    c.simulation.clock = HW_CLOCK_REPLAY;
    c.simulation.trace = trace;
    train(&c, y, NULL);
    assert_memory_equal(x, y, sizeof x);
    c.own_steps = NULL;
    c.n_own_steps = 0;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "own_steps");
    hw_trace_free(trace);
}

/* --- what is refused ------------------------------------------------------------------------------------------------
 */

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_objective o = objective();
    hw_own_step own[WORKERS];
    hw_config c;
#define REFUSED(change, status, part)                           \
    do {                                                        \
        memcpy(own, different, sizeof own);                     \
        c = config(HW_ASYNC, WORKERS);                          \
        c.own_steps = own;                                      \
        c.n_own_steps = WORKERS;                                \
        change;                                                 \
        assert_int_equal(hw_config_check(&c, &o, why), status); \
        assert_text(why, part);                                 \
    } while (0)
    REFUSED(c.own_steps = NULL, HW_E_ARGUMENT, "own_steps is NULL");
    REFUSED((c.own_steps = NULL, c.scheduler = HW_SIMULATED, c.simulation.clock = HW_CLOCK_EXPONENTIAL), HW_E_ARGUMENT,
            "own_steps is NULL");
    REFUSED(c.n_own_steps = 2, HW_E_ARGUMENT, "n_own_steps is 2, but 3 land");
    REFUSED(c.scheduler = HW_SYNC, HW_E_ARGUMENT, "but 1 land");
    REFUSED(own[1].rate = 0, HW_E_ARGUMENT, "own_steps[1].rate is 0");
    REFUSED(own[1].rate = NAN, HW_E_ARGUMENT, "own_steps[1].rate is");
    REFUSED(own[2].rate = 2e6, HW_E_ARGUMENT, "own_steps[2].rate");
    REFUSED(own[0].momentum = 1, HW_E_ARGUMENT, "own_steps[0].momentum is 1");
    REFUSED(own[0].momentum = INFINITY, HW_E_ARGUMENT, "own_steps[0].momentum is inf");
    REFUSED(c.optimizer.rule = HW_RULE_ADAM, HW_E_UNSUPPORTED, "rules sgd and nesterov");
    REFUSED(c.compensation.policy = HW_POLICY_AUTO, HW_E_UNSUPPORTED, "compensation auto sets the momentum");
    REFUSED(c.optimizer.momentum = 0, HW_E_ARGUMENT, "momentum.target is 0");
    REFUSED((c.scheduler = HW_GATHER, c.simulation.gather = 2), HW_E_UNSUPPORTED, "not with gathering");
    REFUSED((c.scheduler = HW_SIMULATED, c.simulation.gather = 2), HW_E_UNSUPPORTED, "not with gathering");
    REFUSED((c.scheduler = HW_SIMULATED, c.simulation.clock = HW_CLOCK_DELAY, c.simulation.delay = 2), HW_E_UNSUPPORTED,
            "clocks delay and histogram");
    o.raw = 1;
    REFUSED((c.optimizer.momentum = 0, c.optimizer.velocity = HW_VELOCITY_PRIVATE), HW_E_UNSUPPORTED,
            "steps of its own");
    o.raw = 0;
    for (int i = 0; i < WORKERS; i++) own[i].momentum = NAN;
    c = config(HW_ASYNC, WORKERS);
    c.own_steps = own;
    c.n_own_steps = WORKERS;
    c.compensation.policy = HW_POLICY_AUTO;
    assert_int_equal(hw_config_check(&c, &o, why), HW_OK); /* rates go with any policy */
    c.optimizer.rule = HW_RULE_ADAM;
    assert_int_equal(hw_config_check(&c, &o, why), HW_OK); /* and rule */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lands_by_its_own),      cmocka_unit_test(threads_and_groups_go_by_it),
        cmocka_unit_test(one_of_them_is_a_rate),      cmocka_unit_test(sweeps_go_by_it),
        cmocka_unit_test(a_resumed_run_has_the_same), cmocka_unit_test(a_replay_has_the_same),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("own_steps", tests, NULL, NULL);
}
