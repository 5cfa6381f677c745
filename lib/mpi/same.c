/* same.c - whether all ranks were given the same: each says a number for everything that must be, and who differs from
 * rank 0 is named with both values. */
#include "job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 96 };

typedef struct item {
    const char *name;
    bool option;
    char text[TEXT];
} item;

uint64_t hw__mpi_hash(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 1099511628211u;
    return h;
}

/* What may differ: where a rank stands. */
static bool own_matter(const char *option)
{
    return strcmp(option, "pin") == 0 || strcmp(option, "progress_ms") == 0;
}

static size_t list(const hw_mpi_job *job, const hw_objective *o, const hw_config *c, item *at)
{
    const hw_mpi *m = &job->mpi;
    size_t n = 0;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"the objective's parameters", o->parameters},
                   {"the objective's examples", m->data == HW_MPI_OWN ? 0 : o->examples},
                   {"the objective's evaluation examples", o->evaluation_examples},
                   {"the objective's metrics", o->metrics},
                   {"the parameters that a step touches (objective.touched)", o->touched},
                   {"whether the objective has a principal direction", o->principal != NULL},
                   {"config.optimizer.n_sections", c->optimizer.n_sections},
                   {"mpi.scheduler", m->scheduler},
                   {"mpi.velocity", m->velocity},
                   {"mpi.sum", m->sum},
                   {"mpi.combine", m->combine},
                   {"mpi.interval", m->interval},
                   {"mpi.gather", m->gather},
                   {"mpi.data", m->data},
                   {"mpi.bound", m->bound},
                   {"whether captures are made", c->on_capture || c->on_checkpoint},
                   {"single clocks (config.simulation.each)", c->simulation.each != NULL}};
    at[n].name = "the library's version";
    (void)snprintf(at[n++].text, TEXT, "%s", hw_version());
    at[n].name = "the objective's name";
    (void)snprintf(at[n++].text, TEXT, "%s", o->name ? o->name : "");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        at[n].name = numbers[i].name;
        (void)snprintf(at[n++].text, TEXT, "%llu", (unsigned long long)numbers[i].value);
    }
    for (size_t i = 0; i < hw_option_count(); i++) {
        hw_option option;
        if (hw_option_get(i, &option) != HW_OK || own_matter(option.name)) continue;
        at[n].name = option.name;
        at[n].option = true;
        (void)hw_config_get(c, option.name, at[n++].text, TEXT);
    }
    return n;
}

/* All ranks find the same difference, so both of its texts can be told to all. */
static hw_status differs(hw_mpi_job *job, int rank, const item *at, char *why)
{
    char first[TEXT], other[TEXT];
    memcpy(first, at->text, TEXT);
    memcpy(other, at->text, TEXT);
    if (!hw__mpi_good(job, MPI_Bcast(first, TEXT, MPI_CHAR, 0, job->comm), "MPI_Bcast") ||
        !hw__mpi_good(job, MPI_Bcast(other, TEXT, MPI_CHAR, rank, job->comm), "MPI_Bcast"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    return hw__mpi_fail(why, HW_E_ARGUMENT,
                        "the ranks were not given the same: %s%s is %s on rank 0, but %s on rank %d",
                        at->option ? "config." : "", at->name, first, other, rank);
}

/* As many entries from every rank, whatever its version has. */
static hw_status compare(hw_mpi_job *job, const item *at, size_t n, uint64_t *hash, uint64_t *all, char *why)
{
    uint64_t counts[2] = {n, UINT64_MAX - n}, most[2];
    for (size_t i = 0; i < n; i++) hash[i] = hw__mpi_hash(at[i].text, strlen(at[i].text));
    if (!hw__mpi_good(job, MPI_Allreduce(counts, most, 2, MPI_UINT64_T, MPI_MAX, job->comm), "MPI_Allreduce"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    if (most[0] != n || most[1] != UINT64_MAX - n)
        return hw__mpi_fail(why, HW_E_ARGUMENT, "the ranks run different versions of the library; rank %d has %s",
                            job->rank, hw_version());
    if (!hw__mpi_good(job, MPI_Allgather(hash, (int)n, MPI_UINT64_T, all, (int)n, MPI_UINT64_T, job->comm),
                      "MPI_Allgather"))
        return hw__mpi_fail(why, job->failed, "%s", job->why);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 1; r < (size_t)job->ranks; r++)
            if (all[r * n + i] != all[i]) return differs(job, (int)r, at + i, why);
    return HW_OK;
}

hw_status hw__mpi_same(hw_mpi_job *job, const hw_objective *o, const hw_config *c, char *why)
{
    size_t most = hw_option_count() + 24;
    item *at = calloc(most, sizeof *at);
    uint64_t *hash = calloc(most * ((size_t)job->ranks + 1), sizeof *hash);
    hw_status status =
        at && hash ? HW_OK : hw__mpi_fail(why, HW_E_MEMORY, "hw_mpi_create: no memory to compare the ranks");
    status = hw__mpi_agree(job, status, why);
    if (status == HW_OK) status = compare(job, at, list(job, o, c, at), hash, hash + most, why);
    free(at);
    free(hash);
    return status;
}
