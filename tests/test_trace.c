/* test_trace.c - schedules recorded from real threads, saved, loaded and replayed; and hostile files. */
#include "check.h"
#include <unistd.h>

#define N 48
typedef struct bowl {
    float curvature[N], optimum[N];
    hw_quadratic q;
    hw_objective o;
} bowl;

static void bowl_open(bowl *b)
{
    for (int i = 0; i < N; i++) {
        b->curvature[i] = 0.2f + 0.1f * (float)(i % 5);
        b->optimum[i] = (float)i / N;
    }
    b->q = (hw_quadratic){N, b->curvature, b->optimum, 0.05};
    assert_int_equal(hw_quadratic_objective(&b->q, &b->o, NULL), HW_OK);
}

/* The quadratic with a pause in the step, so that real threads interleave. */
typedef struct slow {
    bowl *b;
} slow;
static hw_status slow_step(void *self, hw_worker *w, const hw_batch *batch)
{
    slow *s = self;
    struct timespec t = {0, (long)hw_rng_below(hw_random(w), 60000)};
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    (void)batch;
    for (int j = 0; j < N; j++) {
        g[j] = s->b->curvature[j] * (x[j] - s->b->optimum[j]) + 0.05f * (float)hw_rng_normal(hw_random(w));
    }
    nanosleep(&t, NULL);
    return hw_write(w, 1);
}

static hw_config recorded(unsigned workers, uint64_t updates)
{
    hw_config c = hw_config_defaults();
    c.workers = workers;
    c.read = HW_READ_CONSISTENT;
    c.write = HW_WRITE_ADD;
    c.epochs = 0;
    c.updates = updates;
    c.trace = 1;
    c.optimizer.schedule.base = 0.05;
    c.optimizer.momentum = 0.9;
    c.curvature = -1;
    c.compensation.window = 100;
    c.divergence = 0;
    return c;
}

