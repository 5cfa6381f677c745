/* linear_wide.c - runs of steps of a linear model on sparse rows on x86-64: linear.c's steps without the calls between
 * them. On rows of a dozen entries those take longer than the steps, each of which waits for the one before. */
#include "../base/loss.h"
#include "coordinates_wide.h"
#include "fused.h"
#include "hogwild/tables.h"

#if PARAMS_WIDE

/* The lines of a row itself, as many as most rows have. */
ALWAYS void prefetch_row(const hw_sparse *d, uint32_t row)
{
    enum { LINES = 10, A_LINE = HW_LINE / sizeof(float) };
    uint64_t from = d->offset[row], end = d->offset[row + 1];
    if (end > from + LINES * A_LINE) end = from + LINES * A_LINE;
    for (; from < end; from += A_LINE) {
        __builtin_prefetch(d->index + from);
        __builtin_prefetch(d->value + from);
    }
}

ALWAYS void prefetch_weights(hw__params_float *w, const hw_sparse *d, uint32_t row)
{
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++)
        __builtin_prefetch((const char *)(w + d->index[k]), 1);
}

/* Loss, and whether there is a scale, are constants where this is called. */
ALWAYS double run_of(hw_sparse_loss kind, bool scaled, hw__params_float *w, const hw_linear_rows *form,
                     const uint32_t *rows, const float *rate, size_t n, float *bias, double *scale)
{
    const hw_sparse *d = form->data;
    const float *decay = scaled ? NULL : form->decay;
    hw__loss_sum sum = {0, 1};
    float own = bias ? *bias : 0;
    double s = scaled ? *scale : 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = rows[i];
        uint64_t from = d->offset[row];
        size_t entries = (size_t)(d->offset[row + 1] - from);
        const uint32_t *index = d->index + from;
        const float *value = d->value + from;
        if (i + 2 < n) prefetch_row(d, rows[i + 2]);
        if (form->prefetch && i + form->prefetch < n) prefetch_weights(w, d, rows[i + form->prefetch]);
        double next = scaled ? s * hw__params_kept_of_all(rate[i], form->l2) : 1;
        float step = scaled ? (float)(-(double)rate[i] / next) : -rate[i];
        float dot = hw__params_dot_coordinates(w, index, value, entries), z = scaled ? own + (float)s * dot : own + dot;
        float y = d->label[row], weight = form->class_weight ? form->class_weight[y > 0] : 1, loss, factor;
        float slope = weight * hw__loss_slope(kind, z, y, &loss, &factor);
        hw__loss_add(&sum, weight, loss, factor);
        s = next;
        if (decay)
            hw__params_decay_coordinates(w, index, value, entries, slope, rate[i], decay);
        else if (slope != 0)
            hw__params_axpy_coordinates(w, index, value, entries, step * slope);
        if (bias) own -= rate[i] * slope;
    }
    if (bias) *bias = own;
    if (scaled) *scale = s;
    return hw__loss_total(&sum);
}

#define RUN(kind)                                                    \
    (scale ? run_of(kind, true, w, form, rows, rate, n, bias, scale) \
           : run_of(kind, false, w, form, rows, rate, n, bias, NULL))

AVX2 double hw__params_linear_wide(hw__params_float *w, const hw_linear_rows *form, const uint32_t *rows,
                                   const float *rate, size_t n, float *bias, double *scale)
{
    switch (form->loss) {
    case HW_SPARSE_SQUARED: return RUN(HW_SPARSE_SQUARED);
    case HW_SPARSE_HINGE: return RUN(HW_SPARSE_HINGE);
    case HW_SPARSE_SQUARED_HINGE: return RUN(HW_SPARSE_SQUARED_HINGE);
    default: return RUN(HW_SPARSE_LOGISTIC);
    }
}

#endif
