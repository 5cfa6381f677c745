/* momentum.c - Mitliagkas et al., Fig. 3: the best explicit momentum against the number of workers, on a
 * quadratic and on a small net; and negative momentum. Streaming PCA of Liu et al. stands here too. */
#include "papers.h"
#include "pca.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 8, MOMENTA = 24, RATES = 16, MOST_SEEDS = 20 };

typedef struct sweep {
    const hw_objective *objective;
    const float *start;
    int metric;
    double target;
    hw_clock_kind clock;
    uint64_t limit, evaluate_every;
    uint32_t batch;
    unsigned workers[WORKERS], n_workers, n_momenta, n_rates, seeds;
    double momentum[MOMENTA], rate[RATES];
    double steps[WORKERS][MOMENTA][RATES][MOST_SEEDS];
} sweep;

/* Updates to the target; NaN where the limit came first, so that the mean of its setting is no number either.
 */
static bool one(void *context, unsigned number)
{
    sweep *s = context;
    unsigned seed = number % s->seeds, a = number / s->seeds % s->n_rates,
             m = number / s->seeds / s->n_rates % s->n_momenta, w = number / s->seeds / s->n_rates / s->n_momenta;
    hw_config c = papers_config(s->clock, s->workers[w], s->limit);
    c.seed = seed + 1;
    c.batch = s->batch;
    c.optimizer.schedule.base = s->rate[a];
    c.evaluate_every = s->evaluate_every;
    c.divergence = 100;
    /* Explicit momentum as it is, negative too: the policy sets it, no gain is kept. */
    c.optimizer.momentum = s->momentum[m] > 0 ? s->momentum[m] : 0;
    c.compensation.policy = HW_POLICY_FIXED;
    c.compensation.fixed = s->momentum[m];
    c.compensation.keep_gain = 0;
    papers_run_result r = papers_run(s->objective, &c, s->start, s->metric, s->target);
    s->steps[w][m][a][seed] = isfinite(r.steps) ? r.steps : NAN;
    return !cli_interrupted;
}

/* Mean steps of the best learning rate over the first `seeds`; NaN where no rate reaches the target with every one. */
static double best_rate(const sweep *s, unsigned w, unsigned m, unsigned seeds, unsigned *rate, double *interval)
{
    double best = NAN;
    for (unsigned a = 0; a < s->n_rates; a++) {
        double mean, half;
        papers_mean(s->steps[w][m][a], seeds, &mean, &half);
        if (isfinite(mean) && !(mean >= best)) {
            best = mean;
            *rate = a;
            *interval = half;
        }
    }
    return best;
}

typedef struct best {
    double momentum[WORKERS], steps[WORKERS], of[WORKERS][MOMENTA], half[WORKERS][MOMENTA];
    double low[WORKERS], high[WORKERS];       /* momenta that are not worse beyond the noise */
    double gain[WORKERS], gain_half[WORKERS]; /* share of updates that `judged` saves against momentum 0 */
    double judged[WORKERS];
    unsigned rate[WORKERS][MOMENTA];
} best;

/* Mean difference of two settings' steps from seed `from` on, seed by seed, and half its interval. */
static double paired(const sweep *s, unsigned w, unsigned m, unsigned a, unsigned other, unsigned b, unsigned from,
                     double *half)
{
    double d[MOST_SEEDS], mean;
    for (unsigned k = from; k < s->seeds; k++) d[k - from] = s->steps[w][m][a][k] - s->steps[w][other][b][k];
    papers_mean(d, s->seeds - from, &mean, half);
    return mean;
}

/* Negative momentum against 0: both are chosen on the first half of the seeds and judged on the other, or the best of
 * many would be better by its luck alone. */
