/* textures.c - images of CIFAR's shape whose class is a texture: the orientation, the frequency and the colours of
 * gratings, at a random phase, so that no linear function of the pixels tells the classes apart. */
#include "../../base/base.h"
#include "hogwild/data.h"
#include <math.h>

#define SIDE 32
#define TAU  6.28318530717958648

/* A class: the orientation, then the frequency, then whether a second grating crosses the first. The second stands at
 * 60 degrees, not 90: a grating that is crossed at right angles is its own quarter turn, which would be another class.
 */
typedef struct texture {
    double angle, frequency;
    bool crossed;
    double turn, stretch; /* standard deviations of the angle and, relative, of the frequency */
} texture;

/* Up to 10 classes are few and vary much, so that a tenth of the images is ambiguous; of more, each varies less, as its
 * neighbours are nearer. */
static texture texture_of(unsigned label, unsigned classes)
{
    static const double frequencies[] = {0.09, 0.117, 0.152, 0.198, 0.257};
    if (classes <= 10) return (texture){TAU / 2 * (label % 5) / 5, 0.09 + 0.035 * (label / 5 % 5), false, 0.16, 0.12};
    unsigned rest = label / 10;
    return (texture){TAU / 2 * (label % 10) / 10, frequencies[rest % 5], rest / 5 != 0, 0.06, 0.05};
}

static unsigned char byte_of(double x)
{
    return (unsigned char)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static void draw(hw_rng *rng, const texture *t, unsigned char *pixels)
{
    double angle = t->angle + t->turn * hw_rng_normal(rng);
    double f = t->frequency * (1 + t->stretch * hw_rng_normal(rng)), second = angle + TAU / 6;
    double phase = TAU * hw_rng_uniform(rng), other = TAU * hw_rng_uniform(rng);
    double contrast = 25 + 45 * hw_rng_uniform(rng), noise = 18 + 22 * hw_rng_uniform(rng), base[3], colour[3];
    double cx = SIDE * hw_rng_uniform(rng), cy = SIDE * hw_rng_uniform(rng), radius = 3 + 6 * hw_rng_uniform(rng);
    double patch = 255 * hw_rng_uniform(rng);
    for (int c = 0; c < 3; c++) {
        base[c] = 70 + 115 * hw_rng_uniform(rng);
        colour[c] = (hw_rng_uniform(rng) < 0.5 ? -1 : 1) * (0.4 + 0.6 * hw_rng_uniform(rng));
    }
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double u = x * cos(angle) + y * sin(angle), v = x * cos(second) + y * sin(second);
            double wave = sin(TAU * f * u + phase);
            if (t->crossed) wave = 0.6 * (wave + sin(TAU * f * v + other));
            bool covered = (x - cx) * (x - cx) + (y - cy) * (y - cy) < radius * radius;
            for (int c = 0; c < 3; c++) {
                double value = covered ? patch : base[c] + contrast * colour[c] * wave;
                pixels[(c * SIDE + y) * SIDE + x] = byte_of(value + noise * hw_rng_normal(rng));
            }
        }
}

hw_status hw_textures_generate(uint32_t count, unsigned classes, uint64_t seed, hw_images *images)
{
    *images = (hw_images){count, 3, SIDE, SIDE, classes, NULL, NULL};
    if (count < 1 || classes < 2 || classes > 100) {
        images->count = 0;
        return HW_E_ARGUMENT;
    }
    images->pixels = hw__base_zalloc(count, 3 * SIDE * SIDE);
    images->labels = hw__base_zalloc(count, 1);
    if (!images->pixels || !images->labels) {
        hw_images_free(images);
        return HW_E_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        hw_rng rng;
        hw_rng_seed(&rng, seed, i);
        images->labels[i] = (unsigned char)hw_rng_below(&rng, classes);
        texture t = texture_of(images->labels[i], classes);
        draw(&rng, &t, images->pixels + (size_t)i * 3 * SIDE * SIDE);
    }
    return HW_OK;
}
