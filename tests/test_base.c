/* test_base.c - random numbers, the permutation, status texts, files, options by text. */
#include "check.h"
#include "../lib/base/base.h"

static void permutation_is_a_bijection(void **state)
{
    (void)state;
    const uint32_t sizes[] = {1, 2, 3, 7, 64, 1000, 60000};
    for (size_t s = 0; s < 7; s++) {
        unsigned char *seen = calloc(sizes[s], 1);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            uint32_t at = hw_permute(9, s, sizes[s], i);
            assert_true(at < sizes[s] && !seen[at]);
            seen[at] = 1;
        }
        free(seen);
    }
    unsigned same = 0;
    for (uint32_t i = 0; i < 1000; i++) same += hw_permute(1, 0, 1000, i) == hw_permute(1, 1, 1000, i);
    assert_in_range(same, 0, 10); /* two epochs agree by chance only */
}

static void permutation_mixes(void **state)
{
    (void)state;
    /* Mean position of the first tenth over epochs is the middle; neighbours are not neighbours. */
    double sum = 0, step = 0;
    for (uint32_t e = 0; e < 200; e++)
        for (uint32_t i = 0; i < 100; i++) {
            sum += hw_permute(3, e, 1000, i);
            step += fabs((double)hw_permute(3, e, 1000, i) - (double)hw_permute(3, e, 1000, i + 1));
        }
    assert_near(sum / 20000, 499.5, 10);
    assert_near(step / 20000, 333.3, 10);
}

/* What a resumed run and a recorded figure of any version go by. */
static void permutation_stays_the_same(void **state)
{
    (void)state;
    static const uint32_t count[] = {2, 3, 1000, 32561, 1000000, 4294967295U};
    static const uint32_t expected[][4] = {{1, 1, 1, 0},
                                           {1, 1, 2, 2},
                                           {737, 352, 534, 901},
                                           {6617, 22368, 17567, 13666},
                                           {264711, 519097, 255548, 122909},
                                           {4123944049U, 1891901377, 3119650908U, 569378622}};
    for (size_t k = 0; k < sizeof count / sizeof *count; k++)
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(hw_permute(7, 3, count[k], (uint32_t)((uint64_t)i * count[k] / 5)), expected[k][i]);
}

/* Runs of every length, at both ends of the positions; nothing is written behind them. */
static void permutation_of_many_is_that_of_each(void **state)
{
    (void)state;
    static const uint32_t count[] = {1, 2, 5, 64, 1000, 1025, 32561, 65536, 65537, 3000000, 1U << 31, UINT32_MAX};
    uint32_t at[200];
    for (size_t k = 0; k < sizeof count / sizeof *count; k++)
        for (uint32_t n = 0; n <= 199 && n <= count[k]; n += n < 20 ? 1 : 7)
            for (int end = 0; end < 2; end++) {
                uint32_t first = end ? count[k] - n : 0;
                at[n] = 12345;
                hw__base_permute(k + 1, n, count[k], first, n, at);
                for (uint32_t i = 0; i < n; i++) assert_int_equal(at[i], hw_permute(k + 1, n, count[k], first + i));
                assert_int_equal(at[n], 12345);
            }
}

static void random_numbers(void **state)
{
    (void)state;
    hw_rng a, b;
    hw_rng_seed(&a, 1, 0);
    hw_rng_seed(&b, 1, 1);
    double mean = 0, square = 0, normal = 0, normal2 = 0, both = 0;
    for (int i = 0; i < 100000; i++) {
        double x = hw_rng_uniform(&a), y = hw_rng_uniform(&b), z = hw_rng_normal(&a);
        assert_true(x >= 0 && x < 1);
        mean += x;
        square += x * x;
        both += x * y;
        normal += z;
        normal2 += z * z;
    }
    assert_near(mean / 1e5, 0.5, 0.005);
    assert_near(square / 1e5, 1.0 / 3, 0.005);
    assert_near(both / 1e5, 0.25, 0.005); /* streams do not follow each other */
    assert_near(normal / 1e5, 0, 0.015);
    assert_near(normal2 / 1e5, 1, 0.025);
    unsigned count[5] = {0};
    for (int i = 0; i < 50000; i++) count[hw_rng_below(&a, 5)]++;
    for (int i = 0; i < 5; i++) assert_in_range(count[i], 9600, 10400);
}

static void every_status_has_a_sentence(void **state)
{
    (void)state;
    for (int s = HW_OK; s <= HW_E_STOPPED; s++) {
        assert_string_not_equal(hw_status_name(s), "HW_E_UNKNOWN");
        assert_true(strlen(hw_status_text(s)) > 5);
    }
    assert_string_equal(hw_status_name(1234), "HW_E_USER");
    assert_string_equal(hw_status_name(-1), "HW_E_UNKNOWN");
    char info[256];
    hw_build_info(info, sizeof info);
    assert_text(info, hw_version());
    assert_text(info, "OpenBLAS");
}

