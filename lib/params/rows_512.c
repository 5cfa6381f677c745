/* rows_512.c - rows_wide.c with vectors of 16 floats: a row of 100 floats, padded to 112, is seven of them. An aligned
 * 64-byte load or store never tears inside a lane, as in wide.c. */
#include "wide.h"

#if PARAMS_WIDE

#define TARGET __attribute__((target("avx512f")))

TARGET static inline __m512 load(const hw__params_float *x)
{
    __m512 v;
    __asm__ volatile("vmovaps %1, %0" : "=v"(v) : "m"(*(const __m512 *)(const void *)x));
    return v;
}

TARGET static inline void put(hw__params_float *x, __m512 v)
{
    __asm__ volatile("vmovaps %1, %0" : "=m"(*(__m512 *)(void *)x) : "v"(v));
}

#define VECTOR     __m512
#define LANES      16
#define LOAD       load
#define PUT        put
#define ZERO       _mm512_setzero_ps
#define SPREAD     _mm512_set1_ps
#define GET        _mm512_loadu_ps
#define SET        _mm512_storeu_ps
#define FMA        _mm512_fmadd_ps
#define TOTAL      _mm512_reduce_add_ps
#define ROWS_DOT   hw__params_rows_dot_512
#define ROWS_ADD   hw__params_rows_add_512
#define WINDOW_DOT hw__params_window_dot_512
#define WINDOW_ADD hw__params_window_add_512
#include "rows_kernel.h"

#endif
