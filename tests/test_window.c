/* test_window.c - what word vectors draw from a text, and the kernels that they run on: the loss, rows. */
#include "drawn.h"
#include "../lib/model/logistic.h"
#include "../lib/params/fused.h"
#include "../lib/params/wide.h"

static double chi_square(const double *seen, const double *expected, const double *variance, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (variance[i] > 0) sum += (seen[i] - expected[i]) * (seen[i] - expected[i]) / variance[i];
    return sum;
}

/* Five standard deviations above the mean of chi-square with n degrees of freedom. */
#define assert_chi(sum, n) assert_true((sum) < (double)(n) + 5 * sqrt(2.0 * (double)(n)))

/* --- the draws -----------------------------------------------------------------------------------------------------
 */

static void subsampling(void **state)
{
    (void)state;
    hw_corpus c = zipf(WORDS, 100, 2000);
    double seen[WORDS] = {0}, expected[WORDS], variance[WORDS], sample = 0.004;
    drawn x = draws_of(&c, 3, 1, sample, true, false, 64);
    for (uint32_t from = 0; from < c.tokens; from += 64) {
        uint32_t n = c.tokens - from < 64 ? c.tokens - from : 64;
        uint32_t passes = hw__window_draw(&x.plan, hw__window_key(3, 0), from, n, &x.d);
        const uint32_t *at = x.d.list;
        hw__window_pass pass;
        for (uint32_t i = 0; i < passes; i++) {
            at = hw__window_next(at, &pass);
            seen[pass.target[0] / 16 / 2]++;
            assert_int_equal(c.token[from + pass.example], pass.target[0] / 16 / 2);
        }
    }
    for (uint32_t v = 0; v < WORDS; v++) {
        /* word2vec.c's own expression */
        double n = (double)c.count[v], t = sample * (double)c.running, p = (sqrt(n / t) + 1) * t / n;
        if (p > 1) p = 1;
        assert_near(hw__window_keep(&c, sample, v), p, 1e-12);
        expected[v] = n * p;
        variance[v] = n * p * (1 - p);
        if (p >= 1) assert_near(seen[v], n, 1e-9);
    }
    assert_chi(chi_square(seen, expected, variance, WORDS), WORDS);
    drop(&x);
    hw_corpus_free(&c);
}

static void widths_and_negatives(void **state)
{
    (void)state;
    enum { WIDTH = 5, NEGATIVES = 4 };
    hw_corpus c = zipf(WORDS, 1, CHECK_SLOW ? 20000 : 100000);
    drawn x = draws_of(&c, WIDTH, NEGATIVES, 0, false, false, 1);
    double width[WIDTH] = {0}, even[WIDTH], seen[WORDS] = {0}, expected[WORDS] = {0}, share[WORDS], sum = 0, n = 0;
    uint32_t last = 0;
    for (uint32_t v = 0; v < WORDS; v++) sum += share[v] = pow((double)c.count[v], 0.75);
    for (uint32_t from = WIDTH; from + WIDTH + 1 < c.tokens; from++) {
        uint32_t passes = hw__window_draw(&x.plan, hw__window_key(1, 2), from, 1, &x.d);
        const uint32_t *at = x.d.list;
        hw__window_pass pass;
        assert_int_equal(passes % 2, 0);
        width[passes / 2 - 1]++;
        n++;
        for (uint32_t i = 0; i < passes; i++) {
            at = hw__window_next(at, &pass);
            uint32_t half = passes / 2, centre = c.token[from];
            assert_int_equal(pass.inputs, 1);
            assert_int_equal(pass.input[0], 32 * c.token[i < half ? from - half + i : from + 1 + i - half]);
            assert_int_equal(pass.target[0], 32 * centre + 16);
            for (uint32_t t = 1; t < pass.targets; t++) {
                last = (pass.target[t] - 16) / 32;
                assert_int_not_equal(last, centre);
                seen[last]++;
            }
            for (uint32_t v = 0; v < WORDS; v++)
                if (v != centre) expected[v] += NEGATIVES * share[v] / sum;
        }
    }
    for (int k = 0; k < WIDTH; k++) even[k] = n / WIDTH;
    assert_chi(chi_square(width, even, even, WIDTH), WIDTH);
    assert_chi(chi_square(seen, expected, expected, WORDS), WORDS);
    drop(&x);
    hw_corpus_free(&c);
}

