/* minimal.c - the smallest complete program: least squares on 4 workers without locks. */
#include <hogwild.h>
#include <stdio.h>

enum { EXAMPLES = 4096, FEATURES = 256 };
static float data[EXAMPLES][FEATURES], target[EXAMPLES];

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self;
    const float *x = hw_read(w); /* the shared parameters; the staleness clock is noted */
    float *g = hw_gradient(w);   /* this worker's own memory */
    double loss = 0;
    for (int j = 0; j < FEATURES; j++) g[j] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const float *row = data[batch->index[i]];
        float error = -target[batch->index[i]];
        for (int j = 0; j < FEATURES; j++) error += row[j] * x[j];
        for (int j = 0; j < FEATURES; j++) g[j] += error * row[j] / (float)batch->count;
        loss += 0.5 * error * error / batch->count;
    }
    return hw_write(w, loss); /* compensated update; the staleness is recorded */
}

int main(void)
{
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < EXAMPLES; i++)
        for (int j = 0; j < FEATURES; j++) target[i] += (data[i][j] = (float)hw_rng_normal(&rng)) * (float)(j + 1);

    hw_objective objective = hw_objective_defaults("least squares", FEATURES);
    objective.examples = EXAMPLES;
    objective.step = step;
    hw_config config = hw_config_defaults();
    config.workers = 4;
    config.epochs = 50;
    float x[FEATURES] = {0};
    hw_result result;
    if (hw_train(&objective, &config, x, &result) != HW_OK) return fprintf(stderr, "%s\n", result.message), 1;
    printf("loss %.3g after %llu updates; last weight %.3f (256 is right)\n", result.train_loss,
           (unsigned long long)result.updates, (double)x[FEATURES - 1]);
    printf("staleness: mean %.2f, dispersion %.2f\n", result.staleness.mean, result.staleness.dispersion);
    return 0;
}
