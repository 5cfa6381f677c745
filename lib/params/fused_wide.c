/* fused_wide.c - fused steps on x86-64: the same arithmetic as fused.c's first set with vectors and fused
 * multiply-adds. Loads and stores of shared floats are inline assembly, for the reasons given in wide.c. Rows begin at
 * multiples of 16 floats, so that their vectors are aligned and no lane tears. */
#include "fused.h"
#include "coordinates_wide.h"
#include "../base/cpu.h"

#if PARAMS_WIDE
#include <math.h>

AVX2 static float dot(const hw__params_float *w, const uint32_t *indices, const float *values, size_t n)
{
    return hw__params_dot_coordinates(w, indices, values, n);
}

AVX2 static void axpy(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float step)
{
    hw__params_axpy_coordinates(w, indices, values, n, step);
}

AVX2 static void decay(hw__params_float *w, const uint32_t *indices, const float *values, size_t n, float slope,
                       float rate, const float *lambda)
{
    hw__params_decay_coordinates(w, indices, values, n, slope, rate, lambda);
}

AVX2 static void adagrad_at(hw__params_float *w, hw__params_float *s, const uint32_t *indices, const float *values,
                            size_t n, float slope, const hw_fused_rule *rule)
{
    float most = 1 / rule->rate;
    for (size_t i = 0; i < n; i++) {
        size_t at = indices[i];
        float x = hw__params_load_one(w + at),
              g = slope * values[i] + (rule->decay ? fminf(rule->decay[at], most) * x : 0);
        float square = hw__params_load_one(s + at) + g * g;
        hw__params_put_one(s + at, square);
        hw__params_put_one(w + at, x - rule->rate * g / (sqrtf(square) + rule->epsilon));
    }
}

/* Two heads as one vector: b and G of p, b and G of q. */
AVX2 static inline __m128 get_heads(const hw__params_pair *rows)
{
    __m128 p, both;
    __asm__ volatile("vmovsd %1, %0" : "=x"(p) : "m"(*(const double *)(const void *)rows->hp));
    __asm__ volatile("vmovhps %2, %1, %0" : "=x"(both) : "x"(p), "m"(*(const double *)(const void *)rows->hq));
    return both;
}

AVX2 static inline void put_heads(const hw__params_pair *rows, __m128 heads)
{
    __asm__ volatile("vmovlps %1, %0" : "=m"(*(double *)(void *)rows->hp) : "x"(heads));
    __asm__ volatile("vmovhps %1, %0" : "=m"(*(double *)(void *)rows->hq) : "x"(heads));
}

/* The sum of all lanes, in every lane. */
AVX2 static inline __m256 sum_all(__m256 v)
{
    v = _mm256_add_ps(v, _mm256_permute2f128_ps(v, v, 1));
    v = _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
    return _mm256_add_ps(v, _mm256_permute_ps(v, 0xb1));
}

/* The sums of a's and of b's lanes, in the first two lanes. */
AVX2 static inline __m128 sum_two(__m256 a, __m256 b)
{
    __m256 x = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    return _mm_add_ps(y, _mm_movehl_ps(y, y));
}

/* What a pair's update is made of: x' = keep x + take y. */
typedef struct pair_state {
    __m256 score, e, keep_p, keep_q, take_p, take_q;
    __m128 heads, rates; /* of p, p, q, q */
} pair_state;

/* dots: the lanes of p . q. */
ALWAYS pair_state pair_begin(const hw__params_pair *rows, const hw_pairs *form, float value, float rate, __m256 dots)
{
    pair_state s;
    float known = value - form->mean;
    s.heads = _mm_setzero_ps();
    s.rates = _mm_set1_ps(rate);
    if (form->biases || form->adagrad) s.heads = get_heads(rows);
    if (form->biases) known -= _mm_cvtss_f32(_mm_add_ss(s.heads, _mm_movehl_ps(s.heads, s.heads)));
    if (form->adagrad) s.rates = _mm_div_ps(s.rates, _mm_sqrt_ps(_mm_shuffle_ps(s.heads, s.heads, 0xf5)));
    __m256 rp = _mm256_broadcastss_ps(s.rates), rq = _mm256_broadcastss_ps(_mm_movehl_ps(s.rates, s.rates));
    __m256 l2 = _mm256_set1_ps(form->l2), one = _mm256_set1_ps(1);
    s.keep_p = _mm256_fnmadd_ps(l2, rp, one);
    s.keep_q = _mm256_fnmadd_ps(l2, rq, one);
    s.score = sum_all(dots);
    s.e = _mm256_sub_ps(_mm256_set1_ps(known), s.score);
    s.take_p = _mm256_mul_ps(s.e, rp);
    s.take_q = _mm256_mul_ps(s.e, rq);
    return s;
}

