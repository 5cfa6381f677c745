/* test_ranks.c - runs over ranks, one test a start: `mpirun -n N test_ranks NAME`. The job's arithmetic is small and
 * exact, so that what is lost, or counted twice, shows. */
#include "../fits.h"
#include "ranks.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { N = 70, EXAMPLES = 180 };

/* --- a job of several classes of fits, as in one process ------------------------------------------------------------
 */

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch;
    return fits_gradient(b, x, g, N);
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) sums[0] += (double)x[i % N];
    return HW_OK;
}

static hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("ranks", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 140;
    o.evaluation_chunk = 10;
    return o;
}

static hw_config in_step(unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SYNC;
    c.workers = workers;
    c.batch = 17;
    c.epochs = 4;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 0.5;
    return c;
}

static hw_mpi mpi_of(hw_mpi_scheduler scheduler)
{
    hw_mpi m;
    (void)hw_mpi_init(&m, sizeof m);
    m.scheduler = scheduler;
    return m;
}

static void sync_equals_threads(ranks *r)
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

/* --- on their own: whole numbers -------------------------------------------------------------------------------------
 */

enum { EPOCHS = 8 };

typedef struct counting {
    _Atomic int seen[EPOCHS][EXAMPLES];
    _Atomic unsigned steps;
    unsigned fails_at; /* 0: never */
    bool nan, slow;
    unsigned skip_every; /* its gradient is none, and left out */
} counting;

static hw_status count_step(void *self, hw_worker *w, const hw_batch *b)
{
    counting *k = self;
    float *g = hw_gradient(w);
    (void)hw_read(w);
    for (uint32_t i = 0; i < b->count && b->epoch < EPOCHS; i++) k->seen[b->epoch][b->index[i]]++;
    for (int j = 0; j < N; j++) g[j] = -1;
    unsigned step = ++k->steps;
    if (k->slow) {
        const struct timespec moment = {0, 200000};
        (void)nanosleep(&moment, NULL);
    }
    if (k->fails_at && step == k->fails_at) {
        if (!k->nan) return hw_fail(w, (hw_status)1234, "the well has run dry");
        g[3] = NAN;
    }
    if (k->skip_every && step % k->skip_every == 0) g[3] = NAN;
    return hw_write(w, 1);
}

/* Every example once in each epoch of first .. end - 1, and never in another, whichever rank it was. */
static bool visited(const counting *k, int first, int end)
{
    int mine[EPOCHS * EXAMPLES], all[EPOCHS * EXAMPLES];
    for (int i = 0; i < EPOCHS * EXAMPLES; i++) mine[i] = k->seen[i / EXAMPLES][i % EXAMPLES];
    MPI_Allreduce(mine, all, EPOCHS * EXAMPLES, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < EPOCHS * EXAMPLES; i++)
        if (all[i] != (i / EXAMPLES >= first && i / EXAMPLES < end)) return false;
    return true;
}

