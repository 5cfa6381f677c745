/* test_libsvm.c - the LIBSVM reader: good texts in every variant, hostile ones, the number parser, real files. */
#include "sparse_files.h"
#include "../lib/data/text/text.h"
#include <locale.h>

/* --- the number parser ------------------------------------------------------------------------------------------- */

/* The text in memory that ends where it ends, so that a sanitizer sees any byte read beyond. */
static bool parse(const char *text, float *x, size_t *used)
{
    size_t n = strlen(text);
    char *exact = malloc(n + 1);
    memcpy(exact + 1, text, n);
    const char *c = exact + 1;
    bool good = hw__text_float(&c, exact + 1 + n, x);
    *used = n - (size_t)(exact + 1 + n - c);
    free(exact);
    return good;
}

static void numbers_are_those_of_strtod(void **state)
{
    (void)state;
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    char text[200];
    int accepted = 0, refused = 0;
    for (int trial = 0; trial < (CHECK_SLOW ? 20000 : 100000); trial++) {
        int n = 0, before = (int)hw_rng_below(&rng, trial % 50 ? 12 : 60), after = (int)hw_rng_below(&rng, 24);
        if (hw_rng_below(&rng, 2)) text[n++] = hw_rng_below(&rng, 3) ? '-' : '+';
        if (hw_rng_below(&rng, 8) == 0)
            for (uint64_t z = hw_rng_below(&rng, 40); z > 0; z--) text[n++] = '0';
        for (int i = 0; i < before; i++) text[n++] = (char)('0' + hw_rng_below(&rng, 10));
        if (hw_rng_below(&rng, 4)) {
            text[n++] = '.';
            if (hw_rng_below(&rng, 6) == 0)
                for (uint64_t z = hw_rng_below(&rng, 50); z > 0; z--) text[n++] = '0';
            for (int i = 0; i < after; i++) text[n++] = (char)('0' + hw_rng_below(&rng, 10));
        }
        if (hw_rng_below(&rng, 2))
            n += snprintf(text + n, 20, "%c%s%u", hw_rng_below(&rng, 2) ? 'e' : 'E',
                          hw_rng_below(&rng, 2)   ? "-"
                          : hw_rng_below(&rng, 2) ? "+"
                                                  : "",
                          (unsigned)hw_rng_below(&rng, trial % 7 ? 45 : 400));
        text[n] = 0;
        float x = 77;
        size_t used;
        bool good = parse(text, &x, &used);
        char *end;
        double d = strtod(text, &end);
        float f = (fabs(d) < 0x1.ffffffp127) ? (float)d : INFINITY;
        if (*end || end == text || fabs(d) > 0x1.ffffffp127 * (1 + 1e-12)) {
            if (good) fail_msg("'%s' was read as %g", text, (double)x);
            assert_true(x == 77 && used == 0);
            refused++;
            continue;
        }
        if (fabs(d) > 0x1.ffffffp127 * (1 - 1e-12)) continue;
        bool near = good && used == (size_t)n &&
                    (x == f || nextafterf(x, INFINITY) == f || nextafterf(x, -INFINITY) == f) &&
                    signbit(x) == signbit(f);
        if (!near)
            fail_msg("'%s' was read as %.9g (%d, %zu), strtod says %.9g", text, (double)x, good, used, (double)f);
        accepted++;
    }
    assert_true(accepted > 1000 && refused > 1000);
    /* Where a locale with a decimal comma is installed, it makes no difference. */
    float half = 0;
    size_t all;
    const char *locale = setlocale(LC_ALL, "de_DE.UTF-8");
    bool same = parse("-0.5e0", &half, &all) && half == -0.5f && all == 6 && parse("0,5", &half, &all) && all == 1;
    setlocale(LC_ALL, "C");
    if (!locale) print_message("the locale de_DE.UTF-8 is not installed\n");
    assert_true(same);
    /* Every float that is printed comes back as it was. */
    for (int trial = 0; trial < 20000; trial++) {
        uint32_t bits = (uint32_t)hw_rng_next(&rng);
        float f, x = 0;
        size_t used;
        memcpy(&f, &bits, sizeof f);
        if (!isfinite(f)) continue;
        snprintf(text, sizeof text, "%.9g", (double)f);
        assert_true(parse(text, &x, &used));
        if (x != f) fail_msg("%s came back as %.9g", text, (double)x);
    }
}

