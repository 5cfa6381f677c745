/* digits.c - a generator of handwritten-like digits: strokes through jittered control points, a random pen, affine and
 * elastic distortion, blur and noise. A stand-in for MNIST, not a model of it. */
#include "../../base/base.h"
#include "hogwild/data.h"
#include <math.h>
#include <string.h>

#define SIDE   28
#define POINTS 160

typedef struct point {
    double x, y;
} point;

/* Control points in a unit square, y down; a stroke ends at x < 0. Two ways to write each digit. */
static const point shapes[10][2][20] = {
    {{{.5, .08}, {.25, .2}, {.18, .5}, {.27, .82}, {.5, .93}, {.74, .8}, {.82, .5}, {.73, .2}, {.5, .08}, {-1, 0}},
     {{.58, .1}, {.33, .16}, {.26, .5}, {.33, .84}, {.52, .92}, {.68, .8}, {.74, .5}, {.66, .2}, {.44, .1}, {-1, 0}}},
    {{{.5, .08}, {.5, .35}, {.5, .65}, {.5, .93}, {-1, 0}},
     {{.33, .3}, {.45, .2}, {.55, .08}, {.54, .4}, {.53, .93}, {-1, 0}, {.36, .93}, {.54, .92}, {.7, .93}, {-1, 0}}},
    {{{.22, .28}, {.32, .12}, {.55, .08}, {.74, .2}, {.72, .4}, {.5, .64}, {.22, .91}, {.5, .88}, {.8, .91}, {-1, 0}},
     {{.25, .25}, {.4, .1}, {.66, .14}, {.7, .34}, {.5, .62}, {.28, .84}, {.24, .74}, {.42, .76}, {.78, .9}, {-1, 0}}},
    {{{.24, .16}, {.45, .07}, {.7, .14}, {.7, .34}, {.48, .46}, {.74, .6}, {.76, .8}, {.5, .93}, {.22, .84}, {-1, 0}},
     {{.24, .1}, {.5, .1}, {.74, .1}, {.58, .26}, {.44, .42}, {.7, .5}, {.74, .76}, {.5, .92}, {.22, .84}, {-1, 0}}},
    {{{.62, .08}, {.4, .36}, {.18, .64}, {.5, .63}, {.84, .63}, {-1, 0}, {.64, .34}, {.63, .6}, {.62, .94}, {-1, 0}},
     {{.26, .1}, {.24, .34}, {.28, .5}, {.5, .52}, {.72, .48}, {-1, 0}, {.74, .08}, {.72, .5}, {.7, .93}, {-1, 0}}},
    {{{.76, .09},
      {.5, .1},
      {.3, .1},
      {.28, .28},
      {.26, .44},
      {.5, .4},
      {.74, .52},
      {.74, .78},
      {.5, .92},
      {.22, .84},
      {-1, 0}},
     {{.34, .12},
      {.32, .3},
      {.3, .44},
      {.52, .42},
      {.7, .56},
      {.68, .8},
      {.46, .92},
      {.24, .84},
      {-1, 0},
      {.34, .12},
      {.56, .12},
      {.78, .1},
      {-1, 0}}},
    {{{.68, .08}, {.42, .24}, {.26, .54}, {.3, .82}, {.52, .93}, {.72, .8}, {.7, .6}, {.5, .52}, {.3, .66}, {-1, 0}},
     {{.44, .07}, {.32, .34}, {.27, .66}, {.4, .9}, {.62, .88}, {.68, .7}, {.52, .58}, {.34, .68}, {.32, .8}, {-1, 0}}},
    {{{.2, .12}, {.5, .1}, {.8, .12}, {.62, .44}, {.5, .68}, {.42, .94}, {-1, 0}},
     {{.22, .16},
      {.48, .12},
      {.78, .1},
      {.64, .38},
      {.5, .66},
      {.44, .93},
      {-1, 0},
      {.34, .5},
      {.54, .48},
      {.74, .5},
      {-1, 0}}},
    {{{.5, .48},
      {.28, .34},
      {.3, .14},
      {.5, .07},
      {.7, .16},
      {.7, .34},
      {.5, .48},
      {.26, .64},
      {.28, .86},
      {.5, .93},
      {.74, .85},
      {.74, .64},
      {.5, .48},
      {-1, 0}},
     {{.7, .18},
      {.5, .08},
      {.3, .18},
      {.36, .38},
      {.6, .56},
      {.7, .78},
      {.5, .92},
      {.3, .78},
      {.42, .54},
      {.64, .36},
      {.7, .18},
      {-1, 0}}},
    {{{.72, .3}, {.62, .12}, {.4, .1}, {.28, .28}, {.38, .48}, {.6, .46}, {.72, .28}, {.72, .6}, {.68, .94}, {-1, 0}},
     {{.7, .26}, {.5, .08}, {.3, .24}, {.36, .46}, {.58, .46}, {.7, .26}, {.66, .6}, {.52, .84}, {.34, .93}, {-1, 0}}},
};

static double spread(hw_rng *rng, double amount)
{
    return amount * (2 * hw_rng_uniform(rng) - 1);
}

/* Catmull-Rom through p1, p2. */
static double through(double p0, double p1, double p2, double p3, double t)
{
    return 0.5 *
           (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t * t + (3 * p1 - p0 - 3 * p2 + p3) * t * t * t);
}

