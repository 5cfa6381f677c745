/* resting.h - a quadratic that eight workers train under policy auto, and what was seen of its updates: for tests of
 * workers that rest. */
#ifndef RESTING_H
#define RESTING_H

#include "check.h"
#include <stdatomic.h>

enum { N = 8, WORKERS = 8, UPDATES = 1600, SLOW = 400 };

/* The seen of a run, by update; every worker writes at its own updates. */
typedef struct watch {
    uint32_t worker[UPDATES + WORKERS], staleness[UPDATES + WORKERS];
    _Atomic uint64_t landed;
    hw_engine *engine;
    uint64_t stop_at;
} watch;

static inline void see(void *context, const hw_update_event *event)
{
    watch *s = context;
    if (event->update < UPDATES + WORKERS) {
        s->worker[event->update] = event->worker;
        s->staleness[event->update] = (uint32_t)event->staleness;
    }
    s->landed++;
    if (s->stop_at && event->update == s->stop_at) hw_engine_stop(s->engine);
}

typedef struct quadratic {
    float curvature;
    _Atomic uint32_t *visits; /* of each example; NULL: nobody counts */
} quadratic;

static inline double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    quadratic *q = self;
    double loss = 0.01 * (1 + b->index[0] % 7);
    (void)scratch;
    for (uint32_t i = 0; q->visits && i < b->count; i++) q->visits[b->index[i]]++;
    for (int j = 0; j < N; j++) {
        g[j] = q->curvature * (x[j] - 1);
        loss += 0.5 * (double)g[j] * (double)(x[j] - 1);
    }
    return loss;
}

static inline hw_objective objective(quadratic *q)
{
    hw_objective o = hw_objective_defaults("quadratic", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    o.self = q;
    return o;
}

static inline hw_config config(hw_scheduler scheduler)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = scheduler == HW_GROUPS ? 2 * WORKERS : WORKERS;
    c.groups = scheduler == HW_GROUPS ? WORKERS : 1;
    c.simulation.clock = HW_CLOCK_ROUND_ROBIN;
    c.simulation.threads = 1;
    c.batch = 8;
    c.epochs = 0;
    c.updates = UPDATES;
    c.curvature = -1; /* nobody warns of it */
    c.optimizer.schedule.base = 0.002;
    return c;
}

#endif
