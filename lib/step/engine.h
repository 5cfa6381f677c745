/* engine.h (internal) - the engine's and the worker's state; the ports through which a step reaches the parameters. */
#ifndef HW__STEP_ENGINE_H
#define HW__STEP_ENGINE_H

#include "../base/base.h"
#include "../base/counter.h"
#include "../state/walk.h"
#include "../optimizer/optimizer.h"
#include "../timeline/timeline.h"
#include "barrier.h"
#include "hogwild/engine.h"
#include "flags.h"
#include <pthread.h>
#include <sys/types.h>

#define SIM_RECORDERS 64 /* staleness recorders of a simulation: lane i writes into i modulo this */

/* What one read or write covers; dense = the whole array as one range. */
typedef struct hw__access {
    const hw_range *ranges;
    const uint32_t *indices;
    size_t n, total; /* entries of the list; floats */
    bool dense, raw; /* raw: deltas, no rule */
} hw__access;

/* Entry r of an access: how many floats from *first on. */
static inline size_t hw__access_part(const hw__access *a, size_t r, size_t *first)
{
    *first = a->indices ? a->indices[r] : a->ranges[r].first;
    return a->indices ? 1 : a->ranges[r].count;
}

/* Where reads and writes go: to the shared array, into a group's reduction, or into a probe. */
typedef struct hw__access_calls {
    const float *(*read)(hw_worker *w, const hw__access *a, float *values);
    hw_status (*write)(hw_worker *w, const hw__access *a, const float *g, double loss);
} hw__access_calls;

/* A gradient that has been checked and prepared, and waits to land. */
typedef struct hw__pending {
    hw__access access;
    const float *g;
    double loss;
    hw_status status; /* of the step that made it */
    bool loss_finite, finite, clipped;
} hw__pending;

struct hw_worker {
    _Alignas(HW_LINE) hw_engine *engine;
    const hw__access_calls *port;
    struct hw__group *group;
    struct hw__probe *probe;
    const hw_objective *objective;
    unsigned id, slot;         /* slot: its number for params: the id, the group's, or 0 where one lands for all */
    unsigned member, recorder; /* its number in events, traces and settings; in the staleness recorder */
    hw__pending pending;
    struct hw__virtual *lane; /* SIMULATED */
    float *x, *g, *velocity;
    uint32_t *index;
    void *scratch;
    bool scratch_ready;
    hw_rng rng;
    hw_range all;
    hw_batch batch;
    uint64_t ticket_end; /* tickets in hand: batch.step + 1 .. ticket_end - 1 */
    /* the block in hand: ticket block_ticket + block_done comes next, of block_count */
    uint32_t block, block_count, block_done;
    uint64_t block_ticket;
    /* sweeps and exchanges */
    uint32_t since, exchange_every; /* steps since the last exchange, and from one to the next (0: to be chosen) */
    uint64_t exchange_ns;           /* when that was */
    uint32_t swept;                 /* examples that the sweep under way has landed */
    float run_rate;                 /* learning rate of the sweep under way, where it is constant */
    hw__base_counter fused, exchanges, collided, looked_at;
    /* of the pair under way */
    hw_read_note note;
    const float *seen;
    bool has_read;
    uint64_t read_clock, landed_before; /* landed_before: of this worker, in earlier runs */
    uint64_t read_ns, parked_ns, unmeasured;
    hw_observation observed; /* the last measured one */
    unsigned pairs;
    hw_setting setting;
    uint32_t version, setting_number;
    /* results, read by others while it runs */
    hw__base_counter loss, losses, updates, examples, clipped, skipped;
    double first_loss, smooth_loss;
    unsigned loss_steps;
    double group_loss;
    bool group_raw;
    char sentence[HW_WHY];
    bool has_sentence;
    pthread_t thread;
};

typedef struct hw__group {
    hw__barrier barrier;
    unsigned first, count; /* workers */
    const float *x;        /* the common snapshot */
    bool rest, park, finish;
    uint64_t step;
} hw__group;

typedef struct hw__pause {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    unsigned live, arrived, finished, between, working; /* between: of those inside, with no gradient in hand */
    bool poisoned, open, final_done;
    uint64_t generation, captures;
    uint64_t opened_ns;
    hw__base_counter chunk;
} hw__pause;

