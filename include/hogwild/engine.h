/* engine.h - who runs when: schedulers, start, stop, errors, results. It does not know what an objective computes.
 *
 *   scheduler    who runs                                                  staleness
 *   SEQUENTIAL   one worker: the reference                                 0
 *   ASYNC        M threads without a barrier: HOGWILD!                     measured
 *   SYNC         M threads split one minibatch; mean gradient, one update  0
 *   GROUPS       G groups of M / G threads: synchronous inside, asynchronous across (compute groups of Mitliagkas et
 *                al.); M in every formula is then G                        measured
 *   SIMULATED    virtual workers in virtual time (simulation.h): any number, deterministic, on any number of real
 *                threads; exactly one pair of read and write a step        exact
 *   ROUND_ROBIN  M threads that read and land in turns, gradients in parallel: the round-robin scheme of
 *                Langford et al. on real threads, repeatable like a simulation; the first M - 1 updates are younger,
 * and so are those after a capture, which empties the ring      M - 1
 *   GATHER       M threads; an update is the mean of the first k = simulation.gather gradients, and the others go on
 *                (Wang et al.); M in every formula is then M / k          measured
 *
 * `batch` is examples per update in every scheduler, of each gradient where several are gathered. SYNC and GROUPS turn
 * sparse accesses into dense ones (allowed, slow). Threads: a handle is used by one thread at a time, except
 * hw_engine_stop (any thread, any signal handler), hw_engine_progress (any thread) and hw_engine_work. Workers block
 * all signals. A child of fork gets HW_E_FORK from run, work, get, set and get_velocity on the parent's handle; free
 * does nothing there.
 *
 * Memory of a run on threads (SIMULATED: simulation.h), in floats of n parameters, beside the objective's scratch:
 * params.h's array; 2 n a worker (snapshot and gradient; +n with a private velocity); n for GATHER's sum; 3 n for
 * evaluation and the last good parameters; 6 n and one more scratch where the curvature is to be estimated; the
 * histograms (hw_staleness_bytes). With on_checkpoint the engine keeps the state that it hands out: a second copy of
 * the parameters and of the arrays beside them, of the kept parameters (2 n), the mean (n), the private velocities (n a
 * worker), the pending gradients of SIMULATED's workers with their lists, the histograms, and both lists at their full
 * length (about 1.5 MB). hw_engine_bytes gives the sum. All of it is allocated by create; nothing by run. */
#ifndef HOGWILD_ENGINE_H
#define HOGWILD_ENGINE_H

#include "checkpoint.h"
#include "objective.h"
#include "optimizer.h"
#include "simulation.h"
#include "staleness.h"
#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every scheduler once: its value, the library's row, what options call it, and what it does. Values never change. */
#define HW_SCHEDULER_TABLE(X)                                                                           \
    X(HW_SEQUENTIAL, sequential, "sequential", "one worker: the reference")                             \
    X(HW_ASYNC, async, "async", "threads without a barrier: HOGWILD!")                                  \
    X(HW_SYNC, sync, "sync", "threads split one minibatch")                                             \
    X(HW_GROUPS, groups, "groups", "groups of threads: synchronous inside, asynchronous across")        \
    X(HW_SIMULATED, simulated, "simulated", "virtual workers in virtual time, any number of them")      \
    X(HW_ROUND_ROBIN, round_robin, "round-robin", "threads that read and land in turns: a fixed delay") \
    X(HW_GATHER, gather, "gather", "threads: an update is the mean of the first simulation.gather gradients")

#define HW_X(value, row, name, help) value,
typedef enum hw_scheduler { HW_SCHEDULER_TABLE(HW_X) } hw_scheduler;
#undef HW_X

/* What to do about a loss or gradient that is not finite. STOP: HW_E_DIVERGED, the last good parameters are kept. SKIP:
 * the update is left out and counted. */
typedef enum hw_nan_policy { HW_NAN_STOP, HW_NAN_SKIP } hw_nan_policy;

