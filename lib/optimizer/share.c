/* share.c - what several policies do. */
#include "optimizer.h"

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

void hw__share_look_ahead(const hw_policy_input *in, hw_setting *s)
{
    s->delay = hw__share_delay(in);
    s->ahead = hw_look_ahead(in->momentum, s->delay);
    (void)snprintf(s->reason, sizeof s->reason, "look-ahead %.1f steps", s->delay);
}