typedef struct hw__log {
    void *entries;
    size_t count, room, size;
} hw__log;

/* What an evaluation changes beside the list. */
typedef struct hw__evaluation_mark {
    hw_evaluation last;
    double loss_before, seconds_to_target;
    uint64_t losses_before, updates_to_target;
    bool has_last;
} hw__evaluation_mark;

struct hw_engine {
    hw_config config;
    hw_objective objective;
    pid_t process;
    unsigned threads, slots;   /* slots: M of the formulas: threads, groups, or virtual workers */
    unsigned members;          /* entries of worker: threads, or SIMULATED's lanes */
    struct hw__simulated *sim; /* SIMULATED */
    hw__trace_recorder *trace;
    uint32_t setting_number, replayed_setting;
    hw_state *checkpoint; /* what the run's captures fill; NULL without on_checkpoint */
    bool begun, restored; /* there has been a run or a restore; the next run goes on with a restored one */
    uint64_t steps_per_epoch, updates_per_epoch; /* apart where an update gathers several steps */
    hw_params *params;
    hw_staleness *staleness;
    hw_worker *worker;
    hw__group *group;
    struct hw__probe *probe; /* estimates the curvature before a run */
    uint32_t *probe_index, probe_examples;
    hw__flags latch;
    hw__pause gate;
    hw__barrier start;
    size_t bytes;
    bool running, holds_blas;
    bool sweeps, exchanges; /* how this run steps: by the objective's sweep; on replicas */
    uint64_t keep_every;
    uint32_t ticket_block; /* tickets that a worker takes at once */
    struct hw__blocks *blocks;
    double curvature;
    /* the run under way */
    hw__base_counter tickets, ticket_limit, next_window, next_evaluation, next_keep, next_epoch, next_checkpoint,
        next_checkpoint_ns, paused_ns, begin_ns, first_losses, first_count, first_loss;
    uint64_t first_update, first_ticket, end_ns, evaluation_ns, preparation_ns, captured_update;
    /* evaluation */
    float *snapshot;
    double *sums; /* per chunk */
    uint32_t chunks, chunk_size;
    double loss_before;
    uint64_t losses_before;
    hw_evaluation last;
    bool has_last;
    double seconds_to_target;
    uint64_t updates_to_target;
    bool leaves_out; /* captures are without the newest evaluation, as of before_last */
    hw__evaluation_mark before_last;
    /* the last good parameters: two buffers, good is the index of the whole one, -1 none */
    float *kept[2];
    int good;
    uint64_t good_update, candidate_update;
    /* the running mean of the parameters; under the turn */
    float *average;
    uint64_t averaged; /* how many entered it */
    hw__base_counter next_average;
    /* compensation: setting and log are under the mutex */
    pthread_mutex_t mutex;
    bool mutex_ready;
    hw_setting setting;
    hw_histogram merged, before, window;
    hw__log evaluations, settings;
    /* the thread in run waits for the workers here */
    pthread_mutex_t done_mutex;
    pthread_cond_t done_changed;
    bool done_ready;
    unsigned done, runs;
    hw_status run_status; /* of the run that ended last */
};

/* options.c */
hw_status hw__options_check(const hw_config *c, char *why);

/* config.c */
bool hw__config_exchanges(const hw_config *c); /* on replicas */
unsigned hw__simulated_threads(const hw_config *c);
hw_params_config hw__config_params(const hw_config *c, const hw_objective *o, unsigned slots);

/* create.c */
void hw__fail(hw_engine *e, hw_status code, const char *format, ...) HW_PRINTF(3, 4);
void hw__fail_worker(hw_worker *w, hw_status code); /* with the sentence that the worker left, if any */
void *hw__log_next(hw__log *log);
uint64_t hw__trained_ns(const hw_engine *e);  /* by a worker; while the gate is open only by who is inside */
uint64_t hw__training_ns(const hw_engine *e); /* outside the gate, as of now */
double hw__seconds(const hw_engine *e);
#define NO_TICKET_LIMIT (UINT64_MAX / 4)
uint64_t hw__ticket_limit(const hw_engine *e); /* the stop by updates or epochs, in steps */
uint32_t hw__config_rule_checksum(const hw_config *c);
void hw__losses(const hw_engine *e, double *sum, uint64_t *count);

