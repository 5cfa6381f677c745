/* xu.c - Xu et al.: their net, batch 4, CIFAR-10 (or textures), round robin with up to a hundred workers. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_M = 8, MOST_SEEDS = 20, POINTS = 64, MOMENTA = 2 };

typedef struct xu {
    papers *p;
    papers_colours data;
    double rate[MOMENTA], epochs;
    unsigned m[MOST_M], n_m;
    double momentum[MOMENTA], dropout[MOST_M];
    unsigned n_dropout;
    unsigned points;
    /* by setting, seed: accuracy, loss, dead share; the curves by point */
    double accuracy[MOMENTA][MOST_M][MOST_SEEDS], loss[MOMENTA][MOST_M][MOST_SEEDS], dead[MOMENTA][MOST_M][MOST_SEEDS];
    bool diverged[MOMENTA][MOST_M][MOST_SEEDS];
    double curve[MOMENTA][MOST_M][MOST_SEEDS][POINTS], at[POINTS];
} xu;

static bool train(xu *x, unsigned k, unsigned i, unsigned seed, unsigned m, double momentum, double dropout)
{
    char why[HW_WHY];
    hw_net *net = hw_net_xu(4, 1, dropout, why);
    if (!net) return papers_trouble(x->p, why);
    hw_net_task task = {net, &x->data.train, &x->data.test, NULL};
    hw_objective o;
    hw_engine *engine = NULL;
    size_t n = hw_net_parameters(net);
    float *params = malloc(n * sizeof *params);
    void *scratch = aligned_alloc(64, (hw_net_scratch_bytes(net) + 63) / 64 * 64);
    hw_status status = params && scratch ? hw_net_objective(&task, &o, why) : HW_E_MEMORY;
    hw_config c = papers_config(HW_CLOCK_ROUND_ROBIN, m, 0);
    c.batch = 4;
    c.epochs = x->epochs;
    c.seed = seed + 1;
    c.optimizer.schedule.base = x->rate[k];
    c.optimizer.momentum = momentum;
    c.evaluate_epochs = x->epochs / x->points;
    c.divergence = 0;
    if (status == HW_OK) {
        hw_net_init(net, seed + 1, params);
        status = hw_engine_create(&engine, &o, &c, params, why);
    }
    if (status == HW_OK) {
        hw_result r;
        status = hw_engine_run(engine, &r);
        size_t count;
        const hw_evaluation *ev = hw_engine_evaluations(engine, &count);
        for (unsigned t = 0; t < x->points; t++) {
            x->curve[k][i][seed][t] = t < count ? ev[t].train_loss : NAN;
        }
        bool diverged = r.status == HW_E_DIVERGED;
        if (diverged) status = HW_OK;
        if (status != HW_OK) (void)snprintf(why, sizeof why, "%.200s", r.message);
        x->diverged[k][i][seed] = diverged;
        x->accuracy[k][i][seed] = diverged ? 0.1 : r.last.metric[1]; /* counted as chance, and the sentence says so */
        x->loss[k][i][seed] = diverged ? NAN : r.last.metric[0];
        (void)hw_engine_get(engine, params);
        if (status == HW_OK)
            status = hw_net_dead(net, scratch, &x->data.test, 0, x->data.test.count < 500 ? x->data.test.count : 500,
                                 params, &x->dead[k][i][seed]);
    }
    hw_engine_free(engine);
    free(params);
    free(scratch);
    hw_net_free(net);
    return status == HW_OK ? !cli_interrupted : papers_trouble(x->p, why);
}

static bool delay_job(void *context, unsigned number)
{
    xu *x = context;
    unsigned seed = number % x->p->seeds, i = number / x->p->seeds % x->n_m, k = number / x->p->seeds / x->n_m;
    return train(x, k, i, seed, x->m[i], x->momentum[k], 0);
}

static bool dropout_job(void *context, unsigned number)
{
    xu *x = context;
    unsigned seed = number % x->p->seeds, i = number / x->p->seeds;
    return train(x, 0, i, seed, 1, 0, x->dropout[i]);
}

