/* fused.c - fused steps in conforming C11: relaxed loads with relaxed stores, or with compare-and-swap; and the public
 * calls, which find the worker's replica or the shared array. fused_wide.c has the vectors.
 */
#include "access.h"
#include "fused.h"
#include "marks.h"
#include <math.h>

static float dot_at(const hw__params_float *w, const uint32_t *indices, const float *values, size_t n)
{
    float sum[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < n; i++) sum[i % 4] += values[i] * hw__params_get(w + indices[i]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline void axpy(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float step,
                        bool lossless)
{
    for (size_t i = 0; i < n; i++) hw__params_add(w + indices[i], step * values[i], lossless);
}

static inline void decay(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float slope,
                         float rate, const float *lambda, bool lossless)
{
    for (size_t i = 0; i < n; i++) {
        hw__params_float *x = w + indices[i];
        float share = rate * lambda[indices[i]];
        hw__params_add(x, -rate * slope * values[i] - (share < 1 ? share : 1) * hw__params_get(x), lossless);
    }
}

static inline void adagrad(hw__params_float *w, hw__params_float *s, const uint32_t *indices, const float *values,
                           size_t n, float slope, const hw_fused_rule *rule, bool lossless)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = indices[i];
        float g =
            slope * values[i] + (rule->decay ? fminf(rule->decay[at], 1 / rule->rate) * hw__params_get(w + at) : 0);
        float square = hw__params_add(s + at, g * g, lossless);
        hw__params_add(w + at, -rule->rate * g / (sqrtf(square) + rule->epsilon), lossless);
    }
}

static inline float pair(const hw__params_pair *rows, const hw_pairs *form, float value, float rate, bool lossless)
{
    float sum[8] = {0}, score = form->mean, gp = 0, gq = 0, rp = rate, rq = rate, rank = (float)form->rank;
    for (size_t d = 0; d < form->rank; d++) sum[d % 8] += hw__params_get(rows->p + d) * hw__params_get(rows->q + d);
    for (int k = 0; k < 4; k++) sum[k] += sum[k + 4];
    score += (sum[0] + sum[2]) + (sum[1] + sum[3]);
    float bp = hw__params_get(rows->hp), bq = hw__params_get(rows->hq);
    if (form->biases) score += bp + bq;
    float e = value - score, l2 = form->l2;
    if (form->adagrad) {
        rp = rate / sqrtf(hw__params_get(rows->hp + 1));
        rq = rate / sqrtf(hw__params_get(rows->hq + 1));
    }
    for (size_t d = 0; d < form->rank; d++) {
        float p = hw__params_get(rows->p + d), q = hw__params_get(rows->q + d), dp = l2 * p - e * q,
              dq = l2 * q - e * p;
        gp += dp * dp;
        gq += dq * dq;
        hw__params_add(rows->p + d, -rp * dp, lossless);
        hw__params_add(rows->q + d, -rq * dq, lossless);
    }
    if (form->biases) {
        hw__params_add(rows->hp, -rp * (l2 * bp - e), lossless);
        hw__params_add(rows->hq, -rq * (l2 * bq - e), lossless);
    }
    if (form->adagrad) {
        hw__params_add(rows->hp + 1, gp / rank, lossless);
        hw__params_add(rows->hq + 1, gq / rank, lossless);
    }
    return e;
}

static void rows_dot(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out)
{
    for (size_t r = 0; r < k; r++) {
        float sum[8] = {0};
        for (size_t i = 0; i < n; i++) sum[i % 8] += hw__params_get(w[r] + i) * x[i];
        for (int l = 0; l < 4; l++) sum[l] += sum[l + 4];
        out[r] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
    }
}

static inline void rows_add(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
                            float *sum, bool lossless)
{
    for (size_t r = 0; r < k; r++)
        for (size_t i = 0; i < n; i++) {
            if (sum) sum[i] += coefficient[r] * hw__params_get(w[r] + i);
            hw__params_add(w[r] + i, coefficient[r] * x[i], lossless);
        }
}

static void window_dot(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       float *score)
{
    for (size_t i = 0; i < k; i++)
        for (size_t r = 0; r < t; r++) {
            float sum[8] = {0};
            for (size_t v = 0; v < n; v++) sum[v % 8] += hw__params_get(in[i] + v) * hw__params_get(out[r] + v);
            for (int l = 0; l < 4; l++) sum[l] += sum[l + 4];
            *score++ = (sum[0] + sum[2]) + (sum[1] + sum[3]);
        }
}

