/* wide_pool.c - pooling in AVX2. A vector holds four outputs of one plane and the same four of the next, so that rows
 * of four outputs fill it as well as longer ones do; where the last planes or columns are no full vector, some outputs
 * are made twice. A column of vectors goes down its planes, and keeps in registers what two rows of windows share.
 *
 * Backward gathers: every input takes what the windows over it send, in the order in which the reference scatters. */
#include "wide_pool.h"
#include "../base/cpu.h"
#include <math.h>
#include <string.h>

#if HW__X86_64
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define INLINE __attribute__((target("avx2"), always_inline)) static inline

/* Four floats of each of two planes. */
INLINE __m256 load(const float *p, const float *q)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
}

INLINE __m256 load_one(const float *p, const float *q)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ss(p)), _mm_load_ss(q), 1);
}

INLINE void store(float *p, float *q, __m256 x)
{
    _mm_storeu_ps(p, _mm256_castps256_ps128(x));
    _mm_storeu_ps(q, _mm256_extractf128_ps(x, 1));
}

/* Eight inputs a plane from its four even and four odd columns. */
INLINE void store_columns(float *p, float *q, __m256 even, __m256 odd)
{
    store(p, q, _mm256_unpacklo_ps(even, odd));
    store(p + 4, q + 4, _mm256_unpackhi_ps(even, odd));
}

/* Four bytes of each of two planes, and back. */
INLINE __m256i load_cells(const unsigned char *p, const unsigned char *q)
{
    int a, b;
    memcpy(&a, p, sizeof a);
    memcpy(&b, q, sizeof b);
    return _mm256_cvtepu8_epi32(_mm_insert_epi32(_mm_cvtsi32_si128(a), b, 1));
}

INLINE void store_cells(unsigned char *p, unsigned char *q, __m256i cells)
{
    const __m256i bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                                           -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i packed = _mm256_shuffle_epi8(cells, bytes);
    int a = _mm256_cvtsi256_si32(packed), b = _mm_cvtsi128_si32(_mm256_extracti128_si256(packed, 1));
    memcpy(p, &a, sizeof a);
    memcpy(q, &b, sizeof b);
}

/* Each plane's four moved up by one; 0 comes in. */
INLINE __m256 moved(__m256 x)
{
    return _mm256_castsi256_ps(_mm256_slli_si256(_mm256_castps_si256(x), 4));
}

/* Where the vector that ends a row begins, if this one would go beyond. */
static size_t within(size_t x, size_t ow)
{
    return x + 4 <= ow ? x : ow - 4;
}

/* The plane beside plane i: the next, or itself at the end. */
static size_t beside(const hw__pool_shape *s, size_t i)
{
    return i + 1 < s->planes ? i + 1 : i;
}

/* --- 3x3 windows at stride 2: the last row and column of windows may lack their last row and column --------------- */

/* A row of inputs as windows see it: columns 0, 1 and 2 of each. */
typedef struct row3 {
    __m256 first, second, third;
} row3;

/* From column x of the windows on. beyond: the input behind these eight, or what stands for it. */
INLINE row3 load_row(const float *p, const float *q, const float *p_beyond, const float *q_beyond)
{
    __m256 low = load(p, q), high = load(p + 4, q + 4), even = _mm256_shuffle_ps(low, high, 0x88);
    __m256i next = _mm256_castps_si256(load_one(p_beyond, q_beyond));
    row3 r = {even, _mm256_shuffle_ps(low, high, 0xdd),
              _mm256_castsi256_ps(_mm256_alignr_epi8(next, _mm256_castps_si256(even), 4))};
    return r;
}

/* A cursor on two planes' input rows, for one column of vectors. */
typedef struct rows3 {
    const float *p, *q, *p_beyond, *q_beyond;
    size_t step, beyond_step;
} rows3;

/* outside: what a missing input counts as. */
static rows3 rows_at(const hw__pool_shape *s, const float *in, size_t plane, size_t x, const float *outside)
{
    size_t floats = s->h * s->w;
    const float *p = in + plane * floats + 2 * x, *q = in + beside(s, plane) * floats + 2 * x;
    bool missing = 2 * x + 8 >= s->w;
    rows3 r = {p, q, missing ? outside : p + 8, missing ? outside : q + 8, s->w, missing ? 0 : s->w};
    return r;
}

INLINE row3 next_row(rows3 *r)
{
    row3 x = load_row(r->p, r->q, r->p_beyond, r->q_beyond);
    r->p += r->step;
    r->q += r->step;
    r->p_beyond += r->beyond_step;
    r->q_beyond += r->beyond_step;
    return x;
}

