/* rows.c - drawn sparse rows with a known optimum: columns by a power law, labels from weights that are handed out. It
 * imitates no real data set. */
#include "../../base/base.h"
#include "sparse.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DRAWS 8u /* for each entry of a row: where few columns have nearly all the chance, rows end up shorter */

hw_sparse_plan hw_sparse_plan_defaults(uint32_t rows, uint32_t columns)
{
    return (hw_sparse_plan){.struct_size = sizeof(hw_sparse_plan),
                            .rows = rows,
                            .columns = columns,
                            .nonzeros = columns < 30 ? columns : 30,
                            .exponent = 1,
                            .sharpness = 3,
                            .noise = 0.1,
                            .seed = 1};
}

static hw_status check(const hw_sparse_plan *p, char *why)
{
    if (!p || p->struct_size != sizeof *p)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "plan.struct_size is %zu, expected %zu: start from "
                             "hw_sparse_plan_defaults()",
                             p ? p->struct_size : 0, sizeof *p);
    if (!p->rows || !p->columns || p->columns == UINT32_MAX)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "plan.rows is %u and plan.columns %u: at least 1 and at most %lu columns", p->rows,
                             p->columns, (unsigned long)UINT32_MAX - 1);
    if (!p->nonzeros || p->nonzeros > p->columns)
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.nonzeros is %u: it must be in [1, columns = %u]", p->nonzeros,
                             p->columns);
    if (!(p->exponent >= 0 && p->exponent <= 10))
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.exponent is %g: it must be in [0, 10]", p->exponent);
    if (!(p->sharpness >= 0 && p->sharpness <= 1e6))
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.sharpness is %g: it must be in [0, 1e6]", p->sharpness);
    if (!(p->noise >= 0 && p->noise <= 1e6))
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.noise is %g: it must be in [0, 1e6]", p->noise);
    if (p->first > UINT64_MAX - 1 - p->rows)
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.first is %llu: the last row's number must be below 2^64 - 1",
                             (unsigned long long)p->first);
    return HW_OK;
}

static int ascending(const void *a_, const void *b_)
{
    uint32_t a, b;
    memcpy(&a, a_, sizeof a);
    memcpy(&b, b_, sizeof b);
    return a < b ? -1 : a > b;
}

/* Different columns in ascending order: drawn, sorted, what came twice drawn again. */
static uint32_t draw_columns(const hw_sparse_plan *p, const double *share, hw_rng *rng, uint32_t *index)
{
    uint32_t have = 0;
    if (p->nonzeros == p->columns) {
        for (; have < p->columns; have++) index[have] = have;
        return have;
    }
    for (unsigned round = 0; round < MOST_DRAWS && have < p->nonzeros; round++) {
        for (; have < p->nonzeros; have++) index[have] = (uint32_t)hw__base_draw(share, p->columns, rng);
        qsort(index, have, sizeof *index, ascending);
        have = 1;
        for (uint32_t k = 1; k < p->nonzeros; k++)
            if (index[k] != index[have - 1]) index[have++] = index[k];
    }
    return have;
}

static float draw_row(const hw_sparse_plan *p, const double *share, const float *weight, hw_rng *rng, uint32_t *index,
                      float *value, uint32_t *entries)
{
    uint32_t n = *entries = draw_columns(p, share, rng, index);
    double square = 0, score = 0;
    for (uint32_t k = 0; k < n; k++) {
        value[k] = (float)hw_rng_normal(rng);
        square += (double)value[k] * (double)value[k];
    }
    for (uint32_t k = 0; k < n; k++) {
        value[k] = square > 0 ? (float)((double)value[k] / sqrt(square)) : 0;
        score += (double)value[k] * (double)weight[index[k]];
    }
    if (p->real_labels) return (float)(score + p->noise * hw_rng_normal(rng));
    return hw_rng_uniform(rng) < 1 / (1 + exp(-score)) ? 1.0f : -1.0f;
}

hw_status hw_sparse_generate(const hw_sparse_plan *p, float *truth, hw_sparse *s, char *why)
{
    if (!s) return hw__base_fail(why, HW_E_ARGUMENT, "hw_sparse_generate: a data set is needed");
    memset(s, 0, sizeof *s);
    hw_status status = check(p, why);
    if (status != HW_OK) return status;
    status = hw__sparse_make(s, p->rows, p->columns, (uint64_t)p->rows * p->nonzeros, why);
    if (status != HW_OK) return status;
    double *share = hw__base_zalloc(p->columns, sizeof *share);
    float *weight = truth ? truth : hw__base_zalloc(p->columns, sizeof *weight);
    hw_rng rng;
    if (share && weight) {
        double sum = 0, before = 0;
        for (uint32_t j = 0; j < p->columns; j++) sum += share[j] = pow(j + 1.0, -p->exponent);
        for (uint32_t j = 0; j < p->columns; j++) before = share[j] = before + share[j] / sum;
        hw_rng_seed(&rng, p->seed, 0); /* and row i has stream i + 1 */
        for (uint32_t j = 0; j < p->columns; j++) weight[j] = (float)(p->sharpness * hw_rng_normal(&rng));
        for (uint32_t i = 0; i < p->rows; i++) {
            uint64_t at = s->offset[i];
            uint32_t n;
            hw_rng_seed(&rng, p->seed, p->first + i + 1);
            s->label[i] = draw_row(p, share, weight, &rng, s->index + at, s->value + at, &n);
            s->offset[i + 1] = at + n;
        }
        s->nonzeros = s->offset[p->rows];
    } else {
        hw_sparse_free(s);
        status = hw__base_fail(why, HW_E_MEMORY, "no memory for %u columns", p->columns);
    }
    hw__base_free(share);
    if (!truth) hw__base_free(weight);
    return status;
}
