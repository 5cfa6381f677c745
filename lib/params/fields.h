/* fields.h (internal) - the clock of a handle on which nothing is under way, into a state and out of it. The arrays go
 * through hw_params_get and hw_params_set. */
#ifndef HW__PARAMS_FIELDS_H
#define HW__PARAMS_FIELDS_H

#include "../state/walk.h"
#include "hogwild/params.h"

/* Returns how many updates have landed, of all workers: by the handle (PUT), by the state (CHECK, TAKE). */
uint64_t hw__params_fields(hw_params *params, hw__walk *v);

#endif
