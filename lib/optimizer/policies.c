/* policies.c - the table of compensation policies: a row for each value of hw_policy, in its order; and what a policy
 * asks for, within reason. */
#include "policy.h"
#include <math.h>
#include <string.h>

#define DECLARE(value, row, name, help) extern const hw__policy hw__policy_##row;
HW_POLICY_TABLE(DECLARE)

#define ROW(value, row, name, help) &hw__policy_##row,
const hw__policy *const hw__policies[] = {HW_POLICY_TABLE(ROW)};
#define NAME(value, row, name, help) name,
static const char *const names[] = {HW_POLICY_TABLE(NAME)};

const char *hw_policy_name(hw_policy policy)
{
    return (unsigned)policy < sizeof names / sizeof *names ? names[policy] : "unknown";
}

/* What a step can be made with, whatever a policy of ours comes to: none of its values may end a run. */
static void within_reason(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    const hw_setting said = *s;
    if (!hw__base_finite_double(s->rate)) s->rate = 1;
    s->rate = fmin(fmax(s->rate, 1e-30), 1e30);
    if (!hw__base_finite_double(s->momentum)) s->momentum = in->momentum;
    if (!(hw__policy_of(c->policy)->flags & HW__POLICY_BELOW)) s->momentum = fmax(s->momentum, c->floor);
    s->momentum = fmin(s->momentum, fmax(in->momentum, 0.999));
    if (!hw__base_finite_double(s->ahead)) s->ahead = 0;
    if (!hw__base_finite_double(s->delay)) s->delay = 0;
    if (!(s->pole >= 0 && s->pole <= 0.99)) s->pole = s->pole > 0.99 ? 0.99 : 0;
    bool same = said.rate >= s->rate && said.rate <= s->rate && said.momentum >= s->momentum &&
                said.momentum <= s->momentum && said.ahead >= s->ahead && said.ahead <= s->ahead &&
                said.delay >= s->delay && said.delay <= s->delay && said.pole >= s->pole && said.pole <= s->pole;
    if (same) return;
    (void)snprintf(s->reason, sizeof s->reason, "out of range and clamped: momentum %.3g, rate x %.3g, ahead %.3g",
                   said.momentum, said.rate, said.ahead);
}

void hw_compensate(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    memset(s, 0, sizeof *s);
    s->update = in->update;
    s->rate = 1;
    s->momentum = in->momentum;
    s->implicit = NAN;
    s->policy = c->policy;
    bool known = (unsigned)c->policy < HW__ROWS(HW_POLICY_TABLE) && (c->policy != HW_POLICY_USER || c->user);
    if (!known) {
        s->policy = HW_POLICY_NONE;
        (void)snprintf(s->reason, sizeof s->reason, "no such policy: none");
        return;
    }
    const hw__policy *p = hw__policy_of(c->policy);
    p->apply(c, in, s);
    if ((unsigned)s->policy >= HW__ROWS(HW_POLICY_TABLE)) s->policy = c->policy; /* a user's function wrote it */
    if (!(p->flags & HW__POLICY_AS_ASKED)) within_reason(c, in, s);
}
