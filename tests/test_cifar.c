/* test_cifar.c - both CIFAR formats: good files, named bad ones, every length, random changes. */
#include "../lib/data/images/cifar.h"
#include "check.h"
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PIXELS = 3072, MOST = 12 };
static char folder[] = "hogwild-cifar-XXXXXX", path[200];
static unsigned char file_bytes[MOST * (PIXELS + 2) + 1];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static size_t record_of(bool hundred)
{
    return PIXELS + (hundred ? 2 : 1);
}

/* Record r: label r % 10, or coarse r % 20 and fine 3 r % 100; pixel k of it is r + 7 k. */
static size_t records(bool hundred, unsigned n)
{
    size_t size = 0;
    for (unsigned r = 0; r < n; r++) {
        if (hundred) file_bytes[size++] = (unsigned char)(r % 20);
        file_bytes[size++] = (unsigned char)(hundred ? 3 * r % 100 : r % 10);
        for (unsigned k = 0; k < PIXELS; k++) file_bytes[size++] = (unsigned char)(r + 7 * k);
    }
    return size;
}

static void put_bytes(const char *name, const void *bytes, size_t n)
{
    (void)remove(at(name)); /* a new file: some file systems wait for the disk where an old one is emptied */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void put_gzip(const char *name, const void *bytes, size_t n)
{
    (void)remove(at(name));
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

static hw_status read_one(bool hundred, hw_cifar_labels labels, const char *where, hw_images *images, char *why)
{
    return hundred ? hw_cifar100_files(&where, 1, labels, images, why) : hw_cifar10_files(&where, 1, images, why);
}

/* --- good files ----------------------------------------------------------------------------------------------------
 */

static void cifar_100_is_read_with_either_label(void **state)
{
    (void)state;
    char why[HW_WHY] = "", inner[100];
    hw_images train, test;
    assert_int_equal(hw_cifar100_read(folder, HW_CIFAR_FINE, &train, &test, why), HW_E_IO);
    assert_text(why, "train.bin");
    const char *const places[] = {"cifar-100-binary", "cifar100", "."};
    for (int p = 0; p < 3; p++) { /* the places that are looked at first come last */
        assert_true(p == 2 || mkdir(at(places[p]), 0700) == 0);
        snprintf(inner, sizeof inner, "%s/train.bin%s", places[p], p == 1 ? ".gz" : "");
        (p == 1 ? put_gzip : put_bytes)(inner, file_bytes, records(true, (unsigned)(9 + p)));
        if (p == 0) {
            assert_int_equal(hw_cifar100_read(folder, HW_CIFAR_FINE, &train, &test, why), HW_E_IO);
            assert_text(why, "test.bin");
        }
        snprintf(inner, sizeof inner, "%s/test.bin%s", places[p], p == 2 ? ".gz" : "");
        (p == 2 ? put_gzip : put_bytes)(inner, file_bytes, records(true, (unsigned)(2 + p)));
        for (int l = 0; l < 2; l++) {
            hw_cifar_labels labels = l ? HW_CIFAR_COARSE : HW_CIFAR_FINE;
            assert_int_equal(hw_cifar100_read(folder, labels, &train, &test, why), HW_OK);
            assert_int_equal(train.count, 9 + p);
            assert_int_equal(test.count, 2 + p);
            assert_int_equal(train.classes, l ? 20 : 100);
            assert_int_equal(train.channels, 3);
            assert_int_equal(train.height * train.width, 1024);
            for (unsigned i = 0; i < train.count; i++) {
                assert_int_equal(train.labels[i], l ? i : 3 * i);
                for (unsigned k = 0; k < PIXELS; k += 101)
                    assert_int_equal(train.pixels[i * PIXELS + k], (i + 7 * k) & 255);
            }
            hw_images_free(&train);
            hw_images_free(&test);
        }
    }
    assert_int_equal(hw_cifar100_read(folder, (hw_cifar_labels)7, &train, &test, why), HW_E_ARGUMENT);
    assert_int_equal(hw_cifar100_read(NULL, HW_CIFAR_FINE, &train, &test, why), HW_E_ARGUMENT);
    put_bytes("test.bin.gz", "short", 5); /* the training images are given back as well */
    assert_int_equal(hw_cifar100_read(folder, HW_CIFAR_FINE, &train, &test, why), HW_E_FORMAT);
    assert_text(why, "test.bin.gz");
    assert_null(train.pixels);
    assert_null(test.pixels);
}

static void many_files_make_one_set(void **state)
{
    (void)state;
    char why[HW_WHY] = "", name[3][200];
    const char *paths[9];
    for (int f = 0; f < 3; f++) {
        char short_name[20];
        snprintf(short_name, sizeof short_name, "part%d", f);
        (f == 1 ? put_gzip : put_bytes)(short_name, file_bytes, records(false, 3 + (unsigned)f));
        memcpy(name[f], path, sizeof path);
    }
    for (int f = 0; f < 9; f++) paths[f] = name[f % 3];
    hw_images images;
    assert_int_equal(hw_cifar10_files(paths, 9, &images, why), HW_OK);
    assert_int_equal(images.count, 36);
    for (unsigned i = 0; i < 36; i++) {
        unsigned r = i % 12 < 3 ? i % 12 : i % 12 < 7 ? i % 12 - 3 : i % 12 - 7;
        assert_int_equal(images.labels[i], r);
        for (unsigned k = 0; k < PIXELS; k++) assert_int_equal(images.pixels[i * PIXELS + k], (r + 7 * k) & 255);
    }
    hw_images_free(&images);
    /* A plain file under a compressed one's name, and two gzip streams one after the other, are read as they are. */
    put_bytes("plain.gz", file_bytes, records(true, 3));
    assert_int_equal(read_one(true, HW_CIFAR_FINE, path, &images, why), HW_OK);
    assert_int_equal(images.count, 3);
    hw_images_free(&images);
    put_gzip("double.gz", file_bytes, records(true, 2));
    gzFile more = gzopen(path, "ab");
    assert_int_equal(gzwrite(more, file_bytes, (unsigned)records(true, 1)), (int)record_of(true));
    gzclose(more);
    assert_int_equal(read_one(true, HW_CIFAR_FINE, path, &images, why), HW_OK);
    assert_int_equal(images.count, 3);
    hw_images_free(&images);
}

/* --- bad files -----------------------------------------------------------------------------------------------------
 */

typedef enum shape { PLAIN, GZIP, GZIP_CUT, GZIP_FLIPPED } shape;

/* A file of `count` records and `extra` bytes (or fewer), byte `where` of it set to `value` (where < 0: none). cut:
 * that many bytes of the gzip stream are left, or -cut are missing; flipped: so many bytes before its end. */
typedef struct bad_file {
    const char *name;
    bool holds_hundred, read_as_hundred;
    unsigned count;
    int extra;
    long where;
    unsigned char value;
    shape form;
    long cut;
    hw_status status;
    const char *text;
} bad_file;

static const bad_file bad_files[] = {
    {"empty-10", 0, 0, 0, 0, -1, 0, PLAIN, 0, HW_E_FORMAT, "empty"},
    {"empty-100", 1, 1, 0, 0, -1, 0, PLAIN, 0, HW_E_FORMAT, "empty"},
    {"empty-gzip-10", 0, 0, 0, 0, -1, 0, GZIP, 0, HW_E_FORMAT, "empty"},
    {"empty-gzip-100", 1, 1, 0, 0, -1, 0, GZIP, 0, HW_E_FORMAT, "empty"},
    {"one-byte-10", 0, 0, 0, 1, -1, 0, PLAIN, 0, HW_E_FORMAT, "1 bytes are no whole number of CIFAR-10 records"},
    {"one-byte-100", 1, 1, 0, 1, -1, 0, PLAIN, 0, HW_E_FORMAT, "1 bytes are no whole number of CIFAR-100 records"},
    {"byte-short-10", 0, 0, 3, -1, -1, 0, PLAIN, 0, HW_E_FORMAT, "9218 bytes are no whole number"},
    {"byte-short-100", 1, 1, 3, -1, -1, 0, PLAIN, 0, HW_E_FORMAT, "9221 bytes are no whole number"},
    {"byte-long-10", 0, 0, 3, 1, -1, 0, PLAIN, 0, HW_E_FORMAT, "9220 bytes are no whole number"},
    {"byte-long-100", 1, 1, 3, 1, -1, 0, PLAIN, 0, HW_E_FORMAT, "9223 bytes are no whole number"},
    {"byte-short-gzip-10", 0, 0, 2, -1, -1, 0, GZIP, 0, HW_E_FORMAT, "no whole number"},
    {"byte-long-gzip-100", 1, 1, 2, 1, -1, 0, GZIP, 0, HW_E_FORMAT, "no whole number"},
    {"pixels-without-label", 0, 0, 1, -1, -1, 0, PLAIN, 0, HW_E_FORMAT, "3072 bytes"},
    {"one-record-byte-long", 0, 0, 1, 1, -1, 0, PLAIN, 0, HW_E_FORMAT, "1 records of CIFAR-100"},
    {"label-10", 0, 0, 2, 0, 0, 10, PLAIN, 0, HW_E_FORMAT, "the label of record 0 is 10: it must be below 10"},
    {"label-255-last", 0, 0, 4, 0, 3 * 3073, 255, PLAIN, 0, HW_E_FORMAT, "the label of record 3 is 255"},
    {"label-10-gzip", 0, 0, 4, 0, 3073, 10, GZIP, 0, HW_E_FORMAT, "the label of record 1 is 10"},
    {"coarse-20", 1, 1, 2, 0, 0, 20, PLAIN, 0, HW_E_FORMAT, "the coarse label of record 0 is 20: it must be below 20"},
    {"fine-100", 1, 1, 2, 0, 1, 100, PLAIN, 0, HW_E_FORMAT, "the fine label of record 0 is 100: it must be below 100"},
    {"coarse-255-last", 1, 1, 5, 0, 4 * 3074, 255, PLAIN, 0, HW_E_FORMAT, "the coarse label of record 4 is 255"},
    {"fine-255-last-gzip", 1, 1, 5, 0, 4 * 3074 + 1, 255, GZIP, 0, HW_E_FORMAT, "the fine label of record 4 is 255"},
    {"bad-label-and-cut", 1, 1, 5, -9, 0, 200, PLAIN, 0, HW_E_FORMAT, "no whole number"},
    {"gzip-cut-magic", 0, 0, 3, 0, -1, 0, GZIP_CUT, 2, HW_E_FORMAT, ""},
    {"gzip-cut-header-10", 0, 0, 3, 0, -1, 0, GZIP_CUT, 5, HW_E_FORMAT, ""},
    {"gzip-cut-header-100", 1, 1, 3, 0, -1, 0, GZIP_CUT, 9, HW_E_FORMAT, ""},
    {"gzip-cut-body-10", 0, 0, 3, 0, -1, 0, GZIP_CUT, 40, HW_E_FORMAT, "ends early"},
    {"gzip-cut-body-100", 1, 1, 3, 0, -1, 0, GZIP_CUT, 40, HW_E_FORMAT, "ends early"},
    {"gzip-cut-checksum", 0, 0, 3, 0, -1, 0, GZIP_CUT, -8, HW_E_FORMAT, "ends early"},
    {"gzip-cut-size", 1, 1, 3, 0, -1, 0, GZIP_CUT, -1, HW_E_FORMAT, "ends early"},
    {"gzip-cut-bad-label", 1, 1, 3, 0, 0, 20, GZIP_CUT, -1, HW_E_FORMAT, "ends early"},
    {"gzip-wrong-checksum", 0, 0, 3, 0, -1, 0, GZIP_FLIPPED, 8, HW_E_FORMAT, "data check"},
    {"gzip-wrong-size", 1, 1, 3, 0, -1, 0, GZIP_FLIPPED, 4, HW_E_FORMAT, "length check"},
    {"other-100-as-10", 1, 0, 3, 0, -1, 0, PLAIN, 0, HW_E_FORMAT, "3 records of CIFAR-100 (3074 bytes each), not of"},
    {"other-10-as-100", 0, 1, 3, 0, -1, 0, PLAIN, 0, HW_E_FORMAT, "3 records of CIFAR-10 (3073 bytes each), not of"},
    {"other-100-as-10-gzip", 1, 0, 7, 0, -1, 0, GZIP, 0, HW_E_FORMAT, "7 records of CIFAR-100"},
    {"other-10-as-100-gzip", 0, 1, 7, 0, -1, 0, GZIP, 0, HW_E_FORMAT, "7 records of CIFAR-10 "},
};

static void make_bad(const bad_file *b)
{
    size_t n = records(b->holds_hundred, b->count);
    file_bytes[n] = 1;
    n = (size_t)((long)n + b->extra);
    if (b->where >= 0) file_bytes[b->where] = b->value;
    (b->form == PLAIN ? put_bytes : put_gzip)(b->name, file_bytes, n);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    if (b->form == GZIP_CUT) assert_int_equal(truncate(path, b->cut < 0 ? info.st_size + b->cut : b->cut), 0);
    if (b->form == GZIP_FLIPPED) {
        FILE *f = fopen(path, "r+b");
        fseek(f, -b->cut, SEEK_END);
        int byte = fgetc(f);
        fseek(f, -b->cut, SEEK_END);
        fputc(byte ^ 1, f);
        fclose(f);
    }
}

static void named_bad_files_get_their_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        const bad_file *b = bad_files + i;
        make_bad(b);
        for (int l = 0; l <= (int)b->read_as_hundred; l++) { /* both labels are checked whichever is kept */
            hw_images images = {.count = 9};
            hw_status status = read_one(b->read_as_hundred, l ? HW_CIFAR_COARSE : HW_CIFAR_FINE, path, &images, why);
            if (status != b->status || !strstr(why, b->text) || !strstr(why, b->name))
                fail_msg("%s: status %d, '%s' (expected '%s')", b->name, status, why, b->text);
            assert_true(!images.pixels && !images.labels && !images.count);
        }
        assert_int_equal(read_one(b->read_as_hundred, HW_CIFAR_FINE, path, &(hw_images){0}, NULL), b->status);
    }
}

