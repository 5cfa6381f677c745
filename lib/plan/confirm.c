/* confirm.c - the choice once more, seen for longer; and what takes its place where it does not last. */
#include "../optimizer/policy.h"
#include "plan.h"
#include <math.h>

static hw_status longer(hw__planner *p, size_t of, const hw__plan_candidate *base, double seconds,
                        const hw__plan_candidate **seen, char *why)
{
    hw__plan_candidate *c = hw__plan_next(p, &p->list[of].config);
    if (!c) return hw__base_fail(why, HW_E_LIMIT, "hw_plan: no room for another probe");
    *seen = c;
    c->longer = true;
    (void)snprintf(c->probe.label, sizeof c->probe.label, "longer: %.80s", p->list[of].probe.label);
    return hw__plan_try(p, c, base, seconds, HW__PLAN_KEPT, why);
}

/* Seconds that an engine takes to find the curvature before a long probe of several workers: 8 steps of a power
 * iteration, two gradients of 256 examples each. */
static double estimate(const hw__planner *p)
{
    const hw_config *c = &p->list[p->structure].config;
    bool wanted = (hw__policy_of(c->compensation.policy)->flags & HW__POLICY_CURVATURE) != 0;
    return wanted && c->curvature == 0 && p->curvature > 0 && hw_config_asynchronous(c) > 1
               ? 16 * fmax(1, 256.0 / c->batch) * p->one
               : 0;
}

/* Of a solver over the given one, by the short probes. */
static double gain_since(const hw__planner *p, size_t solver)
{
    double gain = 1;
    for (; solver != p->structure; solver = p->list[solver].parent) gain *= p->list[solver].probe.gain;
    return gain;
}

/* What is to be had without a long probe: the quickest of those in step, whose steps are worth one worker's; else one
 * worker, 0. */
static size_t certain(const hw__planner *p)
{
    size_t best = 0;
    double gain = PLAN_WORTH;
    for (size_t i = 1; i < p->structures; i++) {
        const hw__plan_candidate *c = p->list + i;
        bool in_step = c->config.workers > 1 && hw_config_asynchronous(&c->config) == 1;
        if (!in_step || c->probe.refused || !(c->probe.gain > gain)) continue;
        best = i;
        gain = c->probe.gain;
    }
    return best;
}

/* The way to run was not quicker for long: the solver that was found runs in another one. */
static void run_as(hw__planner *p, size_t way)
{
    hw_config c = p->list[p->best].config;
    const hw_config *as = &p->list[way].config;
    c.scheduler = as->scheduler;
    c.workers = as->workers;
    c.groups = as->groups;
    c.layers = as->layers;
    c.exchange_interval = as->exchange_interval;
    hw__plan_candidate *made = p->best == p->structure ? NULL : hw__plan_next(p, &c);
    p->structure = way;
    p->best = made ? (size_t)(made - p->list) : way;
}

/* With what is left of the budget, side by side: one worker with the given solver, and what was found. A solver that
 * does not last gives its place to the one that it was made from, which goes less far and was better than its own by
 * its own probe, or, where it diverges, to the given one. A way to run that is not quicker for long gives its place to
 * threads in step, or one worker; so do asynchronous workers that there is no time to see for long. */
hw_status hw__plan_confirm(hw__planner *p, char *why)
{
    const hw__plan_candidate *one = NULL, *way = NULL, *found = NULL;
    size_t tried = p->best;
    bool other = tried != p->structure;
    size_t instead = certain(p);
    if (instead == p->structure) instead = 0;
    p->best = p->structure;
    if (p->structure == 0 && !other) return HW_OK;
    double probes = 1 + (p->structure != 0) + other, own = (probes - 1) * estimate(p), left = hw__plan_left(p);
    p->given = own > 0.3 * left;
    double seconds = 0.9 * (p->given ? left : left - own) / probes - p->overhead;
    if (seconds <
        p->list[0].probe.seconds / p->list[0].runs) { /* those that were made are as long as there is time for */
        p->best = tried;
        double solver = gain_since(p, tried);
        if (instead) {
            p->gain = p->list[instead].probe.gain;
            run_as(p, instead);
            if (p->best == instead) solver = 1; /* there was no room for it */
        }
        p->gain *= solver;
        return HW_OK;
    }
    hw_status status = longer(p, 0, NULL, seconds, &one, why);
    p->confirmed = status == HW_OK;
    way = one;
    if (status == HW_OK && p->structure != 0) status = longer(p, p->structure, one, seconds, &way, why);
    if (status == HW_OK && other) status = longer(p, tried, way, seconds, &found, why);
    if (status != HW_OK) return status;
    if (p->structure != 0) p->gain = fmin(p->gain, way->probe.gain);
    double solver = 1;
    if (found && found->probe.gain > PLAN_WORTH && hw__plan_lasts(p, found)) {
        p->best = tried;
        solver = found->probe.gain;
    } else if (found && !found->probe.diverged) {
        p->best = p->list[tried].parent;
        solver = gain_since(p, p->best);
    }
    if (p->structure != 0 && p->gain < (instead ? p->list[instead].probe.gain : PLAN_WORTH)) {
        p->gain = instead ? p->list[instead].probe.gain : 1;
        run_as(p, instead);
        if (p->best == instead) solver = 1;
    }
    p->gain *= solver;
    return HW_OK;
}
