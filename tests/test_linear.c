/* test_linear.c - linear models on sparse rows: gradients, every step against plain loops in doubles, what training
 * reaches against optima that small full-batch solvers find here, labels, and every scheduler. The sweeps of the engine
 * are test_sparse.c's. */
#include "check.h"

enum { COLUMNS = 150, ROWS = 1200, CLASSES = 4, WIDEST = (COLUMNS + 1) * CLASSES };

/* Rows with labels that fit the loss; four classes are the best of four drawn models. */
static hw_sparse data(hw_sparse_loss loss, uint64_t seed, uint32_t rows)
{
    hw_sparse s;
    char why[HW_WHY];
    hw_sparse_plan plan = hw_sparse_plan_defaults(rows, COLUMNS);
    plan.nonzeros = 9;
    plan.seed = seed;
    plan.sharpness = 6;
    plan.real_labels = loss == HW_SPARSE_SQUARED;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &s, why), HW_OK);
    if (loss != HW_SPARSE_SOFTMAX) return s;
    hw_rng rng;
    float *truth = check_floats(WIDEST);
    hw_rng_seed(&rng, 99, 0); /* the same models for every seed */
    for (size_t i = 0; i < (size_t)COLUMNS * CLASSES; i++) truth[i] = (float)hw_rng_normal(&rng);
    for (uint32_t i = 0; i < rows; i++) {
        float best = -INFINITY;
        for (uint32_t c = 0; c < CLASSES; c++) {
            float z = 0;
            for (uint64_t k = s.offset[i]; k < s.offset[i + 1]; k++) z += s.value[k] * truth[s.index[k] * CLASSES + c];
            if (z > best) s.label[i] = (float)c;
            best = fmaxf(best, z);
        }
    }
    free(truth);
    return s;
}

static const float class_weights[CLASSES] = {0.5F, 2, 1.25F, 0.8F};

static hw_sparse_linear model(hw_sparse_loss loss, const hw_sparse *s, bool intercept, bool weighed)
{
    hw_sparse_linear m = hw_sparse_linear_defaults(loss, s);
    m.classes = CLASSES;
    m.intercept = intercept;
    m.class_weight = weighed && loss != HW_SPARSE_SQUARED ? class_weights : NULL;
    return m;
}

static void make(hw_sparse_linear *m, hw_objective *o)
{
    char why[HW_WHY];
    if (hw_sparse_linear_objective(m, o, why) != HW_OK) fail_msg("%s", why);
}

static void randomise(float *x, size_t n, double scale)
{
    hw_rng rng;
    hw_rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * hw_rng_normal(&rng));
}

static hw_config config(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = 1;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.2;
    c.compensation.policy = HW_POLICY_NONE;
    c.divergence = 0;
    c.target_metric = 0;
    return c;
}

static void train(const hw_objective *o, const hw_config *c, float *x, hw_result *r)
{
    hw_status status = hw_train(o, c, x, r);
    if (status != HW_OK) print_error("%s\n", r->message);
    assert_int_equal(status, HW_OK);
}

/* --- gradients -----------------------------------------------------------------------------------------------------
 */

static void gradients_are_the_differences_of_the_loss(void **state)
{
    (void)state;
    char why[HW_WHY];
    uint32_t index[35];
    for (uint32_t i = 0; i < 35; i++) index[i] = 5 * i;
    for (int loss = 0; loss <= HW_SPARSE_SOFTMAX; loss++) {
        hw_sparse s = data((hw_sparse_loss)loss, 1, 300);
        for (int k = 0; k < 8; k++) {
            hw_sparse_linear m = model((hw_sparse_loss)loss, &s, k & 1, k & 2);
            m.batch = k & 4 ? 7 : 1;
            hw_objective o;
            make(&m, &o);
            float *x = check_floats(o.parameters);
            randomise(x, o.parameters, 1);
            /* The hinge has a kink, which a difference may straddle. */
            double tolerance = loss == HW_SPARSE_HINGE ? 0.15 : 2e-3;
            if (hw_check_gradient(&o, x, index, 35, 60, tolerance, NULL, why) != HW_OK)
                fail_msg("loss %d, kind %d: %s", loss, k, why);
            free(x);
            hw_sparse_linear_free(&m);
        }
        hw_sparse_free(&s);
    }
}

/* One update on all rows is the mean of all the single steps: with l2 it moves each weight that some row has by
 * rate * l2 * weight more than without, and no other one. */