static void what_is_no_such_file_gets_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY], garbage[9000], name[300];
    hw_images images;
    uint64_t x = 1;
    for (size_t i = 0; i < sizeof garbage; i++) garbage[i] = (char)((x = x * 6364136223846793005u + 1) >> 56);
    for (int hundred = 0; hundred < 2; hundred++) {
        put_gzip("garbage.gz", garbage, sizeof garbage);
        assert_int_equal(read_one(hundred, 0, path, &images, why), HW_E_FORMAT);
        assert_text(why, "no whole number");
        memcpy(garbage, "\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff\xff", 13); /* a header, then no deflate block */
        put_bytes("magic.gz", garbage, sizeof garbage);
        assert_int_equal(read_one(hundred, 0, path, &images, why), HW_E_FORMAT);
        assert_text(why, "magic.gz: invalid");
        assert_null(strstr(strstr(why, "magic.gz") + 1, "magic.gz")); /* the name once */
        put_bytes("text", "label,pixel\n3,77\n", 17);
        assert_int_equal(read_one(hundred, 0, path, &images, why), HW_E_FORMAT);
        put_bytes("idx", "\0\0\x8\x3\0\0\0\x1\0\0\0\x2\0\0\0\x2\x1\x2\x3\x4", 20);
        assert_int_equal(read_one(hundred, 0, path, &images, why), HW_E_FORMAT);
        assert_int_equal(read_one(hundred, 0, folder, &images, why), HW_E_IO);
        assert_text(why, "directory");
        assert_int_equal(read_one(hundred, 0, at("nowhere/train.bin"), &images, why), HW_E_IO);
        assert_text(why, "No such file");
        assert_int_equal(read_one(hundred, 0, "", &images, why), HW_E_IO);
        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = 0;
        assert_int_equal(read_one(hundred, 0, name, &images, why), HW_E_IO);
        assert_int_equal(read_one(hundred, 0, NULL, &images, why), HW_E_ARGUMENT);
        assert_text(why, "NULL");
    }
    const char *const one = "x";
    assert_int_equal(hw_cifar100_files(&one, 0, HW_CIFAR_FINE, &images, why), HW_E_ARGUMENT);
    assert_int_equal(hw_cifar100_files(NULL, 1, HW_CIFAR_FINE, &images, why), HW_E_ARGUMENT);
    assert_int_equal(hw_cifar10_files(NULL, 1, &images, why), HW_E_ARGUMENT);
    /* The second of two files is bad: nothing of the first is left. */
    char good[200];
    put_bytes("good", file_bytes, records(false, 5));
    memcpy(good, path, sizeof good);
    put_bytes("bad", file_bytes, 4000);
    assert_int_equal(hw_cifar10_files((const char *const[]){good, path}, 2, &images, why), HW_E_FORMAT);
    assert_text(why, "bad");
    assert_null(images.pixels);
}

