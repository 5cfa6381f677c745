/* net.h (internal) - a layer is a vtable and a geometry; a net is a list of them over one flat vector. */
#ifndef HOGWILD_LIB_NET_H
#define HOGWILD_LIB_NET_H

#include "../base/base.h"
#include "../base/blas.h"
#include "hogwild/net.h"
#include "kernel.h"

/* Loops that are not matrix products are compiled for AVX2 too and chosen at load time where the platform can. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define NET_HOT __attribute__((target_clones("avx2", "default")))
#else
#define NET_HOT
#endif

#define NET_LAYERS 512
#define NET_INPUT  (-1) /* as a layer's number: the images */

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
    const float *params; /* the layer's weights, then biases, then running means */
    float *g;            /* gradient of them, or NULL */
    bool first;          /* first block of the batch: g is set, else added to (layers with a kernel: see conv.c) */
    const float *in;
    const float *also; /* an addition's other input */
    float *out;        /* may be `in` itself where the kind says in_place */
    const float *dout;
    float *din;         /* NULL: not needed. Set, not added to. May be dout itself where the kind says din_in_place */
    unsigned char *aux; /* layer's own bytes of these images, kept from forward to backward */
    float *work;        /* shared between layers, for one call */
    float *packed;      /* the layer's own, from pack to the end of the pass */
    size_t n;
    bool train;
    uint64_t seed, step;
    uint32_t position; /* of the first image in the whole minibatch */
    float gain;        /* of the running means' gradient: g = gain (r - b); 0: they stay */
    unsigned copy;     /* the set of running means that is this worker's */
} net_call;

typedef struct net_kind {
    const char *name;                     /* for people */
    const char *label;                    /* of its tensors: "conv" gives conv1.weight; NULL: it has none */
    bool whole;                           /* runs on the whole batch at once; others run in blocks of images */
    bool needs_input, needs_output;       /* in backward */
    bool in_place;                        /* forward may write over its input */
    bool din_in_place;                    /* backward may write over dout */
    bool passes;                          /* backward: every input's gradient is dout; there is no backward function */
    size_t (*packed)(const net_layer *l); /* floats; pack fills them once a pass, finish ends a backward; NULL: none */
    void (*pack)(const net_call *c);      /* c->g: a backward follows */
    void (*finish)(const net_call *c);
    size_t (*aux)(const net_layer *l);            /* bytes an image */
    size_t (*work)(const net_layer *l, size_t n); /* floats for a call with up to n images */
    size_t (*block)(const net_layer *l);          /* images a call it likes best; NULL: any */
    uint64_t (*multiply_adds)(const net_layer *l);
    void (*forward)(const net_call *c);
    void (*backward)(const net_call *c);
} net_kind;

struct net_layer {
    const net_kind *kind;
    net_shape in, out;
    int from, also; /* layers whose outputs it takes; also: an addition's other one, else NET_INPUT - 1 */
    unsigned kernel, stride, pad, groups, size;
    float rate;                        /* dropout's rate; batch norm's and LRN's numbers are below */
    float alpha, beta, epsilon, share; /* LRN; batch norm */
    unsigned copies;                   /* sets of running means */
    bool hyper;
    size_t at, weights, biases, running; /* in the flat vector, in this order */
    size_t fan_in;
    hw_filler filler;
    double fill, fill_bias;
    unsigned number;
    const conv_kernel *way;                /* a convolution's kernel */
    conv_shape shape;                      /* of one group */
    size_t way_packed, way_sum, way_block; /* what the kernel says of this shape; floats up to whole lines, images */
    /* plan, in bytes of the scratch */
    size_t out_at, aux_at, packed_at, gradient_at;
    bool wide;          /* pooling's AVX2 kernels */
    bool kept;          /* output kept for the whole batch, else for one block */
    bool over;          /* output stands where the input was */
    bool gradient_kept; /* the gradient of its output is a whole batch's, else one block's */
    unsigned segment;
    unsigned consumers;
    int last_consumer;
    bool gradient_over; /* din is written over dout */
};

/* Layers first .. end - 1 run block by block, or one whole layer. */
typedef struct net_segment {
    unsigned first, end;
    uint32_t block;
} net_segment;

struct hw_net {
    net_layer *layer; /* NET_LAYERS */
    net_segment *segment;
    hw_tensor *tensor;
    size_t tensors;
    unsigned layers, segments;
    int next_from; /* NET_INPUT - 1: as usual */
    net_shape input;
    hw_preparation preparation;
    float smoothing;
    struct {
        hw_statistics where;
        unsigned copies;
        float share, epsilon;
    } running;
    char error[HW_WHY]; /* the first mistake of the builder, and its code (0: HW_E_ARGUMENT) */
    hw_status code;
    bool finished, has_running;
    hw_path path;
    uint32_t batch;
    size_t parameters, scratch_bytes, input_at, work_at, gradient_at, spare_at, time_at;
};

extern const net_kind net_conv, net_max_pool, net_average_pool, net_global_average, net_dense, net_relu, net_dropout,
    net_add, net_batch_norm, net_lrn, net_hyper_conv;

/* plan.c: segments, what is kept, where everything lies in the scratch. False: no memory. */
bool net_plan(hw_net *net);
/* describe.c */
void net_name_tensors(hw_net *net);

/* Where hw_net_time keeps a scratch's times. */
#define NET_TIMED UINT64_C(0x74696d6564206f6e)
typedef struct net_times {
    uint64_t on;
    uint64_t ns[]; /* forward, backward of each layer */
} net_times;
static inline net_times *net_times_of(const hw_net *net, void *scratch)
{
    return (net_times *)(void *)((char *)scratch + net->time_at);
}

/* conv.c */
void net_conv_choose(net_layer *l, hw_path path); /* shape and kernel */
/* Whether this processor runs the AVX2 kernels. */
bool net_wide_available(void);
/* pool.c */
bool net_pool_fits_wide(const net_layer *l);

/* run.c */
typedef struct net_pass {
    const hw_net *net;
    char *scratch;
    const unsigned char *labels; /* of image i: labels[index ? index[i] : i] */
    const hw_batch *batch;
    const float *params;
    float *g; /* NULL: forward only */
    bool train;
    float gain;
    unsigned copy;
} net_pass;
/* The images of a minibatch, prepared, into the scratch. */
void net_load(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
              const hw_augment *augment);
/* On loaded images. Mean loss; the outputs stay in the scratch. */
double net_loss(const net_pass *p, uint32_t *correct);
void net_forward(const net_pass *p);
/* Layer i's output for image `first` of the batch where it is kept; of the last layer always. */
float *net_output(const net_pass *p, int i, size_t first);

/* Sum of the losses over n images; dout (may be NULL) gets scale * (softmax - target), targets smoothed. */
double net_softmax(const float *out, const unsigned char *label, size_t n, unsigned classes, float smoothing,
                   float scale, float *dout, uint32_t *correct);

#endif
