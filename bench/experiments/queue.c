/* queue.c - Mitliagkas et al.: the theorems against exact values, and Fig. 2. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

/* f(w) = w^2 / 2 from w = 1; the evaluation is w itself, not the loss, so that means over runs can be compared with
 * the exact expectation. */
static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    const float *x = hw_read(w);
    (void)self, (void)batch;
    hw_gradient(w)[0] = x[0];
    return hw_write(w, 0.5 * (double)x[0] * (double)x[0]);
}

static hw_status position(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch, (void)first, (void)count;
    sums[0] += (double)x[0];
    return HW_OK;
}

/* One run: w at its first n evaluations. */
static bool follow(const hw_config *c, double *w, size_t n)
{
    hw_objective o = hw_objective_defaults("parabola", 1);
    o.step = step;
    o.evaluate = position;
    o.evaluation_examples = 1;
    hw_engine *e;
    const float start = 1;
    if (hw_engine_create(&e, &o, c, &start, NULL) != HW_OK) return false;
    bool good = hw_engine_run(e, NULL) == HW_OK;
    size_t count;
    const hw_evaluation *ev = hw_engine_evaluations(e, &count);
    for (size_t i = 0; i < n; i++) w[i] = i < count ? ev[i].metric[0] : NAN;
    hw_engine_free(e);
    return good && !cli_interrupted;
}

typedef struct oracle {
    const char *name;
    hw_clock_kind clock;
    double shape;
    unsigned workers;
    double alpha, momentum;
    hw_policy policy;
    double expected[4]; /* at t = 5, 10, 20, 30; NaN: not known */
} oracle;

typedef struct many {
    const oracle *o;
    unsigned runs;
    double *w; /* runs x 6: at 5, 10, 15, 20, 25, 30 */
} many;

static bool one(void *context, unsigned number)
{
    many *m = context;
    /* Longer than what is looked at: at the end of a run workers find no ticket, and the clock is no queue any more. */
    hw_config c = papers_config(m->o->clock, m->o->workers, 30 + m->o->workers);
    c.simulation.shape = m->o->shape;
    c.optimizer.schedule.base = m->o->alpha;
    c.optimizer.momentum = m->o->policy == HW_POLICY_FIXED ? 0 : m->o->momentum;
    c.compensation.policy = m->o->policy;
    c.compensation.fixed = m->o->momentum;
    c.compensation.keep_gain = 0;
    c.compensation.shrinkage = 1;
    c.evaluate_every = 5;
    c.divergence = 0;
    c.seed = number + 1;
    return follow(&c, m->w + (size_t)number * 6, 6);
}

static void mean_at(const many *m, unsigned i, double *mean, double *error)
{
    double sum = 0, squares = 0;
    for (unsigned k = 0; k < m->runs; k++) {
        double x = m->w[(size_t)k * 6 + i];
        sum += x;
        squares += x * x;
    }
    *mean = sum / m->runs;
    *error = sqrt((squares / m->runs - *mean * *mean) / m->runs);
}

