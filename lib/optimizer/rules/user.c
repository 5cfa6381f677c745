/* user.c - a rule of the user's. */
#include "../rule.h"

static unsigned arrays(const hw_optimizer *o)
{
    return o->user_rule ? o->user_rule->state_per_parameter : 0;
}

static hw_status check(const hw_optimizer *o, char *why)
{
    if (o->user_rule && o->user_rule->delta && o->user_rule->state_per_parameter <= HW_MAX_ARRAYS) return HW_OK;
    return hw__base_fail(why, HW_E_ARGUMENT,
                         "config.optimizer.user_rule: a user's rule needs its delta function and at most %d floats of "
                         "state a parameter",
                         HW_MAX_ARRAYS);
}

static void delta_of(const hw_optimizer *o, const hw_rule_info *info, const float *w, float *const *state,
                     const float *g, float *delta, size_t n)
{
    o->user_rule->delta(o->user_rule->self, w, state, g, delta, n, info);
}

const hw__rule hw__rule_user = {.flags = HW__RULE_CLOCK, .arrays = arrays, .check = check, .delta = delta_of};
