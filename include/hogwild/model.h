/* model.h - ready objectives on private buffers: a quadratic with a known curvature, linear models on dense rows, and
 * streaming principal component analysis.
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

/* Streaming principal component analysis (Liu et al., eq. 5) with Gaussian samples X ~ N(0, diag(eigenvalue)): the
 * stochastic gradient at v is -(I - v v^T) X X^T v, fresh X every step. `replicas` independent runs stand side by side
 * in one vector (v of replica r at r * dimension), see the same schedule of reads and writes, and draw their own X.
 * Parameters: dimension * replicas; start from hw_pca_start. A stream: examples is 0; the minibatch is 1.
 *   metric 0: mean over replicas of 1 - v_1^2 / |v|^2   metric 1: share of the replicas that have not diverged
 * A replica with |v|^2 above 10^6 has diverged: its gradient is 0 from there on, and its error counts as 1. */
typedef struct hw_pca {
    unsigned dimension, replicas;
    const float *eigenvalue; /* dimension entries, positive; the first is the largest */
} hw_pca;
HW_API hw_status hw_pca_objective(hw_pca *model, hw_objective *objective, char *why);
/* Every replica at the unit vector `axis`. params: dimension * replicas. */
HW_API void hw_pca_start(const hw_pca *model, unsigned axis, float *params);

#ifdef __cplusplus
}
#endif
#endif
