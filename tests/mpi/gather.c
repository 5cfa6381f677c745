/* gather.c - updates that are the mean of what the first ranks to come have brought: all owners take the same ranks
 * together, nothing is lost, and of all ranks it is the minibatch of all. */
#include "ranks.h"
#include <signal.h>
#include <time.h>

/* Each rank adds a number of its own, so that which ranks landed together shows in every parameter. */
typedef struct bringing {
    counting counts; /* first: count_step's self, too */
    int rank;
    uint32_t random;
} bringing;

static hw_status bring(void *self, hw_worker *w, const hw_batch *b)
{
    bringing *k = self;
    float *g = hw_gradient(w);
    (void)hw_read(w);
    for (uint32_t i = 0; i < b->count && b->epoch < EPOCHS; i++) k->counts.seen[b->epoch][b->index[i]]++;
    for (int j = 0; j < N; j++) g[j] = -(float)(1 << (4 * k->rank));
    k->random = k->random * 1664525 + 1013904223;
    const struct timespec moment = {0, 10000 + (long)(k->random >> 12)};
    (void)nanosleep(&moment, NULL);
    return hw_write(w, 1);
}

/* How many updates the owners made, where all owners took the same ranks: of `first` ranks each, but before meetings,
 * whose number is `meetings` at most. */
static void all_alike(ranks *r, unsigned first, double momentum, unsigned threads)
{
    bringing *k = calloc(1, sizeof *k);
    hw_objective o = counted(&k->counts);
    hw_config c = own(threads);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_mpi_job *job = NULL;
    hw_engine *e = NULL;
    hw_result result;
    hw_histogram h;
    char why[HW_WHY] = "";
    float x[N] = {0};
    k->rank = r->rank;
    k->random = 77 + (uint32_t)r->rank;
    o.step = bring;
    o.self = k;
    c.optimizer.momentum = momentum;
    m.gather = first;
    CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
    CHECK(r, hw_engine_create(&e, &o, &c, x, why) == HW_OK);
    CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
    CHECK_TEXT(r, result.message, "");
    CHECK(r, hw_engine_get(e, x) == HW_OK);
    CHECK(r, result.updates == 6 * EXAMPLES / 4 && result.examples == 6 * EXAMPLES);
    CHECK(r, visited(&k->counts, 0, 6));
    /* Of several workers what is sent may hold parts of an update that goes on with the next one. */
    for (int j = 1; j < N; j++) CHECK(r, threads > 1 || x[j] == x[0]);
    CHECK(r, hw_histogram_init(&h, 64) == HW_OK);
    CHECK(r, hw_mpi_staleness(job, &h) == HW_OK);
    CHECK(r, h.total == result.updates);
    CHECK(r, first < (unsigned)r->count || threads > 1 || result.staleness.mean == 0);
    /* By the largest number: what each rank brought counts by how many it came with, so the sum of all is bounded. */
    double each = 0;
    for (int q = 0; q < r->count; q++) each += 1 << (4 * q);
    const double own = (6.0 * EXAMPLES / 4) / r->count, gain = 1 / (1 - momentum);
    CHECK(r, x[0] <= gain * own * each / first * 1.3 && x[0] >= gain * own * each / r->count * 0.7);
    hw_histogram_free(&h);
    hw_engine_free(e);
    hw_mpi_free(job);
    free(k);
}

static void refused(ranks *r, unsigned first, hw_mpi_scheduler scheduler, hw_mpi_combine combine, size_t touched,
                    const char *part)
{
    hw_objective o = objective();
    hw_config c = scheduler == HW_MPI_SYNC ? in_step(1) : own(1);
    hw_mpi m = mpi_of(scheduler);
    hw_result result;
    float x[N] = {0};
    m.gather = first;
    m.combine = combine;
    o.touched = touched;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) != HW_OK);
    CHECK_TEXT(r, result.message, part);
}

static double pull(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < N; j++) g[j] = 0.1f * (x[j] - (float)j);
    return 1;
}

/* The mean of all ranks' gradients is one step of the heavy ball, of as many as one rank would make of larger
 * minibatches. */
