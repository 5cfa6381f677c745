/* staleness.h - how stale the updates really were: histograms of delay, read spread and work time, their shape, the
 * implicit momentum that they amount to, and a verdict in words.
 *
 * Staleness tau of an update = updates of others that landed between the start of its read and its own landing.
 * Bins: one each for 0 .. linear_bins - 1, then eight a factor of two up to 2^63: nothing is dropped, and mean and
 * variance are exact whatever the bins. Recorders are written by one worker each, without contention; merging may
 * happen at any time and sees every finished update of a quiescent recorder.
 *
 * Mitliagkas et al., "Asynchrony begets momentum": with geometric staleness q_l = (1 - m) m^l the expected step is
 * that of heavy-ball momentum m (Theorem 3), and M workers with exponential work times have m = 1 - 1/M (Theorem 5).
 * The mean staleness says nothing about m: while all M workers are busy it is M - 1 under any clock. The shape does. */
#ifndef HOGWILD_STALENESS_H
#define HOGWILD_STALENESS_H

#include "base.h"
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hw_histogram {
    union {
        uint32_t linear_bins, exact; /* values below have a bin each; a power of two in [8, 65536] (exact: in 0.1) */
    };
    uint32_t bins;       /* length of counts                                                  */
    uint64_t total;      /* values recorded                                                   */
    double sum, squares; /* of the values, exact while below 2^53                             */
    uint64_t largest;
    uint64_t *counts;
} hw_histogram;

/* Zeroed; counts are owned by the histogram and freed by hw_histogram_free (which accepts a zeroed struct). */
HW_API hw_status hw_histogram_init(hw_histogram *h, uint32_t linear_bins);
HW_API void hw_histogram_free(hw_histogram *h);
HW_API void hw_histogram_clear(hw_histogram *h);
HW_API void hw_histogram_add(hw_histogram *h, uint64_t value, uint64_t weight);
/* to += from, to -= from (from an earlier state of to). Both have the same linear bins. */
HW_API void hw_histogram_merge(hw_histogram *to, const hw_histogram *from);
HW_API void hw_histogram_subtract(hw_histogram *to, const hw_histogram *from);
HW_API void hw_histogram_copy(hw_histogram *to, const hw_histogram *from);
/* Smallest and largest value of a bin. */
HW_API void hw_histogram_bounds(const hw_histogram *h, uint32_t bin, uint64_t *low, uint64_t *high);
/* Smallest value (of the bin's middle above the linear ones) with at least a share p in [0, 1] of the total below or at
 * it. */
HW_API double hw_histogram_quantile(const hw_histogram *h, double p);

/* One fit of a law to the histogram: chi-square on cells pooled to at least 5 expected, and total variation. */
typedef struct hw_fit {
    const char *name;    /* "geometric", "Poisson", "negative binomial", "point mass"                */
    int valid;           /* 0: the law cannot have this mean and variance                            */
    double parameter[2]; /* geometric: m; Poisson: mean; negative binomial: r, p; point mass: value  */
    double chi_square, p_value;
    int degrees;
    double total_variation; /* half the sum of |q_l - fit_l|, in [0, 1]                                 */
    double sampling;        /* what it would be on average for as many draws from the fit itself        */
} hw_fit;

enum { HW_FIT_GEOMETRIC, HW_FIT_POISSON, HW_FIT_NEGATIVE_BINOMIAL, HW_FIT_POINT_MASS, HW_FITS };

/* Everything a histogram of staleness says. Estimates of the implicit momentum are NaN where they do not exist. */
typedef struct hw_staleness_summary {
    uint64_t updates;
    double mean, variance, dispersion; /* D = variance / (m (1 + m)): 1 geometric, 0 a fixed delay          */
    double q0;                         /* share of updates with staleness 0                                 */
    double median, p90, p99, largest;
    double by_zero;  /* 1 - q_0                                                           */
    double by_slope; /* from the slope of log q_l over l, weighted by counts              */
    double by_tail;  /* tail maximum likelihood from l >= 1: m'/(1 + m'), m' = E[l-1|l>=1] */
    double by_mean;  /* m / (1 + m): fixed by the number of workers, measures nothing     */
    hw_fit fit[HW_FITS];
    int best;      /* the valid fit of smallest total variation                         */
    int geometric; /* |D - 1| <= 0.3, known to within 0.3 either way, and total variation to
                      the geometric fit <= 0.1 beyond that of a sample of this size    */
} hw_staleness_summary;

HW_API void hw_staleness_summarize(const hw_histogram *h, hw_staleness_summary *summary);
/* The interval that D is in with 95 %, from the number of updates: at 1 it is +- 0.3 after 340 of them. NaN: none. */
HW_API void hw_staleness_dispersion(const hw_staleness_summary *summary, double *low, double *high);
/* The implicit momentum from the whole kernel q: with it q_l = mu q_{l-1} + (1 - mu) delta_l0 (Theorem 3), so mu is the
 * least-squares factor of that recursion. It tells laws apart that have the same mean: with 8 workers 0.88 for
 * exponential work (1 - 1/M), 0.70 for gamma 1/2, 0.96 for Erlang-2. *error (may be NULL): the mean square error of the
 * fit (1 - mu) mu^l, as a share of the kernel's own square; above about 0.1 the kernel is no momentum. NaN: no updates.
 */
