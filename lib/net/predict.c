/* predict.c - what a trained net says about images: probabilities, in a scratch of its own. */
#include "net.h"
#include <math.h>
#include <string.h>

struct hw_predictor {
    hw_net *owned; /* NULL: the net is the caller's */
    const hw_net *net;
    float *params;
    void *scratch;
};

/* A file of a few bytes can tell of a net whose images fill a machine. */
#define MOST_SCRATCH ((uint64_t)4 << 30)

static hw_status fit_out(hw_predictor *p, char *why)
{
    if (p->net->scratch_bytes > MOST_SCRATCH)
        return hw__base_fail(why, HW_E_LIMIT,
                             "hw_predictor: the net needs %zu bytes of scratch, more than 4 GiB: load it "
                             "for a smaller batch",
                             p->net->scratch_bytes);
    p->scratch = hw__base_zalloc(p->net->scratch_bytes, 1);
    if (p->scratch && p->params) return HW_OK;
    return hw__base_fail(why, HW_E_MEMORY, "hw_predictor: no memory for %zu parameters and %zu bytes of scratch",
                         p->net->parameters, p->net->scratch_bytes);
}

hw_status hw_predictor_create(hw_predictor **out, const hw_net *net, const float *params, char *why)
{
    if (!out || !net || !net->finished || !params)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_predictor_create: a finished net and its parameters are needed");
    *out = NULL;
    hw_predictor *p = hw__base_zalloc(1, sizeof *p);
    if (!p) return hw__base_fail(why, HW_E_MEMORY, "hw_predictor_create: no memory");
    p->net = net;
    p->params = hw__base_alloc(net->parameters, sizeof *p->params);
    hw_status status = fit_out(p, why);
    if (status != HW_OK) {
        hw_predictor_free(p);
        return status;
    }
    memcpy(p->params, params, net->parameters * sizeof *p->params);
    *out = p;
    return HW_OK;
}

hw_status hw_predictor_load(hw_predictor **out, const char *path, uint32_t batch, char *why)
{
    if (!out) return hw__base_fail(why, HW_E_ARGUMENT, "hw_predictor_load: the address for the handle is NULL");
    *out = NULL;
    hw_predictor *p = hw__base_zalloc(1, sizeof *p);
    if (!p) return hw__base_fail(why, HW_E_MEMORY, "hw_predictor_load: no memory");
    hw_status status = hw_net_load(&p->owned, &p->params, path, batch, why);
    p->net = p->owned;
    if (status == HW_OK) status = fit_out(p, why);
    if (status != HW_OK) {
        hw_predictor_free(p);
        return status;
    }
    *out = p;
    return HW_OK;
}

void hw_predictor_free(hw_predictor *p)
{
    if (!p) return;
    hw_net_free(p->owned);
    hw__base_free(p->params);
    hw__base_free(p->scratch);
    hw__base_free(p);
}

const hw_net *hw_predictor_net(const hw_predictor *p)
{
    return p->net;
}

const float *hw_predictor_params(const hw_predictor *p)
{
    return p->params;
}

/* Probabilities of one image out of its outputs, whose largest is taken off first so that nothing overflows. */
static void softmax(const float *out, unsigned n, float *probability)
{
    float most = out[0];
    double sum = 0;
    for (unsigned j = 1; j < n; j++) most = out[j] > most ? out[j] : most;
    for (unsigned j = 0; j < n; j++) sum += exp((double)(out[j] - most));
    for (unsigned j = 0; j < n; j++) probability[j] = (float)(exp((double)(out[j] - most)) / sum);
}

/* On the images that are loaded. */
static void forward(hw_predictor *p, const hw_batch *batch, float *probability)
{
    unsigned outputs = hw_net_outputs(p->net);
    hw__net_pass pass = {.net = p->net, .scratch = p->scratch, .batch = batch, .params = p->params};
    hw__net_forward(&pass);
    const float *out = hw__net_output(&pass, (int)p->net->layers - 1, 0);
    for (uint32_t i = 0; i < batch->count; i++)
        softmax(out + (size_t)i * outputs, outputs, probability + (size_t)i * outputs);
}

void hw_predictor_bytes(hw_predictor *p, const unsigned char *pixels, uint32_t count, float *probability)
{
    const hw_net *net = p->net;
    size_t size = hw__net_floats(net->input), outputs = hw_net_outputs(net);
    hw__blas_held held = hw__blas_hold(true);
    for (uint32_t done = 0, n; done < count; done += n) {
        n = count - done < net->batch ? count - done : net->batch;
        hw_batch batch = {NULL, n, 0, n, 0, 0, 0};
        const hw_images part = {
            n,   net->input.c, net->input.h, net->input.w, (unsigned)outputs, (unsigned char *)pixels + done * size,
            NULL};
        hw__net_load(net, p->scratch, &part, &batch, NULL);
        forward(p, &batch, probability + done * outputs);
    }
    hw__blas_unhold(&held);
}

void hw_predictor_floats(hw_predictor *p, const float *inputs, uint32_t count, float *probability)
{
    const hw_net *net = p->net;
    size_t size = hw__net_floats(net->input), outputs = hw_net_outputs(net);
    hw__blas_held held = hw__blas_hold(true);
    for (uint32_t done = 0, n; done < count; done += n) {
        n = count - done < net->batch ? count - done : net->batch;
        hw_batch batch = {NULL, n, 0, n, 0, 0, 0};
        memcpy((char *)p->scratch + net->input_at, inputs + done * size, n * size * sizeof *inputs);
        forward(p, &batch, probability + done * outputs);
    }
    hw__blas_unhold(&held);
}
