/* test_engine.c - schedulers, steps, stops, errors, callbacks, the caller's state. */
#include "rows_linear.h"
#include <cblas.h>
#include <locale.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.groups = scheduler == HW_GROUPS ? workers / 2 : 1;
    c.batch = 16;
    c.epochs = 6;
    c.optimizer.schedule.base = 0.02;
    c.optimizer.momentum = 0.5;
    c.curvature = -1; /* no probing calls of the step, which some of these tests count */
    return c;
}

static const hw_scheduler all_schedulers[] = {HW_SEQUENTIAL, HW_ASYNC, HW_SYNC, HW_GROUPS};
static const unsigned their_workers[] = {1, 3, 3, 4};

static void every_scheduler_learns_in_every_mode(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (int s = 0; s < 4; s++)
        for (int mode = 0; mode < 5; mode++) {
            hw_config c = config(all_schedulers[s], their_workers[s]);
            float x[FEATURES + 1] = {0};
            hw_result r;
            c.write = mode < 4 ? (hw_write_mode)mode : HW_WRITE_ADD;
            c.read = mode < 4 ? HW_READ_ATOMIC : HW_READ_CONSISTENT;
            assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
            assert_int_equal(r.updates, 360);
            assert_int_equal(r.examples, 6 * ROWS);
            assert_int_equal(r.staleness.updates, 360); /* every update is measured once */
            assert_int_equal(r.tickets, 360);
            assert_true(r.last.metric[0] < (s == 1 || s == 3 ? 1 : 0.05));
            assert_int_equal(r.last.update, 360);
            if (s == 0 || s == 2) assert_near(r.staleness.largest, 0, 0);
            if (mode == 4) assert_true(s == 0 || s == 2 || r.staleness.mean <= their_workers[s]);
        }
}

static void sequential_and_sync_are_deterministic(void **state)
{
    (void)state;
    hw_objective o = objective();
    float x[4][FEATURES + 1];
    for (int run = 0; run < 4; run++) {
        hw_config c = config(run < 2 ? HW_SEQUENTIAL : HW_SYNC, run < 2 ? 1 : 4);
        memset(x[run], 0, sizeof x[run]);
        assert_int_equal(hw_train(&o, &c, x[run], NULL), HW_OK);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_equal(x[2], x[3], sizeof x[0]);
    /* Four threads on one minibatch: the same mean gradient to rounding. */
    for (int i = 0; i <= FEATURES; i++) assert_near((double)x[2][i], (double)x[0][i], 2e-4);
}

/* --- sampling ------------------------------------------------------------------------------------------------------
 */

typedef struct census {
    _Atomic unsigned seen[ROWS];
    _Atomic unsigned calls;
    hw_status (*then)(struct census *c, hw_worker *w, const hw_batch *b);
    unsigned at;
} census;

static hw_status count_step(void *self, hw_worker *w, const hw_batch *b)
{
    census *c = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    for (int j = 0; j <= FEATURES; j++) g[j] = 0.001f * x[j];
    for (uint32_t i = 0; i < b->count; i++) c->seen[b->index[i]]++;
    unsigned call = c->calls++;
    if (c->then && call == c->at) return c->then(c, w, b);
    return hw_write(w, 1);
}

static hw_objective census_objective(census *c)
{
    hw_objective o = hw_objective_defaults("census", FEATURES + 1);
    memset(c, 0, sizeof *c);
    o.self = c;
    o.examples = ROWS;
    o.step = count_step;
    return o;
}

static void every_example_once_an_epoch(void **state)
{
    (void)state;
    static census c;
    const uint32_t batches[] = {16, 7, 1, 960};
    for (int s = 0; s < 4; s++)
        for (int b = 0; b < 4; b++) {
            hw_objective o = census_objective(&c);
            hw_config k = config(all_schedulers[s], their_workers[s]);
            hw_result r;
            k.batch = batches[b];
            k.epochs = 2;
            assert_int_equal(hw_train(&o, &k, NULL, &r), HW_OK);
            for (int i = 0; i < ROWS; i++) assert_int_equal(c.seen[i], 2);
            assert_int_equal(r.updates, 2 * ((ROWS + batches[b] - 1) / batches[b]));
        }
    hw_objective o = census_objective(&c);
    hw_config k = config(HW_ASYNC, 2);
    k.with_replacement = 1;
    k.epochs = 10;
    assert_int_equal(hw_train(&o, &k, NULL, NULL), HW_OK);
    double square = 0;
    for (int i = 0; i < ROWS; i++) square += (c.seen[i] - 10.0) * (c.seen[i] - 10.0) / ROWS;
    assert_near(square, 10, 2); /* Poisson */
}

/* --- stops ---------------------------------------------------------------------------------------------------------
 */

static void stops(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_result r;
    for (int s = 0; s < 4; s++) {
        hw_config c = config(all_schedulers[s], their_workers[s]);
        c.epochs = 0;
        c.updates = 77;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.updates, 77);
        assert_int_equal(r.reason, HW_STOP_UPDATES);
        c.updates = 0;
        c.seconds = 0.05;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_SECONDS);
        assert_true(r.seconds < 0.5);
        c.seconds = 0;
        c.target_metric = 0;
        c.target = 0.05;
        c.evaluate_every = 10;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_TARGET);
        assert_true(r.last.metric[0] <= 0.05 && r.updates_to_target > 0 && r.seconds_to_target > 0);
        volatile sig_atomic_t flag = 1;
        c.target = 0;
        c.stop_flag = &flag;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_ASKED);
        assert_true(r.updates <= their_workers[s] * 2);
    }
}

