/* measure.c - what runs when: the tuning of every row, then seed by seed through all rows. */
#include "efficiency.h"
#include <math.h>
#include <string.h>

/* Far from those that measure. */
#define TUNING_SEED 1000003u

static bool stopped(const hw_efficiency *e)
{
    return e->plan.stop_flag && *e->plan.stop_flag;
}

/* Rank 0's status for all: what the others keep is only in memory. */
static hw_status agreed(hw_efficiency *e, hw_status status, char *why)
{
    struct {
        hw_status status;
        char why[HW_WHY];
    } all = {status, ""};
    if (!e->over.ranks) return status;
    if (status != HW_OK && why) memcpy(all.why, why, HW_WHY);
    const hw_status shared = hw__efficiency_share(e, &all, sizeof all, why);
    if (shared != HW_OK) return shared;
    if (why && all.status != HW_OK) memcpy(why, all.why, HW_WHY);
    return all.status;
}

/* From the record, or now; *there: it is. A row that fails otherwise than by diverging is refused from here on. */
static hw_status have(hw_efficiency *e, size_t at, const hw_config *c, bool tuning, hw_efficiency_run *run, bool *there,
                      char *why)
{
    hw__efficiency_setting *row = e->row + at;
    uint64_t key = hw__efficiency_key(e, c, tuning);
    const hw__efficiency_kept *found = hw__efficiency_find(e, key);
    hw__efficiency_kept made = {0};
    struct {
        hw_efficiency_run run;
        bool found, stopped;
    } first; /* as rank 0 has it, where there are others */
    memset(&first, 0, sizeof first);
    first.found = found != NULL;
    first.stopped = !found && stopped(e);
    if (found) first.run = found->run;
    hw_status status = hw__efficiency_share(e, &first, sizeof first, why);
    if (status != HW_OK) return status;
    e->done++;
    *there = first.found;
    if (first.found) {
        *run = first.run;
        run->row = (unsigned)at;
        e->recorded++;
        if (found) return HW_OK;
        made = (hw__efficiency_kept){.key = key, .run = *run};
        return hw__efficiency_add(e, &made, why);
    }
    if (first.stopped) return hw__base_fail(why, HW_E_STOPPED, "hw_efficiency_measure: stopped");
    status = hw__efficiency_ranks(e, c) ? hw__efficiency_run_over(e, at, c, &made, row->why)
                                        : hw__efficiency_run(e, at, c, &made, row->why);
    if (status == HW_E_STOPPED) return hw__base_fail(why, status, "hw_efficiency_measure: stopped");
    if (status != HW_OK) {
        row->refused = status;
        return HW_OK;
    }
    *there = true;
    made.key = key;
    made.run.tuning = tuning;
    *run = made.run;
    status = hw__efficiency_add(e, &made, why);
    if (status == HW_OK && e->plan.on_run && e->over.rank == 0) {
        status = e->plan.on_run(e->plan.context, run, e->done, e->all);
        if (status != HW_OK) (void)hw__base_fail(why, status, "hw_efficiency_measure: on_run asked for the end");
    }
    return agreed(e, status, why);
}

/* How many updates a point takes in its worst run, into *worst; INFINITY where one did not meet the target before the
 * best point's worst had, or at all. */
static hw_status try_point(hw_efficiency *e, size_t at, double rate, double momentum, double *worst, char *why)
{
    hw__efficiency_setting *row = e->row + at;
    double limit = row->best < row->limit ? ceil(row->best) : row->limit;
    hw_status status = HW_OK;
    *worst = 0;
    for (unsigned k = 0; k < e->plan.tuning_seeds; k++) {
        hw_efficiency_run run;
        bool there = false;
        hw_config c = hw__efficiency_config(e, row, hw__efficiency_seed(e, TUNING_SEED + k), rate, momentum, limit);
        if (isinf(*worst)) { /* given up */
            e->done += e->plan.tuning_seeds - k;
            break;
        }
        if (hw__efficiency_takes(e, &c, NULL) == HW_OK) status = have(e, at, &c, true, &run, &there, why);
        if (status != HW_OK || row->refused != HW_OK) break;
        if (!there) { /* the row takes no such point */
            *worst = INFINITY;
            continue;
        }
        row->tuning_runs++;
        row->tuning_updates += run.spent;
        row->tuning_seconds += run.seconds;
        *worst = !run.met ? INFINITY : run.updates > *worst ? run.updates : *worst;
    }
    return status;
}

