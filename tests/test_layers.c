/* test_layers.c - each kind of layer by itself: against PyTorch, against plain loops in double and their differences,
 * the AVX2 kernels against the reference, in place, at odd shapes. test_layers_nets.c puts them together. */
#include "check.h"
#include "golden/layers.h"
#include "../lib/net/net.h"
#include <cblas.h>

/* One layer and everything a call to it may touch, each array exactly as long as it must be. */
typedef struct bed {
    hw__net_layer l;
    hw__net_call c;
    size_t in, out, parameters; /* floats of all images */
    float *input, *also, *output, *dout, *din, *params, *g;
} bed;

static double value(int what, size_t i) /* as layers.py */
{
    double x = (double)i;
    return sin(0.37 * x + 1.3 * what + 0.011 * x * x);
}

static float *floats(size_t n, int what)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = what ? (float)value(what, i) : NAN; /* what a layer sets, it must set */
    return x;
}

static unsigned pooled(unsigned in, unsigned kernel, unsigned stride, unsigned pad) /* Caffe's rule */
{
    unsigned out = (in + 2 * pad - kernel + stride - 1) / stride + 1;
    return pad && (out - 1) * stride >= in + pad ? out - 1 : out;
}

static hw__net_layer layer(const hw__net_kind *kind, unsigned c, unsigned h, unsigned w)
{
    hw__net_layer l;
    memset(&l, 0, sizeof l);
    l.kind = kind;
    l.in = l.out = (hw__net_shape){c, h, w};
    l.groups = 1;
    l.number = 2;
    return l;
}

static hw__net_layer pooling(const hw__net_kind *kind, hw__net_shape in, unsigned kernel, unsigned stride, unsigned pad)
{
    hw__net_layer l = layer(kind, in.c, in.h, in.w);
    l.window = kernel;
    l.stride = stride;
    l.pad = pad;
    l.out.h = pooled(in.h, kernel, stride, pad);
    l.out.w = pooled(in.w, kernel, stride, pad);
    return l;
}

static hw__net_layer lrn(hw__net_shape in, unsigned size, float alpha, float beta)
{
    hw__net_layer l = layer(&hw__net_lrn, in.c, in.h, in.w);
    l.size = size;
    l.alpha = alpha;
    l.beta = beta;
    return l;
}

static hw__net_layer dense(hw__net_shape in, unsigned outputs, bool biases)
{
    hw__net_layer l = layer(&hw__net_dense, in.c, in.h, in.w);
    l.out = (hw__net_shape){outputs, 1, 1};
    l.weights = hw__net_floats(in) * outputs;
    l.biases = biases ? outputs : 0;
    return l;
}

static bed *lay(hw__net_layer l, size_t n)
{
    bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->l = l;
    b->in = n * hw__net_floats(l.in);
    b->out = n * hw__net_floats(l.out);
    b->parameters = l.weights + l.biases;
    b->input = floats(b->in, 1);
    b->also = floats(b->in, 5);
    b->output = floats(b->out, 0);
    b->dout = floats(b->out, 2);
    b->din = floats(b->in, 0);
    b->params = floats(b->parameters, 3);
    for (size_t i = 0; i < l.biases; i++) b->params[l.weights + i] = (float)value(4, i);
    b->g = floats(b->parameters, 0);
    b->c = (hw__net_call){.layer = &b->l,
                          .params = b->params,
                          .g = b->g,
                          .first = true,
                          .in = b->input,
                          .also = b->also,
                          .out = b->output,
                          .dout = b->dout,
                          .din = b->din,
                          .n = n,
                          .train = true,
                          .seed = 5,
                          .step = 7,
                          .position = 3};
    const hw__net_kind *k = l.kind;
    if (k->aux) b->c.aux = malloc(n * k->aux(&b->l));
    b->c.work = check_floats(k->work ? k->work(&b->l, n) : 1);
    b->c.packed = check_floats(k->packed ? k->packed(&b->l) : 1);
    return b;
}

