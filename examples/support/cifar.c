/* cifar.c - small colour images to train on, CIFAR's or textures, and the nets for them. */
#include "cifar.h"
#include "cli.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXTURES 20000

static bool is_residual(unsigned net)
{
    return net == CIFAR_RESIDUAL || net == CIFAR_HYPER;
}

static bool is_xu(unsigned net)
{
    return net == CIFAR_XU || net == CIFAR_XU_ONE_POOL;
}

bool cifar_check(const cifar_options *o, char *why)
{
    const char *sentence = NULL;
    if ((o->depth || o->width) && !is_residual(o->net))
        sentence = "--depth and --width go with --net residual or hyper: the other nets have their own";
    else if (o->statistics == HW_STATISTICS_PER_WORKER && !is_residual(o->net))
        sentence = "--statistics goes with --net residual or hyper: the other nets have no batch normalisation";
    else if (o->smoothing > 0 && !is_residual(o->net) && o->net != CIFAR_LENET)
        sentence = "--label-smoothing goes with --net residual, hyper or lenet";
    else if (o->dropout > 0 && !is_xu(o->net))
        sentence = "--dropout goes with --net xu or xu-one-pool";
    else if (o->hundred && is_xu(o->net))
        sentence = "--classes 100 does not go with --net xu or xu-one-pool, which have 10 outputs";
    (void)snprintf(why, HW_WHY, "%s", sentence ? sentence : "");
    if (sentence || !o->depth || (o->depth - 2) % 6 == 0) return !sentence;
    (void)snprintf(why, HW_WHY, "--depth %u: it must be 6 n + 2: 8, 14, 20 ... 110", o->depth);
    return false;
}

bool cifar_prepare(const hw_images *train, hw_preparation *preparation)
{
    float deviation[4];
    *preparation = hw_preparation_defaults();
    preparation->normalize = HW_NORMALIZE_CHANNELS;
    if (hw_images_moments(train, preparation->channel_mean, deviation) != HW_OK) return false;
    for (int k = 0; k < 3; k++) preparation->channel_scale[k] = 1 / deviation[k];
    return true;
}

static const char *const nets[] = {"quick", "lenet", "xu", "xu-one-pool", "residual", "hyper"};
enum { NETS = sizeof nets / sizeof *nets };

const char *cifar_net_name(unsigned net)
{
    return net < NETS ? nets[net] : "";
}

cifar_net cifar_net_of(int argc, char **argv)
{
    unsigned net = CIFAR_QUICK;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--net") != 0) continue;
        i++;
        for (unsigned k = 0; k < NETS; k++)
            if (strcmp(argv[i], nets[k]) == 0) net = k;
    }
    return (cifar_net)net;
}

bool cifar_fill_interval(hw_config *config, uint32_t images)
{
    hw_schedule *s = &config->optimizer.schedule;
    if (s->kind != HW_SCHEDULE_STEP || s->interval) return false;
    double updates = config->updates ? (double)config->updates : ceil(config->epochs * images / config->batch);
    s->interval = updates > 0 ? (uint64_t)ceil(updates / 3) : UINT32_MAX;
    return true;
}

void cifar_solver(cifar_net net, hw_config *c)
{
    c->epochs = 10;
    switch (net) {
    case CIFAR_QUICK:
        c->batch = 100;
        c->optimizer.schedule.base = 0.001;
        c->optimizer.weight_decay = 0.004;
        break;
    case CIFAR_LENET:
        c->batch = 64;
        c->optimizer.weight_decay = 5e-4;
        break;
    case CIFAR_XU:
    case CIFAR_XU_ONE_POOL:
        c->batch = 4;
        c->optimizer.schedule.base = 0.001;
        break;
    case CIFAR_RESIDUAL:
    case CIFAR_HYPER:
        c->batch = 128;
        c->optimizer.weight_decay = 1e-4;
        c->optimizer.schedule = (hw_schedule){HW_SCHEDULE_STEP, 0.1, 0.1, c->optimizer.schedule.power, 0, 0};
        break;
    }
}

/* --- images ------------------------------------------------------------------------------------------------------- */

