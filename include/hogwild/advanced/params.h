/* advanced/params.h - the shared parameter array: the only door to shared floats. For people who write an engine of
 * their own; what stands here may change from one minor version to the next.
 *
 * One handle holds `size` float32 parameters and up to three arrays of the same length beside them (velocity, last
 * gradient, or the state of a rule). Workers are numbered 0 .. workers - 1; one thread at a time acts as a worker.
 *
 * What may run at once with what, what it sees, and whether it may block:
 *
 *   operation           beside any read               beside any write              blocks?
 *   read  ATOMIC        yes                           yes; every coordinate is      never (wait-free)
 *                                                     untorn, the vector is a mix
 *   read  CONSISTENT    yes                           yes; exactly one past state   never (wait-free, no copy)
 *   read  with LOCKED   one at a time                 one at a time                 yes: one mutex
 *   write ADD, ATOMIC   yes                           yes; no update is lost        never (lock-free)
 *   write ADD, CONSIST. yes                           yes; publishes a new version  never (lock-free)
 *   write STRIPED       yes                           yes; no update is lost        for a stripe (about 1 us)
 *   write RACY          yes                           yes; an update of the same    never (wait-free)
 *                                                     coordinate can be lost
 *   write LOCKED        one at a time                 one at a time                 yes: one mutex
 *   clock, settings     yes                           yes                           never
 *   set, get            set: no. get: one at a time,  set: no. get: as a read       get: as a read
 *                       as a read
 *
 * Valid pairs: ATOMIC with ADD, STRIPED, RACY; CONSISTENT with ADD; LOCKED with either (its snapshot is taken under
 * the mutex and is therefore consistent). Anything else is refused with a sentence. RACY is a data race on the level
 * of updates, never of the language: each float is loaded and stored atomically.
 *
 * Memory: ATOMIC and LOCKED hold (1 + arrays) * size floats, and with replicas 2 (1 + arrays) floats more a worker for
 * each that is exchanged, and one for all workers where exchanges go by a direction. CONSISTENT holds 2 (workers + 1) +
 * 2 versions of that: one is current, each worker (and the handle itself, for get) pins at most one and owns at most
 * one being filled, and at most one is between its retirement and its release. The slots are allocated once; nothing
 * grows.
 *
 * The clock counts landed updates. With clock_interval 1 it is exact: staleness of every update is known. With n > 1
 * every worker counts on a cache line of its own and only every n-th update of a worker is measured, by adding up
 * the other workers' lines: the measured values are exact up to updates that land while they are added up. */
#ifndef HOGWILD_ADVANCED_PARAMS_H
#define HOGWILD_ADVANCED_PARAMS_H

#include "../base.h"
#include "../modes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hw_params_config {
    size_t struct_size;         /* sizeof(hw_params_config); set by the initialiser                           */
    size_t size;                /* parameters, 1 .. 2^32 - 1                                                  */
    unsigned workers;           /* 1 .. HW_MAX_WORKERS                                                        */
    unsigned arrays;            /* arrays beside the parameters, 0 .. HW_MAX_ARRAYS                           */
    hw_read_mode read;          /* default ATOMIC                                                             */
    hw_write_mode write;        /* default STRIPED: lossless, at about RACY's speed on dense updates       */
    hw_path path;               /* default AUTO                                                               */
    unsigned stripe;            /* floats a stripe lock covers, 1024 .. 4096; default 2048 (8 kB)             */
    unsigned clock_interval;    /* 1 = exact (default); n = each worker measures every n-th update            */
    unsigned exchange_interval; /* 1: every read and write goes to the shared array. Above 1 each worker has a private
                                   replica, and hw_params_exchange says when it is exchanged; ATOMIC only          */
    size_t exchanged;           /* with replicas: only so many leading parameters are private (the hottest ones),
                                   the others shared as ever; 0: all                                          */
} hw_params_config;

HW_API hw_params_config hw_params_defaults(size_t size, unsigned workers);

typedef struct hw_params hw_params;

