/* test_data.c - hostile IDX files get a sentence; the generated digits are what they promise; linear models. */
#include "check.h"
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "hogwild-data-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char path[200];
    const char *const names[] = {"images",
                                 "labels",
                                 "train-images-idx3-ubyte",
                                 "train-labels-idx1-ubyte",
                                 "t10k-images-idx3-ubyte",
                                 "t10k-labels-idx1-ubyte",
                                 "some-letters-train-images-idx3-ubyte.gz",
                                 "some-letters-train-labels-idx1-ubyte",
                                 "some-letters-test-images-idx3-ubyte",
                                 "some-letters-test-labels-idx1-ubyte"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return rmdir(folder);
}

static const char *put(const char *name, const void *bytes, size_t n, bool gzip)
{
    static char path[4][200];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, 200, "%s/%s", folder, name);
    if (gzip) {
        gzFile f = gzopen(p, "wb");
        assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
        gzclose(f);
    } else {
        FILE *f = fopen(p, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
    }
    return p;
}

static size_t idx(unsigned char *out, const uint32_t *size, unsigned dimensions, size_t bytes)
{
    const unsigned char magic[4] = {0, 0, 8, (unsigned char)dimensions};
    memcpy(out, magic, 4);
    for (unsigned d = 0; d < dimensions; d++)
        for (int k = 0; k < 4; k++) out[4 + 4 * d + (unsigned)k] = (unsigned char)(size[d] >> (24 - 8 * k));
    for (size_t i = 0; i < bytes; i++) out[4 + 4 * dimensions + i] = (unsigned char)(i % 10);
    return 4 + 4 * dimensions + bytes;
}

static unsigned char buffer[1 << 16];

static void good_files(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    const uint32_t size[] = {20, 6, 5}, n[] = {20};
    for (int gzip = 0; gzip < 2; gzip++) {
        hw_images images;
        const char *i = put("images", buffer, idx(buffer, size, 3, 600), gzip);
        const char *l = put("labels", buffer, idx(buffer, n, 1, 20), gzip);
        assert_int_equal(hw_idx_read(i, l, 10, &images, why), HW_OK);
        assert_int_equal(images.count, 20);
        assert_int_equal(images.height, 6);
        assert_int_equal(images.width, 5);
        assert_int_equal(images.pixels[599], 9);
        assert_int_equal(images.labels[13], 3);
        hw_images_free(&images);
    }
}

/* Every truncation of both files, plain and gzip, and every byte of the headers set to every value of a list. */
static void hostile_files(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_images images;
    const uint32_t size[] = {12, 4, 4}, n[] = {12};
    unsigned char whole[400], changed[400];
    unsigned tried = 0;
    for (int which = 0; which < 2; which++) {
        const char *i = put("images", buffer, idx(buffer, size, 3, 192), false);
        const char *l = put("labels", buffer, idx(buffer, n, 1, 12), false);
        size_t length = which ? idx(whole, n, 1, 12) : idx(whole, size, 3, 192);
        for (size_t cut = 0; cut < length; cut++)
            for (int gzip = 0; gzip < 2; gzip++) {
                if (cut == 0 && gzip) continue;
                const char *p = put(which ? "labels" : "images", whole, cut, gzip);
                why[0] = 0;
                assert_int_not_equal(hw_idx_read(which ? i : p, which ? p : l, 10, &images, why), HW_OK);
                assert_text(why, folder);
                assert_null(images.pixels);
                tried++;
            }
        const unsigned char values[] = {0, 1, 2, 3, 8, 9, 0x0c, 0x0d, 0x1f, 0x7f, 0x80, 0xff};
        for (size_t at = 0; at < (which ? 8u : 16u); at++)
            for (size_t v = 0; v < sizeof values; v++) {
                memcpy(changed, whole, length);
                changed[at] = values[v];
                if (memcmp(changed, whole, length) == 0) continue;
                const char *p = put(which ? "labels" : "images", changed, length, false);
                hw_status status = hw_idx_read(which ? i : p, which ? p : l, 10, &images, why);
                assert_int_not_equal(status, HW_OK);
                tried++;
            }
        put(which ? "labels" : "images", whole, length, false);
    }
    assert_true(tried > 200);
    /* Longer than promised; a gzip cut short; a label too large; counts that disagree; sizes beyond any memory. */
    const char *l = put("labels", buffer, idx(buffer, n, 1, 12), false);
    const char *i = put("images", buffer, idx(buffer, size, 3, 193), false);
    assert_int_equal(hw_idx_read(i, l, 10, &images, why), HW_E_FORMAT);
    assert_text(why, "holds more");
    i = put("images", buffer, idx(buffer, size, 3, 192), true);
    struct stat info;
    assert_int_equal(stat(i, &info), 0);
    assert_int_equal(truncate(i, info.st_size - 3), 0);
    assert_int_equal(hw_idx_read(i, l, 10, &images, why), HW_E_FORMAT);
    i = put("images", buffer, idx(buffer, size, 3, 192), false);
    assert_int_equal(hw_idx_read(i, l, 9, &images, why), HW_E_FORMAT);
    assert_text(why, "label 9 is 9: it must be below 9");
    const uint32_t eleven[] = {11};
    l = put("labels", buffer, idx(buffer, eleven, 1, 11), false);
    assert_int_equal(hw_idx_read(i, l, 10, &images, why), HW_E_FORMAT);
    assert_text(why, "12 images");
    const uint32_t vast[] = {0x80000000u, 0x80000000u, 2};
    i = put("images", buffer, idx(buffer, vast, 3, 1000), false);
    assert_int_equal(hw_idx_read(i, l, 11, &images, why), HW_E_LIMIT);
    const uint32_t large[] = {60000, 28, 28};
    i = put("images", buffer, idx(buffer, large, 3, 1000), false);
    l = put("labels", buffer, idx(buffer, eleven, 1, 11), false);
    assert_int_equal(hw_idx_read(i, l, 11, &images, why), HW_E_FORMAT);
    assert_text(why, "47040000 bytes of images but the file holds 1000");
    assert_int_equal(hw_idx_read("no-such-file", l, 10, &images, why), HW_E_IO);
    assert_text(why, "no-such-file");
    assert_int_equal(hw_mnist_read(folder, &images, &(hw_images){0}, why), HW_E_IO);
    assert_text(why, "train-images-idx3-ubyte");
}

