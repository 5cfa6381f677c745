/* test_sparse.c - the sparse path: fused kernels, replicas and their exchange, sweeps, blocks, averaging. */
#include "check.h"

enum { COLUMNS = 300, ROWS = 2000 };

static hw_sparse data(uint64_t seed, uint32_t rows, uint32_t columns)
{
    hw_sparse s;
    char why[HW_WHY];
    hw_sparse_plan plan = hw_sparse_plan_defaults(rows, columns);
    plan.nonzeros = 12;
    plan.seed = seed;
    plan.sharpness = 8;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &s, why), HW_OK);
    return s;
}

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = 1;
    c.write = HW_WRITE_RACY;
    c.clock_interval = 16;
    c.shuffle_block = 8;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.5;
    c.compensation.policy = HW_POLICY_NONE;
    c.epochs = 2;
    return c;
}

/* --- fused kernels -------------------------------------------------------------------------------------------------
 */

static hw_params *params_of(hw_write_mode write, hw_path path, unsigned arrays, const float *values, size_t n)
{
    hw_params *p;
    char why[HW_WHY];
    hw_params_config c = hw_params_defaults(n, 1);
    c.write = write;
    c.path = path;
    c.arrays = arrays;
    c.clock_interval = 8;
    if (hw_params_create(&p, &c, why) != HW_OK) return NULL; /* no vectors here */
    assert_true(hw_params_fused(p));
    hw_params_set(p, 0, values);
    return p;
}

/* Each operation on one set of parameters, all values into out. */
static void operate(hw_params *p, float *out, size_t n)
{
    hw_rng rng;
    hw_rng_seed(&rng, 5, 0);
    uint32_t index[40];
    float value[40], decay[512], x[112], sum[112], dots[3];
    for (size_t i = 0; i < n; i++) decay[i] = (float)hw_rng_uniform(&rng) * 3;
    for (unsigned round = 0; round < 20; round++) {
        uint32_t at = 0, length = round * 2;
        for (uint32_t i = 0; i < length; i++) {
            index[i] = at += 1 + (uint32_t)hw_rng_below(&rng, 8);
            value[i] = (float)hw_rng_normal(&rng);
        }
        hw_fused_rule rule = {0.05f, 1e-6f, round % 2 ? decay : NULL, 0};
        float z = hw_params_dot_at(p, 0, index, value, length);
        hw_params_axpy_at(p, 0, &rule, index, value, length, 0.3f * z + 0.1f);
        rule.adagrad = 1;
        hw_params_axpy_at(p, 0, &rule, index, value, length, 0.2f);
        hw_params_prefetch_at(p, 0, index, length);
    }
    for (size_t i = 0; i < 112; i++) {
        x[i] = (float)hw_rng_normal(&rng);
        sum[i] = (float)hw_rng_normal(&rng);
    }
    uint32_t first[3] = {0, 112, 224};
    float coefficient[3] = {0.1f, -0.2f, 0.3f};
    hw_params_rows_dot(p, 0, first, 3, 100, x, dots);
    hw_params_rows_add(p, 0, first, 3, 100, coefficient, x, sum);
    hw_params_row_add(p, 0, 336, 61, x);
    hw_params_get(p, 0, out);
    for (size_t i = 0; i < 112; i++) out[n + i] = sum[i];
    for (size_t i = 0; i < 3; i++) out[n + 112 + i] = dots[i];
    hw_params_row_read(p, 0, 112, 61, x);
    for (size_t i = 0; i < 61; i++) assert_true(x[i] == out[112 + i]);
}