/* Atomic: the signal may be delivered to any thread of the process, OpenBLAS's idle ones too. */
static _Atomic(hw_engine *) signalled;
static void on_alarm(int number)
{
    (void)number;
    hw_stop(signalled);
}

static void stop_from_a_signal_handler(void **state)
{
    (void)state;
    hw_objective o = objective();
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    for (int s = 0; s < 4; s++) {
        hw_config c = config(all_schedulers[s], their_workers[s]);
        hw_result r;
        c.epochs = 0;
        hw_engine *e;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        signalled = e;
        ualarm(20000, 0);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(r.reason, HW_STOP_ASKED);
        hw_engine_free(e);
    }
    (void)sigaction(SIGALRM, &old, NULL);
}

/* --- errors --------------------------------------------------------------------------------------------------------
 */

static hw_status fail_with(census *c, hw_worker *w, const hw_batch *b)
{
    (void)c, (void)b;
    return hw_fail(w, 4711, "the disk is full");
}

static hw_status fail_plainly(census *c, hw_worker *w, const hw_batch *b)
{
    (void)c, (void)w, (void)b;
    return 2000;
}

static hw_status forget_to_write(census *c, hw_worker *w, const hw_batch *b)
{
    (void)c, (void)w, (void)b;
    return HW_OK;
}

static hw_status write_nan(census *c, hw_worker *w, const hw_batch *b)
{
    (void)c, (void)b;
    hw_gradient(w)[3] = NAN;
    return hw_write(w, 1);
}

static hw_status write_nan_loss(census *c, hw_worker *w, const hw_batch *b)
{
    (void)c, (void)b;
    return hw_write(w, NAN);
}

static void the_first_error_stops_all(void **state)
{
    (void)state;
    static census c;
    hw_rng rng;
    hw_rng_seed(&rng, 8, 0);
    int trials = check_full() ? 10000 : 400;
    const struct {
        hw_status (*then)(census *, hw_worker *, const hw_batch *);
        hw_status code;
        const char *says;
    } kinds[] = {{fail_with, 4711, "the disk is full"},
                 {fail_plainly, 2000, "returned 2000 on worker"},
                 {forget_to_write, HW_E_CALLBACK, "write"},
                 {write_nan, HW_E_DIVERGED, "gradient stopped being finite"},
                 {write_nan_loss, HW_E_DIVERGED, "loss stopped being finite"}};
    for (int t = 0; t < trials; t++) {
        int s = t % 4, k = t / 4 % 5;
        hw_objective o = census_objective(&c);
        hw_config config_ = config(all_schedulers[s], their_workers[s]);
        hw_result r;
        config_.evaluate_every = 0;
        config_.compensation.policy = HW_POLICY_LOOK_AHEAD; /* auto would go on (test_recovery) */
        c.then = kinds[k].then;
        c.at = (unsigned)hw_rng_below(&rng, 60);
        uint64_t from = hw_now();
        hw_status status = hw_train(&o, &config_, NULL, &r);
        if (status != kinds[k].code) fail_msg("trial %d: %d, not %d: %s", t, status, kinds[k].code, r.message);
        assert_int_equal(r.status, status);
        assert_int_equal(r.reason, HW_STOP_ERROR);
        assert_text(r.message, kinds[k].says);
        assert_true(hw_now() - from < 1000000000u);
    }
}

