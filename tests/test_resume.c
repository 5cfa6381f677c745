/* test_resume.c - capture and restore: a run that was captured somewhere and goes on in a new engine gives the bits of
 * the unbroken one, and taking captures changes none; damaged and foreign states are refused and change nothing. */
#include "random_run.h"

enum { KEPT = 4, PARTS = 10 };

/* --- objectives ----------------------------------------------------------------------------------------------------
 */

static hw_status noisy(hw_worker *w, const job *j, const hw_batch *b, const float *x, float *g, int n)
{
    (void)j;
    float noise[4];
    for (int i = 0; i < 4; i++) noise[i] = (float)hw_rng_normal(hw_random(w));
    for (int i = 0; i < n; i++) {
        float data = b->index ? (float)(b->index[(unsigned)i % b->count] % 7) * 0.1f : 0.3f;
        g[i] = 0.1f * (x[i] - data) + 0.05f * noise[i % 4] * (float)b->count;
    }
    job_linger(b, 1000);
    return HW_OK;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    const job *j = self;
    if (j->fails_at && b->step == j->fails_at) {
        (void)hw_read(w);
        return 1001;
    }
    return job_step(w, j, b, noisy);
}

static const hw_tensor tensors[] = {{"conv.weight", 2, {4, 5, 0, 0}, 10}, {"conv.bias", 1, {3, 0, 0, 0}, 33}};

static hw_objective objective_of(job *j, uint32_t examples)
{
    hw_objective o = hw_objective_defaults("resumed", N);
    o.self = j;
    o.step = step;
    o.examples = examples;
    o.evaluate = job_evaluate;
    o.evaluation_examples = 700;
    o.metrics = 2;
    o.tensors = tensors;
    o.tensor_count = 2;
    return o;
}

/* --- what a run says, folded ----------------------------------------------------------------------------------------
 */

typedef struct outcome {
    uint64_t part[PARTS];
    uint64_t updates, skipped;
    hw_status status;
} outcome;
static const char *const parts[PARTS] = {"result",    "parameters", "velocity", "evaluations", "settings",
                                         "staleness", "spread",     "overlap",  "average",     "epochs"};

#define FOLD(hash, x) fold(hash, &(x), sizeof(x))

typedef struct watch {
    hw_engine *engine;
    hw_state *kept[KEPT];
    uint64_t seen, take, stop_at, epochs; /* captures; every take-th is kept */
    volatile sig_atomic_t flag;
    unsigned n;
    bool quit; /* hw_stop with the first capture */
    const float *start;
} watch;

static void copy_but(hw_state *to, const hw_state *from, size_t but)
{
    for (size_t i = 0; i < hw_state_count(from); i++) {
        const hw_entry *x = hw_state_entry(from, i);
        hw_status status = HW_OK;
        if (i == but) continue;
        if (x->kind == HW_ENTRY_ARRAY) status = hw_state_put(to, x->name, x->dtype, x->dims, x->shape, x->data);
        if (x->kind == HW_ENTRY_COUNT) status = hw_state_put_number(to, x->name, x->number);
        if (x->kind == HW_ENTRY_REAL) status = hw_state_put_real(to, x->name, x->real);
        if (x->kind == HW_ENTRY_TEXT) status = hw_state_put_text(to, x->name, x->text);
        if (status != HW_OK) abort();
    }
}

static hw_state *copy_of(const hw_state *from)
{
    hw_state *to = hw_state_create();
    if (!to || hw_state_copy(to, from) != HW_OK) abort();
    return to;
}

static hw_status on_checkpoint(void *context, const hw_state *state)
{
    watch *w = context;
    if (w->quit) hw_stop(w->engine);
    if (++w->seen % w->take) return HW_OK;
    hw_state **slot = &w->kept[w->n < KEPT ? w->n++ : KEPT - 1]; /* the last one always */
    hw_state_free(*slot);
    *slot = copy_of(state);
    return HW_OK;
}

static hw_status on_epoch(void *context, uint64_t epoch)
{
    ((watch *)context)->epochs += epoch * epoch;
    return HW_OK;
}

static void on_update(void *context, const hw_update_event *event)
{
    watch *w = context;
    if (!w->stop_at || event->update != w->stop_at) return;
    if (hw_engine_threads(w->engine) == 1)
        w->flag = 1; /* as a signal handler does */
    else
        hw_stop(w->engine);
}

static void drop(watch *w)
{
    for (unsigned i = 0; i < w->n; i++) hw_state_free(w->kept[i]);
    memset(w, 0, sizeof *w);
}

