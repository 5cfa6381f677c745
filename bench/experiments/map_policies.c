/* map_policies.c - the map: which policy reaches the target first, by the law of the work and by
 * x = rate x curvature x workers / (1 - momentum), on a quadratic of condition number 100 with noisy gradients. Time is
 * virtual, so a policy that lets workers rest pays for it. */
#include "map.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10, M = 8, POLICIES = 8, LAWS = 4, POINTS = 6, SEEDS = 12 };

static const double momentum = 0.9, xs[POINTS] = {0.25, 0.5, 1, 2, 4, 8};
static const unsigned laws[LAWS] = {0, 1, 3, 5}; /* of map_laws */
static const hw_policy policies[POLICIES] = {HW_POLICY_NONE,      HW_POLICY_THEORY,   HW_POLICY_MEASURED,
                                             HW_POLICY_POLE_ZERO, HW_POLICY_MEAN_LAG, HW_POLICY_LOOK_AHEAD,
                                             HW_POLICY_AUTO,      HW_POLICY_AUTO};
enum { ALL_STEP = POLICIES - 1 };

typedef struct contest {
    papers *p;
    hw_objective objective;
    float start[N];
    double one[POINTS][SEEDS];                  /* updates of one worker */
    double time[LAWS][POINTS][POLICIES][SEEDS]; /* virtual time x M: as if all of it were updates */
    double ratio[LAWS][POINTS][POLICIES], half[LAWS][POINTS][POLICIES];
} contest;

static hw_config setting(const contest *c, int i, unsigned seed, unsigned workers)
{
    hw_config k = papers_config(HW_CLOCK_EXPONENTIAL, workers, 0);
    k.updates = (uint64_t)(40000 / xs[i]);
    k.evaluate_every = (uint64_t)(100 / xs[i] / 4 + 1);
    k.batch = 1;
    k.seed = seed + 1;
    k.curvature = 1;
    k.divergence = 100;
    k.optimizer.momentum = momentum;
    k.optimizer.schedule.base = xs[i] * (1 - momentum) / M;
    (void)c;
    return k;
}

static bool one_worker(void *context, unsigned number)
{
    contest *c = context;
    unsigned seed = number % SEEDS, i = number / SEEDS;
    hw_config k = setting(c, (int)i, seed, 1);
    c->one[i][seed] = papers_run(&c->objective, &k, c->start, 0, 0.02).steps;
    return !cli_interrupted;
}

static bool one_policy(void *context, unsigned number)
{
    contest *c = context;
    unsigned seed = number % SEEDS, k = number / SEEDS % POLICIES, i = number / SEEDS / POLICIES % POINTS,
             l = number / SEEDS / POLICIES / POINTS;
    hw_config o = setting(c, (int)i, seed, M);
    o.simulation.clock = map_laws[laws[l]].kind;
    o.simulation.shape = map_laws[laws[l]].shape;
    o.compensation.policy = policies[k];
    if (k == ALL_STEP) o.least_workers = M;
    c->time[l][i][k][seed] = M * papers_run(&c->objective, &o, c->start, 0, 0.02).virtual_time;
    return !cli_interrupted;
}

static const char *name_of(unsigned k)
{
    return k == ALL_STEP ? "auto, all step" : hw_policy_name(policies[k]);
}

/* Ratios to one worker's updates, seed by seed. */
static void compare(contest *c, unsigned l, unsigned i, unsigned k)
{
    double ratio[SEEDS];
    for (unsigned s = 0; s < SEEDS; s++) ratio[s] = c->time[l][i][k][s] / c->one[i][s];
    papers_mean(ratio, SEEDS, &c->ratio[l][i][k], &c->half[l][i][k]);
}

/* The policy with the least mean; POLICIES: none gets there with every seed. */
static unsigned best_of(const contest *c, unsigned l, unsigned i)
{
    unsigned best = POLICIES;
    for (unsigned k = 0; k < POLICIES; k++)
        if (isfinite(c->ratio[l][i][k]) && (best == POLICIES || c->ratio[l][i][k] < c->ratio[l][i][best])) best = k;
    return best;
}

