/* cifar.h (internal) - the one reader of both CIFAR formats, with its cap as an argument so that tests can reach it. */
#ifndef HW__DATA_IMAGES_CIFAR_H
#define HW__DATA_IMAGES_CIFAR_H

#include "hogwild/data.h"

/* A record: `labels` bytes of labels, each below its bound, then 3 x 32 x 32 bytes. */
typedef struct hw__cifar_format {
    const char *name;
    unsigned labels, bound[2];
    const char *label[2];
} hw__cifar_format;

extern const hw__cifar_format hw__cifar_10, hw__cifar_100;

/* Appends the images of all files, label number `kept` of each record; at most `cap` bytes a file once unpacked. On an
 * error nothing is allocated. */
hw_status hw__cifar_read_files(const hw__cifar_format *format, unsigned kept, const char *const *paths, size_t n,
                               size_t cap, hw_images *images, char *why);

#endif
