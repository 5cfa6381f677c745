/* mpi.h - the same objective on several machines: a run over the ranks of an MPI communicator. Link with libhogwild-mpi
 * (hogwild-mpi.pc), which is built by `make mpi` for the MPI that is there; libhogwild itself knows none.
 *
 * Every rank makes the same calls with the same objective, configuration and parameters; what differs is refused by
 * name. Inside a rank the workers are threads on one shared array, as ever. Over the ranks:
 *
 *   ASYNC   every rank has its share of each epoch's minibatches and steps on its own. Each owns a part of the
 *           parameters and is its server: a rank sends the owners what its workers have added up since its last
 *           exchange, and gets the owners' values back, while the workers go on (nobody waits). The compute groups of
 *           Mitliagkas et al. over machines. Staleness is measured where updates land: at the owners.
 *   SYNC    every rank computes its part of each minibatch; the gradients are summed; all land the same update.
 *           config.scheduler is sync, workers the threads of one rank. One thread a rank comes to the bits of as many
 *           threads in one process (sum ordered).
 *
 * Momentum of ASYNC stands with the owners (rule sgd): an exchange of n updates lands there as n updates of the heavy
 * ball would, with the momentum, the rate and the look-ahead of config.compensation, from the staleness measured there.
 * Policy auto looks ahead, and takes the rate down where the curvature, which rank 0 follows, makes the step unstable
 * for that delay; that it does without momentum, too, of dense steps that are summed. Or, with velocity at the ranks,
 * each rank's rule and policy go by the rank alone.
 *
 * The thread that calls hw_mpi_run makes all MPI calls and returns when the run is over; the workers are others.
 * MPI_THREAD_FUNNELED is enough where that is the thread that initialised MPI, else SERIALIZED. Callbacks of
 * evaluations, captures, epochs and progress are made on rank 0 only, on_update on every rank. An error on any rank
 * ends all with its status and sentence, and all have the parameters of the last meeting then; MPI itself ends a job
 * one of whose ranks is killed. Under ASYNC a sparse step's clock_interval is at most half the interval, so that
 * exchanges come when they are due, and config.checkpoint_seconds goes by rank 0's time, while that has steps left. No
 * function prints, exits or aborts. */
#ifndef HOGWILD_MPI_H
#define HOGWILD_MPI_H

#include "engine.h"
#include <mpi.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hw_mpi_scheduler { HW_MPI_ASYNC, HW_MPI_SYNC } hw_mpi_scheduler;
typedef enum hw_mpi_velocity { HW_MPI_AT_OWNERS, HW_MPI_AT_RANKS } hw_mpi_velocity;
/* ORDERED: by the ranks' numbers, whatever MPI does: repeatable, on any network. REDUCED: MPI_Allreduce. */
typedef enum hw_mpi_sum { HW_MPI_ORDERED, HW_MPI_REDUCED } hw_mpi_sum;
/* What several ranks have made of the same 16 parameters (a line) since each last heard of them. SUMS: every update
 * counts in full, which goes too far where all ranks together would go more than twice the way to an optimum. MEANS:
 * twice the mean of what they have come to, at most: where k others have moved the line by D since a rank heard of it,
 * and the rank by d, it is moved by
 *
 *   D' = min(k + 1, 2) / (k + 1) (k / min(k, 2) D + d)            (k = 0: d; two ranks: the sum, D + d)
 *
 * altogether, so that any interval is as safe as with two ranks, and what all of them touch learns as quickly as with
 * two. AVERAGES: likewise once the mean, min(k + 1, 1): where all ranks touch all parameters, local steps with
 * periodic averaging, though nobody waits for the others. CHOSEN: means for sparse objectives that know no principal
 * direction, else sums. */
typedef enum hw_mpi_combine { HW_MPI_CHOSEN, HW_MPI_SUMS, HW_MPI_MEANS, HW_MPI_AVERAGES } hw_mpi_combine;

