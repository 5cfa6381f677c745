/* cifar.c - CIFAR-10's binary files, plain or gzip: records of a label and 3 x 32 x 32 bytes. Sizes are believed only
 * as far as the bytes that are there. */
#include "../base/base.h"
#include "hogwild/data.h"
#include <string.h>
#include <unistd.h>

#define PIXELS  3072u
#define RECORD  (PIXELS + 1)
#define MOST    ((size_t)1 << 30)
#define CLASSES 10u

static hw_status append(const char *path, hw_images *to, char *why)
{
    base_file f;
    hw_status status = base_read_file(path, MOST, &f, why);
    if (status != HW_OK) return status;
    uint32_t n = (uint32_t)(f.size / RECORD);
    if (f.size % RECORD || n == 0)
        status =
            base_fail(why, HW_E_FORMAT,
                      "%.140s: %zu bytes are no whole number of CIFAR-10 records of %u: it is of another format or "
                      "cut short",
                      path, f.size, RECORD);
    for (uint32_t i = 0; status == HW_OK && i < n; i++)
        if (f.data[(size_t)i * RECORD] >= CLASSES)
            status = base_fail(why, HW_E_FORMAT, "%.120s: the label of record %u is %u: it must be below %u", path, i,
                               f.data[(size_t)i * RECORD], CLASSES);
    hw_images all = {to->count + n, 3, 32, 32, CLASSES, NULL, NULL};
    if (status == HW_OK) {
        all.pixels = base_zalloc(all.count, PIXELS);
        all.labels = base_zalloc(all.count, 1);
        if (!all.pixels || !all.labels) {
            hw_images_free(&all);
            status = base_fail(why, HW_E_MEMORY, "%.140s: no memory for %u images", path, to->count + n);
        }
    }
    if (status == HW_OK) {
        if (to->count) {
            memcpy(all.pixels, to->pixels, (size_t)to->count * PIXELS);
            memcpy(all.labels, to->labels, to->count);
        }
        for (uint32_t i = 0; i < n; i++) {
            const unsigned char *record = f.data + (size_t)i * RECORD;
            all.labels[to->count + i] = record[0];
            memcpy(all.pixels + (size_t)(to->count + i) * PIXELS, record + 1, PIXELS);
        }
        hw_images_free(to);
        *to = all;
    }
    base_free(f.data);
    return status;
}

hw_status hw_cifar10_files(const char *const *paths, size_t n, hw_images *images, char *why)
{
    memset(images, 0, sizeof *images);
    if (!paths || !n) return base_fail(why, HW_E_ARGUMENT, "hw_cifar10_files: one path or more is needed");
    hw_status status = HW_OK;
    for (size_t i = 0; i < n && status == HW_OK; i++) status = append(paths[i], images, why);
    if (status != HW_OK) hw_images_free(images);
    return status;
}

/* folder/name.bin[.gz], also in the folders that the archives unpack to; false where there is none. */
static bool find(const char *folder, const char *name, char *path, size_t size)
{
    static const char *const folders[] = {"", "cifar10/", "cifar-10-batches-bin/"};
    for (size_t i = 0; i < 6; i++) {
        int n = snprintf(path, size, "%s/%s%s.bin%s", folder, folders[i / 2], name, i % 2 ? "" : ".gz");
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
    }
    return false;
}

hw_status hw_cifar10_read(const char *folder, hw_cifar_split split, hw_images *train, hw_images *test, char *why)
{
    char path[6][1024], name[32];
    const char *paths[6];
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    if (!folder) return base_fail(why, HW_E_ARGUMENT, "hw_cifar10_read: a folder is needed");
    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof name, i < 5 ? "data_batch_%d" : "test_batch", i + 1);
        paths[i] = path[i];
        if (i == 5 && split == HW_CIFAR_HOLDOUT) break;
        if (find(folder, name, path[i], sizeof path[i])) continue;
        if (i == 5 && find(folder, "test_batch_first1000", path[i], sizeof path[i])) continue;
        return base_fail(why, HW_E_IO, "%.120s: there is no %s.bin.gz (nor without .gz, nor in a folder cifar10)",
                         folder, name);
    }
    size_t n = split == HW_CIFAR_HOLDOUT ? 4 : 5;
    hw_status status = hw_cifar10_files(paths, n, train, why);
    if (status == HW_OK) status = hw_cifar10_files(paths + n, 1, test, why);
    if (status != HW_OK) hw_images_free(train);
    return status;
}
