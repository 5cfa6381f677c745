/* restore.c - a state from wherever into an engine: everything is looked at before anything is changed. */
#include "../optimizer/optimizer.h"
#include "../step/streams.h"
#include "engine.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

static uint64_t whole(const hw__walk *v, const char *name)
{
    return hw_state_number(v->from, name, 0);
}

static void check_clock(hw_engine *e, hw__walk *v)
{
    uint64_t landed = whole(v, "run.landed"), first = whole(v, "run.first_update");
    uint64_t good = whole(v, "run.good_update"), candidate = whole(v, "run.candidate_update");
    uint64_t tickets = whole(v, "run.tickets"), epoch = whole(v, "run.next_epoch");
    if (first > landed || good < first || good > landed || candidate > landed)
        hw__walk_refuse(
            v, "the state's run began at update %llu, stands at %llu and kept %llu and %llu: they are out of order",
            (unsigned long long)first, (unsigned long long)landed, (unsigned long long)good,
            (unsigned long long)candidate);
    if (whole(v, "run.first_ticket") > tickets || whole(v, "run.first_ticket") > whole(v, "run.ticket_limit"))
        hw__walk_refuse(v, "the state's run began with ticket %llu and stands at %llu",
                        (unsigned long long)whole(v, "run.first_ticket"), (unsigned long long)tickets);
    /* Where one step makes one update, there are no more updates than tickets. A recorded run may have been another. */
    bool single = e->scheduler->flags & HW__ONE_PAIR && !e->replays;
    if (v->status == HW_OK && single && landed - first > tickets - whole(v, "run.first_ticket"))
        hw__walk_refuse(v, "the state's run landed %llu updates of %llu tickets", (unsigned long long)(landed - first),
                        (unsigned long long)(tickets - whole(v, "run.first_ticket")));
    uint64_t further = whole(v, "run.further"); /* none in states of 0.1: 0 */
    if (further > landed - first || (further && single))
        hw__walk_refuse(v,
                        "entry 'run.further' of the state is %llu of %llu updates: no step makes its second update "
                        "before its first, and here none makes two",
                        (unsigned long long)further, (unsigned long long)(landed - first));
    if (v->status == HW_OK) landed -= further;
    /* With a sampled clock a worker looks at what is due after so many updates only. */
    uint64_t late = 2 * (uint64_t)e->tickets.block * e->crew.writers;
    if (epoch != UINT64_MAX && (epoch <= first || (epoch - first) % e->tickets.updates_per_epoch ||
                                (epoch <= landed && landed - epoch > e->tickets.updates_per_epoch + late)))
        hw__walk_refuse(v,
                        "entry 'run.next_epoch' of the state is %llu, which is not the end of the epoch at update %llu",
                        (unsigned long long)epoch, (unsigned long long)landed);
    if ((!e->average.mean && whole(v, "run.next_average") != UINT64_MAX) ||
        (!e->kept.every && whole(v, "run.next_keep") != UINT64_MAX))
        hw__walk_refuse(v, "entry 'run.next_average' or 'run.next_keep' of the state asks for what is configured off");
    if (whole(v, "run.trained_ns") > INT64_MAX / 2)
        hw__walk_refuse(v, "entry 'run.trained_ns' of the state is more than 146 years");
}

