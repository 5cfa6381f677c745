/* probe.c - a candidate runs for a while from the training's own start, and its loss is looked at now and then. */
#include "plan.h"
#include <math.h>
#include <string.h>

enum { LOOKS = 8 };

double hw__plan_spent(const hw__planner *p)
{
    return (double)(hw_now() - p->began) * 1e-9;
}

double hw__plan_left(const hw__planner *p)
{
    return p->budget - hw__plan_spent(p);
}

/* The candidate as a probe runs it: what reports, stops or writes is the training's, not the probe's. */
static hw_config config_of(const hw__planner *p, const hw__plan_candidate *c, double seconds)
{
    hw_config run = c->config;
    double updates = p->one > 0 ? seconds / p->one * hw_config_asynchronous(&run) / LOOKS : 1e15;
    run.seconds = seconds;
    run.target = 0;
    /* What every engine of a policy that wants it would estimate anew, in the time of some hundred steps, has been
     * found already. Whoever has the last word does as the training will. */
    if (run.curvature == 0 && p->curvature > 0 && (!c->longer || p->given)) run.curvature = p->curvature;
    run.evaluate_every = updates < 1 ? 1 : (uint64_t)fmin(updates, 1e15);
    run.evaluate_epochs = 0;
    run.checkpoint_every = 0;
    run.checkpoint_epochs = run.checkpoint_seconds = 0;
    run.trace = 0;
    run.context = NULL;
    run.on_update = NULL;
    run.on_evaluation = NULL;
    run.on_epoch = NULL;
    run.on_progress = NULL;
    run.on_checkpoint = NULL;
    run.on_capture = NULL;
    if (p->request.stop_flag) run.stop_flag = p->request.stop_flag;
    return run;
}

/* What a target is of, so that less is better. */
static double falling(const hw__planner *p, const double *metric)
{
    int k = p->base.target_metric;
    return k == 0 ? metric[0] : -metric[k];
}

static void begin(const hw__planner *p, hw__plan_candidate *c, unsigned k)
{
    hw__plan_curve *curve = &c->run[k].curve, *target = &c->run[k].target;
    c->run[k].train.n = 0;
    curve->n = target->n = 1;
    curve->seconds[0] = target->seconds[0] = 0;
    curve->loss[0] = p->start_metric[0];
    target->loss[0] = falling(p, p->start_metric);
}

/* The evaluations after what the curves begin with, thinned to their room with the last one kept. The steps' own loss
 * has none to begin with. */
static void curves_of(const hw__planner *p, hw__plan_candidate *c, unsigned k, const hw_evaluation *x, size_t n)
{
    hw__plan_curve *curve = &c->run[k].curve, *target = &c->run[k].target, *train = &c->run[k].train;
    size_t each = (n + PLAN_POINTS - 1) / PLAN_POINTS;
    for (size_t i = 0; i < n; i++) {
        size_t at = curve->n;
        if ((n - 1 - i) % each != 0 || at > PLAN_POINTS || !(x[i].seconds > curve->seconds[at - 1])) continue;
        curve->seconds[at] = target->seconds[at] = train->seconds[at - 1] = x[i].seconds;
        curve->loss[at] = x[i].metric[0];
        target->loss[at] = falling(p, x[i].metric);
        train->loss[at - 1] = x[i].train_loss;
        curve->n = target->n = at + 1;
        train->n = hw__base_finite_double(x[i].train_loss) && train->n == at - 1 ? at : train->n;
    }
    hw__plan_curve_fall(curve);
    hw__plan_curve_fall(target);
    hw__plan_curve_fall(train);
}

/* Seconds an update, over the second half of the looks: at first a policy looks around. */
static double step_of(const hw_evaluation *x, size_t n, const hw_result *r)
{
    size_t from = n / 2;
    if (n >= 2 && x[n - 1].update > x[from - 1].update && x[n - 1].seconds > x[from - 1].seconds)
        return (x[n - 1].seconds - x[from - 1].seconds) / (double)(x[n - 1].update - x[from - 1].update);
    return r->updates && r->seconds > 0 ? r->seconds / (double)r->updates : INFINITY;
}

static void tell(const hw__planner *p, hw__plan_candidate *c, unsigned k, const hw_engine *engine, const hw_result *r)
{
    size_t n;
    const hw_evaluation *x = hw_engine_evaluations(engine, &n);
    hw_plan_probe *probe = &c->probe;
    probe->diverged |= r->status == HW_E_DIVERGED;
    for (size_t i = 0; i < n; i++) probe->diverged |= !hw__base_finite_double(x[i].metric[0]);
    probe->seconds += r->seconds;
    probe->updates += r->updates;
    probe->loss = n ? x[n - 1].metric[0] : NAN;
    c->run[k].step = step_of(x, n, r);
    if (!probe->diverged) curves_of(p, c, k, x, n);
}

