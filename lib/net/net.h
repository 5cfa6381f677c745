/* net.h (internal) - a layer is a vtable and a geometry; a net is a list of them over one flat vector. */
#ifndef HOGWILD_LIB_NET_H
#define HOGWILD_LIB_NET_H

#include "../base/base.h"
#include "../base/blas.h"
#include "hogwild/net.h"

/* Loops that are not matrix products are compiled for AVX2 too and chosen at load time where the platform can. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define NET_HOT __attribute__((target_clones("avx2", "default")))
#else
#define NET_HOT
#endif

#define NET_LAYERS 64

typedef struct net_shape {
    unsigned c, h, w;
} net_shape;

static inline size_t net_floats(net_shape s)
{
    return (size_t)s.c * s.h * s.w;
}

typedef struct net_layer net_layer;

/* What a layer gets for `n` images. Buffers are packed image by image. */
typedef struct net_call {
    const net_layer *layer;
    const float *params; /* the layer's weights, then biases */
    float *g;            /* gradient of them, or NULL */
    bool first;          /* first block of the batch: g is set, else added to */
    const float *in;
    float *out;
    const float *dout;
    float *din;         /* NULL: not needed */
    unsigned char *aux; /* layer's own bytes of these images, kept from forward to backward */
    float *work;        /* shared between layers, for one call */
    float *packed;      /* the layer's own, from pack to the end of the pass */
    size_t n;
    bool train;
    uint64_t seed, step;
    uint32_t position; /* of the first image in the whole minibatch */
} net_call;

typedef struct net_kind {
    const char *name;
    bool per_batch;                       /* runs on the whole batch at once (dense); others run in blocks of images */
    bool needs_input, needs_output;       /* in backward */
    size_t (*packed)(const net_layer *l); /* floats; pack fills them once a pass, finish ends a backward */
    void (*pack)(const net_call *c);
    void (*finish)(const net_call *c);
    size_t (*aux)(const net_layer *l);  /* bytes an image */
    size_t (*work)(const net_layer *l); /* floats a call */
    uint64_t (*multiply_adds)(const net_layer *l);
    void (*forward)(const net_call *c);
    void (*backward)(const net_call *c);
} net_kind;

struct net_layer {
    const net_kind *kind;
    net_shape in, out;
    unsigned kernel, stride, pad;
    float rate;                 /* dropout */
    size_t at, weights, biases; /* in the flat vector */
    size_t fan_in;
    hw_filler filler;
    double fill, fill_bias;
    unsigned number;
    /* plan, in bytes of the scratch */
    size_t out_at, aux_at, packed_at;
    bool wide; /* AVX2 kernels */
    bool kept; /* output kept for the whole batch, else for one block */
};

struct hw_net {
    net_layer layer[NET_LAYERS];
    unsigned layers;
    net_shape input;
    float scale, mean;
    char error[HW_WHY]; /* the first mistake of the builder, and its code (0: HW_E_ARGUMENT) */
    hw_status code;
    bool finished;
    hw_path path;
    uint32_t batch, block;
    unsigned per_block; /* layers 0 .. per_block - 1 run in blocks of images */
    size_t parameters, scratch_bytes, input_at, work_at, gradient_at[2], gradient_block_at[2];
};

extern const net_kind net_conv, net_max_pool, net_dense, net_relu, net_dropout;

/* Whether the AVX2 kernels take this layer's shape. */
bool net_conv_fits_wide(const net_layer *l);
bool net_pool_fits_wide(const net_layer *l);

/* Sum of the losses over n images; dout (may be NULL) gets scale * (softmax - onehot). */
double net_softmax(const float *out, const unsigned char *label, size_t n, unsigned classes, float scale, float *dout,
                   uint32_t *correct);

#endif
