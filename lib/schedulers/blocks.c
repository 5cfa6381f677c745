/* blocks.c - conflict-free blocks: a worker has a whole block of examples to itself, and no other worker has one that
 * shares a group (its users' rows, its items' rows) with it. The table is under a mutex that is taken once a block. */
#include "../step/engine.h"
#include <sched.h>

typedef struct hw__blocks {
    pthread_mutex_t mutex;
    uint32_t *done;         /* times that each block was handed out in this run */
    bool *busy;             /* groups, then blocks */
    uint32_t next;          /* where the search begins */
    uint32_t epoch, behind; /* every block was handed out so often; so many not more often */
    uint64_t passes;        /* of the run */
} hw__blocks;

hw_status hw__blocks_create(hw_engine *e, char *why)
{
    const hw_objective *o = &e->objective;
    uint64_t total = 0;
    if (!o->blocks) return HW_OK;
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
    hw__blocks *s = hw__base_zalloc(1, sizeof *s);
    if (s && pthread_mutex_init(&s->mutex, NULL) != 0) {
        hw__base_free(s);
        s = NULL;
    }
    e->blocks = s;
    if (s) s->done = hw__base_zalloc(o->blocks, sizeof *s->done);
    if (s) s->busy = hw__base_zalloc((size_t)o->block_groups + o->blocks, sizeof *s->busy);
    e->bytes += sizeof *s + o->blocks * sizeof *s->done + ((size_t)o->block_groups + o->blocks) * sizeof *s->busy;
    if (!s || !s->done || !s->busy)
        return hw__base_fail(why, HW_E_MEMORY, "hw_engine_create: no memory for %u blocks", o->blocks);
    return HW_OK;
}

void hw__blocks_free(hw_engine *e)
{
    hw__blocks *s = e->blocks;
    if (!s) return;
    (void)pthread_mutex_destroy(&s->mutex);
    hw__base_free(s->done);
    hw__base_free(s->busy);
    hw__base_free(s);
}

/* A block is a worker's, or nobody's any more. */
static void mark(hw_engine *e, uint32_t b, bool busy)
{
    hw__blocks *s = e->blocks;
    const hw_objective *o = &e->objective;
    s->busy[o->block_groups + b] = s->busy[o->block[b].group[0]] = s->busy[o->block[b].group[1]] = busy;
}

/* How many passes there may be. At its end a run cuts its last blocks, which count as handed out all the same; so where
 * one goes on farther, the blocks that are left may have fewer examples than there are tickets. */
