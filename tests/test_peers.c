/* test_peers.c - several engines that train one model, here as threads of one process: in step they come to the bits of
 * one engine; on their own every example is visited once an epoch, nothing that they exchange is lost, and they meet.
 */
#include "check.h"
#include "fits.h"
#include <stdatomic.h>
#include <time.h>

enum { N = 40, EXAMPLES = 90, MOST = 4 };

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch;
    return fits_gradient(b, x, g, N);
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) sums[0] += 0.1 * (double)x[i % N];
    return HW_OK;
}

static hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("peers", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 70;
    o.evaluation_chunk = 10;
    return o;
}

/* --- where the engines wait for each other ------------------------------------------------------------------------ */

typedef struct table {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned parts, come;
    uint64_t round;
    float *g[MOST];
    double loss[MOST], *sums[MOST];
    int raw[MOST];
    hw_meeting *meeting[MOST];
} table;

typedef struct seat {
    table *at;
    unsigned part;
    hw_config config;
    hw_objective objective;
    float x[N];
    hw_result result;
    hw_evaluation evaluation[64];
    size_t evaluations, meetings;
    unsigned finals, captures;
    hw_engine *engine;
    uint8_t seen[8][EXAMPLES]; /* by epoch and example */
    pthread_mutex_t mutex;
    hw_status fails; /* its next sum returns that */
} seat;

/* The last one in does `act`; all leave together. */
static void together(seat *s, void (*act)(table *t))
{
    table *t = s->at;
    (void)pthread_mutex_lock(&t->mutex);
    uint64_t round = t->round;
    if (++t->come == t->parts) {
        act(t);
        t->come = 0;
        t->round++;
        (void)pthread_cond_broadcast(&t->changed);
    }
    while (t->round == round) (void)pthread_cond_wait(&t->changed, &t->mutex);
    (void)pthread_mutex_unlock(&t->mutex);
}

static void add_gradients(table *t)
{
    int raw = -1;
    for (unsigned p = 1; p < t->parts; p++) {
        for (int j = 0; j < N; j++) t->g[0][j] += t->g[p][j];
        t->loss[0] += t->loss[p];
    }
    for (unsigned p = 0; p < t->parts; p++)
        if (t->raw[p] > raw) raw = t->raw[p];
    for (unsigned p = 0; p < t->parts; p++) {
        if (p) memcpy(t->g[p], t->g[0], N * sizeof(float));
        t->loss[p] = t->loss[0];
        t->raw[p] = raw;
    }
}

static hw_status sum(void *context, float *g, size_t n, double *loss, int *raw, char *why)
{
    seat *s = context;
    if (n != N) return HW_E_STATE;
    if (s->fails != HW_OK) {
        (void)snprintf(why, HW_WHY, "the cable is out");
        return s->fails;
    }
    s->at->g[s->part] = g;
    s->at->loss[s->part] = *loss;
    s->at->raw[s->part] = *raw;
    together(s, add_gradients);
    *loss = s->at->loss[s->part];
    *raw = s->at->raw[s->part];
    return HW_OK;
}

enum { SUMS = 7 * HW_METRICS };
static void add_sums(table *t)
{
    for (unsigned p = 1; p < t->parts; p++)
        for (int i = 0; i < SUMS; i++) t->sums[0][i] += t->sums[p][i];
    for (unsigned p = 1; p < t->parts; p++) memcpy(t->sums[p], t->sums[0], SUMS * sizeof(double));
}

static hw_status sums(void *context, double *values, size_t n, char *why)
{
    seat *s = context;
    (void)why;
    if (n != SUMS) return HW_E_STATE;
    s->at->sums[s->part] = values;
    together(s, add_sums);
    return HW_OK;
}

/* Every engine's parameters become the mean; captures first, while others come again. */
static void mean(table *t)
{
    unsigned captures = 0, finals = 0;
    for (unsigned p = 0; p < t->parts; p++)
        captures += t->meeting[p]->capture != 0, finals += t->meeting[p]->final != 0;
    for (unsigned p = 0; p < t->parts; p++) {
        t->meeting[p]->again = captures ? !t->meeting[p]->capture : t->meeting[p]->final && finals < t->parts;
        t->meeting[p]->same = 0;
    }
    for (int j = 0; j < N; j++) {
        float m = 0;
        for (unsigned p = 0; p < t->parts; p++) m += t->g[p][j] / (float)t->parts;
        for (unsigned p = 0; p < t->parts; p++) t->g[p][j] = m - t->g[p][j];
    }
}

