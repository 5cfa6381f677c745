/* efficiency.h - hardware against statistical efficiency (Mitliagkas et al., Section 1) of any objective: T_m seconds
 * per update, I_m updates to a target, for a grid of settings and some seeds; ratios to one worker, with intervals.
 *
 * A grid is the product of axes, and an axis is an option of hw_config by its name with a list of values ("workers",
 * "1,2,4"). Its first row is the reference: hardware efficiency T_m / T_1, statistical efficiency I_m / I_1, and their
 * product, the time to the target, relative to it. Lower is better. Which of three things is compared is asked for
 * (hw_question), and every table says it.
 *
 * A run that has not met its target when its limit comes is no number: it is a censored observation. I_m is the
 * Kaplan-Meier median over the seeds; where half of the runs or fewer meet the target the row has none.
 *
 * One thread at a time uses a handle. The library prints nothing of itself. Not included by hogwild.h. */
#ifndef HOGWILD_EFFICIENCY_H
#define HOGWILD_EFFICIENCY_H

#include "engine.h"
#include "report.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- statistics of runs that may not have met their target ---------------------------------------------------------
 */

/* A figure with the ends of its 95 % interval. value NaN: there is none; high INFINITY: no upper end; low and high NaN:
 * too few runs to say. */
typedef struct hw_estimate {
    double value, low, high;
} hw_estimate;

/* The Kaplan-Meier estimate from n observations: time[i] is when i met its target where met[i] is not 0, else until
 * when it was seen not to. median: the first time at which the curve falls below one half (the middle of that and of
 * the time since which it stood at one half, if it did); NaN where it never does: half of the runs or fewer. mean:
 * restricted to [0, horizon], the area under the curve; a run is counted as `horizon` where it takes longer. n up to
 * 65536; HW_E_ARGUMENT, HW_E_MEMORY. */
HW_API hw_status hw_survival(const double *time, const int *met, size_t n, double horizon, double *median,
                             double *mean);
/* The median with an interval by bootstrap (2,000 draws of the n runs, percentiles; the same seed gives the same). */
HW_API hw_status hw_survival_median(const double *time, const int *met, size_t n, uint64_t seed, hw_estimate *median);

/* --- the grid ------------------------------------------------------------------------------------------------------
 */

#define HW_QUESTION_TABLE(X)                                                                              \
    X(HW_QUESTION_FIXED, fixed, "fixed",                                                                  \
      "learning rate and momentum the same everywhere, no compensation but by an axis")                   \
    X(HW_QUESTION_TUNED, tuned, "tuned", "the best of a grid of learning rates and momenta for each row") \
    X(HW_QUESTION_COMPENSATED, compensated, "compensated", "the solver of one worker, compensated by the policy")
#define HW_X(value, row, name, help) value,
typedef enum hw_question { HW_QUESTION_TABLE(HW_X) } hw_question;
#undef HW_X
HW_API const char *hw_question_name(hw_question question);

/* What one run came to. */
typedef struct hw_efficiency_run {
    unsigned row;
    int tuning; /* one of the runs that chose the row's learning rate and momentum */
    uint64_t seed;
    int met, diverged;
    double spent;   /* updates that landed */
    double updates; /* to the target, between two evaluations as their metrics say; else those it was seen for */
    double seconds_per_update; /* median over the windows between evaluations, which are not in it; simulated: virtual
                                  time, in units of mean work */
    double metric;             /* of the target, at the end */
    double staleness, dispersion, learning_rate, momentum, seconds;
    double at_work; /* workers (groups) that stepped, on average: policy auto lets some rest */
} hw_efficiency_run;

/* since 0.2: a grid over several machines, where an axis (or the configuration) says cluster.ranks: rows on threads run
 * over so many ranks, config.workers threads each; simulated ones are of a cluster (simulation.h). Every rank measures
 * the same plan and axes; rank 0 has the record, and on_run is called there. One bench, over MPI, is bench/efficiency
 * --mpi. */
