/* idx.c - IDX files, plain or gzip. The header is read first and believed only as far as the file's bytes bear it out.
 */
#include "../../base/files.h"
#include "../../base/base.h"
#include "hogwild/data.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES ((uint64_t)1 << 31)

void hw_images_free(hw_images *images)
{
    if (!images) return;
    hw__base_free(images->pixels);
    hw__base_free(images->labels);
    memset(images, 0, sizeof *images);
}

static uint32_t big_endian(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Reads a file of `dimensions` dimensions whole; file->data then begins after the header. */
static hw_status read_idx(const char *path, unsigned dimensions, const char *what, uint32_t *size, hw__file *file,
                          char *why)
{
    unsigned char header[16];
    size_t got, length = 4 + 4 * dimensions;
    uint64_t bytes = 1;
    memset(file, 0, sizeof *file);
    hw_status status = hw__file_peek(path, header, length, &got, why);
    if (status != HW_OK) return status;
    if (got < length)
        return hw__base_fail(why, HW_E_FORMAT, "%.140s: only %zu bytes: an IDX header of %s takes %zu", path, got, what,
                             length);
    if (header[0] || header[1] || header[2] != 8 || header[3] != dimensions)
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.140s: the first bytes are %02x %02x %02x %02x: an IDX file of %s begins 00 00 "
                             "08 %02x",
                             path, header[0], header[1], header[2], header[3], what, dimensions);
    for (unsigned d = 0; d < dimensions; d++) {
        size[d] = big_endian(header + 4 + 4 * d);
        if (size[d] == 0 || size[d] > MOST_BYTES / bytes)
            return hw__base_fail(why, size[d] ? HW_E_LIMIT : HW_E_FORMAT,
                                 "%.140s: the header's dimension %u is %u: it must be at "
                                 "least 1, and all together at most %llu bytes",
                                 path, d + 1, size[d], (unsigned long long)MOST_BYTES);
        bytes *= size[d];
    }
    /* One byte more than promised shows a file that is too long. The buffer grows with the bytes that come. */
    status = hw__file_read(path, length + bytes + 1, file, why);
    if (status != HW_OK && status != HW_E_LIMIT) return status;
    if (status == HW_E_LIMIT || file->size != length + bytes) {
        size_t held = status == HW_E_LIMIT ? 0 : file->size - length;
        hw__base_free(file->data);
        memset(file, 0, sizeof *file);
        if (status == HW_E_LIMIT || held > bytes)
            return hw__base_fail(why, HW_E_FORMAT,
                                 "%.120s: the header promises %llu bytes of %s but the file holds more", path,
                                 (unsigned long long)bytes, what);
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.120s: the header promises %llu bytes of %s but the file holds %zu: the "
                             "download is probably cut short",
                             path, (unsigned long long)bytes, what, held);
    }
    memmove(file->data, file->data + length, bytes);
    file->size = bytes;
    return HW_OK;
}

hw_status hw_idx_read(const char *images_path, const char *labels_path, unsigned classes, hw_images *images, char *why)
{
    hw__file pixels, labels;
    uint32_t size[3] = {0}, count = 0;
    memset(images, 0, sizeof *images);
    if (!images_path || !labels_path || classes < 1 || classes > 256)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_idx_read: two paths and 1 to 256 classes are needed");
    hw_status status = read_idx(labels_path, 1, "labels", &count, &labels, why);
    if (status != HW_OK) return status;
    status = read_idx(images_path, 3, "images", size, &pixels, why);
    if (status == HW_OK && size[0] != count)
        status = hw__base_fail(why, HW_E_FORMAT, "%.100s holds %u images but %.100s holds %u labels", images_path,
                               size[0], labels_path, count);
    if (status == HW_OK && (size[1] > 4096 || size[2] > 4096))
        status = hw__base_fail(why, HW_E_LIMIT, "%.120s: images of %u x %u: at most 4096 x 4096", images_path, size[1],
                               size[2]);
    for (uint32_t i = 0; status == HW_OK && i < count; i++)
        if (labels.data[i] >= classes)
            status = hw__base_fail(why, HW_E_FORMAT, "%.120s: label %u is %u: it must be below %u", labels_path, i,
                                   labels.data[i], classes);
    if (status != HW_OK) {
        hw__base_free(pixels.data);
        hw__base_free(labels.data);
        return status;
    }
    *images = (hw_images){count, 1, size[1], size[2], classes, pixels.data, labels.data};
    return HW_OK;
}