static void numbers_stop_where_they_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int used; /* -1: no number */
        float value;
    } list[] = {
        {"1", 1, 1},
        {"-0", 2, 0},
        {"+3.5x", 4, 3.5f},
        {"0x10", 1, 0},
        {"1 2", 1, 1},
        {".5", 2, .5f},
        {"5.", 2, 5},
        {"5.e1", 4, 50},
        {"1,5", 1, 1},
        {"1e1", 3, 10},
        {"1E-2", 4, .01f},
        {"1e99", -1, 0},
        {"1e-99", 5, 0},
        {"3.4028235e38", 12, 3.4028235e38f},
        {"3.4028236e38", -1, 0},
        {"1e-45", 5, 1e-45f},
        {"", -1, 0},
        {"-", -1, 0},
        {"+", -1, 0},
        {".", -1, 0},
        {"-.", -1, 0},
        {"e5", -1, 0},
        {".e5", -1, 0},
        {"1e", -1, 0},
        {"1e+", -1, 0},
        {"1ex", -1, 0},
        {"nan", -1, 0},
        {"inf", -1, 0},
        {"-inf", -1, 0},
        {" 1", -1, 0},
        {"--1", -1, 0},
        {"+-1", -1, 0},
        {"0e999999999999999999999999", 26, 0},
        {"1e-999999999999999999999999", 27, 0},
        {"1e999999999999999999999999", -1, 0},
        {"1e0000000000000000000000002", 27, 100},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        float x = 77;
        size_t used;
        bool good = parse(list[i].text, &x, &used);
        if (good != (list[i].used >= 0) || used != (size_t)(good ? list[i].used : 0) ||
            x != (good ? list[i].value : 77))
            fail_msg("'%s': %d, %zu bytes, %.9g", list[i].text, good, used, (double)x);
    }
    static const struct {
        const char *text;
        int used;
        uint64_t value;
    } whole[] = {{"0", 1, 0},
                 {"12:3", 2, 12},
                 {"007", 3, 7},
                 {"18446744073709551615", 20, UINT64_MAX},
                 {"18446744073709551616", -1, 0},
                 {"99999999999999999999", -1, 0},
                 {"00000000000000000000000001", 26, 1},
                 {"", -1, 0},
                 {"+1", -1, 0},
                 {"-1", -1, 0},
                 {" 1", -1, 0},
                 {"x", -1, 0}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        size_t n = strlen(whole[i].text);
        char *exact = malloc(n + 1);
        memcpy(exact + 1, whole[i].text, n);
        const char *c = exact + 1;
        uint64_t x = 77;
        bool good = hw__text_unsigned(&c, exact + 1 + n, &x);
        assert_int_equal(good, whole[i].used >= 0);
        assert_int_equal(c - exact - 1, good ? whole[i].used : 0);
        assert_true(x == (good ? whole[i].value : 77));
        free(exact);
    }
}

/* --- the text reader --------------------------------------------------------------------------------------------- */

