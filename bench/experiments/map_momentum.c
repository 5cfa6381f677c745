/* map_momentum.c - the map with explicit momentum, for 2 to 32 workers, and what a single run keeps of its gradients'
 * noise. x = rate x curvature x workers / (1 - momentum). The model "momentum" is the kernel of Theorem 5, geometric of
 * mean M - 1, behind the heavy ball; the model "delay" is a fixed delay of M - 1 behind it. */
#include "map.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CREWS = 5,
    MOMENTA = 3,
    POINTS = 6,
    PARTS = 8,
    LONGEST = 12 * 41,
    ONE = 3 /* of xs */,
    EIGHT = 2 /* of workers */
};

static const unsigned workers[CREWS] = {2, 4, 8, 16, 32};
static const double momenta[MOMENTA] = {0, 0.5, 0.9}, xs[POINTS] = {0.1, 0.25, 0.5, 1, 1.5, 2.5};

typedef struct averages {
    unsigned block; /* runs a part */
    /* by crew, law, part: sums of w over the block's runs */
    double (*sum)[MOMENTA][POINTS][LONGEST + 1];
    /* largest error of the mean, by the model of momentum and of delay */
    double error[CREWS][MAP_LAWS][MOMENTA][POINTS][2];
} averages;

/* Twelve times what a gradient waits for its turn and for the momentum. */
static int length_of(unsigned crew)
{
    return 12 * (int)(workers[crew] - 1 + 10);
}

static double rate_of(unsigned crew, int k, int i)
{
    return xs[i] * (1 - momenta[k]) / workers[crew];
}

static void follow(const uint32_t *staleness, double mu, double rate, double *w, int n)
{
    double v = 0;
    w[0] = 1;
    for (int t = 0; t < n; t++) {
        int age = staleness[t] < (uint32_t)t ? (int)staleness[t] : t;
        v = mu * v - rate * w[t - age];
        w[t + 1] = w[t] + v;
    }
}

/* The mean of a gradient of geometric age is a running mean of w; all have read the start at first. */
static void as_momentum(unsigned m, double mu, double rate, double *w, int n)
{
    double v = 0, seen = 1;
    w[0] = 1;
    for (int t = 0; t < n; t++) {
        seen += (w[t] - seen) / m;
        v = mu * v - rate * seen;
        w[t + 1] = w[t] + v;
    }
}

static void as_delay(unsigned m, double mu, double rate, double *w, int n)
{
    double v = 0;
    w[0] = 1;
    for (int t = 0; t < n; t++) {
        v = mu * v - rate * w[t < (int)m - 1 ? 0 : t - ((int)m - 1)];
        w[t + 1] = w[t] + v;
    }
}

static bool some_runs(void *context, unsigned number)
{
    averages *a = context;
    unsigned part = number % PARTS, law = number / PARTS % MAP_LAWS, crew = number / PARTS / MAP_LAWS;
    uint32_t staleness[LONGEST];
    double w[LONGEST + 1];
    const int n = length_of(crew);
    for (unsigned r = 0; r < a->block; r++) {
        if (!map_record(map_laws + law, workers[crew], false, (uint64_t)part * a->block + r + 1, staleness, (uint64_t)n,
                        NULL))
            return false;
        for (int k = 0; k < MOMENTA; k++)
            for (int i = 0; i < POINTS; i++) {
                follow(staleness, momenta[k], rate_of(crew, k, i), w, n);
                for (int t = 0; t <= n; t++) a->sum[number][k][i][t] += w[t];
            }
    }
    return true;
}

static void compare(averages *a, unsigned crew, unsigned law)
{
    double as[2][LONGEST + 1];
    const int n = length_of(crew);
    for (int k = 0; k < MOMENTA; k++)
        for (int i = 0; i < POINTS; i++) {
            double *error = a->error[crew][law][k][i];
            as_momentum(workers[crew], momenta[k], rate_of(crew, k, i), as[0], n);
            as_delay(workers[crew], momenta[k], rate_of(crew, k, i), as[1], n);
            error[0] = error[1] = 0;
            for (int t = 0; t <= n; t++) {
                double mean = 0;
                for (unsigned part = 0; part < PARTS; part++)
                    mean += a->sum[(crew * MAP_LAWS + law) * PARTS + part][k][i][t] / (PARTS * a->block);
                for (int which = 0; which < 2; which++) error[which] = fmax(error[which], fabs(mean - as[which][t]));
            }
        }
}

/* The squared variation at which both models are as far off. */
static double border(const averages *a, unsigned crew, int k, int i)
{
    double difference[MAP_LAWS], variation[MAP_LAWS];
    for (int l = 0; l < MAP_LAWS; l++) {
        difference[l] = a->error[crew][l][k][i][0] - a->error[crew][l][k][i][1];
        variation[l] = map_laws[l].variation;
    }
    return map_border(difference, variation, MAP_LAWS);
}

