/* jobs.c - the jobs that tests on several ranks run: of classes of fits, and of whole numbers that count updates. */
#include "../fits.h"
#include "ranks.h"
#include <time.h>

double gradient(void *self, void *scratch, const hw_batch *b, const float *x, float *g)
{
    (void)self, (void)scratch;
    return fits_gradient(b, x, g, N);
}

hw_status evaluate(void *self, void *scratch, const float *x, uint32_t first, uint32_t count, double *sums)
{
    (void)self, (void)scratch;
    for (uint32_t i = first; i < first + count; i++) sums[0] += (double)x[i % N];
    return HW_OK;
}

hw_objective objective(void)
{
    hw_objective o = hw_objective_defaults("ranks", N);
    o.examples = EXAMPLES;
    o.loss_gradient = gradient;
    o.evaluate = evaluate;
    o.evaluation_examples = 140;
    o.evaluation_chunk = 10;
    return o;
}

hw_config in_step(unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = HW_SYNC;
    c.workers = workers;
    c.batch = 17;
    c.epochs = 4;
    c.optimizer.momentum = 0.5;
    c.optimizer.schedule.base = 0.5;
    return c;
}

hw_mpi mpi_of(hw_mpi_scheduler scheduler)
{
    hw_mpi m;
    (void)hw_mpi_init(&m, sizeof m);
    m.scheduler = scheduler;
    return m;
}

hw_status count_step(void *self, hw_worker *w, const hw_batch *b)
{
    counting *k = self;
    float *g = hw_gradient(w);
    (void)hw_read(w);
    for (uint32_t i = 0; i < b->count && b->epoch < EPOCHS; i++) k->seen[b->epoch][b->index[i]]++;
    for (int j = 0; j < N; j++) g[j] = -1;
    unsigned step = ++k->steps;
    if (k->slow) {
        const struct timespec moment = {0, 200000};
        (void)nanosleep(&moment, NULL);
    }
    if (k->fails_at && step == k->fails_at) {
        if (!k->nan) return hw_fail(w, (hw_status)1234, "the well has run dry");
        g[3] = NAN;
    }
    if (k->skip_every && step % k->skip_every == 0) g[3] = NAN;
    return hw_write(w, 1);
}

/* Every example once in each epoch of first .. end - 1, and never in another, whichever rank it was. */
bool visited(const counting *k, int first, int end)
{
    int mine[EPOCHS * EXAMPLES], all[EPOCHS * EXAMPLES];
    for (int i = 0; i < EPOCHS * EXAMPLES; i++) mine[i] = k->seen[i / EXAMPLES][i % EXAMPLES];
    MPI_Allreduce(mine, all, EPOCHS * EXAMPLES, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < EPOCHS * EXAMPLES; i++)
        if (all[i] != (i / EXAMPLES >= first && i / EXAMPLES < end)) return false;
    return true;
}

hw_config own(unsigned workers)
{
    hw_config c = hw_config_defaults();
    c.scheduler = workers == 1 ? HW_SEQUENTIAL : HW_ASYNC;
    c.workers = workers;
    c.batch = 4;
    c.epochs = 6;
    c.write = HW_WRITE_ADD;
    c.optimizer.momentum = 0;
    c.optimizer.schedule.base = 1; /* every update adds 1 */
    c.compensation.policy = HW_POLICY_NONE;
    return c;
}

hw_objective counted(counting *k)
{
    hw_objective o = objective();
    o.loss_gradient = NULL;
    o.step = count_step;
    o.self = k;
    return o;
}

/* All parameters are the number of updates, so the metric says whether the view is one moment's. */
hw_status see(void *context, const hw_evaluation *e)
{
    watched *w = context;
    w->count++;
    w->exact = w->exact && e->metric[0] == (double)e->update;
    return w->stop_after && w->count == w->stop_after ? HW_E_STOPPED : HW_OK;
}
