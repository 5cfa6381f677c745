/* check.h - what every test file includes: CMocka and a few helpers. Asserts belong to the main thread only. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <hogwild.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_near(a, b, tolerance)                                                          \
    do {                                                                                      \
        double check_a = (a), check_b = (b), check_t = (tolerance);                           \
        if (!(fabs(check_a - check_b) <= check_t)) {                                          \
            print_error("%s = %.8g, expected %.8g +- %.3g\n", #a, check_a, check_b, check_t); \
            fail();                                                                           \
        }                                                                                     \
    } while (0)

#define assert_text(sentence, part)                                      \
    do {                                                                 \
        if (!strstr((sentence), (part))) {                               \
            print_error("'%s' does not say '%s'\n", (sentence), (part)); \
            fail();                                                      \
        }                                                                \
    } while (0)

static inline void *check_floats(size_t n)
{
    void *x = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64 + 64);
    assert_non_null(x);
    memset(x, 0, (n * sizeof(float) + 63) / 64 * 64);
    return x;
}

/* Sanitizers slow programs down by ten: statistics there are of fewer runs. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHECK_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHECK_SLOW 1
#endif
#endif
#ifndef CHECK_SLOW
#define CHECK_SLOW 0
#endif

/* This processor is emulated (tests/processors), which slows it down by a hundred. */
static inline bool check_emulated(void)
{
    return getenv("HOGWILD_EMULATED") != NULL;
}
static inline bool check_slow(void)
{
    return CHECK_SLOW || check_emulated();
}

/* full: the stress tests' own lengths; otherwise shorter. */
static inline bool check_full(void)
{
    const char *s = getenv("HOGWILD_STRESS");
    return s && strcmp(s, "full") == 0;
}

/* A file of just these bytes. */
static inline void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

#endif
