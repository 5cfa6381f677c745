/* age.c - how the step depends on the age of the single gradient: a row for each value of hw_age, in its order. */
#include "age.h"
#include <math.h>

static double none(const hw_compensation *c, double t, double m)
{
    (void)c;
    (void)t;
    (void)m;
    return 1;
}

static double exponential(const hw_compensation *c, double t, double m)
{
    (void)m;
    return t > 0 ? c->age_gain * exp(-t) : 1;
}

static double power(const hw_compensation *c, double t, double m)
{
    (void)m;
    return t > 0 ? c->age_gain * pow(c->age_base, -t) : 1;
}

static double inverse(const hw_compensation *c, double t, double m)
{
    (void)c;
    (void)m;
    return t > 1 ? 1 / t : 1;
}

static double concurrency(const hw_compensation *c, double t, double m)
{
    (void)c;
    return t > m ? m / t : 1;
}

static double drop(const hw_compensation *c, double t, double m)
{
    (void)c;
    return t > m ? 0 : 1;
}

/* By the measured staleness: hw_age_factors. */
static double measured(const hw_compensation *c, double t, double m)
{
    return none(c, t, m);
}

#define ROW(value, row, name, help) row,
static double (*const rows[])(const hw_compensation *, double, double) = {HW_AGE_TABLE(ROW)};

double hw_age_factor(const hw_compensation *c, uint64_t tau, unsigned workers)
{
    bool known = (unsigned)c->age < HW__ROWS(HW_AGE_TABLE);
    return known ? rows[c->age](c, (double)tau, workers > 1 ? workers : 1) : 1;
}

/* How many of the histogram are i updates old; the last of n stands for all from there on. */
static double count_of(const hw_histogram *h, size_t i, size_t n)
{
    double count = 0;
    for (size_t b = i; b < (i + 1 < n ? i + 1 : h->bins); b++) count += (double)h->counts[b];
    return count;
}

static void fill_tail(const hw_compensation *c, const hw_histogram *h, double *factor, size_t n)
{
    double below = 0, total = (double)h->total;
    for (size_t i = 0; i < n; i++) {
        double here = count_of(h, i, n);
        factor[i] = 1 + c->age_gain * (1 - 2 * (below + here / 2) / total);
        below += here;
    }
}

/* log of h(l) / q(l), up to a constant. An age that was not seen counts as once. */
static void fill_ratios(const hw_compensation *c, const hw_histogram *h, double *ratio, size_t n)
{
    for (size_t i = 0; i < n; i++) ratio[i] = -(double)i * log(c->age_base) - log(fmax(1, count_of(h, i, n)));
}

static double mean_step(const hw_histogram *h, const double *ratio, size_t n, double log_s)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += count_of(h, i, n) * exp(fmin(log(HW__AGE_MOST), log_s + ratio[i]));
    return sum / (double)h->total;
}

/* Between a scale at which every age that was seen has next to nothing and one at which all have the most. */
static void fill_kernel(const hw_compensation *c, const hw_histogram *h, double *factor, size_t n)
{
    double low = INFINITY, high = -INFINITY, wanted = fmin(c->age_gain, HW__AGE_MOST);
    size_t last = 0;
    fill_ratios(c, h, factor, n);
    for (size_t i = 0; i < n; i++) {
        if (!(count_of(h, i, n) > 0)) continue;
        low = fmin(low, -factor[i] - 750);
        high = fmax(high, log(HW__AGE_MOST) - factor[i]);
        last = i;
    }
    for (int k = 0; k < 80; k++) {
        double middle = (low + high) / 2;
        if (mean_step(h, factor, n, middle) < wanted)
            low = middle;
        else
            high = middle;
    }
    for (size_t i = 0; i < n; i++) factor[i] = exp(fmin(log(HW__AGE_MOST), high + factor[i]));
    /* What is older than all that was seen is no better than the oldest of that. */
    for (size_t i = last + 1; i < n; i++) factor[i] = factor[last];
}

bool hw__age_measured(hw_age age)
{
    return (unsigned)age < HW__ROWS(HW_AGE_TABLE) && rows[age] == measured;
}

void hw_age_factors(const hw_compensation *c, const hw_histogram *h, unsigned workers, double *factor, size_t n)
{
    for (size_t i = 0; i < n; i++) factor[i] = hw_age_factor(c, i, workers);
    if (!h || !h->total || n < 2 || !hw__age_measured(c->age)) return;
    size_t known = n < h->linear_bins ? n : h->linear_bins; /* beyond those a bin is of several ages */
    if (c->age == HW_AGE_TAIL) fill_tail(c, h, factor, known);
    if (c->age == HW_AGE_KERNEL) fill_kernel(c, h, factor, known);
    for (size_t i = known; i < n; i++) factor[i] = factor[known - 1];
}