static hw_status tune(hw_efficiency *e, size_t at, char *why)
{
    hw__efficiency_setting *row = e->row + at;
    row->best = INFINITY;
    row->tuning_runs = 0;
    row->tuning_updates = row->tuning_seconds = 0;
    hw_status status = HW_OK;
    for (size_t i = 0; i < e->plan.n_rates * e->plan.n_momenta && status == HW_OK; i++) {
        if (row->refused != HW_OK) break;
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

/* The rows that run on threads or are simulated as such; then those that are predicted from them. */
static hw_status measure(hw_efficiency *e, bool predicted, bool tunes, char *why)
{
    hw_status status = HW_OK;
    for (size_t i = 0; predicted && i < e->rows && status == HW_OK; i++)
        if (e->row[i].predicted && e->row[i].refused == HW_OK) status = hw__efficiency_predict(e, i, why);
    for (size_t i = 0; tunes && i < e->rows && status == HW_OK; i++)
        if (e->row[i].refused == HW_OK && e->row[i].predicted == predicted) status = tune(e, i, why);
    for (unsigned k = 0; k < e->plan.seeds && status == HW_OK; k++)
        for (size_t i = 0; i < e->rows && status == HW_OK; i++) {
            hw__efficiency_setting *row = e->row + i;
            hw_efficiency_run run;
            bool there;
            if (row->predicted != predicted || row->refused != HW_OK || hw__efficiency_hopeless(row)) continue;
            hw_config c =
                hw__efficiency_config(e, row, hw__efficiency_seed(e, k), row->rate, row->momentum, row->limit);
            status = have(e, i, &c, false, &run, &there, why);
        }
    return status;
}

hw_status hw_efficiency_measure(hw_efficiency *e, char *why)
{
    if (!e) return hw__base_fail(why, HW_E_ARGUMENT, "hw_efficiency_measure: there is no grid");
    size_t rows = 0, predicted = 0,
           points =
               e->plan.question == HW_QUESTION_TUNED ? e->plan.n_rates * e->plan.n_momenta * e->plan.tuning_seeds : 0;
    for (size_t i = 0; i < e->rows; i++) {
        rows += e->row[i].refused == HW_OK;
        predicted += e->row[i].predicted;
    }
    const hw__efficiency_setting *refused = NULL;
    for (size_t i = 0; i < e->rows && !refused; i++)
        if (e->row[i].refused != HW_OK && e->row[i].config.scheduler == HW_ASYNC) refused = e->row + i;
    if (e->plan.n_predict && !predicted && refused)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_efficiency_measure: nothing to predict from: %.60s is refused: %.120s", refused->label,
                             refused->why);
    if (e->plan.n_predict && !predicted)
        return hw__base_fail(why, HW_E_ARGUMENT,
                             "hw_efficiency_measure: predicted rows (plan.predict, --predict) need an axis of workers, "
                             "on threads of scheduler async");
    e->done = e->recorded = 0;
    e->all = rows * (points + e->plan.seeds);
    hw_status status = agreed(e, e->over.rank == 0 ? hw__efficiency_read(e, why) : HW_OK, why);
    if (status == HW_OK) status = hw__efficiency_warm(e, why);
    if (status == HW_OK) status = measure(e, false, points > 0, why);
    if (status == HW_OK && predicted) status = measure(e, true, points > 0, why);
    return status;
}
