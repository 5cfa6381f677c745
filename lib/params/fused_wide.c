/* fused_wide.c - fused steps on x86-64: the same arithmetic as fused.c's first set with vectors and fused
 * multiply-adds. Loads and stores of shared floats are inline assembly, for the reasons given in wide.c. Rows begin at
 * multiples of 16 floats, so that their vectors are aligned and no lane tears. */
#include "fused.h"
#include "wide.h"

#if PARAMS_WIDE
#include <math.h>

AVX2 static inline float get(const params_float *x)
{
    float v;
    __asm__ volatile("vmovss %1, %0" : "=x"(v) : "m"(*(const float *)(const void *)x));
    return v;
}

AVX2 static inline void put(params_float *x, float v)
{
    __asm__ volatile("vmovss %1, %0" : "=m"(*(float *)(void *)x) : "x"(v));
}

AVX2 static inline float sum8(__m256 v)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

AVX2 static float dot_at(const params_float *w, const uint32_t *indices, const float *values, size_t n)
{
    float a = 0, b = 0, c = 0, d = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        a += values[i] * get(w + indices[i]);
        b += values[i + 1] * get(w + indices[i + 1]);
        c += values[i + 2] * get(w + indices[i + 2]);
        d += values[i + 3] * get(w + indices[i + 3]);
    }
    for (; i < n; i++) a += values[i] * get(w + indices[i]);
    return (a + b) + (c + d);
}

AVX2 static void axpy_at(params_float *w, const uint32_t *indices, const float *values, size_t n, float step)
{
    for (size_t i = 0; i < n; i++) put(w + indices[i], get(w + indices[i]) + step * values[i]);
}

AVX2 static void decay_at(params_float *w, const uint32_t *indices, const float *values, size_t n, float slope,
                          float rate, const float *decay)
{
    float step = -rate * slope;
    for (size_t i = 0; i < n; i++) {
        float x = get(w + indices[i]), share = rate * decay[indices[i]];
        put(w + indices[i], x - (share < 1 ? share : 1) * x + step * values[i]);
    }
}

AVX2 static void adagrad_at(params_float *w, params_float *s, const uint32_t *indices, const float *values, size_t n,
                            float slope, const hw_fused_rule *rule)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = indices[i];
        float x = get(w + at), g = slope * values[i] + (rule->decay ? rule->decay[at] * x : 0);
        float square = get(s + at) + g * g;
        put(s + at, square);
        put(w + at, x - rule->rate * g / (sqrtf(square) + rule->epsilon));
    }
}

/* Two heads as one vector: b and G of p, b and G of q. */
AVX2 static inline __m128 get_heads(const params_pair *rows)
{
    __m128 p, both;
    __asm__ volatile("vmovsd %1, %0" : "=x"(p) : "m"(*(const double *)(const void *)rows->hp));
    __asm__ volatile("vmovhps %2, %1, %0" : "=x"(both) : "x"(p), "m"(*(const double *)(const void *)rows->hq));
    return both;
}

AVX2 static inline void put_heads(const params_pair *rows, __m128 heads)
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

/* The sums of a's and of b's lanes: a, b, a, b. */
AVX2 static inline __m128 sum_two(__m256 a, __m256 b)
{
    __m256 x = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    return _mm_add_ps(y, _mm_movehl_ps(y, y));
}

#define INLINE __attribute__((always_inline)) static inline

/* What a pair's update is made of: x' = keep x + take y. */
typedef struct pair_state {
    __m256 score, e, keep_p, keep_q, take_p, take_q;
    __m128 heads, rates; /* of p, p, q, q */
} pair_state;

