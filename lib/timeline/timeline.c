/* timeline.c - what is refused, how many members a clock needs, and the memory of a timeline. */
#include "cluster.h"
#include <math.h>
#include <string.h>

#define MOST_DELAY 1048575u

hw_status hw__timeline_check_clock(const hw_clock *c, const char *what, uint32_t worker, char *why)
{
    bool good = true;
    const char *need = "";
    if (c->kind == HW_CLOCK_GAMMA) {
        good = c->shape >= 1e-3 && c->shape <= 1e6;
        need = "in [0.001, 1e6]";
    } else if (c->kind == HW_CLOCK_LOGNORMAL) {
        good = c->shape >= 1e-3 && c->shape <= 8;
        need = "in [0.001, 8]";
    } else if (c->kind == HW_CLOCK_PARETO) {
        good = c->shape > 1 && c->shape <= 1e6;
        need = "above 1, or the mean does not exist";
    }
    if (!good)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.%s%u: shape is %g: it must be %s", what, worker, c->shape,
                             need);
    if (!(c->mean >= 1e-9 && c->mean <= 1e9))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.%s%u: mean is %g: it must be in [1e-9, 1e9]", what, worker,
                             c->mean);
    return HW_OK;
}

static hw_status plan_histogram(const hw_simulation *s, hw__timeline_plan *plan, char *why)
{
    const hw_histogram *h = s->delays;
    if (!h || !h->counts || h->total == 0)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.simulation.delays is empty: clock histogram draws from it");
    if (h->largest > MOST_DELAY)
        return hw__base_fail(why, HW_E_LIMIT,
                             "config.simulation.delays: the largest delay is %llu; at most %u is possible",
                             (unsigned long long)h->largest, MOST_DELAY);
    plan->members = (uint32_t)h->largest + 1;
    plan->m = (uint32_t)lround(h->sum / (double)h->total) + 1;
    return HW_OK;
}

static hw_status check_recorded(const hw_simulation *s, char *why)
{
    const hw_histogram *h = s->delays;
    if (!h || !h->counts || h->total == 0 || !(h->sum > 0))
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.simulation.delays is empty: clock recorded draws work times from it");
    return HW_OK;
}

static hw_status plan_replay(const hw_simulation *s, hw__timeline_plan *plan, char *why)
{
    if (!s->trace)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.simulation.trace is NULL: clock replay needs a recorded trace");
    if (s->trace->info.updates == 0)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.simulation.trace has no updates to replay");
    plan->members = plan->m = s->trace->info.workers;
    return HW_OK;
}

bool hw__timeline_owned(const hw_simulation *s)
{
    return s->gather <= 1 && s->clock != HW_CLOCK_DELAY && s->clock != HW_CLOCK_HISTOGRAM;
}

