/* pause.h (internal) - where workers park for an evaluation, a capture or a return and where they meet at the end: the
 * counts and the lock. park.c is what they do there. */
#ifndef HW__STEP_PAUSE_H
#define HW__STEP_PAUSE_H

#include "../base/counter.h"
#include <pthread.h>

typedef struct hw__pause {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    unsigned live, arrived, finished, between, working; /* between: of those inside, with no gradient in hand */
    bool poisoned, open, final_done;
    bool again, later; /* others go on after this evaluation, at the end of this run; a capture is not to be made now */
    uint64_t generation, stops; /* stops: captures and returns made */
    uint64_t opened_ns, closed_ns;
    double weights, came; /* of those who came from a step: 1 + updates made; the sum of when they came, times that */
    hw__base_counter chunk, rests; /* rests: how often the number of those at work has changed */
} hw__pause;

bool hw__pause_init(hw__pause *p, unsigned live);
void hw__pause_free(hw__pause *p);
/* evaluates: an evaluation is made at the end of the run. */
void hw__pause_reset(hw__pause *p, bool evaluates);
/* Everybody inside is let go, and nobody waits again. */
void hw__pause_poison(hw__pause *p);

#endif
