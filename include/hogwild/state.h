/* state.h - stands in advanced/ now; this name is for sources of 0.1. */
#ifndef HOGWILD_STATE_H
#define HOGWILD_STATE_H
#include "advanced/state.h"
#endif
