/* rows_wide.c - fused steps on rows (embeddings) on x86-64, with vectors of 8 floats. Loads and stores of shared floats
 * are inline assembly, for the reasons given in wide.c. fused.c has the reference. */
#include "wide.h"

#if PARAMS_WIDE

AVX2 static inline float total(__m256 v)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

#define TARGET     AVX2
#define VECTOR     __m256
#define LANES      8
#define LOAD       hw__params_load
#define PUT        hw__params_put
#define ZERO       _mm256_setzero_ps
#define SPREAD     _mm256_set1_ps
#define GET        _mm256_loadu_ps
#define SET        _mm256_storeu_ps
#define FMA        _mm256_fmadd_ps
#define TOTAL      total
#define ROWS_DOT   hw__params_rows_dot_wide
#define ROWS_ADD   hw__params_rows_add_wide
#define WINDOW_DOT hw__params_window_dot_wide
#define WINDOW_ADD hw__params_window_add_wide
#include "rows_kernel.h"

#endif