static void check_workers(hw_engine *e, hw__walk *v)
{
    size_t n = e->crew.members;
    const uint64_t *updates = hw_state_array(v->from, "worker.updates", HW_U64, n);
    const uint64_t *before = hw_state_array(v->from, "worker.landed_before", HW_U64, n);
    const uint64_t *step = hw_state_array(v->from, "worker.step", HW_U64, n);
    const uint64_t *end = hw_state_array(v->from, "worker.ticket_end", HW_U64, n);
    const uint32_t *since = hw_state_array(v->from, "worker.since", HW_U32, n);
    const uint32_t *every = hw_state_array(v->from, "worker.exchange_every", HW_U32, n);
    uint64_t sum = 0, all = 0, landed = whole(v, "run.landed"), tickets = whole(v, "run.tickets");
    for (size_t i = 0; i < n && v->status == HW_OK; i++) {
        sum += updates[i]; /* at most 2^20 workers of at most 2^53: two sums that are looked at as they grow */
        all += before[i];
        if (sum > WALK_MOST || all > WALK_MOST) hw__walk_refuse(v, "the state's workers count more than 2^53 updates");
        if (end[i] > step[i] + 1 + e->tickets.block || (end[i] > tickets && end[i] > step[i] + 1))
            hw__walk_refuse(v, "worker %zu of the state has tickets %llu to %llu in hand, of %llu", i,
                            (unsigned long long)step[i], (unsigned long long)end[i], (unsigned long long)tickets);
        if (since[i] || every[i] > 1u << 30)
            hw__walk_refuse(v, "worker %zu of the state is in the middle of an exchange interval", i);
    }
    uint64_t run = landed - whole(v, "run.first_update");
    if (sum != run)
        hw__walk_refuse(v, "the state's workers landed %llu updates in this run, but its clock counts %llu",
                        (unsigned long long)sum, (unsigned long long)run);
}

/* What a step can be made with: a rate that is one, momentum below 1, and a look-ahead only where there is a velocity.
 */
static void check_setting(const hw_engine *e, hw__walk *v, double rate, double momentum, double ahead, double exact)
{
    bool arrays = hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation) > 0;
    if (!(rate > 0) || !(momentum > -1 && momentum < 1) || (!arrays && ahead != 0) || !(exact >= 0 && exact < 1))
        hw__walk_refuse(v, "a setting of the state (rate %g, momentum %g, look-ahead %g, pole %g) is none to step with",
                        rate, momentum, ahead, exact);
}

static void check_settings(const hw_engine *e, hw__walk *v)
{
    static const char *const fields[] = {"worker.setting.rate", "worker.setting.momentum", "worker.setting.ahead",
                                         "worker.setting.exact"};
    const hw_state *s = v->from;
    check_setting(e, v, hw_state_real(s, "setting.rate", 0), hw_state_real(s, "setting.momentum", 0),
                  hw_state_real(s, "setting.ahead", 0), hw_state_real(s, "setting.exact", 0));
    const double *x[4];
    const uint8_t *informed = hw_state_array(s, "worker.informed", HW_U8, e->crew.members);
    for (int k = 0; k < 4; k++) x[k] = hw_state_array(s, fields[k], HW_F64, e->crew.members);
    /* A virtual worker lands with the setting that it read with; who has none yet gets it at its next read. */
    for (unsigned i = 0; i < e->crew.members && v->status == HW_OK; i++) {
        bool none = !informed[i] && x[0][i] <= 0 && x[0][i] >= 0;
        if (!none) check_setting(e, v, x[0][i], x[1][i], x[2][i], x[3][i]);
    }
}

static void check(hw_engine *e, hw__walk *v)
{
    if (!hw__walk_checks(v) || !whole(v, "run.begun")) return;
    check_clock(e, v);
    if (v->status == HW_OK) check_workers(e, v);
    if (v->status == HW_OK) check_settings(e, v);
}

