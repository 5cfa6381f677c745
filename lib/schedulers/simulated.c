/* simulated.c - SIMULATED: the loop of one real thread. One thread at a time lands and reads, in the timeline's order;
 * the others compute gradients whose states are known. The order of events never depends on who was faster, so the
 * bits do not either. */
#include "simulated.h"
#include "../base/cpu.h"
#include "../base/heap.h"
#include "../timeline/cluster.h"
#include <math.h>
#include <string.h>

#define SPINS 2000

static double time_of(const hw_engine *e)
{
    return hw__counter_get_double(&hw__simulated_of(e)->time_bits);
}

static uint64_t now(const hw_engine *e)
{
    double ns = time_of(e) * 1e6;
    return ns < 9e18 ? (uint64_t)ns : (uint64_t)9e18;
}

static bool setting_of(const hw_engine *e, uint32_t number, hw_setting *setting)
{
    if (!e->replays) return false;
    const hw__trace_setting *t = e->config.simulation.trace->setting + number;
    memset(setting, 0, sizeof *setting);
    setting->update = hw_params_clock(e->params);
    setting->rate = t->rate;
    setting->momentum = t->momentum;
    setting->ahead = t->ahead;
    setting->pole = t->exact;
    setting->implicit = NAN;
    setting->policy = e->config.compensation.policy;
    (void)snprintf(setting->reason, sizeof setting->reason, "as recorded");
    return true;
}

static void next_event(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    if (s->has_event) return;
    hw__timeline_next(s->timeline, &s->event);
    s->has_event = true;
    hw__counter_set_double(&s->time_bits, s->event.time);
}

/* A replay goes as far as its trace, or to the configured number of updates. */
static bool replayed(const hw_engine *e)
{
    const hw__simulated *s = hw__simulated_of(e);
    return s->event.end ||
           (e->replays && s->event.land &&
            hw_params_clock(e->params) - e->first_update >= hw__counter_get(&e->tickets.limit) - e->tickets.first);
}

/* All tickets are out, and nothing of anybody is under way. */
static bool is_over(const hw_engine *e)
{
    const hw__simulated *s = hw__simulated_of(e);
    return s->exhausted && !s->pending && (!s->cluster || hw__timeline_cluster_quiet(s->timeline));
}

/* A read: false where the virtual worker found no ticket. */
static bool read_now(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    if (hw__virtual_read(e, &s->event)) {
        s->pending++;
        return true;
    }
    s->exhausted = true;
    hw__timeline_drop(s->timeline);
    return false;
}

static void land_now(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    if (hw__virtual_of(e->worker + s->event.member)->busy) s->pending--;
    hw__virtual_land(e, runner, &s->event);
}

/* What changes an array: a landing, or an event of a rank. */
static void write_now(hw_engine *e, hw__runner *runner)
{
    const hw__simulated *s = hw__simulated_of(e);
    if (s->event.land)
        land_now(e, runner);
    else
        hw__cluster_event(e, &s->event);
}

/* An update that was gathering when the tickets ran out, of a run that goes on with more: whoever is left may be too
 * few to complete it, so it lands as it would have at the end. */
static bool left_over(const hw_engine *e)
{
    const hw__simulated *s = hw__simulated_of(e);
    return s->gathered && !s->has_event && !s->exhausted && !s->timeline->gathered;
}

/* --- one real thread: every gradient is computed when it is read, from the live array; layer by layer when it lands
 * --------------------------------- */

static void loop_alone(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    for (;;) {
        if (hw__flags_stopped(&e->flags)) return;
        if (hw__flags_paused(&e->flags)) {
            if (!hw__park(&runner->worker, HW__PARK_BETWEEN)) return;
            continue; /* the evaluation may have ended the run */
        }
        if (is_over(e)) break;
        if (left_over(e)) hw__virtual_flush(e);
        next_event(e);
        if (replayed(e)) break;
        s->has_event = false;
        if (s->event.land || s->event.kind != TIMELINE_STEP)
            write_now(e, runner);
        else if (read_now(e) && !e->layers.on)
            hw__virtual_compute(e, runner, e->worker + s->event.member);
        hw__times_poll_stop(e);
    }
    hw__virtual_flush(e);
}

/* --- several
 * ---------------------------------------------------------------------------------------------------------- */

/* The mutex is held. The state as the virtual worker reads it: shared with others that read the same; NULL where all
 * are taken.
 */
