/* pause.c - the lock and the counts of where workers park. */
#include "pause.h"

bool hw__pause_init(hw__pause *p, unsigned live)
{
    p->live = live;
    if (pthread_mutex_init(&p->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&p->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&p->mutex);
        return false;
    }
    p->ready = true;
    return true;
}

void hw__pause_free(hw__pause *p)
{
    if (!p->ready) return;
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->mutex);
    p->ready = false;
}

void hw__pause_reset(hw__pause *p, bool evaluates)
{
    (void)pthread_mutex_lock(&p->mutex); /* others may ask for the clock */
    p->arrived = p->finished = p->between = p->working = 0;
    p->poisoned = p->open = p->again = false;
    p->weights = p->came = 0;
    p->closed_ns = 0;
    p->final_done = !evaluates;
    (void)pthread_mutex_unlock(&p->mutex);
}

void hw__pause_poison(hw__pause *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->poisoned = true;
    (void)pthread_mutex_unlock(&p->mutex);
    (void)pthread_cond_broadcast(&p->changed);
}
