/* fits.c - which rules a policy goes with. */
#include "policy.h"
#include "rule.h"

hw_status hw__fits_any(const hw_optimizer *o, const char *name, char *why)
{
    (void)o, (void)name, (void)why;
    return HW_OK;
}

hw_status hw__fits_momentum(const hw_optimizer *o, const char *name, char *why)
{
    if (hw__rule_of(o)->flags & HW__RULE_MOMENTUM) return HW_OK;
    return hw__base_fail(why, HW_E_UNSUPPORTED,
                         "this rule has no momentum to compensate: use compensation none or auto, not %s", name);
}

hw_status hw__fits_velocity(const hw_optimizer *o, const char *name, char *why)
{
    hw_status status = hw__fits_momentum(o, name, why);
    if (status != HW_OK || hw__rule_of(o)->flags & HW__RULE_LINEAR) return status;
    return hw__base_fail(why, HW_E_UNSUPPORTED,
                         "compensation %s needs the velocity of sgd or nesterov; this rule has none", name);
}

hw_status hw__fits_heavy_ball(const hw_optimizer *o, const char *name, char *why)
{
    hw_status status = hw__fits_velocity(o, name, why);
    if (status != HW_OK || hw__rule_of(o)->flags & HW__RULE_PLAIN) return status;
    return hw__base_fail(why, HW_E_UNSUPPORTED,
                         "compensation %s is defined for heavy-ball momentum (rule sgd), not for nesterov", name);
}
