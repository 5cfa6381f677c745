/* test_efficiency_over.c - a grid over several machines, which threads play here: all go through the same runs, rank 0
 * says what is known and what came out, and only it keeps a record. */
#include "turns.h"
#include <pthread.h>
#include <unistd.h>

enum { RANKS = 3 };

/* Where all come together: what rank 0 has goes to all. */
typedef struct place {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned come, round;
    void *first;
    size_t n;
} place;

typedef struct player {
    place *at;
    unsigned rank, runs, told, starts;
    unsigned over[RANKS + 1]; /* runs of so many ranks that it was in */
    bool slow;                /* what its own engine says is not what counts */
    const char *record;
    unsigned stop_after;
    volatile sig_atomic_t flag;
    hw_status status;
    char why[HW_WHY];
    hw_efficiency_row row[4];
    size_t rows;
} player;

static hw_status share(void *context, void *bytes, size_t n, char *why)
{
    player *p = context;
    place *t = p->at;
    (void)why;
    (void)pthread_mutex_lock(&t->mutex);
    const unsigned round = t->round;
    if (p->rank == 0) {
        t->first = bytes;
        t->n = n;
    }
    if (++t->come == RANKS) {
        t->come = 0;
        t->round++;
        (void)pthread_cond_broadcast(&t->changed);
    }
    while (t->round == round) (void)pthread_cond_wait(&t->changed, &t->mutex);
    const bool same = t->n == n;
    if (p->rank && same) memcpy(bytes, t->first, n);
    /* Rank 0's bytes stay until all have them. */
    const unsigned second = t->round;
    if (++t->come == RANKS) {
        t->come = 0;
        t->round++;
        (void)pthread_cond_broadcast(&t->changed);
    }
    while (t->round == second) (void)pthread_cond_wait(&t->changed, &t->mutex);
    (void)pthread_mutex_unlock(&t->mutex);
    return same ? HW_OK : HW_E_STATE;
}

static hw_status run(void *context, unsigned ranks, const hw_objective *o, hw_config *c, const float *x,
                     hw_engine **engine, hw_result *result, char *why)
{
    player *p = context;
    p->runs++;
    if (c->cluster.ranks != ranks) return HW_E_STATE;
    c->cluster = hw_config_defaults().cluster;
    if (p->rank >= ranks) return HW_OK;
    p->over[ranks]++;
    if (p->slow) c->optimizer.schedule.base *= 0.01;
    hw_status status = hw_engine_create(engine, o, c, x, why);
    if (status == HW_OK) (void)hw_engine_run(*engine, result);
    return status;
}

static void end(void *context, hw_engine *engine)
{
    (void)context;
    hw_engine_free(engine);
}

static hw_status told(void *context, const hw_efficiency_run *r, size_t done, size_t all)
{
    player *p = context;
    (void)r;
    if (++p->told == p->stop_after) p->flag = 1;
    return done <= all ? HW_OK : HW_E_CALLBACK;
}

static void begin(void *context, uint64_t seed, float *x)
{
    player *p = context;
    p->starts++;
    start(NULL, seed, x);
}

static void *play(void *context)
{
    player *p = context;
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan plan_of = plan(&o, &c, HW_QUESTION_FIXED);
    const hw_efficiency_over over = {p, p->rank, RANKS, share, run, NULL, end};
    hw_efficiency *e = NULL;
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    plan_of.over = &over;
    plan_of.start = begin;
    plan_of.on_run = told;
    plan_of.context = p;
    plan_of.record = p->record;
    plan_of.stop_flag = &p->flag;
    plan_of.seeds = 3;
    p->status = hw_efficiency_create(&e, &plan_of, p->why);
    if (p->status == HW_OK) p->status = hw_efficiency_axis(e, "cluster.ranks", "1,2,3,4", p->why);
    if (p->status == HW_OK) p->status = hw_efficiency_measure(e, p->why);
    p->rows = e ? hw_efficiency_rows(e) : 0;
    for (size_t i = 0; i < p->rows && i < 4; i++) (void)hw_efficiency_row_of(e, i, p->row + i);
    for (size_t i = 0; i < 4; i++) p->row[i].config = NULL;
    hw_efficiency_free(e);
    return NULL;
}

