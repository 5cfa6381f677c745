/* efficiency_objective.c - an objective in a shared object, for bench/efficiency --objective: a quadratic that the
 * parameters of every seed begin at another distance from. */
#include <hogwild/efficiency.h>

enum { N = 16 };

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch;
    for (int j = 0; j < N; j++) {
        g[j] = x[j];
        loss += 0.5 * (double)x[j] * (double)x[j];
    }
    return b->count ? loss : 0;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first;
    sums[0] += count * (double)x[0];
    return HW_OK;
}

static void start(void *context, uint64_t seed, float *x)
{
    (void)context;
    for (int j = 0; j < N; j++) x[j] = 1 + (float)seed / 50;
}

HW_API hw_status hw_efficiency_objective(hw_objective *o, hw_config *c, hw_efficiency_plan *p, char *why);
hw_status hw_efficiency_objective(hw_objective *o, hw_config *c, hw_efficiency_plan *p, char *why)
{
    (void)why;
    *o = hw_objective_defaults("own quadratic", N);
    o->examples = 1000;
    o->loss_gradient = gradient;
    o->evaluate = evaluate;
    o->evaluation_examples = 1;
    c->batch = 10;
    c->optimizer.schedule.base = 0.05;
    c->optimizer.momentum = 0;
    c->target_metric = 0;
    c->target = 0.1;
    c->evaluate_every = 1;
    p->name = "own quadratic";
    p->start = start;
    return HW_OK;
}
