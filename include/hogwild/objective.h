/* objective.h - what a user writes: read, gradient, write, for one minibatch; and evaluation.
 *
 *     static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
 *     {
 *         const float *x = hw_read(w);
 *         double loss = my_gradient(self, hw_scratch(w), batch, x, hw_gradient(w));
 *         return hw_write(w, loss);
 *     }
 *
 * A step is one pair of a read and a write or more; each pair is one update. Under SYNC and GROUPS it is exactly one.
 * The same code runs under every scheduler. Code between read and write owns private memory only. */
#ifndef HOGWILD_OBJECTIVE_H
#define HOGWILD_OBJECTIVE_H

#include "base.h"
#include "modes.h"
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A worker's handle, valid during the callback it is passed to, in that thread. */
typedef struct hw_worker hw_worker;

typedef struct hw_batch {
    const uint32_t *index; /* indices into the user's data; NULL for a stream (examples = 0)                        */
    uint32_t count;        /* examples of this part, >= 1                                                           */
    uint32_t offset;       /* position of index[0] in the whole minibatch (> 0 only where threads share one)        */
    uint32_t whole;        /* examples of the whole minibatch                                                       */
    uint64_t step;         /* the ticket: 0, 1, 2 ... ; augmentation and dropout depend on seed, ticket and position */
    uint64_t epoch;
    uint64_t seed; /* the run's                                                                             */
} hw_batch;

#define HW_METRICS 4

/* A named part of the parameter vector, row-major from `first` on: what a checkpoint calls its tensors. */
typedef struct hw_tensor {
    char name[48];
    unsigned dims; /* 1 .. 4 */
    uint64_t shape[4];
    size_t first;
} hw_tensor;

/* A stretch of the parameters that a step reads and writes by itself (hw_read_layer), of a net usually one layer's
 * weights and biases. held: for how much of a step, from that read to that write, in (0, 1]; SIMULATED and the first
 * settings of a run go by it, real threads measure. */
typedef struct hw_layer {
    char name[48];
    size_t first, count;
    double held;
} hw_layer;

/* Where the loss is most curved. direction[parameters], zeros when it is asked for, gets the leading eigenvector of the
 * Hessian, of any length, or something near it (of a linear model: its mean row); entries that hardly matter may stay
 * 0, and where all do it is not known. curvature[0] is the curvature along it and curvature[1] the largest one across
 * it, per unit of length, both of the mean loss over the examples; what is too large costs some speed, what is too
 * small lets workers overshoot. */
typedef hw_status (*hw_principal)(void *self, float *direction, double curvature[2]);

typedef struct hw_objective {
    size_t struct_size; /* sizeof(hw_objective); set by hw_objective_defaults()                                    */
    const char *name;
    void *self; /* passed to every callback; borrowed                                                      */
    size_t parameters;
    uint32_t examples;    /* in the training set; 0: a stream of the user's own                                      */
    uint32_t batch_limit; /* largest minibatch that scratch is planned for; 0: none                                 */

    /* One of the two. step: see above. loss_gradient: the conventional form; fills g[parameters] with the mean
     * gradient over the batch and returns the mean loss. Called by many threads at once. For the curvature that AUTO
     * follows (hw_config.curvature not below 0) a worker calls it from within a write, with a scratch of its own, under
     * number 0: what a step keeps by hw_worker_id, holds locked or has in thread-local buffers must bear that. */
    hw_status (*step)(void *self, hw_worker *w, const hw_batch *batch);
    double (*loss_gradient)(void *self, void *scratch, const hw_batch *batch, const float *x, float *g);

    /* Beside step, for steps of some hundred nanoseconds and less: run->count updates of one example each, in a row, in
     * place, through the hw_sweep_ calls of advanced/sweep.h; the sum of their losses into *loss. Tickets run->step,
     * run->step + 1,
     * ... in one epoch. The engine uses it where hw_config.sweep lets it, and step for what is measured in between. In
     * SEQUENTIAL both give the same parameters to rounding (to first order in the learning rate where a sweep's example
     * reads what it has just written, as word vectors do). May be NULL. */
    hw_status (*sweep)(void *self, hw_worker *w, const hw_batch *run, double *loss);
    int sweep_sgd; /* it knows plain SGD only: with rule adagrad the engine steps */
    /* Blocks of examples that no two workers shall have at once where they share a group (rows of users, columns of
     * items): ASYNC and SEQUENTIAL then hand out whole blocks, each once an epoch, never two that share a group.
     * blocks = 0: none. Borrowed. Examples of a block are block.first .. first + count - 1. */
    const struct hw_block *block;
    uint32_t blocks, block_groups;

    /* Private memory of one executing thread: zeroed, 64-byte aligned; init and free may be NULL. */
    size_t scratch_bytes;
    hw_status (*scratch_init)(void *self, void *scratch);
    void (*scratch_free)(void *self, void *scratch);

    /* Evaluation: add to sums[0 .. metrics-1] over examples first .. first + count - 1 of the evaluation set, at
     * parameters x. Reported metrics are sums / evaluation_examples; metric 0 is a loss (lower is better), the others
     * are scores (higher is better). NULL: none. Workers are parked meanwhile and run chunks of it in parallel; sums
     * are added in a fixed order; neither its time nor the wait for the last step before it is charged to training. */
    hw_status (*evaluate)(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums);
    uint32_t evaluation_examples, evaluation_chunk; /* chunk: 0 = 500 */
    unsigned metrics;                               /* 1 .. HW_METRICS */

    size_t touched; /* sparse objectives (with a step): the most floats, and so ranges, that one access covers; 0: up to
                       all. SIMULATED keeps so much for each virtual worker; without it every read there is a read
                       of all parameters */
    size_t hot;     /* so many leading parameters get most of the accesses (0: not known): what a chosen exchange
                       interval keeps in replicas, where the others can be written as ever */
    int raw;        /* its steps write raw deltas by a rule of their own: another rule, momentum, weight decay, clipping
                       and age are refused */
    int network;    /* a neural network: it trains above the linear stability bound of its first curvature, see
                       hw_compensation.margin */
    int blas;       /* the callbacks call BLAS: the engine holds it at one thread while it runs */

    /* Optional: names for parts of the parameters, which may not overlap. Borrowed while an engine lives. A state holds
     * nothing of the objective's own: what steps and sweeps keep in self or in their scratch from one to the next is
     * not in it. */
    const struct hw_tensor *tensors;
    size_t tensor_count;
    /* since 0.2: what step reads and writes layer by layer: all parameters, in their order. Borrowed. NULL: it does
     * not. */
    const struct hw_layer *layers;
    size_t layer_count;
    /* since 0.2: for the exchange of replicas, whose length it bounds and whose sums it corrects (hw_config.
     * exchange_interval). Called when an engine is made in which several workers exchange replicas of all parameters
     * under plain SGD at one rate, and over ranks, on rank 0. NULL: not known. */
    hw_principal principal;
    /* since 0.2: its sweep decays all parameters in every step (hw_linear_rows.l2) where they are its worker's own,
     * which is quick on a replica: a chosen exchange interval gives one worker one too. Called when an engine is made;
     * all: steps that decay what they touch are not going to come, so that nothing need be kept for them. NULL: it does
     * not.
     */
    hw_status (*shrinks)(void *self, int all);
} hw_objective;

