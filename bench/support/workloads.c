/* workloads.c - the workloads by name: data, net or model, and solver. */
#include "workloads.h"
#include "cifar.h"
#include "cli.h"
#include "sparse.h"
#include "workloads_streams.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct kind {
    const char *name, *what;
    bool (*open)(const char *program, uint32_t images, workload *w);
    bool reviews;        /* sparse rows: imdb-bow's, else a9a's */
    hw_sparse_loss loss; /* of a model on them */
    int metric;
    double real, generated; /* targets */
} kind;

typedef struct workload_data {
    const kind *kind;
    hw_images train, test;
    cli_digits digits;
    cifar_set cifar;
    bench_rows rows;
    hw_ratings all, ratings, held;
    hw_corpus corpus;
    hw_net *net;
    hw_net_task task;
    hw_sparse_linear linear;
    hw_factorize factorize;
    hw_skipgram words;
    workload_streams streams;
    hw_section sections[8];
    float mean[3 * 32 * 32];
    char what[320];
} workload_data;

/* --- scores ---------------------------------------------------------------------------------------------------------
 */

static double accuracy(const double *metric)
{
    return 100 * metric[1];
}

static double loss(const double *metric)
{
    return -100 * metric[0];
}

static double rmse(const double *metric)
{
    return -100 * sqrt(metric[0]);
}

static bool told(const char *program, const char *why)
{
    (void)cli_error(program, 1, why);
    return false;
}

/* --- nets -----------------------------------------------------------------------------------------------------------
 */

static void start_net(const workload *w, uint64_t seed, float *x)
{
    hw_net_init(w->data->net, seed, x);
}

static bool finish_net(const char *program, hw_net *net, const hw_images *train, const hw_images *test, workload *w,
                       const char *why_not)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    if (!net) return told(program, why_not);
    d->net = net;
    d->task = (hw_net_task){net, train, test, NULL};
    if (hw_net_objective(&d->task, &w->objective, why) != HW_OK) return told(program, why);
    w->unit = "accuracy, %";
    w->score = accuracy;
    w->worst = 100.0 / train->classes;
    w->start = start_net;
    w->config.epochs = 1;
    w->config.evaluate_epochs = 0;
    return true;
}

static bool open_digits(const char *program, uint32_t images, workload *w)
{
    workload_data *d = w->data;
    if (!cli_digits_load(program, NULL, false, images ? images : 20000, &d->digits)) return false;
    (void)snprintf(d->what, sizeof d->what, "%s; %s", w->what, d->digits.source);
    w->what = d->what;
    if (images && images < d->digits.train.count) d->digits.train.count = images;
    return true;
}

static bool open_lenet(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    if (!open_digits(program, images, w)) return false;
    w->config.batch = 64;
    if (!finish_net(program, hw_net_lenet(64, why), &d->digits.train, &d->digits.test, w, why)) return false;
    w->config.optimizer.weight_decay = 5e-4;
    cli_caffe_solver(d->net, &w->config, d->sections);
    return true;
}

static bool open_lenet_fast(const char *program, uint32_t images, workload *w)
{
    if (!open_lenet(program, images, w)) return false;
    w->config.optimizer.schedule.base *= 3;
    return true;
}

static bool open_mlp(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY] = "no memory for a net";
    workload_data *d = w->data;
    if (!open_digits(program, images, w)) return false;
    hw_net *net = hw_net_create(1, 28, 28);
    if (net) {
        hw_net_dense(net, 256);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        hw_net_dense(net, 128);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        hw_net_dense(net, 10);
        if (hw_net_finish(net, 64, why) != HW_OK) {
            hw_net_free(net);
            net = NULL;
        }
    }
    w->config.batch = 64;
    w->config.optimizer.schedule.base = 0.05;
    return finish_net(program, net, &d->digits.train, &d->digits.test, w, why);
}

static bool open_colours(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY], folder[600];
    workload_data *d = w->data;
    hw_data_folder(folder, sizeof folder);
    bool real = *folder && hw_cifar10_read(folder, HW_CIFAR_HOLDOUT, &d->train, &d->test, why) == HW_OK;
    if (!real && (hw_textures_generate(images ? images : 10000, 10, 1, &d->train) != HW_OK ||
                  hw_textures_generate(2000, 10, 2, &d->test) != HW_OK))
        return told(program, "no memory for textures");
    if (images && images < d->train.count) d->train.count = images;
    (void)snprintf(d->what, sizeof d->what, "%s; %u %s", w->what, d->train.count,
                   real ? "images of CIFAR-10, batch 5 to test" : "generated textures");
    w->what = d->what;
    return true;
}