static void drop(bed *b)
{
    void *all[] = {b->input, b->also, b->output, b->dout, b->din, b->params, b->g, b->c.aux, b->c.work, b->c.packed, b};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void run(bed *b)
{
    const hw__net_kind *k = b->l.kind;
    if (k->pack) k->pack(&b->c);
    k->forward(&b->c);
    if (k->backward) k->backward(&b->c);
    if (k->finish) k->finish(&b->c);
}

static void assert_all_near(const char *name, const float *x, const float *expected, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)expected[i]) <= tolerance))
            fail_msg("%s: number %zu is %.8g, not %.8g", name, i, (double)x[i], (double)expected[i]);
}

/* --- PyTorch ------------------------------------------------------------------------------------------------------ */

#define GOLDEN(name) golden_##name##_out, golden_##name##_din, sizeof golden_##name##_out, sizeof golden_##name##_din

static void golden(const char *name, hw__net_layer l, size_t n, const float *out, const float *din, size_t out_bytes,
                   size_t din_bytes)
{
    for (int wide = 0; wide < 2; wide++) {
        l.wide = wide;
        bed *b = lay(l, n);
        assert_int_equal(b->out * sizeof *out, out_bytes);
        assert_int_equal(b->in * sizeof *din, din_bytes);
        run(b);
        assert_all_near(name, b->output, out, b->out, 2e-6);
        assert_all_near(name, b->din, din, b->in, 5e-6);
        drop(b);
    }
}

static void layers_as_in_pytorch(void **state)
{
    (void)state;
    hw__net_shape clipped = {3, 8, 8}, whole = {3, 7, 9};
    golden("max, clipped", pooling(&hw__net_max_pool, clipped, 3, 2, 0), 2, GOLDEN(max_clipped));
    golden("max, whole", pooling(&hw__net_max_pool, whole, 3, 2, 0), 2, GOLDEN(max_whole));
    golden("max, padded", pooling(&hw__net_max_pool, (hw__net_shape){2, 7, 5}, 3, 2, 1), 1, GOLDEN(max_padded));
    golden("average, clipped", pooling(&hw__net_average_pool, clipped, 3, 2, 0), 2, GOLDEN(average_clipped));
    golden("average, whole", pooling(&hw__net_average_pool, whole, 3, 2, 0), 2, GOLDEN(average_whole));
    golden("average, padded", pooling(&hw__net_average_pool, (hw__net_shape){2, 6, 7}, 3, 2, 1), 1,
           GOLDEN(average_padded));
    hw__net_layer mean = layer(&hw__net_global_average, 3, 5, 7);
    mean.out.h = mean.out.w = 1;
    golden("global average", mean, 2, GOLDEN(global));
    golden("response normalisation", lrn((hw__net_shape){7, 3, 4}, 5, 0.8f, 0.75f), 2, GOLDEN(lrn));
    golden("response normalisation, beta 0.6", lrn((hw__net_shape){4, 2, 5}, 3, 1.5f, 0.6f), 1, GOLDEN(lrn_other));
}

static void with_weights(const char *name, hw__net_layer l, size_t n, const float *out, const float *din,
                         const float *weights, const float *biases)
{
    bed *b = lay(l, n);
    run(b);
    assert_all_near(name, b->output, out, b->out, 5e-6);
    assert_all_near(name, b->din, din, b->in, 5e-6);
    assert_all_near(name, b->g, weights, l.weights, 2e-5);
    assert_all_near(name, b->g + l.weights, biases, l.biases, 2e-5);
    drop(b);
}

