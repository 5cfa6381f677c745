/* simulated_fields.c - a simulation into a state and out of it: the timeline, and of every virtual worker the gradient
 * that waits to land: all that have read have been computed before; or, layer by layer, what it has read so far. */
#include "simulated.h"
#include <string.h>

#define VIRTUAL(member) offsetof(hw_worker, member)

static const hw__field pending_fields[] = {
    {"read_clock", VIRTUAL(note.clock), WALK_U64, WALK_COUNT},
    {"read_ns", VIRTUAL(read_ns), WALK_U64, WALK_ANY},
    {"examples", VIRTUAL(batch.whole), WALK_U32, WALK_ANY},
    {"status", VIRTUAL(pending.status), WALK_INT, WALK_ANY},
    {"loss", VIRTUAL(pending.loss), WALK_F64, WALK_ANY},
    {"loss_finite", VIRTUAL(pending.loss_finite), WALK_BOOL, WALK_ANY},
    {"finite", VIRTUAL(pending.finite), WALK_BOOL, WALK_ANY},
    {"clipped", VIRTUAL(pending.clipped), WALK_BOOL, WALK_ANY},
    {"raw", VIRTUAL(pending.extent.raw), WALK_BOOL, WALK_ANY},
    {"parts", VIRTUAL(pending.extent.n), WALK_SIZE, WALK_ANY},
    {"floats", VIRTUAL(pending.extent.total), WALK_SIZE, WALK_ANY},
};

#define SIM(member) offsetof(hw__simulated, member)
static const hw__field sim_fields[] = {
    {"time", SIM(time_bits), WALK_COUNTER_REAL, WALK_POSITIVE},
    {"exhausted", SIM(exhausted), WALK_BOOL, WALK_ANY},
    {"has_event", SIM(has_event), WALK_BOOL, WALK_ANY},
    {"event.land", SIM(event.land), WALK_BOOL, WALK_ANY},
    {"event.more", SIM(event.more), WALK_BOOL, WALK_ANY},
    {"event.recorded", SIM(event.recorded), WALK_BOOL, WALK_ANY},
    {"event.end", SIM(event.end), WALK_BOOL, WALK_ANY},
    {"event.lane", SIM(event.member), WALK_U32, WALK_ANY},
    {"event.setting", SIM(event.setting), WALK_U32, WALK_ANY},
    {"event.ticket", SIM(event.ticket), WALK_U64, WALK_COUNT},
    {"event.time", SIM(event.time), WALK_F64, WALK_POSITIVE},
    {"event.due", SIM(event.due), WALK_F64, WALK_POSITIVE},
    {"gathered", SIM(gathered), WALK_INT, WALK_ANY},
    {"gathered_examples", SIM(gathered_examples), WALK_U32, WALK_ANY},
    {"gathered_loss", SIM(gathered_loss), WALK_F64, WALK_ANY},
};

/* What a virtual worker's access is: the whole vector, or a list. 0: nothing waits. */
typedef enum pending_kind {
    PENDING_EMPTY,
    PENDING_DENSE,
    PENDING_INDICES,
    PENDING_RANGES,
    PENDING_CLOSING
} pending_kind;

static size_t words_of(pending_kind kind, size_t parts)
{
    return kind == PENDING_INDICES ? parts : kind == PENDING_RANGES ? 2 * parts : 0;
}

/* The virtual worker whose gradient was the last to join the update that is gathering. */
static bool closes(const hw__simulated *s, const hw_worker *w)
{
    return s->gathered && s->closing == w;
}

static pending_kind kind_of(const hw__simulated *s, const hw_worker *w)
{
    const hw__extent *a = &w->pending.extent;
    if (!hw__virtual_of(w)->busy) return closes(s, w) ? PENDING_CLOSING : PENDING_EMPTY;
    return a->all ? PENDING_DENSE : a->indices ? PENDING_INDICES : PENDING_RANGES;
}

/* The lists of a virtual worker, in its own memory or behind its values. */
static uint32_t *lists_of(const hw__virtual_worker *virtual, size_t floats)
{
    return virtual->lists ? virtual->lists : (uint32_t *)(void *)(virtual->g + floats);
}