typedef struct hw_block {
    uint32_t first, count;
    uint32_t group[2]; /* below block_groups; a worker keeps the first from one block to the next where it can */
} hw_block;

/* An objective of nothing but a name and so many parameters. size: sizeof(hw_objective). */
HW_API hw_status hw_objective_init(hw_objective *objective, size_t size, const char *name, size_t parameters);
static inline hw_objective hw_objective_defaults(const char *name, size_t parameters)
{
    hw_objective objective;
    (void)hw_objective_init(&objective, sizeof objective, name, parameters);
    return objective;
}

/* One evaluation of a run: what was measured, when, and what was in force. */
typedef struct hw_evaluation {
    uint64_t update;
    double epoch, seconds; /* of training; evaluation not counted                      */
    double train_loss;     /* mean of the steps since the evaluation before            */
    double metric[HW_METRICS];
    double virtual_time;                   /* SIMULATED: units of mean work; 0 elsewhere               */
    double staleness;                      /* mean since the start                                     */
    double momentum, learning_rate, ahead; /* in force                                     */
} hw_evaluation;

/* --- inside a step -------------------------------------------------------------------------------------------------
 */

/* The parameters, plus the look-ahead where a policy asks for it. Never fails; 64-byte aligned; valid until the write.
 */
HW_API const float *hw_read(hw_worker *w);
/* The same in the caller's memory: unchanged until the write (weight decay and delay compensation look at it). */
HW_API void hw_read_into(hw_worker *w, float *values);
/* This worker's private gradient buffer, parameters floats, 64-byte aligned; contents unspecified. */
HW_API float *hw_gradient(hw_worker *w);
/* Apply the rule to the gradient in hw_gradient(w) (or g, which is not changed) and record the staleness. Returns
 * HW_OK, or a status to be returned from step at once. The worker may park in it and evaluate: what a step keeps in its
 * scratch does not survive its write where the objective evaluates. */
HW_API hw_status hw_write(hw_worker *w, double loss);
HW_API hw_status hw_write_from(hw_worker *w, const float *g, double loss);

/* Layer by layer (objective.layers): a layer is read where the forward pass comes to it, and its gradient lands as soon
 * as the backward pass has it, so that it grows old only between the two: held for a share f of the step by each of M
 * workers, by about f (M - 1) updates instead of M - 1. hw_write ends the step, which is one update; it lands what has
 * not landed yet.
 *
 *     const float *x = hw_read_layer(w, 0);      all layers' values stand in one array: x + layers[i].first ...
 *     ... hw_read_layer(w, 1) ...                each before its values are used; a second read changes nothing
 *     ... hw_write_layer(w, 1), hw_write_layer(w, 0)   their gradients stand in hw_gradient(w), finished
 *     return hw_write(w, loss);
 *
 * The same step runs everywhere: where layers cannot go by themselves (hw_config.layers), the first read is one of all
 * parameters and nothing lands before hw_write; so it is, with any number, where the objective names no layers.
 * Returned is where parameter 0 stands; NULL: there is no such layer. A layer whose gradient is not finite, and all
 * after it in that step, do not land; what has landed before stays, also where the loss turns out not to be finite or
 * to diverge, or the step returns an error. The clock counts it (beside hw_result.skipped) where the run goes on. A
 * status other than HW_OK is to be returned from step at once. Every layer is read in every step, nothing else is read
 * or written in it, and the gradient of a written layer stays as it is until hw_write. */
