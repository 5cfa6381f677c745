/* advanced/sweep.h - inside an objective's sweep: updates in place, for steps of some hundred nanoseconds and less.
 * What stands here may change from one minor version to the next.
 *
 * The calls of params.h's fused forms, on this worker's parameters, with the rule (sgd without momentum, or adagrad)
 * and the learning rate of example i of the run. Rows begin at multiples of 16 floats. hw_sweep_landed after the last
 * write of an example, or of a few; linear and pairs count themselves. */
#ifndef HOGWILD_ADVANCED_SWEEP_H
#define HOGWILD_ADVANCED_SWEEP_H

#include "../objective.h"
#include "params.h"

#ifdef __cplusplus
extern "C" {
#endif

HW_API float hw_sweep_rate(hw_worker *w, uint32_t i);
HW_API int hw_sweep_adagrad(const hw_worker *w); /* the rule: adagrad, else sgd */
HW_API float hw_sweep_dot_at(hw_worker *w, const uint32_t *indices, const float *values, size_t n);
/* The gradient slope * values + decay[index] * parameter, through the rule. Indices ascend. */
HW_API void hw_sweep_axpy_at(hw_worker *w, uint32_t i, const uint32_t *indices, const float *values, size_t n,
                             float slope, const float *decay);
HW_API void hw_sweep_prefetch_at(hw_worker *w, const uint32_t *indices, size_t n);
/* Steps of a linear model on run->index[i .. i + n - 1], by sgd; lands them. */
HW_API double hw_sweep_linear(hw_worker *w, uint32_t i, const hw_linear_rows *form, const uint32_t *rows, size_t n);
HW_API double hw_sweep_pairs(hw_worker *w, uint32_t i, const hw_pairs *form, const hw_rating *list,
                             const uint32_t *index, size_t n);
HW_API void hw_sweep_rows_dot(hw_worker *w, const uint32_t *first, size_t rows, size_t n, const float *x, float *out);
HW_API void hw_sweep_rows_add(hw_worker *w, const uint32_t *first, size_t rows, size_t n, const float *coefficient,
                              const float *x, float *sum);
HW_API void hw_sweep_window_dot(hw_worker *w, const uint32_t *inputs, size_t k, const uint32_t *targets, size_t t,
                                size_t n, float *score);
HW_API void hw_sweep_window_add(hw_worker *w, const uint32_t *inputs, size_t k, const uint32_t *targets, size_t t,
                                size_t n, const float *coefficient);
HW_API void hw_sweep_row_read(hw_worker *w, size_t first, size_t n, float *values);
HW_API void hw_sweep_row_add(hw_worker *w, size_t first, size_t n, const float *delta);
HW_API void hw_sweep_prefetch_row(hw_worker *w, size_t first, size_t n);
HW_API void hw_sweep_landed(hw_worker *w, uint32_t examples);

#ifdef __cplusplus
}
#endif
#endif
