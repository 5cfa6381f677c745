/* age.c - how the step depends on the age of the single gradient. */
#include "hogwild/optimizer.h"
#include <math.h>

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