/* Steps of an objective with layers (hw_read_layer). AUTO: layer by layer where the policy is AUTO and it can be:
 * ASYNC, SIMULATED with a clock of work times; atomic reads and lossless or racy writes of single updates; no clipping,
 * private velocity, age, or trace; simulated workers are then computed one after the other, whatever
 * simulation.threads. EACH: refused where it cannot be; of one worker nothing is stale, and steps are whole. */
#define HW_LAYER_TABLE(X)                                                  \
    X(HW_LAYERS_AUTO, auto, "auto", "one by one where the policy is auto") \
    X(HW_LAYERS_WHOLE, whole, "whole", "all parameters at once")           \
    X(HW_LAYERS_EACH, each, "each", "one by one, each as old as its own use of it")
#define HW_X(value, row, name, help) value,
typedef enum hw_layer_mode { HW_LAYER_TABLE(HW_X) } hw_layer_mode;
#undef HW_X

typedef struct hw_progress {
    uint64_t updates, examples;
    double epoch, seconds, examples_per_second, train_loss;
    double staleness; /* of the last evaluation; before the first what it tends to: those at work - 1 */
    double momentum, learning_rate, ahead;
    double fraction;           /* done, in [0, 1]; NaN where no stop condition tells */
    const hw_evaluation *last; /* or NULL */
} hw_progress;

/* Work that is added to every step of every thread, between its last read and its first write, so that steps of any
 * law of duration, stragglers and queues can be had on any box: what the papers' assumptions speak of. law: kind
 * EXPONENTIAL, GAMMA, LOGNORMAL, PARETO or CONSTANT, mean in seconds; ROUND_ROBIN, the default: none. Draws are
 * independent, from a stream of seed and worker. Sleeping, the default, leaves the cores to others, so that there may
 * be more workers than cores; a sleep ends some 0.1 ms late. Threads of a group each have their own work, and the
 * group waits for the last. Recorded work times and staleness have it in. Steps go one by one then: sweeps are not
 * used. */
typedef struct hw_work {
    hw_clock law;
    int spin;             /* keep the core busy instead of sleeping */
    const hw_clock *each; /* workers entries in place of law, or NULL: borrowed, read by create */
} hw_work;

/* What one of those who land on their own does otherwise than all (config.own_steps). */
typedef struct hw_own_step {
    double rate;     /* times the learning rate of all; (0, 1e6]                                                      */
    double momentum; /* in place of the explicit momentum of all, in (-1, 1), with rules sgd and nesterov and
                        compensation none, fixed or user: a shared velocity decays by it at this one's landings, and
                        is there where momentum.target is above 0; on replicas velocity private. NaN: that of all */
} hw_own_step;

