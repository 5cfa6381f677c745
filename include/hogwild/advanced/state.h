/* advanced/state.h - a bag of named values: what a run needs to go on where it was. The engine fills and reads it
 * (hw_engine_capture, hw_engine_restore), checkpoint.h writes it to a file; neither knows the other.
 *
 * Entries are arrays (of a type and a shape of up to 4 dimensions) or single values (a whole number, a real, a text).
 * A name is 1 .. HW_STATE_NAME - 1 printable ASCII characters without quotes and backslashes, not __metadata__, and
 * occurs once. A put of a name that is there replaces it; where the new value is no larger its memory is kept, so a
 * state that has been filled once is filled again without an allocation. One thread at a time uses a handle; many may
 * read it. */
#ifndef HOGWILD_ADVANCED_STATE_H
#define HOGWILD_ADVANCED_STATE_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HW_STATE_NAME 96
#define HW_STATE_DIMS 4

typedef enum hw_dtype { HW_F32, HW_F64, HW_U64, HW_U32, HW_U8 } hw_dtype;
HW_API size_t hw_dtype_size(hw_dtype dtype); /* bytes of one element; 0 for no such type */

typedef enum hw_entry_kind { HW_ENTRY_ARRAY, HW_ENTRY_COUNT, HW_ENTRY_REAL, HW_ENTRY_TEXT } hw_entry_kind;

typedef struct hw_entry {
    const char *name;
    hw_entry_kind kind;
    /* ARRAY: row-major, count elements in all, 64-byte aligned */
    hw_dtype dtype;
    unsigned dims;
    uint64_t shape[HW_STATE_DIMS];
    size_t count;
    void *data;
    /* the others */
    uint64_t number;
    double real;
    const char *text;
} hw_entry;

/* HW_E_ARGUMENT (name, type, shape), HW_E_MEMORY: the state is as before. data is copied; NULL: zeros. A count of 0
 * elements is fine, so are 0 dimensions (one element; shape may be NULL). */
HW_API hw_status hw_state_put(hw_state *state, const char *name, hw_dtype dtype, unsigned dims, const uint64_t *shape,
                              const void *data);
HW_API hw_status hw_state_put_number(hw_state *state, const char *name, uint64_t number);
HW_API hw_status hw_state_put_real(hw_state *state, const char *name, double real); /* any bits, NaN too */
HW_API hw_status hw_state_put_text(hw_state *state, const char *name, const char *text);

/* In the order in which they were first put. find: NULL where there is no such name. Pointers are valid until the next
 * put, clear or free. */
HW_API size_t hw_state_count(const hw_state *state);
HW_API const hw_entry *hw_state_entry(const hw_state *state, size_t i);
HW_API const hw_entry *hw_state_find(const hw_state *state, const char *name);
/* The data of an array of exactly this type and number of elements, else NULL. */
HW_API void *hw_state_array(const hw_state *state, const char *name, hw_dtype dtype, size_t count);
/* The value, or `otherwise` where there is none of that name and kind. */
HW_API uint64_t hw_state_number(const hw_state *state, const char *name, uint64_t otherwise);
HW_API double hw_state_real(const hw_state *state, const char *name, double otherwise);
HW_API const char *hw_state_text(const hw_state *state, const char *name);

#ifdef __cplusplus
}
#endif
#endif