static hw_config own(unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = workers == 1 ? HW_SEQUENTIAL : HW_ASYNC;
    c.workers = workers;
    c.batch = 4;
    c.epochs = 6;
    c.write = HW_WRITE_ADD;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1; /* every update adds 1 */
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

static hw_objective counted(counting *k)
{
    hw_objective o = objective();
    o.loss_gradient = NULL;
    o.step = count_step;
    o.self = k;
    return o;
}

typedef struct watched {
    unsigned count, stop_after;
    bool exact;
} watched;

/* All parameters are the number of updates, so the metric says whether the view is one moment's. */
static hw_status see(void *context, const hw_evaluation *e)
{
    watched *w = context;
    w->count++;
    w->exact = w->exact && e->metric[0] == (double)e->update;
    return w->stop_after && w->count == w->stop_after ? HW_E_STOPPED : HW_OK;
}

static void nothing_is_lost(ranks *r)
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
        CHECK(r, r->rank != 0 || (w.count == 6 && w.exact));
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

static void means(ranks *r)
{
    for (int i = 0; i < 2; i++) {
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
        m.combine = i ? HW_MPI_SUMS : HW_MPI_CHOSEN;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        for (int j = 0; j < APART; j++) CHECK(r, x[16 * j] == 1);
        const double whole = i || r->count < 3 ? APART : 2.0 * APART / r->count;
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

static void uneven(ranks *r)
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
static void sums_stay_short(ranks *r)
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

static void together(ranks *r)
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

static void sparse(ranks *r)
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

/* Rows that are alike: sixteen columns of each are the same, two are its own. */
enum { ROWS = 6000, COMMON = 16, OWN = 48, ENTRIES = COMMON + 2 };

static void fill_alike(hw_sparse *s)
{
    hw_rng rng;
    hw_rng_seed(&rng, 3, 0);
    *s = (hw_sparse){.rows = ROWS, .columns = COMMON + OWN, .nonzeros = (uint64_t)ROWS * ENTRIES};
    s->offset = calloc(ROWS + 1, sizeof *s->offset);
    s->index = calloc((size_t)ROWS * ENTRIES, sizeof *s->index);
    s->value = calloc((size_t)ROWS * ENTRIES, sizeof *s->value);
    s->label = calloc(ROWS, sizeof *s->label);
    for (uint32_t i = 0; i < ROWS; i++) {
        s->offset[i + 1] = (uint64_t)(i + 1) * ENTRIES;
        for (uint32_t k = 0; k < ENTRIES; k++) {
            const size_t at = (size_t)i * ENTRIES + k;
            s->index[at] = k < COMMON ? k : COMMON + (k - COMMON) * OWN / 2 + (uint32_t)hw_rng_below(&rng, OWN / 2);
            s->value[at] = k < COMMON ? 0.25f : 0.5f - (float)hw_rng_below(&rng, 2);
        }
        s->label[i] = 1 + 0.3f * (float)hw_rng_normal(&rng);
    }
}

static double loss_of(const hw_sparse *s, const float *x)
{
    double loss = 0;
    for (uint32_t i = 0; i < s->rows; i++) {
        double e = -(double)s->label[i];
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) e += (double)s->value[k] * (double)x[s->index[k]];
        loss += e * e / s->rows;
    }
    return loss;
}

/* What ranks do from the same start along the direction that all rows pull in does not add up beyond the optimum, and
 * an exchange comes after the updates that it was asked for, however many tickets workers take at once. */
static void alike(ranks *r)
{
    const uint32_t interval[] = {0, 4, 16, 64, 256};
    hw_sparse s;
    char why[HW_WHY] = "";
    float x[COMMON + OWN];
    fill_alike(&s);
    hw_sparse_linear model = hw_sparse_linear_defaults(HW_SPARSE_SQUARED, &s);
    hw_objective o;
    hw_config c = own(1);
    hw_result result;
    CHECK(r, hw_sparse_linear_objective(&model, &o, why) == HW_OK);
    c.batch = 1;
    c.epochs = 1;
    c.clock_interval = c.exchange_interval = 0;
    c.write = HW_WRITE_RACY;
    c.optimizer.schedule = (hw_schedule){.kind = HW_SCHEDULE_LINEAR, .base = 0.3, .interval = ROWS};
    memset(x, 0, sizeof x);
    CHECK(r, hw_train(&o, &c, x, &result) == HW_OK);
    const double alone = loss_of(&s, x);
    CHECK(r, alone < 0.1);
    for (size_t i = 0; i < sizeof interval / sizeof *interval; i++) {
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_mpi_job *job = NULL;
        hw_engine *e = NULL;
        hw_config own = c;
        m.interval = interval[i];
        memset(x, 0, sizeof x);
        CHECK(r, hw_mpi_create(&job, &o, &own, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &own, x, why) == HW_OK);
        CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
        CHECK(r, hw_engine_get(e, x) == HW_OK);
        const double loss = loss_of(&s, x);
        CHECK(r, loss < 1.3 * alone);
        if (!(loss < 1.3 * alone)) fprintf(stderr, "interval %u: %g, alone %g\n", interval[i], loss, alone);
        const hw_mpi_rank *each = hw_mpi_ranks(job);
        for (int k = 0; each && r->count > 1 && m.interval && k < r->count; k++)
            CHECK(r, each[k].exchanges >= each[k].updates / (2 * m.interval));
        hw_engine_free(e);
        hw_mpi_free(job);
    }
    hw_sparse_linear_free(&model);
    hw_sparse_free(&s);
}

/* As many workers as there are cores for all ranks of a machine. */
static void workers(ranks *r)
{
    const int all = (int)hw_config_defaults().workers, own = (int)hw_mpi_workers(MPI_COMM_WORLD);
    int sum = 0, most = 0;
    MPI_Allreduce(&own, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(&all, &most, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    CHECK(r, own >= 1 && own <= all);
    CHECK(r, r->count > 1 || own == all);
    CHECK(r, sum <= (int)hw_processors() || sum <= most || own == 1 || all == 1); /* more ranks than cores: one each */
}

/* However long a run is, nothing that lands is older than what was under way when its step was begun: with several
 * workers and a long bound, with gradients that are left out, with a sampled clock. */
static void ages(ranks *r)
{
    for (int i = 0; i < 3; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(i == 0 ? 4 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        float x[N] = {0};
        c.epochs = 60;
        c.evaluate_epochs = 0;
        c.on_nan = HW_NAN_SKIP;
        k->slow = true;
        k->skip_every = i == 1 ? 40 : 0;
        m.interval = 1;
        m.bound = i == 0 ? 16 : 2;
        if (i == 2) c.clock_interval = 16;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        CHECK(r, i != 1 || result.skipped > 10);
        CHECK(r, result.updates + result.skipped == 60 * EXAMPLES / 4);
        const double most = (i == 2 ? 32 : m.bound + 4) * (unsigned)(r->count - 1); /* of each other rank's, about */
        CHECK(r, r->count == 1 || result.staleness.mean <= 3 * most);
        if (r->count > 1 && result.staleness.mean > 3 * most)
            fprintf(stderr, "case %d: mean %g, most %g\n", i, result.staleness.mean, most);
        free(k);
    }
}

/* In the end an update is 1 / (1 - m) of it, whatever an exchange holds, whoever keeps the velocity. */
static void momentum_gains(ranks *r)
{
    for (int i = 0; i < 8; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        float x[N] = {0};
        const hw_policy policy[] = {HW_POLICY_NONE, HW_POLICY_AUTO, HW_POLICY_THEORY, HW_POLICY_MEAN_LAG};
        c.optimizer.momentum = 0.75;
        c.curvature = -1;
        c.epochs = 40;
        c.compensation.policy = policy[i % 4];
        m.interval = i < 4 ? 1 : 8;
        k->slow = true;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        double whole = 4.0 * 40 * EXAMPLES / 4; /* less what the last updates have not come to yet */
        CHECK(r, x[0] <= whole * 1.01 && x[0] > whole * 0.95);
        for (int j = 1; j < N; j++) CHECK(r, fabsf(x[j] / x[0] - 1) < 0.01f); /* owners go by what each has seen */
        free(k);
    }
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    float x[N] = {0};
    m.velocity = HW_MPI_AT_RANKS;
    c.optimizer.momentum = 0.75;
    c.curvature = -1;
    c.epochs = 40;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, NULL) == HW_OK);
    CHECK(r, x[0] > 0.95f * 4 * 40 * EXAMPLES / 4 && x[0] <= 4 * 40 * EXAMPLES / 4);
    free(k);
}

/* A model fills what it knows of an objective; what lies beyond is not looked at. */
static void shorter(ranks *r)
{
    float curvature[N], optimum[N], x[N] = {0};
    hw_quadratic q = {N, curvature, optimum, 0};
    hw_objective o;
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result = {0};
    char why[HW_WHY] = "";
    for (int j = 0; j < N; j++) curvature[j] = 0.5f, optimum[j] = (float)j;
    memset(&o, 0x73, sizeof o);
    CHECK(r, hw_quadratic_objective(&q, &o, why) == HW_OK && o.struct_size < sizeof o);
    c.epochs = 0;
    c.updates = 400;
    c.optimizer.schedule.base = 0.1;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    if (result.message[0]) fprintf(stderr, "%s\n", result.message);
    for (int j = 0; j < N; j++) CHECK(r, fabsf(x[j] - optimum[j]) < 0.1f);
}

/* A quadratic is minimised, with staleness that is there and is compensated. */
static void converges(ranks *r)
{
    for (int i = 0; i < 2; i++) {
        hw_objective o = objective();
        hw_config c = own(2);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result = {0};
        float x[N] = {0};
        double mean = 0;
        c.optimizer.momentum = 0.9;
        c.optimizer.schedule.base = i ? 0.1 : 0.02;
        c.compensation.policy = i ? HW_POLICY_AUTO : HW_POLICY_NONE;
        c.curvature = 0.1;
        c.epochs = 60;
        m.interval = 2;
        m.bound = i ? 16 : 4;
        for (int n = 0; n < EXAMPLES; n++) mean += (0.3 + 0.07 * (n % 13)) / EXAMPLES;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        for (int j = 0; j < N; j++) CHECK(r, fabs((double)x[j] / (mean * (j + 1)) - 1) < 0.1);
    }
}

/* --- trouble
 * -----------------------------------------------------------------------------------------------------------
 */

static void trouble(ranks *r)
{
    for (int i = 0; i < 4; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        bool step = i % 2;
        hw_config c = step ? in_step(1) : own(2);
        hw_mpi m = mpi_of(step ? HW_MPI_SYNC : HW_MPI_ASYNC);
        hw_result result;
        float x[N] = {0};
        char name[32];
        int who = r->count - 1;
        c.epochs = 1000;
        c.evaluate_epochs = 0;
        k->slow = true;
        k->nan = i >= 2;
        if (r->rank == who) k->fails_at = 20;
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        CHECK(r, status == (i < 2 ? 1234 : HW_E_DIVERGED) && result.status == status);
        if (i < 2) CHECK_TEXT(r, result.message, "the well has run dry");
        (void)snprintf(name, sizeof name, "rank %d: ", who);
        if (i < 2 && r->rank != who) CHECK_TEXT(r, result.message, name);
        CHECK(r, result.reason == HW_STOP_ERROR);
        for (int j = 0; j < N; j++) {
            float first = x[j];
            MPI_Bcast(&first, 1, MPI_FLOAT, 0, MPI_COMM_WORLD);
            CHECK(r, isfinite(x[j]) && x[j] == first);
        }
        free(k);
    }
}

/* What differs is named, with both values, on every rank. */
static void mismatch(ranks *r)
{
    bool odd = r->rank == r->count - 1;
    float x[N] = {0};
    char other[64];
    hw_result result;
    (void)snprintf(other, sizeof other, "on rank %d", r->count - 1);
    for (int i = 0; i < 6 && r->count > 1; i++) {
        hw_objective o = objective();
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        const char *sentence[] = {
            "config.batch is 4 on rank 0, but 5",      "the objective's parameters is 70 on rank 0",
            "the objective's name is ranks on rank 0", "mpi.interval is 0 on rank 0, but 2",
            "begin with different parameters",         "config.momentum"};
        if (odd && i == 0) c.batch = 5;
        if (odd && i == 1) o.parameters = 64;
        if (odd && i == 2) o.name = "bench";
        if (odd && i == 3) m.interval = 2;
        x[5] = odd && i == 4;
        if (odd && i == 5) c.optimizer.momentum = 0.5;
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        if (i == 5) {
            CHECK(r, status == HW_E_ARGUMENT);
            CHECK_TEXT(r, result.message, "momentum.target is 0 on rank 0, but 0.5");
            continue;
        }
        CHECK(r, status == HW_E_ARGUMENT && result.status == HW_E_ARGUMENT);
        CHECK_TEXT(r, result.message, sentence[i]);
        if (i < 4) CHECK_TEXT(r, result.message, other);
    }
    /* One rank's own fault is everybody's. */
    hw_objective o = objective();
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_SYNC);
    x[5] = 0;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_UNSUPPORTED);
    CHECK_TEXT(r, result.message, "config.scheduler must be sync");
    m.scheduler = (hw_mpi_scheduler)7;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    m = mpi_of(HW_MPI_ASYNC);
    m.struct_size = 3;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    m = mpi_of(HW_MPI_ASYNC);
    m.interval = 8;
    m.bound = 4;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_E_ARGUMENT);
    CHECK_TEXT(r, result.message, "mpi.bound is 4: it must be 0, or at least the interval of 8");
    m.bound = 0;
    c.epochs = 1;
    c.batch = 180;
    m.interval = 1;
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == (r->count > 1 ? HW_E_ARGUMENT : HW_OK));
    if (r->count > 1) CHECK_TEXT(r, result.message, "too few for");
}

