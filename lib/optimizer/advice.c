/* advice.c - before a run: how every policy would set it up, and whether that is stable, by the scalar recursion of the
 * very policy on a quadratic. */
#include "age.h"
#include "optimizer.h"
#include "stability.h"
#include <math.h>
#include <string.h>

/* Of ages 0, stretch, 2 stretch ...: by the measured staleness where they go by that. */
static void factors_of(const hw_compensation *c, const hw_policy_input *in, double stretch, double *factor, size_t lags)
{
    for (size_t l = 0; l < lags; l++) factor[l] = hw_age_factor(c, (uint64_t)((double)l * stretch), in->workers);
    if (!hw__age_measured(c->age) || !in->staleness || !in->staleness->total || lags < 2) return;
    size_t own = lags < in->staleness->linear_bins ? lags : in->staleness->linear_bins;
    hw_age_factors(c, in->staleness, in->workers, factor, own);
    for (size_t l = own; l < lags; l++) factor[l] = factor[own - 1];
}

/* The law that an input tells of; a fixed delay beyond the table is shrunk to it by *stretch, by which the steps that
 * it allows are to be shrunk in turn (a bound falls as 1 / delay). False: no memory. */
static bool law_of(const hw_compensation *c, const hw_policy_input *in, hw__law *q, double *stretch)
{
    size_t delay = in->workers > 1 ? in->workers - 1 : 0, room = HW__STABILITY_LAGS;
    *stretch = 1;
    q->fixed = !in->staleness || !in->staleness->total;
    if (q->fixed) {
        if (delay >= room) *stretch = (double)delay / (HW__STABILITY_LAGS - 1);
        room = delay < room ? delay + 1 : room;
    }
    q->share = hw__base_alloc(3 * room, sizeof *q->share);
    if (!q->share) return false;
    q->factor = q->share + room;
    q->seen = q->factor + room;
    q->lags = q->fixed ? room : hw__stability_kernel(in->staleness, q->share, room);
    double sum = 0;
    for (size_t l = 0; l < q->lags && !q->fixed; l++) q->share[l] = sum += q->share[l];
    factors_of(c, in, *stretch, q->factor, q->lags);
    return true;
}

/* Delays that are a fixed mixture, step after step: layers with one of their own each, where whole steps have a
 * dispersion near 0. Then the expected recursion is that of every run. */
static bool is_mixture(const hw_policy_input *in)
{
    return in->staleness && in->staleness->total && in->shape && in->shape->updates && in->shape->dispersion <= 0.3;
}

/* The lagged tap of POLE_ZERO has the look-ahead's polynomial with s = r / (1 - r). */
static double ahead_of(const hw_setting *s)
{
    return s->pole > 0 ? s->pole / (1 - s->pole) : s->ahead;
}

/* As shares, times the age factor. Returns how many there are. */
static size_t mixture_of(const hw_compensation *c, const hw_policy_input *in, double *kernel)
{
    double factor[HW__STABILITY_SHORT];
    size_t lags = hw__stability_kernel(in->staleness, kernel, HW__STABILITY_SHORT);
    factors_of(c, in, 1, factor, lags);
    for (size_t l = 0; l < lags; l++) kernel[l] *= factor[l];
    return lags;
}

/* How far above the linear bound this kind of objective is known to train. */
static double margin_of(const hw_compensation *c)
{
    return c->margin > 1 ? c->margin : 1;
}

/* AUTO lowers the rate to the bound itself, which is known to half a percent. */
static bool is_stable(const hw_policy_input *in, const hw_advice *a)
{
    return a->growth < 1 || in->learning_rate * in->curvature <= 1.005 * a->bound;
}

static void advise_mixture(const hw_compensation *c, const hw_policy_input *in, hw_advice *out)
{
    double kernel[HW__STABILITY_SHORT];
    const hw_setting *s = &out->setting;
    size_t lags = mixture_of(c, in, kernel);
    out->bound = margin_of(c) * hw_advise_bound(s->momentum, ahead_of(s), kernel, lags) / s->rate;
    if (!(in->curvature > 0)) return;
    out->growth = hw_advise_growth(s, in->learning_rate * in->curvature / margin_of(c), kernel, lags);
    out->stable = is_stable(in, out);
}

