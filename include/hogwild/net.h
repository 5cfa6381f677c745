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

HW_API void hw_net_conv(hw_net *net, unsigned filters, unsigned kernel, unsigned stride, unsigned pad);
/* Caffe's rule: out = ceil((in + 2 pad - kernel) / stride) + 1, windows clipped to the image. */
HW_API void hw_net_max_pool(hw_net *net, unsigned kernel, unsigned stride, unsigned pad);
HW_API void hw_net_dense(hw_net *net, unsigned outputs);
HW_API void hw_net_relu(hw_net *net);
/* Inverted dropout: while training an activation is zeroed with probability rate, else scaled by 1 / (1 - rate). The
 * mask depends on seed, step and position only. */
HW_API void hw_net_dropout(hw_net *net, double rate);
/* Filler of the last convolution or dense layer (default xavier, biases 0). */
HW_API void hw_net_fill(hw_net *net, hw_filler filler, double value, double bias);
/* x_in = scale * (byte - mean); default 1/256 and 0. */
HW_API void hw_net_input(hw_net *net, float scale, float mean);

/* AUTO (default) takes the AVX2 kernels where the processor and a layer's shape allow, SCALAR the portable reference on
 * OpenBLAS, WIDE is refused by hw_net_finish on other processors. Results agree to rounding; each is deterministic. */
HW_API void hw_net_use_path(hw_net *net, hw_path path);

/* Check, number the parameters and plan the buffers for minibatches of up to `batch`. HW_E_ARGUMENT, HW_E_LIMIT,
 * HW_E_MEMORY and a sentence that names the layer. */
HW_API hw_status hw_net_finish(hw_net *net, uint32_t batch, char *why);

HW_API size_t hw_net_parameters(const hw_net *net);
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

/* Mean loss over the batch; g (or NULL: forward only) gets its gradient. images' shape is the net's. correct may be
 * NULL. scratch: hw_net_scratch_bytes, 64-byte aligned. batch->index NULL means images 0 .. count - 1. */
HW_API double hw_net_loss(const hw_net *net, void *scratch, const hw_images *images, const hw_batch *batch,
                          const float *params, float *g, uint32_t *correct);
/* The last layer's outputs (count x outputs, row-major) for images first .. first + count - 1; count <= batch. */
HW_API void hw_net_predict(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                           const float *params, float *outputs);

/* The objective "this net on these images": metrics are loss and accuracy on test. The task and what it points to are
 * borrowed while the objective is in use. */
typedef struct hw_net_task {
    const hw_net *net;
    const hw_images *train, *test;
} hw_net_task;
HW_API hw_status hw_net_objective(hw_net_task *task, hw_objective *objective, char *why);

/* Share of the ReLU units that are 0 on every one of images first .. first + count - 1 (a unit: one position of one
 * channel). HW_E_ARGUMENT: other shapes, or a range beyond the images; HW_E_MEMORY. */
HW_API hw_status hw_net_dead(const hw_net *net, void *scratch, const hw_images *images, uint32_t first, uint32_t count,
                             const float *params, double *share);

/* The net of Xu et al. on 3 x 32 x 32 images: conv 6@5x5 -> pool 2 -> conv 16@5x5 -> pool 2 -> 120 -> 84 -> 10 with
 * ReLU, PyTorch's initial values, inputs in [-1, 1]: 62,006 parameters; 206,006 without the second pool (the paper's
 * text does not name it). dropout: rate after the two hidden dense layers, 0 none. */
HW_API hw_net *hw_net_xu(uint32_t batch, int second_pool, double dropout, char *why);
/* inputs -> hidden ReLU units -> classes. */
HW_API hw_net *hw_net_perceptron(unsigned channels, unsigned height, unsigned width, unsigned hidden, unsigned classes,
                                 uint32_t batch, char *why);

/* Caffe's LeNet: 431,080 parameters. NULL and a sentence on an error. */
HW_API hw_net *hw_net_lenet(uint32_t batch, char *why);

#ifdef __cplusplus
}
#endif
#endif