/* Flags on any rank, callbacks and time on rank 0, and a target end all of them, and say why. */
static void ends(ranks *r)
{
    static volatile sig_atomic_t flag;
    for (int i = 0; i < 8; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        bool step = i % 2;
        hw_config c = step ? in_step(1) : own(1);
        hw_mpi m = mpi_of(step ? HW_MPI_SYNC : HW_MPI_ASYNC);
        watched w = {.exact = true};
        hw_result result;
        float x[N] = {0};
        k->slow = true;
        c.epochs = 2000;
        if (step) {
            c.optimizer.schedule.base = 1;
            c.optimizer.momentum = 0;
        }
        flag = r->rank == r->count - 1;
        if (i < 2) c.stop_flag = &flag;
        if (i == 2 || i == 3) {
            c.on_evaluation = see;
            c.context = &w;
            w.stop_after = 2;
        }
        if (i == 4 || i == 5) c.seconds = 0.2;
        if (i >= 6) {
            c.target = 100;
            c.target_metric = 0; /* at or below: at once */
        }
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        const hw_stop_reason reason[] = {HW_STOP_ASKED, HW_STOP_CALLBACK, HW_STOP_SECONDS, HW_STOP_TARGET};
        CHECK(r, result.reason == reason[i / 2]);
        CHECK(r, result.updates < 2000u * EXAMPLES / 17 && (i < 2 || result.updates > 0));
        CHECK(r, i != 2 || r->rank != 0 || w.exact);
        for (int j = 0; j < N; j++) CHECK(r, x[j] == (float)result.updates);
        free(k);
    }
}

