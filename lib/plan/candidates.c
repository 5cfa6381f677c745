/* candidates.c - what could be run. */
#include "plan.h"
#include <math.h>
#include <string.h>

double hw__plan_updates(const hw_config *c, const hw_objective *o)
{
    double by_epochs = o->examples ? ceil(c->epochs * o->examples / c->batch) : 0;
    if (c->updates && by_epochs > 0) return fmin((double)c->updates, by_epochs);
    return c->updates ? (double)c->updates : by_epochs;
}

static void add(hw__plan_candidate *list, size_t *n, const hw_config *c, const hw_objective *o, const char *label)
{
    char why[HW_WHY];
    if (*n == PLAN_CANDIDATES || hw_config_check(c, o, why) != HW_OK) return;
    memset(list + *n, 0, sizeof *list);
    list[*n].config = *c;
    (void)snprintf(list[*n].probe.label, sizeof list->probe.label, "%s", label);
    ++*n;
}

hw__plan_candidate *hw__plan_next(hw__planner *p, const hw_config *c)
{
    char why[HW_WHY];
    if (p->n == PLAN_CANDIDATES || hw_config_check(c, &p->sampled.inner, why) != HW_OK) return NULL;
    hw__plan_candidate *made = p->list + p->n++;
    memset(made, 0, sizeof *made);
    made->config = *c;
    return made;
}

/* Asynchronous workers as the configuration has them; where steps are of one example on a few parameters also on the
 * shared array at every step, and on replicas with an interval that the library chooses. */
static void add_async(hw__plan_candidate *list, size_t *n, hw_config c, const hw_objective *o, unsigned workers)
{
    const unsigned given = c.exchange_interval, others[] = {1, 0};
    char label[32];
    c.workers = workers;
    c.scheduler = workers > 1 ? HW_ASYNC : HW_SEQUENTIAL;
    (void)snprintf(label, sizeof label, workers > 1 ? "%u workers" : "one worker", workers);
    add(list, n, &c, o, label);
    /* One worker has a replica for the sake of quick decay only. */
    for (int i = 0; i < 2 && c.batch == 1 && o->sweep && (workers > 1 || o->shrinks); i++) {
        if (others[i] == given) continue;
        c.exchange_interval = others[i];
        char whole[64];
        (void)snprintf(whole, sizeof whole, "%s, %s", label, others[i] ? "no replicas" : "on replicas");
        add(list, n, &c, o, whole);
    }
}

static void add_in_step(hw__plan_candidate *list, size_t *n, hw_config c, const hw_objective *o, unsigned threads,
                        unsigned groups)
{
    char label[96];
    if (c.batch < 2) return; /* one example is nothing to share */
    c.workers = threads;
    c.scheduler = groups > 1 ? HW_GROUPS : HW_SYNC;
    c.groups = groups;
    if (groups > 1)
        (void)snprintf(label, sizeof label, "%u groups of %u threads", groups, threads / groups);
    else
        (void)snprintf(label, sizeof label, "%u threads in step", threads);
    add(list, n, &c, o, label);
}

size_t hw__plan_structures(const hw_config *from, const hw_objective *o, unsigned threads, hw__plan_candidate *list)
{
    size_t n = 0;
    hw_config c = *from;
    c.groups = 1;
    c.batch_per_worker = 0;
    hw_config one = c;
    if (one.layers == HW_LAYERS_EACH) one.layers = HW_LAYERS_AUTO; /* of one worker nothing is stale */
    add_async(list, &n, one, o, 1);
    /* In step first: a step of theirs is worth one worker's whatever the loss says, so few are enough to judge it. */
    for (unsigned m = 2; m <= threads; m = m < threads && 2 * m > threads ? threads : 2 * m) {
        add_in_step(list, &n, c, o, m, 1);
        add_async(list, &n, c, o, m);
        if (m % 4 == 0) add_in_step(list, &n, c, o, m, 2);
        if (m % 2 == 0 && m > 4) add_in_step(list, &n, c, o, m, m / 2);
    }
    return n;
}

double hw__plan_rate(double rate, double momentum, double other)
{
    return rate * (1 - other) / (1 - momentum);
}

static uint64_t times(uint64_t count, double factor)
{
    return count ? (uint64_t)fmax(1, round((double)count * factor)) : 0;
}

hw_config hw__plan_batch(const hw_config *from, double factor, double noise_scale, bool rate)
{
    hw_config c = *from;
    c.batch = (uint32_t)fmin(UINT32_MAX, fmax(1, round(from->batch * factor)));
    double before = from->batch, after = c.batch, fewer = before / after;
    if (rate) c.optimizer.schedule.base *= (1 + noise_scale / before) / (1 + noise_scale / after);
    c.optimizer.schedule.interval = times(c.optimizer.schedule.interval, fewer);
    c.optimizer.schedule.warmup = times(c.optimizer.schedule.warmup, fewer);
    if (c.optimizer.schedule.kind == HW_SCHEDULE_INV || c.optimizer.schedule.kind == HW_SCHEDULE_EXPONENTIAL)
        c.optimizer.schedule.gamma = c.optimizer.schedule.kind == HW_SCHEDULE_INV
                                         ? c.optimizer.schedule.gamma / fewer
                                         : pow(c.optimizer.schedule.gamma, 1 / fewer);
    c.updates = times(c.updates, fewer);
    c.evaluate_every = times(c.evaluate_every, fewer);
    c.keep_every = times(c.keep_every, fewer);
    c.average_every = times(c.average_every, fewer);
    c.checkpoint_every = times(c.checkpoint_every, fewer);
    c.trace_room = times(c.trace_room, fewer);
    return c;
}
