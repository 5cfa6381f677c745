/* test_by_layer.c - steps that read and write layer by layer: the same arithmetic as whole steps, each layer as old as
 * it is held, the same objective under every scheduler, and what goes wrong told. */
#include "check.h"
#include "kept.h"

enum { LAYERS = 3, WIDTH = 40, N = LAYERS * WIDTH };
static const hw_layer layers[LAYERS] = {
    {"first", 0, WIDTH, 1}, {"middle", WIDTH, WIDTH, 0.55}, {"last", 2 * WIDTH, WIDTH, 0.02}};

/* f = sum of h (x_i - 1)^2 / 2 + coupling (sum x - N)^2 / 2 / N: every layer's gradient needs all layers' values. */
typedef struct quadratic {
    float h, coupling, middle; /* middle: so many times the curvature in the middle layer */
    pthread_mutex_t turn;      /* exclusive: one step at a time, whoever makes it */
    bool exclusive, by_layer;  /* by_layer: false: the same step with whole reads */
    uint64_t poisoned;         /* the step whose middle layer has no number; 0: none */
    int wrong; /* 1: a write before its read, 2: a layer that is not there, 3: only the last is read, 4, 5: ends
                  otherwise, 6: reads all at once, too */
    _Atomic unsigned told, zeros; /* zeros: steps that saw none of the last layer */
} quadratic;

static double loss_and_gradient(const quadratic *q, const float *x, float *g)
{
    double loss = 0, sum = 0;
    for (int i = 0; i < N; i++) sum += (double)(x[i] - 1);
    for (int i = 0; i < N; i++) {
        double d = (double)(x[i] - 1);
        float h = i / WIDTH == 1 ? q->h * q->middle : q->h;
        g[i] = h * (float)d + q->coupling * (float)sum / N;
        loss += 0.5 * (double)h * d * d;
    }
    return loss + 0.5 * (double)q->coupling * sum * sum / N;
}

static hw_status layered(quadratic *q, hw_worker *w, const hw_batch *batch)
{
    const float *x = NULL;
    float *g = hw_gradient(w);
    if (q->wrong == 1) return hw_write_layer(w, 1);
    if (q->wrong == 2) {
        q->told += hw_read_layer(w, LAYERS) == NULL;
        (void)hw_read_layer(w, 0);
        return hw_write_layer(w, LAYERS);
    }
    if (q->wrong == 6) (void)hw_read(w);
    for (size_t l = q->wrong == 3 ? LAYERS - 1 : 0; l < LAYERS; l++) x = hw_read_layer(w, l);
    if (hw_read_layer(w, LAYERS - 1) != x) return hw_fail(w, HW_E_USER, "a second read stands elsewhere");
    double loss = loss_and_gradient(q, x, g);
    q->zeros += x[N - 1] == 0;
    const hw_range some = {WIDTH, 8};
    if (q->wrong == 4) return hw_write_ranges(w, &some, 1, g, loss);
    if (q->wrong == 5) return hw_add_ranges(w, &some, 1, g, loss);
    if (q->poisoned && batch->step == q->poisoned) g[WIDTH + 3] = NAN;
    for (size_t l = LAYERS; l-- > (q->wrong == 3 ? LAYERS - 1 : 1);) { /* the first is left for hw_write */
        hw_status status = hw_write_layer(w, l);
        if (status != HW_OK) return status;
    }
    return hw_write(w, loss);
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    quadratic *q = self;
    hw_status status;
    if (q->exclusive) (void)pthread_mutex_lock(&q->turn);
    if (q->by_layer) {
        status = layered(q, w, batch);
    } else {
        const float *x = hw_read(w);
        double loss = loss_and_gradient(q, x, hw_gradient(w));
        status = hw_write(w, loss);
    }
    if (q->exclusive) (void)pthread_mutex_unlock(&q->turn);
    return status;
}

static quadratic quadratic_of(bool by_layer)
{
    quadratic q = {.h = 1, .coupling = 0.5F, .middle = 1, .by_layer = by_layer};
    assert_int_equal(pthread_mutex_init(&q.turn, NULL), 0);
    return q;
}

static hw_objective objective(quadratic *q)
{
    hw_objective o = hw_objective_defaults("layers", N);
    o.examples = 1000;
    o.step = step;
    o.self = q;
    o.layers = layers;
    o.layer_count = LAYERS;
    return o;
}

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = c.least_workers = workers;
    c.batch = 8;
    c.epochs = 0;
    c.updates = 300;
    c.layers = HW_LAYERS_EACH;
    c.compensation.policy = HW_POLICY_NONE;
    c.optimizer.schedule.base = 0.01;
    c.simulation.threads = 1;
    return c;
}

