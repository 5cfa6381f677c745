/* blocks.c - conflict-free blocks: a worker has a whole block of examples to itself, and no other worker has one that
 * shares a group (its users' rows, its items' rows) with it. The table is under a mutex that is taken once a block. */
#include "../step/members.h"
#include "async.h"
#include <sched.h>

/* The block in a worker's hands: ticket `ticket` + `done` comes next, of `count`. */
typedef struct held {
    uint32_t block, count, done;
    uint64_t ticket;
} held;

typedef struct blocks {
    held *held; /* of each worker */
    pthread_mutex_t mutex;
    uint32_t *done;         /* times that each block was handed out in this run */
    bool *busy;             /* groups, then blocks */
    uint32_t next;          /* where the search begins */
    uint32_t epoch, behind; /* every block was handed out so often; so many not more often */
    uint64_t passes;        /* of the run */
} blocks;

static hw_status check_blocks(const hw_objective *o, char *why)
{
    uint64_t total = 0;
    if (!o->block)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective.blocks is %u, but objective.block is NULL", o->blocks);
    for (uint32_t b = 0; b < o->blocks; b++) {
        const hw_block *x = o->block + b;
        if (x->first != total)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "objective.block[%u] begins at example %u: it must begin at %llu, where "
                                 "the one before ends",
                                 b, x->first, (unsigned long long)total);
        if ((uint64_t)x->first + x->count > o->examples || x->group[0] >= o->block_groups ||
            x->group[1] >= o->block_groups)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "objective.block[%u] has examples or groups beyond the objective's %u and %u", b,
                                 o->examples, o->block_groups);
        total += x->count;
    }
    if (total != o->examples)
        return hw__base_fail(why, HW_E_ARGUMENT, "objective.block: the blocks have %llu examples, the objective %u",
                             (unsigned long long)total, o->examples);
    return HW_OK;
}

static hw_status plan(hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    hw_status status = check_blocks(o, why);
    if (status != HW_OK) return status;
    blocks *s = hw__memory_zalloc(&e->memory, 1, sizeof *s);
    if (s && pthread_mutex_init(&s->mutex, NULL) != 0) s = NULL;
    e->own = s;
    size_t marks = (size_t)o->block_groups + o->blocks;
    if (s) s->done = hw__memory_zalloc(&e->memory, o->blocks, sizeof *s->done);
    if (s) s->busy = hw__memory_zalloc(&e->memory, marks, sizeof *s->busy);
    if (s) s->held = hw__memory_zalloc(&e->memory, e->crew.threads, sizeof *s->held);
    if (!s || !s->done || !s->busy || !s->held)
        return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for %u blocks", o->blocks);
    status = hw__members_plan(e, why);
    for (unsigned i = 0; i < e->crew.threads && status == HW_OK; i++) e->worker[i].own = s->held + i;
    return status;
}

static void release_all(hw_engine *e)
{
    blocks *s = e->own;
    hw__members_free(e);
    if (!s) return;
    (void)pthread_mutex_destroy(&s->mutex);
}

/* A block is a worker's, or nobody's any more. */
static void mark(hw_engine *e, uint32_t b, bool busy)
{
    blocks *s = e->own;
    const hw_objective *o = &e->objective;
    s->busy[o->block_groups + b] = s->busy[o->block[b].group[0]] = s->busy[o->block[b].group[1]] = busy;
}

/* How many passes there may be. At its end a run cuts its last blocks, which count as handed out all the same; so where
 * one goes on farther, the blocks that are left may have fewer examples than there are tickets. */
static uint64_t passes_of(const hw_engine *e, bool restored)
{
    const blocks *s = e->own;
    const hw_objective *o = &e->objective;
    uint64_t steps = hw__tickets_limit(e), limit = hw__counter_get(&e->tickets.limit),
             at = hw__counter_get(&e->tickets.taken);
    if (steps >= HW__NO_LIMIT) return UINT64_MAX;
    uint64_t passes = (steps + o->examples - 1) / o->examples, left = at < limit ? limit - at : 0;
    for (uint32_t b = 0; restored && b < o->blocks && left; b++) {
        uint64_t times = s->done[b] < passes ? passes - s->done[b] : 0;
        bool covers = o->block[b].count && times >= (left + o->block[b].count - 1) / o->block[b].count;
        left -= covers ? left : times * o->block[b].count;
    }
    if (!restored || !left) return passes;
    uint64_t most = (uint64_t)s->epoch + 2; /* no block was handed out more often */
    return (passes > most ? passes : most) + (left + o->examples - 1) / o->examples;
}

