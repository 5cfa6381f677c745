/* net.h - small convolutional networks on one flat parameter vector; they do not know that their weights are shared.
 *
 *     hw_net *net = hw_net_create(1, 28, 28);
 *     hw_net_conv(net, 20, 5, 1, 0);  hw_net_max_pool(net, 2, 2, 0);
 *     hw_net_conv(net, 50, 5, 1, 0);  hw_net_max_pool(net, 2, 2, 0);
 *     hw_net_dense(net, 500);         hw_net_relu(net);
 *     hw_net_dense(net, 10);
 *     status = hw_net_finish(net, batch, why);
 *
 * The loss is softmax cross-entropy over the last layer's outputs. Images are channels x height x width; weights of a
 * convolution are filters x channels x kernel x kernel, of a dense layer outputs x inputs, each followed by its biases.
 * A net is built by one thread and then constant: any number of threads use it, each with a scratch of its own. */
#ifndef HOGWILD_NET_H
#define HOGWILD_NET_H

#include "data.h"
#include "objective.h"
#include "optimizer.h"
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hw_net hw_net;

/* xavier: uniform in +- sqrt(3 / inputs) (Caffe's fan-in form); He: normal, variance 2 / inputs; Gaussian: normal with
 * standard deviation `value`; constant: `value`. Biases take their own constant. LeCun: uniform in +- sqrt(1 / inputs),
 * biases too (PyTorch's default). */
typedef enum hw_filler { HW_FILL_XAVIER, HW_FILL_HE, HW_FILL_GAUSSIAN, HW_FILL_CONSTANT, HW_FILL_LECUN } hw_filler;

/* NULL only without memory; every other mistake is kept and told by hw_net_finish, so builders need no checks. */
HW_API hw_net *hw_net_create(unsigned channels, unsigned height, unsigned width);
HW_API void hw_net_free(hw_net *net);

/* Cross-correlation over channels x kernel x kernel, plus a bias a filter. kernel 1 .. 15, pad below kernel. */
HW_API void hw_net_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad);
/* Hyperspherical convolution, linear form (Liu et al., SphereConv): each output is 1 - (2 / pi) acos(<w, x> / (|w|
 * |x|)) over its patch x, norms sqrt(sum of squares + 1e-4). No biases. */
HW_API void hw_net_hyper_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad);
/* Of the last convolution: its channels and filters in so many groups that do not see each other. */
HW_API void hw_net_groups(hw_net *net, unsigned groups);
/* Of the last convolution: it has no biases, as before a normalisation. */
HW_API void hw_net_no_bias(hw_net *net);
/* Caffe's rule: out = ceil((in + 2 pad - kernel) / stride) + 1, windows clipped to the image. An average is divided by
 * the window clipped to the padded image. */
HW_API void hw_net_max_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad);
HW_API void hw_net_average_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad);
/* The mean of every channel: 1 x 1. */
HW_API void hw_net_global_average(hw_net *net);
HW_API void hw_net_dense(hw_net *net, unsigned outputs);
HW_API void hw_net_relu(hw_net *net);
/* Local response normalisation across `size` (odd) neighbouring channels, as Caffe's:
 *
 *     out = in / (1 + alpha / size * sum of in^2)^beta
 */
HW_API void hw_net_lrn(hw_net *net, unsigned size, double alpha, double beta);
/* Inverted dropout: while training an activation is zeroed with probability rate, else scaled by 1 / (1 - rate). The
 * mask depends on seed, step and position only. */
HW_API void hw_net_dropout(hw_net *net, double rate);

