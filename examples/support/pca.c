/* pca.c - streaming PCA under a fixed delay: many (momentum, delay) runs, two at a time. */
#include "pca.h"
#include "jobs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 4 };
static const float eigenvalues[DIMENSION] = {4, 3, 2, 1};

pca_options pca_defaults(void)
{
    return (pca_options){5e-4, 100, 200, 10, 100000, 1, {0.7, 0.8, 0.85, 0.9, 0.95}, 5, false};
}

static hw_config configure(const pca_options *o, double momentum, unsigned delay)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SIMULATED;
    c.simulation.clock = HW_CLOCK_DELAY;
    c.simulation.delay = delay;
    c.simulation.threads = 1;
    c.workers = 1;
    c.batch = 1;
    c.epochs = 0;
    c.updates = o->steps;
    c.seed = o->seed;
    c.optimizer.momentum = momentum;
    c.optimizer.schedule.base = o->eta;
    c.compensation.policy = HW_POLICY_NONE;
    c.divergence = 0;
    c.keep_every = 0;
    c.target_metric = 0;
    c.stop_flag = &cli_interrupted;
    return c;
}

typedef struct grid {
    const char *program;
    const pca_options *o;
    pca_figure *f;
} grid;

/* Error over the last tenth of the steps: looked at a hundred times, mean over the runs. The spread is that of the
 * hundred, which are correlated: the runs behind each of them are independent. */
static bool one(void *context, unsigned job)
{
    grid *g = context;
    const pca_options *o = g->o;
    unsigned k = job % o->momenta, j = job / o->momenta;
    hw_pca pca = {DIMENSION, o->replicas, eigenvalues};
    hw_objective objective;
    char why[HW_WHY] = "";
    float *params = malloc(sizeof *params * DIMENSION * o->replicas);
    hw_engine *engine = NULL;
    hw_result r;
    if (!params) return cli_error(g->program, 1, "no memory") == 0;
    hw_config c = configure(o, o->momentum[k], g->f->delay[j]);
    c.evaluate_every = o->steps / 1000 ? o->steps / 1000 : 1;
    hw_pca_start(&pca, 1, params);
    hw_status status = hw_pca_objective(&pca, &objective, why);
    if (status == HW_OK) status = hw_engine_create(&engine, &objective, &c, params, why);
    if (status == HW_OK) status = hw_engine_run(engine, &r);
    double sum = 0, squares = 0;
    unsigned n = 0;
    size_t count = 0;
    const hw_evaluation *ev = status == HW_OK ? hw_engine_evaluations(engine, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        if (ev[i].update <= o->steps - o->steps / 10) continue;
        sum += ev[i].metric[0];
        squares += ev[i].metric[0] * ev[i].metric[0];
        n++;
    }
    g->f->error[k][j] = n ? sum / n : NAN;
    g->f->spread[k][j] = n ? sqrt(fmax(0, squares / n - (sum / n) * (sum / n))) : NAN;
    g->f->alive[k][j] = status == HW_OK ? r.last.metric[1] : NAN;
    if (status != HW_OK) (void)cli_error(g->program, 1, why[0] ? why : r.message);
    hw_engine_free(engine);
    free(params);
    return status == HW_OK && !cli_interrupted;
}

/* The linear bound at the optimum: curvature 2 lambda_1 along v_1, lambda_1 - lambda_i across it. */
static unsigned stable_delay(const pca_options *o, double momentum)
{
    unsigned m = hw_advise_workers(2 * (double)eigenvalues[0] * o->eta, momentum, 0);
    return m ? m - 1 : 0;
}

