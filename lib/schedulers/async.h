/* async.h (internal) - the steps of a worker that runs on its own, for the schedulers whose workers do. */
#ifndef HW__SCHEDULERS_ASYNC_H
#define HW__SCHEDULERS_ASYNC_H

#include "../step/step.h"

extern const hw__access hw__async_access;

/* The crew of one thread a worker, each landing for itself. */
hw_status hw__async_crew(const hw_config *c, hw__crew *crew, char *why);
/* A replica begins with what is shared now. */
void hw__async_begin(hw_worker *w);
/* One ticket through the objective's step; false: the worker's loop ends. */
bool hw__async_step(hw_worker *w, uint64_t ticket, const uint32_t *example);
/* Between steps: parked where asked to, stopped by a flag; false: the loop ends. */
bool hw__async_between(hw_worker *w);
/* The last exchange, and what the worker still holds of the array. */
void hw__async_end(hw_worker *w);

#endif
