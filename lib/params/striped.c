/* striped.c - ATOMIC reads beside STRIPED writes: the array in stripes of some kilobytes with a short lock each, under
 * which an update is a plain vector addition. Lossless at nearly RACY's speed; a stripe is held for about a
 * microsecond. */
#include "lock.h"
#include "mode.h"
#include "shared.h"

static bool takes(const hw_params_config *c)
{
    return c->write == HW_WRITE_STRIPED;
}

/* Neighbouring indices of one stripe share a lock; indices in any order are right, sorted ones faster. */
static void apply_indices(hw_params *p, const hw_form *form, const hw__extent *x, const float *g)
{
    size_t stripe = p->config.stripe;
    for (size_t i = 0, run; i < x->n; i += run) {
        size_t s = x->indices[i] / stripe;
        for (run = 1; i + run < x->n && x->indices[i + run] / stripe == s;) run++;
        hw__params_lock(&p->stripes[s].mutex);
        hw__params_apply_at(false, p->config.arrays, &p->shared, x->indices + i, run, form, g + i);
        hw__params_unlock(&p->stripes[s].mutex);
    }
}

static void apply_ranges(hw_params *p, const hw_form *form, const hw__extent *x, const float *g)
{
    size_t stripe = p->config.stripe;
    for (size_t r = 0; r < x->n; r++) {
        size_t at = x->ranges[r].first, end = at + x->ranges[r].count;
        while (at < end) {
            size_t s = at / stripe, stop = (s + 1) * stripe < end ? (s + 1) * stripe : end;
            hw__params_lock(&p->stripes[s].mutex);
            hw__params_apply(p->kernels, p->config.arrays, &p->shared, &p->shared, at, stop - at, form, g);
            hw__params_unlock(&p->stripes[s].mutex);
            g += stop - at;
            at = stop;
        }
    }
}

static void apply(hw_params *p, const hw_form *form, const hw__extent *x, const float *g)
{
    if (x->indices)
        apply_indices(p, form, x, g);
    else
        apply_ranges(p, form, x, g);
}

const hw__mode hw__mode_striped = {.takes = takes,
                                   .plan = hw__shared_create,
                                   .free = hw__shared_free,
                                   .read = hw__shared_read_mode,
                                   .write = hw__shared_write_mode,
                                   .apply = apply,
                                   .get = hw__shared_get,
                                   .set = hw__shared_set};
