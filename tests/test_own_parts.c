/* test_own_parts.c - a part of the data that one engine of several has alone: blocks of users with their ratings, and
 * an engine whose examples are its own. */
#include "check.h"
#include <hogwild/advanced/peers.h>

enum { N = 40, EXAMPLES = 37 };

/* --- ratings ------------------------------------------------------------------------------------------------------ */

static void blocks_of_users_are_disjoint_complete_and_even(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (unsigned parts = 1; parts <= 7; parts++) {
        uint32_t next = 0, count_of_all = 0;
        for (unsigned part = 0; part < parts; part++) {
            hw_ratings whole, r;
            hw_ratings_plan plan = hw_ratings_plan_defaults(20000, 300, 50);
            uint32_t first = 99, count = 99;
            plan.exponent = 0.5;
            assert_int_equal(hw_ratings_generate(&plan, &whole, why), HW_OK);
            assert_int_equal(hw_ratings_generate(&plan, &r, why), HW_OK);
            assert_int_equal(hw_ratings_of_users(&r, part, parts, &first, &count, why), HW_OK);
            assert_int_equal(first, next);
            next += count;
            count_of_all += r.count;
            assert_true(r.users == 300 && r.items == 50);
            assert_true(parts > 1 || hw_ratings_deviation(&r) == hw_ratings_deviation(&whole));
            assert_true(r.mean >= whole.mean && r.mean <= whole.mean && r.low == whole.low && r.high == whole.high);
            assert_true(r.count > 20000 / parts * 8 / 10 && r.count < 20000 / parts * 12 / 10 + 1);
            uint32_t at = 0; /* in the order of the whole, those of its users and no others */
            for (uint32_t i = 0; i < whole.count; i++) {
                if (whole.rating[i].user < first || whole.rating[i].user >= first + count) continue;
                assert_true(at < r.count);
                assert_memory_equal(r.rating + at++, whole.rating + i, sizeof *r.rating);
            }
            assert_int_equal(at, r.count);
            hw_ratings_free(&whole);
            hw_ratings_free(&r);
        }
        assert_int_equal(next, 300);
        assert_int_equal(count_of_all, 20000);
    }
}

