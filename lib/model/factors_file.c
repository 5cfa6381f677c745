/* factors_file.c - a factorisation as a file: one line of text, then ids, factors and biases as little-endian numbers
 * (docs/formats.md). */
#include "../base/bytes.h"
#include "../base/files.h"
#include "../base/hash.h"
#include "../base/number.h"
#include "factors.h"
#include <inttypes.h>
#include <string.h>

enum { LINE = 512, VERSION = 2 }; /* version 1 has no checksum of its line */

/* The bytes behind the line, in order: ids (8 bytes each), then rank factors and a bias a row, users first. One walk
 * serves writing, reading and the checksum. */
typedef struct walk {
    FILE *out;               /* WRITE, or NULL */
    const unsigned char *in; /* READ, or NULL */
    uint64_t hash;
} walk;

static void number(walk *w, uint64_t *value, unsigned bytes)
{
    unsigned char b[8];
    if (w->in) {
        *value = hw__bytes_get(w->in, bytes);
        w->in += bytes;
    }
    hw__bytes_put(b, *value, bytes);
    if (w->out) (void)fwrite(b, 1, bytes, w->out); /* the writer asks at the end */
    w->hash = hw__hash(w->hash, b, bytes);
}

static void go_through(walk *w, hw_factors *f)
{
    const hw_pairs *p = &f->model.pairs;
    for (uint32_t i = 0; f->user.id && i < f->users; i++) number(w, f->user.id + i, 8);
    for (uint32_t i = 0; f->item.id && i < f->items; i++) number(w, f->item.id + i, 8);
    for (size_t r = 0; r < (size_t)f->users + f->items; r++)
        for (unsigned d = 0; d <= p->rank; d++) {
            float *at = f->x + (d < p->rank ? r * p->stride + d : p->head_a + 2 * r);
            uint32_t bits;
            memcpy(&bits, at, sizeof bits);
            uint64_t value = bits;
            number(w, &value, 4);
            bits = (uint32_t)value;
            memcpy(at, &bits, sizeof bits);
        }
}

/* The line as far as the checksum, which in version 2 is of it too; its length. */
static size_t line_of(const hw_factors *f, unsigned version, char *line)
{
    const hw_pairs *p = &f->model.pairs;
    char mean[40], low[40], high[40];
    (void)hw__number_print(mean, sizeof mean, 9, (double)p->mean);
    (void)hw__number_print(low, sizeof low, 9, (double)f->low);
    (void)hw__number_print(high, sizeof high, 9, (double)f->high);
    int n = snprintf(line, LINE,
                     "hogwild-matrix %u users %" PRIu32 " items %" PRIu32
                     " rank %u biases %d ids %d mean %s low %s high %s checksum ",
                     version, f->users, f->items, p->rank, p->biases, f->user.id != NULL, mean, low, high);
    return n > 0 && n < LINE - 20 ? (size_t)n : 0;
}

static uint64_t start_of(unsigned version, const char *line, size_t n)
{
    return version == 1 ? HW__HASH_START : hw__hash(HW__HASH_START, line, n);
}

hw_status hw_factors_save(const hw_factors *f, const char *path, char *why)
{
    hw__file_writer w;
    char line[LINE];
    if (!f || !path) return hw__base_fail(why, HW_E_ARGUMENT, "factors and a path are needed");
    size_t n = line_of(f, VERSION, line);
    walk sum = {NULL, NULL, start_of(VERSION, line, n)};
    go_through(&sum, (hw_factors *)f); /* without `in` nothing is changed */
    hw_status status = hw__file_write_begin(&w, path, why);
    if (status != HW_OK) return status;
    walk bytes = {w.stream, NULL, 0};
    (void)fwrite(line, 1, n, w.stream);
    fprintf(w.stream, "%016" PRIx64 "\n", sum.hash);
    go_through(&bytes, (hw_factors *)f);
    return hw__file_write_end(&w, why);
}

