/* test_linear_rows.c - runs of a linear model's steps against the same in double precision: every loss, both paths, on
 * the shared array and on replicas; decay of what is touched and of all. */
#include "check.h"
#include "../lib/params/door.h"

enum { ROWS = 400, COLUMNS = 70 };

typedef struct model {
    double w[COLUMNS + 1], loss;
} model;

/* One step; z and slopes as the losses are defined. */
static void refer(model *m, const hw_linear_rows *form, uint32_t row, double rate, bool all)
{
    const hw_sparse *d = form->data;
    double z = form->intercept ? m->w[COLUMNS] : 0, y = (double)d->label[row], loss = 0, slope = 0;
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) z += (double)d->value[k] * m->w[d->index[k]];
    double weight = form->class_weight ? (double)form->class_weight[y > 0] : 1, margin = y * z;
    switch (form->loss) {
    case HW_SPARSE_SQUARED: loss = (z - y) * (z - y) / 2, slope = z - y; break;
    case HW_SPARSE_LOGISTIC: loss = log1p(exp(-margin)), slope = -y / (1 + exp(margin)); break;
    case HW_SPARSE_HINGE: loss = margin < 1 ? 1 - margin : 0, slope = margin < 1 ? -y : 0; break;
    default: loss = margin < 1 ? (1 - margin) * (1 - margin) : 0, slope = margin < 1 ? -2 * y * (1 - margin) : 0;
    }
    m->loss += weight * loss;
    if (all) /* an intercept is not decayed; without one the last parameter is one like the others */
        for (int i = 0; i < COLUMNS + !form->intercept; i++) m->w[i] *= fmax(1 - rate * (double)form->l2, 0);
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) {
        double *w = m->w + d->index[k];
        if (!all && form->decay) *w *= 1 - fmin(rate * (double)form->decay[d->index[k]], 1);
        *w -= rate * weight * slope * (double)d->value[k];
    }
    if (form->intercept) m->w[COLUMNS] -= rate * weight * slope;
}

static hw_sparse data(void)
{
    hw_sparse d;
    hw_sparse_plan plan = hw_sparse_plan_defaults(ROWS, COLUMNS);
    plan.nonzeros = 9;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &d, NULL), HW_OK);
    return d;
}

/* Where a run may go: on the array itself, or on a worker's replica. */
typedef struct place {
    hw_write_mode write;
    hw_path path;
    unsigned interval;
    size_t exchanged;
} place;
static const place places[] = {
    {HW_WRITE_RACY, HW_PATH_SCALAR, 1, 0},    {HW_WRITE_RACY, HW_PATH_WIDE, 1, 0},
    {HW_WRITE_ADD, HW_PATH_AUTO, 1, 0},       {HW_WRITE_RACY, HW_PATH_SCALAR, 9, 0},
    {HW_WRITE_RACY, HW_PATH_WIDE, 9, 0},      {HW_WRITE_ADD, HW_PATH_WIDE, 9, 0},
    {HW_WRITE_STRIPED, HW_PATH_SCALAR, 9, 0}, {HW_WRITE_STRIPED, HW_PATH_WIDE, 9, 0},
    {HW_WRITE_RACY, HW_PATH_WIDE, 9, 32},
};

static hw_params *make(const place *at, const model *m)
{
    hw_params *p;
    float start[COLUMNS + 1];
    hw_params_config c = hw_params_defaults(COLUMNS + 1, 2);
    c.write = at->write;
    c.path = at->path;
    c.exchange_interval = at->interval;
    c.exchanged = at->exchanged;
    c.clock_interval = 8;
    if (hw_params_create(&p, &c, NULL) != HW_OK) return NULL; /* no vectors here */
    for (int i = 0; i <= COLUMNS; i++) start[i] = (float)m->w[i];
    hw_params_set(p, 0, start);
    return p;
}