/* Whether a folder holds anything of the data set: then what is missing or unreadable is an error. */
static bool has_some(const char *folder, bool hundred)
{
    static const char *const places[] = {"data_batch_1",
                                         "data_batch_2",
                                         "test_batch",
                                         "cifar10/data_batch_1",
                                         "cifar10/data_batch_2",
                                         "cifar-10-batches-bin/data_batch_1",
                                         "train",
                                         "test",
                                         "cifar100/train",
                                         "cifar100/test",
                                         "cifar-100-binary/train"};
    char path[1024];
    for (size_t i = 0; i < 2 * sizeof places / sizeof *places; i++) {
        if ((i / 2 >= 6) != hundred) continue;
        (void)snprintf(path, sizeof path, "%s/%s.bin%s", folder, places[i / 2], i % 2 ? ".gz" : "");
        if (access(path, F_OK) == 0) return true;
    }
    return false;
}

static bool read_files(const char *program, const cifar_options *o, cifar_set *s, bool *failed)
{
    char folder[900], why[HW_WHY] = "";
    if (o->data)
        (void)snprintf(folder, sizeof folder, "%s", o->data);
    else
        hw_data_folder(folder, sizeof folder);
    hw_status status = HW_E_IO;
    if (*folder)
        status = o->hundred ? hw_cifar100_read(folder, HW_CIFAR_FINE, &s->train, &s->test, why)
                            : hw_cifar10_read(folder, (hw_cifar_split)o->split, &s->train, &s->test, why);
    s->real = status == HW_OK;
    /* A folder without CIFAR is no error unless it was named; a damaged or incomplete set always is. */
    *failed = status != HW_OK && (o->data || status != HW_E_IO || has_some(folder, o->hundred));
    if (*failed) (void)cli_error(program, 1, why);
    if (!s->real) return false;
    if (o->images && o->images < s->train.count) s->train.count = o->images;
    char parts[64];
    if (o->hundred || o->split == HW_CIFAR_ORIGINAL)
        (void)snprintf(parts, sizeof parts, "%u test images", s->test.count);
    else
        (void)snprintf(parts, sizeof parts, "of batches 1 to 4, tested on %u of batch 5", s->test.count);
    (void)snprintf(s->source, sizeof s->source, "CIFAR-%u, %u images from %.120s (%s)", s->train.classes,
                   s->train.count, folder, parts);
    (void)snprintf(s->identity, sizeof s->identity, "data: CIFAR-%u, %u images, %s", s->train.classes, s->train.count,
                   parts);
    return true;
}

static int generate(const char *program, const cifar_options *o, cifar_set *s)
{
    uint32_t count = o->images ? o->images : TEXTURES, test = count / 5 < 100 ? 100 : count / 5;
    unsigned classes = o->hundred ? 100 : 10;
    if (hw_textures_generate(count, classes, 1, &s->train) != HW_OK ||
        hw_textures_generate(test, classes, 2, &s->test) != HW_OK)
        return cli_error(program, 1, "no memory for generated textures");
    (void)snprintf(s->source, sizeof s->source,
                   "%u generated textures of %u classes (no CIFAR-%u found; set HOGWILD_DATA to use it)", count,
                   classes, classes);
    (void)snprintf(s->identity, sizeof s->identity, "data: %u generated textures of %u classes", count, classes);
    return 0;
}

/* --- nets --------------------------------------------------------------------------------------------------------- */

