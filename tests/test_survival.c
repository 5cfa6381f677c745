/* test_survival.c - Kaplan-Meier, restricted means and their intervals: published data, plain cases, coverage. */
#include "check.h"
#include <hogwild/efficiency.h>

/* Freireich et al. (1963), 6-MP arm, as in every textbook: weeks of remission; 0: still in it when last seen. */
static const double weeks[] = {6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35};
static const int relapsed[] = {1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};

static void kaplan_and_meier(void **state)
{
    (void)state;
    double median, mean, area = 0, above = 1, since = 0;
    assert_int_equal(hw_survival(weeks, relapsed, 21, 35, &median, &mean), HW_OK);
    assert_near(median, 23, 0);
    /* The published curve. */
    const double at[] = {6, 7, 10, 13, 16, 22, 23}, s[] = {0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448};
    for (int i = 0; i < 7; i++) {
        area += above * (at[i] - since);
        above = s[i];
        since = at[i];
    }
    area += above * (35 - since);
    assert_near(mean, area, 0.02);
    /* Nobody missed it: the plain ones. */
    const double time[] = {4, 1, 3, 2};
    const int all[] = {1, 1, 1, 1}, half[] = {0, 1, 0, 1}, none[] = {0, 0, 0, 0};
    assert_int_equal(hw_survival(time, all, 4, 10, &median, &mean), HW_OK);
    assert_near(median, 2.5, 1e-12);
    assert_near(mean, 2.5, 1e-12);
    assert_int_equal(hw_survival(time, all, 3, 10, &median, &mean), HW_OK);
    assert_near(median, 3, 1e-12);
    /* Half of them, and none: no median; the mean says they took as long as the horizon. */
    assert_int_equal(hw_survival(time, half, 4, 4, &median, &mean), HW_OK);
    assert_true(isnan(median));
    assert_near(mean, (1 + 2 + 4 + 4) / 4.0, 1e-12);
    assert_int_equal(hw_survival(time, none, 4, 4, &median, &mean), HW_OK);
    assert_true(isnan(median));
    assert_near(mean, 4, 1e-12);
    assert_int_equal(hw_survival(time, all, 0, 4, &median, &mean), HW_E_ARGUMENT);
    assert_int_equal(hw_survival(time, all, 4, 0, &median, &mean), HW_E_ARGUMENT);
    assert_int_equal(hw_survival(time, all, 4, INFINITY, &median, &mean), HW_E_ARGUMENT);
    const double wrong[] = {1, NAN};
    assert_int_equal(hw_survival(wrong, all, 2, 4, &median, &mean), HW_E_ARGUMENT);
}

/* 95 % intervals of the median hold the true one about as often as they say. */
static void intervals_cover(void **state)
{
    (void)state;
    enum { SETS = 300, N = 21 };
    unsigned covered = 0, open = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 5, 0);
    for (int k = 0; k < SETS; k++) {
        double time[N];
        int met[N];
        hw_estimate m;
        for (int i = 0; i < N; i++) {
            double t = -log(1 - hw_rng_uniform(&rng)), seen = 1.2; /* true median ln 2; 30 % are not seen to the end */
            met[i] = t <= seen;
            time[i] = t < seen ? t : seen;
        }
        assert_int_equal(hw_survival_median(time, met, N, 7, &m), HW_OK);
        if (isnan(m.value)) continue;
        assert_true(m.low <= m.value && m.value <= m.high);
        covered += m.low <= log(2) && log(2) <= m.high;
        open += isinf(m.high) != 0;
    }
    assert_in_range(covered, SETS * 88 / 100, SETS * 99 / 100);
    assert_true(open > 0); /* where draws do not meet it there is no upper end */
    hw_estimate a, b;
    assert_int_equal(hw_survival_median(weeks, relapsed, 21, 3, &a), HW_OK);
    assert_int_equal(hw_survival_median(weeks, relapsed, 21, 3, &b), HW_OK);
    assert_near(a.low, b.low, 0);
    assert_near(a.value, 23, 0);
    assert_int_equal(hw_survival_median(weeks, relapsed, 2, 3, &a), HW_OK);
    assert_true(isnan(a.low)); /* of two runs no interval */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kaplan_and_meier),
        cmocka_unit_test(intervals_cover),
    };
    return cmocka_run_group_tests_name("survival", tests, NULL, NULL);
}