static void check_run(const place *at, const hw_linear_rows *form, bool constant, hw_rng *rng)
{
    model m = {{0}, 0};
    for (int i = 0; i <= COLUMNS; i++) m.w[i] = (double)(float)(0.1 * hw_rng_normal(rng));
    hw_params *p = make(at, &m);
    if (!p) return;
    bool all = form->l2 > 0 && at->interval > 1 && !at->exchanged;
    double loss = 0;
    for (uint32_t from = 0, n; from < ROWS; from += n) {
        uint32_t rows[60];
        float rate[60], now[COLUMNS + 1];
        n = 1 + (uint32_t)hw_rng_below(rng, 60);
        if (n > ROWS - from) n = ROWS - from;
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = (uint32_t)hw_rng_below(rng, ROWS);
            rate[i] = constant ? 0.05f : 0.05f / (float)(1 + (from + i) / 100);
            refer(&m, form, rows[i], (double)rate[i], all);
        }
        loss += hw_params_linear(p, 0, form, rows, rate, n);
        hw_read_note note;
        float one = 1, dot;
        uint32_t column = (uint32_t)hw_rng_below(rng, COLUMNS + 1);
        switch (hw_rng_below(rng, 4)) { /* what else looks at them in between, if anything, sees them as they are */
        case 0: assert_near(hw_params_dot_at(p, 0, &column, &one, 1), m.w[column], 2e-4); break;
        case 1:
            hw_params_read_at(p, 0, &column, 1, 0, &dot, &note);
            assert_near(dot, m.w[column], 2e-4);
            break;
        case 2: (void)hw_params_exchange(p, 0, n, &note); break;
        default: break;
        }
        if (at->interval > 1 && !at->exchanged) continue;
        hw_params_get(p, 0, now);
        for (int i = at->exchanged ? 32 : 0; i <= COLUMNS; i++) assert_near(now[i], m.w[i], 2e-4 * (1 + fabs(m.w[i])));
    }
    hw_read_note note;
    float now[COLUMNS + 1], replica[COLUMNS + 1];
    hw_range whole = {0, COLUMNS + 1};
    (void)hw_params_exchange(p, 0, 1, &note);
    hw_params_get(p, 0, now);
    hw_params_read_ranges(p, 0, &whole, 1, 0, replica, &note);
    for (int i = 0; i <= COLUMNS; i++) {
        assert_near(now[i], m.w[i], 2e-4 * (1 + fabs(m.w[i])));
        assert_true(now[i] == replica[i]);
    }
    assert_near(loss, m.loss, 1e-4 * (1 + m.loss));
    hw_params_free(p);
}

static void runs_are_the_steps_of_the_definition(void **state)
{
    (void)state;
    hw_sparse d = data();
    hw_rng rng;
    float decay[COLUMNS], weights[2] = {0.5f, 2};
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < COLUMNS; i++) decay[i] = (float)hw_rng_uniform(&rng) * (i % 9 ? 1 : 30); /* some at the cap */
    for (size_t at = 0; at < sizeof places / sizeof *places; at++)
        for (int k = 0; k < 32; k++) {
            hw_linear_rows form = {&d, (hw_sparse_loss)(k % 4), k & 4, 0, NULL, NULL, (unsigned)k / 2 % 3};
            if (k & 8) form.decay = decay, form.l2 = 0.02f;
            if (k & 16) form.class_weight = weights;
            check_run(places + at, &form, k % 3 != 0, &rng);
        }
    hw_sparse_free(&d);
}

/* What so strong a decay, or so many steps of one, brings the scale to: the parameters are right all the same. */
static void a_scale_does_not_leave_what_floats_hold(void **state)
{
    (void)state;
    hw_sparse d = data();
    static const float strengths[] = {0.5f, 5, 15, 25, 1e-4f};
    for (size_t at = 3; at < 5; at++)
        for (size_t k = 0; k < 5; k++) {
            model m = {{0}, 0};
            for (int i = 0; i <= COLUMNS; i++) m.w[i] = 1;
            hw_params *p = make(places + at, &m);
            hw_linear_rows form = {&d, HW_SPARSE_LOGISTIC, 1, strengths[k], NULL, NULL, 0};
            float now[COLUMNS + 1];
            hw_read_note note;
            if (!p) continue;
            for (unsigned step = 0; step < 4000; step++) {
                uint32_t row = step % ROWS;
                float rate = 0.05f;
                (void)hw_params_linear(p, 0, &form, &row, &rate, 1);
                refer(&m, &form, row, (double)rate, true);
            }
            (void)hw_params_exchange(p, 0, 4000, &note);
            hw_params_get(p, 0, now);
            for (int i = 0; i <= COLUMNS; i++) assert_near(now[i], m.w[i], 1e-3 * (1 + fabs(m.w[i])));
            hw_params_free(p);
        }
    hw_sparse_free(&d);
}

