/* test_interface.c - what callers that were compiled against other releases, that ask from other threads, or that
 * cannot see structs rely on: sized structs, progress, sentences, the record in memory, handles. */
#include "small_linear.h"
#include <sched.h>
#include <stdatomic.h>

enum { LATER = 64 };

/* A configuration as a later release would have it: ours and fields that we do not know. */
typedef struct later {
    hw_config known;
    unsigned char news[LATER];
} later;

static hw_objective objective;
static hw_config small_config(void)
{
    hw_config c = hw_config_defaults();
    c.workers = 2;
    c.epochs = 0;
    c.updates = 64;
    c.batch = 4;
    c.optimizer.schedule.base = 0.05;
    return c;
}

static hw_status create_with(const hw_config *c, const hw_objective *o, char *why)
{
    float x[4] = {0};
    hw_engine *e;
    hw_status status = hw_engine_create(&e, o, c, x, why);
    hw_engine_free(e);
    return status;
}

static void a_shorter_configuration_has_the_defaults_behind_its_end(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_config c;
    memset(&c, 0xa5, sizeof c);
    size_t shorter = offsetof(hw_config, on_capture);
    assert_int_equal(hw_config_init(&c, shorter), HW_OK);
    assert_int_equal(c.struct_size, shorter);
    const unsigned char *behind = (const unsigned char *)&c + shorter;
    for (size_t i = 0; i < sizeof c - shorter; i++) assert_int_equal(behind[i], 0xa5);
    /* What lies behind its end is not looked at: 0xa5a5... is no callback. */
    c.workers = 2;
    c.epochs = 0;
    c.updates = 64;
    assert_int_equal(create_with(&c, &objective, why), HW_OK);
    hw_result r;
    float x[4] = {0};
    assert_int_equal(hw_train(&objective, &c, x, &r), HW_OK);
    assert_int_equal(r.updates, 64);
    assert_int_equal(hw_config_init(&c, shorter - 8), HW_E_ARGUMENT);
    c.struct_size = shorter - 8;
    assert_int_equal(create_with(&c, &objective, why), HW_E_ARGUMENT);
    assert_text(why, "the configuration is NULL or was not initialised");
    assert_int_equal(create_with(NULL, &objective, why), HW_E_ARGUMENT);
    memset(&c, 0, sizeof c);
    assert_int_equal(create_with(&c, &objective, why), HW_E_ARGUMENT);
}

static void a_longer_configuration_is_refused_only_where_it_sets_what_is_unknown(void **state)
{
    (void)state;
    char why[HW_WHY];
    later l;
    memset(&l, 0xa5, sizeof l);
    assert_int_equal(hw_config_init(&l.known, sizeof l), HW_OK);
    assert_int_equal(l.known.struct_size, sizeof l);
    for (size_t i = 0; i < LATER; i++) assert_int_equal(l.news[i], 0);
    assert_int_equal(create_with(&l.known, &objective, why), HW_OK);
    for (size_t i = 0; i < LATER; i += LATER - 1) {
        l.news[i] = 1;
        assert_int_equal(create_with(&l.known, &objective, why), HW_E_ARGUMENT);
        assert_text(why, "the configuration was made for a later version of the library");
        assert_int_equal(hw_config_check(&l.known, &objective, why), HW_E_ARGUMENT);
        l.news[i] = 0;
    }
}

static void an_objective_grows_in_the_same_way(void **state)
{
    (void)state;
    char why[HW_WHY];
    struct {
        hw_objective known;
        unsigned char news[LATER];
    } l;
    hw_config c = small_config();
    assert_int_equal(hw_objective_init(&l.known, sizeof l, "later", 3), HW_OK);
    assert_string_equal(l.known.name, "later");
    assert_int_equal(l.known.parameters, 3);
    size_t size = l.known.struct_size;
    l.known = objective;
    l.known.struct_size = size;
    assert_int_equal(create_with(&c, &l.known, why), HW_OK);
    l.news[7] = 1;
    assert_int_equal(create_with(&c, &l.known, why), HW_E_ARGUMENT);
    assert_text(why, "the objective was made for a later version of the library");
    hw_objective o;
    assert_int_equal(hw_objective_init(&o, offsetof(hw_objective, layers), "of 0.1", 3), HW_OK);
    assert_int_equal(hw_objective_init(&o, offsetof(hw_objective, layers) - 8, "short", 3), HW_E_ARGUMENT);
    assert_int_equal(create_with(&c, NULL, why), HW_E_ARGUMENT);
    assert_text(why, "the objective is NULL");
}