/* Every part has somebody wherever there are as many users, however uneven they are. */
static void each_part_has_a_user(void **state)
{
    (void)state;
    hw_rng rng;
    hw_rng_seed(&rng, 3, 0);
    for (int trial = 0; trial < 300; trial++) {
        enum { MOST_USERS = 9, MOST_RATINGS = 400 };
        hw_rating rating[MOST_RATINGS];
        uint32_t users = 1 + (uint32_t)hw_rng_below(&rng, MOST_USERS), count = 0, rated = 0, next = 0, sum = 0;
        for (uint32_t u = 0; u < users; u++) {
            uint32_t n = hw_rng_below(&rng, 4) ? (uint32_t)hw_rng_below(&rng, 4) : (uint32_t)hw_rng_below(&rng, 40);
            rated += n > 0;
            for (; n > 0; n--) rating[count++] = (hw_rating){u, 0, 1};
        }
        if (!rated) continue;
        const unsigned parts = 1 + (unsigned)hw_rng_below(&rng, rated);
        for (unsigned part = 0; part < parts; part++) {
            char why[HW_WHY];
            uint32_t first, n;
            hw_ratings r = {.count = count, .users = users, .items = 1, .rating = malloc(sizeof rating)};
            assert_non_null(r.rating);
            memcpy(r.rating, rating, count * sizeof *rating);
            if (hw_ratings_of_users(&r, part, parts, &first, &n, why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(first, next);
            assert_true(r.count > 0);
            next += n;
            sum += r.count;
            free(r.rating);
        }
        assert_int_equal(next, users);
        assert_int_equal(sum, count);
    }
}

static void parts_that_there_are_not(void **state)
{
    (void)state;
    char why[HW_WHY];
    uint32_t first, count;
    hw_ratings r;
    hw_ratings_plan plan = hw_ratings_plan_defaults(30, 3, 5);
    assert_int_equal(hw_ratings_generate(&plan, &r, why), HW_OK);
    assert_int_equal(hw_ratings_of_users(&r, 2, 2, &first, &count, why), HW_E_ARGUMENT);
    assert_text(why, "part is 2 of 2");
    assert_int_equal(hw_ratings_of_users(&r, 0, 0, &first, &count, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_of_users(NULL, 0, 1, &first, &count, why), HW_E_ARGUMENT);
    assert_int_equal(hw_ratings_of_users(&r, 0, 1, NULL, &count, why), HW_E_ARGUMENT);
    unsigned empty = 0; /* three users in ten parts */
    for (unsigned part = 0; part < 10; part++) {
        hw_ratings one;
        assert_int_equal(hw_ratings_generate(&plan, &one, why), HW_OK);
        if (hw_ratings_of_users(&one, part, 10, &first, &count, why) != HW_OK) {
            empty++;
            assert_text(why, "3 users have ratings, too few for 10 parts");
            assert_int_equal(one.count, 30);
        }
        hw_ratings_free(&one);
    }
    assert_int_equal(empty, 10);
    hw_ratings_free(&r);
}

/* --- an engine ---------------------------------------------------------------------------------------------------- */

typedef struct diary {
    hw_engine *engine;
    _Atomic int seen[8][EXAMPLES], steps, odd; /* odd: steps whose number is another engine's */
    unsigned meetings;
} diary;

static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    diary *d = self;
    float *g = hw_gradient(w);
    (void)hw_read(w);
    for (uint32_t i = 0; i < b->count && b->epoch < 8; i++) d->seen[b->epoch][b->index[i]]++;
    d->steps++;
    if (b->step % 3 != 1) d->odd++;
    for (int j = 0; j < N; j++) g[j] = -(float)j;
    return hw_write(w, 1);
}

static hw_status meet(void *context, hw_meeting *m, char *why)
{
    diary *d = context;
    const hw_range some[] = {{3, 5}, {20, 1}};
    float x[N], all[N];
    uint64_t clock = 0, same = 0;
    (void)why;
    d->meetings++;
    m->again = 0;
    for (int j = 0; j < N; j++) x[j] = -7;
    if (hw_engine_peek(d->engine, all, &clock) != HW_OK || hw_engine_peek_at(d->engine, some, 2, x, &same) != HW_OK)
        return HW_E_STATE;
    for (int j = 0; j < N; j++) {
        const bool is = (j >= 3 && j < 8) || j == 20;
        if (x[j] < (is ? all[j] : -7) || x[j] > (is ? all[j] : -7) || same != clock) return HW_E_STATE;
    }
    return HW_OK;
}

static hw_status sums(void *context, double *values, size_t n, char *why)
{
    (void)context, (void)values, (void)n, (void)why;
    return HW_OK;
}

/* The second of three engines: all of its own examples once an epoch, and its part of updates that are counted for all;
 * its steps have numbers that no other one's have. */
static void own_examples(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        diary d = {0};
        hw_objective o = hw_objective_defaults("own", N);
        hw_config c = hw_config_defaults();
        hw_peers p = {sizeof p, &d, 1, 3, HW_SHARE_OWN, .sums = sums, .meet = meet};
        float x[N] = {0};
        hw_result r;
        char why[HW_WHY] = "";
        o.examples = EXAMPLES;
        o.step = step;
        o.self = &d;
        c.peers = &p;
        c.scheduler = i % 2 ? HW_ASYNC : HW_SEQUENTIAL;
        c.workers = i % 2 ? 3 : 1;
        c.batch = 4;
        c.epochs = 4;
        c.write = HW_WRITE_ADD;
        c.optimizer.momentum = 0;
        c.optimizer.schedule.base = 1;
        c.compensation.policy = HW_POLICY_NONE;
        if (i >= 2) c.updates = 50; /* 16 or 17 of each */
        assert_int_equal(hw_engine_create(&d.engine, &o, &c, x, why), HW_OK);
        assert_int_equal(hw_engine_run(d.engine, &r), HW_OK);
        assert_int_equal(hw_engine_get(d.engine, x), HW_OK);
        const int updates = i >= 2 ? 17 : 4 * ((EXAMPLES + 3) / 4);
        assert_int_equal(r.updates, updates);
        assert_int_equal(d.steps, updates);
        assert_int_equal(d.odd, 0);
        assert_true(d.meetings > 0);
        for (int j = 0; j < N; j++) assert_true(x[j] == (float)(j * updates));
        for (int e = 0; i < 2 && e < 8; e++)
            for (int k = 0; k < EXAMPLES; k++) assert_int_equal(d.seen[e][k], e < 4);
        assert_int_equal(hw_engine_peek_at(d.engine, NULL, 0, x, NULL), HW_E_ARGUMENT);
        hw_engine_free(d.engine);
    }
}

/* What the first step of an engine draws. */
typedef struct drawn {
    hw_engine *engine;
    uint64_t first;
    bool has;
} drawn;

static hw_status draw(void *self, hw_worker *w, const hw_batch *b)
{
    drawn *d = self;
    float *g = hw_gradient(w);
    (void)b;
    (void)hw_read(w);
    const uint64_t x = hw_rng_next(hw_random(w));
    if (!d->has) d->first = x;
    d->has = true;
    for (int j = 0; j < N; j++) g[j] = -1;
    return hw_write(w, 1);
}

static hw_status met(void *context, hw_meeting *m, char *why)
{
    (void)context, (void)why;
    m->again = 0;
    return HW_OK;
}

static uint64_t first_draw(const hw_peers *p, const hw_state *from, hw_state *to)
{
    drawn d = {0};
    hw_objective o = hw_objective_defaults("drawn", N);
    hw_config c = hw_config_defaults();
    float x[N] = {0};
    hw_result r;
    char why[HW_WHY] = "";
    o.examples = EXAMPLES;
    o.step = draw;
    o.self = &d;
    c.peers = p;
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.epochs = from ? 4 : 2;
    assert_int_equal(hw_engine_create(&d.engine, &o, &c, x, why), HW_OK);
    if (from) assert_int_equal(hw_engine_restore(d.engine, from, why), HW_OK);
    assert_int_equal(hw_engine_run(d.engine, &r), HW_OK);
    if (to) assert_int_equal(hw_engine_capture(d.engine, to), HW_OK);
    hw_engine_free(d.engine);
    return d.first;
}

/* No two engines' workers draw the same, nor after they have all gone on from the first one's state. */
static void streams_are_apart(void **state)
{
    (void)state;
    hw_state *kept = hw_state_create();
    uint64_t first[3], again[3];
    for (unsigned part = 0; part < 3; part++) {
        const hw_peers p = {sizeof p, NULL, part, 3, HW_SHARE_OWN, .sums = sums, .meet = met};
        first[part] = first_draw(&p, NULL, part == 0 ? kept : NULL);
    }
    for (unsigned part = 0; part < 3; part++) {
        const hw_peers p = {sizeof p, NULL, part, 3, HW_SHARE_OWN, .sums = sums, .meet = met};
        again[part] = first_draw(&p, kept, NULL);
    }
    assert_true(first[0] == first_draw(NULL, NULL, NULL));
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++) assert_true(first[i] != first[j] && again[i] != again[j]);
    hw_state_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_users_are_disjoint_complete_and_even),
        cmocka_unit_test(each_part_has_a_user),
        cmocka_unit_test(parts_that_there_are_not),
        cmocka_unit_test(own_examples),
        cmocka_unit_test(streams_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
