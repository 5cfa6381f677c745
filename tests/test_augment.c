/* test_augment.c - images as a net's floats against a slow obvious version; windows and flips are drawn evenly and by
 * (seed, step, position) only; means, moments and what their checks refuse. */
#include "check.h"

typedef struct draw {
    long x, y; /* of the window, from -pad to pad */
    bool flip;
} draw;

static hw_images pictures(unsigned channels, unsigned height, unsigned width, uint32_t count)
{
    size_t n = (size_t)channels * height * width * count;
    hw_images images = {count, channels, height, width, 10, malloc(n), calloc(count, 1)};
    assert_true(images.pixels && images.labels);
    hw_rng rng;
    hw_rng_seed(&rng, 3, n);
    for (size_t i = 0; i < n; i++) images.pixels[i] = (unsigned char)hw_rng_below(&rng, 256);
    return images;
}

/* What was drawn, seen from outside: an image whose pixels say where they stand. pad is at most side - 2, so that two
 * neighbours are always in sight. */
static draw drawn(unsigned height, unsigned width, const hw_augment *augment, uint64_t seed, uint64_t step, uint32_t at)
{
    unsigned char pixels[2 * 32 * 32];
    float out[2 * 32 * 32];
    assert_true(height <= 32 && width <= 32);
    size_t plane = (size_t)height * width;
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x < width; x++) {
            pixels[y * width + x] = (unsigned char)(x + 1);
            pixels[plane + y * width + x] = (unsigned char)(y + 1);
        }
    const hw_images images = {1, 2, height, width, 2, pixels, NULL};
    hw_preparation p = hw_preparation_defaults();
    p.scale = 1;
    hw_image_prepare(&images, 0, &p, augment, seed, step, at, out);
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x + 1 < width; x++) {
            float here = out[y * width + x], next = out[y * width + x + 1];
            if (here == 0 || next == 0) continue;
            bool flip = next < here;
            long column = (long)here - 1;
            return (draw){flip ? column - (long)(width - 1 - x) : column - (long)x,
                          (long)out[plane + y * width + x] - 1 - (long)y, flip};
        }
    fail_msg("nothing is in sight");
    return (draw){0, 0, false};
}

/* The definition: normalise, surround with zeros, cut out, exchange left and right. */
static float slow(const hw_images *images, uint32_t i, const hw_preparation *p, draw d, unsigned channel, unsigned y,
                  unsigned x)
{
    long from_x = (long)(d.flip ? images->width - 1 - x : x) + d.x, from_y = (long)y + d.y;
    if (from_x < 0 || from_y < 0 || from_x >= (long)images->width || from_y >= (long)images->height) return 0;
    size_t plane = (size_t)images->height * images->width;
    size_t at = plane * channel + (size_t)from_y * images->width + (size_t)from_x;
    float byte = images->pixels[plane * images->channels * i + at];
    if (p->normalize == HW_NORMALIZE_NONE) return p->scale * (byte - p->shift);
    if (p->normalize == HW_NORMALIZE_MEAN_IMAGE) return p->scale * (byte - p->mean[at]);
    return p->channel_scale[channel] * (byte - p->channel_mean[channel]);
}

static void compare(const hw_images *images, const hw_preparation *p, const hw_augment *augment, uint32_t position)
{
    size_t n = (size_t)images->channels * images->height * images->width;
    float *out = malloc((n + 2) * sizeof *out); /* from the second float on: no alignment is promised */
    assert_non_null(out);
    for (size_t k = 0; k < n + 2; k++) out[k] = -7777;
    uint32_t i = position % images->count;
    hw_image_prepare(images, i, p, augment, 5, 17, position, out + 1);
    draw d = augment ? drawn(images->height, images->width, augment, 5, 17, position) : (draw){0, 0, false};
    for (unsigned c = 0, k = 1; c < images->channels; c++)
        for (unsigned y = 0; y < images->height; y++)
            for (unsigned x = 0; x < images->width; x++, k++)
                if (out[k] != slow(images, i, p, d, c, y, x))
                    fail_msg("mode %d, window %ld %ld %d, pixel %u %u %u: %g, not %g", (int)p->normalize, d.x, d.y,
                             d.flip, c, y, x, (double)out[k], (double)slow(images, i, p, d, c, y, x));
    assert_true(out[0] == -7777 && out[n + 1] == -7777);
    free(out);
}

