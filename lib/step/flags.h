/* flags.h (internal) - the flags that workers look at once a step: stop, failure, pause, how many step, and the
 * setting's version.
 * All orders of the engine's flags stand in flags.c. */
#ifndef HW__STEP_FLAGS_H
#define HW__STEP_FLAGS_H

#include "../base/base.h"
#include "hogwild/engine.h"
#include <stdatomic.h>

typedef struct hw__flags {
    _Alignas(HW_LINE) _Atomic int stop; /* hw_stop_reason */
    _Atomic int failed;                 /* 0, 1 = a first error is being written, 2 = it stands */
    _Atomic int pause;                  /* asks the workers in, for these */
    _Atomic int housekeeping;           /* somebody does the housekeeping of a window */
    _Atomic uint32_t version;           /* of the setting in force */
    _Atomic uint32_t at_work;           /* so many of the workers step; the others rest */
    hw_status code;
    char sentence[HW_WHY];
} hw__flags;

void hw__flags_reset(hw__flags *f);
/* The first reason wins. Async-signal-safe. */
void hw__flags_stop(hw__flags *f, hw_stop_reason reason);
int hw__flags_stopped(const hw__flags *f);
/* The first error wins; true where it was this one. Stops with HW_STOP_ERROR in any case. */
bool hw__flags_fail(hw__flags *f, hw_status code, const char *sentence);
bool hw__flags_failed(const hw__flags *f);
/* For an evaluation a worker parks before its write too; for a capture and for a return to good parameters only between
 * steps, with nothing in hand. */
enum { FLAGS_EVALUATE = 1, FLAGS_CAPTURE = 2, FLAGS_RETURN = 4, FLAGS_BETWEEN = FLAGS_CAPTURE | FLAGS_RETURN };
void hw__flags_pause(hw__flags *f, int what);
void hw__flags_resume(hw__flags *f, int what);
int hw__flags_paused(const hw__flags *f);
bool hw__flags_begin_housekeeping(hw__flags *f);
void hw__flags_end_housekeeping(hw__flags *f);
void hw__flags_set_at_work(hw__flags *f, uint32_t workers);
uint32_t hw__flags_at_work(const hw__flags *f);
uint32_t hw__flags_version(const hw__flags *f);
void hw__flags_new_version(hw__flags *f);

#endif