static bool open_quick(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    if (!open_colours(program, images, w) || hw_images_mean(&d->train, d->mean) != HW_OK) return false;
    cifar_solver(CIFAR_QUICK, &w->config);
    if (!finish_net(program, hw_net_cifar10_quick(100, 10, d->mean, why), &d->train, &d->test, w, why)) return false;
    cli_caffe_solver(d->net, &w->config, d->sections);
    w->config.optimizer.schedule = (hw_schedule){HW_SCHEDULE_CONSTANT, 0.001, 0, 0, 0, 0};
    w->config.optimizer.weight_decay = 0.004;
    w->config.epochs = 2;
    return true;
}

/* A net that somebody might write: two convolutions with a shortcut, a third, dropout. */
static bool open_convnet(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY] = "no memory for a net";
    workload_data *d = w->data;
    hw_preparation p;
    if (!open_colours(program, images, w) || !cifar_prepare(&d->train, &p)) return false;
    hw_net *net = hw_net_create(3, 32, 32);
    if (net) {
        hw_net_prepare(net, &p);
        hw_net_conv(net, 16, 3, 1, 1);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        unsigned skip = hw_net_here(net);
        hw_net_conv(net, 16, 3, 1, 1);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        hw_net_add(net, skip);
        hw_net_max_pool(net, 2, 2, 0);
        hw_net_conv(net, 32, 3, 1, 1);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        hw_net_max_pool(net, 2, 2, 0);
        hw_net_dense(net, 64);
        hw_net_relu(net);
        hw_net_dropout(net, 0.2);
        hw_net_dense(net, 10);
        if (hw_net_finish(net, 64, why) != HW_OK) {
            hw_net_free(net);
            net = NULL;
        }
    }
    w->config.batch = 64;
    return finish_net(program, net, &d->train, &d->test, w, why);
}

static bool open_xu(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    if (!open_colours(program, images, w)) return false;
    cifar_solver(CIFAR_XU, &w->config);
    return finish_net(program, hw_net_xu(4, 1, 0, why), &d->train, &d->test, w, why);
}

static bool open_residual(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    hw_preparation p;
    hw_residual_config r = hw_residual_defaults();
    r.n = 1;
    if (!open_colours(program, images, w) || !cifar_prepare(&d->train, &p)) return false;
    cifar_solver(CIFAR_RESIDUAL, &w->config);
    w->config.optimizer.schedule = (hw_schedule){HW_SCHEDULE_CONSTANT, 0.1, 0, 0, 0, 0};
    return finish_net(program, hw_net_residual(128, &r, &p, why), &d->train, &d->test, w, why);
}

/* --- sparse models --------------------------------------------------------------------------------------------------
 */

static void start_zero(const workload *w, uint64_t seed, float *x)
{
    (void)seed;
    memset(x, 0, w->objective.parameters * sizeof *x);
}

static bool open_rows(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    const bool reviews = d->kind->reviews;
    (void)images;
    hw_sparse_plan plan = hw_sparse_plan_defaults(32561, 123);
    plan.nonzeros = 14;
    if (reviews && !bench_reviews(program, &d->rows)) return false;
    if (!reviews && !bench_census(program, &d->rows)) {
        if (hw_sparse_generate(&plan, NULL, &d->rows.train, why) != HW_OK) return told(program, why);
        d->rows.name = "generated rows of a9a's size";
        d->rows.rate = 0.05;
    }
    (void)snprintf(d->what, sizeof d->what, "%s; %s", w->what, d->rows.name);
    w->what = d->what;
    d->linear = hw_sparse_linear_defaults(d->kind->loss, &d->rows.train);
    d->linear.test = d->rows.has_test ? &d->rows.test : NULL;
    d->linear.l2 = 1.0 / d->rows.train.rows;
    d->linear.intercept = 1;
    if (hw_sparse_linear_objective(&d->linear, &w->objective, why) != HW_OK) return told(program, why);
    hw_config *c = &w->config;
    c->batch = 1;
    c->write = HW_WRITE_RACY;
    c->clock_interval = 64;
    c->optimizer.momentum = 0;
    c->optimizer.schedule.base = d->rows.rate;
    if (d->rows.target.rate > 0) /* falling, and averaged: the last of constant steps is noise */
        c->optimizer.schedule = (hw_schedule){HW_SCHEDULE_INV, d->rows.target.rate, d->rows.target.gamma, 0.5, 0, 0};
    c->average_every = d->rows.target.average_every;
    c->average_from = d->rows.target.average_from;
    c->epochs = 3;
    c->evaluate_epochs = 0;
    w->unit = "accuracy, %";
    w->score = accuracy;
    w->worst = 50;
    w->start = start_zero;
    return true;
}

