/* model_files.h - trained models with all that a prediction needs, in memory and in files: linear models with their
 * labels, columns and tf-idf; factorisations with the ids of users and items; word vectors in word2vec's formats. Nets
 * have theirs in net.h. docs/formats.md describes the files.
 *
 * Every byte of a file is untrusted: no more memory is taken than the bytes present call for, what is loaded is whole,
 * finite and within its own bounds, and a file that is not exactly what save writes is refused with a sentence that
 * names it. Files are replaced whole: readers see the old one or the new one, and what a save has acknowledged survives
 * a crash. why: HW_WHY bytes or NULL. Any thread may call; a model is used by one thread while it is changed. */
#ifndef HOGWILD_MODEL_FILES_H
#define HOGWILD_MODEL_FILES_H

#include "model.h"
#include "tables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- linear models --------------------------------------------------------------------------------------------------
 *
 *     hw_linear_model m = hw_linear_model_defaults();
 *     status = hw_linear_model_load(&m, "reviews.model", why);
 *     status = hw_linear_model_weigh(&m, &rows, 0, why);          tf-idf and unit rows, as in training
 *     hw_linear_model_scores(&m, &rows, row, score);
 *     double label = hw_linear_model_decide(&m, score);
 *
 * Before training: loss, columns, labels, unit_rows, tf_idf are set; hw_linear_model_label(&m, &rows, 1, why) and
 * hw_linear_model_weigh(&m, &rows, 1, why) make the rest and change the rows; the weights are trained with
 * hw_sparse_linear on these rows, base, intercept and scores as the model has them, and put into weight
 * (malloc, hw_linear_model_weights floats). */

/* What labels were in the data before training made -1 and +1, or class numbers, of them. */
typedef enum hw_labels {
    HW_LABELS_REAL,   /* themselves: squared loss                            */
    HW_LABELS_TWO,    /* two values: value[0] became -1, value[1] +1         */
    HW_LABELS_SPLIT,  /* below `split` -1, else +1                           */
    HW_LABELS_CLASSES /* up to 256 values: value[c] became c                 */
} hw_labels;

typedef struct hw_linear_model {
    size_t struct_size; /* set by hw_linear_model_init */
    hw_sparse_loss loss;
    uint32_t columns;
    unsigned scores; /* of a row: the classes of softmax, else 1                              */
    unsigned base;   /* number of the first column in text files: 0 or 1                      */
    int intercept, unit_rows, tf_idf;
    hw_labels labels;
    unsigned classes; /* entries of value                                                     */
    float value[256]; /* the labels in ascending order                                        */
    double split;
    float *idf;    /* columns of them, or NULL: without tf-idf, or before it is known         */
    float *weight; /* hw_linear_model_weights of them, as hw_sparse_linear lays them out; NULL: not trained. Both come
                      from malloc or are the library's; hw_linear_model_free frees them       */
} hw_linear_model;

/* Logistic loss, one score, labels of two values, nothing trained. size: sizeof(hw_linear_model). */
HW_API hw_status hw_linear_model_init(hw_linear_model *model, size_t size);
static inline hw_linear_model hw_linear_model_defaults(void)
{
    hw_linear_model model;
    (void)hw_linear_model_init(&model, sizeof model);
    return model;
}
HW_API void hw_linear_model_free(hw_linear_model *model); /* of the arrays; the struct is the caller's */
HW_API size_t hw_linear_model_weights(const hw_linear_model *model);
/* "squared", "logistic", "hinge", "squared-hinge", "softmax"; the loss of such a name, HW_E_ARGUMENT for no such. */
HW_API const char *hw_sparse_loss_name(hw_sparse_loss loss);
HW_API hw_status hw_sparse_loss_named(const char *name, hw_sparse_loss *loss);

/* HW_E_STATE: not trained. HW_E_ARGUMENT: fields that do not fit together. HW_E_DIVERGED: a weight is not finite.
 * HW_E_IO, HW_E_MEMORY. */
HW_API hw_status hw_linear_model_save(const hw_linear_model *model, const char *path, char *why);
/* Into an initialised model that holds nothing (HW_E_STATE: it holds something; HW_E_ARGUMENT: not initialised).
 * HW_E_IO, HW_E_FORMAT, HW_E_MEMORY: it still holds nothing. */
HW_API hw_status hw_linear_model_load(hw_linear_model *model, const char *path, char *why);

/* Labels of rows in place, as the loss takes them. fresh: the mapping is made from them, else the model's is used.
 * HW_E_FORMAT: labels that it does not know, or more than two where it takes two. HW_E_LIMIT: more than 256 classes. */
HW_API hw_status hw_linear_model_label(hw_linear_model *model, hw_sparse *rows, int fresh, char *why);
/* tf-idf and rows of length 1 in place, as the model has them. fresh: the columns' weights are made from these rows.
 * HW_E_ARGUMENT: fresh rows have more columns than the model. */
HW_API hw_status hw_linear_model_weigh(hw_linear_model *model, hw_sparse *rows, int fresh, char *why);
/* score[scores] of one row (weighed). Columns that the model does not have count nothing. */
HW_API void hw_linear_model_scores(const hw_linear_model *model, const hw_sparse *rows, uint32_t row, double *score);
/* The label that scores stand for, in the data's own values; HW_LABELS_SPLIT: -1 or 1; HW_LABELS_REAL: the score. */
HW_API double hw_linear_model_decide(const hw_linear_model *model, const double *score);
/* metric[0]: mean loss without penalty, metric[1]: accuracy (NaN for squared loss), of `weight` (NULL: the model's) on
 * labelled and weighed rows. */