static hw_preparation preparation(hw_normalize mode, const float *mean)
{
    hw_preparation p = hw_preparation_defaults();
    p.normalize = mode;
    p.scale = 0.0371f;
    p.shift = 99.7f;
    p.mean = mean;
    for (unsigned k = 0; k < 4; k++) {
        p.channel_mean[k] = 101.3f + 7 * (float)k;
        p.channel_scale[k] = 0.013f * (float)(k + 1);
    }
    return p;
}

static void it_equals_the_slow_version(void **state)
{
    (void)state;
    const unsigned shapes[][3] = {{1, 28, 28}, {3, 32, 32}, {4, 5, 7}, {2, 8, 3}, {3, 17, 31}, {6, 9, 16}, {1, 2, 2}};
    char why[HW_WHY] = "";
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        unsigned channels = shapes[s][0], height = shapes[s][1], width = shapes[s][2],
                 low = height < width ? height : width;
        hw_images images = pictures(channels, height, width, 5);
        float *mean = check_floats((size_t)channels * height * width);
        assert_int_equal(hw_images_mean(&images, mean), HW_OK);
        for (int mode = 0; mode < (channels > 4 ? 2 : 3); mode++) {
            hw_preparation p = preparation((hw_normalize)mode, mean);
            assert_int_equal(hw_preparation_check(&p, &images, why), HW_OK);
            for (uint32_t i = 0; i < 5; i++) compare(&images, &p, NULL, i);
            for (unsigned pad = 0; pad + 1 < low; pad += pad < 5 ? 1 : 4)
                for (int flip = 0; flip < 2; flip++) {
                    const hw_augment augment = {sizeof augment, pad, flip};
                    assert_int_equal(hw_augment_check(&augment, &images, why), HW_OK);
                    for (uint32_t i = 0; i < 30; i++) compare(&images, &p, &augment, i);
                }
        }
        free(mean);
        hw_images_free(&images);
    }
}

/* Every one of 5 x 5 windows, straight and flipped, in every mode: so all borders and corners. */
static void every_window_is_right(void **state)
{
    (void)state;
    hw_images images = pictures(3, 6, 9, 3);
    float *mean = check_floats(3 * 6 * 9);
    assert_int_equal(hw_images_mean(&images, mean), HW_OK);
    const hw_augment augment = {sizeof augment, 2, 1};
    bool seen[50] = {false};
    unsigned different = 0;
    for (uint32_t i = 0; i < 600; i++) {
        draw d = drawn(6, 9, &augment, 5, 17, i);
        assert_true(labs(d.x) <= 2 && labs(d.y) <= 2);
        size_t cell = (size_t)((d.y + 2) * 5 + d.x + 2) * 2 + d.flip;
        different += !seen[cell];
        seen[cell] = true;
        for (int mode = 0; mode < 3; mode++) {
            hw_preparation p = preparation((hw_normalize)mode, mean);
            compare(&images, &p, &augment, i);
        }
    }
    assert_int_equal(different, 50);
    free(mean);
    hw_images_free(&images);
}

static void a_flip_of_a_flip_is_the_image(void **state)
{
    (void)state;
    hw_images images = pictures(3, 8, 11, 1), mirrored = pictures(3, 8, 11, 1);
    for (unsigned row = 0; row < 24; row++)
        for (unsigned x = 0; x < 11; x++) mirrored.pixels[row * 11 + x] = images.pixels[row * 11 + 10 - x];
    const hw_augment augment = {sizeof augment, 0, 1};
    hw_preparation p = hw_preparation_defaults();
    float plain[264], other[264], out[264];
    unsigned flips = 0;
    hw_image_prepare(&images, 0, &p, NULL, 1, 2, 3, plain);
    hw_image_prepare(&mirrored, 0, &p, NULL, 1, 2, 3, other);
    for (uint32_t i = 0; i < 64; i++) {
        bool flip = drawn(8, 11, &augment, 1, 2, i).flip;
        flips += flip;
        hw_image_prepare(&images, 0, &p, &augment, 1, 2, i, out);
        assert_memory_equal(out, flip ? other : plain, sizeof out);
        hw_image_prepare(&mirrored, 0, &p, &augment, 1, 2, i, out);
        assert_memory_equal(out, flip ? plain : other, sizeof out);
    }
    assert_true(flips > 10 && flips < 54);
    hw_images_free(&images);
    hw_images_free(&mirrored);
}

