/* product.h (internal) - the matrix products of dense layers on small batches, row-major: in this processor's vectors,
 * on the matrices as they lie, where they are small enough for its caches; else by OpenBLAS, which is the reference.
 * They agree to rounding. Private memory only. */
#ifndef HW__CONV_PRODUCT_H
#define HW__CONV_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

/* wide false: by OpenBLAS, whatever the sizes.
 *
 * Dots: every output is the dot product of two rows. out (m x n) = a (m x k) b^T + bias, with b n x k and bias n floats
 * or NULL. */
void hw__product_dots(bool wide, size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias,
                      float *out);

/* Sums: every row of the output is a weighted sum of rows. out (m x n) = A b, with b k x n and A m x k, or where
 * transposed its transpose k x m, at a. */
void hw__product_sums(bool wide, bool transposed, size_t m, size_t n, size_t k, const float *a, const float *b,
                      float *out);

/* What one width of vectors does; NULL where the processor has it not. In sums, A's element of row i and column t is
 * a[i * row + t * column]. */
typedef struct hw__product_steps {
    void (*dots)(size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias, float *out);
    void (*sums)(size_t m, size_t n, size_t k, const float *a, size_t row, size_t column, const float *b, float *out);
} hw__product_steps;
const hw__product_steps *hw__product_avx2(void);
const hw__product_steps *hw__product_avx512(void);

#endif
