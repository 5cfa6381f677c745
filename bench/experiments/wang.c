/* wang.c - Wang et al.: the toy, stragglers with age-dependent steps and partial gathering, the momentum sweep.
 */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

/* --- eqs. (4) and (5)
 * ------------------------------------------------------------------------------------------------------ */

static hw_status square_step(void *self, hw_worker *w, const hw_batch *batch)
{
    const float *x = hw_read(w);
    (void)self, (void)batch;
    hw_gradient(w)[0] = 2 * x[0];
    return hw_write(w, (double)x[0] * (double)x[0]);
}

static hw_status square_value(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first, (void)count;
    sums[0] += (double)x[0];
    return HW_OK;
}

/* x' = x - alpha g - gamma (last g): a rule of the user's, whose state is the last gradient. */
static void lagged(void *self, const float *w, float *const *state, const float *g, float *delta, size_t n,
                   const hw_rule_info *info)
{
    const double *gamma = self;
    (void)w;
    for (size_t i = 0; i < n; i++) {
        delta[i] = (float)(-info->learning_rate) * g[i] - (float)*gamma * state[0][i];
        state[0][i] = g[i];
    }
}

bool papers_wang_toy(papers *p)
{
    double steps[2];
    for (int k = 0; k < 2; k++) {
        double gamma = k ? 1.0 / 32 : 0;
        hw_rule rule = {"lagged gradient", 1, lagged, &gamma};
        hw_objective o = hw_objective_defaults("x squared", 1);
        o.step = square_step;
        o.evaluate = square_value;
        o.evaluation_examples = 1;
        hw_config c = papers_config(HW_CLOCK_ROUND_ROBIN, 1, 100);
        c.evaluate_every = 1;
        c.optimizer.rule = HW_RULE_USER;
        c.optimizer.user_rule = &rule;
        c.optimizer.schedule.base = 0.25;
        const float start = 8;
        papers_run_result r = papers_run(&o, &c, &start, 0, 1e-6);
        steps[k] = r.steps;
    }
    papers_verdict(
        p, fabs(steps[0] - 23) < 0.5 && fabs(steps[1] - 14) < 0.5 ? PAPERS_REPRODUCED : PAPERS_NOT,
        "x falls below 1e-6 after %.0f steps without the lagged gradient and after %.0f with it (exact: 23, 14)",
        steps[0], steps[1]);
    return true;
}

/* --- stragglers
 * ------------------------------------------------------------------------------------------------------------- */

enum { SCHEMES = 10, RATES = 8, MOST_SEEDS = 20, WORKERS = 8 };

typedef struct scheme {
    const char *name;
    unsigned gather;
    hw_age age;
} scheme;

static const scheme schemes[SCHEMES] = {
    {"wait for all 8", 8, HW_AGE_NONE},
    {"first 4 of 8", 4, HW_AGE_NONE},
    {"first 4 of 8, e^-age", 4, HW_AGE_EXPONENTIAL},
    {"first 4 of 8, 2^-age", 4, HW_AGE_POWER},
    {"no waiting", 1, HW_AGE_NONE},
    {"no waiting, e^-age", 1, HW_AGE_EXPONENTIAL},
    {"no waiting, 1.2^-age", 1, HW_AGE_POWER},
    {"no waiting, 1/age", 1, HW_AGE_INVERSE},
    {"no waiting, M/max(M, age)", 1, HW_AGE_CONCURRENCY},
    {"no waiting, none above M", 1, HW_AGE_DROP},
};

typedef struct stragglers {
    papers *p;
    const papers_digits *d;
    double rate[RATES], steps[SCHEMES][RATES][MOST_SEEDS], time[SCHEMES][RATES][MOST_SEEDS];
    unsigned n_rates;
} stragglers;

