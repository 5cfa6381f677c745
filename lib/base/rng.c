/* rng.c - xoshiro256** streams, a keyed permutation, and the monotonic clock. */
#include "base.h"
#include <math.h>
#include <time.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void hw_rng_seed(hw_rng *rng, uint64_t seed, uint64_t stream)
{
    /* Two rounds of mixing keep (seed, stream) and (seed + 1, stream - 1) far apart. */
    uint64_t state = seed;
    state = splitmix(&state) ^ (stream * 0xd1342543de82ef95u + 0x632be59bd9b4e019u);
    for (int i = 0; i < 4; i++) rng->s[i] = splitmix(&state);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t hw_rng_next(hw_rng *rng)
{
    uint64_t *s = rng->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double hw_rng_uniform(hw_rng *rng)
{
    return (double)(hw_rng_next(rng) >> 11) * 0x1.0p-53;
}

uint64_t hw_rng_below(hw_rng *rng, uint64_t bound)
{
    if (bound < 2) return 0;
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, x;
    do x = hw_rng_next(rng);
    while (x >= limit);
    return x % bound;
}

double hw_rng_normal(hw_rng *rng)
{
    double x, y, r;
    do {
        x = 2 * hw_rng_uniform(rng) - 1;
        y = 2 * hw_rng_uniform(rng) - 1;
        r = x * x + y * y;
    } while (r >= 1 || r == 0);
    return x * sqrt(-2 * log(r) / r);
}

size_t hw__base_draw(const double *share, size_t n, hw_rng *rng)
{
    double u = hw_rng_uniform(rng);
    size_t low = 0, high = n - 1; /* the first whose cumulative share is above u */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (share[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t hw_permute(uint64_t seed, uint64_t epoch, uint32_t count, uint32_t i)
{
    if (count < 2) return 0;
    /* A balanced Feistel network on the smallest even number of bits that holds count, walked until it lands
     * below count: at most four steps on average, and a bijection by construction. */
    unsigned bits = 2;
    while (bits < 32 && ((uint64_t)1 << bits) < count) bits += 2;
    unsigned half = bits / 2;
    uint32_t mask = ((uint32_t)1 << half) - 1;
    uint64_t key = seed ^ (epoch * 0x9e3779b97f4a7c15u), keys[6];
    for (int r = 0; r < 6; r++) keys[r] = splitmix(&key);
    uint32_t x = i;
    do {
        uint32_t left = x >> half, right = x & mask;
        for (int r = 0; r < 6; r++) {
            uint64_t h = (right + keys[r]) * 0xbf58476d1ce4e5b9u;
            h = (h ^ (h >> 29)) * 0x94d049bb133111ebu;
            uint32_t next = left ^ ((uint32_t)(h >> 32) & mask);
            left = right;
            right = next;
        }
        x = (left << half) | right;
    } while (x >= count);
    return x;
}

uint64_t hw_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
