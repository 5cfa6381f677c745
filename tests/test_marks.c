/* test_marks.c - which lines steps have touched: whoever looks at those alone, while workers step, has all parameters
 * at the end, whatever the objective writes by. */
#include "check.h"
#include "hogwild/advanced/peers.h"
#include <stdatomic.h>

enum { LINE = 16, N = 5000, EXAMPLES = 600 };

static hw_status met(void *context, hw_meeting *m, char *why)
{
    (void)context, (void)why;
    m->again = 0;
    return HW_OK;
}

static hw_status none(void *context, double *values, size_t n, char *why)
{
    (void)context, (void)values, (void)n, (void)why;
    return HW_OK;
}

/* Its copy is brought up to date by touched lines only. */
typedef struct follower {
    hw_engine *engine;
    float *copy;
    size_t n;
    uint32_t *line;
    uint64_t looks, lines, clock;
    atomic_int over;
} follower;

static size_t look(follower *f)
{
    const size_t count = hw_engine_touched(f->engine, f->line, &f->clock);
    for (size_t k = 0; k < count; k++) {
        const size_t first = (size_t)f->line[k] * LINE;
        const hw_range at = {first, f->n - first < LINE ? f->n - first : LINE};
        (void)hw_engine_peek_at(f->engine, &at, 1, f->copy, NULL);
    }
    f->looks++;
    f->lines += count;
    return count;
}

static void *follow(void *context)
{
    follower *f = context;
    while (!f->over) (void)look(f);
    return NULL;
}

static void followed(const char *name, const hw_objective *o, hw_config c, float *x)
{
    const hw_peers p = {
        .struct_size = sizeof p, .parts = 1, .sharing = HW_SHARE_DEALT, .marks = 1, .sums = none, .meet = met};
    follower f = {.n = o->parameters};
    pthread_t thread;
    hw_result r;
    char why[HW_WHY] = "";
    c.peers = &p;
    f.copy = check_floats(f.n);
    f.line = malloc((f.n / LINE + 1) * sizeof *f.line);
    if (hw_engine_create(&f.engine, o, &c, x, why) != HW_OK) fail_msg("%s: %s", name, why);
    assert_int_equal(hw_engine_get(f.engine, f.copy), HW_OK);
    assert_int_equal(look(&f), 0);
    assert_int_equal(pthread_create(&thread, NULL, follow, &f), 0);
    (void)hw_engine_run(f.engine, &r);
    f.over = 1;
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (r.status != HW_OK) fail_msg("%s: %s", name, r.message);
    (void)look(&f);
    assert_int_equal(f.clock, r.updates);
    assert_true(!o->sweep || (c.clock_interval == 1 && c.exchange_interval == 1) || 2 * r.swept > r.updates);
    assert_true(f.lines > 0);
    assert_int_equal(look(&f), 0);
    assert_int_equal(hw_engine_get(f.engine, x), HW_OK);
    for (size_t i = 0; i < f.n; i++)
        if (memcmp(x + i, f.copy + i, sizeof *x) != 0)
            fail_msg("%s: parameter %zu of %zu is %g, and was last seen as %g", name, i, f.n, (double)x[i],
                     (double)f.copy[i]);
    hw_engine_free(f.engine);
    free(f.line);
    free(f.copy);
}

static hw_config config(hw_scheduler scheduler, unsigned workers, hw_write_mode write, uint32_t exchange)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.write = write;
    c.exchange_interval = exchange;
    c.batch = 1;
    c.epochs = CHECK_SLOW ? 1 : 4;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.01;
    c.compensation.policy = HW_POLICY_NONE;
    c.divergence = 0;
    return c;
}