void hw_advise_policy(const hw_compensation *c, const hw_policy_input *input, hw_advice *out)
{
    hw_policy_input in = *input;
    hw_staleness_summary shape;
    hw__law q;
    double stretch;
    if (in.staleness && in.staleness->total && !in.shape) {
        hw_staleness_summarize(in.staleness, &shape);
        in.shape = &shape;
    }
    memset(out, 0, sizeof *out);
    out->bound = out->growth = NAN;
    hw_compensate(c, &in, &out->setting);
    if (is_mixture(input)) {
        advise_mixture(c, &in, out);
        return;
    }
    if (!law_of(c, &in, &q, &stretch)) return;
    size_t n = 4000 + 40 * q.lags;
    bool known = in.curvature > 0;
    double margin = margin_of(c), step = known ? in.learning_rate * in.curvature * stretch / margin : 0.01;
    out->bound = margin * hw__stability_largest(&out->setting, step, &q, n, false) / stretch;
    out->growth = known ? exp(hw__stability_path_growth(&out->setting, step, &q, n) / (0.75 * (double)n)) : NAN;
    out->stable = known && is_stable(&in, out);
    hw__base_free(q.share);
}

static void print_row(const char *name, const hw_policy_input *in, const hw_advice *a, FILE *out)
{
    fprintf(out, "%-12s %10.3f %14.3g %12.2f ", name, a->setting.momentum, in->learning_rate * a->setting.rate,
            a->setting.ahead);
    if (in->curvature > 0)
        fprintf(out, "%s, bound %.3g\n", a->stable ? "stable" : "grows", a->bound / in->curvature);
    else
        fprintf(out, "%22.3g\n", a->bound);
}

hw_status hw_advise_print_layers(const hw_compensation *from, const hw_policy_input *in, const hw_policy_input *layers,
                                 FILE *out)
{
    hw_compensation c = *from;
    hw_advice a;
    if (!layers) layers = in;
    fprintf(out, "%-12s %10s %14s %12s %22s\n", "policy", "momentum", "learning rate", "look-ahead",
            in->curvature > 0 ? "at this curvature" : "largest rate x curvature");
    for (unsigned k = 0; k < HW__ROWS(HW_POLICY_TABLE); k++) {
        hw_policy p = (hw_policy)k;
        unsigned flags = hw__policy_of(p)->flags;
        if (!(flags & HW__POLICY_ADVISED)) continue;
        c.policy = p;
        hw_advise_policy(&c, flags & HW__POLICY_ADAPTS ? layers : in, &a);
        print_row(hw_policy_name(p), in, &a, out);
    }
    if (in->workers < 2) return ferror(out) ? HW_E_IO : HW_OK;
    /* No policy, but what any of them is measured against. */
    hw_policy_input together = *in;
    together.workers = 1;
    together.staleness = NULL;
    together.shape = NULL;
    c.policy = HW_POLICY_NONE;
    hw_advise_policy(&c, &together, &a);
    print_row("sync", &together, &a, out);
    fprintf(out,
            "(sync is scheduler sync: %u workers share every minibatch, so no gradient is late, and all wait for the "
            "slowest)\n",
            in->workers);
    return ferror(out) ? HW_E_IO : HW_OK;
}

hw_status hw_advise_print(const hw_compensation *from, const hw_policy_input *in, FILE *out)
{
    return hw_advise_print_layers(from, in, in, out);
}