static void every_path_gives_the_same_to_rounding(void **state)
{
    (void)state;
    enum { N = 512 };
    float *start = check_floats(N), *a = check_floats(N + 128), *b = check_floats(N + 128);
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < N; i++) start[i] = (float)hw_rng_normal(&rng);
    hw_params *p = params_of(HW_WRITE_RACY, HW_PATH_SCALAR, 1, start, N);
    operate(p, a, N);
    hw_params_free(p);
    const struct {
        hw_write_mode write;
        hw_path path;
    } others[] = {{HW_WRITE_ADD, HW_PATH_SCALAR}, {HW_WRITE_RACY, HW_PATH_WIDE}};
    for (int k = 0; k < 2; k++) {
        p = params_of(others[k].write, others[k].path, 1, start, N);
        if (!p) continue;
        operate(p, b, N);
        for (size_t i = 0; i < N + 115; i++) assert_near(a[i], b[i], 2e-5 * (1 + fabs((double)a[i])));
        hw_params_free(p);
    }
    double moved = 0;
    for (size_t i = 0; i < N; i++) moved += fabs((double)(a[i] - start[i]));
    assert_true(moved > 10);
    free(start), free(a), free(b);
}

/* --- replicas ------------------------------------------------------------------------------------------------------
 */

static void an_exchange_adds_and_takes_over(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const hw_write_mode writes[] = {HW_WRITE_ADD, HW_WRITE_STRIPED, HW_WRITE_RACY, HW_WRITE_LOCKED};
    char why[HW_WHY];
    float *x = check_floats(N);
    for (int k = 0; k < 4; k++)
        for (int part = 0; part < 2; part++) {
            if (part && (writes[k] == HW_WRITE_STRIPED || writes[k] == HW_WRITE_LOCKED)) continue;
            hw_params *p;
            hw_params_config c = hw_params_defaults(N, 2);
            c.write = writes[k];
            c.exchange_interval = 10;
            c.exchanged = part ? 100 : 0;
            assert_int_equal(hw_params_create(&p, &c, why), HW_OK);
            for (size_t i = 0; i < N; i++) x[i] = 1;
            hw_params_set(p, 0, x);
            hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
            hw_read_note note;
            uint32_t index[3] = {3, 99, 4999};
            float two[3] = {2, 2, 2}, seen[3], row[40];
            hw_params_read_at(p, 0, index, 3, 0, seen, &note);
            assert_int_equal(note.measured, 0);
            hw_params_write_at(p, 0, &add, index, 3, two, &note);
            hw_range range = {90, 40}; /* half in the replica where that ends at 112 */
            for (int i = 0; i < 40; i++) row[i] = 1;
            hw_params_write(p, 1, &add, &range, 1, row, &note);
            hw_params_read_ranges(p, 0, &range, 1, 0, row, &note);
            assert_true(row[9] == 3 && row[0] == 1); /* its own, and nothing of the other's replica */
            assert_true(row[39] == (part ? 2.0f : 1.0f));
            hw_params_get(p, 0, x);
            assert_true(x[3] == 1 && x[4999] == (part ? 3.0f : 1.0f));
            assert_int_equal(hw_params_exchange(p, 0, 7, &note), 0);
            assert_int_equal(hw_params_exchange(p, 1, 5, &note), 7);
            assert_int_equal(note.clock, 0);
            assert_int_equal(note.spread, 1);
            assert_int_equal(hw_params_clock(p), 12);
            hw_params_get(p, 0, x);
            assert_true(x[3] == 3 && x[99] == 4 && x[4999] == 3 && x[90] == 2 && x[129] == 2 && x[0] == 1);
            hw_params_read_at(p, 1, index, 3, 0, seen, &note);
            assert_true(seen[0] == 3 && seen[1] == 4 && seen[2] == 3);
            hw_params_free(p);
        }
    free(x);
}

/* --- sweeps --------------------------------------------------------------------------------------------------------
 */

static void train(const hw_objective *o, const hw_config *c, float *x, hw_result *r)
{
    memset(x, 0, o->parameters * sizeof *x);
    hw_status status = hw_train(o, c, x, r);
    if (status != HW_OK) print_error("%s\n", r->message);
    assert_int_equal(status, HW_OK);
}