static bool put_means(papers *p, const averages *a)
{
    static char cells[(MAP_LAWS + 1) * (POINTS + 1)][64], title[MOMENTA][40];
    static double y[MOMENTA][POINTS], wide[2][CREWS], m[CREWS];
    hw_curve curves[MOMENTA], over[2];
    for (int k = 0; k < MOMENTA; k++) {
        (void)snprintf(cells[0], 64, "8 workers, momentum %g: work", momenta[k]);
        for (int i = 0; i < POINTS; i++) {
            (void)snprintf(cells[1 + i], 64, "x = %g: momentum / delay", xs[i]);
            y[k][i] = border(a, EIGHT, k, i);
        }
        for (int l = 0; l < MAP_LAWS; l++) {
            char(*row)[64] = cells + (l + 1) * (POINTS + 1);
            (void)snprintf(row[0], 64, "%s (%g)", map_laws[l].name, map_laws[l].variation);
            for (int i = 0; i < POINTS; i++)
                (void)snprintf(row[1 + i], 64, "%.3f / %.3f", a->error[EIGHT][l][k][i][0], a->error[EIGHT][l][k][i][1]);
        }
        if (!papers_table(p, (const char(*)[64])cells, MAP_LAWS + 1, POINTS + 1)) return false;
        (void)snprintf(title[k], 40, "momentum %g", momenta[k]);
        curves[k] = (hw_curve){.name = title[k], .x = xs, .y = y[k], .n = POINTS};
    }
    const hw_chart chart = {.file = "map-border",
                            .title = "Above: momentum describes the mean better; below: delay (8 workers)",
                            .x_label = "rate x curvature x workers / (1 - momentum)",
                            .y_label = "squared variation of the work",
                            .log_x = 1,
                            .y_low = 0,
                            .y_high = 1};
    if (!papers_chart(p, &chart, curves, MOMENTA)) return false;
    for (int k = 0; k < 2; k++) {
        for (unsigned c = 0; c < CREWS; c++) {
            m[c] = workers[c];
            wide[k][c] = border(a, c, k ? MOMENTA - 1 : 0, ONE);
        }
        over[k] = (hw_curve){.name = title[k ? MOMENTA - 1 : 0], .x = m, .y = wide[k], .n = CREWS};
    }
    const hw_chart second = {.file = "map-border-workers",
                             .title = "The same border at x = 1",
                             .x_label = "workers",
                             .y_label = "squared variation of the work",
                             .log_x = 2,
                             .y_low = 0,
                             .y_high = 1};
    return papers_chart(p, &second, over, 2);
}

/* --- noise ----------------------------------------------------------------------------------------------------------
 */

enum { STEADY = 200000, SETTLE = 4000, RING = 4096, ANSWER = 20000 };

/* Variance of w under gradient noise of variance 1, over that of one worker at the same rate and momentum; INFINITY
 * where the run leaves. */
static double kept(const uint32_t *staleness, double mu, double rate)
{
    double w[RING] = {0}, v = 0, squares = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 9, 1);
    for (uint32_t t = 0; t < STEADY; t++) {
        uint32_t age = staleness[t] < t ? staleness[t] : t;
        if (age >= RING) age = RING - 1;
        v = mu * v - rate * (w[(t - age) % RING] + hw_rng_normal(&rng));
        w[(t + 1) % RING] = w[t % RING] + v;
        if (!(fabs(v) < 1e6)) return INFINITY;
        if (t >= SETTLE) squares += w[t % RING] * w[t % RING];
    }
    const double one = rate * (1 + mu) / ((1 - mu) * (2 * (1 + mu) - rate));
    return squares / (STEADY - SETTLE) / one;
}

/* The same by a kernel: squares of the answer to one push. */
static double kept_by(bool delay, unsigned m, double mu, double rate)
{
    static double w[ANSWER + 1];
    double v = 0, seen = 0, squares = 0;
    memset(w, 0, sizeof w);
    for (int t = 0; t < ANSWER; t++) {
        seen += (w[t] - seen) / m;
        double read = delay ? w[t < (int)m - 1 ? 0 : t - ((int)m - 1)] : seen;
        v = mu * v - rate * (read + (t == 0));
        w[t + 1] = w[t] + v;
        if (!(fabs(v) < 1e6)) return INFINITY;
        squares += w[t + 1] * w[t + 1];
    }
    return squares * (1 - mu) * (2 * (1 + mu) - rate) / (rate * (1 + mu));
}

