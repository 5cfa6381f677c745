/* words.c - what one rank says to all others outside of rounds: that all are to stop, and why, or that they are to come
 * together for a capture. Reasons are positive, captures' numbers negative. How many each has said stands in the
 * headers of rounds, so that none is left behind at the end. */
#include "job.h"

enum { WORD = 4 }; /* the tag */

void hw__mpi_forget(MPI_Request *request)
{
    if (*request == MPI_REQUEST_NULL) return;
    (void)MPI_Cancel(request);
    (void)MPI_Wait(request, MPI_STATUS_IGNORE);
}

bool hw__mpi_words_begin(hw_mpi_job *job)
{
    hw__mpi_words *w = &job->words;
    w->listens =
        hw__mpi_good(job, MPI_Irecv(&w->word, 1, MPI_INT, MPI_ANY_SOURCE, WORD, job->comm, &w->arrival), "MPI_Irecv");
    return w->listens;
}

void hw__mpi_words_end(hw_mpi_job *job)
{
    if (job->words.listens) hw__mpi_forget(&job->words.arrival);
    job->words.listens = false;
}

static void tell(hw_mpi_job *job, int word)
{
    job->words.said++;
    for (int r = 0; r < job->ranks; r++)
        if (r != job->rank) (void)hw__mpi_good(job, MPI_Send(&word, 1, MPI_INT, r, WORD, job->comm), "MPI_Send");
}

void hw__mpi_tell(hw_mpi_job *job, hw_stop_reason reason)
{
    tell(job, (int)reason);
}

void hw__mpi_tell_capture(hw_mpi_job *job, uint32_t number)
{
    tell(job, -(int)number);
}

bool hw__mpi_words_step(hw_mpi_job *job)
{
    hw__mpi_words *w = &job->words;
    int arrived = 0;
    if (!hw__mpi_good(job, MPI_Test(&w->arrival, &arrived, MPI_STATUS_IGNORE), "MPI_Test") || !arrived) return false;
    const int word = w->word;
    w->heard++;
    (void)hw__mpi_words_begin(job);
    if (word < 0) {
        hw__mpi_captures_heard(job, (uint32_t)-word);
        return true;
    }
    if (job->reason == HW_STOP_NONE) job->reason = (hw_stop_reason)word;
    job->told = true; /* whoever said so has told all */
    hw__mpi_stop_engine(job);
    return true;
}

bool hw__mpi_words_wait(hw_mpi_job *job, uint64_t count)
{
    hw__mpi_words *w = &job->words;
    for (; w->heard < count; w->heard++)
        if (!hw__mpi_good(job, MPI_Wait(&w->arrival, MPI_STATUS_IGNORE), "MPI_Wait") || !hw__mpi_words_begin(job))
            return false;
    return true;
}
