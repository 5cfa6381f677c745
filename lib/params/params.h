/* params.h (internal) - the handle's layout, the kernels, and the clocks that its modes go by.
 * Nothing outside lib/params includes this file. */
#ifndef HW__PARAMS_PARAMS_H
#define HW__PARAMS_PARAMS_H

#include "../base/allocator.h"
#include "../state/walk.h"
#include "hogwild/advanced/params.h"
#include <pthread.h>
#include <stdatomic.h>

typedef _Atomic float hw__params_float;
_Static_assert(sizeof(hw__params_float) == sizeof(float), "an atomic float is a float");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "lock-free atomics are needed");

/* The kernels read src arrays and store to dst arrays (the same ones for an update in place), coordinate by
 * coordinate untorn. dst and src pointers have the same alignment modulo 64 bytes. */
typedef struct hw__params_kernels {
    const char *name;
    void (*copy)(float *out, const hw__params_float *w, size_t n);
    void (*ahead)(float *out, const hw__params_float *w, const hw__params_float *v, float s, size_t n);
    void (*add)(hw__params_float *dw, const hw__params_float *w, const float *g, float e, size_t n);
    void (*momentum)(hw__params_float *dw, hw__params_float *dv, const hw__params_float *w, const hw__params_float *v,
                     const float *g, float a, float b, size_t n);
    /* du and u may be NULL */
    void (*general)(hw__params_float *dw, hw__params_float *dv, hw__params_float *du, const hw__params_float *w,
                    const hw__params_float *v, const hw__params_float *u, const float *g, const hw_form *form,
                    size_t n);
} hw__params_kernels;

extern const hw__params_kernels hw__params_scalar; /* load + store: racy in place */
extern const hw__params_kernels hw__params_cas;    /* compare-and-swap: lossless in place; copy, ahead as scalar */
const hw__params_kernels *hw__params_wide(void);   /* this CPU's vectors, or NULL */

/* Store values (NULL: zeros). */
void hw__params_store(hw__params_float *w, const float *values, size_t n);
/* One stretch of the shared (or private) arrays through a set of kernels; rule included. */
typedef struct hw__params_arrays {
    hw__params_float *at[1 + HW_MAX_ARRAYS];
} hw__params_arrays;
void hw__params_apply(const hw__params_kernels *k, unsigned arrays, const hw__params_arrays *dst,
                      const hw__params_arrays *src, size_t first, size_t n, const hw_form *form, const float *g);
/* coordinates.c: single coordinates, gathered and updated. lossless = through compare-and-swap. */
void hw__params_gather(float *out, const hw__params_arrays *at, const uint32_t *indices, size_t n, float ahead);
void hw__params_apply_at(bool lossless, unsigned arrays, const hw__params_arrays *at, const uint32_t *indices, size_t n,
                         const hw_form *form, const float *g);

typedef struct hw__params_line {
    _Alignas(HW_LINE) _Atomic uint64_t value;
    char padding[HW_LINE - sizeof(uint64_t)];
} hw__params_line;

typedef struct hw__params_stripe {
    _Alignas(HW_LINE) pthread_mutex_t mutex;
} hw__params_stripe;

/* versions.c: published versions */
typedef struct hw__params_versions hw__params_versions;
hw_status hw__params_versions_create(hw__params_versions **versions, size_t stride, unsigned arrays, unsigned workers,
                                     hw__memory *memory, char *why);
/* Pin the current version for a worker that holds none; its arrays and number. */
hw__params_arrays hw__params_versions_pin(hw__params_versions *versions, unsigned worker, uint64_t *number);
void hw__params_versions_unpin(hw__params_versions *versions, unsigned worker);
const hw__params_float *hw__params_versions_pinned(const hw__params_versions *versions, unsigned worker);
/* Publish fill(base) as the next version; the worker's read pin is given up first. Returns base's number. */
typedef void (*hw__params_fill)(void *context, const hw__params_arrays *dst, const hw__params_arrays *src);
uint64_t hw__params_versions_publish(hw__params_versions *versions, unsigned worker, hw__params_fill fill,
                                     void *context);
uint64_t hw__params_versions_number(const hw__params_versions *versions);
hw__params_arrays hw__params_versions_current(hw__params_versions *versions);    /* quiescent only */
uint64_t hw__params_versions_fields(hw__params_versions *versions, hw__walk *v); /* quiescent only */

/* clock.c: the update clock */
typedef struct hw__params_clock {
    unsigned workers, interval;
    hw__params_line begun, landed; /* exact */
    hw__params_line *counts;       /* sampled: one line a worker */
    hw__params_line *turns;        /* sampled: steps since the last measurement, the worker's own */
} hw__params_clock;
hw_status hw__params_clock_create(hw__params_clock *clock, unsigned workers, unsigned interval, hw__memory *memory);
void hw__params_clock_read_begin(hw__params_clock *clock, unsigned worker, hw_read_note *note);
void hw__params_clock_read_end(hw__params_clock *clock, unsigned worker, hw_read_note *note);
void hw__params_clock_write_begin(hw__params_clock *clock);
uint64_t hw__params_clock_write_end(hw__params_clock *clock, unsigned worker, const hw_read_note *note);
uint64_t hw__params_clock_now(const hw__params_clock *clock);
/* Updates of the others; n more of this worker's (the line is its own). Sampled clocks only. */
uint64_t hw__params_clock_others(const hw__params_clock *clock, unsigned worker);
void hw__params_clock_measure(hw__params_clock *clock, unsigned worker);
void hw__params_clock_advance(hw__params_clock *clock, unsigned worker, uint64_t n);
uint64_t hw__params_clock_fields(hw__params_clock *clock, hw__walk *v); /* quiescent only */

struct hw__params_stretch; /* exchange.h */
struct hw__marks;          /* marks.h */

struct hw_params {
    hw__memory memory;
    hw_params_config config;
    const struct hw__mode *mode;
    size_t stride; /* floats an array occupies, a multiple of 64 bytes */
    const hw__params_kernels *kernels, *reads;
    hw__params_arrays shared; /* ATOMIC and LOCKED */
    hw__params_stripe *stripes;
    size_t n_stripes;
    pthread_mutex_t mutex; /* LOCKED */
    bool mutex_ready;
    hw__params_clock clock;               /* not CONSISTENT */
    hw__params_versions *versions;        /* CONSISTENT */
    const struct hw__params_fused *fused; /* or NULL where the modes have no fused forms */
    struct hw__params_replica *replica;   /* one a worker; NULL without */
    size_t exchanged;                     /* leading parameters that replicas cover */
    hw__params_line *pushes;              /* exchanges of each worker */
    void (*exchange)(const struct hw__params_stretch *s);
    float
        *principal; /* unit direction over what is exchanged, 0 outside of [principal_first, principal_end); or NULL */
    size_t principal_first, principal_end;
    struct hw__marks *marks; /* NULL: nobody asks for them */
    pthread_mutex_t turn;    /* of who exchanges along it */
    bool turn_ready;
};

#endif
