/* threads.c - Mitliagkas et al. on real threads: staleness follows the law of the steps' work. Steps have
 * sleep of a drawn length added, so that eight threads run on any number of cores. */
#include "papers.h"
#include <math.h>
#include <string.h>

enum { WORKERS = 8, LAST = 30, UPDATES = 60 };

typedef struct sleeper {
    hw_clock work;
    uint64_t *staleness; /* by update; NULL: nobody asks */
    uint64_t room;
} sleeper;

/* f(w) = w^2 / 2; the work of a step is what the configuration adds. */
static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const float *x = hw_read(w);
    (void)self, (void)batch;
    hw_gradient(w)[0] = x[0];
    return hw_write(w, 0.5 * (double)x[0] * (double)x[0]);
}

static void on_update(void *context, const hw_update_event *event)
{
    sleeper *s = context;
    if (event->update < s->room) s->staleness[event->update] = event->staleness;
}

static bool run(sleeper *s, uint64_t updates, uint64_t seed, hw_result *result, double momentum[2])
{
    hw_objective o = hw_objective_defaults("sleeper", 1);
    o.step = step;
    hw_config c = hw_config_defaults();
    c.workers = WORKERS;
    c.epochs = 0;
    c.updates = updates;
    c.seed = seed;
    c.batch = 1;
    c.curvature = -1;
    c.work.law = s->work;
    c.divergence = 0;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1e-3;
    c.compensation.policy = HW_POLICY_NONE;
    c.stop_flag = &cli_interrupted;
    c.context = s;
    c.on_update = s->staleness ? on_update : NULL;
    const float x = 1;
    hw_engine *e;
    hw_histogram h;
    if (hw_engine_create(&e, &o, &c, &x, NULL) != HW_OK) return false;
    bool good = hw_engine_run(e, result) == HW_OK && !cli_interrupted;
    if (good && momentum && hw_histogram_init(&h, hw_staleness_linear_bins(hw_engine_staleness(e))) == HW_OK) {
        hw_staleness_merge(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, &h);
        momentum[0] = hw_staleness_momentum(&h, momentum + 1);
        hw_histogram_free(&h);
    }
    hw_engine_free(e);
    return good;
}

/* w after t updates of rate 0.1, in the order that the threads had: the same run at any rate. */
static void positions(const uint64_t *staleness, double *w)
{
    w[0] = 1;
    for (int t = 0; t < LAST; t++) {
        uint64_t age = staleness[t] < (uint64_t)t ? staleness[t] : (uint64_t)t;
        w[t + 1] = w[t] - 0.1 * w[t - (int)age];
    }
}

bool papers_threads(papers *p)
{
    static const struct {
        const char *name;
        hw_clock work;
        double dispersion; /* of the event simulation */
    } laws[] = {{"exponential", {HW_CLOCK_EXPONENTIAL, 0, 2e-3}, 1},
                {"Erlang-2", {HW_CLOCK_GAMMA, 2, 2e-3}, 0.52},
                {"Erlang-4", {HW_CLOCK_GAMMA, 4, 2e-3}, 0.27},
                {"constant", {HW_CLOCK_CONSTANT, 0, 2e-3}, 0}};
    static const int at[] = {5, 10, 20, LAST};
    static const double exact[] = {0.5225, 0.1536, -0.1706, -0.1431};
    static char cells[64][64];
    const char *head[] = {"work of a step", "dispersion", "with 95 %", "event simulation", "as momentum (error)"};
    const unsigned runs = p->full ? 4000 : 600;
    const uint64_t updates = p->full ? 40000 : 6000;
    double worst = 0, off = 0, sum[4] = {0}, squares[4] = {0}, w[LAST + 1];
    for (int j = 0; j < 5; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned k = 0; k < 4; k++) {
        sleeper s = {laws[k].work, NULL, 0};
        hw_result r;
        double low, high, momentum[2] = {NAN, NAN};
        if (!run(&s, updates, k + 1, &r, momentum)) return cli_interrupted ? false : papers_trouble(p, "a run failed");
        hw_staleness_dispersion(&r.staleness, &low, &high);
        char(*row)[64] = cells + 5 * (k + 1);
        (void)snprintf(row[0], 64, "%s", laws[k].name);
        (void)snprintf(row[1], 64, "%.2f", r.staleness.dispersion);
        (void)snprintf(row[2], 64, "%.2f to %.2f", low, high);
        (void)snprintf(row[3], 64, "%.2f", laws[k].dispersion);
        (void)snprintf(row[4], 64, "%.3f (%.2f)", momentum[0], momentum[1]);
        off = fmax(off, fabs(r.staleness.dispersion - laws[k].dispersion));
    }
    if (!papers_table(p, (const char(*)[64])cells, 5, 5)) return false;
    uint64_t staleness[UPDATES];
    sleeper s = {laws[0].work, staleness, UPDATES};
    for (unsigned k = 0; k < runs; k++) {
        hw_result r;
        if (!run(&s, UPDATES, 1000 + k, &r, NULL)) return cli_interrupted ? false : papers_trouble(p, "a run failed");
        positions(staleness, w);
        for (int i = 0; i < 4; i++) {
            sum[i] += w[at[i]];
            squares[i] += w[at[i]] * w[at[i]];
        }
    }
    char means[200] = "";
    for (int i = 0; i < 4; i++) {
        double mean = sum[i] / runs, error = sqrt((squares[i] / runs - mean * mean) / runs);
        size_t n = strlen(means);
        (void)snprintf(means + n, sizeof means - n, "%s%.4f+-%.4f (%.4f)", i ? ", " : "", mean, error, exact[i]);
        worst = fmax(worst, fabs(mean - exact[i]));
    }
    papers_verdict(p,
                   worst < 0.03 && off < 0.2 ? PAPERS_REPRODUCED
                   : worst < 0.1             ? PAPERS_PARTLY
                                             : PAPERS_NOT,
                   "eight threads whose steps sleep follow the law of the sleep (dispersions within %.2f of the event "
                   "simulation's); with exponential sleep w is %s on average over %u runs after 5, 10, 20, 30 updates "
                   "(Theorem 5): near a fixed delay are steps of constant cost, not threads",
                   off, means, runs);
    return true;
}
