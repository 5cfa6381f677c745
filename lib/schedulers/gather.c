/* gather.c - GATHER: threads whose update is the mean of the first k gradients to arrive (Wang et al.; backup workers
 * of Chen et al. 2016): nobody waits for stragglers, and their gradients count in a later update instead of being lost.
 *
 * A worker that has brought its gradient waits until the update is there, and then reads anew. The k-th one lands the
 * mean, with no lock held while it does. Where fewer than k can come any more, since the others have run out of
 * tickets, what is there lands. What has been gathered when a state is captured stands in it, so nobody has anything in
 * hand while they wait, and they park as others do between steps. */
#include "../step/ages.h"
#include "../step/members.h"
#include "../step/step.h"
#include "async.h"
#include <string.h>

typedef struct gathering {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    /* under the mutex; sum, loss and examples are the closing worker's while `closing` */
    bool closing;
    uint64_t generation; /* of updates */
    unsigned alive;      /* workers that may still bring something */
    unsigned waiting;    /* of those, who have */
    uint32_t gathered, examples;
    double loss;
    float *sum;
} gathering;

static gathering *gathering_of(const hw_engine *e)
{
    return e->own;
}

/* Somebody who waits is to look at the flags. */
static void wake(hw_engine *e)
{
    gathering *s = gathering_of(e);
    (void)pthread_mutex_lock(&s->mutex);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_cond_broadcast(&s->changed);
}

/* The mutex is held. Who has waited goes on, whenever it wakes. */
static void next_update(gathering *s)
{
    s->gathered = s->examples = s->waiting = 0;
    s->loss = 0;
    s->generation++;
}

/* The mean lands as this worker's, who has set `closing`; the mutex is not held. */
static hw_status land(hw_worker *w)
{
    hw_engine *e = w->engine;
    gathering *s = gathering_of(e);
    const float share = 1 / (float)s->gathered;
    for (size_t i = 0; i < w->all.count; i++) s->sum[i] *= share;
    w->pending.g = s->sum;
    w->pending.loss = s->loss / s->gathered;
    w->pending.clipped = false; /* counted with the single gradients */
    hw_status status = hw__step_land(w, s->examples, 1);
    (void)pthread_mutex_lock(&s->mutex);
    s->closing = false;
    next_update(s);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_cond_broadcast(&s->changed);
    return status;
}

/* The mutex is held. Nobody else can bring anything before this update is there. */
static bool all_wait(const gathering *s)
{
    return s->waiting == s->alive && s->gathered && !s->closing;
}

/* Until the update that it has brought its gradient to has landed; true where it is this worker that lands it. The
 * mutex is held on entry and on return. */
static bool await_update(hw_worker *w)
{
    hw_engine *e = w->engine;
    gathering *s = gathering_of(e);
    const uint64_t mine = s->generation;
    bool lands = false;
    s->waiting++;
    while (s->generation == mine && !hw__flags_failed(&e->flags)) {
        if (hw__flags_paused(&e->flags)) {
            (void)pthread_mutex_unlock(&s->mutex);
            bool through = hw__park(w, HW__PARK_BETWEEN);
            (void)pthread_mutex_lock(&s->mutex);
            if (!through) break;
        } else if (all_wait(s)) {
            lands = s->closing = true;
            break;
        } else {
            (void)pthread_cond_wait(&s->changed, &s->mutex);
        }
    }
    if (s->generation == mine) s->waiting--;
    return lands;
}

/* A gradient that has been checked joins the update under way. */
static hw_status deliver(hw_worker *w)
{
    hw_engine *e = w->engine;
    gathering *s = gathering_of(e);
    const hw__pending *p = &w->pending;
    /* An evaluation is of the update that it is due at: nothing joins, and so nothing lands, before it. */
    for (;;) {
        if (!hw__park_before_write(w)) return HW_E_STOPPED;
        (void)pthread_mutex_lock(&s->mutex);
        while (s->closing && !hw__flags_failed(&e->flags)) (void)pthread_cond_wait(&s->changed, &s->mutex);
        if (hw__flags_failed(&e->flags)) {
            (void)pthread_mutex_unlock(&s->mutex);
            return HW_E_STOPPED;
        }
        if (!(hw__flags_paused(&e->flags) & FLAGS_EVALUATE)) break;
        (void)pthread_mutex_unlock(&s->mutex);
    }
    const uint64_t clock = hw_params_clock(e->params), delivered = hw_now();
    const float weight = (float)hw__ages_factor(e, clock - w->note.clock);
    for (size_t i = 0; i < w->all.count; i++) s->sum[i] = (s->gathered ? s->sum[i] : 0) + weight * p->g[i];
    s->loss += p->loss;
    s->examples += w->batch.count;
    s->gathered++;
    bool lands = s->gathered >= e->crew.gather;
    if (lands)
        s->closing = true;
    else
        lands = await_update(w);
    (void)pthread_mutex_unlock(&s->mutex);
    if (hw__flags_failed(&e->flags)) return HW_E_STOPPED;
    w->parked_ns += hw_now() - delivered; /* waiting is no work */
    if (p->clipped) hw__counter_add(&w->clipped, 1);
    if (lands) return land(w);
    hw__step_observe(w, clock); /* each gradient is a contribution of its own in the histograms */
    return HW_OK;
}

static hw_status gather_write(hw_worker *w, const hw__extent *x, const float *g, double loss)
{
    hw_engine *e = w->engine;
    if (w->pairs || !x->all || x->raw) {
        hw__fail(e, HW_E_UNSUPPORTED,
                 "scheduler gather takes one dense gradient a step: no ranges, no coordinates, no deltas of its own");
        return HW_E_STOPPED;
    }
    if (!w->has_read) return hw__step_write(w, x, g, loss, w->batch.count); /* says so */
    w->has_read = false;
    hw__step_prepare(w, x, g, loss);
    /* Says what is wrong with it, and leaves it out. */
    if (!w->pending.loss_finite || !w->pending.finite) return hw__step_land(w, 0, 1);
    return deliver(w);
}

