/* plan.c - what is probed when: one worker, the ways to let several run, the solver (solver.c), and the choice once
 * more (confirm.c). */
#include "../base/blas.h"
#include "../base/sized.h"
#include "../config/config.h"
#include "../step/step.h"
#include "plan.h"
#include <math.h>
#include <string.h>

#define LEAST_BUDGET 0.2 /* seconds */
enum { PROBES = 14 };    /* that the budget is divided by: some ways to run, some solvers, some longer ones */

hw_status hw_plan_request_init(hw_plan_request *request, size_t size)
{
    hw_plan_request all;
    memset(&all, 0, sizeof all);
    all.struct_size = sizeof all;
    all.budget = 0.1;
    return hw__sized_fill(request, size, &all, sizeof all, sizeof all);
}

/* --- one worker -----------------------------------------------------------------------------------------------------
 */

/* One worker takes so long an update: how long the training is, and what may be spent on it. */
static void takes(hw__planner *p, double step)
{
    double updates = hw__plan_updates(&p->base, &p->sampled.inner);
    p->one = step;
    p->total = updates > 0 ? updates * step : INFINITY;
    if (p->base.seconds > 0) p->total = fmin(p->total, p->base.seconds);
    p->budget = fmax(LEAST_BUDGET, p->request.budget * p->total);
}

/* How long a step and an evaluated example take; the sample is then as large as is cheap. */
static hw_status time_one(hw__planner *p, char *why)
{
    hw__plan_candidate *c = p->list;
    hw_status status = HW_OK;
    double quickest = INFINITY;
    for (int i = 0; i < 3 && status == HW_OK; i++) { /* the first also finds its memory */
        status = hw__plan_probe(p, c, i ? 0.02 : 0.005, why);
        if (status == HW_OK) quickest = fmin(quickest, c->probe.seconds_per_update);
        if (c->probe.updates == 1 && c->probe.seconds > 0.05) break;
    }
    if (status != HW_OK) return status;
    if (c->probe.diverged || !hw__base_finite_double(quickest))
        return hw__base_fail(why, HW_E_DIVERGED, "hw_plan: one worker diverges with this solver");
    p->probes = 0;
    takes(p, quickest);
    return HW_OK;
}

static hw_status sample(hw__planner *p, double slice, char *why)
{
    uint32_t few = 64;
    hw__plan_sample(&p->sampled, &p->sampled.inner, few, 1);
    uint64_t from = hw_now();
    hw_status status = hw__plan_look(p, why);
    double each = (double)(hw_now() - from) * 1e-9 / p->sampled.outer.evaluation_examples;
    double many = fmin(1e6, 0.02 * slice / fmax(each, 1e-9));
    if (many < few) many = few;
    hw__plan_sample(&p->sampled, &p->sampled.inner, (uint32_t)many, p->request.threads);
    if (status == HW_OK) status = hw__plan_look(p, why);
    return status;
}

/* What the theory goes by, where the first probe ended: of dense steps of several examples only. */
static void look_at_gradients(hw__planner *p)
{
    const hw_objective *o = &p->sampled.inner;
    uint32_t batch = p->base.batch, examples = o->examples, part = batch / 2;
    double noise, square, afford = 0.02 * p->budget / p->one * batch;
    if (batch < 2 || !examples || o->raw) return;
    uint32_t n = (uint32_t)fmin(examples, fmax(4.0 * part, fmin(16.0 * part, afford)));
    uint32_t *index = hw__base_alloc(n, sizeof *index);
    if (!index) return; /* then they are not known */
    for (uint32_t i = 0; i < n; i++) index[i] = hw_permute(p->base.seed, 1, examples, i);
    if (n / part >= 2 && hw_gradient_noise(o, p->end, index, n, part, &noise, &square, NULL) == HW_OK && square > 0)
        p->noise_scale = noise / square;
    if (hw_curvature(o, p->end, index, n / 4 < part ? n : 4 * part, 4, 1, &p->curvature, NULL) != HW_OK)
        p->curvature = 0;
    hw__base_free(index);
}

/* --- the ways to run ------------------------------------------------------------------------------------------------
 */

static hw_status run_reference(hw__planner *p, double slice, char *why)
{
    hw__plan_candidate *c = p->list;
    hw_status status = sample(p, slice, why);
    if (status == HW_OK) status = hw__plan_try(p, c, NULL, slice, HW__PLAN_LATE, why);
    if (status == HW_OK && c->probe.diverged)
        status = hw__base_fail(why, HW_E_DIVERGED, "hw_plan: one worker diverges with this solver");
    if (status != HW_OK) return status;
    /* With batch normalisation the evaluated loss of the first hundred updates says nothing, since the running
     * statistics have not come to rest; the steps' own falls. */
    p->by_train = false;
    p->tells = hw__plan_tells(p, c);
    if (!p->tells) {
        p->by_train = true;
        p->by_train = p->tells = hw__plan_tells(p, c);
    }
    /* A first look may have met a stall, which would make training and budget long. */
    if (c->probe.seconds_per_update < p->one) takes(p, c->probe.seconds_per_update);
    return HW_OK;
}

