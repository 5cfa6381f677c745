/* trace.c - the engine's side of a recorded schedule: what a replay of it can promise. */
#include "../config/config.h"
#include "../optimizer/optimizer.h"
#include "../params/door.h"
#include "engine.h"
#include <unistd.h>

static const char *why_not(const hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t skipped = 0;
    for (unsigned i = 0; i < e->crew.members; i++) skipped += hw__counter_get(&e->worker[i].skipped);
    if (e->first_update) return "the run went on from an earlier one, whose velocity the trace does not hold";
    if (hw__flags_failed(&e->flags)) return "the run ended with an error";
    if (skipped) return "updates were skipped, and the random numbers of their steps are not in the trace";
    if (e->scheduler->flags & HW__VIRTUAL) return NULL;
    if (e->crew.slots > 1 && hw__optimizer_needs_clock(&c->optimizer, &c->compensation))
        return "this rule or policy looks at the clock while it writes, which the trace does not hold";
    bool mixes = !hw__params_whole(e->params) && !(e->scheduler->flags & HW__IN_TURN);
    if (e->crew.slots > 1 && mixes) return "ATOMIC reads may mix several states; the staleness is reproduced";
    return NULL;
}

hw_status hw_engine_trace(hw_engine *e, hw_trace **trace, char *why)
{
    if (!e || !trace) return hw__base_fail(why, HW_E_ARGUMENT, "hw_engine_trace: engine or trace is NULL");
    *trace = NULL;
    if (e->process != getpid()) return hw__base_fail(why, HW_E_FORK, "hw_engine_trace: %s", hw_status_text(HW_E_FORK));
    if (!e->trace || e->run.running || hw_params_clock(e->params) == e->first_update)
        return hw__base_fail(why, HW_E_STATE,
                             "hw_engine_trace: config.trace is off, or no run has landed an update yet");
    const char *reason = why_not(e);
    hw_trace_info info = {.workers = e->crew.numbers,
                          .per_group = e->crew.share,
                          .updates = hw_params_clock(e->params) - e->first_update,
                          .seed = e->config.seed,
                          .parameters = e->objective.parameters,
                          .batch = e->config.batch,
                          .optimizer = hw__config_rule_checksum(&e->config),
                          .bit_equal = reason == NULL};
    if (reason) (void)snprintf(info.why_not, sizeof info.why_not, "%s", reason);
    hw_params_get(e->params, 0, e->snapshot);
    return hw__trace_recorder_finish(e->trace, &info, e->snapshot, trace, why);
}
