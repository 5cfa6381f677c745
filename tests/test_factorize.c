/* test_factorize.c - matrix factorisation: gradients, a plain reference, step against sweep, scalar against wide, the
 * grid, and every scheduler. */
#include "check.h"
#include <stdatomic.h>

enum { USERS = 40, ITEMS = 30, COUNT = 500 };

static hw_ratings generated(uint32_t count, uint32_t users, uint32_t items, unsigned rank, double noise)
{
    char why[HW_WHY];
    hw_ratings r;
    hw_ratings_plan plan = hw_ratings_plan_defaults(count, users, items);
    plan.rank = rank;
    plan.noise = noise;
    if (hw_ratings_generate(&plan, &r, why) != HW_OK) fail_msg("%s", why);
    return r;
}

/* One worker that visits the ratings in their order. */
static hw_config in_order(double rate, double epochs, uint32_t count)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.batch = 1;
    c.write = HW_WRITE_RACY;
    c.clock_interval = 64;
    c.shuffle_block = count;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = rate;
    c.compensation.policy = HW_POLICY_NONE;
    c.curvature = -1;
    c.epochs = epochs;
    c.evaluate_epochs = 0;
    c.divergence = 0; /* single ratings' losses scatter by more than ten */
    return c;
}

static float *start_of(const hw_factorize *m, const hw_objective *o)
{
    float *x = check_floats(o->parameters);
    hw_rng rng;
    hw_factorize_start(m, 1.5, 7, x);
    hw_rng_seed(&rng, 3, 3);
    for (size_t r = 0; r < (size_t)m->train->users + m->train->items; r++) /* biases that are not zero */
        if (m->biases) x[m->pairs.head_a + hw_pairs_apart(&m->pairs) * r] = (float)(0.3 * hw_rng_normal(&rng));
    return x;
}

static void open_model(hw_factorize *m, hw_objective *o)
{
    char why[HW_WHY] = "";
    if (hw_factorize_objective(m, o, why) != HW_OK) fail_msg("%s", why);
}

/* --- the reference: plain loops in double --------------------------------------------------------------------------
 */

typedef struct row {
    size_t at, head;
} row;

/* Minibatches of `batch` ratings in order, momentum on what a minibatch touches. x, v: parameters. Returns the mean of
 * e^2 / 2 in the last epoch. */
static double reference(const hw_factorize *m, size_t n, double rate, double mu, uint32_t batch, unsigned epochs,
                        double *x, double *v)
{
    const hw_pairs *f = &m->pairs;
    const hw_ratings *r = m->train;
    double *g = calloc(n, sizeof *g), loss = 0, l2 = (double)f->l2;
    char *touched = calloc(n, 1);
    for (unsigned epoch = 0; epoch < epochs; epoch++) {
        loss = 0;
        for (uint32_t from = 0; from < r->count; from += batch) {
            uint32_t count = r->count - from < batch ? r->count - from : batch;
            memset(g, 0, n * sizeof *g);
            memset(touched, 0, n);
            for (uint32_t i = from; i < from + count; i++) {
                const hw_rating *t = r->rating + i;
                row p = {f->a + t->user * f->stride, f->head_a + hw_pairs_apart(f) * t->user};
                row q = {f->b + t->item * f->stride, f->head_b + hw_pairs_apart(f) * t->item};
                double e = (double)t->value - (double)f->mean;
                for (unsigned d = 0; d < f->rank; d++) e -= x[p.at + d] * x[q.at + d];
                if (f->biases) e -= x[p.head] + x[q.head];
                for (unsigned d = 0; d < f->rank; d++) {
                    g[p.at + d] += (l2 * x[p.at + d] - e * x[q.at + d]) / count;
                    g[q.at + d] += (l2 * x[q.at + d] - e * x[p.at + d]) / count;
                    touched[p.at + d] = touched[q.at + d] = 1;
                }
                touched[p.head] = touched[q.head] = 1;
                if (f->biases) {
                    g[p.head] += (l2 * x[p.head] - e) / count;
                    g[q.head] += (l2 * x[q.head] - e) / count;
                }
                loss += 0.5 * e * e;
            }
            for (size_t k = 0; k < (size_t)r->users + r->items; k++) { /* users' rows, then items' */
                size_t at = k * f->stride, head = f->head_a + hw_pairs_apart(f) * k;
                double step = f->adagrad ? rate / sqrt(x[head + 1]) : rate, sum = 0;
                if (!touched[head]) continue;
                for (unsigned d = 0; d <= f->rank; d++) {
                    size_t j = d < f->rank ? at + d : head;
                    if (d < f->rank) sum += g[j] * g[j];
                    v[j] = mu * v[j] - step * g[j];
                    x[j] += v[j];
                }
                if (f->adagrad) x[head + 1] += sum / f->rank;
            }
        }
    }
    free(g);
    free(touched);
    return loss / r->count;
}

