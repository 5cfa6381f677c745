/* train.c - the one-call form, and what is asked after a run. */
#include "job.h"
#include <string.h>

hw_status hw_mpi_train(const hw_objective *objective, const hw_config *config, const hw_mpi *mpi, float *params,
                       hw_result *result)
{
    hw_config c;
    hw_mpi_job *job = NULL;
    hw_engine *engine = NULL;
    char why[HW_WHY] = "";
    if (result) memset(result, 0, sizeof *result);
    hw_status status = config && config->struct_size == sizeof c
                           ? HW_OK
                           : hw__mpi_fail(why, HW_E_ARGUMENT, "hw_mpi_train: config: start from hw_config_init()");
    if (status == HW_OK) {
        c = *config;
        status = hw_mpi_create(&job, objective, &c, mpi, why);
    }
    if (status == HW_OK) status = hw__mpi_agree(job, hw_engine_create(&engine, objective, &c, params, why), why);
    if (status == HW_OK) {
        status = hw_mpi_run(job, engine, result);
        if (params) (void)hw_engine_get(engine, params);
    } else if (result) {
        result->status = status;
        (void)snprintf(result->message, sizeof result->message, "%s", why);
    }
    hw_engine_free(engine);
    hw_mpi_free(job);
    return status;
}

hw_status hw_mpi_staleness(const hw_mpi_job *job, hw_histogram *h)
{
    if (!job || !h || !h->counts) return HW_E_ARGUMENT;
    if (!job->ran || job->mpi.scheduler != HW_MPI_ASYNC || job->ranks == 1) return HW_E_STATE;
    hw_histogram_clear(h);
    hw_histogram_merge(h, hw__mpi_owner_staleness(job, false));
    return HW_OK;
}