static hw_trace *record(const hw_objective *o, const hw_config *c, float *params, hw_result *r)
{
    hw_engine *e;
    hw_trace *t;
    char why[HW_WHY] = "";
    if (hw_engine_create(&e, o, c, NULL, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_engine_run(e, r), HW_OK);
    if (hw_engine_trace(e, &t, why) != HW_OK) fail_msg("%s", why);
    hw_engine_get(e, params);
    hw_engine_free(e);
    return t;
}

static hw_config replay_of(const hw_config *c, const hw_trace *t, unsigned threads)
{
    hw_config r = *c;
    hw_trace_info info;
    hw_trace_describe(t, &info);
    r.scheduler = HW_SIMULATED;
    r.workers = info.workers * info.per_group;
    r.simulation.clock = HW_CLOCK_REPLAY;
    r.simulation.trace = t;
    r.simulation.threads = threads;
    r.simulation.per_group = info.per_group;
    r.trace = 0;
    return r;
}

static void consistent_runs_replay_bit_for_bit(void **state)
{
    (void)state;
    bowl b;
    bowl_open(&b);
    slow s = {&b};
    b.o.self = &s;
    b.o.step = slow_step;
    b.o.evaluate = NULL;
    const hw_policy policies[] = {HW_POLICY_AUTO, HW_POLICY_MEASURED, HW_POLICY_NONE, HW_POLICY_LOOK_AHEAD};
    for (int k = 0; k < 8; k++) {
        float params[N], again[N];
        hw_result r, replayed;
        hw_config c = recorded(1 + (unsigned)k % 4, 700);
        c.compensation.policy = policies[k % 4];
        c.optimizer.schedule.base = 0.01;
        if (k >= 4) c.optimizer.weight_decay = 0.01;
        if (k == 5) c.optimizer.rule = HW_RULE_ADAGRAD, c.compensation.policy = HW_POLICY_NONE;
        if (k == 6) c.optimizer.rule = HW_RULE_NESTEROV;
        hw_trace *t = record(&b.o, &c, params, &r);
        hw_trace_info info;
        hw_trace_describe(t, &info);
        assert_int_equal(info.updates, 700);
        assert_int_equal(info.bit_equal, 1);
        assert_true((double)info.bytes <= 4.0 * 700);
        assert_true(hw_trace_matches(t, params, N));
        for (unsigned threads = 1; threads <= 2; threads++) {
            c.trace = 0;
            hw_config again_config = replay_of(&c, t, threads);
            float start[N] = {0};
            memcpy(again, start, sizeof again);
            assert_int_equal(hw_train(&b.o, &again_config, again, &replayed), HW_OK);
            assert_memory_equal(again, params, sizeof params);
            assert_true(hw_trace_matches(t, again, N));
            assert_int_equal(replayed.updates, 700);
            assert_near(replayed.staleness.mean, r.staleness.mean, 0);
            assert_near(replayed.staleness.variance, r.staleness.variance, 1e-9);
        }
        again[3] += 1e-6f;
        assert_false(hw_trace_matches(t, again, N));
        hw_trace_free(t);
    }
}

/* What landed when, as an observer of the run saw it. */
typedef struct seen {
    uint64_t staleness[900];
} seen;
static void observe(void *context, const hw_update_event *event)
{
    ((seen *)context)->staleness[event->update] = event->staleness;
}

static void atomic_runs_replay_their_staleness(void **state)
{
    (void)state;
    bowl b;
    bowl_open(&b);
    slow s = {&b};
    b.o.self = &s;
    b.o.step = slow_step;
    b.o.evaluate = NULL;
    for (int grouped = 0; grouped < 2; grouped++) {
        float params[N];
        hw_result r;
        seen *before = calloc(2, sizeof *before), *after = before + 1;
        hw_config c = recorded(4, 900);
        c.read = HW_READ_ATOMIC;
        c.write = HW_WRITE_STRIPED;
        c.on_update = observe;
        c.context = before;
        if (grouped) {
            c.scheduler = HW_GROUPS;
            c.groups = 2;
        }
        hw_trace *t = record(&b.o, &c, params, &r);
        hw_trace_info info;
        hw_trace_describe(t, &info);
        assert_int_equal(info.bit_equal, 0);
        assert_text(info.why_not, "ATOMIC");
        assert_int_equal(info.per_group, grouped ? 2 : 1);
        hw_config again = replay_of(&c, t, 2);
        again.context = after;
        assert_int_equal(hw_train(&b.o, &again, params, &r), HW_OK);
        assert_memory_equal(before->staleness, after->staleness, sizeof before->staleness);
        for (uint64_t i = 0; i < 900; i++) {
            hw_trace_entry entry;
            assert_int_equal(hw_trace_get(t, i, &entry), HW_OK);
            assert_int_equal(i - entry.read, before->staleness[i]);
        }
        hw_trace_entry entry;
        assert_int_equal(hw_trace_get(t, 900, &entry), HW_E_ARGUMENT);
        hw_trace_free(t);
        free(before);
    }
}

static void simulations_are_recorded_too(void **state)
{
    (void)state;
    bowl b;
    bowl_open(&b);
    float params[N], again[N] = {0};
    hw_result r;
    hw_config c = recorded(7, 500);
    c.scheduler = HW_SIMULATED;
    c.simulation.clock = HW_CLOCK_PARETO;
    c.simulation.shape = 1.5;
    c.optimizer.schedule.base = 0.01;
    hw_trace *t = record(&b.o, &c, params, &r);
    hw_config back = replay_of(&c, t, 1);
    assert_int_equal(hw_train(&b.o, &back, again, &r), HW_OK);
    assert_memory_equal(again, params, sizeof params);
    hw_trace_free(t);
    /* Many workers: four bytes an update still do. */
    c.workers = 300;
    c.compensation.policy = HW_POLICY_NONE;
    c.updates = 6000;
    c.simulation.clock = HW_CLOCK_EXPONENTIAL;
    t = record(&b.o, &c, params, &r);
    hw_trace_info info;
    hw_trace_describe(t, &info);
    assert_int_equal(info.updates, 6000);
    assert_true((double)info.bytes <= 4.1 * 6000);
    back = replay_of(&c, t, 2);
    memset(again, 0, sizeof again);
    assert_int_equal(hw_train(&b.o, &back, again, &r), HW_OK);
    assert_memory_equal(again, params, sizeof params);
    hw_trace_free(t);
}

static void a_replay_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    bowl b;
    bowl_open(&b);
    float params[N];
    hw_result r;
    hw_config c = recorded(2, 200);
    hw_trace *t = record(&b.o, &c, params, &r);
    char why[HW_WHY];
    const hw_config good = replay_of(&c, t, 1);
    assert_int_equal(hw_config_check(&good, &b.o, why), HW_OK);
#define REFUSED(change, part)                                            \
    do {                                                                 \
        hw_config x = good;                                              \
        change;                                                          \
        assert_int_equal(hw_config_check(&x, &b.o, why), HW_E_ARGUMENT); \
        assert_text(why, part);                                          \
    } while (0)
    REFUSED(x.seed = 2, "seed 1, not 2");
    REFUSED(x.batch = 64, "batch of 32");
    REFUSED(x.optimizer.momentum = 0.5, "momentum");
    REFUSED(x.optimizer.schedule.base = 0.5, "schedule");
    REFUSED(x.compensation.policy = HW_POLICY_POLE_ZERO, "policy pole-zero");
    REFUSED(x.simulation.per_group = 2, "per_group");
    REFUSED(x.read = HW_READ_ATOMIC, "read");
    REFUSED(x.path = HW_PATH_SCALAR, "path");
    hw_objective other = hw_objective_defaults("other", 3);
    other.step = slow_step;
    assert_int_equal(hw_config_check(&good, &other, why), HW_E_ARGUMENT);
    assert_text(why, "48 parameters");
    hw_trace_free(t);
    /* Too little room: the front is there, and the rest is counted. */
    c.trace_room = 4096;
    c.updates = 40000;
    t = record(&b.o, &c, params, &r);
    hw_trace_info info;
    hw_trace_describe(t, &info);
    assert_true(info.updates > 2000 && info.updates + info.lost == 40000 && info.lost > 0);
    assert_int_equal(info.bit_equal, 0);
    assert_text(info.why_not, "trace_room");
    hw_trace_free(t);
    /* Nothing recorded. */
    c.trace = 0;
    hw_engine *e;
    assert_int_equal(hw_engine_create(&e, &b.o, &c, NULL, NULL), HW_OK);
    assert_int_equal(hw_engine_trace(e, &t, why), HW_E_STATE);
    assert_null(t);
    hw_engine_free(e);
}

