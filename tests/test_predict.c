/* test_predict.c - efficiency beyond the cores: the model of an update's time against times that are written into the
 * record, updates against the recursion, checks against the row that was measured, and what is refused. */
#include "turns.h"
#include <unistd.h>

/* One worker: alone; each other one adds to a step. In seconds. */
#define ALONE 3e-3
#define EACH  2e-4

static double time_of(unsigned workers)
{
    return (ALONE + EACH * (workers - 1)) / workers;
}

/* Threads whose steps sleep, so that there are as many cores as workers on any machine. */
static hw_config sleeping(void)
{
    hw_config c = config();
    c.scheduler = HW_ASYNC;
    c.work.law = (hw_clock){HW_CLOCK_CONSTANT, 0, 2.8e-3};
    c.optimizer.schedule.base = 0.05;
    c.updates = 120;
    return c;
}

static char *slurp(const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *f = fopen(path, "r"), *to = open_memstream(&text, &size);
    assert_non_null(f);
    assert_non_null(to);
    for (int c; (c = fgetc(f)) != EOF;) assert_true(fputc(c, to) != EOF);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* The record with the model's times in place of what this machine took; the number of workers is in the label. */
static void write_times(const char *path)
{
    char *text = slurp(path), *save = NULL;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *label = strstr(line, "\"workers ");
        unsigned workers = label ? (unsigned)strtoul(label + 9, NULL, 10) : 0, commas = 0;
        bool predicted = label && strstr(label, "predicted");
        for (char *at = line; *at; at++) {
            if (workers && !predicted && commas == 7) { /* key,seed,tuning,met,diverged,spent,updates,time */
                fprintf(f, "%.17g", time_of(workers));
                at += strcspn(at, ",");
            }
            commas += *at == ',';
            fputc(*at, f);
        }
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
    free(text);
}

static void times_follow_the_model_and_updates_the_delay(void **state)
{
    (void)state;
    static const unsigned more[] = {8, 16};
    char why[HW_WHY], path[] = "predict-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    hw_objective o = objective();
    hw_config c = sleeping();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 3;
    p.record = path;
    p.predict = more;
    p.n_predict = 2;
    hw_efficiency *e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_rows(e), 6); /* 4 is predicted from 1 and 2 as well */
    assert_string_equal(hw_efficiency_label(e, 3), "workers 4 (predicted)");
    assert_string_equal(hw_efficiency_label(e, 5), "workers 16 (predicted)");
    assert_int_equal(row_of(e, 5).runs, 0); /* nothing is known yet */
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    hw_efficiency_free(e);
    write_times(path);
    e = made(&p, "1,2,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    for (size_t i = 0; i < 6; i++) {
        static const unsigned workers[] = {1, 2, 4, 4, 8, 16}, fitted[] = {0, 0, 0, 2, 3, 3};
        hw_efficiency_row r = row_of(e, i);
        if (r.refused) fail_msg("%s: %s", r.label, r.why);
        assert_int_equal(r.predicted, i >= 3);
        assert_false(r.simulated);
        assert_int_equal(r.config->workers, workers[i]);
        assert_int_equal(r.fitted, fitted[i]);
        assert_int_equal(r.runs, 3);
        assert_near(r.time.value, time_of(workers[i]), 1e-9);
        assert_near(r.hardware.value, time_of(workers[i]) / time_of(1), 1e-6);
        assert_near(r.product.value, r.hardware.value * r.statistical.value, 1e-9);
        if (!r.predicted) continue;
        assert_near(r.alone, ALONE, 1e-9);
        assert_near(r.each, EACH, 1e-9);
        assert_true(r.staleness > 0.5 * (workers[i] - 1) && r.staleness < workers[i]); /* it begins at 0 */
        /* Near a fixed delay: work is constant. */
        double expected = recursion(begins(2), workers[i] - 1, 0.05, 0, 0.1, 120);
        assert_near(r.updates.value, expected, 0.15 * expected + 2);
        if (i == 3) {
            assert_near(r.check_time, 1, 1e-6);
            assert_near(r.check_updates, 1, 0.3);
        } else {
            assert_true(isnan(r.check_time) && isnan(r.check_updates));
        }
    }
    char *table = printed(e, hw_efficiency_print), *json = printed(e, hw_efficiency_json);
    assert_text(table, "workers 4 (predicted): alone");
    assert_text(table, "fitted to 2 numbers of workers; check: predicted over measured, time of an update 1.00");
    assert_text(table, "no such run was made");
    assert_text(json, "\"predicted\": true, \"fitted\": 3");
    free(table);
    free(json);
    hw_efficiency_free(e);
    /* A histogram that is none. */
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("0123456789abcdef,1,0,1,0,9,9,1,1,1,1,1,0,1,1,5:,,\"x\"\n", f);
    assert_int_equal(fclose(f), 0);
    e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_FORMAT);
    assert_text(why, "is no run");
    hw_efficiency_free(e);
    assert_int_equal(unlink(path), 0);
}

