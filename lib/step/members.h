/* members.h (internal) - the memory of workers that are threads: snapshot, gradient, minibatch, scratch. */
#ifndef HW__STEP_MEMBERS_H
#define HW__STEP_MEMBERS_H

#include "worker.h"

/* e->worker: crew.threads of them, each crew.share in a row landing as one slot, whose first has the velocity where it
 * is private. Everything of a worker but what its scheduler keeps of it. */
hw_status hw__members_plan(hw_engine *e, char *why);
/* What plan made, in part or whole, but for e->worker itself. */
void hw__members_free(hw_engine *e);

hw_status hw__no_memory(char *why, const char *what);

#endif