static void compare(const float *x, const double *y, size_t n, double tolerance, const char *what)
{
    size_t worst = 0;
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - y[i]) <= fabs((double)x[worst] - y[worst]))) worst = i;
    double apart = fabs((double)x[worst] - y[worst]);
    if (!(apart <= tolerance * (1 + fabs(y[worst]))))
        fail_msg("%s: parameter %zu is %.8g, expected %.8g", what, worst, (double)x[worst], y[worst]);
}

/* Trains with c and holds it against the reference. */
static void against_reference(hw_factorize *m, const hw_config *c, bool fused, const char *what)
{
    hw_objective o;
    hw_result result;
    open_model(m, &o);
    float *x = start_of(m, &o);
    double *y = calloc(o.parameters, sizeof *y), *v = calloc(o.parameters, sizeof *v);
    for (size_t i = 0; i < o.parameters; i++) y[i] = (double)x[i];
    (void)reference(m, o.parameters, c->optimizer.schedule.base, c->optimizer.momentum, c->batch, (unsigned)c->epochs,
                    y, v);
    if (hw_train(&o, c, x, &result) != HW_OK) fail_msg("%s: %s", what, result.message);
    assert_int_equal(result.fused > 0, fused);
    compare(x, y, o.parameters, 5e-5, what);
    for (size_t r = 0; r < USERS + ITEMS; r++) /* what is past the rank stays zero */
        for (size_t d = m->rank; d < m->pairs.stride; d++) assert_true(x[r * m->pairs.stride + d] == 0);
    free(x);
    free(y);
    free(v);
    hw_factorize_free(m);
}

static void golden(void **state)
{
    static const unsigned ranks[] = {1, 5, 8, 16, 32, 33, 100};
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    (void)state;
    for (unsigned k = 0; k < 7 * 4; k++) {
        char what[100];
        hw_factorize m = hw_factorize_defaults(&r, ranks[k / 4]);
        m.scale = 1; /* the reference has none */
        m.biases = k & 1;
        m.adagrad = k >> 1 & 1;
        hw_config c = in_order(m.adagrad ? 0.1 : 0.02, 2, COUNT);
        for (int way = 0; way < 6; way++) {
            hw_config w = c;
            w.fused = way != 0; /* the step; the sweep by vectors, in plain C, and with compare-and-swap */
            if (way == 2) w.path = HW_PATH_SCALAR;
            if (way == 3) w.write = HW_WRITE_ADD;
            if (way >= 4) w.exchange_interval = 100; /* on a replica of everything, and of some leading rows */
            if (way == 5) w.exchanged = 50 * ((m.rank + 15) / 16 * 16) + 7;
            (void)snprintf(what, sizeof what, "rank %u, biases %d, adagrad %d, way %d", m.rank, m.biases, m.adagrad,
                           way);
            against_reference(&m, &w, way != 0, what);
        }
    }
    hw_ratings_free(&r);
}

