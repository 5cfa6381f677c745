/* test_noise.c - the noise of gradients: against sums that are written down here, and without bias over many draws. */
#include "check.h"

enum { ROWS = 600, N = 3 };

static float a[ROWS][N];

static double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch;
    for (int j = 0; j < N; j++) {
        double sum = 0;
        for (uint32_t k = 0; k < b->count; k++) sum += (double)(x[j] - a[b->index[k]][j]);
        g[j] = (float)(sum / b->count);
    }
    return 1;
}

static hw_objective objective(double *covariance, double mean[N])
{
    hw_rng rng;
    hw_rng_seed(&rng, 5, 0);
    *covariance = 0;
    for (int j = 0; j < N; j++) mean[j] = 0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)(hw_rng_normal(&rng) * (j + 1));
            mean[j] += (double)a[i][j] / ROWS;
        }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < N; j++) *covariance += pow((double)a[i][j] - mean[j], 2) / (ROWS - 1);
    hw_objective o = hw_objective_defaults("noise", N);
    o.examples = ROWS;
    o.loss_gradient = gradient;
    return o;
}

static void two_batches_are_a_sum(void **state)
{
    (void)state;
    double covariance, mean[N], noise, square, expected = 0, length = 0;
    hw_objective o = objective(&covariance, mean);
    const float x[N] = {1, 2, 3};
    const uint32_t index[] = {4, 9, 16, 25, 36};
    char why[HW_WHY];
    assert_int_equal(hw_gradient_noise(&o, x, index, 5, 2, &noise, &square, why), HW_OK); /* the fifth is left over */
    for (int j = 0; j < N; j++) {
        double first = (double)x[j] - ((double)a[4][j] + (double)a[9][j]) / 2;
        double second = (double)x[j] - ((double)a[16][j] + (double)a[25][j]) / 2;
        expected += (first - second) * (first - second) / 2; /* the variance of two numbers */
        length += pow((first + second) / 2, 2);
    }
    assert_near(noise, 2 * expected, 1e-4 * expected);
    assert_near(square, fmax(0, length - expected / 2), 1e-4 * length);
}

static void many_draws_have_no_bias(void **state)
{
    (void)state;
    double covariance, mean[N], length = 0, sums[2] = {0, 0}, squares[2] = {0, 0};
    hw_objective o = objective(&covariance, mean);
    const float x[N] = {3, -4, 5};
    enum { DRAWS = 2000 };
    for (int j = 0; j < N; j++) length += pow((double)x[j] - mean[j], 2);
    for (unsigned d = 0; d < DRAWS; d++) {
        uint32_t index[12];
        double value[2];
        for (uint32_t i = 0; i < 12; i++) index[i] = hw_permute(d, 0, ROWS, i);
        assert_int_equal(hw_gradient_noise(&o, x, index, 12, 3, &value[0], &value[1], NULL), HW_OK);
        for (int k = 0; k < 2; k++) {
            sums[k] += value[k] / DRAWS;
            squares[k] += value[k] * value[k] / DRAWS;
        }
    }
    const double expected[2] = {covariance, length};
    for (int k = 0; k < 2; k++) {
        double error = sqrt((squares[k] - sums[k] * sums[k]) / DRAWS);
        assert_near(sums[k], expected[k], 4 * error);
        assert_true(4 * error < 0.1 * expected[k]);
    }
}

/* A stream's batches differ by the step. */
static double drawn(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    hw_rng rng;
    (void)self, (void)scratch, (void)x;
    hw_rng_seed(&rng, b->seed, b->step);
    for (int j = 0; j < N; j++) g[j] = (float)(1 + hw_rng_normal(&rng) / sqrt(b->count));
    return 1;
}

static void streams_are_drawn_anew(void **state)
{
    (void)state;
    const float x[N] = {0};
    double noise, square;
    hw_objective o = hw_objective_defaults("stream", N);
    o.loss_gradient = drawn;
    assert_int_equal(hw_gradient_noise(&o, x, NULL, 4000, 4, &noise, &square, NULL), HW_OK);
    assert_near(noise, N, 0.5); /* of variance 1 along each axis; 1,000 batches */
    assert_near(square, N, 0.2);
}

static void wrong_calls_are_told(void **state)
{
    (void)state;
    double covariance, mean[N], noise, square;
    hw_objective o = objective(&covariance, mean);
    const float x[N] = {0};
    const uint32_t index[] = {0, 1, ROWS, 3};
    char why[HW_WHY];
    assert_int_equal(hw_gradient_noise(&o, x, index, 2, 2, &noise, &square, why), HW_E_ARGUMENT);
    assert_text(why, "two batches");
    assert_int_equal(hw_gradient_noise(&o, x, index, 2, 0, &noise, &square, why), HW_E_ARGUMENT);
    assert_int_equal(hw_gradient_noise(&o, x, index, 4, 2, &noise, &square, why), HW_E_ARGUMENT);
    assert_text(why, "index[2] is 600");
    assert_int_equal(hw_gradient_noise(&o, x, index, 2, 1, NULL, &square, why), HW_E_ARGUMENT);
    assert_int_equal(hw_gradient_noise(&o, NULL, index, 2, 1, &noise, &square, why), HW_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_batches_are_a_sum), cmocka_unit_test(many_draws_have_no_bias),
        cmocka_unit_test(streams_are_drawn_anew), cmocka_unit_test(wrong_calls_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
