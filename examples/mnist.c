/* mnist.c - trains LeNet on MNIST (or generated digits) with any scheduler, policy and rule of the library. */
#include "support/train.h"
#include <stddef.h>
#include <string.h>

typedef struct options {
    const char *data, *set;
    unsigned images;
    bool caffe;
    train_options train;
} options;

static const cli_option own[] = {
    {"--data", "FOLDER",
     "where the four MNIST files are (else $HOGWILD_DATA, the user's data folder, generated digits)", CLI_TEXT,
     offsetof(options, data), 0, 0},
    {"--set", "NAME", "NAME-train-images-idx3-ubyte and so on there instead, any classes (emnist-letters)", CLI_TEXT,
     offsetof(options, set), 0, 0},
    {"--images", "N", "train on the first N images (all); generated digits: how many (60000; 1000 to 10000000)",
     CLI_WHOLE, offsetof(options, images), 1000, 10000000},
    {"--caffe", NULL, "Caffe's solver: batch 64, inv(1e-4, 0.75), weight decay 5e-4, biases at twice the rate",
     CLI_SWITCH, offsetof(options, caffe), 0, 0},
};
enum { OWN = sizeof own / sizeof *own };

static int run(const options *o, hw_config *config, cli_lenet *l, const train_schedule *schedule, int argc, char **argv)
{
    hw_section sections[8];
    char identity[200];
    if (!o->train.json) printf("mnist: LeNet on %s\n", l->digits.source);
    if (o->train.summary) (void)hw_net_summary(l->net, stdout);
    if (o->caffe && !o->train.advise) cli_caffe_solver(l->net, config, sections);
    hw_net_init(l->net, config->seed, l->params);
    (void)snprintf(identity, sizeof identity, "program: mnist\ndata: %.60s, %u images\nnet: lenet\n",
                   o->set           ? o->set
                   : l->digits.real ? "MNIST"
                                    : "generated digits",
                   l->digits.train.count);
    train_run t = {.program = "mnist",
                   .label = "LeNet",
                   .title = "mnist: one run",
                   .source = l->digits.source,
                   .identity = identity,
                   .options = &o->train,
                   .schedule = schedule,
                   .net = l->net,
                   .test = &l->digits.test,
                   .objective = &l->objective,
                   .params = l->params,
                   .argc = argc,
                   .argv = argv};
    return train(&t, config);
}

int main(int argc, char **argv)
{
    options o = {.images = 0};
    hw_config config = hw_config_defaults();
    config.batch = 64;
    config.optimizer.weight_decay = 5e-4;
    config.keep_every = 20;
    cli_option all[OWN + TRAIN_ROWS];
    memcpy(all, own, sizeof own);
    cli c = {"mnist",
             "LeNet on MNIST, HOGWILD! style",
             all,
             OWN + train_rows(all + OWN, offsetof(options, train)),
             NULL,
             &o,
             train_engine_flags,
             train_engine_flag_count,
             &config};
    int code = ranks_begin("mnist", argc, argv);
    config.workers = ranks_workers(config.workers);
    if (code < 0) code = cli_parse(&c, argc, argv);
    if (code >= 0) return ranks_end(code);
    train_schedule schedule;
    cli_lenet lenet;
    code = train_prepare("mnist", &o.train, &config, &schedule);
    if (code == 0) code = cli_lenet_open("mnist", o.data, o.set, o.images, config.batch, &lenet);
    if (code == 0) {
        code = run(&o, &config, &lenet, &schedule, argc, argv);
        cli_lenet_close(&lenet);
    }
    train_schedule_close(&schedule);
    return ranks_end(code);
}
