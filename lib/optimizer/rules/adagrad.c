/* adagrad.c - s += g^2, w -= alpha g / (sqrt(s) + epsilon) (Duchi, Hazan, Singer 2011). */
#include "../rule.h"
#include <math.h>

static unsigned arrays(const hw_optimizer *o)
{
    (void)o;
    return 1;
}

static void delta_of(const hw_optimizer *o, const hw_rule_info *info, const float *w, float *const *state,
                     const float *g, float *delta, size_t n)
{
    float alpha = (float)info->learning_rate, epsilon = (float)o->epsilon;
    (void)w;
    for (size_t i = 0; i < n; i++) {
        state[0][i] += g[i] * g[i];
        delta[i] = -alpha * g[i] / (sqrtf(state[0][i]) + epsilon);
    }
}

const hw__rule hw__rule_adagrad = {.flags = HW__RULE_IN_PLACE | HW__RULE_SQUARES, .arrays = arrays, .delta = delta_of};
