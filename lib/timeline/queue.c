/* queue.c - workers that are always busy: each lands, reads again at once (or when its gathering is complete), and
 * waits for its turn in a heap by time, a ring by order, or behind the adversary. */
#include "timeline.h"
#include "../base/heap.h"
#include <math.h>
#include <string.h>

static hw_clock clock_of(const timeline *t, uint32_t worker)
{
    if (t->s.each) return t->s.each[worker];
    uint32_t workers = t->members * t->per_group;
    bool slow = worker >= workers - t->s.stragglers;
    return (hw_clock){t->s.clock, t->s.shape, slow ? t->s.straggler_factor : 1};
}

static double draw(timeline *t, uint32_t worker)
{
    hw_clock c = clock_of(t, worker);
    hw_rng *rng = t->rng + worker;
    if (c.kind != HW_CLOCK_RECORDED) return hw_clock_draw(&c, rng);
    size_t cell = hw__base_draw(t->share, t->cells, rng);
    return c.mean * (t->from[cell] + (t->to[cell] - t->from[cell]) * hw_rng_uniform(rng));
}

/* A group's work is that of its slowest member. */
double hw__timeline_work(timeline *t, uint32_t member)
{
    double longest = 0;
    for (uint32_t k = 0; k < t->per_group; k++) longest = fmax(longest, draw(t, member * t->per_group + k));
    return longest;
}

/* --- a ring by order of reading ------------------------------------------------------------------------------------
 */

static void ring_push(timeline *t, uint32_t member)
{
    t->heap[(t->ring_first + t->n_heap++) % t->members] = member;
}

static uint32_t ring_pop(timeline *t)
{
    uint32_t member = t->heap[t->ring_first];
    t->ring_first = (t->ring_first + 1) % t->members;
    t->n_heap--;
    return member;
}

/* The adversary holds the oldest gradient until it is s.delay updates old, and lets all others pass. */
static uint32_t adversary_pop(timeline *t)
{
    if (t->held == UINT32_MAX && t->n_heap > 1) {
        t->held = ring_pop(t);
        t->held_since = (uint64_t)t->due[t->held];
    }
    if (t->held == UINT32_MAX || (t->n_heap && t->landed - t->held_since < t->s.delay)) return ring_pop(t);
    uint32_t member = t->held;
    t->held = UINT32_MAX;
    return member;
}

static uint32_t pop(timeline *t)
{
    if (t->timed) {
        uint32_t member = hw__heap_pop(t->heap, &t->n_heap, t->due);
        t->time = t->due[member];
        return member;
    }
    t->time += 1.0 / t->at_work;
    return t->s.clock == HW_CLOCK_ADVERSARY ? adversary_pop(t) : ring_pop(t);
}

/* due: the time of landing; for clocks of order the update at which it was read, by which the adversary counts. The
 * member joins the others with the next event, unless it is dropped before. */
static void arrive(timeline *t, uint32_t member, hw__timeline_event *event)
{
    t->arriving = member;
    if (t->timed) {
        t->due[member] = t->time + hw__timeline_work(t, member);
        event->due = t->due[member];
    } else {
        t->due[member] = (double)t->landed;
        event->due = (double)t->sequence++;
    }
}

static void join(timeline *t)
{
    if (t->arriving == UINT32_MAX) return;
    if (t->timed)
        hw__heap_push(t->heap, &t->n_heap, t->due, t->arriving);
    else
        ring_push(t, t->arriving);
    t->arriving = UINT32_MAX;
}

static void restart(timeline *t)
{
    t->n_heap = t->ring_first = t->gathered = t->next_read = 0;
    t->held = t->arriving = UINT32_MAX;
    for (uint32_t i = 0; i < t->members; i++) {
        t->reads[i] = i;
        t->rests[i] = false;
    }
    t->n_reads = t->members;
}

static void next(timeline *t, hw__timeline_event *event)
{
    *event = (hw__timeline_event){0};
    join(t);
    while (!t->gathered && t->next_read < t->n_reads) {
        event->member = t->reads[t->next_read++];
        if (event->member >= t->at_work) {
            t->rests[event->member] = true;
            continue;
        }
        event->time = t->time;
        arrive(t, event->member, event);
        return;
    }
    if (!t->gathered) t->n_reads = t->next_read = 0;
    event->member = pop(t);
    event->time = t->time;
    event->land = true;
    event->more = ++t->gathered < t->s.gather && t->gathered < t->members;
    if (!event->more) {
        t->gathered = 0;
        t->landed++;
    }
    t->reads[t->n_reads++] = event->member;
}

void hw__timeline_shift(timeline *t)
{
    t->n_reads -= t->next_read;
    memmove(t->reads, t->reads + t->next_read, t->n_reads * sizeof *t->reads);
    t->next_read = 0;
}

void hw__timeline_rest(timeline *t, uint32_t at_work)
{
    t->at_work = at_work;
    hw__timeline_shift(t);
    for (uint32_t i = 0; i < at_work; i++) {
        if (!t->rests[i]) continue;
        t->rests[i] = false;
        t->reads[t->n_reads++] = i;
    }
}

const hw__timeline_source hw__timeline_queue = {restart, next};