static hw_status meet(void *context, hw_meeting *m, char *why)
{
    seat *s = context;
    float x[N] = {0};
    (void)why;
    s->finals += m->final != 0;
    s->captures += m->capture != 0;
    do {
        s->meetings++;
        if (hw_engine_peek(s->engine, x, NULL) != HW_OK) return HW_E_STATE;
        s->at->g[s->part] = x;
        s->at->meeting[s->part] = m;
        together(s, mean);
        if (hw_engine_merge(s->engine, NULL, 0, x) != HW_OK) return HW_E_STATE;
    } while (m->again && !m->final);
    return HW_OK;
}

static hw_status remember(void *context, const hw_evaluation *e)
{
    seat *s = context;
    if (s->evaluations < 64) s->evaluation[s->evaluations++] = *e;
    return HW_OK;
}

static void *run(void *context)
{
    seat *s = context;
    char why[HW_WHY] = "";
    hw_peers p = {sizeof p,
                  s,
                  s->part,
                  s->at->parts,
                  s->config.scheduler == HW_SYNC ? HW_SHARE_SPLIT : HW_SHARE_DEALT,
                  .sum = sum,
                  .sums = sums,
                  .meet = meet};
    s->config.peers = &p;
    s->config.context = s;
    s->config.on_evaluation = remember;
    s->result.status = hw_engine_create(&s->engine, &s->objective, &s->config, s->x, why);
    if (s->result.status != HW_OK) return NULL;
    (void)hw_engine_run(s->engine, &s->result);
    if (hw_engine_get(s->engine, s->x) != HW_OK) s->result.status = HW_E_STATE;
    hw_engine_free(s->engine);
    return NULL;
}

static void run_all(seat *s, unsigned parts, const hw_config *c, const hw_objective *o)
{
    table t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .parts = parts};
    pthread_t thread[MOST];
    for (unsigned p = 0; p < parts; p++) {
        s[p].at = &t;
        s[p].part = p;
        s[p].config = *c;
        s[p].objective = *o;
        if (o->step) s[p].objective.self = s + p;
        assert_int_equal(pthread_create(thread + p, NULL, run, s + p), 0);
    }
    for (unsigned p = 0; p < parts; p++) assert_int_equal(pthread_join(thread[p], NULL), 0);
}

static hw_config in_step(unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SYNC;
    c.workers = workers;
    c.batch = 7;
    c.epochs = 3;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 0.5;
    return c;
}

static seat *seats(void)
{
    seat *s = calloc(MOST, sizeof *s);
    assert_non_null(s);
    return s;
}

/* R engines of one thread come to the bits of one engine with R threads: parameters, evaluations, losses. */
static void in_step_equals_threads(void **state)
{
    (void)state;
    for (unsigned parts = 1; parts <= MOST; parts++) {
        float x[N] = {0};
        hw_config whole = in_step(parts), one = in_step(1);
        hw_objective o = objective();
        hw_result r;
        seat *s = seats();
        assert_int_equal(hw_train(&o, &whole, x, &r), HW_OK);
        run_all(s, parts, &one, &o);
        for (unsigned p = 0; p < parts; p++) {
            assert_int_equal(s[p].result.status, HW_OK);
            assert_memory_equal(s[p].x, x, sizeof x);
            assert_int_equal(s[p].result.updates, r.updates);
            assert_int_equal(s[p].result.examples, r.examples);
            assert_true(s[p].result.train_loss == r.train_loss);
            assert_int_equal(s[p].evaluations, 3);
            assert_true(s[p].evaluation[2].metric[0] == r.last.metric[0]);
            assert_int_equal(s[p].meetings, 0);
        }
        free(s);
    }
}

/* A minibatch of fewer examples than there are engines, and raw deltas of those that have some. */
static hw_status delta_step(void *self, hw_worker *w, const hw_batch *b)
{
    float d[1] = {0.5f};
    const hw_range first = {b->index[0] % N, 1};
    (void)self;
    (void)hw_read(w);
    return hw_add_ranges(w, &first, 1, d, 1);
}

