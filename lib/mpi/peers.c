/* peers.c - the callbacks that the engine knows its peers by: each is a request to the thread that calls MPI. */
#include "job.h"
#include <string.h>

static hw_status sum(void *context, float *g, size_t n, double *loss, int *raw, char *why)
{
    hw_mpi_job *job = context;
    hw__mpi_request r = {.kind = HW__MPI_SUM, .g = g, .n = n, .loss = loss, .raw = raw};
    return hw__mpi_post(&job->box, &r, why);
}

static hw_status sums(void *context, double *values, size_t n, char *why)
{
    hw_mpi_job *job = context;
    hw__mpi_request r = {.kind = HW__MPI_SUMS, .sums = values, .n = n};
    return hw__mpi_post(&job->box, &r, why);
}

static hw_status meet(void *context, hw_meeting *meeting, char *why)
{
    hw_mpi_job *job = context;
    hw__mpi_kind kind = meeting->capture ? HW__MPI_CAPTURE : meeting->final ? HW__MPI_FINAL : HW__MPI_EVALUATE;
    hw__mpi_request r = {.kind = kind, .meeting = meeting};
    return hw__mpi_post(&job->box, &r, why);
}

static void tell(void *context, hw_evaluation *evaluation)
{
    hw__mpi_evaluation(context, evaluation);
}

void hw__mpi_peers(hw_mpi_job *job, const hw_objective *objective)
{
    hw_peers *p = &job->peers;
    bool together = job->mpi.scheduler == HW_MPI_SYNC;
    memset(p, 0, sizeof *p);
    p->struct_size = sizeof *p;
    p->context = job;
    p->part = (unsigned)job->rank;
    p->parts = (unsigned)job->ranks;
    p->sharing = together ? HW_SHARE_SPLIT : job->mpi.data == HW_MPI_OWN ? HW_SHARE_OWN : HW_SHARE_DEALT;
    if (together) p->sum = sum;
    if (!together) p->meet = meet;
    if (!together) p->tell = tell;
    if (objective->evaluate) p->sums = sums;
    p->marks = job->sparse;
    p->probes = hw__mpi_curvature_wanted(job, objective);
    /* Tickets that workers hold are steps that no exchange sees: two looks an interval, however many workers. */
    const uint32_t threads = job->asked.workers > 1 ? job->asked.workers : 1, looks = job->interval / (2 * threads);
    if (!together && objective->touched) p->often = looks > 1 ? looks : 1;
}
