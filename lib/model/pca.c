/* pca.c - streaming principal component analysis on Gaussian samples, many independent runs side by side. */
#include "../base/sized.h"
#include "../base/base.h"
#include "hogwild/model.h"
#include <math.h>

#define MOST_DIMENSION 4096
#define DIVERGED       1e6

static double norm2(const float *v, unsigned d)
{
    double sum = 0;
    for (unsigned i = 0; i < d; i++) sum += (double)v[i] * (double)v[i];
    return sum;
}

static bool diverged(double square)
{
    return !(square < DIVERGED);
}

static double error_of(const float *v, unsigned d)
{
    double square = norm2(v, d);
    return diverged(square) || square <= 0 ? 1 : 1 - (double)v[0] * (double)v[0] / square;
}

/* g = -(p X - p^2 v), p = <X, v>; g holds X first. */
static void one(const hw_pca *m, hw_rng *rng, const float *v, float *g)
{
    unsigned d = m->dimension;
    float p = 0;
    for (unsigned i = 0; i < d; i++) {
        g[i] = sqrtf(m->eigenvalue[i]) * (float)hw_rng_normal(rng);
        p += g[i] * v[i];
    }
    for (unsigned i = 0; i < d; i++) g[i] = p * p * v[i] - p * g[i];
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_pca *m = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    hw_rng *rng = hw_random(w);
    unsigned d = m->dimension;
    double loss = 0;
    (void)batch;
    for (unsigned r = 0; r < m->replicas; r++, x += d, g += d) {
        double square = norm2(x, d);
        if (diverged(square)) {
            for (unsigned i = 0; i < d; i++) g[i] = 0;
            loss += 1;
            continue;
        }
        one(m, rng, x, g);
        loss += error_of(x, d);
    }
    return hw_write(w, loss / m->replicas);
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_pca *m = self;
    (void)scratch;
    for (uint32_t r = first; r < first + count; r++) {
        const float *v = x + (size_t)r * m->dimension;
        sums[0] += error_of(v, m->dimension);
        sums[1] += !diverged(norm2(v, m->dimension));
    }
    return HW_OK;
}

hw_status hw_pca_objective(hw_pca *m, hw_objective *o, char *why)
{
    if (!m || !o || m->dimension < 1 || m->dimension > MOST_DIMENSION || m->replicas < 1 || !m->eigenvalue ||
        m->replicas > UINT32_MAX / m->dimension)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_pca_objective: a dimension in [1, %d], replicas and eigenvalues are needed",
                             MOST_DIMENSION);
    for (unsigned i = 0; i < m->dimension; i++)
        if (!(m->eigenvalue[i] > 0) || !hw__base_finite(m->eigenvalue[i]) || m->eigenvalue[i] > m->eigenvalue[0])
            return hw__base_fail(
                why, HW_E_ARGUMENT,
                "hw_pca_objective: eigenvalue %u is %g: all are positive, and the first is the largest", i,
                (double)m->eigenvalue[i]);
    (void)hw_objective_init(o, HW__OBJECTIVE_LEAST, "pca", (size_t)m->dimension * m->replicas);
    o->self = m;
    o->step = step;
    o->evaluate = evaluate;
    o->evaluation_examples = m->replicas;
    o->metrics = 2;
    return HW_OK;
}

void hw_pca_start(const hw_pca *m, unsigned axis, float *params)
{
    for (unsigned r = 0; r < m->replicas; r++)
        for (unsigned i = 0; i < m->dimension; i++) params[(size_t)r * m->dimension + i] = i == axis ? 1.0f : 0;
}
