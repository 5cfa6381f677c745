/* touched.c - what a rank sends where its steps touch few parameters: the engine says which lines those were, and
 * nothing else is looked at. Where most have changed all are sent, as they are at meetings. */
#include "exchange.h"
#include <string.h>

/* x->seen of the lines that steps have touched since the last look, and that are exchanged: x->line, and as ranges. */
bool hw__mpi_touched_look(hw_mpi_job *job, uint64_t *clock)
{
    hw__mpi_exchange *x = job->exchange;
    const size_t n = job->parameters, count = hw_engine_touched(job->engine, x->line, clock);
    x->n_lines = x->n_looks = x->next = 0;
    for (size_t k = 0; k < count; k++) {
        const size_t first = (size_t)x->line[k] * HW__MPI_LINE, left = n - first;
        const hw_range at = {first, left < HW__MPI_LINE ? left : HW__MPI_LINE};
        hw_range *last = x->n_looks ? x->changed + x->n_looks - 1 : NULL;
        if (job->own_lines && hw__mpi_private_is(job, x->line[k])) continue; /* all are looked at when all meet */
        x->line[x->n_lines++] = x->line[k];
        if (last && last->first + last->count == first)
            last->count += at.count;
        else
            x->changed[x->n_looks++] = at;
    }
    return hw_engine_peek_at(job->engine, x->changed, x->n_looks, x->seen, NULL) == HW_OK;
}

static bool differs(const float *restrict a, const float *restrict b, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) any = any || !(a[i] <= b[i] && a[i] >= b[i]); /* a NaN, too: it must be seen */
    return any;
}

/* The next lines that are of shard r, and have changed: to the front of x->line, which is read behind that. */
static uint32_t changed_of(hw_mpi_job *job, int r, uint32_t *to)
{
    hw__mpi_exchange *x = job->exchange;
    const size_t at = (size_t)job->shards.first[r], end = at + (size_t)job->shards.count[r];
    uint32_t count = 0;
    for (; x->next < x->n_lines; x->next++) {
        const size_t first = (size_t)x->line[x->next] * HW__MPI_LINE, left = end - first;
        if (first >= end) break;
        if (differs(x->seen + first, x->base + first, left < HW__MPI_LINE ? left : HW__MPI_LINE))
            to[count++] = (uint32_t)((first - at) / HW__MPI_LINE);
    }
    return count;
}

size_t hw__mpi_touched_pack(hw_mpi_job *job, int r, double pull, uint32_t *lines, float *to)
{
    hw__mpi_exchange *x = job->exchange;
    const size_t at = (size_t)job->shards.first[r], n = (size_t)job->shards.count[r];
    const uint32_t count = changed_of(job, r, x->kept);
    const bool whole = hw__mpi_lines_whole(count, n);
    float *values = whole ? to : to + count;
    *lines = whole ? HW__MPI_ALL : count;
    memset(values, 0, (whole ? n : (size_t)count * HW__MPI_LINE) * sizeof *to);
    if (!whole) memcpy(to, x->kept, count * sizeof *to);
    for (uint32_t k = 0; k < count; k++) {
        const size_t first = (size_t)x->kept[k] * HW__MPI_LINE, left = n - first;
        float *d = values + (whole ? first : (size_t)k * HW__MPI_LINE);
        const size_t part = left < HW__MPI_LINE ? left : HW__MPI_LINE;
        for (size_t i = 0; i < part; i++) d[i] = x->seen[at + first + i] - x->base[at + first + i];
        hw__mpi_principal_damp(job, pull, at + first, d, part);
    }
    return hw__mpi_lines_size(*lines, n);
}