static void digits_are_deterministic(void **state)
{
    (void)state;
    hw_images a, b;
    assert_int_equal(hw_digits_generate(300, 7, &a), HW_OK);
    assert_int_equal(hw_digits_generate(500, 7, &b), HW_OK);
    assert_memory_equal(a.pixels, b.pixels, 300 * 784); /* image i depends on (seed, i) */
    assert_memory_equal(a.labels, b.labels, 300);
    unsigned seen[10] = {0};
    double ink = 0;
    for (int i = 0; i < 500; i++) seen[b.labels[i]]++;
    for (size_t i = 0; i < 500 * 784; i++) ink += b.pixels[i] / (500.0 * 784);
    for (int d = 0; d < 10; d++) assert_in_range(seen[d], 25, 80);
    assert_true(ink > 15 && ink < 70); /* MNIST's mean is 33 */
    hw_images_free(&a);
    hw_images_free(&b);
    assert_int_equal(hw_digits_generate(0, 7, &a), HW_E_ARGUMENT);
}

/* A linear model stays below 95 %: the digits need a network. Also the linear objective at work. */
static void digits_are_hard_for_a_line(void **state)
{
    (void)state;
    enum { TRAIN = 6000, TEST = 2000 };
    hw_images train, test;
    char why[HW_WHY];
    assert_int_equal(hw_digits_generate(TRAIN, 1, &train), HW_OK);
    assert_int_equal(hw_digits_generate(TEST, 2, &test), HW_OK);
    float *x = check_floats(TRAIN * 784), *y = check_floats(TRAIN), *tx = check_floats(TEST * 784),
          *ty = check_floats(TEST);
    for (size_t i = 0; i < TRAIN * 784; i++) x[i] = train.pixels[i] / 255.0f;
    for (size_t i = 0; i < TEST * 784; i++) tx[i] = test.pixels[i] / 255.0f;
    for (size_t i = 0; i < TRAIN; i++) y[i] = train.labels[i];
    for (size_t i = 0; i < TEST; i++) ty[i] = test.labels[i];
    hw_linear model = {HW_LOSS_SOFTMAX, 784, 10, 1e-4, x, y, TRAIN, tx, ty, TEST};
    hw_objective o;
    assert_int_equal(hw_linear_objective(&model, &o, why), HW_OK);
    hw_config c = hw_config_defaults();
    c.workers = 2;
    c.epochs = 12;
    c.evaluate_epochs = 0;
    c.optimizer.schedule.base = 0.02;
    float *w = check_floats(o.parameters);
    hw_result r;
    assert_int_equal(hw_train(&o, &c, w, &r), HW_OK);
    print_message("softmax regression on generated digits: %.1f %%\n", 100 * r.last.metric[1]);
    assert_true(r.last.metric[1] > 0.6 && r.last.metric[1] < 0.95);
    uint32_t index[40];
    hw_gradient_report g;
    for (uint32_t i = 0; i < 40; i++) index[i] = 7 * i;
    assert_int_equal(hw_check_gradient(&o, w, index, 40, 100, 1e-3, &g, why), HW_OK);
    free(w);
    free(x);
    free(y);
    free(tx);
    free(ty);
    hw_images_free(&train);
    hw_images_free(&test);
}

