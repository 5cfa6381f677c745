/* modes.c - the table of modes: the first one that takes a configuration is used. */
#include "mode.h"

static const hw__mode *const table[] = {&hw__mode_replicas, &hw__mode_consistent, &hw__mode_locked, &hw__mode_striped,
                                        &hw__mode_atomic};

const hw__mode *hw__mode_of(const hw_params_config *c)
{
    size_t i = 0;
    while (!table[i]->takes(c)) i++; /* the last one takes what is left */
    return table[i];
}
