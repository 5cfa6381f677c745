/* own_steps.c - a learning rate and a momentum of each one's own, of those who land on their own (Mitliagkas et al.
 * name them as future work): a group that is slower, or whose gradients are older, may take smaller steps than the
 * others. They are applied where a worker takes over the setting in force, so that whatever reads the setting goes by
 * them. */
#include "own_steps.h"
#include "../optimizer/optimizer.h"
#include "members.h"
#include <math.h>
#include <string.h>

static hw_status check_momentum(const hw_config *c, bool raw, size_t i, char *why)
{
    const hw_optimizer *o = &c->optimizer;
    const double momentum = c->own_steps[i].momentum;
    if (isnan(momentum)) return HW_OK;
    if (!(momentum > -1 && momentum < 1))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.own_steps[%zu].momentum is %g: it must be in (-1, 1), or NaN for that of all", i,
                             momentum);
    if (!(hw__rule_of(o)->flags & HW__RULE_LINEAR))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.own_steps[%zu].momentum is %g: it goes with rules sgd and nesterov", i, momentum);
    if (momentum != 0 && raw)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.own_steps[%zu].momentum is %g, but the objective writes steps of its own", i,
                             momentum);
    if (!(hw__policy_of(c->compensation.policy)->flags & HW__POLICY_PRIVATE))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.own_steps[%zu].momentum is %g, but compensation %s sets the momentum: none, fixed "
                             "and user leave it to whoever configures",
                             i, momentum, hw_policy_name(c->compensation.policy));
    if (momentum != 0 && o->velocity == HW_VELOCITY_SHARED && !hw__optimizer_arrays(o, &c->compensation))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.own_steps[%zu].momentum is %g, but momentum.target is 0, where no velocity is kept", i, momentum);
    return HW_OK;
}

hw_status hw__own_steps_check(const hw_config *c, const hw_objective *o, const hw__crew *crew, char *why)
{
    if (!c->own_steps && !c->n_own_steps) return HW_OK;
    if (!c->own_steps)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.own_steps is NULL, but n_own_steps is %zu", c->n_own_steps);
    if (crew->gather > 1 || !hw__timeline_owned(&c->simulation))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.own_steps is of workers that land on their own: not with gathering, or "
                             "clocks delay and histogram");
    if (c->n_own_steps != crew->slots)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.n_own_steps is %zu, but %u land on their own: one for each",
                             c->n_own_steps, crew->slots);
    for (size_t i = 0; i < c->n_own_steps; i++) {
        const double rate = c->own_steps[i].rate;
        if (!(rate > 0 && rate <= 1e6))
            return hw__base_fail(why, HW_E_ARGUMENT, "config.own_steps[%zu].rate is %g: it must be in (0, 1e6]", i,
                                 rate);
        hw_status status = check_momentum(c, o->raw, i, why);
        if (status != HW_OK) return status;
    }
    return HW_OK;
}

hw_status hw__own_steps_plan(hw_engine *e, char *why)
{
    hw_config *c = &e->config;
    if (!c->own_steps) return HW_OK;
    hw_own_step *copy = hw__memory_alloc(&e->memory, c->n_own_steps, sizeof *copy);
    if (!copy) return hw__no_memory(why, "steps of each one's own");
    memcpy(copy, c->own_steps, c->n_own_steps * sizeof *copy);
    c->own_steps = copy;
    return HW_OK;
}

void hw__own_steps_apply(hw_worker *w)
{
    const hw_config *c = &w->engine->config;
    if (!c->own_steps) return;
    const hw_own_step *own = c->own_steps + w->member;
    w->setting.rate *= own->rate;
    if (!isnan(own->momentum)) w->setting.momentum = own->momentum;
}
