/* fused.h (internal) - the kernels of steps that read and update in place: sparse rows, pairs of rows, embeddings.
 * Three sets: relaxed loads and stores, compare-and-swap, and this CPU's vectors. The first is the reference. */
#ifndef HOGWILD_LIB_FUSED_H
#define HOGWILD_LIB_FUSED_H

#include "params.h"

/* Rows of one pair and their heads. */
typedef struct params_pair {
    params_float *p, *q, *hp, *hq;
} params_pair;

typedef struct params_fused {
    float (*dot_at)(const params_float *w, const uint32_t *indices, const float *values, size_t n);
    void (*axpy_at)(params_float *w, const uint32_t *indices, const float *values, size_t n, float step);
    /* w -= rate (slope value + decay w) */
    void (*decay_at)(params_float *w, const uint32_t *indices, const float *values, size_t n, float slope, float rate,
                     const float *decay);
    void (*adagrad_at)(params_float *w, params_float *s, const uint32_t *indices, const float *values, size_t n,
                       float slope, const hw_fused_rule *rule);
    float (*pair)(const params_pair *rows, const hw_pairs *form, float value, float rate); /* returns e */
    float (*row_dot)(const params_float *w, const float *x, size_t n);
    void (*row_add)(params_float *w, const float *x, size_t n, float coefficient, float *sum);
} params_fused;

extern const params_fused params_fused_racy, params_fused_cas;
const params_fused *params_fused_wide(void); /* or NULL */

/* replica.c: the private copies of one worker */
typedef struct params_replica {
    _Alignas(HW_LINE) params_arrays at, base; /* the copy, and what was shared when it was taken */
    uint64_t clock, exchanges;                /* of the others, at the last exchange            */
} params_replica;
hw_status params_replicas_create(hw_params *p, char *why);
void params_replicas_free(hw_params *p);
/* Fill all replicas from the shared array, which is quiet. */
void params_replicas_refresh(hw_params *p);

void params_replica_read(const hw_params *p, unsigned worker, const hw_range *ranges, size_t n, float ahead,
                         float *values);
void params_replica_gather(const hw_params *p, unsigned worker, const uint32_t *indices, size_t n, float ahead,
                           float *values);
void params_replica_write(const hw_params *p, unsigned worker, const hw_form *form, const hw_range *ranges,
                          const uint32_t *indices, size_t n, const float *g);

/* Where a worker finds coordinate `first`: in its replica, or shared. */
static inline params_float *params_place(const hw_params *p, unsigned worker, unsigned array, size_t first)
{
    return (p->replica && first < p->exchanged ? p->replica[worker].at.at[array] : p->shared.at[array]) + first;
}

#endif