/* Steps in turn, by two threads in any order: the gradient looks at no example, so the parameters are those of one
 * worker with whole steps, bit for bit, whatever the rule. */
static void the_arithmetic_is_that_of_whole_steps(void **state)
{
    (void)state;
    hw_section sections[2] = {{10, WIDTH, 2, 0}, {2 * WIDTH, 5, 0.5F, 1}};
    for (int k = 0; k < 12; k++) {
        quadratic one = quadratic_of(false), two = quadratic_of(true);
        two.exclusive = true;
        hw_objective a = objective(&one), b = objective(&two);
        hw_config c = config(HW_ASYNC, 2), s = config(HW_SEQUENTIAL, 1);
        float x[N] = {0}, y[N] = {0};
        hw_result r;
        c.optimizer.rule = s.optimizer.rule = k % 4 == 3 ? HW_RULE_ADAM : k % 4 == 2 ? HW_RULE_NESTEROV : HW_RULE_SGD;
        c.optimizer.weight_decay = s.optimizer.weight_decay = k % 4 == 1 ? 0.1 : 0;
        if (k % 4 == 0) {
            c.optimizer.sections = s.optimizer.sections = sections;
            c.optimizer.n_sections = s.optimizer.n_sections = 2;
        }
        c.write = s.write = k < 4 ? HW_WRITE_STRIPED : k < 8 ? HW_WRITE_ADD : HW_WRITE_RACY;
        s.layers = HW_LAYERS_WHOLE;
        assert_int_equal(hw_train(&a, &s, x, NULL), HW_OK);
        if (hw_train(&b, &c, y, &r) != HW_OK) fail_msg("%d: %s", k, r.message);
        assert_int_equal(r.updates, 300);
        if (memcmp(x, y, sizeof x) != 0) fail_msg("rule and write mode %d: other parameters", k);
    }
}

/* In turns a layer that is held for a share f is as many updates old as land within f: floor(f M), at most M - 1. The
 * parameters are those of a recursion that is written down here. */
static void in_turns_every_layer_has_its_own_delay(void **state)
{
    (void)state;
    enum { M = 8, UPDATES = 300 };
    const unsigned delay[LAYERS] = {M - 1, 4, 0};
    for (int ahead = 0; ahead < 2; ahead++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_SIMULATED, M);
        hw_engine *e;
        hw_result r;
        hw_histogram h;
        float x[N];
        c.updates = UPDATES;
        c.optimizer.schedule.base = 0.002;
        c.compensation.policy = ahead ? HW_POLICY_LOOK_AHEAD : HW_POLICY_NONE;
        c.compensation.window = UPDATES; /* so that the look-ahead of the start stays */
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
        const hw_layer *named;
        assert_int_equal(hw_engine_layers(e, &named), LAYERS);
        assert_string_equal(named[1].name, "middle");
        for (size_t l = 0; l < LAYERS; l++) {
            assert_int_equal(hw_engine_layer_staleness(e, l, &h), HW_OK);
            assert_int_equal(h.total, r.updates);
            assert_true(h.counts[delay[l]] >= UPDATES - M); /* the first M find less before them */
            assert_true(h.largest <= delay[l]);
        }
        assert_int_equal(hw_engine_layer_staleness(e, LAYERS, &h), HW_E_ARGUMENT);
        /* Another run of the same engine: the same delays, from its own start. */
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        for (size_t l = 0; l < LAYERS; l++) {
            assert_int_equal(hw_engine_layer_staleness(e, l, &h), HW_OK);
            assert_true(h.total == UPDATES && h.counts[delay[l]] >= UPDATES - M && h.largest <= delay[l]);
        }
        /* The recursion: values at the end of update t stand in past[t % M], with the look-ahead of whole steps. */
        static double past[M][N];
        double now[N] = {0}, v[N] = {0}, s = ahead ? hw_look_ahead(0.9, M - 1) : 0;
        for (unsigned t = 0; t < UPDATES; t++) {
            double read[N], sum = 0;
            for (int i = 0; i < N; i++) past[t % M][i] = now[i] + s * v[i];
            for (int i = 0; i < N; i++) {
                unsigned d = delay[i / WIDTH];
                read[i] = past[(t < d ? 0 : t - d) % M][i];
                sum += read[i] - 1;
            }
            for (int i = 0; i < N; i++) {
                v[i] = 0.9 * v[i] - 0.002 * ((read[i] - 1) + 0.5 * sum / N);
                now[i] += v[i];
            }
        }
        for (int i = 0; i < N; i++) assert_near((double)x[i], now[i], 2e-5);
        hw_histogram_free(&h);
        hw_engine_free(e);
    }
}

