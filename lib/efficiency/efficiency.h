/* efficiency.h (internal) - a grid of rows, the runs they came to, and what follows from those. It trains through the
 * public engine, as a caller would. */
#ifndef HW__EFFICIENCY_EFFICIENCY_H
#define HW__EFFICIENCY_EFFICIENCY_H

#include "../base/base.h"
#include "hogwild/efficiency.h"
#include <math.h>
#include <stdlib.h>

enum { EFFICIENCY_ROWS = 1024, EFFICIENCY_AXES = 16, EFFICIENCY_SEEDS = 1024 };

/* --- survival.c ----------------------------------------------------------------------------------------------------
 */

typedef struct hw__efficiency_observed {
    double time;
    int met;
} hw__efficiency_observed;

typedef struct hw__efficiency_survivors {
    double median, mean;
} hw__efficiency_survivors;

/* Sorts x. */
hw__efficiency_survivors hw__efficiency_survival(hw__efficiency_observed *x, size_t n, double horizon);
/* value with the percentiles of `of` over draws of n things. A draw may come to INFINITY, beyond everything; one that
 * is NaN says nothing and is left out, and where that are half of them or more there is no interval. HW_E_MEMORY. */
hw_status hw__efficiency_bootstrap(size_t n, uint64_t seed, double (*of)(void *context, const uint32_t *draw, size_t n),
                                   void *context, hw_estimate *estimate);

/* --- the grid ------------------------------------------------------------------------------------------------------
 */

typedef struct hw__efficiency_setting {
    char label[200];
    hw_config config;
    hw_status refused; /* HW_OK: it runs */
    char why[HW_WHY];
    double limit;                  /* updates */
    unsigned gather;               /* gradients an update */
    size_t value[EFFICIENCY_AXES]; /* its place in every axis */
    /* predict.c: more workers than were run on threads, simulated with the work times that those had */
    bool predicted;
    hw_histogram work;
    double alone, each; /* seconds of a step alone, and what each other worker adds to it: medians over seeds */
    unsigned points;    /* numbers of workers that these are fitted to */
    /* TUNED: the best point so far */
    bool tuned;
    double rate, momentum, best, tuning_updates, tuning_seconds;
    unsigned tuning_runs;
} hw__efficiency_setting;

/* No point of its grid met the target: there is nothing to measure. */
static inline bool hw__efficiency_hopeless(const hw__efficiency_setting *row)
{
    return row->tuned && isinf(row->best);
}

typedef struct hw__efficiency_kept {
    uint64_t key; /* of everything that the run depends on */
    hw_efficiency_run run;
    char *work, *staleness; /* histogram.c; owned */
} hw__efficiency_kept;

/* --- histogram.c: a run's histograms as texts without commas or quotes -------------------------------------------- */
hw_status hw__efficiency_histogram_init(hw_histogram *h); /* as texts have it */
char *hw__efficiency_pack(const hw_histogram *h);         /* NULL: no memory; hw__base_free */
void hw__efficiency_forget(hw__efficiency_kept *kept);    /* frees its texts */
/* Adds it to one that was initialised as above; false: it is none. */
bool hw__efficiency_unpack(const char *text, hw_histogram *to);

struct hw_efficiency {
    hw_efficiency_plan plan;
    hw_efficiency_over over; /* ranks 0: this process alone */
    hw_config base;
    hw_objective objective;
    char name[100], data[320], metric[60];
    double *rates, *momenta;
    unsigned *predict;
    char *record;
    struct {
        char *option, *values;
    } axis[EFFICIENCY_AXES];
    unsigned axes;
    hw__efficiency_setting *row;
    size_t rows;
    hw__efficiency_kept *kept; /* measured, and read from the record */
    size_t n_kept, room;
    bool read; /* the record */
    size_t done, all, recorded;
    hw_state *warm;
    float *start;
};

/* grid.c: the rows anew from the axes. */
hw_status hw__efficiency_rows_make(hw_efficiency *e, char *why);
/* A row as it runs: with its seed, rate, momentum and limit in updates. */
hw_config hw__efficiency_config(const hw_efficiency *e, const hw__efficiency_setting *row, uint64_t seed, double rate,
                                double momentum, double limit);
/* run.c: one run, all but its key; the warm start, and its configuration. */
hw_status hw__efficiency_run(hw_efficiency *e, size_t row, const hw_config *c, hw__efficiency_kept *kept, char *why);
hw_status hw__efficiency_warm(hw_efficiency *e, char *why);
hw_config hw__efficiency_warm_config(const hw_efficiency *e);
/* over.c: over how many ranks a row runs; 0: in this process. One run as such; rank 0's decision, run or sentence to
 * all others, which make it theirs. */
