/* job.h (internal) - one run over the ranks of a communicator: who calls MPI when, and what the engine's workers hand
 * to that thread. This library stands on libhogwild's public headers alone. */
#ifndef HW__MPI_JOB_H
#define HW__MPI_JOB_H

#include "hogwild/advanced/peers.h"
#include "hogwild/advanced/state.h"
#include "hogwild/mpi.h"
#include <pthread.h>
#include <stdbool.h>

/* What a rank comes to a round for. All ranks say it to each other, and what follows is a function of all of them. */
typedef enum hw__mpi_kind {
    HW__MPI_SUM,      /* parts of a gradient                        */
    HW__MPI_SUMS,     /* parts of an evaluation                     */
    HW__MPI_EVALUATE, /* a meeting before an evaluation             */
    HW__MPI_CAPTURE,  /* ... before a capture                       */
    HW__MPI_FINAL,    /* ... at the end of its run                  */
    HW__MPI_END,      /* its engine's run is over                   */
    HW__MPI_FAIL,     /* likewise, by an error                      */
    HW__MPI_KINDS
} hw__mpi_kind;

typedef struct hw__mpi_header {
    int32_t kind, stop, status, raw;
    uint64_t told;     /* words to all others, so far */
    uint64_t position; /* in this rank's share of the steps */
    double loss;
    uint64_t landed, examples; /* SUM, SUMS: updates; meetings: updates pushed so far */
    uint64_t hash;             /* SUMS of a run in step: of the parameters */
    uint64_t until;            /* ASYNC: steps, or updates, of this rank until its next evaluation */
    uint32_t asked, unused;    /* ASYNC: captures that rank 0 has asked for */
} hw__mpi_header;

/* A worker's request, which it waits for. */
typedef struct hw__mpi_request {
    hw__mpi_kind kind;
    float *g;
    double *sums, *loss;
    size_t n;
    int *raw;
    hw_meeting *meeting;
    hw_status status;
    char why[HW_WHY];
} hw__mpi_request;

/* mailbox.c */
typedef struct hw__mpi_mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t posted, answered;
    bool ready, pending, done, over;
    uint64_t since; /* when the request was posted */
    hw__mpi_request *request;
    hw_status status; /* over: what every further request gets */
    char why[HW_WHY];
} hw__mpi_mailbox;

/* The contiguous share of n floats of each rank, from multiples of 16 on. */
typedef struct hw__mpi_shards {
    int *first, *count; /* ranks of each; MPI's counts are ints */
} hw__mpi_shards;

/* What callbacks tell of the owners, as of the last meeting; under the mailbox's lock. */
typedef struct hw__mpi_view {
    uint64_t update;
    double staleness, epoch; /* epoch: NAN: what rank 0's engine says */
    hw_setting setting;
    bool known, has_setting;
} hw__mpi_view;

typedef struct hw__mpi_principal hw__mpi_principal;
struct hw__mpi_private;
struct hw__mpi_exchange;
struct hw__mpi_owner;

/* words.c */
typedef struct hw__mpi_words {
    int word;
    MPI_Request arrival;
    bool listens;
    uint64_t said, heard; /* to all, and by others */
} hw__mpi_words;

