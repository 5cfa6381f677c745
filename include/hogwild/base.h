/* base.h - status codes, version, random numbers and the clock; what every other room stands on.
 * It refuses to know anything about training. */
#ifndef HOGWILD_BASE_H
#define HOGWILD_BASE_H

#include "pairs.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HW_VERSION_MAJOR 0
#define HW_VERSION_MINOR 2
#define HW_VERSION_PATCH 0

#if defined(__GNUC__)
#define HW_API __attribute__((visibility("default")))
#else
#define HW_API
#endif

/* Every function that can fail returns a status: 0 or one of this table; a user callback's own codes start at
 * HW_E_USER and come back unchanged. Numbers never change. */
#define HW_STATUS_TABLE(X)                                                                           \
    X(HW_OK, 0, "no error")                                                                          \
    X(HW_E_ARGUMENT, 1, "an argument or a configuration field is out of its range")                  \
    X(HW_E_MEMORY, 2, "out of memory")                                                               \
    X(HW_E_THREAD, 3, "a thread could not be started")                                               \
    X(HW_E_IO, 4, "a file could not be opened, read or written")                                     \
    X(HW_E_FORMAT, 5, "a file does not hold what its format promises")                               \
    X(HW_E_UNSUPPORTED, 6, "this combination is refused")                                            \
    X(HW_E_STATE, 7, "the call does not fit the state of its handle")                                \
    X(HW_E_DIVERGED, 8, "training diverged: a loss, a gradient or a parameter stopped being finite") \
    X(HW_E_GRADIENT, 9, "the gradient disagrees with finite differences")                            \
    X(HW_E_FORK, 10, "the handle belongs to a parent process")                                       \
    X(HW_E_LIMIT, 11, "a size limit is exceeded")                                                    \
    X(HW_E_CALLBACK, 12, "a callback broke its contract")                                            \
    X(HW_E_STOPPED, 13, "stopped: another worker failed or a stop was asked for")

enum {
#define HW_X(name, number, text) name = number,
    HW_STATUS_TABLE(HW_X)
#undef HW_X
        HW_E_USER = 1000
};

typedef int hw_status;

/* Length of the buffers that take a sentence of detail where no handle exists yet. */
#define HW_WHY 256

/* The status' name ("HW_E_IO") and its sentence; user codes are "HW_E_USER". Static strings, thread-safe. */
HW_API const char *hw_status_name(hw_status status);
HW_API const char *hw_status_text(hw_status status);

/* "0.2.0", and one line for bug reports: version, commit, compiler, vector path, BLAS. Static or written into
 * `text` (size bytes, always terminated). Thread-safe. */
HW_API const char *hw_version(void);
/* Of the library that runs: 1000000 major + 1000 minor + patch; HW_VERSION_NUMBER is that of the header. */
HW_API unsigned hw_version_number(void);
#define HW_VERSION_NUMBER (HW_VERSION_MAJOR * 1000000u + HW_VERSION_MINOR * 1000u + HW_VERSION_PATCH)
HW_API void hw_build_info(char *text, size_t size);
HW_API const char *hw_commit(void);

/* How many processors this process may use: those in its affinity mask, and no more than its control group's quota of
 * processor time, rounded up; at least 1. Thread-safe; it reads small files, so it is nothing for a loop. */
HW_API unsigned hw_processors(void);

/* Bytes of memory that this process can still take, about: what the system has free, with its swap, and an address
 * space limit leaves. UINT64_MAX where that is not known. Thread-safe; no thing for a loop. */
HW_API uint64_t hw_memory_available(void);

/* xoshiro256** (Blackman, Vigna). A stream is chosen by (seed, stream); the streams of different numbers are
 * independent for every practical purpose. The caller owns the struct; one thread at a time. */
typedef struct hw_rng {
    uint64_t s[4];
} hw_rng;

HW_API void hw_rng_seed(hw_rng *rng, uint64_t seed, uint64_t stream);
HW_API uint64_t hw_rng_next(hw_rng *rng);
HW_API double hw_rng_uniform(hw_rng *rng);                 /* [0, 1)                          */
HW_API uint64_t hw_rng_below(hw_rng *rng, uint64_t bound); /* 0 .. bound - 1, unbiased        */
HW_API double hw_rng_normal(hw_rng *rng);                  /* mean 0, variance 1 (polar form) */

/* Position `i` of permutation number `epoch` of 0 .. count - 1: a keyed bijection, so that any number of threads
 * look up any position of any epoch without sharing anything. count < 2^32. Thread-safe. */
HW_API uint32_t hw_permute(uint64_t seed, uint64_t epoch, uint32_t count, uint32_t i);

/* Where a handle takes its memory from: given at its create, which copies the struct; what user points to lives as long
 * as the handle. An engine and parameters call it in their create and free, never during a run; a state in whatever
 * call puts, copies, clears or frees, in that thread, which in on_capture is a worker's. An allocator of several
 * handles does its own locking.
 *
 * allocate: `bytes`, a multiple of `alignment` (64 at least, a power of two); NULL where there is no more, which ends
 * as HW_E_MEMORY. Memory that is not aligned so is given back and counts as none. An array stands 64 bytes behind the
 * beginning of what was given. release: memory that allocate gave, with the bytes that it was asked for, so that munmap
 * or a pool of sizes needs no list of its own. All zero: the C library. */
typedef struct hw_allocator {
    void *(*allocate)(void *user, size_t alignment, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
} hw_allocator;

/* A bag of named values: what a run needs to go on (hw_engine_capture, hw_engine_restore, checkpoint.h).
 * advanced/state.h looks inside. create: NULL where there is no memory; _in: from an allocator (NULL: the C library).
 * free and clear accept NULL. copy: all of `from` into `to`, which loses what it had, but no memory where the entries
 * are the same ones as before and no larger; HW_E_MEMORY: `to` is empty then; HW_E_ARGUMENT: one of them is NULL. One
 * thread at a time uses a handle; many may read it. */
typedef struct hw_state hw_state;
HW_API hw_state *hw_state_create(void);
HW_API hw_state *hw_state_create_in(const hw_allocator *allocator);
HW_API void hw_state_free(hw_state *state);
HW_API void hw_state_clear(hw_state *state);
HW_API hw_status hw_state_copy(hw_state *to, const hw_state *from);

/* Monotonic time in nanoseconds. Thread-safe. */
HW_API uint64_t hw_now(void);

#ifdef __cplusplus
}
#endif
#endif
