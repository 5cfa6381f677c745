/* base.h (internal) - sentences, aligned memory, files read whole; no training words here. */
#ifndef HW__BASE_BASE_H
#define HW__BASE_BASE_H

#include "hogwild/base.h"
#include <stdbool.h>
#include <stdio.h>

#define HW_LINE 64 /* bytes that two cores never share by accident; also the alignment of every float array */

#if defined(__GNUC__)
#define HW_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define HW_PRINTF(f, a)
#endif

/* One of 0 .. n - 1 by cumulative shares (ascending to about 1), n >= 1; one number off the stream. */
size_t hw__base_draw(const double *share, size_t n, hw_rng *rng);

/* One slot of an alias table: itself with probability share / 2^32, else the other. */
typedef struct hw__base_alias {
    uint32_t share, other;
} hw__base_alias;
/* table[n] for draws in proportion to share[n] (positive; used up). False: no memory. */
bool hw__base_alias_fill(hw__base_alias *table, double *share, uint32_t n);
static inline uint32_t hw__base_alias_draw(const hw__base_alias *table, uint32_t n, uint64_t random)
{
    uint32_t slot = (uint32_t)((random >> 32) * n >> 32);
    uint32_t itself = -(uint32_t)((uint32_t)random < table[slot].share); /* all bits or none: no branch can guess it */
    return (slot & itself) | (table[slot].other & ~itself);
}

/* Write a sentence into why[HW_WHY] (may be NULL) and return `status`. */
hw_status hw__base_fail(char *why, hw_status status, const char *format, ...) HW_PRINTF(3, 4);

/* Zeroed memory aligned to HW_LINE; NULL when it is not to be had or count * size overflows. */
void *hw__base_zalloc(size_t count, size_t size);
/* The same, contents unspecified. */
void *hw__base_alloc(size_t count, size_t size);
void hw__base_free(void *memory);

/* A whole file, plain or gzip (told apart by its first two bytes), at most `cap` bytes unpacked. The buffer grows
 * with the bytes really present. data[size] is 0. Release with hw__base_free. */
typedef struct hw__base_file {
    unsigned char *data;
    size_t size;
} hw__base_file;
hw_status hw__base_read_file(const char *path, size_t cap, hw__base_file *file, char *why);

/* The first bytes of a file, unpacked: how many of `size` there were, into *got. */
hw_status hw__base_peek_file(const char *path, unsigned char *bytes, size_t size, size_t *got, char *why);

/* A file written beside its final name and renamed over it: readers see the old one or the whole new one. */
typedef struct hw__base_writer {
    FILE *stream;
    char path[1024], temporary[1056];
} hw__base_writer;
hw_status hw__base_write_begin(hw__base_writer *writer, const char *path, char *why);
hw_status hw__base_write_end(hw__base_writer *writer, char *why); /* flush, fsync, rename; removes the file on error */

/* The next multiple of `step` (a power of two) at or above n: floats of an array up to whole lines, say. */
static inline size_t hw__round_up(size_t n, size_t step)
{
    return (n + step - 1) & ~(step - 1);
}

/* Finite by its bits, so that no compiler flag can fold it. */
static inline bool hw__base_finite(float x)
{
    union {
        float f;
        uint32_t u;
    } bits = {x};
    return (bits.u & 0x7f800000u) != 0x7f800000u;
}
static inline bool hw__base_finite_double(double x)
{
    union {
        double f;
        uint64_t u;
    } bits = {x};
    return (bits.u & 0x7ff0000000000000u) != 0x7ff0000000000000u;
}
/* All finite: the exponents are combined, so the loop vectorises and never branches. */
bool hw__base_all_finite(const float *x, size_t n);

/* A JSON string with quotes and escapes. */
void hw__base_json_string(FILE *out, const char *text);
/* A JSON number, or null where it is not finite. */
void hw__base_json_number(FILE *out, double x);

#endif