static hw_status always_nan(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self, (void)b;
    (void)hw_read(w);
    return hw_write(w, NAN);
}

static hw_status write_only(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self, (void)b;
    hw_gradient(w)[0] = 1;
    return hw_write(w, 1);
}

static void odd_objectives(void **state)
{
    (void)state;
    /* Nothing lands any more, and time still ends the run. */
    hw_objective o = hw_objective_defaults("odd", 3);
    hw_config c = config(HW_ASYNC, 2);
    hw_result r;
    o.step = always_nan;
    c.on_nan = HW_NAN_SKIP;
    c.epochs = 0;
    c.seconds = 0.05;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_SECONDS);
    assert_true(r.updates == 0 && r.skipped > 0);
    o.step = write_only;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_E_CALLBACK);
    assert_text(r.message, "without a read");
}

/* A sampled clock: every update is in the histogram, whatever is left over at the end. */
static void a_sampled_clock_counts_all(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (unsigned workers = 1; workers <= 3; workers++) {
        hw_config c = config(HW_ASYNC, workers);
        hw_result r;
        c.clock_interval = 16;
        c.epochs = 0;
        c.updates = 1003;
        c.keep_every = 20;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.updates, 1003);
        assert_int_equal(r.staleness.updates, 1003);
        c.optimizer.schedule.base = 20;
        c.compensation.policy = HW_POLICY_LOOK_AHEAD;
        float x[FEATURES + 1] = {0};
        assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
        for (int i = 0; i <= FEATURES; i++) assert_true(isfinite(x[i]));
    }
}

static void skipped_updates_are_counted(void **state)
{
    (void)state;
    static census c;
    hw_objective o = census_objective(&c);
    hw_config k = config(HW_ASYNC, 2);
    hw_result r;
    k.on_nan = HW_NAN_SKIP;
    c.then = write_nan;
    c.at = 10;
    assert_int_equal(hw_train(&o, &k, NULL, &r), HW_OK);
    assert_int_equal(r.skipped, 1);
    assert_int_equal(r.updates, 359);
    assert_int_equal(r.staleness.updates, 359);
}

static void divergence_keeps_good_parameters(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (int s = 0; s < 4; s++)
        for (int consistent = 0; consistent < 2; consistent++) {
            hw_config c = config(all_schedulers[s], their_workers[s]);
            float x[FEATURES + 1];
            hw_result r;
            for (int i = 0; i <= FEATURES; i++) x[i] = 0.1f;
            c.compensation.policy = HW_POLICY_NONE;
            c.optimizer.schedule.base = 20; /* a thousand times too much */
            c.keep_every = 3;
            if (consistent) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
            assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
            assert_true(r.updates < 100);
            assert_text(r.message, "are kept");
            double sums[HW_METRICS] = {0};
            assert_int_equal(o.evaluate(o.self, NULL, x, 0, ROWS, sums), HW_OK);
            assert_true(sums[0] / ROWS < 200);
        }
}

