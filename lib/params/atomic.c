/* atomic.c - ATOMIC reads beside ADD and RACY writes: HOGWILD! as published. Each coordinate is untorn, the vector is
 * whatever the others have made of it meanwhile. */
#include "mode.h"
#include "shared.h"

static bool takes(const hw_params_config *c)
{
    (void)c;
    return true;
}

static void apply(hw_params *p, const hw_form *form, const hw__extent *x, const float *g)
{
    hw__shared_apply(p, p->kernels, &p->shared, &p->shared, form, x, g);
}

const hw__mode hw__mode_atomic = {.takes = takes,
                                  .plan = hw__shared_create,
                                  .free = hw__shared_free,
                                  .read = hw__shared_read_mode,
                                  .write = hw__shared_write_mode,
                                  .apply = apply,
                                  .get = hw__shared_get,
                                  .set = hw__shared_set};
