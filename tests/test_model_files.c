/* test_model_files.c - trained models in files: what is saved comes back, whatever the locale; what is cut, flipped or
 * made up is refused with a sentence; and a loaded model says what the trained one said. */
#include "check.h"
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "hogwild-models-XXXXXX", path[200], other[200];

static int open_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(path, sizeof path, "%s/model", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static bytes slurp(const char *from)
{
    bytes b;
    struct stat info;
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &info), 0);
    b.size = (size_t)info.st_size;
    b.data = malloc(b.size + 1);
    assert_non_null(b.data);
    assert_int_equal(fread(b.data, 1, b.size, f), b.size);
    b.data[b.size] = 0;
    fclose(f);
    return b;
}

/* Loads `path` and drops what comes; the status. */
typedef hw_status (*loader)(const char *path, char *why);

/* slack: so many bytes at the end may be missing unseen (text has no end). Every length short of the whole, and every
 * bit of the first bytes and of a sample of the rest. `checked`: the format has a checksum, so no change is taken; else
 * what is taken must at least be whole, which the sanitizers see. */
static void damage(loader load, bool checked, size_t slack)
{
    bytes b = slurp(path);
    char why[HW_WHY];
    unsigned taken = 0;
    for (size_t n = 0; n + slack < b.size; n += n < 400 || n + 40 > b.size ? 1 : 37) {
        write_bytes(other, b.data, n);
        why[0] = 0;
        assert_int_not_equal(load(other, why), HW_OK);
        assert_text(why, "other");
    }
    for (size_t i = 0; i < b.size; i += i < 300 ? 1 : 29)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (unsigned char)(1 << bit);
            write_bytes(other, b.data, b.size);
            why[0] = 0;
            hw_status status = load(other, why);
            b.data[i] ^= (unsigned char)(1 << bit);
            if (status == HW_OK)
                taken++;
            else
                assert_text(why, "other");
        }
    if (checked) assert_int_equal(taken, 0);
    write_bytes(other, "", 0);
    assert_int_not_equal(load(other, why), HW_OK);
    unlink(other);
    assert_int_equal(load(other, why), HW_E_IO);
    free(b.data);
}

/* --- linear ---------------------------------------------------------------------------------------------------------
 */

static hw_status load_linear(const char *from, char *why)
{
    hw_linear_model m = hw_linear_model_defaults();
    hw_status status = hw_linear_model_load(&m, from, why);
    if (status != HW_OK) assert_true(!m.weight && !m.idf);
    hw_linear_model_free(&m);
    return status;
}

static hw_linear_model linear(hw_sparse_loss loss, bool idf)
{
    hw_linear_model m = hw_linear_model_defaults();
    hw_rng rng;
    hw_rng_seed(&rng, 3, loss);
    m.loss = loss;
    m.columns = 37;
    m.base = 1;
    m.intercept = 1;
    m.unit_rows = 1;
    m.tf_idf = idf;
    m.labels = loss == HW_SPARSE_SQUARED   ? HW_LABELS_REAL
               : loss == HW_SPARSE_SOFTMAX ? HW_LABELS_CLASSES
               : loss == HW_SPARSE_HINGE   ? HW_LABELS_SPLIT
                                           : HW_LABELS_TWO;
    m.scores = loss == HW_SPARSE_SOFTMAX ? 5 : 1;
    m.classes = loss == HW_SPARSE_SOFTMAX ? 5 : m.labels == HW_LABELS_TWO ? 2 : 0;
    for (unsigned c = 0; c < m.classes; c++) m.value[c] = (float)c * 1.1F - 0.3F;
    m.split = 3.1415926535;
    size_t n = hw_linear_model_weights(&m);
    m.weight = malloc(n * sizeof *m.weight);
    for (size_t i = 0; i < n; i++) m.weight[i] = (float)hw_rng_normal(&rng);
    if (idf) m.idf = malloc(m.columns * sizeof *m.idf);
    for (size_t i = 0; idf && i < m.columns; i++) m.idf[i] = (float)hw_rng_uniform(&rng);
    return m;
}

