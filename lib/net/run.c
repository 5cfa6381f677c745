/* run.c - forward and backward through a net, segment by segment (plan.c says what those are). */
#include "net.h"
#include <string.h>

static float *floats(const hw__net_pass *p, size_t at)
{
    return (float *)(void *)(p->scratch + at);
}

float *hw__net_output(const hw__net_pass *p, int i, size_t first)
{
    if (i < 0) return floats(p, p->net->input_at) + first * hw__net_floats(p->net->input);
    const hw__net_layer *l = p->net->layer + i;
    return floats(p, l->out_at) + (l->kept ? first * hw__net_floats(l->out) : 0);
}

/* Of layer i's output; first as above. NULL for the input's. */
static float *gradient(const hw__net_pass *p, int i, size_t first)
{
    if (i < 0) return NULL;
    const hw__net_layer *l = p->net->layer + i;
    return floats(p, l->gradient_at) + (l->gradient_kept ? first * hw__net_floats(l->out) : 0);
}

static uint32_t image_of(const hw_batch *batch, size_t i)
{
    return batch->index ? batch->index[i] : (uint32_t)i;
}

void hw__net_load(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                  const hw_augment *augment)
{
    size_t pixels = hw__net_floats(net->input);
    float *to = (float *)(void *)((char *)scratch + net->input_at);
    for (uint32_t i = 0; i < batch->count; i++)
        hw_image_prepare(images, image_of(batch, i), &net->preparation, augment, batch->seed, batch->step,
                         batch->offset + i, to + i * pixels);
}

static hw__net_call call_of(const hw__net_pass *p, unsigned i, size_t first, size_t n)
{
    const hw__net_layer *l = p->net->layer + i;
    hw__net_call c;
    memset(&c, 0, sizeof c);
    c.layer = l;
    c.params = p->params + l->at;
    c.g = p->g ? p->g + l->at : NULL;
    c.first = first == 0;
    c.in = hw__net_output(p, l->from, first);
    c.also = l->also >= NET_INPUT ? hw__net_output(p, l->also, first) : NULL;
    c.out = hw__net_output(p, (int)i, first);
    c.aux = l->kind->aux ? (unsigned char *)p->scratch + l->aux_at + first * l->kind->aux(l) : NULL;
    c.work = floats(p, p->net->work_at);
    c.packed = floats(p, l->packed_at);
    c.n = n;
    c.train = p->train;
    c.seed = p->batch->seed;
    c.step = p->batch->step;
    c.position = p->batch->offset + (uint32_t)first;
    c.gain = p->gain;
    c.copy = p->copy;
    return c;
}

static uint64_t *time_of(const hw__net_pass *p, unsigned layer, bool backward)
{
    hw__net_times *t = hw__net_times_of(p->net, p->scratch);
    return t->on == NET_TIMED ? t->ns + 2 * layer + backward : NULL;
}

/* Once a pass and layer, where its segment begins: its weights are read, and packed. */
static void begin_segment(const hw__net_pass *p, const hw__net_segment *s)
{
    for (unsigned i = s->first; i < s->end; i++) {
        const hw__net_layer *l = p->net->layer + i;
        if (p->worker && l->weights) (void)hw_read_layer(p->worker, l->stretch);
        if (!l->kind->pack) continue;
        uint64_t *time = time_of(p, i, false), from = time ? hw_now() : 0;
        hw__net_call c = call_of(p, i, 0, p->batch->count);
        l->kind->pack(&c);
        if (time) *time += hw_now() - from;
    }
}

/* Its gradients are whole: they may land. */
static hw_status end_segment(const hw__net_pass *p, const hw__net_segment *s)
{
    hw_status status = HW_OK;
    for (unsigned i = s->end; i-- > s->first && status == HW_OK;) {
        const hw__net_layer *l = p->net->layer + i;
        if (l->kind->finish) {
            uint64_t *time = time_of(p, i, true), from = time ? hw_now() : 0;
            hw__net_call c = call_of(p, i, 0, p->batch->count);
            l->kind->finish(&c);
            if (time) *time += hw_now() - from;
        }
        if (p->worker && l->weights) status = hw_write_layer(p->worker, l->stretch);
    }
    return status;
}

