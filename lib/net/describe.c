/* describe.c - a net's numbers: parameters and their names, fillers, sections, the summary, the layers' times. */
#include "net.h"
#include <math.h>
#include <string.h>

size_t hw_net_parameters(const hw_net *net)
{
    return net->parameters;
}

void hw_net_input_shape(const hw_net *net, unsigned *channels, unsigned *height, unsigned *width)
{
    if (channels) *channels = net->input.c;
    if (height) *height = net->input.h;
    if (width) *width = net->input.w;
}

unsigned hw_net_outputs(const hw_net *net)
{
    return net->layers ? net->layer[net->layers - 1].out.c : 0;
}

size_t hw_net_scratch_bytes(const hw_net *net)
{
    return net->scratch_bytes;
}

static uint64_t layer_multiply_adds(const hw__net_layer *l)
{
    return l->kind->multiply_adds ? l->kind->multiply_adds(l) : 0;
}

uint64_t hw_net_multiply_adds(const hw_net *net)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->layers; i++) sum += layer_multiply_adds(net->layer + i);
    return sum;
}

static double filled(const hw__net_layer *l, hw_rng *rng)
{
    switch (l->filler) {
    case HW_FILL_LECUN: return (2 * hw_rng_uniform(rng) - 1) / sqrt((double)l->fan_in);
    case HW_FILL_XAVIER: return sqrt(3.0 / (double)l->fan_in) * (2 * hw_rng_uniform(rng) - 1);
    case HW_FILL_HE: return sqrt(2.0 / (double)l->fan_in) * hw_rng_normal(rng);
    case HW_FILL_GAUSSIAN: return l->fill * hw_rng_normal(rng);
    case HW_FILL_CONSTANT: break;
    }
    return l->fill;
}

void hw_net_init(const hw_net *net, uint64_t seed, float *params)
{
    for (unsigned i = 0; i < net->layers; i++) {
        const hw__net_layer *l = net->layer + i;
        float *w = params + l->at;
        hw_rng rng;
        hw_rng_seed(&rng, seed, 4096 + i);
        for (size_t j = 0; j < l->weights; j++) w[j] = (float)filled(l, &rng);
        for (size_t j = 0; j < l->biases; j++)
            w[l->weights + j] = l->filler == HW_FILL_LECUN
                                    ? (float)((2 * hw_rng_uniform(&rng) - 1) / sqrt((double)l->fan_in))
                                    : (float)l->fill_bias;
        memset(w + l->weights + l->biases, 0, l->running * sizeof *w);
    }
}

hw_status hw_net_summary(const hw_net *net, FILE *out)
{
    fprintf(out, "  %-3s %-16s %-14s %12s %14s  %s\n", "", "layer", "output", "parameters", "multiply-adds", "kernel");
    for (unsigned i = 0; i < net->layers; i++) {
        hw_layer_info l;
        if (hw_net_layer_info(net, NULL, i, &l) != HW_OK) return HW_E_ARGUMENT;
        fprintf(out, "  %-3u %-16s %-14s %12zu %14llu  %s\n", i + 1, l.kind, l.shape, l.parameters,
                (unsigned long long)l.multiply_adds, l.kernel);
    }
    fprintf(out, "  %-3s %-16s %-14s %12zu %14llu\n", "", "together", "", net->parameters,
            (unsigned long long)hw_net_multiply_adds(net));
    return ferror(out) ? HW_E_IO : HW_OK;
}

int hw_net_layer(const hw_net *net, unsigned i, hw_range *w, hw_range *b)
{
    if (i >= net->layers || !net->layer[i].weights) return 0;
    const hw__net_layer *l = net->layer + i;
    if (w) *w = (hw_range){l->at, l->weights};
    if (b) *b = (hw_range){l->at + l->weights, l->biases};
    return 1;
}