static hw_status run_once(hw__planner *p, hw__plan_candidate *c, double seconds, unsigned k, char *why)
{
    hw_config run = config_of(p, c, seconds);
    hw_engine *engine;
    hw_result r;
    char sentence[HW_WHY];
    run.seed = (run.seed + k) & ((UINT64_C(1) << 53) - 1);
    begin(p, c, k);
    hw_status status = hw_engine_create(&engine, &p->sampled.outer, &run, p->start, sentence);
    if (status != HW_OK) return hw__base_fail(why, status, "hw_plan: %.60s: %.170s", c->probe.label, sentence);
    status = hw_engine_run(engine, &r);
    if (status == HW_OK || status == HW_E_DIVERGED) tell(p, c, k, engine, &r);
    if (status == HW_E_DIVERGED) status = HW_OK;
    if (status != HW_OK) (void)hw__base_fail(why, status, "hw_plan: %.60s: %.170s", c->probe.label, r.message);
    if (status == HW_OK && r.reason == HW_STOP_ASKED) status = hw__base_fail(why, HW_E_STOPPED, "hw_plan: stopped");
    if (status == HW_OK && p->end && r.status == HW_OK) {
        status = hw_engine_get(engine, p->end);
        if (status != HW_OK) (void)hw__base_fail(why, status, "hw_plan: the probe's parameters are not to be had");
    }
    hw_engine_free(engine);
    return status;
}

hw_status hw__plan_probe(hw__planner *p, hw__plan_candidate *c, double seconds, char *why)
{
    double step[PLAN_REPEATS], repeats = fmin(PLAN_REPEATS, 0.04 * p->budget / (seconds + p->overhead));
    hw_status status = HW_OK;
    uint64_t from = hw_now();
    p->probes++;
    c->probe.seconds = 0;
    c->probe.updates = 0;
    c->probe.diverged = 0;
    c->runs = 0;
    do {
        status = run_once(p, c, seconds, c->runs, why);
        if (status == HW_OK) step[c->runs] = c->run[c->runs].step;
        c->runs++;
    } while (status == HW_OK && !c->probe.diverged && c->runs + 0.5 < repeats);
    p->overhead = fmax(0, (double)(hw_now() - from) * 1e-9 - c->probe.seconds);
    if (status == HW_OK) c->probe.seconds_per_update = hw__base_median(step, c->runs);
    return status;
}

const hw__plan_curve *hw__plan_loss(const hw__planner *p, const hw__plan_candidate *c, unsigned run)
{
    return p->by_train ? &c->run[run].train : &c->run[run].curve;
}

static bool most_fall(const hw__planner *p, const hw__plan_candidate *c, double noises)
{
    unsigned fall = 0;
    for (unsigned k = 0; k < c->runs; k++) fall += hw__plan_curve_falls(hw__plan_loss(p, c, k), noises);
    return 2 * fall > c->runs;
}

bool hw__plan_tells(const hw__planner *p, const hw__plan_candidate *c)
{
    return most_fall(p, c, 2);
}

bool hw__plan_early(const hw__planner *p, const hw__plan_candidate *c)
{
    unsigned early = 0;
    for (unsigned k = 0; k < c->runs; k++) early += hw__plan_curve_early(hw__plan_loss(p, c, k));
    return 2 * early > c->runs;
}

static double meets(const hw__planner *p, const hw__plan_candidate *c, unsigned k)
{
    if (p->base.target == 0) return INFINITY;
    return hw__plan_curve_at(&c->run[k].target, p->base.target_metric ? -p->base.target : p->base.target);
}

double hw__plan_meets(const hw__planner *p, const hw__plan_candidate *c)
{
    double x[PLAN_REPEATS];
    for (unsigned k = 0; k < c->runs; k++) x[k] = meets(p, c, k);
    return c->runs ? hw__base_median(x, c->runs) : INFINITY;
}

bool hw__plan_lasts(const hw__planner *p, const hw__plan_candidate *c)
{
    return hw__base_finite_double(hw__plan_meets(p, c)) || most_fall(p, c, 1);
}

/* How much sooner run k comes to the target than the other's, where one of them meets it; NAN: none does. */
static double target_gain(const hw__planner *p, const hw__plan_candidate *c, const hw__plan_candidate *base, unsigned k)
{
    double its = meets(p, c, k), of_base = meets(p, base, k);
    if ((isinf(its) && isinf(of_base)) || !(its > 0 && of_base > 0)) return NAN;
    const hw__plan_curve *a = &c->run[k].target, *b = &base->run[k].target;
    if (isinf(its)) return of_base / (2 * a->seconds[a->n - 1]); /* at most half as soon, for all that is known */
    return fmin(of_base, b->seconds[b->n - 1]) / its;
}