/* The digit as line segments [i], [i + 1]; a break has x < -1. */
static int trace(hw_rng *rng, unsigned digit, point *out)
{
    const point *shape = shapes[digit][hw_rng_below(rng, 2)];
    point control[20];
    int n = 0, from = 0;
    for (int i = 0; i < 20 && n < POINTS - 8; i++) {
        control[i] = shape[i];
        if (shape[i].x >= 0) {
            control[i].x += 0.035 * hw_rng_normal(rng);
            control[i].y += 0.03 * hw_rng_normal(rng);
            continue;
        }
        for (int k = from; k + 1 < i; k++) {
            point a = control[k > from ? k - 1 : k], b = control[k], c = control[k + 1],
                  d = control[k + 2 < i ? k + 2 : k + 1];
            for (int s = 0; s < 5; s++)
                out[n++] = (point){through(a.x, b.x, c.x, d.x, s / 5.0), through(a.y, b.y, c.y, d.y, s / 5.0)};
        }
        out[n++] = control[i - 1];
        out[n++] = (point){-9, -9};
        from = i + 1;
        if (i + 1 < 20 && shape[i + 1].x == 0 && shape[i + 1].y == 0) break;
    }
    return n;
}

static void distort(hw_rng *rng, point *p, int n)
{
    double turn = 0.24 * hw_rng_normal(rng), shear = 0.25 * hw_rng_normal(rng), wide = 15.5 * (1 + spread(rng, 0.25)),
           tall = 19.5 * (1 + spread(rng, 0.18)), dx = spread(rng, 2.8), dy = spread(rng, 2.2), wave[8];
    for (int i = 0; i < 8; i++) wave[i] = i < 4 ? 0.9 * hw_rng_normal(rng) : 6.283185307 * hw_rng_uniform(rng);
    for (int i = 0; i < n; i++) {
        if (p[i].x < -1) continue;
        double x = (p[i].x - 0.5) * wide, y = (p[i].y - 0.5) * tall, u = p[i].x, v = p[i].y;
        x += shear * y;
        double rx = cos(turn) * x - sin(turn) * y, ry = sin(turn) * x + cos(turn) * y;
        /* Elastic: a smooth field of two waves a coordinate. */
        rx += wave[0] * sin(5 * v + wave[4]) + wave[1] * sin(7 * u + wave[5]);
        ry += wave[2] * sin(5 * u + wave[6]) + wave[3] * sin(7 * v + wave[7]);
        p[i] = (point){14 + dx + rx, 14 + dy + ry};
    }
}

static double distance(point p, point a, point b)
{
    double vx = b.x - a.x, vy = b.y - a.y, wx = p.x - a.x, wy = p.y - a.y, length = vx * vx + vy * vy;
    double t = length > 0 ? (wx * vx + wy * vy) / length : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    wx -= t * vx;
    wy -= t * vy;
    return sqrt(wx * wx + wy * wy);
}

static void draw(hw_rng *rng, unsigned digit, unsigned char *image)
{
    point p[POINTS];
    float near[SIDE * SIDE];
    int n = trace(rng, digit, p);
    distort(rng, p, n);
    double pen = 0.75 + 0.75 * hw_rng_uniform(rng), soft = 0.5 + 0.6 * hw_rng_uniform(rng),
           ink = 190 + 65 * hw_rng_uniform(rng), noise = 18 * hw_rng_uniform(rng);
    for (int i = 0; i < SIDE * SIDE; i++) near[i] = 99;
    for (int s = 0; s + 1 < n; s++) {
        if (p[s].x < -1 || p[s + 1].x < -1) continue;
        /* Only pixels within reach of the segment are looked at. */
        int x0 = (int)floor(fmin(p[s].x, p[s + 1].x) - 3.5), x1 = (int)ceil(fmax(p[s].x, p[s + 1].x) + 3.5);
        int y0 = (int)floor(fmin(p[s].y, p[s + 1].y) - 3.5), y1 = (int)ceil(fmax(p[s].y, p[s + 1].y) + 3.5);
        for (int y = y0 < 0 ? 0 : y0; y <= y1 && y < SIDE; y++)
            for (int x = x0 < 0 ? 0 : x0; x <= x1 && x < SIDE; x++) {
                double d = distance((point){x + 0.5, y + 0.5}, p[s], p[s + 1]);
                if (d < (double)near[y * SIDE + x]) near[y * SIDE + x] = (float)d;
            }
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        double v = ink * fmin(1, fmax(0, (pen + soft - (double)near[i]) / (2 * soft)));
        if (hw_rng_below(rng, 4) == 0) v += noise * hw_rng_normal(rng); /* specks, on a quarter of the pixels */
        image[i] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

hw_status hw_digits_generate(uint32_t count, uint64_t seed, hw_images *images)
{
    memset(images, 0, sizeof *images);
    if (count < 1) return HW_E_ARGUMENT;
    *images = (hw_images){count, 1, SIDE, SIDE, 10, hw__base_zalloc(count, SIDE * SIDE), hw__base_zalloc(count, 1)};
    if (!images->pixels || !images->labels) {
        hw_images_free(images);
        return HW_E_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        hw_rng rng;
        hw_rng_seed(&rng, seed ^ 0xd161u, i);
        unsigned digit = (unsigned)hw_rng_below(&rng, 10);
        images->labels[i] = (unsigned char)digit;
        draw(&rng, digit, images->pixels + (size_t)i * SIDE * SIDE);
    }
    return HW_OK;
}
