/* train.c - the one-call form. */
#include "engine.h"
#include <string.h>
#include <unistd.h>

/* Whether nothing can end a run that nobody has a handle of. */
static bool endless(const hw_config *c)
{
    return !c->updates && c->epochs <= 0 && c->seconds <= 0 && c->target == 0 && !c->stop_flag && !c->on_evaluation &&
           !c->on_epoch && !c->on_progress && !c->on_checkpoint && !c->on_capture && !c->on_update;
}

hw_status hw_train(const hw_objective *objective, const hw_config *config, float *params, hw_result *result)
{
    hw_engine *e = NULL;
    char why[HW_WHY] = "";
    if (result) memset(result, 0, sizeof *result);
    hw_status status = hw_engine_create(&e, objective, config, params, why);
    if (status == HW_OK && endless(&e->config)) {
        status =
            hw__base_fail(why, HW_E_ARGUMENT,
                          "hw_train: the run would never end: config.updates, epochs, seconds and target are 0, and "
                          "there is no stop_flag and no callback that could stop it");
        hw_engine_free(e);
    }
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
