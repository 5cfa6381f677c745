/* bench.c - medians, intervals, and a ping-pong between two threads. */
#include "bench.h"
#include "cli.h"
#include "ranks.h"
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_stat bench_of(double *x, size_t n)
{
    bench_stat s = {NAN, NAN, NAN, NAN, NAN, n};
    if (!n) return s;
    qsort(x, n, sizeof *x, ascending);
    s.median = n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
    s.low = x[0];
    s.high = x[n - 1];
    s.mean = 0;
    for (size_t i = 0; i < n; i++) s.mean += x[i] / (double)n;
    s.deviation = 0;
    for (size_t i = 0; i < n; i++) s.deviation += (x[i] - s.mean) * (x[i] - s.mean);
    s.deviation = n > 1 ? sqrt(s.deviation / (double)(n - 1)) : NAN;
    return s;
}

double bench_half_width(double deviation, size_t n)
{
    static const double t[] = {NAN,   NAN,   12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262,
                               2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093};
    return n < 2 ? NAN : (n <= 20 ? t[n] : 1.96) * deviation / sqrt((double)n);
}

double bench_interval(const bench_stat *s)
{
    return bench_half_width(s->deviation, s->n);
}

#define OVER UINT_MAX /* no more rounds */
enum { ROUNDS = 20000 };
typedef struct ball {
    _Alignas(64) _Atomic unsigned at;
} ball;

static void *pong(void *context)
{
    ball *b = context;
    for (unsigned i = 0;; i++) {
        unsigned at;
        while ((at = atomic_load_explicit(&b->at, memory_order_acquire)) != 2 * i + 1 && at != OVER) {
        }
        if (at == OVER) return NULL;
        atomic_store_explicit(&b->at, 2 * i + 2, memory_order_release);
    }
}

/* Each of nine measurements is of so many rounds, or of a tenth of a second: on a machine that is busy with something
 * else a round waits for the other thread's turn. */
double bench_latency(void)
{
    double ns[9];
    for (int k = 0; k < 9; k++) {
        ball b;
        pthread_t other;
        atomic_init(&b.at, 0);
        if (pthread_create(&other, NULL, pong, &b) != 0) return NAN;
        uint64_t from = hw_now();
        unsigned rounds = 0;
        while (rounds < ROUNDS && (rounds % 16 || hw_now() - from < 100000000)) {
            atomic_store_explicit(&b.at, 2 * rounds + 1, memory_order_release);
            while (atomic_load_explicit(&b.at, memory_order_acquire) != 2 * rounds + 2) {
            }
            rounds++;
        }
        ns[k] = (double)(hw_now() - from) / (2.0 * rounds);
        atomic_store_explicit(&b.at, OVER, memory_order_release);
        pthread_join(other, NULL);
    }
    return bench_of(ns, 9).median;
}

void bench_crossing(char *text, size_t size)
{
    if (hw_processors() < 2 || ranks_count() > 1) { /* other ranks are waiting, each on a core */
        (void)snprintf(text, size, ranks_count() > 1 ? "%u ranks" : "%u core", ranks_count());
        return;
    }
    double latency = bench_latency();
    (void)snprintf(text, size, "a line crosses the cores in %.0f ns%s", latency,
                   latency > 2000 ? ": other programs are on them, and what several threads take says little" : "");
}

void bench_header(const char *program)
{
    char machine[160], build[256], crossing[160];
    cli_machine(machine, sizeof machine);
    hw_build_info(build, sizeof build);
    bench_crossing(crossing, sizeof crossing);
    printf("%s: %s; %s; %s\n", program, machine, build, crossing);
}
