/* ranks.h - --mpi for programs: the same run over the ranks of mpirun. Programs that are built without an MPI have the
 * options and say how they are built with one. */
#ifndef SUPPORT_RANKS_H
#define SUPPORT_RANKS_H

#include "cli.h"

typedef struct ranks_options {
    bool mpi;
    unsigned scheduler, velocity, sum, combine; /* numbers of the words below */
    unsigned interval, bound, gather;           /* 0: not given */
    unsigned data;                              /* 1: each rank's own, whose parameters alone these are: */
    const hw_range *own;
    size_t n_own;
} ranks_options;

/* Rows for cli.own, whose context holds ranks_options at offset `at`. */
#define RANKS_ROWS(at)                                                                                 \
    {"", NULL, "over several machines: mpirun -n N PROGRAM --mpi ...", CLI_HEADING, 0, 0, 0},          \
        {"--mpi",                                                                                      \
         NULL,                                                                                         \
         "one run over all ranks: each computes its share (built by make mpi)",                        \
         CLI_SWITCH,                                                                                   \
         (at) + offsetof(ranks_options, mpi),                                                          \
         0,                                                                                            \
         0},                                                                                           \
        {"--ranks",                                                                                    \
         "async|sync",                                                                                 \
         "each on its own, or all in step, threads too",                                               \
         CLI_CHOICE,                                                                                   \
         (at) + offsetof(ranks_options, scheduler),                                                    \
         0,                                                                                            \
         0},                                                                                           \
        {"--rank-exchange",                                                                            \
         "K",                                                                                          \
         "async: updates of a rank between exchanges, at least (chosen; 1 to 1000000)",                \
         CLI_WHOLE,                                                                                    \
         (at) + offsetof(ranks_options, interval),                                                     \
         1,                                                                                            \
         1000000},                                                                                     \
        {"--rank-bound",                                                                               \
         "K",                                                                                          \
         "async: its workers wait with more that are unsent (chosen; 1 to 2000000)",                   \
         CLI_WHOLE,                                                                                    \
         (at) + offsetof(ranks_options, bound),                                                        \
         1,                                                                                            \
         2000000},                                                                                     \
        {"--rank-gather",                                                                              \
         "K",                                                                                          \
         "async: an update is the mean of the first K ranks' to come (2 to as many as there are)",     \
         CLI_WHOLE,                                                                                    \
         (at) + offsetof(ranks_options, gather),                                                       \
         2,                                                                                            \
         1000000},                                                                                     \
        {"--rank-velocity",                                                                            \
         "owners|ranks",                                                                               \
         "async: momentum where updates land, or each rank's own",                                     \
         CLI_CHOICE,                                                                                   \
         (at) + offsetof(ranks_options, velocity),                                                     \
         0,                                                                                            \
         0},                                                                                           \
        {"--rank-combine",                                                                             \
         "chosen|sums|means|averages",                                                                 \
         "async: what several ranks have made of the same parameters (means where steps are sparse)",  \
         CLI_CHOICE,                                                                                   \
         (at) + offsetof(ranks_options, combine),                                                      \
         0,                                                                                            \
         0},                                                                                           \
    {                                                                                                  \
        "--rank-sum", "ordered|reduced", "sync: by the ranks' numbers, or as MPI adds up", CLI_CHOICE, \
            (at) + offsetof(ranks_options, sum), 0, 0                                                  \
    }

#define RANKS_COUNT 9

/* Behind those, of programs whose ranks may have data of their own. */
#define RANK_DATA_ROW(at)                                                                                            \
    {                                                                                                                \
        "--rank-data", "whole|own",                                                                                  \
            "async: each epoch's ratings are dealt, or each rank keeps those of its users (as many users as ranks)", \
            CLI_CHOICE, (at) + offsetof(ranks_options, data), 0, 0                                                   \
    }

/* At the beginning of main: MPI, where argv has --mpi. Ranks other than 0 print nothing on stdout then. -1: go on; else
 * the exit status after a sentence. */
int ranks_begin(const char *program, int argc, char **argv);
/* The program's exit status is `code`: MPI's end, where all ranks come to it. */
int ranks_end(int code);
unsigned ranks_number(void);              /* 0 without MPI */
unsigned ranks_count(void);               /* 1 without MPI */
unsigned ranks_workers(unsigned workers); /* those that a rank has cores for; without MPI: as given */

/* Whether the options go together. */
hw_status ranks_check(const ranks_options *o, char *why);
#if defined(HW_MPI)
/* What they say; where ranks go in step config's scheduler is made theirs. */
struct hw_mpi ranks_mpi(const ranks_options *o, hw_config *config);
#endif

/* One engine's run: create (config is made this rank's), then restore from a state that rank 0 has, or not, and run in
 * place of hw_engine_create, hw_engine_restore and hw_engine_run; they are those without --mpi. free after the engine.
 */
typedef struct ranks {
    bool mpi, async;
    struct hw_mpi_job *job;
} ranks;
hw_status ranks_create(ranks *r, const ranks_options *o, const hw_objective *objective, hw_config *config,
                       const float *params, hw_engine **engine, char *why);
hw_status ranks_restore(ranks *r, hw_engine *engine, const hw_state *state, char *why);
hw_status ranks_run(ranks *r, hw_engine *engine, hw_result *result);
void ranks_free(ranks *r);
/* What each rank did, a line for each; as a table of the report; and hw_run_json, with it. */
void ranks_print(const ranks *r, FILE *out);
hw_status ranks_report(const ranks *r, hw_report *report);
hw_status ranks_json(const ranks *r, hw_engine *engine, const char *name, const hw_result *result, FILE *out);

#endif
