/* run.c - between start and stop: threads, waiting, progress, the result. Nothing here allocates. */
#include "../step/engine.h"
#include "../base/blas.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static void reset_worker(hw_worker *w)
{
    hw__counter_set(&w->loss, 0);
    hw__counter_set(&w->losses, 0);
    w->landed_before += hw__counter_get(&w->updates);
    hw__counter_set(&w->updates, 0);
    hw__counter_set(&w->examples, 0);
    hw__counter_set(&w->clipped, 0);
    hw__counter_set(&w->skipped, 0);
    hw__counter_set(&w->fused, 0);
    hw__counter_set(&w->exchanges, 0);
    hw__counter_set(&w->collided, 0);
    hw__counter_set(&w->looked_at, 0);
    w->since = 0;
    w->exchange_every = w->engine->config.exchange_interval;
    w->loss_steps = 0;
    w->first_loss = w->smooth_loss = 0;
    w->ticket_end = 0;
    w->block_count = w->block_done = 0;
    w->unmeasured = 0;
    w->has_sentence = false;
    w->version = UINT32_MAX;
}

/* The stop by updates or epochs, as the first ticket that is not handed out. */
uint64_t hw__ticket_limit(const hw_engine *e)
{
    const hw_config *c = &e->config;
    uint64_t limit = NO_TICKET_LIMIT;
    if (c->updates) limit = c->updates;
    if (c->epochs > 0 && e->objective.examples) {
        double steps = ceil(c->epochs * (double)e->steps_per_epoch);
        if (steps < (double)limit) limit = (uint64_t)steps;
    }
    return limit;
}

static void estimate_curvature(hw_engine *e)
{
    const hw_config *c = &e->config;
    e->curvature = c->curvature > 0 ? c->curvature : 0;
    if (!e->probe) return;
    uint64_t from = hw_now();
    hw_params_get(e->params, 0, e->snapshot);
    uint32_t n = e->probe_examples;
    for (uint32_t i = 0; i < n; i++) e->probe_index[i] = hw_permute(c->seed, 0, e->objective.examples, i);
    /* A probe that fails leaves the curvature unknown: the run itself will meet the error and report it. */
    if (hw__probe_curvature(e->probe, e->snapshot, e->probe_index, n, n < c->batch ? n : c->batch, 8, c->seed,
                            &c->optimizer, &e->curvature) != HW_OK)
        e->curvature = 0;
    e->preparation_ns = hw_now() - from;
}

/* A run from its start: everything that is counted is counted from here. */
static void begin_new(hw_engine *e)
{
    const hw_config *c = &e->config;
    for (unsigned i = 0; i < e->members; i++) reset_worker(e->worker + i);
    uint64_t landed = hw_params_clock(e->params), tickets = hw__counter_get(&e->ticket_limit);
    if (hw__counter_get(&e->tickets) < tickets) tickets = hw__counter_get(&e->tickets);
    hw__counter_set(&e->tickets, tickets);
    e->first_ticket = tickets;
    hw__counter_set(&e->ticket_limit, tickets + hw__ticket_limit(e));
    hw__counter_set(&e->next_window, landed + c->compensation.window * e->ticket_block);
    uint64_t steps = hw__ticket_limit(e);
    e->averaged = 0;
    uint64_t average_begins =
        landed + (steps < NO_TICKET_LIMIT
                      ? (uint64_t)(c->average_from * (double)steps / (e->sim ? c->simulation.gather : 1))
                      : 0);
    hw__counter_set(&e->next_average, e->average ? average_begins + c->average_every : UINT64_MAX);
    if (e->average) memset(e->average, 0, e->objective.parameters * sizeof *e->average);
    hw__counter_set(&e->next_keep, e->keep_every ? landed + e->keep_every : UINT64_MAX);
    hw__counter_set(&e->next_epoch, c->on_epoch && e->objective.examples ? landed + e->updates_per_epoch : UINT64_MAX);
    uint64_t every = hw__evaluation_interval(e);
    hw__counter_set(&e->next_evaluation, e->objective.evaluate && every ? landed + every : UINT64_MAX);
    hw__counter_set(&e->first_losses, 0);
    hw__counter_set(&e->first_count, 0);
    hw__counter_set(&e->first_loss, 0);
    e->candidate_update = 0;
    e->first_update = landed;
    e->evaluation_ns = e->preparation_ns = 0;
    e->loss_before = 0;
    e->losses_before = 0;
    e->has_last = false;
    e->seconds_to_target = NAN;
    e->updates_to_target = 0;
    e->evaluations.count = e->settings.count = 0;
    e->setting_number = e->replayed_setting = 0;
    estimate_curvature(e);
    hw__periodic_setting(e, true);
    hw_params_get(e->params, 0, e->kept[0]);
    e->good = 0;
    e->good_update = landed;
}

