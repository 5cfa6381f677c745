/* sparse_rule.c - plain SGD with the cumulative L1 penalty of Tsuruoka, Tsujii and Ananiadou (ACL 2009), as a rule: a
 * weight is cut towards zero, never across it, by what it has been spared so far of the total penalty u. */
#include "sparse_linear.h"
#include <math.h>

/* Sum of the learning rates of t updates, as the integral: exact for the constant rate. */
static double rates_until(const hw_schedule *s, double t)
{
    if (s->kind == HW_SCHEDULE_CONSTANT || s->gamma <= 0) return s->base * t;
    if (fabs(s->power - 1) < 1e-9) return s->base * log1p(s->gamma * t) / s->gamma;
    return s->base * (pow(1 + s->gamma * t, 1 - s->power) - 1) / (s->gamma * (1 - s->power));
}

static void delta(void *self, const float *w, float *const *state, const float *g, float *out, size_t n,
                  const hw_rule_info *info)
{
    const hw_sparse_linear *m = self;
    const hw__linear_plan *p = m->plan;
    float rate = (float)info->learning_rate;
    float u = (float)(p->l1 * rates_until(&p->schedule, (double)info->update + 1));
    size_t weights = (size_t)m->train->columns * p->width;
    for (size_t i = 0; i < n; i++) {
        size_t at = info->indices ? info->indices[i] : info->first + i;
        float half = w[i] - rate * g[i], next = half, q = state[0][i];
        if (at < weights) { /* intercepts are not penalised */
            if (half > 0)
                next = fmaxf(0, half - (u + q));
            else if (half < 0)
                next = fminf(0, half + (u - q));
            state[0][i] = q + (next - half);
        }
        out[i] = next - w[i];
    }
}

hw_status hw_sparse_linear_rule(hw_sparse_linear *m, const hw_schedule *schedule, hw_rule *rule, char *why)
{
    if (!m || !m->plan || !schedule || !rule)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_sparse_linear_rule: a model with its objective made, a schedule and a rule are needed");
    if ((schedule->kind != HW_SCHEDULE_CONSTANT && schedule->kind != HW_SCHEDULE_INV) || schedule->warmup)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "hw_sparse_linear_rule: the cumulative penalty is known for schedules constant and inv "
                             "without warm-up");
    hw__linear_plan *p = m->plan;
    p->l1 = m->l1;
    p->schedule = *schedule;
    *rule = (hw_rule){"sgd with cumulative l1", 1, delta, m};
    return HW_OK;
}
