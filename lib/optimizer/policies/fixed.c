/* fixed.c - the explicit momentum that the user names. */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    s->momentum = c->fixed; /* as asked for, below the floor too */
    s->rate = c->keep_gain ? (1 - c->fixed) / (1 - in->momentum) : 1;
    (void)snprintf(s->reason, sizeof s->reason, "fixed");
}

const hw__policy hw__policy_fixed = {.flags = HW__POLICY_PRIVATE | HW__POLICY_BELOW,
                                     .arrays = 1,
                                     .arrays_idle = 1,
                                     .fits = hw__fits_momentum,
                                     .apply = apply};