static void judge_zero(const sweep *s, best *b, unsigned w, unsigned zero)
{
    unsigned half = s->seeds / 2, at = 0, rates[MOMENTA];
    double least = NAN, none, interval = NAN;
    for (unsigned m = 0; m < s->n_momenta; m++) {
        double steps = best_rate(s, w, m, half, &rates[m], &interval);
        if (isfinite(steps) && s->momentum[m] <= 1e-9 && !(steps >= least)) {
            least = steps;
            at = m;
        }
    }
    b->gain[w] = b->gain_half[w] = b->judged[w] = NAN;
    if (!isfinite(least) || !isfinite(b->of[w][zero])) return;
    papers_mean(s->steps[w][zero][rates[zero]] + half, s->seeds - half, &none, &interval);
    b->judged[w] = s->momentum[at];
    b->gain[w] = paired(s, w, zero, rates[zero], at, rates[at], half, &interval) / none;
    b->gain_half[w] = interval / none;
}

static void evaluate(const sweep *s, best *b)
{
    unsigned zero = 0;
    while (zero < s->n_momenta && fabs(s->momentum[zero]) > 1e-9) zero++;
    for (unsigned w = 0; w < s->n_workers; w++) {
        unsigned at = 0;
        b->momentum[w] = b->steps[w] = NAN;
        for (unsigned m = 0; m < s->n_momenta; m++) {
            b->half[w][m] = NAN;
            b->of[w][m] = best_rate(s, w, m, s->seeds, &b->rate[w][m], &b->half[w][m]);
            if (isfinite(b->of[w][m]) && !(b->of[w][m] >= b->steps[w])) {
                b->steps[w] = b->of[w][m];
                b->momentum[w] = s->momentum[m];
                at = m;
            }
        }
        b->low[w] = b->high[w] = b->momentum[w];
        for (unsigned m = 0; m < s->n_momenta; m++) {
            double half, worse = paired(s, w, m, b->rate[w][m], at, b->rate[w][at], 0, &half);
            if (!isfinite(b->of[w][m]) || (m != at && !(worse < half))) continue;
            b->low[w] = fmin(b->low[w], s->momentum[m]);
            b->high[w] = fmax(b->high[w], s->momentum[m]);
        }
        judge_zero(s, b, w, zero);
    }
}

static bool figure(papers *p, const sweep *s, const best *b, const char *what, const char *file)
{
    double x[WORKERS], implied[WORKERS], theory[WORKERS];
    char names[WORKERS][40], title[120], other[80];
    hw_curve curves[WORKERS];
    static char cells[64][64];
    const char *head[] = {"workers", "best momentum", "within the noise", "best(1) - best(M)", "1 - 1/M", "updates"};
    for (int j = 0; j < 6; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned w = 0; w < s->n_workers; w++) {
        x[w] = s->workers[w];
        implied[w] = b->momentum[0] - b->momentum[w];
        theory[w] = 1 - 1 / x[w];
        (void)snprintf(names[w], sizeof names[w], "%u worker%s", s->workers[w], s->workers[w] == 1 ? "" : "s");
        curves[w] = (hw_curve){names[w], s->momentum, b->of[w], b->half[w], s->n_momenta, HW_CURVE_LINE_POINTS, 0};
        char(*cell)[64] = cells + 6 * (w + 1);
        (void)snprintf(cell[0], 64, "%u", s->workers[w]);
        (void)snprintf(cell[1], 64, "%.2f", b->momentum[w]);
        (void)snprintf(cell[2], 64, "%.2f to %.2f", b->low[w], b->high[w]);
        (void)snprintf(cell[3], 64, "%.2f", implied[w]);
        (void)snprintf(cell[4], 64, "%.2f", theory[w]);
        (void)snprintf(cell[5], 64, "%.0f", b->steps[w]);
    }
    (void)snprintf(title, sizeof title, "Updates to the target, %s", what);
    hw_chart chart = {.file = file,
                      .title = title,
                      .x_label = "explicit momentum",
                      .y_label = "updates to the target",
                      .log_y = 1,
                      .y_low = NAN,
                      .y_high = NAN};
    if (!papers_chart(p, &chart, curves, s->n_workers)) return false;
    (void)snprintf(other, sizeof other, "%s-best", file);
    (void)snprintf(title, sizeof title, "Best explicit momentum, %s", what);
    hw_curve summary[] = {{"best explicit momentum", x, b->momentum, NULL, s->n_workers, HW_CURVE_LINE_POINTS, 2},
                          {"implicit: best(1) - best(M)", x, implied, NULL, s->n_workers, HW_CURVE_LINE_POINTS, 1},
                          {"1 - 1/M", x, theory, NULL, s->n_workers, HW_CURVE_LINE, 7}};
    hw_chart second = {
        .file = other, .title = title, .x_label = "workers", .y_label = "momentum", .y_low = NAN, .y_high = 1};
    return papers_chart(p, &second, summary, 3) && papers_table(p, (const char(*)[64])cells, s->n_workers + 1, 6);
}

