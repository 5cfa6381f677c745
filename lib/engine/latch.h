/* latch.h (internal) - the flags that workers look at once a step: stop, failure, pause, and the setting's version.
 * All orders of the engine's flags stand in latch.c. */
#ifndef HOGWILD_LIB_LATCH_H
#define HOGWILD_LIB_LATCH_H

#include "../base/base.h"
#include "hogwild/engine.h"
#include <stdatomic.h>

typedef struct engine_latch {
    _Alignas(HW_LINE) _Atomic int stop; /* hw_stop_reason */
    _Atomic int failed;                 /* 0, 1 = a first error is being written, 2 = it stands */
    _Atomic int pause;                  /* the gate asks the workers in, for these */
    _Atomic int turn;                   /* somebody does the housekeeping of a window */
    _Atomic uint32_t version;           /* of the setting in force */
    hw_status code;
    char sentence[HW_WHY];
} engine_latch;

void latch_reset(engine_latch *l);
/* The first reason wins. Async-signal-safe. */
void latch_stop(engine_latch *l, hw_stop_reason reason);
int latch_stopped(const engine_latch *l);
/* The first error wins; true where it was this one. Stops with HW_STOP_ERROR in any case. */
bool latch_fail(engine_latch *l, hw_status code, const char *sentence);
bool latch_failed(const engine_latch *l);
/* For an evaluation a worker parks before its write too; for a capture only between steps, with nothing in hand. */
enum { LATCH_EVALUATE = 1, LATCH_CAPTURE = 2 };
void latch_pause(engine_latch *l, int what);
void latch_resume(engine_latch *l, int what);
int latch_paused(const engine_latch *l);
bool latch_take_turn(engine_latch *l);
void latch_give_turn(engine_latch *l);
uint32_t latch_version(const engine_latch *l);
void latch_new_version(engine_latch *l);

#endif
