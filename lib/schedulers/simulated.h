/* simulated.h (internal) - SIMULATED: virtual workers and their pending gradients, runners (real threads), snapshots.
 * simulated.c is the row and the loop, virtual_worker.c one worker's step and landing, virtual_layers.c its reads layer
 * by layer, simulated_plan.c the memory, simulated_fields.c what a capture holds. */
#ifndef HW__SCHEDULERS_SIMULATED_H
#define HW__SCHEDULERS_SIMULATED_H

#include "../step/step.h"

#define HW__SIMULATED_RECORDERS 64 /* of staleness: virtual worker i writes into i modulo this */

/* A state that one or more virtual workers have read and not yet computed on. */
typedef struct hw__snapshot {
    float *x;
    const float *of; /* a rank's array; NULL: the one that all share */
    uint64_t version;
    float ahead;
    unsigned users;
} hw__snapshot;

/* The status of a gradient that was computed from parameters which have been thrown away since. No objective has it:
 * theirs are the library's, or HW_E_USER and above. */
#define HW__DROPPED ((hw_status)(HW_E_USER - 1))

typedef struct hw__virtual_worker {
    bool busy, done;        /* has read and not landed; its gradient is there */
    hw__snapshot *snapshot; /* where it is computed later or elsewhere; NULL: from the live array */
    const float *x;         /* what parts of a group read; NULL: as snapshot says */
    float *g;               /* its own gradient */
    float *seen;            /* what that was computed at, for delay compensation; NULL without */
    size_t room;            /* floats of g */
    uint32_t *lists;        /* indices, or pairs of first and count, of a sparse gradient */
    size_t lists_room;
    const uint32_t *packed; /* the pairs that wait to land */
    hw_status refused;      /* the write under way */
    double part_loss;
    bool part_raw;
    /* layer by layer */
    double began, due;     /* virtual times of its read and of its landing */
    bool waits;            /* has its place among the readers */
    uint64_t *layer_clock; /* at which it has read each; HW__UNREAD: not yet */
} hw__virtual_worker;

#define HW__UNREAD UINT64_MAX

typedef struct hw__runner {
    hw_worker worker; /* what parking and evaluations see */
    float *x, *g;     /* a dense read; a group's later parts, a sparse step's gradient */
    uint32_t *index;
} hw__runner;

typedef struct hw__cluster hw__cluster;

typedef struct hw__simulated {
    timeline *timeline;
    hw__virtual_worker *virtual;
    hw__runner *runner;
    float *floats;    /* of all virtual workers, one block */
    uint32_t *lists;  /* of all virtual workers, one block */
    hw_range *ranges; /* of the landing under way */
    hw_rng *rng;      /* groups of several: one a virtual worker */
    bool sparse;      /* the objective says how much an access touches */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    hw__base_counter changes, time_bits;
    /* under the mutex, or the landing thread's while `landing` */
    bool landing, has_event, over, exhausted;
    hw__timeline_event event;
    uint64_t pending;
    hw__snapshot *pool, *current;
    unsigned pooled;
    uint8_t *place;  /* of all virtual workers: where a state has them in its timeline */
    double *due;     /* of all virtual workers: the order in which they land */
    uint32_t *queue; /* virtual workers to be computed, a heap by due */
    uint32_t queued;
    double *next;      /* layer by layer: when each virtual worker reads its next one */
    uint32_t *readers; /* who has one to read, a heap by that */
    uint32_t reading;
    /* gathering */
    float *sum;
    unsigned gathered;
    uint32_t gathered_examples;
    double gathered_loss;
    hw_worker *closing;
    hw__cluster *cluster; /* or NULL */
} hw__simulated;

static inline hw__simulated *hw__simulated_of(const hw_engine *e)
{
    return e->own;
}

static inline hw__virtual_worker *hw__virtual_of(const hw_worker *w)
{
    return w->own;
}

/* virtual_worker.c: one step of a virtual worker on a runner's memory, and its landing */
void hw__virtual_compute(hw_engine *e, hw__runner *runner, hw_worker *w);
/* Takes a ticket; false where there is none left. */
bool hw__virtual_read(hw_engine *e, const hw__timeline_event *event);
void hw__virtual_land(hw_engine *e, hw__runner *runner, const hw__timeline_event *event);
void hw__virtual_flush(hw_engine *e); /* an update that was still gathering */

extern const hw__access hw__virtual_access;

/* virtual_layers.c: steps layer by layer. A step begins, with the layers that it holds from there on; the others are
 * read before what lands after their time does. */
bool hw__virtual_clock_has_layers(const hw_config *c);
hw_status hw__virtual_layers_plan(hw_engine *e, char *why);
void hw__virtual_layers_begin(hw_engine *e, hw_worker *w, const hw__timeline_event *event);
/* What is due before `time`, of all who are under way, and all of who lands then: nothing has landed since. */
void hw__virtual_layers_read(hw_engine *e, hw_worker *lands, double time);
void hw__virtual_layers_clear(hw_engine *e);  /* before a capture: what has not been read is 0 */
void hw__virtual_layers_resume(hw_engine *e); /* after a start or a restore: who waits to read */
void hw__virtual_layers_record(hw_engine *e, hw_worker *w, uint64_t landed);

/* cluster.c: of the rank of w: what it reads, and the version of that; what it has seen, into its note; its step, which
 * adds to that. An event of a rank. A run begins: all ranks have the engine's parameters. */
hw_status hw__cluster_plan(hw_engine *e, char *why);
const float *hw__cluster_values(const hw_worker *w, uint64_t *version);
void hw__cluster_note(hw_worker *w);
hw_status hw__cluster_step(hw_worker *w);
void hw__cluster_event(hw_engine *e, const hw__timeline_event *event);
void hw__cluster_begin(hw_engine *e);
void hw__cluster_input(const hw_engine *e, hw_policy_input *in);

/* simulated_check.c */
hw_status hw__simulated_check(const hw_config *c, const hw_objective *o, char *why);
hw_status hw__simulated_crew(const hw_config *c, hw__crew *crew, char *why);
uint64_t hw__simulated_identity(const hw_config *c); /* clocks of single workers, delays, the trace */

/* simulated_plan.c */
hw_status hw__simulated_plan(hw_engine *e, char *why);
void hw__simulated_free(hw_engine *e);

/* simulated_fields.c */
void hw__simulated_fields(hw_engine *e, hw__walk *v);
void hw__simulated_complete(hw_engine *e, bool more); /* after TAKE; more: tickets are left */

#endif