/* --- files
 * -------------------------------------------------------------------------------------------------------------- */

static hw_status load_bytes(const unsigned char *bytes, size_t size, hw_trace **t, char *why)
{
    FILE *f = fopen("hostile.trace", "wb");
    assert_non_null(f);
    if (size) assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    return hw_trace_load(t, "hostile.trace", why);
}

static uint32_t crc(const unsigned char *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

static void files_survive_and_hostile_ones_do_not(void **state)
{
    (void)state;
    bowl b;
    bowl_open(&b);
    float params[N];
    hw_result r;
    char why[HW_WHY];
    hw_config c = recorded(3, 60);
    hw_trace *t = record(&b.o, &c, params, &r), *back;
    assert_int_equal(hw_trace_save(t, "good.trace", why), HW_OK);
    assert_int_equal(hw_trace_load(&back, "good.trace", why), HW_OK);
    hw_trace_info one, two;
    hw_trace_describe(t, &one);
    hw_trace_describe(back, &two);
    assert_int_equal(one.updates, two.updates);
    assert_int_equal(one.bytes, two.bytes);
    for (uint64_t i = 0; i < 60; i++) {
        hw_trace_entry x, y;
        hw_trace_get(t, i, &x);
        hw_trace_get(back, i, &y);
        assert_memory_equal(&x, &y, sizeof x);
    }
    assert_true(hw_trace_matches(back, params, N));
    hw_trace_free(t);
    hw_trace_free(back);
    unsigned char bytes[4096], broken[4096];
    FILE *f = fopen("good.trace", "rb");
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_true(size > 300 && size < sizeof bytes);
    for (size_t n = 0; n < size; n++) { /* every truncation */
        assert_int_equal(load_bytes(bytes, n, &back, why), HW_E_FORMAT);
        assert_null(back);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) { /* every flipped bit */
        memcpy(broken, bytes, size);
        broken[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(load_bytes(broken, size, &back, why), HW_E_FORMAT);
    }
    /* With a checksum that fits: anything may stand in it, and whatever loads must be whole. */
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    unsigned loaded = 0;
    for (int k = 0; k < 20000; k++) {
        memcpy(broken, bytes, size);
        for (int m = 0; m < 1 + k % 3; m++)
            broken[8 + hw_rng_below(&rng, size - 12)] = (unsigned char)hw_rng_next(&rng);
        uint32_t sum = crc(broken, size - 4);
        for (int i = 0; i < 4; i++) broken[size - 4 + (size_t)i] = (unsigned char)(sum >> 8 * i);
        if (load_bytes(broken, size, &back, why) != HW_OK) {
            assert_null(back);
            assert_text(why, "hostile.trace");
            continue;
        }
        loaded++;
        hw_trace_info info;
        hw_trace_describe(back, &info);
        for (uint64_t i = 0; i < info.updates; i++) {
            hw_trace_entry x;
            assert_int_equal(hw_trace_get(back, i, &x), HW_OK);
            assert_true(x.read <= i && x.worker < info.workers && x.setting < info.settings);
        }
        hw_config again = replay_of(&c, back, 1);
        hw_result result;
        if (k % 20 == 0 && info.workers < 100 && hw_config_check(&again, &b.o, why) == HW_OK)
            (void)hw_train(&b.o, &again, NULL, &result);
        hw_trace_free(back);
    }
    assert_true(loaded > 0 && loaded < 20000);
    assert_int_equal(hw_trace_load(&back, "nowhere.trace", why), HW_E_IO);
    assert_int_equal(load_bytes((const unsigned char *)"text", 4, &back, why), HW_E_FORMAT);
    (void)remove("hostile.trace");
    (void)remove("good.trace");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consistent_runs_replay_bit_for_bit),
        cmocka_unit_test(atomic_runs_replay_their_staleness),
        cmocka_unit_test(simulations_are_recorded_too),
        cmocka_unit_test(a_replay_that_does_not_fit_is_refused),
        cmocka_unit_test(files_survive_and_hostile_ones_do_not),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
