/* factors.c - what a trained factorisation answers: pairs, and the best items of a user. */
#include "factors.h"
#include "grid.h"
#include <math.h>
#include <string.h>

hw_status hw__factors_lay_out(hw_factors *f, bool ids, char *why)
{
    f->x = hw__base_zalloc(hw__pairs_lay_out(&f->model.pairs, f->users, f->items), sizeof *f->x);
    hw__factor_ids *both[] = {&f->user, &f->item};
    for (int k = 0; ids && k < 2; k++) {
        both[k]->id = hw__base_zalloc(k ? f->items : f->users, sizeof(uint64_t));
        both[k]->order = hw__base_zalloc(k ? f->items : f->users, sizeof(uint32_t));
    }
    if (f->x && (!ids || (f->user.id && f->user.order && f->item.id && f->item.order))) return HW_OK;
    return hw__base_fail(why, HW_E_MEMORY, "no memory for %u users and %u items", f->users, f->items);
}

/* A heap sort of the numbers by their ids: no memory, no worst case. */
static void sift(const uint64_t *id, uint32_t *order, uint32_t at, uint32_t n)
{
    uint32_t moved = order[at];
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && id[order[child + 1]] > id[order[child]]) child++;
        if (id[order[child]] <= id[moved]) break;
        order[at] = order[child];
    }
    order[at] = moved;
}

static bool order_of(hw__factor_ids *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) ids->order[i] = i;
    for (uint32_t i = n / 2; i-- > 0;) sift(ids->id, ids->order, i, n);
    for (uint32_t left = n; left-- > 1;) {
        uint32_t top = ids->order[0];
        ids->order[0] = ids->order[left];
        ids->order[left] = top;
        sift(ids->id, ids->order, 0, left);
    }
    for (uint32_t i = 1; i < n; i++)
        if (ids->id[ids->order[i - 1]] == ids->id[ids->order[i]]) return false;
    return true;
}

bool hw__factors_order(hw_factors *f)
{
    return (!f->user.id || order_of(&f->user, f->users)) && (!f->item.id || order_of(&f->item, f->items));
}

/* Trained on values divided by `scale`: the product of a user's row and an item's row takes it once. */
static void into_scale(hw_factors *f, double scale)
{
    hw_pairs *p = &f->model.pairs;
    if (!(scale < 1 || scale > 1)) return;
    p->mean = (float)((double)p->mean * scale);
    for (size_t i = 0; i < f->users * p->stride; i++) f->x[i] = (float)((double)f->x[i] * scale);
    for (size_t i = 0; i < f->users; i++) f->x[p->head_a + 2 * i] = (float)((double)f->x[p->head_a + 2 * i] * scale);
    for (size_t i = 0; i < f->items; i++) f->x[p->head_b + 2 * i] = (float)((double)f->x[p->head_b + 2 * i] * scale);
}

/* Heads that are `apart` floats apart, one behind the other. */
static void copy_heads(float *to, const float *from, size_t apart, size_t rows)
{
    for (size_t i = 0; i < rows; i++) memcpy(to + 2 * i, from + apart * i, 2 * sizeof *to);
}

hw_status hw_factors_create(hw_factors **out, const hw_factorize *m, const float *params, char *why)
{
    if (!out || !m || !m->train || !params || !m->pairs.stride)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_factors_create: a factorisation with its objective and trained "
                             "parameters are needed");
    const hw_ratings *r = m->train;
    *out = NULL;
    hw_factors *f = hw__base_zalloc(1, sizeof *f);
    if (!f) return hw__base_fail(why, HW_E_MEMORY, "hw_factors_create: no memory");
    f->users = r->users;
    f->items = r->items;
    f->low = r->low;
    f->high = r->high;
    memcpy(&f->model, m, m->struct_size < sizeof f->model ? m->struct_size : sizeof f->model);
    double scale = hw__factorize_scale(m->plan);
    f->model.train = f->model.test = NULL;
    f->model.plan = NULL;
    f->model.pairs.apart = 2; /* nobody else writes to them any more */
    bool ids = r->user_id && r->item_id;
    hw_status status = hw__factors_lay_out(f, ids, why);
    const hw_pairs *p = &f->model.pairs, *q = &m->pairs;
    if (status == HW_OK) {
        size_t factors = ((size_t)f->users + f->items) * p->stride, heads = 2 * ((size_t)f->users + f->items);
        memcpy(f->x, params + q->a, f->users * p->stride * sizeof *f->x);
        memcpy(f->x + p->b, params + q->b, f->items * p->stride * sizeof *f->x);
        copy_heads(f->x + p->head_a, params + q->head_a, hw_pairs_apart(q), f->users);
        copy_heads(f->x + p->head_b, params + q->head_b, hw_pairs_apart(q), f->items);
        into_scale(f, scale);
        if (!hw__base_all_finite(f->x, factors + heads))
            status = hw__base_fail(why, HW_E_DIVERGED, "hw_factors_create: a parameter is not finite");
    }
    if (status == HW_OK && ids) {
        memcpy(f->user.id, r->user_id, f->users * sizeof *f->user.id);
        memcpy(f->item.id, r->item_id, f->items * sizeof *f->item.id);
        if (!hw__factors_order(f))
            status = hw__base_fail(why, HW_E_ARGUMENT, "hw_factors_create: a user or an item has two numbers");
    }
    if (status != HW_OK) {
        hw_factors_free(f);
        return status;
    }
    *out = f;
    return HW_OK;
}

