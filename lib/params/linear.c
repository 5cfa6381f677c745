/* linear.c - runs of steps of a linear model on sparse rows: the public call, and the reference, row by row.
 * linear_wide.c has the vectors' processors. */
#include "../base/loss.h"
#include "fused.h"
#include "hogwild/tables.h"

static double row_by_row(hw_params *p, unsigned worker, const hw_linear_rows *form, const uint32_t *rows,
                         const float *rate, size_t n, float *bias)
{
    const hw_sparse *d = form->data;
    hw__loss_sum sum = {0, 1};
    for (size_t i = 0; i < n; i++) {
        uint64_t from = d->offset[rows[i]];
        size_t entries = (size_t)(d->offset[rows[i] + 1] - from);
        const uint32_t *index = d->index + from;
        const float *value = d->value + from;
        float z = hw_params_dot_at(p, worker, index, value, entries), y = d->label[rows[i]], loss, factor;
        float weight = form->class_weight ? form->class_weight[y > 0] : 1;
        float slope = weight * hw__loss_slope(form->loss, bias ? z + *bias : z, y, &loss, &factor);
        hw__loss_add(&sum, weight, loss, factor);
        hw_fused_rule rule = {rate[i], 0, form->decay, 0};
        if (slope != 0 || form->decay) hw_params_axpy_at(p, worker, &rule, index, value, entries, slope);
        if (bias) *bias -= rate[i] * slope;
    }
    return hw__loss_total(&sum);
}

double hw_params_linear(hw_params *p, unsigned worker, const hw_linear_rows *form, const uint32_t *rows,
                        const float *rate, size_t n, float *bias)
{
    enum { PART = 8 }; /* rows that enter the clock at once */
    bool wide = p->fused->linear && (!p->replica || p->exchanged >= p->config.size);
    hw__params_float *w = hw__params_place(p, worker, 0, 0, p->replica ? p->exchanged : 0);
    double loss = 0;
    for (size_t i = 0, part; i < n; i += part) {
        part = p->replica || n - i < PART ? n - i : PART;
        loss += wide ? p->fused->linear(w, form, rows + i, rate + i, part, bias)
                     : row_by_row(p, worker, form, rows + i, rate + i, part, bias);
        if (!p->replica) hw_params_landed(p, worker, part);
    }
    return loss;
}
