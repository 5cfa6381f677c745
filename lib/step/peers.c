/* peers.c - an engine as one of several that train one model: its share of the work, and where it waits for the others.
 * Who they are, and how they are reached, the callbacks know. */
#include "peers.h"
#include "../params/door.h"
#include "members.h"
#include "step.h"
#include <unistd.h>

/* Each engine steps on its own. */
static bool apart(const hw_engine *e)
{
    return e->config.peers && e->config.peers->sharing != HW_SHARE_SPLIT;
}

/* ... on a part of the examples that all have. */
static bool deals(const hw_engine *e)
{
    return e->config.peers && e->config.peers->sharing == HW_SHARE_DEALT;
}

/* What is of one engine's steps alone, so that several would each do something else. */
static const char *check_dealt(const hw_config *c, const hw_objective *o)
{
    if (o->blocks) return "the objective hands out blocks of its own";
    if (c->trace) return "a recorded schedule is of one engine's updates";
    if (c->average_every) return "config.average_every is of one engine's parameters";
    if (c->read != HW_READ_ATOMIC || c->write == HW_WRITE_LOCKED)
        return "others' updates are added beside the workers': read must be atomic, and write add, striped or racy";
    return NULL;
}

hw_status hw__peers_check(const hw_config *c, const hw_objective *o, const hw__scheduler *s, unsigned share, char *why)
{
    const hw_peers *p = c->peers;
    if (!p) return HW_OK;
    if (p->struct_size != sizeof *p)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.peers: struct_size is %zu, expected %zu", p->struct_size,
                             sizeof *p);
    if (p->parts < 1 || p->part >= p->parts)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.peers: part is %u of %u: parts are numbered from 0", p->part,
                             p->parts);
    if (p->sharing != HW_SHARE_SPLIT && p->sharing != HW_SHARE_DEALT && p->sharing != HW_SHARE_OWN)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.peers: sharing is no value of its enum");
    bool split = p->sharing == HW_SHARE_SPLIT;
    if ((split && !p->sum) || (!split && !p->meet) || (o->evaluate && !p->sums))
        return hw__base_fail(why, HW_E_ARGUMENT, "config.peers: %s is NULL",
                             split && !p->sum     ? "sum"
                             : !split && !p->meet ? "meet"
                                                  : "sums");
    if (!(s->flags & (split ? HW__SPLITS : HW__DEALS)))
        return hw__base_fail(why, HW_E_UNSUPPORTED,
                             "config.scheduler is for one engine alone: several (config.peers; ranks) take sync where "
                             "they go in step, and else sequential, async, sync or groups");
    const char *refusal = split ? NULL : check_dealt(c, o);
    if (refusal) return hw__base_fail(why, HW_E_UNSUPPORTED, "config.peers: %s", refusal);
    const uint64_t batch = (uint64_t)c->batch * (c->batch_per_worker ? share : 1);
    uint64_t batches = o->examples ? (o->examples + batch - 1) / batch : UINT64_MAX;
    if (p->sharing == HW_SHARE_DEALT && batches < p->parts)
        return hw__base_fail(why, HW_E_ARGUMENT, "config.peers: an epoch has %llu minibatches, too few for %u engines",
                             (unsigned long long)batches, p->parts);
    return HW_OK;
}

/* A count of the job's updates, as one of this engine's; 0 stays 0. */
static uint64_t own_count(uint64_t every, unsigned parts)
{
    return every && every < parts ? 1 : (every + parts / 2) / parts;
}

hw_status hw__peers_plan(hw_engine *e, char *why)
{
    hw_config *c = &e->config;
    if (!c->peers) return HW_OK;
    hw_peers *copy = hw__memory_alloc(&e->memory, 1, sizeof *copy);
    if (!copy) return hw__no_memory(why, "its share of the work");
    *copy = *c->peers;
    c->peers = copy;
    hw__counter_set(&e->tickets.allowed, UINT64_MAX);
    if (copy->sharing == HW_SHARE_SPLIT) return HW_OK;
    c->evaluate_every = own_count(c->evaluate_every, copy->parts);
    c->checkpoint_every = own_count(c->checkpoint_every, copy->parts);
    return HW_OK;
}

unsigned hw__peers_splitting(const hw_config *c)
{
    return c->peers && c->peers->sharing == HW_SHARE_SPLIT ? c->peers->parts : 1;
}

static uint64_t part_of(const hw_peers *p, uint64_t all)
{
    return all / p->parts + (p->part < all % p->parts);
}

uint64_t hw__peers_share(const hw_engine *e, uint64_t all)
{
    return deals(e) ? part_of(e->config.peers, all) : all;
}

uint64_t hw__peers_updates(const hw_engine *e, uint64_t updates)
{
    return apart(e) && !deals(e) ? part_of(e->config.peers, updates) : updates;
}