HW_API double hw_staleness_momentum(const hw_histogram *histogram, double *error);
/* One sentence on what it means, without a full stop; `text` takes size bytes. */
HW_API void hw_staleness_verdict(const hw_staleness_summary *summary, char *text, size_t size);

/* Their names in 0.1. */
typedef hw_staleness_summary hw_shape;
HW_API void hw_shape_of(const hw_histogram *h, hw_staleness_summary *summary);
HW_API void hw_shape_verdict(const hw_staleness_summary *summary, char *text, size_t size);

/* Work times (read to write, nanoseconds) against the assumptions of Theorem 5: exponential (coefficient of variation
 * 1), independent (no correlation from one step to the next), and staleness independent of the step's cost. */
typedef struct hw_work_summary {
    uint64_t steps;
    double mean_ns, variation, correlation_next, correlation_staleness;
} hw_work_summary;
typedef hw_work_summary hw_work_shape; /* its name in 0.1 */

/* --- recording ------------------------------------------------------------------------------------------------- */

typedef struct hw_staleness hw_staleness;

/* Planned for `workers`; linear_bins: see hw_histogram. Thread safety: record is called by worker `worker` alone. */
HW_API hw_status hw_staleness_create(hw_staleness **s, unsigned workers, uint32_t linear_bins, char *why);
HW_API void hw_staleness_free(hw_staleness *s);
HW_API size_t hw_staleness_bytes(const hw_staleness *s);

typedef struct hw_observation {
    uint64_t staleness, spread, overlap; /* in updates */
    uint64_t work_ns;                    /* read to write, parked time taken off */
} hw_observation;

/* One landed update. weight: 1, or with a sampled clock the updates since the last measured one. */
HW_API void hw_staleness_record(hw_staleness *s, unsigned worker, const hw_observation *o, uint64_t weight);

/* SPREAD: updates that landed during the read; with an exchange interval: exchanges of others from one of a worker's to
 * its next (and STALENESS: their updates, once for each of the worker's). */
enum { HW_HISTOGRAM_STALENESS, HW_HISTOGRAM_SPREAD, HW_HISTOGRAM_OVERLAP, HW_HISTOGRAM_WORK, HW_HISTOGRAMS };

/* Add the workers' histograms (or one worker's) into h, which has been initialised with the recorder's
 * (hw_staleness_linear_bins); may be called while workers record. */
HW_API uint32_t hw_staleness_linear_bins(const hw_staleness *s);
HW_API uint32_t hw_staleness_exact(const hw_staleness *s); /* its name in 0.1 */
HW_API void hw_staleness_merge(const hw_staleness *s, int which, hw_histogram *h);
HW_API void hw_staleness_worker(const hw_staleness *s, int which, unsigned worker, hw_histogram *h);
HW_API uint64_t hw_staleness_count(const hw_staleness *s, unsigned worker);
HW_API void hw_staleness_work(const hw_staleness *s, hw_work_summary *work);

/* The hook: called by the worker itself after its update landed (see hw_config.on_update). */
typedef struct hw_update_event {
    unsigned worker;
    uint64_t update, staleness, spread; /* update: how many landed before this one (sampled clock: of this worker) */
    double loss, learning_rate, momentum;
    uint64_t read_ns, write_ns; /* hw_now() at the read's start and after the landing */
    int measured;               /* 0: the sampled clock skipped it; staleness, spread and times are then 0 */
} hw_update_event;
typedef void (*hw_update_hook)(void *context, const hw_update_event *event);

/* --- export ----------------------------------------------------------------------------------------------------- */

/* CSV with header "low,high,count,share,geometric,poisson,negative_binomial"; one JSON object; a text histogram of at
 * most `rows` rows, bars of Unicode eighths or of '#' where unicode is 0. All print into `out` only and return
 * HW_E_IO where the stream reports an error. */
HW_API hw_status hw_histogram_csv(const hw_histogram *h, FILE *out);
/* The same back (the first three columns; a wide bin counts at its middle), plain or gzip. HW_E_IO, HW_E_FORMAT,
 * HW_E_LIMIT, HW_E_MEMORY and a sentence naming the line; nothing is left allocated then. */
HW_API hw_status hw_histogram_load(hw_histogram *h, uint32_t linear_bins, const char *path, char *why);
HW_API hw_status hw_histogram_json(const hw_histogram *h, FILE *out);
HW_API hw_status hw_staleness_summary_json(const hw_staleness_summary *summary, FILE *out);
HW_API hw_status hw_shape_json(const hw_staleness_summary *summary, FILE *out); /* its name in 0.1 */
HW_API hw_status hw_histogram_text(const hw_histogram *h, FILE *out, int rows, int unicode);

#ifdef __cplusplus
}
#endif
#endif
