/* data.h - images: the readers of IDX (MNIST), CIFAR-10 and CIFAR-100, generators of digits and of textures, what turns
 * bytes into a net's floats (mean, scale, crops, mirrors), and where data is looked for. Every byte of a file is
 * untrusted: what is allocated follows the bytes present, never a size that a file claims. */
#ifndef HOGWILD_DATA_H
#define HOGWILD_DATA_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* count images of channels x height x width bytes (0 .. 255, row-major, one after the other), and count labels below
 * classes. Owned by the struct; hw_images_free accepts a zeroed one. Read-only use from many threads is safe. */
typedef struct hw_images {
    uint32_t count;
    unsigned channels, height, width, classes;
    unsigned char *pixels, *labels;
} hw_images;

HW_API void hw_images_free(hw_images *images);

/* A copy of the images whose label is below `classes`, in their order: fewer classes of the same data. `to` is set
 * whole (free it before, if it held something) and owns its bytes. HW_E_ARGUMENT: classes is 0 or more than there are,
 * or no image is left; HW_E_MEMORY. On an error `to` is zeroed. */
HW_API hw_status hw_images_select(const hw_images *from, unsigned classes, hw_images *to, char *why);

/* Read a pair of IDX files, plain or gzip: images (magic 0x00000803) and labels (0x00000801). On an error nothing is
 * allocated and why (HW_WHY bytes) names the file and what is wrong with it. Labels must be below `classes`. */
HW_API hw_status hw_idx_read(const char *images_path, const char *labels_path, unsigned classes, hw_images *images,
                             char *why);

/* The MNIST files of `folder` (train-images-idx3-ubyte[.gz] and so on, also in a subfolder mnist). */
HW_API hw_status hw_mnist_read(const char *folder, hw_images *train, hw_images *test, char *why);

/* Any other pair of training and test images in the same format: `set`-train-images-idx3-ubyte[.gz],
 * -train-labels-idx1-, and test or t10k for the test images, in `folder` or a subfolder mnist (EMNIST: set
 * "emnist-letters"). Classes go from the smallest label of the training images to the largest, and become 0 .. classes
 * - 1: EMNIST's letters are 1 .. 26. HW_E_FORMAT where a test label is none of them, or the sizes differ. */
HW_API hw_status hw_idx_set_read(const char *folder, const char *set, hw_images *train, hw_images *test, char *why);

/* CIFAR-10's binary files (records of a label and 3,072 bytes), plain or gzip, one after the other; at most 1 GiB a
 * file once unpacked (HW_E_LIMIT). Memory: the images, and up to twice as much while they are read. On an error nothing
 * is allocated and why (HW_WHY bytes) names the file, and says so where it is of CIFAR-100. HW_E_ARGUMENT, HW_E_IO,
 * HW_E_FORMAT, HW_E_LIMIT, HW_E_MEMORY. Many threads may read at once. */
HW_API hw_status hw_cifar10_files(const char *const *paths, size_t n, hw_images *images, char *why);
/* The batches of `folder` (data_batch_1.bin[.gz] and so on, also in cifar10 or cifar-10-batches-bin). ORIGINAL: 50,000
 * to train on, test_batch (or test_batch_first1000) to test. HOLDOUT: batches 1 to 4 to train on, batch 5 to test. */
typedef enum hw_cifar_split { HW_CIFAR_ORIGINAL, HW_CIFAR_HOLDOUT } hw_cifar_split;
HW_API hw_status hw_cifar10_read(const char *folder, hw_cifar_split split, hw_images *train, hw_images *test,
                                 char *why);
/* The class of a label of CIFAR-10, "airplane" .. "truck"; NULL from 10 on. Static. */
HW_API const char *hw_cifar10_class(unsigned label);

/* CIFAR-100's binary files (records of a coarse label below 20, a fine label below 100 and 3,072 bytes): as CIFAR-10's.
 * Both labels are checked whichever is kept; images->classes becomes 100 (FINE) or 20 (COARSE). */
typedef enum hw_cifar_labels { HW_CIFAR_FINE, HW_CIFAR_COARSE } hw_cifar_labels;
HW_API hw_status hw_cifar100_files(const char *const *paths, size_t n, hw_cifar_labels labels, hw_images *images,
                                   char *why);
/* train.bin[.gz] and test.bin[.gz] of `folder`, or of its subfolder cifar100 or cifar-100-binary. */
HW_API hw_status hw_cifar100_read(const char *folder, hw_cifar_labels labels, hw_images *train, hw_images *test,
                                  char *why);

