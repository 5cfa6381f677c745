/* simulated.c - SIMULATED: the loop of one real thread. One thread at a time lands and reads, in the timeline's order;
 * the others compute gradients whose states are known. The order of events never depends on who was faster, so the
 * bits do not either. */
#include "simulated.h"
#include "../base/cpu.h"
#include "../base/heap.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

#define SPINS 2000

uint64_t hw__simulated_now(const hw_engine *e)
{
    double ns = hw__simulated_time(e) * 1e6;
    return ns < 9e18 ? (uint64_t)ns : (uint64_t)9e18;
}

double hw__simulated_time(const hw_engine *e)
{
    return e->sim ? hw__counter_get_double(&e->sim->time_bits) : 0;
}

bool hw__simulated_setting(const hw_engine *e, uint32_t number, hw_setting *setting)
{
    if (!e->sim || !e->sim->replay) return false;
    const hw__trace_setting *t = e->config.simulation.trace->setting + number;
    memset(setting, 0, sizeof *setting);
    setting->update = hw_params_clock(e->params);
    setting->rate = t->rate;
    setting->momentum = t->momentum;
    setting->ahead = t->ahead;
    setting->exact = t->exact;
    setting->implicit = NAN;
    setting->policy = e->config.compensation.policy;
    (void)snprintf(setting->reason, sizeof setting->reason, "as recorded");
    return true;
}

static void set_time(hw_engine *e, double time)
{
    union {
        double x;
        uint64_t bits;
    } u = {time};
    hw__counter_set(&e->sim->time_bits, u.bits);
}

static void next_event(hw_engine *e)
{
    struct hw__simulated *s = e->sim;
    if (s->has_event) return;
    hw__timeline_next(s->timeline, &s->event);
    s->has_event = true;
    set_time(e, s->event.time);
}

/* A replay goes as far as its trace, or to the configured number of updates. */
static bool replayed(const hw_engine *e)
{
    const struct hw__simulated *s = e->sim;
    return s->event.end ||
           (s->replay && s->event.land &&
            hw_params_clock(e->params) - e->first_update >= hw__counter_get(&e->ticket_limit) - e->first_ticket);
}

/* A read: false where the lane found no ticket. */
static bool read_now(hw_engine *e)
{
    struct hw__simulated *s = e->sim;
    if (hw__virtual_read(e, &s->event)) {
        s->pending++;
        return true;
    }
    s->exhausted = true;
    hw__timeline_drop(s->timeline);
    return false;
}

static void land_now(hw_engine *e)
{
    struct hw__simulated *s = e->sim;
    if (e->worker[s->event.lane].lane->busy) s->pending--;
    hw__virtual_land(e, &s->event);
}

/* An update that was gathering when the tickets ran out, of a run that goes on with more: whoever is left may be too
 * few to complete it, so it lands as it would have at the end. */
static bool left_over(const hw_engine *e)
{
    const struct hw__simulated *s = e->sim;
    return s->gathered && !s->has_event && !s->exhausted && !s->timeline->gathered;
}

static void poll_stop(hw_engine *e)
{
    if (e->config.stop_flag && *e->config.stop_flag) hw__flags_stop(&e->latch, HW_STOP_ASKED);
}

/* --- one real thread: every gradient is computed when it is read, from the live array
 * --------------------------------- */

static void loop_alone(hw_engine *e, hw__runner *runner)
{
    struct hw__simulated *s = e->sim;
    for (;;) {
        if (hw__flags_stopped(&e->latch)) return;
        if (hw__flags_paused(&e->latch)) {
            if (!hw__pause_enter(&runner->worker, PAUSE_BETWEEN)) return;
            continue; /* the evaluation may have ended the run */
        }
        if (s->exhausted && !s->pending) break;
        if (left_over(e)) hw__virtual_flush(e);
        next_event(e);
        if (replayed(e)) break;
        s->has_event = false;
        if (s->event.land)
            land_now(e);
        else if (read_now(e))
            hw__virtual_compute(e, runner, e->worker + s->event.lane);
        poll_stop(e);
    }
    hw__virtual_flush(e);
}

/* --- several
 * ---------------------------------------------------------------------------------------------------------- */

/* The mutex is held. The state as the lane reads it: shared with others that read the same; NULL where all are taken.
 */