void hw__net_forward(const hw__net_pass *p)
{
    const hw_net *net = p->net;
    size_t count = p->batch->count;
    for (unsigned k = 0; k < net->segments; k++) {
        const hw__net_segment *s = net->segment + k;
        begin_segment(p, s);
        for (size_t first = 0; first < count; first += s->block) {
            size_t n = count - first < s->block ? count - first : s->block;
            for (unsigned i = s->first; i < s->end; i++) {
                uint64_t *time = time_of(p, i, false), from = time ? hw_now() : 0;
                hw__net_call c = call_of(p, i, first, n);
                c.layer->kind->forward(&c);
                if (time) *time += hw_now() - from;
            }
        }
    }
}

HW__HOT static void add_to(float *sum, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] += x[i];
}

/* An addition: its gradient is that of both inputs. Where it stands in the same memory nothing is to be done. */
static void pass_on(const hw__net_pass *p, const hw__net_layer *l, int source, const float *dout, size_t first,
                    size_t n)
{
    float *to = gradient(p, source, first);
    size_t floats_n = n * hw__net_floats(l->out);
    if (!to || to == dout) return;
    if (p->net->layer[source].last_consumer == (int)l->number)
        memcpy(to, dout, floats_n * sizeof *to);
    else
        add_to(to, dout, floats_n);
}

static void backward_layer(const hw__net_pass *p, unsigned i, size_t first, size_t n)
{
    const hw__net_layer *l = p->net->layer + i;
    const float *dout = gradient(p, (int)i, first);
    if (l->kind->passes) {
        pass_on(p, l, l->from, dout, first, n);
        pass_on(p, l, l->also, dout, first, n);
        return;
    }
    hw__net_call c = call_of(p, i, first, n);
    float *to = gradient(p, l->from, first);
    bool adds = to && p->net->layer[l->from].last_consumer != (int)i;
    c.dout = dout;
    c.din = adds ? floats(p, p->net->spare_at) : to;
    l->kind->backward(&c);
    if (adds) add_to(to, c.din, n * hw__net_floats(l->in));
}

/* The last layer's gradient is there. */
static hw_status backward(const hw__net_pass *p)
{
    hw_status status = HW_OK;
    const hw_net *net = p->net;
    size_t count = p->batch->count;
    for (unsigned k = net->segments; k-- > 0 && status == HW_OK;) {
        const hw__net_segment *s = net->segment + k;
        for (size_t first = 0; first < count; first += s->block) {
            size_t n = count - first < s->block ? count - first : s->block;
            for (unsigned i = s->end; i-- > s->first;) {
                uint64_t *time = time_of(p, i, true), from = time ? hw_now() : 0;
                backward_layer(p, i, first, n);
                if (time) *time += hw_now() - from;
            }
        }
        status = end_segment(p, s);
    }
    return status;
}

hw_status hw__net_loss(const hw__net_pass *p, double *mean, uint32_t *correct)
{
    const hw_net *net = p->net;
    unsigned classes = hw_net_outputs(net);
    double loss = 0;
    hw__net_forward(p);
    const float *out = hw__net_output(p, (int)net->layers - 1, 0);
    float *dout = p->g ? gradient(p, (int)net->layers - 1, 0) : NULL, scale = 1.0f / (float)p->batch->count;
    for (size_t i = 0; i < p->batch->count; i++)
        loss += hw__net_softmax(out + i * classes, p->labels + image_of(p->batch, i), 1, classes,
                                p->train ? net->smoothing : 0, scale, dout ? dout + i * classes : NULL, correct);
    *mean = loss / p->batch->count;
    return p->g ? backward(p) : HW_OK;
}

double hw_net_loss(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                   const float *params, float *g, uint32_t *correct)
{
    hw__net_pass p = {.net = net,
                      .scratch = scratch,
                      .labels = images->labels,
                      .batch = batch,
                      .params = params,
                      .g = g,
                      .train = g != NULL};
    double loss;
    hw__net_load(net, scratch, images, batch, NULL);
    (void)hw__net_loss(&p, &loss, correct); /* without a worker nothing can fail */
    return loss;
}
