/* capture_recovery.c - what a capture holds of how policy auto finds its way: the rate as a congestion window, returns,
 * and who rests. */
#include "engine.h"

#define WORKER(member)   offsetof(hw_worker, member)
#define RECOVERY(member) offsetof(hw__recovery, member)
static const hw__field recovery_fields[] = {
    {"left", RECOVERY(left), WALK_COUNTER, WALK_COUNT},
    {"window", RECOVERY(window), WALK_F64, WALK_POSITIVE},
    {"top", RECOVERY(top), WALK_F64, WALK_POSITIVE},
    {"peak", RECOVERY(peak), WALK_F64, WALK_POSITIVE},
    {"peak_before", RECOVERY(peak_before), WALK_F64, WALK_POSITIVE},
    {"delay", RECOVERY(delay), WALK_F64, WALK_POSITIVE},
    {"least", RECOVERY(least), WALK_F64, WALK_POSITIVE},
    {"most", RECOVERY(most), WALK_F64, WALK_POSITIVE},
    {"hold", RECOVERY(hold), WALK_U64, WALK_COUNT},
    {"looks_from", RECOVERY(looks_from), WALK_U64, WALK_COUNT},
    {"returns", RECOVERY(returns), WALK_COUNTER, WALK_COUNT},
    {"lost", RECOVERY(lost), WALK_COUNTER, WALK_COUNT},
    {"returned", RECOVERY(returned), WALK_U64, WALK_WHEN},
    {"spent", RECOVERY(spent), WALK_U64, WALK_COUNT},
    {"looks", RECOVERY(looks), WALK_COUNTER, WALK_COUNT},
    {"before", RECOVERY(before), WALK_F64, WALK_ANY},
    {"best", RECOVERY(best), WALK_F64, WALK_ANY},
    {"has_best", RECOVERY(has_best), WALK_BOOL, WALK_ANY},
    {"level", RECOVERY(level), WALK_F64, WALK_ANY},
    {"noise", RECOVERY(noise), WALK_F64, WALK_POSITIVE},
    {"start", RECOVERY(start), WALK_F64, WALK_ANY},
    {"start_error", RECOVERY(start_error), WALK_F64, WALK_ANY},
    {"has_start", RECOVERY(has_start), WALK_BOOL, WALK_ANY},
    {"learnt", RECOVERY(learnt), WALK_BOOL, WALK_ANY},
};
#define REST(member) offsetof(hw__rest, member)
static const hw__field rest_fields[] = {{"at_work", REST(at_work), WALK_U32, WALK_ANY},
                                        {"hold", REST(hold), WALK_U64, WALK_COUNT},
                                        {"wait", REST(wait), WALK_U64, WALK_COUNT},
                                        {"since", REST(since), WALK_COUNTER, WALK_COUNT},
                                        {"worked", REST(worked), WALK_COUNTER_REAL, WALK_ANY},
                                        {"told", REST(told), WALK_U32, WALK_ANY},
                                        {"cause", REST(cause), WALK_INT, WALK_ANY},
                                        {"measured_from", REST(measured_from), WALK_U64, WALK_COUNT}};
static const hw__field look_fields[] = {{"look_loss", WORKER(look_loss), WALK_COUNTER_REAL, WALK_ANY},
                                        {"look_squares", WORKER(look_squares), WALK_COUNTER_REAL, WALK_ANY},
                                        {"look_losses", WORKER(look_losses), WALK_COUNTER, WALK_COUNT},
                                        {"look_number", WORKER(look_number), WALK_COUNTER, WALK_COUNT},
                                        {"look_skipped", WORKER(in_row), WALK_INT, WALK_ANY}};

/* States of 0.1 have none: their runs begin to look at the loss where they go on, with the rate that they had. */
static void visit_recovery(hw_engine *e, hw__walk *v)
{
    if (!e->recovery.on) return;
    if (!hw__walk_has(v, "run.recovery.window")) {
        if (v->way == WALK_TAKE) hw__recovery_resume(e);
        return;
    }
    hw__walk_values(v, "run.recovery", WALK_FIELDS(recovery_fields), &e->recovery);
    hw__walk_columns(v, "worker", WALK_FIELDS(look_fields), e->worker, sizeof *e->worker, e->crew.members);
    if (hw__walk_checks(v) && hw_state_number(v->from, "run.begun", 0) && !e->replays &&
        !(hw_state_real(v->from, "run.recovery.window", 0) > 0 && hw_state_real(v->from, "run.recovery.most", 0) > 0 &&
          hw_state_real(v->from, "run.recovery.least", 0) > 0))
        hw__walk_refuse(v, "an entry 'run.recovery.window', 'most' or 'least' of the state is 0: no rate to step with");
}

static void check_rest(const hw_engine *e, hw__walk *v)
{
    const hw_state *s = v->from;
    uint64_t at_work = hw_state_number(s, "run.rest.at_work", 0), landed = hw_state_number(s, "run.landed", 0);
    uint64_t window = hw__due_updates_of_window(e), wait = hw_state_number(s, "run.rest.wait", 0);
    double worked = hw_state_real(s, "run.rest.worked", 0);
    if (at_work < e->rest.fewest || at_work > e->crew.slots)
        hw__walk_refuse(v, "entry 'run.rest.at_work' of the state is %llu: it must be in [%u, %u]",
                        (unsigned long long)at_work, e->rest.fewest, e->crew.slots);
    else if (hw_state_number(s, "run.rest.since", 0) > landed)
        hw__walk_refuse(v, "entry 'run.rest.since' of the state is beyond 'run.landed'");
    else if (!(worked >= 0 && worked <= (double)landed * e->crew.slots))
        hw__walk_refuse(v, "entry 'run.rest.worked' of the state is %g: it must be in [0, 'run.landed' x %u]", worked,
                        e->crew.slots);
    else if (hw_state_number(s, "run.rest.measured_from", 0) > landed + window)
        hw__walk_refuse(v, "entry 'run.rest.measured_from' of the state is more than a window beyond 'run.landed'");
    else if (wait < 1 || wait > HW__REST_LONGEST)
        hw__walk_refuse(v, "entry 'run.rest.wait' of the state is %llu: it must be in [1, %u]",
                        (unsigned long long)wait, HW__REST_LONGEST);
}

/* States of 0.1 have none, and where nobody can rest there is none to keep: all workers step. */
static void visit_rest(hw_engine *e, hw__walk *v)
{
    if (e->rest.possible && hw__walk_has(v, "run.rest.at_work")) {
        hw__walk_values(v, "run.rest", WALK_FIELDS(rest_fields), &e->rest);
        if (hw__walk_checks(v)) check_rest(e, v);
    } else if (v->way == WALK_TAKE) {
        hw__rest_begin(e);
    }
    if (v->way != WALK_TAKE) return;
    hw__counter_set(&e->rest.from, e->first_update);
    hw__flags_set_at_work(&e->flags, e->rest.at_work);
}

void hw__capture_recovery(hw_engine *e, hw__walk *v)
{
    visit_recovery(e, v);
    visit_rest(e, v);
}
