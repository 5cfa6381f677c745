/* hash.h (internal) - a 64-bit hash of bytes (FNV-1a), for telling two configurations apart. It finds accidents, not
 * attackers. */
#ifndef HW__BASE_HASH_H
#define HW__BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HW__HASH_START UINT64_C(1469598103934665603)

static inline uint64_t hw__hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    return hash;
}

#endif
