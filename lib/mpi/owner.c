/* owner.c - the shard of the parameters that this rank serves: what arrives lands here, one after the other, with the
 * momentum of all and a clock of its own. Only the thread that calls MPI is in it.
 *
 * What arrives has n updates in it: d, -alpha times the sum of their gradients. It lands as n updates of d / n each
 * would, one after the other, v <- mu v + d / n, w <- w + v:
 *
 *   v' = mu^n v + c d,         c = (1 - mu^n) / ((1 - mu) n)
 *   w' = w + a v + b d,        a = mu (1 - mu^n) / (1 - mu), b = (n - a) / ((1 - mu) n)
 *
 * so momentum, staleness and the policy are in updates, as on one machine, whatever an exchange holds. Read ahead along
 * v where the policy says so. */
#include "job.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 64 };

typedef struct hw__mpi_owner {
    size_t n;
    float *w, *v; /* v: NULL without momentum here */
    /* Without momentum: changes of lines, numbered from 1 on, of which the last `room` are in the log; the latest of
     * each line, and of all at once; up to which each rank has been told. */
    uint32_t *log, *list;
    uint64_t changes_made, *changed, changed_all, *told;
    size_t room;
    /* Where means are taken, by rank: what it has heard of, and of each line how many exchanges had changed it then,
     * and when it last did itself; how many have by now. */
    float *given, most; /* most: times the mean */
    uint32_t *knows, *did, *changes;
    float *sum;                        /* where several ranks' land together; NULL: each as it comes */
    uint64_t summed;                   /* updates that are in it */
    float summed_rate;                 /* the highest rate of any of them */
    uint64_t clock, from, pushes, due; /* from: the clock when the run began; pushes: that have landed */
    uint64_t steps; /* of the schedule: updates of all ranks. The clock, where it counts means, is behind */
    hw_histogram own, all, unseen, before,
        window; /* own: this rank's updates; unseen: of all other updates and of its own exchange under way */
    hw_compensation compensation;
    double asked, curvature;
    hw_schedule schedule;
    hw_setting setting;
} hw__mpi_owner;

bool hw__mpi_owner_moves(const hw_mpi_job *job)
{
    const hw_optimizer *o = &job->asked.optimizer;
    const bool sums = job->mpi.combine == HW_MPI_CHOSEN || job->mpi.combine == HW_MPI_SUMS;
    /* Without momentum policy auto still takes the rate down where delay makes the step unstable, and only the owners
     * see the delay. */
    const bool lowers = job->dense && sums && job->asked.compensation.policy == HW_POLICY_AUTO;
    return job->mpi.velocity == HW_MPI_AT_OWNERS && o->rule == HW_RULE_SGD && (o->momentum > 0 || lowers);
}

