/* predict.c - a saved net alone predicts: mnist --model FILE writes one, and this classifies images with it.
 *
 *     predict FILE [IMAGES LABELS]     a pair of IDX files, plain or gzip; else generated digits */
#include <hogwild.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char why[HW_WHY];
    hw_predictor *p;
    hw_images images;
    if (argc != 2 && argc != 4) return fprintf(stderr, "predict: usage: predict FILE [IMAGES LABELS]\n"), 2;
    if (hw_predictor_load(&p, argv[1], 64, why) != HW_OK) return fprintf(stderr, "predict: %s\n", why), 1;
    unsigned classes = hw_net_outputs(hw_predictor_net(p));
    hw_status status =
        argc == 4 ? hw_idx_read(argv[2], argv[3], classes, &images, why) : hw_digits_generate(500, 7, &images);
    if (status != HW_OK) return fprintf(stderr, "predict: %s\n", argc == 4 ? why : hw_status_text(status)), 1;
    unsigned channels, height, width;
    hw_net_input_shape(hw_predictor_net(p), &channels, &height, &width);
    if (images.channels != channels || images.height != height || images.width != width)
        return fprintf(stderr, "predict: the net takes images of %u x %u x %u, these are %u x %u x %u\n", channels,
                       height, width, images.channels, images.height, images.width),
               2;
    float *probability = malloc((size_t)images.count * classes * sizeof *probability);
    if (!probability) return fprintf(stderr, "predict: no memory\n"), 1;
    hw_predictor_bytes(p, images.pixels, images.count, probability);
    unsigned right = 0;
    for (uint32_t i = 0; i < images.count; i++) {
        const float *row = probability + (size_t)i * classes;
        unsigned best = 0;
        for (unsigned c = 1; c < classes; c++)
            if (row[c] > row[best]) best = c;
        right += best == images.labels[i];
        if (i < 10) printf("image %u: %u (%.1f %%)\n", i, best, 100 * (double)row[best]);
    }
    printf("%u of %u as labelled\n", right, images.count);
    free(probability);
    hw_images_free(&images);
    hw_predictor_free(p);
    return 0;
}