uint64_t hw__peers_first(const hw_engine *e, uint64_t all)
{
    const hw_peers *p = e->config.peers;
    uint64_t left = all % (deals(e) ? p->parts : 1);
    return deals(e) ? all / p->parts * p->part + (p->part < left ? p->part : left) : 0;
}

uint64_t hw__peers_steps(const hw_engine *e, uint64_t steps)
{
    if (!apart(e)) return steps;
    uint64_t all = e->tickets.all_per_epoch;
    uint64_t own = steps / all * e->tickets.per_epoch + hw__peers_share(e, steps % all);
    int64_t shift = e->tickets.shift;
    return shift > 0 && own < (uint64_t)shift ? 0 : own - (uint64_t)shift;
}

static uint64_t skipped(const hw_engine *e)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < e->crew.members; i++) sum += hw__counter_get(&e->worker[i].skipped);
    return sum;
}

/* Since the run began: without those that landed nothing. */
static uint64_t begun(const hw_engine *e)
{
    const uint64_t from = hw__counter_get(&e->tickets.from), before = hw__counter_get(&e->tickets.skipped);
    const uint64_t all = hw__tickets_handed(e) - from, lost = skipped(e) - before;
    return all > lost ? all - lost : 0;
}

void hw__peers_begin(hw_engine *e)
{
    hw__counter_set(&e->tickets.from, hw__tickets_handed(e));
    hw__counter_set(&e->tickets.awaited_ns, 0);
    hw__counter_set(&e->tickets.skipped, skipped(e));
}

/* Where there are none left, whoever looks for one is to find that out. */
static bool may_begin(const hw_engine *e)
{
    return hw__counter_get(&e->tickets.taken) >= hw__counter_get(&e->tickets.limit) ||
           begun(e) < hw__counter_get(&e->tickets.allowed);
}

bool hw__peers_await(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__pause *g = &e->pause;
    if (!apart(e) || may_begin(e)) return true;
    uint64_t from = hw_now();
    (void)pthread_mutex_lock(&g->mutex);
    e->tickets.waiting++;
    while (!may_begin(e) && !hw__flags_stopped(&e->flags) && !g->poisoned)
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    e->tickets.waiting--;
    (void)pthread_mutex_unlock(&g->mutex);
    (void)hw__counter_take(&e->tickets.awaited_ns, hw_now() - from);
    return !hw__flags_stopped(&e->flags);
}

bool hw__peers_evaluates(const hw_engine *e, uint32_t chunk)
{
    const hw_peers *p = e->config.peers;
    return !p || chunk % p->parts == p->part;
}

static bool good(hw_engine *e, hw_status status, const char *why, const char *what)
{
    if (status == HW_OK) return true;
    if (*why)
        hw__fail(e, status, "%s", why);
    else
        hw__fail(e, status, "config.peers: %s returned %d", what, status);
    return false;
}

bool hw__peers_sum(hw_worker *leader, double *loss, int *raw)
{
    hw_engine *e = leader->engine;
    const hw_peers *p = e->config.peers;
    char why[HW_WHY] = "";
    if (!p || p->sharing != HW_SHARE_SPLIT) return true;
    return good(e, p->sum(p->context, leader->g, e->objective.parameters, loss, raw, why), why, "sum");
}

bool hw__peers_sums(hw_engine *e)
{
    const hw_peers *p = e->config.peers;
    char why[HW_WHY] = "";
    if (!p) return true;
    size_t n = (size_t)e->evaluation.chunks * HW_METRICS;
    return good(e, p->sums(p->context, e->evaluation.sums, n, why), why, "sums");
}

void hw__peers_tell(const hw_engine *e, hw_evaluation *evaluation)
{
    const hw_peers *p = e->config.peers;
    if (p && p->tell) p->tell(p->context, evaluation);
}

bool hw__peers_meets(const hw_engine *e)
{
    return apart(e);
}

bool hw__peers_meet(hw_engine *e, hw_meeting *meeting)
{
    const hw_peers *p = e->config.peers;
    char why[HW_WHY] = "";
    hw_status status = p->meet(p->context, meeting, why);
    return good(e, status == HW_E_STOPPED ? HW_E_CALLBACK : status, why, "meet");
}

/* --- from a thread beside the workers: no update of the clock ------------------------------------------------------
 */

static hw_status usable(hw_engine *e, bool good)
{
    if (!e) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    return good ? HW_OK : HW_E_UNSUPPORTED;
}

hw_status hw_engine_peek(hw_engine *e, float *x, uint64_t *clock)
{
    hw_status status = usable(e, e && e->config.peers);
    if (status != HW_OK) return status;
    if (clock) *clock = hw_params_clock(e->params);
    if (!x) return HW_OK;
    if (!apart(e)) {
        hw_params_get(e->params, 0, x);
        return HW_OK;
    }
    hw_range all = {0, e->objective.parameters};
    hw__extent extent = hw__extent_all(&all);
    hw__params_read_part(e->params, &extent, 0, x);
    return HW_OK;
}

