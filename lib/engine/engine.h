/* engine.h (internal) - the engine's and the worker's state; the ports through which a step reaches the parameters. */
#ifndef HOGWILD_LIB_ENGINE_H
#define HOGWILD_LIB_ENGINE_H

#include "../base/base.h"
#include "../base/counter.h"
#include "../base/visit.h"
#include "../optimizer/optimizer.h"
#include "../timeline/timeline.h"
#include "barrier.h"
#include "hogwild/engine.h"
#include "latch.h"
#include <pthread.h>
#include <sys/types.h>

#define SIM_RECORDERS 64 /* staleness recorders of a simulation: lane i writes into i modulo this */

/* What one read or write covers; dense = the whole array as one range. */
typedef struct engine_access {
    const hw_range *ranges;
    const uint32_t *indices;
    size_t n, total; /* entries of the list; floats */
    bool dense, raw; /* raw: deltas, no rule */
} engine_access;

/* Entry r of an access: how many floats from *first on. */
static inline size_t access_part(const engine_access *a, size_t r, size_t *first)
{
    *first = a->indices ? a->indices[r] : a->ranges[r].first;
    return a->indices ? 1 : a->ranges[r].count;
}

/* Where reads and writes go: to the shared array, into a group's reduction, or into a probe. */
typedef struct engine_port {
    const float *(*read)(hw_worker *w, const engine_access *a, float *values);
    hw_status (*write)(hw_worker *w, const engine_access *a, const float *g, double loss);
} engine_port;

/* A gradient that has been checked and prepared, and waits to land. */
typedef struct engine_pending {
    engine_access access;
    const float *g;
    double loss;
    hw_status status; /* of the step that made it */
    bool loss_finite, finite, clipped;
} engine_pending;

struct hw_worker {
    _Alignas(HW_LINE) hw_engine *engine;
    const engine_port *port;
    struct engine_group *group;
    struct engine_probe *probe;
    const hw_objective *objective;
    unsigned id, slot;         /* slot: its number for params: the id, the group's, or 0 where one lands for all */
    unsigned member, recorder; /* its number in events, traces and settings; in the staleness recorder */
    engine_pending pending;
    struct sim_lane *lane; /* SIMULATED */
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
    base_counter fused, exchanges, collided, looked_at;
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
    base_counter loss, losses, updates, examples, clipped, skipped;
    double first_loss, smooth_loss;
    unsigned loss_steps;
    double group_loss;
    bool group_raw;
    char sentence[HW_WHY];
    bool has_sentence;
    pthread_t thread;
};

typedef struct engine_group {
    engine_barrier barrier;
    unsigned first, count; /* workers */
    const float *x;        /* the common snapshot */
    bool rest, park, finish;
    uint64_t step;
} engine_group;

typedef struct engine_gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    unsigned live, arrived, finished, between, working; /* between: of those inside, with no gradient in hand */
    bool poisoned, open, final_done;
    uint64_t generation, captures;
    uint64_t opened_ns;
    base_counter chunk;
} engine_gate;

typedef struct engine_log {
    void *entries;
    size_t count, room, size;
} engine_log;

/* What an evaluation changes beside the list. */
typedef struct engine_told {
    hw_evaluation last;
    double loss_before, seconds_to_target;
    uint64_t losses_before, updates_to_target;
    bool has_last;
} engine_told;

struct hw_engine {
    hw_config config;
    hw_objective objective;
    pid_t process;
    unsigned threads, slots; /* slots: M of the formulas: threads, groups, or virtual workers */
    unsigned members;        /* entries of worker: threads, or SIMULATED's lanes */
    struct engine_sim *sim;  /* SIMULATED */
    trace_recorder *trace;
    uint32_t setting_number, replayed_setting;
    hw_state *checkpoint; /* what the run's captures fill; NULL without on_checkpoint */
    bool begun, restored; /* there has been a run or a restore; the next run goes on with a restored one */
    uint64_t steps_per_epoch, updates_per_epoch; /* apart where an update gathers several steps */
    hw_params *params;
    hw_staleness *staleness;
    hw_worker *worker;
    engine_group *group;
    struct engine_probe *probe; /* estimates the curvature before a run */
    uint32_t *probe_index, probe_examples;
    engine_latch latch;
    engine_gate gate;
    engine_barrier start;
    size_t bytes;
    bool running, holds_blas;
    bool sweeps, exchanges; /* how this run steps: by the objective's sweep; on replicas */
    uint64_t keep_every;
    uint32_t ticket_block; /* tickets that a worker takes at once */
    struct engine_blocks *blocks;
    double curvature;
    /* the run under way */
    base_counter tickets, ticket_limit, next_window, next_evaluation, next_keep, next_epoch, next_checkpoint,
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
    engine_told before_last;
    /* the last good parameters: two buffers, good is the index of the whole one, -1 none */
    float *kept[2];
    int good;
    uint64_t good_update, candidate_update;
    /* the running mean of the parameters; under the turn */
    float *average;
    uint64_t averaged; /* how many entered it */
    base_counter next_average;
    /* compensation: setting and log are under the mutex */
    pthread_mutex_t mutex;
    bool mutex_ready;
    hw_setting setting;
    hw_histogram merged, before, window;
    engine_log evaluations, settings;
    /* the thread in run waits for the workers here */
    pthread_mutex_t done_mutex;
    pthread_cond_t done_changed;
    bool done_ready;
    unsigned done, runs;
    hw_status run_status; /* of the run that ended last */
};

