/* worker.c - the public face of a worker: reads, writes and the small services, sent through its access. */
#include "../base/sized.h"
#include "step.h"
#include <string.h>

static hw_status write_access(hw_worker *w, hw__extent x, const float *g, double loss)
{
    hw__work_do(w);
    hw_status status = w->access->write(w, &x, g, loss);
    w->layers.whole = NULL;
    w->pairs++;
    return status;
}

const float *hw_read(hw_worker *w)
{
    hw__extent x = hw__extent_all(&w->all);
    return w->access->read(w, &x, NULL);
}

void hw_read_into(hw_worker *w, float *values)
{
    hw__extent x = hw__extent_all(&w->all);
    const float *from = w->access->read(w, &x, values);
    if (from != values) memcpy(values, from, x.total * sizeof *values);
}

float *hw_gradient(hw_worker *w)
{
    return w->g;
}

hw_status hw_write(hw_worker *w, double loss)
{
    return hw_write_from(w, w->g, loss);
}

hw_status hw_write_from(hw_worker *w, const float *g, double loss)
{
    return write_access(w, hw__extent_all(&w->all), g, loss);
}

void hw_read_ranges(hw_worker *w, const hw_range *ranges, size_t n, float *values)
{
    hw__extent x = hw__extent_ranges(ranges, n, false);
    (void)w->access->read(w, &x, values);
}

hw_status hw_write_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *gradients, double loss)
{
    return write_access(w, hw__extent_ranges(ranges, n, false), gradients, loss);
}

void hw_read_at(hw_worker *w, const uint32_t *indices, size_t n, float *values)
{
    hw__extent x = hw__extent_indices(indices, n, false);
    (void)w->access->read(w, &x, values);
}

hw_status hw_write_at(hw_worker *w, const uint32_t *indices, size_t n, const float *gradients, double loss)
{
    return write_access(w, hw__extent_indices(indices, n, false), gradients, loss);
}

hw_status hw_add_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *delta, double loss)
{
    return write_access(w, hw__extent_ranges(ranges, n, true), delta, loss);
}

hw_status hw_add_at(hw_worker *w, const uint32_t *indices, size_t n, const float *delta, double loss)
{
    return write_access(w, hw__extent_indices(indices, n, true), delta, loss);
}

static bool by_layer(const hw_worker *w)
{
    return w->access->read_layer && w->engine->layers.on;
}

/* A step can know layers of which its objective does not tell. */
static bool is_none(const hw_worker *w, size_t layer)
{
    return w->objective->layers && layer >= w->objective->layer_count;
}

const float *hw_read_layer(hw_worker *w, size_t layer)
{
    if (is_none(w, layer)) return NULL;
    if (by_layer(w)) return w->access->read_layer(w, layer);
    if (!w->layers.whole) w->layers.whole = hw_read(w);
    return w->layers.whole;
}

hw_status hw_write_layer(hw_worker *w, size_t layer)
{
    if (is_none(w, layer))
        return hw_fail(w, HW_E_ARGUMENT, "hw_write_layer: the objective has no layer of that number");
    if (!by_layer(w)) return HW_OK;
    hw__work_do(w);
    return w->access->write_layer(w, layer);
}

double hw_learning_rate(hw_worker *w)
{
    if (!w->engine) return 0; /* a probe of the gradient: no rate is in force */
    return hw_schedule_rate(&w->engine->config.optimizer.schedule, w->batch.step) * w->in_force->rate;
}

double hw_running_gain(hw_worker *w, double share)
{
    if (!w->engine) return 0;
    const hw_optimizer *o = &w->engine->config.optimizer;
    if (!(hw__rule_of(o)->flags & HW__RULE_LINEAR)) return -1;
    double rate = hw_learning_rate(w);
    return rate > 0 ? share * (1 - w->in_force->momentum) / rate : 0;
}

void *hw_scratch(hw_worker *w)
{
    return w->scratch;
}

unsigned hw_worker_id(const hw_worker *w)
{
    return w->id;
}

hw_rng *hw_random(hw_worker *w)
{
    return &w->rng;
}

hw_status hw_fail(hw_worker *w, hw_status code, const char *sentence)
{
    (void)snprintf(w->sentence, sizeof w->sentence, "%s", sentence);
    w->has_sentence = true;
    return code;
}

hw_status hw_objective_init(hw_objective *objective, size_t size, const char *name, size_t parameters)
{
    hw_objective all;
    memset(&all, 0, sizeof all);
    all.struct_size = sizeof all;
    all.name = name;
    all.parameters = parameters;
    all.metrics = 1;
    return hw__sized_fill(objective, size, &all, sizeof all, HW__OBJECTIVE_LEAST);
}

hw_status hw__objective_adopt(const hw_objective *from, hw_objective *to, char *why)
{
    (void)hw_objective_init(to, sizeof *to, NULL, 0);
    return hw__sized_adopt(to, sizeof *to, from, HW__OBJECTIVE_LEAST, "the objective", "hw_objective_defaults()", why);
}
