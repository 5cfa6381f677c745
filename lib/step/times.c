/* times.c - how long a run has trained: from its begin, without the pauses. */
#include "step.h"

static uint64_t since_begin(const hw_engine *e, uint64_t now)
{
    /* A run that goes on begins in the past, and the pauses are looked at after the clock: never below 0. */
    int64_t ns = (int64_t)(now - hw__counter_get(&e->times.begin) - hw__counter_get(&e->times.paused));
    return ns > 0 ? (uint64_t)ns : 0;
}

uint64_t hw__times_trained(const hw_engine *e)
{
    return since_begin(e, e->pause.open ? e->pause.opened_ns : e->times.end ? e->times.end : hw_now());
}

uint64_t hw__times_training(const hw_engine *e)
{
    return since_begin(e, hw_now());
}

double hw__times_seconds(const hw_engine *e)
{
    return (double)hw__times_trained(e) * 1e-9;
}

/* While some wait for a pause, the steps under way are not yet known to be a wait of those: the time that counts is
 * known once it is over, and the next landing looks at it. */
void hw__times_check(hw_engine *e)
{
    if (e->config.seconds > 0 && !hw__flags_paused(&e->flags) &&
        (double)hw__times_training(e) * 1e-9 >= e->config.seconds)
        hw__flags_stop(&e->flags, HW_STOP_SECONDS);
}
