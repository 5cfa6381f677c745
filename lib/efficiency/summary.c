/* summary.c - what the runs of a row say: T, I, and their ratios to the reference, whose runs of the same seeds are
 * drawn together with its own. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

/* Runs of two rows by seed; the second is the reference (or the row itself). */
typedef struct pairs {
    size_t n;
    double *time[2];
    hw__efficiency_observed *updates[2], *drawn;
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
        p->updates[k] = hw__base_alloc(seeds, sizeof(hw__efficiency_observed));
        good = good && p->time[k] && p->updates[k];
    }
    p->drawn = hw__base_alloc(seeds, sizeof *p->drawn);
    p->sorted = hw__base_alloc(seeds, sizeof *p->sorted);
    good = good && p->drawn && p->sorted;
    for (unsigned s = 0; good && s < seeds; s++) {
        const hw_efficiency_run *r[2] = {hw__efficiency_measured(e, row, s), hw__efficiency_measured(e, reference, s)};
        if (!r[0] || !r[1]) continue;
        for (int k = 0; k < 2; k++) {
            size_t of = k ? reference : row;
            p->time[k][p->n] =
                e->row[of].predicted ? hw__efficiency_predicted_time(e, of, s) : r[k]->seconds_per_update;
            p->updates[k][p->n] = (hw__efficiency_observed){r[k]->updates, r[k]->met};
        }
        p->n++;
    }
    p->horizon = e->row[row].limit;
    if (!good) close_pairs(p);
    return good;
}

static double median_time(pairs *p, int which, const uint32_t *draw, size_t n)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(p->time[which][draw[i]])) p->sorted[m++] = p->time[which][draw[i]];
    return hw__base_median(p->sorted, m);
}

static hw__efficiency_survivors survivors(pairs *p, int which, const uint32_t *draw, size_t n)
{
    for (size_t i = 0; i < n; i++) p->drawn[i] = p->updates[which][draw[i]];
    return hw__efficiency_survival(p->drawn, n, p->horizon);
}

static double time_of(void *p, const uint32_t *draw, size_t n)
{
    return median_time(p, 0, draw, n);
}

/* INFINITY: half of the draw or more did not meet the target. */
static double median_updates(pairs *p, int which, const uint32_t *draw, size_t n)
{
    double median = survivors(p, which, draw, n).median;
    return isnan(median) ? INFINITY : median;
}

static double updates_of(void *p, const uint32_t *draw, size_t n)
{
    return median_updates(p, 0, draw, n);
}

static double mean_of(void *p, const uint32_t *draw, size_t n)
{
    return survivors(p, 0, draw, n).mean;
}

static double hardware_of(void *p, const uint32_t *draw, size_t n)
{
    return median_time(p, 0, draw, n) / median_time(p, 1, draw, n);
}

/* 0 where only the reference's runs miss the target, INFINITY where only the row's do, NaN where both. */
static double statistical_of(void *p, const uint32_t *draw, size_t n)
{
    return median_updates(p, 0, draw, n) / median_updates(p, 1, draw, n);
}

static double product_of(void *p, const uint32_t *draw, size_t n)
{
    return hardware_of(p, draw, n) * statistical_of(p, draw, n);
}

static bool simulated(const hw__efficiency_setting *r)
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

typedef struct figure {
    double (*of)(void *pairs, const uint32_t *draw, size_t n);
    hw_estimate *to;
} figure;

static hw_status estimates(const hw_efficiency *e, size_t row, size_t reference, size_t n, const figure *f)
{
    pairs p;
    if (!open_pairs(e, row, reference, &p)) return HW_E_MEMORY;
    hw_status status = HW_OK;
    for (size_t k = 0; p.n && k < n && status == HW_OK; k++)
        status = hw__efficiency_bootstrap(p.n, e->base.seed, f[k].of, &p, f[k].to);
    close_pairs(&p);
    return status;
}

