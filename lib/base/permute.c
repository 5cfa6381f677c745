/* permute.c - a keyed permutation of 0 .. count - 1: a balanced Feistel network on the smallest even number of bits
 * that holds count, walked until it lands below count: at most four steps on average, and a bijection by construction.
 *
 * Of one position it takes some 300 instructions, and whether a walk ends is a branch that cannot be guessed: more time
 * than a step on a sparse row has. Of many positions all walk abreast, in vectors. */
#include "base.h"
#include "cpu.h"
#if HW__X86_64
#include <immintrin.h>
#endif

enum { ROUNDS = 6, ABREAST = 64, VECTOR = 8 };

#define FIRST  UINT64_C(0xbf58476d1ce4e5b9)
#define SECOND UINT64_C(0x94d049bb133111eb)

typedef struct network {
    uint64_t key[ROUNDS];
    unsigned half; /* bits */
    uint32_t mask;
} network;

static network network_of(uint64_t seed, uint64_t epoch, uint32_t count)
{
    network f;
    unsigned bits = 2;
    while (bits < 32 && ((uint64_t)1 << bits) < count) bits += 2;
    f.half = bits / 2;
    f.mask = ((uint32_t)1 << f.half) - 1;
    uint64_t key = seed ^ (epoch * 0x9e3779b97f4a7c15u);
    for (int r = 0; r < ROUNDS; r++) f.key[r] = hw__base_splitmix(&key);
    return f;
}

static inline uint32_t step(const network *f, uint32_t x)
{
    uint64_t left = x >> f->half, right = x & f->mask;
    for (int r = 0; r < ROUNDS; r++) {
        uint64_t h = (right + f->key[r]) * FIRST;
        h = (h ^ (h >> 29)) * SECOND;
        uint64_t next = left ^ ((h >> 32) & f->mask);
        left = right;
        right = next;
    }
    return (uint32_t)(left << f->half | right);
}

uint32_t hw_permute(uint64_t seed, uint64_t epoch, uint32_t count, uint32_t i)
{
    if (count < 2) return 0;
    network f = network_of(seed, epoch, count);
    do i = step(&f, i);
    while (i >= count);
    return i;
}

static void step_each(const network *f, uint32_t *x, unsigned n)
{
    for (unsigned i = 0; i < n; i++) x[i] = step(f, x[i]);
}

#if HW__X86_64
/* AVX2 multiplies no more than 32 bits by 32. right has at most 16, and of the second product only bits 32 to 63 are
 * wanted, so five such make a round; key times the first factor is made once. */
__attribute__((target("avx2"))) static void step_avx2(const network *f, uint32_t *x, unsigned n)
{
    const __m256i mask = _mm256_set1_epi64x(f->mask), first_low = _mm256_set1_epi64x(FIRST & UINT32_MAX),
                  first_high = _mm256_set1_epi64x(FIRST >> 32), second_low = _mm256_set1_epi64x(SECOND & UINT32_MAX),
                  second_high = _mm256_set1_epi64x(SECOND >> 32);
    const __m128i half = _mm_cvtsi32_si128((int)f->half);
    __m256i key[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) key[r] = _mm256_set1_epi64x((long long)(f->key[r] * FIRST));
    for (unsigned i = 0; i < n; i += 4) {
        __m256i v = _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(const void *)(x + i)));
        __m256i left = _mm256_srl_epi64(v, half), right = _mm256_and_si256(v, mask);
        for (int r = 0; r < ROUNDS; r++) {
            __m256i h = _mm256_add_epi64(_mm256_mul_epu32(right, first_low), key[r]);
            h = _mm256_add_epi64(h, _mm256_slli_epi64(_mm256_mul_epu32(right, first_high), 32));
            h = _mm256_xor_si256(h, _mm256_srli_epi64(h, 29));
            __m256i low = _mm256_srli_epi64(_mm256_mul_epu32(h, second_low), 32),
                    across = _mm256_add_epi64(_mm256_mul_epu32(h, second_high),
                                              _mm256_mul_epu32(_mm256_srli_epi64(h, 32), second_low));
            __m256i next = _mm256_xor_si256(left, _mm256_and_si256(_mm256_add_epi64(low, across), mask));
            left = right;
            right = next;
        }
        v = _mm256_or_si256(_mm256_sll_epi64(left, half), right);
        v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0));
        _mm_storeu_si128((__m128i *)(void *)(x + i), _mm256_castsi256_si128(v));
    }
}

__attribute__((target("avx512f,avx512dq"))) static void step_avx512(const network *f, uint32_t *x, unsigned n)
{
    const __m512i mask = _mm512_set1_epi64(f->mask), first = _mm512_set1_epi64((long long)FIRST),
                  second = _mm512_set1_epi64((long long)SECOND);
    const __m128i half = _mm_cvtsi32_si128((int)f->half);
    __m512i key[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) key[r] = _mm512_set1_epi64((long long)f->key[r]);
    for (unsigned i = 0; i < n; i += 8) {
        __m512i v = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)));
        __m512i left = _mm512_srl_epi64(v, half), right = _mm512_and_si512(v, mask);
        for (int r = 0; r < ROUNDS; r++) {
            __m512i h = _mm512_mullo_epi64(_mm512_add_epi64(right, key[r]), first);
            h = _mm512_mullo_epi64(_mm512_xor_si512(h, _mm512_srli_epi64(h, 29)), second);
            __m512i next = _mm512_xor_si512(left, _mm512_and_si512(_mm512_srli_epi64(h, 32), mask));
            left = right;
            right = next;
        }
        v = _mm512_or_si512(_mm512_sll_epi64(left, half), right);
        _mm256_storeu_si256((__m256i *)(void *)(x + i), _mm512_cvtepi64_epi32(v));
    }
}
#endif

typedef void step_kernel(const network *f, uint32_t *x, unsigned n);

/* All compute the same. */
static step_kernel *kernel(void)
{
#if HW__X86_64
    if (hw__cpu_avx512() && __builtin_cpu_supports("avx512dq")) return step_avx512;
    if (hw__cpu_avx2()) return step_avx2;
#endif
    return step_each;
}

void hw__base_permute(uint64_t seed, uint64_t epoch, uint32_t count, uint32_t first, size_t n, uint32_t *at)
{
    step_kernel *step_all = kernel();
    network f = network_of(seed, epoch, count);
    uint32_t x[ABREAST] = {0};
    unsigned char whose[ABREAST];
    for (size_t done = 0, part; done < n; done += part, at += part) {
        part = n - done < ABREAST ? n - done : ABREAST;
        for (unsigned k = 0; k < part; k++) {
            x[k] = first + (uint32_t)(done + k);
            whose[k] = (unsigned char)k;
        }
        for (unsigned walking = count < 2 ? 0 : (unsigned)part, on; walking; walking = on) {
            step_all(&f, x, (unsigned)hw__round_up(walking, VECTOR));
            on = 0;
            for (unsigned k = 0; k < walking; k++) {
                uint32_t to = x[k];
                at[whose[k]] = to;
                x[on] = to;
                whose[on] = whose[k];
                on += to >= count;
            }
        }
        for (unsigned k = 0; count < 2 && k < part; k++) at[k] = 0;
    }
}
