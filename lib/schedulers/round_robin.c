/* round_robin.c - ROUND_ROBIN: threads that read and land in turns, gradients in parallel (Langford, Smola, Zinkevich
 * 2009; Xu et al. 2021). Worker 0 lands what it has and reads anew, then worker 1 does, and so on: every update is
 * based on a state that is exactly M - 1 updates old (the first ones and those after a capture, which empties the ring,
 * on a younger one), and a run is repeated bit for bit on any machine of the same kind.
 *
 * The turn passes after a read, so a worker computes while the others have it, and comes back for it at its write. Who
 * finds no ticket leaves the ring. For an evaluation a worker parks while it waits for its turn at a write, as others
 * park before one; for a capture it gives its turn away unused, with nothing in hand, so that the others can land. */
#include "../base/cpu.h"
#include "../step/members.h"
#include "async.h"

#define SPINS 2000

typedef struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    hw__base_counter turn; /* whose it is; written under the mutex */
    bool *left, *rests;    /* of each worker: it found no ticket; it waits to be at work again; under the mutex */
    uint32_t spins;
} ring;

static ring *ring_of(const hw_engine *e)
{
    return e->own;
}

/* Until it is this worker's turn. place: where it parks meanwhile. False: the run fails. */
static bool await_turn(hw_worker *w, hw__park_place place)
{
    hw_engine *e = w->engine;
    ring *r = ring_of(e);
    /* A capture waits for those who have a gradient in hand: they go on to land it. */
    const int parks = place == HW__PARK_WRITE ? FLAGS_EVALUATE : FLAGS_EVALUATE | FLAGS_BETWEEN;
    for (;;) {
        if (hw__flags_paused(&e->flags) & parks && !hw__park(w, place)) return false;
        for (uint32_t i = 0; i < r->spins && hw__counter_get(&r->turn) != w->id; i++) {
            if (hw__flags_paused(&e->flags) & parks || hw__flags_failed(&e->flags)) break;
            hw__cpu_relax();
        }
        (void)pthread_mutex_lock(&r->mutex);
        while (hw__counter_get(&r->turn) != w->id && !hw__flags_failed(&e->flags) &&
               !(hw__flags_paused(&e->flags) & parks))
            (void)pthread_cond_wait(&r->changed, &r->mutex);
        bool mine = hw__counter_get(&r->turn) == w->id && !(hw__flags_paused(&e->flags) & parks);
        (void)pthread_mutex_unlock(&r->mutex);
        if (hw__flags_failed(&e->flags)) return false;
        if (mine) return true;
    }
}

typedef enum passing { PASS_ON, PASS_LEAVING, PASS_RESTING } passing;

/* To the next one who is still in the ring and does not rest. */
static void pass_turn(hw_worker *w, passing how)
{
    const hw_engine *e = w->engine;
    ring *r = ring_of(e);
    unsigned m = e->crew.threads, next = w->id;
    bool pauses = (hw__flags_paused(&e->flags) & FLAGS_BETWEEN) != 0; /* who has nothing in hand waits for it */
    (void)pthread_mutex_lock(&r->mutex);
    if (how == PASS_LEAVING) r->left[w->id] = true;
    r->rests[w->id] = how == PASS_RESTING;
    for (unsigned k = 1; k <= m; k++) {
        next = (w->id + k) % m;
        if (!r->left[next] && !(r->rests[next] && (pauses || hw__rests(e->worker + next)))) break;
    }
    r->rests[next] = false;
    hw__counter_set(&r->turn, next);
    (void)pthread_mutex_unlock(&r->mutex);
    (void)pthread_cond_broadcast(&r->changed);
}

/* Somebody who sleeps for a turn is to look at the flags. */
static void wake(hw_engine *e)
{
    ring *r = ring_of(e);
    (void)pthread_mutex_lock(&r->mutex);
    (void)pthread_mutex_unlock(&r->mutex);
    (void)pthread_cond_broadcast(&r->changed);
}

static const float *read_in_turn(hw_worker *w, const hw__extent *x, float *values)
{
    if (w->has_read)
        hw__fail(w->engine, HW_E_UNSUPPORTED,
                 "an objective that reads twice before it writes cannot run under "
                 "ROUND_ROBIN, whose reads have a turn each");
    const float *read = hw__step_read(w, x, values);
    if (!hw__flags_failed(&w->engine->flags)) pass_turn(w, PASS_ON);
    return read;
}

