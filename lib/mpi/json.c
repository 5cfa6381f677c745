/* json.c - the job as one JSON object: its engine's, and what only the ranks together know. */
#include "job.h"
#include <math.h>
#include <stdlib.h>

/* A host's name has letters, digits, hyphens and dots; what else may stand there is left out. */
static void host(const char *name, FILE *out)
{
    for (; *name; name++)
        if ((unsigned char)*name >= 0x20 && *name != '"' && *name != '\\') (void)fputc(*name, out);
}

static void number(const char *name, double x, FILE *out)
{
    if (isfinite(x))
        (void)fprintf(out, ",\"%s\":%.9g", name, x);
    else
        (void)fprintf(out, ",\"%s\":null", name);
}

/* As they were in force; what the engine's "config" says of momentum and policy is of rank 0's engine, and these are
 * the job's. */
static void settings(const hw_mpi_job *job, FILE *out)
{
    const hw_mpi *m = &job->mpi;
    const bool async = m->scheduler == HW_MPI_ASYNC;
    const char *combine = m->combine == HW_MPI_AVERAGES ? "averages" : job->means ? "means" : "sums";
    (void)fprintf(out, ",\"mpi\":{\"scheduler\":\"%s\",\"momentum\":%.9g,\"compensation\":\"%s\"",
                  async ? "async" : "sync", job->asked.optimizer.momentum,
                  hw_policy_name(job->asked.compensation.policy));
    if (async)
        (void)fprintf(
            out, ",\"interval\":%u,\"bound\":%u,\"gather\":%u,\"velocity\":\"%s\",\"combine\":\"%s\",\"data\":\"%s\"}",
            job->interval, job->bound, m->gather, m->velocity == HW_MPI_AT_RANKS ? "ranks" : "owners", combine,
            m->data == HW_MPI_OWN ? "own" : "whole");
    else
        (void)fprintf(out, ",\"sum\":\"%s\"}", m->sum == HW_MPI_REDUCED ? "reduced" : "ordered");
}

static void ranks(const hw_mpi_job *job, FILE *out)
{
    const bool async = job->mpi.scheduler == HW_MPI_ASYNC && job->ranks > 1;
    for (int r = 0; r < job->ranks; r++) {
        const hw_mpi_rank *x = job->each + r;
        (void)fprintf(out, "%s{\"rank\":%d,\"host\":\"", r ? "," : "", r);
        host(x->host, out);
        (void)fprintf(out, "\",\"threads\":%u,\"updates\":%llu,\"exchanges\":%llu,\"bytes_sent\":%llu", x->threads,
                      (unsigned long long)x->updates, (unsigned long long)x->exchanges,
                      (unsigned long long)x->bytes_sent);
        number("seconds", x->seconds, out);
        number("waited", x->waited, out);
        if (async) {
            number("staleness", x->staleness, out);
            (void)fprintf(out, ",\"stalest\":%llu", (unsigned long long)x->stalest);
        }
        (void)fputc('}', out);
    }
}

static hw_status landed(const hw_mpi_job *job, FILE *out)
{
    hw_histogram h;
    hw_status status = hw_histogram_init(&h, 64);
    if (status == HW_OK) status = hw_mpi_staleness(job, &h);
    if (status == HW_OK) {
        (void)fputs(",\"landed\":", out);
        (void)hw_histogram_json(&h, out);
    }
    hw_histogram_free(&h);
    return status;
}

static void pairs(const hw_mpi_job *job, FILE *out)
{
    const double *mean = hw_mpi_pairs(job);
    const int n = job->ranks;
    if (!mean) return;
    (void)fputs(",\"pairs\":", out);
    for (int i = 0; i < n * n; i++) (void)fprintf(out, "%s%.6g", i == 0 ? "[[" : i % n == 0 ? "],[" : ",", mean[i]);
    (void)fputs("]]", out);
}

hw_status hw_mpi_run_json(const hw_mpi_job *job, hw_engine *engine, const char *name, const hw_result *result,
                          FILE *out)
{
    char *text = NULL;
    size_t n = 0;
    if (!job || !engine || !result || !out) return HW_E_ARGUMENT;
    if (!job->ran) return HW_E_STATE;
    if (job->rank != 0) return HW_OK;
    FILE *own = open_memstream(&text, &n);
    if (!own) return HW_E_MEMORY;
    hw_status status = hw_run_json(engine, name, result, own);
    if (fclose(own) != 0 && status == HW_OK) status = HW_E_MEMORY;
    if (status == HW_OK && n > 0) {
        (void)fwrite(text, 1, n - 1, out); /* but for the brace that closes it */
        settings(job, out);
        (void)fputs(",\"ranks\":[", out);
        ranks(job, out);
        (void)fputc(']', out);
        if (job->ranks > 1 && job->mpi.scheduler == HW_MPI_ASYNC) status = landed(job, out);
        pairs(job, out);
        (void)fputc('}', out);
    }
    free(text);
    return status == HW_OK && ferror(out) ? HW_E_IO : status;
}