static hw_status begin(hw_engine *e)
{
    if (e->process != getpid()) return HW_E_FORK;
    if (e->running) return HW_E_STATE;
    hw__flags_reset(&e->latch);
    hw__pause_reset(e);
    hw__barrier_reset(&e->start);
    for (unsigned g = 0; e->group && g < e->slots; g++) hw__barrier_reset(&e->group[g].barrier);
    if (e->trace) hw__trace_recorder_reset(e->trace);
    if (e->objective.blas) hw__blas_hold();
    e->holds_blas = e->objective.blas != 0;
    e->done = 0;
    uint64_t trained = e->restored ? hw__trained_ns(e) : 0;
    if (!e->restored) begin_new(e);
    if (e->sim) hw__simulated_begin(e, e->restored);
    hw__blocks_begin(e, e->restored);
    bool goes_on = e->restored;
    e->restored = e->leaves_out = false;
    e->begun = e->running = true;
    e->captured_update = UINT64_MAX;
    e->end_ns = 0;
    hw__counter_set(&e->paused_ns, 0);
    hw__counter_set(&e->begin_ns, hw_now() - trained);
    hw__periodic_checkpoints(e, hw_params_clock(e->params));
    /* A run that had met its target was over, whatever else may end it. */
    bool met = hw__base_finite_double(e->seconds_to_target) && e->config.target != 0;
    if (goes_on && e->has_last && (met || hw__evaluation_meets_target(e, &e->last))) hw__evaluation_target(e, &e->last);
    return HW_OK;
}

/* Put the last good parameters back; velocities, last gradients and second moments start anew. */
static void fall_back(hw_engine *e)
{
    hw_params_set(e->params, 0, e->kept[e->good]);
    for (unsigned a = 1; a <= hw__optimizer_arrays(&e->config.optimizer, &e->config.compensation); a++)
        hw_params_set(e->params, a, NULL);
    for (unsigned i = 0; i < e->members; i++)
        if (e->worker[i].velocity)
            memset(e->worker[i].velocity, 0, e->objective.parameters * sizeof *e->worker[i].velocity);
}

static void end(hw_engine *e)
{
    if (!e->end_ns) e->end_ns = hw_now();
    if (e->holds_blas) hw__blas_unhold();
    e->holds_blas = false;
    hw_params_get(e->params, 0, e->snapshot);
    bool finite = hw__base_all_finite(e->snapshot, e->objective.parameters);
    if (!finite && !hw__flags_failed(&e->latch)) hw__fail(e, HW_E_DIVERGED, "a parameter stopped being finite");
    e->good_update = finite && !(hw__flags_failed(&e->latch) && e->latch.code == HW_E_DIVERGED)
                         ? hw_params_clock(e->params)
                         : e->good_update;
    if (!finite || (hw__flags_failed(&e->latch) && e->latch.code == HW_E_DIVERGED)) fall_back(e);
    /* A sampled clock's last updates stand with the last measured one, so the histogram's sum is the updates. */
    for (unsigned i = 0; i < e->members; i++) {
        hw_worker *w = e->worker + i;
        if (e->config.record && w->unmeasured)
            hw_staleness_record(e->staleness, w->recorder, &w->observed, w->unmeasured);
        w->unmeasured = 0;
    }
    if (!hw__flags_failed(&e->latch)) hw__periodic_epochs(e, hw_params_clock(e->params));
    e->run_status = hw__flags_failed(&e->latch) ? e->latch.code : HW_OK;
    e->running = false;
}