static void begin(hw_engine *e, bool restored)
{
    blocks *s = e->own;
    for (size_t i = 0; i < (size_t)e->objective.block_groups + e->objective.blocks; i++) s->busy[i] = false;
    for (unsigned i = 0; i < e->crew.threads; i++) {
        if (!restored) s->held[i] = (held){0, 0, 0, 0};
        if (s->held[i].count) mark(e, s->held[i].block, true);
    }
    for (uint32_t b = 0; !restored && b < e->objective.blocks; b++) s->done[b] = 0;
    if (!restored) {
        s->next = s->epoch = 0;
        s->behind = e->objective.blocks;
    }
    s->passes = passes_of(e, restored);
}

static void fields(hw_engine *e, hw__walk *v)
{
    static const hw__field table[] = {{"next", offsetof(blocks, next), WALK_U32, WALK_ANY},
                                      {"epoch", offsetof(blocks, epoch), WALK_U32, WALK_ANY},
                                      {"behind", offsetof(blocks, behind), WALK_U32, WALK_ANY}};
    static const hw__field hand[] = {{"block", offsetof(held, block), WALK_U32, WALK_ANY},
                                     {"block_count", offsetof(held, count), WALK_U32, WALK_ANY},
                                     {"block_done", offsetof(held, done), WALK_U32, WALK_ANY},
                                     {"block_ticket", offsetof(held, ticket), WALK_U64, WALK_COUNT}};
    blocks *s = e->own;
    const hw_objective *o = &e->objective;
    hw__walk_values(v, "blocks", WALK_FIELDS(table), s);
    hw__walk_plain(v, "blocks.done", HW_U32, s->done, o->blocks);
    hw__walk_columns(v, "worker", WALK_FIELDS(hand), s->held, sizeof *s->held, e->crew.threads);
    if (!hw__walk_checks(v)) return;
    const uint32_t *done = hw_state_array(v->from, "blocks.done", HW_U32, o->blocks);
    uint64_t next = hw_state_number(v->from, "blocks.next", 0), epoch = hw_state_number(v->from, "blocks.epoch", 0);
    uint64_t behind = 0, left = hw_state_number(v->from, "blocks.behind", 0);
    bool good = next < o->blocks && epoch < UINT32_MAX / 2; /* as many passes more can be counted */
    for (uint32_t b = 0; b < o->blocks && good; b++) {
        good = done[b] >= epoch && done[b] <= epoch + 2;
        behind += done[b] == epoch;
    }
    /* Before the first run nothing has been counted. */
    if (!good || behind != left || behind == 0) good = !hw_state_number(v->from, "run.begun", 0);
    const uint32_t *block = hw_state_array(v->from, "worker.block", HW_U32, e->crew.threads);
    const uint32_t *count = hw_state_array(v->from, "worker.block_count", HW_U32, e->crew.threads);
    const uint32_t *at = hw_state_array(v->from, "worker.block_done", HW_U32, e->crew.threads);
    const uint64_t *ticket = hw_state_array(v->from, "worker.block_ticket", HW_U64, e->crew.threads);
    for (unsigned i = 0; i < e->crew.threads && good; i++) {
        if (!count[i]) continue;
        good = block[i] < o->blocks && count[i] <= o->block[block[i]].count && at[i] <= count[i] &&
               ticket[i] + count[i] <= hw_state_number(v->from, "run.tickets", 0);
        for (unsigned k = 0; k < i && good; k++) {
            if (!count[k]) continue;
            const uint32_t *a = o->block[block[i]].group, *b = o->block[block[k]].group;
            good = block[i] != block[k] && a[0] != b[0] && a[0] != b[1] && a[1] != b[0] && a[1] != b[1];
        }
    }
    if (!good) hw__walk_refuse(v, "the entries 'blocks...' and 'worker.block...' of the state do not fit together");
}

/* Under the mutex: the free block that was handed out least often, of those one that has its first group in common with
 * the block that this worker had last, whose rows are then in its core's cache already, else the first such from `next`
 * on; UINT32_MAX where none is to be had now. None gets more than one pass ahead of the last one, and none more passes
 * than the run has. */
