/* over.c - a grid of efficiency over the ranks of mpirun: each run on as many of them as its row says. */
#include "over.h"
#include <stdlib.h>
#include <string.h>

#if defined(HW_MPI)
#include <hogwild/mpi.h>

static hw_status bad(char *why, const char *call)
{
    if (why) (void)snprintf(why, HW_WHY, "%s failed", call);
    return HW_E_IO;
}

static hw_status share(void *context, void *bytes, size_t n, char *why)
{
    (void)context;
    return MPI_Bcast(bytes, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD) == MPI_SUCCESS ? HW_OK : bad(why, "MPI_Bcast");
}

static void end(void *context, hw_engine *engine)
{
    over *o = context;
    MPI_Comm *comm = o->comm;
    hw_engine_free(engine);
    hw_mpi_free(o->job);
    o->job = NULL;
    if (comm) (void)MPI_Comm_free(comm);
    free(comm);
    o->comm = NULL;
}

/* Where a rank has no engine, none runs. */
static hw_status agree(MPI_Comm comm, hw_status status, char *why)
{
    int mine = status, worst = 0;
    if (MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, comm) != MPI_SUCCESS) return bad(why, "MPI_Allreduce");
    if (status == HW_OK && worst != HW_OK && why) (void)snprintf(why, HW_WHY, "another rank has no engine");
    return status == HW_OK ? (hw_status)worst : status;
}

static hw_status run(void *context, unsigned count, const hw_objective *objective, hw_config *config,
                     const float *params, hw_engine **engine, hw_result *result, char *why)
{
    over *o = context;
    const unsigned rank = ranks_number();
    MPI_Comm *comm = malloc(sizeof *comm);
    if (!comm) return HW_E_MEMORY;
    if (MPI_Comm_split(MPI_COMM_WORLD, rank < count ? 0 : MPI_UNDEFINED, (int)rank, comm) != MPI_SUCCESS) {
        free(comm);
        return bad(why, "MPI_Comm_split");
    }
    if (*comm == MPI_COMM_NULL) {
        free(comm);
        return HW_OK;
    }
    o->comm = comm;
    hw_mpi mpi = ranks_mpi(o->options, config);
    const hw_cluster k = config->cluster; /* what an axis may say instead of an option */
    config->cluster = hw_config_defaults().cluster;
    if (k.interval > 1) mpi.interval = k.interval;
    if (k.bound) mpi.bound = k.bound;
    if (k.combine != HW_COMBINE_CHOSEN) mpi.combine = (hw_mpi_combine)k.combine;
    if (count == 1) mpi.gather = 0;
    mpi.comm = *comm;
    hw_status status = hw_mpi_create(&o->job, objective, config, &mpi, why);
    if (status == HW_OK) status = agree(*comm, hw_engine_create(engine, objective, config, params, why), why);
    if (status == HW_OK) {
        status = hw_mpi_run(o->job, *engine, result);
        if (status == HW_E_DIVERGED) return HW_OK;
        if (status == HW_OK) return HW_OK;
        (void)snprintf(why, HW_WHY, "seed %llu: %.200s", (unsigned long long)config->seed, result->message);
    }
    end(o, *engine);
    *engine = NULL;
    return status;
}

static hw_status staleness(void *context, hw_histogram *histogram)
{
    const over *o = context;
    return hw_mpi_staleness(o->job, histogram);
}

const hw_efficiency_over *over_ranks(over *o, const ranks_options *options)
{
    memset(o, 0, sizeof *o);
    o->options = options;
    o->calls = (hw_efficiency_over){o, ranks_number(), ranks_count(), share, run, staleness, end};
    return options->mpi ? &o->calls : NULL;
}
#else
const hw_efficiency_over *over_ranks(over *o, const ranks_options *options)
{
    memset(o, 0, sizeof *o);
    o->options = options;
    return NULL; /* --mpi has been refused */
}
#endif
