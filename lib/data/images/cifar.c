/* cifar.c - the binary files of CIFAR-10 and CIFAR-100, plain or gzip: records of one or two labels and 3 x 32 x 32
 * bytes. Files are read record by record: memory follows the good records that have come, never a claim. */
#include "cifar.h"
#include "../../base/base.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PIXELS 3072u
#define MOST   ((size_t)1 << 30)

const hw__cifar_format hw__cifar_10 = {"CIFAR-10", 1, {10}, {"label"}};
const hw__cifar_format hw__cifar_100 = {"CIFAR-100", 2, {20, 100}, {"coarse label", "fine label"}};

/* One file on its way in. After the first bad label its records are only counted: the file's size tells more. */
typedef struct reading {
    const hw__cifar_format *format;
    const char *path;
    size_t bytes, record, cap;
    bool bad;
    unsigned which; /* of the two labels, at the first record that is bad */
    unsigned value;
    size_t at;
} reading;

/* Doubled by realloc, which moves pages instead of bytes where it can: what earlier files gave is not copied for each
 * file. hw_images_free ends in free. */
static bool make_room(hw_images *to, uint32_t *room, size_t wanted)
{
    if (wanted > SIZE_MAX / PIXELS) return false;
    unsigned char *pixels = realloc(to->pixels, wanted * PIXELS);
    if (pixels) to->pixels = pixels;
    unsigned char *labels = pixels ? realloc(to->labels, wanted) : NULL;
    if (labels) to->labels = labels;
    if (labels) *room = (uint32_t)wanted;
    return labels != NULL;
}

static bool keep(hw_images *to, uint32_t *room, unsigned label, const unsigned char *pixels)
{
    if (to->count == *room && (*room > UINT32_MAX / 2 || !make_room(to, room, *room ? 2 * (size_t)*room : 4)))
        return false;
    to->labels[to->count] = (unsigned char)label;
    memcpy(to->pixels + (size_t)to->count++ * PIXELS, pixels, PIXELS);
    return true;
}

static bool good_labels(reading *r, const unsigned char *record)
{
    for (unsigned k = 0; k < r->format->labels && !r->bad; k++) {
        if (record[k] < r->format->bound[k]) continue;
        r->bad = true;
        r->which = k;
        r->value = record[k];
        r->at = r->bytes / r->record - 1;
    }
    return !r->bad;
}

/* zlib begins its sentences with the path. */
static hw_status fail_read(gzFile in, const char *path, char *why)
{
    int code;
    const char *text = gzerror(in, &code);
    size_t n = strlen(path);
    if (code == Z_ERRNO) return hw__base_fail(why, HW_E_IO, "%.140s: %s", path, strerror(errno));
    if (strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    return hw__base_fail(why, code == Z_MEM_ERROR ? HW_E_MEMORY : HW_E_FORMAT, "%.140s: %.100s", path, text);
}

/* The verdict on a file that was read to its end. */
static hw_status judge(const reading *r, char *why)
{
    const hw__cifar_format *other = r->format == &hw__cifar_10 ? &hw__cifar_100 : &hw__cifar_10;
    size_t its = PIXELS + other->labels;
    if (r->bytes == 0) return hw__base_fail(why, HW_E_FORMAT, "%.140s: the file is empty", r->path);
    if (r->bytes % r->record && r->bytes % its == 0)
        return hw__base_fail(why, HW_E_FORMAT,
                             "%.120s: %zu bytes are %zu records of %s (%zu bytes each), not of %s (%zu bytes each)",
                             r->path, r->bytes, r->bytes / its, other->name, its, r->format->name, r->record);
    if (r->bytes % r->record)
        return hw__base_fail(
            why, HW_E_FORMAT,
            "%.120s: %zu bytes are no whole number of %s records of %zu: it is of another format or cut "
            "short",
            r->path, r->bytes, r->format->name, r->record);
    if (r->bad)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: the %s of record %zu is %u: it must be below %u", r->path,
                             r->format->label[r->which], r->at, r->value, r->format->bound[r->which]);
    return HW_OK;
}

static hw_status read_records(gzFile in, reading *r, unsigned kept, hw_images *to, uint32_t *room, char *why)
{
    unsigned char record[PIXELS + 2];
    int got;
    while ((got = gzread(in, record, (unsigned)r->record)) > 0) {
        r->bytes += (size_t)got;
        if (r->bytes > r->cap)
            return hw__base_fail(why, HW_E_LIMIT, "%.120s: it unpacks to more than the limit of %zu bytes", r->path,
                                 r->cap);
        if ((size_t)got < r->record || !good_labels(r, record)) continue;
        if (!keep(to, room, record[kept], record + r->format->labels))
            return hw__base_fail(why, HW_E_MEMORY, "%.140s: no memory for more than %u images", r->path, to->count);
    }
    return got < 0 ? fail_read(in, r->path, why) : HW_OK;
}

static hw_status append(reading *r, unsigned kept, hw_images *to, uint32_t *room, char *why)
{
    errno = 0;
    gzFile in = gzopen(r->path, "rb");
    if (!in && (errno == 0 || errno == ENOMEM))
        return hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory to read it", r->path);
    if (!in) return hw__base_fail(why, HW_E_IO, "%.160s: %s", r->path, strerror(errno));
    hw_status status = read_records(in, r, kept, to, room, why);
    /* gzread reports a stream that ends early as the end of the file; only the close tells. */
    int closed = gzclose_r(in);
    if (status == HW_OK && closed == Z_BUF_ERROR)
        return hw__base_fail(why, HW_E_FORMAT, "%.150s: the gzip stream ends early: the download is probably cut short",
                             r->path);
    if (status == HW_OK && closed != Z_OK)
        return hw__base_fail(why, HW_E_IO, "%.160s: reading failed at the end", r->path);
    return status == HW_OK ? judge(r, why) : status;
}