/* A stretch draws what its positions draw one by one; seeds and epochs draw differently; shared negatives are. */
static void stretches(void **state)
{
    (void)state;
    hw_corpus c = zipf(WORDS, 300, 9);
    for (int mode = 0; mode < 3; mode++) {
        drawn x = draws_of(&c, 4, 3, 0.02, mode == 2, mode == 1, 50),
              y = draws_of(&c, 4, 3, 0.02, mode == 2, mode == 1, 1);
        uint64_t key = hw__window_key(5, 1);
        unsigned other = 0;
        for (uint32_t from = 0; from + 50 <= c.tokens; from += 50) {
            uint32_t passes = hw__window_draw(&x.plan, key, from, 50, &x.d), done = 0;
            const uint32_t *at = x.d.list;
            hw__window_pass a, b, before = {0};
            for (uint32_t i = 0; i < 50; i++) {
                uint32_t own = hw__window_draw(&y.plan, key, from + i, 1, &y.d);
                const uint32_t *to = y.d.list;
                for (uint32_t k = 0; k < own; k++, done++) {
                    at = hw__window_next(at, &a);
                    to = hw__window_next(to, &b);
                    assert_int_equal(a.example, i);
                    assert_int_equal(a.inputs, b.inputs);
                    assert_int_equal(a.targets, b.targets);
                    assert_memory_equal(a.input, b.input, (a.inputs + a.targets) * sizeof *a.input);
                    if (mode == 1 && k) assert_memory_equal(b.target, before.target, b.targets * sizeof *b.target);
                    before = b;
                }
                other += own != hw__window_draw(&y.plan, hw__window_key(5, 2), from + i, 1, &y.d);
                other += own != hw__window_draw(&y.plan, hw__window_key(6, 1), from + i, 1, &y.d);
            }
            assert_int_equal(done, passes);
        }
        assert_true(other > 500);
        drop(&x);
        drop(&y);
    }
    hw_corpus_free(&c);
}

/* --- kernels -------------------------------------------------------------------------------------------------------
 */

static void loss_function(void **state)
{
    (void)state;
    for (int wide = 0; wide <= hw__logistic_wide(); wide++)
        for (double x = -100; x <= 100; x += 0.0137) {
            float score[16] = {(float)x, (float)x, 0.25f, 0, 0, 0, 0, 0, (float)-x}, slope[16], loss[16];
            double z = (double)score[0], sum = hw__logistic_loss(wide, score, 9, slope, loss);
            assert_near((double)slope[0], 1 - 1 / (1 + exp(-z)), 3e-7);
            assert_near((double)slope[1], -1 / (1 + exp(-z)), 3e-7);
            assert_near((double)slope[8], -1 / (1 + exp(z)), 3e-7);
            assert_near((double)loss[1], fmax(z, 0) + log1p(exp(-fabs(z))), 1e-6 + 1e-6 * fabs(z));
            double other = log1p(exp(0.25)) + 5 * log(2), straight = fmax(z, 0) + log1p(exp(-fabs(z)));
            assert_near(sum, 3 * straight - 2 * z + other, 1e-4);
        }
    float score[8] = {0}, slope[8], loss[8];
    for (int k = 0; k < 2; k++) {
        score[k] = NAN;
        assert_true(!isfinite(hw__logistic_loss(hw__logistic_wide(), score, 3, slope, loss)));
        score[k] = INFINITY;
        assert_true(!isfinite(hw__logistic_loss(hw__logistic_wide(), score, 3, slope, loss)));
        score[k] = 0;
    }
}

#if PARAMS_WIDE
typedef struct kernels {
    void (*dot)(hw__params_float *const *w, size_t k, size_t n, const float *x, float *out);
    void (*add)(hw__params_float *const *w, size_t k, size_t n, const float *coefficient, const float *x, float *sum);
    void (*window_dot)(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       float *score);
    void (*window_add)(hw__params_float *const *in, size_t k, hw__params_float *const *out, size_t t, size_t n,
                       const float *coefficient);
} kernels;

/* One to six rows, one of them twice, whole and broken vectors, with and without the sum. */
static void rows_like_the_scalar(const kernels *k)
{
    enum { ROWS = 6, LENGTH = 112 };
    hw__params_float *a = check_floats(ROWS * LENGTH), *b = check_floats(ROWS * LENGTH), *at[2][ROWS];
    float x[LENGTH], sum[2][LENGTH], coefficient[ROWS], out[2][ROWS];
    hw_rng rng;
    hw_rng_seed(&rng, 4, 0);
    for (size_t rows = 1; rows <= ROWS; rows++)
        for (size_t n = 1; n <= LENGTH; n += 37) {
            for (size_t i = 0; i < ROWS * LENGTH; i++) {
                float v = (float)hw_rng_normal(&rng);
                atomic_store(a + i, v);
                atomic_store(b + i, v);
            }
            for (size_t i = 0; i < LENGTH; i++) sum[0][i] = sum[1][i] = x[i] = (float)hw_rng_normal(&rng);
            for (size_t r = 0; r < rows; r++) {
                size_t row = r == 3 ? 1 : r;
                at[0][r] = a + row * LENGTH;
                at[1][r] = b + row * LENGTH;
                coefficient[r] = (float)hw_rng_normal(&rng);
            }
            hw__params_fused_racy.rows_dot(at[0], rows, n, x, out[0]);
            k->dot(at[1], rows, n, x, out[1]);
            hw__params_fused_racy.rows_add(at[0], rows, n, coefficient, x, sum[0]);
            k->add(at[1], rows, n, coefficient, x, sum[1]);
            hw__params_fused_racy.rows_add(at[0], rows, n, coefficient, x, NULL);
            k->add(at[1], rows, n, coefficient, x, NULL);
            for (size_t r = 0; r < rows; r++) assert_near((double)out[0][r], (double)out[1][r], 1e-4);
            for (size_t i = 0; i < LENGTH; i++) assert_near((double)sum[0][i], (double)sum[1][i], 1e-4);
            for (size_t i = 0; i < ROWS * LENGTH; i++)
                assert_near((double)atomic_load(a + i), (double)atomic_load(b + i), 1e-4);
        }
    free(a);
    free(b);
}

