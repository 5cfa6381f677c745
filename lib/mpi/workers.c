/* workers.c - how many worker threads every rank has cores for. */
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include "job.h"
#include <stdlib.h>
#include <string.h>

/* The cores that this rank may run on, as bits; all of them where the system does not say. */
enum { CORES = 1024 };
typedef struct cores {
    unsigned char bits[CORES / 8];
} cores;

static cores own_cores(void)
{
    cores c;
    memset(&c, 0xff, sizeof c);
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return c;
    memset(&c, 0, sizeof c);
    for (unsigned i = 0; i < CORES && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set)) c.bits[i / 8] |= (unsigned char)(1U << i % 8);
#endif
    return c;
}

unsigned hw_mpi_workers(MPI_Comm comm)
{
    int begun = 0, over = 0, here = 1, sharing = 0;
    const unsigned all = hw_config_defaults().workers;
    (void)MPI_Initialized(&begun);
    (void)MPI_Finalized(&over);
    MPI_Comm machine;
    if (!begun || over) return all;
    if (MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine) != MPI_SUCCESS) return all;
    const cores own = own_cores();
    (void)MPI_Comm_size(machine, &here);
    cores *each = calloc((size_t)here, sizeof *each);
    int good = each != NULL;
    if (MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPI_INT, MPI_MIN, machine) == MPI_SUCCESS && good && each &&
        MPI_Allgather(&own, sizeof own, MPI_BYTE, each, sizeof own, MPI_BYTE, machine) == MPI_SUCCESS)
        for (int r = 0; r < here; r++) sharing += memcmp(each + r, &own, sizeof own) == 0;
    free(each);
    (void)MPI_Comm_free(&machine);
    unsigned share = sharing > 1 && all / (unsigned)sharing > 1 ? all / (unsigned)sharing : sharing > 1 ? 1 : all;
    (void)MPI_Allreduce(MPI_IN_PLACE, &share, 1, MPI_UNSIGNED, MPI_MIN, comm); /* all ranks are to have as many */
    return share;
}
