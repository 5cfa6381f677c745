/* latch.c - stop, failure, pause, turn and version: the engine's flags with their memory orders. */
#include "latch.h"
#include <string.h>

void latch_reset(engine_latch *l)
{
    /* Relaxed: no worker runs; the threads' creation orders these stores before them. */
    atomic_store_explicit(&l->stop, HW_STOP_NONE, memory_order_relaxed);
    atomic_store_explicit(&l->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&l->pause, 0, memory_order_relaxed);
    atomic_store_explicit(&l->turn, 0, memory_order_relaxed);
    l->code = HW_OK;
    l->sentence[0] = 0;
}

void latch_stop(engine_latch *l, hw_stop_reason reason)
{
    /* Relaxed: the flag carries no data; a worker that sees it late does one step more. An error overrides. */
    int none = HW_STOP_NONE;
    if (reason == HW_STOP_ERROR)
        atomic_store_explicit(&l->stop, HW_STOP_ERROR, memory_order_relaxed);
    else
        (void)atomic_compare_exchange_strong_explicit(&l->stop, &none, (int)reason, memory_order_relaxed,
                                                      memory_order_relaxed);
}

int latch_stopped(const engine_latch *l)
{
    return atomic_load_explicit(&l->stop, memory_order_relaxed);
}

bool latch_fail(engine_latch *l, hw_status code, const char *sentence)
{
    int expected = 0;
    /* Relaxed: only the winner writes; the release below publishes what it wrote. */
    bool first =
        atomic_compare_exchange_strong_explicit(&l->failed, &expected, 1, memory_order_relaxed, memory_order_relaxed);
    if (first) {
        l->code = code;
        (void)snprintf(l->sentence, sizeof l->sentence, "%s", sentence);
        /* Release: pairs with the acquire of latch_failed, for a reader that has not joined the writer. */
        atomic_store_explicit(&l->failed, 2, memory_order_release);
    }
    latch_stop(l, HW_STOP_ERROR);
    return first;
}

bool latch_failed(const engine_latch *l)
{
    return atomic_load_explicit(&l->failed, memory_order_acquire) == 2;
}

void latch_pause(engine_latch *l, int what)
{
    /* Relaxed: a hint that sends workers to the gate, whose mutex orders everything that follows. */
    (void)atomic_fetch_or_explicit(&l->pause, what, memory_order_relaxed);
}

void latch_resume(engine_latch *l, int what)
{
    /* Relaxed: as in latch_pause. */
    (void)atomic_fetch_and_explicit(&l->pause, ~what, memory_order_relaxed);
}

int latch_paused(const engine_latch *l)
{
    return atomic_load_explicit(&l->pause, memory_order_relaxed);
}

bool latch_take_turn(engine_latch *l)
{
    /* Acquire: pairs with the release of give_turn, so that each housekeeper sees the one's work before it. */
    return atomic_exchange_explicit(&l->turn, 1, memory_order_acquire) == 0;
}

void latch_give_turn(engine_latch *l)
{
    atomic_store_explicit(&l->turn, 0, memory_order_release);
}

uint32_t latch_version(const engine_latch *l)
{
    /* Relaxed: a hint that the setting changed; the setting itself is copied under its mutex. */
    return atomic_load_explicit(&l->version, memory_order_relaxed);
}

void latch_new_version(engine_latch *l)
{
    /* Relaxed: called with that mutex held. */
    (void)atomic_fetch_add_explicit(&l->version, 1, memory_order_relaxed);
}
