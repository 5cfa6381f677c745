/* linear.h - a trained linear model on sparse rows with all that new rows need before it can score them: how
 * labels and columns were numbered, tf-idf, row length; its file; and the data that goes with it. */
#ifndef SUPPORT_LINEAR_H
#define SUPPORT_LINEAR_H

#include <hogwild.h>
#include <stdbool.h>

/* What labels were before they became -1 and +1, or class numbers. */
typedef enum linear_labels { LINEAR_REAL, LINEAR_TWO, LINEAR_SPLIT, LINEAR_CLASSES } linear_labels;

typedef struct linear_model {
    hw_sparse_loss loss;
    uint32_t columns;
    unsigned scores; /* of a row: the classes of softmax, else 1 */
    unsigned base;   /* number of the first feature in files: 0 or 1 */
    bool intercept, unit_rows, tf_idf;
    linear_labels labels;
    unsigned classes; /* LINEAR_TWO, LINEAR_CLASSES: entries of value */
    float value[256]; /* the labels in ascending order */
    double split;     /* LINEAR_SPLIT: below it -1, else +1 */
    float *idf;       /* columns entries; NULL without tf-idf, or before it is known */
    float *weight;    /* as hw_sparse_linear lays them out; NULL: not trained */
} linear_model;

void linear_free(linear_model *m);
size_t linear_weights(const linear_model *m);
const char *linear_loss_name(hw_sparse_loss loss);
/* The loss of that name, or false. */
bool linear_loss_named(const char *name, hw_sparse_loss *loss);

/* A text header, an empty line and little-endian floats (docs/formats.md), replaced whole: readers see the old file or
 * the new one. why: HW_WHY bytes. */
hw_status linear_save(const linear_model *m, const char *path, char *why);
/* Every byte is untrusted: nothing is allocated beyond a few times the bytes that are there, and a file that is not
 * exactly what save writes is refused. */
hw_status linear_load(linear_model *m, const char *path, char *why);

/* Labels in place as the loss takes them. fresh: the mapping is made from them, else the model's is used. */
hw_status linear_label(linear_model *m, hw_sparse *s, bool fresh, char *why);
/* tf-idf and rows of length 1, as the model has them. fresh: the columns' weights are made from these rows. */
hw_status linear_weigh(linear_model *m, hw_sparse *s, bool fresh, char *why);
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
hw_status linear_open(const linear_files *files, linear_model *m, linear_rows *rows, char *why);
void linear_close(linear_rows *rows);

/* The label that scores stand for, in the words of the data file; squared loss: the score. */
double linear_decide(const linear_model *m, const double *score);
/* Mean loss without penalty and, but for squared loss, accuracy of `weight` on labelled rows. */
hw_status linear_measure(const linear_model *m, const float *weight, const hw_sparse *rows, double metric[2],
                         char *why);
/* Mean loss with class weights and penalty, as it is minimised, and accuracy on the training rows. */
hw_status linear_objective(const hw_sparse_linear *l, const float *weight, double metric[2]);
/* A learning rate to begin with (sgd without momentum, schedule inv or linear) for rows of this length. */
double linear_rate(const linear_model *m, const hw_sparse *rows, const float *class_weight, unsigned weights);
/* One line a row: its label, or its scores. path "-": stdout. */
hw_status linear_predict(const linear_model *m, const hw_sparse *rows, bool scores, const char *path, char *why);

#endif