/* Axes beside that of workers have a model each; the clock of a row is its own. */
static void every_combination_has_its_model(void **state)
{
    (void)state;
    static const unsigned more[] = {6};
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = sleeping();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 1;
    p.predict = more;
    p.n_predict = 1;
    hw_efficiency *e = made(&p, "1,2");
    assert_int_equal(hw_efficiency_rows(e), 3);
    assert_int_equal(hw_efficiency_axis(e, "work.mean", "0.002,0.004", why), HW_OK);
    assert_int_equal(hw_efficiency_rows(e), 6);
    assert_string_equal(hw_efficiency_label(e, 4), "workers 6 (predicted), work.mean 0.002");
    assert_string_equal(hw_efficiency_label(e, 5), "workers 6 (predicted), work.mean 0.004");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_true(row_of(e, 4).alone >= 0.002 && row_of(e, 5).alone >= 0.004);
    hw_efficiency_free(e);
}

static void labels_name_the_workers(void **state)
{
    (void)state;
    static const unsigned more[] = {6};
    char why[HW_WHY];
    hw_objective o = objective();
    hw_config c = sleeping();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    hw_efficiency *e;
    p.predict = more;
    p.n_predict = 1;
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_OK);
    assert_int_equal(hw_efficiency_axis(e, "least_workers", "8", why), HW_OK);
    assert_int_equal(hw_efficiency_axis(e, "workers", "1,2", why), HW_OK);
    assert_string_equal(hw_efficiency_label(e, 2), "least_workers 8, workers 6 (predicted)");
    hw_efficiency_free(e);
}

static void what_cannot_be_predicted_is_told(void **state)
{
    (void)state;
    static const unsigned more[] = {6}, none[] = {1};
    char why[HW_WHY];
    hw_efficiency *e;
    hw_objective o = objective();
    hw_config c = sleeping();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.seeds = 1;
    p.n_predict = 1;
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "predict is NULL");
    p.predict = none;
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_E_ARGUMENT);
    assert_text(why, "predict: workers must be in [2,");
    p.predict = more;
    /* Without an axis of workers, or threads. */
    assert_int_equal(hw_efficiency_create(&e, &p, why), HW_OK);
    assert_int_equal(hw_efficiency_axis(e, "batch", "10,20", why), HW_OK);
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_ARGUMENT);
    assert_text(why, "need an axis of workers");
    hw_efficiency_free(e);
    c.scheduler = HW_SIMULATED;
    c.work = hw_config_defaults().work;
    e = made(&p, "1,2");
    assert_int_equal(hw_efficiency_rows(e), 2);
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_ARGUMENT);
    hw_efficiency_free(e);
    /* From one number of workers nothing follows; replicas are not simulated. */
    c = sleeping();
    e = made(&p, "2,8");
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_true(row_of(e, 2).refused);
    assert_text(row_of(e, 2).why, "predicted from two smaller numbers");
    hw_efficiency_free(e);
    c.record = 0;
    e = made(&p, "1,2");
    assert_int_equal(hw_efficiency_axis(e, "batch", "10", why), HW_OK);
    assert_string_equal(hw_efficiency_label(e, 2), "workers 6 (predicted), batch 10");
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_text(row_of(e, 2).why, "config.record is off");
    hw_efficiency_free(e);
    c = sleeping();
    c.exchange_interval = 4;
    e = made(&p, "1,2");
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_text(row_of(e, 2).why, "have no replicas");
    assert_false(row_of(e, 1).refused);
    hw_efficiency_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow_the_model_and_updates_the_delay),
        cmocka_unit_test(every_combination_has_its_model),
        cmocka_unit_test(labels_name_the_workers),
        cmocka_unit_test(what_cannot_be_predicted_is_told),
    };
    return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
