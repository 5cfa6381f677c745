/* sampled.c - the caller's objective with an evaluation of a few examples, in parts that lie all over the set: probes
 * look at the loss often, and a set is often sorted by class. The first and the last example are left out: with one of
 * them some objectives add what is of the whole set, a penalty, which would weigh too much among a few. */
#include "plan.h"

static const hw_objective *of(void *self)
{
    return &((hw__plan_sampled *)self)->inner;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    return of(self)->step(of(self)->self, w, b);
}

static double loss_gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    return of(self)->loss_gradient(of(self)->self, scratch, b, x, g);
}

static hw_status sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    return of(self)->sweep(of(self)->self, w, run, loss);
}

static hw_status scratch_init(void *self, void *scratch)
{
    return of(self)->scratch_init(of(self)->self, scratch);
}

static void scratch_free(void *self, void *scratch)
{
    of(self)->scratch_free(of(self)->self, scratch);
}

static hw_status principal(void *self, float *direction, double curvature[2])
{
    return of(self)->principal(of(self)->self, direction, curvature);
}

static hw_status shrinks(void *self, int all)
{
    return of(self)->shrinks(of(self)->self, all);
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw__plan_sampled *s = self;
    if (s->all) return s->inner.evaluate(s->inner.self, scratch, x, first, count, sums);
    uint64_t room = s->inner.evaluation_examples - 2 - count, parts = s->parts > 1 ? s->parts - 1 : 1;
    uint64_t part = first / s->outer.evaluation_chunk;
    return s->inner.evaluate(s->inner.self, scratch, x, (uint32_t)(1 + room * part / parts), count, sums);
}

void hw__plan_sample(hw__plan_sampled *s, const hw_objective *inner, uint32_t examples, unsigned threads)
{
    s->inner = s->outer = *inner;
    s->outer.self = s;
    if (inner->step) s->outer.step = step;
    if (inner->loss_gradient) s->outer.loss_gradient = loss_gradient;
    if (inner->sweep) s->outer.sweep = sweep;
    if (inner->scratch_init) s->outer.scratch_init = scratch_init;
    if (inner->scratch_free) s->outer.scratch_free = scratch_free;
    if (inner->principal) s->outer.principal = principal;
    if (inner->shrinks) s->outer.shrinks = shrinks;
    s->outer.evaluate = evaluate;
    uint32_t most = inner->evaluation_chunk ? inner->evaluation_chunk : 500, chunk = examples / (4 * threads);
    s->all = examples + 2 >= s->inner.evaluation_examples;
    if (s->all) return;
    /* Several parts a thread, and no more than the objective's scratch holds. */
    if (chunk > most) chunk = most;
    if (chunk < 1) chunk = 1;
    s->parts = examples / chunk;
    s->outer.evaluation_chunk = chunk;
    s->outer.evaluation_examples = s->parts * chunk;
}
