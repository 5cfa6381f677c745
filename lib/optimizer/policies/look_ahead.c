/* look_ahead.c - the gradient is taken where the parameters will be when it lands, as the velocity foretells. */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    (void)c;
    hw__share_look_ahead(in, s);
}

const hw__policy hw__policy_look_ahead = {
    .flags = HW__POLICY_ADVISED, .arrays = 1, .fits = hw__fits_velocity, .apply = apply};
