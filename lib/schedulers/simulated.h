/* simulated.h (internal) - SIMULATED: lanes (virtual workers' pending gradients), runners (real threads), snapshots. */
#ifndef HW__SCHEDULERS_SIMULATED_H
#define HW__SCHEDULERS_SIMULATED_H

#include "../step/engine.h"

/* A state that one or more lanes have read and not yet computed on. */
typedef struct hw__snapshot {
    float *x;
    uint64_t version;
    float ahead;
    unsigned users;
} hw__snapshot;

typedef struct hw__virtual {
    bool busy, done;        /* has read and not landed; its gradient is there */
    hw__snapshot *snapshot; /* where it is computed later or elsewhere; NULL: from the live array */
    const float *x;         /* what parts of a group read; NULL: as snapshot says */
    float *g;               /* its own gradient */
    size_t room;            /* floats of g */
    uint32_t *lists;        /* indices, or pairs of first and count, of a sparse gradient */
    size_t lists_room;
    const uint32_t *packed; /* the pairs that wait to land */
    hw_status refused;      /* the write under way */
    double part_loss;
} hw__virtual;

typedef struct hw__simulated_worker {
    hw_worker worker; /* what the gate and evaluations see */
    float *x, *g;     /* a dense read; a group's later parts, a sparse step's gradient */
    uint32_t *index;
} hw__runner;

struct hw__simulated {
    timeline *timeline;
    hw__virtual *lane;
    hw__runner *runner;
    float *floats;    /* of all lanes, one block */
    uint32_t *lists;  /* of all lanes, one block */
    hw_range *ranges; /* of the landing under way */
    hw_rng *rng;      /* per_group > 1: one a virtual worker */
    unsigned per_group, gather;
    bool replay, alone, sparse; /* sparse: the objective says how much an access touches */
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
    uint8_t *place;  /* of all lanes: where a state has them in its timeline */
    double *due;     /* of all lanes: the order in which they land */
    uint32_t *queue; /* lanes to be computed, a heap by due */
    uint32_t queued;
    /* gathering */
    float *sum;
    unsigned gathered;
    uint32_t gathered_examples;
    double gathered_loss;
    hw_worker *closing;
};

/* virtual_worker.c: one step of a lane on a runner's memory, and its landing */
void hw__virtual_compute(hw_engine *e, hw__runner *runner, hw_worker *w);
/* Takes a ticket; false where there is none left. */
bool hw__virtual_read(hw_engine *e, const hw__timeline_event *event);
void hw__virtual_land(hw_engine *e, const hw__timeline_event *event);
void hw__virtual_flush(hw_engine *e); /* an update that was still gathering */

#endif