static void every_variant_of_a_text_is_the_same_set(void **state)
{
    (void)state;
    static const char *const one[] = {
        "1 1:0.5 3:-2\n-1 2:1e-1\n1\n",
        "1 1:0.5 3:-2\r\n-1 2:1e-1\r\n1\r\n",
        "1 1:0.5 3:-2\n-1 2:1e-1\n1",
        "1 1:0.5 3:-2\r\n-1 2:1e-1\r\n1\r",
        "\n\n1 1:0.5 3:-2\n\r\n \t\n-1 2:1e-1\n1\n\n\n",
        "# head\n1 1:0.5 3:-2 # first: 1:2 qid:3\n  # nothing\n-1 2:1e-1#tight\n1 #\n#",
        "+1\t1:0.5\t3:-2\n-1   2:1e-1  \n +1\t \n",
        "1.0 1:5e-1 3:-2.000\n-1e0 2:.1\n10E-1\n",
        "1 0001:+0.5 3:-2.\n-1.000 2:0.100000000000000000000000000000\n1 \n",
        "1 1:0.5 2:0 3:-2\n-1 1:-0.0 2:1e-1 3:0e5\n1 3:1e-300\n",
        "\357\273\2771 1:0.5 3:-2\n-1 2:1e-1\n1\n",
    };
    char why[HW_WHY];
    hw_sparse s, zero;
    hw_libsvm_options o = hw_libsvm_defaults();
    hw_sparse first = read_text(one[0]);
    assert_int_equal(first.rows, 3);
    assert_int_equal(first.columns, 3);
    assert_int_equal(first.nonzeros, 3);
    static const uint64_t offset[] = {0, 2, 3, 3};
    static const uint32_t index[] = {0, 2, 1};
    static const float value[] = {.5f, -2, .1f}, label[] = {1, -1, 1};
    assert_memory_equal(first.offset, offset, sizeof offset);
    assert_memory_equal(first.index, index, sizeof index);
    assert_memory_equal(first.value, value, sizeof value);
    assert_memory_equal(first.label, label, sizeof label);
    assert_null(first.map);
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        s = read_text(one[i]);
        assert_same(&first, &s);
        hw_sparse_free(&s);
        put_gzip("text.gz", one[i], strlen(one[i]));
        assert_int_equal(hw_libsvm_read(at("text.gz").path, NULL, &s, why), HW_OK);
        assert_same(&first, &s);
        hw_sparse_free(&s);
    }
    /* From 0: found out, said, and an explicit 0 whose value is 0 counts too. */
    zero = read_text("1 0:0.5 2:-2\n-1 1:1e-1\n1\n");
    assert_same(&first, &zero);
    hw_sparse_free(&zero);
    zero = read_text("1 1:7\n-1 0:0\n");
    assert_int_equal(zero.columns, 2);
    assert_int_equal(zero.index[0], 1);
    hw_sparse_free(&zero);
    o.base = 0;
    put("text", one[0], strlen(one[0]));
    assert_int_equal(hw_libsvm_read(at("text").path, &o, &s, why), HW_OK);
    assert_int_equal(s.columns, 4);
    assert_int_equal(s.index[0], 1);
    hw_sparse_free(&s);
    o.base = -1;
    for (o.columns = 3; o.columns < 5; o.columns++) {
        assert_int_equal(hw_libsvm_read(at("text").path, &o, &s, why), HW_OK);
        assert_int_equal(s.columns, o.columns);
        assert_int_equal(s.index[1], 2);
        hw_sparse_free(&s);
    }
    put("text", "5\n6", 3); /* no entry at all, with the columns known */
    assert_int_equal(hw_libsvm_read(at("text").path, &o, &s, why), HW_OK);
    assert_int_equal(s.nonzeros, 0);
    assert_null(hw__sparse_fault(&s));
    hw_sparse_free(&s);
    s = read_text("1 4294967294:1\n");
    assert_int_equal(s.columns, 4294967294u);
    hw_sparse_free(&s);
    s = read_text("1 0:1 4294967294:1\n");
    assert_int_equal(s.columns, 4294967295u);
    assert_int_equal(s.index[1], 4294967294u);
    hw_sparse_free(&s);
    hw_sparse_free(&first);
    hw_sparse_free(&first);
    hw_sparse_free(NULL);
}

/* A set as text with blank lines, comments and both line ends strewn in; line[i]: where row i stands. */
static char *print_text(const hw_sparse *s, size_t *size, uint32_t *line)
{
    size_t room = (size_t)s->rows * 120 + (size_t)s->nonzeros * 32 + 100, n = 0;
    char *text = malloc(room);
    uint32_t at_line = 0;
    assert_non_null(text);
    for (uint32_t i = 0; i < s->rows; i++) {
        if (i % 7 == 3) n += (size_t)snprintf(text + n, 40, "# row %u: 1:1\n", i), at_line++;
        if (i % 11 == 5) n += (size_t)snprintf(text + n, 40, " \t\r\n\n"), at_line += 2;
        line[i] = ++at_line;
        n += (size_t)snprintf(text + n, 40, "%.9g", (double)s->label[i]);
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++)
            n += (size_t)snprintf(text + n, 40, " %u:%.9g", s->index[k] + 1, (double)s->value[k]);
        n += (size_t)snprintf(text + n, 40, "%s%s", i % 13 ? "" : " # end", i % 3 ? "\n" : "\r\n");
    }
    *size = n;
    return text;
}

