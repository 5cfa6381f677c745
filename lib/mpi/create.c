/* create.c - a job: checks that need no other rank, what they are all to agree on, and all memory of the run. */
#include "job.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

hw_status hw_mpi_init(hw_mpi *mpi, size_t size)
{
    hw_mpi all;
    if (!mpi || size != sizeof all) return HW_E_ARGUMENT;
    memset(&all, 0, sizeof all);
    all.struct_size = sizeof all;
    all.comm = MPI_COMM_WORLD;
    *mpi = all;
    return HW_OK;
}

hw_status hw_mpi_start(int *argc, char ***argv, char *why)
{
    int done = 0, given = MPI_THREAD_SINGLE;
    if (MPI_Initialized(&done) == MPI_SUCCESS && done) return HW_OK;
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS)
        return hw__mpi_fail(why, HW_E_IO, "MPI_Init_thread failed");
    return HW_OK;
}

void hw_mpi_end(void)
{
    int begun = 0, over = 0;
    if (MPI_Initialized(&begun) == MPI_SUCCESS && begun && MPI_Finalized(&over) == MPI_SUCCESS && !over)
        (void)MPI_Finalize();
}

/* Whether this thread may make MPI calls while others run. */
static hw_status check_threads(char *why)
{
    int begun = 0, over = 0, level = MPI_THREAD_SINGLE, main = 0;
    (void)MPI_Initialized(&begun);
    (void)MPI_Finalized(&over);
    if (!begun || over)
        return hw__mpi_fail(why, HW_E_STATE, "hw_mpi_create: MPI %s: MPI_Init_thread, or hw_mpi_start, comes before",
                            over ? "has been finalized" : "has not been initialised");
    (void)MPI_Query_thread(&level);
    (void)MPI_Is_thread_main(&main);
    if (level == MPI_THREAD_SINGLE)
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "hw_mpi_create: MPI was initialised for a single thread, but workers are threads: "
                            "MPI_Init_thread with MPI_THREAD_FUNNELED is enough");
    if (level == MPI_THREAD_FUNNELED && !main)
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "hw_mpi_create: MPI was initialised with MPI_THREAD_FUNNELED, so it is the thread that "
                            "did so which must run the job");
    return HW_OK;
}

/* A program whose MPI is not the launcher's is alone as often as it was started, and nobody says so. */
static hw_status check_launcher(char *why)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    int world = 0;
    (void)MPI_Comm_size(MPI_COMM_WORLD, &world);
    for (size_t i = 0; world == 1 && i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        const long started = text ? strtol(text, NULL, 10) : 0;
        if (started > 1)
            return hw__mpi_fail(why, HW_E_STATE,
                                "hw_mpi_create: the launcher has started %ld processes (%s), but MPI knows one: is "
                                "this mpirun another MPI's than the program was built with?",
                                started, names[i]);
    }
    return HW_OK;
}

static hw_status check(const hw_mpi_job *job, const hw_objective *o, const hw_config *c, char *why)
{
    const hw_mpi *m = &job->mpi;
    if (m->scheduler != HW_MPI_ASYNC && m->scheduler != HW_MPI_SYNC)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.scheduler is %d: it must be HW_MPI_ASYNC or HW_MPI_SYNC",
                            (int)m->scheduler);
    if ((m->velocity != HW_MPI_AT_OWNERS && m->velocity != HW_MPI_AT_RANKS) ||
        (m->sum != HW_MPI_ORDERED && m->sum != HW_MPI_REDUCED) || m->combine < HW_MPI_CHOSEN ||
        m->combine > HW_MPI_AVERAGES)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.velocity, mpi.sum or mpi.combine is no value of its enum");
    if ((m->combine == HW_MPI_MEANS || m->combine == HW_MPI_AVERAGES) &&
        (m->scheduler != HW_MPI_ASYNC || hw__mpi_owner_moves(job)))
        return hw__mpi_fail(
            why, HW_E_UNSUPPORTED,
            "mpi.combine %s: it goes with scheduler async and no momentum at the owners (velocity at the ranks)",
            m->combine == HW_MPI_MEANS ? "means" : "averages");
    if (m->data != HW_MPI_WHOLE && m->data != HW_MPI_OWN)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.data is no value of its enum");
    if ((m->data == HW_MPI_OWN || m->n_own) && m->scheduler != HW_MPI_ASYNC)
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "mpi.data own and mpi.own go with scheduler async: in step all ranks share each minibatch");
    if (m->data == HW_MPI_OWN && o->examples == 0)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.data own: this rank's objective has no examples");
    if (m->gather && (m->gather < 2 || (m->gather > (unsigned)job->ranks && job->ranks > 1)))
        return hw__mpi_fail(why, HW_E_ARGUMENT,
                            "mpi.gather is %u: an update is the mean of the first so many of %d ranks' gradients, from "
                            "2 on (0: of each as it comes)",
                            m->gather, job->ranks);
    if (m->gather && (m->scheduler != HW_MPI_ASYNC || o->touched))
        return hw__mpi_fail(why, HW_E_UNSUPPORTED, "mpi.gather goes with scheduler async and dense gradients");
    if (m->gather && m->combine != HW_MPI_CHOSEN)
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "mpi.gather takes the mean of what lands together: not with mpi.combine %s",
                            m->combine == HW_MPI_SUMS    ? "sums"
                            : m->combine == HW_MPI_MEANS ? "means"
                                                         : "averages");
    if (job->bound < job->interval)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.bound is %u: it must be 0, or at least the interval of %u",
                            m->bound, job->interval);
    if (o->parameters > (size_t)INT32_MAX / 2)
        return hw__mpi_fail(why, HW_E_LIMIT, "the objective has %zu parameters: messages of MPI hold half as many",
                            o->parameters);
    if (c->peers) return hw__mpi_fail(why, HW_E_ARGUMENT, "config.peers is set, but the job makes its own");
    if (m->scheduler == HW_MPI_SYNC && c->scheduler != HW_SYNC)
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "mpi.scheduler sync: config.scheduler must be sync, too, with the threads of one rank as "
                            "its workers");
    return HW_OK;
}

