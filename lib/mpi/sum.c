/* sum.c - sums over all ranks, all of which are in the call.
 *
 * ORDERED: every rank sends each other its part of that one's shard, adds up its own shard by the ranks' numbers, and
 * gives it to all. The sum is the same on any network, whoever comes first: that of as many threads in one process.
 * What is sent is 2 (ranks - 1) / ranks of the gradient by each rank, the least that a sum over all can do with. */
#include "job.h"
#include <string.h>

static bool ordered(hw_mpi_job *job, float *g)
{
    const hw__mpi_shards *s = &job->shards;
    int ranks = job->ranks, mine = s->count[job->rank];
    float *own = g + s->first[job->rank];
    MPI_Request request[2];
    MPI_Status unused[2];
    for (int away = 1; away < ranks; away++) { /* everybody sends to one and gets from one at a time */
        int to = (job->rank + away) % ranks, from = (job->rank + ranks - away) % ranks;
        if (!hw__mpi_good(
                job, MPI_Irecv(job->parts + (size_t)from * (size_t)mine, mine, MPI_FLOAT, from, 1, job->comm, request),
                "MPI_Irecv") ||
            !hw__mpi_good(job, MPI_Isend(g + s->first[to], s->count[to], MPI_FLOAT, to, 1, job->comm, request + 1),
                          "MPI_Isend") ||
            !hw__mpi_good(job, MPI_Waitall(2, request, unused), "MPI_Waitall"))
            return false;
        job->here.bytes_sent += (uint64_t)s->count[to] * sizeof(float);
    }
    memcpy(job->parts + (size_t)job->rank * (size_t)mine, own, (size_t)mine * sizeof *own);
    memcpy(own, job->parts, (size_t)mine * sizeof *own);
    for (int r = 1; r < ranks; r++) {
        const float *part = job->parts + (size_t)r * (size_t)mine;
        for (int i = 0; i < mine; i++) own[i] += part[i];
    }
    job->here.bytes_sent += (uint64_t)mine * sizeof(float) * (uint64_t)(ranks - 1);
    return hw__mpi_good(job, MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, g, s->count, s->first, MPI_FLOAT, job->comm),
                        "MPI_Allgatherv");
}

bool hw__mpi_sum_floats(hw_mpi_job *job, float *g)
{
    job->here.exchanges++;
    if (job->ranks == 1) return true;
    if (job->mpi.sum == HW_MPI_ORDERED) return ordered(job, g);
    job->here.bytes_sent += 2 * (uint64_t)job->parameters * sizeof(float) * (uint64_t)(job->ranks - 1) /
                            (uint64_t)job->ranks; /* at least */
    return hw__mpi_good(job, MPI_Allreduce(MPI_IN_PLACE, g, (int)job->parameters, MPI_FLOAT, MPI_SUM, job->comm),
                        "MPI_Allreduce");
}

/* Every entry is 0 on all ranks but one, so their order is nothing to the sum. */
bool hw__mpi_sum_doubles(hw_mpi_job *job, double *sums, size_t n)
{
    if (job->ranks == 1) return true;
    return hw__mpi_good(job, MPI_Allreduce(MPI_IN_PLACE, sums, (int)n, MPI_DOUBLE, MPI_SUM, job->comm),
                        "MPI_Allreduce");
}
