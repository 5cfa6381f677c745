/* memory.c - aligned memory. Large arrays are asked for in huge pages: a random row of a hundred megabytes of factors
 * or word vectors misses the translation buffer as often as the caches otherwise. */
#if defined(__linux__)
#define _DEFAULT_SOURCE 1 /* madvise */
#endif
#include "base.h"
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define LARGE     ((size_t)8 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

void *hw__base_alloc(size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - HUGE_PAGE) / size) return NULL;
    size_t bytes = hw__line_bytes(count * size);
#if defined(MADV_HUGEPAGE)
    if (bytes >= LARGE) {
        void *memory = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
        if (memory) (void)madvise(memory, bytes, MADV_HUGEPAGE); /* advice: where it is not taken nothing is lost */
        return memory;
    }
#endif
    return aligned_alloc(HW_LINE, bytes);
}

void *hw__base_zalloc(size_t count, size_t size)
{
    void *memory = hw__base_alloc(count, size);
    if (memory) memset(memory, 0, hw__line_bytes(count * size));
    return memory;
}

void hw__base_free(void *memory)
{
    free(memory);
}