static void any_number_of_threads_reads_the_same(void **state)
{
    (void)state;
    char why[HW_WHY], expected[60];
    hw_sparse drawn, s;
    hw_sparse_plan plan = hw_sparse_plan_defaults(CHECK_SLOW ? 4000 : 12000, 5000);
    plan.nonzeros = 12;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &drawn, why), HW_OK);
    drawn.index[drawn.offset[1] - 1] = 4999; /* so that the text has all columns, and the first of them */
    drawn.index[0] = 0;
    uint32_t *line = malloc(drawn.rows * sizeof *line);
    size_t size;
    char *text = print_text(&drawn, &size, line);
    put("large", text, size);
    put_gzip("large.gz", text, size);
    hw_libsvm_options o = hw_libsvm_defaults();
    for (o.threads = 0; o.threads <= 9; o.threads++) {
        assert_int_equal(hw_libsvm_read(at(o.threads == 9 ? "large.gz" : "large").path, &o, &s, why), HW_OK);
        assert_same(&drawn, &s);
        hw_sparse_free(&s);
    }
    /* The first of two errors, and its line, whichever thread meets them. */
    hw_rng rng;
    hw_rng_seed(&rng, 3, 3);
    int checked = 0;
    for (int trial = 0; trial < 60; trial++) {
        size_t first = 0;
        for (int k = 0; k < 3; k++) {
            size_t where = (size_t)hw_rng_below(&rng, size);
            while (where < size && text[where] != ':') where++;
            if (where == size || (where > 2 && text[where - 1] == 'w')) continue;
            if (text[where - 1] < '0' || text[where - 1] > '9') continue;
            text[where] = '?';
            first = first == 0 || where < first ? where : first;
        }
        unsigned number = 1;
        for (size_t i = 0; i < first; i++) number += text[i] == '\n';
        size_t begin = first;
        while (begin > 0 && text[begin - 1] != '\n') begin--;
        bool comment = memchr(text + begin, '#', first - begin);
        if (first && !comment) {
            put("large", text, size);
            o.threads = 1 + (unsigned)trial % 8;
            assert_int_equal(hw_libsvm_read(at("large").path, &o, &s, why), HW_E_FORMAT);
            snprintf(expected, sizeof expected, "large: line %u: '", number);
            checked++;
            assert_text(why, expected);
            assert_empty(&s);
        }
        for (size_t i = 0; i < size; i++)
            if (text[i] == '?') text[i] = ':';
    }
    assert_true(checked > 40);
    /* An index that fits only counted from 1, when the 0 comes at the very end. */
    put("large", text, size);
    FILE *f = fopen(at("large").path, "ab");
    fputs("1 0:1\n", f);
    fclose(f);
    o.columns = 5000;
    for (o.threads = 1; o.threads < 5; o.threads++) {
        assert_int_equal(hw_libsvm_read(at("large").path, &o, &s, why), HW_E_LIMIT);
        snprintf(expected, sizeof expected, "large: line %u: the index 5000", line[0]);
        assert_text(why, expected);
        assert_empty(&s);
    }
    free(line);
    free(text);
    hw_sparse_free(&drawn);
}

typedef struct bad {
    const char *text;
    size_t size; /* 0: up to the zero byte */
    hw_status status;
    const char *line, *part;
    int base; /* as hw_libsvm_options, with 9 for -1 */
    uint32_t columns;
} bad;
#define Z(text) text, sizeof text - 1

