/* test_faults_allocator.c - the caller's allocator: everything that an engine, parameters or a state hold comes from it
 * and goes back to it with its size, nothing from malloc; and where it has no more, create says so and leaves nothing.
 */
#include "faults.h"
#include "small_linear.h"

/* A pool that knows what it gave. Runs never call it, so plain numbers do. */
typedef struct pool {
    size_t live, bytes; /* blocks and bytes at once */
    long asked, fail;   /* calls; from the fail-th on there is nothing, 0: never */
    size_t shift;       /* off the alignment */
    size_t wrong;       /* blocks that came back with another size, or nonsense asked for */
} pool;

typedef struct label {
    size_t bytes;
    char rest[56];
} label;

static void *pool_allocate(void *user, size_t alignment, size_t bytes)
{
    pool *p = user;
    if (alignment < 64 || bytes == 0 || bytes % alignment) p->wrong++;
    if (++p->asked >= p->fail && p->fail) return NULL;
    char *at = __real_aligned_alloc(64, 128 + bytes);
    if (!at) return NULL;
    memset(at, 0xff, 128 + bytes); /* NaN, huge numbers: who needs zeros writes them */
    ((label *)(void *)at)->bytes = bytes;
    p->live++;
    p->bytes += bytes;
    return at + 64 + p->shift;
}

static void pool_release(void *user, void *memory, size_t bytes)
{
    pool *p = user;
    char *at = (char *)memory - 64 - p->shift;
    if (((label *)(void *)at)->bytes != bytes) p->wrong++;
    p->live--;
    p->bytes -= bytes;
    __real_free(at);
}

static hw_status seen(void *context, uint64_t update, const hw_state *state)
{
    size_t *entries = context;
    (void)update;
    *entries = hw_state_count(state);
    return HW_OK;
}

/* One of the combinations of scheduler, mode and what else takes memory. */
static hw_config variant(unsigned i, size_t *entries)
{
    static const hw_scheduler schedulers[] = {HW_SEQUENTIAL, HW_ASYNC,     HW_SYNC,
                                              HW_GROUPS,     HW_SIMULATED, HW_ROUND_ROBIN};
    hw_config c = hw_config_defaults();
    c.scheduler = schedulers[i % 6];
    c.workers = c.scheduler == HW_SEQUENTIAL ? 1 : 4;
    c.groups = 2;
    c.batch = 4;
    c.epochs = 2;
    c.average_every = i / 6 % 2 ? 4 : 0;
    if (i / 6 == 1) c.read = HW_READ_CONSISTENT, c.write = HW_WRITE_ADD;
    if (i / 6 == 2) c.write = HW_WRITE_LOCKED;
    if (i / 6 == 3) { /* a clock that is counted by worker, or replicas */
        if (c.scheduler == HW_ASYNC) {
            c.exchange_interval = 8;
            c.optimizer.momentum = 0;
            c.optimizer.velocity = HW_VELOCITY_PRIVATE;
            c.compensation.policy = HW_POLICY_NONE;
        }
        if (c.scheduler == HW_ASYNC || c.scheduler == HW_SEQUENTIAL) c.clock_interval = 16;
    }
    if (c.scheduler == HW_SIMULATED)
        c.simulation.clock = i / 6 % 2 ? HW_CLOCK_EXPONENTIAL : HW_CLOCK_ROUND_ROBIN, c.simulation.threads = 2;
    if (i / 6 == 0 && c.clock_interval == 1) {
        c.trace = 1;
    } else {
        c.context = entries;
        c.on_capture = seen;
    }
    return c;
}

enum { VARIANTS = 24 };

/* Scratch memory: how often it was begun and ended, and whether it came zeroed. */
typedef struct counted_scratch {
    unsigned begun, ended, dirty, fails; /* fails: the number of the one that cannot be had */
} counted_scratch;
static counted_scratch scratches; /* create and free are calls of one thread */

static hw_status scratch_init(void *self, void *scratch)
{
    (void)self;
    if (scratches.begun + 1 == scratches.fails) return 1234;
    scratches.begun++;
    for (int i = 0; i < 100; i++) scratches.dirty += ((unsigned char *)scratch)[i] != 0;
    return HW_OK;
}

static void scratch_free(void *self, void *scratch)
{
    (void)self;
    (void)scratch;
    scratches.ended++;
}

static hw_status counted_objective(hw_objective *o)
{
    hw_status status = hw_linear_objective(&linear, o, NULL);
    o->scratch_bytes = 100;
    o->scratch_init = scratch_init;
    o->scratch_free = scratch_free;
    return status;
}