static void parts_without_examples(void **state)
{
    (void)state;
    seat *s = seats();
    hw_objective o = objective();
    hw_config c = in_step(1), whole = in_step(3);
    float x[N] = {0};
    o.loss_gradient = NULL;
    o.step = delta_step;
    c.batch = whole.batch = 2;
    c.optimizer.momentum = whole.optimizer.momentum = 0;
    assert_int_equal(hw_train(&o, &whole, x, NULL), HW_OK);
    run_all(s, 3, &c, &o);
    for (unsigned p = 0; p < 3; p++) {
        assert_int_equal(s[p].result.status, HW_OK);
        assert_memory_equal(s[p].x, x, sizeof x);
    }
    free(s);
}

static void errors_have_their_sentence(void **state)
{
    (void)state;
    seat *s = seats();
    hw_objective o = objective();
    hw_config c = in_step(2);
    s[0].fails = (hw_status)1234;
    run_all(s, 1, &c, &o);
    assert_int_equal(s[0].result.status, 1234);
    assert_text(s[0].result.message, "the cable is out");
    free(s);
}

/* --- on their own ---------------------------------------------------------------------------------------------------
 */

static hw_status count_step(void *self, hw_worker *w, const hw_batch *b)
{
    seat *s = self;
    float *g = hw_gradient(w);
    (void)hw_read(w);
    (void)pthread_mutex_lock(&s->mutex);
    for (uint32_t i = 0; i < b->count && b->epoch < 8; i++) s->seen[b->epoch][b->index[i]]++;
    (void)pthread_mutex_unlock(&s->mutex);
    for (int j = 0; j < N; j++) g[j] = -1;
    return hw_write(w, 1);
}

static hw_config dealt(hw_scheduler scheduler, unsigned workers, uint32_t batch)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = workers;
    c.batch = batch;
    c.epochs = 5;
    c.write = HW_WRITE_ADD;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1; /* every update adds 1 */
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

/* Whatever scheduler: every example once an epoch, whoever visits it; as many updates as of one engine; and as many
 * meetings for each, whose means lose nothing. Shares may differ by one minibatch. */
