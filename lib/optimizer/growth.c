/* growth.c - the recursion of a setting on a quadratic, step by step: in expectation, and along single runs, whose
 * delays are drawn. */
#include "stability.h"
#include <math.h>

/* Growth a step of the expected recursion: D' = a D - step (b G_t - c G_{t-1}), G_t = sum_l q_l (w_{t-l} + s D_{t-l}).
 * The state is scaled down while it runs, so nothing overflows; what remains is the rate. */
static double expected_growth(const hw_setting *s, double step, const double *kernel, size_t lags, double *seen)
{
    static const size_t least = 2000;
    double w = 1, d = 0, last = 0, r = s->pole, scale = 0, from = 0;
    double a = s->momentum, b = step * s->rate / (1 - r), c = b * r;
    size_t n = 40 * lags + least, half = n / 2;
    for (size_t t = 0; t < n; t++) {
        seen[t % lags] = w + s->ahead * d;
        if (t == 0)
            for (size_t l = 0; l < lags; l++) seen[l] = 1;
        double g = 0;
        for (size_t l = 0; l < lags; l++) g += kernel[l] * seen[(t + lags - l) % lags];
        if (t == 0) last = g;
        d = a * d - b * g + c * last;
        last = g;
        w += d;
        double size = fmax(fabs(w), fabs(d));
        for (size_t l = 0; l < lags && (t % 64 == 0 || size > 1e100); l++) size = fmax(size, fabs(seen[l]));
        if (t % 64 == 0 || size > 1e100) {
            if (!(size > 0)) return 0;
            for (size_t l = 0; l < lags; l++) seen[l] /= size;
            w /= size;
            d /= size;
            last /= size;
            scale += log(size);
        }
        if (t == half) from = scale;
    }
    double size = fmax(fabs(w), fabs(d));
    for (size_t l = 0; l < lags; l++) size = fmax(size, fabs(seen[l]));
    return size > 0 ? exp((scale + log(size) - from) / (double)(n - half)) : 0;
}

double hw_advise_growth(const hw_setting *s, double step, const double *kernel, size_t lags)
{
    if (lags < 1 || lags > HW__STABILITY_LAGS || !(step > 0)) return NAN;
    double few[HW__STABILITY_SHORT], *many = lags > HW__STABILITY_SHORT ? hw__base_alloc(lags, sizeof *many) : NULL;
    if (lags > HW__STABILITY_SHORT && !many) return NAN;
    double growth = expected_growth(s, step, kernel, lags, many ? many : few);
    hw__base_free(many);
    return growth;
}

double hw__stability_path_growth(const hw_setting *s, double step, const hw__law *q, size_t n)
{
    double *seen = q->seen, w = 1, d = 0, scale = 0, from = 0, last = 1, r = s->pole;
    double b = step * s->rate / (1 - r);
    size_t lags = q->lags, every = lags / 4 > 32 ? lags / 4 : 32;
    hw_rng rng;
    hw_rng_seed(&rng, 1, lags);
    for (size_t l = 0; l < lags; l++) seen[l] = 1;
    for (size_t t = 0; t < n; t++) {
        size_t l = q->fixed ? lags - 1 : hw__base_draw(q->share, lags, &rng);
        seen[t % lags] = w + s->ahead * d;
        double g = q->factor[l] * seen[(t + lags - l) % lags];
        d = s->momentum * d - b * (g - r * last);
        last = g;
        w += d;
        if (t % every) continue;
        double size = fmax(fabs(w), fabs(d));
        for (size_t k = 0; k < lags; k++) size = fmax(size, fabs(seen[k]));
        if (!(size > 0)) return -INFINITY;
        if (!hw__base_finite_double(size)) return INFINITY;
        for (size_t k = 0; k < lags; k++) seen[k] /= size;
        w /= size;
        d /= size;
        last /= size;
        scale += log(size);
        if (t <= n / 4) from = scale;
    }
    return scale - from;
}

double hw__stability_largest(const hw_setting *s, double step, const hw__law *q, size_t n, bool enough)
{
    if (step < HW__STABILITY_LEAST && enough) return step;
    step = fmax(step, HW__STABILITY_LEAST);
    double low = step, high = step;
    if (hw__stability_path_growth(s, step, q, n) < 0) {
        if (enough) return step;
        for (int i = 0; i < 60 && hw__stability_path_growth(s, high, q, n) < 0; i++) {
            low = high;
            high *= 2;
        }
    } else {
        for (int i = 0; i < 60 && hw__stability_path_growth(s, low, q, n) >= 0; i++) {
            high = low;
            low *= 0.5;
        }
    }
    while (high - low > (enough ? 0.04 : 0.004) * high) {
        double middle = sqrt(low * high);
        if (hw__stability_path_growth(s, middle, q, n) < 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double hw__stability_path_bound(double step, double momentum, double ahead, const double *kernel, size_t lags)
{
    double share[HW__STABILITY_SHORT], factor[HW__STABILITY_SHORT], seen[HW__STABILITY_SHORT], sum = 0;
    hw_setting s = {.rate = 1, .momentum = momentum, .ahead = ahead};
    if (lags < 1 || lags > HW__STABILITY_SHORT || !(step > 0)) return 0;
    for (size_t l = 0; l < lags; l++) {
        share[l] = sum += kernel[l];
        factor[l] = 1;
    }
    hw__law q = {share, factor, seen, lags, false};
    return hw__stability_largest(&s, step, &q, 2000 + 8 * lags, true);
}