/* Evaluations are told in the numbers of all ranks, and the job is one JSON object with what each rank did. */
static void told(ranks *r)
{
    for (int i = 0; i < 2; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = i ? objective() : counted(k);
        hw_config c = i ? in_step(1) : own(1);
        hw_mpi m = mpi_of(i ? HW_MPI_SYNC : HW_MPI_ASYNC);
        hw_mpi_job *job = NULL;
        hw_engine *e = NULL;
        hw_result result;
        char why[HW_WHY] = "", *text = NULL;
        float x[N] = {0};
        size_t count = 0, length = 0;
        c.evaluate_epochs = 2;
        CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &c, x, why) == HW_OK);
        FILE *out = open_memstream(&text, &length);
        CHECK(r, hw_mpi_run_json(job, e, "early", &result, out) == HW_E_STATE);
        CHECK(r, hw_mpi_run(job, e, &result) == HW_OK);
        const hw_evaluation *evaluation = hw_engine_evaluations(e, &count);
        CHECK(r, count >= 2 && evaluation[count - 1].update == result.updates);
        for (size_t n = 1; n < count; n++) CHECK(r, evaluation[n].update > evaluation[n - 1].update);
        CHECK(r, i || r->count == 1 || (count && evaluation[0].update == 2 * EXAMPLES / 4));
        CHECK(r, hw_mpi_run_json(job, e, "told", &result, out) == HW_OK);
        fclose(out);
        int open = 0;
        for (size_t n = 0; n < length; n++)
            open += (text[n] == '{' || text[n] == '[') - (text[n] == '}' || text[n] == ']');
        CHECK(r, open == 0);
        if (r->rank == 0) {
            char last[40];
            (void)snprintf(last, sizeof last, "{\"rank\":%d,", r->count - 1);
            CHECK_TEXT(r, text, "{\"name\":\"told\"");
            CHECK_TEXT(r, text, ",\"ranks\":[{\"rank\":0,");
            CHECK_TEXT(r, text, last);
            CHECK(r, (strstr(text, "\"landed\":{\"total\":") != NULL) == (!i && r->count > 1));
        } else {
            CHECK(r, length == 0);
        }
        free(text);
        hw_engine_free(e);
        hw_mpi_free(job);
        free(k);
    }
}

