/* bytes.h (internal) - numbers as little-endian bytes, whatever the machine. */
#ifndef HW__BASE_BYTES_H
#define HW__BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The lowest n <= 8 bytes of x. */
static inline void hw__bytes_put(void *to, uint64_t x, unsigned n)
{
    unsigned char *at = to;
    for (unsigned i = 0; i < n; i++) at[i] = (unsigned char)(x >> 8 * i);
}

static inline uint64_t hw__bytes_get(const void *from, unsigned n)
{
    const unsigned char *at = from;
    uint64_t x = 0;
    for (unsigned i = 0; i < n; i++) x |= (uint64_t)at[i] << 8 * i;
    return x;
}

/* Whether arrays in memory are as they are in files. */
static inline bool hw__bytes_native(void)
{
    const uint32_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

#endif