static double chi_square(const unsigned *seen, size_t cells, unsigned total)
{
    double sum = 0, expected = (double)total / (double)cells;
    for (size_t i = 0; i < cells; i++) sum += (seen[i] - expected) * (seen[i] - expected) / expected;
    return sum;
}

/* Along positions, steps and seeds: 9 x 9 windows x 2, all alike; and one draw tells nothing about the next. The bounds
 * are six standard deviations of chi-square, sqrt(2 cells), about its mean. */
static void windows_and_flips_are_even_and_independent(void **state)
{
    (void)state;
    const hw_augment augment = hw_augment_defaults();
    enum { DRAWS = 20000, CELLS = 162 };
    for (int along = 0; along < 3; along++) {
        unsigned cells[CELLS] = {0}, pairs[3][81] = {{0}}, flips[4] = {0};
        draw last = {0, 0, false};
        for (uint32_t i = 0; i <= DRAWS; i++) {
            draw d = drawn(10, 10, &augment, along == 2 ? i : 7, along == 1 ? i : 100, along == 0 ? i : 3);
            long x = d.x + 4, y = d.y + 4;
            if (i) {
                cells[(y * 9 + x) * 2 + d.flip]++;
                pairs[0][(last.x + 4) * 9 + x]++;
                pairs[1][(last.y + 4) * 9 + y]++;
                pairs[2][(last.x + 4) * 9 + y]++;
                flips[last.flip * 2 + d.flip]++;
            }
            last = d;
        }
        assert_near(chi_square(cells, CELLS, DRAWS), CELLS - 1, 6 * sqrt(2.0 * CELLS));
        for (int k = 0; k < 3; k++) assert_near(chi_square(pairs[k], 81, DRAWS), 80, 6 * sqrt(2.0 * 81));
        assert_true(chi_square(flips, 4, DRAWS) < 3 + 6 * sqrt(8.0));
    }
    const hw_augment still = {sizeof still, 0, 0};
    for (uint32_t i = 0; i < 50; i++) {
        draw d = drawn(10, 10, &still, 1, 1, i);
        assert_true(d.x == 0 && d.y == 0 && !d.flip);
    }
}

/* --- the same from every thread ------------------------------------------------------------------------------------
 */

enum { IMAGES = 200, FLOATS = 3 * 12 * 12, THREADS = 4 };

typedef struct job {
    const hw_images *images;
    const hw_preparation *p;
    const hw_augment *augment;
    float *out;
    uint64_t seed, step;
    uint32_t first, stride;
} job;

static void *prepare_all(void *any)
{
    const job *j = any;
    for (uint32_t i = j->first; i < IMAGES; i += j->stride)
        hw_image_prepare(j->images, i % j->images->count, j->p, j->augment, j->seed, j->step, i,
                         j->out + (size_t)i * FLOATS);
    return NULL;
}

