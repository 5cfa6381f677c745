/* streams.h (internal) - random numbers of workers of several engines. */
#ifndef HW__STEP_STREAMS_H
#define HW__STEP_STREAMS_H

#include "step.h"

/* A worker's number among those of all engines: of its streams of random numbers. */
uint64_t hw__streams_number(const hw_worker *w);
/* After a restore from the first engine's state: the others' workers have streams of their own again. */
void hw__streams_again(hw_engine *e);

#endif