typedef struct hw_config {
    size_t struct_size; /* set by hw_config_init; new fields are added at the end (docs/abi.md) */
    /* who runs */
    hw_scheduler scheduler;
    unsigned workers, groups; /* SIMULATED: virtual workers, up to HW_MAX_VIRTUAL                               */
    uint32_t batch;           /* examples an update                                                          */
    int batch_per_worker;     /* SYNC, GROUPS: batch is a thread's share instead                             */
    int pin;                  /* pin workers to cores through hwloc; refused where it was not built in       */
    int flush_denormals;      /* flush-to-zero in the workers (x86-64)                                       */
    hw_simulation simulation; /* SIMULATED's clock                                                             */
    /* shared parameters */
    hw_read_mode read;
    hw_write_mode write;
    hw_path path;
    unsigned stripe;
    unsigned clock_interval;    /* as in params.h; 0: chosen: 1 for steps that touch all parameters and for whatever
                                   needs every update's age, 512 or less (16 turns an epoch a worker) for sweeps, else
                                   64                                                                        */
    unsigned exchange_interval; /* 1: HOGWILD! as published. Above: each worker steps on a private replica and exchanges
                                   it every so many steps (ASYNC); 0: chosen from the fastest times so far, so that
                                   exchanges take about 1/40 of the time, but at most 256 / (workers - 1), or
                                   2 / (learning rate x the objective's second curvature x (workers - 1)) where it
                                   knows its principal direction: what several workers do from the same start adds
                                   up; up to twice that where they took a fifth                               */
    size_t exchanged;           /* only so many leading parameters in the replicas, the others shared; 0: all */
    /* Use the objective's sweep where it can be: one example an update, SEQUENTIAL or ASYNC, rule sgd without momentum
     * or adagrad, write racy or add or an exchange interval, a sampled clock, and nothing that looks at single updates
     * (hook, trace, age, clipping, sections, weight decay, skipping). fused: its name in 0.1. */
    union {
        int sweep, fused;
    };
    /* steps */
    hw_optimizer optimizer;
    hw_compensation compensation;
    double curvature; /* for AUTO and warnings; 0: estimated before the run where AUTO needs it (dense SGD,
                         more than one worker), and followed during it by four gradients of a minibatch in
                         every window, more often in the first; negative: never */
    /* sampling */
    uint64_t seed;
    int with_replacement;
    uint32_t shuffle_block; /* examples that stand next to each other and are visited together, so that memory streams;
                               the data set should be shuffled once then. 1: every example by itself           */
    /* stop: the first that holds; 0 = not this one */
    uint64_t updates; /* calls of step; with one pair of read and write a call: updates (gathering: gradients) */
    double epochs, seconds;
    int target_metric; /* metric 0 stops at or below target, the others at or above                   */
    double target;     /* 0: none                                                                     */
    const volatile sig_atomic_t *stop_flag; /* polled every step, or run of a sweep; a signal handler may set it */
    /* evaluation */
    uint64_t evaluate_every; /* updates; 0: by epochs */
    double evaluate_epochs;  /* default 1; 0: only at the end */
    /* trouble */
    hw_nan_policy
        on_nan; /* HW_NAN_STOP: AUTO goes back and on while it can; HW_NAN_SKIP: where nothing else comes any more */
    double divergence;   /* stop when a worker's smoothed loss stays above this times the larger of the run's first
                            losses (the mean of about 20; with ten workers or more of two each) and the mean of all so
                            far; it takes about eight large losses in a row, no single one; the steps of sparse
                            objectives count sixteen examples together; 0: off                             */
    uint64_t keep_every; /* updates between snapshots of the last good parameters (AUTO: ten, or as many as there are
                            workers, where those are more; 0: AUTO does not go back); with objective.touched at least
                            256 parameters / touched, so that copying them stays cheap                   */
    /* averaging (Polyak): every so many updates the parameters enter a running mean, which evaluations then see and
     * hw_engine_average and hw_train give. 0: off. From average_from, a share of the run by updates or epochs, on */
    uint64_t average_every;
    double average_from;
    /* measuring */
    int record; /* staleness histograms; 0 only for measuring their cost: policies then go by M */
    union {
        uint32_t linear_bins, exact; /* bins of their own for staleness below this (exact: in 0.1) */
    };
    int trace;           /* record the schedule: hw_engine_trace                                        */
    uint64_t trace_room; /* updates that it has room for; 0: from the stop by updates or epochs          */
    /* callbacks: context is passed to all. on_update runs in every worker at once; on_evaluation and on_epoch in one at
     * a time (an epoch that ends with the run: in the thread that ends it); on_progress in the thread that called run.
     * A status other than HW_OK stops the run with it; HW_E_STOPPED ends it well (HW_STOP_CALLBACK). */
    void *context;
    hw_update_hook on_update;
    uint64_t on_update_every;
    hw_status (*on_evaluation)(void *context, const hw_evaluation *evaluation);
    hw_status (*on_epoch)(void *context, uint64_t epoch);
    hw_status (*on_progress)(void *context, const hw_progress *progress); /* from the thread that called run */
    unsigned progress_ms;
    /* captures: called with everything that the run needs to go on (hw_engine_capture) whenever one of the three is
     * due, and once more at the end of every run that did not fail, whatever stopped it, unless the parameters are
     * those of the last capture. All workers are parked, between steps, with no gradient lost; the time is not charged
     * to training, nor is the wait for the last step before it. The state is the engine's and valid during the call, in
     * the worker that makes it. An evaluation that is due at the same update comes first; the one at the end of a run
     * that hw_engine_stop, stop_flag or config.seconds have cut short comes after, since the whole run would not make
     * it: no capture holds it. */
    hw_status (*on_checkpoint)(void *context, const hw_state *state);
    uint64_t checkpoint_every; /* updates; 0: off                                  */
    double checkpoint_epochs;  /* 0: off                                           */
    double checkpoint_seconds; /* of training; looked at after a landing; 0: off   */
    /* since 0.2: on_checkpoint with the number of updates that have landed. One of the two. */
    hw_status (*on_capture)(void *context, uint64_t update, const hw_state *state);
    /* since 0.2: of all that the engine holds (base.h); NULL: the C library */
    const hw_allocator *allocator;
    /* since 0.2: whether steps of an objective with layers read and write those one by one */
    hw_layer_mode layers;
    /* since 0.2: lambda of delay compensation (Zheng et al. 2017), beside any policy: a gradient g lands as
     * g + lambda g g (w_now - w_read), w_read where it was computed (look-ahead included), w_now just before it lands;
     * before clipping, weight decay and sections. lambda g (w_now - w_read) is a plain number: a loss ten times as
     * large wants a tenth of lambda. Where the square overflows the gradient lands as it is. Atomic reads with write
     * add, striped or racy, no replicas; sweeps are not used. One more array a worker. 0: off */
    double delay_correction;
    /* since 0.2: policy auto lets workers (with GROUPS, groups) rest where gradients as old as with all of them cost
     * accuracy: never fewer than the first so many step. 0 is 2, the default; as many as there are: none rests. Others
     * always step all: other policies, rules than sgd and nesterov, sparse objectives, gathering, replicas, clocks of
     * order. hw_engine_at_work */
    unsigned least_workers;
    /* since 0.2: schedulers of threads only; may be another for a run that goes on */
    hw_work work;
    /* since 0.2: a rate and a momentum for each of those who land on their own: workers, or the groups of GROUPS (SYNC:
     * 1), in the order of their numbers; as many as hw_config_asynchronous says. NULL: all step alike. Not with
     * gathering or clocks DELAY and HISTOGRAM. Policies do not know of it. Borrowed, read by create */
    const hw_own_step *own_steps;
    size_t n_own_steps;
    /* since 0.2: this engine is one of several that train one model (advanced/peers.h). Read by create; NULL: the only
     * one */
    const struct hw_peers *peers;
    /* since 0.2: scheduler simulated: the workers are the threads of so many machines (simulation.h) */
    hw_cluster cluster;
} hw_config;

