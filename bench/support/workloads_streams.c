/* workloads_streams.c - the workloads without data: a noisy quadratic and streaming PCA. */
#include "workloads_streams.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { AXES = 1000, RUNS = 20 };

static void start_corners(const workload *w, uint64_t seed, float *x)
{
    hw_rng rng;
    hw_rng_seed(&rng, seed, 3);
    for (size_t j = 0; j < w->objective.parameters; j++) x[j] = hw_rng_below(&rng, 2) ? 1 : -1;
}

/* Curvatures from 1 down to a hundredth, in equal steps of their logarithm. */
hw_status workload_quadratic(workload_streams *s, workload *w, char *why)
{
    s->curvature = malloc(AXES * sizeof *s->curvature);
    s->optimum = calloc(AXES, sizeof *s->optimum);
    if (!s->curvature || !s->optimum) {
        (void)snprintf(why, HW_WHY, "no memory for a quadratic");
        return HW_E_MEMORY;
    }
    for (int j = 0; j < AXES; j++) s->curvature[j] = (float)pow(0.01, j / (AXES - 1.0));
    s->quadratic = (hw_quadratic){AXES, s->curvature, s->optimum, 0.1};
    w->config.optimizer.schedule.base = 0.05;
    w->config.updates = 200;
    w->start = start_corners;
    return hw_quadratic_objective(&s->quadratic, &w->objective, why);
}

static const float eigenvalue[] = {4, 3, 2, 1};

static void start_saddle(const workload *w, uint64_t seed, float *x)
{
    const hw_pca model = {4, RUNS, eigenvalue};
    (void)w, (void)seed;
    hw_pca_start(&model, 1, x);
}

/* Liu et al.'s setting: it begins at a saddle point. */
hw_status workload_pca(workload_streams *s, workload *w, char *why)
{
    s->pca = (hw_pca){4, RUNS, eigenvalue};
    w->config.optimizer.schedule.base = 5e-4;
    w->config.optimizer.momentum = 0.8;
    w->config.updates = 20000;
    w->start = start_saddle;
    return hw_pca_objective(&s->pca, &w->objective, why);
}

void workload_streams_free(workload_streams *s)
{
    free(s->curvature);
    free(s->optimum);
}