static void the_lazy_decay_is_l2_on_average(void **state)
{
    (void)state;
    for (int loss = 0; loss <= HW_SPARSE_SOFTMAX; loss++) {
        hw_sparse s = data((hw_sparse_loss)loss, 2, 400);
        unsigned width = loss == HW_SPARSE_SOFTMAX ? CLASSES : 1;
        uint32_t count[COLUMNS];
        float *x[2];
        hw_sparse_frequency(&s, count);
        hw_objective o;
        for (int k = 0; k < 2; k++) {
            hw_sparse_linear m = model((hw_sparse_loss)loss, &s, true, true);
            hw_result r;
            hw_config c = config(HW_SEQUENTIAL, 1);
            m.batch = c.batch = 400;
            m.l2 = k ? 0.01 : 0;
            make(&m, &o);
            x[k] = check_floats(o.parameters);
            randomise(x[k], o.parameters, 1);
            train(&o, &c, x[k], &r);
            assert_int_equal(r.updates, 1);
            hw_sparse_linear_free(&m);
        }
        float *start = check_floats(o.parameters);
        randomise(start, o.parameters, 1);
        for (size_t i = 0; i < o.parameters; i++) {
            bool decayed = i < (size_t)COLUMNS * width && count[i / width];
            double expected = decayed ? 0.2 * 0.01 * (double)start[i] : 0;
            assert_near((double)(x[0][i] - x[1][i]), expected, 3e-6 * (1 + fabs((double)start[i])));
        }
        free(start), free(x[0]), free(x[1]);
        hw_sparse_free(&s);
    }
}

/* --- against plain loops in doubles --------------------------------------------------------------------------------
 */

typedef struct plain {
    double x[WIDEST], state[WIDEST], g[WIDEST];
    bool touched[WIDEST];
} plain;

static double rate_of(const hw_schedule *s, uint64_t t)
{
    return s->kind == HW_SCHEDULE_INV ? s->base * pow(1 + s->gamma * (double)t, -s->power) : s->base;
}

/* Score c becomes the slope over it. */
static void slopes(const hw_sparse_linear *m, double *z, double y)
{
    double sum = 0;
    switch (m->loss) {
    case HW_SPARSE_SQUARED: z[0] -= y; break;
    case HW_SPARSE_LOGISTIC: z[0] = -y / (1 + exp(y * z[0])); break;
    case HW_SPARSE_HINGE: z[0] = y * z[0] < 1 ? -y : 0; break;
    case HW_SPARSE_SQUARED_HINGE: z[0] = y * z[0] < 1 ? -2 * y * (1 - y * z[0]) : 0; break;
    case HW_SPARSE_SOFTMAX:
        for (unsigned c = 0; c < CLASSES; c++) sum += exp(z[c]);
        for (unsigned c = 0; c < CLASSES; c++) z[c] = exp(z[c]) / sum - ((double)c == y);
        break;
    }
    double weight = !m->class_weight ? 1 : (double)m->class_weight[m->loss == HW_SPARSE_SOFTMAX ? (int)y : y > 0];
    for (unsigned c = 0; c < (m->loss == HW_SPARSE_SOFTMAX ? CLASSES : 1); c++) z[c] *= weight;
}

static void add_row(const hw_sparse_linear *m, plain *p, const uint32_t *count, uint32_t row, double share, double rate)
{
    const hw_sparse *s = m->train;
    unsigned width = m->loss == HW_SPARSE_SOFTMAX ? CLASSES : 1;
    double z[CLASSES] = {0};
    for (unsigned c = 0; c < width; c++) {
        if (m->intercept) z[c] = p->x[COLUMNS * width + c];
        for (uint64_t k = s->offset[row]; k < s->offset[row + 1]; k++)
            z[c] += (double)s->value[k] * p->x[s->index[k] * width + c];
    }
    slopes(m, z, (double)s->label[row]);
    for (unsigned c = 0; c < width; c++) {
        for (uint64_t k = s->offset[row]; k < s->offset[row + 1]; k++) {
            size_t i = s->index[k] * width + c;
            double decay = fmin(m->l2 * s->rows / count[s->index[k]], 1 / rate);
            p->g[i] += share * (z[c] * (double)s->value[k] + decay * p->x[i]);
            p->touched[i] = true;
        }
        if (m->intercept) p->g[COLUMNS * width + c] += share * z[c];
        if (m->intercept) p->touched[COLUMNS * width + c] = true;
    }
}

