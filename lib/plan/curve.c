/* curve.c - two losses over time: which comes sooner to the same place. */
#include "plan.h"
#include <math.h>

void hw__plan_curve_fall(hw__plan_curve *c)
{
    double mean[PLAN_POINTS + 1];
    size_t weight[PLAN_POINTS + 1], blocks = 0, at = 0;
    /* Pool adjacent violators: neighbours that rise become their mean. */
    for (size_t i = 0; i < c->n; i++) {
        mean[blocks] = c->loss[i];
        weight[blocks++] = 1;
        while (blocks > 1 && mean[blocks - 1] > mean[blocks - 2]) {
            double a = (double)weight[blocks - 2], b = (double)weight[blocks - 1];
            mean[blocks - 2] = (a * mean[blocks - 2] + b * mean[blocks - 1]) / (a + b);
            weight[blocks - 2] += weight[blocks - 1];
            blocks--;
        }
    }
    c->noise = 0;
    for (size_t k = 0; k < blocks; k++)
        for (size_t i = 0; i < weight[k]; i++, at++) {
            c->noise += (c->loss[at] - mean[k]) * (c->loss[at] - mean[k]);
            c->loss[at] = mean[k];
        }
    c->noise = c->n ? sqrt(c->noise / (double)c->n) : 0;
}

double hw__plan_curve_at(const hw__plan_curve *c, double loss)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->loss[i] > loss) continue;
        if (i == 0 || c->loss[i - 1] <= c->loss[i]) return c->seconds[i];
        double part = (c->loss[i - 1] - loss) / (c->loss[i - 1] - c->loss[i]);
        return c->seconds[i - 1] + part * (c->seconds[i] - c->seconds[i - 1]);
    }
    return INFINITY;
}

/* The loss at a time, between its points. */
static double loss_at(const hw__plan_curve *c, double seconds)
{
    for (size_t i = 1; i < c->n; i++) {
        if (c->seconds[i] < seconds) continue;
        double part = (seconds - c->seconds[i - 1]) / (c->seconds[i] - c->seconds[i - 1]);
        return c->loss[i - 1] + part * (c->loss[i] - c->loss[i - 1]);
    }
    return c->loss[c->n - 1];
}

double hw__plan_curve_doubt(const hw__plan_curve *a, const hw__plan_curve *b)
{
    if (b->n < 2) return INFINITY;
    double end = b->loss[b->n - 1], fallen = loss_at(b, b->seconds[b->n - 1] / 2) - end;
    return fallen > 0 ? 0.1 + 0.5 * (a->noise + b->noise) / fallen : INFINITY;
}

double hw__plan_beyond(double ratio, double doubt)
{
    if (!(ratio > 0)) return 0;
    double size = fabs(log(ratio)) - doubt;
    return size > 0 ? exp(ratio > 1 ? size : -size) : 1;
}

bool hw__plan_curve_early(const hw__plan_curve *c)
{
    if (c->n < 4) return false;
    double half = loss_at(c, c->seconds[c->n - 1] / 2), fallen = c->loss[0] - half;
    return fallen > 10 * c->noise && fallen > 10 * (half - c->loss[c->n - 1]) && fallen > 0;
}

bool hw__plan_curve_falls(const hw__plan_curve *c, double noises)
{
    if (c->n < 4) return false;
    double end = c->loss[c->n - 1], half = loss_at(c, c->seconds[c->n - 1] / 2);
    return half - end > noises * c->noise && half - end > 1e-3 * (c->loss[0] - end);
}

/* The geometric mean of time of b / time of a over the losses that b has at a few times in the second half of the
 * `of_b` that it takes to the lowest loss both reach: of one alone noise says twice as much. since: counted from when
 * each has that loss; NAN: from the start. */
static double over_levels(const hw__plan_curve *a, const hw__plan_curve *b, double of_b, double since)
{
    enum { LEVELS = 4 };
    double a0 = isnan(since) ? 0 : hw__plan_curve_at(a, since), b0 = isnan(since) ? 0 : hw__plan_curve_at(b, since);
    double sum = 0;
    int levels = isnan(since) ? LEVELS : LEVELS - 1; /* there is little between the highest one and `since` */
    for (int q = 0; q < levels; q++) {
        double level = loss_at(b, of_b * (1 - 0.5 * q / LEVELS));
        double its = hw__plan_curve_at(a, level) - a0, other = hw__plan_curve_at(b, level) - b0;
        if (!(its > 0)) return INFINITY;
        if (!(other > 0)) return 0;
        sum += log(other / its) / levels;
    }
    return exp(sum);
}

double hw__plan_curve_gain(const hw__plan_curve *a, const hw__plan_curve *b, hw__plan_part part)
{
    if (a->n < 2) return 0;
    if (b->n < 2) return INFINITY;
    double lowest = fmax(a->loss[a->n - 1], b->loss[b->n - 1]);
    double of_a = hw__plan_curve_at(a, lowest), of_b = hw__plan_curve_at(b, lowest);
    if (lowest >= fmin(a->loss[0], b->loss[0])) return a->loss[a->n - 1] < b->loss[b->n - 1] ? INFINITY : 0;
    double from = loss_at(b, of_b / 2);
    if (from <= lowest) return of_a > 0 ? of_b / of_a : INFINITY; /* b stood still: nothing to count from */
    double whole = over_levels(a, b, of_b, NAN);
    if (part == HW__PLAN_WHOLE) return whole;
    if (part == HW__PLAN_LATE) return over_levels(a, b, of_b, from);
    /* Whether b catches up shows at the lowest loss alone. */
    of_a -= hw__plan_curve_at(a, from);
    of_b -= hw__plan_curve_at(b, from);
    double late = of_a > 0 ? of_b / of_a : INFINITY;
    return late > 0.9 ? whole : fmin(whole, late);
}
