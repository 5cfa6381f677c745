/* compensation.c - from measured staleness to the momentum, the learning rate and the look-ahead to use now.
 * A policy is a function. */
#include "optimizer.h"
#include <math.h>
#include <string.h>

#define LAGS 256

const char *hw_policy_name(hw_policy policy)
{
    static const char *const names[] = {"auto",  "none",     "fixed",      "theory", "measured",
                                        "exact", "mean-lag", "look-ahead", "user"};
    return (unsigned)policy < sizeof names / sizeof *names ? names[policy] : "unknown";
}

double hw_age_factor(const hw_compensation *c, uint64_t tau, unsigned workers)
{
    double t = (double)tau, m = workers > 1 ? workers : 1;
    switch (c->age) {
    case HW_AGE_NONE: break;
    case HW_AGE_EXPONENTIAL: return tau ? c->age_gain * exp(-t) : 1;
    case HW_AGE_POWER: return tau ? c->age_gain * pow(c->age_base, -t) : 1;
    case HW_AGE_INVERSE: return tau > 1 ? 1 / t : 1;
    case HW_AGE_CONCURRENCY: return t > m ? m / t : 1;
    case HW_AGE_DROP: return t > m ? 0 : 1;
    }
    return 1;
}

static double mean_delay(const hw_policy_input *in)
{
    return in->shape && in->shape->updates ? in->shape->mean : in->workers > 1 ? in->workers - 1 : 0;
}

static double theory(const hw_policy_input *in)
{
    return in->workers > 1 ? 1 - 1.0 / in->workers : 0;
}

/* Explicit momentum mu, clamped, with the learning rate that keeps (or not) the total step of a unit gradient. */
static void use_momentum(const hw_compensation *c, const hw_policy_input *in, double mu, hw_setting *s)
{
    if (mu < c->floor) mu = c->floor;
    s->momentum = mu;
    s->rate = c->keep_gain ? (1 - mu) / (1 - in->momentum) : 1;
}

static void look_ahead(const hw_policy_input *in, hw_setting *s)
{
    s->delay = mean_delay(in);
    s->ahead = hw_look_ahead(in->momentum, s->delay);
    (void)snprintf(s->reason, sizeof s->reason, "look-ahead %.1f steps", s->delay);
}

static void automatic(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    double kernel[LAGS] = {0};
    size_t lags;
    s->policy = HW_POLICY_AUTO;
    look_ahead(in, s);
    if (in->staleness && in->staleness->total) {
        /* A few very late updates must not make the polynomial long: what is beyond the 99.9 % point joins it. */
        double most = hw_histogram_quantile(in->staleness, 0.999);
        lags = hw__stability_kernel(in->staleness, kernel, most < LAGS - 1 ? (size_t)most + 1 : LAGS);
    } else {
        lags = in->workers < LAGS ? in->workers : LAGS;
        kernel[lags - 1] = 1;
    }
    if (s->delay == 0 || !(in->curvature > 0)) return;
    /* A margin above 1 is a network's: its curvature peaks in the first updates (LeNet's: threefold, at update 30),
     * where runs that diverge do so. It is opened in three steps, a window apart. */
    double margin = c->margin > 0 ? c->margin : 0.7;
    if (margin > 1 && in->update < 2 * c->window) margin = fmax(1, margin * (in->update < c->window ? 0.5 : 0.75));
    double step = in->learning_rate * in->curvature / margin;
    if (!(step > ADVISOR_LEAST)) return; /* of a schedule that has come to its end: stable with any delay */
    /* A kernel is an expectation: for a wide one (the queue model's) the expected recursion with look-ahead is stable
     * far beyond where single runs diverge. So single runs have their say there, and no margin above 1 is given. */
    bool wide = in->shape && in->shape->dispersion > 0.3;
    if (wide && margin > 1) step *= margin;
    /* Delays beyond the table: a bound falls as 1 / delay. */
    if (s->delay > LAGS - 1) step *= s->delay / (LAGS - 1);
    if (!wide && hw_advise_stable(step, in->momentum, s->ahead, kernel, lags)) return;
    /* The learning rate is only ever lowered: with the gain of a fixed delay no higher one is safe. */
    double bound = wide ? hw__stability_path_bound(step, in->momentum, s->ahead, kernel, lags)
                        : hw_advise_bound(in->momentum, s->ahead, kernel, lags);
    if (bound >= step) return;
    s->rate = fmin(1, bound / step);
    (void)snprintf(s->reason, sizeof s->reason, "look-ahead %.1f steps, learning rate x %.2f (curvature %.3g)",
                   s->delay, s->rate, in->curvature);
}

