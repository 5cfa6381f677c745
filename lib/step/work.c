/* work.c - work that the configuration adds to a step: as long as its law says, asleep or busy. */
#include "../base/cpu.h"
#include "step.h"
#include "streams.h"
#include <time.h>

#define SLICE  10000000u           /* ns: a run that is to end waits no longer for one that sleeps */
#define STREAM (UINT64_C(1) << 42) /* of random numbers: no other's */

void hw__work_plan(hw_worker *w)
{
    const hw_config *c = &w->engine->config;
    w->work = c->work.each ? c->work.each[w->id] : c->work.law;
    if (w->work.kind == HW_CLOCK_ROUND_ROBIN) w->work.mean = 0;
    hw_rng_seed(&w->work_rng, c->seed, STREAM + hw__streams_number(w));
}

static void sleep_for(uint64_t ns)
{
    struct timespec t = {0, (long)(ns < SLICE ? ns : SLICE)};
    (void)nanosleep(&t, NULL);
}

void hw__work_do(hw_worker *w)
{
    if (w->worked || !(w->work.mean > 0)) return;
    hw_engine *e = w->engine;
    double ns = 1e9 * hw_clock_draw(&w->work, &w->work_rng);
    uint64_t now = hw_now(), end = now + (ns < 1e18 ? (uint64_t)ns : (uint64_t)1e18);
    w->worked = true;
    for (; now < end && !hw__flags_stopped(&e->flags); now = hw_now()) {
        hw__times_poll_stop(e);
        hw__times_check(e);
        if (e->config.work.spin)
            hw__cpu_relax();
        else
            sleep_for(end - now);
    }
}
