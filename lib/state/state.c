/* state.c - the bag of named values: entries in the order of their first put, found through a hash of their names. */
#include "hogwild/advanced/state.h"
#include "../base/allocator.h"
#include <string.h>

/* An entry and what it owns: `room` bytes, which an array or text that is put again and is no larger goes on using. */
typedef struct slot {
    hw_entry entry;
    void *memory;
    size_t room;
    char name[];
} slot;

struct hw_state {
    hw_allocator by;
    slot **slots; /* one allocation each, so that growing the list moves none of them */
    uint32_t *table;
    size_t count, room; /* room: of slots; the table has twice as many places, a power of two, 0: empty */
};

size_t hw_dtype_size(hw_dtype dtype)
{
    switch (dtype) {
    case HW_F32:
    case HW_U32: return 4;
    case HW_F64:
    case HW_U64: return 8;
    case HW_U8: return 1;
    }
    return 0;
}

hw_state *hw_state_create_in(const hw_allocator *allocator)
{
    if (!hw__allocator_whole(allocator)) return NULL;
    hw_state *state = hw__allocate(allocator, 1, sizeof *state);
    if (!state) return NULL;
    memset(state, 0, sizeof *state);
    if (allocator) state->by = *allocator;
    return state;
}

hw_state *hw_state_create(void)
{
    return hw_state_create_in(NULL);
}

static size_t slot_size(const char *name)
{
    return sizeof(slot) + strlen(name) + 1;
}

static void release_lists(hw_state *state)
{
    hw__release(&state->by, state->slots, state->room, sizeof(slot *));
    hw__release(&state->by, state->table, 2 * state->room, sizeof *state->table);
}

void hw_state_clear(hw_state *state)
{
    if (!state) return;
    for (size_t i = 0; i < state->count; i++) {
        slot *s = state->slots[i];
        hw__release(&state->by, s->memory, s->room, 1);
        hw__release(&state->by, s, slot_size(s->name), 1);
    }
    release_lists(state);
    *state = (hw_state){.by = state->by};
}

void hw_state_free(hw_state *state)
{
    if (!state) return;
    const hw_allocator by = state->by;
    hw_state_clear(state);
    hw__release(&by, state, 1, sizeof *state);
}

/* __metadata__ is the one name that a safetensors file keeps for itself. */
static bool good_name(const char *name)
{
    if (!name) return false;
    size_t n = 0;
    for (; n < HW_STATE_NAME && name[n]; n++)
        if (name[n] < ' ' || name[n] > '~' || name[n] == '"' || name[n] == '\'' || name[n] == '\\') return false;
    return n > 0 && n < HW_STATE_NAME && strcmp(name, "__metadata__") != 0;
}

/* The place of `name` in the table: that of its slot, or the empty one where it belongs. */
static uint32_t *place_of(uint32_t *table, size_t places, slot *const *slots, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    size_t at = (size_t)(hash ^ hash >> 29) & (places - 1);
    while (table[at] && strcmp(slots[table[at] - 1]->name, name) != 0) at = (at + 1) & (places - 1);
    return table + at;
}

static slot *find_slot(const hw_state *state, const char *name)
{
    if (!name || state->count == 0) return NULL;
    uint32_t number = *place_of(state->table, 2 * state->room, state->slots, name);
    return number ? state->slots[number - 1] : NULL;
}

/* Room for one more entry. */
static bool grow(hw_state *state)
{
    if (state->count < state->room) return true;
    size_t room = state->room ? 2 * state->room : 16;
    if (room >= UINT32_MAX) return false;
    slot **slots = hw__allocate(&state->by, room, sizeof(slot *));
    uint32_t *table = hw__allocate(&state->by, 2 * room, sizeof *table);
    if (!slots || !table) {
        hw__release(&state->by, slots, room, sizeof(slot *));
        hw__release(&state->by, table, 2 * room, sizeof *table);
        return false;
    }
    memset(table, 0, 2 * room * sizeof *table);
    if (state->count) memcpy(slots, state->slots, state->count * sizeof(slot *));
    for (size_t i = 0; i < state->count; i++) *place_of(table, 2 * room, slots, slots[i]->name) = (uint32_t)(i + 1);
    release_lists(state);
    state->slots = slots;
    state->table = table;
    state->room = room;
    return true;
}

/* The slot of a name with memory for `bytes`, of which `kept` may stay where it is. A new name joins the list only when
 * all its memory is there, and an old one keeps its value on an error. */
static slot *open_slot(hw_state *state, const char *name, size_t bytes)
{
    slot *s = find_slot(state, name);
    if (s && (bytes == 0 || s->room >= bytes)) return s;
    if (!s && !grow(state)) return NULL;
    void *memory = bytes ? hw__allocate(&state->by, bytes, 1) : NULL;
    if (bytes && !memory) return NULL;
    if (!s) {
        s = hw__allocate(&state->by, slot_size(name), 1);
        if (!s) {
            hw__release(&state->by, memory, bytes, 1);
            return NULL;
        }
        memset(s, 0, sizeof *s);
        memcpy(s->name, name, strlen(name) + 1);
        *place_of(state->table, 2 * state->room, state->slots, name) = (uint32_t)(state->count + 1);
        state->slots[state->count++] = s;
    } else {
        hw__release(&state->by, s->memory, s->room, 1);
    }
    s->memory = memory;
    s->room = bytes;
    return s;
}

