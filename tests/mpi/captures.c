/* captures.c - captures by count and by time, and runs that go on from them, over as many ranks or others. */
#include "ranks.h"

static hw_status keep(void *context, uint64_t update, const hw_state *state)
{
    shelf *s = context;
    if (s->at == 0) {
        s->at = update;
        return hw_state_copy(s->state, state);
    }
    return HW_OK;
}

static hw_status pass(void *context, uint64_t epoch)
{
    (void)context, (void)epoch;
    return HW_OK;
}

uint64_t train_from(ranks *r, hw_config c, hw_mpi m, const hw_objective *o, shelf *from, float *x, hw_result *result)
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
    uint64_t made = 0;
    for (int k = 0; hw_mpi_ranks(job) && k < r->count; k++) made += hw_mpi_ranks(job)[k].updates;
    hw_engine_free(e);
    hw_mpi_free(job);
    return made;
}

pair_of_runs twice(ranks *r, hw_config c, hw_mpi m, const hw_objective *o, counting *k)
{
    pair_of_runs runs;
    shelf s = {hw_state_create(), 0};
    hw_result whole, rest;
    c.on_capture = keep;
    c.on_epoch = pass;
    c.context = &s;
    c.checkpoint_epochs = 2;
    train_from(r, c, m, o, NULL, runs.x, &whole);
    CHECK(r, (s.at != 0) == (r->rank == 0));
    memset(k->seen, 0, sizeof k->seen);
    c.on_capture = NULL;
    c.checkpoint_epochs = 0;
    train_from(r, c, m, o, &s, runs.y, &rest);
    CHECK(r, rest.updates == whole.updates && rest.examples == whole.examples);
    hw_state_free(s.state);
    return runs;
}

/* In step: the bits of the run that was never interrupted. On their own: no update lost, none made twice. */
void captures(ranks *r)
{
    for (int i = 0; i < 2; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = i ? counted(k) : objective();
        hw_config c = i ? own(1) : in_step(1);
        hw_mpi m = mpi_of(i ? HW_MPI_ASYNC : HW_MPI_SYNC);
        const pair_of_runs runs = twice(r, c, m, &o, k);
        CHECK(r, memcmp(runs.x, runs.y, sizeof runs.x) == 0);
        CHECK(r, !i || visited(k, 2, 6));
        free(k);
    }
}

typedef struct clip {
    ranks *r;
    hw_state *last, *third;
    unsigned captures, looks; /* looks: evaluations since the last capture */
    uint64_t at;
} clip;

static hw_status looked(void *context, const hw_evaluation *e)
{
    clip *c = context;
    (void)e;
    c->looks++;
    return HW_OK;
}

static hw_status clipped(void *context, uint64_t update, const hw_state *state)
{
    clip *c = context;
    c->captures++;
    c->looks = 0;
    CHECK(c->r, update >= c->at);
    c->at = update;
    if (c->captures == 3 && hw_state_copy(c->third, state) != HW_OK) return HW_E_MEMORY;
    return hw_state_copy(c->last, state);
}

/* By time, beside updates, epochs and evaluations or not: rank 0 says when, nobody waits for what does not come, and
 * each capture is of what had landed by then, so that a run goes on from the last one before its end. */
