/* policy_input.c - what policies are given at the start of a run, for advice before there is one. */
#include "../base/blas.h"
#include "../staleness/staleness.h"
#include "engine.h"

hw_status hw_engine_policy_input(hw_engine *e, hw_policy_input *input, hw_histogram *delays,
                                 hw_staleness_summary *shape)
{
    hw_status status = hw__handle_usable(e, "hw_engine_policy_input");
    if (status != HW_OK) return status;
    if (!input || !delays || !delays->counts || !shape)
        return hw__base_fail(e->sentence, HW_E_ARGUMENT,
                             "hw_engine_policy_input: input, delays or shape is NULL, or delays has no counts");
    if (e->run.begun)
        return hw__base_fail(e->sentence, HW_E_STATE,
                             "hw_engine_policy_input: a run has begun: its settings and staleness say what there was");
    hw_histogram_clear(delays);
    hw_histogram_add(delays, e->crew.slots > 1 ? e->crew.slots - 1 : 0, 1 << 20);
    hw_staleness_summarize(delays, shape);
    hw_histogram_clear(delays);
    hw__layers_begin(e);
    hw__blas_held held = hw__blas_hold(e->objective.blas);
    hw__curvature_estimate(e);
    hw__blas_unhold(&held);
    e->times.preparation = 0;
    *input = hw__periodic_input(e);
    input->workers = e->crew.slots; /* advice is for all of them, whoever rests now */
    if (!e->layers.on) return HW_OK;
    hw__layers_mix(e, delays);
    input->staleness = delays;
    input->shape = shape;
    return HW_OK;
}
