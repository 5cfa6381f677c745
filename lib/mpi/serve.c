/* serve.c - the pushes of all ranks to the shard that this one owns: each lands and is answered as it comes, or with
 * those that land with it. */
#include "exchange.h"
#include <string.h>

bool hw__mpi_serve_begin(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    return hw__mpi_good(
        job,
        MPI_Irecv(x->arriving, hw__mpi_length(job, job->rank), MPI_FLOAT, MPI_ANY_SOURCE, PUSH, job->comm, &x->arrival),
        "MPI_Irecv");
}

/* A message of rank `from`, of this many floats, is what it says, and fits. */
bool hw__mpi_fits(hw_mpi_job *job, int from, const hw__mpi_push *push, int count, size_t n)
{
    if (count >= HEAD && (size_t)count == HEAD + hw__mpi_lines_size(push->lines, n)) return true;
    job->failed =
        hw__mpi_fail(job->why, HW_E_STATE, "rank %d sent %d floats, which is not what it said: %u lines of %zu", from,
                     count, (unsigned)push->lines, n);
    return false;
}

static bool land(hw_mpi_job *job, int from, const float *message, unsigned number, unsigned count)
{
    hw__mpi_push push;
    memcpy(&push, message, sizeof push);
    if (hw__mpi_owner_land(job, from, &push, message + HEAD, number, count)) return true;
    job->failed =
        hw__mpi_fail(job->why, HW_E_STATE, "rank %d sent lines that are not of rank %d's shard", from, job->rank);
    return false;
}

/* The owner's values, to whoever has brought something. */
static bool reply(hw_mpi_job *job, int to, const hw__mpi_push *brought)
{
    hw__mpi_exchange *x = job->exchange;
    hw__mpi_push push = *brought;
    const bool own = to == job->rank;
    /* It has had the reply before. */
    if (!own && !hw__mpi_good(job, MPI_Wait(x->replying + to, MPI_STATUS_IGNORE), "MPI_Wait")) return false;
    float *reply = own ? x->in + x->at[to] : x->reply + (size_t)to * (size_t)hw__mpi_length(job, job->rank);
    const int size = HEAD + (int)hw__mpi_owner_reply(job, to, reply + HEAD, &push);
    memcpy(reply, &push, sizeof push);
    x->answered = x->answered || own;
    if (own) return true;
    job->here.bytes_sent += (uint64_t)size * sizeof(float);
    return hw__mpi_good(job, MPI_Isend(reply, size, MPI_FLOAT, to, REPLY, job->comm, x->replying + to), "MPI_Isend");
}

/* It lands and is answered, or it is kept for those that land with it. */
bool hw__mpi_serve_receive(hw_mpi_job *job, int from, const float *message, size_t floats)
{
    hw__mpi_push push;
    memcpy(&push, message, sizeof push);
    if (!job->gather) return land(job, from, message, 1, 1) && reply(job, from, &push);
    hw__mpi_gather_keep(job, from, message, floats);
    return true;
}

static bool serve(hw_mpi_job *job, const MPI_Status *s)
{
    hw__mpi_exchange *x = job->exchange;
    int count = 0;
    hw__mpi_push push;
    (void)MPI_Get_count(s, MPI_FLOAT, &count);
    memcpy(&push, x->arriving, sizeof push);
    return hw__mpi_fits(job, s->MPI_SOURCE, &push, count, (size_t)job->shards.count[job->rank]) &&
           hw__mpi_serve_receive(job, s->MPI_SOURCE, x->arriving, (size_t)count) && hw__mpi_serve_begin(job);
}

/* Those that are to land together, by the ranks' numbers. True where any have. */
static bool land_gathered(hw_mpi_job *job)
{
    unsigned count = 0, number = 0;
    if (!job->gather || !hw__mpi_gather_next(job)) return false;
    for (int r = 0; r < job->ranks; r++) count += hw__mpi_gather_kept(job, r) != NULL;
    for (int r = 0; r < job->ranks; r++) {
        const float *message = hw__mpi_gather_kept(job, r);
        if (message && !land(job, r, message, ++number, count)) return true;
    }
    for (int r = 0; r < job->ranks; r++) {
        const float *message = hw__mpi_gather_kept(job, r);
        hw__mpi_push push;
        if (!message) continue;
        memcpy(&push, message, sizeof push);
        if (!reply(job, r, &push)) return true;
    }
    hw__mpi_gather_landed(job);
    return true;
}

bool hw__mpi_serve_step(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    MPI_Status status;
    int arrived = 0;
    if (!hw__mpi_good(job, MPI_Test(&x->arrival, &arrived, &status), "MPI_Test")) return true;
    if (arrived && !serve(job, &status)) return true;
    return land_gathered(job) || arrived;
}
