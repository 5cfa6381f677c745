/* advice.c - before a run: how every policy would set it up, and whether that is stable, by the scalar recursion of the
 * very policy on a quadratic. */
#include "optimizer.h"
#include "stability.h"
#include <math.h>
#include <string.h>

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
    for (size_t l = 0; l < q->lags; l++) {
        if (!q->fixed) q->share[l] = sum += q->share[l];
        q->factor[l] = hw_age_factor(c, (uint64_t)((double)l * *stretch), in->workers);
    }
    return true;
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
    if (!law_of(c, &in, &q, &stretch)) return;
    size_t n = 4000 + 40 * q.lags;
    bool known = in.curvature > 0;
    double step = known ? in.learning_rate * in.curvature * stretch : 0.01;
    out->bound = hw__stability_largest(&out->setting, step, &q, n, false) / stretch;
    out->growth = known ? exp(hw__stability_path_growth(&out->setting, step, &q, n) / (0.75 * (double)n)) : NAN;
    out->stable = known && out->growth < 1;
    hw__base_free(q.share);
}

hw_status hw_advise_print(const hw_compensation *from, const hw_policy_input *in, FILE *out)
{
    fprintf(out, "%-12s %10s %14s %12s %22s\n", "policy", "momentum", "learning rate", "look-ahead",
            in->curvature > 0 ? "at this curvature" : "largest rate x curvature");
    for (unsigned k = 0; k < HW__ROWS(HW_POLICY_TABLE); k++) {
        hw_compensation c = *from;
        hw_advice a;
        hw_policy p = (hw_policy)k;
        if (!(hw__policy_of(p)->flags & HW__POLICY_ADVISED)) continue;
        c.policy = p;
        hw_advise_policy(&c, in, &a);
        fprintf(out, "%-12s %10.3f %14.3g %12.2f ", hw_policy_name(p), a.setting.momentum,
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

int hw_advise_run(const hw_compensation *c, double momentum, double learning_rate, unsigned workers, double curvature,
                  char *text, size_t size)
{
    if (workers < 1) workers = 1;
    hw_policy_input in = {0, workers, momentum, learning_rate, curvature, NULL, NULL};
    hw_setting s;
    hw_compensate(c, &in, &s);
    /* POLE_ZERO's lagged tap has the look-ahead's polynomial with s = r / (1 - r). */
    double ahead = s.pole > 0 ? s.pole / (1 - s.pole) : s.ahead;
    double bound = hw_advise_bound_delay(s.momentum, ahead, workers - 1);
    /* A margin above 1 says how far above the linear bound this kind of objective is known to train. */
    double margin = c->margin > 1 ? c->margin : 1, step = learning_rate * s.rate * curvature / margin;
    if (!(curvature > 0)) {
        (void)snprintf(text, size,
                       "the curvature is unknown: at a fixed delay of %u the largest stable learning rate is "
                       "%.3g divided by the curvature",
                       workers - 1, bound / s.rate);
        return 1;
    }
    if (step <= bound * (1 + 1e-6)) { /* auto lowers the rate to the bound itself */
        (void)snprintf(text, size, "learning rate %.3g with delay %u is within the stable %.3g for curvature %.3g",
                       learning_rate * s.rate, workers - 1, margin * bound / curvature, curvature);
        return 1;
    }
    /* The bound of this very policy falls with the number of workers. */
    unsigned most = 0, beyond = workers;
    while (beyond - most > 1) {
        hw_setting other;
        in.workers = (most + beyond) / 2;
        hw_compensate(c, &in, &other);
        double s_other = other.pole > 0 ? other.pole / (1 - other.pole) : other.ahead;
        bool good = learning_rate * other.rate * curvature / margin <=
                    hw_advise_bound_delay(other.momentum, s_other, in.workers - 1) * (1 + 1e-6);
        if (good)
            most = in.workers;
        else
            beyond = in.workers;
    }
    (void)snprintf(text, size,
                   "learning rate %.3g with delay %u is above the stable %.3g for curvature %.3g: expect "
                   "divergence; at this rate at most %u worker%s stay%s stable, or lower the learning rate",
                   learning_rate * s.rate, workers - 1, margin * bound / curvature, curvature, most,
                   most == 1 ? "" : "s", most == 1 ? "s" : "");
    return 0;
}
