/* ages.h (internal) - the factor of a step by its age, where that goes by the staleness which the run has measured. */
#ifndef HW__STEP_AGES_H
#define HW__STEP_AGES_H

#include "engine.h"

/* The table, where there is one; its memory. */
hw_status hw__ages_plan(hw_engine *e, char *why);
void hw__ages_begin(hw_engine *e); /* of a run: nothing has been measured */
/* From all staleness of the run so far. In the housekeeping's hands. */
void hw__ages_window(hw_engine *e, const hw_histogram *staleness);
double hw__ages_factor(const hw_engine *e, uint64_t age);

#endif
