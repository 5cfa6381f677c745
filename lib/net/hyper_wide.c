/* hyper_wide.c - angles in AVX2, eight at a time. With u = 1 - 2 / pi acos(c) = 2 / pi asin(c), odd in c, all that is
 * needed is (minimax fits, relative errors in brackets):
 *
 *     u = 1 - sqrt(1 - c) Q(c)              for 0 <= c < 1        (1e-8)
 *     c = sin(pi/2 u) = u S(u^2)            for -1 <= u <= 1      (6e-9)
 *     sqrt(1 - c^2) = sin(pi/2 (1 - |u|))
 *
 * so that backward needs the output only; 1 - |u| is exact where the sine is small, and so the sine is to rounding. */
#include "../base/cpu.h"
#include "hyper.h"

#if HW__X86_64
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2,fma")))
#define INLINE __attribute__((target("avx2,fma"), always_inline)) static inline

/* The first n < 8 floats of a vector, or all: what is masked out is 0 and stays in memory as it was. */
INLINE __m256i first(size_t n)
{
    static const int mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(mask + 8 - n));
}

INLINE __m256 load(const float *x, size_t n)
{
    return n >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, first(n));
}

INLINE void store(float *x, size_t n, __m256 value)
{
    if (n >= 8)
        _mm256_storeu_ps(x, value);
    else
        _mm256_maskstore_ps(x, first(n), value);
}

INLINE __m256 polynomial(__m256 x, const float *coefficient, int degree)
{
    __m256 y = _mm256_set1_ps(coefficient[degree]);
    for (int i = degree; i-- > 0;) y = _mm256_fmadd_ps(y, x, _mm256_set1_ps(coefficient[i]));
    return y;
}

INLINE __m256 sign_of(__m256 x)
{
    return _mm256_and_ps(x, _mm256_set1_ps(-0.0f));
}

/* A cosine that is no number stays one: min and max return their second argument then. */
INLINE __m256 angle(__m256 cosine)
{
    static const float q[] = {1,
                              -0.136618533f,
                              0.0566586637f,
                              -0.0320299052f,
                              0.0199480621f,
                              -0.011336304f,
                              0.00461153679f,
                              -0.000917326051f};
    const __m256 one = _mm256_set1_ps(1), most = _mm256_set1_ps(1 - HYPER_CLOSE);
    __m256 sign = sign_of(cosine), c = _mm256_min_ps(most, _mm256_xor_ps(cosine, sign));
    __m256 rest = _mm256_mul_ps(_mm256_sqrt_ps(_mm256_sub_ps(one, c)), polynomial(c, q, 7));
    return _mm256_xor_ps(_mm256_sub_ps(one, rest), sign);
}

/* sin(pi/2 x), -1 <= x <= 1 */
INLINE __m256 sine(__m256 x)
{
    static const float s[] = {1.57079632f, -0.645963711f, 0.079689679f, -0.00467376662f, 0.00015148513f};
    return _mm256_mul_ps(x, polynomial(_mm256_mul_ps(x, x), s, 4));
}

AVX2 static void inverse_roots(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        __m256 square = _mm256_add_ps(load(x + i, n - i), _mm256_set1_ps(HYPER_NORM));
        store(x + i, n - i, _mm256_div_ps(_mm256_set1_ps(1), _mm256_sqrt_ps(square)));
    }
}

AVX2 static void forward(float *product, size_t f, size_t p, const float *filter, const float *patch)
{
    for (size_t k = 0; k < f; k++, product += p) {
        __m256 norm = _mm256_set1_ps(filter[k]);
        for (size_t i = 0; i < p; i += 8) {
            __m256 z = _mm256_mul_ps(load(product + i, p - i), _mm256_mul_ps(norm, load(patch + i, p - i)));
            store(product + i, p - i, angle(z));
        }
    }
}

INLINE float sum_of(__m256 x)
{
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_shuffle_ps(y, y, 1)));
}

AVX2 static void backward(const float *out, const float *dout, float *dproduct, size_t f, size_t p, const float *filter,
                          const float *patch, float *filter_sum, float *patch_sum)
{
    const __m256 one = _mm256_set1_ps(1), slope = _mm256_set1_ps(HYPER_2_PI);
    for (size_t k = 0; k < f; k++, out += p, dout += p, dproduct += p) {
        __m256 norm = _mm256_set1_ps(filter[k]), sum = _mm256_setzero_ps();
        for (size_t i = 0; i < p; i += 8) {
            size_t n = p - i;
            __m256 u = load(out + i, n), rest = _mm256_sub_ps(one, _mm256_xor_ps(u, sign_of(u)));
            __m256 dcosine = _mm256_div_ps(_mm256_mul_ps(slope, load(dout + i, n)), sine(rest));
            __m256 both = _mm256_mul_ps(dcosine, sine(u));
            store(dproduct + i, n, _mm256_mul_ps(dcosine, _mm256_mul_ps(norm, load(patch + i, n))));
            store(patch_sum + i, n, _mm256_add_ps(load(patch_sum + i, n), both));
            sum = _mm256_add_ps(sum, both);
        }
        filter_sum[k] += sum_of(sum);
    }
}

const hw__hyper_kernel hw__hyper_wide = {.inverse_roots = inverse_roots, .forward = forward, .backward = backward};

#else

const hw__hyper_kernel hw__hyper_wide = {0}; /* never chosen */

#endif