hw_status hw__timeline_plan_of(const hw_simulation *s, unsigned workers, hw__timeline_plan *plan, char *why)
{
    bool law = hw__timeline_clock_of_work(s->clock), work = law || s->each || s->clock == HW_CLOCK_RECORDED;
    *plan = (hw__timeline_plan){workers, workers};
    if (workers < 1 || workers > HW_MAX_VIRTUAL)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.workers is %u: it must be in [1, %u]", workers,
                             HW_MAX_VIRTUAL);
    if (s->clock == HW_CLOCK_HISTOGRAM || s->clock == HW_CLOCK_RECORDED) {
        hw_status status = s->clock == HW_CLOCK_HISTOGRAM ? plan_histogram(s, plan, why) : check_recorded(s, why);
        if (status != HW_OK) return status;
    } else if (s->clock == HW_CLOCK_REPLAY) {
        hw_status status = plan_replay(s, plan, why);
        if (status != HW_OK) return status;
    } else if (s->clock == HW_CLOCK_DELAY) {
        if (s->delay > MOST_DELAY)
            return hw__base_fail(why, HW_E_LIMIT, "config.simulation.delay is %u: at most %u", s->delay, MOST_DELAY);
        plan->members = plan->m = s->delay + 1;
    }
    if (s->per_group < 1 || workers % s->per_group)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.simulation.per_group is %u: it must divide the %u workers",
                             s->per_group, workers);
    bool fixed = s->clock == HW_CLOCK_HISTOGRAM || s->clock == HW_CLOCK_REPLAY || s->clock == HW_CLOCK_DELAY;
    if (s->clock == HW_CLOCK_REPLAY && s->trace->info.per_group != s->per_group)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.simulation.per_group is %u: the trace was recorded with %u",
                             s->per_group, s->trace->info.per_group);
    if (!fixed) plan->members = plan->m = workers / s->per_group;
    if (s->gather < 1 || s->gather > plan->members)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "config.simulation.gather is %u: it must be in [1, %u], the gradients that may be pending",
                             s->gather, plan->members);
    if (s->gather > 1 && (fixed || s->clock == HW_CLOCK_ADVERSARY))
        return hw__base_fail(
            why, HW_E_UNSUPPORTED,
            "config.simulation.gather is %u: this clock says which gradient lands as which update, so it "
            "goes with 1 only",
            s->gather);
    if (s->gather > 1) plan->m = (plan->members + s->gather / 2) / s->gather;
    if (s->delay && s->clock != HW_CLOCK_DELAY && s->clock != HW_CLOCK_ADVERSARY)
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.simulation.delay is %u: only clocks delay and adversary have one", s->delay);
    if (s->stragglers && (!work || s->each))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.simulation.stragglers is %u: only a clock of work times has slow workers (with "
                             "simulation.each, say so there)",
                             s->stragglers);
    if (s->stragglers > workers || (s->stragglers && !(s->straggler_factor >= 1e-6 && s->straggler_factor <= 1e6)))
        return hw__base_fail(
            why, HW_E_ARGUMENT,
            "config.simulation.stragglers is %u with factor %g: at most %u workers, factor in [1e-6, 1e6]",
            s->stragglers, s->straggler_factor, workers);
    if (s->each && s->clock != HW_CLOCK_ROUND_ROBIN && !hw__timeline_clock_of_work(s->clock))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.simulation.each: clocks of the single workers do not go with a clock of order");
    for (uint32_t i = 0; s->each && i < workers; i++) {
        if (!hw__timeline_clock_of_work(s->each[i].kind))
            return hw__base_fail(why, HW_E_ARGUMENT, "config.simulation.each[%u] is no clock of work times", i);
        hw_status status = hw__timeline_check_clock(s->each + i, "simulation.each ", i, why);
        if (status != HW_OK) return status;
    }
    hw_clock all = {s->clock, s->shape, 1};
    return law && !s->each ? hw__timeline_check_clock(&all, "simulation.clock of worker ", 0, why) : HW_OK;
}

static void *array(size_t count, size_t size, hw__memory *from, bool *good)
{
    void *memory = hw__memory_zalloc(from, count, size);
    if (!memory) *good = false;
    return memory;
}

/* Shares of the cells of a histogram of work times, summed, and their ends in units of the mean. */
static void cumulate_work(timeline *t)
{
    const hw_histogram *h = t->s.delays;
    double sum = 0, mean = 0;
    uint32_t n = 0;
    for (uint32_t b = 0; b < h->bins; b++) {
        uint64_t low, high;
        if (!h->counts[b]) continue;
        hw_histogram_bounds(h, b, &low, &high);
        sum += (double)h->counts[b];
        mean += (double)h->counts[b] * ((double)low + (double)high + 1) / 2;
        t->share[n] = sum;
        t->from[n] = (double)low;
        t->to[n++] = (double)high + 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        t->share[i] /= sum;
        t->from[i] *= sum / mean;
        t->to[i] *= sum / mean;
    }
}

static void cumulate(timeline *t)
{
    const hw_histogram *h = t->s.delays;
    for (uint32_t b = 0; b < h->bins; b++) {
        uint64_t low, high;
        hw_histogram_bounds(h, b, &low, &high);
        if (!h->counts[b]) continue;
        if (high > h->largest) high = h->largest;
        t->share[(low + high) / 2] += (double)h->counts[b] / (double)h->total;
    }
    for (uint32_t i = 1; i < t->members; i++) t->share[i] += t->share[i - 1];
}

