/* run.c - one run of a row: updates to the target between two evaluations, and seconds per update between them. */
#include "efficiency.h"
#include "hogwild/advanced/state.h"
#include <math.h>

/* Metric 0 falls to its target, the others rise. */
static bool meets(const hw_config *c, double metric)
{
    return c->target_metric == 0 ? metric <= c->target : metric >= c->target;
}

/* The update at which the line between two evaluations crosses the target. */
static double crossing(const hw_config *c, const hw_evaluation *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double there = x[i].metric[c->target_metric];
        if (!meets(c, there)) continue;
        if (i == 0) return (double)x[i].update;
        double before = x[i - 1].metric[c->target_metric], part = (c->target - before) / (there - before);
        if (!(part >= 0 && part <= 1)) part = 1; /* the one before was no number */
        return (double)x[i - 1].update + part * (double)(x[i].update - x[i - 1].update);
    }
    return NAN;
}

/* Median over the windows between evaluations up to the one that met the target: what comes after that is the end of
 * the run, a few updates and a join. NaN without one, or without memory for them. */
static double time_of(const hw_config *c, const hw_evaluation *x, size_t n, bool simulated)
{
    double *each = n ? hw__base_alloc(n, sizeof *each) : NULL, before = 0;
    uint64_t update = 0;
    size_t m = 0;
    for (size_t i = 0; each && i < n; i++) {
        double now = simulated ? x[i].virtual_time : x[i].seconds;
        uint64_t made = x[i].update - update;
        /* The last one of a run to its limit may be short, too. */
        if (made > 0 && (m == 0 || 2 * made >= c->evaluate_every)) each[m++] = (now - before) / (double)made;
        before = now;
        update = x[i].update;
        if (meets(c, x[i].metric[c->target_metric])) break;
    }
    double median = hw__base_median(each, m);
    hw__base_free(each);
    return median;
}

hw_status hw__efficiency_start(hw_efficiency *e, uint64_t seed, char *why)
{
    if (!e->plan.start) return HW_OK;
    if (!e->start) e->start = hw__base_zalloc(e->objective.parameters, sizeof *e->start);
    if (!e->start) return hw__base_fail(why, HW_E_MEMORY, "hw_efficiency_measure: no memory for parameters");
    e->plan.start(e->plan.context, seed, e->start);
    return HW_OK;
}

static hw_status engine_of(hw_efficiency *e, const hw_config *c, hw_engine **engine, char *why)
{
    hw_status status = hw__efficiency_start(e, c->seed, why);
    return status == HW_OK ? hw_engine_create(engine, &e->objective, c, e->start, why) : status;
}

hw_config hw__efficiency_warm_config(const hw_efficiency *e)
{
    const hw_config defaults = hw_config_defaults();
    hw_config c = e->base;
    c.scheduler = HW_SEQUENTIAL;
    c.workers = c.groups = 1;
    c.batch_per_worker = 0;
    c.simulation = defaults.simulation;
    c.cluster = defaults.cluster;
    c.work = defaults.work;
    c.own_steps = NULL;
    c.n_own_steps = 0;
    c.compensation.policy = HW_POLICY_NONE;
    c.trace = 0;
    c.epochs = c.seconds = 0;
    c.updates = e->plan.warm;
    c.target = 0;
    c.evaluate_every = 0;
    c.evaluate_epochs = 0;
    c.stop_flag = e->plan.stop_flag;
    return c;
}

hw_status hw__efficiency_warm(hw_efficiency *e, char *why)
{
    if (!e->plan.warm || e->warm) return HW_OK;
    hw_engine *engine;
    hw_result r;
    hw_config c = hw__efficiency_warm_config(e);
    hw_status status = engine_of(e, &c, &engine, why);
    if (status != HW_OK) return status;
    status = hw_engine_run(engine, &r);
    if (status != HW_OK) {
        (void)hw__base_fail(why, status, "hw_efficiency_measure: the warm start: %.200s", r.message);
    } else if (r.reason != HW_STOP_UPDATES) {
        bool asked = r.reason == HW_STOP_ASKED;
        status = hw__base_fail(why, asked ? HW_E_STOPPED : HW_E_ARGUMENT, "hw_efficiency_measure: the warm start %s",
                               asked ? "was stopped" : "ended before its updates were made");
    } else if (meets(&e->base, r.last.metric[e->base.target_metric])) {
        status = hw__base_fail(why, HW_E_ARGUMENT,
                               "hw_efficiency_measure: the warm start of %llu updates meets the target already",
                               (unsigned long long)e->plan.warm);
    } else {
        e->warm = hw_state_create();
        status = e->warm ? hw_engine_capture(engine, e->warm) : HW_E_MEMORY;
        if (status != HW_OK) {
            hw_state_free(e->warm);
            e->warm = NULL;
            (void)hw__base_fail(why, status, "hw_efficiency_measure: the warm start could not be kept");
        }
    }
    hw_engine_free(engine);
    return status;
}

