/* ratings.h (internal) - what the files of ratings share. */
#ifndef HW__DATA_TABLES_RATINGS_H
#define HW__DATA_TABLES_RATINGS_H

#include "hogwild/tables.h"
#include <stdbool.h>

/* Mean, smallest and largest value. */
void hw__ratings_measure(hw_ratings *r);
/* NULL stays NULL; false: no memory. */
bool hw__ratings_copy_ids(uint64_t **to, const uint64_t *from, uint32_t count);

#endif