static bool straggler_job(void *context, unsigned number)
{
    stragglers *s = context;
    unsigned seed = number % s->p->seeds, a = number / s->p->seeds % s->n_rates, k = number / s->p->seeds / s->n_rates;
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, WORKERS, 6000u * schemes[k].gather);
    c.simulation.stragglers = 2;
    c.simulation.straggler_factor = 10;
    c.simulation.gather = schemes[k].gather;
    c.compensation.age = schemes[k].age;
    c.compensation.age_base = schemes[k].gather == 1 ? 1.2 : 2;
    c.batch = 16;
    c.seed = seed + 1;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = s->rate[a];
    c.evaluate_every = 25;
    c.divergence = 100;
    papers_run_result r = papers_run(&s->d->objective, &c, s->d->start, 1, 0.75);
    s->steps[k][a][seed] = r.steps;
    s->time[k][a][seed] = r.virtual_time;
    return !cli_interrupted;
}

bool papers_wang_stragglers(papers *p)
{
    papers_digits d;
    static char cells[5 * (SCHEMES + 1)][64];
    double time[SCHEMES], half[SCHEMES], steps[SCHEMES], x[SCHEMES];
    stragglers *s = calloc(1, sizeof *s);
    if (!s) return papers_trouble(p, "no memory");
    if (!papers_digits_open(p, &d, 32, 16, false)) {
        free(s);
        return false;
    }
    s->p = p;
    s->d = &d;
    s->n_rates = p->full ? RATES : 5;
    for (unsigned a = 0; a < s->n_rates; a++) s->rate[a] = 1.6 * pow(p->full ? 0.6 : 0.4, a);
    bool good = jobs_run(straggler_job, s, SCHEMES * s->n_rates * p->seeds, p->id);
    const char *head[] = {"scheme", "virtual time", "+-", "updates", "learning rate"};
    for (int j = 0; j < 5; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned k = 0; k < SCHEMES; k++) {
        unsigned rate = 0;
        x[k] = k;
        time[k] = half[k] = steps[k] = NAN;
        for (unsigned a = 0; a < s->n_rates; a++) {
            double mean, interval, other;
            papers_mean(s->time[k][a], p->seeds, &mean, &interval);
            if (!isfinite(mean) || mean >= time[k]) continue;
            time[k] = mean;
            half[k] = interval;
            rate = a;
            papers_mean(s->steps[k][a], p->seeds, &steps[k], &other);
        }
        (void)snprintf(cells[5 * (k + 1)], 64, "%s", schemes[k].name);
        (void)snprintf(cells[5 * (k + 1) + 1], 64, "%.0f", time[k]);
        (void)snprintf(cells[5 * (k + 1) + 2], 64, "%.0f", half[k]);
        (void)snprintf(cells[5 * (k + 1) + 3], 64, "%.0f", steps[k]);
        (void)snprintf(cells[5 * (k + 1) + 4], 64, "%.3g", s->rate[rate]);
    }
    hw_curve curves[SCHEMES];
    for (unsigned k = 0; k < SCHEMES; k++)
        curves[k] = (hw_curve){schemes[k].name, x + k, time + k, half + k, 1, HW_CURVE_POINTS, 0};
    hw_chart chart = {.file = "wang-stragglers",
                      .title = "8 workers, 2 of them ten times slower: time to 75 %",
                      .x_label = "scheme",
                      .y_label = "units of mean work",
                      .log_y = 1,
                      .y_low = NAN,
                      .y_high = NAN};
    good =
        good && papers_chart(p, &chart, curves, SCHEMES) && papers_table(p, (const char(*)[64])cells, SCHEMES + 1, 5);
    if (good) {
        bool faster = time[4] + half[4] < time[0] - half[0] && time[1] + half[1] < time[0] - half[0], aged = false;
        for (unsigned k = 0; k < SCHEMES; k++) {
            unsigned base = schemes[k].gather == 1 ? 4 : 1;
            if (schemes[k].age != HW_AGE_NONE && schemes[k].gather != WORKERS)
                aged = aged || time[k] + half[k] < time[base] - half[base];
        }
        papers_verdict(
            p,
            faster && aged ? PAPERS_REPRODUCED
            : faster       ? PAPERS_PARTLY
                           : PAPERS_NOT,
            "time to 75 %% at the best learning rate, mean of %u seeds: waiting for all %.0f +- %.0f, the first 4 of 8 "
            "%.0f +- %.0f, no waiting %.0f +- %.0f units of mean work: not waiting %s. Steps that fall with the age "
            "%s (no waiting: e^-age %.0f, 1.2^-age %.0f, 1/age %.0f; first 4: e^-age %.0f, 2^-age %.0f)",
            p->seeds, time[0], half[0], time[1], half[1], time[4], half[4],
            faster ? "is faster" : "is not faster beyond the noise",
            aged ? "are faster still in at least one form" : "gain nothing beyond the noise", time[5], time[6], time[7],
            time[2], time[3]);
    }
    papers_digits_close(&d);
    free(s);
    return good;
}