/* --- captures -------------------------------------------------------------------------------------------------------
 */

typedef struct shelf {
    hw_state *state;
    uint64_t at;
} shelf;

static hw_status keep(void *context, uint64_t update, const hw_state *state)
{
    shelf *s = context;
    if (s->at == 0) {
        s->at = update;
        return hw_state_copy(s->state, state);
    }
    return HW_OK;
}

static hw_status count_epoch(void *context, uint64_t epoch)
{
    (void)context, (void)epoch;
    return HW_OK;
}

static void train_from(ranks *r, hw_config c, hw_mpi m, const hw_objective *o, shelf *from, float *x, hw_result *result)
{
    hw_mpi_job *job = NULL;
    hw_engine *e = NULL;
    char why[HW_WHY] = "";
    memset(x, 0, N * sizeof *x);
    CHECK(r, hw_mpi_create(&job, o, &c, &m, why) == HW_OK);
    CHECK(r, hw_engine_create(&e, o, &c, x, why) == HW_OK);
    if (from) {
        CHECK(r, hw_mpi_restore(job, e, r->rank == 0 ? from->state : NULL, why) == HW_OK);
        if (*why) fprintf(stderr, "rank %d: %s\n", r->rank, why);
    }
    CHECK(r, hw_mpi_run(job, e, result) == HW_OK);
    CHECK(r, hw_engine_get(e, x) == HW_OK);
    hw_engine_free(e);
    hw_mpi_free(job);
}

