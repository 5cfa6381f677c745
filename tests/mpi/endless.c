/* endless.c - a run that is killed or interrupted, and goes on; and one whose MPI calls come from another thread. */
#include "ranks.h"
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* Trains without end; the script kills one of them, or interrupts all. */
static volatile sig_atomic_t interrupted;
static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static hw_status save(void *context, uint64_t update, const hw_state *state)
{
    char why[HW_WHY];
    return hw_checkpoint_save(context, update, 2, state, why);
}

void endless(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    hw_result result;
    float x[N] = {0};
    k->slow = true;
    c.epochs = 1e7;
    c.stop_flag = &interrupted;
    c.on_capture = save;
    c.checkpoint_epochs = 1;
    c.context = (void *)(uintptr_t) "checkpoints";
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGTERM, interrupt);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    CHECK(r, hw_mpi_train(&o, &c, &m, x, &result) == HW_OK);
    CHECK(r, result.reason == HW_STOP_ASKED);
    free(k);
}

/* The checkpoint that such a run has left. */
void goes_on(ranks *r)
{
    counting *k = calloc(1, sizeof *k);
    hw_objective o = counted(k);
    hw_config c = own(1);
    hw_mpi m = mpi_of(HW_MPI_ASYNC);
    shelf s = {hw_state_create(), 0};
    char path[200], why[HW_WHY] = "";
    hw_result result;
    float x[N];
    uint64_t at = 0;
    if (r->rank == 0) {
        CHECK(r, hw_checkpoint_load("checkpoints", s.state, path, sizeof path, why) == HW_OK);
        CHECK(r, hw_checkpoint_newest("checkpoints", &at) == HW_OK);
    }
    MPI_Bcast(&at, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    c.epochs = (double)at * r->count / (EXAMPLES / 4) + 3;
    train_from(r, c, m, &o, &s, x, &result);
    CHECK(r, at > 0 && result.updates > at);
    for (int j = 0; j < N; j++) CHECK(r, x[j] == (float)result.updates);
    hw_state_free(s.state);
    free(k);
}

/* MPI_THREAD_SERIALIZED: the thread that runs the job need not be MPI's main one. */
static void *elsewhere(void *context)
{
    nothing_is_lost(context);
    return NULL;
}

int serialized(int argc, char **argv)
{
    ranks r = {0, 0, 0};
    pthread_t thread;
    int given = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &given);
    MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r.count);
    if (given < MPI_THREAD_SERIALIZED || pthread_create(&thread, NULL, elsewhere, &r) != 0) return 1;
    pthread_join(thread, NULL);
    MPI_Finalize();
    return r.failed > 0;
}
