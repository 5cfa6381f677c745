/* summary.c - what a histogram of staleness says: shape statistics, estimates of the implicit momentum, fits, verdict.
 *
 * Cells above the exact bound enter the fits as one tail cell; below it each value is a cell of its own. */
#include "staleness.h"
#include <math.h>
#include <string.h>

/* log of the gamma function of x > 0, by Stirling's series beyond 10: the C library's lgamma also writes the global
 * signgam, which two threads would race for. */
static double log_gamma(double x)
{
    double shift = 0;
    for (; x < 10; x += 1) shift += log(x);
    double y = 1 / (x * x);
    double series = 1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y * (1.0 / 1188))));
    return (x - 0.5) * log(x) - x + 0.91893853320467274178 + series / x - shift;
}

double hw__fit_log_probability(int which, const hw_fit *fit, double l)
{
    const double *p = fit->parameter;
    switch (which) {
    case HW_FIT_GEOMETRIC: return p[0] > 0 ? log1p(-p[0]) + l * log(p[0]) : l == 0 ? 0 : -INFINITY;
    case HW_FIT_POISSON: return p[0] > 0 ? l * log(p[0]) - p[0] - log_gamma(l + 1) : l == 0 ? 0 : -INFINITY;
    case HW_FIT_NEGATIVE_BINOMIAL:
        return log_gamma(l + p[0]) - log_gamma(p[0]) - log_gamma(l + 1) + p[0] * log1p(-p[1]) + l * log(p[1]);
    default: return l == p[0] ? 0 : -INFINITY;
    }
}

/* Upper tail of the chi-square law: the regularised incomplete gamma function Q(k/2, x/2), by its series or its
 * continued fraction. */
static double chi_square_tail(double x, int degrees)
{
    if (degrees < 1) return NAN;
    double a = 0.5 * degrees, y = 0.5 * x;
    if (y <= 0) return 1;
    double scale = exp(-y + a * log(y) - log_gamma(a));
    if (y < a + 1) {
        double term = 1 / a, sum = term;
        for (int i = 1; i < 10000 && term > sum * 1e-14; i++) sum += term *= y / (a + i);
        return fmax(0, 1 - sum * scale);
    }
    double b = y + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 10000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
        c = b + an / c;
        if (fabs(c) < 1e-300) c = 1e-300;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-14) break;
    }
    return scale * h;
}

static void test_fit(const hw_histogram *h, int which, hw_fit *fit)
{
    double n = (double)h->total, left = 1, variation = 0, seen = 0, expected = 0, chi = 0, tail = n, noise = 0;
    int cells = 0, parameters = which == HW_FIT_NEGATIVE_BINOMIAL ? 2 : 1;
    double last_seen = 0, last_expected = 0;
    for (uint32_t l = 0; l < h->linear_bins; l++) {
        double p = exp(hw__fit_log_probability(which, fit, l)), count = (double)h->counts[l];
        left -= p;
        tail -= count;
        variation += fabs(count / n - p);
        /* What n draws from the law itself would add: the mean deviation of a binomial share. */
        noise += fmin(2 * p, sqrt(2 * p * (1 - p) / (3.14159265358979 * n)));
        seen += count;
        expected += n * p;
        if (expected >= 5) {
            chi += (seen - expected) * (seen - expected) / expected;
            last_seen = seen;
            last_expected = expected;
            seen = expected = 0;
            cells++;
        }
    }
    left = fmax(left, 0);
    variation += fabs(tail / n - left);
    seen += tail;
    expected += n * left;
    if (expected >= 5) {
        chi += (seen - expected) * (seen - expected) / expected;
        cells++;
    } else if (cells) { /* what is left joins the last cell */
        chi -= (last_seen - last_expected) * (last_seen - last_expected) / last_expected;
        last_seen += seen;
        last_expected += expected;
        chi += (last_seen - last_expected) * (last_seen - last_expected) / last_expected;
    }
    fit->total_variation = fmin(1, 0.5 * variation);
    fit->sampling = 0.5 * noise;
    fit->degrees = cells - 1 - parameters;
    fit->chi_square = fmax(chi, 0);
    fit->p_value = chi_square_tail(fit->chi_square, fit->degrees);
}