static bool curves_of(papers *p, const xu *x, unsigned k, unsigned settings, char names[][40], const char *file,
                      const char *title)
{
    static double mean[MOST_M][POINTS], spread[MOST_M][POINTS];
    hw_curve curves[MOST_M];
    for (unsigned i = 0; i < settings; i++) {
        for (unsigned t = 0; t < x->points; t++) {
            double sum = 0, squares = 0;
            for (unsigned s = 0; s < p->seeds; s++) sum += x->curve[k][i][s][t];
            mean[i][t] = sum / p->seeds;
            for (unsigned s = 0; s < p->seeds; s++) squares += pow(x->curve[k][i][s][t] - mean[i][t], 2);
            spread[i][t] = p->seeds > 1 ? sqrt(squares / (p->seeds - 1)) : 0;
        }
        curves[i] = (hw_curve){names[i], x->at, mean[i], spread[i], x->points, HW_CURVE_LINE_POINTS, 0};
    }
    hw_chart chart = {.file = file,
                      .title = title,
                      .x_label = "epochs",
                      .y_label = "training loss (mean, sd over seeds)",
                      .y_low = NAN,
                      .y_high = 2.8};
    return papers_chart(p, &chart, curves, settings);
}

static void stat(const double *x, unsigned n, double *mean, double *sd)
{
    double half;
    papers_mean(x, n, mean, &half);
    *sd = 0;
    for (unsigned i = 0; i < n; i++) *sd += (x[i] - *mean) * (x[i] - *mean);
    *sd = n > 1 ? sqrt(*sd / (n - 1)) : 0;
}

static void row(char cells[][64], unsigned columns, unsigned at, const char *name, const xu *x, unsigned k, unsigned i)
{
    double mean, sd;
    (void)snprintf(cells[columns * at], 64, "%s", name);
    stat(x->accuracy[k][i], x->p->seeds, &mean, &sd);
    (void)snprintf(cells[columns * at + 1], 64, "%.1f (%.1f)", 100 * mean, 100 * sd);
    stat(x->loss[k][i], x->p->seeds, &mean, &sd);
    (void)snprintf(cells[columns * at + 2], 64, "%.3f (%.3f)", mean, sd);
    stat(x->dead[k][i], x->p->seeds, &mean, &sd);
    (void)snprintf(cells[columns * at + 3], 64, "%.1f", 100 * mean);
}

