/* blas.h (internal) - the one door to OpenBLAS: private buffers only, one thread a caller. */
#ifndef HW__BASE_BLAS_H
#define HW__BASE_BLAS_H

#include "base.h"

/* C (m x n, ldc) = alpha op(A) op(B) + beta C, row-major; ta, tb: transposed. */
void hw__blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                   const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* The first user saves OpenBLAS's thread count and sets one; the last one restores it. Thread-safe. */
void hw__blas_hold(void);
void hw__blas_unhold(void);
/* Threads that may call this OpenBLAS build at once. */
unsigned hw__blas_limit(void);
const char *hw__blas_name(void);

#endif
