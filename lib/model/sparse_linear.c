/* sparse_linear.c - linear models on sparse rows: squared, logistic, hinge, squared hinge and softmax loss, with lazy
 * L2. A step gathers the touched weights, a sweep works in place; both take their slopes from the same functions.
 * sparse_rule.c has L1. */
#include "../base/loss.h"
#include "../base/sized.h"
#include "sparse_linear.h"
#include "../base/sort.h"
#include "hogwild/advanced/sweep.h"
#include "logistic.h"
#include <math.h>
#include <string.h>

static float slope_and_loss(hw_sparse_loss kind, float z, float y, float *loss)
{
    float factor, slope = hw__loss_slope(kind, z, y, loss, &factor);
    *loss += logf(factor);
    return slope;
}

/* Scores become slopes (probability minus target). */
static float softmax(float *z, unsigned classes, unsigned y)
{
    float most = z[0], sum = 0, at = z[y];
    for (unsigned c = 1; c < classes; c++) most = z[c] > most ? z[c] : most;
    for (unsigned c = 0; c < classes; c++) sum += z[c] = expf(z[c] - most);
    for (unsigned c = 0; c < classes; c++) z[c] = z[c] / sum - (float)(c == y);
    return logf(sum) - (at - most);
}

static float weight_of(const hw_sparse_linear *m, float y)
{
    if (!m->class_weight) return 1;
    return m->class_weight[m->loss == HW_SPARSE_SOFTMAX ? (unsigned)y : y > 0];
}

#define NO_DECAY "no memory for the decay of each column"

/* --- a step: columns that several rows of the minibatch share stand once ------------------------------------------ */

static uint32_t collect(const hw_sparse_linear *m, const hw_batch *batch, uint32_t *column)
{
    const hw_sparse *s = m->train;
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t from = s->offset[batch->index[i]], length = s->offset[batch->index[i] + 1] - from;
        memcpy(column + n, s->index + from, length * sizeof *column);
        n += (uint32_t)length;
    }
    if (batch->count == 1) return n;
    hw__sort_ascending(column, n);
    uint32_t unique = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || column[i] != column[i - 1]) column[unique++] = column[i];
    return unique;
}

static void read_columns(const hw_sparse_linear *m, hw_worker *w, hw__linear_scratch *s, uint32_t n)
{
    unsigned classes = hw__linear_width(m);
    if (m->intercept) s->column[n++] = m->train->columns;
    s->n = n;
    if (classes == 1) {
        hw_read_at(w, s->column, n, s->value);
        return;
    }
    for (uint32_t i = 0; i < n; i++) s->range[i] = (hw_range){(size_t)s->column[i] * classes, classes};
    hw_read_ranges(w, s->range, n, s->value);
}

/* One row's scores, slopes and gradient. The gathered columns ascend like the row's; those of a minibatch of one are
 * the row's own. */
static float single_gradient(const hw_sparse_linear *m, hw__linear_scratch *s, uint32_t row)
{
    const hw_sparse *d = m->train;
    const float *x = d->value + d->offset[row], *v = s->value;
    size_t n = (size_t)(d->offset[row + 1] - d->offset[row]), i = 0;
    float sum[4] = {0, 0, 0, 0}, y = d->label[row], weight = weight_of(m, y), loss;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += x[i + k] * v[i + k];
    for (; i < n; i++) sum[0] += x[i] * v[i];
    float z = (sum[0] + sum[1]) + (sum[2] + sum[3]) + (m->intercept ? v[n] : 0);
    float slope = weight * slope_and_loss(m->loss, z, y, &loss);
    for (i = 0; i < n; i++) s->gradient[i] = slope * x[i];
    for (i = 0; s->decay && i < n; i++) s->gradient[i] += fminf(s->decay[s->column[i]], s->most_decay) * v[i];
    if (m->intercept) s->gradient[n] = slope;
    return loss * weight;
}