/* step.c: the one place where a step happens */
const float *hw__step_read(hw_worker *w, const hw__access *a, float *values);
/* Park where asked to, check and prepare g, land it. */
hw_status hw__step_write(hw_worker *w, const hw__access *a, const float *g, double loss, uint32_t examples);
/* Its parts: the private pass over g, into w->pending; and the landing of that, the rate times `factor`. */
void hw__step_prepare(hw_worker *w, const hw__access *a, const float *g, double loss);
hw_status hw__step_land(hw_worker *w, uint32_t examples, double factor);
/* Into the histograms: its gradient landed as number `landed`. */
void hw__step_observe(hw_worker *w, uint64_t landed);
void hw__step_setting(hw_worker *w);
/* `count` updates of mean loss `loss` landed: counters, and, to be judged, divergence. HW_E_STOPPED where the run
 * fails. */
hw_status hw__step_account(hw_worker *w, double loss, uint32_t count, bool judge);
void hw__step_over_time(const hw_worker *w); /* stops the run where its seconds are over */
bool hw__step_ticket(hw_worker *w, uint64_t *ticket);
void hw__step_batch(hw_worker *w, uint64_t ticket, uint32_t part, uint32_t parts);
hw_status hw__step_run(hw_worker *w);

/* sample.c: which examples */
uint32_t hw__sample_example(const hw_engine *e, uint64_t epoch, uint32_t position);
void hw__sample_run(const hw_engine *e, uint64_t epoch, uint32_t position, uint32_t count, uint32_t *index);
/* With replacement: draws from .. to - 1 of a ticket. */
void hw__sample_drawn(const hw_engine *e, uint64_t ticket, uint32_t from, uint32_t to, uint32_t *index);

/* sweep.c: runs of single-example updates, and exchanges of replicas */
bool hw__sweep_possible(const hw_config *c, const hw_objective *o, const hw_params *p);
/* tickets ticket .. ticket + count - 1, all in hand; false: the worker's loop ends. index NULL: as the sampling has it,
 * else the first of as many examples in a row. */
bool hw__sweep_tickets(hw_worker *w, uint64_t ticket, uint32_t count, const uint32_t *first);
bool hw__sweep_exchange(hw_worker *w, bool due);

/* blocks.c: conflict-free blocks */
hw_status hw__blocks_create(hw_engine *e, char *why);
void hw__blocks_free(hw_engine *e);
void hw__blocks_begin(hw_engine *e, bool restored);
void hw__blocks_fields(hw_engine *e, hw__walk *v);
void hw__blocks_loop(hw_worker *w);
void hw__async_begin(hw_worker *w);
/* One ticket through the objective's step; false: the worker's loop ends. */
bool hw__async_step(hw_worker *w, uint64_t ticket, const uint32_t *example);
/* Between steps: parked for an evaluation, stopped by a flag; false: the loop ends. */
bool hw__async_between(hw_worker *w);

/* periodic.c: what is due after a landing */
void hw__periodic_keep(hw_engine *e, uint64_t landed, double loss, uint64_t read);
void hw__periodic_epochs(hw_engine *e, uint64_t landed);
void hw__periodic_setting(hw_engine *e, bool first);
/* Another copy of the parameters enters the mean; `parameters` floats of scratch. */
void hw__periodic_average(hw_engine *e, float *scratch);
void hw__evaluation_end(hw_engine *e);
/* The target of this configuration; and the stop of a run that has met it. */
bool hw__evaluation_meets_target(const hw_engine *e, const hw_evaluation *ev);
void hw__evaluation_target(hw_engine *e, const hw_evaluation *ev);
/* The first update after n at which `every` updates of the run have passed again; never for 0. */
uint64_t hw__periodic_after(const hw_engine *e, uint64_t n, uint64_t every);
uint64_t hw__evaluation_interval(const hw_engine *e);    /* updates; 0: only at the end */
void hw__periodic_checkpoints(hw_engine *e, uint64_t n); /* when the next ones are due */
/* A replay: setting `number` of the trace, which comes into force with the first worker that has it. */
void hw__periodic_recorded(hw_engine *e, uint32_t number, hw_setting *setting);

