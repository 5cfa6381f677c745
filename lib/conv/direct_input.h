/* direct_input.h (internal) - the input's gradient of hw__conv_direct: lanes are (kernel column, channel).
 *
 * For a row of din, every output x sums k c lanes over filters and those kernel rows that reach the row from inside the
 * output: broadcast gradients times vectors of weights, whatever the stride. A pixel of din is then the sum of c lanes
 * of each output that reaches it. So few channels waste few lanes, and no row of zeros is multiplied. */
#ifndef HW__CONV_DIRECT_INPUT_H
#define HW__CONV_DIRECT_INPUT_H

#include "direct_tile.h"

static size_t input_vectors(const hw__conv_shape *s)
{
    return vectors_of(s->k * s->c);
}

/* Kernel rows r, r + stride, ... reach the input rows y with (y + pad) mod stride = r. */
static size_t input_rows(const hw__conv_shape *s, size_t r)
{
    return r < s->k ? (s->k - r + s->stride - 1) / s->stride : 0;
}

/* The lanes of a row of outputs; whole vectors are read from the last pixel's last channel. */
static size_t input_work(const hw__conv_shape *s)
{
    return s->ow * input_vectors(s) * LANES + 8;
}

/* What reaches row (or column) `at` of the input: outputs from `from` on, `count` of them, the first of them by kernel
 * row `top`, the next by top - stride; `skip` kernel rows stand before them in the packed weights. */
typedef struct reach {
    size_t from, count, top, skip;
} reach;

static reach reach_of(const hw__conv_shape *s, size_t at, size_t outputs)
{
    size_t r = (at + s->pad) % s->stride, q = (at + s->pad) / s->stride, count = input_rows(s, r);
    size_t first = q + 1 > outputs ? q + 1 - outputs : 0, end = count < q + 1 ? count : q + 1; /* of rows / stride */
    reach a = {0, 0, 0, 0};
    if (first >= end) return a;
    a.from = q + 1 - end;
    a.count = end - first;
    a.top = r + (end - 1) * s->stride;
    for (size_t i = 0; i < r; i++) a.skip += input_rows(s, i);
    a.skip += count - end;
    return a;
}

/* Where in a row of lanes a column of din begins, and how many outputs reach it. */
typedef struct column {
    uint32_t from, count;
} column;

/* In packed: the weights, [block of lanes][r][kernel row, descending][filter][lanes of the block]; the offsets of taps
 * in dout; the columns; for each lane, where its first weight is. */
typedef struct input_parts {
    size_t offsets, columns, sources, end;
} input_parts;

static input_parts input_parts_of(const hw__conv_shape *s)
{
    input_parts p;
    p.offsets = s->k * s->f * input_vectors(s) * LANES;
    p.columns = p.offsets + input_rows(s, 0) * s->f;
    p.sources = p.columns + s->w * sizeof(column) / sizeof(float);
    p.end = p.sources + s->k * s->c;
    return p;
}

static size_t input_packed(const hw__conv_shape *s)
{
    return input_parts_of(s).end;
}

static void pack_tables(const hw__conv_shape *s, float *packed)
{
    input_parts p = input_parts_of(s);
    uint32_t *offsets = (uint32_t *)(void *)(packed + p.offsets), *sources = (uint32_t *)(void *)(packed + p.sources);
    column *columns = (column *)(void *)(packed + p.columns);
    for (size_t j = 0; j < input_rows(s, 0); j++)
        for (size_t f = 0; f < s->f; f++) *offsets++ = (uint32_t)(j * s->ow + f * s->oh * s->ow);
    for (size_t x = 0; x < s->w; x++) {
        reach a = reach_of(s, x, s->ow);
        columns[x] = (column){(uint32_t)(a.from * LANES * input_vectors(s) + a.top * s->c), (uint32_t)a.count};
    }
    for (size_t kx = 0; kx < s->k; kx++)
        for (size_t c = 0; c < s->c; c++) *sources++ = (uint32_t)(c * s->k * s->k + kx);
}