static void verdict(papers *p, const sweep *s, const best *b)
{
    unsigned last = s->n_workers - 1;
    /* Falls: lower at the most workers than at one, and the ranges that are as good do not coincide. */
    bool falls = b->momentum[last] < b->momentum[0] - 0.1 && b->low[last] < b->low[0] && b->high[last] < b->high[0];
    bool apart = b->high[last] < b->low[0], negative = b->judged[last] < -1e-9 && b->gain[last] > b->gain_half[last];
    papers_verdict(
        p,
        apart && negative ? PAPERS_REPRODUCED
        : falls           ? PAPERS_PARTLY
                          : PAPERS_NOT,
        "the best explicit momentum is %.2f (%.2f to %.2f within the noise) at 1 worker and %.2f (%.2f to %.2f) at "
        "%u; there the best of those at or below 0, chosen on half of the %u seeds (%.2f), takes %.0f +- %.0f %% "
        "fewer updates than momentum 0 on the other half (the paper: -0.09 at 8 groups, 15 %%)",
        b->momentum[0], b->low[0], b->high[0], b->momentum[last], b->low[last], b->high[last], s->workers[last],
        s->seeds, b->judged[last], 100 * b->gain[last], 100 * b->gain_half[last]);
}

static void fill_momenta(sweep *s, const double *list, unsigned n)
{
    memcpy(s->momentum, list, n * sizeof *list);
    s->n_momenta = n;
}

bool papers_best_quadratic(papers *p)
{
    enum { N = 10 };
    static const double momenta[] = {-0.5, -0.4, -0.3, -0.2, -0.15, -0.09, -0.06, -0.03, 0,    0.1, 0.2,
                                     0.3,  0.4,  0.5,  0.6,  0.65,  0.7,   0.75,  0.8,   0.85, 0.9, 0.95};
    float curvature[N], optimum[N] = {0}, start[N];
    hw_objective o;
    sweep *s = calloc(1, sizeof *s);
    best *b = calloc(1, sizeof *b);
    if (!s || !b) {
        free(s);
        free(b);
        return papers_trouble(p, "no memory");
    }
    for (int i = 0; i < N; i++) {
        curvature[i] = powf(100, (float)i / (N - 1) - 1); /* condition number 100 */
        start[i] = 1 / sqrtf(curvature[i]);
    }
    hw_quadratic q = {N, curvature, optimum, 0};
    (void)hw_quadratic_objective(&q, &o, NULL);
    *s = (sweep){.objective = &o,
                 .start = start,
                 .metric = 0,
                 .target = 5e-4,
                 .clock = HW_CLOCK_EXPONENTIAL,
                 .limit = 3000,
                 .evaluate_every = 5,
                 .batch = 1,
                 .workers = {1, 2, 4, 8, 16},
                 .n_workers = 5,
                 .seeds = p->full ? 20 : 12};
    fill_momenta(s, momenta, sizeof momenta / sizeof *momenta);
    for (s->n_rates = 0; s->n_rates < RATES; s->n_rates++) s->rate[s->n_rates] = 2.4 * pow(0.75, s->n_rates);
    bool good = jobs_run(one, s, s->n_workers * s->n_momenta * s->n_rates * s->seeds, p->id);
    if (good) {
        evaluate(s, b);
        good = figure(p, s, b, "quadratic", "best-quadratic");
        verdict(p, s, b);
    }
    free(s);
    free(b);
    return good;
}