typedef struct hw_efficiency_over {
    void *context;
    unsigned rank, ranks; /* this process's number of all that there are */
    /* n bytes of rank 0's, to all; all ranks make the call. */
    hw_status (*share)(void *context, void *bytes, size_t n, char *why);
    /* One run over the first `ranks` of them, called by all: an engine that has run, with its result, into *engine on
     * those, NULL on the others. The evaluations of rank 0's engine count the updates of all. config is for one rank,
     * with config.cluster as the row has it (interval, bound and combine are the ranks' then), and may be changed. A
     * run that diverges is no error. */
    hw_status (*run)(void *context, unsigned ranks, const hw_objective *objective, hw_config *config,
                     const float *params, hw_engine **engine, hw_result *result, char *why);
    /* On rank 0, after a run: the staleness of all updates; a status other than HW_OK: the engine's own counts. */
    hw_status (*staleness)(void *context, hw_histogram *histogram);
    void (*end)(void *context, hw_engine *engine); /* frees it */
} hw_efficiency_over;

typedef struct hw_efficiency_plan {
    size_t struct_size;
    const char *name;              /* of the workload, for tables and records */
    const char *data;              /* what the objective computes from, in words, for records and pages; or NULL */
    const char *metric;            /* what the target's metric is called; NULL: by its number */
    const hw_objective *objective; /* evaluates the target's metric; borrowed, with all it points to */
    const hw_config *config;       /* the solver of one worker; target, target_metric; its stop by updates or epochs is
                                      the limit of a run, and evaluate_every (0: a hundredth of the limit) how finely
                                      updates are seen; borrowed until create returns, but for what it points to */
    void (*start)(void *context, uint64_t seed, float *params); /* initial parameters; NULL: zeros */
    hw_status (*on_run)(void *context, const hw_efficiency_run *run, size_t done, size_t all); /* after each; a status
                                       other than HW_OK ends the measuring with it */
    void *context;
    hw_question question;
    unsigned seeds; /* runs of each row, seeds config.seed and on; default 5, at most 1024 */
    uint64_t warm;  /* every row starts where one worker stands after so many updates (weights and velocity); 0: cold.
                       Refused: a row that keeps a velocity of another kind; where it meets the target there already */
    /* TUNED: the grid. Every point of it runs with tuning_seeds seeds (default 3) that no row is measured with, and is
     * as good as its worst run: what one seed breaks is no solver. It is given up at its first run that takes as many
     * updates as the best point before it. */
    const double *rates, *momenta;
    size_t n_rates, n_momenta;
    unsigned tuning_seeds;
    const char *record; /* CSV file: finished runs are added there at once, and those in it are not repeated; or NULL */
    const volatile sig_atomic_t *stop_flag; /* or NULL: ends the measuring well; unfinished runs are not kept */
    /* Beyond the cores: numbers of workers that get a row for each combination of the other axes (an axis of workers
     * and scheduler async are needed), marked as predicted. Their updates to the target are those of simulated workers
     * with the recorded work times as their clock; a step of m of them takes alone + each (m - 1) seconds, fitted to
     * the runs of fewer workers that had a core each. Where three numbers of workers or more are measured the largest
     * is predicted from the others, too: the row's check, where its workers had a core each. At most 64; read by
     * create. */
    const unsigned *predict;
    size_t n_predict;
    const hw_efficiency_over *over; /* or NULL: this process alone; without warm and predict; read by create */
} hw_efficiency_plan;

/* question FIXED, 5 seeds, all else empty. size: sizeof(hw_efficiency_plan). */
HW_API hw_status hw_efficiency_plan_init(hw_efficiency_plan *plan, size_t size);

/* What bench/efficiency --objective FILE calls in a shared object, by the name hw_efficiency_objective: fills the
 * objective, the configuration (defaults when it is called) and of the plan start, context and name. A status other
 * than HW_OK, with a sentence, ends the program. */
typedef hw_status hw_efficiency_entry(hw_objective *objective, hw_config *config, hw_efficiency_plan *plan, char *why);