/* 3073 records of 3074 bytes are 3074 records of 3073 bytes: only the labels can tell, and do. */
static void sizes_that_fit_both_formats_are_told_by_the_labels(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_images images;
    FILE *f = fopen(at("both"), "wb");
    assert_non_null(f);
    for (unsigned r = 0; r < 3073; r++) {
        unsigned char record[3074] = {(unsigned char)(r % 20), (unsigned char)(r % 100)};
        memset(record + 2, 77, PIXELS);
        assert_int_equal(fwrite(record, 1, sizeof record, f), sizeof record);
    }
    fclose(f);
    assert_int_equal(read_one(true, HW_CIFAR_FINE, path, &images, why), HW_OK);
    assert_int_equal(images.count, 3073);
    hw_images_free(&images);
    assert_int_equal(read_one(false, HW_CIFAR_FINE, path, &images, why), HW_E_FORMAT);
    assert_text(why, "the label of record 1 is 77");
    remove(path);
}

static void a_gzip_bomb_stops_at_the_cap(void **state)
{
    (void)state;
    char why[HW_WHY];
    static unsigned char zeros[1 << 20];
    hw_images images;
    for (int bad = 0; bad < 2; bad++) { /* the second has bad labels: it is still read on, but only up to the cap */
        gzFile f = gzopen(at("bomb.gz"), "wb");
        memset(zeros, bad ? 255 : 0, sizeof zeros);
        for (int i = 0; i < 40; i++) assert_int_equal(gzwrite(f, zeros, sizeof zeros), (int)sizeof zeros);
        gzclose(f);
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        assert_true(info.st_size < 100000);
        const char *one = path;
        for (int hundred = 0; hundred < 2; hundred++) {
            const hw__cifar_format *format = hundred ? &hw__cifar_100 : &hw__cifar_10;
            assert_int_equal(hw__cifar_read_files(format, 0, &one, 1, 1 << 20, &images, why), HW_E_LIMIT);
            assert_text(why, "more than the limit of 1048576 bytes");
            assert_null(images.pixels);
        }
    }
    /* The cap itself is allowed, one byte less is not. */
    put_gzip("cap.gz", file_bytes, records(true, 3));
    const char *one = path;
    assert_int_equal(hw__cifar_read_files(&hw__cifar_100, 1, &one, 1, 3 * 3074, &images, why), HW_OK);
    hw_images_free(&images);
    assert_int_equal(hw__cifar_read_files(&hw__cifar_100, 1, &one, 1, 3 * 3074 - 1, &images, why), HW_E_LIMIT);
}

