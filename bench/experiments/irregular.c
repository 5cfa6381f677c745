/* irregular.c - Mitliagkas et al., assumptions A2 and A3 where steps are of unlike cost: one sparse example each, on
 * real threads. Are work times exponential (A2) and independent of one another (A3)? Each review has its own number of
 * words, so a long one is read long (independence.c asks what that makes of A1). */
#include "papers.h"
#include "workloads.h"
#include <math.h>
#include <stdlib.h>

enum { PARTS = 4, UPDATES = 40000, THREADS = 2, SETTINGS = 4 };

static const struct {
    const char *workload, *name;
} settings[SETTINGS] = {{"imdb-logistic", "imdb-bow, 2 threads"},
                        {"a9a-logistic", "a9a, 2 threads"},
                        {"words", "words, 2 threads"},
                        {"lenet", "LeNet, 2 threads"}};

typedef struct event {
    double work, staleness;
} event;

typedef struct watch {
    event *at;
} watch;

static void see(void *context, const hw_update_event *e)
{
    watch *w = context;
    if (e->update < UPDATES) w->at[e->update] = (event){(double)(e->write_ns - e->read_ns), (double)e->staleness};
}

static int by_work(const void *a, const void *b)
{
    const event *x = a, *y = b;
    return (x->work > y->work) - (x->work < y->work);
}

typedef struct found {
    double variation, next, staleness[PARTS], work[PARTS], correlation;
} found;

/* Of the updates but the hundredth that took longest: a thread that lost its core has done no work meanwhile. */
static void summarize(event *at, size_t n, found *f)
{
    double work = 0, square = 0, ages = 0, age_square = 0, both = 0;
    qsort(at, n, sizeof *at, by_work);
    n -= n / 100;
    for (size_t i = 0; i < n; i++) {
        work += at[i].work;
        square += at[i].work * at[i].work;
        ages += at[i].staleness;
        age_square += at[i].staleness * at[i].staleness;
        both += at[i].work * at[i].staleness;
    }
    const double m = (double)n, mean = work / m, age = ages / m, variance = square / m - mean * mean;
    f->variation = variance / (mean * mean);
    f->correlation = (both / m - mean * age) / sqrt(variance * (age_square / m - age * age));
    for (size_t k = 0; k < PARTS; k++) {
        const size_t from = k * n / PARTS, to = (k + 1) * n / PARTS;
        f->staleness[k] = f->work[k] = 0;
        for (size_t i = from; i < to; i++) {
            f->staleness[k] += at[i].staleness / (double)(to - from);
            f->work[k] += at[i].work / (double)(to - from);
        }
    }
}

static bool measure(papers *p, int which, event *at, found *f)
{
    workload w;
    char why[HW_WHY] = "no memory";
    if (!workload_open("papers", workloads_find(settings[which].workload), 0, &w)) return false;
    watch seen = {at};
    hw_engine *e;
    hw_result r;
    hw_work_summary work;
    float *start = malloc(w.objective.parameters * sizeof *start);
    const uint64_t updates = w.config.batch > 1 ? 600 : UPDATES;
    hw_config c = papers_on_threads(&w.config, THREADS, updates);
    c.on_update = see;
    c.context = &seen;
    for (size_t i = 0; i < UPDATES; i++) at[i] = (event){0, 0};
    bool good = start != NULL;
    if (good) {
        w.start(&w, 1, start);
        good = hw_engine_create(&e, &w.objective, &c, start, why) == HW_OK;
    }
    if (good) {
        hw_status status = hw_engine_run(e, &r);
        good = (status == HW_OK || status == HW_E_DIVERGED) && !cli_interrupted;
        if (!good) (void)snprintf(why, sizeof why, "%.200s", r.message);
        hw_staleness_work(hw_engine_staleness(e), &work);
        f->next = work.correlation_next;
        hw_engine_free(e);
    }
    if (good) summarize(at, updates, f);
    free(start);
    workload_close(&w);
    return good || (cli_interrupted ? false : papers_trouble(p, why));
}

bool papers_irregular(papers *p)
{
    static char cells[(SETTINGS + 1) * 6][64];
    found f[SETTINGS];
    event *at = malloc(sizeof *at * UPDATES);
    const char *head[] = {"steps",
                          "squared variation of work",
                          "correlation with the next",
                          "work, by quarter: us",
                          "staleness, by quarter of work",
                          "correlation"};
    if (!at) return papers_trouble(p, "no memory");
    if (p->data && setenv("HOGWILD_DATA", p->data, 1) != 0) return papers_trouble(p, "no memory");
    for (int j = 0; j < 6; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    for (int i = 0; i < SETTINGS; i++) {
        if (!measure(p, i, at, f + i)) {
            free(at);
            return false;
        }
        char(*row)[64] = cells + (i + 1) * 6;
        const found *x = f + i;
        (void)snprintf(row[0], 64, "%s", settings[i].name);
        (void)snprintf(row[1], 64, "%.2f", x->variation);
        (void)snprintf(row[2], 64, "%.2f", x->next);
        (void)snprintf(row[3], 64, "%.3g %.3g %.3g %.3g", x->work[0] / 1e3, x->work[1] / 1e3, x->work[2] / 1e3,
                       x->work[3] / 1e3);
        (void)snprintf(row[4], 64, "%.2f %.2f %.2f %.2f", x->staleness[0], x->staleness[1], x->staleness[2],
                       x->staleness[3]);
        (void)snprintf(row[5], 64, "%.2f", x->correlation);
    }
    free(at);
    if (!papers_table(p, (const char(*)[64])cells, SETTINGS + 1, 6)) return false;
    papers_verdict(p, PAPERS_MEASURED,
                   "two threads: work and staleness correlate by %.2f on imdb-bow, %.2f on a9a, %.2f on words, %.2f on "
                   "LeNet, since a step that takes longer sees more landings (of A1 this says nothing: "
                   "--run independence does). A2: the squared variation of the work is %.2f, %.2f, %.2f, "
                   "%.2f, where exponential work has 1. A3: from one step to the next it correlates by %.2f, %.2f, "
                   "%.2f, %.2f",
                   f[0].correlation, f[1].correlation, f[2].correlation, f[3].correlation, f[0].variation,
                   f[1].variation, f[2].variation, f[3].variation, f[0].next, f[1].next, f[2].next, f[3].next);
    return true;
}