bool papers_best_net(papers *p)
{
    static const double reduced[] = {-0.4, -0.2, -0.09, 0, 0.3, 0.5, 0.7, 0.8, 0.9},
                        full[] = {-0.4, -0.3, -0.2, -0.09, -0.06, -0.03, 0,   0.1,
                                  0.2,  0.3,  0.4,  0.5,   0.6,   0.7,   0.8, 0.9};
    papers_digits d;
    sweep *s = calloc(1, sizeof *s);
    best *b = calloc(1, sizeof *b);
    bool good = s && b ? papers_digits_open(p, &d, 32, 64, false) : papers_trouble(p, "no memory");
    if (good) {
        *s = (sweep){.objective = &d.objective,
                     .start = d.start,
                     .metric = 0, /* the test loss: an accuracy of so few images is too coarse to tell settings apart */
                     .target = 0.85,
                     .clock = HW_CLOCK_EXPONENTIAL,
                     .limit = 2000,
                     .evaluate_every = 10,
                     .batch = 64,
                     .workers = {1, 2, 4, 8},
                     .n_workers = 4,
                     .seeds = 2 * p->seeds > MOST_SEEDS ? MOST_SEEDS : 2 * p->seeds};
        if (p->full) {
            fill_momenta(s, full, sizeof full / sizeof *full);
            s->workers[s->n_workers++] = 16;
        } else {
            fill_momenta(s, reduced, sizeof reduced / sizeof *reduced);
        }
        const unsigned rates = p->full ? 8 : 5;
        for (s->n_rates = 0; s->n_rates < rates; s->n_rates++)
            s->rate[s->n_rates] = 0.5 * pow(p->full ? 0.5 : 0.4, s->n_rates);
        good = jobs_run(one, s, s->n_workers * s->n_momenta * s->n_rates * s->seeds, p->id);
        if (good) {
            evaluate(s, b);
            good = figure(p, s, b, "perceptron", "best-net");
            verdict(p, s, b);
        }
        papers_digits_close(&d);
    }
    free(s);
    free(b);
    return good;
}

bool papers_pca(papers *p)
{
    static const struct reference {
        unsigned momentum, delay;
        double error;
    } references[] = {{0, 0, 0.0148},  {0, 100, 0.0189}, {0, 120, 0.0217}, {0, 150, 0.0574}, {1, 0, 0.0221},
                      {1, 80, 0.0345}, {1, 100, 0.121},  {3, 0, 0.0440},   {3, 30, 0.0550},  {3, 40, 0.109},
                      {4, 0, 0.0887},  {4, 10, 0.1026},  {4, 20, 0.334}};
    static const unsigned knees[] = {120, 80, 60, 30, 10};
    static pca_figure f;
    pca_options o = pca_defaults();
    if (!pca_run("papers", &o, &f) || !pca_report("papers", &o, &f, p->report)) return false;
    double worst = 0, last = 0;
    bool same = true;
    for (unsigned k = 0; k < o.momenta; k++) same = same && f.knee[k] == knees[k];
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        double off = fabs(f.error[references[i].momentum][references[i].delay / 10] / references[i].error - 1);
        if (i + 1 == sizeof references / sizeof *references)
            last = f.error[references[i].momentum][references[i].delay / 10];
        else
            worst = fmax(worst, off);
    }
    papers_verdict(
        p,
        same && worst < 0.15 && fabs(last / 0.334 - 1) < 0.15 ? PAPERS_REPRODUCED
        : same && worst < 0.15                                ? PAPERS_PARTLY
                                                              : PAPERS_NOT,
        "the largest delays with an error below 1.7 times that at delay 0 are %u, %u, %u, %u, %u (the paper's knees: "
        "120, 80, 60, 30, 10); linear stability ends at %u, %u, %u, %u, %u; twelve reference means are within %.0f "
        "%%; the thirteenth, momentum 0.95 at delay 20, is %.2f against 0.33: %.0f %% of its runs diverged and count "
        "as "
        "error 1 here",
        f.knee[0], f.knee[1], f.knee[2], f.knee[3], f.knee[4], f.stable[0], f.stable[1], f.stable[2], f.stable[3],
        f.stable[4], 100 * worst, last, 100 * (1 - f.alive[4][2]));
    return true;
}
