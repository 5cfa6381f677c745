/* map.c - when is asynchrony momentum, and when is it delay? Plain SGD on a quadratic, by the law of the work:
 * two numbers order it, x = learning rate x curvature x workers, and the squared coefficient of variation of the work,
 * to which the dispersion of the staleness tends. Staleness is simulated, and recorded on threads whose steps have that
 * much work added; what the iterates do follows from it for every learning rate. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>

enum { M = 8, MEANS = 12 * M, LONG = 4000, LAWS = 6, POINTS = 6, THREADED = 5 };

static const struct law {
    const char *name;
    hw_clock_kind kind;
    double shape, variation; /* squared */
} laws[LAWS] = {{"gamma 0.5", HW_CLOCK_GAMMA, 0.5, 2},  {"exponential", HW_CLOCK_EXPONENTIAL, 0, 1},
                {"gamma 2", HW_CLOCK_GAMMA, 2, 0.5},    {"gamma 4", HW_CLOCK_GAMMA, 4, 0.25},
                {"gamma 25", HW_CLOCK_GAMMA, 25, 0.04}, {"constant", HW_CLOCK_CONSTANT, 0, 0}};
static const double xs[POINTS] = {0.1, 0.25, 0.5, 1, 1.5, 2.5};
static const unsigned on_threads[THREADED] = {0, 1, 2, 3, 5};

typedef struct recorded {
    uint32_t *staleness;
    uint64_t room;
} recorded;

static hw_status step(void *self, hw_worker *w, const hw_batch *batch)
{
    (void)self, (void)batch;
    hw_gradient(w)[0] = 0 * hw_read(w)[0];
    return hw_write(w, 0);
}

static void on_update(void *context, const hw_update_event *event)
{
    recorded *r = context;
    if (event->update < r->room) r->staleness[event->update] = (uint32_t)event->staleness;
}

/* Staleness of the first n updates of one run; its dispersion into *dispersion (or NULL). */
static bool record(const struct law *law, unsigned workers, bool threads, uint64_t seed, uint32_t *staleness,
                   uint64_t n, double *dispersion)
{
    hw_objective o = hw_objective_defaults("nothing", 1);
    hw_config c = papers_config(law->kind, workers, n + workers);
    hw_result r;
    recorded to = {staleness, n};
    o.step = step;
    if (threads) {
        const hw_config plain = hw_config_defaults();
        c.scheduler = HW_ASYNC;
        c.simulation = plain.simulation;
        c.work.law = (hw_clock){law->kind, law->shape, 2e-3};
    } else {
        c.simulation.shape = law->shape;
    }
    c.seed = seed;
    c.on_update = on_update;
    c.context = &to;
    c.stop_flag = &cli_interrupted;
    if (hw_train(&o, &c, NULL, &r) != HW_OK || cli_interrupted) return false;
    if (dispersion) *dispersion = r.staleness.dispersion;
    return true;
}

/* --- what the mean does ---------------------------------------------------------------------------------------------
 */

static void follow(const uint32_t *staleness, double rate, double *w)
{
    w[0] = 1;
    for (int t = 0; t < MEANS; t++) {
        int age = staleness[t] < (uint32_t)t ? (int)staleness[t] : t;
        w[t + 1] = w[t] - rate * w[t - age];
    }
}

/* Theorem 5: implicit momentum 1 - 1/M, the learning rate divided by M; the first update has read the start. */
static void as_momentum(double rate, double *w)
{
    const double mu = 1 - 1.0 / M;
    w[0] = 1;
    w[1] = 1 - rate;
    for (int t = 1; t < MEANS; t++) w[t + 1] = w[t] + mu * (w[t] - w[t - 1]) - (1 - mu) * rate * w[t];
}

static void as_delay(double rate, double *w)
{
    w[0] = 1;
    for (int t = 0; t < MEANS; t++) w[t + 1] = w[t] - rate * w[t < M - 1 ? 0 : t - (M - 1)];
}

typedef struct means {
    const struct law *law;
    bool threads;
    unsigned block;
    double *sum; /* job x POINTS x (MEANS + 1) */
} means;

