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

/* A law of delays: cumulative shares, and the age factor of each. A fixed delay has no shares. */
typedef struct law {
    double share[LAGS], factor[LAGS];
    size_t lags;
    bool fixed; /* every delay is lags - 1 */
} law;

/* log of the growth of one path over its last three quarters, n steps in all. */
static double path_growth(const hw_setting *s, double step, const law *q, size_t n)
{
    double seen[LAGS], w = 1, d = 0, scale = 0, from = 0, last = 1, r = s->exact;
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

/* The largest stable step, looked for from `step` on; step itself where `enough` and that is stable. */
static double path_bound(const hw_setting *s, double step, const law *q, size_t n, bool enough)
{
    if (step < ADVISOR_LEAST && enough) return step;
    step = fmax(step, ADVISOR_LEAST);
    double low = step, high = step;
    if (path_growth(s, step, q, n) < 0) {
        if (enough) return step;
        for (int i = 0; i < 60 && path_growth(s, high, q, n) < 0; i++) {
            low = high;
            high *= 2;
        }
    } else {
        for (int i = 0; i < 60 && path_growth(s, low, q, n) >= 0; i++) {
            high = low;
            low *= 0.5;
        }
    }
    while (high - low > (enough ? 0.04 : 0.004) * high) {
        double middle = sqrt(low * high);
        if (path_growth(s, middle, q, n) < 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double hw__stability_path_bound(double step, double momentum, double ahead, const double *kernel, size_t lags)
{
    law q = {.lags = lags};
    double sum = 0;
    hw_setting s = {.rate = 1, .momentum = momentum, .ahead = ahead};
    if (lags < 1 || lags > LAGS || !(step > 0)) return 0;
    for (size_t l = 0; l < lags; l++) {
        q.share[l] = sum += kernel[l];
        q.factor[l] = 1;
    }
    return path_bound(&s, step, &q, 2000 + 8 * lags, true);
}

/* The law that an input tells of; a fixed delay beyond the table is shrunk to it by *stretch, by which the steps that
 * it allows are to be shrunk in turn (a bound falls as 1 / delay). */
static void law_of(const hw_compensation *c, const hw_policy_input *in, law *q, double *stretch)
{
    double kernel[LAGS], sum = 0;
    *stretch = 1;
    q->fixed = !in->staleness || !in->staleness->total;
    if (q->fixed) {
        size_t delay = in->workers > 1 ? in->workers - 1 : 0;
        q->lags = delay < LAGS ? delay + 1 : LAGS;
        if (delay >= LAGS) *stretch = (double)delay / (LAGS - 1);
    } else {
        q->lags = hw__stability_kernel(in->staleness, kernel, LAGS);
        for (size_t l = 0; l < q->lags; l++) q->share[l] = sum += kernel[l];
    }
    for (size_t l = 0; l < q->lags; l++) q->factor[l] = hw_age_factor(c, (uint64_t)((double)l * *stretch), in->workers);
}

void hw_advise_policy(const hw_compensation *c, const hw_policy_input *input, hw_advice *out)
{
    hw_policy_input in = *input;
    hw_shape shape;
    law q;
    double stretch;
    if (in.staleness && in.staleness->total && !in.shape) {
        hw_shape_of(in.staleness, &shape);
        in.shape = &shape;
    }
    law_of(c, &in, &q, &stretch);
    memset(out, 0, sizeof *out);
    hw_compensate(c, &in, &out->setting);
    size_t n = 4000 + 40 * q.lags;
    bool known = in.curvature > 0;
    double step = known ? in.learning_rate * in.curvature * stretch : 0.01;
    out->bound = path_bound(&out->setting, step, &q, n, false) / stretch;
    out->growth = known ? exp(path_growth(&out->setting, step, &q, n) / (0.75 * (double)n)) : NAN;
    out->stable = known && out->growth < 1;
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
    if (delay >= LAGS) { /* a bound falls as 1 / delay */
        step *= (double)delay / (LAGS - 1);
        delay = LAGS - 1;
    }
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