static void put_virtual(const hw_worker *w, pending_kind kind, float *g, uint32_t *lists)
{
    const hw__virtual_worker *virtual = hw__virtual_of(w);
    const hw__extent *a = &w->pending.extent;
    size_t words = words_of(kind, a->n), floats = a->total;
    if (kind == PENDING_EMPTY || kind == PENDING_CLOSING || w->pending.status != HW_OK) words = floats = 0;
    memset(g, 0, virtual->room * sizeof *g);
    memcpy(g, virtual->g, floats * sizeof *g);
    if (lists) memset(lists, 0, virtual->lists_room * sizeof *lists);
    if (words)
        memcpy(lists ? lists : (uint32_t *)(void *)(g + floats), lists_of(virtual, floats), words * sizeof *lists);
}

static void take_virtual(hw_worker *w, pending_kind kind, const float *g, const uint32_t *lists)
{
    hw__virtual_worker *virtual = hw__virtual_of(w);
    hw__extent *a = &w->pending.extent;
    memcpy(virtual->g, g, virtual->room * sizeof *g);
    if (lists) memcpy(virtual->lists, lists, virtual->lists_room * sizeof *lists);
    virtual->busy = virtual->done = kind == PENDING_DENSE || kind == PENDING_INDICES || kind == PENDING_RANGES;
    virtual->snapshot = NULL;
    virtual->x = NULL;
    a->all = kind == PENDING_DENSE || kind == PENDING_CLOSING;
    a->ranges = a->all ? &w->all : NULL; /* a list of ranges is unpacked when it lands */
    a->indices = kind == PENDING_INDICES ? lists_of(virtual, a->total) : NULL;
    virtual->packed = kind == PENDING_RANGES ? lists_of(virtual, a->total) : NULL;
    w->pending.g = virtual->g;
    w->note.spread = w->note.overlap = 0;
    w->note.measured = 1;
    w->g = virtual->g;
    w->pairs = 1;
}

/* A virtual worker of a state: what its access says lies within the virtual worker's room and the parameters. */
typedef struct pending_view {
    pending_kind kind;
    uint64_t parts, floats;
    bool good, finite; /* the step succeeded; with a gradient that is finite */
    const float *g;
    const uint32_t *lists;
} pending_view;

static bool check_virtual(const hw_engine *e, const hw__virtual_worker *virtual, const pending_view *x)
{
    size_t n = e->objective.parameters;
    if (x->kind == PENDING_EMPTY) return true;
    if (x->kind == PENDING_CLOSING) return x->parts == 1 && x->floats == n && x->good && x->finite;
    if (!x->good) return true;
    if (x->kind == PENDING_DENSE) {
        if (x->parts != 1 || x->floats != n || x->floats > virtual->room) return false;
    } else {
        size_t room = virtual->lists ? virtual->lists_room : virtual->room;
        if (x->floats > virtual->room || x->parts > room || (!virtual->lists && x->floats > room)) return false;
        if (words_of(x->kind, (size_t)x->parts) > room - (virtual->lists ? 0 : x->floats)) return false;
        const uint32_t *list = x->lists ? x->lists : (const uint32_t *)(const void *)(x->g + x->floats);
        uint64_t covered = 0;
        for (uint64_t i = 0; i < x->parts; i++) {
            uint64_t first = x->kind == PENDING_INDICES ? list[i] : list[2 * i];
            uint64_t count = x->kind == PENDING_INDICES ? 1 : list[2 * i + 1];
            if (first > n || count > n - first) return false;
            covered += count;
        }
        if (covered != x->floats) return false;
    }
    return !x->finite || hw__base_all_finite(x->g, (size_t)x->floats);
}

