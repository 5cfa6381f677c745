/* layers.c - where a net's time goes: milliseconds of every layer's forward and backward in a step of one thread,
 * beside the multiply-adds it stands for, the share of this machine's sgemm peak, and the memory; and for how much of a
 * step each layer with weights is held, from its read to its landing, beside what the net estimates. */
#include "cli.h"
#include "bench.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *net;
    unsigned batch, rounds, width, depth;
} options;

static const cli_option own[] = {
    {"--net", "NAME", "lenet, quick, xu, residual, hyper, caffenet or all (all: the first four)", CLI_TEXT,
     offsetof(options, net), 0, 0},
    {"--batch", "N", "images a step (64, 100, 4, 128, 128, 4)", CLI_WHOLE, offsetof(options, batch), 1, 1024},
    {"--rounds", "N", "steps timed (20), and as many again layer by layer: the table has their means", CLI_WHOLE,
     offsetof(options, rounds), 1, 10000},
    {"--width", "N", "residual nets: first width (16)", CLI_WHOLE, offsetof(options, width), 1, 384},
    {"--depth", "N", "residual nets: 6 n + 2 (20)", CLI_WHOLE, offsetof(options, depth), 8, 110},
};

typedef struct bench_net {
    const char *name;
    unsigned batch, side, channels;
} bench_net;
static const bench_net nets[] = {{"lenet", 64, 28, 1},     {"quick", 100, 32, 3}, {"xu", 4, 32, 3},
                                 {"residual", 128, 32, 3}, {"hyper", 128, 32, 3}, {"caffenet", 4, 227, 3}};

static hw_net *build(const bench_net *b, const options *o, char *why)
{
    uint32_t batch = o->batch ? o->batch : b->batch;
    hw_residual_config r = hw_residual_defaults();
    r.n = (o->depth - 2) / 6;
    r.width = o->width;
    if (strcmp(b->name, "lenet") == 0) return hw_net_lenet(batch, why);
    if (strcmp(b->name, "quick") == 0) return hw_net_cifar10_quick(batch, 10, NULL, why);
    if (strcmp(b->name, "xu") == 0) return hw_net_xu(batch, 1, 0, why);
    if (strcmp(b->name, "caffenet") == 0) return hw_net_caffenet(batch, 227, 256, 1000, why);
    if (strcmp(b->name, "hyper") == 0) r.form = HW_RESIDUAL_HYPER;
    return hw_net_residual(batch, &r, NULL, why);
}

static float *floats(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    if (x) memset(x, 0, n * sizeof *x);
    return x;
}

/* GFLOP/s of sgemm on 512 x 512 x 512, the best of some. */
static double sgemm_peak(void)
{
    enum { N = 512 };
    float *a = floats(3 * N * N);
    double best = 0;
    if (!a) return 0;
    for (int i = 0; i < 3 * N * N; i++) a[i] = (float)(i % 7) - 3;
    for (int k = 0; k < 12; k++) {
        uint64_t from = hw_now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, a + N * N, N, 0, a + 2 * N * N, N);
        double rate = 2.0 * N * N * N / (double)(hw_now() - from);
        best = rate > best ? rate : best;
    }
    free(a);
    return best;
}

static hw_images noise(const bench_net *b, uint32_t count)
{
    size_t pixels = (size_t)b->channels * b->side * b->side;
    hw_images images = {count, b->channels, b->side, b->side, 10, malloc(count * pixels), malloc(count)};
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    for (size_t i = 0; images.pixels && i < count * pixels; i++)
        images.pixels[i] = (unsigned char)hw_rng_below(&rng, 256);
    for (uint32_t i = 0; images.labels && i < count; i++) images.labels[i] = (unsigned char)(i % 10);
    return images;
}

static double seconds_from(const hw_net *net, const void *scratch, unsigned first)
{
    double sum = 0;
    hw_layer_info l;
    for (unsigned i = first; hw_net_layer_info(net, scratch, i, &l) == HW_OK; i++)
        sum += l.forward_seconds + l.backward_seconds;
    return sum;
}

