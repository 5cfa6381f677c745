/* own.c - examples that only one rank has, and parameters that only its steps touch: none is left out or made twice,
 * and those parameters are exchanged at meetings alone. */
#include "ranks.h"
#include <time.h>

enum { OWN_LINES = 40, OWN_EXAMPLES = 400, OWN_MOST = 8, OWN_WIDE = 16 * (OWN_LINES * OWN_MOST + 1) };

typedef struct holder {
    int rank;
    uint32_t examples, lines; /* lines: of its own, that it touches */
    _Atomic int seen[6][OWN_EXAMPLES];
} holder;

static hw_status own_step(void *self, hw_worker *w, const hw_batch *b)
{
    holder *h = self;
    const uint32_t at = b->index[0], line = (uint32_t)h->rank * OWN_LINES + at % h->lines;
    const uint32_t index[2] = {16 * line, 16 * OWN_LINES * OWN_MOST};
    const struct timespec moment = {0, 20000};
    float values[2], g[2] = {-1, -1};
    if (b->epoch < 6) h->seen[b->epoch][at]++;
    (void)nanosleep(&moment, NULL);
    hw_read_at(w, index, 2, values);
    return hw_write_at(w, index, 2, g, 1);
}

static hw_status own_evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++)
        for (uint32_t k = i; k <= OWN_LINES * OWN_MOST; k += 64) sums[0] += (double)x[(size_t)16 * k];
    return HW_OK;
}

typedef struct own_run {
    hw_result result;
    uint64_t bytes, exchanges;
    double metric;
    float *x;
} own_run;

static void run_own(ranks *r, holder *h, hw_mpi m, hw_config c, own_run *out)
{
    hw_objective o = hw_objective_defaults("own", OWN_WIDE);
    hw_mpi_job *job = NULL;
    hw_engine *e = NULL;
    char why[HW_WHY] = "";
    h->rank = r->rank;
    if (!h->lines) h->lines = OWN_LINES;
    o.examples = h->examples;
    o.step = own_step;
    o.self = h;
    o.touched = 2;
    o.evaluate = own_evaluate;
    o.evaluation_examples = 64;
    o.evaluation_chunk = 8;
    c.batch = 1;
    memset(out->x, 0, OWN_WIDE * sizeof *out->x);
    CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) == HW_OK);
    CHECK_TEXT(r, why, "");
    CHECK(r, hw_engine_create(&e, &o, &c, out->x, why) == HW_OK);
    (void)hw_mpi_run(job, e, &out->result);
    CHECK(r, hw_engine_get(e, out->x) == HW_OK);
    const hw_mpi_rank *each = hw_mpi_ranks(job);
    out->bytes = out->exchanges = 0;
    for (int q = 0; each && q < r->count; q++) out->bytes += each[q].bytes_sent, out->exchanges += each[q].exchanges;
    hw_engine_free(e);
    hw_mpi_free(job);
}

