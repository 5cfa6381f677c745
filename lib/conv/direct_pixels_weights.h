/* direct_pixels_weights.h (internal) - the weights' gradient of hw__conv_direct with vectors of outputs of a row in the
 * lanes, for rows of at least a vector: sums of every tap and filter stay in vectors until the end of a pass. */
#ifndef HW__CONV_DIRECT_PIXELS_WEIGHTS_H
#define HW__CONV_DIRECT_PIXELS_WEIGHTS_H

#include "direct_pixels.h"

/* A tile of sums: a few vectors are held while others stream by, each loaded just before its use; there are no
 * registers for more. The held ones are gradients of filters and the streaming ones pixels of taps, or the other way
 * round. */
#ifdef LANES_AVX512
enum { HELD = 4, STREAMING = 6 };
#else
enum { HELD = 3, STREAMING = 4 };
#endif

/* Rows of outputs; x: what tap 0 reads for the first, d: its gradient in the first filter's plane. */
typedef struct pixels_span {
    const float *x, *d;
    size_t rows, row, ow, plane, vectors;
    bool halves, overlap;
    lane_mask whole, half; /* lanes that no vector before has: of the last whole vector, of a half one */
    lane_mask single;      /* of a half one that has no second row */
} pixels_span;

/* A vector of floats at i, or halves at i and k. */
INLINE vector load(const float *at, size_t i, size_t k, bool halves)
{
    return halves ? load_halves(at + i, at + k) : V(loadu_ps)(at + i);
}

/* Where outputs stand in the image and in planes of the gradient; of two halves, the second at `other`. */
typedef struct place {
    size_t image, gradient, other_image, other_gradient;
    bool halves, masked;
} place;

/* `swap`: the held ones are pixels. One array for each of them: compilers keep those in registers. */
INLINE void multiply(size_t held, size_t streaming, bool swap, const float *const held_at[HELD],
                     const float *const at[STREAMING], const place *p, lane_mask mask, vector *a, vector *b, vector *c,
                     vector *d)
{
    size_t i = swap ? p->image : p->gradient, k = swap ? p->other_image : p->other_gradient;
    size_t j = swap ? p->gradient : p->image, l = swap ? p->other_gradient : p->other_image;
    vector x[4];
    for (size_t h = 0; h < held; h++) {
        x[h] = load(held_at[h], i, k, p->halves);
        if (p->masked && !swap) x[h] = masked(x[h], mask);
    }
    for (size_t t = 0; t < streaming; t++) {
        vector y = load(at[t], j, l, p->halves);
        if (p->masked && swap) y = masked(y, mask);
        a[t] = V(fmadd_ps)(x[0], y, a[t]);
        if (held > 1) b[t] = V(fmadd_ps)(x[1], y, b[t]);
        if (held > 2) c[t] = V(fmadd_ps)(x[2], y, c[t]);
        if (held > 3) d[t] = V(fmadd_ps)(x[3], y, d[t]);
    }
}

INLINE void sum_tile(size_t taps, size_t filters, const pixels_span *s, const size_t *offset, float *sum, size_t pitch)
{
    bool swap = filters > HELD;
    size_t held = swap ? taps : filters, streaming = swap ? filters : taps;
    size_t held_pitch = swap ? pitch : LANES, streaming_pitch = swap ? LANES : pitch;
    const float *held_at[HELD], *at[STREAMING];
    vector a[STREAMING], b[STREAMING], c[STREAMING], d[STREAMING];
    for (size_t h = 0; h < held; h++) held_at[h] = swap ? s->x + offset[h] : s->d + h * s->plane;
    for (size_t t = 0; t < streaming; t++) {
        const float *from = sum + t * streaming_pitch;
        at[t] = swap ? s->d + t * s->plane : s->x + offset[t];
        a[t] = V(loadu_ps)(from);
        if (held > 1) b[t] = V(loadu_ps)(from + held_pitch);
        if (held > 2) c[t] = V(loadu_ps)(from + 2 * held_pitch);
        if (held > 3) d[t] = V(loadu_ps)(from + 3 * held_pitch);
    }
    for (size_t y = 0; y < s->rows; y++) {
        place p = {y * s->row, y * s->ow, 0, 0, false, false};
        for (size_t v = 0; v < s->vectors; v++, p.image += LANES, p.gradient += LANES)
            multiply(held, streaming, swap, held_at, at, &p, s->whole, a, b, c, d);
        if (s->overlap) {
            place last = {y * s->row + s->ow - LANES, y * s->ow + s->ow - LANES, 0, 0, false, true};
            multiply(held, streaming, swap, held_at, at, &last, s->whole, a, b, c, d);
        }
    }
    for (size_t y = 0; s->halves && y < s->rows; y += 2) {
        bool two = y + 1 < s->rows;
        size_t i = y * s->row + s->ow - HALF, j = y * s->ow + s->ow - HALF;
        place p = {i, j, two ? i + s->row : i, two ? j + s->ow : j, true, true};
        multiply(held, streaming, swap, held_at, at, &p, two ? s->half : s->single, a, b, c, d);
    }
    for (size_t t = 0; t < streaming; t++) {
        float *to = sum + t * streaming_pitch;
        V(storeu_ps)(to, a[t]);
        if (held > 1) V(storeu_ps)(to + held_pitch, b[t]);
        if (held > 2) V(storeu_ps)(to + 2 * held_pitch, c[t]);
        if (held > 3) V(storeu_ps)(to + 3 * held_pitch, d[t]);
    }
}