static uint64_t passes_of(const hw_engine *e, bool restored)
{
    const hw__blocks *s = e->blocks;
    const hw_objective *o = &e->objective;
    uint64_t steps = hw__ticket_limit(e), limit = hw__counter_get(&e->ticket_limit), at = hw__counter_get(&e->tickets);
    if (steps >= NO_TICKET_LIMIT) return UINT64_MAX;
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

void hw__blocks_begin(hw_engine *e, bool restored)
{
    hw__blocks *s = e->blocks;
    if (!s) return;
    for (size_t i = 0; i < (size_t)e->objective.block_groups + e->objective.blocks; i++) s->busy[i] = false;
    for (unsigned i = 0; restored && i < e->threads; i++)
        if (e->worker[i].block_count) mark(e, e->worker[i].block, true);
    for (uint32_t b = 0; !restored && b < e->objective.blocks; b++) s->done[b] = 0;
    if (!restored) {
        s->next = s->epoch = 0;
        s->behind = e->objective.blocks;
    }
    s->passes = passes_of(e, restored);
}

void hw__blocks_fields(hw_engine *e, hw__walk *v)
{
    static const hw__field table[] = {{"next", offsetof(hw__blocks, next), WALK_U32, WALK_ANY},
                                      {"epoch", offsetof(hw__blocks, epoch), WALK_U32, WALK_ANY},
                                      {"behind", offsetof(hw__blocks, behind), WALK_U32, WALK_ANY}};
    static const hw__field held[] = {{"block", offsetof(hw_worker, block), WALK_U32, WALK_ANY},
                                     {"block_count", offsetof(hw_worker, block_count), WALK_U32, WALK_ANY},
                                     {"block_done", offsetof(hw_worker, block_done), WALK_U32, WALK_ANY},
                                     {"block_ticket", offsetof(hw_worker, block_ticket), WALK_U64, WALK_COUNT}};
    hw__blocks *s = e->blocks;
    const hw_objective *o = &e->objective;
    if (!s) return;
    hw__walk_values(v, "blocks", WALK_FIELDS(table), s);
    hw__walk_plain(v, "blocks.done", HW_U32, s->done, o->blocks);
    hw__walk_columns(v, "worker", WALK_FIELDS(held), e->worker, sizeof *e->worker, e->threads);
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
    const uint32_t *block = hw_state_array(v->from, "worker.block", HW_U32, e->threads);
    const uint32_t *count = hw_state_array(v->from, "worker.block_count", HW_U32, e->threads);
    const uint32_t *at = hw_state_array(v->from, "worker.block_done", HW_U32, e->threads);
    const uint64_t *ticket = hw_state_array(v->from, "worker.block_ticket", HW_U64, e->threads);
    for (unsigned i = 0; i < e->threads && good; i++) {
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

/* Under the mutex: the free block that was handed out least often, the first such from `next` on; UINT32_MAX where none
 * is to be had now. None gets more than one pass ahead of the last one, and none more passes than the run has. */
static uint32_t find(const hw_engine *e)
{
    const hw__blocks *s = e->blocks;
    const hw_objective *o = &e->objective;
    uint32_t best = UINT32_MAX, least = s->epoch;
    for (uint32_t i = 0; i < o->blocks; i++) {
        uint32_t b = (s->next + i) % o->blocks;
        const hw_block *x = o->block + b;
        if (s->done[b] > least + 1 || s->done[b] >= s->passes) continue;
        if (s->busy[o->block_groups + b] || s->busy[x->group[0]] || s->busy[x->group[1]]) continue;
        if (best == UINT32_MAX || s->done[b] < s->done[best]) best = b;
        if (s->done[b] == least) break; /* there is no rarer one */
    }
    return best;
}

/* A block was handed out once more: when all have been as often, the next pass begins. */
static void count(hw__blocks *s, uint32_t b, uint32_t blocks)
{
    if (s->done[b]++ == s->epoch) s->behind--;
    while (s->behind == 0) {
        s->epoch++;
        for (uint32_t i = 0; i < blocks; i++) s->behind += s->done[i] == s->epoch;
    }
}

static uint32_t acquire(hw_engine *e)
{
    hw__blocks *s = e->blocks;
    const hw_objective *o = &e->objective;
    (void)pthread_mutex_lock(&s->mutex);
    uint32_t b = find(e);
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
    (void)pthread_mutex_lock(&e->blocks->mutex);
    mark(e, b, false);
    (void)pthread_mutex_unlock(&e->blocks->mutex);
}

/* The examples of the block in hand that are left of its first block_count, in their order. */
static bool visit(hw_worker *w)
{
    hw_engine *e = w->engine;
    uint64_t ticket = w->block_ticket;
    uint32_t first = e->objective.block[w->block].first, count = w->block_count;
    for (uint32_t done = w->block_done; done < count;) {
        uint32_t part = count - done < e->ticket_block ? count - done : e->ticket_block, at = first + done;
        uint32_t single = e->sweeps && !e->exchanges ? 1 : e->sweeps ? 0 : part;
        if (single) hw_params_measure(e->params, w->slot);
        for (uint32_t i = 0; i < single; i++, at++)
            if (!hw__async_step(w, ticket + done + i, &at)) return false;
        if (part > single && !hw__sweep_tickets(w, ticket + done + single, part - single, &at)) return false;
        done += part;
        w->block_done = done;
        if (hw__flags_stopped(&e->latch) || !hw__async_between(w)) return false;
    }
    return true;
}

void hw__blocks_loop(hw_worker *w)
{
    hw_engine *e = w->engine;
    const hw_objective *o = &e->objective;
    uint64_t limit = hw__counter_get(&e->ticket_limit);
    hw__async_begin(w);
    while (!hw__flags_stopped(&e->latch)) {
        if (w->block_count) {
            bool on = visit(w);
            if (w->block_done == w->block_count) { /* else it stays this worker's, for a capture and the run after it */
                release(e, w->block);
                w->block_count = 0;
            }
            if (!on) break;
        }
        if (hw__flags_stopped(&e->latch) || hw__counter_get(&e->tickets) >= limit) break;
        uint32_t b = acquire(e);
        if (b == UINT32_MAX) { /* the others have what is left of a pass: wait, but park where asked to */
            (void)sched_yield();
            if (!hw__async_between(w)) break;
            continue;
        }
        uint64_t ticket = hw__counter_take(&e->tickets, o->block[b].count), left = ticket < limit ? limit - ticket : 0;
        w->block = b;
        w->block_ticket = ticket;
        w->block_count = o->block[b].count < left ? o->block[b].count : (uint32_t)left;
        w->block_done = 0;
        if (!w->block_count) release(e, b); /* an empty block, or another worker took the last ticket */
    }
    (void)hw__sweep_exchange(w, false);
}