ALWAYS void pair_update(hw__params_float *p, hw__params_float *q, const pair_state *s, __m256 x, __m256 y)
{
    hw__params_put(p, _mm256_fmadd_ps(s->take_p, y, _mm256_mul_ps(s->keep_p, x)));
    hw__params_put(q, _mm256_fmadd_ps(s->take_q, x, _mm256_mul_ps(s->keep_q, y)));
}

/* The heads. What G grows by, the mean of (l2 p - e q)^2, comes from |p|^2, |q|^2 and p . q, which are known before e
 * is; squares: |p|^2 and |q|^2 in the first two lanes. share: 1 / rank. */
ALWAYS void pair_end(const hw__params_pair *rows, const hw_pairs *form, const pair_state *s, __m128 squares,
                     float share)
{
    if (!form->biases && !form->adagrad) return;
    float l2 = form->l2;
    __m128 e = _mm256_castps256_ps128(s->e), next = s->heads, sums = s->heads;
    if (form->biases) next = _mm_fmadd_ps(s->rates, _mm_fnmadd_ps(_mm_set1_ps(l2), s->heads, e), s->heads);
    if (form->adagrad) {
        __m128 other = _mm_shuffle_ps(squares, squares, 0x04); /* lane 1: |q|^2, lane 3: |p|^2 */
        __m128 slope = _mm_fmsub_ps(e, other, _mm_mul_ps(_mm_set1_ps(2 * l2), _mm256_castps256_ps128(s->score)));
        /* Lane 1: |p|^2, lane 3: |q|^2. */
        sums = _mm_fmadd_ps(_mm_set1_ps(l2 * l2 * share), _mm_unpacklo_ps(squares, squares), s->heads);
        sums = _mm_fmadd_ps(slope, _mm_mul_ps(e, _mm_set1_ps(share)), sums);
    }
    put_heads(rows, _mm_blend_ps(next, sums, 0xa));
}

/* n vectors a row, constant: both rows stay in registers. Returns e in every lane. */
ALWAYS __m256 pair_near(const hw__params_pair *rows, const hw_pairs *form, float value, float rate, float share,
                        size_t n)
{
    hw__params_float *const p = rows->p, *const q = rows->q;
    __m256 x[4], y[4], dots = _mm256_setzero_ps(), more = dots, pp = dots, qq = dots;
    __m128 squares = _mm_setzero_ps();
    for (size_t v = 0; v < n; v++) {
        x[v] = hw__params_load(p + 8 * v);
        y[v] = hw__params_load(q + 8 * v);
    }
    for (size_t v = 0; v < n; v += 2) {
        dots = v ? _mm256_fmadd_ps(x[v], y[v], dots) : _mm256_mul_ps(x[v], y[v]);
        more = v ? _mm256_fmadd_ps(x[v + 1], y[v + 1], more) : _mm256_mul_ps(x[v + 1], y[v + 1]);
    }
    if (form->adagrad) {
        for (size_t v = 0; v < n; v++) {
            pp = v ? _mm256_fmadd_ps(x[v], x[v], pp) : _mm256_mul_ps(x[v], x[v]);
            qq = v ? _mm256_fmadd_ps(y[v], y[v], qq) : _mm256_mul_ps(y[v], y[v]);
        }
        squares = sum_two(pp, qq);
    }
    pair_state s = pair_begin(rows, form, value, rate, _mm256_add_ps(dots, more));
    for (size_t v = 0; v < n; v++) pair_update(p + 8 * v, q + 8 * v, &s, x[v], y[v]);
    pair_end(rows, form, &s, squares, share);
    return s.e;
}

/* Any even n: the rows are read again for the update. */
ALWAYS __m256 pair_far(const hw__params_pair *rows, const hw_pairs *form, float value, float rate, float share,
                       size_t n)
{
    hw__params_float *const p = rows->p, *const q = rows->q;
    __m256 dots = _mm256_setzero_ps(), more = dots, pp = dots, qq = dots;
    for (size_t v = 0; v < n; v += 2) {
        __m256 x = hw__params_load(p + 8 * v), y = hw__params_load(q + 8 * v);
        __m256 z = hw__params_load(p + 8 * v + 8), t = hw__params_load(q + 8 * v + 8);
        dots = _mm256_fmadd_ps(x, y, dots);
        more = _mm256_fmadd_ps(z, t, more);
        pp = _mm256_fmadd_ps(z, z, _mm256_fmadd_ps(x, x, pp));
        qq = _mm256_fmadd_ps(t, t, _mm256_fmadd_ps(y, y, qq));
    }
    pair_state s = pair_begin(rows, form, value, rate, _mm256_add_ps(dots, more));
    for (size_t v = 0; v < n; v++)
        pair_update(p + 8 * v, q + 8 * v, &s, hw__params_load(p + 8 * v), hw__params_load(q + 8 * v));
    pair_end(rows, form, &s, sum_two(pp, qq), share);
    return s.e;
}