/* Rows that come twice in a minibatch, momentum on touched rows, and a schedule that moves within a run. */
static void other_steps(void **state)
{
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        hw_factorize m = hw_factorize_defaults(&r, 9);
        m.scale = 1;
        m.biases = k & 1;
        m.adagrad = k >> 1 & 1;
        m.batch = 16;
        hw_config c = in_order(0.1, 2, COUNT);
        c.batch = 16;
        against_reference(&m, &c, false, "minibatch");
        if (m.adagrad) continue;
        c.batch = 1;
        c.optimizer.momentum = 0.8;
        c.optimizer.schedule.base = 0.01;
        against_reference(&m, &c, false, "momentum");
    }
    for (unsigned k = 0; k < 2; k++) {
        float *x[2];
        hw_factorize m = hw_factorize_defaults(&r, 20);
        hw_objective o;
        hw_config c = in_order(0.05, 2, COUNT);
        m.adagrad = (int)k;
        c.optimizer.schedule.kind = HW_SCHEDULE_INV;
        c.optimizer.schedule.gamma = 0.01;
        c.optimizer.schedule.warmup = 100;
        open_model(&m, &o);
        for (int fused = 0; fused < 2; fused++) {
            hw_result result;
            x[fused] = start_of(&m, &o);
            c.fused = fused;
            assert_int_equal(hw_train(&o, &c, x[fused], &result), HW_OK);
            assert_int_equal(result.fused > 0, fused);
        }
        for (size_t i = 0; i < o.parameters; i++) assert_near((double)x[1][i], (double)x[0][i], 5e-5);
        free(x[0]);
        free(x[1]);
        hw_factorize_free(&m);
    }
    hw_ratings_free(&r);
}

static void gradients(void **state)
{
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    (void)state;
    for (int biases = 0; biases < 2; biases++) {
        uint32_t index[40];
        char why[HW_WHY] = "";
        hw_objective o;
        hw_factorize m = hw_factorize_defaults(&r, 5);
        m.biases = biases;
        m.adagrad = 0;
        m.batch = 40;
        m.l2 = 0; /* the reported loss is without the penalty; the reference loop tests that */
        for (uint32_t i = 0; i < 40; i++) index[i] = 7 * i;
        open_model(&m, &o);
        float *x = start_of(&m, &o);
        if (hw_check_gradient(&o, x, index, 40, 0, 5e-3, NULL, why) != HW_OK) fail_msg("%s", why);
        free(x);
        hw_factorize_free(&m);
    }
    hw_ratings_free(&r);
}

/* The kernel by itself: what it returns, that it counts, and lists with and without an index. */
static void kernel(void **state)
{
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    (void)state;
    for (int k = 0; k < 4; k++) {
        uint32_t index[COUNT];
        hw_objective o;
        hw_params *p;
        hw_factorize m = hw_factorize_defaults(&r, k & 1 ? 32 : 70);
        open_model(&m, &o);
        float *x = start_of(&m, &o);
        double *y = calloc(o.parameters, sizeof *y), *v = calloc(o.parameters, sizeof *v);
        for (size_t i = 0; i < o.parameters; i++) y[i] = (double)x[i];
        for (uint32_t i = 0; i < COUNT; i++) index[i] = i;
        hw_params_config c = hw_params_defaults(o.parameters, 1);
        c.write = HW_WRITE_RACY;
        c.clock_interval = 8;
        c.path = k & 2 ? HW_PATH_SCALAR : HW_PATH_AUTO;
        assert_int_equal(hw_params_create(&p, &c, NULL), HW_OK);
        hw_params_set(p, 0, x);
        double expected = reference(&m, o.parameters, 0.1, 0, 1, 1, y, v);
        double loss = hw_params_pairs(p, 0, &m.pairs, r.rating, index, 101, 0.1f);
        loss += hw_params_pairs(p, 0, &m.pairs, r.rating + 101, NULL, COUNT - 101, 0.1f);
        assert_near(loss / COUNT, expected, 1e-5 * expected);
        assert_int_equal(hw_params_clock(p), COUNT);
        hw_params_get(p, 0, x);
        compare(x, y, o.parameters, 5e-5, "kernel");
        hw_params_free(p);
        hw_factorize_free(&m);
        free(x);
        free(y);
        free(v);
    }
    hw_ratings_free(&r);
}

/* --- the grid ------------------------------------------------------------------------------------------------------
 */