static void linear_models_come_back(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (hw_sparse_loss loss = HW_SPARSE_SQUARED; loss <= HW_SPARSE_SOFTMAX; loss++)
        for (int idf = 0; idf < 2; idf++) {
            hw_linear_model m = linear(loss, idf), n = hw_linear_model_defaults();
            if (hw_linear_model_save(&m, path, why) != HW_OK) fail_msg("%s", why);
            if (hw_linear_model_load(&n, path, why) != HW_OK) fail_msg("%s", why);
            assert_int_equal(n.loss, m.loss);
            assert_int_equal(n.columns, 37);
            assert_true(n.intercept && n.unit_rows && n.tf_idf == idf && n.base == 1 && n.labels == m.labels);
            assert_memory_equal(n.value, m.value, m.classes * sizeof *m.value);
            if (m.labels == HW_LABELS_SPLIT) assert_near(n.split, m.split, 0);
            assert_memory_equal(n.weight, m.weight, hw_linear_model_weights(&m) * sizeof *m.weight);
            if (idf) assert_memory_equal(n.idf, m.idf, m.columns * sizeof *m.idf);
            hw_linear_model_free(&m);
            hw_linear_model_free(&n);
            if (loss == HW_SPARSE_SOFTMAX || loss == HW_SPARSE_HINGE) damage(load_linear, true, 0);
        }
    hw_linear_model m = hw_linear_model_defaults(), none;
    assert_int_equal(hw_linear_model_save(&m, path, why), HW_E_STATE);
    memset(&none, 0, sizeof none);
    assert_int_equal(hw_linear_model_load(&none, path, why), HW_E_ARGUMENT);
    assert_text(why, "was not initialised");
    m = linear(HW_SPARSE_LOGISTIC, false);
    float *own = m.weight;
    assert_int_equal(hw_linear_model_load(&m, path, why), HW_E_STATE);
    assert_text(why, "holds something already");
    assert_ptr_equal(m.weight, own);
    hw_linear_model_free(&m);
    m = hw_linear_model_defaults();
    assert_int_equal(hw_linear_model_init(&m, 8), HW_E_ARGUMENT);
    hw_sparse_loss loss;
    assert_int_equal(hw_sparse_loss_named("squared-hinge", &loss), HW_OK);
    assert_int_equal(loss, HW_SPARSE_SQUARED_HINGE);
    assert_int_equal(hw_sparse_loss_named("x", &loss), HW_E_ARGUMENT);
}

/* What could not be loaded again is not saved, and nothing is left behind. */
static void models_that_do_not_fit_together_are_not_saved(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int k = 0; k < 7; k++) {
        hw_linear_model m = linear(HW_SPARSE_LOGISTIC, true);
        if (k == 0) m.classes = 0; /* labels that were never made */
        if (k == 1) m.columns = 0;
        if (k == 2) m.loss = HW_SPARSE_SOFTMAX;
        if (k == 3) m.weight[5] = NAN;
        if (k == 4) m.idf[0] = INFINITY;
        if (k == 5) m.labels = (hw_labels)9;
        if (k == 6) m.classes = 257;
        unlink(path);
        assert_int_equal(hw_linear_model_save(&m, path, why), k == 3 || k == 4 ? HW_E_DIVERGED : HW_E_ARGUMENT);
        assert_text(why, path);
        assert_text(why, k == 3 || k == 4 ? "a weight is not finite" : "do not fit together");
        assert_int_not_equal(access(path, F_OK), 0);
        hw_linear_model_free(&m);
    }
}

/* Labels as in the data, through training's and back: two values, a split, classes; and what does not fit. */
static void labels_go_there_and_back(void **state)
{
    (void)state;
    char why[HW_WHY];
    static uint64_t offset[301];
    static uint32_t index[300];
    static float value[300], label[300];
    hw_sparse s = {3, 1, 3, offset, index, value, label, NULL, 0};
    for (int i = 0; i < 300; i++) offset[i + 1] = (uint64_t)i + 1, value[i] = 1;
    for (int kind = 0; kind < 3; kind++) {
        const float said[3] = {7, 2, 7};
        hw_linear_model m = hw_linear_model_defaults();
        m.columns = 1;
        m.labels = kind == 0 ? HW_LABELS_TWO : kind == 1 ? HW_LABELS_SPLIT : HW_LABELS_CLASSES;
        m.loss = kind == 2 ? HW_SPARSE_SOFTMAX : HW_SPARSE_LOGISTIC;
        m.split = 5;
        memcpy(label, said, sizeof said);
        if (hw_linear_model_label(&m, &s, 1, why) != HW_OK) fail_msg("%s", why);
        const float trained[3] = {1, kind == 2 ? 0.0F : -1.0F, 1};
        assert_memory_equal(label, trained, sizeof trained);
        assert_int_equal(m.scores, kind == 2 ? 2 : 1);
        const double high[2] = {kind == 2 ? -1 : 3, 1}, low[2] = {kind == 2 ? 1 : -3, -1};
        assert_near(hw_linear_model_decide(&m, high), kind == 1 ? 1 : 7, 0);
        assert_near(hw_linear_model_decide(&m, low), kind == 1 ? -1 : 2, 0);
        m.weight = calloc(2, sizeof *m.weight);
        m.weight[kind == 2] = 0.5F;
        double score[2], metric[2];
        hw_linear_model_scores(&m, &s, 0, score);
        assert_near(score[kind == 2], 0.5, 0);
        if (hw_linear_model_measure(&m, NULL, &s, metric, why) != HW_OK) fail_msg("%s", why);
        assert_near(metric[1], 2.0 / 3, 1e-12);
        label[0] = 9; /* of a test set: a label that training had not */
        assert_int_equal(hw_linear_model_label(&m, &s, 0, why), kind == 1 ? HW_OK : HW_E_FORMAT);
        hw_linear_model_free(&m);
    }
    for (int i = 0; i < 300; i++) label[i] = (float)i;
    s = (hw_sparse){300, 1, 300, offset, index, value, label, NULL, 0};
    hw_linear_model m = hw_linear_model_defaults();
    assert_int_equal(hw_linear_model_label(&m, &s, 1, why), HW_E_FORMAT);
    m.labels = HW_LABELS_CLASSES;
    assert_int_equal(hw_linear_model_label(&m, &s, 1, why), HW_E_LIMIT);
}

