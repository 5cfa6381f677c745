/* build.c - the builder: a list of layers, their shapes, their parameters; mistakes are kept for finish. */
#include "net.h"
#include <string.h>

#define AS_USUAL (NET_INPUT - 1)

hw_net *hw_net_create(unsigned channels, unsigned height, unsigned width)
{
    hw_net *net = hw__base_zalloc(1, sizeof *net);
    if (!net) return NULL;
    net->layer = hw__base_zalloc(NET_LAYERS, sizeof *net->layer);
    if (!net->layer) {
        hw__base_free(net);
        return NULL;
    }
    net->input = (hw__net_shape){channels, height, width};
    net->next_from = AS_USUAL;
    net->preparation = hw_preparation_defaults();
    net->running.copies = 1;
    net->running.share = 0.1f;
    net->running.epsilon = 1e-5f;
    if (channels < 1 || height < 1 || width < 1 || channels > 4096 || height > 4096 || width > 4096)
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net_create: %u x %u x %u is no image shape: each must be in [1, 4096]", channels, height,
                      width);
    return net;
}

void hw_net_free(hw_net *net)
{
    if (!net) return;
    hw__base_free(net->layer);
    hw__base_free(net->segment);
    hw__base_free(net->tensor);
    hw__base_free(net->stretch);
    hw__base_free(net->mean);
    hw__base_free(net);
}

static hw__net_shape output_of(const hw_net *net, int layer)
{
    return layer < 0 ? net->input : net->layer[layer].out;
}

hw__net_layer *hw__net_append(hw_net *net, const hw__net_kind *kind)
{
    if (!net || net->error[0]) return NULL;
    if (net->finished || net->layers == NET_LAYERS) {
        hw__base_fail(net->error, HW_E_STATE, "hw_net: layer %u (%s): the net %s", net->layers + 1, kind->name,
                      net->finished ? "is finished" : "is full");
        return NULL;
    }
    hw__net_layer *l = net->layer + net->layers;
    memset(l, 0, sizeof *l);
    l->kind = kind;
    l->number = net->layers;
    l->groups = 1;
    l->from = net->next_from == AS_USUAL ? (int)net->layers - 1 : net->next_from;
    l->also = AS_USUAL;
    net->next_from = AS_USUAL;
    l->in = l->out = output_of(net, l->from);
    net->layers++;
    return l;
}

unsigned hw_net_here(const hw_net *net)
{
    return net ? net->layers : 0;
}

/* A place is one more than its layer's number: 0 is the input. */
static bool place_fits(hw_net *net, unsigned place, const char *what)
{
    if (!net || net->error[0]) return false;
    if (place <= net->layers) return true;
    hw__base_fail(net->error, HW_E_ARGUMENT, "%s: there is no place %u yet: the net has %u layers", what, place,
                  net->layers);
    return false;
}

void hw_net_from(hw_net *net, unsigned place)
{
    if (place_fits(net, place, "hw_net_from")) net->next_from = (int)place - 1;
}

void hw_net_add(hw_net *net, unsigned place)
{
    if (!place_fits(net, place, "hw_net_add")) return;
    hw__net_layer *l = hw__net_append(net, &hw__net_add);
    if (!l) return;
    l->also = (int)place - 1;
    hw__net_shape a = l->in, b = output_of(net, l->also);
    if (l->also == l->from)
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net: layer %u (addition): an output and itself; scale it instead",
                      l->number + 1);
    else if (a.c != b.c || a.h != b.h || a.w != b.w)
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net: layer %u (addition): %u x %u x %u and %u x %u x %u: two outputs of one shape are needed",
                      l->number + 1, a.c, a.h, a.w, b.c, b.h, b.w);
}

