/* wide.h (internal) - AVX2 kernels for stride-1 convolutions whose output rows are whole vectors.
 * columns.c is the reference they are tested against. */
#ifndef HOGWILD_LIB_NET_WIDE_H
#define HOGWILD_LIB_NET_WIDE_H

#include "net.h"

#define WIDE_FILTERS 5 /* filters (or kernel columns) a register tile */

/* A direct convolution: in is c x h x w, already padded; out is f x oh x ow, ow a multiple of 8. */
typedef struct wide_shape {
    size_t c, h, w, f, oh, ow, k;
} wide_shape;

/* weights f x c x k x k -> tiles of WIDE_FILTERS filters, for forward; -> c x k x f x k(5), for the input's gradient */
void wide_pack_forward(const wide_shape *s, const float *weights, float *packed);
void wide_pack_backward(const wide_shape *s, const float *weights, float *packed);
size_t wide_forward_floats(const wide_shape *s);
size_t wide_backward_floats(const wide_shape *s);
void wide_forward(const wide_shape *s, const float *in, const float *packed, const float *bias, float *out);
/* sum (c k k) x (f rounded up to 8) += gradient of the weights, transposed; work: pixels x the same */
size_t wide_filters_padded(const wide_shape *s);
void wide_weights(const wide_shape *s, const float *in, const float *dout, float *work, float *sum);
void wide_weights_finish(const wide_shape *s, const float *sum, float *g);
/* din (padded) = gradient of the input; work: wide_input_floats */
size_t wide_input_floats(const wide_shape *s);
void wide_input(const wide_shape *s, const float *dout, const float *packed, float *work, float *din);

bool wide_available(void);

#endif
