/* age.h (internal) - what a run must know of ages. */
#ifndef HW__OPTIMIZER_AGE_H
#define HW__OPTIMIZER_AGE_H

#include "../base/base.h"
#include "hogwild/optimizer.h"

#define HW__AGE_MOST 4 /* times the step, of KERNEL: a rare age is not to make up for all others */

/* Whether the factor goes by the staleness that the run has measured: hw_age_factors, not hw_age_factor. */
bool hw__age_measured(hw_age age);

#endif