/* A decay that a float cannot tell from none in one step adds up all the same. */
static void a_small_decay_is_not_lost(void **state)
{
    (void)state;
    hw_sparse d = data();
    static const float nothing[2] = {1e-30f, 1e-30f}; /* of the gradient */
    for (size_t at = 3; at < 8; at++) {
        model m = {{0}, 0};
        for (int i = 0; i <= COLUMNS; i++) m.w[i] = 1 + i % 3;
        hw_params *p = make(places + at, &m);
        if (!p) continue;
        hw_linear_rows form = {&d, HW_SPARSE_LOGISTIC, 1, 2e-7f, NULL, nothing, 0};
        uint32_t rows[ROWS];
        float rate[ROWS], now[COLUMNS + 1];
        hw_read_note note;
        for (uint32_t i = 0; i < ROWS; i++) rows[i] = i, rate[i] = 0.05f;
        for (int k = 0; k < 2500; k++) {
            (void)hw_params_linear(p, 0, &form, rows, rate, ROWS);
            if (k % 25 == 24) (void)hw_params_exchange(p, 0, 25 * ROWS, &note);
        }
        hw_params_get(p, 0, now);
        double left = exp(-2500.0 * ROWS * 0.05 * 2e-7); /* 0.99 */
        for (int i = 0; i < COLUMNS; i++) assert_near(now[i], left * (1 + i % 3), 2e-4);
        assert_near(now[COLUMNS], 1 + COLUMNS % 3, 1e-6);
        hw_params_free(p);
    }
    hw_sparse_free(&d);
}

/* The scale and the correction of an exchange together: what a worker's decayed parameters are, less half of the
 * other's way along the direction where it has changed anything. */
static void a_scale_goes_with_a_correction(void **state)
{
    (void)state;
    hw_sparse d = data();
    for (size_t at = 3; at < 8; at++) {
        model m = {{0}, 0};
        for (int i = 0; i <= COLUMNS; i++) m.w[i] = (double)(float)(0.1 * (i % 5) - 0.2);
        hw_params *p = make(places + at, &m);
        if (!p) continue;
        float u[COLUMNS + 1], one[COLUMNS + 1], now[COLUMNS + 1];
        double length = 0, moved = 0;
        for (int i = 0; i <= COLUMNS; i++) length += (i + 1.0) * (i + 1);
        for (int i = 0; i <= COLUMNS; i++) {
            u[i] = (float)((i + 1) / sqrt(length));
            one[i] = 0.01f * (float)(i % 3);
            moved += (double)u[i] * (double)one[i];
        }
        assert_true(hw__params_set_principal(p, u));
        hw_linear_rows form = {&d, HW_SPARSE_LOGISTIC, 1, 0.5f, NULL, NULL, 0};
        hw_read_note note;
        hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
        hw_range all = {0, COLUMNS + 1};
        uint32_t rows[200];
        float rate[200];
        model before = m;
        for (uint32_t i = 0; i < 200; i++) {
            rows[i] = i;
            rate[i] = 0.05f;
            refer(&m, &form, i, 0.05, true);
        }
        (void)hw_params_linear(p, 0, &form, rows, rate, 200);
        (void)hw_params_write(p, 1, &add, &all, 1, one, &note);
        (void)hw__params_exchange(p, 1, 1, 0, &note);
        (void)hw__params_exchange(p, 0, 200, 0.5, &note);
        hw_params_get(p, 0, now);
        for (int i = 0; i <= COLUMNS; i++) {
            bool same = m.w[i] == before.w[i];
            double next = same ? before.w[i] : m.w[i] - 0.5 * moved * (double)u[i];
            assert_near(now[i], next + (double)one[i], 2e-4);
        }
        hw_params_free(p);
    }
    hw_sparse_free(&d);
}

/* What a state holds of a run of sweeps goes on with the same bits. */
static void sweeps_are_resumed(void **state)
{
    (void)state;
    hw_sparse d = data();
    for (int k = 0; k < 4; k++) {
        hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &d);
        hw_objective o;
        hw_engine *e[3];
        hw_result r;
        char why[HW_WHY];
        float x[2][COLUMNS + 1];
        m.l2 = k % 2 ? 1e-3 : 0;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, why), HW_OK);
        hw_config c = hw_config_defaults();
        c.scheduler = HW_SEQUENTIAL;
        c.workers = 1;
        c.batch = 1;
        c.write = HW_WRITE_RACY;
        c.clock_interval = k < 2 ? 16 : 0;
        c.exchange_interval = k < 2 ? 1 : 0;
        c.optimizer.momentum = 0;
        c.optimizer.schedule.base = 0.05;
        c.compensation.policy = HW_POLICY_NONE;
        c.evaluate_epochs = 0; /* on a replica an evaluation is an exchange, and so are an epoch's end and a run's */
        hw_state *s = hw_state_create();
        for (int i = 0; i < 3; i++) { /* one epoch; the whole run, of two; its rest */
            c.epochs = i ? 2 : 1;
            assert_int_equal(hw_engine_create(e + i, &o, &c, NULL, why), HW_OK);
            if (i == 2 && hw_engine_restore(e[i], s, why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(hw_engine_run(e[i], &r), HW_OK);
            assert_true(r.swept > 300);
            if (i == 0) assert_int_equal(hw_engine_capture(e[0], s), HW_OK);
            if (i) assert_int_equal(hw_engine_get(e[i], x[i - 1]), HW_OK);
        }
        assert_memory_equal(x[0], x[1], o.parameters * sizeof(float));
        for (int i = 0; i < 3; i++) hw_engine_free(e[i]);
        hw_state_free(s);
        hw_sparse_linear_free(&m);
    }
    hw_sparse_free(&d);
}