static void a_sweep_is_the_steps_to_rounding(void **state)
{
    (void)state;
    hw_sparse s = data(1, ROWS, COLUMNS);
    float *a = check_floats(COLUMNS + 1), *b = check_floats(COLUMNS + 1), weights[2] = {1, 2.5F};
    char why[HW_WHY];
    for (int k = 0; k < 32; k++) {
        hw_sparse_linear m = hw_sparse_linear_defaults((hw_sparse_loss)(k % 4), &s);
        m.intercept = (k & 4) != 0;
        m.l2 = k & 8 ? (k & 4 ? 0.05 : 1e-3) : 0; /* with 0.05 the cap on the decay acts */
        m.class_weight = k % 3 == 0 && k % 4 != HW_SPARSE_SQUARED ? weights : NULL;
        m.prefetch = (unsigned)k % 2;
        hw_objective o;
        hw_result r;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
        hw_config c = config(HW_SEQUENTIAL, 1);
        c.optimizer.rule = k & 16 ? HW_RULE_ADAGRAD : HW_RULE_SGD;
        c.optimizer.schedule.base = k & 16 ? (k & 4 ? 2 : 0.05) : 0.1;
        if (k % 5 == 0) {
            c.optimizer.schedule.kind = HW_SCHEDULE_INV;
            c.optimizer.schedule.gamma = 1e-3;
            c.optimizer.schedule.power = 1;
        }
        c.fused = 0;
        train(&o, &c, a, &r);
        assert_int_equal(r.fused, 0);
        double loss = r.last.metric[0];
        static const hw_write_mode writes[] = {HW_WRITE_RACY, HW_WRITE_ADD, HW_WRITE_STRIPED};
        for (int w = 0; w < 3; w++) {
            c.fused = 1;
            c.write = writes[w];
            c.exchange_interval = w == 2 ? 50 : 1; /* on the one worker's replica */
            train(&o, &c, b, &r);
            assert_true(r.fused >= (w == 2 ? r.updates : r.updates * 14 / 16));
            assert_int_equal(r.updates, 2 * ROWS);
            /* On a replica l2 decays all weights in every step, not the touched ones by more: near on the mean, and to
             * rounding in test_linear_rows.c. */
            bool all = w == 2 && m.l2 > 0 && !(k & 16);
            assert_near(r.last.metric[0], loss, (all ? 2e-2 : 2e-5) * (1 + loss));
            for (size_t i = 0; i < o.parameters; i++)
                assert_near(a[i], b[i], (all ? 0.2 : 2e-4) * (1 + fabs((double)a[i])));
        }
        hw_sparse_linear_free(&m);
    }
    free(a), free(b);
    hw_sparse_free(&s);
}

static void several_workers_learn_as_well(void **state)
{
    (void)state;
    hw_sparse s = data(2, ROWS, COLUMNS);
    float *x = check_floats(COLUMNS);
    char why[HW_WHY];
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
    m.l2 = 1e-3;
    hw_objective o;
    hw_result r;
    assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
    hw_config c = config(HW_SEQUENTIAL, 1);
    c.epochs = 5;
    c.optimizer.schedule.base = 0.3;
    train(&o, &c, x, &r);
    double alone = r.last.metric[0];
    assert_true(alone < 0.6);
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, interval;
        hw_write_mode write;
        size_t exchanged;
        int fused;
    } runs[] = {
        {HW_ASYNC, 2, 1, HW_WRITE_RACY, 0, 1},     {HW_ASYNC, 4, 1, HW_WRITE_ADD, 0, 1},
        {HW_ASYNC, 2, 0, HW_WRITE_STRIPED, 0, 1},  {HW_ASYNC, 4, 20, HW_WRITE_RACY, 0, 1},
        {HW_ASYNC, 3, 33, HW_WRITE_ADD, 64, 1},    {HW_ASYNC, 2, 10, HW_WRITE_LOCKED, 0, 0},
        {HW_SIMULATED, 4, 1, HW_WRITE_RACY, 0, 1}, {HW_SYNC, 2, 1, HW_WRITE_STRIPED, 0, 1},
    };
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        c.scheduler = runs[k].scheduler;
        c.workers = runs[k].workers;
        c.exchange_interval = runs[k].interval;
        c.write = runs[k].write;
        c.exchanged = runs[k].exchanged;
        c.fused = runs[k].fused;
        c.clock_interval = c.scheduler == HW_ASYNC && c.write != HW_WRITE_LOCKED ? 16 : 1;
        c.batch = c.scheduler == HW_SYNC ? 2 : 1;
        m.batch = c.batch;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
        train(&o, &c, x, &r);
        uint64_t updates = 5 * ROWS / c.batch;
        assert_int_equal(r.updates, updates);
        assert_int_equal(r.staleness.updates, updates); /* every update is in the histogram */
        assert_near(r.last.metric[0], alone, c.scheduler == HW_SYNC ? 0.05 : 0.03);
        if (c.scheduler == HW_ASYNC) {
            assert_int_equal(r.fused > 0, runs[k].fused);
            assert_int_equal(r.exchanges > 0, runs[k].interval != 1);
            assert_true(r.exchange_interval >= 1);
            assert_int_equal(isfinite(r.collisions), runs[k].interval == 1);
        }
    }
    hw_sparse_linear_free(&m);
    free(x);
    hw_sparse_free(&s);
}

