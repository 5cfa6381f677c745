/* exchange_wide.c - one stretch of a replica against the shared array on x86-64, with vectors of 8 and of 16 floats.
 * Loads and stores of shared floats are inline assembly, for the reasons given in wide.c; the reference is exchange.c.
 *
 * Lines that the worker has not changed are not stored to, so that the other cores keep theirs. Of the others the lines
 * to come are asked for to be written: a load alone would fetch them to be shared, and the store wait for them again.
 */
#include "../base/cpu.h"
#include "exchange.h"
#include "wide.h"

#if PARAMS_WIDE

/* What is less than a vector, from float i on. */
static void finish(const hw__params_stretch *s, size_t i)
{
    hw__params_stretch rest = *s;
    rest.shared += i;
    rest.copy += i;
    rest.base += i;
    if (s->principal) rest.principal += i;
    rest.n -= i;
    hw__params_exchange_racy(&rest);
}

AVX2 static void exchange_8(const hw__params_stretch *s)
{
    size_t i = 0;
    __m256 pull = _mm256_set1_ps(s->pull), scale = _mm256_set1_ps(s->scale);
    for (; i + 8 <= s->n; i += 8) {
        if (i % EXCHANGE_LINE == 0 && i + EXCHANGE_AHEAD < s->n)
            __builtin_prefetch((const char *)(s->shared + i + EXCHANGE_AHEAD), 1);
        __m256 delta = _mm256_sub_ps(_mm256_mul_ps(scale, hw__params_load(s->copy + i)), hw__params_load(s->base + i));
        __m256 changed = _mm256_cmp_ps(delta, _mm256_setzero_ps(), _CMP_NEQ_UQ),
               shared = hw__params_load(s->shared + i);
        int lanes = _mm256_movemask_ps(changed);
        __m256 next = shared;
        if (lanes) {
            if (s->principal)
                delta = _mm256_fnmadd_ps(pull, _mm256_and_ps(changed, _mm256_loadu_ps(s->principal + i)), delta);
            next = _mm256_add_ps(shared, delta);
            /* A masked store takes some ten times as long as a whole one on some processors. */
            if (lanes == 255)
                hw__params_put(s->shared + i, next);
            else
                hw__params_put_some(s->shared + i, changed, next);
        }
        hw__params_put(s->copy + i, next);
        hw__params_put(s->base + i, next);
    }
    /* Compilers do not see that the assembly above has left the upper halves of the registers dirty, and every SSE
     * instruction after that would pay for it on Intel's processors. */
    _mm256_zeroupper();
    finish(s, i);
}

AVX512 static inline void put_some(hw__params_float *x, __mmask16 mask, __m512 v)
{
    __asm__ volatile("vmovaps %2, %0%{%1%}" : "+m"(*(__m512 *)(void *)x) : "Yk"(mask), "v"(v));
}

AVX512 static void exchange_16(const hw__params_stretch *s)
{
    size_t i = 0;
    __m512 pull = _mm512_set1_ps(s->pull), scale = _mm512_set1_ps(s->scale);
    for (; i + 16 <= s->n; i += 16) {
        if (i + EXCHANGE_AHEAD < s->n) __builtin_prefetch((const char *)(s->shared + i + EXCHANGE_AHEAD), 1);
        __m512 delta =
            _mm512_sub_ps(_mm512_mul_ps(scale, hw__params_load_16(s->copy + i)), hw__params_load_16(s->base + i));
        __m512 next = hw__params_load_16(s->shared + i);
        __mmask16 changed = _mm512_cmp_ps_mask(delta, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        if (changed) {
            if (s->principal) delta = _mm512_fnmadd_ps(pull, _mm512_maskz_loadu_ps(changed, s->principal + i), delta);
            next = _mm512_add_ps(next, delta);
            put_some(s->shared + i, changed, next);
        }
        hw__params_put_16(s->copy + i, next);
        hw__params_put_16(s->base + i, next);
    }
    _mm256_zeroupper();
    finish(s, i);
}

hw__params_exchange_kernel hw__params_exchange_wide(unsigned lanes)
{
    if (lanes == 16) return hw__cpu_avx512() ? exchange_16 : NULL;
    return hw__params_wide() ? exchange_8 : NULL;
}

#else

hw__params_exchange_kernel hw__params_exchange_wide(unsigned lanes)
{
    (void)lanes;
    return NULL;
}

#endif
