/* nesterov.c - v' = mu v - alpha g, w += mu v' - alpha g. */
#include "../rule.h"

static hw_form form(float rate, float momentum)
{
    return (hw_form){HW_FORM_GENERAL, momentum, -rate, 0, momentum, -rate, NULL, NULL};
}

/* The parameters move by mu v: as far ahead are mu s velocities. */
static void adjust(const hw_optimizer *o, hw_setting *s)
{
    s->ahead *= o->momentum;
}

const hw__rule hw__rule_nesterov = {.flags = HW__RULE_LINEAR | HW__RULE_MOMENTUM, .form = form, .adjust = adjust};
