/* reasons.c - why, in five sentences. */
#include "plan.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { LINE = sizeof((hw_planned *)NULL)->line[0] };

/* Nothing more where it is full. */
static void HW_PRINTF(2, 3) put(char *line, const char *format, ...)
{
    size_t n = strlen(line);
    va_list rest;
    va_start(rest, format);
    (void)vsnprintf(line + n, LINE - n, format, rest);
    va_end(rest);
}

static void put_time(char *line, double seconds)
{
    static const struct {
        double scale;
        const char *name;
    } unit[] = {{1e9, "ns"}, {1e6, "us"}, {1e3, "ms"}};
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++)
        if (seconds * unit[i].scale < 1000) {
            put(line, "%.3g %s", seconds * unit[i].scale, unit[i].name);
            return;
        }
    put(line, seconds < 1000 ? "%.3g s" : "%.0f s", seconds);
}

/* A probe's figure under its label, or what it has instead. */
static void put_figure(char *line, const hw_plan_probe *probe, const char *label, double figure)
{
    if (probe->refused)
        put(line, "%s: not run", label);
    else if (probe->diverged)
        put(line, "%s diverges", label);
    else if (hw__base_finite_double(figure))
        put(line, "%s %.2f", label, figure);
    else
        put(line, "%s never", label);
}

static void put_gain(char *line, const hw_plan_probe *probe, const char *label)
{
    put_figure(line, probe, label, probe->gain > 0 ? 1 / probe->gain : INFINITY);
}

static void length(const hw__planner *p, char *line)
{
    put(line, "one worker takes ");
    put_time(line, p->one);
    put(line, " an update");
    if (hw__base_finite_double(p->total)) {
        put(line, ", ");
        put_time(line, p->total);
        put(line, " for the whole training");
    }
    put(line, "; planning took ");
    put_time(line, hw__plan_spent(p));
    if (hw__base_finite_double(p->total)) put(line, " (%.0f %% of that)", 100 * hw__plan_spent(p) / p->total);
    put(line, ", %u probes", p->probes);
    if (hw__plan_spent(p) > p->total) put(line, ": so short a training is not worth a plan");
}

static void hardware(const hw__planner *p, char *line)
{
    if (p->structures < 2) {
        put(line, "there is one way to run this: one worker");
        return;
    }
    put(line, "time an update, of one worker's: ");
    for (size_t i = 1; i < p->structures; i++) {
        const hw_plan_probe *probe = &p->list[i].probe;
        if (i > 1) put(line, "; ");
        put_figure(line, probe, probe->label, probe->seconds_per_update / p->list[0].probe.seconds_per_update);
    }
}

static void statistics(const hw__planner *p, char *line)
{
    if (!p->tells) {
        put(line, hw__plan_early(p, p->list) ? "the loss has come to rest in probes of "
                                             : "the loss hardly falls in probes of ");
        put_time(line, p->list[0].probe.seconds / p->list[0].runs);
        put(line, ": the time of an update decides");
    } else if (p->structures > 1) {
        put(line, "time to the same %sloss, of one worker's: ", p->by_train ? "training " : "");
        for (size_t i = 1; i < p->structures; i++) {
            if (i > 1) put(line, "; ");
            put_gain(line, &p->list[i].probe, p->list[i].probe.label);
        }
    }
    if (p->tells && p->structures < 2) put(line, "one worker's loss falls in a probe, so that solvers can be compared");
    const hw_config *c = &p->base;
    double step = c->optimizer.schedule.base * p->curvature;
    if (step > 0) put(line, "; learning rate times curvature is %.2g", step);
}

static void solver(const hw__planner *p, char *line)
{
    size_t tried = 0;
    if (p->noise_scale > 0)
        put(line, "gradients have a noise scale of %.3g examples (batch %u); ", p->noise_scale, p->base.batch);
    for (size_t i = p->structures; i < p->n; i++) {
        const hw_plan_probe *probe = &p->list[i].probe;
        if (p->list[i].longer || !*probe->label) continue;
        put(line, "%s", tried++ ? "; " : "time to the same loss, each of the best before it: ");
        put_gain(line, probe, probe->label);
    }
    if (!tried) put(line, "no other solver was tried");
}

static void decision(const hw__planner *p, char *line)
{
    const hw__plan_candidate *best = p->list + p->best;
    const hw_config *c = &best->config;
    put(line, "so: %s, batch %u, learning rate %.4g, momentum %.3g: ", p->list[p->structure].probe.label, c->batch,
        c->optimizer.schedule.base, c->optimizer.momentum);
    if (p->gain > 1)
        put(line, "as deep in %.2f of the time that one worker takes with the given solver", 1 / p->gain);
    else
        put(line, "nothing that was tried is quicker%s", p->confirmed ? " for long" : "");
    if (!p->confirmed) {
        if (p->structures > 1 || p->gain > 1) put(line, ", by short probes alone");
        return;
    }
    put(line, "; longer probes: ");
    for (size_t i = p->structures, told = 0; i < p->n; i++) {
        const hw_plan_probe *probe = &p->list[i].probe;
        if (!p->list[i].longer) continue;
        if (told++) {
            put(line, told > 2 ? "; " : "");
            put_gain(line, probe, probe->label + strlen("longer: "));
        }
    }
}

void hw__plan_reasons(const hw__planner *p, hw_planned *planned)
{
    memset(planned->line, 0, sizeof planned->line);
    if (p->short_budget) {
        length(p, planned->line[0]);
        put(planned->line[1], "%.2g s are too short to tell ways to run apart: a probe has to see %d updates",
            p->budget, PLAN_STEPS);
        put(planned->line[2], "a larger budget or a longer training would");
        put(planned->line[3], "no other solver was tried");
        put(planned->line[4], "so: one worker, with the solver as it was given");
        return;
    }
    length(p, planned->line[0]);
    hardware(p, planned->line[1]);
    statistics(p, planned->line[2]);
    solver(p, planned->line[3]);
    decision(p, planned->line[4]);
}