HW_API hw_status hw_linear_model_measure(const hw_linear_model *model, const float *weight, const hw_sparse *rows,
                                         double metric[2], char *why);

/* --- factorisations -------------------------------------------------------------------------------------------------
 */

/* An opaque handle: the library's, freed by hw_factors_free (which accepts NULL). */
typedef struct hw_factors hw_factors;
/* Of a trained factorisation: its parameters and its ratings' ids and scale are copied. */
HW_API hw_status hw_factors_create(hw_factors **factors, const hw_factorize *model, const float *params, char *why);
HW_API void hw_factors_free(hw_factors *factors);
HW_API hw_status hw_factors_save(const hw_factors *factors, const char *path, char *why);
HW_API hw_status hw_factors_load(hw_factors **factors, const char *path, char *why);
HW_API uint32_t hw_factors_users(const hw_factors *factors);
HW_API uint32_t hw_factors_items(const hw_factors *factors);
/* The number of a user or an item by its id in the data; UINT32_MAX where there is none. By search: log n steps. And
 * the id of a number. */
HW_API uint32_t hw_factors_user(const hw_factors *factors, uint64_t id);
HW_API uint32_t hw_factors_item(const hw_factors *factors, uint64_t id);
HW_API uint64_t hw_factors_item_id(const hw_factors *factors, uint32_t item);
/* The score of a pair of numbers (NaN: there is no such number); within the data's scale where clamp is not 0. */
HW_API double hw_factors_predict(const hw_factors *factors, uint32_t user, uint32_t item, int clamp);
/* The same where one of them or both may be unknown (UINT32_MAX, as hw_factors_user says it): the mean of the ratings,
 * and the bias of the one that is known. */
HW_API double hw_factors_fallback(const hw_factors *factors, uint32_t user, uint32_t item, int clamp);
/* The `count` items of the highest scores for this user, best first (ties: the lower number), into item and score (may
 * be NULL); those for which skip says so are left out (skip may be NULL). Returns how many there are. HW_E_MEMORY has
 * no place here: nothing is allocated; up to count steps an item. */
HW_API uint32_t hw_factors_best(const hw_factors *factors, uint32_t user, uint32_t count,
                                int (*skip)(void *context, uint32_t item), void *context, uint32_t *item,
                                double *score);

/* --- word vectors ---------------------------------------------------------------------------------------------------
 */

/* An opaque handle. Words are bytes without spaces, numbered in the order of the file or the corpus. */
typedef struct hw_vectors hw_vectors;
typedef enum hw_vectors_format { HW_VECTORS_TEXT, HW_VECTORS_BINARY } hw_vectors_format;

/* Of a trained skip-gram or CBOW model: words and vectors are copied. */
HW_API hw_status hw_vectors_create(hw_vectors **vectors, const hw_skipgram *model, const float *params, char *why);
HW_API void hw_vectors_free(hw_vectors *vectors);
/* word2vec.c's two formats, byte for byte as it writes them (HW_VECTORS_TEXT: six decimals). */
HW_API hw_status hw_vectors_save(const hw_vectors *vectors, hw_vectors_format format, const char *path, char *why);
/* Either format, plain or gzip: text is tried first. */
HW_API hw_status hw_vectors_load(hw_vectors **vectors, const char *path, char *why);
HW_API uint32_t hw_vectors_words(const hw_vectors *vectors);
HW_API unsigned hw_vectors_dimension(const hw_vectors *vectors);
/* A word's number, or UINT32_MAX; its text; its vector (dimension floats, the library's). Text and vector of a number
 * that is no word's (UINT32_MAX): NULL. */
HW_API uint32_t hw_vectors_find(const hw_vectors *vectors, const char *word);
HW_API const char *hw_vectors_word(const hw_vectors *vectors, uint32_t word);
HW_API const float *hw_vectors_row(const hw_vectors *vectors, uint32_t word);

/* The `count` words of the largest cosine to the vector x (dimension floats), best first, into near and cosine; the
 * words in leave_out[0 .. left - 1] are no answers. Returns how many there are. */
HW_API unsigned hw_vectors_nearest(const hw_vectors *vectors, const float *x, const uint32_t *leave_out, unsigned left,
                                   unsigned count, uint32_t *near, double *cosine);

/* Analogy questions (Mikolov et al. 2013): a file of lines "a b c d", a is to b as c is to d, in sections ": name". */
#define HW_ANALOGY_SECTIONS 64
typedef struct hw_analogy_section {
    char name[48];
    unsigned questions, asked, right; /* asked: all four words are known */
} hw_analogy_section;
typedef struct hw_analogies {
    hw_analogy_section section[HW_ANALOGY_SECTIONS];
    unsigned sections;
    hw_analogy_section all, semantic, syntactic; /* syntactic: sections named gram... */
} hw_analogies;
/* 3CosAdd among the first `limit` words (0: all), each word as it stands, else in small letters;
 * questions with a word that is not among them are left out, and a question's own three words are no answers. threads:
 * how many to start (0 or 1: the caller's only). HW_E_IO, HW_E_FORMAT, HW_E_MEMORY. */
HW_API hw_status hw_vectors_analogies(const hw_vectors *vectors, const char *questions, uint32_t limit,
                                      unsigned threads, hw_analogies *score, char *why);

#ifdef __cplusplus
}
#endif
#endif
