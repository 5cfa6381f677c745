/* ids.c - a hash table with linear probing. It grows with the ids that are there and is never sized by a claim. */
#include "ids.h"
#include "../../base/base.h"
#include "../mix.h"
#include <stdlib.h>

static bool grow(ids *t)
{
    if (t->count == t->room) {
        size_t room = t->room ? t->room + t->room / 2 : 64;
        uint64_t *id = realloc(t->id, room * sizeof *id);
        if (!id) return false;
        t->id = id;
        t->room = room;
    }
    if (t->count < t->slots / 4 * 3) return true;
    size_t slots = t->slots ? 2 * t->slots : 128;
    uint32_t *slot = hw__base_zalloc(slots, sizeof *slot);
    if (!slot) return false;
    for (uint32_t i = 0; i < t->count; i++) {
        size_t at = mix(t->id[i] ^ t->key) & (slots - 1);
        while (slot[at]) at = (at + 1) & (slots - 1);
        slot[at] = i + 1;
    }
    hw__base_free(t->slot);
    t->slot = slot;
    t->slots = slots;
    return true;
}

bool hw__ids_number(ids *t, uint64_t id, uint32_t *number)
{
    if (!grow(t)) return false;
    size_t at = mix(id ^ t->key) & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1))
        if (t->id[t->slot[at] - 1] == id) {
            *number = t->slot[at] - 1;
            return true;
        }
    *number = t->count;
    t->id[t->count] = id;
    t->slot[at] = ++t->count;
    return true;
}
