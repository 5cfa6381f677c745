/* lowrank.c - ratings from a truth of low rank with noise, so that the best possible error is known. Pairs are drawn
 * independently: one may come twice, with noise of its own. */
#include "lowrank.h"
#include "../../base/base.h"
#include <math.h>
#include <string.h>

#define MEAN       3.5f
#define BIAS       0.3 /* standard deviation of a bias          */
#define INTERPLAY  0.6 /* standard deviation of p . q           */
#define RANK_MOST  1024
#define ITEMS_FROM ((uint64_t)1 << 32) /* streams of the seed: users, then items, then the draws */
#define DRAWS_FROM ((uint64_t)1 << 33)

hw_ratings_plan hw_ratings_plan_defaults(uint32_t count, uint32_t users, uint32_t items)
{
    return (hw_ratings_plan){sizeof(hw_ratings_plan), count, users, items, 8, 0.8, 0.5, 1};
}

/* --- the truth -----------------------------------------------------------------------------------------------------
 */

static void draw_rows(float *row, uint32_t rows, unsigned rank, uint64_t seed, uint64_t stream)
{
    double scale = rank ? sqrt(INTERPLAY / sqrt(rank)) : 0; /* the variance of p . q is rank * scale^4 */
    for (uint32_t i = 0; i < rows; i++, row += rank + 1) {
        hw_rng rng;
        hw_rng_seed(&rng, seed, stream + i);
        for (unsigned k = 0; k < rank; k++) row[k] = (float)(scale * hw_rng_normal(&rng));
        row[rank] = (float)(BIAS * hw_rng_normal(&rng));
    }
}

void hw__lowrank_free(lowrank *t)
{
    hw__base_free(t->user);
    hw__base_free(t->item);
    memset(t, 0, sizeof *t);
}

hw_status hw__lowrank_draw(const hw_ratings_plan *plan, lowrank *t, char *why)
{
    size_t width = ((size_t)plan->rank + 1) * sizeof(float);
    *t = (lowrank){plan->rank, MEAN, hw__base_zalloc(plan->users, width), hw__base_zalloc(plan->items, width)};
    if (!t->user || !t->item) {
        hw__lowrank_free(t);
        return hw__base_fail(why, HW_E_MEMORY,
                             "hw_ratings_generate: no memory for the factors of %u users and %u items", plan->users,
                             plan->items);
    }
    draw_rows(t->user, plan->users, plan->rank, plan->seed, 0);
    draw_rows(t->item, plan->items, plan->rank, plan->seed, ITEMS_FROM);
    return HW_OK;
}

float hw__lowrank_score(const lowrank *t, uint32_t user, uint32_t item)
{
    const float *p = t->user + (size_t)user * (t->rank + 1), *q = t->item + (size_t)item * (t->rank + 1);
    float sum = t->mean + p[t->rank] + q[t->rank];
    for (unsigned k = 0; k < t->rank; k++) sum += p[k] * q[k];
    return sum;
}

/* --- who rates what --------------------------------------------------------------------------------------------------
 */

/* Number hw_permute(r) gets a share of (r + 1)^-exponent, so that frequent numbers are scattered. NULL: no memory. */
static hw__base_alias *alias_make(uint32_t n, double exponent, uint64_t seed, uint64_t epoch)
{
    hw__base_alias *table = hw__base_zalloc(n, sizeof *table);
    double *share = hw__base_zalloc(n, sizeof *share);
    for (uint32_t r = 0; share && r < n; r++) share[hw_permute(seed, epoch, n, r)] = pow((double)r + 1, -exponent);
    if (!table || !share || !hw__base_alias_fill(table, share, n)) {
        hw__base_free(table);
        table = NULL;
    }
    hw__base_free(share);
    return table;
}

/* --- ratings -------------------------------------------------------------------------------------------------------
 */

static hw_status check(const hw_ratings_plan *p, char *why)
{
    if (!p || p->struct_size != sizeof *p)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "the plan is NULL or of another version: start from hw_ratings_plan_defaults()");
    if (!p->count || !p->users || !p->items)
        return hw__base_fail(why, HW_E_ARGUMENT, "plan: %u ratings of %u users and %u items: each must be at least 1",
                             p->count, p->users, p->items);
    if (p->rank > RANK_MOST)
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.rank is %u: it must be in [0, %d]", p->rank, RANK_MOST);
    if (!(p->exponent >= 0 && p->exponent <= 4))
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.exponent is %g: it must be in [0, 4]", p->exponent);
    if (!(p->noise >= 0 && p->noise <= 1e6))
        return hw__base_fail(why, HW_E_ARGUMENT, "plan.noise is %g: it must be in [0, 1e6]", p->noise);
    return HW_OK;
}

hw_status hw_ratings_generate(const hw_ratings_plan *plan, hw_ratings *r, char *why)
{
    lowrank truth;
    if (!r) return hw__base_fail(why, HW_E_ARGUMENT, "hw_ratings_generate: the place for the ratings is NULL");
    memset(r, 0, sizeof *r);
    hw_status status = check(plan, why);
    if (status == HW_OK) status = hw__lowrank_draw(plan, &truth, why);
    if (status != HW_OK) return status;
    hw__base_alias *users = alias_make(plan->users, plan->exponent, plan->seed, 1);
    hw__base_alias *items = alias_make(plan->items, plan->exponent, plan->seed, 2);
    hw_rating *rating = hw__base_zalloc(plan->count, sizeof *rating);
    if (!users || !items || !rating) {
        hw__base_free(rating);
        status = hw__base_fail(why, HW_E_MEMORY, "hw_ratings_generate: no memory for %u ratings", plan->count);
    } else {
        hw_rng rng;
        double sum = 0;
        hw_rng_seed(&rng, plan->seed, DRAWS_FROM);
        *r = (hw_ratings){.count = plan->count, .users = plan->users, .items = plan->items, .rating = rating};
        for (uint32_t i = 0; i < plan->count; i++) {
            hw_rating *to = rating + i;
            to->user = hw__base_alias_draw(users, plan->users, hw_rng_next(&rng));
            to->item = hw__base_alias_draw(items, plan->items, hw_rng_next(&rng));
            to->value = hw__lowrank_score(&truth, to->user, to->item) + (float)(plan->noise * hw_rng_normal(&rng));
            if (i == 0 || to->value < r->low) r->low = to->value;
            if (i == 0 || to->value > r->high) r->high = to->value;
            sum += to->value;
        }
        r->mean = sum / plan->count;
    }
    hw__base_free(users);
    hw__base_free(items);
    hw__lowrank_free(&truth);
    return status;
}