static void work(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__thread_state state;
    hw__thread_enter(e, &state);
    if (hw__barrier_wait(&e->start)) {
        if (e->sim)
            hw__simulated_loop(w);
        else if (w->group)
            hw__groups_loop(w);
        else if (e->blocks)
            hw__blocks_loop(w);
        else
            hw__async_loop(w);
        (void)hw__pause_enter(w, PAUSE_FINISH);
    }
    if (!e->sim && (!w->group || w->id == w->group->first)) hw_params_release(e->params, w->slot);
    hw__thread_leave(e, &state);
}

static hw_worker *thread_worker(hw_engine *e, unsigned i)
{
    return e->sim ? hw__simulated_worker(e, i) : e->worker + i;
}

static void *thread_main(void *context)
{
    hw_worker *w = context;
    hw_engine *e = w->engine;
    work(w);
    (void)pthread_mutex_lock(&e->done_mutex);
    e->done++;
    (void)pthread_mutex_unlock(&e->done_mutex);
    (void)pthread_cond_signal(&e->done_changed);
    return NULL;
}

static void report_progress(hw_engine *e, double *loss_sum, uint64_t *loss_count)
{
    const hw_config *c = &e->config;
    hw_progress p;
    memset(&p, 0, sizeof p);
    (void)pthread_mutex_lock(&e->mutex);
    hw_setting s = e->setting;
    (void)pthread_mutex_unlock(&e->mutex);
    double staleness = 0, sum;
    uint64_t count;
    for (unsigned i = 0; i < e->members; i++) {
        p.updates += hw__counter_get(&e->worker[i].updates);
        p.examples += hw__counter_get(&e->worker[i].examples);
    }
    hw_evaluation last;
    (void)pthread_mutex_lock(&e->gate.mutex); /* no evaluation is being written, and the clock of a pause stands */
    p.seconds = hw__seconds(e);
    bool has_last = !e->gate.open && e->has_last;
    if (has_last) last = e->last;
    (void)pthread_mutex_unlock(&e->gate.mutex);
    hw__losses(e, &sum, &count);
    p.train_loss = count > *loss_count ? (sum - *loss_sum) / (double)(count - *loss_count) : NAN;
    if (count > *loss_count) {
        *loss_sum = sum;
        *loss_count = count;
    }
    /* In expectation M - 1 once all are busy; the exact mean is in the evaluation. */
    staleness = has_last ? last.staleness : e->slots - 1;
    p.epoch = e->objective.examples ? (double)p.updates / (double)e->updates_per_epoch : 0;
    p.examples_per_second = p.seconds > 0 ? (double)p.examples / p.seconds : 0;
    p.staleness = staleness;
    p.momentum = s.momentum;
    p.ahead = s.ahead;
    p.learning_rate = s.rate * hw_schedule_rate(&c->optimizer.schedule, hw__counter_get(&e->tickets));
    uint64_t total = hw__ticket_limit(e);
    if (e->sim && total < NO_TICKET_LIMIT) total = (total + c->simulation.gather - 1) / c->simulation.gather;
    p.fraction = NAN;
    if (total < NO_TICKET_LIMIT) p.fraction = fmin(1, (double)p.updates / (double)total);
    if (c->seconds > 0)
        p.fraction = fmax(hw__base_finite_double(p.fraction) ? p.fraction : 0, fmin(1, p.seconds / c->seconds));
    p.last = has_last ? &last : NULL;
    hw_status status = c->on_progress(c->context, &p);
    if (status != HW_OK) hw__fail(e, status, "the progress callback returned %d", status);
}