/* false: the configuration is refused. */
static bool run(const hw_objective *o, hw_config c, const hw_state *from, watch *w, outcome *out)
{
    hw_engine *e;
    hw_result r;
    char why[HW_WHY] = "";
    size_t n, bytes = o->parameters * sizeof(float);
    c.context = w;
    c.on_epoch = on_epoch;
    c.on_update = on_update;
    if (w->take) c.on_checkpoint = on_checkpoint;
    if (w->stop_at) c.stop_flag = &w->flag;
    memset(out, 0, sizeof *out);
    hw_status status = hw_engine_create(&e, o, &c, w->start, why);
    if (status != HW_OK) return false;
    float *params = check_floats(o->parameters);
    w->engine = e;
    if (from && hw_engine_restore(e, from, why) != HW_OK) fail_msg("%s", why);
    out->status = hw_engine_run(e, &r);
    out->updates = r.updates;
    out->skipped = r.skipped;
    for (int i = 0; i < PARTS; i++) out->part[i] = FOLD_START;
    const uint64_t all[] = {(uint64_t)r.status, r.reason,  r.updates, r.examples, r.tickets,
                            r.good_update,      r.clipped, r.skipped, r.fused,    r.updates_to_target};
    fold(out->part, all, sizeof all);
    FOLD(out->part, r.train_loss);
    FOLD(out->part, r.virtual_time);
    FOLD(out->part, r.curvature);
    assert_int_equal(hw_engine_get(e, params), HW_OK);
    fold(out->part + 1, params, bytes);
    if (hw_engine_get_velocity(e, params) == HW_OK) fold(out->part + 2, params, bytes);
    const hw_evaluation *ev = hw_engine_evaluations(e, &n);
    for (size_t i = 0; i < n; i++) {
        const double real[] = {ev[i].epoch,    ev[i].train_loss,    ev[i].virtual_time, ev[i].staleness,
                               ev[i].momentum, ev[i].learning_rate, ev[i].ahead};
        FOLD(out->part + 3, ev[i].update);
        FOLD(out->part + 3, real);
        FOLD(out->part + 3, ev[i].metric);
    }
    const hw_setting *s = hw_engine_settings(e, &n);
    for (size_t i = 0; i < n; i++) {
        const double real[] = {s[i].rate, s[i].momentum, s[i].delay, s[i].ahead, s[i].exact, s[i].implicit};
        FOLD(out->part + 4, s[i].update);
        FOLD(out->part + 4, real);
        FOLD(out->part + 4, s[i].policy);
        fold(out->part + 4, s[i].reason, strlen(s[i].reason));
    }
    for (int which = HW_HISTOGRAM_STALENESS; which <= HW_HISTOGRAM_OVERLAP; which++) {
        hw_histogram h;
        assert_int_equal(hw_histogram_init(&h, c.exact), HW_OK);
        hw_staleness_merge(hw_engine_staleness(e), which, &h);
        fold(out->part + 5 + which, h.counts, h.bins * sizeof *h.counts);
        FOLD(out->part + 5 + which, h.sum);
        hw_histogram_free(&h);
    }
    if (hw_engine_average(e, params) == HW_OK) fold(out->part + 8, params, bytes);
    free(params);
    if (!from) FOLD(out->part + 9, w->epochs); /* a resumed run calls for its own epochs only */
    hw_engine_free(e);
    return true;
}

static bool same(const outcome *a, const outcome *b, const char *what)
{
    bool good = true;
    for (int i = 0; i < PARTS; i++)
        if (a->part[i] != b->part[i] && i != 9) {
            print_error("%s: the %s differ\n", what, parts[i]);
            good = false;
        }
    return good;
}

static unsigned resumed; /* runs that went on and were compared */

/* Unbroken; with captures; and from each capture that was kept. Returns whether the configuration is possible. */
static bool compare_from(const hw_objective *o, hw_config c, const float *start, uint64_t every, uint64_t stop_at,
                         hw_rng *rng, const char *what)
{
    watch plain = {.start = start}, taken = {.take = 1 + hw_rng_below(rng, 3), .start = start};
    bool alone = c.exchange_interval == 1; /* with replicas a capture is an exchange: bits are those of a run with it */
    outcome whole, broken, again;
    char name[160];
    if (!alone) plain.take = UINT64_MAX, c.checkpoint_every = every;
    if (!run(o, c, NULL, &plain, &whole)) return false;
    c.checkpoint_every = every;
    taken.stop_at = stop_at;
    assert_true(run(o, c, NULL, &taken, &broken));
    if (!stop_at && !same(&whole, &broken, "captures change a run")) fail_msg("%s", what);
    for (unsigned i = 0; i < taken.n; i++) {
        watch second = {.take = 2};
        uint64_t at = hw_state_number(taken.kept[i], "run.landed", 0);
        (void)snprintf(name, sizeof name, "%s, resumed at update %llu", what, (unsigned long long)at);
        if (alone) c.checkpoint_every = hw_rng_below(rng, 2) ? every + 3 : 0;
        if (c.scheduler == HW_SIMULATED) c.simulation.threads = 1 + (unsigned)hw_rng_below(rng, 2);
        assert_true(run(o, c, taken.kept[i], &second, &again));
        if (!same(&whole, &again, name)) fail_msg("%s", name);
        resumed++;
        if (second.n && hw_rng_below(rng, 2)) { /* and from there once more */
            watch none = {.take = alone ? 0 : UINT64_MAX};
            if (alone) c.checkpoint_every = 0;
            assert_true(run(o, c, second.kept[0], &none, &again));
            if (!same(&whole, &again, name)) fail_msg("%s: the second time", name);
            resumed++;
        }
        drop(&second);
    }
    drop(&taken);
    return true;
}

static bool compare(const hw_objective *o, hw_config c, uint64_t every, uint64_t stop_at, hw_rng *rng, const char *what)
{
    return compare_from(o, c, NULL, every, stop_at, rng, what);
}

/* --- configurations -------------------------------------------------------------------------------------------------
 */

static const hw_section sections[] = {{5, 20, 2.0f, 0.5f}, {40, 10, 0.5f, 1.0f}};

