/* test_staleness.c - histograms, shape statistics and verdicts, against laws that are known. */
#include "check.h"
#include "check.h"

static void bins_tile_the_integers(void **state)
{
    (void)state;
    hw_histogram h;
    assert_int_equal(hw_histogram_init(&h, 16), HW_OK);
    uint64_t low, high, next = 0;
    for (uint32_t b = 0; b < h.bins; b++) {
        hw_histogram_bounds(&h, b, &low, &high);
        assert_true(low == next && high >= low);
        next = high + 1;
    }
    assert_true(next == 0); /* the last bin ends at 2^64 - 1 */
    const uint64_t values[] = {0, 15, 16, 17, 18, 1000, 123456789, UINT64_MAX};
    for (size_t i = 0; i < 8; i++) {
        hw_histogram_clear(&h);
        hw_histogram_add(&h, values[i], 3);
        for (uint32_t b = 0; b < h.bins; b++) {
            hw_histogram_bounds(&h, b, &low, &high);
            assert_int_equal(h.counts[b], values[i] >= low && values[i] <= high ? 3 : 0);
        }
    }
    hw_histogram_free(&h);
    assert_int_equal(hw_histogram_init(&h, 17), HW_E_ARGUMENT);
    hw_histogram_free(&h);
}

static void sample(hw_histogram *h, int law, double p, size_t n)
{
    hw_rng rng;
    hw_rng_seed(&rng, 3, (uint64_t)law);
    for (size_t i = 0; i < n; i++) {
        uint64_t l = 0;
        if (law == HW_FIT_GEOMETRIC)
            while (hw_rng_uniform(&rng) < p) l++;
        else if (law == HW_FIT_POISSON)
            for (double t = -log(1 - hw_rng_uniform(&rng)); t < p; t -= log(1 - hw_rng_uniform(&rng))) l++;
        else
            l = (uint64_t)p;
        hw_histogram_add(h, l, 1);
    }
}

static void a_geometric_is_recognised(void **state)
{
    (void)state;
    hw_histogram h;
    hw_staleness_summary s;
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    sample(&h, HW_FIT_GEOMETRIC, 0.875, 100000);
    hw_staleness_summarize(&h, &s);
    assert_near(s.mean, 7, 0.1);
    assert_near(s.dispersion, 1, 0.03);
    assert_near(s.by_zero, 0.875, 0.005);
    assert_near(s.by_slope, 0.875, 0.01);
    assert_near(s.by_tail, 0.875, 0.005);
    assert_near(s.by_mean, 0.875, 0.005);
    assert_true(s.geometric);
    assert_int_equal(s.best, HW_FIT_GEOMETRIC);
    assert_true(s.fit[HW_FIT_GEOMETRIC].p_value > 1e-3);
    assert_true(s.fit[HW_FIT_POISSON].p_value < 1e-6);
    char text[256];
    hw_staleness_verdict(&s, text, sizeof text);
    assert_text(text, "queue model");
    hw_histogram_free(&h);
}

static void other_shapes_are_not_taken_for_it(void **state)
{
    (void)state;
    hw_histogram h;
    hw_staleness_summary s;
    char text[256];
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    sample(&h, HW_FIT_POISSON, 7, 100000);
    hw_staleness_summarize(&h, &s);
    assert_int_equal(s.best, HW_FIT_POISSON);
    assert_true(s.fit[HW_FIT_POISSON].p_value > 1e-3);
    assert_false(s.geometric);
    assert_near(s.dispersion, 7.0 / 56, 0.01);
    assert_near(s.by_mean, 0.875, 0.005); /* the mean cannot tell: it says what a geometric of 8 workers would */
    hw_histogram_clear(&h);
    sample(&h, HW_FIT_POINT_MASS, 7, 1000);
    hw_staleness_summarize(&h, &s);
    assert_int_equal(s.best, HW_FIT_POINT_MASS);
    assert_near(s.dispersion, 0, 1e-12);
    hw_staleness_verdict(&s, text, sizeof text);
    assert_text(text, "fixed delay of 7");
    /* One value far above the exact bound is neither dropped nor rounded away in the mean. */
    hw_histogram_add(&h, 1000000, 1);
    hw_staleness_summarize(&h, &s);
    assert_near(s.mean, (7000 + 1e6) / 1001, 1e-9);
    assert_near(s.largest, 1e6, 0);
    hw_staleness_verdict(&s, text, sizeof text);
    assert_text(text, "heavier");
    hw_histogram_clear(&h);
    hw_staleness_summarize(&h, &s);
    hw_staleness_verdict(&s, text, sizeof text);
    assert_text(text, "no updates");
    hw_histogram_free(&h);
}

