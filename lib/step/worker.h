/* worker.h (internal) - one worker: what an objective sees of it, and what its steps keep. */
#ifndef HW__STEP_WORKER_H
#define HW__STEP_WORKER_H

#include "engine.h"
#include "layers.h"

/* A gradient that has been checked and prepared, and waits to land. */
typedef struct hw__pending {
    hw__extent extent;
    const float *g;
    double loss;
    hw_status status; /* of the step that made it */
    bool loss_finite, finite, clipped;
} hw__pending;

/* Nanoseconds of the fastest exchange, and of a step where steps were fastest; 0: none yet. */
typedef struct hw__exchange_times {
    double exchange, step;
} hw__exchange_times;

struct hw_worker {
    _Alignas(HW_LINE) hw_engine *engine; /* NULL: a probe's */
    const hw__access *access;
    const hw_objective *objective;
    void *own;                 /* what its scheduler keeps of it */
    unsigned id, slot;         /* slot: its number for params: the id, the group's, or 0 where one lands for all */
    unsigned member, recorder; /* its number in events, traces and settings; in the staleness recorder */
    hw__pending pending;
    float *x, *g, *velocity;
    float *now; /* what it lands on: correct.h; NULL without */
    uint32_t *index;
    void *scratch;
    bool scratch_ready;
    hw_rng rng;
    hw_range all;
    hw_batch batch;
    uint64_t ticket, ticket_end; /* tickets in hand: ticket + 1 .. ticket_end - 1 */
    hw_clock work;               /* added to each of its steps; mean 0: none */
    hw_rng work_rng;
    bool worked; /* in the step under way */
    /* sweeps and exchanges */
    uint32_t since,
        exchange_every;   /* steps since the last exchange, and from one to the next, as chosen (0: not yet) */
    uint64_t exchange_ns; /* when that was */
    hw__exchange_times exchange_times;
    uint32_t swept; /* examples that the sweep under way has landed */
    float run_rate; /* learning rate of the sweep under way, where it is constant */
    hw__base_counter by_sweep, exchanges, collided, looked_at;
    hw__layer_step layers;
    /* of the pair under way */
    hw_read_note note;
    const float *seen;
    bool has_read;
    uint64_t read_clock, landed_before; /* landed_before: of this worker, in earlier runs */
    uint64_t read_ns, parked_ns, unmeasured;
    uint64_t rest_seen; /* pause.rests, when this worker (or the leader of its group) last looked whether it rests */
    hw_observation observed; /* the last measured one */
    unsigned pairs;
    bool uncounted; /* its first landing is in hw__tickets.further until the step is over */
    hw_setting setting;
    const hw_setting *in_force; /* of the step under way: its own, or that of the worker who reads for it */
    uint32_t version, setting_number;
    /* results, read by others while it runs */
    hw__base_counter loss, losses, updates, examples, clipped, skipped;
    hw__base_counter look_loss, look_squares,
        look_losses; /* of finite losses since the look of look_number: recovery.c */
    hw__base_counter look_number;
    unsigned in_row; /* gradients that were skipped since one landed */
    double first_loss, smooth_loss;
    unsigned loss_steps;
    char sentence[HW_WHY];
    bool has_sentence;
    pthread_t thread;
};

#endif
