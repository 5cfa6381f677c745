/* allocator.c - blocks from the caller's allocator or the C library's, and the chain of those that a handle owns. */
#include "allocator.h"
#include <string.h>

bool hw__allocator_whole(const hw_allocator *by)
{
    return !by || !by->allocate == !by->release;
}

void *hw__allocate(const hw_allocator *by, size_t count, size_t size)
{
    if (!by || !by->allocate) return hw__base_alloc(count, size);
    if (size && count > (SIZE_MAX - HW_LINE) / size) return NULL;
    size_t bytes = hw__line_bytes(count * size);
    void *memory = by->allocate(by->user, HW_LINE, bytes);
    if ((uintptr_t)memory % HW_LINE == 0) return memory;
    by->release(by->user, memory, bytes); /* kernels load whole lines: such memory is none */
    return NULL;
}

void hw__release(const hw_allocator *by, void *memory, size_t count, size_t size)
{
    if (!by || !by->allocate)
        hw__base_free(memory);
    else if (memory)
        by->release(by->user, memory, hw__line_bytes(count * size));
}

/* In front of what the caller sees, a line long, so that both stand at the beginning of one. */
typedef struct hw__block {
    _Alignas(HW_LINE) struct hw__block *before;
    size_t size;
} hw__block;

void *hw__memory_alloc(hw__memory *memory, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - sizeof(hw__block)) / size) return NULL;
    hw__block *block = hw__allocate(&memory->by, sizeof *block + count * size, 1);
    if (!block) return NULL;
    *block = (hw__block){memory->last, sizeof *block + count * size};
    memory->last = block;
    memory->bytes += hw__line_bytes(block->size);
    return block + 1;
}

void *hw__memory_zalloc(hw__memory *memory, size_t count, size_t size)
{
    void *at = hw__memory_alloc(memory, count, size);
    if (at) memset(at, 0, count * size);
    return at;
}

void *hw__memory_handle(const hw_allocator *by, size_t size, size_t where)
{
    hw__memory own = {.last = NULL};
    if (by) own.by = *by;
    char *handle = hw__memory_zalloc(&own, 1, size);
    if (handle) memcpy(handle + where, &own, sizeof own);
    return handle;
}

void hw__memory_release(hw__memory *memory)
{
    const hw_allocator by = memory->by;
    for (hw__block *block = memory->last, *before; block; block = before) {
        before = block->before;
        hw__release(&by, block, block->size, 1);
    }
}
