/* run.c - between start and stop: threads, waiting, progress, the result. Nothing here allocates. */
#include "../base/thread.h"
#include "../step/ages.h"
#include "../step/peers.h"
#include "engine.h"
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
    hw__counter_set(&w->by_sweep, 0);
    hw__counter_set(&w->exchanges, 0);
    hw__counter_set(&w->collided, 0);
    hw__counter_set(&w->looked_at, 0);
    w->since = 0;
    w->exchange_every = 0;
    w->exchange_times = (hw__exchange_times){0, 0};
    w->loss_steps = 0;
    w->in_row = 0;
    w->first_loss = w->smooth_loss = 0;
    w->ticket_end = 0;
    w->unmeasured = 0;
    w->has_sentence = false;
    w->version = UINT32_MAX;
}

/* A run from its start: everything that is counted is counted from here. */
static void begin_new(hw_engine *e)
{
    const hw_config *c = &e->config;
    for (unsigned i = 0; i < e->crew.members; i++) reset_worker(e->worker + i);
    uint64_t landed = hw_params_clock(e->params), tickets = hw__tickets_handed(e);
    hw__counter_set(&e->tickets.taken, tickets);
    e->tickets.first = tickets;
    hw__counter_set(&e->tickets.limit, tickets + hw__tickets_limit(e));
    e->first_update = landed;
    hw__counter_set(&e->tickets.further, 0);
    hw__counter_set(&e->average.count, 0);
    hw__ages_adopt(e, NULL);
    hw__counter_set(&e->due.average, e->average.mean ? hw__due_average(e) : UINT64_MAX);
    if (e->average.mean) memset(e->average.mean, 0, e->objective.parameters * sizeof *e->average.mean);
    hw__counter_set(&e->due.keep, e->kept.every ? landed + e->kept.every : UINT64_MAX);
    hw__counter_set(&e->due.epoch,
                    c->on_epoch && e->objective.examples ? landed + e->tickets.updates_per_epoch : UINT64_MAX);
    hw__counter_set(&e->due.evaluation, e->objective.evaluate ? hw__evaluate_next(e, landed) : UINT64_MAX);
    hw__counter_set(&e->losses.first_sum, 0);
    hw__counter_set(&e->losses.first_count, 0);
    hw__counter_set(&e->losses.first, 0);
    e->kept.candidate = 0;
    hw__counter_set(&e->due.window,
                    e->curvature.follow ? hw__due_window(e, landed) : landed + hw__due_updates_of_window(e));
    e->times.evaluation = e->times.preparation = 0;
    e->evaluation.mark.loss_before = 0;
    e->evaluation.mark.losses_before = 0;
    (void)pthread_mutex_lock(&e->pause.mutex);
    e->evaluation.mark.has_last = false;
    (void)pthread_mutex_unlock(&e->pause.mutex);
    e->evaluation.mark.seconds_to_target = NAN;
    e->evaluation.mark.updates_to_target = 0;
    e->evaluation.log.count = e->settings.log.count = 0;
    e->settings.number = e->settings.replayed = 0;
    hw__layers_begin(e);
    hw__curvature_estimate(e);
    hw__recovery_begin(e);
    hw__rest_begin(e);
    hw__periodic_setting(e, true);
    hw_params_get(e->params, 0, e->kept.x[0]);
    e->kept.good = 0;
    e->kept.good_update = landed;
}

/* No user's code runs under the mutex: a callback may ask, too. */
static void running(hw_engine *e, bool now, bool own_threads)
{
    (void)pthread_mutex_lock(&e->run.asking);
    e->run.begun = true;
    e->run.running = now;
    e->run.own_threads = own_threads;
    (void)pthread_mutex_unlock(&e->run.asking);
}

static hw_status begin(hw_engine *e, bool own_threads)
{
    if (e->process != getpid()) return HW_E_FORK;
    if (e->run.running) return HW_E_STATE;
    e->sentence[0] = 0;
    hw__flags_reset(&e->flags);
    hw__pause_reset(&e->pause, e->objective.evaluate || hw__peers_meets(e));
    hw__barrier_reset(&e->start);
    if (e->trace) hw__trace_recorder_reset(e->trace);
    e->run.done = 0;
    uint64_t trained = e->run.restored ? hw__times_trained(e) : 0;
    if (!e->run.restored) begin_new(e);
    hw__peers_begin(e);
    hw__rest_resume(e);
    if (e->scheduler->begin) e->scheduler->begin(e, e->run.restored);
    e->run.goes_on = e->run.restored;
    e->run.restored = e->evaluation.leaves_out = e->recovery.ended = false;
    e->captures.update = UINT64_MAX;
    (void)pthread_mutex_lock(&e->pause.mutex);
    e->times.end = 0;
    (void)pthread_mutex_unlock(&e->pause.mutex);
    hw__counter_set(&e->times.paused, 0);
    hw__counter_set(&e->times.begin, hw_now() - trained);
    hw__periodic_checkpoints(e, hw_params_clock(e->params));
    /* A run that had met its target was over, whatever else may end it. */
    bool met = hw__base_finite_double(e->evaluation.mark.seconds_to_target) && e->config.target != 0;
    if (e->run.goes_on && e->evaluation.mark.has_last &&
        (met || hw__evaluate_meets_target(e, &e->evaluation.mark.last)))
        hw__evaluate_target(e, &e->evaluation.mark.last);
    running(e, true, own_threads);
    return HW_OK;
}

