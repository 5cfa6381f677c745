/* tune.c - what to run on this box: probes a net of mnist's or cifar's for a tenth of its training, says why in five
 * lines, and writes a configuration that those programs load. */
#include "support/cifar.h"
#include "support/cli.h"
#include "support/plan.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    unsigned program; /* 0: mnist, 1: cifar */
    cifar_options cifar;
    const char *out;
    unsigned threads;
    double budget;
    bool keep, quiet;
    const char *called; /* as which program this one was, in a folder of so many letters */
    size_t folder;
} options;

#define AT(member) offsetof(options, member)

static const cli_option own[] = {
    {"--program", "mnist|cifar", "which program the configuration is for", CLI_CHOICE, AT(program), 0, 0},
    {"--net", CIFAR_NETS, "cifar: its net; sets the solver to begin with", CLI_CHOICE, AT(cifar.net), 0, 0},
    {"--data", "FOLDER", "where its data is (else as that program looks for it)", CLI_TEXT, AT(cifar.data), 0, 0},
    {"--images", "N", "train on the first N images (all)", CLI_WHOLE, AT(cifar.images), 100, 10000000},
    {"--budget", "X", "share of one worker's training that probing may take (0.1)", CLI_NUMBER, AT(budget), 0.001, 1},
    {"--most-threads", "N", "threads to plan for (as many as there are processors)", CLI_WHOLE, AT(threads), 1,
     HW_MAX_WORKERS},
    {"--keep-solver", NULL, "batch, learning rate and momentum stay as they are", CLI_SWITCH, AT(keep), 0, 0},
    {"--out", "FILE", "where the configuration goes (tune.json)", CLI_TEXT, AT(out), 0, 0},
    {"--quiet", NULL, "no line for each probe", CLI_SWITCH, AT(quiet), 0, 0},
};
static const char *const engine_flags[] = {"--batch=batch",
                                           "--epochs=epochs",
                                           "--updates=updates",
                                           "--target=target",
                                           "--seed=seed",
                                           "--rule=rule",
                                           "--learning-rate=learning_rate",
                                           "--momentum=momentum.target",
                                           "--weight-decay=weight_decay",
                                           "--schedule=schedule",
                                           "--gamma=schedule.gamma",
                                           "--power=schedule.power",
                                           "--interval=schedule.interval",
                                           "--compensation=compensation"};

/* One of the two kinds of data and net. */
typedef struct subject {
    const hw_net *net;
    const hw_objective *objective;
    const char *source;
} subject;

static void start(void *context, uint64_t seed, float *x)
{
    const subject *s = context;
    hw_net_init(s->net, seed, x);
}

static int plan(const options *o, const hw_config *config, subject *s)
{
    const plan_options p = {o->out, o->budget, o->threads, o->keep, o->quiet};
    printf("tune: %s\n", s->source);
    int code = plan_write("tune", &p, s->objective, config, start, s);
    if (code != 0) return code;
    printf("run it with: %.*s%s", (int)o->folder, o->called, o->program ? "cifar --net " : "mnist");
    if (o->program) printf("%s", cifar_net_name(o->cifar.net));
    if (o->cifar.data) printf(" --data %s", o->cifar.data);
    if (o->cifar.images) printf(" --images %u", o->cifar.images);
    printf(" --config %s\n", o->out);
    return 0;
}

/* Nets have room for minibatches of twice the size, which are tried, too. */
static int tune_mnist(const options *o, hw_config *config)
{
    cli_lenet l;
    int code = cli_lenet_open("tune", o->cifar.data, NULL, o->cifar.images, 2 * config->batch, &l);
    if (code != 0) return code;
    subject s = {l.net, &l.objective, l.digits.source};
    code = plan(o, config, &s);
    cli_lenet_close(&l);
    return code;
}

static int tune_cifar(const options *o, hw_config *config)
{
    cifar_set *set = malloc(sizeof *set);
    if (!set) return cli_error("tune", 1, "no memory");
    int code = cifar_open("tune", &o->cifar, 2 * config->batch, 1, set);
    if (code == 0) {
        subject s = {set->net, &set->objective, set->source};
        (void)cifar_fill_interval(config, set->train.count);
        code = plan(o, config, &s);
        cifar_close(set);
    }
    free(set);
    return code;
}

/* The solver to begin with depends on program and net, which are looked for before the options are read in order. */
static void defaults(int argc, char **argv, hw_config *config)
{
    bool cifar = false;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--program") == 0) cifar = strcmp(argv[i + 1], "cifar") == 0;
    *config = hw_config_defaults();
    config->keep_every = 20;
    config->batch = 64;
    config->optimizer.weight_decay = 5e-4;
    if (cifar) cifar_solver(cifar_net_of(argc, argv), config);
}

int main(int argc, char **argv)
{
    options o = {.budget = 0.1, .out = "tune.json", .cifar = {.split = HW_CIFAR_HOLDOUT}};
    hw_config config;
    char why[HW_WHY];
    defaults(argc, argv, &config);
    cli c = {"tune",       "what to run on this box, by short probes", own,    sizeof own / sizeof *own, NULL, &o,
             engine_flags, sizeof engine_flags / sizeof *engine_flags, &config};
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (o.program && !cifar_check(&o.cifar, why)) return cli_error("tune", 2, why);
    if (!o.program && o.cifar.net != CIFAR_QUICK) return cli_error("tune", 2, "--net goes with --program cifar");
    if (!cli_can_write("tune", o.out)) return 1;
    const char *slash = strrchr(argv[0], '/');
    o.called = argv[0];
    o.folder = slash ? (size_t)(slash + 1 - argv[0]) : 0;
    return o.program ? tune_cifar(&o, &config) : tune_mnist(&o, &config);
}
