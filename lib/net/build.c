/* build.c - the builder: layers, shapes, parameters, fillers, the plan of the scratch, the summary. */
#include "net.h"
#include "wide.h"
#include <math.h>
#include <string.h>

hw_net *hw_net_create(unsigned channels, unsigned height, unsigned width)
{
    hw_net *net = base_zalloc(1, sizeof *net);
    if (!net) return NULL;
    net->input = (net_shape){channels, height, width};
    net->scale = 1.0f / 256;
    if (channels < 1 || height < 1 || width < 1 || channels > 4096 || height > 4096 || width > 4096)
        base_fail(net->error, HW_E_ARGUMENT, "hw_net_create: %u x %u x %u is no image shape: each must be in [1, 4096]",
                  channels, height, width);
    return net;
}

void hw_net_free(hw_net *net)
{
    base_free(net);
}

static net_layer *add(hw_net *net, const net_kind *kind)
{
    if (!net || net->error[0]) return NULL;
    if (net->finished || net->layers == NET_LAYERS) {
        base_fail(net->error, HW_E_STATE, "hw_net: layer %u (%s): the net %s", net->layers + 1, kind->name,
                  net->finished ? "is finished" : "is full");
        return NULL;
    }
    net_layer *l = net->layer + net->layers;
    memset(l, 0, sizeof *l);
    l->kind = kind;
    l->number = net->layers;
    l->in = l->out = net->layers ? net->layer[net->layers - 1].out : net->input;
    net->layers++;
    return l;
}

static void window(hw_net *net, net_layer *l, unsigned kernel, unsigned stride, unsigned pad, bool up)
{
    unsigned h = l->in.h + 2 * pad, w = l->in.w + 2 * pad, more = up ? stride - 1 : 0;
    if (kernel < 1 || kernel > 15 || stride < 1 || stride > 64 || pad >= kernel || kernel > h || kernel > w) {
        base_fail(net->error, HW_E_ARGUMENT,
                  "hw_net: layer %u (%s): kernel %u, stride %u, pad %u do not fit a %u x %u image "
                  "(kernel 1 to 15, stride from 1, pad below kernel)",
                  l->number + 1, l->kind->name, kernel, stride, pad, l->in.h, l->in.w);
        return;
    }
    l->kernel = kernel;
    l->stride = stride;
    l->pad = pad;
    l->out.h = (h - kernel + more) / stride + 1;
    l->out.w = (w - kernel + more) / stride + 1;
    /* Caffe: the last window must start inside the image or its left padding. */
    if (up && pad && (l->out.h - 1) * stride >= l->in.h + pad) l->out.h--;
    if (up && pad && (l->out.w - 1) * stride >= l->in.w + pad) l->out.w--;
}

static void weights(hw_net *net, net_layer *l, unsigned outputs, size_t fan_in)
{
    if (outputs < 1 || outputs > 65536)
        base_fail(net->error, HW_E_ARGUMENT, "hw_net: layer %u (%s): %u outputs: it must be in [1, 65536]",
                  l->number + 1, l->kind->name, outputs);
    l->out.c = outputs;
    l->fan_in = fan_in;
    l->weights = fan_in * outputs;
    l->biases = outputs;
}

void hw_net_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad)
{
    net_layer *l = add(net, &net_conv);
    if (!l) return;
    window(net, l, kernel, stride, pad, false);
    weights(net, l, filters, (size_t)l->in.c * kernel * kernel);
}

void hw_net_max_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad)
{
    net_layer *l = add(net, &net_max_pool);
    if (l) window(net, l, kernel, stride, pad, true);
}

void hw_net_dense(hw_net *net, unsigned outputs)
{
    net_layer *l = add(net, &net_dense);
    if (!l) return;
    weights(net, l, outputs, net_floats(l->in));
    l->out.h = l->out.w = 1;
}

void hw_net_relu(hw_net *net)
{
    (void)add(net, &net_relu);
}

void hw_net_dropout(hw_net *net, double rate)
{
    net_layer *l = add(net, &net_dropout);
    if (!l) return;
    l->rate = (float)rate;
    if (!(rate >= 0 && rate < 1))
        base_fail(net->error, HW_E_ARGUMENT, "hw_net: layer %u (dropout): rate %g must be in [0, 1)", l->number + 1,
                  rate);
}

