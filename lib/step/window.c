/* window.c - the window of staleness that policies see: the difference of two merged states, since recorders are never
 * reset. */
#include "step.h"

void hw__window_merge(hw_engine *e)
{
    hw_histogram_clear(&e->settings.merged);
    hw_staleness_merge(e->staleness, e->steps.exchanges ? HW_HISTOGRAM_SPREAD : HW_HISTOGRAM_STALENESS,
                       &e->settings.merged);
}

void hw__window_begin(hw_engine *e)
{
    if (!e->config.record) return;
    hw__window_merge(e);
    hw_histogram_copy(&e->settings.before, &e->settings.merged);
    hw__layers_window(e, false);
}
