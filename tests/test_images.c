/* test_images.c - CIFAR-10's files and hostile ones, fewer classes, the generated textures, the net of Xu et al., dead
 * units, and the report's charts. */
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

static void fewer_classes_are_a_copy(void **state)
{
    (void)state;
    char why[HW_WHY] = "";
    unsigned char pixels[7 * 2], labels[7] = {3, 0, 9, 1, 2, 8, 0};
    for (unsigned i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(40 + i);
    const hw_images from = {7, 1, 1, 2, 10, pixels, labels};
    hw_images to;
    assert_int_equal(hw_images_select(&from, 3, &to, why), HW_OK);
    assert_int_equal(to.count, 4);
    assert_int_equal(to.classes, 3);
    assert_memory_equal(to.labels, "\0\1\2\0", 4);
    assert_memory_equal(to.pixels, "\x2a\x2b\x2e\x2f\x30\x31\x34\x35", 8);
    assert_int_equal(to.width * to.height * to.channels, 2);
    hw_images_free(&to);
    assert_int_equal(hw_images_select(&from, 10, &to, why), HW_OK);
    assert_memory_equal(to.pixels, pixels, sizeof pixels);
    hw_images_free(&to);
    to.count = 9;
    assert_int_equal(hw_images_select(&from, 0, &to, why), HW_E_ARGUMENT);
    assert_int_equal(to.count, 0);
    assert_int_equal(hw_images_select(&from, 11, &to, why), HW_E_ARGUMENT);
    assert_text(why, "classes is 11");
    labels[1] = labels[6] = 4;
    assert_int_equal(hw_images_select(&from, 1, &to, why), HW_E_ARGUMENT);
    assert_text(why, "none of the 7 images");
    assert_int_equal(hw_images_select(&(hw_images){.classes = 4}, 2, &to, why), HW_E_ARGUMENT);
}

static void textures_are_deterministic(void **state)
{
    (void)state;
    hw_images a, b;
    assert_int_equal(hw_textures_generate(60, 10, 7, &a), HW_OK);
    assert_int_equal(hw_textures_generate(40, 10, 7, &b), HW_OK);
    assert_memory_equal(a.pixels, b.pixels, 40 * 3072);
    assert_memory_equal(a.labels, b.labels, 40);
    hw_images_free(&a);
    hw_images_free(&b);
    assert_int_equal(hw_textures_generate(40, 10, 7, &a), HW_OK);
    assert_int_equal(hw_textures_generate(40, 10, 8, &b), HW_OK);
    assert_memory_not_equal(a.pixels, b.pixels, 3072);
    hw_images_free(&a);
    hw_images_free(&b);
    assert_int_equal(hw_textures_generate(1, 1, 8, &b), HW_E_ARGUMENT);
    assert_int_equal(hw_textures_generate(1, 101, 8, &b), HW_E_ARGUMENT);
    assert_int_equal(hw_textures_generate(0, 10, 8, &b), HW_E_ARGUMENT);
    assert_int_equal(hw_textures_generate(300, 100, 8, &b), HW_OK);
    unsigned most = 0;
    for (int i = 0; i < 300; i++) most = b.labels[i] > most ? b.labels[i] : most;
    assert_true(most > 80 && most < 100);
    hw_images_free(&b);
}

static double share_right(const hw_net *net, void *scratch, const hw_images *images, const float *params)
{
    uint32_t right = 0, index[20];
    for (uint32_t i = 0; i < images->count; i += 20) {
        uint32_t some = 0;
        for (uint32_t k = 0; k < 20; k++) index[k] = i + k;
        hw_batch batch = {.index = index, .count = 20};
        hw_net_loss(net, scratch, images, &batch, params, NULL, &some);
        right += some;
    }
    return right / (double)images->count;
}

/* Softmax regression on the pixels, trained until it knows its training images far better than any others. (10,000
 * images and 25 to 60 epochs bring it to 22 % of 10 classes, 13 % of 100; a net of two convolutions: 83 % and 86 %.) */
static void textures_are_hard_for_a_linear_model(void **state)
{
    (void)state;
    hw_images train, test;
    char why[HW_WHY];
    assert_int_equal(hw_textures_generate(2000, 10, 7, &train), HW_OK);
    assert_int_equal(hw_textures_generate(1000, 10, 9, &test), HW_OK);
    hw_net *net = hw_net_create(3, 32, 32);
    hw_net_input(net, 1 / 127.5f, 127.5f);
    hw_net_dense(net, 10);
    assert_int_equal(hw_net_finish(net, 20, why), HW_OK);
    hw_net_task task = {.net = net, .train = &train, .test = &test};
    hw_objective o;
    assert_int_equal(hw_net_objective(&task, &o, why), HW_OK);
    float *params = check_floats(hw_net_parameters(net));
    void *scratch = check_floats(hw_net_scratch_bytes(net) / sizeof(float) + 1);
    hw_net_init(net, 1, params);
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SEQUENTIAL;
    c.workers = 1;
    c.batch = 20;
    c.epochs = 10;
    c.optimizer.schedule.base = 0.0005;
    hw_result r;
    assert_int_equal(hw_train(&o, &c, params, &r), HW_OK);
    double known = share_right(net, scratch, &train, params), unknown = share_right(net, scratch, &test, params);
    print_message("a linear model: %.1f %% of its own images, %.1f %% of others\n", 100 * known, 100 * unknown);
    assert_true(known > 0.45);
    assert_true(unknown < 0.6 && unknown > 0.05);
    free(params);
    free(scratch);
    hw_net_free(net);
    hw_images_free(&train);
    hw_images_free(&test);
}

/* --- the classes can be told apart: by where the power of their spectrum lies ---------------------------------------
 */

enum { SIDE = 32, HALF = 17, SPECTRUM = SIDE * HALF };

/* Magnitudes of the two-dimensional transform of all three channels, without the mean, of length 1. */
static void spectrum_of(const unsigned char *pixels, float *out)
{
    static double wave[2][SIDE];
    double power[SPECTRUM] = {0}, total = 0;
    for (int k = 0; k < SIDE; k++) {
        wave[0][k] = cos(2 * 3.14159265358979 * k / SIDE);
        wave[1][k] = sin(2 * 3.14159265358979 * k / SIDE);
    }
    for (int c = 0; c < 3; c++) {
        double rows[2][SIDE][HALF] = {{{0}}};
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int k = 0; k < HALF; k++)
                    for (int part = 0; part < 2; part++)
                        rows[part][y][k] += pixels[(c * SIDE + y) * SIDE + x] * wave[part][k * x % SIDE];
        for (int v = 0; v < SIDE; v++)
            for (int k = 0; k < HALF; k++) {
                double re = 0, im = 0;
                for (int y = 0; y < SIDE; y++) {
                    double cosine = wave[0][v * y % SIDE], sine = wave[1][v * y % SIDE];
                    re += rows[0][y][k] * cosine - rows[1][y][k] * sine;
                    im += rows[0][y][k] * sine + rows[1][y][k] * cosine;
                }
                if (v || k) power[v * HALF + k] += re * re + im * im;
            }
    }
    for (int k = 0; k < SPECTRUM; k++) total += power[k];
    for (int k = 0; k < SPECTRUM; k++) out[k] = (float)sqrt(power[k] / total);
}

