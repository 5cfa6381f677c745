/* restore.c - rank 0's state to all ranks, in one piece, and into their engines. */
#include "job.h"
#include <stdlib.h>
#include <string.h>

/* An entry in a message: this, and behind it the array's data or the text with its end. */
typedef struct head {
    char name[HW_STATE_NAME];
    int kind, dtype;
    unsigned dims;
    uint64_t shape[HW_STATE_DIMS], bytes, number;
    double real;
} head;

static head head_of(const hw_entry *e)
{
    head h;
    memset(&h, 0, sizeof h);
    (void)snprintf(h.name, sizeof h.name, "%s", e->name);
    h.kind = (int)e->kind;
    h.dtype = (int)e->dtype;
    h.dims = e->dims;
    memcpy(h.shape, e->shape, sizeof h.shape);
    h.bytes = e->kind == HW_ENTRY_ARRAY  ? e->count * hw_dtype_size(e->dtype)
              : e->kind == HW_ENTRY_TEXT ? strlen(e->text) + 1
                                         : 0;
    h.number = e->number;
    h.real = e->real;
    return h;
}

static size_t pack(const hw_state *s, char *to)
{
    size_t at = 0;
    for (size_t i = 0; i < hw_state_count(s); i++) {
        const hw_entry *e = hw_state_entry(s, i);
        const head h = head_of(e);
        if (to) memcpy(to + at, &h, sizeof h);
        at += sizeof h;
        if (to && h.bytes) memcpy(to + at, e->kind == HW_ENTRY_ARRAY ? e->data : e->text, (size_t)h.bytes);
        at += (size_t)h.bytes;
    }
    return at;
}

static hw_status unpack(hw_state *s, const char *from, size_t size)
{
    hw_status status = HW_OK;
    for (size_t at = 0; status == HW_OK && at < size;) {
        head h;
        memcpy(&h, from + at, sizeof h);
        const char *data = from + at + sizeof h;
        at += sizeof h + (size_t)h.bytes;
        if (h.kind == HW_ENTRY_ARRAY)
            status = hw_state_put(s, h.name, (hw_dtype)h.dtype, h.dims, h.shape, data);
        else if (h.kind == HW_ENTRY_COUNT)
            status = hw_state_put_number(s, h.name, h.number);
        else if (h.kind == HW_ENTRY_REAL)
            status = hw_state_put_real(s, h.name, h.real);
        else
            status = hw_state_put_text(s, h.name, data);
    }
    return status;
}

/* Counts of MPI are ints. */
static bool broadcast(hw_mpi_job *job, char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t part = n - at < (1u << 30) ? n - at : 1u << 30;
        if (!hw__mpi_good(job, MPI_Bcast(bytes + at, (int)part, MPI_BYTE, 0, job->comm), "MPI_Bcast")) return false;
        at += part;
    }
    return true;
}

static hw_status share(hw_mpi_job *job, hw_state *state, char *why)
{
    uint64_t size = job->rank == 0 ? pack(state, NULL) : 0;
    if (!broadcast(job, (char *)&size, sizeof size)) return hw__mpi_fail(why, job->failed, "%s", job->why);
    char *bytes = malloc((size_t)size + 1);
    hw_status status = bytes ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_restore: no memory for the state");
    status = hw__mpi_agree(job, status, why);
    if (status == HW_OK && job->rank == 0) (void)pack(state, bytes);
    if (status == HW_OK && !broadcast(job, bytes, (size_t)size))
        status = hw__mpi_fail(why, job->failed, "%s", job->why);
    if (status == HW_OK && job->rank != 0) status = unpack(state, bytes, (size_t)size);
    free(bytes);
    return status;
}

/* Rank 0's are compared as every engine's are. */
static hw_status own_data(const hw_mpi_job *job, const hw_state *s, size_t ranks, char *why)
{
    const hw_entry *e = hw_state_find(s, "mpi.own_examples");
    const uint64_t *own = hw_state_array(s, "mpi.own_examples", HW_U64, ranks);
    if (!e != (job->mpi.data != HW_MPI_OWN) || (e && !own))
        return hw__mpi_fail(why, HW_E_FORMAT,
                            e ? "hw_mpi_restore: the state's ranks had data of their own, and these share theirs"
                              : "hw_mpi_restore: the state's ranks shared their data, and these have their own");
    for (size_t r = 0; own && r < ranks; r++)
        if (own[r] != job->own_examples[r])
            return hw__mpi_fail(
                why, HW_E_FORMAT,
                "hw_mpi_restore: rank %zu had %llu examples of its own when the state was captured, and "
                "has %llu",
                r, (unsigned long long)own[r], (unsigned long long)job->own_examples[r]);
    return HW_OK;
}

