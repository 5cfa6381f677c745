/* bench.h - what the benchmarks share: medians with spread, and the probe of core-to-core latency that stands
 * beside every figure of more than one worker. */
#ifndef SUPPORT_BENCH_H
#define SUPPORT_BENCH_H

#include <hogwild.h>
#include <stddef.h>

typedef struct bench_stat {
    double median, low, high, mean, deviation; /* deviation: of the sample (n - 1) */
    size_t n;
} bench_stat;
/* Sorts x. */
bench_stat bench_of(double *x, size_t n);
/* Half-width of the 95 % interval of the mean (Student's t). */
double bench_interval(const bench_stat *s);
double bench_half_width(double deviation, size_t n);

/* Nanoseconds for a cache line to cross from one thread to another (half a ping-pong round), the median of 9. */
double bench_latency(void);
/* That in words, and what it means where it is no latency of cores. */
void bench_crossing(char *text, size_t size);
/* Machine, commit and latency on one line. */
void bench_header(const char *program);

#endif