struct hw_mpi_job {
    hw_mpi mpi;
    uint32_t interval, bound; /* in force */
    bool dense;               /* steps are gradients of all parameters */
    bool sparse;              /* ASYNC: messages are of the lines that steps have touched */
    bool means;               /* are what lines come to that several ranks have touched */
    bool chooses;             /* the interval, up to `most` */
    uint32_t most;
    uint64_t looked_ns; /* when it was looked at, and what workers had waited by then, in seconds */
    double waited;
    hw__mpi_principal *principal; /* NULL: sums are sent as they are */
    MPI_Comm comm;                /* ours */
    bool has_comm;
    int rank, ranks;
    size_t parameters;
    hw_config asked; /* the caller's, of which the engine's was made */
    hw_peers peers;
    hw__mpi_mailbox box;
    hw__mpi_shards shards;
    hw__mpi_header own, *all; /* of the round */
    MPI_Request round;
    bool in_round;
    float *parts;   /* SYNC, ordered: the ranks' parts of this one's shard */
    float *scratch; /* as many floats as parameters */
    struct {
        double now, before[2]; /* of this rank's steps; when its last exchanges began */
    } rate;
    double curvature; /* rank 0's; 0: unknown */
    uint64_t curvature_due;
    hw_engine *engine;
    struct hw__mpi_exchange *exchange; /* ASYNC: what this rank sends and gets */
    hw__mpi_words words;               /* ASYNC */
    struct hw__mpi_owner *owner;       /* ASYNC: what it serves */
    struct hw__mpi_ages *ages;         /* ASYNC: what its steps were computed on */
    struct hw__mpi_private *own_lines; /* ASYNC: lines that only one rank changes; NULL: none */
    struct hw__mpi_pairs *pairs;       /* ASYNC: staleness by pairs; NULL: too many ranks */
    struct hw__mpi_gather *gather;     /* ASYNC: NULL: every exchange lands as it comes */
    uint64_t evaluated;                /* updates landed at the last evaluation; UINT64_MAX: none */
    _Atomic int wish;                  /* a callback's: hw_stop_reason */
    bool told;                         /* ASYNC: the others know that a stop was asked for */
    hw_stop_reason reason;
    uint64_t watched, began_ns; /* began_ns: when the ranks had all begun */
    hw_status failed;           /* what ends the run of all; broken: MPI's own, so nobody can be told */
    bool broken;
    char why[HW_WHY];
    hw_mpi_rank here, *each;
    /* What each rank had come to at the last meeting that is kept, and what this one had landed beyond what its engine
     * counts, before it was restored. anew: by other ranks, whose are no rank's of these, and took seconds_before. */
    uint64_t *landed, *examples, *position, *until;
    int64_t landed_before, examples_before;
    bool anew;
    double seconds_before;
    hw_state *state;           /* of a capture, with what the owners keep */
    hw_result result, before;  /* before: what the engine counted when it was restored */
    double objective_examples; /* of all ranks */
    uint64_t *own_examples;    /* each rank's objective's */
    uint64_t clock;            /* updates of all ranks before this run */
    /* ASYNC: captures that rank 0 has asked for, and the last of them that was made. later: some are at an evaluation
     * first. owed: this rank's engine has come for one by count, and was sent on. due, at: on rank 0, the second of
     * training of the next one by time, and the update of the last one. */
    struct {
        uint32_t asked, made;
        bool later, owed;
        double due;
        uint64_t at;
    } captures;
    hw__mpi_view view;
    bool ran;
};

