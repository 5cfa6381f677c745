/* window.c - what word vectors draw from a text: subsampling, windows, negatives. One 64-bit hash a position gives its
 * own draws (the high half: does the word stay; the low half: the width) and seeds those of its negatives. */
#include "window.h"
#include <math.h>

#define GOLDEN 0x9e3779b97f4a7c15u

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t hw__window_key(uint64_t seed, uint64_t epoch)
{
    return mix(seed ^ mix(epoch + GOLDEN));
}

/* --- the plan ------------------------------------------------------------------------------------------------------
 */

double hw__window_keep(const hw_corpus *corpus, double sample, uint32_t word)
{
    double expected = sample * (double)corpus->running, count = (double)corpus->count[word];
    if (!(sample > 0) || count <= expected) return 1;
    return fmin(1, (sqrt(count / expected) + 1) * expected / count);
}

static bool make_alias(hw__window_plan *p)
{
    uint32_t words = p->corpus->words;
    double *share = hw__base_zalloc(words, sizeof *share);
    for (uint32_t v = 0; share && v < words; v++) share[v] = pow((double)p->corpus->count[v], 0.75);
    bool good = share && hw__base_alias_fill(p->alias, share, words);
    hw__base_free(share);
    return good;
}

hw_status hw__window_plan_create(hw__window_plan *p, double sample, char *why)
{
    uint32_t words = p->corpus->words;
    p->keep = hw__base_zalloc(words, sizeof *p->keep);
    p->alias = hw__base_zalloc(words, sizeof *p->alias);
    if (!p->keep || !p->alias || !make_alias(p)) {
        hw__window_plan_free(p);
        return hw__base_fail(why, HW_E_MEMORY, "hw_skipgram_objective: no memory for the draws of %u words", words);
    }
    for (uint32_t v = 0; v < words; v++)
        p->keep[v] = (uint32_t)fmin(hw__window_keep(p->corpus, sample, v) * 0x1p32, 0x1p32 - 1);
    return HW_OK;
}

void hw__window_plan_free(hw__window_plan *p)
{
    hw__base_free(p->keep);
    hw__base_free(p->alias);
    p->keep = NULL;
    p->alias = NULL;
}

/* --- memory of one thread ----------------------------------------------------------------------------------------- */

static size_t stretch_words(const hw__window_plan *p, uint32_t count)
{
    return (size_t)count + 2 * (size_t)p->width + 2;
}

static size_t list_words(const hw__window_plan *p, uint32_t count)
{
    size_t targets = 1 + (size_t)p->negatives, most = 2 * (size_t)p->width;
    return count * (p->cbow ? 3 + most + targets : most * (4 + targets));
}

size_t hw__window_draws_bytes(const hw__window_plan *p, uint32_t count)
{
    return count * sizeof(uint64_t) +
           (stretch_words(p, count) + 2 * (size_t)count + list_words(p, count)) * sizeof(uint32_t);
}

hw__window_draws hw__window_draws_place(const hw__window_plan *p, uint32_t count, void *memory)
{
    hw__window_draws d;
    d.hash = memory;
    d.word = (uint32_t *)(void *)(d.hash + count);
    d.place = d.word + stretch_words(p, count);
    d.example = d.place + count;
    d.list = d.example + count;
    return d;
}

/* --- the draws -----------------------------------------------------------------------------------------------------
 */

static inline uint64_t hash_of(uint64_t key, uint32_t position)
{
    return mix(key + position * GOLDEN);
}

static inline bool kept(const hw__window_plan *p, uint64_t hash, uint32_t word)
{
    return (uint32_t)(hash >> 32) <= p->keep[word];
}

/* The words that stay, a mark between sentences, and around them so many of the text before and behind as a window can
 * reach. Centres are those of [from, from + count). Returns their number. */
