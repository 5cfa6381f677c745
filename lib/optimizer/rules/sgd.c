/* sgd.c - heavy ball: v' = mu v - alpha g, w += v'; plain SGD at momentum 0. */
#include "../rule.h"

static hw_form form(float rate, float momentum)
{
    return (hw_form){HW_FORM_MOMENTUM, momentum, -rate, 0, 1, 0, NULL, NULL};
}

const hw__rule hw__rule_sgd = {.flags = HW__RULE_LINEAR | HW__RULE_MOMENTUM | HW__RULE_IN_PLACE | HW__RULE_PLAIN,
                               .form = form};