static float row_gradient(const hw_sparse_linear *m, hw__linear_scratch *s, uint32_t row, float share)
{
    const hw_sparse *d = m->train;
    unsigned classes = hw__linear_width(m);
    uint32_t last = s->n - 1, at = 0;
    float y = d->label[row], weight = weight_of(m, y) * share, loss, *z = s->score;
    for (unsigned c = 0; c < classes; c++) z[c] = m->intercept ? s->value[(size_t)last * classes + c] : 0;
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) {
        while (s->column[at] != d->index[k]) at++;
        for (unsigned c = 0; c < classes; c++) z[c] += d->value[k] * s->value[(size_t)at * classes + c];
    }
    if (m->loss == HW_SPARSE_SOFTMAX)
        loss = softmax(z, classes, (unsigned)y);
    else
        z[0] = slope_and_loss(m->loss, z[0], y, &loss);
    at = 0;
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) {
        while (s->column[at] != d->index[k]) at++;
        float decay = s->decay ? share * fminf(s->decay[d->index[k]], s->most_decay) : 0;
        for (unsigned c = 0; c < classes; c++) {
            size_t i = (size_t)at * classes + c;
            s->gradient[i] += weight * z[c] * d->value[k] + decay * s->value[i];
        }
    }
    for (unsigned c = 0; m->intercept && c < classes; c++) s->gradient[(size_t)last * classes + c] += weight * z[c];
    return loss * weight;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_sparse_linear *m = self;
    const hw__linear_plan *p = m->plan;
    hw__linear_scratch s = hw__linear_scratch_of(p, hw_scratch(w));
    float share = 1 / (float)batch->count, loss = 0;
    s.decay = hw__linear_decay(m);
    if (m->l2 > 0 && !s.decay) return hw_fail(w, HW_E_MEMORY, NO_DECAY);
    double rate = s.decay ? hw_learning_rate(w) : 0;
    s.most_decay = rate > 0 ? (float)(1 / rate) : INFINITY;
    read_columns(m, w, &s, collect(m, batch, s.column));
    if (batch->count == 1 && hw__linear_width(m) == 1) {
        loss = single_gradient(m, &s, batch->index[0]);
        return hw_write_at(w, s.column, s.n, s.gradient, (double)loss);
    }
    memset(s.gradient, 0, (size_t)s.n * hw__linear_width(m) * sizeof *s.gradient);
    for (uint32_t i = 0; i < batch->count; i++) loss += row_gradient(m, &s, batch->index[i], share);
    return hw__linear_width(m) == 1 ? hw_write_at(w, s.column, s.n, s.gradient, (double)loss)
                                    : hw_write_ranges(w, s.range, s.n, s.gradient, (double)loss);
}

/* --- a sweep: in place -----------------------------------------------------------------------------------------------
 */

/* AdaGrad's steps take their rates from sums that stand beside the weights, the intercept's too. */
static hw_status sweep_adagrad(const hw_sparse_linear *m, hw_worker *w, const hw_batch *run, double *total)
{
    const hw_sparse *d = m->train;
    const float one = 1, *decay = hw__linear_decay(m);
    const uint32_t *intercept = &d->columns;
    hw__loss_sum sum = {0, 1};
    if (m->l2 > 0 && !decay) return hw_fail(w, HW_E_MEMORY, NO_DECAY);
    for (uint32_t i = 0; i < run->count; i++) {
        uint32_t row = run->index[i];
        uint64_t from = d->offset[row];
        size_t n = (size_t)(d->offset[row + 1] - from);
        const uint32_t *index = d->index + from;
        const float *value = d->value + from;
        float z = hw_sweep_dot_at(w, index, value, n), y = d->label[row], loss, factor, weight = weight_of(m, y);
        if (m->intercept) z += hw_sweep_dot_at(w, intercept, &one, 1);
        float slope = weight * hw__loss_slope(m->loss, z, y, &loss, &factor);
        hw__loss_add(&sum, weight, loss, factor);
        if (slope != 0 || decay) hw_sweep_axpy_at(w, i, index, value, n, slope, decay);
        if (slope != 0 && m->intercept) hw_sweep_axpy_at(w, i, intercept, &one, 1, slope, NULL);
        hw_sweep_landed(w, 1);
    }
    *total = hw__loss_total(&sum);
    return HW_OK;
}