/* Everything that create would refuse about a configuration, with its sentence. */
HW_API hw_status hw_params_check(const hw_params_config *config, char *why);

/* Create with all arrays zero. Returns HW_E_ARGUMENT, HW_E_UNSUPPORTED or HW_E_MEMORY and a sentence in why
 * (HW_WHY bytes, may be NULL). The caller frees; free(NULL) is fine. Not while any worker is inside. */
HW_API hw_status hw_params_create(hw_params **params, const hw_params_config *config, char *why);
/* allocator: NULL for the C library. */
HW_API hw_status hw_params_create_in(hw_params **params, const hw_params_config *config, const hw_allocator *allocator,
                                     char *why);
HW_API void hw_params_free(hw_params *params);

HW_API size_t hw_params_size(const hw_params *params);
HW_API size_t hw_params_bytes(const hw_params *params);     /* all memory of the handle                    */
HW_API const char *hw_params_path(const hw_params *params); /* "scalar", "avx2" ...                        */
HW_API uint64_t hw_params_clock(const hw_params *params);   /* updates landed; monotone when quiescent     */

/* Array 0 is the parameters, 1 .. arrays are those beside them. set: values[size], no other call at the same time.
 * get: copies size floats; beside running workers it is a read like a worker's (untorn, or one version);
 * one get at a time. */
HW_API void hw_params_set(hw_params *params, unsigned array, const float *values);
HW_API void hw_params_get(hw_params *params, unsigned array, float *values);

/* What a read leaves for the write that follows it. */
typedef struct hw_read_note {
    uint64_t clock;   /* updates landed when the read started                                                   */
    uint64_t spread;  /* landed during the read; 0 for CONSISTENT and LOCKED                                    */
    uint64_t overlap; /* begun by the read's end minus landed at its start: the writes that may have been mixed
                         in; approximate on weakly ordered machines (the last load is not fenced)               */
    int measured;     /* 0 where clock_interval skipped this one; then the fields above are 0                   */
} hw_read_note;

/* Read w + ahead * v for the whole array (v is array 1; ahead = 0 without velocity). Returns size floats, 64-byte
 * aligned, valid until the worker's next write or hw_params_release: either `buffer` (size floats of the caller's,
 * 64-byte aligned), or for CONSISTENT with ahead = 0 the pinned version itself. Never fails. */
HW_API const float *hw_params_read(hw_params *params, unsigned worker, float ahead, float *buffer, hw_read_note *note);
/* The same for ranges (packed one after the other into values) and for single coordinates (indices < size). */
HW_API void hw_params_read_ranges(hw_params *params, unsigned worker, const hw_range *ranges, size_t n, float ahead,
                                  float *values, hw_read_note *note);
HW_API void hw_params_read_at(hw_params *params, unsigned worker, const uint32_t *indices, size_t n, float ahead,
                              float *values, hw_read_note *note);
/* Give up a read that no write will follow. */
HW_API void hw_params_release(hw_params *params, unsigned worker);

/* What a write does with gradient g, array 1 (v), array 2 (u) and the parameters w:
 *   ADD       w += e g
 *   MOMENTUM  v' = a v + b g;            w += v'               (w_{t+1} - w_t = v', the learning rate inside b)
 *   GENERAL   v' = a v + b g + c u; u' = g (if the handle has array 2); w += d v' + e g
 *   RULE      rule(context, first, indices, n, w, state, g, delta): private copies of at most HW_RULE_BLOCK floats, of
 *             parameters first .. first + n - 1, or where indices is not NULL of those;
 *             it changes state[0 .. arrays-1] in place and fills delta; w += delta. Under ADD the state is merged
 *             by the difference that the rule made to it (exact for sums such as AdaGrad's). */
typedef enum hw_form_kind { HW_FORM_ADD, HW_FORM_MOMENTUM, HW_FORM_GENERAL, HW_FORM_RULE } hw_form_kind;
#define HW_RULE_BLOCK 192
typedef void (*hw_rule_block)(void *context, size_t first, const uint32_t *indices, size_t n, const float *w,
                              float *const *state, const float *g, float *delta);