static bool plan_shards(hw_mpi_job *job)
{
    size_t n = job->parameters, ranks = (size_t)job->ranks;
    job->shards.first = calloc(2 * ranks, sizeof(int));
    if (!job->shards.first) return false;
    job->shards.count = job->shards.first + ranks;
    for (size_t r = 0; r < ranks; r++) {
        size_t from = n / 16 * r / ranks * 16, to = r + 1 == ranks ? n : n / 16 * (r + 1) / ranks * 16;
        job->shards.first[r] = (int)from;
        job->shards.count[r] = (int)(to - from);
    }
    return true;
}

static hw_status plan(hw_mpi_job *job, const hw_objective *o, char *why)
{
    size_t ranks = (size_t)job->ranks, mine = 0;
    bool good = plan_shards(job) && hw__mpi_mailbox_create(&job->box);
    if (good) mine = (size_t)job->shards.count[job->rank];
    job->all = calloc(ranks, sizeof *job->all);
    job->each = calloc(ranks, sizeof *job->each);
    job->landed = calloc(4 * ranks, sizeof *job->landed);
    job->examples = job->landed ? job->landed + ranks : NULL;
    job->position = job->landed ? job->landed + 2 * ranks : NULL;
    job->until = job->landed ? job->landed + 3 * ranks : NULL;
    if (job->mpi.scheduler == HW_MPI_SYNC && good) job->parts = malloc((mine * ranks + 1) * sizeof *job->parts);
    job->scratch = malloc(job->parameters * sizeof *job->scratch);
    if (!good || !job->all || !job->scratch || !job->each || !job->landed ||
        (job->mpi.scheduler == HW_MPI_SYNC && !job->parts))
        return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for %d ranks and %zu parameters", job->ranks,
                            job->parameters);
    job->state = hw_state_create();
    if (!job->state) return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for a state");
    return job->mpi.scheduler == HW_MPI_ASYNC ? hw__mpi_exchange_create(job, o, why) : HW_OK;
}

/* The configuration of this rank's engine. */
static void adapt(hw_mpi_job *job, const hw_objective *o, hw_config *c)
{
    if (job->ranks == 1) return; /* nobody to meet: the run is the core's own */
    hw__mpi_peers(job, o);
    c->peers = &job->peers;
    /* Workers take so many tickets at once, which no exchange sees before they are done. */
    if (job->peers.often && c->clock_interval > job->peers.often) c->clock_interval = job->peers.often;
    c->seconds = 0; /* rank 0's clock ends it for all: run.c */
    c->stop_flag = NULL;
    hw__mpi_callbacks(job, c);
    if (job->mpi.scheduler == HW_MPI_ASYNC && c->checkpoint_seconds > 0) { /* rank 0 says when: captures.c */
        c->checkpoint_seconds = 0;
        if (job->rank != 0) c->checkpoint_every = 0;
        if (job->rank != 0) c->checkpoint_epochs = 0;
    }
    /* Replicas that are exchanged inside the rank more rarely would keep what is sent waiting. */
    if (job->mpi.scheduler == HW_MPI_ASYNC && c->exchange_interval == 0 && o->touched)
        c->exchange_interval = job->interval > 1 ? job->interval : 2;
    if (job->mpi.scheduler == HW_MPI_ASYNC && hw__mpi_owner_moves(job)) {
        c->optimizer.momentum = 0;
        c->compensation.policy = HW_POLICY_NONE;
    }
}

