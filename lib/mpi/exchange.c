/* exchange.c - ASYNC: what a rank's workers have added up goes to the owners, and the owners' values come back, while
 * the workers go on; and the serving of the others' exchanges. All by messages of known sizes, of which at most one a
 * rank is under way to each owner.
 *
 *   delta = local - base             base: what the owners had when they were last heard, as this rank took it over
 *   local += values - seen           seen: local when delta was taken; base = values
 *
 * What rounding loses in that addition is part of the next delta, so nothing is lost; where steps touch few parameters
 * (touched.c), of the next one that has the line, or of the next meeting. */
#include "exchange.h"
#include <stdlib.h>
#include <string.h>

hw_status hw__mpi_exchange_create(hw_mpi_job *job, const hw_objective *objective, char *why)
{
    size_t n = job->parameters, ranks = (size_t)job->ranks, total = 0, mine = (size_t)hw__mpi_length(job, job->rank);
    hw__mpi_exchange *x = job->exchange = calloc(1, sizeof *x);
    bool good = x != NULL;
    if (good) {
        x->at = calloc(ranks, sizeof *x->at);
        x->request = calloc(3 * ranks, sizeof *x->request);
        x->based = calloc(ranks, sizeof *x->based);
        x->line = calloc(2 * hw__mpi_lines(n) + 2, sizeof *x->line);
        x->kept = x->line ? x->line + hw__mpi_lines(n) + 1 : NULL;
        x->changed = calloc(hw__mpi_lines(n) + ranks, sizeof *x->changed);
        x->status = calloc(3 * ranks, sizeof *x->status);
        good = x->at && x->request && x->based && x->status && x->line && x->changed && hw__mpi_ages_create(job);
    }
    for (int r = 0; good && r < job->ranks; r++) {
        x->at[r] = total;
        total += (size_t)hw__mpi_length(job, r);
        x->request[r] = x->request[r + job->ranks] = x->request[r + 2 * job->ranks] = MPI_REQUEST_NULL;
    }
    if (good) {
        x->replying = x->request + 2 * ranks;
        x->arrival = MPI_REQUEST_NULL;
        x->base = malloc(3 * n * sizeof *x->base);
        x->out = malloc(2 * total * sizeof *x->out);
        x->arriving = malloc((ranks + 1) * mine * sizeof *x->arriving);
        good = x->base && x->out && x->arriving;
    }
    if (!good) return hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory to exchange %zu parameters", n);
    x->seen = x->base + n;
    x->good = x->seen + n;
    x->in = x->out + total;
    x->reply = x->arriving + mine;
    hw_status status = hw__mpi_gather_create(job, mine, why);
    if (status == HW_OK) status = hw__mpi_owner_create(job, objective, why);
    if (status != HW_OK || job->rank != 0 || !hw__mpi_owner_velocity(job)) return status;
    x->velocity = calloc(n, sizeof *x->velocity);
    return x->velocity ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory for a velocity");
}

/* Messages that will not come any more are not waited for. After a fault some may be under way for ever: MPI keeps
 * those, and they keep their memory. */
void hw__mpi_exchange_end(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    if (!x || !x->serves) return;
    x->serves = false;
    hw__mpi_forget(&x->arrival);
    hw__mpi_words_end(job);
    hw__mpi_gather_end(job);
    if (!x->under_way && !job->broken) {
        (void)MPI_Waitall(job->ranks, x->replying, x->status);
        return;
    }
    x->abandoned = true;
    for (int r = 0; r < 3 * job->ranks; r++)
        if (x->request[r] != MPI_REQUEST_NULL) (void)MPI_Request_free(x->request + r);
}

void hw__mpi_exchange_free(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    if (!x) return;
    hw__mpi_exchange_end(job);
    hw__mpi_owner_free(job);
    hw__mpi_gather_free(job);
    free(x->at);
    free(x->request);
    free(x->status);
    free(x->line);
    free(x->changed);
    free(x->based);
    hw__mpi_ages_free(job);
    free(x->base);
    if (!x->abandoned) {
        free(x->out);
        free(x->arriving);
    }
    free(x->velocity);
    free(x);
    job->exchange = NULL;
}