/* An objective that only looks at what it is handed: how often each example came, and who else was in its groups. */
typedef struct witness {
    const hw_block *block;
    uint32_t blocks;
    atomic_uint visits[COUNT], busy[64], shared;
} witness;

static const hw_block *block_of(const witness *s, uint32_t example)
{
    for (uint32_t b = 0; b < s->blocks; b++)
        if (example - s->block[b].first < s->block[b].count) return s->block + b;
    return NULL;
}

static void visit(witness *s, const uint32_t *index, uint32_t count)
{
    const hw_block *b = block_of(s, index[0]);
    for (int k = 0; k < 2; k++)
        if (atomic_fetch_add(s->busy + b->group[k], 1) > 0) atomic_fetch_add(&s->shared, 1);
    for (uint32_t i = 0; i < count; i++) {
        atomic_fetch_add(s->visits + index[i], 1);
        if (block_of(s, index[i]) != b) atomic_fetch_add(&s->shared, 1);
        for (volatile int wait = 0; wait < 200;) wait = wait + 1;
    }
    for (int k = 0; k < 2; k++) atomic_fetch_sub(s->busy + b->group[k], 1);
}

static hw_status witness_step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_range range = {0, 1};
    float x = 0;
    visit(self, batch->index, batch->count);
    hw_read_ranges(w, &range, 1, &x);
    x = 0;
    return hw_write_ranges(w, &range, 1, &x, 1);
}

static hw_status witness_sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    visit(self, run->index, run->count);
    for (uint32_t i = 0; i < run->count; i++) hw_sweep_landed(w, 1);
    *loss = run->count;
    return HW_OK;
}

static void grid(void **state)
{
    enum { EPOCHS = 6 };
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        witness *s = calloc(1, sizeof *s);
        hw_factorize m = hw_factorize_defaults(&r, 4);
        hw_objective o, look = hw_objective_defaults("witness", 16);
        hw_result result;
        float x[16] = {0};
        unsigned total = 0;
        m.grid = 8;
        open_model(&m, &o);
        assert_true(o.blocks > 1 && o.blocks <= 64 && o.block_groups == 16);
        s->block = o.block;
        s->blocks = o.blocks;
        look.self = s;
        look.examples = COUNT;
        look.step = witness_step;
        look.sweep = witness_sweep;
        look.block = o.block;
        look.blocks = o.blocks;
        look.block_groups = o.block_groups;
        hw_config c = in_order(0.1, EPOCHS, COUNT);
        c.scheduler = HW_ASYNC;
        c.workers = workers;
        c.clock_interval = 4;
        if (hw_train(&look, &c, x, &result) != HW_OK) fail_msg("%s", result.message);
        assert_int_equal(s->shared, 0);
        for (uint32_t i = 0; i < COUNT; i++) {
            total += s->visits[i];
            assert_int_equal(s->visits[i], EPOCHS);
        }
        assert_int_equal(total, EPOCHS * COUNT);
        free(s);
        hw_factorize_free(&m);
    }
    hw_ratings_free(&r);
}

/* --- runs ----------------------------------------------------------------------------------------------------------
 */

static double rmse(hw_factorize *m, const hw_config *c, float **kept)
{
    hw_objective o;
    hw_result result;
    open_model(m, &o);
    float *x = check_floats(o.parameters);
    hw_factorize_start(m, 0, 5, x);
    if (hw_train(&o, c, x, &result) != HW_OK) fail_msg("%s", result.message);
    for (size_t i = 0; i < o.parameters; i++) assert_true(isfinite(x[i]));
    hw_factorize_free(m);
    if (kept)
        *kept = x;
    else
        free(x);
    return sqrt(result.last.metric[0]);
}