/* Below 0.25, learning rate times curvature times workers, in units of 1 - momentum, asynchrony cannot be seen
 * (docs/science.md): what a way to run is trusted with where the loss says nothing. Without a curvature, of sparse
 * steps, too: few of them meet. */
static bool bears(const hw__planner *p, const hw__plan_candidate *c)
{
    const hw_optimizer *o = &c->config.optimizer;
    double x = o->schedule.base * p->curvature * hw_config_asynchronous(&c->config) / (1 - o->momentum);
    return p->curvature > 0 ? x < 0.25 : p->objective.touched > 0 && p->objective.touched < p->objective.parameters;
}

/* How much sooner than `base` all in all. A step's time is measured well, what it is worth is not: the loss speaks
 * where it says more than its noise. Among ways to run, which have one solver, steps are worth at most those of one
 * worker, and as much where all threads share them. */
static double gain_of(const hw__planner *p, const hw__plan_candidate *c, const hw__plan_candidate *base,
                      hw__plan_part part)
{
    if (c->probe.diverged) return 0;
    const hw_config *a = &c->config, *b = &base->config;
    bool same = a->batch == b->batch && a->optimizer.schedule.base == b->optimizer.schedule.base &&
                a->optimizer.momentum == b->optimizer.momentum;
    double gain[PLAN_REPEATS], doubt[PLAN_REPEATS];
    /* More than there are workers is no speed-up: the other one stood still. */
    double time = fmin(base->probe.seconds_per_update / c->probe.seconds_per_update, 1.25 * a->workers);
    if (same && hw_config_asynchronous(&c->config) == 1) return time;
    if (!p->tells) return same && bears(p, c) ? time : 0;
    unsigned n = c->runs < base->runs ? c->runs : base->runs;
    for (unsigned k = 0; k < n; k++) {
        gain[k] = target_gain(p, c, base, k);
        doubt[k] = 0.1;
        if (!isnan(gain[k])) continue;
        const hw__plan_curve *its = hw__plan_loss(p, c, k), *of_base = hw__plan_loss(p, base, k);
        gain[k] = hw__plan_curve_gain(its, of_base, part);
        doubt[k] = hw__plan_curve_doubt(its, of_base);
    }
    double all = hw__base_median(gain, n), unsure = hw__base_median(doubt, n) / sqrt(n);
    /* A second look at what the first found beyond doubt, or at the way to run: it has the last word as it is. */
    if (c->longer) unsure = same ? unsure / 2 : 0;
    return same ? time * fmin(1, hw__plan_beyond(all / time, unsure)) : hw__plan_beyond(all, unsure);
}

bool hw__plan_impossible(hw_status status)
{
    return status == HW_E_ARGUMENT || status == HW_E_UNSUPPORTED || status == HW_E_MEMORY || status == HW_E_THREAD ||
           status == HW_E_LIMIT;
}

hw_status hw__plan_try(hw__planner *p, hw__plan_candidate *c, const hw__plan_candidate *base, double seconds,
                       hw__plan_part part, char *why)
{
    hw_status status = hw__plan_probe(p, c, seconds, why);
    c->probe.refused = base && hw__plan_impossible(status);
    if (status != HW_OK && !c->probe.refused) return status;
    c->probe.gain = c->probe.refused ? 0 : base ? gain_of(p, c, base, part) : 1;
    if (!p->request.on_probe) return HW_OK;
    status = p->request.on_probe(p->request.context, &c->probe);
    if (status != HW_OK) (void)hw__base_fail(why, status, "hw_plan: on_probe asked for the end");
    return status;
}

hw_status hw__plan_look(hw__planner *p, char *why)
{
    const hw_objective *o = &p->sampled.outer;
    double sums[HW_METRICS] = {0};
    uint32_t n = o->evaluation_examples, chunk = o->evaluation_chunk ? o->evaluation_chunk : 500;
    hw_status status = HW_OK;
    for (uint32_t i = 0; i < n && status == HW_OK; i += chunk)
        status = o->evaluate(o->self, p->scratch, p->start, i, n - i < chunk ? n - i : chunk, sums);
    if (status != HW_OK) return hw__base_fail(why, status, "hw_plan: the objective's evaluation returned %d", status);
    for (unsigned m = 0; m < HW_METRICS; m++) p->start_metric[m] = sums[m] / o->evaluation_examples;
    if (!hw__base_finite_double(p->start_metric[0]))
        return hw__base_fail(why, HW_E_ARGUMENT, "hw_plan: the loss at the start is not finite");
    return HW_OK;
}
