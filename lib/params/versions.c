/* versions.c - CONSISTENT reads: published versions that are used in place.
 *
 * `head` is {slot : 16, pins : 48}. A reader pins with one fetch_add on it, which names the slot and counts the pin in
 * one step. A writer fills a private slot from a pinned base and publishes it by compare-and-swap of head; the pins
 * that head had counted are then moved into the retired slot's own count, from which every unpin subtracts one. The
 * count of a slot is <= 0 while it is current, and returns to 0 from above exactly once, after it was retired and
 * all its pins were given back: whoever brings it there frees the slot.
 *
 * Why no ABA: a writer's base is pinned until its compare-and-swap resolves, so the slot cannot be recycled and come
 * back as head meanwhile. tests/model/versions.pml is the model, with mutants. */
#include "params.h"

typedef struct version {
    _Alignas(HW_LINE) _Atomic int64_t count; /* pins moved here at retirement minus unpins */
    _Atomic uint32_t taken;                  /* 0 = free to be claimed */
    _Atomic uint64_t number;                 /* updates that led to this state; stored while private */
    hw__params_arrays arrays;
} version;

typedef struct holder {
    _Alignas(HW_LINE) uint32_t pin, spare; /* slot + 1, or 0; the worker's own */
} holder;

struct hw__params_versions {
    _Alignas(HW_LINE) _Atomic uint64_t head;
    _Alignas(HW_LINE) uint32_t slots;
    unsigned arrays;
    version *version;
    holder *holder;
    hw__params_float *memory;
};

/* Pins only grow while a version is current: 48 bits last for years of reads of one version. */
#define SLOT(head) ((uint32_t)((head) >> 48))
#define PINS(head) ((head) & (((uint64_t)1 << 48) - 1))
_Static_assert(2 * (HW_MAX_WORKERS + 1) + 2 < 65536, "a slot fits 16 bits");

hw_status hw__params_versions_create(hw__params_versions **out, size_t stride, unsigned arrays, unsigned workers,
                                     hw__memory *memory, char *why)
{
    uint32_t slots = 2 * workers + 2;
    size_t floats = stride * (1 + arrays);
    hw__params_versions *p = hw__memory_zalloc(memory, 1, sizeof *p);
    if (p) {
        p->slots = slots;
        p->arrays = arrays;
        p->version = hw__memory_zalloc(memory, slots, sizeof *p->version);
        p->holder = hw__memory_zalloc(memory, workers, sizeof *p->holder);
        if (floats <= SIZE_MAX / sizeof(float) / slots)
            p->memory = hw__memory_zalloc(memory, floats * slots, sizeof(float));
    }
    if (!p || !p->version || !p->holder || !p->memory)
        return hw__base_fail(why, HW_E_MEMORY, "hw_params_create: no memory for %u versions of %zu floats", slots,
                             floats);
    for (uint32_t s = 0; s < slots; s++)
        for (unsigned a = 0; a <= arrays; a++) p->version[s].arrays.at[a] = p->memory + floats * s + stride * a;
    atomic_init(&p->version[0].taken, 1);
    atomic_init(&p->head, 0);
    *out = p;
    return HW_OK;
}

/* Relaxed: a holder of the slot has it by its pin; an observer without one (hw__params_versions_number) only wants some
 * recent value, and must not race. */
static uint64_t number_of(const version *v)
{
    return atomic_load_explicit(&v->number, memory_order_relaxed);
}

static uint32_t pin(hw__params_versions *p)
{
    /* Acquire: pairs with the publishing compare-and-swap; weaker, and a reader could see a version half filled. */
    return SLOT(atomic_fetch_add_explicit(&p->head, 1, memory_order_acquire));
}

static void release_slot(hw__params_versions *p, uint32_t slot)
{
    /* Release: everything read from the slot happens before its next filling; pairs with claim()'s acquire. */
    atomic_store_explicit(&p->version[slot].count, 0, memory_order_relaxed);
    atomic_store_explicit(&p->version[slot].taken, 0, memory_order_release);
}