size_t hw_net_bias_sections(const hw_net *net, float rate, float decay, hw_section *sections, size_t room)
{
    size_t n = 0;
    hw_range b;
    for (unsigned i = 0; i < net->layers; i++) {
        if (!hw_net_layer(net, i, NULL, &b) || !b.count) continue;
        if (n < room) sections[n] = (hw_section){b.first, b.count, rate, decay};
        n++;
    }
    return n;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static hw_tensor *name_tensor(hw_net *net, const char *label, unsigned number, const char *part, size_t first,
                              unsigned dims, const uint64_t *shape)
{
    hw_tensor *t = net->tensor + net->tensors++;
    memset(t, 0, sizeof *t);
    (void)snprintf(t->name, sizeof t->name, "%s%u.%s", label, number, part);
    t->first = first;
    t->dims = dims;
    for (unsigned i = 0; i < dims; i++) t->shape[i] = shape[i];
    return t;
}

static void name_running(hw_net *net, const hw__net_layer *l, const char *label, unsigned number)
{
    uint64_t c = l->in.c, one = 1;
    size_t at = l->at + l->weights + l->biases;
    for (unsigned k = 0; k < l->copies; k++, at += 2 * (size_t)c + 1) {
        static const char *const parts[] = {"mean", "variance", "weight_of_mean"};
        for (unsigned j = 0; j < 3; j++) {
            char part[32];
            (void)snprintf(part, sizeof part, net->running.where == HW_STATISTICS_SHARED ? "%s" : "%s.%u", parts[j], k);
            (void)name_tensor(net, label, number, part, at + j * (size_t)c, 1, j < 2 ? &c : &one);
        }
    }
}

void hw__net_name_tensors(hw_net *net)
{
    net->tensors = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        const hw__net_layer *l = net->layer + i;
        unsigned number = 1;
        if (!l->weights) continue;
        for (unsigned j = 0; j < i; j++)
            number += net->layer[j].weights && strcmp(net->layer[j].kind->label, l->kind->label) == 0;
        uint64_t shape[4] = {l->out.c, l->in.c / l->groups, l->window, l->window};
        unsigned dims = 4;
        if (l->kind == &hw__net_dense) {
            shape[1] = l->fan_in;
            dims = 2;
        } else if (l->kind == &hw__net_batch_norm) {
            dims = 1;
        }
        (void)name_tensor(net, l->kind->label, number, "weight", l->at, dims, shape);
        if (l->biases) (void)name_tensor(net, l->kind->label, number, "bias", l->at + l->weights, 1, shape);
        if (l->running) name_running(net, l, l->kind->label, number);
    }
}

/* What a layer's forward and backward pass cost, in multiply-adds: an estimate, the same on every machine, to tell for
 * how much of a step each is held. In units of a convolution's: one of a dense layer costs about four (measured: 3 to
 * 9), and a float that is looked at forty-eight (30 to 90). */
static double cost_of(const hw_net *net, unsigned i)
{
    const hw__net_layer *l = net->layer + i;
    bool first = l->weights && l->stretch == 0; /* nobody wants the gradient of the images */
    double each = l->kind == &hw__net_dense ? 4 : 1;
    return (first ? 2 : 3) * each * (double)layer_multiply_adds(l) +
           48 * (double)(hw__net_floats(l->in) + hw__net_floats(l->out));
}

void hw__net_name_stretches(hw_net *net)
{
    double all = 0, before = 0;
    net->stretches = 0;
    for (unsigned i = 0; i < net->layers; i++)
        if (net->layer[i].weights) net->layer[i].stretch = net->stretches++;
    for (unsigned i = 0; i < net->layers; i++) all += cost_of(net, i);
    for (unsigned i = 0; i < net->layers; before += cost_of(net, i++)) {
        const hw__net_layer *l = net->layer + i;
        if (!l->weights) continue;
        hw_layer *y = net->stretch + l->stretch;
        const hw_tensor *t = net->tensor;
        while (t->first != l->at) t++;
        (void)snprintf(y->name, sizeof y->name, "%.*s", (int)strcspn(t->name, "."), t->name);
        y->first = l->at;
        y->count = l->weights + l->biases + l->running;
        y->held = (all - before) / all;
    }
}

const hw_tensor *hw_net_tensors(const hw_net *net, size_t *count)
{
    if (count) *count = net->tensors;
    return net->tensor;
}

const hw_layer *hw_net_layer_parts(const hw_net *net, size_t *count)
{
    if (count) *count = net->stretches;
    return net->stretch;
}

/* --- times ---------------------------------------------------------------------------------------------------------
 */

unsigned hw_net_layers(const hw_net *net)
{
    return net->layers;
}

void hw_net_time(const hw_net *net, void *scratch, int on)
{
    hw__net_times *t = hw__net_times_of(net, scratch);
    t->on = on ? NET_TIMED : 0;
    for (unsigned i = 0; on && i < 2 * net->layers; i++) t->ns[i] = 0;
}

hw_status hw_net_layer_info(const hw_net *net, const void *scratch, unsigned i, hw_layer_info *info)
{
    memset(info, 0, sizeof *info);
    if (i >= net->layers) return HW_E_ARGUMENT;
    const hw__net_layer *l = net->layer + i;
    (void)snprintf(info->kind, sizeof info->kind, "%s", l->kind->name);
    (void)snprintf(info->shape, sizeof info->shape, "%u x %u x %u", l->out.c, l->out.h, l->out.w);
    (void)snprintf(info->kernel, sizeof info->kernel, "%s", l->kernel ? l->kernel->name : "");
    info->parameters = l->weights + l->biases + l->running;
    info->multiply_adds = layer_multiply_adds(l);
    if (!scratch) return HW_OK;
    const hw__net_times *t = hw__net_times_of(net, (void *)(uintptr_t)scratch);
    if (t->on != NET_TIMED) return HW_OK;
    info->forward_seconds = (double)t->ns[2 * i] * 1e-9;
    info->backward_seconds = (double)t->ns[2 * i + 1] * 1e-9;
    return HW_OK;
}
