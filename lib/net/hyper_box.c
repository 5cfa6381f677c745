/* hyper_box.c - sums of squares over the patches of an image: over channels first, then along rows, then along columns,
 * so that a patch costs 2 k additions and not c k k; and the way back. */
#include "net.h"
#include "hyper.h"
#include <string.h>

/* A row with its padding on both sides, the image's plane, the plane's rows summed. */
typedef struct room {
    float *row, *plane, *rows;
} room;

static size_t row_floats(const hw__conv_shape *s)
{
    return hw__whole_lines(s->w + 2 * s->pad);
}

size_t hw__hyper_box_floats(const hw__conv_shape *s)
{
    return row_floats(s) + hw__whole_lines(s->h * s->w) + hw__whole_lines(s->h * s->ow);
}

static room room_of(const hw__conv_shape *s, float *work)
{
    memset(work, 0, row_floats(s) * sizeof *work);
    return (room){work, work + row_floats(s), work + row_floats(s) + hw__whole_lines(s->h * s->w)};
}

HW__HOT static void add_squares(const float *x, float *sum, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] += x[i] * x[i];
}

HW__HOT static void add(const float *x, float *sum, size_t n)
{
    for (size_t i = 0; i < n; i++) sum[i] += x[i];
}

HW__HOT static void subtract_products(const float *x, const float *y, float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) from[i] -= x[i] * y[i];
}

static void gather(const float *row, size_t step, float *sum, size_t n)
{
    if (step == 1)
        add(row, sum, n);
    else
        for (size_t i = 0; i < n; i++) sum[i] += row[i * step];
}

static void scatter(const float *x, size_t step, float *row, size_t n)
{
    if (step == 1)
        add(x, row, n);
    else
        for (size_t i = 0; i < n; i++) row[i * step] += x[i];
}

/* Row ky of patch row oy, in the image; false: it is padding. */
static bool row_of(const hw__conv_shape *s, size_t oy, size_t ky, size_t *y)
{
    size_t padded = oy * s->stride + ky;
    *y = padded - s->pad;
    return padded >= s->pad && *y < s->h;
}

void hw__hyper_box(const hw__conv_shape *s, const float *in, float *sum, float *work)
{
    room r = room_of(s, work);
    size_t pixels = s->h * s->w, y;
    memset(r.plane, 0, pixels * sizeof *r.plane);
    memset(r.rows, 0, s->h * s->ow * sizeof *r.rows);
    memset(sum, 0, s->oh * s->ow * sizeof *sum);
    for (size_t c = 0; c < s->c; c++) add_squares(in + c * pixels, r.plane, pixels);
    for (y = 0; y < s->h; y++) {
        memcpy(r.row + s->pad, r.plane + y * s->w, s->w * sizeof *r.row);
        for (size_t kx = 0; kx < s->k; kx++) gather(r.row + kx, s->stride, r.rows + y * s->ow, s->ow);
    }
    for (size_t oy = 0; oy < s->oh; oy++)
        for (size_t ky = 0; ky < s->k; ky++)
            if (row_of(s, oy, ky, &y)) add(r.rows + y * s->ow, sum + oy * s->ow, s->ow);
}

void hw__hyper_unbox(const hw__conv_shape *s, const float *scale, const float *in, float *din, float *work)
{
    room r = room_of(s, work);
    size_t pixels = s->h * s->w, y;
    memset(r.rows, 0, s->h * s->ow * sizeof *r.rows);
    for (size_t oy = 0; oy < s->oh; oy++)
        for (size_t ky = 0; ky < s->k; ky++)
            if (row_of(s, oy, ky, &y)) add(scale + oy * s->ow, r.rows + y * s->ow, s->ow);
    for (y = 0; y < s->h; y++) {
        memset(r.row, 0, row_floats(s) * sizeof *r.row);
        for (size_t kx = 0; kx < s->k; kx++) scatter(r.rows + y * s->ow, s->stride, r.row + kx, s->ow);
        memcpy(r.plane + y * s->w, r.row + s->pad, s->w * sizeof *r.row);
    }
    for (size_t c = 0; c < s->c; c++) subtract_products(in + c * pixels, r.plane, din + c * pixels, pixels);
}