/* What is past the rank is zero and stays zero. */
AVX2 static float pair(const hw__params_pair *rows, const hw_pairs *form, float value, float rate)
{
    float share = 1 / (float)form->rank;
    size_t n = ((size_t)form->rank + 15) / 16 * 2;
    if (n > 4) return _mm256_cvtss_f32(pair_far(rows, form, value, rate, share, n));
    return _mm256_cvtss_f32(n == 4 ? pair_near(rows, form, value, rate, share, 4)
                                   : pair_near(rows, form, value, rate, share, 2));
}

/* A run of pairs; vectors, biases and adagrad are constants where the caller has them so. */
ALWAYS float run_of(hw__params_float *w, const hw_pairs *given, const hw_rating *list, const uint32_t *index, size_t n,
                    size_t coming, float rate, size_t vectors, int biases, int adagrad)
{
    enum { AHEAD = 24 }; /* ratings whose rows are on their way: large sets miss in the page table too */
    hw_pairs form = *given;
    form.biases = biases;
    form.adagrad = adagrad;
    float share = 1 / (float)form.rank;
    size_t apart = hw_pairs_apart(given);
    hw__params_float *const a = w + form.a, *const b = w + form.b, *const ha = w + form.head_a,
                            *const hb = w + form.head_b;
    __m256 sum = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < coming) {
            const hw_rating *next = list + (index ? index[i + AHEAD] : i + AHEAD);
            const char *p = (const char *)(a + next->user * form.stride);
            const char *q = (const char *)(b + next->item * form.stride);
            for (size_t v = 0; v < vectors; v += 2) {
                __builtin_prefetch(p + 32 * v, 1);
                __builtin_prefetch(q + 32 * v, 1);
            }
            if (biases || adagrad) {
                __builtin_prefetch((const char *)(ha + apart * next->user), 1);
                __builtin_prefetch((const char *)(hb + apart * next->item), 1);
            }
        }
        const hw_rating *r = list + (index ? index[i] : i);
        hw__params_pair rows = {a + r->user * form.stride, b + r->item * form.stride, ha + apart * r->user,
                                hb + apart * r->item};
        __m256 e = vectors <= 4 ? pair_near(&rows, &form, r->value, rate, share, vectors)
                                : pair_far(&rows, &form, r->value, rate, share, vectors);
        sum = _mm256_fmadd_ps(e, e, sum);
    }
    return _mm256_cvtss_f32(sum);
}

AVX2 static float pairs(hw__params_float *w, const hw_pairs *form, const hw_rating *list, const uint32_t *index,
                        size_t n, size_t coming, float rate)
{
    size_t vectors = ((size_t)form->rank + 15) / 16 * 2;
    int biases = form->biases != 0, adagrad = form->adagrad != 0;
#define RUN(v, b, a) run_of(w, form, list, index, n, coming, rate, v, b, a)
    if (vectors > 4) return RUN(vectors, biases, adagrad);
    switch (4 * (vectors == 4) + 2 * biases + adagrad) {
    case 0: return RUN(2, 0, 0);
    case 1: return RUN(2, 0, 1);
    case 2: return RUN(2, 1, 0);
    case 3: return RUN(2, 1, 1);
    case 4: return RUN(4, 0, 0);
    case 5: return RUN(4, 0, 1);
    case 6: return RUN(4, 1, 0);
    default: return RUN(4, 1, 1);
    }
#undef RUN
}

#define SET(width)                                                                                      \
    {                                                                                                   \
        dot, axpy, decay, adagrad_at, pair, pairs, hw__params_linear_wide, hw__params_rows_dot_##width, \
            hw__params_rows_add_##width, hw__params_window_dot_##width, hw__params_window_add_##width   \
    }
static const hw__params_fused avx2 = SET(wide), avx512 = SET(512);

const hw__params_fused *hw__params_fused_wide(void)
{
    if (!hw__params_wide()) return NULL;
    return hw__cpu_avx512() ? &avx512 : &avx2;
}

#else

const hw__params_fused *hw__params_fused_wide(void)
{
    return NULL;
}

#endif