/* loss_sum, loss_count: of all steps before this run, or before it went on. */
static void await(hw_engine *e, double loss_sum, uint64_t loss_count)
{
    (void)pthread_mutex_lock(&e->done_mutex);
    while (e->done < e->threads) {
        if (!e->config.on_progress) {
            (void)pthread_cond_wait(&e->done_changed, &e->done_mutex);
            continue;
        }
        struct timespec until;
#if defined(__APPLE__)
        clock_gettime(CLOCK_REALTIME, &until);
#else
        clock_gettime(CLOCK_MONOTONIC, &until);
#endif
        until.tv_sec += e->config.progress_ms / 1000;
        until.tv_nsec += (long)(e->config.progress_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        if (pthread_cond_timedwait(&e->done_changed, &e->done_mutex, &until) != ETIMEDOUT) continue;
        if (e->done == e->threads) break;
        (void)pthread_mutex_unlock(&e->done_mutex);
        report_progress(e, &loss_sum, &loss_count);
        (void)pthread_mutex_lock(&e->done_mutex);
    }
    (void)pthread_mutex_unlock(&e->done_mutex);
}

hw_status hw_engine_run(hw_engine *e, hw_result *result)
{
    if (result) memset(result, 0, sizeof *result);
    hw_status status = e ? begin(e) : HW_E_ARGUMENT;
    if (status != HW_OK) {
        if (result) {
            result->status = status;
            (void)snprintf(result->message, sizeof result->message, "hw_engine_run: %s", hw_status_text(status));
        }
        return status;
    }
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    unsigned started = 0;
    double loss_sum;
    uint64_t loss_count;
    hw__losses(e, &loss_sum, &loss_count);
    for (; started < e->threads; started++) {
        char why[HW_WHY];
        hw_worker *w = thread_worker(e, started);
        int code = pthread_create(&w->thread, NULL, thread_main, w);
        if (code != 0) {
            hw__fail(e, HW_E_THREAD, "worker %u of %u could not be started: %s", started, e->threads, strerror(code));
            break;
        }
        if (e->config.pin && hw__thread_pin(w->thread, started, why) != HW_OK) hw__fail(e, HW_E_UNSUPPORTED, "%s", why);
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_mutex_lock(&e->done_mutex);
    e->done += e->threads - started;
    (void)pthread_mutex_unlock(&e->done_mutex);
    await(e, loss_sum, loss_count);
    for (unsigned i = 0; i < started; i++) (void)pthread_join(thread_worker(e, i)->thread, NULL);
    end(e);
    hw_engine_result(e, result);
    return e->run_status;
}

hw_status hw_engine_work(hw_engine *e, unsigned worker)
{
    if (!e || worker >= e->threads) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    hw_status status = HW_OK;
    if (e->config.pin) return HW_E_UNSUPPORTED; /* the caller's threads are the caller's to pin */
    (void)pthread_mutex_lock(&e->done_mutex);
    if (!e->running) status = begin(e);
    unsigned run = e->runs;
    (void)pthread_mutex_unlock(&e->done_mutex);
    if (status != HW_OK) return status;
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    work(thread_worker(e, worker));
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    /* The last one out ends the run; all leave together, so that nobody starts the next run early. */
    (void)pthread_mutex_lock(&e->done_mutex);
    if (++e->done == e->threads) {
        end(e);
        e->runs++;
        (void)pthread_cond_broadcast(&e->done_changed);
    } else {
        while (e->runs == run) (void)pthread_cond_wait(&e->done_changed, &e->done_mutex);
    }
    status = e->run_status;
    (void)pthread_mutex_unlock(&e->done_mutex);
    return status;
}

void hw_engine_result(hw_engine *e, hw_result *r)
{
    if (!r) return;
    memset(r, 0, sizeof *r);
    r->reason = (hw_stop_reason)hw__flags_stopped(&e->latch);
    r->updates = hw_params_clock(e->params) - e->first_update;
    r->good_update = e->good_update - e->first_update;
    uint64_t looked_at = 0, collided = 0;
    for (unsigned i = 0; i < e->members; i++) {
        r->examples += hw__counter_get(&e->worker[i].examples);
        r->clipped += hw__counter_get(&e->worker[i].clipped);
        r->skipped += hw__counter_get(&e->worker[i].skipped);
        r->fused += hw__counter_get(&e->worker[i].fused);
        r->exchanges += hw__counter_get(&e->worker[i].exchanges);
        looked_at += hw__counter_get(&e->worker[i].looked_at);
        collided += hw__counter_get(&e->worker[i].collided);
    }
    r->exchange_interval = e->exchanges ? e->worker[0].exchange_every : 1;
    r->collisions = looked_at ? (double)collided / (double)looked_at : NAN;
    uint64_t limit = hw__counter_get(&e->ticket_limit), tickets = hw__counter_get(&e->tickets);
    r->tickets = (tickets < limit ? tickets : limit) - e->first_ticket;
    r->epochs = e->objective.examples ? (double)r->examples / (double)e->objective.examples : 0;
    r->seconds = hw__seconds(e);
    r->evaluation_seconds = (double)e->evaluation_ns * 1e-9;
    r->preparation_seconds = (double)e->preparation_ns * 1e-9;
    r->curvature = e->curvature;
    double smooth = 0;
    unsigned with = 0;
    for (unsigned i = 0; i < e->members; i++) {
        if (!e->worker[i].loss_steps) continue;
        smooth += e->worker[i].smooth_loss;
        with++;
    }
    r->train_loss = with ? smooth / with : NAN;
    if (e->has_last) r->last = e->last;
    r->seconds_to_target = e->seconds_to_target;
    r->updates_to_target = e->updates_to_target;
    hw_histogram_clear(&e->merged);
    hw_staleness_merge(e->staleness, HW_HISTOGRAM_STALENESS, &e->merged);
    hw_shape_of(&e->merged, &r->shape);
    hw_staleness_work(e->staleness, &r->work);
    r->setting = e->setting;
    r->virtual_time = hw__simulated_time(e);
    if (hw__flags_failed(&e->latch)) {
        r->status = e->latch.code;
        r->reason = HW_STOP_ERROR;
        char advice[HW_WHY] = "";
        if (r->status == HW_E_DIVERGED && e->slots > 1 && e->curvature > 0 &&
            hw_advise_run(&e->config.compensation, e->config.optimizer.momentum, e->config.optimizer.schedule.base,
                          e->slots, e->curvature, advice, sizeof advice))
            advice[0] = 0;
        (void)snprintf(r->message, sizeof r->message, "training stopped at update %llu: %s%s%llu are kept%s%.200s",
                       (unsigned long long)r->updates, e->latch.sentence, "; the parameters of update ",
                       (unsigned long long)r->good_update, *advice ? "; " : "", advice);
    } else if (r->reason == HW_STOP_NONE) {
        r->reason = HW_STOP_UPDATES;
    }
}

hw_status hw_train(const hw_objective *objective, const hw_config *config, float *params, hw_result *result)
{
    hw_engine *e;
    char why[HW_WHY] = "";
    if (result) memset(result, 0, sizeof *result);
    hw_status status = hw_engine_create(&e, objective, config, params, why);
    if (status != HW_OK) {
        if (result) {
            result->status = status;
            (void)snprintf(result->message, sizeof result->message, "%s", why);
        }
        return status;
    }
    status = hw_engine_run(e, result);
    if (params && e->process == getpid() && (status != HW_OK || hw_engine_average(e, params) != HW_OK))
        (void)hw_engine_get(e, params);
    hw_engine_free(e);
    return status;
}