static bool at_edge(const hw_efficiency *e, double rate)
{
    bool least = true, most = true;
    for (size_t k = 0; k < e->plan.n_rates; k++) {
        least = least && e->rates[k] >= rate;
        most = most && e->rates[k] <= rate;
    }
    return e->plan.n_rates > 1 && (least || most);
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
        out->at_work += r->at_work;
    }
    out->staleness = out->runs ? out->staleness / out->runs : NAN;
    out->dispersion = out->runs ? out->dispersion / out->runs : NAN;
    out->at_work = out->runs ? out->at_work / out->runs : NAN;
}

/* The predicted figures over those of the row that was measured. */
static hw_status check_against(const hw_efficiency *e, size_t measured, hw_efficiency_row *out)
{
    hw_estimate time = {NAN, NAN, NAN}, updates = time;
    hw_status status = estimates(e, measured, measured, 2, (figure[]){{time_of, &time}, {updates_of, &updates}});
    out->check_time = out->time.value / time.value;
    out->check_updates = out->updates.value / updates.value;
    return status;
}

hw_status hw_efficiency_row_of(const hw_efficiency *e, size_t i, hw_efficiency_row *out)
{
    if (!e || i >= e->rows || !out) return HW_E_ARGUMENT;
    const hw__efficiency_setting *row = e->row + i;
    const hw_estimate none = {NAN, NAN, NAN};
    memset(out, 0, sizeof *out);
    (void)snprintf(out->label, sizeof out->label, "%s", row->label);
    (void)snprintf(out->why, sizeof out->why, "%s", row->refused == HW_OK ? "" : row->why);
    out->config = &row->config;
    out->refused = row->refused != HW_OK;
    out->simulated = simulated(row);
    out->tuned = row->tuned;
    bool chosen = e->plan.question != HW_QUESTION_TUNED || (row->tuned && !hw__efficiency_hopeless(row));
    out->learning_rate = chosen ? row->rate : NAN;
    out->momentum = chosen ? row->momentum : NAN;
    out->at_edge = e->plan.question == HW_QUESTION_TUNED && chosen && at_edge(e, row->rate);
    out->tuning_runs = row->tuning_runs;
    out->tuning_updates = row->tuning_updates;
    out->tuning_seconds = row->tuning_seconds;
    out->time = out->updates = out->mean_updates = out->hardware = out->statistical = out->product = none;
    count(e, i, out);
    hw_status status = estimates(e, i, reference_of(e, i, false), 1, (figure[]){{statistical_of, &out->statistical}});
    if (status == HW_OK)
        status = estimates(e, i, reference_of(e, i, true), 2,
                           (figure[]){{hardware_of, &out->hardware}, {product_of, &out->product}});
    if (status == HW_OK)
        status = estimates(
            e, i, i, 3, (figure[]){{time_of, &out->time}, {updates_of, &out->updates}, {mean_of, &out->mean_updates}});
    out->predicted = row->predicted;
    out->fitted = row->points;
    out->alone = row->predicted ? row->alone : NAN;
    out->each = row->predicted ? row->each : NAN;
    out->check_time = out->check_updates = NAN;
    size_t same = row->predicted ? hw__efficiency_check_row(e, i) : SIZE_MAX;
    if (status == HW_OK && same != SIZE_MAX) status = check_against(e, same, out);
    /* A reference that itself has no figure is none to be relative to. */
    if (!(out->statistical.value > 0)) out->statistical = none;
    if (!(out->product.value > 0)) out->product = none;
    hw_config one = hw__efficiency_config(e, row, 0, row->rate, row->momentum, row->limit);
    out->coarse = out->updates.value <= 2 * (double)one.evaluate_every && one.evaluate_every > 1;
    return status;
}

size_t hw_efficiency_progress(const hw_efficiency *e, size_t *all, size_t *recorded)
{
    size_t there = 0, wanted = 0;
    for (size_t i = 0; e && i < e->rows; i++) {
        const hw__efficiency_setting *row = e->row + i;
        if (row->refused != HW_OK || hw__efficiency_hopeless(row)) continue;
        wanted += e->plan.seeds;
        for (unsigned k = 0; k < e->plan.seeds; k++) there += hw__efficiency_measured(e, i, k) != NULL;
    }
    if (all) *all = wanted;
    if (recorded) *recorded = e ? e->recorded : 0;
    return there;
}