static void end(hw_engine *e)
{
    (void)pthread_mutex_lock(&e->pause.mutex);
    if (!e->times.end) e->times.end = hw_now();
    (void)pthread_mutex_unlock(&e->pause.mutex);
    hw_params_get(e->params, 0, e->snapshot);
    bool finite = hw__base_all_finite(e->snapshot, e->objective.parameters);
    if (!finite && !hw__flags_failed(&e->flags)) hw__fail(e, HW_E_DIVERGED, "a parameter stopped being finite");
    e->kept.good_update = finite && !(hw__flags_failed(&e->flags) && e->flags.code == HW_E_DIVERGED)
                              ? hw_params_clock(e->params)
                              : e->kept.good_update;
    if (!finite || (hw__flags_failed(&e->flags) && e->flags.code == HW_E_DIVERGED)) hw__recovery_fall_back(e);
    /* A sampled clock's last updates stand with the last measured one, so the histogram's sum is the updates. */
    for (unsigned i = 0; i < e->crew.members; i++) {
        hw_worker *w = e->worker + i;
        if (e->config.record && w->unmeasured)
            hw_staleness_record(e->staleness, w->recorder, &w->observed, w->unmeasured);
        w->unmeasured = 0;
    }
    if (!hw__flags_failed(&e->flags)) hw__periodic_epochs(e, hw_params_clock(e->params));
    e->run.status = hw__flags_failed(&e->flags) ? e->flags.code : HW_OK;
    if (e->run.status != HW_OK) (void)snprintf(e->sentence, sizeof e->sentence, "%s", e->flags.sentence);
    running(e, false, false);
}

static void work(hw_worker *w)
{
    hw_engine *e = w->engine;
    hw__thread_state state;
    hw__thread_enter(e, &state);
    if (hw__barrier_wait(&e->start)) {
        e->scheduler->loop(w);
        (void)hw__park(w, HW__PARK_FINISH);
    }
    hw__thread_leave(&state);
}

static hw_worker *thread_worker(hw_engine *e, unsigned i)
{
    return e->scheduler->worker ? e->scheduler->worker(e, i) : e->worker + i;
}

static void *thread_main(void *context)
{
    hw_worker *w = context;
    hw_engine *e = w->engine;
    hw__pin(e, w->id);
    hw__blas_held blas = hw__blas_hold(e->objective.blas);
    work(w);
    hw__blas_unhold(&blas);
    (void)pthread_mutex_lock(&e->run.mutex);
    e->run.done++;
    (void)pthread_mutex_unlock(&e->run.mutex);
    (void)pthread_cond_signal(&e->run.changed);
    return NULL;
}

/* What a run has come to, with the mean loss of the steps since *loss_sum, *loss_count, which are moved on. */
static void report_progress(hw_engine *e, double *loss_sum, uint64_t *loss_count)
{
    hw_progress p;
    hw_evaluation last;
    double sum;
    uint64_t count;
    hw__progress_of(e, &p, &last);
    hw__losses_sum(e, &sum, &count);
    /* A return takes the losses of an explosion back. */
    if (sum < *loss_sum) *loss_sum = sum;
    p.train_loss = count > *loss_count ? (sum - *loss_sum) / (double)(count - *loss_count) : NAN;
    if (count > *loss_count) {
        *loss_sum = sum;
        *loss_count = count;
    }
    hw_status status = e->config.on_progress(e->config.context, &p);
    if (status != HW_OK) hw__fail(e, status, "the progress callback returned %d", status);
}

