/* wang_threads.c - Wang et al. on real threads: eight of them, two with ten times the work, whose steps sleep by an
 * exponential law: waiting for all, the first 4 of 8 (scheduler gather), and no waiting. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

enum { WORKERS = 8, SCHEMES = 3, RATES = 3, MOST_SEEDS = 20 };

static const struct {
    const char *name;
    unsigned gather;
    double simulated; /* of `wang-stragglers`, 3 seeds: units of mean work */
} schemes[SCHEMES] = {{"wait for all 8", 8, 3766}, {"first 4 of 8", 4, 292}, {"no waiting", 1, 205}};
static const double rates[RATES] = {0.64, 0.256, 0.1024}, unit = 1e-3; /* s of mean work */

static hw_status run(const papers_digits *d, const hw_config *c, hw_result *r)
{
    hw_engine *e;
    hw_status status = hw_engine_create(&e, &d->objective, c, d->start, NULL);
    if (status != HW_OK) return status;
    status = hw_engine_run(e, r);
    hw_engine_free(e);
    return status;
}

/* Seconds to the target, in units of work; NaN: not reached. How many updates it takes is seen by one run, and how long
 * so many take by another one without evaluations, since each of those waits for the slowest step. */
static double one(const papers_digits *d, unsigned k, double rate, unsigned seed, double *staleness)
{
    hw_clock each[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) each[i] = (hw_clock){HW_CLOCK_EXPONENTIAL, 0, i < 6 ? unit : 10 * unit};
    hw_config c = hw_config_defaults();
    hw_result r;
    c.scheduler = schemes[k].gather > 1 ? HW_GATHER : HW_ASYNC;
    c.simulation.gather = schemes[k].gather;
    c.workers = WORKERS;
    c.layers = 0;
    c.work.each = each;
    c.batch = 16;
    c.epochs = 0;
    c.updates = 6000u * schemes[k].gather;
    c.seconds = 20;
    c.seed = seed + 1;
    c.curvature = -1;
    c.divergence = 100;
    c.evaluate_every = schemes[k].gather > 1 ? 10 : 25;
    c.target_metric = 1;
    c.target = 0.75;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = rate;
    c.compensation.policy = HW_POLICY_NONE;
    c.stop_flag = &cli_interrupted;
    if (run(d, &c, &r) != HW_OK || !isfinite(r.seconds_to_target)) return NAN;
    *staleness = r.staleness.mean;
    c.updates = r.updates_to_target * schemes[k].gather;
    c.evaluate_every = 0;
    c.target = 0;
    return run(d, &c, &r) == HW_OK && !cli_interrupted ? r.seconds / unit : NAN;
}

bool papers_wang_threads(papers *p)
{
    static char cells[(SCHEMES + 1) * 5][64];
    double time[SCHEMES], half[SCHEMES];
    papers_digits d;
    const char *head[] = {"scheme", "time, in mean work", "simulated", "rate", "staleness"};
    if (!papers_digits_open(p, &d, 32, 16, false)) return false;
    for (int j = 0; j < 5; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned k = 0; k < SCHEMES && !cli_interrupted; k++) {
        char(*row)[64] = cells + 5 * (k + 1);
        time[k] = half[k] = NAN;
        (void)snprintf(row[0], 64, "%s", schemes[k].name);
        for (unsigned a = 0; a < RATES; a++) {
            double x[MOST_SEEDS], mean, interval, staleness = 0;
            for (unsigned s = 0; s < p->seeds; s++) x[s] = one(&d, k, rates[a], s, &staleness);
            papers_mean(x, p->seeds, &mean, &interval);
            if (!isfinite(mean) || mean >= time[k]) continue;
            time[k] = mean;
            half[k] = interval;
            (void)snprintf(row[3], 64, "%g", rates[a]);
            (void)snprintf(row[4], 64, "%.1f", staleness);
        }
        (void)snprintf(row[1], 64, "%.0f +- %.0f", time[k], half[k]);
        (void)snprintf(row[2], 64, "%.0f", schemes[k].simulated);
    }
    papers_digits_close(&d);
    if (cli_interrupted || !papers_table(p, (const char(*)[64])cells, SCHEMES + 1, 5)) return false;
    const bool faster = time[1] + half[1] < time[0] - half[0] && time[2] + half[2] < time[0] - half[0];
    papers_verdict(
        p, faster ? PAPERS_REPRODUCED : PAPERS_NOT,
        "eight threads, two of them ten times slower (exponential work of 1 ms), perceptron to 75 %%, best of %d "
        "rates, %u seeds: waiting for all takes %.0f +- %.0f, the first 4 of 8 %.0f +- %.0f, no waiting %.0f "
        "+- %.0f units of mean work (simulated: %.0f, %.0f, %.0f): not waiting %s",
        RATES, p->seeds, time[0], half[0], time[1], half[1], time[2], half[2], schemes[0].simulated,
        schemes[1].simulated, schemes[2].simulated, faster ? "is faster" : "is not faster beyond the noise");
    return true;
}
