/* sparse.c - a9a and the IMDB bag of words where they are, generated rows otherwise. */
#include "sparse.h"
#include "cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 89527, REVIEWS = 25000, FEATURES = 123 };

static bool locate(const char *file, char *path, size_t size)
{
    char folder[600];
    hw_data_folder(folder, sizeof folder);
    (void)snprintf(path, size, "%s/%s", folder, file);
    return folder[0] && access(path, R_OK) == 0;
}

static bool failed(const char *program, const char *why)
{
    (void)cli_error(program, 1, why);
    return false;
}

/* In random order: shuffled once, so that neighbours can be visited together. */
static hw_status shuffle(hw_sparse *s, char *why)
{
    hw_sparse out;
    hw_status status = hw_sparse_subset(s, 1, 0, s->rows, &out, why);
    if (status != HW_OK) return status;
    hw_sparse_free(s);
    *s = out;
    return HW_OK;
}

static hw_status read_pair(const char *const *path, const hw_libsvm_options *options, double split, bench_rows *r,
                           char *why)
{
    hw_status status = hw_libsvm_read(path[0], options, &r->train, why);
    if (status == HW_OK) status = hw_libsvm_read(path[1], options, &r->test, why);
    r->has_test = status == HW_OK;
    if (status == HW_OK) status = hw_sparse_signs(&r->train, split, why);
    if (status == HW_OK) status = hw_sparse_signs(&r->test, split, why);
    return status;
}

static hw_status weigh(bench_rows *r, char *why)
{
    float *idf = malloc(r->train.columns * sizeof *idf);
    if (!idf) return HW_E_MEMORY;
    hw_sparse_idf(&r->train, idf);
    hw_sparse *both[2] = {&r->train, &r->test};
    hw_status status = HW_OK;
    for (int i = 0; i < 2 && status == HW_OK; i++) {
        status = hw_sparse_scale(both[i], idf, why);
        if (status == HW_OK) status = hw_sparse_unit_rows(both[i], why);
    }
    free(idf);
    return status;
}

bool bench_reviews(const char *program, bench_rows *r)
{
    char train[700], test[700], why[HW_WHY] = "no memory";
    memset(r, 0, sizeof *r);
    r->optimum = NAN;
    r->rate = 0.5;
    hw_status status;
    if (locate("imdb-bow/train.feat.gz", train, sizeof train) && locate("imdb-bow/test.feat.gz", test, sizeof test)) {
        const char *const paths[2] = {train, test};
        hw_libsvm_options o = hw_libsvm_defaults();
        o.base = 0;
        o.columns = WORDS;
        r->name = "imdb-bow (tf-idf, unit rows)";
        r->target.passes = 1.75;
        r->target.rate = 2;
        r->target.gamma = 2e-4;
        r->target.average_from = 0.5;
        r->target.average_every = 1024;
        r->optimum = 0.34336921; /* by L-BFGS in double precision, and by liblinear's dual solver */
        status = read_pair(paths, &o, 5, r, why);
        if (status == HW_OK) status = weigh(r, why);
    } else {
        hw_sparse_plan plan = hw_sparse_plan_defaults(REVIEWS, WORDS);
        plan.nonzeros = 138;
        r->name = "generated rows of imdb-bow's size";
        status = hw_sparse_generate(&plan, NULL, &r->train, why);
    }
    if (status == HW_OK) status = shuffle(&r->train, why);
    if (status == HW_OK) return true;
    bench_rows_free(r);
    return failed(program, why);
}

bool bench_census(const char *program, bench_rows *r)
{
    char train[700], test[700], why[HW_WHY] = "no memory";
    memset(r, 0, sizeof *r);
    if (!locate("a9a/a9a", train, sizeof train) || !locate("a9a/a9a.t", test, sizeof test)) return false;
    const char *const paths[2] = {train, test};
    hw_libsvm_options o = hw_libsvm_defaults();
    o.columns = FEATURES;
    r->name = "a9a";
    r->rate = 0.05;
    r->target.passes = 0.75;
    r->target.rate = 0.1;
    r->target.gamma = 4e-4;
    r->target.average_from = 0.1;
    r->target.average_every = 128;
    r->optimum = 0.32337958;
    hw_status status = read_pair(paths, &o, NAN, r, why);
    if (status == HW_OK) status = shuffle(&r->train, why);
    if (status == HW_OK) return true;
    bench_rows_free(r);
    return failed(program, why);
}

void bench_rows_free(bench_rows *r)
{
    hw_sparse_free(&r->train);
    hw_sparse_free(&r->test);
}