static void layers_with_weights_as_in_pytorch(void **state)
{
    (void)state;
    hw__net_layer l = dense((hw__net_shape){11, 1, 1}, 5, true);
    assert_int_equal(sizeof golden_dense_weights, l.weights * sizeof(float));
    with_weights("dense", l, 3, golden_dense_out, golden_dense_din, golden_dense_weights, golden_dense_biases);
    for (int i = 0; i < 2; i++) {
        l = layer(&hw__net_conv, 4, 7, 6);
        l.window = 3;
        l.stride = l.groups = 2;
        l.pad = 1;
        l.out = (hw__net_shape){6, 4, 3};
        l.fan_in = 18;
        l.weights = sizeof golden_grouped_weights / sizeof *golden_grouped_weights;
        l.biases = 6;
        hw__net_conv_choose(&l, i ? HW_PATH_AUTO : HW_PATH_SCALAR);
        with_weights("grouped convolution", l, 2, golden_grouped_out, golden_grouped_din, golden_grouped_weights,
                     golden_grouped_biases);
    }
}

static void smoothed_labels_as_in_pytorch(void **state)
{
    (void)state;
    float *x = floats(28, 1), d[28], e[28];
    unsigned char label[4];
    uint32_t correct = 0, right = 0;
    for (unsigned n = 0; n < 4; n++) {
        unsigned best = 0;
        label[n] = (unsigned char)((3 * n + 1) % 7);
        for (unsigned j = 1; j < 7; j++)
            if (x[7 * n + j] > x[7 * n + best]) best = j;
        right += best == label[n];
    }
    assert_near(hw__net_softmax(x, label, 4, 7, 0.1f, 0.25f, d, &correct) / 4, (double)golden_smooth_loss[0], 1e-6);
    assert_int_equal(correct, right);
    assert_all_near("smoothed labels", d, golden_smooth_din, 28, 1e-7);
    /* Without smoothing: minus the label's logarithm; with dout NULL the same loss. */
    double loss = hw__net_softmax(x, label, 4, 7, 0, 0.25f, e, NULL), expected = 0;
    assert_true(loss == hw__net_softmax(x, label, 4, 7, 0, 0.25f, NULL, NULL));
    for (unsigned n = 0; n < 4; n++) {
        double sum = 0;
        for (unsigned j = 0; j < 7; j++) sum += exp((double)x[7 * n + j]);
        for (unsigned j = 0; j < 7; j++)
            assert_near((double)e[7 * n + j], 0.25 * (exp((double)x[7 * n + j]) / sum - (j == label[n])), 1e-7);
        expected += log(sum) - (double)x[7 * n + label[n]];
    }
    assert_near(loss, expected, 1e-6);
    free(x);
}

/* --- plain loops in double ---------------------------------------------------------------------------------------- */

static void plain_pool(const bed *b, const double *in, double *out)
{
    const hw__net_layer *l = &b->l;
    int h = (int)l->in.h, w = (int)l->in.w, k = (int)l->window, s = (int)l->stride, pad = (int)l->pad;
    for (size_t p = 0; p < b->c.n * l->in.c; p++, in += h * w)
        for (int oy = 0; oy < (int)l->out.h; oy++)
            for (int ox = 0; ox < (int)l->out.w; ox++) {
                double sum = 0, most = -INFINITY;
                int cells = 0;
                for (int y = oy * s - pad; y < oy * s - pad + k; y++)
                    for (int x = ox * s - pad; x < ox * s - pad + k; x++) {
                        cells += y < h + pad && x < w + pad;
                        if (y < 0 || y >= h || x < 0 || x >= w) continue;
                        sum += in[y * w + x];
                        most = fmax(most, in[y * w + x]);
                    }
                *out++ = l->kind == &hw__net_average_pool ? (cells ? sum / cells : 0) : isfinite(most) ? most : 0;
            }
}

static void plain_lrn(const bed *b, const double *in, double *out)
{
    const hw__net_layer *l = &b->l;
    int plane = (int)(l->in.h * l->in.w), channels = (int)l->in.c, half = (int)l->size / 2;
    for (size_t n = 0; n < b->c.n; n++, in += channels * plane, out += channels * plane)
        for (int i = 0; i < channels * plane; i++) {
            double sum = 0;
            for (int j = i - half * plane; j <= i + half * plane; j += plane)
                if (j >= 0 && j < channels * plane) sum += in[j] * in[j];
            out[i] = in[i] * pow(1 + (double)l->alpha / l->size * sum, -(double)l->beta);
        }
}

