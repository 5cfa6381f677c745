/* ages.h (internal) - the factor of a step by its age, where that goes by the staleness which the run has measured. */
#ifndef HW__STEP_AGES_H
#define HW__STEP_AGES_H

#include "engine.h"

/* The table, where there is one; its memory. */
hw_status hw__ages_plan(hw_engine *e, char *why);
/* The factors by all recorded staleness; NULL: nothing has been measured in this run. In the housekeeping's hands, or
 * before a run. */
void hw__ages_adopt(hw_engine *e, const hw_histogram *staleness);
double hw__ages_factor(const hw_engine *e, uint64_t age);

#endif
