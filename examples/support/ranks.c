/* ranks.c - --mpi for programs: over libhogwild-mpi where it was built, else a sentence. */
#include "ranks.h"
#include <stdlib.h>
#include <string.h>

static bool asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--mpi") == 0) return true;
    return false;
}

/* What goes with --mpi only, and with one of the two --ranks. */
hw_status ranks_check(const ranks_options *o, char *why)
{
    static const char *const with[] = {"--ranks async", "--ranks sync"};
    const struct {
        const char *flag;
        unsigned given, scheduler;
    } rows[] = {{"--rank-exchange", o->interval, 0}, {"--rank-bound", o->bound, 0},
                {"--rank-velocity", o->velocity, 0}, {"--rank-combine", o->combine, 0},
                {"--rank-gather", o->gather, 0},     {"--rank-data", o->data, 0},
                {"--rank-sum", o->sum, 1},           {"--ranks", o->scheduler, o->scheduler}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].given || (o->mpi && rows[i].scheduler == o->scheduler)) continue;
        (void)snprintf(why, HW_WHY, "%s goes with %s (--help lists the options)", rows[i].flag,
                       o->mpi ? with[rows[i].scheduler] : "--mpi");
        return HW_E_ARGUMENT;
    }
    return HW_OK;
}

#if defined(HW_MPI)
#include <hogwild/mpi.h>

int ranks_begin(const char *program, int argc, char **argv)
{
    char why[HW_WHY];
    if (!asked(argc, argv)) return -1;
    if (hw_mpi_start(&argc, &argv, why) != HW_OK) return cli_error(program, 1, why);
    if (ranks_number() > 0 && !freopen("/dev/null", "w", stdout)) return cli_error(program, 1, "/dev/null");
    return -1;
}

/* A rank that leaves by itself, by an error before the run or in what it makes of it, does not wait for the others: MPI
 * ends them. */
int ranks_end(int code)
{
    if (code == 0) hw_mpi_end();
    return code;
}

unsigned ranks_number(void)
{
    int begun = 0, rank = 0;
    (void)MPI_Initialized(&begun);
    if (begun) (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return (unsigned)rank;
}

unsigned ranks_count(void)
{
    int begun = 0, count = 1;
    (void)MPI_Initialized(&begun);
    if (begun) (void)MPI_Comm_size(MPI_COMM_WORLD, &count);
    return (unsigned)count;
}

unsigned ranks_workers(unsigned workers)
{
    int begun = 0;
    (void)MPI_Initialized(&begun);
    return begun ? hw_mpi_workers(MPI_COMM_WORLD) : workers;
}

hw_mpi ranks_mpi(const ranks_options *o, hw_config *config)
{
    hw_mpi mpi;
    (void)hw_mpi_init(&mpi, sizeof mpi);
    mpi.scheduler = o->scheduler ? HW_MPI_SYNC : HW_MPI_ASYNC;
    if (o->scheduler && (config->scheduler == HW_ASYNC || config->scheduler == HW_SEQUENTIAL))
        config->scheduler = HW_SYNC;
    mpi.velocity = o->velocity ? HW_MPI_AT_RANKS : HW_MPI_AT_OWNERS;
    mpi.combine = (hw_mpi_combine)o->combine;
    mpi.sum = o->sum ? HW_MPI_REDUCED : HW_MPI_ORDERED;
    if (o->interval) mpi.interval = o->interval;
    mpi.bound = o->bound;
    mpi.gather = o->gather;
    mpi.data = o->data ? HW_MPI_OWN : HW_MPI_WHOLE;
    mpi.own = o->own;
    mpi.n_own = o->n_own;
    return mpi;
}

/* Fields of hw_mpi by the names that this program has for them. */
static void in_options(char *why)
{
    static const char *const names[][2] = {{"mpi.scheduler", "--ranks"},        {"mpi.interval", "--rank-exchange"},
                                           {"mpi.bound", "--rank-bound"},       {"mpi.gather", "--rank-gather"},
                                           {"mpi.velocity", "--rank-velocity"}, {"mpi.combine", "--rank-combine"},
                                           {"mpi.data", "--rank-data"},         {"mpi.sum", "--rank-sum"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[HW_WHY];
        const char *at = strstr(why, names[i][0]);
        if (!at) continue;
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - why), why, names[i][1], at + strlen(names[i][0]));
        (void)snprintf(why, HW_WHY, "%s", text);
        i--; /* it may stand there twice */
    }
}

