/* best_cifar.c - Mitliagkas et al., Fig. 3 on small colour images: the best explicit momentum against the number of
 * workers, cifar10_quick (right) and a net of CaffeNet's shape on eight classes (left), negative momentum among them.
 * Under the queue model's clock, and on threads whose steps sleep by the same law. */
#include "papers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CREWS = 4, MOMENTA = 7, RATES = 5, MOST_SEEDS = 20 };

static const unsigned workers[CREWS] = {1, 2, 4, 8};
static const double momenta[MOMENTA] = {-0.2, -0.09, 0, 0.3, 0.6, 0.8, 0.9};
enum { ZERO = 2 };

typedef struct sweep {
    papers *p;
    const hw_objective *objective;
    hw_net *net;
    const char *what;
    uint32_t batch;
    uint64_t updates;
    double effective[RATES]; /* learning rate / (1 - momentum) */
    double sleep;            /* s an update on threads, all at work; 0: no threads */
    double guess;            /* the loss of one that knows nothing */
    double loss[CREWS][MOMENTA][RATES][MOST_SEEDS], threads[CREWS][MOMENTA][MOST_SEEDS];
} sweep;

static hw_config setting(const sweep *s, unsigned w, unsigned m, double effective, unsigned seed)
{
    hw_config c = papers_config(HW_CLOCK_EXPONENTIAL, workers[w], s->updates);
    c.seed = seed + 1;
    c.batch = s->batch;
    c.divergence = 0;
    c.curvature = -1;
    c.optimizer.schedule.base = effective * (1 - momenta[m]);
    c.optimizer.weight_decay = 0.004;
    /* Explicit momentum as it is, negative too: the policy sets it, no gain is kept. */
    c.optimizer.momentum = momenta[m] > 0 ? momenta[m] : 0;
    c.compensation.policy = HW_POLICY_FIXED;
    c.compensation.fixed = momenta[m];
    c.compensation.keep_gain = 0;
    return c;
}

/* The validation loss at the end; never more than a guess's, so that one run that diverges is no infinity. */
static bool run(const sweep *s, const hw_config *c, double *loss)
{
    float *start = malloc(hw_net_parameters(s->net) * sizeof *start);
    if (!start) return papers_trouble(s->p, "no memory");
    hw_net_init(s->net, c->seed, start);
    papers_run_result r = papers_run(s->objective, c, start, 0, 0);
    *loss = r.diverged || !(r.loss < s->guess) ? s->guess : r.loss;
    free(start);
    return !cli_interrupted;
}

static bool job(void *context, unsigned number)
{
    sweep *s = context;
    unsigned seed = number % s->p->seeds, a = number / s->p->seeds % RATES, m = number / s->p->seeds / RATES % MOMENTA,
             w = number / s->p->seeds / RATES / MOMENTA;
    hw_config c = setting(s, w, m, s->effective[a], seed);
    return run(s, &c, &s->loss[w][m][a][seed]);
}

static unsigned best_rate(const sweep *s, unsigned w, unsigned m, unsigned seeds, double *loss)
{
    unsigned best = 0;
    *loss = INFINITY;
    for (unsigned a = 0; a < RATES; a++) {
        double mean, half;
        papers_mean(s->loss[w][m][a], seeds, &mean, &half);
        if (mean >= *loss) continue;
        *loss = mean;
        best = a;
    }
    return best;
}

static bool on_threads(sweep *s)
{
    for (unsigned seed = 0; seed < s->p->seeds && s->sleep > 0; seed++)
        for (unsigned w = 0; w < CREWS; w++)
            for (unsigned m = 0; m < MOMENTA; m++) {
                double unused;
                hw_config c = setting(s, w, m, s->effective[best_rate(s, w, m, s->p->seeds, &unused)], seed);
                const hw_config plain = hw_config_defaults();
                c.scheduler = HW_ASYNC;
                c.simulation = plain.simulation;
                c.layers = 0;
                c.work.law = (hw_clock){HW_CLOCK_EXPONENTIAL, 0, s->sleep * workers[w]};
                if (!run(s, &c, &s->threads[w][m][seed])) return false;
            }
    return true;
}

/* Best momentum of each crew, and those that are not worse beyond the noise, seed by seed. */
typedef struct best {
    double momentum[CREWS], low[CREWS], high[CREWS], loss[CREWS], of[CREWS][MOMENTA], half[CREWS][MOMENTA];
} best;