/* In step: the bits of the run that was never interrupted. On their own: no update lost, none made twice. */
static void captures(ranks *r)
{
    for (int i = 0; i < 2; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = i ? counted(k) : objective();
        hw_config c = i ? own(1) : in_step(1);
        hw_mpi m = mpi_of(i ? HW_MPI_ASYNC : HW_MPI_SYNC);
        shelf s = {hw_state_create(), 0};
        hw_result whole, rest;
        float x[N], y[N];
        c.on_capture = keep;
        c.on_epoch = count_epoch;
        c.context = &s;
        c.checkpoint_epochs = 2;
        train_from(r, c, m, &o, NULL, x, &whole);
        CHECK(r, (s.at != 0) == (r->rank == 0));
        memset(k->seen, 0, sizeof k->seen);
        c.on_capture = NULL;
        c.checkpoint_epochs = 0;
        train_from(r, c, m, &o, &s, y, &rest);
        CHECK(r, memcmp(x, y, sizeof x) == 0);
        CHECK(r, rest.updates == whole.updates);
        CHECK(r, !i || visited(k, 2, 6));
        hw_state_free(s.state);
        free(k);
    }
}

typedef struct clip {
    ranks *r;
    hw_state *last, *third;
    unsigned captures;
    uint64_t at;
} clip;

static hw_status clipped(void *context, uint64_t update, const hw_state *state)
{
    clip *c = context;
    c->captures++;
    CHECK(c->r, update >= c->at);
    c->at = update;
    if (c->captures == 3 && hw_state_copy(c->third, state) != HW_OK) return HW_E_MEMORY;
    return hw_state_copy(c->last, state);
}

/* By time, beside updates, epochs and evaluations or not: rank 0 says when, nobody waits for what does not come, and
 * each capture is of what had landed by then, so that a run goes on from the last one before its end. */
