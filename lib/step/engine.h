/* engine.h (internal) - what all schedulers share of an engine, in parts by owner. A scheduler's own state is behind
 * `own`. */
#ifndef HW__STEP_ENGINE_H
#define HW__STEP_ENGINE_H

#include "../base/base.h"
#include "../base/counter.h"
#include "../timeline/timeline.h"
#include "barrier.h"
#include "flags.h"
#include "hogwild/engine.h"
#include "layers.h"
#include "log.h"
#include "pause.h"
#include "scheduler.h"
#include <pthread.h>
#include <sys/types.h>

/* tickets.c: who computes which minibatch. Every worker writes `taken`, so it has a line to itself. */
typedef struct hw__tickets {
    _Alignas(HW_LINE) hw__base_counter taken;
    _Alignas(HW_LINE) hw__base_counter limit;
    /* Landings that make no step of their own (async.c): what goes by epochs counts steps. Written by objectives with
     * several pairs of read and write a step only. */
    _Alignas(HW_LINE) hw__base_counter further;
    uint64_t first;                        /* of the run */
    uint64_t per_epoch, updates_per_epoch; /* apart where an update gathers several steps */
    /* Of several engines: peers.c. from: handed out when this run, or the going on of one, began */
    uint64_t all_per_epoch, own_first;
    int64_t shift;
    hw__base_counter from, skipped; /* a transport may ask while a run begins; skipped: steps that landed nothing */
    hw__base_counter allowed, awaited_ns;
    unsigned waiting; /* for more to be allowed; under the pause's lock */
    uint32_t block;   /* tickets that a worker takes at once */
} hw__tickets;
_Static_assert(offsetof(hw__tickets, limit) - offsetof(hw__tickets, taken) >= HW_LINE &&
                   offsetof(hw__tickets, further) - offsetof(hw__tickets, limit) >= HW_LINE,
               "what all workers write stands on a line of its own");

/* periodic.c: the clock from which on something is to be done; epoch and checkpoint_epoch, and evaluation where it goes
 * by epochs, by hw__due_steps. */
typedef struct hw__due {
    hw__base_counter window, evaluation, keep, epoch, checkpoint, checkpoint_epoch, checkpoint_ns, average;
} hw__due;

/* How a run steps: by the objective's sweep; on replicas. */
typedef struct hw__steps {
    bool sweeps, exchanges;
} hw__steps;

/* step.c: the run's first losses, which divergence is told by. */
typedef struct hw__losses {
    hw__base_counter first_sum, first_count, first;
} hw__losses;

/* times.c, in nanoseconds */
typedef struct hw__times {
    hw__base_counter paused, begin;
    uint64_t end, evaluation, preparation;
} hw__times;

/* What an evaluation changes beside the list. */
typedef struct hw__evaluation_mark {
    hw_evaluation last;
    double loss_before, seconds_to_target;
    uint64_t losses_before, updates_to_target;
    bool has_last;
} hw__evaluation_mark;

/* evaluate.c */
typedef struct hw__evaluation {
    double *sums; /* per chunk */
    uint32_t chunks, chunk_size;
    hw__evaluation_mark mark;
    bool leaves_out; /* captures are without the newest evaluation, as of before_last */
    hw__evaluation_mark before_last;
    hw__log log;
} hw__evaluation;

/* periodic.c: the last good parameters: two buffers, good is the index of the whole one, -1 none. */
typedef struct hw__kept {
    uint64_t every;
    float *x[2];
    int good;
    uint64_t good_update, candidate;
} hw__kept;

/* periodic.c: the running mean of the parameters; in the housekeeping's hands. */
typedef struct hw__average {
    float *mean;
    hw__base_counter count; /* how many entered it; whether any did is asked without the turn too */
} hw__average;

/* periodic.c, settings.c: compensation. now and log are under the mutex; who does the housekeeping, and alone writes
 * them, reads them without. */
typedef struct hw__settings {
    pthread_mutex_t mutex;
    bool ready;
    hw_setting now;
    double slowed; /* peers.c: times the rate, of what workers take over */
    uint32_t number, replayed;
    hw_histogram merged, before, window;
    hw__log log;
} hw__settings;

/* ages.c: NULL where the age alone says what the factor is. */
typedef struct hw__ages {
    hw__base_counter *factor; /* doubles; the last one is for all that is older */
    double *next;             /* in the housekeeping's hands */
    uint32_t count;
} hw__ages;

/* recovery.c: the learning rate as a congestion window, and returns to good parameters. In the housekeeping's hands, or
 * of who is alone; but for `left`, which workers ask for. */