bool pca_run(const char *program, const pca_options *o, pca_figure *f)
{
    uint64_t from = hw_now();
    memset(f, 0, sizeof *f);
    for (unsigned d = 0; d <= o->last_delay && f->delays < PCA_DELAYS; d += o->delay_step) f->delay[f->delays++] = d;
    grid g = {program, o, f};
    if (!jobs_run(one, &g, f->delays * o->momenta, o->quiet ? NULL : program)) return false;
    for (unsigned k = 0; k < o->momenta; k++) {
        f->stable[k] = stable_delay(o, o->momentum[k]);
        for (unsigned j = 0; j < f->delays && f->error[k][j] <= 1.7 * f->error[k][0]; j++) f->knee[k] = f->delay[j];
    }
    f->seconds = (double)(hw_now() - from) * 1e-9;
    return true;
}

/* --- the trajectory beside the equation
 * -------------------------------------------------------------------------------- */

enum { POINTS = 400 };

/* H_i^2 / sum, H_i = H_i(0) exp(lambda_i t eta / (1 - mu)) from shares at time 0. */
static double equation(const double *share, double t, double eta, double momentum)
{
    double all = 0, first = 0;
    for (int i = 0; i < DIMENSION; i++) {
        double h = share[i] * exp(2 * ((double)eigenvalues[i] - (double)eigenvalues[0]) * t * eta / (1 - momentum));
        all += h;
        if (i == 0) first = h;
    }
    return 1 - first / all;
}

/* One run from the saddle point e_2, sampled; the equation is started where v_1^2 first reaches a tenth: before that
 * the noise has to push the iterate off the saddle (phase 1), after it the equation holds (phase 2), and at its end the
 * noise keeps a variance (phase 3). */
static bool trajectory(const char *program, const pca_options *o, double momentum, double *x, double *y, double *ode,
                       size_t *n, double *from)
{
    hw_pca pca = {DIMENSION, 1, eigenvalues};
    hw_objective objective;
    hw_engine *engine = NULL;
    char why[HW_WHY];
    float v[DIMENSION];
    double share[DIMENSION] = {0};
    hw_result r;
    hw_config c = configure(o, momentum, 0);
    uint64_t every = 50;
    bool started = false;
    c.updates = every;
    hw_pca_start(&pca, 1, v);
    hw_status status = hw_pca_objective(&pca, &objective, why);
    if (status == HW_OK) status = hw_engine_create(&engine, &objective, &c, v, why);
    if (status != HW_OK) return cli_error(program, 1, why) == 0;
    for (*n = 0; *n < POINTS && hw_engine_run(engine, &r) == HW_OK; ++*n) {
        double square = 0;
        (void)hw_engine_get(engine, v);
        for (int i = 0; i < DIMENSION; i++) square += (double)v[i] * (double)v[i];
        x[*n] = (double)((*n + 1) * every);
        y[*n] = 1 - (double)v[0] * (double)v[0] / square;
        if (!started && y[*n] <= 0.9) {
            started = true;
            *from = x[*n];
            for (int i = 0; i < DIMENSION; i++) share[i] = (double)v[i] * (double)v[i] / square;
        }
        ode[*n] = started ? equation(share, x[*n] - *from, o->eta, momentum) : NAN;
    }
    hw_engine_free(engine);
    return true;
}