double hw_advise_momentum(double step, unsigned workers, int look_ahead)
{
    unsigned delay = workers > 1 ? workers - 1 : 0;
    double low = 0, high = 1;
    if (delay >= HW__STABILITY_LAGS) { /* a bound falls as 1 / delay */
        step *= (double)delay / (HW__STABILITY_LAGS - 1);
        delay = HW__STABILITY_LAGS - 1;
    }
    if (!hw_advise_stable(step, 0, 0, NULL, delay + 1)) return NAN;
    while (high - low > 1e-6) {
        double middle = 0.5 * (low + high), s = look_ahead ? hw_look_ahead(middle, delay) : 0;
        if (hw_advise_stable(step, middle, s, NULL, delay + 1))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Largest stable alpha of a policy with `workers` of them: a fixed delay, or the input's delays, each of which falls
 * with the number of others (Little's law). */
static double bound_of(const hw_compensation *c, const hw_policy_input *from, unsigned workers, hw_setting *s)
{
    double kernel[HW__STABILITY_SHORT], fewer[HW__STABILITY_SHORT] = {0};
    hw_policy_input in = *from;
    double share = from->workers > 1 ? (double)(workers - 1) / (from->workers - 1) : 0;
    in.workers = workers;
    bool mixture = is_mixture(from);
    if (share < 1 || !mixture) {
        in.shape = NULL; /* a fixed delay */
        in.staleness = NULL;
    }
    hw_compensate(c, &in, s);
    if (!mixture) return hw_advise_bound_delay(s->momentum, ahead_of(s), workers - 1);
    size_t lags = mixture_of(c, from, kernel);
    for (size_t l = 0; l < lags; l++) {
        double at = share * (double)l, part = at - floor(at);
        size_t below = (size_t)at;
        fewer[below] += kernel[l] * (1 - part);
        if (below + 1 < lags) fewer[below + 1] += kernel[l] * part;
    }
    return hw_advise_bound(s->momentum, ahead_of(s), fewer, lags);
}

int hw_advise_input(const hw_compensation *c, const hw_policy_input *input, char *text, size_t size)
{
    hw_policy_input in = *input;
    hw_setting s;
    char delay[60];
    if (in.workers < 1) in.workers = 1;
    double bound = bound_of(c, &in, in.workers, &s);
    (void)snprintf(delay, sizeof delay, "delay %u", in.workers - 1);
    if (is_mixture(&in))
        (void)snprintf(delay, sizeof delay, "delays of %.2f on average",
                       in.staleness->sum / (double)in.staleness->total);
    double margin = margin_of(c), step = in.learning_rate * s.rate * in.curvature / margin;
    if (!(in.curvature > 0)) {
        (void)snprintf(text, size,
                       "the curvature is unknown: with %s the largest stable learning rate is %.3g divided by the "
                       "curvature",
                       delay, bound / s.rate);
        return 1;
    }
    if (step <= bound * (1 + 1e-6)) { /* auto lowers the rate to the bound itself */
        (void)snprintf(text, size, "learning rate %.3g with %s is within the stable %.3g for curvature %.3g",
                       in.learning_rate * s.rate, delay, margin * bound / in.curvature, in.curvature);
        return 1;
    }
    /* The bound of this very policy falls with the number of workers. */
    unsigned most = 0, beyond = in.workers;
    while (beyond - most > 1) {
        hw_setting other;
        unsigned middle = (most + beyond) / 2;
        double stable = bound_of(c, &in, middle, &other);
        if (in.learning_rate * other.rate * in.curvature / margin <= stable * (1 + 1e-6))
            most = middle;
        else
            beyond = middle;
    }
    (void)snprintf(text, size,
                   "learning rate %.3g with %s is above the stable %.3g for curvature %.3g: expect divergence; at this "
                   "rate at most %u worker%s stay%s stable, or lower the learning rate",
                   in.learning_rate * s.rate, delay, margin * bound / in.curvature, in.curvature, most,
                   most == 1 ? "" : "s", most == 1 ? "s" : "");
    return 0;
}

int hw_advise_run(const hw_compensation *c, double momentum, double learning_rate, unsigned workers, double curvature,
                  char *text, size_t size)
{
    hw_policy_input in = {0, workers, momentum, learning_rate, curvature, NULL, NULL};
    return hw_advise_input(c, &in, text, size);
}