/* Whose minibatches a rank makes: its share of those that all have, or all of its own. */
typedef enum hw_mpi_data { HW_MPI_WHOLE, HW_MPI_OWN } hw_mpi_data;

typedef struct hw_mpi {
    size_t struct_size; /* set by hw_mpi_init */
    MPI_Comm comm;      /* default MPI_COMM_WORLD; duplicated, so messages of others do not meet ours */
    hw_mpi_scheduler scheduler;
    hw_mpi_velocity velocity; /* ASYNC */
    hw_mpi_sum sum;           /* SYNC */
    /* ASYNC: a rank exchanges when it has made so many updates since it last began to, at least; one exchange is under
     * way at a time. 0, the default: chosen, 1 (as often as the network takes them), or where the objective is sparse
     * 256 / (ranks - 1) and fewer where a parameter would be met more than eight times meanwhile, since what ranks do
     * from the same start adds up; up to twice as many, within that, where workers wait for a fifth of the time. Where
     * means are taken, up to a sixteenth of an epoch. Where the objective knows its principal direction, up to sixteen
     * times, but no more than 2 / (rate x curvature across it x (ranks - 1)). */
    uint32_t interval;
    /* ASYNC: a rank's workers wait rather than have begun more steps than these that are unsent or under way: the more,
     * the older gradients are when they land. 0: the interval and as many again, or a step of each of those who land
     * on their own where that is more, so that an exchange is under way while the next is computed; or what that
     * curvature allows. With gather: the interval, or a step of each of those. As many as the interval: nothing is
     * computed meanwhile, and gradients are youngest. */
    uint32_t bound;
    hw_mpi_combine combine; /* ASYNC, without momentum at the owners */
    /* ASYNC, dense: the owners' update is the mean of what the first so many ranks to come have brought, which go on
     * from there, while the others are still computing: theirs count in a later one (Wang et al.; HW_GATHER, over
     * ranks). From 2 to the number of ranks; as many: all wait for all. 0, the default: each as it comes; one rank has
     * nobody to gather. Fewer land where nobody else can come any more, before a meeting. Staleness counts these
     * updates; hw_result.updates and schedules the gradients. */
    uint32_t gather;
    /* ASYNC. OWN: every rank's objective has examples of its own, none of them another's, and makes all of their
     * minibatches; an epoch of the job is one of each rank. objective.examples may differ; evaluation examples are the
     * same on all, and each evaluates its share of them. Where one machine does not hold all, or a part of the
     * parameters goes with a part of the examples. */
    hw_mpi_data data;
    /* ASYNC, without momentum at the owners: parameters that no other rank's steps touch, as the users' rows of a
     * factorisation whose ratings are dealt by users: the lines of 16 that lie in them whole are exchanged before
     * evaluations, captures and at the end only, and until then other ranks have the values of the last of those. No
     * two ranks' overlap. Borrowed until hw_mpi_create returns. */
    const hw_range *own;
    size_t n_own;
} hw_mpi;

HW_API hw_status hw_mpi_init(hw_mpi *mpi, size_t size);

/* For programs that have no MPI of their own: MPI_Init_thread and, from end, MPI_Finalize; nothing where it has been
 * done. The arguments may be NULL. */
HW_API hw_status hw_mpi_start(int *argc, char ***argv, char *why);
HW_API void hw_mpi_end(void);

/* By every rank of comm: how many workers each has cores for, the same on all ranks, at least 1. Ranks that may run on
 * the same cores of a machine (mpirun binds them apart, or does not) share them; hw_config_defaults() gives each rank
 * all of them, at most 64. Before MPI's initialisation what the defaults say. */
HW_API unsigned hw_mpi_workers(MPI_Comm comm);

/* Of `count` rows, ratings or the like, those of rank number `rank` of `ranks`: *first .. *first + *n - 1. */
HW_API void hw_mpi_share(uint64_t count, unsigned rank, unsigned ranks, uint64_t *first, uint64_t *n);