/* Options that may be others than they were say anew what is due when. */
static void adopt_options(hw_engine *e, const hw_state *state)
{
    const hw_config *c = &e->config;
    uint64_t now = hw_params_clock(e->params), next = hw__counter_get(&e->due.evaluation);
    uint64_t every = hw_state_number(state, "config.evaluate_every", 0);
    double epochs = hw_state_real(state, "config.evaluate_epochs", 0);
    bool same = every == c->evaluate_every && epochs >= c->evaluate_epochs && epochs <= c->evaluate_epochs;
    if (!e->objective.evaluate)
        next = UINT64_MAX;
    else if (!same || next == UINT64_MAX)
        next = hw__evaluate_next(e, now);
    hw__counter_set(&e->due.evaluation, next);
    next = hw__counter_get(&e->due.epoch);
    if (!c->on_epoch || !e->objective.examples)
        next = UINT64_MAX;
    else if (next == UINT64_MAX)
        next = hw__due_after(e, hw__due_steps(e, now), e->tickets.updates_per_epoch);
    hw__counter_set(&e->due.epoch, next);
    double target = hw_state_real(state, "config.target", 0);
    bool metric = hw_state_number(state, "config.target_metric", 0) == (uint64_t)c->target_metric;
    if (target >= c->target && target <= c->target && metric) return;
    e->evaluation.mark.seconds_to_target = NAN; /* of another target */
    e->evaluation.mark.updates_to_target = 0;
}

hw_status hw_engine_begin_from(hw_engine *e, const hw_state *state, int *velocity, char *why)
{
    if (why) why[0] = 0;
    if (velocity) *velocity = 0;
    if (!e || !state) return hw__base_fail(why, HW_E_ARGUMENT, "hw_engine_begin_from: engine or state is NULL");
    hw_status status = hw__handle_usable(e, "hw_engine_begin_from");
    if (status != HW_OK) return hw__base_fail(why, status, "hw_engine_begin_from: %s", hw_status_text(status));
    if (e->run.begun)
        return hw__base_fail(why, HW_E_STATE,
                             "hw_engine_begin_from: the engine has run or was restored: a new run wants a new engine");
    unsigned arrays = hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation);
    /* What another rule keeps, or the same one under a policy that needs more of it, means something else. */
    const hw_entry *rule = hw_state_find(state, "config.rule");
    char own[64];
    (void)hw_config_get(&e->config, "rule", own, sizeof own);
    bool same = hw_state_number(state, "same.arrays", UINT64_MAX) == arrays && rule && rule->kind == HW_ENTRY_TEXT &&
                strcmp(rule->text, own) == 0 &&
                !(hw__rule_of(&e->config.optimizer)->flags & HW__RULE_CLOCK); /* its moments belong to their clock */
    hw__walk v = {WALK_CHECK, NULL, state, HW_OK, why};
    hw__tensors_first(e, &v, same ? arrays : 0);
    if (v.status != HW_OK) return v.status;
    v.way = WALK_TAKE;
    hw__tensors_first(e, &v, same ? arrays : 0);
    if (velocity) *velocity = same && arrays > 0;
    return HW_OK;
}

hw_status hw_engine_restore(hw_engine *e, const hw_state *state, char *why)
{
    if (why) why[0] = 0;
    if (!e || !state) return hw__base_fail(why, HW_E_ARGUMENT, "hw_engine_restore: engine or state is NULL");
    if (e->process != getpid())
        return hw__base_fail(why, HW_E_FORK, "hw_engine_restore: %s", hw_status_text(HW_E_FORK));
    if (e->run.running) return hw__base_fail(why, HW_E_STATE, "hw_engine_restore: the engine is running");
    if (e->trace)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "hw_engine_restore: config.trace is on, and a recorded schedule begins with its run");
    hw__walk v = {WALK_CHECK, NULL, state, HW_OK, why};
    hw__capture_walk(e, &v);
    check(e, &v);
    if (v.status != HW_OK) return v.status;
    hw__flags_reset(&e->flags); /* of a run that stopped or failed */
    hw__pause_reset(&e->pause, e->objective.evaluate != NULL);
    e->evaluation.leaves_out = false;
    v.way = WALK_TAKE;
    hw__capture_walk(e, &v);
    if (!e->run.begun) return HW_OK;
    hw__streams_again(e);
    adopt_options(e, state);
    if (e->scheduler->complete)
        e->scheduler->complete(e, hw__counter_get(&e->tickets.taken) < hw__counter_get(&e->tickets.limit));
    return HW_OK;
}
