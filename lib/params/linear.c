/* linear.c - runs of steps of a linear model on sparse rows: the public call, and the reference, row by row.
 * linear_wide.c has the vectors' processors.
 *
 * Where a worker has all parameters to itself, l2 is a factor that they all have in common: w = scale * v. A step's
 * decay is one multiplication, and what it adds to w goes into v divided by the scale; an exchange multiplies it out,
 * in the pass that it makes anyway. Elsewhere a step decays what it touches, as much more as it is touched less often.
 */
#include "../base/loss.h"
#include "door.h"
#include "fused.h"
#include "hogwild/tables.h"
#include "marks.h"

/* A step on w, or on what the public calls find where w is NULL. */
static float step(hw_params *p, unsigned worker, hw__params_float *w, const hw_linear_rows *form, uint32_t row,
                  float rate, float bias, double *scale, hw__loss_sum *sum)
{
    const hw_sparse *d = form->data;
    uint64_t from = d->offset[row];
    size_t n = (size_t)(d->offset[row + 1] - from);
    const uint32_t *index = d->index + from;
    const float *value = d->value + from;
    float y = d->label[row], weight = form->class_weight ? form->class_weight[y > 0] : 1, loss, factor;
    float z = w ? p->fused->dot_at(w, index, value, n) : hw_params_dot_at(p, worker, index, value, n);
    float slope = weight * hw__loss_slope(form->loss, bias + (scale ? (float)*scale * z : z), y, &loss, &factor);
    hw__loss_add(sum, weight, loss, factor);
    if (scale) {
        *scale *= hw__params_kept_of_all(rate, form->l2);
        p->fused->axpy_at(w, index, value, n, (float)(-(double)rate / *scale) * slope);
    } else if (slope != 0 || form->decay) {
        hw_fused_rule rule = {rate, 0, form->decay, 0};
        hw_params_axpy_at(p, worker, &rule, index, value, n, slope);
    }
    return slope;
}

static void ask_for(const hw_params *p, unsigned worker, const hw_sparse *d, uint32_t row)
{
    hw_params_prefetch_at(p, worker, d->index + d->offset[row], (size_t)(d->offset[row + 1] - d->offset[row]));
}

static double row_by_row(hw_params *p, unsigned worker, hw__params_float *w, const hw_linear_rows *form,
                         const uint32_t *rows, const float *rate, size_t n, float *bias, double *scale)
{
    hw__loss_sum sum = {0, 1};
    for (size_t i = 0; i < n; i++) {
        if (form->prefetch && i + form->prefetch < n) ask_for(p, worker, form->data, rows[i + form->prefetch]);
        float slope = step(p, worker, w, form, rows[i], rate[i], bias ? *bias : 0, scale, &sum);
        if (bias) *bias -= rate[i] * slope;
    }
    return hw__loss_total(&sum);
}

bool hw__params_scales(const hw_params *p)
{
    return p->replica && p->exchanged >= p->config.size && p->config.arrays == 0;
}

/* The scale of a worker's parameters where a decay can go there; NULL: others write to them. */
static double *scale_of(const hw_params *p, unsigned worker, const hw_linear_rows *form)
{
    return form->l2 > 0 && hw__params_scales(p) ? &p->replica[worker].scale : NULL;
}

/* How many of the rows, one at least, bring the scale no farther down than a float can hold; it begins near 1. */
static size_t rows_at_once(const hw_params *p, unsigned worker, const hw_linear_rows *form, const float *rate, size_t n)
{
    double left = 1;
    size_t rows = 0;
    if (p->replica[worker].scale < PARAMS_SCALE) hw__params_fold(p, worker);
    for (; rows < n && (rows == 0 || left > PARAMS_SCALE); rows++) left *= hw__params_kept_of_all(rate[rows], form->l2);
    return rows;
}

/* The intercept, scaled like the others. */
static float read_intercept(const hw_params *p, const hw__params_float *at, const double *scale)
{
    float v;
    p->reads->copy(&v, at, 1);
    return scale ? (float)*scale * v : v;
}

static void mark_rows(const hw_params *p, unsigned worker, const hw_sparse *d, const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t from = d->offset[rows[i]];
        hw__marks_at(p->marks, worker, d->index + from, (size_t)(d->offset[rows[i] + 1] - from));
    }
}

double hw_params_linear(hw_params *p, unsigned worker, const hw_linear_rows *form, const uint32_t *rows,
                        const float *rate, size_t n)
{
    enum { PART = 8 }; /* rows that enter the clock at once */
    size_t columns = form->data->columns;
    bool whole = !p->replica || p->exchanged >= p->config.size, wide = p->fused->linear && whole;
    double *scale = scale_of(p, worker, form);
    float bias = 0, before = 0;
    if (!scale) hw__params_settle(p, worker);
    hw__params_float *w = whole ? hw__params_place(p, worker, 0, 0, p->config.size) : NULL;
    hw__params_float *intercept = hw__params_place(p, worker, 0, columns, 1);
    if (form->intercept) bias = before = read_intercept(p, intercept, scale);
    double loss = 0;
    for (size_t i = 0, part; i < n; i += part) {
        float *own = form->intercept ? &bias : NULL;
        part = p->replica || n - i < PART ? n - i : PART;
        if (scale) part = rows_at_once(p, worker, form, rate + i, part);
        loss += wide ? p->fused->linear(w, form, rows + i, rate + i, part, own, scale)
                     : row_by_row(p, worker, w, form, rows + i, rate + i, part, own, scale);
        if (wide && hw__params_marks(p)) mark_rows(p, worker, form->data, rows + i, part);
        if (!p->replica) hw_params_landed(p, worker, part);
    }
    if (!form->intercept) return loss;
    /* What stands there has been decayed with the others; it is this worker's alone. */
    float delta = scale ? (bias - read_intercept(p, intercept, scale)) / (float)*scale : bias - before, one = 1;
    p->fused->rows_add(&intercept, 1, 1, &one, &delta, NULL);
    if (hw__params_marks(p)) hw__marks_floats(p->marks, worker, columns, 1);
    return loss;
}