static void every_length_of_a_file(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int hundred = 0; hundred < 2; hundred++) {
        size_t whole = records(hundred, 3), record = record_of(hundred);
        put_bytes("lengths", file_bytes, whole);
        for (size_t n = whole; n-- > 0;) {
            if (CHECK_SLOW && n % 7) continue;
            hw_images images;
            assert_int_equal(truncate(path, (off_t)n), 0);
            hw_status status = read_one(hundred, HW_CIFAR_FINE, path, &images, why);
            if (status != (n && n % record == 0 ? HW_OK : HW_E_FORMAT)) fail_msg("%zu bytes: status %d", n, status);
            assert_int_equal(images.count, status == HW_OK ? n / record : 0);
            hw_images_free(&images);
        }
        put_gzip("lengths", file_bytes, whole);
        struct stat info;
        assert_int_equal(stat(path, &info), 0);
        for (long n = info.st_size; n-- > 0;) { /* and of a gzip stream: none of them is a file */
            hw_images images;
            assert_int_equal(truncate(path, n), 0);
            assert_int_equal(read_one(hundred, HW_CIFAR_FINE, path, &images, why), HW_E_FORMAT);
            assert_null(images.pixels);
        }
    }
}

/* After a load that succeeds every label is below its bound and the pixels are the file's. */
static void random_changes_never_pass_a_bound(void **state)
{
    (void)state;
    unsigned good = 0, refused = 0, rounds = CHECK_SLOW ? 300 : 3000;
    hw_rng rng;
    hw_rng_seed(&rng, 11, 0);
    for (unsigned t = 0; t < 2 * rounds; t++) {
        bool hundred = t % 2, gzip = t % 8 == 7;
        char why[HW_WHY] = "";
        size_t n = records(hundred, 3), labels = hundred ? 2 : 1;
        for (uint64_t k = 1 + hw_rng_below(&rng, 4); k--;) { /* half of the changes hit labels */
            size_t where = hw_rng_below(&rng, 2)
                               ? hw_rng_below(&rng, 3) * record_of(hundred) + hw_rng_below(&rng, labels)
                               : hw_rng_below(&rng, n);
            file_bytes[where] = (unsigned char)hw_rng_below(&rng, hw_rng_below(&rng, 2) ? 256 : 25);
        }
        (gzip ? put_gzip : put_bytes)("changed", file_bytes, n);
        if (gzip && t % 16 == 15) { /* the stream itself */
            FILE *f = fopen(path, "r+b");
            fseek(f, (long)hw_rng_below(&rng, 60), SEEK_SET);
            fputc((int)hw_rng_below(&rng, 256), f);
            fclose(f);
        }
        hw_images images;
        hw_cifar_labels kept = t % 4 < 2 ? HW_CIFAR_FINE : HW_CIFAR_COARSE;
        if (read_one(hundred, kept, path, &images, why) != HW_OK) {
            assert_text(why, "changed");
            assert_null(images.pixels);
            refused++;
            continue;
        }
        good++;
        for (uint32_t i = 0; i < images.count; i++) assert_true(images.labels[i] < images.classes);
        if (!gzip)
            for (size_t i = 0; i < 3; i++)
                assert_memory_equal(images.pixels + i * PIXELS, file_bytes + i * record_of(hundred) + labels, PIXELS);
        hw_images_free(&images);
    }
    assert_true(good > rounds / 10 && refused > rounds / 10);
}