static void a_chosen_interval_is_reported(void **state)
{
    (void)state;
    hw_sparse s = data(3, 20000, COLUMNS);
    float *x = check_floats(COLUMNS);
    char why[HW_WHY];
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
    hw_objective o;
    hw_result r;
    assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
    hw_config c = config(HW_ASYNC, 2);
    c.exchange_interval = 0;
    train(&o, &c, x, &r);
    assert_in_range(r.exchange_interval, 16, 20000 / 16);
    c = config(HW_SEQUENTIAL, 1); /* alone there is nobody to exchange with */
    c.exchange_interval = 0;
    train(&o, &c, x, &r);
    assert_int_equal(r.exchange_interval, 1);
    assert_int_equal(r.exchanges, 0);
    hw_sparse_linear_free(&m);
    free(x);
    hw_sparse_free(&s);
}

static void what_looks_at_single_updates_steps(void **state)
{
    (void)state;
    hw_sparse s = data(4, 200, COLUMNS);
    float *x = check_floats(COLUMNS);
    char why[HW_WHY];
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_HINGE, &s);
    hw_objective o;
    hw_result r;
    assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
#define STEPS(change)                           \
    do {                                        \
        hw_config c = config(HW_SEQUENTIAL, 1); \
        c.optimizer.schedule.base = 0.05;       \
        train(&o, &c, x, &r);                   \
        assert_true(r.fused > 0);               \
        change;                                 \
        train(&o, &c, x, &r);                   \
        assert_int_equal(r.fused, 0);           \
    } while (0)
    STEPS(c.clock_interval = 1);
    STEPS(c.optimizer.momentum = 0.5);
    STEPS(c.optimizer.clip_norm = 0.1);
    STEPS(c.optimizer.weight_decay = 0.01);
    STEPS(c.on_nan = HW_NAN_SKIP);
    STEPS(c.write = HW_WRITE_STRIPED);
    STEPS(c.optimizer.rule = HW_RULE_ADAM);
    STEPS((c.clock_interval = 1, c.trace = 1));
    STEPS(c.fused = 0);
    hw_sparse_linear_free(&m);
    free(x);
    hw_sparse_free(&s);
}

static void a_sweep_that_diverges_stops(void **state)
{
    (void)state;
    hw_sparse s = data(5, ROWS, COLUMNS);
    float *x = check_floats(COLUMNS);
    char why[HW_WHY];
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_SQUARED, &s);
    hw_objective o;
    hw_result r;
    assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
    for (unsigned workers = 1; workers <= 2; workers++) {
        hw_config c = config(workers == 1 ? HW_SEQUENTIAL : HW_ASYNC, workers);
        c.optimizer.schedule.base = 500;
        memset(x, 0, COLUMNS * sizeof *x);
        assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
        assert_text(r.message, "training stopped at update");
        for (size_t i = 0; i < COLUMNS; i++) assert_true(isfinite(x[i]));
    }
    hw_sparse_linear_free(&m);
    free(x);
    hw_sparse_free(&s);
}