/* One step for all: whole where layers cannot go by themselves, and right everywhere. */
static void one_step_runs_under_every_scheduler(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups;
        bool each;
    } all[] = {{HW_SEQUENTIAL, 1, 1, false}, {HW_ASYNC, 1, 1, false},     {HW_ASYNC, 4, 1, true},
               {HW_SYNC, 3, 1, false},       {HW_GROUPS, 4, 2, false},    {HW_ROUND_ROBIN, 3, 1, false},
               {HW_SIMULATED, 4, 1, true},   {HW_SIMULATED, 4, 4, false}, {HW_ASYNC, 3, 1, false}};
    const size_t last = sizeof all / sizeof *all - 1;
    for (size_t i = 0; i <= last; i++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(all[i].scheduler, all[i].workers);
        hw_engine *e;
        hw_histogram h;
        hw_result r;
        char why[HW_WHY] = "";
        float x[N];
        c.groups = all[i].scheduler == HW_GROUPS ? all[i].groups : 1;
        c.simulation.per_group = all[i].scheduler == HW_SIMULATED ? all[i].groups : 1;
        c.layers = HW_LAYERS_AUTO;
        c.compensation.policy = HW_POLICY_AUTO;
        c.updates = 2000;
        if (i == last) o.layers = NULL, o.layer_count = 0; /* the step knows them, the objective does not */
        if (hw_engine_create(&e, &o, &c, NULL, why) != HW_OK) fail_msg("%zu: %s", i, why);
        if (hw_engine_run(e, &r) != HW_OK) fail_msg("%zu: %s", i, r.message);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        for (int j = 0; j < N; j++) assert_near((double)x[j], 1, 0.05);
        assert_int_equal(hw_engine_layers(e, NULL), all[i].each ? LAYERS : 0);
        assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
        for (size_t l = 0; all[i].each && l < LAYERS; l++) {
            assert_int_equal(hw_engine_layer_staleness(e, l, &h), HW_OK);
            assert_int_equal(h.total, r.updates);
        }
        hw_histogram_free(&h);
        hw_engine_free(e);
    }
}

static void what_cannot_go_layer_by_layer_is_told(void **state)
{
    (void)state;
    for (int k = 0; k < 10; k++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_ASYNC, 2);
        char why[HW_WHY] = "";
        static const char *const sentence[] = {"names no layers", "scheduler async", "work takes", "atomic reads",
                                               "clipping",        "each worker's",   "age",        "recorded schedule",
                                               "intervals of 1",  "sparse step"};
        if (k == 0) o.layers = NULL, o.layer_count = 0;
        if (k == 1) c.scheduler = HW_SYNC;
        if (k == 2) c.scheduler = HW_SIMULATED, c.simulation.clock = HW_CLOCK_DELAY, c.simulation.delay = 2;
        if (k == 3) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
        if (k == 4) c.optimizer.clip_norm = 1;
        if (k == 5) c.optimizer.velocity = HW_VELOCITY_PRIVATE;
        if (k == 6) c.compensation.age = HW_AGE_INVERSE;
        if (k == 7) c.trace = 1;
        if (k == 8) c.clock_interval = 4;
        if (k == 9) o.touched = 8;
        assert_true(hw_config_check(&c, &o, why) == HW_E_UNSUPPORTED);
        assert_text(why, "config.layers is each: ");
        assert_text(why, sentence[k]);
        c.layers = HW_LAYERS_AUTO; /* goes in whole steps then */
        if (hw_config_check(&c, &o, why) != HW_OK) fail_msg("%d: %s", k, why);
    }
}

static void layers_that_are_none_are_refused(void **state)
{
    (void)state;
    for (int k = 0; k < 6; k++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_ASYNC, 2);
        hw_layer bad[LAYERS];
        char why[HW_WHY] = "";
        memcpy(bad, layers, sizeof bad);
        o.layers = bad;
        if (k == 0) bad[1].first++;
        if (k == 1) bad[2].count--;
        if (k == 2) bad[1].held = 0;
        if (k == 3) bad[0].held = NAN;
        if (k == 4) bad[2].count = SIZE_MAX;
        if (k == 5) memcpy(bad[2].name, bad[0].name, sizeof bad[2].name);
        assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
        assert_text(why, k == 1 ? "119 of 120 parameters" : k == 5 ? "both called 'first'" : "layer ");
    }
}