/* The policy's setting, for what updates have not seen when they land. */
static void set(hw_mpi_job *job, hw__mpi_owner *o)
{
    /* Of those that land together as many as there are ranks: none waits for another update. */
    const unsigned ranks = (unsigned)job->ranks, k = job->mpi.gather, turns = o->sum ? (ranks + k / 2) / k : ranks;
    const double together = o->sum ? turns - 1 : ranks;
    hw_staleness_summary shape;
    hw_policy_input in = {o->steps,     turns, o->asked, hw_schedule_rate(&o->schedule, o->steps),
                          o->curvature, NULL,  NULL};
    double least = together * (o->pushes ? (double)(o->clock - o->from) / (double)o->pushes : 1), mean = 0;
    if (o->pushes) {
        hw_histogram_copy(&o->window, &o->unseen);
        hw_histogram_subtract(&o->window, &o->before);
        hw_histogram_copy(&o->before, &o->unseen);
        hw_staleness_summarize(&o->window, &shape);
        in.staleness = &o->window;
        in.shape = &shape;
        mean = shape.mean;
    }
    /* Auto lowers the rate where delay makes the step unstable, and nobody here goes back where that was not enough.
     * Ranks that begin together, after an evaluation, are young on average, but what they bring adds up: as
     * if each had waited for all. */
    if (o->compensation.policy == HW_POLICY_AUTO) {
        in.workers = (unsigned)ceil(1 + fmin(1e6, fmax(least, mean)));
        in.staleness = NULL;
        in.shape = NULL;
    }
    hw_compensate(&o->compensation, &in, &o->setting);
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
        if (hw__mpi_owner_moves(job)) o->v = calloc(o->n + 1, sizeof *o->v);
        o->room = hw__mpi_lines(o->n) + 1;
        o->changed = calloc(o->room + (size_t)job->ranks, sizeof *o->changed);
        o->told = o->changed ? o->changed + o->room : NULL;
        o->log = calloc(2 * o->room, sizeof *o->log);
        o->list = o->log ? o->log + o->room : NULL;
        good = o->w && o->changed && o->log && (o->v || !hw__mpi_owner_moves(job)) && hw__mpi_pairs_create(job);
    }
    if (good && job->means && !o->v) {
        const size_t ranks = (size_t)job->ranks, lines = hw__mpi_lines(o->n) + 1;
        o->given = malloc(ranks * (o->n + 1) * sizeof *o->given);
        o->knows = calloc((2 * ranks + 1) * lines, sizeof *o->knows);
        o->did = o->knows ? o->knows + ranks * lines : NULL;
        o->changes = o->knows ? o->did + ranks * lines : NULL;
        o->most = job->mpi.combine == HW_MPI_AVERAGES ? 1 : 2;
        good = o->given && o->knows;
    }
    if (good && job->gather) {
        o->sum = malloc((o->n + 1) * sizeof *o->sum);
        good = o->sum != NULL;
    }
    hw_histogram *own[] = {&o->own, &o->all, &o->unseen, &o->before, &o->window};
    for (size_t i = 0; good && i < sizeof own / sizeof *own; i++) good = hw_histogram_init(own[i], BINS) == HW_OK;
    if (!good) return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for a share of the parameters");
    o->compensation = hw_config_compensation(c, objective);
    o->asked = c->optimizer.momentum;
    o->schedule = c->optimizer.schedule;
    o->curvature = fmax(0, c->curvature);
    if (o->v) set(job, o);
    return HW_OK;
}

void hw__mpi_owner_free(hw_mpi_job *job)
{
    hw__mpi_owner *o = job->owner;
    if (!o) return;
    hw__mpi_pairs_free(job);
    hw_histogram_free(&o->own);
    hw_histogram_free(&o->all);
    hw_histogram_free(&o->unseen);
    hw_histogram_free(&o->before);
    hw_histogram_free(&o->window);
    free(o->changed);
    free(o->given);
    free(o->knows);
    free(o->log);
    free(o->sum);
    free(o->w);
    free(o->v);
    free(o);
    job->owner = NULL;
}

/* Rank r has heard of everything. */
static void told_all(hw__mpi_owner *o, int r)
{
    const size_t lines = hw__mpi_lines(o->n) + 1;
    o->told[r] = o->changes_made;
    if (!o->given) return;
    memcpy(o->given + (size_t)r * o->n, o->w, o->n * sizeof *o->w);
    memcpy(o->knows + (size_t)r * lines, o->changes, lines * sizeof *o->changes);
}

void hw__mpi_owner_set(hw_mpi_job *job, const float *values)
{
    hw__mpi_owner *o = job->owner;
    memcpy(o->w, values, o->n * sizeof *o->w);
    for (int r = 0; r < job->ranks; r++) told_all(o, r);
    o->clock = o->from = o->steps = job->clock;
    if (o->v) set(job, o); /* at this step of the schedule */
}

static void record(hw__mpi_owner *o, bool own, uint64_t others, uint64_t unseen, uint64_t weight)
{
    if (own) hw_histogram_add(&o->own, others, weight);
    hw_histogram_add(&o->all, others, weight);
    hw_histogram_add(&o->unseen, unseen, weight);
}

static void step(float *restrict w, float *restrict v, const float *restrict d, size_t n, float keep, float a, float b,
                 float c)
{
    for (size_t i = 0; i < n; i++) {
        w[i] += a * v[i] + b * d[i];
        v[i] = keep * v[i] + c * d[i];
    }
}

/* d: of steps that were taken at so many times the learning rate. */
static void with_momentum(hw__mpi_owner *o, uint64_t updates, const float *d, double taken_at)
{
    const double mu = o->setting.momentum, n = (double)updates,
                 decay = pow(fabs(mu), n) * (mu < 0 && updates % 2 ? -1 : 1);
    const double gain = (1 - decay) / (1 - mu), ahead = mu * gain, rate = o->setting.rate / taken_at;
    const float keep = (float)decay, a = (float)ahead, c = (float)(rate * gain / n),
                b = (float)(rate * (n - ahead) / ((1 - mu) * n));
    step(o->w, o->v, d, o->n, keep, a, b, c);
}