/* One epoch in the engine's order. With l1: Tsuruoka, Tsujii, Ananiadou 2009, Figure 2; state is their q. */
static void plain_epoch(const hw_sparse_linear *m, const hw_config *c, plain *p)
{
    const hw_optimizer *o = &c->optimizer;
    uint32_t count[COLUMNS], rows = m->train->rows;
    unsigned width = m->loss == HW_SPARSE_SOFTMAX ? CLASSES : 1;
    double u = 0;
    hw_sparse_frequency(m->train, count);
    memset(p, 0, sizeof *p);
    for (uint32_t at = 0, t = 0; at < rows; at += c->batch, t++) {
        uint32_t n = rows - at < c->batch ? rows - at : c->batch;
        double rate = rate_of(&o->schedule, t);
        memset(p->g, 0, sizeof p->g);
        memset(p->touched, 0, sizeof p->touched);
        for (uint32_t i = 0; i < n; i++) add_row(m, p, count, hw_permute(c->seed, 0, rows, at + i), 1.0 / n, rate);
        u += rate * m->l1;
        for (size_t i = 0; i < WIDEST; i++) {
            double *q = p->state + i, g = p->g[i], before = p->x[i];
            if (!p->touched[i]) continue;
            if (o->rule == HW_RULE_ADAGRAD) {
                *q += g * g;
                p->x[i] -= rate * g / (sqrt(*q) + o->epsilon);
            } else if (o->rule == HW_RULE_USER) {
                double half = before - rate * g;
                if (i < (size_t)COLUMNS * width) {
                    p->x[i] = half > 0 ? fmax(0, half - (u + *q)) : fmin(0, half + (u - *q));
                    *q += p->x[i] - half;
                } else {
                    p->x[i] = half;
                }
            } else {
                *q = o->momentum * *q - rate * g;
                p->x[i] += *q;
            }
        }
    }
}

/* The library's epoch on `m` under `c` and the loop's. */
static void compare(hw_sparse_linear *m, const hw_config *c, const char *what)
{
    hw_objective o;
    hw_result r;
    plain *p = malloc(sizeof *p);
    assert_non_null(p);
    make(m, &o);
    hw_config own = *c;
    hw_rule rule;
    char why[HW_WHY];
    if (c->optimizer.rule == HW_RULE_USER) {
        assert_int_equal(hw_sparse_linear_rule(m, &own.optimizer.schedule, &rule, why), HW_OK);
        own.optimizer.user_rule = &rule;
    }
    float *x = check_floats(o.parameters);
    train(&o, &own, x, &r);
    plain_epoch(m, c, p);
    double moved = 0;
    for (size_t i = 0; i < o.parameters; i++) {
        moved += fabs(p->x[i]);
        if (!(fabs((double)x[i] - p->x[i]) <= 1e-4 * (1 + fabs(p->x[i]))))
            fail_msg("%s, loss %d, parameter %zu: %.8g, in doubles %.8g", what, (int)m->loss, i, (double)x[i], p->x[i]);
    }
    assert_true(moved > 1);
    free(x), free(p);
    hw_sparse_linear_free(m);
}

static void an_epoch_is_the_one_in_doubles(void **state)
{
    (void)state;
    static const char *const names[] = {"sgd", "sgd in place", "adagrad", "adagrad in place", "momentum"};
    for (int loss = 0; loss <= HW_SPARSE_SOFTMAX; loss++) {
        hw_sparse s = data((hw_sparse_loss)loss, 4, ROWS);
        for (int rule = 0; rule < 5; rule++)
            for (int k = 0; k < 8; k++) {
                hw_config c = config(HW_SEQUENTIAL, 1);
                hw_sparse_linear m = model((hw_sparse_loss)loss, &s, k & 1, k & 1);
                m.batch = c.batch = k & 2 ? 5 : 1;
                m.l2 = k & 4 ? 1e-3 : 0;
                m.prefetch = 2;
                if (rule == 1 || rule == 3) {
                    c.write = HW_WRITE_RACY;
                    c.clock_interval = 16;
                }
                if (rule == 2 || rule == 3) c.optimizer.rule = HW_RULE_ADAGRAD;
                if (rule == 4) c.optimizer.momentum = 0.5;
                c.optimizer.schedule.base = 0.1;
                if (k & 2) {
                    c.optimizer.schedule.kind = HW_SCHEDULE_INV;
                    c.optimizer.schedule.gamma = 1e-3;
                }
                compare(&m, &c, names[rule]);
            }
        hw_sparse_free(&s);
    }
}

