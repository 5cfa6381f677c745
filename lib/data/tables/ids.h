/* ids.h (internal) - what a file calls its users or items, numbered from 0 in order of appearance. */
#ifndef HW__DATA_TABLES_IDS_H
#define HW__DATA_TABLES_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ids {
    uint64_t *id;   /* by number                                                */
    uint32_t *slot; /* 0: empty, else a number + 1; at most three quarters full */
    size_t slots, room;
    uint32_t count;
    uint64_t key; /* of the hash, see mix.h */
} ids;

/* The number of an id, a new one where it is new. False where there is no memory; the table stays as it was. At most
 * 2^32 - 1 different ids: the caller counts. A zeroed table is an empty one; its owner frees id and slot. */
bool hw__ids_number(ids *t, uint64_t id, uint32_t *number);

#endif
