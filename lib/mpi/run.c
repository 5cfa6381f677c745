/* run.c - one run: the engine's in a thread of its own, and here, in the caller's, all that has to do with MPI, until
 * all ranks have come to their end. */
#include "job.h"
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *train(void *context)
{
    hw_mpi_job *job = context;
    (void)hw_engine_run(job->engine, &job->result);
    hw__mpi_done(&job->box);
    return NULL;
}

static bool asynchronous(const hw_mpi_job *job)
{
    return job->mpi.scheduler == HW_MPI_ASYNC;
}

static void stop(hw_mpi_job *job, hw_stop_reason reason)
{
    if (job->reason == HW_STOP_NONE) job->reason = reason;
    if (!asynchronous(job)) return; /* the next sum tells all */
    if (!job->told) hw__mpi_tell(job, reason);
    job->told = true;
    hw__mpi_stop_engine(job);
}

/* Whether the caller wants an end: by flag or callback anywhere, by time on rank 0, whose clock stands while it waits
 * for others at its end. */
static void watch(hw_mpi_job *job, const hw__mpi_request *r)
{
    const hw_config *c = &job->asked;
    const bool ends = r && r->kind == HW__MPI_FINAL;
    if (job->reason != HW_STOP_NONE) return;
    if (c->stop_flag && *c->stop_flag) stop(job, HW_STOP_ASKED);
    if (job->wish) stop(job, (hw_stop_reason)job->wish);
    /* Whoever has stopped this rank alone means all of them. */
    if (ends && (r->meeting->reason == HW_STOP_ASKED || r->meeting->reason == HW_STOP_CALLBACK))
        stop(job, r->meeting->reason);
    const bool timed = asynchronous(job) && c->checkpoint_seconds > 0;
    if (job->rank != 0 || !(c->seconds > 0 || timed) || hw_now() - job->watched < 1000000) return;
    hw_progress p;
    job->watched = hw_now();
    if (hw_engine_progress(job->engine, &p, NULL) != HW_OK) return;
    const double waits = ends ? (double)(job->watched - job->box.since) * 1e-9 : 0;
    if (c->seconds > 0 && p.seconds + waits >= c->seconds)
        stop(job, HW_STOP_SECONDS);
    else if (timed && !r)
        hw__mpi_captures_watch(job, p.seconds);
}

static uint64_t parameters_hash(hw_mpi_job *job)
{
    float *x = job->scratch;
    if (hw_engine_peek(job->engine, x, NULL) != HW_OK) return 0;
    return hw__mpi_hash(x, job->parameters * sizeof *x);
}

static void fill_header(hw_mpi_job *job, const hw__mpi_request *r)
{
    hw__mpi_header *h = &job->own;
    hw_progress p;
    memset(h, 0, sizeof *h);
    h->kind = r ? (int)r->kind : job->result.status == HW_OK ? HW__MPI_END : HW__MPI_FAIL;
    h->stop = (int)job->reason;
    h->told = job->words.said;
    if (job->failed != HW_OK) { /* a fault that was found here, whatever the engine is at */
        h->kind = HW__MPI_FAIL;
        h->status = job->failed;
    } else if (h->kind == HW__MPI_FAIL) {
        h->status = job->result.status;
        (void)snprintf(job->why, sizeof job->why, "%.250s", job->result.message);
    }
    if (hw_engine_progress(job->engine, &p, NULL) == HW_OK) {
        h->landed = p.updates;
        h->examples = p.examples + (uint64_t)job->examples_before;
    }
    h->position = hw_engine_position(job->engine);
    h->until = hw_engine_until_evaluation(job->engine);
    h->asked = job->captures.asked;
    if (asynchronous(job)) h->landed = hw__mpi_exchange_pushed(job) + (uint64_t)job->landed_before;
    if (r && r->kind == HW__MPI_SUM) {
        h->loss = *r->loss;
        h->raw = *r->raw;
    }
    if (r && r->kind == HW__MPI_SUMS && !asynchronous(job)) h->hash = parameters_hash(job);
}

