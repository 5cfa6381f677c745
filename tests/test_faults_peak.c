/* test_faults_peak.c - the most memory that the readers of CIFAR files hold at once, counted by the linker's wrapping
 * of malloc and its like: on any rejected file at most 64 kB + 16 times the bytes present. */
#include "faults.h"
#include "../lib/data/images/cifar.h"
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PIXELS = 3072 };
static const char path[] = "peak-cifar";

/* n records of noise, the last one's labels 255 if bad, then `extra` bytes; `cut` bytes off the end of the file. */
static size_t put(bool hundred, unsigned n, bool bad, unsigned extra, bool gzip, long cut)
{
    static unsigned char record[PIXELS + 2];
    size_t size = PIXELS + (hundred ? 2 : 1);
    hw_rng rng;
    hw_rng_seed(&rng, n, extra);
    gzFile f = gzopen(path, gzip ? "wb1" : "wbT"); /* T: as it is */
    assert_non_null(f);
    for (unsigned i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof record; k++) record[k] = (unsigned char)hw_rng_next(&rng);
        memset(record, bad && i + 1 == n ? 255 : 4, hundred ? 2 : 1);
        assert_int_equal(gzwrite(f, record, (unsigned)size), (int)size);
    }
    if (extra) assert_int_equal(gzwrite(f, record, extra), (int)extra);
    assert_int_equal(gzclose(f), Z_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    if (cut) assert_int_equal(truncate(path, info.st_size - cut), 0);
    return (size_t)(info.st_size - cut);
}

static size_t peak_of(const hw__cifar_format *format, size_t cap, hw_status expected)
{
    const char *const paths[] = {path};
    char why[HW_WHY];
    hw_images images;
    long before = held;
    peak = before;
    hw_status status = hw__cifar_read_files(format, 0, paths, 1, cap, &images, why);
    size_t most = (size_t)(peak - before);
    if (status != expected) fail_msg("status %d: %s", status, why);
    hw_images_free(&images);
    assert_int_equal(held, before);
    return most;
}

static void rejected_files_cost_what_is_in_them(void **state)
{
    (void)state;
    const unsigned counts[] = {0, 1, 2, 5, 33, 400, 1500};
    double worst = 0;
    for (int hundred = 0; hundred < 2; hundred++)
        for (int gzip = 0; gzip < 2; gzip++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
                for (int how = 0; how < 4; how++) { /* the last label; bytes too many; cut short; the other format */
                    unsigned n = counts[c];
                    if (n == 0 && how != 1) continue;
                    size_t present =
                        put(how == 3 ? !hundred : hundred, n, how == 0, how == 1 ? 77 : 0, gzip, how == 2 ? 5 : 0);
                    size_t most = peak_of(hundred ? &hw__cifar_100 : &hw__cifar_10, (size_t)1 << 30, HW_E_FORMAT);
                    if (most > most_for_rejected(present))
                        fail_msg("%zu bytes for a file of %zu (%u records, way %d)", most, present, n, how);
                    if (n > 33) worst = fmax(worst, (double)most / (double)present);
                }
    print_message("at most %.2f bytes a byte\n", worst);
    assert_true(worst > 1 && worst < 4); /* more than 1: the count works */
    remove(path);
}

static void good_files_and_bombs_too(void **state)
{
    (void)state;
    static unsigned char zeros[1 << 20];
    size_t present = put(true, 1000, false, 0, false, 0), most = peak_of(&hw__cifar_100, (size_t)1 << 30, HW_OK);
    assert_true(most > present - 4000 && most < 4 * present);
    gzFile f = gzopen(path, "wb");
    for (int i = 0; i < 64; i++) assert_int_equal(gzwrite(f, zeros, sizeof zeros), (int)sizeof zeros);
    gzclose(f);
    assert_true(peak_of(&hw__cifar_10, 4 << 20, HW_E_LIMIT) < 16 << 20); /* of 64 MB, 4 and what growing takes */
    memset(zeros, 99, sizeof zeros);
    f = gzopen(path, "wb");
    for (int i = 0; i < 64; i++) assert_int_equal(gzwrite(f, zeros, sizeof zeros), (int)sizeof zeros);
    gzclose(f);
    assert_true(peak_of(&hw__cifar_10, (size_t)1 << 30, HW_E_FORMAT) < 64 << 10); /* labels of 99: nothing is kept */
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejected_files_cost_what_is_in_them),
        cmocka_unit_test(good_files_and_bombs_too),
    };
    return cmocka_run_group_tests_name("peak memory", tests, NULL, NULL);
}