/* Rows of more columns than the model has are refused; of fewer, the columns that they lack weigh nothing. */
static void tf_idf_is_of_the_models_columns(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (uint32_t columns = 2; columns < 6; columns++) {
        uint64_t offset[3] = {0, 1, 2};
        uint32_t index[2] = {0, 1};
        float value[2] = {1, 2}, label[2] = {0, 1};
        hw_sparse s = {2, columns, 2, offset, index, value, label, NULL, 0};
        hw_linear_model m = hw_linear_model_defaults();
        m.tf_idf = 1;
        m.columns = 4;
        hw_status status = hw_linear_model_weigh(&m, &s, 1, why);
        assert_int_equal(status, columns > 4 ? HW_E_ARGUMENT : HW_OK);
        if (columns > 4) assert_text(why, "the rows have 5 columns and the model 4");
        for (uint32_t c = columns; columns <= 4 && c < 4; c++) assert_near(m.idf[c], 0, 0);
        if (columns < 4) { /* rows that come later and have the column which training lacked: it counts nothing */
            uint64_t later_offset[2] = {0, 2};
            uint32_t later_index[2] = {0, 3};
            float later_value[2] = {1, 5}, later_label[1] = {1};
            hw_sparse later = {1, 4, 2, later_offset, later_index, later_value, later_label, NULL, 0};
            assert_int_equal(hw_linear_model_weigh(&m, &later, 0, why), HW_OK);
            assert_near(later_value[1], 0, 0);
            assert_true(later_value[0] > 0);
        }
        if (columns <= 4) assert_true(m.idf[0] > 0);
        hw_linear_model_free(&m);
    }
}

/* Accuracy is of classes: a model of real numbers has none. */
static void real_numbers_have_no_accuracy(void **state)
{
    (void)state;
    char why[HW_WHY];
    uint64_t offset[3] = {0, 1, 2};
    uint32_t index[2] = {0, 0};
    float value[2] = {1, 2}, label[2] = {0.5F, 1};
    hw_sparse s = {2, 1, 2, offset, index, value, label, NULL, 0};
    hw_linear_model m = hw_linear_model_defaults();
    m.columns = 1;
    m.loss = HW_SPARSE_SQUARED;
    m.labels = HW_LABELS_REAL;
    if (hw_linear_model_label(&m, &s, 1, why) != HW_OK) fail_msg("%s", why);
    m.weight = calloc(2, sizeof *m.weight);
    m.weight[0] = 1;
    double metric[2] = {0, 0};
    if (hw_linear_model_measure(&m, NULL, &s, metric, why) != HW_OK) fail_msg("%s", why);
    assert_near(metric[0], 0.5 * (0.25 + 1) / 2, 1e-7);
    assert_true(isnan(metric[1]));
    hw_linear_model_free(&m);
}

static void *save_often(void *context)
{
    hw_linear_model m = linear(HW_SPARSE_LOGISTIC, true);
    unsigned *failed = context;
    for (int i = 0; i < 30; i++) *failed += hw_linear_model_save(&m, path, NULL) != HW_OK;
    hw_linear_model_free(&m);
    return NULL;
}

/* Two threads that save to one path: both succeed, and whole files replace each other. */
static void two_threads_save_to_one_path(void **state)
{
    (void)state;
    char why[HW_WHY];
    unsigned failed[2] = {0, 0};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(thread + i, NULL, save_often, failed + i), 0);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    assert_int_equal(failed[0] + failed[1], 0);
    if (load_linear(path, why) != HW_OK) fail_msg("%s", why);
}

/* A locale with a decimal comma changes nothing, where the machine has one. */
static void locales_do_not_matter(void **state)
{
    (void)state;
    char why[HW_WHY];
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
        setlocale(LC_ALL, "C");
        skip();
    }
    hw_linear_model m = linear(HW_SPARSE_HINGE, true), n = hw_linear_model_defaults();
    assert_int_equal(hw_linear_model_save(&m, path, why), HW_OK);
    setlocale(LC_ALL, "C");
    assert_int_equal(hw_linear_model_load(&n, path, why), HW_OK);
    assert_near(n.split, m.split, 0);
    hw_linear_model_free(&m);
    hw_linear_model_free(&n);
}