unsigned hw__efficiency_ranks(const hw_efficiency *e, const hw_config *c);
/* Whether a run takes the configuration: over ranks, as each of them has it. */
hw_status hw__efficiency_takes(const hw_efficiency *e, const hw_config *c, char *why);
hw_status hw__efficiency_run_over(hw_efficiency *e, size_t at, const hw_config *c, hw__efficiency_kept *kept,
                                  char *why);
hw_status hw__efficiency_share(hw_efficiency *e, void *bytes, size_t n, char *why);
/* run.c: what a run came to. */
void hw__efficiency_tell(const hw__efficiency_setting *row, const hw_config *c, hw_engine *engine, const hw_result *r,
                         hw_efficiency_run *run);
hw_status hw__efficiency_histograms(const hw_engine *engine, const hw_histogram *staleness, bool simulated,
                                    hw__efficiency_kept *kept);
hw_status hw__efficiency_start(hw_efficiency *e, uint64_t seed, char *why);
/* record.c */
uint64_t hw__efficiency_key(const hw_efficiency *e, const hw_config *c, bool tuning);
const hw__efficiency_kept *hw__efficiency_find(const hw_efficiency *e, uint64_t key);
hw_status hw__efficiency_read(hw_efficiency *e, char *why);
/* Takes its texts over, whatever comes of it. */
hw_status hw__efficiency_add(hw_efficiency *e, hw__efficiency_kept *kept, char *why);
/* table.c: "1.83 (1.71-1.95)", an end that no draw met open, three digits that mean something; "-" where there is no
 * figure. A time in `unit`. What a row has instead of figures, or NULL. */
typedef struct hw__efficiency_unit {
    const char *name;
    double scale;
} hw__efficiency_unit;
hw__efficiency_unit hw__efficiency_unit_of(const hw_efficiency *e);
/* What a row comes to, in a sentence; empty for the reference, and for what was refused. */
void hw__efficiency_says(const hw_efficiency *e, const hw_efficiency_row *row, char *text, size_t size);
const char *hw__efficiency_predicted(void); /* what the word means */
void hw__efficiency_model_text(const hw_efficiency_row *row, hw__efficiency_unit unit, char *text, size_t size);
void hw__efficiency_text(char *text, size_t size, hw_estimate x, double scale);
const char *hw__efficiency_nothing(const hw_efficiency *e, const hw_efficiency_row *row);
/* table.c: every run that measures as a line of JSON. HW_E_IO. */
hw_status hw__efficiency_lines(const hw_efficiency *e, FILE *out);
/* page_staleness.c: the rows' histograms. */
hw_status hw__efficiency_staleness_page(const hw_efficiency *e, hw_report *r, const char *prefix, char *why);
/* The seed of the k-th run of a row. */
static inline uint64_t hw__efficiency_seed(const hw_efficiency *e, unsigned k)
{
    return e->base.seed + k;
}
/* kept.c: a run of the row that measures, by its seed's number; NULL: not there yet. */
const hw_efficiency_run *hw__efficiency_measured(const hw_efficiency *e, size_t row, unsigned seed);
/* The same with its histograms. */
const hw__efficiency_kept *hw__efficiency_kept_of(const hw_efficiency *e, size_t row, unsigned seed);

/* --- predict_rows.c, predict.c -------------------------------------------------------------------------------------
 */

/* They differ in nothing but the number of workers. It runs on threads, each for itself. */
bool hw__efficiency_same_group(const hw_efficiency *e, const hw__efficiency_setting *a,
                               const hw__efficiency_setting *b);
bool hw__efficiency_on_threads(const hw__efficiency_setting *row);
/* The rows that plan.predict adds behind `rows` rows of the axes: how many; into *at (NULL: they are only counted). */
size_t hw__efficiency_predict_rows(const hw_efficiency *e, const hw__efficiency_setting *row, size_t rows,
                                   hw__efficiency_setting *at);
/* What a predicted row needs of the measured ones: its clock and its model. A row of which too little is known is
 * refused. HW_E_MEMORY. */
hw_status hw__efficiency_predict(hw_efficiency *e, size_t row, char *why);
/* A predicted row's configuration, as it is simulated. */
void hw__efficiency_predicted_config(const hw__efficiency_setting *row, hw_config *c);
/* Seconds of an update by the runs of that seed; NaN: not known. */
double hw__efficiency_predicted_time(const hw_efficiency *e, size_t row, unsigned seed);
/* The measured row that differs from this one in nothing, or nothing but being predicted; SIZE_MAX: none. */
size_t hw__efficiency_check_row(const hw_efficiency *e, size_t row);

#endif
