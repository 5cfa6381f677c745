/* schedulers.h (internal) - from a configuration to its scheduler. */
#ifndef HW__SCHEDULERS_SCHEDULERS_H
#define HW__SCHEDULERS_SCHEDULERS_H

#include "../step/scheduler.h"

/* NULL: no value of the enum. */
const hw__scheduler *hw__scheduler_of(const hw_config *c, const hw_objective *o);

#endif
