/* timeline.h (internal) - which virtual worker reads and lands when. It does not know what a step computes.
 *
 * A timeline is an endless sequence of events. Every READ of a member is followed by one LAND of it. */
#ifndef HW__TIMELINE_TIMELINE_H
#define HW__TIMELINE_TIMELINE_H

#include "../base/allocator.h"
#include "../state/walk.h"
#include "hogwild/simulation.h"

/* STEP: a member reads or lands. The others are of a rank of a cluster (cluster.c), whose number is in `member`: its
 * exchange is sent, lands at the owners, and is back. */
typedef enum hw__timeline_event_kind {
    TIMELINE_STEP,
    TIMELINE_SENT,
    TIMELINE_LANDED,
    TIMELINE_BACK
} hw__timeline_event_kind;

typedef struct hw__timeline_event {
    hw__timeline_event_kind kind;
    bool land;
    bool more;     /* LAND: another one joins this in the same update                                      */
    bool recorded; /* READ of a replay: ticket and setting are the trace's                                 */
    bool end;      /* of a replay: nothing follows                                                         */
    uint32_t member;
    uint32_t setting;
    uint64_t ticket;
    double time, due; /* now; READ: a number that grows with the order in which the members will land         */
} hw__timeline_event;

typedef struct timeline timeline;
typedef struct hw__timeline_source {
    void (*restart)(timeline *t);
    void (*next)(timeline *t, hw__timeline_event *event);
} hw__timeline_source;

/* Members: gradients that may be pending at once. M: the number of workers (groups) for every formula. */
typedef struct hw__timeline_plan {
    uint32_t members, m;
} hw__timeline_plan;
hw_status hw__timeline_plan_of(const hw_simulation *s, unsigned workers, hw__timeline_plan *plan, char *why);
/* cluster: of that many parameters; its ranks are 0 where there is none. */
hw_status hw__timeline_create(timeline **t, const hw_simulation *s, const hw_cluster *cluster, size_t parameters,
                              unsigned workers, uint64_t seed, hw__memory *memory, char *why);
/* Of a clock of work: its shape and its mean. The sentence names config.<what><number>. */
hw_status hw__timeline_check_clock(const hw_clock *c, const char *what, uint32_t number, char *why);
/* No member has a gradient pending: all that read at the start read anew. */
void hw__timeline_restart(timeline *t);
void hw__timeline_next(timeline *t, hw__timeline_event *event);
/* The first so many members go on; the others land what they have read, and rest. Of clocks of work and of order. */
void hw__timeline_rest(timeline *t, uint32_t at_work);
/* The member of the READ that was just given has nothing to compute: it will not land, and not read again in this run.
 */
void hw__timeline_drop(timeline *t);

/* fields.c: into a state and out of it. CHECK: where each member stands, into place[members]. Not begun: there has been
 * no run, and the members are nowhere; exhausted: the run has handed out its last ticket, so members may be nowhere. */
typedef enum hw__timeline_place {
    TIMELINE_NOWHERE,
    TIMELINE_LANDS, /* has read, or is the member of a READ that was just given */
    TIMELINE_READS,
    TIMELINE_EITHER /* the clock does not say: it has read, or found no ticket */
} hw__timeline_place;
/* at_work: of the run in the state. */
void hw__timeline_fields(timeline *t, hw__walk *v, uint8_t *place, bool begun, bool exhausted, uint32_t at_work);
/* After TAKE: so many are at work, and those of the others who are nowhere rest. */
void hw__timeline_resume(timeline *t, const uint8_t *place, uint32_t at_work);
/* There are tickets again: the members that found none read next, and a gathering begins anew. */
void hw__timeline_revive(timeline *t, const uint8_t *place);