/* agree.c */
/* This engine's run ends, whatever its workers wait for. */
void hw__mpi_stop_engine(hw_mpi_job *job);
hw_status hw__mpi_fail(char *why, hw_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What an MPI call returned, as a status of the job with its sentence; true: well. */
bool hw__mpi_good(hw_mpi_job *job, int code, const char *call);
/* All ranks: the status and the sentence of the first of them that has one other than HW_OK. */
hw_status hw__mpi_agree(hw_mpi_job *job, hw_status status, char *why);

/* same.c: HW_OK where all ranks were given the same. All of them make the call. */
hw_status hw__mpi_same(hw_mpi_job *job, const hw_objective *objective, const hw_config *config, char *why);
uint64_t hw__mpi_hash(const void *bytes, size_t n);

/* mailbox.c: post waits for the answer; look takes what is there, waiting at most `us` microseconds (UINT64_MAX: as
 * long as it takes). */
bool hw__mpi_mailbox_create(hw__mpi_mailbox *box);
void hw__mpi_mailbox_free(hw__mpi_mailbox *box);
hw_status hw__mpi_post(hw__mpi_mailbox *box, hw__mpi_request *request, char *why);
void hw__mpi_done(hw__mpi_mailbox *box);
/* The request that waits, or NULL; *done: the engine's run is over. */
hw__mpi_request *hw__mpi_look(hw__mpi_mailbox *box, uint64_t us, bool *done);
void hw__mpi_answer(hw__mpi_mailbox *box);
/* Every request from now on, and the one that waits, gets this. */
void hw__mpi_close(hw__mpi_mailbox *box, hw_status status, const char *why);

/* peers.c: the callbacks of hw_peers */
void hw__mpi_peers(hw_mpi_job *job, const hw_objective *objective);

/* sum.c: the sum over all ranks, all of which are in it. */
bool hw__mpi_sum_floats(hw_mpi_job *job, float *g);
bool hw__mpi_sum_doubles(hw_mpi_job *job, double *sums, size_t n);

/* round.c: begin with job->own; resolve, when all headers are there. True: the job is over. */
bool hw__mpi_round_begin(hw_mpi_job *job);
bool hw__mpi_round_over(hw_mpi_job *job);
bool hw__mpi_round_resolve(hw_mpi_job *job, hw__mpi_request *request);

/* callbacks.c: the caller's, on rank 0; what they say about stopping is for all ranks. */
void hw__mpi_callbacks(hw_mpi_job *job, hw_config *config);
/* An evaluation in the job's numbers. */
void hw__mpi_evaluation(hw_mpi_job *job, hw_evaluation *evaluation);
/* What they tell of the owners from now on; epoch: NAN where rank 0's is that of all. */
void hw__mpi_look_on(hw_mpi_job *job, double epoch);

/* interval.c: at the start, and after an exchange */
void hw__mpi_interval_choose(hw_mpi_job *job, const hw_objective *objective);
void hw__mpi_interval_adapt(hw_mpi_job *job, uint64_t exchanges);

/* principal.c. All ranks make the call. */
hw_status hw__mpi_principal_create(hw_mpi_job *job, const hw_objective *objective, const hw_config *config, char *why);
void hw__mpi_principal_free(hw_mpi_job *job);
double hw__mpi_principal_longest(const hw_mpi_job *job); /* updates between exchanges; INFINITY: nothing is known */
/* How much of the direction is not to be sent of a delta x - base of so many updates, which is in those ranges, the
 * owners' clock being this. */
double hw__mpi_principal_pull(const hw_mpi_job *job, const float *x, const float *base, const hw_range *ranges,
                              size_t n, uint64_t updates, uint64_t clock);
void hw__mpi_principal_damp(const hw_mpi_job *job, double pull, size_t first, float *delta, size_t n);

/* curvature.c */
bool hw__mpi_curvature_wanted(const hw_mpi_job *job, const hw_objective *objective);
bool hw__mpi_curvature_due(const hw_mpi_job *job, uint64_t exchanges); /* whether the movement will be asked for */
void hw__mpi_curvature_follow(hw_mpi_job *job, const float *x, float *movement, uint64_t exchanges);

/* A push of n updates, made on values of `clock`; then the values that the rank is to go on with. */
typedef struct hw__mpi_push {
    uint64_t updates, clock, number; /* number: of the rank's exchange */
    /* Of those updates, the ones that were begun before the values of the exchange before had come, on what owner's
     * clock, on average, and how many updates of the rank's own it has landed since then. */
    uint64_t early, early_clock, own;
    double curvature; /* rank 0 tells; 0: unknown */
    uint32_t lines;   /* of the message: HW__MPI_ALL, or so many */
    float rate;       /* what steps were multiplied with, at most; of an answer: what the owner would */
} hw__mpi_push;

/* rate.c: before the run; what the owners have answered; what a push says. */
void hw__mpi_rate_begin(hw_mpi_job *job);
void hw__mpi_rate_follow(hw_mpi_job *job, const hw__mpi_push *based);
float hw__mpi_rate_pushed(hw_mpi_job *job);

/* ages.c: the run begins; base is new, pushed and from being exchange.c's; of updates first + 1 .. last of this rank,
 * those that were begun before base was what it is, and on what, on average: *own, what this rank had sent since then,
 * and for each owner its clock in based[r].early_clock. */
bool hw__mpi_ages_create(hw_mpi_job *job);
void hw__mpi_ages_free(hw_mpi_job *job);
bool hw__mpi_ages_known(const hw_mpi_job *job); /* a run has begun */
void hw__mpi_ages_begin(hw_mpi_job *job);
void hw__mpi_ages_new(hw_mpi_job *job, uint64_t pushed, uint64_t from, const hw__mpi_push *based);
uint64_t hw__mpi_ages_older(const hw_mpi_job *job, uint64_t first, uint64_t last, hw__mpi_push *based, uint64_t *own);

/* exchange.c */
hw_status hw__mpi_exchange_create(hw_mpi_job *job, const hw_objective *objective, char *why);
void hw__mpi_exchange_free(hw_mpi_job *job);
void hw__mpi_exchange_allow(hw_mpi_job *job); /* workers to begin what the bound leaves */
bool hw__mpi_exchange_begin(hw_mpi_job *job); /* the engine has its first parameters */
void hw__mpi_exchange_end(hw_mpi_job *job);
/* One step of whatever is due: true where something happened. FLUSH: send what there is, however little. */
typedef enum hw__mpi_mode { HW__MPI_GO, HW__MPI_FLUSH, HW__MPI_SERVE } hw__mpi_mode; /* SERVE: begin nothing */
bool hw__mpi_exchange_step(hw_mpi_job *job, hw__mpi_mode mode);
bool hw__mpi_exchange_quiet(const hw_mpi_job *job); /* none of this rank's is under way */
void hw__mpi_exchange_fall_back(hw_mpi_job *job);   /* the engine's parameters: those of the last meeting */
bool hw__mpi_exchange_flushed(hw_mpi_job *job);     /* nothing of this rank is under way or unsent */
/* All ranks: everybody's parameters become the owners'. keeps: rank 0 gets the velocity, too. */
bool hw__mpi_exchange_adopt(hw_mpi_job *job, bool keeps);
uint64_t hw__mpi_exchange_pushed(const hw_mpi_job *job);
const float *hw__mpi_exchange_velocity(const hw_mpi_job *job); /* rank 0's; NULL: none is kept */
bool hw__mpi_exchange_take_velocity(hw_mpi_job *job, const float *velocity);
/* gather.c, where job->gather is: what rank `from` has brought, of so many floats, is kept; whether an update is
 * decided and all of it here, whose messages kept() gives (NULL: it is not of it), until it has landed; this rank
 * brings nothing more before the next meeting, once; a meeting of all. size: floats of a message, at most. */
hw_status hw__mpi_gather_create(hw_mpi_job *job, size_t size, char *why);
void hw__mpi_gather_free(hw_mpi_job *job);
bool hw__mpi_gather_begin(hw_mpi_job *job);
void hw__mpi_gather_end(hw_mpi_job *job);
void hw__mpi_gather_keep(hw_mpi_job *job, int from, const float *message, size_t floats);
bool hw__mpi_gather_next(hw_mpi_job *job);
const float *hw__mpi_gather_kept(const hw_mpi_job *job, int from);
void hw__mpi_gather_landed(hw_mpi_job *job);
void hw__mpi_gather_out(hw_mpi_job *job);
bool hw__mpi_gather_met(hw_mpi_job *job);
bool hw__mpi_gather_drop(hw_mpi_job *job); /* at the end of runs that have failed */

/* private.c. All ranks create it. Where job->own_lines is: whether a line, of all parameters, is some rank's own. */
hw_status hw__mpi_private_create(hw_mpi_job *job, char *why);
void hw__mpi_private_free(hw_mpi_job *job);
bool hw__mpi_private_is(const hw_mpi_job *job, size_t line);

/* pairs.c: updates of a rank are about to land, so many computed on what it heard last, and on what it heard before;
 * they have; a rank, or all, has heard of everything; rank 0 gets what all owners know. */
bool hw__mpi_pairs_create(hw_mpi_job *job);
void hw__mpi_pairs_free(hw_mpi_job *job);
void hw__mpi_pairs_landing(hw_mpi_job *job, int from, uint64_t late, uint64_t early);
void hw__mpi_pairs_landed(hw_mpi_job *job);
void hw__mpi_pairs_answered(hw_mpi_job *job, int to);
void hw__mpi_pairs_met(hw_mpi_job *job);
bool hw__mpi_pairs_gather(hw_mpi_job *job);

/* words.c: the next one is awaited; a word to all others, why all are to stop, or that they are to come for capture
 * `number`; one that has come, or none (false); so many of the others in all, at the end. */
bool hw__mpi_words_begin(hw_mpi_job *job);
void hw__mpi_words_end(hw_mpi_job *job);
void hw__mpi_tell(hw_mpi_job *job, hw_stop_reason reason);
void hw__mpi_tell_capture(hw_mpi_job *job, uint32_t number);
bool hw__mpi_words_step(hw_mpi_job *job);
bool hw__mpi_words_wait(hw_mpi_job *job, uint64_t count);
void hw__mpi_forget(MPI_Request *request);

/* captures.c: rank 0 has trained so many seconds; its word; what a rank wants of its engine, which waits with r or does
 * not (NULL), and rank 0 of the others, before its header is written; a meeting, with `any` rank before a capture:
 * whether this rank's request is answered for that. */
void hw__mpi_captures_watch(hw_mpi_job *job, double seconds);
static inline void hw__mpi_captures_heard(hw_mpi_job *job, uint32_t number)
{
    if (number > job->captures.asked) job->captures.asked = number;
}
void hw__mpi_captures_ask(hw_mpi_job *job, const hw__mpi_request *r);
bool hw__mpi_captures_met(hw_mpi_job *job, const hw__mpi_request *r, const unsigned *of);

/* lines.c: n values of a shard in a message */
enum { HW__MPI_LINE = 16 };
#define HW__MPI_ALL UINT32_MAX
size_t hw__mpi_lines(size_t n);
/* Those that are not all 0; how many. */
uint32_t hw__mpi_lines_list(const float *d, size_t n, uint32_t *list);
/* Whether all n values are shorter. */
bool hw__mpi_lines_whole(uint32_t count, size_t n);
/* *count of them, or all where that is shorter: *count is HW__MPI_ALL then. How many floats that takes, n at most. */
size_t hw__mpi_lines_pack(const float *values, size_t n, const uint32_t *list, uint32_t *count, float *to);
size_t hw__mpi_lines_size(uint32_t count, size_t n);
/* In how many parts it comes, and part k: where it belongs, and its values; NULL: there is no such line. */
uint32_t hw__mpi_lines_parts(uint32_t count);
const float *hw__mpi_lines_get(const float *from, uint32_t count, uint32_t k, size_t n, hw_range *line);

/* owner.c: the shard that this rank serves. */
/* Whether momentum and the policy's rate are the owners', so that everything moves where anything lands. */
bool hw__mpi_owner_moves(const hw_mpi_job *job);
hw_status hw__mpi_owner_create(hw_mpi_job *job, const hw_objective *objective, char *why);
void hw__mpi_owner_free(hw_mpi_job *job);
void hw__mpi_owner_set(hw_mpi_job *job, const float *values);
/* Of those that land together as their mean, `last` of `count`; 1 of 1: alone. False: the message is none of this
 * shard. */
bool hw__mpi_owner_land(hw_mpi_job *job, int from, const hw__mpi_push *push, const float *message, unsigned number,
                        unsigned count);
/* Everything, as it is, and the clock; and what rank `to` has not heard of yet, as a message, whose floats are counted.
 */
void hw__mpi_owner_get(hw_mpi_job *job, float *values, hw__mpi_push *push);
size_t hw__mpi_owner_reply(hw_mpi_job *job, int to, float *message, hw__mpi_push *push);
const hw_histogram *hw__mpi_owner_staleness(const hw_mpi_job *job, bool own); /* of this rank's updates, or of all */
float *hw__mpi_owner_velocity(const hw_mpi_job *job);
void hw__mpi_owner_curvature(hw_mpi_job *job, double curvature); /* before the run */
const hw_setting *hw__mpi_owner_setting(const hw_mpi_job *job);  /* NULL: no momentum here */

#endif
