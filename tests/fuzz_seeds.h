/* fuzz_seeds.h - small files for the targets of libFuzzer to begin with: good ones through the library's own writers
 * where there are some, and by hand in every form that a reader takes. */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include "fuzz_exact.h"
#include "../lib/data/tables/sparse.h"
#include "../lib/timeline/timeline.h"
#include <zlib.h>

static const char *seed_folder;
static unsigned seeds_written;

/* The path of the next one. */
static inline const char *seed_path(void)
{
    static char path[1024];
    int n = snprintf(path, sizeof path, "%s/seed-%03u", seed_folder, seeds_written++);
    PROMISE(n > 0 && (size_t)n < sizeof path);
    return path;
}

static inline void seed(const void *bytes, size_t size)
{
    FILE *f = fopen(seed_path(), "wb");
    PROMISE(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
}

/* The same with gzip behind the first `plain` bytes, which are the target's own. */
static inline void seed_packed(const unsigned char *bytes, size_t plain, size_t size)
{
    unsigned char to[1 << 14];
    z_stream z = {.next_in = (void *)(uintptr_t)(bytes + plain), .avail_in = (uInt)(size - plain)};
    memcpy(to, bytes, plain);
    z.next_out = to + plain;
    z.avail_out = (uInt)(sizeof to - plain);
    PROMISE(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
            deflate(&z, Z_FINISH) == Z_STREAM_END);
    seed(to, sizeof to - z.avail_out);
    PROMISE(deflateEnd(&z) == Z_OK);
}

static inline void seed_both(const void *bytes, size_t plain, size_t size)
{
    seed(bytes, size);
    seed_packed(bytes, plain, size);
}

/* A file that a writer of the library has just made, packed besides; and `filled` bytes of it without a zero. */
static inline void seed_again(const char *path, size_t from, size_t filled)
{
    unsigned char bytes[1 << 14];
    FILE *f = fopen(path, "rb");
    PROMISE(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    PROMISE(fclose(f) == 0 && from + filled <= n);
    seed_packed(bytes, 0, n);
    memset(bytes + from, 'x', filled);
    if (filled) seed(bytes, n);
}

/* Texts with `first` before them, each also packed. */
static inline void seed_texts(const char *first, const char *const *texts)
{
    char bytes[1024];
    for (; *texts; texts++) {
        int n = snprintf(bytes, sizeof bytes, "%s%s", first, *texts);
        seed_both(bytes, strlen(first), (size_t)n);
    }
}

/* --- images --------------------------------------------------------------------------------------------------------
 */

/* One record, two, and two that are cut short. */
static inline void seed_cifar(size_t labels)
{
    unsigned char bytes[2 * 3074];
    size_t record = labels + 3072;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i % record < labels ? 5 : i % record / 64);
    seed_both(bytes, 0, record);
    seed_both(bytes, 0, 2 * record);
    seed_both(bytes, 0, record + 100);
}

static inline void seed_cifar_10(void)
{
    seed_cifar(1);
}

static inline void seed_cifar_100(void)
{
    seed_cifar(2);
}

static inline void seed_idx(void)
{
    unsigned char bytes[] = {11, 0, 0, 8, 1, 0, 0, 0, 3, 0, 9, 4, 0, 0, 8, 3, 0, 0,  0,  3,
                             0,  0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    seed_both(bytes, 12, sizeof bytes);
    /* One image of 1 x 4097, which is too wide. */
    static unsigned char wide[26 + 4097] = {9, 0, 0, 8, 1, 0, 0, 0, 1, 7, 0, 0,  8,
                                            3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 16, 1};
    seed_packed(wide, 10, sizeof wide);
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static inline void seed_libsvm(void)
{
    static const char *const texts[] = {"+1 1:0.5 3:-2e-3 4:1\n-1 2:1 # comment\n\n1 4:.25\r\n",
                                        "0 0:1 3:0\n2.5 1:1e10 2:-0",
                                        "\xef\xbb\xbf"
                                        "-1 7:1\t8:3 999:12345678901234567890\n",
                                        "1 4294967294:1\n",
                                        "1 qid:3 1:2\n",
                                        "1\n-1\n",
                                        NULL};
    static const char *const options[] = {"\1", "\2", "\3", "\7", "\13", "\17"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) seed_texts(options[i], texts);
}

static inline void seed_cache(void)
{
    hw_sparse_plan plan = hw_sparse_plan_defaults(4, 9);
    hw_sparse s;
    plan.nonzeros = 3;
    PROMISE(hw_sparse_generate(&plan, NULL, &s, NULL) == HW_OK && hw_sparse_save(&s, seed_path(), NULL) == HW_OK);
    hw_sparse_free(&s);
    plan.rows = 20;
    PROMISE(hw_sparse_generate(&plan, NULL, &s, NULL) == HW_OK && hw_sparse_save(&s, seed_path(), NULL) == HW_OK);
    hw_sparse_free(&s);
}

static inline void seed_ratings(void)
{
    static const char *const texts[] = {
        "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t1\t1\n",
        "1::122::5::838985046\n1::185::4.5::838983525\n2::122::-1e-2::3\n",
        "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\r\n1,29,3.5,1112484676\n\n7,2,.5,1\n",
        "stars;\"Item_ID\";x;user\n5;18446744073709551615;\"a;\"\"b\";3\n4;0;;3\n",
        "\xef\xbb\xbfitem\tuser\trating\n\"1\"\t 2 \t3\n",
        "user,item,rating\n1,1,1\n1,1,2\n",
        NULL};
    seed_texts("", texts);
    char many[1000]; /* more users than a new table of theirs has room for */
    int n = snprintf(many, sizeof many, "uid,iid,score\n");
    for (int i = 0; i < 100; i++) n += snprintf(many + n, sizeof many - (size_t)n, "%d,%d,1\n", i * i, i % 7);
    seed_both(many, 0, (size_t)n);
    n = snprintf(many, sizeof many, "uid,iid,score\n"); /* and as many ratings as so many bytes can hold */
    for (int i = 0; i < 50; i++) n += snprintf(many + n, sizeof many - (size_t)n, "%d,%d,1\n", i / 10, i % 10);
    seed_both(many, 0, (size_t)n);
}

static inline void seed_corpus(void)
{
    static const char *const texts[] = {"the cat sat on the mat\nthe dog\n\nsat\r\nand the cat\n",
                                        "\xef\xbb\xbfZ\xc3\xbcrich  Z\xc3\xbcrich\tx\v\f x",
                                        "a a a a a a b b b c c a\nb", NULL};
    char longer[600];
    seed_texts("\1", texts);
    seed_texts("\2", texts);
    memset(longer, 'w', sizeof longer);
    longer[0] = 1;
    longer[280] = '\n';
    seed_both(longer, 1, sizeof longer);
    char many[1500] = "\1"; /* more words than a new table has room for */
    int n = 1;
    for (int i = 0; i < 300; i++) n += snprintf(many + n, sizeof many - (size_t)n, "%x%c", i * 7, i % 9 ? ' ' : '\n');
    seed_both(many, 1, (size_t)n);
}

/* --- what runs leave behind ----------------------------------------------------------------------------------------
 */

static inline void seed_weights(void)
{
    const float weights[] = {0.5f, -1.25f, 3e38f, -1e-40f, 0};
    for (size_t n = 0; n <= 5; n += 5) {
        const char *path = seed_path();
        PROMISE(hw_weights_save(path, weights, n, NULL) == HW_OK);
        seed_again(path, 0, 0);
    }
}

/* Three workers by turns, each reading after its own last update; the setting changes half way. */
static inline void seed_trace(void)
{
    const hw_trace_info info = {.workers = 3, .per_group = 1, .updates = 12, .seed = 5, .parameters = 2, .batch = 1};
    const hw__trace_setting settings[2] = {{1, 0.9, 0, 0}, {0.5, 0.25, 1, 0.5}};
    const float params[2] = {0.5f, -3};
    hw__trace_recorder *recorder;
    hw_trace *trace;
    hw__memory memory = {.last = NULL};
    PROMISE(hw__trace_recorder_create(&recorder, 3, 100, &memory, NULL) == HW_OK);
    for (int i = 0; i < 2; i++) (void)hw__trace_setting_new(recorder, settings + i);
    for (uint64_t i = 0; i < 12; i++)
        hw__trace_record(recorder, (unsigned)(i % 3), i, i < 3 ? 0 : i - 2 + (i % 4 == 0), i + 300 * (i % 3), i >= 6);
    PROMISE(hw__trace_recorder_finish(recorder, &info, params, &trace, NULL) == HW_OK);
    const char *path = seed_path();
    PROMISE(hw_trace_save(trace, path, NULL) == HW_OK);
    seed_again(path, 8 + 8 * 4 + 4 * 8, HW_WHY);
    hw_trace_free(trace);
    hw__memory_release(&memory);
}

static inline void seed_histogram(void)
{
    static const char *const texts[] = {"low,high,count\n0,0,5\n1,1,3\r\n\n2,9,1099511627776\n",
                                        "low,high,count,share\n7,7,1,0.5\n8,15,2,\n",
                                        "low,high,count\n1,18446744073709551616,18446744073709551615\n", NULL};
    hw_histogram h;
    const char *path = seed_path();
    FILE *f = fopen(path, "wb");
    PROMISE(f && hw_histogram_init(&h, 8) == HW_OK);
    for (uint64_t i = 0; i < 12; i++) hw_histogram_add(&h, i * i, 20 - i);
    PROMISE(hw_histogram_csv(&h, f) == HW_OK && fclose(f) == 0);
    hw_histogram_free(&h);
    seed_again(path, 0, 0);
    seed_texts("", texts);
    char many[40000]; /* more than a file's first block of memory holds, once it is unpacked */
    memset(many, '\n', sizeof many);
    memcpy(many, "low,high,count", 14);
    memcpy(many + sizeof many - 6, "1,1,1\n", 6);
    seed_packed((const unsigned char *)many, 0, sizeof many);
}

#endif