/* The largest so far and its cell. max_ps(a, b) is a where a > b and else b, as the reference's comparison is. */
typedef struct winner {
    __m256 value;
    __m256i cell;
} winner;

INLINE winner larger(winner best, winner other)
{
    __m256i wins = _mm256_castps_si256(_mm256_cmp_ps(other.value, best.value, _CMP_GT_OQ));
    winner w = {_mm256_max_ps(other.value, best.value), _mm256_blendv_epi8(best.cell, other.cell, wins)};
    return w;
}

INLINE winner largest_of_row(rows3 *rows)
{
    row3 r = next_row(rows);
    winner w = {r.first, _mm256_setzero_si256()}, second = {r.second, _mm256_set1_epi32(1)},
           third = {r.third, _mm256_set1_epi32(2)};
    return larger(larger(w, second), third);
}

INLINE winner cells_from(winner w, int first)
{
    w.cell = _mm256_add_epi32(w.cell, _mm256_set1_epi32(first));
    return w;
}

AVX2 static void max3_forward(const hw__pool_shape *s, const float *in, float *out, unsigned char *won)
{
    const float outside = -INFINITY; /* never larger than what is inside */
    size_t pixels = s->oh * s->ow;
    for (size_t i = 0; i < s->planes; i += 2)
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow), p = i * pixels + x, q = beside(s, i) * pixels + x;
            rows3 rows = rows_at(s, in, i, x, &outside);
            winner top = largest_of_row(&rows);
            for (size_t y = 0; y < s->oh; y++, p += s->ow, q += s->ow) {
                winner best = larger(top, cells_from(largest_of_row(&rows), 3));
                if (2 * y + 2 < s->h) {
                    top = largest_of_row(&rows);
                    best = larger(best, cells_from(top, 6));
                }
                store(out + p, out + q, best.value);
                store_cells(won + p, won + q, best.cell);
            }
        }
}

/* One over the cells of a window: of whole rows and, at the lower border, of two. */
typedef struct shares {
    __m256 full, part;
} shares;

/* last: the columns of every fourth window. */
INLINE shares shares_of(float last)
{
    __m256 columns = _mm256_setr_ps(3, 3, 3, last, 3, 3, 3, last), one = _mm256_set1_ps(1);
    shares s = {_mm256_div_ps(one, _mm256_mul_ps(columns, _mm256_set1_ps(3))),
                _mm256_div_ps(one, _mm256_mul_ps(columns, _mm256_set1_ps(2)))};
    return s;
}

INLINE __m256 sum_of_row(rows3 *rows)
{
    row3 r = next_row(rows);
    return _mm256_add_ps(_mm256_add_ps(r.first, r.second), r.third);
}

AVX2 static void average3_forward(const hw__pool_shape *s, const float *in, float *out, unsigned char *won)
{
    const float outside = 0;
    size_t pixels = s->oh * s->ow;
    (void)won;
    for (size_t i = 0; i < s->planes; i += 2)
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow), p = i * pixels + x, q = beside(s, i) * pixels + x;
            shares share = shares_of(2 * x + 8 < s->w ? 3 : 2);
            rows3 rows = rows_at(s, in, i, x, &outside);
            __m256 top = sum_of_row(&rows);
            for (size_t y = 0; y < s->oh; y++, p += s->ow, q += s->ow) {
                __m256 sum = _mm256_add_ps(top, sum_of_row(&rows));
                if (2 * y + 2 < s->h) {
                    top = sum_of_row(&rows);
                    store(out + p, out + q, _mm256_mul_ps(_mm256_add_ps(sum, top), share.full));
                } else {
                    store(out + p, out + q, _mm256_mul_ps(sum, share.part));
                }
            }
        }
}

/* What windows send to the inputs: their own column of them (0), and as the left neighbours' third (2) and their second
 * (1). A row of inputs is even or odd: even ones lie under two rows of windows. */
typedef struct sent {
    __m256 even_left, even, odd;
} sent;

/* Row `row` of the windows: cells 3 row .. 3 row + 2 where they won. */
INLINE sent sent_by_winners(__m256 d, __m256 d_left, __m256i cell, __m256i cell_left, int row)
{
    __m256i a = _mm256_cmpeq_epi32(cell, _mm256_set1_epi32(3 * row)),
            b = _mm256_cmpeq_epi32(cell, _mm256_set1_epi32(3 * row + 1)),
            c = _mm256_cmpeq_epi32(cell_left, _mm256_set1_epi32(3 * row + 2));
    sent s = {_mm256_and_ps(d_left, _mm256_castsi256_ps(c)), _mm256_and_ps(d, _mm256_castsi256_ps(a)),
              _mm256_and_ps(d, _mm256_castsi256_ps(b))};
    return s;
}