typedef struct hw_efficiency hw_efficiency;
HW_API hw_status hw_efficiency_create(hw_efficiency **efficiency, const hw_efficiency_plan *plan, char *why);
HW_API void hw_efficiency_free(hw_efficiency *efficiency);
/* One axis more, the later ones turning faster: an option of hw_config and its values, with commas. HW_E_ARGUMENT with
 * a sentence: no such option or value; HW_E_LIMIT: more than 1,024 rows. */
HW_API hw_status hw_efficiency_axis(hw_efficiency *efficiency, const char *option, const char *values, char *why);
/* A run is known in the record by name, data, every option of its configuration, what that points to (laws, sections,
 * delays, own steps), the sizes of the objective, the warm start, this build and the number of processors; not by what
 * the objective computes. Runs all that is not in the record: tuning first, then seed by seed through the rows, so that
 * a drift of the machine meets all alike. A row that cannot run, or fails otherwise than by diverging, is refused, with
 * its sentence in the row, and the others go on. HW_E_STOPPED: the stop flag; what has been measured can be looked at,
 * and measuring again goes on. HW_E_IO, HW_E_FORMAT: the record (the sentence names the line); HW_E_MEMORY. */
HW_API hw_status hw_efficiency_measure(hw_efficiency *efficiency, char *why);

typedef struct hw_efficiency_row {
    char label[200];         /* its values of the axes: "workers 4, write racy" */
    const hw_config *config; /* but for seed, stop and what was tuned; valid until the next axis or free */
    int refused, simulated;
    char why[HW_WHY]; /* refused: the sentence */
    unsigned runs, met, diverged;
    int tuned;                      /* question tuned: all of the grid has been tried */
    double learning_rate, momentum; /* chosen by tuning, NaN where no point met the target; else config's */
    int at_edge;                    /* at the largest or smallest rate of the grid: the best may lie beyond */
    unsigned tuning_runs;           /* the cost of that */
    double tuning_updates, tuning_seconds;
    hw_estimate time;                           /* T: median over runs */
    hw_estimate updates;                        /* I: Kaplan-Meier median */
    hw_estimate mean_updates;                   /* mean restricted to the limit */
    hw_estimate hardware, statistical, product; /* relative to the reference, paired by seed; hardware and product of
                                                   simulated rows to the first simulated one */
    int predicted;                              /* plan.predict: time is the model's, updates are simulated */
    unsigned fitted;                            /* numbers of workers that the model is fitted to */
    double alone, each; /* the model: a step alone, and what each other worker adds, in seconds; medians over seeds */
    double check_time, check_updates;      /* predicted over measured, where both are there; else NaN */
    double staleness, dispersion, at_work; /* means over runs */
    int coarse; /* the median run met the target within two evaluations: I and T say little */
} hw_efficiency_row;

HW_API size_t hw_efficiency_rows(const hw_efficiency *efficiency);
/* A row's values of the axes; NULL: there is none. Valid until the next axis or free. */
HW_API const char *hw_efficiency_label(const hw_efficiency *efficiency, size_t row);
/* Runs that measure, so far, of all that are asked for by rows that are not refused; how many of them and of those that
 * tune came from the record, into *recorded (may be NULL). */
HW_API size_t hw_efficiency_progress(const hw_efficiency *efficiency, size_t *all, size_t *recorded);
/* Row i as far as it has been measured, into *row. HW_E_ARGUMENT: there is none. */
HW_API hw_status hw_efficiency_row_of(const hw_efficiency *efficiency, size_t i, hw_efficiency_row *row);
/* A table for people; one JSON object on one line, without a newline. HW_E_IO. */
HW_API hw_status hw_efficiency_print(const hw_efficiency *efficiency, FILE *out);
HW_API hw_status hw_efficiency_json(const hw_efficiency *efficiency, FILE *out);
/* Into a page: the table; hardware and statistical efficiency and their product over the number of workers (groups),
 * with intervals, in three pictures, a curve for each combination of the other axes; rows without a figure stand at the
 * upper border as crosses. Names of files begin with `prefix` (letters, digits, _ and -). */
HW_API hw_status hw_efficiency_report(const hw_efficiency *efficiency, hw_report *report, const char *prefix,
                                      char *why);

#ifdef __cplusplus
}
#endif
#endif
