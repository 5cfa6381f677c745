/* own_layers.c - network code of one's own that reads a layer when its forward pass comes to it and writes its gradient
 * as soon as the backward pass has it: late layers are hardly stale, whatever the number of workers. Two hidden layers
 * by hand; the activations of a minibatch are in the scratch. */
#include <hogwild.h>
#include <math.h>
#include <stdio.h>

enum { LAYERS = 3, HIDDEN = 64, BATCH = 32, POINTS = 4000 };
static const uint32_t width[LAYERS + 1] = {2, HIDDEN, HIDDEN, 1};

/* A layer is out x in weights, then out biases. held: for how much of a step it is in use, as a first guess. */
enum { FIRST = 3 * HIDDEN, SECOND = (HIDDEN + 1) * HIDDEN, PARAMETERS = FIRST + SECOND + HIDDEN + 1 };
static const hw_layer layer[LAYERS] = {
    {"first", 0, FIRST, 1}, {"second", FIRST, SECOND, 0.9}, {"last", FIRST + SECOND, HIDDEN + 1, 0.1}};

typedef struct scratch {
    float a[LAYERS + 1][BATCH][HIDDEN], back[2][BATCH][HIDDEN]; /* activations, and the loss's slope by them */
} scratch;

static float point[POINTS][2], wanted[POINTS];

static void forward(scratch *s, size_t l, uint32_t n, const float *w)
{
    uint32_t in = width[l], out = width[l + 1];
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t o = 0; o < out; o++) {
            float sum = w[out * in + o];
            for (uint32_t j = 0; j < in; j++) sum += w[o * in + j] * s->a[l][i][j];
            s->a[l + 1][i][o] = l + 1 < LAYERS ? tanhf(sum) : sum;
        }
}

/* From the slope by what comes out, in back[0], to the gradient and the slope by what goes in, in back[1]. */
static void backward(scratch *s, size_t l, uint32_t n, const float *w, float *g)
{
    uint32_t in = width[l], out = width[l + 1];
    for (uint32_t k = 0; k < out * (in + 1); k++) g[k] = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < in; j++) s->back[1][i][j] = 0;
        for (uint32_t o = 0; o < out; o++) {
            float y = s->a[l + 1][i][o], slope = s->back[0][i][o] * (l + 1 < LAYERS ? 1 - y * y : 1);
            g[out * in + o] += slope;
            for (uint32_t j = 0; j < in; j++) {
                g[o * in + j] += slope * s->a[l][i][j];
                s->back[1][i][j] += slope * w[o * in + j];
            }
        }
        for (uint32_t j = 0; j < in; j++) s->back[0][i][j] = s->back[1][i][j];
    }
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    scratch *s = hw_scratch(w);
    float *g = hw_gradient(w);
    const float *x = NULL; /* the whole vector; a layer's part of it is there once the layer has been read */
    uint32_t n = batch->count;
    double loss = 0;
    (void)self;
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) s->a[0][i][k] = point[batch->index[i]][k];
    for (size_t l = 0; l < LAYERS; l++) {
        x = hw_read_layer(w, l);
        forward(s, l, n, x + layer[l].first);
    }
    for (uint32_t i = 0; i < n; i++) {
        float error = s->a[LAYERS][i][0] - wanted[batch->index[i]];
        s->back[0][i][0] = error / (float)n;
        loss += 0.5 * (double)error * (double)error / n;
    }
    for (size_t l = LAYERS; l-- > 0;) {
        backward(s, l, n, x + layer[l].first, g + layer[l].first);
        hw_status status = l ? hw_write_layer(w, l) : HW_OK;
        if (status != HW_OK) return status;
    }
    return hw_write(w, loss); /* lands the first layer, and counts the step */
}

int main(void)
{
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < POINTS; i++) {
        for (int k = 0; k < 2; k++) point[i][k] = (float)(4 * hw_rng_uniform(&rng) - 2);
        wanted[i] = sinf(3 * point[i][0]) * point[i][1];
    }
    hw_objective objective = hw_objective_defaults("two hidden layers", PARAMETERS);
    objective.examples = POINTS;
    objective.step = step;
    objective.scratch_bytes = sizeof(scratch);
    objective.batch_limit = BATCH;
    objective.network = 1;
    objective.layers = layer;
    objective.layer_count = LAYERS;
    hw_config config = hw_config_defaults();
    config.workers = 4;
    config.batch = BATCH;
    config.epochs = 60;
    config.optimizer.schedule.base = 0.02;
    float x[PARAMETERS] = {0};
    for (size_t l = 0; l < LAYERS; l++)
        for (uint32_t k = 0; k < width[l] * width[l + 1]; k++)
            x[layer[l].first + k] = (float)(hw_rng_normal(&rng) / sqrt(width[l]));
    char why[HW_WHY];
    hw_engine *engine;
    hw_result result;
    if (hw_engine_create(&engine, &objective, &config, x, why) != HW_OK) return fprintf(stderr, "%s\n", why), 1;
    if (hw_engine_run(engine, &result) != HW_OK) return fprintf(stderr, "%s\n", result.message), 1;
    printf("loss %.4f with %u workers; policy in force: %s\n", result.train_loss, config.workers,
           result.setting.reason);
    hw_histogram h;
    if (hw_histogram_init(&h, 64) != HW_OK) return 1;
    for (size_t l = 0; l < hw_engine_layers(engine, NULL); l++)
        if (hw_engine_layer_staleness(engine, l, &h) == HW_OK)
            printf("%-7s %.2f updates old on average\n", layer[l].name, h.sum / (double)h.total);
    hw_histogram_free(&h);
    hw_engine_free(engine);
    return 0;
}