/* left: there are windows left of this vector's. */
INLINE void max3_column(const hw__pool_shape *s, const float *dp, const float *dq, const unsigned char *wp,
                        const unsigned char *wq, float *p, float *q, bool left)
{
    __m256 even = _mm256_setzero_ps(), odd = even; /* from the row of windows above */
    for (size_t y = 0; y < s->oh; y++, dp += s->ow, dq += s->ow, wp += s->ow, wq += s->ow) {
        __m256 d = load(dp, dq), d_left = left ? load(dp - 1, dq - 1) : moved(d);
        __m256i w = load_cells(wp, wq), w_left = left ? load_cells(wp - 1, wq - 1) : _mm256_slli_si256(w, 4);
        sent r = sent_by_winners(d, d_left, w, w_left, 0);
        store_columns(p, q, _mm256_add_ps(_mm256_add_ps(even, r.even_left), r.even), _mm256_add_ps(odd, r.odd));
        r = sent_by_winners(d, d_left, w, w_left, 1);
        store_columns(p + s->w, q + s->w, _mm256_add_ps(r.even_left, r.even), r.odd);
        r = sent_by_winners(d, d_left, w, w_left, 2);
        even = _mm256_add_ps(r.even_left, r.even);
        odd = r.odd;
        p += 2 * s->w;
        q += 2 * s->w;
    }
    if (s->h % 2) store_columns(p, q, even, odd);
}

/* Where the last window is whole, its third column is nobody's but its own. */
static void max3_last_column(const hw__pool_shape *s, const float *dout, const unsigned char *won, float *din)
{
    float above = 0;
    dout += s->ow - 1;
    won += s->ow - 1;
    din += s->w - 1;
    for (size_t y = 0; y < s->oh; y++, dout += s->ow, won += s->ow, din += 2 * s->w) {
        din[0] = above + (*won == 2 ? *dout : 0);
        din[s->w] = *won == 5 ? *dout : 0;
        above = *won == 8 ? *dout : 0;
    }
    if (s->h % 2) *din = above;
}

AVX2 static void max3_backward(const hw__pool_shape *s, const float *dout, const unsigned char *won, float *din)
{
    size_t pixels = s->oh * s->ow, floats = s->h * s->w;
    for (size_t i = 0; i < s->planes; i += 2) {
        size_t j = beside(s, i);
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow), p = i * pixels + x, q = j * pixels + x;
            float *to_p = din + i * floats + 2 * x, *to_q = din + j * floats + 2 * x;
            if (x)
                max3_column(s, dout + p, dout + q, won + p, won + q, to_p, to_q, true);
            else
                max3_column(s, dout + p, dout + q, won + p, won + q, to_p, to_q, false);
        }
        for (size_t k = i; s->w % 2 && k <= j; k++)
            max3_last_column(s, dout + k * pixels, won + k * pixels, din + k * floats);
    }
}

INLINE void average3_column(const hw__pool_shape *s, const float *dp, const float *dq, float *p, float *q, size_t x)
{
    shares own = shares_of(2 * x + 8 < s->w ? 3 : 2), lefts = shares_of(3);
    __m256 even = _mm256_setzero_ps(), odd = even;
    for (size_t y = 0; y < s->oh; y++, dp += s->ow, dq += s->ow) {
        bool full = 2 * y + 2 < s->h;
        __m256 d = load(dp, dq), d_left = x ? load(dp - 1, dq - 1) : moved(d);
        d = _mm256_mul_ps(d, full ? own.full : own.part);
        d_left = _mm256_mul_ps(d_left, full ? lefts.full : lefts.part);
        __m256 both = _mm256_add_ps(d_left, d);
        store_columns(p, q, _mm256_add_ps(_mm256_add_ps(even, d_left), d), _mm256_add_ps(odd, d));
        store_columns(p + s->w, q + s->w, both, d);
        even = both;
        odd = d;
        p += 2 * s->w;
        q += 2 * s->w;
    }
    if (s->h % 2) store_columns(p, q, even, odd);
}

static void average3_last_column(const hw__pool_shape *s, const float *dout, float *din)
{
    float above = 0;
    dout += s->ow - 1;
    din += s->w - 1;
    for (size_t y = 0; y < s->oh; y++, dout += s->ow, din += 2 * s->w) {
        float d = *dout * (1.0f / (2 * y + 2 < s->h ? 9.0f : 6.0f));
        din[0] = above + d;
        din[s->w] = above = d;
    }
    if (s->h % 2) *din = above;
}