/* Every step writes the intercept, and its line would cross between the cores as often: some rows at a time have a copy
 * of their own. */
static hw_status sweep_sgd(const hw_sparse_linear *m, hw_worker *w, const hw_batch *run, double *loss)
{
    const hw_sparse *d = m->train;
    const hw__linear_plan *p = m->plan;
    const float *decay = atomic_load(&p->all) ? atomic_load(&p->decay) : hw__linear_decay(m);
    if (m->l2 > 0 && !decay && !atomic_load(&p->all)) return hw_fail(w, HW_E_MEMORY, NO_DECAY);
    hw_linear_rows form = {d, m->loss, m->intercept, (float)m->l2, decay, m->class_weight, m->prefetch};
    *loss = hw_sweep_linear(w, 0, &form, run->index, run->count);
    return HW_OK;
}

static hw_status sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    return hw_sweep_adagrad(w) ? sweep_adagrad(self, w, run, loss) : sweep_sgd(self, w, run, loss);
}

/* --- evaluation ------------------------------------------------------------------------------------------------------
 */

void hw_sparse_linear_scores(const hw_sparse_linear *m, const float *x, const hw_sparse *d, uint32_t row, double *score)
{
    unsigned classes = hw__linear_width(m);
    size_t columns = m->train->columns;
    for (unsigned c = 0; c < classes; c++) score[c] = m->intercept ? (double)x[columns * classes + c] : 0;
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) {
        if (d->index[k] >= columns) continue; /* no weight was trained for it */
        for (unsigned c = 0; c < classes; c++)
            score[c] += (double)d->value[k] * (double)x[(size_t)d->index[k] * classes + c];
    }
}

static double penalty(const hw_sparse_linear *m, const float *x)
{
    size_t n = (size_t)m->train->columns * hw__linear_width(m);
    double squares = 0, absolutes = 0;
    for (size_t i = 0; m->l2 > 0 && i < n; i++) squares += (double)x[i] * (double)x[i];
    for (size_t i = 0; m->l1 > 0 && i < n; i++) absolutes += fabs((double)x[i]);
    return 0.5 * m->l2 * squares + m->l1 * absolutes;
}

static double loss_of(const hw_sparse_linear *m, const double *score, float y, bool *right)
{
    if (m->loss == HW_SPARSE_SOFTMAX) {
        double most = score[0], sum = 0;
        unsigned best = 0;
        for (unsigned c = 1; c < m->classes; c++)
            if (score[c] > most) most = score[best = c];
        for (unsigned c = 0; c < m->classes; c++) sum += exp(score[c] - most);
        *right = best == (unsigned)y;
        return log(sum) + most - score[(unsigned)y];
    }
    double z = score[0], t = (double)y, margin = z * t;
    *right = hw__logistic_decides(z, t);
    switch (m->loss) {
    case HW_SPARSE_SQUARED: return 0.5 * (z - t) * (z - t);
    case HW_SPARSE_HINGE: return margin >= 1 ? 0 : 1 - margin;
    case HW_SPARSE_SQUARED_HINGE: return margin >= 1 ? 0 : (1 - margin) * (1 - margin);
    default: return (margin > 0 ? 0 : -margin) + log1p(exp(-fabs(margin)));
    }
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_sparse_linear *m = self;
    const hw_sparse *d = m->test ? m->test : m->train;
    double score[256];
    (void)scratch;
    for (uint32_t i = first; i < first + count; i++) {
        bool right;
        hw_sparse_linear_scores(m, x, d, i, score);
        sums[0] += loss_of(m, score, d->label[i], &right) * (double)weight_of(m, d->label[i]);
        sums[1] += right;
    }
    if (first == 0) sums[0] += penalty(m, x) * d->rows; /* once; it is divided by the rows like the rest */
    return HW_OK;
}

