/* blas.h (internal) - the one door to OpenBLAS: private buffers only, one thread a caller. */
#ifndef HW__BASE_BLAS_H
#define HW__BASE_BLAS_H

#include "base.h"

/* C (m x n, ldc) = alpha op(A) op(B) + beta C, row-major; ta, tb: transposed. */
void hw__blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* One thread for BLAS calls of this thread, from hold to unhold in the same thread, which restores what the caller had.
 * Any number of threads at once, in a child of fork too. on: false does nothing. */
typedef struct hw__blas_held {
    bool on;
    int thread; /* this thread's own count, where the build keeps one a thread (OpenMP) */
} hw__blas_held;
hw__blas_held hw__blas_hold(bool on);
void hw__blas_unhold(const hw__blas_held *held);
/* Between them: one thread again, where the program or a second copy of this library has set another count meanwhile,
 * which is then what the last unhold restores. Costs a call that returns a number. */
void hw__blas_keep(void);

/* Threads that may call this OpenBLAS build at once. */
unsigned hw__blas_limit(void);
void hw__blas_name(char *text, size_t size);

#endif
