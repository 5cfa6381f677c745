/* counter.h (internal) - counters that one thread writes and any thread reads while it runs.
 *
 * Order: relaxed. A count carries no other data; whoever needs an exact sum reads after a join or in a gate, which
 * order everything before them. Weaker than this would be a data race, stronger would cost and prove nothing. */
#ifndef HOGWILD_LIB_COUNTER_H
#define HOGWILD_LIB_COUNTER_H

#include "base.h"
#include <stdatomic.h>
#include <string.h>

typedef _Atomic uint64_t base_counter;

static inline uint64_t counter_get(const base_counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void counter_set(base_counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

/* The owner alone adds: a load and a store, no locked instruction. */
static inline void counter_add(base_counter *c, uint64_t n)
{
    counter_set(c, counter_get(c) + n);
}

/* Doubles by their bits. */
static inline double counter_get_double(const base_counter *c)
{
    uint64_t bits = counter_get(c);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline void counter_add_double(base_counter *c, double x)
{
    uint64_t bits;
    x += counter_get_double(c);
    memcpy(&bits, &x, sizeof bits);
    counter_set(c, bits);
}

/* Any thread: a number nobody else gets (tickets, chunks of an evaluation). */
static inline uint64_t counter_take(base_counter *c, uint64_t n)
{
    return atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

#endif