static hw_config some_config(hw_rng *rng, hw_scheduler scheduler, const hw_histogram *delays, bool examples)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = scheduler == HW_SEQUENTIAL ? 1
                : scheduler == HW_SYNC     ? 1 + (unsigned)PICK(3)
                                           : 2 * (1 + (unsigned)PICK(9));
    if (scheduler == HW_SIMULATED) {
        c.simulation.threads = 1 + (unsigned)PICK(2);
        some_clock(rng, &c.simulation, delays);
    }
    c.batch = 1 + (uint32_t)PICK(examples ? 8 : 4);
    c.epochs = 0;
    c.updates = 150 + (uint64_t)PICK(150);
    c.seed = (uint64_t)PICK(1000);
    some_memory(rng, &c);
    c.optimizer.rule = PICK(2) ? HW_RULE_SGD : (hw_rule_kind)PICK(4);
    c.optimizer.velocity = PICK(5) ? HW_VELOCITY_SHARED : HW_VELOCITY_PRIVATE;
    c.optimizer.momentum = PICK(5) ? 0.5 : 0;
    c.optimizer.weight_decay = PICK(2) ? 0 : 0.01;
    c.optimizer.clip_norm = PICK(3) ? 0 : 0.5;
    c.optimizer.sections = sections;
    c.optimizer.n_sections = PICK(3) == 0 ? 2 : 0;
    c.optimizer.schedule.kind = (hw_schedule_kind)PICK(6);
    c.optimizer.schedule.interval = 120;
    c.optimizer.schedule.gamma = 0.01;
    c.compensation.policy = c.optimizer.velocity ? HW_POLICY_NONE : (hw_policy)PICK(8);
    some_windows(rng, &c);
    c.evaluate_every = PICK(2) ? 15 + (uint64_t)PICK(60) : 0;
    c.with_replacement = PICK(2);
    c.shuffle_block = PICK(3) ? 1 : 5;
    c.keep_every = 40;
    c.average_every = PICK(3) == 0 ? 7 : 0;
    c.average_from = PICK(2) ? 0.3 : 0;
    if (scheduler == HW_SEQUENTIAL && PICK(3) == 0) {
        c.clock_interval = 1 + (unsigned)PICK(9);
        c.exchange_interval = 1;
    }
    return c;
}

static void random_runs(hw_scheduler scheduler, unsigned tries)
{
    hw_histogram delays;
    hw_rng stream, *rng = &stream;
    unsigned possible = 0, before = resumed;
    some_delays(&delays);
    hw_rng_seed(rng, 11, (uint64_t)scheduler);
    for (unsigned i = 0; i < tries; i++) {
        job j = {PICK(scheduler == HW_SEQUENTIAL ? 4 : 3), PICK(5) == 0, PICK(8) ? 0 : 60 + (uint64_t)PICK(100)};
        hw_objective o = objective_of(&j, PICK(3) ? 120 : 0);
        if (PICK(4) == 0) o.evaluate = NULL;
        if (PICK(3) == 0) o.tensor_count = 0;
        if (j.kind % 3 && PICK(2)) o.touched = 16 + 16 * (size_t)PICK(2);
        hw_config c = some_config(rng, scheduler, &delays, o.examples != 0);
        char what[128];
        (void)snprintf(what, sizeof what, "%d: configuration %u, kind %d, clock %d, policy %d, rule %d", (int)scheduler,
                       i, j.kind, (int)c.simulation.clock, (int)c.compensation.policy, (int)c.optimizer.rule);
        possible += compare(&o, c, 1 + (uint64_t)PICK(60), PICK(4) ? 0 : 20 + (uint64_t)PICK(100), rng, what);
    }
    hw_histogram_free(&delays);
    print_message("%u configurations, %u resumed runs of the same bits\n", possible, resumed - before);
    assert_true(possible > tries / 4 && resumed - before > possible);
}

static void sequential_runs_go_on_bit_for_bit(void **state)
{
    (void)state;
    random_runs(HW_SEQUENTIAL, check_full() ? 4000 : CHECK_SLOW ? 40 : 150);
}

static void synchronous_runs_go_on_bit_for_bit(void **state)
{
    (void)state;
    random_runs(HW_SYNC, check_full() ? 2000 : CHECK_SLOW ? 25 : 60);
}

static void simulated_runs_go_on_bit_for_bit(void **state)
{
    (void)state;
    random_runs(HW_SIMULATED, check_full() ? 8000 : CHECK_SLOW ? 80 : 350);
}

/* --- sweeps, blocks, exchanges, replays -----------------------------------------------------------------------------
 */

static void sweeps_and_blocks_go_on_bit_for_bit(void **state)
{
    (void)state;
    hw_ratings r;
    hw_rng rng;
    unsigned before = resumed;
    hw_ratings_plan plan = hw_ratings_plan_defaults(600, 40, 30);
    plan.rank = 4;
    assert_int_equal(hw_ratings_generate(&plan, &r, NULL), HW_OK);
    hw_rng_seed(&rng, 5, 5);
    for (int k = 0; k < 24; k++) {
        hw_factorize m = hw_factorize_defaults(&r, 6);
        hw_objective o;
        m.grid = k % 2 ? 4 : 0;
        m.adagrad = k % 4 > 1;
        assert_int_equal(hw_factorize_objective(&m, &o, NULL), HW_OK);
        float *start = check_floats(o.parameters);
        hw_factorize_start(&m, 0, 3, start);
        hw_config c = hw_config_defaults();
        c.scheduler = HW_SEQUENTIAL;
        c.workers = c.batch = 1;
        c.write = k % 3 ? HW_WRITE_RACY : HW_WRITE_ADD;
        c.clock_interval = k % 3 == 2 ? 1 : 16;
        c.exchange_interval = k >= 16 ? 40 : 1;
        c.fused = k < 8 || k >= 16;
        c.optimizer.momentum = 0;
        c.optimizer.schedule.base = 0.02;
        c.compensation.policy = HW_POLICY_NONE;
        c.epochs = 2.7;
        c.evaluate_epochs = 0.4;
        c.divergence = 0;
        c.average_every = k % 5 == 0 ? 50 : 0;
        char what[64];
        (void)snprintf(what, sizeof what, "factors %d", k);
        /* A stop adds an exchange that the whole run does not have. */
        assert_true(compare_from(&o, c, start, 130 + 17 * (uint64_t)k, k % 3 == 1 && k < 16 ? 700 : 0, &rng, what));
        hw_factorize_free(&m);
        free(start);
    }
    hw_ratings_free(&r);
    print_message("%u resumed runs of the same bits\n", resumed - before);
}

