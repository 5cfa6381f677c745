/* simulation.h - virtual workers in virtual time: clocks, and schedules recorded from real threads and replayed.
 *
 * Scheduler SIMULATED runs the same objective, rule and step routine as the threads do; only who reads and who lands
 * when comes from here. Reads are consistent by construction: exactly the state w(t). The same seed gives the same
 * bits, for parameters, histograms and losses, on any number of real threads.
 *
 * Clocks of work: each worker works for a random time, lands, and reads again at once; the order of the landings is
 * the order of these times, ties by worker. Clocks of order know no time: who lands next is a rule.
 *
 *   clock        staleness                                      shape
 *   ROUND_ROBIN  m - 1 once all have landed (Xu et al.)
 *   EXPONENTIAL  geometric, mean m - 1 (Mitliagkas et al., Theorem 5)
 *   GAMMA        less spread than geometric for k > 1           k > 0; Erlang where whole
 *   LOGNORMAL                                                   sigma of the logarithm, in [0.001, 8]
 *   PARETO       heavy tail                                     index a > 1
 *   CONSTANT     round robin, unless workers differ
 *   DELAY        min(t, delay), each update (Liu et al.); keeps delay + 1 gradients, M of the formulas is that
 *   HISTOGRAM    min(t, l), l drawn for each update from a given histogram (the middle of its wide bins); keeps the
 *                largest delay + 1 gradients, so one far outlier costs memory; M is the mean + 1
 *   ADVERSARY    the oldest gradient is held back until it is `delay` old, all others land first come first
 *   REPLAY       a recorded trace's
 *   RECORDED     as the work makes it: times drawn from a histogram of work times (HW_HISTOGRAM_WORK of a run), in
 *                units of its mean; since 0.2
 *
 * m is those at work: policy AUTO lets some rest (hw_config.least_workers; all clocks but DELAY, HISTOGRAM,
 * ADVERSARY and REPLAY).
 *
 * Mean work is 1: virtual times are in units of it, and virtual nanoseconds (histogram of work, update events) count
 * 10^6 to the unit. `workers` counts threads' stand-ins for the clocks of work, ROUND_ROBIN and ADVERSARY; the clocks
 * DELAY, HISTOGRAM and REPLAY bring their own number.
 *
 * Memory per virtual worker: one pending gradient (and one private velocity where configured) and about 1.5 kB; where
 * the objective declares `touched`, that many values and twice as many 32-bit numbers instead of a whole gradient. Per
 * real thread: the objective's scratch, one array of n parameters (two with groups or `touched`), and, with two threads
 * or more, four snapshots of n.
 *
 * Objectives that declare `touched` are computed one step after the other, on whatever thread lands: a snapshot of all
 * parameters would cost more than their step. Further threads do not make them faster. */
#ifndef HOGWILD_SIMULATION_H
#define HOGWILD_SIMULATION_H

#include "params.h"
#include "staleness.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HW_MAX_VIRTUAL 1048576 /* virtual workers */

typedef enum hw_clock_kind {
    HW_CLOCK_ROUND_ROBIN,
    HW_CLOCK_EXPONENTIAL,
    HW_CLOCK_GAMMA,
    HW_CLOCK_LOGNORMAL,
    HW_CLOCK_PARETO,
    HW_CLOCK_CONSTANT,
    HW_CLOCK_DELAY,
    HW_CLOCK_HISTOGRAM,
    HW_CLOCK_ADVERSARY,
    HW_CLOCK_REPLAY,
    HW_CLOCK_RECORDED
} hw_clock_kind;

/* since 0.2: what several ranks have made of the same 16 parameters since each last heard of them: all of it; twice
 * their mean, at most; or their mean (hw_mpi_combine, which has the formula). CHOSEN: means for sparse objectives that
 * know no principal direction, without momentum; else sums. */
typedef enum hw_combine { HW_COMBINE_CHOSEN, HW_COMBINE_SUMS, HW_COMBINE_MEANS, HW_COMBINE_AVERAGES } hw_combine;

/* since 0.2: a cluster in virtual time (hw_config.cluster): the workers in `ranks` equal parts, each a machine of its
 * own, as scheduler ASYNC of mpi.h runs them. The threads of a rank read and write an array of the rank's; after
 * `interval` of its updates, with no exchange of it under way, what they have added up goes to the owners of the
 * parameters (each rank owns an equal share), which land it one exchange after the other and answer with the values
 * that they have then.
 *
 *   delta    what the rank's updates have added since the last one was sent
 *   local    = the owners' values + delta, when those come back
 *   velocity the owners': n updates in an exchange land as n of delta / n each, v <- mu v + delta / n, w <- w + v
 *
 * Staleness is of the owners: updates of other ranks that landed after the values that an update was made on. The clock
 * says how long a step works, `work` how many seconds its mean is; a message of b bytes keeps its sender's link busy
 * for b / bandwidth and then its receiver's, `latency` later; each float of an exchange costs `per_float` at either
 * end. A rank's workers wait rather than have begun more than `bound` updates that are unsent or under way.
 *
 * Without momentum policy auto is still the owners', of dense steps that are summed; any other one is each rank's own
 * and goes by its threads, and then none that makes a momentum of its own.
 *
 * What it is not: evaluations, epochs and averaging come between exchanges, look at the owners' values as they are and
 * keep nobody waiting; no worker rests (least_workers says nothing); what a rank's thread for messages takes from its
 * workers' cores is not in it. Rule sgd, shared velocity; no groups, gathering, ages, delay correction, traces or
 * captures. Memory: three arrays of all parameters a rank, four and a half where means are taken, and 48 bytes for each
 * update that the bound allows it. */
