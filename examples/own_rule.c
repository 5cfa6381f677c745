/* own_rule.c - a step rule and a compensation policy of one's own: signs of gradients (signSGD), with a rate that falls
 * with the staleness that was measured. */
#include <hogwild.h>
#include <math.h>
#include <stdio.h>

enum { N = 100 };

/* Sees private copies of a stretch of the parameters; one float of state a parameter: a mean of the gradient. */
static void delta(void *self, const float *w, float *const *state, const float *g, float *out, size_t n,
                  const hw_rule_info *info)
{
    (void)self, (void)w;
    for (size_t i = 0; i < n; i++) {
        state[0][i] = 0.9f * state[0][i] + 0.1f * g[i];
        out[i] = -(float)info->learning_rate * (float)((state[0][i] > 0) - (state[0][i] < 0));
    }
}

static double loss_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch;
    for (int i = 0; i < N; i++) {
        g[i] = (float)(i % 5 + 1) * (x[i] - (float)i / N) + 0.05f * (float)sin((double)batch->step + i);
        loss += 0.5 * (double)(g[i] * (x[i] - (float)i / N));
    }
    return loss;
}

/* Called every window of updates with the histogram of the last one. */
static void policy(void *context, const hw_policy_input *in, hw_setting *s)
{
    const double *slower = context;
    double staleness = in->shape ? in->shape->mean : in->workers - 1;
    s->rate = 1 / (1 + *slower * staleness);
}

int main(void)
{
    const hw_rule rule = {.name = "sign of the mean gradient", .state_per_parameter = 1, .delta = delta};
    hw_objective objective = hw_objective_defaults("quadratic", N);
    objective.examples = 1000;
    objective.loss_gradient = loss_gradient;
    double slower = 0.5;
    hw_config config = hw_config_defaults();
    config.optimizer.rule = HW_RULE_USER;
    config.optimizer.user_rule = &rule;
    config.optimizer.schedule = (hw_schedule){.kind = HW_SCHEDULE_COSINE, .base = 0.01, .interval = 3000};
    config.scheduler = HW_SIMULATED; /* the same on 16 virtual workers, whatever the machine */
    config.workers = 16;
    config.batch = 1;
    config.epochs = 3;
    float x[N] = {0};
    hw_result r;
    if (hw_train(&objective, &config, x, &r) != HW_OK) return fprintf(stderr, "%s\n", r.message), 1;
    printf("own rule: loss %.4f, staleness %.1f\n", r.train_loss, r.staleness.mean);

    config.optimizer.rule = HW_RULE_SGD; /* a policy needs a rule with momentum */
    config.optimizer.schedule = (hw_schedule){.base = 0.002};
    config.compensation.policy = HW_POLICY_USER;
    config.compensation.user = policy;
    config.compensation.context = &slower;
    for (int i = 0; i < N; i++) x[i] = 0;
    if (hw_train(&objective, &config, x, &r) != HW_OK) return fprintf(stderr, "%s\n", r.message), 1;
    printf("own policy: loss %.4f at %.2f times the rate\n", r.train_loss, r.setting.rate);
    return 0;
}