static hw_status write_in_turn(hw_worker *w, const hw__extent *x, const float *g, double loss)
{
    if (w->pairs) {
        hw__fail(w->engine, HW_E_UNSUPPORTED,
                 "an objective with more than one pair of read and write a step cannot run under ROUND_ROBIN");
        return HW_E_STOPPED;
    }
    if (w->has_read && !await_turn(w, HW__PARK_WRITE)) return HW_E_STOPPED;
    hw_status status = hw__step_write(w, x, g, loss, w->batch.count);
    if (hw__flags_paused(&w->engine->flags)) wake(w->engine); /* this landing has asked the others in */
    return status;
}

static const hw__access in_turn = {read_in_turn, write_in_turn, NULL, NULL};

static void loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket;
    bool going = await_turn(w, HW__PARK_BETWEEN);
    while (going) {
        hw__times_poll_stop(e);
        if (hw__flags_paused(&e->flags) & FLAGS_BETWEEN) {
            pass_turn(w, PASS_ON);
            going = await_turn(w, HW__PARK_BETWEEN);
            continue;
        }
        if (hw__rests(w)) {
            pass_turn(w, PASS_RESTING);
            going = await_turn(w, HW__PARK_BETWEEN);
            continue;
        }
        if (hw__flags_stopped(&e->flags) || !hw__tickets_take(w, &ticket)) break;
        going = hw__async_step(w, ticket, NULL);
    }
    /* A step that ended without a write has given its turn away: it leaves when it comes round again. */
    bool mine = hw__counter_get(&ring_of(e)->turn) == w->id;
    if (!hw__flags_failed(&e->flags) && (mine || await_turn(w, HW__PARK_BETWEEN))) pass_turn(w, PASS_LEAVING);
    hw_params_release(e->params, w->slot);
}

/* --- the row --------------------------------------------------------------------------------------------------------
 */

static hw_status check(const hw_config *c, const hw_objective *o, char *why)
{
    (void)o;
    if (c->clock_interval != 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.clock_interval is %u: scheduler round-robin's clock is exact: 1",
                             c->clock_interval);
    return HW_OK;
}

static hw_status plan(hw_engine *e, char *why)
{
    ring *r = e->own = hw__memory_zalloc(&e->memory, 1, sizeof *r);
    if (r) r->left = hw__memory_zalloc(&e->memory, 2 * (size_t)e->crew.threads, sizeof *r->left);
    if (!r || !r->left || pthread_mutex_init(&r->mutex, NULL) != 0) return hw__no_memory(why, "a ring of workers");
    r->rests = r->left + e->crew.threads;
    r->ready = pthread_cond_init(&r->changed, NULL) == 0;
    if (!r->ready) {
        (void)pthread_mutex_destroy(&r->mutex);
        return hw__no_memory(why, "a ring of workers");
    }
    r->spins = hw__barrier_spins(e->crew.threads, SPINS);
    return hw__members_plan(e, why);
}

static void begin(hw_engine *e, bool restored)
{
    ring *r = ring_of(e);
    for (unsigned i = 0; i < e->crew.threads; i++) r->left[i] = r->rests[i] = false;
    if (!restored) hw__counter_set(&r->turn, 0);
}

/* Between steps nobody has anything in hand, so whose turn it is says all. */
static void fields(hw_engine *e, hw__walk *v)
{
    static const hw__field table[] = {{"turn", offsetof(ring, turn), WALK_COUNTER, WALK_COUNT}};
    ring *r = ring_of(e);
    hw__walk_values(v, "ring", WALK_FIELDS(table), r);
    if (hw__walk_checks(v) && hw_state_number(v->from, "ring.turn", 0) >= e->crew.threads)
        hw__walk_refuse(v, "entry 'ring.turn' of the state is no worker of this engine");
}

static void release(hw_engine *e)
{
    ring *r = ring_of(e);
    hw__members_free(e);
    if (!r) return;
    if (r->ready) {
        (void)pthread_cond_destroy(&r->changed);
        (void)pthread_mutex_destroy(&r->mutex);
    }
}

const hw__scheduler hw__scheduler_round_robin = {.flags = HW__ONE_PAIR | HW__IN_TURN | HW__RESTS,
                                                 .access = &in_turn,
                                                 .check = check,
                                                 .crew = hw__async_crew,
                                                 .plan = plan,
                                                 .begin = begin,
                                                 .loop = loop,
                                                 .wake = wake,
                                                 .fields = fields,
                                                 .free = release};