/* What a run on threads recorded; simulated work times are not known to the histogram, and staleness is. */
hw_status hw__efficiency_histograms(const hw_engine *engine, const hw_histogram *staleness, bool simulated,
                                    hw__efficiency_kept *kept)
{
    hw_histogram h;
    const hw_staleness *s = hw_engine_staleness(engine);
    hw_status status = hw_histogram_init(&h, hw_staleness_linear_bins(s));
    if (status != HW_OK) return status;
    if (!staleness) hw_staleness_merge(s, HW_HISTOGRAM_STALENESS, &h);
    kept->staleness = hw__efficiency_pack(staleness ? staleness : &h);
    hw_histogram_clear(&h);
    hw_staleness_merge(s, HW_HISTOGRAM_WORK, &h);
    if (!simulated) kept->work = hw__efficiency_pack(&h);
    hw_histogram_free(&h);
    return kept->staleness && (kept->work || simulated) ? HW_OK : HW_E_MEMORY;
}

void hw__efficiency_tell(const hw__efficiency_setting *row, const hw_config *c, hw_engine *engine, const hw_result *r,
                         hw_efficiency_run *run)
{
    size_t n;
    const hw_evaluation *x = hw_engine_evaluations(engine, &n);
    double crossed = crossing(c, x, n);
    run->seed = c->seed;
    run->met = !isnan(crossed);
    run->diverged = r->status == HW_E_DIVERGED;
    run->spent = (double)(n ? x[n - 1].update : r->updates / row->gather);
    /* One that has diverged never meets it: it was seen not to, until the limit. */
    run->updates = run->met ? crossed : run->diverged ? floor((double)c->updates / row->gather) : run->spent;
    run->seconds_per_update = time_of(c, x, n, c->scheduler == HW_SIMULATED);
    (void)hw_engine_at_work(engine, &run->at_work);
    run->metric = n ? x[n - 1].metric[c->target_metric] : NAN;
    run->staleness = r->staleness.mean;
    run->dispersion = r->staleness.dispersion;
    run->learning_rate = c->optimizer.schedule.base;
    run->momentum = c->optimizer.momentum;
    run->seconds = r->seconds;
}

hw_status hw__efficiency_run(hw_efficiency *e, size_t at, const hw_config *c, hw__efficiency_kept *kept, char *why)
{
    hw_engine *engine;
    hw_result r;
    hw_status status = engine_of(e, c, &engine, why);
    if (status != HW_OK) return status;
    int velocity = 1;
    if (e->warm) status = hw_engine_begin_from(engine, e->warm, &velocity, why);
    if (status == HW_OK && !velocity && c->optimizer.momentum > 0)
        status = hw__base_fail(why, HW_E_UNSUPPORTED,
                               "the warm start has no velocity for this row's rule and policy, which keep one");
    if (status == HW_OK) {
        status = hw_engine_run(engine, &r);
        if (status != HW_OK && status != HW_E_DIVERGED)
            (void)hw__base_fail(why, status, "seed %llu: %.200s", (unsigned long long)c->seed, r.message);
    }
    if (status == HW_E_DIVERGED) status = HW_OK;
    if (status == HW_OK && r.reason == HW_STOP_ASKED)
        status = hw__base_fail(why, HW_E_STOPPED, "hw_efficiency_measure: stopped");
    if (status == HW_OK) {
        *kept = (hw__efficiency_kept){.run = {.row = (unsigned)at}};
        hw__efficiency_tell(e->row + at, c, engine, &r, &kept->run);
        status = hw__efficiency_histograms(engine, NULL, c->scheduler == HW_SIMULATED, kept);
        if (status != HW_OK) {
            hw__efficiency_forget(kept);
            (void)hw__base_fail(why, status, "hw_efficiency_measure: no memory for a run");
        }
    }
    hw_engine_free(engine);
    return status;
}
