/* model.h - ready objectives on private buffers: a quadratic with a known curvature, and linear models on dense rows.
 *
 * Data is borrowed and read-only while the objective is in use; any number of threads may use it. */
#ifndef HOGWILD_MODEL_H
#define HOGWILD_MODEL_H

#include "objective.h"

#ifdef __cplusplus
extern "C" {
#endif

/* f(x) = 1/2 sum_j curvature_j (x_j - optimum_j)^2, with Gaussian gradient noise of standard deviation `noise` a
 * coordinate (fresh per worker and step). A stream: examples is 0. curvature and optimum: parameters floats each. */
typedef struct hw_quadratic {
    size_t parameters;
    const float *curvature, *optimum;
    double noise;
} hw_quadratic;
HW_API hw_status hw_quadratic_objective(hw_quadratic *model, hw_objective *objective, char *why);

/* Mean loss over rows of x (count x features, row-major) plus l2/2 |weights|^2.
 *   SQUARED, LOGISTIC, HINGE: parameters are features weights and an intercept; LOGISTIC and HINGE take targets -1, +1;
 *   SOFTMAX: classes x (features + 1), the intercept last in each row; targets are classes 0 .. classes - 1.
 * Metrics: loss; for the classifiers also accuracy, on the evaluation rows where there are any. */
typedef enum hw_linear_loss { HW_LOSS_SQUARED, HW_LOSS_LOGISTIC, HW_LOSS_HINGE, HW_LOSS_SOFTMAX } hw_linear_loss;
typedef struct hw_linear {
    hw_linear_loss loss;
    size_t features;
    unsigned classes; /* SOFTMAX only */
    double l2;
    const float *x, *target;
    uint32_t count;
    const float *test_x, *test_target; /* may be NULL */
    uint32_t test_count;
} hw_linear;
HW_API hw_status hw_linear_objective(hw_linear *model, hw_objective *objective, char *why);

#ifdef __cplusplus
}
#endif
#endif
