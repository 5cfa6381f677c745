/* test_efficiency_record.c - what a measuring leaves behind: a record that another process goes on from, and that mixes
 * up no two runs; and a page. */
#include "turns.h"
#include <unistd.h>

typedef struct watch {
    unsigned runs, stop_after;
    volatile sig_atomic_t flag;
} watch;

static hw_status count(void *context, const hw_efficiency_run *run, size_t done, size_t all)
{
    watch *w = context;
    if (done < 1 || done > all || run->seed < 1) return HW_E_CALLBACK;
    if (++w->runs == w->stop_after) w->flag = 1;
    return HW_OK;
}

static void counting_start(void *context, uint64_t seed, float *x)
{
    (void)context;
    start(NULL, seed, x);
}

static void interrupted_measuring_goes_on(void **state)
{
    (void)state;
    char why[HW_WHY], path[] = "efficiency-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    watch w = {0, 4, 0};
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    p.start = counting_start;
    p.on_run = count;
    p.context = &w;
    p.stop_flag = &w.flag;
    p.record = path;
    hw_efficiency *e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_STOPPED);
    assert_int_equal(w.runs, 4);
    assert_int_equal(row_of(e, 0).runs, 2); /* seed by seed: 1 2 4, 1 */
    assert_int_equal(row_of(e, 2).runs, 1);
    w.flag = 0;
    w.stop_after = 6;
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_STOPPED);
    assert_int_equal(w.runs, 6);
    hw_efficiency_free(e);
    /* Another process; the last line was cut when the first one was killed. */
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(ftruncate(fileno(f), ftell(f) - 9), 0);
    assert_int_equal(fclose(f), 0);
    w = (watch){0, 0, 0};
    e = made(&p, "1,2,4");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(w.runs, 15 - 5);
    hw_efficiency_row all = row_of(e, 2);
    assert_int_equal(all.runs, 5);
    hw_efficiency_free(e);
    e = made(&p, "1,2,4");
    w.runs = 0;
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_int_equal(w.runs, 0);
    assert_near(row_of(e, 2).product.value, all.product.value, 0);
    assert_near(row_of(e, 2).product.low, all.product.low, 0);
    hw_efficiency_free(e);
    c.optimizer.schedule.base = 0.11; /* other runs */
    e = made(&p, "1,2,4");
    assert_int_equal(hw_efficiency_measure(e, why), HW_OK);
    assert_int_equal(w.runs, 15);
    hw_efficiency_free(e);
    /* What is no run, and no record. */
    f = fopen(path, "a");
    assert_non_null(f);
    fputs("0123456789abcdef,1,0,1,0,twelve\n", f);
    assert_int_equal(fclose(f), 0);
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_FORMAT);
    assert_text(why, "line 32 is no run");
    hw_efficiency_free(e);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("somebody's notes\n", f);
    assert_int_equal(fclose(f), 0);
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_FORMAT);
    assert_text(why, "line 1");
    hw_efficiency_free(e);
    f = fopen(path, "r");
    char line[64];
    assert_non_null(fgets(line, sizeof line, f));
    assert_string_equal(line, "somebody's notes\n"); /* nothing is lost */
    assert_int_equal(fclose(f), 0);
    assert_int_equal(unlink(path), 0);
    p.record = "/nowhere/record.csv";
    e = made(&p, "1");
    assert_int_equal(hw_efficiency_measure(e, why), HW_E_IO);
    assert_text(why, "/nowhere/record.csv");
    hw_efficiency_free(e);
}

/* What a record must not mix up: the points of another grid, which were cut short; runs of another question; another
 * warm start; a run that ended with numbers that are none. */