/* By one worker and by three, in place and by replicas. */
static void in_all_ways(const char *name, const hw_objective *o, hw_rule_kind rule)
{
    const struct {
        hw_scheduler scheduler;
        unsigned workers;
        hw_write_mode write;
        uint32_t exchange;
        hw_path path;
        uint32_t clock; /* above 1, and with replicas: sweeps, where the objective has them */
        size_t exchanged;
    } way[] = {{HW_SEQUENTIAL, 1, HW_WRITE_RACY, 1, HW_PATH_AUTO, 1, 0},
               {HW_ASYNC, 3, HW_WRITE_ADD, 1, HW_PATH_AUTO, 1, 0},
               {HW_ASYNC, 3, HW_WRITE_STRIPED, 1, HW_PATH_AUTO, 1, 0},
               {HW_SEQUENTIAL, 1, HW_WRITE_RACY, 1, HW_PATH_AUTO, 16, 0},
               {HW_ASYNC, 3, HW_WRITE_RACY, 1, HW_PATH_AUTO, 16, 0},
               {HW_ASYNC, 3, HW_WRITE_ADD, 1, HW_PATH_AUTO, 16, 0},
               {HW_SEQUENTIAL, 1, HW_WRITE_RACY, 1, HW_PATH_SCALAR, 16, 0},
               {HW_ASYNC, 3, HW_WRITE_ADD, 8, HW_PATH_AUTO, 1, 0},
               {HW_ASYNC, 3, HW_WRITE_STRIPED, 40, HW_PATH_AUTO, 1, 0},
               {HW_ASYNC, 2, HW_WRITE_ADD, 8, HW_PATH_SCALAR, 1, 0},
               {HW_ASYNC, 3, HW_WRITE_ADD, 8, HW_PATH_AUTO, 1, 1024},
               {HW_ASYNC, 3, HW_WRITE_RACY, 8, HW_PATH_AUTO, 1, 1024}};
    float *x = check_floats(o->parameters);
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        char text[100];
        hw_config c = config(way[i].scheduler, way[i].workers, way[i].write, way[i].exchange);
        (void)snprintf(text, sizeof text, "%s, way %zu", name, i);
        c.path = way[i].path;
        c.clock_interval = way[i].clock;
        c.exchanged = way[i].exchanged;
        c.optimizer.rule = rule;
        for (size_t k = 0; k < o->parameters; k++) x[k] = 0.01f * (float)(1 + k % 7); /* squares are among them */
        followed(text, o, c, x);
    }
    free(x);
}

/* --- what objectives write by ------------------------------------------------------------------------------------- */

static hw_status at_indices(void *self, hw_worker *w, const hw_batch *b)
{
    const uint32_t at[] = {(uint32_t)(b->step * 131 % (N / 2)), (uint32_t)(N / 2 + b->step * 17 % (N / 2 - 1)), N - 1};
    const float g[] = {-1, 0.5f, -0.25f};
    float x[3];
    (void)self;
    hw_read_at(w, at, 3, x);
    return hw_write_at(w, at, 3, g, 1);
}

static hw_status at_ranges(void *self, hw_worker *w, const hw_batch *b)
{
    const hw_range at[] = {{b->step * 37 % (N - 200), 33}, {N - 150, 1 + b->step % 100}};
    float x[200], g[200];
    (void)self;
    for (int i = 0; i < 200; i++) g[i] = (float)(i % 3) - 1;
    hw_read_ranges(w, at, 2, x);
    return hw_write_ranges(w, at, 2, g, 1);
}

static hw_objective plain(hw_status (*step)(void *self, hw_worker *w, const hw_batch *b))
{
    hw_objective o = hw_objective_defaults("marks", N);
    o.examples = EXAMPLES;
    o.step = step;
    o.touched = 3;
    return o;
}

static void indices_and_ranges(void **state)
{
    (void)state;
    const hw_objective indices = plain(at_indices), ranges = plain(at_ranges);
    in_all_ways("indices", &indices, HW_RULE_SGD);
    in_all_ways("indices, adagrad", &indices, HW_RULE_ADAGRAD);
    in_all_ways("ranges", &ranges, HW_RULE_SGD);
}

