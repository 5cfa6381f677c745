/* textures.c - images of CIFAR's shape whose class is a texture: the orientation, the frequency and the colours of
 * gratings, at a random phase, so that no linear function of the pixels tells the classes apart. */
#include "../base/base.h"
#include "hogwild/data.h"
#include <math.h>

#define SIDE 32
#define TAU  6.28318530717958648

/* A class: five orientations, then frequencies, then whether a second grating crosses the first. */
typedef struct texture {
    double angle, frequency;
    bool crossed;
} texture;

static texture texture_of(unsigned label, unsigned classes)
{
    unsigned orientations = classes > 10 ? 10 : 5, rest = label / orientations;
    return (texture){TAU / 2 * (label % orientations) / orientations, 0.09 + 0.035 * (rest % 5), rest / 5 % 2 != 0};
}

static unsigned char byte_of(double x)
{
    return (unsigned char)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static void draw(hw_rng *rng, const texture *t, unsigned char *pixels)
{
    double angle = t->angle + 0.16 * hw_rng_normal(rng), f = t->frequency * (1 + 0.12 * hw_rng_normal(rng));
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
            double u = x * cos(angle) + y * sin(angle), v = -x * sin(angle) + y * cos(angle);
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
    images->pixels = base_zalloc(count, 3 * SIDE * SIDE);
    images->labels = base_zalloc(count, 1);
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
