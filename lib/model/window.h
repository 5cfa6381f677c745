/* window.h (internal) - what word vectors draw from a text: which words stay, how wide each window is, and the
 * negatives. Everything follows from seed, epoch and position, so that every scheduler and any number of workers see
 * the same draws. No parameters here. */
#ifndef HW__MODEL_WINDOW_H
#define HW__MODEL_WINDOW_H

#include "../base/base.h"
#include "hogwild/tables.h"

typedef struct hw__window_plan {
    const hw_corpus *corpus;
    unsigned width, negatives;
    bool cbow, shared;
    size_t stride;         /* floats a row: input of word v at 2 v stride, its output one row behind */
    uint32_t *keep;        /* a word stays where its position's hash is at most this */
    hw__base_alias *alias; /* negatives, by count^(3/4)                              */
} hw__window_plan;

/* The first five fields are set before; 2 words stride < 2^32. */
hw_status hw__window_plan_create(hw__window_plan *p, double sample, char *why);
void hw__window_plan_free(hw__window_plan *p);

/* Probability of a word's staying, as word2vec.c has it. */
double hw__window_keep(const hw_corpus *corpus, double sample, uint32_t word);

/* One hidden vector and what it is judged by: rows (numbers of their first floats) of the inputs, whose mean it is (one
 * in skip-gram), and of the targets, the centre's own first. A negative that is the centre itself is left out. */
typedef struct hw__window_pass {
    uint32_t example; /* of the stretch: the centre's position - from */
    uint32_t inputs, targets;
    const uint32_t *input, *target;
} hw__window_pass;

/* The passes of a stretch, packed; lists live in one thread's scratch. */
typedef struct hw__window_draws {
    uint32_t *word, *place, *example, *list;
    uint64_t *hash;
} hw__window_draws;

/* uint32_t's and uint64_t's that the draws of `count` positions take; hw__window_draws_place lays them out there. */
size_t hw__window_draws_bytes(const hw__window_plan *p, uint32_t count);
hw__window_draws hw__window_draws_place(const hw__window_plan *p, uint32_t count, void *memory);

uint64_t hw__window_key(uint64_t seed, uint64_t epoch);
/* Draw all passes whose centre is in [from, from + count); returns their number. */
uint32_t hw__window_draw(const hw__window_plan *p, uint64_t key, uint32_t from, uint32_t count, hw__window_draws *d);

/* The pass at `at` of the list; returns where the next one stands. */
static inline const uint32_t *hw__window_next(const uint32_t *at, hw__window_pass *pass)
{
    *pass = (hw__window_pass){at[0], at[1], at[2], at + 3, at + 3 + at[1]};
    return at + 3 + at[1] + at[2];
}

#endif
