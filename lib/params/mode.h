/* mode.h (internal) - one way to read and write the shared parameters, as a row of functions. Adding one: a file that
 * defines hw__mode_<name>, and its row in modes.c. What an access covers comes as an extent; a mode that does not care
 * how it came about passes it on to shared.c. */
#ifndef HW__PARAMS_MODE_H
#define HW__PARAMS_MODE_H

#include "extent.h"
#include "params.h"

typedef struct hw__mode {
    bool whole;          /* a read is one past state, never a mixture                          */
    bool private_writes; /* an update goes to memory that nobody else sees yet: plain kernels  */
    /* Whether a configuration asks for it: the first row that says so is taken. */
    bool (*takes)(const hw_params_config *c);
    hw_status (*plan)(hw_params *p, char *why); /* all its memory; p->clock is there */
    void (*free)(hw_params *p); /* the locks that plan made, all or some; NULL: none. The memory is the handle's */
    /* Where the values are: in `values` (x->total floats), or where the mode has them; valid until the worker's write
     * or release. *note: the clock at the read. */
    const float *(*read)(hw_params *p, unsigned worker, const hw__extent *x, float ahead, float *values,
                         hw_read_note *note);
    void (*release)(hw_params *p, unsigned worker); /* a read that no write follows; NULL: nothing to do */
    /* Returns what had landed before this update, as note->clock counts, so that their difference is the staleness; 0
     * where the note measured nothing. */
    uint64_t (*write)(hw_params *p, unsigned worker, const hw_form *form, const hw__extent *x, const float *g,
                      const hw_read_note *note);
    /* Reads and updates of a part, many of which make one step of the clock: an update in place, without the clock;
     * NULL: this mode knows whole reads and updates only. */
    void (*apply)(hw_params *p, const hw_form *form, const hw__extent *x, const float *g);
    /* One whole array, as of one moment where the mode can say so; and its values, with nothing under way. */
    void (*get)(hw_params *p, unsigned array, float *values);
    void (*set)(hw_params *p, unsigned array, const float *values);
    /* Of its own clock; NULL: the handle's. */
    uint64_t (*clock)(const hw_params *p);
    uint64_t (*fields)(hw_params *p, hw__walk *v);
} hw__mode;

/* modes.c */
extern const hw__mode hw__mode_replicas, hw__mode_consistent, hw__mode_locked, hw__mode_striped, hw__mode_atomic;
const hw__mode *hw__mode_of(const hw_params_config *c);

#endif