static void unpin(hw__params_versions *p, uint32_t slot)
{
    /* Acquire-release: release so that this reader's loads come before the recycling; acquire so that the one who
     * brings the count to 0 has all the other readers' loads before it too. */
    if (atomic_fetch_sub_explicit(&p->version[slot].count, 1, memory_order_acq_rel) == 1) release_slot(p, slot);
}

static uint32_t claim(hw__params_versions *p, unsigned worker)
{
    /* By the bound in the public header some slot is free or is about to be; finding none in one round means that
     * another worker claimed or freed one, so somebody made progress. */
    for (uint32_t i = worker % p->slots;; i = i + 1 == p->slots ? 0 : i + 1) {
        uint32_t expected = 0;
        /* Relaxed look first, so that the scan does not pull every line; acquire: pairs with release_slot. */
        if (atomic_load_explicit(&p->version[i].taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&p->version[i].taken, &expected, 1, memory_order_acquire,
                                                    memory_order_relaxed))
            return i;
    }
}

hw__params_arrays hw__params_versions_pin(hw__params_versions *p, unsigned worker, uint64_t *number)
{
    hw__params_versions_unpin(p, worker);
    uint32_t slot = pin(p);
    p->holder[worker].pin = slot + 1;
    *number = number_of(p->version + slot);
    return p->version[slot].arrays;
}

void hw__params_versions_unpin(hw__params_versions *p, unsigned worker)
{
    holder *h = p->holder + worker;
    if (h->pin) unpin(p, h->pin - 1);
    h->pin = 0;
}

uint64_t hw__params_versions_publish(hw__params_versions *p, unsigned worker, hw__params_fill fill, void *context)
{
    holder *h = p->holder + worker;
    hw__params_versions_unpin(p, worker);
    if (!h->spare) h->spare = claim(p, worker) + 1;
    uint32_t mine = h->spare - 1;
    for (;;) {
        uint32_t base = pin(p);
        version *v = p->version + mine, *b = p->version + base;
        atomic_store_explicit(&v->number, number_of(b) + 1, memory_order_relaxed);
        fill(context, &v->arrays, &b->arrays);
        /* Relaxed: only the pin count is news here; base's contents were acquired by the pin. */
        uint64_t seen = atomic_load_explicit(&p->head, memory_order_relaxed);
        while (SLOT(seen) == base) {
            /* Release: the filling comes before the publication. Acquire: the unpins counted so far. */
            if (atomic_compare_exchange_weak_explicit(&p->head, &seen, (uint64_t)mine << 48, memory_order_acq_rel,
                                                      memory_order_relaxed)) {
                uint64_t number = number_of(b);
                h->spare = 0;
                /* Retire base: all pins that head counted, less this writer's own, which is given back here. */
                int64_t pins = (int64_t)PINS(seen) - 1;
                if (atomic_fetch_add_explicit(&b->count, pins, memory_order_acq_rel) + pins == 0) release_slot(p, base);
                return number;
            }
        }
        unpin(p, base);
    }
}

const hw__params_float *hw__params_versions_pinned(const hw__params_versions *p, unsigned worker)
{
    uint32_t slot = p->holder[worker].pin;
    return slot ? p->version[slot - 1].arrays.at[0] : NULL;
}

uint64_t hw__params_versions_number(const hw__params_versions *p)
{
    /* Without a pin the slot may be recycled meanwhile: then the answer is a little ahead, never torn. */
    return number_of(p->version + SLOT(atomic_load_explicit(&p->head, memory_order_acquire)));
}

hw__params_arrays hw__params_versions_current(hw__params_versions *p)
{
    return p->version[SLOT(atomic_load_explicit(&p->head, memory_order_acquire))].arrays;
}

uint64_t hw__params_versions_fields(hw__params_versions *p, hw__walk *v)
{
    static const hw__field number[] = {{"landed", offsetof(version, number), WALK_COUNTER, WALK_COUNT}};
    version *current = p->version + SLOT(atomic_load_explicit(&p->head, memory_order_acquire));
    hw__walk_values(v, "clock", WALK_FIELDS(number), current);
    return v->way == WALK_PUT ? number_of(current) : hw_state_number(v->from, "clock.landed", 0);
}