/* The defaults, into as much of it as the caller's struct has room for: size is sizeof(hw_config). HW_E_ARGUMENT: less
 * than the first release's. */
HW_API hw_status hw_config_init(hw_config *config, size_t size);
static inline hw_config hw_config_defaults(void)
{
    hw_config config;
    (void)hw_config_init(&config, sizeof config);
    return config;
}

/* --- one table of options ------------------------------------------------------------------------------------------
 */

typedef enum hw_option_type { HW_OPTION_INT, HW_OPTION_REAL, HW_OPTION_CHOICE } hw_option_type;
typedef struct hw_option {
    const char *name, *unit, *help;
    hw_option_type type;
    double low, high; /* bounds, inclusive unless open_high          */
    int open_high;
    const char *choices; /* "a|b|c", for HW_OPTION_CHOICE               */
} hw_option;

/* The table, for --help, records and other languages. i = 0 .. hw_option_count() - 1. Defaults: hw_config_get on
 * hw_config_defaults(). */
HW_API size_t hw_option_count(void);
HW_API hw_status hw_option_get(size_t i, hw_option *option);
/* Set by name and text; a sentence names the option, its range or its choices. */
HW_API hw_status hw_config_set(hw_config *config, const char *name, const char *value, char *why);
/* The present value as text (size bytes). */
HW_API hw_status hw_config_get(const hw_config *config, const char *name, char *value, size_t size);
/* All options as one JSON object. */
HW_API hw_status hw_config_json(const hw_config *config, FILE *out);
/* since 0.2: the same as a file, an option a line; and the options that such a file names, or one of a few lines of
 * somebody's own, into *config. What a configuration points to is not in it. The file is untrusted: HW_E_FORMAT with a
 * sentence that names line or option, and *config is as it was; HW_E_LIMIT above 64 kB, HW_E_IO, HW_E_MEMORY. save:
 * HW_E_ARGUMENT where an option is out of its range. */
