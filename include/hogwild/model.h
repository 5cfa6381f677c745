/* model.h - ready objectives on private buffers: a quadratic with a known curvature, linear models on dense rows, and
 * streaming principal component analysis.
 *
 * Data is borrowed and read-only while the objective is in use; any number of threads may use it. */
#ifndef HOGWILD_MODEL_H
#define HOGWILD_MODEL_H

#include "objective.h"
#include "optimizer.h"
#include "tables.h"

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

/* Linear models on sparse rows: mean loss over rows plus l2/2 |weights|^2 plus l1 |weights|_1 (neither on intercepts).
 *
 *   SQUARED, LOGISTIC, HINGE, SQUARED_HINGE: parameters are columns weights, then the intercept if there is one;
 * targets are -1, +1 (SQUARED: any). SOFTMAX: columns x classes, the classes of a column side by side, then classes
 * intercepts; targets 0 .. classes - 1.
 *
 * l2 is lazy: a step decays the touched weights only, by l2 / (share of the rows that the column is in), which is exact
 * in expectation wherever learning rate times that is at most 1 (it is capped there). l1 is cumulative (Tsuruoka,
 * Tsujii, Ananiadou 2009) and needs hw_sparse_linear_rule. With sgd without momentum or adagrad, and without l1, a step
 * of all but SOFTMAX reads and updates in place (hw_config.sweep). Momentum acts on the touched coordinates only: a
 * weight that is not in a row keeps its velocity and does not move. For averaged weights see hw_config.average_every.
 *
 * Metrics: mean loss (with the penalty), then, for the classifiers, accuracy; on the test rows where there are any. */
typedef struct hw_sparse_linear {
    size_t struct_size;
    hw_sparse_loss loss;
    const hw_sparse *train, *test; /* test may be NULL                                                      */
    unsigned classes;              /* SOFTMAX, 2 .. 256                                                     */
    double l2, l1;
    int intercept;
    const float *class_weight; /* one a class (-1, +1: two entries), or NULL; SQUARED: NULL                     */
    uint32_t batch;            /* largest minibatch, 1 by default                                               */
    unsigned prefetch;         /* rows ahead whose weights are asked for; 0: none                               */
    void *plan;                /* the objective's, until hw_sparse_linear_free                                  */
} hw_sparse_linear;
HW_API hw_sparse_linear hw_sparse_linear_defaults(hw_sparse_loss loss, const hw_sparse *train);
/* size: sizeof(hw_objective), which hw_sparse_linear_objective says by itself. */
HW_API hw_status hw_sparse_linear_objective_init(hw_sparse_linear *model, hw_objective *objective, size_t size,
                                                 char *why);
static inline hw_status hw_sparse_linear_objective(hw_sparse_linear *model, hw_objective *objective, char *why)
{
    return hw_sparse_linear_objective_init(model, objective, sizeof *objective, why);
}
HW_API void hw_sparse_linear_free(hw_sparse_linear *model);
/* The rule for l1, for hw_optimizer.user_rule (rule user): plain SGD on `schedule` (constant or inv), then the weight
 * is cut towards 0 by what it has been spared of the total penalty so far, l1 times the sum of all learning rates of
 * the schedule: not for config.own_steps, whose rates are others. One float of state a parameter. Borrows the model. */
HW_API hw_status hw_sparse_linear_rule(hw_sparse_linear *model, const hw_schedule *schedule, hw_rule *rule, char *why);
/* Scores of row `row` of a data set with as many columns or fewer: 1, or classes, values. */
HW_API void hw_sparse_linear_scores(const hw_sparse_linear *model, const float *params, const hw_sparse *rows,
                                    uint32_t row, double *score);

/* Matrix factorisation: value ~ mean + b_u + b_i + p_u . q_i, loss (1/2) e^2 + l2/2 (|p_u|^2 + |q_i|^2 + b_u^2 + b_i^2)
 * for every rating, so that a row is decayed as often as it is met (the losses that steps report leave the penalty
 * out). The parameters are laid out as hw_pairs says: rows of users, of items, heads of users, of items, each row
 * padded to 16 floats. adagrad: one sum a row, as LIBMF keeps it (params.h); the step then makes raw deltas, and the
 * engine takes rule sgd without momentum. Without it every rule applies, and momentum acts on the touched rows only.
 * grid > 0: users and items are cut into grid parts each and the ratings into grid^2 blocks, which no two workers share
 * rows of (hw_objective.block); ratings are ordered by block, in random order within each. At least as many parts as
 * workers. Metric 0: mean squared error, on test where there is one. */