static void the_version_can_be_asked_for_by_the_preprocessor_and_the_program(void **state)
{
    (void)state;
    char text[32];
#if HW_VERSION_NUMBER < 2000
    fail();
#endif
    assert_int_equal(hw_version_number(), HW_VERSION_NUMBER);
    (void)snprintf(text, sizeof text, "%u.%u.%u", hw_version_number() / 1000000, hw_version_number() / 1000 % 1000,
                   hw_version_number() % 1000);
    assert_string_equal(text, hw_version());
}

/* --- captures with their number of updates -------------------------------------------------------------------------
 */

typedef struct captures {
    uint64_t update[8];
    unsigned count;
    bool right;
} captures;

static hw_status note_capture(void *context, uint64_t update, const hw_state *state)
{
    captures *c = context;
    c->right = c->right && hw_state_number(state, "run.landed", 0) == update;
    if (c->count < 8) c->update[c->count++] = update;
    return HW_OK;
}

static hw_status note_checkpoint(void *context, const hw_state *state)
{
    (void)context;
    (void)state;
    return HW_OK;
}

static void captures_say_how_many_updates_have_landed(void **state)
{
    (void)state;
    char why[HW_WHY];
    captures seen = {.right = true};
    hw_config c = small_config();
    c.workers = 1;
    c.scheduler = HW_SEQUENTIAL;
    c.checkpoint_every = 24;
    c.on_capture = note_capture;
    c.context = &seen;
    float x[4] = {0};
    hw_result r;
    assert_int_equal(hw_train(&objective, &c, x, &r), HW_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.update[0], 24);
    assert_int_equal(seen.update[1], 48);
    assert_int_equal(seen.update[2], 64);
    assert_true(seen.right);
    c.on_checkpoint = note_checkpoint;
    assert_int_equal(hw_config_check(&c, &objective, why), HW_E_ARGUMENT);
    assert_text(why, "on_checkpoint and config.on_capture are both set");
    c.on_checkpoint = NULL;
    c.on_capture = NULL;
    assert_int_equal(hw_config_check(&c, &objective, why), HW_E_ARGUMENT);
    assert_text(why, "nobody to take the state");
}

/* --- progress from anywhere ----------------------------------------------------------------------------------------
 */

typedef struct asker {
    hw_engine *engine;
    _Atomic int over;
    _Atomic unsigned answers;
    _Atomic bool wrong; /* a callback's answer */
    bool rises, within;
} asker;

/* A callback asks too: no lock is held while user code runs. */
static asker *asking;
static double ask_in_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    hw_progress p;
    if (asking && asking->engine) {
        hw_status status = hw_engine_progress(asking->engine, &p, NULL);
        if (status != HW_OK && status != HW_E_STATE) asking->wrong = true; /* the curvature is probed before the run */
    }
    (void)self;
    (void)scratch;
    (void)batch;
    for (int j = 0; j < 3; j++) g[j] = x[j] - 1;
    return (double)(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]) / 2;
}

static hw_status first_coordinate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count,
                                  double *sums)
{
    (void)self;
    (void)scratch;
    (void)first;
    sums[0] = count * fabs((double)x[0]);
    return HW_OK;
}

static void ask_in_policy(void *context, const hw_policy_input *in, hw_setting *s)
{
    hw_progress p;
    (void)context;
    (void)in;
    hw_status status = asking->engine ? hw_engine_progress(asking->engine, &p, NULL) : HW_OK;
    if (status != HW_OK && status != HW_E_STATE) asking->wrong = true;
    s->momentum = 0.5;
}

