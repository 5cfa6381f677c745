/* winograd_product.h (internal) - the two matrix products of a point of the Winograd convolution, in register tiles.
 * Included by winograd_wide.c only.
 *
 * A register tile is some rows times two vectors of columns: the two halves of a panel in AVX2 (6 x 2 accumulators of
 * 16 registers), two panels in AVX-512 (8 x 2 of 32). A step of k loads the two vectors and broadcasts one float a row.
 */
#ifndef HW__CONV_WINOGRAD_PRODUCT_H
#define HW__CONV_WINOGRAD_PRODUCT_H

#include "winograd_lanes.h"

#ifdef LANES_AVX512
#define ROWS       8
#define APART(gap) (gap) /* from the first vector of a tile to the second: a panel */
#else
#define ROWS       6
#define APART(gap) ((size_t)8)
#endif

typedef vector winograd_tile[ROWS][2];

INLINE void step(winograd_tile sum, size_t rows, size_t vectors, const float *a, size_t a_row, const float *b,
                 size_t gap)
{
    vector x = V(loadu_ps)(b), y = vectors == 2 ? V(loadu_ps)(b + gap) : x;
    for (size_t r = 0; r < rows; r++) {
        vector scalar = V(set1_ps)(a[r * a_row]);
        sum[r][0] = V(fmadd_ps)(scalar, x, sum[r][0]);
        if (vectors == 2) sum[r][1] = V(fmadd_ps)(scalar, y, sum[r][1]);
    }
}

INLINE void multiply_tile(const winograd_product *p, size_t rows, size_t vectors, const float *a, const float *b,
                          float *out)
{
    winograd_tile sum;
    size_t gap = APART(p->b_panel), k = p->k, a_panel = p->a_panel;
    for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = V(setzero_ps)();
    for (; k >= PANEL; k -= PANEL, a += a_panel)
        for (size_t i = 0; i < PANEL; i++, b += PANEL) step(sum, rows, vectors, a + i, PANEL, b, gap);
    for (size_t i = 0; i < k; i++, b += PANEL) step(sum, rows, vectors, a + i, PANEL, b, gap);
    gap = APART(p->out_panel);
    for (size_t r = 0; r < rows; r++) {
        V(storeu_ps)(out + r * PANEL, sum[r][0]);
        if (vectors == 2) V(storeu_ps)(out + r * PANEL + gap, sum[r][1]);
    }
}

/* A chunk is summed by itself, which rounds less than one long sum. */
INLINE void accumulate_tile(const winograd_product *p, size_t rows, size_t vectors, const float *a, const float *b,
                            float *out)
{
    winograd_tile sum;
    size_t gap = APART(p->out_panel), k = p->k;
    for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = V(setzero_ps)();
    size_t b_gap = APART(p->b_panel);
    for (size_t i = 0; i < k; i++, a += PANEL, b += PANEL) step(sum, rows, vectors, a, 1, b, b_gap);
    for (size_t r = 0; r < rows; r++) {
        float *x = out + r * PANEL, *y = x + gap;
        V(storeu_ps)(x, ADD(V(loadu_ps)(x), sum[r][0]));
        if (vectors == 2) V(storeu_ps)(y, ADD(V(loadu_ps)(y), sum[r][1]));
    }
}

/* The number of rows is a constant in each case, so that the tile is in registers. */
#if ROWS == 8
#define MORE_ROWS(tile, vectors, p, a, b, out)     \
    case 7: tile(p, 7, vectors, a, b, out); break; \
    case 8:                                        \
        tile(p, 8, vectors, a, b, out);            \
        break;
#else
#define MORE_ROWS(tile, vectors, p, a, b, out)
#endif
#define EACH_ROWS(tile, rows, vectors, p, a, b, out) \
    switch (rows) {                                  \
    case 1: tile(p, 1, vectors, a, b, out); break;   \
    case 2: tile(p, 2, vectors, a, b, out); break;   \
    case 3: tile(p, 3, vectors, a, b, out); break;   \
    case 4: tile(p, 4, vectors, a, b, out); break;   \
    case 5: tile(p, 5, vectors, a, b, out); break;   \
    case 6:                                          \
        tile(p, 6, vectors, a, b, out);              \
        break;                                       \
        MORE_ROWS(tile, vectors, p, a, b, out)       \
    }

/* The panel of b stays in the first cache while the rows of a pass. */
HOT static void multiply(const winograd_product *p, const float *a, const float *b, float *out)
{
    for (size_t column = 0; column < p->columns;) {
        bool two = p->columns - column > LANES;
        for (size_t row = 0; row < p->rows; row += ROWS) {
            size_t rows = p->rows - row < ROWS ? p->rows - row : ROWS;
            if (two)
                EACH_ROWS(multiply_tile, rows, 2, p, a + row * PANEL, b, out + row * PANEL)
            else
                EACH_ROWS(multiply_tile, rows, 1, p, a + row * PANEL, b, out + row * PANEL)
        }
        size_t panels = two ? 2 * LANES / PANEL : 1;
        column += panels * PANEL;
        b += panels * p->b_panel;
        out += panels * p->out_panel;
    }
}

HOT static void accumulate(const winograd_product *p, const float *a, const float *b, float *out)
{
    for (size_t column = 0; column < p->columns;) {
        bool two = p->columns - column > LANES;
        for (size_t row = 0; row < p->rows;) {
            size_t left = p->rows - row, panel = PANEL - row % PANEL, rows = left < panel ? left : panel;
            if (rows > ROWS) rows = ROWS;
            const float *from = a + row / PANEL * p->a_panel + row % PANEL;
            if (two)
                EACH_ROWS(accumulate_tile, rows, 2, p, from, b, out + row * PANEL)
            else
                EACH_ROWS(accumulate_tile, rows, 1, p, from, b, out + row * PANEL)
            row += rows;
        }
        size_t panels = two ? 2 * LANES / PANEL : 1;
        column += panels * PANEL;
        b += panels * p->b_panel;
        out += panels * p->out_panel;
    }
}

#endif
