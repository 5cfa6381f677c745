/* run.c - forward and backward through a net. The layers before the first dense one run block of images by block, so
 * that a block's activations and gradients stay in the cache; the rest run on the whole batch. */
#include "net.h"
#include <string.h>

typedef struct pass {
    const hw_net *net;
    char *scratch;
    const hw_images *images;
    const hw_batch *batch;
    const float *params;
    float *g;
    bool train;
} pass;

static float *floats(const pass *p, size_t at)
{
    return (float *)(void *)(p->scratch + at);
}

/* Where layer i's output for the image `first` of the batch lies; i = -1 is the input. */
static float *activation(const pass *p, int i, size_t first)
{
    if (i < 0) return floats(p, p->net->input_at) + first * net_floats(p->net->input);
    const net_layer *l = p->net->layer + i;
    return floats(p, l->out_at) + (l->kept ? first * net_floats(l->out) : 0);
}

NET_HOT static void bytes_to_floats(const unsigned char *in, float *out, size_t n, float scale, float mean)
{
    for (size_t i = 0; i < n; i++) out[i] = scale * ((float)in[i] - mean);
}

static uint32_t image_of(const pass *p, size_t i)
{
    return p->batch->index ? p->batch->index[i] : (uint32_t)i;
}

static net_call call_of(const pass *p, unsigned i, size_t first, size_t n)
{
    const net_layer *l = p->net->layer + i;
    net_call c;
    memset(&c, 0, sizeof c);
    c.layer = l;
    c.params = p->params + l->at;
    c.g = p->g ? p->g + l->at : NULL;
    c.first = first == 0;
    c.in = activation(p, (int)i - 1, first);
    c.out = activation(p, (int)i, first);
    c.aux = l->kind->aux ? (unsigned char *)p->scratch + l->aux_at + first * l->kind->aux(l) : NULL;
    c.work = floats(p, p->net->work_at);
    c.packed = floats(p, l->packed_at);
    c.n = n;
    c.train = p->train;
    c.seed = p->batch->seed;
    c.step = p->batch->step;
    c.position = p->batch->offset + (uint32_t)first;
    return c;
}

static void forward(const pass *p)
{
    const hw_net *net = p->net;
    size_t count = p->batch->count, pixels = net_floats(net->input);
    for (unsigned l = 0; l < net->layers; l++)
        if (net->layer[l].wide && net->layer[l].kind->pack) {
            net_call c = call_of(p, l, 0, count);
            c.layer->kind->pack(&c);
        }
    for (size_t first = 0; first < count; first += net->block) {
        size_t n = count - first < net->block ? count - first : net->block;
        for (size_t i = first; i < first + n; i++)
            bytes_to_floats(p->images->pixels + pixels * image_of(p, i), activation(p, -1, i), pixels, net->scale,
                            net->mean);
        for (unsigned l = 0; l < net->per_block; l++) {
            net_call c = call_of(p, l, first, n);
            c.layer->kind->forward(&c);
        }
    }
    for (unsigned l = net->per_block; l < net->layers; l++) {
        net_call c = call_of(p, l, 0, count);
        c.layer->kind->forward(&c);
    }
}

/* gradient_at[0] holds the gradient of the last layer's outputs. */
static void backward(const pass *p)
{
    const hw_net *net = p->net;
    size_t count = p->batch->count;
    int at = 0;
    for (unsigned l = net->layers; l-- > net->per_block;) {
        net_call c = call_of(p, l, 0, count);
        c.dout = floats(p, net->gradient_at[at]);
        c.din = l == 0 ? NULL : floats(p, net->gradient_at[1 - at]);
        c.layer->kind->backward(&c);
        at = 1 - at;
    }
    const float *whole = floats(p, net->gradient_at[at]);
    for (size_t first = 0; first < count && net->per_block; first += net->block) {
        size_t n = count - first < net->block ? count - first : net->block;
        const float *dout = whole + first * net_floats(net->layer[net->per_block - 1].out);
        for (unsigned l = net->per_block; l-- > 0;) {
            net_call c = call_of(p, l, first, n);
            c.dout = dout;
            c.din = l == 0 ? NULL : floats(p, net->gradient_block_at[l % 2]);
            c.layer->kind->backward(&c);
            dout = c.din;
        }
    }
    for (unsigned l = 0; l < net->layers; l++)
        if (net->layer[l].wide && net->layer[l].kind->finish) {
            net_call c = call_of(p, l, 0, count);
            c.layer->kind->finish(&c);
        }
}

static unsigned char label_of(const pass *p, size_t i)
{
    return p->images->labels[image_of(p, i)];
}

