/* measured.c - the implicit momentum of the measured tail off the momentum, where the staleness is the queue model's;
 * auto elsewhere. */
#include "../policy.h"
#include <string.h>

extern const hw__policy hw__policy_auto;

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    if (!in->shape || !in->shape->updates) {
        hw__policy_auto.apply(c, in, s);
        return;
    }
    if (!in->shape->geometric && in->shape->largest > 0) {
        char reason[sizeof s->reason];
        hw__policy_auto.apply(c, in, s);
        (void)snprintf(reason, sizeof reason, "dispersion %.2f is not the queue model's: auto, %.70s",
                       in->shape->dispersion, s->reason);
        memcpy(s->reason, reason, sizeof reason);
        return;
    }
    s->implicit = in->shape->largest > 0 ? in->shape->by_tail : 0;
    hw__share_use_momentum(c, in, in->momentum - s->implicit, s);
    (void)snprintf(s->reason, sizeof s->reason, "measured momentum %.3f taken off", s->implicit);
}

const hw__policy hw__policy_measured = {.flags = HW__POLICY_CURVATURE | HW__POLICY_ADVISED,
                                        .arrays = 1,
                                        .arrays_idle = 1,
                                        .fits = hw__fits_momentum,
                                        .apply = apply};