static void low_rank(void **state)
{
    const double noise = 0.4;
    hw_ratings all = generated(40000, 250, 150, 4, noise), train, test;
    (void)state;
    assert_int_equal(hw_ratings_split(&all, 0.1, 1, &train, &test, NULL), HW_OK);
    hw_factorize m = hw_factorize_defaults(&train, 4);
    m.test = &test;
    m.l2 = 0.01;
    hw_config c = in_order(0.1, 30, 256);
    double alone = rmse(&m, &c, NULL);
    print_message("generated, noise %.2f: RMSE %.4f\n", noise, alone);
    assert_true(alone <= 1.1 * noise);
    m.grid = 4;
    assert_true(rmse(&m, &c, NULL) <= 1.1 * noise);
    m.adagrad = 0;
    m.grid = 0;
    c.optimizer.schedule.base = 0.02;
    assert_true(rmse(&m, &c, NULL) <= 1.1 * noise);
    m.adagrad = 1;
    c.optimizer.schedule.base = 0.1;
    c.scheduler = HW_ASYNC;
    for (c.workers = 2; c.workers <= 4; c.workers += 2)
        for (int way = 0; way < 3; way++) {
            m.grid = way == 1 ? 2 * c.workers : 0;
            c.exchange_interval = way == 2 ? 200 : 1;
            double together = rmse(&m, &c, NULL);
            print_message("%u workers, way %d: RMSE %.4f\n", c.workers, way, together);
            assert_true(together <= 1.15 * alone);
        }
    hw_ratings_free(&train);
    hw_ratings_free(&test);
}

static void schedulers(void **state)
{
    if (check_emulated()) skip(); /* whole trainings */
    hw_ratings r = generated(3000, USERS, ITEMS, 3, 0.3);
    (void)state;
    for (int adagrad = 0; adagrad < 2; adagrad++) {
        float *x[2];
        hw_factorize m = hw_factorize_defaults(&r, 6);
        m.adagrad = adagrad;
        m.batch = 8;
        hw_config c = in_order(adagrad ? 0.1 : 0.03, 5, 1);
        c.clock_interval = 1;
        c.scheduler = HW_SIMULATED;
        c.workers = 4;
        double error = rmse(&m, &c, x);
        assert_near(rmse(&m, &c, x + 1), error, 0);
        hw_objective o;
        open_model(&m, &o);
        assert_memory_equal(x[0], x[1], o.parameters * sizeof(float));
        hw_factorize_free(&m);
        assert_true(error < 0.7);
        free(x[0]);
        free(x[1]);
        c.batch = 8;
        c.epochs = 30;
        c.scheduler = HW_SYNC;
        assert_true(rmse(&m, &c, NULL) < 0.7);
        c.scheduler = HW_GROUPS;
        c.groups = 2;
        assert_true(rmse(&m, &c, NULL) < 0.7);
    }
    hw_ratings_free(&r);
}

static void refuses(hw_factorize m, const char *sentence)
{
    hw_objective o;
    char why[HW_WHY] = "";
    assert_int_not_equal(hw_factorize_objective(&m, &o, why), HW_OK);
    assert_text(why, sentence);
    hw_factorize_free(&m);
}

static void refusals(void **state)
{
    hw_ratings r = generated(100, USERS, ITEMS, 3, 0.3), bad = r, none = {0};
    hw_rating list[1] = {{USERS, 0, 1}};
    const hw_factorize good = hw_factorize_defaults(&r, 4);
    hw_objective o;
    char why[HW_WHY];
    (void)state;
    hw_factorize m = good;
    m.struct_size = 1;
    refuses(m, "hw_factorize_defaults");
    refuses(hw_factorize_defaults(NULL, 4), "no ratings");
    refuses(hw_factorize_defaults(&none, 4), "no ratings");
    refuses(hw_factorize_defaults(&r, 0), "[1, 1024]");
    refuses(hw_factorize_defaults(&r, 1025), "1025");
    m = good;
    m.l2 = -1;
    refuses(m, "not negative");
    m.l2 = NAN;
    refuses(m, "not negative");
    m = good;
    m.batch = 0;
    refuses(m, "batch is 0");
    m = good;
    m.grid = ITEMS + 1;
    refuses(m, "items (30)");
    bad.rating = list;
    bad.count = 1;
    refuses(hw_factorize_defaults(&bad, 4), "train rating 0 is user 40");
    m = good;
    m.test = &bad;
    refuses(m, "test rating 0");
    list[0] = (hw_rating){0, 0, INFINITY};
    refuses(m, "finite");
    bad.users = bad.items = 1u << 31;
    refuses(hw_factorize_defaults(&bad, 4), "finite");
    list[0].value = 1;
    refuses(hw_factorize_defaults(&bad, 4), "2^32");
    assert_int_equal(hw_factorize_objective(NULL, &o, why), HW_E_ARGUMENT);
    m = good;
    assert_int_equal(hw_factorize_objective(&m, NULL, why), HW_E_ARGUMENT);
    hw_factorize_free(NULL);
    hw_ratings_free(&r);
}