static void windows_are_differences(void **state)
{
    (void)state;
    hw_histogram all, before, window;
    assert_int_equal(hw_histogram_init(&all, 64), HW_OK);
    assert_int_equal(hw_histogram_init(&before, 64), HW_OK);
    assert_int_equal(hw_histogram_init(&window, 64), HW_OK);
    for (uint64_t i = 0; i < 100; i++) hw_histogram_add(&all, 50, 1);
    hw_histogram_copy(&before, &all);
    for (uint64_t i = 0; i < 40; i++) hw_histogram_add(&all, i % 4, 1);
    hw_histogram_copy(&window, &all);
    hw_histogram_subtract(&window, &before);
    assert_int_equal(window.total, 40);
    assert_near(window.sum / 40, 1.5, 1e-12);
    assert_int_equal(window.largest, 3);
    assert_near(hw_histogram_quantile(&window, 0.5), 1, 0);
    hw_histogram_free(&all);
    hw_histogram_free(&before);
    hw_histogram_free(&window);
}

typedef struct recording {
    hw_staleness *s;
    unsigned worker;
} recording;

static void *record(void *context)
{
    recording *r = context;
    for (uint64_t i = 0; i < 50000; i++) {
        hw_observation o = {i % 300, i % 3, 0, 1000 + i};
        hw_staleness_record(r->s, r->worker, &o, 1);
    }
    return NULL;
}

static void recorders_merge_while_they_run(void **state)
{
    (void)state;
    recording r[4];
    pthread_t t[4];
    hw_staleness *s;
    hw_histogram h;
    assert_int_equal(hw_staleness_create(&s, 4, 128, NULL), HW_OK);
    assert_int_equal(hw_histogram_init(&h, 128), HW_OK);
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (recording){s, i};
        assert_int_equal(pthread_create(&t[i], NULL, record, r + i), 0);
    }
    uint64_t last = 0;
    for (int k = 0; k < 50; k++) {
        hw_histogram_clear(&h);
        hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
        uint64_t sum = 0;
        for (uint32_t b = 0; b < h.bins; b++) sum += h.counts[b];
        assert_true(h.total == sum && h.total >= last);
        last = h.total;
    }
    for (unsigned i = 0; i < 4; i++) pthread_join(t[i], NULL);
    hw_histogram_clear(&h);
    hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
    assert_int_equal(h.total, 200000);
    assert_int_equal(hw_staleness_count(s, 2), 50000);
    hw_work_summary work;
    hw_staleness_work(s, &work);
    assert_near(work.mean_ns, 1000 + 49999 / 2.0, 1);
    assert_true(work.correlation_next > 0.99);
    hw_histogram_free(&h);
    hw_staleness_free(s);
    char why[HW_WHY];
    assert_int_equal(hw_staleness_create(&s, 1, 100, why), HW_E_ARGUMENT);
    assert_text(why, "power of two");
}

/* A recorder is read between a bin and its sum: what is reported is what the bins allow, and so is a window. */
static void sums_agree_with_the_bins(void **state)
{
    (void)state;
    hw_histogram now, before;
    hw_staleness_summary shape;
    assert_int_equal(hw_histogram_init(&now, 8), HW_OK);
    assert_int_equal(hw_histogram_init(&before, 8), HW_OK);
    hw_histogram_add(&now, 5, 3);
    hw_histogram_add(&now, 100, 1);
    now.sum -= 100;
    now.squares -= 10000;
    hw_histogram_subtract(&now, &before);
    assert_near(now.sum, 15 + 96, 0); /* the bin of 100 begins at 96 */
    assert_near(now.squares, 75 + 96 * 96, 0);
    now.sum = 1e6;
    hw_histogram_subtract(&now, &before);
    assert_near(now.sum, 15 + 103, 0);
    hw_histogram_clear(&now);
    hw_histogram_add(&now, 1, 2);
    now.sum = 0;
    hw_histogram_subtract(&now, &before);
    hw_staleness_summarize(&now, &shape);
    assert_near(shape.by_tail, 0, 0);
    hw_histogram_free(&now);
    hw_histogram_free(&before);
}

