/* test_faults_images.c - allocations that fail in the readers of both CIFAR formats and in copies of fewer classes;
 * preparing images allocates nothing. */
#include "faults.h"
#include <sys/stat.h>
#include <zlib.h>

enum { PIXELS = 3072 };

static void put(const char *path, bool hundred, unsigned n, bool gzip)
{
    unsigned char record[PIXELS + 2] = {3, 5};
    FILE *f = gzip ? NULL : fopen(path, "wb");
    gzFile z = gzip ? gzopen(path, "wb") : NULL;
    unsigned size = PIXELS + (hundred ? 2 : 1);
    for (unsigned i = 0; i < n; i++)
        if (gzip)
            gzwrite(z, record, size);
        else
            fwrite(record, 1, size, f);
    if (gzip)
        gzclose(z);
    else
        fclose(f);
}

/* 11 records in two files, so that the arrays grow twice and shrink once. */
static hw_status use_files(int i)
{
    const char *const paths[] = {"faults-one", "faults-two"};
    bool hundred = i > 0;
    put(paths[0], hundred, 2, false);
    put(paths[1], hundred, 9, true);
    hw_images images;
    hw_status status = hundred ? hw_cifar100_files(paths, 2, i == 1 ? HW_CIFAR_FINE : HW_CIFAR_COARSE, &images, NULL)
                               : hw_cifar10_files(paths, 2, &images, NULL);
    remove(paths[0]);
    remove(paths[1]);
    if (status != HW_OK) return status == HW_E_MEMORY && (images.pixels || images.labels) ? HW_E_STATE : status;
    hw_status right = images.count == 11 && images.labels[10] == (i == 1 ? 5 : 3) ? HW_OK : HW_E_STATE;
    hw_images_free(&images);
    return right;
}

static hw_status use_folder(int i)
{
    hw_images train, test;
    (void)i;
    mkdir("faults-folder", 0700);
    put("faults-folder/train.bin", true, 6, false);
    put("faults-folder/test.bin.gz", true, 2, true);
    hw_status status = hw_cifar100_read("faults-folder", HW_CIFAR_FINE, &train, &test, NULL);
    remove("faults-folder/train.bin");
    remove("faults-folder/test.bin.gz");
    remove("faults-folder");
    if (status != HW_OK) return train.pixels || test.pixels ? HW_E_STATE : status;
    hw_images_free(&train);
    hw_images_free(&test);
    return HW_OK;
}

static unsigned char pixels[6 * 4], labels[6] = {0, 4, 1, 3, 0, 2};
static const hw_images small = {6, 1, 2, 2, 5, pixels, labels};

static hw_status use_select(int i)
{
    hw_images to;
    hw_status status = hw_images_select(&small, (unsigned)i + 1, &to, NULL);
    hw_images_free(&to);
    return status;
}

static void every_failing_allocation_is_an_error(void **state)
{
    (void)state;
    const fault_call list[] = {{"cifar files", use_files, 3, false},
                               {"cifar-100 folder", use_folder, 1, false},
                               {"select", use_select, 2, false}};
    assert_true(faults_everywhere(list, sizeof list / sizeof *list) >= 20);
}

static void preparing_allocates_nothing(void **state)
{
    (void)state;
    float mean[4], deviation[1], out[4];
    hw_preparation p = hw_preparation_defaults();
    hw_augment augment = hw_augment_defaults();
    augment.pad = 1;
    p.mean = mean;
    calls = 0;
    assert_int_equal(hw_images_mean(&small, mean), HW_OK);
    assert_int_equal(hw_images_moments(&small, p.channel_mean, deviation), HW_OK);
    for (int mode = 0; mode < 3; mode++) {
        p.normalize = (hw_normalize)mode;
        assert_int_equal(hw_preparation_check(&p, &small, NULL), HW_OK);
        assert_int_equal(hw_augment_check(&augment, &small, NULL), HW_OK);
        for (uint32_t i = 0; i < 6; i++) hw_image_prepare(&small, i, &p, &augment, 1, 2, i, out);
    }
    assert_int_equal(calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_an_error),
        cmocka_unit_test(preparing_allocates_nothing),
    };
    return cmocka_run_group_tests_name("faults in images", tests, NULL, NULL);
}