/* One a thread, and one of the curvature's probe. */
static unsigned scratches_of(const hw_config *c)
{
    unsigned n = c->scheduler == HW_SIMULATED ? c->simulation.threads : c->workers;
    return n + (hw_config_asynchronous(c) > 1 && c->compensation.policy == HW_POLICY_AUTO);
}

/* Bit for bit in every run. */
static bool repeats(const hw_config *c)
{
    return c->scheduler == HW_SEQUENTIAL || c->scheduler == HW_SYNC || c->scheduler == HW_SIMULATED ||
           (c->scheduler == HW_ROUND_ROBIN && !c->on_capture);
}

static void an_engine_lives_in_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VARIANTS; i++) {
        pool p = {0};
        const hw_allocator allocator = {pool_allocate, pool_release, &p};
        hw_objective o;
        hw_engine *e;
        hw_result r;
        size_t entries = 0;
        char why[HW_WHY] = "";
        hw_config c = variant(i, &entries);
        scratches = (counted_scratch){0};
        assert_int_equal(counted_objective(&o), HW_OK);
        {
            hw_allocator copy = allocator; /* the struct need not outlive create */
            c.allocator = &copy;
            calls = 0;
            if (hw_engine_create(&e, &o, &c, NULL, why) != HW_OK) fail_msg("variant %u: %s", i, why);
            memset(&copy, 0, sizeof copy);
        }
        if (calls) fail_msg("variant %u: create took %ld blocks from malloc", i, calls);
        assert_true(p.live > 5);
        assert_int_equal(scratches.begun, scratches_of(&c));
        if (c.on_capture) /* what a state holds is known to about a line an entry */
            assert_near((double)hw_engine_bytes(e), (double)p.bytes, 0.02 * (double)p.bytes);
        else
            assert_int_equal(hw_engine_bytes(e), p.bytes);
        long asked = p.asked;
        size_t before = p.live;
        run_allocates_nothing(e, &r);
        assert_true(r.updates > 0);
        assert_int_equal(p.asked, asked);
        assert_int_equal(p.live, before);
        if (repeats(&c) && !c.average_every) { /* hw_train would give the average */
            float x[4], y[4] = {0};
            assert_int_equal(hw_engine_get(e, x), HW_OK);
            hw_config own = c;
            own.allocator = NULL;
            assert_int_equal(hw_train(&o, &own, y, NULL), HW_OK);
            assert_memory_equal(x, y, sizeof x);
        }
        if (c.on_capture) assert_true(entries > 5);
        hw_engine_free(e);
        assert_int_equal(p.live, 0);
        assert_int_equal(p.bytes, 0);
        assert_int_equal(p.wrong, 0);
        assert_int_equal(scratches.ended, scratches.begun);
        assert_int_equal(scratches.dirty, 0);
    }
}

static void a_dry_pool_is_said(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VARIANTS; i++)
        for (long n = 1, made = 1; made; n++) {
            pool p = {.fail = n};
            const hw_allocator allocator = {pool_allocate, pool_release, &p};
            hw_objective o;
            hw_engine *e = NULL;
            size_t entries;
            char why[HW_WHY] = "";
            hw_config c = variant(i, &entries);
            c.allocator = &allocator;
            scratches = (counted_scratch){0};
            assert_int_equal(counted_objective(&o), HW_OK);
            hw_status status = hw_engine_create(&e, &o, &c, NULL, why);
            made = p.asked >= n;
            if (status != (made ? HW_E_MEMORY : HW_OK)) fail_msg("variant %u, block %ld: %d %s", i, n, status, why);
            if (made) assert_true(e == NULL && strstr(why, "memory"));
            hw_engine_free(e);
            assert_int_equal(p.live, 0);
            assert_int_equal(p.wrong, 0);
            assert_int_equal(scratches.ended, scratches.begun);
        }
}

/* The k-th scratch cannot be had: those before it are given back. */
static void a_scratch_that_fails_frees_the_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VARIANTS; i++)
        for (unsigned k = 1; k <= 2; k++) {
            pool p = {0};
            const hw_allocator allocator = {pool_allocate, pool_release, &p};
            hw_objective o;
            hw_engine *e;
            size_t entries;
            char why[HW_WHY] = "";
            hw_config c = variant(i, &entries);
            c.allocator = &allocator;
            if (k > scratches_of(&c)) continue;
            scratches = (counted_scratch){.fails = k};
            assert_int_equal(counted_objective(&o), HW_OK);
            assert_int_equal(hw_engine_create(&e, &o, &c, NULL, why), 1234);
            assert_text(why, "scratch_init returned 1234");
            assert_int_equal(scratches.ended, k - 1);
            assert_int_equal(p.live, 0);
        }
}