/* Where data is: $HOGWILD_DATA, else $XDG_DATA_HOME/hogwild, else $HOME/.local/share/hogwild; "" where none of these
 * is set. Only names a folder, does not look into it. */
HW_API void hw_data_folder(char *path, size_t size);

/* Handwritten-like digits, 28x28: strokes with a random pen, affine and elastic distortion, blur and noise. The same
 * seed gives the same images on every machine with IEEE arithmetic of the same libm. Image i depends on (seed, i)
 * only. HW_E_MEMORY. */
HW_API hw_status hw_digits_generate(uint32_t count, uint64_t seed, hw_images *images);

/* Textures of CIFAR's shape, 3 x 32 x 32, in 2 to 100 classes: gratings whose orientation, frequency and crossing are
 * the class, at random phase, colour and contrast, with noise and a covered patch. As reproducible as the digits. From
 * 10,000 images a linear model learns at best 22 % of 10 classes and 13 % of 100, two convolutions 83 % and 86 %. */
HW_API hw_status hw_textures_generate(uint32_t count, unsigned classes, uint64_t seed, hw_images *images);

/* How bytes become floats: one scale and shift for all; the mean image taken off first (Krizhevsky 2009); every channel
 * by a mean and a scale of its own. */
typedef enum hw_normalize { HW_NORMALIZE_NONE, HW_NORMALIZE_MEAN_IMAGE, HW_NORMALIZE_CHANNELS } hw_normalize;

/* The mean image: mean[channels x height x width] in bytes' units (0 .. 255). Summed in integers, so exact up to the
 * last rounding. Allocates nothing. HW_E_ARGUMENT: no images. */
HW_API hw_status hw_images_mean(const hw_images *images, float *mean);
/* mean[channels] and deviation[channels] (of the population: divided by the count) of every channel, in bytes' units. A
 * channel that is constant gets deviation 1, so that 1 / deviation is always a number. As exact as the mean. */
HW_API hw_status hw_images_moments(const hw_images *images, float *mean, float *deviation);

/* Changes of a training image that keep its class. The image is surrounded by `pad` pixels that become 0 (which is the
 * mean once normalised) and a window of its own size is cut out at random, all (2 pad + 1)^2 places alike; then, with
 * probability 1/2, left and right are exchanged. pad is below both sides of the image. */
typedef struct hw_augment {
    size_t struct_size; /* sizeof(hw_augment); set by hw_augment_defaults() */
    unsigned pad;       /* 4, as He et al. (2016) on CIFAR; 0: no window */
    int flip;           /* 1; 0: never */
} hw_augment;
HW_API hw_augment hw_augment_defaults(void);
HW_API hw_status hw_augment_check(const hw_augment *augment, const hw_images *images, char *why);

/* How images are handed to a net. A struct per run, read by all threads; mean belongs to the caller and stays valid and
 * unchanged. With b a byte of channel k, output x is
 *
 *   NONE        x = scale * (b - shift)
 *   MEAN_IMAGE  x = scale * (b - mean[the place of b in its own image, before window and flip])
 *   CHANNELS    x = channel_scale[k] * (b - channel_mean[k])
 *
 * and 0 where the window looks beyond the image, in all three. */
typedef struct hw_preparation {
    size_t struct_size; /* sizeof(hw_preparation); set by hw_preparation_defaults() */
    hw_normalize normalize;
    float scale, shift;                      /* 1/256 and 0; shift: NONE only, scale: NONE and MEAN_IMAGE */
    const float *mean;                       /* channels x height x width floats, as of hw_images_mean */
    float channel_mean[4], channel_scale[4]; /* 0 and 1/256; channel_scale: usually 1 / deviation */
} hw_preparation;
HW_API hw_preparation hw_preparation_defaults(void);
/* Fit for these images? HW_E_ARGUMENT with a sentence: struct_size, an unknown mode, a scale or mean that is not
 * finite, a scale of 0, no mean image, more than 4 channels for CHANNELS. Looks at every float of the mean image. */
HW_API hw_status hw_preparation_check(const hw_preparation *p, const hw_images *images, char *why);

/* Image i as floats: out[channels x height x width], augmented unless augment is NULL, in one pass. What the random
 * numbers give depends on (seed, step, position in the minibatch) only, never on the thread or on earlier calls. p and
 * augment have passed their checks and i < images->count: nothing is checked here. No lock, no memory, cannot fail; any
 * number of threads, each with its own out (any alignment). */
HW_API void hw_image_prepare(const hw_images *images, uint32_t i, const hw_preparation *p, const hw_augment *augment,
                             uint64_t seed, uint64_t step, uint32_t position, float *out);

#ifdef __cplusplus
}
#endif
#endif
