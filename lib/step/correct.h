/* correct.h (internal) - delay compensation (Zheng et al., Asynchronous Stochastic Gradient Descent with Delay
 * Compensation, 2017): the gradient of the parameters that were read, taken to those that it lands on by the first
 * term of its Taylor series, with the squares of the gradient for the diagonal of the Hessian:
 *     g + lambda g g (w_now - w_read) */
#ifndef HW__STEP_CORRECT_H
#define HW__STEP_CORRECT_H

#include "worker.h"

/* The memory that a landing needs: one whole vector. NULL: there is none. */
float *hw__correct_plan(hw_engine *e);
/* *g: the gradient of an access, which begins at float `at` of the worker's buffers; as the objective has it, before
 * the rule changes it. In the worker's own buffer afterwards. w->seen holds what it was computed at. Where lambda is 0
 * nothing happens. */
void hw__correct(hw_worker *w, const hw__extent *x, size_t at, const float **g);

#endif