AVX2 static void average3_backward(const hw__pool_shape *s, const float *dout, const unsigned char *won, float *din)
{
    size_t pixels = s->oh * s->ow, floats = s->h * s->w;
    (void)won;
    for (size_t i = 0; i < s->planes; i += 2) {
        size_t j = beside(s, i);
        const float *dp = dout + i * pixels, *dq = dout + j * pixels;
        float *p = din + i * floats, *q = din + j * floats;
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow);
            average3_column(s, dp + x, dq + x, p + 2 * x, q + 2 * x, x);
        }
        for (size_t k = i; s->w % 2 && k <= j; k++) average3_last_column(s, dout + k * pixels, din + k * floats);
    }
}

/* --- 2x2 windows at stride 2, all whole --------------------------------------------------------------------------- */

INLINE winner largest_of_pair(const float *p, const float *q, int cell)
{
    __m256 low = load(p, q), high = load(p + 4, q + 4);
    winner even = {_mm256_shuffle_ps(low, high, 0x88), _mm256_set1_epi32(cell)},
           odd = {_mm256_shuffle_ps(low, high, 0xdd), _mm256_set1_epi32(cell + 1)};
    return larger(even, odd);
}

AVX2 static void max2_forward(const hw__pool_shape *s, const float *in, float *out, unsigned char *won)
{
    size_t pixels = s->oh * s->ow, floats = s->h * s->w;
    for (size_t i = 0; i < s->planes; i += 2)
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow), at_p = i * pixels + x, at_q = beside(s, i) * pixels + x;
            const float *p = in + i * floats + 2 * x, *q = in + beside(s, i) * floats + 2 * x;
            for (size_t y = 0; y < s->oh; y++, at_p += s->ow, at_q += s->ow, p += 2 * s->w, q += 2 * s->w) {
                winner best = larger(largest_of_pair(p, q, 0), largest_of_pair(p + s->w, q + s->w, 2));
                store(out + at_p, out + at_q, best.value);
                store_cells(won + at_p, won + at_q, best.cell);
            }
        }
}

INLINE __m256 where(__m256 d, __m256i cells, int cell)
{
    return _mm256_and_ps(d, _mm256_castsi256_ps(_mm256_cmpeq_epi32(cells, _mm256_set1_epi32(cell))));
}

AVX2 static void max2_backward(const hw__pool_shape *s, const float *dout, const unsigned char *won, float *din)
{
    size_t pixels = s->oh * s->ow, floats = s->h * s->w;
    for (size_t i = 0; i < s->planes; i += 2)
        for (size_t column = 0; column < s->ow; column += 4) {
            size_t x = within(column, s->ow), at_p = i * pixels + x, at_q = beside(s, i) * pixels + x;
            float *p = din + i * floats + 2 * x, *q = din + beside(s, i) * floats + 2 * x;
            for (size_t y = 0; y < s->oh; y++, at_p += s->ow, at_q += s->ow, p += 2 * s->w, q += 2 * s->w) {
                __m256 d = load(dout + at_p, dout + at_q);
                __m256i cells = load_cells(won + at_p, won + at_q);
                store_columns(p, q, where(d, cells, 0), where(d, cells, 1));
                store_columns(p + s->w, q + s->w, where(d, cells, 2), where(d, cells, 3));
            }
        }
}

static bool between(unsigned in, unsigned out, unsigned more)
{
    return in == 2 * out || in == 2 * out + more;
}

const hw__pool_kernel *hw__wide_pool_kernel(const hw__net_layer *l, bool average)
{
    static const hw__pool_kernel max2 = {max2_forward, max2_backward}, max3 = {max3_forward, max3_backward},
                                 average3 = {average3_forward, average3_backward};
    if (l->stride != 2 || l->pad || l->out.w < 4 || !hw__cpu_avx2()) return NULL;
    if (l->window == 2 && !average && between(l->in.h, l->out.h, 0) && between(l->in.w, l->out.w, 0)) return &max2;
    if (l->window == 3 && between(l->in.h, l->out.h, 1) && between(l->in.w, l->out.w, 1))
        return average ? &average3 : &max3;
    return NULL;
}

#else

const hw__pool_kernel *hw__wide_pool_kernel(const hw__net_layer *l, bool average)
{
    (void)l, (void)average;
    return NULL;
}

#endif
