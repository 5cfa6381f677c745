/* shared.h (internal) - the arrays that all workers share, with the locks of their write mode; and an update or a read
 * of any extent through a set of kernels. */
#ifndef HW__PARAMS_SHARED_H
#define HW__PARAMS_SHARED_H

#include "extent.h"
#include "params.h"

hw_status hw__shared_create(hw_params *p, char *why);
void hw__shared_free(hw_params *p);
/* Relaxed, whatever goes on. */
void hw__shared_get(hw_params *p, unsigned array, float *values);
void hw__shared_set(hw_params *p, unsigned array, const float *values);

/* The values of an extent of these arrays, packed, `ahead` velocities ahead. */
void hw__shared_read(const hw_params *p, const hw__params_arrays *a, const hw__extent *x, float ahead, float *values);
/* One update of an extent, from src to dst (the same for an update in place). */
void hw__shared_apply(const hw_params *p, const hw__params_kernels *k, const hw__params_arrays *dst,
                      const hw__params_arrays *src, const hw_form *form, const hw__extent *x, const float *g);
/* The read of a mode whose readers see the arrays themselves. */
const float *hw__shared_read_mode(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                                  hw_read_note *note);

/* The write of a mode that updates in place by its `apply`. */
uint64_t hw__shared_write_mode(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                               const hw_read_note *note);

#endif
