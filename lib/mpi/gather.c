/* gather.c - ASYNC with mpi.gather = k: an update of the owners is the mean of what the first k ranks to come have
 * brought (Wang et al.), who then go on from it. Nobody waits for stragglers, and what those bring counts in a later
 * update.
 *
 * All owners must take the same ranks together, or two might wait for each other's. Every exchange comes to rank 0,
 * which says who has brought the next update; the other owners land them in that order, each when all of it is there.
 * A rank that brings nothing more before a meeting tells rank 0 that it is out, so that nobody waits for it: where all
 * others have come, that is an update, too. By the meeting every rank has said so, and all are in again. */
#include "job.h"
#include <stdlib.h>
#include <string.h>

enum { DECISION = 5, OUT = 6 }; /* tags */

struct hw__mpi_gather {
    unsigned char *here, *set; /* by rank: what it has brought is kept here; it is of the update that is decided */
    float *kept;               /* by rank: its message */
    size_t size;               /* floats of it, at most */
    bool decided, listens, said, abandoned;
    MPI_Request decision, out;
    int word;
    /* Rank 0's: how many are out, and what is on its way to the other owners, for as many updates as may be waited
     * for at once. */
    unsigned char *sent;
    unsigned n_out, n_here, heard;
    uint64_t updates;
    MPI_Request *sending;
    MPI_Status *status; /* of as many as there are ranks */
};

hw_status hw__mpi_gather_create(hw_mpi_job *job, size_t size, char *why)
{
    const size_t ranks = (size_t)job->ranks, first = job->rank == 0;
    if (!job->mpi.gather || job->ranks == 1) return HW_OK;
    struct hw__mpi_gather *g = job->gather = calloc(1, sizeof *g);
    bool good = g != NULL;
    if (good) {
        g->decision = g->out = MPI_REQUEST_NULL;
        g->size = size;
        g->here = calloc((2 + first * ranks) * ranks, 1);
        g->kept = malloc(ranks * size * sizeof *g->kept);
        if (first) g->sending = malloc(ranks * ranks * sizeof(MPI_Request));
        if (first) g->status = malloc(ranks * sizeof *g->status);
        good = g->here && g->kept && (!first || (g->sending && g->status));
    }
    if (!good)
        return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory to gather %d ranks' updates", job->ranks);
    g->set = g->here + ranks;
    g->sent = g->set + ranks;
    for (size_t i = 0; first && i < ranks * ranks; i++) g->sending[i] = MPI_REQUEST_NULL;
    return HW_OK;
}

void hw__mpi_gather_free(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    if (!g) return;
    if (!g->abandoned) free(g->here); /* else MPI may still read what is on its way */
    free(g->kept);
    free(g->sending);
    free(g->status);
    free(g);
    job->gather = NULL;
}

/* Rank 0 listens who is out, the others what is decided. */
static bool listen(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    g->listens =
        job->rank == 0
            ? hw__mpi_good(job, MPI_Irecv(&g->word, 1, MPI_INT, MPI_ANY_SOURCE, OUT, job->comm, &g->out), "MPI_Irecv")
            : hw__mpi_good(job, MPI_Irecv(g->set, job->ranks, MPI_BYTE, 0, DECISION, job->comm, &g->decision),
                           "MPI_Irecv");
    return g->listens;
}

bool hw__mpi_gather_begin(hw_mpi_job *job)
{
    return !job->gather || listen(job);
}