static void replays_go_on_bit_for_bit(void **state)
{
    (void)state;
    job j = {0, false, 0};
    hw_objective o = objective_of(&j, 120);
    hw_rng rng;
    unsigned before = resumed;
    hw_rng_seed(&rng, 6, 5);
    for (int k = 0; k < 12; k++) {
        hw_config c = hw_config_defaults();
        hw_engine *e;
        hw_trace *t;
        hw_trace_info info;
        c.workers = 3;
        c.epochs = 0;
        c.updates = 300;
        c.batch = 4;
        c.trace = 1;
        c.read = HW_READ_CONSISTENT;
        c.write = HW_WRITE_ADD;
        c.curvature = -1;
        c.optimizer.momentum = 0.5;
        c.compensation.window = 40;
        c.compensation.policy = k % 2 ? HW_POLICY_MEASURED : HW_POLICY_AUTO;
        if (k % 3 == 0) c.scheduler = HW_SIMULATED, c.simulation.clock = HW_CLOCK_EXPONENTIAL, c.workers = 12;
        if (k % 3 == 1) c.optimizer.velocity = HW_VELOCITY_PRIVATE, c.compensation.policy = HW_POLICY_NONE;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, NULL), HW_OK);
        assert_int_equal(hw_engine_trace(e, &t, NULL), HW_OK);
        hw_engine_free(e);
        hw_trace_describe(t, &info);
        c.trace = 0;
        c.scheduler = HW_SIMULATED;
        c.workers = info.workers;
        c.simulation.clock = HW_CLOCK_REPLAY;
        c.simulation.trace = t;
        c.simulation.threads = 1 + (unsigned)k % 2;
        c.evaluate_every = 45;
        if (k > 6) c.updates = 250;
        assert_true(compare(&o, c, 20 + 9 * (uint64_t)k, k % 4 == 3 ? 111 : 0, &rng, "replay"));
        hw_trace_free(t);
    }
    print_message("%u resumed runs of the same bits\n", resumed - before);
}

/* --- runs that go on farther, and runs on threads --------------------------------------------------------------------
 */

static void a_finished_run_goes_on_farther(void **state)
{
    (void)state;
    hw_histogram delays;
    hw_rng stream, *rng = &stream;
    unsigned done = 0;
    some_delays(&delays);
    hw_rng_seed(rng, 12, 1);
    for (unsigned i = 0; i < (CHECK_SLOW ? 40 : 150); i++) {
        job j = {PICK(3), false, 0};
        hw_objective o = objective_of(&j, 120);
        hw_config c = some_config(rng, i % 4 ? HW_SIMULATED : i % 8 ? HW_SYNC : HW_SEQUENTIAL, &delays, true);
        watch w = {.take = 1}, none = {.take = 0};
        outcome out;
        c.checkpoint_every = (uint64_t)PICK(2);
        if (!run(&o, c, NULL, &w, &out)) continue;
        uint64_t ended = out.updates;
        c.checkpoint_every = 0;
        c.updates *= 2;
        for (unsigned k = 0; k < w.n && out.status == HW_OK; k++) {
            assert_true(run(&o, c, w.kept[k], &none, &out));
            assert_int_equal(out.status, HW_OK);
            /* Of a run that went back to earlier parameters some have not landed. */
            if (c.simulation.gather == 1) assert_int_equal(out.updates + out.skipped, c.updates);
            assert_true(out.updates > ended);
            done++;
        }
        drop(&w);
    }
    hw_histogram_free(&delays);
    assert_true(done > 20);
}

static void runs_on_threads_go_on(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        job j = {k % 3, false, 0};
        hw_objective o = objective_of(&j, 120);
        hw_config c = hw_config_defaults();
        hw_engine *e, *next;
        hw_result r;
        hw_histogram h;
        char why[HW_WHY] = "";
        watch w = {.take = 1, .quit = k % 2 == 0};
        c.scheduler = k < 4 ? HW_ASYNC : HW_GROUPS;
        c.workers = 4;
        c.groups = 2;
        c.batch = 8;
        c.epochs = 0;
        c.updates = 900;
        c.evaluate_every = 100;
        c.clock_interval = k == 3 ? 8 : 1;
        c.compensation.window = 40;
        c.context = &w;
        c.on_checkpoint = on_checkpoint;
        c.checkpoint_every = 200;
        c.divergence = 0;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
        w.engine = e;
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%s", r.message);
        if (!w.quit) assert_int_equal(r.updates, 900);
        /* A worker that loses its core in the housekeeping lets the others run on: how many come is not fixed. */
        assert_true(w.seen >= 1);
        const hw_state *s = w.kept[0];
        uint64_t at = hw_state_number(s, "run.landed", 0);
        assert_true(at >= 200 && at <= 900);
        w.quit = false;
        assert_int_equal(hw_engine_create(&next, &o, &c, NULL, why), HW_OK);
        if (hw_engine_restore(next, s, why) != HW_OK) fail_msg("%s", why);
        float x[N], y[N], *bias = hw_state_array(s, "conv.bias", HW_F32, 3);
        assert_int_equal(hw_engine_get(next, x), HW_OK);
        assert_memory_equal(bias, x + 33, 3 * sizeof *x);
        assert_int_equal(hw_engine_get(e, y), HW_OK);
        hw_state *again = hw_state_create(); /* what was restored is captured as it was */
        assert_int_equal(hw_engine_capture(next, again), HW_OK);
        assert_int_equal(hw_state_count(again), hw_state_count(s));
        for (size_t i = 0; i < hw_state_count(s); i++) {
            const hw_entry *a = hw_state_entry(s, i), *b = hw_state_find(again, a->name);
            assert_non_null(b);
            assert_int_equal(a->number, b->number);
            if (a->count) assert_memory_equal(a->data, b->data, a->count * hw_dtype_size(a->dtype));
        }
        hw_state_free(again);
        if (hw_engine_run(next, &r) != HW_OK) fail_msg("%s", r.message);
        assert_int_equal(r.updates, 900);
        assert_int_equal(r.examples, 900 * 8);
        assert_int_equal(hw_histogram_init(&h, c.exact), HW_OK);
        hw_staleness_merge(hw_engine_staleness(next), HW_HISTOGRAM_STALENESS, &h);
        assert_int_equal(h.total, 900);
        hw_histogram_free(&h);
        size_t n;
        const hw_evaluation *ev = hw_engine_evaluations(next, &n);
        assert_true(n >= 1 && ev[n - 1].update == 900);
        assert_true(ev[n - 1].metric[0] < 2 && ev[n - 1].seconds >= ev[0].seconds);
        hw_engine_free(e);
        hw_engine_free(next);
        drop(&w);
    }
}