/* w: the parameters. What dropout keeps is read off its own mask. */
static void plain(const bed *b, const double *in, const double *w, double *out)
{
    const hw__net_kind *k = b->l.kind;
    size_t floats_in = hw__net_floats(b->l.in), plane = (size_t)b->l.in.h * b->l.in.w;
    if (k == &hw__net_max_pool || k == &hw__net_average_pool) plain_pool(b, in, out);
    if (k == &hw__net_lrn) plain_lrn(b, in, out);
    for (size_t i = 0; i < b->out; i++) {
        if (k == &hw__net_relu) out[i] = fmax(in[i], 0);
        if (k == &hw__net_dropout) out[i] = b->c.aux[i] ? in[i] / (1 - (double)b->l.rate) : 0;
        if (k == &hw__net_add) out[i] = in[i] + (double)b->also[i];
        if (k == &hw__net_global_average) {
            out[i] = 0;
            for (size_t j = 0; j < plane; j++) out[i] += in[i * plane + j] / (double)plane;
        }
        if (k == &hw__net_dense) {
            size_t image = i / b->l.out.c, unit = i % b->l.out.c;
            out[i] = b->l.biases ? w[b->l.weights + unit] : 0;
            for (size_t j = 0; j < floats_in; j++) out[i] += in[image * floats_in + j] * w[unit * floats_in + j];
        }
    }
}

static double weighed(const bed *b, const double *in, const double *w, double *out)
{
    double sum = 0;
    plain(b, in, w, out);
    for (size_t i = 0; i < b->out; i++) sum += (double)b->dout[i] * out[i];
    return sum;
}

static void assert_gradient(const char *name, const bed *b, double *x, const float *g, size_t n, const double *in,
                            const double *w, double *out)
{
    for (size_t i = 0; i < n; i++) {
        double at = x[i], step = 1e-6;
        x[i] = at + step;
        double up = weighed(b, in, w, out);
        x[i] = at - step;
        double difference = (up - weighed(b, in, w, out)) / (2 * step);
        x[i] = at;
        if (!(fabs((double)g[i] - difference) <= 2e-5))
            fail_msg("%s: gradient %zu is %.8g, differences say %.8g", name, i, (double)g[i], difference);
    }
}

static void spread(float *x, size_t n, uint64_t stream)
{
    hw_rng rng;
    hw_rng_seed(&rng, 11, stream);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * hw_rng_uniform(&rng) - 1);
}

/* Outputs and both gradients of one layer, on both paths, for one image and three. */
static void against_plain_loops(const char *name, hw__net_layer l)
{
    for (int round = 0; round < 4; round++) {
        l.wide = round % 2;
        bed *b = lay(l, round < 2 ? 1 : 3);
        double *in = calloc(b->in + b->out + b->parameters, sizeof *in), *out = in + b->in, *w = out + b->out;
        spread(b->input, b->in, 1);
        spread(b->dout, b->out, 2);
        run(b);
        for (size_t i = 0; i < b->in; i++) in[i] = (double)b->input[i];
        for (size_t i = 0; i < b->parameters; i++) w[i] = (double)b->params[i];
        plain(b, in, w, out);
        for (size_t i = 0; i < b->out; i++)
            if (!(fabs((double)b->output[i] - out[i]) <= 5e-6))
                fail_msg("%s: output %zu is %.8g, not %.8g", name, i, (double)b->output[i], out[i]);
        if (!l.kind->passes) assert_gradient(name, b, in, b->din, b->in, in, w, out);
        assert_gradient(name, b, w, b->g, b->parameters, in, w, out);
        free(in);
        drop(b);
    }
}

