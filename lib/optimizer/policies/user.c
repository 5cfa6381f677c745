/* user.c - the callback of the configuration. */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    (void)snprintf(s->reason, sizeof s->reason, "user");
    c->user(c->context, in, s);
}

const hw__policy hw__policy_user = {.flags = HW__POLICY_PRIVATE | HW__POLICY_AS_ASKED,
                                    .arrays = 1,
                                    .arrays_idle = 1,
                                    .fits = hw__fits_momentum,
                                    .apply = apply};
