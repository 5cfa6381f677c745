/* test_faults_sparse.c - allocations that fail in the readers of tables, the sparse models and the engine's replicas,
 * blocks and averages; and runs of them allocate nothing. */
#include "faults.h"

static float start[4096];

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    fputs(text, f);
    fclose(f);
}

static hw_status use_rows(int i)
{
    hw_sparse s, part;
    hw_sparse_figures figures;
    uint32_t number[9];
    float idf[9];
    hw_libsvm_options o = hw_libsvm_defaults();
    o.threads = 1;
    o.cache = i == 1 ? "faults-cache" : NULL;
    put("faults-rows", "1 1:2 3:1 # a\n-1 2:1.5 9:3\n+1 1:1\n");
    if (i == 1) remove("faults-cache");
    hw_status status;
    if (i == 2) {
        hw_sparse_plan plan = hw_sparse_plan_defaults(20, 9);
        plan.nonzeros = 3;
        status = hw_sparse_generate(&plan, NULL, &s, NULL);
    } else {
        status = hw_libsvm_read("faults-rows", &o, &s, NULL);
    }
    remove("faults-rows");
    if (status != HW_OK) return status;
    if (i == 1) { /* from the cache, mapped, and changed in place */
        hw_sparse_free(&s);
        status = hw_sparse_load(&s, "faults-cache", NULL);
        remove("faults-cache");
        if (status != HW_OK) return status;
    }
    hw_sparse_idf(&s, idf);
    status = hw_sparse_scale(&s, idf, NULL);
    if (status == HW_OK) status = hw_sparse_signs(&s, NAN, NULL);
    if (status == HW_OK) status = hw_sparse_unit_rows(&s, NULL);
    if (status == HW_OK) status = hw_sparse_measure(&s, &figures, NULL);
    if (status == HW_OK) status = hw_sparse_by_frequency(&s, NULL, number, NULL);
    if (status == HW_OK) {
        status = hw_sparse_subset(&s, 1, 0, 2, &part, NULL);
        if (status == HW_OK) hw_sparse_free(&part);
    }
    hw_sparse_free(&s);
    return status;
}

static hw_status use_ratings(int i)
{
    hw_ratings all, train, test;
    hw_status status;
    if (i == 0) {
        put("faults-ratings", "userId,movieId,rating\n1,10,3\n2,10,4\n1,11,5\n3,12,1\n");
        status = hw_ratings_read("faults-ratings", 0, &all, NULL);
        remove("faults-ratings");
    } else {
        hw_ratings_plan plan = hw_ratings_plan_defaults(100, 10, 10);
        status = hw_ratings_generate(&plan, &all, NULL);
    }
    if (status != HW_OK) return status;
    status = hw_ratings_split(&all, 0.25, 1, &train, &test, NULL);
    if (status == HW_OK) {
        hw_ratings_free(&train);
        hw_ratings_free(&test);
    }
    hw_ratings_free(&all);
    return status;
}

static hw_status use_corpus(int i)
{
    hw_corpus c;
    hw_status status;
    if (i == 0) {
        put("faults-text", "a b a c\nb a\n");
        status = hw_corpus_read("faults-text", 1, 0, &c, NULL);
        remove("faults-text");
    } else {
        status = hw_corpus_generate(20, 4, 10, 6, 1, &c, NULL);
    }
    if (status == HW_OK) hw_corpus_free(&c);
    return status;
}

/* --- models, trained in every new way -------------------------------------------------------------------------------
 */

static hw_config config_of(int i)
{
    hw_config c = hw_config_defaults();
    c.scheduler = i % 2 ? HW_ASYNC : HW_SEQUENTIAL;
    c.workers = i % 2 ? 2 : 1;
    c.batch = 1;
    c.write = HW_WRITE_RACY;
    c.clock_interval = 8;
    c.shuffle_block = 4;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 0.05;
    c.compensation.policy = HW_POLICY_NONE;
    c.exchange_interval = i < 2 ? 1 : 16;
    c.average_every = i == 3 ? 10 : 0;
    return c;
}

