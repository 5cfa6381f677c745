/* fused.h (internal) - the kernels of steps that read and update in place: sparse rows, pairs of rows, embeddings.
 * Three sets: relaxed loads and stores, compare-and-swap, and this CPU's vectors. The first is the reference. */
#ifndef HW__PARAMS_FUSED_H
#define HW__PARAMS_FUSED_H

#include "params.h"

/* Rows of one pair and their heads. */
typedef struct hw__params_pair {
    hw__params_float *p, *q, *hp, *hq;
} hw__params_pair;

#define PARAMS_ROWS HW_WINDOW_TARGETS /* a word and five negatives; their sums and coefficients fit in registers */
typedef struct hw__params_fused {
    float (*dot_at)(const hw__params_float *w, const uint32_t *indices, const float *values, size_t n);
    void (*axpy_at)(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float step);
    /* w -= rate (slope value + decay w) */
    void (*decay_at)(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float slope,
                     float rate, const float *decay);
    void (*adagrad_at)(hw__params_float *w, hw__params_float *s, const uint32_t *indices, const float *values, size_t n,
                       float slope, const hw_fused_rule *rule);
    float (*pair)(const hw__params_pair *rows, const hw_pairs *form, float value, float rate); /* returns e */
    /* n pairs whose rows all lie in w; `coming` ratings are known from list (or index) on. Sum of e^2. NULL: pair by
     * pair. */
    float (*pairs)(hw__params_float *w, const hw_pairs *form, const hw_rating *list, const uint32_t *index, size_t n,
                   size_t coming, float rate);
    /* n rows of a linear model whose columns all lie in w. bias: the intercept, NULL: none. scale: NULL, or what w is
     * to be multiplied by, which takes the decay by form->l2. NULL: row by row. */
    double (*linear)(hw__params_float *w, const hw_linear_rows *form, const uint32_t *rows, const float *rate, size_t n,
                     float *bias, double *scale);
    /* k <= PARAMS_ROWS rows at once */
    void (*rows_dot)(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out);
    void (*rows_add)(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
                     float *sum);
    /* k inputs, t <= PARAMS_ROWS targets, which differ; score and coefficient are k x t */
    void (*window_dot)(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       float *score);
    void (*window_add)(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       const float *coefficient);
} hw__params_fused;

extern const hw__params_fused hw__params_fused_racy, hw__params_fused_cas;
const hw__params_fused *hw__params_fused_wide(void); /* or NULL */
/* What one step leaves of all parameters, never quite nothing. In double: of 1 - 1e-8 a float has nothing left. A scale
 * below PARAMS_SCALE is multiplied out. */
#define PARAMS_SCALE 1e-6
static inline double hw__params_kept_of_all(float rate, float l2)
{
    double kept = 1 - (double)rate * (double)l2;
    return kept > PARAMS_SCALE ? kept : PARAMS_SCALE;
}

/* linear_wide.c */
double hw__params_linear_wide(hw__params_float *w, const hw_linear_rows *form, const uint32_t *rows, const float *rate,
                              size_t n, float *bias, double *scale);
/* rows_wide.c, rows_512.c: vectors of 8 and of 16 floats, where hw__params_fused_wide says that there are any */
void hw__params_rows_dot_wide(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out);
void hw__params_rows_add_wide(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
                              float *sum);
void hw__params_rows_dot_512(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out);
void hw__params_rows_add_512(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x,
                             float *sum);

void hw__params_window_dot_wide(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                                float *score);
void hw__params_window_add_wide(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                                const float *coefficient);
void hw__params_window_dot_512(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                               float *score);
void hw__params_window_add_512(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                               const float *coefficient);

/* replica.c: the private copies of one worker */
typedef struct hw__params_replica {
    _Alignas(HW_LINE) hw__params_arrays at, base; /* the copy, and what was shared when it was taken */
    uint64_t clock, exchanges;                    /* of the others, at the last exchange            */
    double scale; /* parameters are the copy times it: 1, but between runs of hw_params_linear and the next exchange */
} hw__params_replica;

/* The copy itself is the parameters again: for whatever does not know of the scale. */
void hw__params_fold(const hw_params *p, unsigned worker);
static inline void hw__params_settle(const hw_params *p, unsigned worker)
{
    if (p->replica && (p->replica[worker].scale < 1 || p->replica[worker].scale > 1)) hw__params_fold(p, worker);
}

/* Whether what a worker writes in place is to be marked: of a replica what is exchanged is. */
static inline bool hw__params_marks(const hw_params *p)
{
    return p->marks && !(p->replica && p->exchanged >= p->config.size);
}

/* Where a worker finds the n floats from `first` on: in its replica if that has them all, else shared. */
static inline hw__params_float *hw__params_place(const hw_params *p, unsigned worker, unsigned array, size_t first,
                                                 size_t n)
{
    return (p->replica && first + n <= p->exchanged ? p->replica[worker].at.at[array] : p->shared.at[array]) + first;
}

#endif
