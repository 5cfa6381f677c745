/* direct_pixels.c - conv_direct with eight outputs of a row in the lanes, for stride 1 and rows of at least eight: few
 * filters waste nothing here. What remains of rows after whole vectors is, up to four outputs, a half vector, of which
 * two rows make a whole one; more is a vector that overlaps the one before. */
#include "direct.h"

#ifdef DIRECT_HERE

static size_t full_vectors(const conv_shape *s)
{
    return s->ow / 8 + (s->ow % 8 > 4);
}

static size_t column_of(const conv_shape *s, size_t vector)
{
    return 8 * vector + 8 <= s->ow ? 8 * vector : s->ow - 8;
}

static bool has_halves(const conv_shape *s)
{
    return s->ow % 8 && s->ow % 8 <= 4;
}

INLINE __m256 load_halves(const float *low, const float *high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

/* [block of filters][tap][filter of the block] */
void direct_pixels_pack(const conv_shape *s, const float *weights, float *packed)
{
    size_t taps = direct_taps(s), parts = direct_parts(s->f, DIRECT_FILTERS);
    for (size_t i = 0, f = 0, n; i < parts; i++, f += n) {
        n = direct_part(s->f, parts, i);
        for (size_t ky = 0; ky < s->k; ky++)
            for (size_t c = 0; c < s->c; c++)
                for (size_t kx = 0; kx < s->k; kx++)
                    for (size_t j = 0; j < n; j++) *packed++ = weights[(f + j) * taps + (c * s->k + ky) * s->k + kx];
    }
}

/* A block of filters over rows that the same taps reach; places are of outputs in a plane. */
typedef struct strip {
    const float *x; /* what the first tap reads for output 0 of the first row */
    const uint32_t *offsets;
    size_t taps, row; /* row: of the image */
    const float *weights;
    float start[DIRECT_FILTERS];
    float *out; /* the first row of the first filter's plane */
    size_t ow, plane;
} strip;

/* Two vectors at (y, x) and (v, u), or at halves of rows y and z, v and t in the columns x and u. */
typedef struct spot {
    size_t y, z, x;
} spot;

INLINE void tile(size_t filters, bool halves, const strip *s, const spot *p, const spot *q)
{
    __m256 acc[DIRECT_FILTERS][2];
    const float *a = s->x + p->y * s->row + p->x, *b = s->x + q->y * s->row + q->x, *weights = s->weights;
    const float *c = s->x + p->z * s->row + p->x, *d = s->x + q->z * s->row + q->x;
    for (size_t f = 0; f < filters; f++) acc[f][0] = acc[f][1] = _mm256_broadcast_ss(s->start + f);
    for (size_t i = 0; i < s->taps; i++, weights += filters) {
        size_t o = s->offsets[i];
        __m256 x = halves ? load_halves(a + o, c + o) : _mm256_loadu_ps(a + o);
        __m256 y = halves ? load_halves(b + o, d + o) : _mm256_loadu_ps(b + o);
        for (size_t f = 0; f < filters; f++) {
            __m256 weight = _mm256_broadcast_ss(weights + f);
            acc[f][0] = _mm256_fmadd_ps(weight, x, acc[f][0]);
            acc[f][1] = _mm256_fmadd_ps(weight, y, acc[f][1]);
        }
    }
    float *to = s->out + p->y * s->ow + p->x, *also = s->out + q->y * s->ow + q->x;
    size_t low = (p->z - p->y) * s->ow, high = (q->z - q->y) * s->ow;
    for (size_t f = 0; f < filters; f++, to += s->plane, also += s->plane) {
        if (halves) {
            _mm_storeu_ps(to, _mm256_castps256_ps128(acc[f][0]));
            _mm_storeu_ps(to + low, _mm256_extractf128_ps(acc[f][0], 1));
            _mm_storeu_ps(also, _mm256_castps256_ps128(acc[f][1]));
            _mm_storeu_ps(also + high, _mm256_extractf128_ps(acc[f][1], 1));
        } else {
            _mm256_storeu_ps(to, acc[f][0]);
            _mm256_storeu_ps(also, acc[f][1]);
        }
    }
}

#define TILE(f) \
    case f: tile(f, halves, s, p, q); break

INLINE void any_tile(size_t filters, bool halves, const strip *s, const spot *p, const spot *q)
{
    switch (filters) {
        TILE(1);
        TILE(2);
        TILE(3);
        TILE(4);
        TILE(5);
        TILE(6);
    }
}

/* All outputs of `rows` rows: whole vectors two by two, then the halves. An odd last one is done twice. */
AVX2 static void strip_rows(const conv_shape *shape, size_t filters, const strip *s, size_t rows)
{
    size_t vectors = full_vectors(shape), last = shape->ow - 4;
    spot one[2] = {{0, 0, 0}, {0, 0, 0}};
    size_t got = 0;
    for (size_t y = 0; y < rows; y++)
        for (size_t v = 0; v < vectors; v++) {
            one[got++] = (spot){y, y, column_of(shape, v)};
            if (got == 2) any_tile(filters, false, s, one, one + 1), got = 0;
        }
    if (got) any_tile(filters, false, s, one, one);
    if (!has_halves(shape)) return;
    got = 0;
    for (size_t y = 0; y < rows; y += 2) {
        one[got++] = (spot){y, y + 1 < rows ? y + 1 : y, last};
        if (got == 2) any_tile(filters, true, s, one, one + 1), got = 0;
    }
    if (got) any_tile(filters, true, s, one, one);
}

void direct_pixels_forward(const conv_shape *shape, const direct_image *image, const uint32_t *offsets,
                           const float *packed, const float *bias, float *out)
{
    size_t taps = direct_taps(shape), run = shape->c * shape->k, parts = direct_parts(shape->f, DIRECT_FILTERS);
    strip s = {0};
    s.offsets = offsets;
    s.row = image->row;
    s.ow = shape->ow;
    s.plane = shape->oh * shape->ow;
    for (size_t i = 0, f = 0, n; i < parts; i++, f += n, packed += taps * n) {
        n = direct_part(shape->f, parts, i);
        for (size_t j = 0; j < n; j++) s.start[j] = bias ? bias[f + j] : 0;
        for (size_t y = 0, end; y < shape->oh; y = end) {
            direct_range rows = direct_kernel_rows(shape, y);
            for (end = y + 1; end < shape->oh; end++) {
                direct_range next = direct_kernel_rows(shape, end);
                if (next.from != rows.from || next.to != rows.to) break;
            }
            s.taps = (rows.to - rows.from) * run;
            s.x = s.taps ? image->at + (y + rows.from - shape->pad) * image->row : image->at;
            s.weights = packed + rows.from * run * n;
            s.out = out + f * s.plane + y * s.ow;
            strip_rows(shape, n, &s, end - y);
        }
    }
}

/* --- gradient of the weights ----------------------------------------------------------------------------------------
 */

/* Rows of outputs; x: what tap 0 reads for the first, d: its gradient in the first filter's plane. */
typedef struct span {
    const float *x, *d;
    size_t rows, row, ow, plane, vectors;
    bool halves;
    __m256i whole, half; /* lanes that no vector before has: of the last whole vector, of a half one */
    __m256i single;      /* of a half one that has no second row */
    bool overlap;
} span;

INLINE __m256 masked(__m256 x, __m256i mask)
{
    return _mm256_and_ps(x, _mm256_castsi256_ps(mask));
}

/* Eight floats at i, or halves at i and k. */
INLINE __m256 load(const float *at, size_t i, size_t k, bool halves)
{
    return halves ? load_halves(at + i, at + k) : _mm256_loadu_ps(at + i);
}

/* Where eight outputs stand in the image and in planes of the gradient; of two halves, the second at `other`. */
typedef struct place {
    size_t image, gradient, other_image, other_gradient;
    bool halves, masked;
} place;

/* A tile of sums: up to three vectors are held while up to four stream by, each loaded just before its use; there are
 * no registers for more. The held ones are gradients of filters and the streaming ones pixels of taps, or, if `swap`,
 * the other way round. */
INLINE void multiply(size_t held, size_t streaming, bool swap, const float *const held_at[3], const float *const at[4],
                     const place *p, __m256i mask, __m256 *a, __m256 *b, __m256 *c)
{
    size_t i = swap ? p->image : p->gradient, k = swap ? p->other_image : p->other_gradient;
    size_t j = swap ? p->gradient : p->image, l = swap ? p->other_gradient : p->other_image;
    __m256 x[3];
    for (size_t h = 0; h < held; h++) {
        x[h] = load(held_at[h], i, k, p->halves);
        if (p->masked && !swap) x[h] = masked(x[h], mask);
    }
    for (size_t t = 0; t < streaming; t++) {
        __m256 y = load(at[t], j, l, p->halves);
        if (p->masked && swap) y = masked(y, mask);
        a[t] = _mm256_fmadd_ps(x[0], y, a[t]);
        if (held > 1) b[t] = _mm256_fmadd_ps(x[1], y, b[t]);
        if (held > 2) c[t] = _mm256_fmadd_ps(x[2], y, c[t]);
    }
}

INLINE void sum_tile(size_t taps, size_t filters, const span *s, const size_t *offset, float *sum, size_t pitch)
{
    bool swap = filters > 3;
    size_t held = swap ? taps : filters, streaming = swap ? filters : taps;
    size_t held_pitch = swap ? pitch : 8, streaming_pitch = swap ? 8 : pitch;
    const float *held_at[3], *at[4];
    __m256 a[4], b[4], c[4];
    for (size_t h = 0; h < held; h++) held_at[h] = swap ? s->x + offset[h] : s->d + h * s->plane;
    for (size_t t = 0; t < streaming; t++) {
        const float *from = sum + t * streaming_pitch;
        at[t] = swap ? s->d + t * s->plane : s->x + offset[t];
        a[t] = _mm256_loadu_ps(from);
        if (held > 1) b[t] = _mm256_loadu_ps(from + held_pitch);
        if (held > 2) c[t] = _mm256_loadu_ps(from + 2 * held_pitch);
    }
    for (size_t y = 0; y < s->rows; y++) {
        place p = {y * s->row, y * s->ow, 0, 0, false, false};
        for (size_t v = 0; v < s->vectors; v++, p.image += 8, p.gradient += 8)
            multiply(held, streaming, swap, held_at, at, &p, s->whole, a, b, c);
        if (s->overlap) {
            place last = {y * s->row + s->ow - 8, y * s->ow + s->ow - 8, 0, 0, false, true};
            multiply(held, streaming, swap, held_at, at, &last, s->whole, a, b, c);
        }
    }
    for (size_t y = 0; s->halves && y < s->rows; y += 2) {
        bool two = y + 1 < s->rows;
        size_t i = y * s->row + s->ow - 4, j = y * s->ow + s->ow - 4;
        place p = {i, j, two ? i + s->row : i, two ? j + s->ow : j, true, true};
        multiply(held, streaming, swap, held_at, at, &p, two ? s->half : s->single, a, b, c);
    }
    for (size_t t = 0; t < streaming; t++) {
        float *to = sum + t * streaming_pitch;
        _mm256_storeu_ps(to, a[t]);
        if (held > 1) _mm256_storeu_ps(to + held_pitch, b[t]);
        if (held > 2) _mm256_storeu_ps(to + 2 * held_pitch, c[t]);
    }
}

#define SUM(t, f) \
    case 8 * (t) + (f): sum_tile(t, f, &s, offset, sum + first * 8, all * 8); break

/* A few taps over a span of rows, for all filters. */
AVX2 static void sum_filters(size_t taps, size_t all, size_t most, const span *a, const size_t *offset, float *sum)
{
    span s = *a;
    size_t blocks = direct_parts(all, most);
    for (size_t i = 0, first = 0, n; i < blocks; i++, first += n, s.d += n * s.plane) {
        n = direct_part(all, blocks, i);
        switch (8 * taps + n) {
            SUM(1, 1);
            SUM(1, 2);
            SUM(1, 3);
            SUM(1, 4);
            SUM(2, 1);
            SUM(2, 2);
            SUM(2, 3);
            SUM(2, 4);
            SUM(3, 1);
            SUM(3, 2);
            SUM(3, 3);
            SUM(3, 4);
            SUM(4, 1);
            SUM(4, 2);
            SUM(4, 3);
        }
    }
}

AVX2 static span span_of(const conv_shape *s, const direct_image *image)
{
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), within = _mm256_and_si256(lane, _mm256_set1_epi32(3));
    int rest = (int)(s->ow % 8);
    span a = {0};
    a.row = image->row;
    a.ow = s->ow;
    a.plane = s->oh * s->ow;
    a.vectors = s->ow / 8;
    a.halves = has_halves(s);
    a.overlap = rest > 4;
    a.whole = _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(7 - rest));
    a.half = _mm256_cmpgt_epi32(within, _mm256_set1_epi32(3 - rest));
    a.single = _mm256_and_si256(a.half, _mm256_cmpgt_epi32(_mm256_set1_epi32(4), lane));
    return a;
}