static void *ask(void *context)
{
    asker *a = context;
    uint64_t before = 0;
    while (!a->over) {
        hw_progress p;
        hw_evaluation last;
        if (hw_engine_progress(a->engine, &p, &last) != HW_OK) continue;
        a->answers++;
        if (p.updates < before) a->rises = false;
        before = p.updates;
        if (!(p.seconds >= 0 && p.fraction >= 0 && p.fraction <= 1 && p.updates <= 20000)) a->within = false;
        if (p.last && (p.last != &last || !(last.metric[0] >= 0))) a->within = false;
    }
    return NULL;
}

typedef struct hand {
    hw_engine *engine;
    unsigned number;
    hw_status status;
} hand;

static void *work(void *context)
{
    hand *h = context;
    h->status = hw_engine_work(h->engine, h->number);
    return NULL;
}

static hw_status ask_within(void *context, const hw_evaluation *evaluation)
{
    asker *a = context;
    hw_progress p;
    hw_evaluation last;
    if (hw_engine_progress(a->engine, &p, NULL) != HW_OK || p.last) return HW_E_STATE; /* nobody gave it a place */
    if (hw_engine_progress(a->engine, &p, &last) != HW_OK || p.last != &last) return HW_E_STATE;
    if (last.update != evaluation->update) return HW_E_STATE;
    if (!(hw_engine_number(a->engine, "updates") >= (double)evaluation->update)) return HW_E_STATE;
    hw_result r; /* what it is made of is in use */
    hw_engine_result(a->engine, &r);
    if (r.status != HW_E_STATE || hw_result_json(a->engine, "", NULL, 0, NULL) != HW_E_STATE) return HW_E_CALLBACK;
    const struct {
        const char *name;
        double value;
    } each[] = {{"updates", (double)p.updates}, {"examples", (double)p.examples},   {"epochs", p.epoch},
                {"staleness", p.staleness},     {"momentum", p.momentum},           {"look_ahead", p.ahead},
                {"fraction", p.fraction},       {"learning_rate", p.learning_rate}, {"metric", last.metric[0]}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) { /* the other worker goes on: counts rise between calls */
        bool rises = i < 3 || strcmp(each[i].name, "fraction") == 0;
        double now = hw_engine_number(a->engine, each[i].name);
        if (rises ? !(now >= each[i].value) : !(now == each[i].value)) a->wrong = true;
    }
    if (!(hw_engine_number(a->engine, "seconds") >= p.seconds)) a->wrong = true;
    if (!(hw_engine_number(a->engine, "examples_per_second") > 0)) a->wrong = true;
    if (!isfinite(hw_engine_number(a->engine, "train_loss"))) a->wrong = true;
    while (!a->answers) sched_yield();
    return HW_OK;
}

static void progress_is_asked_by_another_thread(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int own_threads = 0; own_threads < 2; own_threads++) {
        asker a = {.rises = true, .within = true};
        hw_config c = small_config();
        c.updates = 20000;
        c.evaluate_every = 2000;
        c.on_evaluation = ask_within;
        c.context = &a;
        c.compensation.policy = HW_POLICY_USER;
        c.compensation.user = ask_in_policy;
        hw_objective o = hw_objective_defaults("asks", 3);
        o.loss_gradient = ask_in_gradient;
        o.examples = 64;
        o.evaluate = first_coordinate;
        o.evaluation_examples = 4;
        asking = &a;
        float x[4] = {0};
        hw_progress p;
        if (hw_engine_create(&a.engine, &o, &c, x, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_engine_progress(a.engine, &p, NULL), HW_E_STATE);
        assert_int_equal(hw_engine_progress(a.engine, NULL, NULL), HW_E_ARGUMENT);
        assert_int_equal(hw_engine_progress(NULL, &p, NULL), HW_E_ARGUMENT);
        pthread_t thread, workers[2];
        assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
        hw_status status = HW_OK;
        if (own_threads) {
            hand h[2] = {{a.engine, 0, HW_OK}, {a.engine, 1, HW_OK}};
            for (int i = 0; i < 2; i++) (void)pthread_create(workers + i, NULL, work, h + i);
            for (int i = 0; i < 2; i++) (void)pthread_join(workers[i], NULL);
            status = h[0].status ? h[0].status : h[1].status;
        } else {
            status = hw_engine_run(a.engine, NULL);
        }
        a.over = 1;
        (void)pthread_join(thread, NULL);
        assert_int_equal(status, HW_OK);
        assert_true(a.rises && a.within && a.answers > 0 && !a.wrong);
        hw_evaluation last;
        assert_int_equal(hw_engine_progress(a.engine, &p, &last), HW_OK);
        assert_int_equal(p.updates, 20000);
        assert_near(p.fraction, 1, 0);
        assert_ptr_equal(p.last, &last);
        assert_int_equal(last.update, 20000);
        hw_engine_free(a.engine);
    }
}

