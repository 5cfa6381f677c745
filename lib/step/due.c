/* due.c - the clock at which something is due again. */
#include "step.h"
#include <math.h>

uint64_t hw__due_multiple(uint64_t n, uint64_t step)
{
    return step ? (n / step + 1) * step : UINT64_MAX;
}

uint64_t hw__due_after(const hw_engine *e, uint64_t n, uint64_t every)
{
    return every ? e->first_update + hw__due_multiple(n - e->first_update, every) : UINT64_MAX;
}

uint64_t hw__due_updates_of_window(const hw_engine *e)
{
    return e->config.compensation.window * e->tickets.block;
}

/* Windows; where the curvature is followed also about a thirty-second, a sixteenth and so on of the first one: that
 * is when it changes most. */
uint64_t hw__due_window(const hw_engine *e, uint64_t n)
{
    uint64_t window = hw__due_updates_of_window(e), landed = n - e->first_update;
    if (!e->curvature.follow || landed >= window) return hw__due_multiple(n, window);
    uint64_t part = window / 32 ? window / 32 : 1;
    while (part <= landed) part *= 2;
    return e->first_update + (part <= window / 2 ? part : window);
}

uint64_t hw__due_updates(const hw_engine *e, double epochs)
{
    return (uint64_t)ceil(fmin(1e15, epochs * (double)e->tickets.updates_per_epoch));
}

uint64_t hw__due_steps(const hw_engine *e, uint64_t n)
{
    uint64_t landed = n - e->first_update, further = hw__counter_get(&e->tickets.further);
    return n - (further < landed ? further : landed); /* n may be a clock of before the last ones */
}

uint64_t hw__due_average(const hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t steps = hw__tickets_limit(e);
    uint64_t before = steps < HW__NO_LIMIT ? (uint64_t)(c->average_from * (double)steps / e->crew.gather) : 0;
    return e->first_update + before + c->average_every;
}
