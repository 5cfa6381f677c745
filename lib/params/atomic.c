/* atomic.c - ATOMIC reads beside ADD and RACY writes: HOGWILD! as published. Each coordinate is untorn, the vector is
 * whatever the others have made of it meanwhile. */
#include "mode.h"
#include "shared.h"

static bool takes(const hw_params_config *c)
{
    (void)c;
    return true;
}

static uint64_t write(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                      const hw_read_note *note)
{
    hw__params_clock_write_begin(&p->clock);
    hw__shared_apply(p, p->kernels, &p->shared, &p->shared, form, x, g);
    return hw__params_clock_write_end(&p->clock, worker, note);
}

const hw__mode hw__mode_atomic = {.takes = takes,
                                  .plan = hw__shared_create,
                                  .free = hw__shared_free,
                                  .read = hw__shared_read_mode,
                                  .write = write,
                                  .get = hw__shared_get,
                                  .set = hw__shared_set};