/* --- sentences and the record --------------------------------------------------------------------------------------
 */

static hw_status refuse(void *context, const hw_evaluation *evaluation)
{
    (void)context;
    (void)evaluation;
    return 1234;
}

static void a_call_that_fails_leaves_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    float x[4] = {0};
    hw_config c = small_config();
    hw_engine *e;
    if (hw_engine_create(&e, &objective, &c, x, why) != HW_OK) fail_msg("%s", why);
    assert_string_equal(hw_engine_sentence(e), "");
    assert_int_equal(hw_engine_average(e, x), HW_E_STATE);
    assert_text(hw_engine_sentence(e), "config.average_every is 0");
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    assert_string_equal(hw_engine_sentence(e), "");
    assert_int_equal(hw_engine_get(e, NULL), HW_E_ARGUMENT);
    assert_text(hw_engine_sentence(e), "hw_engine_get: where the values are is NULL");
    assert_int_equal(hw_engine_capture(e, NULL), HW_E_ARGUMENT);
    assert_text(hw_engine_sentence(e), "the state is NULL");
    hw_engine_free(e);
    c.on_evaluation = refuse;
    c.evaluate_every = 32;
    if (hw_engine_create(&e, &objective, &c, x, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_run(e, NULL), 1234);
    assert_text(hw_engine_sentence(e), "the evaluation callback returned 1234");
    hw_state *s = hw_state_create();
    assert_int_equal(hw_engine_capture(e, s), HW_E_STATE);
    assert_text(hw_engine_sentence(e), "the run failed");
    hw_state_free(s);
    hw_engine_free(e);
    assert_int_equal(hw_engine_get_velocity(NULL, x), HW_E_ARGUMENT);
    assert_text(hw_engine_sentence(NULL), "NULL");
}

static void the_record_fits_or_says_how_long_it_is(void **state)
{
    (void)state;
    char why[HW_WHY], name[] = "a \"name\"";
    float x[4] = {0};
    hw_config c = small_config();
    hw_engine *e;
    if (hw_engine_create(&e, &objective, &c, x, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    size_t length = 0, again = 0;
    assert_int_equal(hw_result_json(e, name, NULL, 0, &length), HW_OK);
    assert_true(length > 500);
    char *text = malloc(length + 1);
    assert_non_null(text);
    assert_int_equal(hw_result_json(e, name, text, length + 1, &again), HW_OK);
    assert_int_equal(strlen(text), again);
    assert_int_equal(again, length);
    assert_int_equal(text[0], '{');
    assert_int_equal(text[length - 1], '}');
    assert_text(text, "\"updates\":64");
    assert_text(text, "a \\\"name\\\"");
    text[9] = 'x';
    assert_int_equal(hw_result_json(e, name, text, 10, &again), HW_E_LIMIT);
    assert_int_equal(strlen(text), 9);
    assert_int_equal(again, length);
    assert_int_equal(hw_result_json(e, name, NULL, 10, NULL), HW_E_ARGUMENT);
    assert_int_equal(hw_result_json(NULL, name, text, length, NULL), HW_E_ARGUMENT);
    free(text);
    hw_engine_free(e);
}

/* --- handles -------------------------------------------------------------------------------------------------------
 */

static double pull(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    float *sum = scratch;
    *sum = 0;
    for (uint32_t i = 0; i < hw_batch_count(batch); i++) *sum += (float)hw_batch_index(batch)[i];
    for (int j = 0; j < 3; j++) g[j] = x[j] - ((const float *)self)[j];
    return (double)(*sum) * 0 + (double)(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]) / 2;
}

static hw_status distance(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)scratch;
    (void)first;
    double d = 0;
    for (int j = 0; j < 3; j++) d += fabs((double)x[j] - (double)((const float *)self)[j]);
    sums[0] = d * count;
    return HW_OK;
}

