/* edge_run.h - a small objective whose runs keep their captures, for tests of what a resumed run meets at its edges. */
#ifndef EDGE_RUN_H
#define EDGE_RUN_H

#include "check.h"
#include <unistd.h>

enum { N = 64, KEPT = 8 };

typedef struct scene {
    hw_state *kept[KEPT]; /* the last one always */
    unsigned n;
    uint64_t epochs, jump, reports; /* jump: the step from which on the loss is 1 and not 100 */
    int evaluations, fails_at;
    float slope;
    bool lingers; /* steps take a while */
    double first_report;
    hw_setting setting; /* of the user's policy */
    volatile sig_atomic_t flag;
    uint64_t stop_at;
} scene;

static inline hw_status step(void *self, hw_worker *w, const hw_batch *b)
{
    const scene *s = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    for (int i = 0; i < N; i++) g[i] = 0.1f * (x[i] - 0.3f) + (b->step == 20 ? s->slope : 0);
    if (s->lingers && b->step >= s->jump) (void)usleep(200);
    return hw_write(w, s->jump ? b->step < s->jump ? 100 : 1 : 0.2 + fabs((double)x[1]));
}

static inline hw_status sparse(void *self, hw_worker *w, const hw_batch *b)
{
    (void)self;
    uint32_t at[2] = {b->index[0] % 8, 8 + b->index[0] % 8};
    float v[2], g[2];
    hw_read_at(w, at, 2, v);
    for (int i = 0; i < 2; i++) g[i] = v[i] - 1;
    return hw_write_at(w, at, 2, g, 1);
}

static inline hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count,
                                 double *sums)
{
    scene *s = self;
    (void)scratch, (void)first;
    if (s->fails_at && ++s->evaluations >= s->fails_at) return 1001;
    sums[0] += count * (double)fabsf(x[0] - 0.3f);
    return HW_OK;
}

static inline hw_state *copy_of(const hw_state *from)
{
    hw_state *to = hw_state_create();
    if (!to || hw_state_copy(to, from) != HW_OK) abort();
    return to;
}

static inline hw_status keep(void *context, const hw_state *state)
{
    scene *s = context;
    hw_state **slot = &s->kept[s->n < KEPT ? s->n++ : KEPT - 1];
    hw_state_free(*slot);
    *slot = copy_of(state);
    return HW_OK;
}

static inline void close_scene(scene *s)
{
    for (unsigned i = 0; i < s->n; i++) hw_state_free(s->kept[i]);
}

static inline hw_objective objective_of(scene *s)
{
    hw_objective o = hw_objective_defaults("edges", N);
    o.self = s;
    o.step = step;
    o.examples = 100;
    return o;
}

static inline void evaluated(hw_objective *o)
{
    o->evaluate = evaluate;
    o->evaluation_examples = 10;
}

static inline hw_config config_of(scene *s, hw_scheduler scheduler, uint64_t updates)
{
    hw_config c = hw_config_defaults();
    c.scheduler = scheduler;
    c.workers = scheduler == HW_SEQUENTIAL ? 1 : 4;
    c.simulation.threads = 1;
    c.batch = 1;
    c.epochs = 0;
    c.updates = updates;
    c.curvature = -1;
    c.compensation.policy = HW_POLICY_NONE;
    c.context = s;
    c.on_checkpoint = keep;
    return c;
}

static inline hw_engine *engine_of(const hw_objective *o, const hw_config *c)
{
    hw_engine *e;
    char why[HW_WHY] = "";
    if (hw_engine_create(&e, o, c, NULL, why) != HW_OK) fail_msg("%s", why);
    return e;
}

static inline hw_result run_of(const hw_objective *o, const hw_config *c, const hw_state *from)
{
    hw_result r;
    char why[HW_WHY] = "";
    hw_engine *e = engine_of(o, c);
    if (from && hw_engine_restore(e, from, why) != HW_OK) fail_msg("%s", why);
    (void)hw_engine_run(e, &r);
    hw_engine_free(e);
    return r;
}

static inline hw_histogram delays_of(const uint64_t *value, const uint64_t *count, int n, uint32_t exact)
{
    hw_histogram h;
    assert_int_equal(hw_histogram_init(&h, exact), HW_OK);
    for (int i = 0; i < n; i++) hw_histogram_add(&h, value[i], count[i]);
    return h;
}

#endif