double hw_net_loss(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                   const float *params, float *g, uint32_t *correct)
{
    pass p = {net, scratch, images, batch, params, g, g != NULL};
    unsigned classes = hw_net_outputs(net);
    double loss = 0;
    forward(&p);
    const float *out = activation(&p, (int)net->layers - 1, 0);
    float *dout = g ? floats(&p, net->gradient_at[0]) : NULL, scale = 1.0f / (float)batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        unsigned char label = label_of(&p, i);
        loss += net_softmax(out + i * classes, &label, 1, classes, scale, dout ? dout + i * classes : NULL, correct);
    }
    if (g) backward(&p);
    return loss / batch->count;
}

void hw_net_predict(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                    const float *params, float *outputs)
{
    hw_images part = *images;
    part.pixels += (size_t)first * net_floats(net->input);
    hw_batch batch = {NULL, count, 0, count, 0, 0, 0};
    pass p = {net, scratch, &part, &batch, params, NULL, false};
    forward(&p);
    memcpy(outputs, activation(&p, (int)net->layers - 1, 0), (size_t)count * hw_net_outputs(net) * sizeof *outputs);
}

hw_status hw_net_dead(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                      const float *params, double *share)
{
    size_t units = 0, at = 0, dead = 0;
    if (!net->finished || images->channels != net->input.c || images->height != net->input.h ||
        images->width != net->input.w || first > images->count || count > images->count - first)
        return HW_E_ARGUMENT;
    for (unsigned l = 0; l < net->layers; l++)
        if (net->layer[l].kind == &net_relu) units += net_floats(net->layer[l].out);
    *share = 0;
    if (!units) return HW_OK;
    unsigned char *alive = base_zalloc(units, 1);
    if (!alive) return HW_E_MEMORY;
    for (uint32_t i = first; i < first + count; i++, at = 0) {
        hw_images one = *images;
        one.pixels += (size_t)i * net_floats(net->input);
        hw_batch batch = {NULL, 1, 0, 1, 0, 0, 0};
        pass p = {net, scratch, &one, &batch, params, NULL, false};
        forward(&p);
        for (unsigned l = 0; l < net->layers; l++) {
            size_t n = net->layer[l].kind == &net_relu ? net_floats(net->layer[l].out) : 0;
            const float *out = activation(&p, (int)l, 0);
            for (size_t k = 0; k < n; k++) alive[at + k] |= out[k] > 0;
            at += n;
        }
    }
    for (size_t k = 0; k < units; k++) dead += !alive[k];
    *share = (double)dead / (double)units;
    base_free(alive);
    return HW_OK;
}

/* --- the objective ------------------------------------------------------------------------------------------------ */

static double task_gradient(void *self, void *scratch, const hw_batch *batch, const float *x, float *g)
{
    const hw_net_task *t = self;
    return hw_net_loss(t->net, scratch, t->train, batch, x, g, NULL);
}

static hw_status task_evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_net_task *t = self;
    size_t pixels = net_floats(t->net->input);
    for (uint32_t done = 0; done < count;) {
        uint32_t n = count - done < t->net->batch ? count - done : t->net->batch, correct = 0;
        hw_images part = *t->test;
        part.pixels += (size_t)(first + done) * pixels;
        part.labels += first + done;
        hw_batch batch = {NULL, n, 0, n, 0, 0, 0};
        sums[0] += n * hw_net_loss(t->net, scratch, &part, &batch, x, NULL, &correct);
        sums[1] += correct;
        done += n;
    }
    return HW_OK;
}

static hw_status check_images(const hw_net *net, const hw_images *images, const char *which, char *why)
{
    if (images->channels == net->input.c && images->height == net->input.h && images->width == net->input.w &&
        images->classes <= hw_net_outputs(net) && images->count > 0)
        return HW_OK;
    return base_fail(why, HW_E_ARGUMENT,
                     "hw_net_objective: the %s images are %u of %u x %u x %u in %u classes, the net takes "
                     "%u x %u x %u and has %u outputs",
                     which, images->count, images->channels, images->height, images->width, images->classes,
                     net->input.c, net->input.h, net->input.w, hw_net_outputs(net));
}

hw_status hw_net_objective(hw_net_task *task, hw_objective *o, char *why)
{
    if (!task || !task->net || !task->net->finished || !task->train || !o)
        return base_fail(why, HW_E_ARGUMENT, "hw_net_objective: a finished net and training images are needed");
    hw_status status = check_images(task->net, task->train, "training", why);
    if (status == HW_OK && task->test) status = check_images(task->net, task->test, "test", why);
    if (status != HW_OK) return status;
    *o = hw_objective_defaults("net", task->net->parameters);
    o->self = task;
    o->examples = task->train->count;
    o->loss_gradient = task_gradient;
    o->scratch_bytes = task->net->scratch_bytes;
    o->batch_limit = task->net->batch;
    o->network = 1;
    o->blas = 1;
    if (task->test) {
        o->evaluate = task_evaluate;
        o->evaluation_examples = task->test->count;
        o->metrics = 2;
    }
    return HW_OK;
}
