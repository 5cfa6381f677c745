/* exchange.c - when a worker's replica is exchanged, and what is known of the direction in which sums overshoot.
 *
 * What several workers do from the same start adds up: along a direction of curvature h, k steps at rate a of M workers
 * overshoot its optimum where a h k (M - 1) is not small. The exchange itself corrects that along the principal
 * direction (params/replica.c), so where the objective knows one the interval is bounded by the next curvature; without
 * one, by experience. */
#include "../optimizer/optimizer.h"
#include "../params/door.h"
#include "step.h"
#include <math.h>

enum { FIRST = 256, LEAST = 16 };

/* The longest interval at which the workers' sums stay what the same steps one after the other would come to; four
 * exchanges an epoch a worker. */
static double longest(hw_worker *w)
{
    const hw_engine *e = w->engine;
    double others = e->crew.slots - 1, most = 256 / others;
    if (e->principal.on) {
        double strength = hw_learning_rate(w) * e->principal.across * others;
        most = strength > 0 ? fmin(1e6, 2 / strength) : 1e6;
    }
    if (e->objective.examples) most = fmin(most, floor((double)e->objective.examples / (4.0 * e->crew.slots)));
    return most;
}

static double less(double most, double every)
{
    return every > 0 ? fmin(most, every) : most;
}

/* One worker's: as rare as what goes by updates of the shared array allows. */
static uint32_t alone(const hw_engine *e)
{
    const hw_config *c = &e->config;
    double most = less(4096, floor((double)e->objective.examples / 8));
    if (e->average.mean) most = less(most, (double)c->average_every);
    if (e->objective.evaluate) most = less(most, (double)c->evaluate_every);
    if (e->captures.state) most = less(most, (double)c->checkpoint_every);
    return (uint32_t)fmax(LEAST, most);
}

/* So many steps that an exchange takes about a fortieth of their time, but no more than is safe, or up to twice as many
 * where that would cost a fifth of the time. A thread that lost its core meanwhile says nothing of how long either
 * takes: the fastest count.
 */
static uint32_t chosen_interval(hw_worker *w, double steps_ns, double exchange_ns)
{
    if (w->engine->crew.slots == 1) return alone(w->engine);
    hw__exchange_times *t = &w->exchange_times;
    t->step = t->step > 0 ? fmin(t->step, steps_ns / w->since) : steps_ns / w->since;
    t->exchange = t->exchange > 0 ? fmin(t->exchange, exchange_ns) : exchange_ns;
    double steps = t->step > 0 ? t->exchange / t->step : 0;
    double safe = longest(w), chosen = fmax(4 * steps, fmin(40 * steps, safe));
    return (uint32_t)fmin(1e9, fmax(LEAST, fmin(chosen, 2 * safe)));
}

/* What the worker's steps since the last exchange would have taken back of the others' way along the principal
 * direction, had they begun where the others have gone. */
static double undone(hw_worker *w)
{
    const hw_engine *e = w->engine;
    return e->principal.on ? 1 - exp(-hw_learning_rate(w) * e->principal.along * w->since) : 0;
}

uint32_t hw__exchange_interval(hw_worker *w)
{
    if (w->engine->config.exchange_interval) return w->engine->config.exchange_interval;
    if (w->exchange_every) return w->exchange_every;
    return w->engine->crew.slots == 1 ? alone(w->engine) : (uint32_t)fmax(LEAST, fmin(FIRST, longest(w)));
}

bool hw__exchange(hw_worker *w, bool due)
{
    hw_engine *e = w->engine;
    if (!e->steps.exchanges || w->since == 0 || (due && w->since < hw__exchange_interval(w))) return true;
    double loss = w->smooth_loss;
    uint64_t from = hw_now(), read_clock = w->read_clock;
    w->read_ns = w->exchange_ns;
    uint64_t others = hw__params_exchange(e->params, w->slot, w->since, undone(w), &w->note);
    uint64_t now = hw_now();
    if (e->config.exchange_interval == 0 && (due || !w->exchange_every)) /* one that a pause asks for is early */
        w->exchange_every = chosen_interval(w, (double)(from - w->exchange_ns), (double)(now - from));
    w->read_clock = hw_params_clock(e->params);
    w->since = 0;
    hw__counter_add(&w->exchanges, 1);
    if (w->unmeasured) {
        w->unmeasured--; /* hw__step_observe adds the one that it is called for */
        hw__step_observe(w, others);
    }
    w->exchange_ns = now;
    w->parked_ns = 0;
    hw__periodic_keep(e, hw_params_clock(e->params), loss, read_clock);
    return !hw__flags_failed(&e->flags);
}