HW_API hw_status hw_config_save(const hw_config *config, const char *path, char *why);
HW_API hw_status hw_config_load(hw_config *config, const char *path, char *why);
/* since 0.2: a cluster from text: ranks=64,threads=16,latency=20us,bandwidth=10Gb/s,work=5ms, and interval, bound,
 * per-float, law (a clock of work; lognormal), shape (0.1). Times in s, ms, us or ns, bandwidths in b/s or B/s with k,
 * M or G before. workers is ranks times threads (1). hw_config_set(config, "clock", "cluster:...") does the same. The
 * scheduler is left as it is: HW_SIMULATED. HW_E_ARGUMENT: a sentence that names the key, and *config is as it was. */
HW_API hw_status hw_cluster_parse(hw_config *config, const char *text, char *why);
/* Everything that create would refuse, with its sentence. */
HW_API hw_status hw_config_check(const hw_config *config, const hw_objective *objective, char *why);

/* M of every formula: workers that land on their own under this configuration (1 under SYNC, the groups of GROUPS, what
 * delays of SIMULATED amount to); 0 where the configuration is none to run. */
HW_API unsigned hw_config_asynchronous(const hw_config *config);
/* The compensation as a run of this objective has it: where margin is 0, the one of its kind. */
HW_API hw_compensation hw_config_compensation(const hw_config *config, const hw_objective *objective);

/* --- running -------------------------------------------------------------------------------------------------------
 */

typedef enum hw_stop_reason {
    HW_STOP_NONE,
    HW_STOP_UPDATES,
    HW_STOP_SECONDS,
    HW_STOP_TARGET,
    HW_STOP_ASKED,
    HW_STOP_ERROR,
    HW_STOP_CALLBACK /* a step or a callback returned HW_E_STOPPED: no error, every worker finishes its step */
} hw_stop_reason;

typedef struct hw_result {
    hw_status status;
    hw_stop_reason reason;
    char message[3 * HW_WHY]; /* a sentence; "" where nothing went wrong */
    uint64_t updates, examples, tickets;
    uint64_t good_update;      /* the update whose parameters are in force: updates, or the last good one's */
    uint64_t clipped, skipped; /* skipped: gradients that did not land: not finite, or of parameters left by a return */
    union {
        uint64_t swept, fused; /* updates made by sweeps (fused: in 0.1) */
    };
    unsigned exchange_interval; /* in force: 1, config's, or the chosen one */
    uint64_t exchanges;         /* of all workers */
    double collisions; /* sparse updates that were measured with a sampled clock: share of the parameters read that
                          others had changed before the write; NaN where none was                        */
    double epochs, seconds, evaluation_seconds, preparation_seconds;
    double curvature;         /* used, at the end; 0 where none was */
    double train_loss;        /* of the last steps: each worker's exponential mean over about 5 of its steps */
    hw_evaluation last;       /* the last evaluation; update 0 and zeros where there was none */
    double seconds_to_target; /* training seconds at which the target was met; NaN */
    uint64_t updates_to_target;
    union {
        hw_staleness_summary staleness, shape; /* of all that was recorded (shape: in 0.1) */
    };
    hw_work_summary work;
    hw_setting setting;  /* in force at the end */
    double virtual_time; /* SIMULATED: units of mean work; 0 elsewhere */
} hw_result;

