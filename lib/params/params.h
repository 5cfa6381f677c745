/* params.h (internal) - the shared array's layout, its kernels, and the three ways to write it.
 * Nothing outside lib/params includes this file. */
#ifndef HOGWILD_LIB_PARAMS_H
#define HOGWILD_LIB_PARAMS_H

#include "../base/base.h"
#include "hogwild/params.h"
#include <pthread.h>
#include <stdatomic.h>

typedef _Atomic float params_float;
_Static_assert(sizeof(params_float) == sizeof(float), "an atomic float is a float");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "lock-free atomics are needed");

/* The kernels read src arrays and store to dst arrays (the same ones for an update in place), coordinate by
 * coordinate untorn. dst and src pointers have the same alignment modulo 64 bytes. */
typedef struct params_kernels {
    const char *name;
    void (*copy)(float *out, const params_float *w, size_t n);
    void (*ahead)(float *out, const params_float *w, const params_float *v, float s, size_t n);
    void (*add)(params_float *dw, const params_float *w, const float *g, float e, size_t n);
    void (*momentum)(params_float *dw, params_float *dv, const params_float *w, const params_float *v, const float *g,
                     float a, float b, size_t n);
    /* du and u may be NULL */
    void (*general)(params_float *dw, params_float *dv, params_float *du, const params_float *w, const params_float *v,
                    const params_float *u, const float *g, const hw_form *form, size_t n);
} params_kernels;

extern const params_kernels params_scalar; /* load + store: racy in place */
extern const params_kernels params_cas;    /* compare-and-swap: lossless in place; copy, ahead as scalar */
const params_kernels *params_wide(void);   /* this CPU's vectors, or NULL */

/* Store values (NULL: zeros). */
void params_store(params_float *w, const float *values, size_t n);
/* One stretch of the shared (or private) arrays through a set of kernels; rule included. */
typedef struct params_arrays {
    params_float *at[1 + HW_MAX_ARRAYS];
} params_arrays;
void params_apply(const params_kernels *k, unsigned arrays, const params_arrays *dst, const params_arrays *src,
                  size_t first, size_t n, const hw_form *form, const float *g);
/* coordinates.c: single coordinates, gathered and updated. lossless = through compare-and-swap. */
void params_gather(float *out, const params_arrays *at, const uint32_t *indices, size_t n, float ahead);
void params_apply_at(bool lossless, unsigned arrays, const params_arrays *at, const uint32_t *indices, size_t n,
                     const hw_form *form, const float *g);

typedef struct params_line {
    _Alignas(HW_LINE) _Atomic uint64_t value;
    char padding[HW_LINE - sizeof(uint64_t)];
} params_line;

typedef struct params_stripe {
    _Alignas(HW_LINE) pthread_mutex_t mutex;
} params_stripe;

/* Spin briefly, then sleep: a stripe is held for about a microsecond, unless its holder lost its core. */
void params_lock(pthread_mutex_t *mutex);

/* versions.c: published versions */
typedef struct params_versions params_versions;
hw_status params_versions_create(params_versions **versions, size_t stride, unsigned arrays, unsigned workers,
                                 size_t *bytes, char *why);
void params_versions_free(params_versions *versions);
/* Pin the current version for a worker that holds none; its arrays and number. */
params_arrays params_versions_pin(params_versions *versions, unsigned worker, uint64_t *number);
void params_versions_unpin(params_versions *versions, unsigned worker);
const params_float *params_versions_pinned(const params_versions *versions, unsigned worker);
/* Publish fill(base) as the next version; the worker's read pin is given up first. Returns base's number. */
typedef void (*params_fill)(void *context, const params_arrays *dst, const params_arrays *src);
uint64_t params_versions_publish(params_versions *versions, unsigned worker, params_fill fill, void *context);
uint64_t params_versions_number(const params_versions *versions);
params_arrays params_versions_current(params_versions *versions); /* quiescent only */
struct base_visit;
uint64_t params_versions_visit(params_versions *versions, struct base_visit *v); /* quiescent only */

/* clock.c: the update clock */
typedef struct params_clock {
    unsigned workers, interval;
    params_line begun, landed; /* exact */
    params_line *counts;       /* sampled: one line a worker */
    params_line *turns;        /* sampled: steps since the last measurement, the worker's own */
} params_clock;
hw_status params_clock_create(params_clock *clock, unsigned workers, unsigned interval, size_t *bytes);
void params_clock_free(params_clock *clock);
void params_clock_read_begin(params_clock *clock, unsigned worker, hw_read_note *note);
void params_clock_read_end(params_clock *clock, unsigned worker, hw_read_note *note);
void params_clock_write_begin(params_clock *clock);
uint64_t params_clock_write_end(params_clock *clock, unsigned worker, const hw_read_note *note);
uint64_t params_clock_now(const params_clock *clock);
/* Updates of the others; n more of this worker's (the line is its own). Sampled clocks only. */
uint64_t params_clock_others(const params_clock *clock, unsigned worker);
void params_clock_measure(params_clock *clock, unsigned worker);
void params_clock_advance(params_clock *clock, unsigned worker, uint64_t n);
uint64_t params_clock_visit(params_clock *clock, struct base_visit *v); /* quiescent only */

struct hw_params {
    hw_params_config config;
    size_t stride, bytes; /* stride: floats an array occupies, a multiple of 64 bytes */
    const params_kernels *kernels, *reads;
    params_arrays shared; /* ATOMIC and LOCKED */
    params_stripe *stripes;
    size_t n_stripes;
    pthread_mutex_t mutex; /* LOCKED */
    bool mutex_ready;
    params_clock clock;               /* not CONSISTENT */
    params_versions *versions;        /* CONSISTENT */
    const struct params_fused *fused; /* or NULL where the modes have no fused forms */
    struct params_replica *replica;   /* one a worker; NULL without */
    size_t exchanged;                 /* leading parameters that replicas cover */
    params_line *pushes;              /* exchanges of each worker */
};

#endif
