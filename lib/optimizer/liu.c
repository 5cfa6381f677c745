/* liu.c - Liu et al.'s bound on the delay of streaming PCA, up to a constant. */
#include "hogwild/optimizer.h"
#include <math.h>

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