static inline void window_add(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                              const float *coefficient, bool lossless)
{
    for (size_t v = 0; v < n; v++) {
        float before[PARAMS_ROWS], delta[PARAMS_ROWS] = {0};
        for (size_t r = 0; r < t; r++) before[r] = hw__params_get(out[r] + v);
        for (size_t i = 0; i < k; i++) {
            float x = hw__params_get(in[i] + v), sum = 0;
            for (size_t r = 0; r < t; r++) {
                sum += coefficient[i * t + r] * before[r];
                delta[r] += coefficient[i * t + r] * x;
            }
            hw__params_add(in[i] + v, sum, lossless);
        }
        for (size_t r = 0; r < t; r++) hw__params_add(out[r] + v, delta[r], lossless);
    }
}

/* The two sets differ in one constant, which the compiler folds. */
#define SET(name, lossless)                                                                                           \
    static void name##_axpy(hw__params_float *w, const uint32_t *i, const float *v, size_t n, float step)             \
    {                                                                                                                 \
        axpy(w, i, v, n, step, lossless);                                                                             \
    }                                                                                                                 \
    static void name##_decay(hw__params_float *w, const uint32_t *i, const float *v, size_t n, float slope,           \
                             float rate, const float *lambda)                                                         \
    {                                                                                                                 \
        decay(w, i, v, n, slope, rate, lambda, lossless);                                                             \
    }                                                                                                                 \
    static void name##_adagrad(hw__params_float *w, hw__params_float *s, const uint32_t *i, const float *v, size_t n, \
                               float slope, const hw_fused_rule *rule)                                                \
    {                                                                                                                 \
        adagrad(w, s, i, v, n, slope, rule, lossless);                                                                \
    }                                                                                                                 \
    static float name##_pair(const hw__params_pair *rows, const hw_pairs *form, float value, float rate)              \
    {                                                                                                                 \
        return pair(rows, form, value, rate, lossless);                                                               \
    }                                                                                                                 \
    static void name##_rows_add(hw__params_float *const *w, size_t k, size_t n, const float *c, const float *x,       \
                                float *sum)                                                                           \
    {                                                                                                                 \
        rows_add(w, k, n, c, x, sum, lossless);                                                                       \
    }                                                                                                                 \
    static void name##_window_add(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t,      \
                                  size_t n, const float *c)                                                           \
    {                                                                                                                 \
        window_add(in, k, out, t, n, c, lossless);                                                                    \
    }                                                                                                                 \
    const hw__params_fused hw__params_fused_##name = {                                                                \
        dot_at, name##_axpy, name##_decay,    name##_adagrad, name##_pair,      NULL,                                 \
        NULL,   rows_dot,    name##_rows_add, window_dot,     name##_window_add};
SET(racy, false)
SET(cas, true)

/* --- the public calls --------------------------------------------------------------------------------------------- */

int hw_params_fused(const hw_params *p)
{
    return p->fused != NULL;
}

/* How many of ascending indices lie in the replica: only where hot and cold ones are mixed is there anything to look
 * for. */
