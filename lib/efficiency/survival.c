/* survival.c - Kaplan and Meier's estimate from runs of which some were not seen to meet their target, and intervals by
 * bootstrap (Efron): percentiles of the estimate over draws of the runs. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

#define MOST  65536
#define DRAWS 2000

static int by_time(const void *a, const void *b)
{
    const hw__efficiency_observed *x = a, *y = b;
    if (x->time < y->time) return -1;
    if (x->time > y->time) return 1;
    return y->met - x->met; /* who met it then was still under observation when others ended */
}

hw__efficiency_survivors hw__efficiency_survival(hw__efficiency_observed *x, size_t n, double horizon)
{
    hw__efficiency_survivors s = {NAN, 0};
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

static hw__efficiency_observed *observations(const double *time, const int *met, size_t n)
{
    hw__efficiency_observed *x = n && n <= MOST ? hw__base_alloc(2 * n, sizeof *x) : NULL;
    for (size_t i = 0; x && i < n; i++) x[i] = (hw__efficiency_observed){time[i], met[i] != 0};
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
    if (!good(time, met, n) || !(horizon > 0) || !hw__base_finite_double(horizon)) return HW_E_ARGUMENT;
    hw__efficiency_observed *x = observations(time, met, n);
    if (!x) return HW_E_MEMORY;
    hw__efficiency_survivors s = hw__efficiency_survival(x, n, horizon);
    hw__base_free(x);
    if (median) *median = s.median;
    if (mean) *mean = s.mean;
    return HW_OK;
}

hw_status hw__efficiency_bootstrap(size_t n, uint64_t seed, double (*of)(void *context, const uint32_t *draw, size_t n),
                                   void *context, hw_estimate *e)
{
    double *drawn = hw__base_alloc(DRAWS, sizeof *drawn);
    uint32_t *draw = hw__base_alloc(n, sizeof *draw);
    hw_status status = drawn && draw ? HW_OK : HW_E_MEMORY;
    size_t kept = 0;
    hw_rng rng;
    hw_rng_seed(&rng, seed, 0);
    *e = (hw_estimate){NAN, NAN, NAN};
    if (status == HW_OK) {
        for (uint32_t i = 0; i < n; i++) draw[i] = i;
        e->value = of(context, draw, n);
        if (isinf(e->value)) e->value = NAN;
    }
    for (size_t k = 0; status == HW_OK && n > 2 && !isnan(e->value) && k < DRAWS; k++) {
        for (size_t i = 0; i < n; i++) draw[i] = (uint32_t)hw_rng_below(&rng, n);
        drawn[kept] = of(context, draw, n);
        if (!isnan(drawn[kept])) kept++;
    }
    if (kept > DRAWS / 2) {
        (void)hw__base_median(drawn, kept); /* sorts them */
        e->low = drawn[kept / 40];
        e->high = drawn[kept - 1 - kept / 40];
    }
    hw__base_free(draw);
    hw__base_free(drawn);
    return status;
}

typedef struct sample {
    const hw__efficiency_observed *from;
    hw__efficiency_observed *into;
} sample;

static double median_of_draw(void *context, const uint32_t *draw, size_t n)
{
    const sample *s = context;
    for (size_t i = 0; i < n; i++) s->into[i] = s->from[draw[i]];
    double median = hw__efficiency_survival(s->into, n, 1).median;
    return isnan(median) ? INFINITY : median;
}

hw_status hw_survival_median(const double *time, const int *met, size_t n, uint64_t seed, hw_estimate *median)
{
    if (!good(time, met, n) || !median) return HW_E_ARGUMENT;
    hw__efficiency_observed *x = observations(time, met, n);
    if (!x) return HW_E_MEMORY;
    sample s = {x, x + n};
    hw_status status = hw__efficiency_bootstrap(n, seed, median_of_draw, &s, median);
    hw__base_free(x);
    return status;
}
