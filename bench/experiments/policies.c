/* policies.c - what the compensation policies do under the queue model's clock and under a fixed delay: where
 * asynchrony acts as momentum, and where as pure delay. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

enum { POLICIES = 7, CASES = 8, MOST_SEEDS = 20 };

static const hw_policy policies[POLICIES] = {HW_POLICY_NONE,  HW_POLICY_THEORY,   HW_POLICY_MEASURED,
                                             HW_POLICY_EXACT, HW_POLICY_MEAN_LAG, HW_POLICY_LOOK_AHEAD,
                                             HW_POLICY_AUTO};
static const struct setting {
    hw_clock_kind clock;
    unsigned workers;
    const char *name;
} settings[CASES] = {{HW_CLOCK_ROUND_ROBIN, 1, "one worker"},       {HW_CLOCK_EXPONENTIAL, 4, "exponential, 4"},
                     {HW_CLOCK_EXPONENTIAL, 8, "exponential, 8"},   {HW_CLOCK_EXPONENTIAL, 16, "exponential, 16"},
                     {HW_CLOCK_EXPONENTIAL, 32, "exponential, 32"}, {HW_CLOCK_ROUND_ROBIN, 4, "round robin, 4"},
                     {HW_CLOCK_ROUND_ROBIN, 8, "round robin, 8"},   {HW_CLOCK_ROUND_ROBIN, 16, "round robin, 16"}};

typedef struct trial {
    papers *p;
    const papers_digits *d;
    double target;
    double steps[CASES][POLICIES][MOST_SEEDS];
    bool diverged[CASES][POLICIES][MOST_SEEDS];
} trial;

static bool job(void *context, unsigned number)
{
    trial *t = context;
    unsigned seed = number % t->p->seeds, k = number / t->p->seeds % POLICIES, i = number / t->p->seeds / POLICIES;
    if (i == 0 && k > 0) return true; /* one worker needs none */
    hw_config c = papers_config(settings[i].clock, settings[i].workers, t->p->full ? 20000 : 9000);
    c.batch = 32;
    c.seed = seed + 1;
    c.optimizer.momentum = 0.9;
    c.optimizer.schedule.base = 0.03;
    c.compensation.policy = policies[k];
    c.evaluate_every = 50;
    papers_run_result r = papers_run(&t->d->objective, &c, t->d->start, 1, t->target);
    t->steps[i][k][seed] = r.steps;
    t->diverged[i][k][seed] = r.diverged;
    return !cli_interrupted;
}

bool papers_compensation(papers *p)
{
    static char cells[(CASES + 1) * (POLICIES + 1)][64];
    static double mean[CASES][POLICIES];
    papers_digits d;
    trial *t = calloc(1, sizeof *t);
    if (!t) return papers_trouble(p, "no memory");
    if (!papers_digits_open(p, &d, 64, 32, true)) {
        free(t);
        return false;
    }
    t->p = p;
    t->d = &d;
    t->target = d.digits.real ? 0.93 : 0.8;
    bool good = jobs_run(job, t, CASES * POLICIES * p->seeds, p->id);
    (void)snprintf(cells[0], 64, "clock, workers");
    for (unsigned k = 0; k < POLICIES; k++) (void)snprintf(cells[k + 1], 64, "%s", hw_policy_name(policies[k]));
    for (unsigned i = 0; i < CASES; i++) {
        (void)snprintf(cells[(i + 1) * (POLICIES + 1)], 64, "%s", settings[i].name);
        for (unsigned k = 0; k < POLICIES; k++) {
            char *cell = cells[(i + 1) * (POLICIES + 1) + k + 1];
            double half;
            unsigned bad = 0, slow = 0;
            papers_mean(t->steps[i][k], p->seeds, &mean[i][k], &half);
            for (unsigned s = 0; s < p->seeds; s++) {
                bad += t->diverged[i][k][s];
                slow += !t->diverged[i][k][s] && !isfinite(t->steps[i][k][s]);
            }
            if (i == 0 && k > 0)
                (void)snprintf(cell, 64, "-");
            else if (bad)
                (void)snprintf(cell, 64, "diverges (%u of %u)", bad, p->seeds);
            else if (slow)
                (void)snprintf(cell, 64, "too slow (%u of %u)", slow, p->seeds);
            else
                (void)snprintf(cell, 64, "%.0f +- %.0f", mean[i][k], half);
        }
    }
    good = good && papers_table(p, (const char(*)[64])cells, CASES + 1, POLICIES + 1);
    if (good)
        papers_verdict(
            p, PAPERS_MEASURED,
            "updates to %.0f %% (perceptron 784-64-10, %s, batch 32, momentum 0.9, learning rate "
            "0.03), one worker %.0f. Exponential work, 8 workers: none %.0f, theory %.0f, measured %.0f, exact "
            "%.0f, look-ahead %.0f, auto %.0f. Round robin, 8: none %.0f, theory %.0f, look-ahead %.0f, auto %.0f "
            "(nan: it diverges or is too slow)",
            100 * t->target, d.digits.real ? "MNIST" : "generated digits", mean[0][0], mean[2][0], mean[2][1],
            mean[2][2], mean[2][3], mean[2][5], mean[2][6], mean[6][0], mean[6][1], mean[6][5], mean[6][6]);
    papers_digits_close(&d);
    free(t);
    return good;
}