static hw_status newest(void *context, const hw_evaluation *evaluation)
{
    double *to = context;
    to[0] = hw_evaluation_metric(evaluation, 0);
    to[1] = (double)hw_evaluation_update(evaluation);
    return isnan(hw_evaluation_metric(evaluation, HW_METRICS)) ? HW_OK : HW_E_ARGUMENT;
}

/* Callbacks of a handle that count how often they come. */
typedef struct calls_seen {
    _Atomic unsigned progress;
    unsigned epochs, captures;
    uint64_t update;
} calls_seen;

static hw_status count_progress(void *context, const hw_progress *progress)
{
    (void)progress;
    ((calls_seen *)context)->progress++;
    return HW_OK;
}

static hw_status count_epoch(void *context, uint64_t epoch)
{
    ((calls_seen *)context)->epochs = (unsigned)epoch;
    return HW_OK;
}

static hw_status count_capture(void *context, uint64_t update, const hw_state *state)
{
    calls_seen *seen = context;
    seen->captures++;
    seen->update = update;
    return hw_state_count(state) > 3 ? HW_OK : HW_E_ARGUMENT;
}

typedef struct puller {
    float to[3];
    const calls_seen *seen;
} puller;

/* One coordinate of three at a time, by a step of its own; the last ones wait until progress has been reported. */
static hw_status pull_one(void *self, hw_worker *w, const hw_batch *batch)
{
    const puller *p = self;
    while (hw_batch_step(batch) > 470 && !p->seen->progress) sched_yield();
    const uint32_t at[1] = {(uint32_t)(hw_batch_step(batch) % 3)};
    float x[1];
    hw_read_at(w, at, 1, x);
    const float g[1] = {x[0] - p->to[at[0]]};
    return hw_write_at(w, at, 1, g, (double)(g[0] * g[0]) / 2);
}

