/* wide.h (internal) - aligned vector loads and stores of shared floats, in inline assembly; see wide.c. */
#ifndef HW__PARAMS_WIDE_H
#define HW__PARAMS_WIDE_H

#include "params.h"

#if defined(__SANITIZE_THREAD__)
#define PARAMS_WIDE 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PARAMS_WIDE 0
#endif
#endif
#if !defined(PARAMS_WIDE) && defined(__x86_64__) && defined(__GNUC__)
#define PARAMS_WIDE 1
#endif
#if !defined(PARAMS_WIDE)
#define PARAMS_WIDE 0
#endif

#if PARAMS_WIDE
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static inline __m256 hw__params_load(const hw__params_float *x)
{
    __m256 v;
    __asm__ volatile("vmovaps %1, %0" : "=x"(v) : "m"(*(const __m256 *)(const void *)x));
    return v;
}

AVX2 static inline void hw__params_put(hw__params_float *x, __m256 v)
{
    __asm__ volatile("vmovaps %1, %0" : "=m"(*(__m256 *)(void *)x) : "x"(v));
}
AVX2 static inline float hw__params_load_one(const hw__params_float *x)
{
    float v;
    __asm__ volatile("vmovss %1, %0" : "=x"(v) : "m"(*(const float *)(const void *)x));
    return v;
}

AVX2 static inline void hw__params_put_one(hw__params_float *x, float v)
{
    __asm__ volatile("vmovss %1, %0" : "=m"(*(float *)(void *)x) : "x"(v));
}

/* Sixteen at once: a whole line. */
#define AVX512 __attribute__((target("avx512f")))

AVX512 static inline __m512 hw__params_load_16(const hw__params_float *x)
{
    __m512 v;
    __asm__ volatile("vmovaps %1, %0" : "=v"(v) : "m"(*(const __m512 *)(const void *)x));
    return v;
}

AVX512 static inline void hw__params_put_16(hw__params_float *x, __m512 v)
{
    __asm__ volatile("vmovaps %1, %0" : "=m"(*(__m512 *)(void *)x) : "v"(v));
}

/* Only the lanes whose mask's top bit is set: the others belong to whoever writes them meanwhile. */
AVX2 static inline void hw__params_put_some(hw__params_float *x, __m256 mask, __m256 v)
{
    __asm__ volatile("vmaskmovps %2, %1, %0" : "+m"(*(__m256 *)(void *)x) : "x"(mask), "x"(v));
}
#endif

#endif
