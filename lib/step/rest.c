/* rest.c - how many workers step. Each gradient under way makes the others older, and a bound on the rate falls as
 * 1 / delay. So where a step is unstable for its delay, half of the workers rest, and the rate of the others need not
 * fall by as much: half of the rate with all of them would take as long, and end worse. A run begins with the fewest,
 * since that is when a net is shaken most easily and harmed for long; while the loss is calm twice as many join in
 * where that is stable; and one whose end is known ends with the fewest, so that what delay has stirred up settles.
 * Where the map says that nobody sees the delay (docs/science.md: rate times curvature times workers, over
 * 1 - momentum) none of this is done.
 *
 * Everything here is in the housekeeping's hands, or made while all are parked. */
#include "step.h"
#include <math.h>

enum {
    HOLD = 10, /* windows after a failure in which nobody joins in; twice as many after each further one */
    OVER = 2   /* the rate in force, over the linear bound, from which on half of them rest */
};

/* The map's x up to which 8 workers lose nothing whatever the law of their work is, by half: a curvature may rise. */
static const double unseen = 0.5;

static bool is_unseen(double rate, double curvature, double momentum, unsigned workers)
{
    return curvature > 0 && rate * curvature * workers <= unseen * (1 - momentum);
}

void hw__rest_plan(hw_engine *e)
{
    const hw__scheduler *s = e->scheduler;
    hw__rest *r = &e->rest;
    r->fewest = e->config.least_workers;
    /* Sparse steps seldom meet. */
    r->possible = e->recovery.on && s->flags & HW__RESTS && (!s->rests || s->rests(&e->config)) &&
                  e->crew.slots > r->fewest && !e->objective.touched;
    hw__rest_begin(e);
    hw__flags_set_at_work(&e->flags, r->at_work);
}

void hw__rest_begin(hw_engine *e)
{
    e->rest.at_work = e->rest.told = e->crew.slots;
    e->rest.hold = e->rest.measured_from = 0;
    e->rest.wait = HOLD;
    hw__counter_set(&e->rest.from, e->first_update);
    hw__counter_set(&e->rest.since, e->first_update);
    hw__counter_set_double(&e->rest.worked, 0);
}

void hw__rest_resume(hw_engine *e)
{
    hw__flags_set_at_work(&e->flags, e->rest.at_work);
    if (e->rest.possible && e->scheduler->rest) e->scheduler->rest(e, e->rest.at_work);
}

bool hw__rest_possible(const hw_engine *e)
{
    return e->rest.possible && e->rest.at_work > e->rest.fewest;
}

bool hw__has_steps(const hw_engine *e)
{
    return !hw__flags_stopped(&e->flags) && hw__counter_get(&e->tickets.taken) < hw__counter_get(&e->tickets.limit);
}

bool hw__rests(const hw_worker *w)
{
    const hw_engine *e = w->engine;
    if (w->member < hw__flags_at_work(&e->flags) || e->scheduler->flags & HW__VIRTUAL) return false;
    bool has_tickets = w->ticket + 1 < w->ticket_end; /* in hand, which are nobody else's */
    return !has_tickets && hw__has_steps(e);
}

bool hw__rest_now(hw_worker *w)
{
    hw__pause *g = &w->engine->pause;
    if (!hw__rests(w)) return false;
    /* Behind the lock, so that a change is seen in the flags, or else changes the number that is looked at to wake. */
    (void)pthread_mutex_lock(&g->mutex);
    w->rest_seen = hw__counter_get(&g->rests);
    bool now = hw__rests(w);
    (void)pthread_mutex_unlock(&g->mutex);
    return now;
}

static double worked(const hw_engine *e, uint64_t now)
{
    uint64_t since = hw__counter_get(&e->rest.since);
    double more = now > since ? (double)(now - since) * hw__flags_at_work(&e->flags) : 0;
    return hw__counter_get_double(&e->rest.worked) + more;
}

double hw__rest_mean(const hw_engine *e)
{
    uint64_t now = hw_params_clock(e->params), from = hw__counter_get(&e->rest.from);
    return now > from ? worked(e, now) / (double)(now - from) : hw__flags_at_work(&e->flags);
}

