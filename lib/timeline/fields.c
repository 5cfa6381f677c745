/* fields.c - a timeline into a state and out of it, and what must be true of it there: each member is in one place,
 * each index below its bound, the heap a heap. A timeline that is not so would land what was never read, or wait for
 * ever.
 */
#include "timeline.h"
#include "../base/heap.h"
#include <string.h>

typedef struct picture { /* of the entries of a state: the fields of a timeline, checked before they become one */
    timeline t;
    const uint32_t *heap, *reads, *first_of, *last_of, *next_of;
    const double *due;
} picture;

static const hw__field common[] = {{"landed", offsetof(timeline, landed), WALK_U64, WALK_COUNT},
                                   {"time", offsetof(timeline, time), WALK_F64, WALK_POSITIVE}};
static const hw__field queue[] = {{"waiting", offsetof(timeline, n_heap), WALK_U32, WALK_ANY},
                                  {"first", offsetof(timeline, ring_first), WALK_U32, WALK_ANY},
                                  {"readers", offsetof(timeline, n_reads), WALK_U32, WALK_ANY},
                                  {"next_reader", offsetof(timeline, next_read), WALK_U32, WALK_ANY},
                                  {"arriving", offsetof(timeline, arriving), WALK_U32, WALK_ANY},
                                  {"gathered", offsetof(timeline, gathered), WALK_U32, WALK_ANY},
                                  {"held", offsetof(timeline, held), WALK_U32, WALK_ANY},
                                  {"held_since", offsetof(timeline, held_since), WALK_U64, WALK_COUNT},
                                  {"sequence", offsetof(timeline, sequence), WALK_U64, WALK_COUNT}};
static const hw__field drawn[] = {{"version", offsetof(timeline, version), WALK_U64, WALK_COUNT}};
static const hw__field replayed[] = {{"version", offsetof(timeline, version), WALK_U64, WALK_COUNT},
                                     {"cursor", offsetof(timeline, cursor), WALK_U64, WALK_COUNT}};
static const hw__field stream[] = {{"random", 0, WALK_STREAM, WALK_ANY}};

static void walk(timeline *t, hw__walk *v, const timeline *of)
{
    uint32_t members = of->members;
    hw__walk_values(v, "timeline", WALK_FIELDS(common), t);
    if (of->rng)
        hw__walk_columns(v, "timeline", WALK_FIELDS(stream), t->rng, sizeof *t->rng,
                         of->source == &hw__timeline_queue ? (size_t)members * of->per_group : 1);
    if (of->source == &hw__timeline_queue) {
        hw__walk_values(v, "timeline", WALK_FIELDS(queue), t);
        hw__walk_plain(v, "timeline.due", HW_F64, t->due, members);
        hw__walk_plain(v, "timeline.heap", HW_U32, t->heap, members);
        hw__walk_plain(v, "timeline.reads", HW_U32, t->reads, members);
    } else if (of->source == &hw__timeline_histogram) {
        hw__walk_values(v, "timeline", WALK_FIELDS(drawn), t);
        hw__walk_plain(v, "timeline.first", HW_U32, t->first_of, members);
        hw__walk_plain(v, "timeline.last", HW_U32, t->last_of, members);
        hw__walk_plain(v, "timeline.next", HW_U32, t->next_of, members);
    } else {
        hw__walk_values(v, "timeline", WALK_FIELDS(replayed), t);
    }
}

/* A member has been found in a place: false where it is none, or was found before. */
static bool found(uint8_t *place, uint32_t members, uint32_t member, hw__timeline_place where)
{
    if (member >= members || place[member] != TIMELINE_NOWHERE) return false;
    place[member] = (uint8_t)where;
    return true;
}

static bool check_queue(const picture *p, uint8_t *place, bool exhausted, uint32_t at_work)
{
    const timeline *t = &p->t;
    uint32_t members = t->members;
    if (t->n_heap > members || t->ring_first >= members || t->n_reads > members || t->next_read > t->n_reads ||
        t->gathered >= members || (t->gathered && (t->gathered >= t->s.gather || t->next_read)))
        return false;
    for (uint32_t i = 0; i < members; i++)
        if (!(p->due[i] >= 0 && p->due[i] <= (t->timed ? 1e300 : (double)WALK_MOST))) return false;
    uint32_t first = t->timed ? 0 : t->ring_first, land = t->n_heap;
    for (uint32_t i = 0; i < t->n_heap; i++) {
        uint32_t at = (first + i) % members;
        if (!found(place, members, p->heap[at], TIMELINE_LANDS)) return false;
        if (t->timed && i && hw__heap_before(p->due, p->heap[i], p->heap[(i - 1) / 2])) return false;
    }
    for (uint32_t i = t->next_read; i < t->n_reads; i++)
        if (!found(place, members, p->reads[i], TIMELINE_READS)) return false;
    const uint32_t single[] = {t->arriving, t->held};
    for (int i = 0; i < 2; i++) {
        if (single[i] == UINT32_MAX) continue;
        if (!found(place, members, single[i], TIMELINE_LANDS)) return false;
        land++;
    }
    if (t->held != UINT32_MAX && t->s.clock != HW_CLOCK_ADVERSARY) return false;
    /* A gathering takes the rest of its gradients one after the other, with nobody reading in between. */
    if (!exhausted && t->gathered && land < t->s.gather - t->gathered) return false;
    for (uint32_t i = 0; i < at_work && !exhausted; i++)
        if (place[i] == TIMELINE_NOWHERE) return false;
    return true;
}

