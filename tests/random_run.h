/* random_run.h - an objective whose steps read and write in several ways, and draws of configurations, for tests that
 * compare runs bit by bit. */
#ifndef RANDOM_RUN_H
#define RANDOM_RUN_H

#include "check.h"

enum { N = 70 }; /* parameters */

typedef struct job {
    int kind; /* 0 dense, 1 indices, 2 ranges, 3 dense with two pairs a step */
    bool nan;
    uint64_t fails_at;
} job;

/* Fills g, of the n parameters that x holds. */
typedef hw_status job_gradient(hw_worker *w, const job *j, const hw_batch *b, const float *x, float *g, int n);

static inline hw_status job_step(hw_worker *w, const job *j, const hw_batch *b, job_gradient *gradient)
{
    float own[16], g[16];
    double loss = j->nan && b->step % 37 == 5 ? (double)NAN : 1;
    hw_status status = HW_OK;
    if (j->kind == 0 || j->kind == 3) {
        for (int pair = 0; pair < (j->kind ? 2 : 1) && status == HW_OK; pair++) {
            const float *x = hw_read(w);
            status = gradient(w, j, b, x, hw_gradient(w), N);
            if (isfinite(loss)) loss = 0.1 + fabs((double)x[3]);
            if (status == HW_OK) status = hw_write(w, loss);
        }
        return status;
    }
    if (j->kind == 1) {
        uint32_t at[6];
        for (uint32_t i = 0; i < 6; i++) at[i] = (uint32_t)((b->step * 11 + i * 9 + b->offset) % N);
        hw_read_at(w, at, 6, own);
        status = gradient(w, j, b, own, g, 6);
        return status == HW_OK ? hw_write_at(w, at, 6, g, loss) : status;
    }
    hw_range r[2] = {{(size_t)(b->step * 5 % 30), 9}, {40 + (size_t)(b->step * 3 % 20), 7}};
    hw_read_ranges(w, r, 2, own);
    status = gradient(w, j, b, own, g, 16);
    return status == HW_OK ? hw_write_ranges(w, r, 2, g, loss) : status;
}

/* Steps take different times, up to `most` turns, so that threads overtake each other. */
static inline void job_linger(const hw_batch *b, unsigned most)
{
    volatile double spin = 0;
    for (unsigned i = 0; i < (unsigned)(b->step * 7919 % most); i++) spin += i;
    (void)spin;
}

static inline hw_status job_evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count,
                                     double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) {
        sums[0] += (double)(x[i % N] * x[i % N]) + 0.01;
        sums[1] += x[i % N] > 0;
    }
    return HW_OK;
}

/* FNV-1a, from FOLD_START on. */
#define FOLD_START 1469598103934665603u

static inline void fold(uint64_t *hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) *hash = (*hash ^ p[i]) * 1099511628211u;
}

#define PICK(n) ((int)hw_rng_below(rng, n))

static inline void some_delays(hw_histogram *h)
{
    assert_int_equal(hw_histogram_init(h, 256), HW_OK);
    hw_histogram_add(h, 0, 3);
    hw_histogram_add(h, 5, 5);
    hw_histogram_add(h, 17, 2);
}

static inline void some_clock(hw_rng *rng, hw_simulation *s, const hw_histogram *delays)
{
    unsigned kind = (unsigned)PICK(10); /* all but replay */
    s->clock = kind == 9 ? HW_CLOCK_RECORDED : (hw_clock_kind)kind;
    s->delays = delays;
    s->delay = s->clock == HW_CLOCK_DELAY || s->clock == HW_CLOCK_ADVERSARY ? (unsigned)PICK(20) : 0;
    s->shape = 1.1 + PICK(3);
    s->per_group = PICK(3) ? 1 : 2;
    s->gather = PICK(3) ? 1 : 1 + (unsigned)PICK(4);
    s->stragglers = PICK(4) == 0;
}

static inline void some_memory(hw_rng *rng, hw_config *c)
{
    c->read = PICK(3) ? HW_READ_ATOMIC : HW_READ_CONSISTENT;
    c->write = c->read ? HW_WRITE_ADD : (hw_write_mode)PICK(4);
}

static inline void some_windows(hw_rng *rng, hw_config *c)
{
    c->compensation.window = 30 + (uint64_t)PICK(50);
    c->compensation.age = PICK(2) ? HW_AGE_NONE : (hw_age)PICK(8);
    c->delay_correction = PICK(4) ? 0 : 0.1;
    c->curvature = PICK(2) ? -1 : PICK(2) ? 0 : 2;
    c->on_nan = PICK(2) ? HW_NAN_STOP : HW_NAN_SKIP;
}

#endif