/* dots: the lanes of p . q. */
AVX2 INLINE pair_state pair_begin(const params_pair *rows, const hw_pairs *form, float value, float rate, __m256 dots)
{
    pair_state s;
    float known = value - form->mean;
    s.heads = _mm_setzero_ps();
    s.rates = _mm_set1_ps(rate);
    if (form->biases || form->adagrad) s.heads = get_heads(rows);
    if (form->biases) known -= _mm_cvtss_f32(_mm_add_ss(s.heads, _mm_movehl_ps(s.heads, s.heads)));
    if (form->adagrad) s.rates = _mm_div_ps(s.rates, _mm_sqrt_ps(_mm_shuffle_ps(s.heads, s.heads, 0xf5)));
    __m256 both = _mm256_insertf128_ps(_mm256_castps128_ps256(s.rates), s.rates, 1);
    __m256 rp = _mm256_permute_ps(both, 0), rq = _mm256_permute_ps(both, 0xff);
    __m256 l2 = _mm256_set1_ps(form->l2), one = _mm256_set1_ps(1);
    s.keep_p = _mm256_fnmadd_ps(l2, rp, one);
    s.keep_q = _mm256_fnmadd_ps(l2, rq, one);
    s.score = sum_all(dots);
    s.e = _mm256_sub_ps(_mm256_set1_ps(known), s.score);
    s.take_p = _mm256_mul_ps(s.e, rp);
    s.take_q = _mm256_mul_ps(s.e, rq);
    return s;
}

AVX2 INLINE void pair_update(params_float *p, params_float *q, const pair_state *s, __m256 x, __m256 y)
{
    params_put(p, _mm256_fmadd_ps(s->take_p, y, _mm256_mul_ps(s->keep_p, x)));
    params_put(q, _mm256_fmadd_ps(s->take_q, x, _mm256_mul_ps(s->keep_q, y)));
}

/* The heads. What G grows by, the mean of (l2 p - e q)^2, comes from |p|^2, |q|^2 and p . q, which are known before e
 * is. */
AVX2 INLINE void pair_end(const params_pair *rows, const hw_pairs *form, const pair_state *s, __m256 pp, __m256 qq)
{
    if (!form->biases && !form->adagrad) return;
    __m128 e = _mm256_castps256_ps128(s->e), l2 = _mm_set1_ps(form->l2), next = s->heads, sums = s->heads;
    if (form->biases) next = _mm_fmadd_ps(s->rates, _mm_fnmadd_ps(l2, s->heads, e), s->heads);
    if (form->adagrad) {
        __m128 squares = sum_two(qq, pp), share = _mm_set1_ps(1 / (float)form->rank); /* q, p, q, p */
        __m128 cross = _mm_mul_ps(l2, _mm256_castps256_ps128(s->score));
        __m128 far = _mm_mul_ps(_mm_fmsub_ps(e, squares, _mm_add_ps(cross, cross)), e);
        __m128 near = _mm_mul_ps(_mm_mul_ps(l2, l2), squares);
        __m128 g = _mm_add_ps(_mm_unpacklo_ps(far, far), _mm_shuffle_ps(near, near, 0x05)); /* of p, p, q, q */
        sums = _mm_fmadd_ps(g, share, s->heads);
    }
    put_heads(rows, _mm_blend_ps(next, sums, 0xa));
}

/* n vectors a row, constant: both rows stay in registers. */
AVX2 INLINE float pair_near(const params_pair *rows, const hw_pairs *form, float value, float rate, size_t n)
{
    params_float *const p = rows->p, *const q = rows->q;
    __m256 x[4], y[4], dots = _mm256_setzero_ps(), more = dots, pp = dots, qq = dots;
    for (size_t v = 0; v < n; v++) {
        x[v] = params_load(p + 8 * v);
        y[v] = params_load(q + 8 * v);
    }
    for (size_t v = 0; v < n; v += 2) {
        dots = _mm256_fmadd_ps(x[v], y[v], dots);
        more = _mm256_fmadd_ps(x[v + 1], y[v + 1], more);
    }
    pair_state s = pair_begin(rows, form, value, rate, _mm256_add_ps(dots, more));
    if (form->adagrad)
        for (size_t v = 0; v < n; v++) {
            pp = _mm256_fmadd_ps(x[v], x[v], pp);
            qq = _mm256_fmadd_ps(y[v], y[v], qq);
        }
    for (size_t v = 0; v < n; v++) pair_update(p + 8 * v, q + 8 * v, &s, x[v], y[v]);
    pair_end(rows, form, &s, pp, qq);
    return _mm256_cvtss_f32(s.e);
}

