/* allocator.h (internal) - the memory of one handle: every block that was taken for it, given back at once when it
 * goes.
 *
 * So nothing that a handle is made of frees anything, a create that fails half-way has one thing to do, and how much a
 * handle holds is counted where it is taken. One thread at a time: a handle takes memory while it is created. */
#ifndef HW__BASE_ALLOCATOR_H
#define HW__BASE_ALLOCATOR_H

#include "base.h"

/* One block from an allocator (NULL, or without functions: the C library), aligned to HW_LINE, contents unspecified;
 * NULL when it is not to be had or count * size overflows. The same count and size when it is given back; NULL is
 * fine then. */
void *hw__allocate(const hw_allocator *by, size_t count, size_t size);
void hw__release(const hw_allocator *by, void *memory, size_t count, size_t size);

/* Both functions, or none: NULL is the C library. */
bool hw__allocator_whole(const hw_allocator *by);

typedef struct hw__memory {
    hw_allocator by;
    struct hw__block *last;
    size_t bytes; /* that the allocator was asked for so far, the handle's own struct included */
} hw__memory;

/* Zeroed struct of `size` bytes that holds its own memory at offset `where`; NULL: none to be had. */
void *hw__memory_handle(const hw_allocator *by, size_t size, size_t where);
void *hw__memory_alloc(hw__memory *memory, size_t count, size_t size);
void *hw__memory_zalloc(hw__memory *memory, size_t count, size_t size); /* zeroed */
/* All of it, and with it the struct that hw__memory_handle gave. */
void hw__memory_release(hw__memory *memory);

#endif
