/* share.c - what several policies do. */
#include "optimizer.h"
#include <math.h>

double hw__share_delay(const hw_policy_input *in)
{
    return in->shape && in->shape->updates ? in->shape->mean : in->workers > 1 ? in->workers - 1 : 0;
}

double hw__share_theory(const hw_policy_input *in)
{
    return in->workers > 1 ? 1 - 1.0 / in->workers : 0;
}

void hw__share_use_momentum(const hw_compensation *c, const hw_policy_input *in, double mu, hw_setting *s)
{
    if (mu < c->floor) mu = c->floor;
    s->momentum = mu;
    s->rate = c->keep_gain ? (1 - mu) / (1 - in->momentum) : 1;
}

void hw__share_say_delay(const hw_setting *s, char *text, size_t size)
{
    (void)snprintf(text, size,
                   s->ahead > 0 || s->delay <= 0 ? "look-ahead %.1f steps" : "a delay of %.1f steps, no momentum",
                   s->delay);
}

void hw__share_look_ahead(const hw_policy_input *in, hw_setting *s)
{
    s->delay = hw__share_delay(in);
    s->ahead = hw_look_ahead(in->momentum, s->delay);
    hw__share_say_delay(s, s->reason, sizeof s->reason);
}

double hw__share_measured(const hw_policy_input *in, double *error)
{
    double mu = in->staleness ? hw_staleness_momentum(in->staleness, error) : NAN;
    if (hw__base_finite_double(mu)) return mu;
    *error = NAN;
    return in->shape->by_tail; /* of a caller who has the summary only */
}
