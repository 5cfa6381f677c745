/* quadratic.c - a quadratic with a known spectrum: what the theory is about, and what policies are tested on. */
#include "../base/sized.h"
#include "../base/base.h"
#include "hogwild/model.h"

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_quadratic *q = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    double loss = 0;
    (void)batch;
    for (size_t j = 0; j < q->parameters; j++) {
        float d = x[j] - q->optimum[j];
        g[j] = q->curvature[j] * d;
        loss += 0.5 * (double)g[j] * (double)d;
    }
    if (q->noise > 0)
        for (size_t j = 0; j < q->parameters; j++) g[j] += (float)(q->noise * hw_rng_normal(hw_random(w)));
    return hw_write(w, loss);
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_quadratic *q = self;
    (void)scratch, (void)first, (void)count;
    for (size_t j = 0; j < q->parameters; j++) {
        double d = (double)(x[j] - q->optimum[j]);
        sums[0] += 0.5 * (double)q->curvature[j] * d * d;
    }
    return HW_OK;
}

hw_status hw_quadratic_objective(hw_quadratic *q, hw_objective *o, char *why)
{
    if (!q || !o || q->parameters < 1 || !q->curvature || !q->optimum || !(q->noise >= 0))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_quadratic_objective: parameters, curvature and optimum are needed, and a "
                             "noise that is not negative");
    (void)hw_objective_init(o, HW__OBJECTIVE_LEAST, "quadratic", q->parameters);
    o->self = q;
    o->step = step;
    o->evaluate = evaluate;
    o->evaluation_examples = 1;
    return HW_OK;
}