static void handles_have_every_callback(void **state)
{
    (void)state;
    char why[HW_WHY];
    float x[3] = {0};
    calls_seen seen = {0};
    puller p = {{1, -2, 3}, &seen};
    hw_config *c = hw_config_new();
    hw_objective *o = hw_objective_new("one", 3);
    static const char *const set[][2] = {{"workers", "2"},         {"epochs", "4"},
                                         {"batch", "1"},           {"momentum.target", "0"},
                                         {"learning_rate", "0.3"}, {"checkpoint_every", "100"},
                                         {"progress_ms", "10"},    {"compensation", "none"}};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        if (hw_config_set(c, set[i][0], set[i][1], why) != HW_OK) fail_msg("%s", why);
    hw_config_set_context(c, &seen);
    hw_config_on_progress(c, count_progress);
    hw_config_on_epoch(c, count_epoch);
    hw_config_on_capture(c, count_capture);
    hw_objective_set_step(o, pull_one, 120);
    hw_objective_set_self(o, &p);
    assert_int_equal(hw_objective_set_number(o, "touched", 1), HW_OK);
    hw_engine *e;
    if (hw_engine_create(&e, o, c, x, why) != HW_OK) fail_msg("%s", why);
    hw_objective_free(o);
    hw_config_free(c);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    for (int j = 0; j < 3; j++) assert_near(x[j], p.to[j], 1e-3);
    assert_true(seen.progress >= 1);
    assert_int_equal(seen.epochs, 4);
    /* Every 100 of 480, and at the end; a worker that loses its core while it sees to what is due makes it late. */
    assert_true(seen.captures >= 2 && seen.captures <= 5);
    assert_int_equal(seen.update, 480);
    hw_result r;
    hw_engine_result(e, &r);
    const struct {
        const char *name;
        double value;
    } each[] = {{"status", r.status},
                {"updates", (double)r.updates},
                {"examples", (double)r.examples},
                {"tickets", (double)r.tickets},
                {"epochs", r.epochs},
                {"seconds", r.seconds},
                {"train_loss", r.train_loss},
                {"staleness", r.staleness.mean},
                {"dispersion", r.staleness.dispersion},
                {"momentum", r.setting.momentum},
                {"rate", r.setting.rate},
                {"look_ahead", r.setting.ahead},
                {"exchange_interval", r.exchange_interval},
                {"swept", (double)r.swept},
                {"clipped", (double)r.clipped},
                {"skipped", (double)r.skipped},
                {"bytes", (double)hw_engine_bytes(e)}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        if (hw_engine_number(e, each[i].name) != each[i].value)
            fail_msg("%s is %g, not %g", each[i].name, hw_engine_number(e, each[i].name), each[i].value);
    hw_engine_free(e);
}

/* Sources, options and records of 0.1 go on. */
static void names_of_the_first_release_are_taken(void **state)
{
    (void)state;
    char why[HW_WHY], value[40];
    hw_config c = hw_config_defaults();
    assert_int_equal(hw_config_set(&c, "compensation", "exact", why), HW_OK);
    assert_int_equal(c.compensation.policy, HW_POLICY_POLE_ZERO);
    assert_int_equal(HW_POLICY_EXACT, HW_POLICY_POLE_ZERO);
    assert_int_equal(hw_config_get(&c, "compensation", value, sizeof value), HW_OK);
    assert_string_equal(value, "pole-zero");
    assert_int_equal(hw_config_set(&c, "exact", "64", why), HW_OK);
    assert_int_equal(c.linear_bins, 64);
    assert_int_equal(c.exact, 64);
    assert_int_equal(hw_config_set(&c, "fused", "off", why), HW_OK);
    assert_int_equal(c.sweep, 0);
    c.fused = 1;
    assert_int_equal(c.sweep, 1);
}

static void the_number_behind_m_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        hw_scheduler scheduler;
        unsigned workers, groups, asynchronous;
    } each[] = {{HW_SEQUENTIAL, 1, 1, 1}, {HW_ASYNC, 4, 1, 4},       {HW_SYNC, 4, 1, 1},
                {HW_GROUPS, 4, 2, 2},     {HW_SIMULATED, 16, 1, 16}, {HW_ROUND_ROBIN, 3, 1, 3}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        hw_config c = hw_config_defaults();
        c.scheduler = each[i].scheduler;
        c.workers = each[i].workers;
        c.groups = each[i].groups;
        assert_int_equal(hw_config_asynchronous(&c), each[i].asynchronous);
    }
    hw_config none = {0};
    assert_int_equal(hw_config_asynchronous(&none), 0);
    assert_int_equal(hw_config_asynchronous(NULL), 0);
}