static bool find(const char *folder, const char *name, char *path, size_t size)
{
    static const char *const forms[] = {"%s/%s.gz", "%s/%s", "%s/mnist/%s.gz", "%s/mnist/%s"};
    for (size_t i = 0; i < 4; i++) {
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif
        int n = snprintf(path, size, forms[i], folder, name);
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
    }
    return false;
}

hw_status hw_mnist_read(const char *folder, hw_images *train, hw_images *test, char *why)
{
    static const char *const names[4] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                         "t10k-labels-idx1-ubyte"};
    char path[4][1024];
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    for (int i = 0; i < 4; i++)
        if (!find(folder, names[i], path[i], sizeof path[i]))
            return hw__base_fail(why, HW_E_IO, "%.120s: there is no %s.gz (nor without .gz, nor in a folder mnist)",
                                 folder, names[i]);
    hw_status status = hw_idx_read(path[0], path[1], 10, train, why);
    if (status == HW_OK) status = hw_idx_read(path[2], path[3], 10, test, why);
    if (status != HW_OK) hw_images_free(train);
    return status;
}

/* One half of a set, under any of the names that it is given. */
static hw_status read_half(const char *folder, const char *set, const char *const *halves, size_t n, hw_images *images,
                           char *why)
{
    char name[200], pixels[1024], labels[1024];
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "%.100s-%s-images-idx3-ubyte", set, halves[i]);
        if (!find(folder, name, pixels, sizeof pixels)) continue;
        (void)snprintf(name, sizeof name, "%.100s-%s-labels-idx1-ubyte", set, halves[i]);
        if (!find(folder, name, labels, sizeof labels))
            return hw__base_fail(why, HW_E_IO, "%.120s: there is no %.120s beside its images", folder, name);
        return hw_idx_read(pixels, labels, 256, images, why);
    }
    return hw__base_fail(why, HW_E_IO, "%.110s: there is no %.60s-%s-images-idx3-ubyte, with .gz or without", folder,
                         set, halves[0]);
}

/* Labels first .. last become 0 .. last - first; the number of the first image with another one, or count. */
static uint32_t shift_labels(hw_images *images, unsigned first, unsigned last)
{
    for (uint32_t i = 0; i < images->count; i++) {
        if (images->labels[i] < first || images->labels[i] > last) return i;
        images->labels[i] = (unsigned char)(images->labels[i] - first);
    }
    images->classes = last - first + 1;
    return images->count;
}

hw_status hw_idx_set_read(const char *folder, const char *set, hw_images *train, hw_images *test, char *why)
{
    static const char *const of_train[] = {"train"}, *const of_test[] = {"test", "t10k"};
    if (!folder || !set || !train || !test)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_idx_set_read: a folder, a set and two places for images are needed");
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    hw_status status = read_half(folder, set, of_train, 1, train, why);
    if (status == HW_OK) status = read_half(folder, set, of_test, 2, test, why);
    if (status == HW_OK && (train->width != test->width || train->height != test->height))
        status =
            hw__base_fail(why, HW_E_FORMAT, "%.100s: %.60s has training images of %u x %u and test images of %u x %u",
                          folder, set, train->height, train->width, test->height, test->width);
    if (status == HW_OK) {
        unsigned first = 255, last = 0;
        for (uint32_t i = 0; i < train->count; i++) {
            if (train->labels[i] < first) first = train->labels[i];
            if (train->labels[i] > last) last = train->labels[i];
        }
        (void)shift_labels(train, first, last);
        uint32_t other = shift_labels(test, first, last);
        if (other < test->count)
            status = hw__base_fail(why, HW_E_FORMAT,
                                   "%.100s: label %u of %.60s's test images is %u, and those of the training images go "
                                   "from %u to %u",
                                   folder, other, set, test->labels[other], first, last);
    }
    if (status != HW_OK) {
        hw_images_free(train);
        hw_images_free(test);
    }
    return status;
}

void hw_data_folder(char *path, size_t size)
{
    const char *own = getenv("HOGWILD_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (own && *own)
        (void)snprintf(path, size, "%s", own);
    else if (xdg && *xdg)
        (void)snprintf(path, size, "%s/hogwild", xdg);
    else if (home && *home)
        (void)snprintf(path, size, "%s/.local/share/hogwild", home);
    else if (size)
        path[0] = 0;
}
