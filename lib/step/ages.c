/* ages.c - the factor of a step by its age. Where it goes by the measured staleness it stands in a table that every
 * window writes anew while workers read it: an entry at a time, each right by itself. */
#include "ages.h"
#include "../optimizer/age.h"

#define MOST 1024 /* ages with a factor of their own; what is older has that of the last one */

hw_status hw__ages_plan(hw_engine *e, char *why)
{
    hw__ages *y = &e->ages;
    const hw_config *c = &e->config;
    if (!hw__age_measured(c->compensation.age)) return HW_OK;
    y->count = c->linear_bins < MOST ? c->linear_bins : MOST;
    y->factor = hw__memory_zalloc(&e->memory, y->count, sizeof *y->factor);
    y->next = hw__memory_zalloc(&e->memory, y->count, sizeof *y->next);
    hw__ages_adopt(e, NULL);
    return y->factor && y->next ? HW_OK : hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for ages");
}

void hw__ages_adopt(hw_engine *e, const hw_histogram *staleness)
{
    hw__ages *y = &e->ages;
    if (!y->factor || !y->next) return;
    hw_age_factors(&e->config.compensation, staleness, e->crew.slots, y->next, y->count);
    for (uint32_t i = 0; i < y->count; i++) hw__counter_set_double(y->factor + i, y->next[i]);
}

double hw__ages_factor(const hw_engine *e, uint64_t age)
{
    const hw__ages *y = &e->ages;
    if (!y->factor) return hw_age_factor(&e->config.compensation, age, e->crew.slots);
    return hw__counter_get_double(y->factor + (age < y->count ? age : y->count - 1));
}
