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

/* parts: at most 65535, and at most the users and the items; 0: no blocks, in the order that the ratings have. */
hw_status hw__factorize_grid_create(hw__factorize_grid **grid, const hw_ratings *ratings, unsigned parts, uint64_t seed,
                                    double scale, char *why);
/* 1 without a grid (NULL). */
static inline double hw__factorize_scale(const hw__factorize_grid *grid)
{
    return grid ? grid->scale : 1;
}
void hw__factorize_grid_free(hw__factorize_grid *grid);

#endif
