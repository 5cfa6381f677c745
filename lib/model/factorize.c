/* factorize.c - matrix factorisation: users' and items' rows, biases, and AdaGrad with one sum a row.
 *
 * The step gathers the rows of its minibatch, each once, and scatters one gradient (or, for AdaGrad, one delta): the
 * reference. The sweep does the same arithmetic in place, one rating at a time, in params_pairs. */
#include "../base/sized.h"
#include "factors.h"
#include "../base/base.h"
#include "grid.h"
#include "hogwild/advanced/sweep.h"
#include "hogwild/model.h"
#include <math.h>
#include <string.h>

#define RANK_MOST 1024
#define GRID_MOST 256

/* 0.1's model ended there, and had the scale 1. */
#define LEAST offsetof(hw_factorize, scale)

hw_status hw_factorize_init(hw_factorize *model, size_t size, const hw_ratings *train, unsigned rank)
{
    const hw_factorize m = {
        .train = train, .rank = rank, .l2 = 0.1, .biases = 1, .adagrad = 1, .batch = 1, .seed = 1, .scale = 0};
    return hw__sized_fill(model, size, &m, sizeof m, LEAST);
}

#if defined(__ELF__)
/* What programs of 0.1 call: as long as it was then. */
typedef struct factorize_0_1 {
    _Alignas(hw_factorize) unsigned char bytes[LEAST];
} factorize_0_1;
HW_API factorize_0_1 hw__factorize_defaults_0_1(const hw_ratings *train,
                                                unsigned rank) __asm__("hw_factorize_defaults");
factorize_0_1 hw__factorize_defaults_0_1(const hw_ratings *train, unsigned rank)
{
    factorize_0_1 m;
    (void)hw_factorize_init((hw_factorize *)(void *)&m, sizeof m, train, rank);
    return m;
}
#endif

/* Examples are numbered as they stand here. */
static const hw_rating *ratings(const hw_factorize *m)
{
    const hw__factorize_grid *g = m->plan;
    return g ? g->rating : m->train->rating;
}

static float dot(const float *p, const float *q, unsigned n)
{
    float lane[8] = {0};
    unsigned d = 0;
    for (; d + 8 <= n; d += 8)
        for (unsigned k = 0; k < 8; k++) lane[k] += p[d + k] * q[d + k];
    for (unsigned k = 0; d < n; d++, k++) lane[k] += p[d] * q[d];
    for (unsigned k = 0; k < 4; k++) lane[k] += lane[k + 4];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

double hw_factorize_predict(const hw_factorize *m, const float *x, uint32_t user, uint32_t item)
{
    const hw_pairs *f = &m->pairs;
    float score = f->mean + dot(x + f->a + user * f->stride, x + f->b + item * f->stride, f->rank);
    if (f->biases) score += x[f->head_a + hw_pairs_apart(f) * user] + x[f->head_b + hw_pairs_apart(f) * item];
    return hw__factorize_scale(m->plan) * (double)score;
}

static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const hw_factorize *m = self;
    const hw_rating *list = m->test ? m->test->rating : m->train->rating;
    (void)scratch;
    for (uint32_t i = first; i < first + count; i++) {
        double e = (double)list[i].value - hw_factorize_predict(m, x, list[i].user, list[i].item);
        sums[0] += e * e;
    }
    return HW_OK;
}

/* --- the step ------------------------------------------------------------------------------------------------------
 */

/* A row of the minibatch is `width` values: rank factors, then the bias and the sum of squares where there are such.
 * A table finds the rows that came before; entries are 1 + the row's number in the minibatch, 0: free. */
typedef struct gather {
    size_t rows, width, heads, ranges;
    float *value, *slope;
    hw_range *range;
    uint32_t *place; /* of each rating: its user's row, its item's row */
    uint32_t *table, mask;
} gather;

static size_t heads_of(const hw_factorize *m)
{
    return (size_t)(m->biases != 0) + (size_t)(m->adagrad != 0);
}