static hw__snapshot *snapshot(hw_engine *e, const hw_worker *w, float ahead, bool *fresh)
{
    hw__simulated *s = hw__simulated_of(e);
    uint64_t version = hw_params_clock(e->params);
    const float *of = s->cluster ? hw__cluster_values(w, &version) : NULL;
    *fresh = false;
    if (s->current && s->current->of == of && s->current->version == version && s->current->ahead >= ahead &&
        s->current->ahead <= ahead)
        return s->current;
    for (unsigned i = 0; i < s->pooled; i++) {
        if (s->pool[i].users) continue;
        s->current = s->pool + i;
        s->current->of = of;
        s->current->version = version;
        s->current->ahead = ahead;
        *fresh = true;
        return s->current;
    }
    return NULL;
}

static void fill(hw_engine *e, hw__snapshot *to)
{
    hw_read_note note;
    const float *x = to->of ? to->of : hw_params_read(e->params, 0, to->ahead, to->x, &note);
    if (x != to->x) memcpy(to->x, x, e->objective.parameters * sizeof *x);
    hw_params_release(e->params, 0);
}

static void changed(hw__simulated *s)
{
    hw__counter_add(&s->changes, 1);
    (void)pthread_cond_broadcast(&s->changed);
}

/* The mutex is held; it is given up while the array is read or written, with `landing` keeping others off. */
static bool advance_read(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    hw_worker *w = e->worker + s->event.member;
    hw__snapshot *own = NULL;
    bool fresh = false;
    if (!s->sparse && !e->layers.on) {
        double ahead = e->settings.now.ahead; /* only whoever lands changes it, and nobody lands now */
        if (s->event.recorded) ahead = e->config.simulation.trace->setting[s->event.setting].ahead;
        own = snapshot(e, w, (float)ahead, &fresh);
        if (!own) return false;
        own->users++;
    }
    s->landing = true;
    (void)pthread_mutex_unlock(&s->mutex);
    hw__virtual_of(w)->snapshot = own;
    bool has_read = read_now(e);
    if (has_read && fresh) fill(e, own);
    if (has_read && !own) {
        if (!e->layers.on) hw__virtual_compute(e, runner, w); /* else when it lands */
        hw__virtual_of(w)->done = true;
    }
    (void)pthread_mutex_lock(&s->mutex);
    if (has_read && own) hw__heap_push(s->queue, &s->queued, s->due, s->event.member);
    if (!has_read && own && --own->users == 0) s->current = NULL;
    return true;
}

static bool advance(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    bool over = is_over(e);
    if (over || left_over(e)) {
        s->landing = true;
        (void)pthread_mutex_unlock(&s->mutex);
        hw__virtual_flush(e);
        (void)pthread_mutex_lock(&s->mutex);
        s->landing = false;
        s->over = over;
        changed(s);
        return true;
    }
    next_event(e);
    if (replayed(e)) { /* the event stays drawn: a run that goes on farther begins with it */
        s->over = true;
        changed(s);
        return true;
    }
    if (s->event.land || s->event.kind != TIMELINE_STEP) {
        const hw__virtual_worker *virtual = s->event.land ? hw__virtual_of(e->worker + s->event.member) : NULL;
        if (virtual && virtual->busy && !virtual->done) return false;
        s->landing = true;
        (void)pthread_mutex_unlock(&s->mutex);
        write_now(e, runner);
        (void)pthread_mutex_lock(&s->mutex);
    } else if (!advance_read(e, runner)) {
        return false;
    }
    s->landing = s->has_event = false;
    changed(s);
    return true;
}

/* The mutex is held: the queued virtual worker that lands first, on this thread. */
static void compute_one(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    hw_worker *w = e->worker + hw__heap_pop(s->queue, &s->queued, s->due);
    (void)pthread_mutex_unlock(&s->mutex);
    hw__virtual_compute(e, runner, w);
    (void)pthread_mutex_lock(&s->mutex);
    hw__virtual_of(w)->done = true;
    hw__virtual_of(w)->snapshot->users--;
    hw__virtual_of(w)->snapshot = NULL;
    changed(s);
}

/* Look a while before sleeping: what is waited for is often some microseconds away. */
static void wait_for_change(hw__simulated *s, uint32_t spins)
{
    uint64_t seen = hw__counter_get(&s->changes);
    (void)pthread_mutex_unlock(&s->mutex);
    for (uint32_t i = 0; i < spins && hw__counter_get(&s->changes) == seen; i++) {
        hw__cpu_relax();
    }
    (void)pthread_mutex_lock(&s->mutex);
    if (hw__counter_get(&s->changes) == seen) (void)pthread_cond_wait(&s->changed, &s->mutex);
}