typedef struct hw_engine hw_engine;

/* Everything is planned here: no allocation happens in run. The objective's struct is copied, what it points to is
 * borrowed. params: initial values, or NULL for zeros. why: HW_WHY bytes or NULL. */
HW_API hw_status hw_engine_create(hw_engine **engine, const hw_objective *objective, const hw_config *config,
                                  const float *params, char *why);
HW_API void hw_engine_free(hw_engine *engine);

/* The schedule of the last run, which had config.trace on: a trace of its own, freed by hw_trace_free. HW_E_STATE where
 * none was recorded. */
HW_API hw_status hw_engine_trace(hw_engine *engine, hw_trace **trace, char *why);
/* Start the workers, wait for them, fill *result (may be NULL). Returns result.status. May be called again: it goes on
 * from the present parameters with the stop conditions counted from there. */
HW_API hw_status hw_engine_run(hw_engine *engine, hw_result *result);
/* Instead of run: exactly hw_engine_threads(engine) threads of the caller's each call this with their own number; the
 * calls return when the run is over, all with the run's status. Then hw_engine_result. Where a thread could not be
 * started, hw_engine_stop or the stop_flag, after one of the others has called, lets those go that wait for it, after
 * a second in which others may still come; nothing has been trained then. HW_E_UNSUPPORTED with pin; HW_E_STATE while
 * hw_engine_run runs. Such a thread needs a stack of 128 kB beside what the objective takes; workers of hw_engine_run
 * have 1 MB at least. */
HW_API unsigned hw_engine_threads(const hw_engine *engine);
HW_API hw_status hw_engine_work(hw_engine *engine, unsigned worker);
HW_API void hw_engine_result(hw_engine *engine, hw_result *result);
/* What a run has come to, from any thread at any time but beside hw_engine_free and hw_engine_restore; also from a
 * callback, and during a run that other threads make with hw_engine_work. train_loss: the mean over all steps so far.
 * last (may be NULL) takes the newest evaluation, and progress->last points to it, or is NULL where there is none.
 * HW_E_STATE: no run has begun. HW_E_FORK: in a forked child. */
HW_API hw_status hw_engine_progress(hw_engine *engine, hw_progress *progress, hw_evaluation *last);
/* Why the handle's last run, work, get, set, average, get_velocity, capture or hw_result_json failed (a run: the
 * sentence of its first error); "" where it did not. Valid until the next call. */
HW_API const char *hw_engine_sentence(const hw_engine *engine);
/* Ask for a stop: every worker finishes its step. Async-signal-safe. Before a run has begun it has no effect. */
HW_API void hw_engine_stop(hw_engine *engine);
HW_API void hw_stop(hw_engine *engine); /* its name in 0.1 */

/* Parameters and velocity (n floats each); HW_E_STATE during a run. velocity: HW_E_STATE where the rule keeps none. */
HW_API hw_status hw_engine_get(hw_engine *engine, float *params);
/* The mean of the parameters; HW_E_STATE without average_every, or before anything entered it. */
HW_API hw_status hw_engine_average(hw_engine *engine, float *params);
HW_API hw_status hw_engine_set(hw_engine *engine, const float *params);
HW_API hw_status hw_engine_get_velocity(hw_engine *engine, float *velocity);
HW_API size_t hw_engine_bytes(const hw_engine *engine);

/* Staleness by layer, outside a run: how many layers have one of their own, which are the objective's (*layers, may be
 * NULL, borrows its table); 0 where steps read all parameters at once. And that of one, since the run's start, into h:
 * an initialised histogram, which is cleared first. It counts a layer's updates that landed between its read and its
 * own landing; far beyond the number of workers the values share a bin. HW_E_ARGUMENT: no such layer. */