static uint32_t table_size(uint32_t batch)
{
    uint32_t n = 4;
    while (n < 4 * (uint64_t)batch) n *= 2;
    return n;
}

/* Carve the scratch memory, in order of falling alignment; returns its size. */
static size_t carve(const hw_factorize *m, void *scratch, gather *g)
{
    size_t batch = m->batch, width = m->rank + heads_of(m), floats = hw__whole_lines(2 * batch * width);
    uint32_t table = table_size(m->batch);
    if (g) {
        float *value = scratch;
        hw_range *range = (hw_range *)(void *)(value + 2 * floats);
        uint32_t *place = (uint32_t *)(void *)(range + 4 * batch);
        *g = (gather){0, width, heads_of(m), 0, value, value + floats, range, place, place + 2 * batch, table - 1};
    }
    return 2 * floats * sizeof(float) + 4 * batch * sizeof(hw_range) + (2 * batch + table) * sizeof(uint32_t);
}

/* The place of a row that begins at `first` and has its head at `head`; new rows go to the end. */
static uint32_t place_row(gather *g, const hw_factorize *m, size_t first, size_t head)
{
    uint32_t at = (uint32_t)(first / m->pairs.stride * 2654435761u >> 7) & g->mask;
    for (; g->table[at]; at = (at + 1) & g->mask)
        if (g->range[(g->table[at] - 1) * (g->heads ? 2 : 1)].first == first) return g->table[at] - 1;
    g->table[at] = (uint32_t)++g->rows;
    g->range[g->ranges++] = (hw_range){first, m->rank};
    if (g->heads) g->range[g->ranges++] = (hw_range){head + (m->biases ? 0 : 1), g->heads};
    return (uint32_t)(g->rows - 1);
}

static void place_rows(gather *g, const hw_factorize *m, const hw_batch *batch)
{
    const hw_rating *list = ratings(m);
    const hw_pairs *f = &m->pairs;
    size_t apart = hw_pairs_apart(f);
    memset(g->table, 0, ((size_t)g->mask + 1) * sizeof *g->table);
    for (uint32_t i = 0; i < batch->count; i++) {
        const hw_rating *r = list + batch->index[i];
        g->place[2 * i] = place_row(g, m, f->a + r->user * f->stride, f->head_a + apart * r->user);
        g->place[2 * i + 1] = place_row(g, m, f->b + r->item * f->stride, f->head_b + apart * r->item);
    }
}

/* Adds a rating's gradient, share times; returns its loss. */
static double one(const hw_factorize *m, float value, float share, const float *p, const float *q, float *gp, float *gq)
{
    unsigned rank = m->rank;
    float l2 = m->pairs.l2, score = m->pairs.mean + dot(p, q, rank);
    if (m->biases) score += p[rank] + q[rank];
    float e = value - score;
    for (unsigned d = 0; d < rank + (m->biases ? 1 : 0); d++) {
        float fp = d < rank ? q[d] : 1, fq = d < rank ? p[d] : 1; /* what the score grows by */
        gp[d] += share * (l2 * p[d] - e * fp);
        gq[d] += share * (l2 * q[d] - e * fq);
    }
    return 0.5 * (double)e * (double)e; /* as a sweep says it: what the penalty adds is left out */
}

