/* groups.c - SYNC and GROUPS: the threads of a group split one minibatch on one common snapshot; the example-weighted
 * mean gradient is added in worker order and lands as one update. SYNC is one group.
 *
 * A round has three barriers: (A) the leader has taken a ticket and a snapshot; (B) all gradients are there; (C) the
 * sum is there. Then the leader lands it while the others wait at (A). Groups park for an evaluation after (C), as
 * other workers do before their write; for a capture, and where there is one group, instead of a round, with nothing in
 * hand.
 */
#include "../step/engine.h"

void hw__access_gather(const hw__access *a, const float *x, float *values)
{
    for (size_t r = 0, i = 0; r < a->n; r++) {
        size_t first, n = hw__access_part(a, r, &first);
        for (size_t j = 0; j < n; j++) values[i++] = x[first + j];
    }
}

void hw__access_scatter(const hw__access *a, const float *g, float *dense, size_t parameters)
{
    for (size_t i = 0; i < parameters; i++) dense[i] = 0;
    for (size_t r = 0, i = 0; r < a->n; r++) {
        size_t first, n = hw__access_part(a, r, &first);
        for (size_t j = 0; j < n; j++) dense[first + j] += g[i++];
    }
}

static const float *group_read(hw_worker *w, const hw__access *a, float *values)
{
    const float *x = w->group->x;
    if (a->dense && !values) return x;
    hw__access_gather(a, x, values);
    return values;
}

static hw_status group_write(hw_worker *w, const hw__access *a, const float *g, double loss)
{
    hw_engine *e = w->engine;
    if (w->pairs) {
        hw__fail(e, HW_E_UNSUPPORTED,
                 "an objective with more than one pair of read and write a step cannot run under "
                 "SYNC or GROUPS");
        return HW_E_STOPPED;
    }
    w->group_raw = a->raw;
    w->group_loss = loss;
    if (a->dense) {
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

const hw__access_calls hw__groups_access = {group_read, group_write};

/* This thread's slice of the weighted sum, in worker order, into the leader's buffer. */
static void reduce(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__group *group = w->group;
    hw_worker *leader = e->worker + group->first;
    size_t n = e->objective.parameters, part = w->id - group->first;
    size_t from = n / 16 * part / group->count * 16, to = n / 16 * (part + 1) / group->count * 16;
    if (part + 1 == group->count) to = n;
    float whole = (float)leader->batch.whole, share = (float)leader->batch.count / whole;
    for (size_t i = from; i < to; i++) leader->g[i] *= share;
    for (unsigned k = 1; k < group->count; k++) {
        const hw_worker *other = leader + k;
        if (other->batch.count == 0) continue;
        share = (float)other->batch.count / whole;
        for (size_t i = from; i < to; i++) leader->g[i] += share * other->g[i];
    }
}

static hw_status land(hw_worker *leader)
{
    hw__group *group = leader->group;
    hw__access all = {&leader->all, NULL, 1, leader->all.count, true, false};
    double loss = 0;
    for (unsigned k = 0; k < group->count; k++) {
        if (!leader[k].batch.count) continue;
        all.raw = all.raw || leader[k].group_raw;
        loss += leader[k].group_loss * leader[k].batch.count;
    }
    for (unsigned k = 0; all.raw && k < group->count; k++) {
        if (!leader[k].batch.count || leader[k].group_raw) continue;
        hw__fail(leader->engine, HW_E_CALLBACK, "in one update some threads wrote gradients and others raw deltas");
        return HW_E_STOPPED;
    }
    return hw__step_write(leader, &all, leader->g, loss / leader->batch.whole, leader->batch.whole);
}

static hw_status member_step(hw_worker *w)
{
    hw__group *group = w->group;
    hw__step_batch(w, group->step, w->id - group->first, group->count);
    if (w->batch.count == 0) {
        if (w->id == group->first) /* fewer examples than threads: the leader's share may be empty */
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

void hw__groups_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__group *group = w->group;
    bool leads = w->id == group->first;
    hw__access all = {&w->all, NULL, 1, w->all.count, true, false};
    for (;;) {
        if (leads) {
            int pause = hw__flags_paused(&e->latch);
            group->rest = e->slots == 1 ? pause != 0 : (pause & FLAGS_CAPTURE) != 0;
            group->finish = !group->rest && (hw__flags_stopped(&e->latch) || !hw__step_ticket(w, &group->step));
            if (!group->rest && !group->finish) {
                w->batch.step = group->step;
                group->x = hw__step_read(w, &all, w->x);
            }
        }
        if (!hw__barrier_wait(&group->barrier) || group->finish) return;
        if (group->rest) {
            if (!hw__pause_enter(w, PAUSE_BETWEEN)) return;
            continue;
        }
        hw_status status = member_step(w);
        if (status != HW_OK) {
            if (status != HW_E_STOPPED) hw__fail_worker(w, status);
            return;
        }
        if (!hw__barrier_wait(&group->barrier)) return;
        reduce(w);
        if (leads) group->park = e->slots > 1 && (hw__flags_paused(&e->latch) & FLAGS_EVALUATE);
        if (!hw__barrier_wait(&group->barrier)) return;
        if (group->park) {
            uint64_t parked = hw_now();
            if (!hw__pause_enter(w, PAUSE_WRITE)) return;
            w->parked_ns += hw_now() - parked;
        }
        if (leads && land(w) != HW_OK) return;
        if (leads && e->config.stop_flag && *e->config.stop_flag) hw__flags_stop(&e->latch, HW_STOP_ASKED);
    }
}
