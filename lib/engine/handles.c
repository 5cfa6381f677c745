/* handles.c - configurations and objectives for callers who cannot see the structs. */
#include "hogwild/handles.h"
#include "../base/base.h"
#include "engine.h"
#include <math.h>
#include <string.h>

hw_config *hw_config_new(void)
{
    hw_config *c = hw__base_zalloc(1, sizeof *c);
    if (c) (void)hw_config_init(c, sizeof *c);
    return c;
}

void hw_config_free(hw_config *c)
{
    hw__base_free(c);
}

void hw_config_set_context(hw_config *c, void *context)
{
    c->context = context;
}

void hw_config_on_evaluation(hw_config *c, hw_status (*call)(void *context, const hw_evaluation *evaluation))
{
    c->on_evaluation = call;
}

void hw_config_on_progress(hw_config *c, hw_status (*call)(void *context, const hw_progress *progress))
{
    c->on_progress = call;
}

void hw_config_on_epoch(hw_config *c, hw_status (*call)(void *context, uint64_t epoch))
{
    c->on_epoch = call;
}

void hw_config_on_capture(hw_config *c, hw_status (*call)(void *context, uint64_t update, const hw_state *state))
{
    c->on_capture = call;
}

void hw_config_set_allocator(hw_config *c, const hw_allocator *allocator)
{
    c->allocator = allocator;
}

/* The name stands behind the objective. */
hw_objective *hw_objective_new(const char *name, size_t parameters)
{
    size_t n = name ? strlen(name) + 1 : 1;
    hw_objective *o = hw__base_zalloc(1, sizeof *o + n);
    if (!o) return NULL;
    char *copy = (char *)(o + 1);
    if (name) memcpy(copy, name, n);
    (void)hw_objective_init(o, sizeof *o, copy, parameters);
    return o;
}

void hw_objective_free(hw_objective *o)
{
    hw__base_free(o);
}

void hw_objective_set_self(hw_objective *o, void *self)
{
    o->self = self;
}

void hw_objective_set_gradient(hw_objective *o,
                               double (*loss_gradient)(void *self, void *scratch, const hw_batch *batch, const float *x,
                                                       float *g),
                               uint32_t examples)
{
    o->loss_gradient = loss_gradient;
    o->step = NULL;
    o->examples = examples;
}

void hw_objective_set_step(hw_objective *o, hw_status (*step)(void *self, hw_worker *w, const hw_batch *batch),
                           uint32_t examples)
{
    o->step = step;
    o->loss_gradient = NULL;
    o->examples = examples;
}

void hw_objective_set_evaluation(hw_objective *o,
                                 hw_status (*evaluate)(void *self, void *scratch, const float *x, uint32_t first,
                                                       uint32_t count, double *sums),
                                 uint32_t examples, uint32_t chunk, unsigned metrics)
{
    o->evaluate = evaluate;
    o->evaluation_examples = examples;
    o->evaluation_chunk = chunk;
    o->metrics = metrics;
}

void hw_objective_set_scratch(hw_objective *o, size_t bytes)
{
    o->scratch_bytes = bytes;
}

hw_status hw_objective_set_number(hw_objective *o, const char *field, uint64_t value)
{
    if (!o || !field) return HW_E_ARGUMENT;
    if (strcmp(field, "network") == 0)
        o->network = value != 0;
    else if (strcmp(field, "blas") == 0)
        o->blas = value != 0;
    else if (strcmp(field, "raw") == 0)
        o->raw = value != 0;
    else if (strcmp(field, "touched") == 0)
        o->touched = (size_t)value;
    else if (strcmp(field, "hot") == 0)
        o->hot = (size_t)value;
    else if (strcmp(field, "batch_limit") == 0 && value <= UINT32_MAX)
        o->batch_limit = (uint32_t)value;
    else
        return HW_E_ARGUMENT;
    return HW_OK;
}

const uint32_t *hw_batch_index(const hw_batch *b)
{
    return b->index;
}

uint32_t hw_batch_count(const hw_batch *b)
{
    return b->count;
}

uint64_t hw_batch_step(const hw_batch *b)
{
    return b->step;
}

double hw_evaluation_metric(const hw_evaluation *ev, unsigned metric)
{
    return metric < HW_METRICS ? ev->metric[metric] : NAN;
}

uint64_t hw_evaluation_update(const hw_evaluation *ev)
{
    return ev->update;
}

typedef struct number {
    const char *name;
    double value;
} number;

static double find(const number *all, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].value;
    return NAN;
}

static double of_progress(const hw_progress *p, const char *name)
{
    const number all[] = {{"updates", (double)p->updates},
                          {"examples", (double)p->examples},
                          {"epochs", p->epoch},
                          {"seconds", p->seconds},
                          {"examples_per_second", p->examples_per_second},
                          {"train_loss", p->train_loss},
                          {"staleness", p->staleness},
                          {"momentum", p->momentum},
                          {"look_ahead", p->ahead},
                          {"learning_rate", p->learning_rate},
                          {"fraction", p->fraction},
                          {"metric", p->last ? p->last->metric[0] : NAN}};
    return find(all, sizeof all / sizeof *all, name);
}

double hw_engine_number(hw_engine *e, const char *name)
{
    hw_result r;
    hw_progress p;
    hw_evaluation last;
    if (!e || !name) return NAN;
    double mean;
    unsigned at_work = hw_engine_at_work(e, &mean);
    uint64_t lost, returns = hw_engine_returns(e, &lost);
    const number always[] = {{"at_work", (double)at_work},
                             {"mean_at_work", mean},
                             {"returns", (double)returns},
                             {"updates_lost", (double)lost}};
    double now = find(always, sizeof always / sizeof *always, name);
    if (!isnan(now)) return now;
    if (hw__handle_running(e)) return hw_engine_progress(e, &p, &last) == HW_OK ? of_progress(&p, name) : NAN;
    hw_engine_result(e, &r);
    const number others[] = {{"status", r.status},
                             {"staleness", r.staleness.mean},
                             {"dispersion", r.staleness.dispersion},
                             {"momentum", r.setting.momentum},
                             {"rate", r.setting.rate},
                             {"look_ahead", r.setting.ahead},
                             {"metric", r.last.update ? r.last.metric[0] : NAN},
                             {"bytes", (double)hw_engine_bytes(e)}};
    double other = find(others, sizeof others / sizeof *others, name);
    return isnan(other) ? hw__result_number(&r, name) : other;
}
