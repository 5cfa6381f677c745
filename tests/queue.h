/* queue.h - M workers with given work times, in virtual time, on the library's shared parameters: each reads, works,
 * and writes through the optimizer's own forms. What the theory's oracles are measured with. */
#ifndef QUEUE_H
#define QUEUE_H

#include "check.h"
#include "../lib/optimizer/optimizer.h"

typedef double (*queue_work)(void *context, unsigned worker, hw_rng *rng);

typedef struct queue {
    unsigned workers;
    hw_optimizer optimizer;
    hw_compensation compensation;
    hw_setting setting;
    hw_params *params;
    hw_staleness *staleness;
    hw_read_note note[64];
    float seen[64];
    double due[64];
    uint64_t landed_tau; /* sum */
    hw_rng rng;
    queue_work work;
    void *context;
} queue;

static inline double queue_exponential(void *context, unsigned worker, hw_rng *rng)
{
    (void)context, (void)worker;
    return -log(1 - hw_rng_uniform(rng));
}

static inline void queue_open(queue *q, unsigned workers, queue_work work, void *context, hw_policy policy,
                              double alpha, double momentum)
{
    memset(q, 0, sizeof *q);
    hw_config c = hw_config_defaults();
    q->workers = workers;
    q->work = work;
    q->context = context;
    q->optimizer = c.optimizer;
    q->compensation = c.compensation;
    q->optimizer.momentum = momentum;
    q->optimizer.schedule.base = alpha;
    q->compensation.policy = policy;
    hw_params_config p = hw_params_defaults(1, workers);
    p.arrays = optimizer_arrays(&q->optimizer, &q->compensation);
    assert_int_equal(hw_params_create(&q->params, &p, NULL), HW_OK);
    assert_int_equal(hw_staleness_create(&q->staleness, workers, 256, NULL), HW_OK);
    hw_rng_seed(&q->rng, 5, workers);
    hw_policy_input in = {0, workers, momentum, alpha, 1, NULL, NULL};
    hw_compensate(&q->compensation, &in, &q->setting);
}

static inline void queue_close(queue *q)
{
    hw_params_free(q->params);
    hw_staleness_free(q->staleness);
}

static inline void queue_read(queue *q, unsigned w, double now)
{
    float buffer[16] __attribute__((aligned(64)));
    q->seen[w] = *hw_params_read(q->params, w, (float)q->setting.ahead, buffer, &q->note[w]);
    q->due[w] = now + q->work(q->context, w, &q->rng);
}

/* All read w0 at time 0. */
static inline void queue_start(queue *q, float w0)
{
    const float zero = 0;
    hw_params_set(q->params, 0, &w0);
    for (unsigned a = 1; a <= optimizer_arrays(&q->optimizer, &q->compensation); a++)
        hw_params_set(q->params, a, &zero);
    for (unsigned w = 0; w < q->workers; w++) queue_read(q, w, 0);
}

/* One landing with gradient h * (value read); returns the parameter after it. */
static inline double queue_step(queue *q, double h, uint64_t first)
{
    unsigned w = 0;
    for (unsigned i = 1; i < q->workers; i++)
        if (q->due[i] < q->due[w]) w = i;
    optimizer_write ow;
    hw_range all = {0, 1};
    float g = (float)h * q->seen[w], after;
    optimizer_begin(&ow, &q->optimizer, &q->compensation, &q->setting, 1, 0, hw_params_clock(q->params) - first);
    uint64_t landed = hw_params_write(q->params, w, &ow.form, &all, 1, &g, &q->note[w]);
    hw_observation o = {landed - q->note[w].clock, 0, 0, 1000};
    hw_staleness_record(q->staleness, w, &o, 1);
    q->landed_tau += o.staleness;
    queue_read(q, w, q->due[w]);
    hw_params_get(q->params, 0, &after);
    return (double)after;
}

#endif