typedef struct hw_cluster {
    unsigned ranks;    /* 0: none, all workers on one array                                       */
    uint32_t interval; /* updates of a rank between its exchanges; default 1                      */
    uint32_t bound;    /* updates of a rank that may be begun, unsent or under way; 0: interval + the larger of
                          interval and threads                                                    */
    double latency;    /* of a message, seconds                                                   */
    double bandwidth;  /* of each rank's link, each way, bytes a second; 0: no limit              */
    double work;       /* mean work of a step, seconds: what virtual time 1 is                    */
    double per_float;  /* seconds a float that an end of an exchange takes                        */
    hw_combine combine;
} hw_cluster;

/* since 0.2: what a run over such a cluster comes to. */
typedef struct hw_cluster_result {
    size_t struct_size; /* the caller's, of what is filled */
    double seconds;     /* of virtual time, of this run as all here */
    uint64_t exchanges;
    double bytes;  /* of all messages, over links */
    double waited; /* share of the workers' time at the bound */
    double link;   /* share of the time that the busiest link sends, or that the busiest one receives */
} hw_cluster_result;

/* One worker's work times: EXPONENTIAL, GAMMA, LOGNORMAL, PARETO or CONSTANT, of the given mean. */
typedef struct hw_clock {
    hw_clock_kind kind;
    double shape, mean;
} hw_clock;

/* One work time. A pure function of the stream's state; HW_CLOCK_ROUND_ROBIN and the like give the mean. */
HW_API double hw_clock_draw(const hw_clock *clock, hw_rng *rng);

typedef struct hw_trace hw_trace;

typedef struct hw_simulation {
    hw_clock_kind clock;
    double shape;
    unsigned threads;           /* real ones; 0: as many as cores. They change the speed, never a bit                 */
    unsigned per_group;         /* workers a compute group: synchronous inside; default 1                             */
    unsigned gather;            /* an update is the mean of the first k gradients to arrive (Wang et al.; scheduler
                                   GATHER's too); default 1                                                          */
    unsigned stragglers;        /* so many workers, the last ones, are slower ...                                     */
    double straggler_factor;    /* ... by this factor                                                                 */
    unsigned delay;             /* DELAY, and ADVERSARY's longest hold; updates                                       */
    const hw_clock *each;       /* workers entries, or NULL: mixed clocks of work, in place of clock and stragglers   */
    const hw_histogram *delays; /* HISTOGRAM's, RECORDED's work times: borrowed, read by create                    */
    const hw_trace *trace;      /* REPLAY's: borrowed while the engine lives                                       */
} hw_simulation;

/* --- traces: who read at which update, who landed at which, with which ticket and which setting --------------------
 *
 * Recorded by runs on threads (hw_config.trace) at three bytes an update, four from 128 workers on, and two more where
 * the setting changed. A replay (clock REPLAY; the same objective, initial parameters, seed, batch, rule, sections,
 * read, write and path) reproduces the staleness of every update. Where reads were CONSISTENT and writes ADD, or writes
 * LOCKED, and every step landed, it reproduces the parameters bit for bit on the same kind of processor; elsewhere
 * (ATOMIC reads tear across updates) it cannot, and hw_trace_info says why. */

typedef struct hw_trace_info {
    unsigned workers;   /* that landed updates: threads, or groups                                     */
    unsigned per_group; /* threads a group                                                             */
    uint64_t updates;   /* recorded, from the run's first on                                           */
    uint64_t lost;      /* updates that did not fit into hw_config.trace_room, or landed after those   */
    uint64_t seed;
    uint64_t parameters; /* floats                                                                      */
    uint32_t batch;      /* examples an update                                                          */
    uint32_t settings;   /* learning rates and momenta that were in force one after the other           */
    uint64_t bytes;      /* of the recorded streams                                                     */
    uint32_t optimizer;  /* checksum of what the step rule was configured as; a replay needs the same   */
    int bit_equal;       /* a replay reproduces the parameters bit for bit                              */
    char why_not[HW_WHY];
} hw_trace_info;

typedef struct hw_trace_entry {
    uint32_t worker, setting;
    uint64_t read, ticket; /* updates that had landed when it read; its ticket. Staleness is its own number - read */
} hw_trace_entry;

HW_API void hw_trace_free(hw_trace *trace);
HW_API void hw_trace_describe(const hw_trace *trace, hw_trace_info *info);
/* Update number i (0 .. updates - 1) in the order of landing. HW_E_ARGUMENT beyond. */
HW_API hw_status hw_trace_get(const hw_trace *trace, uint64_t i, hw_trace_entry *entry);
/* One file: header, settings, one stream a worker, CRC-32 (docs/formats.md). Replaced whole or not at all. */
HW_API hw_status hw_trace_save(const hw_trace *trace, const char *path, char *why);
/* HW_E_IO, HW_E_FORMAT, HW_E_LIMIT, HW_E_MEMORY and a sentence; nothing is left allocated. */
HW_API hw_status hw_trace_load(hw_trace **trace, const char *path, char *why);
/* Whether `params` are the bits that the recorded run ended with: 1 or 0. */
HW_API int hw_trace_matches(const hw_trace *trace, const float *params, size_t count);

#ifdef __cplusplus
}
#endif
#endif
