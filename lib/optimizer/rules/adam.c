/* adam.c - Kingma and Ba 2015; the momentum is beta 1. */
#include "../rule.h"
#include <math.h>

static unsigned arrays(const hw_optimizer *o)
{
    (void)o;
    return 2;
}

static void delta_of(const hw_optimizer *o, const hw_rule_info *info, const float *w, float *const *state,
                     const float *g, float *delta, size_t n)
{
    (void)w;
    double t = (double)info->update + 1, b1 = info->momentum, b2 = o->beta2;
    float m1 = (float)b1, m2 = (float)b2, epsilon = (float)o->epsilon;
    float rate = (float)(info->learning_rate * sqrt(1 - pow(b2, t)) / (b1 > 0 ? 1 - pow(b1, t) : 1));
    float scale = epsilon * (float)sqrt(1 - pow(b2, t));
    for (size_t i = 0; i < n; i++) {
        state[0][i] = m1 * state[0][i] + (1 - m1) * g[i];
        state[1][i] = m2 * state[1][i] + (1 - m2) * g[i] * g[i];
        /* Under ADD the state is merged from concurrent differences and may end a hair below zero. */
        float v = state[1][i] > 0 ? state[1][i] : 0;
        delta[i] = -rate * state[0][i] / (sqrtf(v) + scale);
    }
}

static void adjust(const hw_optimizer *o, hw_setting *s)
{
    (void)o;
    s->rate = 1; /* its gain is alpha at any beta 1 */
}

const hw__rule hw__rule_adam = {
    .flags = HW__RULE_MOMENTUM | HW__RULE_CLOCK, .arrays = arrays, .delta = delta_of, .adjust = adjust};
