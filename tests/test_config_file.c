/* test_config_file.c - configurations as files: all options come back, a few lines of somebody's own are enough, and
 * what is wrong is told by line or name and changes nothing. */
#include "check.h"
#include <unistd.h>

static const char *const path = "config.json";

static hw_status load_text(hw_config *c, const char *text, char *why)
{
    write_bytes(path, text, strlen(text));
    hw_status status = hw_config_load(c, path, why);
    assert_int_equal(unlink(path), 0);
    return status;
}

static void same(const hw_config *a, const hw_config *b)
{
    hw_option o;
    char x[64], y[64];
    for (size_t i = 0; hw_option_get(i, &o) == HW_OK; i++) {
        assert_int_equal(hw_config_get(a, o.name, x, sizeof x), HW_OK);
        assert_int_equal(hw_config_get(b, o.name, y, sizeof y), HW_OK);
        if (strcmp(x, y) != 0) fail_msg("%s is %s, was %s", o.name, y, x);
    }
}

/* Every option at a value that is not its default. */
static void every_option_comes_back(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults(), d = hw_config_defaults();
    hw_option o;
    char why[HW_WHY], value[64], before[64];
    size_t changed = 0, options = 0;
    for (size_t i = 0; hw_option_get(i, &o) == HW_OK; i++, options++) {
        assert_int_equal(hw_config_get(&c, o.name, before, sizeof before), HW_OK);
        if (o.type == HW_OPTION_CHOICE) {
            const char *last = strrchr(o.choices, '|') + 1;
            (void)snprintf(value, sizeof value, "%s", last);
            if (strcmp(value, before) == 0)
                (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(o.choices, "|"), o.choices);
        } else {
            double x = o.type == HW_OPTION_REAL ? 0.12345678 : 77;
            if (x > o.high || x < o.low) x = o.low + (o.high - o.low) / 2;
            if (strcmp(o.name, "stripe") == 0) x = 2048;
            (void)snprintf(value, sizeof value, o.type == HW_OPTION_REAL ? "%.9g" : "%.0f", x);
        }
        assert_int_equal(hw_config_set(&c, o.name, value, why), HW_OK);
        changed += strcmp(value, before) != 0;
    }
    assert_true(changed > options - 5);
    c.seed = 9007199254740991u;
    c.optimizer.schedule.base = 1.0 / 3;
    assert_int_equal(hw_config_save(&c, path, why), HW_OK);
    assert_int_equal(hw_config_load(&d, path, why), HW_OK);
    same(&c, &d);
    assert_true(d.seed == 9007199254740991u && d.optimizer.schedule.base == 1.0 / 3);
    assert_int_equal(unlink(path), 0);
}

static void a_few_lines_are_enough(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults(), expected = hw_config_defaults();
    char why[HW_WHY];
    c.context = &expected;
    expected.workers = 3;
    expected.pin = 1;
    expected.optimizer.schedule.base = 2;
    expected.linear_bins = 64;
    assert_int_equal(
        load_text(&c, "{\"workers\": 3,\n \"pin\": true, \"learning_rate\": \"2.0\",\n\"exact\": 64}", why), HW_OK);
    same(&expected, &c);
    assert_ptr_equal(c.context, &expected);
    assert_int_equal(load_text(&c, "{}", why), HW_OK);
    same(&expected, &c);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"", "line 1"},
                 {"{\"workers\": 3,\n\"batch\" 2}", "line 2"},
                 {"{\"workers\": 3", "line 1"},
                 {"[1]", "one object"},
                 {"3", "line 1"},
                 {"{\"workers\": 3, \"wokers\": 2}", "'wokers'"},
                 {"{\"workers\": 3, \"workers\": 2}", "duplicate"},
                 {"{\"workers\": 3, \"batch\": 0}", "config.batch is 0"},
                 {"{\"workers\": 2.5}", "config.workers is 2.5"},
                 {"{\"workers\": 1e400}", "line 1"},
                 {"{\"workers\": 123456789012345678901234567890}", "line 1"},
                 {"{\"workers\": [3]}", "workers: a number or a word"},
                 {"{\"workers\": null}", "workers: a number or a word"},
                 {"{\"scheduler\": \"fast\"}", "config.scheduler is 'fast'"},
                 {"{\"scheduler\": 2}", "config.scheduler is '2'"},
                 {"{\"workers\": \"\xff\"}", "line 1"},
                 {"{\"\": 3}", "there is no option ''"}};
    char why[HW_WHY];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hw_config c = hw_config_defaults(), before = c;
        if (load_text(&c, cases[i].text, why) != HW_E_FORMAT) fail_msg("taken: %s", cases[i].text);
        assert_text(why, cases[i].says);
        assert_text(why, path);
        assert_memory_equal(&c, &before, sizeof c);
    }
    hw_config c = hw_config_defaults();
    assert_int_equal(hw_config_load(&c, "no such file", why), HW_E_IO);
    assert_int_equal(hw_config_load(&c, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_load(NULL, path, why), HW_E_ARGUMENT);
    assert_int_equal(hw_config_save(&c, "no/such/folder", why), HW_E_IO);
    assert_int_equal(hw_config_save(NULL, path, why), HW_E_ARGUMENT);
    char *long_text = malloc(70000);
    assert_non_null(long_text);
    memset(long_text, ' ', 70000);
    long_text[69999] = 0;
    assert_int_equal(load_text(&c, long_text, why), HW_E_LIMIT);
    assert_text(why, "limit");
    c.optimizer.momentum = NAN;
    assert_int_equal(hw_config_save(&c, path, why), HW_E_ARGUMENT);
    assert_text(why, "momentum");
    assert_int_not_equal(access(path, F_OK), 0);
    free(long_text);
}

/* A program that was compiled against an earlier header: newer options may stand in its files at their defaults. */
static void shorter_configurations_have_no_newer_options(void **state)
{
    (void)state;
    hw_config c = hw_config_defaults(), after;
    char why[HW_WHY];
    assert_int_equal(hw_config_save(&c, path, why), HW_OK);
    c.struct_size = offsetof(hw_config, work);
    memset(&c.work, 0x5a, sizeof c.work);
    after = c;
    c.workers = 5;
    assert_int_equal(hw_config_load(&c, path, why), HW_OK);
    assert_int_equal(unlink(path), 0);
    assert_memory_equal(&c, &after, sizeof c);
    assert_int_equal(load_text(&c, "{\"workers\": 3, \"work.mean\": 1}", why), HW_E_FORMAT);
    assert_text(why, "work.mean is newer");
    assert_memory_equal(&c, &after, sizeof c);
    assert_int_equal(load_text(&c, "{\"workers\": 3}", why), HW_OK);
    assert_int_equal(c.workers, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_comes_back), cmocka_unit_test(a_few_lines_are_enough),
        cmocka_unit_test(what_is_wrong_is_told), cmocka_unit_test(shorter_configurations_have_no_newer_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