/* Of all ranks, where each has its own. */
static hw_status count_examples(hw_mpi_job *job, const hw_objective *o, char *why)
{
    const uint64_t own = o->examples;
    job->own_examples = calloc((size_t)job->ranks, sizeof *job->own_examples);
    hw_status status =
        job->own_examples ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for %d ranks", job->ranks);
    status = hw__mpi_agree(job, status, why);
    if (status != HW_OK) return status;
    if (!hw__mpi_good(job, MPI_Allgather(&own, 1, MPI_UINT64_T, job->own_examples, 1, MPI_UINT64_T, job->comm),
                      "MPI_Allgather"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (job->mpi.data != HW_MPI_OWN) return HW_OK;
    job->objective_examples = 0;
    for (int r = 0; r < job->ranks; r++) job->objective_examples += (double)job->own_examples[r];
    return HW_OK;
}

static hw_status create(hw_mpi_job *job, const hw_objective *o, hw_config *c, char *why)
{
    if (!hw__mpi_good(job, MPI_Comm_dup(job->mpi.comm, &job->comm), "MPI_Comm_dup"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    job->has_comm = true;
    (void)MPI_Comm_set_errhandler(job->comm, MPI_ERRORS_RETURN);
    (void)MPI_Comm_rank(job->comm, &job->rank);
    (void)MPI_Comm_size(job->comm, &job->ranks);
    hw__mpi_interval_choose(job, o);
    hw_status status = hw__mpi_agree(job, check(job, o, c, why), why);
    if (status == HW_OK) status = hw__mpi_same(job, o, c, why);
    if (status == HW_OK) status = count_examples(job, o, why);
    if (status == HW_OK) status = hw__mpi_principal_create(job, o, c, why);
    hw__mpi_interval_choose(job, o); /* with what is known of the loss now */
    if (status == HW_OK) status = hw__mpi_agree(job, plan(job, o, why), why);
    if (status == HW_OK) status = hw__mpi_private_create(job, why);
    if (status == HW_OK) status = hw__mpi_agree(job, hw_config_check(c, o, why), why); /* as the caller has it */
    if (status != HW_OK) return status;
    job->sparse = job->mpi.scheduler == HW_MPI_ASYNC && !hw__mpi_owner_moves(job) && (o->touched || job->own_lines);
    adapt(job, o, c);
    return hw__mpi_agree(job, hw_config_check(c, o, why), why);
}

hw_status hw_mpi_create(hw_mpi_job **out, const hw_objective *o, hw_config *c, const hw_mpi *mpi, char *why)
{
    if (why) why[0] = 0;
    if (!out || !o || !c || !mpi)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "hw_mpi_create: job, objective, config or mpi is NULL");
    *out = NULL;
    if (mpi->struct_size != sizeof *mpi)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.struct_size is %zu: start from hw_mpi_init()", mpi->struct_size);
    hw_status status = check_threads(why);
    if (status == HW_OK) status = check_launcher(why);
    if (status != HW_OK) return status;
    hw_mpi_job *job = calloc(1, sizeof *job);
    if (!job) return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory");
    char sentence[HW_WHY] = "";
    /* Models fill what they know of; what a longer struct has beyond is none of theirs. */
    hw_objective known = {0};
    memcpy(&known, o, o->struct_size < sizeof known ? o->struct_size : sizeof known);
    if (known.struct_size > sizeof known) known.struct_size = sizeof known;
    job->mpi = *mpi;
    job->parameters = known.parameters;
    job->asked = *c;
    job->evaluated = job->captures.at = UINT64_MAX;
    job->objective_examples = known.examples;
    job->dense = known.touched == 0 && !known.raw;
    status = create(job, &known, c, why ? why : sentence);
    if (status != HW_OK) {
        *c = job->asked;
        hw_mpi_free(job);
        return status;
    }
    *out = job;
    return HW_OK;
}

void hw_mpi_free(hw_mpi_job *job)
{
    if (!job) return;
    hw__mpi_exchange_free(job);
    hw__mpi_principal_free(job);
    hw__mpi_private_free(job);
    hw__mpi_mailbox_free(&job->box);
    hw_state_free(job->state);
    int over = 0;
    (void)MPI_Finalized(&over);
    if (job->has_comm && !over) (void)MPI_Comm_free(&job->comm);
    free(job->shards.first);
    free(job->all);
    free(job->each);
    free(job->landed);
    free(job->own_examples);
    free(job->parts);
    free(job->scratch);
    free(job);
}

void hw_mpi_share(uint64_t count, unsigned rank, unsigned ranks, uint64_t *first, uint64_t *n)
{
    const uint64_t each = ranks ? count / ranks : 0, left = ranks ? count % ranks : 0;
    const bool is = rank < ranks;
    *first = is ? each * rank + (rank < left ? rank : left) : count;
    *n = is ? each + (rank < left) : 0;
}

unsigned hw_mpi_number(const hw_mpi_job *job, unsigned *ranks)
{
    if (ranks) *ranks = job ? (unsigned)job->ranks : 0;
    return job ? (unsigned)job->rank : 0;
}

const hw_mpi_rank *hw_mpi_ranks(const hw_mpi_job *job)
{
    return job && job->ran && job->rank == 0 ? job->each : NULL;
}