static void check_all(hw_engine *e, hw__walk *v, const uint32_t *kind, const float *g, const uint32_t *lists)
{
    const hw__simulated *s = hw__simulated_of(e);
    size_t n = e->crew.members;
    const uint64_t *parts = hw_state_array(v->from, "lane.parts", HW_U64, n);
    const uint64_t *floats = hw_state_array(v->from, "lane.floats", HW_U64, n);
    const uint64_t *read = hw_state_array(v->from, "lane.read_clock", HW_U64, n);
    const uint32_t *examples = hw_state_array(v->from, "lane.examples", HW_U32, n);
    const uint32_t *status = hw_state_array(v->from, "lane.status", HW_U32, n);
    const uint8_t *finite = hw_state_array(v->from, "lane.finite", HW_U8, n);
    const uint8_t *loss_finite = hw_state_array(v->from, "lane.loss_finite", HW_U8, n);
    const double *loss = hw_state_array(v->from, "lane.loss", HW_F64, n);
    uint64_t landed = hw_state_number(v->from, "run.landed", 0),
             first = hw_state_number(v->from, "run.first_update", 0);
    for (size_t i = 0; i < n; i++) {
        const hw__virtual_worker *virtual = s->virtual + i;
        pending_view x = {(pending_kind)kind[i],
                          parts[i],
                          floats[i],
                          status[i] == HW_OK,
                          finite[i] && loss_finite[i],
                          g + i * virtual->room,
                          lists ? lists + i * virtual->lists_room : NULL};
        bool good = kind[i] <= PENDING_CLOSING && check_virtual(e, virtual, &x);
        if (good && kind[i] != PENDING_EMPTY && x.good)
            good = read[i] <= landed && read[i] >= first && examples[i] <= e->config.batch &&
                   (!loss_finite[i] || hw__base_finite_double(loss[i]));
        if (good) continue;
        hw__walk_refuse(v, "the entries 'lane...' of the state: worker %zu holds no gradient that could land", i);
        return;
    }
}

/* Virtual workers and timeline agree on who is going to land; and the event that has been drawn is one of them. Where
 * the timeline does not say, the virtual workers do. */
static void check_places(hw_engine *e, hw__walk *v, const uint32_t *kind)
{
    hw__simulated *s = hw__simulated_of(e);
    uint32_t event = UINT32_MAX;
    bool good = true;
    if (hw_state_number(v->from, "sim.has_event", 0) && !hw_state_number(v->from, "sim.event.end", 0)) {
        uint64_t worker = hw_state_number(v->from, "sim.event.lane", 0);
        bool land = hw_state_number(v->from, "sim.event.land", 0) != 0;
        good = worker < e->crew.members && s->place[worker] != (land ? TIMELINE_LANDS : TIMELINE_READS);
        event = (uint32_t)worker;
        if (good && !land) good = kind[event] == PENDING_EMPTY || kind[event] == PENDING_CLOSING;
        bool recorded = hw_state_number(v->from, "sim.event.recorded", 0) != 0;
        if (recorded && (!e->replays ||
                         hw_state_number(v->from, "sim.event.setting", 0) >= e->config.simulation.trace->info.settings))
            good = false;
        if (e->replays && !land && !recorded) good = false;
    }
    for (uint32_t i = 0; i < e->crew.members && good; i++) {
        bool busy = kind[i] != PENDING_EMPTY && kind[i] != PENDING_CLOSING;
        if (s->place[i] == TIMELINE_EITHER) s->place[i] = busy || i == event ? TIMELINE_LANDS : TIMELINE_NOWHERE;
        if (i != event) good = busy == (s->place[i] == TIMELINE_LANDS);
    }
    if (!good)
        hw__walk_refuse(v, "the entries 'lane...' and 'timeline...' of the state do not agree on who is to land");
}

/* Every update that has landed was one of the timeline's. One that was skipped, or whose virtual worker had found no
 * ticket, passed there too; a replay has none of the latter, so its next update is known. */