static bool phases(const char *program, const pca_options *o, hw_report *report)
{
    static double x[2][POINTS], y[2][POINTS], ode[2][POINTS];
    size_t n[2];
    double from[2] = {NAN, NAN}, far[2] = {0, 0}, late[2] = {0, 0};
    char why[HW_WHY], text[500];
    const double momenta[] = {0, 0.8};
    for (int k = 0; k < 2; k++)
        if (!trajectory(program, o, momenta[k], x[k], y[k], ode[k], &n[k], &from[k])) return false;
    hw_curve curves[] = {{"momentum 0: one run", x[0], y[0], NULL, n[0], HW_CURVE_LINE, 1},
                         {"momentum 0: ODE", x[0], ode[0], NULL, n[0], HW_CURVE_LINE, 7},
                         {"momentum 0.8: one run", x[1], y[1], NULL, n[1], HW_CURVE_LINE, 2},
                         {"momentum 0.8: ODE", x[1], ode[1], NULL, n[1], HW_CURVE_LINE, 8}};
    hw_chart chart = {.file = "pca-phases",
                      .title = "Streaming PCA from a saddle point: noise, equation, variance",
                      .x_label = "steps",
                      .y_label = "1 - v1^2 / |v|^2",
                      .log_y = 1,
                      .y_low = 1e-4,
                      .y_high = 1.2};
    if (hw_report_chart(report, &chart, curves, 4, why) != HW_OK) return cli_error(program, 1, why) == 0;
    for (int k = 0; k < 2; k++) {
        unsigned shared = 0;
        for (size_t i = 0; i < n[k]; i++) {
            if (ode[k][i] > 0.1) {
                far[k] += fabs(y[k][i] - ode[k][i]);
                shared++;
            }
            if (i >= n[k] / 4 * 3) late[k] += y[k][i] / (double)(n[k] - n[k] / 4 * 3);
        }
        far[k] = shared ? far[k] / shared : NAN;
    }
    (void)snprintf(
        text, sizeof text,
        "One run each, momentum 0 and 0.8. Off the saddle point (error 0.9) at step %.0f and %.0f; mean distance to "
        "the "
        "equation H_i ~ exp(lambda_i t eta / (1 - mu)) while it is above 0.1: %.3f and %.3f; mean error of the last "
        "quarter: %.4f and %.4f (nan: it did not come so far).",
        from[0], from[1], far[0], far[1], late[0], late[1]);
    return hw_report_text(report, text) == HW_OK;
}

bool pca_report(const char *program, const pca_options *o, const pca_figure *f, hw_report *report)
{
    double x[PCA_DELAYS], sx[PCA_MOMENTA], sy[PCA_MOMENTA];
    char names[PCA_MOMENTA][40], why[HW_WHY];
    hw_curve curves[PCA_MOMENTA + 1];
    for (unsigned j = 0; j < f->delays; j++) x[j] = f->delay[j];
    printf("%s: %u runs of %u steps, eta %g, error over the last tenth (share of the runs that did not diverge)\n%-10s",
           program, o->replicas, o->steps, o->eta, "delay");
    for (unsigned k = 0; k < o->momenta; k++) {
        (void)snprintf(names[k], sizeof names[k], "momentum %g", o->momentum[k]);
        curves[k] = (hw_curve){names[k], x, f->error[k], f->spread[k], f->delays, HW_CURVE_LINE_POINTS, k + 1};
        sx[k] = f->stable[k];
        sy[k] = f->error[k][0];
        printf("%16s", names[k]);
    }
    for (unsigned j = 0; j < f->delays; j++) {
        printf("\n%-10u", f->delay[j]);
        for (unsigned k = 0; k < o->momenta; k++) printf("   %7.4f (%.2f)", f->error[k][j], f->alive[k][j]);
    }
    printf("\n%-10s", "knee");
    for (unsigned k = 0; k < o->momenta; k++) printf("%16u", f->knee[k]);
    printf("\n%-10s", "stable to");
    for (unsigned k = 0; k < o->momenta; k++) printf("%16u", f->stable[k]);
    printf("\n%.0f s\n", f->seconds);
    curves[o->momenta] = (hw_curve){"linear stability ends", sx, sy, NULL, o->momenta, HW_CURVE_POINTS, 7};
    hw_chart chart = {.file = "pca-delay",
                      .title = "Streaming PCA: error against delay (Liu et al., Fig. 1)",
                      .x_label = "delay (updates)",
                      .y_label = "1 - v1^2 / |v|^2, last tenth",
                      .log_y = 1,
                      .y_low = 0.005,
                      .y_high = 1.2};
    if (hw_report_chart(report, &chart, curves, o->momenta + 1, why) != HW_OK) return cli_error(program, 1, why) == 0;
    return phases(program, o, report);
}
