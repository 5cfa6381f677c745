/* principal.c - sums of what ranks did from the same start, along the direction in which most examples pull alike.
 *
 * Along a direction u of curvature h, k steps at rate a go g = 1 - exp(-a h k) of the way to the optimum, and R ranks
 * that took them from the same start would together go R g of it, beyond the optimum where g is not small. One after
 * the other their steps would go 1 - (1 - g)^R of it. So of its way along u each sends the share
 *
 *     s = (1 - (1 - g)^R) / (R g)
 *
 * between 1, where g is small, and 1 / R, their average. Threads of one rank know how far the others have gone when
 * they exchange (the core's replicas); here that is known only when the values come back. */
#include "job.h"
#include <math.h>
#include <stdlib.h>

struct hw__mpi_principal {
    double along, across; /* curvatures */
    hw_schedule schedule;
    float u[]; /* of length 1 */
};

/* One rate for all parameters, and nothing beside it that moves them. */
static bool wanted(const hw_mpi_job *job, const hw_objective *o, const hw_config *c)
{
    return job->ranks > 1 && job->mpi.scheduler == HW_MPI_ASYNC && o->principal && o->touched &&
           c->optimizer.rule == HW_RULE_SGD && c->optimizer.momentum == 0 && c->optimizer.n_sections == 0;
}

static bool finite(const float *x, size_t n, const double curvature[2])
{
    bool good = isfinite(curvature[0]) && isfinite(curvature[1]) && curvature[0] >= 0 && curvature[1] >= 0;
    for (size_t i = 0; i < n; i++) good = good && isfinite(x[i]);
    return good;
}

/* False: it has no length, so it is not known. */
static bool normalise(float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    const double scale = 1 / sqrt(sum);
    if (!(sum > 0) || !isfinite(scale)) return false;
    for (size_t i = 0; i < n; i++) x[i] = (float)((double)x[i] * scale);
    return true;
}

/* Rank 0's, so that all go by the same bits. */
static hw_status ask(const hw_mpi_job *job, const hw_objective *o, hw__mpi_principal *p, char *why)
{
    double curvature[2] = {0, 0};
    if (job->rank != 0) return HW_OK;
    const hw_status status = o->principal(o->self, p->u, curvature);
    if (status != HW_OK) return hw__mpi_fail(why, status, "the objective's principal returned %d", status);
    if (!finite(p->u, o->parameters, curvature))
        return hw__mpi_fail(why, HW_E_CALLBACK,
                            "the objective's principal gave a direction, or curvatures (%g and %g), that are not "
                            "finite, or negative curvatures",
                            curvature[0], curvature[1]);
    p->along = normalise(p->u, o->parameters) ? curvature[0] : 0;
    p->across = curvature[1];
    return HW_OK;
}

hw_status hw__mpi_principal_create(hw_mpi_job *job, const hw_objective *o, const hw_config *c, char *why)
{
    if (!wanted(job, o, c)) return HW_OK; /* on every rank: they were given the same */
    hw__mpi_principal *p = calloc(1, sizeof *p + o->parameters * sizeof *p->u);
    hw_status status = p ? ask(job, o, p, why)
                         : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for the principal direction");
    job->principal = p;
    status = hw__mpi_agree(job, status, why);
    if (status != HW_OK || !p) return status;
    p->schedule = c->optimizer.schedule;
    double curvature[2] = {p->along, p->across};
    if (!hw__mpi_good(job, MPI_Bcast(curvature, 2, MPI_DOUBLE, 0, job->comm), "MPI_Bcast") ||
        !hw__mpi_good(job, MPI_Bcast(p->u, (int)o->parameters, MPI_FLOAT, 0, job->comm), "MPI_Bcast"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    p->along = curvature[0];
    p->across = curvature[1];
    return HW_OK;
}

void hw__mpi_principal_free(hw_mpi_job *job)
{
    free(job->principal);
    job->principal = NULL;
}

double hw__mpi_principal_longest(const hw_mpi_job *job)
{
    const hw__mpi_principal *p = job->principal;
    if (!p || !(p->along > 0)) return INFINITY;
    /* A warm-up only begins low. */
    const double rate = fmax(hw_schedule_rate(&p->schedule, 0), hw_schedule_rate(&p->schedule, p->schedule.warmup));
    const double strength = rate * p->across * (job->ranks - 1);
    return strength > 0 ? 2 / strength : INFINITY;
}

double hw__mpi_principal_pull(const hw_mpi_job *job, const float *x, const float *base, const hw_range *ranges,
                              size_t n, uint64_t updates, uint64_t clock)
{
    const hw__mpi_principal *p = job->principal;
    if (!p || !(p->along > 0) || !updates) return 0;
    const double way = hw_schedule_rate(&p->schedule, clock) * p->along * (double)updates, left = exp(-way);
    const double share = way > 1e-9 ? (1 - pow(left, job->ranks)) / (job->ranks * (1 - left)) : 1;
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t i = ranges[k].first; i < ranges[k].first + ranges[k].count; i++)
            if (p->u[i] != 0) sum += (double)p->u[i] * ((double)x[i] - (double)base[i]);
    return (1 - share) * sum;
}

void hw__mpi_principal_damp(const hw_mpi_job *job, double pull, size_t first, float *delta, size_t n)
{
    const float *u = job->principal ? job->principal->u + first : NULL;
    const float by = (float)pull;
    for (size_t i = 0; u && by != 0 && i < n; i++) delta[i] = delta[i] != 0 ? delta[i] - by * u[i] : 0;
}
