/* barrier.h (internal) - a barrier that can be poisoned: who waits for a thread that will not come is released. */
#ifndef HOGWILD_LIB_BARRIER_H
#define HOGWILD_LIB_BARRIER_H

#include "../base/base.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct engine_barrier {
    _Alignas(HW_LINE) _Atomic uint32_t waiting;
    _Alignas(HW_LINE) _Atomic uint32_t phase;
    _Atomic uint32_t poisoned;
    uint32_t count, spins;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
} engine_barrier;

/* spins: how often to look before sleeping; 0 where there are more threads than cores. */
bool barrier_init(engine_barrier *b, uint32_t count, uint32_t spins);
void barrier_free(engine_barrier *b);
void barrier_reset(engine_barrier *b);
/* True when all came, false when the barrier is poisoned. */
bool barrier_wait(engine_barrier *b);
void barrier_poison(engine_barrier *b);

#endif
