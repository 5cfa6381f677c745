/* grid.h (internal) - ratings in the order of blocks that share neither users nor items. */
#ifndef HOGWILD_LIB_GRID_H
#define HOGWILD_LIB_GRID_H

#include "hogwild/objective.h"
#include "hogwild/tables.h"

typedef struct factorize_grid {
    hw_rating *rating; /* all of them, block after block */
    hw_block *block;   /* groups: a part of users, and parts + a part of items */
    uint32_t blocks;   /* at most parts^2: empty ones are left out */
} factorize_grid;

/* parts: at most 65535, and at most the users and the items. */
hw_status factorize_grid_create(factorize_grid **grid, const hw_ratings *ratings, unsigned parts, uint64_t seed,
                                char *why);
void factorize_grid_free(factorize_grid *grid);

#endif