static bool some_runs(void *context, unsigned number)
{
    const means *m = context;
    uint32_t staleness[MEANS];
    double w[MEANS + 1], *sum = m->sum + (size_t)number * POINTS * (MEANS + 1);
    for (unsigned k = 0; k < m->block; k++) {
        if (!record(m->law, M, m->threads, (uint64_t)number * m->block + k + 1, staleness, MEANS, NULL)) return false;
        for (int i = 0; i < POINTS; i++) {
            follow(staleness, xs[i] / M, w);
            for (int t = 0; t <= MEANS; t++) sum[i * (MEANS + 1) + t] += w[t];
        }
    }
    return true;
}

/* The largest error of either model along the mean of all runs, for every x. */
static bool errors_of(const struct law *law, bool threads, unsigned runs, double momentum[POINTS], double delay[POINTS])
{
    const unsigned jobs = threads ? 1 : 8;
    means m = {law, threads, runs / jobs, calloc((size_t)jobs * POINTS * (MEANS + 1), sizeof(double))};
    if (!m.sum) return false;
    bool good = threads ? some_runs(&m, 0) : jobs_run(some_runs, &m, jobs, NULL);
    for (int i = 0; good && i < POINTS; i++) {
        double as[2][MEANS + 1];
        as_momentum(xs[i] / M, as[0]);
        as_delay(xs[i] / M, as[1]);
        momentum[i] = delay[i] = 0;
        for (int t = 0; t <= MEANS; t++) {
            double mean = 0;
            for (unsigned j = 0; j < jobs; j++)
                mean += m.sum[((size_t)j * POINTS + (size_t)i) * (MEANS + 1) + (size_t)t];
            mean /= jobs * m.block;
            momentum[i] = fmax(momentum[i], fabs(mean - as[0][t]));
            delay[i] = fmax(delay[i], fabs(mean - as[1][t]));
        }
    }
    free(m.sum);
    return good;
}

/* --- what single runs stand -----------------------------------------------------------------------------------------
 */

/* Whether a run with this staleness has come nearer, with its size taken out now and then so that nothing overflows. */
static bool converges(const uint32_t *staleness, double rate, double mu)
{
    static const int ring = 1024;
    double w[1024], v = 0, grown = 0;
    for (int i = 0; i < ring; i++) w[i] = 1;
    for (int t = 0; t < LONG; t++) {
        int age = staleness[t] < (uint32_t)t ? (int)staleness[t] : t;
        if (age >= ring) age = ring - 1;
        v = mu * v - rate * w[(t - age) & (ring - 1)];
        w[(t + 1) & (ring - 1)] = w[t & (ring - 1)] + v;
        if (t % 64) continue;
        double size = fabs(v);
        for (int i = 0; i < ring; i++) size = fmax(size, fabs(w[i]));
        if (!(size > 1e100)) continue;
        grown += log(size);
        v /= size;
        for (int i = 0; i < ring; i++) w[i] /= size;
    }
    double last = 0;
    for (int k = 0; k < 4 * M; k++) last = fmax(last, fabs(w[(LONG - k) & (ring - 1)]));
    return grown + log(last) < 0;
}

/* The largest learning rate (at curvature 1) at which most of five runs converge; NaN after trouble. */
static bool largest_rate(const struct law *law, unsigned workers, const double momentum[2], double rate[2])
{
    enum { RUNS = 5 };
    uint32_t *staleness = malloc((size_t)RUNS * LONG * sizeof *staleness);
    bool good = staleness != NULL;
    for (unsigned k = 0; good && k < RUNS; k++)
        good = record(law, workers, false, 77 + k, staleness + (size_t)k * LONG, LONG, NULL);
    for (int i = 0; good && i < 2; i++) {
        double low = 1e-4, high = 4;
        for (int turn = 0; turn < 20; turn++) {
            double middle = sqrt(low * high);
            unsigned stable = 0;
            for (unsigned k = 0; k < RUNS; k++) stable += converges(staleness + (size_t)k * LONG, middle, momentum[i]);
            if (stable > RUNS / 2)
                low = middle;
            else
                high = middle;
        }
        rate[i] = low;
    }
    free(staleness);
    return good;
}