static void rows(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        hw_sparse_plan plan = hw_sparse_plan_defaults(EXAMPLES, 3000);
        hw_sparse s;
        hw_objective o;
        char why[HW_WHY] = "";
        assert_int_equal(hw_sparse_generate(&plan, NULL, &s, why), HW_OK);
        hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
        m.l2 = i % 2 ? 1e-3 : 0;
        m.intercept = i > 0;
        if (hw_sparse_linear_objective(&m, &o, why) != HW_OK) fail_msg("%s", why);
        in_all_ways(i % 2 ? "rows, l2" : "rows", &o, i >= 2 ? HW_RULE_ADAGRAD : HW_RULE_SGD);
        hw_sparse_linear_free(&m);
        hw_sparse_free(&s);
    }
}

static void ratings(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        hw_ratings_plan plan = hw_ratings_plan_defaults(2 * EXAMPLES, 300, 200);
        hw_ratings r;
        hw_objective o;
        char why[HW_WHY] = "";
        assert_int_equal(hw_ratings_generate(&plan, &r, why), HW_OK);
        hw_factorize m = hw_factorize_defaults(&r, i == 3 ? 12 : 32);
        m.biases = i != 1;
        m.adagrad = i == 2;
        if (hw_factorize_objective(&m, &o, why) != HW_OK) fail_msg("%s", why);
        in_all_ways("ratings", &o, HW_RULE_SGD);
        hw_factorize_free(&m);
        hw_ratings_free(&r);
    }
}

static void words(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        hw_corpus corpus;
        hw_objective o;
        char why[HW_WHY] = "";
        assert_int_equal(hw_corpus_generate(400, 4, 60, 20, 5, &corpus, why), HW_OK);
        hw_skipgram m = hw_skipgram_defaults(&corpus);
        m.dimension = i == 3 ? 20 : 64;
        m.shared_negatives = i == 1;
        m.cbow = i == 2;
        if (hw_skipgram_objective(&m, &o, why) != HW_OK) fail_msg("%s", why);
        in_all_ways("words", &o, HW_RULE_SGD);
        hw_skipgram_free(&m);
        hw_corpus_free(&corpus);
    }
}

/* Those that a step has written to, and no other. */
static void exact(void **state)
{
    (void)state;
    const hw_objective o = plain(at_indices);
    hw_config c = config(HW_SEQUENTIAL, 1, HW_WRITE_RACY, 1);
    const hw_peers p = {
        .struct_size = sizeof p, .parts = 1, .sharing = HW_SHARE_DEALT, .marks = 1, .sums = none, .meet = met};
    hw_engine *e = NULL;
    hw_result r;
    uint32_t line[N / LINE + 1];
    float x[N] = {0}, delta[2] = {1, 1};
    char why[HW_WHY] = "";
    uint64_t clock = 7;
    const hw_range at[] = {{40, 1}, {4000, 1}};
    c.epochs = 0;
    c.updates = 3;
    c.peers = &p;
    assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(hw_engine_touched(e, line, &clock), 7);
    assert_int_equal(clock, 3);
    const uint32_t expected[] = {
        0, 131 / LINE, 262 / LINE, N / 2 / LINE, (N / 2 + 17) / LINE, (N / 2 + 34) / LINE, (N - 1) / LINE};
    for (int i = 0; i < 7; i++) assert_int_equal(line[i], expected[i]);
    assert_int_equal(hw_engine_merge(e, at, 2, delta), HW_OK); /* another's, which is not this engine's news */
    assert_int_equal(hw_engine_touched(e, line, NULL), 0);
    hw_engine_free(e);
    const hw_peers unmarked = {
        .struct_size = sizeof p, .parts = 1, .sharing = HW_SHARE_DEALT, .sums = none, .meet = met};
    c.peers = &unmarked;
    assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_run(e, &r), HW_OK);
    assert_int_equal(hw_engine_touched(e, line, NULL), 0);
    hw_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_and_ranges),
        cmocka_unit_test(rows),
        cmocka_unit_test(ratings),
        cmocka_unit_test(words),
        cmocka_unit_test(exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