/* --- the objective ---------------------------------------------------------------------------------------------------
 */

hw_sparse_linear hw_sparse_linear_defaults(hw_sparse_loss loss, const hw_sparse *train)
{
    hw_sparse_linear m;
    memset(&m, 0, sizeof m);
    m.struct_size = sizeof m;
    m.loss = loss;
    m.train = train;
    m.batch = 1;
    return m;
}

static hw_status check_labels(const hw_sparse_linear *m, const hw_sparse *d, const char *what, char *why)
{
    for (uint32_t i = 0; i < d->rows; i++) {
        float y = d->label[i];
        bool softmax_label = y >= 0 && y < (float)m->classes && floorf(y) >= y;
        bool good = m->loss == HW_SPARSE_SOFTMAX   ? softmax_label
                    : m->loss == HW_SPARSE_SQUARED ? hw__base_finite(y)
                                                   : y == 1 || y == -1;
        if (good) continue;
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_sparse_linear_objective: label %u of the %s set is %g: this loss takes %s", i, what,
                             (double)y,
                             m->loss == HW_SPARSE_SOFTMAX ? "class numbers below classes (hw_sparse_classes makes them)"
                             : m->loss == HW_SPARSE_SQUARED ? "finite numbers"
                                                            : "-1 and +1 (hw_sparse_signs makes them)");
    }
    return HW_OK;
}

static hw_status check(const hw_sparse_linear *m, char *why)
{
    if (!m || m->struct_size != sizeof *m)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_sparse_linear_objective: the model is NULL or of another version: start from "
                             "hw_sparse_linear_defaults()");
    if (!m->train || m->train->rows < 1 || m->train->columns < 1)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_linear_objective: the training set is empty");
    bool penalties = m->l2 >= 0 && m->l1 >= 0 && hw__base_finite_double(m->l2) && hw__base_finite_double(m->l1);
    if (m->loss > HW_SPARSE_SOFTMAX || !penalties || m->batch < 1)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_sparse_linear_objective: loss must be one of its enum, l2 and l1 at least 0 and finite, "
            "batch at least 1");
    if (m->loss == HW_SPARSE_SOFTMAX && (m->classes < 2 || m->classes > 256))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_linear_objective: classes is %u: it must be in [2, 256]",
                             m->classes);
    if (m->loss == HW_SPARSE_SQUARED && m->class_weight)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_sparse_linear_objective: class_weight: the squared loss has no classes to weigh");
    unsigned weights = m->loss == HW_SPARSE_SOFTMAX ? m->classes : 2;
    for (unsigned c = 0; m->class_weight && c < weights; c++)
        if (!hw__base_finite(m->class_weight[c]) || m->class_weight[c] <= 0)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "hw_sparse_linear_objective: class_weight[%u] is %g: it must be positive", c,
                                 (double)m->class_weight[c]);
    if (((uint64_t)m->train->columns + 1) * hw__linear_width(m) > UINT32_MAX)
        return hw__base_fail(why, HW_E_LIMIT,
                             "hw_sparse_linear_objective: %u columns of %u classes are more than 2^32 - 1 parameters",
                             m->train->columns, hw__linear_width(m));
    hw_status status = check_labels(m, m->train, "training", why);
    return status == HW_OK && m->test ? check_labels(m, m->test, "test", why) : status;
}

static uint64_t longest_row(const hw_sparse *d)
{
    uint64_t longest = 0;
    for (uint32_t i = 0; i < d->rows; i++)
        if (d->offset[i + 1] - d->offset[i] > longest) longest = d->offset[i + 1] - d->offset[i];
    return longest;
}

