/* base.h (internal) - sentences, aligned memory, draws and finite numbers; no training words here. */
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

/* The next of the numbers that begin with *state (Steele, Lea, Flood). */
static inline uint64_t hw__base_splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* hw_permute of positions first .. first + n - 1, many at once. first + n <= 2^32. */
void hw__base_permute(uint64_t seed, uint64_t epoch, uint32_t count, uint32_t first, size_t n, uint32_t *at);

/* Sorts x, and may take memory for that. NaN of nothing. */
double hw__base_median(double *x, size_t n);

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

/* The next multiple of `step` (a power of two) at or above n. */
static inline size_t hw__round_up(size_t n, size_t step)
{
    return (n + step - 1) & ~(step - 1);
}

/* What a block of so many bytes takes: whole lines, one at least. */
static inline size_t hw__line_bytes(size_t bytes)
{
    return bytes ? hw__round_up(bytes, HW_LINE) : HW_LINE;
}

/* Floats up to whole lines. */
static inline size_t hw__whole_lines(size_t floats)
{
    return hw__round_up(floats, HW_LINE / sizeof(float));
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

/* Processors by the control groups that the file `groups` names below the folder `root`; 0: no limit. */
double hw__base_quota(const char *groups, const char *root);

/* How many rows a table of the headers has (HW_POLICY_TABLE and its like). */
#define HW__ONE(value, row, name, help) +1
#define HW__ROWS(table)                 (0 table(HW__ONE))

#endif