typedef struct hw__recovery {
    bool on;
    hw__base_counter left;     /* returns that would still be made */
    double window, top;        /* the rate that it has come to, 0: not begun; where it ends after a failure, 0: none */
    double most, least, delay; /* the policy's rate; the window is never less; the delay that it is for */
    double peak, peak_before;  /* highest rates in force since the last snapshot, and between it and the one before */
    uint64_t hold, looks_from; /* the clock until which it does not rise; from which on losses are looked at */
    hw__base_counter returns, lost; /* lost: updates; asked for by any thread */
    uint64_t spent;                 /* of those, by returns that had a choice */
    uint64_t returned;      /* the clock of the last return, which does not stand for the parameters before it */
    hw__base_counter looks; /* which look the workers' sums are for */
    double before, level, best, noise; /* a look's mean: the last one's; over a few looks; its lowest; its variance */
    double start, start_error;         /* the first look's mean that was none of an explosion; its standard error */
    bool has_start, has_best, learnt, ended; /* ended: the last look has been taken */
} hw__recovery;

#define HW__REST_LONGEST (1U << 20) /* windows in which nobody joins in */
typedef enum hw__rest_cause { REST_BEGINS, REST_JOINS, REST_BOUND, REST_FAILS, REST_ENDS } hw__rest_cause;

/* rest.c: how many of the workers step. In the housekeeping's hands, or of who is alone. */
typedef struct hw__rest {
    bool possible;
    unsigned at_work, fewest; /* the first so many step; never fewer */
    unsigned told;            /* how many did when the setting in force was made */
    int cause;                /* why so many do now: hw__rest_cause */
    uint64_t hold, wait;      /* the clock until which nobody joins in; windows of the next such time */
    uint64_t measured_from;   /* the clock from which on a window says what the delay is of those who step now */
    hw__base_counter from;    /* the clock at which the run began */
    hw__base_counter since;   /* the clock from which on so many step */
    hw__base_counter worked;  /* a double: the sum over the updates before, of how many stepped */
} hw__rest;

/* engine/curvature.c: the curvature, estimated before a run and followed during it. */
typedef struct hw__curvature {
    void (*follow)(hw_engine *e); /* in the housekeeping's hands; NULL: it stays as it is */
    struct hw__probe *probe;
    uint32_t *index, examples;
    double value;
} hw__curvature;

/* engine/principal.c: the objective's curvatures along its principal direction and across it */
typedef struct hw__principal {
    bool on; /* params have the direction */
    double along, across;
} hw__principal;

/* engine/capture.c */
typedef struct hw__captures {
    hw_state *state; /* what the run's captures fill; NULL without on_checkpoint */
    uint64_t update; /* of the newest one */
    void (*take)(hw_worker *w);
} hw__captures;

/* engine/run.c: the thread in run waits for the workers here. */
typedef struct hw__run {
    bool begun, restored; /* there has been a run or a restore; the next run goes on with a restored one */
    bool running;
    bool own_threads; /* of hw_engine_run: nobody else may work for it */
    pthread_mutex_t mutex;
    pthread_mutex_t asking; /* guards begun, running and own_threads for those who ask from anywhere */
    pthread_cond_t changed;
    bool ready, asking_ready;
    unsigned done, count;
    unsigned arrived;       /* of a pool's threads; those that wait for others are released by a stop */
    bool released, goes_on; /* goes_on: the run under way had been restored */
    hw_status status;       /* of the run that ended last */
} hw__run;

struct hw_engine {
    hw_config config;
    hw_objective objective;
    pid_t process;
    hw__memory memory;
    size_t bytes; /* of memory, and of the handles below */
    const hw__scheduler *scheduler;
    void *own;    /* the scheduler's */
    bool replays; /* a recorded schedule, with its settings */
    hw__crew crew;
    hw_worker *worker; /* crew.members */
    hw_params *params;
    hw_staleness *staleness;
    hw__trace_recorder *trace;
    float *snapshot;       /* of who is alone: an evaluation, a capture, the end of a run */
    uint64_t first_update; /* the clock at which the run began */
    hw__flags flags;
    hw__pause pause;
    hw__barrier start;
    hw__tickets tickets;
    hw__due due;
    hw__steps steps;
    hw__losses losses;
    hw__times times;
    hw__evaluation evaluation;
    hw__kept kept;
    hw__average average;
    hw__settings settings;
    hw__ages ages;
    hw__curvature curvature;
    hw__recovery recovery;
    hw__rest rest;
    hw__layers layers;
    hw__principal principal;
    hw__captures captures;
    hw__run run;
    struct hw__cores *cores; /* engine/pin.c; NULL: workers are not pinned */
    char name[HW_LINE];      /* the objective's, whose own may not live as long */
    char sentence[HW_WHY];   /* of the handle's last call that failed */
};

/* The scheduler's clock, and its virtual time. */
static inline uint64_t hw__engine_now(const hw_engine *e)
{
    return e->scheduler->now ? e->scheduler->now(e) : hw_now();
}

static inline double hw__engine_time(const hw_engine *e)
{
    return e->scheduler->time ? e->scheduler->time(e) : 0;
}

/* A replay's setting; false where the policy makes one. */
static inline bool hw__engine_prescribed(const hw_engine *e, uint32_t number, hw_setting *setting)
{
    return e->scheduler->setting && e->scheduler->setting(e, number, setting);
}

#endif
