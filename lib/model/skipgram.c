/* skipgram.c - word vectors with negative sampling: skip-gram and CBOW, as a step between one read and one write and as
 * a sweep that updates in place in the way of word2vec.c. What is drawn stands in window.c.
 *
 * A pass is one hidden vector x (an input row, or in CBOW the mean of the window's) against its targets t:
 *     loss = -log sigma(x . u_0) - sum_k log sigma(-x . u_k),   c_t = label_t - sigma(x . u_t)
 *     u_t += rate c_t x,   input += rate sum_t c_t u_t
 * An example's loss is the sum over its passes, 0 where a position has none, and a step's gradient is that sum's, as
 * word2vec's learning rates take it. In CBOW every input gets the full error vector (word2vec.c; the gradient of the
 * mean would be 1 / inputs of it). The step evaluates all passes of a window at the values that it read, the sweep each
 * pass at what the one before has left: they agree to first order in the learning rate, and exactly in windows of one
 * pass whose targets differ, or whose passes share targets that differ (pWord2Vec, Ji et al. 2016: a window is then a
 * small matrix product, which is written back once). */
#include "../base/sized.h"
#include "hogwild/advanced/sweep.h"
#include "hogwild/model.h"
#include "logistic.h"
#include "window.h"
#include <string.h>

enum {
    MOST_DIMENSION = 4096,
    MOST_WINDOW = 100,
    MOST_NEGATIVES = 100,
    STRETCH = 64, /* positions that a sweep draws at once */
    AHEAD = 4,    /* passes whose rows are on their way; whole windows of them: */
    AHEAD_AT_ONCE = 24,
    PROBES = 10000 /* windows of the evaluation            */
};

typedef struct plan {
    hw__window_plan window;
    uint32_t probes, *probe; /* positions with a window, of evaluation's own draws */
    size_t rows;             /* most that one step touches                         */
    uint32_t slots;          /* of its table of rows, a power of two               */
    bool wide;               /* the loss by vectors of eight                       */
} plan;

/* One thread's. What a step hands to its write is not what evaluate uses: the write may park and evaluate. */
typedef struct work {
    hw__window_draws draws;
    float *x, *error, *score, *slope, *loss;
    hw_range *range;
    float *value, *gradient;
    uint32_t *slot, rows;
    uint32_t *input; /* of the passes of a window that are made at once */
} work;

/* --- the step ------------------------------------------------------------------------------------------------------
 */

/* Where a row stands among those of this step; each is entered once. */
static uint32_t slot_of(const plan *p, work *s, uint32_t first)
{
    uint32_t mask = p->slots - 1, at = (uint32_t)((uint64_t)first * 0x9e3779b97f4a7c15u >> 32) & mask;
    for (; s->slot[at]; at = (at + 1) & mask)
        if (s->range[s->slot[at] - 1].first == first) return s->slot[at] - 1;
    s->range[s->rows] = (hw_range){first, p->window.stride};
    s->slot[at] = ++s->rows;
    return s->rows - 1;
}

static float dot(const float *x, const float *y, size_t n)
{
    float lane[16] = {0}, sum = 0;
    for (size_t i = 0; i < n; i += 16)
        for (size_t k = 0; k < 16; k++) lane[k] += x[i + k] * y[i + k];
    for (size_t k = 0; k < 16; k++) sum += lane[k];
    return sum;
}

static void add(float *y, const float *x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++) y[i] += scale * x[i];
}

/* The pass names slots. */
static double pass_gradient(const plan *p, work *s, const hw__window_pass *pass)
{
    size_t n = p->window.stride;
    memset(s->x, 0, n * sizeof(float));
    memset(s->error, 0, n * sizeof(float));
    for (uint32_t i = 0; i < pass->inputs; i++) add(s->x, s->value + n * pass->input[i], n, 1 / (float)pass->inputs);
    for (uint32_t t = 0; t < pass->targets; t++) s->score[t] = dot(s->x, s->value + n * pass->target[t], n);
    double loss = hw__logistic_loss(p->wide, s->score, pass->targets, s->slope, s->loss);
    for (uint32_t t = 0; t < pass->targets; t++) {
        add(s->error, s->value + n * pass->target[t], n, -s->slope[t]);
        add(s->gradient + n * pass->target[t], s->x, n, -s->slope[t]);
    }
    for (uint32_t i = 0; i < pass->inputs; i++) add(s->gradient + n * pass->input[i], s->error, n, 1);
    return loss;
}