static void play_all(player *p, const char *record, unsigned stop_after)
{
    place t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t thread[RANKS];
    memset(p, 0, RANKS * sizeof *p);
    for (unsigned r = 0; r < RANKS; r++) {
        p[r].at = &t;
        p[r].rank = r;
        p[r].slow = r > 0;
        p[r].record = record;
        p[r].stop_after = stop_after;
        assert_int_equal(pthread_create(thread + r, NULL, play, p + r), 0);
    }
    for (unsigned r = 0; r < RANKS; r++) assert_int_equal(pthread_join(thread[r], NULL), 0);
}

static void all_measure_what_the_first_says(void **state)
{
    (void)state;
    player p[RANKS];
    char path[] = "over-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    play_all(p, path, 4);
    for (unsigned r = 0; r < RANKS; r++) { /* interrupted on rank 0, all end */
        assert_int_equal(p[r].status, HW_E_STOPPED);
        assert_int_equal(p[r].runs, 4);
        assert_int_equal(p[r].told, r == 0 ? 4 : 0);
    }
    play_all(p, path, 0);
    for (unsigned r = 0; r < RANKS; r++) {
        if (p[r].status != HW_OK) fail_msg("%s", p[r].why);
        assert_int_equal(p[r].runs, 9 - 4); /* three rows, three seeds; the others are in the record of rank 0 */
        assert_int_equal(p[r].over[1], r < 1 ? p[0].over[1] : 0);
        assert_int_equal(p[r].over[3], p[0].over[3]);
        assert_int_equal(p[r].rows, 4);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(p[r].row[i].runs, 3);
            assert_int_equal(p[r].row[i].met, 3);
            assert_true(p[r].row[i].updates.value > 0 && p[r].row[i].updates.value <= p[0].row[i].updates.value &&
                        p[r].row[i].updates.value >= p[0].row[i].updates.value);
        }
        assert_int_equal(p[r].row[3].refused, HW_E_ARGUMENT);
        assert_text(p[r].row[3].why, "config.cluster.ranks is 4, but there are 3");
    }
    assert_int_equal(unlink(path), 0);
}

static void what_is_not_over_ranks(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    player p = {0};
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan plan_of = plan(&o, &c, HW_QUESTION_FIXED);
    hw_efficiency_over over = {&p, 0, RANKS, share, run, NULL, end};
    hw_efficiency *e = NULL;
    plan_of.over = &over;
    plan_of.warm = 10;
    assert_int_equal(hw_efficiency_create(&e, &plan_of, why), HW_E_ARGUMENT);
    assert_text(why, "warm start");
    plan_of.warm = 0;
    over.rank = RANKS;
    assert_int_equal(hw_efficiency_create(&e, &plan_of, why), HW_E_ARGUMENT);
    assert_text(why, "plan.over");
    over.rank = 0;
    over.end = NULL;
    assert_int_equal(hw_efficiency_create(&e, &plan_of, why), HW_E_ARGUMENT);
    /* Without ranks an axis of them is for clusters that are simulated. */
    plan_of.over = NULL;
    assert_int_equal(hw_efficiency_create(&e, &plan_of, why), HW_OK);
    assert_int_equal(hw_efficiency_axis(e, "cluster.ranks", "2", why), HW_OK);
    hw_efficiency_row row;
    assert_int_equal(hw_efficiency_row_of(e, 0, &row), HW_OK);
    assert_true(row.refused);
    hw_efficiency_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_measure_what_the_first_says),
        cmocka_unit_test(what_is_not_over_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
