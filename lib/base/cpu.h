/* cpu.h (internal) - what this processor can do, asked in one place; and loops that are compiled for two kinds of it.
 */
#ifndef HW__BASE_CPU_H
#define HW__BASE_CPU_H

#include <stdbool.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HW__X86_64 1
#else
#define HW__X86_64 0
#endif

/* Vectors of eight floats with fused multiply-adds; of sixteen. */
static inline bool hw__cpu_avx2(void)
{
#if HW__X86_64
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static inline bool hw__cpu_avx512(void)
{
#if HW__X86_64
    return hw__cpu_avx2() && __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

/* A moment's rest in a loop that waits for another thread. */
static inline void hw__cpu_relax(void)
{
#if HW__X86_64
    __builtin_ia32_pause();
#endif
}

/* Loops that are not matrix products are compiled for AVX2 too and chosen at load time where the platform can. */
#if HW__X86_64 && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__clang__)
#define HW__HOT __attribute__((target_clones("avx2", "default")))
#else
#define HW__HOT
#endif

#endif