/* The list's rows give way to their slots. */
static void enter_rows(const plan *p, work *s, uint32_t passes)
{
    uint32_t *at = s->draws.list;
    s->rows = 0;
    for (uint32_t i = 0; i < passes; i++) {
        uint32_t rows = at[1] + at[2];
        at += 3;
        for (uint32_t k = 0; k < rows; k++) at[k] = slot_of(p, s, at[k]);
        at += rows;
    }
    memset(s->slot, 0, p->slots * sizeof *s->slot);
}

/* A position without a window (a sentence's end, a word that was dropped) writes nothing. */
static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const plan *p = ((const hw_skipgram *)self)->plan;
    work *s = hw_scratch(w);
    uint64_t key = hw__window_key(batch->seed, batch->epoch);
    uint32_t passes = hw__window_draw(&p->window, key, batch->index[0], 1, &s->draws);
    const uint32_t *at = s->draws.list;
    hw__window_pass pass;
    double loss = 0;
    enter_rows(p, s, passes);
    hw_read_ranges(w, s->range, s->rows, s->value);
    memset(s->gradient, 0, s->rows * p->window.stride * sizeof(float));
    for (uint32_t i = 0; i < passes; i++) {
        at = hw__window_next(at, &pass);
        loss += pass_gradient(p, s, &pass);
    }
    return hw_write_ranges(w, s->range, s->rows, s->gradient, loss);
}

/* --- the sweep -----------------------------------------------------------------------------------------------------
 */

/* Targets that a window shares are asked for once. */
static void prefetch(const plan *p, hw_worker *w, const hw__window_pass *pass, const hw__window_pass *before)
{
    size_t n = p->window.stride;
    for (uint32_t i = 0; i < pass->inputs; i++) hw_sweep_prefetch_row(w, pass->input[i], n);
    if (p->window.shared && before->targets && before->example == pass->example) return;
    for (uint32_t t = 0; t < pass->targets; t++) hw_sweep_prefetch_row(w, pass->target[t], n);
}

static double pass_in_place(const plan *p, hw_worker *w, work *s, const hw__window_pass *pass, float rate)
{
    size_t n = p->window.stride;
    hw_sweep_row_read(w, pass->input[0], n, s->x);
    if (p->window.cbow) {
        float share = 1 / (float)pass->inputs;
        for (uint32_t i = 1; i < pass->inputs; i++) {
            hw_sweep_row_read(w, pass->input[i], n, s->error);
            add(s->x, s->error, n, 1);
        }
        for (size_t i = 0; i < n; i++) s->x[i] *= share;
    }
    memset(s->error, 0, n * sizeof(float));
    hw_sweep_rows_dot(w, pass->target, pass->targets, n, s->x, s->score);
    double loss = hw__logistic_loss(p->wide, s->score, pass->targets, s->slope, s->loss);
    for (uint32_t t = 0; t < pass->targets; t++) s->slope[t] *= rate;
    hw_sweep_rows_add(w, pass->target, pass->targets, n, s->slope, s->x, s->error);
    for (uint32_t i = 0; i < pass->inputs; i++) hw_sweep_row_add(w, pass->input[i], n, s->error);
    return loss;
}

/* Whether a window's passes can be made at once: they share their targets, which are few and differ. */
static bool at_once(const plan *p, const hw__window_pass *pass)
{
    if (!p->window.shared || p->window.cbow || pass->targets > HW_WINDOW_TARGETS) return false;
    for (uint32_t t = 1; t < pass->targets; t++)
        for (uint32_t k = 0; k < t; k++)
            if (pass->target[t] == pass->target[k]) return false;
    return true;
}