/* Weighted least squares of log q_l over l; the weight of log(count) is the count. */
static double slope(const hw_histogram *h)
{
    double w = 0, x = 0, y = 0, xx = 0, xy = 0;
    int points = 0;
    for (uint32_t l = 0; l < h->linear_bins; l++) {
        double c = (double)h->counts[l];
        if (c < 1) continue;
        w += c;
        x += c * l;
        y += c * log(c);
        xx += c * l * l;
        xy += c * l * log(c);
        points++;
    }
    double spread = w * xx - x * x;
    return points > 1 && spread > 0 ? exp((w * xy - x * y) / spread) : NAN;
}

/* From the queue model's own deviation, 8 / n of D^2, down to a narrow law's, 2 / n: between them by D. Staleness of
 * heavy-tailed work deviates up to three times as much; no verdict hangs on how heavy it is. */
void hw_staleness_dispersion(const hw_staleness_summary *s, double *low, double *high)
{
    double d = s->dispersion, n = (double)s->updates;
    double half = n > 0 ? 1.96 * d * sqrt((2 + 6 * fmin(1, d)) / n) : NAN;
    *low = n > 0 ? fmax(0, d - half) : NAN;
    *high = d + half;
}

/* Whether so many updates tell the queue model from its neighbours: a narrow law, or a heavy one, is known earlier. */
static bool tells(const hw_staleness_summary *s)
{
    double low, high;
    hw_staleness_dispersion(s, &low, &high);
    return s->updates >= 20 && (high - low <= 0.6 || high < 0.3 || low > 1.3);
}

double hw_staleness_momentum(const hw_histogram *h, double *error)
{
    if (error) *error = NAN;
    if (!h || !h->total) return NAN;
    /* q_l - delta_l0 on q_{l-1} - delta_l0, where delta is 1 at 0. What is beyond the linear bins is one step more. */
    double n = (double)h->total, uv = 1 - (double)h->counts[0] / n, vv = 1, last = (double)h->counts[0] / n;
    double beyond = 1 - last;
    for (uint32_t l = 1; l < h->linear_bins; l++) {
        double q = (double)h->counts[l] / n;
        uv += q * last;
        vv += last * last;
        last = q;
        beyond -= q;
    }
    beyond = fmax(0, beyond);
    uv += beyond * last;
    vv += last * last;
    double mu = fmin(uv / vv, 1 - 1e-9), fit = 1 - mu, apart = 0, all = 0;
    for (uint32_t l = 0; l < h->linear_bins; l++, fit *= mu) {
        double q = (double)h->counts[l] / n;
        apart += (q - fit) * (q - fit);
        all += q * q;
    }
    if (error) *error = all > 0 ? apart / all : 1;
    return mu;
}