#define SUM(t, f)                                                     \
    case 8 * (t) + (f):                                               \
        sum_tile(t, f, &s, offset, sum + first * LANES, all * LANES); \
        break
#define SUMS_TO_3(t) \
    SUM(t, 1);       \
    SUM(t, 2);       \
    SUM(t, 3)

/* A few taps over a span of rows, for all filters. */
HOT static void sum_filters(size_t taps, size_t all, size_t most, const pixels_span *a, const size_t *offset,
                            float *sum)
{
    pixels_span s = *a;
    size_t blocks = parts_of(all, most);
    for (size_t i = 0, first = 0, n; i < blocks; i++, first += n, s.d += n * s.plane) {
        n = part_of(all, blocks, i);
        switch (8 * taps + n) {
            SUMS_TO_3(1);
            SUM(1, 4);
            SUMS_TO_3(2);
            SUM(2, 4);
            SUMS_TO_3(3);
            SUM(3, 4);
            SUMS_TO_3(4);
#ifdef LANES_AVX512
            SUM(1, 5);
            SUM(1, 6);
            SUM(2, 5);
            SUM(2, 6);
            SUM(3, 5);
            SUM(3, 6);
            SUM(4, 4);
            SUM(4, 5);
            SUM(4, 6);
            SUMS_TO_3(5);
            SUM(5, 4);
            SUMS_TO_3(6);
            SUM(6, 4);
#endif
        }
    }
}

HOT static pixels_span span_of(const hw__conv_shape *s, const direct_image *image)
{
    unsigned rest = (unsigned)(s->ow % LANES), all = (1u << LANES) - 1, low = (1u << HALF) - 1;
    unsigned half = rest <= HALF ? low & ~(low >> rest) : 0; /* the last `rest` lanes of a half */
    pixels_span a = {0};
    a.row = image->row;
    a.ow = s->ow;
    a.plane = s->oh * s->ow;
    a.vectors = s->ow / LANES;
    a.halves = has_halves(s);
    a.overlap = rest > HALF;
    a.whole = mask_of(all & ~(all >> rest));
    a.half = mask_of(half | half << HALF);
    a.single = mask_of(half);
    return a;
}

/* The taps from .. to - 1 over the span's rows. */
static void sum_taps(const hw__conv_shape *s, const direct_image *image, const pixels_span *a, size_t from, size_t to,
                     float *sum)
{
    size_t n = to - from, run = s->c * s->k;
    bool swap = parts_of(n, HELD) * parts_of(s->f, STREAMING) < parts_of(n, STREAMING) * parts_of(s->f, HELD);
    size_t parts = parts_of(n, swap ? HELD : STREAMING);
    for (size_t i = 0, tap = from, taps; i < parts; i++, tap += taps) {
        size_t offset[STREAMING];
        taps = part_of(n, parts, i);
        for (size_t t = 0; t < taps; t++) {
            size_t ky = (tap + t - from) / run, rest = (tap + t) % run;
            offset[t] = ky * image->row + rest / s->k * image->plane + rest % s->k;
        }
        sum_filters(taps, s->f, swap ? STREAMING : HELD, a, offset, sum + tap * s->f * LANES);
    }
}

static void pixels_weights(const hw__conv_shape *s, const direct_image *image, const float *dout, float *sum,
                           float *work)
{
    size_t run = s->c * s->k;
    pixels_span a = span_of(s, image);
    (void)work;
    if (!s->pad) {
        a.x = image->at;
        a.d = dout;
        a.rows = s->oh;
        sum_taps(s, image, &a, 0, taps_of(s), sum);
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

/* sum: [tap][filter][LANES] */
static size_t pixels_sum(const hw__conv_shape *s)
{
    return taps_of(s) * s->f * LANES;
}

/* Halves are added up, then halves of those. */
INLINE float total(const float *sum)
{
    __m256 eight = _mm256_loadu_ps(sum);
    if (LANES == 16) eight = _mm256_add_ps(eight, _mm256_loadu_ps(sum + LANES - 8));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

HOT static void pixels_finish(const hw__conv_shape *s, const float *sum, float *g)
{
    size_t taps = taps_of(s);
    for (size_t ky = 0; ky < s->k; ky++)
        for (size_t c = 0; c < s->c; c++)
            for (size_t kx = 0; kx < s->k; kx++)
                for (size_t f = 0; f < s->f; f++, sum += LANES) g[f * taps + (c * s->k + ky) * s->k + kx] = total(sum);
}

#endif
