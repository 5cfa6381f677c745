/* map_nets.c - the map on nets: LeNet and cifar10_quick under laws of work from irregular to constant, simulated, and
 * on threads whose steps sleep by that law. Rate and momentum are the same everywhere, and nothing is compensated: what
 * differs along a row is the law alone. */
#include "map.h"
#include "workloads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NETS = 2, CREWS = 3, LAWS = 4, RATES = 2, MOST_SEEDS = 20, COLUMNS = 2 + 2 * LAWS };

static const struct {
    const char *name;
    uint32_t images;
    double sleep; /* s, of an update with all at work: well above what the cores take for one */
} nets[NETS] = {{"lenet", 20000, 4e-3}, {"quick", 10000, 40e-3}};
static const unsigned workers[CREWS] = {2, 4, 8}, laws[LAWS] = {0, 1, 3, 5}; /* of map_laws */
static const double rates[RATES] = {1, 0.25};                                /* of the workload's */

typedef struct trials {
    papers *p;
    const workload *w;
    double sleep;
    double one[RATES][MOST_SEEDS]; /* accuracy of one worker */
    double simulated[RATES][CREWS][LAWS][MOST_SEEDS], threads[RATES][CREWS][LAWS][MOST_SEEDS];
    double dispersion[LAWS]; /* of the threads, over all runs */
} trials;

/* Accuracy; a run that diverges has learnt nothing. */
static bool run(const trials *t, hw_config c, double *accuracy, double *dispersion)
{
    hw_engine *e;
    hw_result r;
    char why[HW_WHY];
    float *start = malloc(t->w->objective.parameters * sizeof *start);
    if (!start) return papers_trouble(t->p, "no memory");
    t->w->start(t->w, c.seed, start);
    c.target = 0;
    c.epochs = 1;
    c.stop_flag = &cli_interrupted;
    c.compensation.policy = HW_POLICY_NONE;
    c.curvature = -1;
    hw_status status = hw_engine_create(&e, &t->w->objective, &c, start, why);
    free(start);
    if (status != HW_OK) return papers_trouble(t->p, why);
    status = hw_engine_run(e, &r);
    *accuracy = status == HW_E_DIVERGED || !isfinite(r.last.metric[0]) ? t->w->worst : t->w->score(r.last.metric);
    if (dispersion) *dispersion += r.staleness.dispersion;
    hw_engine_free(e);
    if (status != HW_OK && status != HW_E_DIVERGED) return papers_trouble(t->p, r.message);
    return !cli_interrupted;
}

static hw_config setting(const trials *t, unsigned a, unsigned seed)
{
    hw_config c = t->w->config;
    c.seed = seed + 1;
    c.optimizer.schedule.base *= rates[a];
    return c;
}

static bool simulate(void *context, unsigned number)
{
    trials *t = context;
    unsigned seed = number % t->p->seeds, l = number / t->p->seeds % (LAWS + 1),
             m = number / t->p->seeds / (LAWS + 1) % CREWS, a = number / t->p->seeds / (LAWS + 1) / CREWS;
    hw_config c = setting(t, a, seed);
    c.scheduler = HW_SIMULATED;
    c.simulation.threads = 1;
    if (l == LAWS) return m > 0 || run(t, c, &t->one[a][seed], NULL);
    c.workers = workers[m];
    c.simulation.clock = map_laws[laws[l]].kind;
    c.simulation.shape = map_laws[laws[l]].shape;
    return run(t, c, &t->simulated[a][m][l][seed], NULL);
}

static bool on_threads(trials *t)
{
    unsigned runs = 0;
    for (unsigned seed = 0; seed < t->p->seeds; seed++)
        for (unsigned a = 0; a < RATES; a++)
            for (unsigned m = 0; m < CREWS; m++, runs++)
                for (unsigned l = 0; l < LAWS; l++) {
                    const map_law *law = map_laws + laws[l];
                    hw_config c = setting(t, a, seed);
                    c.scheduler = HW_ASYNC;
                    c.layers = 0;
                    c.workers = workers[m];
                    c.work.law = (hw_clock){law->kind, law->shape, t->sleep * workers[m]};
                    if (!run(t, c, &t->threads[a][m][l][seed], m == CREWS - 1 ? &t->dispersion[l] : NULL)) return false;
                }
    for (unsigned l = 0; l < LAWS; l++) t->dispersion[l] /= RATES * t->p->seeds;
    return runs > 0;
}