static hw__snapshot *snapshot(hw_engine *e, float ahead, bool *fresh)
{
    struct hw__simulated *s = e->sim;
    uint64_t version = hw_params_clock(e->params);
    *fresh = false;
    if (s->current && s->current->version == version && s->current->ahead >= ahead && s->current->ahead <= ahead)
        return s->current;
    for (unsigned i = 0; i < s->pooled; i++) {
        if (s->pool[i].users) continue;
        s->current = s->pool + i;
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
    const float *x = hw_params_read(e->params, 0, to->ahead, to->x, &note);
    if (x != to->x) memcpy(to->x, x, e->objective.parameters * sizeof *x);
    hw_params_release(e->params, 0);
}

static void changed(struct hw__simulated *s)
{
    hw__counter_add(&s->changes, 1);
    (void)pthread_cond_broadcast(&s->changed);
}

/* The mutex is held; it is given up while the array is read or written, with `landing` keeping others off. */
static bool advance_read(hw_engine *e, hw__runner *runner)
{
    struct hw__simulated *s = e->sim;
    hw_worker *w = e->worker + s->event.lane;
    hw__snapshot *own = NULL;
    bool fresh = false;
    if (!s->sparse) {
        double ahead = e->setting.ahead; /* only whoever lands changes it, and nobody lands now */
        if (s->event.recorded) ahead = e->config.simulation.trace->setting[s->event.setting].ahead;
        own = snapshot(e, (float)ahead, &fresh);
        if (!own) return false;
        own->users++;
    }
    s->landing = true;
    (void)pthread_mutex_unlock(&s->mutex);
    w->lane->snapshot = own;
    bool has_read = read_now(e);
    if (has_read && fresh) fill(e, own);
    if (has_read && !own) {
        hw__virtual_compute(e, runner, w);
        w->lane->done = true;
    }
    (void)pthread_mutex_lock(&s->mutex);
    if (has_read && own) hw__heap_push(s->queue, &s->queued, s->due, s->event.lane);
    if (!has_read && own && --own->users == 0) s->current = NULL;
    return true;
}

static bool advance(hw_engine *e, hw__runner *runner)
{
    struct hw__simulated *s = e->sim;
    bool over = s->exhausted && !s->pending;
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
    if (s->event.land) {
        const hw__virtual *lane = e->worker[s->event.lane].lane;
        if (lane->busy && !lane->done) return false;
        s->landing = true;
        (void)pthread_mutex_unlock(&s->mutex);
        land_now(e);
        (void)pthread_mutex_lock(&s->mutex);
    } else if (!advance_read(e, runner)) {
        return false;
    }
    s->landing = s->has_event = false;
    changed(s);
    return true;
}

/* The mutex is held: the queued lane that lands first, on this thread. */
static void compute_one(hw_engine *e, hw__runner *runner)
{
    struct hw__simulated *s = e->sim;
    hw_worker *w = e->worker + hw__heap_pop(s->queue, &s->queued, s->due);
    (void)pthread_mutex_unlock(&s->mutex);
    hw__virtual_compute(e, runner, w);
    (void)pthread_mutex_lock(&s->mutex);
    w->lane->done = true;
    w->lane->snapshot->users--;
    w->lane->snapshot = NULL;
    changed(s);
}

/* Look a while before sleeping: what is waited for is often some microseconds away. */
static void wait_for_change(struct hw__simulated *s, uint32_t spins)
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
    struct hw__simulated *s = e->sim;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t spins = (long)e->threads <= cores ? SPINS : 0;
    (void)pthread_mutex_lock(&s->mutex);
    while (!s->over && !hw__flags_stopped(&e->latch)) {
        if (hw__flags_paused(&e->latch)) {
            (void)pthread_mutex_unlock(&s->mutex);
            bool through = hw__pause_enter(&runner->worker, PAUSE_BETWEEN);
            (void)pthread_mutex_lock(&s->mutex);
            if (!through) break;
            continue;
        }
        poll_stop(e);
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

void hw__simulated_settle(hw_worker *worker)
{
    hw_engine *e = worker->engine;
    struct hw__simulated *s = e->sim;
    (void)pthread_mutex_lock(&s->mutex);
    while (s->queued) compute_one(e, s->runner + worker->id);
    (void)pthread_mutex_unlock(&s->mutex);
}

void hw__simulated_loop(hw_worker *worker)
{
    hw_engine *e = worker->engine;
    hw__runner *runner = e->sim->runner + worker->id;
    if (e->sim->alone)
        loop_alone(e, runner);
    else
        loop_together(e, runner);
}

hw_worker *hw__simulated_worker(hw_engine *e, unsigned thread)
{
    return &e->sim->runner[thread].worker;
}

void hw__simulated_wake(hw_engine *e)
{
    struct hw__simulated *s = e->sim;
    if (!s || !s->ready) return;
    (void)pthread_mutex_lock(&s->mutex);
    changed(s);
    (void)pthread_mutex_unlock(&s->mutex);
}

void hw__simulated_begin(hw_engine *e, bool restored)
{
    struct hw__simulated *s = e->sim;
    s->landing = s->over = false;
    s->queued = 0;
    s->current = NULL;
    for (unsigned i = 0; i < s->pooled; i++) s->pool[i].users = 0;
    if (restored) return;
    s->has_event = s->exhausted = false;
    s->pending = 0;
    s->gathered = 0;
    for (unsigned i = 0; i < e->members; i++) {
        s->lane[i].busy = s->lane[i].done = false;
        s->lane[i].snapshot = NULL;
    }
    hw__timeline_restart(s->timeline);
}
