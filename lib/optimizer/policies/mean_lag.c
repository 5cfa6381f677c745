/* mean_lag.c - the mean staleness off the lag that the momentum makes. */
#include "../policy.h"

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    double lag = in->momentum / (1 - in->momentum) - hw__share_delay(in);
    hw__share_use_momentum(c, in, lag > 0 ? lag / (1 + lag) : 0, s);
    (void)snprintf(s->reason, sizeof s->reason,
                   lag > 0 ? "mean lag %.2f left for the momentum"
                           : "the staleness alone exceeds the wanted lag (%.2f left)",
                   lag);
}

const hw__policy hw__policy_mean_lag = {
    .flags = HW__POLICY_ADVISED, .arrays = 1, .arrays_idle = 1, .fits = hw__fits_momentum, .apply = apply};