/* A loss that has fallen steeply at first, as that of a net with batch normalisation does, looks as if it had come to
 * rest: it may fall on, seen for longer. Where it does not, what there is to see has been seen. */
static hw_status reference_again(hw__planner *p, double *slice, char *why)
{
    double longer = *slice;
    hw_status status = HW_OK;
    for (int i = 0; i < 3 && status == HW_OK && !p->tells; i++) {
        longer *= 2;
        if (longer > 0.4 * hw__plan_left(p) / (double)p->structures - p->overhead) break;
        status = run_reference(p, longer, why);
    }
    if (status != HW_OK) return status;
    if (p->tells)
        *slice = longer;
    else if (longer > *slice)
        status = run_reference(p, *slice, why); /* what the others are compared with */
    return status;
}

/* One worker, for longer and longer until its loss falls, or the ways to run would have no time any more; for shorter
 * and shorter where it has fallen long before the end, or met the target: what comes after that says nothing. */
static hw_status reference(hw__planner *p, double *slice, char *why)
{
    hw__plan_candidate *c = p->list;
    hw_status status = run_reference(p, *slice, why);
    while (status == HW_OK && !p->tells && !hw__plan_early(p, c) &&
           2 * *slice < 0.5 * hw__plan_left(p) / (double)p->structures - p->overhead) {
        *slice *= 2;
        status = run_reference(p, *slice, why);
    }
    for (int i = 0; i < 6 && status == HW_OK; i++) {
        double least = PLAN_STEPS * p->one, met = 2 * hw__plan_meets(p, c),
               shorter = met < *slice                        ? met
                         : !p->tells && hw__plan_early(p, c) ? *slice / 4
                                                             : *slice;
        if (!(fmax(shorter, least) < 0.9 * *slice)) break;
        *slice = fmax(shorter, least);
        status = run_reference(p, *slice, why);
    }
    if (status == HW_OK && !p->tells) status = reference_again(p, slice, why);
    if (status == HW_OK) look_at_gradients(p);
    hw__base_free(p->end);
    p->end = NULL;
    return status;
}

static hw_status structures(hw__planner *p, char *why)
{
    /* All threads are what a box is for: where the budget bears few probes, groups go first, then fewer threads. */
    double share = 0.5 * hw__plan_left(p), least = p->overhead + PLAN_STEPS * p->one;
    p->structures = p->n;
    while (p->structures > 2 && share / (double)p->structures < least) {
        size_t gone = 1;
        for (size_t i = 1; i < p->structures; i++)
            if (p->list[i].config.groups > 1) gone = i;
        memmove(p->list + gone, p->list + gone + 1, (p->structures - 1 - gone) * sizeof *p->list);
        p->structures--;
    }
    p->n = p->structures;
    p->short_budget = share / (double)p->structures < least;
    if (p->short_budget) return HW_OK;
    double slice = fmax(PLAN_STEPS * p->one, 0.7 * p->budget / PROBES - p->overhead);
    slice = fmin(slice, share / (double)p->structures - p->overhead);
    hw_status status = reference(p, &slice, why);
    for (size_t i = 1; i < p->structures && status == HW_OK; i++) {
        hw__plan_candidate *c = p->list + i;
        if (hw__plan_left(p) < 0.2 * p->budget) { /* probes took longer than the first did */
            c->probe.refused = 1;
            continue;
        }
        status = hw__plan_try(p, c, p->list, slice, HW__PLAN_LATE, why);
        if (c->probe.gain > p->structure_gain * (p->structure ? 1 : PLAN_WORTH)) {
            p->structure = i;
            p->structure_gain = c->probe.gain;
        }
    }
    p->best = p->structure;
    p->gain = p->structure_gain;
    return status;
}

/* --- all of it ------------------------------------------------------------------------------------------------------
 */

