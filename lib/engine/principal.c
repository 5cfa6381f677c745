/* principal.c - the direction in which the loss is most curved, where an exchange of replicas goes by it. */
#include "../config/config.h"
#include "../params/door.h"
#include "../step/members.h"
#include "engine.h"
#include <math.h>
#include <string.h>

/* Its length becomes 1, and the smallest entries 0 that have a fiftieth of the squares at most together, so that an
 * exchange looks at few. Which those are, the squares by their exponents tell, in one pass. */
static bool normalise(float *direction, size_t n)
{
    double squares[256] = {0}, all = 0, small = 0;
    for (size_t i = 0; i < n; i++) {
        union {
            float x;
            uint32_t bits;
        } entry = {direction[i]};
        squares[entry.bits >> 23 & 255] += (double)direction[i] * (double)direction[i];
    }
    for (int e = 0; e < 256; e++) all += squares[e];
    if (!(all > 0) || !hw__base_finite_double(all)) return false;
    int least = 0; /* the exponent that the smallest entry has which stays */
    while (small + squares[least] <= 0.02 * all) small += squares[least++];
    double scale = 1 / sqrt(all);
    float bound = ldexpf(1, least - 127);
    for (size_t i = 0; i < n; i++)
        direction[i] = fabsf(direction[i]) < bound ? 0 : (float)((double)direction[i] * scale);
    return true;
}

/* Asks the objective, into `direction` (zeros). */
static hw_status ask(hw_engine *e, float *direction, char *why)
{
    const hw_objective *o = &e->objective;
    double curvature[2] = {0, 0};
    hw_status status = o->principal(o->self, direction, curvature);
    if (status != HW_OK) return hw__base_fail(why, status, "the objective's principal returned %d", status);
    for (size_t i = 0; i < o->parameters; i++)
        if (!hw__base_finite(direction[i]))
            return hw__base_fail(why, HW_E_CALLBACK, "the objective's principal gave %g as entry %zu of the direction",
                                 (double)direction[i], i);
    for (int i = 0; i < 2; i++)
        if (!hw__base_finite_double(curvature[i]) || curvature[i] < 0)
            return hw__base_fail(why, HW_E_CALLBACK,
                                 "the objective's principal gave curvatures of %g and %g: they must be finite and not "
                                 "negative",
                                 curvature[0], curvature[1]);
    if (!normalise(direction, o->parameters)) return HW_OK; /* a loss without curvature has none */
    if (!hw__params_set_principal(e->params, direction)) return hw__no_memory(why, "the principal direction");
    e->principal = (hw__principal){true, curvature[0], curvature[1]};
    return HW_OK;
}

hw_status hw__principal_plan(hw_engine *e, char *why)
{
    size_t n = e->objective.parameters;
    if (!hw__config_principal(&e->config, &e->objective)) return HW_OK;
    float *direction = hw__allocate(&e->memory.by, n, sizeof *direction);
    if (!direction) return hw__no_memory(why, "the principal direction");
    memset(direction, 0, n * sizeof *direction);
    hw_status status = ask(e, direction, why);
    hw__release(&e->memory.by, direction, n, sizeof *direction);
    return status;
}