/* One to six targets, one to sixteen inputs, of which the third comes twice: against double precision. */
static void windows_like_the_definition(void (*dot)(hw__params_float *const *, size_t, hw__params_float *const *,
                                                    size_t, size_t, float *),
                                        void (*add)(hw__params_float *const *, size_t, hw__params_float *const *,
                                                    size_t, size_t, const float *))
{
    enum { MOST = 16, LENGTH = 112, ALL = (MOST + 6) * LENGTH };
    hw__params_float *a = check_floats(ALL), *in[MOST], *out[6];
    static double x[MOST + 6][LENGTH], before[6][LENGTH];
    float score[MOST * 6], coefficient[MOST * 6];
    hw_rng rng;
    hw_rng_seed(&rng, 5, 0);
    for (size_t t = 1; t <= 6; t++)
        for (size_t k = 1; k <= MOST; k += 3)
            for (size_t n = 5; n <= LENGTH; n += 35) {
                for (size_t i = 0; i < ALL; i++) {
                    float v = (float)hw_rng_normal(&rng);
                    atomic_store(a + i, v);
                    x[i / LENGTH][i % LENGTH] = (double)v;
                }
                size_t row[MOST];
                for (size_t i = 0; i < k; i++) row[i] = i == 3 ? 2 : i;
                for (size_t i = 0; i < k; i++) in[i] = a + row[i] * LENGTH;
                for (size_t r = 0; r < t; r++) out[r] = a + (MOST + r) * LENGTH;
                for (size_t i = 0; i < k * t; i++) coefficient[i] = 0.1f * (float)hw_rng_normal(&rng);
                dot(in, k, out, t, n, score);
                add(in, k, out, t, n, coefficient);
                memcpy(before, x[MOST], sizeof before);
                for (size_t i = 0; i < k; i++)
                    for (size_t r = 0; r < t; r++) {
                        double z = 0;
                        for (size_t v = 0; v < n; v++) z += before[r][v] * x[row[i]][v];
                        assert_near((double)score[i * t + r], z, 1e-4 * (1 + fabs(z)));
                    }
                for (size_t i = 0; i < k; i++)
                    for (size_t v = 0; v < n; v++) {
                        double old = x[row[i]][v];
                        for (size_t r = 0; r < t; r++) {
                            x[row[i]][v] += (double)coefficient[i * t + r] * before[r][v];
                            x[MOST + r][v] += (double)coefficient[i * t + r] * old;
                        }
                    }
                for (size_t i = 0; i < ALL; i++)
                    assert_near((double)atomic_load(a + i), x[i / LENGTH][i % LENGTH],
                                1e-4 * (1 + fabs(x[i / LENGTH][i % LENGTH])));
            }
    free(a);
}
#endif

/* Without vectors (or under ThreadSanitizer) there is nothing to compare. */
static void rows(void **state)
{
    (void)state;
#if PARAMS_WIDE
    kernels eight = {hw__params_rows_dot_wide, hw__params_rows_add_wide, hw__params_window_dot_wide,
                     hw__params_window_add_wide},
            sixteen = {hw__params_rows_dot_512, hw__params_rows_add_512, hw__params_window_dot_512,
                       hw__params_window_add_512};
    windows_like_the_definition(hw__params_fused_racy.window_dot, hw__params_fused_racy.window_add);
    windows_like_the_definition(hw__params_fused_cas.window_dot, hw__params_fused_cas.window_add);
    if (hw__params_wide()) windows_like_the_definition(eight.window_dot, eight.window_add);
    if (hw__params_wide() && __builtin_cpu_supports("avx512f"))
        windows_like_the_definition(sixteen.window_dot, sixteen.window_add);
    if (hw__params_wide()) rows_like_the_scalar(&eight);
    if (hw__params_wide() && __builtin_cpu_supports("avx512f")) rows_like_the_scalar(&sixteen);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subsampling), cmocka_unit_test(widths_and_negatives),
        cmocka_unit_test(stretches),   cmocka_unit_test(loss_function),
        cmocka_unit_test(rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