/* A gradient that is not finite: it, and what would land after it in that step, does not. */
static void a_layer_without_a_number_does_not_land(void **state)
{
    (void)state;
    quadratic q = quadratic_of(true);
    hw_objective o = objective(&q);
    hw_config c = config(HW_ASYNC, 2);
    hw_engine *e;
    hw_result r;
    hw_histogram h;
    float x[N];
    q.poisoned = 100;
    c.on_nan = HW_NAN_SKIP;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(r.updates, 300); /* its last layer has landed: the clock counts it */
    assert_int_equal(r.skipped, 1);
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    for (int j = 0; j < N; j++) assert_true(isfinite(x[j]));
    assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
    for (size_t l = 0; l < LAYERS; l++) {
        assert_int_equal(hw_engine_layer_staleness(e, l, &h), HW_OK);
        assert_int_equal(h.total, l == 2 ? 300 : 299);
    }
    hw_histogram_free(&h);
    hw_engine_free(e);
    c.on_nan = HW_NAN_STOP;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_E_DIVERGED);
    assert_text(r.message, "the gradient stopped being finite");
}

static void a_step_that_does_it_wrong_is_told(void **state)
{
    (void)state;
    for (int wrong = 1; wrong < 7; wrong++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_ASYNC, 2);
        hw_result r;
        float x[N] = {0};
        q.wrong = wrong;
        hw_status status = hw_train(&o, &c, x, &r);
        if (wrong == 1) assert_int_equal(status, HW_E_CALLBACK);
        if (wrong == 1) assert_text(r.message, "wrote layer 'middle' without a read before it");
        if (wrong == 2) assert_int_equal(status, HW_E_ARGUMENT);
        if (wrong == 2) assert_true(q.told > 0);
        if (wrong > 3) assert_int_equal(status, HW_E_CALLBACK);
        if (wrong == 4 || wrong == 5) assert_text(r.message, "hw_write ends such a step");
        if (wrong == 3) assert_int_equal(status, HW_E_CALLBACK);
        if (wrong == 3) assert_text(r.message, "left out layer 'first'");
        if (wrong == 6) assert_int_equal(status, HW_E_CALLBACK);
        if (wrong == 6) assert_text(r.message, "all at once");
    }
}

static hw_engine *engine_of(const hw_objective *o, const hw_config *c)
{
    hw_engine *e;
    char why[HW_WHY] = "";
    if (hw_engine_create(&e, o, c, NULL, why) != HW_OK) fail_msg("%s", why);
    return e;
}

/* The same run's end, whatever the engine has done before. */
static void assert_ends(hw_engine *e, const hw_state *from, const float *x, size_t layered)
{
    float y[N];
    char why[HW_WHY] = "";
    if (hw_engine_restore(e, from, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_layers(e, NULL), layered);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_get(e, y), HW_OK);
    assert_memory_equal(x, y, sizeof y);
}

/* What is captured beside the parameters is values that were read in the one and gradients in the other: a state goes
 * on as it went, in any engine that can, and is refused by one that cannot. */
