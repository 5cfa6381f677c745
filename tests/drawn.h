/* drawn.h - texts and draws for the tests of word vectors. */
#ifndef DRAWN_H
#define DRAWN_H

#include "check.h"
#include "../lib/model/window.h"

enum { WORDS = 60 };

/* Words by 1 / (v + 1), sentences of `length`; freed by hw_corpus_free. */
static inline hw_corpus zipf(uint32_t words, uint32_t sentences, uint32_t length)
{
    hw_corpus c;
    char why[HW_WHY];
    assert_int_equal(hw_corpus_generate(words, 1, sentences, length, 7, &c, why), HW_OK);
    return c;
}

typedef struct drawn {
    hw__window_plan plan;
    hw__window_draws d;
    void *memory;
} drawn;

static inline drawn draws_of(const hw_corpus *c, unsigned width, unsigned negatives, double sample, bool cbow,
                             bool shared, uint32_t count)
{
    drawn x = {.plan = {c, width, negatives, cbow, shared, 16, NULL, NULL}};
    assert_int_equal(hw__window_plan_create(&x.plan, sample, NULL), HW_OK);
    x.memory = malloc(hw__window_draws_bytes(&x.plan, count));
    assert_non_null(x.memory);
    x.d = hw__window_draws_place(&x.plan, count, x.memory);
    return x;
}

static inline void drop(drawn *x)
{
    hw__window_plan_free(&x->plan);
    free(x->memory);
}

#endif
