/* lowrank.h (internal) - the truth behind generated ratings: biases and factors of a known rank. */
#ifndef HW__DATA_TABLES_LOWRANK_H
#define HW__DATA_TABLES_LOWRANK_H

#include "hogwild/tables.h"

typedef struct lowrank {
    unsigned rank;
    float mean;
    float *user, *item; /* users and items times rank + 1: the factors, then the bias */
} lowrank;

/* The truth of a plan: that of user u depends on (seed, rank, u) only, likewise that of an item. */
hw_status hw__lowrank_draw(const hw_ratings_plan *plan, lowrank *truth, char *why);
void hw__lowrank_free(lowrank *truth);

/* mean + user bias + item bias + p . q, without noise. */
float hw__lowrank_score(const lowrank *truth, uint32_t user, uint32_t item);

#endif