static void l1_is_the_published_algorithm(void **state)
{
    (void)state;
    for (int loss = 0; loss <= HW_SPARSE_SOFTMAX; loss++) {
        hw_sparse s = data((hw_sparse_loss)loss, 5, ROWS);
        for (int k = 0; k < 8; k++) {
            hw_config c = config(HW_SEQUENTIAL, 1);
            hw_sparse_linear m = model((hw_sparse_loss)loss, &s, k & 1, false);
            m.batch = c.batch = k & 2 ? 4 : 1;
            m.l1 = 2e-3;
            m.l2 = k & 4 ? 1e-3 : 0;
            c.optimizer.rule = HW_RULE_USER;
            c.write = k & 1 ? HW_WRITE_RACY : HW_WRITE_STRIPED;
            if (k & 4) {
                c.optimizer.schedule.kind = HW_SCHEDULE_INV;
                c.optimizer.schedule.gamma = 1e-4; /* the library takes the rates' integral for their sum */
                c.optimizer.schedule.power = k & 1 ? 1 : 0.75;
            }
            compare(&m, &c, "l1");
        }
        hw_sparse_free(&s);
    }
}

/* --- against optima ------------------------------------------------------------------------------------------------
 */

/* Mean logistic loss and, where g is not NULL, its gradient; without the penalty. */
static double full_batch(const hw_sparse *s, const double *x, double *g)
{
    double loss = 0;
    for (size_t i = 0; g && i < COLUMNS; i++) g[i] = 0;
    for (uint32_t row = 0; row < s->rows; row++) {
        double z = 0, y = (double)s->label[row];
        for (uint64_t k = s->offset[row]; k < s->offset[row + 1]; k++) z += (double)s->value[k] * x[s->index[k]];
        loss += log1p(exp(-y * z)) / s->rows;
        double slope = -y / (1 + exp(y * z)) / s->rows;
        for (uint64_t k = s->offset[row]; g && k < s->offset[row + 1]; k++)
            g[s->index[k]] += slope * (double)s->value[k];
    }
    return loss;
}

static double objective_of(const hw_sparse *s, const double *x, double l2, double l1)
{
    double penalty = 0;
    for (size_t i = 0; i < COLUMNS; i++) penalty += 0.5 * l2 * x[i] * x[i] + l1 * fabs(x[i]);
    return full_batch(s, x, NULL) + penalty;
}

/* Accelerated proximal gradient; rows have length 1, so 1/4 bounds the curvature. */
static double optimum(const hw_sparse *s, double l2, double l1)
{
    double x[COLUMNS] = {0}, y[COLUMNS] = {0}, g[COLUMNS], step = 1 / (0.25 + l2), t = 1;
    for (int k = 0; k < (CHECK_SLOW ? 400 : 1500); k++) {
        double next = (1 + sqrt(1 + 4 * t * t)) / 2;
        (void)full_batch(s, y, g);
        for (size_t i = 0; i < COLUMNS; i++) {
            double z = y[i] - step * (g[i] + l2 * y[i]), old = x[i];
            x[i] = z > 0 ? fmax(0, z - step * l1) : fmin(0, z + step * l1);
            y[i] = x[i] + (t - 1) / next * (x[i] - old);
        }
        t = next;
    }
    return objective_of(s, x, l2, l1);
}

static double reached(const hw_sparse *s, const float *x, double l2, double l1)
{
    double wide[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) wide[i] = (double)x[i];
    return objective_of(s, wide, l2, l1);
}

static void logistic_comes_within_a_hundredth(void **state)
{
    (void)state;
    const double l2 = 1e-3;
    hw_sparse s = data(HW_SPARSE_LOGISTIC, 6, 4000);
    hw_sparse_linear m = model(HW_SPARSE_LOGISTIC, &s, false, false);
    hw_objective o;
    hw_result r;
    m.l2 = l2;
    make(&m, &o);
    float *x = check_floats(COLUMNS);
    double best = optimum(&s, l2, 0);
    for (int k = 0; k < 3; k++) {
        hw_config c = config(k == 2 ? HW_ASYNC : HW_SEQUENTIAL, k == 2 ? 2 : 1);
        c.write = HW_WRITE_RACY;
        c.clock_interval = 16;
        c.epochs = 20;
        c.optimizer.schedule = (hw_schedule){.kind = HW_SCHEDULE_LINEAR, .base = 2, .interval = 20 * 4000};
        if (k > 0) {
            c.optimizer.schedule.kind = HW_SCHEDULE_CONSTANT;
            c.average_every = 16;
            c.average_from = 0.5;
        }
        memset(x, 0, COLUMNS * sizeof *x);
        train(&o, &c, x, &r);
        double loss = reached(&s, x, l2, 0);
        assert_near(r.last.metric[0], loss, 1e-5);
        assert_true(loss > best * (1 - 1e-4));
        /* What a worker that was held up writes late is one step of many in the mean. */
        assert_near(loss, best, (k == 2 ? 0.02 : 0.01) * best);
    }
    free(x);
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s);
}