/* The delay of each layer, and of a whole step, is that of fewer or more workers until it has been measured. */
static void set(hw_engine *e, uint64_t now, unsigned workers, hw__rest_cause cause)
{
    hw__rest *r = &e->rest;
    double before = r->at_work - 1, after = workers - 1;
    hw__window_begin(e); /* the next window is of those who step now */
    for (size_t l = 0; e->layers.on && l < e->objective.layer_count; l++) {
        hw__layer *layer = e->layers.layer + l;
        layer->delay = before > 0 ? layer->delay * after / before : e->objective.layers[l].held * after;
    }
    hw__counter_set_double(&r->worked, worked(e, now));
    hw__counter_set(&r->since, now);
    r->at_work = workers;
    r->cause = (int)cause;
    r->measured_from = now + 3 * hw__due_updates_of_window(e) / 4;
    e->recovery.delay = after;
    hw__flags_set_at_work(&e->flags, workers);
    if (e->scheduler->rest) e->scheduler->rest(e, workers);
}

/* The rate that the policy allows, over the schedule's, also where that is more than 1. */
static double allowed(const hw_engine *e, const hw_policy_input *in)
{
    const double most = 8;
    hw_policy_input high = *in;
    hw_setting s;
    high.learning_rate *= most;
    hw_compensate(&e->config.compensation, &high, &s);
    return most * s.rate;
}

static unsigned half(unsigned workers, unsigned fewest)
{
    workers = (workers + 1) / 2;
    return workers > fewest ? workers : fewest;
}

void hw__rest_at_end(hw_engine *e, uint64_t now)
{
    hw__rest *r = &e->rest;
    const hw_optimizer *o = &e->config.optimizer;
    double rate = e->settings.now.rate * hw_schedule_rate(&o->schedule, now);
    if (!hw__rest_possible(e) || is_unseen(rate, e->curvature.value, o->momentum, r->at_work)) return;
    set(e, now, r->fewest, REST_ENDS);
    hw__counter_set(&e->due.window, now + 1);
}

bool hw__rest_after_failure(hw_engine *e, uint64_t now)
{
    hw__rest *r = &e->rest;
    if (!hw__rest_possible(e)) return false;
    set(e, now, half(r->at_work, r->fewest), REST_FAILS);
    hw__counter_set(&e->due.window, now + 1); /* look-ahead and rate are to be for them */
    r->hold = now + r->wait * hw__due_updates_of_window(e);
    if (r->wait < HW__REST_LONGEST / 2) r->wait *= 2;
    return true;
}

bool hw__rest_at_start(hw_engine *e, const hw_policy_input *in)
{
    hw__rest *r = &e->rest;
    const hw_schedule *schedule = &e->config.optimizer.schedule;
    if (!hw__rest_possible(e)) return false;
    /* A warm-up's first rate says nothing of the one that it rises to. */
    double rate = fmax(in->learning_rate, hw_schedule_rate(schedule, in->update + schedule->warmup));
    unsigned begin = r->at_work;
    while (begin > r->fewest && !is_unseen(rate, in->curvature, in->momentum, begin)) begin = half(begin, r->fewest);
    if (begin == r->at_work) return false;
    set(e, in->update, begin, REST_BEGINS);
    r->hold = in->update + hw__due_updates_of_window(e) / 2;
    return true;
}

bool hw__rest_judge(hw_engine *e, const hw_policy_input *in, double rate, bool risen)
{
    hw__rest *r = &e->rest;
    unsigned before = r->at_work;
    if (!r->possible) return false;
    /* By the linear bound, also where nets stand more: a small one that four workers shook for two windows, at less
     * than twice the bound, came to eight times the loss, and no loss on its way told. */
    double most = allowed(e, in) / fmax(1, e->config.compensation.margin);
    if (rate > OVER * most && r->at_work > r->fewest) {
        set(e, in->update, half(r->at_work, r->fewest), REST_BOUND);
    } else if (risen && in->update >= r->hold && r->at_work < e->crew.slots) {
        unsigned workers = 2 * r->at_work < e->crew.slots ? 2 * r->at_work : e->crew.slots;
        if (rate <= most * fmax(1, r->at_work - 1.0) / (workers - 1.0)) {
            set(e, in->update, workers, REST_JOINS);
            r->hold = in->update + hw__due_updates_of_window(e) / 2;
        }
    }
    return r->at_work != before;
}

const char *hw__rest_why(const hw_engine *e)
{
    static const char *const why[] = {"a run begins", "more join in", "half rest: the rate is above what is allowed",
                                      "half rest: the loss has risen", "the run ends"};
    bool known = e->rest.cause >= 0 && (size_t)e->rest.cause < sizeof why / sizeof *why;
    return e->rest.at_work != e->rest.told && known ? why[e->rest.cause] : NULL;
}