/* --- the experiment -------------------------------------------------------------------------------------------------
 */

/* The squared variation at which both models are as far off, between two laws; NaN: none. */
static double crossing(double momentum[LAWS][POINTS], double delay[LAWS][POINTS], int at)
{
    for (int l = 0; l + 1 < LAWS; l++) {
        double a = momentum[l][at] - delay[l][at], b = momentum[l + 1][at] - delay[l + 1][at];
        if ((a < 0) == (b < 0)) continue;
        return laws[l].variation + a / (a - b) * (laws[l + 1].variation - laws[l].variation);
    }
    return NAN;
}

static bool put_means(papers *p, double momentum[LAWS][POINTS], double delay[LAWS][POINTS], const double *dispersion,
                      const unsigned *which, size_t n, const char *what)
{
    static char cells[(LAWS + 1) * (POINTS + 2)][64];
    (void)snprintf(cells[0], 64, "%s, 8 workers: work", what);
    (void)snprintf(cells[1], 64, "dispersion");
    for (int i = 0; i < POINTS; i++) (void)snprintf(cells[2 + i], 64, "x = %g: momentum / delay", xs[i]);
    for (size_t k = 0; k < n; k++) {
        unsigned l = which ? which[k] : (unsigned)k;
        char(*row)[64] = cells + (k + 1) * (POINTS + 2);
        (void)snprintf(row[0], 64, "%s (%g)", laws[l].name, laws[l].variation);
        (void)snprintf(row[1], 64, "%.2f", dispersion[l]);
        for (int i = 0; i < POINTS; i++) (void)snprintf(row[2 + i], 64, "%.3f / %.3f", momentum[l][i], delay[l][i]);
    }
    return papers_table(p, (const char(*)[64])cells, n + 1, POINTS + 2);
}

static bool put_pictures(papers *p, double momentum[LAWS][POINTS], double delay[LAWS][POINTS])
{
    hw_curve curve[LAWS];
    static const char *const titles[] = {"Error of the momentum model, 1 - 1/M", "Error of a fixed delay of M - 1"},
                             *const files[] = {"map-momentum", "map-delay"};
    for (int which = 0; which < 2; which++) {
        for (int l = 0; l < LAWS; l++)
            curve[l] = (hw_curve){.name = laws[l].name, .x = xs, .y = which ? delay[l] : momentum[l], .n = POINTS};
        const hw_chart chart = {.file = files[which],
                                .title = titles[which],
                                .x_label = "learning rate x curvature x workers",
                                .y_label = "largest error of the mean (of w from 1)",
                                .log_x = 1,
                                .log_y = 1,
                                .y_low = 1e-4,
                                .y_high = 10};
        if (!papers_chart(p, &chart, curve, LAWS)) return false;
    }
    return true;
}

static bool stability(papers *p)
{
    static const unsigned workers[] = {4, 8, 16, 32};
    static const double momentum[] = {0, 0.9};
    static char cells[5 * (LAWS + 1)][64];
    static double y[2][4][LAWS], x[LAWS];
    hw_curve curve[8];
    (void)snprintf(cells[0], 64, "largest rate x curvature, momentum 0 / 0.9");
    for (int l = 0; l < LAWS; l++) {
        x[l] = laws[l].variation;
        (void)snprintf(cells[1 + l], 64, "%s", laws[l].name);
    }
    for (int k = 0; k < 4; k++) {
        (void)snprintf(cells[(k + 1) * (LAWS + 1)], 64, "%u workers", workers[k]);
        for (int l = 0; l < LAWS; l++) {
            double rate[2];
            if (!largest_rate(laws + l, workers[k], momentum, rate))
                return cli_interrupted ? false : papers_trouble(p, "a run failed");
            (void)snprintf(cells[(k + 1) * (LAWS + 1) + 1 + l], 64, "%.3f / %.4f", rate[0], rate[1]);
            for (int i = 0; i < 2; i++) y[i][k][l] = rate[i] * workers[k];
        }
    }
    static const char *const names[2][4] = {
        {"4, momentum 0", "8, momentum 0", "16, momentum 0", "32, momentum 0"},
        {"4, momentum 0.9", "8, momentum 0.9", "16, momentum 0.9", "32, momentum 0.9"}};
    for (int i = 0; i < 8; i++)
        curve[i] = (hw_curve){.name = names[i / 4][i % 4], .x = x, .y = y[i / 4][i % 4], .n = LAWS};
    const hw_chart chart = {.file = "map-stability",
                            .title = "Largest stable x of single runs",
                            .x_label = "squared variation of the work",
                            .y_label = "learning rate x curvature x workers",
                            .log_y = 1,
                            .y_low = 0.1,
                            .y_high = 30};
    return papers_chart(p, &chart, curve, 8) && papers_table(p, (const char(*)[64])cells, 5, LAWS + 1);
}