/* Every way that a run can end badly: the code, finite parameters, and every landed update in the histogram. */
static void divergence_is_noticed_everywhere(void **state)
{
    (void)state;
    hw_sparse s = data(9, ROWS, COLUMNS);
    float *x = check_floats(COLUMNS);
    char why[HW_WHY];
    static const hw_sparse_loss losses[] = {HW_SPARSE_SQUARED, HW_SPARSE_SQUARED_HINGE};
    for (int k = 0; k < 12; k++) {
        hw_sparse_linear m = hw_sparse_linear_defaults(losses[k % 2], &s);
        hw_objective o;
        hw_engine *e;
        hw_result r;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
        hw_config c = config(k < 6 ? HW_SEQUENTIAL : HW_ASYNC, k < 6 ? 1 : 2);
        c.optimizer.schedule.base = 300;
        c.epochs = 20;
        c.divergence = k % 4 < 2 ? 10 : 0; /* 0: only what is no number any more stops */
        c.exchange_interval = k % 3 == 0 ? 1 : k % 3 == 1 ? 0 : 40;
        c.clock_interval = k == 4 ? 1 : 16;
        c.path = k % 2 ? HW_PATH_SCALAR : HW_PATH_AUTO;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
        if (hw_engine_run(e, &r) != HW_E_DIVERGED) fail_msg("run %d: %d %s", k, r.status, r.message);
        assert_int_equal(hw_engine_get(e, x), HW_OK);
        for (size_t i = 0; i < COLUMNS; i++) assert_true(isfinite(x[i]));
        if (c.exchange_interval == 1 || k < 6) assert_int_equal(r.staleness.updates, r.updates);
        hw_engine_free(e);
        hw_sparse_linear_free(&m);
    }
    free(x);
    hw_sparse_free(&s);
}

/* The row models too, with and without blocks. */
static void row_models_diverge_with_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_ratings ratings;
    hw_corpus corpus;
    hw_ratings_plan plan = hw_ratings_plan_defaults(4000, 60, 50);
    assert_int_equal(hw_ratings_generate(&plan, &ratings, why), HW_OK);
    assert_int_equal(hw_corpus_generate(40, 4, 300, 10, 1, &corpus, why), HW_OK);
    for (int k = 0; k < 4; k++) {
        hw_factorize f = hw_factorize_defaults(&ratings, 8);
        hw_skipgram g = hw_skipgram_defaults(&corpus);
        hw_objective o;
        hw_result r;
        f.adagrad = 0;
        f.grid = k == 2 ? 4 : 0;
        g.sample = 0;
        assert_int_equal(k < 3 ? hw_factorize_objective(&f, &o, why) : hw_skipgram_objective(&g, &o, why), HW_OK);
        float *x = check_floats(o.parameters);
        if (k < 3)
            hw_factorize_start(&f, 0, 1, x);
        else
            hw_skipgram_start(&g, 1, x);
        hw_config c = config(k == 0 ? HW_SEQUENTIAL : HW_ASYNC, k == 0 ? 1 : 2);
        c.optimizer.schedule.base = k < 3 ? 20 : 1e5;
        c.epochs = 20;
        assert_int_equal(hw_train(&o, &c, x, &r), HW_E_DIVERGED);
        assert_text(r.message, "training stopped at update");
        for (size_t i = 0; i < o.parameters; i++) assert_true(isfinite(x[i]));
        hw_factorize_free(&f);
        hw_skipgram_free(&g);
        free(x);
    }
    hw_ratings_free(&ratings);
    hw_corpus_free(&corpus);
}

typedef struct pairs {
    int count;
} pairs;

