/* finite.c - whether floats are finite, many at once. */
#include "base.h"
#include "cpu.h"
#include <string.h>

/* An exponent of ones carries into the top bit, and nothing else does: additions and ors, which every vector unit has.
 */
HW__HOT static uint32_t carries(const float *x, size_t n)
{
    uint32_t carried = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        carried |= (u & 0x7f800000u) + 0x00800000u;
    }
    return carried;
}

bool hw__base_all_finite(const float *x, size_t n)
{
    return carries(x, n) >> 31 == 0;
}