/* Whatever is configured: what was captured among running threads is whole, and goes on to the end. */
static void any_run_on_threads_goes_on(void **state)
{
    (void)state;
    hw_rng stream, *rng = &stream;
    hw_ratings r;
    hw_ratings_plan plan = hw_ratings_plan_defaults(600, 40, 30);
    unsigned done = 0, tries = check_full() ? 2000 : CHECK_SLOW ? 40 : 120;
    assert_int_equal(hw_ratings_generate(&plan, &r, NULL), HW_OK);
    hw_rng_seed(rng, 13, 1);
    for (unsigned i = 0; i < tries; i++) {
        job j = {PICK(4), false, 0};
        hw_objective o = objective_of(&j, 120);
        hw_config c = some_config(rng, i % 3 ? HW_ASYNC : HW_GROUPS, NULL, true);
        hw_factorize m = hw_factorize_defaults(&r, 6);
        watch w = {.take = 1 + (uint64_t)PICK(2), .quit = PICK(4) == 0}, none = {.take = 0};
        outcome out;
        c.workers = 4;
        c.groups = 2;
        c.divergence = 0;
        c.on_nan = HW_NAN_STOP;
        c.clock_interval = PICK(2) ? 1 : 4;
        c.checkpoint_every = 10 + (uint64_t)PICK(60);
        c.optimizer.schedule.kind = HW_SCHEDULE_CONSTANT;
        float *start = NULL;
        if (i % 6 == 1) { /* sweeps on blocks, on replicas or not */
            m.grid = PICK(3) ? 5 : 0;
            assert_int_equal(hw_factorize_objective(&m, &o, NULL), HW_OK);
            w.start = start = check_floats(o.parameters);
            hw_factorize_start(&m, 0, 3, start);
            c.batch = 1;
            c.write = HW_WRITE_RACY;
            c.read = HW_READ_ATOMIC;
            c.optimizer = hw_config_defaults().optimizer;
            c.optimizer.momentum = 0;
            c.compensation = hw_config_defaults().compensation;
            c.compensation.policy = HW_POLICY_NONE;
            c.exchange_interval = PICK(2) ? 1 : 30;
            c.clock_interval = 16;
            c.with_replacement = 0;
            c.updates = 2000;
            c.checkpoint_every = 150;
        }
        if (run(&o, c, NULL, &w, &out) && out.status == HW_OK) {
            for (unsigned k = 0; k < w.n; k++) {
                c.checkpoint_every = 0;
                assert_true(run(&o, c, w.kept[k], &none, &out));
                assert_int_equal(out.status, HW_OK);
                assert_true(out.updates >= c.updates);
                done++;
            }
        }
        drop(&w);
        free(start);
        hw_factorize_free(&m);
    }
    hw_ratings_free(&r);
    print_message("%u runs went on\n", done);
    assert_true(done > tries / 3);
}

/* --- when -----------------------------------------------------------------------------------------------------------
 */

typedef struct calls {
    uint64_t n, at[64], evaluated[64];
    hw_status answer;
} calls;

static hw_status note(void *context, const hw_state *state)
{
    calls *c = context;
    if (c->n < 64) {
        c->at[c->n] = hw_state_number(state, "run.landed", 0);
        c->evaluated[c->n] = hw_state_number(state, "run.last.update", 0);
    }
    return ++c->n == 3 ? c->answer : HW_OK;
}

static void captures_come_when_they_are_due(void **state)
{
    (void)state;
    job j = {0, false, 0};
    hw_objective o = objective_of(&j, 120);
    for (int k = 0; k < 3; k++) {
        calls at = {.answer = HW_OK};
        hw_config c = hw_config_defaults();
        hw_result r;
        c.compensation.policy = HW_POLICY_LOOK_AHEAD; /* every ticket lands */
        c.scheduler = (hw_scheduler[]){HW_SEQUENTIAL, HW_SYNC, HW_SIMULATED}[k];
        c.workers = k ? 3 : 1;
        c.batch = 12; /* ten updates an epoch */
        c.epochs = 4.5;
        c.evaluate_every = 14;
        c.context = &at;
        c.on_checkpoint = note;
        c.checkpoint_every = 14;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(at.n, 4); /* 14, 28, 42 with their evaluations, and the end's */
        for (uint64_t i = 0; i < 3; i++) assert_true(at.at[i] == 14 * (i + 1) && at.evaluated[i] == at.at[i]);
        assert_true(at.at[3] == 45 && at.evaluated[3] == 45);
        at = (calls){.answer = HW_OK};
        c.checkpoint_every = 0;
        c.checkpoint_epochs = 1.5;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(at.n, 3); /* 15, 30, and 45, which is the end as well */
        assert_true(at.at[0] == 15 && at.at[1] == 30 && at.at[2] == 45);
        at = (calls){.answer = 1234};
        c.checkpoint_epochs = 0;
        c.checkpoint_seconds = 1e-9; /* after every landing */
        assert_int_equal(hw_train(&o, &c, NULL, &r), 1234);
        assert_text(r.message, "the checkpoint callback returned 1234");
        assert_int_equal(r.updates, 3);
    }
}

