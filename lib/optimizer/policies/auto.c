/* auto.c - look-ahead, and where the advisor calls the step unstable for the measured delays a lower learning rate. */
#include "../policy.h"
#include "../stability.h"
#include <math.h>
#include <string.h>

#define LAGS HW__STABILITY_SHORT /* nothing is allocated while a run goes on */

static void apply(const hw_compensation *c, const hw_policy_input *in, hw_setting *s)
{
    double kernel[LAGS] = {0};
    size_t lags;
    s->policy = HW_POLICY_AUTO;
    hw__share_look_ahead(in, s);
    if (in->staleness && in->staleness->total) {
        /* A few very late updates must not make the polynomial long: what is beyond the 99.9 % point joins it. */
        double most = hw_histogram_quantile(in->staleness, 0.999);
        lags = hw__stability_kernel(in->staleness, kernel, most < LAGS - 1 ? (size_t)most + 1 : LAGS);
    } else {
        lags = in->workers < LAGS ? in->workers : LAGS;
        kernel[lags - 1] = 1;
    }
    if (s->delay == 0 || !(in->curvature > 0)) return;
    double margin = c->margin > 0 ? c->margin : 0.7;
    double step = in->learning_rate * in->curvature / margin;
    if (!(step > HW__STABILITY_LEAST)) return; /* of a schedule that has come to its end: stable with any delay */
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
    const size_t used = strlen(s->reason);
    (void)snprintf(s->reason + used, sizeof s->reason - used, ", learning rate x %.2f (curvature %.3g)", s->rate,
                   in->curvature);
}

const hw__policy hw__policy_auto = {.flags = HW__POLICY_LEAVES | HW__POLICY_CURVATURE | HW__POLICY_ADVISED |
                                             HW__POLICY_ADAPTS,
                                    .arrays = 1,
                                    .fits = hw__fits_any,
                                    .apply = apply};