static void states_of_whole_steps_and_of_layers_are_told_apart(void **state)
{
    (void)state;
    float x[2][N];
    kept all[2] = {{.n = 0}, {.n = 0}};
    quadratic q = quadratic_of(true);
    hw_config c = config(HW_SIMULATED, 5);
    char why[HW_WHY] = "";
    c.layers = HW_LAYERS_AUTO;
    c.compensation.policy = HW_POLICY_AUTO;
    c.updates = 120;
    for (int k = 0; k < 2; k++) {
        hw_objective o = objective(&q);
        if (k == 0) o.layers = NULL, o.layer_count = 0;
        c.checkpoint_every = 10;
        c.on_capture = keep;
        c.context = all + k;
        hw_engine *e = engine_of(&o, &c);
        assert_int_equal(hw_engine_run(e, NULL), HW_OK);
        assert_int_equal(hw_engine_get(e, x[k]), HW_OK);
        hw_engine_free(e);
    }
    assert_true(memcmp(x[0], x[1], sizeof x[0]) != 0);
    hw_objective named = objective(&q), none = objective(&q);
    none.layers = NULL, none.layer_count = 0;
    kept again = {.n = 0};
    c.context = &again;
    hw_engine *e = engine_of(&named, &c);
    assert_ends(e, all[0].state[3], x[0], 0);
    assert_ends(e, all[1].state[3], x[1], LAYERS);
    assert_ends(e, all[0].state[5], x[0], 0);
    unsigned last = again.n - 2; /* what this engine has captured of it, after layers were in its states before */
    assert_ends(e, again.state[last], x[0], 0);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK); /* a new run: by layer, as it is configured */
    assert_int_equal(hw_engine_layers(e, NULL), LAYERS);
    hw_engine_free(e);
    c.on_capture = NULL;
    c.checkpoint_every = 0;
    e = engine_of(&none, &c);
    assert_int_equal(hw_engine_restore(e, all[1].state[3], why), HW_E_FORMAT);
    assert_text(why, "run.by_layer");
    hw_engine_free(e);
    hw_layer other[LAYERS];
    memcpy(other, layers, sizeof layers);
    other[1].held = 0.5;
    none.layers = other, none.layer_count = LAYERS;
    e = engine_of(&none, &c);
    assert_int_equal(hw_engine_restore(e, all[1].state[3], why), HW_E_FORMAT);
    assert_text(why, "other layers");
    hw_engine_free(e);
    e = engine_of(&named, &c);
    const struct {
        const char *name;
        hw_dtype type;
        double value;
    } bad[] = {{"staleness.layer.delay", HW_F64, 1e300},
               {"staleness.layer.share", HW_F64, 2},
               {"staleness.layer.sum", HW_U64, 1e18},
               {"lane.layer_clock", HW_U64, 1e9},
               {"lane.due", HW_F64, -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hw_state *s = hw_state_create();
        assert_int_equal(hw_state_copy(s, all[1].state[3]), HW_OK);
        const hw_entry *entry = hw_state_find(s, bad[i].name);
        assert_non_null(entry);
        uint64_t whole[5 * LAYERS];
        double real[5 * LAYERS];
        for (int j = 0; j < 5 * LAYERS; j++)
            whole[j] = (uint64_t)fabs(bad[i].value < 1e18 ? bad[i].value : 1e18), real[j] = bad[i].value;
        uint64_t shape[4] = {entry->shape[0], entry->shape[1], entry->shape[2], entry->shape[3]};
        assert_int_equal(hw_state_put(s, bad[i].name, bad[i].type, entry->dims, shape,
                                      bad[i].type == HW_F64 ? (void *)real : (void *)whole),
                         HW_OK);
        if (hw_engine_restore(e, s, why) != HW_E_FORMAT) fail_msg("%s was taken", bad[i].name);
        hw_state_free(s);
    }
    assert_ends(e, all[1].state[3], x[1], LAYERS);
    hw_engine_free(e);
    for (int k = 0; k < 2; k++)
        for (unsigned i = 0; i < all[k].n; i++) hw_state_free(all[k].state[i]);
    for (unsigned i = 0; i < again.n; i++) hw_state_free(again.state[i]);
}

/* Work times from next to nothing to many units, and a layer that is held for hardly any of them: it is read all the
 * same. */
static void the_shortest_hold_is_a_read(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_SIMULATED, 4);
        hw_layer short_ones[LAYERS];
        float x[N];
        memcpy(short_ones, layers, sizeof layers);
        o.layers = short_ones;
        if (k == 2) short_ones[1].held = short_ones[2].held = 1e-12;
        c.simulation.clock = HW_CLOCK_GAMMA;
        c.simulation.shape = k == 0 ? 0.5 : 0.05;
        c.updates = 3000;
        c.optimizer.schedule.base = 1e-4;
        c.optimizer.momentum = 0;
        for (int i = 0; i < N; i++) x[i] = 2;
        assert_int_equal(hw_train(&o, &c, x, NULL), HW_OK);
        assert_int_equal(q.zeros, 0);
    }
}