typedef struct noise {
    double ratio[MAP_LAWS][MOMENTA][POINTS];
} noise;

static bool one_law(void *context, unsigned l)
{
    noise *all = context;
    uint32_t *staleness = malloc(STEADY * sizeof *staleness);
    bool good = staleness && map_record(map_laws + l, workers[EIGHT], false, 41, staleness, STEADY, NULL);
    for (int k = 0; good && k < MOMENTA; k++)
        for (int i = 0; i < POINTS; i++) all->ratio[l][k][i] = kept(staleness, momenta[k], rate_of(EIGHT, k, i));
    free(staleness);
    return good;
}

static void put_ratio(char cell[64], double ratio)
{
    (void)snprintf(cell, 64, isfinite(ratio) && ratio < 1000 ? "%.2f" : "leaves", ratio);
}

static bool put_noise(papers *p, const noise *all)
{
    static char cells[(MAP_LAWS + 3) * (POINTS + 1)][64];
    for (int k = 0; k < MOMENTA; k += MOMENTA - 1) {
        (void)snprintf(cells[0], 64, "noise kept, momentum %g: work", momenta[k]);
        for (int i = 0; i < POINTS; i++) (void)snprintf(cells[1 + i], 64, "x = %g", xs[i]);
        for (int l = 0; l < MAP_LAWS + 2; l++) {
            char(*row)[64] = cells + (l + 1) * (POINTS + 1);
            if (l < MAP_LAWS)
                (void)snprintf(row[0], 64, "%s (%g)", map_laws[l].name, map_laws[l].variation);
            else
                (void)snprintf(row[0], 64, l == MAP_LAWS ? "by the momentum model" : "by the delay model");
            for (int i = 0; i < POINTS; i++)
                put_ratio(row[1 + i], l < MAP_LAWS
                                          ? all->ratio[l][k][i]
                                          : kept_by(l > MAP_LAWS, workers[EIGHT], momenta[k], rate_of(EIGHT, k, i)));
        }
        if (!papers_table(p, (const char(*)[64])cells, MAP_LAWS + 3, POINTS + 1)) return false;
    }
    return true;
}

/* --- the experiment -------------------------------------------------------------------------------------------------
 */

bool papers_map_momentum(papers *p)
{
    averages *a = calloc(1, sizeof *a);
    static noise kept_noise;
    const unsigned jobs = CREWS * MAP_LAWS * PARTS;
    bool good = a != NULL;
    if (good) {
        a->block = (p->full ? 40000 : 4000) / PARTS;
        a->sum = calloc(jobs, sizeof *a->sum);
        good = a->sum != NULL;
    }
    if (!good) (void)papers_trouble(p, "no memory");
    good = good && jobs_run(some_runs, a, jobs, p->id) && jobs_run(one_law, &kept_noise, MAP_LAWS, p->id);
    for (unsigned c = 0; good && c < CREWS; c++)
        for (unsigned l = 0; l < MAP_LAWS; l++) compare(a, c, l);
    good = good && put_means(p, a) && put_noise(p, &kept_noise);
    if (good) {
        double unseen = 0, low = INFINITY, high = 0;
        for (unsigned c = 0; c < CREWS; c++)
            for (int k = 0; k < MOMENTA; k++) {
                for (unsigned l = 0; l < MAP_LAWS; l++)
                    unseen = fmax(unseen, fmin(a->error[c][l][k][1][0], a->error[c][l][k][1][1]));
                if (workers[c] < 4) continue;
                low = fmin(low, border(a, c, k, ONE));
                high = fmax(high, border(a, c, k, ONE));
            }
        papers_verdict(
            p, PAPERS_MEASURED,
            "x = rate x curvature x workers / (1 - momentum), momentum 0, 0.5, 0.9, 2 to 32 workers: up to x = 0.25 "
            "the better of the two models is off by at most %.3f; at x = 1 both are as far off at a squared variation "
            "of %.2f to %.2f (4 workers and more). The noise that a single run keeps follows as well: at x = 1 and "
            "momentum 0.9 %.2f times one worker's with exponential work (momentum model %.2f), %.2f with constant "
            "work (delay model %.2f), %.2f and %.2f at variations 2 and 0.25",
            unseen, low, high, kept_noise.ratio[1][2][ONE], kept_by(false, 8, 0.9, rate_of(EIGHT, 2, ONE)),
            kept_noise.ratio[5][2][ONE], kept_by(true, 8, 0.9, rate_of(EIGHT, 2, ONE)), kept_noise.ratio[0][2][ONE],
            kept_noise.ratio[3][2][ONE]);
    }
    if (a) free(a->sum);
    free(a);
    return good;
}
