/* closed_loop.c - whether the total momentum can be measured from the iterates, as a closed loop would have to
 * (YellowFin, Zhang & Mitliagkas): least squares of each difference of the parameters on the one before it and on the
 * gradient at the parameters of then, over all coordinates at once and weighted by their variance. Beside it the same
 * on the gradients of the last updates, which finds the kernel of the delays. */
#include "papers.h"
#include <math.h>
#include <string.h>

enum { N = 64, WORKERS = 8, UPDATES = 2000, LAGS = 24, MOST = LAGS + 1, COLUMNS = 6 };

/* f(x) = sum of h_i x_i^2 / 2 with noise of deviation sigma on every coordinate of a gradient. */
typedef struct quadratic {
    double h[N], sigma;
    uint64_t ticket[WORKERS]; /* of the step that each virtual worker has begun */
    float (*x)[N], (*g)[N];   /* by ticket */
    uint64_t read[UPDATES + WORKERS];
} quadratic;

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    quadratic *q = self;
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    double loss = 0;
    if (batch->step >= UPDATES + WORKERS) return hw_fail(w, HW_E_LIMIT, "more steps than there is room for");
    for (int i = 0; i < N; i++) {
        g[i] = (float)(q->h[i] * (double)x[i] + q->sigma * hw_rng_normal(hw_random(w)));
        loss += 0.5 * q->h[i] * (double)x[i] * (double)x[i];
    }
    memcpy(q->x[batch->step], x, sizeof q->x[0]);
    memcpy(q->g[batch->step], g, sizeof q->g[0]);
    q->ticket[hw_worker_id(w)] = batch->step;
    return hw_write(w, loss);
}

/* What lands was read at the clock number - staleness: which parameters its ticket has seen. */
static void on_update(void *context, const hw_update_event *event)
{
    quadratic *q = context;
    q->read[q->ticket[event->worker]] = event->update - event->staleness;
}

/* Solves a b = y (n by n), and leaves the inverse's diagonal in `diagonal`. */
static void solve(double a[MOST][2 * MOST], const double *y, int n, double *b, double *diagonal)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) a[i][n + j] = i == j;
    for (int i = 0; i < n; i++) {
        double pivot = a[i][i];
        for (int j = 0; j < 2 * n; j++) a[i][j] /= pivot;
        for (int k = 0; k < n; k++) {
            double f = a[k][i];
            if (k != i)
                for (int j = 0; j < 2 * n; j++) a[k][j] -= f * a[i][j];
        }
    }
    for (int i = 0; i < n; i++) {
        b[i] = 0;
        for (int j = 0; j < n; j++) b[i] += a[i][n + j] * y[j];
        diagonal[i] = a[i][n + i];
    }
}

/* By clock: the parameters, and the gradient that somebody computed there; has: somebody did. */
typedef struct path {
    double x[UPDATES][N], g[UPDATES][N];
    bool has[UPDATES];
} path;

/* D_{t+1} - known D_t on the gradients of the clocks t, t - 1 .. t - lags + 1, and with `also` on D_t behind them. */
static void fit(const path *p, double known, int lags, bool also, double *b, double *error)
{
    static double a[MOST][2 * MOST];
    double y[MOST] = {0}, variance[N] = {0}, squares = 0, diagonal[MOST], count = 0, explained = 0;
    int n = lags + also;
    memset(a, 0, sizeof a);
    for (int i = 0; i < N; i++)
        for (int t = 1; t < UPDATES; t++) variance[i] += pow(p->x[t][i] - p->x[t - 1][i], 2) / UPDATES + 1e-30;
    for (int t = LAGS + 1; t + 1 < UPDATES; t++) {
        bool whole = p->has[t + 1] && p->has[t] && p->has[t - 1];
        for (int l = 0; l < lags; l++) whole = whole && p->has[t - l];
        if (!whole) continue;
        for (int i = 0; i < N; i++) {
            double row[MOST], before = p->x[t][i] - p->x[t - 1][i], weight = 1 / variance[i];
            double d = p->x[t + 1][i] - p->x[t][i] - known * before;
            for (int l = 0; l < lags; l++) row[l] = p->g[t - l][i];
            if (also) row[lags] = before;
            for (int j = 0; j < n; j++) {
                for (int k = 0; k < n; k++) a[j][k] += weight * row[j] * row[k];
                y[j] += weight * row[j] * d;
            }
            squares += weight * d * d;
            count++;
        }
    }
    for (int j = 0; j < n; j++) a[j][j] *= 1 + 1e-12; /* without noise neighbours are nearly the same */
    solve(a, y, n, b, diagonal);
    for (int j = 0; j < n; j++) explained += b[j] * y[j];
    *error = sqrt(fmax(0, (squares - explained) / (count - n) * diagonal[n - 1]));
}

typedef struct law {
    const char *name;
    hw_clock_kind clock;
    double shape;
} law;

