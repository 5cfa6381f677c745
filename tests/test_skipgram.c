/* test_skipgram.c - word vectors: steps and sweeps against a plain reference, gradients, topics under
 * every scheduler. */
#include "drawn.h"

/* --- a plain reference ---------------------------------------------------------------------------------------------
 */

typedef struct task {
    hw_corpus corpus;
    hw_skipgram model;
    hw_objective objective;
    float *params;
} task;

/* In place: the objective keeps addresses. mode 0: a draw a pair, 1: shared negatives, 2: CBOW. */
static void open_task(task *t, unsigned dimension, unsigned window, unsigned negatives, double sample, int mode)
{
    char why[HW_WHY] = "";
    t->model = hw_skipgram_defaults(&t->corpus);
    t->model.dimension = dimension;
    t->model.window = window;
    t->model.negatives = negatives;
    t->model.sample = sample;
    t->model.shared_negatives = mode == 1;
    t->model.cbow = mode == 2;
    if (hw_skipgram_objective(&t->model, &t->objective, why) != HW_OK) fail_msg("%s", why);
    t->params = check_floats(t->objective.parameters);
    hw_skipgram_start(&t->model, 1, t->params);
}

static void close_task(task *t)
{
    free(t->params);
    hw_skipgram_free(&t->model);
    hw_corpus_free(&t->corpus);
}

/* All parameters away from zero, but for the padding. */
static void shake(task *t, double scale)
{
    hw_rng rng;
    hw_rng_seed(&rng, 11, 0);
    for (size_t i = 0; i < t->objective.parameters; i++)
        if (i % t->model.stride < t->model.dimension) t->params[i] = (float)(scale * hw_rng_normal(&rng));
}

static hw_config config_of(hw_scheduler scheduler, unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = 1;
    c.write = HW_WRITE_RACY;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.05;
    c.compensation.policy = HW_POLICY_NONE;
    c.divergence = 0;
    return c;
}

/* One pass in double: x and targets read at `from`, updates to `to` (the same array: in place). together: of a window
 * whose passes are made at once; an input that comes twice in it goes to the targets as its first time has left it. */
static double pass_of(const task *t, const hw__window_pass *pass, const double *from, double *to, double rate,
                      bool together)
{
    size_t n = t->model.stride;
    double x[64] = {0}, error[64] = {0}, c[16], loss = 0;
    for (uint32_t k = 0; k < pass->inputs; k++)
        for (size_t i = 0; i < n; i++) x[i] += from[pass->input[k] + i] / pass->inputs;
    for (uint32_t k = 0; k < pass->targets; k++) {
        double z = 0;
        for (size_t i = 0; i < n; i++) z += x[i] * from[pass->target[k] + i];
        loss += log1p(exp(k ? z : -z));
        c[k] = rate * ((k == 0) - 1 / (1 + exp(-z)));
    }
    for (uint32_t k = 0; k < pass->targets; k++)
        for (size_t i = 0; i < n; i++) {
            error[i] += c[k] * from[pass->target[k] + i];
            to[pass->target[k] + i] += c[k] * (together ? to[pass->input[0] + i] : x[i]);
        }
    for (uint32_t k = 0; k < pass->inputs; k++)
        for (size_t i = 0; i < n; i++) to[pass->input[k] + i] += error[i];
    return loss;
}

/* Few targets, none of them twice. */
static bool differ(const hw__window_pass *pass)
{
    for (uint32_t k = 1; k < pass->targets; k++)
        for (uint32_t i = 0; i < k; i++)
            if (pass->target[i] == pass->target[k]) return false;
    return pass->targets <= 6;
}

static void reference(const task *t, const hw_config *c, uint32_t updates, uint32_t block, double *w)
{
    size_t n = t->objective.parameters;
    double *from = malloc(n * sizeof *from);
    drawn x = draws_of(&t->corpus, t->model.window, t->model.negatives, t->model.sample, t->model.cbow,
                       t->model.shared_negatives, 1);
    x.plan.stride = t->model.stride;
    for (size_t i = 0; i < n; i++) w[i] = (double)t->params[i];
    for (uint32_t ticket = 0; ticket < updates; ticket++) {
        uint32_t position = hw_permute(c->seed, 0, t->corpus.tokens, ticket);
        uint32_t passes = hw__window_draw(&x.plan, hw__window_key(c->seed, 0), position, 1, &x.d);
        const uint32_t *at = x.d.list;
        bool in_place = ticket % block != 0;
        hw__window_pass pass;
        memcpy(from, w, n * sizeof *from);
        for (uint32_t i = 0; i < passes; i++) {
            at = hw__window_next(at, &pass);
            bool together = in_place && t->model.shared_negatives && !t->model.cbow && differ(&pass);
            const double *values = in_place && !together ? w : from;
            (void)pass_of(t, &pass, values, w, c->optimizer.schedule.base, together);
        }
    }
    drop(&x);
    free(from);
}

