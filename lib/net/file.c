/* file.c - a net as a file: its layers as text, its weights by their names, in the safetensors format of a state, so
 * that a file alone predicts. Every line is read back through the builder, which refuses what is no net. */
#include "../base/number.h"
#include "hogwild/advanced/state.h"
#include "hogwild/checkpoint.h"
#include "net.h"
#include <string.h>

#define FORMAT "hogwild-net 1"

/* The numbers that describe a layer, whatever its kind: a line of a file. */
typedef struct line {
    unsigned outputs, window, stride, pad, groups, bias, size, from, also;
    double rate, alpha, beta;
} line;

static void build_conv(hw_net *net, const line *x)
{
    hw_net_conv(net, x->outputs, x->window, x->stride, x->pad);
    if (x->groups != 1) hw_net_groups(net, x->groups);
    if (!x->bias) hw_net_no_bias(net);
}

static void build_hyper(hw_net *net, const line *x)
{
    hw_net_hyper_conv(net, x->outputs, x->window, x->stride, x->pad);
}

static void build_max_pool(hw_net *net, const line *x)
{
    hw_net_max_pool(net, x->window, x->stride, x->pad);
}

static void build_average_pool(hw_net *net, const line *x)
{
    hw_net_average_pool(net, x->window, x->stride, x->pad);
}

static void build_global(hw_net *net, const line *x)
{
    (void)x;
    hw_net_global_average(net);
}

static void build_dense(hw_net *net, const line *x)
{
    hw_net_dense(net, x->outputs);
}

static void build_relu(hw_net *net, const line *x)
{
    (void)x;
    hw_net_relu(net);
}

static void build_lrn(hw_net *net, const line *x)
{
    hw_net_lrn(net, x->size, x->alpha, x->beta);
}

static void build_dropout(hw_net *net, const line *x)
{
    hw_net_dropout(net, x->rate);
}

static void build_norm(hw_net *net, const line *x)
{
    (void)x;
    hw_net_batch_norm(net);
}

static void build_add(hw_net *net, const line *x)
{
    hw_net_add(net, x->also);
}

/* A row for every kind of layer. */
static const struct row {
    const char *name;
    const hw__net_kind *kind;
    void (*build)(hw_net *net, const line *x);
} rows[] = {{"conv", &hw__net_conv, build_conv},
            {"hyper-conv", &hw__net_hyper_conv, build_hyper},
            {"max-pool", &hw__net_max_pool, build_max_pool},
            {"average-pool", &hw__net_average_pool, build_average_pool},
            {"global-average", &hw__net_global_average, build_global},
            {"dense", &hw__net_dense, build_dense},
            {"relu", &hw__net_relu, build_relu},
            {"lrn", &hw__net_lrn, build_lrn},
            {"dropout", &hw__net_dropout, build_dropout},
            {"batch-norm", &hw__net_batch_norm, build_norm},
            {"add", &hw__net_add, build_add}};

enum { ROWS = sizeof rows / sizeof *rows, LINE = 400 };

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static size_t put_real(char *text, const char *key, double x)
{
    char number[40];
    (void)hw__number_print(number, sizeof number, 9, x);
    return (size_t)snprintf(text, 60, " %s %s", key, number);
}

/* One line of at most LINE bytes. */
static size_t put_layer(char *text, const hw__net_layer *l)
{
    size_t k = 0;
    while (k < ROWS && rows[k].kind != l->kind) k++;
    int n = snprintf(text, LINE, "%s from %d also %d outputs %u window %u stride %u pad %u groups %u bias %d size %u",
                     k < ROWS ? rows[k].name : "unknown", l->from + 1, l->also >= NET_INPUT ? l->also + 1 : 0, l->out.c,
                     l->window, l->stride, l->pad, l->groups, l->biases != 0, l->size);
    size_t at = (size_t)n;
    at += put_real(text + at, "rate", (double)l->rate);
    at += put_real(text + at, "alpha", (double)l->alpha);
    at += put_real(text + at, "beta", (double)l->beta);
    text[at++] = '\n';
    text[at] = 0;
    return at;
}

static size_t put_head(char *text, const hw_net *net)
{
    const hw_preparation *p = &net->preparation;
    int n = snprintf(text, LINE, FORMAT "\ninput %u %u %u layers %u\nstatistics %d sets %u", net->input.c, net->input.h,
                     net->input.w, net->layers, (int)net->running.where, net->running.copies);
    size_t at = (size_t)n;
    at += put_real(text + at, "share", (double)net->running.share);
    at += put_real(text + at, "epsilon", (double)net->running.epsilon);
    at += put_real(text + at, "smoothing", (double)net->smoothing);
    at += (size_t)snprintf(text + at, 40, "\nprepare %d", (int)p->normalize);
    at += put_real(text + at, "scale", (double)p->scale);
    at += put_real(text + at, "shift", (double)p->shift);
    text[at++] = '\n';
    text[at] = 0;
    return at;
}

