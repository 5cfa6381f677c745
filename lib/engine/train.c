/* train.c - the one-call form. */
#include "engine.h"
#include <string.h>
#include <unistd.h>

hw_status hw_train(const hw_objective *objective, const hw_config *config, float *params, hw_result *result)
{
    hw_engine *e;
    char why[HW_WHY] = "";
    if (result) memset(result, 0, sizeof *result);
    hw_status status = hw_engine_create(&e, objective, config, params, why);
    if (status != HW_OK) {
        if (result) {
            result->status = status;
            (void)snprintf(result->message, sizeof result->message, "%s", why);
        }
        return status;
    }
    status = hw_engine_run(e, result);
    if (params && e->process == getpid() && (status != HW_OK || hw_engine_average(e, params) != HW_OK))
        (void)hw_engine_get(e, params);
    hw_engine_free(e);
    return status;
}
