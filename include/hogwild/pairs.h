/* pairs.h - a matrix that is known in few places: its entries, and how the parameters that factorise it are laid out.
 */
#ifndef HOGWILD_PAIRS_H
#define HOGWILD_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One entry of a matrix that is known in few places: a user's rating of an item, rows numbered from 0. */
typedef struct hw_rating {
    uint32_t user, item;
    float value;
} hw_rating;

/* The layout of a factorisation's rows and heads: hw_params_pairs (advanced/params.h) says what a step does to them. */
typedef struct hw_pairs {
    size_t a, b, head_a, head_b, stride;
    unsigned rank;
    float mean, l2;
    int biases, adagrad;
    uint32_t apart; /* floats from one head to the next: HW_PAIRS_APART, or anything else for 2, as in 0.1 */
} hw_pairs;

/* A line each, so that no two workers write to the same one. */
#define HW_PAIRS_APART 16
static inline size_t hw_pairs_apart(const hw_pairs *p)
{
    return p->apart == HW_PAIRS_APART ? HW_PAIRS_APART : 2;
}

#ifdef __cplusplus
}
#endif
#endif
