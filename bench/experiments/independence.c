/* independence.c - Mitliagkas et al., assumption A1: "the staleness process and the sample selection process are
 * mutually independent". On real threads a long example takes long, and a step that takes long sees more landings.
 * Which example a step has is drawn beforehand, so whatever the staleness has in common with its number of non-zeros
 * comes from it. */
#include "papers.h"
#include "workloads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4, UPDATES = 100000, THREADS = 2, SETTINGS = 2, SHUFFLES = 200 };

static const struct {
    const char *workload, *name;
} settings[SETTINGS] = {{"imdb-logistic", "imdb-bow"}, {"a9a-logistic", "a9a"}};

typedef struct event {
    double cost, staleness, work; /* non-zeros, updates, nanoseconds */
    uint64_t lot;                 /* of two that cost the same, which comes first in a quarter */
} event;

/* The objective with a note of the example that each worker is at. */
typedef struct watch {
    const hw_objective *inner;
    const hw_sparse *rows;
    struct {
        double cost;
        char apart[56]; /* a line a worker */
    } now[THREADS];
    event *at;
} watch;

static hw_status step(void *self, hw_worker *worker, const hw_batch *batch)
{
    watch *w = self;
    const uint32_t row = batch->index[0];
    w->now[hw_worker_id(worker)].cost = (double)(w->rows->offset[row + 1] - w->rows->offset[row]);
    return w->inner->step(w->inner->self, worker, batch);
}

static hw_status scratch_init(void *self, void *scratch)
{
    const watch *w = self;
    return w->inner->scratch_init(w->inner->self, scratch);
}

static void scratch_free(void *self, void *scratch)
{
    const watch *w = self;
    w->inner->scratch_free(w->inner->self, scratch);
}

/* On the thread of the worker whose update it is, before its next step. */
static void see(void *context, const hw_update_event *e)
{
    watch *w = context;
    if (e->update < UPDATES)
        w->at[e->update] = (event){w->now[e->worker].cost, (double)e->staleness, (double)(e->write_ns - e->read_ns), 0};
}

static hw_objective watched(watch *w)
{
    hw_objective o = *w->inner;
    o.self = w;
    o.step = step;
    o.sweep = NULL;
    o.evaluate = NULL;
    o.principal = NULL;
    o.shrinks = NULL;
    if (o.scratch_init) o.scratch_init = scratch_init;
    if (o.scratch_free) o.scratch_free = scratch_free;
    return o;
}

/* --- what they have in common ---------------------------------------------------------------------------------------
 */

typedef struct found {
    double cost[PARTS], staleness[PARTS], work[PARTS], correlation, chance;
} found;

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int by_cost(const void *a, const void *b)
{
    const event *x = a, *y = b;
    return x->cost > y->cost ? 1 : x->cost < y->cost ? -1 : (x->lot > y->lot) - (x->lot < y->lot);
}

/* What is beyond all but a hundredth counts as that: a thread that lost its core meets thousands of landings. */
static void limit(event *at, size_t n, double *room, size_t member)
{
    for (size_t i = 0; i < n; i++) memcpy(room + i, (const char *)(at + i) + member, sizeof *room);
    qsort(room, n, sizeof *room, by_value);
    const double most = room[n - 1 - n / 100];
    for (size_t i = 0; i < n; i++) {
        double *x = (double *)((char *)(at + i) + member);
        *x = fmin(*x, most);
    }
}

static double correlation(const event *at, size_t n, const double *cost)
{
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    const double m = (double)n;
    for (size_t i = 0; i < n; i++) {
        x += cost[i];
        y += at[i].staleness;
    }
    x /= m;
    y /= m;
    for (size_t i = 0; i < n; i++) {
        xx += (cost[i] - x) * (cost[i] - x);
        yy += (at[i].staleness - y) * (at[i].staleness - y);
        xy += (cost[i] - x) * (at[i].staleness - y);
    }
    return xy / sqrt(xx * yy);
}

/* The 95 % quantile of |correlation| where examples are dealt out anew. */
static double by_chance(const event *at, size_t n, double *cost)
{
    double size[SHUFFLES];
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (size_t k = 0; k < SHUFFLES; k++) {
        for (size_t i = n - 1; i > 0; i--) {
            const size_t j = hw_rng_below(&rng, (uint32_t)i + 1);
            const double kept = cost[i];
            cost[i] = cost[j];
            cost[j] = kept;
        }
        size[k] = fabs(correlation(at, n, cost));
    }
    qsort(size, SHUFFLES, sizeof *size, by_value);
    return size[SHUFFLES - 1 - SHUFFLES / 20];
}