/* After a fault something may be on its way for ever. */
void hw__mpi_gather_end(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    if (!g || !g->listens) return;
    g->listens = false;
    hw__mpi_forget(job->rank == 0 ? &g->out : &g->decision);
    for (int i = 0; g->sending && i < job->ranks * job->ranks; i++) {
        int over = 1;
        if (g->sending[i] != MPI_REQUEST_NULL && MPI_Test(g->sending + i, &over, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            over = 0;
        if (over) continue;
        g->abandoned = true;
        (void)MPI_Request_free(g->sending + i);
    }
}

/* --- who is together ------------------------------------------------------------------------------------------------
 */

/* Rank 0: those that are here are the next update, if they are as many as it takes, or nobody else can come. What was
 * sent as many updates ago as there are ranks has been answered by all, since each of those waits for one at most. */
static bool decide(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    const unsigned ranks = (unsigned)job->ranks;
    const size_t slot = (size_t)(g->updates % ranks) * ranks;
    if (g->decided || !g->n_here || (g->n_here < job->mpi.gather && g->n_here + g->n_out < ranks)) return true;
    if (!hw__mpi_good(job, MPI_Waitall(job->ranks, g->sending + slot, g->status), "MPI_Waitall")) return false;
    memcpy(g->set, g->here, ranks);
    memcpy(g->sent + slot, g->here, ranks);
    g->decided = true;
    g->updates++;
    for (int r = 1; r < job->ranks; r++)
        if (!hw__mpi_good(
                job, MPI_Isend(g->sent + slot, job->ranks, MPI_BYTE, r, DECISION, job->comm, g->sending + slot + r),
                "MPI_Isend"))
            return false;
    return true;
}

void hw__mpi_gather_keep(hw_mpi_job *job, int from, const float *message, size_t floats)
{
    struct hw__mpi_gather *g = job->gather;
    memcpy(g->kept + (size_t)from * g->size, message, floats * sizeof *message);
    g->here[from] = 1;
    g->n_here++;
}

const float *hw__mpi_gather_kept(const hw_mpi_job *job, int from)
{
    const struct hw__mpi_gather *g = job->gather;
    return g->set[from] ? g->kept + (size_t)from * g->size : NULL;
}

static bool heard_out(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    g->heard++;
    g->n_out++;
    return listen(job);
}

bool hw__mpi_gather_next(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    int arrived = 0;
    bool complete = true;
    if (job->rank != 0 && !g->decided) {
        if (!hw__mpi_good(job, MPI_Test(&g->decision, &arrived, MPI_STATUS_IGNORE), "MPI_Test")) return false;
        g->decided = arrived;
    }
    if (job->rank == 0) {
        if (!hw__mpi_good(job, MPI_Test(&g->out, &arrived, MPI_STATUS_IGNORE), "MPI_Test")) return false;
        if (arrived && !heard_out(job)) return false;
        if (!decide(job)) return false;
    }
    for (int r = 0; g->decided && r < job->ranks; r++) complete = complete && (!g->set[r] || g->here[r]);
    return g->decided && complete;
}

void hw__mpi_gather_landed(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    for (int r = 0; r < job->ranks; r++)
        if (g->set[r]) {
            g->here[r] = 0;
            g->n_here--;
        }
    g->decided = false;
    if (job->rank != 0) (void)listen(job);
}

void hw__mpi_gather_out(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    const int word = 1;
    if (g->said) return;
    g->said = true;
    if (job->rank == 0)
        g->n_out++;
    else
        (void)hw__mpi_good(job, MPI_Send(&word, 1, MPI_INT, 0, OUT, job->comm), "MPI_Send");
}

/* Rank 0: until so many of the others have been heard, who have all said so. */
static bool hear(hw_mpi_job *job, unsigned others)
{
    struct hw__mpi_gather *g = job->gather;
    while (job->rank == 0 && g->heard < others)
        if (!hw__mpi_good(job, MPI_Wait(&g->out, MPI_STATUS_IGNORE), "MPI_Wait") || !heard_out(job)) return false;
    return true;
}

/* All ranks, whose runs have failed: none says anything more, and what has been said is not left for another job. */
bool hw__mpi_gather_drop(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    if (!g) return true;
    int said = g->said && job->rank != 0, all = 0;
    return hw__mpi_good(job, MPI_Reduce(&said, &all, 1, MPI_INT, MPI_SUM, 0, job->comm), "MPI_Reduce") &&
           hear(job, (unsigned)all);
}

/* All have said that they are out, whether rank 0 has heard it yet or not. */
bool hw__mpi_gather_met(hw_mpi_job *job)
{
    struct hw__mpi_gather *g = job->gather;
    if (!g) return true;
    if (!hear(job, (unsigned)job->ranks - 1)) return false;
    g->n_out = g->heard = 0;
    g->said = false;
    return true;
}