static void l1_makes_zeros_near_the_optimum(void **state)
{
    (void)state;
    const double l1 = 2e-3;
    hw_sparse s = data(HW_SPARSE_LOGISTIC, 7, 4000);
    hw_sparse_linear m = model(HW_SPARSE_LOGISTIC, &s, false, false);
    hw_objective o;
    hw_result r;
    hw_rule rule;
    char why[HW_WHY];
    m.l1 = l1;
    make(&m, &o);
    assert_null(o.sweep); /* its rule sees single updates */
    float *x = check_floats(COLUMNS);
    hw_config c = config(HW_SEQUENTIAL, 1);
    c.epochs = 40;
    c.optimizer.schedule = (hw_schedule){.kind = HW_SCHEDULE_INV, .base = 2, .gamma = 1.0 / 4000, .power = 1};
    c.optimizer.rule = HW_RULE_USER;
    c.optimizer.user_rule = &rule;
    assert_int_equal(hw_sparse_linear_rule(&m, &c.optimizer.schedule, &rule, why), HW_OK);
    train(&o, &c, x, &r);
    double best = optimum(&s, 0, l1);
    unsigned zeros = 0, others = 0;
    for (size_t i = 0; i < COLUMNS; i++) *(x[i] != 0 ? &others : &zeros) += 1;
    assert_true(zeros > COLUMNS / 5 && others > 3);
    assert_near(r.last.metric[0], reached(&s, x, 0, l1), 1e-5);
    assert_near(r.last.metric[0], best, 0.02 * best);
    free(x);
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s);
}

/* --- classes -------------------------------------------------------------------------------------------------------
 */

static void softmax_finds_the_classes(void **state)
{
    (void)state;
    hw_sparse s = data(HW_SPARSE_SOFTMAX, 8, 4000), test = data(HW_SPARSE_SOFTMAX, 9, 1000);
    hw_sparse_linear m = model(HW_SPARSE_SOFTMAX, &s, true, false);
    hw_objective o;
    hw_result r;
    m.test = &test;
    make(&m, &o);
    assert_int_equal(o.parameters, (COLUMNS + 1) * CLASSES);
    float *x = check_floats(o.parameters);
    hw_config c = config(HW_SEQUENTIAL, 1);
    c.epochs = 20;
    c.optimizer.schedule = (hw_schedule){.kind = HW_SCHEDULE_LINEAR, .base = 4, .interval = 20 * 4000};
    train(&o, &c, x, &r);
    assert_true(r.last.metric[1] > 0.93); /* a fifth of the columns are in two rows of a hundred only */
    double score[CLASSES], sum = 0;
    unsigned right = 0;
    for (uint32_t i = 0; i < test.rows; i++) {
        hw_sparse_linear_scores(&m, x, &test, i, score);
        unsigned best = 0;
        for (unsigned k = 0; k < CLASSES; k++) {
            if (score[k] > score[best]) best = k;
            sum += fabs(score[k]);
        }
        right += best == (unsigned)test.label[i];
    }
    assert_true(sum > 100);
    assert_near(right / 1000.0, r.last.metric[1], 1e-9);
    free(x);
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s), hw_sparse_free(&test);
}

