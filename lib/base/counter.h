/* counter.h (internal) - counters that one thread writes and any thread reads while it runs.
 *
 * Order: relaxed. A count carries no other data; whoever needs an exact sum reads after a join or in a pause, which
 * order everything before them. Weaker than this would be a data race, stronger would cost and prove nothing. */
#ifndef HW__BASE_COUNTER_H
#define HW__BASE_COUNTER_H

#include "base.h"
#include <stdatomic.h>
#include <string.h>

typedef _Atomic uint64_t hw__base_counter;

static inline uint64_t hw__counter_get(const hw__base_counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void hw__counter_set(hw__base_counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

/* The owner alone adds: a load and a store, no locked instruction. */
static inline void hw__counter_add(hw__base_counter *c, uint64_t n)
{
    hw__counter_set(c, hw__counter_get(c) + n);
}

/* Doubles by their bits. */
static inline double hw__counter_get_double(const hw__base_counter *c)
{
    uint64_t bits = hw__counter_get(c);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline void hw__counter_set_double(hw__base_counter *c, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    hw__counter_set(c, bits);
}

static inline void hw__counter_add_double(hw__base_counter *c, double x)
{
    hw__counter_set_double(c, hw__counter_get_double(c) + x);
}

/* Any thread: a number nobody else gets (tickets, chunks of an evaluation). */
static inline uint64_t hw__counter_take(hw__base_counter *c, uint64_t n)
{
    return atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

#endif
