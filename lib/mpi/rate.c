/* rate.c - where the owners move the parameters, a rank's own steps are as long as the owners will make them, of what
 * it has heard. What it shows its workers of steps that have not landed would else be more than comes of them, and
 * they would step on that: a rate that only the owners lower leaves each rank to blow up by itself. */
#include "job.h"
#include <math.h>

static void put(hw_mpi_job *job, double rate)
{
    if (job->rate.now > 0 && fabs(rate - job->rate.now) <= 1e-3 * job->rate.now) return;
    job->rate.now = rate;
    (void)hw_engine_slow(job->engine, rate);
}

/* All owners begin alike. */
void hw__mpi_rate_begin(hw_mpi_job *job)
{
    const hw_setting *s = hw__mpi_owner_setting(job);
    if (!s) return;
    put(job, s->rate);
    job->rate.before[0] = job->rate.before[1] = job->rate.now;
}

void hw__mpi_rate_follow(hw_mpi_job *job, const hw__mpi_push *based)
{
    if (!hw__mpi_owner_setting(job)) return;
    float least = based[0].rate;
    for (int r = 1; r < job->ranks; r++) least = fminf(least, based[r].rate);
    put(job, (double)least);
}

/* Steps that were in hand when the rate went down land after the next push: owners are not to make more of them. */
float hw__mpi_rate_pushed(hw_mpi_job *job)
{
    if (!hw__mpi_owner_setting(job)) return 1;
    const double most = fmax(job->rate.now, fmax(job->rate.before[0], job->rate.before[1]));
    job->rate.before[1] = job->rate.before[0];
    job->rate.before[0] = job->rate.now;
    return (float)most;
}
