/* linear.c - linear models on dense rows: squared, logistic, hinge and softmax loss. A loss is a function. */
#include "../base/sized.h"
#include "../base/base.h"
#include "hogwild/model.h"
#include "logistic.h"
#include <math.h>

static double dot(const float *row, const float *w, size_t n)
{
    float lane[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) lane[k] += row[i + k] * w[i + k];
    double sum = 0;
    for (size_t k = 0; k < 8; k++) sum += (double)lane[k];
    for (; i < n; i++) sum += (double)(row[i] * w[i]);
    return sum + (double)w[n]; /* the intercept */
}

/* Adds slope * (row, 1). */
static void add(float *g, const float *row, size_t n, float slope)
{
    for (size_t i = 0; i < n; i++) g[i] += slope * row[i];
    g[n] += slope;
}

/* Loss and its slope over the score z. */
static double squared(double z, double y, double *slope)
{
    *slope = z - y;
    return 0.5 * (z - y) * (z - y);
}

static double logistic(double z, double y, double *slope)
{
    double m = y * z, e = exp(-fabs(m));
    *slope = -y * (m > 0 ? e / (1 + e) : 1 / (1 + e));
    return (m > 0 ? 0 : -m) + log1p(e);
}

static double hinge(double z, double y, double *slope)
{
    *slope = y * z < 1 ? -y : 0;
    return y * z < 1 ? 1 - y * z : 0;
}

static double one(const hw_linear *m, const float *row, double y, const float *w, float *g, float share,
                  double *correct)
{
    double slope, z = dot(row, w, m->features);
    double loss = m->loss == HW_LOSS_SQUARED    ? squared(z, y, &slope)
                  : m->loss == HW_LOSS_LOGISTIC ? logistic(z, y, &slope)
                                                : hinge(z, y, &slope);
    if (g) add(g, row, m->features, share * (float)slope);
    *correct += hw__logistic_decides(z, y);
    return loss;
}

static double many(const hw_linear *m, const float *row, unsigned y, const float *w, float *g, float share,
                   double *correct)
{
    size_t stride = m->features + 1;
    double z[256], most = -INFINITY, sum = 0;
    unsigned best = 0;
    for (unsigned c = 0; c < m->classes; c++) {
        z[c] = dot(row, w + c * stride, m->features);
        if (z[c] > most) {
            most = z[c];
            best = c;
        }
    }
    for (unsigned c = 0; c < m->classes; c++) sum += exp(z[c] - most);
    for (unsigned c = 0; g && c < m->classes; c++)
        add(g + c * stride, row, m->features, share * ((float)(exp(z[c] - most) / sum) - (float)(c == y)));
    *correct += best == y;
    return log(sum) - (z[y] - most);
}

static double example(const hw_linear *m, const float *row, float y, const float *w, float *g, float share,
                      double *correct)
{
    return m->loss == HW_LOSS_SOFTMAX ? many(m, row, (unsigned)y, w, g, share, correct)
                                      : one(m, row, (double)y, w, g, share, correct);
}

static double penalty(const hw_linear *m, const float *w, float *g)
{
    size_t rows = m->loss == HW_LOSS_SOFTMAX ? m->classes : 1, stride = m->features + 1;
    double sum = 0;
    for (size_t r = 0; m->l2 > 0 && r < rows; r++)
        for (size_t i = 0; i < m->features; i++) {
            float x = w[r * stride + i];
            sum += (double)x * (double)x;
            if (g) g[r * stride + i] += (float)m->l2 * x;
        }
    return 0.5 * m->l2 * sum;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_linear *m = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w), share = 1 / (float)batch->count;
    size_t n = (m->loss == HW_LOSS_SOFTMAX ? m->classes : 1) * (m->features + 1);
    double loss = 0, correct = 0;
    for (size_t i = 0; i < n; i++) g[i] = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t at = batch->index[i];
        loss += example(m, m->x + at * m->features, m->target[at], x, g, share, &correct);
    }
    return hw_write(w, loss / batch->count + penalty(m, x, g));
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_linear *m = self;
    const float *rows = m->test_count ? m->test_x : m->x, *targets = m->test_count ? m->test_target : m->target;
    (void)scratch;
    for (uint32_t i = first; i < first + count; i++)
        sums[0] += example(m, rows + (size_t)i * m->features, targets[i], x, NULL, 0, &sums[1]);
    sums[0] += count * penalty(m, x, NULL);
    return HW_OK;
}

hw_status hw_linear_objective(hw_linear *m, hw_objective *o, char *why)
{
    if (!m || !o || m->features < 1 || m->count < 1 || !m->x || !m->target || !(m->l2 >= 0) ||
        m->loss > HW_LOSS_SOFTMAX)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_linear_objective: features, count, x and target are needed, and an l2 that is "
                             "not negative");
    bool classes = m->loss == HW_LOSS_SOFTMAX;
    if (classes && (m->classes < 2 || m->classes > 256))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_linear_objective: classes is %u: it must be in [2, 256]",
                             m->classes);
    if (m->test_count && (!m->test_x || !m->test_target))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_linear_objective: test_count is %u, but there are no test rows",
                             m->test_count);
    for (uint64_t k = 0; k < (uint64_t)m->count + m->test_count; k++) {
        bool test = k >= m->count;
        uint32_t i = (uint32_t)(test ? k - m->count : k);
        float y = test ? m->test_target[i] : m->target[i];
        bool good = classes                      ? y >= 0 && y < (float)m->classes && floorf(y) == y
                    : m->loss == HW_LOSS_SQUARED ? hw__base_finite(y)
                                                 : y == 1 || y == -1;
        if (!good)
            return hw__base_fail(why, HW_E_ARGUMENT, "hw_linear_objective: %starget %u is %g: this loss takes %s",
                                 test ? "test " : "", i, (double)y,
                                 classes                      ? "class numbers below classes"
                                 : m->loss == HW_LOSS_SQUARED ? "finite numbers"
                                                              : "-1 and +1");
    }
    (void)hw_objective_init(o, HW__OBJECTIVE_LEAST, "linear", (classes ? m->classes : 1) * (m->features + 1));
    o->self = m;
    o->examples = m->count;
    o->step = step;
    o->evaluate = evaluate;
    o->evaluation_examples = m->test_count ? m->test_count : m->count;
    o->metrics = m->loss == HW_LOSS_SQUARED ? 1 : 2;
    return HW_OK;
}
