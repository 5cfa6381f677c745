/* lock.h (internal) - a mutex that is held for about a microsecond (the turn to exchange along a direction: for two
 * passes over that direction), unless its holder lost its core: spin briefly, then sleep. */
#ifndef HW__PARAMS_LOCK_H
#define HW__PARAMS_LOCK_H

#include "../base/cpu.h"
#include <pthread.h>

static inline void hw__params_lock(pthread_mutex_t *mutex)
{
    for (int i = 0; i < 64; i++) {
        if (pthread_mutex_trylock(mutex) == 0) return;
        hw__cpu_relax();
    }
    (void)pthread_mutex_lock(mutex);
}

static inline void hw__params_unlock(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

#endif