static void class_weights_shift_the_decision(void **state)
{
    (void)state;
    hw_sparse s = data(HW_SPARSE_LOGISTIC, 10, 2000);
    float weights[2] = {1, 1};
    unsigned positive[3];
    hw_sparse_linear m = model(HW_SPARSE_LOGISTIC, &s, true, false);
    m.class_weight = weights;
    float *x = check_floats(COLUMNS + 1);
    for (int k = 0; k < 3; k++) {
        hw_objective o;
        hw_result r;
        hw_config c = config(HW_SEQUENTIAL, 1);
        double score, loss = 0;
        c.epochs = 5;
        weights[0] = k == 0 ? 5 : 1;
        weights[1] = k == 2 ? 5 : 1;
        make(&m, &o);
        memset(x, 0, (COLUMNS + 1) * sizeof *x);
        train(&o, &c, x, &r);
        positive[k] = 0;
        for (uint32_t i = 0; i < s.rows; i++) {
            hw_sparse_linear_scores(&m, x, &s, i, &score);
            positive[k] += score > 0;
            loss += (double)weights[s.label[i] > 0] * log1p(exp(-(double)s.label[i] * score)) / s.rows;
        }
        assert_near(r.last.metric[0], loss, 1e-5); /* the evaluation weighs as well */
    }
    assert_true(positive[0] + 300 < positive[1] && positive[1] + 300 < positive[2]);
    free(x);
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s);
}

static void columns_without_a_weight_do_not_score(void **state)
{
    (void)state;
    hw_sparse s = data(HW_SPARSE_SOFTMAX, 11, 50);
    uint64_t offset[3] = {0, 3, 3};
    uint32_t index[3] = {4, 149, 150}, more[4] = {4, 149, 150, 4000000000U};
    float value[4] = {1.5F, -2, 3, 7}, label[2] = {0, 0}, *x = check_floats(WIDEST);
    hw_sparse few = {.rows = 2, .columns = 150, .nonzeros = 2, .offset = offset, .index = index, .value = value};
    hw_sparse many = {.rows = 2, .columns = UINT32_MAX, .nonzeros = 4, .offset = offset, .index = more, .value = value};
    few.label = many.label = label;
    randomise(x, WIDEST, 1);
    hw_sparse_linear m = model(HW_SPARSE_SOFTMAX, &s, true, false);
    double a[CLASSES], b[CLASSES], empty[CLASSES];
    offset[1] = offset[2] = 2;
    hw_sparse_linear_scores(&m, x, &few, 0, a);
    offset[1] = offset[2] = 4;
    hw_sparse_linear_scores(&m, x, &many, 0, b);
    hw_sparse_linear_scores(&m, x, &many, 1, empty);
    for (unsigned c = 0; c < CLASSES; c++) {
        double z = (double)x[600 + c] + 1.5 * (double)x[16 + c] - 2 * (double)x[149 * 4 + c];
        assert_near(a[c], z, 1e-6);
        assert_near(b[c], z, 1e-6);
        assert_near(empty[c], (double)x[600 + c], 0);
    }
    /* As a test set too. */
    hw_objective o;
    hw_result r;
    m.test = &many;
    make(&m, &o);
    hw_config c = config(HW_SEQUENTIAL, 1);
    train(&o, &c, x, &r);
    assert_true(isfinite(r.last.metric[0]));
    free(x);
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s);
}

/* --- refusals ------------------------------------------------------------------------------------------------------
 */

