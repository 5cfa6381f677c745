/* visit.h (internal) - one description of what is kept of a thing, walked three ways: into a state, over a state to see
 * whether it can be taken, and out of it. Saving and loading cannot drift apart, since there is one list.
 *
 * A state may come from a file: every entry must be there, of its type and shape, and within its rule. After the first
 * thing that is wrong nothing more is looked at: status and why tell. VISIT_TAKE follows a VISIT_CHECK of the same
 * description that found nothing, and cannot fail then. */
#ifndef HOGWILD_LIB_VISIT_H
#define HOGWILD_LIB_VISIT_H

#include "base.h"
#include "hogwild/state.h"

typedef enum visit_way { VISIT_PUT, VISIT_CHECK, VISIT_TAKE } visit_way;

typedef struct base_visit {
    visit_way way;
    hw_state *to;         /* PUT */
    const hw_state *from; /* CHECK, TAKE */
    hw_status status;
    char *why; /* HW_WHY bytes or NULL */
} base_visit;

typedef enum visit_kind {
    VISIT_U64,
    VISIT_U32,
    VISIT_INT, /* int, unsigned, an enum */
    VISIT_SIZE,
    VISIT_BOOL,
    VISIT_F64,
    VISIT_COUNTER,      /* a base_counter */
    VISIT_COUNTER_REAL, /* one that holds a double's bits */
    VISIT_STREAM        /* an hw_rng */
} visit_kind;

typedef enum visit_rule {
    VISIT_ANY,
    VISIT_COUNT,   /* at most 2^53 */
    VISIT_WHEN,    /* the same, or UINT64_MAX: never */
    VISIT_FINITE,  /* reals */
    VISIT_POSITIVE /* reals: finite, and not below 0 */
} visit_rule;
#define VISIT_MOST ((uint64_t)1 << 53)

typedef struct visit_field {
    const char *name;
    size_t offset;
    visit_kind kind;
    visit_rule rule;
} visit_field;
#define VISIT_FIELDS(table) (table), sizeof(table) / sizeof *(table)

/* Single values: the fields of one record, as entries "room.name". */
void visit_values(base_visit *v, const char *room, const visit_field *table, size_t fields, void *record);
/* The same of `count` records, `stride` bytes apart: an array for each field. */
void visit_columns(base_visit *v, const char *room, const visit_field *table, size_t fields, void *records,
                   size_t stride, size_t count);

/* The data of an array in the state: to be filled (PUT) or read; NULL where something is wrong. */
void *visit_array(base_visit *v, const char *name, hw_dtype dtype, unsigned dims, const uint64_t *shape);
/* Rows of floats, `stride` floats apart in memory, all finite. */
void visit_floats(base_visit *v, const char *name, float *values, size_t stride, size_t rows, size_t columns);
/* An array of numbers that is copied as it is. */
void visit_plain(base_visit *v, const char *name, hw_dtype dtype, void *values, size_t count);
/* A value of this engine or program that the state must have too: `what` is what the sentence calls it. */
void visit_same(base_visit *v, const char *name, uint64_t value, const char *what);

/* CHECK: refuse with a sentence, HW_E_FORMAT; nothing where something else was wrong before. */
void visit_refuse(base_visit *v, const char *format, ...) HW_PRINTF(2, 3);
/* CHECK and nothing wrong yet: the time for a look at what the entries mean. */
static inline bool visit_checks(const base_visit *v)
{
    return v->way == VISIT_CHECK && v->status == HW_OK;
}

#endif