static bool put(papers *p, const contest *c)
{
    static char cells[(POLICIES + 2) * (POINTS + 1)][64];
    static double y[POLICIES][POINTS];
    hw_curve curves[POLICIES];
    for (unsigned l = 0; l < LAWS; l++) {
        const map_law *law = map_laws + laws[l];
        char file[40], title[120];
        (void)snprintf(cells[0], 64, "%s (%g): policy", law->name, law->variation);
        for (int i = 0; i < POINTS; i++) (void)snprintf(cells[1 + i], 64, "x = %g", xs[i]);
        for (unsigned k = 0; k <= POLICIES; k++) {
            char(*row)[64] = cells + (k + 1) * (POINTS + 1);
            (void)snprintf(row[0], 64, "%s", k < POLICIES ? name_of(k) : "first");
            for (unsigned i = 0; i < POINTS; i++) {
                if (k == POLICIES) {
                    unsigned best = best_of(c, l, i);
                    (void)snprintf(row[1 + i], 64, "%s", best < POLICIES ? name_of(best) : "none");
                    continue;
                }
                y[k][i] = c->ratio[l][i][k];
                if (isfinite(y[k][i]))
                    (void)snprintf(row[1 + i], 64, "%.2f +- %.2f", y[k][i], c->half[l][i][k]);
                else
                    (void)snprintf(row[1 + i], 64, "not reached");
            }
            if (k < POLICIES) curves[k] = (hw_curve){.name = name_of(k), .x = xs, .y = y[k], .n = POINTS};
        }
        if (!papers_table(p, (const char(*)[64])cells, POLICIES + 2, POINTS + 1)) return false;
        (void)snprintf(file, sizeof file, "map-policies-%u", l + 1);
        (void)snprintf(title, sizeof title, "Time to the target, %s work (variation %g), 8 workers", law->name,
                       law->variation);
        const hw_chart chart = {.file = file,
                                .title = title,
                                .x_label = "rate x curvature x workers / (1 - momentum)",
                                .y_label = "time x workers, of one worker's updates",
                                .log_x = 2,
                                .log_y = 1,
                                .y_low = 0.5,
                                .y_high = 20};
        if (!papers_chart(p, &chart, curves, POLICIES)) return false;
    }
    return true;
}

bool papers_map_policies(papers *p)
{
    float curvature[N], optimum[N] = {0};
    contest *c = calloc(1, sizeof *c);
    if (!c) return papers_trouble(p, "no memory");
    for (int i = 0; i < N; i++) {
        curvature[i] = powf(100, (float)i / (N - 1) - 1);
        c->start[i] = 1 / sqrtf(curvature[i]);
    }
    hw_quadratic q = {N, curvature, optimum, 0.1};
    c->p = p;
    bool good = hw_quadratic_objective(&q, &c->objective, NULL) == HW_OK &&
                jobs_run(one_worker, c, POINTS * SEEDS, p->id) &&
                jobs_run(one_policy, c, LAWS * POINTS * POLICIES * SEEDS, p->id);
    for (unsigned n = 0; good && n < LAWS * POINTS * POLICIES; n++)
        compare(c, n / POLICIES / POINTS, n / POLICIES % POINTS, n % POLICIES);
    good = good && put(p, c);
    if (good) {
        char text[600] = "";
        for (unsigned l = 0; l < LAWS; l++) {
            double up_to[POLICIES] = {0};
            for (int k = 0; k < POLICIES; k++)
                for (int i = 0; i < POINTS && c->ratio[l][i][k] < 1.25; i++) up_to[k] = xs[i];
            size_t n = strlen(text);
            (void)snprintf(text + n, sizeof text - n, "%s%g: %g, %g, %g, %g", l ? "; " : "",
                           map_laws[laws[l]].variation, up_to[0], up_to[5], up_to[6], up_to[ALL_STEP]);
        }
        papers_verdict(
            p, PAPERS_MEASURED,
            "the largest x at which 8 workers lose less than a quarter of their updates, by the squared "
            "variation of the work, without compensation, with look-ahead, with auto, and with auto where all step: %s",
            text);
    }
    free(c);
    return good;
}
