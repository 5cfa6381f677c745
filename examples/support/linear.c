/* linear.c - what linear programs compute beside training: the objective, a learning rate, predictions as lines. */
#include "linear.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static hw_status linear_failed(char *why, const char *path, const char *what)
{
    (void)snprintf(why, HW_WHY, "%.160s: %.80s", path, what);
    return HW_E_IO;
}

hw_status linear_objective(const hw_sparse_linear *l, const float *weight, double metric[2])
{
    hw_sparse_linear own = *l;
    hw_objective o;
    double sums[HW_METRICS] = {0};
    own.test = NULL;
    own.plan = NULL;
    hw_status status = hw_sparse_linear_objective(&own, &o, NULL);
    if (status == HW_OK) status = o.evaluate(o.self, NULL, weight, 0, own.train->rows, sums);
    hw_sparse_linear_free(&own);
    metric[0] = sums[0] / own.train->rows;
    metric[1] = own.loss == HW_SPARSE_SQUARED ? NAN : sums[1] / own.train->rows;
    return status;
}

/* In units of 1 / (mean of |x|^2, each row weighted by its own). Measured on a9a and on tf-idf reviews: runs of one
 * epoch to five come nearest to the optimum at about these. */
double linear_rate(const hw_linear_model *m, const hw_sparse *s, const float *class_weight, unsigned weights)
{
    static const double factor[] = {0.5, 1.5, 0.75, 0.25, 1};
    double squares = 0, fourths = 0, heaviest = 1;
    for (uint32_t i = 0; i < s->rows; i++) {
        double x = m->intercept ? 1 : 0;
        for (uint64_t k = s->offset[i]; k < s->offset[i + 1]; k++) x += (double)s->value[k] * (double)s->value[k];
        squares += x;
        fourths += x * x;
    }
    for (unsigned c = 0; c < weights; c++) heaviest = fmax(heaviest, (double)class_weight[c]);
    double rate = squares > 0 ? factor[m->loss] * squares / fourths / heaviest : 1;
    return fmax(1e-30, fmin(1e6, rate));
}

hw_status linear_predict(const hw_linear_model *m, const hw_sparse *rows, bool scores, const char *path, char *why)
{
    double score[256];
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    if (!out) return linear_failed(why, path, strerror(errno));
    errno = 0;
    for (uint32_t i = 0; i < rows->rows && !ferror(out); i++) {
        hw_linear_model_scores(m, rows, i, score);
        if (!scores) fprintf(out, "%.9g", hw_linear_model_decide(m, score));
        for (unsigned c = 0; scores && c < m->scores; c++) fprintf(out, c ? " %.9g" : "%.9g", score[c]);
        fputc('\n', out);
    }
    bool good = fflush(out) == 0 && !ferror(out);
    if (!standard) good = fclose(out) == 0 && good;
    return good ? HW_OK : linear_failed(why, path, errno ? strerror(errno) : "it could not be written");
}