static hw_status put_all(hw_state *s, const hw_net *net, const float *params, const char *text)
{
    const hw_preparation *p = &net->preparation;
    size_t tensors;
    const hw_tensor *t = hw_net_tensors(net, &tensors);
    hw_status status = hw_state_put_text(s, "net", text);
    for (size_t i = 0; i < tensors && status == HW_OK; i++)
        status = hw_state_put(s, t[i].name, HW_F32, t[i].dims, t[i].shape, params + t[i].first);
    const uint64_t image[3] = {net->input.c, net->input.h, net->input.w}, four = 4;
    if (status == HW_OK && p->mean) status = hw_state_put(s, "prepare.mean", HW_F32, 3, image, p->mean);
    if (status == HW_OK) status = hw_state_put(s, "prepare.channel_mean", HW_F32, 1, &four, p->channel_mean);
    if (status == HW_OK) status = hw_state_put(s, "prepare.channel_scale", HW_F32, 1, &four, p->channel_scale);
    return status;
}

hw_status hw_net_save(const hw_net *net, const float *params, const char *path, char *why)
{
    if (!net || !net->finished || !params || !path)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_net_save: a finished net, its parameters and a path are needed");
    if (!hw__base_all_finite(params, net->parameters))
        return hw__base_fail(why, HW_E_DIVERGED, "hw_net_save: a parameter is not finite");
    hw_state *s = hw_state_create();
    char *text = hw__base_alloc((size_t)net->layers + 2, LINE);
    size_t at = text ? put_head(text, net) : 0;
    for (unsigned i = 0; text && i < net->layers; i++) at += put_layer(text + at, net->layer + i);
    hw_status status = s && text ? put_all(s, net, params, text) : HW_E_MEMORY;
    if (status == HW_OK)
        status = hw_state_save(s, path, why);
    else
        hw__base_fail(why, status, "%.160s: the net of %zu parameters: %s", path, net->parameters,
                      hw_status_text(status));
    hw__base_free(text);
    hw_state_free(s);
    return status;
}

/* --- reading --------------------------------------------------------------------------------------------------------
 */

typedef struct reader {
    const char *at;
    bool good;
} reader;

static void word(reader *r, const char *expected)
{
    size_t n = strlen(expected);
    r->good = r->good && strncmp(r->at, expected, n) == 0;
    if (r->good) r->at += n;
}

static double real(reader *r, const char *key, double low, double high)
{
    double x = 0;
    word(r, key);
    word(r, " ");
    r->good = r->good && hw__number_parse(r->at, &r->at, &x) && x >= low && x <= high;
    return r->good ? x : 0;
}

static unsigned whole(reader *r, const char *key, double low, double high)
{
    double x = real(r, key, low, high);
    r->good = r->good && x <= (double)(unsigned)x;
    return (unsigned)x;
}

static void take_layer(reader *r, hw_net *net, unsigned i)
{
    size_t k = 0, n = strcspn(r->at, " \n");
    line x;
    while (k < ROWS && !(strlen(rows[k].name) == n && strncmp(rows[k].name, r->at, n) == 0)) k++;
    r->good = r->good && k < ROWS;
    if (!r->good) return;
    r->at += n;
    x.from = whole(r, " from", 0, i);
    x.also = whole(r, " also", 0, i);
    x.outputs = whole(r, " outputs", 1, 65536);
    x.window = whole(r, " window", 0, 15);
    x.stride = whole(r, " stride", 0, 64);
    x.pad = whole(r, " pad", 0, 15);
    x.groups = whole(r, " groups", 1, 65536);
    x.bias = whole(r, " bias", 0, 1);
    x.size = whole(r, " size", 0, 255);
    x.rate = real(r, " rate", 0, 1);
    x.alpha = real(r, " alpha", 0, 1e6);
    x.beta = real(r, " beta", 0, 100);
    word(r, "\n");
    if (!r->good) return;
    if (x.from != hw_net_here(net)) hw_net_from(net, x.from);
    rows[k].build(net, &x);
}

/* The net that the text tells of, unfinished; NULL: the text is none. */
static hw_net *take_net(const char *text, hw_preparation *p)
{
    reader r = {text, true};
    unsigned layers;
    *p = hw_preparation_defaults();
    word(&r, FORMAT "\n");
    unsigned c = whole(&r, "input", 1, 4096), h = whole(&r, "", 1, 4096), w = whole(&r, "", 1, 4096);
    layers = whole(&r, " layers", 1, NET_LAYERS);
    hw_net *net = r.good ? hw_net_create(c, h, w) : NULL;
    if (!net) return NULL;
    unsigned where = whole(&r, "\nstatistics", 0, 1), sets = whole(&r, " sets", 1, 65536);
    double share = real(&r, " share", 0, 1), epsilon = real(&r, " epsilon", 0, 1);
    hw_net_statistics(net, (hw_statistics)where, sets, share, epsilon);
    hw_net_label_smoothing(net, real(&r, " smoothing", 0, 1));
    p->normalize = (hw_normalize)whole(&r, "\nprepare", 0, 2);
    p->scale = (float)real(&r, " scale", -3e38, 3e38);
    p->shift = (float)real(&r, " shift", -3e38, 3e38);
    word(&r, "\n");
    for (unsigned i = 0; i < layers && r.good; i++) take_layer(&r, net, i);
    if (r.good && *r.at == 0) return net;
    hw_net_free(net);
    return NULL;
}