HW_API const float *hw_read_layer(hw_worker *w, size_t layer);
HW_API hw_status hw_write_layer(hw_worker *w, size_t layer);

/* Ranges, packed one after the other, and single coordinates: indices < parameters, unique within a call. The lists
 * stay the caller's and unchanged from the read to the write; a write covers what its read covered (weight decay uses
 * the values read). Momentum acts on the touched coordinates only. */
/* values: what was read; unchanged until the write (weight decay, delay compensation and the count of
 * collisions look at it). */
HW_API void hw_read_ranges(hw_worker *w, const hw_range *ranges, size_t n, float *values);
HW_API hw_status hw_write_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *gradients, double loss);
HW_API void hw_read_at(hw_worker *w, const uint32_t *indices, size_t n, float *values);
HW_API hw_status hw_write_at(hw_worker *w, const uint32_t *indices, size_t n, const float *gradients, double loss);
/* w += delta at the coordinates: for people with a rule of their own. Counts as an update. Under SYNC and GROUPS the
 * mean of the threads' deltas, weighted by their examples, is added. */
HW_API hw_status hw_add_at(hw_worker *w, const uint32_t *indices, size_t n, const float *delta, double loss);
HW_API hw_status hw_add_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *delta, double loss);

/* The learning rate in force for this ticket: schedule and compensation; 0 in hw_check_gradient and hw_curvature. */
HW_API double hw_learning_rate(hw_worker *w);

/* For parameters that are a running mean r of something each step measures (b), rather than trained: with the gradient
 * gain (r - b) the rule moves r by `share` of the way a step, in the long run, whatever learning rate and momentum are
 * in force at the time of the call, which is between the step's read and its write. 0 in hw_check_gradient and
 * hw_curvature; negative under rules that are not linear in the gradient. */
HW_API double hw_running_gain(hw_worker *w, double share);

/* --- services -------------------------------------------------------------------------------------------------------
 */

HW_API void *hw_scratch(hw_worker *w);
HW_API unsigned hw_worker_id(const hw_worker *w);
HW_API hw_rng *hw_random(hw_worker *w); /* the worker's own stream, from the run's seed */

/* Leave a sentence for hw_result.message; returns code (>= HW_E_USER, or a library code). */
HW_API hw_status hw_fail(hw_worker *w, hw_status code, const char *sentence);

/* --- tools on an objective -----------------------------------------------------------------------------------------
 */

typedef struct hw_gradient_report {
    size_t worst;                /* coordinate                                  */
    double analytic, difference; /* there                                       */
    double error;                /* |a - d| / max(|a|, |d|, scale), scale = rms of the probed gradients */
    size_t probes;
} hw_gradient_report;

/* Compare the objective's gradient at `params` on examples index[0 .. count-1] (count alone for a stream) with central
 * differences at `probes` random coordinates (0: all). HW_E_GRADIENT and a sentence naming the worst coordinate where
 * the error is above tolerance; HW_E_ARGUMENT: an index beyond the examples. report may be NULL. Dropout and the like
 * must depend on (seed, step) only. */
HW_API hw_status hw_check_gradient(const hw_objective *objective, const float *params, const uint32_t *index,
                                   uint32_t count, size_t probes, double tolerance, hw_gradient_report *report,
                                   char *why);

/* Largest Hessian eigenvalue of the mean loss on those examples by power iteration on differences of gradients:
 * `iterations` steps of two gradients each. */
HW_API hw_status hw_curvature(const hw_objective *objective, const float *params, const uint32_t *index, uint32_t count,
                              unsigned iterations, uint64_t seed, double *curvature, char *why);

/* since 0.2: how noisy gradients are at params: *noise, the trace of the covariance of one example's gradient, and
 * *square, the squared length of their mean, both without bias, from the count / batch batches that index[0 .. count-1]
 * hold (two at least; of a stream, index is NULL). noise / square is the noise scale of McCandlish et al. (2018), in
 * examples: much smaller minibatches want so many more updates, much larger ones save none. square may come out 0
 * where the batches are too few to see the mean. Errors as of hw_check_gradient; HW_E_ARGUMENT: fewer than two batches.
 * Nothing is kept; one thread at a time uses an objective whose self is not made for more. */
HW_API hw_status hw_gradient_noise(const hw_objective *objective, const float *params, const uint32_t *index,
                                   uint32_t count, uint32_t batch, double *noise, double *square, char *why);

#ifdef __cplusplus
}
#endif
#endif