static void exports(void **state)
{
    (void)state;
    hw_histogram h;
    hw_staleness_summary s;
    char *text = NULL;
    size_t size = 0;
    assert_int_equal(hw_histogram_init(&h, 16), HW_OK);
    sample(&h, HW_FIT_GEOMETRIC, 0.5, 1000);
    hw_histogram_add(&h, 500, 1);
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(hw_histogram_csv(&h, f), HW_OK);
    fclose(f);
    assert_text(text, "low,high,count,share,geometric,poisson,negative_binomial\n0,0,");
    assert_text(text, "\n480,511,1,");
    free(text);
    f = open_memstream(&text, &size);
    hw_staleness_summarize(&h, &s);
    assert_int_equal(hw_histogram_json(&h, f), HW_OK);
    assert_int_equal(hw_staleness_summary_json(&s, f), HW_OK);
    assert_int_equal(hw_histogram_text(&h, f, 12, 0), HW_OK);
    fclose(f);
    assert_text(text, "{\"total\":1001,\"largest\":500,\"bins\":[[0,0,");
    assert_text(text, "\"verdict\":");
    assert_text(text, "####");
    assert_text(text, "the largest 500");
    assert_null(strstr(text, "nan"));
    free(text);
    hw_histogram_free(&h);
}

/* What a report wrote comes back, and what is not one is refused with its line. */
static void histograms_come_back_from_csv(void **state)
{
    (void)state;
    hw_histogram h, back;
    char why[HW_WHY];
    assert_int_equal(hw_histogram_init(&h, 16), HW_OK);
    for (uint64_t l = 0; l < 40; l++) hw_histogram_add(&h, l, 1 + l % 5);
    FILE *f = fopen("delays.csv", "w");
    assert_non_null(f);
    assert_int_equal(hw_histogram_csv(&h, f), HW_OK);
    fclose(f);
    assert_int_equal(hw_histogram_load(&back, 16, "delays.csv", why), HW_OK);
    assert_int_equal(back.total, h.total);
    assert_memory_equal(back.counts, h.counts, h.bins * sizeof *h.counts);
    hw_histogram_free(&back);
    hw_histogram_free(&h);
    const struct {
        const char *text, *says;
    } bad[] = {{"", ":1:"},
               {"a,b\n", ":1:"},
               {"low,high,count\n", "no counts"},
               {"low,high,count\n1,1\n", ":2:"},
               {"low,high,count\n1,1,x\n", ":2:"},
               {"low,high,count\n2,1,1\n", "ascend"},
               {"low,high,count\n1,1,1\n1,1,1\n", ":3:"},
               {"low,high,count\n1,1,99999999999999999999\n", ":2:"},
               {"low,high,count\n1,1,1.5\n", "something else"},
               {"low,high,count\n0,2000000000000,1\n", "2^40"},
               {"low,high,count\n-1,1,1\n", ":2:"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f = fopen("delays.csv", "w");
        fputs(bad[i].text, f);
        fclose(f);
        assert_int_not_equal(hw_histogram_load(&back, 16, "delays.csv", why), HW_OK);
        assert_text(why, bad[i].says);
        assert_null(back.counts);
    }
    assert_int_equal(hw_histogram_load(&back, 16, "nowhere.csv", why), HW_E_IO);
    assert_int_equal(hw_histogram_load(&back, 17, "delays.csv", why), HW_E_ARGUMENT);
    (void)remove("delays.csv");
}

/* Staleness of `workers` whose work is gamma of that shape (0: constant), `updates` of them after a start of 100. */
static void queue(hw_histogram *h, unsigned workers, double shape, unsigned updates, uint64_t seed)
{
    double until[16];
    uint64_t read[16] = {0};
    hw_rng rng;
    hw_rng_seed(&rng, seed, workers);
    hw_histogram_clear(h);
    for (unsigned i = 0; i < workers; i++) until[i] = hw_rng_uniform(&rng);
    for (uint64_t clock = 0; clock < updates + 100; clock++) {
        unsigned first = 0;
        for (unsigned i = 1; i < workers; i++)
            if (until[i] < until[first]) first = i;
        if (clock >= 100) hw_histogram_add(h, clock - read[first], 1);
        read[first] = clock + 1;
        double work = shape > 0 ? 0 : 1;
        for (unsigned k = 0; k < (unsigned)shape; k++) work -= log(1 - hw_rng_uniform(&rng)) / shape;
        if (shape > 0 && shape < 1) { /* gamma 1/2: half the square of a normal */
            double x = hw_rng_normal(&rng);
            work = x * x;
        }
        until[first] += work;
    }
}

/* At 20 updates nothing can be said of laws that are not far from the queue model, and nothing is; at 2,000 all is. */
static void few_updates_tell_nothing(void **state)
{
    static const double shapes[] = {1, 2, 3, 4, 0};
    (void)state;
    hw_histogram h;
    hw_staleness_summary s;
    char text[256];
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    for (unsigned k = 0; k < 5; k++)
        for (unsigned few = 0; few < 2; few++) {
            unsigned like = 0, unknown = 0, right = 0;
            for (uint64_t seed = 1; seed <= 60; seed++) {
                double low, high;
                queue(&h, 8, shapes[k], few ? 20 : 2000, seed);
                hw_staleness_summarize(&h, &s);
                hw_staleness_verdict(&s, text, sizeof text);
                hw_staleness_dispersion(&s, &low, &high);
                static const double truth[] = {1, 0.52, 0.35, 0.27, 0};
                right += low - 0.02 <= truth[k] && truth[k] <= high + 0.02;
                like += strstr(text, "near the queue model") != NULL || s.geometric;
                unknown += strstr(text, "too few updates (20)") != NULL;
            }
            assert_true(right >= (few ? 44 : 52)); /* of 60 intervals of 95 %; 20 updates hold three workers' turns */
            if (few) assert_int_equal(like, 0);
            if (few && k < 2) assert_true(unknown >= 40);
            if (few && k == 4) assert_int_equal(unknown, 0); /* a fixed delay is seen at once */
            if (!few) assert_int_equal(unknown, 0);
            if (!few && k == 0) assert_true(like >= 57);
            if (!few && k > 0) assert_int_equal(like, 0);
        }
    hw_histogram_free(&h);
}

/* What by_mean and the tail call the same for every law: the whole kernel's recursion tells them apart. */
static void the_kernel_tells_laws_of_the_same_mean_apart(void **state)
{
    static const struct {
        unsigned workers;
        double shape, momentum, least, most; /* of the error */
    } law[] = {{2, 1, 0.5, 0, 0.01}, {8, 1, 0.875, 0, 0.01}, {16, 1, 0.9375, 0, 0.01}, {8, 0.5, 0.70, 0.1, 1},
               {8, 2, 0.96, 0.3, 1}, {8, 4, 0.99, 0.3, 1},   {8, 0, 0.5, 0.3, 2}};
    (void)state;
    hw_histogram h;
    double error;
    assert_int_equal(hw_histogram_init(&h, 256), HW_OK);
    for (unsigned k = 0; k < sizeof law / sizeof *law; k++) {
        queue(&h, law[k].workers, law[k].shape, 40000, 5);
        double mu = hw_staleness_momentum(&h, &error);
        assert_near(mu, law[k].momentum, 0.02);
        assert_true(error >= law[k].least && error <= law[k].most);
    }
    hw_histogram_clear(&h);
    assert_true(isnan(hw_staleness_momentum(&h, &error)) && isnan(error) && isnan(hw_staleness_momentum(NULL, NULL)));
    hw_histogram_add(&h, 0, 10);
    assert_near(hw_staleness_momentum(&h, NULL), 0, 1e-12);
    hw_histogram_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_tile_the_integers),
        cmocka_unit_test(a_geometric_is_recognised),
        cmocka_unit_test(other_shapes_are_not_taken_for_it),
        cmocka_unit_test(windows_are_differences),
        cmocka_unit_test(recorders_merge_while_they_run),
        cmocka_unit_test(sums_agree_with_the_bins),
        cmocka_unit_test(exports),
        cmocka_unit_test(histograms_come_back_from_csv),
        cmocka_unit_test(few_updates_tell_nothing),
        cmocka_unit_test(the_kernel_tells_laws_of_the_same_mean_apart),
    };
    return cmocka_run_group_tests_name("staleness", tests, NULL, NULL);
}