static void window(hw_net *net, hw__net_layer *l, unsigned kernel, unsigned stride, unsigned pad, bool up)
{
    unsigned h = l->in.h + 2 * pad, w = l->in.w + 2 * pad, more = up ? stride - 1 : 0;
    if (kernel < 1 || kernel > 15 || stride < 1 || stride > 64 || pad >= kernel || kernel > h || kernel > w) {
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net: layer %u (%s): kernel %u, stride %u, pad %u do not fit a %u x %u image "
                      "(kernel 1 to 15, stride from 1, pad below kernel)",
                      l->number + 1, l->kind->name, kernel, stride, pad, l->in.h, l->in.w);
        return;
    }
    l->window = kernel;
    l->stride = stride;
    l->pad = pad;
    l->out.h = (h - kernel + more) / stride + 1;
    l->out.w = (w - kernel + more) / stride + 1;
    /* Caffe: the last window must start inside the image or its left padding. */
    if (up && pad && (l->out.h - 1) * stride >= l->in.h + pad) l->out.h--;
    if (up && pad && (l->out.w - 1) * stride >= l->in.w + pad) l->out.w--;
}

static void weights(hw_net *net, hw__net_layer *l, unsigned outputs, size_t fan_in)
{
    if (outputs < 1 || outputs > 65536)
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net: layer %u (%s): %u outputs: it must be in [1, 65536]",
                      l->number + 1, l->kind->name, outputs);
    l->out.c = outputs;
    l->fan_in = fan_in;
    l->weights = fan_in * outputs;
    l->biases = outputs;
}

static hw__net_layer *convolution(hw_net *net, const hw__net_kind *kind, unsigned filters, unsigned kernel,
                                  unsigned stride, unsigned pad)
{
    hw__net_layer *l = hw__net_append(net, kind);
    if (!l) return NULL;
    window(net, l, kernel, stride, pad, false);
    weights(net, l, filters, (size_t)l->in.c * kernel * kernel);
    return l;
}

void hw_net_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad)
{
    (void)convolution(net, &hw__net_conv, filters, kernel, stride, pad);
}

void hw_net_hyper_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad)
{
    hw__net_layer *l = convolution(net, &hw__net_hyper_conv, filters, kernel, stride, pad);
    if (l) l->biases = 0;
}

/* The last layer, if it is a plain convolution; else that is the error. */
static hw__net_layer *last_convolution(hw_net *net, const char *what)
{
    if (!net || net->error[0] || net->finished) return NULL;
    hw__net_layer *l = net->layers ? net->layer + net->layers - 1 : NULL;
    if (l && l->kind == &hw__net_conv) return l;
    hw__base_fail(net->error, HW_E_STATE, "%s: the last layer is no convolution", what);
    return NULL;
}

void hw_net_groups(hw_net *net, unsigned groups)
{
    hw__net_layer *l = last_convolution(net, "hw_net_groups");
    if (!l) return;
    if (groups < 1 || l->in.c % groups || l->out.c % groups) {
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net: layer %u (convolution): %u groups must divide its %u channels and %u filters",
                      l->number + 1, groups, l->in.c, l->out.c);
        return;
    }
    l->groups = groups;
    l->fan_in = (size_t)l->in.c / groups * l->window * l->window;
    l->weights = l->fan_in * l->out.c;
}

void hw_net_no_bias(hw_net *net)
{
    hw__net_layer *l = last_convolution(net, "hw_net_no_bias");
    if (l) l->biases = 0;
}

void hw_net_max_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_max_pool);
    if (l) window(net, l, kernel, stride, pad, true);
}

void hw_net_average_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_average_pool);
    if (l) window(net, l, kernel, stride, pad, true);
}

void hw_net_global_average(hw_net *net)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_global_average);
    if (l) l->out.h = l->out.w = 1;
}

void hw_net_dense(hw_net *net, unsigned outputs)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_dense);
    if (!l) return;
    weights(net, l, outputs, hw__net_floats(l->in));
    l->out.h = l->out.w = 1;
}

void hw_net_relu(hw_net *net)
{
    (void)hw__net_append(net, &hw__net_relu);
}

void hw_net_lrn(hw_net *net, unsigned size, double alpha, double beta)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_lrn);
    if (!l) return;
    l->size = size;
    l->alpha = (float)alpha;
    l->beta = (float)beta;
    if (size % 2 == 0 || size > 255 || !(alpha >= 0) || !(beta >= 0) || alpha > 1e6 || beta > 100)
        hw__base_fail(
            net->error, HW_E_ARGUMENT,
            "hw_net: layer %u (response normalisation): size %u, alpha %g, beta %g: an odd size up to 255 and "
            "alpha, beta from 0 are needed",
            l->number + 1, size, alpha, beta);
}