static void every_example_once(void **state)
{
    (void)state;
    const struct {
        hw_scheduler scheduler;
        unsigned workers, parts;
        uint32_t batch;
    } cases[] = {{HW_SEQUENTIAL, 1, 2, 1}, {HW_SEQUENTIAL, 1, 3, 7}, {HW_ASYNC, 2, 4, 7},
                 {HW_ASYNC, 3, 2, 4},      {HW_GROUPS, 2, 3, 9},     {HW_SEQUENTIAL, 1, 1, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seat *s = seats();
        hw_objective o = objective();
        hw_config c = dealt(cases[i].scheduler, cases[i].workers, cases[i].batch);
        unsigned parts = cases[i].parts;
        uint64_t updates = 0, batches = (EXAMPLES + cases[i].batch - 1) / cases[i].batch;
        double mean_of_all = 0;
        o.loss_gradient = NULL;
        o.step = count_step;
        c.groups = 2;
        for (unsigned p = 0; p < parts; p++) assert_int_equal(pthread_mutex_init(&s[p].mutex, NULL), 0);
        run_all(s, parts, &c, &o);
        for (unsigned p = 0; p < parts; p++) {
            assert_int_equal(s[p].result.status, HW_OK);
            updates += s[p].result.updates;
            mean_of_all += (double)s[p].result.updates / parts;
            assert_int_equal(s[p].meetings, s[0].meetings);
            assert_int_equal(s[p].evaluations, s[0].evaluations);
            assert_memory_equal(s[p].x, s[0].x, sizeof s[p].x);
        }
        assert_int_equal(updates, 5 * batches);
        assert_near(s[0].x[N - 1], mean_of_all, 1e-3);
        for (int epoch = 0; epoch < 8; epoch++)
            for (int k = 0; k < EXAMPLES; k++) {
                int times = 0;
                for (unsigned p = 0; p < parts; p++) times += s[p].seen[epoch][k];
                assert_int_equal(times, epoch < 5);
            }
        free(s);
    }
}

/* Steps have the numbers of the whole job, by which schedules and augmentation go. */
static atomic_uint_fast64_t numbers[64];
static hw_status number_step(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self;
    (void)hw_read(w);
    if (b->step < 64) numbers[b->step]++;
    for (int j = 0; j < N; j++) hw_gradient(w)[j] = (float)hw_learning_rate(w);
    return hw_write(w, 1);
}

static void steps_have_the_jobs_numbers(void **state)
{
    (void)state;
    seat *s = seats();
    hw_objective o = objective();
    hw_config c = dealt(HW_SEQUENTIAL, 1, 7);
    o.loss_gradient = NULL;
    o.step = number_step;
    c.epochs = 0;
    c.updates = 60; /* 13 minibatches an epoch: 7 and 6 of each; 8 left over */
    c.evaluate_every = 20;
    run_all(s, 2, &c, &o);
    for (int i = 0; i < 52; i++) assert_int_equal(numbers[i], 1);
    assert_int_equal(s[0].result.updates + s[1].result.updates, 60);
    assert_int_equal(s[0].result.updates, 32);
    assert_int_equal(s[0].evaluation[0].update, 10);
    free(s);
}

static hw_status no_capture(void *context, uint64_t update, const hw_state *state)
{
    (void)context, (void)update, (void)state;
    return HW_OK;
}

/* Captures have a meeting of their own while the run goes on; one engine that ends early goes on meeting the others. */
static void captures_and_ends(void **state)
{
    (void)state;
    seat *s = seats();
    hw_objective o = objective();
    hw_config c = dealt(HW_SEQUENTIAL, 1, 7);
    c.on_capture = no_capture;
    c.checkpoint_every = 8;
    c.epochs = 0;
    c.updates = 25; /* 13 and 12 */
    c.evaluate_every = 24;
    run_all(s, 2, &c, &o);
    for (unsigned p = 0; p < 2; p++) {
        assert_int_equal(s[p].result.status, HW_OK);
        assert_int_equal(s[p].captures, 3);
        assert_int_equal(s[p].evaluations, s[0].evaluations);
    }
    free(s);
}

static void refusals(void **state)
{
    (void)state;
    hw_objective o = objective();
    char why[HW_WHY];
    hw_engine *e = NULL;
    float x[N] = {0};
    const hw_peers whole = {sizeof whole, NULL, 0, 2, HW_SHARE_DEALT, .sum = sum, .sums = sums, .meet = meet};
    hw_peers p = whole;
    hw_config c = dealt(HW_ASYNC, 2, 7);
    c.peers = &p;
    p.struct_size = 3;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "struct_size is 3");
    p = whole, p.part = 2;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "part is 2 of 2");
    p = whole, p.meet = NULL;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "meet is NULL");
    p = whole, p.sharing = HW_SHARE_SPLIT;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "take sync where they go in step");
    p = whole, p.parts = 14;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_ARGUMENT);
    assert_text(why, "13 minibatches, too few for 14 engines");
    p = whole, c.read = HW_READ_CONSISTENT;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "read must be atomic");
    c.read = HW_READ_ATOMIC, c.average_every = 2;
    assert_int_equal(hw_config_check(&c, &o, why), HW_E_UNSUPPORTED);
    assert_text(why, "average_every");
    c.average_every = 0, c.peers = NULL;
    assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_peek(e, x, NULL), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_merge(e, NULL, 0, x), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_merge(NULL, NULL, 0, x), HW_E_ARGUMENT);
    hw_engine_free(e);
}

/* Values that somebody adds while workers step: nothing is lost, and no update is counted for it. */
typedef struct adder {
    hw_engine *engine;
    _Atomic int over;
    uint64_t added;
} adder;

static void *add(void *context)
{
    adder *a = context;
    float ones[N], x[N];
    for (int j = 0; j < N; j++) ones[j] = 1;
    while (!a->over && a->added < 100000) {
        if (hw_engine_merge(a->engine, NULL, 0, ones) != HW_OK || hw_engine_peek(a->engine, x, NULL) != HW_OK)
            return NULL;
        a->added++;
    }
    return NULL;
}

