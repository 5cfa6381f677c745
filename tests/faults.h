/* faults.h - for test programs whose calls of malloc and its like, and of pthread_create, the linker sends here
 * (--wrap, in every program with faults in its name): the N-th fails, then all after it. They are counted, and what
 * they hold. */
#ifndef FAULTS_H
#define FAULTS_H

#include "check.h"
#include <malloc.h>
#include <stdatomic.h>

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__real_aligned_alloc(size_t, size_t);
void __real_free(void *);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void *__wrap_aligned_alloc(size_t, size_t);
void __wrap_free(void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static _Atomic long calls, live, threads, requested; /* requested: bytes asked for, ever */
static _Atomic long held, peak;                      /* bytes at once, as the allocator rounded them up */
static long fail_at, fail_thread;                    /* 0: never; from that call on */

static bool allowed(void)
{
    long n = ++calls;
    return fail_at == 0 || n < fail_at;
}

/* A new block, or NULL; n: bytes that count as requested. */
static void *counted(void *p, size_t n)
{
    if (!p) return NULL;
    live++;
    requested += (long)n;
    long size = (long)malloc_usable_size(p), now = atomic_fetch_add(&held, size) + size, most = peak;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
    return p;
}

void *__wrap_malloc(size_t n)
{
    return counted(allowed() ? __real_malloc(n) : NULL, n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return counted(allowed() ? __real_calloc(n, size) : NULL, 0);
}

/* Old and new may stand side by side while it copies: counted as if they always did. */
void *__wrap_realloc(void *old, size_t n)
{
    if (!allowed()) return NULL;
    long before = old ? (long)malloc_usable_size(old) : 0;
    void *p = counted(__real_realloc(old, n), 0);
    if (p && old) {
        live--;
        held -= before;
    }
    return p;
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return counted(allowed() ? __real_aligned_alloc(alignment, n) : NULL, n);
}

void __wrap_free(void *p)
{
    if (p) {
        live--;
        held -= (long)malloc_usable_size(p);
    }
    __real_free(p);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*body)(void *), void *context)
{
    long n = ++threads;
    return fail_thread && n >= fail_thread ? 11 /* EAGAIN */ : __real_pthread_create(t, a, body, context);
}

/* The run of an engine, which ends well and takes no memory. */
static inline void run_allocates_nothing(hw_engine *e, hw_result *r)
{
    calls = 0;
    assert_int_equal(hw_engine_run(e, r), HW_OK);
    assert_int_equal(calls, 0);
}

/* The most memory that the reader of a file of so many bytes may take before it rejects it. */
static inline size_t most_for_rejected(size_t bytes)
{
    return 65536 + 16 * bytes;
}

/* A public call under test, in `variants` forms: HW_OK where nothing fails. lenient: a failure may be survived. */
typedef struct fault_call {
    const char *name;
    hw_status (*use)(int);
    int variants;
    bool lenient;
} fault_call;

/* For every call: the N-th allocation fails, N = 1, 2, ... until none is left; the right code, no leak, and the second
 * try works. Returns how many fault points there were. */
static inline unsigned faults_everywhere(const fault_call *list, size_t n_list)
{
    unsigned failures = 0;
    for (size_t c = 0; c < n_list; c++)
        for (int v = 0; v < list[c].variants; v++)
            for (long n = 1;; n++) {
                long before = live;
                calls = 0;
                fail_at = n;
                hw_status status = list[c].use(v);
                long made = calls;
                fail_at = 0;
                if (live != before) fail_msg("%s %d: allocation %ld: %ld leaks", list[c].name, v, n, live - before);
                if (made < n) { /* it never got that far: all fault points have been seen */
                    assert_int_equal(status, HW_OK);
                    break;
                }
                if (status != HW_E_MEMORY && !(status == HW_OK && list[c].lenient))
                    fail_msg("%s %d: allocation %ld of %ld: status %d", list[c].name, v, n, made, status);
                failures++;
                assert_int_equal(list[c].use(v), HW_OK); /* the second try works */
            }
    print_message("%u fault points\n", failures);
    return failures;
}

#endif