/* The gradient of a row into its delta: rate alpha / sqrt(G), and what G grows by. */
static void adagrad(const hw_factorize *m, const float *row, float *slope, float rate)
{
    size_t bias = m->biases ? 1 : 0, at = m->rank + bias;
    float sum = 0, step = -rate / sqrtf(row[at]);
    for (unsigned d = 0; d < m->rank; d++) sum += slope[d] * slope[d];
    for (size_t d = 0; d < at; d++) slope[d] *= step;
    slope[at] = sum / (float)m->rank;
}

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const hw_factorize *m = self;
    const hw_rating *list = ratings(m);
    float share = 1 / (float)batch->count;
    double loss = 0;
    gather g;
    (void)carve(m, hw_scratch(w), &g);
    place_rows(&g, m, batch);
    hw_read_ranges(w, g.range, g.ranges, g.value);
    memset(g.slope, 0, g.rows * g.width * sizeof *g.slope);
    for (uint32_t i = 0; i < batch->count; i++) {
        size_t p = g.place[2 * i] * g.width, q = g.place[2 * i + 1] * g.width;
        loss += one(m, list[batch->index[i]].value, share, g.value + p, g.value + q, g.slope + p, g.slope + q);
    }
    loss /= batch->count;
    if (!m->adagrad) return hw_write_ranges(w, g.range, g.ranges, g.slope, loss);
    float rate = (float)hw_learning_rate(w);
    for (size_t r = 0; r < g.rows; r++) adagrad(m, g.value + r * g.width, g.slope + r * g.width, rate);
    return hw_add_ranges(w, g.range, g.ranges, g.slope, loss);
}

/* --- the sweep -----------------------------------------------------------------------------------------------------
 */

/* Stretches of one learning rate, to rounding: all of the run, or halves of it where the schedule moves. */
static double stretch(const hw_factorize *m, hw_worker *w, const hw_batch *run, uint32_t from, uint32_t n)
{
    float first = hw_sweep_rate(w, from), middle = hw_sweep_rate(w, from + n / 2),
          last = hw_sweep_rate(w, from + n - 1);
    if (n == 1 || fabsf(last - first) + fabsf(middle - first) <= 1e-6f * first)
        return hw_sweep_pairs(w, from, &m->pairs, ratings(m), run->index + from, n);
    double loss = stretch(m, w, run, from, n / 2);
    return loss + stretch(m, w, run, from + n / 2, n - n / 2);
}

static hw_status sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    *loss = stretch(self, w, run, 0, run->count);
    return HW_OK;
}

/* --- the model -----------------------------------------------------------------------------------------------------
 */

static hw_status check_ratings(const hw_factorize *m, const hw_ratings *r, const char *name, char *why)
{
    if (!r->rating || !r->count)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: %s has no ratings", name);
    for (uint32_t i = 0; i < r->count; i++) {
        const hw_rating *x = r->rating + i;
        if (x->user >= m->train->users || x->item >= m->train->items || !hw__base_finite(x->value))
            return hw__base_fail(
                why, HW_E_ARGUMENT,
                "hw_factorize_objective: %s rating %u is user %u, item %u, value %g: users are below %u, "
                "items below %u, and values finite",
                name, i, x->user, x->item, (double)x->value, m->train->users, m->train->items);
    }
    return HW_OK;
}

/* *scale: the model's, 1 of a shorter one. */
static hw_status check(const hw_factorize *m, double *scale, char *why)
{
    hw_factorize known = {.scale = 1};
    hw_status adopted = hw__sized_adopt(&known, sizeof known, m, LEAST, "the model", "hw_factorize_defaults()", why);
    if (adopted != HW_OK) return adopted;
    *scale = known.scale;
    if (!m->train) return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: there are no ratings to train on");
    if (m->rank < 1 || m->rank > RANK_MOST)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: rank is %u: it must be in [1, %d]", m->rank,
                             RANK_MOST);
    if (!(m->l2 >= 0) || !hw__base_finite((float)m->l2))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: l2 is %g: it must be finite and not negative",
                             m->l2);
    if (!(*scale >= 0) || !hw__base_finite((float)*scale))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_factorize_objective: scale is %g: it must be finite and not negative", *scale);
    if (m->batch < 1 || m->batch > 1u << 20)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: batch is %u: it must be in [1, %u]", m->batch,
                             1u << 20);
    uint32_t fewer = m->train->users < m->train->items ? m->train->users : m->train->items;
    if (m->grid > GRID_MOST || m->grid > fewer)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_factorize_objective: grid is %u: it must be at most %d, and at most the users (%u) and "
            "items (%u)",
            m->grid, GRID_MOST, m->train->users, m->train->items);
    hw_status status = check_ratings(m, m->train, "train", why);
    return status == HW_OK && m->test ? check_ratings(m, m->test, "test", why) : status;
}

