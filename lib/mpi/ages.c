/* ages.c - what the steps of a push were computed on: how many had been begun when an exchange was over, and the
 * owners' clocks then. Those that were begun before are of older values. */
#include "job.h"
#include <stdlib.h>

enum { GENERATIONS = 8 };

typedef struct generation {
    uint64_t begun, own, *clock; /* own: updates of this rank that the owners had by then; clock: of each owner */
} generation;

struct hw__mpi_ages {
    generation age[GENERATIONS];
    unsigned count; /* how many there have been */
};

bool hw__mpi_ages_create(hw_mpi_job *job)
{
    const size_t ranks = (size_t)job->ranks;
    struct hw__mpi_ages *a = job->ages = calloc(1, sizeof *a);
    uint64_t *clock = a ? calloc(GENERATIONS * ranks, sizeof *clock) : NULL;
    for (size_t i = 0; clock && i < GENERATIONS; i++) a->age[i].clock = clock + i * ranks;
    return clock != NULL;
}

void hw__mpi_ages_free(hw_mpi_job *job)
{
    if (job->ages) free(job->ages->age[0].clock);
    free(job->ages);
    job->ages = NULL;
}

bool hw__mpi_ages_known(const hw_mpi_job *job)
{
    return job->ages && job->ages->count > 0;
}

void hw__mpi_ages_begin(hw_mpi_job *job)
{
    struct hw__mpi_ages *a = job->ages;
    for (int r = 0; r < job->ranks; r++) a->age[0].clock[r] = job->clock;
    a->age[0].begun = a->age[0].own = 0;
    a->count = 1;
}

/* No more steps are under way than there are threads, whatever tickets they hold. */
void hw__mpi_ages_new(hw_mpi_job *job, uint64_t pushed, uint64_t from, const hw__mpi_push *based)
{
    struct hw__mpi_ages *a = job->ages;
    generation *g = a->age + a->count % GENERATIONS;
    const uint64_t before = a->count ? a->age[(a->count - 1) % GENERATIONS].begun : 0;
    uint64_t clock = pushed, begun = hw_engine_begun(job->engine);
    (void)hw_engine_peek(job->engine, NULL, &clock);
    const uint64_t most = clock - from + hw_engine_threads(job->engine);
    if (begun > most) begun = most;
    g->begun = begun > before ? begun : before;
    g->own = pushed - from;
    for (int r = 0; r < job->ranks; r++) g->clock[r] = based[r].clock;
    a->count++;
}

uint64_t hw__mpi_ages_older(const hw_mpi_job *job, uint64_t first, uint64_t last, hw__mpi_push *based, uint64_t *own)
{
    const struct hw__mpi_ages *a = job->ages;
    uint64_t early = 0, end = last, sum = 0;
    for (int r = 0; r < job->ranks; r++) based[r].early_clock = 0;
    for (unsigned back = 1; back <= a->count && back <= GENERATIONS && end > first; back++) {
        const generation *g = a->age + (a->count - back) % GENERATIONS;
        const bool oldest = back == a->count || back == GENERATIONS;
        const uint64_t from = oldest || g->begun < first ? first : g->begun < end ? g->begun : end, count = end - from;
        end = from;
        if (back == 1 || !count) continue;
        early += count;
        sum += count * (first - g->own);
        for (int r = 0; r < job->ranks; r++) based[r].early_clock += count * g->clock[r];
    }
    for (int r = 0; early && r < job->ranks; r++) based[r].early_clock /= early;
    *own = early ? sum / early : 0;
    return early;
}