static hw_status check(hw__planner *p, const hw_config *chosen, char *why)
{
    const hw_plan_request *r = &p->request;
    if (!r->objective || !r->config)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: objective and config are needed");
    if (!(r->budget > 0 && r->budget <= 1))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: budget is %g: it must be in (0, 1]", r->budget);
    if (r->threads > HW_MAX_WORKERS)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: threads is %u: it must be at most %d", r->threads,
                             HW_MAX_WORKERS);
    if (r->keep > HW_PLAN_KEEP_SOLVER)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: keep is %u: there is no such bit", r->keep);
    hw_status status = hw__config_adopt(chosen, &p->base, why); /* whether it is a configuration at all */
    if (status == HW_OK) status = hw__config_adopt(r->config, &p->base, why);
    if (status == HW_OK) status = hw__objective_adopt(r->objective, &p->objective, why);
    if (status != HW_OK) return status;
    if (chosen->struct_size < r->config->struct_size)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: the configuration to fill has %zu bytes, the request's %zu",
                             chosen->struct_size, r->config->struct_size);
    if (p->base.work.each)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_plan: config.work.each is of single workers, whose number is to be found; work.law is "
                             "of any");
    if (p->base.own_steps)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_plan: config.own_steps is of single workers, whose number is to be found");
    if (!p->objective.evaluate || !p->objective.evaluation_examples)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_plan: the objective does not evaluate, and probes are compared by its loss");
    if (!(p->base.seconds > 0 || hw__plan_updates(&p->base, &p->objective) > 0))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_plan: config has no stop by updates, epochs or seconds, which says how long training "
                             "is");
    return HW_OK;
}

static hw_status open(hw__planner *p, char *why)
{
    const hw_plan_request *r = &p->request;
    size_t n = p->objective.parameters;
    p->list = hw__base_zalloc(PLAN_CANDIDATES, sizeof *p->list);
    p->start = hw__base_zalloc(n, sizeof *p->start);
    p->end = hw__base_zalloc(n, sizeof *p->end);
    size_t bytes = p->objective.scratch_bytes;
    if (bytes) p->scratch = hw__base_zalloc(bytes, 1);
    if (!p->list || !p->start || !p->end || (bytes && !p->scratch))
        return hw__base_fail(why, HW_E_MEMORY, "hw_plan: no memory for candidates and %zu parameters", n);
    if (!p->request.threads) p->request.threads = hw_processors();
    if (r->start) r->start(r->context, p->base.seed, p->start);
    p->n = hw__plan_structures(&p->base, &p->objective, p->request.threads, p->list);
    if (!p->n || p->list[0].config.workers != 1) {
        hw_config c = p->base;
        c.scheduler = HW_SEQUENTIAL;
        c.workers = c.groups = 1;
        hw_status status = hw_config_check(&c, &p->objective, why);
        return status != HW_OK ? status : hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: one worker cannot run this");
    }
    if (p->objective.scratch_init) {
        hw_status status = p->objective.scratch_init(p->objective.self, p->scratch);
        if (status != HW_OK) return hw__base_fail(why, status, "the objective's scratch_init returned %d", status);
    }
    p->ready = true;
    hw__plan_sample(&p->sampled, &p->objective, 64, 1);
    return hw__plan_look(p, why);
}

static void finish(const hw__planner *p, hw_planned *planned)
{
    planned->expected = 1 / p->gain;
    planned->one_seconds = p->total;
    planned->spent = hw__plan_spent(p);
    planned->probes = p->probes;
    planned->curvature = p->curvature;
    planned->noise_scale = p->noise_scale;
    hw__plan_reasons(p, planned);
}

hw_status hw_plan(const hw_plan_request *request, hw_config *config, hw_planned *planned, char *why)
{
    if (!request || !config || !planned)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: request, config or planned is NULL");
    hw__planner p = {.began = hw_now(), .structure_gain = 1, .gain = 1};
    (void)hw_plan_request_init(&p.request, sizeof p.request);
    hw_status status = hw__sized_adopt(&p.request, sizeof p.request, request, sizeof p.request, "the request",
                                       "hw_plan_request_init()", why);
    if (status == HW_OK) status = check(&p, config, why);
    hw__blas_held held = hw__blas_hold(status == HW_OK && p.objective.blas);
    if (status == HW_OK) status = open(&p, why);
    if (status == HW_OK) status = time_one(&p, why);
    if (status == HW_OK) status = structures(&p, why);
    if (status == HW_OK && p.tells) status = hw__plan_solver(&p, why);
    if (status == HW_OK && !p.short_budget) status = hw__plan_confirm(&p, why);
    hw__blas_unhold(&held);
    if (status == HW_OK) {
        finish(&p, planned);
        hw__config_give(&p.list[p.best].config, config);
    }
    if (p.ready && p.objective.scratch_free) p.objective.scratch_free(p.objective.self, p.scratch);
    hw__base_free(p.scratch);
    hw__base_free(p.list);
    hw__base_free(p.start);
    hw__base_free(p.end);
    return status;
}
