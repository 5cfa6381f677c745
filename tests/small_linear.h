/* small_linear.h - least squares on 64 rows of three columns, for tests of what runs allocate. */
#ifndef SMALL_LINEAR_H
#define SMALL_LINEAR_H

#include "check.h"

static float small_xs[64 * 3], small_ys[64];
static hw_linear linear = {HW_LOSS_SQUARED, 3, 0, 0, small_xs, small_ys, 64, NULL, NULL, 0};

/* Once, at the start of main. */
static inline void small_linear_fill(void)
{
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 3; j++) small_xs[3 * i + j] = sinf((float)(3 * i + j) * 1.9f);
        small_ys[i] = small_xs[3 * i];
    }
}

#endif