static void table(const hw_net *net, const void *scratch, unsigned rounds, uint32_t batch, double step, double peak)
{
    double sum = 0, most = 0, all = seconds_from(net, scratch, 0);
    const hw_layer *part = hw_net_layer_parts(net, NULL);
    printf("  %-20s %-14s %-9s %11s %9s %9s %6s %6s %9s\n", "layer", "output", "way", "MMAC/image", "forward",
           "backward", "peak", "held", "estimate");
    for (unsigned i = 0; i < hw_net_layers(net); i++) {
        hw_layer_info l;
        if (hw_net_layer_info(net, scratch, i, &l) != HW_OK) return;
        double f = l.forward_seconds / rounds * 1e3, b = l.backward_seconds / rounds * 1e3;
        double flops = 2.0 * (double)l.multiply_adds * batch * (i ? 3 : 2);
        sum += f + b;
        most += flops;
        printf("  %-20s %-14s %-9s %11.3f %6.3f ms %6.3f ms", l.kind, l.shape, l.kernel, (double)l.multiply_adds * 1e-6,
               f, b);
        if (l.multiply_adds)
            printf(" %4.0f %%", 100 * flops / ((f + b) * 1e6) / peak);
        else if (l.parameters)
            printf("       ");
        if (l.parameters) printf(" %4.0f %% %7.0f %%", 100 * seconds_from(net, scratch, i) / all, 100 * part++->held);
        printf("\n");
    }
    printf(
        "  all layers %.3f ms of a step of %.3f ms: %.0f images/s; %.1f GFLOP/s counted as plain convolutions, %.0f %% "
        "of sgemm's %.0f\n",
        sum, step * 1e3, batch / step, most / step * 1e-9, 100 * most / step * 1e-9 / peak, peak);
}

static int measure(const bench_net *b, const options *o, double peak)
{
    char why[HW_WHY];
    hw_net *net = build(b, o, why);
    if (net == NULL) return cli_error("layers", 2, why);
    uint32_t batch = o->batch ? o->batch : b->batch;
    size_t n = hw_net_parameters(net);
    hw_images images = noise(b, batch);
    float *x = floats(n), *g = floats(n);
    void *scratch = floats(hw_net_scratch_bytes(net) / sizeof(float) + 16);
    double *step = calloc(o->rounds, sizeof *step);
    if (!images.pixels || !images.labels || !x || !g || !scratch || !step) return cli_error("layers", 1, "no memory");
    hw_net_init(net, 1, x);
    hw_batch all = {NULL, batch, 0, batch, 0, 0, 1};
    for (int k = 0; k < 3; k++) (void)hw_net_loss(net, scratch, &images, &all, x, g, NULL);
    for (unsigned k = 0; k < o->rounds; k++) {
        uint64_t from = hw_now();
        (void)hw_net_loss(net, scratch, &images, &all, x, g, NULL);
        step[k] = (double)(hw_now() - from) * 1e-9;
    }
    double median = bench_of(step, o->rounds).median;
    hw_net_time(net, scratch, 1);
    for (unsigned k = 0; k < o->rounds; k++) (void)hw_net_loss(net, scratch, &images, &all, x, g, NULL);
    printf("%s, batch %u, %zu parameters, %.1f MB of scratch a worker; forward + backward, one thread, median of %u\n",
           b->name, batch, n, (double)hw_net_scratch_bytes(net) * 1e-6, o->rounds);
    table(net, scratch, o->rounds, batch, median, peak);
    free(step);
    free(scratch);
    free(x);
    free(g);
    hw_images_free(&images);
    hw_net_free(net);
    return 0;
}

int main(int argc, char **argv)
{
    options o = {.net = "all", .rounds = 20, .width = 16, .depth = 20};
    cli c = {"layers", "milliseconds per layer", own, sizeof own / sizeof *own, NULL, &o, NULL, 0, NULL};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.depth % 6 != 2) return cli_error("layers", 2, "--depth: 6 n + 2 is needed: 8, 14, 20, ... 110");
    openblas_set_num_threads(1);
    double peak = sgemm_peak();
    bool found = false, all = strcmp(o.net, "all") == 0;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        if (!(all && i < 4) && strcmp(nets[i].name, o.net) != 0) continue;
        found = true;
        code = measure(nets + i, &o, peak);
        if (code != 0) return code;
    }
    return found ? 0 : cli_error("layers", 2, "--net: lenet, quick, xu, residual, hyper, caffenet or all is needed");
}