static void captures_by_time(ranks *r)
{
    const unsigned all = EPOCHS * EXAMPLES / 4;
    for (int i = 0; i < 6; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(i >= 3 ? 2 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        clip s = {r, hw_state_create(), hw_state_create(), 0, 0};
        hw_result result;
        float x[N] = {0}, y[N];
        if (i == 4) c.scheduler = HW_SYNC;
        if (i == 5) c.scheduler = HW_GROUPS, c.groups = 2, c.workers = 4;
        k->slow = true;
        c.epochs = EPOCHS;
        c.on_capture = clipped;
        c.context = &s;
        c.checkpoint_seconds = 0.004;
        c.evaluate_epochs = i == 1 || i >= 3 ? 0.3 : 0;
        c.checkpoint_epochs = i == 2 ? 1.5 : 0;
        if (i == 2) m.interval = 8, m.bound = 32;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        CHECK(r, result.updates == all && x[3] == all);
        CHECK(r, r->rank ? s.captures == 0 : s.captures >= 4);
        memset(k->seen, 0, sizeof k->seen);
        c.seconds = 0.02; /* the last capture is of where it was stopped */
        memset(x, 0, sizeof x);
        s.at = 0;
        CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
        CHECK(r, result.reason == HW_STOP_SECONDS || result.updates == all);
        CHECK(r, r->rank || s.at == result.updates);
        shelf from = {s.last, s.at}, middle = {s.third, 0};
        c.seconds = c.checkpoint_seconds = c.checkpoint_epochs = 0;
        c.on_capture = NULL;
        if (r->count > 1) {
            train_from(r, c, m, &o, &from, y, &result);
            CHECK(r, result.updates == all && y[3] == all);
            CHECK(r, visited(k, 0, EPOCHS));
            train_from(r, c, m, &o, &middle, y, &result);
            CHECK(r, result.updates == all && y[3] == all);
        }
        hw_state_free(s.third);
        hw_state_free(s.last);
        free(k);
    }
}

/* From two ranks to all of them, and from that run on once more: the steps of the whole epochs are each made once. */
static void captures_of_others(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    shelf s = {hw_state_create(), 0}, t = {hw_state_create(), 0};
    hw_result result = {0};
    float x[N] = {0};
    MPI_Comm two;
    c.on_capture = keep;
    c.checkpoint_epochs = 1;
    MPI_Comm_split(MPI_COMM_WORLD, r->rank < 2 ? 0 : MPI_UNDEFINED, r->rank, &two);
    c.context = &s;
    c.epochs = 1;
    if (two != MPI_COMM_NULL) {
        m.comm = two;
        train_from(r, c, m, &o, NULL, x, &result);
        MPI_Comm_free(&two);
    }
    memset(k->seen, 0, sizeof k->seen);
    m.comm = MPI_COMM_WORLD;
    c.context = &t;
    c.epochs = 3;
    train_from(r, c, m, &o, &s, x, &result);
    CHECK(r, visited(k, 1, 3));
    CHECK(r, result.updates == 3 * EXAMPLES / 4 && x[0] == 3 * EXAMPLES / 4);
    /* Of as many ranks each goes on in rank 0's numbers, whose epochs are a step longer than the others'. */
    const bool others = r->count > 2;
    CHECK(r, r->rank != 0 || t.at == 2 * EXAMPLES / 4 || (!others && t.at > EXAMPLES / 4));
    memset(k->seen, 0, sizeof k->seen);
    c.on_capture = NULL;
    c.checkpoint_epochs = 0;
    c.epochs = 5;
    train_from(r, c, m, &o, &t, x, &result);
    CHECK(r, !others || visited(k, 2, 5));
    CHECK(r, result.updates == 5 * EXAMPLES / 4 && result.examples == 5 * EXAMPLES && x[N - 1] == 5 * EXAMPLES / 4);
    hw_state_free(s.state);
    hw_state_free(t.state);
    free(k);
}

/* The owners' velocity goes on, too: with it a run that is interrupted gains what the whole one does. */
static void velocity_is_kept(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    shelf s = {hw_state_create(), 0};
    hw_result whole, rest;
    float x[N], y[N];
    k->slow = true;
    c.optimizer.momentum = 0.95;
    c.compensation.policy = HW_POLICY_NONE;
    c.on_capture = keep;
    c.context = &s;
    c.checkpoint_epochs = 3;
    train_from(r, c, m, &o, NULL, x, &whole);
    CHECK(r, r->rank != 0 || r->count == 1 || hw_state_array(s.state, "mpi.velocity", HW_F32, N));
    train_from(r, c, m, &o, &s, y, &rest);
    CHECK(r, fabsf(y[0] / x[0] - 1) < 0.03f);
    /* What is measured after a resume is of this run's exchanges. */
    CHECK(r, rest.staleness.mean <= 2 * whole.staleness.mean && 2 * rest.staleness.mean >= whole.staleness.mean);
    hw_state_free(s.state);
    free(k);
}

/* Trains without end; the script kills one of them, or interrupts all. */
static volatile sig_atomic_t interrupted;
static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static hw_status save(void *context, uint64_t update, const hw_state *state)
{
    char why[HW_WHY];
    return hw_checkpoint_save(context, update, 2, state, why);
}

static void endless(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result;
    float x[N] = {0};
    k->slow = true;
    c.epochs = 1e7;
    c.stop_flag = &interrupted;
    c.on_capture = save;
    c.checkpoint_epochs = 1;
    c.context = (void *)(uintptr_t) "checkpoints";
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGTERM, interrupt);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    CHECK(r, result.reason == HW_STOP_ASKED);
    free(k);
}

