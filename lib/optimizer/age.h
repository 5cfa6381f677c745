/* age.h (internal) - what a run must know of ages. */
#ifndef HW__OPTIMIZER_AGE_H
#define HW__OPTIMIZER_AGE_H

#include "../base/base.h"
#include "hogwild/optimizer.h"

/* Whether the factor goes by the staleness that the run has measured: hw_age_factors, not hw_age_factor. */
bool hw__age_measured(hw_age age);

#endif
