/* own_steps.c - Mitliagkas et al. leave a learning rate and a momentum of each group's own to future work. Eight
 * workers, of whom two are ten times slower, so that their gradients are ten times as old: what smaller steps, or no
 * momentum, of those two are worth, where rate and momentum of all are tuned anew for each. Chosen on some seeds,
 * judged on others. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

enum {
    SCHEMES = 8,
    RATES = 6,
    MOMENTA = 3,
    MOST_SEEDS = 20,
    JUDGES = 4,
    WORKERS = 8,
    SLOW = 2,
    UPDATES = 6000,
    COLUMNS = 6
};

typedef struct scheme {
    const char *name;
    double rate, momentum; /* of the slow ones; NAN: that of all */
} scheme;

static const scheme schemes[SCHEMES] = {{"all alike", 1, NAN},
                                        {"slow ones at twice the rate", 2, NAN},
                                        {"slow ones at half the rate", 0.5, NAN},
                                        {"slow ones at a quarter of the rate", 0.25, NAN},
                                        {"slow ones at a tenth of the rate", 0.1, NAN},
                                        {"slow ones without momentum", 1, 0},
                                        {"slow ones at a quarter, no momentum", 0.25, 0},
                                        {"slow ones at twice, momentum -0.3", 2, -0.3}};
static const double momenta[MOMENTA] = {0.9, 0.6, 0.3};

typedef struct own {
    papers *p;
    const papers_digits *d;
    double rate[RATES];
    double tuned[SCHEMES][MOMENTA][RATES][MOST_SEEDS];
    unsigned best_momentum[SCHEMES], best_rate[SCHEMES];
    unsigned judges;
    double judged[SCHEMES][JUDGES * MOST_SEEDS], updates[SCHEMES][JUDGES * MOST_SEEDS];
} own;

/* Virtual time to the target. */
static papers_run_result run(const own *s, unsigned k, unsigned m, unsigned a, uint64_t seed)
{
    hw_own_step steps[WORKERS];
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, WORKERS, UPDATES);
    for (unsigned i = 0; i < WORKERS; i++)
        steps[i] = i < WORKERS - SLOW ? (hw_own_step){1, NAN} : (hw_own_step){schemes[k].rate, schemes[k].momentum};
    c.own_steps = steps;
    c.n_own_steps = WORKERS;
    c.simulation.stragglers = SLOW;
    c.simulation.straggler_factor = 10;
    c.batch = 16;
    c.seed = seed;
    c.optimizer.momentum = momenta[m];
    c.optimizer.schedule.base = s->rate[a] * (1 - momenta[m]);
    c.evaluate_every = 25;
    c.divergence = 100;
    return papers_run(&s->d->objective, &c, s->d->start, 1, 0.75);
}

static bool tuning_job(void *context, unsigned number)
{
    own *s = context;
    unsigned seed = number % s->p->seeds, a = number / s->p->seeds % RATES, m = number / s->p->seeds / RATES % MOMENTA,
             k = number / s->p->seeds / RATES / MOMENTA;
    s->tuned[k][m][a][seed] = run(s, k, m, a, seed + 1).virtual_time;
    return !cli_interrupted;
}

static bool judging_job(void *context, unsigned number)
{
    own *s = context;
    unsigned seed = number % s->judges, k = number / s->judges;
    papers_run_result r = run(s, k, s->best_momentum[k], s->best_rate[k], 1000 + seed);
    s->judged[k][seed] = r.virtual_time;
    s->updates[k][seed] = r.steps;
    return !cli_interrupted;
}

static void choose(own *s)
{
    for (unsigned k = 0; k < SCHEMES; k++) {
        double least = INFINITY;
        for (unsigned m = 0; m < MOMENTA; m++)
            for (unsigned a = 0; a < RATES; a++) {
                double mean, interval;
                papers_mean(s->tuned[k][m][a], s->p->seeds, &mean, &interval);
                if (!(mean < least)) continue; /* also where a seed missed the target */
                least = mean;
                s->best_momentum[k] = m;
                s->best_rate[k] = a;
            }
    }
}

typedef struct judged {
    double time, half, updates, ratio, ratio_half; /* ratio: to all alike, seed by seed */
} judged;

