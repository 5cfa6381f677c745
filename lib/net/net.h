/* net.h (internal) - a layer is a vtable and a geometry; a net is a list of them over one flat vector. */
#ifndef HW__NET_NET_H
#define HW__NET_NET_H

#include "../base/base.h"
#include "../base/blas.h"
#include "../base/cpu.h"
#include "hogwild/net.h"
#include "../conv/kernel.h"

#define NET_LAYERS 512
#define NET_INPUT  (-1) /* as a layer's number: the images */

typedef struct hw__net_shape {
    unsigned c, h, w;
} hw__net_shape;

static inline size_t hw__net_floats(hw__net_shape s)
{
    return (size_t)s.c * s.h * s.w;
}

typedef struct hw__net_layer hw__net_layer;

/* What a layer gets for `n` images. Buffers are packed image by image. */
typedef struct hw__net_call {
    const hw__net_layer *layer;
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
} hw__net_call;

typedef struct hw__net_kind {
    const char *name;               /* for people */
    const char *label;              /* of its tensors: "conv" gives conv1.weight; NULL: it has none */
    bool whole;                     /* runs on the whole batch at once; others run in blocks of images */
    bool needs_input, needs_output; /* in backward */
    bool in_place;                  /* forward may write over its input */
    bool din_in_place;              /* backward may write over dout */
    bool passes;                    /* backward: every input's gradient is dout; there is no backward function */
    size_t (*packed)(
        const hw__net_layer *l);         /* floats; pack fills them once a pass, finish ends a backward; NULL: none */
    void (*pack)(const hw__net_call *c); /* c->g: a backward follows */
    void (*finish)(const hw__net_call *c);
    size_t (*aux)(const hw__net_layer *l);            /* bytes an image */
    size_t (*work)(const hw__net_layer *l, size_t n); /* floats for a call with up to n images */
    size_t (*block)(const hw__net_layer *l);          /* images a call it likes best; NULL: any */
    uint64_t (*multiply_adds)(const hw__net_layer *l);
    void (*forward)(const hw__net_call *c);
    void (*backward)(const hw__net_call *c);
} hw__net_kind;

struct hw__net_layer {
    const hw__net_kind *kind;
    hw__net_shape in, out;
    int from, also; /* layers whose outputs it takes; also: an addition's other one, else NET_INPUT - 1 */
    unsigned window, stride, pad, groups, size; /* window: of a convolution or a pool; size: LRN's */
    float rate;                                 /* dropout's rate; batch norm's and LRN's numbers are below */
    float alpha, beta, epsilon, share;          /* LRN; batch norm */
    unsigned copies;                            /* sets of running means */
    size_t at, weights, biases, running;        /* in the flat vector, in this order */
    size_t stretch;                             /* its number among hw_net.stretch, where it has weights */
    size_t fan_in;
    hw_filler filler;
    double fill, fill_bias;
    unsigned number;
    const hw__conv_kernel *kernel; /* a convolution's kernel */
    hw__conv_shape shape;          /* of one group */
    size_t kernel_packed, kernel_sum,
        kernel_block; /* what the kernel says of this shape; floats up to whole lines, images */
    /* plan, in bytes of the scratch */
    size_t out_at, aux_at, packed_at, gradient_at;
    bool wide;          /* pooling's AVX2 kernels */
    bool kept;          /* output kept for the whole batch, else for one block */
    bool over;          /* output stands where the input was */
    bool gradient_kept; /* the gradient of its output is a whole batch's, else one block's */
    unsigned segment;
    unsigned consumers;
    int last_consumer;
};

/* Layers first .. end - 1 run block by block, or one whole layer. */
typedef struct hw__net_segment {
    unsigned first, end;
    uint32_t block;
} hw__net_segment;

struct hw_net {
    hw__net_layer *layer; /* NET_LAYERS */
    hw__net_segment *segment;
    hw_tensor *tensor;
    size_t tensors;
    hw_layer *stretch; /* of every layer with weights, for steps layer by layer */
    size_t stretches;
    unsigned layers, segments;
    int next_from; /* NET_INPUT - 1: as usual */
    hw__net_shape input;
    hw_preparation preparation;
    float *mean; /* of the preparation, where it is the net's own; or NULL */
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

extern const hw__net_kind hw__net_conv, hw__net_max_pool, hw__net_average_pool, hw__net_global_average, hw__net_dense,
    hw__net_relu, hw__net_dropout, hw__net_add, hw__net_batch_norm, hw__net_lrn, hw__net_hyper_conv;

/* build.c: one layer more, for its builder to fill; NULL where the net keeps a mistake already, is finished or full. */
hw__net_layer *hw__net_append(hw_net *net, const hw__net_kind *kind);
/* plan.c: segments, what is kept, where everything lies in the scratch. False: no memory. */
bool hw__net_plan(hw_net *net);
/* describe.c */
void hw__net_name_tensors(hw_net *net);
void hw__net_name_stretches(hw_net *net);

/* Where hw_net_time keeps a scratch's times. */
#define NET_TIMED UINT64_C(0x74696d6564206f6e)
typedef struct hw__net_times {
    uint64_t on;
    uint64_t ns[]; /* forward, backward of each layer */
} hw__net_times;
static inline hw__net_times *hw__net_times_of(const hw_net *net, void *scratch)
{
    return (hw__net_times *)(void *)((char *)scratch + net->time_at);
}

/* conv.c */
void hw__net_conv_choose(hw__net_layer *l, hw_path path); /* shape and kernel */
/* Whether the kernels of wide_pool.h take this layer. */
bool hw__net_pool_fits_wide(const hw__net_layer *l);

/* run.c */
typedef struct hw__net_pass {
    const hw_net *net;
    char *scratch;
    const unsigned char *labels; /* of image i: labels[index ? index[i] : i] */
    const hw_batch *batch;
    const float *params;
    float *g; /* NULL: forward only */
    bool train;
    float gain;
    unsigned copy;
    hw_worker *worker; /* whose step it is: each layer is read and written when its turn comes; NULL: params has all */
} hw__net_pass;
/* The images of a minibatch, prepared, into the scratch. */
void hw__net_load(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                  const hw_augment *augment);
/* On loaded images. The mean loss; the outputs stay in the scratch. A status: of a layer's write, to be returned. */
hw_status hw__net_loss(const hw__net_pass *p, double *loss, uint32_t *correct);
void hw__net_forward(const hw__net_pass *p);
/* Layer i's output for image `first` of the batch where it is kept; of the last layer always. */
float *hw__net_output(const hw__net_pass *p, int i, size_t first);

/* Sum of the losses over n images; dout (may be NULL) gets scale * (softmax - target), targets smoothed. */
double hw__net_softmax(const float *out, const unsigned char *label, size_t n, unsigned classes, float smoothing,
                       float scale, float *dout, uint32_t *correct);

#endif