hw_status hw__cifar_read_files(const hw__cifar_format *format, unsigned kept, const char *const *paths, size_t n,
                               size_t cap, hw_images *images, char *why)
{
    *images = (hw_images){0, 3, 32, 32, format->bound[kept], NULL, NULL};
    hw_status status = HW_OK;
    uint32_t room = 0;
    for (size_t i = 0; i < n && status == HW_OK; i++) {
        reading r = {.format = format, .path = paths[i], .record = PIXELS + format->labels, .cap = cap};
        status = paths[i] ? append(&r, kept, images, &room, why)
                          : hw__base_fail(why, HW_E_ARGUMENT, "%s: path %zu is NULL", format->name, i);
    }
    if (status == HW_OK && !make_room(images, &room, images->count)) /* what is over goes back */
        status = hw__base_fail(why, HW_E_MEMORY, "%s: no memory for %u images", format->name, images->count);
    if (status != HW_OK) hw_images_free(images);
    return status;
}

hw_status hw_cifar10_files(const char *const *paths, size_t n, hw_images *images, char *why)
{
    memset(images, 0, sizeof *images);
    if (!paths || !n) return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar10_files: one path or more is needed");
    return hw__cifar_read_files(&hw__cifar_10, 0, paths, n, MOST, images, why);
}

hw_status hw_cifar100_files(const char *const *paths, size_t n, hw_cifar_labels labels, hw_images *images, char *why)
{
    memset(images, 0, sizeof *images);
    if (!paths || !n) return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar100_files: one path or more is needed");
    if (labels != HW_CIFAR_FINE && labels != HW_CIFAR_COARSE)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar100_files: labels is %d: 0 (fine) or 1 (coarse)",
                             (int)labels);
    return hw__cifar_read_files(&hw__cifar_100, labels == HW_CIFAR_FINE, paths, n, MOST, images, why);
}

/* folder/name.bin[.gz], also in the folders that the archives unpack to; false where there is none. */
static bool find(const char *folder, const char *const *inner, const char *name, char *path, size_t size)
{
    for (size_t i = 0; i < 6; i++) {
        int n = snprintf(path, size, "%s/%s%s.bin%s", folder, inner[i / 2], name, i % 2 ? "" : ".gz");
        if (n > 0 && (size_t)n < size && access(path, R_OK) == 0) return true;
    }
    return false;
}

hw_status hw_cifar10_read(const char *folder, hw_cifar_split split, hw_images *train, hw_images *test, char *why)
{
    static const char *const inner[] = {"", "cifar10/", "cifar-10-batches-bin/"};
    char path[6][1024], name[32];
    const char *paths[6];
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    if (!folder) return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar10_read: a folder is needed");
    if ((unsigned)split > HW_CIFAR_HOLDOUT)
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar10_read: there is no split %d", (int)split);
    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof name, i < 5 ? "data_batch_%d" : "test_batch", i + 1);
        paths[i] = path[i];
        if (i == 5 && split == HW_CIFAR_HOLDOUT) break;
        if (find(folder, inner, name, path[i], sizeof path[i])) continue;
        if (i == 5 && find(folder, inner, "test_batch_first1000", path[i], sizeof path[i])) continue;
        return hw__base_fail(why, HW_E_IO, "%.120s: there is no %s.bin.gz (nor without .gz, nor in a folder cifar10)",
                             folder, name);
    }
    size_t n = split == HW_CIFAR_HOLDOUT ? 4 : 5;
    hw_status status = hw_cifar10_files(paths, n, train, why);
    if (status == HW_OK) status = hw_cifar10_files(paths + n, 1, test, why);
    if (status != HW_OK) hw_images_free(train);
    return status;
}

hw_status hw_cifar100_read(const char *folder, hw_cifar_labels labels, hw_images *train, hw_images *test, char *why)
{
    static const char *const inner[] = {"", "cifar100/", "cifar-100-binary/"}, *const names[] = {"train", "test"};
    char path[2][1024];
    memset(train, 0, sizeof *train);
    memset(test, 0, sizeof *test);
    if (!folder) return hw__base_fail(why, HW_E_ARGUMENT, "hw_cifar100_read: a folder is needed");
    for (int i = 0; i < 2; i++)
        if (!find(folder, inner, names[i], path[i], sizeof path[i]))
            return hw__base_fail(why, HW_E_IO,
                                 "%.120s: there is no %s.bin.gz (nor without .gz, nor in a folder cifar100)", folder,
                                 names[i]);
    hw_status status = hw_cifar100_files((const char *const[]){path[0]}, 1, labels, train, why);
    if (status == HW_OK) status = hw_cifar100_files((const char *const[]){path[1]}, 1, labels, test, why);
    if (status != HW_OK) hw_images_free(train);
    return status;
}

const char *hw_cifar10_class(unsigned label)
{
    static const char *const names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};
    return label < sizeof names / sizeof *names ? names[label] : NULL;
}
