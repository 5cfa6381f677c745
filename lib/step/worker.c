/* worker.c - the public face of a worker: reads, writes and the small services, sent through its port. */
#include "engine.h"
#include <string.h>

static hw__access dense(hw_worker *w)
{
    return (hw__access){&w->all, NULL, 1, w->all.count, true, false};
}

static hw__access ranges_of(const hw_range *ranges, size_t n)
{
    hw__access a = {ranges, NULL, n, 0, false, false};
    for (size_t r = 0; r < n; r++) a.total += ranges[r].count;
    return a;
}

static hw__access indices_of(const uint32_t *indices, size_t n, bool raw)
{
    return (hw__access){NULL, indices, n, n, false, raw};
}

static hw_status write_access(hw_worker *w, const hw__access *a, const float *g, double loss)
{
    hw_status status = w->port->write(w, a, g, loss);
    w->pairs++;
    return status;
}

const float *hw_read(hw_worker *w)
{
    hw__access a = dense(w);
    return w->port->read(w, &a, w->group ? NULL : w->x);
}

void hw_read_into(hw_worker *w, float *values)
{
    hw__access a = dense(w);
    const float *x = w->port->read(w, &a, values);
    if (x != values) memcpy(values, x, a.total * sizeof *values);
    if (!w->group) w->seen = values; /* a group lands from its own snapshot, after the step has returned */
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
    hw__access a = dense(w);
    return write_access(w, &a, g, loss);
}

void hw_read_ranges(hw_worker *w, const hw_range *ranges, size_t n, float *values)
{
    hw__access a = ranges_of(ranges, n);
    (void)w->port->read(w, &a, values);
}

hw_status hw_write_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *gradients, double loss)
{
    hw__access a = ranges_of(ranges, n);
    return write_access(w, &a, gradients, loss);
}

void hw_read_at(hw_worker *w, const uint32_t *indices, size_t n, float *values)
{
    hw__access a = indices_of(indices, n, false);
    (void)w->port->read(w, &a, values);
}

hw_status hw_write_at(hw_worker *w, const uint32_t *indices, size_t n, const float *gradients, double loss)
{
    hw__access a = indices_of(indices, n, false);
    return write_access(w, &a, gradients, loss);
}

hw_status hw_add_ranges(hw_worker *w, const hw_range *ranges, size_t n, const float *delta, double loss)
{
    hw__access a = ranges_of(ranges, n);
    a.raw = true;
    return write_access(w, &a, delta, loss);
}

hw_status hw_add_at(hw_worker *w, const uint32_t *indices, size_t n, const float *delta, double loss)
{
    hw__access a = indices_of(indices, n, true);
    return write_access(w, &a, delta, loss);
}

/* In force for the step under way. A group's leader has read it for all; it changes when all have met again. */
static const hw_setting *in_force(const hw_worker *w)
{
    return w->group ? &w->engine->worker[w->group->first].setting : &w->setting;
}

double hw_learning_rate(hw_worker *w)
{
    if (!w->engine) return 0; /* a probe of the gradient: no rate is in force */
    return hw_schedule_rate(&w->engine->config.optimizer.schedule, w->batch.step) * in_force(w)->rate;
}

double hw_running_gain(hw_worker *w, double share)
{
    if (!w->engine) return 0;
    const hw_optimizer *o = &w->engine->config.optimizer;
    if (o->rule != HW_RULE_SGD && o->rule != HW_RULE_NESTEROV) return -1;
    double rate = hw_learning_rate(w);
    return rate > 0 ? share * (1 - in_force(w)->momentum) / rate : 0;
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

hw_objective hw_objective_defaults(const char *name, size_t parameters)
{
    hw_objective o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.name = name;
    o.parameters = parameters;
    o.metrics = 1;
    return o;
}