static void it_depends_on_seed_step_and_position_only(void **state)
{
    (void)state;
    hw_images images = pictures(3, 12, 12, 20);
    const hw_augment augment = hw_augment_defaults();
    const hw_preparation p = preparation(HW_NORMALIZE_CHANNELS, NULL);
    float *alone = check_floats((size_t)IMAGES * FLOATS), *out = check_floats((size_t)IMAGES * FLOATS);
    job j = {&images, &p, &augment, alone, 9, 4, 0, 1};
    prepare_all(&j);
    pthread_t thread[THREADS];
    job jobs[THREADS];
    for (uint32_t t = 0; t < THREADS; t++) {
        jobs[t] = (job){&images, &p, &augment, out, 9, 4, t, THREADS};
        assert_int_equal(pthread_create(&thread[t], NULL, prepare_all, &jobs[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) pthread_join(thread[t], NULL);
    assert_memory_equal(out, alone, (size_t)IMAGES * FLOATS * sizeof *out);
    /* Another seed or step: of 200 images about 200 / 162 are the same by chance. */
    for (int what = 0; what < 4; what++) {
        job other = {&images,
                     &p,
                     &augment,
                     out,
                     what == 0   ? 10
                     : what == 3 ? 9 + ((uint64_t)1 << 32)
                                 : 9,
                     what == 1   ? 5
                     : what == 2 ? 4 + ((uint64_t)1 << 32)
                                 : 4,
                     0,
                     1};
        prepare_all(&other);
        unsigned same = 0;
        for (size_t i = 0; i < IMAGES; i++)
            same += memcmp(out + i * FLOATS, alone + i * FLOATS, FLOATS * sizeof *out) == 0;
        assert_true(same < 12);
    }
    /* One image at 200 positions: every window comes as often as it may. */
    unsigned same = 0;
    for (uint32_t i = 1; i < IMAGES; i++) {
        hw_image_prepare(&images, 0, &p, &augment, 9, 4, i, out);
        same += memcmp(out, alone, FLOATS * sizeof *out) == 0;
    }
    assert_true(same < 12);
    free(alone);
    free(out);
    hw_images_free(&images);
}

/* --- figures and checks --------------------------------------------------------------------------------------------
 */

static void means_and_moments(void **state)
{
    (void)state;
    const unsigned shapes[][3] = {{3, 32, 32}, {1, 1, 1}, {5, 3, 171}, {2, 16, 16}};
    for (size_t s = 0; s < 4; s++) {
        unsigned channels = shapes[s][0], plane = shapes[s][1] * shapes[s][2], n = channels * plane, count = 37;
        hw_images images = pictures(channels, shapes[s][1], shapes[s][2], count);
        for (uint32_t i = 0; channels > 1 && i < count; i++) memset(images.pixels + (size_t)i * n + plane, 201, plane);
        float *mean = check_floats(n), centre[5], deviation[5];
        assert_int_equal(hw_images_mean(&images, mean), HW_OK);
        assert_int_equal(hw_images_moments(&images, centre, deviation), HW_OK);
        for (unsigned k = 0; k < n; k++) {
            unsigned sum = 0;
            for (uint32_t i = 0; i < count; i++) sum += images.pixels[(size_t)i * n + k];
            assert_true(mean[k] == (float)((double)sum / count));
        }
        for (unsigned c = 0; c < channels; c++) {
            long double sum = 0, squares = 0, total = (long double)plane * count;
            for (uint32_t i = 0; i < count; i++)
                for (unsigned k = 0; k < plane; k++) sum += images.pixels[(size_t)i * n + c * plane + k];
            for (uint32_t i = 0; i < count; i++)
                for (unsigned k = 0; k < plane; k++) {
                    long double d = images.pixels[(size_t)i * n + c * plane + k] - sum / total;
                    squares += d * d;
                }
            assert_near((double)centre[c], (double)(sum / total), 1e-5);
            assert_near((double)deviation[c], c == 1 ? 1 : sqrt((double)(squares / total)), 1e-5);
        }
        free(mean);
        hw_images_free(&images);
    }
    float x;
    assert_int_equal(hw_images_mean(&(hw_images){0}, &x), HW_E_ARGUMENT);
    assert_int_equal(hw_images_mean(NULL, &x), HW_E_ARGUMENT);
    assert_int_equal(hw_images_moments(&(hw_images){0}, &x, &x), HW_E_ARGUMENT);
}

/* What the figures are for: prepared by its own moments, or its own mean image, a set has mean 0 (and deviation 1). */
static void a_set_is_centred_by_its_own_figures(void **state)
{
    (void)state;
    hw_images images = pictures(3, 8, 8, 50);
    float deviation[3], mean[192], out[192];
    hw_preparation p = hw_preparation_defaults();
    p.mean = mean;
    assert_int_equal(hw_images_mean(&images, mean), HW_OK);
    assert_int_equal(hw_images_moments(&images, p.channel_mean, deviation), HW_OK);
    for (int k = 0; k < 3; k++) p.channel_scale[k] = 1 / deviation[k];
    for (int mode = 1; mode < 3; mode++) {
        double sum[3] = {0}, squares[3] = {0};
        p.normalize = (hw_normalize)mode;
        for (uint32_t i = 0; i < 50; i++) {
            hw_image_prepare(&images, i, &p, NULL, 0, 0, 0, out);
            for (int k = 0; k < 192; k++) {
                sum[k / 64] += (double)out[k];
                squares[k / 64] += (double)out[k] * (double)out[k];
            }
        }
        for (int k = 0; k < 3; k++) {
            assert_near(sum[k] / 3200, 0, 1e-5);
            if (mode == HW_NORMALIZE_CHANNELS) assert_near(squares[k] / 3200, 1, 1e-5);
        }
    }
    hw_images_free(&images);
}

static void checks_name_the_field(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_images images = pictures(3, 4, 6, 1), many = pictures(5, 2, 2, 1);
    float mean[72] = {0};
#define REFUSED(change, text)                                                     \
    do {                                                                          \
        hw_preparation p = preparation(HW_NORMALIZE_NONE, mean);                  \
        change;                                                                   \
        assert_int_equal(hw_preparation_check(&p, &images, why), HW_E_ARGUMENT);  \
        assert_text(why, text);                                                   \
        assert_int_equal(hw_preparation_check(&p, &images, NULL), HW_E_ARGUMENT); \
    } while (0)
    REFUSED(p.struct_size = 3, "struct_size is 3");
    REFUSED(p.scale = 0, "preparation.scale is 0");
    REFUSED(p.scale = INFINITY, "preparation.scale");
    REFUSED(p.shift = NAN, "preparation.shift");
    REFUSED(p.normalize = (hw_normalize)3, "preparation.normalize is 3");
    REFUSED((p.normalize = HW_NORMALIZE_MEAN_IMAGE, p.mean = NULL), "preparation.mean is NULL");
    REFUSED((p.normalize = HW_NORMALIZE_MEAN_IMAGE, p.scale = NAN), "preparation.scale");
    REFUSED((p.normalize = HW_NORMALIZE_CHANNELS, p.channel_scale[2] = 0), "channel_scale[2] is 0");
    REFUSED((p.normalize = HW_NORMALIZE_CHANNELS, p.channel_mean[1] = NAN), "channel_mean[1]");
    mean[71] = NAN;
    REFUSED(p.normalize = HW_NORMALIZE_MEAN_IMAGE, "not finite");
    hw_preparation p = preparation(HW_NORMALIZE_CHANNELS, NULL);
    p.scale = NAN; /* another mode's field */
    p.channel_scale[3] = NAN;
    assert_int_equal(hw_preparation_check(&p, &images, why), HW_OK);
    assert_int_equal(hw_preparation_check(&p, &many, why), HW_E_ARGUMENT);
    assert_text(why, "5 channels: at most 4");
    assert_int_equal(hw_preparation_check(&p, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_preparation_check(NULL, &images, why), HW_E_ARGUMENT);
    hw_augment a = hw_augment_defaults();
    assert_int_equal(hw_augment_check(&a, &images, why), HW_E_ARGUMENT);
    assert_text(why, "augment.pad is 4");
    hw_images tall = images;
    tall.height = 6;
    tall.width = 4;
    assert_int_equal(hw_augment_check(&a, &tall, why), HW_E_ARGUMENT);
    assert_text(why, "6 x 4");
    a.pad = 3;
    assert_int_equal(hw_augment_check(&a, &tall, why), HW_OK);
    assert_int_equal(hw_augment_check(&a, &images, why), HW_OK);
    assert_int_equal(hw_augment_check(&a, NULL, why), HW_E_ARGUMENT);
    a.struct_size = 0;
    assert_int_equal(hw_augment_check(&a, &images, why), HW_E_ARGUMENT);
    assert_int_equal(hw_augment_check(NULL, &images, why), HW_E_ARGUMENT);
    hw_images_free(&images);
    hw_images_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_equals_the_slow_version),
        cmocka_unit_test(every_window_is_right),
        cmocka_unit_test(a_flip_of_a_flip_is_the_image),
        cmocka_unit_test(windows_and_flips_are_even_and_independent),
        cmocka_unit_test(it_depends_on_seed_step_and_position_only),
        cmocka_unit_test(means_and_moments),
        cmocka_unit_test(a_set_is_centred_by_its_own_figures),
        cmocka_unit_test(checks_name_the_field),
    };
    return cmocka_run_group_tests_name("augment", tests, NULL, NULL);
}