static hw_status met(void *context, hw_meeting *m, char *why)
{
    (void)context, (void)why;
    m->again = 0;
    return HW_OK;
}

static hw_status own_sums(void *context, double *values, size_t n, char *why)
{
    (void)context, (void)values, (void)n, (void)why;
    return HW_OK;
}

static void merges_lose_nothing(void **state)
{
    (void)state;
    const hw_write_mode modes[] = {HW_WRITE_ADD, HW_WRITE_STRIPED};
    for (int m = 0; m < 2; m++) {
        seat *s = seats();
        hw_objective o = objective();
        hw_config c = dealt(HW_ASYNC, 2, 1);
        const hw_peers p = {sizeof p, NULL, 0, 1, HW_SHARE_DEALT, .sums = own_sums, .meet = met};
        adder a = {0};
        float x[N] = {0};
        pthread_t thread;
        hw_result r;
        char why[HW_WHY] = "";
        o.loss_gradient = NULL;
        o.step = count_step;
        o.self = s;
        assert_int_equal(pthread_mutex_init(&s->mutex, NULL), 0);
        c.write = modes[m];
        c.epochs = CHECK_SLOW ? 20 : 200;
        c.peers = &p;
        assert_int_equal(hw_engine_create(&a.engine, &o, &c, x, why), HW_OK);
        assert_int_equal(pthread_create(&thread, NULL, add, &a), 0);
        (void)hw_engine_run(a.engine, &r);
        a.over = 1;
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(r.status, HW_OK);
        assert_int_equal(r.updates, (uint64_t)c.epochs * EXAMPLES);
        assert_int_equal(hw_engine_get(a.engine, x), HW_OK);
        assert_true(a.added > 0);
        for (int j = 0; j < N; j++) assert_true((uint64_t)x[j] == r.updates + a.added);
        hw_engine_free(a.engine);
        free(s);
    }
}

/* Values added to lines only; steps that wait until they are allowed; a share that goes on at another step, and the
 * curvature where the run began and along a direction. */
typedef struct pilot {
    hw_engine *engine;
    unsigned captures;
    uint64_t early, most; /* steps that were begun while none was allowed; more than were allowed */
    bool over;
    hw_status asked;
} pilot;

static hw_status count_capture(void *context, uint64_t update, const hw_state *state)
{
    pilot *p = context;
    (void)update, (void)state;
    p->captures++;
    return HW_OK;
}

static void *allow_some(void *context)
{
    pilot *p = context;
    p->early = hw_engine_begun(p->engine); /* with no lock between it and the beginning of the run */
    for (uint64_t n = 1; n <= 40; n++) {
        const struct timespec moment = {0, 1000000};
        (void)hw_engine_allow(p->engine, n);
        if (n == 20) p->asked = hw_engine_ask_capture(p->engine, 1);
        (void)nanosleep(&moment, NULL);
        uint64_t begun = hw_engine_begun(p->engine);
        if (begun > n) p->most = begun - n > p->most ? begun - n : p->most;
    }
    p->over = hw_engine_begun(p->engine) >= 40;
    hw_engine_stop(p->engine);
    (void)hw_engine_allow(p->engine, UINT64_MAX);
    return NULL;
}