/* A pass takes the inputs of those of the `left` that follow it in its window; where the list goes on. */
static const uint32_t *whole_window(const uint32_t *at, uint32_t left, hw__window_pass *pass, uint32_t *input)
{
    hw__window_pass other;
    input[0] = pass->input[0];
    for (pass->input = input; pass->inputs <= left; pass->inputs++) {
        const uint32_t *next = hw__window_next(at, &other);
        if (other.example != pass->example) break;
        input[pass->inputs] = other.input[0];
        at = next;
    }
    return at;
}

/* Passes that share their targets, all->inputs of them: every input by what the targets are before any of them. */
static double window_in_place(const plan *p, hw_worker *w, work *s, const hw__window_pass *all, float rate)
{
    size_t n = p->window.stride;
    hw_sweep_window_dot(w, all->input, all->inputs, all->target, all->targets, n, s->score);
    double loss = hw__logistic_window(p->wide, s->score, all->inputs, all->targets, s->slope, s->loss);
    for (uint32_t t = 0; t < all->inputs * all->targets; t++) s->slope[t] *= rate;
    hw_sweep_window_add(w, all->input, all->inputs, all->target, all->targets, n, s->slope);
    return loss;
}

/* Neighbouring positions, beginning at example `first` of the run. */
static double stretch(const plan *p, hw_worker *w, work *s, const hw_batch *run, uint32_t first, uint32_t count)
{
    uint64_t key = hw__window_key(run->seed, run->epoch);
    uint32_t passes = hw__window_draw(&p->window, key, run->index[first], count, &s->draws), asked = 0, landed = 0;
    const uint32_t *at = s->draws.list, *ahead = at;
    hw__window_pass pass, next = {.targets = 0};
    double loss = 0;
    float rate = 0;
    uint32_t early = p->window.shared && !p->window.cbow ? AHEAD_AT_ONCE : AHEAD;
    for (uint32_t i = 0; i < passes; i++) {
        for (; asked < passes && asked <= i + early; asked++) {
            hw__window_pass before = next;
            ahead = hw__window_next(ahead, &next);
            prefetch(p, w, &next, &before);
        }
        at = hw__window_next(at, &pass);
        if (i == 0 || landed < pass.example) rate = hw_sweep_rate(w, first + pass.example);
        hw_sweep_landed(w, pass.example - landed);
        landed = pass.example;
        if (!at_once(p, &pass)) {
            loss += pass_in_place(p, w, s, &pass, rate);
            continue;
        }
        at = whole_window(at, passes - i - 1, &pass, s->input);
        i += pass.inputs - 1;
        loss += window_in_place(p, w, s, &pass, rate);
    }
    hw_sweep_landed(w, count - landed);
    return loss;
}

static hw_status sweep(void *self, hw_worker *w, const hw_batch *run, double *loss)
{
    const plan *p = ((const hw_skipgram *)self)->plan;
    work *s = hw_scratch(w);
    for (uint32_t from = 0, n; from < run->count; from += n) {
        for (n = 1; n < STRETCH && from + n < run->count; n++)
            if (run->index[from + n] != run->index[from] + n) break;
        *loss += stretch(p, w, s, run, from, n);
    }
    return HW_OK;
}

/* --- evaluation ----------------------------------------------------------------------------------------------------
 */

#define PROBE_KEY 0x776f726473u /* draws of its own, the same ones for every run */

/* One pass of each window, or in CBOW the only one: its loss at x. */
static hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    const plan *p = ((const hw_skipgram *)self)->plan;
    work *s = scratch;
    size_t n = p->window.stride;
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t passes = hw__window_draw(&p->window, PROBE_KEY, p->probe[i], 1, &s->draws);
        const uint32_t *at = s->draws.list;
        hw__window_pass pass;
        for (uint32_t k = 0; k <= i % passes; k++) at = hw__window_next(at, &pass);
        memset(s->x, 0, n * sizeof(float));
        for (uint32_t k = 0; k < pass.inputs; k++) add(s->x, x + pass.input[k], n, 1 / (float)pass.inputs);
        for (uint32_t t = 0; t < pass.targets; t++) s->score[t] = dot(s->x, x + pass.target[t], n);
        sums[0] += hw__logistic_loss(p->wide, s->score, pass.targets, s->slope, s->loss);
    }
    return HW_OK;
}

