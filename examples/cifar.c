/* cifar.c - trains a net on CIFAR-10 or CIFAR-100 (or generated textures) with any scheduler, policy and rule of the
 * library. */
#include "support/cifar.h"
#include "support/train.h"
#include <stddef.h>
#include <string.h>

typedef struct options {
    cifar_options cifar;
    bool caffe;
    train_options train;
} options;

#define AT(member) offsetof(options, member)

static const cli_option own[] = {
    {"--data", "FOLDER",
     "where CIFAR's binary files are (else $HOGWILD_DATA, the user's data folder, generated textures)", CLI_TEXT,
     AT(cifar.data), 0, 0},
    {"--classes", "10|100", "CIFAR-10, or CIFAR-100 by its fine labels; or textures of as many classes", CLI_CHOICE,
     AT(cifar.hundred), 0, 0},
    {"--split", "original|holdout",
     "CIFAR-10: all five batches and the test images, or batches 1 to 4 and batch 5 to test", CLI_CHOICE,
     AT(cifar.split), 0, 0},
    {"--images", "N", "train on the first N images (all); textures: how many (20000; 100 to 50000)", CLI_WHOLE,
     AT(cifar.images), 100, 50000},
    {"--augment", CIFAR_AUGMENTS, "training images: mirrored, cut out at random of a margin of 4, or both", CLI_CHOICE,
     AT(cifar.augment), 0, 0},
    {"--net", CIFAR_NETS,
     "Caffe's cifar10_quick or LeNet, Xu et al.'s, or a residual net; sets the defaults of training", CLI_CHOICE,
     AT(cifar.net), 0, 0},
    {"--depth", "N", "residual, hyper: layers, 6 n + 2 (20; 8 to 110)", CLI_WHOLE, AT(cifar.depth), 8, 110},
    {"--width", "N", "residual, hyper: filters of the first stage (16; 1 to 1024)", CLI_WHOLE, AT(cifar.width), 1,
     1024},
    {"--statistics", "shared|per-worker", "residual, hyper: running means of all workers, or a set for each",
     CLI_CHOICE, AT(cifar.statistics), 0, 0},
    {"--label-smoothing", "X", "residual, hyper, lenet: share of the target that goes to all classes (0; 0 to 0.99)",
     CLI_NUMBER, AT(cifar.smoothing), 0, 0.99},
    {"--dropout", "X", "xu: rate behind the hidden dense layers (0; 0 to 0.99)", CLI_NUMBER, AT(cifar.dropout), 0,
     0.99},
    {"--caffe", NULL,
     "Caffe's solver of cifar10_quick: batch 100, 0.001 for 4000 updates and 1e-4 to 5000, biases at twice the rate",
     CLI_SWITCH, AT(caffe), 0, 0},
};
enum { OWN = sizeof own / sizeof *own, SECTIONS = 8 };

static const char *no_name(unsigned label)
{
    (void)label;
    return NULL;
}

/* Defaults depend on the net and on --caffe, so these are looked for before the options are read in order. */
static void defaults(int argc, char **argv, options *o, hw_config *config)
{
    bool caffe = false;
    cifar_net net = cifar_net_of(argc, argv);
    for (int i = 1; i < argc; i++) caffe |= strcmp(argv[i], "--caffe") == 0;
    *o = (options){.cifar = {.split = HW_CIFAR_HOLDOUT}};
    *config = hw_config_defaults();
    config->keep_every = 20;
    cifar_solver(net, config);
    if (!caffe) return;
    config->epochs = 0;
    config->updates = 5000;
    config->optimizer.schedule.kind = HW_SCHEDULE_STEP;
    config->optimizer.schedule.gamma = 0.1;
    config->optimizer.schedule.interval = 4000;
}

static int check(const options *o)
{
    char why[HW_WHY];
    if (!cifar_check(&o->cifar, why)) return cli_error("cifar", 2, why);
    if (o->caffe && o->cifar.net != CIFAR_QUICK)
        return cli_error("cifar", 2, "--caffe is Caffe's solver of cifar10_quick: it goes with --net quick only");
    return 0;
}

static int run(const options *o, hw_config *config, cifar_set *s, const train_schedule *schedule, int argc, char **argv)
{
    hw_section sections[SECTIONS];
    char identity[400];
    bool own_interval = cifar_fill_interval(config, s->train.count);
    if (o->caffe) {
        config->optimizer.n_sections = hw_net_bias_sections(s->net, 2, 1, sections, SECTIONS);
        config->optimizer.sections = sections;
    }
    if (!o->train.json) printf("cifar: %s on %s\n", s->label, s->source);
    if (o->train.summary) (void)hw_net_summary(s->net, stdout);
    hw_net_init(s->net, config->seed, s->params);
    (void)snprintf(identity, sizeof identity, "program: cifar\n%s", s->identity);
    train_run t = {.program = "cifar",
                   .label = s->label,
                   .title = "cifar: one run",
                   .source = s->source,
                   .identity = identity,
                   .options = &o->train,
                   .schedule = schedule,
                   .net = s->net,
                   .test = &s->test,
                   .objective = &s->objective,
                   .params = s->params,
                   .class_name = s->real && s->train.classes == 10 ? hw_cifar10_class : no_name,
                   .own_interval = own_interval,
                   .argc = argc,
                   .argv = argv};
    return train(&t, config);
}

int main(int argc, char **argv)
{
    cifar_set set;
    options o;
    hw_config config;
    cli_option all[OWN + TRAIN_ROWS];
    defaults(argc, argv, &o, &config);
    memcpy(all, own, sizeof own);
    cli c = {"cifar",
             "a convolutional net on CIFAR, HOGWILD! style",
             all,
             OWN + train_rows(all + OWN, AT(train)),
             NULL,
             &o,
             train_engine_flags,
             train_engine_flag_count,
             &config};
    int code = ranks_begin("cifar", argc, argv);
    config.workers = ranks_workers(config.workers);
    if (code < 0) code = cli_parse(&c, argc, argv);
    if (code >= 0) return ranks_end(code);
    train_schedule schedule;
    code = check(&o);
    if (code != 0) return code;
    code = train_prepare("cifar", &o.train, &config, &schedule);
    if (code == 0) code = cifar_open("cifar", &o.cifar, config.batch, config.workers, &set);
    if (code == 0) {
        code = run(&o, &config, &set, &schedule, argc, argv);
        cifar_close(&set);
    }
    train_schedule_close(&schedule);
    return ranks_end(code);
}