void hw_net_fill(hw_net *net, hw_filler filler, double value, double bias)
{
    if (!net || net->error[0] || net->finished) return;
    for (unsigned i = net->layers; i-- > 0;)
        if (net->layer[i].weights) {
            net->layer[i].filler = filler;
            net->layer[i].fill = value;
            net->layer[i].fill_bias = bias;
            return;
        }
    base_fail(net->error, HW_E_STATE, "hw_net_fill: there is no layer with weights yet");
}

void hw_net_input(hw_net *net, float scale, float mean)
{
    if (!net || net->finished) return;
    net->scale = scale;
    net->mean = mean;
}

void hw_net_use_path(hw_net *net, hw_path path)
{
    if (!net || net->error[0]) return;
    net->path = path;
    if (path > HW_PATH_WIDE || (path == HW_PATH_WIDE && !wide_available()))
        net->code = base_fail(net->error, HW_E_UNSUPPORTED, "hw_net_use_path: this processor has no AVX2 kernels");
}

/* Reserve bytes of the scratch, a cache line apart. */
static size_t reserve(hw_net *net, size_t bytes)
{
    size_t at = net->scratch_bytes;
    net->scratch_bytes += (bytes + HW_LINE - 1) / HW_LINE * HW_LINE + HW_LINE;
    return at;
}

static void plan(hw_net *net)
{
    size_t widest = net_floats(net->input), widest_block = widest, work = 0;
    bool wide = net->path != HW_PATH_SCALAR && wide_available();
    net->block = 1;
    for (net->per_block = 0; net->per_block < net->layers; net->per_block++)
        if (net->layer[net->per_block].kind->per_batch) break;
    net->input_at = reserve(net, net->batch * net_floats(net->input) * sizeof(float));
    for (unsigned i = 0; i < net->layers; i++) {
        net_layer *l = net->layer + i;
        const net_layer *next = i + 1 < net->layers ? l + 1 : NULL;
        bool in_block = i < net->per_block;
        l->wide = wide && ((l->kind == &net_conv && net_conv_fits_wide(l)) ||
                           (l->kind == &net_max_pool && net_pool_fits_wide(l)));
        /* Kept for the whole batch where somebody's backward looks at it, or where whole-batch layers begin. */
        l->kept = !in_block || i + 1 == net->per_block || l->kind->needs_output || (next && next->kind->needs_input);
        l->out_at = reserve(net, (l->kept ? net->batch : net->block) * net_floats(l->out) * sizeof(float));
        if (l->kind->packed) l->packed_at = reserve(net, l->kind->packed(l) * sizeof(float));
        if (l->kind->aux) l->aux_at = reserve(net, net->batch * l->kind->aux(l));
        if (l->kind->work && l->kind->work(l) > work) work = l->kind->work(l);
        if (in_block) widest_block = net_floats(l->out) > widest_block ? net_floats(l->out) : widest_block;
        if (i + 1 >= net->per_block) widest = net_floats(l->out) > widest ? net_floats(l->out) : widest;
    }
    for (int k = 0; k < 2; k++) {
        net->gradient_at[k] = reserve(net, net->batch * widest * sizeof(float));
        net->gradient_block_at[k] = reserve(net, net->block * widest_block * sizeof(float));
    }
    net->work_at = reserve(net, work * sizeof(float));
}

hw_status hw_net_finish(hw_net *net, uint32_t batch, char *why)
{
    if (!net) return base_fail(why, HW_E_MEMORY, "hw_net_finish: no memory for the net");
    if (!net->error[0] && net->finished)
        base_fail(net->error, HW_E_STATE, "hw_net_finish: the net is finished already");
    if (!net->error[0] && (batch < 1 || batch > 65536))
        base_fail(net->error, HW_E_ARGUMENT, "hw_net_finish: batch is %u: it must be in [1, 65536]", batch);
    if (!net->error[0] &&
        (!net->layers || net->layer[net->layers - 1].out.h != 1 || net->layer[net->layers - 1].out.w != 1))
        base_fail(net->error, HW_E_ARGUMENT,
                  "hw_net_finish: the last layer must have 1 x 1 outputs: end with a dense layer");
    net->parameters = 0;
    for (unsigned i = 0; i < net->layers; i++) {
        net_layer *l = net->layer + i;
        l->at = net->parameters;
        net->parameters += l->weights + l->biases;
        if (net->parameters > UINT32_MAX / 2 && !net->error[0])
            net->code = base_fail(net->error, HW_E_LIMIT, "hw_net_finish: layer %u (%s): more than 2^31 parameters",
                                  i + 1, l->kind->name);
    }
    if (!net->error[0] && !net->parameters)
        base_fail(net->error, HW_E_ARGUMENT, "hw_net_finish: the net has no parameters");
    if (net->error[0]) return base_fail(why, net->code ? net->code : HW_E_ARGUMENT, "%s", net->error);
    net->batch = batch;
    plan(net);
    net->finished = true;
    return HW_OK;
}