static void refusals(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_engine *e;
    char why[HW_WHY];
#define REFUSED(change, code, says)                                      \
    do {                                                                 \
        hw_config c = config(HW_ASYNC, 4);                               \
        change;                                                          \
        why[0] = 0;                                                      \
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), code); \
        assert_null(e);                                                  \
        assert_text(why, says);                                          \
    } while (0)
    REFUSED(c.workers = 0, HW_E_ARGUMENT, "config.workers is 0");
    REFUSED(c.optimizer.momentum = 1.2, HW_E_ARGUMENT, "config.momentum.target is 1.2: it must be in [0, 1)");
    REFUSED(c.optimizer.momentum = NAN, HW_E_ARGUMENT, "momentum.target");
    REFUSED(c.optimizer.schedule.base = 0, HW_E_ARGUMENT, "learning_rate");
    REFUSED(c.scheduler = HW_SEQUENTIAL, HW_E_ARGUMENT, "sequential runs exactly 1");
    REFUSED((c.scheduler = HW_GROUPS, c.groups = 3), HW_E_ARGUMENT, "config.groups is 3");
    REFUSED((c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_RACY), HW_E_UNSUPPORTED, "CONSISTENT");
    REFUSED((c.exchange_interval = 8, c.scheduler = HW_SYNC), HW_E_UNSUPPORTED, "exchange_interval");
    REFUSED((c.exchange_interval = 8, c.optimizer.momentum = 0.5), HW_E_UNSUPPORTED, "momentum.target is 0.5");
    REFUSED((c.exchange_interval = 8, c.optimizer.rule = HW_RULE_ADAM), HW_E_UNSUPPORTED, "rule is adam");
    REFUSED((c.exchange_interval = 8, c.optimizer.momentum = 0, c.compensation.policy = HW_POLICY_THEORY),
            HW_E_UNSUPPORTED, "compensation is theory");
    REFUSED(c.batch = 5000, HW_E_ARGUMENT, "5000");
    REFUSED(c.optimizer.velocity = HW_VELOCITY_PRIVATE, HW_E_UNSUPPORTED, "private velocity");
    REFUSED((c.optimizer.rule = HW_RULE_ADAGRAD, c.compensation.policy = HW_POLICY_THEORY), HW_E_UNSUPPORTED,
            "no momentum");
    REFUSED((c.optimizer.rule = HW_RULE_NESTEROV, c.compensation.policy = HW_POLICY_EXACT), HW_E_UNSUPPORTED,
            "nesterov");
    REFUSED(c.optimizer.schedule.kind = HW_SCHEDULE_STEP, HW_E_ARGUMENT, "interval");
    REFUSED(c.compensation.policy = HW_POLICY_USER, HW_E_ARGUMENT, "callback");
    REFUSED((c.target = 0.5, c.target_metric = 2), HW_E_ARGUMENT, "target_metric is 2");
    REFUSED(c.struct_size = 1, HW_E_ARGUMENT, "hw_config_defaults");
    REFUSED(c.optimizer.rule = HW_RULE_USER, HW_E_ARGUMENT, "user_rule");
    o.blas = 1;
    REFUSED(c.workers = HW_MAX_WORKERS, HW_E_LIMIT, "OpenBLAS was built for");
    o.blas = 0;
    o.step = NULL;
    REFUSED((void)0, HW_E_ARGUMENT, "exactly one of step and loss_gradient");
    hw_engine_free(NULL);
    assert_int_equal(hw_engine_run(NULL, NULL), HW_E_ARGUMENT);
}

/* --- callbacks -----------------------------------------------------------------------------------------------------
 */

typedef struct watch {
    _Atomic uint64_t updates, tau;
    uint64_t evaluations, epochs, progress;
    hw_status answer;
} watch;

static void on_update(void *context, const hw_update_event *e)
{
    watch *w = context;
    w->updates++;
    w->tau += e->staleness;
    if (!(e->learning_rate > 0 && e->write_ns >= e->read_ns && e->worker < 8)) w->tau += 1u << 30;
}

static hw_status on_evaluation(void *context, const hw_evaluation *e)
{
    watch *w = context;
    w->evaluations++;
    return e->update > 100 ? w->answer : HW_OK;
}

static hw_status on_epoch(void *context, uint64_t epoch)
{
    watch *w = context;
    w->epochs++;
    return epoch >= w->epochs ? HW_OK : 3000;
}

static hw_status on_progress(void *context, const hw_progress *p)
{
    watch *w = context;
    w->progress++;
    bool rates = p->updates == 0 || (p->learning_rate > 0 && p->examples_per_second > 0);
    return p->fraction >= 0 && rates ? HW_OK : 3001;
}