static void check_landed(const hw_engine *e, hw__walk *v)
{
    const uint64_t *skipped = hw_state_array(v->from, "worker.skipped", HW_U64, e->crew.members);
    bool drawn = hw_state_number(v->from, "sim.has_event", 0) && hw_state_number(v->from, "sim.event.land", 0) &&
                 !hw_state_number(v->from, "sim.event.end", 0);
    uint64_t landed = hw_state_number(v->from, "run.landed", 0) + drawn, passed = landed;
    uint64_t counted = hw_state_number(v->from, "timeline.landed", 0);
    if (e->replays) {
        passed -= hw_state_number(v->from, "run.first_update", 0);
        for (unsigned i = 0; i < e->crew.members; i++) passed += skipped[i];
    }
    bool good = e->replays           ? hw_state_number(v->from, "timeline.version", 0) == passed && counted == passed
                : e->crew.gather > 1 ? true
                                     : counted >= landed;
    if (!good)
        hw__walk_refuse(v, "entry 'timeline.landed' of the state is %llu, which does not fit 'run.landed', %llu",
                        (unsigned long long)counted, (unsigned long long)hw_state_number(v->from, "run.landed", 0));
}

/* What the gradients that wait were computed at, where they are going to be corrected by it. */
static void walk_seen(hw_engine *e, hw__walk *v)
{
    const hw__simulated *s = hw__simulated_of(e);
    size_t room = s->virtual[0].room;
    const uint64_t shape[2] = {e->crew.members, room};
    if (!s->virtual[0].seen) return;
    float *seen = hw__walk_array(v, "lane.seen", HW_F32, 2, shape);
    for (uint32_t i = 0; seen && v->status == HW_OK && i < shape[0]; i++, seen += room) {
        const hw_worker *w = e->worker + i;
        bool waits = hw__virtual_of(w)->busy && w->pending.status == HW_OK && !e->layers.on;
        size_t floats = waits ? w->pending.extent.total : 0;
        if (v->way == WALK_PUT) {
            memset(seen, 0, room * sizeof *seen);
            memcpy(seen, s->virtual[i].seen, floats * sizeof *seen);
        }
        if (v->way == WALK_TAKE) memcpy(s->virtual[i].seen, seen, room * sizeof *seen);
        if (v->way == WALK_CHECK && !hw__base_all_finite(seen, room))
            hw__walk_refuse(v, "entry 'lane.seen' of the state holds a value that is not finite");
    }
}

static void walk_all(hw_engine *e, hw__walk *v)
{
    hw__simulated *s = hw__simulated_of(e);
    const uint64_t n = e->crew.members, floats[2] = {n, s->virtual[0].room}, words[2] = {n, s->virtual[0].lists_room};
    hw__walk_columns(v, "lane", WALK_FIELDS(pending_fields), e->worker, sizeof *e->worker, e->crew.members);
    uint32_t *kind = hw__walk_array(v, "lane.waits", HW_U32, 1, &n);
    float *g = hw__walk_array(v, "lane.gradient", HW_F32, 2, floats);
    uint32_t *lists = s->lists ? hw__walk_array(v, "lane.lists", HW_U32, 2, words) : NULL;
    if (v->status != HW_OK) return;
    if (v->way == WALK_CHECK) {
        check_all(e, v, kind, g, lists);
        bool begun = hw_state_number(v->from, "run.begun", 0) != 0;
        if (v->status == HW_OK && begun) check_places(e, v, kind);
        if (v->status == HW_OK && begun) check_landed(e, v);
        uint32_t closing = 0;
        for (uint64_t i = 0; i < n && v->status == HW_OK; i++) closing += kind[i] == PENDING_CLOSING;
        uint64_t gathered = hw_state_number(v->from, "sim.gathered", 0);
        if (closing != (gathered > 0) || gathered >= e->crew.gather)
            hw__walk_refuse(v, "entry 'sim.gathered' of the state does not fit the workers");
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        hw_worker *w = e->worker + i;
        float *own = g + i * floats[1];
        uint32_t *list = lists ? lists + i * words[1] : NULL;
        if (v->way == WALK_PUT) {
            kind[i] = kind_of(s, w);
            put_virtual(w, (pending_kind)kind[i], own, list);
        } else {
            take_virtual(w, (pending_kind)kind[i], own, list);
            s->pending += hw__virtual_of(w)->busy;
            if (kind[i] == PENDING_CLOSING) s->closing = w;
        }
    }
}

