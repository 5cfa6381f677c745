/* groups.c - SYNC and GROUPS: the threads of a group split one minibatch on one common snapshot; the example-weighted
 * mean gradient is added in worker order and lands as one update. SYNC is one group.
 *
 * A round has three barriers: (A) the leader has taken a ticket and a snapshot; (B) all gradients are there; (C) the
 * sum is there. Then the leader lands it while the others wait at (A). Groups park for an evaluation after (C), as
 * other workers do before their write; for a capture, and where there is one group, instead of a round, with nothing in
 * hand.
 */
#include "../step/members.h"
#include "../step/peers.h"
#include "../step/step.h"

typedef struct group {
    hw__barrier barrier;
    unsigned first, count; /* workers */
    const float *x;        /* the common snapshot */
    hw__park_place rest;   /* where its threads park instead of a step; WRITE: nowhere */
    bool park, finish;
    uint64_t step;
} group;

/* What a thread brings to its group's update. */
typedef struct member {
    group *team;
    double loss;
    bool raw, stopped; /* stopped: its step asks for the end */
} member;

typedef struct groups {
    group *team;
    member *member;
} groups;

static member *member_of(const hw_worker *w)
{
    return w->own;
}

static const float *group_read(hw_worker *w, const hw__extent *a, float *values)
{
    const float *x = member_of(w)->team->x;
    if (a->all && !values) return x;
    hw__access_gather(a, x, values);
    return values;
}

static hw_status group_write(hw_worker *w, const hw__extent *a, const float *g, double loss)
{
    hw_engine *e = w->engine;
    if (w->pairs) {
        hw__fail(e, HW_E_UNSUPPORTED,
                 "an objective with more than one pair of read and write a step cannot run under "
                 "SYNC or GROUPS");
        return HW_E_STOPPED;
    }
    *member_of(w) = (member){.team = member_of(w)->team, .loss = loss, .raw = a->raw};
    if (a->all) {
        if (g != w->g)
            for (size_t i = 0; i < a->total; i++) w->g[i] = g[i];
        return HW_OK;
    }
    if (g == w->g) {
        hw__fail(e, HW_E_UNSUPPORTED,
                 "under SYNC and GROUPS a sparse write takes its gradient from the caller's memory, "
                 "not from hw_gradient()");
        return HW_E_STOPPED;
    }
    hw__access_scatter(a, g, w->g, e->objective.parameters);
    return HW_OK;
}

static const hw__access groups_access = {group_read, group_write, NULL, NULL};

/* This thread's slice of the weighted sum, in worker order, into the leader's buffer. */
static void reduce(hw_worker *w)
{
    hw_engine *e = w->engine;
    group *team = member_of(w)->team;
    hw_worker *leader = e->worker + team->first;
    size_t n = e->objective.parameters, part = w->id - team->first;
    size_t from = n / 16 * part / team->count * 16, to = n / 16 * (part + 1) / team->count * 16;
    if (part + 1 == team->count) to = n;
    float whole = (float)leader->batch.whole, share = (float)leader->batch.count / whole;
    for (size_t i = from; i < to; i++) leader->g[i] *= share;
    for (unsigned k = 1; k < team->count; k++) {
        const hw_worker *other = leader + k;
        if (other->batch.count == 0) continue;
        share = (float)other->batch.count / whole;
        for (size_t i = from; i < to; i++) leader->g[i] += share * other->g[i];
    }
}

static hw_status land(hw_worker *leader)
{
    group *team = member_of(leader)->team;
    hw__extent all = hw__extent_all(&leader->all);
    double loss = 0;
    int raw = -1;
    for (unsigned k = 0; k < team->count; k++) {
        if (!leader[k].batch.count) continue;
        if (raw <= 0) raw = member_of(leader + k)->raw;
        loss += member_of(leader + k)->loss * leader[k].batch.count;
    }
    for (unsigned k = 0; raw == 1 && k < team->count; k++) {
        if (!leader[k].batch.count || member_of(leader + k)->raw) continue;
        hw__fail(leader->engine, HW_E_CALLBACK, "in one update some threads wrote gradients and others raw deltas");
        return HW_E_STOPPED;
    }
    if (!hw__peers_sum(leader, &loss, &raw)) return HW_E_STOPPED;
    all.raw = raw == 1;
    return hw__step_write(leader, &all, leader->g, loss / leader->batch.whole, leader->batch.whole);
}

static hw_status member_step(hw_worker *w)
{
    group *team = member_of(w)->team;
    hw__tickets_batch(w, team->step, w->id - team->first, team->count);
    if (w->batch.count == 0) {
        if (w->id == team->first) /* fewer examples than threads: the leader's share may be empty */
            for (size_t i = 0; i < w->all.count; i++) w->g[i] = 0;
        return HW_OK;
    }
    hw_status status = hw__step_run(w);
    if (status == HW_OK && w->pairs != 1) {
        hw__fail(w->engine, HW_E_CALLBACK,
                 "the objective's step made %u pairs of read and write: SYNC and GROUPS take "
                 "exactly one",
                 w->pairs);
        return HW_E_STOPPED;
    }
    return status;
}

/* Behind a barrier: whether this update lacks a part, since a step has asked for the end. */
static bool any_stopped(const hw_worker *leader)
{
    const group *team = member_of(leader)->team;
    for (unsigned k = 0; k < team->count; k++)
        if (member_of(leader + k)->stopped) return true;
    return false;
}

/* Of a leader: whether its group rests now. All of them go by what it has seen. */
static bool rests(hw_worker *w)
{
    const group *team = member_of(w)->team;
    if (!hw__rest_now(w)) return false; /* as nearly every step finds: the others' memory is left alone */
    for (unsigned k = 1; k < team->count; k++) w[k].rest_seen = w->rest_seen;
    return true;
}