/* How much kinder the most irregular law is than the constant one, and how far threads are from the simulation. */
typedef struct finding {
    double kinder, threads_kinder, apart;
    unsigned n;
} finding;

static bool put(trials *t, unsigned net, finding *f)
{
    static char cells[(1 + RATES * CREWS) * COLUMNS][64];
    (void)snprintf(cells[0], 64, "%s: rate, workers", nets[net].name);
    (void)snprintf(cells[1], 64, "one worker");
    for (unsigned l = 0; l < LAWS; l++) {
        (void)snprintf(cells[2 + l], 64, "simulated, %g", map_laws[laws[l]].variation);
        (void)snprintf(cells[2 + LAWS + l], 64, "threads, %g (D %.2f)", map_laws[laws[l]].variation, t->dispersion[l]);
    }
    for (unsigned a = 0; a < RATES; a++)
        for (unsigned m = 0; m < CREWS; m++) {
            char(*row)[64] = cells + (1 + a * CREWS + m) * COLUMNS;
            double mean[2][LAWS], half;
            (void)snprintf(row[0], 64, "%g, %u", t->w->config.optimizer.schedule.base * rates[a], workers[m]);
            papers_mean(t->one[a], t->p->seeds, &mean[0][0], &half);
            (void)snprintf(row[1], 64, "%.1f (%.1f)", mean[0][0], half);
            for (unsigned l = 0; l < LAWS; l++)
                for (int k = 0; k < 2; k++) {
                    papers_mean(k ? t->threads[a][m][l] : t->simulated[a][m][l], t->p->seeds, &mean[k][l], &half);
                    (void)snprintf(row[2 + k * LAWS + (int)l], 64, "%.1f (%.1f)", mean[k][l], half);
                }
            f->kinder += mean[0][0] - mean[0][LAWS - 1];
            f->threads_kinder += mean[1][0] - mean[1][LAWS - 1];
            for (unsigned l = 0; l < LAWS; l++) f->apart += fabs(mean[0][l] - mean[1][l]) / LAWS;
            f->n++;
        }
    return papers_table(t->p, (const char(*)[64])cells, 1 + RATES * CREWS, COLUMNS);
}

bool papers_map_nets(papers *p)
{
    char text[500] = "";
    if (p->data && setenv("HOGWILD_DATA", p->data, 1) != 0) return papers_trouble(p, "no memory");
    for (unsigned net = 0; net < NETS; net++) {
        workload w;
        finding f = {0};
        if (!workload_open("papers", workloads_find(nets[net].name), p->full ? 0 : nets[net].images, &w)) return false;
        trials *t = calloc(1, sizeof *t);
        bool good = t != NULL;
        if (good) {
            *t = (trials){.p = p, .w = &w, .sleep = nets[net].sleep};
            good =
                jobs_run(simulate, t, p->seeds * (LAWS + 1) * CREWS * RATES, p->id) && on_threads(t) && put(t, net, &f);
        }
        if (good) {
            size_t n = strlen(text);
            (void)snprintf(text + n, sizeof text - n,
                           "%s%s: with work of squared variation 2 accuracy is %.1f points above that with constant "
                           "work, simulated, and %.1f on threads; threads are %.1f points from the simulation",
                           net ? "; " : "", w.what, f.kinder / f.n, f.threads_kinder / f.n, f.apart / f.n);
        }
        free(t);
        workload_close(&w);
        if (!good) return false;
    }
    papers_verdict(p, PAPERS_MEASURED,
                   "rate and momentum of one worker and a quarter of it, 2, 4, 8 workers, means: %s", text);
    return true;
}