hw_status ranks_create(ranks *r, const ranks_options *o, const hw_objective *objective, hw_config *config,
                       const float *params, hw_engine **engine, char *why)
{
    *r = (ranks){o->mpi, o->mpi && o->scheduler == 0, NULL};
    hw_status status = ranks_check(o, why);
    if (status != HW_OK) return status;
    if (!o->mpi) return hw_engine_create(engine, objective, config, params, why);
    const hw_mpi mpi = ranks_mpi(o, config);
    status = hw_mpi_create(&r->job, objective, config, &mpi, why);
    if (status != HW_OK) in_options(why);
    if (status == HW_OK) status = hw_engine_create(engine, objective, config, params, why);
    if (status != HW_OK) ranks_free(r);
    return status;
}

hw_status ranks_restore(ranks *r, hw_engine *engine, const hw_state *state, char *why)
{
    return r->job ? hw_mpi_restore(r->job, engine, state, why) : hw_engine_restore(engine, state, why);
}

hw_status ranks_run(ranks *r, hw_engine *engine, hw_result *result)
{
    return r->job ? hw_mpi_run(r->job, engine, result) : hw_engine_run(engine, result);
}

void ranks_free(ranks *r)
{
    hw_mpi_free(r->job);
    r->job = NULL;
}

void ranks_print(const ranks *r, FILE *out)
{
    unsigned count = 0;
    const hw_mpi_rank *each = r->job ? hw_mpi_ranks(r->job) : NULL;
    if (r->job) (void)hw_mpi_number(r->job, &count);
    if (!each || count < 2) return;
    fprintf(out, "rank  host                  threads   updates  %s  MB sent  waited s  %s\n",
            r->async ? "exchanges" : "     sums", r->async ? "staleness (of others' updates): mean, largest" : "");
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "%4u  %-20.20s  %7u %9llu %10llu %8.1f %9.2f", i, each[i].host, each[i].threads,
                (unsigned long long)each[i].updates, (unsigned long long)each[i].exchanges,
                (double)each[i].bytes_sent * 1e-6, each[i].waited);
        if (r->async) fprintf(out, "  %.1f, %llu", each[i].staleness, (unsigned long long)each[i].stalest);
        fprintf(out, "\n");
    }
}

enum { TEXT = 72, PAIRS = 24 }; /* PAIRS: as many columns as a page takes */

static hw_status each_rank(const ranks *r, const hw_mpi_rank *each, unsigned count, hw_report *report)
{
    enum { COLUMNS = 7 };
    static const char *const head[COLUMNS] = {"rank",    "host",      "threads",  "updates",
                                              "MB sent", "waited, s", "staleness"};
    char(*text)[TEXT] = calloc((size_t)count * COLUMNS, sizeof *text);
    const char **cell = calloc((size_t)(count + 1) * COLUMNS, sizeof *cell);
    for (unsigned k = 0; cell && k < COLUMNS; k++) cell[k] = head[k];
    for (unsigned i = 0; text && cell && i < count; i++) {
        char(*t)[TEXT] = text + (size_t)i * COLUMNS;
        (void)snprintf(t[0], TEXT, "%u", i);
        (void)snprintf(t[1], TEXT, "%s", each[i].host);
        (void)snprintf(t[2], TEXT, "%u", each[i].threads);
        (void)snprintf(t[3], TEXT, "%llu", (unsigned long long)each[i].updates);
        (void)snprintf(t[4], TEXT, "%.1f", (double)each[i].bytes_sent * 1e-6);
        (void)snprintf(t[5], TEXT, "%.2f", each[i].waited);
        (void)snprintf(t[6], TEXT, r->async ? "%.2f, at most %llu" : "in step", each[i].staleness,
                       (unsigned long long)each[i].stalest);
        for (unsigned k = 0; k < COLUMNS; k++) cell[(size_t)(i + 1) * COLUMNS + k] = t[k];
    }
    hw_status status = text && cell ? hw_report_table(report, cell, count + 1, COLUMNS) : HW_E_MEMORY;
    free(text);
    free(cell);
    return status;
}

