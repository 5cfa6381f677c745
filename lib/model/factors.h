/* factors.h (internal) - a trained factorisation: its layout, parameters, and what the data called users and items. */
#ifndef HW__MODEL_FACTORS_H
#define HW__MODEL_FACTORS_H

#include "../base/base.h"
#include "hogwild/model_files.h"

/* ids of one kind: by number, and the numbers in order of their ids. */
typedef struct hw__factor_ids {
    uint64_t *id;    /* NULL: ids are the numbers */
    uint32_t *order; /* by id */
} hw__factor_ids;

struct hw_factors {
    uint32_t users, items;
    hw__factor_ids user, item;
    float low, high;
    hw_factorize model; /* its layout is what counts */
    float *x;
};

/* Rows of users, rows of items, heads of users, heads of items, for the rank and the distance that are set; floats in
 * all. */
static inline size_t hw__pairs_lay_out(hw_pairs *p, size_t users, size_t items)
{
    p->stride = hw__whole_lines(p->rank);
    p->a = 0;
    p->b = users * p->stride;
    p->head_a = p->b + items * p->stride;
    p->head_b = p->head_a + hw_pairs_apart(p) * users;
    return p->head_b + hw_pairs_apart(p) * items;
}

/* Memory for the counts and the rank that are set; ids: with ids. HW_E_MEMORY. */
hw_status hw__factors_lay_out(hw_factors *f, bool ids, char *why);
/* The numbers by id; false: an id comes twice. */
bool hw__factors_order(hw_factors *f);

#endif