static void note(hw__mpi_owner *o, size_t line)
{
    o->log[o->changes_made % o->room] = (uint32_t)line;
    o->changed[line] = ++o->changes_made;
}

/* A line of `from`, which others may have changed since it heard of it: hw_mpi_combine says why. */
static void add_mean(const hw_mpi_job *job, hw__mpi_owner *o, int from, hw_range line, const float *d)
{
    const size_t number = line.first / HW__MPI_LINE, lines = hw__mpi_lines(o->n) + 1;
    const float *given = o->given + (size_t)from * o->n + line.first;
    const unsigned others = hw_peers_others(o->did + number, lines, (unsigned)job->ranks, (unsigned)from,
                                            o->changes[number], o->knows[(size_t)from * lines + number]);
    const hw_mean_of m = hw_peers_mean(others, o->most);
    float *w = o->w + line.first;
    bool any = false;
    for (size_t i = 0; i < line.count; i++) any = any || d[i] != 0;
    if (!any) return;
    for (size_t i = 0; i < line.count; i++)
        w[i] = others ? given[i] + (m.keeps * (w[i] - given[i]) + m.share * d[i]) : w[i] + d[i];
    o->did[(size_t)from * lines + number] = ++o->changes[number];
    note(o, number);
}

static bool add_means(const hw_mpi_job *job, hw__mpi_owner *o, int from, uint32_t count, const float *message)
{
    for (uint32_t k = 0; k < hw__mpi_lines_parts(count); k++) {
        hw_range part;
        const float *d = hw__mpi_lines_get(message, count, k, o->n, &part);
        if (!d) return false;
        for (size_t at = 0; at < part.count; at += HW__MPI_LINE) {
            const size_t left = part.count - at;
            add_mean(job, o, from, (hw_range){part.first + at, left < HW__MPI_LINE ? left : HW__MPI_LINE}, d + at);
        }
    }
    return true;
}

/* A message's values to those of a shard. mark: what has changed. False: there is no such line. */
static bool add(hw__mpi_owner *o, float *to, bool mark, uint32_t count, const float *message)
{
    for (uint32_t k = 0; k < hw__mpi_lines_parts(count); k++) {
        hw_range line;
        const float *d = hw__mpi_lines_get(message, count, k, o->n, &line);
        if (!d) return false;
        for (size_t i = 0; i < line.count; i++) to[line.first + i] += d[i];
        if (mark && count != HW__MPI_ALL) note(o, line.first / HW__MPI_LINE);
    }
    if (mark && count == HW__MPI_ALL)
        o->changed_all = ++o->changes_made; /* what the log has there is no line's latest */
    return true;
}

/* The mean of `count` messages as one, of as many updates as they have on average. */
static hw__mpi_push mean_of(hw__mpi_owner *o, unsigned count)
{
    const float share = 1 / (float)count;
    for (size_t i = 0; i < o->n; i++) o->sum[i] *= share;
    return (hw__mpi_push){.updates = (o->summed + count / 2) / count, .lines = HW__MPI_ALL, .rate = o->summed_rate};
}

static bool land(hw_mpi_job *job, hw__mpi_owner *o, int from, const hw__mpi_push *push, const float *message)
{
    if (o->v && push->lines != HW__MPI_ALL) return false; /* with momentum everything moves */
    if (o->v && push->updates)
        with_momentum(o, push->updates, message, (double)push->rate);
    else if (o->given ? !add_means(job, o, from, push->lines, message) : !add(o, o->w, true, push->lines, message))
        return false;
    o->clock += push->updates;
    o->pushes++;
    hw__mpi_pairs_landed(job);
    return true;
}

