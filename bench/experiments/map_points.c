/* map_points.c - where the bundled workloads stand on the map: x = rate x curvature x workers / (1 - momentum), at the
 * start and after the training of one worker, and the dispersion of the staleness that threads have on them. */
#include "map.h"
#include "workloads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 24, COLUMNS = 8, EXAMPLES = 512, ITERATIONS = 30 };

typedef struct place {
    const char *name;
    double rate, momentum, curvature[2]; /* at the start, trained; NaN: not known */
    double x[2], dispersion[2][2];       /* by 2 and 4 threads: of all updates, and without the oldest hundredth */
} place;

/* Of the mean loss on some examples. */
static double curvature_at(const workload *w, const float *x)
{
    uint32_t index[EXAMPLES], n = w->objective.examples < EXAMPLES ? w->objective.examples : EXAMPLES;
    double curvature = NAN;
    for (uint32_t i = 0; i < n; i++) index[i] = (uint32_t)((uint64_t)i * w->objective.examples / n);
    bool stream = w->objective.examples == 0;
    hw_status status =
        hw_curvature(&w->objective, x, stream ? NULL : index, stream ? 64 : n, ITERATIONS, 1, &curvature, NULL);
    return status == HW_OK && curvature > 0 ? curvature : NAN;
}

/* Without the oldest hundredth: a thread that loses its core in a step of 100 ns leaves an age of thousands. */
static double trimmed(const hw_engine *e)
{
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(e);
    if (hw_histogram_init(&h, hw_staleness_linear_bins(s)) != HW_OK) return NAN;
    hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
    double left = 0.99 * (double)h.total, n = 0, sum = 0, squares = 0;
    for (uint32_t b = 0; b < h.bins && n < left; b++) {
        uint64_t low, high;
        hw_histogram_bounds(&h, b, &low, &high);
        double age = ((double)low + (double)high) / 2, weight = fmin((double)h.counts[b], left - n);
        n += weight;
        sum += weight * age;
        squares += weight * age * age;
    }
    hw_histogram_free(&h);
    double mean = sum / n;
    return (squares / n - mean * mean) / (mean * (1 + mean));
}

static bool train(const workload *w, const hw_config *c, const float *start, float *end, double dispersion[2],
                  char *why)
{
    hw_engine *e;
    hw_result r;
    if (hw_engine_create(&e, &w->objective, c, start, why) != HW_OK) return false;
    hw_status status = hw_engine_run(e, &r);
    bool good = (status == HW_OK || status == HW_E_DIVERGED) && !cli_interrupted;
    if (!good) (void)snprintf(why, HW_WHY, "%.200s", r.message);
    if (good && dispersion) {
        dispersion[0] = r.staleness.dispersion;
        dispersion[1] = trimmed(e);
    }
    if (good && end) good = hw_engine_get(e, end) == HW_OK;
    hw_engine_free(e);
    return good;
}

static bool measure(papers *p, size_t i, place *out)
{
    workload w;
    char why[HW_WHY] = "no memory";
    if (!workload_open("papers", i, p->full ? 0 : 10000, &w)) return false;
    const size_t n = w.objective.parameters;
    float *start = malloc(n * sizeof *start), *end = malloc(n * sizeof *end);
    bool good = start && end;
    if (good) {
        hw_config one = w.config;
        w.start(&w, 1, start);
        one.scheduler = HW_SEQUENTIAL;
        one.target = 0;
        one.stop_flag = &cli_interrupted;
        out->name = w.name;
        out->rate = hw_schedule_rate(&one.optimizer.schedule, 0);
        out->momentum = one.optimizer.momentum;
        out->curvature[0] = curvature_at(&w, start);
        good = train(&w, &one, start, end, NULL, why);
        if (good) out->curvature[1] = curvature_at(&w, end);
    }
    for (int k = 0; good && k < 2; k++) {
        hw_config c = papers_on_threads(&w.config, k ? 4 : 2, w.config.batch > 1 ? 400 : 20000);
        out->x[k] = out->rate * out->curvature[k] * 2 / (1 - out->momentum);
        good = train(&w, &c, start, NULL, out->dispersion[k], why);
    }
    free(start);
    free(end);
    workload_close(&w);
    return good || (cli_interrupted ? false : papers_trouble(p, why));
}

