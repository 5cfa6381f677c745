/* combine.c - what several ranks have made of the same parameters: means and sums. */
#include "ranks.h"
#include <time.h>

/* Each rank touches a place of every one of its examples, in a line of its own, and one that all touch. slow: the rank
 * whose steps take longer, the first `held` much longer; -1: none. */
enum { APART = 420, LINES = 16 * (APART + 1) };
typedef struct apart {
    int rank, slow;
    unsigned held;
    float x[LINES];
    hw_result result;
} apart;

static hw_status apart_step(void *self, hw_worker *w, const hw_batch *b)
{
    apart *a = self;
    float values[2], g[2] = {-1, -1};
    const uint32_t index[2] = {16 * (b->index[0] % APART), 16 * APART};
    const struct timespec moment = {0, 300000}, long_while = {0, 60000000};
    if (a->slow == a->rank) (void)nanosleep(a->held ? &long_while : &moment, NULL);
    if (a->held) a->held--;
    hw_read_at(w, index, 2, values);
    return hw_write_at(w, index, 2, g, 1);
}

static void train_apart(ranks *r, apart *a, uint32_t examples, hw_config c, hw_mpi m)
{
    hw_objective o = hw_objective_defaults("apart", LINES);
    a->rank = r->rank;
    o.examples = examples;
    o.step = apart_step;
    o.self = a;
    o.touched = 2;
    c.batch = 1;
    memset(a->x, 0, sizeof a->x);
    CHECK(r, hw_mpi_train(&o, &c, &m, a->x, &a->result) == HW_OK);
}

/* What a rank makes is sent once: all of the places of its own counts, and twice the mean of the other. */
void means(ranks *r)
{
    for (int i = 0; i < 3; i++) {
        apart a = {.slow = -1};
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        c.epochs = 1;
        m.interval = 1 << 20;
        m.combine = i == 0 ? HW_MPI_CHOSEN : i == 1 ? HW_MPI_SUMS : HW_MPI_AVERAGES;
        train_apart(r, &a, APART, c, m);
        for (int j = 0; j < APART; j++) CHECK(r, a.x[16 * j] == 1);
        const double whole = i == 2 ? (double)APART / r->count : i || r->count < 3 ? APART : 2.0 * APART / r->count;
        CHECK(r, fabs((double)a.x[16 * APART] - whole) <= 1e-3);
        CHECK(r, a.result.updates == APART);
    }
}

/* Of two ranks everything counts in full, however many exchanges one makes while the other makes none. */
void uneven(ranks *r)
{
    for (int i = 0; i < 3; i++) { /* the last one: while all that others change comes several times */
        const int interval = i == 1 ? 4 : 1;
        apart a = {.slow = 0, .held = i == 2 ? 3 : 0};
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        c.epochs = 2;
        m.interval = (uint32_t)interval;
        train_apart(r, &a, APART, c, m);
        for (int j = 0; j < APART; j++) CHECK(r, a.x[16 * j] == 2);
        const double least = r->count < 3 ? 2.0 * APART : 0, most = 2.0 * APART;
        CHECK(r, (double)a.x[16 * APART] >= least - 1e-3 && (double)a.x[16 * APART] <= most + 1e-3);
    }
}

/* Where the velocity is the owners', what ranks send is summed, so its interval does not grow as that of means does,
 * which would come to thousands in these epochs. */
void sums_stay_short(ranks *r)
{
    apart a = {.slow = -1};
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    c.epochs = 2;
    c.evaluate_epochs = 0;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 1e-6;
    train_apart(r, &a, 300000, c, m);
    CHECK(r, r->count == 1 || a.result.updates <= a.result.exchanges * 4 * 256);
}