HW_API size_t hw_engine_layers(const hw_engine *engine, const hw_layer **layers);
HW_API hw_status hw_engine_layer_staleness(const hw_engine *engine, size_t layer, hw_histogram *h);

/* since 0.2: what policies are given at the start of a run that has not begun: into *input workers, momentum, learning
 * rate and the curvature, which is estimated as the run does it (0 where that does not); and where steps go layer by
 * layer the delays that the direction of the largest curvature is going to see, by the shares in which layers are held.
 * Those stand in `delays`, an initialised histogram that is cleared first, and `shape` is that of whole steps, a fixed
 * delay of workers - 1; input borrows both. For hw_advise_policy, hw_advise_input and hw_advise_print. HW_E_STATE: a
 * run has begun; HW_E_ARGUMENT; HW_E_FORK. */
HW_API hw_status hw_engine_policy_input(hw_engine *engine, hw_policy_input *input, hw_histogram *delays,
                                        hw_staleness_summary *shape);

/* --- capture and restore -------------------------------------------------------------------------------------------
 *
 * A captured state goes on in a new engine of the same objective and configuration, in this or another process, as if
 * nothing had happened:
 *
 *   SEQUENTIAL, SYNC, SIMULATED  bit for bit on the same kind of processor and build: parameters and the arrays beside
 *                                them, evaluations and settings (their seconds aside), histograms (work times aside),
 *                                and it ends at the same update. SIMULATED: on any number of real threads
 *   ASYNC, GROUPS                from the same parameters, arrays, clock, tickets, histograms, random streams and
 *                                setting; no gradient is lost, since captures wait until every worker is between steps
 *
 *   GATHER                       like ASYNC, with what has been gathered of the next update
 *   ROUND_ROBIN                  like ASYNC; bits are those of a run that captures at the same updates, since every
 *                                capture empties the ring
 *
 * What the objective keeps in self, in its scratch, or in streams of its own is not in it. With an exchange interval
 * every capture is an exchange too, so bits are those of a run that captures at the same updates; a sampled clock's
 * last few updates stand in the histogram from the end of a run on.
 *
 * Entries: the parameters as one F32 array per tensor of the objective, by its name, and "weights" for what no tensor
 * names; the velocity (or the rule's first array) likewise as "velocity.<tensor>" and "velocity", the others as
 * "array2....", "array3...."; "worker.velocity" [workers, parameters] where each has its own; config.<option> for every
 * option; all else under run, worker, clock, staleness, setting, evaluations, settings, kept, average, blocks, lane,
 * sim, ring and timeline. A tensor's name may not begin with one of these words and a dot. Other entries are left
 * alone. */

/* Fill `state` (not cleared: entries of the same names are replaced) with what the engine holds, outside a run. Of an
 * engine that has not run yet: its start. The evaluation at the end of a run that hw_engine_stop, stop_flag or
 * config.seconds have cut short is not in it, since the whole run would not make it. HW_E_STATE during a run and after
 * one that failed, whose good parameters hw_engine_get gives; HW_E_DIVERGED where a parameter is not finite; HW_E_FORK;
 * HW_E_ARGUMENT; HW_E_MEMORY. The state is the caller's. */