static void start_matrix(const workload *w, uint64_t seed, float *x)
{
    hw_factorize_start(&w->data->factorize, 0, seed, x);
}

static bool open_matrix(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY], folder[600], path[700];
    workload_data *d = w->data;
    (void)images;
    hw_data_folder(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/ml-latest-small/ratings.csv", folder);
    bool real = *folder && access(path, R_OK) == 0;
    hw_ratings_plan plan = hw_ratings_plan_defaults(100000, 600, 9000);
    hw_status status = real ? hw_ratings_read(path, 0, &d->all, why) : hw_ratings_generate(&plan, &d->all, why);
    (void)snprintf(d->what, sizeof d->what, "%s; %s", w->what, real ? "ml-latest-small" : "generated ratings");
    w->what = d->what;
    if (status == HW_OK) status = hw_ratings_split(&d->all, 0.1, 1, &d->ratings, &d->held, why);
    if (status != HW_OK) return told(program, why);
    d->factorize = hw_factorize_defaults(&d->ratings, 32);
    d->factorize.test = &d->held;
    d->factorize.l2 = 0.1;
    d->factorize.biases = 1;
    d->factorize.adagrad = 1;
    if (hw_factorize_objective(&d->factorize, &w->objective, why) != HW_OK) return told(program, why);
    hw_config *c = &w->config;
    c->batch = 1;
    c->write = HW_WRITE_RACY;
    c->clock_interval = 64;
    c->optimizer.momentum = 0;
    c->optimizer.schedule.base = 0.1;
    c->epochs = 10;
    c->evaluate_epochs = 0;
    w->unit = "-100 RMSE";
    w->score = rmse;
    w->worst = -104;
    w->start = start_matrix;
    return true;
}

static void start_words(const workload *w, uint64_t seed, float *x)
{
    hw_skipgram_start(&w->data->words, seed, x);
}

static bool open_words(const char *program, uint32_t images, workload *w)
{
    char why[HW_WHY];
    workload_data *d = w->data;
    (void)images;
    if (hw_corpus_generate(5000, 50, 15000, 20, 1, &d->corpus, why) != HW_OK) return told(program, why);
    d->words = hw_skipgram_defaults(&d->corpus);
    d->words.dimension = 50;
    if (hw_skipgram_objective(&d->words, &w->objective, why) != HW_OK) return told(program, why);
    hw_config *c = &w->config;
    c->batch = 1;
    c->write = HW_WRITE_RACY;
    c->clock_interval = 64;
    c->optimizer.momentum = 0;
    c->optimizer.schedule.base = 0.025;
    c->epochs = 2;
    c->evaluate_epochs = 0;
    w->unit = "-100 loss";
    w->score = loss;
    w->worst = -100 * 6 * log(2);
    w->start = start_words;
    return true;
}

/* --- streams ---------------------------------------------------------------------------------------------------------
 */

static bool open_stream(const char *program, workload *w, double worst,
                        hw_status (*open)(workload_streams *s, workload *w, char *why))
{
    char why[HW_WHY];
    if (open(&w->data->streams, w, why) != HW_OK) return told(program, why);
    w->config.batch = 1;
    w->config.epochs = 0;
    w->config.evaluate_epochs = 0;
    w->unit = "-100 loss";
    w->score = loss;
    w->worst = worst;
    return true;
}

static bool open_quadratic(const char *program, uint32_t images, workload *w)
{
    (void)images;
    return open_stream(program, w, -100 * 107, workload_quadratic);
}

static bool open_pca(const char *program, uint32_t images, workload *w)
{
    (void)images;
    return open_stream(program, w, -100, workload_pca);
}