void hw_net_dropout(hw_net *net, double rate)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_dropout);
    if (!l) return;
    l->rate = (float)rate;
    if (!(rate >= 0 && rate < 1))
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net: layer %u (dropout): rate %g must be in [0, 1)", l->number + 1,
                      rate);
}

void hw_net_batch_norm(hw_net *net)
{
    hw__net_layer *l = hw__net_append(net, &hw__net_batch_norm);
    if (!l) return;
    l->weights = l->biases = l->in.c;
    l->filler = HW_FILL_CONSTANT;
    l->fill = 1;
    net->has_running = true;
}

void hw_net_statistics(hw_net *net, hw_statistics where, unsigned copies, double share, double epsilon)
{
    if (!net || net->error[0] || net->finished) return;
    net->running.where = where;
    net->running.copies = where == HW_STATISTICS_SHARED ? 1 : copies;
    net->running.share = (float)share;
    net->running.epsilon = (float)epsilon;
    if ((unsigned)where > HW_STATISTICS_PER_WORKER)
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net_statistics: there is no way %d to keep them", (int)where);
    else if (net->running.copies < 1 || net->running.copies > 65536 || !(net->running.share > 0 && share <= 1) ||
             !(net->running.epsilon > 0 && epsilon < 1))
        hw__base_fail(
            net->error, HW_E_ARGUMENT,
            "hw_net_statistics: %u sets, share %g, epsilon %g: 1 to 65536 sets, a share in (0, 1] and an epsilon "
            "in (0, 1) are needed",
            net->running.copies, share, epsilon);
}

void hw_net_label_smoothing(hw_net *net, double epsilon)
{
    if (!net || net->error[0] || net->finished) return;
    net->smoothing = (float)epsilon;
    if (!(epsilon >= 0 && epsilon < 1))
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net_label_smoothing: %g must be in [0, 1)", epsilon);
}

void hw_net_fill(hw_net *net, hw_filler filler, double value, double bias)
{
    if (!net || net->error[0] || net->finished) return;
    if ((unsigned)filler > HW_FILL_LECUN || !hw__base_finite_double(value) || !hw__base_finite_double(bias)) {
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net_fill: filler %d with %g and %g: a filler of the list and finite "
                      "numbers are needed",
                      (int)filler, value, bias);
        return;
    }
    for (unsigned i = net->layers; i-- > 0;)
        if (net->layer[i].fan_in) { /* normalisations keep theirs */
            net->layer[i].filler = filler;
            net->layer[i].fill = value;
            net->layer[i].fill_bias = bias;
            return;
        }
    hw__base_fail(net->error, HW_E_STATE, "hw_net_fill: there is no layer with weights yet");
}

void hw_net_input(hw_net *net, float scale, float mean)
{
    if (!net || net->finished) return;
    net->preparation = hw_preparation_defaults();
    net->preparation.scale = scale;
    net->preparation.shift = mean;
}

void hw_net_prepare(hw_net *net, const hw_preparation *preparation)
{
    if (net && !net->finished && preparation) net->preparation = *preparation;
}

void hw_net_use_path(hw_net *net, hw_path path)
{
    if (!net || net->error[0]) return;
    net->path = path;
    if ((unsigned)path > HW_PATH_WIDE)
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net_use_path: there is no path %d", (int)path);
    else if (path == HW_PATH_WIDE && !hw__cpu_avx2())
        net->code = hw__base_fail(net->error, HW_E_UNSUPPORTED, "hw_net_use_path: this processor has no AVX2 kernels");
}

