/* test_images.c - CIFAR-10's files and hostile ones, the generated textures, the net of Xu et al., dead units, and the
 * report's charts. */
#include "check.h"
#include <unistd.h>
#include <zlib.h>

enum { RECORD = 3073 };
static char folder[] = "hogwild-images-XXXXXX";

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

static void put(const char *name, uint32_t records, size_t extra, unsigned char label, bool gzip)
{
    char path[200];
    size_t n = records * RECORD + extra;
    unsigned char *bytes = calloc(n + 1, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = i % RECORD ? (unsigned char)(i / RECORD + i) : label;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (gzip) {
        gzFile f = gzopen(path, "wb");
        assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
        gzclose(f);
    } else {
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
    }
    free(bytes);
}

static void cifar_files_are_read(void **state)
{
    (void)state;
    char why[HW_WHY] = "", name[40];
    hw_images train, test;
    assert_int_equal(hw_cifar10_read(folder, HW_CIFAR_ORIGINAL, &train, &test, why), HW_E_IO);
    assert_text(why, "data_batch_1");
    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin%s", i, i % 2 ? "" : ".gz");
        put(name, (uint32_t)i, 0, (unsigned char)i, i % 2 == 0);
    }
    assert_int_equal(hw_cifar10_read(folder, HW_CIFAR_HOLDOUT, &train, &test, why), HW_OK);
    assert_int_equal(train.count, 1 + 2 + 3 + 4);
    assert_int_equal(test.count, 5);
    assert_int_equal(train.labels[0], 1);
    assert_int_equal(train.labels[9], 4);
    assert_int_equal(train.pixels[0], 1);                                 /* byte 1 of record 0 */
    assert_int_equal(train.pixels[3072 * 2 + 5], (1 + RECORD + 6) & 255); /* record 1 of the second file */
    assert_int_equal(test.labels[4], 5);
    hw_images_free(&train);
    hw_images_free(&test);
    assert_int_equal(hw_cifar10_read(folder, HW_CIFAR_ORIGINAL, &train, &test, why), HW_E_IO);
    assert_text(why, "test_batch");
    put("test_batch_first1000.bin", 2, 0, 9, false);
    assert_int_equal(hw_cifar10_read(folder, HW_CIFAR_ORIGINAL, &train, &test, why), HW_OK);
    assert_int_equal(train.count, 15);
    assert_int_equal(test.count, 2);
    hw_images_free(&train);
    hw_images_free(&test);
}

static void hostile_cifar_gets_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY], path[200];
    const char *paths[] = {path};
    hw_images images;
    snprintf(path, sizeof path, "%s/hostile", folder);
    for (size_t extra = 1; extra < RECORD; extra += 97) {
        put("hostile", extra % 2, extra, 0, extra % 3 == 0);
        assert_int_equal(hw_cifar10_files(paths, 1, &images, why), HW_E_FORMAT);
        assert_text(why, folder);
        assert_null(images.pixels);
    }
    put("hostile", 0, 0, 0, false);
    assert_int_equal(hw_cifar10_files(paths, 1, &images, why), HW_E_FORMAT);
    put("hostile", 3, 0, 10, false);
    assert_int_equal(hw_cifar10_files(paths, 1, &images, why), HW_E_FORMAT);
    assert_text(why, "label of record 0 is 10");
    put("hostile", 3, 0, 3, true);
    assert_int_equal(truncate(path, 60), 0);
    assert_int_equal(hw_cifar10_files(paths, 1, &images, why), HW_E_FORMAT);
    paths[0] = "nowhere.bin";
    assert_int_equal(hw_cifar10_files(paths, 1, &images, why), HW_E_IO);
    assert_int_equal(hw_cifar10_files(paths, 0, &images, why), HW_E_ARGUMENT);
}

static void textures_are_deterministic_and_hard_for_a_line(void **state)
{
    (void)state;
    hw_images a, b, test;
    assert_int_equal(hw_textures_generate(1500, 10, 7, &a), HW_OK);
    assert_int_equal(hw_textures_generate(40, 10, 7, &b), HW_OK);
    assert_memory_equal(a.pixels, b.pixels, 40 * 3072);
    assert_memory_equal(a.labels, b.labels, 40);
    hw_images_free(&b);
    assert_int_equal(hw_textures_generate(40, 10, 8, &b), HW_OK);
    assert_memory_not_equal(a.pixels, b.pixels, 3072);
    hw_images_free(&b);
    assert_int_equal(hw_textures_generate(1, 1, 8, &b), HW_E_ARGUMENT);
    assert_int_equal(hw_textures_generate(300, 100, 8, &b), HW_OK);
    unsigned most = 0;
    for (int i = 0; i < 300; i++) most = b.labels[i] > most ? b.labels[i] : most;
    assert_true(most > 80 && most < 100);
    hw_images_free(&b);
    /* A linear model: far below 60 %. */
    assert_int_equal(hw_textures_generate(500, 10, 9, &test), HW_OK);
    char why[HW_WHY];
    hw_net *net = hw_net_create(3, 32, 32);
    hw_net_input(net, 1 / 127.5f, 127.5f);
    hw_net_dense(net, 10);
    assert_int_equal(hw_net_finish(net, 20, why), HW_OK);
    hw_net_task task = {net, &a, &test};
    hw_objective o;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
    float *params = check_floats(hw_net_parameters(net));
    hw_net_init(net, 1, params);
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.batch = 20;
    c.epochs = 3;
    c.optimizer.schedule.base = 0.0005;
    hw_result r;
    assert_int_equal(hw_train(&o, &c, params, &r), HW_OK);
    assert_true(r.last.metric[1] < 0.5);
    free(params);
    hw_net_free(net);
    hw_images_free(&a);
    hw_images_free(&test);
}