static float product(const float *a, const float *b)
{
    float sum = 0;
    for (int k = 0; k < SPECTRUM; k++) sum += a[k] * b[k];
    return sum;
}

/* The share of test images whose spectrum is nearest (by angle) to that of their own class's mean. */
static double nearest_mean(unsigned classes, uint32_t n_train, uint32_t n_test)
{
    hw_images train, test;
    assert_int_equal(hw_textures_generate(n_train, classes, 7, &train), HW_OK);
    assert_int_equal(hw_textures_generate(n_test, classes, 9, &test), HW_OK);
    float *mean = check_floats((size_t)classes * SPECTRUM), one[SPECTRUM];
    for (uint32_t i = 0; i < n_train; i++) {
        spectrum_of(train.pixels + (size_t)i * 3072, one);
        for (int k = 0; k < SPECTRUM; k++) mean[train.labels[i] * SPECTRUM + k] += one[k];
    }
    for (unsigned c = 0; c < classes; c++) {
        float length = sqrtf(product(mean + c * SPECTRUM, mean + c * SPECTRUM));
        for (int k = 0; k < SPECTRUM; k++) mean[c * SPECTRUM + (unsigned)k] /= length;
    }
    uint32_t right = 0;
    for (uint32_t i = 0; i < n_test; i++) {
        unsigned best = 0;
        spectrum_of(test.pixels + (size_t)i * 3072, one);
        for (unsigned c = 1; c < classes; c++)
            if (product(one, mean + c * SPECTRUM) > product(one, mean + best * SPECTRUM)) best = c;
        right += best == test.labels[i];
    }
    free(mean);
    hw_images_free(&train);
    hw_images_free(&test);
    return right / (double)n_test;
}

