/* over.h - a grid of efficiency over the ranks of mpirun. Programs that are built without an MPI say how they are built
 * with one. */
#ifndef BENCH_OVER_H
#define BENCH_OVER_H

#include "ranks.h"
#include <hogwild/efficiency.h>

typedef struct over {
    const ranks_options *options;
    struct hw_mpi_job *job; /* of the run under way */
    void *comm;             /* its ranks */
    hw_efficiency_over calls;
} over;

/* NULL without --mpi. `o` outlives the grid. */
const hw_efficiency_over *over_ranks(over *o, const ranks_options *options);

#endif