static void what_a_transport_asks(void **state)
{
    (void)state;
    hw_objective o = objective();
    hw_config c = dealt(HW_ASYNC, 2, 4);
    const hw_peers p = {sizeof p, NULL, 0, 2, HW_SHARE_DEALT, .probes = 1, .sums = own_sums, .meet = met};
    pilot by = {0};
    pthread_t thread;
    float x[N] = {0}, direction[N] = {0}, one[3] = {1, 2, 3};
    const hw_range ranges[] = {{3, 1}, {20, 2}};
    char why[HW_WHY] = "";
    double h = 0;
    hw_result r;
    c.peers = &p;
    c.epochs = 1000;
    c.on_capture = count_capture;
    c.context = &by;
    c.optimizer.schedule.base = 0.01;
    assert_int_equal(hw_engine_create(&by.engine, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_merge(by.engine, ranges, 2, one), HW_OK);
    assert_int_equal(hw_engine_peek(by.engine, x, NULL), HW_OK);
    assert_true(x[3] == 1 && x[20] == 2 && x[21] == 3 && x[2] == 0 && x[22] == 0);
    assert_int_equal(hw_engine_allow(by.engine, 0), HW_OK);
    assert_int_equal(pthread_create(&thread, NULL, allow_some, &by), 0);
    assert_int_equal(hw_engine_run(by.engine, &r), HW_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(by.over);
    assert_int_equal(by.asked, HW_OK);
    assert_int_equal(by.captures, 2);   /* the one that was asked for, and that of the end */
    assert_in_range(r.updates, 40, 41); /* two workers may see the last one left at once */
    assert_int_equal(by.early, 0);
    assert_in_range(by.most, 0, 1);
    assert_true(hw_engine_awaited(by.engine) > 0.01);
    assert_int_equal(hw_engine_curvature(by.engine, NULL, NULL, 0, &h), HW_OK);
    assert_near(h, 0.1, 1e-3);
    direction[7] = 1;
    assert_int_equal(hw_engine_curvature(by.engine, x, direction, 1, &h), HW_OK);
    assert_near(h, 0.1, 1e-3);
    assert_int_equal(hw_engine_shift(by.engine, -3), HW_OK);
    hw_engine_free(by.engine);
    c.peers = NULL;
    assert_int_equal(hw_engine_create(&by.engine, &o, &c, x, why), HW_OK);
    assert_int_equal(hw_engine_allow(by.engine, 1), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_ask_capture(by.engine, 1), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_shift(by.engine, 1), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_skip(by.engine, 1), HW_E_UNSUPPORTED);
    assert_int_equal(hw_engine_curvature(by.engine, NULL, NULL, 0, &h), HW_E_UNSUPPORTED);
    hw_engine_free(by.engine);
}

static double ones(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b, (void)x;
    for (int j = 0; j < N; j++) g[j] = -1;
    return 1;
}

/* Steps are shorter from the next one on, and as long as they were afterwards. */
static void slower(void **state)
{
    (void)state;
    const hw_scheduler schedulers[] = {HW_SEQUENTIAL, HW_ASYNC, HW_SYNC, HW_GROUPS};
    const hw_peers p = {sizeof p, NULL, 0, 1, HW_SHARE_DEALT, .sums = own_sums, .meet = met};
    hw_objective o = objective();
    o.loss_gradient = ones;
    for (int s = 0; s < 4; s++) {
        hw_config c = dealt(schedulers[s], s ? 2 : 1, 1);
        hw_engine *e = NULL;
        hw_result r;
        float x[N] = {0};
        char why[HW_WHY] = "";
        double all = 0;
        c.optimizer.schedule.base = 1;
        c.peers = &p;
        if (hw_engine_create(&e, &o, &c, x, why) != HW_OK) fail_msg("%s", why);
        for (int run = 0; run < 3; run++) {
            const double rate = run == 1 ? 0.25 : 1;
            if (run) assert_int_equal(hw_engine_slow(e, rate), HW_OK);
            assert_int_equal(hw_engine_run(e, &r), HW_OK);
            all += rate * (double)r.updates;
            assert_int_equal(hw_engine_get(e, x), HW_OK);
            for (int j = 0; j < N; j++) assert_true((double)x[j] == all);
        }
        assert_int_equal(hw_engine_slow(e, 0), HW_E_ARGUMENT);
        assert_int_equal(hw_engine_slow(e, NAN), HW_E_ARGUMENT);
        hw_engine_free(e);
        c.peers = NULL;
        assert_int_equal(hw_engine_create(&e, &o, &c, x, why), HW_OK);
        assert_int_equal(hw_engine_slow(e, 0.5), HW_E_UNSUPPORTED);
        hw_engine_free(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_step_equals_threads),
        cmocka_unit_test(parts_without_examples),
        cmocka_unit_test(errors_have_their_sentence),
        cmocka_unit_test(every_example_once),
        cmocka_unit_test(steps_have_the_jobs_numbers),
        cmocka_unit_test(captures_and_ends),
        cmocka_unit_test(refusals),
        cmocka_unit_test(merges_lose_nothing),
        cmocka_unit_test(what_a_transport_asks),
        cmocka_unit_test(slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
