/* sparse.h (internal) - what the files of sparse rows share: making, checking and owning a set, and its binary cache.
 * The cache's layout is told in cache.c. */
#ifndef HW__DATA_TABLES_SPARSE_H
#define HW__DATA_TABLES_SPARSE_H

#include "hogwild/tables.h"

#include <stdbool.h>

/* Zeroed arrays for the sizes; on HW_E_MEMORY nothing is allocated. */
hw_status hw__sparse_make(hw_sparse *s, uint32_t rows, uint32_t columns, uint64_t nonzeros, char *why);
/* A mapped set becomes one in memory of its own, as every change in place needs; others are left as they are. */
hw_status hw__sparse_own(hw_sparse *s, char *why);
/* NULL when every promise of hw_sparse holds, else what is wrong. Reads no entry that an offset does not allow. */
const char *hw__sparse_fault(const hw_sparse *s);

/* What a cache was made from: a cache serves only a text file that has all of it. Zeroed: nothing known. */
typedef struct hw__sparse_source {
    uint64_t size, time; /* bytes, and nanoseconds of the last change */
    int32_t base;        /* the options, as they were asked for       */
    uint32_t columns;
} hw__sparse_source;

#define SPARSE_MAGIC  "HWSPARSE"
#define SPARSE_HEADER 128u /* bytes */
#define SPARSE_SUM    64u  /* where the header holds the checksum */

/* Over whole blocks of 64 bytes, carried from call to call; lanes begin as in hw__sparse_sum. */
void hw__sparse_sum_blocks(uint64_t lane[4], const unsigned char *bytes, size_t blocks);
/* The checksum of a whole cache file of `size` bytes (a multiple of 64, at least the header). */
uint64_t hw__sparse_sum(const unsigned char *file, size_t size);

/* hw_sparse_save with a source, and hw_sparse_load that refuses another source than `expected` (NULL: any). */
hw_status hw__sparse_save(const hw_sparse *s, const hw__sparse_source *source, const char *path, char *why);
hw_status hw__sparse_load(hw_sparse *s, const hw__sparse_source *expected, const char *path, char *why);

#endif