/* Create, run without one allocation, free. */
static hw_status train(const hw_objective *o, const hw_config *c, const float *from, bool count)
{
    hw_engine *e;
    hw_result r;
    hw_status status = hw_engine_create(&e, o, c, from, NULL);
    if (status != HW_OK) return status;
    long before = calls;
    status = hw_engine_run(e, &r);
    if (count) {
        if (status != HW_OK) print_error("%s: %s\n", o->name, r.message);
        assert_int_equal(calls, before);
        assert_int_equal(status, HW_OK);
        assert_int_equal(r.examples, o->examples);
    }
    hw_engine_free(e);
    return status;
}

static hw_status use_linear(int i)
{
    hw_sparse s;
    hw_sparse_plan plan = hw_sparse_plan_defaults(100, 30);
    hw_objective o;
    hw_rule rule;
    plan.nonzeros = 5;
    hw_status status = hw_sparse_generate(&plan, NULL, &s, NULL);
    if (status != HW_OK) return status;
    hw_sparse_linear m = hw_sparse_linear_defaults(HW_SPARSE_LOGISTIC, &s);
    m.l2 = i % 2 ? 0.01 : 0;
    m.l1 = i == 4 ? 0.01 : 0;
    m.batch = i == 4 ? 100 : 1; /* enough columns for a sort to want memory */
    m.intercept = 1;
    status = hw_sparse_linear_objective(&m, &o, NULL);
    if (status == HW_OK) {
        hw_config c = config_of(i % 4);
        if (i == 4) {
            c.batch = 100;
            c.exchange_interval = 1;
            (void)hw_sparse_linear_rule(&m, &c.optimizer.schedule, &rule, NULL);
            c.optimizer.rule = HW_RULE_USER;
            c.optimizer.user_rule = &rule;
        }
        status = train(&o, &c, NULL, fail_at == 0);
    }
    hw_sparse_linear_free(&m);
    hw_sparse_free(&s);
    return status;
}

static hw_status use_factorize(int i)
{
    hw_ratings r;
    hw_ratings_plan plan = hw_ratings_plan_defaults(300, 20, 15);
    hw_objective o;
    hw_status status = hw_ratings_generate(&plan, &r, NULL);
    if (status != HW_OK) return status;
    hw_factorize m = hw_factorize_defaults(&r, 5);
    m.adagrad = i % 2;
    m.grid = i == 1 ? 3 : 0;
    status = hw_factorize_objective(&m, &o, NULL);
    if (status == HW_OK) {
        hw_config c = config_of(i);
        hw_factorize_start(&m, 0, 1, start);
        status = train(&o, &c, start, fail_at == 0);
    }
    hw_factorize_free(&m);
    hw_ratings_free(&r);
    return status;
}

static hw_status use_skipgram(int i)
{
    hw_corpus corpus;
    hw_objective o;
    hw_status status = hw_corpus_generate(20, 4, 20, 8, 1, &corpus, NULL);
    if (status != HW_OK) return status;
    hw_skipgram m = hw_skipgram_defaults(&corpus);
    m.dimension = 10;
    m.cbow = i % 2;
    m.shared_negatives = i == 2;
    status = hw_skipgram_objective(&m, &o, NULL);
    if (status == HW_OK) {
        hw_config c = config_of(i);
        hw_skipgram_start(&m, 1, start);
        status = train(&o, &c, start, fail_at == 0);
    }
    hw_skipgram_free(&m);
    hw_corpus_free(&corpus);
    return status;
}

static void memory_fails_everywhere(void **state)
{
    (void)state;
    /* A cache that cannot be written is no error of the read, nor an array that could not be made smaller. */
    const fault_call list[] = {{"rows", use_rows, 1, false},           {"cached rows", use_rows, 2, true},
                               {"generated rows", use_rows, 3, false}, {"ratings", use_ratings, 2, true},
                               {"corpus", use_corpus, 2, true},        {"linear", use_linear, 5, false},
                               {"factorize", use_factorize, 4, false}, {"skipgram", use_skipgram, 4, false}};
    assert_true(faults_everywhere(list, sizeof list / sizeof *list) > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_fails_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