/* Batch normalisation: training, every worker normalises each channel by the mean and variance of its own part of the
 * minibatch, then scales and shifts (both trained, at first 1 and 0):
 *
 *     out = gamma (in - mean) / sqrt(variance + epsilon) + beta
 *
 * Evaluation takes running means of both instead. These stand in the parameter vector behind the net's weights and
 * biases, so that they are shared through the same door as everything else, read back consistently, saved and resumed;
 * each step moves them by `share` of the way towards what it measured, by a gradient (hw_running_gain), so they are as
 * stale, and as often overwritten in mode RACY, as any parameter.
 *
 *   SHARED       one set, moved by all workers: at M workers it follows M times as many minibatches an epoch of time
 *   PER_WORKER   worker (thread) i moves set i modulo `copies` only; evaluation takes the mean of all sets. No worker
 * waits for, or overwrites, another's; a set follows its own worker's minibatches only
 *
 * With momentum mu a set trails by some 1 / (1 - sqrt(mu)) steps (20 at 0.9): evaluate where the learning rate has
 * fallen. config.clip_norm sees the sets' gradient with the others'. Momentum and weight decay of any step act on all
 * sets, on means and weight alike.
 *
 * A set also counts its own weight, and evaluation divides by it, so that the first steps' bias towards the start, sets
 * that no worker has, and weight decay cancel. Before any step evaluation takes mean 0 and variance 1. They need rule
 * sgd or nesterov: a step refuses others. hw_net_loss with a gradient leaves the sets alone (gradient 0). The settings
 * are the whole net's; defaults: epsilon 1e-5, share 0.1, SHARED. */
typedef enum hw_statistics { HW_STATISTICS_SHARED, HW_STATISTICS_PER_WORKER } hw_statistics;
HW_API void hw_net_batch_norm(hw_net *net);
HW_API void hw_net_statistics(hw_net *net, hw_statistics where, unsigned copies, double share, double epsilon);

/* A net is a list in which every layer takes the output of the one before; these bend it. here: a name for the last
 * layer's output (or the input's). from: the next layer takes that output instead. add: a layer that adds that output,
 * of the same shape, to the last one's. */
HW_API unsigned hw_net_here(const hw_net *net);
HW_API void hw_net_from(hw_net *net, unsigned place);
HW_API void hw_net_add(hw_net *net, unsigned place);

/* The loss's targets while training: 1 - epsilon + epsilon / classes for the label, epsilon / classes for the others.
 */
HW_API void hw_net_label_smoothing(hw_net *net, double epsilon);
/* Filler of the last convolution or dense layer (default xavier, biases 0); normalisations after it are passed over. */
HW_API void hw_net_fill(hw_net *net, hw_filler filler, double value, double bias);
/* x_in = scale * (byte - mean); default 1/256 and 0. */
HW_API void hw_net_input(hw_net *net, float scale, float mean);
/* Any other preparation of the bytes: a mean image (borrowed as long as the net is used) or channels' moments. */
HW_API void hw_net_prepare(hw_net *net, const hw_preparation *preparation);

/* AUTO (default) takes the AVX2 kernels where the processor and a layer's shape allow, SCALAR the portable reference on
 * OpenBLAS, WIDE is refused by hw_net_finish on other processors. Results agree to rounding; each is deterministic. */
HW_API void hw_net_use_path(hw_net *net, hw_path path);

/* Check, number the parameters and plan the buffers for minibatches of up to `batch`. HW_E_ARGUMENT, HW_E_LIMIT,
 * HW_E_MEMORY and a sentence that names the layer. */
HW_API hw_status hw_net_finish(hw_net *net, uint32_t batch, char *why);

HW_API size_t hw_net_parameters(const hw_net *net);
/* Of an input image; any of the three may be NULL. */
HW_API void hw_net_input_shape(const hw_net *net, unsigned *channels, unsigned *height, unsigned *width);
HW_API unsigned hw_net_outputs(const hw_net *net);
HW_API size_t hw_net_scratch_bytes(const hw_net *net);
HW_API uint64_t hw_net_multiply_adds(const hw_net *net); /* forward, one image */
HW_API void hw_net_init(const hw_net *net, uint64_t seed, float *params);
/* Layer, output shape, parameters, multiply-adds. */
HW_API hw_status hw_net_summary(const hw_net *net, FILE *out);
/* Where layer i's weights and biases lie; 0 where there is no such layer with parameters. For learning-rate sections.
 */
HW_API int hw_net_layer(const hw_net *net, unsigned i, hw_range *weights, hw_range *biases);
/* A section for every bias vector: rate 2 (Caffe's biases), decay as given. Returns how many; at most `room` written.
 */
HW_API size_t hw_net_bias_sections(const hw_net *net, float rate, float decay, hw_section *sections, size_t room);
/* Every weight, bias and running mean by name ("conv1.weight", filters x channels x kernel x kernel; "norm1.mean" ...):
 * for hw_objective.tensors. Owned by the net; count may be NULL. */
HW_API const hw_tensor *hw_net_tensors(const hw_net *net, size_t *count);