/* As many examples as its number says, all of them once an epoch. */
void own_examples(ranks *r)
{
    for (uint64_t count = 0; count < 40; count += 3) { /* shares: side by side, none more than one larger */
        uint64_t next = 0, first = 0, n = 0;
        for (unsigned q = 0; q < 7; q++) {
            hw_mpi_share(count, q, 7, &first, &n);
            CHECK(r, first == next && (n == count / 7 || n == count / 7 + 1));
            next += n;
        }
        CHECK(r, next == count);
    }
    for (int i = 0; i < 3; i++) { /* alone, with two workers, and with an end by updates */
        holder *h = calloc(1, sizeof *h);
        own_run out = {.x = malloc(OWN_WIDE * sizeof(float))};
        hw_config c = own(i == 1 ? 2 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        uint64_t all = 0;
        for (int q = 0; q < r->count; q++) all += 40u + 30u * (unsigned)q;
        h->examples = 40 + 30 * (uint32_t)r->rank;
        m.data = HW_MPI_OWN;
        m.combine = HW_MPI_SUMS;
        m.interval = (uint32_t)i + 1;
        c.epochs = 3;
        if (i == 2) c.updates = (uint64_t)r->count * 35;
        run_own(r, h, m, c, &out);
        CHECK(r, out.result.status == HW_OK);
        CHECK(r, out.result.updates == (i == 2 ? (uint64_t)r->count * 35 : 3 * all));
        CHECK(r, i == 2 || (out.result.epochs > 3 - 1e-9 && out.result.epochs < 3 + 1e-9));
        for (unsigned n = 0; i < 2 && n < OWN_EXAMPLES; n++)
            for (int epoch = 0; epoch < 6; epoch++)
                CHECK(r, h->seen[epoch][n] == (n < h->examples && epoch < 3 ? 1 : 0));
        CHECK(r, out.x[OWN_WIDE - 16] == (float)out.result.updates);
        CHECK(r, fabs(64 * out.result.last.metric[0] - 2 * (double)out.result.updates) < 1e-6);
        free(out.x);
        free(h);
    }
}

/* From a capture no example of any rank is left out or seen twice. */
void own_examples_go_on(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    o.examples = 90 + 10 * ((uint32_t)r->rank % 8);
    m.data = HW_MPI_OWN;
    const pair_of_runs runs = twice(r, c, m, &o, k);
    CHECK(r, memcmp(runs.x, runs.y, sizeof runs.x) == 0);
    for (int e = 0; e < EPOCHS; e++)
        for (int n = 0; n < EXAMPLES; n++)
            CHECK(r, k->seen[e][n] == (e >= 2 && e < 6 && (uint32_t)n < o.examples ? 1 : 0));
    free(k);
}

/* Evaluated at the end of each rank's own epochs, wherever in one the capture was. */
typedef struct ledger {
    counting k; /* first: the steps know it by that */
    uint32_t examples, before;
    unsigned calls, uneven, told, wrong; /* evaluations on this rank, and those within an epoch; on rank 0, of all */
    shelf from;
} ledger;

static hw_status at_an_epoch(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    ledger *l = self;
    uint32_t made = l->before;
    (void)scratch, (void)x, (void)first, (void)count;
    for (int e = 0; e < EPOCHS; e++)
        for (int i = 0; i < EXAMPLES; i++) made += (uint32_t)l->k.seen[e][i];
    l->calls++;
    l->uneven += made % l->examples != 0;
    sums[0] += 1;
    return HW_OK;
}

static hw_status whole_epochs(void *context, const hw_evaluation *e)
{
    ledger *l = context;
    l->told++;
    l->wrong += fabs(e->epoch - round(e->epoch)) > 1e-9 || e->epoch < 0.5;
    return HW_OK;
}

static hw_status first_one(void *context, uint64_t update, const hw_state *state)
{
    ledger *l = context;
    if (l->from.at) return HW_OK;
    l->from.at = update;
    return hw_state_copy(l->from.state, state);
}

void own_epochs_go_on(ranks *r)
{
    ledger *l = calloc(1, sizeof *l);
    hw_objective o = counted(&l->k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_mpi_job *job = NULL;
    hw_engine *e = NULL;
    hw_result result;
    float x[N];
    char why[HW_WHY] = "";
    o.examples = l->examples = 20 + 40 * ((uint32_t)r->rank % 4);
    o.evaluate = at_an_epoch;
    o.evaluation_examples = 64;
    o.evaluation_chunk = 8;
    l->from.state = hw_state_create();
    m.data = HW_MPI_OWN;
    c.batch = 1;
    c.epochs = 5;
    c.evaluate_epochs = 1;
    c.on_evaluation = whole_epochs;
    c.context = l;
    for (int i = 0; i < 2; i++) { /* whole, and from the middle of the second epoch */
        l->before = i ? l->examples * 3 / 2 : 0;
        l->calls = l->told = 0;
        memset(l->k.seen, 0, sizeof l->k.seen);
        c.checkpoint_epochs = i ? 0 : 1.5;
        c.on_capture = i ? NULL : first_one;
        train_from(r, c, m, &o, i ? &l->from : NULL, x, &result);
        CHECK(r, l->uneven == 0 && l->calls > 0);
        CHECK(r, l->wrong == 0 && (r->rank || l->told == (i ? 4 : 5)));
        CHECK(r, fabs(result.epochs - 5) < 1e-9 && fabs(result.last.epoch - 5) < 1e-9);
    }
    /* A rank's file that is another one by now, and examples that all share. */
    for (int i = 0; i < 2 && r->count > 1; i++) {
        hw_config own_c = c;
        if (r->rank == r->count - 1) o.examples += 10;
        if (i) o.examples = 60, m.data = HW_MPI_WHOLE;
        memset(x, 0, sizeof x);
        CHECK(r, hw_mpi_create(&job, &o, &own_c, &m, why) == HW_OK);
        CHECK(r, hw_engine_create(&e, &o, &own_c, x, why) == HW_OK);
        CHECK(r, hw_mpi_restore(job, e, r->rank ? NULL : l->from.state, why) == HW_E_FORMAT);
        CHECK_TEXT(r, why, i ? "had data of their own" : "examples of its own when the state was captured, and has");
        hw_engine_free(e);
        hw_mpi_free(job);
    }
    hw_state_free(l->from.state);
    free(l);
}

/* However few of a shard are own, and whether what is left is sent as lines or as all: none is lost, nor sent early. */
static void few_own(ranks *r)
{
    uint64_t bytes[3];
    for (int i = 0; i < 3; i++) { /* three lines, not said to be own, and own; all of them, exchanged rarely */
        holder *h = calloc(1, sizeof *h);
        own_run out = {.x = malloc(OWN_WIDE * sizeof(float))};
        const size_t whole = (size_t)16 * OWN_LINES;
        const hw_range lines = {whole * (size_t)r->rank, i == 2 ? whole : 16 * 3};
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        double sum = 0;
        h->examples = OWN_EXAMPLES;
        h->lines = i == 2 ? OWN_LINES : 3;
        m.data = HW_MPI_OWN;
        m.combine = HW_MPI_SUMS;
        m.interval = i == 2 ? 200 : 8;
        m.own = i ? &lines : NULL;
        m.n_own = i > 0;
        c.epochs = 4;
        run_own(r, h, m, c, &out);
        CHECK(r, out.result.status == HW_OK);
        for (int k = 0; k < OWN_LINES * r->count; k++) sum += (double)out.x[16 * k];
        CHECK(r, sum == 4 * OWN_EXAMPLES * r->count && out.x[OWN_WIDE - 16] == (float)(4 * OWN_EXAMPLES * r->count));
        bytes[i] = out.exchanges ? out.bytes / out.exchanges : 0;
        free(out.x);
        free(h);
    }
    CHECK(r, r->count == 1 || r->rank || 4 * bytes[1] < 3 * bytes[0]);
}

void own_parameters(ranks *r)
{
    uint64_t bytes[2];
    if (r->count > OWN_MOST) return;
    few_own(r);
    for (int i = 0; i < 2; i++) {
        holder *h = calloc(1, sizeof *h);
        own_run out = {.x = malloc(OWN_WIDE * sizeof(float))};
        const hw_range lines = {(size_t)16 * OWN_LINES * (size_t)r->rank, (size_t)16 * OWN_LINES};
        hw_config c = own(i ? 2 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        h->examples = OWN_EXAMPLES;
        m.data = HW_MPI_OWN;
        m.combine = HW_MPI_SUMS;
        m.interval = 8;
        m.own = i ? &lines : NULL;
        m.n_own = (size_t)i;
        c.epochs = 4;
        run_own(r, h, m, c, &out);
        CHECK(r, out.result.status == HW_OK);
        CHECK_TEXT(r, out.result.message, "");
        for (int k = 0; k < OWN_LINES * r->count; k++) CHECK(r, out.x[16 * k] == 4 * OWN_EXAMPLES / OWN_LINES);
        CHECK(r, out.x[OWN_WIDE - 16] == (float)(4 * OWN_EXAMPLES * r->count));
        CHECK(r, out.result.updates == (uint64_t)(4 * OWN_EXAMPLES * r->count));
        CHECK(r, fabs(64 * out.result.last.metric[0] - 2 * (double)out.result.updates) < 1e-6);
        bytes[i] = out.exchanges ? out.bytes / out.exchanges : 0;
        free(out.x);
        free(h);
    }
    CHECK(r, r->count == 1 || r->rank || 2 * bytes[1] < bytes[0]);
    if (r->count == 1) return;
    for (int i = 0; i < 3; i++) {
        const size_t whose = i == 0 ? 0 : (size_t)r->rank;
        hw_range lines = {(size_t)16 * OWN_LINES * whose, (size_t)16 * OWN_LINES};
        hw_objective o = hw_objective_defaults("own", OWN_WIDE);
        hw_config c = own(1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        char why[HW_WHY] = "";
        hw_mpi_job *job = NULL;
        m.own = &lines;
        m.n_own = 1;
        if (i == 1) lines.count = OWN_WIDE + 1;
        if (i == 2) c.optimizer.momentum = 0.5;
        o.examples = 100;
        o.step = own_step;
        o.touched = 2;
        CHECK(r, hw_mpi_create(&job, &o, &c, &m, why) != HW_OK && !job);
        CHECK_TEXT(r, why, i == 0 ? "rank 1's own, and another one's, too" : i == 1 ? "ends beyond" : "momentum");
    }
}