/* pause.c */
bool hw__pause_init(hw__pause *g, unsigned live);
void hw__pause_free(hw__pause *g);
void hw__pause_reset(hw_engine *e);
/* Park until the evaluation or capture asked for is over (or, finishing, until all have finished). False: poisoned. */
typedef enum hw__pause_place { PAUSE_WRITE, PAUSE_BETWEEN, PAUSE_FINISH } hw__pause_place;
bool hw__pause_enter(hw_worker *w, hw__pause_place place);
void hw__pause_poison(hw__pause *g);

/* async.c, groups.c: the loops of one thread */
void hw__async_loop(hw_worker *w);
void hw__groups_loop(hw_worker *w);
extern const hw__access_calls hw__async_access, hw__groups_access, hw__probe_access, hw__simulated_access;
/* Private sparse gradient into a dense one. */
void hw__access_scatter(const hw__access *a, const float *g, float *dense, size_t parameters);
void hw__access_gather(const hw__access *a, const float *x, float *values);

/* simulated.c: lanes, runners and the loop of one real thread */
hw_status hw__simulated_plan(hw_engine *e, char *why);
void hw__simulated_free(hw_engine *e);
void hw__simulated_begin(hw_engine *e, bool restored);
void hw__simulated_settle(hw_worker *runner); /* computes what has been read, everybody else parked */
void hw__simulated_loop(hw_worker *runner);
hw_worker *hw__simulated_worker(hw_engine *e, unsigned thread);
void hw__simulated_wake(hw_engine *e);
uint64_t hw__simulated_now(const hw_engine *e); /* virtual nanoseconds */
double hw__simulated_time(const hw_engine *e);
/* The setting of a recorded run, for a replay; false where this run makes its own. */
bool hw__simulated_setting(const hw_engine *e, uint32_t number, hw_setting *setting);

/* capture.c: everything that a run needs to go on, with nobody at work */
hw_status hw__capture_plan(hw_engine *e, char *why);
/* In the gate. */
void hw__capture_take(hw_worker *w);
/* Before the evaluation at the end of a run that others have ended, which the whole run would not make: captures are
 * without it. */
void hw__capture_leaves_out(hw_engine *e);
void hw__capture_walk(hw_engine *e, hw__walk *v);
/* compatibility.c: what an engine must have in common with the one that was captured */
void hw__compatibility_fields(const hw_engine *e, hw__walk *v);
void hw__options_fields(const hw_config *c, hw__walk *v);
/* tensors.c: parameters and the arrays beside them, by the objective's names */
hw_status hw__tensors_check(const hw_objective *o, char *why);
void hw__tensors_fields(hw_engine *e, hw__walk *v);
/* simulated_fields.c */
void hw__simulated_fields(hw_engine *e, hw__walk *v);
void hw__simulated_complete(hw_engine *e, bool more); /* after TAKE; more: tickets are left */
/* restore.c: what must be true of a state beyond its form */
void hw__restore_check(hw_engine *e, hw__walk *v);

/* probe.c */
typedef struct hw__probe {
    hw_worker worker;
    const hw_objective *objective;
    const float *params;
    float *buffers, *point, *sum, *direction, *image;
    double loss;
} hw__probe;
hw_status hw__probe_create(hw__probe **probe, const hw_objective *objective, char *why);
void hw__probe_free(hw__probe *probe);
/* Mean gradient at x over index[0 .. count-1] in parts of at most `part`, into sum; the mean loss. */
hw_status hw__probe_gradient(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                             float *sum, double *loss);
hw_status hw__probe_curvature(hw__probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                              unsigned iterations, uint64_t seed, const hw_optimizer *o, double *curvature);

/* thread.c: what a worker thread sets up for itself and undoes */
typedef struct hw__thread_state {
    unsigned control;
} hw__thread_state;
void hw__thread_enter(const hw_engine *e, hw__thread_state *state);
void hw__thread_leave(const hw_engine *e, const hw__thread_state *state);
hw_status hw__thread_pin(pthread_t thread, unsigned worker, char *why);
bool hw__thread_can_pin(void);

#endif
