/* locked.c - LOCKED: one mutex, held for the snapshot and for the write. Every reader sees one past state and no update
 * is lost; what the other modes are measured against. */
#include "lock.h"
#include "mode.h"
#include "shared.h"

static bool takes(const hw_params_config *c)
{
    return c->write == HW_WRITE_LOCKED;
}

static const float *read(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                         hw_read_note *note)
{
    hw__params_lock(&p->mutex);
    hw__params_clock_read_begin(&p->clock, worker, note);
    hw__shared_read(p, &p->shared, x, ahead, values);
    hw__params_unlock(&p->mutex);
    return values;
}

static uint64_t write(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                      const hw_read_note *note)
{
    hw__params_lock(&p->mutex);
    hw__params_clock_write_begin(&p->clock);
    hw__shared_apply(p, p->kernels, &p->shared, &p->shared, form, x, g);
    uint64_t landed = hw__params_clock_write_end(&p->clock, worker, note);
    hw__params_unlock(&p->mutex);
    return landed;
}

static void get(hw_params *p, unsigned array, float *values)
{
    hw__params_lock(&p->mutex);
    hw__shared_get(p, array, values);
    hw__params_unlock(&p->mutex);
}

const hw__mode hw__mode_locked = {.whole = true,
                                  .takes = takes,
                                  .plan = hw__shared_create,
                                  .free = hw__shared_free,
                                  .read = read,
                                  .write = write,
                                  .get = get,
                                  .set = hw__shared_set};
