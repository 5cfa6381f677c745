/* predict.c - rows for more workers than were run: their updates are simulated, with the work times that threads had as
 * the clock, and the time of an update follows from a model that is fitted to the runs of fewer workers. A step of one
 * of m workers takes alone + each (m - 1) seconds: what it takes alone, and what every other worker adds to it by the
 * memory's bandwidth, by cache lines that change hands, and by locks. So an update takes that over m, which comes to
 * `each` with many. */
#include "efficiency.h"

/* --- the model -----------------------------------------------------------------------------------------------------
 */

/* Each of them had a core: there are as many, or their steps mostly sleep. `alone` seconds of the least row's step. */
static bool had_cores(const hw_config *c, double alone)
{
    double asleep = c->work.law.kind != HW_CLOCK_ROUND_ROBIN && !c->work.spin && !c->work.each ? c->work.law.mean : 0;
    double busy = alone > asleep ? 1 - asleep / alone : 0;
    return busy * c->workers <= hw_processors();
}

size_t hw__efficiency_check_row(const hw_efficiency *e, size_t row)
{
    for (size_t i = 0; i < e->rows; i++)
        if (hw__efficiency_on_threads(e->row + i) && hw__efficiency_same_group(e, e->row + i, e->row + row) &&
            e->row[i].config.workers == e->row[row].config.workers && had_cores(&e->row[i].config, e->row[row].alone))
            return i; /* one whose workers shared cores says nothing of the model */
    return SIZE_MAX;
}

/* What a step took in a run: of those at work. */
static double step_of(const hw_efficiency_run *r, const hw_config *c)
{
    double workers = r->at_work > 0 ? r->at_work : c->workers;
    return r->seconds_per_update * workers;
}

static double least_step(const hw_efficiency *e, size_t row, unsigned seed)
{
    double least = INFINITY;
    for (size_t i = 0; i < e->rows; i++) {
        const hw__efficiency_setting *s = e->row + i;
        if (!hw__efficiency_on_threads(s) || !hw__efficiency_same_group(e, s, e->row + row)) continue;
        const hw_efficiency_run *r = hw__efficiency_measured(e, i, seed);
        if (r && step_of(r, &s->config) < least) least = step_of(r, &s->config);
    }
    return least;
}

/* By least squares of the relative error, from the runs of that seed on fewer workers than are predicted. */
static unsigned fit(const hw_efficiency *e, size_t row, unsigned seed, double *alone, double *each)
{
    double sum = 0, x = 0, y = 0, xx = 0, xy = 0, least = least_step(e, row, seed);
    unsigned points = 0;
    for (size_t i = 0; i < e->rows; i++) {
        const hw__efficiency_setting *s = e->row + i;
        if (!hw__efficiency_on_threads(s) || !hw__efficiency_same_group(e, s, e->row + row) ||
            s->config.workers >= e->row[row].config.workers || !had_cores(&s->config, least))
            continue;
        const hw_efficiency_run *r = hw__efficiency_measured(e, i, seed);
        if (!r || !(r->seconds_per_update > 0)) continue;
        double step = step_of(r, &s->config), other = step / r->seconds_per_update - 1, weight = 1 / (step * step);
        sum += weight;
        x += weight * other;
        y += weight * step;
        xx += weight * other * other;
        xy += weight * other * step;
        points++;
    }
    double spread = sum * xx - x * x;
    if (points < 2 || !(spread > 0)) return 0;
    *each = fmax(0, (sum * xy - x * y) / spread);
    *alone = (y - *each * x) / sum;
    return *alone > 0 ? points : 0;
}

double hw__efficiency_predicted_time(const hw_efficiency *e, size_t row, unsigned seed)
{
    double alone, each;
    const hw_efficiency_run *r = hw__efficiency_measured(e, row, seed);
    if (!r || !fit(e, row, seed, &alone, &each)) return NAN;
    double workers = r->at_work > 1 ? r->at_work : 1;
    return (alone + each * (workers - 1)) / workers;
}

/* --- the clock -----------------------------------------------------------------------------------------------------
 */

/* The work times of the most workers that the model goes by, all seeds of them. */
static hw_status take_clock(hw_efficiency *e, size_t row, char *why)
{
    hw__efficiency_setting *to = e->row + row;
    size_t from = SIZE_MAX;
    const double least = least_step(e, row, 0);
    for (size_t i = 0; i < e->rows; i++) {
        const hw__efficiency_setting *s = e->row + i;
        if (!hw__efficiency_on_threads(s) || !hw__efficiency_same_group(e, s, to) ||
            s->config.workers >= to->config.workers || !had_cores(&s->config, least))
            continue;
        if (from == SIZE_MAX || s->config.workers > e->row[from].config.workers) from = i;
    }
    hw_histogram_free(&to->work);
    if (hw__efficiency_histogram_init(&to->work) != HW_OK)
        return hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for work times");
    for (unsigned k = 0; from != SIZE_MAX && k < e->plan.seeds; k++) {
        const hw__efficiency_kept *kept = hw__efficiency_kept_of(e, from, k);
        if (kept && kept->work) (void)hw__efficiency_unpack(kept->work, &to->work);
    }
    return HW_OK;
}

/* Steps of sparse objectives go by replicas unless they are told not to. */
static bool has_replicas(const hw_efficiency *e, const hw_config *c)
{
    return c->exchange_interval > 1 || (c->exchange_interval == 0 && e->objective.touched);
}

hw_status hw__efficiency_predict(hw_efficiency *e, size_t row, char *why)
{
    hw__efficiency_setting *to = e->row + row;
    size_t n = 0;
    to->points = 0;
    if (has_replicas(e, &to->config)) {
        to->refused = hw__base_fail(to->why, HW_E_UNSUPPORTED,
                                    "simulated workers have no replicas, so nothing is predicted of them; "
                                    "exchange_interval 1 has none");
        return HW_OK;
    }
    hw_status status = take_clock(e, row, why);
    double *alone = hw__base_alloc(e->plan.seeds, sizeof *alone), *each = hw__base_alloc(e->plan.seeds, sizeof *each);
    if (status == HW_OK && (!alone || !each))
        status = hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for a model");
    for (unsigned k = 0; status == HW_OK && k < e->plan.seeds; k++) {
        unsigned points = fit(e, row, k, alone + n, each + n);
        if (!points) continue;
        to->points = points;
        n++;
    }
    to->alone = hw__base_median(alone, n);
    to->each = hw__base_median(each, n);
    hw__base_free(alone);
    hw__base_free(each);
    if (status != HW_OK || (to->points && to->work.total)) return status;
    const bool unrecorded = to->points > 0;
    to->points = 0;
    if (unrecorded) {
        to->refused = hw__base_fail(to->why, HW_E_STATE,
                                    "config.record is off: there are no work times that simulated workers could have");
        return HW_OK;
    }
    to->refused = hw__base_fail(to->why, HW_E_STATE,
                                "%u workers are predicted from two smaller numbers of them or more that had a core "
                                "each (this machine has %u); there are fewer",
                                to->config.workers, hw_processors());
    return HW_OK;
}