static uint32_t gather(const hw__window_plan *p, uint64_t key, uint32_t from, uint32_t count, hw__window_draws *d)
{
    const uint32_t *token = p->corpus->token;
    uint32_t *word = d->word + p->width + 1, n = 0, centres = 0, end = p->corpus->tokens;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = token[from + i];
        uint64_t h = hash_of(key, from + i);
        if (v == HW_SENTENCE_END) {
            word[n++] = v;
        } else if (kept(p, h, v)) {
            d->place[centres] = n;
            d->example[centres] = i;
            d->hash[centres++] = h;
            word[n++] = v;
        }
    }
    if (!centres) return 0;
    uint32_t reach = 0;
    for (uint32_t q = from; q-- > 0 && reach < p->width && token[q] != HW_SENTENCE_END;)
        if (kept(p, hash_of(key, q), token[q])) *(word - ++reach) = token[q];
    *(word - reach - 1) = HW_SENTENCE_END;
    for (uint32_t q = from + count, most = n + p->width; q < end && n < most && token[q] != HW_SENTENCE_END; q++)
        if (kept(p, hash_of(key, q), token[q])) word[n++] = token[q];
    word[n] = HW_SENTENCE_END;
    return centres;
}

/* Negatives number `draw` and on of a centre, behind its own row; returns how many targets that makes. */
static inline uint32_t draw_targets(const hw__window_plan *p, uint64_t hash, uint32_t draw, uint32_t centre,
                                    uint32_t *target)
{
    uint32_t words = p->corpus->words, stride = (uint32_t)p->stride, n = 1;
    target[0] = (2 * centre + 1) * stride;
    for (uint32_t k = 1; k <= p->negatives; k++) {
        uint64_t h = mix(hash + (draw + k) * GOLDEN);
        uint32_t v = hw__base_alias_draw(p->alias, words, h);
        target[n] = (2 * v + 1) * stride;
        n += v != centre;
    }
    return n;
}

/* The passes of one centre at `word`, with words lo .. hi around it. */
static uint32_t *list_passes(const hw__window_plan *p, uint64_t hash, uint32_t example, const uint32_t *word,
                             const uint32_t *lo, const uint32_t *hi, uint32_t *list, uint32_t *passes)
{
    uint32_t stride = (uint32_t)p->stride, draw = 0;
    uint32_t *last = NULL;
    if (p->cbow) {
        uint32_t n = 0;
        for (const uint32_t *o = lo; o <= hi; o++)
            if (o != word) list[3 + n++] = 2 * *o * stride;
        list[0] = example;
        list[1] = n;
        list[2] = draw_targets(p, hash, 0, *word, list + 3 + n);
        ++*passes;
        return list + 3 + n + list[2];
    }
    for (const uint32_t *o = lo; o <= hi; o++) {
        if (o == word) continue;
        list[0] = example;
        list[1] = 1;
        list[3] = 2 * *o * stride;
        if (last && p->shared) {
            list[2] = last[2];
            for (uint32_t t = 0; t < last[2]; t++) list[4 + t] = last[4 + t];
        } else {
            list[2] = draw_targets(p, hash, draw, *word, list + 4);
            draw += p->negatives;
        }
        last = list;
        list += 4 + list[2];
        ++*passes;
    }
    return list;
}

uint32_t hw__window_draw(const hw__window_plan *p, uint64_t key, uint32_t from, uint32_t count, hw__window_draws *d)
{
    uint32_t centres = gather(p, key, from, count, d), passes = 0, *list = d->list;
    for (uint32_t c = 0; c < centres; c++) {
        const uint32_t *word = d->word + p->width + 1 + d->place[c], *lo = word, *hi = word;
        uint32_t width = 1 + (uint32_t)((d->hash[c] & UINT32_MAX) * p->width >> 32);
        while (word - lo < width && *(lo - 1) != HW_SENTENCE_END) lo--;
        while (hi - word < width && *(hi + 1) != HW_SENTENCE_END) hi++;
        if (lo < hi) list = list_passes(p, d->hash[c], d->example[c], word, lo, hi, list, &passes);
    }
    return passes;
}
