/* cifar.h - small colour images to train on, CIFAR's or textures, and the nets for them. */
#ifndef SUPPORT_CIFAR_H
#define SUPPORT_CIFAR_H

#include <hogwild.h>
#include <stdbool.h>

typedef enum cifar_net { CIFAR_QUICK, CIFAR_LENET, CIFAR_XU, CIFAR_XU_ONE_POOL, CIFAR_RESIDUAL, CIFAR_HYPER } cifar_net;
#define CIFAR_NETS "quick|lenet|xu|xu-one-pool|residual|hyper"
typedef enum cifar_augment { CIFAR_PLAIN, CIFAR_FLIP, CIFAR_CROP, CIFAR_BOTH } cifar_augment;
#define CIFAR_AUGMENTS "none|flip|crop|both"

typedef struct cifar_options {
    const char *data;
    unsigned hundred;      /* 0: 10 classes, 1: 100 */
    unsigned split;        /* hw_cifar_split        */
    unsigned net, augment; /* cifar_net, cifar_augment */
    unsigned statistics;   /* hw_statistics         */
    unsigned images;       /* 0: all                */
    unsigned depth, width; /* 0: not given          */
    double smoothing, dropout;
} cifar_options;

/* Images and the net on them. Large (a mean image); not to be copied once it is open. */
typedef struct cifar_set {
    hw_images train, test;
    bool real;
    char source[300], label[64];
    char identity[300]; /* lines "key: value" that tell this data and net from others */
    float mean[3 * 32 * 32];
    hw_augment augment;
    hw_net *net;
    hw_net_task task;
    hw_objective objective;
    float *params; /* aligned, not initialised */
} cifar_set;

/* The sentence about options that do not fit the net, in why[HW_WHY]: false. */
bool cifar_check(const cifar_options *o, char *why);
/* What the net is usually trained with: batch, learning rate and so on. An interval of 0 is to be filled in by
 * cifar_open's caller, who knows the length. */
void cifar_solver(cifar_net net, hw_config *config);
/* Channels of mean 0 and deviation 1, by these images; false: they have no moments. */
bool cifar_prepare(const hw_images *train, hw_preparation *preparation);
const char *cifar_net_name(unsigned net);
/* The net that --net names, before the options are read in order, since defaults depend on it; CIFAR_QUICK without. */
cifar_net cifar_net_of(int argc, char **argv);
/* A schedule of steps without an interval changes the rate after each third of the run, where its length is known.
 * False: it has one. */
bool cifar_fill_interval(hw_config *config, uint32_t images);
/* 0, or an exit status after a sentence. copies: sets of running means for statistics per worker. */
int cifar_open(const char *program, const cifar_options *o, uint32_t batch, unsigned copies, cifar_set *s);
void cifar_close(cifar_set *s);

#endif
