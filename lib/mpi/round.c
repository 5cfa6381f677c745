/* round.c - all ranks say what they have come for, and each does what follows from all of it, so that nobody waits for
 * a rank that does something else. A rank comes when one of its workers has asked for something, or its run is over. */
#include "job.h"
#include <math.h>
#include <string.h>

bool hw__mpi_round_begin(hw_mpi_job *job)
{
    int bytes = (int)sizeof job->own;
    job->in_round =
        hw__mpi_good(job, MPI_Iallgather(&job->own, bytes, MPI_BYTE, job->all, bytes, MPI_BYTE, job->comm, &job->round),
                     "MPI_Iallgather");
    return job->in_round;
}

bool hw__mpi_round_over(hw_mpi_job *job)
{
    int over = 0;
    if (!hw__mpi_good(job, MPI_Test(&job->round, &over, MPI_STATUS_IGNORE), "MPI_Test")) return true;
    if (over) job->in_round = false;
    return over;
}

static void answer(hw_mpi_job *job, hw__mpi_request *request, hw_status status, const char *why)
{
    request->status = status;
    (void)snprintf(request->why, sizeof request->why, "%s", why);
    job->here.waited += (double)(hw_now() - job->box.since) * 1e-9;
    hw__mpi_answer(&job->box);
}

/* Words that others have sent before they came here. */
static bool take_words(hw_mpi_job *job)
{
    uint64_t told = 0;
    for (int k = 0; k < job->ranks; k++)
        if (k != job->rank) told += job->all[k].told;
    return !job->exchange || hw__mpi_words_wait(job, told);
}

/* Everybody's run ends with what the first of those says whose run has failed. */
static void fail_all(hw_mpi_job *job)
{
    int first = 0, status;
    char text[HW_WHY] = "", told[HW_WHY];
    while (job->all[first].kind != HW__MPI_FAIL) first++;
    status = job->all[first].status;
    if (first == job->rank) memcpy(text, job->why, HW_WHY);
    if (!take_words(job) || !hw__mpi_gather_drop(job)) return;
    if (!hw__mpi_good(job, MPI_Bcast(text, HW_WHY, MPI_CHAR, first, job->comm), "MPI_Bcast")) return;
    (void)snprintf(told, sizeof told, "rank %d: %.230s", first, text);
    if (first != job->rank) {
        job->failed = status;
        memcpy(job->why, told, HW_WHY);
    }
    hw__mpi_close(&job->box, status, told);
}

/* A fault of ours, which would otherwise be waited for without end: all ranks see it in the same headers. */
static void out_of_step(hw_mpi_job *job, const unsigned *of)
{
    job->failed =
        hw__mpi_fail(job->why, HW_E_STATE,
                     "the ranks are out of step: %u sum gradients, %u sum an evaluation, %u meet before one, %u before "
                     "a capture, %u are at their end, %u have left",
                     of[HW__MPI_SUM], of[HW__MPI_SUMS], of[HW__MPI_EVALUATE], of[HW__MPI_CAPTURE], of[HW__MPI_FINAL],
                     of[HW__MPI_END]);
    hw__mpi_close(&job->box, job->failed, job->why);
}

static uint64_t landed(const hw_mpi_job *job)
{
    uint64_t sum = 0;
    for (int r = 0; r < job->ranks; r++) sum += job->all[r].landed;
    return sum;
}

/* NAN: rank 0's own are those of all. */
static double epochs(const hw_mpi_job *job)
{
    uint64_t sum = 0;
    for (int r = 0; r < job->ranks; r++) sum += job->all[r].examples;
    return job->mpi.data == HW_MPI_OWN ? (double)sum / job->objective_examples : NAN;
}

