/* own_gradient.c - the conventional form: a function that fills a mean gradient and returns the mean loss. The library
 * checks it against differences, then trains on all cores. */
#include <hogwild.h>
#include <math.h>
#include <stdio.h>

enum { ROWS = 5000, FEATURES = 30 };
static float data[ROWS][FEATURES], label[ROWS];

/* Logistic regression. Called by many workers at once, each with its own x and g. */
static double loss_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    double loss = 0;
    (void)self, (void)scratch;
    for (int j = 0; j < FEATURES; j++) g[j] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const float *row = data[batch->index[i]];
        double y = (double)label[batch->index[i]], z = 0;
        for (int j = 0; j < FEATURES; j++) z += (double)row[j] * (double)x[j];
        double slope = -y / (1 + exp(y * z));
        for (int j = 0; j < FEATURES; j++) g[j] += (float)slope * row[j] / (float)batch->count;
        loss += log1p(exp(-y * z)) / batch->count;
    }
    return loss;
}

int main(void)
{
    hw_rng rng;
    char why[HW_WHY];
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < ROWS; i++) {
        double z = hw_rng_normal(&rng);
        for (int j = 0; j < FEATURES; j++) z += (double)(data[i][j] = (float)hw_rng_normal(&rng)) * (j % 3 - 1);
        label[i] = z > 0 ? 1 : -1;
    }
    hw_objective objective = hw_objective_defaults("logistic", FEATURES);
    objective.examples = ROWS;
    objective.loss_gradient = loss_gradient;
    float x[FEATURES] = {0};
    if (hw_check_gradient(&objective, x, (const uint32_t[]){0, 1, 2}, 3, 0, 1e-3, NULL, why) != HW_OK)
        return fprintf(stderr, "%s\n", why), 1;

    hw_config config = hw_config_defaults(); /* as many workers as cores, momentum 0.9, compensated */
    config.epochs = 5;
    config.optimizer.schedule.base = 0.05;
    hw_result result;
    if (hw_train(&objective, &config, x, &result) != HW_OK) return fprintf(stderr, "%s\n", result.message), 1;
    printf("loss %.3f after %.0f epochs on %u workers; staleness %.2f on average\n", result.train_loss, result.epochs,
           config.workers, result.staleness.mean);
    return 0;
}
