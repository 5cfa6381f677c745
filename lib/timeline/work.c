/* work.c - work times: one draw from a clock. Every law has the clock's mean. */
#include "timeline.h"
#include <math.h>

static double exponential(hw_rng *rng)
{
    return -log(1 - hw_rng_uniform(rng));
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); shape k, scale 1. */
static double gamma_draw(double k, hw_rng *rng)
{
    double boost = 1;
    if (k < 1) {
        boost = pow(1 - hw_rng_uniform(rng), 1 / k);
        k += 1;
    }
    double d = k - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = hw_rng_normal(rng), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = 1 - hw_rng_uniform(rng);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return boost * d * v;
    }
}

double hw_clock_draw(const hw_clock *c, hw_rng *rng)
{
    switch (c->kind) {
    case HW_CLOCK_EXPONENTIAL: return c->mean * exponential(rng);
    case HW_CLOCK_GAMMA: return c->mean * gamma_draw(c->shape, rng) / c->shape;
    case HW_CLOCK_LOGNORMAL: return c->mean * exp(c->shape * hw_rng_normal(rng) - 0.5 * c->shape * c->shape);
    case HW_CLOCK_PARETO: return c->mean * (c->shape - 1) / c->shape * pow(1 - hw_rng_uniform(rng), -1 / c->shape);
    default: return c->mean;
    }
}

bool hw__timeline_clock_of_work(hw_clock_kind kind)
{
    return kind >= HW_CLOCK_EXPONENTIAL && kind <= HW_CLOCK_CONSTANT;
}