typedef struct hw_form {
    hw_form_kind kind;
    float a, b, c, d, e;
    hw_rule_block rule;
    void *context;
} hw_form;

/* Write one update; g is packed like the ranges (the whole array is the one range {0, size}). Returns the number of
 * updates that landed before this one: staleness = that - note.clock (with a sampled clock: of the others). The
 * worker's read, if any, is released. Indices of write_at are unique; where they are not, each lands in turn. */
HW_API uint64_t hw_params_write(hw_params *params, unsigned worker, const hw_form *form, const hw_range *ranges,
                                size_t n, const float *g, const hw_read_note *note);
HW_API uint64_t hw_params_write_at(hw_params *params, unsigned worker, const hw_form *form, const uint32_t *indices,
                                   size_t n, const float *g, const hw_read_note *note);

/* --- fused forms ----------------------------------------------------------------------------------------------------
 *
 * One step of a linear or row model takes 5 to 200 ns: a private copy of what it reads would double that. The fused
 * forms read and update in place: untorn coordinates, relaxed, RACY by loads and stores or lossless by ADD's
 * compare-and-swap, on the worker's replica where there is one. They go with read ATOMIC and write RACY or ADD, or with
 * any write beside replicas (hw_params_fused tells). They read no clock: hw_params_landed counts. `worker` as
 * everywhere. */
HW_API int hw_params_fused(const hw_params *params);

/* Sum of values[i] * w[indices[i]]. */
HW_API float hw_params_dot_at(const hw_params *params, unsigned worker, const uint32_t *indices, const float *values,
                              size_t n);
/* With g_i = slope * values[i] + decay[indices[i]] * w (decay NULL: none; at most 1 / alpha of it counts) and rate
 * alpha:
 *
 *   SGD      w -= alpha g
 *   AdaGrad  s += g^2; w -= alpha g / (sqrt(s) + epsilon)          (s is array 1) */
typedef struct hw_fused_rule {
    float rate, epsilon;
    const float *decay;
    int adagrad;
} hw_fused_rule;
HW_API void hw_params_axpy_at(hw_params *params, unsigned worker, const hw_fused_rule *rule, const uint32_t *indices,
                              const float *values, size_t n, float slope);
/* Linear models on sparse rows: one step for each of rows[0 .. n-1] of a data set, in turn, as dot_at and axpy_at
 * would, at the rate rate[i] and without what calls between them cost. The slope is that of the loss at the row's
 * score, against its label, times the weight of its class (class_weight[0]: labels not above 0). intercept: parameter
 * data->columns, which every row has and which is not decayed; others' changes to it meet this worker's after the n
 * rows. decay: as in hw_fused_rule; l2: where the worker's replica is of all parameters, and there are no arrays beside
 * them, all of them are decayed by rate * l2 in each step instead, which costs no more than one: a factor that they
 * have in common, which the next exchange takes out, or before that whatever else looks at the replica, in a pass over
 * all of it. Returns the sum of the losses, weighted. Counts n
 * landings as it goes. */
typedef struct hw_linear_rows {
    const struct hw_sparse *data;
    hw_sparse_loss loss; /* but SOFTMAX */
    int intercept;
    float l2; /* 0: none, or decay only */
    const float *decay, *class_weight;
    unsigned prefetch; /* rows ahead whose weights are asked for; 0: none */
} hw_linear_rows;
HW_API double hw_params_linear(hw_params *params, unsigned worker, const hw_linear_rows *form, const uint32_t *rows,
                               const float *rate, size_t n);
/* Ask for the cache lines of coming coordinates, or of a coming row. */
HW_API void hw_params_prefetch_at(const hw_params *params, unsigned worker, const uint32_t *indices, size_t n);
HW_API void hw_params_prefetch_row(const hw_params *params, unsigned worker, size_t first, size_t n);

