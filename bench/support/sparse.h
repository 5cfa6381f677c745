/* sparse.h - the sparse data sets that the benchmarks run on, as the papers and peers prepare them. */
#ifndef SUPPORT_SPARSE_H
#define SUPPORT_SPARSE_H

#include "bench.h"
#include <stdbool.h>

typedef struct bench_rows {
    const char *name;
    hw_sparse train, test; /* labels -1 and +1; train shuffled once */
    bool has_test;
    /* What comes within 1 % of the optimum in the least passes (a search over schedules, five seeds all inside). */
    struct {
        double passes, rate, gamma, average_from;
        uint64_t average_every;
    } target;       /* schedule base / sqrt(1 + gamma t) */
    double rate;    /* a constant learning rate that is safe for every loss and rule */
    double optimum; /* least mean logistic loss + 1/(2 rows) |w|^2, no intercept; NAN where it is not known */
} bench_rows;
/* Reviews as bags of words: tf-idf, rows of length 1; from $HOGWILD_DATA, else generated with the same size and power
 * law. The sentence of an error goes to stderr. */
bool bench_reviews(const char *program, bench_rows *rows);
/* Adult census rows, values 1; false without data, and then nothing is printed. */
bool bench_census(const char *program, bench_rows *rows);
void bench_rows_free(bench_rows *rows);

#endif