static void set(slot *s, hw_entry_kind kind)
{
    s->entry = (hw_entry){.name = s->name, .kind = kind};
}

hw_status hw_state_put(hw_state *state, const char *name, hw_dtype dtype, unsigned dims, const uint64_t *shape,
                       const void *data)
{
    size_t size = hw_dtype_size(dtype), count = 1;
    if (!state || !good_name(name) || size == 0 || dims > HW_STATE_DIMS || (dims && !shape)) return HW_E_ARGUMENT;
    for (unsigned d = 0; d < dims; d++) {
        if (shape[d] > INT64_MAX || (count && shape[d] > SIZE_MAX / size / count)) return HW_E_ARGUMENT;
        count *= (size_t)shape[d];
    }
    size_t bytes = count * size;
    slot *s = open_slot(state, name, bytes ? bytes : 1);
    if (!s) return HW_E_MEMORY;
    if (!data)
        memset(s->memory, 0, bytes);
    else if (bytes)
        memmove(s->memory, data, bytes); /* data may be what hw_state_array gave */
    set(s, HW_ENTRY_ARRAY);
    s->entry.dtype = dtype;
    s->entry.dims = dims;
    for (unsigned d = 0; d < dims; d++) s->entry.shape[d] = shape[d];
    s->entry.count = count;
    s->entry.data = s->memory;
    return HW_OK;
}

hw_status hw_state_put_number(hw_state *state, const char *name, uint64_t number)
{
    if (!state || !good_name(name)) return HW_E_ARGUMENT;
    slot *s = open_slot(state, name, 0);
    if (!s) return HW_E_MEMORY;
    set(s, HW_ENTRY_COUNT);
    s->entry.number = number;
    return HW_OK;
}

hw_status hw_state_put_real(hw_state *state, const char *name, double real)
{
    if (!state || !good_name(name)) return HW_E_ARGUMENT;
    slot *s = open_slot(state, name, 0);
    if (!s) return HW_E_MEMORY;
    set(s, HW_ENTRY_REAL);
    s->entry.real = real;
    return HW_OK;
}

hw_status hw_state_put_text(hw_state *state, const char *name, const char *text)
{
    if (!state || !good_name(name) || !text) return HW_E_ARGUMENT;
    size_t bytes = strlen(text) + 1;
    slot *s = open_slot(state, name, bytes);
    if (!s) return HW_E_MEMORY;
    memmove(s->memory, text, bytes);
    set(s, HW_ENTRY_TEXT);
    s->entry.text = s->memory;
    return HW_OK;
}

size_t hw_state_count(const hw_state *state)
{
    return state->count;
}

const hw_entry *hw_state_entry(const hw_state *state, size_t i)
{
    return i < state->count ? &state->slots[i]->entry : NULL;
}

const hw_entry *hw_state_find(const hw_state *state, const char *name)
{
    slot *s = find_slot(state, name);
    return s ? &s->entry : NULL;
}

/* The entry of a name, where it is of that kind. */
static const hw_entry *find_kind(const hw_state *state, const char *name, hw_entry_kind kind)
{
    const hw_entry *e = hw_state_find(state, name);
    return e && e->kind == kind ? e : NULL;
}

void *hw_state_array(const hw_state *state, const char *name, hw_dtype dtype, size_t count)
{
    const hw_entry *e = find_kind(state, name, HW_ENTRY_ARRAY);
    return e && e->dtype == dtype && e->count == count ? e->data : NULL;
}

uint64_t hw_state_number(const hw_state *state, const char *name, uint64_t otherwise)
{
    const hw_entry *e = find_kind(state, name, HW_ENTRY_COUNT);
    return e ? e->number : otherwise;
}

double hw_state_real(const hw_state *state, const char *name, double otherwise)
{
    const hw_entry *e = find_kind(state, name, HW_ENTRY_REAL);
    return e ? e->real : otherwise;
}

const char *hw_state_text(const hw_state *state, const char *name)
{
    const hw_entry *e = find_kind(state, name, HW_ENTRY_TEXT);
    return e ? e->text : NULL;
}

hw_status hw_state_copy(hw_state *to, const hw_state *from)
{
    if (!to || !from) return HW_E_ARGUMENT;
    if (to == from) return HW_OK;
    bool same = to->count == from->count;
    for (size_t i = 0; i < from->count && same; i++) same = strcmp(to->slots[i]->name, from->slots[i]->name) == 0;
    if (!same) hw_state_clear(to); /* else every put finds its entry, and mostly its memory */
    hw_status status = HW_OK;
    for (size_t i = 0; i < from->count && status == HW_OK; i++) {
        const hw_entry *x = &from->slots[i]->entry;
        switch (x->kind) {
        case HW_ENTRY_ARRAY: status = hw_state_put(to, x->name, x->dtype, x->dims, x->shape, x->data); break;
        case HW_ENTRY_COUNT: status = hw_state_put_number(to, x->name, x->number); break;
        case HW_ENTRY_REAL: status = hw_state_put_real(to, x->name, x->real); break;
        case HW_ENTRY_TEXT: status = hw_state_put_text(to, x->name, x->text); break;
        }
    }
    if (status != HW_OK) hw_state_clear(to);
    return status;
}
