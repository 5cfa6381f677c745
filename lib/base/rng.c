/* rng.c - xoshiro256** streams, and the monotonic clock. */
#include "base.h"
#include <math.h>
#include <time.h>

void hw_rng_seed(hw_rng *rng, uint64_t seed, uint64_t stream)
{
    /* Two rounds of mixing keep (seed, stream) and (seed + 1, stream - 1) far apart. */
    uint64_t state = seed;
    state = hw__base_splitmix(&state) ^ (stream * 0xd1342543de82ef95u + 0x632be59bd9b4e019u);
    for (int i = 0; i < 4; i++) rng->s[i] = hw__base_splitmix(&state);
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

uint64_t hw_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