/* What a rank did, for a report. Times in seconds. */
typedef struct hw_mpi_rank {
    char host[64];
    unsigned threads;
    uint64_t updates, exchanges; /* exchanges: messages that its updates went in; SYNC: sums */
    uint64_t bytes_sent;
    double seconds;   /* of training */
    double waited;    /* that its workers waited for other ranks: in sums and meetings */
    double staleness; /* ASYNC: of its updates, in updates of other ranks: mean */
    uint64_t stalest;
} hw_mpi_rank;

typedef struct hw_mpi_job hw_mpi_job;

/* The one-call form: as hw_train, by every rank of mpi->comm. params: in, the same on all ranks; out, the trained ones,
 * on all of them. result: counts are the job's; the rest is this rank's, and staleness under ASYNC that of all updates
 * at their owners. */
HW_API hw_status hw_mpi_train(const hw_objective *objective, const hw_config *config, const hw_mpi *mpi, float *params,
                              hw_result *result);

/* The same in parts, for people who want the engine: create compares what all ranks were given and makes *config the
 * one for this rank's engine, which the caller creates (and may restore) with it and runs by hw_mpi_run. All ranks make
 * each call; a run once a job. config's peers are the job's: free the engine first, and the job
 * before MPI_Finalize. why: HW_WHY bytes. */
HW_API hw_status hw_mpi_create(hw_mpi_job **job, const hw_objective *objective, hw_config *config, const hw_mpi *mpi,
                               char *why);
HW_API hw_status hw_mpi_run(hw_mpi_job *job, hw_engine *engine, hw_result *result);
HW_API void hw_mpi_free(hw_mpi_job *job);

/* This rank's number and how many there are. */
HW_API unsigned hw_mpi_number(const hw_mpi_job *job, unsigned *ranks);
/* After a run, on rank 0: what each rank did (NULL on others); and how many updates were how many updates of other
 * ranks old when they landed, into a histogram of 64 linear bins (ASYNC, all ranks). */
HW_API const hw_mpi_rank *hw_mpi_ranks(const hw_mpi_job *job);
HW_API hw_status hw_mpi_staleness(const hw_mpi_job *job, hw_histogram *histogram);
/* After a run of ASYNC, on rank 0: for each rank, and each other one behind it, how many updates of the other its own
 * had not seen when they landed, on average over updates and owners: ranks x ranks, row by row; the diagonal is 0. What
 * a rank had begun before an exchange was over counts as of the exchange before. NULL: more than 256 ranks, one, or
 * SYNC. The job's. */
HW_API const double *hw_mpi_pairs(const hw_mpi_job *job);
/* As hw_run_json, on rank 0, of the whole job: what stands there, "mpi", the options in force, and "ranks", what each
 * of them did; under ASYNC also "landed", the staleness of all updates at their owners, and "pairs", that of
 * hw_mpi_pairs ("histogram" is of rank 0's own engine). Other ranks write nothing. */
HW_API hw_status hw_mpi_run_json(const hw_mpi_job *job, hw_engine *engine, const char *name, const hw_result *result,
                                 FILE *out);

/* To go on from a captured state, which rank 0 has (`state` is not looked at on others): between creating the engine
 * and the run, by all ranks. In step it may be of any number of ranks, or of none: the run goes on with the bits of the
 * whole one where the ranks are as many and steps draw nothing (hw_random: the state has what rank 0's workers had come
 * to, and the others' begin streams of their own). On their own: of as many ranks, no step is left out or made twice
 * (with a sampled clock, whose workers hold tickets in hand, a few are), and the owners' velocity goes on; where a
 * rank's rule keeps something of its own (velocity at ranks, adam, adagrad), that is rank 0's for all. Of another
 * number of ranks it is a new run from those parameters, that velocity and that step of the schedule; within the epoch
 * that was under way some examples come twice, or not at all. Errors as of hw_engine_restore. */
HW_API hw_status hw_mpi_restore(hw_mpi_job *job, hw_engine *engine, const hw_state *state, char *why);

#ifdef __cplusplus
}
#endif
#endif
