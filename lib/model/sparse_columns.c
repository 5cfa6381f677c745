/* sparse_columns.c - what the columns of a sparse training set say about a linear model on it: how often each is
 * touched, and in which direction its loss is most curved. */
#include "../base/base.h"
#include "sparse_linear.h"
#include <math.h>
#include <string.h>

/* Whether a thousand rows touch less than there is to exchange; and where columns are many, how many leading ones have
 * nine tenths of the non-zeros, in a thousand rows from all of the set; 0: too many. */
bool hw__linear_plan_hot(const hw_sparse_linear *m, hw__linear_plan *p)
{
    enum { MOST_HOT = 16384, ROWS = 1024 };
    const hw_sparse *d = m->train;
    size_t n = (size_t)d->columns + 1, i = 0;
    if (n <= MOST_HOT) return true;
    p->wide = (double)n * d->rows > (double)ROWS * (double)d->nonzeros;
    uint32_t *count = hw__base_zalloc(n, sizeof *count), rows = d->rows < ROWS ? d->rows : ROWS;
    if (!count) return false;
    uint64_t covered = 0, all = 0;
    for (uint32_t k = 0; k < rows; k++) {
        uint64_t row = (uint64_t)k * d->rows / rows;
        for (uint64_t at = d->offset[row]; at < d->offset[row + 1]; at++) count[d->index[at]]++;
        all += d->offset[row + 1] - d->offset[row];
    }
    while (i + 1 < n && covered * 10 < all * 9) covered += count[i++];
    p->hot = i <= MOST_HOT ? i : 0;
    hw__base_free(count);
    return true;
}

static float *decay_of(const hw_sparse_linear *m)
{
    const hw_sparse *d = m->train;
    size_t n = (size_t)d->columns + 1;
    uint32_t *count = hw__base_zalloc(n, sizeof *count);
    float *decay = count ? hw__base_zalloc(n, sizeof *decay) : NULL;
    if (decay) hw_sparse_frequency(d, count);
    for (size_t i = 0; decay && i + 1 < n; i++)
        decay[i] = count[i] ? (float)(m->l2 * (double)d->rows / (double)count[i]) : 0;
    hw__base_free(count);
    return decay;
}

/* Counting takes as long as a third of a pass, and sweeps on replicas need none of it: so it waits until somebody asks.
 * That is when an engine is made or a gradient is looked at, not between start and stop. */
const float *hw__linear_decay(const hw_sparse_linear *m)
{
    hw__linear_plan *p = m->plan;
    if (m->l2 <= 0 || atomic_load(&p->decay)) return atomic_load(&p->decay);
    (void)pthread_mutex_lock(&p->mutex);
    if (!atomic_load(&p->decay)) atomic_store(&p->decay, decay_of(m));
    (void)pthread_mutex_unlock(&p->mutex);
    return atomic_load(&p->decay);
}

hw_status hw__linear_shrinks(void *self, int all)
{
    const hw_sparse_linear *m = self;
    hw__linear_plan *p = m->plan;
    if (all) atomic_store(&p->all, true);
    return all || hw__linear_decay(m) ? HW_OK : HW_E_MEMORY;
}

/* The second derivative of the loss over the score is at most that, or where it has none, what its slope falls by. */
static double steepness(hw_sparse_loss loss)
{
    switch (loss) {
    case HW_SPARSE_LOGISTIC: return 0.25;
    case HW_SPARSE_SQUARED_HINGE: return 2;
    default: return 1;
    }
}

/* Some rows, evenly from the whole set. */
typedef struct rows {
    const hw_sparse_linear *m;
    uint32_t count;
} rows;

static uint32_t row_of(const rows *r, uint32_t i)
{
    return (uint32_t)((uint64_t)i * r->m->train->rows / r->count);
}