/* Steps, then runs of sweeps with a step every 16, both paths, against double precision; small batches of both. */
static void against_reference(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++)
        for (int kind = 0; kind < 3; kind++) {
            task t = {.corpus = zipf(WORDS, 200, 12)};
            open_task(&t, 20, 3, 4, 0.03, mode);
            shake(&t, 0.2);
            hw_config c = config_of(HW_SEQUENTIAL, 1);
            hw_result r;
            char why[HW_WHY] = "";
            c.updates = 800;
            c.epochs = 0;
            c.fused = kind > 0;
            c.clock_interval = kind ? 16 : 1;
            c.path = kind == 2 ? HW_PATH_SCALAR : HW_PATH_AUTO;
            double *w = malloc(t.objective.parameters * sizeof *w);
            reference(&t, &c, 800, kind ? 16 : 1, w);
            float *out = check_floats(t.objective.parameters);
            memcpy(out, t.params, t.objective.parameters * sizeof *out);
            if (hw_train(&t.objective, &c, out, &r) != HW_OK) fail_msg("%s %s", why, r.message);
            assert_int_equal(r.updates, 800);
            assert_int_equal(r.fused, kind ? 750 : 0);
            double moved = 0;
            for (size_t i = 0; i < t.objective.parameters; i++) {
                assert_near((double)out[i], w[i], 2e-5);
                moved = fmax(moved, fabs(w[i] - (double)t.params[i]));
                if (i % t.model.stride >= 20) assert_true(out[i] == 0);
            }
            assert_true(moved > 0.1);
            free(out);
            free(w);
            close_task(&t);
        }
}

/* Sentences of two words, one negative: a window is a pass of two targets that differ, so the step is the sweep. */
static void single_pass(void **state)
{
    (void)state;
    float *out[2];
    for (int fused = 0; fused < 2; fused++) {
        task t = {.corpus = zipf(WORDS, 1000, 2)};
        open_task(&t, 20, 1, 1, 0, 0);
        shake(&t, 0.3);
        hw_config c = config_of(HW_SEQUENTIAL, 1);
        hw_result r;
        c.clock_interval = 64;
        c.fused = fused;
        out[fused] = check_floats(t.objective.parameters);
        memcpy(out[fused], t.params, t.objective.parameters * sizeof(float));
        assert_int_equal(hw_train(&t.objective, &c, out[fused], &r), HW_OK);
        assert_true((r.fused > 0) == (fused == 1));
        if (fused)
            for (size_t i = 0; i < t.objective.parameters; i++) assert_near((double)out[0][i], (double)out[1][i], 1e-5);
        close_task(&t);
    }
    free(out[0]);
    free(out[1]);
}

static void gradients(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        task t = {.corpus = zipf(20, 30, 8)};
        char why[HW_WHY] = "";
        hw_gradient_report report;
        uint32_t index[6] = {3, 8, 30, 61, 99, 200};
        open_task(&t, 6, 3, 3, 0, mode);
        shake(&t, 0.5);
        if (hw_check_gradient(&t.objective, t.params, index, 6, 200, 2e-3, &report, why) != HW_OK) fail_msg("%s", why);
        close_task(&t);
    }
}

/* --- topics under every scheduler ----------------------------------------------------------------------------------
 */

enum { TOPICS = 10, OWN = 20 };

static double in_topic(const task *t)
{
    uint32_t good = 0;
    size_t stride = 2 * t->model.stride;
    for (uint32_t v = 0; v < TOPICS * OWN; v++) {
        double most = -2;
        uint32_t near = v;
        for (uint32_t u = 0; u < TOPICS * OWN; u++) {
            double xy = 0, xx = 0, yy = 0;
            const float *x = t->params + v * stride, *y = t->params + u * stride;
            for (unsigned i = 0; i < t->model.dimension; i++) {
                xy += (double)x[i] * (double)y[i];
                xx += (double)x[i] * (double)x[i];
                yy += (double)y[i] * (double)y[i];
            }
            if (u == v || xy / sqrt(xx * yy) <= most) continue;
            most = xy / sqrt(xx * yy);
            near = u;
        }
        good += near / OWN == v / OWN;
    }
    return (double)good / (TOPICS * OWN);
}

