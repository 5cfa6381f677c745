/* private.c - parameters that only one rank's steps touch: lines that all ranks' exchanges leave out, until they meet.
 * They are neither read nor sent before, and what the owners say of them is not taken. */
#include "job.h"
#include <stdlib.h>
#include <string.h>

struct hw__mpi_private {
    unsigned char *is; /* by line of all parameters: some rank's own */
};

static hw_status check(const hw_mpi_job *job, char *why)
{
    const hw_mpi *m = &job->mpi;
    if (m->n_own && !m->own) return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.own is NULL, but mpi.n_own is %zu", m->n_own);
    for (size_t i = 0; i < m->n_own; i++)
        if (m->own[i].first > job->parameters || m->own[i].count > job->parameters - m->own[i].first)
            return hw__mpi_fail(why, HW_E_ARGUMENT, "mpi.own[%zu] ends beyond the %zu parameters", i, job->parameters);
    if (m->n_own && (m->gather || job->principal))
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "mpi.own: not with mpi.gather, or where ranks go by the objective's principal direction");
    if (m->n_own && hw__mpi_owner_moves(job))
        return hw__mpi_fail(why, HW_E_UNSUPPORTED,
                            "mpi.own: with momentum at the owners all parameters move (velocity at the ranks)");
    return HW_OK;
}

static void mark(const hw_mpi_job *job, unsigned char *is)
{
    for (size_t i = 0; i < job->mpi.n_own; i++) {
        const hw_range *r = job->mpi.own + i;
        const size_t end = r->first + r->count;
        for (size_t line = hw__mpi_lines(r->first); (line + 1) * HW__MPI_LINE <= end; line++) is[line] = 1;
    }
}

/* A line is one rank's. is: this rank's, then everybody's. */
static hw_status gather_all(hw_mpi_job *job, unsigned char *is, size_t lines, char *why)
{
    unsigned char *of = calloc(lines + 1, 1), *all = calloc(lines + 1, 1);
    hw_status status = of && all ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for mpi.own");
    status = hw__mpi_agree(job, status, why);
    for (int r = 0; status == HW_OK && r < job->ranks; r++) {
        if (r == job->rank) memcpy(of, is, lines);
        if (!hw__mpi_good(job, MPI_Bcast(of, (int)lines, MPI_BYTE, r, job->comm), "MPI_Bcast"))
            status = hw__mpi_fail(why, job->failed, "%s", job->why);
        for (size_t i = 0; status == HW_OK && i < lines; i++) {
            if (of[i] && all[i])
                status = hw__mpi_fail(why, HW_E_ARGUMENT,
                                      "mpi.own: parameters %zu to %zu are rank %d's own, and another one's, too",
                                      i * HW__MPI_LINE, i * HW__MPI_LINE + HW__MPI_LINE - 1, r);
            all[i] = all[i] || of[i];
        }
    }
    if (status == HW_OK) memcpy(is, all, lines);
    free(of);
    free(all);
    return status;
}

hw_status hw__mpi_private_create(hw_mpi_job *job, char *why)
{
    const size_t lines = hw__mpi_lines(job->parameters);
    struct hw__mpi_private *p = NULL;
    hw_status status = hw__mpi_agree(job, check(job, why), why);
    int any = job->mpi.n_own > 0;
    if (status != HW_OK || job->ranks == 1 || job->mpi.scheduler != HW_MPI_ASYNC) return status;
    if (!hw__mpi_good(job, MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, job->comm), "MPI_Allreduce"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (!any) return HW_OK;
    job->own_lines = p = calloc(1, sizeof *p);
    if (p) p->is = calloc(lines + 1, 1);
    const bool good = p && p->is;
    status =
        hw__mpi_agree(job, good ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for mpi.own"), why);
    if (status != HW_OK) return status;
    mark(job, p->is);
    return gather_all(job, p->is, lines, why);
}

void hw__mpi_private_free(hw_mpi_job *job)
{
    struct hw__mpi_private *p = job->own_lines;
    if (!p) return;
    free(p->is);
    free(p);
    job->own_lines = NULL;
}

bool hw__mpi_private_is(const hw_mpi_job *job, size_t line)
{
    return job->own_lines->is[line];
}