void hw_factors_free(hw_factors *f)
{
    if (!f) return;
    hw__base_free(f->user.id);
    hw__base_free(f->user.order);
    hw__base_free(f->item.id);
    hw__base_free(f->item.order);
    hw__base_free(f->x);
    hw__base_free(f);
}

uint32_t hw_factors_users(const hw_factors *f)
{
    return f->users;
}

uint32_t hw_factors_items(const hw_factors *f)
{
    return f->items;
}

static uint32_t find(const hw__factor_ids *ids, uint32_t n, uint64_t wanted)
{
    if (!ids->id) return wanted < n ? (uint32_t)wanted : UINT32_MAX;
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ids->id[ids->order[middle]] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ids->id[ids->order[low]] == wanted ? ids->order[low] : UINT32_MAX;
}

uint32_t hw_factors_user(const hw_factors *f, uint64_t id)
{
    return find(&f->user, f->users, id);
}

uint32_t hw_factors_item(const hw_factors *f, uint64_t id)
{
    return find(&f->item, f->items, id);
}

uint64_t hw_factors_item_id(const hw_factors *f, uint32_t item)
{
    return f->item.id && item < f->items ? f->item.id[item] : item;
}

double hw_factors_predict(const hw_factors *f, uint32_t user, uint32_t item, int clamp)
{
    if (user >= f->users || item >= f->items) return NAN;
    double score = hw_factorize_predict(&f->model, f->x, user, item);
    return clamp ? fmin(fmax(score, (double)f->low), (double)f->high) : score;
}

double hw_factors_fallback(const hw_factors *f, uint32_t user, uint32_t item, int clamp)
{
    if (!f) return NAN;
    const hw_pairs *p = &f->model.pairs;
    if (user < f->users && item < f->items) return hw_factors_predict(f, user, item, clamp);
    double score = (double)p->mean;
    if (p->biases && user < f->users) score += (double)f->x[p->head_a + 2 * (size_t)user];
    if (p->biases && item < f->items) score += (double)f->x[p->head_b + 2 * (size_t)item];
    return clamp ? fmin(fmax(score, (double)f->low), (double)f->high) : score;
}

uint32_t hw_factors_best(const hw_factors *f, uint32_t user, uint32_t count, int (*skip)(void *context, uint32_t item),
                         void *context, uint32_t *item, double *score)
{
    uint32_t n = 0;
    if (user >= f->users) return 0;
    for (uint32_t i = 0; i < f->items; i++) {
        if (skip && skip(context, i)) continue;
        double s = hw_factorize_predict(&f->model, f->x, user, i), last;
        if (n == count) {
            if (!count) return 0;
            last = score ? score[n - 1] : hw_factorize_predict(&f->model, f->x, user, item[n - 1]);
            if (s <= last) continue;
        }
        uint32_t at = n < count ? n++ : n - 1;
        for (; at; at--) {
            last = score ? score[at - 1] : hw_factorize_predict(&f->model, f->x, user, item[at - 1]);
            if (last >= s) break;
            item[at] = item[at - 1];
            if (score) score[at] = score[at - 1];
        }
        item[at] = i;
        if (score) score[at] = s;
    }
    return n;
}