static void configurations_are_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    job j = {0, false, 0};
    hw_objective o = objective_of(&j, 120);
    hw_config c = hw_config_defaults();
    const char *const names[] = {"checkpoint_every", "checkpoint_epochs", "checkpoint_seconds"};
    for (int k = 0; k < 3; k++) {
        hw_config bad = c;
        assert_int_equal(hw_config_set(&bad, names[k], "2", why), HW_OK);
        assert_int_equal(hw_config_check(&bad, &o, why), HW_E_ARGUMENT);
        assert_text(why, names[k]);
        assert_text(why, "on_checkpoint is NULL");
        bad.on_checkpoint = on_checkpoint;
        assert_int_equal(hw_config_check(&bad, &o, why), HW_OK);
        bad.trace = 1;
        assert_int_equal(hw_config_check(&bad, &o, why), HW_E_UNSUPPORTED);
        assert_text(why, "a recorded schedule");
    }
    static const struct {
        hw_tensor t;
        const char *says;
    } bad[] = {{{"", 1, {2}, 0}, "printable"},
               {{"a\"b", 1, {2}, 0}, "printable"},
               {{"run.x", 1, {2}, 0}, "no name that a state uses"},
               {{"weights", 1, {2}, 0}, "no name that a state uses"},
               {{"velocity.x", 1, {2}, 0}, "no name that a state uses"},
               {{"a", 0, {2}, 0}, "1 to 4 dimensions"},
               {{"a", 5, {1, 1, 1, 1}, 0}, "1 to 4 dimensions"},
               {{"a", 1, {0}, 0}, "at least 1"},
               {{"a", 1, {2}, N - 1}, "within the 70 parameters"},
               {{"a", 2, {1ull << 40, 1ull << 40}, 0}, "within the 70 parameters"},
               {{"a", 1, {12}, 0}, "has parameters of"},
               {{"conv.bias", 1, {2}, 0}, "has the name of"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hw_tensor all[3] = {tensors[0], tensors[1], bad[i].t};
        o.tensors = all;
        o.tensor_count = 3;
        assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
        assert_text(why, bad[i].says);
    }
    o.tensors = NULL;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
}

/* --- states that are not this engine's, and damaged ones
 * -------------------------------------------------------------- */

/* A run of each kind of memory: kept parameters, private velocities, lanes dense and sparse, timelines, gatherings. */
typedef struct plan {
    hw_config config;
    hw_objective objective;
    job job;
    watch watch;
} plan;
enum { PLANS = 8 };

static void plan_open(plan *p, int k, const hw_histogram *delays)
{
    memset(p, 0, sizeof *p);
    p->job.kind = k == 3 ? 1 : k == 4 ? 2 : 0;
    p->objective = objective_of(&p->job, 120);
    if (k == 3 || k == 4) p->objective.touched = 16;
    hw_config *c = &p->config;
    *c = hw_config_defaults();
    c->scheduler = k == 0 ? HW_SEQUENTIAL : k == 1 ? HW_ASYNC : HW_SIMULATED;
    c->workers = k == 0 ? 1 : 6;
    c->simulation.threads = 1;
    if (k > 1)
        c->simulation.clock = (hw_clock_kind[]){
            HW_CLOCK_EXPONENTIAL, HW_CLOCK_ROUND_ROBIN, HW_CLOCK_GAMMA,
            HW_CLOCK_HISTOGRAM,   HW_CLOCK_ADVERSARY,   delays ? HW_CLOCK_RECORDED : HW_CLOCK_CONSTANT}[k - 2];
    c->simulation.delays = delays;
    c->simulation.delay = k == 6 ? 4 : 0;
    c->simulation.gather = k == 2 ? 3 : 1;
    c->simulation.per_group = k == 2 || k == 6 ? 2 : 1;
    if (k == 2) c->simulation.gather = 2;
    c->clock_interval = k == 1 ? 5 : 1;
    c->batch = 8;
    c->epochs = 0;
    c->updates = 160;
    c->keep_every = 20;
    c->exact = 16;
    c->compensation.policy = k < 2 ? HW_POLICY_NONE : HW_POLICY_MEASURED;
    c->compensation.window = 30;
    c->average_every = k == 0 || k == 5 ? 10 : 0;
    if (k == 0 || k == 3) c->optimizer.velocity = HW_VELOCITY_PRIVATE, c->compensation.policy = HW_POLICY_NONE;
    p->watch.take = 1;
    outcome out;
    c->checkpoint_every = 70;
    if (!run(&p->objective, *c, NULL, &p->watch, &out)) fail_msg("plan %d is refused", k);
    assert_int_equal(out.status, HW_OK);
    c->checkpoint_every = 0;
}

static hw_engine *engine_of(const plan *p)
{
    hw_engine *e;
    char why[HW_WHY] = "";
    if (hw_engine_create(&e, &p->objective, &p->config, NULL, why) != HW_OK) fail_msg("%s", why);
    return e;
}

/* The engine is as it was: it runs, and gives what a new one gives. */
static void assert_untouched(const plan *p, hw_engine *e)
{
    hw_engine *fresh = engine_of(p);
    hw_result a, b;
    float x[N], y[N];
    assert_int_equal(hw_engine_run(e, &a), HW_OK);
    assert_int_equal(hw_engine_run(fresh, &b), HW_OK);
    assert_int_equal(a.updates, b.updates);
    hw_engine_get(e, x);
    hw_engine_get(fresh, y);
    if (p->config.scheduler != HW_ASYNC) assert_memory_equal(x, y, sizeof x);
    hw_engine_free(fresh);
}