static const bad bad_texts[] = {
    /* nothing in it */
    {"", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"\n", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"   \t", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"\r\n\r\n", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"# only a comment", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"#\n#\n\n", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"\xef\xbb\xbf", 0, HW_E_FORMAT, "", "no row", 9, 0},
    {"1\n2\n", 0, HW_E_FORMAT, "", "none of its 2 rows", 9, 0},
    /* labels */
    {"x", 0, HW_E_FORMAT, "line 1", "'x' stands where the label", 9, 0},
    {"x 1:1", 0, HW_E_FORMAT, "line 1", "'x'", 9, 0},
    {"+ 1:1", 0, HW_E_FORMAT, "line 1", "'+'", 9, 0},
    {"- 1:1", 0, HW_E_FORMAT, "line 1", "'-'", 9, 0},
    {". 1:1", 0, HW_E_FORMAT, "line 1", "'.'", 9, 0},
    {"nan 1:1", 0, HW_E_FORMAT, "line 1", "'nan'", 9, 0},
    {"NaN 1:1", 0, HW_E_FORMAT, "line 1", "'NaN'", 9, 0},
    {"-nan 1:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"inf 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"-inf 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"infinity 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"0x10 1:1", 0, HW_E_FORMAT, "line 1", "'0x10'", 9, 0},
    {"0x1p3 1:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"1e 1:1", 0, HW_E_FORMAT, "line 1", "'1e'", 9, 0},
    {"1e+ 1:1", 0, HW_E_FORMAT, "line 1", "'1e+'", 9, 0},
    {"1e400 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"-1e39 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"3.5e38 1:1", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1e99999999999999999999 1:1", 0, HW_E_FORMAT, "line 1", "'1e99999999999999999999'", 9, 0},
    {"1,2 1:1", 0, HW_E_FORMAT, "line 1", "one finite decimal", 9, 0},
    {"1;2 1:1", 0, HW_E_FORMAT, "line 1", "'1;2'", 9, 0},
    {"1:1", 0, HW_E_FORMAT, "line 1", "'1:1' stands where the label", 9, 0},
    {"  2:1 3:1", 0, HW_E_FORMAT, "line 1", "'2:1' stands where the label", 9, 0},
    {"1..2 1:1", 0, HW_E_FORMAT, "line 1", "'1..2'", 9, 0},
    {"1.2.3 1:1", 0, HW_E_FORMAT, "line 1", "'1.2.3'", 9, 0},
    {"--1 1:1", 0, HW_E_FORMAT, "line 1", "'--1'", 9, 0},
    {"+-1 1:1", 0, HW_E_FORMAT, "line 1", "'+-1'", 9, 0},
    {"1- 1:1", 0, HW_E_FORMAT, "line 1", "'1-'", 9, 0},
    {"1e5.5 1:1", 0, HW_E_FORMAT, "line 1", "'1e5.5'", 9, 0},
    {"1_0 1:1", 0, HW_E_FORMAT, "line 1", "'1_0'", 9, 0},
    {"1'000 1:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"\"1\" 1:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"1\v1:1", 0, HW_E_FORMAT, "line 1", "'1?1:1'", 9, 0},
    {"\xff\xff 1:1", 0, HW_E_FORMAT, "line 1", "'\?\?'", 9, 0},
    {"1\302\2401:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"qid:1 1:1", 0, HW_E_FORMAT, "line 1", "label", 9, 0},
    {"a-very-long-word-that-does-not-end-soon 1:1", 0, HW_E_FORMAT, "line 1", "'a-very-long-word-that-do...'", 9, 0},
    /* entries */
    {"1 1", 0, HW_E_FORMAT, "line 1", "'1' stands where index:value", 9, 0},
    {"1 a:1", 0, HW_E_FORMAT, "line 1", "'a:1' stands where index:value", 9, 0},
    {"1 :1", 0, HW_E_FORMAT, "line 1", "':1' stands", 9, 0},
    {"1 1:", 0, HW_E_FORMAT, "line 1", "value in '1:'", 9, 0},
    {"1 1: 2", 0, HW_E_FORMAT, "line 1", "value in '1:'", 9, 0},
    {"1 1 :2", 0, HW_E_FORMAT, "line 1", "'1' stands", 9, 0},
    {"1 1::2", 0, HW_E_FORMAT, "line 1", "value in '1::2'", 9, 0},
    {"1 1:2:3", 0, HW_E_FORMAT, "line 1", "value in '1:2:3'", 9, 0},
    {"1 1:2,2:3", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:2;", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 -1:2", 0, HW_E_FORMAT, "line 1", "'-1:2' stands", 9, 0},
    {"1 +1:2", 0, HW_E_FORMAT, "line 1", "'+1:2' stands", 9, 0},
    {"1 1.0:2", 0, HW_E_FORMAT, "line 1", "'1.0:2' stands", 9, 0},
    {"1 1e1:2", 0, HW_E_FORMAT, "line 1", "'1e1:2' stands", 9, 0},
    {"1 0x1:2", 0, HW_E_FORMAT, "line 1", "'0x1:2' stands", 9, 0},
    {"1 1=2", 0, HW_E_FORMAT, "line 1", "'1=2' stands", 9, 0},
    {"1 1:x", 0, HW_E_FORMAT, "line 1", "value in '1:x'", 9, 0},
    {"1 1:nan", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1 1:inf", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1 1:-inf", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1 1:1e39", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1 1:-3.4028236e38", 0, HW_E_FORMAT, "line 1", "finite", 9, 0},
    {"1 1:0x10", 0, HW_E_FORMAT, "line 1", "decimal", 9, 0},
    {"1 1:1e", 0, HW_E_FORMAT, "line 1", "value in '1:1e'", 9, 0},
    {"1 1:1e+", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1e-\n", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:--1", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:+", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:-", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:.", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:.e5", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1.5.2", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1,5", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1f", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:0 2:x", 0, HW_E_FORMAT, "line 1", "value in '2:x'", 9, 0},
    {"1 1:1 1:2", 0, HW_E_FORMAT, "line 1", "index 1 follows 1", 9, 0},
    {"1 2:1 1:1", 0, HW_E_FORMAT, "line 1", "index 1 follows 2", 9, 0},
    {"1 0:1 0:1", 0, HW_E_FORMAT, "line 1", "index 0 follows 0", 9, 0},
    {"1 1:0 1:0", 0, HW_E_FORMAT, "line 1", "ascend", 9, 0},
    {"1 1:1 4294967294:1 5:1", 0, HW_E_FORMAT, "line 1", "index 5 follows 4294967294", 9, 0},
    {"1 4294967295:1", 0, HW_E_LIMIT, "line 1", "beyond 4294967294", 9, 0},
    {"1 4294967296:1", 0, HW_E_LIMIT, "line 1", "beyond 4294967294", 9, 0},
    {"1 18446744073709551615:1", 0, HW_E_LIMIT, "line 1", "beyond", 9, 0},
    {"1 18446744073709551616:1", 0, HW_E_LIMIT, "line 1", "beyond", 9, 0},
    {"1 99999999999999999999999999:1", 0, HW_E_LIMIT, "line 1", "'999999999999999999999999...'", 9, 0},
    {"1 qid:3 1:1", 0, HW_E_FORMAT, "line 1", "qid:", 9, 0},
    {"1 1:1 qid:2 2:1", 0, HW_E_FORMAT, "line 1", "ranking data", 9, 0},
    {"1 sid:3 1:1", 0, HW_E_FORMAT, "line 1", "'sid:3' stands", 9, 0},
    {"1 1:1 foo", 0, HW_E_FORMAT, "line 1", "'foo'", 9, 0},
    {"1 1:1 // comment", 0, HW_E_FORMAT, "line 1", "'//'", 9, 0},
    {"1 1:1\\", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1\r2:1", 0, HW_E_FORMAT, "line 1", "value in '1:1?2:1'", 9, 0},
    {"1\r2 1:1", 0, HW_E_FORMAT, "line 1", "'1?2'", 9, 0},
    {"1 1:1\r\r\n", 0, HW_E_FORMAT, "line 1", "'1:1?'", 9, 0},
    {"1 1:1\v2:1", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1\f", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 \302\2401:1", 0, HW_E_FORMAT, "line 1", "'\?\?1:1'", 9, 0},
    {"1 1:\xd9\xa1", 0, HW_E_FORMAT, "line 1", "value in", 9, 0},
    {"1 1:1\x1b[31m", 0, HW_E_FORMAT, "line 1", "'1:1?[31m'", 9, 0},
    /* zero bytes */
    {Z("\0"), HW_E_FORMAT, "line 1", "zero byte", 9, 0},
    {Z("1 1:1\0"), HW_E_FORMAT, "line 1", "zero byte", 9, 0},
    {Z("1 1:\0"), HW_E_FORMAT, "line 1", "zero byte", 9, 0},
    {Z("1 1:1 # c\0c\n"), HW_E_FORMAT, "line 1", "zero byte", 9, 0},
    {Z("1 1:1\n\0"), HW_E_FORMAT, "line 2", "zero byte", 9, 0},
    {Z("\xff\xfe\x31\0\x20\0"), HW_E_FORMAT, "line 1", "zero byte", 9, 0},
    /* lines are counted */
    {"\n\n1 1:x", 0, HW_E_FORMAT, "line 3", "'1:x'", 9, 0},
    {"# c\n1 1:1\n1 x", 0, HW_E_FORMAT, "line 3", "'x'", 9, 0},
    {"1 1:1\r\n\r\n1 1:1 1:1\r\n", 0, HW_E_FORMAT, "line 3", "ascend", 9, 0},
    {"1 1:1\n1 1:1\n1 1:1\n1 1:1\nx\n", 0, HW_E_FORMAT, "line 5", "'x'", 9, 0},
    {"1 1:y\n1 1:x", 0, HW_E_FORMAT, "line 1", "'1:y'", 9, 0},
    {"\357\273\2771 1:1\n\357\273\2771 1:1\n", 0, HW_E_FORMAT, "line 2", "label", 9, 0},
    /* the options' bounds */
    {"1 1:1\n1 0:1", 0, HW_E_FORMAT, "line 2", "index is 0", 1, 0},
    {"1 2:1\n1 3:1", 0, HW_E_LIMIT, "line 2", "index 3 is too large for 3 columns from 0 on", 0, 3},
    {"1 2:1\n1 4:1", 0, HW_E_LIMIT, "line 2", "index 4 is too large for 3 columns from 1 on", 1, 3},
    {"1 2:1\n1 4:1", 0, HW_E_LIMIT, "line 2", "index 4 is too large for 3 columns", 9, 3},
    {"1 2:1\n1 3:1\n1 3:1\n1 0:1", 0, HW_E_LIMIT, "line 2", "index 3 is too large for 3 columns from 0 on", 9, 3},
    {"1 3:0\n1 0:0", 0, HW_E_LIMIT, "line 1", "index 3 is too large", 9, 3},
    {"1 4294967294:1", 0, HW_E_LIMIT, "line 1", "4294967294 is too large for 4294967293 columns from 1 on", 9,
     4294967293u},
};

static void bad_texts_get_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s;
    size_t count = sizeof bad_texts / sizeof *bad_texts;
    assert_true(count >= 90);
    for (size_t i = 0; i < count; i++)
        for (int gzip = 0; gzip < 2; gzip++) {
            const bad *b = &bad_texts[i];
            size_t n = b->size ? b->size : strlen(b->text);
            hw_libsvm_options o = hw_libsvm_defaults();
            if (b->base != 9) o.base = b->base;
            o.columns = b->columns;
            if (gzip)
                put_gzip("bad", b->text, n);
            else
                put("bad", b->text, n);
            memset(&s, 1, sizeof s);
            hw_status status = hw_libsvm_read(at("bad").path, &o, &s, why);
            if (status != b->status || !strstr(why, b->part) || !strstr(why, b->line) || !strstr(why, at("bad").path))
                fail_msg("number %zu, '%s': status %d, '%s'", i, b->text, status, why);
            assert_empty(&s);
            assert_int_equal(hw_libsvm_read(at("bad").path, &o, &s, NULL), status);
        }
}

static void other_errors_get_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s;
    hw_libsvm_options o = hw_libsvm_defaults();
    assert_int_equal(hw_libsvm_read(at("nowhere").path, NULL, &s, why), HW_E_IO);
    assert_text(why, "nowhere");
    assert_int_equal(hw_libsvm_read(folder, NULL, &s, why), HW_E_IO);
    assert_text(why, folder);
    put("good", "1 1:1\n", 6);
    place good = at("good");
    assert_int_equal(hw_libsvm_read(NULL, NULL, &s, why), HW_E_ARGUMENT);
    assert_int_equal(hw_libsvm_read(good.path, NULL, NULL, why), HW_E_ARGUMENT);
    o.struct_size--;
    assert_int_equal(hw_libsvm_read(good.path, &o, &s, why), HW_E_ARGUMENT);
    assert_text(why, "struct_size");
    o = hw_libsvm_defaults();
    for (o.base = -2; o.base < 3; o.base += 4) assert_int_equal(hw_libsvm_read(good.path, &o, &s, why), HW_E_ARGUMENT);
    o = hw_libsvm_defaults();
    o.threads = 1000;
    assert_int_equal(hw_libsvm_read(good.path, &o, &s, why), HW_E_ARGUMENT);
    assert_text(why, "threads");
    o = hw_libsvm_defaults();
    for (o.cap = 1; o.cap < 6; o.cap++) {
        assert_int_equal(hw_libsvm_read(good.path, &o, &s, why), HW_E_LIMIT);
        assert_text(why, "good");
    }
    assert_int_equal(hw_libsvm_read(good.path, &o, &s, why), HW_OK);
    hw_sparse_free(&s);
    /* A line of 2^24 bytes is read, one of a byte more refused: with spaces, digits, and as a comment. */
    size_t most = (size_t)1 << 24;
    char *line = malloc(most + 20);
    for (int kind = 0; kind < 3; kind++)
        for (size_t more = 0; more < 2; more++) {
            memcpy(line, "1 2:3\n1 1:1", 11);
            memset(line + 11, kind == 0 ? ' ' : kind == 1 ? '0' : 'c', most);
            if (kind == 1) line[11] = '.';
            if (kind == 2) line[11] = '#';
            line[6 + most + more] = '\n';
            put("long", line, 6 + most + more + 1);
            hw_status status = hw_libsvm_read(at("long").path, NULL, &s, why);
            assert_int_equal(status, more ? HW_E_LIMIT : HW_OK);
            if (more) assert_text(why, "long: line 2: 16777217 bytes");
            hw_sparse_free(&s);
        }
    free(line);
    /* gzip: cut short at every byte, and a bomb. */
    const char *text = "1 1:1 2:0.25\n-1 1:4 7:3\n";
    size_t size;
    put_gzip("cut", text, strlen(text));
    unsigned char *bytes = get(at("cut").path, &size);
    for (size_t n = 2; n < size; n++) {
        put("cut", bytes, n);
        assert_int_equal(hw_libsvm_read(at("cut").path, NULL, &s, why), HW_E_FORMAT);
        assert_empty(&s);
    }
    free(bytes);
    size_t many = (size_t)1 << 26;
    char *lines = malloc(many);
    memset(lines, '\n', many);
    put_gzip("bomb", lines, many);
    free(lines);
    o.cap = (size_t)1 << 20;
    assert_int_equal(hw_libsvm_read(at("bomb").path, &o, &s, why), HW_E_LIMIT);
    assert_text(why, "bomb");
    assert_text(why, "1048576");
    assert_empty(&s);
}

static void random_changes_never_break_the_reader(void **state)
{
    (void)state;
    static const char seed[] = "+1 1:0.5 3:-2e1 17:4\n-1 2:1e-1 3:0 # c\r\n\n0.5 4294967:1\n2\t1:3 2:1.5e+2 9:.25";
    static const char likely[] = "0123456789:.-+eE #\n\r\tqid\0\xff";
    char text[sizeof seed + 8], why[HW_WHY];
    int good = 0, refused = 0;
    hw_sparse s;
    hw_rng rng;
    hw_rng_seed(&rng, 5, 1);
    for (int trial = 0; trial < 20000; trial++) {
        size_t n = sizeof seed - 1;
        memcpy(text, seed, n);
        for (uint64_t k = 1 + hw_rng_below(&rng, 4); k > 0; k--) {
            size_t where = (size_t)hw_rng_below(&rng, n);
            uint64_t kind = hw_rng_below(&rng, 8);
            if (kind == 0 && n > 1)
                memmove(text + where, text + where + 1, --n - where);
            else if (kind == 1)
                text[where] = (char)hw_rng_below(&rng, 256);
            else
                text[where] = likely[hw_rng_below(&rng, sizeof likely - 1)];
        }
        put("fuzz", text, n);
        why[0] = 0;
        hw_status status = hw_libsvm_read(at("fuzz").path, NULL, &s, why);
        if (status == HW_OK) {
            if (hw__sparse_fault(&s)) fail_msg("trial %d: %s", trial, hw__sparse_fault(&s));
            hw_sparse_free(&s);
            good++;
            continue;
        }
        assert_true(status == HW_E_FORMAT || status == HW_E_LIMIT);
        assert_text(why, "fuzz: ");
        assert_empty(&s);
        refused++;
    }
    assert_true(good > 1000 && refused > 1000);
}

/* --- real data --------------------------------------------------------------------------------------------------- */

static void real_files_are_read(void **state)
{
    (void)state;
    const char *data = getenv("HOGWILD_DATA");
    char path[600], why[HW_WHY] = "";
    hw_sparse s, again;
    hw_sparse_figures f;
    hw_libsvm_options o = hw_libsvm_defaults();
    uint32_t found = 0, positive = 0;
    snprintf(path, sizeof path, "%s/a9a/a9a", data ? data : ".");
    if (data && access(path, R_OK) == 0) {
        found++;
        if (hw_libsvm_read(path, NULL, &s, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(s.rows, 32561);
        assert_int_equal(s.columns, 123);
        assert_int_equal(s.nonzeros, 451592);
        assert_int_equal(hw_sparse_signs(&s, NAN, why), HW_OK);
        for (uint32_t i = 0; i < s.rows; i++) positive += s.label[i] > 0;
        assert_int_equal(positive, 7841);
        for (uint64_t k = 0; k < s.nonzeros; k++) assert_true(s.value[k] == 1);
        assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
        assert_int_equal(f.omega, 14);
        assert_true(f.rho > 0.99 && f.delta > 0.9);
        hw_sparse_free(&s);
    }
    snprintf(path, sizeof path, "%s/imdb-bow/train.feat.gz", data ? data : ".");
    if (data && access(path, R_OK) == 0) {
        found++;
        place cache = at("imdb.hwcache");
        o.cache = cache.path;
        if (hw_libsvm_read(path, &o, &s, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(s.rows, 25000);
        assert_int_equal(s.nonzeros, 3456683);
        assert_true(s.columns > 89000 && s.columns <= 89527);
        assert_int_equal(hw_libsvm_read(path, &o, &again, why), HW_OK);
        assert_non_null(again.map);
        assert_same(&s, &again);
        positive = 0;
        assert_int_equal(hw_sparse_signs(&again, 5.5, why), HW_OK);
        for (uint32_t i = 0; i < s.rows; i++) positive += again.label[i] > 0;
        assert_int_equal(positive, 12500);
        unsigned classes = 0;
        assert_int_equal(hw_sparse_classes(&s, &classes, NULL, why), HW_OK);
        assert_int_equal(classes, 8);
        hw_sparse_free(&s);
        hw_sparse_free(&again);
    }
    if (!found) {
        print_message("skipped: HOGWILD_DATA names no folder with a9a/a9a or imdb-bow/train.feat.gz\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(numbers_stop_where_they_end),
        cmocka_unit_test(every_variant_of_a_text_is_the_same_set),
        cmocka_unit_test(any_number_of_threads_reads_the_same),
        cmocka_unit_test(bad_texts_get_a_sentence),
        cmocka_unit_test(other_errors_get_a_sentence),
        cmocka_unit_test(random_changes_never_break_the_reader),
        cmocka_unit_test(real_files_are_read),
    };
    return cmocka_run_group_tests_name("LIBSVM texts", tests, make_folder, drop_folder);
}
