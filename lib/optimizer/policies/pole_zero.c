/* pole_zero.c - asynchrony's pole cancelled by a zero: v' = mu* v - alpha (g_t - r g_{t-1}) / (1 - r). */
#include "../policy.h"
#include <math.h>

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    bool measured = in->shape && in->shape->updates && in->shape->geometric;
    double error;
    s->implicit = measured ? hw__share_measured(in, &error) : hw__share_theory(in);
    s->pole = fmin(0.99, fmax(0, c->shrinkage * s->implicit));
    (void)snprintf(s->reason, sizeof s->reason, "pole at %.3f (%s) cancelled", s->pole,
                   measured ? "measured" : "by theory");
}

const hw__policy hw__policy_pole_zero = {.flags = HW__POLICY_CLOCK | HW__POLICY_ADVISED | HW__POLICY_WHOLE,
                                         .arrays = 2,
                                         .arrays_idle = 2,
                                         .fits = hw__fits_heavy_ball,
                                         .apply = apply};