static hw_status lay_out(hw_factorize *m, double scale, size_t *parameters, char *why)
{
    uint64_t users = m->train->users, items = m->train->items, stride = hw__whole_lines(m->rank);
    /* Programs of 0.1 may look for them. Of more rows than a cache has lines two workers hardly ever meet in one, and
     * eight heads a line are fetched sooner. */
    uint32_t apart = m->struct_size > LEAST && users + items <= 1 << 17 ? HW_PAIRS_APART : 2;
    uint64_t all = (users + items) * (stride + apart);
    if (all > UINT32_MAX)
        return hw__base_fail(
            why, HW_E_LIMIT,
            "hw_factorize_objective: %llu users and %llu items of rank %u need %llu parameters: at most "
            "2^32 - 1 are possible",
            (unsigned long long)users, (unsigned long long)items, m->rank, (unsigned long long)all);
    m->pairs = (hw_pairs){.rank = m->rank,
                          .mean = (float)(m->train->mean / scale),
                          .l2 = (float)m->l2,
                          .biases = m->biases != 0,
                          .adagrad = m->adagrad != 0,
                          .apart = apart};
    *parameters = hw__pairs_lay_out(&m->pairs, (size_t)users, (size_t)items);
    return HW_OK;
}

hw_status hw_factorize_objective(hw_factorize *m, hw_objective *o, char *why)
{
    size_t parameters = 0;
    hw__factorize_grid *grid = NULL;
    if (!o) return hw__base_fail(why, HW_E_ARGUMENT, "hw_factorize_objective: the place for the objective is NULL");
    double scale = 1;
    hw_status status = check(m, &scale, why);
    if (status == HW_OK && !(scale > 0)) scale = hw_ratings_deviation(m->train);
    if (status == HW_OK) status = lay_out(m, scale, &parameters, why);
    if (status == HW_OK && (m->grid || scale < 1 || scale > 1))
        status = hw__factorize_grid_create(&grid, m->train, m->grid, m->seed, scale, why);
    if (status != HW_OK) return status;
    hw_factorize_free(m);
    m->plan = grid;
    (void)hw_objective_init(o, HW__OBJECTIVE_LEAST, "factorize", parameters);
    o->self = m;
    o->examples = m->train->count;
    o->batch_limit = m->batch;
    o->step = step;
    o->sweep = sweep;
    o->sweep_sgd = 1;
    o->raw = m->adagrad;
    if (m->grid) {
        o->block = grid->block;
        o->blocks = grid->blocks;
        o->block_groups = 2 * m->grid;
    }
    o->scratch_bytes = carve(m, NULL, NULL);
    o->evaluate = evaluate;
    o->evaluation_examples = m->test ? m->test->count : m->train->count;
    o->evaluation_chunk = 8192;
    o->touched = 2 * (size_t)m->batch * (m->rank + heads_of(m));
    return HW_OK;
}

void hw_factorize_free(hw_factorize *m)
{
    if (!m) return;
    hw__factorize_grid_free(m->plan);
    m->plan = NULL;
}

void hw_factorize_start(const hw_factorize *m, double scale, uint64_t seed, float *x)
{
    const hw_pairs *f = &m->pairs;
    size_t apart = hw_pairs_apart(f);
    size_t rows = (size_t)m->train->users + m->train->items;
    hw_rng rng;
    hw_rng_seed(&rng, seed, 0);
    scale = (scale > 0 ? scale : m->biases ? 0.1 : 1) / sqrt(m->rank);
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < f->stride; d++)
            x[r * f->stride + d] = d < f->rank ? (float)(scale * hw_rng_uniform(&rng)) : 0;
    for (size_t r = 0; r < rows; r++) {
        float *head = x + f->head_a + apart * r;
        memset(head, 0, apart * sizeof *head);
        head[1] = 1;
    }
}