static void layers_against_plain_loops(void **state)
{
    (void)state;
    const unsigned windows[][5] = {/* height, width, kernel, stride, pad */
                                   {8, 8, 3, 2, 0},  {9, 11, 3, 2, 0}, {10, 13, 3, 2, 0}, {7, 16, 3, 2, 0},
                                   {8, 12, 2, 2, 0}, {7, 9, 2, 2, 0},  {5, 6, 3, 2, 1},   {6, 5, 3, 1, 2},
                                   {4, 4, 4, 4, 0},  {3, 3, 3, 2, 0},  {5, 7, 1, 3, 0},   {9, 4, 5, 3, 4}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        const unsigned *v = windows[i];
        char name[64];
        (void)snprintf(name, sizeof name, "pooling %u x %u, %u / %u, pad %u", v[0], v[1], v[2], v[3], v[4]);
        against_plain_loops(name, pooling(&hw__net_max_pool, (hw__net_shape){3, v[0], v[1]}, v[2], v[3], v[4]));
        against_plain_loops(name, pooling(&hw__net_average_pool, (hw__net_shape){3, v[0], v[1]}, v[2], v[3], v[4]));
    }
    const hw__net_shape shapes[] = {{1, 1, 1}, {5, 3, 7}, {2, 9, 9}, {9, 2, 5}};
    for (size_t i = 0; i < 4; i++) {
        hw__net_shape s = shapes[i];
        against_plain_loops("ReLU", layer(&hw__net_relu, s.c, s.h, s.w));
        against_plain_loops("addition", layer(&hw__net_add, s.c, s.h, s.w));
        hw__net_layer l = layer(&hw__net_dropout, s.c, s.h, s.w);
        l.rate = 0.3f;
        against_plain_loops("dropout", l);
        l = layer(&hw__net_global_average, s.c, s.h, s.w);
        l.out.h = l.out.w = 1;
        against_plain_loops("global average", l);
        against_plain_loops("response normalisation", lrn(s, 5, 2, 0.75f));
        against_plain_loops("response normalisation, one channel", lrn(s, 1, 1.5f, 0.75f));
        against_plain_loops("response normalisation, beta 1.2", lrn(s, 3, 0.7f, 1.2f));
        against_plain_loops("dense", dense(s, 4, true));
        against_plain_loops("dense without biases", dense(s, 3, false));
    }
}

/* --- paths, places, masks ----------------------------------------------------------------------------------------- */

/* Numbers that are often equal, as behind a ReLU: the first of the largest wins on both paths. */
static void wide_pools_equal_the_reference(void **state)
{
    (void)state;
    const hw__net_kind *kinds[] = {&hw__net_max_pool, &hw__net_average_pool};
    unsigned compared = 0;
    for (unsigned i = 0; i < 2 * 2 * 3 * 16; i++) {
        unsigned kernel = 2 + i / 2 % 2, h = 4 + i * 7 % 13, w = 8 + i * 5 % 17, channels = 1 + i % 3;
        hw__net_layer l = pooling(kinds[i % 2], (hw__net_shape){channels, h, w}, kernel, 2, 0);
        if (!hw__net_pool_fits_wide(&l)) continue;
        bed *a = lay(l, 1 + 2 * (i % 2)), *b = lay(l, 1 + 2 * (i % 2));
        b->l.wide = true;
        spread(a->dout, a->out, i);
        for (size_t k = 0; k < a->in; k++) a->input[k] = floorf(2 * a->input[k]) + (k % 5 ? 0 : -INFINITY);
        if (kinds[i % 2] == &hw__net_average_pool) spread(a->input, a->in, i + 1000);
        memcpy(b->input, a->input, a->in * sizeof *a->input);
        memcpy(b->dout, a->dout, a->out * sizeof *a->dout);
        run(a);
        run(b);
        assert_memory_equal(a->output, b->output, a->out * sizeof *a->output);
        if (l.kind->aux) assert_memory_equal(a->c.aux, b->c.aux, a->out);
        for (size_t k = 0; k < a->in; k++) assert_true(a->din[k] == b->din[k]); /* 0 may have either sign */
        compared++;
        drop(a);
        drop(b);
    }
    hw__net_layer quick = pooling(&hw__net_max_pool, (hw__net_shape){32, 32, 32}, 3, 2, 0);
    if (!hw__net_pool_fits_wide(&quick)) skip();
    assert_true(compared > 60);
}

