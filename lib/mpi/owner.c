/* owner.c - the shard of the parameters that this rank serves: what arrives lands here, one after the other, with the
 * momentum of all and a clock of its own. Only the thread that calls MPI is in it.
 *
 *   v' = mu v + b d;  w' = w + v'          d: what a rank's updates have added up to, -alpha times its gradients
 *
 * The momentum asked for, m, is one of updates; an exchange of k of them, on average, decays by m^k and gains so much
 * that what an update comes to in the end is 1 / (1 - m) of it, as on one machine: a step of k alpha (1 - m^k) /
 * (1 - m). The policy takes off what the staleness of exchanges amounts to, and, where it knows the curvature, what
 * such steps are too long by. */
#include "job.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 64 };

typedef struct hw__mpi_owner {
    size_t n;
    float *w, *v; /* v: NULL without momentum here */
    uint64_t clock, pushes, due;
    hw_histogram *of; /* by rank: its updates, in updates of others */
    hw_histogram all, exchanges, before, window;
    hw_compensation compensation;
    double asked, gain;
    hw_schedule schedule;
    hw_setting setting;
} hw__mpi_owner;

static bool has_velocity(const hw_mpi_job *job)
{
    const hw_optimizer *o = &job->asked.optimizer;
    return job->mpi.velocity == HW_MPI_AT_OWNERS && o->rule == HW_RULE_SGD && o->momentum > 0;
}

static void set(hw_mpi_job *job, hw__mpi_owner *o)
{
    hw_staleness_summary shape;
    /* Before anything is known, as many as there may be. */
    double each = o->pushes ? (double)o->clock / (double)o->pushes : hw__mpi_bound(job);
    double momentum = pow(o->asked, each);
    const double gain = (1 - momentum) / (1 - o->asked), rate = hw_schedule_rate(&o->schedule, o->clock);
    hw_policy_input in = {
        o->pushes, (unsigned)job->ranks, momentum, rate * each * gain, fmax(0, job->asked.curvature), NULL, NULL};
    if (o->pushes) {
        hw_histogram_copy(&o->window, &o->exchanges);
        hw_histogram_subtract(&o->window, &o->before);
        hw_histogram_copy(&o->before, &o->exchanges);
        hw_staleness_summarize(&o->window, &shape);
        in.staleness = &o->window;
        in.shape = &shape;
    }
    /* Auto lowers the rate where delay makes the step unstable, and nobody here goes back where that was not enough.
     * Ranks that begin together, after an evaluation, are young on average, but what they bring adds up: as if each had
     * waited for all others. */
    if (o->compensation.policy == HW_POLICY_AUTO) {
        in.shape = NULL;
        if (o->pushes && shape.mean < job->ranks - 1) in.staleness = NULL;
    }
    hw_compensate(&o->compensation, &in, &o->setting);
    o->gain = o->setting.rate * gain;
    /* Early ones are of few exchanges, but better than none. */
    o->due = o->pushes < o->compensation.window / 2 ? 2 * o->pushes + 4 : o->pushes + o->compensation.window;
}

hw_status hw__mpi_owner_create(hw_mpi_job *job, const hw_objective *objective, char *why)
{
    const hw_config *c = &job->asked;
    hw__mpi_owner *o = job->owner = calloc(1, sizeof *o);
    bool good = o != NULL;
    if (good) {
        o->n = (size_t)job->shards.count[job->rank];
        o->w = malloc((o->n + 1) * sizeof *o->w);
        if (has_velocity(job)) o->v = calloc(o->n + 1, sizeof *o->v);
        o->of = calloc((size_t)job->ranks, sizeof *o->of);
        good = o->w && o->of && (o->v || !has_velocity(job));
    }
    for (int r = 0; good && r < job->ranks; r++) good = hw_histogram_init(o->of + r, BINS) == HW_OK;
    hw_histogram *own[] = {&o->all, &o->exchanges, &o->before, &o->window};
    for (size_t i = 0; good && i < sizeof own / sizeof *own; i++) good = hw_histogram_init(own[i], BINS) == HW_OK;
    if (!good) return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for a share of the parameters");
    o->compensation = hw_config_compensation(c, objective);
    o->compensation.margin = fmin(o->compensation.margin, 0.7);
    o->asked = c->optimizer.momentum;
    o->schedule = c->optimizer.schedule;
    if (o->v) set(job, o);
    return HW_OK;
}

void hw__mpi_owner_free(hw_mpi_job *job)
{
    hw__mpi_owner *o = job->owner;
    if (!o) return;
    for (int r = 0; o->of && r < job->ranks; r++) hw_histogram_free(o->of + r);
    hw_histogram_free(&o->all);
    hw_histogram_free(&o->exchanges);
    hw_histogram_free(&o->before);
    hw_histogram_free(&o->window);
    free(o->of);
    free(o->w);
    free(o->v);
    free(o);
    job->owner = NULL;
}

void hw__mpi_owner_set(hw_mpi_job *job, const float *values)
{
    hw__mpi_owner *o = job->owner;
    memcpy(o->w, values, o->n * sizeof *o->w);
}

/* In updates of others, and in exchanges whose momentum was not seen. */
static void record(hw__mpi_owner *o, int from, uint64_t updates, uint64_t exchanges, uint64_t weight)
{
    hw_histogram_add(o->of + from, updates, weight);
    hw_histogram_add(&o->all, updates, weight);
    hw_histogram_add(&o->exchanges, exchanges, weight);
}

void hw__mpi_owner_land(hw_mpi_job *job, int from, const hw__mpi_push *push, const float *d)
{
    hw__mpi_owner *o = job->owner;
    const uint64_t early = push->early < push->updates ? push->early : push->updates, late = push->updates - early;
    uint64_t missed = o->clock - push->early_clock;
    missed = missed > push->own ? missed - push->own : 0;
    if (late) record(o, from, o->clock - push->clock, o->pushes - push->pushes, late);
    if (early) record(o, from, missed, o->pushes - push->early_pushes, early);
    if (o->v) {
        const float mu = (float)o->setting.momentum, b = (float)o->gain;
        for (size_t i = 0; i < o->n; i++) {
            o->v[i] = mu * o->v[i] + b * d[i];
            o->w[i] += o->v[i];
        }
    } else {
        for (size_t i = 0; i < o->n; i++) o->w[i] += d[i];
    }
    o->clock += push->updates;
    o->pushes++;
    if (o->v && o->pushes >= o->due) set(job, o);
}

void hw__mpi_owner_read(const hw_mpi_job *job, float *values, hw__mpi_push *push, bool ahead)
{
    const hw__mpi_owner *o = job->owner;
    const float s = ahead && o->v ? (float)o->setting.ahead : 0;
    push->clock = o->clock;
    push->pushes = o->pushes;
    if (s != 0)
        for (size_t i = 0; i < o->n; i++) values[i] = o->w[i] + s * o->v[i];
    else
        memcpy(values, o->w, o->n * sizeof *values);
}

const hw_histogram *hw__mpi_owner_staleness(const hw_mpi_job *job, int rank)
{
    return rank < 0 ? &job->owner->all : job->owner->of + rank;
}

float *hw__mpi_owner_velocity(const hw_mpi_job *job)
{
    return job->owner->v;
}

const hw_setting *hw__mpi_owner_setting(const hw_mpi_job *job)
{
    return job->owner && job->owner->v ? &job->owner->setting : NULL;
}
