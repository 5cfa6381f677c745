/* xu_batch.c - what Xu et al. leave to others: the minibatch beside the delay, asynchronous descent on the whole set,
 * accuracy over time where m workers compute at once, and the gap between training and test. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 3, CREWS = 4, MOST_SEEDS = 20, POINTS = 20, WHOLE = 2000 };

static const uint32_t batches[BATCHES] = {4, 16, 64};
static const unsigned workers[CREWS] = {1, 10, 30, 100};

typedef struct cell {
    double test[MOST_SEEDS], train[MOST_SEEDS], loss[MOST_SEEDS], curve[MOST_SEEDS][POINTS];
} cell;

typedef struct grid {
    papers *p;
    papers_colours data;
    hw_images some, few; /* of the training images: for the gap; for descent on all of them */
    double rate, epochs;
    cell cell[BATCHES][CREWS], whole[CREWS];
} grid;

/* One run; the training loss at the end is of as many images as the test's. */
static bool train(grid *g, uint32_t batch, double rate, double epochs, const hw_images *images, unsigned m,
                  unsigned seed, cell *out)
{
    char why[HW_WHY] = "no memory";
    hw_net *net = hw_net_xu(batch, 1, 0, why);
    if (!net) return papers_trouble(g->p, why);
    hw_net_task task = {net, images, &g->data.test, NULL}, again = {net, images, &g->some, NULL};
    hw_objective o, other;
    hw_engine *e = NULL;
    float *x = malloc(hw_net_parameters(net) * sizeof *x);
    void *scratch = aligned_alloc(64, (hw_net_scratch_bytes(net) + 63) / 64 * 64);
    hw_result r;
    hw_config c = papers_config(HW_CLOCK_ROUND_ROBIN, m, 0);
    c.batch = batch;
    c.epochs = epochs;
    c.seed = seed + 1;
    c.optimizer.schedule.base = rate;
    c.optimizer.momentum = 0;
    c.evaluate_epochs = epochs / POINTS;
    c.divergence = 0;
    hw_status status =
        x && scratch && hw_net_objective(&task, &o, why) == HW_OK && hw_net_objective(&again, &other, why) == HW_OK
            ? HW_OK
            : HW_E_MEMORY;
    if (status == HW_OK) {
        hw_net_init(net, seed + 1, x);
        status = hw_engine_create(&e, &o, &c, x, why);
    }
    if (status == HW_OK) status = hw_engine_run(e, &r);
    bool lost = status == HW_E_DIVERGED;
    if (lost) status = HW_OK;
    if (status == HW_OK) {
        size_t n;
        const hw_evaluation *ev = hw_engine_evaluations(e, &n);
        for (unsigned t = 0; t < POINTS; t++) {
            out->curve[seed][t] = t < n ? 100 * ev[t].metric[1] : NAN;
        }
        out->test[seed] = lost ? 10 : 100 * r.last.metric[1];
        out->loss[seed] = r.last.train_loss;
        status = hw_engine_get(e, x);
    }
    if (status == HW_OK) {
        double sums[HW_METRICS] = {0};
        memset(scratch, 0, other.scratch_bytes);
        for (uint32_t i = 0; i + 100 <= g->some.count && status == HW_OK; i += 100)
            status = other.evaluate(other.self, scratch, x, i, 100, sums);
        out->train[seed] = lost ? 10 : 100 * sums[1] / (g->some.count / 100 * 100);
    }
    hw_engine_free(e);
    free(x);
    free(scratch);
    hw_net_free(net);
    return status == HW_OK ? !cli_interrupted : papers_trouble(g->p, why);
}

static bool job(void *context, unsigned number)
{
    grid *g = context;
    unsigned seed = number % g->p->seeds, m = number / g->p->seeds % CREWS, b = number / g->p->seeds / CREWS;
    if (b == BATCHES) return train(g, WHOLE, 0.1, g->p->full ? 1000 : 150, &g->few, workers[m], seed, &g->whole[m]);
    return train(g, batches[b], g->rate * batches[b] / batches[0], g->epochs, &g->data.train, workers[m], seed,
                 &g->cell[b][m]);
}

static void put(char text[64], const cell *c, unsigned seeds, double *test, double *gap)
{
    double train, half;
    papers_mean(c->train, seeds, &train, &half);
    papers_mean(c->test, seeds, test, &half);
    *gap = train - *test;
    (void)snprintf(text, 64, "%.1f (%.1f), gap %.1f", *test, half, *gap);
}

