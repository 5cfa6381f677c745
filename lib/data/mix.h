/* mix.h (internal) - the mixer of this room's hash tables, and their keys. It is no random number generator. */
#ifndef HW__DATA_MIX_H
#define HW__DATA_MIX_H

#include "hogwild/base.h"
#include <string.h>

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of x changes every bit of the result by halves. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A key that the author of a file cannot know: without it a file of chosen ids or words would fall into one chain and
 * take quadratic time. Tables only answer by number, so that no result depends on it. */
static inline uint64_t mix_key(const void *any)
{
    return mix(hw_now() ^ mix((uint64_t)(uintptr_t)any + 0x9e3779b97f4a7c15u));
}

/* Of a text's bytes under such a key. */
static inline uint64_t mix_bytes(uint64_t key, const char *text, size_t length)
{
    uint64_t h = key ^ length, eight;
    for (; length > 8; length -= 8, text += 8) {
        memcpy(&eight, text, 8);
        h = mix(h ^ eight) + key;
    }
    eight = 0;
    memcpy(&eight, text, length);
    return mix(h ^ eight);
}

#endif