/* What a step reads and writes by itself, one entry for every layer with weights: for hw_objective.layers. held: from
 * multiply-adds and memory touched, the same on every machine (bench/layers measures it). Owned by the net; count may
 * be NULL. */
HW_API const hw_layer *hw_net_layer_parts(const hw_net *net, size_t *count);

/* Layers one by one, for measuring: kind and output's shape as text, the way it is computed ("winograd", "direct", ...;
 * "" where there is one), and seconds of forward and backward in all passes on this scratch since hw_net_time(.., 1); 0
 * without it, or with scratch NULL. HW_E_ARGUMENT beyond the last layer. */
typedef struct hw_layer_info {
    char kind[32], shape[32], kernel[16];
    size_t parameters;
    uint64_t multiply_adds;
    double forward_seconds, backward_seconds;
} hw_layer_info;
HW_API unsigned hw_net_layers(const hw_net *net);
HW_API hw_status hw_net_layer_info(const hw_net *net, const void *scratch, unsigned i, hw_layer_info *info);
/* Every pass on this scratch is timed from now on, from zero (on), or no more. The times stand in the scratch. */
HW_API void hw_net_time(const hw_net *net, void *scratch, int on);

/* Mean loss over the batch; g (or NULL: forward only) gets its gradient. images' shape is the net's. correct may be
 * NULL. scratch: hw_net_scratch_bytes, 64-byte aligned, zeroed before its first use. batch->index NULL means images
 * 0 .. count - 1. Not checked here: the net is finished, count is at most its batch, images have its shape (as
 * hw_net_objective checks) and labels below its outputs. */
HW_API double hw_net_loss(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                          const float *params, float *g, uint32_t *correct);
/* The last layer's outputs (count x outputs, row-major) for images first .. first + count - 1; count <= batch. */
HW_API void hw_net_predict(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                           const float *params, float *outputs);

/* A trained net as a file in the safetensors format: its layers as text ("net"), its weights by their names, and how
 * images are prepared, so that the file alone predicts. Fillers are not kept. save: HW_E_IO, HW_E_MEMORY, HW_E_DIVERGED
 * (a parameter that is not finite). load: a finished net for minibatches of up to `batch`, and its parameters (64-byte
 * aligned, released with free()); every byte is untrusted: HW_E_IO, HW_E_FORMAT, HW_E_LIMIT, HW_E_MEMORY and a
 * sentence; nothing is left allocated then. */
HW_API hw_status hw_net_save(const hw_net *net, const float *params, const char *path, char *why);
HW_API hw_status hw_net_load(hw_net **net, float **params, const char *path, uint32_t batch, char *why);

/* A net that predicts: with its parameters and a scratch of its own; one thread at a time uses a handle. create: the
 * net is borrowed, the parameters are copied. HW_E_LIMIT: a scratch of more than 4 GiB. OpenBLAS works on one thread
 * during a call. */
typedef struct hw_predictor hw_predictor;
HW_API hw_status hw_predictor_create(hw_predictor **predictor, const hw_net *net, const float *params, char *why);
HW_API hw_status hw_predictor_load(hw_predictor **predictor, const char *path, uint32_t batch, char *why);
HW_API void hw_predictor_free(hw_predictor *predictor);
/* Owned by the handle (create: the net is the caller's). */
HW_API const hw_net *hw_predictor_net(const hw_predictor *predictor);
HW_API const float *hw_predictor_params(const hw_predictor *predictor);
/* probability[count x outputs] of any number of images: bytes (channels x height x width each, prepared as the net
 * says), or floats that are prepared already. The caller sees to it that images are of hw_net_input_shape. */
HW_API void hw_predictor_bytes(hw_predictor *predictor, const unsigned char *pixels, uint32_t count,
                               float *probability);
HW_API void hw_predictor_floats(hw_predictor *predictor, const float *inputs, uint32_t count, float *probability);

/* The objective "this net on these images": metrics are loss and accuracy on test. The task and what it points to are
 * borrowed while the objective is in use. A step's images are augmented and prepared before it reads the parameters, in
 * its own scratch: that takes no lock and adds nothing to the staleness. */
typedef struct hw_net_task {
    const hw_net *net;
    const hw_images *train, *test;
    const hw_augment *augment; /* of the training images, or NULL */
} hw_net_task;
/* This net on these images, layer by layer where it can be. size: sizeof(hw_objective), which hw_net_objective says by
 * itself. HW_E_ARGUMENT and a sentence: the net is not finished, images have another shape or classes, or an
 * augmentation does not fit them. */