/* Caffe's LeNet layers on colour images. */
static hw_net *lenet(uint32_t batch, unsigned classes, double smoothing, char *why)
{
    hw_net *net = hw_net_create(3, 32, 32);
    hw_net_conv(net, 20, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_conv(net, 50, 5, 1, 0);
    hw_net_max_pool(net, 2, 2, 0);
    hw_net_dense(net, 500);
    hw_net_relu(net);
    hw_net_dense(net, classes);
    hw_net_label_smoothing(net, smoothing);
    if (net && hw_net_finish(net, batch, why) == HW_OK) return net;
    if (!net) (void)snprintf(why, HW_WHY, "no memory for a net");
    hw_net_free(net);
    return NULL;
}

static hw_net *residual(const cifar_options *o, uint32_t batch, unsigned copies, cifar_set *s, char *why)
{
    unsigned depth = o->depth ? o->depth : 20, width = o->width ? o->width : 16;
    bool hyper = o->net == CIFAR_HYPER;
    hw_preparation p;
    if (!cifar_prepare(&s->train, &p)) return NULL;
    hw_residual_config c = hw_residual_defaults();
    c.n = (depth - 2) / 6;
    c.width = width;
    c.classes = s->train.classes;
    c.form = hyper ? HW_RESIDUAL_HYPER : HW_RESIDUAL_PLAIN;
    c.statistics = (hw_statistics)o->statistics;
    c.copies = copies;
    c.label_smoothing = o->smoothing;
    (void)snprintf(s->label, sizeof s->label, "%s net, depth %u, width %u", hyper ? "hyperspherical" : "residual",
                   depth, width);
    return hw_net_residual(batch, &c, &p, why);
}

static hw_net *build(const cifar_options *o, uint32_t batch, unsigned copies, cifar_set *s, char *why)
{
    switch ((cifar_net)o->net) {
    case CIFAR_QUICK:
        (void)snprintf(s->label, sizeof s->label, "cifar10_quick");
        if (hw_images_mean(&s->train, s->mean) != HW_OK) return NULL;
        return hw_net_cifar10_quick(batch, s->train.classes, s->mean, why);
    case CIFAR_LENET:
        (void)snprintf(s->label, sizeof s->label, "LeNet (3 x 32 x 32)");
        return lenet(batch, s->train.classes, o->smoothing, why);
    case CIFAR_XU:
    case CIFAR_XU_ONE_POOL:
        (void)snprintf(s->label, sizeof s->label, "Xu et al.'s net%s", o->net == CIFAR_XU ? "" : ", one pool");
        return hw_net_xu(batch, o->net == CIFAR_XU, o->dropout, why);
    case CIFAR_RESIDUAL:
    case CIFAR_HYPER: return residual(o, batch, copies, s, why);
    }
    return NULL;
}

/* What the engine cannot see of a run's data and net. */
static void identify(const cifar_options *o, unsigned copies, cifar_set *s)
{
    static const char *const augments[] = {"none", "flip", "crop", "both"};
    char statistics[64] = "", more[300];
    if (o->statistics == HW_STATISTICS_PER_WORKER)
        (void)snprintf(statistics, sizeof statistics, ", %u sets of statistics", copies);
    (void)snprintf(more, sizeof more, "\nnet: %s%s, label smoothing %g, dropout %g\naugment: %s\n", s->label,
                   statistics, o->smoothing, o->dropout, augments[o->augment]);
    size_t n = strlen(s->identity);
    (void)snprintf(s->identity + n, sizeof s->identity - n, "%s", more);
}

int cifar_open(const char *program, const cifar_options *o, uint32_t batch, unsigned copies, cifar_set *s)
{
    char why[HW_WHY] = "no memory";
    bool failed;
    memset(s, 0, sizeof *s);
    if (!read_files(program, o, s, &failed) && (failed || generate(program, o, s) != 0)) {
        cifar_close(s);
        return 1;
    }
    s->augment = hw_augment_defaults();
    s->augment.flip = o->augment == CIFAR_FLIP || o->augment == CIFAR_BOTH;
    if (o->augment == CIFAR_FLIP) s->augment.pad = 0;
    s->net = build(o, batch, copies, s, why);
    s->task = (hw_net_task){s->net, &s->train, &s->test, o->augment == CIFAR_PLAIN ? NULL : &s->augment};
    hw_status status = s->net ? hw_net_objective(&s->task, &s->objective, why) : HW_E_ARGUMENT;
    if (status == HW_OK) s->params = aligned_alloc(64, (hw_net_parameters(s->net) * sizeof(float) + 63) / 64 * 64);
    if (!s->params) {
        cifar_close(s);
        return cli_error(program, status == HW_OK ? 1 : 2, status == HW_OK ? "no memory" : why);
    }
    identify(o, copies, s);
    return 0;
}

void cifar_close(cifar_set *s)
{
    free(s->params);
    hw_net_free(s->net);
    hw_images_free(&s->train);
    hw_images_free(&s->test);
}