void hw_staleness_summarize(const hw_histogram *h, hw_staleness_summary *s)
{
    memset(s, 0, sizeof *s);
    static const char *const names[HW_FITS] = {"geometric", "Poisson", "negative binomial", "point mass"};
    for (int f = 0; f < HW_FITS; f++) s->fit[f].name = names[f];
    s->updates = h->total;
    s->best = -1;
    double n = (double)h->total, m = h->sum / n;
    s->mean = m;
    s->variance = n > 0 ? fmax(0, h->squares / n - m * m) : NAN;
    s->q0 = (double)h->counts[0] / n;
    s->dispersion = m > 0 ? s->variance / (m * (1 + m)) : n > 0 ? 0 : NAN;
    s->median = hw_histogram_quantile(h, 0.5);
    s->p90 = hw_histogram_quantile(h, 0.9);
    s->p99 = hw_histogram_quantile(h, 0.99);
    s->largest = (double)h->largest;
    s->by_zero = 1 - s->q0;
    s->by_slope = slope(h);
    s->by_mean = m / (1 + m);
    double above = n - (double)h->counts[0];
    double excess = above > 0 ? (h->sum - above) / above : NAN;
    s->by_tail = excess / (1 + excess);
    if (h->total == 0) return;

    s->fit[HW_FIT_GEOMETRIC].parameter[0] = s->by_mean;
    s->fit[HW_FIT_POISSON].parameter[0] = m;
    s->fit[HW_FIT_POINT_MASS].parameter[0] = s->median;
    for (int f = 0; f < HW_FITS; f++) s->fit[f].valid = 1;
    if (s->variance > m && m > 0) {
        double r = m * m / (s->variance - m);
        s->fit[HW_FIT_NEGATIVE_BINOMIAL].parameter[0] = r;
        s->fit[HW_FIT_NEGATIVE_BINOMIAL].parameter[1] = m / (r + m);
    } else {
        s->fit[HW_FIT_NEGATIVE_BINOMIAL].valid = 0;
    }
    for (int f = 0; f < HW_FITS; f++) {
        if (!s->fit[f].valid) continue;
        test_fit(h, f, &s->fit[f]);
        /* Two parameters contain the geometric law and nearly the Poisson one: they must fit clearly better. */
        double handicap = f == HW_FIT_NEGATIVE_BINOMIAL ? 0.9 : 1;
        if (s->best < 0 || s->fit[f].total_variation < handicap * s->fit[s->best].total_variation) s->best = f;
    }
    /* A small sample of the law itself is some way from it, too: only what is beyond that counts. */
    double noise = s->fit[HW_FIT_GEOMETRIC].sampling;
    s->geometric =
        m > 0 && tells(s) && fabs(s->dispersion - 1) <= 0.3 && s->fit[HW_FIT_GEOMETRIC].total_variation - noise <= 0.1;
}

void hw_staleness_verdict(const hw_staleness_summary *s, char *text, size_t size)
{
    if (s->updates == 0) {
        (void)snprintf(text, size, "no updates were recorded");
    } else if (s->largest == 0) {
        (void)snprintf(text, size,
                       "no staleness: the updates came one after the other, and there is no implicit momentum");
    } else if (!tells(s)) {
        double low, high;
        hw_staleness_dispersion(s, &low, &high);
        (void)snprintf(
            text, size,
            "too few updates (%llu) to tell the queue model from a fixed delay: dispersion %.2f, between %.2f and "
            "%.2f with 95 %%",
            (unsigned long long)s->updates, s->dispersion, low, high);
    } else if (s->geometric) {
        (void)snprintf(
            text, size,
            "near the queue model (geometric): asynchrony acts as momentum %.2f; subtract it from the wanted "
            "momentum",
            s->by_tail);
    } else if (s->dispersion < 0.3) {
        (void)snprintf(text, size,
                       "near a fixed delay of %.0f, as steps of constant cost have it: the implicit momentum model "
                       "does not apply; look ahead or lower the learning rate instead",
                       s->median);
    } else if (s->dispersion > 1.3) {
        (void)snprintf(text, size,
                       "heavier than the queue model (dispersion %.2f): some workers are much slower than others; the "
                       "implicit momentum %.2f of the tail is a rough guide only",
                       s->dispersion, s->by_tail);
    } else {
        (void)snprintf(
            text, size,
            "between a fixed delay and the queue model (dispersion %.2f, nearest law: %s): part of it acts as "
            "momentum, part as pure delay",
            s->dispersion, s->best >= 0 ? s->fit[s->best].name : "none");
    }
}

/* --- names of 0.1 ---------------------------------------------------------------------------------------------------
 */

void hw_shape_of(const hw_histogram *h, hw_staleness_summary *summary)
{
    hw_staleness_summarize(h, summary);
}

void hw_shape_verdict(const hw_staleness_summary *summary, char *text, size_t size)
{
    hw_staleness_verdict(summary, text, size);
}
