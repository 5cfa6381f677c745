/* liu_phases.c - Liu et al.: how long the three phases of streaming PCA take against Propositions 6, 8 and 10, with
 * momentum and with delay; the way between the saddle and the optimum against the equation, over an ensemble; and
 * Remark 7: delay is no momentum. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 4, RUNS = 100, MOMENTA = 4, DELAYS = 3, WAY = 41, EVERY = 20, MOST = 400000 };

static const double lambda[SIZE] = {4, 3, 2, 1}, momenta[MOMENTA] = {0, 0.5, 0.7, 0.8};
static const unsigned delays[DELAYS] = {0, 20, 40};
static const double eta = 5e-5, delta2 = 0.1, epsilon = 0.02;

/* What a run was seen to do: v_1^2 / |v|^2 every EVERY updates, and when each phase ended. */
typedef struct seen {
    uint64_t updates, ended[3];
    unsigned phase;
    float first[MOST / EVERY + 1];
} seen;

static void look(seen *s, const float *v)
{
    const uint64_t now = s->updates++;
    double all = 0;
    for (int i = 0; i < SIZE; i++) all += (double)v[i] * (double)v[i];
    const double first = (double)v[0] * (double)v[0] / all, second = (double)v[1] * (double)v[1] / all;
    if (now % EVERY == 0) s->first[now / EVERY] = (float)first;
    if (s->phase == 0 && second <= 1 - delta2) s->ended[s->phase++] = now;
    if (s->phase == 1 && first >= 1 - delta2) s->ended[s->phase++] = now;
    if (s->phase == 2 && 1 - first <= epsilon) s->ended[s->phase++] = now;
}

/* v' = v + mu (v - v before) + eta (I - v v^T) X X^T v: the library subtracts, so the gradient is minus that. */
static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const float *v = hw_read(w);
    float *g = hw_gradient(w);
    double x[SIZE], along = 0;
    (void)batch;
    look(self, v);
    for (int i = 0; i < SIZE; i++) {
        x[i] = sqrt(lambda[i]) * hw_rng_normal(hw_random(w));
        along += x[i] * (double)v[i];
    }
    for (int i = 0; i < SIZE; i++) g[i] = (float)(-along * (x[i] - along * (double)v[i]));
    return hw_write(w, 0);
}

typedef struct phases {
    double eta[MOMENTA];                    /* of the setting */
    double n[MOMENTA][DELAYS][RUNS][3];     /* updates of each phase; NaN: not reached */
    double way[MOMENTA][DELAYS][RUNS][WAY]; /* v_1^2 around where it crosses one half, in steps of EVERY updates x by */
} phases;

static const int by = 100; /* looks between two points of the way, for momentum 0 */