static void put_number(char cell[64], const char *format, double x)
{
    if (isfinite(x))
        (void)snprintf(cell, 64, format, x);
    else
        (void)snprintf(cell, 64, "-");
}

bool papers_map_points(papers *p)
{
    static place at[MOST];
    static char cells[(MOST + 1) * COLUMNS][64];
    static double x[2][MOST], y[MOST];
    hw_curve curves[2 * MOST];
    const size_t n = workloads_count() < MOST ? workloads_count() : MOST;
    if (p->data && setenv("HOGWILD_DATA", p->data, 1) != 0)
        return papers_trouble(p, "no memory"); /* workloads go by it */
    const char *head[COLUMNS] = {"workload",
                                 "rate, momentum",
                                 "curvature, start",
                                 "trained",
                                 "x, 2 workers",
                                 "trained",
                                 "dispersion, 2 threads (99 %)",
                                 "4 threads (99 %)"};
    for (int j = 0; j < COLUMNS; j++) (void)snprintf(cells[j], 64, "%s", head[j]);
    unsigned momentum = 0, unseen = 0, known = 0;
    double widest = 0;
    for (size_t i = 0; i < n; i++) {
        if (!measure(p, i, at + i)) return false;
        char(*row)[64] = cells + (i + 1) * COLUMNS;
        (void)snprintf(row[0], 64, "%s", at[i].name);
        (void)snprintf(row[1], 64, "%g, %g", at[i].rate, at[i].momentum);
        for (int k = 0; k < 2; k++) {
            put_number(row[2 + k], "%.3g", at[i].curvature[k]);
            put_number(row[4 + k], "%.2g", at[i].x[k]);
            put_number(row[6 + k], "%.3g", at[i].dispersion[k][0]);
            size_t used = strlen(row[6 + k]);
            (void)snprintf(row[6 + k] + used, 64 - used, isfinite(at[i].dispersion[k][1]) ? " (%.2f)" : " (in turns)",
                           at[i].dispersion[k][1]);
            x[k][i] = at[i].x[k];
        }
        y[i] = at[i].dispersion[0][1];
        widest = fmax(widest, y[i]);
        known += isfinite(x[1][i]) ? 1 : 0;
        unseen += fmax(x[0][i], x[1][i]) <= 0.5;
        momentum += y[i] > 0.3 && x[1][i] > 0.25;
        curves[i] = (hw_curve){.name = at[i].name, .x = x[1] + i, .y = y + i, .n = 1, .style = HW_CURVE_POINTS};
    }
    const hw_chart chart = {.file = "map-points",
                            .title = "Where the workloads stand: 2 threads, trained",
                            .x_label = "rate x curvature x workers / (1 - momentum)",
                            .y_label = "dispersion of the youngest 99 %",
                            .log_x = 1,
                            .y_low = 0,
                            .y_high = NAN};
    if (!papers_table(p, (const char(*)[64])cells, n + 1, COLUMNS) || !papers_chart(p, &chart, curves, n)) return false;
    papers_verdict(
        p, PAPERS_MEASURED,
        "of %u workloads whose curvature is known, %u stand at x up to 0.5 with two workers, where delay is "
        "not seen; %u stand beyond 0.25 with a dispersion above 0.3, where asynchrony is momentum rather "
        "than delay; the widest dispersion of two threads is %.2f (of the youngest 99 %% of the updates: short steps "
        "whose thread loses its core are thousands of updates old)",
        known, unseen, momentum, widest);
    return true;
}