bool papers_xu_batch(papers *p)
{
    static char cells[(BATCHES + 2) * (CREWS + 1)][64], names[CREWS][40];
    static double test[BATCHES + 1][CREWS], gap[BATCHES + 1][CREWS], mean[CREWS][POINTS];
    hw_curve curves[CREWS];
    grid *g = calloc(1, sizeof *g);
    if (!g) return papers_trouble(p, "no memory");
    g->p = p;
    g->rate = p->full ? 0.001 : 0.003;
    g->epochs = p->full ? 10 : 2;
    bool good = papers_colours_open(p, &g->data, 20000, 2000);
    g->some = g->few = g->data.train;
    if (g->some.count > g->data.test.count) g->some.count = g->data.test.count;
    if (g->few.count > WHOLE) g->few.count = WHOLE;
    good = good && jobs_run(job, g, (BATCHES + 1) * CREWS * p->seeds, p->id);
    (void)snprintf(cells[0], 64, "batch, rate: test %%");
    static double at[CREWS][POINTS];
    for (unsigned m = 0; good && m < CREWS; m++) {
        for (unsigned t = 0; t < POINTS; t++)
            at[m][t] = (t + 1) * g->epochs / POINTS * g->data.train.count / workers[m];
        (void)snprintf(cells[1 + m], 64, "m = %u", workers[m]);
        for (unsigned b = 0; b <= BATCHES; b++)
            put(cells[(b + 1) * (CREWS + 1) + 1 + m], b < BATCHES ? &g->cell[b][m] : &g->whole[m], p->seeds,
                &test[b][m], &gap[b][m]);
        for (unsigned t = 0; t < POINTS; t++) {
            mean[m][t] = 0;
            for (unsigned s = 0; s < p->seeds; s++) mean[m][t] += g->cell[0][m].curve[s][t] / p->seeds;
        }
        (void)snprintf(names[m], 40, "m = %u", workers[m]);
        curves[m] = (hw_curve){names[m], at[m], mean[m], NULL, POINTS, HW_CURVE_LINE_POINTS, m + 1};
    }
    for (unsigned b = 0; good && b < BATCHES; b++)
        (void)snprintf(cells[(b + 1) * (CREWS + 1)], 64, "%u, %g", batches[b], g->rate * batches[b] / batches[0]);
    (void)snprintf(cells[(BATCHES + 1) * (CREWS + 1)], 64, "all %u of %u, 0.1", g->few.count, g->few.count);
    const hw_chart chart = {.file = "xu-time",
                            .title = "Xu et al.: accuracy over computing time, batch 4",
                            .x_label = "images a worker has computed (time = images / m)",
                            .y_label = "test accuracy (%)",
                            .log_x = 1,
                            .y_low = NAN,
                            .y_high = NAN};
    good = good && papers_chart(p, &chart, curves, CREWS) &&
           papers_table(p, (const char(*)[64])cells, BATCHES + 2, CREWS + 1);
    if (good) {
        double lost[2][BATCHES];
        for (unsigned b = 0; b < BATCHES; b++)
            for (unsigned k = 0; k < 2; k++) lost[k][b] = test[b][0] - test[b][2 + k];
        papers_verdict(
            p, PAPERS_MEASURED,
            "%s, %u seeds, rate in proportion to the batch, no momentum: m = 30 costs %.1f, %.1f, %.1f points of test "
            "accuracy at batches of 4, 16, 64 (m = 100: %.1f, %.1f, %.1f; a guess has 10 %%): there the delay costs "
            "%s. "
            "Descent on all of %u images: %.1f %% at m = 1, %.1f at 10, %.1f at 30, %.1f at 100. The gap between "
            "training and test is %.1f points at m = 1 and %.1f at m = 30 (batch 4)",
            g->data.source, p->seeds, lost[0][0], lost[0][1], lost[0][2], lost[1][0], lost[1][1], lost[1][2],
            lost[0][0] < lost[0][1] && lost[0][1] < lost[0][2] ? "more, the larger the batch"
                                                               : "no more with a larger batch",
            g->few.count, test[BATCHES][0], test[BATCHES][1], test[BATCHES][2], test[BATCHES][3], gap[0][0], gap[0][2]);
    }
    papers_colours_close(&g->data);
    free(g);
    return good;
}
