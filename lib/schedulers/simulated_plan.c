/* simulated_plan.c - SIMULATED: everything that it will need, allocated before the start. */
#include "../step/correct.h"
#include "../step/members.h"
#include "simulated.h"

static void *take(hw_engine *e, size_t count, size_t size, bool *good)
{
    void *memory = hw__memory_zalloc(&e->memory, count, size);
    if (!memory) *good = false;
    return memory;
}

/* Gradients, lists and velocities of all virtual workers, each a block: a small objective's thousand virtual workers
 * stay together. */
static hw_status plan_virtual(hw_engine *e, char *why)
{
    hw__simulated *s = hw__simulated_of(e);
    const hw_objective *o = &e->objective;
    size_t n = o->parameters, stride = hw__whole_lines(n);
    bool sparse = s->sparse = o->touched && e->crew.share == 1;
    size_t most = o->touched < n ? o->touched : n, room = sparse ? hw__whole_lines(most) : stride;
    size_t velocity = e->config.optimizer.velocity == HW_VELOCITY_PRIVATE ? stride : 0;
    size_t own = room + velocity + (e->config.delay_correction > 0 ? room : 0);
    float *now = NULL; /* of all: they land one after the other */
    size_t lists = sparse ? 2 * room : 0;
    bool good = e->crew.members <= SIZE_MAX / sizeof(float) / own;
    e->worker = good ? take(e, e->crew.members, sizeof *e->worker, &good) : NULL;
    s->virtual = take(e, e->crew.members, sizeof *s->virtual, &good);
    s->due = take(e, e->crew.members, sizeof *s->due, &good);
    s->place = take(e, e->crew.members, sizeof *s->place, &good);
    s->floats = good ? take(e, e->crew.members * own, sizeof *s->floats, &good) : NULL;
    s->lists = lists ? take(e, e->crew.members * lists, sizeof *s->lists, &good) : NULL;
    s->ranges = take(e, sparse ? most : n / 3 + 1, sizeof *s->ranges, &good);
    if (e->crew.share > 1) s->rng = take(e, (size_t)e->crew.members * e->crew.share, sizeof *s->rng, &good);
    if (e->config.delay_correction > 0 && good) good = (now = hw__correct_plan(e)) != NULL;
    if (!good) return hw__no_memory(why, "virtual workers: each keeps one pending gradient");
    for (unsigned i = 0; i < e->crew.members * e->crew.share && s->rng; i++)
        hw_rng_seed(s->rng + i, e->config.seed, i + 1);
    for (unsigned i = 0; i < e->crew.members; i++) {
        hw_worker *w = e->worker + i;
        hw__virtual_worker *virtual = s->virtual + i;
        w->engine = e;
        w->objective = &e->objective;
        w->access = e->scheduler->access;
        w->in_force = &w->setting;
        w->id = w->member = i;
        w->recorder = i % e->crew.recorders;
        w->own = virtual;
        w->all.count = n;
        hw_rng_seed(&w->rng, e->config.seed, i + 1);
        virtual->g = s->floats + i * own;
        virtual->room = sparse ? most : n;
        virtual->lists = lists ? s->lists + i * lists : NULL;
        virtual->lists_room = lists;
        w->velocity = velocity ? virtual->g + room : NULL;
        virtual->seen = now ? virtual->g + room + velocity : NULL;
        w->now = now;
    }
    return HW_OK;
}

static hw_status plan_runner(hw_engine *e, unsigned i, char *why)
{
    hw__simulated *s = hw__simulated_of(e);
    hw__runner *r = s->runner + i;
    size_t stride = hw__whole_lines(e->objective.parameters);
    bool good = true;
    r->worker.engine = e;
    r->worker.id = i;
    bool second = e->crew.share > 1 || s->sparse || e->layers.on;
    r->x = take(e, (second ? 2 : 1) * stride, sizeof *r->x, &good);
    r->g = second && r->x ? r->x + stride : NULL;
    r->index = take(e, e->config.batch, sizeof *r->index, &good);
    if (e->objective.scratch_bytes) r->worker.scratch = take(e, e->objective.scratch_bytes, 1, &good);
    if (!good) return hw__no_memory(why, "a thread's snapshot and scratch");
    if (e->objective.scratch_init) {
        hw_status status = e->objective.scratch_init(e->objective.self, r->worker.scratch);
        if (status != HW_OK)
            return hw__base_fail(why, status, "hw_engine_create: the objective's scratch_init returned %d", status);
    }
    r->worker.scratch_ready = true;
    return HW_OK;
}

static hw_status plan_pool(hw_engine *e, char *why)
{
    hw__simulated *s = hw__simulated_of(e);
    size_t stride = hw__whole_lines(e->objective.parameters);
    bool good = true;
    if (e->crew.gather > 1) s->sum = take(e, stride, sizeof *s->sum, &good);
    if (e->crew.threads > 1) {
        s->pooled = 4 * e->crew.threads;
        s->pool = take(e, s->pooled, sizeof *s->pool, &good);
        s->queue = take(e, e->crew.members, sizeof *s->queue, &good);
        for (unsigned i = 0; good && i < s->pooled; i++) s->pool[i].x = take(e, stride, sizeof(float), &good);
    }
    return good ? HW_OK : hw__no_memory(why, "snapshots");
}

hw_status hw__simulated_plan(hw_engine *e, char *why)
{
    const hw_simulation *c = &e->config.simulation;
    bool good = true;
    hw__simulated *s = e->own = take(e, 1, sizeof *s, &good);
    if (!s) return hw__no_memory(why, "a simulation");
    e->replays = c->clock == HW_CLOCK_REPLAY;
    if (pthread_mutex_init(&s->mutex, NULL) != 0) return hw__no_memory(why, "locks");
    s->ready = pthread_cond_init(&s->changed, NULL) == 0;
    if (!s->ready) {
        (void)pthread_mutex_destroy(&s->mutex);
        return hw__no_memory(why, "locks");
    }
    hw_status status = hw__timeline_create(&s->timeline, c, &e->config.cluster, e->objective.parameters,
                                           e->config.workers, e->config.seed, &e->memory, why);
    if (status == HW_OK) status = plan_virtual(e, why);
    if (status == HW_OK) status = hw__cluster_plan(e, why);
    if (status == HW_OK) status = hw__virtual_layers_plan(e, why);
    if (status == HW_OK) {
        s->runner = take(e, e->crew.threads, sizeof *s->runner, &good);
        if (!s->runner) status = hw__no_memory(why, "threads");
    }
    for (unsigned i = 0; i < e->crew.threads && status == HW_OK; i++) status = plan_runner(e, i, why);
    return status == HW_OK ? plan_pool(e, why) : status;
}

void hw__simulated_free(hw_engine *e)
{
    hw__simulated *s = hw__simulated_of(e);
    if (!s) return;
    for (unsigned i = 0; s->runner && i < e->crew.threads; i++) {
        hw__runner *r = s->runner + i;
        if (r->worker.scratch_ready && e->objective.scratch_free)
            e->objective.scratch_free(e->objective.self, r->worker.scratch);
    }
    if (s->ready) {
        (void)pthread_cond_destroy(&s->changed);
        (void)pthread_mutex_destroy(&s->mutex);
    }
    e->own = NULL;
}