static task topics(uint32_t sentences)
{
    task t;
    memset(&t, 0, sizeof t);
    assert_int_equal(hw_corpus_generate(TOPICS * OWN, TOPICS, sentences, 20, 3, &t.corpus, NULL), HW_OK);
    return t;
}

static void learns(hw_config *c, int mode, uint32_t sentences, double least, hw_result *r)
{
    task t = topics(sentences);
    open_task(&t, 24, 4, 5, 2e-3, mode);
    c->optimizer.schedule.kind = HW_SCHEDULE_LINEAR;
    c->optimizer.schedule.base = 0.05;
    c->optimizer.schedule.interval = (uint64_t)(c->epochs * t.objective.examples);
    c->evaluate_epochs = 0;
    if (c->exchanged) c->exchanged = 40 * 2 * t.model.stride;
    if (hw_train(&t.objective, c, t.params, r) != HW_OK) fail_msg("%s", r->message);
    double share = in_topic(&t);
    if (share < least) print_error("%.3f in topic, loss %.4f\n", share, r->last.metric[0]);
    assert_true(share >= least);
    close_task(&t);
}

static void sequential_topics(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        hw_config c = config_of(HW_SEQUENTIAL, 1);
        hw_result r;
        c.clock_interval = 64;
        c.shuffle_block = 64;
        c.epochs = 5;
        learns(&c, mode, CHECK_SLOW ? 800 : 4000, 0.95, &r);
        assert_true(r.fused > r.updates / 2);
    }
}

static void asynchronous_topics(void **state)
{
    (void)state;
    for (int mode = 0; mode < 4; mode++) {
        hw_config c = config_of(HW_ASYNC, 2);
        hw_result r;
        c.clock_interval = 64;
        c.shuffle_block = 64;
        c.epochs = 5;
        if (mode == 3) { /* replicas of the 40 hottest words */
            c.exchange_interval = 512;
            c.exchanged = 1;
        }
        learns(&c, mode % 3, CHECK_SLOW ? 800 : 4000, 0.95, &r);
        assert_true(r.fused > r.updates / 2);
        assert_true(mode == 3 ? r.exchanges > 0 : r.exchanges == 0);
    }
}

/* The sweep is plain SGD: with adagrad there are steps. */
static void adagrad_steps(void **state)
{
    (void)state;
    hw_config c = config_of(HW_SEQUENTIAL, 1);
    hw_result r;
    c.clock_interval = 64;
    c.epochs = 1;
    c.optimizer.rule = HW_RULE_ADAGRAD;
    learns(&c, 0, 400, 0.1, &r);
    assert_int_equal(r.fused, 0);
}

/* Through the step alone. */
static void step_topics(void **state)
{
    (void)state;
    hw_config sync = config_of(HW_SYNC, 2), groups = config_of(HW_GROUPS, 2);
    hw_result r;
    sync.batch = 2;
    sync.epochs = groups.epochs = CHECK_SLOW ? 1 : 2;
    sync.optimizer.schedule.base = 0.05;
    groups.groups = 2;
    groups.batch = 1;
    learns(&sync, 0, 400, 0.1, &r);
    learns(&groups, 2, 400, 0.1, &r);
}

static void simulated(void **state)
{
    (void)state;
    float *out[2];
    size_t n = 0;
    for (int run = 0; run < 2; run++) {
        task t = topics(200);
        open_task(&t, 24, 4, 5, 2e-3, 0);
        hw_config c = config_of(HW_SIMULATED, 4);
        hw_result r;
        c.epochs = 1;
        c.optimizer.momentum = 0.3;
        c.simulation.threads = run ? 2 : 1;
        n = t.objective.parameters;
        if (hw_train(&t.objective, &c, t.params, &r) != HW_OK) fail_msg("%s", r.message);
        assert_true(r.staleness.mean > 1);
        out[run] = t.params;
        t.params = NULL;
        close_task(&t);
    }
    assert_memory_equal(out[0], out[1], n * sizeof(float));
    free(out[0]);
    free(out[1]);
}