static double score_of(const rows *r, uint32_t row, const float *w)
{
    const hw_sparse *d = r->m->train;
    const uint32_t *index = d->index + d->offset[row];
    const float *x = d->value + d->offset[row];
    size_t n = (size_t)(d->offset[row + 1] - d->offset[row]), k = 0;
    float sum[4] = {0, 0, 0, 0};
    for (; k + 4 <= n; k += 4)
        for (size_t l = 0; l < 4; l++) sum[l] += x[k + l] * w[index[k + l]];
    for (; k < n; k++) sum[0] += x[k] * w[index[k]];
    return (double)((sum[0] + sum[1]) + (sum[2] + sum[3]) + (r->m->intercept ? w[d->columns] : 0));
}

static void add_row(const rows *r, uint32_t row, double factor, float *w)
{
    const hw_sparse *d = r->m->train;
    float f = (float)factor;
    for (uint64_t k = d->offset[row]; k < d->offset[row + 1]; k++) w[d->index[k]] += f * d->value[k];
    if (r->m->intercept) w[d->columns] += f;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t from = 0; from < n; from += 256) {
        float part[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        size_t end = from + 256 < n ? from + 256 : n, i = from;
        for (; i + 8 <= end; i += 8)
            for (size_t l = 0; l < 8; l++) part[l] += a[i + l] * b[i + l];
        for (; i < end; i++) part[0] += a[i] * b[i];
        for (size_t l = 0; l < 8; l++) sum += (double)part[l];
    }
    return sum;
}

/* w to length 1; false: it has none. */
static bool normalise(float *w, size_t n)
{
    double length = sqrt(dot(w, w, n));
    float scale = (float)(1 / length);
    if (!(length > 0) || !hw__base_finite(scale)) return false;
    for (size_t i = 0; i < n; i++) w[i] *= scale;
    return true;
}

/* out = mean of x x^T w over the rows; w^T out. */
static double multiply(const rows *r, const float *w, float *out, size_t n)
{
    memset(out, 0, n * sizeof *out);
    for (uint32_t i = 0; i < r->count; i++) add_row(r, row_of(r, i), score_of(r, row_of(r, i), w) / r->count, out);
    return dot(w, out, n);
}

/* Power iterations on at most 256 rows: one from their mean for the first eigenvector of X^T X / n, which for counts
 * and other features that are mostly of one sign is nearly it already, and from random signs across it for the next
 * eigenvalue, which that many rows overestimate rather than not. */
hw_status hw__linear_principal(void *self, float *direction, double curvature[2])
{
    enum { ROWS = 256, NEXT = 3 };
    const hw_sparse_linear *m = self;
    const hw_sparse *d = m->train;
    rows r = {m, d->rows < ROWS ? d->rows : ROWS};
    size_t n = (size_t)d->columns + (m->intercept ? 1 : 0);
    double slope = steepness(m->loss), largest = 1;
    for (int c = 0; m->class_weight && c < 2; c++) largest = fmax(largest, (double)m->class_weight[c]);
    float *memory = hw__base_zalloc(2 * n, sizeof *memory), *other = memory, *image = memory + n;
    if (!memory) return HW_E_MEMORY;
    curvature[0] = curvature[1] = 0;
    for (uint32_t i = 0; i < r.count; i++) add_row(&r, row_of(&r, i), 1, other);
    if (normalise(other, n)) {
        curvature[0] = multiply(&r, other, direction, n);
        (void)normalise(direction, n);
    }
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    memset(other, 0, n * sizeof *other);
    for (uint32_t i = 0; i < r.count; i++) add_row(&r, row_of(&r, i), hw_rng_below(&rng, 2) ? 1 : -1, other);
    for (int k = 0; k < NEXT; k++) {
        float along = (float)dot(other, direction, n);
        for (size_t i = 0; i < n; i++) other[i] -= along * direction[i];
        if (!normalise(other, n)) break;
        curvature[1] = multiply(&r, other, image, n);
        float *swap = other;
        other = image;
        image = swap;
    }
    curvature[0] = curvature[0] * slope * largest + m->l2;
    curvature[1] = curvature[1] * slope * largest + m->l2;
    hw__base_free(memory);
    return HW_OK;
}
