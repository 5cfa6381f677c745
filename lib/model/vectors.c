/* vectors.c - word vectors in memory: made of a trained model, looked up, and the nearest by cosine. */
#include "vectors.h"
#include "../data/mix.h"
#include <math.h>
#include <string.h>

hw_vectors *hw__vectors_allocate(uint32_t words, unsigned dimension, size_t letters)
{
    hw_vectors *v = hw__base_zalloc(1, sizeof *v);
    if (!v) return NULL;
    v->words = words;
    v->dimension = dimension;
    v->key = mix_key(v);
    for (v->slots = 16; v->slots < 2 * (uint64_t)words && v->slots < 1u << 31;) v->slots *= 2;
    v->text = hw__base_zalloc(letters + 1, 1);
    v->at = hw__base_zalloc(words, sizeof *v->at);
    v->row = words <= SIZE_MAX / sizeof(float) / dimension ? hw__base_zalloc((size_t)words * dimension, sizeof *v->row)
                                                           : NULL;
    v->slot = hw__base_zalloc(v->slots, sizeof *v->slot);
    if (v->text && v->at && v->row && v->slot) return v;
    hw_vectors_free(v);
    return NULL;
}

void hw_vectors_free(hw_vectors *v)
{
    if (!v) return;
    hw__base_free(v->text);
    hw__base_free(v->at);
    hw__base_free(v->row);
    hw__base_free(v->slot);
    hw__base_free(v);
}

static uint32_t place(const hw_vectors *v, const char *word)
{
    return (uint32_t)mix_bytes(v->key, word, strlen(word)) & (v->slots - 1);
}

bool hw__vectors_enter(hw_vectors *v)
{
    for (uint32_t w = 0; w < v->words; w++) {
        const char *word = v->text + v->at[w];
        uint32_t at = place(v, word);
        for (; v->slot[at]; at = (at + 1) & (v->slots - 1))
            if (strcmp(v->text + v->at[v->slot[at] - 1], word) == 0) return false;
        v->slot[at] = w + 1;
    }
    return true;
}

hw_status hw_vectors_create(hw_vectors **out, const hw_skipgram *m, const float *params, char *why)
{
    if (!out || !m || !m->corpus || !params || !m->stride)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_vectors_create: a model with its objective and trained parameters "
                             "are needed");
    const hw_corpus *c = m->corpus;
    size_t letters = 0;
    *out = NULL;
    for (uint32_t w = 0; w < c->words; w++) letters += strlen(c->text + c->at[w]) + 1;
    hw_vectors *v = hw__vectors_allocate(c->words, m->dimension, letters);
    if (!v) return hw__base_fail(why, HW_E_MEMORY, "hw_vectors_create: no memory for %u words", c->words);
    letters = 0;
    for (uint32_t w = 0; w < c->words; w++) {
        const char *word = c->text + c->at[w];
        size_t n = strlen(word) + 1;
        v->at[w] = letters;
        memcpy(v->text + letters, word, n);
        letters += n;
        memcpy(v->row + (size_t)w * v->dimension, params + 2 * m->stride * w, v->dimension * sizeof *v->row);
    }
    hw_status status = HW_OK;
    if (!hw__base_all_finite(v->row, (size_t)v->words * v->dimension))
        status = hw__base_fail(why, HW_E_DIVERGED, "hw_vectors_create: a vector is not finite");
    else if (!hw__vectors_enter(v))
        status = hw__base_fail(why, HW_E_ARGUMENT, "hw_vectors_create: a word stands twice in the corpus");
    if (status != HW_OK) {
        hw_vectors_free(v);
        return status;
    }
    *out = v;
    return HW_OK;
}

uint32_t hw_vectors_words(const hw_vectors *v)
{
    return v->words;
}

unsigned hw_vectors_dimension(const hw_vectors *v)
{
    return v->dimension;
}

uint32_t hw_vectors_find(const hw_vectors *v, const char *word)
{
    for (uint32_t at = place(v, word); v->slot[at]; at = (at + 1) & (v->slots - 1))
        if (strcmp(v->text + v->at[v->slot[at] - 1], word) == 0) return v->slot[at] - 1;
    return UINT32_MAX;
}

const char *hw_vectors_word(const hw_vectors *v, uint32_t word)
{
    return word < v->words ? v->text + v->at[word] : NULL;
}

const float *hw_vectors_row(const hw_vectors *v, uint32_t word)
{
    return word < v->words ? v->row + (size_t)word * v->dimension : NULL;
}

static double product(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

unsigned hw_vectors_nearest(const hw_vectors *v, const float *x, const uint32_t *leave_out, unsigned left,
                            unsigned count, uint32_t *near, double *cosine)
{
    unsigned n = 0;
    double length = sqrt(product(x, x, v->dimension));
    for (uint32_t w = 0; w < v->words && count; w++) {
        const float *y = hw_vectors_row(v, w);
        double c = product(x, y, v->dimension) / (length * sqrt(product(y, y, v->dimension)));
        bool out = !hw__base_finite_double(c) || (n == count && c <= cosine[n - 1]);
        for (unsigned k = 0; k < left && !out; k++) out = leave_out[k] == w;
        if (out) continue;
        unsigned at = n < count ? n++ : n - 1;
        for (; at && cosine[at - 1] < c; at--) {
            cosine[at] = cosine[at - 1];
            near[at] = near[at - 1];
        }
        cosine[at] = c;
        near[at] = w;
    }
    return n;
}