static void callbacks(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (int s = 0; s < 4; s++) {
        hw_config c = config(all_schedulers[s], their_workers[s]);
        watch w = {0};
        hw_result r;
        hw_engine *e;
        c.context = &w;
        c.on_update = on_update;
        c.on_evaluation = on_evaluation;
        c.on_epoch = on_epoch;
        c.evaluate_every = 50;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(w.updates, 360);
        assert_near((double)w.tau, r.staleness.mean * 360, 0.5);
        /* Every 50 of 360 and at the end. With workers on their own, one that loses its core while it sees to what is
         * due makes it late, and then the next one is due 50 later. */
        if (s == 0 || s == 2)
            assert_int_equal(w.evaluations, 8);
        else
            assert_true(w.evaluations >= 2 && w.evaluations <= 8 + 1);
        assert_int_equal(w.epochs, 6);
        size_t n;
        const hw_evaluation *ev = hw_engine_evaluations(e, &n);
        assert_int_equal(n, w.evaluations);
        assert_int_equal(ev[n - 1].update, 360);
        for (size_t i = 1; i < n; i++)
            assert_true(ev[i].update > ev[i - 1].update && ev[i].seconds > ev[i - 1].seconds);
        hw_engine_free(e);
        memset(&w, 0, sizeof w);
        w.answer = 5000; /* a status from the callback stops the run with it */
        assert_int_equal(hw_train(&o, &c, NULL, &r), 5000);
    }
    hw_config c = config(HW_ASYNC, 2);
    watch w = {0};
    c.context = &w;
    c.on_progress = on_progress;
    c.progress_ms = 10;
    c.epochs = 0;
    c.seconds = 0.2;
    assert_int_equal(hw_train(&o, &c, NULL, NULL), HW_OK);
    assert_true(w.progress >= 3);
}

static void policy_of_the_user(void *context, const hw_policy_input *in, hw_setting *s)
{
    _Atomic unsigned *calls = context;
    (*calls)++;
    s->momentum = in->shape ? 0.25 : 0.1;
    s->rate = 0.5;
}

static void settings_are_recorded(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_config c = config(HW_ASYNC, 2);
    hw_engine *e;
    _Atomic unsigned calls = 0;
    size_t n;
    c.compensation.policy = HW_POLICY_USER;
    c.compensation.user = policy_of_the_user;
    c.compensation.context = &calls;
    c.compensation.window = 50;
    hw_result r;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    const hw_setting *s = hw_engine_settings(e, &n);
    assert_int_equal(n, 2); /* the start, and the first window's change */
    assert_near(s[0].momentum, 0.1, 0);
    assert_near(s[1].momentum, 0.25, 0);
    assert_true(s[1].update >= 50 && calls >= 2);
    assert_near(r.setting.momentum, 0.25, 0);
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(hw_run_json(e, "a \"run\"", &r, f), HW_OK);
    fclose(f);
    assert_text(text, "{\"name\":\"a \\\"run\\\"\"");
    assert_text(text, "\"policy\":\"user\"");
    assert_null(strchr(text, '\n'));
    free(text);
    hw_engine_free(e);
}

/* --- the step API --------------------------------------------------------------------------------------------------
 */

/* One step by every form of access; the optimum of each coordinate is its index. */
static hw_status sparse_step(void *self, hw_worker *w, const hw_batch *b)
{
    int form = *(int *)self;
    float x[8], g[8];
    uint32_t at[8];
    const hw_range ranges[] = {{(size_t)(b->step % 4) * 4, 3}, {20, 5}};
    double loss = 0;
    for (uint32_t i = 0; i < 8; i++) at[i] = (uint32_t)((b->step * 3 + i * 4) % 32);
    if (form == 0) {
        hw_read_at(w, at, 8, x);
    } else if (form == 1) {
        hw_read_ranges(w, ranges, 2, x);
        for (uint32_t i = 0; i < 8; i++) at[i] = (uint32_t)(i < 3 ? ranges[0].first + i : 20 + i - 3);
    } else {
        float all[32], dense[32];
        hw_read_into(w, all);
        for (int i = 0; i < 32; i++) {
            dense[i] = all[i] - (float)i;
            loss += (double)(dense[i] * dense[i]);
        }
        return hw_write_from(w, dense, loss);
    }
    for (int i = 0; i < 8; i++) {
        g[i] = x[i] - (float)at[i];
        loss += (double)(g[i] * g[i]);
        if (form == 3) g[i] *= -0.1f;
    }
    return form == 0 ? hw_write_at(w, at, 8, g, loss) : hw_write_ranges(w, ranges, 2, g, loss);
}