bool papers_xu_delay(papers *p)
{
    static const unsigned all[] = {1, 10, 20, 30, 50, 70, 100};
    static char cells[64][64];
    xu *x = calloc(1, sizeof *x);
    if (!x) return papers_trouble(p, "no memory");
    x->p = p;
    x->rate[0] = x->rate[1] = 0.001;
    x->epochs = p->full ? 10 : 2;
    x->points = p->full ? 40 : 10;
    x->momentum[1] = 0.9;
    x->n_m = sizeof all / sizeof *all;
    memcpy(x->m, all, sizeof all);
    bool good = papers_colours_open(p, &x->data, 20000, 2000);
    for (unsigned t = 0; t < x->points; t++) x->at[t] = (t + 1) * x->epochs / x->points;
    if (good && !p->full)
        x->rate[0] = x->rate[1] =
            0.003; /* two short epochs at the paper's likely 0.001 show nothing without momentum */
    good = good && jobs_run(delay_job, x, MOMENTA * x->n_m * p->seeds, p->id);
    if (good) {
        char names[MOST_M][40];
        double mean[MOMENTA][MOST_M], sd, loss;
        for (unsigned i = 0; i < x->n_m; i++) (void)snprintf(names[i], sizeof names[i], "m = %u", x->m[i]);
        good = curves_of(p, x, 0, x->n_m, names, "xu-figure1", "Xu et al., Fig. 1: no momentum") &&
               curves_of(p, x, 1, x->n_m, names, "xu-figure2", "Xu et al., Fig. 2: momentum 0.9");
        const char *head[] = {"setting", "accuracy % (sd)", "test loss (sd)", "dead ReLU %"};
        for (int j = 0; j < 4; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
        for (unsigned k = 0; k < MOMENTA; k++)
            for (unsigned i = 0; i < x->n_m; i++) {
                char name[40];
                (void)snprintf(name, sizeof name, "momentum %g, m = %u", x->momentum[k], x->m[i]);
                row(cells, 4, 1 + k * x->n_m + i, name, x, k, i);
                stat(x->accuracy[k][i], p->seeds, &mean[k][i], &sd);
            }
        good = good && papers_table(p, (const char(*)[64])cells, 1 + MOMENTA * x->n_m, 4);
        double sd0[MOMENTA][2];
        unsigned lost = 0;
        for (unsigned k = 0; k < MOMENTA; k++) {
            stat(x->accuracy[k][0], p->seeds, &loss, &sd0[k][0]);
            stat(x->accuracy[k][6], p->seeds, &loss, &sd0[k][1]);
            for (unsigned i = 0; i < x->n_m; i++)
                for (unsigned s = 0; s < p->seeds; s++) lost += x->diverged[k][i][s];
        }
        stat(x->loss[0][6], p->seeds, &loss, &sd);
        bool slower = mean[0][0] - mean[0][6] > 2 * (sd0[0][0] + sd0[0][1]) / sqrt(p->seeds);
        bool rescued = mean[1][6] - mean[0][6] > 2 * (sd0[0][1] + sd0[1][1]) / sqrt(p->seeds);
        bool reverse = mean[0][6] - mean[1][6] > 2 * (sd0[0][1] + sd0[1][1]) / sqrt(p->seeds);
        papers_verdict(
            p,
            slower && rescued ? PAPERS_REPRODUCED
            : slower          ? PAPERS_PARTLY
                              : PAPERS_NOT,
            "%s, %u seeds, %g epochs of %u images, learning rate %g. Accuracy at m = 1, 10, 100 without momentum: "
            "%.1f, %.1f, %.1f %% (test loss at 100: %.2f; ln 10 = 2.30); with 0.9: %.1f, %.1f, %.1f %%; %u runs "
            "diverged and count as 10 %%. That delay slows the training: %s. That momentum rescues m = 100: %s",
            x->data.source, p->seeds, x->epochs, x->data.train.count, x->rate[0], 100 * mean[0][0], 100 * mean[0][1],
            100 * mean[0][6], loss, 100 * mean[1][0], 100 * mean[1][1], 100 * mean[1][6], lost,
            slower ? "seen" : "not seen",
            rescued   ? "seen"
            : reverse ? "not seen, the reverse is"
                      : "not seen");
    }
    papers_colours_close(&x->data);
    free(x);
    return good;
}

/* At equal effective rate, alpha / (1 - mu), and at equal alpha: the paper compares runs with and without momentum and
 * does not say which of the two was equal. */
bool papers_xu_rate(papers *p)
{
    static const unsigned m[] = {1, 10, 30, 100};
    static const double effective[] = {0.003, 0.01, 0.03};
    enum { ROWS = sizeof effective / sizeof *effective, COLUMNS = sizeof m / sizeof *m };
    static char cells[64][64];
    static double mean[ROWS][MOMENTA][COLUMNS], sd[ROWS][MOMENTA][COLUMNS];
    xu *x = calloc(1, sizeof *x);
    if (!x) return papers_trouble(p, "no memory");
    x->p = p;
    x->epochs = p->full ? 10 : 2;
    x->points = p->full ? 40 : 10;
    x->momentum[1] = 0.9;
    x->n_m = COLUMNS;
    memcpy(x->m, m, sizeof m);
    bool good = papers_colours_open(p, &x->data, 20000, 2000);
    (void)snprintf(cells[0], 64, "alpha / (1 - mu), mu");
    for (unsigned i = 0; i < COLUMNS; i++) (void)snprintf(cells[1 + i], 64, "m = %u: %% (sd)", m[i]);
    for (unsigned r = 0; r < ROWS && good; r++) {
        x->rate[0] = effective[r];
        x->rate[1] = effective[r] * 0.1;
        good = jobs_run(delay_job, x, MOMENTA * x->n_m * p->seeds, p->id);
        for (unsigned k = 0; k < MOMENTA && good; k++) {
            char(*row)[64] = cells + (1 + r * MOMENTA + k) * (1 + COLUMNS);
            (void)snprintf(row[0], 64, "%g, %g", effective[r], x->momentum[k]);
            for (unsigned i = 0; i < COLUMNS; i++) {
                stat(x->accuracy[k][i], p->seeds, &mean[r][k][i], &sd[r][k][i]);
                (void)snprintf(row[1 + i], 64, "%.1f (%.1f)", 100 * mean[r][k][i], 100 * sd[r][k][i]);
            }
        }
    }
    good = good && papers_table(p, (const char(*)[64])cells, 1 + ROWS * MOMENTA, 1 + COLUMNS);
    if (good) {
        double apart = 0, noise = 0;
        unsigned n = 0;
        for (unsigned r = 0; r < ROWS; r++)
            for (unsigned i = 0; i < 3; i++, n++) { /* up to m = 30 */
                apart += fabs(mean[r][0][i] - mean[r][1][i]);
                noise += hypot(sd[r][0][i], sd[r][1][i]) / sqrt(p->seeds);
            }
        double same = apart / n, expected = 0.8 * noise / n;
        papers_verdict(
            p,
            same < expected + 0.01   ? PAPERS_REPRODUCED
            : same < expected + 0.03 ? PAPERS_PARTLY
                                     : PAPERS_NOT,
            "%s, %u seeds, %g epochs of %u images. With and without momentum 0.9, at equal alpha / (1 - mu), "
            "accuracies "
            "for m = 1, 10, 30 are %.1f points apart on average (by noise alone about %.1f): the paper's 'no clear "
            "difference' for m <= 30 %s of equal effective rates. m = 100 at 0.03: %.1f %% without, %.1f %% with "
            "momentum; at 0.01: %.1f and %.1f %%",
            x->data.source, p->seeds, x->epochs, x->data.train.count, 100 * same, 100 * expected,
            same < expected + 0.03 ? "holds" : "does not hold even", 100 * mean[2][0][3], 100 * mean[2][1][3],
            100 * mean[1][0][3], 100 * mean[1][1][3]);
    }
    papers_colours_close(&x->data);
    free(x);
    return good;
}

bool papers_xu_dropout(papers *p)
{
    static const double rates[] = {0, 0.2, 0.4, 0.6, 0.8};
    static char cells[32][64];
    xu *x = calloc(1, sizeof *x);
    if (!x) return papers_trouble(p, "no memory");
    x->p = p;
    x->rate[0] = p->full ? 0.001 : 0.003;
    x->epochs = p->full ? 10 : 2;
    x->points = p->full ? 40 : 10;
    x->n_dropout = sizeof rates / sizeof *rates;
    memcpy(x->dropout, rates, sizeof rates);
    for (unsigned t = 0; t < x->points; t++) x->at[t] = (t + 1) * x->epochs / x->points;
    bool good =
        papers_colours_open(p, &x->data, 20000, 2000) && jobs_run(dropout_job, x, x->n_dropout * p->seeds, p->id);
    if (good) {
        char names[MOST_M][40];
        double mean[MOST_M], sd = 0;
        double first_sd = 0;
        const char *head[] = {"setting", "accuracy % (sd)", "test loss (sd)", "dead ReLU %"};
        for (int j = 0; j < 4; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
        for (unsigned i = 0; i < x->n_dropout; i++) {
            (void)snprintf(names[i], sizeof names[i], "p = %g", rates[i]);
            row(cells, 4, 1 + i, names[i], x, 0, i);
            stat(x->accuracy[0][i], p->seeds, &mean[i], &sd);
            if (i == 0) first_sd = sd;
        }
        good = curves_of(p, x, 0, x->n_dropout, names, "xu-figure3", "Xu et al., Fig. 3: SGD with dropout") &&
               papers_table(p, (const char(*)[64])cells, 1 + x->n_dropout, 4);
        unsigned last = x->n_dropout - 1;
        bool slows = mean[0] - mean[last] > 2 * (first_sd + sd) / sqrt(p->seeds);
        double dead, dead_sd;
        stat(x->dead[0][last], p->seeds, &dead, &dead_sd);
        papers_verdict(
            p, slows ? PAPERS_REPRODUCED : PAPERS_NOT,
            "%s: one worker with dropout p = 0, 0.4, 0.8 ends at %.1f, %.1f, %.1f %% (dead ReLU at 0.8: %.1f %%): "
            "a larger p %s; that the curves look like those of a larger m says nothing about a common cause",
            x->data.source, 100 * mean[0], 100 * mean[2], 100 * mean[4], 100 * dead,
            slows ? "slows the run, as a larger m does" : "does not slow the run beyond the noise");
    }
    papers_colours_close(&x->data);
    free(x);
    return good;
}