/* In step: whoever wants the run to stop, all stop after this update. */
static void sum_gradient(hw_mpi_job *job, hw__mpi_request *r)
{
    bool stop = false, mixed = false;
    *r->loss = 0;
    *r->raw = -1;
    for (int k = 0; k < job->ranks; k++) {
        const hw__mpi_header *h = job->all + k;
        *r->loss += h->loss;
        if (h->raw >= 0 && *r->raw >= 0 && h->raw != *r->raw) mixed = true;
        if (h->raw > *r->raw) *r->raw = h->raw;
        if (h->stop && job->reason == HW_STOP_NONE) job->reason = (hw_stop_reason)h->stop;
        stop = stop || h->stop;
        if (h->landed != job->all[0].landed) {
            hw__mpi_fail(job->why, HW_E_STATE, "rank %d is at update %llu, rank 0 at %llu", k,
                         (unsigned long long)h->landed, (unsigned long long)job->all[0].landed);
            job->failed = HW_E_STATE;
            hw__mpi_close(&job->box, job->failed, job->why);
            return;
        }
    }
    if (mixed) {
        job->failed =
            hw__mpi_fail(job->why, HW_E_CALLBACK, "in one update some ranks wrote gradients and others raw deltas");
        hw__mpi_close(&job->box, job->failed, job->why);
        return;
    }
    if (stop) hw__mpi_stop_engine(job);
    if (hw__mpi_sum_floats(job, r->g)) answer(job, r, HW_OK, "");
}

static void sum_evaluation(hw_mpi_job *job, hw__mpi_request *r)
{
    for (int k = 1; k < job->ranks; k++)
        if (job->all[k].hash != job->all[0].hash) {
            job->failed = hw__mpi_fail(
                job->why, HW_E_STATE, "rank %d and rank 0 have different parameters after %llu updates%s", k,
                (unsigned long long)job->all[0].landed,
                job->mpi.sum == HW_MPI_REDUCED ? ": this MPI's reduction gives them different sums; mpi.sum ordered"
                                               : "");
            hw__mpi_close(&job->box, job->failed, job->why);
            return;
        }
    if (hw__mpi_sum_doubles(job, r->sums, r->n)) answer(job, r, HW_OK, "");
}

static void meet(hw_mpi_job *job, hw__mpi_request *r, const unsigned *of)
{
    uint64_t now = landed(job);
    bool keeps = of[HW__MPI_CAPTURE] || of[HW__MPI_FINAL];
    if (!hw__mpi_exchange_adopt(job, keeps)) return;
    for (int k = 0; keeps && k < job->ranks; k++) {
        job->landed[k] = job->all[k].landed;
        job->examples[k] = job->all[k].examples;
        job->position[k] = job->all[k].position;
        job->until[k] = job->all[k].until;
    }
    if (hw__mpi_captures_met(job, r, of)) answer(job, r, HW_OK, "");
    if (of[HW__MPI_CAPTURE]) return; /* the others' turn comes afterwards */
    bool ends = of[HW__MPI_FINAL] == (unsigned)job->ranks;
    r->meeting->again = r->kind == HW__MPI_FINAL && !ends;
    r->meeting->same = ends && now == job->evaluated;
    job->evaluated = now;
    hw__mpi_look_on(job, epochs(job));
    answer(job, r, HW_OK, "");
}

bool hw__mpi_round_resolve(hw_mpi_job *job, hw__mpi_request *r)
{
    unsigned of[HW__MPI_KINDS] = {0}, ranks = (unsigned)job->ranks;
    for (int k = 0; k < job->ranks; k++) {
        int kind = job->all[k].kind;
        of[kind >= 0 && kind < HW__MPI_KINDS ? kind : HW__MPI_FAIL]++;
    }
    unsigned meetings = of[HW__MPI_EVALUATE] + of[HW__MPI_CAPTURE] + of[HW__MPI_FINAL];
    if (of[HW__MPI_FAIL]) {
        fail_all(job);
        return true;
    }
    if (of[HW__MPI_END] == ranks) {
        (void)take_words(job);
        return true;
    }
    if (of[HW__MPI_SUM] == ranks)
        sum_gradient(job, r);
    else if (of[HW__MPI_SUMS] == ranks)
        sum_evaluation(job, r);
    else if (meetings == ranks)
        meet(job, r, of);
    else if (of[HW__MPI_SUM] && of[HW__MPI_SUM] + of[HW__MPI_SUMS] + of[HW__MPI_END] == ranks) {
        /* A callback has ended the run of some: the others leave the step that they are at. */
        if (r && r->kind == HW__MPI_SUM) answer(job, r, HW_E_STOPPED, "");
    } else {
        out_of_step(job, of);
        return true;
    }
    return job->failed != HW_OK;
}