bool papers_oracles(papers *p)
{
    static const oracle list[] = {
        {"Theorem 5, M = 8", HW_CLOCK_EXPONENTIAL, 0, 8, 0.1, 0, HW_POLICY_NONE, {0.5225, 0.1536, -0.1706, -0.1431}},
        {"explicit -0.2, M = 4",
         HW_CLOCK_EXPONENTIAL,
         0,
         4,
         0.4,
         -0.2,
         HW_POLICY_FIXED,
         {-0.2381, -0.2511, 0.0550, -0.0099}},
        {"exact compensation, M = 4",
         HW_CLOCK_EXPONENTIAL,
         0,
         4,
         0.1,
         0.5,
         HW_POLICY_EXACT,
         {0.3646, 0.0661, NAN, NAN}},
        {"wrong model: Erlang-25", HW_CLOCK_GAMMA, 25, 4, 0.4, 0, HW_POLICY_NONE, {NAN, NAN, NAN, NAN}},
        {"Theorem 5, M = 4", HW_CLOCK_EXPONENTIAL, 0, 4, 0.4, 0, HW_POLICY_NONE, {NAN, NAN, NAN, NAN}},
    };
    const unsigned at[] = {5, 10, 20, 30}, n = sizeof list / sizeof *list, runs = p->full ? 200000 : 20000;
    static char cells[64][64];
    double worst = 0, apart = 0, theory[31] = {1}, step = -0.4;
    const char *head[] = {"oracle", "t = 5", "t = 10", "t = 20", "t = 30"};
    many m = {NULL, runs, malloc(sizeof(double) * 6 * runs)};
    if (!m.w) return papers_trouble(p, "no memory");
    for (int j = 0; j < 5; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    /* Theorem 5 for 4 workers at 0.4, which the Erlang row must not pass for. */
    for (int t = 1; t <= 30; t++) {
        if (t > 1) step = 0.75 * step - 0.25 * 0.4 * theory[t - 1];
        theory[t] = theory[t - 1] + step;
    }
    for (unsigned k = 0; k < n; k++) {
        m.o = list + k;
        if (!jobs_run(one, &m, runs, p->id)) {
            free(m.w);
            return cli_interrupted ? false : papers_trouble(p, "a run failed");
        }
        (void)snprintf(cells[5 * (k + 1)], 64, "%s", list[k].name);
        for (int j = 0; j < 4; j++) {
            double mean, error, expected = list[k].expected[j];
            mean_at(&m, at[j] / 5 - 1, &mean, &error);
            bool wrong = list[k].clock != HW_CLOCK_EXPONENTIAL;
            if (wrong || isnan(expected)) expected = wrong || k == 4 ? theory[at[j]] : expected;
            double off = fabs(mean - expected) / error;
            if (wrong)
                apart = fmax(apart, off);
            else if (isfinite(expected) && !(off <= worst))
                worst = off;
            if (isfinite(expected))
                (void)snprintf(cells[5 * (k + 1) + (unsigned)j + 1], 64, "%.4f+-%.4f (%.4f)", mean, error, expected);
            else
                (void)snprintf(cells[5 * (k + 1) + (unsigned)j + 1], 64, "%.4f+-%.4f", mean, error);
        }
    }
    free(m.w);
    if (!papers_table(p, (const char(*)[64])cells, n + 1, 5)) return false;
    papers_verdict(
        p, worst < 4 && apart > 4 ? PAPERS_REPRODUCED : PAPERS_NOT,
        "mean over %u runs and its standard error (exact value): the largest deviation of four oracles is %.1f "
        "standard errors; the wrong model (Erlang-25 work against Theorem 5) is %.0f of them off and %s",
        runs, worst, apart, apart > 4 ? "is rejected" : "is not rejected");
    return true;
}

/* --- Theorem 2 by exact recursion
 * ------------------------------------------------------------------------------------------ On f(w) = h w^2 / 2
 * expectations obey linear recursions. Left: E[w_{t+1}] = E[w_t] - alpha h sum_l q_l E[w_{t-l}], the definition of
 * delay. Right: the theorem's form with momentum and differences of q. And measured, by simulation of that very law. */

enum { LAGS = 12, HORIZON = 60, WIDE = 600 };

static void left(const double *q, int lags, double a, double *w)
{
    for (int t = 0; t < HORIZON; t++) {
        double sum = 0;
        for (int l = 0; l < lags; l++) sum += q[l] * w[t - l > 0 ? t - l : 0];
        w[t + 1] = w[t] - a * sum;
    }
}

/* E[w_{t+1} - w_t] = E[w_t - w_{t-1}] - a q_0 E[w_t] + a sum_l (q_l - q_{l+1}) E[w_{t-l-1}], with the first step of the
 * other side; w_{-k} := w_0 as the workers that have not landed yet hold it. */
static void right(const double *q, double a, double *w)
{
    w[1] = w[0] - a * w[0];
    for (int t = 1; t < HORIZON; t++) {
        double sum = -a * q[0] * w[t];
        for (int l = 0; l < LAGS; l++)
            sum += a * (q[l] - (l + 1 < LAGS ? q[l + 1] : 0)) * w[t - l - 1 > 0 ? t - l - 1 : 0];
        w[t + 1] = w[t] + (w[t] - w[t - 1]) + sum;
    }
}

typedef struct laws {
    const hw_histogram *h;
    double *sum, *squares;
    unsigned block;
} laws;

static bool law_runs(void *context, unsigned number)
{
    laws *l = context;
    for (unsigned k = 0; k < l->block; k++) {
        hw_config c = papers_config(HW_CLOCK_HISTOGRAM, 1, HORIZON + LAGS);
        c.simulation.delays = l->h;
        c.optimizer.schedule.base = 0.15;
        c.optimizer.momentum = 0;
        c.evaluate_every = HORIZON / 3;
        c.divergence = 0;
        c.seed = (uint64_t)number * l->block + k + 1;
        double w[3];
        if (!follow(&c, w, 3)) return false;
        for (size_t i = 0; i < 3; i++) {
            l->sum[number * 3 + i] += w[i];
            l->squares[number * 3 + i] += w[i] * w[i];
        }
    }
    return true;
}

bool papers_theorem2(papers *p)
{
    const unsigned laws_count = 6, blocks = 8, block = p->full ? 20000 : 1500;
    double worst_identity = 0, worst_error = 0, rejected = 1e9;
    hw_rng rng;
    hw_rng_seed(&rng, 11, 1);
    for (unsigned k = 0; k < laws_count; k++) {
        double q[LAGS], total = 0, w[HORIZON + 1] = {1}, v[HORIZON + 1] = {1}, u[HORIZON + 1] = {1}, mean = 0;
        double sum[24] = {0}, squares[24] = {0}, geometric[WIDE];
        hw_histogram h;
        if (hw_histogram_init(&h, 256) != HW_OK) return papers_trouble(p, "no memory");
        for (int l = 0; l < LAGS; l++) total += q[l] = hw_rng_uniform(&rng) < 0.5 ? 0 : hw_rng_uniform(&rng);
        if (total <= 0) total = q[0] = 1;
        for (int l = 0; l < LAGS; l++) {
            uint64_t weight = (uint64_t)(q[l] / total * 1e9);
            if (weight) hw_histogram_add(&h, (uint64_t)l, weight);
        }
        for (int l = 0; l < LAGS; l++) {
            q[l] = (double)h.counts[l] / (double)h.total;
            mean += l * q[l];
        }
        /* The wrong model: the geometric law of the same mean, whole. */
        for (int l = 0; l < WIDE; l++) geometric[l] = pow(mean / (1 + mean), l) / (1 + mean);
        left(q, LAGS, 0.15, w);
        right(q, 0.15, v);
        left(geometric, WIDE, 0.15, u);
        for (int t = 0; t <= HORIZON; t++) worst_identity = fmax(worst_identity, fabs(w[t] - v[t]));
        laws l = {&h, sum, squares, block};
        bool good = jobs_run(law_runs, &l, blocks, NULL);
        hw_histogram_free(&h);
        if (!good) return false;
        double far = 0;
        for (unsigned i = 0; i < 3; i++) {
            double s = 0, s2 = 0, n = (double)blocks * block;
            for (unsigned b = 0; b < blocks; b++) {
                s += sum[b * 3 + i];
                s2 += squares[b * 3 + i];
            }
            double measured = s / n, error = sqrt(fmax(1e-18, (s2 / n - measured * measured) / n));
            int t = (int)(i + 1) * HORIZON / 3;
            worst_error = fmax(worst_error, fabs(measured - w[t]) / error);
            far = fmax(far, fabs(measured - u[t]) / error);
        }
        rejected = fmin(rejected, far);
    }
    papers_verdict(
        p, worst_identity < 1e-9 && worst_error < 4.5 && rejected > 4.5 ? PAPERS_REPRODUCED : PAPERS_NOT,
        "%u random laws of delay: the theorem's recursion and the definition differ by at most %.1e; simulated "
        "means are within %.1f standard errors of it; a geometric law of the same mean is at least %.0f away",
        laws_count, worst_identity, worst_error, rejected);
    return true;
}

/* --- Fig. 2
 * ---------------------------------------------------------------------------------------------------------------- */

static hw_status idle(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self, (void)batch;
    (void)hw_read(w);
    hw_gradient(w)[0] = 0;
    return hw_write(w, 0);
}

bool papers_figure2(papers *p)
{
    enum { GROUPS = 16 };
    double x[GROUPS], implicit[GROUPS], explicit_[GROUPS], measured[GROUPS], left_over[GROUPS], zero[GROUPS], worst = 0;
    const double wanted = 0.8;
    hw_objective o = hw_objective_defaults("idle", 1);
    o.step = idle;
    for (unsigned g = 1; g <= GROUPS; g++) {
        hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, g, p->full ? 4000000 : 300000);
        hw_result r;
        c.seed = g;
        if (hw_train(&o, &c, NULL, &r) != HW_OK) return papers_trouble(p, r.message);
        unsigned i = g - 1;
        x[i] = g;
        implicit[i] = 1 - 1.0 / g;
        explicit_[i] = fmax(0, wanted - implicit[i]);
        measured[i] = g == 1 ? 0 : r.staleness.by_tail;
        left_over[i] = fmax(0, wanted - measured[i]);
        zero[i] = r.staleness.by_zero;
        worst = fmax(worst, fmax(fabs(measured[i] - implicit[i]), fabs(zero[i] - implicit[i])));
    }
    if (cli_interrupted) return false;
    hw_curve curves[] = {{"implicit, 1 - 1/g", x, implicit, NULL, GROUPS, HW_CURVE_LINE, 1},
                         {"implicit, measured tail", x, measured, NULL, GROUPS, HW_CURVE_POINTS, 1},
                         {"implicit, 1 - q_0", x, zero, NULL, GROUPS, HW_CURVE_POINTS, 3},
                         {"explicit, max(0, 0.8 - implicit)", x, explicit_, NULL, GROUPS, HW_CURVE_LINE, 2},
                         {"explicit, from the measured", x, left_over, NULL, GROUPS, HW_CURVE_POINTS, 2}};
    hw_chart chart = {.file = "figure2",
                      .title = "Momentum of the queue model (Mitliagkas et al., Fig. 2)",
                      .x_label = "compute groups",
                      .y_label = "momentum",
                      .y_high = 1};
    if (!papers_chart(p, &chart, curves, 5)) return false;
    papers_verdict(p, worst < 0.01 && left_over[4] < 0.01 && left_over[3] > 0.03 ? PAPERS_REPRODUCED : PAPERS_NOT,
                   "explicit momentum left at 2, 3, 4, 5 groups: %.2f, %.2f, %.2f, %.2f (formula 0.30, 0.13, 0.05, 0); "
                   "measured and formula differ by at most %.4f",
                   left_over[1], left_over[2], left_over[3], left_over[4], worst);
    return true;
}
