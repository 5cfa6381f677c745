/* barrier.c - spins briefly, then sleeps; poisonable. tests/model/barrier.pml is the model, with mutants. */
#include "barrier.h"
#include "../base/cpu.h"

uint32_t hw__barrier_spins(unsigned threads, uint32_t most)
{
    return threads <= hw_processors() ? most : 0;
}

bool hw__barrier_init(hw__barrier *b, uint32_t count, uint32_t spins)
{
    b->count = count;
    b->spins = spins;
    if (pthread_mutex_init(&b->mutex, NULL) != 0) return false;
    if (pthread_cond_init(&b->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&b->mutex);
        return false;
    }
    b->ready = true;
    hw__barrier_reset(b);
    return true;
}

void hw__barrier_free(hw__barrier *b)
{
    if (!b->ready) return;
    (void)pthread_cond_destroy(&b->changed);
    (void)pthread_mutex_destroy(&b->mutex);
    b->ready = false;
}

void hw__barrier_reset(hw__barrier *b)
{
    /* Relaxed: no thread is inside. */
    atomic_store_explicit(&b->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&b->poisoned, 0, memory_order_relaxed);
}

bool hw__barrier_wait(hw__barrier *b)
{
    /* Relaxed: the phase cannot change before this thread has arrived. */
    uint32_t phase = atomic_load_explicit(&b->phase, memory_order_relaxed);
    if (atomic_load_explicit(&b->poisoned, memory_order_relaxed)) return false;
    /* Acquire-release: release what this thread did before; the last one acquires everybody's. */
    if (atomic_fetch_add_explicit(&b->waiting, 1, memory_order_acq_rel) + 1 == b->count) {
        /* Relaxed: nobody arrives again before it has seen the new phase, whose release covers this store. */
        atomic_store_explicit(&b->waiting, 0, memory_order_relaxed);
        (void)pthread_mutex_lock(&b->mutex);
        /* Release: pairs with the waiters' acquire below. The mutex keeps a waiter that is about to sleep from missing
         * the change. */
        atomic_store_explicit(&b->phase, phase + 1, memory_order_release);
        (void)pthread_mutex_unlock(&b->mutex);
        (void)pthread_cond_broadcast(&b->changed);
        return true;
    }
    for (uint32_t i = 0; i < b->spins; i++) {
        if (atomic_load_explicit(&b->phase, memory_order_acquire) != phase) return true;
        if (atomic_load_explicit(&b->poisoned, memory_order_relaxed)) break;
        hw__cpu_relax();
    }
    (void)pthread_mutex_lock(&b->mutex);
    while (atomic_load_explicit(&b->phase, memory_order_acquire) == phase &&
           !atomic_load_explicit(&b->poisoned, memory_order_relaxed))
        (void)pthread_cond_wait(&b->changed, &b->mutex);
    bool all = atomic_load_explicit(&b->phase, memory_order_acquire) != phase;
    (void)pthread_mutex_unlock(&b->mutex);
    return all;
}

void hw__barrier_poison(hw__barrier *b)
{
    (void)pthread_mutex_lock(&b->mutex);
    /* Relaxed: the mutex orders it for sleepers; spinners only leave because of it. */
    atomic_store_explicit(&b->poisoned, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&b->mutex);
    (void)pthread_cond_broadcast(&b->changed);
}