bool hw__mpi_exchange_begin(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    hw_status status = hw_engine_peek(job->engine, x->base, &x->pushed);
    if (status != HW_OK) {
        job->failed = hw__mpi_fail(job->why, status, "hw_engine_peek: %s", hw_status_text(status));
        return false;
    }
    hw__mpi_owner_set(job, x->base + job->shards.first[job->rank]);
    memcpy(x->good, x->base, job->parameters * sizeof *x->good);
    memcpy(x->seen, x->base, job->parameters * sizeof *x->seen);
    if (job->sparse) (void)hw_engine_touched(job->engine, x->line, NULL);
    /* No step has been begun: what the engine says of that is of before, until it runs. */
    for (int r = 0; r < job->ranks; r++) x->based[r].clock = job->clock;
    hw__mpi_ages_begin(job);
    x->from = x->pushed;
    x->serves = true;
    return hw__mpi_serve_begin(job) && hw__mpi_words_begin(job) && hw__mpi_gather_begin(job);
}

/* --- this rank's own exchange ---------------------------------------------------------------------------------------
 */

static void subtract(float *restrict to, const float *restrict a, const float *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = a[i] - b[i];
}

/* Into seen, and what of it is new: all, in `whole`, or lines. */
static bool look(hw_mpi_job *job, bool lines, const hw_range *whole, const hw_range **ranges, size_t *n,
                 uint64_t *clock)
{
    hw__mpi_exchange *x = job->exchange;
    if (lines && !hw__mpi_touched_look(job, clock)) return false;
    *ranges = lines ? x->changed : whole;
    *n = lines ? x->n_looks : 1;
    if (lines) return true;
    if (job->sparse)
        (void)hw_engine_touched(job->engine, x->line, NULL); /* what is looked at now is not asked for again */
    return hw_engine_peek(job->engine, x->seen, clock) == HW_OK;
}

/* whole: whatever differs, be it only what one rank changes, or what rounding has left. */
static bool begin(hw_mpi_job *job, bool whole)
{
    hw__mpi_exchange *x = job->exchange;
    const bool moves = hw__mpi_owner_velocity(job) != NULL, lines = job->sparse && !whole;
    const hw_range all = {0, job->parameters}, *ranges;
    uint64_t clock = 0;
    size_t n_ranges;
    x->partial = x->unsent = job->own_lines && !whole;
    if (!look(job, lines, &all, &ranges, &n_ranges, &clock)) return false;
    uint64_t updates = clock - x->pushed, own = 0;
    const uint64_t early = hw__mpi_ages_older(job, x->pushed - x->from, clock - x->from, x->based, &own);
    const float rate = hw__mpi_rate_pushed(job);
    const double pull =
        hw__mpi_principal_pull(job, x->seen, x->base, ranges, n_ranges, updates, x->based[job->rank].clock);
    x->pushed = clock;
    x->number++;
    x->answered = false;
    job->here.exchanges++;
    for (int r = 0; r < job->ranks; r++) {
        size_t first = (size_t)job->shards.first[r], n = (size_t)job->shards.count[r];
        float *out = x->out + x->at[r], *in = x->in + x->at[r];
        hw__mpi_push push = {updates, x->based[r].clock, x->number,   early, x->based[r].early_clock,
                             own,     job->curvature,    HW__MPI_ALL, rate};
        /* The delta stands where the reply will, but where all of it is sent anyway. */
        float *delta = (moves ? out : in) + HEAD;
        size_t floats = n;
        if (lines) {
            floats = hw__mpi_touched_pack(job, r, pull, &push.lines, out + HEAD);
        } else {
            subtract(delta, x->seen + first, x->base + first, n);
            hw__mpi_principal_damp(job, pull, first, delta, n);
        }
        if (!lines && !moves) {
            push.lines = hw__mpi_lines_list(delta, n, x->kept);
            floats = hw__mpi_lines_pack(delta, n, x->kept, &push.lines, out + HEAD);
        }
        const int size = HEAD + (int)floats;
        memcpy(out, &push, sizeof push);
        if (r == job->rank) {
            if (!hw__mpi_serve_receive(job, r, out, (size_t)size)) return false;
            continue;
        }
        if (!hw__mpi_good(
                job, MPI_Irecv(in, hw__mpi_length(job, r), MPI_FLOAT, r, REPLY, job->comm, x->request + job->ranks + r),
                "MPI_Irecv") ||
            !hw__mpi_good(job, MPI_Isend(out, size, MPI_FLOAT, r, PUSH, job->comm, x->request + r), "MPI_Isend"))
            return false;
        job->here.bytes_sent += (uint64_t)size * sizeof(float);
    }
    x->under_way = true;
    return true;
}

