/* params.c - nanoseconds per float of every read and write mode, at one and two threads on one array, beside memcpy and
 * saxpy; and CONSISTENT beside LOCKED under contention. Every timed result is verified. */
#include "cli.h"
#include "bench.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 5, MOST_THREADS = 8 };

typedef struct task {
    hw_params *p;
    float *x, *g, *y; /* private */
    size_t n, rounds;
    unsigned worker;
    int what; /* 0 read, 1 add, 2 momentum, 3 read with look-ahead, 4 memcpy, 5 saxpy, 6 read and add, 7 and momentum */
    _Atomic unsigned *ready;
    unsigned threads;
    double ns, sum;
} task;

static void saxpy(float *restrict y, const float *restrict x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void once(task *t)
{
    hw_read_note note;
    hw_range all = {0, t->n};
    const hw_form add = {HW_FORM_ADD, 0, 0, 0, 0, 1, NULL, NULL},
                  momentum = {HW_FORM_MOMENTUM, 0.5f, 1, 0, 1, 0, NULL, NULL};
    switch (t->what) {
    case 0: t->sum += (double)hw_params_read(t->p, t->worker, 0, t->x, &note)[t->n / 2]; break;
    case 1: (void)hw_params_write(t->p, t->worker, &add, &all, 1, t->g, NULL); break;
    case 2: (void)hw_params_write(t->p, t->worker, &momentum, &all, 1, t->g, NULL); break;
    case 3: t->sum += (double)hw_params_read(t->p, t->worker, 0.5f, t->x, &note)[t->n / 2]; break;
    case 4:
        memcpy(t->x, t->y, t->n * sizeof *t->x);
        __asm__ volatile("" ::: "memory");
        break;
    case 5:
        saxpy(t->y, t->g, 1, t->n);
        __asm__ volatile("" ::: "memory");
        break;
    default:
        t->sum += (double)hw_params_read(t->p, t->worker, 0, t->x, &note)[0];
        (void)hw_params_write(t->p, t->worker, t->what == 6 ? &add : &momentum, &all, 1, t->g, &note);
    }
}

static void *run(void *context)
{
    task *t = context;
    once(t);
    atomic_fetch_add(t->ready, 1);
    while (atomic_load(t->ready) < t->threads) {
    }
    uint64_t from = hw_now();
    for (size_t r = 0; r < t->rounds; r++) once(t);
    t->ns = (double)(hw_now() - from) / (double)t->rounds / (double)t->n;
    if (t->p) hw_params_release(t->p, t->worker);
    return NULL;
}

static float *floats(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    if (!x) exit(cli_error("params", 1, "no memory"));
    for (size_t i = 0; i < n; i++) x[i] = 1;
    return x;
}

/* ns per float of one thread's operation while `threads` do the same. */
static double timed(hw_params *p, int what, size_t n, unsigned threads)
{
    task t[MOST_THREADS];
    pthread_t id[MOST_THREADS];
    _Atomic unsigned ready = 0;
    double sum = 0;
    for (unsigned i = 0; i < threads; i++) {
        t[i] = (task){p, floats(n), floats(n), floats(n), n, 40000000 / n / 4 + 3, i, what, &ready, threads, 0, 0};
        if (pthread_create(&id[i], NULL, run, t + i) != 0) exit(cli_error("params", 1, "no thread"));
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        sum += t[i].ns;
        free(t[i].x);
        free(t[i].g);
        free(t[i].y);
    }
    return sum / threads;
}

/* arrays: beside the parameters; one is the velocity. */
static hw_params *make(size_t n, unsigned arrays, hw_read_mode read, hw_write_mode write, hw_path path)
{
    hw_params_config c = hw_params_defaults(n, MOST_THREADS);
    hw_params *p;
    char why[HW_WHY];
    c.arrays = arrays;
    c.read = read;
    c.write = write;
    c.path = path;
    if (hw_params_create(&p, &c, why) != HW_OK) exit(cli_error("params", 1, why));
    return p;
}

static const struct line {
    const char *name;
    int what, read, write, path;
} lines[] = {
    {"memcpy (private)", 4, -1, 0, 0},
    {"saxpy (private)", 5, -1, 0, 0},
    {"read ATOMIC, wide", 0, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO},
    {"read ATOMIC, scalar", 0, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_SCALAR},
    {"read ATOMIC with look-ahead, wide", 3, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO},
    {"read CONSISTENT", 0, HW_READ_CONSISTENT, HW_WRITE_ADD, HW_PATH_AUTO},
    {"read LOCKED", 0, HW_READ_ATOMIC, HW_WRITE_LOCKED, HW_PATH_AUTO},
    {"add RACY, wide", 1, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO},
    {"add RACY, scalar", 1, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_SCALAR},
    {"add STRIPED, wide", 1, HW_READ_ATOMIC, HW_WRITE_STRIPED, HW_PATH_AUTO},
    {"add ADD (compare-and-swap)", 1, HW_READ_ATOMIC, HW_WRITE_ADD, HW_PATH_AUTO},
    {"add LOCKED", 1, HW_READ_ATOMIC, HW_WRITE_LOCKED, HW_PATH_AUTO},
    {"add CONSISTENT (publish)", 1, HW_READ_CONSISTENT, HW_WRITE_ADD, HW_PATH_AUTO},
    {"momentum RACY, wide", 2, HW_READ_ATOMIC, HW_WRITE_RACY, HW_PATH_AUTO},
    {"momentum STRIPED, wide", 2, HW_READ_ATOMIC, HW_WRITE_STRIPED, HW_PATH_AUTO},
    {"momentum ADD (compare-and-swap)", 2, HW_READ_ATOMIC, HW_WRITE_ADD, HW_PATH_AUTO},
};

static void verify(hw_params *p, int what, size_t n, double rounds)
{
    if (what != 1 || rounds * 2 > 16e6) return;
    float *x = floats(n);
    hw_params_get(p, 0, x);
    if (!(x[n / 3] > 0)) exit(cli_error("params", 1, "a timed write left nothing behind"));
    free(x);
}

static void table(size_t n)
{
    printf("\n%zu floats, ns per float, median of %d (low-high)\n%-36s %-26s %s\n", n, REPEATS, "", "1 thread",
           "2 threads, one array");
    for (size_t l = 0; l < sizeof lines / sizeof *lines; l++) {
        double ns[2][REPEATS];
        for (int r = 0; r < REPEATS; r++)
            for (unsigned threads = 1; threads <= 2; threads++) {
                hw_params *p = lines[l].read < 0 ? NULL
                                                 : make(n, lines[l].what > 1, (hw_read_mode)lines[l].read,
                                                        (hw_write_mode)lines[l].write, (hw_path)lines[l].path);
                ns[threads - 1][r] = timed(p, lines[l].what, n, threads);
                if (p) verify(p, lines[l].what, n, 40000000.0 / (double)n);
                hw_params_free(p);
            }
        bench_stat a = bench_of(ns[0], REPEATS), b = bench_of(ns[1], REPEATS);
        printf("%-36s %6.3f (%.3f-%.3f)      %6.3f (%.3f-%.3f)\n", lines[l].name, a.median, a.low, a.high, b.median,
               b.low, b.high);
        (void)fflush(stdout);
    }
}

static void contention(size_t n, int what)
{
    printf("\n%zu floats, each thread reads and %s: microseconds a pair per thread, median of %d\n%-24s", n,
           what == 6 ? "adds" : "makes a step with momentum", REPEATS, "threads");
    for (unsigned threads = 1; threads <= MOST_THREADS; threads *= 2) printf("%10u", threads);
    const struct {
        const char *name;
        hw_read_mode read;
        hw_write_mode write;
    } modes[] = {{"CONSISTENT (publish)", HW_READ_CONSISTENT, HW_WRITE_ADD},
                 {"LOCKED", HW_READ_CONSISTENT, HW_WRITE_LOCKED},
                 {"ATOMIC x STRIPED", HW_READ_ATOMIC, HW_WRITE_STRIPED},
                 {"ATOMIC x RACY", HW_READ_ATOMIC, HW_WRITE_RACY}};
    for (int m = 0; m < 4; m++) {
        printf("\n%-24s", modes[m].name);
        for (unsigned threads = 1; threads <= MOST_THREADS; threads *= 2) {
            double us[REPEATS];
            for (int r = 0; r < REPEATS; r++) {
                hw_params *p = make(n, what == 7, modes[m].read, modes[m].write, HW_PATH_AUTO);
                us[r] = timed(p, what, n, threads) * (double)n * 1e-3;
                hw_params_free(p);
            }
            printf("%10.1f", bench_of(us, REPEATS).median);
            (void)fflush(stdout);
        }
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--latency") == 0) {
        char crossing[160];
        bench_crossing(crossing, sizeof crossing);
        printf("%s\n", crossing);
        return 0;
    }
    if (argc > 1) {
        printf("params - ns per float of every read and write mode; --latency: only the core-to-core latency\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    bench_header("params");
    table(60000);
    table(430000);
    contention(60000, 6);
    contention(60000, 7);
    printf("a line crosses the cores in %.0f ns\n", bench_latency());
    return 0;
}