static void parameters_and_states_live_in_it(void **state)
{
    (void)state;
    pool p = {0};
    const hw_allocator allocator = {pool_allocate, pool_release, &p};
    hw_params *params;
    hw_params_config c = hw_params_defaults(1000, 3);
    calls = 0;
    assert_int_equal(hw_params_create_in(&params, &c, &allocator, NULL), HW_OK);
    assert_true(p.bytes >= 1000 * sizeof(float));
    hw_params_free(params);
    assert_int_equal(p.live, 0);
    hw_state *s = hw_state_create_in(&allocator);
    char name[16];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(hw_state_put_number(s, name, (uint64_t)i), HW_OK);
    }
    float x[100] = {1};
    for (unsigned n = 1; n <= 100; n += 33) /* an entry that grows */
        assert_int_equal(hw_state_put(s, "x", HW_F32, 1, (const uint64_t[]){n}, x), HW_OK);
    assert_int_equal(hw_state_number(s, "n99", 0), 99);
    /* A copy, one that finds its memory there, and one for which memory runs out half-way. */
    hw_state *copy = hw_state_create_in(&allocator);
    assert_int_equal(hw_state_put_text(copy, "old", "goes"), HW_OK);
    assert_int_equal(hw_state_copy(copy, s), HW_OK);
    assert_int_equal(hw_state_count(copy), 101);
    assert_int_equal(hw_state_number(copy, "n42", 0), 42);
    assert_true(hw_state_array(copy, "x", HW_F32, 100) != hw_state_array(s, "x", HW_F32, 100));
    assert_memory_equal(hw_state_array(copy, "x", HW_F32, 100), x, sizeof x);
    long asked = p.asked;
    assert_int_equal(hw_state_copy(copy, s), HW_OK);
    assert_int_equal(p.asked, asked);
    assert_int_equal(hw_state_put_number(s, "one more", 1), HW_OK);
    p.fail = p.asked + 20;
    assert_int_equal(hw_state_copy(copy, s), HW_E_MEMORY);
    assert_int_equal(hw_state_count(copy), 0);
    p.fail = 0;
    assert_int_equal(hw_state_copy(copy, copy), HW_OK);
    assert_int_equal(hw_state_copy(copy, NULL), HW_E_ARGUMENT);
    hw_state_free(copy);
    hw_state_clear(s);
    assert_int_equal(p.live, 1);
    assert_int_equal(hw_state_put_text(s, "t", "after a clear"), HW_OK);
    hw_state_free(s);
    assert_int_equal(p.live, 0);
    assert_int_equal(p.wrong, 0);
    assert_int_equal(calls, 0);
}

static void what_is_no_allocator_is_refused(void **state)
{
    (void)state;
    pool p = {.shift = 16}; /* memory that kernels cannot load by whole lines */
    hw_allocator allocator = {pool_allocate, pool_release, &p};
    hw_objective o;
    hw_engine *e;
    char why[HW_WHY] = "";
    assert_int_equal(hw_linear_objective(&linear, &o, NULL), HW_OK);
    hw_config *c = hw_config_new();
    hw_config_set_allocator(c, &allocator);
    assert_int_equal(hw_engine_create(&e, &o, c, NULL, why), HW_E_MEMORY);
    assert_int_equal(p.asked, 1);
    assert_int_equal(p.live, 0);
    allocator.release = NULL;
    assert_int_equal(hw_config_check(c, &o, why), HW_E_ARGUMENT);
    assert_non_null(strstr(why, "config.allocator"));
    hw_params *params;
    hw_params_config parts = hw_params_defaults(10, 1);
    assert_int_equal(hw_params_create_in(&params, &parts, &allocator, why), HW_E_ARGUMENT);
    assert_null(hw_state_create_in(&allocator));
    hw_config_free(c);
}

int main(void)
{
    small_linear_fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_lives_in_it),
        cmocka_unit_test(a_dry_pool_is_said),
        cmocka_unit_test(a_scratch_that_fails_frees_the_others),
        cmocka_unit_test(parameters_and_states_live_in_it),
        cmocka_unit_test(what_is_no_allocator_is_refused),
    };
    return cmocka_run_group_tests_name("faults_allocator", tests, NULL, NULL);
}