static void loop_together(hw_engine *e, hw__runner *runner)
{
    hw__simulated *s = hw__simulated_of(e);
    uint32_t spins = hw__barrier_spins(e->crew.threads, SPINS);
    (void)pthread_mutex_lock(&s->mutex);
    while (!s->over && !hw__flags_stopped(&e->flags)) {
        if (hw__flags_paused(&e->flags)) {
            (void)pthread_mutex_unlock(&s->mutex);
            bool through = hw__park(&runner->worker, HW__PARK_BETWEEN);
            (void)pthread_mutex_lock(&s->mutex);
            if (!through) break;
            continue;
        }
        hw__times_poll_stop(e);
        if (!s->landing && advance(e, runner)) continue;
        if (s->queued)
            compute_one(e, runner);
        else
            wait_for_change(s, spins);
    }
    s->over = true;
    changed(s);
    /* What has been read is computed, landed or not: a worker's random numbers go on from there in the next run. */
    while (s->queued) compute_one(e, runner);
    (void)pthread_mutex_unlock(&s->mutex);
}

static void settle(hw_worker *worker)
{
    hw_engine *e = worker->engine;
    hw__simulated *s = hw__simulated_of(e);
    (void)pthread_mutex_lock(&s->mutex);
    while (s->queued) compute_one(e, s->runner + worker->id);
    (void)pthread_mutex_unlock(&s->mutex);
}

/* All have been computed; they keep their places in the timeline, and land as nothing. */
static void forget(hw_engine *e)
{
    hw__simulated_of(e)->current = NULL; /* the snapshot of this clock is of them, too */
    for (unsigned i = 0; i < e->crew.members; i++)
        if (hw__virtual_of(e->worker + i)->busy && e->worker[i].pending.status == HW_OK)
            e->worker[i].pending.status = HW__DROPPED; /* errors and wishes to stop still count */
}

static void loop(hw_worker *worker)
{
    hw_engine *e = worker->engine;
    hw__runner *runner = hw__simulated_of(e)->runner + worker->id;
    if (e->crew.threads == 1)
        loop_alone(e, runner);
    else
        loop_together(e, runner);
}

static hw_worker *worker_of(hw_engine *e, unsigned thread)
{
    return &hw__simulated_of(e)->runner[thread].worker;
}

static void wake(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    if (!s || !s->ready) return;
    (void)pthread_mutex_lock(&s->mutex);
    changed(s);
    (void)pthread_mutex_unlock(&s->mutex);
}

static void begin(hw_engine *e, bool restored)
{
    hw__simulated *s = hw__simulated_of(e);
    s->landing = s->over = false;
    s->queued = 0;
    s->current = NULL;
    for (unsigned i = 0; i < s->pooled; i++) s->pool[i].users = 0;
    if (restored) {
        hw__virtual_layers_resume(e);
        return;
    }
    s->has_event = s->exhausted = false;
    s->pending = 0;
    s->gathered = 0;
    for (unsigned i = 0; i < e->crew.members; i++) {
        s->virtual[i].busy = s->virtual[i].done = false;
        s->virtual[i].snapshot = NULL;
    }
    hw__virtual_layers_resume(e);
    hw__timeline_restart(s->timeline);
    hw__cluster_begin(e);
}

static void rest(hw_engine *e, unsigned at_work)
{
    hw__timeline_rest(hw__simulated_of(e)->timeline, at_work);
}

static bool cluster_result(const hw_engine *e, hw_cluster_result *result)
{
    const hw__simulated *s = hw__simulated_of(e);
    if (s->cluster) hw__timeline_cluster_result(s->timeline, result);
    return s->cluster != NULL;
}

const hw__scheduler hw__scheduler_simulated = {.flags = HW__ONE_PAIR | HW__VIRTUAL | HW__LAYERS | HW__RESTS,
                                               .access = &hw__virtual_access,
                                               .check = hw__simulated_check,
                                               .crew = hw__simulated_crew,
                                               .plan = hw__simulated_plan,
                                               .begin = begin,
                                               .loop = loop,
                                               .worker = worker_of,
                                               .wake = wake,
                                               .now = now,
                                               .time = time_of,
                                               .setting = setting_of,
                                               .input = hw__cluster_input,
                                               .settle = settle,
                                               .forget = forget,
                                               .fields = hw__simulated_fields,
                                               .complete = hw__simulated_complete,
                                               .layers = hw__virtual_clock_has_layers,
                                               .rest = rest,
                                               .rests = hw__virtual_clock_has_layers,
                                               .cluster = cluster_result,
                                               .identity = hw__simulated_identity,
                                               .free = hw__simulated_free};
