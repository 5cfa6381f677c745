/* flags.c - stop, failure, pause, turn and version: the engine's flags with their memory orders. */
#include "flags.h"
#include <string.h>

void hw__flags_reset(hw__flags *l)
{
    /* Relaxed: no worker runs; the threads' creation orders these stores before them. */
    atomic_store_explicit(&l->stop, HW_STOP_NONE, memory_order_relaxed);
    atomic_store_explicit(&l->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&l->pause, 0, memory_order_relaxed);
    atomic_store_explicit(&l->turn, 0, memory_order_relaxed);
    l->code = HW_OK;
    l->sentence[0] = 0;
}

void hw__flags_stop(hw__flags *l, hw_stop_reason reason)
{
    /* Relaxed: the flag carries no data; a worker that sees it late does one step more. An error overrides. */
    int none = HW_STOP_NONE;
    if (reason == HW_STOP_ERROR)
        atomic_store_explicit(&l->stop, HW_STOP_ERROR, memory_order_relaxed);
    else
        (void)atomic_compare_exchange_strong_explicit(&l->stop, &none, (int)reason, memory_order_relaxed,
                                                      memory_order_relaxed);
}

int hw__flags_stopped(const hw__flags *l)
{
    return atomic_load_explicit(&l->stop, memory_order_relaxed);
}

bool hw__flags_fail(hw__flags *l, hw_status code, const char *sentence)
{
    int expected = 0;
    /* Relaxed: only the winner writes; the release below publishes what it wrote. */
    bool first =
        atomic_compare_exchange_strong_explicit(&l->failed, &expected, 1, memory_order_relaxed, memory_order_relaxed);
    if (first) {
        l->code = code;
        (void)snprintf(l->sentence, sizeof l->sentence, "%s", sentence);
        /* Release: pairs with the acquire of hw__flags_failed, for a reader that has not joined the writer. */
        atomic_store_explicit(&l->failed, 2, memory_order_release);
    }
    hw__flags_stop(l, HW_STOP_ERROR);
    return first;
}

bool hw__flags_failed(const hw__flags *l)
{
    return atomic_load_explicit(&l->failed, memory_order_acquire) == 2;
}

void hw__flags_pause(hw__flags *l, int what)
{
    /* Relaxed: a hint that sends workers to the gate, whose mutex orders everything that follows. */
    (void)atomic_fetch_or_explicit(&l->pause, what, memory_order_relaxed);
}

void hw__flags_resume(hw__flags *l, int what)
{
    /* Relaxed: as in hw__flags_pause. */
    (void)atomic_fetch_and_explicit(&l->pause, ~what, memory_order_relaxed);
}

int hw__flags_paused(const hw__flags *l)
{
    return atomic_load_explicit(&l->pause, memory_order_relaxed);
}

bool hw__flags_begin_housekeeping(hw__flags *l)
{
    /* Acquire: pairs with the release of give_turn, so that each housekeeper sees the one's work before it. */
    return atomic_exchange_explicit(&l->turn, 1, memory_order_acquire) == 0;
}

void hw__flags_end_housekeeping(hw__flags *l)
{
    atomic_store_explicit(&l->turn, 0, memory_order_release);
}

uint32_t hw__flags_version(const hw__flags *l)
{
    /* Relaxed: a hint that the setting changed; the setting itself is copied under its mutex. */
    return atomic_load_explicit(&l->version, memory_order_relaxed);
}

void hw__flags_new_version(hw__flags *l)
{
    /* Relaxed: called with that mutex held. */
    (void)atomic_fetch_add_explicit(&l->version, 1, memory_order_relaxed);
}