static void records_keep_runs_apart(void **state)
{
    (void)state;
    static const double two[] = {0.3, 0.1}, one[] = {0.1}, tiny[] = {1e-5}, none[] = {0};
    char why[HW_WHY], path[] = "efficiency-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_TUNED);
    p.record = path;
    p.seeds = 3;
    p.momenta = none;
    p.n_momenta = 1;
    p.tuning_seeds = 1;
    for (int k = 0; k < 2; k++) {
        p.rates = k ? one : two;
        p.n_rates = k ? 1 : 2;
        hw_efficiency *e = made(&p, "1");
        if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
        assert_near(row_of(e, 0).learning_rate, k ? 0.1 : 0.3, 0);
        assert_int_equal(row_of(e, 0).met, 3);
        assert_int_equal(row_of(e, 0).at_edge, !k);
        hw_efficiency_free(e);
    }
    p.question = HW_QUESTION_FIXED; /* at the configuration's rate, which is 0.1 */
    p.rates = p.momenta = NULL;
    p.n_rates = p.n_momenta = 0;
    hw_efficiency *e = made(&p, "1");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 0).met, 3);
    hw_efficiency_free(e);
    p.question = HW_QUESTION_TUNED;
    p.rates = tiny;
    p.momenta = none;
    p.n_rates = p.n_momenta = 1;
    e = made(&p, "1");
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 0).runs, 0);
    assert_true(isnan(row_of(e, 0).learning_rate));
    char *text = printed(e, hw_efficiency_print);
    assert_text(text, "not reached by any point of the grid");
    free(text);
    hw_efficiency_free(e);
    p = plan(&o, &c, HW_QUESTION_FIXED);
    p.record = path;
    p.seeds = 3;
    p.warm = 10;
    for (unsigned seed = 1; seed <= 2; seed++) {
        c.seed = seed;
        e = made(&p, "1");
        if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
        double x = begins(seed);
        for (int t = 0; t < 10; t++) x -= 0.1 * x;
        assert_near(row_of(e, 0).updates.value, recursion(x, 0, 0.1, 0, 0.1, 400), 1e-3);
        assert_near(row_of(e, 0).updates.high, row_of(e, 0).updates.low, 1e-9);
        hw_efficiency_free(e);
    }
    /* Far beyond what floats hold. */
    c = config();
    c.optimizer.schedule.base = 1e6;
    c.target = -1;
    p.warm = 0;
    for (int k = 0; k < 2; k++) {
        e = made(&p, "1");
        if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(row_of(e, 0).runs, 3);
        hw_efficiency_free(e);
    }
    assert_int_equal(unlink(path), 0);
}

/* How often a text stands in a file. */
static unsigned times(const char *folder, const char *name, const char *text)
{
    char path[300], line[512];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("there is no %s", path);
    while (fgets(line, sizeof line, f)) n += strstr(line, text) != NULL;
    (void)fclose(f);
    return n;
}

static void pages_have_gaps_where_there_is_no_figure(void **state)
{
    (void)state;
    char why[HW_WHY], folder[] = "page-XXXXXX", path[400], command[100];
    assert_non_null(mkdtemp(folder));
    hw_objective o = objective();
    hw_config c = config();
    hw_efficiency_plan p = plan(&o, &c, HW_QUESTION_FIXED);
    hw_report *r;
    c.updates = 60;
    p.seeds = 3;
    hw_efficiency *e = made(&p, "1,2,32");
    assert_int_equal(hw_efficiency_axis(e, "learning_rate", "0.1,1e-5", why), HW_OK); /* the second is far too slow */
    if (hw_efficiency_measure(e, why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(row_of(e, 5).met, 0);
    assert_int_equal(hw_report_open(&r, folder, "page", why), HW_OK);
    assert_int_equal(hw_efficiency_report(e, NULL, "x", why), HW_E_ARGUMENT);
    if (hw_efficiency_report(e, r, "turns", why) != HW_OK) fail_msg("%s", why);
    assert_int_equal(hw_report_close(r, path, sizeof path, why), HW_OK);
    /* Two curves of three workers each; of the second there is no figure, and its rows stand above as crosses. */
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 1e-5\",32,NaN,"), 1);
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 1e-5\""), 3);
    assert_int_equal(times(folder, "turns-product.csv", "\"learning_rate 0.1\",2,"), 1);
    assert_int_equal(times(folder, "turns-product.csv", "\"not reached\",32,"), 1);
    assert_int_equal(times(folder, "turns-hardware.csv", "not reached"), 0);
    assert_int_equal(times(folder, "turns-statistical.gp", "logscale x 2"), 1);
    assert_true(times(folder, "index.html", "not reached") > 0);
    assert_int_equal(times(folder, "index.html", "nan"), 0);
    hw_efficiency_free(e);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupted_measuring_goes_on),
        cmocka_unit_test(records_keep_runs_apart),
        cmocka_unit_test(pages_have_gaps_where_there_is_no_figure),
    };
    return cmocka_run_group_tests_name("efficiency, record", tests, NULL, NULL);
}
