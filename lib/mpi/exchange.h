/* exchange.h (internal) - what a rank has on its way, to owners and from them: exchange.c and serve.c. */
#ifndef HW__MPI_EXCHANGE_H
#define HW__MPI_EXCHANGE_H

#include "job.h"

enum { HEAD = 16 };           /* floats before the values: a hw__mpi_push */
enum { PUSH = 2, REPLY = 3 }; /* tags; 1 is a sum's, 4 a word's */
_Static_assert(sizeof(hw__mpi_push) == HEAD * sizeof(float), "a message begins with its push");

typedef struct hw__mpi_exchange {
    float *good;                              /* what all ranks had last, at the beginning or a meeting */
    float *base, *seen, *out, *in, *velocity; /* velocity: rank 0's copy of all, for captures */
    size_t *at;                               /* of each owner's message in out and in */
    MPI_Request *request;                     /* 2 ranks: sent, awaited */
    bool under_way, answered;                 /* answered: by this rank itself */
    bool partial, unsent;                     /* the last exchange left out what only one rank changes: it is unsent */
    uint64_t number, pushed, from;            /* from: pushed when the run began */
    hw__mpi_push *based;                      /* by owner: what base is of it */
    float *arriving, *reply;
    MPI_Request arrival, *replying;
    MPI_Status *status; /* of as many as request */
    hw_range *changed;  /* what is looked at; then what has come, of all shards */
    /* touched.c: lines that steps have touched, n_lines, of which the first `next` have been packed, in n_looks ranges;
     * kept: those of one shard that have changed. */
    uint32_t *line, *kept;
    size_t n_lines, n_looks, next;
    bool serves, abandoned;
} hw__mpi_exchange;

/* Floats of a message of rank's shard, at most; whether one of rank `from`, of `count` floats, is what it says, of a
 * shard of n. */
static inline int hw__mpi_length(const hw_mpi_job *job, int rank)
{
    return HEAD + job->shards.count[rank];
}
bool hw__mpi_fits(hw_mpi_job *job, int from, const hw__mpi_push *push, int count, size_t n);

/* touched.c, where job->sparse: x->seen of what steps have touched since the last look; what has changed of shard r's,
 * by that, as a message, whose floats are counted. By the shards' numbers. */
bool hw__mpi_touched_look(hw_mpi_job *job, uint64_t *clock);
size_t hw__mpi_touched_pack(hw_mpi_job *job, int r, double pull, uint32_t *lines, float *to);

/* serve.c: the next push is awaited; what has come lands, and is answered; what this rank brings itself. */
bool hw__mpi_serve_begin(hw_mpi_job *job);
bool hw__mpi_serve_step(hw_mpi_job *job);
bool hw__mpi_serve_receive(hw_mpi_job *job, int from, const float *message, size_t floats);

#endif