/* How long to look away, in microseconds: a twentieth of the time between exchanges, or half of that while one is under
 * way, since a large message comes in parts, each of which goes on when it is looked at, on both sides. Looking more
 * often takes the workers' core. */
static uint64_t moment_of(const hw_mpi_job *job)
{
    enum { SHORTEST = 50, LONGEST = 500 };
    const unsigned looks = hw__mpi_exchange_quiet(job) ? 20 : 40;
    const uint64_t since = (hw_now() - job->began_ns) / 1000, each = since / (job->here.exchanges + 1) / looks;
    return each < SHORTEST ? SHORTEST : each > LONGEST ? LONGEST : each;
}

/* Others' processes may need this core. */
static void rest(hw_mpi_job *job, unsigned idle, bool waits)
{
    bool done;
    if (waits) { /* for other ranks, and no worker here needs the core */
        const struct timespec moment = {0, 50000};
        if (idle < 200)
            (void)sched_yield();
        else
            (void)nanosleep(&moment, NULL);
        return;
    }
    (void)hw__mpi_look(&job->box, asynchronous(job) ? moment_of(job) : UINT64_MAX, &done);
}

/* hw_engine_run clears a stop that came before it, so the engine is told until it has ended. */
static void end_engine(hw_mpi_job *job)
{
    for (bool done = false; !done;) {
        hw__mpi_stop_engine(job);
        (void)hw__mpi_look(&job->box, 1000, &done);
    }
}

/* Whether this rank brings nothing more before all have met. */
static bool is_out(hw_mpi_job *job, const hw__mpi_request *r, bool ended_badly)
{
    if (ended_badly) return hw__mpi_exchange_quiet(job);
    return r && r->kind != HW__MPI_SUMS && hw__mpi_exchange_flushed(job);
}

/* Whether this rank comes to a round now: with nothing of its own under way, but where a fault has been found, after
 * which nothing may come any more. */
static bool comes(hw_mpi_job *job, const hw__mpi_request *r, bool done)
{
    if (job->failed != HW_OK) return true;
    if (!r && !done) return false;
    if (!asynchronous(job) || (r && r->kind == HW__MPI_SUMS)) return true;
    return r ? hw__mpi_exchange_flushed(job) : hw__mpi_exchange_quiet(job);
}

static void serve(hw_mpi_job *job)
{
    job->began_ns = hw_now();
    for (unsigned idle = 0; !job->broken; idle++) {
        bool done = false, happened = false;
        hw__mpi_request *r = hw__mpi_look(&job->box, 0, &done);
        const bool ended_badly = job->failed != HW_OK || (done && job->result.status != HW_OK);
        if (!done && job->failed == HW_OK) watch(job, r);
        if (!done && asynchronous(job) && job->failed == HW_OK && job->reason == HW_STOP_NONE)
            hw__mpi_captures_ask(job, r);
        if (asynchronous(job)) {
            if (ended_badly) stop(job, HW_STOP_ERROR);
            happened = hw__mpi_exchange_step(job, ended_badly ? HW__MPI_SERVE : r || done ? HW__MPI_FLUSH : HW__MPI_GO);
            if (job->gather && is_out(job, r, ended_badly)) hw__mpi_gather_out(job);
        }
        if (job->in_round && hw__mpi_round_over(job)) {
            if (job->broken || hw__mpi_round_resolve(job, r)) break;
            happened = true;
        } else if (!job->in_round && comes(job, r, done)) {
            fill_header(job, r);
            happened = hw__mpi_round_begin(job);
        }
        /* hw_engine_run clears a stop that came before it. */
        if (asynchronous(job) && job->reason != HW_STOP_NONE && !r && !done) hw__mpi_stop_engine(job);
        if (happened)
            idle = 0;
        else
            rest(job, idle, r || done || job->failed != HW_OK || hw_engine_idle(job->engine));
    }
    if (job->failed == HW_OK) return;
    hw__mpi_close(&job->box, job->failed, job->why);
    end_engine(job);
}