/* --- LeNet, batch 256, momentum 0 to 0.99
 * ------------------------------------------------------------------------------------ */

enum { SWEEP = 9 };
static const double sweep[SWEEP] = {0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99};

typedef struct lenet_sweep {
    papers *p;
    cli_lenet *l;
    double accuracy[SWEEP][MOST_SEEDS];
    bool diverged[SWEEP][MOST_SEEDS];
} lenet_sweep;

static bool lenet_job(void *context, unsigned number)
{
    lenet_sweep *s = context;
    unsigned seed = number % s->p->seeds, k = number / s->p->seeds;
    float *start = malloc(hw_net_parameters(s->l->net) * sizeof *start);
    if (!start) return papers_trouble(s->p, "no memory");
    hw_net_init(s->l->net, seed + 1, start);
    hw_config c = papers_config(HW_CLOCK_ROUND_ROBIN, 1, 0);
    c.batch = 256;
    c.epochs = s->p->full ? 10 : 1;
    c.seed = seed + 1;
    c.optimizer.momentum = sweep[k];
    c.optimizer.schedule.base = 0.01;
    papers_run_result r = papers_run(&s->l->objective, &c, start, 1, 0);
    s->accuracy[k][seed] = r.diverged ? 0.1 : r.last; /* counted as chance, and the sentence says how many */
    s->diverged[k][seed] = r.diverged;
    free(start);
    return !cli_interrupted;
}

bool papers_wang_momentum(papers *p)
{
    cli_lenet l;
    static lenet_sweep s;
    double mean[SWEEP], half[SWEEP];
    if (cli_lenet_open("papers", p->data, NULL, p->full ? 60000 : 12000, 256, &l) != 0) return false;
    if (!p->full && l.digits.test.count > 2000) l.digits.test.count = 2000;
    l.objective.evaluation_examples = l.digits.test.count;
    s.p = p;
    s.l = &l;
    bool good = jobs_run(lenet_job, &s, SWEEP * p->seeds, p->id);
    unsigned best = 0, lost = 0;
    for (unsigned k = 0; k < SWEEP; k++) {
        for (unsigned i = 0; i < p->seeds; i++) lost += s.diverged[k][i];
        papers_mean(s.accuracy[k], p->seeds, &mean[k], &half[k]);
        mean[k] *= 100;
        half[k] *= 100;
        if (mean[k] > mean[best]) best = k;
    }
    hw_curve curve = {"LeNet, batch 256", sweep, mean, half, SWEEP, HW_CURVE_LINE_POINTS, 1};
    hw_chart chart = {.file = "wang-momentum",
                      .title = "Momentum sweep (Wang et al., Fig. 1)",
                      .x_label = "momentum",
                      .y_label = "test accuracy (%)",
                      .y_low = NAN,
                      .y_high = NAN};
    good = good && papers_chart(p, &chart, &curve, 1);
    if (good)
        papers_verdict(
            p,
            sweep[best] >= 0.8 && sweep[best] < 0.99 && mean[best] - half[best] > mean[0] + half[0] ? PAPERS_REPRODUCED
            : sweep[best] >= 0.8                                                                    ? PAPERS_PARTLY
                                                                                                    : PAPERS_NOT,
            "%s, %g epoch(s) of %u images at learning rate 0.01, %u seeds: best at momentum %g (%.2f +- %.2f %%); 0: "
            "%.2f +- %.2f, 0.9: %.2f +- %.2f, 0.99: %.2f +- %.2f %%; %u runs diverged and count as 10 %%",
            l.digits.real ? "MNIST" : "generated digits", p->full ? 10.0 : 1.0, l.digits.train.count, p->seeds,
            sweep[best], mean[best], half[best], mean[0], half[0], mean[5], half[5], mean[8], half[8], lost);
    cli_lenet_close(&l);
    return good;
}