/* --- by name --------------------------------------------------------------------------------------------------------
 */

static const kind kinds[] = {
    {"lenet", "LeNet with Caffe's solver", open_lenet, false, HW_SPARSE_SQUARED, 1, 0.96, 0.92},
    {"lenet-3", "LeNet at three times that rate", open_lenet_fast, false, HW_SPARSE_SQUARED, 1, 0.96, 0.92},
    {"mlp", "perceptron 784-256-128-10", open_mlp, false, HW_SPARSE_SQUARED, 1, 0.945, 0.89},
    {"quick", "cifar10_quick with Caffe's solver, two epochs", open_quick, false, HW_SPARSE_SQUARED, 1, 0.5, 0.55},
    {"convnet", "a convnet of a user's, batch 64, rate 0.01", open_convnet, false, HW_SPARSE_SQUARED, 1, 0.45, 0.3},
    {"xu", "the net of Xu et al., batch 4", open_xu, false, HW_SPARSE_SQUARED, 1, 0.4, 0.5},
    {"residual", "residual net of 8 layers, batch norm, batch 128, rate 0.1", open_residual, false, HW_SPARSE_SQUARED,
     1, 0.38, 0.5},
    {"imdb-logistic", "logistic regression", open_rows, true, HW_SPARSE_LOGISTIC, 1, 0.88, 0.74},
    {"imdb-hinge", "linear SVM", open_rows, true, HW_SPARSE_HINGE, 1, 0.87, 0.7},
    {"a9a-logistic", "logistic regression", open_rows, false, HW_SPARSE_LOGISTIC, 0, 0.326, 0.57},
    {"a9a-hinge", "linear SVM", open_rows, false, HW_SPARSE_HINGE, 0, 0.36, 0.6},
    {"matrix", "factorisation of rank 32", open_matrix, false, HW_SPARSE_SQUARED, 0, 0.8, 0.5},
    {"words", "skip-gram, 50 dimensions, generated text", open_words, false, HW_SPARSE_SQUARED, 0, 0.55, 0.55},
    {"quadratic", "1,000 axes of curvature 0.01 to 1, noisy gradients", open_quadratic, false, HW_SPARSE_SQUARED, 0,
     1.5, 1.5},
    {"pca", "streaming PCA of Liu et al., 20 runs side by side", open_pca, false, HW_SPARSE_SQUARED, 0, 0.05, 0.05},
};

size_t workloads_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const char *workloads_name(size_t i)
{
    return kinds[i].name;
}

const char *workloads_what(size_t i)
{
    return kinds[i].what;
}

int workloads_target(size_t i, double *real, double *generated)
{
    *real = kinds[i].real;
    *generated = kinds[i].generated;
    return kinds[i].metric;
}

size_t workloads_find(const char *name)
{
    size_t i = 0;
    while (i < workloads_count() && strcmp(kinds[i].name, name) != 0) i++;
    return i;
}

bool workload_open(const char *program, size_t i, uint32_t images, workload *w)
{
    memset(w, 0, sizeof *w);
    w->name = kinds[i].name;
    w->what = kinds[i].what;
    w->config = hw_config_defaults();
    w->config.workers = 1;
    w->data = calloc(1, sizeof *w->data);
    if (!w->data) return told(program, "no memory");
    w->data->kind = kinds + i;
    if (!kinds[i].open(program, images, w)) return false;
    w->metric = kinds[i].metric;
    w->target = strstr(w->what, "generated") ? kinds[i].generated : kinds[i].real;
    return true;
}

void workload_close(workload *w)
{
    workload_data *d = w->data;
    if (!d) return;
    hw_net_free(d->net);
    cli_digits_free(&d->digits);
    hw_images_free(&d->train);
    hw_images_free(&d->test);
    hw_sparse_linear_free(&d->linear);
    bench_rows_free(&d->rows);
    hw_factorize_free(&d->factorize);
    hw_ratings_free(&d->all);
    hw_ratings_free(&d->ratings);
    hw_ratings_free(&d->held);
    hw_skipgram_free(&d->words);
    hw_corpus_free(&d->corpus);
    workload_streams_free(&d->streams);
    free(d);
    w->data = NULL;
}

const hw_sparse *workload_rows(const workload *w)
{
    return w->data->kind->open == open_rows ? &w->data->rows.train : NULL;
}