/* Where each layer's parameters stand; what follows from the net's settings. */
static void number_parameters(hw_net *net)
{
    net->parameters = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        hw__net_layer *l = net->layer + i;
        if (l->kind == &hw__net_batch_norm) {
            l->copies = net->running.copies;
            l->epsilon = net->running.epsilon;
            l->share = net->running.share;
            l->running = l->copies * (2 * (size_t)l->in.c + 1);
        }
        l->at = net->parameters;
        net->parameters += l->weights + l->biases + l->running;
        if (net->parameters > UINT32_MAX / 2 && !net->error[0])
            net->code = hw__base_fail(net->error, HW_E_LIMIT, "hw_net_finish: layer %u (%s): more than 2^31 parameters",
                                      i + 1, l->kind->name);
    }
}

static void check_shape(hw_net *net, uint32_t batch)
{
    if (net->error[0]) return;
    if (net->finished) {
        hw__base_fail(net->error, HW_E_STATE, "hw_net_finish: the net is finished already");
    } else if (batch < 1 || batch > 65536) {
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net_finish: batch is %u: it must be in [1, 65536]", batch);
    } else if (net->next_from != AS_USUAL) {
        hw__base_fail(net->error, HW_E_STATE, "hw_net_finish: no layer follows the last hw_net_from");
    } else if (!net->layers || net->layer[net->layers - 1].out.h != 1 || net->layer[net->layers - 1].out.w != 1) {
        hw__base_fail(net->error, HW_E_ARGUMENT,
                      "hw_net_finish: the last layer must have 1 x 1 outputs: end with a dense layer");
    }
    char why[HW_WHY];
    const hw_images input = {1, net->input.c, net->input.h, net->input.w, 1, NULL, NULL};
    if (!net->error[0] && hw_preparation_check(&net->preparation, &input, why) != HW_OK)
        hw__base_fail(net->error, HW_E_ARGUMENT, "%.250s", why);
    for (unsigned i = 0; i < net->layers; i++) net->layer[i].consumers = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        const hw__net_layer *l = net->layer + i;
        if (l->from >= 0) net->layer[l->from].consumers++;
        if (l->also >= 0) net->layer[l->also].consumers++;
    }
    for (unsigned i = 0; i + 1 < net->layers && !net->error[0]; i++)
        if (!net->layer[i].consumers)
            hw__base_fail(net->error, HW_E_STATE, "hw_net_finish: nothing takes the output of layer %u (%s)", i + 1,
                          net->layer[i].kind->name);
}

hw_status hw_net_finish(hw_net *net, uint32_t batch, char *why)
{
    if (!net) return hw__base_fail(why, HW_E_MEMORY, "hw_net_finish: no memory for the net");
    check_shape(net, batch);
    if (!net->error[0]) number_parameters(net);
    if (!net->error[0] && !net->parameters)
        hw__base_fail(net->error, HW_E_ARGUMENT, "hw_net_finish: the net has no parameters");
    if (!net->error[0]) {
        size_t parts = 0;
        for (unsigned i = 0; i < net->layers; i++) {
            const hw__net_layer *l = net->layer + i;
            parts += 2 + (l->running ? 3 * (size_t)l->copies : 0);
        }
        net->segment = hw__base_zalloc(net->layers, sizeof *net->segment);
        net->tensor = hw__base_zalloc(parts, sizeof *net->tensor);
        net->stretch = hw__base_zalloc(net->layers, sizeof *net->stretch);
        if (!net->segment || !net->tensor || !net->stretch)
            net->code = hw__base_fail(net->error, HW_E_MEMORY, "hw_net_finish: no memory for the plan");
    }
    if (net->error[0]) return hw__base_fail(why, net->code ? net->code : HW_E_ARGUMENT, "%s", net->error);
    net->batch = batch;
    if (!hw__net_plan(net))
        net->code = hw__base_fail(net->error, HW_E_MEMORY, "hw_net_finish: no memory for the plan");
    else if (net->scratch_bytes == SIZE_MAX)
        net->code = hw__base_fail(net->error, HW_E_LIMIT,
                                  "hw_net_finish: the scratch of a worker is beyond all memory: a "
                                  "smaller minibatch is needed");
    if (net->error[0]) return hw__base_fail(why, net->code, "%s", net->error);
    hw__net_name_tensors(net);
    hw__net_name_stretches(net);
    net->finished = true;
    return HW_OK;
}
