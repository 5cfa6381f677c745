/* rows_512.c - rows_wide.c with vectors of 16 floats: a row of 100 floats, padded to 112, is seven of them. An aligned
 * 64-byte load or store never tears inside a lane, as in wide.c. */
#include "wide.h"

#if PARAMS_WIDE

#define TARGET     AVX512
#define VECTOR     __m512
#define LANES      16
#define LOAD       hw__params_load_16
#define PUT        hw__params_put_16
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
