/* stress_params.c - promises 3 and 4 of docs/testing.md at their figures: 8 threads x 10^7 adds, three seeds, nothing
 * lost; 10^6 consistent reads at full write load for n = 8 .. 10^6, none torn, with latencies. */
#include "check.h"

enum { THREADS = 8 };

typedef struct job {
    hw_params *p;
    unsigned worker;
    uint64_t seed, rounds, torn;
    size_t n;
    uint32_t *latency; /* ns, of this worker's reads */
} job;

static void *adder(void *context)
{
    job *j = context;
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    hw_rng rng;
    hw_rng_seed(&rng, j->seed, j->worker);
    const float one = 1;
    for (uint64_t r = 0; r < j->rounds; r++) {
        uint32_t at = (uint32_t)hw_rng_below(&rng, j->n);
        (void)hw_params_write_at(j->p, j->worker, &add, &at, 1, &one, NULL);
    }
    return NULL;
}

static hw_params *make(size_t n, hw_read_mode read, hw_write_mode write)
{
    hw_params_config c = hw_params_defaults(n, THREADS);
    hw_params *p = NULL;
    c.read = read;
    c.write = write;
    assert_int_equal(hw_params_create(&p, &c, NULL), HW_OK);
    return p;
}

static void run(void *(*body)(void *), job *jobs)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, body, jobs + i), 0);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void adds(void **state)
{
    (void)state;
    const hw_write_mode modes[] = {HW_WRITE_ADD, HW_WRITE_STRIPED, HW_WRITE_LOCKED, HW_WRITE_RACY};
    const char *const names[] = {"ADD", "STRIPED", "LOCKED", "RACY"};
    uint64_t rounds = check_full() ? 10000000 : 200000;
    for (int m = 0; m < 4; m++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            enum { N = 64 }; /* each total stays below 2^24 */
            job jobs[THREADS];
            float x[N];
            double sum = 0;
            hw_params *p = make(N, HW_READ_ATOMIC, modes[m]);
            for (unsigned i = 0; i < THREADS; i++) jobs[i] = (job){p, i, seed, rounds, 0, N, NULL};
            run(adder, jobs);
            hw_params_get(p, 0, x);
            for (int i = 0; i < N; i++) sum += (double)x[i];
            if (modes[m] != HW_WRITE_RACY)
                assert_true(sum == (double)(THREADS * rounds));
            else if (seed == 1)
                print_message("RACY lost %.2f %% of single-coordinate adds\n",
                              100 * (1 - sum / (double)(THREADS * rounds)));
            assert_int_equal(hw_params_clock(p), THREADS * rounds);
            hw_params_free(p);
            if (seed == 3)
                print_message("%s: 3 seeds x %d x %llu adds\n", names[m], THREADS, (unsigned long long)rounds);
        }
}

static void *reader(void *context)
{
    job *j = context;
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL};
    hw_range all = {0, j->n};
    float *g = aligned_alloc(64, (j->n * 4 + 127) / 64 * 64), *b = aligned_alloc(64, (j->n * 4 + 127) / 64 * 64);
    hw_read_note note;
    for (size_t i = 0; i < j->n; i++) g[i] = 1;
    for (uint64_t r = 0; r < j->rounds; r++) {
        uint64_t from = hw_now();
        const float *x = hw_params_read(j->p, j->worker, 0, b, &note);
        uint64_t ns = hw_now() - from;
        j->latency[r] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
        float want = (float)(note.clock % 16777216);
        for (size_t i = 0; i < j->n; i++) j->torn += x[i] != want;
        (void)hw_params_write(j->p, j->worker, &add, &all, 1, g, &note);
    }
    free(g);
    free(b);
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void consistent_reads(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 1000, 30000, 1000000};
    for (int s = 0; s < 4; s++) {
        uint64_t total = check_full() ? 1000000 : 20000;
        if (sizes[s] >= 30000) total /= sizes[s] / 3000; /* the larger ones in the time there is */
        job jobs[THREADS];
        hw_params *p = make(sizes[s], HW_READ_CONSISTENT, HW_WRITE_ADD);
        uint64_t rounds = total / THREADS + 1, torn = 0;
        uint32_t *latency = malloc(THREADS * rounds * sizeof *latency);
        for (unsigned i = 0; i < THREADS; i++) jobs[i] = (job){p, i, 1, rounds, 0, sizes[s], latency + i * rounds};
        run(reader, jobs);
        for (unsigned i = 0; i < THREADS; i++) torn += jobs[i].torn;
        assert_int_equal(torn, 0);
        assert_int_equal(hw_params_clock(p), THREADS * rounds);
        qsort(latency, THREADS * rounds, sizeof *latency, ascending);
        print_message("n = %zu: %llu reads under %d writers, 0 torn; latency p50 %u ns, p99 %u ns\n", sizes[s],
                      (unsigned long long)(THREADS * rounds), THREADS, latency[THREADS * rounds / 2],
                      latency[THREADS * rounds * 99 / 100]);
        free(latency);
        hw_params_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(adds), cmocka_unit_test(consistent_reads)};
    return cmocka_run_group_tests_name("stress params", tests, NULL, NULL);
}
