/* measure.c - what runs when: the tuning of every row, then seed by seed through all rows. */
#include "efficiency.h"
#include <math.h>

/* Far from those that measure. */
#define TUNING_SEED 1000003u

static uint64_t seed_of(const hw_efficiency *e, unsigned k)
{
    return e->base.seed + k;
}

static bool stopped(const hw_efficiency *e)
{
    return e->plan.stop_flag && *e->plan.stop_flag;
}

/* From the record, or now. */
static hw_status have(hw_efficiency *e, size_t row, const hw_config *c, bool tuning, hw_efficiency_run *run, char *why)
{
    uint64_t key;
    hw_status status = hw__record_key(e, c, tuning, &key);
    if (status != HW_OK) return hw__base_fail(why, status, "hw_efficiency_measure: an option has no text");
    const hw_efficiency_run *there = hw__record_find(e, key);
    e->done++;
    if (there) {
        *run = *there;
        run->row = (unsigned)row;
        return HW_OK;
    }
    if (stopped(e)) return hw__base_fail(why, HW_E_STOPPED, "stopped");
    status = hw__efficiency_run(e, row, c, run, why);
    if (status != HW_OK) return status;
    run->tuning = tuning;
    status = hw__record_add(e, key, run, why);
    if (status == HW_OK && e->plan.on_run) {
        status = e->plan.on_run(e->plan.context, run, e->done, e->all);
        if (status != HW_OK) (void)hw__base_fail(why, status, "on_run asked for the end");
    }
    return status;
}

/* How many updates a point takes in its worst run, into *worst; INFINITY where one did not meet the target before the
 * best point's worst had, or at all. */
static hw_status try_point(hw_efficiency *e, size_t at, double rate, double momentum, double *worst, char *why)
{
    hw__grid_row *row = e->row + at;
    double limit = row->best < row->limit ? ceil(row->best) : row->limit;
    hw_status status = HW_OK;
    *worst = 0;
    for (unsigned k = 0; k < e->plan.tuning_seeds; k++) {
        hw_efficiency_run run;
        if (isinf(*worst)) { /* given up */
            e->done += e->plan.tuning_seeds - k;
            break;
        }
        hw_config c = hw__efficiency_config(e, row, seed_of(e, TUNING_SEED + k), rate, momentum, limit);
        status = have(e, at, &c, true, &run, why);
        if (status != HW_OK) break;
        row->tuning_runs++;
        row->tuning_updates += run.updates;
        row->tuning_seconds += run.seconds;
        *worst = !run.met ? INFINITY : run.updates > *worst ? run.updates : *worst;
    }
    return status;
}

static hw_status tune(hw_efficiency *e, size_t at, char *why)
{
    hw__grid_row *row = e->row + at;
    row->best = INFINITY;
    row->tuning_runs = 0;
    row->tuning_updates = row->tuning_seconds = 0;
    hw_status status = HW_OK;
    for (size_t i = 0; i < e->plan.n_rates * e->plan.n_momenta && status == HW_OK; i++) {
        double rate = e->rates[i / e->plan.n_momenta], momentum = e->momenta[i % e->plan.n_momenta], worst;
        status = try_point(e, at, rate, momentum, &worst, why);
        if (status != HW_OK || !(worst < row->best)) continue;
        row->best = worst;
        row->rate = rate;
        row->momentum = momentum;
    }
    row->tuned = status == HW_OK;
    return status;
}

const hw_efficiency_run *hw__efficiency_measured(const hw_efficiency *e, size_t at, unsigned k)
{
    const hw__grid_row *row = e->row + at;
    uint64_t key;
    if (row->refused != HW_OK || (e->plan.question == HW_QUESTION_TUNED && !row->tuned)) return NULL;
    hw_config c = hw__efficiency_config(e, row, seed_of(e, k), row->rate, row->momentum, row->limit);
    return hw__record_key(e, &c, false, &key) == HW_OK ? hw__record_find(e, key) : NULL;
}

hw_status hw_efficiency_measure(hw_efficiency *e, char *why)
{
    if (!e) return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_measure: there is no grid");
    size_t rows = 0, points = e->plan.question == HW_QUESTION_TUNED
                                  ? e->plan.n_rates * e->plan.n_momenta * e->plan.tuning_seeds
                                  : 0;
    for (size_t i = 0; i < e->rows; i++) rows += e->row[i].refused == HW_OK;
    e->done = 0;
    e->all = rows * (points + e->plan.seeds);
    hw_status status = e->n_kept ? HW_OK : hw__record_read(e, why);
    if (status == HW_OK) status = hw__efficiency_warm(e, why);
    for (size_t i = 0; points && i < e->rows && status == HW_OK; i++)
        if (e->row[i].refused == HW_OK) status = tune(e, i, why);
    for (unsigned k = 0; k < e->plan.seeds && status == HW_OK; k++)
        for (size_t i = 0; i < e->rows && status == HW_OK; i++) {
            hw__grid_row *row = e->row + i;
            hw_efficiency_run run;
            if (row->refused != HW_OK || (points && row->best >= row->limit + 1))
                continue; /* no point met the target */
            hw_config c = hw__efficiency_config(e, row, seed_of(e, k), row->rate, row->momentum, row->limit);
            status = have(e, i, &c, false, &run, why);
        }
    return status;
}