static hw_status raw_step(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self;
    double loss = 0;
    for (int pair = 0; pair < 2; pair++) { /* two updates a call */
        uint32_t at[1] = {(uint32_t)((b->step * 2 + (unsigned)pair) % 32)};
        float x;
        hw_read_at(w, at, 1, &x);
        x = -0.5f * (x - (float)at[0]);
        loss = (double)(x * x);
        hw_status status = hw_add_at(w, at, 1, &x, loss);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static void every_form_of_access(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++)
        for (int s = 0; s < 4; s++) {
            hw_objective o = hw_objective_defaults("sparse", 32);
            hw_config c = config(all_schedulers[s], their_workers[s]);
            float x[32] = {0};
            hw_result r;
            o.self = &form;
            o.step = form == 3 ? raw_step : sparse_step;
            c.batch = their_workers[s]; /* every thread of a group has a share */
            c.epochs = 0;
            c.updates = 4000;
            c.optimizer.schedule.base = 0.02;
            c.divergence = 0;                /* the loss of one coordinate says nothing about the next one's */
            c.optimizer.weight_decay = 1e-6; /* the pass that needs the values read */
            hw_status status = hw_train(&o, &c, x, &r);
            if (form == 3 && s >= 2) {
                assert_int_equal(status, HW_E_UNSUPPORTED);
                continue;
            }
            assert_int_equal(status, HW_OK);
            if (form == 3) assert_int_equal(r.updates, 8000); /* two pairs a ticket */
            /* A worker that loses its core lands a gradient of long ago: one step of 0.02 * 31, twice with the
             * momentum. */
            double tolerance = s == 1 || s == 3 ? form == 3 ? 16 : 1.5 : 0.05; /* raw: half of 31 */
            for (int i = 0; i < 32; i++)
                if (form != 1 || (i >= 20 && i < 25)) assert_near((double)x[i], i, tolerance);
        }
}

static double wrapped(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self;
    (void)b;
    double loss = 0;
    *(float *)scratch += 1;
    for (int i = 0; i < 5; i++) {
        g[i] = x[i] - 3;
        loss += 0.5 * (double)(g[i] * g[i]);
    }
    return loss;
}

static void the_one_callback_wrapper_and_rules(void **state)
{
    (void)state;
    for (int rule = HW_RULE_SGD; rule <= HW_RULE_ADAM; rule++)
        for (int write = 0; write < 5; write++) {
            hw_objective o = hw_objective_defaults("wrapped", 5);
            hw_config c = config(HW_ASYNC, 2);
            float x[5] = {0};
            o.loss_gradient = wrapped;
            o.scratch_bytes = 64;
            c.epochs = 0;
            c.updates = 3000;
            c.optimizer.rule = (hw_rule_kind)rule;
            c.optimizer.schedule.base = rule == HW_RULE_ADAGRAD ? 0.5 : 0.01;
            c.write = write < 4 ? (hw_write_mode)write : HW_WRITE_ADD;
            c.read = write < 4 ? HW_READ_ATOMIC : HW_READ_CONSISTENT;
            hw_result r;
            assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
            for (int i = 0; i < 5; i++) assert_near((double)x[i], 3, 0.3);
        }
}

static void user_delta(void *self, const float *w, float *const *state, const float *g, float *delta, size_t n,
                       const hw_rule_info *info)
{
    (void)self, (void)w;
    for (size_t i = 0; i < n; i++) {
        state[0][i] += 1;
        delta[i] = (float)-info->learning_rate * (g[i] > 0 ? 1.0f : g[i] < 0 ? -1.0f : 0.0f); /* signSGD */
    }
}

static void a_rule_of_the_users_own_and_private_velocity(void **state)
{
    (void)state;
    const hw_rule rule = {"signSGD", 1, user_delta, NULL};
    hw_objective o = hw_objective_defaults("wrapped", 5);
    hw_config c = config(HW_ASYNC, 3);
    float x[5] = {0};
    o.loss_gradient = wrapped;
    o.scratch_bytes = 64;
    c.epochs = 0;
    c.updates = 2000;
    c.optimizer.rule = HW_RULE_USER;
    c.optimizer.user_rule = &rule;
    c.optimizer.schedule.base = 0.005;
    assert_int_equal(hw_train(&o, &c, x, NULL), HW_OK);
    for (int i = 0; i < 5; i++) assert_near((double)x[i], 3, 0.3);
    c = config(HW_ASYNC, 3);
    c.epochs = 0;
    c.updates = 2000;
    c.optimizer.velocity = HW_VELOCITY_PRIVATE;
    c.compensation.policy = HW_POLICY_NONE;
    memset(x, 0, sizeof x);
    assert_int_equal(hw_train(&o, &c, x, NULL), HW_OK);
    for (int i = 0; i < 5; i++) assert_near((double)x[i], 3, 0.3);
}

/* --- the handle ----------------------------------------------------------------------------------------------------
 */

static void a_run_can_go_on(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_config c = config(HW_SEQUENTIAL, 1);
    hw_engine *e;
    hw_result r;
    float x[FEATURES + 1], once[FEATURES + 1] = {0}, v[FEATURES + 1];
    c.epochs = 2;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(r.updates, 120);
    }
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    assert_int_equal(hw_engine_get_velocity(e, v), HW_OK);
    hw_engine_free(e);
    c.epochs = 6;
    assert_int_equal(hw_train(&o, &c, once, NULL), HW_OK);
    assert_memory_equal(x, once, sizeof x); /* epochs, tickets and velocity went on where they were */
    c.optimizer.momentum = 0;
    assert_int_equal(hw_engine_create(&e, &o, &c, x, NULL), HW_OK);
    assert_int_equal(hw_engine_get_velocity(e, v), HW_E_STATE);
    assert_int_equal(hw_engine_get(e, v), HW_OK);
    assert_memory_equal(x, v, sizeof x);
    assert_true(hw_engine_bytes(e) > 0);
    hw_engine_free(e);
}