/* Counted from the run's beginning, as the engine does. */
void hw__mpi_exchange_allow(hw_mpi_job *job)
{
    const hw__mpi_exchange *x = job->exchange;
    (void)hw_engine_allow(job->engine, x->pushed - x->from + job->bound);
}

/* Nobody makes a step, and nothing is unsent. Steps that landed nothing are why, or all that the bound leaves are with
 * gradients in hand, which wait for an evaluation that takes the others, too: more of them than the bound. */
static void allow_more(hw_mpi_job *job, uint64_t begun)
{
    (void)hw_engine_allow(job->engine, begun + job->bound);
}

/* base becomes the values, and what local is to become by that goes to `to`. */
static void adopt(float *restrict to, float *restrict base, const float *restrict seen, const float *restrict values,
                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = values[i] - seen[i];
        base[i] = values[i];
    }
}

static void take_range(hw_mpi_job *job, hw_range at, const float *values, size_t *changed, size_t *packed)
{
    hw__mpi_exchange *x = job->exchange;
    if (hw__mpi_curvature_due(job, x->number)) subtract(job->scratch + at.first, values, x->base + at.first, at.count);
    adopt(x->out + *packed, x->base + at.first, x->seen + at.first, values, at.count); /* sent, so its memory is free */
    if (job->sparse) memcpy(x->seen + at.first, values, at.count * sizeof *values);
    *packed += at.count;
    x->changed[(*changed)++] = at;
}

/* Without what is some rank's own, until all meet. */
static void take_others(hw_mpi_job *job, hw_range at, const float *values, size_t *changed, size_t *packed)
{
    for (size_t done = 0, count; done < at.count; done += count) {
        const size_t left = at.count - done;
        count = left < HW__MPI_LINE ? left : HW__MPI_LINE;
        if (!hw__mpi_private_is(job, (at.first + done) / HW__MPI_LINE))
            take_range(job, (hw_range){at.first + done, count}, values + done, changed, packed);
    }
}

/* What rank r has answered: base is that, and what local is to become by it is added to the list. */
static bool take(hw_mpi_job *job, int r, size_t *changed, size_t *packed)
{
    hw__mpi_exchange *x = job->exchange;
    size_t first = (size_t)job->shards.first[r], n = (size_t)job->shards.count[r];
    const float *in = x->in + x->at[r];
    int count = 0;
    memcpy(x->based + r, in, sizeof *x->based);
    const uint32_t lines = x->based[r].lines;
    if (r != job->rank) {
        (void)MPI_Get_count(x->status + job->ranks + r, MPI_FLOAT, &count);
        if (!hw__mpi_fits(job, r, x->based + r, count, n)) return false;
    }
    if (x->based[r].number != x->number) {
        job->failed = hw__mpi_fail(job->why, HW_E_STATE, "rank %d answered exchange %llu, not %llu", r,
                                   (unsigned long long)x->based[r].number, (unsigned long long)x->number);
        return false;
    }
    for (uint32_t k = 0; k < hw__mpi_lines_parts(lines); k++) {
        hw_range line;
        const float *values = hw__mpi_lines_get(in + HEAD, lines, k, n, &line);
        if (!values) return hw__mpi_fits(job, r, x->based + r, -1, n);
        const hw_range at = {first + line.first, line.count};
        if (x->partial)
            take_others(job, at, values, changed, packed);
        else
            take_range(job, at, values, changed, packed);
    }
    return true;
}

static bool complete(hw_mpi_job *job)
{
    hw__mpi_exchange *x = job->exchange;
    size_t changed = 0, packed = 0;
    x->under_way = false;
    for (int r = 0; r < job->ranks; r++)
        if (!take(job, r, &changed, &packed)) return false;
    hw__mpi_ages_new(job, x->pushed, x->from, x->based);
    hw__mpi_rate_follow(job, x->based);
    if (changed && hw_engine_merge(job->engine, x->changed, changed, x->out) != HW_OK) return false;
    hw__mpi_curvature_follow(job, x->base, job->scratch, x->number);
    hw__mpi_interval_adapt(job, x->number);
    if (job->reason == HW_STOP_NONE) hw__mpi_exchange_allow(job);
    return true;
}