size_t hw_net_parameters(const hw_net *net)
{
    return net->parameters;
}

unsigned hw_net_outputs(const hw_net *net)
{
    return net->layers ? net->layer[net->layers - 1].out.c : 0;
}

size_t hw_net_scratch_bytes(const hw_net *net)
{
    return net->scratch_bytes;
}

static uint64_t layer_multiply_adds(const net_layer *l)
{
    return l->kind->multiply_adds ? l->kind->multiply_adds(l) : 0;
}

uint64_t hw_net_multiply_adds(const hw_net *net)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->layers; i++) sum += layer_multiply_adds(net->layer + i);
    return sum;
}

void hw_net_init(const hw_net *net, uint64_t seed, float *params)
{
    for (unsigned i = 0; i < net->layers; i++) {
        const net_layer *l = net->layer + i;
        float *w = params + l->at;
        hw_rng rng;
        hw_rng_seed(&rng, seed, 4096 + i);
        for (size_t j = 0; j < l->weights; j++) {
            double x = l->fill;
            if (l->filler == HW_FILL_LECUN)
                x = (2 * hw_rng_uniform(&rng) - 1) / sqrt((double)l->fan_in);
            else if (l->filler == HW_FILL_XAVIER)
                x = sqrt(3.0 / (double)l->fan_in) * (2 * hw_rng_uniform(&rng) - 1);
            else if (l->filler == HW_FILL_HE)
                x = sqrt(2.0 / (double)l->fan_in) * hw_rng_normal(&rng);
            else if (l->filler == HW_FILL_GAUSSIAN)
                x = l->fill * hw_rng_normal(&rng);
            w[j] = (float)x;
        }
        for (size_t j = 0; j < l->biases; j++)
            w[l->weights + j] = l->filler == HW_FILL_LECUN
                                    ? (float)((2 * hw_rng_uniform(&rng) - 1) / sqrt((double)l->fan_in))
                                    : (float)l->fill_bias;
    }
}

hw_status hw_net_summary(const hw_net *net, FILE *out)
{
    fprintf(out, "  %-3s %-14s %-14s %12s %14s\n", "", "layer", "output", "parameters", "multiply-adds");
    for (unsigned i = 0; i < net->layers; i++) {
        const net_layer *l = net->layer + i;
        char shape[48];
        (void)snprintf(shape, sizeof shape, "%u x %u x %u", l->out.c, l->out.h, l->out.w);
        fprintf(out, "  %-3u %-14s %-14s %12zu %14llu\n", i + 1, l->kind->name, shape, l->weights + l->biases,
                (unsigned long long)layer_multiply_adds(l));
    }
    fprintf(out, "  %-3s %-14s %-14s %12zu %14llu\n", "", "together", "", net->parameters,
            (unsigned long long)hw_net_multiply_adds(net));
    return ferror(out) ? HW_E_IO : HW_OK;
}

int hw_net_layer(const hw_net *net, unsigned i, hw_range *w, hw_range *b)
{
    if (i >= net->layers || !net->layer[i].weights) return 0;
    const net_layer *l = net->layer + i;
    if (w) *w = (hw_range){l->at, l->weights};
    if (b) *b = (hw_range){l->at + l->weights, l->biases};
    return 1;
}

size_t hw_net_bias_sections(const hw_net *net, float rate, float decay, hw_section *sections, size_t room)
{
    size_t n = 0;
    hw_range b;
    for (unsigned i = 0; i < net->layers; i++) {
        if (!hw_net_layer(net, i, NULL, &b)) continue;
        if (n < room) sections[n] = (hw_section){b.first, b.count, rate, decay};
        n++;
    }
    return n;
}
