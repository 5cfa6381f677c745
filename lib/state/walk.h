/* walk.h (internal) - one description of what is kept of a thing, walked three ways: into a state, over a state to see
 * whether it can be taken, and out of it. Saving and loading cannot drift apart, since there is one list.
 *
 * A state may come from a file: every entry must be there, of its type and shape, and within its rule. After the first
 * thing that is wrong nothing more is looked at: status and why tell. WALK_TAKE follows a WALK_CHECK of the same
 * description that found nothing, and cannot fail then. */
#ifndef HW__STATE_WALK_H
#define HW__STATE_WALK_H

#include "../base/base.h"
#include "hogwild/advanced/state.h"

typedef enum hw__walk_way { WALK_PUT, WALK_CHECK, WALK_TAKE } hw__walk_way;

typedef struct hw__walk {
    hw__walk_way way;
    hw_state *to;         /* PUT */
    const hw_state *from; /* CHECK, TAKE */
    hw_status status;
    char *why; /* HW_WHY bytes or NULL */
} hw__walk;

typedef enum hw__field_kind {
    WALK_U64,
    WALK_U32,
    WALK_INT, /* int, unsigned, an enum */
    WALK_SIZE,
    WALK_BOOL,
    WALK_F64,
    WALK_COUNTER,      /* a hw__base_counter */
    WALK_COUNTER_REAL, /* one that holds a double's bits */
    WALK_STREAM        /* an hw_rng */
} hw__field_kind;

typedef enum hw__field_rule {
    WALK_ANY,
    WALK_COUNT,   /* at most 2^53 */
    WALK_WHEN,    /* the same, or UINT64_MAX: never */
    WALK_FINITE,  /* reals */
    WALK_POSITIVE /* reals: finite, and not below 0 */
} hw__field_rule;
#define WALK_MOST ((uint64_t)1 << 53)

typedef struct hw__field {
    const char *name;
    size_t offset;
    hw__field_kind kind;
    hw__field_rule rule;
} hw__field;
#define WALK_FIELDS(table) (table), sizeof(table) / sizeof *(table)

/* Single values: the fields of one record, as entries "room.name". */
void hw__walk_values(hw__walk *v, const char *room, const hw__field *table, size_t fields, void *record);
/* The same of `count` records, `stride` bytes apart: an array for each field. */
void hw__walk_columns(hw__walk *v, const char *room, const hw__field *table, size_t fields, void *records,
                      size_t stride, size_t count);

/* The data of an array in the state: to be filled (PUT) or read; NULL where something is wrong. */
void *hw__walk_array(hw__walk *v, const char *name, hw_dtype dtype, unsigned dims, const uint64_t *shape);
/* Rows of floats, `stride` floats apart in memory, all finite. */
void hw__walk_floats(hw__walk *v, const char *name, float *values, size_t stride, size_t rows, size_t columns);
/* An array of numbers that is copied as it is. */
void hw__walk_plain(hw__walk *v, const char *name, hw_dtype dtype, void *values, size_t count);
/* Whether what is walked has that entry, which states of earlier versions lack; a state that is filled gets it. */
bool hw__walk_has(const hw__walk *v, const char *name);
/* A value of this engine or program that the state must have too: `what` is what the sentence calls it. */
void hw__walk_same(hw__walk *v, const char *name, uint64_t value, const char *what);

/* CHECK: refuse with a sentence, HW_E_FORMAT; nothing where something else was wrong before. */
void hw__walk_refuse(hw__walk *v, const char *format, ...) HW_PRINTF(2, 3);
/* CHECK and nothing wrong yet: the time for a look at what the entries mean. */
static inline bool hw__walk_checks(const hw__walk *v)
{
    return v->way == WALK_CHECK && v->status == HW_OK;
}

#endif