static const hw__access gather_access = {hw__step_read, gather_write, NULL, NULL};

/* Everybody who waits is to come where this one goes. */
static bool between(hw_worker *w)
{
    hw_engine *e = w->engine;
    if (hw__flags_paused(&e->flags)) {
        wake(e);
        if (!hw__park(w, HW__PARK_BETWEEN)) return false;
    }
    hw__times_check(e); /* a worker that only waits measures nothing */
    hw__times_poll_stop(e);
    return true;
}

/* What a resumed run has of the one before, and nobody had a ticket to complete. */
static void land_left_over(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__step_setting(w);
    w->note = (hw_read_note){hw_params_clock(e->params), 0, 0, 1};
    w->read_ns = hw_now();
    w->parked_ns = 0;
    hw__tickets_number(w, hw__counter_get(&e->tickets.limit) - 1);
    w->pending = (hw__pending){hw__extent_all(&w->all), NULL, 0, HW_OK, true, true, false};
    (void)land(w);
}

static void loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    gathering *s = gathering_of(e);
    uint64_t ticket;
    while (!hw__flags_stopped(&e->flags) && hw__tickets_take(w, &ticket)) {
        if (!hw__async_step(w, ticket, NULL)) break;
        if (!between(w)) break;
    }
    (void)pthread_mutex_lock(&s->mutex);
    bool left_over = --s->alive == 0 && s->gathered && !s->closing && !hw__flags_failed(&e->flags) &&
                     hw__counter_get(&e->tickets.taken) >= hw__counter_get(&e->tickets.limit);
    if (left_over) s->closing = true;
    (void)pthread_mutex_unlock(&s->mutex);
    if (left_over) land_left_over(w);
    (void)pthread_cond_broadcast(&s->changed); /* who is left may be too few */
    hw_params_release(e->params, w->slot);
}

/* --- the row --------------------------------------------------------------------------------------------------------
 */

static hw_status check(const hw_config *c, const hw_objective *o, char *why)
{
    unsigned k = c->simulation.gather;
    if (k < 2 || k > c->workers)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.simulation.gather is %u: scheduler gather takes the mean of the first so many of "
                             "%u workers' gradients, from 2 on (1 is scheduler async)",
                             k, c->workers);
    if (o->touched)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "scheduler gather takes dense gradients, the objective's are sparse");
    if (c->optimizer.velocity == HW_VELOCITY_PRIVATE)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "velocity private needs updates of one's own: not with gathering");
    if (c->trace)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.trace: updates that are gathered are not recorded");
    if (c->clock_interval > 1)
        return hw__base_fail(why, HW_E_UNSUPPORTED, "config.clock_interval is %u: scheduler gather's clock is exact: 1",
                             c->clock_interval);
    return HW_OK;
}

static hw_status crew(const hw_config *c, hw__crew *crew, char *why)
{
    unsigned m = c->workers, k = c->simulation.gather > 0 ? c->simulation.gather : 1;
    (void)why;
    *crew = (hw__crew){m, (m + k / 2) / k, m, m, m, m, 1, k};
    if (!crew->slots) crew->slots = 1;
    return HW_OK;
}

static hw_status plan(hw_engine *e, char *why)
{
    gathering *s = e->own = hw__memory_zalloc(&e->memory, 1, sizeof *s);
    if (s) s->sum = hw__memory_zalloc(&e->memory, hw__whole_lines(e->objective.parameters), sizeof *s->sum);
    if (!s || !s->sum || pthread_mutex_init(&s->mutex, NULL) != 0) return hw__no_memory(why, "gathering");
    s->ready = pthread_cond_init(&s->changed, NULL) == 0;
    if (!s->ready) {
        (void)pthread_mutex_destroy(&s->mutex);
        return hw__no_memory(why, "gathering");
    }
    return hw__members_plan(e, why);
}

static void begin(hw_engine *e, bool restored)
{
    gathering *s = gathering_of(e);
    s->alive = e->crew.threads;
    s->waiting = 0;
    s->closing = false;
    if (!restored) next_update(s);
}

static void fields(hw_engine *e, hw__walk *v)
{
    static const hw__field table[] = {{"gathered", offsetof(gathering, gathered), WALK_U32, WALK_ANY},
                                      {"examples", offsetof(gathering, examples), WALK_U32, WALK_ANY},
                                      {"loss", offsetof(gathering, loss), WALK_F64, WALK_ANY}};
    gathering *s = gathering_of(e);
    size_t n = e->objective.parameters;
    hw__walk_values(v, "run.gather", WALK_FIELDS(table), s);
    if (v->way == WALK_PUT && !s->gathered) memset(s->sum, 0, n * sizeof *s->sum);
    hw__walk_plain(v, "run.gather.sum", HW_F32, s->sum, n);
    if (hw__walk_checks(v) && hw_state_number(v->from, "run.gather.gathered", 0) >= e->crew.gather)
        hw__walk_refuse(v, "entry 'run.gather.gathered' of the state is a whole update");
}

static void release(hw_engine *e)
{
    gathering *s = gathering_of(e);
    hw__members_free(e);
    if (!s || !s->ready) return;
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->mutex);
}

const hw__scheduler hw__scheduler_gather = {.flags = HW__ONE_PAIR,
                                            .access = &gather_access,
                                            .check = check,
                                            .crew = crew,
                                            .plan = plan,
                                            .begin = begin,
                                            .loop = loop,
                                            .wake = wake,
                                            .fields = fields,
                                            .free = release};