static void input_pack(const hw__conv_shape *s, const float *weights, float *packed)
{
    size_t all = input_vectors(s), lanes = s->k * s->c;
    const uint32_t *sources = (const uint32_t *)(const void *)(packed + input_parts_of(s).sources);
    pack_tables(s, packed);
    for (size_t v = 0, n; v < all; v += n, sources += LANES * n) {
        n = block_of(all - v, three_of(s->ow));
        size_t used = lanes - LANES * v < LANES * n ? lanes - LANES * v : LANES * n;
        for (size_t r = 0; r < s->stride; r++)
            for (size_t j = input_rows(s, r); j-- > 0;)
                for (size_t f = 0; f < s->f; f++, packed += LANES * n) {
                    const float *from = weights + f * s->c * s->k * s->k + (r + j * s->stride) * s->k;
                    for (size_t i = 0; i < used; i++) packed[i] = from[sources[i]];
                    for (size_t i = used; i < LANES * n; i++) packed[i] = 0;
                }
    }
}

static void input_row(const hw__conv_shape *s, const reach *a, const float *dout, const float *packed, float *to)
{
    const uint32_t *offsets = (const uint32_t *)(const void *)(packed + input_parts_of(s).offsets);
    size_t all = input_vectors(s);
    for (size_t v = 0, n; v < all; v += n) {
        n = block_of(all - v, three_of(s->ow));
        multiply_row(n, s->ow, dout + a->from * s->ow, 1, offsets, a->count * s->f, packed + a->skip * s->f * LANES * n,
                     to + LANES * v, LANES * all);
        packed += s->k * s->f * LANES * n;
    }
}

/* The sums of eight columns, `back` floats from an output that reaches one to the next: fewer than none at strides that
 * are larger than the kernel. */
INLINE void add_columns(const float *lanes, const column *columns, size_t n, ptrdiff_t back, __m256 sum[8])
{
    bool alike = n == 8;
    for (size_t i = 0; i < 8; i++) sum[i] = _mm256_setzero_ps();
    for (size_t i = 1; i < n; i++) alike = alike && columns[i].count == columns[0].count;
    if (alike) {
        ptrdiff_t step = 0;
        for (uint32_t j = 0; j < columns[0].count; j++, step += back)
            for (size_t i = 0; i < 8; i++)
                sum[i] = _mm256_add_ps(sum[i], _mm256_loadu_ps(lanes + (columns[i].from + step)));
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        ptrdiff_t at = i < n ? columns[i].from : 0;
        __m256 all = _mm256_setzero_ps();
        for (uint32_t j = 0; i < n && j < columns[i].count; j++, at += back)
            all = _mm256_add_ps(all, _mm256_loadu_ps(lanes + at));
        sum[i] = all;
    }
}

/* A row of din, all channels, of the lanes of a row of outputs. */
HOT static void gather(const hw__conv_shape *s, const float *lanes, const column *columns, float *din)
{
    size_t n = s->w < 8 ? s->w : 8, plane = s->h * s->w;
    ptrdiff_t back = (ptrdiff_t)(LANES * input_vectors(s)) - (ptrdiff_t)(s->stride * s->c);
    for (size_t done = 0; done < s->w; done += 8) {
        size_t x = block_at(s->w, done);
        for (size_t c = 0; c < s->c; c += 8) {
            __m256 block[8];
            add_columns(lanes + c, columns + x, n, back, block);
            transpose8(block);
            store_block(block, s->c - c < 8 ? s->c - c : 8, n, din + c * plane + x, plane);
        }
    }
}

HOT static void clear(const hw__conv_shape *s, float *din)
{
    for (size_t c = 0; c < s->c; c++, din += s->h * s->w) {
        size_t x = 0;
        for (; x + 8 <= s->w; x += 8) _mm256_storeu_ps(din + x, _mm256_setzero_ps());
        for (; x < s->w; x++) din[x] = 0;
    }
}

static void input(const hw__conv_shape *s, const float *dout, const float *packed, float *din, float *work)
{
    const column *columns = (const column *)(const void *)(packed + input_parts_of(s).columns);
    for (size_t y = 0; y < s->h; y++, din += s->w) {
        reach a = reach_of(s, y, s->oh);
        if (!a.count) {
            clear(s, din);
            continue;
        }
        input_row(s, &a, dout, packed, work);
        gather(s, work, columns, din);
    }
}

#endif