/* The taps from .. to - 1 over the span's rows. */
static void sum_taps(const conv_shape *s, const direct_image *image, const span *a, size_t from, size_t to, float *sum)
{
    bool four = direct_parts(to - from, 3) * direct_parts(s->f, 4) < direct_parts(to - from, 4) * direct_parts(s->f, 3);
    size_t parts = direct_parts(to - from, four ? 3 : 4), run = s->c * s->k;
    for (size_t i = 0, tap = from, taps; i < parts; i++, tap += taps) {
        size_t offset[4];
        taps = direct_part(to - from, parts, i);
        for (size_t t = 0; t < taps; t++) {
            size_t ky = (tap + t - from) / run, rest = (tap + t) % run;
            offset[t] = ky * image->row + rest / s->k * image->plane + rest % s->k;
        }
        sum_filters(taps, s->f, four ? 4 : 3, a, offset, sum + tap * s->f * 8);
    }
}

AVX2 void direct_pixels_weights(const conv_shape *s, const direct_image *image, const float *dout, float *sum)
{
    size_t run = s->c * s->k;
    span a = span_of(s, image);
    if (!s->pad) {
        a.x = image->at;
        a.d = dout;
        a.rows = s->oh;
        sum_taps(s, image, &a, 0, direct_taps(s), sum);
        return;
    }
    for (size_t ky = 0; ky < s->k; ky++) {
        direct_range rows = direct_output_rows(s, ky);
        if (rows.from >= rows.to) continue;
        a.x = image->at + (rows.from + ky - s->pad) * image->row;
        a.d = dout + rows.from * s->ow;
        a.rows = rows.to - rows.from;
        sum_taps(s, image, &a, ky * run, (ky + 1) * run, sum);
    }
}

void direct_pixels_finish(const conv_shape *s, const float *sum, float *g)
{
    size_t taps = direct_taps(s);
    for (size_t ky = 0; ky < s->k; ky++)
        for (size_t c = 0; c < s->c; c++)
            for (size_t kx = 0; kx < s->k; kx++)
                for (size_t f = 0; f < s->f; f++, sum += 8)
                    g[f * taps + (c * s->k + ky) * s->k + kx] =
                        ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

#else
typedef int direct_pixels_is_elsewhere; /* a file is never empty */
#endif
