/* grid.h (internal) - ratings in the order of blocks that share neither users nor items. */
#ifndef HW__MODEL_GRID_H
#define HW__MODEL_GRID_H

#include "hogwild/objective.h"
#include "hogwild/tables.h"

typedef struct hw__factorize_grid {
    hw_rating *rating; /* all of them, block after block, values divided by `scale` */
    double scale;
    hw_block *block; /* groups: a part of users, and parts + a part of items */
    uint32_t blocks; /* at most parts^2: empty ones are left out */
} hw__factorize_grid;

/* parts: at most 65535, and at most the users and the items. */
hw_status hw__factorize_grid_create(hw__factorize_grid **grid, const hw_ratings *ratings, unsigned parts, uint64_t seed,
                                    char *why);
/* The same without blocks: a copy in the order that they have. */
hw_status hw__factorize_grid_copy(hw__factorize_grid **grid, const hw_ratings *ratings, char *why);
void hw__factorize_grid_divide(hw__factorize_grid *grid, uint32_t count, double scale);
void hw__factorize_grid_free(hw__factorize_grid *grid);

#endif
