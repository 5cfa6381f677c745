/* access.c - between a private vector and the parts of it that an access covers. */
#include "access.h"

void hw__access_gather(const hw__extent *x, const float *from, float *values)
{
    for (size_t r = 0, i = 0; r < x->n; r++) {
        size_t first, n = hw__extent_part(x, r, &first);
        for (size_t j = 0; j < n; j++) values[i++] = from[first + j];
    }
}

void hw__access_scatter(const hw__extent *x, const float *g, float *dense, size_t parameters)
{
    for (size_t i = 0; i < parameters; i++) dense[i] = 0;
    for (size_t r = 0, i = 0; r < x->n; r++) {
        size_t first, n = hw__extent_part(x, r, &first);
        for (size_t j = 0; j < n; j++) dense[first + j] += g[i++];
    }
}
