/* survival.c - Kaplan and Meier's estimate from runs of which some were not seen to meet their target, and intervals by
 * bootstrap (Efron): percentiles of the estimate over draws of the runs. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

#define MOST  65536
#define DRAWS 2000

static int by_time(const void *a, const void *b)
{
    const hw__observed *x = a, *y = b;
    if (x->time < y->time) return -1;
    if (x->time > y->time) return 1;
    return y->met - x->met; /* who met it then was still under observation when others ended */
}

hw__survivors hw__survival_of(hw__observed *x, size_t n, double horizon)
{
    hw__survivors s = {NAN, 0};
    double above = 1, since = 0, half = NAN;
    qsort(x, n, sizeof *x, by_time);
    for (size_t i = 0; i < n;) {
        double t = x[i].time;
        size_t at_risk = n - i, met = 0;
        for (; i < n && x[i].time <= t; i++) met += x[i].met != 0;
        if (!met) continue;
        double until = t < horizon ? t : horizon;
        if (until > since) s.mean += above * (until - since), since = until;
        if (isnan(s.median) && !isnan(half)) s.median = 0.5 * (half + t);
        above *= 1 - (double)met / (double)at_risk;
        /* A product of such factors is hardly one half to the bit. */
        if (isnan(s.median) && isnan(half) && fabs(above - 0.5) < 1e-12)
            half = t;
        else if (isnan(s.median) && above < 0.5)
            s.median = t;
    }
    if (horizon > since) s.mean += above * (horizon - since);
    return s;
}

static hw__observed *observations(const double *time, const int *met, size_t n)
{
    hw__observed *x = n && n <= MOST ? hw__base_alloc(2 * n, sizeof *x) : NULL;
    for (size_t i = 0; x && i < n; i++) x[i] = (hw__observed){time[i], met[i] != 0};
    return x;
}

static bool good(const double *time, const int *met, size_t n)
{
    if (!time || !met || n < 1 || n > MOST) return false;
    for (size_t i = 0; i < n; i++)
        if (!(time[i] >= 0)) return false;
    return true;
}

hw_status hw_survival(const double *time, const int *met, size_t n, double horizon, double *median, double *mean)
{
    if (!good(time, met, n) || !(horizon > 0)) return HW_E_ARGUMENT;
    hw__observed *x = observations(time, met, n);
    if (!x) return HW_E_MEMORY;
    hw__survivors s = hw__survival_of(x, n, horizon);
    hw__base_free(x);
    if (median) *median = s.median;
    if (mean) *mean = s.mean;
    return HW_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

hw_estimate hw__bootstrap(size_t n, uint64_t seed, double value,
                          double (*of)(void *context, const uint32_t *draw, size_t n), void *context)
{
    hw_estimate e = {value, NAN, NAN};
    double *drawn = n > 2 && !isnan(value) ? hw__base_alloc(DRAWS, sizeof *drawn) : NULL;
    uint32_t *draw = drawn ? hw__base_alloc(n, sizeof *draw) : NULL;
    hw_rng rng;
    hw_rng_seed(&rng, seed, 0);
    for (size_t k = 0; draw && k < DRAWS; k++) {
        for (size_t i = 0; i < n; i++) draw[i] = (uint32_t)hw_rng_below(&rng, n);
        double x = of(context, draw, n);
        drawn[k] = isnan(x) ? INFINITY : x; /* of a draw whose runs do not meet the target */
    }
    if (draw) {
        qsort(drawn, DRAWS, sizeof *drawn, by_value);
        e.low = drawn[DRAWS / 40];
        e.high = drawn[DRAWS - 1 - DRAWS / 40];
    }
    hw__base_free(draw);
    hw__base_free(drawn);
    return e;
}

typedef struct sample {
    const hw__observed *from;
    hw__observed *into;
} sample;

static double median_of_draw(void *context, const uint32_t *draw, size_t n)
{
    const sample *s = context;
    for (size_t i = 0; i < n; i++) s->into[i] = s->from[draw[i]];
    return hw__survival_of(s->into, n, 1).median;
}

hw_status hw_survival_median(const double *time, const int *met, size_t n, uint64_t seed, hw_estimate *median)
{
    if (!good(time, met, n) || !median) return HW_E_ARGUMENT;
    hw__observed *x = observations(time, met, n);
    if (!x) return HW_E_MEMORY;
    sample s = {x, x + n};
    double value = hw__survival_of(x, n, 1).median;
    *median = hw__bootstrap(n, seed, value, median_of_draw, &s);
    hw__base_free(x);
    return HW_OK;
}