static bool job(void *context, unsigned number)
{
    phases *p = context;
    unsigned run = number % RUNS, d = number / RUNS % DELAYS, k = number / RUNS / DELAYS;
    const float start[SIZE] = {0, 1, 0, 0};
    hw_objective o = hw_objective_defaults("streaming PCA", SIZE);
    hw_result r;
    seen *self = calloc(1, sizeof *self);
    if (!self) return false;
    o.step = step;
    o.self = self;
    hw_config c = papers_config(HW_CLOCK_DELAY, 1, MOST);
    c.simulation.delay = delays[d];
    c.seed = run + 1;
    c.batch = 1;
    c.divergence = 0;
    c.optimizer.momentum = momenta[k];
    c.optimizer.schedule.base = p->eta[k];
    float v[SIZE];
    memcpy(v, start, sizeof v);
    bool good = hw_train(&o, &c, v, &r) == HW_OK && !cli_interrupted;
    double *n = p->n[k][d][run], *way = p->way[k][d][run];
    for (unsigned phase = 0; phase < 3; phase++)
        n[phase] =
            phase >= self->phase ? NAN : (double)self->ended[phase] - (phase ? (double)self->ended[phase - 1] : 0);
    /* The same time of the equation for every momentum: fewer updates with more of it. */
    const double apart = by * (1 - momenta[k]) * eta / p->eta[k];
    long half = self->phase > 1 ? (long)self->ended[1] / EVERY : 0;
    while (half > 0 && self->first[half] >= 0.5F) half--;
    for (int i = 0; i < WAY; i++) {
        long place = half + lround((i - WAY / 2) * apart);
        way[i] = half > 0 && place >= 0 && place < MOST / EVERY ? (double)self->first[place] : NAN;
    }
    free(self);
    return good;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one; INFINITY where half of the runs did not get there. */
static double median_of(const phases *p, unsigned k, unsigned d, int phase)
{
    double x[RUNS];
    for (int r = 0; r < RUNS; r++) x[r] = isfinite(p->n[k][d][r][phase]) ? p->n[k][d][r][phase] : INFINITY;
    qsort(x, RUNS, sizeof *x, ascending);
    return 0.5 * (x[RUNS / 2 - 1] + x[RUNS / 2]);
}

/* Propositions 10 (nu one half: the median), 8 and 6, in updates. */
static double proposition(int phase, double mu, double rate)
{
    const double gap = lambda[0] - lambda[1], quantile = 0.6744898,
                 phi = lambda[0] * (lambda[1] + lambda[2] + lambda[3]), alpha = lambda[0] * lambda[1];
    double inside;
    if (phase == 0)
        inside = 2 * (1 - mu) / rate * delta2 * gap / (quantile * quantile * alpha) + 1;
    else if (phase == 1) /* squared: see the verdict */
        inside = (1 - delta2) * (1 - delta2) / (delta2 * delta2);
    else
        inside = (1 - mu) * gap * delta2 / ((1 - mu) * gap * epsilon - 2 * rate * phi);
    return (1 - mu) / (2 * gap) * log(inside) / rate;
}

/* Largest distance between the ensemble's way and v_1^2 = 1 / (1 + exp(-2 (lambda_1 - lambda_2) t)), t the time of the
 * equation. */
static double from_equation(const phases *p, unsigned k, unsigned d, double *x, double *mean, double *exact)
{
    double most = 0;
    for (int i = 0; i < WAY; i++) {
        double sum = 0, t = (i - WAY / 2) * by * EVERY * eta;
        unsigned n = 0;
        for (int r = 0; r < RUNS; r++)
            if (isfinite(p->way[k][d][r][i])) {
                sum += p->way[k][d][r][i];
                n++;
            }
        x[i] = t;
        mean[i] = n ? sum / n : NAN;
        exact[i] = 1 / (1 + exp(-2 * (lambda[0] - lambda[1]) * t));
        if (n) most = fmax(most, fabs(mean[i] - exact[i]));
    }
    return most;
}

static bool run_all(papers *p, phases *f, bool equal_noise)
{
    for (int k = 0; k < MOMENTA; k++) f->eta[k] = equal_noise ? eta * (1 - momenta[k]) : eta;
    return jobs_run(job, f, MOMENTA * DELAYS * RUNS, p->id);
}

static bool put_table(papers *p, const phases *f, double worst[3], double *unlike)
{
    static char cells[(1 + MOMENTA * DELAYS) * 7][64];
    const char *head[] = {"momentum, delay", "escape", "Prop. 10", "way", "2 x Prop. 8", "settling", "Prop. 6"};
    for (int j = 0; j < 7; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned k = 0; k < MOMENTA; k++)
        for (unsigned d = 0; d < DELAYS; d++) {
            char(*row)[64] = cells + (1 + k * DELAYS + d) * 7;
            (void)snprintf(row[0], 64, "%g, %u", momenta[k], delays[d]);
            for (int phase = 0; phase < 3; phase++) {
                double measured = median_of(f, k, d, phase), formula = proposition(phase, momenta[k], f->eta[k]);
                (void)snprintf(row[1 + 2 * phase], 64, "%.0f", measured);
                (void)snprintf(row[2 + 2 * phase], 64, "%.0f", formula);
                double off = fabs(measured / formula - 1), by_delay = fabs(measured / median_of(f, k, 0, phase) - 1);
                /* A phase that did not end, or a formula that has no value, is no agreement. */
                worst[phase] = isfinite(off) ? fmax(worst[phase], off) : INFINITY;
                *unlike = isfinite(by_delay) ? fmax(*unlike, by_delay) : INFINITY;
            }
        }
    return papers_table(p, (const char(*)[64])cells, 1 + MOMENTA * DELAYS, 7);
}

bool papers_liu_phases(papers *p)
{
    phases *f = malloc(sizeof *f), *same = malloc(sizeof *same);
    double worst[3] = {0}, unlike = 0, far = 0, x[WAY], exact[WAY];
    static double mean[MOMENTA * DELAYS][WAY];
    static char names[DELAYS][40];
    hw_curve curves[DELAYS + 1];
    bool good = f && same ? run_all(p, f, false) : papers_trouble(p, "no memory");
    good = good && put_table(p, f, worst, &unlike);
    for (unsigned k = 0; good && k < MOMENTA; k++)
        for (unsigned d = 0; d < DELAYS; d++) far = fmax(far, from_equation(f, k, d, x, mean[k * DELAYS + d], exact));
    for (unsigned d = 0; good && d < DELAYS; d++) {
        (void)snprintf(names[d], 40, "momentum 0.8, delay %u", delays[d]);
        curves[d] = (hw_curve){names[d], x, mean[(MOMENTA - 1) * DELAYS + d], NULL, WAY, HW_CURVE_POINTS, d + 1};
    }
    curves[DELAYS] = (hw_curve){"the equation", x, exact, NULL, WAY, HW_CURVE_LINE, 8};
    const hw_chart chart = {.file = "liu-way",
                            .title = "From the saddle to the optimum: means of 100 runs, aligned at one half",
                            .x_label = "time of the equation: updates x eta / (1 - mu)",
                            .y_label = "v1^2 / |v|^2",
                            .y_low = 0,
                            .y_high = 1};
    good = good && papers_chart(p, &chart, curves, DELAYS + 1) && run_all(p, same, true);
    if (good) {
        /* Remark 7: with the step shrunk so that the noise that is left is the same, momentum saves nothing. */
        double whole[2][MOMENTA] = {{0}}, least = INFINITY, most = 0;
        for (unsigned k = 0; k < MOMENTA; k++) {
            for (int phase = 0; phase < 3; phase++) {
                whole[0][k] += median_of(same, k, 0, phase);
                whole[1][k] += median_of(same, k, DELAYS - 1, phase);
            }
            least = fmin(least, whole[0][k]);
            most = fmax(most, whole[0][k]);
        }
        papers_verdict(
            p,
            worst[0] < 0.25 && worst[1] < 0.25 && worst[2] < 0.25 && far < 0.05 ? PAPERS_REPRODUCED
            : worst[1] < 0.25 && far < 0.1                                      ? PAPERS_PARTLY
                                                                                : PAPERS_NOT,
            "medians of %d runs, eta %g, momentum 0 to 0.8, delays 0, 20, 40: escaping, crossing and settling take "
            "what "
            "Propositions 10, 8 (twice its time, which is what its own equation gives from delta^2 to 1 - delta^2) and "
            "6 "
            "say within %.0f, %.0f and %.0f %%; the delays change a phase's median by at most %.0f %%. Between them "
            "the "
            "ensemble is within %.3f of the equation. Remark 7: at eta (1 - mu), equal noise, all three take %.0f to "
            "%.0f updates, whatever the momentum, and %.0f without it at delay 40",
            RUNS, eta, 100 * worst[0], 100 * worst[1], 100 * worst[2], 100 * unlike, far, least, most, whole[1][0]);
    }
    free(f);
    free(same);
    return good;
}
