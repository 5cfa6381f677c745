/* agree.c - what goes wrong, on one rank and on all, and the end of this rank's engine. */
#include "job.h"
#include <stdarg.h>
#include <stdio.h>

hw_status hw__mpi_fail(char *why, hw_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (why) (void)vsnprintf(why, HW_WHY, format, args);
    va_end(args);
    return status;
}

bool hw__mpi_good(hw_mpi_job *job, int code, const char *call)
{
    if (code == MPI_SUCCESS) return true;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    (void)MPI_Error_string(code, text, &length);
    job->broken = true;
    if (job->failed == HW_OK) job->failed = hw__mpi_fail(job->why, HW_E_IO, "%s: %.200s", call, text);
    return false;
}

hw_status hw__mpi_agree(hw_mpi_job *job, hw_status status, char *why)
{
    int mine[2] = {status == HW_OK ? job->ranks : job->rank, status}, first = 0;
    if (job->broken) return hw__mpi_fail(why, job->failed, "%s", job->why);
    char text[HW_WHY] = "";
    if (!hw__mpi_good(job, MPI_Allreduce(mine, &first, 1, MPI_INT, MPI_MIN, job->comm), "MPI_Allreduce"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (first >= job->ranks) return HW_OK;
    if (why) (void)snprintf(text, sizeof text, "%.*s", HW_WHY - 1, why);
    if (!hw__mpi_good(job, MPI_Bcast(mine + 1, 1, MPI_INT, first, job->comm), "MPI_Bcast") ||
        !hw__mpi_good(job, MPI_Bcast(text, HW_WHY, MPI_CHAR, first, job->comm), "MPI_Bcast"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (first == job->rank) return status;
    return hw__mpi_fail(why, mine[1], "rank %d: %.230s", first, text);
}

void hw__mpi_stop_engine(hw_mpi_job *job)
{
    hw_engine_stop(job->engine);
    if (job->mpi.scheduler == HW_MPI_ASYNC)
        (void)hw_engine_allow(job->engine, UINT64_MAX); /* whoever waits goes, too */
}