/* Any even n: the rows are read again for the update. */
AVX2 static float pair_far(const params_pair *rows, const hw_pairs *form, float value, float rate, size_t n)
{
    params_float *const p = rows->p, *const q = rows->q;
    __m256 dots = _mm256_setzero_ps(), more = dots, pp = dots, qq = dots;
    for (size_t v = 0; v < n; v += 2) {
        __m256 x = params_load(p + 8 * v), y = params_load(q + 8 * v);
        __m256 z = params_load(p + 8 * v + 8), t = params_load(q + 8 * v + 8);
        dots = _mm256_fmadd_ps(x, y, dots);
        more = _mm256_fmadd_ps(z, t, more);
        pp = _mm256_fmadd_ps(z, z, _mm256_fmadd_ps(x, x, pp));
        qq = _mm256_fmadd_ps(t, t, _mm256_fmadd_ps(y, y, qq));
    }
    pair_state s = pair_begin(rows, form, value, rate, _mm256_add_ps(dots, more));
    for (size_t v = 0; v < n; v++)
        pair_update(p + 8 * v, q + 8 * v, &s, params_load(p + 8 * v), params_load(q + 8 * v));
    pair_end(rows, form, &s, pp, qq);
    return _mm256_cvtss_f32(s.e);
}

/* What is past the rank is zero and stays zero. */
AVX2 static float pair(const params_pair *rows, const hw_pairs *form, float value, float rate)
{
    if (form->rank > 32) return pair_far(rows, form, value, rate, ((size_t)form->rank + 15) / 16 * 2);
    return form->rank > 16 ? pair_near(rows, form, value, rate, 4) : pair_near(rows, form, value, rate, 2);
}

AVX2 static float row_dot(const params_float *w, const float *x, size_t n)
{
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        a = _mm256_fmadd_ps(params_load(w + i), _mm256_loadu_ps(x + i), a);
        b = _mm256_fmadd_ps(params_load(w + i + 8), _mm256_loadu_ps(x + i + 8), b);
        c = _mm256_fmadd_ps(params_load(w + i + 16), _mm256_loadu_ps(x + i + 16), c);
        d = _mm256_fmadd_ps(params_load(w + i + 24), _mm256_loadu_ps(x + i + 24), d);
    }
    for (; i + 8 <= n; i += 8) a = _mm256_fmadd_ps(params_load(w + i), _mm256_loadu_ps(x + i), a);
    float sum = sum8(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    for (; i < n; i++) sum += get(w + i) * x[i];
    return sum;
}

AVX2 static void row_add(params_float *w, const float *x, size_t n, float coefficient, float *sum)
{
    __m256 scale = _mm256_set1_ps(coefficient);
    size_t i = 0;
    if (sum)
        for (; i + 8 <= n; i += 8) {
            __m256 old = params_load(w + i);
            _mm256_storeu_ps(sum + i, _mm256_fmadd_ps(scale, old, _mm256_loadu_ps(sum + i)));
            params_put(w + i, _mm256_fmadd_ps(scale, _mm256_loadu_ps(x + i), old));
        }
    else
        for (; i + 8 <= n; i += 8)
            params_put(w + i, _mm256_fmadd_ps(scale, _mm256_loadu_ps(x + i), params_load(w + i)));
    for (; i < n; i++) {
        float old = get(w + i);
        if (sum) sum[i] += coefficient * old;
        put(w + i, old + coefficient * x[i]);
    }
}

static const params_fused avx2 = {dot_at, axpy_at, decay_at, adagrad_at, pair, row_dot, row_add};

const params_fused *params_fused_wide(void)
{
    return params_wide() ? &avx2 : NULL;
}

#else

const params_fused *params_fused_wide(void)
{
    return NULL;
}

#endif