static hw_status paired_step(void *self, hw_worker *w, const hw_batch *batch)
{
    const pairs *p = self;
    for (int k = 0; k < p->count; k++) {
        uint32_t at = (uint32_t)batch->step % 4;
        float x, g = 0.1f;
        hw_read_at(w, &at, 1, &x);
        hw_status status = hw_write_at(w, &at, 1, &g, 1);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

static void replicas_count_updates_not_calls(void **state)
{
    (void)state;
    pairs p = {2};
    hw_objective o = hw_objective_defaults("pairs", 4);
    o.self = &p;
    o.step = paired_step;
    for (unsigned interval = 1; interval <= 10; interval += 9) {
        hw_result r;
        hw_config c = config(HW_SEQUENTIAL, 1);
        c.epochs = 0;
        c.updates = 100; /* tickets */
        c.exchange_interval = interval;
        assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
        assert_int_equal(r.updates, 200);
        assert_int_equal(r.staleness.updates, 200);
    }
}

static hw_status slow_step(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self;
    uint64_t from = hw_now();
    while (hw_now() - from < 200000) {
    }
    pairs one = {1};
    return paired_step(&one, w, batch);
}

static void seconds_end_a_long_interval(void **state)
{
    (void)state;
    hw_objective o = hw_objective_defaults("slow", 4);
    o.step = slow_step;
    hw_result r;
    hw_config c = config(HW_ASYNC, 2);
    c.epochs = 0;
    c.seconds = 0.05;
    c.exchange_interval = 1 << 30;
    assert_int_equal(hw_train(&o, &c, NULL, &r), HW_OK);
    assert_int_equal(r.reason, HW_STOP_SECONDS);
    assert_int_equal(r.staleness.updates, r.updates); /* the last exchange brought them all */
    assert_true(r.updates < 100000);
}

/* --- averaging -----------------------------------------------------------------------------------------------------
 */

static void the_mean_of_the_path_is_better_than_its_end(void **state)
{
    (void)state;
    hw_sparse s = data(6, ROWS, COLUMNS);
    float *x = check_floats(COLUMNS), *last = check_floats(COLUMNS);
    char why[HW_WHY];
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
    m.l2 = 1e-2;
    hw_objective o;
    hw_result r;
    assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
    for (int k = 0; k < 2; k++) {
        hw_config c = config(k ? HW_SIMULATED : HW_SEQUENTIAL, k ? 4 : 1);
        if (k) c.clock_interval = 1;
        c.optimizer.schedule.base = 2;
        c.epochs = 10;
        train(&o, &c, last, &r);
        double end = r.last.metric[0];
        c.average_every = 64;
        c.average_from = 0.3;
        train(&o, &c, x, &r);
        assert_true(r.last.metric[0] < end - 0.005);
        assert_memory_not_equal(x, last, COLUMNS * sizeof *x);
        hw_engine *e;
        assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), HW_OK);
        assert_int_equal(hw_engine_average(e, x), HW_E_STATE);
        assert_int_equal(hw_engine_run(e, NULL), HW_OK);
        assert_int_equal(hw_engine_average(e, x), HW_OK);
        assert_int_equal(hw_engine_get(e, last), HW_OK);
        assert_memory_not_equal(x, last, COLUMNS * sizeof *x);
        hw_engine_free(e);
    }
    hw_sparse_linear_free(&m);
    free(x), free(last);
    hw_sparse_free(&s);
}

/* --- order ---------------------------------------------------------------------------------------------------------
 */

typedef struct visits {
    unsigned seen[103], neighbours, steps;
    uint32_t before;
} visits;

static hw_status visit(void *self, hw_worker *w, const hw_batch *batch)
{
    visits *v = self;
    float zero = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        v->seen[batch->index[i]]++;
        v->neighbours += v->steps++ && batch->index[i] == v->before + 1;
        v->before = batch->index[i];
    }
    hw_read_at(w, &at, 1, &zero);
    zero = 0;
    return hw_write_at(w, &at, 1, &zero, 1);
}

static void blocks_of_neighbours_stay_together(void **state)
{
    (void)state;
    visits v;
    hw_objective o = hw_objective_defaults("visits", 1);
    o.self = &v;
    o.step = visit;
    o.examples = 103;
    for (uint32_t block = 1; block <= 128; block *= 2)
        for (uint32_t batch = 1; batch <= 10; batch += 3) {
            memset(&v, 0, sizeof v);
            hw_config c = config(HW_SEQUENTIAL, 1);
            c.shuffle_block = block;
            c.batch = batch;
            c.epochs = 3;
            assert_int_equal(hw_train(&o, &c, NULL, NULL), HW_OK);
            for (int i = 0; i < 103; i++) assert_int_equal(v.seen[i], 3);
            if (block > 1) assert_true(v.neighbours >= 3 * (103 - 103 / block - 2));
            if (block == 1) assert_true(v.neighbours < 30);
        }
}