/* Of steps layer by layer: when they began and are due, and what they have read. */
static void walk_layers(hw_engine *e, hw__walk *v)
{
    static const hw__field times[] = {{"began", offsetof(hw__virtual_worker, began), WALK_F64, WALK_POSITIVE},
                                      {"due", offsetof(hw__virtual_worker, due), WALK_F64, WALK_POSITIVE}};
    hw__simulated *s = hw__simulated_of(e);
    const uint64_t n = e->crew.members, layers = e->objective.layer_count, shape[2] = {n, layers};
    if (!e->layers.possible || !hw__layers_of_state(e, v)) return;
    hw__walk_columns(v, "lane", WALK_FIELDS(times), s->virtual, sizeof *s->virtual, n);
    uint64_t *clocks = hw__walk_array(v, "lane.layer_clock", HW_U64, 2, shape);
    if (v->status != HW_OK || !clocks) return;
    uint64_t *own = s->virtual[0].layer_clock, landed = hw_params_clock(e->params);
    if (v->way == WALK_CHECK) landed = hw_state_number(v->from, "run.landed", 0);
    for (uint64_t i = 0; i < n * layers; i++) {
        if (v->way == WALK_PUT) clocks[i] = s->virtual[i / layers].busy ? own[i] : 0;
        if (v->way == WALK_TAKE) own[i] = clocks[i];
        if (v->way == WALK_CHECK && clocks[i] != HW__UNREAD && clocks[i] > landed) {
            hw__walk_refuse(v, "entry 'lane.layer_clock' of the state is beyond 'run.landed'");
            return;
        }
    }
}

void hw__simulated_fields(hw_engine *e, hw__walk *v)
{
    hw__simulated *s = hw__simulated_of(e);
    if (!s || v->status != HW_OK) return;
    if (s->cluster) {
        hw__walk_refuse(v, "config.cluster.ranks is %u: a state does not hold the ranks of a cluster",
                        e->config.cluster.ranks);
        return;
    }
    hw__walk_values(v, "sim", WALK_FIELDS(sim_fields), s);
    bool begun = v->way == WALK_PUT || hw_state_number(v->from, "run.begun", 0);
    bool exhausted = v->way != WALK_PUT && hw_state_number(v->from, "sim.exhausted", 0);
    uint64_t at_work = e->crew.slots;
    if (v->way == WALK_CHECK && e->rest.possible) at_work = hw_state_number(v->from, "run.rest.at_work", at_work);
    if (at_work > s->timeline->members) at_work = s->timeline->members; /* refused elsewhere */
    hw__timeline_fields(s->timeline, v, s->place, begun, exhausted, (uint32_t)at_work);
    if (s->rng) {
        static const hw__field stream[] = {{"random", 0, WALK_STREAM, WALK_ANY}};
        hw__walk_columns(v, "sim", WALK_FIELDS(stream), s->rng, sizeof *s->rng,
                         (size_t)e->crew.members * e->crew.share);
    }
    if (s->sum) {
        size_t n = e->objective.parameters;
        if (v->way == WALK_PUT && !s->gathered) memset(s->sum, 0, n * sizeof *s->sum);
        hw__walk_plain(v, "sim.sum", HW_F32, s->sum, n); /* finite gradients may add up to more than a float holds */
    }
    if (v->way == WALK_TAKE) {
        s->pending = 0;
        s->closing = NULL;
    }
    if (v->way == WALK_PUT) hw__virtual_layers_clear(e);
    walk_all(e, v);
    walk_seen(e, v);
    walk_layers(e, v);
    if (hw__walk_checks(v) && e->replays &&
        hw_state_number(v->from, "run.replayed_setting", 0) >= e->config.simulation.trace->info.settings)
        hw__walk_refuse(v, "entry 'run.replayed_setting' of the state is no setting of the trace");
}

void hw__simulated_complete(hw_engine *e, bool more)
{
    hw__simulated *s = hw__simulated_of(e);
    if (!s) return;
    if (e->rest.possible) hw__timeline_resume(s->timeline, s->place, e->rest.at_work);
    if (!s->exhausted || !more) return;
    hw__timeline_revive(s->timeline, s->place);
    s->exhausted = false;
}