static void judge(const double *runs[CREWS][MOMENTA], unsigned seeds, best *b)
{
    for (unsigned w = 0; w < CREWS; w++) {
        unsigned at = 0;
        for (unsigned m = 0; m < MOMENTA; m++) {
            papers_mean(runs[w][m], seeds, &b->of[w][m], &b->half[w][m]);
            if (b->of[w][m] < b->of[w][at]) at = m;
        }
        b->momentum[w] = b->low[w] = b->high[w] = momenta[at];
        b->loss[w] = b->of[w][at];
        for (unsigned m = 0; m < MOMENTA; m++) {
            double apart[MOST_SEEDS], mean, half;
            for (unsigned k = 0; k < seeds; k++) apart[k] = runs[w][m][k] - runs[w][at][k];
            papers_mean(apart, seeds, &mean, &half);
            if (m != at && !(mean < half)) continue;
            b->low[w] = fmin(b->low[w], momenta[m]);
            b->high[w] = fmax(b->high[w], momenta[m]);
        }
    }
}

static bool put(papers *p, const sweep *s, const best *b, const char *clock, const char *file)
{
    static char cells[(CREWS + 1) * (MOMENTA + 3)][64], names[CREWS][40];
    hw_curve curves[CREWS];
    char title[160];
    (void)snprintf(cells[0], 64, "%s: workers", clock);
    for (unsigned m = 0; m < MOMENTA; m++) (void)snprintf(cells[1 + m], 64, "mu %g", momenta[m]);
    (void)snprintf(cells[1 + MOMENTA], 64, "best (within the noise)");
    (void)snprintf(cells[2 + MOMENTA], 64, "best(1) - best(M), 1 - 1/M");
    for (unsigned w = 0; w < CREWS; w++) {
        char(*row)[64] = cells + (w + 1) * (MOMENTA + 3);
        (void)snprintf(row[0], 64, "%u", workers[w]);
        for (unsigned m = 0; m < MOMENTA; m++)
            (void)snprintf(row[1 + m], 64, "%.3f (%.3f)", b->of[w][m], b->half[w][m]);
        (void)snprintf(row[1 + MOMENTA], 64, "%g (%g to %g)", b->momentum[w], b->low[w], b->high[w]);
        (void)snprintf(row[2 + MOMENTA], 64, "%.2f, %.2f", b->momentum[0] - b->momentum[w], 1 - 1.0 / workers[w]);
        (void)snprintf(names[w], 40, "%u worker%s", workers[w], w ? "s" : "");
        curves[w] = (hw_curve){names[w], momenta, b->of[w], b->half[w], MOMENTA, HW_CURVE_LINE_POINTS, w + 1};
    }
    (void)snprintf(title, sizeof title, "Validation loss, %s, %s", s->what, clock);
    const hw_chart chart = {.file = file,
                            .title = title,
                            .x_label = "explicit momentum",
                            .y_label = "validation loss, best learning rate",
                            .y_low = NAN,
                            .y_high = NAN};
    return papers_chart(p, &chart, curves, CREWS) && papers_table(p, (const char(*)[64])cells, CREWS + 1, MOMENTA + 3);
}

static bool conclude(papers *p, const sweep *s, const char *file)
{
    static best queue, threads;
    const double *runs[CREWS][MOMENTA];
    const unsigned last = CREWS - 1;
    char beside[300] = "", other[60];
    for (unsigned w = 0; w < CREWS; w++)
        for (unsigned m = 0; m < MOMENTA; m++) {
            double unused;
            runs[w][m] = s->loss[w][m][best_rate(s, w, m, p->seeds, &unused)];
        }
    judge(runs, p->seeds, &queue);
    if (!put(p, s, &queue, "queue clock", file)) return false;
    if (s->sleep > 0) {
        for (unsigned w = 0; w < CREWS; w++)
            for (unsigned m = 0; m < MOMENTA; m++) runs[w][m] = s->threads[w][m];
        judge(runs, p->seeds, &threads);
        (void)snprintf(other, sizeof other, "%s-threads", file);
        if (!put(p, s, &threads, "threads with exponential work", other)) return false;
        (void)snprintf(beside, sizeof beside, " (threads: %g, %g, %g, %g)", threads.momentum[0], threads.momentum[1],
                       threads.momentum[2], threads.momentum[3]);
    }
    bool falls = true;
    for (unsigned w = 1; w < CREWS; w++) falls = falls && queue.momentum[w] <= queue.momentum[w - 1];
    bool apart = queue.high[last] < queue.low[0], negative = queue.momentum[last] < 0;
    papers_verdict(
        p,
        apart && falls ? PAPERS_REPRODUCED
        : apart        ? PAPERS_PARTLY
                       : PAPERS_NOT,
        "%s, validation loss after %llu updates, best of %d rates for each momentum, %u seeds: the best explicit "
        "momentum is %g, %g, %g, %g at 1, 2, 4, 8 workers with exponential work%s; at one within the noise %g to %g, "
        "at "
        "eight %g to %g (losses %.3f and %.3f). Negative momentum is %s at eight: %.3f at -0.09, %.3f at 0",
        s->what, (unsigned long long)s->updates, RATES, p->seeds, queue.momentum[0], queue.momentum[1],
        queue.momentum[2], queue.momentum[3], beside, queue.low[0], queue.high[0], queue.low[last], queue.high[last],
        queue.loss[0], queue.loss[last], negative ? "the best" : "not the best", queue.of[last][1],
        queue.of[last][ZERO]);
    return true;
}

