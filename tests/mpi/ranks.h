/* ranks.h - what a test on several ranks needs: every rank checks, and the worst of them is the program's exit code. */
#ifndef RANKS_H
#define RANKS_H

#include <hogwild.h>
#include <hogwild/mpi.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranks {
    int rank, count, failed;
} ranks;

#define CHECK(r, condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            if ((r)->failed++ < 5) fprintf(stderr, "rank %d: %s:%d: %s\n", (r)->rank, __FILE__, __LINE__, #condition); \
        }                                                                                                              \
    } while (0)
#define CHECK_TEXT(r, sentence, part)                                                                              \
    do {                                                                                                           \
        if (!strstr((sentence), (part)) && (r)->failed++ < 5)                                                      \
            fprintf(stderr, "rank %d: %s:%d: '%s' does not say '%s'\n", (r)->rank, __FILE__, __LINE__, (sentence), \
                    (part));                                                                                       \
    } while (0)

static inline bool all_of(bool mine)
{
    int yes = mine, all = 0;
    MPI_Allreduce(&yes, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    return all;
}

/* jobs.c. Classes of fits, as in one process; in step, or each on its own with whole numbers: every update adds 1. */
enum { N = 70, EXAMPLES = 180, EPOCHS = 8 };
double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g);
hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums);
hw_objective objective(void);
hw_config in_step(unsigned workers);
hw_mpi mpi_of(hw_mpi_scheduler scheduler);
hw_config own(unsigned workers);

typedef struct counting {
    _Atomic int seen[EPOCHS][EXAMPLES];
    _Atomic unsigned steps;
    unsigned fails_at; /* 0: never */
    bool nan, slow;
    unsigned skip_every; /* its gradient is none, and left out */
} counting;
hw_objective counted(counting *k);
hw_status count_step(void *self, hw_worker *w, const hw_batch *b);
/* Every example once in each epoch of first .. end - 1, and never in another, whichever rank it was. */
bool visited(const counting *k, int first, int end);

typedef struct watched {
    unsigned count, stop_after;
    bool exact;
} watched;

hw_status see(void *context, const hw_evaluation *e);

/* captures.c. A run from a capture (NULL: from the start), or what it keeps. */
typedef struct shelf {
    hw_state *state;
    uint64_t at;
} shelf;
/* Updates that the ranks say they have made; 0 but on rank 0. */
uint64_t train_from(ranks *r, hw_config c, hw_mpi m, const hw_objective *o, shelf *from, float *x, hw_result *result);

/* A whole run, and one from its capture after two epochs, whose visits k has then; as many updates and examples. */
typedef struct pair_of_runs {
    float x[N], y[N]; /* what they come to */
} pair_of_runs;
pair_of_runs twice(ranks *r, hw_config c, hw_mpi m, const hw_objective *o, counting *k);

/* The tests. */
void sync_equals_threads(ranks *r);
void nothing_is_lost(ranks *r);
void means(ranks *r);
void uneven(ranks *r);
void sums_stay_short(ranks *r);
void together(ranks *r);
void sparse(ranks *r);
void alike(ranks *r);
void workers(ranks *r);
void ages(ranks *r);
void momentum_gains(ranks *r);
void shorter(ranks *r);
void converges(ranks *r);
void trouble(ranks *r);
void mismatch(ranks *r);
void ends(ranks *r);
void told(ranks *r);
void captures(ranks *r);
void captures_by_time(ranks *r);
void captures_of_others(ranks *r);
void velocity_is_kept(ranks *r);
void gather(ranks *r);
void pairs(ranks *r);
void lowers(ranks *r);
void own_examples(ranks *r);
void own_examples_go_on(ranks *r);
void own_epochs_go_on(ranks *r);
void own_examples_of_others(ranks *r);
void own_parameters(ranks *r);
void endless(ranks *r);
void goes_on(ranks *r);
int serialized(int argc, char **argv); /* its exit code */

#endif
