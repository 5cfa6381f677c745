/* test_product.c - the small matrix products of dense layers against sums in double precision: every width of vectors
 * that the processor has, OpenBLAS, odd sizes, memory beyond the matrices, the same bits twice. */
#include "check.h"
#include "../lib/base/blas.h"
#include "../lib/conv/product.h"

enum { GUARD = 40 };
typedef struct matrix {
    float *all, *x;
    size_t n;
} matrix;

/* Between guards: not a number before and behind, so that what reads them shows. */
static matrix matrix_of(size_t n, hw_rng *rng)
{
    matrix m = {check_floats(n + 2 * GUARD + 3), NULL, n};
    m.x = m.all + GUARD + hw_rng_below(rng, 4); /* aligned or not */
    for (size_t i = 0; i < n + 2 * GUARD + 3; i++) m.all[i] = NAN;
    for (size_t i = 0; i < n; i++) m.x[i] = (float)hw_rng_normal(rng);
    return m;
}

static void check_guards(const matrix *m)
{
    for (size_t i = 0; i < GUARD; i++) assert_true(isnan(m->all[i]) && isnan(m->x[m->n + i]));
}

typedef struct sizes {
    size_t m, n, k;
} sizes;

/* steps NULL: as dense layers call it. */
static void check_dots(const hw__product_steps *steps, bool wide, sizes s, hw_rng *rng)
{
    matrix a = matrix_of(s.m * s.k, rng), b = matrix_of(s.n * s.k, rng), bias = matrix_of(s.n, rng),
           out = matrix_of(s.m * s.n, rng), again = matrix_of(s.m * s.n, rng);
    const float *with = hw_rng_below(rng, 3) ? bias.x : NULL;
    for (int k = 0; k < 2; k++) {
        float *to = k ? again.x : out.x;
        if (steps)
            steps->dots(s.m, s.n, s.k, a.x, b.x, with, to);
        else
            hw__product_dots(wide, s.m, s.n, s.k, a.x, b.x, with, to);
    }
    assert_memory_equal(out.x, again.x, s.m * s.n * sizeof(float));
    for (size_t i = 0; i < s.m; i++)
        for (size_t j = 0; j < s.n; j++) {
            double sum = with ? (double)with[j] : 0, size = fabs(sum);
            for (size_t t = 0; t < s.k; t++) {
                double product = (double)a.x[i * s.k + t] * (double)b.x[j * s.k + t];
                sum += product;
                size += fabs(product);
            }
            assert_near((double)out.x[i * s.n + j], sum, 1e-6 * size + 1e-12);
        }
    check_guards(&out);
    free(a.all), free(b.all), free(bias.all), free(out.all), free(again.all);
}

static void check_sums(const hw__product_steps *steps, bool wide, sizes s, bool transposed, hw_rng *rng)
{
    matrix a = matrix_of(s.m * s.k, rng), b = matrix_of(s.k * s.n, rng), out = matrix_of(s.m * s.n, rng);
    size_t row = transposed ? 1 : s.k, column = transposed ? s.m : 1;
    if (steps)
        steps->sums(s.m, s.n, s.k, a.x, row, column, b.x, out.x);
    else
        hw__product_sums(wide, transposed, s.m, s.n, s.k, a.x, b.x, out.x);
    for (size_t i = 0; i < s.m; i++)
        for (size_t j = 0; j < s.n; j++) {
            double sum = 0, size = 0;
            for (size_t t = 0; t < s.k; t++) {
                double product = (double)a.x[i * row + t * column] * (double)b.x[t * s.n + j];
                sum += product;
                size += fabs(product);
            }
            assert_near((double)out.x[i * s.n + j], sum, 1e-6 * size + 1e-12);
        }
    check_guards(&out);
    free(a.all), free(b.all), free(out.all);
}

static void check_all(const hw__product_steps *steps, bool wide)
{
    static const sizes layers[] = {{64, 500, 800}, {64, 10, 500}, {100, 64, 1024}, {4, 120, 400}, {4, 84, 120},
                                   {4, 10, 84},    {1, 1, 1},     {128, 10, 64},   {1, 17, 33},   {3, 8, 16}};
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < 10 + (check_slow() ? 60 : 600); i++) {
        sizes s = {1 + hw_rng_below(&rng, 20), 1 + hw_rng_below(&rng, 60), 1 + hw_rng_below(&rng, 60)};
        if (i < 10) s = layers[i];
        if (check_emulated() && i < 10 && s.n * s.k > 10000) continue;
        check_dots(steps, wide, s, &rng);
        check_sums(steps, wide, s, false, &rng);
        check_sums(steps, wide, s, true, &rng);
    }
}

static void products_of_every_width_are_right(void **state)
{
    (void)state;
    const hw__product_steps *widths[] = {hw__product_avx2(), hw__product_avx512()};
    unsigned known = 0;
    for (int i = 0; i < 2; i++)
        if (widths[i]) {
            check_all(widths[i], true);
            known++;
        }
    if (!known) skip();
}

static void layers_products_are_right(void **state)
{
    (void)state;
    check_all(NULL, true);
    check_all(NULL, false); /* the reference */
    hw_rng rng;             /* too large for the caches: OpenBLAS */
    hw_rng_seed(&rng, 2, 0);
    sizes large = {3, 1030, 1021};
    check_dots(NULL, true, large, &rng);
    check_sums(NULL, true, large, false, &rng);
    check_sums(NULL, true, large, true, &rng);
}

/* Infinities and what is not a number go where the definition takes them. */
static void what_is_not_finite_is_passed_on(void **state)
{
    (void)state;
    enum { M = 5, N = 19, K = 37 };
    float *a = check_floats(M * K), *b = check_floats(N * K), *out = check_floats(M * N);
    for (size_t i = 0; i < M * K; i++) a[i] = 1;
    for (size_t i = 0; i < N * K; i++) b[i] = 1;
    a[2 * K + 36] = NAN;
    b[18 * K] = INFINITY;
    hw__product_dots(true, M, N, K, a, b, NULL, out);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            float x = out[i * N + j];
            assert_true(i == 2 ? isnan(x) : j == 18 ? isinf(x) : x == 37);
        }
    free(a), free(b), free(out);
}

int main(void)
{
    hw__blas_held held = hw__blas_hold(true); /* as an engine does: OpenBLAS's own threads are nobody's to check */
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_of_every_width_are_right),
                                       cmocka_unit_test(layers_products_are_right),
                                       cmocka_unit_test(what_is_not_finite_is_passed_on)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hw__blas_unhold(&held);
    return failed;
}