static void in_place_changes_nothing(void **state)
{
    (void)state;
    const hw__net_kind *kinds[] = {&hw__net_relu, &hw__net_dropout, &hw__net_add, &hw__net_lrn};
    for (size_t i = 0; i < 4; i++) {
        hw__net_layer l = lrn((hw__net_shape){5, 7, 3}, 3, 1, 0.75f);
        l.kind = kinds[i];
        l.rate = 0.4f;
        bed *a = lay(l, 3), *b = lay(l, 3);
        if (l.kind->in_place) b->c.out = b->input;
        if (l.kind->din_in_place) b->c.din = b->dout;
        assert_true(l.kind->in_place || l.kind->din_in_place);
        run(a);
        run(b);
        assert_memory_equal(a->output, b->c.out, a->out * sizeof *a->output);
        if (l.kind->backward) assert_memory_equal(a->din, b->c.din, a->in * sizeof *a->din);
        drop(a);
        drop(b);
    }
}

static void nothing_is_written_where_no_gradient_is_wanted(void **state)
{
    (void)state;
    hw__net_layer layers[] = {pooling(&hw__net_max_pool, (hw__net_shape){2, 8, 8}, 3, 2, 0),
                              pooling(&hw__net_average_pool, (hw__net_shape){2, 8, 8}, 3, 2, 0),
                              layer(&hw__net_global_average, 4, 1, 1),
                              layer(&hw__net_relu, 2, 3, 4),
                              layer(&hw__net_dropout, 2, 3, 4),
                              lrn((hw__net_shape){4, 2, 3}, 3, 1, 0.75f),
                              dense((hw__net_shape){4, 1, 1}, 3, true)};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        bed *b = lay(layers[i], 2);
        b->l.wide = true;
        b->c.din = NULL;
        run(b);
        for (size_t k = 0; k < b->parameters; k++) assert_true(isfinite(b->g[k]));
        drop(b);
    }
}

static void dropout_masks(void **state)
{
    (void)state;
    hw__net_layer l = layer(&hw__net_dropout, 10, 10, 10);
    l.rate = 0.3f;
    bed *b = lay(l, 3);
    run(b);
    size_t kept = 0;
    for (size_t n = 0; n < 3; n++) { /* the stream that models trained before depend on */
        hw_rng rng;
        hw_rng_seed(&rng, 5 + UINT64_C(1000003) * 3, (UINT64_C(7) << 20) + 3 + n);
        for (size_t i = 1000 * n; i < 1000 * (n + 1); i++) {
            bool keep = hw_rng_uniform(&rng) >= (double)0.3f;
            assert_true(b->output[i] == (keep ? 1 / (1 - 0.3f) * b->input[i] : 0));
            assert_true(b->din[i] == (keep ? 1 / (1 - 0.3f) * b->dout[i] : 0));
            kept += keep;
        }
    }
    assert_near((double)kept / 3000, 0.7, 0.03);
    /* The second and third image by themselves get the masks that they have in the whole. */
    bed *part = lay(l, 2);
    memcpy(part->input, b->input + 1000, 2000 * sizeof *b->input);
    part->c.position = 4;
    run(part);
    assert_memory_equal(part->output, b->output + 1000, 2000 * sizeof *b->output);
    b->c.train = false;
    b->l.kind->forward(&b->c);
    assert_memory_equal(b->output, b->input, b->in * sizeof *b->input);
    drop(part);
    drop(b);
}

int main(void)
{
    openblas_set_num_threads(1); /* the engine does this; here nets are called without one */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_as_in_pytorch),
        cmocka_unit_test(layers_with_weights_as_in_pytorch),
        cmocka_unit_test(smoothed_labels_as_in_pytorch),
        cmocka_unit_test(layers_against_plain_loops),
        cmocka_unit_test(wide_pools_equal_the_reference),
        cmocka_unit_test(in_place_changes_nothing),
        cmocka_unit_test(nothing_is_written_where_no_gradient_is_wanted),
        cmocka_unit_test(dropout_masks),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