static bool run(papers *p, const law *l, double momentum, double alpha, double sigma, path *way, double *measured,
                double *kernel)
{
    static quadratic q;
    static float x[UPDATES + WORKERS][N], g[UPDATES + WORKERS][N];
    hw_objective o = hw_objective_defaults("noisy quadratic", N);
    hw_config c = papers_config(l->clock, WORKERS, UPDATES);
    hw_engine *e;
    hw_result r;
    hw_histogram h;
    float start[N];
    hw_rng rng;
    hw_rng_seed(&rng, 3, 1);
    memset(&q, 0, sizeof q);
    q.sigma = sigma;
    q.x = x;
    q.g = g;
    for (int i = 0; i < N; i++) {
        q.h[i] = pow(0.01, hw_rng_uniform(&rng));
        start[i] = (float)(1 + hw_rng_normal(&rng));
    }
    o.step = step;
    o.self = &q;
    c.simulation.shape = l->shape;
    c.optimizer.momentum = momentum;
    c.optimizer.schedule.base = alpha;
    c.context = &q;
    c.on_update = on_update;
    c.divergence = 0;
    for (int t = 0; t < UPDATES + WORKERS; t++) q.read[t] = UINT64_MAX;
    if (hw_engine_create(&e, &o, &c, start, NULL) != HW_OK) return papers_trouble(p, "no memory for a run");
    bool good = hw_engine_run(e, &r) == HW_OK,
         room = hw_histogram_init(&h, hw_staleness_linear_bins(hw_engine_staleness(e))) == HW_OK;
    if (good && room) {
        hw_staleness_merge(hw_engine_staleness(e), HW_HISTOGRAM_STALENESS, &h);
        *measured = hw_staleness_momentum(&h, NULL);
        for (int k = 0; k < LAGS; k++) kernel[k] = (double)h.counts[k] / (double)h.total;
    }
    hw_histogram_free(&h);
    hw_engine_free(e);
    if (!good || !room) return papers_trouble(p, good ? "no memory for a histogram" : r.message);
    memset(way->has, 0, sizeof way->has);
    for (int t = 0; t < UPDATES + WORKERS; t++) {
        uint64_t at = q.read[t];
        if (at >= UPDATES) continue;
        way->has[at] = true;
        for (int i = 0; i < N; i++) {
            way->x[at][i] = (double)x[t][i];
            way->g[at][i] = (double)g[t][i];
        }
    }
    return true;
}

bool papers_closed_loop(papers *p)
{
    static const law laws[] = {{"exponential", HW_CLOCK_EXPONENTIAL, 1},
                               {"Erlang-4", HW_CLOCK_GAMMA, 4},
                               {"in turns", HW_CLOCK_ROUND_ROBIN, 1}};
    static const double noises[] = {0, 0.1, 1}, momenta[] = {0, 0.3};
    static char cells[1 + 3 * 3 * 2][COLUMNS][64];
    const char *head[COLUMNS] = {"work",     "noise of a gradient", "explicit momentum",
                                 "measured", "explicit + kernel's", "distance of the kernel that the gradients show"};
    static path way;
    double away = 0, near = 0, apart = 0;
    size_t rows = 1;
    for (int j = 0; j < COLUMNS; j++) (void)snprintf(cells[0][j], 64, "%s", head[j]);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned s = 0; s < 3; s++)
            for (unsigned m = 0; m < 2; m++, rows++) {
                double b[MOST], error, kernel[LAGS], implicit = NAN, distance = 0, lagged[MOST], ignored;
                if (!run(p, laws + i, momenta[m], 0.05, noises[s], &way, &implicit, kernel)) return false;
                fit(&way, 0, 1, true, b, &error);
                fit(&way, momenta[m], LAGS, false, lagged, &ignored);
                for (int k = 0; k < LAGS; k++) distance += 0.5 * fabs(lagged[k] / -0.05 - kernel[k]);
                (void)snprintf(cells[rows][0], 64, "%s", laws[i].name);
                (void)snprintf(cells[rows][1], 64, "%.1f", noises[s]);
                (void)snprintf(cells[rows][2], 64, "%.1f", momenta[m]);
                (void)snprintf(cells[rows][3], 64, "%.3f +- %.3f", b[1], error);
                (void)snprintf(cells[rows][4], 64, "%.3f", momenta[m] + implicit);
                (void)snprintf(cells[rows][5], 64, noises[s] > 0 ? "%.2f" : "-", distance);
                if (noises[s] > 0) {
                    away = fmax(away, fabs(b[1] - momenta[m]));
                    apart = fmax(apart, distance);
                    near = fmax(near, error);
                }
            }
    if (!papers_table(p, (const char(*)[64])cells, rows, COLUMNS)) return false;
    papers_verdict(
        p, PAPERS_MEASURED,
        "8 workers, %u updates of %u coordinates, alpha h M up to 0.4: with noise the momentum that least "
        "squares finds in the iterates is the explicit one (within %.3f, standard errors up to %.3f) under every "
        "law of the delays, so a closed loop would see no asynchrony, and its error would not say so; what the "
        "same iterates do show is the kernel of the delays (total variation to the histogram's at most %.2f), "
        "which the histogram has for nothing",
        UPDATES, N, away, near, apart);
    return true;
}