bool papers_map(papers *p)
{
    static double momentum[2][LAWS][POINTS], delay[2][LAWS][POINTS], dispersion[2][LAWS];
    const unsigned runs = p->full ? 80000 : 8000, threaded = p->full ? 3000 : 400;
    uint32_t *room = malloc(20000 * sizeof *room);
    bool good = room != NULL;
    for (int l = 0; good && l < LAWS; l++)
        good = record(laws + l, M, false, 5, room, 20000, &dispersion[0][l]) &&
               errors_of(laws + l, false, runs, momentum[0][l], delay[0][l]);
    for (int k = 0; good && k < THREADED; k++) {
        unsigned l = on_threads[k];
        good = record(laws + l, M, true, 5, room, 2000, &dispersion[1][l]) &&
               errors_of(laws + l, true, threaded, momentum[1][l], delay[1][l]);
    }
    free(room);
    if (!good) return cli_interrupted ? false : papers_trouble(p, "a run failed");
    if (!put_means(p, momentum[0], delay[0], dispersion[0], NULL, LAWS, "simulated") ||
        !put_means(p, momentum[1], delay[1], dispersion[1], on_threads, THREADED, "threads") ||
        !put_pictures(p, momentum[0], delay[0]) || !stability(p))
        return false;
    /* How far threads are from the simulation, where the mean stays bounded: of drawn work, and of constant work. */
    double apart[2] = {0, 0}, seen = 0;
    for (int k = 0; k < THREADED; k++)
        for (int i = 0; i < 4; i++) {
            unsigned l = on_threads[k], constant = laws[l].kind == HW_CLOCK_CONSTANT;
            apart[constant] = fmax(apart[constant], fabs(momentum[0][l][i] - momentum[1][l][i]));
            apart[constant] = fmax(apart[constant], fabs(delay[0][l][i] - delay[1][l][i]));
        }
    for (int l = 0; l < LAWS; l++) seen = fmax(seen, fmin(momentum[0][l][1], delay[0][l][1]));
    double edge = crossing(momentum[0], delay[0], 3), edge_threads = NAN;
    for (int k = 0; k + 1 < THREADED; k++) {
        unsigned l = on_threads[k], next = on_threads[k + 1];
        double a = momentum[1][l][3] - delay[1][l][3], b = momentum[1][next][3] - delay[1][next][3];
        if ((a < 0) != (b < 0))
            edge_threads = laws[l].variation + a / (a - b) * (laws[next].variation - laws[l].variation);
    }
    papers_verdict(
        p, apart[0] < 0.06 ? PAPERS_MEASURED : PAPERS_PARTLY,
        "x = rate x curvature x workers: up to 0.25 the better of the two models is off by at most %.3f whatever "
        "the work's law; at x = 1 implicit momentum describes the mean better where the squared variation of the "
        "work is above %.2f (threads: %.2f), and a fixed delay below; up to there threads with drawn work added are "
        "within %.3f of the simulation, with constant work within %.3f (they wake together, in changing order)",
        seen, edge, edge_threads, apart[0], apart[1]);
    return true;
}
