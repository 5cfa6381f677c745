/* advice.c - before a run: how every policy would set it up, and whether that is stable, by the scalar recursion of the
 * very policy on a quadratic; and Liu et al.'s bound. */
#include "optimizer.h"
#include <math.h>
#include <string.h>

#define LAGS 4096

/* Growth a step of the expected recursion: D' = a D - step (b G_t - c G_{t-1}), G_t = sum_l q_l (w_{t-l} + s D_{t-l}).
 * The state is scaled down while it runs, so nothing overflows; what remains is the rate. */
double hw_advise_growth(const hw_setting *s, double step, const double *kernel, size_t lags)
{
    static const size_t least = 2000;
    if (lags < 1 || lags > LAGS || !(step > 0)) return NAN;
    double seen[LAGS] = {0}, w = 1, d = 0, last = 0, r = s->exact, scale = 0, from = 0;
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

/* --- single runs
 * ------------------------------------------------------------------------------------------------------ */

/* log of the growth a step of one path of n steps, the delays drawn from cumulative shares. */
static double path_growth(double momentum, double ahead, double step, const double *share, size_t lags, size_t n)
{
    double seen[LAGS], w = 1, d = 0, scale = 0, from = 0;
    hw_rng rng;
    hw_rng_seed(&rng, 1, lags);
    for (size_t l = 0; l < lags; l++) seen[l] = 1;
    for (size_t t = 0; t < n; t++) {
        double u = hw_rng_uniform(&rng);
        size_t low = 0, high = lags - 1;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (share[middle] > u)
                high = middle;
            else
                low = middle + 1;
        }
        seen[t % lags] = w + ahead * d;
        d = momentum * d - step * seen[(t + lags - low) % lags];
        w += d;
        if (t % 32) continue;
        double size = fmax(fabs(w), fabs(d));
        for (size_t l = 0; l < lags; l++) size = fmax(size, fabs(seen[l]));
        if (!(size > 0)) return -INFINITY;
        if (!base_finite_double(size)) return INFINITY;
        for (size_t l = 0; l < lags; l++) seen[l] /= size;
        w /= size;
        d /= size;
        scale += log(size);
        if (t <= n / 4) from = scale;
    }
    return scale - from;
}

double advisor_path_bound(double step, double momentum, double ahead, const double *kernel, size_t lags)
{
    double share[LAGS], low = step, high = step, sum = 0;
    if (lags < 1 || lags > LAGS || !(step > 0)) return 0;
    for (size_t l = 0; l < lags; l++) share[l] = sum += kernel[l];
    size_t n = 2000 + 8 * lags;
    if (path_growth(momentum, ahead, step, share, lags, n) < 0) return step;
    for (int i = 0; i < 60 && path_growth(momentum, ahead, low, share, lags, n) >= 0; i++) {
        high = low;
        low *= 0.5;
    }
    while (high - low > 0.04 * high) {
        double middle = sqrt(low * high);
        if (path_growth(momentum, ahead, middle, share, lags, n) < 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t kernel_of(const hw_compensation *c, const hw_policy_input *in, double *kernel)
{
    size_t lags = in->workers < 1 ? 1 : in->workers < LAGS ? in->workers : LAGS;
    memset(kernel, 0, LAGS * sizeof *kernel);
    if (in->staleness && in->staleness->total)
        lags = advisor_kernel(in->staleness, kernel, LAGS);
    else
        kernel[lags - 1] = 1;
    for (size_t l = 0; l < lags; l++) kernel[l] *= hw_age_factor(c, l, in->workers);
    return lags;
}

/* Largest stable step of a setting; the stable steps are an interval from 0 in every case of use. */
static double bound_of(const hw_setting *s, const double *kernel, size_t lags)
{
    double low = 0, high = 1e-6;
    while (high < 16 && hw_advise_growth(s, high, kernel, lags) < 1 + 1e-9) {
        low = high;
        high *= 4;
    }
    for (int i = 0; i < 24 && low > 0 && high - low > 1e-3 * high; i++) {
        double middle = sqrt(low * high);
        if (hw_advise_growth(s, middle, kernel, lags) < 1 + 1e-9)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void hw_advise_policy(const hw_compensation *c, const hw_policy_input *in, hw_advice *out)
{
    double kernel[LAGS];
    size_t lags = kernel_of(c, in, kernel);
    memset(out, 0, sizeof *out);
    hw_compensate(c, in, &out->setting);
    out->bound = bound_of(&out->setting, kernel, lags);
    out->growth =
        in->curvature > 0 ? hw_advise_growth(&out->setting, in->learning_rate * in->curvature, kernel, lags) : NAN;
    out->stable = in->curvature > 0 && out->growth < 1;
}

hw_status hw_advise_print(const hw_compensation *from, const hw_policy_input *in, FILE *out)
{
    static const hw_policy all[] = {HW_POLICY_NONE,     HW_POLICY_AUTO,       HW_POLICY_THEORY, HW_POLICY_MEASURED,
                                    HW_POLICY_MEAN_LAG, HW_POLICY_LOOK_AHEAD, HW_POLICY_EXACT};
    fprintf(out, "%-12s %10s %14s %12s %22s\n", "policy", "momentum", "learning rate", "look-ahead",
            in->curvature > 0 ? "at this curvature" : "largest rate x curvature");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hw_compensation c = *from;
        hw_advice a;
        c.policy = all[i];
        hw_advise_policy(&c, in, &a);
        fprintf(out, "%-12s %10.3f %14.3g %12.2f ", hw_policy_name(all[i]), a.setting.momentum,
                in->learning_rate * a.setting.rate, a.setting.ahead);
        if (in->curvature > 0)
            fprintf(out, "%s, bound %.3g\n", a.stable ? "stable" : "grows", a.bound / in->curvature);
        else
            fprintf(out, "%22.3g\n", a.bound);
    }
    return ferror(out) ? HW_E_IO : HW_OK;
}

double hw_advise_momentum(double step, unsigned workers, int look_ahead)
{
    unsigned delay = workers > 1 ? workers - 1 : 0;
    double low = 0, high = 1, kernel[LAGS] = {0};
    if (delay >= LAGS) return NAN;
    kernel[delay] = 1;
    if (!hw_advise_stable(step, 0, 0, kernel, delay + 1)) return NAN;
    while (high - low > 1e-6) {
        double middle = 0.5 * (low + high), s = look_ahead ? hw_look_ahead(middle, delay) : 0;
        if (hw_advise_stable(step, middle, s, kernel, delay + 1))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* --- Liu et al.
 * ------------------------------------------------------------------------------------------------------- */

static double liu_scale(const hw_liu *b, int between)
{
    return between ? b->lambda1 * pow(b->eta, 1 - b->gamma) : (b->lambda1 + b->c_d) * pow(b->eta, 0.5 - b->gamma);
}

double hw_advise_liu_delay(const hw_liu *b, double momentum, int between)
{
    return (1 - momentum) * (1 - momentum) / liu_scale(b, between);
}

double hw_advise_liu_momentum(const hw_liu *b, double delay, int between)
{
    double root = delay * liu_scale(b, between);
    return root <= 1 ? 1 - sqrt(root) : NAN;
}
