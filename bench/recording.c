/* recording.c - what recording the staleness costs: the same run with it on and off, alternating, dense steps of 60,000
 * floats and sparse steps of 100, at one and two workers. */
#include "cli.h"
#include "bench.h"
#include <string.h>

enum { REPEATS = 21, DENSE = 60000, SPARSE = 47000, TOUCHED = 100 };

static hw_status dense_step(void *self, hw_worker *w, const hw_batch *b)
{
    const float *x = hw_read(w);
    float *g = hw_gradient(w);
    (void)self, (void)b;
    for (int k = 0; k < 8; k++) /* about 100 us of work, as the smallest dense steps have */
        for (int i = 0; i < DENSE; i++) g[i] = (k ? g[i] : 0) + 1e-3f * x[i];
    return hw_write(w, 1);
}

static hw_status sparse_step(void *self, hw_worker *w, const hw_batch *b)
{
    uint32_t at[TOUCHED];
    float x[TOUCHED];
    uint64_t h = b->step * 0x9e3779b97f4a7c15u;
    (void)self;
    for (uint32_t i = 0; i < TOUCHED; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        at[i] = (uint32_t)((h >> 33) % (SPARSE / TOUCHED) + i * (SPARSE / TOUCHED));
    }
    hw_read_at(w, at, TOUCHED, x);
    for (int i = 0; i < TOUCHED; i++) x[i] = 1e-3f * x[i] + 1e-4f;
    return hw_write_at(w, at, TOUCHED, x, 1);
}

static double rate(bool dense, unsigned workers, int record)
{
    hw_objective o = hw_objective_defaults("recording", dense ? DENSE : SPARSE);
    hw_config c = hw_config_defaults();
    hw_result r;
    o.step = dense ? dense_step : sparse_step;
    c.workers = workers;
    c.epochs = 0;
    c.updates = dense ? 4000 : 400000;
    c.record = record;
    c.optimizer.momentum = 0;
    c.write = dense ? HW_WRITE_STRIPED : HW_WRITE_RACY;
    c.clock_interval = dense ? 1 : 64;
    c.keep_every = 0;
    if (hw_train(&o, &c, NULL, &r) != HW_OK) {
        (void)cli_error("recording", 1, r.message);
        return 0;
    }
    return (double)r.updates / r.seconds;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        printf("recording - throughput with staleness recording on and off; takes no options\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    bench_header("recording");
    for (int dense = 1; dense >= 0; dense--)
        for (unsigned workers = 1; workers <= 2; workers++) {
            double ratio[REPEATS], on[REPEATS];
            for (int r = 0; r < REPEATS; r++) {
                /* The order turns every time, so that a drift of the machine favours neither side. */
                double first = rate(dense, workers, r % 2), second = rate(dense, workers, 1 - r % 2);
                double off = r % 2 ? second : first;
                on[r] = r % 2 ? first : second;
                ratio[r] = 100 * (off / on[r] - 1);
            }
            bench_stat s = bench_of(ratio, REPEATS), n = bench_of(on, REPEATS);
            printf("%s, %u worker%s: %.0f updates/s recorded; recording costs %.2f %% (median of %d alternations; the "
                   "middle "
                   "half %.2f to %.2f)\n",
                   dense ? "dense, 60,000 floats" : "sparse, 100 of 47,000 (sampled clock)", workers,
                   workers > 1 ? "s" : "", n.median, s.median, REPEATS, ratio[REPEATS / 4],
                   ratio[REPEATS - 1 - REPEATS / 4]);
            (void)fflush(stdout);
        }
    printf("a line crosses the cores in %.0f ns\n", bench_latency());
    return 0;
}
