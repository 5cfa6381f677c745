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

uint64_t hw__due_updates(const hw_engine *e, double epochs)
{
    return (uint64_t)ceil(fmin(1e15, epochs * (double)e->tickets.updates_per_epoch));
}