bool hw__mpi_owner_land(hw_mpi_job *job, int from, const hw__mpi_push *push, const float *message, unsigned number,
                        unsigned count)
{
    hw__mpi_owner *o = job->owner;
    const uint64_t early = push->early < push->updates ? push->early : push->updates, late = push->updates - early;
    /* A mean that this rank has a part in is of others, too. */
    const uint64_t missed = o->clock - push->early_clock, own = o->sum ? 0 : push->own;
    if (late) record(o, from == job->rank, o->clock - push->clock, o->clock - push->clock, late);
    if (early) record(o, from == job->rank, missed > own ? missed - own : 0, missed, early);
    hw__mpi_pairs_landing(job, from, late, early);
    o->steps += push->updates;
    if (o->sum && number == 1) {
        memset(o->sum, 0, o->n * sizeof *o->sum);
        o->summed = 0;
        o->summed_rate = 0;
    }
    if (o->sum && !add(o, o->sum, false, push->lines, message)) return false;
    o->summed += push->updates;
    o->summed_rate = fmaxf(o->summed_rate, push->rate);
    if (o->sum && number == count) {
        const hw__mpi_push mean = mean_of(o, count);
        if (!land(job, o, from, &mean, o->sum)) return false;
    }
    if (!o->sum && !land(job, o, from, push, message)) return false;
    /* Before the first of those whose curvature has been found the rate may be too high. */
    const bool found = push->curvature > 0 && !(fabs(push->curvature - o->curvature) <= 0.1 * o->curvature);
    if (found) o->curvature = push->curvature;
    if (o->v && (found || o->pushes >= o->due)) set(job, o);
    return true;
}

void hw__mpi_owner_curvature(hw_mpi_job *job, double curvature)
{
    hw__mpi_owner *o = job->owner;
    if (!o->v || !(curvature > 0)) return;
    o->curvature = curvature;
    set(job, o);
}

void hw__mpi_owner_get(hw_mpi_job *job, float *values, hw__mpi_push *push)
{
    hw__mpi_owner *o = job->owner;
    push->clock = o->clock;
    push->rate = (float)o->setting.rate;
    memcpy(values, o->w, o->n * sizeof *values);
    for (int r = 0; r < job->ranks; r++) told_all(o, r);
    hw__mpi_pairs_met(job);
}

static void ahead_of(float *restrict to, const float *restrict w, const float *restrict v, float s, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = w[i] + s * v[i];
}

/* Lines that have changed since rank `to` was told, each once: by the log, or where that does not go back so far, of
 * all. */
static uint32_t list_changed(hw__mpi_owner *o, int to)
{
    const uint64_t from = o->told[to];
    uint32_t count = 0;
    if (o->changes_made - from > o->room) {
        for (size_t line = 0; line < hw__mpi_lines(o->n); line++)
            if (o->changed[line] > from) o->list[count++] = (uint32_t)line;
        return count;
    }
    for (uint64_t k = from; k < o->changes_made; k++) {
        const uint32_t line = o->log[k % o->room];
        if (o->changed[line] == k + 1) o->list[count++] = line;
    }
    return count;
}

/* Listed lines are what rank `to` hears of now. */
static void tell_changed(hw__mpi_owner *o, int to, uint32_t count)
{
    const size_t lines = hw__mpi_lines(o->n);
    float *given = o->given + (size_t)to * o->n;
    uint32_t *knows = o->knows + (size_t)to * (lines + 1);
    for (uint32_t k = 0; k < count; k++) {
        const size_t line = o->list[k], first = line * HW__MPI_LINE, left = o->n - first;
        memcpy(given + first, o->w + first, (left < HW__MPI_LINE ? left : HW__MPI_LINE) * sizeof *given);
        knows[line] = o->changes[line];
    }
}

size_t hw__mpi_owner_reply(hw_mpi_job *job, int to, float *message, hw__mpi_push *push)
{
    hw__mpi_owner *o = job->owner;
    const bool all = o->changed_all > o->told[to];
    push->clock = o->clock;
    push->rate = (float)o->setting.rate;
    push->lines = HW__MPI_ALL;
    hw__mpi_pairs_answered(job, to);
    if (o->v) {
        ahead_of(message, o->w, o->v, (float)o->setting.ahead, o->n);
        return o->n;
    }
    if (!all) push->lines = list_changed(o, to);
    if (o->given && all) told_all(o, to);
    if (o->given && !all) tell_changed(o, to, push->lines);
    o->told[to] = o->changes_made;
    return hw__mpi_lines_pack(o->w, o->n, o->list, &push->lines, message);
}

const hw_histogram *hw__mpi_owner_staleness(const hw_mpi_job *job, bool own)
{
    return own ? &job->owner->own : &job->owner->all;
}

float *hw__mpi_owner_velocity(const hw_mpi_job *job)
{
    return job->owner->v;
}

const hw_setting *hw__mpi_owner_setting(const hw_mpi_job *job)
{
    return job->owner && job->owner->v ? &job->owner->setting : NULL;
}
