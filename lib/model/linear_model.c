/* linear_model.c - a trained linear model with what new rows need before it can score them: how labels and columns were
 * numbered, tf-idf, row length. linear_file.c has its file. */
#include "../base/sized.h"
#include "hogwild/model_files.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const losses[] = {"squared", "logistic", "hinge", "squared-hinge", "softmax"};

const char *hw_sparse_loss_name(hw_sparse_loss loss)
{
    return (unsigned)loss < sizeof losses / sizeof *losses ? losses[loss] : "unknown";
}

hw_status hw_sparse_loss_named(const char *name, hw_sparse_loss *loss)
{
    for (unsigned i = 0; name && i < sizeof losses / sizeof *losses; i++)
        if (strcmp(name, losses[i]) == 0) {
            *loss = (hw_sparse_loss)i;
            return HW_OK;
        }
    return HW_E_ARGUMENT;
}

hw_status hw_linear_model_init(hw_linear_model *m, size_t size)
{
    const hw_linear_model all = {.loss = HW_SPARSE_LOGISTIC, .scores = 1, .labels = HW_LABELS_TWO};
    return hw__sized_fill(m, size, &all, sizeof all, sizeof all);
}

void hw_linear_model_free(hw_linear_model *m)
{
    if (!m) return;
    free(m->idf);
    free(m->weight);
    m->idf = m->weight = NULL;
}

size_t hw_linear_model_weights(const hw_linear_model *m)
{
    return ((size_t)m->columns + (m->intercept ? 1 : 0)) * m->scores;
}

/* --- rows -----------------------------------------------------------------------------------------------------------
 */

hw_status hw_linear_model_label(hw_linear_model *m, hw_sparse *s, int fresh, char *why)
{
    if (m->labels == HW_LABELS_REAL) return HW_OK;
    if (m->labels == HW_LABELS_SPLIT) return hw_sparse_signs(s, m->split, why);
    if (fresh) m->classes = 0;
    hw_status status = hw_sparse_classes(s, &m->classes, m->value, why);
    bool many = status == HW_E_LIMIT || m->classes > 2;
    if (fresh && m->labels == HW_LABELS_TWO && many)
        return hw__base_fail(why, HW_E_FORMAT,
                             "the labels have more than two values: a split makes two of them, softmax takes up to 256 "
                             "classes");
    if (status != HW_OK) return status;
    if (fresh && m->classes < 2) return hw__base_fail(why, HW_E_FORMAT, "all labels are %g", (double)m->value[0]);
    if (fresh && m->labels == HW_LABELS_CLASSES) m->scores = m->classes;
    for (uint32_t i = 0; m->labels == HW_LABELS_TWO && i < s->rows; i++) s->label[i] = 2 * s->label[i] - 1;
    return HW_OK;
}

hw_status hw_linear_model_weigh(hw_linear_model *m, hw_sparse *s, int fresh, char *why)
{
    hw_status status = HW_OK;
    if (m->tf_idf && fresh) {
        if (s->columns > m->columns)
            return hw__base_fail(why, HW_E_ARGUMENT,
                                 "the rows have %u columns and the model %u: set model.columns before training",
                                 s->columns, m->columns);
        /* Columns that these rows do not have weigh nothing. */
        float *idf = calloc(m->columns ? m->columns : 1, sizeof *idf);
        if (!idf) return hw__base_fail(why, HW_E_MEMORY, "no memory for %u columns", m->columns);
        free(m->idf);
        m->idf = idf;
        hw_sparse_idf(s, m->idf);
    }
    if (m->tf_idf) {
        if (!m->idf) return hw__base_fail(why, HW_E_STATE, "the model's tf-idf is not known yet");
        /* Columns that the training rows did not have count nothing, not even in a row's length. */
        float *scale = calloc(s->columns ? s->columns : 1, sizeof *scale);
        if (!scale) return hw__base_fail(why, HW_E_MEMORY, "no memory for %u columns", s->columns);
        memcpy(scale, m->idf, (s->columns < m->columns ? s->columns : m->columns) * sizeof *scale);
        status = hw_sparse_scale(s, scale, why);
        free(scale);
    }
    return status == HW_OK && m->unit_rows ? hw_sparse_unit_rows(s, why) : status;
}

/* --- scores ---------------------------------------------------------------------------------------------------------
 */

/* What the objective needs to know of the model: `shape` stands for its training rows. */
static hw_sparse_linear view(const hw_linear_model *m, hw_sparse *shape)
{
    *shape = (hw_sparse){.columns = m->columns};
    hw_sparse_linear v = hw_sparse_linear_defaults(m->loss, shape);
    v.classes = m->scores;
    v.intercept = m->intercept;
    return v;
}

void hw_linear_model_scores(const hw_linear_model *m, const hw_sparse *rows, uint32_t row, double *score)
{
    hw_sparse shape;
    hw_sparse_linear v = view(m, &shape);
    hw_sparse_linear_scores(&v, m->weight, rows, row, score);
}

double hw_linear_model_decide(const hw_linear_model *m, const double *score)
{
    unsigned best = 0;
    for (unsigned c = 1; c < m->scores; c++)
        if (score[c] > score[best]) best = c;
    if (m->labels == HW_LABELS_REAL) return score[0];
    if (m->labels == HW_LABELS_CLASSES) return (double)m->value[best];
    if (m->labels == HW_LABELS_SPLIT) return score[0] > 0 ? 1 : -1;
    return (double)m->value[score[0] > 0];
}

hw_status hw_linear_model_measure(const hw_linear_model *m, const float *weight, const hw_sparse *rows,
                                  double metric[2], char *why)
{
    hw_sparse shape;
    uint64_t offset[2] = {0, 0};
    float label = m->loss == HW_SPARSE_SOFTMAX ? 0 : 1;
    hw_objective o;
    double sums[HW_METRICS] = {0};
    hw_sparse_linear v = view(m, &shape);
    if (!weight) weight = m->weight;
    if (!weight) return hw__base_fail(why, HW_E_STATE, "the model has no weights yet");
    shape.rows = 1;
    shape.offset = offset;
    shape.label = &label;
    v.test = rows;
    hw_status status = hw_sparse_linear_objective(&v, &o, why);
    if (status == HW_OK) status = o.evaluate(o.self, NULL, weight, 0, rows->rows, sums);
    hw_sparse_linear_free(&v);
    metric[0] = sums[0] / rows->rows;
    metric[1] = m->loss == HW_SPARSE_SQUARED ? NAN : sums[1] / rows->rows;
    return status;
}