/* "key number" at *at, which moves behind it. */
static bool take(const char **at, const char *key, double low, double high, double *x)
{
    size_t n = strlen(key);
    if (strncmp(*at, key, n) != 0 || !hw__number_parse(*at + n, at, x)) return false;
    return *x >= low && *x <= high;
}

static bool parse_line(hw_factors *f, const char *line, unsigned *version, bool *ids)
{
    double number, users, items, rank, biases, with, mean, low, high;
    const char *at = line;
    if (!take(&at, "hogwild-matrix ", 1, VERSION, &number) || !take(&at, " users ", 1, UINT32_MAX - 1, &users) ||
        !take(&at, " items ", 1, UINT32_MAX - 1, &items) || !take(&at, " rank ", 1, 1024, &rank) ||
        !take(&at, " biases ", 0, 1, &biases) || !take(&at, " ids ", 0, 1, &with) ||
        !take(&at, " mean ", -3e38, 3e38, &mean) || !take(&at, " low ", -3e38, 3e38, &low) ||
        !take(&at, " high ", low, 3e38, &high))
        return false;
    *version = (unsigned)number;
    f->users = (uint32_t)users;
    f->items = (uint32_t)items;
    f->model.pairs.rank = (unsigned)rank;
    f->model.pairs.biases = biases > 0;
    f->model.pairs.mean = (float)mean;
    f->low = (float)low;
    f->high = (float)high;
    *ids = with > 0;
    return true;
}

static hw_status parse(hw_factors *f, const hw__file *file, const char *path, char *why)
{
    char line[LINE], again[LINE];
    const unsigned char *end = memchr(file->data, '\n', file->size < LINE - 1 ? file->size : LINE - 1);
    size_t n = end ? (size_t)(end - file->data) + 1 : 0;
    bool ids = false;
    unsigned version = 0;
    memcpy(line, file->data, n);
    line[n] = 0;
    if (!parse_line(f, line, &version, &ids))
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: this is no file of a factorisation", path);
    /* What the line promises is held against the bytes that are there before any memory is taken. */
    uint64_t row = 4 * ((uint64_t)f->model.pairs.rank + 1) + (ids ? 8 : 0), rows = (uint64_t)f->users + f->items;
    if (rows * row != file->size - n)
        return hw__base_fail(why, HW_E_FORMAT, "%.120s: its first line promises %llu bytes, and %zu follow it", path,
                             (unsigned long long)(rows * row), file->size - n);
    hw_status status = hw__factors_lay_out(f, ids, why);
    if (status != HW_OK) return status;
    size_t length = line_of(f, version, again);
    walk w = {NULL, file->data + n, start_of(version, again, length)};
    go_through(&w, f);
    (void)snprintf(again + length, LINE - length, "%016" PRIx64 "\n", w.hash);
    if (strlen(again) != n || memcmp(again, line, n) != 0)
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: the checksum does not fit: the file is damaged", path);
    const hw_pairs *p = &f->model.pairs;
    if (!hw__base_all_finite(f->x, p->head_b + 2 * (size_t)f->items))
        return hw__base_fail(why, HW_E_FORMAT, "%.160s: a factor is not finite", path);
    if (!hw__factors_order(f)) return hw__base_fail(why, HW_E_FORMAT, "%.160s: an id comes twice", path);
    return HW_OK;
}

hw_status hw_factors_load(hw_factors **out, const char *path, char *why)
{
    hw__file file;
    if (!out || !path) return hw__base_fail(why, HW_E_ARGUMENT, "the address for the factors and a path are needed");
    *out = NULL;
    hw_status status = hw__file_read(path, SIZE_MAX / 4, &file, why);
    if (status != HW_OK) return status;
    hw_factors *f = hw__base_zalloc(1, sizeof *f);
    status = f ? parse(f, &file, path, why) : hw__base_fail(why, HW_E_MEMORY, "%.160s: no memory", path);
    hw__base_free(file.data);
    if (status != HW_OK) {
        hw_factors_free(f);
        return status;
    }
    *out = f;
    return HW_OK;
}
