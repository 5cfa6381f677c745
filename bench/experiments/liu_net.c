/* liu_net.c - Liu et al., Fig. 2: the best momentum of a residual net with one worker and with eight. */
#include "papers.h"
#include "cifar.h"
#include <math.h>
#include <stdlib.h>

enum { MOMENTA = 9, MOST_SEEDS = 20, CREWS = 2 };
static const unsigned workers[CREWS] = {1, 8};

typedef struct nets {
    papers *p;
    papers_colours data;
    hw_preparation preparation;
    double momentum[MOMENTA], epochs;
    unsigned momenta;
    double accuracy[CREWS][MOMENTA][MOST_SEEDS];
    bool diverged[CREWS][MOMENTA][MOST_SEEDS];
} nets;

/* The paper's solver, as short as the run is: 0.2, times 0.2 after each three tenths. */
static hw_config solver(const nets *n, unsigned crew, double momentum, unsigned seed)
{
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, workers[crew], 0);
    c.batch = 128;
    c.epochs = n->epochs;
    c.seed = seed + 1;
    c.optimizer.momentum = momentum;
    c.optimizer.weight_decay = 1e-4;
    c.optimizer.schedule.kind = HW_SCHEDULE_STEP;
    c.optimizer.schedule.base = 0.2;
    c.optimizer.schedule.gamma = 0.2;
    c.optimizer.schedule.interval = (uint64_t)(0.3 * n->epochs * n->data.train.count / c.batch);
    c.divergence = 0;
    return c;
}

static bool job(void *context, unsigned number)
{
    nets *n = context;
    unsigned seed = number % n->p->seeds, k = number / n->p->seeds % n->momenta,
             crew = number / n->p->seeds / n->momenta;
    char why[HW_WHY];
    hw_residual_config r = hw_residual_defaults();
    r.n = n->p->full ? 3 : 1;
    r.width = n->p->full ? 16 : 8;
    hw_net *net = hw_net_residual(128, &r, &n->preparation, why);
    if (!net) return papers_trouble(n->p, why);
    hw_net_task task = {net, &n->data.train, &n->data.test, NULL};
    hw_objective o;
    float *start = malloc(hw_net_parameters(net) * sizeof *start);
    bool good = start && hw_net_objective(&task, &o, why) == HW_OK;
    if (good) {
        hw_config c = solver(n, crew, n->momentum[k], seed);
        hw_net_init(net, seed + 1, start);
        papers_run_result result = papers_run(&o, &c, start, 1, 0);
        bool lost = result.diverged || !isfinite(result.loss);
        n->diverged[crew][k][seed] = lost;
        n->accuracy[crew][k][seed] = lost ? 10 : 100 * result.last; /* counted as chance, and the sentence says so */
    }
    free(start);
    hw_net_free(net);
    return good ? !cli_interrupted : papers_trouble(n->p, "no memory for a net");
}

static bool tell(nets *n)
{
    static double mean[CREWS][MOMENTA], half[CREWS][MOMENTA];
    static char cells[(MOMENTA + 1) * (CREWS + 1)][64];
    unsigned best[CREWS] = {0, 0}, worst[CREWS] = {0, 0}, lost = 0;
    hw_curve curves[CREWS];
    static const char *const names[CREWS] = {"one worker", "8 workers"};
    const char *head[] = {"momentum", "one worker: % (+-)", "8 workers: % (+-)"};
    for (int j = 0; j <= CREWS; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned w = 0; w < CREWS; w++) {
        for (unsigned k = 0; k < n->momenta; k++) {
            char(*row)[64] = cells + (k + 1) * (CREWS + 1);
            papers_mean(n->accuracy[w][k], n->p->seeds, &mean[w][k], &half[w][k]);
            (void)snprintf(row[0], 64, "%g", n->momentum[k]);
            (void)snprintf(row[1 + w], 64, "%.1f (%.1f)", mean[w][k], half[w][k]);
            if (mean[w][k] > mean[w][best[w]]) best[w] = k;
            if (mean[w][k] < mean[w][worst[w]]) worst[w] = k;
            for (unsigned s = 0; s < n->p->seeds; s++) lost += n->diverged[w][k][s];
        }
        curves[w] = (hw_curve){names[w], n->momentum, mean[w], half[w], n->momenta, HW_CURVE_LINE_POINTS, w + 1};
    }
    hw_chart chart = {.file = "liu-net",
                      .title = "Residual net: accuracy against momentum (Liu et al., Fig. 2)",
                      .x_label = "momentum",
                      .y_label = "test accuracy (%)",
                      .y_low = NAN,
                      .y_high = NAN};
    if (!papers_chart(n->p, &chart, curves, CREWS) ||
        !papers_table(n->p, (const char(*)[64])cells, n->momenta + 1, CREWS + 1))
        return false;
    double first = n->momentum[best[0]], eight = n->momentum[best[1]];
    bool falls = eight < first, last_worst = worst[1] == n->momenta - 1;
    /* Beyond the noise: eight workers with one worker's best are worse than with their own. */
    double gain = mean[1][best[1]] - mean[1][best[0]], noise = hypot(half[1][best[1]], half[1][best[0]]);
    papers_verdict(
        n->p,
        falls && last_worst && gain > noise ? PAPERS_REPRODUCED
        : falls || last_worst               ? PAPERS_PARTLY
                                            : PAPERS_NOT,
        "%s, %u images, residual net of %d layers, batch 128, rate 0.2, %g epochs, %u seeds, exponential work: best "
        "momentum %g with one worker (%.1f %%), %g with eight (%.1f %%; with one worker's best %.1f, apart by %.1f "
        "+- %.1f); the worst of eight is %g; %u runs diverged and count as 10 %%. The paper: 0.9 and 0.5, 0.9 the "
        "worst at eight",
        n->data.source, n->data.train.count, n->p->full ? 20 : 8, n->epochs, n->p->seeds, first, mean[0][best[0]],
        eight, mean[1][best[1]], mean[1][best[0]], gain, noise, n->momentum[worst[1]], lost);
    return true;
}

bool papers_liu_net(papers *p)
{
    nets *n = calloc(1, sizeof *n);
    if (!n) return papers_trouble(p, "no memory");
    n->p = p;
    n->epochs = p->full ? 60 : 6;
    n->momenta = p->full ? 9 : 5;
    for (unsigned k = 0; k < n->momenta; k++) n->momentum[k] = p->full ? 0.1 * (k + 1) : 0.1 + 0.2 * k;
    bool good = papers_colours_open(p, &n->data, 10000, 2000) && cifar_prepare(&n->data.train, &n->preparation);
    good = good && jobs_run(job, n, CREWS * n->momenta * p->seeds, p->id) && tell(n);
    papers_colours_close(&n->data);
    free(n);
    return good;
}
