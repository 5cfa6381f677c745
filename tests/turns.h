/* turns.h - a quadratic that simulated workers train in turns, so that every gradient is as old as there are others:
 * what hw_efficiency measures of it is known. */
#ifndef TURNS_H
#define TURNS_H

#include "check.h"
#include <hogwild/efficiency.h>

enum { N = 4 };
#define CURVATURE 1.0

static inline double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch, (void)b;
    for (int j = 0; j < N; j++) {
        g[j] = (float)CURVATURE * x[j];
        loss += 0.5 * CURVATURE * (double)x[j] * (double)x[j];
    }
    return loss;
}

static inline hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count,
                                 double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * (double)x[0];
    return HW_OK;
}

/* 1 + seed / 100: so that seeds differ. */
static inline double begins(uint64_t seed)
{
    return 1 + (double)seed / 100;
}

static inline void start(void *context, uint64_t seed, float *x)
{
    (void)context;
    for (int j = 0; j < N; j++) x[j] = (float)begins(seed);
}

static inline hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("turns", N);
    o.examples = 1000;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 1;
    return o;
}

static inline hw_config config(void)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.batch = 10;
    c.updates = 400;
    c.epochs = 0;
    c.evaluate_every = 1;
    c.target_metric = 0;
    c.target = 0.1;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.1;
    c.curvature = -1;
    c.divergence = 0;
    c.simulation.threads = 1;
    return c;
}

/* The update at which x crosses the target when every gradient is `delay` updates old, or `limit`. */
static inline double recursion(double x, unsigned delay, double rate, double momentum, double target, unsigned limit)
{
    double old[512], v = 0;
    old[0] = x;
    for (unsigned t = 0; t < limit; t++) {
        double late = old[t > delay ? t - delay : 0], next;
        v = momentum * v - rate * CURVATURE * late;
        next = old[t] + v;
        old[t + 1] = next;
        if (next <= target) return t + (old[t] - target) / (old[t] - next);
    }
    return limit;
}

static inline hw_efficiency_plan plan(const hw_objective *o, const hw_config *c, hw_question question)
{
    hw_efficiency_plan p;
    assert_int_equal(hw_efficiency_plan_init(&p, sizeof p), HW_OK);
    p.name = "turns";
    p.objective = o;
    p.config = c;
    p.start = start;
    p.question = question;
    return p;
}

static inline hw_efficiency *made(const hw_efficiency_plan *p, const char *workers)
{
    char why[HW_WHY];
    hw_efficiency *e;
    if (hw_efficiency_create(&e, p, why) != HW_OK) fail_msg("%s", why);
    if (hw_efficiency_axis(e, "workers", workers, why) != HW_OK) fail_msg("%s", why);
    return e;
}

static inline hw_efficiency_row row_of(const hw_efficiency *e, size_t i)
{
    hw_efficiency_row r;
    assert_int_equal(hw_efficiency_row_of(e, i, &r), HW_OK);
    return r;
}

static inline char *printed(const hw_efficiency *e, hw_status (*how)(const hw_efficiency *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_non_null(f);
    assert_int_equal(how(e, f), HW_OK);
    assert_int_equal(fclose(f), 0);
    return text;
}

#endif
