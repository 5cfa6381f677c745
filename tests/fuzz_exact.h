/* fuzz_exact.h - what the targets of libFuzzer stand on: promises, files in memory, and memory whose ends are exact.
 *
 * Behind every block of memory and every mapping the slack is poisoned, up to the end of the block or of the page: by
 * itself AddressSanitizer takes it for a part of them. Mappings and descriptors that a reader keeps are found here,
 * memory that it keeps by libFuzzer. */
#ifndef FUZZ_EXACT_H
#define FUZZ_EXACT_H

#include "check.h"
#include "../lib/base/base.h"
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROMISE(x) ((x) ? (void)0 : broken(#x, __FILE__, __LINE__))

static inline void broken(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, promise);
    abort();
}

/* --- the ends of memory, made exact: the linker sends these calls here (--wrap) ---------------------------------
 */

#define PAGE ((size_t)4096)

void *__real_hw__base_alloc(size_t, size_t);
void *__real_hw__base_zalloc(size_t, size_t);
hw_status __real_hw__file_read(const char *, size_t, hw__file *, char *);
void *__real_mmap(void *, size_t, int, int, int, off_t);
int __real_munmap(void *, size_t);
void *__wrap_hw__base_alloc(size_t, size_t);
void *__wrap_hw__base_zalloc(size_t, size_t);
hw_status __wrap_hw__file_read(const char *, size_t, hw__file *, char *);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __wrap_munmap(void *, size_t);

static inline void *exact(void *memory, size_t bytes)
{
    size_t whole = memory ? malloc_usable_size(memory) : 0;
    if (whole > bytes) ASAN_POISON_MEMORY_REGION((char *)memory + bytes, whole - bytes);
    return memory;
}

void *__wrap_hw__base_alloc(size_t count, size_t size)
{
    return exact(__real_hw__base_alloc(count, size), count * size);
}

void *__wrap_hw__base_zalloc(size_t count, size_t size)
{
    return exact(__real_hw__base_zalloc(count, size), count * size);
}

hw_status __wrap_hw__file_read(const char *path, size_t cap, hw__file *file, char *why)
{
    hw_status status = __real_hw__file_read(path, cap, file, why);
    (void)exact(file->data, file->size + 1); /* and the zero after the last byte */
    return status;
}

/* The one mapping of a file that a reader may have at a time. */
static char *mapped;
static size_t mapped_bytes;

/* The file's bytes, and then a page that nobody may touch. */
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (file < 0) return __real_mmap(address, size, protection, flags, file, offset);
    size_t whole = (size + PAGE - 1) / PAGE * PAGE;
    PROMISE(!mapped && !address && size);
    char *place = __real_mmap(NULL, whole + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    PROMISE(place != MAP_FAILED &&
            __real_mmap(place, size, protection, flags | MAP_FIXED, file, offset) == (void *)place);
    ASAN_POISON_MEMORY_REGION(place + size, whole - size);
    mapped_bytes = size;
    return mapped = place;
}

int __wrap_munmap(void *address, size_t size)
{
    if (address != mapped) return __real_munmap(address, size);
    size_t whole = (size + PAGE - 1) / PAGE * PAGE;
    PROMISE(size == mapped_bytes);
    ASAN_UNPOISON_MEMORY_REGION(mapped, whole);
    mapped = NULL;
    return __real_munmap(address, whole + PAGE);
}

/* --- files in memory -----------------------------------------------------------------------------------------------
 */

typedef struct place {
    int file;
    char path[32];
} place;

static place places[2];

/* The bytes as a file, number 0 or 1: its path, valid until the next. */
static inline const char *put(int number, const void *bytes, size_t size)
{
    place *p = places + number;
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(p->file, (const char *)bytes + at, size - at, (off_t)at);
        PROMISE(n > 0);
        at += (size_t)n;
    }
    PROMISE(ftruncate(p->file, (off_t)size) == 0);
    return p->path;
}

static inline bool packed(const uint8_t *data, size_t size)
{
    return size > 1 && data[0] == 0x1f && data[1] == 0x8b;
}

static char sentence[HW_WHY];

/* A refusal: of the file and not of the machine, in one line of printable text that begins with the file's name. */
static inline void check_refusal(hw_status status, const char *name)
{
    size_t n = strnlen(sentence, sizeof sentence), n_name = strlen(name);
    PROMISE(status == HW_E_FORMAT || status == HW_E_LIMIT);
    PROMISE(n < sizeof sentence && n > n_name + 10 && memcmp(sentence, name, n_name) == 0);
    for (size_t i = 0; i < n; i++) PROMISE(sentence[i] >= ' ' && sentence[i] <= '~');
}

/* Reads every byte, so that AddressSanitizer sees whether it is there. */
static inline void touch(const void *memory, size_t bytes)
{
    const volatile unsigned char *at = memory;
    while (bytes-- > 0) (void)*at++;
}

static inline void open_places(void)
{
    for (int i = 0; i < 2; i++) {
        places[i].file = memfd_create("input", MFD_CLOEXEC);
        PROMISE(places[i].file >= 0);
        (void)snprintf(places[i].path, sizeof places[i].path, "/proc/self/fd/%d", places[i].file);
    }
}

/* The descriptor that comes next: it is another one when one was kept. */
static inline int next_descriptor(void)
{
    int file = dup(places[0].file);
    PROMISE(file >= 0 && close(file) == 0);
    return file;
}

static inline void check_nothing_held(int descriptor)
{
    PROMISE(!mapped && next_descriptor() == descriptor);
}

#endif