/* In the numbers of rank 0's state, in whose steps an engine counts that evaluates by epochs. */
static uint64_t next_evaluation(const hw_mpi_job *job, const hw_state *s, uint64_t until)
{
    const uint64_t landed = hw_state_number(s, "run.landed", 0), further = hw_state_number(s, "run.further", 0);
    return until == UINT64_MAX ? until : landed - (job->asked.evaluate_every ? 0 : further) + until;
}

/* Where each rank had come to: numbers of its share, which rank 0's stand for. Of another number of ranks: the run goes
 * on as a new one from the steps that were made. */
static hw_status place(hw_mpi_job *job, hw_engine *engine, hw_state *s, char *why)
{
    const size_t ranks = (size_t)job->ranks, mine = (size_t)job->rank;
    const hw_entry *e = hw_state_find(s, "mpi.landed");
    const size_t count = e && e->kind == HW_ENTRY_ARRAY ? e->count : 0;
    const uint64_t *landed = hw_state_array(s, "mpi.landed", HW_U64, count);
    const uint64_t *examples = hw_state_array(s, "mpi.examples", HW_U64, count);
    const uint64_t *position = hw_state_array(s, "mpi.position", HW_U64, count);
    const uint64_t *until = hw_state_array(s, "mpi.until_evaluation", HW_U64, count);
    uint64_t steps = 0, seen = 0;
    if (!count || !landed || !examples || !position || !until)
        return hw__mpi_fail(why, HW_E_FORMAT, "hw_mpi_restore: the state is not of a run of ranks on their own");
    for (size_t r = 0; r < count; r++) {
        job->clock += landed[r];
        steps += position[r];
        seen += examples[r];
    }
    if (count != ranks) {
        job->anew = true;
        job->seconds_before = (double)hw_state_number(s, "run.trained_ns", 0) * 1e-9;
        if (mine == 0) {
            job->landed_before = (int64_t)job->clock;
            job->examples_before = (int64_t)seen;
        }
        /* With data of their own each is as far in its own as all were in all. */
        hw_status status = job->mpi.data == HW_MPI_OWN
                               ? hw_engine_skip_epochs(engine, (double)seen / job->objective_examples)
                               : hw_engine_skip(engine, steps);
        return status == HW_OK ? hw_engine_begin_from(engine, s, NULL, why) : status;
    }
    hw_status status = own_data(job, s, count, why);
    if (status != HW_OK) return status;
    const uint64_t tickets = hw_state_number(s, "run.tickets", 0),
                   limit = hw_state_number(s, "run.ticket_limit", tickets);
    const uint64_t at = position[mine], own_landed = landed[mine], own_examples = examples[mine];
    status = hw_engine_shift(engine, (int64_t)(at - (tickets < limit ? tickets : limit)));
    /* Its epochs are another share's; nobody here is told of them. */
    if (status == HW_OK && mine) status = hw_state_put_number(s, "run.next_epoch", UINT64_MAX);
    if (status == HW_OK && mine && job->mpi.data == HW_MPI_OWN)
        status = hw_state_put_number(s, "same.examples", job->own_examples[mine]);
    if (status == HW_OK && mine)
        status = hw_state_put_number(s, "run.next_evaluation", next_evaluation(job, s, until[mine]));
    if (status == HW_OK) status = hw_engine_restore(engine, s, why);
    if (status != HW_OK) return status;
    hw_engine_result(engine, &job->before);
    job->landed_before = (int64_t)(own_landed - hw_state_number(s, "run.landed", 0));
    job->examples_before = (int64_t)(own_examples - job->before.examples);
    return HW_OK;
}

hw_status hw_mpi_restore(hw_mpi_job *job, hw_engine *engine, const hw_state *state, char *why)
{
    char sentence[HW_WHY] = "";
    if (why) why[0] = 0;
    if (!job || !engine || job->ran)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "hw_mpi_restore: it comes between creating the engine and the run");
    if (job->ranks == 1) return hw_engine_restore(engine, state, why);
    hw_state *own = job->state; /* of captures, which come later */
    hw_state_clear(own);
    hw_status status = job->rank ? HW_OK
                       : state   ? hw_state_copy(own, state)
                                 : hw__mpi_fail(sentence, HW_E_ARGUMENT, "hw_mpi_restore: the state is NULL");
    status = hw__mpi_agree(job, status, sentence);
    if (status == HW_OK) status = share(job, own, sentence);
    if (status == HW_OK) {
        status = job->mpi.scheduler == HW_MPI_ASYNC ? place(job, engine, own, sentence)
                                                    : hw_engine_restore(engine, own, sentence);
        status = hw__mpi_agree(job, status, sentence);
    }
    const float *velocity = hw_state_array(own, "mpi.velocity", HW_F32, job->parameters);
    if (status == HW_OK && velocity) (void)hw__mpi_exchange_take_velocity(job, velocity);
    hw_state_clear(own);
    if (why) memcpy(why, sentence, HW_WHY);
    return status;
}