struct timeline {
    const hw__timeline_source *source;
    hw_simulation s;
    uint32_t members, m, per_group;
    uint64_t landed; /* updates */
    double time;
    hw_rng *rng; /* one a worker for clocks of work, one for HISTOGRAM */
    /* queue.c */
    bool timed; /* clocks of work: due is a time */
    double *due;
    double *from, *to; /* RECORDED: the ends of its cells of work times */
    uint32_t cells;
    uint32_t *heap, n_heap; /* clocks of work: a binary heap; of order: a ring */
    uint32_t ring_first;
    uint32_t *reads, n_reads, next_read;
    uint32_t at_work;  /* members from there on rest, instead of reading */
    bool *rests;       /* of each member: it does */
    uint32_t arriving; /* the member of the last READ, which is about to wait for its turn; UINT32_MAX none */
    uint32_t gathered;
    uint32_t held; /* ADVERSARY's member; UINT32_MAX none */
    uint64_t held_since, sequence;
    /* order.c */
    double *share; /* HISTOGRAM: cumulative probabilities of 0 .. members - 1; RECORDED: of cells */
    uint32_t *first_of, *last_of, *next_of;
    uint64_t version, cursor;
    uint64_t *order;                      /* REPLAY: entries by the version they read */
    struct hw__timeline_cluster *cluster; /* or NULL */
};

/* queue.c: those of its readers who have read leave the list. */
void hw__timeline_shift(timeline *t);
double hw__timeline_work(timeline *t, uint32_t member); /* how long its next step takes */
extern const hw__timeline_source hw__timeline_queue, hw__timeline_histogram, hw__timeline_replay;
bool hw__timeline_clock_of_work(hw_clock_kind kind);
/* Every gradient is of one worker that lands on its own: none of several together, none of a drawn or fixed delay. */
bool hw__timeline_owned(const hw_simulation *s);

/* --- recording ---------------------------------------------------------------------------------------------------- */

typedef struct hw__trace_setting {
    double rate, momentum, ahead, exact;
} hw__trace_setting;

struct hw_trace {
    hw_trace_info info;
    hw_trace_entry *entry; /* in the order of landing */
    hw__trace_setting *setting;
    uint32_t crc; /* of the final parameters */
};

/* The stream of one worker: varints of (updates since its last landing, staleness, ticket and setting change). Chunks
 * come from one pool, so that uneven workers need no more room than even ones. */
typedef struct hw__trace_recorder hw__trace_recorder;
hw_status hw__trace_recorder_create(hw__trace_recorder **r, unsigned workers, uint64_t updates, hw__memory *memory,
                                    char *why);
void hw__trace_recorder_reset(hw__trace_recorder *r);
/* Worker's own: an update landed as number `landed`, having read at `read`. */
void hw__trace_record(hw__trace_recorder *r, unsigned worker, uint64_t landed, uint64_t read, uint64_t ticket,
                      uint32_t setting);
/* One worker at a time: a setting that comes into force; its number. */
uint32_t hw__trace_setting_new(hw__trace_recorder *r, const hw__trace_setting *setting);
/* After the run: a trace of its own memory. info: what the engine knows (workers ... batch, bit_equal, why_not);
 * info->updates is how many landed. */
hw_status hw__trace_recorder_finish(const hw__trace_recorder *r, const hw_trace_info *info, const float *params,
                                    hw_trace **trace, char *why);

/* Encoding, shared by the recorder and the file. */
/* One worker's stream into entries (rows of the whole trace, by landing); false where it is not one. */
typedef struct hw__trace_position {
    uint64_t landed, read, ticket, updates; /* of its last entry; updates: of this worker so far */
    uint32_t setting;
} hw__trace_position;
/* At most TRACE_ENTRY bytes; returns how many. */
#define TRACE_ENTRY 40
size_t hw__trace_encode(hw__trace_position *p, unsigned char *at, uint64_t landed, uint64_t read, uint64_t ticket,
                        uint32_t setting);
/* One entry off the stream into the trace; false where it is none, or beyond the trace's updates where `cut` is not
 * set (with it, such entries are left out). */
bool hw__trace_decode(hw__trace_position *p, const unsigned char **at, const unsigned char *end, uint32_t worker,
                      bool cut, hw_trace *trace);
/* Entries allocated, all marked as missing; false without memory. */
bool hw__trace_allocate(hw_trace *trace);

#endif
