/* barrier.h (internal) - a barrier that can be poisoned: who waits for a thread that will not come is released. */
#ifndef HW__STEP_BARRIER_H
#define HW__STEP_BARRIER_H

#include "../base/base.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct hw__barrier {
    _Alignas(HW_LINE) _Atomic uint32_t waiting;
    _Alignas(HW_LINE) _Atomic uint32_t phase;
    _Atomic uint32_t poisoned;
    uint32_t count, spins;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
} hw__barrier;

/* How often to look before sleeping: `most`, or never where there are more threads than cores. */
uint32_t hw__barrier_spins(unsigned threads, uint32_t most);
/* spins: as that says. */
bool hw__barrier_init(hw__barrier *b, uint32_t count, uint32_t spins);
void hw__barrier_free(hw__barrier *b);
void hw__barrier_reset(hw__barrier *b);
/* True when all came, false when the barrier is poisoned. */
bool hw__barrier_wait(hw__barrier *b);
void hw__barrier_poison(hw__barrier *b);

#endif