HW_API hw_status hw_net_objective_init(hw_net_task *task, hw_objective *objective, size_t size, char *why);
static inline hw_status hw_net_objective(hw_net_task *task, hw_objective *objective, char *why)
{
    return hw_net_objective_init(task, objective, sizeof *objective, why);
}

/* Row t, column p of confusion (outputs x outputs, set here) counts the images of label t for which output p is the
 * largest, of images first .. first + count - 1; labels beyond the outputs are left out. HW_E_ARGUMENT: other shapes, a
 * range beyond the images. */
HW_API hw_status hw_net_confusion(const hw_net *net, void *scratch, const hw_images *images, uint32_t first,
                                  uint32_t count, const float *params, uint32_t *confusion);

/* Share of the ReLU units that are 0 on every one of images first .. first + count - 1 (a unit: one position of one
 * channel). HW_E_ARGUMENT: other shapes, or a range beyond the images; HW_E_MEMORY. */
HW_API hw_status hw_net_dead(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                             const float *params, double *share);

/* --- the papers' networks: NULL and a sentence on an error ----------------------------------------------------------
 */

/* Caffe's LeNet: 431,080 parameters. */
HW_API hw_net *hw_net_lenet(uint32_t batch, char *why);
/* The same for 2 .. 256 classes: 431,080 + 501 (classes - 10) parameters. */
HW_API hw_net *hw_net_lenet_classes(unsigned classes, uint32_t batch, char *why);
/* inputs -> hidden ReLU units -> classes. */
HW_API hw_net *hw_net_perceptron(unsigned channels, unsigned height, unsigned width, unsigned hidden, unsigned classes,
                                 uint32_t batch, char *why);
/* The net of Xu et al. on 3 x 32 x 32 images: conv 6@5x5 -> pool 2 -> conv 16@5x5 -> pool 2 -> 120 -> 84 -> 10 with
 * ReLU, PyTorch's initial values, inputs in [-1, 1]: 62,006 parameters; 206,006 without the second pool (the paper's
 * text does not name it). dropout: rate after the two hidden dense layers, 0 none. */
HW_API hw_net *hw_net_xu(uint32_t batch, int second_pool, double dropout, char *why);
/* Caffe's cifar10_quick, 145,578 parameters at 10 classes; bytes minus the mean image, which is the caller's to give
 * (borrowed; NULL: minus 120). */
HW_API hw_net *hw_net_cifar10_quick(uint32_t batch, unsigned classes, const float *mean_image, char *why);
/* Residual net on 3 x 32 x 32 images: a 3x3 convolution of `width` filters, three stages of n units of two 3x3
 * convolutions at width, 2 width and 4 width (stride 2 into the second and third, 1x1 shortcut there), batch norm and
 * ReLU throughout, global average, dense: depth 6 n + 2. width 16: the slim nets; n 5, width 96: Liu et al. HYPER: its
 * convolutions, but for the shortcuts, hyperspherical. */
typedef enum hw_residual { HW_RESIDUAL_PLAIN, HW_RESIDUAL_HYPER } hw_residual;
typedef struct hw_residual_config {
    size_t struct_size;         /* sizeof(hw_residual_config); set by hw_residual_defaults()  */
    unsigned n, width, classes; /* 3, 16, 10: the slim net of 20 layers                       */
    hw_residual form;           /* PLAIN                                                      */
    hw_statistics statistics;   /* SHARED                                                     */
    unsigned copies;            /* sets of running means for PER_WORKER: the workers; 1       */
    double label_smoothing;     /* 0                                                          */
} hw_residual_config;
HW_API hw_residual_config hw_residual_defaults(void);
HW_API hw_net *hw_net_residual(uint32_t batch, const hw_residual_config *config, const hw_preparation *preparation,
                               char *why);
/* CaffeNet on 3 x side x side images (227: 60,965,224 parameters at 1,000 classes); width: filters and units in
 * 256ths of the original (256: the original), for smaller stand-ins. */
HW_API hw_net *hw_net_caffenet(uint32_t batch, unsigned side, unsigned width, unsigned classes, char *why);

#ifdef __cplusplus
}
#endif
#endif
