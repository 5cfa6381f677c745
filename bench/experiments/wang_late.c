/* wang_late.c - Wang et al. with workers: the late gradient added to the new one as in eq. (5), at the best learning
 * rate of each weight; and Section 2's bound, eq. (9), for gradients of 8 exponential workers. */
#include "map.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHTS = 6, RATES = 6, CREWS = 2, MOST_SEEDS = 20, M = 8, EXPONENTIAL = 1 /* of map_laws */ };

/* Of the late gradient, over the learning rate. */
static const double weights[WEIGHTS] = {0, 1.0 / 8, 1.0 / 4, 1.0 / 2, 1, -1.0 / 4};
static const unsigned crews[CREWS] = {1, M};

typedef struct late {
    papers *p;
    const papers_digits *d;
    double rate[RATES], steps[CREWS][WEIGHTS][RATES][MOST_SEEDS];
} late;

/* x' = x - alpha (g + weight (the gradient that landed before)). */
static void lagged(void *self, const float *w, float *const *state, const float *g, float *delta, size_t n,
                   const hw_rule_info *info)
{
    const float weight = *(const float *)self, rate = (float)info->learning_rate;
    (void)w;
    for (size_t i = 0; i < n; i++) {
        delta[i] = -rate * (g[i] + weight * state[0][i]);
        state[0][i] = g[i];
    }
}

static bool job(void *context, unsigned number)
{
    late *s = context;
    unsigned seed = number % s->p->seeds, a = number / s->p->seeds % RATES, k = number / s->p->seeds / RATES % WEIGHTS,
             crew = number / s->p->seeds / RATES / WEIGHTS;
    float weight = (float)weights[k];
    hw_rule rule = {"lagged gradient", 1, lagged, &weight};
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, crews[crew], 4000);
    c.batch = 16;
    c.seed = seed + 1;
    c.divergence = 100;
    c.evaluate_every = 10;
    c.optimizer.rule = HW_RULE_USER;
    c.optimizer.user_rule = &rule;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = s->rate[a];
    s->steps[crew][k][a][seed] = papers_run(&s->d->objective, &c, s->d->start, 1, 0.75).steps;
    return !cli_interrupted;
}

/* --- Section 2 ------------------------------------------------------------------------------------------------------
 */

enum { SIZE = 10, UPDATES = 4000, RUNS = 200 };

typedef struct bound {
    double distance[UPDATES + 1], of[UPDATES + 1]; /* E |w - w*|^2, and what (9) bounds it by */
    double error[UPDATES];                         /* median of |g - fresh| / |fresh| over the runs */
} bound;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* f_S(w) = |w - a_S|^2 / 2, a_S normal around 0: lambda is 1, and w* is 0. gamma_k = 1 / (k + M), the paper's 1 / k
 * from where the delay allows it. Distances, and the relative error of the stale gradient. */
static bool follow(uint64_t seed, double *distance, double *error)
{
    static const unsigned ring = 1024;
    hw_rng rng;
    uint32_t *staleness = calloc(UPDATES, sizeof *staleness);
    double(*w)[SIZE] = calloc(ring, sizeof *w);
    bool good = staleness && w && map_record(map_laws + EXPONENTIAL, M, false, seed, staleness, UPDATES, NULL);
    hw_rng_seed(&rng, seed, 5);
    for (unsigned i = 0; good && i < ring; i++)
        for (int j = 0; j < SIZE; j++) w[i][j] = 1;
    for (unsigned t = 0; good && t < UPDATES; t++) {
        unsigned age = staleness[t] < t ? staleness[t] : t;
        const double *read = w[(t - (age < ring ? age : ring - 1)) % ring], *now = w[t % ring];
        double apart = 0, fresh = 0, square = 0, rate = 1.0 / (t + 1 + M);
        for (int j = 0; j < SIZE; j++) {
            double a = hw_rng_normal(&rng);
            apart += (read[j] - now[j]) * (read[j] - now[j]);
            fresh += (now[j] - a) * (now[j] - a);
            square += now[j] * now[j];
            w[(t + 1) % ring][j] = now[j] - rate * (read[j] - a);
        }
        distance[t] += square / RUNS;
        error[t] = sqrt(apart / fresh);
    }
    free(staleness);
    free(w);
    return good;
}

static bool measure_bound(bound *b)
{
    double *errors = malloc(sizeof *errors * RUNS * UPDATES), sorted[RUNS];
    bool good = errors != NULL;
    memset(b, 0, sizeof *b);
    for (unsigned k = 0; good && k < RUNS; k++)
        good = follow(k + 1, b->distance, errors + (size_t)k * UPDATES) && !cli_interrupted;
    b->of[0] = SIZE;
    for (unsigned t = 0; good && t < UPDATES; t++) {
        for (unsigned k = 0; k < RUNS; k++) sorted[k] = errors[(size_t)k * UPDATES + t];
        qsort(sorted, RUNS, sizeof *sorted, ascending);
        b->error[t] = sorted[RUNS / 2];
        /* (9) with epsilon the root of this update's mean square, and M^2 the fresh gradient's mean square. */
        double rate = 1.0 / (t + 1 + M), e = 0, square = SIZE + b->distance[t];
        for (unsigned k = 0; k < RUNS; k++) e += sorted[k] * sorted[k] / RUNS;
        e = sqrt(e);
        b->of[t + 1] = (1 - 2 * rate + e * e) * b->of[t] + rate * rate * ((e + 1) * (e + 1) + 1) * square;
    }
    free(errors);
    return good;
}

