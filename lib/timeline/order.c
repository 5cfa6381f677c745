/* order.c - timelines that say for every update which past state it reads: delays drawn from a histogram, and the
 * replay of a recorded trace.
 *
 * HISTOGRAM: update n, with delay l drawn, reads state max(0, n - l) and lands as number n. Its member is n modulo
 * (largest delay + 1): that member's last gradient landed before any update that can use the member again reads. So as
 * many pending gradients are kept as a ring of past states would have entries, and every gradient is computed at the
 * moment its state is current. */
#include "timeline.h"

/* --- HISTOGRAM ------------------------------------------------------------------------------------------------------
 */

static void enter(timeline *t, uint64_t n)
{
    size_t delay = hw__base_draw(t->share, t->members, t->rng);
    uint64_t read = n > delay ? n - delay : 0;
    if (read < t->version) read = t->version; /* in the first window of a run */
    uint32_t bucket = (uint32_t)(read % t->members), member = (uint32_t)(n % t->members);
    t->next_of[member] = UINT32_MAX;
    if (t->first_of[bucket] == UINT32_MAX)
        t->first_of[bucket] = member;
    else
        t->next_of[t->last_of[bucket]] = member;
    t->last_of[bucket] = member;
}

static void histogram_restart(timeline *t)
{
    t->version = t->landed;
    for (uint32_t i = 0; i < t->members; i++) t->first_of[i] = UINT32_MAX;
    for (uint32_t i = 0; i < t->members; i++) enter(t, t->version + i);
}

static void histogram_next(timeline *t, hw__timeline_event *event)
{
    *event = (hw__timeline_event){0};
    uint32_t *first = t->first_of + t->version % t->members;
    event->time = t->time;
    if (*first != UINT32_MAX) {
        event->member = *first;
        *first = t->next_of[*first];
        uint32_t ahead = (event->member + t->members - (uint32_t)(t->version % t->members)) % t->members;
        event->due = (double)(t->version + ahead);
        return;
    }
    event->land = true;
    event->member = (uint32_t)(t->version % t->members);
    t->time += 1.0 / t->m;
    event->time = t->time;
    t->landed = ++t->version;
    enter(t, t->version + t->members - 1);
}

const hw__timeline_source hw__timeline_histogram = {histogram_restart, histogram_next};

/* --- REPLAY ---------------------------------------------------------------------------------------------------------
 */

static void replay_restart(timeline *t)
{
    t->version = t->cursor = 0;
}

static void replay_next(timeline *t, hw__timeline_event *event)
{
    const hw_trace *trace = t->s.trace;
    *event = (hw__timeline_event){0};
    event->time = t->time;
    if (t->cursor < trace->info.updates && trace->entry[t->order[t->cursor]].read <= t->version) {
        uint64_t n = t->order[t->cursor++];
        const hw_trace_entry *entry = trace->entry + n;
        event->recorded = true;
        event->member = entry->worker;
        event->ticket = entry->ticket;
        event->setting = entry->setting;
        event->due = (double)n;
        return;
    }
    if (t->version == trace->info.updates) {
        event->end = true;
        return;
    }
    event->land = true;
    event->member = trace->entry[t->version].worker;
    t->time += 1.0 / t->m;
    event->time = t->time;
    t->landed = ++t->version;
}

const hw__timeline_source hw__timeline_replay = {replay_restart, replay_next};
