/* captures.c - when the ranks of a run on their own come together for a capture. By updates or epochs each comes after
 * its own so many, and the quick ones wait there. Where captures go by time too, rank 0, which alone makes them, says
 * when, whatever it goes by, and the others' engines park as soon as all their workers are between steps. Each of those
 * is numbered, so that a word that comes after its capture is known for that. */
#include "job.h"

static bool timed(const hw_mpi_job *job)
{
    return job->asked.checkpoint_seconds > 0;
}

static void ask(hw_mpi_job *job)
{
    job->captures.asked++;
    hw__mpi_tell_capture(job, job->captures.asked);
}

void hw__mpi_captures_watch(hw_mpi_job *job, double seconds)
{
    const double every = job->asked.checkpoint_seconds;
    if (job->rank != 0 || !timed(job) || job->captures.asked > job->captures.made) return;
    if (!(job->captures.due > 0)) job->captures.due = seconds + every;
    if (seconds < job->captures.due) return;
    job->captures.due = seconds + every;
    ask(job);
}

/* Its engine may have been asked before its run began, so it is asked until it has come. While rank 0 is at an
 * evaluation the others go on to theirs first, and where others are, rank 0. */
void hw__mpi_captures_ask(hw_mpi_job *job, const hw__mpi_request *r)
{
    const bool wanted = job->captures.asked > job->captures.made || job->captures.owed;
    if (job->rank == 0 && timed(job) && r && r->kind == HW__MPI_CAPTURE && !wanted) ask(job);
    if (!r && wanted && !job->captures.later) (void)hw_engine_ask_capture(job->engine, 1);
}

/* Who is at an evaluation has gradients in hand, whose steps a capture would neither hold nor leave to be made. */
bool hw__mpi_captures_met(hw_mpi_job *job, const hw__mpi_request *r, const unsigned *of)
{
    const bool any = of[HW__MPI_CAPTURE] > 0, comes = any && r->kind == HW__MPI_CAPTURE;
    const bool first = job->all[0].kind == HW__MPI_CAPTURE, made = any && first && !of[HW__MPI_EVALUATE];
    job->captures.later = any && !made && (timed(job) || first);
    if (comes) r->meeting->later = job->captures.later;
    if (comes && !timed(job)) job->captures.owed = job->captures.later;
    if (!made || !timed(job)) return comes;
    job->captures.made = job->all[0].asked;
    hw__mpi_captures_heard(job, job->captures.made);
    if (!comes) (void)hw_engine_ask_capture(job->engine, 0); /* it is at its end, and need not come any more */
    return comes;
}