typedef struct own_thread {
    hw_engine *e;
    unsigned worker;
    hw_status status;
} own_thread;

static void *own_thread_main(void *context)
{
    own_thread *t = context;
    t->status = hw_engine_work(t->e, t->worker);
    return NULL;
}

static void the_callers_own_threads(void **state)
{
    (void)state;
    hw_objective o = objective();
    for (int s = 0; s < 4; s++) {
        hw_config c = config(all_schedulers[s], their_workers[s]);
        hw_engine *e;
        hw_result r;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        for (int run = 0; run < 3; run++) {
            pthread_t threads[4];
            own_thread t[4];
            for (unsigned i = 0; i < hw_engine_threads(e); i++) {
                t[i] = (own_thread){e, i, -1};
                assert_int_equal(pthread_create(&threads[i], NULL, own_thread_main, t + i), 0);
            }
            for (unsigned i = 0; i < hw_engine_threads(e); i++) pthread_join(threads[i], NULL);
            for (unsigned i = 0; i < hw_engine_threads(e); i++) assert_int_equal(t[i].status, HW_OK);
            hw_engine_result(e, &r);
            assert_int_equal(r.updates, 360);
        }
        assert_int_equal(hw_engine_work(e, 99), HW_E_ARGUMENT);
        hw_engine_free(e);
    }
}

static void the_callers_state_is_unchanged(void **state)
{
    (void)state;
    hw_objective o = objective();
    o.blas = 1;
    int threads = openblas_get_num_threads();
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    char *locale = strdup(setlocale(LC_ALL, NULL));
#if defined(__x86_64__)
    unsigned control = _mm_getcsr();
#endif
    for (int failing = 0; failing < 2; failing++)
        for (int s = 0; s < 4; s++) {
            hw_config c = config(all_schedulers[s], their_workers[s]);
            if (failing) c.optimizer.schedule.base = 1e5, c.compensation.policy = HW_POLICY_LOOK_AHEAD;
            assert_int_equal(hw_train(&o, &c, NULL, NULL), failing ? HW_E_DIVERGED : HW_OK);
            assert_int_equal(openblas_get_num_threads(), threads);
            pthread_sigmask(SIG_SETMASK, NULL, &after);
            for (int n = 1; n < 32; n++) assert_int_equal(sigismember(&before, n), sigismember(&after, n));
            assert_string_equal(setlocale(LC_ALL, NULL), locale);
#if defined(__x86_64__)
            assert_int_equal(_mm_getcsr() & ~0x3fu, control & ~0x3fu); /* sticky exception flags aside */
#endif
        }
    free(locale);
}

static void *run_engine(void *e)
{
    (void)hw_engine_run(e, NULL);
    return NULL;
}

