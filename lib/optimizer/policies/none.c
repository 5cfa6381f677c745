/* none.c - no compensation. */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    (void)c, (void)in;
    (void)snprintf(s->reason, sizeof s->reason, "none");
}

const hw__policy hw__policy_none = {.flags = HW__POLICY_LEAVES | HW__POLICY_PRIVATE | HW__POLICY_ADVISED,
                                    .arrays = 1,
                                    .fits = hw__fits_any,
                                    .apply = apply};