/* Of many columns only the hottest ones would be exchanged: not where all are decayed. */
static void many_columns_are_decayed_too(void **state)
{
    (void)state;
    hw_sparse d;
    hw_sparse_plan plan = hw_sparse_plan_defaults(4000, 20000);
    plan.nonzeros = 40;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &d, NULL), HW_OK);
    float *x = check_floats(20000);
    double squares[5];
    for (int k = 0; k < 5; k++) { /* none; of what is touched; one worker; two; adagrad, which has only a part */
        hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &d);
        hw_objective o;
        hw_result r;
        m.l2 = k ? 3e-3 : 0;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, NULL), HW_OK);
        assert_true(o.hot > 0 && o.hot < 20000);
        hw_config c = hw_config_defaults();
        c.scheduler = k > 2 ? HW_ASYNC : HW_SEQUENTIAL;
        c.workers = k > 2 ? 2 : 1;
        c.batch = 1;
        c.write = HW_WRITE_RACY;
        c.clock_interval = 0;
        c.exchange_interval = k < 2;
        c.optimizer.rule = k == 4 ? HW_RULE_ADAGRAD : HW_RULE_SGD;
        c.optimizer.momentum = 0;
        c.optimizer.schedule.base = 0.1;
        c.compensation.policy = HW_POLICY_NONE;
        c.epochs = 6;
        memset(x, 0, 20000 * sizeof *x);
        assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
        assert_int_equal(r.exchanges > 0, k > 1);
        squares[k] = 0;
        for (int i = 0; i < 20000; i++) squares[k] += (double)x[i] * (double)x[i];
        hw_sparse_linear_free(&m);
    }
    assert_true(squares[1] < 0.9 * squares[0]);
    assert_near(squares[2] / squares[1], 1, 0.05);
    assert_near(squares[3] / squares[1], 1, 0.1);
    assert_true(squares[4] > 0);
    free(x);
    hw_sparse_free(&d);
}

/* A worker alone takes a replica where decay is quick on one, and nowhere else. */
static void one_worker_takes_a_replica_for_its_decay(void **state)
{
    (void)state;
    hw_sparse d = data();
    float *x = check_floats(COLUMNS + 1);
    for (int k = 0; k < 9; k++) {
        hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &d);
        hw_objective o;
        hw_result r;
        m.l2 = k == 1 ? 0 : 1e-3;
        m.batch = 2;
        assert_int_equal(hw_sparse_linear_objective(&m, &o, NULL), HW_OK);
        hw_config c = hw_config_defaults();
        c.scheduler = HW_SEQUENTIAL;
        c.workers = 1;
        c.batch = k == 2 ? 2 : 1;
        c.clock_interval = 0;
        c.exchange_interval = k == 3 ? 1 : 0;
        c.write = HW_WRITE_RACY;
        c.optimizer.momentum = k == 4 ? 0.5 : 0;
        c.compensation.policy = HW_POLICY_NONE;
        c.optimizer.clip_norm = k == 5 ? 1 : 0;
        c.optimizer.schedule.base = 0.05;
        c.average_every = 100;
        if (k == 6) c.compensation.policy = HW_POLICY_LOOK_AHEAD;
        if (k == 7) c.exchanged = 16;
        if (k == 8) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
        c.epochs = 2;
        memset(x, 0, (COLUMNS + 1) * sizeof *x);
        assert_int_equal(hw_train(&o, &c, x, &r), HW_OK);
        assert_int_equal(r.exchanges > 0, k == 0);
        assert_int_equal(r.updates, k == 2 ? ROWS : 2 * ROWS);
        assert_int_equal(r.staleness.updates, r.updates);
        assert_near(r.staleness.mean, 0, 0);
        if (k == 0) assert_in_range(r.exchange_interval, 16, 100); /* no rarer than what enters the mean */
        hw_sparse_linear_free(&m);
    }
    free(x);
    hw_sparse_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_are_the_steps_of_the_definition),
                                       cmocka_unit_test(a_scale_does_not_leave_what_floats_hold),
                                       cmocka_unit_test(a_scale_goes_with_a_correction),
                                       cmocka_unit_test(a_small_decay_is_not_lost),
                                       cmocka_unit_test(many_columns_are_decayed_too),
                                       cmocka_unit_test(sweeps_are_resumed),
                                       cmocka_unit_test(one_worker_takes_a_replica_for_its_decay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
