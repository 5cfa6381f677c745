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

#endif
