/* test_rows.c - sparse rows in memory and their binary cache: damaged caches, the cache that the reader keeps, labels,
 * weights of columns, parts, the generator's known optimum, and the figures of the theory. */
#include "sparse_files.h"
#include <fcntl.h>
#include <sys/stat.h>

/* --- the cache --------------------------------------------------------------------------------------------------- */

static void a_cache_is_the_set(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse drawn, s, own;
    hw_sparse_plan plan = hw_sparse_plan_defaults(500, 200);
    assert_int_equal(hw_sparse_generate(&plan, NULL, &drawn, why), HW_OK);
    place p = at("set.hwcache");
    assert_int_equal(hw_sparse_save(&drawn, p.path, why), HW_OK);
    assert_int_equal(hw_sparse_load(&s, p.path, why), HW_OK);
    assert_non_null(s.map);
    uintptr_t bits = (uintptr_t)s.offset | (uintptr_t)s.index | (uintptr_t)s.value | (uintptr_t)s.label;
    assert_int_equal(bits % 64, 0);
    assert_same(&drawn, &s);
    /* A change in place is one of memory: the file stays as it was. */
    own = copy(&drawn);
    assert_int_equal(hw_sparse_unit_rows(&s, why), HW_OK);
    assert_null(s.map);
    assert_int_equal(hw_sparse_unit_rows(&own, why), HW_OK);
    assert_same(&own, &s);
    hw_sparse_free(&s);
    assert_int_equal(hw_sparse_load(&s, p.path, why), HW_OK);
    assert_same(&drawn, &s);
    assert_int_equal(hw_sparse_save(&own, p.path, why), HW_OK); /* over a file that is mapped */
    assert_same(&drawn, &s);
    hw_sparse_free(&s);
    hw_sparse_free(&own);
    /* What is no set is not written; what is no cache is not read. */
    drawn.index[1] = drawn.index[0];
    assert_int_equal(hw_sparse_save(&drawn, p.path, why), HW_E_ARGUMENT);
    assert_text(why, "ascending");
    hw_sparse_free(&drawn);
    assert_int_equal(hw_sparse_save(&drawn, p.path, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_save(NULL, p.path, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_load(&s, NULL, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_load(&s, at("nowhere").path, why), HW_E_IO);
    assert_text(why, "nowhere");
    assert_int_equal(hw_sparse_load(&s, folder, why), HW_E_IO);
    s = read_text("1 1:1\n");
    assert_int_equal(hw_sparse_save(&s, at("no/where").path, why), HW_E_IO);
    hw_sparse_free(&s);
}

/* Offsets at byte 128, labels at 192, indices at 256, values at 320; 5 rows, 3 columns, 7 non-zeros. */
static unsigned char *small_cache(size_t *size)
{
    hw_sparse s = read_text("1 1:0.5 3:-2\n-1 2:4\n1\n2.5 1:1 2:1 3:1\n0 3:7\n");
    assert_int_equal(hw_sparse_save(&s, at("small").path, NULL), HW_OK);
    hw_sparse_free(&s);
    unsigned char *bytes = get(at("small").path, size);
    assert_int_equal(*size, SPARSE_HEADER + 4 * 64);
    return bytes;
}

static void damaged_caches_are_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    size_t size;
    hw_sparse s;
    unsigned char *bytes = small_cache(&size);
    place p = at("damaged");
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        put("damaged", bytes, size);
        if (hw_sparse_load(&s, p.path, why) != HW_E_FORMAT) fail_msg("bit %zu was not noticed", bit);
        assert_text(why, "damaged: ");
        assert_empty(&s);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    unsigned char *longer = calloc(2, size);
    memcpy(longer, bytes, size);
    for (size_t n = 0; n < 2 * size; n++) {
        if (n == size) continue;
        put("damaged", longer, n);
        assert_int_equal(hw_sparse_load(&s, p.path, why), HW_E_FORMAT);
        assert_text(why, "damaged: ");
    }
    free(longer);
    free(bytes);
}

static void put_number(unsigned char *bytes, size_t where, uint64_t x, int n)
{
    for (int i = 0; i < n; i++) bytes[where + (size_t)i] = (unsigned char)(x >> 8 * i);
}

/* Loads as it is, with the checksum made to hold. */
static hw_status load_signed(unsigned char *bytes, size_t size, hw_sparse *s, char *why)
{
    put_number(bytes, SPARSE_SUM, hw__sparse_sum(bytes, size), 8);
    put("signed", bytes, size);
    return hw_sparse_load(s, at("signed").path, why);
}

static void caches_with_a_good_checksum_are_not_trusted(void **state)
{
    (void)state;
    char why[HW_WHY];
    size_t size;
    hw_sparse s;
    unsigned char *bytes = small_cache(&size), *changed = malloc(size);
    static const struct {
        size_t where;
        uint64_t value;
        int bytes;
        const char *part;
    } list[] = {
        {8, 2, 4, "version 2"},
        {12, 64, 4, "version"},
        {16, 383, 8, "promises 383"},
        {16, UINT64_MAX, 8, "promises"},
        {24, 0, 4, "promises"},
        {24, 7, 4, "offset"},
        {24, 8, 4, "promises"},
        {24, UINT32_MAX, 4, "promises"},
        {28, 0, 4, "no columns"},
        {28, 2, 4, "below the number of columns"},
        {32, 6, 8, "offsets do not span"},
        {32, 17, 8, "promises"},
        {32, (uint64_t)1 << 62, 8, "promises"},
        {32, UINT64_MAX, 8, "promises"},
        {128, 1, 8, "offsets do not span"},
        {136, 3, 8, "ascending"}, /* row 0 would be 0, 2, 1 */
        {136, 8, 8, "offset is out of order"},
        {144, 8, 8, "offset is out of order"},
        {152, 2, 8, "offset is out of order"},
        {136, UINT64_MAX, 8, "offset is out of order"},
        {168, 6, 8, "offsets do not span"},
        {192, 0x7f800000, 4, "label"},
        {208, 0xffc00000, 4, "label"},
        {256, 2, 4, "ascending"},
        {256, 3, 4, "ascending"},
        {260, 3, 4, "below the number of columns"},
        {280, UINT32_MAX, 4, "below the number of columns"},
        {320, 0x7f800001, 4, "value"},
        {344, 0xff800000, 4, "value"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        memcpy(changed, bytes, size);
        put_number(changed, list[i].where, list[i].value, list[i].bytes);
        hw_status status = load_signed(changed, size, &s, why);
        if (status != HW_E_FORMAT || !strstr(why, list[i].part) || !strstr(why, "signed"))
            fail_msg("number %zu: status %d, '%s'", i, status, why);
        assert_empty(&s);
    }
    hw_rng rng;
    hw_rng_seed(&rng, 8, 8);
    int good = 0;
    for (int trial = 0; trial < (CHECK_SLOW ? 5000 : 20000); trial++) {
        memcpy(changed, bytes, size);
        for (uint64_t k = 1 + hw_rng_below(&rng, 3); k > 0; k--) {
            size_t where = (size_t)hw_rng_below(&rng, size);
            uint64_t any = hw_rng_below(&rng, 256), bit = (uint64_t)1 << hw_rng_below(&rng, 8);
            changed[where] = (unsigned char)(hw_rng_below(&rng, 2) ? any : changed[where] ^ bit);
        }
        hw_status status = load_signed(changed, size, &s, why);
        if (status == HW_OK) {
            assert_null(hw__sparse_fault(&s));
            hw_sparse_free(&s);
            good++;
        } else {
            assert_int_equal(status, HW_E_FORMAT);
            assert_empty(&s);
        }
    }
    assert_true(good > 100);
    free(bytes);
    free(changed);
}

static void set_time(const char *path, long seconds)
{
    struct timespec t[2] = {{seconds, 5}, {seconds, 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* Reads twice: whether the cache served the first and the second time. */
static void read_twice(const char *path, const hw_libsvm_options *o, bool once, bool again, const hw_sparse *expected)
{
    char why[HW_WHY];
    for (int time = 0; time < 2; time++) {
        hw_sparse s;
        if (hw_libsvm_read(path, o, &s, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(s.map != NULL, time ? again : once);
        if (expected) assert_same(expected, &s);
        hw_sparse_free(&s);
    }
}

static void the_reader_keeps_a_cache(void **state)
{
    (void)state;
    hw_sparse s;
    hw_libsvm_options o = hw_libsvm_defaults();
    place data = at("data"), cache = at("data.hwcache"), other = at("elsewhere"), nowhere = at("no/where");
    const char *text = "1 1:1 2:0.25\n-1 1:4 7:3\n", *changed = "1 1:1 2:0.25\n-1 1:4 8:3\n";
    hw_sparse first = read_text(text), second = read_text(changed);
    put("data", text, strlen(text));
    set_time(data.path, 1000);
    o.cache = "";
    read_twice(data.path, &o, false, true, &first);
    read_twice(data.path, &o, true, true, &first);
    /* Another time, other options, another size: read anew, then kept. */
    put("data", changed, strlen(changed));
    set_time(data.path, 1001);
    read_twice(data.path, &o, false, true, &second);
    o.base = 1;
    read_twice(data.path, &o, false, true, &second);
    o.columns = 9;
    read_twice(data.path, &o, false, true, NULL);
    o.base = -1;
    o.columns = 0;
    read_twice(data.path, &o, false, true, &second);
    put("data", "1 1:1", 5);
    set_time(data.path, 1001);
    read_twice(data.path, &o, false, true, NULL);
    put("data", text, strlen(text));
    set_time(data.path, 1002);
    read_twice(data.path, &o, false, true, &first);
    /* A damaged one is written anew: empty, the magic alone, a flipped bit. */
    size_t size;
    unsigned char *bytes = get(cache.path, &size);
    bytes[size - 40] ^= 4;
    for (size_t n = 0; n <= size; n += n == 0 ? 8 : size - 8) {
        put("data.hwcache", bytes, n);
        read_twice(data.path, &o, false, true, &first);
    }
    /* Another name; places that cannot be written; and what is no cache is not overwritten, least of all the data. */
    o.cache = other.path;
    read_twice(data.path, &o, false, true, &first);
    char endless[3000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    const char *useless[] = {nowhere.path, endless, folder, data.path};
    for (size_t i = 0; i < 4; i++) {
        o.cache = useless[i];
        read_twice(data.path, &o, false, false, &first);
    }
    bytes[0] ^= 1;
    put("other", bytes, size);
    other = at("other");
    o.cache = other.path;
    read_twice(data.path, &o, false, false, &first);
    free(bytes);
    put_gzip("data.gz", text, strlen(text));
    o.cache = "";
    read_twice(at("data.gz").path, &o, false, true, &first);
    /* A text that is refused leaves no cache. */
    put("refused", "1 1:x", 5);
    assert_int_equal(hw_libsvm_read(at("refused").path, &o, &s, NULL), HW_E_FORMAT);
    assert_int_not_equal(access(at("refused.hwcache").path, F_OK), 0);
    hw_sparse_free(&first);
    hw_sparse_free(&second);
}

/* --- labels, weights of columns, parts --------------------------------------------------------------------------- */

static void assert_labels(const hw_sparse *s, const float *expected)
{
    for (uint32_t i = 0; i < s->rows; i++) assert_true(s->label[i] == expected[i]);
}

static void labels_become_signs(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s = read_text("7 1:1\n3\n3\n7\n");
    for (int time = 0; time < 2; time++) {
        assert_int_equal(hw_sparse_signs(&s, NAN, why), HW_OK);
        assert_labels(&s, (const float[]){1, -1, -1, 1});
    }
    hw_sparse_free(&s);
    s = read_text("1 1:1\n4\n7\n10\n5\n");
    assert_int_equal(hw_sparse_signs(&s, INFINITY, why), HW_E_FORMAT);
    assert_text(why, "more than two values (1, 10 and 4 in row 1)");
    assert_labels(&s, (const float[]){1, 4, 7, 10, 5});
    assert_int_equal(hw_sparse_signs(&s, 5, why), HW_OK);
    assert_labels(&s, (const float[]){-1, -1, 1, 1, 1});
    hw_sparse_free(&s);
    s = read_text("-1 1:1\n-1\n");
    assert_int_equal(hw_sparse_signs(&s, NAN, why), HW_OK);
    assert_labels(&s, (const float[]){-1, -1});
    hw_sparse_free(&s);
    s = read_text("2 1:1\n2\n");
    assert_int_equal(hw_sparse_signs(&s, NAN, why), HW_E_FORMAT);
    assert_text(why, "all are 2");
    hw_sparse_free(&s);
    assert_int_equal(hw_sparse_signs(&s, NAN, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_signs(NULL, NAN, why), HW_E_ARGUMENT);
}

static void labels_become_classes(void **state)
{
    (void)state;
    char why[HW_WHY];
    unsigned n = 0;
    float values[256] = {0};
    hw_sparse s = read_text("1 1:1\n4\n7\n10\n5\n4\n");
    assert_int_equal(hw_sparse_classes(&s, &n, values, why), HW_OK);
    assert_int_equal(n, 5);
    assert_true(values[0] == 1 && values[1] == 4 && values[2] == 5 && values[3] == 7 && values[4] == 10);
    assert_labels(&s, (const float[]){0, 1, 3, 4, 2, 1});
    hw_sparse_free(&s);
    s = read_text("10 1:1\n4\n"); /* a test set without some of the classes */
    assert_int_equal(hw_sparse_classes(&s, &n, values, why), HW_OK);
    assert_int_equal(n, 5);
    assert_labels(&s, (const float[]){4, 1});
    assert_int_equal(hw_sparse_classes(&s, NULL, NULL, why), HW_OK);
    assert_labels(&s, (const float[]){1, 0});
    hw_sparse_free(&s);
    assert_int_equal(hw_sparse_classes(&s, NULL, NULL, why), HW_E_ARGUMENT);
    s = read_text("10 1:1\n6\n");
    assert_int_equal(hw_sparse_classes(&s, &n, values, why), HW_E_FORMAT);
    assert_text(why, "label 6 of row 1 is none of the 5 known");
    assert_int_equal(hw_sparse_classes(&s, &n, NULL, why), HW_E_ARGUMENT);
    values[1] = values[0];
    assert_int_equal(hw_sparse_classes(&s, &n, values, why), HW_E_ARGUMENT);
    assert_text(why, "ascending");
    n = 257;
    assert_int_equal(hw_sparse_classes(&s, &n, values, why), HW_E_ARGUMENT);
    assert_labels(&s, (const float[]){10, 6});
    hw_sparse_free(&s);
    for (uint32_t rows = 256; rows < 258; rows++) { /* as many classes as there may be, and one more */
        assert_int_equal(hw__sparse_make(&s, rows, 1, 0, NULL), HW_OK);
        for (uint32_t i = 0; i < rows; i++) s.label[i] = (float)((i * 77) % rows) / 2;
        n = 0;
        assert_int_equal(hw_sparse_classes(&s, &n, values, why), rows == 256 ? HW_OK : HW_E_LIMIT);
        if (rows == 256) assert_true(n == 256 && s.label[3] == 231 && values[231] == 115.5f);
        hw_sparse_free(&s);
    }
}

static void columns_are_weighted(void **state)
{
    (void)state;
    char why[HW_WHY];
    uint32_t frequency[4];
    float idf[4];
    hw_sparse s = read_text("1 1:3 2:-4\n1 2:2\n1\n1 2:1e-40 4:1e30\n");
    hw_sparse_frequency(&s, frequency);
    assert_true(frequency[0] == 1 && frequency[1] == 3 && frequency[2] == 0 && frequency[3] == 1);
    hw_sparse_idf(&s, idf);
    assert_near(idf[0], log(5. / 2) + 1, 1e-6);
    assert_near(idf[1], log(5. / 4) + 1, 1e-6);
    assert_near(idf[2], log(5.) + 1, 1e-6);
    float scale[] = {2, 0.5f, 1, 1e9f};
    assert_int_equal(hw_sparse_scale(&s, scale, why), HW_E_ARGUMENT);
    assert_text(why, "column 3");
    assert_true(s.value[0] == 3);
    scale[3] = 1;
    assert_int_equal(hw_sparse_scale(&s, scale, why), HW_OK);
    assert_true(s.value[0] == 6 && s.value[1] == -2 && s.value[2] == 1);
    assert_int_equal(hw_sparse_unit_rows(&s, why), HW_OK);
    assert_near(s.value[0], 6 / sqrt(40), 1e-7);
    assert_near(s.value[1], -2 / sqrt(40), 1e-7);
    assert_true(s.value[2] == 1 && s.value[4] == 1);
    assert_null(hw__sparse_fault(&s));
    scale[1] = 0; /* what became zero is not counted, and a row of zeros stays one */
    assert_int_equal(hw_sparse_scale(&s, scale, why), HW_OK);
    hw_sparse_frequency(&s, frequency);
    assert_true(frequency[1] == 0 && frequency[0] == 1);
    hw_sparse_idf(&s, idf);
    assert_near(idf[1], log(5.) + 1, 1e-6);
    assert_int_equal(hw_sparse_unit_rows(&s, why), HW_OK);
    assert_true(s.value[2] == 0);
    hw_sparse_free(&s);
    assert_int_equal(hw_sparse_scale(NULL, scale, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_unit_rows(NULL, why), HW_E_ARGUMENT);
}

static void parts_are_a_permutation(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s, part;
    hw_sparse_plan plan = hw_sparse_plan_defaults(300, 100);
    assert_int_equal(hw_sparse_generate(&plan, NULL, &s, why), HW_OK);
    for (uint32_t i = 0; i < s.rows; i++) s.label[i] = (float)i;
    unsigned char seen[300] = {0};
    for (uint32_t first = 0; first < 300; first += 120) {
        uint32_t count = first == 240 ? 60 : 120;
        assert_int_equal(hw_sparse_subset(&s, 5, first, count, &part, why), HW_OK);
        assert_null(hw__sparse_fault(&part));
        assert_int_equal(part.rows, count);
        assert_int_equal(part.columns, 100);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t row = (uint32_t)part.label[i];
            assert_int_equal(row, hw_permute(5, 0, 300, first + i));
            assert_int_equal(seen[row]++, 0);
            size_t n = (size_t)(s.offset[row + 1] - s.offset[row]);
            assert_int_equal(part.offset[i + 1] - part.offset[i], n);
            assert_memory_equal(part.index + part.offset[i], s.index + s.offset[row], n * 4);
            assert_memory_equal(part.value + part.offset[i], s.value + s.offset[row], n * 4);
        }
        hw_sparse_free(&part);
    }
    static const uint32_t wrong[][2] = {{200, 101}, {301, 1}, {0, 0}, {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hw_sparse_subset(&s, 5, wrong[i][0], wrong[i][1], &part, why), HW_E_ARGUMENT);
        assert_empty(&part);
    }
    assert_int_equal(hw_sparse_subset(&s, 5, 0, 1, &s, why), HW_E_ARGUMENT);
    assert_int_equal(s.rows, 300);
    hw_sparse_free(&s);
}

/* --- the generator ----------------------------------------------------------------------------------------------- */

static void drawn_rows_depend_on_their_number_only(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse a, b;
    static float truth[2][5000];
    hw_sparse_plan plan = hw_sparse_plan_defaults(200, 5000);
    assert_int_equal(hw_sparse_generate(&plan, truth[0], &a, why), HW_OK);
    assert_null(hw__sparse_fault(&a));
    plan.first = 150;
    plan.rows = 50;
    assert_int_equal(hw_sparse_generate(&plan, truth[1], &b, why), HW_OK);
    assert_memory_equal(truth[0], truth[1], sizeof truth[0]);
    assert_memory_equal(b.label, a.label + 150, 50 * 4);
    assert_memory_equal(b.index, a.index + a.offset[150], (size_t)b.nonzeros * 4);
    assert_memory_equal(b.value, a.value + a.offset[150], (size_t)b.nonzeros * 4);
    hw_sparse_free(&b);
    plan.seed++;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &b, why), HW_OK);
    assert_memory_not_equal(b.value, a.value + a.offset[150], 100);
    hw_sparse_free(&a);
    hw_sparse_free(&b);
    plan = hw_sparse_plan_defaults(10, 8); /* every column in every row */
    assert_int_equal(plan.nonzeros, 8);
    assert_int_equal(hw_sparse_generate(&plan, NULL, &a, why), HW_OK);
    assert_int_equal(a.nonzeros, 80);
    assert_null(hw__sparse_fault(&a));
    hw_sparse_free(&a);
    plan = hw_sparse_plan_defaults(10, 1000); /* nearly all chance on one column: short rows, and an end */
    plan.exponent = 10;
    assert_int_equal(hw_sparse_generate(&plan, NULL, &a, why), HW_OK);
    assert_true(a.nonzeros >= 10 && a.nonzeros < 100);
    assert_null(hw__sparse_fault(&a));
    hw_sparse_free(&a);
}

static void wrong_plans_get_a_sentence(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s;
    hw_sparse_plan wrong[12];
    static const char *const part[12] = {"struct_size", "rows",      "columns",   "nonzeros", "nonzeros", "exponent",
                                         "exponent",    "sharpness", "sharpness", "noise",    "first",    "columns"};
    for (int i = 0; i < 12; i++) wrong[i] = hw_sparse_plan_defaults(10, 20);
    wrong[0].struct_size = 0;
    wrong[1].rows = 0;
    wrong[2].columns = 0;
    wrong[3].nonzeros = 0;
    wrong[4].nonzeros = 21;
    wrong[5].exponent = NAN;
    wrong[6].exponent = -1;
    wrong[7].sharpness = INFINITY;
    wrong[8].sharpness = -1;
    wrong[9].noise = NAN;
    wrong[10].first = UINT64_MAX;
    wrong[11].columns = UINT32_MAX;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(hw_sparse_generate(&wrong[i], NULL, &s, why), HW_E_ARGUMENT);
        assert_text(why, "plan.");
        assert_text(why, part[i]);
        assert_empty(&s);
    }
    assert_int_equal(hw_sparse_generate(NULL, NULL, &s, why), HW_E_ARGUMENT);
    assert_int_equal(hw_sparse_generate(&wrong[0], NULL, NULL, why), HW_E_ARGUMENT);
}

static double score(const hw_sparse *s, uint32_t row, const float *weight)
{
    double sum = 0;
    for (uint64_t k = s->offset[row]; k < s->offset[row + 1]; k++)
        sum += (double)s->value[k] * (double)weight[s->index[k]];
    return sum;
}

static void drawn_rows_follow_the_plan(void **state)
{
    (void)state;
    char why[HW_WHY];
    enum { COLUMNS = 2000 };
    static uint32_t count[COLUMNS];
    static float truth[COLUMNS];
    static double gradient[COLUMNS], variance[COLUMNS];
    hw_sparse s;
    hw_sparse_plan plan = hw_sparse_plan_defaults(CHECK_SLOW ? 10000 : 40000, COLUMNS);
    plan.nonzeros = 3;
    plan.exponent = 1.2;
    assert_int_equal(hw_sparse_generate(&plan, truth, &s, why), HW_OK);
    assert_true(s.nonzeros <= 3 * (uint64_t)plan.rows && s.nonzeros + 10 > 3 * (uint64_t)plan.rows);
    /* Without the head, where a row that has the column already draws again, counts fall as the power law does. */
    hw_sparse_frequency(&s, count);
    double tens = 0, hundreds = 0, e_tens = 0, e_hundreds = 0, weights = 0;
    for (uint32_t j = 9; j < 99; j++) tens += count[j], e_tens += pow(j + 1., -1.2);
    for (uint32_t j = 99; j < 999; j++) hundreds += count[j], e_hundreds += pow(j + 1., -1.2);
    assert_near(hundreds / tens, e_hundreds / e_tens, 0.05 * e_hundreds / e_tens);
    assert_true(count[0] > count[4] && count[4] > count[30] && count[0] < s.rows);
    for (int j = 0; j < COLUMNS; j++) weights += (double)truth[j] * (double)truth[j] / COLUMNS;
    assert_near(sqrt(weights), plan.sharpness, 0.2);
    /* Rows have length 1, and the gradient of the mean logistic loss at the truth is zero within its own sampling
     * error, column by column. */
    uint32_t positive = 0;
    for (uint32_t i = 0; i < s.rows; i++) {
        double p = 1 / (1 + exp(-score(&s, i, truth))), g = p - (s.label[i] > 0), square = 0;
        assert_true(s.label[i] == 1 || s.label[i] == -1);
        positive += s.label[i] > 0;
        for (uint64_t k = s.offset[i]; k < s.offset[i + 1]; k++) {
            double x = (double)s.value[k];
            square += x * x;
            gradient[s.index[k]] += g * x;
            variance[s.index[k]] += p * (1 - p) * x * x;
        }
        assert_near(square, 1, 1e-6);
    }
    assert_true(positive > 0.3 * s.rows && positive < 0.7 * s.rows);
    double chi = 0, n = 0;
    for (int j = 0; j < COLUMNS; j++) {
        if (count[j] < 20) continue;
        double z = gradient[j] / sqrt(variance[j]);
        if (fabs(z) > 5) fail_msg("column %d: the gradient is %g standard errors from zero", j, z);
        chi += z * z;
        n++;
    }
    assert_near(chi / n, 1, 5 * sqrt(2 / n));
    hw_sparse_free(&s);
    /* Real labels: the residual of the truth is the noise. */
    plan.real_labels = 1;
    plan.noise = 0.25;
    assert_int_equal(hw_sparse_generate(&plan, truth, &s, why), HW_OK);
    double square = 0;
    for (uint32_t i = 0; i < s.rows; i++) square += pow((double)s.label[i] - score(&s, i, truth), 2) / s.rows;
    assert_near(sqrt(square), 0.25, 0.01);
    hw_sparse_free(&s);
}

/* --- the figures ------------------------------------------------------------------------------------------------- */

static void figures_of_small_sets(void **state)
{
    (void)state;
    char why[HW_WHY], line[400] = "";
    hw_sparse_figures f;
    hw_sparse s = read_text("1 1:1 2:1\n1 2:1 3:1\n1 4:1\n1\n1 3:1 5:1 6:1\n");
    assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
    assert_int_equal(f.rows, 5);
    assert_int_equal(f.columns, 6);
    assert_int_equal(f.nonzeros, 8);
    assert_int_equal(f.omega, 3);
    assert_near(f.mean, 1.6, 1e-12);
    assert_near(f.delta, 0.4, 1e-12); /* columns 2 and 3 */
    assert_near(f.rho, 0.6, 1e-12);   /* row 1 meets rows 0, 1 and 4 */
    assert_true(f.rho_exact);
    FILE *out = fopen(at("figures").path, "w");
    hw_sparse_print(&f, out);
    fclose(out);
    out = fopen(at("figures").path, "r");
    assert_non_null(fgets(line, sizeof line, out));
    fclose(out);
    assert_text(line, "5 rows, 6 columns, 8 non-zeros");
    assert_text(line, "meets 0.6 of them (rho)");
    hw_sparse_free(&s);
    s = read_text("1 4294967294:1\n1 7:1 4294967294:1\n1 7:1\n1 9:1\n"); /* memory follows the entries */
    assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
    assert_int_equal(f.columns, 4294967294u);
    assert_near(f.delta, 0.5, 1e-12);
    assert_near(f.rho, 0.75, 1e-12);
    hw_sparse_free(&s);
    assert_int_equal(hw__sparse_make(&s, 3, 70000, 0, NULL), HW_OK);
    assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
    assert_true(f.omega == 0 && f.delta == 0 && f.rho == 0 && f.rho_exact);
    hw_sparse_free(&s);
    assert_int_equal(hw_sparse_measure(&s, &f, why), HW_E_ARGUMENT);
}

static bool meet(const hw_sparse *s, uint32_t a, uint32_t b)
{
    uint64_t i = s->offset[a], j = s->offset[b];
    while (i < s->offset[a + 1] && j < s->offset[b + 1]) {
        if (s->index[i] == s->index[j]) return true;
        if (s->index[i] < s->index[j])
            i++;
        else
            j++;
    }
    return false;
}

static void figures_are_those_of_brute_force(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int trial = 0; trial < 24; trial++) {
        hw_sparse s;
        hw_sparse_figures f;
        hw_sparse_plan plan = hw_sparse_plan_defaults(50 + 10 * (uint32_t)trial, trial % 4 == 3 ? 900000 : 400);
        plan.nonzeros = 1 + (uint32_t)trial % 5;
        plan.exponent = trial % 3 * 0.6;
        plan.seed = (uint64_t)trial;
        assert_int_equal(hw_sparse_generate(&plan, NULL, &s, why), HW_OK);
        uint32_t omega = 0, delta = 0, rho = 0, *count = calloc(s.columns, sizeof *count);
        hw_sparse_frequency(&s, count);
        for (uint32_t j = 0; j < s.columns; j++) delta = count[j] > delta ? count[j] : delta;
        free(count);
        for (uint32_t i = 0; i < s.rows; i++) {
            uint32_t met = 0, n = (uint32_t)(s.offset[i + 1] - s.offset[i]);
            omega = n > omega ? n : omega;
            for (uint32_t j = 0; j < s.rows; j++) met += meet(&s, i, j);
            rho = met > rho ? met : rho;
        }
        assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
        assert_int_equal(f.omega, omega);
        assert_near(f.delta, (double)delta / s.rows, 1e-12);
        assert_near(f.rho, (double)rho / s.rows, 1e-12);
        assert_true(f.rho_exact);
        hw_sparse_free(&s);
    }
}

/* Every row meets all others but one, so that no row proves itself the best before all are tried. */
static void too_many_visits_give_a_bound(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_sparse s;
    hw_sparse_figures f;
    uint32_t rows = CHECK_SLOW ? 9000 : 20000, common = 3;
    assert_int_equal(hw__sparse_make(&s, rows + 1, common + rows + 1, (uint64_t)rows * (common + 1) + 1, NULL), HW_OK);
    for (uint32_t i = 0, k = 0; i <= rows; i++) {
        for (uint32_t j = 0; j < common && i < rows; j++) s.index[k++] = j;
        s.index[k++] = common + i;
        s.offset[i + 1] = k;
    }
    for (uint64_t k = 0; k < s.nonzeros; k++) s.value[k] = 1;
    assert_null(hw__sparse_fault(&s));
    assert_int_equal(hw_sparse_measure(&s, &f, why), HW_OK);
    assert_false(f.rho_exact);
    assert_near(f.rho, rows / (rows + 1.), 1e-12);
    hw_sparse_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_is_the_set),
        cmocka_unit_test(damaged_caches_are_refused),
        cmocka_unit_test(caches_with_a_good_checksum_are_not_trusted),
        cmocka_unit_test(the_reader_keeps_a_cache),
        cmocka_unit_test(labels_become_signs),
        cmocka_unit_test(labels_become_classes),
        cmocka_unit_test(columns_are_weighted),
        cmocka_unit_test(parts_are_a_permutation),
        cmocka_unit_test(drawn_rows_depend_on_their_number_only),
        cmocka_unit_test(wrong_plans_get_a_sentence),
        cmocka_unit_test(drawn_rows_follow_the_plan),
        cmocka_unit_test(figures_of_small_sets),
        cmocka_unit_test(figures_are_those_of_brute_force),
        cmocka_unit_test(too_many_visits_give_a_bound),
    };
    return cmocka_run_group_tests_name("sparse rows", tests, make_folder, drop_folder);
}
