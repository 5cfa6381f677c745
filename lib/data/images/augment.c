/* augment.c - one image as a net's floats: a window at random, a flip at random, mean and scale, in one pass over the
 * output. It keeps no state: the random numbers are a hash of (seed, step, position). */
#include "../../base/base.h"
#include "hogwild/data.h"
#include "../../base/cpu.h"
#include "../mix.h"
#include <string.h>

hw_augment hw_augment_defaults(void)
{
    return (hw_augment){.struct_size = sizeof(hw_augment), .pad = 4, .flip = 1};
}

hw_status hw_augment_check(const hw_augment *augment, const hw_images *images, char *why)
{
    if (!augment || augment->struct_size != sizeof *augment)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "augment.struct_size is %zu, expected %zu: start from hw_augment_defaults()",
                             augment ? augment->struct_size : 0, sizeof *augment);
    if (!images) return hw__base_fail(why, HW_E_ARGUMENT, "hw_augment_check: images are needed");
    if (augment->pad >= images->height || augment->pad >= images->width)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "augment.pad is %u: it must be below both sides of the images, which are %u x %u",
                             augment->pad, images->height, images->width);
    return HW_OK;
}

/* What the window sees: its first column and row in the image (from -pad to pad), and whether it is mirrored. */
typedef struct window {
    long x, y;
    bool flip;
} window;

/* Three rounds, so that neighbouring seeds, steps and positions have nothing in common; 31 bits each for x and y and
 * one for the flip. A span s is hit with shares that differ by less than s / 2^31. */
static window window_of(const hw_augment *a, uint64_t seed, uint64_t step, uint32_t position)
{
    if (!a) return (window){0, 0, false};
    uint64_t h =
        mix(mix(mix(seed + 0x9e3779b97f4a7c15u) + step * 0xd1342543de82ef95u) ^ (position + 1) * 0xbf58476d1ce4e5b9u);
    uint64_t span = 2 * (uint64_t)a->pad + 1;
    return (window){(long)((h & 0x7fffffffu) * span >> 31) - (long)a->pad,
                    (long)((h >> 31 & 0x7fffffffu) * span >> 31) - (long)a->pad, a->flip && h >> 63};
}

/* The part of an image that a window sees: columns x0 .. x1 - 1 and rows y0 .. y1 - 1 of the output before its flip. */
typedef struct part {
    size_t width, height, x0, x1, y0, y1;
    ptrdiff_t offset; /* from a pixel of the output to its source, in pixels */
    bool flip;
} part;

static void span(long from, size_t side, size_t *first, size_t *end)
{
    *first = from < 0 ? (size_t)-from : 0;
    *end = from > 0 ? side - (size_t)from : side;
}

static part part_of(const hw_images *images, const window *w)
{
    part p = {.width = images->width, .height = images->height, .flip = w->flip};
    if (w->x == 0 && w->y == 0 && !w->flip) { /* the channel as it is: one long row */
        p.width *= p.height;
        p.height = 1;
    }
    span(w->x, p.width, &p.x0, &p.x1);
    span(w->y, p.height, &p.y0, &p.y1);
    p.offset = (ptrdiff_t)w->y * (ptrdiff_t)p.width + (ptrdiff_t)w->x;
    return p;
}

/* Zeros where the window looks beyond the channel. A flip exchanges the margins of left and right. */
static void clear_margins(const part *p, float *out)
{
    size_t left = p->flip ? p->width - p->x1 : p->x0, right = p->flip ? p->x0 : p->width - p->x1;
    for (size_t y = 0; y < p->height; y++) {
        float *row = out + y * p->width;
        if (y < p->y0 || y >= p->y1) {
            memset(row, 0, p->width * sizeof *row);
            continue;
        }
        for (size_t x = 0; x < left; x++) row[x] = 0;
        for (size_t x = p->width - right; x < p->width; x++) row[x] = 0;
    }
}

/* One channel, x = scale * (b - shift). */
/* AVX2 without FMA: all give the same bits. */
HW__HOT static void scaled(const part *p, const unsigned char *restrict in, float scale, float shift,
                           float *restrict out)
{
    size_t n = p->x1 - p->x0;
    for (size_t y = p->y0; y < p->y1; y++) {
        const unsigned char *row = in + ((ptrdiff_t)(y * p->width + p->x0) + p->offset);
        float *to = out + y * p->width + (p->flip ? p->width - p->x1 : p->x0);
        if (p->flip)
            for (size_t x = 0; x < n; x++) to[x] = scale * ((float)row[n - 1 - x] - shift);
        else
            for (size_t x = 0; x < n; x++) to[x] = scale * ((float)row[x] - shift);
    }
}

/* One channel, x = scale * (b - mean of b's own place). */
HW__HOT static void less_mean(const part *p, const unsigned char *restrict in, float scale, const float *restrict mean,
                              float *restrict out)
{
    size_t n = p->x1 - p->x0;
    for (size_t y = p->y0; y < p->y1; y++) {
        ptrdiff_t from = (ptrdiff_t)(y * p->width + p->x0) + p->offset;
        const unsigned char *row = in + from;
        const float *centre = mean + from;
        float *to = out + y * p->width + (p->flip ? p->width - p->x1 : p->x0);
        if (p->flip)
            for (size_t x = 0; x < n; x++) to[x] = scale * ((float)row[n - 1 - x] - centre[n - 1 - x]);
        else
            for (size_t x = 0; x < n; x++) to[x] = scale * ((float)row[x] - centre[x]);
    }
}

void hw_image_prepare(const hw_images *images, uint32_t i, const hw_preparation *p, const hw_augment *augment,
                      uint64_t seed, uint64_t step, uint32_t position, float *out)
{
    window w = window_of(augment, seed, step, position);
    part seen = part_of(images, &w);
    size_t plane = (size_t)images->height * images->width;
    const unsigned char *in = images->pixels + plane * images->channels * i;
    for (unsigned k = 0; k < images->channels; k++, in += plane, out += plane) {
        if (w.x || w.y) clear_margins(&seen, out);
        switch (p->normalize) {
        case HW_NORMALIZE_NONE: scaled(&seen, in, p->scale, p->shift, out); break;
        case HW_NORMALIZE_MEAN_IMAGE: less_mean(&seen, in, p->scale, p->mean + plane * k, out); break;
        case HW_NORMALIZE_CHANNELS: scaled(&seen, in, p->channel_scale[k], p->channel_mean[k], out); break;
        }
    }
}
