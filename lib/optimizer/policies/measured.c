/* measured.c - the implicit momentum of the measured kernel off the momentum, where all the staleness on record is
 * the queue model's; auto elsewhere, and until there are enough updates to say so. */
#include "../policy.h"
#include <math.h>
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
        double low, high;
        hw_staleness_dispersion(in->shape, &low, &high);
        (void)snprintf(reason, sizeof reason, "dispersion %.2f-%.2f: %s the queue model's: auto, %.60s", low, high,
                       low < 1.3 && high > 0.7 ? "not surely" : "not", s->reason);
        memcpy(s->reason, reason, sizeof reason);
        return;
    }
    double error = 0;
    s->implicit = in->shape->largest > 0 ? hw__share_measured(in, &error) : 0;
    hw__share_use_momentum(c, in, in->momentum - s->implicit, s);
    (void)snprintf(s->reason, sizeof s->reason, "measured momentum %.3f taken off (mean square error %.3f)",
                   s->implicit, error);
}

/* The queue model, once in force, is given up only well outside of its band: a dispersion near the band's edge does not
 * switch the momentum from one window to the next. */
static void steady(const hw_setting *now, hw_staleness_summary *shape)
{
    const hw_fit *fit = shape->fit + HW_FIT_GEOMETRIC;
    bool in_force = now->policy == HW_POLICY_MEASURED && hw__base_finite_double(now->implicit);
    if (in_force && fabs(shape->dispersion - 1) <= 0.4 && fit->total_variation - fit->sampling <= 0.13)
        shape->geometric = 1;
}

const hw__policy hw__policy_measured = {.flags = HW__POLICY_CURVATURE | HW__POLICY_ADVISED | HW__POLICY_WHOLE,
                                        .arrays = 1,
                                        .arrays_idle = 1,
                                        .fits = hw__fits_momentum,
                                        .apply = apply,
                                        .steady = steady};