/* Captured while every worker has read some of its layers. */
static void a_simulated_run_is_the_same_on_any_threads_and_resumed(void **state)
{
    (void)state;
    static const hw_clock_kind clocks[] = {HW_CLOCK_ROUND_ROBIN, HW_CLOCK_EXPONENTIAL, HW_CLOCK_GAMMA,
                                           HW_CLOCK_ROUND_ROBIN};
    for (size_t k = 0; k < 4; k++) {
        kept all = {.n = 0};
        quadratic q = quadratic_of(true);
        hw_objective o = objective(&q);
        hw_config c = config(HW_SIMULATED, 5);
        hw_engine *e;
        hw_histogram h[2];
        float whole[N], other[N];
        char why[HW_WHY] = "";
        c.compensation.policy = HW_POLICY_AUTO;
        c.compensation.window = 20;
        c.simulation.clock = clocks[k];
        c.simulation.shape = 3;
        if (k == 3) c.curvature = -1, c.optimizer.schedule.base = 0.6; /* goes back, with layers half read */
        c.updates = 120;
        c.checkpoint_every = 5;
        c.on_capture = keep;
        c.context = &all;
        assert_int_equal(hw_histogram_init(h, 64), HW_OK);
        assert_int_equal(hw_histogram_init(h + 1, 64), HW_OK);
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, NULL), HW_OK);
        assert_int_equal(hw_engine_get(e, whole), HW_OK);
        assert_int_equal(hw_engine_layer_staleness(e, 1, h), HW_OK);
        assert_true((hw_engine_returns(e, NULL) > 0) == (k == 3));
        hw_engine_free(e);
        assert_true(all.n > 20);
        c.on_capture = NULL;
        c.checkpoint_every = 0;
        for (unsigned i = 0; i <= all.n; i++) {
            c.simulation.threads = i % 2 || i == all.n ? 3 : 1;
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
            if (i < all.n && hw_engine_restore(e, all.state[i], why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(hw_engine_run(e, NULL), HW_OK);
            assert_int_equal(hw_engine_get(e, other), HW_OK);
            if (memcmp(whole, other, sizeof whole) != 0) fail_msg("clock %zu: capture %u of %u", k, i, all.n);
            assert_int_equal(hw_engine_layer_staleness(e, 1, h + 1), HW_OK);
            assert_memory_equal(h[0].counts, h[1].counts, h[0].bins * sizeof *h[0].counts);
            hw_engine_free(e);
        }
        for (unsigned i = 0; i < all.n; i++) hw_state_free(all.state[i]);
        hw_histogram_free(h);
        hw_histogram_free(h + 1);
    }
}

