/* rows_linear.h - least squares on rows of a known answer, for tests of schedulers and runs. */
#ifndef ROWS_LINEAR_H
#define ROWS_LINEAR_H

#include "check.h"

enum { ROWS = 960, FEATURES = 24 };
static float rows[ROWS * FEATURES], targets[ROWS];
static hw_linear model = {HW_LOSS_SQUARED, FEATURES, 0, 0, rows, targets, ROWS, NULL, NULL, 0};

/* As a group's setup. */
static inline int make_data(void **state)
{
    (void)state;
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < ROWS * FEATURES; i++) rows[i] = (float)hw_rng_normal(&rng);
    for (int i = 0; i < ROWS; i++) {
        targets[i] = 0.5f;
        for (int j = 0; j < FEATURES; j++) targets[i] += rows[i * FEATURES + j] * (float)(j % 5 - 2);
    }
    return 0;
}

static inline hw_objective objective(void)
{
    hw_objective o;
    assert_int_equal(hw_linear_objective(&model, &o, NULL), HW_OK);
    return o;
}

#endif