static void linear_losses_against_differences(void **state)
{
    (void)state;
    enum { ROWS = 50, FEATURES = 11 };
    float x[ROWS * FEATURES], y[ROWS], w[FEATURES + 1];
    char why[HW_WHY];
    uint32_t index[ROWS];
    for (int i = 0; i < ROWS * FEATURES; i++) x[i] = sinf(1.3f * (float)i);
    for (int i = 0; i <= FEATURES; i++) w[i] = cosf((float)i);
    for (uint32_t i = 0; i < ROWS; i++) index[i] = i;
    for (int loss = HW_LOSS_SQUARED; loss <= HW_LOSS_HINGE; loss++) {
        for (int i = 0; i < ROWS; i++) y[i] = loss == HW_LOSS_SQUARED ? sinf((float)i) : i % 3 ? 1 : -1;
        hw_linear m = {(hw_linear_loss)loss, FEATURES, 0, 0.01, x, y, ROWS, NULL, NULL, 0};
        hw_objective o;
        hw_gradient_report r;
        assert_int_equal(hw_linear_objective(&m, &o, why), HW_OK);
        /* The hinge has kinks, where differences straddle. */
        hw_status status = hw_check_gradient(&o, w, index, ROWS, 0, loss == HW_LOSS_HINGE ? 0.15 : 1e-3, &r, why);
        if (status != HW_OK) fail_msg("loss %d: %s", loss, why);
    }
    y[3] = 0.5f;
    hw_linear m = {HW_LOSS_LOGISTIC, FEATURES, 0, 0, x, y, ROWS, NULL, NULL, 0};
    hw_objective o;
    assert_int_equal(hw_linear_objective(&m, &o, why), HW_E_ARGUMENT);
    assert_text(why, "target");
}

/* Labels from 1 on, more classes than ten, names with a prefix; and what does not fit together. */
static void other_sets_have_their_own_classes(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    hw_images train, test;
    const uint32_t size[3] = {60, 3, 4}, few[3] = {5, 3, 4}, wide[3] = {5, 4, 4};
    unsigned char labels[80];
    (void)put("some-letters-train-images-idx3-ubyte.gz", buffer, idx(buffer, size, 3, 720), true);
    size_t n = idx(labels, size, 1, 60);
    for (unsigned i = 0; i < 60; i++) labels[8 + i] = (unsigned char)(i % 26 + 1);
    (void)put("some-letters-train-labels-idx1-ubyte", labels, n, false);
    assert_int_equal(hw_idx_set_read(folder, "some-letters", &train, &test, why), HW_E_IO);
    assert_text(why, "some-letters-test-images");
    (void)put("some-letters-test-images-idx3-ubyte", buffer, idx(buffer, few, 3, 60), false);
    assert_int_equal(hw_idx_set_read(folder, "some-letters", &train, &test, why), HW_E_IO);
    assert_text(why, "some-letters-test-labels");
    n = idx(labels, few, 1, 5);
    for (unsigned i = 0; i < 5; i++) labels[8 + i] = (unsigned char)(26 - 5 * i);
    (void)put("some-letters-test-labels-idx1-ubyte", labels, n, false);
    if (hw_idx_set_read(folder, "some-letters", &train, &test, why) != HW_OK) fail_msg("%s", why);
    assert_true(train.classes == 26 && test.classes == 26 && train.count == 60 && test.count == 5);
    for (unsigned i = 0; i < 60; i++) assert_int_equal(train.labels[i], i % 26);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(test.labels[i], 25 - 5 * i);
    hw_images_free(&train);
    hw_images_free(&test);
    for (unsigned wrong = 0; wrong < 28; wrong += 27) { /* below the smallest label, and above the largest */
        labels[10] = (unsigned char)wrong;
        (void)put("some-letters-test-labels-idx1-ubyte", labels, n, false);
        assert_int_equal(hw_idx_set_read(folder, "some-letters", &train, &test, why), HW_E_FORMAT);
        assert_text(why, "label 2 of some-letters's test images");
        assert_null(train.pixels);
    }
    labels[10] = 3;
    (void)put("some-letters-test-labels-idx1-ubyte", labels, n, false);
    (void)put("some-letters-test-images-idx3-ubyte", buffer, idx(buffer, wide, 3, 80), false);
    assert_int_equal(hw_idx_set_read(folder, "some-letters", &train, &test, why), HW_E_FORMAT);
    assert_text(why, "4 x 4");
    assert_int_equal(hw_idx_set_read(NULL, "some-letters", &train, &test, why), HW_E_ARGUMENT);
    assert_int_equal(hw_idx_set_read(folder, NULL, &train, &test, why), HW_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(other_sets_have_their_own_classes),
        cmocka_unit_test(digits_are_deterministic),
        cmocka_unit_test(digits_are_hard_for_a_line),
        cmocka_unit_test(linear_losses_against_differences),
    };
    return cmocka_run_group_tests_name("data", tests, make_folder, drop_folder);
}