/* --- factors --------------------------------------------------------------------------------------------------------
 */

static hw_status load_factors(const char *from, char *why)
{
    hw_factors *f;
    hw_status status = hw_factors_load(&f, from, why);
    assert_true((status == HW_OK) == (f != NULL));
    hw_factors_free(f);
    return status;
}

static int even(void *context, uint32_t item)
{
    (void)context;
    return item % 2 == 0;
}

/* The factorisation in `path` as 0.1 wrote it: the checksum is of the bytes behind the line alone. */
static void as_version_1(void)
{
    bytes b = slurp(path);
    size_t line = (size_t)((unsigned char *)memchr(b.data, '\n', b.size) - b.data) + 1;
    uint64_t hash = 1469598103934665603u;
    for (size_t i = line; i < b.size; i++) hash = (hash ^ b.data[i]) * 1099511628211u;
    assert_memory_equal(b.data, "hogwild-matrix 2 ", 17);
    b.data[15] = '1';
    char sum[17];
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)hash);
    memcpy(b.data + line - 17, sum, 16);
    write_bytes(path, b.data, b.size);
    free(b.data);
}

static void factorisations_come_back(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int ids = 0; ids < 2; ids++) {
        hw_ratings r;
        hw_ratings_plan plan = hw_ratings_plan_defaults(900, 23, 31);
        assert_int_equal(hw_ratings_generate(&plan, &r, why), HW_OK);
        uint64_t user[23], item[31];
        for (unsigned i = 0; i < 23; i++) user[i] = (i * 7919) % 1000 + ((uint64_t)i << 40);
        for (unsigned i = 0; i < 31; i++) item[i] = 100 - i;
        if (ids) r.user_id = user, r.item_id = item;
        hw_factorize m = hw_factorize_defaults(&r, 5);
        m.scale = ids ? 1 : 0; /* rounded once more where the values were divided */
        hw_objective o;
        assert_int_equal(hw_factorize_objective(&m, &o, why), HW_OK);
        float *x = check_floats(o.parameters);
        hw_factorize_start(&m, 0, 9, x);
        for (size_t i = m.pairs.head_a; i < o.parameters; i++) x[i] = (float)(i % 7) * 0.1F;
        hw_factors *f, *g;
        if (hw_factors_create(&f, &m, x, why) != HW_OK) fail_msg("%s", why);
        if (hw_factors_save(f, path, why) != HW_OK) fail_msg("%s", why);
        if (hw_factors_load(&g, path, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_factors_users(g), r.users);
        assert_int_equal(hw_factors_items(g), r.items);
        assert_true(isnan(hw_factors_predict(g, UINT32_MAX, 0, 0)) && isnan(hw_factors_predict(g, 0, r.items, 1)));
        for (uint32_t u = 0; u < r.users; u++)
            for (uint32_t i = 0; i < r.items; i++) {
                double own = hw_factorize_predict(&m, x, u, i);
                assert_near(hw_factors_predict(g, u, i, 0), own, ids ? 0 : 1e-6 * (1 + fabs(own)));
                assert_near(hw_factors_fallback(g, u, i, 1), hw_factors_predict(g, u, i, 1), 0);
                double c = hw_factors_predict(g, u, i, 1);
                assert_true(c >= (double)r.low && c <= (double)r.high);
            }
        /* Of a pair with an unknown side: the mean, and the bias of the other one. */
        double mean = hw_factors_fallback(g, UINT32_MAX, UINT32_MAX, 0), scale = ids ? 1 : mean / (double)m.pairs.mean;
        assert_near(mean, r.mean, 1e-5);
        assert_near(hw_factors_fallback(g, 3, UINT32_MAX, 0),
                    mean + scale * (double)x[m.pairs.head_a + hw_pairs_apart(&m.pairs) * 3], 1e-5);
        assert_near(hw_factors_fallback(g, r.users, 4, 0),
                    mean + scale * (double)x[m.pairs.head_b + hw_pairs_apart(&m.pairs) * 4], 1e-5);
        assert_true(hw_factors_fallback(g, UINT32_MAX, UINT32_MAX, 1) <= (double)r.high);
        for (uint32_t i = 0; i < r.items; i++) {
            assert_int_equal(hw_factors_item(g, ids ? item[i] : i), i);
            assert_int_equal(hw_factors_item_id(g, i), ids ? item[i] : i);
        }
        for (uint32_t u = 0; u < r.users; u++) assert_int_equal(hw_factors_user(g, ids ? user[u] : u), u);
        assert_int_equal(hw_factors_user(g, 999999999), UINT32_MAX);
        uint32_t best[40];
        double score[40];
        assert_int_equal(hw_factors_best(g, 3, 40, NULL, NULL, best, score), r.items);
        for (uint32_t k = 1; k < r.items; k++) assert_true(score[k - 1] >= score[k]);
        uint32_t alone[40];
        assert_int_equal(hw_factors_best(g, 3, 40, NULL, NULL, alone, NULL), r.items);
        assert_memory_equal(alone, best, r.items * sizeof *best);
        uint32_t few = hw_factors_best(g, 3, 4, even, NULL, best, NULL);
        assert_int_equal(few, 4);
        for (uint32_t k = 0; k < few; k++) assert_true(best[k] % 2 == 1);
        hw_factors_free(g);
        as_version_1();
        if (hw_factors_load(&g, path, why) != HW_OK) fail_msg("%s", why);
        assert_near(hw_factors_predict(g, 3, 4, 0), hw_factors_predict(f, 3, 4, 0), 0);
        assert_int_equal(hw_factors_user(g, ids ? user[7] : 7), 7);
        damage(load_factors, false, 0);
        if (hw_factors_save(f, path, why) != HW_OK) fail_msg("%s", why);
        hw_factors_free(f);
        hw_factors_free(g);
        /* All scores equal: the lower numbers first. */
        for (size_t i = 0; i < o.parameters; i++) x[i] = 0;
        if (hw_factors_create(&f, &m, x, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_factors_best(f, 3, 5, NULL, NULL, best, NULL), 5);
        for (uint32_t k = 0; k < 5; k++) assert_int_equal(best[k], k);
        assert_int_equal(hw_factors_best(f, r.users, 5, NULL, NULL, best, NULL), 0);
        hw_factors_free(f);
        if (ids) r.user_id = r.item_id = NULL;
        hw_factorize_free(&m);
        hw_ratings_free(&r);
        free(x);
        damage(load_factors, true, 0);
    }
    const char *const wrong[] = {
        ("hogwild-matrix 1 users 4294967290 items 4294967290 rank 1024 biases 1 ids 1 mean 0 low 0 "
         "high 1 checksum 0000000000000000\n"),
        "hogwild-matrix 1 users 0 items 1 rank 1 biases 0 ids 0 mean 0 low 0 high 1 checksum 0\n",
        "hogwild-matrix 1 users 1 items 1 rank 1 biases 0 ids 0 mean nan low 0 high 1 checksum 0\n",
        "hogwild-matrix 2 users 1 items 1",
        "\n",
        "hogwild-matrix 1 users -1 items 1\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_bytes(other, wrong[i], strlen(wrong[i]));
        assert_int_equal(load_factors(other, why), HW_E_FORMAT);
    }
}

/* --- word vectors ---------------------------------------------------------------------------------------------------
 */

static hw_status load_vectors(const char *from, char *why)
{
    hw_vectors *v;
    hw_status status = hw_vectors_load(&v, from, why);
    assert_true((status == HW_OK) == (v != NULL));
    hw_vectors_free(v);
    return status;
}

static void word_vectors_come_back(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_corpus c;
    assert_int_equal(hw_corpus_generate(60, 6, 400, 10, 1, &c, why), HW_OK);
    hw_skipgram m = hw_skipgram_defaults(&c);
    hw_objective o;
    m.dimension = 7;
    assert_int_equal(hw_skipgram_objective(&m, &o, why), HW_OK);
    float *x = check_floats(o.parameters);
    hw_skipgram_start(&m, 4, x);
    hw_vectors *v, *w;
    if (hw_vectors_create(&v, &m, x, why) != HW_OK) fail_msg("%s", why);
    for (hw_vectors_format format = HW_VECTORS_TEXT; format <= HW_VECTORS_BINARY; format++) {
        if (hw_vectors_save(v, format, path, why) != HW_OK) fail_msg("%s", why);
        if (hw_vectors_load(&w, path, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(hw_vectors_words(w), c.words);
        assert_int_equal(hw_vectors_dimension(w), 7);
        for (uint32_t k = 0; k < c.words; k++) {
            assert_string_equal(hw_vectors_word(w, k), c.text + c.at[k]);
            assert_int_equal(hw_vectors_find(w, c.text + c.at[k]), k);
            for (unsigned i = 0; i < 7; i++)
                assert_near(hw_vectors_row(w, k)[i], x[2 * m.stride * k + i], format == HW_VECTORS_TEXT ? 5.1e-7 : 0);
        }
        assert_int_equal(hw_vectors_find(w, "none of these"), UINT32_MAX);
        assert_null(hw_vectors_row(w, hw_vectors_find(w, "none of these")));
        assert_null(hw_vectors_word(w, c.words));
        uint32_t near[5], self = 3;
        double cosine[5];
        assert_int_equal(hw_vectors_nearest(w, hw_vectors_row(w, 3), NULL, 0, 1, near, cosine), 1);
        assert_int_equal(near[0], 3);
        assert_near(cosine[0], 1, 1e-6);
        assert_int_equal(hw_vectors_nearest(w, hw_vectors_row(w, 3), &self, 1, 5, near, cosine), 5);
        for (int k = 0; k < 5; k++) assert_true(near[k] != 3 && (k == 0 || cosine[k - 1] >= cosine[k]));
        hw_vectors_free(w);
        damage(load_vectors, false, format == HW_VECTORS_TEXT ? 10 : 1);
    }
    hw_vectors_free(v);
    hw_skipgram_free(&m);
    hw_corpus_free(&c);
    free(x);
    const char *const wrong[] = {"",
                                 "2 3",
                                 "2 3\n",
                                 "0 3\n",
                                 "2 0\n",
                                 "4000000000 3\na 1 2 3\n",
                                 "1 3\na 1 2\n",
                                 "1 3\na 1 2 3 4\n",
                                 "1 3\na 1 2 nan\n",
                                 "2 1\na 1\na 2\n",
                                 "1 1\n 1\n",
                                 "x y\na 1\n",
                                 "1 99999999999999999999\na 1\n",
                                 "2 1\na 1\nb 1e99\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_bytes(other, wrong[i], strlen(wrong[i]));
        if (load_vectors(other, why) != HW_E_FORMAT) fail_msg("taken: %s", wrong[i]);
    }
    const char good[] = "2 2\r\nParis 1.5 -2e-1 \r\nb\xc3\xa9 3 4\n\n";
    write_bytes(other, good, sizeof good - 1);
    assert_int_equal(hw_vectors_load(&w, other, why), HW_OK);
    assert_near(hw_vectors_row(w, 0)[1], -0.2F, 0);
    assert_int_equal(hw_vectors_find(w, "b\xc3\xa9"), 1);
    hw_vectors_free(w);
}

/* a + offset = b in every pair, so that the answers are known; words with capitals are asked as they stand. */
static void analogies_are_answered(void **state)
{
    (void)state;
    char why[HW_WHY], text[4000];
    hw_vectors *v;
    hw_analogies s;
    int n = snprintf(text, sizeof text, "20 12\n");
    for (int k = 0; k < 10; k++)
        for (int side = 0; side < 2; side++) {
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%d", side ? "City" : "land", k);
            for (int i = 0; i < 12; i++)
                n += snprintf(text + n, sizeof text - (size_t)n, " %g", (i == k) + 0.7 * (side && i == 11));
            text[n++] = '\n';
        }
    write_bytes(path, text, (size_t)n);
    if (hw_vectors_load(&v, path, why) != HW_OK) fail_msg("%s", why);
    const char questions[] = ": capitals\nland0 City0 land1 City1\nLAND2 City2 Land3 City3\n: gram1\nland4 City4 land5 "
                             "City6\nland4 City4 nowhere City5\n";
    write_bytes(other, questions, sizeof questions - 1);
    for (unsigned threads = 0; threads < 4; threads++) {
        if (hw_vectors_analogies(v, other, 0, threads, &s, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(s.sections, 2);
        assert_string_equal(s.section[0].name, "capitals");
        assert_int_equal(s.all.questions, 4);
        assert_int_equal(s.all.asked, 3);
        assert_int_equal(s.semantic.right, 2);
        assert_int_equal(s.syntactic.right, 0);
        if (hw_vectors_analogies(v, other, 8, threads, &s, why) != HW_OK) fail_msg("%s", why);
        assert_int_equal(s.all.asked, 2); /* the others are beyond the first eight words */
    }
    unlink(other);
    assert_int_equal(hw_vectors_analogies(v, other, 0, 1, &s, why), HW_E_IO);
    hw_vectors_free(v);
}

/* --- nets -----------------------------------------------------------------------------------------------------------
 */

static hw_status load_net(const char *from, char *why)
{
    hw_net *net;
    float *params;
    hw_status status = hw_net_load(&net, &params, from, 4, why);
    assert_true((status == HW_OK) == (net != NULL) && (net != NULL) == (params != NULL));
    hw_net_free(net);
    free(params);
    return status;
}

static hw_net *every_layer(char *why)
{
    hw_net *net = hw_net_create(4, 13, 11);
    hw_net_conv(net, 8, 3, 1, 1);
    hw_net_groups(net, 2);
    hw_net_no_bias(net);
    hw_net_batch_norm(net);
    unsigned place = hw_net_here(net);
    hw_net_relu(net);
    hw_net_conv(net, 8, 3, 1, 1);
    hw_net_add(net, place);
    hw_net_lrn(net, 3, 5e-5, 0.75);
    hw_net_max_pool(net, 3, 2, 0);
    hw_net_hyper_conv(net, 6, 3, 1, 1);
    hw_net_average_pool(net, 2, 2, 0);
    place = hw_net_here(net);
    hw_net_relu(net);
    hw_net_from(net, place);
    hw_net_dropout(net, 0.25);
    hw_net_add(net, place + 1);
    hw_net_global_average(net);
    hw_net_dense(net, 5);
    hw_net_statistics(net, HW_STATISTICS_PER_WORKER, 3, 0.05, 1e-4);
    hw_net_label_smoothing(net, 0.1);
    if (hw_net_finish(net, 4, why) == HW_OK) return net;
    hw_net_free(net);
    return NULL;
}

static void nets_come_back(void **state)
{
    (void)state;
    char why[HW_WHY];
    for (int k = 0; k < 6; k++) {
        hw_residual_config residual = hw_residual_defaults();
        residual.n = 1;
        residual.width = 4;
        hw_preparation channels = hw_preparation_defaults();
        channels.normalize = HW_NORMALIZE_CHANNELS;
        for (int c = 0; c < 4; c++) channels.channel_mean[c] = 100 + (float)c, channels.channel_scale[c] = 0.01F;
        float mean[3072];
        for (int i = 0; i < 3072; i++) mean[i] = (float)(i % 200);
        hw_net *net = k == 0   ? hw_net_lenet(4, why)
                      : k == 1 ? hw_net_xu(4, 1, 0.5, why)
                      : k == 2 ? hw_net_cifar10_quick(4, 10, mean, why)
                      : k == 3 ? hw_net_residual(4, &residual, &channels, why)
                      : k == 4 ? hw_net_perceptron(1, 5, 7, 9, 3, 4, why)
                               : every_layer(why);
        if (!net) fail_msg("%s", why);
        size_t n = hw_net_parameters(net);
        unsigned outputs = hw_net_outputs(net);
        float *x = check_floats(n), *y;
        hw_net_init(net, 7, x);
        hw_rng rng;
        hw_rng_seed(&rng, 5, (uint64_t)k);
        for (size_t i = 0; i < n; i++) x[i] += 0.02F * (float)hw_rng_uniform(&rng); /* weights of sets are above 0 */
        hw_net *back;
        if (hw_net_save(net, x, path, why) != HW_OK) fail_msg("%s", why);
        if (hw_net_load(&back, &y, path, 3, why) != HW_OK) fail_msg("%d: %s", k, why);
        assert_int_equal(hw_net_parameters(back), n);
        unsigned shape[3];
        hw_net_input_shape(back, shape, shape + 1, NULL);
        hw_net_input_shape(back, NULL, NULL, shape + 2);
        assert_int_equal(shape[0], k == 0 || k == 4 ? 1 : k < 4 ? 3 : 4);
        assert_int_equal(shape[1], k == 0 ? 28 : k < 4 ? 32 : k == 4 ? 5 : 13);
        assert_int_equal(shape[2], k == 0 ? 28 : k < 4 ? 32 : k == 4 ? 7 : 11);
        assert_memory_equal(x, y, n * sizeof *x);
        char one[20000], two[20000];
        FILE *a = fmemopen(one, sizeof one, "w"), *b = fmemopen(two, sizeof two, "w");
        (void)hw_net_summary(net, a);
        (void)hw_net_summary(back, b);
        fclose(a);
        fclose(b);
        assert_string_equal(one, two);
        /* Ten images: the file alone says what the net said. */
        size_t pixels = k < 1 ? 784 : k < 4 ? 3072 : k == 4 ? 35 : 4 * 13 * 11;
        unsigned char image[10 * 3072];
        for (size_t i = 0; i < sizeof image; i++) image[i] = (unsigned char)hw_rng_below(&rng, 256);
        hw_predictor *p, *q;
        float first[100], second[100], third[100], raw[50];
        if (hw_predictor_create(&p, net, x, why) != HW_OK) fail_msg("%s", why);
        if (hw_predictor_load(&q, path, 3, why) != HW_OK) fail_msg("%s", why);
        assert_memory_equal(hw_predictor_params(p), x, hw_net_parameters(net) * sizeof *x);
        float first_weight = x[0];
        x[0] += 100; /* they were copied */
        hw_predictor_bytes(p, image, 10, first);
        hw_predictor_bytes(q, image, 10, second);
        x[0] = first_weight;
        for (unsigned i = 0; i < 10 * outputs; i++) assert_near(first[i], second[i], 1e-6);
        void *scratch = check_floats(hw_net_scratch_bytes(net) / 4 + 16);
        memset(scratch, 0, hw_net_scratch_bytes(net));
        hw_images images = {10,
                            k < 1 || k == 4 ? 1
                            : k == 5        ? 4
                                            : 3,
                            k < 1    ? 28
                            : k < 4  ? 32
                            : k == 4 ? 5
                                     : 13,
                            k < 1    ? 28
                            : k < 4  ? 32
                            : k == 4 ? 7
                                     : 11,
                            outputs,
                            image,
                            NULL};
        hw_net_predict(net, scratch, &images, 0, 4, x, raw);
        float *prepared = check_floats(10 * pixels);
        hw_preparation how = k == 2 || k == 3 ? channels : hw_preparation_defaults();
        for (uint32_t i = 0; i < 4; i++) {
            double sum = 0, total = 0, most = -INFINITY;
            for (unsigned j = 0; j < outputs; j++) most = fmax(most, (double)raw[i * outputs + j]);
            for (unsigned j = 0; j < outputs; j++) sum += exp((double)raw[i * outputs + j] - most);
            for (unsigned j = 0; j < outputs; j++) {
                assert_near(first[i * outputs + j], exp((double)raw[i * outputs + j] - most) / sum, 1e-5);
                total += (double)first[i * outputs + j];
            }
            assert_near(total, 1, 1e-5);
        }
        if (k != 1 && k != 2) { /* floats, prepared by the caller */
            for (uint32_t i = 0; i < 10; i++) hw_image_prepare(&images, i, &how, NULL, 0, 0, 0, prepared + i * pixels);
            hw_predictor_floats(q, prepared, 10, third);
            for (unsigned i = 0; i < 10 * outputs; i++) assert_near(second[i], third[i], 1e-6);
        }
        hw_predictor_free(p);
        hw_predictor_free(q);
        hw_net_free(net);
        hw_net_free(back);
        free(x);
        free(y);
        free(scratch);
        free(prepared);
        if (k == 4) damage(load_net, true, 0);
    }
}

/* Texts under a fitting checksum: what is no net is refused, whatever it says. */
static void what_is_no_net_is_refused(void **state)
{
    (void)state;
    char why[HW_WHY];
    hw_net *net = hw_net_perceptron(1, 5, 7, 9, 3, 4, why);
    float *x = check_floats(hw_net_parameters(net));
    hw_state *s = hw_state_create();
    hw_net_init(net, 7, x);
    assert_int_equal(hw_net_save(net, x, path, why), HW_OK);
    assert_int_equal(hw_state_load(s, path, why), HW_OK);
    char *text = strdup(hw_state_text(s, "net"));
    size_t n = strlen(text);
    unsigned refused = 0, taken = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 11, 0);
    for (int k = 0; k < 3000; k++) {
        char *changed = strdup(text);
        for (int c = 0; c < 1 + k % 3; c++)
            changed[hw_rng_below(&rng, n)] = "0123456789 -.e\nabc"[hw_rng_below(&rng, 18)];
        if (k % 7 == 0) changed[hw_rng_below(&rng, n)] = 0;
        assert_int_equal(hw_state_put_text(s, "net", changed), HW_OK);
        assert_int_equal(hw_state_save(s, other, why), HW_OK);
        if (load_net(other, why) == HW_OK)
            taken++;
        else
            refused++;
        free(changed);
    }
    print_message("%u refused, %u were nets all the same\n", refused, taken);
    assert_true(refused > 1500);
    assert_int_equal(hw_state_put_text(s, "net", text), HW_OK);
    float *weights = hw_state_array(s, "fc1.weight", HW_F32, 35 * 9);
    assert_non_null(weights);
    weights[3] = NAN;
    assert_int_equal(hw_state_save(s, other, why), HW_OK);
    assert_int_equal(load_net(other, why), HW_E_FORMAT);
    assert_text(why, "fc1.weight");
    /* Images that fill a machine, told in a few bytes. */
    hw_net *huge = hw_net_create(64, 4096, 4096);
    hw_net_global_average(huge);
    hw_net_dense(huge, 2);
    assert_int_equal(hw_net_finish(huge, 4, why), HW_OK);
    float few[200] = {0};
    hw_predictor *p;
    assert_int_equal(hw_net_save(huge, few, other, why), HW_OK);
    assert_int_equal(hw_predictor_load(&p, other, 1, why), HW_E_LIMIT);
    assert_text(why, "scratch");
    assert_int_equal(hw_predictor_create(&p, huge, few, why), HW_E_LIMIT);
    assert_null(p);
    few[1] = INFINITY;
    assert_int_equal(hw_net_save(huge, few, other, why), HW_E_DIVERGED);
    hw_net_free(huge);
    hw_net_free(net);
    hw_state_free(s);
    free(text);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_models_come_back),
        cmocka_unit_test(models_that_do_not_fit_together_are_not_saved),
        cmocka_unit_test(tf_idf_is_of_the_models_columns),
        cmocka_unit_test(real_numbers_have_no_accuracy),
        cmocka_unit_test(labels_go_there_and_back),
        cmocka_unit_test(two_threads_save_to_one_path),
        cmocka_unit_test(locales_do_not_matter),
        cmocka_unit_test(factorisations_come_back),
        cmocka_unit_test(word_vectors_come_back),
        cmocka_unit_test(analogies_are_answered),
        cmocka_unit_test(nets_come_back),
        cmocka_unit_test(what_is_no_net_is_refused),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