typedef struct hw_factorize {
    size_t struct_size;
    const hw_ratings *train, *test; /* test may be NULL; users and items of train bound both                  */
    unsigned rank;                  /* 1 .. 1024                                                              */
    double l2;
    int biases, adagrad;
    unsigned grid;
    uint32_t batch; /* largest minibatch, 1 by default */
    uint64_t seed;  /* of the blocks' order            */
    hw_pairs pairs; /* the layout; set by hw_factorize_objective */
    void *plan;
    /* What a value is divided by in training, so that learning rate, l2 and start mean the same whatever the ratings'
     * scale is; predictions and metrics are in the ratings' own, the losses of steps in units of it. 0 (default): their
     * standard deviation; 1: nothing. */
    double scale;
} hw_factorize;
/* Into the first `size` bytes of *model: sizeof(hw_factorize) of the header at hand. HW_E_ARGUMENT: NULL, or shorter
 * than any release's. */
HW_API hw_status hw_factorize_init(hw_factorize *model, size_t size, const hw_ratings *train, unsigned rank);
static inline hw_factorize hw_factorize_defaults(const hw_ratings *train, unsigned rank)
{
    hw_factorize m;
    (void)hw_factorize_init(&m, sizeof m, train, rank);
    return m;
}
HW_API hw_status hw_factorize_objective(hw_factorize *model, hw_objective *objective, char *why);
HW_API void hw_factorize_free(hw_factorize *model);
/* Small random rows (uniform in [0, scale) / sqrt(rank), scale 0: 0.1 with biases, 1 without), biases 0, sums of
 * squares
 * 1. params: as many as the objective has. */
HW_API void hw_factorize_start(const hw_factorize *model, double scale, uint64_t seed, float *params);
/* In the ratings' scale, while the model has its objective: not after hw_factorize_free. */
HW_API double hw_factorize_predict(const hw_factorize *model, const float *params, uint32_t user, uint32_t item);

/* Word vectors with negative sampling (Mikolov et al. 2013): for a centre word c and each word o of its window,
 * log sigma(v_o . u_c) + sum of k negatives log sigma(-v_o . u_n) in the way of word2vec.c (the window's word is the
 * input), CBOW: the mean of the window's inputs. Subsampling keeps a word of frequency f with probability
 * (sqrt(f / sample) + 1) sample / f; the window is 1 .. window wide, drawn for each centre; negatives are drawn by
 * count^(3/4). All of it depends on seed, epoch and position only. An example is one position of the corpus.
 * Parameters: two rows of `stride` floats a word, input then output, most frequent words first, so that
 * hw_config.exchanged covers the hottest ones. Momentum is not used by the sweep's rule (sgd, momentum 0); by steps it
 * acts on the touched rows only. Metric 0: the mean loss on fixed pairs. */
typedef struct hw_skipgram {
    size_t struct_size;
    const hw_corpus *corpus;
    unsigned dimension, window, negatives; /* 100, 5, 5 */
    double sample;                         /* 1e-4; 0: no subsampling */
    int cbow;
    int shared_negatives; /* one draw of negatives for all words of a window: faster, about as good */
    size_t stride;        /* floats a row, set by hw_skipgram_objective */
    void *plan;
} hw_skipgram;
HW_API hw_skipgram hw_skipgram_defaults(const hw_corpus *corpus);
HW_API hw_status hw_skipgram_objective(hw_skipgram *model, hw_objective *objective, char *why);
HW_API void hw_skipgram_free(hw_skipgram *model);
/* Inputs uniform in (-1/2, 1/2) / dimension, outputs 0. */
HW_API void hw_skipgram_start(const hw_skipgram *model, uint64_t seed, float *params);

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