static bool sweep_net(papers *p, sweep *s, hw_net *net, const hw_images *train, const hw_images *test, const char *file,
                      const char *why_not)
{
    char why[HW_WHY];
    hw_objective o;
    if (!net) return papers_trouble(p, why_not);
    hw_net_task task = {net, train, test, NULL};
    bool good = hw_net_objective(&task, &o, why) == HW_OK || papers_trouble(p, why);
    s->p = p;
    s->net = net;
    s->objective = &o;
    good = good && jobs_run(job, s, CREWS * MOMENTA * RATES * p->seeds, p->id) && on_threads(s) && conclude(p, s, file);
    hw_net_free(net);
    return good;
}

bool papers_best_quick(papers *p)
{
    static const double effective[RATES] = {0.02, 0.01, 0.005, 0.0025, 0.00125};
    static float mean[3 * 32 * 32];
    char why[HW_WHY] = "no memory", what[220];
    papers_colours d;
    sweep *s = calloc(1, sizeof *s);
    if (!s) return papers_trouble(p, "no memory");
    bool good = papers_colours_open(p, &d, 10000, 2000) && hw_images_mean(&d.train, mean) == HW_OK;
    (void)snprintf(what, sizeof what, "cifar10_quick, %u images of %s", d.train.count, d.source);
    s->what = what;
    s->batch = 100;
    s->updates = p->full ? 2000 : 150;
    s->sleep = 0.045;
    s->guess = log(10);
    memcpy(s->effective, effective, sizeof effective);
    good = good && sweep_net(p, s, hw_net_cifar10_quick(100, 10, mean, why), &d.train, &d.test, "best-quick", why);
    papers_colours_close(&d);
    free(s);
    return good;
}

/* The layers of CaffeNet, with filters for images of 32 x 32 and fills that learn within some hundred updates. */
static hw_net *small_caffenet(uint32_t batch, char *why)
{
    static const struct {
        unsigned filters, kernel, pad, groups;
        bool pools, normed;
    } conv[] = {{24, 5, 2, 1, true, true},
                {32, 5, 2, 2, true, true},
                {48, 3, 1, 1, false, false},
                {48, 3, 1, 2, false, false},
                {32, 3, 1, 2, true, false}};
    hw_net *net = hw_net_create(3, 32, 32);
    if (!net) return NULL;
    hw_net_input(net, 1.0 / 64, 120);
    for (size_t i = 0; i < sizeof conv / sizeof *conv; i++) {
        hw_net_conv(net, conv[i].filters, conv[i].kernel, 1, conv[i].pad);
        if (conv[i].groups > 1) hw_net_groups(net, conv[i].groups);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        if (conv[i].pools) hw_net_max_pool(net, 3, 2, 0);
        if (conv[i].normed) hw_net_lrn(net, 5, 1e-4, 0.75);
    }
    for (int i = 0; i < 2; i++) {
        hw_net_dense(net, 128);
        hw_net_fill(net, HW_FILL_HE, 0, 0);
        hw_net_relu(net);
        hw_net_dropout(net, 0.5);
    }
    hw_net_dense(net, 8);
    hw_net_fill(net, HW_FILL_LECUN, 0, 0);
    if (hw_net_finish(net, batch, why) == HW_OK) return net;
    hw_net_free(net);
    return NULL;
}

bool papers_best_caffenet(papers *p)
{
    static const double effective[RATES] = {0.1, 0.05, 0.025, 0.0125, 0.00625};
    char why[HW_WHY] = "no memory", what[220];
    papers_colours d;
    hw_images train = {0}, test = {0};
    sweep *s = calloc(1, sizeof *s);
    if (!s) return papers_trouble(p, "no memory");
    bool good = papers_colours_open(p, &d, 12500, 2500);
    if (good &&
        (hw_images_select(&d.train, 8, &train, why) != HW_OK || hw_images_select(&d.test, 8, &test, why) != HW_OK))
        good = papers_trouble(p, why);
    (void)snprintf(what, sizeof what, "a net of CaffeNet's shape, eight classes, %u images of %s", train.count,
                   d.source);
    s->what = what;
    s->batch = 64;
    s->updates = p->full ? 4000 : 200;
    s->guess = log(8);
    memcpy(s->effective, effective, sizeof effective);
    good = good && sweep_net(p, s, small_caffenet(64, why), &train, &test, "best-caffenet", why);
    hw_images_free(&train);
    hw_images_free(&test);
    papers_colours_close(&d);
    free(s);
    return good;
}