static void finite_by_bits(void **state)
{
    (void)state;
    float x[37];
    for (int i = 0; i < 37; i++) x[i] = (float)i - 18;
    assert_true(hw__base_all_finite(x, 37));
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int b = 0; b < 3; b++)
        for (int i = 0; i < 37; i++) {
            float keep = x[i];
            x[i] = bad[b];
            assert_false(hw__base_all_finite(x, 37));
            x[i] = keep;
        }
    x[5] = 1e-42f; /* a denormal is finite */
    assert_true(hw__base_all_finite(x, 37));
}

static void weights_survive_a_file(void **state)
{
    (void)state;
    char path[] = "hogwild-test-XXXXXX", why[HW_WHY];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)fdopen(fd, "w");
    float x[3000], y[3000];
    for (int i = 0; i < 3000; i++) x[i] = sinf((float)i) * 1e-3f;
    assert_int_equal(hw_weights_save(path, x, 3000, why), HW_OK);
    assert_int_equal(hw_weights_load(path, y, 3000, why), HW_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(hw_weights_load(path, y, 2999, why), HW_E_FORMAT);
    assert_int_equal(hw_weights_load(path, y, 3001, why), HW_E_FORMAT);
    /* Every flipped bit of a small file is noticed. */
    assert_int_equal(hw_weights_save(path, x, 4, why), HW_OK);
    FILE *f = fopen(path, "r+b");
    for (long byte = 0; byte < 48; byte++)
        for (int bit = 0; bit < 8; bit++) {
            int c;
            assert_int_equal(fseek(f, byte, SEEK_SET), 0);
            c = fgetc(f);
            assert_int_equal(fseek(f, byte, SEEK_SET), 0);
            fputc(c ^ (1 << bit), f);
            fflush(f);
            assert_int_not_equal(hw_weights_load(path, y, 4, why), HW_OK);
            assert_int_equal(fseek(f, byte, SEEK_SET), 0);
            fputc(c, f);
            fflush(f);
        }
    assert_int_equal(hw_weights_load(path, y, 4, why), HW_OK);
    fclose(f);
    remove(path);
    assert_int_equal(hw_weights_load(path, y, 4, why), HW_E_IO);
    assert_int_equal(hw_weights_save("no/such/folder/x", x, 4, why), HW_E_IO);
    assert_text(why, "no/such/folder/x");
}

static void options_by_text(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults();
    char why[HW_WHY], text[64];
    assert_int_equal(hw_config_set(&c, "momentum.target", "0.95", why), HW_OK);
    assert_near(c.optimizer.momentum, 0.95, 0);
    assert_int_equal(hw_config_set(&c, "learning_rate", "2.5e-3", why), HW_OK);
    assert_near(c.optimizer.schedule.base, 2.5e-3, 1e-18);
    assert_int_equal(hw_config_set(&c, "compensation", "mean-lag", why), HW_OK);
    assert_int_equal(c.compensation.policy, HW_POLICY_MEAN_LAG);
    assert_int_equal(hw_config_set(&c, "momentum.target", "1.2", why), HW_E_ARGUMENT);
    assert_text(why, "config.momentum.target is 1.2: it must be in [0, 1)");
    assert_int_equal(hw_config_set(&c, "workers", "2.5", why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_set(&c, "workers", "zwei", why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_set(&c, "write", "quick", why), HW_E_ARGUMENT);
    assert_text(why, "add|striped|racy|locked");
    assert_int_equal(hw_config_set(&c, "no.such", "1", why), HW_E_ARGUMENT);
    /* Every option's default reads back into itself. */
    hw_config d = hw_config_defaults();
    for (size_t i = 0; i < hw_option_count(); i++) {
        hw_option o;
        assert_int_equal(hw_option_get(i, &o), HW_OK);
        assert_int_equal(hw_config_get(&d, o.name, text, sizeof text), HW_OK);
        assert_int_equal(hw_config_set(&d, o.name, text, why), HW_OK);
        assert_true(strlen(o.help) > 0);
    }
    hw_config plain = hw_config_defaults();
    assert_memory_equal(&d, &plain, sizeof d);
    assert_int_equal(hw_option_get(hw_option_count(), &(hw_option){0}), HW_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permutation_is_a_bijection),
        cmocka_unit_test(permutation_mixes),
        cmocka_unit_test(permutation_stays_the_same),
        cmocka_unit_test(permutation_of_many_is_that_of_each),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(every_status_has_a_sentence),
        cmocka_unit_test(finite_by_bits),
        cmocka_unit_test(weights_survive_a_file),
        cmocka_unit_test(options_by_text),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
