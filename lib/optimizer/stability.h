/* stability.h (internal) - how large a step may be: bounds of the expected recursion, and of single runs. */
#ifndef HW__OPTIMIZER_STABILITY_H
#define HW__OPTIMIZER_STABILITY_H

#include "../base/base.h"
#include "hogwild/optimizer.h"

#define HW__STABILITY_LAGS  4096
#define HW__STABILITY_SHORT 256   /* lags up to which nothing is allocated: what is asked while a run goes on */
#define HW__STABILITY_LEAST 1e-12 /* steps below are lost in rounding; every one is stable */

/* `step`, or where that is unstable the largest stable one, of single runs whose delays are drawn from the kernel, one
 * after the other: by the growth of one long path. For a fixed delay it is the linear bound; for wide kernels it is far
 * below the expectation's. lags <= HW__STABILITY_SHORT. Some tenths of a millisecond where `step` is stable, some
 * milliseconds otherwise. */
double hw__stability_path_bound(double step, double momentum, double ahead, const double *kernel, size_t lags);
/* A histogram as shares of the delays 0 .. room - 1; what is beyond counts as room - 1. Returns how many are used. */
size_t hw__stability_kernel(const hw_histogram *h, double *kernel, size_t room);

/* A law of delays: cumulative shares, the age factor of each, and room for as many states of a path. */
typedef struct hw__law {
    double *share, *factor, *seen;
    size_t lags;
    bool fixed; /* every delay is lags - 1: no shares */
} hw__law;
/* log of the growth of one path over its last three quarters, n steps in all. */
double hw__stability_path_growth(const hw_setting *s, double step, const hw__law *q, size_t n);
/* The largest stable step, looked for from `step` on; step itself where `enough` and that is stable. */
double hw__stability_largest(const hw_setting *s, double step, const hw__law *q, size_t n, bool enough);

#endif