/* Updates from now until the one whose number is `number` modulo the members. */
static uint32_t ahead(const timeline *t, uint32_t number)
{
    uint32_t now = (uint32_t)(t->version % t->members);
    return number >= now ? number - now : number + t->members - now;
}

/* A member lands as the next update of its number, and reads before that. */
static bool check_histogram(const picture *p, uint8_t *place, bool exhausted)
{
    const timeline *t = &p->t;
    uint32_t members = t->members;
    if (t->landed != t->version) return false;
    for (uint32_t b = 0; b < members; b++) {
        uint32_t last = UINT32_MAX;
        for (uint32_t member = p->first_of[b]; member != UINT32_MAX; member = p->next_of[member]) {
            if (!found(place, members, member, TIMELINE_READS) || ahead(t, b) > ahead(t, member)) return false;
            last = member;
        }
        if (last != UINT32_MAX && p->last_of[b] != last) return false;
    }
    for (uint32_t i = 0; i < members; i++) /* those off the lists have read, or found no ticket */
        if (place[i] == TIMELINE_NOWHERE) place[i] = exhausted ? TIMELINE_EITHER : TIMELINE_LANDS;
    return true;
}

static bool check_replay(const timeline *t, const timeline *of, uint8_t *place)
{
    const hw_trace *trace = of->s.trace;
    if (t->cursor > trace->info.updates || t->version > trace->info.updates) return false;
    for (uint64_t i = 0; i < t->cursor; i++) {
        uint64_t n = of->order[i];
        if (trace->entry[n].read > t->version) return false;
        if (n >= t->version && !found(place, of->members, trace->entry[n].worker, TIMELINE_LANDS)) return false;
    }
    for (uint64_t i = t->cursor; i < trace->info.updates; i++)
        if (of->order[i] < t->version) return false;
    return true;
}

void hw__timeline_fields(timeline *t, hw__walk *v, uint8_t *place, bool begun, bool exhausted, uint32_t at_work)
{
    walk(t, v, t);
    if (!hw__walk_checks(v)) return;
    size_t members = t->members;
    picture p = {.t = *t};
    hw__walk take = *v;
    take.way = WALK_TAKE;
    hw__walk_values(&take, "timeline", WALK_FIELDS(common), &p.t);
    memset(place, TIMELINE_NOWHERE, members);
    if (!begun) return; /* the run will begin it anew */
    bool good;
    if (t->source == &hw__timeline_queue) {
        hw__walk_values(&take, "timeline", WALK_FIELDS(queue), &p.t);
        p.due = hw_state_array(v->from, "timeline.due", HW_F64, members);
        p.heap = hw_state_array(v->from, "timeline.heap", HW_U32, members);
        p.reads = hw_state_array(v->from, "timeline.reads", HW_U32, members);
        good = check_queue(&p, place, exhausted, at_work);
    } else if (t->source == &hw__timeline_histogram) {
        hw__walk_values(&take, "timeline", WALK_FIELDS(drawn), &p.t);
        p.first_of = hw_state_array(v->from, "timeline.first", HW_U32, members);
        p.last_of = hw_state_array(v->from, "timeline.last", HW_U32, members);
        p.next_of = hw_state_array(v->from, "timeline.next", HW_U32, members);
        good = check_histogram(&p, place, exhausted);
    } else {
        hw__walk_values(&take, "timeline", WALK_FIELDS(replayed), &p.t);
        good = check_replay(&p.t, t, place);
    }
    if (!good)
        hw__walk_refuse(
            v,
            "the entries 'timeline...' of the state are no schedule of %u workers: a worker is missing, is in two "
            "places, or is out of order",
            t->members);
}

/* It reads now: its turn to land has not come yet. */
static void list(timeline *t, uint32_t member)
{
    uint32_t bucket = (uint32_t)(t->version % t->members);
    t->next_of[member] = t->first_of[bucket];
    if (t->first_of[bucket] == UINT32_MAX) t->last_of[bucket] = member;
    t->first_of[bucket] = member;
}

void hw__timeline_revive(timeline *t, const uint8_t *place)
{
    for (uint32_t i = t->members; t->source == &hw__timeline_histogram && i-- > 0;)
        if (place[i] == TIMELINE_NOWHERE) list(t, i);
    if (t->source != &hw__timeline_queue) return;
    hw__timeline_shift(t);
    t->gathered = 0; /* whoever is left might be too few to complete the update that was gathering */
    for (uint32_t i = 0; i < t->members; i++)
        if (place[i] == TIMELINE_NOWHERE && i < t->at_work) t->reads[t->n_reads++] = i;
}

void hw__timeline_resume(timeline *t, const uint8_t *place, uint32_t at_work)
{
    t->at_work = at_work;
    for (uint32_t i = 0; t->rests && i < t->members; i++) t->rests[i] = place[i] == TIMELINE_NOWHERE && i >= t->at_work;
}
