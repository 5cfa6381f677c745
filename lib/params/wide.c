/* wide.c - the wide path on x86-64: 32-byte vectors for dense reads and for writes that need no compare-and-swap.
 *
 * C has no vector access to atomic objects, and compilers do not vectorise relaxed atomics. Aligned 32-byte vector
 * loads and stores never tear inside a 4-byte lane on any x86-64 processor with AVX, which is all that ATOMIC and
 * RACY promise. They are inline assembly, so that the compiler neither sees nor reorders a racing C access: each
 * statement is volatile (kept in order among themselves), and x86-64 orders loads after loads and stores after
 * stores, so the clock's release and acquire cover them as they cover relaxed accesses.
 *
 * A stretch's unaligned head and tail go through the scalar kernels: no store touches a coordinate outside it. */
#include "wide.h"
#include "../base/cpu.h"

#if PARAMS_WIDE

/* Floats before the first 32-byte boundary. */
static size_t head(const hw__params_float *w, size_t n)
{
    size_t h = (size_t)(-(uintptr_t)w & 31u) / sizeof(float);
    return h < n ? h : n;
}

AVX2 static void wide_copy(float *out, const hw__params_float *w, size_t n)
{
    size_t i = head(w, n);
    hw__params_scalar.copy(out, w, i);
    for (; i + 32 <= n; i += 32) {
        __m256 a = hw__params_load(w + i), b = hw__params_load(w + i + 8), c = hw__params_load(w + i + 16),
               d = hw__params_load(w + i + 24);
        _mm256_storeu_ps(out + i, a);
        _mm256_storeu_ps(out + i + 8, b);
        _mm256_storeu_ps(out + i + 16, c);
        _mm256_storeu_ps(out + i + 24, d);
    }
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, hw__params_load(w + i));
    hw__params_scalar.copy(out + i, w + i, n - i);
}

AVX2 static void wide_ahead(float *out, const hw__params_float *w, const hw__params_float *v, float s, size_t n)
{
    size_t i = head(w, n);
    hw__params_scalar.ahead(out, w, v, s, i);
    __m256 scale = _mm256_set1_ps(s);
    for (; i + 16 <= n; i += 16) {
        __m256 a = hw__params_load(w + i), b = hw__params_load(w + i + 8), c = hw__params_load(v + i),
               d = hw__params_load(v + i + 8);
        _mm256_storeu_ps(out + i, _mm256_fmadd_ps(scale, c, a));
        _mm256_storeu_ps(out + i + 8, _mm256_fmadd_ps(scale, d, b));
    }
    hw__params_scalar.ahead(out + i, w + i, v + i, s, n - i);
}

AVX2 static void wide_add(hw__params_float *dw, const hw__params_float *w, const float *g, float e, size_t n)
{
    size_t i = head(w, n);
    hw__params_scalar.add(dw, w, g, e, i);
    __m256 scale = _mm256_set1_ps(e);
    for (; i + 16 <= n; i += 16) {
        __m256 a = hw__params_load(w + i), b = hw__params_load(w + i + 8);
        hw__params_put(dw + i, _mm256_fmadd_ps(scale, _mm256_loadu_ps(g + i), a));
        hw__params_put(dw + i + 8, _mm256_fmadd_ps(scale, _mm256_loadu_ps(g + i + 8), b));
    }
    hw__params_scalar.add(dw + i, w + i, g + i, e, n - i);
}

AVX2 static void wide_momentum(hw__params_float *dw, hw__params_float *dv, const hw__params_float *w,
                               const hw__params_float *v, const float *g, float a, float b, size_t n)
{
    size_t i = head(w, n);
    hw__params_scalar.momentum(dw, dv, w, v, g, a, b, i);
    __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
    for (; i + 16 <= n; i += 16) {
        __m256 v0 = hw__params_load(v + i), v1 = hw__params_load(v + i + 8), w0 = hw__params_load(w + i),
               w1 = hw__params_load(w + i + 8);
        v0 = _mm256_fmadd_ps(va, v0, _mm256_mul_ps(vb, _mm256_loadu_ps(g + i)));
        v1 = _mm256_fmadd_ps(va, v1, _mm256_mul_ps(vb, _mm256_loadu_ps(g + i + 8)));
        hw__params_put(dv + i, v0);
        hw__params_put(dv + i + 8, v1);
        hw__params_put(dw + i, _mm256_add_ps(w0, v0));
        hw__params_put(dw + i + 8, _mm256_add_ps(w1, v1));
    }
    hw__params_scalar.momentum(dw + i, dv + i, w + i, v + i, g + i, a, b, n - i);
}

AVX2 static void wide_general(hw__params_float *dw, hw__params_float *dv, hw__params_float *du,
                              const hw__params_float *w, const hw__params_float *v, const hw__params_float *u,
                              const float *g, const hw_form *f, size_t n)
{
    size_t i = head(w, n);
    hw__params_scalar.general(dw, dv, du, w, v, u, g, f, i);
    __m256 a = _mm256_set1_ps(f->a), b = _mm256_set1_ps(f->b), c = _mm256_set1_ps(f->c), d = _mm256_set1_ps(f->d),
           e = _mm256_set1_ps(f->e);
    for (; i + 8 <= n; i += 8) {
        __m256 x = _mm256_loadu_ps(g + i), next = _mm256_fmadd_ps(a, hw__params_load(v + i), _mm256_mul_ps(b, x));
        if (u) next = _mm256_fmadd_ps(c, hw__params_load(u + i), next);
        hw__params_put(dv + i, next);
        if (du) hw__params_put(du + i, x);
        hw__params_put(dw + i, _mm256_fmadd_ps(d, next, _mm256_fmadd_ps(e, x, hw__params_load(w + i))));
    }
    hw__params_scalar.general(dw + i, dv + i, du ? du + i : NULL, w + i, v + i, u ? u + i : NULL, g + i, f, n - i);
}

static const hw__params_kernels avx2 = {"avx2", wide_copy, wide_ahead, wide_add, wide_momentum, wide_general};

const hw__params_kernels *hw__params_wide(void)
{
    return hw__cpu_avx2() ? &avx2 : NULL;
}

#else

const hw__params_kernels *hw__params_wide(void)
{
    return NULL;
}

#endif