/* Ratings of 0 to 100, or of millionths, train as those of 0 to 5 do: predictions and errors are theirs in proportion,
 * with AdaGrad and without, in blocks and without. */
static void the_scale_of_the_ratings_does_not_matter(void **state)
{
    static const float times[] = {1, 20, 1e6F, 1e-6F};
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        double first[USERS], error = 0;
        for (unsigned t = 0; t < 4; t++) {
            hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
            for (uint32_t i = 0; i < r.count; i++) r.rating[i].value *= times[t];
            r.mean *= (double)times[t];
            hw_factorize m = hw_factorize_defaults(&r, 8);
            m.adagrad = k & 1;
            m.grid = k & 2 ? 4 : 0;
            hw_objective o;
            hw_config c = in_order(m.adagrad ? 0.1 : 0.02, 5, COUNT);
            hw_result result;
            open_model(&m, &o);
            float *x = start_of(&m, &o);
            assert_int_equal(hw_train(&o, &c, x, &result), HW_OK);
            double rmse = sqrt(result.last.metric[0]) / (double)times[t];
            if (t == 0) error = rmse;
            assert_near(rmse, error, 1e-4 * error);
            for (uint32_t u = 0; u < USERS; u++) {
                double p = hw_factorize_predict(&m, x, u, u % ITEMS) / (double)times[t];
                if (t == 0) first[u] = p;
                assert_near(p, first[u], 2e-3);
            }
            free(x);
            hw_factorize_free(&m);
            hw_ratings_free(&r);
        }
    }
}

/* A program of 0.1 has a shorter model, without a scale: it trains on the values as they are. Its heads lie where it
 * looks for them, two floats each; those of others have a line each, which nobody else writes to. */
static void a_model_of_the_first_release_has_the_scale_1(void **state)
{
    (void)state;
    hw_ratings r = generated(COUNT, USERS, ITEMS, 3, 0.5);
    float *x[2];
    hw_pairs at[2];
    for (int old = 0; old < 2; old++) {
        hw_factorize m;
        hw_objective o;
        hw_config c = in_order(0.1, 2, COUNT);
        memset(&m, 0xff, sizeof m);
        assert_int_equal(hw_factorize_init(&m, old ? offsetof(hw_factorize, scale) : sizeof m, &r, 5), HW_OK);
        if (!old) m.scale = 1;
        open_model(&m, &o);
        x[old] = start_of(&m, &o);
        at[old] = m.pairs;
        assert_int_equal(hw_train(&o, &c, x[old], NULL), HW_OK);
        hw_factorize_free(&m);
    }
    assert_int_equal(hw_pairs_apart(&at[0]), 16);
    assert_int_equal(at[0].head_a % 16, 0);
    assert_int_equal(hw_pairs_apart(&at[1]), 2);
    assert_memory_equal(x[0], x[1], at[0].head_a * sizeof *x[0]);
    for (size_t k = 0; k < USERS + ITEMS; k++)
        assert_memory_equal(x[0] + at[0].head_a + 16 * k, x[1] + at[1].head_a + 2 * k, 2 * sizeof *x[0]);
    free(x[0]);
    free(x[1]);
    hw_ratings_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(gradients),
        cmocka_unit_test(kernel),
        cmocka_unit_test(golden),
        cmocka_unit_test(other_steps),
        cmocka_unit_test(grid),
        cmocka_unit_test(low_rank),
        cmocka_unit_test(schedulers),
        cmocka_unit_test(the_scale_of_the_ratings_does_not_matter),
        cmocka_unit_test(a_model_of_the_first_release_has_the_scale_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