static void fork_is_refused(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_config c = config(HW_ASYNC, 2);
    c.epochs = 0;
    c.seconds = 30;
    hw_engine *e;
    pthread_t t;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(pthread_create(&t, NULL, run_engine, e), 0);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            float x[FEATURES + 1];
            hw_progress p;
            bool good = hw_engine_progress(e, &p, NULL) == HW_E_FORK && hw_engine_run(e, NULL) == HW_E_FORK &&
                        hw_engine_get(e, x) == HW_E_FORK && hw_engine_work(e, 0) == HW_E_FORK;
            hw_engine_free(e); /* must not wait for threads that are not here */
            _exit(good ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    hw_stop(e);
    pthread_join(t, NULL);
    hw_engine_free(e);
}

/* An index that the objective does not have never reaches it. */
static void wrong_examples_are_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    float x[FEATURES + 1] = {0};
    double h;
    hw_objective o = objective();
    const uint32_t far[2] = {0, 1000000000};
    assert_int_equal(hw_check_gradient(&o, x, far, 2, 0, 1e-3, NULL, why), HW_E_ARGUMENT);
    assert_text(why, "hw_check_gradient: index[1] is 1000000000");
    assert_int_equal(hw_check_gradient(&o, x, NULL, 2, 0, 1e-3, NULL, why), HW_E_ARGUMENT);
    assert_text(why, "index is NULL");
    assert_int_equal(hw_curvature(&o, x, far, 2, 3, 1, &h, why), HW_E_ARGUMENT);
    assert_int_equal(hw_curvature(&o, x, far, 0, 3, 1, &h, why), HW_E_ARGUMENT);
}

static void curvature_and_gradient_checks(void **state)
{
    (void)state;
    float curvature[20], optimum[20], x[20], wrong[FEATURES + 1] = {0};
    double h;
    char why[HW_WHY];
    for (int i = 0; i < 20; i++) {
        curvature[i] = i == 7 ? 12.5f : 1 + 0.1f * (float)i;
        optimum[i] = (float)i;
        x[i] = 0.5f;
    }
    hw_quadratic q = {20, curvature, optimum, 0};
    hw_objective o;
    assert_int_equal(hw_quadratic_objective(&q, &o, why), HW_OK);
    assert_int_equal(hw_curvature(&o, x, NULL, 1, 30, 1, &h, why), HW_OK);
    assert_near(h, 12.5, 0.05);
    assert_int_equal(hw_check_gradient(&o, x, NULL, 1, 0, 1e-3, NULL, why), HW_OK);
    static census c;
    o = census_objective(&c);
    uint32_t index[4] = {0, 1, 2, 3};
    wrong[2] = 1;
    hw_gradient_report r;
    assert_int_equal(hw_check_gradient(&o, wrong, index, 4, 0, 1e-3, &r, why), HW_E_GRADIENT);
    assert_int_equal(r.worst, 2);
    assert_text(why, "parameter 2");
}

/* auto on a quadratic whose learning rate is stable for one worker only. */
static void auto_trains_where_none_diverges(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_config c = config(HW_ASYNC, 8);
    hw_result r;
    c.optimizer.momentum = 0.9;
    c.optimizer.schedule.base = 0.05;
    c.curvature = 0;
    c.epochs = 60;
    c.evaluate_epochs = 0;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_true(r.curvature > 0.3);
    assert_true(r.last.metric[0] < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheduler_learns_in_every_mode),
        cmocka_unit_test(sequential_and_sync_are_deterministic),
        cmocka_unit_test(every_example_once_an_epoch),
        cmocka_unit_test(stops),
        cmocka_unit_test(stop_from_a_signal_handler),
        cmocka_unit_test(the_first_error_stops_all),
        cmocka_unit_test(odd_objectives),
        cmocka_unit_test(a_sampled_clock_counts_all),
        cmocka_unit_test(skipped_updates_are_counted),
        cmocka_unit_test(divergence_keeps_good_parameters),
        cmocka_unit_test(refusals),
        cmocka_unit_test(callbacks),
        cmocka_unit_test(settings_are_recorded),
        cmocka_unit_test(every_form_of_access),
        cmocka_unit_test(the_one_callback_wrapper_and_rules),
        cmocka_unit_test(a_rule_of_the_users_own_and_private_velocity),
        cmocka_unit_test(a_run_can_go_on),
        cmocka_unit_test(the_callers_own_threads),
        cmocka_unit_test(the_callers_state_is_unchanged),
        cmocka_unit_test(fork_is_refused),
        cmocka_unit_test(wrong_examples_are_refused),
        cmocka_unit_test(curvature_and_gradient_checks),
        cmocka_unit_test(auto_trains_where_none_diverges),
    };
    return cmocka_run_group_tests_name("engine", tests, make_data, NULL);
}
