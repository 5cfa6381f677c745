/* pairs.c - staleness by pairs of ranks: of the updates of one, how many of another's had landed here that they were
 * computed without. An owner knows what each rank has heard of it: it has answered. What a rank had begun before that
 * answer came is of the one before. */
#include "job.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 256 }; /* ranks: a table of the square of them */

struct hw__mpi_pairs {
    uint64_t *landed, *landing;    /* by rank; landing: of those that land together */
    uint64_t *heard, *heard_early; /* by rank that has heard: as many had landed of each */
    double *missed, *updates;      /* by rank whose updates they are, by rank of what they missed; by rank */
    double *mean;                  /* rank 0's, of all owners */
};

bool hw__mpi_pairs_create(hw_mpi_job *job)
{
    const size_t ranks = (size_t)job->ranks, first = job->rank == 0;
    if (ranks > MOST) return true;
    struct hw__mpi_pairs *p = job->pairs = calloc(1, sizeof *p);
    if (!p) return false;
    p->landed = calloc(2 * (ranks + 1) * ranks, sizeof *p->landed);
    p->missed = calloc(((1 + first) * ranks + 1) * ranks, sizeof *p->missed);
    if (!p->landed || !p->missed) return false;
    p->landing = p->landed + ranks;
    p->heard = p->landing + ranks;
    p->heard_early = p->heard + ranks * ranks;
    p->updates = p->missed + ranks * ranks;
    p->mean = first ? p->updates + ranks : NULL;
    return true;
}

void hw__mpi_pairs_free(hw_mpi_job *job)
{
    if (!job->pairs) return;
    free(job->pairs->landed);
    free(job->pairs->missed);
    free(job->pairs);
    job->pairs = NULL;
}

void hw__mpi_pairs_landing(hw_mpi_job *job, int from, uint64_t late, uint64_t early)
{
    struct hw__mpi_pairs *p = job->pairs;
    const size_t ranks = (size_t)job->ranks, own = (size_t)from;
    if (!p) return;
    for (size_t r = 0; r < ranks; r++) {
        if (r == own) continue;
        const uint64_t missed = p->landed[r] - p->heard[own * ranks + r],
                       missed_early = p->landed[r] - p->heard_early[own * ranks + r];
        p->missed[own * ranks + r] += (double)late * (double)missed + (double)early * (double)missed_early;
    }
    p->landing[own] += late + early;
    p->updates[own] += (double)(late + early);
}

void hw__mpi_pairs_landed(hw_mpi_job *job)
{
    struct hw__mpi_pairs *p = job->pairs;
    for (int r = 0; p && r < job->ranks; r++) {
        p->landed[r] += p->landing[r];
        p->landing[r] = 0;
    }
}

void hw__mpi_pairs_answered(hw_mpi_job *job, int to)
{
    struct hw__mpi_pairs *p = job->pairs;
    const size_t ranks = (size_t)job->ranks, at = (size_t)to * ranks;
    if (!p) return;
    memcpy(p->heard_early + at, p->heard + at, ranks * sizeof *p->heard);
    memcpy(p->heard + at, p->landed, ranks * sizeof *p->heard);
}

void hw__mpi_pairs_met(hw_mpi_job *job)
{
    for (int turn = 0; turn < 2; turn++)
        for (int r = 0; r < job->ranks; r++) hw__mpi_pairs_answered(job, r);
}

bool hw__mpi_pairs_gather(hw_mpi_job *job)
{
    struct hw__mpi_pairs *p = job->pairs;
    const size_t ranks = (size_t)job->ranks;
    if (!p) return true;
    if (!hw__mpi_good(job,
                      MPI_Reduce(job->rank == 0 ? MPI_IN_PLACE : p->missed, p->missed, (int)((ranks + 1) * ranks),
                                 MPI_DOUBLE, MPI_SUM, 0, job->comm),
                      "MPI_Reduce"))
        return false;
    for (size_t i = 0; p->mean && i < ranks * ranks; i++)
        p->mean[i] = p->updates[i / ranks] > 0 ? p->missed[i] / p->updates[i / ranks] : 0;
    return true;
}

const double *hw_mpi_pairs(const hw_mpi_job *job)
{
    return job && job->ran && job->ranks > 1 && job->pairs ? job->pairs->mean : NULL;
}