/* --- the experiment -------------------------------------------------------------------------------------------------
 */

static bool put(papers *p, const late *s, double best[CREWS][WEIGHTS], double half[CREWS][WEIGHTS])
{
    static char cells[(WEIGHTS + 1) * (2 * CREWS + 1)][64];
    const char *head[] = {"weight of the late gradient", "one worker: updates", "rate", "8 workers: updates", "rate"};
    for (int j = 0; j < 2 * CREWS + 1; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (unsigned k = 0; k < WEIGHTS; k++) {
        char(*row)[64] = cells + (k + 1) * (2 * CREWS + 1);
        (void)snprintf(row[0], 64, "%g", weights[k]);
        for (unsigned w = 0; w < CREWS; w++) {
            best[w][k] = half[w][k] = NAN;
            for (unsigned a = 0; a < RATES; a++) {
                double mean, interval;
                papers_mean(s->steps[w][k][a], p->seeds, &mean, &interval);
                if (!isfinite(mean) || mean >= best[w][k]) continue;
                best[w][k] = mean;
                half[w][k] = interval;
                (void)snprintf(row[2 + 2 * w], 64, "%.3g", s->rate[a]);
            }
            (void)snprintf(row[1 + 2 * w], 64, "%.0f +- %.0f", best[w][k], half[w][k]);
        }
    }
    return papers_table(p, (const char(*)[64])cells, WEIGHTS + 1, 2 * CREWS + 1);
}

static bool put_bound(papers *p, const bound *b)
{
    static double x[UPDATES], error[UPDATES];
    for (unsigned t = 0; t < UPDATES; t++) {
        x[t] = t + 1;
        error[t] = b->error[t];
    }
    const hw_curve curves[] = {{"E |w - w*|^2", x, b->distance, NULL, UPDATES, HW_CURVE_LINE, 1},
                               {"eq. (9)", x, b->of, NULL, UPDATES, HW_CURVE_LINE, 2},
                               {"|g - fresh| / |fresh|, median", x, error, NULL, UPDATES, HW_CURVE_LINE, 3}};
    const hw_chart chart = {.file = "wang-bound",
                            .title = "Wang et al., Section 2: 8 exponential workers, rate 1 / (k + 8)",
                            .x_label = "update",
                            .y_label = "",
                            .log_x = 1,
                            .log_y = 1,
                            .y_low = NAN,
                            .y_high = NAN};
    return papers_chart(p, &chart, curves, 3);
}

bool papers_wang_late(papers *p)
{
    papers_digits d;
    double best[CREWS][WEIGHTS], half[CREWS][WEIGHTS];
    late *s = calloc(1, sizeof *s);
    bound *b = calloc(1, sizeof *b);
    bool good = s && b ? papers_digits_open(p, &d, 32, 16, false) : papers_trouble(p, "no memory"), open = good;
    if (good) {
        s->p = p;
        s->d = &d;
        for (unsigned a = 0; a < RATES; a++) s->rate[a] = 1.6 * pow(0.55, a);
        good = jobs_run(job, s, CREWS * WEIGHTS * RATES * p->seeds, p->id) && put(p, s, best, half) &&
               measure_bound(b) && put_bound(p, b);
    }
    if (good) {
        unsigned at[CREWS] = {0, 0}, above = 0;
        bool gains[CREWS];
        for (unsigned w = 0; w < CREWS; w++) {
            for (unsigned k = 0; k < WEIGHTS; k++)
                if (best[w][k] < best[w][at[w]]) at[w] = k;
            gains[w] = best[w][at[w]] + half[w][at[w]] < best[w][0] - half[w][0];
        }
        for (unsigned t = 0; t < UPDATES; t++) above += b->distance[t] > 1.0001 * b->of[t];
        papers_verdict(
            p, gains[0] || gains[1] ? PAPERS_PARTLY : PAPERS_NOT,
            "perceptron to 75 %%, best rate of each weight, %u seeds: with one worker %.0f +- %.0f updates without the "
            "late gradient, %.0f +- %.0f at the best weight (%g); with 8 exponential workers %.0f +- %.0f and %.0f +- "
            "%.0f (%g): the late gradient added %s once the rate is tuned (the toy's gain is that of a larger step). "
            "Section 2: |w - w*|^2 is above the bound of eq. (9) at %u of %d updates, and %.3g times below it at the "
            "end; "
            "the relative error of a stale gradient, which it takes as epsilon = alpha gamma lambda, is that with "
            "alpha "
            "= %.1f at update 100 and %.1f at the end (median)",
            p->seeds, best[0][0], half[0][0], best[0][at[0]], half[0][at[0]], weights[at[0]], best[1][0], half[1][0],
            best[1][at[1]], half[1][at[1]], weights[at[1]],
            gains[0] || gains[1] ? "gains something" : "gains nothing beyond the noise", above, UPDATES,
            b->of[UPDATES - 1] / b->distance[UPDATES - 1], b->error[99] * (100 + M),
            b->error[UPDATES - 1] * (UPDATES + M));
    }
    if (open) papers_digits_close(&d);
    free(s);
    free(b);
    return good;
}