hw_status hw_engine_peek_at(hw_engine *e, const hw_range *ranges, size_t n, float *x, uint64_t *clock)
{
    hw_status status = usable(e, e && apart(e));
    if (status != HW_OK) return status;
    if (!ranges || !x) return HW_E_ARGUMENT;
    if (clock) *clock = hw_params_clock(e->params);
    for (size_t i = 0; i < n; i++) {
        const hw__extent one = hw__extent_ranges(ranges + i, 1, false);
        hw__params_read_part(e->params, &one, 0, x + ranges[i].first);
    }
    return HW_OK;
}

size_t hw_engine_touched(hw_engine *e, uint32_t *lines, uint64_t *clock)
{
    if (usable(e, e && apart(e) && e->config.peers->marks) != HW_OK) return 0;
    if (clock) *clock = hw_params_clock(e->params);
    return hw__params_touched(e->params, lines);
}

hw_status hw_engine_allow(hw_engine *e, uint64_t steps)
{
    hw_status status = usable(e, e && apart(e));
    if (status != HW_OK) return status;
    (void)pthread_mutex_lock(&e->pause.mutex);
    hw__counter_set(&e->tickets.allowed, steps);
    (void)pthread_cond_broadcast(&e->pause.changed);
    (void)pthread_mutex_unlock(&e->pause.mutex);
    return HW_OK;
}

hw_status hw_engine_slow(hw_engine *e, double rate)
{
    hw_status status = usable(e, e && apart(e));
    if (status != HW_OK) return status;
    if (!hw__base_finite_double(rate) || !(rate > 0)) return HW_E_ARGUMENT;
    (void)pthread_mutex_lock(&e->settings.mutex);
    e->settings.slowed = rate;
    hw__flags_new_version(&e->flags);
    (void)pthread_mutex_unlock(&e->settings.mutex);
    return HW_OK;
}

hw_status hw_engine_ask_capture(hw_engine *e, int asked)
{
    hw_status status = usable(e, e && apart(e) && e->captures.state);
    if (status != HW_OK) return status;
    /* Seen after the next landing, as what is due by count: threads of a group rely on nothing else asking them in. */
    hw__counter_set(&e->due.checkpoint, asked ? 0 : UINT64_MAX);
    if (!asked) hw__flags_resume(&e->flags, FLAGS_CAPTURE);
    return HW_OK;
}

uint64_t hw_engine_position(const hw_engine *e)
{
    return e ? hw__tickets_handed(e) + (uint64_t)e->tickets.shift : 0;
}

const void *hw_engine_peers(const hw_engine *e)
{
    return e && e->config.peers ? e->config.peers->context : NULL;
}

int hw_engine_idle(hw_engine *e)
{
    if (!e || !apart(e)) return 0;
    (void)pthread_mutex_lock(&e->pause.mutex);
    int idle = e->tickets.waiting * e->crew.share + e->pause.arrived >= e->crew.threads;
    (void)pthread_mutex_unlock(&e->pause.mutex);
    return idle;
}

double hw_engine_awaited(const hw_engine *e)
{
    return e ? (double)hw__counter_get(&e->tickets.awaited_ns) * 1e-9 : 0;
}

uint64_t hw_engine_begun(const hw_engine *e)
{
    return e && apart(e) ? begun(e) : 0;
}

static hw_status shift(hw_engine *e, int64_t steps)
{
    (void)pthread_mutex_lock(&e->run.asking);
    bool running = e->run.running;
    if (!running) e->tickets.shift = steps;
    (void)pthread_mutex_unlock(&e->run.asking);
    return running ? HW_E_STATE : HW_OK;
}

hw_status hw_engine_shift(hw_engine *e, int64_t steps)
{
    hw_status status = usable(e, e && apart(e));
    return status == HW_OK ? shift(e, steps) : status;
}

hw_status hw_engine_skip(hw_engine *e, uint64_t steps)
{
    hw_status status = usable(e, e && apart(e));
    if (status == HW_OK) status = shift(e, 0);
    return status == HW_OK ? shift(e, (int64_t)hw__peers_steps(e, steps)) : status;
}

hw_status hw_engine_skip_epochs(hw_engine *e, double epochs)
{
    hw_status status = usable(e, e && apart(e));
    if (status == HW_OK && !(epochs >= 0 && epochs * (double)e->tickets.per_epoch < 0x1p53)) status = HW_E_ARGUMENT;
    return status == HW_OK ? shift(e, (int64_t)(epochs * (double)e->tickets.per_epoch + 0.5)) : status;
}

hw_status hw_engine_merge(hw_engine *e, const hw_range *ranges, size_t n, const float *delta)
{
    hw_status status = usable(e, e && apart(e));
    if (status != HW_OK) return status;
    if (!delta) return HW_E_ARGUMENT;
    hw_range all = {0, e->objective.parameters};
    hw__extent extent = ranges ? hw__extent_ranges(ranges, n, false) : hw__extent_all(&all);
    hw__params_merge(e->params, &extent, delta);
    return HW_OK;
}
