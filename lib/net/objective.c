/* objective.c - "this net on these images" for the engine; and what a trained net says about images. */
#include "../base/sized.h"
#include "net.h"
#include <string.h>

/* `count` images from `first` on, in one forward pass without labels. */
static hw__net_pass look_at(const hw_net *net, void *scratch, const hw_images *images, uint32_t first,
                            const hw_batch *batch, const float *params)
{
    hw_images part = *images;
    part.pixels += (size_t)first * hw__net_floats(net->input);
    hw__net_pass p = {.net = net, .scratch = scratch, .batch = batch, .params = params};
    hw__net_load(net, scratch, &part, batch, NULL);
    hw__net_forward(&p);
    return p;
}

void hw_net_predict(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                    const float *params, float *outputs)
{
    hw_batch batch = {NULL, count, 0, count, 0, 0, 0};
    hw__net_pass p = look_at(net, scratch, images, first, &batch, params);
    memcpy(outputs, hw__net_output(&p, (int)net->layers - 1, 0), (size_t)count * hw_net_outputs(net) * sizeof *outputs);
}

static bool range_fits(const hw_net *net, const hw_images *images, uint32_t first, uint32_t count)
{
    return net->finished && images->channels == net->input.c && images->height == net->input.h &&
           images->width == net->input.w && first <= images->count && count <= images->count - first;
}

hw_status hw_net_confusion(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                           const float *params, uint32_t *confusion)
{
    unsigned outputs = hw_net_outputs(net);
    if (!range_fits(net, images, first, count)) return HW_E_ARGUMENT;
    memset(confusion, 0, (size_t)outputs * outputs * sizeof *confusion);
    for (uint32_t done = 0, n; done < count; done += n) {
        n = count - done < net->batch ? count - done : net->batch;
        hw_batch batch = {NULL, n, 0, n, 0, 0, 0};
        hw__net_pass p = look_at(net, scratch, images, first + done, &batch, params);
        const float *out = hw__net_output(&p, (int)net->layers - 1, 0);
        for (uint32_t i = 0; i < n; i++, out += outputs) {
            unsigned best = 0, label = images->labels[first + done + i];
            for (unsigned j = 1; j < outputs; j++)
                if (out[j] > out[best]) best = j;
            if (label < outputs) confusion[label * outputs + best]++;
        }
    }
    return HW_OK;
}

hw_status hw_net_dead(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                      const float *params, double *share)
{
    size_t units = 0, at = 0, dead = 0;
    if (!range_fits(net, images, first, count)) return HW_E_ARGUMENT;
    for (unsigned l = 0; l < net->layers; l++)
        if (net->layer[l].kind == &hw__net_relu) units += hw__net_floats(net->layer[l].out);
    *share = 0;
    if (!units) return HW_OK;
    unsigned char *alive = hw__base_zalloc(units, 1);
    if (!alive) return HW_E_MEMORY;
    for (uint32_t i = first; i < first + count; i++, at = 0) {
        hw_batch batch = {NULL, 1, 0, 1, 0, 0, 0};
        hw__net_pass p = look_at(net, scratch, images, i, &batch, params);
        for (unsigned l = 0; l < net->layers; l++) {
            size_t n = net->layer[l].kind == &hw__net_relu ? hw__net_floats(net->layer[l].out) : 0;
            const float *out = hw__net_output(&p, (int)l, 0);
            for (size_t k = 0; k < n; k++) alive[at + k] |= out[k] > 0;
            at += n;
        }
    }
    for (size_t k = 0; k < units; k++) dead += !alive[k];
    *share = (double)dead / (double)units;
    hw__base_free(alive);
    return HW_OK;
}

/* --- the objective ------------------------------------------------------------------------------------------------ */

