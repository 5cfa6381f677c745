/* own_ranks.c - the same objective on one machine and over the ranks of an MPI communicator: least squares on rows that
 * every rank has. With an MPI (`make mpi`): mpirun -n 2 own_ranks. Without one it runs here. */
#include <hogwild.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(HW_MPI)
#include <hogwild/mpi.h>
#endif

enum { ROWS = 4000, COLUMNS = 20 };

typedef struct table {
    float x[ROWS][COLUMNS], y[ROWS];
} table;

static void fill(table *t)
{
    hw_rng rng;
    hw_rng_seed(&rng, 1, 0);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            t->x[i][j] = (float)hw_rng_normal(&rng);
            t->y[i] += t->x[i][j] * (float)(j + 1);
        }
}

/* The mean loss of a minibatch, and its gradient. */
static double loss_gradient(void *self, void *scratch, const hw_batch *batch, const float *w, float *g)
{
    const table *t = self;
    double loss = 0;
    (void)scratch;
    memset(g, 0, COLUMNS * sizeof *g);
    for (uint32_t k = 0; k < batch->count; k++) {
        const uint32_t i = batch->index[k];
        float error = -t->y[i];
        for (int j = 0; j < COLUMNS; j++) error += t->x[i][j] * w[j];
        for (int j = 0; j < COLUMNS; j++) g[j] += error * t->x[i][j] / (float)batch->count;
        loss += 0.5 * (double)error * (double)error / batch->count;
    }
    return loss;
}

int main(int argc, char **argv)
{
    table *t = calloc(1, sizeof *t);
    float w[COLUMNS] = {0};
    char why[HW_WHY] = "";
    hw_result result;
    if (!t) return fprintf(stderr, "no memory\n"), 1;
    fill(t);
    hw_objective objective = hw_objective_defaults("least squares", COLUMNS);
    objective.self = t;
    objective.examples = ROWS;
    objective.loss_gradient = loss_gradient;
    hw_config config = hw_config_defaults();
    config.epochs = 5;
    int rank = 0;
#if defined(HW_MPI)
    hw_mpi mpi;
    if (hw_mpi_start(&argc, &argv, why) != HW_OK) return fprintf(stderr, "%s\n", why), 1;
    hw_mpi_init(&mpi, sizeof mpi);
    MPI_Comm_rank(mpi.comm, &rank);
    config.workers = hw_mpi_workers(mpi.comm); /* the cores that this rank has for itself */
    hw_status status = hw_mpi_train(&objective, &config, &mpi, w, &result);
#else
    (void)argc, (void)argv, (void)why;
    hw_status status = hw_train(&objective, &config, w, &result);
#endif
    if (status != HW_OK) return fprintf(stderr, "%s\n", result.message), 1; /* mpirun ends the other ranks */
    if (rank == 0)
        printf("%.0f epochs, %llu updates of all ranks, %.2f others old on average; the last weight is %.3f, of 20\n",
               result.epochs, (unsigned long long)result.updates, result.staleness.mean, (double)w[COLUMNS - 1]);
#if defined(HW_MPI)
    hw_mpi_end();
#endif
    free(t);
    return 0;
}