/* Threads: captures have whole steps only, and what they count goes on. */
static void threads_go_on_from_a_capture(void **state)
{
    (void)state;
    kept all = {.n = 0};
    quadratic q = quadratic_of(true);
    hw_objective o = objective(&q);
    hw_config c = config(HW_ASYNC, 3);
    hw_histogram h;
    hw_result r;
    c.compensation.policy = HW_POLICY_AUTO;
    c.updates = 100; /* at whose end there is a capture, however the threads were scheduled before */
    c.checkpoint_every = 50;
    c.on_capture = keep;
    c.context = &all;
    assert_int_equal(hw_train(&o, &c, NULL, NULL), HW_OK);
    c.on_capture = NULL;
    c.checkpoint_every = 0;
    c.updates = 300;
    assert_true(all.n > 0);
    assert_int_equal(hw_histogram_init(&h, 64), HW_OK);
    for (unsigned i = 0; i < all.n; i++) {
        hw_engine *e = engine_of(&o, &c);
        char why[HW_WHY] = "";
        if (hw_engine_restore(e, all.state[i], why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        assert_int_equal(r.updates, 300);
        for (size_t l = 0; l < LAYERS; l++) {
            assert_int_equal(hw_engine_layer_staleness(e, l, &h), HW_OK);
            assert_int_equal(h.total, 300);
        }
        hw_engine_free(e);
        hw_state_free(all.state[i]);
    }
    hw_histogram_free(&h);
}

/* A net's own step under a lock, so that two threads take turns; all images are one, so that it does not matter whose.
 */
typedef struct locked {
    hw_objective inner;
    pthread_mutex_t turn;
} locked;

static hw_status locked_step(void *self, hw_worker *w, const hw_batch *batch)
{
    locked *l = self;
    (void)pthread_mutex_lock(&l->turn);
    hw_status status = l->inner.step(l->inner.self, w, batch);
    (void)pthread_mutex_unlock(&l->turn);
    return status;
}

static void a_net_by_layer_is_the_net(void **state)
{
    (void)state;
    enum { IMAGES = 16, SIDE = 12 };
    static unsigned char pixels[IMAGES * SIDE * SIDE], labels[IMAGES];
    char why[HW_WHY] = "";
    hw_images images = {IMAGES, 1, SIDE, SIDE, 10, pixels, labels};
    for (int i = 0; i < IMAGES * SIDE * SIDE; i++) pixels[i] = (unsigned char)(i % (SIDE * SIDE) * 37 % 251);
    memset(labels, 3, sizeof labels);
    hw_net *net = hw_net_create(1, SIDE, SIDE);
    hw_net_conv(net, 4, 3, 1, 1);
    hw_net_batch_norm(net);
    hw_net_relu(net);
    hw_net_conv(net, 6, 3, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 20);
    hw_net_relu(net);
    hw_net_dense(net, 10);
    if (hw_net_finish(net, 8, why) != HW_OK) fail_msg("%s", why);
    size_t n = hw_net_parameters(net);
    float *start = check_floats(n), *x = check_floats(n), *y = check_floats(n);
    hw_net_init(net, 1, start);
    hw_net_task task = {net, &images, NULL, NULL};
    locked l;
    assert_int_equal(pthread_mutex_init(&l.turn, NULL), 0);
    assert_int_equal(hw_net_objective(&task, &l.inner, why), HW_OK);
    assert_int_equal(l.inner.layer_count, 5);
    assert_near(l.inner.layers[0].held, 1, 0);
    for (size_t i = 1; i < 5; i++) assert_true(l.inner.layers[i].held < l.inner.layers[i - 1].held);
    assert_string_equal(l.inner.layers[1].name, "norm1");
    hw_objective o = l.inner;
    o.self = &l;
    o.step = locked_step;
    hw_config one = config(HW_SEQUENTIAL, 1), two = config(HW_ASYNC, 2);
    one.layers = HW_LAYERS_WHOLE;
    one.updates = two.updates = 10;
    memcpy(x, start, n * sizeof *x);
    memcpy(y, start, n * sizeof *y);
    if (hw_train(&l.inner, &one, x, NULL) != HW_OK || hw_train(&o, &two, y, NULL) != HW_OK)
        fail_msg("it did not train");
    /* To rounding: where a vector ends before the stretch does, a product and a sum are rounded apart. */
    for (size_t i = 0; i < n; i++) assert_near((double)y[i], (double)x[i], 1e-6);
    assert_true(memcmp(x, start, n * sizeof *x) != 0);
    hw_net_free(net);
    free(start);
    free(x);
    free(y);
}

/* By layer a rate is stable that whole steps do not bear: of eight workers in turns, what the advisor says of the
 * mixture of delays. */
static void the_bound_is_that_of_the_mixture(void **state)
{
    (void)state;
    double rate[2];
    for (int by_layer = 0; by_layer < 2; by_layer++) {
        quadratic q = quadratic_of(true);
        q.coupling =
            0; /* the largest curvature is every layer's, so the power iteration's direction has parts of all */
        hw_objective o = objective(&q);
        hw_config c = config(HW_SIMULATED, 8);
        hw_engine *e;
        hw_result r;
        c.layers = by_layer ? HW_LAYERS_AUTO : HW_LAYERS_WHOLE;
        c.compensation.policy = HW_POLICY_AUTO;
        c.optimizer.schedule.base = 0.05;
        c.updates = 400;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        size_t n;
        const hw_setting *s = hw_engine_settings(e, &n);
        assert_near(s[0].delay, 7, 1e-9); /* looks ahead as whole steps do */
        rate[by_layer] = s[0].rate;
        hw_engine_free(e);
    }
    /* h = 1, margin 0.7, a look-ahead of seven steps. */
    double kernel[8] = {0, 0, 0, 0, 0, 0, 0, 1}, s = hw_look_ahead(0.9, 7);
    assert_near(rate[0], 0.7 * hw_advise_bound(0.9, s, kernel, 8) / 0.05, 0.01);
    assert_true(rate[1] > 1.3 * rate[0]);
}

/* Where the direction is one layer's alone the bound is that of its delay: 0.55 of 7 for the middle one, some of 3 and
 * more of 4. */
static void a_layer_that_has_the_curvature_has_the_bound(void **state)
{
    (void)state;
    quadratic q = quadratic_of(true);
    hw_objective o = objective(&q);
    hw_config c = config(HW_SIMULATED, 8);
    hw_engine *e;
    size_t n;
    q.coupling = 0;
    q.middle = 8;
    c.layers = HW_LAYERS_AUTO;
    c.compensation.policy = HW_POLICY_AUTO;
    c.optimizer.schedule.base = 0.05;
    c.updates = 10;
    assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    const double kernel[5] = {0, 0, 0, 0.15, 0.85};
    double bound = 0.7 * hw_advise_bound(0.9, hw_look_ahead(0.9, 7), kernel, 5) / (0.05 * 8);
    assert_true(bound < 0.9);
    assert_near(hw_engine_settings(e, &n)[0].rate, bound, 0.02 * bound);
    hw_engine_free(e);
}

/* Advice before a run is of what the run then does, and sees the mixture of the layers' delays. */
static void advice_sees_the_layers(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        quadratic q = quadratic_of(true);
        q.coupling = 4;
        hw_objective o = objective(&q);
        hw_config c = config(k % 2 ? HW_SIMULATED : HW_ASYNC, 8);
        hw_engine *e;
        hw_policy_input in;
        hw_staleness_summary shape;
        hw_histogram delays;
        hw_result r;
        hw_setting s;
        size_t n;
        char text[HW_WHY];
        c.layers = k / 2 ? HW_LAYERS_WHOLE : HW_LAYERS_AUTO;
        c.compensation.policy = HW_POLICY_AUTO;
        c.optimizer.schedule.base = 0.1;
        c.updates = 1;
        assert_int_equal(hw_histogram_init(&delays, 64), HW_OK);
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, NULL), HW_OK);
        assert_int_equal(hw_engine_policy_input(e, NULL, &delays, &shape), HW_E_ARGUMENT);
        assert_int_equal(hw_engine_policy_input(e, &in, &delays, &shape), HW_OK);
        assert_int_equal(in.workers, 8);
        assert_near(in.curvature, 5, 0.05); /* h + coupling, along the ones: a third of it in each layer */
        hw_compensation full = hw_config_compensation(&c, &o);
        int stable = hw_advise_input(&full, &in, text, sizeof text);
        if (k / 2) {
            assert_null(in.staleness);
            assert_text(text, "delay 7");
        } else {
            assert_near(delays.sum / (double)delays.total, 7 * (1 + 0.55 + 0.02) / 3, 0.05);
            assert_text(text, "delays of 3.66 on average");
            assert_true(stable); /* auto lowers the rate to the bound itself */
            hw_advice a;
            hw_advise_policy(&full, &in, &a);
            assert_true(a.growth < 1);
        }
        hw_compensate(&full, &in, &s);
        assert_int_equal(hw_engine_run(e, &r), HW_OK);
        const hw_setting *first = hw_engine_settings(e, &n);
        assert_near(first->rate, s.rate, 1e-9);
        assert_near(first->ahead, s.ahead, 1e-9);
        assert_int_equal(hw_engine_policy_input(e, &in, &delays, &shape), HW_E_STATE);
        assert_text(hw_engine_sentence(e), "a run has begun");
        hw_histogram_free(&delays);
        hw_engine_free(e);
    }
}

