/* visit.h (internal) - the clock of a handle on which nothing is under way, into a state and out of it. The arrays go
 * through hw_params_get and hw_params_set. */
#ifndef HOGWILD_LIB_PARAMS_VISIT_H
#define HOGWILD_LIB_PARAMS_VISIT_H

#include "../base/visit.h"
#include "hogwild/params.h"

/* Returns how many updates have landed, of all workers: by the handle (PUT), by the state (CHECK, TAKE). */
uint64_t params_visit(hw_params *params, base_visit *v);

#endif
