/* capture.c - a state of the run: when one is due and all workers are parked, or outside a run. capture_walk.c has what
 * stands in it. */
#include "../params/door.h"
#include "engine.h"
#include <string.h>

/* Who asks for the progress meanwhile reads it under this lock. */
static void set_mark(hw_engine *e, const hw__evaluation_mark *mark)
{
    (void)pthread_mutex_lock(&e->pause.mutex);
    e->evaluation.mark = *mark;
    (void)pthread_mutex_unlock(&e->pause.mutex);
}

static hw_status fill(hw_engine *e, hw_state *state, char *why)
{
    hw__walk v = {WALK_PUT, state, NULL, HW_OK, why};
    size_t bytes = e->objective.parameters * sizeof(float);
    if (!e->run.begun) { /* nothing has been kept yet */
        memset(e->kept.x[0], 0, bytes);
        if (e->average.mean) memset(e->average.mean, 0, bytes);
    }
    const hw__evaluation_mark now = e->evaluation.mark;
    size_t count = e->evaluation.log.count;
    if (e->evaluation.leaves_out) {
        set_mark(e, &e->evaluation.before_last);
        if (count) e->evaluation.log.count--; /* a list that was thinned for it would be with the next one anyway */
    }
    hw__capture_walk(e, &v);
    if (e->evaluation.leaves_out) set_mark(e, &now);
    e->evaluation.log.count = count;
    return v.status;
}

static void take(hw_worker *w)
{
    hw_engine *e = w->engine;
    char why[HW_WHY] = "";
    if (e->scheduler->settle) e->scheduler->settle(w);
    hw_params_get(e->params, 0, e->snapshot);
    if (!hw__base_all_finite(e->snapshot, e->objective.parameters) && hw__counter_get(&e->recovery.left)) {
        hw__recovery_return(w);
        hw_params_get(e->params, 0, e->snapshot);
    }
    if (!hw__base_all_finite(e->snapshot, e->objective.parameters)) {
        hw__fail(e, HW_E_DIVERGED, "a parameter stopped being finite");
        return;
    }
    hw_status status = fill(e, e->captures.state, why);
    if (status != HW_OK) {
        hw__fail(e, status, "the run could not be captured: %s", why);
        return;
    }
    e->captures.update = hw_params_clock(e->params);
    hw__periodic_checkpoints(e, e->captures.update);
    status = e->config.on_capture ? e->config.on_capture(e->config.context, e->captures.update, e->captures.state)
                                  : e->config.on_checkpoint(e->config.context, e->captures.state);
    if (status != HW_OK) hw__fail(e, status, "the checkpoint callback returned %d", status);
}

hw_status hw__capture_plan(hw_engine *e, char *why)
{
    if (!e->config.on_checkpoint && !e->config.on_capture) return HW_OK;
    e->captures.take = take;
    e->captures.state = hw_state_create_in(e->config.allocator);
    /* Entries of the longest lists once: those of shorter ones then find their memory there. */
    e->evaluation.log.count = e->evaluation.log.room;
    e->settings.log.count = e->settings.log.room;
    hw_status status = e->captures.state ? fill(e, e->captures.state, why) : HW_E_MEMORY;
    e->evaluation.log.count = e->settings.log.count = 0;
    if (status != HW_OK) return hw__base_fail(why, status, "hw_engine_create: no memory for the state of a checkpoint");
    for (size_t i = 0; i < hw_state_count(e->captures.state); i++) {
        const hw_entry *x = hw_state_entry(e->captures.state, i);
        e->bytes += sizeof *x + 2 * HW_LINE + strlen(x->name) + hw_dtype_size(x->dtype) * x->count;
    }
    return HW_OK;
}

hw_status hw_engine_capture(hw_engine *e, hw_state *state)
{
    hw_status status = hw__handle_usable(e, "hw_engine_capture");
    if (status != HW_OK) return status;
    if (!state) return hw__base_fail(e->sentence, HW_E_ARGUMENT, "hw_engine_capture: the state is NULL");
    if (e->run.begun && e->run.status != HW_OK)
        return hw__base_fail(e->sentence, HW_E_STATE,
                             "hw_engine_capture: the run failed; hw_engine_get gives its good parameters");
    hw_params_get(e->params, 0, e->snapshot); /* what hw_engine_create or hw_engine_set was given may be anything */
    if (!hw__base_all_finite(e->snapshot, e->objective.parameters))
        return hw__base_fail(e->sentence, HW_E_DIVERGED, "hw_engine_capture: a parameter is not finite");
    return fill(e, state, e->sentence);
}
