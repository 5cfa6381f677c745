/* flags.c - stop, failure, pause, housekeeping, version and workers at work: the engine's flags with their memory
 * orders. */
#include "flags.h"

void hw__flags_reset(hw__flags *f)
{
    /* Relaxed: no worker runs; the threads' creation orders these stores before them. */
    atomic_store_explicit(&f->stop, HW_STOP_NONE, memory_order_relaxed);
    atomic_store_explicit(&f->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&f->pause, 0, memory_order_relaxed);
    atomic_store_explicit(&f->housekeeping, 0, memory_order_relaxed);
    f->code = HW_OK;
    f->sentence[0] = 0;
}

void hw__flags_stop(hw__flags *f, hw_stop_reason reason)
{
    /* Relaxed: the flag carries no data; a worker that sees it late does one step more. An error overrides. */
    int none = HW_STOP_NONE;
    if (reason == HW_STOP_ERROR)
        atomic_store_explicit(&f->stop, HW_STOP_ERROR, memory_order_relaxed);
    else
        (void)atomic_compare_exchange_strong_explicit(&f->stop, &none, (int)reason, memory_order_relaxed,
                                                      memory_order_relaxed);
}

int hw__flags_stopped(const hw__flags *f)
{
    return atomic_load_explicit(&f->stop, memory_order_relaxed);
}

bool hw__flags_fail(hw__flags *f, hw_status code, const char *sentence)
{
    int expected = 0;
    /* Relaxed: only the winner writes; the release below publishes what it wrote. */
    bool first =
        atomic_compare_exchange_strong_explicit(&f->failed, &expected, 1, memory_order_relaxed, memory_order_relaxed);
    if (first) {
        f->code = code;
        (void)snprintf(f->sentence, sizeof f->sentence, "%s", sentence);
        /* Release: pairs with the acquire of hw__flags_failed, for a reader that has not joined the writer. */
        atomic_store_explicit(&f->failed, 2, memory_order_release);
    }
    hw__flags_stop(f, HW_STOP_ERROR);
    return first;
}

bool hw__flags_failed(const hw__flags *f)
{
    return atomic_load_explicit(&f->failed, memory_order_acquire) == 2;
}

void hw__flags_pause(hw__flags *f, int what)
{
    /* Relaxed: a hint that sends workers to a pause, whose mutex orders everything that follows. */
    (void)atomic_fetch_or_explicit(&f->pause, what, memory_order_relaxed);
}

void hw__flags_resume(hw__flags *f, int what)
{
    /* Relaxed: as in hw__flags_pause. */
    (void)atomic_fetch_and_explicit(&f->pause, ~what, memory_order_relaxed);
}

int hw__flags_paused(const hw__flags *f)
{
    return atomic_load_explicit(&f->pause, memory_order_relaxed);
}

bool hw__flags_begin_housekeeping(hw__flags *f)
{
    /* Acquire: pairs with the release at the end of housekeeping, so that each one sees the one's work before it. */
    return atomic_exchange_explicit(&f->housekeeping, 1, memory_order_acquire) == 0;
}

void hw__flags_end_housekeeping(hw__flags *f)
{
    atomic_store_explicit(&f->housekeeping, 0, memory_order_release);
}

uint32_t hw__flags_version(const hw__flags *f)
{
    /* Relaxed: a hint that the setting changed; the setting itself is copied under its mutex. */
    return atomic_load_explicit(&f->version, memory_order_relaxed);
}

void hw__flags_new_version(hw__flags *f)
{
    /* Relaxed: called with that mutex held. */
    (void)atomic_fetch_add_explicit(&f->version, 1, memory_order_relaxed);
}

void hw__flags_set_at_work(hw__flags *f, uint32_t workers)
{
    /* Relaxed: a hint that sends workers to a pause, or out of it, as in hw__flags_pause. */
    atomic_store_explicit(&f->at_work, workers, memory_order_relaxed);
}

uint32_t hw__flags_at_work(const hw__flags *f)
{
    return atomic_load_explicit(&f->at_work, memory_order_relaxed);
}
