/* direct_pixels.h (internal) - hw__conv_direct forward with vectors of outputs of a row in the lanes, for stride 1 and
 * rows of at least a vector: few filters waste nothing here. What remains of rows after whole vectors is, up to half a
 * vector, a half vector, of which two rows make a whole one; more is a vector that overlaps the one before. */
#ifndef HW__CONV_DIRECT_PIXELS_H
#define HW__CONV_DIRECT_PIXELS_H

#include "direct_lanes.h"

static size_t full_vectors(const hw__conv_shape *s)
{
    return s->ow / LANES + (s->ow % LANES > HALF);
}

static size_t column_of(const hw__conv_shape *s, size_t i)
{
    return LANES * i + LANES <= s->ow ? LANES * i : s->ow - LANES;
}

static bool has_halves(const hw__conv_shape *s)
{
    return s->ow % LANES && s->ow % LANES <= HALF;
}

/* Filters of a tile, times two vectors. */
#ifdef LANES_AVX512
enum { MOST_FILTERS = 12 };
#else
enum { MOST_FILTERS = 6 };
#endif

static size_t pixels_packed(const hw__conv_shape *s)
{
    return taps_of(s) * s->f;
}

/* [block of filters][tap][filter of the block] */
static void pixels_pack(const hw__conv_shape *s, const float *weights, float *packed)
{
    size_t taps = taps_of(s), parts = parts_of(s->f, MOST_FILTERS);
    for (size_t i = 0, f = 0, n; i < parts; i++, f += n) {
        n = part_of(s->f, parts, i);
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
    float start[MOST_FILTERS];
    float *out; /* the first row of the first filter's plane */
    size_t ow, plane;
} strip;

/* Two vectors at (y, x) and (v, u), or at halves of rows y and z, v and t in the columns x and u. */
typedef struct spot {
    size_t y, z, x;
} spot;

INLINE void outputs(size_t filters, bool halves, const strip *s, const spot *p, const spot *q)
{
    vector acc[MOST_FILTERS][2];
    const float *a = s->x + p->y * s->row + p->x, *b = s->x + q->y * s->row + q->x, *weights = s->weights;
    const float *c = s->x + p->z * s->row + p->x, *d = s->x + q->z * s->row + q->x;
    for (size_t f = 0; f < filters; f++) acc[f][0] = acc[f][1] = V(set1_ps)(s->start[f]);
    for (size_t i = 0; i < s->taps; i++, weights += filters) {
        size_t o = s->offsets[i];
        vector x = halves ? load_halves(a + o, c + o) : V(loadu_ps)(a + o);
        vector y = halves ? load_halves(b + o, d + o) : V(loadu_ps)(b + o);
        for (size_t f = 0; f < filters; f++) {
            vector weight = V(set1_ps)(weights[f]);
            acc[f][0] = V(fmadd_ps)(weight, x, acc[f][0]);
            acc[f][1] = V(fmadd_ps)(weight, y, acc[f][1]);
        }
    }
    float *to = s->out + p->y * s->ow + p->x, *also = s->out + q->y * s->ow + q->x;
    size_t low = (p->z - p->y) * s->ow, high = (q->z - q->y) * s->ow;
    for (size_t f = 0; f < filters; f++, to += s->plane, also += s->plane) {
        if (halves) {
            store_halves(acc[f][0], to, to + low);
            store_halves(acc[f][1], also, also + high);
        } else {
            V(storeu_ps)(to, acc[f][0]);
            V(storeu_ps)(also, acc[f][1]);
        }
    }
}

#define OUTPUTS(f) \
    case f: outputs(f, halves, s, p, q); break

INLINE void any_outputs(size_t filters, bool halves, const strip *s, const spot *p, const spot *q)
{
    switch (filters) {
        OUTPUTS(1);
        OUTPUTS(2);
        OUTPUTS(3);
        OUTPUTS(4);
        OUTPUTS(5);
        OUTPUTS(6);
#ifdef LANES_AVX512
        OUTPUTS(7);
        OUTPUTS(8);
        OUTPUTS(9);
        OUTPUTS(10);
        OUTPUTS(11);
        OUTPUTS(12);
#endif
    }
}

/* All outputs of `rows` rows: whole vectors two by two, then the halves. An odd last one is done twice. */
HOT static void strip_rows(const hw__conv_shape *shape, size_t filters, const strip *s, size_t rows)
{
    size_t vectors = full_vectors(shape), last = shape->ow - HALF;
    spot one[2] = {{0, 0, 0}, {0, 0, 0}};
    size_t got = 0;
    for (size_t y = 0; y < rows; y++)
        for (size_t v = 0; v < vectors; v++) {
            one[got++] = (spot){y, y, column_of(shape, v)};
            if (got == 2) any_outputs(filters, false, s, one, one + 1), got = 0;
        }
    if (got) any_outputs(filters, false, s, one, one);
    if (!has_halves(shape)) return;
    got = 0;
    for (size_t y = 0; y < rows; y += 2) {
        one[got++] = (spot){y, y + 1 < rows ? y + 1 : y, last};
        if (got == 2) any_outputs(filters, true, s, one, one + 1), got = 0;
    }
    if (got) any_outputs(filters, true, s, one, one);
}

HOT static void pixels_forward(const hw__conv_shape *shape, const direct_image *image, const uint32_t *offsets,
                               const float *packed, const float *bias, float *out, float *work)
{
    (void)work;
    size_t taps = taps_of(shape), run = shape->c * shape->k, parts = parts_of(shape->f, MOST_FILTERS);
    strip s = {0};
    s.offsets = offsets;
    s.row = image->row;
    s.ow = shape->ow;
    s.plane = shape->oh * shape->ow;
    for (size_t i = 0, f = 0, n; i < parts; i++, f += n, packed += taps * n) {
        n = part_of(shape->f, parts, i);
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

#endif