static void judge(const own *s, judged *j)
{
    for (unsigned k = 0; k < SCHEMES; k++) {
        double ratio[JUDGES * MOST_SEEDS], unused;
        for (unsigned i = 0; i < s->judges; i++) ratio[i] = s->judged[k][i] / s->judged[0][i];
        papers_mean(s->judged[k], s->judges, &j[k].time, &j[k].half);
        papers_mean(s->updates[k], s->judges, &j[k].updates, &unused);
        papers_mean(ratio, s->judges, &j[k].ratio, &j[k].ratio_half);
    }
}

static bool put(papers *p, const own *s, const judged *j)
{
    static const char *const head[COLUMNS] = {
        "two slow workers of eight", "virtual time to 75 %", "of all alike", "updates", "learning rate", "momentum"};
    char cells[(SCHEMES + 1) * COLUMNS][64];
    double x[SCHEMES], y[SCHEMES], half[SCHEMES];
    hw_curve curves[SCHEMES];
    for (int i = 0; i < COLUMNS; i++) (void)snprintf(cells[i], 64, "%s", head[i]);
    for (unsigned k = 0; k < SCHEMES; k++) {
        char(*row)[64] = cells + (size_t)(k + 1) * COLUMNS;
        const double momentum = momenta[s->best_momentum[k]];
        (void)snprintf(row[0], 64, "%s", schemes[k].name);
        (void)snprintf(row[1], 64, "%.0f +- %.0f", j[k].time, j[k].half);
        (void)snprintf(row[2], 64, "%.2f +- %.2f", j[k].ratio, j[k].ratio_half);
        (void)snprintf(row[3], 64, "%.0f", j[k].updates);
        (void)snprintf(row[4], 64, "%.3g", s->rate[s->best_rate[k]] * (1 - momentum));
        (void)snprintf(row[5], 64, "%g", momentum);
        x[k] = k;
        y[k] = j[k].ratio;
        half[k] = j[k].ratio_half;
        curves[k] = (hw_curve){schemes[k].name, x + k, y + k, half + k, 1, HW_CURVE_POINTS, 0};
    }
    const hw_chart chart = {.file = "own-steps",
                            .title = "Steps of their own for the two slow ones of eight workers",
                            .x_label = "scheme",
                            .y_label = "time to 75 %, of all alike",
                            .y_low = 0.8,
                            .y_high = NAN};
    return papers_chart(p, &chart, curves, SCHEMES) && papers_table(p, (const char(*)[64])cells, SCHEMES + 1, COLUMNS);
}

bool papers_own_steps(papers *p)
{
    papers_digits d;
    judged j[SCHEMES];
    own *s = calloc(1, sizeof *s);
    if (!s) return papers_trouble(p, "no memory");
    if (!papers_digits_open(p, &d, 32, 16, false)) {
        free(s);
        return false;
    }
    s->p = p;
    s->d = &d;
    s->judges = JUDGES * p->seeds;
    for (unsigned a = 0; a < RATES; a++) s->rate[a] = 1.6 * pow(0.6, a);
    bool good = jobs_run(tuning_job, s, SCHEMES * MOMENTA * RATES * p->seeds, p->id);
    if (good) choose(s);
    good = good && jobs_run(judging_job, s, SCHEMES * s->judges, p->id);
    if (good) judge(s, j);
    good = good && put(p, s, j);
    if (good) {
        unsigned best = 0;
        for (unsigned k = 1; k < SCHEMES; k++)
            if (j[k].ratio < j[best].ratio) best = k;
        bool gains = j[best].ratio + j[best].ratio_half < 1;
        const char *says = !best   ? "none is quicker than those"
                           : gains ? "come sooner to the target than those"
                                   : "are the quickest, within the noise";
        papers_verdict(
            p, PAPERS_MEASURED,
            "8 workers, 2 of them ten times slower, each at its best rate and momentum of %d, judged on %u "
            "other seeds, of the time where all eight step alike: %s%s%s (%.2f +- %.2f); at a quarter of the rate %.2f "
            "+- %.2f, at a tenth %.2f +- %.2f, without momentum %.2f +- %.2f",
            RATES * MOMENTA, s->judges, best ? schemes[best].name : "", best ? " " : "", says, j[best].ratio,
            j[best].ratio_half, j[3].ratio, j[3].ratio_half, j[4].ratio, j[4].ratio_half, j[5].ratio, j[5].ratio_half);
    }
    papers_digits_close(&d);
    free(s);
    return good;
}