static void states_with_missing_or_misshapen_entries_are_refused(void **state)
{
    (void)state;
    hw_histogram delays;
    unsigned refused = 0;
    some_delays(&delays);
    for (int k = 0; k < PLANS; k++) {
        plan p;
        plan_open(&p, k, &delays);
        const hw_state *good = p.watch.kept[0];
        hw_engine *e = engine_of(&p);
        char why[HW_WHY];
        for (size_t i = 0; i < hw_state_count(good); i++) {
            const hw_entry *x = hw_state_entry(good, i);
            hw_state *bad = hw_state_create();
            copy_but(bad, good, i);
            why[0] = 0;
            /* States of 0.1 have none. */
            bool newer = strcmp(x->name, "config.layers") == 0 || strcmp(x->name, "run.by_layer") == 0 ||
                         strcmp(x->name, "run.further") == 0 || strcmp(x->name, "config.delay_correction") == 0 ||
                         strcmp(x->name, "config.work") == 0 || strncmp(x->name, "config.work.", 12) == 0 ||
                         strncmp(x->name, "config.cluster.", 15) == 0 || strcmp(x->name, "config.least_workers") == 0 ||
                         strcmp(x->name, "run.rest.at_work") == 0;
            if (newer)
                assert_int_equal(hw_engine_restore(e, bad, why), HW_OK);
            else if (hw_engine_restore(e, bad, why) != HW_E_FORMAT)
                fail_msg("%d: without %s: %s", k, x->name, why);
            if (!newer) assert_text(why, x->name);
            hw_state_free(bad);
            for (int way = 0; way < 3; way++) {
                bad = copy_of(good);
                uint64_t shape[4] = {x->shape[0] + 1, x->shape[1], x->shape[2], x->shape[3]};
                if (way == 0 && x->kind == HW_ENTRY_ARRAY)
                    assert_int_equal(hw_state_put(bad, x->name, x->dtype, x->dims, shape, NULL), HW_OK);
                else if (way == 1 && x->kind == HW_ENTRY_ARRAY)
                    assert_int_equal(
                        hw_state_put(bad, x->name, x->dtype == HW_U8 ? HW_U32 : HW_U8, x->dims, x->shape, NULL), HW_OK);
                else if (x->kind != HW_ENTRY_TEXT)
                    assert_int_equal(hw_state_put_text(bad, x->name, "7"), HW_OK);
                else
                    assert_int_equal(hw_state_put_number(bad, x->name, 7), HW_OK);
                why[0] = 0;
                if (hw_engine_restore(e, bad, why) != HW_E_FORMAT) fail_msg("%d: %s otherwise: %s", k, x->name, why);
                assert_true(strlen(why) > 10);
                hw_state_free(bad);
                refused++;
            }
        }
        assert_untouched(&p, e);
        hw_engine_free(e);
        drop(&p.watch);
    }
    hw_histogram_free(&delays);
    print_message("%u misshapen states refused\n", refused);
}

static uint64_t some_bits(hw_rng *rng, uint64_t was)
{
    switch (PICK(8)) {
    case 0: return 0;
    case 1: return was + 1;
    case 2: return was - 1;
    case 3: return UINT64_MAX;
    case 4: return hw_rng_next(rng) >> PICK(64);
    case 5: return 0x7ff8000000000000u;
    case 6: return 0x7fc000007fc00000u;
    default: return was ^ (uint64_t)1 << PICK(64);
    }
}

/* Some number of a state becomes another one. */
static void damage(hw_state *s, hw_rng *rng)
{
    const hw_entry *x = hw_state_entry(s, hw_rng_below(rng, hw_state_count(s)));
    if (strncmp(x->name, "config.", 7) == 0) return;
    double real = x->real;
    uint64_t bits = 0;
    if (x->kind == HW_ENTRY_COUNT) (void)hw_state_put_number(s, x->name, some_bits(rng, x->number));
    if (x->kind == HW_ENTRY_REAL) {
        memcpy(&bits, &real, sizeof bits);
        bits = some_bits(rng, bits);
        memcpy(&real, &bits, sizeof bits);
        (void)hw_state_put_real(s, x->name, real);
    }
    if (x->kind != HW_ENTRY_ARRAY || !x->count) return;
    size_t size = hw_dtype_size(x->dtype);
    char *at = (char *)x->data + size * hw_rng_below(rng, x->count);
    memcpy(&bits, at, size);
    bits = some_bits(rng, bits);
    memcpy(at, &bits, size);
}

static void damaged_states_are_refused_or_run(void **state)
{
    (void)state;
    hw_histogram delays;
    hw_rng stream, *rng = &stream;
    unsigned refused = 0, ran = 0, tries = check_full() ? 20000 : CHECK_SLOW ? 150 : 600;
    some_delays(&delays);
    hw_rng_seed(rng, 3, 33);
    for (int k = 0; k < PLANS; k++) {
        plan p;
        plan_open(&p, k, &delays);
        for (unsigned i = 0; i < tries; i++) {
            hw_state *bad = copy_of(p.watch.kept[i % p.watch.n]);
            hw_engine *e = engine_of(&p);
            char why[HW_WHY] = "";
            for (int n = 1 + PICK(2); n > 0; n--) damage(bad, rng);
            hw_status status = hw_engine_restore(e, bad, why);
            if (status == HW_OK) {
                hw_result r;
                hw_status ended = hw_engine_run(e, &r); /* it may fail, but it ends */
                assert_true(ended == HW_OK || r.message[0]);
                ran++;
            } else {
                assert_int_equal(status, HW_E_FORMAT);
                assert_true(strlen(why) > 10);
                refused++;
                if (i % 16 == 0) assert_untouched(&p, e);
            }
            hw_engine_free(e);
            hw_state_free(bad);
        }
        drop(&p.watch);
    }
    hw_histogram_free(&delays);
    print_message("%u refused, %u ran to an end\n", refused, ran);
    assert_true(refused > 100 && ran > 100);
}