static void rounds(hw_worker *w)
{
    hw_engine *e = w->engine;
    group *team = member_of(w)->team;
    bool leads = w->id == team->first;
    hw__extent all = hw__extent_all(&w->all);
    for (;;) {
        if (leads) {
            int pause = hw__flags_paused(&e->flags);
            bool pauses = e->crew.slots == 1 ? pause != 0 : (pause & FLAGS_BETWEEN) != 0;
            team->rest = pauses ? HW__PARK_BETWEEN : rests(w) ? HW__PARK_REST : HW__PARK_WRITE;
            bool steps = team->rest == HW__PARK_WRITE;
            team->finish = steps && (hw__flags_stopped(&e->flags) || !hw__tickets_take(w, &team->step));
            if (steps && !team->finish) {
                hw__tickets_number(w, team->step);
                team->x = hw__step_read(w, &all, w->x);
            }
        }
        if (!hw__barrier_wait(&team->barrier) || team->finish) return;
        hw__park_place place = team->rest; /* the leader may decide anew as soon as it has left */
        if (place != HW__PARK_WRITE) {
            if (!hw__park(w, place)) return;
            /* A rest can be over for some before the others have come to it; a pause cannot. */
            if (place == HW__PARK_REST && !hw__barrier_wait(&team->barrier)) return;
            continue;
        }
        hw_status status = member_step(w);
        member_of(w)->stopped = status == HW_E_STOPPED;
        if (status != HW_OK) hw__fail_worker(w, status);
        if (status != HW_OK && status != HW_E_STOPPED) return;
        if (!hw__barrier_wait(&team->barrier) || any_stopped(e->worker + team->first)) return;
        reduce(w);
        if (leads) team->park = e->crew.slots > 1 && (hw__flags_paused(&e->flags) & FLAGS_EVALUATE);
        if (!hw__barrier_wait(&team->barrier)) return;
        if (team->park && !hw__park(w, HW__PARK_WRITE)) return;
        if (leads && land(w) != HW_OK) return;
        if (leads) hw__times_poll_stop(e);
    }
}

static void loop(hw_worker *w)
{
    rounds(w);
    if (w->id == member_of(w)->team->first) hw_params_release(w->engine->params, w->slot);
}

/* --- the rows -------------------------------------------------------------------------------------------------------
 */

static hw_status check_groups(const hw_config *c, const hw_objective *o, char *why)
{
    (void)o;
    if (c->groups <= c->workers && c->workers % c->groups == 0) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT, "config.groups is %u: it must divide the %u workers", c->groups,
                         c->workers);
}

static hw_status crew_of(unsigned workers, unsigned slots, hw__crew *crew)
{
    *crew = (hw__crew){workers, slots, workers, slots, slots, slots, workers / slots, 1};
    return HW_OK;
}

static hw_status crew_sync(const hw_config *c, hw__crew *crew, char *why)
{
    (void)why;
    return crew_of(c->workers, 1, crew);
}

static hw_status crew_groups(const hw_config *c, hw__crew *crew, char *why)
{
    (void)why;
    return crew_of(c->workers, c->groups, crew);
}

static hw_status plan(hw_engine *e, char *why)
{
    unsigned slots = e->crew.slots, count = e->crew.threads / slots;
    groups *s = e->own = hw__memory_zalloc(&e->memory, 1, sizeof *s);
    if (s) s->team = hw__memory_zalloc(&e->memory, slots, sizeof *s->team);
    if (s) s->member = hw__memory_zalloc(&e->memory, e->crew.threads, sizeof *s->member);
    if (!s || !s->team || !s->member) return hw__no_memory(why, "groups");
    for (unsigned k = 0; k < slots; k++) {
        s->team[k].count = count;
        s->team[k].first = k * count;
        if (!hw__barrier_init(&s->team[k].barrier, count, hw__barrier_spins(e->crew.threads, 4000)))
            return hw__no_memory(why, "a barrier");
    }
    hw_status status = hw__members_plan(e, why);
    for (unsigned i = 0; i < e->crew.threads && status == HW_OK; i++) {
        s->member[i].team = s->team + i / count;
        e->worker[i].own = s->member + i;
        e->worker[i].in_force = &e->worker[i / count * count].setting; /* the leader has read it for all */
    }
    return status;
}

static void begin(hw_engine *e, bool restored)
{
    const groups *s = e->own;
    (void)restored;
    for (unsigned k = 0; k < e->crew.slots; k++) hw__barrier_reset(&s->team[k].barrier);
}

static void wake(hw_engine *e)
{
    const groups *s = e->own;
    for (unsigned k = 0; k < e->crew.slots; k++) hw__barrier_poison(&s->team[k].barrier);
}

static void release(hw_engine *e)
{
    groups *s = e->own;
    hw__members_free(e);
    for (unsigned k = 0; s && s->team && k < e->crew.slots; k++) hw__barrier_free(&s->team[k].barrier);
}

const hw__scheduler hw__scheduler_sync = {.flags = HW__ONE_PAIR | HW__SPLITS | HW__DEALS,
                                          .access = &groups_access,
                                          .crew = crew_sync,
                                          .plan = plan,
                                          .begin = begin,
                                          .loop = loop,
                                          .wake = wake,
                                          .free = release};
const hw__scheduler hw__scheduler_groups = {.flags = HW__ONE_PAIR | HW__RESTS | HW__DEALS,
                                            .access = &groups_access,
                                            .check = check_groups,
                                            .crew = crew_groups,
                                            .plan = plan,
                                            .begin = begin,
                                            .loop = loop,
                                            .rest = hw__park_changed,
                                            .wake = wake,
                                            .free = release};