static void subtract_theory(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    s->implicit = theory(in);
    use_momentum(c, in, in->momentum - s->implicit, s);
    (void)snprintf(s->reason, sizeof s->reason, "1 - 1/M = %.3f taken off", s->implicit);
}

static void subtract_measured(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    if (!in->shape || !in->shape->updates) {
        automatic(c, in, s);
        return;
    }
    if (!in->shape->geometric && in->shape->largest > 0) {
        char reason[sizeof s->reason];
        automatic(c, in, s);
        (void)snprintf(reason, sizeof reason, "dispersion %.2f is not the queue model's: auto, %.70s",
                       in->shape->dispersion, s->reason);
        memcpy(s->reason, reason, sizeof reason);
        return;
    }
    s->implicit = in->shape->largest > 0 ? in->shape->by_tail : 0;
    use_momentum(c, in, in->momentum - s->implicit, s);
    (void)snprintf(s->reason, sizeof s->reason, "measured momentum %.3f taken off", s->implicit);
}

static void exact(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    bool measured = in->shape && in->shape->updates && in->shape->geometric;
    s->implicit = measured ? in->shape->by_tail : theory(in);
    s->exact = fmin(0.99, fmax(0, c->shrinkage * s->implicit));
    (void)snprintf(s->reason, sizeof s->reason, "pole at %.3f (%s) cancelled", s->exact,
                   measured ? "measured" : "by theory");
}

static void mean_lag(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    double lag = in->momentum / (1 - in->momentum) - mean_delay(in);
    use_momentum(c, in, lag > 0 ? lag / (1 + lag) : 0, s);
    (void)snprintf(s->reason, sizeof s->reason,
                   lag > 0 ? "mean lag %.2f left for the momentum"
                           : "the staleness alone exceeds the wanted lag (%.2f left)",
                   lag);
}

/* What a step can be made with, whatever a policy of ours comes to: none of its values may end a run. */
static void within_reason(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    const hw_setting said = *s;
    if (!hw__base_finite_double(s->rate)) s->rate = 1;
    s->rate = fmin(fmax(s->rate, 1e-30), 1e30);
    if (!hw__base_finite_double(s->momentum)) s->momentum = in->momentum;
    if (c->policy != HW_POLICY_FIXED) s->momentum = fmax(s->momentum, c->floor);
    s->momentum = fmin(s->momentum, fmax(in->momentum, 0.999));
    if (!hw__base_finite_double(s->ahead)) s->ahead = 0;
    if (!hw__base_finite_double(s->delay)) s->delay = 0;
    if (!(s->exact >= 0 && s->exact <= 0.99)) s->exact = s->exact > 0.99 ? 0.99 : 0;
    bool same = said.rate >= s->rate && said.rate <= s->rate && said.momentum >= s->momentum &&
                said.momentum <= s->momentum && said.ahead >= s->ahead && said.ahead <= s->ahead &&
                said.delay >= s->delay && said.delay <= s->delay && said.exact >= s->exact && said.exact <= s->exact;
    if (same) return;
    (void)snprintf(s->reason, sizeof s->reason, "out of range and clamped: momentum %.3g, rate x %.3g, ahead %.3g",
                   said.momentum, said.rate, said.ahead);
}

void hw_compensate(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    memset(s, 0, sizeof *s);
    s->update = in->update;
    s->rate = 1;
    s->momentum = in->momentum;
    s->implicit = NAN;
    s->policy = c->policy;
    switch (c->policy) {
    case HW_POLICY_AUTO: automatic(c, in, s); break;
    case HW_POLICY_NONE: (void)snprintf(s->reason, sizeof s->reason, "none"); break;
    case HW_POLICY_FIXED:
        s->momentum = c->fixed; /* as asked for, below the floor too */
        s->rate = c->keep_gain ? (1 - c->fixed) / (1 - in->momentum) : 1;
        (void)snprintf(s->reason, sizeof s->reason, "fixed");
        break;
    case HW_POLICY_THEORY: subtract_theory(c, in, s); break;
    case HW_POLICY_MEASURED: subtract_measured(c, in, s); break;
    case HW_POLICY_EXACT: exact(c, in, s); break;
    case HW_POLICY_MEAN_LAG: mean_lag(c, in, s); break;
    case HW_POLICY_LOOK_AHEAD: look_ahead(in, s); break;
    case HW_POLICY_USER:
        (void)snprintf(s->reason, sizeof s->reason, "user");
        c->user(c->context, in, s);
        return;
    }
    within_reason(c, in, s);
}
