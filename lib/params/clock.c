/* clock.c - the update clock: how many updates have begun and how many have landed.
 *
 * Exact (interval 1): two shared counters. Sampled (interval n): one line a worker, added up by a measured step. */
#include "params.h"
#include "../base/counter.h"

hw_status hw__params_clock_create(hw__params_clock *clock, unsigned workers, unsigned interval, hw__memory *memory)
{
    clock->workers = workers;
    clock->interval = interval;
    atomic_init(&clock->begun.value, 0);
    atomic_init(&clock->landed.value, 0);
    if (interval == 1) return HW_OK;
    clock->counts = hw__memory_zalloc(memory, workers, sizeof *clock->counts);
    clock->turns = hw__memory_zalloc(memory, workers, sizeof *clock->turns);
    return clock->counts && clock->turns ? HW_OK : HW_E_MEMORY;
}

/* Acquire: pairs with the release in write_end. Whoever counts an update as landed also sees its stores; weaker,
 * and a read could miss part of an update that it counts as past. */
static uint64_t others(const hw__params_clock *clock, unsigned worker)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < clock->workers; i++)
        if (i != worker) sum += atomic_load_explicit(&clock->counts[i].value, memory_order_acquire);
    return sum;
}

void hw__params_clock_read_begin(hw__params_clock *clock, unsigned worker, hw_read_note *note)
{
    *note = (hw_read_note){0, 0, 0, 1};
    if (clock->interval == 1) {
        /* Acquire: as in others(). */
        note->clock = atomic_load_explicit(&clock->landed.value, memory_order_acquire);
        return;
    }
    /* Relaxed: the line is this worker's own. */
    uint64_t turn = atomic_load_explicit(&clock->turns[worker].value, memory_order_relaxed);
    atomic_store_explicit(&clock->turns[worker].value, turn + 1, memory_order_relaxed);
    note->measured = turn % clock->interval == 0;
    if (note->measured) note->clock = others(clock, worker);
}

void hw__params_clock_read_end(hw__params_clock *clock, unsigned worker, hw_read_note *note)
{
    if (!note->measured) return;
    if (clock->interval > 1) {
        note->spread = others(clock, worker) - note->clock;
        return;
    }
    /* Relaxed: loads of the array may still be under way on a weakly ordered machine, so both figures are lower
     * bounds there; on x86-64 loads are not reordered with loads. */
    note->spread = atomic_load_explicit(&clock->landed.value, memory_order_relaxed) - note->clock;
    note->overlap = atomic_load_explicit(&clock->begun.value, memory_order_relaxed) - note->clock;
}

void hw__params_clock_write_begin(hw__params_clock *clock)
{
    /* Relaxed: only the figure `overlap` uses it, which is said to be approximate. */
    if (clock->interval == 1) atomic_fetch_add_explicit(&clock->begun.value, 1, memory_order_relaxed);
}

uint64_t hw__params_clock_write_end(hw__params_clock *clock, unsigned worker, const hw_read_note *note)
{
    /* Release: after the last store of the update; pairs with the acquire of a read's begin. Acquire as well for the
     * exact counter, so that whoever lands last has all earlier updates before it. */
    if (clock->interval == 1) return atomic_fetch_add_explicit(&clock->landed.value, 1, memory_order_acq_rel);
    uint64_t own = atomic_load_explicit(&clock->counts[worker].value, memory_order_relaxed);
    uint64_t seen = note && note->measured ? others(clock, worker) : 0;
    atomic_store_explicit(&clock->counts[worker].value, own + 1, memory_order_release);
    return seen;
}

uint64_t hw__params_clock_now(const hw__params_clock *clock)
{
    if (clock->interval == 1) return atomic_load_explicit(&clock->landed.value, memory_order_acquire);
    return others(clock, UINT32_MAX);
}

void hw__params_clock_measure(hw__params_clock *clock, unsigned worker)
{
    /* Relaxed: as in read_begin. */
    if (clock->interval > 1) atomic_store_explicit(&clock->turns[worker].value, 0, memory_order_relaxed);
}

uint64_t hw__params_clock_others(const hw__params_clock *clock, unsigned worker)
{
    return others(clock, worker);
}

void hw__params_clock_advance(hw__params_clock *clock, unsigned worker, uint64_t n)
{
    /* Release: after the stores of the updates that it counts, as in write_end. */
    if (clock->interval == 1) {
        atomic_fetch_add_explicit(&clock->begun.value, n, memory_order_relaxed);
        atomic_fetch_add_explicit(&clock->landed.value, n, memory_order_acq_rel);
        return;
    }
    uint64_t own = atomic_load_explicit(&clock->counts[worker].value, memory_order_relaxed);
    atomic_store_explicit(&clock->counts[worker].value, own + n, memory_order_release);
}

/* Nothing is under way: what has begun has landed, and a pause's mutex or a join has ordered everything before. */
uint64_t hw__params_clock_fields(hw__params_clock *clock, hw__walk *v)
{
    static const hw__field exact[] = {
        {"landed", offsetof(hw__params_clock, landed) + offsetof(hw__params_line, value), WALK_COUNTER, WALK_COUNT}};
    static const hw__field line[] = {{"landed", offsetof(hw__params_line, value), WALK_COUNTER, WALK_COUNT}};
    static const hw__field turn[] = {{"turns", offsetof(hw__params_line, value), WALK_COUNTER, WALK_ANY}};
    if (clock->interval == 1) {
        hw__walk_values(v, "clock", WALK_FIELDS(exact), clock);
        if (v->way == WALK_TAKE) hw__counter_set(&clock->begun.value, hw__counter_get(&clock->landed.value));
        return v->way == WALK_PUT ? hw__params_clock_now(clock) : hw_state_number(v->from, "clock.landed", 0);
    }
    hw__walk_columns(v, "clock", WALK_FIELDS(line), clock->counts, sizeof *clock->counts, clock->workers);
    hw__walk_columns(v, "clock", WALK_FIELDS(turn), clock->turns, sizeof *clock->turns, clock->workers);
    if (v->way == WALK_PUT || v->status != HW_OK) return hw__params_clock_now(clock);
    const uint64_t *counts = hw_state_array(v->from, "clock.landed", HW_U64, clock->workers);
    uint64_t sum = 0;
    for (unsigned i = 0; i < clock->workers; i++) sum += counts[i];
    return sum;
}
