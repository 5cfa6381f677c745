/* callbacks.c - the caller's callbacks: those about the whole job are made on rank 0, in the job's numbers; whatever of
 * them ends the run well ends it on all ranks. */
#include "job.h"
#include <math.h>

static hw_status heed(hw_mpi_job *job, hw_status status)
{
    if (status != HW_E_STOPPED) return status;
    job->wish = HW_STOP_CALLBACK;
    return HW_OK;
}

void hw__mpi_look_on(hw_mpi_job *job, double epoch)
{
    const hw_histogram *h = hw__mpi_owner_staleness(job, false);
    const hw_setting *s = hw__mpi_owner_setting(job);
    (void)pthread_mutex_lock(&job->box.mutex);
    job->view.known = true;
    job->view.update = job->evaluated;
    job->view.epoch = epoch;
    job->view.staleness = h->total ? h->sum / (double)h->total : 0;
    job->view.has_setting = s != NULL;
    if (s) job->view.setting = *s;
    (void)pthread_mutex_unlock(&job->box.mutex);
}

void hw__mpi_evaluation(hw_mpi_job *job, hw_evaluation *e)
{
    (void)pthread_mutex_lock(&job->box.mutex);
    const hw__mpi_view v = job->view;
    (void)pthread_mutex_unlock(&job->box.mutex);
    if (job->mpi.scheduler != HW_MPI_ASYNC || !v.known) return;
    e->update = v.update;
    e->seconds += job->seconds_before;
    if (!isnan(v.epoch)) e->epoch = v.epoch;
    e->staleness = v.staleness;
    if (!v.has_setting) return;
    e->momentum = v.setting.momentum;
    e->ahead = v.setting.ahead;
    e->learning_rate *= v.setting.rate;
}

static hw_status on_evaluation(void *context, const hw_evaluation *evaluation)
{
    hw_mpi_job *job = context;
    return heed(job, job->asked.on_evaluation(job->asked.context, evaluation));
}

static hw_status on_epoch(void *context, uint64_t epoch)
{
    hw_mpi_job *job = context;
    return heed(job, job->asked.on_epoch(job->asked.context, epoch));
}

/* Counts are rank 0's own, so those of all are about so many times as much; the ranks are equally far in their data. */
static hw_status on_progress(void *context, const hw_progress *progress)
{
    hw_mpi_job *job = context;
    hw_progress p = *progress;
    hw_evaluation last;
    if (job->mpi.scheduler == HW_MPI_ASYNC) {
        const double times =
            job->mpi.data == HW_MPI_OWN ? job->objective_examples / (double)job->own_examples[0] : (double)job->ranks;
        p.updates = (uint64_t)(times * (double)p.updates + 0.5);
        p.examples = (uint64_t)(times * (double)p.examples + 0.5);
        p.examples_per_second *= times;
    }
    if (p.last) {
        last = *p.last;
        hw__mpi_evaluation(job, &last);
        p.last = &last;
        p.staleness = last.staleness;
    }
    return heed(job, job->asked.on_progress(job->asked.context, &p));
}

static void on_update(void *context, const hw_update_event *event)
{
    hw_mpi_job *job = context;
    job->asked.on_update(job->asked.context, event);
}

/* What the owners keep is in no engine's state. */
static hw_status on_capture(void *context, uint64_t update, const hw_state *state)
{
    hw_mpi_job *job = context;
    const float *velocity = hw__mpi_exchange_velocity(job);
    const uint64_t n = job->parameters, ranks = (uint64_t)job->ranks;
    if (job->mpi.scheduler == HW_MPI_ASYNC) {
        hw_status status = hw_state_copy(job->state, state);
        if (status == HW_OK && velocity) status = hw_state_put(job->state, "mpi.velocity", HW_F32, 1, &n, velocity);
        if (status == HW_OK) status = hw_state_put(job->state, "mpi.landed", HW_U64, 1, &ranks, job->landed);
        if (status == HW_OK) status = hw_state_put(job->state, "mpi.examples", HW_U64, 1, &ranks, job->examples);
        if (status == HW_OK) status = hw_state_put(job->state, "mpi.position", HW_U64, 1, &ranks, job->position);
        if (status == HW_OK) status = hw_state_put(job->state, "mpi.until_evaluation", HW_U64, 1, &ranks, job->until);
        if (status == HW_OK && job->mpi.data == HW_MPI_OWN)
            status = hw_state_put(job->state, "mpi.own_examples", HW_U64, 1, &ranks, job->own_examples);
        if (status != HW_OK) return status;
        state = job->state;
        update = 0;
        for (uint64_t r = 0; r < ranks; r++) update += job->landed[r];
        if (update == job->captures.at) return HW_OK; /* the last one was of the end already */
        job->captures.at = update;
    }
    if (job->asked.on_capture) return heed(job, job->asked.on_capture(job->asked.context, update, state));
    return heed(job, job->asked.on_checkpoint(job->asked.context, state));
}

/* On other ranks its meeting is what counts. */
static hw_status no_capture(void *context, uint64_t update, const hw_state *state)
{
    (void)context, (void)update, (void)state;
    return HW_OK;
}

void hw__mpi_callbacks(hw_mpi_job *job, hw_config *c)
{
    bool speaks = job->rank == 0, captures = c->on_checkpoint || c->on_capture;
    c->context = job;
    c->on_evaluation = speaks && c->on_evaluation ? on_evaluation : NULL;
    c->on_epoch = speaks && c->on_epoch ? on_epoch : NULL;
    c->on_progress = speaks && c->on_progress ? on_progress : NULL;
    c->on_update = c->on_update ? on_update : NULL;
    c->on_checkpoint = NULL;
    c->on_capture = !captures ? NULL : speaks ? on_capture : no_capture;
}