/* --- start, evaluation, arguments ----------------------------------------------------------------------------------
 */

static void start_and_evaluate(void **state)
{
    (void)state;
    task t = {.corpus = zipf(WORDS, 200, 12)};
    open_task(&t, 20, 3, 4, 0.03, 0);
    double sum = 0, square = 0, loss = 0;
    for (size_t i = 0; i < t.objective.parameters; i++) {
        double x = (double)t.params[i];
        bool input = i / t.model.stride % 2 == 0 && i % t.model.stride < 20;
        assert_true(input ? fabs(x) <= 0.5 / 20 : x == 0);
        sum += x;
        square += x * x;
    }
    assert_near(sum / (WORDS * 20), 0, 5 * 0.025 / sqrt(3.0 * WORDS * 20));
    assert_near(square / (WORDS * 20), 0.025 * 0.025 / 3, 2e-5);
    assert_int_equal(t.model.stride, 32);
    void *scratch = aligned_alloc(64, t.objective.scratch_bytes);
    assert_non_null(scratch);
    assert_int_equal(t.objective.scratch_init(t.objective.self, scratch), HW_OK);
    uint32_t n = t.objective.evaluation_examples;
    assert_int_equal(t.objective.evaluate(t.objective.self, scratch, t.params, 0, n, &loss), HW_OK);
    /* Outputs are zero: every score is 0, and of four negatives the few that are the centre itself are left out. */
    assert_true(loss / n < 5 * log(2) && loss / n > 4.3 * log(2));
    free(scratch);
    close_task(&t);
}

static void arguments(void **state)
{
    (void)state;
    hw_corpus c = zipf(WORDS, 20, 5), lonely = zipf(WORDS, 40, 1), empty = {0};
    hw_skipgram good = hw_skipgram_defaults(&c), m;
    hw_objective o;
    char why[HW_WHY];
#define REFUSED(change, sentence)                                            \
    do {                                                                     \
        m = good;                                                            \
        change;                                                              \
        assert_int_equal(hw_skipgram_objective(&m, &o, why), HW_E_ARGUMENT); \
        assert_text(why, sentence);                                          \
        assert_null(m.plan);                                                 \
    } while (0)
    good.sample = 0; /* the text is too small to thin out */
    assert_int_equal(hw_skipgram_objective(NULL, &o, why), HW_E_ARGUMENT);
    assert_int_equal(hw_skipgram_objective(&good, NULL, why), HW_E_ARGUMENT);
    REFUSED(m.struct_size = 0, "hw_skipgram_defaults");
    REFUSED(m.corpus = NULL, "with a corpus");
    REFUSED(m.corpus = &empty, "0 words");
    REFUSED(m.dimension = 0, "dimension is 0: it must be in [1, 4096]");
    REFUSED(m.dimension = 5000, "dimension is 5000");
    REFUSED(m.window = 0, "window is 0");
    REFUSED(m.window = 101, "window is 101");
    REFUSED(m.negatives = 0, "negatives is 0");
    REFUSED(m.negatives = 1000, "negatives is 1000");
    REFUSED(m.sample = -1, "sample is -1");
    REFUSED(m.sample = NAN, "sample is");
    REFUSED(m.corpus = &lonely, "no word has a neighbour");
    m = good;
    uint32_t words = c.words;
    c.words = 1u << 25; /* not looked at before the size is refused */
    assert_int_equal(hw_skipgram_objective(&m, &o, why), HW_E_LIMIT);
    assert_text(why, "fewer than 2^32");
    c.words = words;
    m = good;
    assert_int_equal(hw_skipgram_objective(&m, &o, NULL), HW_OK);
    hw_config config = config_of(HW_SEQUENTIAL, 1);
    config.batch = 8;
    assert_int_equal(hw_config_check(&config, &o, why), HW_E_ARGUMENT);
    hw_skipgram_free(&m);
    hw_skipgram_free(&m);
    hw_skipgram_free(NULL);
    hw_corpus_free(&c);
    hw_corpus_free(&lonely);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_reference),   cmocka_unit_test(single_pass),
        cmocka_unit_test(gradients),           cmocka_unit_test(sequential_topics),
        cmocka_unit_test(asynchronous_topics), cmocka_unit_test(adagrad_steps),
        cmocka_unit_test(step_topics),         cmocka_unit_test(simulated),
        cmocka_unit_test(start_and_evaluate),  cmocka_unit_test(arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