/* In the clock of run.changed. */
static struct timespec after_ms(unsigned ms)
{
    struct timespec until;
#if defined(__APPLE__)
    clock_gettime(CLOCK_REALTIME, &until);
#else
    clock_gettime(CLOCK_MONOTONIC, &until);
#endif
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

/* loss_sum, loss_count: of all steps before this run, or before it went on. */
static void await(hw_engine *e, double loss_sum, uint64_t loss_count)
{
    (void)pthread_mutex_lock(&e->run.mutex);
    while (e->run.done < e->crew.threads) {
        if (!e->config.on_progress) {
            (void)pthread_cond_wait(&e->run.changed, &e->run.mutex);
            continue;
        }
        struct timespec until = after_ms(e->config.progress_ms);
        if (pthread_cond_timedwait(&e->run.changed, &e->run.mutex, &until) != ETIMEDOUT) continue;
        if (e->run.done == e->crew.threads) break;
        (void)pthread_mutex_unlock(&e->run.mutex);
        report_progress(e, &loss_sum, &loss_count);
        (void)pthread_mutex_lock(&e->run.mutex);
    }
    (void)pthread_mutex_unlock(&e->run.mutex);
}

hw_status hw_engine_run(hw_engine *e, hw_result *result)
{
    if (result) memset(result, 0, sizeof *result);
    hw__blas_held blas = hw__blas_hold(e && e->objective.blas); /* begin computes gradients; workers hold it, too */
    hw_status status = e ? begin(e, true) : HW_E_ARGUMENT;
    if (status == HW_E_STATE) hw__base_fail(e->sentence, status, "hw_engine_run: the engine is running already");
    if (status != HW_OK) {
        if (result) {
            result->status = status;
            (void)snprintf(result->message, sizeof result->message, "hw_engine_run: %s", hw_status_text(status));
        }
        hw__blas_unhold(&blas);
        return status;
    }
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    unsigned started = 0;
    double loss_sum;
    uint64_t loss_count;
    hw__losses_sum(e, &loss_sum, &loss_count);
    for (; started < e->crew.threads; started++) {
        hw_worker *w = thread_worker(e, started);
        int code = hw__base_start_thread(&w->thread, thread_main, w);
        if (code != 0) {
            hw__fail(e, HW_E_THREAD, "worker %u of %u could not be started: %s", started, e->crew.threads,
                     strerror(code));
            break;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void)pthread_mutex_lock(&e->run.mutex);
    e->run.done += e->crew.threads - started;
    (void)pthread_mutex_unlock(&e->run.mutex);
    await(e, loss_sum, loss_count);
    for (unsigned i = 0; i < started; i++) (void)pthread_join(thread_worker(e, i)->thread, NULL);
    end(e);
    hw__blas_unhold(&blas);
    hw_engine_result(e, result);
    return e->run.status;
}

/* A run by hw_engine_run's own threads is under way. */
static bool others_work(hw_engine *e)
{
    (void)pthread_mutex_lock(&e->run.asking);
    bool others = e->run.running && e->run.own_threads;
    (void)pthread_mutex_unlock(&e->run.asking);
    return others;
}

enum { GRACE = 50 }; /* times 20 ms: threads that are only late are waited for */

/* run.mutex is held. Whether all threads of a pool have come; not where the run is to stop before: whoever is there
 * would wait for a thread that could not be started, and a signal handler that asks for the stop can wake nobody. A run
 * that is over as it begins (its target has been met) still waits for all. */
static bool all_come(hw_engine *e)
{
    bool over = hw__flags_stopped(&e->flags) == HW_STOP_TARGET;
    unsigned asked = 0;
    e->run.arrived++;
    (void)pthread_cond_broadcast(&e->run.changed);
    while (e->run.arrived < e->crew.threads && !e->run.released) {
        struct timespec until = after_ms(20);
        (void)pthread_cond_timedwait(&e->run.changed, &e->run.mutex, &until);
        hw__times_poll_stop(e);
        if (!over && hw__flags_stopped(&e->flags) && ++asked > GRACE) e->run.released = true;
    }
    return !e->run.released;
}

hw_status hw_engine_work(hw_engine *e, unsigned worker)
{
    if (!e || worker >= e->crew.threads) return HW_E_ARGUMENT;
    if (e->process != getpid()) return HW_E_FORK;
    hw_status status = HW_OK;
    if (e->config.pin) return HW_E_UNSUPPORTED; /* the caller's threads are the caller's to pin */
    hw__blas_held blas = hw__blas_hold(e->objective.blas);
    (void)pthread_mutex_lock(&e->run.mutex);
    if (others_work(e))
        status = HW_E_STATE;
    else if (!e->run.running)
        status = begin(e, false);
    unsigned run = e->run.count;
    bool complete = status == HW_OK && all_come(e);
    (void)pthread_mutex_unlock(&e->run.mutex);
    if (status != HW_OK) {
        hw__blas_unhold(&blas);
        return status;
    }
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    if (complete) work(thread_worker(e, worker));
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    /* The last one out ends the run; all leave together, so that nobody starts the next run early. */
    (void)pthread_mutex_lock(&e->run.mutex);
    if (++e->run.done == e->run.arrived) {
        bool released = e->run.released;
        e->run.arrived = 0;
        e->run.released = false;
        end(e);
        if (released) e->run.restored = e->run.goes_on; /* nothing has been trained: the next run goes on there */
        e->run.count++;
        (void)pthread_cond_broadcast(&e->run.changed);
    } else {
        while (e->run.count == run) (void)pthread_cond_wait(&e->run.changed, &e->run.mutex);
    }
    status = e->run.status;
    (void)pthread_mutex_unlock(&e->run.mutex);
    hw__blas_unhold(&blas);
    return status;
}