static hw_status take_weights(const hw_net *net, const hw_state *s, float *params, const char *path, char *why)
{
    size_t tensors;
    const hw_tensor *t = hw_net_tensors(net, &tensors);
    for (size_t i = 0; i < tensors; i++) {
        size_t n = 1;
        for (unsigned d = 0; d < t[i].dims; d++) n *= (size_t)t[i].shape[d];
        const hw_entry *x = hw_state_find(s, t[i].name);
        bool good = x && x->kind == HW_ENTRY_ARRAY && x->dtype == HW_F32 && x->dims == t[i].dims && x->count == n &&
                    memcmp(x->shape, t[i].shape, x->dims * sizeof *x->shape) == 0;
        if (!good || !hw__base_all_finite(x->data, n))
            return hw__base_fail(why, HW_E_FORMAT, "%.140s: '%s' is missing, of another shape, or not finite", path,
                                 t[i].name);
        memcpy(params + t[i].first, x->data, n * sizeof *params);
    }
    return HW_OK;
}

/* The numbers before the net sees an image: a mean image becomes the net's own. */
static bool take_preparation(hw_net *net, hw_preparation *p, const hw_state *s)
{
    const float *mean = hw_state_array(s, "prepare.channel_mean", HW_F32, 4);
    const float *scale = hw_state_array(s, "prepare.channel_scale", HW_F32, 4);
    size_t pixels = hw__net_floats(net->input);
    if (!mean || !scale) return false;
    memcpy(p->channel_mean, mean, sizeof p->channel_mean);
    memcpy(p->channel_scale, scale, sizeof p->channel_scale);
    if (hw_state_find(s, "prepare.mean")) {
        const float *image = hw_state_array(s, "prepare.mean", HW_F32, pixels);
        net->mean = image ? hw__base_alloc(pixels, sizeof *net->mean) : NULL;
        if (!net->mean) return false;
        memcpy(net->mean, image, pixels * sizeof *image);
        p->mean = net->mean;
    }
    hw_net_prepare(net, p);
    return true;
}

static hw_status parse(hw_net **out, float **params, const hw_state *s, uint32_t batch, const char *path, char *why)
{
    char detail[HW_WHY];
    hw_preparation p;
    const char *text = hw_state_text(s, "net");
    hw_net *net = text ? take_net(text, &p) : NULL;
    if (!net) return hw__base_fail(why, HW_E_FORMAT, "%.160s: it holds no net, or one of a later version", path);
    *out = net;
    if (!take_preparation(net, &p, s))
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: how images are prepared is not whole", path);
    uint64_t sets = 0;
    for (unsigned i = 0; i < net->layers; i++)
        if (net->layer[i].kind == &hw__net_batch_norm) sets += net->running.copies;
    if (sets > hw_state_count(s))
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.140s: its net has %llu sets of running means, more than the file has "
                             "entries",
                             path, (unsigned long long)sets);
    /* A net of no more parameters than there are bytes of them; its scratch is the caller's to ask for. */
    hw_status status = hw_net_finish(net, batch, detail);
    if (status != HW_OK)
        return hw__base_fail(why, status == HW_E_ARGUMENT || status == HW_E_STATE ? HW_E_FORMAT : status,
                             "%.100s: %.150s", path, detail);
    size_t there = 0;
    for (size_t i = 0; i < hw_state_count(s); i++) {
        const hw_entry *x = hw_state_entry(s, i);
        there += x->kind == HW_ENTRY_ARRAY && x->dtype == HW_F32 ? x->count : 0;
    }
    if (there < net->parameters)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: its net has %zu parameters, the file holds %zu floats", path,
                             net->parameters, there);
    *params = hw__base_alloc(net->parameters, sizeof **params);
    if (!*params) return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory for its weights", path);
    return take_weights(net, s, *params, path, why);
}

hw_status hw_net_load(hw_net **net, float **params, const char *path, uint32_t batch, char *why)
{
    if (!net || !params || !path)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_net_load: addresses for a net and its parameters, and a path are "
                             "needed");
    *net = NULL;
    *params = NULL;
    hw_state *s = hw_state_create();
    if (!s) return hw__base_fail(why, HW_E_MEMORY, "hw_net_load: no memory");
    hw_status status = hw_state_load(s, path, why);
    if (status == HW_OK) status = parse(net, params, s, batch, path, why);
    hw_state_free(s);
    if (status == HW_OK) return HW_OK;
    hw_net_free(*net);
    hw__base_free(*params);
    *net = NULL;
    *params = NULL;
    return status;
}
