/* checkpoint.h (internal) - the parts of a checkpoint file: header, checksum, data. docs/formats.md describes them. */
#ifndef HW__CHECKPOINT_CHECKPOINT_H
#define HW__CHECKPOINT_CHECKPOINT_H

#include "../base/files.h"
#include "hogwild/advanced/state.h"
#include "hogwild/checkpoint.h"
#include "../base/base.h"

/* Every file's header begins so: the checksum's digits stand at one place, whatever the rest looks like. */
#define CHECKPOINT_PREFIX  "{\"__metadata__\":{\"checksum\":\""
#define CHECKPOINT_LENGTH  8u                             /* bytes of the header's length, before it */
#define CHECKPOINT_DIGITS  24u                            /* of the checksum */
#define CHECKPOINT_AT      (sizeof CHECKPOINT_PREFIX - 1) /* where they stand in the header */
#define CHECKPOINT_HEADER  100000000u                     /* safetensors readers take no longer header */
#define CHECKPOINT_VERSION 1

/* Two sums in one: CRC-32 finds every flipped bit and every burst of 32, the 64 bits of `mix` what chance lets past it.
 */
typedef struct hw__checkpoint_sum {
    uint32_t crc;
    uint64_t mix, bytes;
    unsigned char word[8]; /* the last bytes % 8 bytes */
} hw__checkpoint_sum;
void hw__checkpoint_sum_begin(hw__checkpoint_sum *sum);
void hw__checkpoint_sum_add(hw__checkpoint_sum *sum, const void *data, size_t size);
void hw__checkpoint_sum_digits(const hw__checkpoint_sum *sum, char digits[CHECKPOINT_DIGITS + 1]);

/* What a JSON text of `size` bytes, the header or the document within, can cost in memory until its values stand in a
 * state, from above; and what may be spent on a file of `bytes` bytes. A text that would cost more is refused; the
 * writer fills up with spaces instead. */
uint64_t hw__checkpoint_cost(const char *json, size_t size, bool document);
uint64_t hw__checkpoint_budget(uint64_t bytes);

/* The arrays in the order of the file (larger elements first, so that all are aligned), NULL at the end. *cursor
 * starts at 0. */
const hw_entry *hw__checkpoint_next_array(const hw_state *state, size_t *cursor);

/* The safetensors names of the types. name: NULL for none. */
const char *hw__checkpoint_dtype_name(hw_dtype dtype);
bool hw__checkpoint_dtype_find(const char *name, hw_dtype *dtype);

/* The file's length field and header, the checksum as zeros; *size bytes in all, released with hw__base_free. name: of
 * the file, for sentences. */
hw_status hw__checkpoint_header(const hw_state *state, const char *name, char **header, size_t *size, char *why);

/* Fill an empty state from a header's JSON: the values, and the arrays as zeros, first and in the order of the file.
 * data: bytes of the file after the header. */
hw_status hw__checkpoint_entries(hw_state *state, const char *json, size_t size, uint64_t data, const char *name,
                                 char *why);

/* Where a checkpoint is read from: memory, or a file where bytes is NULL. size bytes in all. */
typedef struct hw__checkpoint_source {
    const unsigned char *bytes;
    int file;
    uint64_t size, at;
} hw__checkpoint_source;
hw_status hw__checkpoint_read(hw_state *state, hw__checkpoint_source *source, const char *name, char *why);

#endif
