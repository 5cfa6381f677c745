/* own_steps.h (internal) - a learning rate and a momentum of each one's own, of those who land on their own. */
#ifndef HW__STEP_OWN_STEPS_H
#define HW__STEP_OWN_STEPS_H

#include "worker.h"

/* What config.own_steps must be for this crew. */
hw_status hw__own_steps_check(const hw_config *c, const hw_objective *o, const hw__crew *crew, char *why);
/* The engine's own copy of them. */
hw_status hw__own_steps_plan(hw_engine *e, char *why);
/* w->setting has just become that of all: its own of it. */
void hw__own_steps_apply(hw_worker *w);

#endif