hw_status hw_sparse_linear_objective_init(hw_sparse_linear *m, hw_objective *objective, size_t size, char *why)
{
    hw_status status =
        objective ? check(m, why) : hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_linear_objective: objective is NULL");
    if (status != HW_OK) return status;
    const hw_sparse *d = m->train;
    uint64_t room = longest_row(d) * m->batch;
    if (room >= UINT32_MAX)
        return hw__base_fail(why, HW_E_LIMIT,
                             "hw_sparse_linear_objective: batch is %u: with the longest row a minibatch may have %llu "
                             "entries, at most 2^32 - 2 are possible",
                             m->batch, (unsigned long long)room);
    hw_sparse_linear_free(m);
    hw__linear_plan *p = hw__base_zalloc(1, sizeof *p);
    if (p && pthread_mutex_init(&p->mutex, NULL) != 0) {
        hw__base_free(p);
        return hw__base_fail(why, HW_E_THREAD, "hw_sparse_linear_objective: a lock is not to be had");
    }
    m->plan = p;
    if (!p || !hw__linear_plan_hot(m, p)) {
        hw_sparse_linear_free(m);
        return hw__base_fail(why, HW_E_MEMORY, "hw_sparse_linear_objective: no memory for %u columns",
                             m->train->columns);
    }
    uint64_t touched = (room < d->columns ? room : d->columns) + (uint64_t)(m->intercept != 0);
    p->room = (size_t)room + 1;
    p->width = hw__linear_width(m);
    hw_objective all = hw_objective_defaults("sparse linear",
                                             ((size_t)d->columns + (m->intercept ? 1 : 0)) * hw__linear_width(m)),
                 *o = &all;
    o->self = m;
    o->examples = d->rows;
    o->batch_limit = m->batch;
    o->touched = (size_t)touched * hw__linear_width(m);
    o->hot = p->hot * p->width;
    o->scratch_bytes = hw__linear_scratch_bytes(p);
    o->step = step;
    o->sweep = m->loss != HW_SPARSE_SOFTMAX && m->l1 == 0 ? sweep : NULL;
    o->evaluate = evaluate;
    o->evaluation_examples = m->test ? m->test->rows : d->rows;
    o->evaluation_chunk = 2000;
    o->metrics = m->loss == HW_SPARSE_SQUARED ? 1 : 2;
    bool shrinks = m->l2 > 0 && o->sweep && !p->wide;
    o->shrinks = shrinks ? hw__linear_shrinks : NULL;
    o->principal = p->wide || m->loss == HW_SPARSE_SOFTMAX || m->l1 > 0 ? NULL : hw__linear_principal;
    status = hw__sized_fill(objective, size, &all, sizeof all, HW__OBJECTIVE_LEAST);
    /* Who has a shorter objective is not asked for them later. */
    bool later = m->l2 <= 0 || (shrinks && size >= sizeof all);
    if (status == HW_OK && (later || hw__linear_decay(m))) return HW_OK;
    hw_sparse_linear_free(m);
    if (status == HW_OK)
        return hw__base_fail(why, HW_E_MEMORY, "hw_sparse_linear_objective: no memory for %u columns", d->columns);
    return hw__base_fail(why, status, "hw_sparse_linear_objective: %zu bytes are no objective", size);
}

#if defined(__ELF__)
/* What programs that were compiled against 0.1 call: their objective is shorter. */
HW_API hw_status hw__sparse_linear_objective_0_1(hw_sparse_linear *m, hw_objective *o,
                                                 char *why) __asm__("hw_sparse_linear_objective");
hw_status hw__sparse_linear_objective_0_1(hw_sparse_linear *m, hw_objective *o, char *why)
{
    return hw_sparse_linear_objective_init(m, o, HW__OBJECTIVE_LEAST, why);
}
#endif

void hw_sparse_linear_free(hw_sparse_linear *m)
{
    hw__linear_plan *p = m ? m->plan : NULL;
    if (!p) return;
    hw__base_free(atomic_load(&p->decay));
    (void)pthread_mutex_destroy(&p->mutex);
    hw__base_free(p);
    m->plan = NULL;
}
