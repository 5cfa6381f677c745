/* stability.c - linear stability of a delayed momentum step on a quadratic: how large alpha h may be. */
#include "stability.h"
#include <math.h>

/* Schur-Cohn: a monic polynomial has all its roots inside the unit circle iff every reflection coefficient is below 1
 * in magnitude. p[0] is the constant term, p[degree] = 1; p is destroyed. */
static bool inside(long double *p, size_t degree)
{
    for (size_t n = degree; n > 0; n--) {
        long double k = p[0];
        if (!(fabsl(k) < 1)) return false;
        long double scale = 1 / (1 - k * k);
        /* q_{i-1} = (p_i - k p_{n-i}) / (1 - k^2), in pairs so that it works in place. */
        for (size_t i = 1, j = n - 1; i <= j; i++, j--) {
            long double a = p[i], b = p[j];
            p[i] = (a - k * b) * scale;
            p[j] = (b - k * a) * scale;
        }
        for (size_t i = 0; i < n; i++) p[i] = p[i + 1];
        p[n - 1] = 1;
    }
    return true;
}

/* p: room for lags + 2 coefficients. kernel NULL: every delay is lags - 1. */
static bool stable_in(long double *p, double step, double momentum, double ahead, const double *kernel, size_t lags)
{
    size_t top = lags - 1, degree = top + 2;
    for (size_t i = 0; i < degree; i++) p[i] = 0;
    p[degree] = 1;
    p[degree - 1] = -(1 + (long double)momentum);
    p[degree - 2] = momentum;
    for (size_t l = kernel ? 0 : top; l < lags; l++) {
        double share = kernel ? kernel[l] : 1;
        p[top - l + 1] += (long double)step * share * (1 + ahead);
        p[top - l] -= (long double)step * share * ahead;
    }
    /* A zero delay with look-ahead changes the leading terms only below the degree, so p stays monic. */
    return inside(p, degree);
}

int hw_advise_stable(double step, double momentum, double ahead, const double *kernel, size_t lags)
{
    long double few[HW__STABILITY_SHORT + 2];
    if (lags < 1 || lags > HW__STABILITY_LAGS || !(step > 0)) return 0;
    if (lags <= HW__STABILITY_SHORT) return stable_in(few, step, momentum, ahead, kernel, lags);
    long double *many = hw__base_alloc(lags + 2, sizeof *many);
    bool yes = many && stable_in(many, step, momentum, ahead, kernel, lags);
    hw__base_free(many);
    return yes;
}

double hw_advise_bound(double momentum, double ahead, const double *kernel, size_t lags)
{
    /* The stable set is an interval from 0 in every case of use; find its end by doubling and bisection. */
    double low = 0, high = 1e-9;
    while (high < 1e3 && hw_advise_stable(high, momentum, ahead, kernel, lags)) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 50 && high - low > 1e-7 * high; i++) {
        double middle = 0.5 * (low + high);
        if (hw_advise_stable(middle, momentum, ahead, kernel, lags))
            low = middle;
        else
            high = middle;
    }
    return low;
}

double hw_advise_bound_delay(double momentum, double ahead, unsigned delay)
{
    unsigned most = delay < 512 ? delay : 511; /* beyond, a bound falls as 1 / delay */
    double bound = hw_advise_bound(momentum, ahead, NULL, most + 1);
    return delay > most ? bound * most / delay : bound;
}

double hw_look_ahead(double momentum, double delay)
{
    return momentum > 0 && delay > 0 ? momentum * (1 - pow(momentum, delay)) / (1 - momentum) : 0;
}

unsigned hw_advise_workers(double step, double momentum, int look_ahead)
{
    /* The bound falls with the delay, so bisection over M holds. */
    unsigned low = 0, high = HW_MAX_WORKERS + 1;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2, delay = middle - 1;
        if (hw_advise_stable(step, momentum, look_ahead ? hw_look_ahead(momentum, delay) : 0, NULL, delay + 1))
            low = middle;
        else
            high = middle;
    }
    return low;
}

size_t hw__stability_kernel(const hw_histogram *h, double *kernel, size_t room)
{
    size_t lags = 0;
    for (size_t l = 0; l < room; l++) kernel[l] = 0;
    for (uint32_t b = 0; b < h->bins; b++) {
        if (!h->counts[b]) continue;
        uint64_t low, high;
        hw_histogram_bounds(h, b, &low, &high);
        size_t at = (low + high) / 2 < room ? (size_t)((low + high) / 2) : room - 1;
        kernel[at] += (double)h->counts[b] / (double)h->total;
        lags = at + 1 > lags ? at + 1 : lags;
    }
    return lags;
}
