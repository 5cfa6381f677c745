/* own_network.c - network code of one's own between a read and a write: here one hidden layer by hand. Its activations
 * are in the scratch, one for each thread. */
#include <hogwild.h>
#include <math.h>
#include <stdio.h>

enum { HIDDEN = 16, PARAMETERS = 4 * HIDDEN + 1, POINTS = 4000 };
static float point[POINTS][2], wanted[POINTS];

/* y = b + sum of v_h tanh(w_h . p + c_h): parameters w (2 a unit), c, v, then b. */
static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const float *x = hw_read(w);
    float *g = hw_gradient(w), *a = hw_scratch(w);
    double loss = 0;
    (void)self;
    for (int i = 0; i < PARAMETERS; i++) g[i] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const float *p = point[batch->index[i]];
        float y = x[4 * HIDDEN];
        for (int h = 0; h < HIDDEN; h++) {
            a[h] = tanhf(x[2 * h] * p[0] + x[2 * h + 1] * p[1] + x[2 * HIDDEN + h]);
            y += x[3 * HIDDEN + h] * a[h];
        }
        float error = y - wanted[batch->index[i]], share = error / (float)batch->count;
        for (int h = 0; h < HIDDEN; h++) {
            float back = share * x[3 * HIDDEN + h] * (1 - a[h] * a[h]);
            g[2 * h] += back * p[0];
            g[2 * h + 1] += back * p[1];
            g[2 * HIDDEN + h] += back;
            g[3 * HIDDEN + h] += share * a[h];
        }
        g[4 * HIDDEN] += share;
        loss += 0.5 * (double)error * (double)error / batch->count;
    }
    return hw_write(w, loss);
}

int main(void)
{
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < POINTS; i++) {
        for (int k = 0; k < 2; k++) point[i][k] = (float)(4 * hw_rng_uniform(&rng) - 2);
        wanted[i] = sinf(point[i][0]) * point[i][1];
    }
    hw_objective objective = hw_objective_defaults("hidden layer", PARAMETERS);
    objective.examples = POINTS;
    objective.step = step;
    objective.scratch_bytes = HIDDEN * sizeof(float);
    objective.network = 1;
    hw_config config = hw_config_defaults();
    config.epochs = 60;
    config.optimizer.schedule.base = 0.02;
    float x[PARAMETERS];
    for (int i = 0; i < PARAMETERS; i++) x[i] = 0.5f * (float)hw_rng_normal(&rng);
    hw_result result;
    if (hw_train(&objective, &config, x, &result) != HW_OK) return fprintf(stderr, "%s\n", result.message), 1;
    printf("loss %.4f (0.9 at the start) with %u workers; policy in force: %s\n", result.train_loss, config.workers,
           result.setting.reason);
    return 0;
}