HW_API hw_status hw_engine_capture(hw_engine *engine, hw_state *state);
/* Outside a run: the engine is then where the captured one was, and the next hw_engine_run goes on with that run.
 * Tickets, clock and the stops by updates, epochs and seconds count from its original start, so the same configuration
 * ends at the same update; results, evaluations and settings count everything. config.updates, epochs, seconds, target,
 * target_metric, divergence, evaluate_every, evaluate_epochs, checkpoint_*, pin, progress_ms and simulation.threads may
 * be others than they were; a run that had come to its end and goes on with a raised stop need not equal one that was
 * longer from the start (the last tickets of a simulation found their workers idle, and average_from is a share of the
 * run). A run that had met its target, or whose last evaluation meets this configuration's, stops at once with
 * HW_STOP_TARGET. What is passed by pointers is compared where it can be: sections, the single workers' clocks, delays,
 * the trace; callbacks cannot.
 *
 * The state is untrusted: HW_E_FORMAT with a sentence where an entry is missing, misshapen, out of range, not finite
 * (losses, the averaged parameters and the arrays beside the parameters may be anything) or at odds with another, or
 * where the engine differs in anything that the run depends on; HW_E_MEMORY; HW_E_STATE during a run; HW_E_UNSUPPORTED
 * with config.trace; HW_E_FORK. Nothing in the engine is changed then. The state is not kept.
 */
HW_API hw_status hw_engine_restore(hw_engine *engine, const hw_state *state, char *why);
/* A new run from where another one stood: the parameters of a captured state, and the shared velocity (what the rule
 * keeps beside them) where the state is of the same rule under a policy that keeps as much (not Adam's moments, whose
 * correction goes by the run's own updates); *velocity (may be NULL) says whether. Workers, schedule, learning rate,
 * stops, data and all else are this engine's, and everything counts from 0. To go on with a run as if it had not been
 * interrupted is hw_engine_restore. HW_E_FORMAT where the state has not this objective's tensors, or one that is not
 * finite: nothing is changed then; HW_E_STATE where the engine has run or was restored; HW_E_FORK. */
HW_API hw_status hw_engine_begin_from(hw_engine *engine, const hw_state *state, int *velocity, char *why);

/* What was measured; pointers are owned by the engine and valid until its next run or free. Each list
 * holds 4,096 entries; a longer one is thinned to every second entry, the newest kept. */
HW_API const hw_evaluation *hw_engine_evaluations(const hw_engine *engine, size_t *count);
HW_API const hw_setting *hw_engine_settings(const hw_engine *engine, size_t *count);
HW_API const hw_staleness *hw_engine_staleness(const hw_engine *engine);
/* How often the last run went back to earlier parameters instead of diverging (policy AUTO), and in *lost (may be NULL)
 * how many landed updates that threw away. Each return stands among the settings too. Any thread. */
HW_API uint64_t hw_engine_returns(const hw_engine *engine, uint64_t *lost);
/* since 0.2: what the run over a simulated cluster has come to; result->struct_size is the caller's. HW_E_UNSUPPORTED:
 * this engine has none. Nobody runs. */
HW_API hw_status hw_engine_cluster(const hw_engine *engine, hw_cluster_result *result);
/* since 0.2: how many of the workers (with GROUPS, groups) step now, or stepped when the run ended: the others rest
 * (hw_config.least_workers; before a run all do, and under SYNC all are one). mean (NULL: not asked for): how many did,
 * on average over the updates of the run; while one goes on it may mix two moments. Any thread. */
HW_API unsigned hw_engine_at_work(const hw_engine *engine, double *mean);

/* One JSON object on one line for a finished run: name, configuration, seed, commit, machine, result, evaluations,
 * settings and the staleness histogram. name is a label. Ends without a newline. hw_result_json: of the last run, into
 * text (size bytes, always terminated; may be NULL with size 0); *length: what the whole takes without its end.
 * HW_E_LIMIT: it did not fit. */
HW_API hw_status hw_result_json(hw_engine *engine, const char *name, char *text, size_t size, size_t *length);
HW_API hw_status hw_run_json(hw_engine *engine, const char *name, const hw_result *result, FILE *out);

/* The one-call form: params[objective->parameters] is copied in at start and out at the end (the last good ones on an
 * error). The caller owns it. */
HW_API hw_status hw_train(const hw_objective *objective, const hw_config *config, float *params, hw_result *result);

#ifdef __cplusplus
}
#endif
#endif
