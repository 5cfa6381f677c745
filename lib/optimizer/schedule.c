/* schedule.c - learning rate as a function of the number of updates. */
#include "optimizer.h"
#include <math.h>

double hw_schedule_rate(const hw_schedule *s, uint64_t t)
{
    double rate = s->base, x = (double)t;
    switch (s->kind) {
    case HW_SCHEDULE_CONSTANT: break;
    case HW_SCHEDULE_STEP: rate *= pow(s->gamma, floor(x / (double)s->interval)); break;
    case HW_SCHEDULE_LINEAR: rate *= fmax(1 - x / (double)s->interval, 1e-4); break;
    case HW_SCHEDULE_INV:
        if (s->power <= 0.5 && s->power >= 0.5) {
            rate /= sqrt(1 + s->gamma * x);
            break;
        }
        if (s->power < 1 || s->power > 1) {
            rate *= pow(1 + s->gamma * x, -s->power);
            break;
        }
        rate /= 1 + s->gamma * x; /* steps can be shorter than a power takes */
        break;
    case HW_SCHEDULE_EXPONENTIAL: rate *= pow(s->gamma, x); break;
    case HW_SCHEDULE_COSINE: {
        double share = fmin(x, (double)s->interval) / (double)s->interval;
        rate *= 0.5 * (1 + cos(3.14159265358979323846 * share));
        break;
    }
    }
    return t < s->warmup ? rate * (x + 1) / (double)(s->warmup + 1) : rate;
}