static void engines_that_differ_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *option, *value;
    } other[] = {{"seed", "9"},
                 {"batch", "4"},
                 {"learning_rate", "0.02"},
                 {"momentum.target", "0.3"},
                 {"rule", "nesterov"},
                 {"weight_decay", "0.1"},
                 {"compensation", "none"},
                 {"compensation.window", "50"},
                 {"linear_bins", "64"},
                 {"keep_every", "30"},
                 {"average_every", "5"},
                 {"with_replacement", "on"},
                 {"write", "add"},
                 {"clip_norm", "1"},
                 {"schedule", "inv"},
                 {"shuffle_block", "3"},
                 {"clock", "lognormal"},
                 {"workers", "8"},
                 {"simulation.gather", "2"},
                 {"simulation.per_group", "2"},
                 {"record", "off"},
                 {"clock.stragglers", "1"},
                 {"on_nan", "skip"},
                 {"scheduler", "sync"},
                 {"curvature", "3"}};
    char why[HW_WHY], text[64];
    plan p;
    plan_open(&p, 7, NULL);
    hw_config base = p.config;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        hw_config c = base;
        assert_int_equal(hw_config_set(&c, other[i].option, other[i].value, why), HW_OK);
        if (c.scheduler == HW_SYNC) c.simulation.clock = HW_CLOCK_ROUND_ROBIN;
        p.config = c;
        hw_engine *e = engine_of(&p);
        assert_int_equal(hw_engine_restore(e, p.watch.kept[0], why), HW_E_FORMAT);
        (void)snprintf(text, sizeof text, "config.%s ", other[i].option);
        assert_text(why, text);
        assert_text(why, other[i].value);
        assert_untouched(&p, e);
        hw_engine_free(e);
    }
    p.config = base;
    hw_engine *e;
    const struct {
        hw_objective o;
        const char *says;
    } objectives[] = {{{.name = "another"}, "another objective"},
                      {{.parameters = N + 1}, "parameters: 70, this engine has 71"},
                      {{.examples = 121}, "training examples: 120"},
                      {{.touched = 32}, "objective.touched"}};
    for (size_t i = 0; i < 4; i++) {
        hw_objective o = p.objective;
        if (objectives[i].o.name) o.name = objectives[i].o.name;
        if (objectives[i].o.parameters) o.parameters = objectives[i].o.parameters;
        if (objectives[i].o.examples) o.examples = objectives[i].o.examples;
        if (objectives[i].o.touched) o.touched = objectives[i].o.touched;
        assert_int_equal(hw_engine_create(&e, &o, &base, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_restore(e, p.watch.kept[0], why), HW_E_FORMAT);
        assert_text(why, objectives[i].says);
        hw_engine_free(e);
    }
    hw_config c = base;
    c.optimizer.sections = sections;
    c.optimizer.n_sections = 2;
    p.config = c;
    e = engine_of(&p);
    assert_int_equal(hw_engine_restore(e, p.watch.kept[0], why), HW_E_FORMAT);
    assert_text(why, "other sections");
    hw_engine_free(e);
    c = base;
    c.trace = 1;
    p.config = c;
    e = engine_of(&p);
    assert_int_equal(hw_engine_restore(e, p.watch.kept[0], why), HW_E_UNSUPPORTED);
    assert_text(why, "config.trace");
    hw_engine_free(e);
    drop(&p.watch);
}

static void capture_says_when_it_cannot(void **state)
{
    (void)state;
    char why[HW_WHY];
    job j = {0, false, 50};
    hw_objective o = objective_of(&j, 120);
    hw_config c = hw_config_defaults();
    hw_engine *e, *other;
    hw_state *s = hw_state_create();
    float start[N], x[N];
    for (int i = 0; i < N; i++) start[i] = (float)i;
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.epochs = 0;
    c.updates = 100;
    assert_int_equal(hw_engine_create(&e, &o, &c, start, NULL), HW_OK);
    assert_int_equal(hw_engine_create(&other, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_capture(NULL, s), HW_E_ARGUMENT);
    assert_int_equal(hw_engine_capture(e, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_engine_restore(e, NULL, why), HW_E_ARGUMENT);
    /* An engine that has not run gives its start. */
    assert_int_equal(hw_engine_capture(e, s), HW_OK);
    if (hw_engine_restore(other, s, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_get(other, x), HW_OK);
    assert_memory_equal(x, start, sizeof x);
    assert_int_equal(hw_engine_run(e, NULL), 1001);
    assert_int_equal(hw_engine_capture(e, s), HW_E_STATE); /* it failed */
    j.fails_at = 0;
    assert_int_equal(hw_engine_run(other, NULL), HW_OK);
    assert_int_equal(hw_engine_capture(other, s), HW_OK);
    /* The failed one can take it, and ends where that one ended. */
    if (hw_engine_restore(e, s, why) != HW_OK) fail_msg("%s", why);
    hw_result r;
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(r.updates, 100);
    hw_engine_get(e, x);
    hw_engine_get(other, start);
    assert_memory_equal(x, start, sizeof x);
    assert_int_equal(hw_engine_run(e, &r), HW_OK); /* and the next run is one of its own */
    assert_int_equal(r.updates, 100);
    hw_engine_free(e);
    hw_engine_free(other);
    hw_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequential_runs_go_on_bit_for_bit),
        cmocka_unit_test(synchronous_runs_go_on_bit_for_bit),
        cmocka_unit_test(simulated_runs_go_on_bit_for_bit),
        cmocka_unit_test(sweeps_and_blocks_go_on_bit_for_bit),
        cmocka_unit_test(replays_go_on_bit_for_bit),
        cmocka_unit_test(a_finished_run_goes_on_farther),
        cmocka_unit_test(runs_on_threads_go_on),
        cmocka_unit_test(any_run_on_threads_goes_on),
        cmocka_unit_test(captures_come_when_they_are_due),
        cmocka_unit_test(configurations_are_refused),
        cmocka_unit_test(states_with_missing_or_misshapen_entries_are_refused),
        cmocka_unit_test(damaged_states_are_refused_or_run),
        cmocka_unit_test(engines_that_differ_refuse),
        cmocka_unit_test(capture_says_when_it_cannot),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