static void columns_by_frequency(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse a = data(7, 500, COLUMNS), b = data(7, 500, COLUMNS), test = data(8, 100, COLUMNS + 5);
    uint32_t number[COLUMNS], count[COLUMNS], old[COLUMNS];
    unsigned used[COLUMNS] = {0};
    assert_int_equal(hw_sparse_by_frequency(&a, &test, number, why), HW_OK);
    hw_sparse_frequency(&a, count);
    hw_sparse_frequency(&b, old);
    for (uint32_t j = 0; j < COLUMNS; j++) {
        used[number[j]]++;
        assert_int_equal(count[number[j]], old[j]);
        if (j) assert_true(count[j - 1] >= count[j]);
    }
    for (uint32_t j = 0; j < COLUMNS; j++) assert_int_equal(used[j], 1);
    for (uint32_t i = 0; i < a.rows; i++) {
        double was = 0, is = 0; /* a weight that depends on the old number meets the same value */
        for (uint64_t k = b.offset[i]; k < b.offset[i + 1]; k++) was += (double)b.value[k] * sin(b.index[k]);
        for (uint64_t k = a.offset[i]; k < a.offset[i + 1]; k++) {
            if (k > a.offset[i]) assert_true(a.index[k - 1] < a.index[k]);
            uint32_t j = 0;
            while (number[j] != a.index[k]) j++;
            is += (double)a.value[k] * sin(j);
        }
        assert_near(was, is, 1e-6);
    }
    hw_sparse_free(&a), hw_sparse_free(&b), hw_sparse_free(&test);
}

/* Raw deltas of a group's threads: their mean lands. */
static hw_status raw(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self;
    uint32_t at = 1;
    float x;
    hw_read_at(w, &at, 1, &x);
    x = batch->offset ? 3 : 1; /* the first half of a minibatch asks for 1, the second for 3 */
    return hw_add_at(w, &at, 1, &x, 1);
}

static void raw_deltas_of_a_group_are_averaged(void **state)
{
    (void)state;
    hw_objective o = hw_objective_defaults("raw", 4);
    o.step = raw;
    for (int k = 0; k < 3; k++) {
        float x[4] = {0};
        hw_result r;
        hw_config c = config(k == 0 ? HW_SYNC : k == 1 ? HW_GROUPS : HW_SIMULATED, 2);
        c.groups = 1;
        c.simulation.per_group = k == 2 ? 2 : 1;
        c.clock_interval = 1;
        c.shuffle_block = 1;
        c.batch = 2;
        c.epochs = 0;
        c.updates = 10;
        assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
        assert_near(x[1], 20, 0);
        assert_near(x[0], 0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_gives_the_same_to_rounding),
        cmocka_unit_test(an_exchange_adds_and_takes_over),
        cmocka_unit_test(a_sweep_is_the_steps_to_rounding),
        cmocka_unit_test(several_workers_learn_as_well),
        cmocka_unit_test(a_chosen_interval_is_reported),
        cmocka_unit_test(what_looks_at_single_updates_steps),
        cmocka_unit_test(a_sweep_that_diverges_stops),
        cmocka_unit_test(divergence_is_noticed_everywhere),
        cmocka_unit_test(row_models_diverge_with_a_sentence),
        cmocka_unit_test(replicas_count_updates_not_calls),
        cmocka_unit_test(seconds_end_a_long_interval),
        cmocka_unit_test(the_mean_of_the_path_is_better_than_its_end),
        cmocka_unit_test(columns_by_frequency),
        cmocka_unit_test(raw_deltas_of_a_group_are_averaged),
        cmocka_unit_test(blocks_of_neighbours_stay_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