bool hw__mpi_exchange_step(hw_mpi_job *job, hw__mpi_mode mode)
{
    hw__mpi_exchange *x = job->exchange;
    int arrived = 0;
    bool happened = false;
    if (hw__mpi_serve_step(job)) happened = true;
    if (hw__mpi_words_step(job)) happened = true;
    if (job->broken) return true;
    if (x->under_way) {
        if (!x->answered) return happened;
        if (!hw__mpi_good(job, MPI_Testall(2 * job->ranks, x->request, &arrived, x->status), "MPI_Testall"))
            return true;
        return arrived ? complete(job) || true : happened;
    }
    if (mode == HW__MPI_SERVE) return happened;
    const bool flush = mode == HW__MPI_FLUSH;
    uint64_t clock = x->pushed;
    (void)hw_engine_peek(job->engine, NULL, &clock);
    /* Steps that have landed nothing (gradients that are skipped), or the last ones before a pause: there will be no
     * more of them. Looked at before the clock, they are all in it. */
    const uint64_t begun = hw_engine_begun(job->engine); /* a worker that was let go may not have woken up yet */
    const bool idle = clock - x->pushed < job->interval && !flush && hw_engine_idle(job->engine);
    if (idle) (void)hw_engine_peek(job->engine, NULL, &clock);
    if (idle && clock == x->pushed && job->reason == HW_STOP_NONE) allow_more(job, begun);
    if (clock - x->pushed < (flush || idle ? 1 : job->interval) && !(flush && x->unsent)) return happened;
    (void)begin(job, flush);
    return true;
}

bool hw__mpi_exchange_quiet(const hw_mpi_job *job)
{
    return !job->exchange->under_way;
}

void hw__mpi_exchange_fall_back(hw_mpi_job *job)
{
    const hw__mpi_exchange *x = job->exchange;
    if (x && hw__mpi_ages_known(job)) (void)hw_engine_set(job->engine, x->good);
}

bool hw__mpi_exchange_flushed(hw_mpi_job *job)
{
    const hw__mpi_exchange *x = job->exchange;
    uint64_t clock = 0;
    return !x->under_way && !x->unsent && hw_engine_peek(job->engine, NULL, &clock) == HW_OK && clock == x->pushed;
}

uint64_t hw__mpi_exchange_pushed(const hw_mpi_job *job)
{
    return job->exchange->pushed;
}

bool hw__mpi_exchange_adopt(hw_mpi_job *job, bool keeps)
{
    hw__mpi_exchange *x = job->exchange;
    const hw__mpi_shards *s = &job->shards;
    size_t n = job->parameters;
    hw__mpi_push now = {0};
    if (!hw__mpi_gather_met(job)) return false;
    hw__mpi_owner_get(job, x->base + s->first[job->rank], &now);
    if (!hw__mpi_good(job,
                      MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, x->base, s->count, s->first, MPI_FLOAT, job->comm),
                      "MPI_Allgatherv") ||
        !hw__mpi_good(job, MPI_Allgather(&now, sizeof now, MPI_BYTE, x->based, sizeof now, MPI_BYTE, job->comm),
                      "MPI_Allgather"))
        return false;
    hw__mpi_ages_new(job, x->pushed, x->from, x->based);
    hw__mpi_rate_follow(job, x->based);
    memcpy(x->good, x->base, n * sizeof *x->good);
    const float *velocity = hw__mpi_owner_velocity(job);
    if (keeps && velocity &&
        !hw__mpi_good(job,
                      MPI_Gatherv(velocity, s->count[job->rank], MPI_FLOAT, x->velocity, s->count, s->first, MPI_FLOAT,
                                  0, job->comm),
                      "MPI_Gatherv"))
        return false;
    /* A sum of two floats is rounded; after one or two such steps what is missing is exact. */
    for (int turn = 0; turn < 8; turn++) {
        bool same = true;
        if (hw_engine_peek(job->engine, x->seen, NULL) != HW_OK) return false;
        for (size_t i = 0; i < n; i++) {
            same = same && x->seen[i] == x->base[i];
            x->seen[i] = x->base[i] - x->seen[i];
        }
        if (same) {
            memcpy(x->seen, x->base, n * sizeof *x->seen);
            return true;
        }
        if (hw_engine_merge(job->engine, NULL, 0, x->seen) != HW_OK) return false;
    }
    return true;
}

const float *hw__mpi_exchange_velocity(const hw_mpi_job *job)
{
    return job->exchange ? job->exchange->velocity : NULL;
}

bool hw__mpi_exchange_take_velocity(hw_mpi_job *job, const float *velocity)
{
    float *own = job->exchange ? hw__mpi_owner_velocity(job) : NULL;
    if (own) memcpy(own, velocity + job->shards.first[job->rank], (size_t)job->shards.count[job->rank] * sizeof *own);
    return own != NULL;
}