static uint32_t find(const hw_engine *e, const held *last)
{
    const blocks *s = e->own;
    const hw_objective *o = &e->objective;
    uint32_t best = UINT32_MAX, least = s->epoch;
    uint32_t group = last->block < o->blocks ? o->block[last->block].group[0] : UINT32_MAX; /* a state's may be any */
    for (uint32_t i = 0; i < o->blocks; i++) {
        uint32_t b = (s->next + i) % o->blocks;
        const hw_block *x = o->block + b;
        if (s->done[b] > least + 1 || s->done[b] >= s->passes) continue;
        if (s->busy[o->block_groups + b] || s->busy[x->group[0]] || s->busy[x->group[1]]) continue;
        if (s->done[b] == least && x->group[0] == group) return b;
        if (best == UINT32_MAX || s->done[b] < s->done[best]) best = b;
    }
    return best;
}

/* A block was handed out once more: when all have been as often, the next pass begins. */
static void count(blocks *s, uint32_t b, uint32_t n)
{
    if (s->done[b]++ == s->epoch) s->behind--;
    while (s->behind == 0) {
        s->epoch++;
        for (uint32_t i = 0; i < n; i++) s->behind += s->done[i] == s->epoch;
    }
}

static uint32_t acquire(hw_engine *e, const held *last)
{
    blocks *s = e->own;
    const hw_objective *o = &e->objective;
    (void)pthread_mutex_lock(&s->mutex);
    uint32_t b = find(e, last);
    if (b != UINT32_MAX) {
        mark(e, b, true);
        count(s, b, o->blocks);
        /* Another block than last epoch's comes after this one: the order is not the same twice. */
        s->next = hw_permute(e->config.seed, s->done[b], o->blocks, b);
    }
    (void)pthread_mutex_unlock(&s->mutex);
    return b;
}

static void release(hw_engine *e, uint32_t b)
{
    blocks *s = e->own;
    (void)pthread_mutex_lock(&s->mutex);
    mark(e, b, false);
    (void)pthread_mutex_unlock(&s->mutex);
}

/* The examples of the block in hand that are left of its first block_count, in their order. */
static bool go_through(hw_worker *w)
{
    hw_engine *e = w->engine;
    held *h = w->own;
    uint64_t ticket = h->ticket;
    uint32_t first = e->objective.block[h->block].first, count = h->count;
    for (uint32_t done = h->done; done < count;) {
        uint32_t part = count - done < e->tickets.block ? count - done : e->tickets.block, at = first + done;
        uint32_t single = e->steps.sweeps && !e->steps.exchanges ? 1 : e->steps.sweeps ? 0 : part;
        if (single) hw_params_measure(e->params, w->slot);
        for (uint32_t i = 0; i < single; i++, at++)
            if (!hw__async_step(w, ticket + done + i, &at)) return false;
        if (part > single && !hw__sweep_tickets(w, ticket + done + single, part - single, &at)) return false;
        done += part;
        h->done = done;
        if (hw__flags_stopped(&e->flags) || !hw__async_between(w)) return false;
    }
    return true;
}

static void loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    held *h = w->own;
    const hw_objective *o = &e->objective;
    uint64_t limit = hw__counter_get(&e->tickets.limit);
    hw__async_begin(w);
    while (!hw__flags_stopped(&e->flags)) {
        if (h->count) {
            bool on = go_through(w);
            if (h->done == h->count) { /* else it stays this worker's, for a capture and the run after it */
                release(e, h->block);
                h->count = 0;
            }
            if (!on) break;
        }
        if (hw__flags_stopped(&e->flags) || hw__counter_get(&e->tickets.taken) >= limit) break;
        uint32_t b = acquire(e, h);
        if (b == UINT32_MAX) { /* the others have what is left of a pass: wait, but park where asked to */
            (void)sched_yield();
            if (!hw__async_between(w)) break;
            continue;
        }
        uint64_t ticket = hw__counter_take(&e->tickets.taken, o->block[b].count),
                 left = ticket < limit ? limit - ticket : 0;
        h->block = b;
        h->ticket = ticket;
        h->count = o->block[b].count < left ? o->block[b].count : (uint32_t)left;
        h->done = 0;
        if (!h->count) release(e, b); /* an empty block, or another worker took the last ticket */
    }
    hw__async_end(w);
}

/* Stands in for schedulers whose workers step on their own, where the objective has blocks. */
const hw__scheduler hw__scheduler_blocks = {.flags = HW__OWN_STEPS,
                                            .access = &hw__async_access,
                                            .crew = hw__async_crew,
                                            .plan = plan,
                                            .begin = begin,
                                            .loop = loop,
                                            .fields = fields,
                                            .free = release_all};