static void summarize(event *at, size_t n, double *room, found *f)
{
    limit(at, n, room, offsetof(event, staleness));
    limit(at, n, room, offsetof(event, work));
    for (size_t i = 0; i < n; i++) room[i] = at[i].cost;
    f->correlation = correlation(at, n, room);
    f->chance = by_chance(at, n, room);
    hw_rng rng;
    hw_rng_seed(&rng, 1, 1);
    for (size_t i = 0; i < n; i++) at[i].lot = hw_rng_next(&rng);
    qsort(at, n, sizeof *at, by_cost);
    for (size_t k = 0; k < PARTS; k++) {
        const size_t from = k * n / PARTS, to = (k + 1) * n / PARTS;
        f->cost[k] = f->staleness[k] = f->work[k] = 0;
        for (size_t i = from; i < to; i++) {
            f->cost[k] += at[i].cost / (double)(to - from);
            f->staleness[k] += at[i].staleness / (double)(to - from);
            f->work[k] += at[i].work / (double)(to - from);
        }
    }
}

/* --- the runs -------------------------------------------------------------------------------------------------------
 */

static bool measure(papers *p, int which, event *at, double *room, found *f)
{
    workload w;
    char why[HW_WHY] = "no memory";
    if (!workload_open("papers", workloads_find(settings[which].workload), 0, &w)) return false;
    watch seen = {.inner = &w.objective, .rows = workload_rows(&w), .at = at};
    const hw_objective objective = watched(&seen);
    hw_engine *e;
    hw_result r;
    float *start = calloc(objective.parameters, sizeof *start);
    hw_config c = papers_on_threads(&w.config, THREADS, UPDATES);
    c.evaluate_every = 0;
    c.on_update = see;
    c.context = &seen;
    memset(at, 0, sizeof *at * UPDATES);
    bool good = start && hw_engine_create(&e, &objective, &c, start, why) == HW_OK;
    if (good) {
        good = hw_engine_run(e, &r) == HW_OK && !cli_interrupted;
        if (!good) (void)snprintf(why, sizeof why, "%.200s", r.message);
        hw_engine_free(e);
    }
    if (good) summarize(at, UPDATES, room, f);
    free(start);
    workload_close(&w);
    return good || (cli_interrupted ? false : papers_trouble(p, why));
}

static void quarters(char cell[64], const double *x, double scale)
{
    (void)snprintf(cell, 64, "%.3g %.3g %.3g %.3g", x[0] * scale, x[1] * scale, x[2] * scale, x[3] * scale);
}

bool papers_independence(papers *p)
{
    static const char *const head[] = {"two threads on",
                                       "non-zeros, by quarter",
                                       "work of those: us",
                                       "staleness of those",
                                       "correlation of non-zeros and staleness",
                                       "95 % of shuffled examples are within"};
    char cells[(SETTINGS + 1) * 6][64];
    found f[SETTINGS];
    event *at = malloc(sizeof *at * UPDATES);
    double *room = malloc(sizeof *room * UPDATES);
    bool good = at && room ? true : papers_trouble(p, "no memory");
    if (good && p->data && setenv("HOGWILD_DATA", p->data, 1) != 0) good = papers_trouble(p, "no memory");
    for (int j = 0; j < 6; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (int i = 0; i < SETTINGS && good; i++) {
        good = measure(p, i, at, room, f + i);
        if (!good) break;
        char(*row)[64] = cells + (i + 1) * 6;
        (void)snprintf(row[0], 64, "%s", settings[i].name);
        quarters(row[1], f[i].cost, 1);
        quarters(row[2], f[i].work, 1e-3);
        quarters(row[3], f[i].staleness, 1);
        (void)snprintf(row[4], 64, "%.3f", f[i].correlation);
        (void)snprintf(row[5], 64, "%.3f", f[i].chance);
    }
    free(at);
    free(room);
    if (!good || !papers_table(p, (const char(*)[64])cells, SETTINGS + 1, 6)) return false;
    const char *says[SETTINGS];
    unsigned depend = 0;
    for (int i = 0; i < SETTINGS; i++) {
        bool depends = fabs(f[i].correlation) > f[i].chance;
        depend += depends;
        says[i] = depends ? "does not hold" : "holds";
    }
    papers_verdict(p,
                   depend == 0          ? PAPERS_REPRODUCED
                   : depend == SETTINGS ? PAPERS_NOT
                                        : PAPERS_PARTLY,
                   "A1 %s on imdb-bow, whose rows have %.0f to %.0f non-zeros by quarter: they and the staleness "
                   "correlate by %.3f (by chance within %.3f), the shortest quarter is %.2f updates old, the longest "
                   "%.2f; it %s on a9a, whose rows cost nearly the same (%.3f, %.3f; %.2f, %.2f)",
                   says[0], f[0].cost[0], f[0].cost[PARTS - 1], f[0].correlation, f[0].chance, f[0].staleness[0],
                   f[0].staleness[PARTS - 1], says[1], f[1].correlation, f[1].chance, f[1].staleness[0],
                   f[1].staleness[PARTS - 1]);
    return true;
}
