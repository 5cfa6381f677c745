/* door.h (internal) - what the library's other rooms call of params beside the public header: accesses of an extent,
 * and the clock in a state. */
#ifndef HW__PARAMS_DOOR_H
#define HW__PARAMS_DOOR_H

#include "../state/walk.h"
#include "extent.h"

/* As hw_params_read and hw_params_write, of any extent. */
const float *hw__params_read(hw_params *params, unsigned worker, const hw__extent *x, float ahead, float *values,
                             hw_read_note *note);
uint64_t hw__params_write(hw_params *params, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                          const hw_read_note *note);

/* The same in parts, each read and updated when it is wanted; together they are one step of the clock. By one worker,
 * in this order: begin, parts read, read_end, parts updated, end. Only where hw__params_has_parts; exact clocks. */
bool hw__params_has_parts(const hw_params *params);
void hw__params_parts_begin(hw_params *params, unsigned worker, hw_read_note *note);
void hw__params_read_part(const hw_params *params, const hw__extent *x, float ahead, float *values);
void hw__params_parts_read_end(hw_params *params, unsigned worker, hw_read_note *note);
void hw__params_write_part(hw_params *params, const hw_form *form, const hw__extent *x, const float *g);
/* values[0 .. x->total - 1], packed, added to what the workers share, beside them and without the clock, as losslessly
 * as their writes are. */
void hw__params_merge(hw_params *params, const hw__extent *x, const float *values);
uint64_t hw__params_parts_end(hw_params *params, unsigned worker, const hw_read_note *note);

/* Beside replicas and no further arrays: the direction along which exchanges are corrected (replica.c), of length 1, as
 * many floats as parameters; copied, with nothing under way. False: no memory, or no such handle. */
bool hw__params_set_principal(hw_params *params, const float *direction);
/* Whether a decay of all parameters goes into a factor that they have in common (linear.c). */
bool hw__params_scales(const hw_params *params);
/* Ask for the first lines that an exchange will store to: they may be far away, in another core's cache. */
void hw__params_exchange_soon(const hw_params *params);
/* hw_params_exchange. undone: how much of what others have moved along that direction this worker's steps would have
 * taken back, in [0, 1]; 0: they are added as they are. */
uint64_t hw__params_exchange(hw_params *params, unsigned worker, uint64_t steps, double undone, hw_read_note *note);

/* What workers write to from now on is marked (marks.h), with nothing under way: false: no memory, or the mode has no
 * writes in place. Which lines have been since they were last asked for. */
bool hw__params_mark(hw_params *params);
size_t hw__params_touched(hw_params *params, uint32_t *lines);

/* Whether a read is one past state under every circumstance (CONSISTENT, LOCKED). */
bool hw__params_whole(const hw_params *params);

/* The clock of a handle on which nothing is under way, into a state and out of it; the arrays go through hw_params_get
 * and hw_params_set. Returns how many updates have landed, of all workers: by the handle (PUT), by the state (CHECK,
 * TAKE). */
uint64_t hw__params_fields(hw_params *params, hw__walk *v);

#endif