/* --- fewer classes, names, real files ------------------------------------------------------------------------------
 */

static void classes_have_names(void **state)
{
    (void)state;
    assert_string_equal(hw_cifar10_class(0), "airplane");
    assert_string_equal(hw_cifar10_class(9), "truck");
    for (unsigned i = 0; i < 10; i++)
        for (unsigned k = 0; k < i; k++) assert_string_not_equal(hw_cifar10_class(i), hw_cifar10_class(k));
    assert_null(hw_cifar10_class(10));
    assert_null(hw_cifar10_class(UINT32_MAX));
}

static void the_real_files(void **state)
{
    (void)state;
    char where[1024], why[HW_WHY] = "";
    hw_images train, test;
    hw_data_folder(where, sizeof where);
    if (!getenv("HOGWILD_DATA") || hw_cifar10_read(where, HW_CIFAR_ORIGINAL, &train, &test, why) == HW_E_IO) skip();
    assert_int_equal(train.count, 50000);
    unsigned of[10] = {0};
    for (uint32_t i = 0; i < train.count; i++) of[train.labels[i]]++;
    for (int k = 0; k < 10; k++) assert_int_equal(of[k], 5000);
    float mean[3], deviation[3];
    assert_int_equal(hw_images_moments(&train, mean, deviation), HW_OK);
    const double known[2][3] = {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}}; /* as everybody prints them */
    for (int k = 0; k < 3; k++) {
        assert_near((double)mean[k] / 255, known[0][k], 1e-4);
        assert_near((double)deviation[k] / 255, known[1][k], 1e-4);
    }
    hw_images_free(&train);
    hw_images_free(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar_100_is_read_with_either_label),
        cmocka_unit_test(many_files_make_one_set),
        cmocka_unit_test(named_bad_files_get_their_sentence),
        cmocka_unit_test(what_is_no_such_file_gets_a_sentence),
        cmocka_unit_test(sizes_that_fit_both_formats_are_told_by_the_labels),
        cmocka_unit_test(a_gzip_bomb_stops_at_the_cap),
        cmocka_unit_test(every_length_of_a_file),
        cmocka_unit_test(random_changes_never_pass_a_bound),
        cmocka_unit_test(classes_have_names),
        cmocka_unit_test(the_real_files),
    };
    return cmocka_run_group_tests_name("cifar", tests, make_folder, drop_folder);
}