/* options.c */
hw_status engine_check_table(const hw_config *c, char *why);

/* config.c */
bool engine_exchanges(const hw_config *c); /* on replicas */
unsigned engine_simulation_threads(const hw_config *c);
hw_params_config engine_params(const hw_config *c, const hw_objective *o, unsigned slots);

/* engine.c */
void engine_fail(hw_engine *e, hw_status code, const char *format, ...) HW_PRINTF(3, 4);
void engine_fail_worker(hw_worker *w, hw_status code); /* with the sentence that the worker left, if any */
void *engine_log_next(engine_log *log);
uint64_t engine_trained_ns(const hw_engine *e);  /* by a worker; while the gate is open only by who is inside */
uint64_t engine_training_ns(const hw_engine *e); /* outside the gate, as of now */
double engine_seconds(const hw_engine *e);
#define NO_TICKET_LIMIT (UINT64_MAX / 4)
uint64_t engine_ticket_limit(const hw_engine *e); /* the stop by updates or epochs, in steps */
uint32_t engine_rule_checksum(const hw_config *c);
void engine_losses(const hw_engine *e, double *sum, uint64_t *count);

/* step.c: the one place where a step happens */
const float *step_read(hw_worker *w, const engine_access *a, float *values);
/* Park where asked to, check and prepare g, land it. */
hw_status step_write(hw_worker *w, const engine_access *a, const float *g, double loss, uint32_t examples);
/* Its parts: the private pass over g, into w->pending; and the landing of that, the rate times `factor`. */
void step_prepare(hw_worker *w, const engine_access *a, const float *g, double loss);
hw_status step_land(hw_worker *w, uint32_t examples, double factor);
/* Into the histograms: its gradient landed as number `landed`. */
void step_observe(hw_worker *w, uint64_t landed);
void step_setting(hw_worker *w);
/* `count` updates of mean loss `loss` landed: counters, and, to be judged, divergence. HW_E_STOPPED where the run
 * fails. */
hw_status step_account(hw_worker *w, double loss, uint32_t count, bool judge);
void step_over_time(const hw_worker *w); /* stops the run where its seconds are over */
bool step_ticket(hw_worker *w, uint64_t *ticket);
void step_batch(hw_worker *w, uint64_t ticket, uint32_t part, uint32_t parts);
hw_status step_run(hw_worker *w);

/* sample.c: which examples */
uint32_t sample_example(const hw_engine *e, uint64_t epoch, uint32_t position);
void sample_run(const hw_engine *e, uint64_t epoch, uint32_t position, uint32_t count, uint32_t *index);
/* With replacement: draws from .. to - 1 of a ticket. */
void sample_drawn(const hw_engine *e, uint64_t ticket, uint32_t from, uint32_t to, uint32_t *index);

/* sweep.c: runs of single-example updates, and exchanges of replicas */
bool sweep_possible(const hw_config *c, const hw_objective *o, const hw_params *p);
/* tickets ticket .. ticket + count - 1, all in hand; false: the worker's loop ends. index NULL: as the sampling has it,
 * else the first of as many examples in a row. */
bool sweep_tickets(hw_worker *w, uint64_t ticket, uint32_t count, const uint32_t *first);
bool sweep_exchange(hw_worker *w, bool due);

/* blocks.c: conflict-free blocks */
hw_status blocks_create(hw_engine *e, char *why);
void blocks_free(hw_engine *e);
void blocks_begin(hw_engine *e, bool restored);
void blocks_visit(hw_engine *e, base_visit *v);
void blocks_loop(hw_worker *w);
void async_begin(hw_worker *w);
/* One ticket through the objective's step; false: the worker's loop ends. */
bool async_step(hw_worker *w, uint64_t ticket, const uint32_t *example);
/* Between steps: parked for an evaluation, stopped by a flag; false: the loop ends. */
bool async_between(hw_worker *w);