/* Counting sort of the trace's updates by the version that they read. */
static bool sort_reads(timeline *t, const hw_allocator *by)
{
    const hw_trace *trace = t->s.trace;
    uint64_t n = trace->info.updates;
    uint64_t *start = hw__allocate(by, n + 1, sizeof *start);
    if (!start) return false;
    memset(start, 0, (n + 1) * sizeof *start);
    for (uint64_t i = 0; i < n; i++) start[trace->entry[i].read + 1 <= n ? trace->entry[i].read + 1 : n]++;
    for (uint64_t i = 1; i <= n; i++) start[i] += start[i - 1];
    for (uint64_t i = 0; i < n; i++) t->order[start[trace->entry[i].read]++] = i;
    hw__release(by, start, n + 1, sizeof *start);
    return true;
}

hw_status hw__timeline_create(timeline **out, const hw_simulation *s, const hw_cluster *cluster, size_t parameters,
                              unsigned workers, uint64_t seed, hw__memory *memory, char *why)
{
    hw__timeline_plan plan;
    *out = NULL;
    hw_status status = hw__timeline_plan_of(s, workers, &plan, why);
    if (status != HW_OK) return status;
    bool good = true;
    timeline *t = array(1, sizeof *t, memory, &good);
    if (!t) return hw__base_fail(why, HW_E_MEMORY, "no memory for a timeline");
    t->s = *s;
    t->members = plan.members;
    t->m = plan.m;
    t->per_group = s->per_group;
    t->source = s->clock == HW_CLOCK_HISTOGRAM ? &hw__timeline_histogram
                : s->clock == HW_CLOCK_REPLAY  ? &hw__timeline_replay
                : cluster->ranks               ? &hw__timeline_clustered
                                               : &hw__timeline_queue;
    if (t->source == &hw__timeline_queue || cluster->ranks) {
        const size_t waiting = (size_t)t->members + cluster->ranks;
        t->due = array(waiting, sizeof *t->due, memory, &good);
        t->heap = array(waiting, sizeof *t->heap, memory, &good);
        if (cluster->ranks && !hw__timeline_cluster_create(t, cluster, parameters, memory)) good = false;
        t->reads = array(t->members, sizeof *t->reads, memory, &good);
        t->rests = array(t->members, sizeof *t->rests, memory, &good);
        t->at_work = t->members;
        bool recorded = s->clock == HW_CLOCK_RECORDED && !s->each;
        t->timed = hw__timeline_clock_of_work(s->clock) || s->each || recorded;
        for (uint32_t b = 0; recorded && b < s->delays->bins; b++) t->cells += s->delays->counts[b] > 0;
        if (recorded) {
            t->share = array(t->cells, sizeof *t->share, memory, &good);
            t->from = array(t->cells, sizeof *t->from, memory, &good);
            t->to = array(t->cells, sizeof *t->to, memory, &good);
            if (good) cumulate_work(t);
        }
        if (t->timed) t->rng = array(workers, sizeof *t->rng, memory, &good);
        for (unsigned i = 0; t->rng && i < workers; i++) hw_rng_seed(t->rng + i, seed, ((uint64_t)1 << 41) + i);
    } else if (t->source == &hw__timeline_histogram) {
        t->share = array(t->members, sizeof *t->share, memory, &good);
        t->first_of = array(t->members, sizeof *t->first_of, memory, &good);
        t->last_of = array(t->members, sizeof *t->last_of, memory, &good);
        t->next_of = array(t->members, sizeof *t->next_of, memory, &good);
        t->rng = array(1, sizeof *t->rng, memory, &good);
        if (good) {
            hw_rng_seed(t->rng, seed, (uint64_t)1 << 41);
            cumulate(t);
        }
    } else {
        t->order = array(s->trace->info.updates, sizeof *t->order, memory, &good);
        if (good) good = sort_reads(t, &memory->by);
    }
    if (!good) return hw__base_fail(why, HW_E_MEMORY, "no memory for a timeline of %u workers", plan.members);
    *out = t;
    return HW_OK;
}

void hw__timeline_restart(timeline *t)
{
    t->source->restart(t);
}

void hw__timeline_drop(timeline *t)
{
    if (t->cluster) hw__timeline_cluster_drop(t, t->arriving);
    t->arriving = UINT32_MAX;
}

void hw__timeline_next(timeline *t, hw__timeline_event *event)
{
    t->source->next(t, event);
}
