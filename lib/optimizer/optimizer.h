/* optimizer.h (internal) - from a setting and a schedule to the form of one write. */
#ifndef HW__OPTIMIZER_OPTIMIZER_H
#define HW__OPTIMIZER_OPTIMIZER_H

#include "../base/base.h"
#include "hogwild/optimizer.h"

/* Arrays beside the parameters that the rule and the policy need. */
unsigned hw__optimizer_arrays(const hw_optimizer *o, const hw_compensation *c);
hw_status hw__optimizer_check(const hw_optimizer *o, const hw_compensation *c, size_t size, char *why);

/* The context of a rule while one write goes on; lives on the writer's stack. */
typedef struct hw__optimizer_write {
    const hw_optimizer *o;
    double learning_rate, momentum;
    uint64_t update;
    hw_form form;
} hw__optimizer_write;
void hw__optimizer_begin(hw__optimizer_write *w, const hw_optimizer *o, const hw_compensation *c,
                         const hw_setting *setting, double factor, uint64_t t, uint64_t landed);

/* One pass over a private gradient: checks it, clips it, adds weight decay, applies the sections' multipliers.
 * x: the values read, packed like g. Returns false where a gradient is not finite. *clipped is set where it was. */
bool hw__optimizer_prepare(const hw_optimizer *o, float *g, const float *x, const hw_range *ranges,
                           const uint32_t *indices, size_t n, bool *clipped);

#define ADVISOR_LEAST 1e-12 /* steps below are lost in rounding; every one is stable */

/* `step`, or where that is unstable the largest stable one, of single runs whose delays are drawn from the kernel, one
 * after the other: by the growth of one long path. For a fixed delay it is the linear bound; for wide kernels it is far
 * below the expectation's. Some tenths of a millisecond where `step` is stable, some milliseconds otherwise. */
double hw__stability_path_bound(double step, double momentum, double ahead, const double *kernel, size_t lags);
/* A histogram as shares of the delays 0 .. room - 1; what is beyond counts as room - 1. Returns how many are used. */
size_t hw__stability_kernel(const hw_histogram *h, double *kernel, size_t room);

#endif