/* Rank 0's engine estimates the curvature before its workers begin; the others' begin when the owners know it. */
static bool prepare(hw_mpi_job *job, bool runs)
{
    hw_progress p;
    bool done = false;
    while (runs && job->rank == 0 && !done && hw_engine_progress(job->engine, &p, NULL) != HW_OK)
        (void)hw__mpi_look(&job->box, 1000, &done);
    if (job->peers.probes) (void)hw_engine_curvature(job->engine, NULL, NULL, 0, &job->curvature);
    if (!hw__mpi_good(job, MPI_Bcast(&job->curvature, 1, MPI_DOUBLE, 0, job->comm), "MPI_Bcast")) return false;
    hw__mpi_owner_curvature(job, job->curvature);
    hw__mpi_rate_begin(job);
    return true;
}

static hw_status begin(hw_mpi_job *job, hw_engine *engine, char *why)
{
    hw_status status = job->ran ? hw__mpi_fail(why, HW_E_STATE, "hw_mpi_run: this job has run already")
                       : engine ? HW_OK
                                : hw__mpi_fail(why, HW_E_ARGUMENT, "hw_mpi_run: the engine is NULL");
    job->ran = true;
    job->engine = engine;
    if (status == HW_OK && hw_engine_peers(engine) != job) status = HW_E_ARGUMENT;
    if (status != HW_OK && !*why)
        status = hw__mpi_fail(why, status, "hw_mpi_run: the engine was not created with this job's configuration");
    status = hw__mpi_agree(job, status, why);
    if (status != HW_OK) return status;
    uint64_t own[2], most[2];
    own[0] = parameters_hash(job);
    own[1] = ~own[0];
    if (!hw__mpi_good(job, MPI_Allreduce(own, most, 2, MPI_UINT64_T, MPI_MAX, job->comm), "MPI_Allreduce"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (most[0] != ~most[1])
        return hw__mpi_fail(why, HW_E_ARGUMENT, "hw_mpi_run: the ranks begin with different parameters");
    if (asynchronous(job) && !hw__mpi_exchange_begin(job)) return hw__mpi_fail(why, job->failed, "%s", job->why);
    return HW_OK;
}

/* Counts of all ranks into the result of each; the slowest one's time. What a restored engine counts of the run before
 * is rank 0's. */
static void add_up(hw_mpi_job *job, hw_result *r)
{
    const hw_result none = {0}, *before = job->rank ? &job->before : &none;
    uint64_t counts[] = {r->updates + (uint64_t)job->landed_before,
                         r->examples + (uint64_t)job->examples_before,
                         r->tickets - before->tickets,
                         r->clipped - before->clipped,
                         r->skipped - before->skipped,
                         r->swept - before->swept,
                         job->here.exchanges};
    enum { COUNTS = sizeof counts / sizeof *counts };
    if (!hw__mpi_good(job, MPI_Allreduce(MPI_IN_PLACE, &r->seconds, 1, MPI_DOUBLE, MPI_MAX, job->comm),
                      "MPI_Allreduce"))
        return;
    r->seconds += job->seconds_before;
    if (!asynchronous(job)) return;
    if (!hw__mpi_good(job, MPI_Allreduce(MPI_IN_PLACE, counts, COUNTS, MPI_UINT64_T, MPI_SUM, job->comm),
                      "MPI_Allreduce"))
        return;
    r->updates = counts[0];
    r->examples = counts[1];
    r->tickets = counts[2];
    r->clipped = counts[3];
    r->skipped = counts[4];
    r->swept = counts[5];
    r->exchanges = counts[6];
    if (job->objective_examples > 0) r->epochs = (double)r->examples / job->objective_examples;
}

static void report(hw_mpi_job *job)
{
    hw_mpi_rank *here = &job->here;
    hw_result *r = &job->result;
    int bytes = (int)sizeof *here;
    (void)gethostname(here->host, sizeof here->host - 1);
    here->threads = hw_engine_threads(job->engine);
    here->updates = r->updates + (uint64_t)(job->anew ? 0 : job->landed_before);
    here->seconds = r->seconds;
    here->waited += hw_engine_awaited(job->engine);
    if (asynchronous(job)) {
        hw_staleness_summary s;
        const hw_setting *setting = hw__mpi_owner_setting(job);
        hw_staleness_summarize(hw__mpi_owner_staleness(job, true), &s);
        here->staleness = s.mean;
        here->stalest = (uint64_t)s.largest;
        hw_staleness_summarize(hw__mpi_owner_staleness(job, false), &r->staleness);
        if (r->last.update) hw__mpi_evaluation(job, &r->last);
        if (setting) r->setting = *setting;
        if (!hw__mpi_pairs_gather(job)) return;
    }
    if (!hw__mpi_good(job, MPI_Gather(here, bytes, MPI_BYTE, job->each, bytes, MPI_BYTE, 0, job->comm), "MPI_Gather"))
        return;
    add_up(job, r);
    if (r->status == HW_OK && asynchronous(job)) r->good_update = r->updates;
}

static void fail(hw_mpi_job *job, hw_status status, const char *why)
{
    job->result.status = status;
    job->result.reason = HW_STOP_ERROR;
    (void)snprintf(job->result.message, sizeof job->result.message, "%s", why);
}

/* One rank has nobody to talk to. */
static hw_status run_alone(hw_mpi_job *job, hw_engine *engine, hw_result *result)
{
    hw_mpi_rank *here = &job->here;
    if (job->ran || !engine) {
        fail(job, engine ? HW_E_STATE : HW_E_ARGUMENT,
             engine ? "hw_mpi_run: this job has run already" : "hw_mpi_run: the engine is NULL");
    } else {
        job->ran = true;
        job->engine = engine;
        (void)hw_engine_run(engine, &job->result);
        (void)gethostname(here->host, sizeof here->host - 1);
        here->threads = hw_engine_threads(engine);
        here->updates = job->result.updates;
        here->seconds = job->result.seconds;
        job->each[0] = *here;
    }
    if (result) *result = job->result;
    return job->result.status;
}

hw_status hw_mpi_run(hw_mpi_job *job, hw_engine *engine, hw_result *result)
{
    char why[HW_WHY] = "";
    if (result) memset(result, 0, sizeof *result);
    if (!job) return HW_E_ARGUMENT;
    if (job->ranks == 1) return run_alone(job, engine, result);
    hw_status status = begin(job, engine, why);
    pthread_t thread;
    sigset_t all, old;
    int code = 0;
    bool told = true;
    if (status == HW_OK) { /* signals are for the caller's threads */
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        if (asynchronous(job)) (void)hw_engine_allow(engine, 0);
        if (asynchronous(job) && job->rank != 0) told = prepare(job, true);
        code = pthread_create(&thread, NULL, train, job);
        if (asynchronous(job) && job->rank == 0) told = prepare(job, code == 0);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (code != 0) status = hw__mpi_fail(why, HW_E_THREAD, "hw_mpi_run: a thread could not be started");
        if (!told) status = hw__mpi_fail(why, job->failed, "%s", job->why);
        status = hw__mpi_agree(job, status, why);
        if (status != HW_OK && code == 0) { /* another rank's: nobody will answer */
            hw__mpi_close(&job->box, status, why);
            end_engine(job);
        }
        if (status == HW_OK && asynchronous(job)) hw__mpi_exchange_allow(job);
        if (status == HW_OK) serve(job);
        if (code == 0) (void)pthread_join(thread, NULL);
    }
    if (status != HW_OK) {
        fail(job, status, why);
    } else {
        bool ended_well = job->result.status == HW_OK;
        if (!job->broken) report(job);
        if (job->failed != HW_OK && (ended_well || job->broken)) fail(job, job->failed, job->why);
        if (job->result.status == HW_OK && job->result.reason == HW_STOP_ASKED && job->reason != HW_STOP_NONE)
            job->result.reason = job->reason;
    }
    hw__mpi_exchange_end(job);
    /* The last parameters that all ranks had. */
    if (asynchronous(job) && job->result.status != HW_OK) hw__mpi_exchange_fall_back(job);
    if (result) *result = job->result;
    return job->result.status;
}