static void the_net_of_xu_and_its_dead_units(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_images images;
    assert_int_equal(hw_textures_generate(60, 10, 1, &images), HW_OK);
    for (int pool = 0; pool < 2; pool++) {
        hw_net *net = hw_net_xu(4, pool, 0.3, why);
        assert_non_null(net);
        assert_int_equal(hw_net_parameters(net), pool ? 62006 : 206006);
        float *params = check_floats(hw_net_parameters(net));
        void *scratch = check_floats(hw_net_scratch_bytes(net) / sizeof(float) + 1);
        hw_net_init(net, 1, params);
        hw_range w, b;
        assert_true(hw_net_layer(net, 0, &w, &b));
        float most = 0, bias = 0;
        for (size_t i = 0; i < w.count; i++) most = fmaxf(most, fabsf(params[w.first + i]));
        for (size_t i = 0; i < b.count; i++) bias = fmaxf(bias, fabsf(params[b.first + i]));
        assert_true(most <= 1 / sqrtf(75) && most > 0.9f / sqrtf(75) && bias > 0); /* PyTorch's: fan-in 3 x 5 x 5 */
        double share;
        assert_int_equal(hw_net_dead(net, scratch, &images, 0, 60, params, &share), HW_OK);
        assert_true(share >= 0 && share < 0.3);
        /* Biases far below zero: nothing is ever active. */
        for (size_t i = 0; i < b.count; i++) params[b.first + i] = -1e3f;
        assert_int_equal(hw_net_dead(net, scratch, &images, 0, 60, params, &share), HW_OK);
        assert_true(share > 0.6);
        assert_int_equal(hw_net_dead(net, scratch, &images, 50, 11, params, &share), HW_E_ARGUMENT);
        free(params);
        free(scratch);
        hw_net_free(net);
    }
    hw_images_free(&images);
}

static void charts_are_files_and_a_picture(void **state)
{
    (void)state;
    char why[HW_WHY], path[300], where[200];
    hw_report *r;
    snprintf(where, sizeof where, "%s/report", folder);
    assert_int_equal(hw_report_open(&r, where, "charts", why), HW_OK);
    const double x[] = {1, 2, 3}, y[] = {1, NAN, 9}, spread[] = {0.1, 0.2, 0.3};
    hw_curve curves[] = {{"one \"quoted\" <name>", x, y, spread, 3, HW_CURVE_LINE_POINTS, 0},
                         {"two", x, spread, NULL, 3, HW_CURVE_POINTS, 0}};
    hw_chart chart = {
        .file = "figure", .title = "A title", .x_label = "x", .y_label = "y", .log_y = 1, .y_low = NAN, .y_high = NAN};
    assert_int_equal(hw_report_chart(r, &chart, curves, 2, why), HW_OK);
    chart.file = "../escape";
    assert_int_equal(hw_report_chart(r, &chart, curves, 2, why), HW_E_ARGUMENT);
    assert_int_equal(hw_report_close(r, path, sizeof path, why), HW_OK);
    snprintf(path, sizeof path, "%s/figure.csv", where);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[200];
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "curve,name,x,y,spread\n");
    assert_non_null(fgets(line, sizeof line, f));
    assert_text(line, ",1,1,0.1");
    assert_non_null(fgets(line, sizeof line, f));
    assert_text(line, ",2,,0.2"); /* NaN is a gap */
    fclose(f);
    snprintf(path, sizeof path, "%s/index.html", where);
    f = fopen(path, "r");
    assert_non_null(f);
    bool linked = false, picture = false;
    while (fgets(line, sizeof line, f)) {
        linked = linked || strstr(line, "figure.csv");
        picture = picture || strstr(line, "<svg");
    }
    fclose(f);
    assert_true(linked);
    assert_true(picture || system("command -v gnuplot >/dev/null 2>&1") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar_files_are_read),
        cmocka_unit_test(hostile_cifar_gets_a_sentence),
        cmocka_unit_test(textures_are_deterministic_and_hard_for_a_line),
        cmocka_unit_test(the_net_of_xu_and_its_dead_units),
        cmocka_unit_test(charts_are_files_and_a_picture),
    };
    return cmocka_run_group_tests_name("images", tests, make_folder, drop_folder);
}
