/* updates.c - in step the bits of as many threads; on their own no update is lost or made twice, dense or sparse, and
 * all threads of a rank step. */
#include "../fits.h"
#include "ranks.h"
#include <time.h>

void sync_equals_threads(ranks *r)
{
    float x[N] = {0}, whole[N] = {0};
    hw_objective o = objective();
    hw_config one = in_step(1), all = in_step((unsigned)r->count);
    hw_mpi m = mpi_of(HW_MPI_SYNC);
    hw_result got, expected;
    CHECK(r, hw_train(&o, &all, whole, &expected) == HW_OK);
    CHECK(r, hw_mpi_train(&o, &one, &m, x, &got) == HW_OK);
    CHECK(r, memcmp(x, whole, sizeof x) == 0);
    CHECK(r, got.updates == expected.updates && got.examples == expected.examples);
    CHECK(r, got.last.metric[0] == expected.last.metric[0] && got.train_loss == expected.train_loss);
    /* MPI's own order of the sum, and several threads a rank: the same but for rounding. */
    hw_config two = in_step(2);
    m.sum = HW_MPI_REDUCED;
    memset(x, 0, sizeof x);
    CHECK(r, hw_mpi_train(&o, &two, &m, x, &got) == HW_OK);
    for (int j = 0; j < N; j++) CHECK(r, fabsf(x[j] - whole[j]) <= 1e-4f * fabsf(whole[j]) + 1e-5f);
}

void nothing_is_lost(ranks *r)
{
    for (int i = 0; i < 8; i++) { /* in the last two more wait for an evaluation than the bound lets begin */
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(i > 5 ? 5 : i % 2 ? 2 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        watched w = {.exact = true};
        hw_result result;
        hw_mpi_job *job = NULL;
        hw_engine *e = NULL;
        hw_histogram h;
        char why[HW_WHY] = "";
        float x[N] = {0};
        m.interval = i < 2 || i > 5 ? 1 : i < 4 ? 3 : 64;
        if (i > 5) m.bound = 2;
        if (i == 7) {
            c.scheduler = HW_GROUPS;
            c.groups = 5;
        }
        c.on_evaluation = see;
        c.context = &w;
        k->slow = i < 2 || i > 5;
        CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &c, x, why) == HW_OK);
        CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
        CHECK(r, hw_engine_get(e, x) == HW_OK);
        CHECK(r, result.updates == 6 * EXAMPLES / 4 && result.examples == 6 * EXAMPLES);
        for (int j = 0; j < N; j++) CHECK(r, x[j] == 6 * EXAMPLES / 4);
        CHECK(r, result.last.metric[0] == 6 * EXAMPLES / 4);
        /* Ranks meet for each of them; but alone one of two quick workers may go on past the next one while the other
         * is about to ask for the last, and with gradients in hand the one at the end may be made once more. */
        const unsigned fewest = r->count > 1 ? 6 : 1, most = i > 5 ? 7 : 6;
        CHECK(r, r->rank != 0 || (w.exact && w.count >= fewest && w.count <= most));
        CHECK(r, visited(k, 0, 6));
        if (r->count > 1) {
            CHECK(r, hw_histogram_init(&h, 64) == HW_OK);
            CHECK(r, hw_mpi_staleness(job, &h) == HW_OK);
            CHECK(r, h.total == result.updates);
            CHECK(r, result.staleness.updates == result.updates);
            hw_histogram_free(&h);
        }
        const hw_mpi_rank *each = hw_mpi_ranks(job);
        CHECK(r, (each != NULL) == (r->rank == 0));
        uint64_t updates = 0;
        for (int q = 0; each && q < r->count; q++) {
            updates += each[q].updates;
            CHECK(r, r->count == 1 || (each[q].exchanges > 0 && each[q].bytes_sent > 0));
        }
        CHECK(r, !each || updates == result.updates);
        hw_engine_free(e);
        hw_mpi_free(job);
        free(k);
    }
}

/* All workers of a rank are in a step at once, however often it exchanges. */
enum { TOGETHER = 4 };

static double meet(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    _Atomic unsigned *inside = self; /* inside[1]: how often all of them were; inside[2]: who has waited in vain */
    const uint64_t from = hw_now();
    (void)scratch, (void)b, (void)x;
    inside[0]++;
    while (inside[0] < TOGETHER && !inside[1] && !inside[2] && hw_now() - from < 2000000000u) {
        const struct timespec moment = {0, 100000};
        (void)nanosleep(&moment, NULL);
    }
    inside[inside[0] == TOGETHER ? 1 : 2]++;
    inside[0]--;
    for (int j = 0; j < N; j++) g[j] = -1;
    return 1;
}

void together(ranks *r)
{
    _Atomic unsigned inside[3] = {0, 0, 0};
    hw_objective o = objective();
    hw_config c = own(TOGETHER);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result;
    float x[N] = {0};
    o.loss_gradient = meet;
    o.self = inside;
    m.interval = 1;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    CHECK(r, inside[1] > 0);
}

/* A wide model of which every step touches three places, two of them its example's own: what is exchanged is what was
 * touched, and nothing of it is lost. */
enum { WIDE = 50000, FEW = 400 };

static hw_status sparse_step(void *self, hw_worker *w, const hw_batch *b)
{
    float values[3], g[3] = {-1, -2, -1};
    const uint32_t at = b->index[0], index[3] = {at, 40000 + at, WIDE - 1};
    const struct timespec moment = {0, 100000};
    (void)self;
    hw_read_at(w, index, 3, values);
    (void)nanosleep(&moment, NULL);
    return hw_write_at(w, index, 3, g, 1);
}

void sparse(ranks *r)
{
    float *x = calloc(WIDE, sizeof *x);
    for (int i = 0; i < 2; i++) {
        hw_objective o = hw_objective_defaults("sparse", WIDE);
        hw_config c = own(2);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_mpi_job *job = NULL;
        hw_engine *e = NULL;
        hw_result result;
        char why[HW_WHY] = "";
        bool good = true;
        m.combine = HW_MPI_SUMS;
        o.examples = FEW;
        o.touched = 3;
        o.step = sparse_step;
        c.batch = 1;
        c.epochs = 3;
        c.clock_interval = i ? 16 : 1;
        m.interval = i ? 16 : 1;
        memset(x, 0, WIDE * sizeof *x);
        CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &c, x, why) == HW_OK);
        CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
        CHECK(r, hw_engine_get(e, x) == HW_OK);
        CHECK(r, result.updates == 3 * FEW);
        for (int k = 0; k < WIDE - 1; k++) good = good && x[k] == (k < FEW ? 3 : k >= 40000 && k < 40000 + FEW ? 6 : 0);
        CHECK(r, good && x[WIDE - 1] == 3 * FEW);
        const hw_mpi_rank *each = hw_mpi_ranks(job);
        for (int k = 0; each && r->count > 1 && k < r->count; k++) {
            CHECK(r, each[k].exchanges > 5);
            CHECK(r, each[k].bytes_sent / each[k].exchanges < 20000); /* all of it would be 200 kB and more */
        }
        hw_engine_free(e);
        hw_mpi_free(job);
    }
    free(x);
}