/* Two of eight at work are two workers: in turns their layers are read when those of two are. */
static void who_rests_makes_no_layer_older(void **state)
{
    (void)state;
    float x[2][N];
    quadratic q = quadratic_of(true);
    for (int k = 0; k < 2; k++) {
        hw_objective o = objective(&q);
        hw_config c = config(HW_SIMULATED, k ? 8 : 2);
        c.least_workers = 2;
        c.layers = HW_LAYERS_AUTO;
        c.compensation.policy = HW_POLICY_AUTO;
        c.simulation.clock = HW_CLOCK_ROUND_ROBIN;
        c.curvature = -1;
        c.updates = 80;
        hw_engine *e = engine_of(&o, &c);
        assert_int_equal(hw_engine_run(e, NULL), HW_OK);
        assert_int_equal(hw_engine_at_work(e, NULL), 2);
        assert_int_equal(hw_engine_get(e, x[k]), HW_OK);
        hw_engine_free(e);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_rests_makes_no_layer_older),
        cmocka_unit_test(the_arithmetic_is_that_of_whole_steps),
        cmocka_unit_test(in_turns_every_layer_has_its_own_delay),
        cmocka_unit_test(one_step_runs_under_every_scheduler),
        cmocka_unit_test(what_cannot_go_layer_by_layer_is_told),
        cmocka_unit_test(layers_that_are_none_are_refused),
        cmocka_unit_test(a_layer_without_a_number_does_not_land),
        cmocka_unit_test(a_step_that_does_it_wrong_is_told),
        cmocka_unit_test(a_simulated_run_is_the_same_on_any_threads_and_resumed),
        cmocka_unit_test(states_of_whole_steps_and_of_layers_are_told_apart),
        cmocka_unit_test(the_shortest_hold_is_a_read),
        cmocka_unit_test(threads_go_on_from_a_capture),
        cmocka_unit_test(a_net_by_layer_is_the_net),
        cmocka_unit_test(the_bound_is_that_of_the_mixture),
        cmocka_unit_test(a_layer_that_has_the_curvature_has_the_bound),
        cmocka_unit_test(advice_sees_the_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
