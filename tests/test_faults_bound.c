/* test_faults_bound.c - a checkpoint file that is rejected takes no more memory than 64 kB and 16 times its bytes,
 * jansson's trees included: the allocator counts what is alive at once. */
#include "faults.h"
#include "checkpoint_files.h"
#include <jansson.h>

static double worst; /* (peak - 64 kB) / bytes of the file, the largest */
static size_t files, refused;

static void measure(image f, const char *what)
{
    long start = held;
    hw_state *s = hw_state_create();
    char why[HW_WHY] = "";
    hw__checkpoint_source source = {.bytes = f.bytes, .size = f.size};
    long before = held;
    peak = before;
    hw_status status = hw__checkpoint_read(s, &source, what, why);
    size_t most = (size_t)(peak - before);
    if (status != HW_OK && most > most_for_rejected(f.size))
        fail_msg("%s: %zu bytes of memory for a file of %zu: %s", what, most, f.size, why);
    if (status != HW_OK && most > 65536 && ((double)most - 65536) / (double)f.size > worst)
        worst = ((double)most - 65536) / (double)f.size;
    files++;
    refused += status != HW_OK;
    hw_state_free(s);
    assert_int_equal(held, start);
}

/* A header of a beginning, `unit` many times (with its number where there is a #), and an end. */
static image repeated(const char *before, const char *unit, size_t times, const char *after)
{
    char *text = malloc(strlen(before) + times * (strlen(unit) + 8) + strlen(after) + 1);
    size_t n = (size_t)sprintf(text, "%s", before);
    for (size_t i = 0; i < times; i++) {
        for (const char *c = unit; *c; c++) {
            if (*c == '#')
                n += (size_t)sprintf(text + n, "%zx", i);
            else
                text[n++] = *c;
        }
        text[n++] = ',';
    }
    if (times) n--;
    n += (size_t)sprintf(text + n, "%s", after);
    image f = build(text, n, NULL, 0);
    free(text);
    return f;
}

#define ZEROS  "000000000000000000000000"
#define META   CHECKPOINT_PREFIX ZEROS "\",\"hogwild\":\""
#define VALUES "{" Q "version" Q ":1," Q "numbers" Q ":{"

static void rejected_files_take_little(void **state)
{
    (void)state;
    image sample = sample_image();
    measure(sample, "whole");
    for (size_t i = 0; i < BAD_HEADERS; i++) {
        image f = altered(sample, &bad_headers[i]);
        measure(f, bad_headers[i].to);
        free(f.bytes);
    }
    free(sample.bytes);
    /* The densest trees that JSON can name, refused by count or, behind it, by what they are; every size up to a
     * megabyte, so that those that just pass the count are among them. */
    const struct {
        const char *what, *before, *unit, *after;
    } dense[] = {
        {"arrays", META "\"},\"x\":[", "[]", "]}"},
        {"objects", META "\"},\"x\":[", "{}", "]}"},
        {"digits", META "\"},\"x\":[", "1", "]}"},
        {"strings", META "\"},\"x\":[", "\"\"", "]}"},
        {"pairs", META "\"},\"x\":{", "\"#\":1", "}}"},
        {"tensors", META "\"},", "\"#\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", ",\"x\":1}"},
        {"numbers", META VALUES, Q "#" Q ":" Q "1" Q, "," Q "x" Q ":1}}\"}}"},
        {"short numbers", META VALUES, Q "#" Q ":1", "}}\"}}"},
        {"texts", META VALUES "}," Q "reals" Q ":{}," Q "texts" Q ":{", Q "#" Q ":" Q Q, "," Q "x" Q ":1}}\"}}"},
        {"reals", META VALUES "}," Q "reals" Q ":{", Q "#" Q ":[" Q "3fb999999999999a" Q ",1]", "}}\"}}"},
        {"arrays within", META VALUES, "[]", "}}\"}}"},
        {"a long string", META, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\"}}"},
        {"a long text", META VALUES "}," Q "reals" Q ":{}," Q "texts" Q ":{" Q "x" Q ":" Q,
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Q "," Q "y" Q ":1}}\"}}"},
        {"a long hex text", META VALUES "}," Q "reals" Q ":{}," Q "texts" Q ":{" Q "x" Q ":{" Q "hex" Q ":" Q,
         "77777777777777777777777777777777777777", Q "}," Q "y" Q ":1}}\"}}"},
        {"escapes", META, "\\u0041\\u0041\\u0041\\u0041\\u0041\\u0041", "\"}}"},
        {"a long key", META "\"},\"", "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", "\":1}"},
    };
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++) {
        size_t passed = refused, all = files;
        for (size_t n = 1; n < 30000; n += 1 + n / 24) {
            image f = repeated(dense[i].before, dense[i].unit, n, dense[i].after);
            measure(f, dense[i].what);
            free(f.bytes);
        }
        if (refused - passed != files - all) fail_msg("%s: some were read", dense[i].what);
    }
    print_message("%zu files, %zu refused: at most 64 kB + %.2f times their bytes\n", files, refused, worst);
    assert_true(worst > 0 && refused + 20 > files);
}

int main(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(rejected_files_take_little)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