/* Positions with a window, at random; false where the memory or the text has none. */
static hw_status choose_probes(const hw_skipgram *m, plan *p, char *why)
{
    uint32_t tokens = m->corpus->tokens;
    void *memory = hw__base_alloc(hw__window_draws_bytes(&p->window, 1), 1);
    p->probe = hw__base_zalloc(PROBES, sizeof *p->probe);
    if (!memory || !p->probe) {
        hw__base_free(memory);
        return hw__base_fail(why, HW_E_MEMORY, "hw_skipgram_objective: no memory for the evaluation's windows");
    }
    hw__window_draws d = hw__window_draws_place(&p->window, 1, memory);
    for (uint32_t i = 0; i < 64 * PROBES && p->probes < PROBES; i++) {
        uint32_t position = hw_permute(PROBE_KEY, i / tokens, tokens, i % tokens);
        if (hw__window_draw(&p->window, PROBE_KEY, position, 1, &d)) p->probe[p->probes++] = position;
        if (i / tokens && !p->probes) break;
    }
    hw__base_free(memory);
    if (p->probes) return HW_OK;
    return hw__base_fail(
        why, HW_E_ARGUMENT,
        "hw_skipgram_objective: no word has a neighbour: sentences of one word, or sample %g drops nearly "
        "every word",
        m->sample);
}

/* --- the objective -------------------------------------------------------------------------------------------------
 */

typedef struct room {
    char *memory; /* NULL: only measured */
    size_t used;
} room;

static void *take(room *r, size_t bytes)
{
    size_t at = r->used;
    r->used += hw__round_up(bytes, HW_LINE);
    return r->memory ? r->memory + at : NULL;
}

/* The parts of a thread's scratch, one after the other; returns their bytes. */
static size_t lay_out(const plan *p, void *memory)
{
    room r = {memory, 0};
    size_t row = p->window.stride * sizeof(float), inputs = 2 * (size_t)p->window.width,
           scores = (LOGISTIC_LANES + (size_t)p->window.negatives + inputs * HW_WINDOW_TARGETS) * sizeof(float);
    work *s = take(&r, sizeof *s);
    void *draws = take(&r, hw__window_draws_bytes(&p->window, STRETCH));
    work parts = {.x = take(&r, row),
                  .error = take(&r, row),
                  .score = take(&r, scores),
                  .slope = take(&r, scores),
                  .loss = take(&r, scores),
                  .range = take(&r, p->rows * sizeof(hw_range)),
                  .value = take(&r, p->rows * row),
                  .gradient = take(&r, p->rows * row),
                  .slot = take(&r, p->slots * sizeof(uint32_t)),
                  .input = take(&r, inputs * sizeof(uint32_t))};
    if (!memory) return r.used;
    *s = parts;
    s->draws = hw__window_draws_place(&p->window, STRETCH, draws);
    return r.used;
}

static hw_status scratch_init(void *self, void *scratch)
{
    (void)lay_out(((const hw_skipgram *)self)->plan, scratch);
    return HW_OK;
}

hw_skipgram hw_skipgram_defaults(const hw_corpus *corpus)
{
    hw_skipgram m;
    memset(&m, 0, sizeof m);
    m.struct_size = sizeof m;
    m.corpus = corpus;
    m.dimension = 100;
    m.window = m.negatives = 5;
    m.sample = 1e-4;
    return m;
}