static void as_one(ranks *r)
{
    hw_objective o = objective();
    o.loss_gradient = pull;
    hw_config many = own(1), one = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result got, expected;
    float x[N] = {0}, whole[N] = {0};
    many.batch = EXAMPLES / 12;
    one.batch = many.batch * (uint32_t)r->count;
    many.optimizer.momentum = one.optimizer.momentum = 0.5;
    many.optimizer.schedule.base = one.optimizer.schedule.base = 0.5;
    m.gather = (uint32_t)r->count;
    CHECK(r, hw_train(&o, &one, whole, &expected) == HW_OK);
    CHECK(r, hw_mpi_train(&o, &many, &m, x, &got) == HW_OK);
    CHECK(r, got.updates == expected.updates * (uint64_t)r->count && got.staleness.largest == 0);
    for (int j = 0; j < N; j++) CHECK(r, fabsf(x[j] - whole[j]) <= 1e-4f * fabsf(whole[j]) + 1e-5f);
    CHECK(r, fabs(got.last.metric[0] - expected.last.metric[0]) <= 1e-3);
}

/* A stop that one rank asks for, or that the time does, while others wait for the next update. */
static void stopped(ranks *r, bool timed)
{
    static volatile sig_atomic_t flag;
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result;
    float x[N] = {0};
    m.gather = (uint32_t)r->count;
    k->slow = true;
    c.epochs = 2000;
    flag = r->rank == r->count - 1;
    if (timed)
        c.seconds = 0.2;
    else
        c.stop_flag = &flag;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    CHECK(r, result.reason == (timed ? HW_STOP_SECONDS : HW_STOP_ASKED) && result.updates < 2000u * EXAMPLES / 4);
    for (int j = 0; j < N; j++) {
        float first = x[j];
        MPI_Bcast(&first, 1, MPI_FLOAT, 0, MPI_COMM_WORLD);
        CHECK(r, x[j] == first && x[j] == x[0]);
    }
    free(k);
}

/* From a capture no example is left out or seen twice. */
static void goes_on_from_a_capture(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    m.gather = 2;
    const pair_of_runs runs = twice(r, c, m, &o, k);
    CHECK(r, visited(k, 2, 6));
    for (int j = 1; j < N; j++) CHECK(r, runs.y[j] == runs.y[0]);
    free(k);
}

/* What a run that fails has said of itself is not taken for another one's. */
static void after_a_failure(ranks *r)
{
    for (int i = 0; i < 6; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        float x[N] = {0};
        m.gather = (uint32_t)r->count;
        c.epochs = i % 2 ? 8 : 1000;
        c.evaluate_epochs = 0;
        if (i % 2 == 0 && r->rank == r->count - 1) k->fails_at = 5;
        const hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        CHECK(r, status == (i % 2 ? HW_OK : 1234));
        CHECK(r, i % 2 == 0 || result.staleness.largest == 0);
        free(k);
    }
}

void gather(ranks *r)
{
    if (r->count > 1) refused(r, (unsigned)r->count + 1, HW_MPI_ASYNC, HW_MPI_CHOSEN, 0, "mpi.gather is ");
    refused(r, 1, HW_MPI_ASYNC, HW_MPI_CHOSEN, 0, "mpi.gather is 1");
    if (r->count == 1) return;
    refused(r, 2, HW_MPI_SYNC, HW_MPI_CHOSEN, 0, "scheduler async");
    refused(r, 2, HW_MPI_ASYNC, HW_MPI_SUMS, 0, "combine sums");
    refused(r, 2, HW_MPI_ASYNC, HW_MPI_CHOSEN, 3, "dense");
    for (unsigned first = 2; first <= (unsigned)r->count; first++) {
        all_alike(r, first, 0, 1);
        all_alike(r, first, 0.5, 1);
        all_alike(r, first, 0, 3);
    }
    if (12 % r->count == 0) as_one(r);
    after_a_failure(r);
    stopped(r, false);
    stopped(r, true);
    goes_on_from_a_capture(r);
}
