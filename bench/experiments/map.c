/* map.c - when is asynchrony momentum, and when is it delay? Plain SGD on a quadratic, by the law of the work:
 * two numbers order it, x = learning rate x curvature x workers, and the squared coefficient of variation of the work,
 * to which the dispersion of the staleness tends. Staleness is simulated, and recorded on threads whose steps have that
 * much work added; what the iterates do follows from it for every learning rate. */
#include "map.h"
#include <math.h>
#include <stdlib.h>

enum { M = 8, MEANS = 12 * M, POINTS = 6, THREADED = 5 };

static const double xs[POINTS] = {0.1, 0.25, 0.5, 1, 1.5, 2.5};
static const unsigned on_threads[THREADED] = {0, 1, 2, 3, 5};

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
    const map_law *law;
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
        if (!map_record(m->law, M, m->threads, (uint64_t)number * m->block + k + 1, staleness, MEANS, NULL))
            return false;
        for (int i = 0; i < POINTS; i++) {
            follow(staleness, xs[i] / M, w);
            for (int t = 0; t <= MEANS; t++) sum[i * (MEANS + 1) + t] += w[t];
        }
    }
    return true;
}

/* The largest error of either model along the mean of all runs, for every x. */
static bool errors_of(const map_law *law, bool threads, unsigned runs, double momentum[POINTS], double delay[POINTS])
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

/* --- the experiment -------------------------------------------------------------------------------------------------
 */

/* The squared variation at which both models are as far off at xs[at], over these laws (NULL: all). */
static double border(double momentum[MAP_LAWS][POINTS], double delay[MAP_LAWS][POINTS], const unsigned *which, size_t n,
                     int at)
{
    double difference[MAP_LAWS], variation[MAP_LAWS];
    for (size_t k = 0; k < n; k++) {
        unsigned l = which ? which[k] : (unsigned)k;
        difference[k] = momentum[l][at] - delay[l][at];
        variation[k] = map_laws[l].variation;
    }
    return map_border(difference, variation, n);
}

static bool put_means(papers *p, double momentum[MAP_LAWS][POINTS], double delay[MAP_LAWS][POINTS],
                      const double *dispersion, const unsigned *which, size_t n, const char *what)
{
    static char cells[(MAP_LAWS + 1) * (POINTS + 2)][64];
    (void)snprintf(cells[0], 64, "%s, 8 workers: work", what);
    (void)snprintf(cells[1], 64, "dispersion");
    for (int i = 0; i < POINTS; i++) (void)snprintf(cells[2 + i], 64, "x = %g: momentum / delay", xs[i]);
    for (size_t k = 0; k < n; k++) {
        unsigned l = which ? which[k] : (unsigned)k;
        char(*row)[64] = cells + (k + 1) * (POINTS + 2);
        (void)snprintf(row[0], 64, "%s (%g)", map_laws[l].name, map_laws[l].variation);
        (void)snprintf(row[1], 64, "%.2f", dispersion[l]);
        for (int i = 0; i < POINTS; i++) (void)snprintf(row[2 + i], 64, "%.3f / %.3f", momentum[l][i], delay[l][i]);
    }
    return papers_table(p, (const char(*)[64])cells, n + 1, POINTS + 2);
}

static bool put_pictures(papers *p, double momentum[MAP_LAWS][POINTS], double delay[MAP_LAWS][POINTS])
{
    hw_curve curve[MAP_LAWS];
    static const char *const titles[] = {"Error of the momentum model, 1 - 1/M", "Error of a fixed delay of M - 1"},
                             *const files[] = {"map-momentum", "map-delay"};
    for (int which = 0; which < 2; which++) {
        for (int l = 0; l < MAP_LAWS; l++)
            curve[l] = (hw_curve){.name = map_laws[l].name, .x = xs, .y = which ? delay[l] : momentum[l], .n = POINTS};
        const hw_chart chart = {.file = files[which],
                                .title = titles[which],
                                .x_label = "learning rate x curvature x workers",
                                .y_label = "largest error of the mean (of w from 1)",
                                .log_x = 1,
                                .log_y = 1,
                                .y_low = 1e-4,
                                .y_high = 10};
        if (!papers_chart(p, &chart, curve, MAP_LAWS)) return false;
    }
    return true;
}

bool papers_map(papers *p)
{
    static double momentum[2][MAP_LAWS][POINTS], delay[2][MAP_LAWS][POINTS], dispersion[2][MAP_LAWS];
    const unsigned runs = p->full ? 80000 : 8000, threaded = p->full ? 3000 : 400;
    uint32_t *room = malloc(20000 * sizeof *room);
    bool good = room != NULL;
    for (int l = 0; good && l < MAP_LAWS; l++)
        good = map_record(map_laws + l, M, false, 5, room, 20000, &dispersion[0][l]) &&
               errors_of(map_laws + l, false, runs, momentum[0][l], delay[0][l]);
    for (int k = 0; good && k < THREADED; k++) {
        unsigned l = on_threads[k];
        good = map_record(map_laws + l, M, true, 5, room, 2000, &dispersion[1][l]) &&
               errors_of(map_laws + l, true, threaded, momentum[1][l], delay[1][l]);
    }
    free(room);
    if (!good) return cli_interrupted ? false : papers_trouble(p, "a run failed");
    if (!put_means(p, momentum[0], delay[0], dispersion[0], NULL, MAP_LAWS, "simulated") ||
        !put_means(p, momentum[1], delay[1], dispersion[1], on_threads, THREADED, "threads") ||
        !put_pictures(p, momentum[0], delay[0]) || !map_single(p))
        return false;
    /* How far threads are from the simulation, where the mean stays bounded: of drawn work, and of constant work. */
    double apart[2] = {0, 0}, seen = 0;
    for (int k = 0; k < THREADED; k++)
        for (int i = 0; i < 4; i++) {
            unsigned l = on_threads[k], constant = map_laws[l].kind == HW_CLOCK_CONSTANT;
            apart[constant] = fmax(apart[constant], fabs(momentum[0][l][i] - momentum[1][l][i]));
            apart[constant] = fmax(apart[constant], fabs(delay[0][l][i] - delay[1][l][i]));
        }
    for (int l = 0; l < MAP_LAWS; l++) seen = fmax(seen, fmin(momentum[0][l][1], delay[0][l][1]));
    double edge = border(momentum[0], delay[0], NULL, MAP_LAWS, 3),
           edge_threads = border(momentum[1], delay[1], on_threads, THREADED, 3);
    papers_verdict(
        p, apart[0] < 0.06 ? PAPERS_MEASURED : PAPERS_PARTLY,
        "x = rate x curvature x workers: up to 0.25 the better of the two models is off by at most %.3f whatever "
        "the work's law; at x = 1 implicit momentum describes the mean better where the squared variation of the "
        "work is above %.2f (threads: %.2f), and a fixed delay below; up to there threads with drawn work added are "
        "within %.3f of the simulation, with constant work within %.3f (they wake together, in changing order)",
        seen, edge, edge_threads, apart[0], apart[1]);
    return true;
}