static void textures_can_be_told_apart(void **state)
{
    (void)state;
    uint32_t n = CHECK_SLOW ? 1500 : 3000;
    double ten = nearest_mean(10, n / 3, 500), hundred = nearest_mean(100, n, 500);
    print_message("nearest mean spectrum: %.1f %% of 10 classes, %.1f %% of 100\n", 100 * ten, 100 * hundred);
    assert_true(ten > 0.7);
    assert_true(hundred > 0.7);
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

/* Draws as a program would. */
static int draw(void *context, const char *where, const char *script)
{
    char command[600];
    int *asked = context;
    ++*asked;
    snprintf(command, sizeof command, "cd '%s' && gnuplot %s >/dev/null 2>&1", where, script);
    return system(command);
}

static void charts_are_files_and_a_picture(void **state)
{
    (void)state;
    char why[HW_WHY], path[300], where[200];
    hw_report *r;
    snprintf(where, sizeof where, "%s/report", folder);
    int asked = 0;
    assert_int_equal(hw_report_open(&r, where, "charts", why), HW_OK);
    hw_report_plotter(r, draw, &asked);
    const double x[] = {1, 2, 3}, y[] = {1, NAN, 9}, spread[] = {0.1, 0.2, 0.3};
    hw_curve curves[] = {{"one \"quoted\" <name>", x, y, spread, 3, HW_CURVE_LINE_POINTS, 0},
                         {"two", x, spread, NULL, 3, HW_CURVE_POINTS, 0}};
    hw_chart chart = {
        .file = "figure", .title = "A title", .x_label = "x", .y_label = "y", .log_y = 1, .y_low = NAN, .y_high = NAN};
    assert_int_equal(hw_report_chart(r, &chart, curves, 2, why), HW_OK);
    chart.file = "../escape";
    assert_int_equal(hw_report_chart(r, &chart, curves, 2, why), HW_E_ARGUMENT);
    assert_int_equal(hw_report_close(r, path, sizeof path, why), HW_OK);
    assert_int_equal(asked, 1);
    snprintf(path, sizeof path, "%s/figure.csv", where);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char line[200];
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "curve,name,x,y,spread\n");
    assert_non_null(fgets(line, sizeof line, f));
    assert_text(line, ",1,1,0.1");
    assert_non_null(fgets(line, sizeof line, f));
    assert_text(line, ",2,NaN,0.2"); /* a gap: across an empty field gnuplot draws on */
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

static int draw_nothing(void *context, const char *where, const char *script)
{
    (void)context;
    (void)where;
    return strcmp(script, "plots.gp") == 0;
}

/* A plotter that failed is told of, and the page is there; without one nobody asked for plots. */
static void plots_that_failed_are_told_of(void **state)
{
    (void)state;
    char why[HW_WHY], path[300], where[200];
    const hw_evaluation e = {.update = 1, .metric = {1, 0.5}};
    snprintf(where, sizeof where, "%s/report", folder);
    for (int plotter = 0; plotter < 2; plotter++) {
        hw_report *r;
        assert_int_equal(hw_report_open(&r, where, "no plots", why), HW_OK);
        if (plotter) hw_report_plotter(r, draw_nothing, NULL);
        assert_int_equal(hw_report_run(r, "one", &e, 1, 2, NULL, 0, NULL), HW_OK);
        snprintf(why, sizeof why, "before");
        assert_int_equal(hw_report_close(r, path, sizeof path, why), HW_OK);
        if (plotter)
            assert_text(why, "no plots");
        else
            assert_string_equal(why, "");
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        fclose(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar_files_are_read),
        cmocka_unit_test(hostile_cifar_gets_a_sentence),
        cmocka_unit_test(fewer_classes_are_a_copy),
        cmocka_unit_test(textures_are_deterministic),
        cmocka_unit_test(textures_are_hard_for_a_linear_model),
        cmocka_unit_test(textures_can_be_told_apart),
        cmocka_unit_test(the_net_of_xu_and_its_dead_units),
        cmocka_unit_test(charts_are_files_and_a_picture),
        cmocka_unit_test(plots_that_failed_are_told_of),
    };
    return cmocka_run_group_tests_name("images", tests, make_folder, drop_folder);
}