/* Bilinear row models: score(u, i) = mean + b_u + b_i + p_u . q_i. Row u of a is `stride` floats from a + u * stride
 * on, of which `rank` are in use and the rest zero; a, b and stride are multiples of 16 floats. Its head is two floats
 * at head_a + hw_pairs_apart u: the bias b and, for AdaGrad, the row's sum of mean squared gradients G, in the way of
 * LIBMF: the rate is alpha / sqrt(G) with G before the step, then G += the mean over the row of g^2. One step with e =
 * value - score:
 *
 *   p -= alpha_u (l2 p - e q); q -= alpha_i (l2 q - e p)
 *   b_u -= alpha_u (l2 b_u - e), and b_i alike, unless biases is 0
 *
 * Returns the sum of e^2 / 2 over list[index[0 .. n-1]] (index NULL: list[0 .. n-1]), each one update, and counts n
 * landings as it goes. */
HW_API double hw_params_pairs(hw_params *params, unsigned worker, const hw_pairs *form, const hw_rating *list,
                              const uint32_t *index, size_t n, float rate);

/* Rows of n floats (embeddings), at first[0 .. rows-1] (multiples of 16, or they are slow); x, out, coefficient, delta
 * and sum are private; sum NULL: left out; rows that come twice are done in turn.
 *
 *   dot: out[r] = w_r . x
 *   add: sum += sum_r coefficient[r] w_r, then w_r += coefficient[r] x */
HW_API void hw_params_rows_dot(const hw_params *params, unsigned worker, const uint32_t *first, size_t rows, size_t n,
                               const float *x, float *out);
HW_API void hw_params_rows_add(hw_params *params, unsigned worker, const uint32_t *first, size_t rows, size_t n,
                               const float *coefficient, const float *x, float *sum);
/* Windows: each of k input rows against each of t target rows, 1 .. HW_WINDOW_TARGETS, which all differ (inputs may
 * come twice: in turn).
 *
 *   dot: score[i t + r] = in_i . out_r
 *   add: in_i += sum_r coefficient[i t + r] out_r and out_r += sum_i coefficient[i t + r] in_i, by what stood in the
 *        targets before (of more than 16 inputs, 16 at a time) */
#define HW_WINDOW_TARGETS 6
HW_API void hw_params_window_dot(const hw_params *params, unsigned worker, const uint32_t *inputs, size_t k,
                                 const uint32_t *targets, size_t t, size_t n, float *score);
HW_API void hw_params_window_add(hw_params *params, unsigned worker, const uint32_t *inputs, size_t k,
                                 const uint32_t *targets, size_t t, size_t n, const float *coefficient);
HW_API void hw_params_row_read(const hw_params *params, unsigned worker, size_t first, size_t n, float *values);
HW_API void hw_params_row_add(hw_params *params, unsigned worker, size_t first, size_t n, const float *delta);

/* --- the clock of fused steps, and exchanges ---------------------------------------------------------------------- */

/* n updates of this worker landed (sampled clock: a store to a line of its own; exact: one shared addition). With
 * replicas nothing lands before the exchange. */
HW_API void hw_params_landed(hw_params *params, unsigned worker, uint64_t n);
/* The next read of this worker is measured (sampled clock). */
HW_API void hw_params_measure(hw_params *params, unsigned worker);
/* How many of the parameters that a sparse read gave differ by now. ranges or indices, the other NULL. */
HW_API size_t hw_params_changed(const hw_params *params, const hw_range *ranges, const uint32_t *indices, size_t n,
                                const float *values);

/* Replicas: add what this worker's replica has changed since its last exchange (parameters, and the sums that a rule
 * keeps beside them) to the shared array by the write mode, and take the shared values over: one pass. steps: updates
 * that this brings; the clock advances by so many. *note: its clock is what others had landed at the exchange before,
 * its spread the exchanges of others since then. Returns what others have landed now; without replicas nothing happens.
 */
HW_API uint64_t hw_params_exchange(hw_params *params, unsigned worker, uint64_t steps, hw_read_note *note);

#ifdef __cplusplus
}
#endif
#endif