static void handles_train_without_a_struct_in_sight(void **state)
{
    (void)state;
    char why[HW_WHY];
    float to[3] = {1, -2, 3}, x[3] = {0};
    double seen[2] = {-1, -1};
    hw_config *c = hw_config_new();
    char name[8] = "pull";
    hw_objective *o = hw_objective_new(name, 3);
    assert_non_null(c);
    assert_non_null(o);
    name[0] = 0; /* it was copied */
    assert_int_equal(hw_config_set(c, "workers", "2", why), HW_OK);
    assert_int_equal(hw_config_set(c, "epochs", "0", why), HW_OK);
    assert_int_equal(hw_config_set(c, "updates", "400", why), HW_OK);
    assert_int_equal(hw_config_set(c, "learning_rate", "0.1", why), HW_OK);
    assert_int_equal(hw_config_set(c, "nonsense", "1", why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_set(c, "keep_gain", "1", why), HW_E_ARGUMENT);
    assert_text(why, "there is 'compensation.keep_gain'");
    hw_config_on_evaluation(c, newest);
    hw_config_set_context(c, seen);
    hw_objective_set_gradient(o, pull, 100);
    hw_objective_set_evaluation(o, distance, 8, 2, 1);
    hw_objective_set_self(o, to);
    hw_objective_set_scratch(o, sizeof(float));
    assert_int_equal(hw_objective_set_number(o, "raw", 0), HW_OK);
    assert_int_equal(hw_objective_set_number(o, "batch_limit", (uint64_t)UINT32_MAX + 1), HW_E_ARGUMENT);
    assert_int_equal(hw_objective_set_number(o, "nonsense", 1), HW_E_ARGUMENT);
    hw_engine *e;
    if (hw_engine_create(&e, o, c, x, why) != HW_OK) fail_msg("%s", why);
    hw_objective_free(o); /* the engine has what it said */
    hw_config_free(c);
    assert_int_equal(hw_engine_run(e, NULL), HW_OK);
    assert_int_equal(hw_engine_get(e, x), HW_OK);
    for (int j = 0; j < 3; j++) assert_near(x[j], to[j], 1e-3);
    assert_near(seen[0], 0, 1e-2);
    assert_near(seen[1], 400, 0);
    assert_near(hw_engine_number(e, "updates"), 400, 0);
    assert_true(hw_engine_number(e, "staleness") >= 0);
    assert_true(isnan(hw_engine_number(e, "nonsense")));
    char record[32768];
    assert_int_equal(hw_result_json(e, "handles", record, sizeof record, NULL), HW_OK);
    assert_text(record, "\"objective\":\"pull\"");
    static const char *const numbers[] = {"swept", "bytes", "work_mean_ns", "exchanges", "seconds"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) assert_true(hw_engine_number(e, numbers[i]) >= 0);
    hw_engine_free(e);
    hw_objective_free(NULL);
    hw_config_free(NULL);
}

/* As free() does: a program's clean-up goes through whatever it has. */
static void everything_that_frees_takes_null(void **state)
{
    (void)state;
    hw_state_free(NULL);
    hw_images_free(NULL);
    hw_engine_free(NULL);
    hw_config_free(NULL);
    hw_objective_free(NULL);
    hw_sparse_linear_free(NULL);
    hw_factorize_free(NULL);
    hw_skipgram_free(NULL);
    hw_linear_model_free(NULL);
    hw_factors_free(NULL);
    hw_vectors_free(NULL);
    hw_net_free(NULL);
    hw_predictor_free(NULL);
    hw_trace_free(NULL);
    hw_histogram_free(NULL);
    hw_staleness_free(NULL);
    hw_sparse_free(NULL);
    hw_ratings_free(NULL);
    hw_corpus_free(NULL);
    hw_params_free(NULL);
}

/* No update: no number that looks like one, and none that says nan. */
static void an_empty_histogram_prints_no_nan(void **state)
{
    (void)state;
    char text[8192] = "", verdict[256];
    hw_histogram h;
    hw_staleness_summary s;
    assert_int_equal(hw_histogram_init(&h, 32), HW_OK);
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(hw_histogram_text(&h, f, 8, 1), HW_OK);
    assert_int_equal(hw_histogram_json(&h, f), HW_OK);
    hw_staleness_summarize(&h, &s);
    assert_int_equal(hw_staleness_summary_json(&s, f), HW_OK);
    hw_staleness_verdict(&s, verdict, sizeof verdict);
    fputs(verdict, f);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    assert_true(n > 100);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_text(text, "no updates");
    hw_histogram_free(&h);
}

int main(void)
{
    small_linear_fill();
    if (hw_linear_objective(&linear, &objective, NULL) != HW_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shorter_configuration_has_the_defaults_behind_its_end),
        cmocka_unit_test(a_longer_configuration_is_refused_only_where_it_sets_what_is_unknown),
        cmocka_unit_test(an_objective_grows_in_the_same_way),
        cmocka_unit_test(the_version_can_be_asked_for_by_the_preprocessor_and_the_program),
        cmocka_unit_test(captures_say_how_many_updates_have_landed),
        cmocka_unit_test(progress_is_asked_by_another_thread),
        cmocka_unit_test(a_call_that_fails_leaves_a_sentence),
        cmocka_unit_test(the_record_fits_or_says_how_long_it_is),
        cmocka_unit_test(handles_train_without_a_struct_in_sight),
        cmocka_unit_test(handles_have_every_callback),
        cmocka_unit_test(names_of_the_first_release_are_taken),
        cmocka_unit_test(the_number_behind_m_is_asked_for),
        cmocka_unit_test(everything_that_frees_takes_null),
        cmocka_unit_test(an_empty_histogram_prints_no_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