static hw_status task_step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_net_task *t = self;
    void *scratch = hw_scratch(w);
    hw__net_load(t->net, scratch, t->train, batch, t->augment);
    const float *x = hw_read_layer(w, 0);
    double gain = 0, loss;
    if (t->net->has_running) {
        gain = hw_running_gain(w, (double)t->net->running.share);
        if (gain < 0)
            return hw_fail(w, HW_E_UNSUPPORTED,
                           "batch normalisation keeps its running means by rule sgd or nesterov; this run has another");
        /* A thread of a group moves its own set by itself: its share of the group's mean is made good. */
        if (t->net->running.where == HW_STATISTICS_PER_WORKER) gain *= (double)batch->whole / batch->count;
    }
    hw__net_pass p = {t->net,         scratch, t->train->labels, batch,           x,
                      hw_gradient(w), true,    (float)gain,      hw_worker_id(w), w};
    hw_status status = hw__net_loss(&p, &loss, NULL);
    return status == HW_OK ? hw_write(w, loss) : status;
}

static hw_status task_evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_net_task *t = self;
    for (uint32_t done = 0, n; done < count; done += n) {
        uint32_t correct = 0;
        n = count - done < t->net->batch ? count - done : t->net->batch;
        hw_images part = *t->test;
        part.pixels += (size_t)(first + done) * hw__net_floats(t->net->input);
        part.labels += first + done;
        hw_batch batch = {NULL, n, 0, n, 0, 0, 0};
        sums[0] += n * hw_net_loss(t->net, scratch, &part, &batch, x, NULL, &correct);
        sums[1] += correct;
    }
    return HW_OK;
}

static hw_status check_images(const hw_net *net, const hw_images *images, const char *which, char *why)
{
    if (images->pixels && images->labels && images->channels == net->input.c && images->height == net->input.h &&
        images->width == net->input.w && images->classes <= hw_net_outputs(net) && images->count > 0)
        return hw_preparation_check(&net->preparation, images, why);
    return hw__base_fail(
        why, HW_E_ARGUMENT,
        "hw_net_objective: the %s images (with pixels and labels) are %u of %u x %u x %u in %u classes, the net takes "
        "%u x %u x %u and has %u outputs",
        which, images->count, images->channels, images->height, images->width, images->classes, net->input.c,
        net->input.h, net->input.w, hw_net_outputs(net));
}

hw_status hw_net_objective_init(hw_net_task *task, hw_objective *objective, size_t size, char *why)
{
    if (!task || !task->net || !task->net->finished || !task->train || !objective)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_net_objective: a finished net and training images are needed");
    hw_status status = check_images(task->net, task->train, "training", why);
    if (status == HW_OK && task->test) status = check_images(task->net, task->test, "test", why);
    if (status == HW_OK && task->augment) status = hw_augment_check(task->augment, task->train, why);
    if (status != HW_OK) return status;
    hw_objective all = hw_objective_defaults("net", task->net->parameters), *o = &all;
    o->self = task;
    o->examples = task->train->count;
    o->step = task_step;
    o->scratch_bytes = task->net->scratch_bytes;
    o->batch_limit = task->net->batch;
    o->network = 1;
    o->blas = 1;
    o->tensors = hw_net_tensors(task->net, &o->tensor_count);
    o->layers = hw_net_layer_parts(task->net, &o->layer_count);
    if (task->test) {
        o->evaluate = task_evaluate;
        o->evaluation_examples = task->test->count;
        o->metrics = 2;
    }
    status = hw__sized_fill(objective, size, &all, sizeof all, HW__OBJECTIVE_LEAST);
    return status == HW_OK ? HW_OK : hw__base_fail(why, status, "hw_net_objective: %zu bytes are no objective", size);
}

#if defined(__ELF__)
/* What programs that were compiled against 0.1 call: their objective is shorter. */
HW_API hw_status hw__net_objective_0_1(hw_net_task *task, hw_objective *o, char *why) __asm__("hw_net_objective");
hw_status hw__net_objective_0_1(hw_net_task *task, hw_objective *o, char *why)
{
    return hw_net_objective_init(task, o, HW__OBJECTIVE_LEAST, why);
}
#endif
