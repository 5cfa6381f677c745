/* product.c - which way a dense layer's product takes. */
#include "product.h"
#include "../base/blas.h"

static const hw__product_steps *steps_for(size_t m, size_t n, size_t k)
{
    enum { MOST = 1 << 20 }; /* floats of the larger matrix: beyond that packed copies pay */
    size_t larger = m > n ? m : n;
    const hw__product_steps *wide = hw__product_avx512();
    if (larger * k > MOST || m * n > MOST) return NULL;
    return wide ? wide : hw__product_avx2();
}

void hw__product_dots(bool wide, size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias,
                      float *out)
{
    const hw__product_steps *steps = wide ? steps_for(m, n, k) : NULL;
    if (steps) {
        steps->dots(m, n, k, a, b, bias, out);
        return;
    }
    for (size_t i = 0; bias && i < m; i++)
        for (size_t j = 0; j < n; j++) out[i * n + j] = bias[j];
    hw__blas_gemm(false, true, m, n, k, 1, a, k, b, k, bias ? 1 : 0, out, n);
}

void hw__product_sums(bool wide, bool transposed, size_t m, size_t n, size_t k, const float *a, const float *b,
                      float *out)
{
    const hw__product_steps *steps = wide ? steps_for(m, n, k) : NULL;
    if (steps)
        steps->sums(m, n, k, a, transposed ? 1 : k, transposed ? m : 1, b, out);
    else
        hw__blas_gemm(transposed, false, m, n, k, 1, a, transposed ? m : k, b, n, 0, out, n);
}
