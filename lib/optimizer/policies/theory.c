/* theory.c - 1 - 1/M off the momentum (Mitliagkas et al., Theorem 5). */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    s->implicit = hw__share_theory(in);
    hw__share_use_momentum(c, in, in->momentum - s->implicit, s);
    (void)snprintf(s->reason, sizeof s->reason, "1 - 1/M = %.3f taken off", s->implicit);
}

const hw__policy hw__policy_theory = {
    .flags = HW__POLICY_ADVISED, .arrays = 1, .arrays_idle = 1, .fits = hw__fits_momentum, .apply = apply};
