/* groups.c - Mitliagkas et al., Fig. 1: hardware and statistical efficiency, and their product, of eight workers in one
 * to eight compute groups, from a warm start, every row tuned again. A group's workers share a minibatch, so a step of
 * one of k workers is a k-th of the work; their work times are exponential, and a group waits for its slowest. */
#include "papers.h"
#include <hogwild/efficiency.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS = 4, CREW = 8 };

static void begin(void *context, uint64_t seed, float *x)
{
    hw_net_init(context, seed, x);
}

typedef struct curves {
    double groups[ROWS], y[3][ROWS], half[3][ROWS];
} curves;

static double half_of(hw_estimate x)
{
    return isfinite(x.low) && isfinite(x.high) ? 0.5 * (x.high - x.low) : NAN;
}

static void put_estimate(char cell[64], hw_estimate x)
{
    if (isnan(x.value))
        (void)snprintf(cell, 64, "not reached");
    else
        (void)snprintf(cell, 64, "%.2f (%.2f to %.2f)", x.value, x.low, x.high);
}

/* Virtual times count a worker's whole minibatch as 1; a k-th of it takes a k-th. */
static hw_estimate scaled(hw_estimate x, double by)
{
    return (hw_estimate){x.value * by, x.low * by, x.high * by};
}

static bool tell(papers *p, const hw_efficiency *e, const char *source, uint32_t images, uint64_t warm)
{
    static char cells[(ROWS + 1) * 7][64];
    static curves c;
    const char *head[] = {"groups", "reached", "hardware", "statistical", "product", "momentum, rate", "staleness"},
               *names[] = {"hardware: time an update", "statistical: updates to the target", "product"};
    for (int j = 0; j < 7; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    unsigned best = 0;
    bool rises = false;
    for (unsigned i = 0; i < ROWS; i++) {
        hw_efficiency_row r;
        if (hw_efficiency_row_of(e, i, &r) != HW_OK) return papers_trouble(p, "a row is missing");
        const double members = r.config->simulation.per_group, groups = CREW / members,
                     by = CREW / members; /* the first row's members are CREW */
        hw_estimate figure[3] = {scaled(r.hardware, by), r.statistical, scaled(r.product, by)};
        char(*row)[64] = cells + (i + 1) * 7;
        c.groups[i] = groups;
        (void)snprintf(row[0], 64, "%g of %g", groups, members);
        (void)snprintf(row[1], 64, "%u of %u", r.met, r.runs);
        for (int k = 0; k < 3; k++) {
            put_estimate(row[2 + k], figure[k]);
            c.y[k][i] = figure[k].value;
            c.half[k][i] = half_of(figure[k]);
        }
        (void)snprintf(row[5], 64, "%g, %g", r.momentum, r.learning_rate);
        (void)snprintf(row[6], 64, "%.2f", r.staleness);
        if (c.y[2][i] < c.y[2][best]) best = i;
        /* Beyond two groups, and beyond the noise; or the target is not met at all. */
        rises = rises || (groups > 2 && (r.statistical.low > 1 || r.met < r.runs / 2));
    }
    hw_curve curve[3];
    for (int k = 0; k < 3; k++)
        curve[k] = (hw_curve){names[k], c.groups, c.y[k], c.half[k], ROWS, HW_CURVE_LINE_POINTS, (unsigned)k + 1};
    const hw_chart chart = {.file = "groups",
                            .title = "Efficiency of 8 workers in compute groups (Mitliagkas et al., Fig. 1)",
                            .x_label = "compute groups",
                            .y_label = "relative to one synchronous group",
                            .log_x = 2,
                            .y_low = 0,
                            .y_high = NAN};
    if (!papers_chart(p, &chart, curve, 3) || !papers_table(p, (const char(*)[64])cells, ROWS + 1, 7)) return false;
    const bool falls = c.y[0][1] < 1 && c.y[0][2] < c.y[0][1] && c.y[0][3] < c.y[0][2], few = c.y[1][1] < 1.5;
    papers_verdict(
        p,
        falls && rises && few ? PAPERS_REPRODUCED
        : falls               ? PAPERS_PARTLY
                              : PAPERS_NOT,
        "cifar10_quick, %u images of %s, from %llu updates of one worker on, exponential work, each row at its "
        "best rate and momentum: with 1, 2, 4, 8 groups an update takes %.2f, %.2f, %.2f, %.2f of the time, "
        "%.2f, %.2f, %.2f, %.2f times as many are needed (nan: not reached), and the target takes %.2f, %.2f, "
        "%.2f, %.2f; %g groups are the best",
        images, source, (unsigned long long)warm, c.y[0][0], c.y[0][1], c.y[0][2], c.y[0][3], c.y[1][0], c.y[1][1],
        c.y[1][2], c.y[1][3], c.y[2][0], c.y[2][1], c.y[2][2], c.y[2][3], c.groups[best]);
    return true;
}

bool papers_groups(papers *p)
{
    static float mean[3 * 32 * 32];
    static const double rates[] = {0.001, 0.0005, 0.002, 0.00025}, momenta[] = {0.9, 0.6, 0.3, 0};
    char why[HW_WHY] = "no memory";
    papers_colours d;
    hw_objective o;
    hw_efficiency *e = NULL;
    hw_efficiency_plan plan;
    hw_net *net = NULL;
    bool good = papers_colours_open(p, &d, 20000, 1000) && hw_images_mean(&d.train, mean) == HW_OK;
    if (good) net = hw_net_cifar10_quick(100, 10, mean, why);
    hw_net_task task = {net, &d.train, &d.test, NULL};
    if (good && (!net || hw_net_objective(&task, &o, why) != HW_OK)) good = papers_trouble(p, why);
    if (!good) {
        hw_net_free(net);
        papers_colours_close(&d);
        return false;
    }
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, CREW, p->full ? 4000 : 500);
    c.batch = 100;
    c.divergence = 0;
    c.simulation.threads = 0;
    c.target_metric = 1;
    c.target = p->full ? 0.7 : 0.47;
    c.evaluate_every = p->full ? 50 : 10;
    c.optimizer.momentum = 0.9;
    c.optimizer.schedule.base = 0.001;
    c.optimizer.weight_decay = 0.004;
    (void)hw_efficiency_plan_init(&plan, sizeof plan);
    plan.name = "groups";
    plan.objective = &o;
    plan.config = &c;
    plan.start = begin;
    plan.context = net;
    plan.question = HW_QUESTION_TUNED;
    plan.seeds = p->seeds + 2;
    plan.tuning_seeds = 2;
    plan.warm = p->full ? 4000 : 150;
    plan.rates = rates;
    plan.momenta = momenta;
    plan.n_rates = sizeof rates / sizeof *rates;
    plan.n_momenta = sizeof momenta / sizeof *momenta;
    plan.stop_flag = &cli_interrupted;
    good = hw_efficiency_create(&e, &plan, why) == HW_OK &&
           hw_efficiency_axis(e, "simulation.per_group", "8,4,2,1", why) == HW_OK &&
           hw_efficiency_measure(e, why) == HW_OK;
    if (!good) (void)papers_trouble(p, why);
    good = good && tell(p, e, d.source, d.train.count, plan.warm);
    hw_efficiency_free(e);
    hw_net_free(net);
    papers_colours_close(&d);
    return good;
}
