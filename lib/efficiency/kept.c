/* kept.c - which of the runs that have been kept is a row's: found by the configuration that it ran with. */
#include "efficiency.h"

const hw__efficiency_kept *hw__efficiency_kept_of(const hw_efficiency *e, size_t at, unsigned k)
{
    const hw__efficiency_setting *row = e->row + at;
    bool untuned = e->plan.question == HW_QUESTION_TUNED && !row->tuned;
    if (row->refused != HW_OK || untuned || hw__efficiency_hopeless(row)) return NULL;
    if (row->predicted && !row->points) return NULL; /* not known yet how it is simulated */
    hw_config c = hw__efficiency_config(e, row, hw__efficiency_seed(e, k), row->rate, row->momentum, row->limit);
    return hw__efficiency_find(e, hw__efficiency_key(e, &c, false));
}

const hw_efficiency_run *hw__efficiency_measured(const hw_efficiency *e, size_t at, unsigned k)
{
    const hw__efficiency_kept *kept = hw__efficiency_kept_of(e, at, k);
    return kept ? &kept->run : NULL;
}
