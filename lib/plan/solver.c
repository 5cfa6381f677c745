/* solver.c - other learning rates, momenta and minibatches for the best way to run. */
#include "plan.h"
#include <stdio.h>

/* Tries a configuration against the best so far, whose place it takes where it is better; *better says so. */
static hw_status improve(hw__planner *p, const hw_config *config, const char *label, bool *better, char *why)
{
    const hw__plan_candidate *way = p->list + p->structure;
    double cost = way->probe.seconds, slice = cost / way->runs;
    *better = false;
    if (hw__plan_left(p) < 0.3 * p->budget + cost + p->overhead)
        return HW_OK; /* what is chosen has to be seen for longer */
    hw__plan_candidate *c = hw__plan_next(p, config);
    if (!c) return HW_OK;
    (void)snprintf(c->probe.label, sizeof c->probe.label, "%s", label);
    c->parent = p->best;
    hw_status status = hw__plan_try(p, c, p->list + p->best, slice, HW__PLAN_KEPT, why);
    if (status == HW_OK && c->probe.gain > PLAN_WORTH && hw__plan_lasts(p, c)) {
        *better = true;
        p->best = (size_t)(c - p->list);
    }
    return status;
}

static hw_status batches(hw__planner *p, char *why)
{
    const hw_config *from = &p->list[p->best].config;
    if (p->request.keep & HW_PLAN_KEEP_BATCH || from->batch < 2 || !(p->noise_scale > 0)) return HW_OK;
    char label[96];
    bool better = true;
    double factor = p->noise_scale > from->batch ? 2 : 0.5;
    hw_status status = HW_OK;
    for (int i = 0; i < 2 && better && status == HW_OK; i++) {
        hw_config c =
            hw__plan_batch(&p->list[p->best].config, factor, p->noise_scale, !(p->request.keep & HW_PLAN_KEEP_RATE));
        (void)snprintf(label, sizeof label, "batch %u, learning rate %.3g", c.batch, c.optimizer.schedule.base);
        status = improve(p, &c, label, &better, why);
    }
    return status;
}

static hw_status rates(hw__planner *p, char *why)
{
    char label[96];
    bool better = true;
    hw_status status = HW_OK;
    /* While it warms up a solver takes less than its rate. */
    bool warms = (double)p->base.optimizer.schedule.warmup * p->one > p->list[0].probe.seconds / p->list[0].runs;
    if (p->request.keep & HW_PLAN_KEEP_RATE || warms) return HW_OK;
    /* Four times at most: a solver that somebody has tuned is not further from the best one, and what a larger rate
     * breaks comes late. */
    int up = 0;
    for (; up < 2 && better && status == HW_OK; up++) {
        hw_config c = p->list[p->best].config;
        c.optimizer.schedule.base *= 2;
        (void)snprintf(label, sizeof label, "learning rate %.3g", c.optimizer.schedule.base);
        status = improve(p, &c, label, &better, why);
    }
    if (status != HW_OK || better || up > 1) return status;
    hw_config c = p->list[p->best].config;
    c.optimizer.schedule.base /= 2;
    (void)snprintf(label, sizeof label, "learning rate %.3g", c.optimizer.schedule.base);
    return improve(p, &c, label, &better, why);
}

static hw_status momenta(hw__planner *p, char *why)
{
    static const double others[] = {0.5, 0};
    char label[96];
    bool better = true;
    hw_status status = HW_OK;
    const hw_optimizer *o = &p->base.optimizer;
    bool has =
        (o->rule == HW_RULE_SGD || o->rule == HW_RULE_NESTEROV) && p->base.compensation.policy != HW_POLICY_FIXED;
    if (p->request.keep & HW_PLAN_KEEP_MOMENTUM || !has) return HW_OK;
    for (int i = 0; i < 2 && better && status == HW_OK; i++) {
        hw_config c = p->list[p->best].config;
        if (!(c.optimizer.momentum > others[i])) continue;
        if (!(p->request.keep & HW_PLAN_KEEP_RATE))
            c.optimizer.schedule.base = hw__plan_rate(c.optimizer.schedule.base, c.optimizer.momentum, others[i]);
        c.optimizer.momentum = others[i];
        (void)snprintf(label, sizeof label, "momentum %g, learning rate %.3g", others[i], c.optimizer.schedule.base);
        status = improve(p, &c, label, &better, why);
    }
    return status;
}

hw_status hw__plan_solver(hw__planner *p, char *why)
{
    hw_status status = rates(p, why);
    if (status == HW_OK) status = momenta(p, why);
    if (status == HW_OK) status = batches(p, why);
    return status;
}