static hw_status check(const hw_skipgram *m, const hw_objective *o, char *why)
{
    if (!m || !o || m->struct_size != sizeof *m || !m->corpus)
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "hw_skipgram_objective: a model from hw_skipgram_defaults() with a corpus, and an objective to "
            "fill are needed");
    const hw_corpus *c = m->corpus;
    if (c->words < 2 || c->tokens < 2 || !c->running || !c->token || !c->count)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_skipgram_objective: the corpus has %u words and %u tokens: two of each are needed",
                             c->words, c->tokens);
    if (m->dimension < 1 || m->dimension > MOST_DIMENSION)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_skipgram_objective: dimension is %u: it must be in [1, %d]",
                             m->dimension, MOST_DIMENSION);
    if (m->window < 1 || m->window > MOST_WINDOW)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_skipgram_objective: window is %u: it must be in [1, %d]",
                             m->window, MOST_WINDOW);
    if (m->negatives < 1 || m->negatives > MOST_NEGATIVES)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_skipgram_objective: negatives is %u: it must be in [1, %d]",
                             m->negatives, MOST_NEGATIVES);
    if (!(m->sample >= 0) || !hw__base_finite_double(m->sample))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_skipgram_objective: sample is %g: it must be 0 (every word stays) or positive",
                             m->sample);
    return HW_OK;
}

hw_status hw_skipgram_objective(hw_skipgram *m, hw_objective *o, char *why)
{
    hw_status status = check(m, o, why);
    if (status != HW_OK) return status;
    size_t stride = hw__whole_lines((size_t)m->dimension), floats = 2 * stride * m->corpus->words;
    if (floats > UINT32_MAX)
        return hw__base_fail(
            why, HW_E_LIMIT,
            "hw_skipgram_objective: two rows of %zu floats for each of %u words: an objective has fewer "
            "than 2^32 parameters",
            stride, m->corpus->words);
    hw_skipgram_free(m); /* of an objective before this one */
    plan *p = hw__base_zalloc(1, sizeof *p);
    if (!p) return hw__base_fail(why, HW_E_MEMORY, "hw_skipgram_objective: no memory for its plan");
    m->stride = stride;
    m->plan = p;
    p->wide = hw__logistic_wide();
    p->window = (hw__window_plan){.corpus = m->corpus,
                                  .width = m->window,
                                  .negatives = m->negatives,
                                  .cbow = m->cbow != 0,
                                  .shared = m->shared_negatives != 0,
                                  .stride = stride};
    size_t inputs = 2 * (size_t)m->window, draws = (m->cbow || m->shared_negatives ? 1 : inputs) * m->negatives;
    p->rows = inputs + 1 + draws;
    if (p->rows > 2 * (size_t)m->corpus->words) p->rows = 2 * (size_t)m->corpus->words;
    for (p->slots = 16; p->slots < 2 * p->rows;) p->slots *= 2;
    status = hw__window_plan_create(&p->window, m->sample, why);
    if (status == HW_OK) status = choose_probes(m, p, why);
    if (status != HW_OK) {
        hw_skipgram_free(m);
        return status;
    }
    (void)hw_objective_init(o, HW__OBJECTIVE_LEAST, "skipgram", floats);
    o->self = m;
    o->examples = m->corpus->tokens;
    o->batch_limit = 1;
    o->step = step;
    o->sweep = sweep;
    o->sweep_sgd = 1;
    o->scratch_bytes = lay_out(p, NULL);
    o->scratch_init = scratch_init;
    o->evaluate = evaluate;
    o->evaluation_examples = p->probes;
    o->touched = p->rows * stride;
    o->hot = (m->corpus->words < 128 ? m->corpus->words : 128) * 2 * m->stride; /* the most frequent words */
    return HW_OK;
}

void hw_skipgram_free(hw_skipgram *m)
{
    plan *p = m ? m->plan : NULL;
    if (!p) return;
    hw__window_plan_free(&p->window);
    hw__base_free(p->probe);
    hw__base_free(p);
    m->plan = NULL;
}

void hw_skipgram_start(const hw_skipgram *m, uint64_t seed, float *params)
{
    hw_rng rng;
    hw_rng_seed(&rng, seed, 0);
    memset(params, 0, 2 * m->stride * m->corpus->words * sizeof *params);
    for (uint32_t v = 0; v < m->corpus->words; v++)
        for (unsigned i = 0; i < m->dimension; i++)
            params[2 * v * m->stride + i] = (float)((hw_rng_uniform(&rng) - 0.5) / m->dimension);
}
