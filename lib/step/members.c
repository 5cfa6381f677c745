/* members.c - the memory of workers that are threads, all of it allocated before the start. */
#include "correct.h"
#include "members.h"
#include "step.h"
#include "streams.h"

hw_status hw__no_memory(char *why, const char *what)
{
    return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for %s", what);
}

static hw_status plan_one(hw_engine *e, unsigned i, char *why)
{
    hw_worker *w = e->worker + i;
    size_t n = e->objective.parameters, stride = hw__whole_lines(n);
    w->engine = e;
    w->objective = &e->objective;
    w->access = e->scheduler->access;
    w->id = i;
    w->slot = w->member = w->recorder = i / e->crew.share;
    w->in_force = &w->setting;
    w->all.count = n;
    hw_rng_seed(&w->rng, e->config.seed, hw__streams_number(w) + 1);
    hw__work_plan(w);
    bool own = e->config.optimizer.velocity == HW_VELOCITY_PRIVATE && i % e->crew.share == 0;
    uint32_t examples = e->tickets.block > e->config.batch ? e->tickets.block : e->config.batch;
    /* Sparse objectives fill the beginning of snapshot and gradient only: pages that nobody touches cost nothing. */
    w->x = own ? hw__memory_zalloc(&e->memory, 3 * stride, sizeof(float))
               : hw__memory_alloc(&e->memory, 2 * stride, sizeof(float));
    w->index = hw__memory_zalloc(&e->memory, examples, sizeof(uint32_t));
    if (!w->x || !w->index) return hw__no_memory(why, "a worker's snapshot and gradient");
    w->g = w->x + stride;
    w->velocity = own ? w->x + 2 * stride : NULL;
    if (e->config.delay_correction > 0 && i % e->crew.share == 0) {
        w->now = hw__correct_plan(e); /* likewise */
        if (!w->now) return hw__no_memory(why, "what an update lands on");
    }
    if (e->layers.on) {
        w->layers.note = hw__memory_zalloc(&e->memory, e->objective.layer_count, sizeof *w->layers.note);
        if (!w->layers.note) return hw__no_memory(why, "a worker's layers");
    }
    if (e->objective.scratch_bytes) {
        w->scratch = hw__memory_zalloc(&e->memory, e->objective.scratch_bytes, 1);
        if (!w->scratch) return hw__no_memory(why, "the objective's scratch");
    }
    if (e->objective.scratch_init) {
        hw_status status = e->objective.scratch_init(e->objective.self, w->scratch);
        if (status != HW_OK)
            return hw__base_fail(why, status, "hw_engine_create: the objective's scratch_init returned %d", status);
    }
    w->scratch_ready = true;
    return HW_OK;
}

hw_status hw__members_plan(hw_engine *e, char *why)
{
    hw_status status = HW_OK;
    e->worker = hw__memory_zalloc(&e->memory, e->crew.threads, sizeof *e->worker);
    if (!e->worker) return hw__no_memory(why, "workers");
    for (unsigned i = 0; i < e->crew.threads && status == HW_OK; i++) status = plan_one(e, i, why);
    return status;
}

void hw__members_free(hw_engine *e)
{
    for (unsigned i = 0; e->worker && i < e->crew.threads; i++) {
        hw_worker *w = e->worker + i;
        if (w->scratch_ready && e->objective.scratch_free) e->objective.scratch_free(e->objective.self, w->scratch);
    }
}
