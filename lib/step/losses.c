/* losses.c - what the losses of a run come to. */
#include "step.h"

void hw__losses_sum(const hw_engine *e, double *sum, uint64_t *count)
{
    *sum = 0;
    *count = 0;
    for (unsigned i = 0; i < e->crew.members; i++) {
        *sum += hw__counter_get_double(&e->worker[i].loss);
        *count += hw__counter_get(&e->worker[i].losses);
    }
}

double hw__losses_first(const hw_engine *e)
{
    uint64_t count = hw__counter_get(&e->losses.first_count);
    double mean = count ? hw__counter_get_double(&e->losses.first_sum) / (double)count : 0;
    double very = hw__counter_get_double(&e->losses.first);
    /* A run that explodes within its first updates does so from its very first loss. */
    return very > 0 && mean > 100 * very ? 100 * very : mean;
}