static size_t replicated(const hw_params *p, const uint32_t *indices, size_t n)
{
    if (!p->replica || n == 0 || indices[0] >= p->exchanged) return 0;
    if (indices[n - 1] < p->exchanged) return n;
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (indices[middle] < p->exchanged)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

float hw_params_dot_at(const hw_params *p, unsigned worker, const uint32_t *indices, const float *values, size_t n)
{
    hw__params_settle(p, worker);
    size_t hot = replicated(p, indices, n);
    float sum = 0;
    if (hot) sum = p->fused->dot_at(p->replica[worker].at.at[0], indices, values, hot);
    return hot == n ? sum : sum + p->fused->dot_at(p->shared.at[0], indices + hot, values + hot, n - hot);
}

static void axpy_part(const hw__params_fused *k, const hw__params_arrays *a, const hw_fused_rule *rule,
                      const uint32_t *indices, const float *values, size_t n, float slope)
{
    if (rule->adagrad)
        k->adagrad_at(a->at[0], a->at[1], indices, values, n, slope, rule);
    else if (rule->decay)
        k->decay_at(a->at[0], indices, values, n, slope, rule->rate, rule->decay);
    else
        k->axpy_at(a->at[0], indices, values, n, -rule->rate * slope);
}

void hw_params_axpy_at(hw_params *p, unsigned worker, const hw_fused_rule *rule, const uint32_t *indices,
                       const float *values, size_t n, float slope)
{
    hw__params_settle(p, worker);
    size_t hot = replicated(p, indices, n);
    if (hot) axpy_part(p->fused, &p->replica[worker].at, rule, indices, values, hot, slope);
    if (hot < n) axpy_part(p->fused, &p->shared, rule, indices + hot, values + hot, n - hot, slope);
    if (p->marks && hot < n) hw__marks_at(p->marks, worker, indices + hot, n - hot);
}

void hw_params_prefetch_at(const hw_params *p, unsigned worker, const uint32_t *indices, size_t n)
{
    for (size_t i = 0; i < n; i++) __builtin_prefetch((const char *)hw__params_place(p, worker, 0, indices[i], 1), 1);
    for (size_t i = 0; p->config.arrays && i < n; i++)
        __builtin_prefetch((const char *)hw__params_place(p, worker, 1, indices[i], 1), 1);
}

void hw_params_prefetch_row(const hw_params *p, unsigned worker, size_t first, size_t n)
{
    const char *at = (const char *)hw__params_place(p, worker, 0, first, n);
    for (size_t line = 0; line < n * sizeof(float); line += HW_LINE) __builtin_prefetch(at + line, 1);
}

static float pairs_scalar(const hw_params *p, unsigned worker, const hw_pairs *f, const hw_rating *list,
                          const uint32_t *index, size_t n, float rate)
{
    float sum = 0;
    size_t apart = hw_pairs_apart(f);
    for (size_t i = 0; i < n; i++) {
        const hw_rating *r = list + (index ? index[i] : i);
        hw__params_pair rows = {hw__params_place(p, worker, 0, f->a + r->user * f->stride, f->stride),
                                hw__params_place(p, worker, 0, f->b + r->item * f->stride, f->stride),
                                hw__params_place(p, worker, 0, f->head_a + apart * r->user, 2),
                                hw__params_place(p, worker, 0, f->head_b + apart * r->item, 2)};
        float e = p->fused->pair(&rows, f, r->value, rate);
        sum += e * e;
    }
    return sum;
}

static void mark_pairs(const hw_params *p, unsigned worker, const hw_pairs *f, const hw_rating *list,
                       const uint32_t *index, size_t n)
{
    const bool heads = f->biases || f->adagrad;
    const size_t apart = hw_pairs_apart(f);
    for (size_t i = 0; i < n; i++) {
        const hw_rating *r = list + (index ? index[i] : i);
        hw__marks_floats(p->marks, worker, f->a + r->user * f->stride, f->rank);
        hw__marks_floats(p->marks, worker, f->b + r->item * f->stride, f->rank);
        if (heads) hw__marks_floats(p->marks, worker, f->head_a + apart * r->user, 2);
        if (heads) hw__marks_floats(p->marks, worker, f->head_b + apart * r->item, 2);
    }
}

double hw_params_pairs(hw_params *p, unsigned worker, const hw_pairs *f, const hw_rating *list, const uint32_t *index,
                       size_t n, float rate)
{
    hw__params_settle(p, worker);
    enum { PART = 8 }; /* ratings that enter the clock at once */
    bool whole = !p->replica || p->exchanged >= p->config.size, wide = whole && p->fused->pairs;
    hw__params_float *w = hw__params_place(p, worker, 0, 0, p->replica ? p->exchanged : 0);
    double loss = 0;
    for (size_t i = 0, part; i < n; i += part) {
        const hw_rating *from = index ? list : list + i;
        const uint32_t *which = index ? index + i : NULL;
        part = n - i < PART ? n - i : PART;
        loss += (double)(wide ? p->fused->pairs(w, f, from, which, part, n - i, rate)
                              : pairs_scalar(p, worker, f, from, which, part, rate));
        if (hw__params_marks(p)) mark_pairs(p, worker, f, from, which, part);
        if (!p->replica) hw_params_landed(p, worker, part);
    }
    return 0.5 * loss;
}

/* Up to PARAMS_ROWS rows of the list from `from` on. */
static size_t places(const hw_params *p, unsigned worker, const uint32_t *first, size_t from, size_t rows, size_t n,
                     hw__params_float **w)
{
    size_t k = rows - from < PARAMS_ROWS ? rows - from : PARAMS_ROWS;
    for (size_t r = 0; r < k; r++) w[r] = hw__params_place(p, worker, 0, first[from + r], n);
    return k;
}

static void mark_rows(const hw_params *p, unsigned worker, const uint32_t *first, size_t rows, size_t n)
{
    for (size_t r = 0; hw__params_marks(p) && r < rows; r++) hw__marks_floats(p->marks, worker, first[r], n);
}

/* Vectors are for rows that begin at a line; what begins elsewhere takes the reference. */
static const hw__params_fused *rows_of(const hw_params *p, hw__params_float *const *w, size_t k)
{
    uintptr_t low = 0;
    for (size_t r = 0; r < k; r++) low |= (uintptr_t)w[r];
    return low % HW_LINE == 0 || p->fused == &hw__params_fused_cas ? p->fused : &hw__params_fused_racy;
}

void hw_params_rows_dot(const hw_params *p, unsigned worker, const uint32_t *first, size_t rows, size_t n,
                        const float *x, float *out)
{
    hw__params_settle(p, worker);
    hw__params_float *w[PARAMS_ROWS];
    for (size_t from = 0, k; from < rows; from += k) {
        k = places(p, worker, first, from, rows, n, w);
        rows_of(p, w, k)->rows_dot(w, k, n, x, out + from);
    }
}

void hw_params_rows_add(hw_params *p, unsigned worker, const uint32_t *first, size_t rows, size_t n,
                        const float *coefficient, const float *x, float *sum)
{
    hw__params_settle(p, worker);
    hw__params_float *w[PARAMS_ROWS];
    for (size_t from = 0, k; from < rows; from += k) {
        k = places(p, worker, first, from, rows, n, w);
        rows_of(p, w, k)->rows_add(w, k, n, coefficient + from, x, sum);
    }
    mark_rows(p, worker, first, rows, n);
}

/* As many inputs at once as the lists below have room for. */
enum { INPUTS = 16 };

typedef struct window_rows {
    hw__params_float *in[INPUTS], *out[PARAMS_ROWS];
    const hw__params_fused *kernels;
} window_rows;

static void find_window(const hw_params *p, unsigned worker, const uint32_t *inputs, size_t k, const uint32_t *targets,
                        size_t t, size_t n, window_rows *w)
{
    for (size_t i = 0; i < k; i++) w->in[i] = hw__params_place(p, worker, 0, inputs[i], n);
    (void)places(p, worker, targets, 0, t, n, w->out);
    w->kernels = rows_of(p, w->in, k) == rows_of(p, w->out, t) ? rows_of(p, w->in, k) : &hw__params_fused_racy;
}

void hw_params_window_dot(const hw_params *p, unsigned worker, const uint32_t *inputs, size_t k,
                          const uint32_t *targets, size_t t, size_t n, float *score)
{
    window_rows w;
    hw__params_settle(p, worker);
    for (size_t from = 0, part; from < k; from += part) {
        part = k - from < INPUTS ? k - from : INPUTS;
        find_window(p, worker, inputs + from, part, targets, t, n, &w);
        w.kernels->window_dot(w.in, part, w.out, t, n, score + from * t);
    }
}

void hw_params_window_add(hw_params *p, unsigned worker, const uint32_t *inputs, size_t k, const uint32_t *targets,
                          size_t t, size_t n, const float *coefficient)
{
    window_rows w;
    hw__params_settle(p, worker);
    for (size_t from = 0, part; from < k; from += part) {
        part = k - from < INPUTS ? k - from : INPUTS;
        find_window(p, worker, inputs + from, part, targets, t, n, &w);
        w.kernels->window_add(w.in, part, w.out, t, n, coefficient + from * t);
    }
    mark_rows(p, worker, inputs, k, n);
    mark_rows(p, worker, targets, t, n);
}

void hw_params_row_read(const hw_params *p, unsigned worker, size_t first, size_t n, float *values)
{
    hw__params_settle(p, worker);
    p->reads->copy(values, hw__params_place(p, worker, 0, first, n), n);
}

void hw_params_row_add(hw_params *p, unsigned worker, size_t first, size_t n, const float *delta)
{
    hw__params_settle(p, worker);
    hw__params_float *w = hw__params_place(p, worker, 0, first, n);
    float one = 1;
    rows_of(p, &w, 1)->rows_add(&w, 1, n, &one, delta, NULL);
    if (hw__params_marks(p)) hw__marks_floats(p->marks, worker, first, n);
}

void hw_params_landed(hw_params *p, unsigned worker, uint64_t n)
{
    hw__params_clock_advance(&p->clock, worker, n);
}

size_t hw_params_changed(const hw_params *p, const hw_range *ranges, const uint32_t *indices, size_t n,
                         const float *values)
{
    size_t changed = 0;
    if (!p->shared.at[0]) return 0; /* versions do not change */
    for (size_t r = 0; r < n; r++) {
        size_t first = indices ? indices[r] : ranges[r].first, count = indices ? 1 : ranges[r].count;
        for (size_t i = 0; i < count; i++, values++) {
            float now = hw__params_get(p->shared.at[0] + first + i);
            changed += now < *values || now > *values;
        }
    }
    return changed;
}