/* A row without a known column has score 0: what is predicted for it, the negative class, is what accuracy counts. */
static void accuracy_counts_what_is_predicted(void **state)
{
    (void)state;
    uint64_t offset[] = {0, 1, 1, 2, 2};
    uint32_t index[] = {0, 0};
    float value[] = {1, -2}, label[] = {1, -1, -1, 1}, x[] = {0.5F};
    hw_sparse rows = {.rows = 4, .columns = 1, .offset = offset, .index = index, .value = value, .label = label};
    for (hw_sparse_loss loss = HW_SPARSE_LOGISTIC; loss <= HW_SPARSE_SQUARED_HINGE; loss++) {
        if (loss == HW_SPARSE_SQUARED || loss == HW_SPARSE_SOFTMAX) continue;
        hw_sparse_linear m = hw_sparse_linear_defaults(loss, &rows);
        hw_objective o;
        double sums[HW_METRICS] = {0};
        make(&m, &o);
        assert_int_equal(o.evaluate(o.self, NULL, x, 0, 4, sums), HW_OK);
        assert_near(sums[1], 3, 0); /* the last one's score is 0, and its label 1 */
        hw_sparse_linear_free(&m);
    }
    const float dense[] = {1, 0, -2, 0}, target[] = {1, -1, -1, 1};
    for (hw_linear_loss loss = HW_LOSS_LOGISTIC; loss <= HW_LOSS_HINGE; loss++) {
        hw_linear m = {.loss = loss, .x = dense, .target = target, .count = 4, .features = 1};
        hw_objective o;
        char why[HW_WHY];
        const float w[] = {0.5F, 0};
        double sums[HW_METRICS] = {0};
        assert_int_equal(hw_linear_objective(&m, &o, why), HW_OK);
        assert_int_equal(o.evaluate(o.self, NULL, w, 0, 4, sums), HW_OK);
        assert_near(sums[1], 3, 0);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    hw_sparse s = data(HW_SPARSE_LOGISTIC, 12, 60), real = data(HW_SPARSE_SQUARED, 12, 60);
    hw_sparse none = {0};
    hw_objective o;
    hw_rule rule;
    hw_schedule schedule = {.kind = HW_SCHEDULE_CONSTANT, .base = 1};
    char why[HW_WHY];
#define REFUSED(change, code, sentence)                                         \
    do {                                                                        \
        hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s); \
        change;                                                                 \
        assert_int_equal(hw_sparse_linear_objective(&m, &o, why), (code));      \
        assert_text(why, (sentence));                                           \
        assert_null(m.plan);                                                    \
        assert_int_equal(hw_sparse_linear_objective(&m, &o, NULL), (code));     \
    } while (0)
    float bad[4] = {1, 0, 1, 1}, good[4] = {1, 1, 1, 1};
    REFUSED(m.struct_size = 8, HW_E_ARGUMENT, "another version");
    REFUSED(m.train = NULL, HW_E_ARGUMENT, "training set is empty");
    REFUSED(m.train = &none, HW_E_ARGUMENT, "training set is empty");
    REFUSED(m.train = &real, HW_E_ARGUMENT, "label 0 of the training set is");
    REFUSED(m.test = &real, HW_E_ARGUMENT, "of the test set is");
    REFUSED((m.train = &real, m.loss = HW_SPARSE_HINGE), HW_E_ARGUMENT, "this loss takes -1 and +1");
    REFUSED((m.train = &real, m.loss = HW_SPARSE_SOFTMAX, m.classes = 3), HW_E_ARGUMENT, "class numbers below classes");
    REFUSED(m.l2 = -1, HW_E_ARGUMENT, "l2 and l1 at least 0");
    REFUSED(m.l2 = NAN, HW_E_ARGUMENT, "l2 and l1 at least 0");
    REFUSED(m.l2 = INFINITY, HW_E_ARGUMENT, "l2 and l1 at least 0");
    REFUSED(m.l1 = NAN, HW_E_ARGUMENT, "l2 and l1 at least 0");
    REFUSED(m.l1 = INFINITY, HW_E_ARGUMENT, "l2 and l1 at least 0");
    REFUSED(m.batch = 0, HW_E_ARGUMENT, "batch at least 1");
    REFUSED(m.batch = UINT32_MAX, HW_E_LIMIT, "batch");
    REFUSED(m.loss = (hw_sparse_loss)9, HW_E_ARGUMENT, "one of its enum");
    REFUSED((m.loss = HW_SPARSE_SOFTMAX, m.classes = 1), HW_E_ARGUMENT, "[2, 256]");
    REFUSED((m.loss = HW_SPARSE_SOFTMAX, m.classes = 257), HW_E_ARGUMENT, "[2, 256]");
    REFUSED(m.class_weight = bad, HW_E_ARGUMENT, "class_weight[1] is 0");
    REFUSED((m.loss = HW_SPARSE_SQUARED, m.class_weight = good), HW_E_ARGUMENT, "no classes to weigh");
    s.label[7] = NAN;
    REFUSED((void)0, HW_E_ARGUMENT, "label 7 of the training set");
    REFUSED(m.loss = HW_SPARSE_SQUARED, HW_E_ARGUMENT, "label 7 of the training set");
    REFUSED((m.loss = HW_SPARSE_SOFTMAX, m.classes = 4), HW_E_ARGUMENT, "of the training set is -1");
    s.label[7] = 1;
    assert_int_equal(hw_sparse_linear_objective(NULL, &o, why), HW_E_ARGUMENT);
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
    assert_int_equal(hw_sparse_linear_objective(&m, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_linear_rule(&m, &schedule, &rule, why), HW_E_ARGUMENT);
    make(&m, &o);
    assert_int_equal(hw_sparse_linear_rule(&m, NULL, &rule, why), HW_E_ARGUMENT);
    schedule.kind = HW_SCHEDULE_COSINE;
    assert_int_equal(hw_sparse_linear_rule(&m, &schedule, &rule, why), HW_E_UNSUPPORTED);
    assert_text(why, "constant and inv");
    schedule = (hw_schedule){.kind = HW_SCHEDULE_INV, .base = 1, .gamma = 1, .power = 1, .warmup = 5};
    assert_int_equal(hw_sparse_linear_rule(&m, &schedule, &rule, why), HW_E_UNSUPPORTED);
    hw_sparse_linear_free(&m);
    hw_sparse_linear_free(&m);
    hw_sparse_linear_free(NULL);
    hw_sparse_free(&s), hw_sparse_free(&real);
}

/* --- every scheduler -----------------------------------------------------------------------------------------------
 */

static void every_scheduler_trains(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups;
        hw_clock_kind clock;
        uint32_t batch;
    } runs[] = {
        {HW_SEQUENTIAL, 1, 1, HW_CLOCK_ROUND_ROBIN, 1}, {HW_SEQUENTIAL, 1, 1, HW_CLOCK_ROUND_ROBIN, 3},
        {HW_ASYNC, 1, 1, HW_CLOCK_ROUND_ROBIN, 1},      {HW_ASYNC, 2, 1, HW_CLOCK_ROUND_ROBIN, 1},
        {HW_ASYNC, 3, 1, HW_CLOCK_ROUND_ROBIN, 2},      {HW_ASYNC, 4, 1, HW_CLOCK_ROUND_ROBIN, 1},
        {HW_SYNC, 3, 1, HW_CLOCK_ROUND_ROBIN, 6},       {HW_GROUPS, 4, 2, HW_CLOCK_ROUND_ROBIN, 4},
        {HW_SIMULATED, 5, 1, HW_CLOCK_ROUND_ROBIN, 1},  {HW_SIMULATED, 5, 1, HW_CLOCK_EXPONENTIAL, 1},
    };
    enum { LOGISTIC, SOFTMAX, L1, KINDS };
    float *x = check_floats(WIDEST), *again = check_floats(WIDEST);
    for (int kind = 0; kind < KINDS; kind++) {
        hw_sparse_loss loss = kind == SOFTMAX ? HW_SPARSE_SOFTMAX : HW_SPARSE_LOGISTIC;
        hw_sparse s = data(loss, 13, ROWS);
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
            hw_sparse_linear m = model(loss, &s, true, false);
            hw_objective o;
            hw_result r;
            hw_rule rule;
            char why[HW_WHY];
            hw_config c = config(runs[k].scheduler, runs[k].workers);
            m.l2 = 1e-4;
            m.l1 = kind == L1 ? 1e-4 : 0;
            m.batch = c.batch = runs[k].batch;
            c.groups = runs[k].groups;
            c.simulation.clock = runs[k].clock;
            c.epochs = 3;
            c.optimizer.schedule.base = 0.5 * c.batch;
            make(&m, &o);
            if (kind == L1) {
                c.optimizer.rule = HW_RULE_USER;
                c.optimizer.user_rule = &rule;
                assert_int_equal(hw_sparse_linear_rule(&m, &c.optimizer.schedule, &rule, why), HW_OK);
            }
            memset(x, 0, WIDEST * sizeof *x);
            train(&o, &c, x, &r);
            assert_int_equal(r.updates, 3 * ROWS / c.batch);
            assert_int_equal(r.staleness.updates, r.updates);
            assert_true(r.last.metric[0] < (kind == SOFTMAX ? 1.15 : 0.62) && r.last.metric[1] > 0.6);
            if (c.scheduler == HW_SIMULATED || c.scheduler == HW_SEQUENTIAL) {
                c.simulation.threads = c.scheduler == HW_SIMULATED ? 1 : 0;
                memset(again, 0, WIDEST * sizeof *x);
                train(&o, &c, again, &r);
                assert_memory_equal(x, again, o.parameters * sizeof *x);
            }
            hw_sparse_linear_free(&m);
        }
        hw_sparse_free(&s);
    }
    free(x), free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_differences_of_the_loss),
        cmocka_unit_test(the_lazy_decay_is_l2_on_average),
        cmocka_unit_test(an_epoch_is_the_one_in_doubles),
        cmocka_unit_test(l1_is_the_published_algorithm),
        cmocka_unit_test(logistic_comes_within_a_hundredth),
        cmocka_unit_test(l1_makes_zeros_near_the_optimum),
        cmocka_unit_test(softmax_finds_the_classes),
        cmocka_unit_test(class_weights_shift_the_decision),
        cmocka_unit_test(columns_without_a_weight_do_not_score),
        cmocka_unit_test(accuracy_counts_what_is_predicted),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(every_scheduler_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
