/* curvature.c - what policy auto goes by where nobody has said it. Rank 0's engine estimates it before the run. Here it
 * is followed along the last exchange's movement, the direction that a delayed heavy ball blows up in; most often at
 * the beginning, when it changes most. It costs four gradients of a minibatch, by the thread that calls MPI. Rank 0's
 * exchanges tell it to the owners. */
#include "job.h"

bool hw__mpi_curvature_wanted(const hw_mpi_job *job, const hw_objective *o)
{
    const hw_config *c = &job->asked;
    return job->rank == 0 && job->mpi.scheduler == HW_MPI_ASYNC && hw__mpi_owner_velocity(job) &&
           c->compensation.policy == HW_POLICY_AUTO && c->curvature >= 0 && c->curvature <= 0 && o->examples &&
           !o->touched;
}

bool hw__mpi_curvature_due(const hw_mpi_job *job, uint64_t exchanges)
{
    return job->peers.probes && exchanges >= job->curvature_due;
}

/* movement: lost. A rise counts at once, a fall by half: the estimate is of few examples. */
void hw__mpi_curvature_follow(hw_mpi_job *job, const float *x, float *movement, uint64_t exchanges)
{
    const uint64_t window = job->asked.compensation.window;
    double h = 0;
    if (!hw__mpi_curvature_due(job, exchanges)) return;
    job->curvature_due = exchanges < 4 ? 4 : exchanges < window ? 2 * exchanges : exchanges + window;
    if (hw_engine_curvature(job->engine, x, movement, exchanges, &h) != HW_OK || !(h > 0)) return;
    job->curvature = h > job->curvature ? h : (h + job->curvature) / 2;
}
