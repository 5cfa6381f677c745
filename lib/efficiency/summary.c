/* summary.c - what the runs of a row say: T, I, and their ratios to the reference, whose runs of the same seeds are
 * drawn together with its own. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

/* Runs of two rows by seed; the second is the reference (or the row itself). */
typedef struct pairs {
    size_t n;
    double *time[2];
    hw__observed *updates[2], *drawn;
    double *sorted, horizon;
} pairs;

static void close_pairs(pairs *p)
{
    for (int k = 0; k < 2; k++) {
        hw__base_free(p->time[k]);
        hw__base_free(p->updates[k]);
    }
    hw__base_free(p->drawn);
    hw__base_free(p->sorted);
}

/* Of the seeds that both have. */
static bool open_pairs(const hw_efficiency *e, size_t row, size_t reference, pairs *p)
{
    unsigned seeds = e->plan.seeds;
    memset(p, 0, sizeof *p);
    bool good = true;
    for (int k = 0; k < 2; k++) {
        p->time[k] = hw__base_alloc(seeds, sizeof(double));
        p->updates[k] = hw__base_alloc(seeds, sizeof(hw__observed));
        good = good && p->time[k] && p->updates[k];
    }
    p->drawn = hw__base_alloc(seeds, sizeof *p->drawn);
    p->sorted = hw__base_alloc(seeds, sizeof *p->sorted);
    good = good && p->drawn && p->sorted;
    for (unsigned s = 0; good && s < seeds; s++) {
        const hw_efficiency_run *r[2] = {hw__efficiency_measured(e, row, s), hw__efficiency_measured(e, reference, s)};
        if (!r[0] || !r[1]) continue;
        for (int k = 0; k < 2; k++) {
            p->time[k][p->n] = r[k]->seconds_per_update;
            p->updates[k][p->n] = (hw__observed){r[k]->updates, r[k]->met};
        }
        p->n++;
    }
    p->horizon = e->row[row].limit;
    if (!good) close_pairs(p);
    return good;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_time(pairs *p, int which, const uint32_t *draw, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(p->time[which][draw[i]])) p->sorted[m++] = p->time[which][draw[i]];
    if (!m) return NAN;
    qsort(p->sorted, m, sizeof *p->sorted, by_value);
    return m % 2 ? p->sorted[m / 2] : 0.5 * (p->sorted[m / 2 - 1] + p->sorted[m / 2]);
}

static hw__survivors survivors(pairs *p, int which, const uint32_t *draw, size_t n)
{
    for (size_t i = 0; i < n; i++) p->drawn[i] = p->updates[which][draw[i]];
    return hw__survival_of(p->drawn, n, p->horizon);
}

static double time_of(void *p, const uint32_t *draw, size_t n)
{
    return median_time(p, 0, draw, n);
}

static double updates_of(void *p, const uint32_t *draw, size_t n)
{
    return survivors(p, 0, draw, n).median;
}

static double mean_of(void *p, const uint32_t *draw, size_t n)
{
    return survivors(p, 0, draw, n).mean;
}

static double hardware_of(void *p, const uint32_t *draw, size_t n)
{
    return median_time(p, 0, draw, n) / median_time(p, 1, draw, n);
}

static double statistical_of(void *p, const uint32_t *draw, size_t n)
{
    return survivors(p, 0, draw, n).median / survivors(p, 1, draw, n).median;
}

static double product_of(void *p, const uint32_t *draw, size_t n)
{
    return hardware_of(p, draw, n) * statistical_of(p, draw, n);
}

static hw_estimate estimate(const hw_efficiency *e, pairs *p, double (*of)(void *, const uint32_t *, size_t))
{
    const hw_estimate none = {NAN, NAN, NAN};
    uint32_t *all = p->n ? hw__base_alloc(p->n, sizeof *all) : NULL;
    if (!all) return none;
    for (uint32_t i = 0; i < p->n; i++) all[i] = i;
    double value = of(p, all, p->n);
    hw__base_free(all);
    return isnan(value) ? none : hw__bootstrap(p->n, e->base.seed, value, of, p);
}

static bool simulated(const hw__grid_row *r)
{
    return r->config.scheduler == HW_SIMULATED;
}

/* The first row for what counts updates; for seconds the first one whose time is of the same kind. */
static size_t reference_of(const hw_efficiency *e, size_t i, bool of_time)
{
    size_t k = 0;
    while (of_time && k < i && simulated(e->row + k) != simulated(e->row + i)) k++;
    return k;
}

static void count(const hw_efficiency *e, size_t i, hw_efficiency_row *out)
{
    for (unsigned s = 0; s < e->plan.seeds; s++) {
        const hw_efficiency_run *r = hw__efficiency_measured(e, i, s);
        if (!r) continue;
        out->runs++;
        out->met += r->met != 0;
        out->diverged += r->diverged != 0;
        out->staleness += r->staleness;
        out->dispersion += r->dispersion;
    }
    out->staleness = out->runs ? out->staleness / out->runs : NAN;
    out->dispersion = out->runs ? out->dispersion / out->runs : NAN;
}

hw_status hw_efficiency_row_of(const hw_efficiency *e, size_t i, hw_efficiency_row *out)
{
    if (!e || i >= e->rows || !out) return HW_E_ARGUMENT;
    const hw__grid_row *row = e->row + i;
    const hw_estimate none = {NAN, NAN, NAN};
    memset(out, 0, sizeof *out);
    (void)snprintf(out->label, sizeof out->label, "%s", row->label);
    (void)snprintf(out->why, sizeof out->why, "%s", row->refused == HW_OK ? "" : row->why);
    out->config = row->config;
    out->refused = row->refused != HW_OK;
    out->simulated = simulated(row);
    out->learning_rate = row->rate;
    out->momentum = row->momentum;
    out->tuning_runs = row->tuning_runs;
    out->tuning_updates = row->tuning_updates;
    out->tuning_seconds = row->tuning_seconds;
    out->time = out->updates = out->mean_updates = out->hardware = out->statistical = out->product = none;
    count(e, i, out);
    pairs p;
    if (!open_pairs(e, i, reference_of(e, i, false), &p)) return HW_E_MEMORY;
    out->statistical = estimate(e, &p, statistical_of);
    close_pairs(&p);
    if (!open_pairs(e, i, reference_of(e, i, true), &p)) return HW_E_MEMORY;
    out->hardware = estimate(e, &p, hardware_of);
    out->product = estimate(e, &p, product_of);
    close_pairs(&p);
    if (!open_pairs(e, i, i, &p)) return HW_E_MEMORY;
    out->time = estimate(e, &p, time_of);
    out->updates = estimate(e, &p, updates_of);
    out->mean_updates = estimate(e, &p, mean_of);
    close_pairs(&p);
    return HW_OK;
}
