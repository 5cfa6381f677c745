/* interval.c - after how many of a rank's updates it exchanges, and how many it may have unsent. */
#include "job.h"
#include <math.h>

/* One exchange under way while the next one fills, and a step under way of all who land on their own, but not beyond
 * what may be summed. Where updates are gathered, who has brought something goes on from the next one. */
static uint32_t bound_of(const hw_mpi_job *job)
{
    const double safe = job->mpi.interval ? INFINITY : hw__mpi_principal_longest(job);
    const double interval = job->interval, threads = hw_config_asynchronous(&job->asked);
    const double free = job->mpi.gather ? fmax(interval, threads) : interval + fmax(interval, threads);
    return (uint32_t)fmax(interval, fmin(free, fmin(safe, UINT32_MAX)));
}

/* As often as the network takes them where steps are dense. What ranks do from the same start adds up: of sparse steps
 * no more than such that a parameter is met eight times on average, and as many as replicas of as many workers would
 * make; where the objective knows how curved its loss is, no more than that allows. */
void hw__mpi_interval_choose(hw_mpi_job *job, const hw_objective *o)
{
    const double meets = o->touched ? 8 * (double)o->parameters / (double)o->touched : 0;
    const double others = job->ranks > 1 ? job->ranks - 1 : 1, safe = hw__mpi_principal_longest(job);
    const double first = fmax(1, fmin(safe, fmax(16, fmin(meets, 256 / others))));
    job->interval = job->mpi.interval ? job->mpi.interval : o->touched ? (uint32_t)first : 1;
    job->bound = job->mpi.bound ? job->mpi.bound : bound_of(job);
    const bool wanted =
        job->mpi.combine == HW_MPI_CHOSEN ? o->touched && !isfinite(safe) : job->mpi.combine != HW_MPI_SUMS;
    job->means = wanted && job->mpi.scheduler == HW_MPI_ASYNC && !hw__mpi_owner_moves(job);
    job->chooses = !job->mpi.interval && !job->mpi.bound && o->touched;
    /* By experience: ratings on four ranks diverged from 300 updates on. */
    const double longer = isfinite(safe) ? 16 : 2;
    job->most = (uint32_t)fmax(first, fmin(safe, fmin(longer * first, meets)));
    if (!job->means) return;
    const double epoch =
        job->objective_examples > 0 ? job->objective_examples / job->asked.batch / job->ranks : 1 << 20;
    job->most = (uint32_t)fmax(first, fmin(safe, epoch / 16));
}

/* Where the interval is ours to choose, it doubles while workers wait for a fifth of the time, up to sixteen times;
 * twice where nothing is known of the loss's curvature. */
void hw__mpi_interval_adapt(hw_mpi_job *job, uint64_t exchanges)
{
    if (!job->chooses || exchanges % 4) return;
    const uint64_t now = hw_now();
    const double waited = hw_engine_awaited(job->engine), since = (double)(now - job->looked_ns) * 1e-9;
    const bool waits = job->looked_ns && waited - job->waited > 0.2 * since * hw_engine_threads(job->engine);
    if (waits && 2 * job->interval <= job->most) {
        job->interval *= 2;
        job->bound = bound_of(job);
    }
    job->looked_ns = now;
    job->waited = waited;
}
