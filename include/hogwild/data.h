/* data.h - images: the readers of IDX (MNIST) and CIFAR-10, generators of digits and of textures, and where data is
 * looked for. Every byte of a file is untrusted: sizes are checked against the bytes present before anything is
 * allocated. */
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

/* Read a pair of IDX files, plain or gzip: images (magic 0x00000803) and labels (0x00000801). On an error nothing is
 * allocated and why (HW_WHY bytes) names the file and what is wrong with it. Labels must be below `classes`. */
HW_API hw_status hw_idx_read(const char *images_path, const char *labels_path, unsigned classes, hw_images *images,
                             char *why);

/* The MNIST files of `folder` (train-images-idx3-ubyte[.gz] and so on, also in a subfolder mnist). */
HW_API hw_status hw_mnist_read(const char *folder, hw_images *train, hw_images *test, char *why);

/* CIFAR-10's binary files (records of a label and 3,072 bytes), plain or gzip, one after the other. */
HW_API hw_status hw_cifar10_files(const char *const *paths, size_t n, hw_images *images, char *why);
/* The batches of `folder` (data_batch_1.bin[.gz] and so on, also in cifar10 or cifar-10-batches-bin). ORIGINAL: 50,000
 * to train on, test_batch (or test_batch_first1000) to test. HOLDOUT: batches 1 to 4 to train on, batch 5 to test. */
typedef enum hw_cifar_split { HW_CIFAR_ORIGINAL, HW_CIFAR_HOLDOUT } hw_cifar_split;
HW_API hw_status hw_cifar10_read(const char *folder, hw_cifar_split split, hw_images *train, hw_images *test,
                                 char *why);

/* Where data is: $HOGWILD_DATA, else $XDG_DATA_HOME/hogwild, else $HOME/.local/share/hogwild; "" where none of these
 * is set. Only names a folder, does not look into it. */
HW_API void hw_data_folder(char *path, size_t size);

/* Handwritten-like digits, 28x28: strokes with a random pen, affine and elastic distortion, blur and noise. The same
 * seed gives the same images on every machine with IEEE arithmetic of the same libm. Image i depends on (seed, i)
 * only. HW_E_MEMORY. */
HW_API hw_status hw_digits_generate(uint32_t count, uint64_t seed, hw_images *images);

/* Textures of CIFAR's shape, 3 x 32 x 32, in 2 to 100 classes: gratings whose orientation, frequency and crossing are
 * the class, at random phase, colour and contrast, with noise and a covered patch. As reproducible as the digits. */
HW_API hw_status hw_textures_generate(uint32_t count, unsigned classes, uint64_t seed, hw_images *images);

#ifdef __cplusplus
}
#endif
#endif
