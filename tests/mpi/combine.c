/* combine.c - what several ranks have made of the same parameters: means and sums. */
#include "ranks.h"
#include <time.h>

/* Each rank touches a place of every one of its examples, in a line of its own, and one that all touch, and sends what
 * that comes to once: all of the former counts, and twice the mean of the latter. */
enum { APART = 420, LINES = 16 * (APART + 1) };

static hw_status apart_step(void *self, hw_worker *w, const hw_batch *b)
{
    float values[2], g[2] = {-1, -1};
    const uint32_t index[2] = {16 * b->index[0], 16 * APART};
    (void)self;
    hw_read_at(w, index, 2, values);
    return hw_write_at(w, index, 2, g, 1);
}

void means(ranks *r)
{
    for (int i = 0; i < 3; i++) {
        hw_objective o = hw_objective_defaults("apart", LINES);
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        float *x = calloc(LINES, sizeof *x);
        o.examples = APART;
        o.step = apart_step;
        o.touched = 2;
        c.batch = 1;
        c.epochs = 1;
        m.interval = 1 << 20;
        m.combine = i == 0 ? HW_MPI_CHOSEN : i == 1 ? HW_MPI_SUMS : HW_MPI_AVERAGES;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        for (int j = 0; j < APART; j++) CHECK(r, x[16 * j] == 1);
        const double whole = i == 2 ? (double)APART / r->count : i || r->count < 3 ? APART : 2.0 * APART / r->count;
        CHECK(r, fabs((double)x[16 * APART] - whole) <= 1e-3);
        CHECK(r, result.updates == APART);
        free(x);
    }
}

/* Of two ranks everything counts in full, however many exchanges one makes while the other makes none. */
static hw_status uneven_step(void *self, hw_worker *w, const hw_batch *b)
{
    float values[2], g[2] = {-1, -1};
    const uint32_t index[2] = {16 * b->index[0], 16 * APART};
    const struct timespec moment = {0, 300000};
    if (*(const int *)self == 0) (void)nanosleep(&moment, NULL);
    hw_read_at(w, index, 2, values);
    return hw_write_at(w, index, 2, g, 1);
}

void uneven(ranks *r)
{
    for (int interval = 1; interval <= 4; interval += 3) {
        hw_objective o = hw_objective_defaults("apart", LINES);
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        float *x = calloc(LINES, sizeof *x);
        o.examples = APART;
        o.step = uneven_step;
        o.self = &r->rank;
        o.touched = 2;
        c.batch = 1;
        c.epochs = 2;
        m.interval = (uint32_t)interval;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        for (int j = 0; j < APART; j++) CHECK(r, x[16 * j] == 2);
        const double least = r->count < 3 ? 2.0 * APART : 0, most = 2.0 * APART;
        CHECK(r, (double)x[16 * APART] >= least - 1e-3 && (double)x[16 * APART] <= most + 1e-3);
        free(x);
    }
}

/* Where the velocity is the owners', what ranks send is summed, so its interval does not grow as that of means. */
void sums_stay_short(ranks *r)
{
    hw_objective o = hw_objective_defaults("apart", LINES);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result;
    float *x = calloc(LINES, sizeof *x);
    o.examples = APART;
    o.step = apart_step;
    o.touched = 2;
    c.batch = 1;
    c.epochs = 400;
    c.evaluate_epochs = 0;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 1e-4;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    CHECK(r, r->count == 1 || result.updates <= result.exchanges * 4 * 256);
    free(x);
}