/* house.c: what is due after a landing */
void house_keep(hw_engine *e, uint64_t landed, double loss, uint64_t read);
void house_epochs(hw_engine *e, uint64_t landed);
void house_setting(hw_engine *e, bool first);
/* Another copy of the parameters enters the mean; `parameters` floats of scratch. */
void house_average(hw_engine *e, float *scratch);
void house_evaluated(hw_engine *e);
/* The target of this configuration; and the stop of a run that has met it. */
bool house_meets_target(const hw_engine *e, const hw_evaluation *ev);
void house_target(hw_engine *e, const hw_evaluation *ev);
/* The first update after n at which `every` updates of the run have passed again; never for 0. */
uint64_t house_after(const hw_engine *e, uint64_t n, uint64_t every);
uint64_t house_evaluate_every(const hw_engine *e); /* updates; 0: only at the end */
void house_checkpoints(hw_engine *e, uint64_t n);  /* when the next ones are due */
/* A replay: setting `number` of the trace, which comes into force with the first worker that has it. */
void house_recorded(hw_engine *e, uint32_t number, hw_setting *setting);

/* gate.c */
bool gate_init(engine_gate *g, unsigned live);
void gate_free(engine_gate *g);
void gate_reset(hw_engine *e);
/* Park until the evaluation or capture asked for is over (or, finishing, until all have finished). False: poisoned. */
typedef enum gate_place { GATE_WRITE, GATE_BETWEEN, GATE_FINISH } gate_place;
bool gate_enter(hw_worker *w, gate_place place);
void gate_poison(engine_gate *g);

/* async.c, group.c: the loops of one thread */
void async_loop(hw_worker *w);
void group_loop(hw_worker *w);
extern const engine_port async_port, group_port, probe_port, sim_port;
/* Private sparse gradient into a dense one. */
void access_scatter(const engine_access *a, const float *g, float *dense, size_t parameters);
void access_gather(const engine_access *a, const float *x, float *values);

/* simulate.c: lanes, runners and the loop of one real thread */
hw_status sim_plan(hw_engine *e, char *why);
void sim_free(hw_engine *e);
void sim_begin(hw_engine *e, bool restored);
void sim_finish_queue(hw_worker *runner); /* computes what has been read, everybody else parked */
void sim_loop(hw_worker *runner);
hw_worker *sim_runner(hw_engine *e, unsigned thread);
void sim_wake(hw_engine *e);
uint64_t sim_now(const hw_engine *e); /* virtual nanoseconds */
double sim_time(const hw_engine *e);
/* The setting of a recorded run, for a replay; false where this run makes its own. */
bool sim_recorded_setting(const hw_engine *e, uint32_t number, hw_setting *setting);

/* capture.c: everything that a run needs to go on, with nobody at work */
hw_status capture_plan(hw_engine *e, char *why);
/* In the gate. */
void capture_in_run(hw_worker *w);
/* Before the evaluation at the end of a run that others have ended, which the whole run would not make: captures are
 * without it. */
void capture_leaves_out(hw_engine *e);
void capture_walk(hw_engine *e, base_visit *v);
/* likeness.c: what an engine must have in common with the one that was captured */
void likeness_visit(const hw_engine *e, base_visit *v);
void options_visit(const hw_config *c, base_visit *v);
/* tensors.c: parameters and the arrays beside them, by the objective's names */
hw_status tensors_check(const hw_objective *o, char *why);
void tensors_visit(hw_engine *e, base_visit *v);
/* simstate.c */
void sim_visit(hw_engine *e, base_visit *v);
void sim_complete(hw_engine *e, bool more); /* after TAKE; more: tickets are left */
/* restore.c: what must be true of a state beyond its form */
void restore_check(hw_engine *e, base_visit *v);

/* probe.c */
typedef struct engine_probe {
    hw_worker worker;
    const hw_objective *objective;
    const float *params;
    float *buffers, *point, *sum, *direction, *image;
    double loss;
} engine_probe;
hw_status probe_create(engine_probe **probe, const hw_objective *objective, char *why);
void probe_free(engine_probe *probe);
/* Mean gradient at x over index[0 .. count-1] in parts of at most `part`, into sum; the mean loss. */
hw_status probe_gradient(engine_probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                         float *sum, double *loss);
hw_status probe_curvature(engine_probe *p, const float *x, const uint32_t *index, uint32_t count, uint32_t part,
                          unsigned iterations, uint64_t seed, const hw_optimizer *o, double *curvature);

/* thread.c: what a worker thread sets up for itself and undoes */
typedef struct engine_thread_state {
    unsigned control;
} engine_thread_state;
void thread_enter(const hw_engine *e, engine_thread_state *state);
void thread_leave(const hw_engine *e, const engine_thread_state *state);
hw_status thread_pin(pthread_t thread, unsigned worker, char *why);
bool thread_can_pin(void);

#endif