void captures_by_time(ranks *r)
{
    const unsigned all = EPOCHS * EXAMPLES / 4;
    for (int i = 0; i < 6; i++) {
        counting *k = calloc(1, sizeof *k);
        hw_objective o = counted(k);
        hw_config c = own(i >= 3 ? 2 : 1);
        hw_mpi m = mpi_of(HW_MPI_ASYNC);
        clip s = {r, hw_state_create(), hw_state_create(), 0, 0, 0};
        hw_result result;
        float x[N] = {0}, y[N];
        if (i == 4) c.scheduler = HW_SYNC;
        if (i == 5) c.scheduler = HW_GROUPS, c.groups = 2, c.workers = 4;
        k->slow = true;
        c.epochs = EPOCHS;
        c.on_capture = clipped;
        c.on_evaluation = looked;
        c.context = &s;
        c.checkpoint_seconds = 0.002;
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
        /* What has been ended may have little time left, so it is captured before it is evaluated once more; where that
         * has been evaluated already (never without c.evaluate_epochs) it is not again. */
        CHECK(r, r->rank || result.updates == all || s.looks == 1 || (c.evaluate_epochs > 0 && s.looks == 0));
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
void captures_of_others(ranks *r)
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
    k->slow = true; /* so that what comes later takes less */
    if (two != MPI_COMM_NULL) {
        m.comm = two;
        train_from(r, c, m, &o, NULL, x, &result);
        MPI_Comm_free(&two);
    }
    memset(k->seen, 0, sizeof k->seen);
    const double before = r->rank == 0 ? 1e-9 * (double)hw_state_number(s.state, "run.trained_ns", 0) : 0;
    CHECK(r, r->rank || before > 0);
    k->slow = false;
    m.comm = MPI_COMM_WORLD;
    c.context = &t;
    c.epochs = 3;
    const uint64_t made = train_from(r, c, m, &o, &s, x, &result);
    CHECK(r, visited(k, 1, 3));
    CHECK(r, result.updates == 3 * EXAMPLES / 4 && x[0] == 3 * EXAMPLES / 4);
    /* Of as many ranks each goes on in rank 0's numbers, whose epochs are a step longer than the others'. */
    const bool others = r->count > 2;
    /* The table of ranks has what each of these did; the whole, with its time, goes on. */
    CHECK(r, !others || r->rank || made == 2 * EXAMPLES / 4);
    CHECK(r, !others || r->rank || result.seconds > before);
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

/* A run of two ranks goes on over all of them, whose files are others: each is as far in its own, at an epoch's end at
 * the beginning of one. Minibatches are of a thread's share times the threads. */
void own_examples_of_others(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = in_step(2);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    shelf s = {hw_state_create(), 0};
    hw_result result = {0};
    float x[N] = {0};
    MPI_Comm two;
    if (r->count < 3) { /* they are the two themselves */
        hw_state_free(s.state);
        free(k);
        return;
    }
    c.scheduler = HW_SYNC;
    c.batch = 2;
    c.batch_per_worker = 1;
    c.epochs = 2;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1;
    c.compensation.policy = HW_POLICY_NONE;
    c.on_capture = keep;
    c.checkpoint_epochs = 2;
    c.context = &s;
    m.data = HW_MPI_OWN;
    MPI_Comm_split(MPI_COMM_WORLD, r->rank < 2 ? 0 : MPI_UNDEFINED, r->rank, &two);
    o.examples = 40 + 100 * ((uint32_t)r->rank % 2);
    if (two != MPI_COMM_NULL) {
        m.comm = two;
        train_from(r, c, m, &o, NULL, x, &result);
        MPI_Comm_free(&two);
    }
    memset(k->seen, 0, sizeof k->seen);
    m.comm = MPI_COMM_WORLD;
    c.on_capture = NULL;
    c.checkpoint_epochs = 0;
    c.epochs = 4;
    /* As many examples as two of them had to each epoch, in other shares. */
    const uint32_t all = 180, each = all / (uint32_t)r->count / 4 * 4;
    o.examples = r->rank == 0 ? all - each * ((uint32_t)r->count - 1) : each;
    train_from(r, c, m, &o, &s, x, &result);
    for (int e = 0; e < EPOCHS; e++)
        for (int n = 0; n < EXAMPLES; n++)
            CHECK(r, k->seen[e][n] == (e >= 2 && e < 4 && (uint32_t)n < o.examples ? 1 : 0));
    hw_state_free(s.state);
    free(k);
}

/* The owners' velocity goes on, too: with it a run that is interrupted gains what the whole one does. */
void velocity_is_kept(ranks *r)
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
