/* linear.h - what linear programs share beside the library's model: where rows come from, folds, predictions as lines.
 */
#ifndef SUPPORT_LINEAR_H
#define SUPPORT_LINEAR_H

#include <hogwild.h>
#include <stdbool.h>

/* Number columns from the first feature that is there: a file that counts from 1 was read as one that counts from 0.
 * The rows must not be mapped. Returns the base, 0 or 1. */
unsigned linear_rebase(hw_sparse *s);
/* Rows first .. first + count - 1 into `out` and all others into `kept`, both copies. */
hw_status linear_fold(const hw_sparse *s, uint32_t first, uint32_t count, hw_sparse *kept, hw_sparse *out, char *why);

/* Where rows come from. Without train, and where nothing is loaded: $HOGWILD_DATA/a9a, else generated rows. */
typedef struct linear_files {
    const char *train, *test, *base; /* base: "0", "1", "auto" */
    bool cache, loaded;              /* loaded: the model says how labels and columns are numbered */
    bool labels_optional;            /* test rows whose labels the model does not know are no error */
    uint64_t seed;                   /* of the training rows' order */
} linear_files;
typedef struct linear_rows {
    hw_sparse train, test;
    bool has_test, labelled;
    char source[300], note[HW_WHY]; /* note: why the test rows have no labels */
} linear_rows;
/* The rows, labelled but not weighed yet; completes the model's labels, columns and base. */
hw_status linear_open(const linear_files *files, hw_linear_model *m, linear_rows *rows, char *why);
void linear_close(linear_rows *rows);

/* Mean loss with class weights and penalty, as it is minimised, and accuracy on the training rows. */
hw_status linear_objective(const hw_sparse_linear *l, const float *weight, double metric[2]);
/* A learning rate to begin with (sgd without momentum, schedule inv or linear) for rows of this length. */
double linear_rate(const hw_linear_model *m, const hw_sparse *rows, const float *class_weight, unsigned weights);
/* What a command line says of the solver; the rest depends on the rows. */
typedef struct linear_said {
    double rate, l1; /* rate: -1 where nobody has said it */
    bool scheduled, exchange, average, average_given, average_in_file;
} linear_said;
/* Before options are read: a configuration that tells what a file of --config has said. */
void linear_unsay(hw_config *config);
/* After that: what the file has said counts as options do, which stand above it. */
void linear_heed(linear_said *said, hw_config *config);
hw_config linear_configure(const linear_said *said, const hw_config *config, const hw_linear_model *m,
                           const hw_sparse *rows, const float *class_weight, unsigned weights);
/* One line a row: its label, or its scores. path "-": stdout. */
hw_status linear_predict(const hw_linear_model *m, const hw_sparse *rows, bool scores, const char *path, char *why);

#endif
