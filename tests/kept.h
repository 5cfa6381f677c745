/* kept.h - every state that a run captures: config.on_capture = keep, config.context = a kept. At most forty. */
#ifndef KEPT_H
#define KEPT_H

#include <hogwild.h>

typedef struct kept {
    hw_state *state[40];
    unsigned n;
} kept;

static inline hw_status keep(void *context, uint64_t update, const hw_state *state)
{
    kept *k = context;
    (void)update;
    k->state[k->n] = hw_state_create();
    return hw_state_copy(k->state[k->n++], state);
}

#endif
