/* own_sparse.c - steps that touch a few parameters of many: read them by their indices, write their gradient. A million
 * parameters, twenty of them a step. */
#include <hogwild.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARAMETERS = 1000000, TOUCHED = 20, ROWS = 200000 };

/* Row i touches TOUCHED parameters that follow from i, all with value 1; its target is the sum of what they should be.
 */
static void columns(uint32_t row, uint32_t *index)
{
    for (uint32_t k = 0; k < TOUCHED; k++)
        index[k] = PARAMETERS / TOUCHED * k + hw_permute(k, row / 100, 50000, row % 100);
}

static float truth(uint32_t parameter)
{
    return (float)(parameter % 7) - 3;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    uint32_t index[TOUCHED];
    float x[TOUCHED], g[TOUCHED], error = 0;
    (void)self;
    columns(batch->index[0], index);
    hw_read_at(w, index, TOUCHED, x);
    for (int k = 0; k < TOUCHED; k++) error += x[k] - truth(index[k]);
    for (int k = 0; k < TOUCHED; k++) g[k] = error / TOUCHED;
    return hw_write_at(w, index, TOUCHED, g, 0.5 * (double)error * (double)error);
}

int main(void)
{
    hw_objective objective = hw_objective_defaults("sparse", PARAMETERS);
    objective.examples = ROWS;
    objective.step = step;
    objective.touched = TOUCHED;
    hw_config config = hw_config_defaults();
    config.batch = 1;
    config.epochs = 10;
    config.write = HW_WRITE_RACY; /* as published: an update to the same parameter may be lost */
    config.clock_interval = 64;   /* every 64th step of a worker is measured */
    config.optimizer.momentum = 0;
    config.optimizer.schedule.base = 0.5;
    float *x = calloc(PARAMETERS, sizeof *x);
    hw_result result;
    if (!x || hw_train(&objective, &config, x, &result) != HW_OK)
        return fprintf(stderr, "%s\n", x ? result.message : "no memory"), 1;
    printf("loss %.2g, %.1f million steps/s on %u workers, %.4f %% of what was read had changed before the write\n",
           result.train_loss, (double)result.updates / result.seconds * 1e-6, config.workers, 100 * result.collisions);
    free(x);
    return 0;
}