/* The checkpoint that such a run has left. */
static void goes_on(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    shelf s = {hw_state_create(), 0};
    char path[200], why[HW_WHY] = "";
    hw_result result;
    float x[N];
    uint64_t at = 0;
    if (r->rank == 0) {
        CHECK(r, hw_checkpoint_load("checkpoints", s.state, path, sizeof path, why) == HW_OK);
        CHECK(r, hw_checkpoint_newest("checkpoints", &at) == HW_OK);
    }
    MPI_Bcast(&at, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    c.epochs = (double)at * r->count / (EXAMPLES / 4) + 3;
    train_from(r, c, m, &o, &s, x, &result);
    CHECK(r, at > 0 && result.updates > at);
    for (int j = 0; j < N; j++) CHECK(r, x[j] == (float)result.updates);
    hw_state_free(s.state);
    free(k);
}

/* MPI_THREAD_SERIALIZED: the thread that runs the job need not be MPI's main one. */
static void *elsewhere(void *context)
{
    nothing_is_lost(context);
    return NULL;
}

static int serialized(int argc, char **argv)
{
    ranks r = {0, 0, 0};
    pthread_t thread;
    int given = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &given);
    MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r.count);
    if (given < MPI_THREAD_SERIALIZED || pthread_create(&thread, NULL, elsewhere, &r) != 0) return 1;
    pthread_join(thread, NULL);
    MPI_Finalize();
    return r.failed > 0;
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(ranks *r);
    } tests[] = {{"sync_equals_threads", sync_equals_threads},
                 {"nothing_is_lost", nothing_is_lost},
                 {"together", together},
                 {"means", means},
                 {"uneven", uneven},
                 {"sums_stay_short", sums_stay_short},
                 {"sparse", sparse},
                 {"alike", alike},
                 {"workers", workers},
                 {"ages", ages},
                 {"momentum_gains", momentum_gains},
                 {"shorter", shorter},
                 {"converges", converges},
                 {"trouble", trouble},
                 {"mismatch", mismatch},
                 {"ends", ends},
                 {"told", told},
                 {"captures", captures},
                 {"captures_by_time", captures_by_time},
                 {"captures_of_others", captures_of_others},
                 {"velocity_is_kept", velocity_is_kept},
                 {"endless", endless},
                 {"goes_on", goes_on}};
    ranks r = {0, 0, 0};
    char why[HW_WHY] = "";
    if (argc > 1 && strcmp(argv[1], "serialized") == 0) return serialized(argc, argv);
    if (argc > 1 && strcmp(argv[1], "single") == 0) {
        hw_objective o = objective();
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        hw_result result;
        int given = 0;
        float x[N] = {0};
        if (hw_mpi_train(&o, &c, &m, x, &result) != HW_E_STATE) return 1;
        MPI_Init_thread(&argc, &argv, MPI_THREAD_SINGLE, &given);
        hw_status status = hw_mpi_train(&o, &c, &m, x, &result);
        hw_mpi_end();
        if (given == MPI_THREAD_SINGLE)
            return status != HW_E_UNSUPPORTED || !strstr(result.message, "MPI_THREAD_FUNNELED is enough");
        return status != HW_OK;
    }
    if (hw_mpi_start(&argc, &argv, why) != HW_OK) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r.count);
    bool known = false;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc > 1 && strcmp(argv[1], tests[i].name) == 0) {
            known = true;
            tests[i].run(&r);
        }
    if (!known) fprintf(stderr, "test_ranks: which test?\n");
    bool good = all_of(known && r.failed == 0);
    hw_mpi_end();
    return !good;
}