/* Whose updates missed how many of whose. */
static hw_status each_pair(const double *missed, unsigned count, hw_report *report)
{
    const size_t columns = count + 1u;
    char(*text)[TEXT] = calloc(columns * columns, sizeof *text);
    const char **cell = calloc(columns * columns, sizeof *cell);
    for (size_t i = 0; text && cell && i < columns * columns; i++) {
        const size_t row = i / columns, column = i % columns;
        if (row == 0 || column == 0)
            (void)snprintf(text[i], TEXT, row + column == 0 ? "updates of rank, without those of" : "%zu",
                           row + column - 1);
        else if (row != column)
            (void)snprintf(text[i], TEXT, "%.2f", missed[(row - 1) * count + column - 1]);
        cell[i] = text[i];
    }
    hw_status status = text && cell ? hw_report_table(report, cell, columns, columns) : HW_E_MEMORY;
    free(text);
    free(cell);
    return status;
}

hw_status ranks_report(const ranks *r, hw_report *report)
{
    unsigned count = 0;
    const hw_mpi_rank *each = r->job ? hw_mpi_ranks(r->job) : NULL;
    const double *missed = hw_mpi_pairs(r->job);
    if (r->job) (void)hw_mpi_number(r->job, &count);
    if (!each || count < 2) return HW_OK;
    hw_status status = each_rank(r, each, count, report);
    return status == HW_OK && missed && count <= PAIRS ? each_pair(missed, count, report) : status;
}

hw_status ranks_json(const ranks *r, hw_engine *engine, const char *name, const hw_result *result, FILE *out)
{
    return r->job ? hw_mpi_run_json(r->job, engine, name, result, out) : hw_run_json(engine, name, result, out);
}

#else

int ranks_begin(const char *program, int argc, char **argv)
{
    if (!asked(argc, argv)) return -1;
    return cli_error(program, 2, "--mpi: this program was built without an MPI; `make mpi` builds it with one");
}

int ranks_end(int code)
{
    return code;
}

unsigned ranks_number(void)
{
    return 0;
}

unsigned ranks_count(void)
{
    return 1;
}

unsigned ranks_workers(unsigned workers)
{
    return workers;
}

hw_status ranks_create(ranks *r, const ranks_options *o, const hw_objective *objective, hw_config *config,
                       const float *params, hw_engine **engine, char *why)
{
    memset(r, 0, sizeof *r);
    hw_status status = ranks_check(o, why);
    return status != HW_OK ? status : hw_engine_create(engine, objective, config, params, why);
}

hw_status ranks_restore(ranks *r, hw_engine *engine, const hw_state *state, char *why)
{
    (void)r;
    return hw_engine_restore(engine, state, why);
}

hw_status ranks_run(ranks *r, hw_engine *engine, hw_result *result)
{
    (void)r;
    return hw_engine_run(engine, result);
}

void ranks_free(ranks *r)
{
    (void)r;
}

void ranks_print(const ranks *r, FILE *out)
{
    (void)r, (void)out;
}

hw_status ranks_report(const ranks *r, hw_report *report)
{
    (void)r, (void)report;
    return HW_OK;
}

hw_status ranks_json(const ranks *r, hw_engine *engine, const char *name, const hw_result *result, FILE *out)
{
    (void)r;
    return hw_run_json(engine, name, result, out);
}

#endif
